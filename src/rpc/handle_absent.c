/* Objects that this server does not keep yet: filters.
 * There are none of them, so that lists are empty and looking one up fails in the words that clients know.
 * Clients ask for these before they do anything with machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

static bool absent_check_flags(const RpcCall *call, uint32_t flags, uint32_t allowed, int domain, Error **err)
{
    if (rpc_check_flags(call, flags, allowed, err))
        return true;
    if (err)
        error_set_remote(*err, VIR_ERR_INVALID_ARG, domain);
    return false;
}

/* An answer that is all zero: the number of names, names, nothing. */
static bool handle_nothing(RpcCall *call, const void *args, void *ret, Error **err)
{
    return true;
}
#define NOTHING(name)                                                                                        \
    {                                                                                                        \
        wire_number_##name, handle_nothing, 0, NULL                                                          \
    }

/* The same for those with flags. */
#define NOTHING_WITH_FLAGS(name, allowed, domain)                                                            \
    RPC_HANDLER(name)                                                                                        \
    {                                                                                                        \
        return absent_check_flags(call, args->flags, allowed, domain, err);                                  \
    }

NOTHING_WITH_FLAGS(connect_list_all_nwfilters, 0, VIR_FROM_NWFILTER)
NOTHING_WITH_FLAGS(connect_list_all_nwfilter_bindings, 0, VIR_FROM_NWFILTER)

#define UNKNOWN(name, code, format, member)                                                                  \
    RPC_HANDLER(name)                                                                                        \
    {                                                                                                        \
        return error_set(err, code, format, args->member);                                                   \
    }
#define UNKNOWN_UUID(name, code, format)                                                                     \
    RPC_HANDLER(name)                                                                                        \
    {                                                                                                        \
        char text[UUID_STRING_LEN];                                                                          \
        uuid_format(&args->uuid, text);                                                                      \
        return error_set(err, code, format, text);                                                           \
    }

UNKNOWN(nwfilter_lookup_by_name, ERROR_NO_NWFILTER, "no nwfilter with matching name '%s'", name)
UNKNOWN_UUID(nwfilter_lookup_by_uuid, ERROR_NO_NWFILTER, "no nwfilter with matching uuid '%s'")

RPC_HANDLER(nwfilter_binding_lookup_by_port_dev)
{
    error_set(err, ERROR_NO_NWFILTER, "no nwfilter binding for port dev '%s'", args->name);
    if (err)
        error_set_remote(*err, VIR_ERR_NO_NWFILTER_BINDING, VIR_FROM_NWFILTER);
    return false;
}

const RpcEntry rpc_entries_absent[] = {
    NOTHING(connect_num_of_nwfilters),
    NOTHING(connect_list_nwfilters),
    RPC_ENTRY(connect_list_all_nwfilters),
    RPC_ENTRY(connect_list_all_nwfilter_bindings),
    RPC_ENTRY(nwfilter_lookup_by_name),
    RPC_ENTRY(nwfilter_lookup_by_uuid),
    RPC_ENTRY(nwfilter_binding_lookup_by_port_dev),
    { 0 },
};
