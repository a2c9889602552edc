/* The CPU of a machine between its definition and what QEMU gives: before the start the wish is compared with
 * the host and turned into a named model with features, after it QEMU's answer is compared with the wish. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/cpu_guest.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "conf/domain_rows.h"
#include "host/cpu.h"

/* ---- before the start ---- */

static void cpu_add_feature(CpuDef *cpu, xmlNode *node)
{
    xmlChar *name = xmlGetProp(node, BAD_CAST "name");
    xmlChar *policy = xmlGetProp(node, BAD_CAST "policy");
    if (name && cpu->features) {
        CpuFeature *feature = xml_table_new(&cpu_feature_table);
        uint8_t value = CPU_FEATURE_REQUIRE;
        if (policy)
            (void)enum_from_name(&cpu_feature_policy_names, (const char *)policy, &value);
        feature->name = g_strdup((const char *)name);
        feature->policy = (CpuFeaturePolicy)value;
        g_ptr_array_add(cpu->features, feature);
    }
    xmlFree(name);
    xmlFree(policy);
}

static CpuFeature *find_feature(const GPtrArray *features, const char *name)
{
    for (DEF_EACH(CpuFeature, feature, features)) {
        if (g_str_equal(feature->name, name))
            return feature;
    }
    return NULL;
}

/* Features that keep a machine from being saved are given to those who ask for them by name. */
static bool is_unmigratable(const Json *host, const char *name)
{
    size_t i;
    Json *entry;
    json_array_foreach (json_get_arr(host, "unmigratable"), i, entry) {
        if (g_strcmp0(json_string_value(entry), name) == 0)
            return true;
    }
    return false;
}

static bool cpu_from_host_model(CpuDef *cpu, const Json *host, const char *xml, Error **err)
{
    xmlDoc *doc =
        xmlReadMemory(xml, (int)strlen(xml), "host-model", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root) {
        xmlFreeDoc(doc);
        return error_set(err, ERROR_INTERNAL, "host CPU model is not XML");
    }
    GPtrArray *wanted = cpu->features; /* what the definition says beyond the host's */
    cpu->features = xml_list_new(&cpu_feature_table);
    for (xmlNode *node = root->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        xmlChar *text = xmlNodeGetContent(node);
        if (xmlStrEqual(node->name, BAD_CAST "model")) {
            g_free(cpu->model);
            cpu->model = g_strdup((const char *)text);
        } else if (xmlStrEqual(node->name, BAD_CAST "vendor")) {
            g_free(cpu->vendor);
            cpu->vendor = g_strdup((const char *)text);
        } else if (xmlStrEqual(node->name, BAD_CAST "feature")) {
            xmlChar *name = xmlGetProp(node, BAD_CAST "name");
            if (name && !find_feature(wanted, (const char *)name) &&
                (!is_unmigratable(host, (const char *)name)))
                cpu_add_feature(cpu, node);
            xmlFree(name);
        }
        xmlFree(text);
    }
    for (DEF_EACH(CpuFeature, feature, wanted))
        g_ptr_array_add(cpu->features, feature); /* the list does not own them */
    if (wanted)
        g_ptr_array_unref(wanted);
    xmlFreeDoc(doc);
    cpu->mode = CPU_MODE_CUSTOM;
    cpu->match = CPU_MATCH_EXACT;
    cpu->fallback = CPU_FALLBACK_FORBID;
    return true;
}

static bool resolve_host_model(CpuDef *cpu, const QemuCaps *caps, bool kvm, Error **err)
{
    g_autoptr(GString) text = g_string_new("<cpu>");
    if (!qemu_caps_format_host_model(caps, kvm, 0, text, err))
        return false;
    g_string_append(text, "</cpu>");
    return cpu_from_host_model(cpu, qemu_caps_host_cpu(caps, kvm), text->str, err);
}

static void resolve_optional(CpuDef *cpu, const Json *host)
{
    const Json *props = json_get_obj(host, "props");
    for (DEF_EACH(CpuFeature, feature, cpu->features)) {
        if (feature->policy != CPU_FEATURE_OPTIONAL)
            continue;
        g_autofree char *qemu_name = g_strdelimit(g_strdup(feature->name), "_", '-');
        bool has = json_get_bool(props, feature->name, false) || json_get_bool(props, qemu_name, false);
        feature->policy = has ? CPU_FEATURE_REQUIRE : CPU_FEATURE_DISABLE;
    }
}

static bool check_against_host(const CpuDef *cpu, const Json *host, Error **err)
{
    g_autoptr(GString) text = g_string_new(NULL);
    xml_table_write(&cpu_table, "cpu", cpu, XML_FORMAT_SECURE, 0, text);
    return cpu_check_runs(host, text->str, err);
}

static void disable_removed(void *arg, const char *name)
{
    CpuDef *cpu = arg;
    if (find_feature(cpu->features, name))
        return;
    CpuFeature *feature = xml_table_new(&cpu_feature_table);
    *feature = (CpuFeature){ CPU_FEATURE_DISABLE, g_strdup(name) };
    if (!cpu->features)
        cpu->features = xml_list_new(&cpu_feature_table);
    g_ptr_array_add(cpu->features, feature);
}

static bool check_names(const CpuDef *cpu, Error **err)
{
    if (cpu->mode == CPU_MODE_CUSTOM && cpu->model && !cpu_model_is_known(cpu->model))
        return error_set(err, ERROR_INTERNAL, "Unknown CPU model %s", cpu->model);
    for (DEF_EACH(CpuFeature, feature, cpu->features)) {
        if (!cpu_feature_is_known(feature->name))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown CPU feature: %s", feature->name);
    }
    return true;
}

bool qemu_resolve_cpu(DomainDef *def, const QemuCaps *caps, Error **err)
{
    CpuDef *cpu = def->cpu;
    const bool kvm = def->type == VIRT_TYPE_KVM;
    const Json *host = qemu_caps_host_cpu(caps, kvm);
    const bool is_x86 = def->os.arch == ARCH_X86_64 || def->os.arch == ARCH_I686;

    if (cpu && is_x86 && !check_names(cpu, err))
        return false;
    if (!cpu || !host || !is_x86) /* QEMU can't tell: -cpu host or max says the same to the guest */
        return true;
    const bool is_host_model = cpu->mode == CPU_MODE_HOST_MODEL;
    const bool is_minimum = cpu->mode == CPU_MODE_CUSTOM && cpu->model && cpu->match == CPU_MATCH_MINIMUM;
    if (!is_host_model && (cpu->mode != CPU_MODE_CUSTOM || !cpu->model))
        return true;
    if (cpu->check == CPU_CHECK_PARTIAL && !is_host_model && !check_against_host(cpu, host, err))
        return false;
    /* At least this model, with all that the host has beyond it: that is the host's. */
    if ((is_host_model || is_minimum) && !resolve_host_model(cpu, caps, kvm, err))
        return false;
    if (cpu->check == CPU_CHECK_PARTIAL && is_host_model && !check_against_host(cpu, host, err))
        return false;
    if (is_minimum)
        g_clear_pointer(&cpu->vendor, g_free);
    resolve_optional(cpu, host);
    if (!is_host_model && !is_minimum)
        cpu_each_removed(cpu->model, disable_removed, cpu);
    cpu->fallback = CPU_FALLBACK_FORBID;
    return true;
}

/* ---- after it ---- */

typedef struct LiveCheck {
    CpuDef *live;
    GString *extra, *missing;
} LiveCheck;

static void note_name(GString *list, const char *name)
{
    g_string_append_printf(list, "%s%s", list->len ? "," : "", name);
}

static void live_feature(void *arg, const char *name, bool is_on, bool in_model)
{
    LiveCheck *check = arg;
    CpuFeature *feature = find_feature(check->live->features, name);
    const bool off =
        feature && (feature->policy == CPU_FEATURE_DISABLE || feature->policy == CPU_FEATURE_FORBID);
    const bool wanted = feature ? !off : in_model;

    if (is_on == wanted)
        return;
    note_name(is_on ? check->extra : check->missing, name);
    if (!feature) {
        if (!check->live->features)
            check->live->features = xml_list_new(&cpu_feature_table);
        feature = xml_table_new(&cpu_feature_table);
        feature->name = g_strdup(name);
        g_ptr_array_add(check->live->features, feature);
    }
    feature->policy = is_on ? CPU_FEATURE_REQUIRE : CPU_FEATURE_DISABLE;
}

bool qemu_live_cpu(const CpuDef *cpu, const Json *feature_words, CpuDef **ret_live, Error **err)
{
    g_autoptr(GString) extra = g_string_new(NULL);
    g_autoptr(GString) missing = g_string_new(NULL);
    CpuDef *live = NULL;

    if (!cpu || cpu->mode != CPU_MODE_CUSTOM || !cpu->model)
        return true;
    live = xml_table_copy(&cpu_table, cpu);
    LiveCheck check = { .live = live, .extra = extra, .missing = missing };
    if (!cpu_each_live(feature_words, cpu->model, live_feature, &check)) {
        xml_table_free(&cpu_table, live);
        return true;
    }
    if (cpu->check == CPU_CHECK_FULL && (extra->len || missing->len)) {
        xml_table_free(&cpu_table, live);
        return error_set(err, ERROR_OPERATION_FAILED, "guest CPU doesn't match specification: %s%s%s%s%s",
                         extra->len ? "extra features: " : "", extra->str,
                         extra->len && missing->len ? ", " : "", missing->len ? "missing features: " : "",
                         missing->str);
    }
    live->check = CPU_CHECK_FULL;
    live->match = CPU_MATCH_EXACT;
    live->fallback = CPU_FALLBACK_FORBID;
    *ret_live = live;
    return true;
}
