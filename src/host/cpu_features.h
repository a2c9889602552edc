/* CPU features of x86 by name, and sets of them.
 *
 * A name stands for one bit of a CPUID leaf (Intel SDM volume 2A "CPUID", AMD APM volume 3 appendix E) or of
 * a feature MSR. Names are those of domain documents; QEMU spells a few of them differently. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum CpuRegister { CPU_EAX, CPU_EBX, CPU_ECX, CPU_EDX, CPU_MSR } CpuRegister;

enum {
    CPU_NOT_FOR_GUESTS = 1, /* state of the host's OS or its monitoring: never asked of a guest CPU */
    CPU_NOT_MIGRATABLE = 2, /* QEMU refuses to migrate a machine that has it */
};

typedef struct CpuFeature {
    const char *name;
    const char *qemu_name;  /* NULL: the same */
    uint32_t leaf, subleaf; /* @leaf is the MSR's number for CPU_MSR */
    CpuRegister reg;
    uint8_t bit;
    uint8_t flags;
} CpuFeature;

extern const CpuFeature cpu_features[]; /* in the order in which documents list them */
extern const size_t cpu_features_count;

/* Index into cpu_features; -1 if unknown. */
int cpu_feature_find(const char *name);
int cpu_feature_find_qemu(const char *qemu_name); /* also understands the document's name */

#define CPU_SET_WORDS 4
typedef struct CpuSet {
    uint64_t words[CPU_SET_WORDS]; /* bit i: feature i */
} CpuSet;

static inline bool cpu_set_has(const CpuSet *set, size_t i)
{
    return set->words[i / 64] >> (i % 64) & 1;
}

static inline void cpu_set_add(CpuSet *set, size_t i)
{
    set->words[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void cpu_set_remove(CpuSet *set, size_t i)
{
    set->words[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

CpuSet cpu_set_and(const CpuSet *a, const CpuSet *b);
CpuSet cpu_set_or(const CpuSet *a, const CpuSet *b);
CpuSet cpu_set_minus(const CpuSet *a, const CpuSet *b);
bool cpu_set_is_empty(const CpuSet *set);
unsigned cpu_set_count(const CpuSet *set);

/* Adds the features named in @names, separated by blanks; unknown ones are a bug of the table. */
void cpu_set_add_names(CpuSet *set, const char *names);
/* "a, b, c" in table order; caller owns. */
char *cpu_set_format(const CpuSet *set);
