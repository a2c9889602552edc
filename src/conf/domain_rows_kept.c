/* Elements that nothing acts on and that are kept as they came: what is wrong in them is refused all the
 * same. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/units.h"
#include "conf/domain_rows.h"
#include "conf/xml_internal.h"

/* ---- attributes ---- */

typedef enum Need { OPTIONAL, REQUIRED } Need;

static bool missing(XmlReader *reader, const xmlNode *element, const char *name, Error **err)
{
    return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute '%s' is missing", name);
}

/* @values: those that there are, and NULL. */
static bool check_word(XmlReader *reader, const xmlNode *element, const char *name, Need need,
                       const char *const *values, Error **err)
{
    const char *text = xml_attr(element, name);

    if (!text)
        return need == OPTIONAL || missing(reader, element, name, err);
    return g_strv_contains(values, text) ||
           xml_error(reader, element, ERROR_XML_INVALID, err, "attribute '%s': '%s' is not a known value",
                     name, text);
}

static bool check_number(XmlReader *reader, const xmlNode *element, const char *name, Need need, Error **err)
{
    const char *text = xml_attr(element, name);
    uint64_t number = 0;

    if (!text)
        return need == OPTIONAL || missing(reader, element, name, err);
    return parse_uint(text, &number, NULL) ||
           xml_error(reader, element, ERROR_XML_INVALID, err, "attribute '%s': '%s' is not a valid number",
                     name, text);
}

static bool is_named(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const xmlNode *find_child(const xmlNode *element, const char *name)
{
    const xmlNode *child = element->children;

    while (child && !is_named(child, name))
        child = child->next;
    return child;
}

/* ---- cache and memory bandwidth ---- */

/* vCPUs of two such elements are the same ones or others. */
static bool check_tuned_vcpus(XmlReader *reader, const xmlNode *element, CpuSet **ret_vcpus, Error **err)
{
    const char *name = (const char *)element->name, *text = xml_attr(element, "vcpus");

    if (!text)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute 'vcpus' is missing");
    if (!cpuset_parse(text, ret_vcpus, NULL))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute 'vcpus': invalid value '%s'",
                         text);
    for (const xmlNode *other = element->prev; other; other = other->prev) {
        const char *other_text = is_named(other, name) ? xml_attr(other, "vcpus") : NULL;
        g_autoptr(CpuSet) vcpus = NULL;
        if (!other_text || !cpuset_parse(other_text, &vcpus, NULL))
            continue;
        for (int cpu = cpuset_next(*ret_vcpus, -1); cpu >= 0; cpu = cpuset_next(*ret_vcpus, cpu)) {
            if (cpuset_has(vcpus, (unsigned)cpu))
                return xml_error(reader, element, ERROR_XML_INVALID, err,
                                 "attribute 'vcpus': overlapping vcpus in resctrls: '%s' and '%s'", text,
                                 other_text);
        }
    }
    return true;
}

/* What is watched is a part of what is tuned. */
static bool check_monitor(XmlReader *reader, const xmlNode *element, const CpuSet *tuned, Error **err)
{
    const char *text = xml_attr(element, "vcpus");
    g_autoptr(CpuSet) vcpus = NULL;

    if (!check_number(reader, element, "level", REQUIRED, err))
        return false;
    if (!text || !cpuset_parse(text, &vcpus, NULL))
        return missing(reader, element, "vcpus", err);
    for (int cpu = cpuset_next(vcpus, -1); cpu >= 0; cpu = cpuset_next(vcpus, cpu)) {
        if (!cpuset_has(tuned, (unsigned)cpu))
            return xml_error(reader, element, ERROR_INVALID_ARGUMENT, err,
                             "Monitor vcpus conflicts with allocation: '%s'", text);
    }
    return true;
}

static bool check_cachetune(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                            Error **err)
{
    static const char *const types[] = { "both", "code", "data", NULL };
    g_autoptr(CpuSet) vcpus = NULL;

    if (!check_tuned_vcpus(reader, element, &vcpus, err))
        return false;
    for (const xmlNode *child = element->children; child; child = child->next) {
        uint64_t bytes = 0;
        if (is_named(child, "cache") && (!check_number(reader, child, "id", REQUIRED, err) ||
                                         !check_number(reader, child, "level", REQUIRED, err) ||
                                         !check_word(reader, child, "type", REQUIRED, types, err) ||
                                         !check_number(reader, child, "size", REQUIRED, err)))
            return false;
        if (is_named(child, "cache") && !size_scale(1, xml_attr(child, "unit"), 1, &bytes, err))
            return false;
        if (is_named(child, "monitor") && !check_monitor(reader, child, vcpus, err))
            return false;
    }
    return true;
}

static bool check_memorytune(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                             Error **err)
{
    g_autoptr(CpuSet) vcpus = NULL;

    if (!check_tuned_vcpus(reader, element, &vcpus, err))
        return false;
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (!is_named(child, "node"))
            continue;
        if (!check_number(reader, child, "id", REQUIRED, err) ||
            !check_number(reader, child, "bandwidth", REQUIRED, err))
            return false;
        for (const xmlNode *other = child->prev; other; other = other->prev) {
            if (is_named(other, "node") && strcmp(xml_attr(other, "id"), xml_attr(child, "id")) == 0)
                return xml_error(reader, child, ERROR_XML_INVALID, err,
                                 "Memory Bandwidth already defined for node %s", xml_attr(child, "id"));
        }
    }
    return true;
}

const XmlCustom cachetune_check = { .read = check_cachetune };
const XmlCustom memorytune_check = { .read = check_memorytune };

/* ---- what other machines or processors have ---- */

static bool check_msrs(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    static const char *const values[] = { "ignore", "fault", NULL };

    return check_word(reader, element, "unknown", REQUIRED, values, err);
}

static bool check_keywrap(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                          Error **err)
{
    static const char *const names[] = { "aes", "dea", NULL }, *const states[] = { "on", "off", NULL };

    for (const xmlNode *child = element->children; child; child = child->next) {
        if (is_named(child, "cipher") && (!check_word(reader, child, "name", REQUIRED, names, err) ||
                                          !check_word(reader, child, "state", REQUIRED, states, err)))
            return false;
    }
    return true;
}

static bool check_idmap(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    return !find_child(element, "uid") == !find_child(element, "gid") ||
           xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err, "uid and gid should be mapped both");
}

static bool check_launch_number(XmlReader *reader, const xmlNode *element, const char *name, Need need,
                                Error **err)
{
    const xmlNode *child = find_child(element, name);
    xmlChar *text = child ? xmlNodeGetContent(child) : NULL;
    uint64_t number = 0;
    bool ok = text ? parse_uint_any((const char *)text, &number, NULL) : need == OPTIONAL;

    xmlFree(text);
    return ok || xml_error(reader, element, ERROR_XML_INVALID, err, "failed to get launch security %s", name);
}

static bool check_launch_security(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                                  Error **err)
{
    static const char *const types[] = { "sev", "s390-pv", NULL }, *const switches[] = { "yes", "no", NULL };

    if (!check_word(reader, element, "type", REQUIRED, types, err) ||
        !check_word(reader, element, "kernelHashes", OPTIONAL, switches, err))
        return false;
    return strcmp(xml_attr(element, "type"), "sev") != 0 ||
           (check_launch_number(reader, element, "policy", REQUIRED, err) &&
            check_launch_number(reader, element, "cbitpos", OPTIONAL, err) &&
            check_launch_number(reader, element, "reducedPhysBits", OPTIONAL, err));
}

const XmlCustom msrs_check = { .read = check_msrs };
const XmlCustom keywrap_check = { .read = check_keywrap };
const XmlCustom idmap_check = { .read = check_idmap };
const XmlCustom launch_security_check = { .read = check_launch_security };
