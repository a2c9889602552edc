/* Making, copying, comparing and freeing the structs behind tables. The rows know every pointer. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

void *xml_table_new(const XmlTable *table)
{
    void *object = g_malloc0(table->size);
    if (table->init)
        table->init(object);
    return object;
}

GPtrArray *xml_list_new(const XmlTable *table)
{
    return g_ptr_array_new();
}

/* ---- free ---- */

static void kept_free(Kept *kept)
{
    while (kept) {
        Kept *next = kept->next;
        g_free(kept->text);
        g_free(kept);
        kept = next;
    }
}

void xml_list_free(const XmlTable *table, GPtrArray *list)
{
    if (!list)
        return;
    for (unsigned i = 0; i < list->len; i++)
        xml_table_free(table, g_ptr_array_index(list, i));
    g_ptr_array_free(list, TRUE);
}

static void release(const XmlTable *table, void *object);

static void clear_rows(const XmlRow *rows, void *base)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        void *field = xml_field(row, base);
        switch ((XmlNodeKind)row->node) {
        case XML_GROUP:
            clear_rows(row->rows, base);
            break;
        case XML_EMBED:
        case XML_INCLUDE:
            release(row->table, field);
            break;
        case XML_OBJECT:
        case XML_INCLUDE_OBJECT:
            xml_table_free(row->table, *(void **)field);
            *(void **)field = NULL;
            break;
        case XML_LIST:
            xml_list_free(row->table, *(GPtrArray **)field);
            *(GPtrArray **)field = NULL;
            break;
        default:
            if (row->has_field)
                xml_value_clear(row, base);
            break;
        }
    }
}

/* Frees what @object owns. Its other fields stay: a second table may describe more of the same struct. */
static void release(const XmlTable *table, void *object)
{
    clear_rows(table->rows, object);
    if (table->has_kept)
        g_clear_pointer(xml_kept_field(table, object), kept_free);
}

static void xml_table_clear(const XmlTable *table, void *object)
{
    release(table, object);
    memset(object, 0, table->size);
}

void xml_table_free(const XmlTable *table, void *object)
{
    if (!object)
        return;
    xml_table_clear(table, object);
    g_free(object);
}

void xml_list_remove(const XmlTable *table, GPtrArray **list, unsigned index)
{
    xml_table_free(table, g_ptr_array_index(*list, index));
    g_ptr_array_remove_index(*list, index);
    if ((*list)->len == 0) {
        g_ptr_array_free(*list, TRUE);
        *list = NULL;
    }
}

/* ---- copy ---- */

static void copy_into(const XmlTable *table, void *dest, const void *src);

static Kept *kept_copy(const Kept *kept)
{
    Kept *first = NULL, **end = &first;
    for (; kept; kept = kept->next) {
        *end = g_new0(Kept, 1);
        (*end)->row = kept->row;
        (*end)->text = g_strdup(kept->text);
        end = &(*end)->next;
    }
    return first;
}

static GPtrArray *list_copy(const XmlTable *table, const GPtrArray *list)
{
    GPtrArray *copy = xml_list_new(table);
    for (unsigned i = 0; i < list->len; i++)
        g_ptr_array_add(copy, xml_table_copy(table, g_ptr_array_index(list, i)));
    return copy;
}

/* @dest is a flat copy of @src: each pointer that is still the same is replaced by a copy of its own, so a
 * field that two rows name is copied once. */
static void copy_rows(const XmlRow *rows, void *dest, const void *src)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        void *field = xml_field(row, dest);
        const void *from = xml_field_const(row, src);
        switch ((XmlNodeKind)row->node) {
        case XML_GROUP:
            copy_rows(row->rows, dest, src);
            break;
        case XML_EMBED:
        case XML_INCLUDE:
            copy_into(row->table, field, from);
            break;
        case XML_OBJECT:
        case XML_INCLUDE_OBJECT:
            if (*(void **)field && *(void **)field == *(void *const *)from)
                *(void **)field = xml_table_copy(row->table, *(void *const *)from);
            break;
        case XML_LIST:
            if (*(void **)field && *(void **)field == *(void *const *)from)
                *(GPtrArray **)field = list_copy(row->table, *(GPtrArray *const *)from);
            break;
        default:
            if (row->has_field)
                xml_value_copy(row, dest, src);
            break;
        }
    }
}

static void copy_into(const XmlTable *table, void *dest, const void *src)
{
    copy_rows(table->rows, dest, src);
    if (table->has_kept && *xml_kept_field(table, dest) == *xml_kept_field(table, src))
        *xml_kept_field(table, dest) = kept_copy(*xml_kept_field(table, src));
}

void *xml_table_copy(const XmlTable *table, const void *object)
{
    void *copy = g_memdup2(object, table->size);
    copy_into(table, copy, object);
    return copy;
}

/* ---- differences ---- */

typedef struct Diff {
    XmlDiffFunc func;
    void *arg;
    GString *path;
    bool guest_only;
    bool stop;
} Diff;

static bool diff_skips(const Diff *diff, const XmlRow *row)
{
    return diff->guest_only && row && (row->host_side || row->flags & ROW_LIVE);
}

static void diff_rows(Diff *diff, const XmlTable *table, const XmlRow *rows, const void *a, const void *b);

static void report(Diff *diff, const char *prefix, const XmlRow *row)
{
    if (diff->stop)
        return;
    size_t len = diff->path->len;
    if (len)
        g_string_append_c(diff->path, '/');
    g_string_append_printf(diff->path, "%s%s", prefix, row->name);
    diff->stop = !diff->func(diff->arg, diff->path->str, row);
    g_string_truncate(diff->path, len);
}

static size_t descend(Diff *diff, const char *name, int index)
{
    size_t len = diff->path->len;
    if (len)
        g_string_append_c(diff->path, '/');
    g_string_append(diff->path, name);
    if (index >= 0)
        g_string_append_printf(diff->path, "[%d]", index + 1);
    return len;
}

static void diff_objects(Diff *diff, const XmlRow *row, const void *a, const void *b, int index, bool named)
{
    if (!a && !b)
        return;
    if (!a || !b) {
        report(diff, "", row);
        return;
    }
    size_t len = named ? descend(diff, row->name, index) : diff->path->len;
    diff_rows(diff, row->table, row->table->rows, a, b);
    g_string_truncate(diff->path, len);
}

static void diff_lists(Diff *diff, const XmlRow *row, const GPtrArray *a, const GPtrArray *b)
{
    unsigned len_a = a ? a->len : 0, len_b = b ? b->len : 0;
    for (unsigned i = 0; i < MAX(len_a, len_b) && !diff->stop; i++)
        diff_objects(diff, row, i < len_a ? g_ptr_array_index(a, i) : NULL,
                     i < len_b ? g_ptr_array_index(b, i) : NULL, (int)i, true);
}

static const Kept *kept_that_counts(const Diff *diff, const Kept *kept)
{
    while (kept && diff_skips(diff, kept->row))
        kept = kept->next;
    return kept;
}

static bool kept_equal(const Diff *diff, const Kept *a, const Kept *b)
{
    for (;; a = a->next, b = b->next) {
        a = kept_that_counts(diff, a);
        b = kept_that_counts(diff, b);
        if (!a || !b)
            return !a && !b;
        if (a->row != b->row || strcmp(a->text, b->text) != 0)
            return false;
    }
}

static void diff_row(Diff *diff, const XmlTable *table, const XmlRow *row, const void *a, const void *b)
{
    const void *field_a = xml_field_const(row, a), *field_b = xml_field_const(row, b);
    switch ((XmlNodeKind)row->node) {
    case XML_GROUP: {
        if (row->has_field && *(const bool *)field_a != *(const bool *)field_b) {
            report(diff, "", row);
            return;
        }
        size_t len = descend(diff, row->name, -1);
        diff_rows(diff, NULL, row->rows, a, b);
        g_string_truncate(diff->path, len);
        return;
    }
    case XML_EMBED:
        diff_objects(diff, row, field_a, field_b, -1, true);
        return;
    case XML_INCLUDE:
        diff_objects(diff, row, field_a, field_b, -1, false);
        return;
    case XML_OBJECT:
        diff_objects(diff, row, *(void *const *)field_a, *(void *const *)field_b, -1, true);
        return;
    case XML_INCLUDE_OBJECT:
        diff_objects(diff, row, *(void *const *)field_a, *(void *const *)field_b, -1, false);
        return;
    case XML_LIST:
        diff_lists(diff, row, *(GPtrArray *const *)field_a, *(GPtrArray *const *)field_b);
        return;
    case XML_ATTR:
        if (!xml_value_equal(row, a, b))
            report(diff, "@", row);
        return;
    case XML_FLAG:
    case XML_TEXT:
    case XML_CHILD:
    case XML_VERBATIM:
    case XML_HELD:
        if (!xml_value_equal(row, a, b))
            report(diff, "", row);
        return;
    case XML_CUSTOM: {
        g_autoptr(GString) text_a = g_string_new(NULL);
        g_autoptr(GString) text_b = g_string_new(NULL);
        row->custom->write(row, a, XML_FORMAT_SECURE, 0, text_a);
        row->custom->write(row, b, XML_FORMAT_SECURE, 0, text_b);
        if (!g_string_equal(text_a, text_b))
            report(diff, "", row);
        return;
    }
    case XML_KEPT:
    case XML_KEPT_ATTR:
    case XML_END:
        return; /* kept parts are compared once per struct */
    }
}

static void diff_rows(Diff *diff, const XmlTable *table, const XmlRow *rows, const void *a, const void *b)
{
    for (const XmlRow *row = rows; row->node != XML_END && !diff->stop; row++) {
        if (diff_skips(diff, row))
            continue;
        bool in_a = xml_row_applies(row, a), in_b = xml_row_applies(row, b);
        if (in_a || in_b)
            diff_row(diff, table, row, a, b);
    }
    if (table && table->has_kept && !kept_equal(diff, *xml_kept_field(table, a), *xml_kept_field(table, b))) {
        static const XmlRow kept_row = { .node = XML_KEPT, XML_NAME_("(kept elements)") };
        report(diff, "", &kept_row);
    }
}

static void diff_tables(Diff *diff, const XmlTable *table, const void *a, const void *b)
{
    diff->path = g_string_new(NULL);
    diff_rows(diff, table, table->rows, a, b);
    g_string_free(diff->path, TRUE);
}

void xml_table_diff(const XmlTable *table, const void *a, const void *b, XmlDiffFunc func, void *arg)
{
    Diff diff = { .func = func, .arg = arg };
    diff_tables(&diff, table, a, b);
}

void xml_table_diff_guest(const XmlTable *table, const void *a, const void *b, XmlDiffFunc func, void *arg)
{
    Diff diff = { .func = func, .arg = arg, .guest_only = true };
    diff_tables(&diff, table, a, b);
}

static bool note_difference(void *arg, const char *path, const XmlRow *row)
{
    *(bool *)arg = false;
    return false;
}

bool xml_table_equal(const XmlTable *table, const void *a, const void *b)
{
    bool equal = true;
    xml_table_diff(table, a, b, note_difference, &equal);
    return equal;
}
