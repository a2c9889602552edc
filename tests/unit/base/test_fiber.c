/* Fibers: waiting, waking, deadlines, cancellation. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void set_flag(void *flag)
{
    *(bool *)flag = true;
}

TEST(a_fiber_spawned_from_the_loop_runs_at_once)
{
    g_autoptr(Error) err = NULL;
    check_ok(loop_init(&err), err);
    bool ran = false;
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("now", set_flag, &ran));
    check(ran);
    check(fiber_is_done(fiber));
    check_str(fiber_name(fiber), "now");
    check_eq(fiber_count(), 0);
    check(fiber_current() == NULL);
    loop_shutdown(100);
}

TEST_FIBER(a_fiber_spawned_from_a_fiber_runs_when_that_one_waits)
{
    g_autoptr(Error) err = NULL;
    bool ran = false;
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("later", set_flag, &ran));
    check(!ran);
    check_ok(fiber_join(fiber, 1000, &err), err);
    check(ran);
    check_ok(fiber_join(fiber, 1000, &err), err); /* again, at once */
}

TEST_FIBER(sleep_takes_its_time_and_not_much_more)
{
    g_autoptr(Error) err = NULL;
    uint64_t start = loop_now_us();
    check_ok(fiber_sleep(20, &err), err);
    uint64_t took = loop_now_us() - start;
    check(took >= 20000);
    check(took < 200000); /* sd-event's default accuracy would make it 250 ms */
    check_ok(fiber_sleep(0, &err), err);
}

static void sleep_long(void *arg)
{
    Error *err = NULL;
    if (fiber_sleep(60000, &err))
        *(ErrorCode *)arg = ERROR_NONE;
    else
        *(ErrorCode *)arg = error_code(err);
    error_free(err);
}

TEST_FIBER(cancelling_ends_the_wait_at_once)
{
    g_autoptr(Error) err = NULL;
    ErrorCode code = ERROR_INTERNAL;
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("sleeper", sleep_long, &code));
    fiber_yield();
    check(!fiber_is_done(fiber));
    fiber_cancel(fiber);
    check(fiber_is_cancelled(fiber));
    check_ok(fiber_join(fiber, 1000, &err), err);
    check_eq(code, ERROR_CANCELLED);
    fiber_cancel(fiber); /* done: nothing happens */
}

TEST_FIBER(a_fiber_cancelled_before_it_began_fails_at_its_first_wait)
{
    g_autoptr(Error) err = NULL;
    ErrorCode code = ERROR_INTERNAL;
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("sleeper", sleep_long, &code));
    fiber_cancel(fiber);
    check_ok(fiber_join(fiber, 1000, &err), err);
    check_eq(code, ERROR_CANCELLED);
}

static void shielded(void *arg)
{
    Error *err = NULL;
    int *steps = arg;
    fiber_shield_begin();
    fiber_shield_begin();
    if (fiber_sleep(20, NULL))
        ++*steps;
    fiber_shield_end();
    if (fiber_sleep(1, NULL))
        ++*steps;
    fiber_shield_end();
    if (!fiber_sleep(1, &err) && error_code(err) == ERROR_CANCELLED)
        ++*steps;
    error_free(err);
}

TEST_FIBER(a_shield_holds_cancellation_back_until_it_ends)
{
    g_autoptr(Error) err = NULL;
    int steps = 0;
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("shielded", shielded, &steps));
    fiber_yield();
    fiber_cancel(fiber);
    check_ok(fiber_join(fiber, 1000, &err), err);
    check_eq(steps, 3);
}

TEST_FIBER(join_ends_at_its_deadline)
{
    g_autoptr(Error) err = NULL;
    ErrorCode code;
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("sleeper", sleep_long, &code));
    check_fails(fiber_join(fiber, 10, &err), err, ERROR_TIMEOUT);
    check_fails(fiber_join(fiber, 0, &err), err, ERROR_TIMEOUT);
    fiber_cancel(fiber);
    check_ok(fiber_join(fiber, 1000, &err), err);
}

TEST_FIBER(the_earliest_deadline_of_all_scopes_wins)
{
    g_autoptr(Error) err = NULL;
    uint64_t start = loop_now_ms();
    uint64_t outer = fiber_deadline_begin(20);
    uint64_t inner = fiber_deadline_begin(60000);
    check_fails(fiber_sleep(30000, &err), err, ERROR_TIMEOUT);
    check_fails(fiber_sleep(1, &err), err, ERROR_TIMEOUT); /* it has passed for good */
    fiber_deadline_end(inner);
    check_fails(fiber_sleep(1, &err), err, ERROR_TIMEOUT);
    fiber_deadline_end(outer);
    check_ok(fiber_sleep(1, &err), err);
    check(loop_now_ms() - start < 5000);

    uint64_t wide = fiber_deadline_begin(FIBER_NO_DEADLINE);
    check_ok(fiber_sleep(1, &err), err);
    uint64_t narrow = fiber_deadline_begin(10);
    (void)narrow;
    check_fails(fiber_sleep(1000, &err), err, ERROR_TIMEOUT);
    fiber_deadline_end(wide); /* ends the scopes inside as well */
    check_ok(fiber_sleep(1, &err), err);
}

TEST_FIBER(wait_fd_sees_what_is_already_there_and_what_comes)
{
    g_autoptr(Error) err = NULL;
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    uint32_t events = 0;
    check_fails(fiber_wait_fd(ends[0], EPOLLIN, 10, &events, &err), err, ERROR_TIMEOUT);
    check_fails(fiber_wait_fd(ends[0], EPOLLIN, 0, &events, &err), err, ERROR_TIMEOUT);
    check_eq(events, 0);
    check_ok(fiber_wait_fd(ends[0], EPOLLOUT, 1000, &events, &err), err);
    check_eq(events, EPOLLOUT);
    check(write(ends[1], "x", 1) == 1);
    check_ok(fiber_wait_fd(ends[0], EPOLLIN, 1000, &events, &err), err);
    check_eq(events, EPOLLIN);
    check_ok(fiber_wait_fd(ends[0], EPOLLIN, 0, NULL, &err), err);
    check(close(ends[1]) == 0);
    check_ok(fiber_wait_fd(ends[0], EPOLLIN, 1000, &events, &err), err);
    check(events & EPOLLHUP);
    check(close(ends[0]) == 0);
    check_fails(fiber_wait_fd(ends[0], EPOLLIN, 1000, &events, &err), err, ERROR_SYSTEM);
}

TEST_FIBER(a_regular_file_is_always_ready)
{
    g_autoptr(Error) err = NULL;
    AUTO_FD fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    uint32_t events = 0;
    check_ok(fiber_wait_fd(fd, EPOLLIN, 1000, &events, &err), err);
    check_eq(events, EPOLLIN);
}

typedef struct Waiter {
    WaitQueue *queue;
    GString *trace;
    char name;
    uint64_t timeout_ms;
} Waiter;

static void wait_and_note(void *arg)
{
    Waiter *waiter = arg;
    Error *err = NULL;
    if (wait_queue_wait(waiter->queue, waiter->timeout_ms, &err))
        g_string_append_c(waiter->trace, waiter->name);
    else
        g_string_append_printf(waiter->trace, "%c!", waiter->name);
    error_free(err);
}

TEST_FIBER(waiters_are_woken_in_the_order_of_their_arrival)
{
    WaitQueue queue = WAIT_QUEUE_INIT;
    GString *trace = g_string_new(NULL);
    Waiter waiters[4];
    for (int i = 0; i < 4; i++) {
        waiters[i] = (Waiter){ &queue, trace, (char)('a' + i), 5000 };
        (void)fiber_spawn_or_abort("waiter", wait_and_note, &waiters[i]);
    }
    fiber_yield();
    wait_queue_wake_one(&queue);
    check_str(trace->str, ""); /* it has not run yet */
    fiber_yield();
    check_str(trace->str, "a");
    wait_queue_wake_one(&queue);
    wait_queue_wake_all(&queue);
    check(wait_queue_is_empty(&queue));
    fiber_yield();
    check_str(trace->str, "abcd");
    wait_queue_wake_one(&queue); /* nobody there */
    g_string_free(trace, true);
}

static void spin_until(uint64_t when_us)
{
    while (loop_now_us() < when_us)
        ;
}

TEST_FIBER(a_wake_up_is_not_spent_on_a_waiter_that_was_cancelled)
{
    WaitQueue queue = WAIT_QUEUE_INIT;
    GString *trace = g_string_new(NULL);
    Waiter a = { &queue, trace, 'a', 5000 }, b = { &queue, trace, 'b', 5000 };
    g_autoptr(Fiber) first = fiber_ref(fiber_spawn("a", wait_and_note, &a));
    (void)fiber_spawn_or_abort("b", wait_and_note, &b);
    fiber_yield();
    fiber_cancel(first);         /* ends the wait of a, which has not run since */
    wait_queue_wake_one(&queue); /* so this is for b */
    fiber_yield();
    check_str(trace->str, "a!b");
    g_string_free(trace, true);
}

TEST_FIBER(a_wake_up_before_a_cancellation_is_kept)
{
    WaitQueue queue = WAIT_QUEUE_INIT;
    GString *trace = g_string_new(NULL);
    Waiter a = { &queue, trace, 'a', 5000 };
    g_autoptr(Fiber) first = fiber_ref(fiber_spawn("a", wait_and_note, &a));
    fiber_yield();
    wait_queue_wake_one(&queue);
    fiber_cancel(first);
    fiber_yield();
    check_str(trace->str, "a");
    g_string_free(trace, true);
}

TEST_FIBER(waiters_time_out_by_their_own_deadlines)
{
    g_autoptr(Error) err = NULL;
    WaitQueue queue = WAIT_QUEUE_INIT;
    GString *trace = g_string_new(NULL);
    Waiter waiters[3] = { { &queue, trace, 'a', 60 },
                          { &queue, trace, 'b', 10 },
                          { &queue, trace, 'c', 30 } };
    for (int i = 0; i < 3; i++)
        (void)fiber_spawn_or_abort("waiter", wait_and_note, &waiters[i]);
    check_ok(fiber_sleep(150, &err), err);
    check_str(trace->str, "b!c!a!");
    check(wait_queue_is_empty(&queue));
    check_fails(wait_queue_wait(&queue, 0, &err), err, ERROR_TIMEOUT);
    spin_until(loop_now_us() + 2000);
    check_fails(wait_queue_wait(&queue, 5, &err), err, ERROR_TIMEOUT);
    g_string_free(trace, true);
}

TEST_FIBER(waiters_of_a_queue_that_goes_wake_and_do_not_touch_it)
{
    WaitQueue *queue = g_new0(WaitQueue, 1);
    GString *trace = g_string_new(NULL);
    Waiter waiters[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = (Waiter){ queue, trace, (char)('a' + i), 5000 };
        (void)fiber_spawn_or_abort("waiter", wait_and_note, &waiters[i]);
    }
    fiber_yield();
    wait_queue_clear(queue);
    check(wait_queue_is_empty(queue));
    g_free(queue); /* the sanitizer sees whoever still links in it */
    fiber_yield();
    check_str(trace->str, "a!b!c!");
    g_string_free(trace, true);
}

static void wait_for_code(void *arg)
{
    Waiter *waiter = arg;
    Error *err = NULL;
    if (!wait_queue_wait(waiter->queue, waiter->timeout_ms, &err))
        g_string_append_c(waiter->trace, error_code(err) == ERROR_VM_GONE ? 'g' : '?');
    error_free(err);
}

TEST_FIBER(a_queue_that_goes_is_told_as_such)
{
    WaitQueue queue = WAIT_QUEUE_INIT;
    GString *trace = g_string_new(NULL);
    Waiter waiter = { &queue, trace, 'a', 5000 };
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("waiter", wait_for_code, &waiter));
    fiber_yield();
    wait_queue_clear(&queue);
    fiber_cancel(fiber); /* too late: the first reason counts */
    fiber_yield();
    check_str(trace->str, "g");
    g_string_free(trace, true);
}

static void add_up(void *item)
{
    fiber_yield();
    *(int *)item += 1;
}

static void check_run_all(void)
{
    int items[100] = { 0 };
    fiber_run_all("item", add_up, items, 100, sizeof(int));
    for (int i = 0; i < 100; i++)
        check_eq(items[i], 1);
}

static void wait_here(void *queue)
{
    (void)!wait_queue_wait(queue, FIBER_NO_DEADLINE, NULL);
}

TEST_FIBER(a_fiber_too_many_is_refused_and_nothing_else_suffers)
{
    WaitQueue queue = WAIT_QUEUE_INIT;
    unsigned n = 0;
    while (n < 100000 && fiber_spawn("waiter", wait_here, &queue))
        n++;
    check(n > 1000 && n < 100000);
    check(fiber_spawn("one more", wait_here, &queue) == NULL);
    check_run_all();
    fiber_yield();
    wait_queue_wake_all(&queue);
    while (fiber_count() > 1)
        fiber_yield();
    g_autoptr(Fiber) fiber = fiber_spawn("again", wait_here, &queue);
    check(fiber_ref(fiber) != NULL);
    fiber_yield();
    wait_queue_clear(&queue);
    fiber_yield();
    check(fiber_is_done(fiber));
}

TEST_FIBER(all_items_are_run_whatever_deadline_has_passed)
{
    check_run_all();
    uint64_t token = fiber_deadline_begin(0);
    check_run_all();
    fiber_deadline_end(token);
    fiber_cancel(fiber_current());
    check_run_all();
}

static void count_to(void *arg)
{
    int *n = arg;
    for (int i = 0; i < 10; i++) {
        ++*n;
        fiber_yield();
    }
}

TEST_FIBER(yield_lets_others_run_and_the_loop_turn)
{
    g_autoptr(Error) err = NULL;
    int a = 0, b = 0;
    g_autoptr(Fiber) one = fiber_ref(fiber_spawn("a", count_to, &a));
    g_autoptr(Fiber) two = fiber_ref(fiber_spawn("b", count_to, &b));
    for (int i = 1; i <= 10; i++) {
        fiber_yield();
        check(abs(a - b) <= 1);
    }
    check_ok(fiber_join(one, 1000, &err), err);
    check_ok(fiber_join(two, 1000, &err), err);
    check_eq(a + b, 20);
}

static int io_counter(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    ++*(int *)arg;
    return 0;
}

TEST_FIBER(fibers_that_yield_for_ever_do_not_starve_descriptors)
{
    int ends[2], fired = 0;
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    check(write(ends[1], "x", 1) == 1);
    sd_event_source *source = NULL;
    check(sd_event_add_io(loop_event(), &source, ends[0], EPOLLIN, io_counter, &fired) >= 0);
    for (int i = 0; i < 100; i++)
        fiber_yield();
    check(fired >= 10);
    sd_event_source_disable_unref(source);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

TEST(waiting_outside_of_fibers_works_only_where_no_loop_turns)
{
    g_autoptr(Error) err = NULL;
    int ends[2];
    check(pipe(ends) == 0);
    uint32_t events = 0;
    check_fails(fiber_wait_fd(ends[0], EPOLLIN, 10, &events, &err), err, ERROR_TIMEOUT);
    check_ok(fiber_wait_fd(ends[1], EPOLLOUT, 10, &events, &err), err);
    check_eq(events, EPOLLOUT);
    check_ok(fiber_sleep(2, &err), err);
    WaitQueue queue = WAIT_QUEUE_INIT;
    check_fails(wait_queue_wait(&queue, 10, &err), err, ERROR_INTERNAL);
    fiber_yield();
    fiber_shield_begin();
    fiber_shield_end();
    fiber_deadline_end(fiber_deadline_begin(10));
    (void)close(ends[0]);
    (void)close(ends[1]);
    check_fails(fiber_wait_fd(ends[0], EPOLLIN, 10, &events, &err), err, ERROR_SYSTEM);
}
