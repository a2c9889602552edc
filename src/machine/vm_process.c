/* The QEMU process of a machine: connecting to its monitor, noticing its end, ending it, cleaning up after
 * it.
 *
 * Whoever holds the job cleans up. When QEMU exits by itself, the exit handler takes the job (as a destroy:
 * at the head of the queue, and waiters on the monitor are woken by its end) and then does the same as
 * destroy does, with another reason. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "process"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/socket.h"
#include "conf/xml_table.h"
#include "host/cgroup.h"
#include "machine/vm_backup.h"
#include "machine/vm_block_job.h"
#include "machine/vm_checkpoint.h"
#include "machine/vm_console_log.h"
#include "machine/vm_device_private.h"
#include "machine/vm_dump.h"
#include "machine/vm_helper.h"
#include "machine/vm_lease.h"
#include "machine/vm_log.h"
#include "machine/vm_migrate.h"
#include "machine/vm_moment.h"
#include "machine/vm_security.h"
#include "machine/vm_tune.h"

#define TERM_PATIENCE_MS 10000
#define KILL_PATIENCE_MS 30000
#define RECONNECT_PAUSE_MS 2000
#define RECONNECT_TIMEOUT_MS 20000
/* After a save or dump: how often QEMU is told to go on, and how long it may be silent to be told at once. */
#define GO_ON_PAUSE_MS 200
#define HOOK_PATIENCE_MS 5000
#define GO_ON_PATIENCE_MS 3000
#define FINALIZE_PAUSE_MS 2 /* in which QEMU may end what it does behind a migration's end */

/* A machine and the run that was meant: the run may be over when the fiber gets its turn. */
typedef struct RunRef {
    Vm *vm;
    uint64_t serial;
} RunRef;

static RunRef *run_ref_new(Vm *vm)
{
    RunRef *ref = g_new0(RunRef, 1);

    *ref = (RunRef){ .vm = vm_ref(vm), .serial = vm->run->serial };
    return ref;
}

static void run_ref_free(RunRef *ref)
{
    vm_unref(ref->vm);
    g_free(ref);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RunRef, run_ref_free)

static bool run_ref_is_current(const RunRef *ref)
{
    return ref->vm->run && ref->vm->run->serial == ref->serial;
}

/* "domain-1-web", cut so that socket paths below it stay short. Characters that would need quoting are left
 * out. */
char *vm_short_dir_name(int id, const char *name)
{
    GString *out = g_string_new(NULL);

    g_string_printf(out, "domain-%d-", id);
    const gsize start = out->len;
    for (const char *p = name; *p && out->len - start < 20; p++) {
        if ((unsigned char)*p >= ' ' && *p != '/')
            g_string_append_c(out, *p);
    }
    while (out->len > start && !g_utf8_validate(out->str, (gssize)out->len, NULL))
        g_string_truncate(out, out->len - 1);
    return g_string_free(out, FALSE);
}

/* ---- the end ---- */

static bool process_is_stopped(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = file_read_kernel(path);
    const char *after_name = text ? strrchr(text, ')') : NULL;

    return after_name && (after_name[1] == ' ') && (after_name[2] == 'T' || after_name[2] == 't');
}

/* The wait ends early, without an error, when somebody else has cleaned up. */
static bool process_wait_end(Vm *vm, uint64_t timeout_ms, Error **err)
{
    const uint64_t serial = vm->run->serial;
    const uint64_t deadline_ms = loop_now_ms() + timeout_ms;

    while (vm->run && vm->run->serial == serial && !vm->run->exited) {
        const uint64_t now_ms = loop_now_ms();
        if (now_ms >= deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "QEMU of domain '%s' is still there", vm->name);
        g_autoptr(Error) why = NULL;
        if (wait_queue_wait(&vm->run->changed, deadline_ms - now_ms, &why))
            continue;
        if (!vm->run || vm->run->serial != serial) /* both in one round of the loop: @run is no more */
            return true;
        return error_propagate(err, g_steal_pointer(&why));
    }
    return true;
}

/* A process that is gone already is as good as one that got the signal: its exit will be noticed. */
static bool process_signal(const VmRun *run, int number, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (process_kill(run->process, number, &why) || process_has_exited(run->process) ||
        error_errno(why) == ESRCH)
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

bool vm_process_kill(Vm *vm, bool graceful, Error **err)
{
    VmRun *run = vm->run;
    g_autoptr(Error) why = NULL;

    if (!run || !run->process || run->exited)
        return true;
    /* A stopped process would only see SIGTERM when continued. */
    if (graceful || !process_is_stopped(run->pid)) {
        if (!process_signal(run, SIGTERM, &why))
            return error_propagate(err, g_steal_pointer(&why));
        g_clear_pointer(&why, error_free);
        if (process_wait_end(vm, TERM_PATIENCE_MS, &why)) /* else @run is still there */
            return true;
        if (error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
        if (graceful)
            return error_set_errno(err, EBUSY, "Failed to terminate process %d with SIGTERM", (int)run->pid);
        g_clear_pointer(&why, error_free);
        log_warning("QEMU of machine '%s' ignores SIGTERM: killing it", vm->name);
    }
    if (!process_signal(run, SIGKILL, &why))
        return error_propagate(err, g_steal_pointer(&why));
    g_clear_pointer(&why, error_free);
    if (process_wait_end(vm, KILL_PATIENCE_MS, &why))
        return true;
    if (error_code(why) != ERROR_TIMEOUT)
        return error_propagate(err, g_steal_pointer(&why));
    error_set_errno(err, EBUSY, "Failed to terminate process %d with SIGKILL", (int)run->pid);
    return error_hint(err, "it hangs inside the kernel, probably on storage that does not answer");
}

bool vm_run_hook(Vm *vm, const char *operation, const char *suboperation, const char *xml, Error **err)
{
    const uint64_t begin_ms = loop_now_ms();
    VmRun *run = vm->run;

    /* Who destroys a machine whose script hangs does not wait for each of the others, too. */
    const uint64_t token =
        fiber_deadline_begin(run && run->hook_hangs ? HOOK_PATIENCE_MS : FIBER_NO_DEADLINE);
    const bool ok = hook_run(vm->host, "qemu", vm->name, operation, suboperation, "-", xml, NULL, err);
    fiber_deadline_end(token);
    if (!ok && run && run == vm->run)
        run->hook_hangs = run->hook_hangs || fiber_is_cancelled(fiber_current()) ||
                          loop_now_ms() - begin_ms >= HOOK_PATIENCE_MS;
    return ok;
}

static void vm_call_hook(Vm *vm, const char *operation)
{
    g_autoptr(Error) err = NULL;

    if (!hook_is_present(vm->host, "qemu") || !vm_def(vm))
        return;
    g_autofree char *xml = vm_xml_format(vm_def(vm), XML_FORMAT_SECURE);
    if (!vm_run_hook(vm, operation, "end", xml, &err))
        log_warning_error(err, "hook at the end of a machine");
}

static void vm_remove_dir(const char *path)
{
    g_autoptr(Error) err = NULL;

    if (path && !file_remove_tree(path, &err))
        log_warning_error(err, path);
}

/* Removes domain directory, sockets and taps, gives files back, releases ports. */
static void vm_process_cleanup(Vm *vm)
{
    VmRun *run = vm->run;
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;

    vm_consoles_close(run);
    vm_helpers_stop(vm);
    vm_tpm_release(vm);
    vm_security_unload(vm);
    vm_cgroup_remove(vm->host, vm->live, run);
    vm_release_interfaces(vm->host, vm->live);
    vm_release_hostdevs(vm->host, vm->live);
    vm_remove_huge_pages(vm->live, run->lib_dir);
    vm_remove_dir(run->lib_dir);
    vm_remove_dir(run->channel_dir);
    for (guint i = 0; i < run->ports->len; i++)
        port_pool_release(vm->host->ports, g_array_index(run->ports, unsigned, i));
    g_array_set_size(run->ports, 0);
    vm_call_hook(vm, "stopped");
    vm_lease_forget_all(vm);
    vm_migrate_keep_lent(vm);
    dac_restore(vm->host->dac, run->dac, timeout_ms);
    transient_remove(vm->live, timeout_ms);
    vm_call_hook(vm, "release");
    if (run->file.path)
        vm_state_discard(vm->host, &run->file);
}

/* What QEMU leaves in its log helps nobody without the word that it is over. */
static void vm_log_shutdown(const Vm *vm, int shutoff_reason)
{
    static const char *const reasons[] = { "unknown", "shutdown", "destroyed",     "crashed", "migrated",
                                           "saved",   "failed",   "from snapshot", "daemon" };
    g_autofree char *line = NULL;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");

    if (!vm->run->log)
        return;
    line = g_strdup_printf("%s.%03d+0000: shutting down, reason=%s\n", stamp,
                           g_date_time_get_microsecond(now) / 1000,
                           shutoff_reason >= 0 && (size_t)shutoff_reason < G_N_ELEMENTS(reasons)
                               ? reasons[shutoff_reason]
                               : "unknown");
    vm_log_end(vm->run->log, line);
}

/* On our own account: vm_on_qmp_close() is not called. */
static void vm_run_close_monitor(VmRun *run)
{
    qmp_close(g_steal_pointer(&run->qmp));
    wait_queue_wake_all(&run->changed); /* some wait for just that */
}

void vm_process_stop(Vm *vm, int shutoff_reason, int stopped_detail)
{
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);
    VmRun *run = vm->run;
    g_autofree char *ending = NULL;
    g_autoptr(Error) err = NULL;

    if (!run || run->stopping)
        return;
    run->stopping = true;
    fiber_shield_begin();
    vm_run_close_monitor(run);
    if (!vm_process_kill(vm, false, &err)) {
        /* Its files must not be given away while it may still write to them. */
        log_error_error(err, "a machine cannot be stopped");
        run->stopping = false;
        fiber_shield_end();
        return;
    }
    vm_log_shutdown(vm, shutoff_reason);
    vm_backup_abandon(vm);
    vm_process_cleanup(vm);
    vm_status_remove(vm);

    vm->run = NULL;
    const bool ended_by_oom = run->ended_by_oom;
    ending = g_steal_pointer(&run->ending);
    vm_run_free(run);
    g_clear_pointer(&vm->live, domain_def_free);
    object_set_id(&vm->object, -1);
    vm->config_is_new = false;
    vm_set_state(vm, VM_STATE_SHUTOFF, shutoff_reason);
    if (stopped_detail >= 0)
        vm_publish_event(vm, &(Event){ .id = EVENT_LIFECYCLE,
                                       .type = VIR_DOMAIN_EVENT_STOPPED,
                                       .detail = stopped_detail,
                                       .flags = ended_by_oom,
                                       .text1 = ending });
    if (!vm->config) {
        if (!moment_forget(vm, &err))
            log_error_error(err, "a machine that is no more");
        object_unregister(&vm->object);
    }
    fiber_shield_end();
}

static void vm_end_reason(const VmRun *run, int *ret_shutoff, int *ret_stopped)
{
    if (run->destroying) {
        *ret_shutoff = VIR_DOMAIN_SHUTOFF_DESTROYED;
        *ret_stopped = VIR_DOMAIN_EVENT_STOPPED_DESTROYED;
    } else if (run->panicked) {
        *ret_shutoff = VIR_DOMAIN_SHUTOFF_CRASHED;
        *ret_stopped = VIR_DOMAIN_EVENT_STOPPED_CRASHED;
    } else if (run->guest_shutdown) {
        *ret_shutoff = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
        *ret_stopped = VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN;
    } else {
        *ret_shutoff = VIR_DOMAIN_SHUTOFF_CRASHED;
        *ret_stopped = VIR_DOMAIN_EVENT_STOPPED_FAILED;
    }
}

static void vm_exit_fiber(void *arg)
{
    g_autoptr(RunRef) ref = arg;
    Vm *vm = ref->vm;
    int shutoff = VIR_DOMAIN_SHUTOFF_UNKNOWN;
    int stopped = VIR_DOMAIN_EVENT_STOPPED_FAILED;

    /* What QEMU said last may still be unread: the connection's end comes after it. */
    const uint64_t deadline_ms = loop_now_ms() + 1000;
    while (run_ref_is_current(ref) && vm->run->qmp && qmp_is_open(vm->run->qmp) &&
           loop_now_ms() < deadline_ms) {
        if (!wait_queue_wait(&vm->run->changed, deadline_ms - loop_now_ms(), NULL))
            break;
    }
    while (run_ref_is_current(ref)) {
        g_auto(Job) job = { 0 };
        g_autoptr(Error) err = NULL;
        if (!job_begin(&vm->object, JOB_DESTROY, NULL, &job, &err)) {
            log_warning_error(err, "cleaning up after a machine must wait");
            if (error_code(err) == ERROR_CANCELLED)
                return;
            continue;
        }
        if (!run_ref_is_current(ref))
            return;
        vm_end_reason(vm->run, &shutoff, &stopped);
        vm_process_stop(vm, shutoff, stopped);
        return;
    }
}

static uint64_t oom_kills_of(const char *text)
{
    const char *at = text ? strstr(text, "\noom_kill ") : NULL;

    return at ? g_ascii_strtoull(at + strlen("\noom_kill "), NULL, 10) : 0;
}

/* Processes that the kernel has ended for want of memory since we asked last. */
static uint64_t new_oom_kills(void)
{
    static uint64_t known;
    g_autofree char *text = file_read_kernel("/proc/vmstat");
    const uint64_t before = known;

    known = oom_kills_of(text);
    return known - before;
}

/* Was it one of them? Its control group knows; without one it is taken for one if the host counted any. */
static bool was_killed_for_memory(const VmRun *run, int status)
{
    g_autofree char *events = run->cgroup ? cgroup_read(run->cgroup, "memory.events") : NULL;
    const bool host_has_new = new_oom_kills() > 0;

    return events ? oom_kills_of(events) > 0
                  : host_has_new && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void vm_on_exit(Process *process, void *arg)
{
    Vm *vm = arg;
    VmRun *run = vm->run;

    if (!run || run->process != process || run->exited)
        return;
    g_free(run->ending);
    run->ending = process_describe_status(process);
    run->ended_by_oom = was_killed_for_memory(run, process_status(process));
    run->exited = true;
    log_info("QEMU of machine '%s' (pid %d) ended: %s%s", vm->name, (int)run->pid, run->ending,
             run->ended_by_oom ? ", for want of memory" : "");
    wait_queue_wake_all(&run->changed);
    /* A start that is under way and a stop that is, attend to it themselves. */
    if (!run->stopping && !run->is_starting)
        host_spawn(vm->host, "exit", vm_exit_fiber, run_ref_new(vm));
}

void vm_process_watch(Vm *vm)
{
    (void)new_oom_kills(); /* those before this machine */
    /* The machine owns the run, which takes this back before it goes: no reference is needed. */
    process_on_exit(vm->run->process, vm_on_exit, vm);
}

/* ---- the monitor ---- */

static void vm_on_qmp_event(const char *name, const Json *data, int64_t seconds, int64_t microseconds,
                            void *arg)
{
    Vm *vm = arg;
    VmRun *run = vm->run;

    if (!run)
        return;
    vm_event_handle(vm, name, data, seconds, microseconds);
    if (vm->run == run)
        wait_queue_wake_all(&run->changed);
}

static void vm_lost_monitor_fiber(void *arg)
{
    g_autoptr(RunRef) ref = arg;

    /* QEMU closes its monitor when it exits: give it the time to do so. */
    for (unsigned i = 0; i < 50 && run_ref_is_current(ref) && !ref->vm->run->exited; i++) {
        if (!wait_queue_wait(&ref->vm->run->changed, 100, NULL) && fiber_is_cancelled(fiber_current()))
            return;
    }
    if (!run_ref_is_current(ref) || ref->vm->run->exited || ref->vm->run->stopping)
        return;
    log_error("QEMU of machine '%s' closed its monitor but goes on: ending it", ref->vm->name);
    if (!process_kill(ref->vm->run->process, SIGKILL, NULL))
        log_error("cannot kill QEMU of machine '%s'", ref->vm->name);
}

static void vm_on_qmp_close(const Error *why, void *arg)
{
    Vm *vm = arg;
    VmRun *run = vm->run;

    if (!run)
        return;
    wait_queue_wake_all(&run->changed);
    if (run->exited || run->stopping || run->is_starting)
        return;
    log_debug("monitor of machine '%s' closed: %s", vm->name, error_message(why));
    if (error_code(why) != ERROR_VM_GONE)
        vm_publish(vm, EVENT_CONTROL_ERROR, 0, 0);
    host_spawn(vm->host, "monitor", vm_lost_monitor_fiber, run_ref_new(vm));
}

bool vm_process_connect(Vm *vm, MonitorWelcome *welcome, uint64_t timeout_ms, Error **err)
{
    const uint64_t serial = vm->run->serial;
    const QmpHandlers handlers = { .on_event = vm_on_qmp_event, .on_close = vm_on_qmp_close, .arg = vm };
    Qmp *qmp = NULL;
    int fd = -1;

    const uint64_t token = fiber_deadline_begin(timeout_ms);
    const bool ok = socket_connect_unix_trusted(vm->run->monitor_path, timeout_ms, &fd, err) &&
                    (welcome ? monitor_open(fd, vm->name, &handlers, welcome, timeout_ms, &qmp, err)
                             : qmp_open(fd, vm->name, &handlers, timeout_ms, &qmp, err));
    fiber_deadline_end(token);
    if (!ok)
        return false;
    if (!vm->run || vm->run->serial != serial || vm->run->exited) {
        qmp_close(qmp);
        return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' exited", vm->name);
    }
    vm->run->qmp = qmp;
    return true;
}

/* ---- running and paused ---- */

bool vm_process_resume_cpus(Vm *vm, int reason, Error **err)
{
    if (!vm_migrate_reclaim(vm, err))
        return false;
    vm->run->resume_reason = reason;
    const bool ok = monitor_cont(vm_monitor(vm), 0, err);
    if (vm->run)
        vm->run->resume_reason = 0;
    if (!ok)
        return false;
    vm->run->must_run = false;
    vm_mark_running(vm, reason);
    return true;
}

bool vm_process_pause_cpus(Vm *vm, int reason, Error **err)
{
    vm->run->pause_reason = reason;
    const bool ok = monitor_stop(vm_monitor(vm), 0, err);
    if (vm->run)
        vm->run->pause_reason = VIR_DOMAIN_PAUSED_UNKNOWN;
    if (!ok)
        return false;
    if (reason == VIR_DOMAIN_PAUSED_USER)
        vm->run->must_run = false;
    vm_mark_paused(vm, reason);
    return true;
}

/* ---- going on after a save or dump ---- */

static bool go_on_is_wanted(Vm *vm)
{
    VmRun *run = vm->run;

    if (!run || run->exited || run->stopping || run->destroying || !run->must_run)
        return false;
    /* Stands still for a reason of its own by now. */
    if (vm->state == VM_STATE_SHUTDOWN || vm->state == VM_STATE_CRASHED ||
        vm->state == VM_STATE_PMSUSPENDED ||
        (vm->state == VM_STATE_PAUSED && vm->reason == VIR_DOMAIN_PAUSED_IOERROR))
        run->must_run = false;
    return run->must_run;
}

static bool go_on_now(Vm *vm, Error **err)
{
    const int reason = vm->run->is_saving   ? VIR_DOMAIN_RUNNING_SAVE_CANCELED
                       : vm->run->migration ? VIR_DOMAIN_RUNNING_MIGRATION_CANCELED
                                            : VIR_DOMAIN_RUNNING_UNPAUSED;

    if (!vm->run->qmp)
        return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' cannot be reached", vm->name);
    /* Not even told to stop; 'cont' comes behind a 'stop' that was not answered, and undoes it. */
    if (vm->state == VM_STATE_RUNNING && qmp_pending_ms(vm->run->qmp) == 0) {
        vm->run->must_run = false;
        if (reason == VIR_DOMAIN_RUNNING_SAVE_CANCELED)
            vm_set_state(vm, VM_STATE_RUNNING, reason);
    } else if (!vm_process_resume_cpus(vm, reason, err)) {
        return false;
    }
    vm_status_save_later(vm);
    return true;
}

/* The state went out, and all images with it, while QEMU still clears away behind that: it takes them back
 * then. */
static bool is_unfinalized(const Error *err)
{
    return error_code(err) == ERROR_REFUSED && strstr(error_message(err), "not finalized");
}

AWAITS static bool go_on_when_finalized(Vm *vm, Error **err)
{
    g_autoptr(Error) why = NULL;

    while (!go_on_now(vm, &why)) {
        if (!is_unfinalized(why) || !fiber_sleep(FINALIZE_PAUSE_MS, NULL) || !go_on_is_wanted(vm))
            return error_propagate(err, g_steal_pointer(&why));
        g_clear_pointer(&why, error_free);
    }
    return true;
}

/* What QEMU was told and did not answer, it will do some time: only then it can be told to go on. */
static void go_on_fiber(void *arg)
{
    g_autoptr(RunRef) ref = arg;
    Vm *vm = ref->vm;

    while (run_ref_is_current(ref) && go_on_is_wanted(vm) && !vm->host->is_stopping) {
        g_auto(Job) job = { 0 };
        g_autoptr(Error) err = NULL;
        if (!fiber_sleep(GO_ON_PAUSE_MS, NULL))
            break;
        if (!run_ref_is_current(ref) || !vm->run->qmp || vm->run->unanswering ||
            qmp_pending_ms(vm->run->qmp) > 0)
            continue;
        if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, &err) || !run_ref_is_current(ref) ||
            !go_on_is_wanted(vm))
            continue;
        if (go_on_now(vm, &err))
            log_info("machine '%s' goes on", vm->name);
        else
            log_debug("machine '%s' does not go on yet: %s", vm->name, error_message(err));
    }
    if (run_ref_is_current(ref))
        vm->run->is_going_on = false;
}

void vm_go_on(Vm *vm)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (go_on_is_wanted(vm)) {
        const uint64_t silent_ms = vm->run->qmp ? qmp_pending_ms(vm->run->qmp) : 0;
        if (silent_ms > GO_ON_PATIENCE_MS)
            error_set(&err, ERROR_TIMEOUT, "QEMU has not answered for %u s", (unsigned)(silent_ms / 1000));
        const uint64_t token = fiber_deadline_begin(GO_ON_PATIENCE_MS);
        const bool ok = !err && go_on_when_finalized(vm, &err);
        fiber_deadline_end(token);
        if (!ok && go_on_is_wanted(vm) && !vm->run->is_going_on) {
            log_warning("machine '%s' goes on as soon as it can: %s", vm->name, error_message(err));
            vm->run->is_going_on = true;
            host_spawn(vm->host, "go on", go_on_fiber, run_ref_new(vm));
        }
    }
    fiber_shield_end();
}

/* ---- the QEMU of an earlier daemon ---- */

/* true if @pid runs @uuid: for what libvirtd has started, which carries no token. */
static bool process_is_machine(pid_t pid, const Uuid *uuid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    char text[UUID_STRING_LEN];
    gsize len = 0;
    g_autofree char *cmdline = NULL;

    uuid_format(uuid, text);
    if (!g_file_get_contents(path, &cmdline, &len, NULL))
        return false;
    for (const char *arg = cmdline; arg < cmdline + len; arg += strlen(arg) + 1) {
        const char *next = arg + strlen(arg) + 1;
        if (strcmp(arg, "-uuid") == 0 && next < cmdline + len)
            return strcmp(next, text) == 0;
    }
    return false;
}

/* The token decides: the pid in the file may be a stranger's. */
static bool reattach_process(Vm *vm, Error **err)
{
    VmRun *run = vm->run;
    pid_t pid = vm_token_find(vm->host, vm->name, run->pid);

    if (pid == 0 && process_is_machine(run->pid, &vm->uuid))
        pid = run->pid;
    if (pid == 0)
        return error_set(err, ERROR_VM_GONE, "there is no QEMU of it");
    if (pid != run->pid)
        log_warning("QEMU of machine '%s' is process %d, not %d as its status file says", vm->name, (int)pid,
                    (int)run->pid);
    if (!process_attach(pid, process_lookup_start_time(pid), &run->process, err))
        return false;
    run->pid_written = pid == run->pid;
    run->pid = pid;
    return true;
}

/* The daemon died after the image got its final name and before QEMU was ended: the save is done. */
static bool reattach_save_is_done(const Vm *vm)
{
    const VmRun *run = vm->run;

    return run->is_saving &&
           save_image_is_committed(&run->file, (uint64_t)vm->host->config->storage_timeout_s * 1000);
}

/* A save or dump (or the last step of a restore) that died with the daemon: QEMU is kept from stopping for it
 * later. libvirtd's files tell of it by the reason of the pause alone. */
static bool reattach_cancel_job(Vm *vm, Error **err)
{
    VmRun *run = vm->run;

    if (vm->state == VM_STATE_PAUSED &&
        (vm->reason == VIR_DOMAIN_PAUSED_SAVE || vm->reason == VIR_DOMAIN_PAUSED_DUMP))
        run->must_run = true;
    if (!run->must_run && !run->file.path)
        return true;
    log_warning("machine '%s' was being saved, dumped or restored when the daemon died: it is to go on",
                vm->name);
    if (!monitor_cancel_migration(vm_monitor(vm), 2000, err))
        return false;
    vm_state_discard(vm->host, &run->file);
    if (vm->run != run)
        return error_set(err, ERROR_VM_GONE, "QEMU exited");
    save_file_clear(&run->file);
    return true;
}

/* A managed save image of a machine that runs is one that has been restored: only its removal is missing.
 * Left there it would bring back old memory over newer disks. */
static void reattach_drop_restored_image(Vm *vm)
{
    g_autofree char *path = vm_save_path(vm->host, vm->name);
    g_autoptr(Error) err = NULL;

    if (!vm->has_managed_save)
        return;
    log_warning("machine '%s' runs: removing the image that it was restored from", vm->name);
    if (file_remove(path, &err))
        vm->has_managed_save = false;
    else
        log_error_error(err, path);
}

/* Asks QEMU what is true. */
static bool reattach_sync(Vm *vm, Error **err)
{
    MonitorStatus status = { 0 };
    uint64_t balloon_bytes = 0;
    int state = 0;
    int reason = 0;

    if (!vm_migrate_recover(vm, err) || !reattach_cancel_job(vm, err) ||
        !monitor_query_status(vm_monitor(vm), 5000, &status, err))
        return false;
    monitor_run_state_to_domain(status.run_state, &state, &reason);
    if (status.run_state != MONITOR_RUN_UNKNOWN && state != (int)vm->state)
        vm_set_state(vm, (VmState)state, reason);
    vm_go_on(vm);
    if (monitor_query_balloon(vm_monitor(vm), 5000, &balloon_bytes, NULL))
        vm->run->balloon_bytes = balloon_bytes;
    if (vm->live && !vm_tell_stats_period(vm, 5000, NULL))
        log_debug("machine '%s' keeps its period of memory statistics", vm->name);
    if (!vm->run)
        return error_set(err, ERROR_VM_GONE, "QEMU exited");
    vm->run->unanswering = false;
    vm_interface_look_at_filters(vm); /* QEMU tells once per question, and perhaps told the earlier daemon */
    vm_space_wait(vm, NULL);
    /* What the earlier daemon did not live to act upon; QEMU waits for us. */
    if (vm->state == VM_STATE_SHUTDOWN && !vm->run->destroying) {
        vm->run->guest_shutdown = true;
        vm_finish_shutdown(vm);
    } else if (vm->state == VM_STATE_CRASHED && !vm->run->destroying) {
        vm_event_handle_crash(vm);
    }
    return true;
}

/* It runs, whatever its CPU. */
static void reattach_query_cpu(Vm *vm)
{
    g_auto(MonitorWelcome) welcome = { .has_cpuid = vm_has_cpuid(vm) };

    if (monitor_welcome(vm_monitor(vm), &welcome, 0, NULL))
        (void)!vm_take_cpu(vm, &welcome, NULL);
}

/* What a change that died with the daemon has left half done is as the document says again. */
static void reattach_tune(Vm *vm)
{
    g_autoptr(Error) err = NULL;

    if (!vm_vcpus_refresh(vm, &err) || !vm_cgroup_apply(vm, vm->live, TUNE_ALL | TUNE_DEFAULTS, &err) ||
        !vm_threads_setup(vm, vm->live, &err))
        log_warning_error(err, "the limits of a machine that was taken over");
    g_clear_pointer(&err, error_free);
    if (vm->run && !vm->run->exited && !vm_perf_start(vm, &err))
        log_warning_error(err, "the performance events of a machine that was taken over");
}

static bool reattach_hook(Vm *vm, Error **err)
{
    if (!hook_is_present(vm->host, "qemu"))
        return true;
    g_autofree char *xml = vm_xml_format(vm->live, XML_FORMAT_SECURE);
    return vm_run_hook(vm, "reconnect", "begin", xml, err);
}

/* true: connected and in step. @job: not begun (@has_job false) or the caller's: what is compared with QEMU
 * must not change meanwhile, as it would under somebody who plugs a device in. */
static bool reattach_try(Vm *vm, uint64_t timeout_ms, bool has_job, Error **err)
{
    g_auto(Job) job = { 0 };
    const uint64_t serial = vm->run->serial;

    vm->run->reconnecting = fiber_current();
    const bool ok = vm_process_connect(vm, NULL, timeout_ms, err) && reattach_sync(vm, err);
    if (vm->run && vm->run->serial == serial) {
        vm->run->reconnecting = NULL;
        if (!ok)
            vm_run_close_monitor(vm->run);
    }
    if (!ok)
        return false;
    if (!has_job && !job_begin(&vm->object, JOB_MODIFY, NULL, &job, err)) {
        if (vm->run && vm->run->serial == serial)
            vm_run_close_monitor(vm->run);
        return false;
    }
    if (!vm->run || vm->run->serial != serial || !vm->run->qmp)
        return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' exited", vm->name);
    vm_status_save_later(vm);
    reattach_query_cpu(vm);
    if (vm->run && !vm->run->exited)
        reattach_tune(vm);
    if (vm->run && !vm->run->exited)
        vm_block_job_reconcile(vm);
    if (vm->run && !vm->run->exited)
        vm_reconcile(vm);
    if (vm->run && !vm->run->exited)
        vm_edit_recover(vm);
    if (vm->run && !vm->run->exited)
        vm_checkpoint_reconcile(vm);
    if (vm->run && !vm->run->exited)
        vm_backup_reconcile(vm);
    if (!vm->run || vm->run->exited)
        return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' exited", vm->name);
    return true;
}

/* For a QEMU that did not answer at once (stopped, or stuck on storage): keeps trying while it lives. */
static void reattach_background(void *arg)
{
    g_autoptr(RunRef) ref = arg;

    while (run_ref_is_current(ref) && !ref->vm->run->exited && !ref->vm->host->is_stopping) {
        g_autoptr(Error) err = NULL;
        g_autoptr(Error) why = NULL;
        if (reattach_try(ref->vm, RECONNECT_TIMEOUT_MS, false, &err)) {
            log_info("QEMU of machine '%s' answers again", ref->vm->name);
            return;
        }
        if (!wait_queue_wait(&ref->vm->host->hurry, RECONNECT_PAUSE_MS, &why) &&
            error_code(why) != ERROR_TIMEOUT)
            return;
    }
}

static void reattach_fill(Vm *vm, VmStatus *status)
{
    VmRun *run = g_steal_pointer(&status->run);

    vm_backup_adopt(run);
    vm->run = run;
    vm->live = g_steal_pointer(&status->live);
    vm->state = status->state;
    vm->reason = status->reason;
    object_set_id(&vm->object, vm->live->id);
    run->serial = host_next_serial(vm->host);
    run->pid_written = true;
    run->must_run_saved = run->must_run;
    run->has_dirty_rate = true;
    run->has_thresholds = true;
    run->autodestroy_client = 0;
    run->log = vm_log_reopen(vm->host, vm->live->name);
    run->balloon_bytes = vm->live->current_memory_bytes;
    dac_list_adopt(vm->host->dac, run->dac);
    for (guint i = 0; i < run->ports->len; i++)
        port_pool_mark(vm->host->ports, g_array_index(run->ports, unsigned, i));
    object_list_it(&vm->object);
}

void vm_process_reattach(Vm *vm, VmStatus *status)
{
    g_auto(Job) job = { 0 };
    g_autoptr(Error) err = NULL;

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, &err)) {
        log_error_error(err, "cannot take over a machine");
        return;
    }
    job_set_phase(&job, "reconnecting to QEMU");
    const bool client_is_gone = status->run->autodestroy_client != 0;
    reattach_fill(vm, status);
    vm_helpers_adopt(vm);
    if (!reattach_process(vm, &err)) {
        log_warning("machine '%s' stopped while the daemon was away: %s", vm->name, error_message(err));
        vm->run->exited = true;
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_CRASHED, VIR_DOMAIN_EVENT_STOPPED_FAILED);
        return;
    }
    vm_process_watch(vm);
    vm_console_logs_find(vm->run);
    vm_cgroup_find(vm);
    if (reattach_save_is_done(vm)) {
        log_warning("machine '%s' had been saved when the daemon died: ending it", vm->name);
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_SAVED, VIR_DOMAIN_EVENT_STOPPED_SAVED);
        return;
    }
    reattach_drop_restored_image(vm);
    if (client_is_gone) {
        /* The connection it was bound to did not outlive the daemon. */
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_DESTROYED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
        return;
    }
    vm->run->unanswering = true;
    if (!reattach_try(vm, 3000, true, &err)) {
        if (!vm->run || vm->run->exited)
            return;
        log_warning("QEMU of machine '%s' does not answer: %s", vm->name, error_message(err));
        host_spawn(vm->host, "reconnect", reattach_background, run_ref_new(vm));
        return;
    }
    g_clear_pointer(&err, error_free);
    if (!reattach_hook(vm, &err)) {
        log_error_error(err, "the reconnect hook refused a machine");
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_FAILED, VIR_DOMAIN_EVENT_STOPPED_FAILED);
    }
}

/* ---- starts that were cut off ---- */

static void reap_process(pid_t pid, uint64_t start_time)
{
    g_autoptr(Process) process = NULL;
    g_autoptr(Error) err = NULL;

    if (start_time == 0)
        start_time = process_lookup_start_time(pid);
    if (!process_attach(pid, start_time, &process, NULL))
        return;
    log_warning("killing QEMU %d, whose start was cut off", (int)pid);
    if (!process_kill(process, SIGKILL, &err) || !process_wait(process, KILL_PATIENCE_MS, &err))
        log_error_error(err, "cannot kill a QEMU whose start was cut off");
}

void vm_process_reap_intent(Host *host, VmStatus *status)
{
    VmRun *run = status->run;
    g_autofree char *path = vm_status_path(host, status->live->name);
    g_autofree char *pid_path = vm_pid_path(host, status->live->name);
    g_autofree char *log_pipe = vm_log_pipe_path(host, status->live->name);
    const uint64_t timeout_ms = (uint64_t)host->config->storage_timeout_s * 1000;
    g_autoptr(Error) err = NULL;

    if (run->pid > 0 && run->start_time)
        reap_process(run->pid, run->start_time);
    /* There can be one even when a pid was recorded for an earlier try. */
    const pid_t pid = vm_token_find(host, status->live->name, 0);
    if (pid > 0)
        reap_process(pid, 0);
    vm_helpers_reap(host, status->live->name);
    vm_cgroup_remove(host, status->live, run);
    vm_release_interfaces(host, status->live);
    vm_release_hostdevs(host, status->live);
    vm_remove_huge_pages(status->live, run->lib_dir);
    vm_remove_dir(run->lib_dir);
    vm_remove_dir(run->channel_dir);
    dac_list_adopt(host->dac, run->dac);
    dac_restore(host->dac, run->dac, timeout_ms);
    transient_remove(status->live, timeout_ms);
    if (!file_remove(log_pipe, &err) || !file_remove(pid_path, &err) || !file_remove(path, &err))
        log_error_error(err, path);
}
