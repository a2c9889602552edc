/* JSON on top of jansson: typed look-ups that never crash on hostile input. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef json_t Json;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Json, json_decref)
#define AUTO_JSON __attribute__((cleanup(json_cleanup))) json_t *
void json_cleanup(json_t **value);

/* @what names the source in the message ("QMP reply", "status file 'x'"). ERROR_OVERFLOW: nested more than
 * 256 deep, or longer than 64 MiB. ERROR_INVALID_ARGUMENT: no JSON; the message has line and column. */
MUST_CHECK bool json_parse(const char *text, size_t len, const char *what, Json **ret_value, Error **err);
char *json_format(const Json *value);        /* compact, owned by the caller */
char *json_format_pretty(const Json *value); /* indented by 2 */

/* Borrowed results; the default when the member is absent or of another type. @object may be NULL. */
const char *json_get_str(const Json *object, const char *key); /* NULL */
int64_t json_get_int(const Json *object, const char *key, int64_t fallback);
uint64_t json_get_uint(const Json *object, const char *key, uint64_t fallback);
bool json_get_bool(const Json *object, const char *key, bool fallback);
Json *json_get_obj(const Json *object, const char *key); /* NULL */
Json *json_get_arr(const Json *object, const char *key); /* NULL; json_array_foreach copes */
