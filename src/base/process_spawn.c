/* A child that shares our memory until it has its program.
 *
 * Copying the daemon's page tables, faults on what was shared and freeing the copy are a hundredth of the
 * time that a machine needs to start. The thread that makes such a child sleeps until that has its program or
 * is gone, so a worker does it; the fiber waits for it whatever happens, for the child looks at its memory.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/fiber_private.h"
#include "base/loop.h"
#include "base/process_child.h"
#include "base/worker.h"

#define STACK_BYTES ((size_t)64 << 10)

typedef struct ProcessSpawn {
    const ProcessSpec *spec;
    const char *const *envp;
    pid_t parent;
    int failure_fd;
    int errnum;
    pid_t pid; /* by the kernel, before the child runs; 0: none */
    uint8_t stack[STACK_BYTES] __attribute__((aligned(64)));
} ProcessSpawn;

static int process_spawn_child(void *data)
{
    const ProcessSpawn *spawn = data;

    process_child_exec(spawn->spec, spawn->envp, spawn->parent, spawn->failure_fd, -1);
    return 127;
}

static void process_spawn_run(void *data)
{
    ProcessSpawn *spawn = data;
    sigset_t all, before;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = clone(process_spawn_child, spawn->stack + STACK_BYTES,
                            CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, spawn, &spawn->pid);
    spawn->errnum = pid < 0 ? errno : 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int process_spawn_late(sd_event_source *source, uint64_t usec, void *data)
{
    const ProcessSpawn *spawn = data;

    if (spawn->pid > 0)
        (void)kill(spawn->pid, SIGKILL); /* nobody has reaped it yet */
    return 0;
}

bool process_spawn(const ProcessSpec *spec, const char *const *envp, int failure_fd, uint64_t timeout_ms,
                   pid_t *ret_pid, Error **err)
{
    ProcessSpawn *spawn = g_new(ProcessSpawn, 1); /* the stack needs no zeros */
    sd_event_source *timer = NULL;

    spawn->spec = spec;
    spawn->envp = envp;
    spawn->parent = getpid();
    spawn->failure_fd = failure_fd;
    spawn->errnum = 0;
    spawn->pid = 0;
    const int r = sd_event_add_time_relative(loop_event(), &timer, CLOCK_MONOTONIC, timeout_ms * 1000, 1000,
                                             process_spawn_late, spawn);
    if (r < 0) {
        g_free(spawn);
        return error_set_errno(err, -r, "starting '%s'", spec->argv[0]);
    }
    fiber_shield_begin();
    const uint64_t token = fiber_deadline_begin_fresh(FIBER_NO_DEADLINE);
    const bool ok = worker_run(worker_lane_for_path(spec->argv[0]), process_spawn_run, spawn, g_free,
                               FIBER_NO_DEADLINE, err);
    fiber_deadline_end(token);
    fiber_shield_end();
    (void)sd_event_source_disable_unref(timer);
    if (!ok)
        return false;
    *ret_pid = spawn->pid;
    const int errnum = spawn->errnum;
    g_free(spawn);
    return errnum == 0 || error_set_errno(err, errnum, "cannot make a process for '%s'", spec->argv[0]);
}
