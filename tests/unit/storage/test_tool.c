/* Programs that storage is managed with: what becomes of their failures, and what nobody may see. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "storage/tool.h"

TEST(a_failure_has_the_line_the_status_and_the_words)
{
    const char *const argv[] = { "/bin/sh", "-c", "echo oops >&2; exit 3", NULL };
    g_autoptr(Error) err = NULL;

    check(!storage_run(argv, "dash", 20000, NULL, &err));
    check_eq(error_code(err), ERROR_REFUSED);
    check_str(error_message(err),
              "Child process (/bin/sh -c 'echo oops >&2; exit 3') unexpected exit status 3: oops\n");
}

TEST(a_missing_program_names_its_package)
{
    const char *const argv[] = { "lodge-no-such-program", NULL };
    g_autoptr(Error) err = NULL;

    check(!storage_run(argv, "no-such", 20000, NULL, &err));
    check_eq(error_errno(err), ENOENT);
    check(strstr(error_hint_text(err), "'no-such'") != NULL);
    check(!storage_has_program("lodge-no-such-program"));
    check(storage_has_program("sh"));
}

TEST(secrets_reach_the_program_and_no_message)
{
    const char *const environment[] = { "LODGE_PASSWORD=hidden1", NULL };
    g_autoptr(Error) err = NULL;
    g_autofree char *out = NULL;
    int status = 0;

    for (int max_status = 4; max_status >= 3; max_status--) {
        const char *script = max_status == 4 ? "read x; echo $LODGE_PASSWORD $x; exit 4" : "exit 4";
        const char *const argv[] = { "/bin/sh", "-c", script, NULL };
        g_auto(Tool) tool = tool_of(argv, "dash", 20000);
        tool.environment = environment;
        tool.input = "hidden2\n";
        tool.max_status = max_status;
        check_eq(tool_run_status(&tool, &status, max_status == 4 ? &out : NULL, &err), max_status == 4);
    }
    check_eq(status, 4);
    check_str(out, "hidden1 hidden2\n");
    check(strstr(error_message(err), "hidden") == NULL);
}

TEST(input_can_be_opened_again_and_again)
{
    const char *const argv[] = { "/bin/sh", "-c", "cat /dev/stdin /dev/stdin", NULL };
    g_auto(Tool) tool = tool_of(argv, "dash", 20000);
    g_autoptr(Error) err = NULL;
    g_autofree char *out = NULL;

    tool.input = "key";
    check(tool_run(&tool, &out, &err));
    check_str(out, "keykey");
}

TEST(one_that_does_not_end_is_ended)
{
    const char *const argv[] = { "/bin/sleep", "1000", NULL };
    g_autoptr(Error) err = NULL;

    check(!storage_run(argv, "coreutils", 100, NULL, &err));
    check_eq(error_code(err), ERROR_TIMEOUT);
}

TEST(what_would_be_an_option_is_no_argument)
{
    g_autofree char *many = g_strnfill(5000, 'a');
    const char *const bad[] = { "", "-o", "--help", "a\nb", "a\x7f", many };

    check(storage_check_argument("name", "/dev/sda", NULL));
    check(storage_check_argument("name", "with space", NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Error) err = NULL;
        check_case(bad[i]);
        check(!storage_check_argument("name", bad[i], &err));
        check_eq(error_code(err), ERROR_XML_INVALID);
    }
}
