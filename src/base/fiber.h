/* Fibers: stackful coroutines on the loop thread. A request is one fiber, so its code reads from top to
 * bottom.
 *
 * A fiber runs until it awaits; nothing pre-empts it. Stacks are 256 KiB of address space with a guard page,
 * pooled; no big arrays, no alloca, no recursion on input. ASan is told about each switch.
 *
 * Every await takes a deadline in milliseconds (or FIBER_NO_DEADLINE with a reason in a comment) and ends
 * early with ERROR_CANCELLED when the fiber is cancelled, unless shielded. An expired deadline is
 * ERROR_TIMEOUT.
 *
 * Outside of any fiber, and while no loop runs (the CLI, unit tests, the start of the daemon), fiber_sleep()
 * and fiber_wait_fd() wait with the whole thread, and so do the calls made of them: process_wait(),
 * process_run(), socket_connect_*(). In a callback of the loop they fail with ERROR_INTERNAL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define FIBER_NO_DEADLINE UINT64_MAX

typedef struct Fiber Fiber;

/* Starts @func(@arg) in a new fiber. It runs at once, up to its first await, when called from the loop (not
 * from a fiber); from within a fiber it is queued and runs when the current one awaits. @name is copied, for
 * the log. Returns a borrowed pointer, valid until the fiber ends; take a reference to keep it
 * (at once: that works even if the fiber has already ended).
 *
 * NULL: too many fibers live, or there is no memory for a stack. @func does not run then; tell who asked
 * (ERROR_BUSY), or do the work another way. */
MUST_CHECK Fiber *fiber_spawn(const char *name, void (*func)(void *arg), void *arg);

/* The same for programs with a handful of fibers, which can't do anything without them. Never NULL. */
Fiber *fiber_spawn_or_abort(const char *name, void (*func)(void *arg), void *arg);

/* Calls @func for each of the @count items of @item_size bytes at @items, several at a time in fibers of
 * their own, and returns when all have ended. Not cancelled, and without a deadline of its own: each item has
 * one. Needs no fiber but the current one if there is no room for more. */
AWAITS void fiber_run_all(const char *name, void (*func)(void *item), void *items, size_t count,
                          size_t item_size);

Fiber *fiber_ref(Fiber *fiber);
void fiber_unref(Fiber *fiber);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fiber, fiber_unref)

/* NULL when called outside any fiber. */
Fiber *fiber_current(void);
const char *fiber_name(const Fiber *fiber);
bool fiber_is_done(const Fiber *fiber);

/* Makes the current and all later awaits of @fiber fail with ERROR_CANCELLED (until it ends or shields
 * itself). */
void fiber_cancel(Fiber *fiber);
bool fiber_is_cancelled(const Fiber *fiber);

/* Waits until @fiber has ended. @fiber must be referenced by the caller. */
AWAITS MUST_CHECK bool fiber_join(Fiber *fiber, uint64_t timeout_ms, Error **err);

AWAITS MUST_CHECK bool fiber_sleep(uint64_t duration_ms, Error **err);

/* Lets other ready fibers and the loop run once. For long computations. */
AWAITS void fiber_yield(void);

/* Waits until @fd is ready for one of @events (EPOLLIN, EPOLLOUT); EPOLLHUP and EPOLLERR always count.
 * The same fd must not be waited on by two fibers at once. */
AWAITS MUST_CHECK bool fiber_wait_fd(int fd, uint32_t events, uint64_t timeout_ms, uint32_t *ret_events,
                                     Error **err);

/* Inside begin/end, cancellation is not delivered (deadlines still are). Nests. For undo and for finishing
 * writes. */
void fiber_shield_begin(void);
void fiber_shield_end(void);

/* A deadline over a whole scope: every await until fiber_deadline_end() ends at the latest @timeout_ms from
 * now. Nests; the earliest wins. Returns a token for the end call. */
uint64_t fiber_deadline_begin(uint64_t timeout_ms);
void fiber_deadline_end(uint64_t token);

/* A list of fibers that wait for a condition. The condition itself is the caller's: re-check it after each
 * wake-up. Whoever frees the memory around a queue that others can wait in clears it before. */
typedef struct WaitQueue {
    Fiber *first, *last; /* private */
} WaitQueue;
#define WAIT_QUEUE_INIT                                                                                      \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }

void wait_queue_init(WaitQueue *queue);

/* The queue is about to go: its waiters wake with ERROR_VM_GONE and do not touch it again. Nobody may wait in
 * it afterwards. */
void wait_queue_clear(WaitQueue *queue);

/* true: woken; false: deadline, cancelled, or ERROR_VM_GONE when the queue is there no more. Fibers are woken
 * in arrival order. */
AWAITS MUST_CHECK bool wait_queue_wait(WaitQueue *queue, uint64_t timeout_ms, Error **err);
void wait_queue_wake_one(WaitQueue *queue);
void wait_queue_wake_all(WaitQueue *queue);
bool wait_queue_is_empty(const WaitQueue *queue);

/* Number of live fibers; for tests and the memory report. */
unsigned fiber_count(void);
