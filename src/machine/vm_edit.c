/* Changes of machines, all of it or nothing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "edit"
#include "machine/vm_edit.h"

#include "base/log.h"

bool vm_edit_begin(Vm *vm, unsigned flags, const Caller *caller, VmEdit *edit, Error **err)
{
    bool config = false;

    edit->vm = vm;
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &edit->job, err) ||
        !object_require_listed(&vm->object, err) || !vm_resolve_affect(vm, flags, &edit->live, &config, err))
        return false;
    edit->serial = vm->run ? vm->run->serial : 0;
    if (config)
        edit->config = domain_def_copy(vm->config);
    return true;
}

void vm_edit_set_live(VmEdit *edit, void (*swap)(DomainDef *live, void *data), void *data)
{
    edit->swap = swap;
    edit->data = data;
}

static bool edit_still_runs(const VmEdit *edit)
{
    return edit->vm->run && edit->vm->run->serial == edit->serial && edit->vm->live;
}

static void edit_take_back_live(void *arg)
{
    VmEdit *edit = arg;
    g_autoptr(Error) err = NULL;

    if (!edit_still_runs(edit))
        return;
    edit->swap(edit->vm->live, edit->data);
    if (!vm_status_save(edit->vm, &err))
        log_error_error(err, "the status file of a machine has a change that was taken back");
}

bool vm_edit_commit(VmEdit *edit, Event *event, Error **err)
{
    Vm *vm = edit->vm;

    if (edit->live && edit->swap && edit_still_runs(edit)) {
        edit->swap(vm->live, edit->data);
        undo_push(&edit->undo, edit_take_back_live, edit);
        if (!vm_status_save(vm, err))
            return false;
    }
    if (!edit->config && edit->live && !edit_still_runs(edit))
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    if (edit->config) {
        if (!object_store(vm->host, &domain_class, edit->config, err))
            return false;
        object_set_config(&vm->object, g_steal_pointer(&edit->config));
    }
    undo_keep(&edit->undo);
    if (event)
        vm_publish_event(vm, event);
    return true;
}

void vm_edit_end(VmEdit *edit)
{
    undo_clear(&edit->undo);
    g_clear_pointer(&edit->config, domain_def_free);
    job_end(&edit->job);
}
