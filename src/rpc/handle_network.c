/* Networks: what is their own beside the handlers of every object. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_info.h"
#include "machine/vm_interface.h"
#include "network/network.h"
#include "network/port.h"
#include "rpc/convert.h"
#include "rpc/handle_object.h"
#include "rpc/handlers.h"

/* RPC_HANDLER for procedures whose arguments begin with a network. */
#define NETWORK_HANDLER(name)                                                                                \
    static bool handle_##name##_network(RpcCall *call, Object *network, const wire_args_##name *args,        \
                                        wire_ret_##name *ret, Error **err);                                  \
    static bool handle_##name(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        g_autoptr(Object) network = rpc_find_object(call, &network_class, args, err);                        \
        return network && handle_##name##_network(call, network, args, ret, err);                            \
    }                                                                                                        \
    static bool handle_##name##_network(RpcCall *call, Object *network, const wire_args_##name *args,        \
                                        wire_ret_##name *ret, Error **err)

NETWORK_HANDLER(network_get_bridge_name)
{
    return network_get_bridge(network, &ret->name, err);
}

NETWORK_HANDLER(network_update)
{
    return network_update(network, args->command, args->section, args->parent_index, args->xml, args->flags,
                          call->proc->api, rpc_caller(call), err);
}

NETWORK_HANDLER(network_set_metadata)
{
    return network_set_metadata(network, args->type, args->metadata, args->key, args->uri, args->flags,
                                call->proc->api, rpc_caller(call), err);
}

NETWORK_HANDLER(network_get_metadata)
{
    return network_get_metadata(network, args->type, args->uri, args->flags, call->proc->api, &ret->metadata,
                                err);
}

NETWORK_HANDLER(network_get_dhcp_leases)
{
    g_autoptr(GPtrArray) leases = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err) || !network_get_leases(network, args->mac, &leases, err))
        return false;
    ret->ret = leases->len;
    if (!args->need_results)
        return true;
    ret->leases = g_new0(WireNetworkDhcpLease, MAX(leases->len, 1));
    ret->n_leases = leases->len;
    for (guint i = 0; i < leases->len; i++) {
        const NetworkLeaseInfo *lease = g_ptr_array_index(leases, i);
        ret->leases[i] = (WireNetworkDhcpLease){ .iface = g_strdup(network_def(network)->bridge),
                                                 .expirytime = lease->expiry_s,
                                                 .type = lease->is_v6,
                                                 .mac = g_strdup(lease->mac),
                                                 .iaid = g_strdup(lease->iaid),
                                                 .ipaddr = g_strdup(lease->ip),
                                                 .prefix = lease->prefix,
                                                 .hostname = g_strdup(lease->hostname),
                                                 .clientid = g_strdup(lease->client_id) };
    }
    return true;
}

RPC_VM_HANDLER(domain_interface_addresses)
{
    g_autoptr(GPtrArray) interfaces = NULL;

    if (!vm_get_addresses(vm, args->source, args->flags, call->proc->api, &interfaces, err))
        return false;
    ret->ifaces = g_new0(WireDomainInterface, MAX(interfaces->len, 1));
    ret->n_ifaces = interfaces->len;
    for (guint i = 0; i < interfaces->len; i++) {
        const VmInterfaceAddresses *from = g_ptr_array_index(interfaces, i);
        WireDomainInterface *to = &ret->ifaces[i];
        *to = (WireDomainInterface){ .name = g_strdup(from->name),
                                     .hwaddr = g_strdup(from->mac),
                                     .addrs = g_new0(WireDomainIpAddr, MAX(from->addresses->len, 1)),
                                     .n_addrs = from->addresses->len };
        for (guint k = 0; k < from->addresses->len; k++) {
            const VmAddress *address = g_ptr_array_index(from->addresses, k);
            to->addrs[k] = (WireDomainIpAddr){ .type = address->is_v6,
                                               .addr = g_strdup(address->ip),
                                               .prefix = address->prefix };
        }
    }
    return true;
}

/* ---- ports ---- */

static void fill_port(const Object *network, const Uuid *uuid, WireNetworkPort *ret_port)
{
    rpc_fill_handle(network, &ret_port->net);
    ret_port->uuid = *uuid;
}

NETWORK_HANDLER(network_list_all_ports)
{
    if (!rpc_check_flags(call, args->flags, 0, err) || !object_require_active(network, err))
        return false;
    const GPtrArray *ports = network_ports(network);
    ret->ret = ports->len;
    if (!args->need_results)
        return true;
    ret->ports = g_new0(WireNetworkPort, MAX(ports->len, 1));
    ret->n_ports = ports->len;
    for (guint i = 0; i < ports->len; i++)
        fill_port(network, &((const NetworkPortDef *)g_ptr_array_index(ports, i))->uuid, &ret->ports[i]);
    return true;
}

NETWORK_HANDLER(network_port_lookup_by_uuid)
{
    if (!network_port_find(network, &args->uuid, err))
        return false;
    fill_port(network, &args->uuid, &ret->port);
    return true;
}

NETWORK_HANDLER(network_port_create_xml)
{
    Uuid uuid;

    if (!network_port_create_xml(network, args->xml, args->flags, call->proc->api, rpc_caller(call), &uuid,
                                 err))
        return false;
    fill_port(network, &uuid, &ret->port);
    return true;
}

/* RPC_HANDLER for procedures whose arguments begin with a port. */
#define PORT_HANDLER(name)                                                                                   \
    static bool handle_##name##_port(RpcCall *call, Object *network, const NetworkPortDef *port,             \
                                     const wire_args_##name *args, wire_ret_##name *ret, Error **err);       \
    static bool handle_##name(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        const WireNetworkPort *handle = args;                                                                \
        g_autoptr(Object) network = rpc_find_object(call, &network_class, &handle->net, err);                \
        const NetworkPortDef *port = network ? network_port_find(network, &handle->uuid, err) : NULL;        \
        return port && handle_##name##_port(call, network, port, args, ret, err);                            \
    }                                                                                                        \
    static bool handle_##name##_port(RpcCall *call, Object *network, const NetworkPortDef *port,             \
                                     const wire_args_##name *args, wire_ret_##name *ret, Error **err)

PORT_HANDLER(network_port_get_xml_desc)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->xml = network_port_format(port);
    return true;
}

PORT_HANDLER(network_port_delete)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           network_port_delete(network, &args->port.uuid, rpc_caller(call), err);
}

static void add_limits(Params *params, const char *direction, const BandwidthLimit *limit)
{
    if (!limit)
        return;
    params_add_uint(params, (uint32_t)limit->average_kBps.value, "%s.average", direction);
    params_add_uint(params, (uint32_t)limit->peak_kBps.value, "%s.peak", direction);
    if (limit->floor_kBps.is_set)
        params_add_uint(params, (uint32_t)limit->floor_kBps.value, "%s.floor", direction);
    params_add_uint(params, (uint32_t)limit->burst_KiB.value, "%s.burst", direction);
}

PORT_HANDLER(network_port_get_parameters)
{
    g_autoptr(Params) params = params_new();

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (port->bandwidth) {
        add_limits(params, "inbound", port->bandwidth->inbound);
        add_limits(params, "outbound", port->bandwidth->outbound);
    }
    rpc_answer_params(params, args->nparams, false, &ret->params, &ret->n_params, &ret->nparams);
    return true;
}

PORT_HANDLER(network_port_set_parameters)
{
    InterfaceLimits limits = { 0 };

    if (!rpc_check_flags(call, args->flags, 0, err) ||
        !rpc_read_limits(args->params, args->n_params, &limits, err))
        return false;
    return network_port_set_limits(network, &args->port.uuid, limits.set_inbound ? &limits.inbound : NULL,
                                   limits.set_outbound ? &limits.outbound : NULL, rpc_caller(call), err);
}

const RpcEntry rpc_entries_network[] = {
    RPC_OBJECT(connect_num_of_networks, num_active, network_class),
    RPC_OBJECT(connect_list_networks, names_active, network_class),
    RPC_OBJECT(connect_num_of_defined_networks, num_inactive, network_class),
    RPC_OBJECT(connect_list_defined_networks, names_inactive, network_class),
    RPC_OBJECT(connect_list_all_networks, list_all, network_class),
    RPC_OBJECT(network_lookup_by_name, lookup_by_name, network_class),
    RPC_OBJECT(network_lookup_by_uuid, lookup_by_uuid, network_class),
    RPC_OBJECT(network_define_xml, define, network_class),
    RPC_OBJECT(network_define_xml_flags, define, network_class),
    RPC_OBJECT(network_create_xml, create_xml, network_class),
    RPC_OBJECT(network_create_xml_flags, create_xml, network_class),
    RPC_OBJECT(network_create, start, network_class),
    RPC_OBJECT(network_destroy, stop, network_class),
    RPC_OBJECT(network_undefine, undefine, network_class),
    RPC_OBJECT(network_get_xml_desc, get_xml, network_class),
    RPC_OBJECT(network_get_autostart, get_autostart, network_class),
    RPC_OBJECT(network_set_autostart, set_autostart, network_class),
    RPC_OBJECT(network_is_active, is_active, network_class),
    RPC_OBJECT(network_is_persistent, is_persistent, network_class),
    RPC_ENTRY(network_get_bridge_name),
    RPC_ENTRY(network_update),
    RPC_ENTRY(network_set_metadata),
    RPC_ENTRY(network_get_metadata),
    RPC_ENTRY(network_get_dhcp_leases),
    RPC_ENTRY(domain_interface_addresses),
    RPC_ENTRY(network_list_all_ports),
    RPC_ENTRY(network_port_lookup_by_uuid),
    RPC_ENTRY(network_port_create_xml),
    RPC_ENTRY(network_port_get_xml_desc),
    RPC_ENTRY(network_port_delete),
    RPC_ENTRY(network_port_get_parameters),
    RPC_ENTRY(network_port_set_parameters),
    { 0 },
};
