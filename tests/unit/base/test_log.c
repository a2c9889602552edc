/* Log lines: one per message, escaped, with the context of their fiber. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "testing"
#include "check.h"

#include "base/file.h"
#include "base/log.h"

static char *log_dir;
static char *log_path;

static void log_begin(LogLevel lowest)
{
    log_dir = check_make_dir();
    log_path = path_join(log_dir, "log");
    log_open(LOG_TARGET_FILE, log_path, lowest);
}

static char *log_end(void)
{
    g_autoptr(Error) err = NULL;
    char *text = NULL;
    log_close();
    check_ok(file_read(log_path, 1 << 20, &text, NULL, &err), err);
    g_free(log_path);
    check_remove_dir(log_dir);
    return text;
}

TEST(messages_below_the_level_are_dropped)
{
    log_begin(LOG_LEVEL_WARNING);
    check(!log_is_enabled(LOG_LEVEL_INFO));
    log_debug("d");
    log_info("i");
    log_warning("warned %d", 1);
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("debugged");
    g_autofree char *text = log_end();
    check_contains(text, "Z warning: testing: warned 1\n");
    check_contains(text, "Z debug: testing: debugged\n");
    check_eq(g_strstr_len(text, -1, " i\n") == NULL, true);
}

TEST(no_text_can_forge_a_line_or_move_a_cursor)
{
    log_begin(LOG_LEVEL_INFO);
    log_info("name '%s'", "a\nb\t\x1b[1m\r\x7f \xff \xc3\xa4");
    g_autofree char *text = log_end();
    check_contains(text, "name 'a\\nb\\t\\x1b[1m\\x0d\\x7f \xef\xbf\xbd \xc3\xa4'\n");
    check_eq(strchr(text, '\n') - text + 1, strlen(text));
}

TEST(errors_are_logged_with_code_and_hint)
{
    log_begin(LOG_LEVEL_INFO);
    g_autoptr(Error) err = error_new(ERROR_BUSY, "it is busy");
    error_hint(&err, "wait");
    log_warning_error(err, "saving");
    log_error_error(NULL, "nothing");
    g_autofree char *text = log_end();
    check_contains(text, "warning: testing: saving: it is busy [busy]; hint: wait\n");
    check(strstr(text, "nothing") == NULL);
}

static void log_child(void *arg)
{
    log_info("child");
    log_context_set_request("8");
    fiber_yield();
    log_info("child again");
}

TEST_FIBER(lines_carry_the_context_of_their_fiber)
{
    g_autoptr(Error) err = NULL;
    log_begin(LOG_LEVEL_INFO);
    log_context_set_request("7");
    log_context_set_vm("some-uuid");
    g_autoptr(Fiber) child = fiber_ref(fiber_spawn("child", log_child, NULL));
    fiber_yield();
    log_context_set_vm(NULL);
    log_info("parent");
    check_ok(fiber_join(child, 1000, &err), err);
    g_autofree char *text = log_end();
    check_contains(text, "child REQUEST_ID=7 VM_UUID=some-uuid\n");
    check_contains(text, "parent REQUEST_ID=7\n");
    check_contains(text, "child again REQUEST_ID=8 VM_UUID=some-uuid\n");
}
