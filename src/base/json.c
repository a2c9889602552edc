/* JSON on top of jansson.
 *
 * jansson parses, frees and prints by recursion, and lets documents nest 2048 deep: more than a fiber's stack
 * holds. So the nesting is measured by a plain scan before jansson sees the text. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include "base/error.h"

#define JSON_MAX_DEPTH 256
#define JSON_MAX_BYTES (64u << 20)

void json_cleanup(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}

/* Deepest nesting of brackets outside strings. Text that is no JSON gives some number; the parser refuses it
 * later. */
static size_t json_measure_depth(const char *text, size_t len)
{
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
            if (depth > deepest)
                deepest = depth;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

bool json_parse(const char *text, size_t len, const char *what, Json **ret_value, Error **err)
{
    if (len > JSON_MAX_BYTES)
        return error_set(err, ERROR_OVERFLOW, "%s: %zu bytes of JSON are too many", what, len);
    if (json_measure_depth(text, len) > JSON_MAX_DEPTH)
        return error_set(err, ERROR_OVERFLOW, "%s: JSON nested more than %d levels deep", what,
                         JSON_MAX_DEPTH);
    json_error_t problem;
    Json *value = json_loadb(text, len, JSON_DECODE_ANY, &problem);
    if (!value) {
        /* The parser quotes the text near the error; bytes of an unknown encoding don't belong in messages.
         */
        g_autofree char *safe = g_utf8_make_valid(problem.text, -1);
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: line %d, column %d: %s", what, problem.line,
                         problem.column, safe);
    }
    *ret_value = value;
    return true;
}

static char *json_format_flags(const Json *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENCODE_ANY);
    g_assert(text != NULL); /* only a value that contains itself, or memory, can make this fail */
    return text;
}

char *json_format(const Json *value)
{
    return json_format_flags(value, JSON_COMPACT);
}

char *json_format_pretty(const Json *value)
{
    return json_format_flags(value, JSON_INDENT(2));
}

const char *json_get_str(const Json *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

int64_t json_get_int(const Json *object, const char *key, int64_t fallback)
{
    const Json *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

uint64_t json_get_uint(const Json *object, const char *key, uint64_t fallback)
{
    const Json *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return fallback;
    return (uint64_t)json_integer_value(value);
}

bool json_get_bool(const Json *object, const char *key, bool fallback)
{
    const Json *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

Json *json_get_obj(const Json *object, const char *key)
{
    Json *value = json_object_get(object, key);
    return json_is_object(value) ? value : NULL;
}

Json *json_get_arr(const Json *object, const char *key)
{
    Json *value = json_object_get(object, key);
    return json_is_array(value) ? value : NULL;
}
