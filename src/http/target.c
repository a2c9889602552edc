/* Each part is decoded by itself, after the text was cut: an escaped slash belongs to a name. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/target.h"

#include <string.h>

#include "base/units.h"

/* NULL if what comes out cannot be a name. '+' is a blank in queries. */
static char *target_decode(const char *text, size_t len, bool plus_is_blank)
{
    g_autoptr(GString) out = g_string_sized_new(len);

    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];
        if (byte == '%') {
            if (i + 2 >= len || !g_ascii_isxdigit(text[i + 1]) || !g_ascii_isxdigit(text[i + 2]))
                return NULL;
            byte = g_ascii_xdigit_value(text[i + 1]) * 16 + g_ascii_xdigit_value(text[i + 2]);
            i += 2;
        } else if (byte == '+' && plus_is_blank) {
            byte = ' ';
        }
        if (byte < 0x20 || byte == 0x7f)
            return NULL;
        g_string_append_c(out, (char)byte);
    }
    if (!g_utf8_validate_len(out->str, out->len, NULL))
        return NULL;
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static bool target_read_path(HttpTarget *target, const char *path, Error **err)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", HTTP_SEGMENTS_MAX + 2);

    /* The first one is what is left of the leading slash. */
    for (char **part = parts + 1; part[-1] && *part; part++) {
        if (!**part && !part[1])
            break; /* a slash at the end */
        char *text = target_decode(*part, strlen(*part), false);
        if (!text || !*text || strcmp(text, ".") == 0 || strcmp(text, "..") == 0 ||
            target->segments->len == HTTP_SEGMENTS_MAX) {
            g_free(text);
            return error_set(err, ERROR_INVALID_ARGUMENT, "the path of the request is wrong");
        }
        g_ptr_array_add(target->segments, text);
    }
    return true;
}

static bool target_read_query(HttpTarget *target, const char *query, Error **err)
{
    g_auto(GStrv) pairs = g_strsplit(query, "&", HTTP_QUERY_MAX + 1);

    for (char **pair = pairs; *pair; pair++) {
        if (!**pair)
            continue;
        const char *equals = strchr(*pair, '=');
        size_t len = equals ? (size_t)(equals - *pair) : strlen(*pair);
        g_autofree char *name = target_decode(*pair, len, true);
        g_autofree char *value =
            equals ? target_decode(equals + 1, strlen(equals + 1), true) : g_strdup("true");
        if (!name || !*name || !value || g_hash_table_contains(target->query, name) ||
            g_hash_table_size(target->query) == HTTP_QUERY_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "the query of the request is wrong");
        g_hash_table_insert(target->query, g_steal_pointer(&name), g_steal_pointer(&value));
    }
    return true;
}

bool http_target_parse(const char *text, const char *prefix, HttpTarget *ret_target, Error **err)
{
    const char *mark = strchr(text, '?');
    HttpTarget target = { .segments = g_ptr_array_new_with_free_func(g_free),
                          .query = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                          .path = mark ? g_strndup(text, (gsize)(mark - text)) : g_strdup(text) };
    const size_t skip = strlen(prefix);
    bool ok = false;

    if (*text != '/')
        error_set(err, ERROR_INVALID_ARGUMENT, "the request names no path");
    else if (strncmp(target.path, prefix, skip) != 0 || (target.path[skip] && target.path[skip] != '/'))
        error_set(err, ERROR_NO_HOSTNAME, "there is nothing outside of '%s/'", prefix);
    else
        ok = target_read_path(&target, target.path + skip, err) &&
             (!mark || target_read_query(&target, mark + 1, err));
    if (!ok) {
        http_target_clear(&target);
        return false;
    }
    *ret_target = target;
    return true;
}

void http_target_clear(HttpTarget *target)
{
    g_clear_pointer(&target->segments, g_ptr_array_unref);
    g_clear_pointer(&target->query, g_hash_table_unref);
    g_clear_pointer(&target->path, g_free);
}

const char *http_query(const HttpTarget *target, const char *name)
{
    return target->query ? g_hash_table_lookup(target->query, name) : NULL;
}

bool http_query_bool(const HttpTarget *target, const char *name, bool fallback, bool *ret_value, Error **err)
{
    const char *text = http_query(target, name);

    if (text && !g_str_equal(text, "true") && !g_str_equal(text, "1") && !g_str_equal(text, "false") &&
        !g_str_equal(text, "0"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s must be true or false, not '%s'", name, text);
    *ret_value = text ? g_str_equal(text, "true") || g_str_equal(text, "1") : fallback;
    return true;
}

bool http_query_uint(const HttpTarget *target, const char *name, uint64_t fallback, uint64_t max,
                     uint64_t *ret_value, Error **err)
{
    const char *text = http_query(target, name);
    uint64_t value = fallback;

    if (text && (!parse_uint(text, &value, NULL) || value > max))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%s must be a number from 0 to %" G_GUINT64_FORMAT ", not '%s'", name, max, text);
    *ret_value = value;
    return true;
}
