/* Rows of network interfaces. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/ip.h"
#include "conf/domain_check.h"
#include "conf/domain_rows.h"
#include "conf/network.h"
#include "conf/nwfilter.h"
#include "conf/xml_internal.h"

#define TYPE(...) ONLY(InterfaceDef, type, __VA_ARGS__)
#define SOCKET_TYPES                                                                                         \
    (BIT(INTERFACE_SERVER) | BIT(INTERFACE_CLIENT) | BIT(INTERFACE_MCAST) | BIT(INTERFACE_UDP))

/* Names that daemons give to taps are of no use to the next start. */
static bool target_is_generated(const char *name)
{
    static const char *const prefixes[] = { "vnet", "vif", "macvtap", "macvlan" };
    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], len) == 0 && name[len] &&
            strspn(name + len, "0123456789") == strlen(name + len))
            return true;
    }
    return false;
}

static bool target_is_written(const void *base, unsigned flags)
{
    const InterfaceDef *interface = base;
    return !(flags & XML_FORMAT_INACTIVE) || !interface->target || !target_is_generated(interface->target);
}

/* A running machine's interface on a network without a bridge of its own is shown as what it is plugged into.
 */
#define PLUGGED_TYPES (BIT(INTERFACE_BRIDGE) | BIT(INTERFACE_DIRECT))
static bool is_plugged_elsewhere(const void *base, unsigned flags)
{
    const InterfaceDef *interface = base;
    return !(flags & XML_FORMAT_INACTIVE) && interface->type == INTERFACE_NETWORK &&
           (interface->actual_type == INTERFACE_BRIDGE || interface->actual_type == INTERFACE_DIRECT);
}
static bool is_as_defined(const void *base, unsigned flags)
{
    return !is_plugged_elsewhere(base, flags);
}

static void read_plugged(InterfaceDef *interface)
{
    char **place = interface->type == INTERFACE_BRIDGE ? &interface->actual_bridge : &interface->actual_dev;

    g_free(*place);
    *place = g_steal_pointer(&interface->source);
    interface->source = g_steal_pointer(&interface->actual_network);
    interface->actual_mode = interface->direct_mode;
    interface->direct_mode = DIRECT_MODE_ABSENT;
    interface->actual_type = interface->type;
    interface->type = INTERFACE_NETWORK;
}

static bool complete_virtual_port(InterfaceDef *interface, Error **err)
{
    switch (interface->type) {
    case INTERFACE_NETWORK:
        return virtual_port_complete(interface->virtual_port, false, err);
    case INTERFACE_BRIDGE:
    case INTERFACE_DIRECT:
    case INTERFACE_HOSTDEV:
        return virtual_port_complete(interface->virtual_port, true, err);
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "<virtualport> element unsupported for <interface type='%s'>",
                         enum_name(&interface_type_names, interface->type));
    }
}

/* One that says neither rate is none. */
static bool finish_limit(XmlReader *reader, const xmlNode *element, BandwidthLimit **limit, Error **err)
{
    if (!*limit || (*limit)->average_kBps.value || (*limit)->floor_kBps.value)
        return true;
    if (!(*limit)->average_kBps.is_set && !(*limit)->floor_kBps.is_set)
        return xml_error(reader, element, ERROR_XML_SYNTAX, err,
                         "Missing mandatory average or floor attributes");
    g_clear_pointer(limit, g_free);
    return true;
}

static bool finish_source(XmlReader *reader, const xmlNode *element, const InterfaceDef *interface,
                          Error **err)
{
    static const uint64_t needed =
        SOCKET_TYPES | BIT(INTERFACE_VHOST_USER) | BIT(INTERFACE_INTERNAL) | BIT(INTERFACE_VDPA);
    const char *type = enum_name(&interface_type_names, interface->type);
    bool has_source = false, has_address = false;

    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE || strcmp((const char *)child->name, "source") != 0)
            continue;
        has_source = true;
        for (const xmlNode *part = child->children; part; part = part->next)
            has_address =
                has_address || (part->type == XML_ELEMENT_NODE &&
                                strcmp((const char *)part->name, "address") == 0 && xml_attr(part, "type"));
    }
    if (interface->type == INTERFACE_HOSTDEV && !has_address)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "missing source address type");
    if (!has_source && needed & BIT(interface->type))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "type '%s' requires a 'source' element",
                         type);
    if (SOCKET_TYPES & BIT(interface->type)) {
        const char *lacks = !interface->source_port.is_set                                      ? "port"
                            : !interface->source_address && interface->type != INTERFACE_SERVER ? "address"
                                                                                                : NULL;
        if (lacks)
            return xml_error(reader, element, ERROR_XML_INVALID, err,
                             "Missing required attribute '%s' in element 'source'", lacks);
        if (interface->type == INTERFACE_UDP && !interface->local_address)
            return xml_error(reader, element, ERROR_XML_INVALID, err,
                             "'<local>' element missing for 'udp' socket interface, or without an address");
    }
    if (interface->type == INTERFACE_VHOST_USER) {
        const CharSource *source = interface->vhost_user;
        if (source->type != CHAR_UNIX)
            return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                             "Type='%s' unsupported for <interface type='vhostuser'>",
                             enum_name(&char_type_names, source->type));
        if (!source->path || (source->mode != CHAR_MODE_CLIENT && source->mode != CHAR_MODE_SERVER))
            return xml_error(reader, element, ERROR_XML_INVALID, err,
                             "'source' of type '%s' needs 'path' and a 'mode' of client or server", type);
        if (source->mode == CHAR_MODE_SERVER && source->reconnect == TRISTATE_ON)
            return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                             "'reconnect' attribute unsupported 'server' mode for <interface "
                             "type='vhostuser'>");
    }
    return true;
}

static bool finish_teaming(XmlReader *reader, const xmlNode *element, const InterfaceDef *interface,
                           Error **err)
{
    if (interface->teaming == TEAMING_TRANSIENT && !interface->teaming_persistent)
        return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                         "teaming persistent attribute must be set if teaming type is 'transient'");
    if (interface->teaming == TEAMING_PERSISTENT && interface->teaming_persistent)
        return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                         "teaming persistent attribute not allowed if teaming type is 'persistent'");
    return true;
}

/* Only what is a tap has one; the others' counts for nothing. */
static void read_filter(InterfaceDef *interface)
{
    filter_complete_parameters(&interface->filter_params);
    if (interface->filter && (interface->type == INTERFACE_NETWORK || interface->type == INTERFACE_BRIDGE ||
                              interface->type == INTERFACE_ETHERNET))
        return;
    g_clear_pointer(&interface->filter, g_free);
    while (interface->filter_params)
        xml_list_remove(&filter_parameter_table, &interface->filter_params,
                        interface->filter_params->len - 1);
}

static bool interface_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    InterfaceDef *interface = base;
    if (!finish_limit(reader, element, &interface->inbound, err) ||
        !finish_limit(reader, element, &interface->outbound, err) ||
        !finish_source(reader, element, interface, err) || !finish_teaming(reader, element, interface, err))
        return false;
    /* What is there without a word. */
    if (interface->tuning && interface->tuning->queues.value <= 1)
        interface->tuning->queues = (OptU32){ 0 };
    if (interface->coalesce_rx_frames_max.value == 0)
        interface->coalesce_rx_frames_max = (OptU32){ 0 };
    const bool is_virtio = interface->model && g_str_has_prefix(interface->model, "virtio");
    if (!is_virtio && interface->tuning && !domain_check_virtio_options(&interface->tuning->virtio, err))
        return false;
    if (!is_virtio && interface->type != INTERFACE_HOSTDEV) {
        g_clear_pointer(&interface->tuning, g_free);
        interface->driver = INTERFACE_DRIVER_ABSENT;
    }
    if (interface->actual_network)
        read_plugged(interface);
    read_filter(interface);
    for (DEF_EACH(NetworkRoute, route, interface->routes)) {
        IpAddress address;
        if (!route->address || !ip_parse(route->address, &address))
            return xml_error(reader, element, ERROR_XML_INVALID, err,
                             "guest interface: Bad network address '%s' in route definition",
                             route->address ?: "");
    }
    if (interface->type == INTERFACE_DIRECT && !interface->direct_mode)
        interface->direct_mode = DIRECT_MODE_VEPA;
    if (interface->target && reader->flags & XML_READ_INACTIVE && target_is_generated(interface->target))
        g_clear_pointer(&interface->target, g_free);
    static const InterfaceTuning no_tuning;
    if (interface->tuning && memcmp(interface->tuning, &no_tuning, sizeof(no_tuning)) == 0)
        g_clear_pointer(&interface->tuning, g_free);
    if (interface->virtual_port && !complete_virtual_port(interface, err))
        return false;
    static const Mac no_mac;
    interface->has_mac = memcmp(&interface->mac, &no_mac, sizeof(no_mac)) != 0;
    if (interface->mac.bytes[0] & 1)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "a multicast address can't be an interface's own");
    if (interface->driver == INTERFACE_DRIVER_VFIO && interface->type != INTERFACE_HOSTDEV)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "the driver 'vfio' is for interfaces of type 'hostdev'");
    switch (interface->type) {
    case INTERFACE_BRIDGE:
    case INTERFACE_NETWORK:
    case INTERFACE_DIRECT:
    case INTERFACE_INTERNAL:
    case INTERFACE_VDPA:
        if (!interface->source)
            return xml_error(reader, element, ERROR_XML_INVALID, err, "'source' of type '%s' is missing",
                             enum_name(&interface_type_names, interface->type));
        break;
    default:
        break;
    }
    return true;
}

#define SWITCH(text, member, what)                                                                           \
    ATTR(text, VirtioNetOffloads, member, .names = &tristate_on_off_names, .doc = what)
static const XmlTable offloads_table =
    TABLE(VirtioNetOffloads, "interface-offloads",
          ROWS(SWITCH("csum", csum, "checksums"), SWITCH("gso", gso, "generic segmentation"),
               SWITCH("tso4", tso4, "TCP segmentation over IPv4"),
               SWITCH("tso6", tso6, "TCP segmentation over IPv6"),
               SWITCH("ecn", ecn, "congestion notification"), SWITCH("ufo", ufo, "UDP fragmentation"),
               SWITCH("mrg_rxbuf", mrg_rxbuf, "merged receive buffers")),
          .doc = "What the network card may leave to the other side.");

static const XmlTable tuning_table =
    TABLE(InterfaceTuning, "interface-tuning",
          ROWS(ATTR("txmode", InterfaceTuning, txmode, .names = &virtio_tx_mode_names,
                    .doc = "who sends packets"),
               ATTR("ioeventfd", InterfaceTuning, ioeventfd, .names = &tristate_on_off_names,
                    .doc = "guest notifications are handled outside the vCPU's thread"),
               ATTR("event_idx", InterfaceTuning, event_idx, .names = &tristate_on_off_names,
                    .doc = "fewer notifications between guest and host"),
               ATTR("queues", InterfaceTuning, queues, .max = 256, .doc = "number of queue pairs"),
               ATTR("rx_queue_size", InterfaceTuning, rx_queue_size, .max = UINT32_MAX,
                    .doc = "entries of each receive queue"),
               ATTR("tx_queue_size", InterfaceTuning, tx_queue_size, .max = UINT32_MAX,
                    .doc = "entries of each send queue"),
               ATTR("rss", InterfaceTuning, rss, .names = &tristate_on_off_names,
                    .doc = "receive side scaling"),
               ATTR("rss_hash_report", InterfaceTuning, rss_hash_report, .names = &tristate_on_off_names,
                    .doc = "the guest sees the hash"),
               INCLUDE(InterfaceTuning, virtio, &virtio_options_table),
               EMBED("host", InterfaceTuning, host, &offloads_table, .doc = "offloads of the host side"),
               EMBED("guest", InterfaceTuning, guest, &offloads_table, .doc = "offloads of the guest side")),
          .doc = "The less common attributes of an interface's <driver>.");

static const XmlTable bandwidth_table =
    TABLE(BandwidthLimit, "bandwidth",
          ROWS(ATTR("average", BandwidthLimit, average_kBps, .flags = ROW_CHANGEABLE,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .text_code = ERROR_CONFIG_UNSUPPORTED,
                    .max = UINT64_MAX, .doc = "kilobytes per second"),
               ATTR("peak", BandwidthLimit, peak_kBps, .flags = ROW_CHANGEABLE,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .max = UINT64_MAX,
                    .doc = "kilobytes per second at most"),
               ATTR("floor", BandwidthLimit, floor_kBps, .flags = ROW_CHANGEABLE,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .max = UINT64_MAX,
                    .doc = "kilobytes per second guaranteed"),
               ATTR("burst", BandwidthLimit, burst_KiB, .flags = ROW_CHANGEABLE,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .max = UINT64_MAX,
                    .doc = "KiB that may go at peak rate")),
          .doc = "A limit on one direction of traffic.");

static bool ip_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    InterfaceIp *ip = base;
    IpAddress address, peer;

    if (!ip->address)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "Missing required address in <ip>");
    if (!ip_parse(ip->address, &address) ||
        (ip->family && strcmp(ip->family, address.is_v6 ? "ipv6" : "ipv4") != 0))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "Invalid address '%s' in <ip>",
                         ip->address);
    if (ip->prefix > ip_bits(&address))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "Invalid prefix value '%u' in <ip>",
                         ip->prefix);
    if (ip->peer && (!ip_parse(ip->peer, &peer) || peer.is_v6 != address.is_v6))
        return xml_error(reader, element, ERROR_INVALID_ARGUMENT, err, "Invalid peer '%s' in <ip>", ip->peer);
    if (!ip->family)
        ip->family = g_strdup(address.is_v6 ? "ipv6" : "ipv4");
    return true;
}

const XmlTable interface_ip_table =
    TABLE(InterfaceIp, "interface-ip",
          ROWS(ATTR("address", InterfaceIp, address, .doc = "the address"),
               ATTR("family", InterfaceIp, family, .doc = "ipv4 or ipv6",
                    .fallback = "as the address has it"),
               ATTR("prefix", InterfaceIp, prefix, .max = 128, .doc = "length of its prefix"),
               ATTR("peer", InterfaceIp, peer, .doc = "the other end of the line")),
          .finish = ip_finish, .doc = "An address of one end of an interface.");

static const XmlTable port_range_table =
    TABLE(PortRange, "port-range",
          ROWS(ATTR("start", PortRange, start, .min = 1, .max = 65535, .flags = ROW_REQUIRED,
                    .doc = "first port of the host"),
               ATTR("end", PortRange, end, .min = 1, .max = 65535, .doc = "last one", .fallback = "start"),
               ATTR("to", PortRange, to, .min = 1, .max = 65535, .doc = "first port of the guest",
                    .fallback = "start"),
               ATTR("exclude", PortRange, exclude, .names = &tristate_yes_no_names,
                    .doc = "these are not forwarded")),
          .doc = "Ports that are forwarded to the guest.");

static bool port_forward_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const InterfaceForward *forward = base;
    IpAddress address;

    return !forward->address || ip_parse(forward->address, &address) ||
           xml_error(reader, element, ERROR_XML_INVALID, err, "Invalid address '%s' in <portForward>",
                     forward->address);
}

static const XmlTable port_forward_table =
    TABLE(InterfaceForward, "port-forward",
          ROWS(ATTR("proto", InterfaceForward, proto, .names = &port_forward_proto_names,
                    .flags = ROW_REQUIRED, .doc = "tcp or udp"),
               ATTR("address", InterfaceForward, address, .doc = "address of the host that listens",
                    .fallback = "all"),
               ATTR("dev", InterfaceForward, dev, .doc = "device of the host that listens"),
               LIST("range", InterfaceForward, ranges, &port_range_table, .doc = "which ports")),
          .finish = port_forward_finish, .doc = "Ports of the host that lead to the guest.");

/* vhost-user spells its socket as attributes of <source> itself. */
static const XmlTable vhost_user_table =
    TABLE(CharSource, "vhost-user-source",
          ROWS(ATTR("type", CharSource, type, .names = &char_type_names, .doc = "always unix"),
               ATTR("path", CharSource, path, .doc = "path of the socket"),
               ATTR("mode", CharSource, mode, .names = &char_mode_names, .doc = "who makes the socket"),
               GROUP("reconnect",
                     ROWS(ATTR("enabled", CharSource, reconnect, .names = &tristate_yes_no_names,
                               .doc = "connect again"),
                          ATTR("timeout", CharSource, reconnect_timeout_s, .max = UINT32_MAX,
                               .doc = "seconds between attempts")),
                     .doc = "what happens when the connection is lost"),
               HELD("host", CharSource, host), HELD("service", CharSource, service)),
          .doc = "Where the switch listens.");

#define VDS TYPE(BIT(INTERFACE_VDS)), REFUSED("only ESX has it")
static const XmlRow source_rows[] = {
    ATTR("network", InterfaceDef, source, TYPE(BIT(INTERFACE_NETWORK)), .doc = "name of the virtual network"),
    ATTR("network", InterfaceDef, actual_network, TYPE(PLUGGED_TYPES), .flags = ROW_LIVE,
         .doc = "of a running machine: the network that is meant"),
    ATTR("portgroup", InterfaceDef, portgroup, TYPE(BIT(INTERFACE_NETWORK) | PLUGGED_TYPES),
         .doc = "port group of the network"),
    ATTR("portid", InterfaceDef, port_id, TYPE(BIT(INTERFACE_NETWORK) | PLUGGED_TYPES), .flags = ROW_LIVE,
         .doc = "port of the network"),
    ATTR("bridge", InterfaceDef, actual_bridge, TYPE(BIT(INTERFACE_NETWORK)), .flags = ROW_LIVE,
         .doc = "bridge of the network"),
    ATTR("dev", InterfaceDef, actual_dev, TYPE(BIT(INTERFACE_NETWORK)), .flags = ROW_LIVE,
         .doc = "device of the host"),
    ATTR("mode", InterfaceDef, actual_mode, .names = &direct_mode_names, TYPE(BIT(INTERFACE_NETWORK)),
         .flags = ROW_LIVE, .doc = "how guests on the same device reach each other"),
    ATTR("bridge", InterfaceDef, source, TYPE(BIT(INTERFACE_BRIDGE)), .doc = "name of the bridge"),
    ATTR("dev", InterfaceDef, source,
         TYPE(BIT(INTERFACE_DIRECT) | BIT(INTERFACE_VDPA) | BIT(INTERFACE_ETHERNET)),
         .doc = "device of the host"),
    ATTR("mode", InterfaceDef, direct_mode, .names = &direct_mode_names, TYPE(BIT(INTERFACE_DIRECT)),
         .doc = "how guests on the same device reach each other"),
    ATTR("name", InterfaceDef, source, TYPE(BIT(INTERFACE_INTERNAL)), .doc = "name of the internal network"),
    ATTR("address", InterfaceDef, source_address, TYPE(SOCKET_TYPES), .doc = "address of the socket"),
    ATTR("port", InterfaceDef, source_port, TYPE(SOCKET_TYPES), .max = 65535, .doc = "port of the socket"),
    GROUP("local",
          ROWS(ATTR("address", InterfaceDef, local_address, .doc = "its address"),
               ATTR("port", InterfaceDef, local_port, .max = 65535, .doc = "its port")),
          TYPE(BIT(INTERFACE_UDP)), .doc = "local end of a UDP tunnel"),
    EMBED("address", InterfaceDef, hostdev_address, &address_table, TYPE(BIT(INTERFACE_HOSTDEV)),
          .doc = "where the network card is on the host"),
    KEPT_ATTR("switchid", VDS, .doc = "UUID of the switch"),
    KEPT_ATTR("portid", VDS, .doc = "number of the port"),
    KEPT_ATTR("portgroupid", VDS, .doc = "group of the port"),
    KEPT_ATTR("connectionid", VDS, .doc = "number of the connection"),
    LIST("ip", InterfaceDef, host_ips, &interface_ip_table, .doc = "addresses of the host's end"),
    LIST("route", InterfaceDef, host_routes, &network_route_table, .doc = "routes on the host"),
    INCLUDE_OBJECT(InterfaceDef, vhost_user, &vhost_user_table, TYPE(BIT(INTERFACE_VHOST_USER))),
    { 0 }
};

static const XmlRow driver_rows[] = {
    ATTR("name", InterfaceDef, driver, HOST_SIDE, .names = &interface_driver_names,
         .doc = "who moves the packets: the kernel (vhost) or QEMU; vfio for cards of the host"),
    INCLUDE_OBJECT(InterfaceDef, tuning, &tuning_table, HOST_SIDE),
    { 0 }
};

const XmlTable interface_table =
    TABLE(InterfaceDef, "interface",
          ROWS(ATTR("type", InterfaceDef, actual_type, .names = &interface_type_names,
                    .show = is_plugged_elsewhere, .flags = ROW_WRITE_ONLY | ROW_LIVE | ROW_ALWAYS,
                    .doc = "what it is really connected to"),
               ATTR("type", InterfaceDef, type, HOST_SIDE, .show = is_as_defined,
                    REFUSED_VALUES(BIT(INTERFACE_VDS), "only ESX has it"), .names = &interface_type_names,
                    .flags = ROW_REQUIRED, .doc = "what the interface is connected to"),
               HELD("source", InterfaceDef, hostdev_node, HOST_SIDE),
               ATTR("managed", InterfaceDef, hostdev_managed, HOST_SIDE, .names = &tristate_yes_no_names,
                    TYPE(BIT(INTERFACE_HOSTDEV)),
                    .doc = "Lodge takes the card from its driver and gives it back"),
               ATTR("trustGuestRxFilters", InterfaceDef, trust_guest_rx_filters, HOST_SIDE, .fallback = "no",
                    .names = &tristate_yes_no_names,
                    .doc = "take over the guest's multicast and address filters"),
               GROUP_FLAG("mac", InterfaceDef, has_mac,
                          ROWS(ATTR("address", InterfaceDef, mac, .flags = ROW_ALWAYS, .doc = "MAC address"),
                               ATTR("currentAddress", InterfaceDef, current_mac, HOST_SIDE, .flags = ROW_LIVE,
                                    .doc = "what the guest has set instead"),
                               ATTR("type", InterfaceDef, mac_type, HOST_SIDE, HARMLESS,
                                    .names = &mac_type_names, .doc = "whether a daemon made the address"),
                               ATTR("check", InterfaceDef, mac_check, HOST_SIDE, HARMLESS,
                                    .names = &tristate_yes_no_names,
                                    .doc = "check for addresses in VMware's range")),
                          .fallback = "generated", .doc = "the address that the guest sees"),
               GROUP("driver", driver_rows, TYPE(BIT(INTERFACE_HOSTDEV)),
                     .doc = "how the card is given away"),
               GROUP("source", source_rows, HOST_SIDE, .doc = "what the interface is connected to"),
               OBJECT("vlan", InterfaceDef, vlan, &vlan_table, HOST_SIDE, .doc = "VLAN tags"),
               OBJECT("virtualport", InterfaceDef, virtual_port, &virtual_port_table, HOST_SIDE,
                      .doc = "parameters of a virtual switch port"),
               GROUP("bandwidth",
                     ROWS(OBJECT("inbound", InterfaceDef, inbound, &bandwidth_table, HOST_SIDE,
                                 .flags = ROW_SINGLE, .bad_code = ERROR_XML_SYNTAX,
                                 .doc = "towards the guest"),
                          OBJECT("outbound", InterfaceDef, outbound, &bandwidth_table, HOST_SIDE,
                                 .flags = ROW_SINGLE, .bad_code = ERROR_XML_SYNTAX, .doc = "from the guest")),
                     .doc = "limits on the traffic"),
               GROUP("port",
                     ROWS(ATTR("isolated", InterfaceDef, isolated, HOST_SIDE, .fallback = "no",
                               .names = &tristate_yes_no_names,
                               .doc = "the guest can't talk to other isolated ports")),
                     .doc = "the port of the bridge"),
               LIST("ip", InterfaceDef, ips, &interface_ip_table,
                    .doc = "networks that a user network offers"),
               LIST("route", InterfaceDef, routes, &network_route_table,
                    .doc = "routes of the guest (containers)"),
               LIST("portForward", InterfaceDef, port_forwards, &port_forward_table, HOST_SIDE,
                    .doc = "forwarded ports of user networks"),
               GROUP("script",
                     ROWS(ATTR("path", InterfaceDef, script, HOST_SIDE, .doc = "path of the script")),
                     .doc = "runs when the interface comes up"),
               GROUP("downscript",
                     ROWS(ATTR("path", InterfaceDef, downscript, HOST_SIDE, .doc = "path of the script")),
                     .doc = "runs when the interface goes down"),
               GROUP("target",
                     ROWS(ATTR("dev", InterfaceDef, target, HOST_SIDE, .show = target_is_written,
                               .doc = "name of the host's end", .fallback = "vnetN at start"),
                          ATTR("managed", InterfaceDef, target_managed, HOST_SIDE, .fallback = "yes",
                               .names = &tristate_yes_no_names, .doc = "no: the device exists already")),
                     .doc = "the host's end"),
               GROUP("guest",
                     ROWS(ATTR("dev", InterfaceDef, guest_dev, HARMLESS, .doc = "name in a container"),
                          ATTR("actual", InterfaceDef, guest_actual, .flags = ROW_LIVE,
                               .doc = "name in use")),
                     .doc = "the container's end"),
               GROUP("model", ROWS(ATTR("type", InterfaceDef, model, .doc = "virtio, e1000e, rtl8139, ...")),
                     .fallback = "rtl8139 or e1000e by machine type",
                     .doc = "the network card that the guest sees"),
               GROUP("driver", driver_rows, TYPE(~BIT(INTERFACE_HOSTDEV)), .doc = "how the card is run"),
               GROUP("backend",
                     ROWS(ATTR("type", InterfaceDef, backend, .names = &interface_backend_names,
                               .doc = "back end of user networks", .fallback = "QEMU itself"),
                          ATTR("tap", InterfaceDef, backend_tap, .doc = "path of the tun device"),
                          ATTR("vhost", InterfaceDef, backend_vhost, .doc = "path of the vhost device"),
                          ATTR("logFile", InterfaceDef, backend_log, .doc = "passt: its log"),
                          ATTR("hostname", InterfaceDef, backend_hostname,
                               .doc = "host name that the guest is told"),
                          ATTR("fqdn", InterfaceDef, backend_fqdn,
                               .doc = "full name that the guest is told")),
                     HOST_SIDE, .doc = "devices of the host that move the packets"),
               GROUP("filterref",
                     ROWS(ATTR("filter", InterfaceDef, filter, HOST_SIDE, .doc = "name of the filter"),
                          LIST("parameter", InterfaceDef, filter_params, &filter_parameter_table, HOST_SIDE,
                               .doc = "variables of the filter")),
                     .doc = "network filter for the interface"),
               GROUP("tune",
                     ROWS(CHILD("sndbuf", InterfaceDef, sndbuf, HOST_SIDE, .max = UINT32_MAX,
                                .doc = "bytes of the tap's send buffer")),
                     .doc = "tuning of the tap device"),
               GROUP("link",
                     ROWS(ATTR("state", InterfaceDef, link, HOST_SIDE, .fallback = "up",
                               .names = &link_state_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "up or down")),
                     .flags = ROW_CHANGEABLE, .doc = "the cable"),
               GROUP("mtu",
                     ROWS(ATTR("size", InterfaceDef, mtu, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "bytes")),
                     .doc = "largest packet"),
               GROUP("coalesce",
                     ROWS(GROUP("rx",
                                ROWS(GROUP("frames",
                                           ROWS(ATTR("max", InterfaceDef, coalesce_rx_frames_max, HOST_SIDE,
                                                     .text_code = ERROR_XML_SYNTAX, .max = UINT32_MAX,
                                                     .flags = ROW_MAY_BE_EMPTY, .doc = "packets")),
                                           .doc = "packets per interrupt")),
                                .doc = "receiving")),
                     .doc = "how packets are gathered"),
               GROUP("teaming",
                     ROWS(ATTR("type", InterfaceDef, teaming, .names = &teaming_type_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .doc = "the one that stays, or the one that is taken out for migrations"),
                          ATTR("persistent", InterfaceDef, teaming_persistent,
                               .doc = "transient: alias of the one that stays")),
                     .doc = "pairs of interfaces for migration"),
               INCLUDE(InterfaceDef, info, &rom_device_info_table)),
          KEEPS(InterfaceDef), .finish = interface_finish, .doc = "A network interface.");