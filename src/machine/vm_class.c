/* Machines as a kind of objects: what core/object.c does with them. Here and in vm_run.c is known what all
 * the modules of this room keep in a machine; vm.c, which they need, knows none of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "conf/domain_rows.h"
#include "machine/vm_autostart.h"
#include "machine/vm_moment.h"
#include "machine/vm_private.h"
#include "machine/vm_snapshot_schedule.h"

static unsigned vm_flag_state(const Object *object)
{
    switch (((const Vm *)object)->state) {
    case VM_STATE_RUNNING:
        return 1 << 4;
    case VM_STATE_PAUSED:
        return 1 << 5;
    case VM_STATE_SHUTOFF:
        return 1 << 6;
    default:
        return 1 << 7;
    }
}

static unsigned vm_flag_managed_save(const Object *object)
{
    return ((const Vm *)object)->has_managed_save ? 1 << 8 : 1 << 9;
}

static unsigned vm_flag_autostart(const Object *object)
{
    return object->autostart ? 1 << 10 : 1 << 11;
}

static unsigned vm_flag_snapshot(const Object *object)
{
    return moment_count(((const Vm *)object)->snapshots) ? 1 << 12 : 1 << 13;
}

static unsigned vm_flag_checkpoint(const Object *object)
{
    return moment_count(((const Vm *)object)->checkpoints) ? 1 << 14 : 1 << 15;
}

static const ObjectFilter vm_filters[] = {
    { 3 << 0, object_flag_active },  { 3 << 2, object_flag_persistent },
    { 15 << 4, vm_flag_state },      { 3 << 8, vm_flag_managed_save },
    { 3 << 10, vm_flag_autostart },  { 3 << 12, vm_flag_snapshot },
    { 3 << 14, vm_flag_checkpoint }, { 0 },
};

static void vm_init(Object *object)
{
    Vm *vm = (Vm *)object;

    vm->state = VM_STATE_SHUTOFF;
    vm->reason = VIR_DOMAIN_SHUTOFF_UNKNOWN;
    wait_queue_init(&vm->status_idle);
    vm->snapshots = moment_tree_new(vm, &snapshot_moments);
    vm->checkpoints = moment_tree_new(vm, &checkpoint_moments);
    vm->snapshot_images = g_ptr_array_new_with_free_func(g_free);
    vm->schedule = g_new0(VmSchedule, 1);
}

static void vm_free(Object *object)
{
    Vm *vm = (Vm *)object;

    vm_run_free(vm->run);
    g_ptr_array_unref(vm->snapshot_images);
    g_clear_pointer(&vm->fd_groups, g_hash_table_unref);
    g_free(vm->schedule->problem);
    g_free(vm->schedule);
    wait_queue_clear(&vm->status_idle);
    moment_tree_free(vm->snapshots);
    moment_tree_free(vm->checkpoints);
}

static bool vm_parse(Host *host, const char *xml, size_t len, const char *source, unsigned flags,
                     void **ret_def, Error **err)
{
    const unsigned vm_flags = (flags & OBJECT_PARSE_VALIDATE ? VM_XML_VALIDATE : 0) |
                              (flags & OBJECT_PARSE_LIVE ? VM_XML_LIVE : 0) |
                              (flags & OBJECT_PARSE_TRUSTED ? VM_XML_TRUSTED : 0);
    DomainDef *def = NULL;

    if (!vm_xml_parse(host, xml, len, source, vm_flags, &def, err))
        return false;
    *ret_def = def;
    return true;
}

static bool vm_check_text(const void *def, const char *xml, Error **err)
{
    return vm_xml_check_text(def, xml, err);
}

static bool vm_renamed(Host *host, const char *from, const char *to, Error **err)
{
    g_autofree char *old_save = vm_save_path(host, from);
    g_autofree char *new_save = vm_save_path(host, to);
    g_autoptr(Error) why = NULL;

    if (!moment_rename_folders(host, from, to, err) || !vm_rename_autostart_once(host, from, to, err))
        return false;
    if (file_rename(old_save, new_save, &why) || error_errno(why) == ENOENT)
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

static bool vm_was_active(const Host *host, const char *name)
{
    g_autofree char *status = vm_status_path(host, name);

    return access(status, F_OK) == 0;
}

const ObjectClass domain_class = {
    .kind = OBJECT_DOMAIN,
    .noun = "domain",
    .not_active = "domain is not running",
    .size = sizeof(Vm),
    .missing = ERROR_NO_DOMAIN,
    .filters = vm_filters,
    .table = &domain_table,
    .root = "domain",
    .def_name = offsetof(DomainDef, name),
    .def_uuid = offsetof(DomainDef, uuid),
    .edit_command = "edit",
    .config_dir = offsetof(Paths, etc_qemu),
    .autostart_dir = offsetof(Paths, autostart),
    .parse = vm_parse,
    .check_text = vm_check_text,
    .renamed = vm_renamed,
    .was_active = vm_was_active,
    .init = vm_init,
    .free = vm_free,
};
