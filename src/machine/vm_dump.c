/* Carrying QEMU's state into a file, and core dumps.
 *
 * QEMU gets the writing end of a pipe; a helper process copies into the file. Progress is watched: when
 * nothing has moved for as long as storage may take, the transfer is cancelled, so dead storage ends in an
 * error and not in a machine that is paused for ever. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "dump"
#include "machine/vm_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "machine/vm_save.h"
#include "storage/image_users.h"

#define POLL_MS 250
#define SYNC_TIMEOUT_MS 600000
#define COPIER_PATIENCE_MS 60000
#define COPIER_LATE_MS 200
#define CANCEL_PATIENCE_MS 5000
#define CANCEL_POLL_MS 20
#define PIPE_BYTES (1 << 20)

/* ---- progress ---- */

/* What is known of a transfer, as it is asked each time. */
typedef struct Transfer {
    MonitorJobStatus status;
    char *problem; /* owned; NULL */
    JobProgress progress;
} Transfer;

static bool transfer_ask_dump(Vm *vm, Transfer *ret_transfer, Error **err)
{
    MonitorDump dump = { 0 };

    if (!monitor_query_dump(vm_monitor(vm), 0, &dump, err))
        return false;
    JobProgress *progress = &ret_transfer->progress;
    ret_transfer->status = dump.status;
    ret_transfer->problem = g_strdup(vm->run->dump_error);
    progress->mem_total = progress->data_total = dump.total_bytes;
    progress->mem_processed = progress->data_processed = dump.done_bytes;
    progress->mem_remaining = progress->data_remaining = dump.total_bytes - dump.done_bytes;
    return true;
}

void vm_state_progress(const MonitorMigration *now, JobProgress *ret_progress)
{
    *ret_progress =
        (JobProgress){ .elapsed_ms = now->elapsed_ms,
                       .downtime_ms = now->downtime_ms ? now->downtime_ms : now->expected_downtime_ms,
                       .setup_ms = now->setup_ms,
                       .data_total = now->ram_total,
                       .data_processed = now->ram_transferred,
                       .data_remaining = now->ram_remaining,
                       .mem_total = now->ram_total,
                       .mem_processed = now->ram_transferred,
                       .mem_remaining = now->ram_remaining,
                       .mem_constant_pages = now->zero_pages,
                       .mem_normal_pages = now->normal_pages,
                       .mem_normal_bytes = now->normal_bytes,
                       .mem_dirty_rate_pages = now->dirty_pages_per_s,
                       .mem_postcopy_requests = now->postcopy_requests,
                       .mem_bytes_per_s = now->mbps > 0 ? (uint64_t)(now->mbps * 1000 * 1000 / 8) : 0,
                       .throttle_percent = now->throttle_percent,
                       .cache_bytes = now->cache_bytes,
                       .compressed_bytes = now->compressed_bytes,
                       .compressed_pages = now->compressed_pages,
                       .cache_misses = now->cache_misses,
                       .cache_overflows = now->cache_overflows,
                       .iteration = now->dirty_sync_count,
                       .page_size = now->page_bytes };
}

static bool transfer_ask_migration(Vm *vm, Transfer *ret_transfer, Error **err)
{
    g_auto(MonitorMigration) now = { 0 };

    if (!monitor_query_migration(vm_monitor(vm), 0, &now, err))
        return false;
    *ret_transfer = (Transfer){ .status = now.status, .problem = g_steal_pointer(&now.problem) };
    vm_state_progress(&now, &ret_transfer->progress);
    return true;
}
/* One look at the transfer. *ret_moved: bytes so far, for noticing that nothing moves. */
static bool transfer_poll(Vm *vm, Job *job, const StateCopy *copy, uint64_t *ret_moved, bool *ret_done,
                          Error **err)
{
    Transfer now = { 0 };

    if (!(copy->dump_format ? transfer_ask_dump : transfer_ask_migration)(vm, &now, err))
        return false;
    g_autofree char *why = now.problem;
    now.progress.type = VIR_DOMAIN_JOB_UNBOUNDED;
    now.progress.operation = copy->operation;
    *ret_moved = now.progress.data_processed;
    *ret_done = now.status == MONITOR_JOB_COMPLETED;
    job_set_progress(job, &now.progress);
    if (now.status == MONITOR_JOB_FAILED || now.status == MONITOR_JOB_CANCELLED)
        return error_set(err, ERROR_OPERATION_FAILED, "QEMU could not write its state: %s",
                         why                                ? why
                         : now.status == MONITOR_JOB_FAILED ? "failed"
                                                            : "cancelled");
    return true;
}

/* kdump formats are written out of order: QEMU gets the file itself. Memory never waits. */
static bool transfer_needs_file(const StateCopy *copy)
{
    return copy->stream_fd || (copy->dump_format && strcmp(copy->dump_format, "elf") != 0);
}

static bool transfer_is_over(const VmRun *run, const StateCopy *copy)
{
    return copy->dump_format
               ? run->dump_completed
               : run->migration_state == MONITOR_JOB_COMPLETED || run->migration_state == MONITOR_JOB_FAILED;
}

/* The process that writes the file. */
typedef struct Copier {
    Process *process; /* NULL: QEMU writes itself */
    int words_fd;     /* -1: none */
} Copier;

static void copier_clear(Copier *copier)
{
    process_free(copier->process);
    fd_cleanup(&copier->words_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Copier, copier_clear)

static bool copier_has_failed(const Copier *copier)
{
    return copier->process && process_has_exited(copier->process) && process_status(copier->process) != 0;
}

static bool transfer_blame(const StateCopy *copy, const Copier *copier, Error **err)
{
    g_autofree char *how = save_copier_describe(copier->process, copier->words_fd);

    return error_set(err, ERROR_OPERATION_FAILED, "the helper that writes '%s' failed: %s", copy->path, how);
}

static bool transfer_check(Vm *vm, Job *job, const StateCopy *copy, const Copier *copier, Error **err)
{
    if (!vm->run || vm->run->exited)
        return error_set(err, ERROR_VM_GONE, "QEMU exited unexpectedly");
    if (job_is_aborted(job))
        return error_set(err, ERROR_CANCELLED, "%s job: canceled by client",
                         copy->operation == VIR_DOMAIN_JOB_OPERATION_DUMP ? "dump" : "save");
    /* Whatever QEMU will say of its broken pipe, this is the cause. */
    if (copier_has_failed(copier))
        return transfer_blame(copy, copier, err);
    return true;
}

static bool transfer_wait(Vm *vm, Job *job, const StateCopy *copy, const Copier *copier, Error **err)
{
    const uint64_t patience_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    uint64_t moved = 0;
    uint64_t last_move_ms = loop_now_ms();
    bool done = false;

    job_set_phase(job, "writing memory");
    while (!done) {
        g_autoptr(Error) why = NULL;
        uint64_t now_moved = 0;
        if (!transfer_check(vm, job, copy, copier, err))
            return false;
        if (!transfer_is_over(vm->run, copy) && !wait_queue_wait(&vm->run->changed, POLL_MS, &why) &&
            error_code(why) != ERROR_TIMEOUT) {
            if (job_is_aborted(job))
                return transfer_check(vm, job, copy, copier, err);
            return error_propagate(err, g_steal_pointer(&why));
        }
        g_clear_pointer(&why, error_free);
        if (!transfer_check(vm, job, copy, copier, err))
            return false;
        if (!transfer_poll(vm, job, copy, &now_moved, &done, &why)) {
            /* QEMU may tell of its broken pipe before the end of the copier is known, which is the cause. */
            if (copier->process && !process_wait(copier->process, COPIER_LATE_MS, NULL))
                log_debug("the helper runs on");
            return copier_has_failed(copier) ? transfer_blame(copy, copier, err)
                                             : error_propagate(err, g_steal_pointer(&why));
        }
        if (now_moved != moved) {
            moved = now_moved;
            last_move_ms = loop_now_ms();
        } else if (!done && loop_now_ms() - last_move_ms > patience_ms) {
            error_set(err, ERROR_TIMEOUT, "cannot write '%s': nothing was written for %u s", copy->path,
                      vm->host->config->storage_timeout_s);
            return error_hint(err, "the storage does not answer, or is very slow: see storage_timeout");
        }
    }
    return true;
}

/* ---- the transfer ---- */

static bool transfer_begin(Vm *vm, const StateCopy *copy, int fd, Error **err)
{
    static const char *const whole[] = { "events", NULL };
    static const char *const without_shared[] = { "events", MIGRATE_WITHOUT_SHARED, NULL };
    const char *const *capabilities = copy->stream_fd ? without_shared : whole;

    if (!vm_require_monitor(vm, err))
        return false;
    vm->run->pause_reason = copy->pause_reason;
    vm->run->dump_completed = false;
    vm->run->migration_state = MONITOR_JOB_NONE;
    if (copy->dump_format)
        return monitor_dump_to_fd(vm_monitor(vm), fd, transfer_needs_file(copy) ? copy->dump_format : NULL, 0,
                                  err);
    return monitor_set_migration_capabilities(vm_monitor(vm), capabilities, 0, err) &&
           monitor_set_migration_speed(vm_monitor(vm), UINT64_MAX, 0, err) &&
           monitor_migrate_to_fd(vm_monitor(vm), fd, 0, err);
}

static bool transfer_finish(const Vm *vm, const StateCopy *copy, const SaveFile *file, const Copier *copier,
                            int fd, Job *job, Error **err)
{
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;

    job_set_phase(job, "flushing the file");
    if (copier->process && !process_wait(copier->process, COPIER_PATIENCE_MS, err))
        return error_prefix(err, "writing the rest of '%s'", copy->path);
    if (copier_has_failed(copier))
        return transfer_blame(copy, copier, err);
    if (copy->stream_fd)
        return true;
    if (!save_image_sync(copy->path, fd, SYNC_TIMEOUT_MS, err))
        return false;
    return save_image_commit(file, timeout_ms, err);
}

void vm_state_discard(Host *host, const SaveFile *file)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (!save_image_discard(file, (uint64_t)host->config->storage_timeout_s * 1000, &err))
        log_warning_error(err, "an unfinished file is left behind");
    fiber_shield_end();
}

bool vm_state_is_moving(Vm *vm)
{
    g_auto(MonitorMigration) now = { 0 };

    return monitor_query_migration(vm_monitor(vm), CANCEL_PATIENCE_MS, &now, NULL) &&
           now.status != MONITOR_JOB_NONE && now.status != MONITOR_JOB_COMPLETED &&
           now.status != MONITOR_JOB_FAILED && now.status != MONITOR_JOB_CANCELLED &&
           now.status != MONITOR_JOB_BROKEN;
}

/* QEMU is asked, not only listened to: a transfer that had not begun tells of no end. */
static void transfer_undo(Vm *vm, const StateCopy *copy, const Copier *copier)
{
    const uint64_t deadline_ms = loop_now_ms() + CANCEL_PATIENCE_MS;
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (copier->process && !process_has_exited(copier->process) &&
        !process_kill(copier->process, SIGKILL, NULL))
        log_debug("the helper is gone already");
    if (vm->run && vm->run->qmp && qmp_pending_ms(vm->run->qmp) < CANCEL_PATIENCE_MS && !copy->dump_format) {
        if (!monitor_cancel_migration(vm_monitor(vm), CANCEL_PATIENCE_MS, &err))
            log_warning_error(err, "cannot cancel writing the state of a machine");
        while (!err && vm_state_is_moving(vm) && loop_now_ms() < deadline_ms) {
            if (!vm->run || (!wait_queue_wait(&vm->run->changed, CANCEL_POLL_MS, NULL) && !vm->run))
                break;
        }
    }
    fiber_shield_end();
}

static void transfer_publish(Vm *vm, Job *job)
{
    Params *params = job_progress_to_params(&((Vm *)job->object)->jobs.holder.progress);

    vm_publish_event(vm, &(Event){ .id = EVENT_JOB_COMPLETED, .params = params });
    params_free(params);
}

static void copier_exited(Process *copier, void *arg)
{
    Vm *vm = arg;

    if (vm->run)
        wait_queue_wake_all(&vm->run->changed);
}

static bool state_transfer(Vm *vm, Job *job, const StateCopy *copy, const SaveFile *file, int fd, Error **err)
{
    const bool direct = transfer_needs_file(copy);
    g_auto(Copier) copier = { .words_fd = -1 };
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "cannot make a pipe");
    AUTO_FD read_end = ends[0];
    AUTO_FD write_end = ends[1];
    (void)fcntl(write_end, F_SETPIPE_SZ, PIPE_BYTES); /* only for speed */

    bool ok = direct || save_copier_start(copy->format, false, copy->bypass_cache, read_end, fd,
                                          &copier.process, &copier.words_fd, err);
    fd_cleanup(&read_end);
    if (copier.process)
        process_on_exit(copier.process, copier_exited,
                        vm); /* the job holds the machine longer than we the process */
    ok = ok && transfer_begin(vm, copy, direct ? fd : write_end, err);
    fd_cleanup(&write_end); /* QEMU's is the last one now: its close is the helper's end of file */
    ok = ok && transfer_wait(vm, job, copy, &copier, err) &&
         transfer_finish(vm, copy, file, &copier, fd, job, err);
    if (!ok)
        transfer_undo(vm, copy, &copier);
    if (vm->run)
        vm->run->pause_reason = VIR_DOMAIN_PAUSED_UNKNOWN;
    return ok;
}

/* Having written its state once, QEMU does so again only after it has run. */
static bool state_check_writable(Vm *vm, const StateCopy *copy, Error **err)
{
    MonitorStatus status = { 0 };

    if (copy->dump_format || vm->state == VM_STATE_RUNNING)
        return true;
    if (!monitor_query_status(vm_monitor(vm), 0, &status, err))
        return false;
    if (status.run_state != MONITOR_RUN_POSTMIGRATE)
        return true;
    error_set(err, ERROR_INVALID_STATE, "the state of domain '%s' was written before while it was paused",
              vm->name);
    return error_hint(err, "QEMU writes it again only after the machine has run: resume it first");
}

/* Everything that the next daemon must know if this one dies is written down before the file is made, and
 * before the machine is paused. */
static bool state_begin(Vm *vm, Job *job, const StateCopy *copy, SaveFile *file, int *ret_fd, Error **err)
{
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    VmRun *run = vm->run;

    job_set_phase(job, "creating the file");
    if (!state_check_writable(vm, copy, err))
        return false;
    run->must_run = run->must_run || vm->state == VM_STATE_RUNNING;
    run->is_saving = copy->pause_reason == VIR_DOMAIN_PAUSED_SAVE;
    save_file_copy(&run->file, file);
    if (!vm_status_save(vm, err))
        return false;
    if (copy->stream_fd) {
        *ret_fd = fcntl(*copy->stream_fd, F_DUPFD_CLOEXEC, 3);
        if (*ret_fd < 0)
            return error_set_errno(err, errno, "cannot keep the state of a machine");
    } else if (!save_image_create(file, copy->xml, copy->image_runs, copy->format, timeout_ms, ret_fd, err) ||
               !vm_require_monitor(vm, err))
        return false;
    save_file_copy(&vm->run->file, file);
    return vm_status_save(vm, err) && vm_require_monitor(vm, err) &&
           (!copy->pause || vm->state != VM_STATE_RUNNING ||
            vm_process_pause_cpus(vm, copy->pause_reason, err));
}

bool vm_state_to_file(Vm *vm, Job *job, const StateCopy *copy, Error **err)
{
    g_auto(SaveFile) file = { 0 };
    AUTO_FD fd = -1;

    if (!copy->stream_fd)
        save_file_init(&file, copy->path);
    if (!state_begin(vm, job, copy, &file, &fd, err) || !state_transfer(vm, job, copy, &file, fd, err)) {
        vm_state_discard(vm->host, &file);
        vm_state_end(vm);
        return false;
    }
    if (!copy->dump_format)
        transfer_publish(vm, job);
    return true;
}

void vm_state_end(Vm *vm)
{
    fiber_shield_begin();
    if (vm->run) {
        save_file_clear(&vm->run->file);
        vm_go_on(vm);
        vm_status_save_later(vm);
    }
    fiber_shield_end();
}

/* ---- core dumps ---- */

static bool dump_format_name(unsigned format, bool memory_only, const char **ret_name, Error **err)
{
    static const char *const names[] = { "elf", "kdump-zlib", "kdump-lzo", "kdump-snappy", "win-dmp" };

    if (format >= G_N_ELEMENTS(names))
        return error_set(err, ERROR_INVALID_ARGUMENT, "unknown dumpformat '%u'", format);
    if (!memory_only && format != 0)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "kdump-compressed format is only supported with memory-only dump");
    *ret_name = memory_only ? names[format] : NULL;
    return true;
}

static bool dump_locked(Vm *vm, Job *job, const char *path, unsigned format, unsigned flags, Error **err)
{
    StateCopy copy = { .path = path,
                       .bypass_cache = flags & VIR_DUMP_BYPASS_CACHE,
                       .pause = !(flags & VIR_DUMP_LIVE),
                       .pause_reason = VIR_DOMAIN_PAUSED_DUMP,
                       .operation = VIR_DOMAIN_JOB_OPERATION_DUMP };

    if (!dump_format_name(format, flags & VIR_DUMP_MEMORY_ONLY, &copy.dump_format, err))
        return false;
    if (!copy.dump_format && !save_format_from_name(vm->host->config->dump_image_format, &copy.format, err))
        return false;
    if (!image_users_require_none(vm->host, path, err) || !vm_require_monitor(vm, err) ||
        !vm_state_to_file(vm, job, &copy, err))
        return false;
    if (flags & VIR_DUMP_CRASH) {
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_CRASHED, VIR_DOMAIN_EVENT_STOPPED_CRASHED);
        return true;
    }
    bool ok = true;
    if ((flags & VIR_DUMP_RESET) && vm_require_monitor(vm, NULL)) {
        ok = monitor_reset(vm_monitor(vm), 0, err);
        if (ok)
            vm->run->must_run = true;
    }
    vm_state_end(vm);
    return ok;
}

bool vm_core_dump(Vm *vm, const char *path, unsigned format, unsigned flags, const Caller *caller,
                  Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, 31, "qemuDomainCoreDumpWithFormat", err))
        return false;
    if ((flags & VIR_DUMP_CRASH) && (flags & (VIR_DUMP_LIVE | VIR_DUMP_RESET)))
        return error_set(err, ERROR_INVALID_ARGUMENT, "crash excludes live and reset");
    if (*path != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not an absolute path", path);
    return job_begin(&vm->object, JOB_DUMP, caller, &job, err) && vm_require_monitor(vm, err) &&
           dump_locked(vm, &job, path, format, flags, err);
}

void vm_dump_after_crash(Vm *vm)
{
    g_auto(Job) job = { 0 };
    g_autoptr(Error) err = NULL;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%d-%H:%M:%S");
    g_autofree char *file = g_strdup_printf("%d-%.20s-%s", vm->id, vm->name, stamp);
    const Config *config = vm->host->config;
    const char *dir = config->auto_dump_path ? config->auto_dump_path : vm->host->paths->dump;
    g_autofree char *path = path_join(dir, file);

    while (!job_begin(&vm->object, JOB_DUMP, NULL, &job, &err)) {
        if (error_code(err) != ERROR_TIMEOUT || !vm->run)
            return;
        g_clear_pointer(&err, error_free);
    }
    /* Over, or somebody has let it go on, meanwhile? */
    if (!vm_require_monitor(vm, &err) || (!vm->run->panicked && !vm->run->must_run))
        return;
    const LifecycleAction action = vm->run->panicked ? vm->live->on_crash : LIFECYCLE_ACTION_PRESERVE;
    const unsigned flags =
        VIR_DUMP_MEMORY_ONLY | (config->auto_dump_bypass_cache ? VIR_DUMP_BYPASS_CACHE : 0);
    if (!dump_locked(vm, &job, path, 0, flags, &err)) {
        /* One that has crashed stays as it is, for whoever wants to look at it. */
        log_error_error(err, "cannot dump a crashed machine");
        return;
    }
    if (action == LIFECYCLE_ACTION_COREDUMP_RESTART)
        vm_reboot_after_crash(vm);
    else if (action == LIFECYCLE_ACTION_COREDUMP_DESTROY)
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_CRASHED, VIR_DOMAIN_EVENT_STOPPED_CRASHED);
}
