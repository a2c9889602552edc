/* Errors carry code, message, hint and errno to whoever can act on them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>

TEST(every_code_has_a_name_of_its_own)
{
    for (unsigned a = 0; a < ERROR_CODE_COUNT; a++) {
        check(error_code_name((ErrorCode)a) != NULL);
        for (unsigned b = 0; b < a; b++)
            check(strcmp(error_code_name((ErrorCode)a), error_code_name((ErrorCode)b)) != 0);
    }
    check_str(error_code_name((ErrorCode)9999), "unknown");
}

TEST(builders_return_false_and_fill_the_error_once)
{
    g_autoptr(Error) err = NULL;
    check_eq(error_set(&err, ERROR_BUSY, "disk '%s' is %d", "vda", 7), false);
    check_eq(error_code(err), ERROR_BUSY);
    check_str(error_message(err), "disk 'vda' is 7");
    check(error_hint_text(err) == NULL);
    check_eq(error_errno(err), 0);
}

TEST(prefix_and_hint_add_to_the_error)
{
    g_autoptr(Error) err = NULL;
    error_set(&err, ERROR_BUSY, "busy");
    check_eq(error_prefix(&err, "starting '%s'", "a"), false);
    check_eq(error_hint(&err, "wait"), false);
    check_eq(error_hint(&err, "%s longer", error_hint_text(err)), false);
    check_str(error_message(err), "starting 'a': busy");
    check_str(error_hint_text(err), "wait longer");
    check_eq(error_hint(&err, "%s", "a program's words\n"), false);
    check_str(error_hint_text(err), "a program's words");
}

TEST(errno_is_kept_until_the_code_changes)
{
    g_autoptr(Error) err = NULL;
    error_set_errno(&err, ENOENT, "cannot open '%s'", "/x");
    check_eq(error_code(err), ERROR_SYSTEM);
    check_eq(error_errno(err), ENOENT);
    check_str(error_message(err), "cannot open '/x': No such file or directory");
    error_recode(err, ERROR_NO_DOMAIN);
    check_eq(error_errno(err), 0);
    check_eq(error_code(err), ERROR_NO_DOMAIN);
}

TEST(callers_that_pass_null_only_learn_that_it_failed)
{
    check_eq(error_set(NULL, ERROR_BUSY, "x"), false);
    check_eq(error_set_errno(NULL, EIO, "x"), false);
    check_eq(error_prefix(NULL, "x"), false);
    check_eq(error_hint(NULL, "x"), false);
    check_eq(error_propagate(NULL, error_new(ERROR_BUSY, "x")), false);
    check_eq(error_propagate(NULL, NULL), false);
    check_eq(error_code(NULL), ERROR_NONE);
    check_str(error_message(NULL), "");
    error_free(NULL);
}

TEST(copies_are_independent)
{
    g_autoptr(Error) err = error_new(ERROR_REFUSED, "no %s");
    error_hint(&err, "hint");
    g_autoptr(Error) copy = error_copy(err);
    error_prefix(&err, "more");
    check_str(error_message(copy), "no %s");
    check_str(error_hint_text(copy), "hint");
    check_eq(error_code(copy), ERROR_REFUSED);
    check(error_copy(NULL) == NULL);
}
