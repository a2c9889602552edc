/* Checkpoints: moments since which a machine's disks remember what the guest wrote, for incremental backups.
 *
 * @flags everywhere: the public API's of that call. Besides the errors that are named:
 *
 * ERROR_NO_CHECKPOINT            no such checkpoint
 * ERROR_OPERATION_UNSUPPORTED    the machine does not run
 * ERROR_INTERNAL                 QEMU refused; nothing has changed */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "conf/snapshot.h"
#include "core/caller.h"
#include "machine/vm_moment.h"

/* Makes one as @xml describes, or takes over one that it describes (REDEFINE). *ret_name owned.
 *
 * ERROR_OPERATION_FAILED        the name is taken
 * ERROR_CONFIG_UNSUPPORTED      a disk that cannot have a bitmap
 * ERROR_CHECKPOINT_INCONSISTENT REDEFINE_VALIDATE: its bitmaps are not there
 * and what checkpoint_def_parse(), vm_freeze_filesystems() say */
AWAITS MUST_CHECK bool vm_checkpoint_create(Vm *vm, const char *xml, unsigned flags, const Caller *caller,
                                            char **ret_name, Error **err);
AWAITS MUST_CHECK bool vm_checkpoint_delete(Vm *vm, const char *name, unsigned flags, const Caller *caller,
                                            Error **err);
/* AWAITS with VIR_DOMAIN_CHECKPOINT_XML_SIZE only. */
AWAITS MUST_CHECK bool vm_checkpoint_get_xml(Vm *vm, const char *name, unsigned flags, const Caller *caller,
                                             char **ret_xml, Error **err);
/* ERROR_NO_CHECKPOINT: it has none. *ret_name owned. */
MUST_CHECK bool vm_checkpoint_get_parent(Vm *vm, const char *name, unsigned flags, char **ret_name,
                                         Error **err);
/* Names, of char *, owned. @from NULL: of all. */
MUST_CHECK bool vm_checkpoint_list(Vm *vm, const char *from, unsigned flags, const char *function,
                                   GPtrArray **ret_names, Error **err);

/* ---- for backups ---- */

/* Reads, names, checks and completes one that is to be made; the job is held. Caller owns. */
AWAITS MUST_CHECK bool vm_checkpoint_prepare(Vm *vm, const char *xml, CheckpointDef **ret_def, Error **err);
/* Appends what makes its bitmaps to a transaction. */
void vm_checkpoint_append_actions(const Vm *vm, const CheckpointDef *def, Json *actions);
/* Before the transaction: a daemon that finds the machine without having the checkpoint takes its bitmaps
 * back. */
AWAITS MUST_CHECK bool vm_checkpoint_announce(Vm *vm, const CheckpointDef *def, Error **err);
/* After the transaction, when something else failed: its bitmaps go again. */
AWAITS void vm_checkpoint_take_back(Vm *vm, const CheckpointDef *def);
/* After the transaction: stores it. Takes @def on success. After a failure its bitmaps are gone again. */
AWAITS MUST_CHECK bool vm_checkpoint_keep(Vm *vm, CheckpointDef *def, Error **err);

/* After a restart, with the connection there. */
AWAITS void vm_checkpoint_reconcile(Vm *vm);
