/* CPU models and features of x86: what this host has (CPUID instruction), which named model is nearest, and
 * the arithmetic on <cpu> documents behind cpu-models, cpu-baseline, cpu-compare and hypervisor-cpu-*.
 *
 * The model table is data of ours (data/cpu/x86.json or a C table): names as QEMU and libvirt users know
 * them, features by CPUID leaf and bit, from the vendors' manuals and from what QEMU reports about its
 * models. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

typedef struct CpuHost {
    const char *arch; /* "x86_64" */
    char *model;      /* nearest named model */
    char *vendor;     /* "AMD", "Intel" */
    unsigned signature_family, signature_model, signature_stepping;
    uint32_t microcode;
    char **features; /* beyond the model, sorted; NULL-terminated */
    uint64_t tsc_hz; /* 0 unknown */
    bool tsc_scaling, invariant_tsc;
    unsigned phys_bits;
} CpuHost;
const CpuHost *cpu_host(void); /* computed once, borrowed */
void cpu_host_reset(void);     /* for tests and exit */

/* virsh cpu-models ARCH; array of char* owned. Unknown arch: ERROR_INVALID_ARGUMENT as the reference. */
MUST_CHECK bool cpu_list_models(const char *arch, GPtrArray **ret_names, Error **err);
/* virConnectCompareCPU: -1 unknown, 0 incompatible, 1 identical, 2 superset. @xml: a <cpu> (or capabilities)
 * document. flags: FAIL_INCOMPATIBLE 1, VALIDATE_XML 2. */
MUST_CHECK bool cpu_compare(const char *xml, unsigned flags, int *ret_result, Error **err);
/* virConnectBaselineCPU. flags: EXPAND_FEATURES 1, MIGRATABLE 2. */
MUST_CHECK bool cpu_baseline(const char *const *xmls, size_t n_xmls, unsigned flags, char **ret_xml,
                             Error **err);
/* Hypervisor variants: against what this QEMU can give (@host_cpu as from qemu_caps_host_cpu(), NULL if
 * unknown). */
MUST_CHECK bool cpu_compare_with(const Json *host_cpu, const char *xml, unsigned flags, int *ret_result,
                                 Error **err);
/* The <mode name='host-model'> content: model, vendor, features for @host_cpu, appended to @out at @indent
 * spaces. */
MUST_CHECK bool cpu_format_host_model(const Json *host_cpu, unsigned indent, GString *out, Error **err);
/* The <cpu> element of capabilities, appended at @indent. */
void cpu_format_host(unsigned indent, GString *out);
