/* At most one job changes an object at a time; queries need none. Waiters are served in arrival order, and
 * one that waits too long learns which job it waited for, and for how long. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/fiber.h"
#include "core/caller.h"
#include "core/params.h"
#include "core/types.h"

typedef struct JobQueue JobQueue;

typedef enum JobKind {
    JOB_NONE,
    JOB_START,
    JOB_DESTROY, /* jumps the queue and cancels what can be cancelled */
    JOB_MODIFY,
    JOB_SAVE,
    JOB_RESTORE,
    JOB_DUMP,
    JOB_SNAPSHOT,
    JOB_MIGRATION_IN,
    JOB_MIGRATION_OUT,
    JOB_BACKUP,
    JOB_DISK_MOVE,
    JOB_KIND_COUNT
} JobKind;
const char *job_kind_name(JobKind kind); /* "start" */

typedef struct Job {
    Object *object; /* counted; NULL: no job */
    uint64_t serial;
} Job; /* g_auto(Job) job = {0}; */

/* Waits for our turn (at most the configured job timeout): ERROR_TIMEOUT "cannot acquire state change lock
 * (held by save of virsh (pid 7) for 31 s)". Holds a reference on @object until job_end(). */
AWAITS MUST_CHECK bool job_begin(Object *object, JobKind kind, const Caller *caller, Job *ret_job,
                                 Error **err);
void job_end(Job *job);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_end)

/* "waiting for QEMU", "writing memory": shown by `lodge jobs`. @phase is a static string. */
void job_set_phase(Job *job, const char *phase);
/* From now on @fiber (NULL: none) is who is cancelled when the job is to end: for jobs that go through
 * several calls. */
void job_adopt(Job *job, Fiber *fiber);
bool job_is_aborted(const Job *job); /* job_abort() asked for its end */
/* The point of no return: job_abort() is refused from now on. ERROR_CANCELLED: it was asked for before. */
MUST_CHECK bool job_commit(Job *job, Error **err);
void job_reopen(Job *job); /* what was committed did not come about: it may be aborted again */
void job_queue_clear(JobQueue *queue);

/* Progress of a long job, as virDomainGetJobInfo/Stats report it. All bytes. */
typedef struct JobProgress {
    int type;      /* virDomainJobType: 0 none, 1 bounded, 2 unbounded, 3 completed, 4 failed, 5 cancelled */
    int operation; /* virDomainJobOperation */
    uint64_t elapsed_ms, remaining_ms, downtime_ms, setup_ms;
    uint64_t data_total, data_processed, data_remaining;
    uint64_t mem_total, mem_processed, mem_remaining;
    uint64_t mem_constant_pages, mem_normal_pages, mem_normal_bytes, mem_dirty_rate_pages;
    uint64_t mem_bytes_per_s, mem_postcopy_requests, page_size, iteration;
    uint64_t downtime_net_ms,
        elapsed_net_ms;        /* without what the hosts needed to tell each other; 0: not known */
    uint64_t throttle_percent; /* how much the guest is slowed down */
    uint64_t cache_bytes, compressed_bytes, compressed_pages, cache_misses, cache_overflows;
    uint64_t disk_total, disk_processed, disk_remaining;
    uint64_t disk_temp_used, disk_temp_total; /* space for what lasts as long as the job */
    char *error;                              /* owned, NULL */
} JobProgress;
void job_progress_clear(JobProgress *progress);
void job_set_progress(Job *job, const JobProgress *progress); /* copied */
/* Of the job that runs (all zero if none tells any), or of the last that did. */
MUST_CHECK bool job_get_progress(Object *object, bool completed, JobProgress *ret_progress, Error **err);
Params *job_progress_to_params(const JobProgress *progress);
/* What job_get_progress() tells of the last job, for one that held nobody up. Copied. */
void job_set_completed(Object *object, const JobProgress *progress);
/* ERROR_INVALID_STATE: there is nothing that can be aborted, or it is too late for that. */
MUST_CHECK bool job_abort(Object *object, Error **err);

/* Everything that runs or waits, for `lodge jobs`. */
typedef struct JobRecord {
    const char *noun; /* "domain": static */
    char *name;
    char uuid[37];
    int id;
    JobKind kind;
    const char *phase; /* "" if none */
    bool running;      /* false: waits */
    char *waits_for;   /* "save (virsh (pid 7))"; NULL if running */
    uint64_t age_ms;   /* running: since it began; waiting: since it asked */
    char *caller;
} JobRecord;
void job_record_free(JobRecord *record);
GPtrArray *host_list_jobs(Host *host); /* of JobRecord, owned */
