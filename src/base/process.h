/* Child processes: started with exactly the descriptors, user and limits they are given, awaited by pidfd.
 *
 * Between fork and exec only async-signal-safe calls run. All descriptors but the passed ones are closed.
 * Exit is noticed by the loop; children are always reaped. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* A folder that a process sees with other content than the host's, in a mount name space of its own. */
typedef struct ProcessNode {
    const char *name; /* below the folder; its own folders come before it */
    mode_t mode;      /* S_IFDIR, S_IFCHR or S_IFBLK, and permissions */
    dev_t number;
    uid_t uid;
    gid_t gid;
} ProcessNode;
#define PROCESS_KEPT_MAX 16
typedef struct ProcessMask {
    const char *path;         /* absolute; one that is not there is not masked */
    const ProcessNode *nodes; /* all that is in it */
    size_t n_nodes;
    const char *const *kept; /* absolute paths of folders below it that stay as they are; ends with NULL */
} ProcessMask;

/* What a process is kept from, beyond what its user may not do. It gets no new rights by running programs. */
typedef struct ProcessConfine {
    const ProcessMask *masks; /* none: it sees the host's mounts */
    size_t n_masks;
    bool hide_processes;    /* of other users, where /proc can be mounted; with masks */
    bool drop_capabilities; /* all that raw_io does not keep, for ever */
    int landlock_fd;        /* a rule set of landlock(7); -1: none; borrowed */
    /* What the kernel's security module is told about the program (proc(5), attr/exec): "exec PROFILE" for
     * AppArmor; borrowed; NULL: nothing */
    const char *on_exec;
} ProcessConfine;

typedef struct ProcessSpec {
    const char *const *argv; /* argv[0] is the absolute path of the program; borrowed */
    const char *const *envp; /* NULL: an environment of PATH, LC_ALL=C and HOME only */
    const char *cwd;         /* NULL: "/" */
    int stdin_fd;            /* -1: /dev/null; borrowed */
    int stdout_fd;           /* -1: /dev/null */
    int stderr_fd;           /* -1: /dev/null */
    const int *fds;          /* kept open under the same numbers in the child; borrowed */
    size_t n_fds;
    bool set_user; /* change to uid, gid and the supplementary groups of that user */
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
    const ProcessConfine *confine; /* NULL: not at all; borrowed */
    bool raw_io;                   /* with set_user: keeps CAP_SYS_RAWIO, and nothing else of root's */
    bool new_session;       /* setsid(): survives us; nice, scheduling, affinity as if nobody had set ours */
    mode_t umask;           /* 0: 0022 */
    uint64_t max_files;     /* RLIMIT_NOFILE; 0: as ours */
    uint64_t max_processes; /* RLIMIT_NPROC; 0: as ours */
    uint64_t max_locked_bytes; /* RLIMIT_MEMLOCK; 0: as ours; UINT64_MAX: none */
    uint64_t max_core_bytes;   /* RLIMIT_CORE */
    bool set_core;
    /* Called when the child is there and has not run its program yet, which it does when this returns true:
     * to put it where it belongs. NULL: nothing to do. */
    AWAITS bool (*before_exec)(pid_t pid, void *arg, Error **err);
    void *before_exec_arg;
    pid_t *started_pid;   /* set before the program can do anything; NULL: not wanted */
    bool die_with_parent; /* PR_SET_PDEATHSIG, SIGKILL: for helpers, never for a machine's QEMU */
    /* Of process_run() alone. */
    uint64_t quiet_timeout_ms; /* 0: not watched */
    /* Called with what comes on its standard output, which is then not collected. NULL: none */
    void (*on_output)(void *arg, const char *data, size_t len);
    void *on_output_arg;
} ProcessSpec;
#define PROCESS_SPEC_INIT                                                                                    \
    {                                                                                                        \
        .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1                                                     \
    }

typedef struct Process Process;

/* Does not wait beyond the exec itself: an exec failure is reported here (ERROR_SYSTEM naming argv[0]). If
 * the caller is cancelled meanwhile, or the program's storage hangs, the child is killed. */
AWAITS MUST_CHECK bool process_start(const ProcessSpec *spec, Process **ret_process, Error **err);

/* Takes over a process that is not our child (a QEMU of an earlier daemon). @start_time is field 22 of
 * /proc/PID/stat; a process with another start time is a stranger. ERROR_VM_GONE if it does not exist. */
MUST_CHECK bool process_attach(pid_t pid, uint64_t start_time, Process **ret_process, Error **err);

pid_t process_pid(const Process *process);
uint64_t process_start_time(const Process *process); /* clock ticks since boot; 0 if unknown */
bool process_has_exited(const Process *process);
/* Exit status as from waitpid(); -1 while it runs and for attached processes, whose status nobody can read.
 */
int process_status(const Process *process);
/* "exit status 1", "killed by signal 9 (KILL)" */
char *process_describe_status(const Process *process);

/* Called once from the loop when the process has exited, or soon if it already has. NULL removes it. */
void process_on_exit(Process *process, void (*func)(Process *process, void *arg), void *arg);

AWAITS MUST_CHECK bool process_wait(Process *process, uint64_t timeout_ms, Error **err);
/* By pidfd: never hits a reused pid. A process that has ended already is no error. */
bool process_kill(Process *process, int signal, Error **err);
/* Does not kill. A running child goes on and is reaped when it exits. */
void process_free(Process *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Process, process_free)

/* Runs a helper program to its end and collects what it printed (each at most @max_output_bytes, 0: 1 MiB).
 * On deadline or cancellation it is killed. A non-zero exit is not an error here: see *ret_status (as
 * waitpid()). stdin_data (NULL: none) is fed to it. Output beyond the limit is dropped. It gets a session of
 * its own; when it is killed, so are its children.
 *
 * With spec->quiet_timeout_ms it is also killed (ERROR_TIMEOUT) when it has neither computed nor read nor
 * written anything for so long, as one that waits for dead storage; @timeout_ms may be FIBER_NO_DEADLINE
 * then.
 */
typedef struct ProcessOutput {
    int status;
    char *out; /* NUL-terminated, owned */
    size_t out_len;
    char *err;
    size_t err_len;
} ProcessOutput;
AWAITS MUST_CHECK bool process_run(const ProcessSpec *spec, const char *stdin_data, size_t stdin_len,
                                   size_t max_output_bytes, uint64_t timeout_ms, ProcessOutput *ret_output,
                                   Error **err);
void process_output_clear(ProcessOutput *output);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProcessOutput, process_output_clear)

/* For a daemon that is the first process of its pid namespace: also reaps what others left behind. Call once
 * after loop_init(), before the first worker thread: it blocks SIGCHLD. */
void process_reap_orphans_begin(void);

/* Start time (field 22 of /proc/PID/stat) or 0 if there is no such process. */
uint64_t process_lookup_start_time(pid_t pid);
