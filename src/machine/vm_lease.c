/* Leases of a machine's disks. QEMU keeps the descriptors by name (getfd), which outlive every connection. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "lease"
#include "machine/vm_lease.h"

#include <unistd.h>

#include "base/log.h"
#include "conf/domain_device.h"
#include "storage/lease.h"

static LeaseHolder holder_of(const Vm *vm)
{
    return (LeaseHolder){ .machine = vm->name, .pid = vm->run->pid };
}

AWAITS static bool take_disk(Vm *vm, const DiskDef *disk, int *ret_fd, Error **err)
{
    const LeaseHolder holder = holder_of(vm);

    return lease_take(vm->host, disk->src.path, disk->shareable, &holder, ret_fd, err);
}

bool vm_lease_take_all(Vm *vm, Error **err)
{
    const Host *host = vm->host;
    const LeaseHolder holder = holder_of(vm);
    unsigned n_writable = 0;
    int fd = -1;

    if (!lease_is_used(host) && def_list_len(vm->live->leases) > 0) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "the machine has leases, and there is no lock manager");
        return error_hint(err, "qemu.conf: lock_manager = \"lockd\"");
    }
    if (!lease_is_used(host))
        return true;
    vm->run->leases = plan_fds_new();
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        n_writable += !storage_is_empty(&disk->src) && !disk->readonly && !disk->shareable;
        if (!lease_is_wanted(host, disk, &disk->src))
            continue;
        if (!take_disk(vm, disk, &fd, err))
            return false;
        g_autofree char *name = lease_fd_name(disk->src.path);
        plan_fds_add(vm->run->leases, name, fd);
    }
    for (DEF_EACH(LeaseDef, lease, vm->live->leases)) {
        if (!lease_take_explicit(host, lease, &holder, &fd, err))
            return false;
        g_autofree char *name = lease_fd_name_explicit(lease);
        plan_fds_add(vm->run->leases, name, fd);
    }
    if (n_writable > 0 && host->config->require_lease_for_disks && def_list_len(vm->live->leases) == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "read/write, exclusive access, disks were present, but no leases specified");
    return true;
}

/* QEMU has a copy when this succeeds. */
AWAITS static bool pass(Vm *vm, const char *name, int fd, Error **err)
{
    const LeaseHolder holder = holder_of(vm);
    AUTO_JSON args = json_pack("{s:s}", "fdname", name);

    lease_sign(fd, &holder);
    return qmp_exec_fd(vm_monitor(vm), "getfd", args, fd, 0, NULL, err);
}

bool vm_lease_pass(Vm *vm, Error **err)
{
    PlanFds *leases = vm->run->leases;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GHashTableIter iter;
    void *name = NULL;

    if (!leases)
        return true;
    g_hash_table_iter_init(&iter, leases);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, name);
    for (guint i = 0; i < names->len; i++) {
        if (!pass(vm, g_ptr_array_index(names, i), plan_fds_get(leases, g_ptr_array_index(names, i)), err))
            return error_prefix(err, "passing a lease to QEMU");
    }
    g_clear_pointer(&vm->run->leases, plan_fds_free); /* QEMU's are the only ones from now on */
    return true;
}

bool vm_lease_add(Vm *vm, const DiskDef *disk, Error **err)
{
    AUTO_FD fd = -1;

    if (!lease_is_wanted(vm->host, disk, &disk->src))
        return true;
    g_autofree char *name = lease_fd_name(disk->src.path);
    return take_disk(vm, disk, &fd, err) && vm_require_monitor(vm, err) && pass(vm, name, fd, err);
}

void vm_lease_drop(Vm *vm, const char *path)
{
    g_autofree char *name = lease_fd_name(path);
    AUTO_JSON args = json_pack("{s:s}", "fdname", name);
    g_autoptr(Error) err = NULL;

    if (!lease_is_used(vm->host))
        return;
    /* It may have had none: taken over from before leases were kept. */
    if (!qmp_exec(vm_monitor(vm), "closefd", args, 0, NULL, &err) && error_code(err) != ERROR_REFUSED)
        log_warning_error(err, "giving a lease back");
    lease_forget(vm->host, path);
}

void vm_lease_drop_all(Vm *vm)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (!lease_is_used(vm->host))
        return;
    for (DEF_EACH(DiskDef, disk, vm->live->disks))
        if (lease_is_wanted(vm->host, disk, &disk->src))
            g_ptr_array_add(paths, g_strdup(disk->src.path));
    for (DEF_EACH(LeaseDef, lease, vm->live->leases))
        g_ptr_array_add(names, lease_fd_name_explicit(lease));
    for (guint i = 0; i < paths->len; i++)
        vm_lease_drop(vm, g_ptr_array_index(paths, i));
    for (guint i = 0; i < names->len; i++) {
        AUTO_JSON args = json_pack("{s:s}", "fdname", g_ptr_array_index(names, i));
        if (!qmp_exec(vm_monitor(vm), "closefd", args, 0, NULL, NULL))
            log_debug("machine '%s' had no lease '%s'", vm->name, (const char *)g_ptr_array_index(names, i));
    }
}

void vm_lease_forget_all(Vm *vm)
{
    g_clear_pointer(&vm->run->leases, plan_fds_free);
    if (!lease_is_used(vm->host))
        return;
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        if (lease_is_wanted(vm->host, disk, &disk->src))
            lease_forget(vm->host, disk->src.path);
        if (disk->mirror && lease_is_wanted(vm->host, disk, &disk->mirror->src))
            lease_forget(vm->host, disk->mirror->src.path);
    }
}
