/* Undo steps run last to first, even after cancellation and deadlines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/undo.h"

#define TEXT(literal) ((void *)(uintptr_t)(literal))

static GString *trace;

static void note(void *text)
{
    g_string_append(trace, text);
}

static void with_undo(bool keep)
{
    g_auto(Undo) undo = { 0 };
    undo_push(&undo, note, TEXT("a"));
    undo_push(&undo, note, TEXT("b"));
    undo_push(&undo, note, TEXT("c"));
    if (keep)
        undo_keep(&undo);
}

TEST(steps_run_backwards_unless_kept)
{
    trace = g_string_new(NULL);
    with_undo(true);
    check_str(trace->str, "");
    with_undo(false);
    check_str(trace->str, "cba");
    g_string_free(trace, true);
    Undo empty = { 0 };
    undo_keep(&empty);
    undo_clear(&empty);
}

static void slow_undo(void *arg)
{
    g_autoptr(Error) err = NULL;
    check_ok(fiber_sleep(5, &err), err);
    g_string_append(trace, arg);
}

static void failing_operation(void *arg)
{
    Error *err = NULL;
    g_auto(Undo) undo = { 0 };
    uint64_t scope = fiber_deadline_begin(5);
    undo_push(&undo, slow_undo, TEXT("undone"));
    bool slept = fiber_sleep(60000, &err);
    check(!slept);
    g_string_append_printf(trace, "%s ", error_code_name(error_code(err)));
    error_free(err);
    undo_clear(&undo);
    fiber_deadline_end(scope);
}

TEST_FIBER(steps_may_wait_though_the_deadline_has_passed)
{
    g_autoptr(Error) err = NULL;
    trace = g_string_new(NULL);
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("op", failing_operation, NULL));
    check_ok(fiber_join(fiber, 5000, &err), err);
    check_str(trace->str, "timeout undone");
    g_string_free(trace, true);
}

TEST_FIBER(steps_may_wait_though_the_fiber_was_cancelled)
{
    g_autoptr(Error) err = NULL;
    trace = g_string_new(NULL);
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("op", failing_operation, NULL));
    fiber_yield();
    fiber_cancel(fiber);
    check_ok(fiber_join(fiber, 5000, &err), err);
    check_str(trace->str, "cancelled undone");
    g_string_free(trace, true);
}
