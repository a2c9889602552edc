/* Work that QEMU does in the background on the disks of a running machine: jobs of its block layer (QEMU:
 * qapi/job.json, qapi/block-core.json). For this room; what clients ask for is in vm_query.h.
 *
 * A job is in run->block_jobs, and in the status file, before QEMU hears of it. QEMU keeps it when it is over
 * until we dismiss it (auto-dismiss off), and says JOB_STATUS_CHANGE meanwhile. So a daemon that takes the
 * machine over asks QEMU (query-jobs) and ends what came to its end while nobody looked; what QEMU does not
 * know never began.
 *
 * What a job changes in the machine's documents happens in one place, when it ends (finish()), with the
 * machine's job held: in a fiber of its own, or in the one that waits for it. Images that were lent for it
 * are in run->dac before, and go back there. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"

typedef enum BlockJobKind { /* names in the status file and beginnings of ids: "pull-vda-libvirt-3-format" */
                            BLOCK_JOB_PULL,
                            BLOCK_JOB_COPY,
                            BLOCK_JOB_COMMIT,
                            BLOCK_JOB_ACTIVE_COMMIT,
                            BLOCK_JOB_BACKUP,
                            BLOCK_JOB_SNAPSHOT, /* snapshot-save, snapshot-load, snapshot-delete */
                            BLOCK_JOB_KIND_COUNT
} BlockJobKind;

typedef enum BlockJobState {
    BLOCK_JOB_NEW, /* QEMU may not know it yet */
    BLOCK_JOB_RUNNING,
    BLOCK_JOB_READY,    /* copy, active commit: follows the guest until it is told to end */
    BLOCK_JOB_PIVOTING, /* ... so that the guest goes on with the new image */
    BLOCK_JOB_ABORTING,
    BLOCK_JOB_COMPLETED, /* from here on it is over; its end is being worked on */
    BLOCK_JOB_FAILED,
    BLOCK_JOB_CANCELLED,
    BLOCK_JOB_STATE_COUNT
} BlockJobState;

typedef struct VmBlockJob {
    unsigned refs;
    char *id; /* QEMU's */
    BlockJobKind kind;
    BlockJobState state;
    char *disk;            /* target of the disk; NULL: of the whole machine */
    StorageSource *mirror; /* copy: where to; NULL */
    char *top, *base;      /* commit: names of nodes; pull: base, NULL: all of the chain */
    char *problem;         /* QEMU's words when it failed; NULL */
    uint64_t speed;        /* bytes per second; 0: as fast as it goes */
    uint64_t done, total;  /* as QEMU told last */
    bool by_user;          /* events of virDomainBlockJob tell of it; else part of something greater */
    bool keep_waiting;     /* a fiber waits for its end and does what comes then: finish() is not spawned */
    unsigned flags;        /* of the call that began it: virDomainBlock*Flags */
} VmBlockJob;
VmBlockJob *vm_block_job_new(BlockJobKind kind, const char *disk);
VmBlockJob *vm_block_job_ref(VmBlockJob *job);
void vm_block_job_unref(VmBlockJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmBlockJob, vm_block_job_unref)

/* The job that works on the disk; borrowed, NULL. */
VmBlockJob *vm_block_job_of_disk(const Vm *vm, const char *disk);
/* Whoever wants to change a disk's chain, unplug or resize it asks first: ERROR_BLOCK_COPY_ACTIVE or
 * ERROR_OPERATION_UNSUPPORTED, naming the job. */
MUST_CHECK bool vm_block_job_require_none(const Vm *vm, const char *disk, Error **err);

/* Notes @job in run and status file, then gives QEMU the command (which gets job-id, auto-finalize,
 * auto-dismiss). The machine's job is held. After a failure nothing is left of it. */
AWAITS MUST_CHECK bool vm_block_job_start(Vm *vm, VmBlockJob *job, const char *command, Json *arguments,
                                          Error **err);
/* The same for several that begin at one moment: a QMP "transaction" of these actions, each of which is the
 * beginning of the job of the same number, or of none where @jobs has NULL. */
AWAITS MUST_CHECK bool vm_block_job_start_all(Vm *vm, GPtrArray *jobs, Json *actions, Error **err);

/* Waits until @job is READY (@until_ready) or over. @job_held: its progress is told there, and aborting it
 * cancels. Success: READY or COMPLETED. ERROR_OPERATION_ABORTED, ERROR_OPERATION_FAILED (with QEMU's words),
 * ERROR_VM_GONE. No deadline of its own beyond QEMU's silence: a job may take hours. */
AWAITS MUST_CHECK bool vm_block_job_wait(Vm *vm, VmBlockJob *job, bool until_ready, Job *job_held,
                                         Error **err);
/* Ends a READY one so that the guest goes on with the new image, and waits for that. */
AWAITS MUST_CHECK bool vm_block_job_pivot(Vm *vm, VmBlockJob *job, Error **err);
/* Asks QEMU to end it; with @wait until it has. */
AWAITS MUST_CHECK bool vm_block_job_cancel(Vm *vm, VmBlockJob *job, bool wait, Error **err);
/* Dismisses a job that is over and forgets it, in the status file, too. */
AWAITS void vm_block_job_forget(Vm *vm, VmBlockJob *job);

/* Of QMP, in the loop. */
void vm_block_job_event(Vm *vm, const char *name, const Json *data);
/* After a restart, with the connection there: see above. */
AWAITS void vm_block_job_reconcile(Vm *vm);

/* Of chains (also for snapshots): what lies in @top and above @base goes into @base, and the images between
 * leave the chain, in the running machine and in its definition. @top NULL: the active image, which the guest
 * leaves for @base. Images that left are not removed from storage; they are in @ret_left (paths, owned).
 * Waits for the end, and tells the progress in @job_held. Both are indexes of the chain: 0 is the active
 * image. */
AWAITS MUST_CHECK bool vm_chain_commit(Vm *vm, const char *disk, unsigned top, unsigned base, Job *job_held,
                                       GPtrArray **ret_left, Error **err);
/* The images below the active one down to, without, @base go into it. @base: the one that stays
 * below; UINT32_MAX: none does. */
AWAITS MUST_CHECK bool vm_chain_pull(Vm *vm, const char *disk, unsigned base, Job *job_held,
                                     GPtrArray **ret_left, Error **err);
