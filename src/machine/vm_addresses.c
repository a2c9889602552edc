/* The addresses of a machine's interfaces: what its networks have lent, what the host's neighbours say, or
 * what the guest itself says. The guest's answer is bounded: it may say anything. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/ip.h"
#include "machine/vm_agent.h"
#include "machine/vm_info.h"
#include "machine/vm_private.h"
#include "network/network.h"
#include "network/trace.h"
#include "wire/wire_enums.h"

#define ADDRESSES_MAX 2048 /* of interfaces, and of each one's addresses */

static void address_free(void *data)
{
    VmAddress *address = data;

    g_free(address->ip);
    g_free(address);
}

static void interface_addresses_free(void *data)
{
    VmInterfaceAddresses *interface = data;

    g_free(interface->name);
    g_free(interface->mac);
    g_ptr_array_unref(interface->addresses);
    g_free(interface);
}

static VmInterfaceAddresses *interface_addresses_new(const char *name, const char *mac)
{
    VmInterfaceAddresses *interface = g_new(VmInterfaceAddresses, 1);

    *interface = (VmInterfaceAddresses){ .name = g_strdup(name),
                                         .mac = g_strdup(mac),
                                         .addresses = g_ptr_array_new_with_free_func(address_free) };
    return interface;
}

static void add_address(VmInterfaceAddresses *interface, bool is_v6, const char *ip, unsigned prefix)
{
    VmAddress *address = g_new(VmAddress, 1);

    *address = (VmAddress){ .is_v6 = is_v6, .ip = g_strdup(ip), .prefix = prefix };
    g_ptr_array_add(interface->addresses, address);
}

/* One that has no address is not told of. */
static void add_interface(GPtrArray *interfaces, VmInterfaceAddresses *interface)
{
    if (interface->addresses->len > 0 && interfaces->len < ADDRESSES_MAX)
        g_ptr_array_add(interfaces, interface);
    else
        interface_addresses_free(interface);
}

/* ---- leases ---- */

AWAITS static bool lease_addresses(Host *host, const DomainDef *def, GPtrArray *interfaces, Error **err)
{
    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        g_autoptr(GPtrArray) leases = NULL;
        char mac[MAC_STRING_LEN];
        if (iface->type != INTERFACE_NETWORK)
            continue;
        g_autoptr(Object) network =
            object_find_by_name(host_registry(host, &network_class), iface->source, NULL);
        mac_format(&iface->mac, mac);
        if (!network)
            continue; /* it went, its machines run on */
        if (!network_get_leases(network, mac, &leases, err))
            return false;
        VmInterfaceAddresses *interface = interface_addresses_new(iface->target, mac);
        for (guint i = 0; i < leases->len && i < ADDRESSES_MAX; i++) {
            const NetworkLeaseInfo *lease = g_ptr_array_index(leases, i);
            add_address(interface, lease->is_v6, lease->ip, lease->prefix);
        }
        add_interface(interfaces, interface);
    }
    return true;
}

/* ---- neighbours ---- */

AWAITS static bool neighbour_addresses(const DomainDef *def, GPtrArray *interfaces, Error **err)
{
    g_autoptr(GArray) neighbours = NULL;

    if (!link_list_neighbours(&neighbours, err))
        return false;
    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        char mac[MAC_STRING_LEN], ip[IP_STRING_LEN];
        mac_format(&iface->mac, mac);
        VmInterfaceAddresses *interface = interface_addresses_new(iface->target ? iface->target : "", mac);
        for (guint i = 0; i < neighbours->len && interface->addresses->len < ADDRESSES_MAX; i++) {
            const NeighbourInfo *neighbour = &g_array_index(neighbours, NeighbourInfo, i);
            if (memcmp(&neighbour->mac, &iface->mac, sizeof(Mac)) != 0)
                continue;
            ip_format(&neighbour->ip, ip);
            add_address(interface, neighbour->ip.is_v6, ip, 0);
        }
        add_interface(interfaces, interface);
    }
    return true;
}

/* ---- guest ---- */

static bool agent_add_address(VmInterfaceAddresses *interface, const Json *said, Error **err)
{
    const char *text = json_get_str(said, "ip-address"), *type = json_get_str(said, "ip-address-type");
    const int64_t prefix = json_get_int(said, "prefix", -1);
    IpAddress ip;

    if (!type || (strcmp(type, "ipv4") != 0 && strcmp(type, "ipv6") != 0))
        return error_set(err, ERROR_INTERNAL, type ? "unknown ip address type '%.32s'" : "no ip address type",
                         type);
    if (prefix < 0 || prefix > 128)
        return error_set(err, ERROR_INTERNAL, "malformed 'prefix' field");
    if (text && ip_parse(text, &ip) && prefix <= ip_bits(&ip) && interface->addresses->len < ADDRESSES_MAX)
        add_address(interface, ip.is_v6, text, (unsigned)prefix);
    return true;
}

/* "eth0:1" is another address of eth0. */
static VmInterfaceAddresses *agent_interface(GPtrArray *interfaces, const char *name, const char *mac)
{
    g_autofree char *base = g_strndup(name, strcspn(name, ":"));

    for (guint i = 0; i < interfaces->len; i++) {
        VmInterfaceAddresses *interface = interfaces->pdata[i];
        if (strcmp(interface->name, base) == 0)
            return interface;
    }
    VmInterfaceAddresses *interface = interface_addresses_new(base, mac);
    g_ptr_array_add(interfaces, interface); /* the guest's view: with those that have none */
    return interface;
}

static bool agent_add_interface(const Json *said, GPtrArray *interfaces, Error **err)
{
    const char *name = json_get_str(said, "name");
    const Json *addresses = json_object_get(said, "ip-addresses");

    if (!name)
        return error_set(err, ERROR_INTERNAL, "qemu agent didn't provide 'name' field");
    if (addresses && !json_is_array(addresses))
        return error_set(err, ERROR_INTERNAL, "Malformed ip-addresses array");
    VmInterfaceAddresses *interface =
        agent_interface(interfaces, name, json_get_str(said, "hardware-address"));
    for (size_t i = 0; i < json_array_size(addresses); i++) {
        if (!agent_add_address(interface, json_array_get(addresses, i), err))
            return false;
    }
    return true;
}

AWAITS static bool agent_addresses(Vm *vm, GPtrArray *interfaces, Error **err)
{
    AUTO_JSON list = NULL;

    if (!vm_agent_ask(vm, "guest-network-get-interfaces", NULL, AGENT_BLOCKING_MS, &list, err))
        return false;
    if (!json_is_array(list))
        return error_set(err, ERROR_INTERNAL, "qemu agent didn't return an array of interfaces");
    for (size_t i = 0; i < json_array_size(list) && i < ADDRESSES_MAX; i++) {
        if (!agent_add_interface(json_array_get(list, i), interfaces, err))
            return false;
    }
    return true;
}

bool vm_get_addresses(Vm *vm, unsigned source, unsigned flags, const char *function,
                      GPtrArray **ret_interfaces, Error **err)
{
    g_autoptr(GPtrArray) interfaces = g_ptr_array_new_with_free_func(interface_addresses_free);
    bool ok = false;

    if (!check_flags(flags, 0, function, err) || !vm_require_running(vm, err))
        return false;
    g_autoptr(DomainDef) def = domain_def_copy(vm->live); /* the machine may end while we ask */
    switch (source) {
    case VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE:
        ok = lease_addresses(vm->host, def, interfaces, err);
        break;
    case VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT:
        ok = agent_addresses(vm, interfaces, err);
        break;
    case VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP:
        ok = neighbour_addresses(def, interfaces, err);
        break;
    default:
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "Unknown IP address data source %u", source);
    }
    if (!ok)
        return false;
    *ret_interfaces = g_steal_pointer(&interfaces);
    return true;
}

/* ---- the way of packets ---- */

bool vm_trace_network(Vm *vm, GPtrArray **ret_steps, Error **err)
{
    g_autoptr(GPtrArray) steps = trace_new();

    if (!vm->live) {
        trace_add(steps, NULL, "machine", "fail", g_strdup_printf("machine '%s' does not run", vm->name),
                  g_strdup_printf("lodge start %s", vm->name));
    } else {
        /* A copy: the machine may end meanwhile. */
        g_autoptr(DomainDef) def = domain_def_copy(vm->live);
        for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
            if (!network_trace(vm->host, iface, steps, err))
                return false;
        }
        if (def_list_len(def->interfaces) == 0)
            trace_add(steps, NULL, "machine", "warn",
                      g_strdup_printf("machine '%s' has no interfaces", vm->name), NULL);
    }
    *ret_steps = g_steal_pointer(&steps);
    return true;
}
