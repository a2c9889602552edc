/* RELAX NG from tables. Each table becomes a define; what an ONLY() makes conditional is optional there,
 * because the schema describes what can be written, and the reader checks what goes together. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

typedef struct Schema {
    GString *out;
    GHashTable *seen;
    GPtrArray *queue; /* tables still to be written */
} Schema;

static void schema_rows(Schema *schema, const XmlRow *rows, unsigned indent);

static void line(Schema *schema, unsigned indent, const char *text)
{
    xml_indent(indent, schema->out);
    g_string_append(schema->out, text);
    g_string_append_c(schema->out, '\n');
}

PRINTF(3, 4) static void linef(Schema *schema, unsigned indent, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    xml_indent(indent, schema->out);
    g_string_append_vprintf(schema->out, format, args);
    g_string_append_c(schema->out, '\n');
    va_end(args);
}

static void enqueue(Schema *schema, const XmlTable *table)
{
    if (g_hash_table_add(schema->seen, (void *)table))
        g_ptr_array_add(schema->queue, (void *)table);
}

static void schema_pattern(Schema *schema, unsigned indent, const char *pattern)
{
    line(schema, indent, "<data type='string'>");
    xml_indent(indent + 2, schema->out);
    g_string_append(schema->out, "<param name='pattern'>");
    xml_escape(pattern, schema->out);
    g_string_append(schema->out, "</param>\n");
    line(schema, indent, "</data>");
}

static void schema_value(Schema *schema, const XmlRow *row, unsigned indent)
{
    switch ((XmlValueType)row->type) {
    case XML_VALUE_ENUM:
        line(schema, indent, "<choice>");
        for (unsigned i = 0; i < row->names->count; i++) {
            if (row->names->names[i])
                linef(schema, indent + 2, "<value>%s</value>", row->names->names[i]);
        }
        line(schema, indent, "</choice>");
        break;
    case XML_VALUE_BOOL:
        line(schema, indent, "<choice><value>yes</value><value>no</value></choice>");
        break;
    case XML_VALUE_U8:
    case XML_VALUE_U16:
    case XML_VALUE_U32:
    case XML_VALUE_U64:
    case XML_VALUE_OPT_U32:
    case XML_VALUE_OPT_U64:
        schema_pattern(schema, indent,
                       row->flags & (ROW_HEX | ROW_ANY_BASE) ? "\\s*(0x[0-9a-fA-F]+|[0-9]+)\\s*"
                                                             : "\\s*[0-9]+\\s*");
        break;
    case XML_VALUE_S32:
    case XML_VALUE_OPT_S64:
        schema_pattern(schema, indent, "\\s*-?[0-9]+\\s*");
        break;
    case XML_VALUE_UUID:
        schema_pattern(schema, indent, "\\s*[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\\s*");
        break;
    case XML_VALUE_MAC:
        schema_pattern(schema, indent, "[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}");
        break;
    case XML_VALUE_CPUSET:
        schema_pattern(schema, indent, "[0-9,^\\-\\s]+");
        break;
    case XML_VALUE_OTHER:
        if (row->codec->pattern)
            schema_pattern(schema, indent, row->codec->pattern);
        else
            line(schema, indent, "<text/>");
        break;
    case XML_VALUE_STRING:
    case XML_VALUE_NONE:
    case XML_VALUE_POINTER:
        line(schema, indent, "<text/>");
        break;
    }
}

static void schema_unit(Schema *schema, const XmlRow *row, unsigned indent)
{
    if (row->unit != XML_UNIT_NONE)
        line(schema, indent, "<optional><attribute name='unit'><text/></attribute></optional>");
}

static void open_element(Schema *schema, const XmlRow *row, unsigned indent)
{
    if (row->ns)
        linef(schema, indent, "<element name='%s' ns='%s'>", row->name, row->ns);
    else
        linef(schema, indent, "<element name='%s'>", row->name);
}

/* The row without its "how often". */
static void schema_node(Schema *schema, const XmlRow *row, unsigned indent)
{
    switch ((XmlNodeKind)row->node) {
    case XML_ATTR:
        linef(schema, indent, "<attribute name='%s'>", row->name);
        schema_value(schema, row, indent + 2);
        line(schema, indent, "</attribute>");
        schema_unit(schema, row, indent);
        break;
    case XML_KEPT_ATTR:
        linef(schema, indent, "<attribute name='%s'><text/></attribute>", row->name);
        break;
    case XML_CHILD:
        open_element(schema, row, indent);
        schema_unit(schema, row, indent + 2);
        schema_value(schema, row, indent + 2);
        line(schema, indent, "</element>");
        break;
    case XML_FLAG:
        open_element(schema, row, indent);
        line(schema, indent + 2, "<empty/>");
        line(schema, indent, "</element>");
        break;
    case XML_GROUP:
        open_element(schema, row, indent);
        schema_rows(schema, row->rows, indent + 2);
        line(schema, indent, "</element>");
        break;
    case XML_EMBED:
    case XML_OBJECT:
    case XML_LIST:
        open_element(schema, row, indent);
        linef(schema, indent + 2, "<ref name='%s'/>", row->table->name);
        line(schema, indent, "</element>");
        enqueue(schema, row->table);
        break;
    case XML_CUSTOM:
        open_element(schema, row, indent);
        if (row->table) {
            linef(schema, indent + 2, "<ref name='%s'/>", row->table->name);
            enqueue(schema, row->table);
        } else {
            schema_rows(schema, row->custom->schema_rows, indent + 2);
        }
        line(schema, indent, "</element>");
        break;
    case XML_VERBATIM:
    case XML_KEPT:
        open_element(schema, row, indent);
        line(schema, indent + 2, "<ref name='anything'/>");
        line(schema, indent, "</element>");
        break;
    default:
        break;
    }
}

static bool is_attribute(const XmlRow *row)
{
    return row->node == XML_ATTR || row->node == XML_KEPT_ATTR;
}

static bool is_include(const XmlRow *row)
{
    return row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT;
}

static bool row_repeats(const XmlRow *row)
{
    return row->node == XML_LIST || row->node == XML_CUSTOM || row->node == XML_KEPT;
}

static bool row_is_in_schema(const XmlRow *row)
{
    bool internal = row->name[0] == '#' && !is_include(row) && row->node != XML_TEXT;
    return row->node != XML_HELD && !internal && !(row->flags & ROW_WRITE_ONLY);
}

/* One row of an element, wherever it comes from. */
typedef struct Part {
    const XmlRow *row;
    bool optional;
    bool done;
} Part;

static bool has_attributes(const XmlTable *table)
{
    for (const XmlRow *row = table->rows; row->node != XML_END; row++) {
        if (is_attribute(row) || row->node == XML_TEXT || (is_include(row) && has_attributes(row->table)))
            return true;
    }
    return false;
}

/* An attribute may appear once in a pattern, so tables with attributes are spelled out where they are
 * included. */
static void collect(GArray *parts, const XmlRow *rows, bool optional)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        bool conditional = optional || row->when_mask || row->node == XML_INCLUDE_OBJECT;
        if (!row_is_in_schema(row))
            continue;
        if (is_include(row) && has_attributes(row->table)) {
            collect(parts, row->table->rows, conditional);
            continue;
        }
        Part part = { row, conditional || !(row->flags & ROW_REQUIRED), false };
        g_array_append_val(parts, part);
    }
}

static bool parts_are_twins(const Part *a, const Part *b)
{
    return is_attribute(a->row) == is_attribute(b->row) && strcmp(a->row->name, b->row->name) == 0;
}

/* Rows of one name (alternatives by ONLY()) stand together in one choice. */
static void schema_alternatives(Schema *schema, GArray *parts, unsigned first, unsigned indent)
{
    Part *part = &g_array_index(parts, Part, first);
    unsigned twins = 0;
    bool repeats = false;
    for (unsigned i = first; i < parts->len; i++) {
        Part *other = &g_array_index(parts, Part, i);
        if (!parts_are_twins(part, other))
            continue;
        twins++;
        repeats |= row_repeats(other->row);
    }
    const char *wrap = repeats ? "zeroOrMore" : part->optional || twins > 1 ? "optional" : NULL;
    unsigned inner = indent + (wrap ? 2 : 0);
    if (wrap)
        linef(schema, indent, "<%s>", wrap);
    if (twins > 1)
        line(schema, inner, "<choice>");
    for (unsigned i = first; i < parts->len; i++) {
        Part *other = &g_array_index(parts, Part, i);
        if (!parts_are_twins(part, other))
            continue;
        schema_node(schema, other->row, inner + (twins > 1 ? 2 : 0));
        other->done = true;
    }
    if (twins > 1)
        line(schema, inner, "</choice>");
    if (wrap)
        linef(schema, indent, "</%s>", wrap);
}

static void schema_rows(Schema *schema, const XmlRow *rows, unsigned indent)
{
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(Part));
    collect(parts, rows, false);
    bool has_text = false, has_unit = false;
    line(schema, indent, "<interleave>");
    for (unsigned i = 0; i < parts->len; i++) {
        const Part *part = &g_array_index(parts, Part, i);
        if (part->done)
            continue;
        if (is_include(part->row)) {
            linef(schema, indent + 2, "<ref name='%s'/>", part->row->table->name);
            enqueue(schema, part->row->table);
        } else if (part->row->node == XML_TEXT) {
            has_text = true;
            has_unit |= part->row->unit != XML_UNIT_NONE;
        } else {
            schema_alternatives(schema, parts, i, indent + 2);
        }
    }
    if (has_unit)
        line(schema, indent + 2, "<optional><attribute name='unit'><text/></attribute></optional>");
    if (has_text)
        line(schema, indent + 2, "<text/>");
    if (!parts->len)
        line(schema, indent + 2, "<empty/>");
    line(schema, indent, "</interleave>");
}

static const char anything[] = "  <define name='anything'>\n"
                               "    <zeroOrMore>\n"
                               "      <choice>\n"
                               "        <element><anyName/><ref name='anything'/></element>\n"
                               "        <attribute><anyName/></attribute>\n"
                               "        <text/>\n"
                               "      </choice>\n"
                               "    </zeroOrMore>\n"
                               "  </define>\n";

void xml_schema_write(const XmlTable *table, const char *root_name, GString *out)
{
    Schema schema = { out, g_hash_table_new(NULL, NULL), g_ptr_array_new() };
    line(&schema, 0, "<?xml version='1.0' encoding='UTF-8'?>");
    line(&schema, 0,
         "<!-- Generated from the tables in src/conf. SPDX-License-Identifier: LGPL-2.1-or-later -->");
    line(&schema, 0,
         "<grammar xmlns='http://relaxng.org/ns/structure/1.0' "
         "datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'>");
    line(&schema, 0, "  <start>");
    linef(&schema, 0, "    <element name='%s'><ref name='%s'/></element>", root_name, table->name);
    line(&schema, 0, "  </start>");
    enqueue(&schema, table);
    for (unsigned i = 0; i < schema.queue->len; i++) {
        const XmlTable *next = g_ptr_array_index(schema.queue, i);
        linef(&schema, 2, "<define name='%s'>", next->name);
        schema_rows(&schema, next->rows, 4);
        if (next->keeps_foreign)
            line(&schema, 4,
                 "<zeroOrMore><element><anyName><except><nsName ns=''/><nsName "
                 "ns='http://libvirt.org/schemas/domain/qemu/1.0'/></except></anyName><ref name='anything'/>"
                 "</element></zeroOrMore>");
        line(&schema, 2, "</define>");
    }
    g_string_append(out, anything);
    line(&schema, 0, "</grammar>");
    g_ptr_array_unref(schema.queue);
    g_hash_table_unref(schema.seen);
}
