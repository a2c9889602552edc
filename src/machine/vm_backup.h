/* Backups of libvirt's API: QEMU copies a running machine's disks, as they are when the backup begins, into
 * images (push), or serves them over NBD until it is told to end (pull).
 *
 * A backup goes on in the background, over restarts of the daemon: it is in run->backup and in the status
 * file before anything is made for it. While it lasts its disks are not unplugged or resized, and the machine
 * is not saved. What was made for it (scratch images, socket, nodes, bitmaps) goes when it ends, however that
 * is; a copy that did not become whole goes, too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/caller.h"
#include "core/job.h"
#include "machine/vm.h"

typedef struct VmRun VmRun;

/* @checkpoint_xml NULL: none. @flags: virDomainBackupBeginFlags.
 *
 * ERROR_OPERATION_UNSUPPORTED    the machine does not run
 * ERROR_INVALID_STATE            another backup runs
 * ERROR_NO_CHECKPOINT, ERROR_CHECKPOINT_INCONSISTENT   of an incremental one: a full one is due
 * ERROR_INVALID_ARGUMENT         an image exists already
 * ERROR_INTERNAL                 QEMU refused
 * and what backup_def_parse(), backup_align_disks(), image_make(), vm_checkpoint_create() say. After a
 * failure nothing is left of it. */
AWAITS MUST_CHECK bool vm_backup_begin(Vm *vm, const char *xml, const char *checkpoint_xml, unsigned flags,
                                       const Caller *caller, Error **err);
/* ERROR_NO_BACKUP. *ret_xml owned. */
MUST_CHECK bool vm_backup_get_xml(Vm *vm, unsigned flags, char **ret_xml, Error **err);
bool vm_backup_is_running(const Vm *vm);
/* ERROR_INVALID_STATE: one runs. */
MUST_CHECK bool vm_backup_require_none(const Vm *vm, Error **err);
/* How far it is. ERROR_NO_BACKUP */
AWAITS MUST_CHECK bool vm_backup_get_progress(Vm *vm, JobProgress *ret_progress, Error **err);
/* Those that go on, of all machines, for `lodge jobs`: adds JobRecords. */
void vm_backup_list_jobs(Host *host, GPtrArray *records);
/* Ends it and waits for that. ERROR_NO_BACKUP */
AWAITS MUST_CHECK bool vm_backup_abort(Vm *vm, const Caller *caller, Error **err);

/* The same of whatever job works for the machine, as job_get_progress() and job_abort(). */
AWAITS MUST_CHECK bool vm_get_job_progress(Vm *vm, bool completed, JobProgress *ret_progress, Error **err);
AWAITS MUST_CHECK bool vm_abort_job(Vm *vm, const Caller *caller, Error **err);

/* ---- for this room ---- */

void vm_backup_open(void); /* once: its jobs' ends are told here */
/* Completes what was read from a status file. */
void vm_backup_adopt(VmRun *run);
/* Paths of what it writes to on this host, owned; none without a backup. */
GPtrArray *vm_backup_list_images(const Vm *vm);
/* Ends one as failed because of @problem, and waits for that. The job is held. */
AWAITS MUST_CHECK bool vm_backup_give_up(Vm *vm, const char *problem, Error **err);
/* After a restart, with the connection there, after vm_block_job_reconcile(); the job is held. */
AWAITS void vm_backup_reconcile(Vm *vm);
/* QEMU has ended: removes what it leaves. The run is there still, its connection is not. */
AWAITS void vm_backup_abandon(Vm *vm);
/* The guest has shut down and a backup is to end first: QEMU stays until then. */
bool vm_backup_delays_shutdown(const Vm *vm);
/* It does, from now on: one that is pulled ends when nobody is connected to its socket any more. */
void vm_backup_watch_client(Vm *vm);
