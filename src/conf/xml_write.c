/* Writing structs as XML, straight into a string: no tree, no printf.
 *
 * An element whose rows turn out to be all absent leaves nothing behind: its start is written first and taken
 * back if nothing followed, which costs less than asking every row twice. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

typedef struct Writer {
    GString *out;
    unsigned flags;
} Writer;

/* The element being written: becomes "open" (its start tag closed by '>') with the first content. */
typedef struct Element {
    unsigned indent; /* of the element itself */
    bool open;
    bool has_text; /* "<a>text</a>": the end tag follows without a line end */
    bool has_attributes;
} Element;

void xml_indent(unsigned spaces, GString *out)
{
    static const char blanks[] = "                                ";
    for (; spaces > sizeof(blanks) - 1; spaces -= sizeof(blanks) - 1)
        xml_append(out, blanks, sizeof(blanks) - 1);
    xml_append(out, blanks, spaces);
}

static void open_element(Writer *writer, Element *element)
{
    if (!element->open)
        xml_append_literal(writer->out, ">\n");
    element->open = true;
}

static bool row_is_written(const Writer *writer, const XmlRow *row, const void *base)
{
    unsigned skip = (writer->flags & XML_FORMAT_SECURE ? 0 : ROW_SECRET) |
                    (writer->flags & XML_FORMAT_INACTIVE ? ROW_LIVE : 0) | ROW_READ_ONLY;
    return !(row->flags & skip) && xml_row_applies(row, base) &&
           (!row->show || row->show(base, writer->flags));
}

static void start_tag(Writer *writer, const char *prefix, const char *name, size_t name_len, unsigned indent)
{
    xml_indent(indent, writer->out);
    xml_append_literal(writer->out, "<");
    if (prefix)
        xml_append(writer->out, prefix, strlen(prefix));
    xml_append(writer->out, name, name_len);
}

static void end_tag(Writer *writer, const char *prefix, const char *name, size_t name_len)
{
    xml_append_literal(writer->out, "</");
    if (prefix)
        xml_append(writer->out, prefix, strlen(prefix));
    xml_append(writer->out, name, name_len);
    xml_append_literal(writer->out, ">\n");
}

/* ---- attributes ---- */

/* Kinds of rows, as sets: most rows are passed over, and so should be cheaply. */
#define IN_START_TAG (BIT(XML_ATTR) | BIT(XML_KEPT_ATTR) | BIT(XML_INCLUDE) | BIT(XML_INCLUDE_OBJECT))
#define NEVER_CONTENT (BIT(XML_ATTR) | BIT(XML_KEPT_ATTR) | BIT(XML_HELD))
#define BY_POINTER (BIT(XML_OBJECT) | BIT(XML_LIST) | BIT(XML_VERBATIM) | BIT(XML_INCLUDE_OBJECT))

static void write_unit(Writer *writer, const XmlRow *row, const void *base)
{
    const char *unit = xml_value_unit(row, base);
    xml_append_literal(writer->out, " unit='");
    xml_append(writer->out, unit, strlen(unit));
    xml_append_literal(writer->out, "'");
}

static void write_attribute(Writer *writer, const XmlRow *row, const void *base)
{
    if (row->type != XML_VALUE_OTHER && !xml_value_is_set(row, base))
        return;
    size_t start = writer->out->len;
    xml_append_literal(writer->out, " ");
    xml_append(writer->out, row->name, row->name_len);
    xml_append_literal(writer->out, "='");
    if (!xml_value_write(row, base, writer->flags, writer->out)) {
        g_string_truncate(writer->out, start);
        return;
    }
    xml_append_literal(writer->out, "'");
    if (row->unit != XML_UNIT_NONE)
        write_unit(writer, row, base);
}

static void write_kept_attribute(Writer *writer, const XmlRow *row, const XmlTable *table, const void *base)
{
    Kept **field = xml_kept_field(table, base);
    for (const Kept *kept = field ? *field : NULL; kept; kept = kept->next) {
        if (kept->row != row)
            continue;
        xml_append_literal(writer->out, " ");
        xml_append(writer->out, row->name, row->name_len);
        xml_append_literal(writer->out, "='");
        xml_escape_attribute(kept->text, writer->out);
        xml_append_literal(writer->out, "'");
    }
}

static void write_attributes(Writer *writer, const XmlTable *table, const XmlRow *rows, const void *base)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        if (!(BIT(row->node) & (IN_START_TAG | BIT(XML_TEXT))) ||
            (row->node == XML_TEXT && row->unit == XML_UNIT_NONE) || !row_is_written(writer, row, base))
            continue;
        if (row->node == XML_ATTR) {
            write_attribute(writer, row, base);
        } else if (row->node == XML_TEXT) {
            if (xml_value_is_set(row, base))
                write_unit(writer, row, base);
        } else if (row->node == XML_KEPT_ATTR) {
            write_kept_attribute(writer, row, table, base);
        } else {
            const void *sub = xml_field_const(row, base);
            if (row->node == XML_INCLUDE_OBJECT)
                sub = *(void *const *)sub;
            if (sub)
                write_attributes(writer, row->table, row->table->rows, sub);
        }
    }
}

/* ---- content ---- */

static void write_rows(Writer *writer, const XmlTable *table, const XmlRow *rows, const void *base,
                       Element *element);

/* An element with rows. @force: write it even if it has nothing in it. */
static void write_element(Writer *writer, const XmlRow *named, const XmlTable *table, const XmlRow *rows,
                          const void *base, bool force, unsigned indent)
{
    GString *out = writer->out;
    size_t start = out->len;
    start_tag(writer, named->prefix, named->name, named->name_len, indent);
    size_t tag_end = out->len;
    write_attributes(writer, table, rows, base);
    Element element = { .indent = indent, .has_attributes = out->len > tag_end };
    write_rows(writer, table, rows, base, &element);
    if (named->flags & ROW_LONG)
        open_element(writer, &element);
    if (element.open) {
        if (!element.has_text)
            xml_indent(indent, out);
        end_tag(writer, named->prefix, named->name, named->name_len);
    } else if (element.has_attributes || force) {
        xml_append_literal(out, "/>\n");
    } else {
        g_string_truncate(out, start);
    }
}

static void write_text(Writer *writer, const XmlRow *row, const void *base, Element *element)
{
    if (row->type != XML_VALUE_OTHER && !xml_value_is_set(row, base))
        return;
    size_t start = writer->out->len;
    xml_append_literal(writer->out, ">");
    if (!xml_value_write(row, base, writer->flags, writer->out)) {
        g_string_truncate(writer->out, start);
        return;
    }
    element->open = true;
    element->has_text = true;
}

static void write_child(Writer *writer, const XmlRow *row, const void *base, unsigned indent)
{
    if (row->type != XML_VALUE_OTHER && !xml_value_is_set(row, base))
        return;
    size_t start = writer->out->len;
    start_tag(writer, row->prefix, row->name, row->name_len, indent);
    if (row->unit != XML_UNIT_NONE)
        write_unit(writer, row, base);
    xml_append_literal(writer->out, ">");
    if (xml_value_write(row, base, writer->flags, writer->out))
        end_tag(writer, row->prefix, row->name, row->name_len);
    else
        g_string_truncate(writer->out, start);
}

static void write_verbatim(Writer *writer, const XmlRow *row, const void *base, unsigned indent)
{
    const char *text = *(char *const *)xml_field_const(row, base);
    if (!text)
        return;
    start_tag(writer, NULL, row->name, row->name_len, indent);
    xml_append_literal(writer->out, ">\n");
    xml_text_indent(text, indent + 2, writer->out);
    xml_indent(indent, writer->out);
    end_tag(writer, NULL, row->name, row->name_len);
}

static void write_kept(Writer *writer, const XmlRow *row, const XmlTable *table, const void *base,
                       unsigned indent)
{
    Kept **field = xml_kept_field(table, base);
    for (const Kept *kept = field ? *field : NULL; kept; kept = kept->next) {
        if (kept->row == row)
            xml_text_indent(kept->text, indent, writer->out);
    }
}

static void write_list(Writer *writer, const XmlRow *row, const void *base, unsigned indent)
{
    const GPtrArray *list = *(GPtrArray *const *)xml_field_const(row, base);
    for (unsigned i = 0; list && i < list->len; i++)
        write_element(writer, row, row->table, row->table->rows, g_ptr_array_index(list, i), true, indent);
}

static void write_content(Writer *writer, const XmlTable *table, const XmlRow *row, const void *base,
                          unsigned indent)
{
    const void *field = xml_field_const(row, base);
    switch ((XmlNodeKind)row->node) {
    case XML_CHILD:
        write_child(writer, row, base, indent);
        break;
    case XML_FLAG:
        if (*(const bool *)field) {
            start_tag(writer, row->prefix, row->name, row->name_len, indent);
            xml_append_literal(writer->out, "/>\n");
        }
        break;
    case XML_GROUP: {
        bool there = row->has_field && *(const bool *)field;
        if (!row->has_field || there || row->flags & ROW_EMPTY_OK)
            write_element(writer, row, table, row->rows, base, there, indent);
        break;
    }
    case XML_EMBED:
        write_element(writer, row, row->table, row->table->rows, field, false, indent);
        break;
    case XML_OBJECT:
        if (*(void *const *)field)
            write_element(writer, row, row->table, row->table->rows, *(void *const *)field,
                          row->flags & ROW_EMPTY_OK, indent);
        break;
    case XML_LIST:
        write_list(writer, row, base, indent);
        break;
    case XML_VERBATIM:
        write_verbatim(writer, row, base, indent);
        break;
    case XML_KEPT:
        write_kept(writer, row, table, base, indent);
        break;
    case XML_CUSTOM:
        row->custom->write(row, base, writer->flags, indent, writer->out);
        break;
    default:
        break;
    }
}

/* Cheap look ahead: can this row write anything? Spares most rows the start of an element. */
static bool may_write(const XmlTable *table, const XmlRow *row, const void *base)
{
    const void *field = xml_field_const(row, base);
    switch ((XmlNodeKind)row->node) {
    case XML_OBJECT:
    case XML_LIST:
    case XML_VERBATIM:
        return *(void *const *)field != NULL;
    case XML_FLAG:
        return *(const bool *)field;
    case XML_CHILD:
        return row->type == XML_VALUE_OTHER || xml_value_is_set(row, base);
    case XML_KEPT:
        return table->has_kept && *xml_kept_field(table, base);
    case XML_GROUP:
        return !row->has_field || row->flags & ROW_EMPTY_OK || *(const bool *)field;
    case XML_EMBED:
    case XML_CUSTOM:
    case XML_TEXT:
    case XML_INCLUDE:
    case XML_INCLUDE_OBJECT:
        return true;
    case XML_ATTR:
    case XML_KEPT_ATTR:
    case XML_HELD:
    case XML_END:
        break;
    }
    return false;
}

static void write_one_row(Writer *writer, const XmlTable *table, const XmlRow *row, const void *base,
                          Element *element)
{
    if (row->node == XML_TEXT) {
        write_text(writer, row, base, element);
        return;
    }
    if (row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT) {
        const void *sub = xml_field_const(row, base);
        if (row->node == XML_INCLUDE_OBJECT)
            sub = *(void *const *)sub;
        if (sub)
            write_rows(writer, row->table, row->table->rows, sub, element);
        return;
    }
    GString *out = writer->out;
    size_t start = out->len;
    bool was_open = element->open;
    open_element(writer, element);
    size_t content = out->len;
    write_content(writer, table, row, base, element->indent + 2);
    if (out->len == content && !was_open) { /* nothing came: close nothing, open nothing */
        element->open = false;
        g_string_truncate(out, start);
    }
}

static void write_foreign(Writer *writer, const XmlTable *table, const void *base, Element *element)
{
    for (const Kept *kept = *xml_kept_field(table, base); kept; kept = kept->next) {
        if (kept->row)
            continue;
        open_element(writer, element);
        xml_text_indent(kept->text, element->indent + 2, writer->out);
    }
}

static void write_rows(Writer *writer, const XmlTable *table, const XmlRow *rows, const void *base,
                       Element *element)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        const uint64_t kind = BIT(row->node);
        if (kind & NEVER_CONTENT || (kind & BY_POINTER && !*(void *const *)xml_field_const(row, base)))
            continue;
        if (may_write(table, row, base) && row_is_written(writer, row, base))
            write_one_row(writer, table, row, base, element);
    }
    if (table->keeps_foreign && rows == table->rows)
        write_foreign(writer, table, base, element);
}

void xml_table_write(const XmlTable *table, const char *name, const void *object, unsigned flags,
                     unsigned indent, GString *out)
{
    Writer writer = { out, flags };
    XmlRow named = { .name = name, .name_len = (uint8_t)strlen(name) };
    write_element(&writer, &named, table, table->rows, object, true, indent);
}
