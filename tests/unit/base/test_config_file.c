/* The configuration file format. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/config_file.h"

static ConfigFile *parse_ok(const char *text)
{
    g_autoptr(Error) err = NULL;
    ConfigFile *file = NULL;
    check_case(text);
    check_ok(config_file_parse("t.conf", text, strlen(text), &file, &err), err);
    return file;
}

TEST(all_kinds_of_values_are_read_with_their_lines)
{
    g_autoptr(ConfigFile) file = parse_ok("# comment\n"
                                          "\n"
                                          "number = 42 # trailing\n"
                                          "negative=-7\r\n"
                                          "  double = \"a 'b' \\ # c\"\n"
                                          "single = 'x \"y\"'\n"
                                          "long = \"\"\"two\n"
                                          "lines \"quoted\" \"\"\"\n"
                                          "list = [ \"a\", # first\n"
                                          "   'b',\n"
                                          "]\n"
                                          "empty = []\n"
                                          "none = \"\"");
    check_eq(file->values->len, 8);
    const ConfigValue *value = config_file_get(file, "number");
    check_eq(value->type, CONFIG_INT);
    check_eq(value->number, 42);
    check_eq(value->line, 3);
    check_eq(config_file_get(file, "negative")->number, -7);
    check_str(config_file_get(file, "double")->string, "a 'b' \\ # c");
    check_eq(config_file_get(file, "double")->line, 5);
    check_str(config_file_get(file, "single")->string, "x \"y\"");
    check_str(config_file_get(file, "long")->string, "two\nlines \"quoted\" ");
    value = config_file_get(file, "list");
    check_eq(value->type, CONFIG_LIST);
    check_eq(value->line, 9);
    check_eq(g_strv_length(value->list), 2);
    check_str(value->list[1], "b");
    check_eq(config_file_get(file, "empty")->line, 12);
    check_eq(g_strv_length(config_file_get(file, "empty")->list), 0);
    check_str(config_file_get(file, "none")->string, "");
    check(config_file_get(file, "absent") == NULL);
}

TEST(the_last_of_equal_keys_counts)
{
    g_autoptr(ConfigFile) file = parse_ok("a = 1\na = 2\n");
    check_eq(file->values->len, 2);
    check_eq(config_file_get(file, "a")->number, 2);
}

TEST(what_is_wrong_is_said_with_file_and_line)
{
    static const struct {
        const char *text;
        const char *place;
    } cases[] = {
        { "a", "t.conf:1: " },
        { "a 1", "t.conf:1: " },
        { "\n\na =", "t.conf:3: " },
        { "a = b", "t.conf:1: " },
        { "a = \"x", "t.conf:1: " },
        { "a = \"x\ny\"", "t.conf:1: " },
        { "\na = \"\"\"x\n\n", "t.conf:2: " },
        { "a = 1 2", "t.conf:1: " },
        { "a = 1b = 2", "t.conf:1: " },
        { "a = 99999999999999999999", "t.conf:1: " },
        { "a = -", "t.conf:1: " },
        { "a = [ \"x\"\n\"y\" ]", "t.conf:2: " },
        { "a = [ 1 ]", "t.conf:1: " },
        { "a = [", "t.conf:1: " },
        { "a = [ , ]", "t.conf:1: " },
        { "a = [ \"x\", , ]", "t.conf:1: " },
        { "1a = 1", "t.conf:1: " },
        { "= 1", "t.conf:1: " },
        { "\xff = 1", "t.conf:1: " },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        ConfigFile *file = NULL;
        check_case(cases[i].text);
        check(!config_file_parse("t.conf", cases[i].text, strlen(cases[i].text), &file, &err));
        check(file == NULL);
        check_eq(error_code(err), ERROR_CONFIG_SYNTAX);
        check_contains(error_message(err), cases[i].place);
    }
}

TEST(a_nul_byte_is_refused_where_it_stands)
{
    g_autoptr(Error) err = NULL;
    ConfigFile *file = NULL;
    check(!config_file_parse("t.conf", "a = 1\nb\0c", 9, &file, &err));
    check_contains(error_message(err), "t.conf:2: ");
}

TEST(any_text_is_parsed_or_refused_without_reading_beyond_it)
{
    static const char *const pieces[] = { "a", "=", " ", "\n",     "\"", "'",      "[",    "]",  ",",
                                          "#", "1", "-", "\"\"\"", "\r", "key = ", "\xff", "\\", "_" };
    unsigned seed = 4711;
    for (int round = 0; round < 20000; round++) {
        GString *text = g_string_new(NULL);
        for (unsigned n = seed % 20; n > 0; n--) {
            seed = seed * 1103515245u + 12345u;
            g_string_append(text, pieces[(seed >> 16) % G_N_ELEMENTS(pieces)]);
        }
        seed = seed * 1103515245u + 12345u;
        char *exact = g_memdup2(text->str, text->len); /* no NUL behind it: ASan sees an overrun */
        g_autoptr(ConfigFile) file = NULL;
        g_autoptr(Error) err = NULL;
        bool ok = config_file_parse("t.conf", exact ? exact : "", text->len, &file, &err);
        check(ok == (file != NULL) && ok == (err == NULL));
        g_free(exact);
        g_string_free(text, true);
    }
}

TEST(a_missing_file_is_an_empty_one)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(ConfigFile) file = NULL;
    check_ok(config_file_load("/nonexistent/lodge.conf", &file, &err), err);
    check_eq(file->values->len, 0);
    ConfigFile *none = NULL;
    check_fails(config_file_load("/", &none, &err), err, ERROR_SYSTEM);
}
