/* systemd-networkd (systemd.network(5), systemd.netdev(5)) and NetworkManager (nm-settings-keyfile(5)): a
 * file per interface, in sections. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "network/hostif_files.h"

#define NETWORKD "/etc/systemd/network/"
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
static void plan_vlan_parent(HostifPlan *plan, GPtrArray *names)
{
    const HostifDef *def = plan->def;
    g_autofree char *text = g_strdup_printf(HOSTIF_BANNER "[Network]\nVLAN=%s\n", plan->name);
    g_autofree char *drop_in = g_strdup_printf("lodge-vlan-%s.conf", plan->name);
    const char *parent = NULL;

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat(NETWORKD, g_ptr_array_index(names, i), NULL);
        g_autofree char *place = g_strconcat(path, ".d/", drop_in, NULL);
        g_autofree char *match = value_in(plan, path, "Match", "Name");
        if (def && def->type == HOSTIF_VLAN && !parent && g_strcmp0(match, def->lower) == 0)
            parent = g_ptr_array_index(names, i);
        else
            hostif_plan_file(plan, place, NULL, 0644);
    }
    if (!def || def->type != HOSTIF_VLAN)
        return;
    g_autofree char *made = g_strdup_printf("00-lodge-%s.network", def->lower);
    g_autofree char *made_path = g_strconcat(NETWORKD, made, NULL);
    if (!parent)
        hostif_plan_file(plan, made_path,
                         g_strdup_printf(HOSTIF_BANNER
                                         "[Match]\nName=%s\n\n[Network]\nLinkLocalAddressing=no\n",
                                         def->lower),
                         0644);
    g_autofree char *place = g_strconcat(NETWORKD, parent ? parent : made, ".d/", drop_in, NULL);
    hostif_plan_file(plan, place, g_strdup(text), 0644);
}

bool hostif_plan_networkd(HostifPlan *plan, Error **err)
{
    static const char *const endings[] = { ".network", ".netdev" };
    const HostifDef *def = plan->def;

    for (size_t k = 0; k < G_N_ELEMENTS(endings); k++) {
        g_autoptr(GPtrArray) names = hostif_plan_list(plan, NETWORKD, endings[k]);
        for (guint i = 0; i < names->len; i++) {
            g_autofree char *path = g_strconcat(NETWORKD, g_ptr_array_index(names, i), NULL);
            g_autofree char *match = value_in(plan, path, k ? "NetDev" : "Match", "Name");
            g_autofree char *bridge = value_in(plan, path, "Network", "Bridge");
            g_autofree char *bond = value_in(plan, path, "Network", "Bond");
            const bool was_part = g_str_has_prefix(g_ptr_array_index(names, i), "00-lodge-") &&
                                  (g_strcmp0(bridge, plan->name) == 0 || g_strcmp0(bond, plan->name) == 0);
            /* A pattern is about others, too: ours comes before it by its name. */
            if (was_part || (match && hostif_plan_takes(plan, match)))
                hostif_plan_file(plan, path, NULL, 0644);
        }
        if (k == 0)
            plan_vlan_parent(plan, names);
    }
    if (!def)
        return true;
    g_autofree char *network = g_strdup_printf(NETWORKD "00-lodge-%s.network", def->name);
    g_autofree char *netdev = g_strdup_printf(NETWORKD "00-lodge-%s.netdev", def->name);
    hostif_plan_file(plan, network, network_text(def), 0644);
    if (def->type != HOSTIF_ETHERNET)
        hostif_plan_file(plan, netdev, netdev_text(def), 0644);
    for (guint i = 0; i < n_ports(def); i++) {
        g_autofree char *path = g_strdup_printf(NETWORKD "00-lodge-%s.network", port_of(def, i)->name);
        hostif_plan_file(plan, path,
                         g_strdup_printf(HOSTIF_BANNER
                                         "[Match]\nName=%s\n\n[Network]\n%s=%s\nLinkLocalAddressing=no\n",
                                         port_of(def, i)->name, def->type == HOSTIF_BOND ? "Bond" : "Bridge",
                                         def->name),
                         0644);
    }
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

static char *nm_text(const HostifDef *def)
{
    char uuid[UUID_STRING_LEN];
    GString *out = g_string_new(HOSTIF_BANNER);

    uuid_format(&def->uuid, uuid);
    g_string_append_printf(out, "[connection]\nid=%s\nuuid=%s\ntype=%s\ninterface-name=%s\nautoconnect=%s\n",
                           def->name, uuid, enum_name(&hostif_type_names, def->type), def->name,
                           def->start == HOSTIF_START_NONE ? "false" : "true");
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
    if (port->type == HOSTIF_VLAN)
        g_string_append_printf(out, "\n[vlan]\nid=%u\nparent=%s\n", port->tag.value, port->lower);
    if (port->type == HOSTIF_BOND)
        put_nm_bond(out, port);
    return g_string_free(out, FALSE);
}

bool hostif_plan_nm(HostifPlan *plan, Error **err)
{
    g_autoptr(GPtrArray) names = hostif_plan_list(plan, NM, "");
    const HostifDef *def = plan->def;

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_strconcat(NM, g_ptr_array_index(names, i), NULL);
        g_autofree char *interface = value_in(plan, path, "connection", "interface-name");
        g_autofree char *master = value_in(plan, path, "connection", "master");
        if ((interface && hostif_plan_takes(plan, interface)) || (master && strcmp(master, plan->name) == 0))
            hostif_plan_file(plan, path, NULL, 0600);
    }
    if (!def)
        return true;
    g_autofree char *own = g_strconcat(NM, def->name, ".nmconnection", NULL);
    hostif_plan_file(plan, own, nm_text(def), 0600);
    for (guint i = 0; i < n_ports(def); i++) {
        g_autofree char *path = g_strconcat(NM, def->name, "-", port_of(def, i)->name, ".nmconnection", NULL);
        hostif_plan_file(plan, path, nm_port_text(def, port_of(def, i)), 0600);
    }
    return true;
}
