/* Long work in a thread, while the fiber shows how far it is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/process.h"
#include "cli/backup.h"
#include "cli/progress.h"

#define DRAW_MS 200
#define TOOL_MS 120000

typedef struct Run {
    BackupFunc *func;
    void *arg;
    WorkProgress progress;
    int done_fd; /* becomes readable at the end */
    bool ok;
    Error *err;
} Run;

char *backup_repo_path(const CliArgs *args)
{
    return g_canonicalize_filename(args_get(args, "repository"), NULL);
}

bool backup_open_repo(const CliArgs *args, RepoUse use, const char *doing, Repo **ret_repo, Error **err)
{
    g_autofree char *path = backup_repo_path(args);

    return repo_open(path, use, doing, ret_repo, err);
}

static void *run_thread(void *arg)
{
    Run *run = arg;
    const uint64_t one = 1;

    run->ok = run->func(run->arg, &run->progress, &run->err);
    (void)!write(run->done_fd, &one, sizeof(one));
    return NULL;
}

static int run_on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    Run *run = arg;

    __atomic_store_n(&run->progress.cancelled, 1, __ATOMIC_RELAXED);
    return 0;
}

static void run_await(Cli *cli, const char *label, Run *run)
{
    CliProgress shown;

    progress_begin(&shown, cli, label, 0, true);
    for (;;) {
        g_autoptr(Error) why = NULL;
        if (fiber_wait_fd(run->done_fd, EPOLLIN, DRAW_MS, NULL, &why))
            break;
        if (error_code(why) == ERROR_CANCELLED) { /* the thread has to end before we may */
            (void)run_on_signal(NULL, NULL, run);
            break;
        }
        shown.total = __atomic_load_n(&run->progress.total, __ATOMIC_RELAXED);
        progress_update(&shown, __atomic_load_n(&run->progress.done, __ATOMIC_RELAXED));
    }
    progress_end(&shown);
}

static void interrupts(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGTERM);
}

void backup_guard_begin(const Cli *cli, BackupGuard *guard)
{
    sigset_t set;

    guard->is_on = !cli->interactive;
    interrupts(&set);
    if (guard->is_on)
        sigprocmask(SIG_BLOCK, &set, &guard->before);
}

bool backup_guard_check(const BackupGuard *guard, Error **err)
{
    sigset_t pending;

    sigpending(&pending);
    return !guard->is_on || (!sigismember(&pending, SIGINT) && !sigismember(&pending, SIGTERM)) ||
           error_set(err, ERROR_CANCELLED, "interrupted");
}

void backup_guard_end(BackupGuard *guard)
{
    const struct timespec at_once = { 0 };
    sigset_t set;

    if (!guard->is_on)
        return;
    interrupts(&set);
    while (sigtimedwait(&set, NULL, &at_once) > 0)
        ;
    sigprocmask(SIG_SETMASK, &guard->before, NULL);
}

bool backup_run(Cli *cli, const char *label, BackupFunc *func, void *arg, Error **err)
{
    Run run = { .func = func, .arg = arg };
    sd_event_source *sources[2] = { NULL };
    sigset_t set, before;

    AUTO_FD done_fd = eventfd(0, EFD_CLOEXEC);
    if (done_fd < 0)
        return error_set_errno(err, errno, "cannot make an eventfd");
    run.done_fd = done_fd;
    interrupts(&set);
    sigprocmask(SIG_BLOCK, &set, &before);
    if (!cli->interactive) { /* in the shell Ctrl-C cancels this fiber */
        (void)sd_event_add_signal(loop_event(), &sources[0], SIGINT, run_on_signal, &run);
        (void)sd_event_add_signal(loop_event(), &sources[1], SIGTERM, run_on_signal, &run);
    }
    GThread *thread = g_thread_new("backup", run_thread, &run);
    run_await(cli, label, &run);
    (void)g_thread_join(thread);
    sd_event_source_unref(sources[0]);
    sd_event_source_unref(sources[1]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return run.ok || error_propagate(err, run.err);
}

bool backup_run_tool(const char *const *argv, char **ret_out, Error **err)
{
    g_autofree char *program = g_find_program_in_path(argv[0]);
    g_auto(ProcessOutput) output = { 0 };

    if (!program) {
        error_set(err, ERROR_NOT_SUPPORTED, "there is no %s", argv[0]);
        return error_hint(err, "install the package qemu-utils");
    }
    g_autofree const char **words = g_memdup2(argv, (g_strv_length((char **)argv) + 1) * sizeof(char *));
    words[0] = program;
    const ProcessSpec spec = { .argv = words, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
    if (!process_run(&spec, NULL, 0, 0, TOOL_MS, &output, err))
        return false;
    if (output.status != 0)
        return error_set(err, ERROR_OPERATION_FAILED, "%s", g_strstrip(output.err));
    if (ret_out)
        *ret_out = g_steal_pointer(&output.out);
    return true;
}
