/* Jobs of QEMU's block layer, from their beginning to their end.
 *
 * Events only note what QEMU said; what has to wait is done by the fiber that waits for the job, or by one
 * that is made for it. Both hold the machine's job, so a job is ended once. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "blockjob"
#include "machine/vm_block_job.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "machine/vm_bitmap.h"
#include "machine/vm_query.h"

#define POLL_MS 500
#define CANCEL_MS 20000 /* for QEMU to let go of a job that nobody wants any more */
#define BEGIN_MS 60000  /* images on servers take their time */

const char *const block_job_kind_names[BLOCK_JOB_KIND_COUNT] = { "pull",          "copy",   "commit",
                                                                 "active-commit", "backup", "snapshot" };
const char *const block_job_state_names[BLOCK_JOB_STATE_COUNT] = { "new",      "running",  "ready",
                                                                   "pivoting", "aborting", "completed",
                                                                   "failed",   "cancelled" };

static void (*end_functions[BLOCK_JOB_KIND_COUNT])(Vm *vm, VmBlockJob *job);

VmBlockJob *vm_block_job_new(BlockJobKind kind, const char *disk)
{
    VmBlockJob *job = g_new0(VmBlockJob, 1);

    *job = (VmBlockJob){ .refs = 1, .kind = kind, .disk = g_strdup(disk), .begun_ms = loop_now_ms() };
    return job;
}

VmBlockJob *vm_block_job_ref(VmBlockJob *job)
{
    job->refs++;
    return job;
}

void vm_block_job_unref(VmBlockJob *job)
{
    if (!job || --job->refs > 0)
        return;
    g_free(job->id);
    g_free(job->disk);
    g_free(job->top);
    g_free(job->base);
    g_free(job->top_parent);
    g_free(job->problem);
    g_free(job);
}

void vm_block_job_on_end(BlockJobKind kind, void (*func)(Vm *vm, VmBlockJob *job))
{
    end_functions[kind] = func;
}

/* Its pivot changes which image the guest has. */
static bool job_has_pivot(const VmBlockJob *job)
{
    return job->kind == BLOCK_JOB_COPY || job->kind == BLOCK_JOB_ACTIVE_COMMIT;
}

static bool job_is_over(const VmBlockJob *job)
{
    return job->state >= BLOCK_JOB_COMPLETED;
}

static bool job_is_listed(const Vm *vm, VmBlockJob *job)
{
    return vm->run && g_ptr_array_find(vm->run->block_jobs, job, NULL);
}

VmBlockJob *vm_block_job_of_disk(const Vm *vm, const char *disk)
{
    for (guint i = 0; vm->run && i < vm->run->block_jobs->len; i++) {
        VmBlockJob *job = g_ptr_array_index(vm->run->block_jobs, i);
        if (!disk || g_strcmp0(job->disk, disk) == 0)
            return job;
    }
    return NULL;
}

bool vm_block_job_require_none(const Vm *vm, const char *disk, Error **err)
{
    const VmBlockJob *job = vm_block_job_of_disk(vm, disk);

    if (!job)
        return true;
    error_set(err, job_has_pivot(job) ? ERROR_BLOCK_COPY_ACTIVE : ERROR_OPERATION_UNSUPPORTED,
              "disk '%s' already in active block job '%s'",
              disk        ? disk
              : job->disk ? job->disk
                          : "",
              job->id);
    return error_hint(err, "'lodge blockjob %s %s --abort' ends it", vm->name,
                      job->disk ? job->disk : "DISK");
}

int vm_block_job_type(BlockJobKind kind)
{
    static const int types[BLOCK_JOB_KIND_COUNT] = {
        [BLOCK_JOB_PULL] = VIR_DOMAIN_BLOCK_JOB_TYPE_PULL,
        [BLOCK_JOB_COPY] = VIR_DOMAIN_BLOCK_JOB_TYPE_COPY,
        [BLOCK_JOB_COMMIT] = VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT,
        [BLOCK_JOB_ACTIVE_COMMIT] = VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT,
        [BLOCK_JOB_BACKUP] = VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP,
    };

    return types[kind];
}

void vm_block_job_publish(const Vm *vm, const VmBlockJob *job, int status)
{
    const DiskDef *disk = job->disk && vm->live ? domain_find_disk(vm->live, job->disk) : NULL;

    if (!job->by_user || !disk)
        return;
    Event event = { .id = EVENT_BLOCK_JOB,
                    .type = vm_block_job_type(job->kind),
                    .detail = status,
                    .text1 = disk->src.path ? disk->src.path : "" };
    vm_publish_event(vm, &event);
    event.id = EVENT_BLOCK_JOB_2;
    event.text1 = job->disk;
    vm_publish_event(vm, &event);
}

/* ---- attending ---- */

typedef struct JobRef {
    Vm *vm;
    VmBlockJob *job;
    uint64_t serial;
} JobRef;

static void job_ref_free(JobRef *ref)
{
    vm_unref(ref->vm);
    vm_block_job_unref(ref->job);
    g_free(ref);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobRef, job_ref_free)

static bool job_ref_is_current(const JobRef *ref)
{
    return ref->vm->run && ref->vm->run->serial == ref->serial && !ref->vm->run->exited &&
           job_is_listed(ref->vm, ref->job);
}

static bool job_wants_attention(const VmBlockJob *job)
{
    return !job_is_over(job) && (job->is_pending || job->is_concluded || job->is_unwanted);
}

AWAITS static void job_step(Vm *vm, VmBlockJob *job);

static void attend_fiber(void *arg)
{
    g_autoptr(JobRef) ref = arg;
    bool is_in_vain = false;

    while (job_ref_is_current(ref) && job_wants_attention(ref->job) && !is_in_vain) {
        g_auto(Job) job = { 0 };
        g_autoptr(Error) err = NULL;
        if (!job_begin(&ref->vm->object, JOB_MODIFY, NULL, &job, &err)) {
            if (error_code(err) == ERROR_CANCELLED)
                break;
            log_warning_error(err, "the end of a block job must wait");
            continue;
        }
        job_set_phase(&job, "ending a block job");
        if (!job_ref_is_current(ref) || !job_wants_attention(ref->job))
            break;
        const bool was_pending = ref->job->is_pending, was_concluded = ref->job->is_concluded;
        job_step(ref->vm, ref->job);
        /* QEMU was silent, or the machine is about to end: the next event, or daemon, tries again. */
        is_in_vain = was_pending == ref->job->is_pending && was_concluded == ref->job->is_concluded;
    }
    ref->job->is_attended = false;
}

static void job_attend(Vm *vm, VmBlockJob *job)
{
    if (!job_wants_attention(job) || job->keep_waiting || job->is_attended || vm->run->stopping)
        return;
    JobRef *ref = g_new0(JobRef, 1);
    *ref = (JobRef){ .vm = vm_ref(vm), .job = vm_block_job_ref(job), .serial = vm->run->serial };
    job->is_attended = true;
    host_spawn(vm->host, "block job", attend_fiber, ref);
}

/* ---- what QEMU says ---- */

static void job_take_status(Vm *vm, VmBlockJob *job, const char *status)
{
    if (job_is_over(job))
        return;
    if (job->is_unwanted && strcmp(status, "null") == 0) /* gone by itself */
        job->is_concluded = true;
    if (strcmp(status, "concluded") == 0) {
        job->is_pending = false;
        job->is_concluded = true;
    } else if (strcmp(status, "pending") == 0) {
        job->is_pending = true;
    } else if (job->state == BLOCK_JOB_NEW && strcmp(status, "created") != 0) {
        job->state = BLOCK_JOB_RUNNING;
    }
    if (strcmp(status, "ready") == 0 && job->state == BLOCK_JOB_RUNNING && job_has_pivot(job)) {
        DiskDef *disk = domain_find_disk(vm->live, job->disk);
        job->state = BLOCK_JOB_READY;
        if (disk && disk->mirror)
            disk->mirror->ready = MIRROR_READY_YES;
        vm_status_save_later(vm);
        vm_block_job_publish(vm, job, VIR_DOMAIN_BLOCK_JOB_READY);
    }
    job_attend(vm, job);
}

static VmBlockJob *job_by_id(const Vm *vm, const char *id)
{
    for (guint i = 0; id && i < vm->run->block_jobs->len; i++) {
        VmBlockJob *job = g_ptr_array_index(vm->run->block_jobs, i);
        if (strcmp(job->id, id) == 0)
            return job;
    }
    return NULL;
}

void vm_block_job_event(Vm *vm, const Json *data)
{
    VmBlockJob *job = job_by_id(vm, json_get_str(data, "id"));
    const char *status = json_get_str(data, "status");

    if (job && status)
        job_take_status(vm, job, status);
}

static void job_note_outcome(VmBlockJob *job, const char *problem, bool is_cancelled)
{
    if (job->kind != BLOCK_JOB_PULL)
        return;
    is_cancelled = is_cancelled || g_strcmp0(problem, g_strerror(ECANCELED)) == 0;
    job->outcome = is_cancelled ? BLOCK_JOB_CANCELLED : problem ? BLOCK_JOB_FAILED : BLOCK_JOB_COMPLETED;
    if (job->outcome == BLOCK_JOB_FAILED && !job->problem)
        job->problem = g_strdup(problem);
}

void vm_block_job_ended(Vm *vm, const Json *data, bool is_cancelled)
{
    VmBlockJob *job = job_by_id(vm, json_get_str(data, "device"));

    if (job && !job_is_over(job))
        job_note_outcome(job, json_get_str(data, "error"), is_cancelled);
}

/* ---- beginning ---- */

static bool job_name(Vm *vm, VmBlockJob *job, Error **err)
{
    const DiskDef *disk = job->disk ? domain_find_disk(vm->live, job->disk) : NULL;
    /* libvirt calls both kinds so. */
    const char *word = job->kind == BLOCK_JOB_ACTIVE_COMMIT ? "commit" : block_job_kind_names[job->kind];

    if (job->disk && !disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' not found in domain", job->disk);
    if (!job->id && job->kind == BLOCK_JOB_COMMIT && job->top)
        job->id = g_strdup_printf("%s-%s-%s", word, job->disk, job->top);
    else if (!job->id && disk)
        job->id = g_strdup_printf("%s-%s-libvirt-%u-format", word, job->disk, disk->src.index);
    else if (!job->id)
        job->id = g_strdup_printf("%s-%" PRIu64, word, host_next_serial(vm->host));
    return !job_by_id(vm, job->id) ||
           error_set(err, ERROR_OPERATION_UNSUPPORTED, "there is a block job '%s' already", job->id);
}

static void job_complete_arguments(const VmBlockJob *job, Json *arguments)
{
    json_object_set_new(arguments, "job-id", json_string_nocheck(job->id));
    if (job->kind == BLOCK_JOB_SNAPSHOT) /* they wait for being dismissed by themselves */
        return;
    json_object_set_new(arguments, "auto-finalize", json_boolean(job->kind == BLOCK_JOB_BACKUP));
    json_object_set_new(arguments, "auto-dismiss", json_boolean(job->kind == BLOCK_JOB_PULL));
}

/* Those that never began. */
static void jobs_drop(Vm *vm, const GPtrArray *jobs)
{
    g_autoptr(Error) err = NULL;

    for (guint i = 0; i < jobs->len; i++) {
        if (g_ptr_array_index(jobs, i))
            g_ptr_array_remove(vm->run->block_jobs, g_ptr_array_index(jobs, i));
    }
    fiber_shield_begin();
    if (!vm_status_save(vm, &err))
        log_error_error(err, "the status file of a machine has a job that did not begin");
    fiber_shield_end();
}

/* Notes all of @jobs (some NULL), then does @command. */
AWAITS static bool jobs_begin(Vm *vm, const GPtrArray *jobs, const char *command, const Json *arguments,
                              Error **err)
{
    const uint64_t serial = vm->run->serial;
    g_autoptr(Error) why = NULL;

    for (guint i = 0; i < jobs->len; i++) {
        VmBlockJob *job = g_ptr_array_index(jobs, i);
        if (job)
            g_ptr_array_add(vm->run->block_jobs, vm_block_job_ref(job));
    }
    const bool is_noted = vm_status_save(vm, &why);
    /* Who gives up learns first whether it has begun: a job that runs is ended before its images go. */
    fiber_shield_begin();
    const bool has_begun = is_noted && qmp_exec(vm_monitor(vm), command, arguments, BEGIN_MS, NULL, &why);
    fiber_shield_end();
    if (has_begun) {
        for (guint i = 0; i < jobs->len; i++) {
            VmBlockJob *job = g_ptr_array_index(jobs, i);
            if (job && job->state == BLOCK_JOB_NEW)
                job->state = BLOCK_JOB_RUNNING;
        }
        return true;
    }
    const bool may_begin =
        is_noted && (error_code(why) == ERROR_TIMEOUT || error_code(why) == ERROR_CANCELLED);
    error_propagate(err, g_steal_pointer(&why));
    if (!vm->run || vm->run->serial != serial)
        return false;
    if (!may_begin) {
        jobs_drop(vm, jobs);
        return false;
    }
    for (guint i = 0; i < jobs->len; i++) { /* QEMU may have it in hand: as soon as it answers, it ends */
        VmBlockJob *job = g_ptr_array_index(jobs, i);
        if (job) {
            job->is_unwanted = true;
            job->by_user = job->keep_waiting = false;
            job_attend(vm, job);
        }
    }
    return false;
}

bool vm_block_job_start(Vm *vm, VmBlockJob *job, const char *command, Json *arguments, Error **err)
{
    g_autoptr(GPtrArray) jobs = g_ptr_array_new();

    g_ptr_array_add(jobs, job);
    if (!vm_require_monitor(vm, err) || !job_name(vm, job, err))
        return false;
    job_complete_arguments(job, arguments);
    return jobs_begin(vm, jobs, command, arguments, err);
}

bool vm_block_job_start_all(Vm *vm, GPtrArray *jobs, Json *actions, Error **err)
{
    if (!vm_require_monitor(vm, err))
        return false;
    for (guint i = 0; i < jobs->len; i++) {
        VmBlockJob *job = g_ptr_array_index(jobs, i);
        if (!job)
            continue;
        if (!job_name(vm, job, err))
            return false;
        job_complete_arguments(job, json_get_obj(json_array_get(actions, i), "data"));
    }
    AUTO_JSON arguments = json_pack("{s:O}", "actions", actions);
    return jobs_begin(vm, jobs, "transaction", arguments, err);
}

/* ---- the end ---- */

/* Which image the guest has, as QEMU says; a copy-on-read filter hides it. */
AWAITS static bool job_has_pivoted(Vm *vm, const VmBlockJob *job, bool otherwise)
{
    g_autoptr(GHashTable) disks = NULL;
    const DiskDef *disk = domain_find_disk(vm->live, job->disk);

    if (!disk || !disk->mirror || !disk->info.alias || disk->copy_on_read == TRISTATE_ON)
        return otherwise;
    g_autofree char *alias = g_strdup(disk->info.alias);
    g_autofree char *node = g_strdup_printf("libvirt-%u-format", disk->mirror->src.index);
    if (!monitor_query_disks(vm_monitor(vm), 0, &disks, NULL))
        return otherwise;
    const MonitorDisk *seen = g_hash_table_lookup(disks, alias);
    return seen && seen->node_name ? strcmp(seen->node_name, node) == 0 : otherwise;
}

/* Whether the images that were to be pulled are gone from the chain, as QEMU says. false: it can't be asked.
 */
AWAITS static bool pull_learn_end(Vm *vm, VmBlockJob *job)
{
    g_autoptr(GPtrArray) stats = NULL;
    g_autoptr(Error) err = NULL;
    const DiskDef *disk = domain_find_disk(vm->live, job->disk);
    g_autofree char *alias = disk ? g_strdup(disk->info.alias) : NULL;
    const char *below = NULL;

    if (job->outcome == BLOCK_JOB_NEW) {
        if (!monitor_query_block_stats(vm_monitor(vm), 0, &stats, &err)) {
            log_warning_error(err, "the end of a pull");
            return false;
        }
        for (guint i = 0; i < stats->len; i++) {
            const MonitorBlockStats *entry = g_ptr_array_index(stats, i);
            if (entry->depth == 1 && g_strcmp0(entry->alias, alias) == 0)
                below = entry->node_name;
        }
        job->outcome = g_strcmp0(below, job->base) == 0 ? BLOCK_JOB_COMPLETED
                       : job->is_unwanted || job->state == BLOCK_JOB_NEW || job->state == BLOCK_JOB_ABORTING
                           ? BLOCK_JOB_CANCELLED
                           : BLOCK_JOB_FAILED;
        if (job->outcome == BLOCK_JOB_FAILED && !job->problem)
            job->problem = g_strdup("it ended while no daemon was there");
    }
    job->state = job->outcome;
    return true;
}

/* How it ended. false: QEMU can't be asked now. */
AWAITS static bool job_learn_end(Vm *vm, VmBlockJob *job)
{
    g_autoptr(GPtrArray) jobs = NULL;
    g_autoptr(Error) err = NULL;
    const bool was_new = job->state == BLOCK_JOB_NEW;

    if (job->kind == BLOCK_JOB_PULL)
        return pull_learn_end(vm, job);
    if (!monitor_query_jobs(vm_monitor(vm), 0, &jobs, &err)) {
        log_warning_error(err, "the end of a block job");
        return false;
    }
    const MonitorBlockJob *seen = monitor_find_job(jobs, job->id);
    if (seen) {
        job->done = seen->done;
        job->total = seen->total;
    }
    const bool is_cancelled = seen && seen->problem && strcmp(seen->problem, g_strerror(ECANCELED)) == 0;
    BlockJobState state = BLOCK_JOB_COMPLETED;
    if (!seen && (was_new || job->is_unwanted))
        state = BLOCK_JOB_CANCELLED;
    else if (job_has_pivot(job) &&
             !job_has_pivoted(vm, job, seen && !seen->problem && job->state == BLOCK_JOB_PIVOTING))
        state = seen && seen->problem && !is_cancelled ? BLOCK_JOB_FAILED : BLOCK_JOB_CANCELLED;
    else if (!job_has_pivot(job) && (!seen || seen->problem))
        state = is_cancelled ? BLOCK_JOB_CANCELLED : BLOCK_JOB_FAILED;
    if (!vm->run)
        return false;
    if (state == BLOCK_JOB_FAILED && !job->problem)
        job->problem = g_strdup(seen ? seen->problem : "QEMU does not know the job any more");
    if (state == BLOCK_JOB_CANCELLED && job->problem)
        state = BLOCK_JOB_FAILED;
    job->state = state;
    return true;
}

AWAITS static void job_end_it(Vm *vm, VmBlockJob *job)
{
    static const int statuses[] = { VIR_DOMAIN_BLOCK_JOB_COMPLETED, VIR_DOMAIN_BLOCK_JOB_FAILED,
                                    VIR_DOMAIN_BLOCK_JOB_CANCELED };

    const bool was_pivoting = job->state == BLOCK_JOB_PIVOTING;

    if (!job_learn_end(vm, job))
        return;
    log_info("machine '%s': block job '%s' %s%s%s", vm->name, job->id, block_job_state_names[job->state],
             job->problem ? ": " : "", job->problem ? job->problem : "");
    if (job->kind != BLOCK_JOB_BACKUP && job->kind != BLOCK_JOB_SNAPSHOT)
        vm_chain_finish(vm, job, was_pivoting);
    else if (!job->keep_waiting && end_functions[job->kind])
        end_functions[job->kind](vm, job);
    else if (!job->keep_waiting)
        vm_block_job_forget(vm, job);
    if (vm->run)
        wait_queue_wake_all(&vm->run->changed);
    vm_block_job_publish(vm, job, statuses[job->state - BLOCK_JOB_COMPLETED]);
}

/* QEMU 7.2 writes the header of an image that has no, or another, image below it at once, and keeps in memory
 * where the data is that came from there until somebody flushes: what dies in between has neither. */
AWAITS static bool job_flush(Vm *vm, const VmBlockJob *job, Error **err)
{
    const DiskDef *disk = domain_find_disk(vm->live, job->disk);
    g_autofree char *node = job->kind == BLOCK_JOB_COMMIT         ? g_strdup(job->base)
                            : job->kind == BLOCK_JOB_PULL && disk ? storage_node_name(&disk->src)
                                                                  : NULL;
    g_autofree char *line = g_strdup_printf("qemu-io %s flush", node);
    g_autofree char *text = NULL;

    if (!node)
        return true;
    if (!qmp_exec_hmp(vm_monitor(vm), line, BEGIN_MS, &text, err))
        return false;
    return !*g_strstrip(text) || error_set(err, ERROR_OPERATION_FAILED, "%s", text);
}

/* The other image is as the guest's, or all that was to be copied is, and QEMU waits. */
AWAITS static void job_finalize(Vm *vm, VmBlockJob *job)
{
    g_autoptr(Error) err = NULL;
    const bool is_pivot = job->state == BLOCK_JOB_PIVOTING;

    if ((is_pivot && !vm_chain_before_pivot(vm, job, &err)) || !job_flush(vm, job, &err)) {
        log_error_error(err, is_pivot ? "the definition cannot follow a block job"
                                      : "what a block job has written cannot be flushed");
        g_free(job->problem);
        job->problem = g_strdup(error_message(err));
        job->state = BLOCK_JOB_ABORTING;
        job->is_pending = false;
        g_clear_pointer(&err, error_free);
        if (!monitor_tell_job(vm_monitor(vm), MONITOR_JOB_BREAK_OFF, job->id, 0, &err))
            log_error_error(err, "a block job cannot be cancelled");
        return;
    }
    if (!vm->run)
        return;
    if (monitor_tell_job(vm_monitor(vm), MONITOR_JOB_FINALIZE, job->id, 0, &err) ||
        error_code(err) == ERROR_REFUSED) /* it has come to its end by itself */
        job->is_pending = false;
    else
        log_error_error(err, "a block job cannot be finalized");
}

/* What QEMU waits for, or what came to its end. */
static void job_step(Vm *vm, VmBlockJob *job)
{
    fiber_shield_begin();
    if (job->is_concluded) {
        job_end_it(vm, job);
    } else if (job->is_pending) {
        job_finalize(vm, job);
    } else if (job->is_unwanted && job->state != BLOCK_JOB_ABORTING) {
        g_autoptr(Error) err = NULL;
        job->state = BLOCK_JOB_ABORTING;
        if (!monitor_tell_job(vm_monitor(vm), MONITOR_JOB_BREAK_OFF, job->id, 0, &err)) {
            job->is_concluded = error_code(err) == ERROR_REFUSED; /* it never began */
            job->state = BLOCK_JOB_NEW;
        }
    }
    fiber_shield_end();
}

/* ---- waiting ---- */

AWAITS static bool job_poll(Vm *vm, VmBlockJob *job, Job *job_held, Error **err)
{
    g_autoptr(GPtrArray) jobs = NULL;

    if (!monitor_query_jobs(vm_monitor(vm), 0, &jobs, err))
        return false;
    const MonitorBlockJob *seen = monitor_find_job(jobs, job->id);
    if (!seen)
        return true;
    job->done = seen->done;
    job->total = seen->total;
    if (!job_held || !job_held->object)
        return true;
    JobProgress progress = { 0 };
    if (!job_get_progress(job_held->object, false, &progress, err))
        return false;
    progress.type = VIR_DOMAIN_JOB_BOUNDED;
    progress.disk_total = progress.data_total = seen->total;
    progress.disk_processed = progress.data_processed = seen->done;
    progress.disk_remaining = progress.data_remaining = seen->total - MIN(seen->done, seen->total);
    job_set_progress(job_held, &progress);
    job_progress_clear(&progress);
    return true;
}

static bool job_result(const VmBlockJob *job, Error **err)
{
    if (job->state == BLOCK_JOB_COMPLETED)
        return true;
    if (job->state == BLOCK_JOB_CANCELLED)
        return error_set(err, ERROR_CANCELLED, "block job '%s' was cancelled", job->id);
    return error_set(err, ERROR_OPERATION_FAILED, "block job '%s' failed: %s", job->id,
                     job->problem ? job->problem : "QEMU does not say why");
}

/* Until @job is over, or READY; ERROR_TIMEOUT: not by @deadline_ms. */
AWAITS static bool job_wait_until(Vm *vm, VmBlockJob *job, bool until_ready, Job *job_held,
                                  uint64_t deadline_ms, Error **err)
{
    const uint64_t serial = vm->run ? vm->run->serial : 0;
    uint64_t next_poll_ms = loop_now_ms() + POLL_MS;

    while (!job_is_over(job)) {
        g_autoptr(Error) why = NULL;
        if (!vm->run || vm->run->serial != serial || vm->run->exited)
            return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' exited", vm->name);
        if (until_ready && job->state == BLOCK_JOB_READY)
            return true;
        const uint64_t now_ms = loop_now_ms();
        if (now_ms >= deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "block job '%s' does not end", job->id);
        if (job->is_pending || job->is_concluded) {
            const bool was_concluded = job->is_concluded;
            job_step(vm, job);
            if (job->is_concluded == was_concluded && !job_is_over(job) && (job->is_pending || was_concluded))
                return error_set(err, ERROR_TIMEOUT, "QEMU does not say how block job '%s' ended", job->id);
            continue;
        }
        if (now_ms >= next_poll_ms) {
            if (!job_poll(vm, job, job_held, err))
                return false;
            next_poll_ms = loop_now_ms() + POLL_MS;
            continue;
        }
        if (!wait_queue_wait(&vm->run->changed, MIN(next_poll_ms, deadline_ms) - now_ms, &why) &&
            error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
    }
    return job_result(job, err);
}

bool vm_block_job_wait(Vm *vm, VmBlockJob *job, bool until_ready, Job *job_held, Error **err)
{
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);
    g_autoptr(Error) why = NULL;

    if (job_wait_until(vm, job, until_ready, job_held, UINT64_MAX, &why))
        return true;
    if (error_code(why) == ERROR_CANCELLED && !job_is_over(job)) {
        fiber_shield_begin();
        (void)!vm_block_job_cancel(vm, job, true, NULL);
        fiber_shield_end();
        if (job->state == BLOCK_JOB_COMPLETED) /* came first */
            return true;
    }
    if (!job_is_over(job)) { /* from now on nobody waits for it */
        job->keep_waiting = false;
        if (job_is_listed(vm, job))
            job_attend(vm, job);
    }
    return error_propagate(err, g_steal_pointer(&why));
}

static void job_set_mirror(Vm *vm, const VmBlockJob *job, MirrorReady ready)
{
    DiskDef *disk = job->disk ? domain_find_disk(vm->live, job->disk) : NULL;

    if (disk && disk->mirror)
        disk->mirror->ready = ready;
}

/* The status file tells first what QEMU is told next. */
AWAITS static bool job_tell(Vm *vm, VmBlockJob *job, BlockJobState state, MonitorJobWord word, Error **err)
{
    const BlockJobState before = job->state;
    g_autoptr(Error) why = NULL;

    job->state = state;
    job_set_mirror(vm, job, state == BLOCK_JOB_PIVOTING ? MIRROR_READY_PIVOT : MIRROR_READY_ABORT);
    if (vm_status_save(vm, &why) && monitor_tell_job(vm_monitor(vm), word, job->id, 0, &why))
        return true;
    if (job->state == state && error_code(why) == ERROR_REFUSED && !job->is_concluded && vm->run &&
        vm->live) {
        job->state = before;
        job_set_mirror(vm, job, before == BLOCK_JOB_READY ? MIRROR_READY_YES : MIRROR_READY_ABSENT);
        vm_status_save_later(vm);
    }
    return error_propagate(err, g_steal_pointer(&why));
}

bool vm_block_job_pivot_later(Vm *vm, VmBlockJob *job, Error **err)
{
    if (job->state != BLOCK_JOB_READY)
        return error_set(err, ERROR_BLOCK_COPY_ACTIVE, "block job '%s' not ready for pivot yet", job->id);
    if (job->kind == BLOCK_JOB_COPY)
        bitmap_carry_over(vm, job->disk, job->flags & VIR_DOMAIN_BLOCK_COPY_SHALLOW);
    if (!vm_require_monitor(vm, err))
        return false;
    return job_tell(vm, job, BLOCK_JOB_PIVOTING, MONITOR_JOB_PIVOT, err);
}

bool vm_block_job_pivot(Vm *vm, VmBlockJob *job, Error **err)
{
    fiber_shield_begin(); /* a moment's work: done is better than half done */
    const bool ok = vm_block_job_pivot_later(vm, job, err) && vm_block_job_wait(vm, job, false, NULL, err);
    fiber_shield_end();
    return ok;
}

bool vm_block_job_cancel(Vm *vm, VmBlockJob *job, bool wait, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (job_is_over(job))
        return true;
    if (!vm_require_monitor(vm, err))
        return false;
    if (job->state != BLOCK_JOB_ABORTING && !job->is_concluded &&
        !job_tell(vm, job, BLOCK_JOB_ABORTING,
                  job->kind == BLOCK_JOB_SNAPSHOT ? MONITOR_JOB_BREAK_OFF : MONITOR_JOB_END, &why) &&
        !job->is_concluded)
        return error_propagate(err, g_steal_pointer(&why));
    g_clear_pointer(&why, error_free);
    if (!wait || job_wait_until(vm, job, false, NULL, loop_now_ms() + CANCEL_MS, &why) || job_is_over(job))
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

void vm_block_job_forget(Vm *vm, VmBlockJob *job)
{
    G_GNUC_UNUSED g_autoptr(VmBlockJob) hold = vm_block_job_ref(job);
    g_autoptr(Error) err = NULL;

    if (!job_is_listed(vm, job))
        return;
    g_ptr_array_remove(vm->run->block_jobs, job);
    fiber_shield_begin();
    if (!vm_status_save(vm, &err))
        log_error_error(err, "the status file of a machine has a block job that is over");
    g_clear_pointer(&err, error_free);
    if (!monitor_tell_job(vm_monitor(vm), MONITOR_JOB_DISMISS, job->id, 0, &err) &&
        error_code(err) != ERROR_REFUSED && error_code(err) != ERROR_VM_GONE)
        log_warning_error(err, "a block job cannot be dismissed");
    fiber_shield_end();
}

/* ---- after a restart ---- */

/* By its name a job of ours or of libvirtd's. */
static bool is_name_of_job(const char *id)
{
    for (size_t i = 0; i < G_N_ELEMENTS(block_job_kind_names); i++) {
        if (g_str_has_prefix(id, block_job_kind_names[i]))
            return true;
    }
    return g_str_has_prefix(id, "create-");
}

void vm_block_job_reconcile(Vm *vm)
{
    g_autoptr(GPtrArray) seen_jobs = NULL;
    g_autoptr(Error) err = NULL;
    const uint64_t serial = vm->run ? vm->run->serial : 0;

    if (!monitor_query_jobs(vm_monitor(vm), 0, &seen_jobs, &err)) {
        log_warning_error(err, "the block jobs of a machine that was taken over");
        return;
    }
    for (guint i = 0; vm->run && vm->run->serial == serial && i < vm->run->block_jobs->len; i++) {
        VmBlockJob *job = g_ptr_array_index(vm->run->block_jobs, i);
        const MonitorBlockJob *seen = monitor_find_job(seen_jobs, job->id);
        if (job_is_over(job)) /* the daemon died at its end */
            job->state = job_has_pivot(job) ? BLOCK_JOB_PIVOTING : BLOCK_JOB_RUNNING;
        if (!seen) {
            job->is_concluded = true;
            job_attend(vm, job);
        } else if (seen->status) {
            /* Part of something greater, which has died: nobody would ever end it. */
            job->is_unwanted =
                job->is_unwanted || (!job->by_user && job_has_pivot(job) && job->state <= BLOCK_JOB_READY);
            job_take_status(vm, job, seen->status);
            if (job->kind == BLOCK_JOB_PULL && job->is_concluded) { /* one of libvirtd */
                job_note_outcome(job, seen->problem, false);
                if (!monitor_tell_job(vm_monitor(vm), MONITOR_JOB_DISMISS, seen->id, 0, &err))
                    log_warning_error(err, "a pull that has ended");
                g_clear_pointer(&err, error_free);
            }
        }
    }
    if (vm->run && vm->run->serial == serial)
        vm_chain_drop_mirrors(vm);
    for (guint i = 0; i < seen_jobs->len; i++) {
        const MonitorBlockJob *seen = g_ptr_array_index(seen_jobs, i);
        if (!vm->run || vm->run->serial != serial)
            return;
        if (!job_by_id(vm, seen->id) && g_strcmp0(seen->status, "concluded") == 0 &&
            is_name_of_job(seen->id) &&
            !monitor_tell_job(vm_monitor(vm), MONITOR_JOB_DISMISS, seen->id, 0, NULL))
            log_debug("machine '%s': job '%s' stays", vm->name, seen->id);
    }
}
