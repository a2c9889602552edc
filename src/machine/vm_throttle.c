/* Limits that several disks share: objects of QEMU's that filters on top of images belong to. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "throttle"
#include "base/log.h"
#include "conf/domain_check.h"
#include "conf/domain_rows.h"
#include "machine/vm_limits.h"
#include "machine/vm_tune.h"

typedef struct ThrottleEdit {
    Vm *vm;
    const char *name;
    GPtrArray *groups; /* owned: what the live document is to have, then what it had */
} ThrottleEdit;

static void throttle_edit_clear(ThrottleEdit *edit)
{
    xml_list_free(&iotune_table, edit->groups);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ThrottleEdit, throttle_edit_clear)

static void throttle_swap(DomainDef *live, void *data)
{
    ThrottleEdit *edit = data;
    GPtrArray *old = live->throttle_groups;

    live->throttle_groups = edit->groups;
    edit->groups = old;
}

/* ---- the document ---- */

static int group_index(const DomainDef *def, const char *name)
{
    for (guint i = 0; i < def_list_len(def->throttle_groups); i++) {
        if (g_strcmp0(((const DiskIotune *)g_ptr_array_index(def->throttle_groups, i))->group_name, name) ==
            0)
            return (int)i;
    }
    return -1;
}

static bool document_set(DomainDef *def, const char *name, const Params *params, Error **err)
{
    const int index = group_index(def, name);
    const DiskIotune *old = index < 0 ? NULL : g_ptr_array_index(def->throttle_groups, index);
    DiskIotune *group = vm_iotune_merge(old, params, err);

    if (!group)
        return false;
    g_free(group->group_name);
    group->group_name = g_strdup(name);
    if (!def->throttle_groups)
        def->throttle_groups = xml_list_new(&iotune_table);
    if (index < 0) {
        g_ptr_array_add(def->throttle_groups, group);
    } else {
        xml_table_free(&iotune_table, def->throttle_groups->pdata[index]);
        def->throttle_groups->pdata[index] = group;
    }
    return domain_check(def, err);
}

static bool document_delete(DomainDef *def, const char *name, Error **err)
{
    const int index = group_index(def, name);

    if (index < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "throttle group '%s' was not found", name);
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        for (DEF_EACH(ThrottleFilter, filter, disk->throttle_filters)) {
            if (g_strcmp0(filter->group, name) == 0)
                return error_set(err, ERROR_OPERATION_UNSUPPORTED, "throttle group '%s' is used by disk '%s'",
                                 name, disk->target);
        }
    }
    xml_list_remove(&iotune_table, &def->throttle_groups, (unsigned)index);
    return true;
}

/* ---- QEMU ---- */

static char *throttle_id(const char *group)
{
    return g_strconcat("throttle-", group, NULL);
}

AWAITS static bool tell_limits(Vm *vm, const DiskIotune *group, Error **err)
{
    g_autofree char *path = g_strconcat("/objects/throttle-", group->group_name, NULL);
    AUTO_JSON args = json_pack("{s:s, s:s, s:o}", "path", path, "property", "limits", "value",
                               qemu_throttle_limits(group));

    return qmp_exec(vm_monitor(vm), "qom-set", args, 0, NULL, err);
}

AWAITS static bool add_group(Vm *vm, const DiskIotune *group, Error **err)
{
    AUTO_JSON object = qemu_throttle_object(group);
    g_autoptr(Error) why = NULL;

    /* A daemon that died while it added one leaves it there. */
    return qmp_exec(vm_monitor(vm), "object-add", object, 0, NULL, &why) ||
           (error_code(why) == ERROR_REFUSED && tell_limits(vm, group, NULL)) ||
           error_propagate(err, g_steal_pointer(&why));
}

AWAITS static bool delete_group(Vm *vm, const char *name, Error **err)
{
    g_autofree char *id = throttle_id(name);
    AUTO_JSON args = json_pack("{s:s}", "id", id);

    return qmp_exec(vm_monitor(vm), "object-del", args, 0, NULL, err);
}

/* The live document has what was before. */
AWAITS static void take_back(void *arg)
{
    const ThrottleEdit *edit = arg;
    g_autoptr(Error) err = NULL;

    if (!edit->vm->live || !vm_monitor(edit->vm))
        return;
    const DiskIotune *before = domain_find_throttle_group(edit->vm->live, edit->name);
    if (before ? !add_group(edit->vm, before, &err) : !delete_group(edit->vm, edit->name, &err))
        log_warning_error(err, "a throttle group cannot be put back");
}

void vm_restore_throttle_groups(Vm *vm)
{
    for (guint i = 0; vm->run && vm->live && i < def_list_len(vm->live->throttle_groups); i++) {
        g_autoptr(Error) err = NULL;
        if (!add_group(vm, g_ptr_array_index(vm->live->throttle_groups, i), &err))
            log_warning_error(err, "a throttle group of a machine that was taken over");
    }
}

/* ---- changes ---- */

/* @params NULL: the group goes. */
AWAITS static bool change_group(Vm *vm, const char *name, const Params *params, unsigned flags,
                                const Caller *caller, Error **err)
{
    g_auto(ThrottleEdit) change = { .vm = vm, .name = name };
    g_autoptr(DomainDef) next = NULL;
    g_auto(VmEdit) edit = { 0 };

    if (!vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    next = edit.live ? domain_def_copy(vm->live) : NULL;
    if ((edit.config && !(params ? document_set(edit.config, name, params, err)
                                 : document_delete(edit.config, name, err))) ||
        (next && !(params ? document_set(next, name, params, err) : document_delete(next, name, err))))
        return false;
    if (next) {
        const bool is_there = domain_find_throttle_group(vm->live, name) != NULL;
        const DiskIotune *group = domain_find_throttle_group(next, name);
        if (!vm_require_monitor(vm, err))
            return false;
        undo_push(&edit.undo, take_back, &change);
        if (!(!group     ? delete_group(vm, name, err)
              : is_there ? tell_limits(vm, group, err)
                         : add_group(vm, group, err)))
            return false;
        change.groups = g_steal_pointer(&next->throttle_groups);
        vm_edit_set_live(&edit, throttle_swap, &change);
    }
    return vm_edit_commit(&edit, NULL, err);
}

bool vm_set_throttle_group(Vm *vm, const char *name, const Params *params, unsigned flags,
                           const Caller *caller, Error **err)
{
    return check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainSetThrottleGroup",
                       err) &&
           vm_iotune_check(params, err) && change_group(vm, name, params, flags, caller, err);
}

bool vm_delete_throttle_group(Vm *vm, const char *name, unsigned flags, const Caller *caller, Error **err)
{
    if (!name)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a throttle group needs a name");
    return check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainDelThrottleGroup",
                       err) &&
           change_group(vm, name, NULL, flags, caller, err);
}
