/* The configuration file format.
 *
 * One pass over the text with a cursor that counts lines; the first thing that is wrong ends it with file,
 * line and what was expected. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/config_file.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/units.h"

#define CONFIG_MAX_BYTES ((size_t)4 << 20)

typedef struct ConfigCursor {
    const char *path;
    const char *at;
    const char *end;
    unsigned line;
} ConfigCursor;

static void config_value_free(void *arg)
{
    ConfigValue *value = arg;
    g_free(value->key);
    g_free(value->string);
    g_strfreev(value->list);
    g_free(value);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigValue, config_value_free)

static ConfigFile *config_file_new(const char *path)
{
    ConfigFile *file = g_new0(ConfigFile, 1);
    file->path = g_strdup(path);
    file->values = g_ptr_array_new_with_free_func(config_value_free);
    return file;
}

void config_file_free(ConfigFile *file)
{
    if (!file)
        return;
    g_free(file->path);
    g_ptr_array_unref(file->values);
    g_free(file);
}

static bool config_fail(const ConfigCursor *cursor, const char *what, Error **err)
{
    return error_set(err, ERROR_CONFIG_SYNTAX, "%s:%u: %s", cursor->path, cursor->line, what);
}

/* 0 at the end; the text itself holds no NUL. */
static char config_peek(const ConfigCursor *cursor)
{
    return cursor->at < cursor->end ? *cursor->at : '\0';
}

static void config_skip_blanks(ConfigCursor *cursor)
{
    while (config_peek(cursor) == ' ' || config_peek(cursor) == '\t')
        cursor->at++;
}

static void config_skip_comment(ConfigCursor *cursor)
{
    if (config_peek(cursor) != '#')
        return;
    while (cursor->at < cursor->end && *cursor->at != '\n')
        cursor->at++;
}

/* Blanks, line ends and comments. */
static void config_skip_space(ConfigCursor *cursor)
{
    for (;;) {
        config_skip_blanks(cursor);
        config_skip_comment(cursor);
        char c = config_peek(cursor);
        if (c != '\n' && c != '\r' && c != '\f' && c != '\v')
            return;
        if (c == '\n')
            cursor->line++;
        cursor->at++;
    }
}

static bool config_read_key(ConfigCursor *cursor, char **ret_key, Error **err)
{
    const char *start = cursor->at;
    if (!g_ascii_isalpha(config_peek(cursor)) && config_peek(cursor) != '_')
        return config_fail(cursor, "expected the name of a setting", err);
    while (g_ascii_isalnum(config_peek(cursor)) || strchr("_-.", config_peek(cursor))) {
        if (cursor->at >= cursor->end)
            break;
        cursor->at++;
    }
    *ret_key = g_strndup(start, (size_t)(cursor->at - start));
    return true;
}

static bool config_read_number(ConfigCursor *cursor, int64_t *ret_number, Error **err)
{
    const char *start = cursor->at;
    if (config_peek(cursor) == '-')
        cursor->at++;
    while (g_ascii_isdigit(config_peek(cursor)))
        cursor->at++;
    g_autofree char *text = g_strndup(start, (size_t)(cursor->at - start));
    return parse_int(text, ret_number, NULL) || config_fail(cursor, "the number is out of range", err);
}

static bool config_at(const ConfigCursor *cursor, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(cursor->end - cursor->at) >= len && memcmp(cursor->at, text, len) == 0;
}

/* Text between three double quotes; may span lines. */
static bool config_read_long_string(ConfigCursor *cursor, char **ret_text, Error **err)
{
    ConfigCursor opening = *cursor;
    cursor->at += 3;
    const char *start = cursor->at;
    for (; cursor->at < cursor->end; cursor->at++) {
        if (config_at(cursor, "\"\"\"")) {
            *ret_text = g_strndup(start, (size_t)(cursor->at - start));
            cursor->at += 3;
            return true;
        }
        if (*cursor->at == '\n')
            cursor->line++;
    }
    return config_fail(&opening, "the string that begins here does not end", err);
}

static bool config_read_string(ConfigCursor *cursor, char **ret_text, Error **err)
{
    if (config_at(cursor, "\"\"\""))
        return config_read_long_string(cursor, ret_text, err);
    char quote = config_peek(cursor);
    if (quote != '"' && quote != '\'')
        return config_fail(cursor, "expected a string in quotes", err);
    const char *start = ++cursor->at;
    while (cursor->at < cursor->end && *cursor->at != quote && *cursor->at != '\n')
        cursor->at++;
    if (config_peek(cursor) != quote)
        return config_fail(cursor, "the string does not end on its line", err);
    *ret_text = g_strndup(start, (size_t)(cursor->at - start));
    cursor->at++;
    return true;
}

static bool config_read_list(ConfigCursor *cursor, char ***ret_list, Error **err)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(g_free);
    cursor->at++;
    for (;;) {
        config_skip_space(cursor);
        if (config_peek(cursor) == ']')
            break; /* an empty list, or a comma after the last item */
        char *item;
        if (!config_read_string(cursor, &item, err))
            return false;
        g_ptr_array_add(items, item);
        config_skip_space(cursor);
        if (config_peek(cursor) == ',')
            cursor->at++;
        else if (config_peek(cursor) != ']')
            return config_fail(cursor, "expected ',' or ']' in the list", err);
    }
    cursor->at++;
    g_ptr_array_add(items, NULL);
    *ret_list = (char **)g_ptr_array_free(g_steal_pointer(&items), false);
    return true;
}

static bool config_read_value(ConfigCursor *cursor, ConfigValue *value, Error **err)
{
    char c = config_peek(cursor);
    if (c == '[') {
        value->type = CONFIG_LIST;
        return config_read_list(cursor, &value->list, err);
    }
    if (c == '"' || c == '\'') {
        value->type = CONFIG_STRING;
        return config_read_string(cursor, &value->string, err);
    }
    if (c == '-' || g_ascii_isdigit(c)) {
        value->type = CONFIG_INT;
        return config_read_number(cursor, &value->number, err);
    }
    return config_fail(cursor, "expected a number, a string in quotes or a list", err);
}

/* key = value, and then nothing but a comment up to the end of the line. */
static bool config_read_setting(ConfigCursor *cursor, ConfigFile *file, Error **err)
{
    g_autoptr(ConfigValue) value = g_new0(ConfigValue, 1);
    value->line = cursor->line;
    if (!config_read_key(cursor, &value->key, err))
        return false;
    config_skip_blanks(cursor);
    if (config_peek(cursor) != '=')
        return config_fail(cursor, "expected '=' after the name of the setting", err);
    cursor->at++;
    config_skip_blanks(cursor);
    if (!config_read_value(cursor, value, err))
        return false;
    config_skip_blanks(cursor);
    config_skip_comment(cursor);
    char c = config_peek(cursor);
    if (cursor->at < cursor->end && c != '\n' && c != '\r')
        return config_fail(cursor, "expected the end of the line after the value", err);
    g_ptr_array_add(file->values, g_steal_pointer(&value));
    return true;
}

bool config_file_parse(const char *path, const char *text, size_t len, ConfigFile **ret_file, Error **err)
{
    ConfigCursor cursor = { .path = path, .at = text, .end = text + len, .line = 1 };
    const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
    if (nul) {
        for (const char *at = text; at < nul; at++)
            cursor.line += *at == '\n';
        return config_fail(&cursor, "a NUL byte is not text", err);
    }
    g_autoptr(ConfigFile) file = config_file_new(path);
    for (;;) {
        config_skip_space(&cursor);
        if (cursor.at >= cursor.end)
            break;
        if (!config_read_setting(&cursor, file, err))
            return false;
    }
    *ret_file = g_steal_pointer(&file);
    return true;
}

bool config_file_load(const char *path, ConfigFile **ret_file, Error **err)
{
    g_autofree char *text = NULL;
    size_t len;
    Error *problem = NULL;
    if (file_read(path, CONFIG_MAX_BYTES, &text, &len, &problem))
        return config_file_parse(path, text, len, ret_file, err);
    if (error_errno(problem) != ENOENT)
        return error_propagate(err, problem);
    error_free(problem);
    *ret_file = config_file_new(path);
    return true;
}

const ConfigValue *config_file_get(const ConfigFile *file, const char *key)
{
    for (guint i = file->values->len; i > 0; i--) {
        const ConfigValue *value = g_ptr_array_index(file->values, i - 1);
        if (strcmp(value->key, key) == 0)
            return value;
    }
    return NULL;
}
