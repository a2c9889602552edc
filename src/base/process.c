/* Child processes, and processes that are not our children but ours to watch.
 *
 * Each is held by a pidfd, so that neither a signal nor a wait can hit a stranger that got the same number. A
 * process stays in the table until it has been reaped, whatever its owner does with the Process. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "process"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/loop_private.h"
#include "base/process_child.h"

/* An exec reads the program from its storage; where that hangs, give up. */
#define PROCESS_EXEC_MS 10000

struct Process {
    unsigned refs; /* the owner, the table, waiting fibers, a deferred notification */
    pid_t pid;
    int pidfd;
    uint64_t start_time;
    sd_event_source *source;
    bool exited;
    int status;
    WaitQueue waiters;
    void (*on_exit)(Process *process, void *arg);
    void *on_exit_arg;
};

static struct {
    GHashTable *table; /* pid -> Process that has not been reaped */
    sd_event_source *orphans;
    unsigned n_spawning; /* children that are in no table yet: nobody may take them for orphans */
    bool orphans_wait;
    bool hooked;
} processes;

static Process *process_ref(Process *process)
{
    process->refs++;
    return process;
}

static void process_unref(void *arg)
{
    Process *process = arg;
    if (--process->refs > 0)
        return;
    wait_queue_clear(&process->waiters);
    sd_event_source_disable_unref(process->source);
    fd_cleanup(&process->pidfd);
    g_free(process);
}

/* ---- exit ---- */

static void process_notify(void *arg)
{
    Process *process = arg;
    void (*func)(Process *, void *) = g_steal_pointer(&process->on_exit);
    if (func)
        func(process, process->on_exit_arg);
    process_unref(process);
}

static int process_status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return (info->si_status & 0xff) << 8;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status;
    }
}

static Process *process_lookup(pid_t pid)
{
    return processes.table ? g_hash_table_lookup(processes.table, GINT_TO_POINTER(pid)) : NULL;
}

/* Reads and clears the exit status if there is one. */
static void process_collect(Process *process)
{
    if (process->exited)
        return;
    siginfo_t info = { 0 };
    int r;
    do
        r = waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG);
    while (r < 0 && errno == EINTR);
    if (r == 0 && info.si_pid == 0)
        return; /* it runs */
    if (r < 0) {
        /* Not our child: nobody tells its status, but the pidfd tells when it is gone. */
        struct pollfd gone = { .fd = process->pidfd, .events = POLLIN };
        if (poll(&gone, 1, 0) <= 0)
            return;
    }
    process->exited = true;
    process->status = r == 0 ? process_status_of(&info) : -1;
    process->source = sd_event_source_disable_unref(process->source);
    wait_queue_wake_all(&process->waiters);
    process_ref(process);
    if (process_lookup(process->pid) == process)
        g_hash_table_remove(processes.table, GINT_TO_POINTER(process->pid));
    process_notify(process); /* drops that reference */
}

static int process_pidfd_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    process_collect(arg);
    return 0;
}

static void process_detach_loop(void)
{
    processes.hooked = false;
    processes.orphans = sd_event_source_disable_unref(processes.orphans);
    g_clear_pointer(&processes.table, g_hash_table_unref);
}

static void process_source_off(void *arg)
{
    Process *process = arg;
    process->source = sd_event_source_disable_unref(process->source);
    process_unref(process);
}

/* Takes over @pidfd. */
static bool process_new(pid_t pid, int pidfd, Process **ret_process, Error **err)
{
    Process *stale = process_lookup(pid);
    if (stale)
        process_collect(stale);
    Process *process = g_new0(Process, 1);
    process->refs = 1;
    process->pid = pid;
    process->pidfd = pidfd;
    process->status = -1;
    wait_queue_init(&process->waiters);
    if (loop_event()) {
        int r = sd_event_add_io(loop_event(), &process->source, pidfd, EPOLLIN, process_pidfd_ready, process);
        if (r < 0) {
            process_unref(process);
            return error_set_errno(err, -r, "cannot watch process %ld", (long)pid);
        }
        if (!processes.hooked)
            loop_on_shutdown(process_detach_loop);
        processes.hooked = true;
    }
    if (!processes.table)
        processes.table = g_hash_table_new_full(NULL, NULL, NULL, process_source_off);
    g_hash_table_insert(processes.table, GINT_TO_POINTER(pid), process_ref(process));
    *ret_process = process;
    return true;
}

/* ---- start ---- */

static char **process_default_environment(void)
{
    const char *path = getenv("PATH"), *home = getenv("HOME");
    char **env = g_new0(char *, 4);
    env[0] = g_strdup_printf("PATH=%s",
                             path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    env[1] = g_strdup("LC_ALL=C");
    env[2] = g_strdup_printf("HOME=%s", home ? home : "/");
    return env;
}

static bool process_check_spec(const ProcessSpec *spec, Error **err)
{
    if (!spec->argv || !spec->argv[0] || spec->argv[0][0] != '/')
        return error_set(err, ERROR_INTERNAL, "a program must be named by its absolute path");
    for (size_t i = 0; i < spec->n_fds; i++) {
        if (spec->fds[i] < 3)
            return error_set(err, ERROR_INTERNAL, "descriptor %d cannot be passed", spec->fds[i]);
    }
    return true;
}

/* Forks with all signals blocked, so that none of our handlers runs in the child. */
static pid_t process_fork(const ProcessSpec *spec, const char *const *envp, int failure_fd, int go_fd)
{
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        process_child_exec(spec, envp, parent, failure_fd, go_fd);
    int saved = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

static int process_child_signalled(sd_event_source *source, const struct signalfd_siginfo *info, void *arg);

static void process_end_spawning(void)
{
    if (--processes.n_spawning > 0 || !processes.orphans_wait)
        return;
    processes.orphans_wait = false;
    (void)process_child_signalled(NULL, NULL, NULL);
}

/* What a worker can make: see process_spawn(). */
static bool process_may_spawn(const ProcessSpec *spec)
{
    return fiber_current() && loop_event() && !spec->die_with_parent && !spec->before_exec &&
           !spec->started_pid;
}

/* Waits until the child has either become its program (the pipe closes) or said why not. */
AWAITS static bool process_await_exec(int failure_fd, const char *program, Error **err)
{
    if (!fiber_wait_fd(failure_fd, EPOLLIN, PROCESS_EXEC_MS, NULL, err))
        return error_prefix(err, "starting '%s'", program);
    ProcessFailure failure;
    ssize_t n;
    do
        n = read(failure_fd, &failure, sizeof(failure));
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return true;
    if (n != (ssize_t)sizeof(failure))
        return error_set_errno(err, n < 0 ? errno : EIO, "starting '%s'", program);
    if (failure.step)
        return error_set_errno(err, failure.errnum, "cannot run '%s': %s", program, failure.step);
    return error_set_errno(err, failure.errnum, "cannot run '%s'", program);
}

AWAITS static bool process_let_go(const ProcessSpec *spec, pid_t pid, int go_fd, Error **err)
{
    if (!spec->before_exec(pid, spec->before_exec_arg, err))
        return false;
    if (write(go_fd, "", 1) != 1)
        return error_set_errno(err, errno, "starting '%s'", spec->argv[0]);
    return true;
}

bool process_start(const ProcessSpec *spec, Process **ret_process, Error **err)
{
    if (!process_check_spec(spec, err))
        return false;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "starting '%s'", spec->argv[0]);
    AUTO_FD read_end = ends[0];
    AUTO_FD write_end = ends[1];
    AUTO_FD go_read = -1;
    AUTO_FD go_write = -1;
    if (spec->before_exec) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            return error_set_errno(err, errno, "starting '%s'", spec->argv[0]);
        go_read = ends[0];
        go_write = ends[1];
    }
    g_auto(GStrv) own_env = spec->envp ? NULL : process_default_environment();
    const char *const *envp = spec->envp ? spec->envp : (const char *const *)own_env;

    pid_t pid = -1;
    const bool is_spawned = process_may_spawn(spec);
    if (is_spawned) {
        processes.n_spawning++;
        if (!process_spawn(spec, envp, write_end, PROCESS_EXEC_MS, &pid, err)) {
            process_end_spawning();
            return false;
        }
    } else {
        pid = process_fork(spec, envp, write_end, go_read);
        if (pid < 0)
            return error_set_errno(err, errno, "cannot make a process for '%s'", spec->argv[0]);
    }
    if (spec->started_pid)
        *spec->started_pid = pid;
    fd_cleanup(&write_end);
    AUTO_FD pidfd = pidfd_open(pid, 0); /* ours and not reaped: this pid is no other's */
    g_autoptr(Process) process = NULL;
    if (pidfd < 0)
        error_set_errno(err, errno, "cannot watch '%s'", spec->argv[0]);
    else if (process_new(pid, pidfd, &process, err))
        (void)fd_steal(&pidfd);
    else
        (void)fd_steal(&pidfd); /* closed by process_new() */
    if (!process) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0); /* it has hardly begun: dies at once */
    }
    if (is_spawned)
        process_end_spawning();
    if (!process)
        return false;
    process->start_time = process_lookup_start_time(pid);
    if ((spec->before_exec && !process_let_go(spec, pid, go_write, err)) ||
        !process_await_exec(read_end, spec->argv[0], err)) {
        (void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0); /* reaped when it is gone */
        return false;
    }
    *ret_process = g_steal_pointer(&process);
    return true;
}

bool process_attach(pid_t pid, uint64_t start_time, Process **ret_process, Error **err)
{
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0 && (pid <= 0 || errno == ESRCH || errno == EINVAL))
        return error_set(err, ERROR_VM_GONE, "process %ld does not exist", (long)pid);
    if (pidfd < 0)
        return error_set_errno(err, errno, "cannot watch process %ld", (long)pid);
    /* Looked up after the pidfd was opened, so both speak of the same process. */
    if (process_lookup_start_time(pid) != start_time || start_time == 0) {
        (void)close(pidfd);
        return error_set(err, ERROR_VM_GONE, "process %ld is not the one that was started", (long)pid);
    }
    Process *known = process_lookup(pid);
    if (known)
        process_collect(known); /* an earlier process of that number, gone unnoticed so far? */
    if (process_lookup(pid)) {
        (void)close(pidfd);
        return error_set(err, ERROR_INTERNAL, "process %ld is being watched already", (long)pid);
    }
    Process *process;
    if (!process_new(pid, pidfd, &process, err))
        return false;
    process->start_time = start_time;
    *ret_process = process;
    return true;
}

/* ---- questions ---- */

pid_t process_pid(const Process *process)
{
    return process->pid;
}

uint64_t process_start_time(const Process *process)
{
    return process->start_time;
}

bool process_has_exited(const Process *process)
{
    if (!process->exited && !process->source) /* no loop watches it: look now */
        process_collect((Process *)process);
    return process->exited;
}

int process_status(const Process *process)
{
    return process_has_exited(process) ? process->status : -1;
}

static char *process_describe(int status)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        return g_strdup_printf("killed by signal %d (%s)%s", WTERMSIG(status), name ? name : "?",
                               WCOREDUMP(status) ? ", core dumped" : "");
    }
    return g_strdup_printf("exit status %d", WEXITSTATUS(status));
}

char *process_describe_status(const Process *process)
{
    if (!process_has_exited(process))
        return g_strdup("still running");
    if (process->status < 0)
        return g_strdup("ended with an unknown status");
    return process_describe(process->status);
}

void process_on_exit(Process *process, void (*func)(Process *process, void *arg), void *arg)
{
    process->on_exit = func;
    process->on_exit_arg = arg;
    if (func && process->exited)
        loop_defer(process_notify, process_ref(process));
}

static bool process_wait_exit(Process *process, uint64_t timeout_ms, Error **err)
{
    if (!fiber_current()) {
        process_collect(process);
        if (process->exited)
            return true;
        if (!fiber_wait_fd(process->pidfd, EPOLLIN, timeout_ms, NULL, err))
            return false;
        process_collect(process);
        return true;
    }
    return process->exited || wait_queue_wait(&process->waiters, timeout_ms, err);
}

bool process_wait(Process *process, uint64_t timeout_ms, Error **err)
{
    process_ref(process);
    bool ok = process_wait_exit(process, timeout_ms, err) ||
              error_prefix(err, "waiting for process %ld", (long)process->pid);
    process_unref(process);
    return ok;
}

bool process_kill(Process *process, int signal, Error **err)
{
    /* Gone already, though the loop has not heard of it yet: what the caller wanted. */
    if (pidfd_send_signal(process->pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
        return error_set_errno(err, errno, "cannot send signal %d to process %ld", signal,
                               (long)process->pid);
    return true;
}

void process_free(Process *process)
{
    if (!process)
        return;
    process->on_exit = NULL;
    process_unref(process);
}

uint64_t process_lookup_start_time(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    g_autofree char *stat = file_read_kernel(path);
    /* The name in parentheses may hold anything, also blanks and parentheses. */
    const char *at = stat ? strrchr(stat, ')') : NULL;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? g_ascii_strtoull(at + 1, NULL, 10) : 0;
}

/* ---- the init process of a pid namespace ---- */

static int process_child_signalled(sd_event_source *source, const struct signalfd_siginfo *unused, void *arg)
{
    processes.orphans_wait = processes.n_spawning > 0;
    if (processes.orphans_wait)
        return 0;
    for (;;) {
        siginfo_t info = { 0 };
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return 0;
        Process *known = process_lookup(info.si_pid);
        if (known)
            process_collect(known);
        else if (waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG) < 0)
            return 0;
    }
}

void process_reap_orphans_begin(void)
{
    if (processes.orphans)
        return;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)pthread_sigmask(SIG_BLOCK, &child, NULL);
    int r = sd_event_add_signal(loop_event(), &processes.orphans, SIGCHLD, process_child_signalled, NULL);
    if (r < 0) {
        log_warning("orphaned processes will stay as zombies: %s", g_strerror(-r));
        return;
    }
    if (!processes.hooked)
        loop_on_shutdown(process_detach_loop);
    processes.hooked = true;
    process_child_signalled(NULL, NULL, NULL); /* those that ended before */
}
