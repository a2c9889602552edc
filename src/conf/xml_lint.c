/* Looks for mistakes in tables: what a compiler can't see. Run by the tests. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

typedef struct Lint {
    GString *out;
    GHashTable *seen; /* tables */
} Lint;

static void lint_rows(Lint *lint, const XmlTable *table, const XmlRow *rows, const char *where);

static void lint_table(Lint *lint, const XmlTable *table)
{
    if (!g_hash_table_add(lint->seen, (void *)table))
        return;
    if (!table->doc)
        g_string_append_printf(lint->out, "table %s: no doc\n", table->name);
    lint_rows(lint, table, table->rows, table->name);
}

static bool exclude_each_other(const XmlRow *a, const XmlRow *b)
{
    return a->when_mask && b->when_mask && a->when_offset == b->when_offset && !(a->when_mask & b->when_mask);
}

static bool is_attribute(const XmlRow *row)
{
    return row->node == XML_ATTR || row->node == XML_KEPT_ATTR;
}

static bool is_held(const XmlRow *row)
{
    return row->node == XML_HELD || row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT ||
           row->name[0] == '#';
}

/* The largest number that the field can hold. */
static uint64_t type_max(const XmlRow *row)
{
    switch ((XmlValueType)row->type) {
    case XML_VALUE_U8:
        return UINT8_MAX;
    case XML_VALUE_U16:
        return UINT16_MAX;
    case XML_VALUE_U32:
    case XML_VALUE_OPT_U32:
        return UINT32_MAX;
    case XML_VALUE_S32:
        return INT32_MAX;
    case XML_VALUE_OPT_S64:
        return INT64_MAX;
    default:
        return UINT64_MAX;
    }
}

static void lint_range(Lint *lint, const XmlRow *row, const char *where)
{
    if (!xml_row_is_number(row) || row->node == XML_HELD)
        return;
    bool is_signed = row->type == XML_VALUE_S32 || row->type == XML_VALUE_OPT_S64;
    bool above = is_signed ? (int64_t)row->min > (int64_t)row->max : row->min > row->max;
    if (!row->max)
        g_string_append_printf(lint->out, "%s/%s: a number without a range\n", where, row->name);
    else if (row->max > type_max(row) || above)
        g_string_append_printf(lint->out, "%s/%s: a range that the field can't hold\n", where, row->name);
}

static void lint_row(Lint *lint, const XmlTable *table, const XmlRow *row, const char *where)
{
    const char *at = row->name;
    if (!is_held(row) && !row->doc && row->node != XML_TEXT)
        g_string_append_printf(lint->out, "%s/%s: no doc\n", where, at);
    if (row->type == XML_VALUE_ENUM && !row->names)
        g_string_append_printf(lint->out, "%s/%s: enum without names\n", where, at);
    lint_range(lint, row, where);
    if (row->type == XML_VALUE_OTHER && !row->codec)
        g_string_append_printf(lint->out, "%s/%s: no codec\n", where, at);
    if ((row->node == XML_KEPT || row->node == XML_KEPT_ATTR) && !table->has_kept)
        g_string_append_printf(lint->out, "%s/%s: kept, but the table keeps nothing\n", where, at);
    if (row->node == XML_ATTR && row->type == XML_VALUE_POINTER)
        g_string_append_printf(lint->out, "%s/%s: a list can't be an attribute\n", where, at);
    if (row->names && row->type == XML_VALUE_ENUM) {
        for (unsigned i = 1; i < row->names->count; i++) {
            if (!row->names->names[i])
                g_string_append_printf(lint->out, "%s/%s: enum value %u has no name\n", where, at, i);
        }
    }
    for (const XmlRow *other = row + 1; other->node != XML_END; other++) {
        if (is_held(row) || is_held(other) || (row->flags & ROW_WRITE_ONLY) ||
            strcmp(row->name, other->name) != 0 || is_attribute(row) != is_attribute(other) ||
            exclude_each_other(row, other))
            continue;
        g_string_append_printf(lint->out, "%s/%s: two rows of this name\n", where, at);
    }
}

static void lint_rows(Lint *lint, const XmlTable *table, const XmlRow *rows, const char *where)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        lint_row(lint, table, row, where);
        if (row->table)
            lint_table(lint, row->table);
        if (row->rows) {
            g_autofree char *path = g_strdup_printf("%s/%s", where, row->name);
            lint_rows(lint, table, row->rows, path);
        }
    }
}

void xml_table_lint(const XmlTable *table, GString *out)
{
    Lint lint = { out, g_hash_table_new(NULL, NULL) };
    lint_table(&lint, table);
    g_hash_table_unref(lint.seen);
}
