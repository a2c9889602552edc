/* What somebody who only watches a display may send. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "http/rfb_filter.h"

#define BEGIN "RFB 003.008\n\x01\x01"

/* @text in pieces of @step bytes; what came through, NULL if it was refused. */
static GByteArray *filtered(const char *text, size_t len, size_t step)
{
    RfbFilter filter = { 0 };
    GByteArray *out = g_byte_array_new();

    for (size_t at = 0; at < len && out; at += step) {
        if (!rfb_filter(&filter, (const uint8_t *)text + at, MIN(step, len - at), out))
            g_clear_pointer(&out, g_byte_array_unref);
    }
    rfb_filter_clear(&filter);
    return out;
}

TEST(keys_pointer_and_clipboard_are_left_out)
{
#define CASE(name, text, passed)                                                                             \
    {                                                                                                        \
        name, text, sizeof(text) - 1, passed, sizeof(passed) - 1                                             \
    }
    static const struct {
        const char *name, *text;
        size_t len;
        const char *passed;
        size_t passed_len;
    } cases[] = {
        CASE("beginning", BEGIN, BEGIN),
        CASE("update", BEGIN "\x03\x01\0\0\0\0\0\x01\0\x01", BEGIN "\x03\x01\0\0\0\0\0\x01\0\x01"),
        CASE("encodings", BEGIN "\x02\0\0\x02\0\0\0\x01\0\0\0\x02", BEGIN "\x02\0\0\x02\0\0\0\x01\0\0\0\x02"),
        CASE("key", BEGIN "\x04\x01\0\0\0\0\0\x41", BEGIN),
        CASE("pointer", BEGIN "\x05\x01\0\x10\0\x10", BEGIN),
        CASE("clipboard",
             BEGIN "\x06\0\0\0\0\0\0\x03"
                   "abc",
             BEGIN),
        CASE("extended clipboard",
             BEGIN "\x06\0\0\0\xff\xff\xff\xfc"
                   "abcd",
             BEGIN),
        CASE("QEMU's key", BEGIN "\xff\0\0\x01\0\0\0\x41\0\0\0\x1e", BEGIN),
        CASE("key, then update", BEGIN "\x04\x01\0\0\0\0\0\x41\x03\0\0\0\0\0\0\x01\0\x01",
             BEGIN "\x03\0\0\0\0\0\0\x01\0\x01"),
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].name);
        for (size_t step = 1; step < 40; step += 6) {
            g_autoptr(GByteArray) out = filtered(cases[i].text, cases[i].len, step);
            check(out != NULL);
            check_eq(out->len, cases[i].passed_len);
            check(memcmp(out->data, cases[i].passed, out->len) == 0);
        }
    }
}

TEST(what_is_not_known_ends_it)
{
    static const char unknown[] = BEGIN "\x63", sound[] = BEGIN "\xff\x01";

    check(filtered(unknown, sizeof unknown - 1, 5) == NULL);
    check(filtered(sound, sizeof sound - 1, 5) == NULL);
}
