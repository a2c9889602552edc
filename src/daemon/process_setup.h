/* Making a daemon out of a process: background, lock and pid files, limits, memory of the allocator. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

/* Before anything else: descriptors 0-2 are open, mode mask, limits, allocator. */
void process_setup_basics(void);

/* Forks; returns in the child only. The parent waits until the child calls process_setup_ready() or ends, and
 * exits with its code. */
MUST_CHECK bool process_setup_background(Error **err);
/* Tells the waiting parent, and detaches from the terminal. Does nothing without a parent that waits. */
void process_setup_ready(void);

/* Takes the daemon's lock file, which stays locked until the process ends, however it ends, and holds its
 * pid. Waits up to five seconds, with the whole process, for a daemon that is about to end. ERROR_BUSY:
 * another one has it. */
MUST_CHECK bool process_setup_lock(const char *path, Error **err);
MUST_CHECK bool process_setup_write_pid(const char *path, Error **err);
/* Removes both files; for a clean end. */
void process_setup_clear(void);
