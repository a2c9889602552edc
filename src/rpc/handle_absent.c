/* Objects that this server does not keep yet: interfaces, node devices.
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

NOTHING_WITH_FLAGS(connect_list_all_interfaces, 0x3, VIR_FROM_INTERFACE)
NOTHING_WITH_FLAGS(connect_list_all_node_devices, 0xc03fffff, VIR_FROM_NODEDEV)
NOTHING_WITH_FLAGS(node_num_of_devices, 0, VIR_FROM_NODEDEV)
NOTHING_WITH_FLAGS(node_list_devices, 0, VIR_FROM_NODEDEV)

#define UNKNOWN(name, code, format, member)                                                                  \
    RPC_HANDLER(name)                                                                                        \
    {                                                                                                        \
        return error_set(err, code, format, args->member);                                                   \
    }
UNKNOWN(interface_lookup_by_name, ERROR_NO_INTERFACE, "couldn't find interface named '%s'", name)
UNKNOWN(interface_lookup_by_mac_string, ERROR_NO_INTERFACE, "couldn't find interface with MAC address '%s'",
        mac)
UNKNOWN(node_device_lookup_by_name, ERROR_NO_NODE_DEVICE, "no node device with matching name '%s'", name)

const RpcEntry rpc_entries_absent[] = {
    NOTHING(connect_num_of_interfaces),
    NOTHING(connect_list_interfaces),
    NOTHING(connect_num_of_defined_interfaces),
    NOTHING(connect_list_defined_interfaces),
    RPC_ENTRY(connect_list_all_interfaces),
    RPC_ENTRY(connect_list_all_node_devices),
    RPC_ENTRY(node_num_of_devices),
    RPC_ENTRY(node_list_devices),
    RPC_ENTRY(interface_lookup_by_name),
    RPC_ENTRY(interface_lookup_by_mac_string),
    RPC_ENTRY(node_device_lookup_by_name),
    { 0 },
};
