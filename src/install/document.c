/* Places are read component by component. What XPath can say beyond names, numbers and [@a='b'] is left to
 * libxml2's evaluator, which finds but cannot make. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/document.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>
#include <string.h>

/* One component: "name", "name[2]", "name[@key='value']", "@attribute". */
typedef struct Step {
    char *name;
    bool is_attribute;
    unsigned index;    /* from 1 */
    char *key, *value; /* NULL: no condition */
} Step;

static void step_clear(Step *step)
{
    g_free(step->name);
    g_free(step->key);
    g_free(step->value);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Step, step_clear)

/* Takes the next component off @path; false at its end, or where it is none of the simple ones. */
static bool step_read(const char **path, Step *ret_step)
{
    const char *at = *path;

    while (*at == '/' || (at[0] == '.' && (at[1] == '/' || !at[1])))
        at++;
    if (!*at)
        return false;
    *ret_step = (Step){ .index = 1, .is_attribute = *at == '@' };
    at += *at == '@';
    const size_t len = strcspn(at, "/[");
    ret_step->name = g_strndup(at, len);
    at += len;
    if (*at == '[') {
        const char *end = strchr(at, ']');
        char *rest = NULL;
        if (!end)
            return false;
        if (at[1] == '@') {
            const char *equals = memchr(at, '=', (size_t)(end - at));
            if (!equals || end - equals < 3)
                return false;
            ret_step->key = g_strndup(at + 2, (size_t)(equals - at - 2));
            ret_step->value = g_strndup(equals + 2, (size_t)(end - equals - 3));
        } else {
            ret_step->index = (unsigned)strtoul(at + 1, &rest, 10);
            if (rest != end || ret_step->index == 0)
                return false;
        }
        at = end + 1;
    }
    *path = at;
    return true;
}

static bool is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

xmlNode *doc_next(const xmlNode *node, const char *name, const xmlNode *last)
{
    xmlNode *child = last ? last->next : node->children;

    while (child && !is_element(child, name))
        child = child->next;
    return child;
}

unsigned doc_count(const xmlNode *node, const char *name)
{
    unsigned count = 0;

    for (const xmlNode *child = NULL; (child = doc_next(node, name, child));)
        count++;
    return count;
}

static xmlNode *step_find(const xmlNode *node, const Step *step)
{
    xmlNode *child = NULL;
    unsigned index = 0;

    while ((child = doc_next(node, step->name, child))) {
        if (step->key) {
            xmlChar *value = xmlGetProp(child, (const xmlChar *)step->key);
            const bool is_it = g_strcmp0((const char *)value, step->value) == 0;
            xmlFree(value);
            if (!is_it)
                continue;
        }
        if (++index == step->index)
            return child;
    }
    return NULL;
}

static xmlNode *add_child(xmlNode *node, const char *name)
{
    return xmlNewChild(node, NULL, (const xmlChar *)name, NULL);
}

/* The element that the components before an attribute lead to; *ret_attribute: its name or NULL; owned. */
static xmlNode *walk(xmlNode *node, const char *path, bool make, char **ret_attribute)
{
    *ret_attribute = NULL;
    for (;;) {
        g_auto(Step) step = { 0 };
        if (!step_read(&path, &step))
            return node;
        if (step.is_attribute) {
            *ret_attribute = g_steal_pointer(&step.name);
            return node;
        }
        xmlNode *child = step_find(node, &step);
        if (!child && !make)
            return NULL;
        while (!child) {
            xmlNode *made = add_child(node, step.name);
            if (step.key)
                xmlSetProp(made, (const xmlChar *)step.key, (const xmlChar *)step.value);
            child = step_find(node, &step);
        }
        node = child;
    }
}

xmlNode *doc_find(const xmlNode *node, const char *path)
{
    g_autofree char *attribute = NULL;
    xmlNode *found = walk((xmlNode *)node, path, false, &attribute);

    return attribute ? NULL : found;
}

xmlNode *doc_make(xmlNode *node, const char *path)
{
    g_autofree char *attribute = NULL;

    return walk(node, path, true, &attribute);
}

xmlNode *doc_add(xmlNode *node, const char *path)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *above = slash ? g_strndup(path, (size_t)(slash - path)) : NULL;

    return add_child(above ? doc_make(node, above) : node, slash ? slash + 1 : path);
}

char *doc_get(const xmlNode *node, const char *path)
{
    g_autofree char *attribute = NULL;
    xmlNode *found = walk((xmlNode *)node, path, false, &attribute);
    xmlChar *text = !found      ? NULL
                    : attribute ? xmlGetProp(found, (const xmlChar *)attribute)
                                : xmlNodeGetContent(found);
    char *value = text && *text ? g_strdup((const char *)text) : NULL;

    xmlFree(text);
    return value;
}

bool doc_has(const xmlNode *node, const char *path)
{
    g_autofree char *attribute = NULL;
    xmlNode *found = walk((xmlNode *)node, path, false, &attribute);

    return found && (!attribute || xmlHasProp(found, (const xmlChar *)attribute));
}

bool doc_is(const xmlNode *node, const char *path, const char *value)
{
    g_autofree char *text = doc_get(node, path);

    return g_strcmp0(text, value) == 0;
}

/* An element of which nothing is left says nothing. */
static void drop_if_empty(xmlNode *top, xmlNode *node)
{
    while (node != top && !node->children && !node->properties) {
        xmlNode *above = node->parent;
        doc_drop(node);
        node = above;
    }
}

void doc_set(xmlNode *node, const char *path, const char *value)
{
    g_autofree char *attribute = NULL;
    const bool clears = !value || !*value;
    xmlNode *found = walk(node, path, !clears, &attribute);

    if (!found)
        return;
    if (attribute && clears)
        xmlUnsetProp(found, (const xmlChar *)attribute);
    else if (attribute)
        xmlSetProp(found, (const xmlChar *)attribute, (const xmlChar *)value);
    else {
        /* Its own text alone: elements below it stay. */
        for (xmlNode *child = found->children, *next; child; child = next) {
            next = child->next;
            if (child->type != XML_ELEMENT_NODE)
                doc_drop(child);
        }
        if (!clears && found->children)
            xmlAddPrevSibling(found->children, xmlNewText((const xmlChar *)value));
        else if (!clears)
            xmlAddChild(found, xmlNewText((const xmlChar *)value));
    }
    if (clears)
        drop_if_empty(node, found);
}

void doc_setf(xmlNode *node, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *value = g_strdup_vprintf(format, args);
    va_end(args);
    doc_set(node, path, value);
}

void doc_default(xmlNode *node, const char *path, const char *value)
{
    if (!doc_has(node, path))
        doc_set(node, path, value);
}

void doc_drop(xmlNode *node)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

void doc_remove(xmlNode *node, const char *path)
{
    xmlNode *found = doc_find(node, path);

    if (found)
        doc_drop(found);
    else
        doc_set(node, path, NULL);
}

/* ---- XPath ---- */

static void quiet(void *arg, const char *format, ...)
{
}

/* NULL with @err for an expression that is none. */
static xmlXPathObject *eval(xmlNode *node, const char *xpath, Error **err)
{
    xmlXPathContext *context = xmlXPathNewContext(node->doc);

    context->node = node;
    xmlSetGenericErrorFunc(NULL, quiet);
    xmlXPathRegisterNs(context, (const xmlChar *)"qemu",
                       (const xmlChar *)"http://libvirt.org/schemas/domain/qemu/1.0");
    xmlXPathObject *result = xmlXPathEvalExpression((const xmlChar *)xpath, context);
    xmlSetGenericErrorFunc(NULL, NULL);
    xmlXPathFreeContext(context);
    if (!result || result->type != XPATH_NODESET) {
        xmlXPathFreeObject(result);
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not an XPath expression that selects a place", xpath);
        return NULL;
    }
    return result;
}

static bool eval_first(xmlNode *node, const char *xpath, xmlNode **ret_found, Error **err)
{
    xmlXPathObject *result = eval(node, xpath, err);

    if (!result)
        return false;
    *ret_found = result->nodesetval && result->nodesetval->nodeNr > 0 ? result->nodesetval->nodeTab[0] : NULL;
    xmlXPathFreeObject(result);
    return true;
}

bool doc_xpath_set(xmlNode *node, const char *xpath, const char *value, Error **err)
{
    xmlNode *found = NULL;

    if (!eval_first(node, xpath, &found, err))
        return false;
    if (!found || found->type == XML_ATTRIBUTE_NODE || found == node) {
        doc_set(node, xpath, value);
        return true;
    }
    doc_set(found, ".", value);
    if (!value || !*value)
        drop_if_empty(node, found);
    return true;
}

bool doc_xpath_create(xmlNode *node, const char *xpath, Error **err)
{
    xmlNode *found = NULL;

    if (!eval_first(node, xpath, &found, err))
        return false;
    if (!found)
        (void)doc_make(node, xpath);
    return true;
}

bool doc_xpath_delete(xmlNode *node, const char *xpath, Error **err)
{
    xmlNode *found = NULL;

    if (!eval_first(node, xpath, &found, err))
        return false;
    if (found && found->type == XML_ATTRIBUTE_NODE)
        xmlRemoveProp((xmlAttr *)found);
    else if (found && found != node)
        doc_drop(found);
    return true;
}

char *doc_format(xmlDoc *doc)
{
    xmlChar *text = NULL;
    int len = 0;

    xmlKeepBlanksDefault(0);
    xmlDocDumpFormatMemoryEnc(doc, &text, &len, "UTF-8", 1);
    /* The declaration in the first line says nothing that the daemon does not know. */
    const char *start = strchr((const char *)text, '\n');
    char *result = g_strdup(start ? start + 1 : (const char *)text);
    xmlFree(text);
    return result;
}
