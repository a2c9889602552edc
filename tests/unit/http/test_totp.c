/* Codes by the clock. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "http/totp.h"

static const uint8_t key[TOTP_KEY_BYTES + 1] = "12345678901234567890";

TEST(codes_are_those_of_the_standard)
{
    /* The last six digits of the examples in RFC 6238, appendix B. */
    static const struct {
        int64_t time_s;
        const char *code;
    } cases[] = { { 59, "287082" },         { 1111111109, "081804" }, { 1111111111, "050471" },
                  { 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" } };
    char code[7];

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        totp_code(key, (uint64_t)cases[i].time_s / TOTP_STEP_S, code);
        check_str(code, cases[i].code);
        check_eq(totp_check(key, cases[i].code, cases[i].time_s, 0), (uint64_t)cases[i].time_s / TOTP_STEP_S);
    }
}

TEST(a_code_is_good_once_and_for_neighbours)
{
    char code[7];

    totp_code(key, 1000, code);
    check_eq(totp_check(key, code, 1000 * TOTP_STEP_S - 1, 0), 1000);
    check_eq(totp_check(key, code, 1001 * TOTP_STEP_S + 29, 0), 1000);
    check_eq(totp_check(key, code, 1002 * TOTP_STEP_S, 0), 0);
    check_eq(totp_check(key, code, 1000 * TOTP_STEP_S, 1000), 0);
    check_eq(totp_check(key, "", 1000 * TOTP_STEP_S, 0), 0);
    check_eq(totp_check(key, "1234567", 1000 * TOTP_STEP_S, 0), 0);
}

TEST(the_secret_is_base32)
{
    g_autofree char *text = totp_secret(key);

    check_str(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}
