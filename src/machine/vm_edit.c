/* Changes of machines, all of it or nothing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "edit"
#include "machine/vm_edit.h"

#include <string.h>

#include "base/log.h"
#include "machine/vm_device_private.h"

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

/* ---- what a daemon that dies leaves to the next ---- */

void vm_pending_free(VmPending *pending)
{
    if (!pending)
        return;
    g_free(pending->xml);
    g_free(pending->before);
    g_free(pending->alias);
    g_free(pending);
}

static char *pending_checksum(const Vm *vm)
{
    g_autofree char *xml = vm->config ? vm_xml_format(vm->config, XML_FORMAT_SECURE) : g_strdup("");

    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, xml, -1);
}

void vm_edit_note(VmEdit *edit, const char *alias)
{
    VmRun *run = edit->vm->run;

    if (!edit->live || !edit->config || !run || run->serial != edit->serial)
        return;
    vm_pending_free(run->pending);
    run->pending = g_new0(VmPending, 1);
    *run->pending = (VmPending){ .xml = vm_xml_format(edit->config, XML_FORMAT_SECURE),
                                 .before = pending_checksum(edit->vm),
                                 .alias = g_strdup(alias) };
}

void vm_edit_recover(Vm *vm)
{
    g_autoptr(VmPending) pending = g_steal_pointer(&vm->run->pending);
    g_autoptr(DomainDef) config = NULL;
    g_autofree char *now = NULL;
    g_autoptr(Error) err = NULL;

    if (!pending)
        return;
    vm_status_save_later(vm);
    now = pending_checksum(vm);
    if (!vm->config || strcmp(now, pending->before) != 0) /* it has changed, or is another one by now */
        return;
    if (pending->alias && !vm_device_is_there(vm->live, pending->alias))
        return;
    log_warning("machine '%s' was changed when the daemon died: so is its definition", vm->name);
    if (!vm_xml_parse(vm->host, pending->xml, strlen(pending->xml), "(pending definition)", VM_XML_TRUSTED,
                      &config, &err) ||
        !object_store(vm->host, &domain_class, config, &err))
        log_error_error(err, "the definition of a machine is not what was asked for");
    else
        object_set_config(&vm->object, g_steal_pointer(&config));
}

/* ---- the steps ---- */

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
        vm_edit_note(edit, NULL);
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
    /* The file is saved once more: by what is taken back, or soon. */
    if (edit->vm && edit_still_runs(edit) && edit->vm->run->pending) {
        g_clear_pointer(&edit->vm->run->pending, vm_pending_free);
        vm_status_save_later(edit->vm);
    }
    undo_clear(&edit->undo);
    g_clear_pointer(&edit->config, domain_def_free);
    job_end(&edit->job);
}
