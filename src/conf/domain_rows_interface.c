/* Rows of network interfaces. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"
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
    if (interface->actual_network)
        read_plugged(interface);
    read_filter(interface);
    if (interface->target && reader->flags & XML_READ_INACTIVE && target_is_generated(interface->target))
        g_clear_pointer(&interface->target, g_free);
    static const InterfaceTuning no_tuning;
    if (interface->tuning && memcmp(interface->tuning, &no_tuning, sizeof(no_tuning)) == 0)
        g_clear_pointer(&interface->tuning, g_free);
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
          ROWS(ATTR("average", BandwidthLimit, average_kBps, .flags = ROW_CHANGEABLE, .max = UINT64_MAX,
                    .doc = "kilobytes per second"),
               ATTR("peak", BandwidthLimit, peak_kBps, .flags = ROW_CHANGEABLE, .max = UINT64_MAX,
                    .doc = "kilobytes per second at most"),
               ATTR("burst", BandwidthLimit, burst_KiB, .flags = ROW_CHANGEABLE, .max = UINT64_MAX,
                    .doc = "KiB that may go at peak rate"),
               ATTR("floor", BandwidthLimit, floor_kBps, NOT_YET, .flags = ROW_CHANGEABLE, .max = UINT64_MAX,
                    .doc = "kilobytes per second guaranteed")),
          .doc = "A limit on one direction of traffic.");

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
    KEPT("local", .doc = "local end of a UDP tunnel"),
    KEPT("address", .doc = "address of the host device"),
    KEPT("ip", .doc = "address of the host's end"),
    KEPT("route", .doc = "route on the host"),
    INCLUDE_OBJECT(InterfaceDef, vhost_user, &vhost_user_table, NOT_YET, TYPE(BIT(INTERFACE_VHOST_USER))),
    { 0 }
};

const XmlTable interface_table =
    TABLE(InterfaceDef, "interface",
          ROWS(ATTR("type", InterfaceDef, actual_type, .names = &interface_type_names,
                    .show = is_plugged_elsewhere, .flags = ROW_WRITE_ONLY | ROW_LIVE | ROW_ALWAYS,
                    .doc = "what it is really connected to"),
               ATTR("type", InterfaceDef, type, HOST_SIDE, .show = is_as_defined,
                    NOT_YET_VALUES(BIT(INTERFACE_VHOST_USER) | BIT(INTERFACE_INTERNAL) |
                                   BIT(INTERFACE_HOSTDEV) | BIT(INTERFACE_UDP) | BIT(INTERFACE_VDPA) |
                                   BIT(INTERFACE_NULL) | BIT(INTERFACE_VDS)),
                    .names = &interface_type_names, .flags = ROW_REQUIRED,
                    .doc = "what the interface is connected to"),
               KEPT_ATTR("managed", .doc = "host devices: who binds the driver"),
               ATTR("trustGuestRxFilters", InterfaceDef, trust_guest_rx_filters, NOT_YET, .fallback = "no",
                    .names = &tristate_yes_no_names,
                    .doc = "take over the guest's multicast and address filters"),
               GROUP_FLAG("mac", InterfaceDef, has_mac,
                          ROWS(ATTR("address", InterfaceDef, mac, .flags = ROW_ALWAYS, .doc = "MAC address"),
                               ATTR("type", InterfaceDef, mac_type, HOST_SIDE, HARMLESS,
                                    .names = &mac_type_names, .doc = "whether a daemon made the address"),
                               ATTR("check", InterfaceDef, mac_check, HOST_SIDE, HARMLESS,
                                    .names = &tristate_yes_no_names,
                                    .doc = "check for addresses in VMware's range")),
                          .fallback = "generated", .doc = "the address that the guest sees"),
               GROUP("source", source_rows, HOST_SIDE, .doc = "what the interface is connected to"),
               KEPT("vlan", .doc = "VLAN tags"),
               KEPT("virtualport", .doc = "parameters of a virtual switch port"),
               KEPT("ip", .doc = "guest address (containers, user networks)"),
               KEPT("route", .doc = "guest route"),
               GROUP("bandwidth",
                     ROWS(OBJECT("inbound", InterfaceDef, inbound, &bandwidth_table, HOST_SIDE,
                                 .doc = "towards the guest"),
                          OBJECT("outbound", InterfaceDef, outbound, &bandwidth_table, HOST_SIDE, NOT_YET,
                                 .doc = "from the guest")),
                     .doc = "limits on the traffic"),
               GROUP("script",
                     ROWS(
                         ATTR("path", InterfaceDef, script, HOST_SIDE, NOT_YET, .doc = "path of the script")),
                     .doc = "runs when the interface comes up"),
               GROUP("downscript",
                     ROWS(ATTR("path", InterfaceDef, downscript, HOST_SIDE, NOT_YET,
                               .doc = "path of the script")),
                     .doc = "runs when the interface goes down"),
               GROUP("target",
                     ROWS(ATTR("dev", InterfaceDef, target, HOST_SIDE, .show = target_is_written,
                               .doc = "name of the host's end", .fallback = "vnetN at start"),
                          ATTR("managed", InterfaceDef, target_managed, HOST_SIDE, NOT_YET, .fallback = "yes",
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
               GROUP("driver",
                     ROWS(ATTR("name", InterfaceDef, driver, HOST_SIDE, .names = &interface_driver_names,
                               .doc = "who moves the packets: the kernel (vhost) or QEMU"),
                          INCLUDE_OBJECT(InterfaceDef, tuning, &tuning_table, HOST_SIDE)),
                     .doc = "how the card is run"),
               GROUP("backend",
                     ROWS(KEPT_ATTR("type", .doc = "back end of user networks"),
                          ATTR("tap", InterfaceDef, backend_tap, NOT_YET, .doc = "path of the tun device"),
                          ATTR("vhost", InterfaceDef, backend_vhost, NOT_YET,
                               .doc = "path of the vhost device"),
                          KEPT_ATTR("logFile", .doc = "log of the back end"),
                          KEPT_ATTR("hostname", .doc = "host name"), KEPT_ATTR("fqdn", .doc = "domain name")),
                     HOST_SIDE, .doc = "devices of the host that move the packets"),
               KEPT("portForward", .doc = "forwarded ports of user networks"),
               GROUP("filterref",
                     ROWS(ATTR("filter", InterfaceDef, filter, HOST_SIDE, .doc = "name of the filter"),
                          LIST("parameter", InterfaceDef, filter_params, &filter_parameter_table, HOST_SIDE,
                               .doc = "variables of the filter")),
                     .doc = "network filter for the interface"),
               GROUP("tune",
                     ROWS(CHILD("sndbuf", InterfaceDef, sndbuf, HOST_SIDE, NOT_YET, .max = UINT32_MAX,
                                .doc = "bytes of the tap's send buffer")),
                     .doc = "tuning of the tap device"),
               GROUP("link",
                     ROWS(ATTR("state", InterfaceDef, link, HOST_SIDE, NOT_YET, .fallback = "up",
                               .names = &link_state_names, .flags = ROW_MAY_BE_EMPTY, .doc = "up or down")),
                     .flags = ROW_CHANGEABLE, .doc = "the cable"),
               GROUP("mtu",
                     ROWS(ATTR("size", InterfaceDef, mtu, .min = 1, .max = UINT32_MAX,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "bytes")),
                     .doc = "largest packet"),
               GROUP("coalesce",
                     ROWS(GROUP("rx",
                                ROWS(GROUP("frames",
                                           ROWS(ATTR("max", InterfaceDef, coalesce_rx_frames_max, NOT_YET,
                                                     .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                                                     .doc = "packets")),
                                           .doc = "packets per interrupt")),
                                .doc = "receiving")),
                     .doc = "how packets are gathered"),
               KEPT("teaming", .doc = "pairs of interfaces for migration"),
               GROUP("port",
                     ROWS(ATTR("isolated", InterfaceDef, isolated, HOST_SIDE, .fallback = "no",
                               .names = &tristate_yes_no_names,
                               .doc = "the guest can't talk to other isolated ports")),
                     .doc = "the port of the bridge"),
               INCLUDE(InterfaceDef, info, &device_info_table)),
          KEEPS(InterfaceDef), .finish = interface_finish, .doc = "A network interface.");