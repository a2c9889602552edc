/* What is set in a document and not acted on yet. A start asks, so that nothing is ignored in silence. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

typedef struct Gaps {
    XmlDiffFunc func;
    void *arg;
    GString *path;
    bool stop;
} Gaps;

XmlEffect xml_row_effect(const XmlRow *row)
{
    bool is_kept = row->node == XML_KEPT || row->node == XML_KEPT_ATTR;
    return row->effect == XML_EFFECT_DEFAULT && is_kept ? XML_EFFECT_NOT_YET : row->effect;
}

static bool stops_start(const XmlRow *row)
{
    const XmlEffect effect = xml_row_effect(row);
    return effect == XML_EFFECT_NOT_YET || effect == XML_EFFECT_REFUSED;
}

static const char *row_name(const XmlRow *row)
{
    return strcmp(row->name, "#backing") == 0 ? "backingStore" : row->name;
}

/* Returns the length to truncate the path to. @index: position in a list; -1: no list. */
static size_t descend(Gaps *gaps, const XmlRow *row, int index)
{
    size_t len = gaps->path->len;
    bool is_attr = row->node == XML_ATTR || row->node == XML_KEPT_ATTR;
    if (row->node == XML_TEXT || row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT)
        return len;
    g_string_append(gaps->path, len ? "/" : ""); /* no printf(): every element that is set comes by */
    g_string_append(gaps->path, is_attr ? "@" : "");
    g_string_append(gaps->path, row_name(row));
    if (index >= 0)
        g_string_append_printf(gaps->path, "[%d]", index + 1);
    return len;
}

static void report(Gaps *gaps, const XmlRow *row, int index)
{
    size_t len = descend(gaps, row, index);
    gaps->stop = gaps->stop || !gaps->func(gaps->arg, gaps->path->str, row);
    g_string_truncate(gaps->path, len);
}

static bool value_is_default(const XmlRow *row, const void *base)
{
    if (!xml_value_is_set(row, base))
        return true;
    if (!row->fallback)
        return false;
    g_autoptr(GString) text = g_string_new(NULL);
    return xml_value_write(row, base, 0, text) && strcmp(text->str, row->fallback) == 0;
}

static bool value_is_gap(const XmlRow *row, const void *base)
{
    return row->gap_mask && row->gap_mask & BIT(*(const uint8_t *)xml_field_const(row, base));
}

static void find_in_table(Gaps *gaps, const XmlTable *table, const void *object);
static void find_in_rows(Gaps *gaps, const XmlRow *rows, const void *base);

static void find_in_object(Gaps *gaps, const XmlRow *row, const void *object, int index)
{
    if (!object)
        return;
    if (stops_start(row)) {
        report(gaps, row, index);
        return;
    }
    size_t len = descend(gaps, row, index);
    find_in_table(gaps, row->table, object);
    g_string_truncate(gaps->path, len);
}

static void find_in_group(Gaps *gaps, const XmlRow *row, const void *base)
{
    if (row->has_field && !xml_value_is_set(row, base))
        return;
    if (stops_start(row)) {
        report(gaps, row, -1);
        return;
    }
    size_t len = descend(gaps, row, -1);
    find_in_rows(gaps, row->rows, base);
    g_string_truncate(gaps->path, len);
}

static void find_in_row(Gaps *gaps, const XmlRow *row, const void *base)
{
    const void *field = xml_field_const(row, base);
    switch ((XmlNodeKind)row->node) {
    case XML_GROUP:
        find_in_group(gaps, row, base);
        return;
    case XML_EMBED:
    case XML_INCLUDE:
        find_in_object(gaps, row, field, -1);
        return;
    case XML_OBJECT:
    case XML_INCLUDE_OBJECT:
        find_in_object(gaps, row, *(void *const *)field, -1);
        return;
    case XML_LIST: {
        const GPtrArray *list = *(GPtrArray *const *)field;
        for (unsigned i = 0; list && i < list->len && !gaps->stop; i++)
            find_in_object(gaps, row, g_ptr_array_index(list, i), (int)i);
        return;
    }
    case XML_ATTR:
    case XML_TEXT:
    case XML_CHILD:
    case XML_FLAG:
    case XML_VERBATIM:
        if (stops_start(row) ? !value_is_default(row, base) : value_is_gap(row, base))
            report(gaps, row, -1);
        return;
    case XML_CUSTOM: /* the fields have rows of their own */
    case XML_HELD:
    case XML_KEPT: /* found through the struct that keeps them */
    case XML_KEPT_ATTR:
    case XML_END:
        return;
    }
}

static void find_in_rows(Gaps *gaps, const XmlRow *rows, const void *base)
{
    for (const XmlRow *row = rows; row->node != XML_END && !gaps->stop; row++) {
        if (xml_row_applies(row, base) && !(row->flags & ROW_LIVE) &&
            xml_row_effect(row) != XML_EFFECT_HARMLESS)
            find_in_row(gaps, row, base);
    }
}

static void find_in_table(Gaps *gaps, const XmlTable *table, const void *object)
{
    find_in_rows(gaps, table->rows, object);
    for (const Kept *kept = table->has_kept ? *xml_kept_field(table, object) : NULL; kept && !gaps->stop;
         kept = kept->next) {
        if (kept->row && !(kept->row->flags & ROW_LIVE) && stops_start(kept->row))
            report(gaps, kept->row, -1);
    }
}

void xml_table_find_gaps(const XmlTable *table, const void *object, XmlDiffFunc func, void *arg)
{
    Gaps gaps = { .func = func, .arg = arg, .path = g_string_new(NULL) };
    find_in_table(&gaps, table, object);
    g_string_free(gaps.path, TRUE);
}

/* ---- all of them ---- */

typedef struct GapList {
    GString *out;
    GHashTable *seen; /* tables */
} GapList;

static void list_rows(GapList *list, const XmlRow *rows, const char *where);

static void list_table(GapList *list, const XmlTable *table)
{
    if (g_hash_table_add(list->seen, (void *)table))
        list_rows(list, table->rows, table->name);
}

static void list_rows(GapList *list, const XmlRow *rows, const char *where)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        XmlEffect effect = row->flags & ROW_LIVE ? XML_EFFECT_HARMLESS : xml_row_effect(row);
        bool is_attr = row->node == XML_ATTR || row->node == XML_KEPT_ATTR;
        if (effect == XML_EFFECT_NOT_YET)
            g_string_append_printf(list->out, "%s/%s%s\n", where, is_attr ? "@" : "", row->name);
        for (unsigned i = 0; row->gap_mask && !row->refused && i < row->names->count; i++) {
            if (row->gap_mask & BIT(i))
                g_string_append_printf(list->out, "%s/%s%s='%s'\n", where, is_attr ? "@" : "", row->name,
                                       row->names->names[i]);
        }
        if (effect != XML_EFFECT_DEFAULT)
            continue;
        if (row->table)
            list_table(list, row->table);
        if (row->rows) {
            g_autofree char *path = g_strdup_printf("%s/%s", where, row->name);
            list_rows(list, row->rows, path);
        }
    }
}

void xml_gaps_write(const XmlTable *table, GString *out)
{
    GapList list = { out, g_hash_table_new(NULL, NULL) };
    list_table(&list, table);
    g_hash_table_unref(list.seen);
}

/* ---- one of them ---- */

static const XmlRow *find_row(const XmlRow *rows, const char *name)
{
    for (const XmlRow *row = rows; row && row->node != XML_END; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

bool xml_table_acts_on(const XmlTable *table, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    const XmlRow *rows = table->rows;
    for (unsigned i = 0; parts[i]; i++) {
        const XmlRow *row = find_row(rows, parts[i]);
        g_assert(row != NULL);
        if (xml_row_effect(row) != XML_EFFECT_DEFAULT)
            return false;
        rows = row->rows ? row->rows : row->table ? row->table->rows : NULL;
    }
    return true;
}
