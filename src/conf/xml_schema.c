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

static bool row_is_required(const XmlRow *row)
{
    return row->flags & ROW_REQUIRED && !row->when_mask;
}

static bool row_is_in_schema(const XmlRow *row)
{
    return row->node != XML_HELD &&
           !(row->name[0] == '#' && row->node != XML_INCLUDE && row->node != XML_INCLUDE_OBJECT &&
             row->node != XML_TEXT) &&
           !(row->flags & ROW_WRITE_ONLY);
}

/* Rows of one name (alternatives by ONLY()) stand together in one choice. */
static bool is_first_of_name(const XmlRow *rows, const XmlRow *row)
{
    for (const XmlRow *other = rows; other != row; other++) {
        bool same_kind = (other->node == XML_ATTR || other->node == XML_KEPT_ATTR) ==
                         (row->node == XML_ATTR || row->node == XML_KEPT_ATTR);
        if (same_kind && row_is_in_schema(other) && strcmp(other->name, row->name) == 0)
            return false;
    }
    return true;
}

static bool has_twin(const XmlRow *row)
{
    for (const XmlRow *other = row + 1; other->node != XML_END; other++) {
        bool same_kind = (other->node == XML_ATTR || other->node == XML_KEPT_ATTR) ==
                         (row->node == XML_ATTR || row->node == XML_KEPT_ATTR);
        if (same_kind && row_is_in_schema(other) && strcmp(other->name, row->name) == 0)
            return true;
    }
    return false;
}

static void schema_alternatives(Schema *schema, const XmlRow *row, unsigned indent)
{
    bool many = row->node == XML_LIST || row->node == XML_CUSTOM || row->node == XML_KEPT;
    bool twin = has_twin(row);
    const char *wrap = many ? "zeroOrMore" : row_is_required(row) && !twin ? NULL : "optional";
    bool repeats_twin = false;
    for (const XmlRow *other = row; twin && other->node != XML_END; other++)
        repeats_twin |= strcmp(other->name, row->name) == 0 &&
                        (other->node == XML_LIST || other->node == XML_CUSTOM || other->node == XML_KEPT);
    if (repeats_twin)
        wrap = "zeroOrMore";
    if (wrap)
        linef(schema, indent, "<%s>", wrap);
    unsigned inner = indent + (wrap ? 2 : 0);
    if (twin)
        line(schema, inner, "<choice>");
    for (const XmlRow *other = row; other->node != XML_END; other++) {
        bool same_kind = (other->node == XML_ATTR || other->node == XML_KEPT_ATTR) ==
                         (row->node == XML_ATTR || row->node == XML_KEPT_ATTR);
        if (same_kind && row_is_in_schema(other) && strcmp(other->name, row->name) == 0)
            schema_node(schema, other, inner + (twin ? 2 : 0));
        if (!twin)
            break;
    }
    if (twin)
        line(schema, inner, "</choice>");
    if (wrap)
        linef(schema, indent, "</%s>", wrap);
}

static void schema_rows(Schema *schema, const XmlRow *rows, unsigned indent)
{
    bool any = false;
    line(schema, indent, "<interleave>");
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        if (!row_is_in_schema(row))
            continue;
        any = true;
        if (row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT) {
            const char *wrap = row->when_mask || row->node == XML_INCLUDE_OBJECT ? "optional" : "group";
            linef(schema, indent + 2, "<%s><ref name='%s'/></%s>", wrap, row->table->name, wrap);
            enqueue(schema, row->table);
        } else if (row->node == XML_TEXT) {
            schema_unit(schema, row, indent + 2);
            line(schema, indent + 2, "<text/>");
        } else if (is_first_of_name(rows, row)) {
            schema_alternatives(schema, row, indent + 2);
        }
    }
    if (!any)
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
