/* CPU models and features of x86: what this host has (CPUID instruction), which named model is nearest, and
 * the arithmetic on <cpu> documents behind cpu-models, cpu-baseline, cpu-compare and hypervisor-cpu-*.
 *
 * cpu.c does the arithmetic, cpu_doc.c reads documents, cpu_host.c asks this machine, cpu_model.c chooses
 * among named models. cpu_features.c has names, CPUID leaves and bits from the vendors' manuals; cpu_models.c
 * is generated from what QEMU reports about its models (tools/cpu-models.py, data/cpu/x86-models.txt). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

typedef struct CpuHost {
    const char *arch; /* "x86_64" */
    char *model;      /* nearest named model; NULL where none is known (other architectures) */
    char *vendor;     /* "AMD", "Intel", "Hygon"; NULL: another */
    unsigned signature_family, signature_model, signature_stepping;
    uint32_t microcode;
    char **features; /* beyond the model, in the order of documents; NULL-terminated */
    uint64_t tsc_hz; /* 0 unknown */
    bool tsc_scaling, invariant_tsc;
    unsigned phys_bits;
} CpuHost;
const CpuHost *cpu_host(void); /* computed once, borrowed */
void cpu_host_reset(void);     /* for tests and exit */

/* virsh cpu-models ARCH; array of char* owned, empty where any name is accepted. Unknown arch:
 * ERROR_INVALID_ARGUMENT; one without CPU models: ERROR_NOT_SUPPORTED. */
MUST_CHECK bool cpu_list_models(const char *arch, GPtrArray **ret_names, Error **err);
/* virConnectCompareCPU: -1 unknown, 0 incompatible, 1 identical, 2 superset. @xml: a <cpu>
 * document, of a host (with <arch>) or of a guest. flags: FAIL_INCOMPATIBLE 1 (then ERROR_CPU_INCOMPATIBLE
 * says why), VALIDATE_XML 2. ERROR_XML_SYNTAX, ERROR_XML_INVALID, ERROR_CONFIG_UNSUPPORTED, ERROR_XML_SCHEMA;
 * ERROR_INTERNAL for unknown models and features, as clients know it. */
MUST_CHECK bool cpu_compare(const char *xml, unsigned flags, int *ret_result, Error **err);
/* virConnectBaselineCPU: what all these host CPUs have in common, as a guest's <cpu>. flags: EXPAND_FEATURES
 * 1, MIGRATABLE 2. ERROR_OPERATION_FAILED: of different vendors. */
MUST_CHECK bool cpu_baseline(const char *const *xmls, size_t n_xmls, unsigned flags, char **ret_xml,
                             Error **err);
/* Hypervisor variants: against what this QEMU can give (@host_cpu as from qemu_caps_host_cpu(), NULL if
 * unknown). */
MUST_CHECK bool cpu_compare_with(const Json *host_cpu, const char *xml, unsigned flags, int *ret_result,
                                 Error **err);
/* Whether a machine with this CPU can run: features that QEMU does not name but the host has count as well.
 * Errors as cpu_compare_with() with FAIL_INCOMPATIBLE. */
MUST_CHECK bool cpu_check_runs(const Json *host_cpu, const char *xml, Error **err);
/* A model that a QEMU offers, and what it cannot give of it here (query-cpu-definitions). */
typedef struct CpuOffer {
    const char *model;
    const char *const *blockers; /* NULL-terminated; NULL: none */
} CpuOffer;
/* As cpu_baseline(), but the answer is one of @offers with their blockers disabled. ERROR_INVALID_ARGUMENT: a
 * document names no model. */
MUST_CHECK bool cpu_baseline_with(const CpuOffer *offers, size_t n_offers, const char *const *xmls,
                                  size_t n_xmls, unsigned flags, char **ret_xml, Error **err);
/* "Intel", "AMD", "Hygon"; NULL for models of no vendor and unknown names. Borrowed. */
const char *cpu_model_vendor(const char *model);
/* The <mode name='host-model'> content: model, vendor, features for @host_cpu, appended to @out at @indent
 * spaces. */
MUST_CHECK bool cpu_format_host_model(const Json *host_cpu, unsigned indent, GString *out, Error **err);
/* With @offers, what QEMU's own model of that name has and cannot give is told as disabled too. */
MUST_CHECK bool cpu_format_host_model_with(const Json *host_cpu, const CpuOffer *offers, size_t n_offers,
                                           unsigned indent, GString *out, Error **err);
/* Tells for each feature that a guest's CPUID shows (@feature_words: QEMU's property of that name) whether it
 * is on and whether @model has it, in the order of documents. false: @model is unknown. */
bool cpu_each_live(const Json *feature_words, const char *model,
                   void (*func)(void *arg, const char *name, bool is_on, bool in_model), void *arg);
/* What QEMU calls the feature @name of documents; @name itself if that is nothing we know. */
const char *cpu_feature_for_qemu(const char *name);
bool cpu_feature_is_known(const char *name);
bool cpu_model_is_known(const char *name);
/* Calls @func for what @model once had and QEMU still gives: it is to be named as off. */
void cpu_each_removed(const char *model, void (*func)(void *arg, const char *name), void *arg);
/* The <cpu> element of capabilities, appended at @indent. */
void cpu_format_host(unsigned indent, GString *out);
