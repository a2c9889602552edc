/* The queue of jobs of an object.
 *
 * The job is handed over directly: when its holder ends, the first waiter owns it before it runs, so nobody
 * can slip in between. Destroy goes to the head of the queue and cancels a holder that is merely long (a
 * start, a save); one that waits for QEMU is woken by QEMU's death. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "job"
#include "core/job.h"

#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/units.h"
#include "core/host_private.h"
#include "core/object_class.h"

enum { JOB_OPERATION_BACKUP = 9, JOB_TYPE_COMPLETED = 3 }; /* of virDomainJobOperation, virDomainJobType */

typedef struct JobWaiter {
    JobKind kind;
    char *caller;
    uint64_t since_ms;
    Fiber *fiber;
    WaitQueue wakeup;
    bool served;
    uint64_t serial; /* of the job, once served */
} JobWaiter;

static const char *const job_kind_names[JOB_KIND_COUNT] = {
    [JOB_NONE] = "none",
    [JOB_START] = "start",
    [JOB_DESTROY] = "destroy",
    [JOB_MODIFY] = "modify",
    [JOB_SAVE] = "save",
    [JOB_RESTORE] = "restore",
    [JOB_DUMP] = "dump",
    [JOB_SNAPSHOT] = "snapshot",
    [JOB_MIGRATION_IN] = "migration-in",
    [JOB_MIGRATION_OUT] = "migration-out",
    [JOB_BACKUP] = "backup",
    [JOB_DISK_MOVE] = "disk-move",
};

const char *job_kind_name(JobKind kind)
{
    return kind < JOB_KIND_COUNT ? job_kind_names[kind] : "unknown";
}

/* May be ended from outside by cancelling its fiber: it undoes itself. */
static bool job_kind_is_cancellable(JobKind kind)
{
    return kind != JOB_NONE && kind != JOB_DESTROY && kind != JOB_MODIFY;
}

void job_progress_clear(JobProgress *progress)
{
    g_free(progress->error);
    memset(progress, 0, sizeof(*progress));
}

static void job_progress_copy(JobProgress *dest, const JobProgress *src)
{
    char *text = g_strdup(src->error);

    job_progress_clear(dest);
    *dest = *src;
    dest->error = text;
}

static void job_waiter_clear(JobWaiter *waiter)
{
    g_free(waiter->caller);
    fiber_unref(waiter->fiber);
}

void job_queue_clear(JobQueue *queue)
{
    job_progress_clear(&queue->holder.progress);
    job_progress_clear(&queue->completed);
    g_free(queue->holder.caller);
    fiber_unref(queue->holder.fiber);
}

static void job_hold(Object *object, JobKind kind, char *caller, Fiber *fiber, uint64_t serial)
{
    object->jobs.holder = (JobHolder){
        .kind = kind,
        .serial = serial,
        .caller = caller,
        .since_ms = loop_now_ms(),
        .fiber = fiber,
    };
}

static char *job_describe_holder(const Object *object)
{
    const JobHolder *holder = &object->jobs.holder;
    g_autofree char *age = duration_format(loop_now_ms() - holder->since_ms);

    return g_strdup_printf("%s of %s for %s%s%s", job_kind_name(holder->kind), holder->caller, age,
                           holder->phase ? ": " : "", holder->phase ? holder->phase : "");
}

static void job_enqueue(Object *object, JobWaiter *waiter)
{
    GQueue *waiters = &object->jobs.waiters;

    if (waiter->kind != JOB_DESTROY) {
        g_queue_push_tail(waiters, waiter);
        return;
    }
    GList *place = waiters->head;
    while (place && ((JobWaiter *)place->data)->kind == JOB_DESTROY)
        place = place->next;
    g_queue_insert_before(waiters, place, waiter);
    if (job_kind_is_cancellable(object->jobs.holder.kind) && object->jobs.holder.fiber)
        fiber_cancel(object->jobs.holder.fiber);
}

static bool job_wait(Object *object, JobWaiter *waiter, Error **err)
{
    const uint64_t timeout_ms = (uint64_t)object->host->config->job_timeout_s * 1000;
    g_autoptr(Error) why = NULL;

    if (wait_queue_wait(&waiter->wakeup, timeout_ms, &why) || waiter->served)
        return true;
    g_queue_remove(&object->jobs.waiters, waiter);
    if (error_code(why) != ERROR_TIMEOUT)
        return error_propagate(err, g_steal_pointer(&why));
    g_autofree char *holder = job_describe_holder(object);
    error_set(err, ERROR_TIMEOUT, "cannot acquire state change lock (held by %s)", holder);
    return error_hint(err, "'lodge jobs' shows what runs; 'lodge domjobabort %s' may end it", object->name);
}

/* What this fiber logs from now on is about @object; NULL: about nothing in particular. */
static void job_log_about(const Object *object)
{
    char text[UUID_STRING_LEN];

    if (object)
        uuid_format(&object->uuid, text);
    log_context_set_vm(object && object->class->kind == OBJECT_DOMAIN ? text : NULL);
}

bool job_begin(Object *object, JobKind kind, const Caller *caller, Job *ret_job, Error **err)
{
    JobQueue *queue = &object->jobs;
    g_autofree char *who = g_strdup(caller_describe(caller));
    const uint64_t serial = host_next_serial(object->host);
    Fiber *fiber = fiber_current();

    if (queue->holder.kind == JOB_NONE && g_queue_is_empty(&queue->waiters)) {
        job_hold(object, kind, g_steal_pointer(&who), fiber ? fiber_ref(fiber) : NULL, serial);
        *ret_job = (Job){ .object = object_ref(object), .serial = serial };
        job_log_about(object);
        return true;
    }
    const unsigned limit = object->host->config->max_queued;
    if (limit && g_queue_get_length(&queue->waiters) >= limit && kind != JOB_DESTROY)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "cannot acquire state change lock due to max_queued limit");

    /* On the stack of this fiber, which stays until the waiter has left the queue. */
    JobWaiter waiter = { .kind = kind,
                         .caller = g_steal_pointer(&who),
                         .since_ms = loop_now_ms(),
                         .fiber = fiber ? fiber_ref(fiber) : NULL,
                         .serial = serial };
    g_autoptr(Object) hold = object_ref(object);
    wait_queue_init(&waiter.wakeup);
    job_enqueue(object, &waiter);
    const bool ok = job_wait(object, &waiter, err);
    if (ok) {
        *ret_job = (Job){ .object = g_steal_pointer(&hold), .serial = serial };
        job_log_about(object);
    }
    job_waiter_clear(&waiter);
    return ok;
}

static void job_serve_next(Object *object)
{
    JobWaiter *next = g_queue_pop_head(&object->jobs.waiters);

    if (!next)
        return;
    next->served = true;
    job_hold(object, next->kind, g_strdup(next->caller), next->fiber ? fiber_ref(next->fiber) : NULL,
             next->serial);
    wait_queue_wake_all(&next->wakeup);
    const JobWaiter *second = g_queue_peek_head(&object->jobs.waiters);
    if (second && second->kind == JOB_DESTROY && job_kind_is_cancellable(next->kind) && next->fiber)
        fiber_cancel(next->fiber);
}

void job_end(Job *job)
{
    if (!job->object)
        return;
    g_autoptr(Object) object = g_steal_pointer(&job->object);
    JobQueue *queue = &object->jobs;

    g_assert(queue->holder.serial == job->serial);
    if (queue->holder.has_progress) {
        job_progress_copy(&queue->completed, &queue->holder.progress);
        queue->has_completed = true;
    }
    job_progress_clear(&queue->holder.progress);
    g_clear_pointer(&queue->holder.caller, g_free);
    fiber_unref(queue->holder.fiber);
    queue->holder = (JobHolder){ .kind = JOB_NONE };
    job_log_about(NULL);
    job_serve_next(object);
}

void job_set_phase(Job *job, const char *phase)
{
    if (job->object)
        job->object->jobs.holder.phase = phase;
}

void job_adopt(Job *job, Fiber *fiber)
{
    JobHolder *holder = &job->object->jobs.holder;
    Fiber *before = holder->fiber;

    holder->fiber = fiber ? fiber_ref(fiber) : NULL;
    fiber_unref(before);
}

bool job_is_aborted(const Job *job)
{
    return job->object && job->object->jobs.holder.aborted;
}

bool job_commit(Job *job, Error **err)
{
    JobHolder *holder = &job->object->jobs.holder;

    if (holder->aborted)
        return error_set(err, ERROR_CANCELLED, "the job was aborted");
    holder->committed = true;
    return true;
}

void job_reopen(Job *job)
{
    job->object->jobs.holder.committed = false;
}

void job_set_progress(Job *job, const JobProgress *progress)
{
    JobHolder *holder = &job->object->jobs.holder;

    job_progress_copy(&holder->progress, progress);
    holder->has_progress = true;
}

void job_set_completed(Object *object, const JobProgress *progress)
{
    job_progress_copy(&object->jobs.completed, progress);
    object->jobs.has_completed = true;
}

bool job_get_progress(Object *object, bool completed, JobProgress *ret_progress, Error **err)
{
    const JobHolder *holder = &object->jobs.holder;

    if (completed) {
        if (object->jobs.has_completed)
            job_progress_copy(ret_progress, &object->jobs.completed);
        return true;
    }
    /* These work on machines that are off, too. */
    if (holder->kind != JOB_DISK_MOVE && holder->kind != JOB_SNAPSHOT && !object_require_active(object, err))
        return false;
    if (!holder->has_progress)
        return true;
    job_progress_copy(ret_progress, &holder->progress);
    ret_progress->elapsed_ms = loop_now_ms() - holder->since_ms;
    return true;
}

/* It knows nothing of memory. */
static void add_backup_params(Params *params, const JobProgress *progress)
{
    if (progress->disk_total) {
        params_add_ullong(params, progress->disk_total, "disk_total");
        params_add_ullong(params, progress->disk_processed, "disk_processed");
        params_add_ullong(params, progress->disk_remaining, "disk_remaining");
    }
    if (progress->disk_temp_total) {
        params_add_ullong(params, progress->disk_temp_used, "disk_temp_used");
        params_add_ullong(params, progress->disk_temp_total, "disk_temp_total");
    }
    if (progress->type >= JOB_TYPE_COMPLETED)
        params_add_bool(params, progress->type == JOB_TYPE_COMPLETED, "success");
    if (progress->error)
        params_add_string(params, progress->error, "errmsg");
}

static void add_migration_params(Params *params, const JobProgress *progress)
{
    if (progress->downtime_net_ms)
        params_add_ullong(params, progress->downtime_net_ms, "downtime_net");
    if (progress->elapsed_net_ms)
        params_add_ullong(params, progress->elapsed_net_ms, "time_elapsed_net");
    if (progress->throttle_percent)
        params_add_int(params, (int32_t)progress->throttle_percent, "auto_converge_throttle");
    if (progress->cache_bytes) {
        params_add_ullong(params, progress->cache_bytes, "compression_cache");
        params_add_ullong(params, progress->compressed_bytes, "compression_bytes");
        params_add_ullong(params, progress->compressed_pages, "compression_pages");
        params_add_ullong(params, progress->cache_misses, "compression_cache_misses");
        params_add_ullong(params, progress->cache_overflows, "compression_overflow");
    }
    if (progress->disk_total) {
        params_add_ullong(params, progress->disk_total, "disk_total");
        params_add_ullong(params, progress->disk_processed, "disk_processed");
        params_add_ullong(params, progress->disk_remaining, "disk_remaining");
    }
}

Params *job_progress_to_params(const JobProgress *progress)
{
    Params *params = params_new();

    params_add_int(params, progress->operation, "operation");
    params_add_ullong(params, progress->elapsed_ms, "time_elapsed");
    if (progress->operation == JOB_OPERATION_BACKUP) {
        add_backup_params(params, progress);
        return params;
    }
    if (progress->type == 1 && progress->remaining_ms)
        params_add_ullong(params, progress->remaining_ms, "time_remaining");
    if (progress->downtime_ms)
        params_add_ullong(params, progress->downtime_ms, "downtime");
    if (progress->page_size)
        params_add_ullong(params, progress->setup_ms, "setup_time");
    params_add_ullong(params, progress->data_total, "data_total");
    params_add_ullong(params, progress->data_processed, "data_processed");
    params_add_ullong(params, progress->data_remaining, "data_remaining");
    params_add_ullong(params, progress->mem_total, "memory_total");
    params_add_ullong(params, progress->mem_processed, "memory_processed");
    params_add_ullong(params, progress->mem_remaining, "memory_remaining");
    if (progress->mem_bytes_per_s)
        params_add_ullong(params, progress->mem_bytes_per_s, "memory_bps");
    if (progress->page_size) {
        params_add_ullong(params, progress->mem_constant_pages, "memory_constant");
        params_add_ullong(params, progress->mem_normal_pages, "memory_normal");
        params_add_ullong(params, progress->mem_normal_bytes, "memory_normal_bytes");
        params_add_ullong(params, progress->mem_dirty_rate_pages, "memory_dirty_rate");
        params_add_ullong(params, progress->iteration, "memory_iteration");
        params_add_ullong(params, progress->mem_postcopy_requests, "memory_postcopy_requests");
        params_add_ullong(params, progress->page_size, "memory_page_size");
    }
    add_migration_params(params, progress);
    if (progress->error)
        params_add_string(params, progress->error, "errmsg");
    return params;
}

bool job_abort(Object *object, Error **err)
{
    JobHolder *holder = &object->jobs.holder;

    if (holder->kind != JOB_DISK_MOVE && holder->kind != JOB_SNAPSHOT && !object_require_active(object, err))
        return false;
    switch (holder->kind) {
    case JOB_NONE:
        return error_set(err, ERROR_INVALID_STATE, "no job is active on the %s", object->class->noun);
    case JOB_MIGRATION_IN:
        return error_set(err, ERROR_INVALID_STATE,
                         "cannot abort incoming migration; use virDomainDestroy instead");
    case JOB_START:
        return error_set(err, ERROR_INVALID_STATE, "cannot abort VM start; use virDomainDestroy instead");
    case JOB_SAVE:
    case JOB_DUMP:
    case JOB_SNAPSHOT:
    case JOB_MIGRATION_OUT:
    case JOB_BACKUP:
    case JOB_DISK_MOVE:
        break;
    default:
        return error_set(err, ERROR_INVALID_STATE, "no job is active on the %s", object->class->noun);
    }
    if (holder->committed)
        return error_set(err, ERROR_INVALID_STATE, "the %s of %s '%s' cannot be aborted any more",
                         job_kind_name(holder->kind), object->class->noun, object->name);
    holder->aborted = true;
    if (holder->fiber)
        fiber_cancel(holder->fiber);
    return true;
}

void job_record_free(JobRecord *record)
{
    if (!record)
        return;
    g_free(record->name);
    g_free(record->waits_for);
    g_free(record->caller);
    g_free(record);
}

static JobRecord *job_record_new(const Object *object, JobKind kind, const char *caller, uint64_t since_ms)
{
    JobRecord *record = g_new0(JobRecord, 1);

    record->noun = object->class->noun;
    record->name = g_strdup(object->name);
    uuid_format(&object->uuid, record->uuid);
    record->id = object->id;
    record->kind = kind;
    record->phase = "";
    record->caller = g_strdup(caller);
    record->age_ms = loop_now_ms() - since_ms;
    return record;
}

static void job_list_object(const Object *object, GPtrArray *records)
{
    const JobHolder *holder = &object->jobs.holder;

    if (holder->kind == JOB_NONE)
        return;
    JobRecord *record = job_record_new(object, holder->kind, holder->caller, holder->since_ms);
    record->running = true;
    record->phase = holder->phase ? holder->phase : "";
    g_ptr_array_add(records, record);
    for (const GList *link = object->jobs.waiters.head; link; link = link->next) {
        const JobWaiter *waiter = link->data;
        JobRecord *waiting = job_record_new(object, waiter->kind, waiter->caller, waiter->since_ms);
        waiting->waits_for = g_strdup_printf("%s (%s)", job_kind_name(holder->kind), holder->caller);
        g_ptr_array_add(records, waiting);
    }
}

GPtrArray *host_list_jobs(Host *host)
{
    GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)job_record_free);

    for (unsigned kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        const Object *object = NULL;
        if (!host->registries[kind])
            continue;
        for (RegistryIter iter = registry_iter(host->registries[kind]); (object = registry_next(&iter));)
            job_list_object(object, records);
    }
    return records;
}
