/* Following a path, in a worker: whatever it leads to may not answer. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "base/worker.h"

typedef struct PathLook {
    char *real; /* without links; NULL: it is not there */
    struct stat st;
    int error; /* why it is not */
} PathLook;
void path_look_clear(PathLook *look);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PathLook, path_look_clear)

/* Looks in @lane (NULL: that of the path). What is not there is an answer.
 * ERROR_TIMEOUT, ERROR_BUSY, ERROR_CANCELLED: its storage does not answer */
AWAITS MUST_CHECK bool path_look(WorkerLane *lane, const char *path, uint64_t timeout_ms, PathLook *ret_look,
                                 Error **err);
