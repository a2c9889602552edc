/* The small language of the unit tests, on top of cmocka.
 *
 *   #include "check.h"
 *
 *   TEST(size_parse_refuses_negative_sizes)      registers itself; main() is here
 *   {
 *       check_eq(size_parse("-1", 1, &got, &err), false);
 *   }
 *
 *   TEST_FIBER(sleep_ends_early_when_cancelled)  the body runs in a fiber of a fresh loop
 *   { ... }
 *
 * One test program per module; this header is included by its one .c file. Tests run in the order of the
 * file. A failed check ends its test; inside a fiber it ends the program, since no other stack may be
 * unwound. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fiber.h"
#include "base/loop.h"
#include "base/worker.h"

#define CHECK_MAX_TESTS 256
#ifndef CHECK_FIBER_MS
#define CHECK_FIBER_MS 60000
#endif

static struct CMUnitTest check_tests[CHECK_MAX_TESTS];
static size_t check_n_tests;
static char check_current_case[128];

static inline void check_register(const char *name, CMUnitTestFunction func)
{
    g_assert(check_n_tests < CHECK_MAX_TESTS);
    check_tests[check_n_tests++] = (struct CMUnitTest){ .name = name, .test_func = func };
}

#define TEST(name)                                                                                           \
    static void name(void **state);                                                                          \
    __attribute__((constructor)) static void check_register_##name(void)                                     \
    {                                                                                                        \
        check_register(#name, name);                                                                         \
    }                                                                                                        \
    static void name(void **state)

static inline bool check_is_set(void *flag)
{
    return *(bool *)flag;
}

typedef struct CheckBody {
    void (*func)(void);
    bool done;
} CheckBody;

static inline void check_fiber_main(void *arg)
{
    CheckBody *body = (CheckBody *)arg;
    body->func();
    body->done = true;
}

static inline void check_run_in_fiber(const char *name, void (*func)(void))
{
    g_autoptr(Error) err = NULL;
    if (!loop_init(&err)) {
        fprintf(stderr, "%s: %s\n", name, error_message(err));
        abort();
    }
    CheckBody body = { .func = func };
    (void)fiber_spawn_or_abort(name, check_fiber_main, &body);
    if (!loop_run_until(check_is_set, &body.done, CHECK_FIBER_MS)) {
        fprintf(stderr, "%s: did not end within %d ms\n", name, CHECK_FIBER_MS);
        _exit(1);
    }
    loop_shutdown(5000);
    worker_shutdown();
}

#define TEST_FIBER(name)                                                                                     \
    static void check_body_##name(void);                                                                     \
    TEST(name)                                                                                               \
    {                                                                                                        \
        check_run_in_fiber(#name, check_body_##name);                                                        \
    }                                                                                                        \
    static void check_body_##name(void)

/* ---- checks ---- */

/* Names the row of a table that the following checks are about. */
static inline void check_case(const char *text)
{
    g_strlcpy(check_current_case, text ? text : "(null)", sizeof(check_current_case));
}

__attribute__((noreturn)) static inline void check_stop(const char *file, int line)
{
    if (check_current_case[0])
        print_error("in case '%s'\n", check_current_case);
    if (fiber_current()) {
        print_error("%s:%d: failed in fiber '%s'\n", file, line, fiber_name(fiber_current()));
        _exit(1);
    }
    _fail(file, line);
    abort();
}

#define check(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            print_error("not true: %s\n", #condition);                                                       \
            check_stop(__FILE__, __LINE__);                                                                  \
        }                                                                                                    \
    } while (0)

static inline void check_eq_at(uintmax_t a, uintmax_t b, const char *text_a, const char *text_b,
                               const char *file, int line)
{
    if (a == b)
        return;
    print_error("%s is %" PRIdMAX " (0x%" PRIxMAX "), not %s = %" PRIdMAX " (0x%" PRIxMAX ")\n", text_a,
                (intmax_t)a, a, text_b, (intmax_t)b, b);
    check_stop(file, line);
}

/* Integers of any type. */
#define check_eq(a, b) check_eq_at((uintmax_t)(a), (uintmax_t)(b), #a, #b, __FILE__, __LINE__)

static inline void check_str_at(const char *a, const char *b, const char *text_a, const char *file, int line)
{
    if (g_strcmp0(a, b) == 0)
        return;
    print_error("%s is \"%s\", not \"%s\"\n", text_a, a ? a : "(null)", b ? b : "(null)");
    check_stop(file, line);
}

#define check_str(a, b) check_str_at(a, b, #a, __FILE__, __LINE__)

static inline void check_contains_at(const char *text, const char *part, const char *text_a, const char *file,
                                     int line)
{
    if (text && strstr(text, part))
        return;
    print_error("%s is \"%s\", without \"%s\"\n", text_a, text ? text : "(null)", part);
    check_stop(file, line);
}

#define check_contains(text, part) check_contains_at(text, part, #text, __FILE__, __LINE__)

static inline void check_ok_at(bool ok, const Error *err, const char *text, const char *file, int line)
{
    if (ok && !err)
        return;
    print_error("%s failed: %s [%s]\n", text, error_message(err), error_code_name(error_code(err)));
    check_stop(file, line);
}

/* A call that must succeed: check_ok(file_remove(path, &err), err) */
#define check_ok(call, err)                                                                                  \
    do {                                                                                                     \
        bool check_result = (call);                                                                          \
        check_ok_at(check_result, err, #call, __FILE__, __LINE__);                                           \
    } while (0)

static inline void check_fails_at(bool ok, Error **err, ErrorCode code, const char *text, const char *file,
                                  int line)
{
    if (!ok && error_code(*err) == code) {
        error_free(*err);
        *err = NULL;
        return;
    }
    print_error("%s %s with '%s' [%s], not with [%s]\n", text, ok ? "succeeded" : "failed",
                error_message(*err), error_code_name(error_code(*err)), error_code_name(code));
    check_stop(file, line);
}

/* A call that must fail with @code; *err is cleared afterwards: check_fails(parse(..., &err), err, ERROR_X)
 */
#define check_fails(call, err, code)                                                                         \
    do {                                                                                                     \
        bool check_result = (call);                                                                          \
        check_fails_at(check_result, &(err), code, #call, __FILE__, __LINE__);                               \
    } while (0)

/* A fresh directory below $TMPDIR or /tmp; owned. Remove it with check_remove_dir(). */
static inline char *check_make_dir(void)
{
    char *dir = g_dir_make_tmp("lodge-unit-XXXXXX", NULL);
    g_assert(dir != NULL);
    return dir;
}

static inline void check_remove_dir(char *dir)
{
    const char *argv[] = { "rm", "-rf", "--", dir, NULL };
    (void)g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
    g_free(dir);
}

static inline int check_setup(void **state)
{
    check_current_case[0] = '\0';
    return 0;
}

int main(void)
{
    for (size_t i = 0; i < check_n_tests; i++)
        check_tests[i].setup_func = check_setup;
    return _cmocka_run_group_tests(check_tests[0].name, check_tests, check_n_tests, NULL, NULL);
}
