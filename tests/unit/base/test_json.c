/* JSON from hostile peers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/json.h"

static Json *parse_ok(const char *text)
{
    g_autoptr(Error) err = NULL;
    Json *value = NULL;
    check_ok(json_parse(text, strlen(text), "sample", &value, &err), err);
    return value;
}

TEST(lookups_give_the_default_for_what_is_absent_or_of_another_type)
{
    AUTO_JSON value =
        parse_ok("{\"s\":\"x\",\"i\":-5,\"u\":9,\"b\":true,\"o\":{},\"a\":[1],\"n\":null,\"r\":1.5}");
    check_str(json_get_str(value, "s"), "x");
    check_eq(json_get_int(value, "i", 7), -5);
    check_eq(json_get_uint(value, "u", 7), 9);
    check_eq(json_get_bool(value, "b", false), true);
    check(json_get_obj(value, "o") != NULL);
    check(json_get_arr(value, "a") != NULL);
    static const char *const keys[] = { "s", "i", "u", "b", "o", "a", "n", "r", "none" };
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *key = keys[i];
        check_case(key);
        check(strcmp(key, "s") == 0 || json_get_str(value, key) == NULL);
        check(strchr("iu", key[0]) || json_get_int(value, key, 42) == 42);
        check(strcmp(key, "u") == 0 || json_get_uint(value, key, 42) == 42);
        check(strcmp(key, "b") == 0 || json_get_bool(value, key, true) == true);
        check(strcmp(key, "o") == 0 || json_get_obj(value, key) == NULL);
        check(strcmp(key, "a") == 0 || json_get_arr(value, key) == NULL);
    }
}

TEST(lookups_in_no_object_are_harmless)
{
    AUTO_JSON array = parse_ok("[1,2]");
    const Json *const objects[] = { NULL, array };
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
        check(json_get_str(objects[i], "x") == NULL);
        check_eq(json_get_int(objects[i], "x", 3), 3);
        check_eq(json_get_uint(objects[i], "x", 3), 3);
        check_eq(json_get_bool(objects[i], "x", true), true);
        check(json_get_obj(objects[i], "x") == NULL);
        check(json_get_arr(objects[i], "x") == NULL);
    }
}

TEST(broken_text_is_refused_with_its_place)
{
    static const char *const texts[] = {
        "",         "{",          "{\"a\":}",
        "[1,]",     "{\"a\":1}x", "\"\\u0000\"",
        "\"\xff\"", "[1e999]",    "99999999999999999999",
        "nul",      "{\"a\" 1}",  "[\"\\ud800\"]",
        "]",        "\"abc",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Error) err = NULL;
        Json *value = NULL;
        check_case(texts[i]);
        check(!json_parse(texts[i], strlen(texts[i]), "the reply", &value, &err));
        check(value == NULL);
        check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
        check_contains(error_message(err), "the reply: line ");
        check(g_utf8_validate(error_message(err), -1, NULL));
    }
}

static char *nested(size_t depth)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < depth; i++)
        g_string_append(text, i % 2 ? "[" : "{\"a\":");
    g_string_append(text, "1");
    for (size_t i = depth; i > 0; i--)
        g_string_append(text, (i - 1) % 2 ? "]" : "}");
    return g_string_free(text, false);
}

/* In a fiber: the limit is there for the sake of its stack. */
TEST_FIBER(nesting_fits_the_stack_of_a_fiber_or_is_refused)
{
    g_autoptr(Error) err = NULL;
    g_autofree char *deep = nested(256);
    AUTO_JSON value = parse_ok(deep);
    g_autofree char *back = json_format(value);
    check_str(back, deep);
    g_autofree char *pretty = json_format_pretty(value);
    check(strlen(pretty) > strlen(deep));

    g_autofree char *too_deep = nested(257);
    Json *none = NULL;
    check_fails(json_parse(too_deep, strlen(too_deep), "x", &none, &err), err, ERROR_OVERFLOW);
    g_autofree char *open = g_strnfill(1000000, '[');
    check_fails(json_parse(open, 1000000, "x", &none, &err), err, ERROR_OVERFLOW);
    check(none == NULL);
}

TEST(brackets_in_strings_are_no_nesting)
{
    g_autofree char *brackets = g_strnfill(5000, '[');
    g_autofree char *text = g_strdup_printf("{\"a\\\"%s\":\"%s\\\\\"}", brackets, brackets);
    AUTO_JSON value = parse_ok(text);
    g_autofree char *back = json_format(value);
    check_str(back, text);
}

TEST(any_bytes_are_parsed_or_refused_without_harm)
{
    static const char *const pieces[] = { "{",    "}",    "[", "]",    "\"",   ":",    ",",  "1",
                                          "-",    ".",    "e", "true", "null", "\\",   "u0", "\x01",
                                          "\xc3", "\xa4", "a", " ",    "\n",   "\\\"", "d8", "0" };
    unsigned seed = 12345;
    for (int round = 0; round < 20000; round++) {
        GString *text = g_string_new(NULL);
        for (unsigned n = seed % 24; n > 0; n--) {
            seed = seed * 1103515245u + 12345u;
            g_string_append(text, pieces[(seed >> 16) % G_N_ELEMENTS(pieces)]);
        }
        seed = seed * 1103515245u + 12345u;
        Json *value = NULL;
        if (json_parse(text->str, text->len, "x", &value, NULL)) {
            g_autofree char *once = json_format(value);
            AUTO_JSON again = parse_ok(once);
            check(json_equal(value, again));
            json_decref(value);
        }
        g_string_free(text, true);
    }
}
