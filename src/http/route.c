/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/route.h"

#include <string.h>

#define SAFE_INTEGER 9007199254740991 /* 2^53 - 1: what JavaScript can hold */

const HttpRoute *const http_routes[] = {
    http_routes_session,
    http_routes_machine,
    http_routes_snapshot,
    http_routes_console,
    http_routes_storage,
    http_routes_object,
    http_routes_host,
    http_routes_user,
    http_routes_job,
    http_routes_live,
    http_routes_interface,
    http_routes_upload,
    http_routes_journal,
    http_routes_history,
    http_routes_counters,
    http_routes_alerts,
    http_routes_metrics,
    http_routes_clone,
    http_routes_backup,
    http_routes_migrate,
    http_routes_guest,
    http_routes_page,
    NULL,
};

/* The next part of a pattern: *ret_len bytes at *io_at, which moves on. false: there is none. */
static bool pattern_next(const char **io_at, const char **ret_part, size_t *ret_len)
{
    const char *at = *io_at;

    if (!*at)
        return false;
    const char *end = strchrnul(at, '/');
    *ret_part = at;
    *ret_len = (size_t)(end - at);
    *io_at = *end ? end + 1 : end;
    return true;
}

static bool route_matches(const HttpRoute *route, const HttpTarget *target,
                          const char *params[HTTP_PARAMS_MAX])
{
    const bool from_root = g_str_has_prefix(route->pattern, "//");
    const char *at = from_root ? route->pattern + 2 : route->pattern + 1, *part;
    const guint skip = from_root ? 0 : 2; /* "api", "v1" */
    guint i = skip, n = 0;
    size_t len;

    if (!from_root &&
        (target->segments->len < skip || strcmp(g_ptr_array_index(target->segments, 0), "api") != 0 ||
         strcmp(g_ptr_array_index(target->segments, 1), "v1") != 0))
        return false;
    while (pattern_next(&at, &part, &len)) {
        if (i == target->segments->len)
            return false;
        const char *segment = g_ptr_array_index(target->segments, i++);
        if (*part == '{')
            params[n++] = segment;
        else if (strlen(segment) != len || strncmp(segment, part, len) != 0)
            return false;
    }
    return i == target->segments->len || (route->flags & HTTP_TAIL);
}

const HttpRoute *http_route_find(const char *method, const HttpTarget *target,
                                 const char *params[HTTP_PARAMS_MAX], bool *ret_known)
{
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (const HttpRoute *const *table = http_routes; *table; table++) {
        for (const HttpRoute *route = *table; route->method; route++) {
            if (!route_matches(route, target, params))
                continue;
            if (strcmp(route->method, method) == 0)
                return route;
            *ret_known |= !(route->flags & HTTP_TAIL);
        }
    }
    return NULL;
}

/* ---- what is asked ---- */

static bool choice_is_among(const char *text, const char *choices)
{
    g_auto(GStrv) words = g_strsplit(choices, "|", -1);

    return g_strv_contains((const char *const *)words, text);
}

static bool strings_are_strings(const Json *value)
{
    const Json *item;
    size_t i;

    json_array_foreach (value, i, item) {
        if (!json_is_string(item))
            return false;
    }
    return json_is_array(value);
}

static const char *const type_words[] = { "text",
                                          "a whole number, not below 0",
                                          "a whole number",
                                          "a number",
                                          "true or false",
                                          "a time as RFC 3339 has it",
                                          "a list of texts",
                                          "an object",
                                          "a list of objects" };

static bool value_has_type(const Json *value, const HttpField *field)
{
    switch (field->type) {
    case HTTP_STRING:
    case HTTP_TIME:
        return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
    case HTTP_UINT:
        return json_is_integer(value) && json_integer_value(value) >= 0 &&
               json_integer_value(value) <= SAFE_INTEGER;
    case HTTP_INT:
        return json_is_integer(value);
    case HTTP_NUMBER:
        return json_is_number(value);
    case HTTP_BOOL:
        return json_is_boolean(value);
    case HTTP_STRINGS:
        return strings_are_strings(value);
    case HTTP_OBJECT:
        return json_is_object(value);
    case HTTP_OBJECTS:
        return json_is_array(value);
    }
    return false;
}

static bool value_check(const Json *value, const HttpField *field, Error **err)
{
    if (!value)
        return !field->required || error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is missing", field->name);
    if (json_is_null(value) && field->nullable)
        return true;
    if (!value_has_type(value, field))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' must be %s", field->name,
                         type_words[field->type]);
    if (field->choices && json_is_string(value) && !choice_is_among(json_string_value(value), field->choices))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' must be one of %s", field->name, field->choices);
    return field->type != HTTP_OBJECT || !field->fields || http_body_check(value, field->fields, err);
}

static const HttpField *field_find(const HttpField *fields, const char *name)
{
    for (const HttpField *field = fields; field && field->name; field++) {
        if (strcmp(field->name, name) == 0)
            return field;
    }
    return NULL;
}

bool http_body_check(const Json *body, const HttpField *fields, Error **err)
{
    const char *name;
    Json *value;

    if (!json_is_object(body))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the body must be a JSON object");
    json_object_foreach ((Json *)body, name, value) {
        if (!field_find(fields, name))
            return error_set(err, ERROR_INVALID_ARGUMENT, "the body may not have '%.64s'", name);
    }
    for (const HttpField *field = fields; field->name; field++) {
        if (!value_check(json_object_get(body, field->name), field, err))
            return false;
    }
    return true;
}

bool http_query_check(const HttpTarget *target, const HttpField *fields, Error **err)
{
    GHashTableIter iter;
    const char *name, *value;

    g_hash_table_iter_init(&iter, target->query);
    while (g_hash_table_iter_next(&iter, (gpointer *)&name, (gpointer *)&value)) {
        const HttpField *field = field_find(fields, name);
        uint64_t number;
        bool boolean;
        if (!field)
            return error_set(err, ERROR_INVALID_ARGUMENT, "there is no query parameter '%.64s' here", name);
        if ((field->type == HTTP_BOOL && !http_query_bool(target, name, false, &boolean, err)) ||
            (field->type == HTTP_UINT && !http_query_uint(target, name, 0, SAFE_INTEGER, &number, err)))
            return false;
        if (field->choices && !choice_is_among(value, field->choices))
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' must be one of %s", name, field->choices);
    }
    for (const HttpField *field = fields; field && field->name; field++) {
        if (field->required && !http_query(target, field->name))
            return error_set(err, ERROR_INVALID_ARGUMENT, "the query parameter '%s' is missing", field->name);
    }
    return true;
}
