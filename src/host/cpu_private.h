/* What the files of the cpu module share: models as sets, and the facts of this host's CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/cpu.h"
#include "host/cpu_features.h"

typedef struct CpuModel {
    const char *name;
    const char *vendor; /* NULL: any */
    const char *signatures;
    CpuSet features, removed;
    bool only_understood;
} CpuModel;

/* In the order of lists; made at the first call, lives until cpu_host_reset(). */
const CpuModel *cpu_models(size_t *ret_count);
const CpuModel *cpu_model_find(const char *name); /* NULL if unknown */
void cpu_models_reset(void);

typedef struct CpuSignature {
    unsigned family, model, stepping; /* all 0: unknown */
} CpuSignature;

/* Everything this host's CPU says it can. */
const CpuSet *cpu_host_features(void);

typedef enum CpuDecodeMode {
    CPU_DECODE_HOST,  /* what is not there cannot be in the model: a host is described by additions alone */
    CPU_DECODE_GUEST, /* models may be taken with features disabled */
} CpuDecodeMode;

/* How @model describes @data: what to add and what to take away. */
void cpu_model_compare(const CpuModel *model, const CpuSet *data, CpuSet *ret_require, CpuSet *ret_disable);

/* The model that describes @data in the fewest words. @vendor NULL: any. Never NULL: "486" needs nothing. */
const CpuModel *cpu_model_choose(const CpuSet *data, const char *vendor, const CpuSignature *signature,
                                 CpuDecodeMode mode);
