/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/program.h"

#include "core/client_program.h"

static void add_option(GPtrArray *words, const char *option, const Json *value)
{
    const Json *item;
    size_t i;

    if (json_is_true(value))
        g_ptr_array_add(words, g_strdup_printf("--%s", option));
    else if (json_is_string(value))
        g_ptr_array_add(words, g_strdup_printf("--%s=%s", option, json_string_value(value)));
    else if (json_is_integer(value))
        g_ptr_array_add(words,
                        g_strdup_printf("--%s=%" JSON_INTEGER_FORMAT, option, json_integer_value(value)));
    json_array_foreach (value, i, item)
        add_option(words, option, item);
}

bool http_program_run(const HttpRequest *req, const HttpProgram *program, Json **ret_json, Error **err)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(words, g_strdup(program->command));
    for (const HttpWord *word = program->options; word && word->member; word++)
        add_option(words, word->option, json_object_get(req->body, word->member));
    g_ptr_array_add(words, g_strdup("--"));
    for (const char *const *word = program->words; *word; word++)
        g_ptr_array_add(words, g_strdup(*word));
    g_ptr_array_add(words, NULL);
    return client_program_run(req->host, (const char *const *)words->pdata, program->input, ret_json, err);
}
