/* The arithmetic on <cpu> documents: does this CPU fit there, what have those in common. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cpu"
#include "host/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "host/cpu_doc.h"
#include "host/cpu_private.h"

enum { COMPARE_FAIL_INCOMPATIBLE = 1, COMPARE_VALIDATE_XML = 2 };
enum { BASELINE_EXPAND_FEATURES = 1, BASELINE_MIGRATABLE = 2 };
enum { RESULT_INCOMPATIBLE = 0, RESULT_IDENTICAL = 1, RESULT_SUPERSET = 2 };

/* Architectures whose CPU models are known without a table (any name is taken), and those with one. */
static const struct {
    const char *arch;
    const char *models; /* "": any name is accepted */
} other_archs[] = {
    { "aarch64", "" },
    { "armv6l", "" },
    { "armv7l", "" },
    { "s390", "" },
    { "s390x", "" },
    { "ppc64", "POWER6 POWER7 POWER8 POWER9 POWER10 POWERPC_e5500 POWERPC_e6500" },
    { "ppc64le", "POWER6 POWER7 POWER8 POWER9 POWER10 POWERPC_e5500 POWERPC_e6500" },
};

/* NULL if @arch has no CPU support here. */
static const char *find_other_arch(const char *arch)
{
    for (size_t i = 0; i < G_N_ELEMENTS(other_archs); i++) {
        if (strcmp(other_archs[i].arch, arch) == 0)
            return other_archs[i].models;
    }
    return NULL;
}

static bool unsupported_arch(const char *arch, Error **err)
{
    return error_set(err, ERROR_NOT_SUPPORTED, "'%s' architecture is not supported by CPU driver", arch);
}

bool cpu_list_models(const char *arch, GPtrArray **ret_names, Error **err)
{
    if (!cpu_arch_is_known(arch))
        return error_set(err, ERROR_INVALID_ARGUMENT, "cannot find architecture %s", arch);
    const char *others = find_other_arch(arch);
    if (!cpu_arch_is_x86(arch) && !others)
        return unsupported_arch(arch, err);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    size_t count = 0;
    const CpuModel *models = cpu_arch_is_x86(arch) ? cpu_models(&count) : NULL;
    for (size_t i = 0; i < count; i++)
        g_ptr_array_add(names, g_strdup(models[i].name));
    g_auto(GStrv) words = g_strsplit(others ? others : "", " ", -1);
    for (char **word = words; *word; word++) {
        if (**word)
            g_ptr_array_add(names, g_strdup(*word));
    }
    *ret_names = names;
    return true;
}

/* ---- comparing ---- */

static bool incompatible(unsigned flags, int *ret_result, Error **err, const char *text, const char *detail)
{
    if (flags & COMPARE_FAIL_INCOMPATIBLE)
        return error_set(err, ERROR_CPU_INCOMPATIBLE, "%s%s", text, detail);
    *ret_result = RESULT_INCOMPATIBLE;
    return true;
}

static bool find_model(const CpuDoc *doc, const CpuModel **ret_model, Error **err)
{
    *ret_model = doc->model ? cpu_model_find(doc->model) : NULL;
    if (doc->model && !*ret_model)
        return error_set(err, ERROR_INTERNAL, "Unknown CPU model %s", doc->model);
    return true;
}

/* A CPU that can do @features and is made by @vendor (NULL: unknown) against @doc. */
static bool compare_features(const CpuSet *features, const char *vendor, const CpuDoc *doc, unsigned flags,
                             int *ret_result, Error **err)
{
    const CpuModel *model;
    if (doc->arch && !cpu_arch_is_x86(doc->arch)) {
        g_autofree char *text = g_strdup_printf("CPU arch %s does not match host arch", doc->arch);
        return incompatible(flags, ret_result, err, text, "");
    }
    if (doc->vendor && g_strcmp0(doc->vendor, vendor) != 0)
        return incompatible(flags, ret_result, err, "host CPU vendor does not match required CPU vendor ",
                            doc->vendor);
    if (!find_model(doc, &model, err))
        return false;

    CpuSet none = { { 0 } };
    CpuSet asked = cpu_set_or(model ? &model->features : &none, &doc->require);
    CpuSet open = cpu_set_or(&doc->optional, &doc->disable); /* may or may not be there */
    open = cpu_set_or(&open, &doc->force);
    asked = cpu_set_minus(&asked, &open);
    asked = cpu_set_minus(&asked, &doc->forbid);
    CpuSet forbidden = cpu_set_and(features, &doc->forbid);
    if (!cpu_set_is_empty(&forbidden)) {
        g_autofree char *names = cpu_set_format(&forbidden);
        return incompatible(flags, ret_result, err, "Host CPU provides forbidden features: ", names);
    }
    CpuSet missing = cpu_set_minus(&asked, features);
    if (!cpu_set_is_empty(&missing)) {
        g_autofree char *names = cpu_set_format(&missing);
        return incompatible(flags, ret_result, err, "Host CPU does not provide required features: ", names);
    }
    CpuSet extra = cpu_set_minus(features, &asked);
    extra = cpu_set_minus(&extra, &open);
    if (cpu_set_is_empty(&extra)) {
        *ret_result = RESULT_IDENTICAL;
        return true;
    }
    if (!doc->is_host && doc->match == CPU_MATCH_STRICT) {
        g_autofree char *names = cpu_set_format(&extra);
        return incompatible(flags, ret_result, err,
                            "Host CPU does not strictly match guest CPU: Extra features: ", names);
    }
    *ret_result = RESULT_SUPERSET;
    return true;
}

static bool check_flags(unsigned flags, unsigned known, const char *function, Error **err)
{
    if (flags & ~known)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported flags (0x%x) in function %s",
                         flags & ~known, function);
    return true;
}

bool cpu_compare(const char *xml, unsigned flags, int *ret_result, Error **err)
{
    g_autoptr(CpuDoc) doc = NULL;
    if (!check_flags(flags, COMPARE_FAIL_INCOMPATIBLE | COMPARE_VALIDATE_XML, "cpu_compare", err) ||
        !cpu_doc_parse(xml, CPU_DOC_ANY, flags & COMPARE_VALIDATE_XML, &doc, err))
        return false;
    return compare_features(cpu_host_features(), cpu_host()->vendor, doc, flags, ret_result, err);
}

/* ---- what QEMU can give ---- */

static const char *vendor_of_id(const char *id)
{
    return !id                               ? NULL
           : strcmp(id, "GenuineIntel") == 0 ? "Intel"
           : strcmp(id, "AuthenticAMD") == 0 ? "AMD"
           : strcmp(id, "HygonGenuine") == 0 ? "Hygon"
                                             : NULL;
}

/* The props of a model expansion as a set. They come from QEMU: unknown names are skipped. */
static CpuSet read_props(const Json *props)
{
    CpuSet set = { { 0 } };
    const char *key;
    Json *value;
    json_object_foreach ((Json *)props, key, value) {
        int i = json_is_true(value) ? cpu_feature_find_qemu(key) : -1;
        if (i >= 0)
            cpu_set_add(&set, (size_t)i);
    }
    return set;
}

static bool require_host_cpu(const Json *host_cpu, const Json **ret_props, Error **err)
{
    *ret_props = host_cpu ? json_get_obj(host_cpu, "props") : NULL;
    if (!*ret_props)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "QEMU does not tell which CPU features it can give");
    return true;
}

bool cpu_compare_with(const Json *host_cpu, const char *xml, unsigned flags, int *ret_result, Error **err)
{
    const Json *props;
    g_autoptr(CpuDoc) doc = NULL;
    if (!check_flags(flags, COMPARE_FAIL_INCOMPATIBLE | COMPARE_VALIDATE_XML, "cpu_compare_with", err) ||
        !require_host_cpu(host_cpu, &props, err) ||
        !cpu_doc_parse(xml, CPU_DOC_ANY, flags & COMPARE_VALIDATE_XML, &doc, err))
        return false;
    CpuSet features = read_props(props);
    return compare_features(&features, vendor_of_id(json_get_str(props, "vendor")), doc, flags, ret_result,
                            err);
}

bool cpu_check_runs(const Json *host_cpu, const char *xml, Error **err)
{
    const Json *props;
    g_autoptr(CpuDoc) doc = NULL;
    int result;
    if (!require_host_cpu(host_cpu, &props, err) || !cpu_doc_parse(xml, CPU_DOC_ANY, false, &doc, err))
        return false;
    CpuSet features = read_props(props);
    features = cpu_set_or(&features, cpu_host_features());
    return compare_features(&features, vendor_of_id(json_get_str(props, "vendor")), doc,
                            COMPARE_FAIL_INCOMPATIBLE, &result, err);
}

static void append_features(GString *out, unsigned indent, const char *policy, const CpuSet *set)
{
    for (size_t i = 0; i < cpu_features_count; i++) {
        if (cpu_set_has(set, i))
            g_string_append_printf(out, "%*s<feature policy='%s' name='%s'/>\n", (int)indent, "", policy,
                                   cpu_features[i].name);
    }
}

const char *cpu_model_vendor(const char *model)
{
    const CpuModel *found = cpu_model_find(model);
    return found ? found->vendor : NULL;
}

/* ---- what several CPUs have in common ---- */

typedef struct Common {
    char *arch;
    CpuSet features;
    char *vendor;         /* NULL: not said by any */
    bool vendor_by_first; /* the first document says it: then models of another vendor cannot join */
    bool vendor_by_all;   /* each document says it */
    char *model_vendor;   /* the vendor all named models are made by; NULL if they differ */
    const CpuModel *same; /* the model that all name; NULL if they differ */
    GPtrArray *named;     /* of CpuModel, borrowed: what each names */
} Common;

static void common_clear(Common *common)
{
    g_free(common->arch);
    g_free(common->vendor);
    g_free(common->model_vendor);
    g_clear_pointer(&common->named, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Common, common_clear)

static bool vendor_is_known(const char *vendor)
{
    return strcmp(vendor, "AMD") == 0 || strcmp(vendor, "Intel") == 0 || strcmp(vendor, "Hygon") == 0;
}

static bool common_add_vendor(Common *common, const CpuDoc *doc, const CpuModel *model, Error **err)
{
    const char *vendor = doc->vendor ? doc->vendor : common->vendor_by_first ? model->vendor : NULL;
    if (doc->vendor && !vendor_is_known(doc->vendor))
        return error_set(err, ERROR_OPERATION_FAILED, "Unknown CPU vendor %s", doc->vendor);
    if (common->vendor && vendor && strcmp(common->vendor, vendor) != 0)
        return error_set(err, ERROR_OPERATION_FAILED, "CPU vendors do not match");
    if (!doc->vendor)
        common->vendor_by_all = false;
    else if (!common->vendor)
        common->vendor = g_strdup(doc->vendor);
    return true;
}

static bool common_add(Common *common, const CpuDoc *doc, bool is_first, Error **err)
{
    const CpuModel *model;
    if (!find_model(doc, &model, err) || !common_add_vendor(common, doc, model, err))
        return false;
    CpuSet features = cpu_set_or(&model->features, &doc->require);
    g_ptr_array_add(common->named, (void *)model);
    if (is_first) {
        common->vendor_by_first = doc->vendor;
        common->features = features;
        common->same = model;
        common->model_vendor = g_strdup(model->vendor);
        return true;
    }
    common->features = cpu_set_and(&common->features, &features);
    if (common->same != model)
        common->same = NULL;
    if (g_strcmp0(common->model_vendor, model->vendor) != 0)
        g_clear_pointer(&common->model_vendor, g_free);
    return true;
}

/* Nothing of @model has to be taken away. */
static bool common_contains(const Common *common, const CpuModel *model, const char *vendor,
                            unsigned *ret_added)
{
    if (model->only_understood || (vendor && model->vendor && strcmp(vendor, model->vendor) != 0))
        return false;
    CpuSet require, disable;
    cpu_model_compare(model, &common->features, &require, &disable);
    *ret_added = cpu_set_count(&require);
    return cpu_set_is_empty(&disable);
}

/* Where a model that a document names can stay as it is, the answer should be in such words: it, or one of
 * the neutral models. NULL if none can. */
static const CpuModel *common_choose_named(const Common *common, const char *vendor)
{
    const CpuModel *best = NULL;
    unsigned best_added = UINT32_MAX, added;
    for (unsigned i = 0; i < common->named->len; i++) {
        const CpuModel *model = g_ptr_array_index(common->named, i);
        if (common_contains(common, model, vendor, &added) && added < best_added) {
            best = model;
            best_added = added;
        }
    }
    size_t count;
    const CpuModel *models = cpu_models(&count);
    for (size_t i = 0; best && i < count; i++) {
        if (!models[i].vendor && common_contains(common, &models[i], vendor, &added) && added < best_added) {
            best = &models[i];
            best_added = added;
        }
    }
    return best;
}

static const CpuModel *common_choose_model(const Common *common)
{
    const char *vendor = common->vendor ? common->vendor : common->model_vendor;
    unsigned added;
    if (common->same && common_contains(common, common->same, vendor, &added))
        return common->same;
    const CpuModel *named = common_choose_named(common, vendor);
    return named ? named : cpu_model_choose(&common->features, vendor, NULL, CPU_DECODE_GUEST);
}

/* Documents of one architecture that is not x86: there is nothing to calculate, only equality to see. */
static bool baseline_other(const GPtrArray *docs, char **ret_xml, Error **err)
{
    const CpuDoc *first = g_ptr_array_index(docs, 0);
    const char *models = find_other_arch(first->arch);
    if (!models)
        return unsupported_arch(first->arch, err);
    g_auto(GStrv) words = g_strsplit(models, " ", -1);
    if (*models && !g_strv_contains((const char *const *)words, first->model))
        return error_set(err, ERROR_INTERNAL, "Unknown CPU model %s", first->model);
    for (unsigned i = 1; i < docs->len; i++) {
        const CpuDoc *doc = g_ptr_array_index(docs, i);
        if (strcmp(doc->arch, first->arch) != 0 || strcmp(doc->model, first->model) != 0)
            return error_set(err, ERROR_OPERATION_FAILED, "CPUs are incompatible");
    }
    g_autofree char *model = g_markup_escape_text(first->model, -1);
    *ret_xml =
        g_strdup_printf("<cpu mode='custom' match='exact'>\n  <model fallback='%s'>%s</model>\n</cpu>\n",
                        *models ? "forbid" : "allow", model);
    return true;
}

static int compare_by_name(const void *a, const void *b)
{
    return strcmp(cpu_features[*(const size_t *)a].name, cpu_features[*(const size_t *)b].name);
}

/* With every feature spelled out, in alphabetical order. */
static void append_expanded(GString *out, const CpuModel *model, const CpuSet *require, const CpuSet *disable)
{
    CpuSet present = cpu_set_or(&model->features, require);
    present = cpu_set_minus(&present, disable);
    g_autofree size_t *order = g_new(size_t, cpu_features_count);
    for (size_t i = 0; i < cpu_features_count; i++)
        order[i] = i;
    qsort(order, cpu_features_count, sizeof(*order), compare_by_name);
    for (size_t i = 0; i < cpu_features_count; i++) {
        const char *policy = cpu_set_has(disable, order[i])    ? "disable"
                             : cpu_set_has(&present, order[i]) ? "require"
                                                               : NULL;
        if (policy)
            g_string_append_printf(out, "  <feature policy='%s' name='%s'/>\n", policy,
                                   cpu_features[order[i]].name);
    }
}

static void drop_flagged(CpuSet *set, unsigned flags)
{
    for (size_t i = 0; i < cpu_features_count; i++) {
        if (cpu_features[i].flags & flags)
            cpu_set_remove(set, i);
    }
}

static char *format_baseline(const CpuModel *model, const char *fallback, const char *vendor,
                             const CpuSet *require, const CpuSet *disable, unsigned flags)
{
    GString *out = g_string_new("<cpu mode='custom' match='exact'>\n");
    g_string_append_printf(out, "  <model fallback='%s'>%s</model>\n", fallback, model->name);
    if (vendor)
        g_string_append_printf(out, "  <vendor>%s</vendor>\n", vendor);
    CpuSet added = *require; /* what is in the model stays: QEMU's models can all migrate */
    if (flags & BASELINE_MIGRATABLE)
        drop_flagged(&added, CPU_NOT_MIGRATABLE);
    if (flags & BASELINE_EXPAND_FEATURES) {
        append_expanded(out, model, &added, disable);
    } else {
        append_features(out, 2, "require", &added);
        append_features(out, 2, "disable", disable);
    }
    g_string_append(out, "</cpu>\n");
    return g_string_free(out, FALSE);
}

static void doc_free(void *doc)
{
    cpu_doc_free(doc);
}

static GPtrArray *parse_all(const char *const *xmls, size_t n_xmls, CpuDocKind kind, Error **err)
{
    g_autoptr(GPtrArray) docs = g_ptr_array_new_with_free_func(doc_free);
    for (size_t i = 0; i < n_xmls; i++) {
        CpuDoc *doc = NULL;
        if (!cpu_doc_parse(xmls[i], kind, false, &doc, err))
            return NULL;
        g_ptr_array_add(docs, doc);
    }
    return g_steal_pointer(&docs);
}

static bool calculate_common(const GPtrArray *docs, Common *common, Error **err)
{
    common->vendor_by_all = true;
    common->named = g_ptr_array_new();
    for (unsigned i = 0; i < docs->len; i++) {
        if (!common_add(common, g_ptr_array_index(docs, i), i == 0, err))
            return false;
    }
    drop_flagged(&common->features, CPU_NOT_FOR_GUESTS);
    return true;
}

bool cpu_baseline(const char *const *xmls, size_t n_xmls, unsigned flags, char **ret_xml, Error **err)
{
    if (!check_flags(flags, BASELINE_EXPAND_FEATURES | BASELINE_MIGRATABLE, "cpu_baseline", err))
        return false;
    if (n_xmls == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "xmlCPUs in virConnectBaselineCPU must not be NULL");
    g_autoptr(GPtrArray) docs = parse_all(xmls, n_xmls, CPU_DOC_HOST, err);
    if (!docs)
        return false;
    if (!cpu_arch_is_x86(((CpuDoc *)g_ptr_array_index(docs, 0))->arch))
        return baseline_other(docs, ret_xml, err);
    g_auto(Common) common = { 0 };
    if (!calculate_common(docs, &common, err))
        return false;
    const CpuModel *model = common_choose_model(&common);
    CpuSet require, disable;
    cpu_model_compare(model, &common.features, &require, &disable);
    *ret_xml = format_baseline(model, model == common.same ? "forbid" : "allow",
                               common.vendor_by_all ? common.vendor : NULL, &require, &disable, flags);
    return true;
}

/* ---- the same, restricted to what a QEMU offers ---- */

static CpuSet read_blockers(const CpuOffer *offer)
{
    CpuSet set = { { 0 } };
    for (const char *const *name = offer->blockers; name && *name; name++) {
        int i = cpu_feature_find_qemu(*name);
        if (i >= 0)
            cpu_set_add(&set, (size_t)i);
    }
    return set;
}

static void describe_offer(const CpuModel *model, const CpuOffer *offer, const CpuSet *features,
                           CpuSet *ret_require, CpuSet *ret_disable)
{
    CpuSet blockers = read_blockers(offer);
    cpu_model_compare(model, features, ret_require, ret_disable);
    *ret_disable = cpu_set_or(ret_disable, &blockers);
    *ret_require = cpu_set_minus(ret_require, &blockers);
}

static const CpuOffer *find_offer(const CpuOffer *offers, size_t n_offers, const char *name)
{
    for (size_t i = 0; i < n_offers; i++) {
        if (strcmp(offers[i].model, name) == 0)
            return &offers[i];
    }
    return NULL;
}

static const CpuModel *choose_offer(const Common *common, const CpuOffer *offers, size_t n_offers)
{
    size_t count;
    const CpuModel *models = cpu_models(&count), *best = NULL;
    unsigned best_cost = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        const CpuOffer *offer = find_offer(offers, n_offers, models[i].name);
        if (!offer || models[i].only_understood ||
            (common->vendor && models[i].vendor && strcmp(common->vendor, models[i].vendor) != 0))
            continue;
        CpuSet require, disable;
        describe_offer(&models[i], offer, &common->features, &require, &disable);
        unsigned cost = cpu_set_count(&require) + 2 * cpu_set_count(&disable);
        if (&models[i] == common->same)
            return &models[i];
        if (cost < best_cost) {
            best = &models[i];
            best_cost = cost;
        }
    }
    return best;
}

bool cpu_baseline_with(const CpuOffer *offers, size_t n_offers, const char *const *xmls, size_t n_xmls,
                       unsigned flags, char **ret_xml, Error **err)
{
    if (!check_flags(flags, BASELINE_EXPAND_FEATURES | BASELINE_MIGRATABLE, "cpu_baseline_with", err))
        return false;
    if (n_xmls == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "xmlCPUs in virConnectBaselineCPU must not be NULL");
    g_autoptr(GPtrArray) docs = parse_all(xmls, n_xmls, CPU_DOC_ANY, err);
    if (!docs)
        return false;
    for (unsigned i = 0; i < docs->len; i++) {
        if (!((CpuDoc *)g_ptr_array_index(docs, i))->model)
            return error_set(err, ERROR_INVALID_ARGUMENT, "no CPU model specified at index %u", i);
    }
    g_auto(Common) common = { 0 };
    if (!calculate_common(docs, &common, err))
        return false;
    const CpuModel *model = choose_offer(&common, offers, n_offers);
    if (!model)
        return error_set(err, ERROR_OPERATION_FAILED, "this QEMU offers no CPU model that fits");
    CpuSet require, disable;
    describe_offer(model, find_offer(offers, n_offers, model->name), &common.features, &require, &disable);
    *ret_xml = format_baseline(model, "forbid", common.vendor_by_all ? common.vendor : NULL, &require,
                               &disable, flags);
    return true;
}

bool cpu_format_host_model_with(const Json *host_cpu, const CpuOffer *offers, size_t n_offers,
                                unsigned indent, GString *out, Error **err)
{
    const Json *props;
    if (!require_host_cpu(host_cpu, &props, err))
        return false;
    CpuSet features = read_props(props), require, disable;
    const char *vendor = vendor_of_id(json_get_str(props, "vendor"));
    CpuSignature signature = { (unsigned)json_get_uint(props, "family", 0),
                               (unsigned)json_get_uint(props, "model", 0),
                               (unsigned)json_get_uint(props, "stepping", 0) };
    const CpuModel *model = cpu_model_choose(&features, vendor, &signature, CPU_DECODE_GUEST);
    const CpuOffer *offer = find_offer(offers, n_offers, model->name);
    static const CpuOffer nothing_known;
    describe_offer(model, offer ? offer : &nothing_known, &features, &require, &disable);
    g_string_append_printf(out, "%*s<model fallback='forbid'>%s</model>\n", (int)indent, "", model->name);
    if (vendor)
        g_string_append_printf(out, "%*s<vendor>%s</vendor>\n", (int)indent, "", vendor);
    append_features(out, indent, "require", &require);
    append_features(out, indent, "disable", &disable);
    return true;
}

bool cpu_format_host_model(const Json *host_cpu, unsigned indent, GString *out, Error **err)
{
    return cpu_format_host_model_with(host_cpu, NULL, 0, indent, out, err);
}

/* ---- a running guest ---- */

/* [{"cpuid-register": "EBX", "cpuid-input-eax": 7, "cpuid-input-ecx": 0, "features": 1234}, ...]; leaves
 * without subleaves lack the second number. */
static bool live_word(const Json *words, const CpuFeature *feature, uint32_t *ret_bits)
{
    static const char *const registers[] = { "EAX", "EBX", "ECX", "EDX" };
    size_t i;
    Json *word;
    json_array_foreach (words, i, word) {
        if (json_get_uint(word, "cpuid-input-eax", 0) == feature->leaf &&
            json_get_uint(word, "cpuid-input-ecx", 0) == feature->subleaf &&
            g_strcmp0(json_get_str(word, "cpuid-register"), registers[feature->reg]) == 0) {
            *ret_bits = (uint32_t)json_get_uint(word, "features", 0);
            return true;
        }
    }
    return false;
}

bool cpu_each_live(const Json *feature_words, const char *model,
                   void (*func)(void *arg, const char *name, bool is_on, bool in_model), void *arg)
{
    const CpuModel *found = cpu_model_find(model);
    if (!found)
        return false;
    for (size_t i = 0; i < cpu_features_count; i++) {
        const CpuFeature *feature = &cpu_features[i];
        uint32_t bits;
        if (feature->reg != CPU_MSR && !(feature->flags & CPU_NOT_FOR_GUESTS) &&
            live_word(feature_words, feature, &bits))
            func(arg, feature->name, bits >> feature->bit & 1, cpu_set_has(&found->features, i));
    }
    return true;
}
