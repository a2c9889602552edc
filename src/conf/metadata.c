/* Metadata of definitions. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/metadata.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "conf/xml_table.h"

/* A document whose root holds what is in <metadata>. */
static bool metadata_to_doc(const char *elements, xmlDoc **ret_doc, Error **err)
{
    g_autofree char *text = g_strdup_printf("<metadata>%s</metadata>", elements ? elements : "");

    return xml_document_read(text, strlen(text), "(metadata)", ret_doc, err);
}

/* As libxml2 prints it, quotes included: applications compare what they get with what they gave. */
static char *metadata_node_text(xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();

    if (!buffer || xmlNodeDump(buffer, node->doc, node, 0, 1) < 0)
        g_error("out of memory");
    char *text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

static char *metadata_from_doc(xmlDoc *doc)
{
    g_autofree char *text = xml_content_to_text(xmlDocGetRootElement(doc));
    return *text ? g_steal_pointer(&text) : NULL;
}

static xmlNode *metadata_find(xmlDoc *doc, const char *uri)
{
    for (xmlNode *node = xmlDocGetRootElement(doc)->children; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && node->ns && strcmp((const char *)node->ns->href, uri) == 0)
            return node;
    }
    return NULL;
}

/* Elements without a name space of their own join the one that the caller named. */
static void metadata_set_ns(xmlNode *node, xmlNs *ns)
{
    if (node->type != XML_ELEMENT_NODE)
        return;
    if (!node->ns)
        xmlSetNs(node, ns);
    for (xmlNode *child = node->children; child; child = child->next)
        metadata_set_ns(child, ns);
}

static void metadata_drop_ns(xmlNode *node, const char *uri)
{
    if (node->type != XML_ELEMENT_NODE)
        return;
    if (node->ns && strcmp((const char *)node->ns->href, uri) == 0)
        xmlSetNs(node, NULL);
    for (xmlNode *child = node->children; child; child = child->next)
        metadata_drop_ns(child, uri);
}

static bool metadata_add(xmlDoc *doc, xmlDoc *new_doc, const char *key, const char *uri, Error **err)
{
    xmlNode *node = xmlDocCopyNode(xmlDocGetRootElement(new_doc), doc, 1);
    xmlNs *ns = xmlNewNs(node, (const xmlChar *)uri, (const xmlChar *)key);

    if (!ns) {
        xmlFreeNode(node);
        return error_set(err, ERROR_INTERNAL, "failed to create a new XML namespace");
    }
    metadata_set_ns(node, ns);
    xmlAddChild(xmlDocGetRootElement(doc), node);
    return true;
}

/* Would a reader get @text out of @text? Name spaces that it does not accept are not errors to it. */
static bool metadata_reads_back(const char *text)
{
    g_autoptr(xmlDoc) doc = NULL;

    if (!metadata_to_doc(text, &doc, NULL))
        return false;
    g_autofree char *again = metadata_from_doc(doc);
    return g_strcmp0(again, text) == 0;
}

static bool metadata_set_element(char **elements, const char *element, const char *key, const char *uri,
                                 Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(xmlDoc) new_doc = NULL;

    if (element && !xml_document_read(element, strlen(element), "(metadata_xml)", &new_doc, err))
        return false;
    if (!metadata_to_doc(*elements, &doc, err))
        return false;
    xmlNode *old = metadata_find(doc, uri);
    if (old) {
        xmlUnlinkNode(old);
        xmlFreeNode(old);
    }
    if (new_doc && !metadata_add(doc, new_doc, key, uri, err))
        return false;
    g_autofree char *text = metadata_from_doc(doc);
    if (new_doc && !metadata_reads_back(text))
        return error_set(err, ERROR_INTERNAL, "failed to create a new XML namespace");
    g_free(*elements);
    *elements = g_steal_pointer(&text);
    return true;
}

static void metadata_set_text(char **field, const char *text)
{
    g_free(*field);
    *field = text && *text ? g_strdup(text) : NULL;
}

bool metadata_set(MetadataFields fields, int type, const char *metadata, const char *key, const char *uri,
                  Error **err)
{
    switch (type) {
    case METADATA_DESCRIPTION:
        metadata_set_text(fields.description, metadata);
        return true;
    case METADATA_TITLE:
        metadata_set_text(fields.title, metadata);
        return true;
    default:
        return metadata_set_element(fields.elements, metadata, key, uri, err);
    }
}

static bool metadata_check_element(const char *metadata, const char *key, const char *uri, Error **err)
{
    if (!uri || !*uri)
        return error_set(err, ERROR_INVALID_ARGUMENT, "uri must be given for metadata elements");
    if (!xml_can_hold(uri))
        return error_set(err, ERROR_INVALID_ARGUMENT, "uri has a character that XML cannot hold");
    if (!metadata)
        return true;
    if (!key)
        return error_set(err, ERROR_INVALID_ARGUMENT, "key must be given for metadata elements");
    /* Two prefixes belong to XML itself: a reader would not take them for ours. */
    if (xmlValidateNCName((const xmlChar *)key, 0) != 0 || strcmp(key, "xml") == 0 ||
        strcmp(key, "xmlns") == 0)
        return error_set(err, ERROR_INTERNAL, "failed to validate prefix for a new XML namespace");
    return true;
}

bool metadata_check(int type, const char *metadata, const char *key, const char *uri, Error **err)
{
    switch (type) {
    case METADATA_TITLE:
        if (metadata && strchr(metadata, '\n'))
            return error_set(err, ERROR_INVALID_ARGUMENT, "metadata title can't contain newlines");
        __attribute__((fallthrough));
    case METADATA_DESCRIPTION:
        if (uri || key)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "uri and key must be NULL for title and description");
        if (metadata && !xml_can_hold(metadata))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s has a character that XML cannot hold",
                             type == METADATA_TITLE ? "title" : "description");
        return true;
    case METADATA_ELEMENT:
        return metadata_check_element(metadata, key, uri, err);
    default:
        return error_set(err, ERROR_INVALID_ARGUMENT, "unknown metadata type '%d'", type);
    }
}

static bool metadata_get_element(const char *elements, const char *uri, char **ret_text, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;

    if (!metadata_to_doc(elements, &doc, err))
        return false;
    xmlNode *node = metadata_find(doc, uri);
    if (!node)
        return true;
    /* Shown as it was given: without the name space that storing it added. */
    for (xmlNs **link = &node->nsDef; *link; link = &(*link)->next) {
        if (strcmp((const char *)(*link)->href, uri) == 0) {
            xmlNs *ns = *link;
            metadata_drop_ns(node, uri);
            *link = ns->next;
            ns->next = NULL;
            xmlFreeNs(ns);
            break;
        }
    }
    *ret_text = metadata_node_text(node);
    return true;
}

bool metadata_get(MetadataFields fields, int type, const char *uri, char **ret_text, Error **err)
{
    *ret_text = NULL;
    if (type == METADATA_ELEMENT)
        return metadata_get_element(*fields.elements, uri, ret_text, err);
    *ret_text = g_strdup(type == METADATA_TITLE ? *fields.title : *fields.description);
    return true;
}
