/* CPU models and the arithmetic on <cpu> documents: promises to clients of cpu-models, cpu-compare,
 * cpu-baseline. Nothing here depends on the CPU that runs the test, but for the checks of the host itself. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/json.h"
#include "host/cpu.h"
#include "host/cpu_features.h"
#include "host/cpu_models.h"
#include "host/cpu_private.h"
#include "host/cpu_tsc.h"

/* "<cpu>" of a host with a model and required features. */
#define HOST_CPU(model, features) "<cpu><arch>x86_64</arch><model>" model "</model>" features "</cpu>"
#define F(name) "<feature name='" name "'/>"

TEST(features_are_unique_and_have_one_bit_each)
{
    for (size_t i = 0; i < cpu_features_count; i++) {
        const CpuFeature *a = &cpu_features[i];
        check_case(a->name);
        check_eq(cpu_feature_find(a->name), i);
        check_eq(cpu_feature_find_qemu(a->qemu_name ? a->qemu_name : a->name), i);
        check(a->bit < 64 && (a->reg == CPU_MSR || a->bit < 32));
        for (size_t k = 0; k < i; k++) {
            const CpuFeature *b = &cpu_features[k];
            check(a->leaf != b->leaf || a->subleaf != b->subleaf || a->reg != b->reg || a->bit != b->bit);
        }
    }
    check_eq(cpu_feature_find("no-such-feature"), -1);
    check_eq(cpu_feature_find("cmp-legacy"), -1); /* QEMU's spelling is not the documents' */
}

TEST(models_are_unique_and_well_formed)
{
    size_t count;
    const CpuModel *models = cpu_models(&count); /* aborts on unknown feature names */
    check(count > 50);
    for (size_t i = 0; i < count; i++) {
        check_case(models[i].name);
        check(cpu_model_find(models[i].name) == &models[i]);
        CpuSet both = cpu_set_and(&models[i].features, &models[i].removed);
        check(cpu_set_is_empty(&both));
    }
    check_str(cpu_model_vendor("EPYC"), "AMD");
    check_str(cpu_model_vendor("Haswell"), "Intel");
    check_str(cpu_model_vendor("kvm64"), NULL);
    cpu_host_reset();
}

TEST(list_knows_architectures)
{
    static const struct {
        const char *arch;
        ErrorCode code;
        unsigned at_least, at_most;
    } cases[] = {
        { "x86_64", ERROR_NONE, 50, 500 },        { "i686", ERROR_NONE, 50, 500 },
        { "aarch64", ERROR_NONE, 0, 0 },          { "ppc64le", ERROR_NONE, 5, 20 },
        { "riscv64", ERROR_NOT_SUPPORTED, 0, 0 }, { "nonsense", ERROR_INVALID_ARGUMENT, 0, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) names = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].arch);
        check_eq(cpu_list_models(cases[i].arch, &names, &err), cases[i].code == ERROR_NONE);
        check_eq(error_code(err), cases[i].code);
        if (names)
            check(names->len >= cases[i].at_least && names->len <= cases[i].at_most);
    }
}

TEST(baseline_finds_what_cpus_share)
{
    static const struct {
        const char *a, *b; /* b NULL: only one */
        unsigned flags;
        const char *xml;
    } cases[] = {
        { HOST_CPU("486", ""), NULL, 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='forbid'>486</model>\n</cpu>\n" },
        { HOST_CPU("Haswell", F("vmx")), NULL, 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='forbid'>Haswell</model>\n"
          "  <feature policy='require' name='vmx'/>\n</cpu>\n" },
        { HOST_CPU("Haswell", ""), HOST_CPU("Broadwell", ""), 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='allow'>Haswell</model>\n</cpu>\n" },
        /* what the model once had is told as disabled */
        { HOST_CPU("EPYC", ""), HOST_CPU("EPYC-Rome", ""), 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='allow'>EPYC</model>\n"
          "  <feature policy='disable' name='monitor'/>\n</cpu>\n" },
        /* the vendor is told if all say it */
        { HOST_CPU("Penryn", "<vendor>Intel</vendor>"), HOST_CPU("Conroe", "<vendor>Intel</vendor>"), 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='allow'>Conroe</model>\n"
          "  <vendor>Intel</vendor>\n</cpu>\n" },
        { HOST_CPU("486", ""), NULL, 1,
          "<cpu mode='custom' match='exact'>\n  <model fallback='forbid'>486</model>\n"
          "  <feature policy='require' name='fpu'/>\n  <feature policy='require' name='pse'/>\n"
          "  <feature policy='require' name='vme'/>\n</cpu>\n" },
        /* migratable: without the invariant clock */
        { HOST_CPU("486", F("invtsc")), NULL, 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='forbid'>486</model>\n"
          "  <feature policy='require' name='invtsc'/>\n</cpu>\n" },
        { HOST_CPU("486", F("invtsc")), NULL, 2,
          "<cpu mode='custom' match='exact'>\n  <model fallback='forbid'>486</model>\n</cpu>\n" },
        { "<cpu><arch>ppc64</arch><model>POWER8</model></cpu>", NULL, 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='forbid'>POWER8</model>\n</cpu>\n" },
        { "<cpu><arch>aarch64</arch><model>cortex-a53</model></cpu>", NULL, 0,
          "<cpu mode='custom' match='exact'>\n  <model fallback='allow'>cortex-a53</model>\n</cpu>\n" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *xmls[] = { cases[i].a, cases[i].b };
        g_autofree char *xml = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].a);
        check_ok(cpu_baseline(xmls, cases[i].b ? 2 : 1, cases[i].flags, &xml, &err), err);
        check_str(xml, cases[i].xml);
    }
}

TEST(baseline_refuses_what_makes_no_sense)
{
    static const struct {
        const char *a, *b;
        ErrorCode code;
    } cases[] = {
        { "<cpu", NULL, ERROR_XML_SYNTAX },
        { "", NULL, ERROR_XML_SYNTAX },
        { "<foo/>", NULL, ERROR_XML_INVALID },
        { "<cpu><model>486</model></cpu>", NULL, ERROR_XML_INVALID },
        { "<cpu><arch>x86_64</arch></cpu>", NULL, ERROR_XML_INVALID },
        { "<cpu mode='custom'><model>486</model></cpu>", NULL, ERROR_CONFIG_UNSUPPORTED },
        { "<cpu><arch>foo</arch><model>486</model></cpu>", NULL, ERROR_CONFIG_UNSUPPORTED },
        { HOST_CPU("nope", ""), NULL, ERROR_INTERNAL },
        { HOST_CPU("486", F("nope")), NULL, ERROR_INTERNAL },
        { HOST_CPU("486", F("avx") F("avx")), NULL, ERROR_XML_INVALID },
        { HOST_CPU("486", "<feature/>"), NULL, ERROR_XML_INVALID },
        { HOST_CPU("486", "<vendor>Foo</vendor>"), NULL, ERROR_OPERATION_FAILED },
        { HOST_CPU("486", "<topology sockets='0' cores='1' threads='1'/>"), NULL, ERROR_XML_INVALID },
        { HOST_CPU("EPYC", "<vendor>AMD</vendor>"), HOST_CPU("Haswell", "<vendor>Intel</vendor>"),
          ERROR_OPERATION_FAILED },
        { "<cpu><arch>riscv64</arch><model>foo</model></cpu>", NULL, ERROR_NOT_SUPPORTED },
        { "<!DOCTYPE cpu [<!ENTITY a 'b'>]><cpu><arch>&a;</arch></cpu>", NULL, ERROR_XML_SYNTAX },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *xmls[] = { cases[i].a, cases[i].b };
        char *xml = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].a);
        check_fails(cpu_baseline(xmls, cases[i].b ? 2 : 1, 0, &xml, &err), err, cases[i].code);
        check(xml == NULL);
    }
    const char *one[] = { HOST_CPU("486", "") };
    char *xml = NULL;
    g_autoptr(Error) err = NULL;
    check_fails(cpu_baseline(one, 1, 8, &xml, &err), err, ERROR_INVALID_ARGUMENT);
    check_fails(cpu_baseline(one, 0, 0, &xml, &err), err, ERROR_INVALID_ARGUMENT);
}

/* A machine's QEMU as it would answer: a few features of a 486 and more. */
static Json *make_host_cpu(void)
{
    return json_pack("{s:s, s:{s:s, s:i, s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:b}}", "name", "base", "props",
                     "vendor", "AuthenticAMD", "family", 23, "model", 1, "fpu", 1, "vme", 1, "pse", 1, "sse2",
                     1, "avx", 0, "cmp-legacy", 1, "some-new-thing", 1);
}

TEST(compare_answers_for_each_policy)
{
    AUTO_JSON host = make_host_cpu();
    static const struct {
        const char *xml;
        int result;            /* with flags 0 */
        const char *complaint; /* with FAIL_INCOMPATIBLE; NULL: none */
    } cases[] = {
        { "<cpu/>", 2, NULL },
        { "<cpu match='exact'><model>486</model></cpu>", 2, NULL },
        { "<cpu match='minimum'><model>486</model></cpu>", 2, NULL },
        { "<cpu match='strict'><model>486</model></cpu>", 0, "Extra features: sse2, cmp_legacy" },
        { "<cpu match='exact'><model>486</model><feature policy='require' name='sse2'/>"
          "<feature policy='require' name='cmp_legacy'/></cpu>",
          1, NULL },
        { "<cpu match='exact'><model>486</model><feature policy='require' name='avx'/></cpu>", 0,
          "does not provide required features: avx" },
        { "<cpu match='exact'><model>486</model><feature policy='optional' name='avx'/></cpu>", 2, NULL },
        { "<cpu match='exact'><model>486</model><feature policy='force' name='avx'/></cpu>", 2, NULL },
        { "<cpu match='exact'><model>486</model><feature policy='disable' name='sse2'/></cpu>", 2, NULL },
        { "<cpu match='exact'><model>486</model><feature policy='forbid' name='sse2'/></cpu>", 0,
          "provides forbidden features: sse2" },
        { "<cpu match='exact'><model>486</model><feature policy='forbid' name='avx'/></cpu>", 2, NULL },
        { "<cpu><model>486</model><vendor>Intel</vendor></cpu>", 0, "vendor" },
        { "<cpu><model>486</model><vendor>AMD</vendor></cpu>", 2, NULL },
        { "<cpu><arch>ppc64</arch><model>POWER8</model></cpu>", 0,
          "CPU arch ppc64 does not match host arch" },
        { HOST_CPU("486", F("sse2") F("cmp_legacy")), 1, NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        int result = -1;
        check_case(cases[i].xml);
        check_ok(cpu_compare_with(host, cases[i].xml, 0, &result, &err), err);
        check_eq(result, cases[i].result);
        if (cases[i].complaint) {
            check(!cpu_compare_with(host, cases[i].xml, 1, &result, &err));
            check_eq(error_code(err), ERROR_CPU_INCOMPATIBLE);
            check_contains(error_message(err), cases[i].complaint);
        }
    }
}

/* As where KVM gives QEMU less than the processor has. */
TEST(what_qemu_does_not_name_the_host_may_still_have)
{
    AUTO_JSON none = json_pack("{s:{}}", "props");
    g_autoptr(Error) err = NULL;
    const char *xml = "<cpu match='exact'><model>486</model><feature policy='require' name='sse2'/></cpu>";
    int result = -1;

    if (!cpu_set_has(cpu_host_features(), (size_t)cpu_feature_find_qemu("sse2")))
        return;
    check(!cpu_compare_with(none, xml, 1, &result, NULL));
    check_ok(cpu_check_runs(none, xml, &err), err);
}

TEST(validation_names_what_is_wrong)
{
    static const struct {
        const char *xml;
        bool ok;
    } cases[] = {
        { "<cpu match='exact'><model>486</model><feature policy='require' name='fpu'/></cpu>", true },
        { "<cpu match='exact'><model>486</model><feature name='fpu'/></cpu>", false },
        { "<cpu match='foo'><model>486</model></cpu>", false },
        { "<cpu><model fallback='maybe'>486</model></cpu>", false },
        { HOST_CPU("486", F("fpu")), true },
        { HOST_CPU("486", "<numa/>"), false },
        { "<cpu><arch>nonsense</arch><model>486</model></cpu>", false },
        { "<cpu><model>486</model><surprise/></cpu>", false },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        int result = -1;
        check_case(cases[i].xml);
        check_eq(cpu_compare(cases[i].xml, 2, &result, &err), cases[i].ok);
        check_eq(error_code(err), cases[i].ok ? ERROR_NONE : ERROR_XML_SCHEMA);
    }
}

TEST(hypervisor_baseline_takes_offered_models_and_disables_blockers)
{
    static const char *const blockers[] = { "avx2", "vmx-ept", NULL };
    static const CpuOffer offers[] = { { "kvm64", NULL }, { "Haswell", blockers } };
    const char *xmls[] = { "<cpu><model>Haswell</model></cpu>" };
    g_autofree char *xml = NULL;
    g_autoptr(Error) err = NULL;
    check_ok(cpu_baseline_with(offers, G_N_ELEMENTS(offers), xmls, 1, 0, &xml, &err), err);
    check_str(xml, "<cpu mode='custom' match='exact'>\n  <model fallback='forbid'>Haswell</model>\n"
                   "  <feature policy='disable' name='avx2'/>\n</cpu>\n");
    const char *none[] = { "<cpu/>" };
    char *unused = NULL;
    check_fails(cpu_baseline_with(offers, G_N_ELEMENTS(offers), none, 1, 0, &unused, &err), err,
                ERROR_INVALID_ARGUMENT);
}

TEST(host_model_describes_what_qemu_gives)
{
    AUTO_JSON host = make_host_cpu();
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(Error) err = NULL;
    check_ok(cpu_format_host_model(host, 2, out, &err), err);
    check_str(out->str, "  <model fallback='forbid'>486</model>\n  <vendor>AMD</vendor>\n"
                        "  <feature policy='require' name='sse2'/>\n"
                        "  <feature policy='require' name='cmp_legacy'/>\n");
    check_fails(cpu_format_host_model(NULL, 2, out, &err), err, ERROR_OPERATION_UNSUPPORTED);
}

TEST(this_host_is_identical_to_its_own_description)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    g_autoptr(Error) err = NULL;
    int result = -1;
    if (!cpu_host()->model)
        skip(); /* not an x86 */
    cpu_format_host(0, xml);
    check_ok(cpu_compare(xml->str, 3, &result, &err), err);
    check_eq(result, 1);
    const char *xmls[] = { xml->str };
    g_autofree char *baseline = NULL;
    check_ok(cpu_baseline(xmls, 1, 0, &baseline, &err), err);
    check_contains(baseline, cpu_host()->model);
    cpu_host_reset();
}

TEST(time_stamp_counters_that_the_host_cannot_give_are_refused)
{
    static const struct {
        uint64_t host_hz, wanted_hz;
        bool scaling, ok;
    } cases[] = {
        { 3000000000, 3000000000, false, true },  { 3000000000, 3000750000, false, true },
        { 3000000000, 2999250000, false, true },  { 3000000000, 3000750001, false, false },
        { 3000000000, 2999249999, false, false }, { 3000000000, 1000000000, true, true },
        { 0, 1000000000, false, true }, /* nobody knows: KVM will say */
        { 3000000000, 0, false, true }, /* none is asked for */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const CpuHost host = { .tsc_hz = cases[i].host_hz, .tsc_scaling = cases[i].scaling };
        g_autoptr(Error) err = NULL;
        check_eq(cpu_check_tsc(&host, cases[i].wanted_hz, &err), cases[i].ok);
        if (!cases[i].ok)
            check_str(error_code_name(error_code(err)), error_code_name(ERROR_CONFIG_UNSUPPORTED));
    }
}
