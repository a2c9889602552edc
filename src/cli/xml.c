/* Reads XML that the daemon sent, only to pick values out of it: the daemon is the one who understands it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <string.h>

#include "cli/domain.h"
#include "cli/output.h"

struct XmlDoc {
    xmlDoc *doc;
    xmlXPathContext *context;
};

static void xml_quiet(void *arg, const char *format, ...)
{
}

bool xml_parse(const char *text, XmlDoc **ret_doc, Error **err)
{
    xmlDoc *tree = xmlReadMemory(text, (int)strlen(text), "xml", NULL,
                                 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!tree)
        return error_set(err, ERROR_XML_SYNTAX, "the XML document is not well-formed");
    XmlDoc *doc = g_new0(XmlDoc, 1);
    doc->doc = tree;
    doc->context = xmlXPathNewContext(tree);
    *ret_doc = doc;
    return true;
}

void xml_doc_free(XmlDoc *doc)
{
    if (!doc)
        return;
    xmlXPathFreeContext(doc->context);
    xmlFreeDoc(doc->doc);
    g_free(doc);
}

static xmlXPathObject *xml_eval(XmlDoc *doc, xmlNode *node, const char *xpath)
{
    doc->context->node = node ? node : xmlDocGetRootElement(doc->doc);
    xmlSetGenericErrorFunc(NULL, xml_quiet);
    xmlXPathObject *result = xmlXPathEvalExpression((const xmlChar *)xpath, doc->context);
    xmlSetGenericErrorFunc(NULL, NULL);
    return result;
}

bool xml_select(XmlDoc *doc, xmlNode *node, const char *xpath, GPtrArray **ret_nodes, Error **err)
{
    xmlXPathObject *result = xml_eval(doc, node, xpath);
    if (!result || result->type != XPATH_NODESET) {
        xmlXPathFreeObject(result);
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not an XPath expression that selects nodes",
                         xpath);
    }
    GPtrArray *nodes = g_ptr_array_new();
    for (int i = 0; result->nodesetval && i < result->nodesetval->nodeNr; i++)
        g_ptr_array_add(nodes, result->nodesetval->nodeTab[i]);
    xmlXPathFreeObject(result);
    *ret_nodes = nodes;
    return true;
}

char *xml_get(XmlDoc *doc, xmlNode *node, const char *xpath)
{
    xmlXPathObject *result = xml_eval(doc, node, xpath);
    char *value = NULL;
    if (result && result->type == XPATH_STRING && *result->stringval)
        value = g_strdup((const char *)result->stringval);
    if (result && result->type == XPATH_NODESET && result->nodesetval && result->nodesetval->nodeNr > 0) {
        xmlChar *text = xmlNodeGetContent(result->nodesetval->nodeTab[0]);
        value = g_strdup((const char *)text);
        xmlFree(text);
    }
    xmlXPathFreeObject(result);
    return value;
}

char *xml_format_nodes(XmlDoc *doc, const GPtrArray *nodes, bool wrap)
{
    GString *out = g_string_new(wrap ? "<nodes>\n" : NULL);
    for (unsigned i = 0; i < nodes->len; i++) {
        xmlBuffer *buffer = xmlBufferCreate();
        xmlNodeDump(buffer, doc->doc, nodes->pdata[i], wrap ? 1 : 0, 1);
        if (wrap)
            g_string_append(out, "  ");
        g_string_append(out, (const char *)xmlBufferContent(buffer));
        g_string_append_c(out, '\n');
        xmlBufferFree(buffer);
    }
    if (wrap)
        g_string_append(out, "</nodes>\n");
    return g_string_free(out, FALSE);
}

bool cli_print_xml(Cli *cli, const CliArgs *args, const char *xml, Error **err)
{
    const char *xpath = args_get(args, "xpath");
    if (!xpath) {
        cli_print_text(cli, "xml", xml);
        return true;
    }
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    if (!xml_parse(xml, &doc, err) || !xml_select(doc, NULL, xpath, &nodes, err))
        return false;
    g_autofree char *text = xml_format_nodes(doc, nodes, args_has(args, "wrap"));
    if (nodes->len || args_has(args, "wrap") || cli->json)
        cli_print_text(cli, "xml", text);
    return true;
}
