/* The layout of tables and records, and the shape of JSON. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/output.h"

static const CliColumn columns[] = {
    { "Id", "id" }, { "Name", "name" }, { NULL, "uuid" }, { "State", "state" }
};

static CliTable *sample(const char *name)
{
    CliTable *table = table_new(columns, G_N_ELEMENTS(columns));
    table_row(table);
    table_cell(table, json_integer(3), "%d", 3);
    table_cell_text(table, name);
    table_cell_text(table, "u-1");
    table_cell_text(table, "running");
    table_row(table);
    table_cell_text(table, NULL);
    table_cell_text(table, "b");
    return table;
}

TEST(tables_are_aligned)
{
    g_autoptr(CliTable) table = sample("web");
    g_autofree char *text = table_format(table, true, false, 0);
    check_str(text, " Id   Name   State\n"
                    "-----------------------\n"
                    " 3    web    running\n"
                    " -    b      -\n");
    g_autofree char *bare = table_format(table, false, false, 0);
    check_str(bare, " 3   web   running\n -   b     -\n");
}

TEST(tables_measure_columns_and_not_bytes)
{
    g_autoptr(CliTable) table =
        sample("w\xc3\xa4\xe4\xb8\x96\xe7\x95\x8c"); /* two narrow, two wide letters */
    g_autofree char *text = table_format(table, false, false, 0);
    check_str(text, " 3   w\xc3\xa4\xe4\xb8\x96\xe7\x95\x8c   running\n -   b        -\n");
    check_eq(text_width("w\xc3\xa4\xe4\xb8\x96"), 4);
    check_eq(text_width("e\xcc\x81"), 1); /* a letter and an accent on it */
}

TEST(hostile_names_cannot_reach_the_terminal)
{
    g_autoptr(CliTable) table = sample("\033[2Jx\n\xc2\x9b\xff");
    g_autofree char *text = table_format(table, true, false, 0);
    check(strchr(text, '\033') == NULL);
    check_contains(text, "\\x1b[2Jx\\x0a\\x9b");
    check(g_utf8_validate(text, -1, NULL));
    g_autofree char *turned = text_printable("a\xe2\x80\xae"
                                             "b");
    check_str(turned, "a\\u202eb");
}

TEST(colours_do_not_change_the_layout)
{
    g_autoptr(CliTable) table = sample("web");
    g_autofree char *plain = table_format(table, true, false, 0);
    g_autofree char *colored = table_format(table, true, true, 0);
    GString *stripped = g_string_new(NULL);
    for (const char *p = colored; *p; p++) {
        if (*p == '\033')
            p = strchr(p, 'm');
        else
            g_string_append_c(stripped, *p);
    }
    check(strchr(colored, '\033') != NULL);
    check_str(stripped->str, plain);
    g_string_free(stripped, TRUE);
}

TEST(tables_as_json_have_all_columns_with_their_types)
{
    g_autoptr(CliTable) table = sample("web");
    AUTO_JSON json = table_json(table);
    g_autofree char *text = json_format(json);
    check_str(text, "[{\"id\":3,\"name\":\"web\",\"uuid\":\"u-1\",\"state\":\"running\"},"
                    "{\"id\":null,\"name\":\"b\",\"uuid\":null,\"state\":null}]");
    g_autoptr(CliTable) empty = table_new(columns, G_N_ELEMENTS(columns));
    AUTO_JSON nothing = table_json(empty);
    check_eq(json_array_size(nothing), 0);
    check(json_is_array(nothing));
}

/* What @print writes. */
static char *printed(bool json, bool quiet, void (*print)(Cli *cli))
{
    Cli cli;
    char *text = NULL;
    size_t len = 0;
    cli_init(&cli);
    cli.json = json;
    cli.quiet = quiet;
    cli.out = open_memstream(&text, &len);
    print(&cli);
    fclose(cli.out);
    return text;
}

static void write_message(Cli *cli)
{
    cli_message(cli, "Domain '%s' started", "web");
}

TEST(messages_are_silent_when_asked)
{
    g_autofree char *text = printed(false, false, write_message);
    check_str(text, "Domain 'web' started\n");
    g_autofree char *quiet = printed(false, true, write_message);
    check_str(quiet, "");
    g_autofree char *json = printed(true, false, write_message);
    check_str(json, "{\n  \"message\": \"Domain 'web' started\"\n}\n");
}

static void write_record(Cli *cli)
{
    CliRecord *record = record_new(10);
    record_add(record, "Name:", "name", NULL, "%s", "web");
    record_add(record, "Memory:", "memory_kib", json_integer(64), "%d KiB", 64);
    record_add(record, NULL, "hidden", json_true(), "%s", "");
    record_add(record, "Shown:", NULL, NULL, "%s", "only as text");
    cli_print_record(cli, record);
}

TEST(records_print_labels_or_members)
{
    g_autofree char *text = printed(false, false, write_record);
    check_str(text, "Name:     web\nMemory:   64 KiB\nShown:    only as text\n");
    g_autofree char *json = printed(true, false, write_record);
    check_str(json, "{\n  \"name\": \"web\",\n  \"memory_kib\": 64,\n  \"hidden\": true\n}\n");
}

static void write_bad_text(Cli *cli)
{
    cli_print_text(cli, "xml",
                   "a\xff"
                   "b");
}

TEST(texts_end_with_a_newline_and_json_stays_json)
{
    g_autofree char *text = printed(false, false, write_bad_text);
    check_str(text, "a\xff"
                    "b\n");
    g_autofree char *json = printed(true, false, write_bad_text);
    check(g_utf8_validate(json, -1, NULL));
    AUTO_JSON value = NULL;
    check(json_parse(json, strlen(json), "output", &value, NULL));
    check_contains(json_get_str(value, "xml"), "a");
}

TEST(sizes_for_people)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = { { 0, "0.000 B" },
                  { 1023, "1023.000 B" },
                  { 1024, "1.000 KiB" },
                  { 67108864, "64.000 MiB" },
                  { UINT64_MAX, "16.000 EiB" } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = human_size(cases[i].bytes);
        check_str(text, cases[i].text);
    }
}

/* No line of @text is wider than @width. */
static bool fits(const char *text, unsigned width)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (text_width(*line) > width)
            return false;
    }
    return true;
}

TEST(tables_fit_the_terminal_by_wrapping_between_words)
{
    static const CliColumn two[] = { { "Check", "check" }, { "Found", "found" } };
    g_autoptr(CliTable) table = table_new(two, 2);
    table_row(table);
    table_cell_text(table, "kvm");
    table_cell_text(table, "the device is there but nobody may open it");
    table_row(table);
    table_cell_text(table, "images");
    table_cell_text(table, "/var/lib/libvirt/images/a-name-that-is-long-enough");
    g_autofree char *text = table_format(table, true, false, 30);
    check(fits(text, 30));
    check_contains(text, " Check    Found\n---------------\n"); /* the rule is no longer than the names */
    check_contains(text, " kvm      the device is there\n");
    check_contains(text, "          but nobody may open");
    check_contains(text, "images/");
    for (unsigned width = 10; width < 60; width++) {
        g_autofree char *any = table_format(table, true, true, width);
        check(strlen(any) > 0);
    }
    g_autofree char *whole = table_format(table, true, false, 0);
    check_contains(whole, "kvm      the device is there but nobody may open it\n");
}

TEST(tables_are_csv_with_quotes_where_needed)
{
    g_autoptr(CliTable) table = sample("a,\"b\"");
    g_autofree char *text = table_csv(table, true);
    check_str(text, "id,name,uuid,state\r\n3,\"a,\"\"b\"\"\",u-1,running\r\n,b,,\r\n");
}

TEST(yaml_keeps_types_and_quotes_what_is_not_plain)
{
    static const struct {
        const char *json, *yaml;
    } cases[] = {
        { "{\"name\":\"web\",\"id\":3,\"on\":true,\"none\":null}",
          "name: web\nid: 3\n\"on\": true\nnone: null\n" },
        { "{\"a\":\"yes\",\"b\":\"1.5\",\"c\":\"\",\"d\":\"x: y\",\"e\":\"l1\\nl2\"}",
          "a: \"yes\"\nb: \"1.5\"\nc: \"\"\nd: \"x: y\"\ne: \"l1\\nl2\"\n" },
        { "[{\"name\":\"a\",\"disks\":[{\"t\":\"vda\"},{\"t\":\"vdb\"}]},{\"name\":\"b\",\"disks\":[]}]",
          "- name: a\n  disks:\n    - t: vda\n    - t: vdb\n- name: b\n  disks: []\n" },
        { "[]", "[]\n" },
        { "[[1,2],3]", "- - 1\n  - 2\n- 3\n" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        AUTO_JSON value = NULL;
        check_case(cases[i].json);
        check(json_parse(cases[i].json, strlen(cases[i].json), "case", &value, NULL));
        g_autofree char *text = yaml_format(value);
        check_str(text, cases[i].yaml);
    }
}

/* What a table prints with these settings; NULL: refused. */
static char *table_printed(CliFormat format, const char *columns_wanted, bool no_header)
{
    Cli cli;
    char *text = NULL;
    size_t len = 0;
    g_autoptr(Error) err = NULL;
    cli_init(&cli);
    cli_set_format(&cli, format);
    cli.columns = columns_wanted;
    cli.no_header = no_header;
    cli.out = open_memstream(&text, &len);
    bool ok = cli_print_table(&cli, sample("web"), &err);
    fclose(cli.out);
    if (!ok) {
        check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
        check_contains(error_hint_text(err), "id, name, uuid, state");
        g_clear_pointer(&text, free);
    }
    return text;
}

TEST(columns_can_be_chosen)
{
    static const struct {
        CliFormat format;
        const char *columns;
        bool no_header;
        const char *text;
    } cases[] = {
        { CLI_TEXT, "state,NAME", true, " running   web\n -         b\n" },
        { CLI_TEXT, "uuid", true, " u-1\n -\n" },
        { CLI_CSV, "name,id", false, "name,id\r\nweb,3\r\nb,\r\n" },
        { CLI_NAMES, NULL, false, "web\nb\n" },
        { CLI_YAML, "name", false, "- name: web\n- name: b\n" },
        { CLI_TEXT, "nosuch", false, NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = table_printed(cases[i].format, cases[i].columns, cases[i].no_header);
        if (cases[i].text)
            check_str(text, cases[i].text);
        else
            check(text == NULL);
    }
}
