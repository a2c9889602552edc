/* Reading XML elements into structs, row by row.
 *
 * Attributes go first, in the order of the rows; then the child elements in the order of the document. What
 * no row describes is refused when the reader is strict, and reported and dropped otherwise. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

#define DROPPED_MAX 100 /* reports per document */

/* One element being read: the struct behind the rows, and the table whose `kept` takes what is kept. */
typedef struct Target {
    const XmlTable *table;
    const XmlRow *rows;
    void *base;
} Target;

static bool read_element(XmlReader *reader, const xmlNode *element, const Target *target, Error **err);

/* ---- messages ---- */

bool xml_error(const XmlReader *reader, const xmlNode *element, ErrorCode code, Error **err,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(err, code, "%s:%ld: element '%s': %s", reader->source, xmlGetLineNo(element),
                     (const char *)element->name, message);
}

/* An unknown unit and a size that no number can hold have codes that clients know. */
static bool code_stays(ErrorCode code, const XmlRow *row)
{
    return row->unit != XML_UNIT_NONE && (code == ERROR_OVERFLOW || code == ERROR_INVALID_ARGUMENT);
}

/* Gives an error of a value its place. */
static bool place_error(const XmlReader *reader, const xmlNode *element, const XmlRow *row, Error *problem,
                        Error **err)
{
    ErrorCode code = error_code(problem);
    if (reader->flags & XML_READ_STRICT)
        code = ERROR_XML_SCHEMA;
    else if (row->bad_code && !xml_row_is_number(row))
        code = row->bad_code;
    else if (row->bad_code && code == (ErrorCode)row->bad_code)
        ; /* a number out of range */
    else if (row->text_code)
        code = row->text_code;
    else if (row->type == XML_VALUE_CPUSET)
        code = ERROR_INVALID_ARGUMENT;
    else if (code != ERROR_CONFIG_UNSUPPORTED && !code_stays(code, row))
        code = ERROR_XML_INVALID;
    if (row->node == XML_ATTR)
        xml_error(reader, element, code, err, "attribute '%s': %s", row->name, error_message(problem));
    else
        xml_error(reader, element, code, err, "%s", error_message(problem));
    if (error_hint_text(problem))
        error_hint(err, "%s", error_hint_text(problem));
    error_free(problem);
    return false;
}

bool xml_drop(XmlReader *reader, const xmlNode *node, Error **err)
{
    bool is_attr = node->type == XML_ATTRIBUTE_NODE;
    const xmlNode *element = is_attr ? node->parent : node;
    if (reader->flags & XML_READ_STRICT) {
        const char *parent = element->parent && element->parent->type == XML_ELEMENT_NODE
                                 ? (const char *)element->parent->name
                                 : "";
        if (is_attr)
            return error_set(err, ERROR_XML_SCHEMA, "%s:%ld: element '%s' has no attribute '%s' here",
                             reader->source, xmlGetLineNo(element), (const char *)element->name,
                             (const char *)node->name);
        return error_set(err, ERROR_XML_SCHEMA, "%s:%ld: element '%s' is not allowed here inside '%s'",
                         reader->source, xmlGetLineNo(element), (const char *)element->name, parent);
    }
    if (reader->dropped && reader->n_dropped < DROPPED_MAX) {
        reader->n_dropped++;
        xmlChar *path = xmlGetNodePath(node);
        reader->dropped(reader->arg, (const char *)path, (unsigned)xmlGetLineNo(element));
        xmlFree(path);
    }
    return true;
}

const char *xml_attr(const xmlNode *element, const char *name)
{
    const xmlAttr *attr = xmlHasNsProp(element, (const xmlChar *)name, NULL);
    if (!attr)
        return NULL;
    if (!attr->children || !attr->children->content)
        return "";
    return (const char *)attr->children->content;
}

/* The text of an element without that of its children. Usually one node; then borrowed, else put together in
 * @scratch. */
static const char *element_text(const xmlNode *element, GString *scratch)
{
    const char *only = NULL;
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type != XML_TEXT_NODE && child->type != XML_CDATA_SECTION_NODE)
            continue;
        if (only) {
            if (!scratch->len)
                g_string_append(scratch, only);
            g_string_append(scratch, (const char *)child->content);
        } else {
            only = (const char *)child->content;
        }
    }
    return scratch->len ? scratch->str : only ?: "";
}

/* ---- values ---- */

static bool row_is_readable(const XmlReader *reader, const XmlRow *row)
{
    return !(row->flags & ROW_WRITE_ONLY) && !(row->flags & ROW_LIVE && reader->flags & XML_READ_INACTIVE);
}

static bool missing_error(const XmlReader *reader, const xmlNode *element, const XmlRow *row, Error **err)
{
    ErrorCode code = row->missing_code ? row->missing_code : ERROR_XML_INVALID;
    if (reader->flags & XML_READ_STRICT)
        code = ERROR_XML_SCHEMA;
    if (row->node == XML_ATTR)
        return xml_error(reader, element, code, err, "attribute '%s' is missing", row->name);
    if (row->node == XML_TEXT)
        return xml_error(reader, element, code, err, "the text is missing");
    return xml_error(reader, element, code, err, "child element '%s' is missing", row->name);
}

static bool read_value(XmlReader *reader, const xmlNode *element, const XmlRow *row, const char *text,
                       void *base, Error **err)
{
    const char *unit_text = NULL;
    if (row->unit != XML_UNIT_NONE)
        unit_text = xml_attr(element, "unit");
    Error *problem = NULL;
    if (xml_value_read(row, text, unit_text, base, &problem)) {
        /* An empty text or a 0 that stands for absence would not be written, and is no value here. */
        bool is_void =
            row->flags & ROW_REQUIRED && row->type != XML_VALUE_OTHER && !xml_value_is_set(row, base);
        return !is_void || missing_error(reader, element, row, err);
    }
    return place_error(reader, element, row, problem, err);
}

static void keep(const Target *target, const XmlRow *row, char *text)
{
    Kept **end = xml_kept_field(target->table, target->base);
    if (!end) {
        g_free(text);
        return;
    }
    Kept *made = g_new0(Kept, 1);
    made->row = row;
    made->text = text;
    if (*end)
        (*end)->last->next = made;
    else
        *end = made;
    (*end)->last = made;
}

static bool is_required_missing(const XmlReader *reader, const XmlRow *row)
{
    return row->flags & ROW_REQUIRED && row_is_readable(reader, row);
}

static bool read_attributes(XmlReader *reader, const xmlNode *element, const Target *target, Error **err)
{
    for (const XmlRow *row = target->rows; row->node != XML_END; row++) {
        if (!xml_row_applies(row, target->base))
            continue;
        if (row->node == XML_INCLUDE) {
            Target sub = { row->table, row->table->rows, xml_field(row, target->base) };
            if (!read_attributes(reader, element, &sub, err))
                return false;
            continue;
        }
        if (row->node == XML_INCLUDE_OBJECT) {
            void **object = xml_field(row, target->base);
            if (!*object)
                *object = xml_table_new(row->table);
            Target sub = { row->table, row->table->rows, *object };
            if (!read_attributes(reader, element, &sub, err))
                return false;
            continue;
        }
        if (row->node != XML_ATTR && row->node != XML_KEPT_ATTR)
            continue;
        const char *text = xml_attr(element, row->name);
        if (text && !*text && row->flags & ROW_MAY_BE_EMPTY && !(reader->flags & XML_READ_STRICT))
            text = NULL;
        if (!text) {
            if (row->node == XML_ATTR && is_required_missing(reader, row))
                return missing_error(reader, element, row, err);
            continue;
        }
        if (row->node == XML_KEPT_ATTR)
            keep(target, row, g_strdup(text));
        else if (row_is_readable(reader, row) && !read_value(reader, element, row, text, target->base, err))
            return false;
    }
    return true;
}

/* Is there a row for an attribute of this name, whatever it is for? "unit" belongs to a size. */
static bool knows_attribute(const Target *target, const char *name)
{
    for (const XmlRow *row = target->rows; row->node != XML_END; row++) {
        if (!xml_row_applies(row, target->base))
            continue;
        if (row->node == XML_INCLUDE) {
            Target sub = { row->table, row->table->rows, xml_field(row, target->base) };
            if (knows_attribute(&sub, name))
                return true;
        } else if (row->node == XML_INCLUDE_OBJECT) {
            Target sub = { row->table, row->table->rows, *(void **)xml_field(row, target->base) };
            if (sub.base && knows_attribute(&sub, name))
                return true;
        } else if (row->node == XML_ATTR || row->node == XML_KEPT_ATTR) {
            if (strcmp(row->name, name) == 0)
                return true;
        }
        if ((row->node == XML_ATTR || row->node == XML_TEXT) && row->unit != XML_UNIT_NONE &&
            strcmp(name, "unit") == 0)
            return true;
    }
    return false;
}

static bool drop_unknown_attributes(XmlReader *reader, const xmlNode *element, const Target *target,
                                    Error **err)
{
    for (const xmlAttr *attr = element->properties; attr; attr = attr->next) {
        if (!attr->ns && knows_attribute(target, (const char *)attr->name))
            continue;
        if (!xml_drop(reader, (const xmlNode *)attr, err))
            return false;
    }
    return true;
}

/* ---- child elements ---- */

static bool row_names_element(const XmlRow *row, const xmlNode *element)
{
    switch ((XmlNodeKind)row->node) {
    case XML_CHILD:
    case XML_FLAG:
    case XML_GROUP:
    case XML_EMBED:
    case XML_OBJECT:
    case XML_LIST:
    case XML_VERBATIM:
    case XML_KEPT:
    case XML_CUSTOM:
        break;
    default:
        return false;
    }
    if (strcmp(row->name, (const char *)element->name) != 0)
        return false;
    return row->ns ? element->ns && g_strcmp0((const char *)element->ns->href, row->ns) == 0 : !element->ns;
}

/* The row for @element and, in *ret_target, the struct it fills (another one inside includes). */
static const XmlRow *find_child_row(const Target *target, const xmlNode *element, Target *ret_target)
{
    for (const XmlRow *row = target->rows; row->node != XML_END; row++) {
        if (!xml_row_applies(row, target->base))
            continue;
        if (row->node == XML_INCLUDE || row->node == XML_INCLUDE_OBJECT) {
            void *field = xml_field(row, target->base);
            Target sub = { row->table, row->table->rows, row->node == XML_INCLUDE ? field : *(void **)field };
            const XmlRow *found = sub.base ? find_child_row(&sub, element, ret_target) : NULL;
            if (found)
                return found;
        } else if (row_names_element(row, element)) {
            *ret_target = *target;
            return row;
        }
    }
    return NULL;
}

static bool read_verbatim(const XmlRow *row, const xmlNode *element, void *base)
{
    char **field = xml_field(row, base);
    g_free(*field);
    *field = xml_content_to_text(element);
    if (!**field)
        g_clear_pointer(field, g_free);
    return true;
}

static bool read_text_child(XmlReader *reader, const xmlNode *element, const XmlRow *row, void *base,
                            Error **err)
{
    for (const xmlAttr *attr = element->properties; attr; attr = attr->next) {
        if (row->unit != XML_UNIT_NONE && strcmp((const char *)attr->name, "unit") == 0)
            continue;
        if (!xml_drop(reader, (const xmlNode *)attr, err))
            return false;
    }
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && !xml_drop(reader, child, err))
            return false;
    }
    g_autoptr(GString) scratch = g_string_new(NULL);
    const char *text = element_text(element, scratch);
    bool is_void = !*text && row->type != XML_VALUE_STRING && row->type != XML_VALUE_OTHER;
    if (is_void && !(reader->flags & XML_READ_STRICT)) /* as if the element were not there */
        return true;
    return read_value(reader, element, row, text, base, err);
}

static bool read_list_item(XmlReader *reader, const xmlNode *element, const XmlRow *row, void *base,
                           Error **err)
{
    void *object = NULL;
    GPtrArray **list = xml_field(row, base);
    if (*list && (*list)->len >= XML_LIST_MAX)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "more than %d of them", XML_LIST_MAX);
    if (!xml_table_read(row->table, reader, element, &object, err))
        return false;
    if (!*list)
        *list = xml_list_new(row->table);
    g_ptr_array_add(*list, object);
    return true;
}

static bool read_child(XmlReader *reader, const xmlNode *element, const XmlRow *row, const Target *target,
                       Error **err)
{
    void *base = target->base;
    switch ((XmlNodeKind)row->node) {
    case XML_CHILD:
        return read_text_child(reader, element, row, base, err);
    case XML_FLAG:
        *(bool *)xml_field(row, base) = true;
        return true;
    case XML_GROUP: {
        if (row->has_field)
            *(bool *)xml_field(row, base) = true;
        Target group = { target->table, row->rows, base };
        return read_element(reader, element, &group, err);
    }
    case XML_EMBED:
        if (row->table->init)
            row->table->init(xml_field(row, base));
        return xml_table_read_into(row->table, reader, element, xml_field(row, base), err);
    case XML_OBJECT: {
        void *object = NULL;
        if (!xml_table_read(row->table, reader, element, &object, err))
            return false;
        *(void **)xml_field(row, base) = object;
        return true;
    }
    case XML_LIST:
        return read_list_item(reader, element, row, base, err);
    case XML_VERBATIM:
        return read_verbatim(row, element, base);
    case XML_KEPT:
        if (row->custom && !row->custom->read(reader, row, element, base, err))
            return false;
        keep(target, row, xml_element_to_text(element));
        return true;
    case XML_CUSTOM:
        return row->custom->read(reader, row, element, base, err);
    default:
        g_assert_not_reached();
    }
}

static bool row_repeats(const XmlRow *row)
{
    return row->node == XML_LIST || row->node == XML_CUSTOM || row->node == XML_KEPT;
}

/* Was there an earlier sibling that the same row took? */
static bool is_repeated(const XmlRow *row, const xmlNode *element)
{
    for (const xmlNode *node = element->prev; node; node = node->prev) {
        if (node->type == XML_ELEMENT_NODE && row_names_element(row, node))
            return true;
    }
    return false;
}

static bool read_children(XmlReader *reader, const xmlNode *element, const Target *target, Error **err)
{
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE)
            continue;
        Target place;
        const XmlRow *row = find_child_row(target, child, &place);
        bool repeated = row && !row_repeats(row) && is_repeated(row, child);
        if (repeated && row->flags & ROW_SINGLE)
            return xml_error(reader, child, row->bad_code ? (ErrorCode)row->bad_code : ERROR_INTERNAL, err,
                             "only one is allowed");
        if (!row && child->ns && target->table->keeps_foreign && target->rows == target->table->rows) {
            keep(target, NULL, xml_element_to_text(child));
            continue;
        }
        bool refuse = !row && target->table->unknown_code && !(reader->flags & XML_READ_STRICT);
        if (refuse)
            return xml_error(reader, child, target->table->unknown_code, err, "not known inside '%s'",
                             (const char *)element->name);
        if (!row || repeated) {
            if (!xml_drop(reader, child, err))
                return false;
            continue;
        }
        if (row_is_readable(reader, row) && !read_child(reader, child, row, &place, err))
            return false;
    }
    return true;
}

static bool has_child(const xmlNode *element, const XmlRow *row)
{
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && row_names_element(row, child))
            return row->node != XML_CHILD || child->children; /* an empty text is none */
    }
    return false;
}

/* Text rows of this level, and required children that did not come. */
static bool read_text_rows(XmlReader *reader, const xmlNode *element, const Target *target, Error **err)
{
    for (const XmlRow *row = target->rows; row->node != XML_END; row++) {
        if (!xml_row_applies(row, target->base) || !row_is_readable(reader, row))
            continue;
        if (row->node == XML_TEXT) {
            g_autoptr(GString) scratch = g_string_new(NULL);
            const char *text = element_text(element, scratch);
            if (!*text && row->flags & ROW_REQUIRED)
                return missing_error(reader, element, row, err);
            bool empty_number = !*text && row->type != XML_VALUE_STRING;
            if (!empty_number && !read_value(reader, element, row, text, target->base, err))
                return false;
        } else if (row->flags & ROW_REQUIRED && row->node != XML_ATTR && !has_child(element, row)) {
            return missing_error(reader, element, row, err);
        }
    }
    return true;
}

static bool read_element(XmlReader *reader, const xmlNode *element, const Target *target, Error **err)
{
    return read_attributes(reader, element, target, err) &&
           drop_unknown_attributes(reader, element, target, err) &&
           read_text_rows(reader, element, target, err) && read_children(reader, element, target, err);
}

bool xml_table_read_into(const XmlTable *table, XmlReader *reader, const xmlNode *element, void *object,
                         Error **err)
{
    Target target = { table, table->rows, object };
    if (!read_element(reader, element, &target, err))
        return false;
    return !table->finish || table->finish(reader, element, object, err);
}

bool xml_table_read(const XmlTable *table, XmlReader *reader, const xmlNode *element, void **ret_object,
                    Error **err)
{
    void *object = xml_table_new(table);
    if (!xml_table_read_into(table, reader, element, object, err)) {
        xml_table_free(table, object);
        return false;
    }
    *ret_object = object;
    return true;
}
