/* Rows of the network document. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/network.h"
#include "conf/xml_internal.h"

#define DNSMASQ_NAMESPACE "http://libvirt.org/schemas/network/dnsmasq/1.0"

static const char *const forward_texts[] = { NULL,      "nat",  "route",       "open",   "bridge",
                                             "private", "vepa", "passthrough", "hostdev" };
const EnumNames network_forward_names = { "forward mode", NETWORK_FORWARD_COUNT, forward_texts };
static const char *const unit_texts[] = { "minutes", "seconds", "hours" };
static const EnumNames unit_names = { "unit of a lease", LEASE_UNIT_COUNT, unit_texts };
static const char *const native_texts[] = { NULL, "tagged", "untagged" };
static const EnumNames native_names = { "native VLAN mode", VLAN_NATIVE_COUNT, native_texts };

static const char *const address_texts[] = { "pci" };
static const EnumNames address_names = { "address type", G_N_ELEMENTS(address_texts), address_texts };

#define YES_NO(text, Type, member, ...) ATTR(text, Type, member, .names = &tristate_yes_no_names, __VA_ARGS__)

/* ---- parts that machines' interfaces have, too ---- */

static const XmlTable vlan_tag_table =
    TABLE(VlanTag, "vlan-tag",
          ROWS(ATTR("id", VlanTag, id, .max = 4095, .flags = ROW_REQUIRED | ROW_ALWAYS,
                    .doc = "number of the VLAN"),
               ATTR("nativeMode", VlanTag, native, .names = &native_names,
                    .doc = "its traffic has no tag inside; tagged or untagged")),
          .doc = "A VLAN.");

static bool vlan_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    VlanDef *vlan = base;

    if (!vlan->tags)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "missing tag id - each <vlan> must have at least one <tag id='n'/> subelement");
    if (vlan->tags->len > 1 && vlan->trunk == TRISTATE_OFF)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "invalid \"trunk='no'\" in <vlan> - trunk='yes' is required for more than one vlan "
                         "tag");
    if (vlan->tags->len > 1)
        vlan->trunk = TRISTATE_ON;
    unsigned n_native = 0;
    for (guint i = 0; i < vlan->tags->len; i++)
        n_native += ((const VlanTag *)g_ptr_array_index(vlan->tags, i))->native != VLAN_NATIVE_NONE;
    if (n_native > 1)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "duplicate native vlan setting");
    return true;
}

const XmlTable vlan_table =
    TABLE(VlanDef, "vlan",
          ROWS(YES_NO("trunk", VlanDef, trunk, .doc = "frames keep their tags"),
               LIST("tag", VlanDef, tags, &vlan_tag_table, .doc = "a VLAN")),
          .finish = vlan_finish, .doc = "VLANs of the traffic, which the guest does not see.");

const XmlTable virtual_port_table =
    TABLE(VirtualPort, "virtual-port",
          ROWS(ATTR("type", VirtualPort, type,
                    .doc = "kind of switch: 802.1Qbg, 802.1Qbh, openvswitch, midonet"),
               GROUP("parameters",
                     ROWS(ATTR("managerid", VirtualPort, manager_id, .max = 255, .doc = "802.1Qbg: manager"),
                          ATTR("typeid", VirtualPort, type_id, .max = 0xffffff, .doc = "802.1Qbg: VSI type"),
                          ATTR("typeidversion", VirtualPort, type_id_version, .max = 255,
                               .doc = "802.1Qbg: its version"),
                          ATTR("instanceid", VirtualPort, instance_id, .doc = "802.1Qbg: a UUID"),
                          ATTR("interfaceid", VirtualPort, interface_id,
                               .doc = "openvswitch, midonet: a UUID"),
                          ATTR("profileid", VirtualPort, profile_id,
                               .doc = "802.1Qbh, openvswitch: name of the profile")),
                     .doc = "what the switch needs")),
          .doc = "A port of a switch that is told of it.");

static const XmlTable limit_table =
    TABLE(BandwidthLimit, "network-bandwidth-limit",
          ROWS(ATTR("average", BandwidthLimit, average_kBps, .max = UINT64_MAX,

                    .doc = "kilobytes per second"),
               ATTR("peak", BandwidthLimit, peak_kBps, .max = UINT64_MAX,

                    .doc = "kilobytes per second at most"),
               ATTR("floor", BandwidthLimit, floor_kBps, .max = UINT64_MAX,

                    .doc = "of machines' interfaces only: kilobytes per second guaranteed"),
               ATTR("burst", BandwidthLimit, burst_KiB, .max = UINT64_MAX,

                    .doc = "KiB that may go at peak rate")),
          .doc = "A limit on one direction of traffic.");
const XmlTable network_bandwidth_table =
    TABLE(NetworkBandwidth, "network-bandwidth",
          ROWS(ATTR("classID", NetworkBandwidth, class_id, .flags = ROW_LIVE, .max = UINT16_MAX,
                    .doc = "of a port: its class of traffic on the bridge"),
               OBJECT("inbound", NetworkBandwidth, inbound, &limit_table, .flags = ROW_SINGLE,
                      .bad_code = ERROR_XML_SYNTAX, .doc = "towards the guests"),
               OBJECT("outbound", NetworkBandwidth, outbound, &limit_table, .flags = ROW_SINGLE,
                      .bad_code = ERROR_XML_SYNTAX, .doc = "from the guests")),
          .doc = "Limits on the traffic.");

/* ---- names ---- */

static const XmlTable forwarder_table =
    TABLE(NetworkForwarder, "dns-forwarder",
          ROWS(ATTR("domain", NetworkForwarder, domain, .doc = "only names below this domain"),
               ATTR("addr", NetworkForwarder, address,
                    .doc = "address of the server; absent: as the host asks"),
               ATTR("port", NetworkForwarder, port, .min = 1, .max = 65535, .doc = "its port",
                    .fallback = "53")),
          .doc = "Where names are asked for.");
const XmlTable network_dns_txt_table =
    TABLE(NetworkTxt, "dns-txt",
          ROWS(ATTR("name", NetworkTxt, name, .doc = "name without blanks"),
               ATTR("value", NetworkTxt, value, .flags = ROW_KEEP_EMPTY, .doc = "text")),
          .doc = "A TXT record.");
const XmlTable network_dns_srv_table =
    TABLE(NetworkSrv, "dns-srv",
          ROWS(ATTR("service", NetworkSrv, service, .doc = "service"),
               ATTR("protocol", NetworkSrv, protocol, .doc = "tcp or udp"),
               ATTR("domain", NetworkSrv, domain, .doc = "domain; that of the network by default"),
               ATTR("target", NetworkSrv, target, .doc = "name of the server"),
               ATTR("port", NetworkSrv, port, .min = 1, .max = 65535, .bad_code = ERROR_XML_SYNTAX,
                    .doc = "its port"),
               ATTR("priority", NetworkSrv, priority, .max = 65535, .doc = "smaller ones first"),
               ATTR("weight", NetworkSrv, weight, .max = 65535, .doc = "share among equals")),
          .doc = "An SRV record.");
static const XmlTable dns_name_table =
    TABLE(NetworkDnsName, "dns-hostname", ROWS(TEXT(NetworkDnsName, name, .doc = "name")), .doc = "A name.");
const XmlTable network_dns_host_table =
    TABLE(NetworkDnsHost, "dns-host",
          ROWS(ATTR("ip", NetworkDnsHost, ip, .doc = "address"),
               LIST("hostname", NetworkDnsHost, names, &dns_name_table, .doc = "a name of it")),
          .doc = "An address with names.");

const XmlTable network_dns_table =
    TABLE(NetworkDns, "dns",
          ROWS(YES_NO("enable", NetworkDns, enable, .doc = "no: nobody answers", .fallback = "yes"),
               YES_NO("forwardPlainNames", NetworkDns, forward_plain_names,
                      .doc = "names without a dot are asked for outside, too", .fallback = "yes"),
               LIST("forwarder", NetworkDns, forwarders, &forwarder_table,
                    .doc = "where names are asked for"),
               LIST("txt", NetworkDns, txts, &network_dns_txt_table, .doc = "TXT records"),
               LIST("srv", NetworkDns, srvs, &network_dns_srv_table, .doc = "SRV records"),
               LIST("host", NetworkDns, hosts, &network_dns_host_table, .doc = "addresses with names")),
          .doc = "The network's own names.");

/* ---- addresses ---- */

static bool lease_ends(const void *base, unsigned flags)
{
    return ((const NetworkLease *)base)->expiry.value != 0;
}

static const XmlTable lease_table =
    TABLE(NetworkLease, "dhcp-lease",
          ROWS(ATTR("expiry", NetworkLease, expiry, .max = UINT32_MAX,
                    .doc = "how long it lasts; 0: for ever"),
               ATTR("unit", NetworkLease, unit, .names = &unit_names, .flags = ROW_ALWAYS, .show = lease_ends,
                    .doc = "seconds, minutes or hours", .fallback = "minutes")),
          .doc = "How long an address is lent.");
const XmlTable network_dhcp_range_table =
    TABLE(NetworkRange, "dhcp-range",
          ROWS(ATTR("start", NetworkRange, start, .flags = ROW_REQUIRED, .doc = "first address"),
               ATTR("end", NetworkRange, end, .flags = ROW_REQUIRED, .doc = "last address"),
               OBJECT("lease", NetworkRange, lease, &lease_table, .doc = "how long it is lent")),
          .doc = "Addresses for whoever asks.");
const XmlTable network_dhcp_host_table =
    TABLE(NetworkDhcpHost, "dhcp-host",
          ROWS(ATTR("mac", NetworkDhcpHost, mac, .doc = "its MAC address"),
               ATTR("id", NetworkDhcpHost, id, .doc = "IPv6: its DUID"),
               ATTR("name", NetworkDhcpHost, name, .doc = "its name"),
               ATTR("ip", NetworkDhcpHost, ip, .doc = "its address"),
               OBJECT("lease", NetworkDhcpHost, lease, &lease_table, .doc = "how long it is lent")),
          .doc = "An address for one machine.");
const XmlTable network_dhcp_table =
    TABLE(NetworkDhcp, "dhcp",
          ROWS(LIST("range", NetworkDhcp, ranges, &network_dhcp_range_table,
                    .doc = "addresses for whoever asks"),
               LIST("host", NetworkDhcp, hosts, &network_dhcp_host_table,
                    .doc = "an address for one machine"),
               GROUP("bootp",
                     ROWS(ATTR("file", NetworkDhcp, bootp_file, .doc = "file to boot from"),
                          ATTR("server", NetworkDhcp, bootp_server, .doc = "where it is, if not here")),
                     .doc = "booting over the network")),
          .doc = "Addresses that are lent.");

static const XmlTable ip_table =
    TABLE(NetworkIp, "network-ip",
          ROWS(ATTR("family", NetworkIp, family, .doc = "ipv4 or ipv6", .fallback = "ipv4"),
               ATTR("address", NetworkIp, address, .doc = "address of the host in the network"),
               ATTR("netmask", NetworkIp, netmask, .doc = "IPv4: mask; or ..."),
               ATTR("prefix", NetworkIp, prefix, .max = 128, .doc = "... length of the prefix"),
               YES_NO("localPtr", NetworkIp, local_ptr,
                      .doc = "names of addresses are not asked for outside"),
               GROUP("tftp", ROWS(ATTR("root", NetworkIp, tftp_root, .doc = "folder")),
                     .doc = "files for booting"),
               OBJECT("dhcp", NetworkIp, dhcp, &network_dhcp_table, .doc = "addresses that are lent")),
          .doc = "A subnet in which the host has an address.");

const XmlTable network_route_table =
    TABLE(NetworkRoute, "network-route",
          ROWS(ATTR("family", NetworkRoute, family, .doc = "ipv4 or ipv6", .fallback = "ipv4"),
               ATTR("address", NetworkRoute, address, .doc = "of the network that is reached"),
               ATTR("netmask", NetworkRoute, netmask, .doc = "IPv4: its mask; or ..."),
               ATTR("prefix", NetworkRoute, prefix, .max = 128, .doc = "... length of its prefix"),
               ATTR("gateway", NetworkRoute, gateway, .doc = "the guest that knows the way"),
               ATTR("metric", NetworkRoute, metric, .min = 1, .max = UINT32_MAX,
                    .doc = "smaller ones are better")),
          .doc = "A way to a network behind a guest.");

/* ---- ways out ---- */

const XmlTable network_interface_table =
    TABLE(NetworkInterface, "network-interface",
          ROWS(ATTR("dev", NetworkInterface, dev, .flags = ROW_REQUIRED, .doc = "name of the device"),
               ATTR("connections", NetworkInterface, connections, .max = UINT32_MAX, .flags = ROW_LIVE,
                    .doc = "how many interfaces of machines use it")),
          .doc = "A device of the host.");
#define PCI(text, member, digits, most)                                                                      \
    ATTR(text, NetworkHostdev, member, .width = digits, .max = most,                                         \
         .flags = ROW_HEX | ROW_ALWAYS | ROW_ANY_BASE, .doc = "part of the PCI address")
static const XmlTable hostdev_table =
    TABLE(NetworkHostdev, "network-hostdev",
          ROWS(ATTR("type", NetworkHostdev, type, .names = &address_names, .flags = ROW_ALWAYS,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "pci", .fallback = "pci"),
               PCI("domain", domain, 4, 0xffff), PCI("bus", bus, 2, 255), PCI("slot", slot, 2, 31),
               PCI("function", function, 1, 7),
               ATTR("connections", NetworkHostdev, connections, .max = UINT32_MAX, .flags = ROW_LIVE,
                    .doc = "1 if a machine has it")),
          .doc = "A PCI device of the pool.");

static bool has_nat(const void *base, unsigned flags)
{
    const NetworkDef *def = base;

    return def->nat_ipv6 || def->nat_start || def->nat_port_start || def->nat_port_end;
}
static bool has_nat_ports(const void *base, unsigned flags)
{
    const NetworkDef *def = base;

    return def->nat_port_start || def->nat_port_end;
}

static const XmlRow nat_rows[] = {
    YES_NO("ipv6", NetworkDef, nat_ipv6, .doc = "IPv6, too"),
    GROUP("address",
          ROWS(ATTR("start", NetworkDef, nat_start, .doc = "first"),
               ATTR("end", NetworkDef, nat_end, .doc = "last")),
          .doc = "addresses that guests appear with outside"),
    GROUP("port",
          ROWS(ATTR("start", NetworkDef, nat_port_start, .max = 65535, .bad_code = ERROR_XML_SYNTAX,
                    .flags = ROW_ALWAYS, .doc = "first"),
               ATTR("end", NetworkDef, nat_port_end, .max = 65535, .bad_code = ERROR_XML_SYNTAX,
                    .flags = ROW_ALWAYS, .doc = "last")),
          .show = has_nat_ports, .doc = "ports that they appear with"),
    { 0 },
};

#define OF(mask) ONLY(NetworkDef, forward, mask)
static const XmlRow forward_rows[] = {
    ATTR("dev", NetworkDef, forward_dev, .doc = "the only device that leads out"),
    ATTR("mode", NetworkDef, forward, .names = &network_forward_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
         .doc = "how", .fallback = "nat"),
    YES_NO("managed", NetworkDef, managed, OF(BIT(NETWORK_HOSTDEV)),
           .doc = "the device is taken from its driver"),
    GROUP("driver", ROWS(ATTR("name", NetworkDef, driver, .doc = "vfio or kvm")),
          .doc = "who gives the device away"),
    GROUP("nat", nat_rows, .show = has_nat, .doc = "details of NAT"),
    GROUP("pf", ROWS(ATTR("dev", NetworkDef, pf, .flags = ROW_REQUIRED, .doc = "its name")),
          .flags = ROW_SINGLE, .bad_code = ERROR_XML_INVALID, .doc = "all virtual functions of a device"),
    LIST("interface", NetworkDef, interfaces, &network_interface_table, .doc = "devices of the host"),
    LIST("address", NetworkDef, hostdevs, &hostdev_table, .doc = "PCI devices"),
    { 0 },
};

const XmlTable network_portgroup_table =
    TABLE(NetworkPortgroup, "portgroup",
          ROWS(ATTR("name", NetworkPortgroup, name, .flags = ROW_REQUIRED, .doc = "name"),
               YES_NO("default", NetworkPortgroup, is_default, .doc = "for whoever names none"),
               YES_NO("trustGuestRxFilters", NetworkPortgroup, trust_guest_rx_filters,
                      .doc = "as of interfaces"),
               OBJECT("vlan", NetworkPortgroup, vlan, &vlan_table, .doc = "VLANs"),
               OBJECT("virtualport", NetworkPortgroup, virtual_port, &virtual_port_table,
                      .doc = "port of the switch"),
               OBJECT("bandwidth", NetworkPortgroup, bandwidth, &network_bandwidth_table, .doc = "limits")),
          .doc = "Settings for some of the interfaces.");

/* ---- dnsmasq's own ---- */

static bool never_read(const char *text, void *base, Error **err)
{
    return true;
}
static bool write_namespace(const void *base, unsigned flags, GString *out)
{
    if (!((const NetworkDef *)base)->dnsmasq_options)
        return false;
    g_string_append(out, DNSMASQ_NAMESPACE);
    return true;
}
static const XmlCodec namespace_codec = { never_read, write_namespace, NULL };
#define DNSMASQ .ns = DNSMASQ_NAMESPACE, .prefix = "dnsmasq:"
static const XmlTable option_table =
    TABLE(NetworkOption, "dnsmasq-option",
          ROWS(ATTR("value", NetworkOption, value, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
                    .doc = "the line as it is")),
          .doc = "A line of dnsmasq's configuration.");

/* ---- the network ---- */

static bool has_bridge(const void *base, unsigned flags)
{
    const NetworkDef *def = base;

    return def->bridge || def->zone || def->stp || def->delay_s.is_set || def->mac_table_manager;
}

static const XmlRow bridge_rows[] = {
    ATTR("name", NetworkDef, bridge, .doc = "its name; virbrN by default"),
    ATTR("zone", NetworkDef, zone, .doc = "zone of firewalld"),
    ATTR("stp", NetworkDef, stp, .names = &tristate_on_off_names, .doc = "spanning tree", .fallback = "on"),
    ATTR("delay", NetworkDef, delay_s, .max = UINT32_MAX, .doc = "seconds before a new port forwards"),
    ATTR("macTableManager", NetworkDef, mac_table_manager,
         .doc = "kernel or libvirt: who knows where MACs are"),
    { 0 },
};

const XmlTable network_table =
    TABLE(NetworkDef, "network",
          ROWS(CODEC_ATTR("xmlns:dnsmasq", &namespace_codec, .flags = ROW_WRITE_ONLY,
                          .doc = "name space of dnsmasq's options"),
               ATTR("connections", NetworkDef, connections, .max = UINT32_MAX, .flags = ROW_LIVE,
                    .doc = "how many interfaces of machines use it"),
               YES_NO("ipv6", NetworkDef, ipv6,
                      .doc = "guests may speak IPv6 without an address of the host"),
               YES_NO("trustGuestRxFilters", NetworkDef, trust_guest_rx_filters, .doc = "as of interfaces"),
               CHILD("name", NetworkDef, name, .doc = "name"),
               CHILD("uuid", NetworkDef, uuid, .bad_code = ERROR_INTERNAL,
                     .doc = "identity; made up if absent"),
               CHILD("title", NetworkDef, title, HARMLESS, .doc = "short text for people"),
               CHILD("description", NetworkDef, description, HARMLESS, .doc = "text for people"),
               VERBATIM("metadata", NetworkDef, metadata, HARMLESS, .doc = "data of programs"),
               GROUP_FLAG("forward", NetworkDef, has_forward, forward_rows, .doc = "how guests get out"),
               GROUP("bridge", bridge_rows, .show = has_bridge, .doc = "the switch"),
               GROUP("mtu",
                     ROWS(ATTR("size", NetworkDef, mtu, .min = 1, .max = UINT32_MAX, .flags = ROW_ZERO_OK,
                               .doc = "bytes")),
                     .doc = "largest packet"),
               GROUP("mac", ROWS(ATTR("address", NetworkDef, mac, .doc = "MAC address")),
                     .doc = "of the bridge"),
               HELD("has_mac", NetworkDef, has_mac, .doc = "there is a MAC address"),
               GROUP("domain",
                     ROWS(ATTR("name", NetworkDef, domain, .doc = "name"),
                          YES_NO("localOnly", NetworkDef, domain_local_only,
                                 .doc = "its names are not asked for outside"),
                          YES_NO("register", NetworkDef, domain_register,
                                 .doc = "this host resolves its names, too")),
                     .doc = "DNS domain of the guests"),
               OBJECT("dns", NetworkDef, dns, &network_dns_table, .doc = "names"),
               OBJECT("vlan", NetworkDef, vlan, &vlan_table, .doc = "VLANs"),
               OBJECT("bandwidth", NetworkDef, bandwidth, &network_bandwidth_table,
                      .doc = "limits on all guests together"),
               GROUP("port",
                     ROWS(YES_NO("isolated", NetworkDef, isolated, .doc = "guests do not reach each other")),
                     .doc = "of all ports"),
               LIST("ip", NetworkDef, ips, &ip_table, .flags = ROW_LONG, .doc = "subnets"),
               LIST("route", NetworkDef, routes, &network_route_table,
                    .doc = "ways to networks behind guests"),
               OBJECT("virtualport", NetworkDef, virtual_port, &virtual_port_table,
                      .doc = "port of the switch"),
               LIST("portgroup", NetworkDef, portgroups, &network_portgroup_table, .flags = ROW_LONG,
                    .doc = "settings for some"),
               GROUP("options",
                     ROWS(LIST("option", NetworkDef, dnsmasq_options, &option_table, DNSMASQ,
                               .doc = "a line")),
                     DNSMASQ, .doc = "lines for dnsmasq")),
          .doc = "A network that machines are connected to.");
