/* The event loop. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <signal.h>

#define TEXT(literal) ((void *)(uintptr_t)(literal))

static GString *trace;

static void note(void *text)
{
    g_string_append(trace, text);
}

static void deferring(void *arg)
{
    loop_defer(note, TEXT("3"));
    note(TEXT("1"));
}

static void noting_fiber(void *text)
{
    fiber_yield();
    note(text);
}

TEST(deferred_calls_run_after_ready_fibers_and_in_order)
{
    g_autoptr(Error) err = NULL;
    trace = g_string_new(NULL);
    check_ok(loop_init(&err), err);
    (void)fiber_spawn_or_abort("f", noting_fiber, TEXT("f"));
    loop_defer(deferring, NULL);
    loop_defer(note, TEXT("2"));
    bool never = false;
    check(!loop_run_until(check_is_set, &never, 20));
    check_str(trace->str, "12f3");
    g_string_free(trace, true);
    loop_shutdown(100);
}

static void quitting(void *arg)
{
    loop_quit(7);
}

TEST(run_ends_with_the_code_of_quit_and_can_run_again)
{
    g_autoptr(Error) err = NULL;
    check_ok(loop_init(&err), err);
    for (int i = 0; i < 2; i++) {
        loop_defer(quitting, NULL);
        check_eq(loop_run(), 7);
    }
    loop_shutdown(100);
    check(loop_event() == NULL);
}

TEST(run_until_keeps_its_deadline)
{
    g_autoptr(Error) err = NULL;
    check_ok(loop_init(&err), err);
    bool never = false;
    uint64_t start = loop_now_ms();
    check(!loop_run_until(check_is_set, &never, 30));
    uint64_t took = loop_now_ms() - start;
    check(took >= 29 && took < 2000);
    loop_shutdown(100);
}

static void endless(void *arg)
{
    Error *err = NULL;
    while (fiber_sleep(1000, &err))
        ;
    *(ErrorCode *)arg = error_code(err);
    error_free(err);
}

TEST(shutdown_cancels_fibers_and_the_loop_can_be_made_again)
{
    for (int i = 0; i < 3; i++) {
        g_autoptr(Error) err = NULL;
        check_ok(loop_init(&err), err);
        ErrorCode code = ERROR_NONE;
        (void)fiber_spawn_or_abort("endless", endless, &code);
        check_eq(fiber_count(), 1);
        loop_shutdown(1000);
        check_eq(fiber_count(), 0);
        check_eq(code, ERROR_CANCELLED);
    }
}
