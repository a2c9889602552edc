/* Prints what commands found out, as text for people or as JSON for programs. Tables measure their cells in
 * columns of the terminal, not in bytes, and show control characters in names as harmless text. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/output.h"

#include <string.h>

#define BOLD "\033[1m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define RED "\033[31m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

typedef struct Cell {
    char *text;
    Json *value;
} Cell;

struct CliTable {
    const CliColumn *columns;
    unsigned n_columns;
    GArray *cells; /* row by row */
};

typedef struct Line {
    char *label;
    char *key;
    char *text;
    Json *value;
} Line;

struct CliRecord {
    unsigned label_width;
    GArray *lines;
};

void cli_print_json(Cli *cli, Json *value)
{
    if (cli->json) {
        g_autofree char *text = json_format_pretty(value);
        fprintf(cli->out, "%s\n", text);
    }
    json_decref(value);
}

/* A string of JSON whatever the bytes are. */
static Json *string_json(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

void cli_message(Cli *cli, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    if (cli->quiet)
        return;
    if (cli->json)
        cli_print_json(cli, json_pack("{s:o}", "message", string_json(text)));
    else
        fprintf(cli->out, "%s\n", text);
}

void cli_print_value(Cli *cli, const char *key, const char *text)
{
    cli_print_text(cli, key, text);
}

void cli_print_text(Cli *cli, const char *key, const char *text)
{
    if (cli->json) {
        cli_print_json(cli, json_pack("{s:o}", key, string_json(text)));
        return;
    }
    size_t len = strlen(text);
    fputs(text, cli->out);
    if (len == 0 || text[len - 1] != '\n')
        fputc('\n', cli->out);
}

/* ---- records ---- */

static void line_clear(void *data)
{
    Line *line = data;
    g_free(line->label);
    g_free(line->key);
    g_free(line->text);
    json_decref(line->value);
}

CliRecord *record_new(unsigned label_width)
{
    CliRecord *record = g_new0(CliRecord, 1);
    record->label_width = label_width;
    record->lines = g_array_new(FALSE, TRUE, sizeof(Line));
    g_array_set_clear_func(record->lines, line_clear);
    return record;
}

void record_add(CliRecord *record, const char *label, const char *key, Json *value, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    Line line = { .label = g_strdup(label), .key = g_strdup(key), .value = value };
    line.text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_array_append_val(record->lines, line);
}

static Json *record_json(const CliRecord *record)
{
    Json *object = json_object();
    for (unsigned i = 0; i < record->lines->len; i++) {
        const Line *line = &g_array_index(record->lines, Line, i);
        if (line->key)
            json_object_set_new(object, line->key,
                                line->value ? json_incref(line->value) : string_json(line->text));
    }
    return object;
}

Json *record_take_json(CliRecord *record)
{
    Json *object = record_json(record);
    record_free(record);
    return object;
}

void cli_print_record(Cli *cli, CliRecord *record)
{
    if (cli->json)
        cli_print_json(cli, record_json(record));
    for (unsigned i = 0; !cli->json && i < record->lines->len; i++) {
        const Line *line = &g_array_index(record->lines, Line, i);
        if (!line->label)
            continue;
        g_autofree char *text = text_printable(line->text);
        int padding = (int)record->label_width - (int)text_width(line->label);
        fprintf(cli->out, "%s%*s%s\n", line->label, MAX(padding, 0), "", text);
    }
    record_free(record);
}

void record_free(CliRecord *record)
{
    if (!record)
        return;
    g_array_unref(record->lines);
    g_free(record);
}

/* ---- tables ---- */

static void cell_clear(void *data)
{
    Cell *cell = data;
    g_free(cell->text);
    json_decref(cell->value);
}

CliTable *table_new(const CliColumn *columns, unsigned n_columns)
{
    CliTable *table = g_new0(CliTable, 1);
    table->columns = columns;
    table->n_columns = n_columns;
    table->cells = g_array_new(FALSE, TRUE, sizeof(Cell));
    g_array_set_clear_func(table->cells, cell_clear);
    return table;
}

/* Cells that a row left out show as "-". */
void table_row(CliTable *table)
{
    while (table->cells->len % table->n_columns)
        table_cell_text(table, NULL);
}

void table_cell(CliTable *table, Json *value, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    Cell cell = { .text = text_printable(text), .value = value ? value : string_json(text) };
    g_array_append_val(table->cells, cell);
}

void table_cell_text(CliTable *table, const char *text)
{
    if (text)
        table_cell(table, NULL, "%s", text);
    else
        table_cell(table, json_null(), "-");
}

unsigned table_length(const CliTable *table)
{
    return (table->cells->len + table->n_columns - 1) / table->n_columns;
}

static const Cell *table_at(const CliTable *table, unsigned row, unsigned column)
{
    unsigned index = row * table->n_columns + column;
    return index < table->cells->len ? &g_array_index(table->cells, Cell, index) : NULL;
}

Json *table_json(const CliTable *table)
{
    Json *array = json_array();
    for (unsigned row = 0; row < table_length(table); row++) {
        Json *object = json_object();
        for (unsigned i = 0; i < table->n_columns; i++) {
            const Cell *cell = table_at(table, row, i);
            if (table->columns[i].key)
                json_object_set_new(object, table->columns[i].key,
                                    cell ? json_incref(cell->value) : json_null());
        }
        json_array_append_new(array, object);
    }
    return array;
}

/* States and verdicts have a colour wherever they stand in a table. */
static const char *cell_color(const char *text)
{
    static const struct {
        const char *text;
        const char *color;
    } colors[] = {
        { "running", GREEN }, { "active", GREEN }, { "ok", GREEN },       { "paused", YELLOW },
        { "warn", YELLOW },   { "saved", YELLOW }, { "warning", YELLOW }, { "pmsuspended", YELLOW },
        { "crashed", RED },   { "failed", RED },   { "fail", RED },       { "shut off", DIM },
        { "inactive", DIM },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(colors); i++) {
        if (strcmp(colors[i].text, text) == 0)
            return colors[i].color;
    }
    return NULL;
}

static void append_cell(GString *out, const char *text, unsigned width, const char *color)
{
    if (color)
        g_string_append(out, color);
    g_string_append(out, text);
    if (color)
        g_string_append(out, PLAIN);
    for (unsigned i = text_width(text); i < width; i++)
        g_string_append_c(out, ' ');
}

static void trim_right(GString *out)
{
    while (out->len && out->str[out->len - 1] == ' ')
        g_string_truncate(out, out->len - 1);
}

char *table_format(const CliTable *table, bool header, bool color)
{
    unsigned rows = table_length(table), total = 1;
    g_autofree unsigned *widths = g_new0(unsigned, table->n_columns);
    for (unsigned i = 0; i < table->n_columns; i++) {
        if (!table->columns[i].label)
            continue;
        widths[i] = header ? text_width(table->columns[i].label) : 0;
        for (unsigned row = 0; row < rows; row++) {
            const Cell *cell = table_at(table, row, i);
            widths[i] = MAX(widths[i], text_width(cell ? cell->text : "-"));
        }
        total += widths[i] + 3;
    }
    GString *out = g_string_new(NULL);
    if (header) {
        g_string_append_c(out, ' ');
        for (unsigned i = 0; i < table->n_columns; i++) {
            if (table->columns[i].label)
                append_cell(out, table->columns[i].label, widths[i] + 3, color ? BOLD : NULL);
        }
        trim_right(out);
        g_string_append_c(out, '\n');
        for (unsigned i = 0; i < total; i++)
            g_string_append_c(out, '-');
        g_string_append_c(out, '\n');
    }
    for (unsigned row = 0; row < rows; row++) {
        g_string_append_c(out, ' ');
        for (unsigned i = 0; i < table->n_columns; i++) {
            if (!table->columns[i].label)
                continue;
            const Cell *cell = table_at(table, row, i);
            const char *text = cell ? cell->text : "-";
            append_cell(out, text, widths[i] + 3, color ? cell_color(text) : NULL);
        }
        trim_right(out);
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

void cli_print_table(Cli *cli, CliTable *table)
{
    if (cli->json) {
        cli_print_json(cli, table_json(table));
    } else {
        g_autofree char *text = table_format(table, !cli->quiet, cli->color);
        fputs(text, cli->out);
    }
    table_free(table);
}

void table_free(CliTable *table)
{
    if (!table)
        return;
    g_array_unref(table->cells);
    g_free(table);
}

/* ---- text ---- */

unsigned text_width(const char *text)
{
    unsigned width = 0;
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char_validated(p, -1);
        if (c == (gunichar)-1 || c == (gunichar)-2)
            return (unsigned)strlen(text);
        if (!g_unichar_iszerowidth(c))
            width += g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

char *text_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_sized_new(strlen(valid));
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        /* also the C1 controls, which some terminals act on, and marks that turn the direction of text */
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            g_string_append_printf(out, "\\x%02x", c);
        else if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
            g_string_append_printf(out, "\\u%04x", c);
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

char *human_size(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    return g_strdup_printf("%.3f %s", value, units[unit]);
}

Json *param_json(const WireTypedParam *param)
{
    const WireTypedParamValue *v = &param->value;
    switch (v->type) {
    case VIR_TYPED_PARAM_INT:
        return json_integer(v->i);
    case VIR_TYPED_PARAM_UINT:
        return json_integer(v->ui);
    case VIR_TYPED_PARAM_LLONG:
        return json_integer(v->l);
    case VIR_TYPED_PARAM_ULLONG:
        /* JSON readers agree on 64 bits with a sign only */
        if (v->ul > INT64_MAX)
            return json_real((double)v->ul);
        return json_integer((json_int_t)v->ul);
    case VIR_TYPED_PARAM_DOUBLE:
        return json_real(v->d);
    case VIR_TYPED_PARAM_BOOLEAN:
        return json_boolean(v->b);
    case VIR_TYPED_PARAM_STRING:
        return string_json(v->s ? v->s : "");
    default:
        return json_null();
    }
}
