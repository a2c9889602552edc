/* The event loop of the process.
 *
 * Each turn dispatches at most one event source, and then runs the fibers that are ready and what was
 * deferred. So a fiber runs right after the event that woke it, and neither can starve the other: not sockets
 * that are always ready the fibers, nor fibers that yield for ever the sockets. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "loop"
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/fiber.h"
#include "base/fiber_private.h"
#include "base/log.h"
#include "base/loop_private.h"

typedef struct LoopDeferred {
    void (*func)(void *arg);
    void *arg;
} LoopDeferred;

static struct {
    sd_event *event;
    GQueue deferred; /* of LoopDeferred */
    GSList *shutdown_hooks;
    bool dispatch_wanted;
    bool running;
    bool quitting;
    int code;
} loop;

static void loop_run_deferred(void)
{
    /* What the calls defer in turn waits for the next round. */
    GQueue batch = loop.deferred;
    g_queue_init(&loop.deferred);
    for (LoopDeferred *item; (item = g_queue_pop_head(&batch));) {
        item->func(item->arg);
        g_free(item);
    }
}

static void loop_dispatch(void)
{
    if (!loop.dispatch_wanted)
        return;
    loop.dispatch_wanted = false;
    fiber_run_ready();
    loop_run_deferred();
}

bool loop_init(Error **err)
{
    g_assert(loop.event == NULL);
    int r = sd_event_new(&loop.event);
    if (r < 0)
        return error_set_errno(err, -r, "cannot make the event loop");
    loop.quitting = false;
    loop.code = 0;
    /* A peer that hangs up is an EPIPE of the call that writes to it, never the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    return true;
}

sd_event *loop_event(void)
{
    return loop.event;
}

bool loop_is_running(void)
{
    return loop.running;
}

void loop_request_dispatch(void)
{
    loop.dispatch_wanted = true;
}

void loop_on_shutdown(void (*func)(void))
{
    loop.shutdown_hooks = g_slist_prepend(loop.shutdown_hooks, (void *)func);
}

/* One turn of the event loop. false when it can't go on. */
static bool loop_turn(uint64_t timeout_us)
{
    if (sd_event_get_state(loop.event) == SD_EVENT_FINISHED)
        return false;
    int r = sd_event_run(loop.event, loop.dispatch_wanted ? 0 : timeout_us);
    if (r < 0 && r != -EINTR) {
        log_error("the event loop failed: %s", g_strerror(-r));
        return false;
    }
    loop_dispatch();
    return true;
}

int loop_run(void)
{
    g_assert(loop.event != NULL && !loop.running && fiber_current() == NULL);
    loop.running = true;
    while (!loop.quitting) {
        if (!loop_turn(UINT64_MAX)) {
            if (!loop.quitting)
                loop.code = 1;
            break;
        }
    }
    loop.running = false;
    loop.quitting = false; /* so that it can run again, for example to shut down */
    return loop.code;
}

void loop_quit(int code)
{
    loop.quitting = true;
    loop.code = code;
}

bool loop_run_until(bool (*done)(void *arg), void *arg, uint64_t timeout_ms)
{
    g_assert(loop.event != NULL && !loop.running && fiber_current() == NULL);
    uint64_t now = loop_now_us();
    uint64_t end = timeout_ms > (UINT64_MAX - now) / 1000 ? UINT64_MAX : now + timeout_ms * 1000;
    loop.running = true;
    bool finished;
    while (!(finished = done(arg)) && !loop.quitting) {
        now = loop_now_us();
        if (now >= end)
            break;
        if (!loop_turn(end == UINT64_MAX ? UINT64_MAX : end - now))
            break;
    }
    loop.running = false;
    return finished;
}

uint64_t loop_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t loop_now_ms(void)
{
    return loop_now_us() / 1000;
}

void loop_defer(void (*func)(void *arg), void *arg)
{
    LoopDeferred *item = g_new(LoopDeferred, 1);
    item->func = func;
    item->arg = arg;
    g_queue_push_tail(&loop.deferred, item);
    loop_request_dispatch();
}

/* Cancels in every turn: a fiber may start others while it leaves. */
static bool loop_is_drained(void *arg)
{
    loop.quitting = false; /* one that leaves may ask for the end that this is */
    if (fiber_count() > 0)
        fiber_cancel_all();
    return fiber_count() == 0 && g_queue_is_empty(&loop.deferred);
}

bool loop_drain(uint64_t timeout_ms)
{
    bool drained = loop_run_until(loop_is_drained, NULL, timeout_ms);
    if (!drained)
        log_warning("%u fibers did not end in time", fiber_count());
    return drained;
}

void loop_shutdown(uint64_t timeout_ms)
{
    if (!loop.event)
        return;
    (void)!loop_drain(timeout_ms); /* it has warned */
    loop_run_deferred();

    while (loop.shutdown_hooks) {
        void (*hook)(void) = (void (*)(void))loop.shutdown_hooks->data;
        loop.shutdown_hooks = g_slist_delete_link(loop.shutdown_hooks, loop.shutdown_hooks);
        hook();
    }
    fiber_shutdown();
    loop_run_deferred();
    loop.dispatch_wanted = false;
    loop.event = sd_event_unref(loop.event);
}
