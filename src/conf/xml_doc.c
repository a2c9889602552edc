/* Hostile text into an XML tree. A document type declaration ends the parse at once, so no entity is ever
 * declared or expanded and no file or network address is looked at. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "conf/xml_internal.h"

static void doctype_found(void *ctx, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    xmlParserCtxt *parser = ctx;
    parser->_private = parser; /* tells read_failed() why */
    xmlStopParser(parser);
}

/* The line of @text that the parser stopped in, with a mark below the column. */
static void append_excerpt(GString *message, const char *text, size_t len, int line, int column)
{
    const char *start = text, *end = text + len;
    for (int i = 1; i < line && start < end; i++) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        if (!newline)
            return;
        start = newline + 1;
    }
    const char *stop = memchr(start, '\n', (size_t)(end - start)) ?: end;
    if (stop - start > 500 || !g_utf8_validate(start, stop - start, NULL))
        return;
    g_string_append_printf(message, "\n%.*s\n", (int)(stop - start), start);
    for (int i = 1; i < column && i < 500; i++)
        g_string_append_c(message, '-');
    g_string_append_c(message, '^');
}

static bool read_failed(xmlParserCtxt *parser, const char *text, size_t len, const char *source, Error **err)
{
    if (parser->_private) {
        error_set(err, ERROR_XML_SYNTAX, "%s:%d: a document type declaration is not allowed", source,
                  parser->input ? parser->input->line : 1);
        return error_hint(err, "remove the <!DOCTYPE ...> from the document");
    }
    const xmlError *problem = xmlCtxtGetLastError(parser);
    if (!problem || !problem->message)
        return error_set(err, ERROR_XML_SYNTAX, "%s:1: not an XML document", source);
    g_autoptr(GString) message = g_string_new(NULL);
    g_autofree char *reason = g_strchomp(g_utf8_make_valid(problem->message, -1));
    g_string_printf(message, "%s:%d: %s", source, problem->line, reason);
    append_excerpt(message, text, len, problem->line, problem->int2);
    return error_set(err, ERROR_XML_SYNTAX, "%s", message->str);
}

/* Not recursive: the depth is what it guards. */
static const xmlNode *too_deep(const xmlNode *root)
{
    int depth = 1;
    for (const xmlNode *node = root; node;) {
        if (node->children && node->type == XML_ELEMENT_NODE) {
            node = node->children;
            if (++depth > XML_DEPTH_MAX)
                return node;
            continue;
        }
        while (node != root && !node->next) {
            node = node->parent;
            depth--;
        }
        node = node == root ? NULL : node->next;
    }
    return NULL;
}

/* The library would write some errors to the standard error stream; read_failed() tells them to who asked. */
static void ignore_error(void *arg, xmlError *problem)
{
}

bool xml_document_read(const char *text, size_t len, const char *source, xmlDoc **ret_doc, Error **err)
{
    if (len > XML_DOCUMENT_MAX)
        return error_set(err, ERROR_OVERFLOW, "%s: %zu bytes are too long for a document (limit: %u)", source,
                         len, XML_DOCUMENT_MAX);
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser)
        g_error("out of memory");
    parser->sax->internalSubset = doctype_found;
    xmlSetStructuredErrorFunc(NULL, ignore_error);
    xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                        XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES | XML_PARSE_COMPACT);
    xmlSetStructuredErrorFunc(NULL, NULL);
    bool ok = doc && !parser->_private && parser->wellFormed && xmlDocGetRootElement(doc);
    if (!ok)
        read_failed(parser, text, len, source, err);
    xmlFreeParserCtxt(parser);
    if (!ok) {
        xml_document_free(doc);
        return false;
    }
    const xmlNode *deep = too_deep(xmlDocGetRootElement(doc));
    if (deep) {
        error_set(err, ERROR_XML_INVALID, "%s:%ld: more than %d elements inside each other", source,
                  xmlGetLineNo(deep->parent), XML_DEPTH_MAX);
        xml_document_free(doc);
        return false;
    }
    *ret_doc = doc;
    return true;
}

void xml_document_free(xmlDoc *doc)
{
    if (doc)
        xmlFreeDoc(doc);
}
