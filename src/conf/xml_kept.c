/* Elements that are kept as they came: written out in the same layout as everything else, so that a document
 * reads the same wherever its parts come from. Comments and processing instructions are not kept. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/xml_internal.h"

/* Where a line ends for the eye only. Other line ends are content of mixed text and must not be indented. A
 * carriage return is never content here, because that is written "&#13;", and to a reader it is a blank. */
#define LAYOUT_BREAK '\r'

static void escape(const char *text, bool attribute, GString *out)
{
    const char *start = text;
    for (;; text++) {
        const char *entity;
        switch (*text) {
        case '&':
            entity = "&amp;";
            break;
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '\'':
            entity = "&apos;";
            break;
        case '"':
            entity = "&quot;";
            break;
        case '\r': /* a reader would take it for a line end */
            entity = "&#13;";
            break;
        case '\n': /* and make blanks of these in an attribute */
        case '\t':
            if (!attribute)
                continue;
            entity = *text == '\n' ? "&#10;" : "&#9;";
            break;
        case 0:
            xml_append(out, start, (size_t)(text - start));
            return;
        default:
            if ((unsigned char)*text >= 0x20)
                continue;
            entity = ""; /* XML can't hold other control characters, however written */
            break;
        }
        xml_append(out, start, (size_t)(text - start));
        xml_append(out, entity, strlen(entity));
        start = text + 1;
    }
}

bool xml_can_hold(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    for (; *text; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xfffe || c == 0xffff)
            return false;
    }
    return true;
}

void xml_escape(const char *text, GString *out)
{
    escape(text, false, out);
}

void xml_escape_attribute(const char *text, GString *out)
{
    escape(text, true, out);
}

/* Text as the XML library itself escapes it: quotes stay. */
static void escape_text(const char *text, GString *out)
{
    for (; *text; text++) {
        if (*text == '&')
            g_string_append(out, "&amp;");
        else if (*text == '<')
            g_string_append(out, "&lt;");
        else if (*text == '>')
            g_string_append(out, "&gt;");
        else if (*text == '\r')
            g_string_append(out, "&#13;");
        else
            g_string_append_c(out, *text);
    }
}

static void append_name(GString *out, const xmlNs *ns, const xmlChar *name)
{
    if (ns && ns->prefix)
        g_string_append_printf(out, "%s:", (const char *)ns->prefix);
    g_string_append(out, (const char *)name);
}

/* Is @ns declared inside the subtree of @top already, at or above @node? */
static bool ns_is_declared(const xmlNode *top, const xmlNode *node, const xmlNs *ns)
{
    for (const xmlNode *at = node; at; at = at->parent) {
        for (const xmlNs *def = at->nsDef; def; def = def->next) {
            if (def == ns)
                return true;
        }
        if (at == top)
            break;
    }
    return false;
}

static void append_ns_def(GString *out, const xmlNs *ns, char quote)
{
    g_string_append(out, " xmlns");
    if (ns->prefix)
        g_string_append_printf(out, ":%s", (const char *)ns->prefix);
    g_string_append_printf(out, "=%c", quote);
    xml_escape_attribute(ns->href ? (const char *)ns->href : "", out);
    g_string_append_c(out, quote);
}

static void append_start_tag(const xmlNode *top, const xmlNode *node, char quote, GString *out)
{
    g_string_append_c(out, '<');
    append_name(out, node->ns, node->name);
    for (const xmlNs *ns = node->nsDef; ns; ns = ns->next)
        append_ns_def(out, ns, quote);
    if (node->ns && !ns_is_declared(top, node, node->ns))
        append_ns_def(out, node->ns, quote);
    for (const xmlAttr *attr = node->properties; attr; attr = attr->next) {
        bool is_xml = attr->ns && g_strcmp0((const char *)attr->ns->prefix, "xml") == 0;
        if (attr->ns && attr->ns != node->ns && !is_xml && !ns_is_declared(top, node, attr->ns))
            append_ns_def(out, attr->ns, quote);
        g_string_append_c(out, ' ');
        append_name(out, attr->ns, attr->name);
        g_string_append_printf(out, "=%c", quote);
        const char *value = attr->children ? (const char *)attr->children->content : "";
        g_autoptr(GString) escaped = g_string_new(NULL);
        xml_escape_attribute(value ?: "", escaped);
        if (quote == '"') /* the XML library leaves apostrophes alone */
            g_string_replace(escaped, "&apos;", "'", 0);
        g_string_append_len(out, escaped->str, (gssize)escaped->len);
        g_string_append_c(out, quote);
    }
}

static bool is_text(const xmlNode *node)
{
    return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
}

/* Text between elements that is more than layout: then nothing may be re-indented. */
static bool has_mixed_text(const xmlNode *node)
{
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (is_text(child) && !xmlIsBlankNode(child))
            return true;
    }
    return false;
}

static bool has_content(const xmlNode *node, bool mixed)
{
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE || (is_text(child) && (mixed || !xmlIsBlankNode(child))))
            return true;
    }
    return false;
}

/* Depth is bounded by XML_DEPTH_MAX. */
static void append_element(const xmlNode *top, const xmlNode *node, char quote, unsigned indent,
                           bool inside_mixed, GString *out)
{
    append_start_tag(top, node, quote, out);
    bool mixed = inside_mixed || has_mixed_text(node);
    if (!has_content(node, mixed)) {
        g_string_append(out, "/>");
        return;
    }
    g_string_append_c(out, '>');
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE) {
            if (!mixed) {
                g_string_append_c(out, LAYOUT_BREAK);
                xml_indent(indent + 2, out);
            }
            append_element(top, child, quote, indent + 2, mixed, out);
        } else if (is_text(child) && mixed) {
            escape_text((const char *)child->content, out);
        }
    }
    if (!mixed) {
        g_string_append_c(out, LAYOUT_BREAK);
        xml_indent(indent, out);
    }
    g_string_append(out, "</");
    append_name(out, node->ns, node->name);
    g_string_append_c(out, '>');
}

char *xml_element_to_text(const xmlNode *element)
{
    GString *out = g_string_new(NULL);
    append_element(element, element, '\'', 0, false, out);
    return g_string_free(out, FALSE);
}

char *xml_content_to_text(const xmlNode *element)
{
    GString *out = g_string_new(NULL);
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE)
            continue;
        if (out->len)
            g_string_append_c(out, LAYOUT_BREAK);
        append_element(child, child, '"', 0, false, out);
    }
    return g_string_free(out, FALSE);
}

void xml_text_indent(const char *text, unsigned indent, GString *out)
{
    xml_indent(indent, out);
    while (true) {
        size_t len = strcspn(text, "\r");
        xml_append(out, text, len);
        xml_append_literal(out, "\n");
        if (!text[len])
            return;
        text += len + 1;
        xml_indent(indent, out);
    }
}
