/* A pool of threads for system calls that may block: fsync, stat on network storage, getaddrinfo.
 *
 * A job is a plain function from its data to its data; it sees no object of the core, logs nothing, owns its
 * copies. Jobs run in *lanes*. A lane may occupy only so many threads at once, and threads are added as lanes
 * need them, so that storage which hangs costs its own lane and nothing else. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct WorkerLane WorkerLane;

/* The lane for local state files (etc, var, run below the root): never behind network storage. */
WorkerLane *worker_lane_state(void);

/* The lane of the mount that holds @path, found by text from /proc/self/mountinfo without touching the path
 * itself (so it cannot hang). At most 4 threads each. Never NULL; borrowed, lives until exit. */
WorkerLane *worker_lane_for_path(const char *path);
/* Nothing there waits for a device: small files need no worker (tmpfs; by the text of the path, too). */
bool worker_path_is_memory(const char *path);

/* A lane for something that is no mount: "name resolution". Same rules. */
WorkerLane *worker_lane_named(const char *name);

/* Mount point of the lane ("/mnt/nfs"), for messages. */
const char *worker_lane_name(const WorkerLane *lane);
unsigned
worker_lane_stuck(const WorkerLane *lane); /* jobs whose caller gave up waiting but which still run */

/* Runs @func(@data) in a thread of @lane and waits.
 *
 * On true the caller owns @data again. On false (ERROR_TIMEOUT, ERROR_CANCELLED, ERROR_BUSY when the lane has
 * too many stuck jobs) the pool owns it and calls @data_free when the thread returns, however late: so @data
 * must hold copies, never pointers into the caller's world. A job that has not begun is taken back and does
 * not run. */
AWAITS MUST_CHECK bool worker_run(WorkerLane *lane, void (*func)(void *data), void *data,
                                  void (*data_free)(void *data), uint64_t timeout_ms, Error **err);

/* The same for a job that can fail. false: @func said why, or it did not run or end in time; @data is gone in
 * either case. */
AWAITS MUST_CHECK bool worker_call(WorkerLane *lane, bool (*func)(void *data, Error **err), void *data,
                                   void (*data_free)(void *data), uint64_t timeout_ms, Error **err);
/* In the lane of @path, which is named if it does not answer: "@doing '@path': ...". */
AWAITS MUST_CHECK bool worker_call_path(const char *path, const char *doing,
                                        bool (*func)(void *data, Error **err), void *data,
                                        void (*data_free)(void *data), uint64_t timeout_ms, Error **err);

/* Closes *fd (-1: nothing to do) in the lane of @path and waits a while: the last close of a file that was
 * removed frees all that was in it. */
AWAITS void worker_close(const char *path, int *fd);

/* Without a loop or outside a fiber (the CLI, unit tests, daemon start before the loop): worker_run() calls
 * @func directly. */

void worker_shutdown(void); /* joins idle threads at exit, abandons stuck ones */
