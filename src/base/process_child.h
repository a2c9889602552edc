/* The child's way from fork to exec; for process.c alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/process.h"

/* What a child that did not get to exec tells its parent through the pipe. */
typedef struct ProcessFailure {
    const char *step; /* a string constant: same address in parent and child */
    int errnum;
} ProcessFailure;

/* Runs in the child, with all signals blocked. Goes on when a byte comes through @go_fd, if that is not -1;
 * ends if none can come any more. Writes a ProcessFailure to @failure_fd if exec does not
 * happen. Only async-signal-safe calls: other threads' locks are held for ever here. Does not return. */
void process_child_exec(const ProcessSpec *spec, const char *const *envp, pid_t parent, int failure_fd,
                        int go_fd);

/* Makes such a child without a copy of our memory. It has its program, or is gone after it has written to
 * @failure_fd, when this returns; one that takes longer than @timeout_ms is killed. Not for children that
 * are to die with the thread that made them, nor for those that wait for a go. */
AWAITS MUST_CHECK bool process_spawn(const ProcessSpec *spec, const char *const *envp, int failure_fd,
                                     uint64_t timeout_ms, pid_t *ret_pid, Error **err);
