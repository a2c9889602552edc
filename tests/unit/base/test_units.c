/* Numbers, sizes and durations. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/units.h"

TEST(parse_uint_takes_plain_decimal_numbers_only)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } cases[] = {
        { "0", true, 0 },
        { "007", true, 7 },
        { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 },
        { "99999999999999999999", false, 0 },
        { "", false, 0 },
        { "+1", false, 0 },
        { "-1", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "0x10", false, 0 },
        { "1.5", false, 0 },
        { "\xd9\xa1", false, 0 },
        { NULL, false, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        uint64_t got = 99;
        check_case(cases[i].text);
        check_eq(parse_uint(cases[i].text, &got, &err), cases[i].ok);
        check_eq(got, cases[i].ok ? cases[i].value : 99);
        check_eq(error_code(err), cases[i].ok ? ERROR_NONE : ERROR_INVALID_ARGUMENT);
    }
}

TEST(parse_int_reaches_both_ends)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775809", false, 0 },
        { "9223372036854775808", false, 0 },
        { "-0", true, 0 },
        { "-1", true, -1 },
        { "--1", false, 0 },
        { "-", false, 0 },
        { "- 1", false, 0 },
        { NULL, false, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        int64_t got = 99;
        check_case(cases[i].text);
        check_eq(parse_int(cases[i].text, &got, &err), cases[i].ok);
        check_eq(got, cases[i].ok ? cases[i].value : 99);
    }
}

TEST(parse_hex_and_any_know_the_prefix)
{
    uint64_t got = 0;
    g_autoptr(Error) err = NULL;
    check_ok(parse_hex("ff", &got, &err), err);
    check_eq(got, 255);
    check_ok(parse_hex("0XfF", &got, &err), err);
    check_eq(got, 255);
    check_ok(parse_hex("0xffffffffffffffff", &got, &err), err);
    check_eq(got, UINT64_MAX);
    check_fails(parse_hex("0x", &got, &err), err, ERROR_INVALID_ARGUMENT);
    check_fails(parse_hex("0x10000000000000000", &got, &err), err, ERROR_INVALID_ARGUMENT);
    check_fails(parse_hex("0x0x1", &got, &err), err, ERROR_INVALID_ARGUMENT);
    check_ok(parse_uint_any("0x10", &got, &err), err);
    check_eq(got, 16);
    check_ok(parse_uint_any("10", &got, &err), err);
    check_eq(got, 10);
    check_fails(parse_uint_any("a", &got, &err), err, ERROR_INVALID_ARGUMENT);
}

TEST(size_parse_accepts_units_and_rejects_the_rest)
{
    static const struct {
        const char *text;
        ErrorCode code;
        uint64_t bytes;
    } cases[] = {
        { "4GiB", ERROR_NONE, UINT64_C(4) << 30 },
        { "4 GiB", ERROR_NONE, UINT64_C(4) << 30 },
        { "512", ERROR_NONE, 512 * 1024 },
        { "10M", ERROR_NONE, 10 << 20 },
        { "10m", ERROR_NONE, 10 << 20 },
        { "10MB", ERROR_NONE, 10000000 },
        { "10mb", ERROR_NONE, 10000000 },
        { "1k", ERROR_NONE, 1024 },
        { "1KB", ERROR_NONE, 1000 },
        { "7bytes", ERROR_NONE, 7 },
        { "7b", ERROR_NONE, 7 },
        { "15EiB", ERROR_NONE, UINT64_C(15) << 60 },
        { "16EiB", ERROR_OVERFLOW, 0 },
        { "18446744073709551615b", ERROR_NONE, UINT64_MAX },
        { "18446744073709551615", ERROR_OVERFLOW, 0 },
        { "1.5GiB", ERROR_INVALID_ARGUMENT, 0 },
        { "-1", ERROR_INVALID_ARGUMENT, 0 },
        { "", ERROR_INVALID_ARGUMENT, 0 },
        { "G", ERROR_INVALID_ARGUMENT, 0 },
        { "1 ", ERROR_INVALID_ARGUMENT, 0 },
        { "1  G", ERROR_INVALID_ARGUMENT, 0 },
        { "1Gi", ERROR_INVALID_ARGUMENT, 0 },
        { "1GiB ", ERROR_INVALID_ARGUMENT, 0 },
        { NULL, ERROR_INVALID_ARGUMENT, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        uint64_t got = 7;
        check_case(cases[i].text);
        check_eq(size_parse(cases[i].text, 1024, &got, &err), cases[i].code == ERROR_NONE);
        check_eq(got, cases[i].code == ERROR_NONE ? cases[i].bytes : 7);
        check_eq(error_code(err), cases[i].code);
    }
}

TEST(size_format_never_shows_more_than_there_is)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1.00 KiB" },
        { 1536, "1.50 KiB" },
        { (UINT64_C(1) << 20) - 1, "1023.99 KiB" },
        { UINT64_C(3) << 29, "1.50 GiB" },
        { UINT64_MAX, "15.99 EiB" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = size_format(cases[i].bytes);
        check_str(text, cases[i].text);
    }
}

TEST(duration_format_uses_two_units)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        { 0, "0 ms" },        { 12, "12 ms" },       { 999, "999 ms" },
        { 1500, "1.5s" },     { 59999, "59s" },      { 200000, "3m 20s" },
        { 3600000, "1h 0m" }, { 90000000, "1d 1h" }, { UINT64_MAX, "213503982334d 14h" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = duration_format(cases[i].ms);
        check_str(text, cases[i].text);
    }
}
