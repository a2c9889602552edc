/* Carrying QEMU's state into a file, and core dumps.
 *
 * QEMU gets the writing end of a pipe; a helper process copies into the file. Progress is watched: when
 * nothing has moved for as long as storage may take, the transfer is cancelled, so dead storage ends in an
 * error and not in a machine that is paused for ever. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "dump"
#include "core/vm_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "core/vm_save.h"

#define POLL_MS 250
#define SYNC_TIMEOUT_MS 600000
#define COPIER_PATIENCE_MS 60000
#define PIPE_BYTES (1 << 20)
/* The largest bandwidth that QEMU takes: bytes per second. */
#define UNLIMITED_BANDWIDTH INT64_C(8796093022207) * 1048576

enum { DUMP_CRASH = 1, DUMP_LIVE = 2, DUMP_BYPASS_CACHE = 4, DUMP_RESET = 8, DUMP_MEMORY_ONLY = 16 };
enum { JOB_OPERATION_DUMP = 8 };

/* ---- progress ---- */

static void progress_read(JobProgress *progress, const Json *info)
{
    const Json *ram = json_get_obj(info, "ram");

    progress->type = 2;
    progress->elapsed_ms = json_get_uint(info, "total-time", 0);
    progress->downtime_ms = json_get_uint(info, "downtime", json_get_uint(info, "expected-downtime", 0));
    progress->setup_ms = json_get_uint(info, "setup-time", 0);
    if (!ram)
        return;
    progress->mem_total = progress->data_total = json_get_uint(ram, "total", 0);
    progress->mem_processed = progress->data_processed = json_get_uint(ram, "transferred", 0);
    progress->mem_remaining = progress->data_remaining = json_get_uint(ram, "remaining", 0);
    progress->mem_constant_pages = json_get_uint(ram, "duplicate", 0);
    progress->mem_normal_pages = json_get_uint(ram, "normal", 0);
    progress->mem_normal_bytes = json_get_uint(ram, "normal-bytes", 0);
    progress->mem_dirty_rate_pages = json_get_uint(ram, "dirty-pages-rate", 0);
    progress->mem_postcopy_requests = json_get_uint(ram, "postcopy-requests", 0);
    progress->iteration = json_get_uint(ram, "dirty-sync-count", 0);
    progress->page_size = json_get_uint(ram, "page-size", 0);
    const Json *mbps = json_object_get(ram, "mbps");
    if (json_is_number(mbps) && json_number_value(mbps) > 0)
        progress->mem_bytes_per_s = (uint64_t)(json_number_value(mbps) * 1000 * 1000 / 8);
}

/* One look at the transfer. *ret_moved: bytes so far, for noticing that nothing moves. */
static bool transfer_poll(Vm *vm, Job *job, const StateCopy *copy, uint64_t *ret_moved, bool *ret_done,
                          Error **err)
{
    AUTO_JSON info = NULL;
    JobProgress progress = { .operation = copy->operation };

    if (!vm_qmp(vm, copy->dump_format ? "query-dump" : "query-migrate", NULL, 0, &info, err))
        return false;
    const char *status = json_get_str(info, "status");
    if (copy->dump_format) {
        progress.type = 2;
        progress.mem_total = progress.data_total = json_get_uint(info, "total", 0);
        progress.mem_processed = progress.data_processed = json_get_uint(info, "completed", 0);
        progress.mem_remaining = progress.data_remaining = progress.mem_total - progress.mem_processed;
    } else {
        progress_read(&progress, info);
    }
    *ret_moved = progress.data_processed;
    *ret_done = status && strcmp(status, "completed") == 0;
    job_set_progress(job, &progress);
    if (status && (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)) {
        const char *why = json_get_str(info, "error-desc");
        return error_set(err, ERROR_OPERATION_FAILED, "QEMU could not write its state: %s",
                         why                              ? why
                         : vm->run && vm->run->dump_error ? vm->run->dump_error
                                                          : status);
    }
    return true;
}

/* kdump formats are written out of order: QEMU gets the file itself. */
static bool transfer_needs_file(const StateCopy *copy)
{
    return copy->dump_format && strcmp(copy->dump_format, "elf") != 0;
}

static bool transfer_is_over(const VmRun *run, const StateCopy *copy)
{
    return copy->dump_format ? run->dump_completed : run->migration_state >= 2;
}

static bool transfer_check(Vm *vm, Job *job, const StateCopy *copy, const Process *copier, Error **err)
{
    if (!vm->run || vm->run->exited)
        return error_set(err, ERROR_VM_GONE, "QEMU exited unexpectedly");
    if (job_is_aborted(job))
        return error_set(err, ERROR_CANCELLED, "%s job: canceled by client",
                         copy->operation == JOB_OPERATION_DUMP ? "dump" : "save");
    if (copier && process_has_exited(copier) && process_status(copier) != 0 &&
        !transfer_is_over(vm->run, copy)) {
        g_autofree char *how = process_describe_status(copier);
        return error_set(err, ERROR_OPERATION_FAILED, "the helper that writes '%s' ended: %s", copy->path,
                         how);
    }
    return true;
}

static bool transfer_wait(Vm *vm, Job *job, const StateCopy *copy, const Process *copier, Error **err)
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
        if (!transfer_check(vm, job, copy, copier, err) ||
            !transfer_poll(vm, job, copy, &now_moved, &done, err))
            return false;
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

static bool transfer_begin_migration(Vm *vm, Error **err)
{
    vm->run->migration_state = 0;
    return vm_qmp(vm, "migrate-set-capabilities",
                  json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "events", "state", 1), 0, NULL,
                  err) &&
           vm_qmp(vm, "migrate-set-parameters",
                  json_pack("{s:I}", "max-bandwidth", (json_int_t)UNLIMITED_BANDWIDTH), 0, NULL, err) &&
           vm_qmp(vm, "migrate", json_pack("{s:s}", "uri", "fd:lodge-state"), 0, NULL, err);
}

static bool transfer_begin_dump(Vm *vm, const StateCopy *copy, Error **err)
{
    vm->run->dump_completed = false;
    Json *args = json_pack("{s:b, s:s, s:b}", "paging", 0, "protocol", "fd:lodge-state", "detach", 1);
    if (strcmp(copy->dump_format, "elf") != 0)
        json_object_set_new(args, "format", json_string(copy->dump_format));
    return vm_qmp(vm, "dump-guest-memory", args, 0, NULL, err);
}

static bool transfer_begin(Vm *vm, const StateCopy *copy, int pipe_fd, Error **err)
{
    AUTO_JSON getfd = json_pack("{s:s}", "fdname", "lodge-state");

    if (!vm_require_monitor(vm, err))
        return false;
    vm->run->pause_reason = copy->pause_reason;
    if (!qmp_exec_fd(vm->run->qmp, "getfd", getfd, pipe_fd, 0, NULL, err) || !vm_require_monitor(vm, err))
        return false;
    return copy->dump_format ? transfer_begin_dump(vm, copy, err) : transfer_begin_migration(vm, err);
}

static bool transfer_finish(const Vm *vm, const StateCopy *copy, Process *copier, int fd, Job *job,
                            Error **err)
{
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;

    job_set_phase(job, "flushing the file");
    if (copier && !process_wait(copier, COPIER_PATIENCE_MS, err))
        return error_prefix(err, "writing the rest of '%s'", copy->path);
    if (copier && process_status(copier) != 0) {
        g_autofree char *how = process_describe_status(copier);
        return error_set(err, ERROR_OPERATION_FAILED, "the helper that writes '%s' failed: %s", copy->path,
                         how);
    }
    if (!save_image_sync(copy->path, fd, SYNC_TIMEOUT_MS, err))
        return false;
    return save_image_commit(copy->temp_path, copy->path, timeout_ms, err);
}

void vm_state_discard(Host *host, const char *temp_path)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (!save_image_discard(temp_path, (uint64_t)host->config->storage_timeout_s * 1000, &err))
        log_warning_error(err, "an unfinished file is left behind");
    fiber_shield_end();
}

static void transfer_undo(Vm *vm, const StateCopy *copy, Process *copier)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (copier && !process_has_exited(copier) && !process_kill(copier, SIGKILL, NULL))
        log_debug("the helper is gone already");
    if (vm->run && vm->run->qmp && !copy->dump_format && vm->run->migration_state < 2) {
        if (!vm_qmp(vm, "migrate_cancel", NULL, 5000, NULL, &err))
            log_warning_error(err, "cannot cancel writing the state of a machine");
        const uint64_t deadline_ms = loop_now_ms() + 5000;
        while (vm->run && !vm->run->exited && vm->run->migration_state < 2 && loop_now_ms() < deadline_ms) {
            if (!wait_queue_wait(&vm->run->changed, deadline_ms - loop_now_ms(), NULL))
                break;
        }
    }
    vm_state_discard(vm->host, copy->temp_path);
    fiber_shield_end();
}

static void transfer_publish(Vm *vm, Job *job)
{
    Params *params = job_progress_to_params(&((Vm *)job->object)->jobs.holder.progress);

    vm_publish_event(vm, &(Event){ .id = EVENT_JOB_COMPLETED, .params = params });
    params_free(params);
}

bool vm_state_to_file(Vm *vm, Job *job, const StateCopy *copy, int fd, Error **err)
{
    g_autoptr(Process) copier = NULL;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "cannot make a pipe");
    AUTO_FD read_end = ends[0];
    AUTO_FD write_end = ends[1];
    (void)fcntl(write_end, F_SETPIPE_SZ, PIPE_BYTES); /* only for speed */

    vm->run->temp_path = strcmp(copy->temp_path, copy->path) == 0 ? NULL : g_strdup(copy->temp_path);
    vm->run->temp_is_save = copy->pause_reason == PAUSED_SAVE;
    const bool direct = transfer_needs_file(copy);
    bool ok = vm_status_save(vm, err) && (direct || save_copier_start(copy->format, false, copy->bypass_cache,
                                                                      read_end, fd, &copier, err));
    fd_cleanup(&read_end);
    ok = ok && transfer_begin(vm, copy, direct ? fd : write_end, err);
    fd_cleanup(&write_end); /* QEMU's is the last one now: its close is the helper's end of file */
    ok = ok && transfer_wait(vm, job, copy, copier, err) && transfer_finish(vm, copy, copier, fd, job, err);
    if (!ok)
        transfer_undo(vm, copy, copier);
    if (vm->run) {
        /* A save that succeeded ends in the machine's end: should the daemon die on the way there, the next
         * one must know what this pause was for. */
        if (!ok || copy->pause_reason != PAUSED_SAVE)
            g_clear_pointer(&vm->run->temp_path, g_free);
        vm->run->pause_reason = PAUSED_UNKNOWN;
    }
    if (ok && !copy->dump_format)
        transfer_publish(vm, job);
    return ok;
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

static bool dump_into(Vm *vm, Job *job, const char *path, const char *dump_format, unsigned flags,
                      Error **err)
{
    g_autofree char *temp = NULL;
    StateCopy copy = { .path = path,
                       .bypass_cache = flags & DUMP_BYPASS_CACHE,
                       .pause_reason = PAUSED_DUMP,
                       .operation = JOB_OPERATION_DUMP,
                       .dump_format = dump_format };
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    AUTO_FD fd = -1;

    if (!dump_format && !save_format_from_name(vm->host->config->dump_image_format, &copy.format, err))
        return false;
    if (!save_image_create(path, NULL, false, copy.format, timeout_ms, &fd, &temp, err))
        return false;
    copy.temp_path = temp;
    if (!vm_require_monitor(vm, err) || (vm->state == VM_STATE_RUNNING && !(flags & DUMP_LIVE) &&
                                         !vm_process_pause_cpus(vm, PAUSED_DUMP, err))) {
        vm_state_discard(vm->host, temp);
        return false;
    }
    return vm_state_to_file(vm, job, &copy, fd, err);
}

/* Lets the machine go on, whatever became of the dump. */
static void dump_go_on(Vm *vm, bool was_running)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (was_running && vm->run && !vm->run->exited && !vm->run->destroying && vm->state != VM_STATE_RUNNING &&
        !vm_process_resume_cpus(vm, RUNNING_UNPAUSED, &err))
        log_error_error(err, "a machine cannot go on after a dump");
    vm_status_save_later(vm);
    fiber_shield_end();
}

static bool dump_locked(Vm *vm, Job *job, const char *path, unsigned format, unsigned flags, Error **err)
{
    const bool was_running = vm->state == VM_STATE_RUNNING;
    const char *dump_format = NULL;

    if (!dump_format_name(format, flags & DUMP_MEMORY_ONLY, &dump_format, err))
        return false;
    if (!dump_into(vm, job, path, dump_format, flags, err)) {
        dump_go_on(vm, was_running);
        return false;
    }
    if (flags & DUMP_CRASH) {
        vm_process_stop(vm, SHUTOFF_CRASHED, STOPPED_CRASHED);
        return true;
    }
    if ((flags & DUMP_RESET) && vm_require_monitor(vm, NULL) &&
        !vm_qmp(vm, "system_reset", NULL, 0, NULL, err)) {
        dump_go_on(vm, was_running);
        return false;
    }
    dump_go_on(vm, was_running || (flags & DUMP_RESET));
    return true;
}

bool vm_core_dump(Vm *vm, const char *path, unsigned format, unsigned flags, const Caller *caller,
                  Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, 31, "qemuDomainCoreDumpWithFormat", err))
        return false;
    if ((flags & DUMP_CRASH) && (flags & (DUMP_LIVE | DUMP_RESET)))
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

    if (!job_begin(&vm->object, JOB_DUMP, NULL, &job, &err) || !vm_require_monitor(vm, &err))
        return;
    const LifecycleAction action = vm->run->panicked ? vm->live->on_crash : LIFECYCLE_ACTION_PRESERVE;
    const unsigned flags = DUMP_MEMORY_ONLY | (config->auto_dump_bypass_cache ? DUMP_BYPASS_CACHE : 0);
    if (!dump_locked(vm, &job, path, 0, flags, &err))
        log_error_error(err, "cannot dump a crashed machine");
    if (action == LIFECYCLE_ACTION_COREDUMP_RESTART)
        vm_reboot_after_crash(vm);
    else if (action == LIFECYCLE_ACTION_COREDUMP_DESTROY)
        vm_process_stop(vm, SHUTOFF_CRASHED, STOPPED_CRASHED);
}
