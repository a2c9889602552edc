/* The reference manual from tables: one section for each table, one line for each attribute or element. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

typedef struct Manual {
    GString *out;
    GHashTable *seen;
    GPtrArray *queue;
} Manual;

static void enqueue(Manual *manual, const XmlTable *table)
{
    if (g_hash_table_add(manual->seen, (void *)table))
        g_ptr_array_add(manual->queue, (void *)table);
}

static const char *type_text(const XmlRow *row)
{
    if (row->unit != XML_UNIT_NONE)
        return "size with unit";
    switch ((XmlValueType)row->type) {
    case XML_VALUE_STRING:
        return "text";
    case XML_VALUE_BOOL:
        return "yes or no";
    case XML_VALUE_S32:
    case XML_VALUE_OPT_S64:
        return "integer";
    case XML_VALUE_UUID:
        return "UUID";
    case XML_VALUE_MAC:
        return "MAC address";
    case XML_VALUE_CPUSET:
        return "list of numbers";
    case XML_VALUE_OTHER:
    case XML_VALUE_NONE:
    case XML_VALUE_POINTER:
        return "text";
    default:
        return "number";
    }
}

static void manual_values(Manual *manual, const XmlRow *row)
{
    if (row->type != XML_VALUE_ENUM) {
        g_string_append_printf(manual->out, " (%s)", type_text(row));
        return;
    }
    g_string_append(manual->out, " (");
    const char *separator = "";
    for (unsigned i = 0; i < row->names->count; i++) {
        if (!row->names->names[i])
            continue;
        g_string_append_printf(manual->out, "%s`%s`", separator, row->names->names[i]);
        if (row->gap_mask & BIT(i))
            g_string_append(manual->out, " *(not yet)*");
        separator = ", ";
    }
    g_string_append_c(manual->out, ')');
}

static void manual_notes(Manual *manual, const XmlRow *row)
{
    if (row->flags & ROW_REQUIRED)
        g_string_append(manual->out, " Required.");
    if (row->fallback)
        g_string_append_printf(manual->out, " Default: %s.", row->fallback);
    if (row->flags & ROW_LIVE)
        g_string_append(manual->out, " Running machines only.");
    if (row->flags & ROW_SECRET)
        g_string_append(manual->out, " Secret.");
    if (row->flags & ROW_CHANGEABLE)
        g_string_append(manual->out, " Can change while the machine runs.");
    if (row->max)
        g_string_append_printf(manual->out, " At most %" G_GUINT64_FORMAT ".", row->max);
    if (xml_row_effect(row) == XML_EFFECT_NOT_YET)
        g_string_append(manual->out, " *Kept, but not acted on yet: a machine that sets it does not start.*");
    if (xml_row_effect(row) == XML_EFFECT_HARMLESS)
        g_string_append(manual->out, " *Kept; nothing acts on it.*");
    if (row->when_mask)
        g_string_append(manual->out, " Depends on the type.");
    g_string_append_c(manual->out, '\n');
}

static void manual_rows(Manual *manual, const XmlRow *rows, unsigned depth);

static void manual_row(Manual *manual, const XmlRow *row, unsigned depth)
{
    GString *out = manual->out;
    bool hidden = row->node == XML_HELD || row->flags & ROW_WRITE_ONLY ||
                  (row->name[0] == '#' && row->node != XML_TEXT && row->node != XML_INCLUDE &&
                   row->node != XML_INCLUDE_OBJECT);
    if (hidden)
        return;
    if (row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT) {
        xml_indent(depth * 2, out);
        g_string_append_printf(out, "- and what [%s](#%s) has\n", row->table->name, row->table->name);
        enqueue(manual, row->table);
        return;
    }
    xml_indent(depth * 2, out);
    if (row->node == XML_ATTR || row->node == XML_KEPT_ATTR)
        g_string_append_printf(out, "- `%s=`", row->name);
    else if (row->node == XML_TEXT)
        g_string_append(out, "- text");
    else
        g_string_append_printf(out, "- `<%s%s>`", row->prefix ?: "", row->name);
    if (row->node == XML_ATTR || row->node == XML_TEXT || row->node == XML_CHILD)
        manual_values(manual, row);
    if (row->doc)
        g_string_append_printf(out, ": %s.", row->doc);
    if (row->table && row->node != XML_CUSTOM) {
        g_string_append_printf(out, " See [%s](#%s).", row->table->name, row->table->name);
        enqueue(manual, row->table);
    }
    manual_notes(manual, row);
    if (row->rows)
        manual_rows(manual, row->rows, depth + 1);
    else if (row->custom && row->custom->schema_rows && !row->table)
        manual_rows(manual, row->custom->schema_rows, depth + 1);
}

static void manual_rows(Manual *manual, const XmlRow *rows, unsigned depth)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++)
        manual_row(manual, row, depth);
}

void xml_manual_write(const XmlTable *table, const char *root_name, GString *out)
{
    Manual manual = { out, g_hash_table_new(NULL, NULL), g_ptr_array_new() };
    g_string_append_printf(out,
                           "<!-- Generated from the tables in src/conf. -->\n"
                           "# The <%s> document\n\n"
                           "Every element and attribute, in the order in which documents are written.\n",
                           root_name);
    enqueue(&manual, table);
    for (unsigned i = 0; i < manual.queue->len; i++) {
        const XmlTable *next = g_ptr_array_index(manual.queue, i);
        g_string_append_printf(out, "\n## %s\n\n%s\n\n", next->name, next->doc ?: "");
        manual_rows(&manual, next->rows, 0);
    }
    g_ptr_array_unref(manual.queue);
    g_hash_table_unref(manual.seen);
}
