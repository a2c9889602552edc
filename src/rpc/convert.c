/* Translations that many handlers need. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"

Vm *rpc_find_vm(RpcCall *call, const WireDomain *dom, Error **err)
{
    return vm_find_by_uuid(call->host, &dom->uuid, dom->name, err);
}

bool rpc_answer_domain(Vm *vm, WireDomain *ret_dom)
{
    if (!vm)
        return false;
    *ret_dom = (WireDomain){ .name = g_strdup(vm_name(vm)), .uuid = *vm_uuid(vm), .id = vm_id(vm) };
    vm_unref(vm);
    return true;
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
