/* Translations that many handlers need. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"

#include <string.h>

#include "wire/params.h"

Vm *rpc_find_vm(RpcCall *call, const WireDomain *dom, Error **err)
{
    return vm_find_by_uuid(call->host, &dom->uuid, dom->name, err);
}

void rpc_fill_domain(const Vm *vm, WireDomain *ret_dom)
{
    *ret_dom = (WireDomain){ .name = g_strdup(vm_name(vm)), .uuid = *vm_uuid(vm), .id = vm_id(vm) };
}

static void params_copy_one(GArray *out, const Param *param)
{
    switch (param->type) {
    case PARAM_INT:
        wire_params_add_int(out, param->name, param->value.i);
        return;
    case PARAM_UINT:
        wire_params_add_uint(out, param->name, param->value.ui);
        return;
    case PARAM_LLONG:
        wire_params_add_llong(out, param->name, param->value.l);
        return;
    case PARAM_ULLONG:
        wire_params_add_ullong(out, param->name, param->value.ul);
        return;
    case PARAM_DOUBLE:
        wire_params_add_double(out, param->name, param->value.d);
        return;
    case PARAM_BOOLEAN:
        wire_params_add_bool(out, param->name, param->value.b);
        return;
    case PARAM_STRING:
        wire_params_add_string(out, param->name, param->value.s);
        return;
    }
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

bool rpc_check_flags(const RpcCall *call, uint32_t flags, uint32_t allowed, Error **err)
{
    uint32_t unknown = flags & ~allowed;

    if (unknown)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported flags (0x%x) in function %s", unknown,
                         call->proc->api);
    return true;
}

bool rpc_kib_to_bytes(uint64_t kib, uint64_t *ret_bytes, Error **err)
{
    if (kib > UINT64_MAX / 1024)
        return error_set(err, ERROR_OVERFLOW,
                         "%" G_GUINT64_FORMAT " KiB is more than can be counted in bytes", kib);
    *ret_bytes = kib * 1024;
    return true;
}

void rpc_take_strings(GPtrArray *strings, char ***ret_strings, uint32_t *ret_count)
{
    *ret_count = strings->len;
    *ret_strings = g_new0(char *, MAX(strings->len, 1));
    for (guint i = 0; i < strings->len; i++)
        (*ret_strings)[i] = g_strdup(g_ptr_array_index(strings, i));
}
