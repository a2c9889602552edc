/* Lists of typed parameters. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/params.h"

#include "wire/wire_enums.h"

const WireTypedParam *wire_param_find(const WireTypedParam *params, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (g_strcmp0(params[i].field, name) == 0)
            return &params[i];
    }
    return NULL;
}

bool wire_param_get_string(const WireTypedParam *params, size_t count, const char *name,
                           const char **ret_value)
{
    const WireTypedParam *param = wire_param_find(params, count, name);

    if (!param || param->value.type != VIR_TYPED_PARAM_STRING)
        return false;
    *ret_value = param->value.s;
    return true;
}

bool wire_param_get_int64(const WireTypedParam *params, size_t count, const char *name, int64_t *ret_value)
{
    const WireTypedParam *param = wire_param_find(params, count, name);

    if (!param)
        return false;
    switch (param->value.type) {
    case VIR_TYPED_PARAM_INT:
        *ret_value = param->value.i;
        return true;
    case VIR_TYPED_PARAM_BOOLEAN:
        *ret_value = param->value.b;
        return true;
    case VIR_TYPED_PARAM_UINT:
        *ret_value = param->value.ui;
        return true;
    case VIR_TYPED_PARAM_LLONG:
        *ret_value = param->value.l;
        return true;
    case VIR_TYPED_PARAM_ULLONG:
        if (param->value.ul > INT64_MAX)
            return false;
        *ret_value = (int64_t)param->value.ul;
        return true;
    default:
        return false;
    }
}

bool wire_param_get_uint64(const WireTypedParam *params, size_t count, const char *name, uint64_t *ret_value)
{
    const WireTypedParam *param = wire_param_find(params, count, name);
    int64_t value;

    if (param && param->value.type == VIR_TYPED_PARAM_ULLONG) {
        *ret_value = param->value.ul;
        return true;
    }
    if (!wire_param_get_int64(params, count, name, &value) || value < 0)
        return false;
    *ret_value = (uint64_t)value;
    return true;
}

char *wire_param_format(const WireTypedParam *param)
{
    switch (param->value.type) {
    case VIR_TYPED_PARAM_INT:
        return g_strdup_printf("%d", param->value.i);
    case VIR_TYPED_PARAM_UINT:
        return g_strdup_printf("%u", param->value.ui);
    case VIR_TYPED_PARAM_LLONG:
        return g_strdup_printf("%" G_GINT64_FORMAT, param->value.l);
    case VIR_TYPED_PARAM_ULLONG:
        return g_strdup_printf("%" G_GUINT64_FORMAT, param->value.ul);
    case VIR_TYPED_PARAM_DOUBLE:
        return g_strdup_printf("%f", param->value.d);
    case VIR_TYPED_PARAM_BOOLEAN:
        return g_strdup(param->value.b ? "yes" : "no");
    default:
        return g_strdup(param->value.s ? param->value.s : "");
    }
}

static void wire_param_clear_row(void *param)
{
    wire_typed_param_clear(param);
}

GArray *wire_params_new(void)
{
    GArray *array = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));

    g_array_set_clear_func(array, wire_param_clear_row);
    return array;
}

static WireTypedParamValue *wire_params_append(GArray *array, const char *name, int32_t type)
{
    guint index = array->len;

    g_array_set_size(array, index + 1);
    WireTypedParam *param = &g_array_index(array, WireTypedParam, index);
    param->field = g_strndup(name, WIRE_PARAM_NAME_MAX);
    param->value.type = type;
    return &param->value;
}

void wire_params_add_int(GArray *array, const char *name, int32_t value)
{
    wire_params_append(array, name, VIR_TYPED_PARAM_INT)->i = value;
}

void wire_params_add_ullong(GArray *array, const char *name, uint64_t value)
{
    wire_params_append(array, name, VIR_TYPED_PARAM_ULLONG)->ul = value;
}

void wire_params_add_bool(GArray *array, const char *name, bool value)
{
    wire_params_append(array, name, VIR_TYPED_PARAM_BOOLEAN)->b = value;
}

void wire_params_add_string(GArray *array, const char *name, const char *value)
{
    wire_params_append(array, name, VIR_TYPED_PARAM_STRING)->s = g_strdup(value);
}

void wire_params_take(GArray **array, WireTypedParam **ret_params, uint32_t *ret_count)
{
    gsize len = 0;

    *ret_params = g_array_steal(*array, &len);
    *ret_count = (uint32_t)len;
    g_array_unref(*array);
    *array = NULL;
}
