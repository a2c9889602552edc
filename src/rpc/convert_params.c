/* Typed parameters from the core to the wire. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "machine/vm_interface.h"
#include "rpc/convert.h"
#include "wire/params.h"

static void params_copy_one(GArray *out, const Param *param)
{
    WireTypedParam wire = { .field = g_strdup(param->name), .value.type = (int32_t)param->type };

    if (param->type == PARAM_STRING)
        wire.value.s = g_strdup(param->value.s);
    else if (param->type == PARAM_BOOLEAN)
        wire.value.b = param->value.b;
    else
        wire.value.ul = param->value.ul; /* the widest: whichever it is, it is in there */
    g_array_append_val(out, wire);
}

static void params_copy(const Params *params, bool strings, size_t max, WireTypedParam **ret_params,
                        uint32_t *ret_count)
{
    g_autoptr(GArray) out = wire_params_new();

    for (size_t i = 0; params && i < params_count(params) && out->len < max; i++) {
        const Param *param = params_at(params, i);
        if (strings || param->type != PARAM_STRING)
            params_copy_one(out, param);
    }
    wire_params_take(&out, ret_params, ret_count);
}

void rpc_params_to_wire(const Params *params, WireTypedParam **ret_params, uint32_t *ret_count)
{
    params_copy(params, true, SIZE_MAX, ret_params, ret_count);
}

bool rpc_params_encode(const Params *params, WireBuffer *out, Error **err)
{
    wire_put_u32(out, (uint32_t)params_count(params));
    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        if (!wire_put_string(out, param->name, WIRE_STRING_MAX, err))
            return false;
        wire_put_u32(out, param->type);
        if (param->type == PARAM_STRING) {
            if (!wire_put_string(out, param->value.s, WIRE_STRING_MAX, err))
                return false;
        } else if (param->type == PARAM_BOOLEAN) {
            wire_put_u32(out, param->value.b);
        } else if (param->type == PARAM_INT || param->type == PARAM_UINT) {
            wire_put_u32(out, param->value.ui);
        } else {
            wire_put_u64(out, param->value.ul); /* the bits of a double are sent as they are, too */
        }
    }
    return true;
}

void rpc_params_free(WireTypedParam *params, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        wire_typed_param_clear(&params[i]);
    g_free(params);
}

void rpc_answer_params(const Params *params, int32_t nparams, bool strings, WireTypedParam **ret_params,
                       uint32_t *ret_count, int32_t *ret_nparams)
{
    params_copy(params, strings, nparams > 0 ? (size_t)nparams : SIZE_MAX, ret_params, ret_count);
    if (nparams > 0)
        return;
    *ret_nparams = (int32_t)*ret_count;
    rpc_params_free(*ret_params, *ret_count);
    *ret_params = NULL;
    *ret_count = 0;
}

bool rpc_read_params(const WireTypedParam *params, uint32_t count, Params **ret_params, Error **err)
{
    g_autoptr(Params) list = params_new();

    for (uint32_t i = 0; i < count; i++) {
        const WireTypedParamValue *value = &params[i].value;
        const char *name = params[i].field;
        if (!*name || strlen(name) >= sizeof(((Param *)0)->name))
            return error_set(err, ERROR_INVALID_ARGUMENT, "Parameter %s too big for destination", "name");
        switch (value->type) {
        case PARAM_INT:
            params_add_int(list, value->i, "%s", name);
            break;
        case PARAM_UINT:
            params_add_uint(list, value->ui, "%s", name);
            break;
        case PARAM_LLONG:
            params_add_llong(list, value->l, "%s", name);
            break;
        case PARAM_ULLONG:
            params_add_ullong(list, value->ul, "%s", name);
            break;
        case PARAM_BOOLEAN:
            params_add_bool(list, value->b, "%s", name);
            break;
        case PARAM_STRING:
            params_add_string(list, value->s, "%s", name);
            break;
        default:
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' has a type that none has", name);
        }
    }
    *ret_params = g_steal_pointer(&list);
    return true;
}

static OptU64 *limit_field(const char *name, InterfaceLimits *limits)
{
    const bool is_inbound = g_str_has_prefix(name, "inbound.");
    BandwidthLimit *limit = is_inbound ? &limits->inbound : &limits->outbound;
    const char *part = strchr(name, '.');

    if (!is_inbound && !g_str_has_prefix(name, "outbound."))
        return NULL;
    *(is_inbound ? &limits->set_inbound : &limits->set_outbound) = true;
    return strcmp(part, ".average") == 0               ? &limit->average_kBps
           : strcmp(part, ".peak") == 0                ? &limit->peak_kBps
           : strcmp(part, ".burst") == 0               ? &limit->burst_KiB
           : strcmp(part, ".floor") == 0 && is_inbound ? &limit->floor_kBps
                                                       : NULL;
}

bool rpc_read_limits(const WireTypedParam *params, uint32_t count, InterfaceLimits *ret_limits, Error **err)
{
    *ret_limits = (InterfaceLimits){ 0 };
    for (uint32_t i = 0; i < count; i++) {
        OptU64 *field = limit_field(params[i].field, ret_limits);
        if (!field)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' not supported", params[i].field);
        if (params[i].value.type != PARAM_UINT)
            return error_set(err, ERROR_INVALID_ARGUMENT, "invalid type for parameter '%s', expected 'uint'",
                             params[i].field);
        *field = (OptU64){ .value = params[i].value.ui, .is_set = params[i].value.ui != 0 };
    }
    return true;
}
