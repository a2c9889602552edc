/* Work that QEMU does in the background on the disks of a running machine: jobs of its block layer (QEMU:
 * qapi/job.json, qapi/block-core.json). For this room; what clients ask for is in vm_query.h.
 *
 * A job is in run->block_jobs, and in the status file, before QEMU hears of it. QEMU keeps it when it is over
 * until we dismiss it (auto-dismiss off), and says JOB_STATUS_CHANGE meanwhile. (Not a pull: QEMU 7.2 crashes
 * when it is asked for its nodes (query-named-block-nodes) with a pull that has ended and was not dismissed.
 * How that ended the event tells, or the chain.) So a daemon that takes the machine over asks QEMU
 * (query-jobs) and ends what came to its end while nobody looked; what QEMU does not know never began.
 *
 * What a job changes in the machine's documents happens in one place, when it ends (vm_chain_finish()), with
 * the machine's job held: in a fiber of its own, or in the one that waits for it. Images that were lent for
 * it are in run->dac before, and go back then. What a copy writes is in the disk's <mirror>.
 *
 * Before the end of a pull or commit QEMU waits, too, until what was copied is flushed.
 * Where the guest is to go on with another image, QEMU waits for us in between (auto-finalize off) with both
 * images the same and nothing written: then the definition on disk names the new image, then QEMU goes on. So
 * whoever dies in which order, the machine starts with all that its guest has written. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"
#include "qemu/device.h"

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

struct VmBlockJob { /* VmBlockJob */
    unsigned refs;
    char *id; /* QEMU's; start() gives it one if it has none */
    BlockJobKind kind;
    BlockJobState state;
    char *disk;       /* target of the disk; NULL: of the whole machine */
    char *top, *base; /* commit: names of nodes; pull: base, NULL: all of the chain */
    char *top_parent; /* commit: of the image above @top; for a libvirtd that finds it in the status file */
    char *problem;    /* QEMU's words when it failed; NULL */
    uint64_t done, total; /* as QEMU told last */
    bool by_user;         /* events of virDomainBlockJob tell of it; else part of something greater */
    bool keep_waiting;    /* a fiber waits for its end and does what comes then: no other fiber ends it */
    uint64_t begun_ms;    /* on the loop's clock; after a restart: since then */
    unsigned flags;       /* of the call that began it: virDomainBlock*Flags */
    /* Private. */
    bool is_pending, is_concluded; /* as QEMU says: waits to be finalized; came to its end */
    bool is_unwanted;              /* its beginning was given up before QEMU answered */
    bool is_attended;              /* a fiber sees to it */
    BlockJobState outcome;         /* pull: how QEMU said that it ended; NEW: it has not said */
};
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
 * auto-dismiss); takes a reference of its own. The machine's job is held. After a failure nothing is left of
 * it. @arguments are borrowed, and changed. */
AWAITS MUST_CHECK bool vm_block_job_start(Vm *vm, VmBlockJob *job, const char *command, Json *arguments,
                                          Error **err);
/* The same for several that begin at one moment: a QMP "transaction" of these actions, each of which is the
 * beginning of the job of the same number, or of none where @jobs has NULL. */
AWAITS MUST_CHECK bool vm_block_job_start_all(Vm *vm, GPtrArray *jobs, Json *actions, Error **err);

/* Waits until @job is READY (@until_ready) or over, and does what is to be done at its end. The machine's job
 * is held. @job_held: its progress (disk_*) is told there; NULL. If the fiber is cancelled (job_abort(), a
 * destroy) the job is cancelled, too. Success: READY or COMPLETED. ERROR_CANCELLED, ERROR_OPERATION_FAILED
 * (with QEMU's words), ERROR_VM_GONE, ERROR_TIMEOUT: QEMU is silent, and the job goes on. No deadline of its
 * own beyond that: a job may take hours.
 *
 * A backup or snapshot stays in run->block_jobs when it is over, for the caller to vm_block_job_forget(). The
 * other kinds are forgotten already. */
AWAITS MUST_CHECK bool vm_block_job_wait(Vm *vm, VmBlockJob *job, bool until_ready, Job *job_held,
                                         Error **err);
/* Ends a READY one so that the guest goes on with the new image, and waits for that. The machine's job is
 * held. ERROR_BLOCK_COPY_ACTIVE: it is not ready; else as vm_block_job_wait(). */
AWAITS MUST_CHECK bool vm_block_job_pivot(Vm *vm, VmBlockJob *job, Error **err);
/* The same without waiting for it. */
AWAITS MUST_CHECK bool vm_block_job_pivot_later(Vm *vm, VmBlockJob *job, Error **err);
/* Asks QEMU to end it; with @wait until it has. The machine's job is held. Success, too, if it came to its
 * end by itself first. */
AWAITS MUST_CHECK bool vm_block_job_cancel(Vm *vm, VmBlockJob *job, bool wait, Error **err);
/* Dismisses a job that is over and forgets it, in the status file, too. */
AWAITS void vm_block_job_forget(Vm *vm, VmBlockJob *job);

/* What is done, with the machine's job held, at the end of a backup or snapshot for which nobody waits (the
 * daemon that began it has died): @func forgets the job. Without one it is just forgotten. */
void vm_block_job_on_end(BlockJobKind kind, void (*func)(Vm *vm, VmBlockJob *job));

/* JOB_STATUS_CHANGE; BLOCK_JOB_COMPLETED and BLOCK_JOB_CANCELLED. In the loop. */
void vm_block_job_event(Vm *vm, const Json *data);
void vm_block_job_ended(Vm *vm, const Json *data, bool is_cancelled);
/* After a restart, with the connection there, before anything else is asked about disks: see above. */
AWAITS void vm_block_job_reconcile(Vm *vm);

/* Names in the status file: libvirt's. */
extern const char *const block_job_kind_names[BLOCK_JOB_KIND_COUNT];
extern const char *const block_job_state_names[BLOCK_JOB_STATE_COUNT];
int vm_block_job_type(BlockJobKind kind); /* VIR_DOMAIN_BLOCK_JOB_TYPE_* */
/* Tells of @job by events, if a user began it. @status: VIR_DOMAIN_BLOCK_JOB_* */
void vm_block_job_publish(const Vm *vm, const VmBlockJob *job, int status);

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
/* For the engine: the definition on disk follows before QEMU goes on with the new image. */
AWAITS MUST_CHECK bool vm_chain_before_pivot(Vm *vm, const VmBlockJob *job, Error **err);
/* For the engine: @job is over; documents and QEMU's nodes become what it has made of them, what is not used
 * any more is given back, and the job is forgotten. @was_pivoting: the definition may have gone ahead. */
AWAITS void vm_chain_finish(Vm *vm, VmBlockJob *job, bool was_pivoting);

/* After a restart: copies that are in the document of a job that never came to be. */
AWAITS void vm_chain_drop_mirrors(Vm *vm);

/* A plan of the nodes of @source for @disk of the running machine: see device_plan_image(). With @is_chain
 * also of what is below it; @source NULL: of all that @disk has (device_plan_medium()). run->caps is there
 * (vm_xml_get_caps()). */
MUST_CHECK bool vm_plan_image(const Vm *vm, const DiskDef *disk, const StorageSource *source,
                              const StorageSource *below, bool is_chain, const QemuSecrets *secrets,
                              Plan **ret_plan, Error **err);
