/* Fibers: one stack per request, one thread for all.
 *
 * The loop's own stack is the scheduler: a fiber only ever switches to it, and it only ever switches to one
 * fiber at a time, so there is no chain of callers to keep. All deadlines live in one binary heap behind one
 * sd-event timer, which is moved only when an earlier deadline comes in: most awaits end long before theirs,
 * and then cost no system call.
 *
 * Invariants:
 *  1. A fiber is in the ready queue iff `queued`. It is there at most once.
 *  2. While a fiber waits, `wake` is WAKE_NONE. The first event to end the wait sets it and queues the fiber;
 *     later ones find it set and change nothing. So a wake-up is never lost to a later cancellation.
 *  3. A fiber is linked into a WaitQueue only while `wake` is WAKE_NONE: whoever ends the wait unlinks it. So
 *     wake_one() never spends itself on a fiber that has already timed out, and a queue that was cleared is
 *     not touched by those who waited in it.
 *
 * The links are our own code, so that the sanitizers see what is written where. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fiber.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/fiber_private.h"
#include "base/fiber_stack.h"
#include "base/log_private.h"
#include "base/loop.h"
#include "base/loop_private.h"

/* So many fibers run before the loop looks at its descriptors again. */
#define FIBER_BATCH 256
/* Each stack costs two of the 65,530 maps that the kernel grants a process. */
#define FIBER_MAX 8192
/* So many items of fiber_run_all() are under way at a time. */
#define FIBER_RUNNERS 32

typedef enum FiberWake { WAKE_NONE, WAKE_READY, WAKE_TIMEOUT, WAKE_CANCELLED, WAKE_GONE } FiberWake;

/* The lists that a fiber can be in, at most once in each. */
typedef enum FiberListKind { LIST_READY, LIST_WAITING, LIST_ALL, LIST_COUNT } FiberListKind;

typedef struct FiberLink {
    Fiber *next, *prev;
} FiberLink;

typedef struct FiberScope {
    uint64_t deadline_us;
    bool fresh; /* outer scopes do not count */
} FiberScope;

struct Fiber {
    char *name;
    void (*func)(void *arg);
    void *arg;
    unsigned refs;
    FiberStack *stack; /* NULL after the last switch */
    FiberContext context;

    bool done;
    bool queued;
    bool cancelled;
    bool waiting;
    FiberWake wake;
    unsigned shield_depth;
    uint64_t deadline_us; /* of the current wait */
    size_t heap_index;    /* 1-based; 0: in no heap */
    GArray *scopes;       /* of FiberScope, NULL until needed */
    WaitQueue *wait_queue;
    WaitQueue joiners;
    LogContext log_context;

    FiberLink links[LIST_COUNT];
};

static struct {
    Fiber *current;
    FiberContext loop_context;
    WaitQueue ready;
    WaitQueue yielded; /* as LIST_READY */
    WaitQueue all;
    unsigned count;
    GPtrArray *heap; /* of Fiber, [0] unused */
    sd_event_source *timer;
    uint64_t timer_us;   /* what the timer is set to; UINT64_MAX: off */
    Fiber *last_spawned; /* keeps the result of the last fiber_spawn() valid if it ended at once */
} fibers;

/* Worker threads run code that asks for the current fiber, and have none. */
static _Thread_local bool fiber_thread;

/* ---- lists ---- */

static void fiber_list_append(WaitQueue *list, Fiber *fiber, FiberListKind kind)
{
    FiberLink *link = &fiber->links[kind];

    *link = (FiberLink){ .prev = list->last };
    *(list->last ? &list->last->links[kind].next : &list->first) = fiber;
    list->last = fiber;
}

static void fiber_list_remove(WaitQueue *list, Fiber *fiber, FiberListKind kind)
{
    FiberLink *link = &fiber->links[kind];

    *(link->prev ? &link->prev->links[kind].next : &list->first) = link->next;
    *(link->next ? &link->next->links[kind].prev : &list->last) = link->prev;
    *link = (FiberLink){ 0 };
}

/* ---- the deadline heap ---- */

static Fiber *fiber_heap_at(size_t index)
{
    return g_ptr_array_index(fibers.heap, index);
}

static void fiber_heap_put(size_t index, Fiber *fiber)
{
    g_ptr_array_index(fibers.heap, index) = fiber;
    fiber->heap_index = index;
}

static void fiber_heap_up(size_t index, Fiber *fiber)
{
    for (; index > 1 && fiber_heap_at(index / 2)->deadline_us > fiber->deadline_us; index /= 2)
        fiber_heap_put(index, fiber_heap_at(index / 2));
    fiber_heap_put(index, fiber);
}

static void fiber_heap_down(size_t index, Fiber *fiber)
{
    size_t last = fibers.heap->len - 1;
    for (;;) {
        size_t child = index * 2;
        if (child > last)
            break;
        if (child < last && fiber_heap_at(child + 1)->deadline_us < fiber_heap_at(child)->deadline_us)
            child++;
        if (fiber_heap_at(child)->deadline_us >= fiber->deadline_us)
            break;
        fiber_heap_put(index, fiber_heap_at(child));
        index = child;
    }
    fiber_heap_put(index, fiber);
}

static int fiber_timer_fired(sd_event_source *source, uint64_t usec, void *arg);

/* Moves the timer forward if @deadline_us is earlier. It is never moved back: it then fires once for nothing.
 */
static void fiber_timer_arm(uint64_t deadline_us)
{
    if (deadline_us >= fibers.timer_us)
        return;
    int r;
    if (!fibers.timer) {
        /* The default accuracy of sd-event is 250 ms. */
        r = sd_event_add_time(loop_event(), &fibers.timer, CLOCK_MONOTONIC, deadline_us, 1000,
                              fiber_timer_fired, NULL);
        g_assert(r >= 0);
        (void)sd_event_source_set_description(fibers.timer, "fiber deadlines");
    } else {
        r = sd_event_source_set_time(fibers.timer, deadline_us);
        g_assert(r >= 0);
        r = sd_event_source_set_enabled(fibers.timer, SD_EVENT_ONESHOT);
        g_assert(r >= 0);
    }
    fibers.timer_us = deadline_us;
}

static void fiber_heap_insert(Fiber *fiber)
{
    if (!fibers.heap) {
        fibers.heap = g_ptr_array_new();
        g_ptr_array_add(fibers.heap, NULL);
        fibers.timer_us = UINT64_MAX;
    }
    g_ptr_array_add(fibers.heap, NULL);
    fiber_heap_up(fibers.heap->len - 1, fiber);
    fiber_timer_arm(fiber_heap_at(1)->deadline_us);
}

static void fiber_heap_remove(Fiber *fiber)
{
    size_t index = fiber->heap_index;
    if (index == 0)
        return;
    fiber->heap_index = 0;
    Fiber *last = fiber_heap_at(fibers.heap->len - 1);
    g_ptr_array_set_size(fibers.heap, (int)fibers.heap->len - 1);
    if (last == fiber)
        return;
    if (index > 1 && fiber_heap_at(index / 2)->deadline_us > last->deadline_us)
        fiber_heap_up(index, last);
    else
        fiber_heap_down(index, last);
}

/* ---- ready queue and the end of a wait ---- */

static void fiber_make_ready(Fiber *fiber)
{
    if (fiber->queued)
        return;
    fiber->queued = true;
    fiber_list_append(&fibers.ready, fiber, LIST_READY);
    loop_request_dispatch();
}

/* Invariants 2 and 3. */
static void fiber_end_wait(Fiber *fiber, FiberWake how)
{
    if (!fiber->waiting || fiber->wake != WAKE_NONE)
        return;
    fiber->wake = how;
    fiber_heap_remove(fiber);
    if (fiber->wait_queue) {
        fiber_list_remove(fiber->wait_queue, fiber, LIST_WAITING);
        fiber->wait_queue = NULL;
    }
    fiber_make_ready(fiber);
}

static int fiber_timer_fired(sd_event_source *source, uint64_t usec, void *arg)
{
    uint64_t now = loop_now_us();
    fibers.timer_us = UINT64_MAX;
    while (fibers.heap->len > 1 && fiber_heap_at(1)->deadline_us <= now)
        fiber_end_wait(fiber_heap_at(1), WAKE_TIMEOUT);
    if (fibers.heap->len > 1)
        fiber_timer_arm(fiber_heap_at(1)->deadline_us);
    return 0;
}

void fiber_wake(Fiber *fiber)
{
    fiber_end_wait(fiber, WAKE_READY);
}

/* ---- running ---- */

static void fiber_entry(void *arg)
{
    Fiber *fiber = arg;
    fiber_context_entered(&fiber->context, &fibers.loop_context);
    fiber->func(fiber->arg);
    fiber->done = true;
    fiber_context_leave(&fiber->context, &fibers.loop_context);
    g_assert_not_reached();
}

static void fiber_finish(Fiber *fiber)
{
    fiber_context_clear(&fiber->context);
    fiber_stack_free(g_steal_pointer(&fiber->stack));
    fiber_list_remove(&fibers.all, fiber, LIST_ALL);
    fibers.count--;
    wait_queue_wake_all(&fiber->joiners);
    g_clear_pointer(&fiber->scopes, g_array_unref);
    fiber_unref(fiber);
}

static void fiber_resume(Fiber *fiber)
{
    g_assert(fibers.current == NULL);
    fibers.current = fiber;
    log_context_use(&fiber->log_context);
    fiber_context_switch(&fibers.loop_context, &fiber->context);
    log_context_use(NULL);
    fibers.current = NULL;
    if (fiber->done)
        fiber_finish(fiber);
}

void fiber_run_ready(void)
{
    for (unsigned n = 0; n < FIBER_BATCH && fibers.ready.first; n++) {
        Fiber *fiber = fibers.ready.first;
        fiber_list_remove(&fibers.ready, fiber, LIST_READY);
        fiber->queued = false;
        fiber_resume(fiber);
    }
    /* Those that yielded come after the loop has had its turn. */
    for (Fiber *fiber; (fiber = fibers.yielded.first);) {
        fiber_list_remove(&fibers.yielded, fiber, LIST_READY);
        fiber_list_append(&fibers.ready, fiber, LIST_READY);
    }
    if (fibers.ready.first)
        loop_request_dispatch();
}

Fiber *fiber_spawn(const char *name, void (*func)(void *arg), void *arg)
{
    fiber_thread = true;
    FiberStack *stack = fibers.count < FIBER_MAX ? fiber_stack_new() : NULL;
    if (!stack)
        return NULL;
    Fiber *fiber = g_new0(Fiber, 1);
    fiber->name = g_strdup(name);
    fiber->func = func;
    fiber->arg = arg;
    fiber->refs = 1;
    fiber->stack = stack;
    fiber_context_make(&fiber->context, stack, fiber_entry, fiber);
    wait_queue_init(&fiber->joiners);
    fiber->log_context = *log_context();
    fiber_list_append(&fibers.all, fiber, LIST_ALL);
    fibers.count++;

    if (fibers.current) {
        fiber_make_ready(fiber);
        return fiber;
    }
    /* It may end at once; the caller may still take a reference then. */
    fiber_ref(fiber);
    if (fibers.last_spawned)
        fiber_unref(fibers.last_spawned);
    fibers.last_spawned = fiber;
    fiber_resume(fiber);
    return fiber;
}

Fiber *fiber_spawn_or_abort(const char *name, void (*func)(void *arg), void *arg)
{
    Fiber *fiber = fiber_spawn(name, func, arg);
    if (!fiber)
        g_error("no memory for the fiber '%s'", name);
    return fiber;
}

Fiber *fiber_ref(Fiber *fiber)
{
    fiber->refs++;
    return fiber;
}

void fiber_unref(Fiber *fiber)
{
    if (!fiber || --fiber->refs > 0)
        return;
    g_assert(fiber->done);
    wait_queue_clear(&fiber->joiners);
    g_free(fiber->name);
    g_free(fiber);
}

Fiber *fiber_current(void)
{
    return fiber_thread ? fibers.current : NULL;
}

const char *fiber_name(const Fiber *fiber)
{
    return fiber->name ? fiber->name : "";
}

bool fiber_is_done(const Fiber *fiber)
{
    return fiber->done;
}

unsigned fiber_count(void)
{
    return fibers.count;
}

/* ---- cancellation and deadlines ---- */

void fiber_cancel(Fiber *fiber)
{
    if (fiber->done)
        return;
    fiber->cancelled = true;
    if (fiber->shield_depth == 0)
        fiber_end_wait(fiber, WAKE_CANCELLED);
}

void fiber_cancel_all(void)
{
    /* Cancelling only queues fibers: none ends meanwhile. */
    for (Fiber *fiber = fibers.all.first; fiber; fiber = fiber->links[LIST_ALL].next)
        fiber_cancel(fiber);
}

bool fiber_is_cancelled(const Fiber *fiber)
{
    return fiber->cancelled;
}

void fiber_shield_begin(void)
{
    Fiber *fiber = fiber_current();
    if (fiber)
        fiber->shield_depth++;
}

void fiber_shield_end(void)
{
    Fiber *fiber = fiber_current();
    if (!fiber)
        return;
    g_assert(fiber->shield_depth > 0);
    fiber->shield_depth--;
}

static uint64_t fiber_deadline_after(uint64_t timeout_ms)
{
    uint64_t now = loop_now_us();
    return timeout_ms > (UINT64_MAX - now) / 1000 ? UINT64_MAX : now + timeout_ms * 1000;
}

static uint64_t fiber_scope_push(uint64_t timeout_ms, bool fresh)
{
    Fiber *fiber = fiber_current();
    if (!fiber)
        return 0;
    if (!fiber->scopes)
        fiber->scopes = g_array_new(false, false, sizeof(FiberScope));
    FiberScope scope = { .deadline_us = fiber_deadline_after(timeout_ms), .fresh = fresh };
    g_array_append_val(fiber->scopes, scope);
    return fiber->scopes->len;
}

uint64_t fiber_deadline_begin(uint64_t timeout_ms)
{
    return fiber_scope_push(timeout_ms, false);
}

uint64_t fiber_deadline_begin_fresh(uint64_t timeout_ms)
{
    return fiber_scope_push(timeout_ms, true);
}

void fiber_deadline_end(uint64_t token)
{
    Fiber *fiber = fiber_current();
    if (!fiber || token == 0)
        return;
    g_assert(fiber->scopes && token <= fiber->scopes->len);
    g_array_set_size(fiber->scopes, (guint)(token - 1));
}

/* The earliest deadline of the scopes that count. */
static uint64_t fiber_scope_deadline(const Fiber *fiber)
{
    uint64_t earliest = UINT64_MAX;
    for (guint i = fiber->scopes ? fiber->scopes->len : 0; i > 0; i--) {
        const FiberScope *scope = &g_array_index(fiber->scopes, FiberScope, i - 1);
        if (scope->deadline_us < earliest)
            earliest = scope->deadline_us;
        if (scope->fresh)
            break;
    }
    return earliest;
}

/* ---- awaits ---- */

static void fiber_switch_away(Fiber *fiber)
{
    fiber_context_switch(&fiber->context, &fibers.loop_context);
}

static bool fiber_set_cancelled(Error **err)
{
    return error_set(err, ERROR_CANCELLED, "the operation was cancelled");
}

/* false: cancelled, or a deadline that has already passed. */
static bool fiber_may_wait(const Fiber *fiber, uint64_t deadline_us, Error **err)
{
    if (fiber->cancelled && fiber->shield_depth == 0)
        return fiber_set_cancelled(err);
    if (deadline_us != UINT64_MAX && deadline_us <= loop_now_us())
        return error_set(err, ERROR_TIMEOUT, "the deadline passed");
    return true;
}

static FiberWake fiber_wait_until(Fiber *fiber, uint64_t deadline_us)
{
    fiber->wake = WAKE_NONE;
    fiber->waiting = true;
    fiber->deadline_us = deadline_us;
    if (deadline_us != UINT64_MAX)
        fiber_heap_insert(fiber);
    fiber_switch_away(fiber);
    fiber->waiting = false;
    return fiber->wake;
}

/* Waits in @queue (may be NULL); see fiber_suspend(). */
static bool fiber_suspend_in(WaitQueue *queue, uint64_t timeout_ms, Error **err)
{
    Fiber *fiber = fiber_current();
    if (!fiber)
        return error_set(err, ERROR_INTERNAL, "waiting outside of a fiber");
    uint64_t deadline = MIN(fiber_scope_deadline(fiber), fiber_deadline_after(timeout_ms));
    if (!fiber_may_wait(fiber, deadline, err))
        return false;
    if (queue) {
        fiber->wait_queue = queue;
        fiber_list_append(queue, fiber, LIST_WAITING);
    }
    switch (fiber_wait_until(fiber, deadline)) {
    case WAKE_READY:
        return true;
    case WAKE_TIMEOUT:
        return error_set(err, ERROR_TIMEOUT, "the deadline passed");
    case WAKE_GONE:
        return error_set(err, ERROR_VM_GONE, "what was waited for is gone");
    default:
        return fiber_set_cancelled(err);
    }
}

bool fiber_may_suspend(uint64_t timeout_ms, Error **err)
{
    Fiber *fiber = fiber_current();
    if (!fiber)
        return error_set(err, ERROR_INTERNAL, "waiting outside of a fiber");
    return fiber_may_wait(fiber, MIN(fiber_scope_deadline(fiber), fiber_deadline_after(timeout_ms)), err);
}

bool fiber_suspend(uint64_t timeout_ms, Error **err)
{
    return fiber_suspend_in(NULL, timeout_ms, err);
}

static void fiber_sleep_thread(uint64_t duration_ms)
{
    struct timespec rest = { .tv_sec = (time_t)(duration_ms / 1000),
                             .tv_nsec = (long)(duration_ms % 1000) * 1000000 };
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
        ;
}

bool fiber_sleep(uint64_t duration_ms, Error **err)
{
    Fiber *fiber = fiber_current();
    if (!fiber) {
        if (fiber_thread && loop_is_running())
            return error_set(err, ERROR_INTERNAL, "sleeping in the event loop");
        fiber_sleep_thread(duration_ms);
        return true;
    }
    uint64_t scope = fiber_scope_deadline(fiber);
    uint64_t end = fiber_deadline_after(duration_ms);
    if (!fiber_may_wait(fiber, scope, err))
        return false;
    if (fiber_wait_until(fiber, MIN(scope, end)) == WAKE_CANCELLED)
        return fiber_set_cancelled(err);
    if (scope < end)
        return error_set(err, ERROR_TIMEOUT, "the deadline passed");
    return true;
}

void fiber_yield(void)
{
    Fiber *fiber = fiber_current();
    if (!fiber)
        return;
    fiber->queued = true;
    fiber_list_append(&fibers.yielded, fiber, LIST_READY);
    loop_request_dispatch();
    fiber_switch_away(fiber);
}

bool fiber_join(Fiber *fiber, uint64_t timeout_ms, Error **err)
{
    g_assert(fiber != fiber_current());
    while (!fiber->done) {
        if (!wait_queue_wait(&fiber->joiners, timeout_ms, err))
            return error_prefix(err, "waiting for '%s'", fiber_name(fiber));
    }
    return true;
}

typedef struct FiberBatch {
    void (*func)(void *item);
    char *items;
    size_t count, size, next;
} FiberBatch;

static void fiber_batch_run(void *arg)
{
    FiberBatch *batch = arg;
    while (batch->next < batch->count)
        batch->func(batch->items + batch->size * batch->next++);
}

void fiber_run_all(const char *name, void (*func)(void *item), void *items, size_t count, size_t item_size)
{
    FiberBatch batch = { .func = func, .items = items, .count = count, .size = item_size };
    if (count <= 1 || !fiber_current()) {
        fiber_batch_run(&batch);
        return;
    }
    Fiber *runners[FIBER_RUNNERS], *fiber;
    size_t n = 0;
    fiber_shield_begin();
    while (n < MIN(count - 1, FIBER_RUNNERS) && (fiber = fiber_spawn(name, fiber_batch_run, &batch)))
        runners[n++] = fiber_ref(fiber);
    fiber_batch_run(&batch);
    /* Whatever deadline the caller has: the runners use its memory. */
    uint64_t token = fiber_deadline_begin_fresh(FIBER_NO_DEADLINE);
    for (size_t i = 0; i < n; i++) {
        bool ended = fiber_join(runners[i], FIBER_NO_DEADLINE, NULL);
        g_assert(ended);
        fiber_unref(runners[i]);
    }
    fiber_deadline_end(token);
    fiber_shield_end();
}

typedef struct FiberFdWait {
    Fiber *fiber;
    uint32_t events;
} FiberFdWait;

static int fiber_fd_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    FiberFdWait *wait = arg;
    wait->events |= events;
    fiber_wake(wait->fiber);
    return 0;
}

/* Outside of a fiber: waits with the whole thread. */
static bool fiber_poll_fd(int fd, uint32_t events, uint64_t timeout_ms, uint32_t *ret_events, Error **err)
{
    if (fiber_thread && loop_is_running())
        return error_set(err, ERROR_INTERNAL, "waiting for a descriptor in the event loop");
    uint64_t deadline = fiber_deadline_after(timeout_ms);
    /* EPOLLIN and its kin have the values of POLLIN and its kin. */
    struct pollfd poll_fd = { .fd = fd, .events = (short)events };
    for (;;) {
        uint64_t now = loop_now_us();
        uint64_t left_ms = now >= deadline ? 0 : (deadline - now + 999) / 1000;
        int r = poll(&poll_fd, 1, deadline == UINT64_MAX ? -1 : (int)MIN(left_ms, INT_MAX));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return error_set_errno(err, errno, "waiting for descriptor %d", fd);
        if (r > 0)
            break;
        if (left_ms == 0)
            return error_set(err, ERROR_TIMEOUT, "the deadline passed");
    }
    if (poll_fd.revents & POLLNVAL)
        return error_set_errno(err, EBADF, "waiting for descriptor %d", fd);
    if (ret_events)
        *ret_events = (uint32_t)(unsigned short)poll_fd.revents;
    return true;
}

bool fiber_wait_fd(int fd, uint32_t events, uint64_t timeout_ms, uint32_t *ret_events, Error **err)
{
    Fiber *fiber = fiber_current();
    if (!fiber || timeout_ms == 0) {
        if (fiber && fiber->cancelled && fiber->shield_depth == 0)
            return fiber_set_cancelled(err);
        if (fiber) {
            struct pollfd poll_fd = { .fd = fd, .events = (short)events };
            if (poll(&poll_fd, 1, 0) <= 0)
                return error_set(err, ERROR_TIMEOUT, "the deadline passed");
            if (ret_events)
                *ret_events = (uint32_t)(unsigned short)poll_fd.revents;
            return true;
        }
        return fiber_poll_fd(fd, events, timeout_ms, ret_events, err);
    }
    FiberFdWait wait = { .fiber = fiber };
    sd_event_source *source = NULL;
    int r = sd_event_add_io(loop_event(), &source, fd, events, fiber_fd_ready, &wait);
    if (r == -EPERM) { /* a regular file: always ready */
        if (ret_events)
            *ret_events = events & (EPOLLIN | EPOLLOUT);
        return true;
    }
    if (r < 0)
        return error_set_errno(err, -r, "waiting for descriptor %d", fd);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    bool ok = fiber_suspend(timeout_ms, err);
    sd_event_source_disable_unref(source);
    if (ok && ret_events)
        *ret_events = wait.events;
    return ok;
}

/* ---- wait queues ---- */

void wait_queue_init(WaitQueue *queue)
{
    *queue = (WaitQueue)WAIT_QUEUE_INIT;
}

void wait_queue_clear(WaitQueue *queue)
{
    while (queue->first)
        fiber_end_wait(queue->first, WAKE_GONE); /* unlinks it */
    g_assert(queue->last == NULL);
}

bool wait_queue_wait(WaitQueue *queue, uint64_t timeout_ms, Error **err)
{
    return fiber_suspend_in(queue, timeout_ms, err);
}

void wait_queue_wake_one(WaitQueue *queue)
{
    if (queue->first)
        fiber_end_wait(queue->first, WAKE_READY); /* unlinks it */
}

void wait_queue_wake_all(WaitQueue *queue)
{
    while (queue->first)
        wait_queue_wake_one(queue);
}

bool wait_queue_is_empty(const WaitQueue *queue)
{
    return queue->first == NULL;
}

void fiber_shutdown(void)
{
    fiber_unref(g_steal_pointer(&fibers.last_spawned));
    fibers.timer = sd_event_source_disable_unref(fibers.timer);
    fibers.timer_us = UINT64_MAX;
    /* Fibers that did not end keep their place in the heap; without a timer they never wake. */
    if (fibers.heap && fibers.heap->len <= 1)
        g_clear_pointer(&fibers.heap, g_ptr_array_unref);
    fiber_stack_free_pool();
}
