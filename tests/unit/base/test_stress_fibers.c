/* A thousand fibers at once: joins, deadlines, cancellation, wait queues and descriptors all mixed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define FIBERS 1000

typedef struct Stress {
    WaitQueue queue;
    unsigned tokens; /* what waiters in the queue wait for */
    unsigned produced, consumed;
    unsigned ended, cancelled, timed_out;
    int echo[2];
    bool echo_taken;
} Stress;

static unsigned stress_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

typedef struct Worker {
    Stress *stress;
    unsigned seed;
} Worker;

static bool stress_step(Worker *worker, Error **err)
{
    Stress *stress = worker->stress;
    switch (stress_random(&worker->seed) % 6) {
    case 0:
        fiber_yield();
        return true;
    case 1:
        return fiber_sleep(stress_random(&worker->seed) % 5, err);
    case 2:
        stress->tokens++;
        stress->produced++;
        wait_queue_wake_one(&stress->queue);
        return true;
    case 3:
        while (stress->tokens == 0) {
            if (!wait_queue_wait(&stress->queue, 1 + stress_random(&worker->seed) % 20, err))
                return false;
        }
        stress->tokens--;
        stress->consumed++;
        return true;
    case 4: {
        uint64_t scope = fiber_deadline_begin(stress_random(&worker->seed) % 10);
        bool ok = fiber_sleep(stress_random(&worker->seed) % 10, err);
        fiber_deadline_end(scope);
        return ok;
    }
    default:
        if (stress->echo_taken)
            return true;
        stress->echo_taken = true;
        bool ok = fiber_wait_fd(stress->echo[0], EPOLLIN, 2, NULL, err);
        stress->echo_taken = false;
        return ok;
    }
}

static void stress_fiber(void *arg)
{
    Worker *worker = arg;
    for (int i = 0; i < 50; i++) {
        Error *err = NULL;
        char canary[64];
        memset(canary, (int)(worker->seed & 0x7f), sizeof(canary));
        char expected = canary[0];
        if (!stress_step(worker, &err)) {
            ErrorCode code = error_code(err);
            error_free(err);
            check(code == ERROR_TIMEOUT || code == ERROR_CANCELLED);
            if (code == ERROR_CANCELLED) {
                worker->stress->cancelled++;
                break;
            }
            worker->stress->timed_out++;
        }
        for (size_t at = 0; at < sizeof(canary); at++)
            check(canary[at] == expected); /* nobody else wrote on our stack */
    }
    worker->stress->ended++;
}

TEST_FIBER(a_thousand_fibers_end_whatever_happens_to_them)
{
    static Worker workers[FIBERS];
    static Fiber *fibers[FIBERS];
    Stress stress = { .queue = WAIT_QUEUE_INIT };
    unsigned seed = 42;
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, stress.echo) == 0);
    for (unsigned i = 0; i < FIBERS; i++) {
        workers[i] = (Worker){ .stress = &stress, .seed = i * 7919 };
        fibers[i] = fiber_ref(fiber_spawn("stress", stress_fiber, &workers[i]));
    }
    check_eq(fiber_count(), FIBERS + 1);
    for (unsigned i = 0; i < FIBERS / 4; i++) {
        fiber_cancel(fibers[stress_random(&seed) % FIBERS]);
        if (i % 16 == 0)
            fiber_yield();
    }
    g_autoptr(Error) err = NULL;
    for (unsigned i = 0; i < FIBERS; i++) {
        check_ok(fiber_join(fibers[i], 30000, &err), err);
        fiber_unref(fibers[i]);
    }
    check_eq(stress.ended, FIBERS);
    check(stress.cancelled > 0 && stress.timed_out > 0 && stress.consumed > 0);
    check_eq(stress.produced - stress.consumed, stress.tokens);
    check(wait_queue_is_empty(&stress.queue));
    check_eq(fiber_count(), 1);
    (void)close(stress.echo[0]);
    (void)close(stress.echo[1]);
}

/* Each joins the one before it. */
typedef struct Link {
    Fiber *before;
    unsigned *order;
    unsigned index;
} Link;

static void chain_fiber(void *arg)
{
    Link *link = arg;
    g_autoptr(Error) err = NULL;
    if (link->before)
        check_ok(fiber_join(link->before, 30000, &err), err);
    check_eq((*link->order)++, link->index);
}

TEST_FIBER(a_chain_of_joins_ends_in_order)
{
    static Link links[FIBERS];
    static Fiber *fibers[FIBERS];
    g_autoptr(Error) err = NULL;
    unsigned order = 0;
    for (unsigned i = 0; i < FIBERS; i++) {
        links[i] = (Link){ .before = i > 0 ? fibers[i - 1] : NULL, .order = &order, .index = i };
        fibers[i] = fiber_ref(fiber_spawn("chain", chain_fiber, &links[i]));
    }
    check_ok(fiber_join(fibers[FIBERS - 1], 30000, &err), err);
    check_eq(order, FIBERS);
    for (unsigned i = 0; i < FIBERS; i++)
        fiber_unref(fibers[i]);
}

static void sleep_fiber(void *arg)
{
    uint64_t ms = *(uint64_t *)arg;
    uint64_t start = loop_now_us();
    g_autoptr(Error) err = NULL;
    check_ok(fiber_sleep(ms, &err), err);
    check(loop_now_us() - start >= ms * 1000);
}

TEST_FIBER(a_thousand_deadlines_pass_in_their_time)
{
    static uint64_t times[FIBERS];
    g_autoptr(Error) err = NULL;
    unsigned seed = 7;
    uint64_t start = loop_now_ms();
    for (unsigned i = 0; i < FIBERS; i++) {
        times[i] = stress_random(&seed) % 100;
        (void)fiber_spawn_or_abort("sleeper", sleep_fiber, &times[i]);
    }
    while (fiber_count() > 1)
        check_ok(fiber_sleep(1, &err), err);
    check(loop_now_ms() - start < 5000);
}
