/* What no row of a network's document can check, and what follows from the rest. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/ip.h"
#include "conf/network.h"

/* Every message names the network. */
#define BAD(code, ...) error_set(err, code, __VA_ARGS__)
#define INVALID(...) BAD(ERROR_XML_INVALID, __VA_ARGS__)
#define UNSUPPORTED(...) BAD(ERROR_CONFIG_UNSUPPORTED, __VA_ARGS__)
#define DETAIL(...) BAD(ERROR_XML_SYNTAX, __VA_ARGS__)

#define EACH(type, item, list)                                                                               \
    guint item##_i = 0;                                                                                      \
    (list) && item##_i < (list)->len;                                                                        \
    item##_i++
#define ITEM(type, item, list) type *item = g_ptr_array_index(list, item##_i)

static const char *mode_name(const NetworkDef *def)
{
    const char *name = enum_name(&network_forward_names, def->forward);

    return name ? name : "none";
}

/* ---- addresses ---- */

static bool parse_address(const char *text, IpAddress *ret_ip, Error **err)
{
    if (ip_parse(text, ret_ip))
        return true;
    return BAD(ERROR_SYSTEM, "Cannot parse socket address '%s': Name or service not known", text);
}

bool network_ip_is_v6(const NetworkIp *ip)
{
    return g_strcmp0(ip->family, "ipv6") == 0;
}

/* Of what says neither prefix nor mask: as addresses were once divided. */
static unsigned class_prefix(const IpAddress *ip)
{
    if (ip->is_v6)
        return 64;
    return ip->bytes[0] < 128 ? 8 : ip->bytes[0] < 192 ? 16 : 24;
}

static unsigned prefix_of(const IpAddress *ip, OptU32 prefix, const char *netmask)
{
    IpAddress mask;
    unsigned length = 0;

    if (prefix.is_set)
        return prefix.value;
    if (netmask && ip_parse(netmask, &mask) && ip_mask_to_prefix(&mask, &length))
        return length;
    return class_prefix(ip);
}

unsigned network_ip_prefix(const NetworkIp *ip)
{
    IpAddress address;

    return ip->address && ip_parse(ip->address, &address) ? prefix_of(&address, ip->prefix, ip->netmask) : 0;
}

static bool check_range(const char *start_text, const char *end_text, const NetworkIp *ip, Error **err)
{
    IpAddress start, end, network;

    if (!parse_address(start_text, &start, err) || !parse_address(end_text, &end, err))
        return false;
    if (start.is_v6 != end.is_v6)
        return BAD(ERROR_INTERNAL, "mismatch of address family in range %s - %s", start_text, end_text);
    if (ip_compare(&start, &end) > 0)
        return BAD(ERROR_INTERNAL, "range %s - %s is reversed ", start_text, end_text);
    if (!ip || !ip_parse(ip->address, &network))
        return true;
    const unsigned prefix = network_ip_prefix(ip);
    if (!ip_is_in(&start, &network, prefix) || !ip_is_in(&end, &network, prefix))
        return BAD(ERROR_INTERNAL, "range %s - %s is not entirely within network %s/%u", start_text, end_text,
                   ip->address, prefix);
    const IpAddress first = ip_first(&network, prefix), last = ip_last(&network, prefix);
    if (!start.is_v6 && ip_compare(&start, &first) == 0)
        return BAD(ERROR_INTERNAL, "start of range %s - %s in network %s/%u is the network address",
                   start_text, end_text, ip->address, prefix);
    if (!start.is_v6 && ip_compare(&end, &last) == 0)
        return BAD(ERROR_INTERNAL, "end of range %s - %s in network %s/%u is the broadcast address",
                   start_text, end_text, ip->address, prefix);
    if (ip_distance(&start, &end) > 65535)
        return BAD(ERROR_INTERNAL, "range %s - %s is too large (> 65535)", start_text, end_text);
    return true;
}

/* One that says nothing is none. */
static bool check_lease(NetworkLease **lease, Error **err)
{
    static const unsigned seconds[LEASE_UNIT_COUNT] = { 60, 1, 3600 };

    if (*lease && !(*lease)->expiry.is_set)
        g_clear_pointer(lease, g_free);
    if (*lease && (*lease)->expiry.value && (uint64_t)(*lease)->expiry.value * seconds[(*lease)->unit] < 120)
        return UNSUPPORTED("The minimum lease time should be greater than 2 minutes");
    return true;
}

static bool check_dhcp_host(const NetworkDef *def, const NetworkIp *ip, NetworkDhcpHost *host, Error **err)
{
    IpAddress address;
    Mac mac;

    if (host->mac && network_ip_is_v6(ip))
        return INVALID("Invalid to specify MAC address '%s' in network '%s' IPv6 static host definition",
                       host->mac, def->name);
    if (host->mac && !mac_parse(host->mac, &mac, NULL))
        return INVALID("Cannot parse MAC address '%s' in network '%s'", host->mac, def->name);
    if (host->mac && (mac.bytes[0] & 1))
        return INVALID("expected unicast mac address, found multicast '%s' in network '%s'", host->mac,
                       def->name);
    if (!network_ip_is_v6(ip) && !host->mac && !host->name)
        return INVALID("Static host definition in IPv4 network '%s' must have mac or name attribute",
                       def->name);
    if (network_ip_is_v6(ip) && !host->id && !host->name)
        return INVALID("Static host definition in IPv6 network '%s' must have id or name attribute",
                       def->name);
    if (!host->ip)
        return INVALID("Missing IP address in static host definition for network '%s'", def->name);
    if (!ip_parse(host->ip, &address))
        return INVALID("Invalid IP address in static host definition for network '%s'", def->name);
    return check_lease(&host->lease, err);
}

static bool check_dhcp(const NetworkDef *def, NetworkIp *ip, Error **err)
{
    NetworkDhcp *dhcp = ip->dhcp;
    IpAddress server;

    for (EACH(NetworkRange, range, dhcp->ranges)) {
        ITEM(NetworkRange, range, dhcp->ranges);
        if (!check_range(range->start, range->end, ip, err) || !check_lease(&range->lease, err))
            return false;
    }
    for (EACH(NetworkDhcpHost, host, dhcp->hosts)) {
        ITEM(NetworkDhcpHost, host, dhcp->hosts);
        if (!check_dhcp_host(def, ip, host, err))
            return false;
    }
    if (dhcp->bootp_file && dhcp->bootp_server && !parse_address(dhcp->bootp_server, &server, err))
        return false;
    if (!dhcp->bootp_file)
        g_clear_pointer(&dhcp->bootp_server, g_free);
    return true;
}

static bool check_ip(const NetworkDef *def, NetworkIp *ip, Error **err)
{
    IpAddress address, mask;

    if (!ip->address)
        return INVALID("Missing required address attribute in network '%s'", def->name);
    if (!ip_parse(ip->address, &address))
        return INVALID("Invalid address '%s' in network '%s'", ip->address, def->name);
    if (ip->family && strcmp(ip->family, "ipv4") != 0 && strcmp(ip->family, "ipv6") != 0)
        return INVALID("Unrecognized family '%s' in network '%s'", ip->family, def->name);
    if (address.is_v6 && !ip->family)
        return UNSUPPORTED("no family specified for non-IPv4 address '%s' in network '%s'", ip->address,
                           def->name);
    if (address.is_v6 != network_ip_is_v6(ip))
        return UNSUPPORTED("Family '%s' specified for non-IPv%c address '%s' in network '%s'", ip->family,
                           address.is_v6 ? '4' : '6', ip->address, def->name);
    if (ip->netmask && address.is_v6)
        return UNSUPPORTED("netmask not allowed for IPv6 address '%s' in network '%s'", ip->address,
                           def->name);
    if (ip->netmask && ip->prefix.is_set)
        return UNSUPPORTED("Network '%s' IP address cannot have both a prefix and a netmask", def->name);
    if (ip->netmask && (!ip_parse(ip->netmask, &mask) || mask.is_v6))
        return INVALID("Bad netmask address '%s' in network '%s'", ip->netmask, def->name);
    if (ip->prefix.is_set && ip->prefix.value > ip_bits(&address))
        return UNSUPPORTED("Invalid IPv%c prefix '%u' in network '%s'", address.is_v6 ? '6' : '4',
                           ip->prefix.value, def->name);
    return !ip->dhcp || check_dhcp(def, ip, err);
}

static bool check_ips(NetworkDef *def, Error **err)
{
    unsigned n_dhcp[2] = { 0 };

    for (EACH(NetworkIp, ip, def->ips)) {
        ITEM(NetworkIp, ip, def->ips);
        if (!check_ip(def, ip, err))
            return false;
        if (ip->dhcp && (ip->dhcp->ranges || ip->dhcp->hosts) && ++n_dhcp[network_ip_is_v6(ip)] > 1)
            return UNSUPPORTED("Multiple IPv%c dhcp sections found -- dhcp is supported only for a single "
                               "IPv%c "
                               "address on each network",
                               network_ip_is_v6(ip) ? '6' : '4', network_ip_is_v6(ip) ? '6' : '4');
    }
    return true;
}

/* ---- routes ---- */

static bool route_is_reachable(const NetworkDef *def, const IpAddress *gateway)
{
    IpAddress address;

    for (EACH(NetworkIp, ip, def->ips)) {
        ITEM(const NetworkIp, ip, def->ips);
        if (ip_parse(ip->address, &address) && address.is_v6 == gateway->is_v6 &&
            ip_is_in(gateway, &address, network_ip_prefix(ip)))
            return true;
    }
    return false;
}

static bool check_route(const NetworkDef *def, const NetworkRoute *route, Error **err)
{
    IpAddress address, gateway, mask;

    if (!route->address)
        return INVALID("%s: Missing required address attribute in route definition", def->name);
    if (!route->gateway)
        return INVALID("%s: Missing required gateway attribute in route definition", def->name);
    if (!ip_parse(route->address, &address))
        return INVALID("%s: Bad network address '%s' in route definition", def->name, route->address);
    if (!ip_parse(route->gateway, &gateway))
        return INVALID("%s: Bad gateway address '%s' in route definition", def->name, route->gateway);
    if (route->family && strcmp(route->family, "ipv4") != 0 && strcmp(route->family, "ipv6") != 0)
        return INVALID("%s: Unrecognized family '%s' in route definition", def->name, route->family);
    const bool is_v6 = g_strcmp0(route->family, "ipv6") == 0;
    if (address.is_v6 != is_v6)
        return INVALID("%s: %s family specified for non-IPv%c address '%s' in route definition", def->name,
                       is_v6           ? "ipv6"
                       : route->family ? "ipv4"
                                       : "No",
                       is_v6 ? '6' : '4', route->address);
    if (gateway.is_v6 != is_v6)
        return INVALID("%s: %s family specified for non-IPv%c gateway '%s' in route definition", def->name,
                       is_v6 ? "ipv6" : "ipv4", is_v6 ? '6' : '4', route->gateway);
    if (route->netmask && is_v6)
        return INVALID("%s: Specifying netmask invalid for IPv6 address '%s' in route definition", def->name,
                       route->address);
    if (route->netmask && route->prefix.is_set)
        return INVALID("%s: Route definition cannot have both a prefix and a netmask", def->name);
    if (route->netmask && (!ip_parse(route->netmask, &mask) || mask.is_v6))
        return INVALID("%s: Bad netmask address '%s' in route definition", def->name, route->netmask);
    if (route->prefix.is_set && route->prefix.value > ip_bits(&address))
        return INVALID("%s: Invalid prefix %u specified in route definition, must be 0 - %u", def->name,
                       route->prefix.value, ip_bits(&address));
    OptU32 prefix = route->prefix;
    /* Without either it is a way to one address, which is no network's. */
    if (!prefix.is_set && !route->netmask)
        prefix = (OptU32){ .value = class_prefix(&address), .is_set = true };
    const IpAddress first = ip_first(&address, prefix_of(&address, prefix, route->netmask));
    if (ip_compare(&first, &address) != 0 || (!route->prefix.is_set && !route->netmask))
        return INVALID("%s: Address '%s' in route definition is not a network address", def->name,
                       route->address);
    if (!route_is_reachable(def, &gateway))
        return UNSUPPORTED("unreachable static route gateway '%s' specified for network '%s'", route->gateway,
                           def->name);
    return true;
}

/* ---- names ---- */

static bool check_dns(const NetworkDef *def, const NetworkDns *dns, Error **err)
{
    IpAddress address;

    if (dns->enable == TRISTATE_OFF && (dns->forwarders || dns->txts || dns->srvs || dns->hosts))
        return INVALID("Extra data in disabled network '%s'", def->name);
    for (EACH(NetworkForwarder, forwarder, dns->forwarders)) {
        ITEM(const NetworkForwarder, forwarder, dns->forwarders);
        if (!forwarder->address && !forwarder->domain)
            return INVALID("Invalid forwarder element, must contain at least one of addr or domain");
        if (forwarder->address && !ip_parse(forwarder->address, &address))
            return INVALID("Invalid forwarder IP address '%s' in network '%s'", forwarder->address,
                           def->name);
    }
    for (EACH(NetworkTxt, txt, dns->txts)) {
        ITEM(const NetworkTxt, txt, dns->txts);
        if (!txt->name)
            return DETAIL("missing required name attribute in DNS TXT record of network %s", def->name);
        if (strchr(txt->name, ' '))
            return DETAIL("prohibited character in DNS TXT record name '%s' of network %s", txt->name,
                          def->name);
        if (!txt->value)
            return DETAIL("missing required value attribute in DNS TXT record named '%s' of network %s",
                          txt->name, def->name);
    }
    for (EACH(NetworkSrv, srv, dns->srvs)) {
        ITEM(const NetworkSrv, srv, dns->srvs);
        if (!srv->service)
            return DETAIL("missing required service attribute in DNS SRV record of network '%s'", def->name);
        if (!srv->protocol)
            return DETAIL("missing required protocol attribute in DNS SRV record '%s' of network '%s'",
                          srv->service, def->name);
    }
    for (EACH(NetworkDnsHost, host, dns->hosts)) {
        ITEM(const NetworkDnsHost, host, dns->hosts);
        if (!host->ip)
            return DETAIL("Missing IP address in network '%s' DNS HOST record", def->name);
        if (!ip_parse(host->ip, &address))
            return DETAIL("Invalid IP address in network '%s' DNS HOST record", def->name);
        if (!host->names || !((const NetworkDnsName *)g_ptr_array_index(host->names, 0))->name)
            return DETAIL("Missing hostname in network '%s' DNS HOST record", def->name);
    }
    return true;
}

/* ---- ways out ---- */

static bool check_forward(NetworkDef *def, Error **err)
{
    const bool has_nat =
        def->nat_ipv6 || def->nat_start || def->nat_end || def->nat_port_start || def->nat_port_end;
    IpAddress address;

    if (has_nat && def->forward != NETWORK_NAT)
        return INVALID("The <nat> element can only be used when <forward> 'mode' is 'nat' in network %s",
                       def->name);
    if (def->nat_start && !ip_parse(def->nat_start, &address))
        return INVALID("Bad ipv4 start address '%s' in <nat> in <forward> in network '%s'", def->nat_start,
                       def->name);
    if (def->nat_end && !ip_parse(def->nat_end, &address))
        return INVALID("Bad ipv4 end address '%s' in <nat> in <forward> in network '%s'", def->nat_end,
                       def->name);
    if (def->nat_start && !def->nat_end)
        return INVALID("missing 'end' attribute in <address> element in <nat> in <forward> in network %s",
                       def->name);
    if (def->nat_end && !def->nat_start)
        return INVALID("missing 'start' attribute in <address> element in <nat> in <forward> in network %s",
                       def->name);
    if (def->nat_start && !check_range(def->nat_start, def->nat_end, NULL, err))
        return false;
    if (def->nat_port_end < def->nat_port_start || (def->nat_port_end && !def->nat_port_start))
        return DETAIL("Missing or invalid '%s' attribute in <port> in <nat> in <forward> in network %s",
                      def->nat_port_start ? "end" : "start", def->name);
    if (def->driver && strcmp(def->driver, "vfio") != 0 && strcmp(def->driver, "kvm") != 0)
        return UNSUPPORTED("Unknown forward <driver name='%s'/> in network %s", def->driver, def->name);
    if ((def->forward == NETWORK_NAT || def->forward == NETWORK_ROUTE) && !def->ips)
        return INVALID("%s forwarding requested, but no IP address provided for network '%s'", mode_name(def),
                       def->name);
    if (def->forward == NETWORK_OPEN && (def->forward_dev || def->interfaces))
        return INVALID("forward dev not allowed for network '%s' with forward mode='%s'", def->name,
                       mode_name(def));
    if (def->forward == NETWORK_BRIDGE && def->bridge && (def->forward_dev || def->interfaces))
        return INVALID("A network with forward mode='bridge' can specify a bridge name or a forward dev, but "
                       "not both "
                       "(network '%s')",
                       def->name);
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward) && def->forward != NETWORK_BRIDGE && def->bridge)
        return INVALID("bridge name not allowed in %s mode (network '%s')", mode_name(def), def->name);
    if (!NETWORK_HAS_OWN_BRIDGE(def->forward)) {
        if (def->ips)
            return UNSUPPORTED("Unsupported <ip> element in network %s with forward mode='%s'", def->name,
                               mode_name(def));
        if (def->dns)
            return UNSUPPORTED("Unsupported <dns> element in network %s with forward mode='%s'", def->name,
                               mode_name(def));
        if (def->domain)
            return UNSUPPORTED("Unsupported <domain> element in network %s with forward mode='%s'", def->name,
                               mode_name(def));
        if (def->delay_s.is_set || def->stp || def->zone)
            return INVALID("bridge delay/stp/zone options only allowed in route, nat, and isolated mode, not "
                           "in %s "
                           "(network '%s')",
                           mode_name(def), def->name);
        if (def->mtu)
            return INVALID("mtu size only allowed in open, route, nat, and isolated mode, not in %s (network "
                           "'%s')",
                           mode_name(def), def->name);
    }
    return true;
}

/* The device that leads out is said in two places. */
static bool pair_interfaces(NetworkDef *def, Error **err)
{
    for (EACH(NetworkInterface, one, def->interfaces)) {
        ITEM(const NetworkInterface, one, def->interfaces);
        for (guint k = one_i + 1; k < def->interfaces->len; k++) {
            const NetworkInterface *other = g_ptr_array_index(def->interfaces, k);
            if (strcmp(one->dev, other->dev) == 0)
                return INVALID("interface '%s' can only be listed once in network %s", one->dev, def->name);
        }
    }
    if (def->interfaces) {
        const NetworkInterface *first = g_ptr_array_index(def->interfaces, 0);
        if (def->forward_dev && strcmp(def->forward_dev, first->dev) != 0)
            return INVALID("<forward dev='%s'> must match first <interface dev='%s'/> in network %s",
                           def->forward_dev, first->dev, def->name);
        g_free(def->forward_dev);
        def->forward_dev = g_strdup(first->dev);
        g_clear_pointer(&def->pf, g_free);
    } else if (def->forward_dev && def->has_forward) {
        NetworkInterface *only = g_new0(NetworkInterface, 1);
        only->dev = g_strdup(def->forward_dev);
        def->interfaces = xml_list_new(&network_interface_table);
        g_ptr_array_add(def->interfaces, only);
    }
    return true;
}

/* ---- the rest ---- */

static bool check_bandwidth(const NetworkDef *def, const NetworkBandwidth *bandwidth, Error **err)
{
    const BandwidthLimit *const limits[] = { bandwidth->inbound, bandwidth->outbound };

    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        if (!limits[i])
            continue;
        if (!limits[i]->average_kBps.is_set && !limits[i]->floor_kBps.is_set)
            return DETAIL("Missing mandatory average or floor attributes");
        if (limits[i]->floor_kBps.is_set && i == 1)
            return UNSUPPORTED("'floor' attribute allowed only in <inbound> element");
        if (limits[i]->floor_kBps.is_set)
            return UNSUPPORTED("floor attribute is not supported for this config");
    }
    return true;
}

bool virtual_port_is_openvswitch(const VirtualPort *port)
{
    return port && g_strcmp0(port->type, "openvswitch") == 0;
}

static void make_id(char **id)
{
    char text[UUID_STRING_LEN];
    Uuid uuid;

    if (*id)
        return;
    uuid_generate(&uuid);
    uuid_format(&uuid, text);
    *id = g_strdup(text);
}

static bool check_virtual_port(const VirtualPort *port, bool required, Error **err)
{
    static const char *const known[] = { "none", "802.1Qbg", "802.1Qbh", "openvswitch", "midonet", NULL };

    if (!port->type)
        return !required || INVALID("missing required virtualport type");
    return g_strv_contains(known, port->type) || UNSUPPORTED("unknown virtualport type %s", port->type);
}

#define PROFILE_ID_MAX 39 /* of 802.1Qbh */

bool virtual_port_complete(VirtualPort *port, bool required, Error **err)
{
    const struct {
        const char *type, *member;
        bool is_there;
    } needs[] = { { "802.1Qbg", "managerid", port->manager_id.is_set },
                  { "802.1Qbg", "typeid", port->type_id.is_set },
                  { "802.1Qbg", "typeidversion", port->type_id_version.is_set },
                  { "802.1Qbh", "profileid", port->profile_id != NULL },
                  { "midonet", "interfaceid", port->interface_id != NULL } };

    const struct {
        const char *name, *text;
    } ids[] = { { "interfaceid", port->interface_id }, { "instanceid", port->instance_id } };

    if (!check_virtual_port(port, required, err))
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        Uuid uuid;
        if (ids[i].text && !uuid_parse(ids[i].text, &uuid, NULL))
            return INVALID("cannot parse %s parameter as a uuid: '%s'", ids[i].name, ids[i].text);
    }
    if (port->profile_id && strlen(port->profile_id) > PROFILE_ID_MAX)
        return INVALID("profileid parameter too long: '%s'", port->profile_id);
    for (unsigned i = 0; required && i < G_N_ELEMENTS(needs); i++) {
        if (strcmp(needs[i].type, port->type) == 0 && !needs[i].is_there)
            return INVALID("missing %s in <virtualport type='%s'>", needs[i].member, port->type);
    }
    if (!port->type || virtual_port_is_openvswitch(port))
        make_id(&port->interface_id);
    if (!port->type || strcmp(port->type, "802.1Qbg") == 0)
        make_id(&port->instance_id);
    return true;
}

static bool check_portgroups(const NetworkDef *def, Error **err)
{
    const NetworkPortgroup *fallback = NULL;

    for (EACH(NetworkPortgroup, group, def->portgroups)) {
        ITEM(const NetworkPortgroup, group, def->portgroups);
        for (guint k = 0; k < group_i; k++) {
            if (strcmp(group->name,
                       ((const NetworkPortgroup *)g_ptr_array_index(def->portgroups, k))->name) == 0)
                return UNSUPPORTED("multiple <portgroup> elements with the same name (%s) in network '%s'",
                                   group->name, def->name);
        }
        if (group->is_default == TRISTATE_ON && fallback)
            return UNSUPPORTED("network '%s' has multiple default <portgroup> elements (%s and %s), but only "
                               "one "
                               "default is allowed",
                               def->name, fallback->name, group->name);
        fallback = group->is_default == TRISTATE_ON ? group : fallback;
        if ((group->bandwidth && !check_bandwidth(def, group->bandwidth, err)) ||
            (group->virtual_port && !check_virtual_port(group->virtual_port, false, err)))
            return false;
    }
    return true;
}

/* On switches that know of VLANs. Whoever uses a portgroup gets the network's, too, and the portgroup's port.
 */
static bool check_vlans(const NetworkDef *def, Error **err)
{
    const bool is_possible =
        def->forward == NETWORK_HOSTDEV || def->forward == NETWORK_PASSTHROUGH ||
        (def->forward == NETWORK_BRIDGE && (def->bridge || virtual_port_is_openvswitch(def->virtual_port)));
    bool ok = !def->vlan || is_possible;

    for (EACH(NetworkPortgroup, group, def->portgroups)) {
        ITEM(const NetworkPortgroup, group, def->portgroups);
        const bool is_possible_there =
            group->virtual_port
                ? virtual_port_is_openvswitch(group->virtual_port) && def->forward == NETWORK_BRIDGE
                : is_possible;
        ok = ok && ((!def->vlan && !group->vlan) || is_possible_there);
    }
    return ok || UNSUPPORTED("<vlan> element specified for network %s, whose type doesn't support vlan "
                             "configuration",
                             def->name);
}

bool network_def_validate(const NetworkDef *def, Error **err)
{
    if (def->forward == NETWORK_HOSTDEV && def->interfaces)
        return UNSUPPORTED("hostdev network '%s' lists '%s' in the device pool, but hostdev networks require "
                           "all "
                           "devices to be listed by PCI address, not network device name",
                           def->name, ((const NetworkInterface *)g_ptr_array_index(def->interfaces, 0))->dev);
    return check_vlans(def, err);
}

static bool check_name(const NetworkDef *def, Error **err)
{
    if (!def->name || !*def->name)
        return BAD(ERROR_NO_NAME, "missing name information");
    if (strchr(def->name, '/'))
        return DETAIL("invalid char in name: /");
    return true;
}

bool network_def_complete(NetworkDef *def, Error **err)
{
    static const Mac no_mac;
    char mac[MAC_STRING_LEN];

    if (def->has_forward && def->forward == NETWORK_ISOLATED)
        def->forward = NETWORK_NAT;
    def->has_mac = memcmp(&def->mac, &no_mac, sizeof(no_mac)) != 0;
    if (!check_name(def, err) || !check_ips(def, err) || !check_forward(def, err) ||
        !pair_interfaces(def, err) || !check_portgroups(def, err))
        return false;
    mac_format(&def->mac, mac);
    if (def->mac.bytes[0] & 1)
        return INVALID("Invalid multicast bridge mac address '%s' in network '%s'", mac, def->name);
    if (def->mac_table_manager && strcmp(def->mac_table_manager, "kernel") != 0 &&
        strcmp(def->mac_table_manager, "libvirt") != 0)
        return INVALID("Invalid macTableManager setting '%s' in network '%s'", def->mac_table_manager,
                       def->name);
    for (EACH(NetworkRoute, route, def->routes)) {
        ITEM(const NetworkRoute, route, def->routes);
        if (!check_route(def, route, err))
            return false;
    }
    if (def->bandwidth && def->forward > NETWORK_BRIDGE)
        return UNSUPPORTED("Unsupported network-wide <bandwidth> element in network %s with forward "
                           "mode='%s'",
                           def->name, mode_name(def));
    if ((def->dns && !check_dns(def, def->dns, err)) ||
        (def->bandwidth && !check_bandwidth(def, def->bandwidth, err)) ||
        (def->virtual_port && !check_virtual_port(def->virtual_port, true, err)))
        return false;
    if (def->forward == NETWORK_HOSTDEV && !def->managed)
        def->managed = TRISTATE_OFF;
    if (NETWORK_HAS_OWN_BRIDGE(def->forward)) {
        def->stp = def->stp ? def->stp : TRISTATE_ON;
        def->delay_s.is_set = true;
    }
    return true;
}
