/* systemd-networkd (systemd.network(5), systemd.netdev(5)) and NetworkManager (nm-settings-keyfile(5)): a
 * file per interface, in sections. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "network/hostif_files.h"

#define NETWORKD "/etc/systemd/network/"
#define DEPTH_MAX 3 /* slaves of bonds of bridges */
#define NM "/etc/NetworkManager/system-connections/"

static const HostifDef *port_of(const HostifDef *def, guint i)
{
    return g_ptr_array_index(def->ports, i);
}

static guint n_ports(const HostifDef *def)
{
    return def->ports ? def->ports->len : 0;
}

/* What a file says, exactly; owned. */
static char *value_in(const HostifPlan *plan, const char *path, const char *section, const char *key)
{
    g_autofree char *text = hostif_plan_read(plan, path);
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (!text || !g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL))
        return NULL;
    return g_key_file_get_string(file, section, key, NULL);
}

/* ---- systemd-networkd ---- */

static void put_networkd_addresses(GString *out, const HostifDef *def)
{
    const HostifProtocol *v4 = hostif_find_protocol(def, HOSTIF_IPV4),
                         *v6 = hostif_find_protocol(def, HOSTIF_IPV6);
    const HostifProtocol *both[] = { v4, v6 };
    const bool dhcp4 = v4 && v4->has_dhcp, dhcp6 = v6 && v6->has_dhcp;

    g_string_append_printf(out, "DHCP=%s\n", dhcp4 && dhcp6 ? "yes" : dhcp4 ? "ipv4" : dhcp6 ? "ipv6" : "no");
    g_string_append_printf(out, "IPv6AcceptRA=%s\n", v6 && (v6->has_autoconf || dhcp6) ? "yes" : "no");
    if (!v6)
        g_string_append(out, "LinkLocalAddressing=no\n");
    for (unsigned i = 0; i < 2; i++) {
        for (guint k = 0; both[i] && both[i]->ips && k < both[i]->ips->len; k++) {
            const HostifIp *ip = g_ptr_array_index(both[i]->ips, k);
            g_string_append_printf(out, "Address=%s/%u\n", ip->address, ip->prefix.value);
        }
        if (both[i] && both[i]->gateway)
            g_string_append_printf(out, "Gateway=%s\n", both[i]->gateway);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (both[i] && both[i]->has_dhcp && both[i]->peerdns == TRISTATE_OFF)
            g_string_append_printf(out, "\n[DHCPv%c]\nUseDNS=no\n", i ? '6' : '4');
    }
}

static char *network_text(const HostifDef *def)
{
    GString *out = g_string_new(HOSTIF_BANNER);

    g_string_append_printf(out, "[Match]\nName=%s\n\n[Link]\n", def->name);
    if (def->start == HOSTIF_START_NONE)
        g_string_append(out, "ActivationPolicy=manual\n");
    if (def->mtu.is_set)
        g_string_append_printf(out, "MTUBytes=%u\n", def->mtu.value);
    if (def->mac && def->type == HOSTIF_ETHERNET)
        g_string_append_printf(out, "MACAddress=%s\n", def->mac);
    g_string_append(out, "\n[Network]\n");
    if (def->type == HOSTIF_BRIDGE || def->type == HOSTIF_BOND)
        g_string_append(out, "ConfigureWithoutCarrier=yes\n");
    put_networkd_addresses(out, def);
    return g_string_free(out, FALSE);
}

static char *netdev_text(const HostifDef *def)
{
    GString *out = g_string_new(HOSTIF_BANNER);

    g_string_append_printf(out, "[NetDev]\nName=%s\nKind=%s\n", def->name,
                           enum_name(&hostif_type_names, def->type));
    if (def->mac)
        g_string_append_printf(out, "MACAddress=%s\n", def->mac);
    if (def->type == HOSTIF_VLAN)
        g_string_append_printf(out, "\n[VLAN]\nId=%u\n", def->tag.value);
    if (def->type == HOSTIF_BRIDGE)
        g_string_append_printf(out, "\n[Bridge]\nSTP=%s\nForwardDelaySec=%s\n",
                               def->stp == TRISTATE_ON ? "yes" : "no", def->delay ? def->delay : "0");
    if (def->type != HOSTIF_BOND)
        return g_string_free(out, FALSE);
    g_string_append_printf(out, "\n[Bond]\nMode=%s\n",
                           enum_name(&bond_mode_names, def->mode ? def->mode : BOND_BALANCE_RR));
    if (def->has_miimon)
        g_string_append_printf(out, "MIIMonitorSec=%ums\nDownDelaySec=%ums\nUpDelaySec=%ums\n",
                               def->miimon_ms, def->downdelay_ms, def->updelay_ms);
    if (def->has_arpmon)
        g_string_append_printf(out, "ARPIntervalSec=%ums\nARPIPTargets=%s\n", def->arp_interval_ms,
                               def->arp_target);
    if (def->arp_validate)
        g_string_append_printf(out, "ARPValidate=%s\n", enum_name(&bond_validate_names, def->arp_validate));
    return g_string_free(out, FALSE);
}

/* The VLANs of an interface are said at the interface: in a file beside the one that describes it. */
static void plan_vlan_parent(HostifPlan *plan, const HostifDef *def)
{
    g_autoptr(GPtrArray) names = hostif_plan_list(plan, NETWORKD, ".network");
    g_autofree char *made = g_strdup_printf("00-lodge-%s.network", def->lower);
    g_autofree char *made_path = g_strconcat(NETWORKD, made, NULL);
    const char *parent = NULL;

    for (guint i = 0; i < names->len && !parent; i++) {
        g_autofree char *path = g_strconcat(NETWORKD, g_ptr_array_index(names, i), NULL);
        g_autofree char *match = value_in(plan, path, "Match", "Name");
        if (g_strcmp0(match, def->lower) == 0)
            parent = g_ptr_array_index(names, i);
    }
    if (!parent && !hostif_plan_takes(plan, def->lower))
        hostif_plan_file(plan, made_path,
                         g_strdup_printf(HOSTIF_BANNER
                                         "[Match]\nName=%s\n\n[Network]\nLinkLocalAddressing=no\n",
                                         def->lower),
                         0644);
    g_autofree char *place =
        g_strdup_printf(NETWORKD "%s.d/lodge-vlan-%s.conf", parent ? parent : made, def->name);
    hostif_plan_file(plan, place, g_strdup_printf(HOSTIF_BANNER "[Network]\nVLAN=%s\n", def->name), 0644);
}

static void plan_networkd_parts(HostifPlan *plan, const HostifDef *def)
{
    for (guint i = 0; i < n_ports(def); i++) {
        const HostifDef *part = port_of(def, i);
        g_autofree char *path = g_strdup_printf(NETWORKD "00-lodge-%s.network", part->name);
        g_autofree char *netdev = g_strdup_printf(NETWORKD "00-lodge-%s.netdev", part->name);
        hostif_plan_file(plan, path,
                         g_strdup_printf(HOSTIF_BANNER
                                         "[Match]\nName=%s\n\n[Network]\n%s=%s\nLinkLocalAddressing=no\n",
                                         part->name, def->type == HOSTIF_BOND ? "Bond" : "Bridge", def->name),
                         0644);
        if (part->type != HOSTIF_ETHERNET)
            hostif_plan_file(plan, netdev, netdev_text(part), 0644);
        if (part->type == HOSTIF_VLAN)
            plan_vlan_parent(plan, part);
        plan_networkd_parts(plan, part);
    }
}

/* Files of @name, of what lodged made a part of it, and what makes it a VLAN of another. A pattern is about
 * others, too: ours come before it by their names. */
static void drop_networkd(HostifPlan *plan, const char *name, unsigned depth)
{
    static const char *const endings[] = { ".network", ".netdev" };
    g_autofree char *drop_in = g_strdup_printf("lodge-vlan-%s.conf", name);

    for (size_t k = 0; k < G_N_ELEMENTS(endings); k++) {
        g_autoptr(GPtrArray) names = hostif_plan_list(plan, NETWORKD, endings[k]);
        for (guint i = 0; i < names->len; i++) {
            g_autofree char *path = g_strconcat(NETWORKD, g_ptr_array_index(names, i), NULL);
            g_autofree char *place = g_strconcat(path, ".d/", drop_in, NULL);
            g_autofree char *match = value_in(plan, path, k ? "NetDev" : "Match", "Name");
            g_autofree char *bridge = value_in(plan, path, "Network", "Bridge");
            g_autofree char *bond = value_in(plan, path, "Network", "Bond");
            const bool is_part = g_str_has_prefix(g_ptr_array_index(names, i), "00-lodge-") &&
                                 (g_strcmp0(bridge, name) == 0 || g_strcmp0(bond, name) == 0);
            hostif_plan_file(plan, place, NULL, 0644);
            if (is_part && match && depth < DEPTH_MAX)
                drop_networkd(plan, match, depth + 1);
            if (g_strcmp0(match, name) == 0)
                hostif_plan_file(plan, path, NULL, 0644);
        }
    }
}

static void drop_networkd_parts(HostifPlan *plan, const HostifDef *def)
{
    for (guint i = 0; i < n_ports(def); i++) {
        drop_networkd(plan, port_of(def, i)->name, 0);
        drop_networkd_parts(plan, port_of(def, i));
    }
}

bool hostif_plan_networkd(HostifPlan *plan, Error **err)
{
    const HostifDef *def = plan->def;

    drop_networkd(plan, plan->name, 0);
    if (!def)
        return true;
    drop_networkd_parts(plan, def);
    g_autofree char *network = g_strdup_printf(NETWORKD "00-lodge-%s.network", def->name);
    g_autofree char *netdev = g_strdup_printf(NETWORKD "00-lodge-%s.netdev", def->name);
    hostif_plan_file(plan, network, network_text(def), 0644);
    if (def->type != HOSTIF_ETHERNET)
        hostif_plan_file(plan, netdev, netdev_text(def), 0644);
    if (def->type == HOSTIF_VLAN)
        plan_vlan_parent(plan, def);
    plan_networkd_parts(plan, def);
    return true;
}

/* ---- NetworkManager ---- */

static void put_nm_family(GString *out, const HostifProtocol *protocol, bool is_v6)
{
    const char *method = !protocol                                                         ? "disabled"
                         : protocol->ips && !protocol->has_dhcp && !protocol->has_autoconf ? "manual"
                         : is_v6 && protocol->has_dhcp && !protocol->has_autoconf          ? "dhcp"
                         : protocol->has_dhcp || protocol->has_autoconf                    ? "auto"
                                                                                           : "disabled";

    g_string_append_printf(out, "\n[ipv%c]\nmethod=%s\n", is_v6 ? '6' : '4', method);
    for (guint i = 0; protocol && protocol->ips && i < protocol->ips->len; i++) {
        const HostifIp *ip = g_ptr_array_index(protocol->ips, i);
        g_string_append_printf(out, "address%u=%s/%u\n", i + 1, ip->address, ip->prefix.value);
    }
    if (protocol && protocol->gateway)
        g_string_append_printf(out, "gateway=%s\n", protocol->gateway);
    if (protocol && protocol->has_dhcp && protocol->peerdns == TRISTATE_OFF)
        g_string_append(out, "ignore-auto-dns=true\n");
}

static void put_nm_bond(GString *out, const HostifDef *def)
{
    g_string_append_printf(out, "\n[bond]\nmode=%s\n",
                           enum_name(&bond_mode_names, def->mode ? def->mode : BOND_BALANCE_RR));
    if (def->has_miimon)
        g_string_append_printf(out, "miimon=%u\ndowndelay=%u\nupdelay=%u\n", def->miimon_ms,
                               def->downdelay_ms, def->updelay_ms);
    if (def->has_arpmon)
        g_string_append_printf(out, "arp_interval=%u\narp_ip_target=%s\n", def->arp_interval_ms,
                               def->arp_target);
    if (def->arp_validate)
        g_string_append_printf(out, "arp_validate=%s\n", enum_name(&bond_validate_names, def->arp_validate));
}

/* Without it what has its ports keeps them, a connection that NetworkManager made up by itself for example.
 */
static void put_nm_ports(GString *out, const HostifDef *def)
{
    if (n_ports(def))
        g_string_append(out, "autoconnect-slaves=1\n");
}

static char *nm_text(const HostifDef *def)
{
    char uuid[UUID_STRING_LEN];
    GString *out = g_string_new(HOSTIF_BANNER);

    uuid_format(&def->uuid, uuid);
    g_string_append_printf(out, "[connection]\nid=%s\nuuid=%s\ntype=%s\ninterface-name=%s\nautoconnect=%s\n",
                           def->name, uuid, enum_name(&hostif_type_names, def->type), def->name,
                           def->start == HOSTIF_START_NONE ? "false" : "true");
    put_nm_ports(out, def);
    if (def->mtu.is_set || def->mac)
        g_string_append(out, "\n[ethernet]\n");
    if (def->mtu.is_set)
        g_string_append_printf(out, "mtu=%u\n", def->mtu.value);
    if (def->mac)
        g_string_append_printf(out, "cloned-mac-address=%s\n", def->mac);
    if (def->type == HOSTIF_BRIDGE)
        g_string_append_printf(out, "\n[bridge]\nstp=%s\nforward-delay=%d\n",
                               def->stp == TRISTATE_ON ? "true" : "false",
                               def->delay ? (int)(g_ascii_strtod(def->delay, NULL) + 0.5) : 0);
    if (def->type == HOSTIF_VLAN)
        g_string_append_printf(out, "\n[vlan]\nid=%u\nparent=%s\n", def->tag.value, def->lower);
    if (def->type == HOSTIF_BOND)
        put_nm_bond(out, def);
    put_nm_family(out, hostif_find_protocol(def, HOSTIF_IPV4), false);
    put_nm_family(out, hostif_find_protocol(def, HOSTIF_IPV6), true);
    return g_string_free(out, FALSE);
}

static char *nm_port_text(const HostifDef *def, const HostifDef *port)
{
    GString *out = g_string_new(HOSTIF_BANNER);

    g_string_append_printf(out,
                           "[connection]\nid=%s-%s\ntype=%s\ninterface-name=%s\nmaster=%s\nslave-type=%s\n",
                           def->name, port->name, enum_name(&hostif_type_names, port->type), port->name,
                           def->name, def->type == HOSTIF_BOND ? "bond" : "bridge");
    put_nm_ports(out, port);
    if (port->type == HOSTIF_VLAN)
        g_string_append_printf(out, "\n[vlan]\nid=%u\nparent=%s\n", port->tag.value, port->lower);
    if (port->type == HOSTIF_BOND)
        put_nm_bond(out, port);
    return g_string_free(out, FALSE);
}

static void plan_nm_parts(HostifPlan *plan, const HostifDef *def)
{
    for (guint i = 0; i < n_ports(def); i++) {
        const HostifDef *part = port_of(def, i);
        g_autofree char *path = g_strconcat(NM, def->name, "-", part->name, ".nmconnection", NULL);
        hostif_plan_file(plan, path, nm_port_text(def, part), 0600);
        plan_nm_parts(plan, part);
    }
}

/* Connections of @name, and of what is a part of it. */
static void drop_nm(HostifPlan *plan, const GPtrArray *names, const char *name, unsigned depth)
{
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat(NM, g_ptr_array_index(names, i), NULL);
        g_autofree char *interface = value_in(plan, path, "connection", "interface-name");
        g_autofree char *master = value_in(plan, path, "connection", "master");
        if (g_strcmp0(interface, name) == 0)
            hostif_plan_file(plan, path, NULL, 0600);
        else if (g_strcmp0(master, name) == 0 && interface && depth < DEPTH_MAX)
            drop_nm(plan, names, interface, depth + 1);
    }
}

static void drop_nm_parts(HostifPlan *plan, const GPtrArray *names, const HostifDef *def)
{
    for (guint i = 0; i < n_ports(def); i++) {
        drop_nm(plan, names, port_of(def, i)->name, 0);
        drop_nm_parts(plan, names, port_of(def, i));
    }
}

bool hostif_plan_nm(HostifPlan *plan, Error **err)
{
    g_autoptr(GPtrArray) names = hostif_plan_list(plan, NM, "");
    const HostifDef *def = plan->def;

    drop_nm(plan, names, plan->name, 0);
    if (!def)
        return true;
    drop_nm_parts(plan, names, def);
    g_autofree char *own = g_strconcat(NM, def->name, ".nmconnection", NULL);
    hostif_plan_file(plan, own, nm_text(def), 0600);
    plan_nm_parts(plan, def);
    return true;
}
