/* Reading <cpu> documents as clients send them to compare and baseline calls.
 *
 * The domain document has its own reader in conf/; this one reads stand-alone <cpu> elements, which may
 * describe a host (from a capabilities document) as well as a guest, and whose errors clients know by code.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cpu"
#include "host/cpu_doc.h"

#include <libxml/tree.h>
#include <string.h>

#include "base/units.h"
#include "conf/xml_table.h"

static const char *const arch_names[] = {
    "alpha",    "armv6l",      "armv7l",     "armv7b",       "aarch64", "cris",      "i686",    "ia64",
    "lm32",     "m68k",        "mips",       "mipsel",       "mips64",  "mips64el",  "or32",    "parisc",
    "parisc64", "ppc",         "ppc64",      "ppcemb",       "ppc64le", "riscv32",   "riscv64", "s390",
    "s390x",    "sh4",         "sh4eb",      "sparc",        "sparc64", "unicore32", "x86_64",  "xtensa",
    "xtensaeb", "loongarch64", "microblaze", "microblazeel",
};

bool cpu_arch_is_known(const char *arch)
{
    for (size_t i = 0; i < G_N_ELEMENTS(arch_names); i++) {
        if (strcmp(arch_names[i], arch) == 0)
            return true;
    }
    return false;
}

bool cpu_arch_is_x86(const char *arch)
{
    return strcmp(arch, "x86_64") == 0 || strcmp(arch, "i686") == 0;
}

void cpu_doc_free(CpuDoc *doc)
{
    if (!doc)
        return;
    g_free(doc->arch);
    g_free(doc->model);
    g_free(doc->vendor);
    g_free(doc);
}

typedef char XmlText;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlText, xmlFree)

/* NULL if absent. Caller owns (g_free). */
static char *attribute(const xmlNode *node, const char *name)
{
    g_autoptr(XmlText) text = (XmlText *)xmlGetNoNsProp(node, BAD_CAST name);
    return g_strdup(text);
}

/* Text of an element without blanks around it; NULL if empty. Caller owns. */
static char *element_text(const xmlNode *node)
{
    g_autoptr(XmlText) content = (XmlText *)xmlNodeGetContent(node);
    g_autofree char *text = g_strdup(content ? content : "");
    return *g_strstrip(text) ? g_steal_pointer(&text) : NULL;
}

static const xmlNode *child_element(const xmlNode *node, const char *name)
{
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && strcmp((const char *)child->name, name) == 0)
            return child;
    }
    return NULL;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0)
            return true;
    }
    return false;
}

/* ---- structure, when the client asks for validation ---- */

static const char *const mode_names[] = { "custom", "host-model", "host-passthrough", "maximum", NULL };
static const char *const match_names[] = { "exact", "minimum", "strict", NULL }; /* CpuMatch */
static const char *const check_names[] = { "none", "partial", "full", NULL };
static const char *const policy_names[] = { "force", "require", "optional", "disable", "forbid", NULL };
static const char *const fallback_names[] = { "allow", "forbid", NULL };
static const char *const on_off_names[] = { "on", "off", NULL };

typedef struct AttributeRule {
    const char *name;
    bool required;
    const char *const *values; /* NULL: any text */
} AttributeRule;

typedef struct ElementRule {
    const char *name;
    enum { IN_HOST = 1, IN_GUEST = 2 } where;
    bool free_content; /* its inside is not looked at */
    AttributeRule attributes[6];
} ElementRule;

static const ElementRule element_rules[] = {
    { "arch", IN_HOST, true, { { 0 } } },
    { "model", IN_HOST, true, { { 0 } } },
    { "model", IN_GUEST, true, { { "fallback", false, fallback_names }, { "vendor_id", false, NULL } } },
    { "vendor", IN_HOST | IN_GUEST, true, { { 0 } } },
    { "microcode", IN_HOST, false, { { "version", true, NULL } } },
    { "signature",
      IN_HOST,
      false,
      { { "family", true, NULL }, { "model", true, NULL }, { "stepping", true, NULL } } },
    { "counter",
      IN_HOST,
      false,
      { { "name", true, NULL }, { "frequency", true, NULL }, { "scaling", false, NULL } } },
    { "topology",
      IN_HOST | IN_GUEST,
      false,
      { { "sockets", true, NULL },
        { "dies", false, NULL },
        { "cores", true, NULL },
        { "threads", true, NULL } } },
    { "maxphysaddr",
      IN_HOST | IN_GUEST,
      false,
      { { "mode", true, NULL }, { "bits", false, NULL }, { "limit", false, NULL } } },
    { "feature", IN_HOST, false, { { "name", true, NULL } } },
    { "feature", IN_GUEST, false, { { "policy", true, policy_names }, { "name", true, NULL } } },
    { "pages", IN_HOST, true, { { "unit", false, NULL }, { "size", true, NULL } } },
    { "cache", IN_GUEST, false, { { "level", false, NULL }, { "mode", true, NULL } } },
    { "numa", IN_GUEST, true, { { 0 } } },
};

static bool schema_error(const xmlNode *node, Error **err, const char *what, const char *name)
{
    return error_set(err, ERROR_XML_SCHEMA, "(CPU_definition):%ld: %s '%s' in element '%s'",
                     xmlGetLineNo(node), what, name, (const char *)node->name);
}

static bool validate_attributes(const xmlNode *node, const AttributeRule *rules, size_t n_rules, Error **err)
{
    for (const xmlAttr *attr = node->properties; attr; attr = attr->next) {
        size_t i = 0;
        while (i < n_rules && rules[i].name && strcmp(rules[i].name, (const char *)attr->name) != 0)
            i++;
        if (i == n_rules || !rules[i].name)
            return schema_error(node, err, "unexpected attribute", (const char *)attr->name);
    }
    for (size_t i = 0; i < n_rules && rules[i].name; i++) {
        g_autofree char *value = attribute(node, rules[i].name);
        if (!value && rules[i].required)
            return schema_error(node, err, "missing attribute", rules[i].name);
        if (value && rules[i].values && !is_one_of(value, rules[i].values))
            return schema_error(node, err, "wrong value of attribute", rules[i].name);
    }
    return true;
}

static bool validate_structure(const xmlNode *root, bool is_host, Error **err)
{
    static const AttributeRule root_rules[] = {
        { "mode", false, mode_names },
        { "match", false, match_names },
        { "check", false, check_names },
        { "migratable", false, on_off_names },
    };
    if (!validate_attributes(root, root_rules, is_host ? 0 : G_N_ELEMENTS(root_rules), err))
        return false;
    for (const xmlNode *child = root->children; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE)
            continue;
        const ElementRule *rule = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(element_rules) && !rule; i++) {
            if ((element_rules[i].where & (is_host ? IN_HOST : IN_GUEST)) &&
                strcmp(element_rules[i].name, (const char *)child->name) == 0)
                rule = &element_rules[i];
        }
        if (!rule)
            return schema_error(root, err, "unexpected element", (const char *)child->name);
        if (!validate_attributes(child, rule->attributes, G_N_ELEMENTS(rule->attributes), err))
            return false;
    }
    if (is_host) {
        g_autofree char *arch = element_text(child_element(root, "arch"));
        if (!arch || !cpu_arch_is_known(arch))
            return schema_error(root, err, "wrong value of element", "arch");
    }
    return true;
}

/* ---- values ---- */

static bool attribute_error(const char *element, const char *name, const char *value, Error **err)
{
    return error_set(err, ERROR_XML_INVALID, "Invalid value for attribute '%s' in element '%s': '%s'.", name,
                     element, value);
}

static bool parse_root_attributes(const xmlNode *root, CpuDoc *doc, Error **err)
{
    g_autofree char *mode = attribute(root, "mode");
    g_autofree char *match = attribute(root, "match");
    g_autofree char *check = attribute(root, "check");
    if (doc->is_host) {
        if (mode)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Attribute mode is only allowed for guest CPU");
        return true;
    }
    if (mode && !is_one_of(mode, mode_names))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Invalid mode attribute '%s'", mode);
    for (size_t i = 0; match && match_names[i]; i++) {
        if (strcmp(match_names[i], match) == 0)
            doc->match = (CpuMatch)i;
    }
    if (match && !is_one_of(match, match_names))
        return attribute_error("cpu", "match", match, err);
    if (check && !is_one_of(check, check_names))
        return attribute_error("cpu", "check", check, err);
    return true;
}

static bool parse_arch(const xmlNode *root, CpuDoc *doc, Error **err)
{
    const xmlNode *node = child_element(root, "arch");
    doc->arch = node ? element_text(node) : NULL;
    if (doc->is_host && !doc->arch)
        return error_set(err, ERROR_XML_INVALID, "Missing CPU architecture");
    if (doc->arch && !cpu_arch_is_known(doc->arch))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unknown architecture %s", doc->arch);
    return true;
}

static bool parse_model(const xmlNode *root, CpuDoc *doc, Error **err)
{
    const xmlNode *model = child_element(root, "model"), *vendor = child_element(root, "vendor");
    doc->model = model ? element_text(model) : NULL;
    doc->vendor = vendor ? element_text(vendor) : NULL;
    if (doc->is_host && !doc->model)
        return error_set(err, ERROR_XML_INVALID, "Missing CPU model name");
    if (model && !doc->is_host) {
        g_autofree char *fallback = attribute(model, "fallback");
        g_autofree char *vendor_id = attribute(model, "vendor_id");
        if (fallback && !is_one_of(fallback, fallback_names))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Invalid fallback attribute");
        if (vendor_id && strlen(vendor_id) != 12)
            return error_set(err, ERROR_XML_INVALID, "vendor_id must be exactly 12 characters long");
    }
    if (doc->vendor && !doc->model)
        return error_set(err, ERROR_XML_INVALID, "CPU vendor specified without CPU model");
    return true;
}

static bool parse_topology(const xmlNode *root, Error **err)
{
    static const char *const names[] = { "sockets", "cores", "threads", "dies" };
    const xmlNode *topology = child_element(root, "topology");
    for (size_t i = 0; topology && i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text = attribute(topology, names[i]);
        uint64_t value;
        if (!text && i == 3)
            continue;
        if (!text)
            return error_set(err, ERROR_XML_INVALID, "Missing required attribute '%s' in element 'topology'",
                             names[i]);
        if (!parse_uint(text, &value, NULL) || value > UINT32_MAX)
            return error_set(err, ERROR_XML_INVALID,
                             "Invalid value for attribute '%s' in element 'topology': '%s'. Expected integer "
                             "value",
                             names[i], text);
        if (value == 0)
            return error_set(err, ERROR_XML_INVALID,
                             "Invalid value for attribute '%s' in element 'topology': Zero is not permitted",
                             names[i]);
    }
    return true;
}

static CpuSet *policy_set(CpuDoc *doc, const char *policy)
{
    if (doc->is_host || !policy || strcmp(policy, "require") == 0)
        return &doc->require;
    return strcmp(policy, "force") == 0      ? &doc->force
           : strcmp(policy, "optional") == 0 ? &doc->optional
           : strcmp(policy, "disable") == 0  ? &doc->disable
                                             : &doc->forbid;
}

static bool parse_feature(const xmlNode *node, CpuDoc *doc, GHashTable *seen, Error **err)
{
    g_autofree char *policy = attribute(node, "policy");
    g_autofree char *name = attribute(node, "name");
    if (!doc->is_host && policy && !is_one_of(policy, policy_names))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Invalid CPU feature policy");
    if (!name || !*name)
        return error_set(err, ERROR_XML_INVALID, "Invalid CPU feature name");
    if (!g_hash_table_add(seen, g_strdup(name)))
        return error_set(err, ERROR_XML_INVALID, "CPU feature '%s' specified more than once", name);
    if (doc->arch && !cpu_arch_is_x86(doc->arch))
        return true; /* names of other architectures: nothing here knows them */
    int i = cpu_feature_find(name);
    if (i < 0)
        return error_set(err, ERROR_INTERNAL, "Unknown CPU feature %s", name);
    cpu_set_add(policy_set(doc, policy), (size_t)i);
    return true;
}

static bool parse_features(const xmlNode *root, CpuDoc *doc, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (const xmlNode *child = root->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && strcmp((const char *)child->name, "feature") == 0 &&
            !parse_feature(child, doc, seen, err))
            return false;
    }
    g_autofree char *mode = attribute(root, "mode");
    bool needs_model = !mode || strcmp(mode, "custom") == 0;
    if (!doc->is_host && !doc->model && needs_model && g_hash_table_size(seen))
        return error_set(err, ERROR_XML_INVALID, "Non-empty feature list specified without CPU model");
    return true;
}

bool cpu_doc_parse(const char *xml, CpuDocKind kind, bool validate, CpuDoc **ret_doc, Error **err)
{
    g_autoptr(xmlDoc) tree = NULL;
    if (!xml_document_read(xml, strlen(xml), "(CPU_definition)", &tree, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(tree);
    if (strcmp((const char *)root->name, "cpu") != 0)
        return error_set(err, ERROR_XML_INVALID, "XML does not contain expected 'cpu' element");
    g_autoptr(CpuDoc) doc = g_new0(CpuDoc, 1);
    doc->is_host = kind == CPU_DOC_HOST || child_element(root, "arch");
    if (validate && !validate_structure(root, doc->is_host, err))
        return false;
    g_autofree char *match = attribute(root, "match");
    if (kind == CPU_DOC_ANY && doc->is_host && match)
        return error_set(err, ERROR_XML_INVALID,
                         "'arch' element cannot be used inside 'cpu' element with 'match' attribute");
    if (!parse_root_attributes(root, doc, err) || !parse_arch(root, doc, err) ||
        !parse_model(root, doc, err) || !parse_topology(root, err) || !parse_features(root, doc, err))
        return false;
    *ret_doc = g_steal_pointer(&doc);
    return true;
}
