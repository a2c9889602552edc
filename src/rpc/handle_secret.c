/* Secrets: what is their own beside the handlers of every object. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/secret.h"
#include "rpc/convert.h"
#include "rpc/handle_object.h"
#include "rpc/handlers.h"

RPC_HANDLER(secret_lookup_by_usage)
{
    g_autoptr(Object) secret = secret_find_by_usage(call->host, args->usage_type, args->usage_id, err);

    if (!secret)
        return false;
    rpc_fill_handle(secret, &ret->secret);
    return true;
}

RPC_HANDLER(secret_set_value)
{
    g_autoptr(Object) secret = rpc_find_object(call, &secret_class, args, err);

    return secret && rpc_check_flags(call, args->flags, 0, err) &&
           secret_set_value(secret, args->value.data, args->value.len, rpc_caller(call), err);
}

RPC_HANDLER(secret_get_value)
{
    g_autoptr(Object) secret = rpc_find_object(call, &secret_class, args, err);
    g_autoptr(GBytes) value = NULL;

    if (!secret || !rpc_check_flags(call, args->flags, 0, err) ||
        !secret_get_value(secret, rpc_caller(call), &value, err))
        return false;
    ret->value.len = (uint32_t)g_bytes_get_size(value);
    ret->value.data = g_memdup2(g_bytes_get_data(value, NULL), ret->value.len);
    return true;
}

const RpcEntry rpc_entries_secret[] = {
    RPC_OBJECT(connect_num_of_secrets, num_active, secret_class),
    RPC_OBJECT(connect_list_secrets, names_active, secret_class),
    RPC_OBJECT(connect_list_all_secrets, list_all, secret_class),
    RPC_OBJECT(secret_lookup_by_uuid, lookup_by_uuid, secret_class),
    RPC_OBJECT(secret_define_xml, define, secret_class),
    RPC_OBJECT(secret_get_xml_desc, get_xml, secret_class),
    RPC_OBJECT(secret_undefine, undefine, secret_class),
    RPC_ENTRY(secret_lookup_by_usage),
    RPC_ENTRY(secret_set_value),
    RPC_ENTRY(secret_get_value),
    { 0 },
};
