/* The part of fibers that the other modules of base build their awaits on; nobody else includes this. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"

typedef struct Fiber Fiber;

/* Suspends the current fiber until fiber_wake(), its deadline or its cancellation; the last two set *err and
 * return false. Whoever wakes must do so exactly once per suspension, on the loop thread. */
AWAITS MUST_CHECK bool fiber_suspend(uint64_t timeout_ms, Error **err);

/* Whether fiber_suspend() would begin to wait: neither cancelled nor past a deadline. For awaits that have an
 * effect before they suspend. */
MUST_CHECK bool fiber_may_suspend(uint64_t timeout_ms, Error **err);

/* Loop thread only. Does nothing if @fiber's wait has already ended otherwise. */
void fiber_wake(Fiber *fiber);

/* What runs now ends at the latest @timeout_ms from now, and earlier, even expired, deadlines don't count
 * inside: undoing must be possible after a deadline has passed. Ended by fiber_deadline_end(). */
uint64_t fiber_deadline_begin_fresh(uint64_t timeout_ms);

/* Runs the fibers that are ready; called by the loop. */
void fiber_run_ready(void);

void fiber_cancel_all(void);

/* Frees the timer and the pooled stacks; called by loop_shutdown() when the fibers are gone. */
void fiber_shutdown(void);
