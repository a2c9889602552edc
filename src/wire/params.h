/* Typed parameters on the wire: building lists of them and reading values back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "wire/wire_gen.h"

#define WIRE_PARAM_NAME_MAX 79

/* Each returns the parameter in @params with that name and type, or NULL. @params may be NULL if @count is 0.
 */
const WireTypedParam *wire_param_find(const WireTypedParam *params, size_t count, const char *name);
bool wire_param_get_string(const WireTypedParam *params, size_t count, const char *name,
                           const char **ret_value);
/* Any number type (and booleans), widened. false if absent, a string, or out of range. */
bool wire_param_get_int64(const WireTypedParam *params, size_t count, const char *name, int64_t *ret_value);
bool wire_param_get_uint64(const WireTypedParam *params, size_t count, const char *name, uint64_t *ret_value);

/* The value as people read it ("12", "0.5", "yes", "text"); owned. */
char *wire_param_format(const WireTypedParam *param);

/* Growing list: g_autoptr(GArray) array = wire_params_new(); ...; wire_params_take(&array, &ret.params,
 * &ret.n_params). An array that is not taken frees its strings. */
GArray *wire_params_new(void);
void wire_params_add_int(GArray *array, const char *name, int32_t value);
void wire_params_add_ullong(GArray *array, const char *name, uint64_t value);
void wire_params_add_bool(GArray *array, const char *name, bool value);
void wire_params_add_string(GArray *array, const char *name, const char *value);
void wire_params_take(GArray **array, WireTypedParam **ret_params, uint32_t *ret_count);
