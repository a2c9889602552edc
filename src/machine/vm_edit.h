/* One change of a machine: of its definition, of the running machine, or of both; all of it or nothing.
 *
 *     g_auto(VmEdit) edit = { 0 };      declared last: its end may still use what was declared before
 *     if (!vm_edit_begin(vm, flags, caller, &edit, err))
 *         return false;
 *     ... steps 2 and 3 ...
 *     return vm_edit_commit(&edit, &event, err);
 *
 * The order is the same for all:
 *  1. begin() waits for the job. Then the machine is listed, and what is to be changed is there.
 *  2. The caller checks all that can be checked and changes the copy `config`, which nobody else sees.
 *  3. The caller changes the running machine: vm_monitor(), taps, files. Each such step awaits, and its
 * inverse goes to `undo` right after it. The machine may end meanwhile: a question that QEMU answered says
 * that it has not. vm_edit_set_live() says how vm->live follows.
 *  4. commit() changes vm->live and saves the status file.
 *  5. commit() stores the definition safely on disk, which then is the machine's: nothing waits in between.
 * This is the last step that can fail, and one that fails has changed nothing, so no change of a file on disk
 * is ever taken back.
 *  6. commit() publishes the event.
 *
 * If a step fails, or commit() is never called, those before it are taken back, last first. If the machine
 * ends on the way, that is an error unless its definition was to be changed, too: that still happens.
 *
 * A daemon that dies has promised nobody anything, and leaves a machine that makes sense: before step 4 QEMU
 * differs from the status file, so whoever takes the machine over asks QEMU or tells it again what the file
 * says (vm_process.c, vm_reconcile.c); what that cannot find, such as things lent to a new device, must be in
 * the status file before QEMU hears of it. From step 4 on the status file has the new definition, too, and
 * who takes the machine over stores it: both have changed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/undo.h"
#include "machine/vm_private.h"

typedef struct VmEdit {
    Vm *vm;
    bool live;         /* the running machine is to be changed */
    DomainDef *config; /* the new definition, at first a copy of the present one; NULL: that stays as it is */
    Undo undo;         /* inverses of step 3; they run with the job held, shielded */
    Job job;
    /* Private. */
    uint64_t serial; /* of the run that is to be changed */
    void (*swap)(DomainDef *live, void *data);
    void *data;
} VmEdit;

/* @flags: virDomainModificationImpact (1 live, 2 config, 0: live if it runs, else config); others are
 * ignored. ERROR_INVALID_STATE: not running, or no definition. */
AWAITS MUST_CHECK bool vm_edit_begin(Vm *vm, unsigned flags, const Caller *caller, VmEdit *edit, Error **err);

/* @swap exchanges what is new in @data with what is old in @live; the same call takes it back. Both outlive
 * @edit; neither is used unless @edit->live. Once per edit. */
void vm_edit_set_live(VmEdit *edit, void (*swap)(DomainDef *live, void *data), void *data);

/* Once the running machine has changed, so will the definition, whatever happens to the daemon: from the next
 * time on that the status file is saved. @alias: it has changed if device @alias is there; NULL: it has.
 * Nothing to do for what vm_edit_set_live() changes. */
void vm_edit_note(VmEdit *edit, const char *alias);
/* For who takes a machine over and has asked QEMU what it has: step 5 of an edit that died before it. Holds
 * the job. */
AWAITS void vm_edit_recover(Vm *vm);

/* @event: NULL for none. */
AWAITS MUST_CHECK bool vm_edit_commit(VmEdit *edit, Event *event, Error **err);
AWAITS void vm_edit_end(VmEdit *edit);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmEdit, vm_edit_end)
