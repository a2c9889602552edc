/* Named CPU models of x86: what "Haswell" means. The table is generated, see tools/cpu-models.py. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/cpu_features.h"

typedef struct CpuModelRow {
    const char *name;
    const char *vendor;     /* "AMD", "Intel", "Hygon"; NULL: any */
    const char *signatures; /* "6/60 6/85/0-4": family/model or family/model/steppings; "" none */
    const char *features;   /* names separated by blanks */
    const char *removed;    /* once in the model, now spelled out as disabled */
    bool only_understood;   /* never chosen to describe another CPU */
} CpuModelRow;

extern const CpuModelRow cpu_model_rows[]; /* in the order of lists */
extern const size_t cpu_model_rows_count;
