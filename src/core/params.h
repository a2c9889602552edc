/* Typed parameters: the name-value lists of statistics, tunables and job reports. The front ends turn them
 * into wire parameters or JSON. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"

typedef enum ParamType { /* numbers as in the public API (virTypedParameterType) */
                         PARAM_INT = 1,
                         PARAM_UINT = 2,
                         PARAM_LLONG = 3,
                         PARAM_ULLONG = 4,
                         PARAM_DOUBLE = 5,
                         PARAM_BOOLEAN = 6,
                         PARAM_STRING = 7,
} ParamType;

typedef struct Param {
    char name[80];
    ParamType type;
    union {
        int32_t i;
        uint32_t ui;
        int64_t l;
        uint64_t ul;
        double d;
        bool b;
        char *s; /* owned */
    } value;
} Param;

typedef struct Params {
    GArray *array;
} Params; /* of Param */

Params *params_new(void);
void params_free(Params *params);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Params, params_free)
void params_clear(Params *params); /* empties it, for the next use */
/* Names are printf formats: params_add_ullong(p, n, "vcpu.%u.time", i). */
PRINTF(3, 4) void params_add_int(Params *params, int32_t value, const char *name, ...);
PRINTF(3, 4) void params_add_uint(Params *params, uint32_t value, const char *name, ...);
PRINTF(3, 4) void params_add_llong(Params *params, int64_t value, const char *name, ...);
PRINTF(3, 4) void params_add_ullong(Params *params, uint64_t value, const char *name, ...);
PRINTF(3, 4) void params_add_bool(Params *params, bool value, const char *name, ...);
PRINTF(3, 4) void params_add_string(Params *params, const char *value, const char *name, ...);
/* Appends all of @from, which is empty afterwards. */
void params_move(Params *params, Params *from);
const Param *params_find(const Params *params, const char *name); /* NULL */
size_t params_count(const Params *params);
const Param *params_at(const Params *params, size_t index);
