/* Rows of the document of the host's interfaces. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <net/if.h>

#include "base/ip.h"
#include "conf/interface.h"
#include "conf/xml_internal.h"

static const char *const type_texts[] = { "ethernet", "bridge", "bond", "vlan" };
const EnumNames hostif_type_names = { "interface type", HOSTIF_TYPE_COUNT, type_texts };
static const char *const start_texts[] = { NULL, "onboot", "none", "hotplug" };
static const EnumNames start_names = { "start mode", HOSTIF_START_COUNT, start_texts };
static const char *const family_texts[] = { NULL, "ipv4", "ipv6" };
static const EnumNames family_names = { "protocol family", HOSTIF_FAMILY_COUNT, family_texts };
static const char *const state_texts[] = { NULL,      "unknown", "notpresent", "down", "lowerlayerdown",
                                           "testing", "dormant", "up" };
static const EnumNames state_names = { "state of a link", HOSTIF_STATE_COUNT, state_texts };
static const char *const bond_texts[] = { NULL,        "balance-rr", "active-backup", "balance-xor",
                                          "broadcast", "802.3ad",    "balance-tlb",   "balance-alb" };
const EnumNames bond_mode_names = { "bond mode", BOND_MODE_COUNT, bond_texts };
static const char *const validate_texts[] = { NULL, "none", "active", "backup", "all" };
const EnumNames bond_validate_names = { "validation of ARP", VALIDATE_COUNT, validate_texts };
static const char *const carrier_texts[] = { NULL, "ioctl", "netif" };
static const EnumNames carrier_names = { "way to find out about the carrier", CARRIER_COUNT, carrier_texts };

#define MTU_MIN 68
#define MS_MAX 3600000

const XmlTable hostif_ip_table =
    TABLE(HostifIp, "interface-ip",
          ROWS(ATTR("address", HostifIp, address, .flags = ROW_REQUIRED, .doc = "address"),
               ATTR("prefix", HostifIp, prefix, .flags = ROW_ALWAYS, .max = 128,
                    .doc = "length of the subnet's prefix")),
          .doc = "An address.");

const XmlTable hostif_protocol_table =
    TABLE(HostifProtocol, "interface-protocol",
          ROWS(ATTR("family", HostifProtocol, family, .names = &family_names, .flags = ROW_REQUIRED,
                    .doc = "ipv4 or ipv6"),
               FLAG("autoconf", HostifProtocol, has_autoconf, .doc = "IPv6: addresses that routers tell of"),
               GROUP_FLAG("dhcp", HostifProtocol, has_dhcp,
                          ROWS(ATTR("peerdns", HostifProtocol, peerdns, .names = &tristate_yes_no_names,
                                    .doc = "its name servers are used")),
                          .doc = "addresses by DHCP"),
               LIST("ip", HostifProtocol, ips, &hostif_ip_table, .doc = "an address"),
               GROUP("route", ROWS(ATTR("gateway", HostifProtocol, gateway, .doc = "of the default route")),
                     .doc = "the way out")),
          .doc = "How it gets its addresses.");

static bool has_start(const void *base, unsigned flags)
{
    return ((const HostifDef *)base)->start != HOSTIF_START_ABSENT;
}
static bool has_mtu(const void *base, unsigned flags)
{
    return ((const HostifDef *)base)->mtu.is_set;
}
static bool has_link(const void *base, unsigned flags)
{
    return ((const HostifDef *)base)->link_state != HOSTIF_STATE_ABSENT;
}
static bool has_mac(const void *base, unsigned flags)
{
    return ((const HostifDef *)base)->mac != NULL;
}

#define TYPE(...) ONLY(HostifDef, type, __VA_ARGS__)
#define LINK_ROW                                                                                             \
    GROUP("link",                                                                                            \
          ROWS(ATTR("speed", HostifDef, link_mbps, .max = UINT32_MAX, .doc = "Mbit/s"),                      \
               ATTR("state", HostifDef, link_state, .names = &state_names, .doc = "state")),                 \
          .show = has_link, .flags = ROW_LIVE, .doc = "its link, as it is now")
#define MAC_ROW                                                                                              \
    GROUP("mac", ROWS(ATTR("address", HostifDef, mac, .doc = "MAC address")), .show = has_mac,               \
          .doc = "its hardware address")
#define NAME_ROW(...) ATTR("name", HostifDef, name, __VA_ARGS__, .doc = "name")
#define VLAN_ROW                                                                                             \
    GROUP("vlan",                                                                                            \
          ROWS(ATTR("tag", HostifDef, tag, .flags = ROW_REQUIRED, .max = 4095, .doc = "number of the VLAN"), \
               GROUP("interface",                                                                            \
                     ROWS(ATTR("name", HostifDef, lower, .flags = ROW_REQUIRED, .doc = "name")),             \
                     .flags = ROW_REQUIRED, .doc = "what it is on")),                                        \
          TYPE(BIT(HOSTIF_VLAN)), .flags = ROW_REQUIRED, .doc = "its VLAN")

static const XmlTable slave_table =
    TABLE(HostifDef, "interface-slave",
          ROWS(ATTR("type", HostifDef, type, .names = &hostif_type_names, .doc = "ethernet"),
               NAME_ROW(.flags = ROW_REQUIRED), LINK_ROW, MAC_ROW,
               HELD("uuid", HostifDef, uuid, .doc = "not used")),
          .doc = "A part of a bond.");

static const XmlRow bond_rows[] = {
    ATTR("mode", HostifDef, mode, .names = &bond_mode_names, .doc = "how they work together"),
    GROUP_FLAG("miimon", HostifDef, has_miimon,
               ROWS(ATTR("freq", HostifDef, miimon_ms, .flags = ROW_REQUIRED, .max = MS_MAX,
                         .doc = "ms between looks"),
                    ATTR("downdelay", HostifDef, downdelay_ms, .max = MS_MAX,
                         .doc = "ms until it is given up"),
                    ATTR("updelay", HostifDef, updelay_ms, .max = MS_MAX, .doc = "ms until it is used again"),
                    ATTR("carrier", HostifDef, carrier, .names = &carrier_names, .doc = "whom to ask")),
               .doc = "links are watched"),
    GROUP_FLAG("arpmon", HostifDef, has_arpmon,
               ROWS(ATTR("interval", HostifDef, arp_interval_ms, .flags = ROW_REQUIRED, .max = MS_MAX,
                         .doc = "ms between questions"),
                    ATTR("target", HostifDef, arp_target, .flags = ROW_REQUIRED, .doc = "whom to ask"),
                    ATTR("validate", HostifDef, arp_validate, .names = &bond_validate_names,
                         .doc = "whose answers are looked at")),
               .doc = "others are asked by ARP"),
    LIST("interface", HostifDef, ports, &slave_table, .doc = "a part of it"),
    { 0 },
};
#define BOND_ROW GROUP("bond", bond_rows, TYPE(BIT(HOSTIF_BOND)), .flags = ROW_REQUIRED, .doc = "its parts")

const XmlTable hostif_port_table = TABLE(HostifDef, "interface-port",
                                         ROWS(ATTR("type", HostifDef, type, .names = &hostif_type_names,
                                                   .flags = ROW_REQUIRED, .doc = "kind"),
                                              NAME_ROW(.flags = ROW_REQUIRED), LINK_ROW, MAC_ROW, VLAN_ROW,
                                              BOND_ROW, HELD("uuid", HostifDef, uuid, .doc = "not used")),
                                         .doc = "A port of a bridge.");

const XmlTable hostif_table =
    TABLE(HostifDef, "interface",
          ROWS(ATTR("type", HostifDef, type, .names = &hostif_type_names, .flags = ROW_REQUIRED,
                    .doc = "kind"),
               NAME_ROW(.flags = 0),
               GROUP("start", ROWS(ATTR("mode", HostifDef, start, .names = &start_names, .doc = "when")),
                     .show = has_start, .doc = "when it is started"),
               GROUP("mtu", ROWS(ATTR("size", HostifDef, mtu, .min = MTU_MIN, .max = 65536, .doc = "bytes")),
                     .show = has_mtu, .doc = "largest packet"),
               LINK_ROW, MAC_ROW,
               LIST("protocol", HostifDef, protocols, &hostif_protocol_table, .doc = "addresses"),
               GROUP("bridge",
                     ROWS(ATTR("stp", HostifDef, stp, .names = &tristate_on_off_names,
                               .doc = "spanning tree"),
                          ATTR("delay", HostifDef, delay, .doc = "seconds until a new port forwards"),
                          LIST("interface", HostifDef, ports, &hostif_port_table, .doc = "a port")),
                     TYPE(BIT(HOSTIF_BRIDGE)), .doc = "its ports"),
               BOND_ROW, VLAN_ROW, HELD("uuid", HostifDef, uuid, .doc = "made of the name")),
          .doc = "A network interface of the host.");

/* ---- what follows ---- */

const HostifProtocol *hostif_find_protocol(const HostifDef *def, HostifFamily family)
{
    for (guint i = 0; def->protocols && i < def->protocols->len; i++) {
        const HostifProtocol *protocol = g_ptr_array_index(def->protocols, i);
        if (protocol->family == family)
            return protocol;
    }
    return NULL;
}

HostifProtocol *hostif_protocol(HostifDef *def, HostifFamily family)
{
    HostifProtocol *protocol = (HostifProtocol *)hostif_find_protocol(def, family);

    if (protocol)
        return protocol;
    protocol = xml_table_new(&hostif_protocol_table);
    protocol->family = family;
    if (!def->protocols)
        def->protocols = xml_list_new(&hostif_protocol_table);
    g_ptr_array_add(def->protocols, protocol);
    return protocol;
}

void hostif_add_ip(HostifProtocol *protocol, const char *address, unsigned prefix)
{
    HostifIp *ip = xml_table_new(&hostif_ip_table);

    *ip = (HostifIp){ .address = g_strdup(address), .prefix = { .value = prefix, .is_set = true } };
    if (!protocol->ips)
        protocol->ips = xml_list_new(&hostif_ip_table);
    g_ptr_array_add(protocol->ips, ip);
}

HostifDef *hostif_add_port(HostifDef *def, const char *name)
{
    HostifDef *port = xml_table_new(&hostif_port_table);

    port->name = g_strdup(name);
    if (!def->ports)
        def->ports = xml_list_new(def->type == HOSTIF_BOND ? &slave_table : &hostif_port_table);
    g_ptr_array_add(def->ports, port);
    return port;
}

bool hostif_name_is_valid(const char *name)
{
    const size_t len = strlen(name);

    if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (const char *c = name; *c; c++) {
        /* These names become words of files that others read: nothing that ends a word, a line or a text. */
        if (!g_ascii_isalnum(*c) && !strchr("._-@+", *c))
            return false;
    }
    return *name != '-';
}

static bool check_name(const char *name, Error **err)
{
    if (hostif_name_is_valid(name))
        return true;
    error_set(err, ERROR_XML_INVALID, "'%s' cannot be the name of a network interface", name);
    return error_hint(err, "it has 1 to %d letters, digits or any of . _ - @ +", IFNAMSIZ - 1);
}

static bool check_address(const char *text, HostifFamily family, IpAddress *ret_ip, Error **err)
{
    return (ip_parse(text, ret_ip) && ret_ip->is_v6 == (family == HOSTIF_IPV6)) ||
           error_set(err, ERROR_XML_INVALID, "'%s' is no address of the family %s", text,
                     enum_name(&family_names, family));
}

static bool check_protocol(HostifProtocol *protocol, Error **err)
{
    IpAddress ip;

    if (protocol->has_autoconf && protocol->family != HOSTIF_IPV6)
        return error_set(err, ERROR_XML_INVALID, "'autoconf' is of the family ipv6 alone");
    for (guint i = 0; protocol->ips && i < protocol->ips->len; i++) {
        HostifIp *one = g_ptr_array_index(protocol->ips, i);
        if (!check_address(one->address, protocol->family, &ip, err))
            return false;
        if (!one->prefix.is_set)
            one->prefix = (OptU32){ .value = protocol->family == HOSTIF_IPV6 ? 64 : 24, .is_set = true };
        if (one->prefix.value > ip_bits(&ip))
            return error_set(err, ERROR_XML_INVALID, "the prefix of %s is longer than %u", one->address,
                             ip_bits(&ip));
    }
    return !protocol->gateway || check_address(protocol->gateway, protocol->family, &ip, err);
}

static bool check_bond(const HostifDef *def, Error **err)
{
    IpAddress ip;

    if (def->type == HOSTIF_BOND && !def->ports)
        return error_set(err, ERROR_XML_INVALID, "bond has no interfaces");
    if (def->has_miimon && def->has_arpmon)
        return error_set(err, ERROR_XML_INVALID, "a bond is watched by miimon or by arpmon, not by both");
    if (def->arp_target && (!ip_parse(def->arp_target, &ip) || ip.is_v6))
        return error_set(err, ERROR_XML_INVALID, "'%s' is no IPv4 address", def->arp_target);
    return true;
}

static bool check_ports(const HostifDef *def, Error **err)
{
    if (def->type == HOSTIF_BOND && !check_bond(def, err))
        return false;
    for (guint i = 0; def->ports && i < def->ports->len; i++) {
        const HostifDef *port = g_ptr_array_index(def->ports, i);
        if (!check_name(port->name, err))
            return false;
        if (strcmp(port->name, def->name) == 0)
            return error_set(err, ERROR_XML_INVALID, "'%s' cannot be a part of itself", def->name);
        for (guint k = 0; k < i; k++) {
            if (strcmp(((const HostifDef *)g_ptr_array_index(def->ports, k))->name, port->name) == 0)
                return error_set(err, ERROR_XML_INVALID, "'%s' is named twice", port->name);
        }
        if ((def->type == HOSTIF_BOND && port->type != HOSTIF_ETHERNET) || port->type == HOSTIF_BRIDGE)
            return error_set(err, ERROR_XML_INVALID,
                             "an interface of type '%s' cannot be a part of one of type '%s'",
                             enum_name(&hostif_type_names, port->type),
                             enum_name(&hostif_type_names, def->type));
        if (port->lower && !check_name(port->lower, err))
            return false;
        if (port->type == HOSTIF_BOND && !check_ports(port, err))
            return false;
    }
    return true;
}

static void make_uuid(HostifDef *def)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize len = sizeof(digest);

    g_checksum_update(sum, (const guchar *)"interface ", -1);
    g_checksum_update(sum, (const guchar *)def->name, -1);
    g_checksum_get_digest(sum, digest, &len);
    memcpy(def->uuid.bytes, digest, sizeof(def->uuid.bytes));
    def->uuid.bytes[6] =
        (def->uuid.bytes[6] & 0x0f) | 0x80; /* made by a rule of ours (RFC 9562, version 8) */
    def->uuid.bytes[8] = (def->uuid.bytes[8] & 0x3f) | 0x80;
}

bool hostif_def_complete(HostifDef *def, Error **err)
{
    Mac mac;
    char *end = NULL;

    if (!def->name && def->type == HOSTIF_VLAN)
        def->name = g_strdup_printf("%s.%u", def->lower, def->tag.value);
    if (!def->name)
        return error_set(err, ERROR_XML_INVALID, "interface has no name");
    if (!check_name(def->name, err) || (def->lower && !check_name(def->lower, err)))
        return false;
    if (def->lower && strcmp(def->lower, def->name) == 0)
        return error_set(err, ERROR_XML_INVALID, "'%s' cannot be on itself", def->name);
    if (def->mac && !mac_parse(def->mac, &mac, NULL))
        return error_set(err, ERROR_XML_INVALID, "'%s' is no MAC address", def->mac);
    if (def->delay && (g_ascii_strtod(def->delay, &end) < 0 || end == def->delay || *end ||
                       strspn(def->delay, "0123456789.") != strlen(def->delay)))
        return error_set(err, ERROR_XML_INVALID, "'%s' is no number of seconds", def->delay);
    for (guint i = 0; def->protocols && i < def->protocols->len; i++) {
        HostifProtocol *protocol = g_ptr_array_index(def->protocols, i);
        if (!check_protocol(protocol, err))
            return false;
        if (hostif_find_protocol(def, protocol->family) != protocol)
            return error_set(err, ERROR_XML_INVALID, "two protocols of the family %s",
                             enum_name(&family_names, protocol->family));
    }
    if (!check_ports(def, err))
        return false;
    make_uuid(def);
    return true;
}
