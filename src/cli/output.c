/* Prints what commands found out, as text for people or as JSON for programs. Tables measure their cells in
 * columns of the terminal, not in bytes, and show control characters in names as harmless text. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/output.h"

#include <inttypes.h>
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
    if (cli->json && cli->collect) { /* one document of all, at the end */
        g_ptr_array_add(cli->collect, value);
        return;
    }
    if (cli->json) {
        g_autofree char *text = cli->format == CLI_YAML ? yaml_format(value) : json_format_pretty(value);
        fprintf(cli->out, "%s%s", text, cli->format == CLI_YAML ? "" : "\n");
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

void cli_say(Cli *cli, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (!cli->json)
        vfprintf(cli->out, format, ap);
    va_end(ap);
}

void cli_print_number(Cli *cli, const char *key, int64_t number, const char *text)
{
    if (cli->json)
        cli_print_json(cli, json_pack("{s:I}", key, (json_int_t)number));
    else if (text)
        fprintf(cli->out, "%s\n", text);
    else
        fprintf(cli->out, "%" PRId64 "\n", number);
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
    while (!n_columns && columns[table->n_columns].key)
        table->n_columns++;
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

#define GAP 3u        /* blanks behind each column */
#define COLUMN_MIN 8u /* no column is squeezed below that */

static const char *cell_text(const CliTable *table, unsigned row, unsigned column)
{
    const Cell *cell = table_at(table, row, column);
    return cell ? cell->text : "-";
}

/* Columns of the longest word of a cell. */
static unsigned longest_word(const char *text)
{
    unsigned longest = 0;
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    for (char **word = words; *word; word++)
        longest = MAX(longest, text_width(*word));
    return longest;
}

/* Makes the widest of the columns that are wider than their least width narrower, until all fit. */
static void squeeze(unsigned *widths, const unsigned *least, unsigned n, unsigned *total, unsigned width)
{
    while (*total > width) {
        unsigned widest = n;
        for (unsigned i = 0; i < n; i++) {
            if (widths[i] > least[i] && (widest == n || widths[i] > widths[widest]))
                widest = i;
        }
        if (widest == n)
            return;
        widths[widest]--;
        (*total)--;
    }
}

/* Widths of all columns, 0 for hidden ones. To fit into @width, sentences give way first, then words. */
static unsigned *table_widths(const CliTable *table, bool header, unsigned width)
{
    unsigned rows = table_length(table), total = 1, n = table->n_columns;
    unsigned *widths = g_new0(unsigned, n);
    g_autofree unsigned *words = g_new0(unsigned, n);
    g_autofree unsigned *least = g_new0(unsigned, n);
    for (unsigned i = 0; i < n; i++) {
        if (!table->columns[i].label)
            continue;
        widths[i] = words[i] = header ? text_width(table->columns[i].label) : 0;
        for (unsigned row = 0; row < rows; row++) {
            widths[i] = MAX(widths[i], text_width(cell_text(table, row, i)));
            words[i] = MAX(words[i], longest_word(cell_text(table, row, i)));
        }
        least[i] = COLUMN_MIN;
        total += widths[i] + GAP;
    }
    if (width) { /* the gap behind the last column takes no room */
        squeeze(widths, words, n, &total, width + GAP);
        squeeze(widths, least, n, &total, width + GAP);
    }
    return widths;
}

/* Bytes of @text that go on a line of @width columns: up to a blank, or behind a sign at which paths and
 * addresses may be broken, or as much as there is room for. *ret_skip: blanks that vanish there. */
static size_t wrap_at(const char *text, unsigned width, size_t *ret_skip)
{
    unsigned column = 0;
    const char *p = text, *good = NULL;
    *ret_skip = 0;
    for (; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        unsigned wide = g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
        if (c == ' ' && column)
            good = p;
        if (column + wide > width)
            break;
        column += wide;
        if (c < 128 && strchr("/,:;=-", (int)c) && column * 2 > width)
            good = p + 1;
    }
    if (!*p)
        return (size_t)(p - text);
    if (!good)
        return (size_t)(MAX(p, g_utf8_next_char(text)) - text);
    *ret_skip = strspn(good, " ");
    return (size_t)(good - text);
}

/* One row, in as many lines as its longest cell needs. */
static void append_row(GString *out, const CliTable *table, unsigned row, const unsigned *widths, bool color)
{
    g_autofree const char **rest = g_new0(const char *, table->n_columns);
    bool more = true;
    for (unsigned i = 0; i < table->n_columns; i++)
        rest[i] = widths[i] ? cell_text(table, row, i) : "";
    for (bool first = true; more; first = false) {
        more = false;
        g_string_append_c(out, ' ');
        for (unsigned i = 0; i < table->n_columns; i++) {
            size_t skip = 0;
            if (!table->columns[i].label)
                continue;
            size_t len = wrap_at(rest[i], MAX(widths[i], 1u), &skip);
            g_autofree char *part = g_strndup(rest[i], len);
            append_cell(out, part, widths[i] + GAP, color && first ? cell_color(part) : NULL);
            rest[i] += len + skip;
            more = more || *rest[i];
        }
        trim_right(out);
        g_string_append_c(out, '\n');
    }
}

char *table_format(const CliTable *table, bool header, bool color, unsigned width)
{
    unsigned rows = table_length(table), total = 1;
    g_autofree unsigned *widths = table_widths(table, header, width);
    GString *out = g_string_new(NULL);
    /* The rule is as long as the names where people look, else as wide as the table, as in virsh. */
    unsigned names = 0;
    for (unsigned i = 0; i < table->n_columns; i++) {
        names = table->columns[i].label ? total + text_width(table->columns[i].label) : names;
        total += table->columns[i].label ? widths[i] + GAP : 0;
    }
    if (header) {
        g_string_append_c(out, ' ');
        for (unsigned i = 0; i < table->n_columns; i++) {
            if (table->columns[i].label)
                append_cell(out, table->columns[i].label, widths[i] + GAP, color ? BOLD : NULL);
        }
        trim_right(out);
        g_string_append_c(out, '\n');
        for (unsigned i = 0; i < (width ? names : total); i++)
            g_string_append_c(out, '-');
        g_string_append_c(out, '\n');
    }
    for (unsigned row = 0; row < rows; row++)
        append_row(out, table, row, widths, color);
    return g_string_free(out, FALSE);
}

/* ---- other formats ---- */

static void append_csv(GString *out, const char *text, bool last)
{
    bool quote = strpbrk(text, ",\"\r\n") != NULL;
    g_string_append(out, quote ? "\"" : "");
    for (; *text; text++)
        g_string_append_printf(out, *text == '"' ? "\"\"" : "%c", *text);
    g_string_append(out, quote ? "\"" : "");
    g_string_append(out, last ? "\r\n" : ",");
}

char *table_csv(const CliTable *table, bool header)
{
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; header && i < table->n_columns; i++)
        append_csv(out, table->columns[i].key, i + 1 == table->n_columns);
    for (unsigned row = 0; row < table_length(table); row++) {
        for (unsigned i = 0; i < table->n_columns; i++) {
            const Cell *cell = table_at(table, row, i);
            const Json *value = cell ? cell->value : NULL;
            g_autofree char *number =
                json_is_string(value) || !value || json_is_null(value) ? NULL : json_format(value);
            const char *text = json_is_string(value) ? json_string_value(value) : number ? number : "";
            append_csv(out, text, i + 1 == table->n_columns);
        }
    }
    return g_string_free(out, FALSE);
}

/* Text that YAML would take for nothing but a string. */
static bool yaml_is_plain(const char *text)
{
    static const char *const taken[] = { "true", "false", "null", "yes", "no", "on", "off", "~", "y", "n" };
    for (size_t i = 0; i < G_N_ELEMENTS(taken); i++) {
        if (g_ascii_strcasecmp(taken[i], text) == 0)
            return false;
    }
    if (!g_ascii_isalpha(text[0]) && text[0] != '/')
        return false;
    size_t len = strlen(text);
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+/.() ")] ==
               0 &&
           text[len - 1] != ' ';
}

static void append_yaml(GString *out, const Json *value, unsigned indent, bool in_list);

static void append_yaml_scalar(GString *out, const Json *value)
{
    const char *text = json_string_value(value);
    g_autofree char *quoted = text && yaml_is_plain(text) ? NULL : json_format(value); /* JSON is YAML */
    g_string_append_printf(out, "%s\n", quoted ? quoted : text);
}

static void append_yaml_member(GString *out, const Json *value, unsigned indent)
{
    bool nested = (json_is_object(value) && json_object_size(value)) ||
                  (json_is_array(value) && json_array_size(value));
    g_string_append(out, nested ? "\n" : " ");
    if (nested)
        append_yaml(out, value, indent, false);
    else
        append_yaml_scalar(out, value);
}

static void append_yaml(GString *out, const Json *value, unsigned indent, bool in_list)
{
    const char *key;
    Json *member;
    size_t index;
    if (json_is_object(value) && json_object_size(value)) {
        json_object_foreach ((Json *)value, key, member) {
            AUTO_JSON name = json_string(key);
            g_string_append_printf(out, "%*s", in_list ? 0 : (int)indent, "");
            in_list = false;
            append_yaml_scalar(out, name);
            out->str[out->len - 1] = ':';
            append_yaml_member(out, member, indent + 2);
        }
    } else if (json_is_array(value) && json_array_size(value)) {
        json_array_foreach ((Json *)value, index, member) {
            g_string_append_printf(out, "%*s- ", in_list && index == 0 ? 0 : (int)indent, "");
            append_yaml(out, member, indent + 2, true);
        }
    } else {
        append_yaml_scalar(out, value);
    }
}

char *yaml_format(const Json *value)
{
    GString *out = g_string_new(NULL);
    append_yaml(out, value, 0, false);
    return g_string_free(out, FALSE);
}

/* ---- --columns ---- */

static int column_find(const CliTable *table, const char *name)
{
    for (unsigned i = 0; i < table->n_columns; i++) {
        const CliColumn *column = &table->columns[i];
        if ((column->label && g_ascii_strcasecmp(column->label, name) == 0) ||
            (column->key && g_ascii_strcasecmp(column->key, name) == 0))
            return (int)i;
    }
    return -1;
}

static bool unknown_column(const CliTable *table, const char *name, Error **err)
{
    GString *known = g_string_new(NULL);
    for (unsigned i = 0; i < table->n_columns; i++)
        g_string_append_printf(known, "%s%s", i ? ", " : "", table->columns[i].key);
    error_set(err, ERROR_INVALID_ARGUMENT, "there is no column '%s'", name);
    error_hint(err, "columns are %s", known->str);
    g_string_free(known, TRUE);
    return false;
}

/* The same table with the wanted columns only, in the wanted order; NULL with @err. @wanted: separated by
 * commas. */
static CliTable *table_select(const CliTable *table, const char *wanted, CliColumn **ret_columns, Error **err)
{
    g_auto(GStrv) names = g_strsplit(wanted, ",", -1);
    unsigned n = g_strv_length(names);
    g_autofree int *indexes = g_new(int, n + 1);
    g_autofree CliColumn *columns = g_new0(CliColumn, n + 1);
    for (unsigned i = 0; i < n; i++) {
        indexes[i] = column_find(table, g_strstrip(names[i]));
        if (indexes[i] < 0) {
            unknown_column(table, names[i], err);
            return NULL;
        }
        columns[i] = table->columns[indexes[i]];
        if (!columns[i].label)
            columns[i].label = columns[i].key;
    }
    CliTable *result = table_new(columns, n);
    for (unsigned row = 0; row < table_length(table); row++) {
        table_row(result);
        for (unsigned i = 0; i < n; i++) {
            const Cell *cell = table_at(table, row, (unsigned)indexes[i]);
            table_cell(result, cell ? json_incref(cell->value) : json_null(), "%s", cell ? cell->text : "-");
        }
    }
    *ret_columns = g_steal_pointer(&columns);
    return result;
}

/* The column that names the rows. */
static void print_names(Cli *cli, const CliTable *table)
{
    int column = column_find(table, "name");
    for (unsigned row = 0; row < table_length(table); row++)
        fprintf(cli->out, "%s\n", cell_text(table, row, column < 0 ? 0 : (unsigned)column));
}

bool cli_print_table(Cli *cli, CliTable *table, Error **err)
{
    g_autofree CliColumn *columns = NULL;
    g_autoptr(CliTable) owned = table;
    if (cli->columns) {
        CliTable *selected = table_select(table, cli->columns, &columns, err);
        if (!selected)
            return false;
        table_free(owned);
        owned = table = selected;
    }
    bool header = !cli->quiet && !cli->no_header;
    if (cli->json) {
        cli_print_json(cli, table_json(table));
    } else if (cli->format == CLI_NAMES) {
        print_names(cli, table);
    } else {
        g_autofree char *text = cli->format == CLI_CSV ? table_csv(table, header)
                                                       : table_format(table, header, cli->color, cli->width);
        fputs(text, cli->out);
    }
    return true;
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

static char *printable(const char *text, bool keeps_lines)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_sized_new(strlen(valid));
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        /* also the C1 controls, which some terminals act on, and marks that turn the direction of text */
        if (keeps_lines && (c == '\n' || c == '\t'))
            g_string_append_c(out, (char)c);
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            g_string_append_printf(out, "\\x%02x", c);
        else if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
            g_string_append_printf(out, "\\u%04x", c);
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

char *text_printable(const char *text)
{
    return printable(text, false);
}

char *text_printable_lines(const char *text)
{
    return printable(text, true);
}

void cli_print_wrapped(FILE *out, const char *text, unsigned indent, unsigned column, unsigned width)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    unsigned limit = width ? width : 78;
    for (char **word = words; *word; word++) {
        unsigned wide = text_width(*word);
        if (word != words && column + 1 + wide > limit) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (word != words) {
            fputc(' ', out);
            column++;
        }
        fputs(*word, out);
        column += wide;
    }
    fputc('\n', out);
}

static char *size_text(uint64_t bytes, int digits)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    return g_strdup_printf("%.*f %s", digits, value, units[unit]);
}

char *human_size(uint64_t bytes)
{
    return size_text(bytes, 3);
}

char *short_size(uint64_t bytes)
{
    return size_text(bytes, 2);
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
