/* Rows of the document of a network's port: what one interface of a machine is plugged into. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/network.h"
#include "conf/xml_internal.h"

static const char *const plug_texts[] = { "none", "network", "bridge", "direct", "hostdev-pci" };
static const EnumNames plug_names = { "kind of plug", PORT_PLUG_COUNT, plug_texts };

#define TYPE(...) ONLY(NetworkPortDef, plug, __VA_ARGS__)
static const XmlRow plug_rows[] = {
    ATTR("type", NetworkPortDef, plug, .names = &plug_names, .flags = ROW_REQUIRED,
         .doc = "bridge of the network, another bridge, or a device of the host"),
    ATTR("bridge", NetworkPortDef, bridge, TYPE(BIT(PORT_PLUG_NETWORK) | BIT(PORT_PLUG_BRIDGE)),
         .doc = "the bridge"),
    ATTR("macTableManager", NetworkPortDef, mac_table_manager,
         TYPE(BIT(PORT_PLUG_NETWORK) | BIT(PORT_PLUG_BRIDGE)), .doc = "who knows where MACs are"),
    ATTR("dev", NetworkPortDef, dev, TYPE(BIT(PORT_PLUG_DIRECT)), .doc = "the device"),
    ATTR("mode", NetworkPortDef, mode, .names = &direct_mode_names, TYPE(BIT(PORT_PLUG_DIRECT)),
         .doc = "mode of the macvtap"),
    { 0 },
};

static bool port_has_mac(const void *base, unsigned flags)
{
    static const Mac no_mac;

    return memcmp(&((const NetworkPortDef *)base)->mac, &no_mac, sizeof(no_mac)) != 0;
}

static bool port_has_plug(const void *base, unsigned flags)
{
    return ((const NetworkPortDef *)base)->plug != PORT_PLUG_NONE;
}

const XmlTable network_port_table =
    TABLE(NetworkPortDef, "networkport",
          ROWS(CHILD("uuid", NetworkPortDef, uuid, .bad_code = ERROR_INTERNAL, .doc = "identity"),
               GROUP("owner",
                     ROWS(CHILD("name", NetworkPortDef, owner_name, .doc = "name"),
                          CHILD("uuid", NetworkPortDef, owner_uuid, .bad_code = ERROR_INTERNAL,
                                .doc = "UUID")),
                     .doc = "the machine"),
               CHILD("group", NetworkPortDef, group, .doc = "port group"),
               GROUP("mac", ROWS(ATTR("address", NetworkPortDef, mac, .doc = "MAC address")),
                     .show = port_has_mac, .doc = "of the machine's interface"),
               OBJECT("virtualport", NetworkPortDef, virtual_port, &virtual_port_table,
                      .doc = "port of the switch"),
               OBJECT("bandwidth", NetworkPortDef, bandwidth, &network_bandwidth_table, .doc = "limits"),
               GROUP("rxfilters",
                     ROWS(ATTR("trustGuest", NetworkPortDef, trust_guest_rx_filters,
                               .names = &tristate_yes_no_names,
                               .doc = "filters of the guest are taken over")),
                     .doc = "filters of received packets"),
               GROUP("port",
                     ROWS(ATTR("isolated", NetworkPortDef, isolated, .names = &tristate_yes_no_names,
                               .doc = "it does not reach other isolated ones")),
                     .doc = "of the bridge"),
               OBJECT("vlan", NetworkPortDef, vlan, &vlan_table, .doc = "VLANs"),
               GROUP("plug", plug_rows, .show = port_has_plug, .doc = "what it is plugged into")),
          .doc = "A port of a network.");
