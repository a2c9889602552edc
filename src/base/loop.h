/* The one event loop of the process (sd-event), and what fibers use to wait on it.
 *
 * Loop thread only. Callbacks record what happened and wake a fiber; they never block. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/error.h"

/* Makes the loop of this process. Call once, before any fiber. */
MUST_CHECK bool loop_init(Error **err);

/* Borrowed; never NULL after loop_init(). */
sd_event *loop_event(void);

/* Runs until loop_quit(); returns its code. */
int loop_run(void);
void loop_quit(int code);

/* Runs until @done says true or @timeout_ms passed; for tests and for the CLI. Returns the last value of
 * @done. */
bool loop_run_until(bool (*done)(void *arg), void *arg, uint64_t timeout_ms);

/* CLOCK_MONOTONIC, milliseconds / microseconds. */
uint64_t loop_now_ms(void);
uint64_t loop_now_us(void);

/* Calls @func(@arg) from the loop, after the current callback and all ready fibers. Used to drop last
 * references. */
void loop_defer(void (*func)(void *arg), void *arg);

/* Cancels all fibers, those that they start while they leave too, and runs the loop until none is left.
 * false: some did not end within @timeout_ms, and what they use must not be freed. */
MUST_CHECK bool loop_drain(uint64_t timeout_ms);

/* Frees the loop at exit (so that leak checkers see an empty heap). Drains it first. */
void loop_shutdown(uint64_t timeout_ms);
