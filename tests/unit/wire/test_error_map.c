/* Errors keep their number and text across the wire. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/error_map.h"
#include "wire/wire_enums.h"

static void every_code_has_a_number(void **state)
{
    for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        g_autoptr(Error) err = error_new((ErrorCode)code, "detail");
        g_auto(WireError) remote = { 0 };
        wire_error_from(err, &remote);
        assert_true(remote.code > 0);
        assert_non_null(strstr(remote.message, "detail"));
        assert_int_equal(remote.level, 2);
        assert_int_equal(wire_error_code(err), remote.code);
    }
}

static void texts_are_what_clients_know(void **state)
{
    g_autoptr(Error) err = NULL;
    g_auto(WireError) remote = { 0 };

    error_set(&err, ERROR_NO_DOMAIN, "no domain with matching name '%s'", "x");
    wire_error_from(err, &remote);
    assert_int_equal(remote.code, 42);
    assert_int_equal(remote.domain, 10);
    assert_string_equal(remote.message, "Domain not found: no domain with matching name 'x'");
    assert_string_equal(remote.str1, "Domain not found: %s");
    assert_string_equal(remote.str2, "no domain with matching name 'x'");
    assert_int_equal(remote.int1, -1);
}

static void complaints_about_flags_stand_alone(void **state)
{
    g_autoptr(Error) err = NULL;
    g_auto(WireError) remote = { 0 };

    error_set(&err, ERROR_INVALID_ARGUMENT, "unsupported flags (0x%x) in function virDomainX", 8u);
    wire_error_from(err, &remote);
    assert_int_equal(remote.code, VIR_ERR_INVALID_ARG);
    assert_string_equal(remote.message, "unsupported flags (0x8) in function virDomainX");
}

static void system_errors_carry_errno(void **state)
{
    g_autoptr(Error) err = NULL;
    g_auto(WireError) remote = { 0 };

    error_set_errno(&err, ENOTEMPTY, "failed to remove pool '/p'");
    wire_error_from(err, &remote);
    assert_int_equal(remote.code, 38);
    assert_string_equal(remote.str1, "%s");
    assert_int_equal(remote.int1, ENOTEMPTY);
}

static void remote_numbers_are_kept(void **state)
{
    WireError remote = { .code = VIR_ERR_MULTIPLE_INTERFACES,
                         .domain = VIR_FROM_INTERFACE,
                         .message = (char *)"there" };
    g_autoptr(Error) err = NULL;

    wire_error_to(&remote, &err);
    assert_int_equal(wire_error_code(err), VIR_ERR_MULTIPLE_INTERFACES);
    assert_int_equal(wire_error_domain(err), VIR_FROM_INTERFACE);
    assert_int_equal(error_code(err), ERROR_OPERATION_FAILED);
    assert_string_equal(error_message(err), "there");
    g_autoptr(Error) copy = error_copy(err);
    assert_int_equal(wire_error_code(copy), VIR_ERR_MULTIPLE_INTERFACES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_number),
        cmocka_unit_test(texts_are_what_clients_know),
        cmocka_unit_test(complaints_about_flags_stand_alone),
        cmocka_unit_test(system_errors_carry_errno),
        cmocka_unit_test(remote_numbers_are_kept),
    };

    return cmocka_run_group_tests_name("wire/error_map", tests, NULL, NULL);
}
