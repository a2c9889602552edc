/* What a request is for: the path and the query of its first line, which come from anybody. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/error.h"

#define HTTP_SEGMENTS_MAX 16
#define HTTP_QUERY_MAX 64

typedef struct HttpTarget {
    GPtrArray *segments; /* of char *, decoded: "machines", "web" */
    GHashTable *query;   /* char * -> char *, decoded */
    char *path;          /* as it came, without the query */
} HttpTarget;

/* @target: "/api/v1/machines/web?secure=true" (an origin form). @prefix: what the path has to begin with ("",
 * "/lodge"); it is no segment.
 *
 * ERROR_INVALID_ARGUMENT  no path, a broken or empty escape, a NUL or control character, "." or "..", text
 * that is not UTF-8, too many parts, a name given twice ERROR_NO_HOSTNAME       the path is not below @prefix
 */
MUST_CHECK bool http_target_parse(const char *target, const char *prefix, HttpTarget *ret_target,
                                  Error **err);
void http_target_clear(HttpTarget *target);

/* "true" and "1", "false" and "0"; absent: @fallback. ERROR_INVALID_ARGUMENT */
MUST_CHECK bool http_query_bool(const HttpTarget *target, const char *name, bool fallback, bool *ret_value,
                                Error **err);
/* ERROR_INVALID_ARGUMENT: no number, or more than @max */
MUST_CHECK bool http_query_uint(const HttpTarget *target, const char *name, uint64_t fallback, uint64_t max,
                                uint64_t *ret_value, Error **err);
const char *http_query(const HttpTarget *target, const char *name); /* borrowed; NULL */
