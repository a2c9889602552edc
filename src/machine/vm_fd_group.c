/* Groups of descriptors by name. QEMU gets copies of its own, so a group serves several starts; it goes with
 * the connection that brought it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_fd_group.h"

#include <errno.h>
#include <fcntl.h>

#include "machine/vm_private.h"
#include "qemu/device.h"
#include "wire/wire_enums.h"

#define GROUPS_MAX 64 /* of a machine: each holds descriptors of the daemon's */

typedef struct FdGroup {
    uint64_t client_id;
    GArray *fds; /* of int */
} FdGroup;

static void fd_group_free(void *data)
{
    FdGroup *group = data;

    for (guint i = 0; i < group->fds->len; i++)
        fd_cleanup(&g_array_index(group->fds, int, i));
    g_array_unref(group->fds);
    g_free(group);
}

bool vm_associate_fds(Vm *vm, const char *name, int *fds, unsigned n_fds, unsigned flags,
                      const Caller *caller, Error **err)
{
    if (!check_flags(flags,
                     VIR_DOMAIN_FD_ASSOCIATE_SECLABEL_RESTORE | VIR_DOMAIN_FD_ASSOCIATE_SECLABEL_WRITABLE,
                     "qemuDomainFDAssociate", err))
        return false;
    if (n_fds == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "nfds in virDomainFDAssociate must not be zero");
    if (!vm->fd_groups)
        vm->fd_groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fd_group_free);
    if (g_hash_table_size(vm->fd_groups) >= GROUPS_MAX && !g_hash_table_contains(vm->fd_groups, name))
        return error_set(err, ERROR_OPERATION_FAILED, "domain '%s' has %d file descriptor groups already",
                         vm->name, GROUPS_MAX);
    FdGroup *group = g_new0(FdGroup, 1);
    *group = (FdGroup){ .client_id = caller ? caller->client_id : 0,
                        .fds = g_array_new(FALSE, FALSE, sizeof(int)) };
    for (unsigned i = 0; i < n_fds; i++) {
        const int fd = fd_steal(&fds[i]);
        g_array_append_val(group->fds, fd);
    }
    g_hash_table_replace(vm->fd_groups, g_strdup(name), group);
    return true;
}

/* QEMU's locks are those of the open file, which we have open, too: they outlive a QEMU. */
static void unlock_all(const FdGroup *group)
{
    for (guint i = 0; i < group->fds->len; i++) {
        struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
        (void)fcntl(g_array_index(group->fds, int, i), F_OFD_SETLK,
                    &all); /* no file system without locks minds */
    }
}

bool vm_prepare_fd_groups(Vm *vm, const DiskDef *disk, PlanFds *fds, Error **err)
{
    for (const StorageSource *source = &disk->src; source; source = source->backing) {
        const FdGroup *group =
            source->fd_group && vm->fd_groups ? g_hash_table_lookup(vm->fd_groups, source->fd_group) : NULL;
        if (!source->fd_group)
            continue;
        if (!group)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "file descriptor group '%s' was not associated with the domain",
                             source->fd_group);
        if (vm->run->is_starting)
            unlock_all(group);
        for (guint i = 0; i < group->fds->len; i++) {
            g_autofree char *fd_name = device_source_fd_name(source, i);
            const int fd = fcntl(g_array_index(group->fds, int, i), F_DUPFD_CLOEXEC, 3);
            if (fd < 0)
                return error_set_errno(err, errno, "copying a descriptor of group '%s'", source->fd_group);
            plan_fds_add(fds, fd_name, fd);
        }
    }
    return true;
}

static gboolean is_of_client(void *name, void *group, void *client_id)
{
    return ((const FdGroup *)group)->client_id == *(const uint64_t *)client_id;
}

void vm_forget_fd_groups(Vm *vm, uint64_t client_id)
{
    if (vm->fd_groups)
        (void)g_hash_table_foreach_remove(vm->fd_groups, is_of_client, &client_id);
}
