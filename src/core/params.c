/* Typed parameters: a growable array of small values that owns its strings. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PARAMS_USUAL 16 /* of a machine that does not run */

static void param_clear(void *data)
{
    Param *param = data;

    if (param->type == PARAM_STRING)
        g_free(param->value.s);
}

Params *params_new(void)
{
    Params *params = g_new0(Params, 1);

    params->array = g_array_sized_new(FALSE, FALSE, sizeof(Param), PARAMS_USUAL);
    g_array_set_clear_func(params->array, param_clear);
    return params;
}

void params_free(Params *params)
{
    if (!params)
        return;
    g_array_unref(params->array);
    g_free(params);
}

void params_clear(Params *params)
{
    g_array_set_size(params->array, 0);
}

/* What statistics use, names with "%u", is done here: there are thousands at a time, and printf() would be
 * most of their cost. A name longer than the protocol allows is cut: it could not be sent anyway. */
PRINTF(2, 0) static void param_set_name(Param *param, const char *format, va_list args)
{
    char *at = param->name, *end = param->name + sizeof(param->name) - 1;

    for (const char *from = format, *percent = NULL; at < end; from = percent + 2) {
        percent = strchrnul(from, '%');
        at = mempcpy(at, from, (size_t)MIN(percent - from, end - at));
        if (!*percent)
            break;
        if (percent[1] != 'u' || strchr(percent + 1, '%')) {
            (void)vsnprintf(param->name, sizeof(param->name), format, args);
            return;
        }
        unsigned number = va_arg(args, unsigned), scale = 1;
        while (number / scale >= 10)
            scale *= 10;
        for (; scale && at < end; scale /= 10)
            *at++ = (char)('0' + number / scale % 10);
    }
    *at = '\0';
}

PRINTF(3, 0) static Param *params_append(Params *params, ParamType type, const char *format, va_list args)
{
    g_array_set_size(params->array, params->array->len + 1);
    Param *param = &g_array_index(params->array, Param, params->array->len - 1);
    param->type = type;
    param_set_name(param, format, args);
    return param;
}

#define PARAMS_ADD(function, c_type, member, tag)                                                            \
    void function(Params *params, c_type value, const char *name, ...)                                       \
    {                                                                                                        \
        va_list args;                                                                                        \
        va_start(args, name);                                                                                \
        params_append(params, tag, name, args)->value.member = value;                                        \
        va_end(args);                                                                                        \
    }

PARAMS_ADD(params_add_int, int32_t, i, PARAM_INT)
PARAMS_ADD(params_add_uint, uint32_t, ui, PARAM_UINT)
PARAMS_ADD(params_add_llong, int64_t, l, PARAM_LLONG)
PARAMS_ADD(params_add_ullong, uint64_t, ul, PARAM_ULLONG)
PARAMS_ADD(params_add_bool, bool, b, PARAM_BOOLEAN)

void params_add_string(Params *params, const char *value, const char *name, ...)
{
    va_list args;

    va_start(args, name);
    params_append(params, PARAM_STRING, name, args)->value.s = g_strdup(value ? value : "");
    va_end(args);
}

void params_move(Params *params, Params *from)
{
    g_array_append_vals(params->array, from->array->data, from->array->len);
    /* The strings have a new owner. */
    g_array_set_clear_func(from->array, NULL);
    g_array_set_size(from->array, 0);
    g_array_set_clear_func(from->array, param_clear);
}

const Param *params_find(const Params *params, const char *name)
{
    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        if (strcmp(param->name, name) == 0)
            return param;
    }
    return NULL;
}

size_t params_count(const Params *params)
{
    return params ? params->array->len : 0;
}

const Param *params_at(const Params *params, size_t index)
{
    return &g_array_index(params->array, Param, index);
}
