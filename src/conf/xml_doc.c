/* Hostile text into an XML tree. A document type declaration ends the parse at once, so no entity is ever
 * declared or expanded and no file or network address is looked at. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "conf/xml_internal.h"

/* What is wrong with a document: the first fault counts, the later ones are its consequences. */
typedef struct Problem {
    bool doctype;
    int line, column;
    char *message;
} Problem;

static void problem_found(void *ctx, xmlError *error)
{
    xmlParserCtxt *parser = ctx;
    Problem *problem = parser->_private;
    if (problem->message || error->level < XML_ERR_ERROR)
        return;
    problem->line = error->line;
    problem->column = error->int2;
    problem->message = g_strdup(error->message);
}

static void doctype_found(void *ctx, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    xmlParserCtxt *parser = ctx;
    ((Problem *)parser->_private)->doctype = true;
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

static bool read_failed(const Problem *problem, const xmlParserCtxt *parser, const char *text, size_t len,
                        const char *source, Error **err)
{
    if (problem->doctype) {
        error_set(err, ERROR_XML_SYNTAX, "%s:%d: a document type declaration is not allowed", source,
                  parser->input ? parser->input->line : 1);
        return error_hint(err, "remove the <!DOCTYPE ...> from the document");
    }
    if (!problem->message)
        return error_set(err, ERROR_XML_SYNTAX, "%s:1: not an XML document", source);
    g_autoptr(GString) message = g_string_new(NULL);
    g_autofree char *reason = g_strchomp(g_utf8_make_valid(problem->message, -1));
    g_string_printf(message, "%s:%d: %s", source, problem->line, reason);
    append_excerpt(message, text, len, problem->line, problem->column);
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

/* Errors of no document, as of converting its encoding, would go to the standard error stream. */
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
    Problem problem = { 0 };
    parser->_private = &problem;
    parser->sax->internalSubset = doctype_found;
    parser->sax->serror = problem_found;
    xmlSetStructuredErrorFunc(NULL, ignore_error);
    xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                        XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES | XML_PARSE_COMPACT);
    xmlSetStructuredErrorFunc(NULL, NULL);
    bool ok = doc && !problem.doctype && parser->wellFormed && xmlDocGetRootElement(doc);
    if (!ok)
        read_failed(&problem, parser, text, len, source, err);
    g_free(problem.message);
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
