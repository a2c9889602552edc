/* The interfaces that the kernel has, and their documents. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/worker.h"
#include "network/hostif_private.h"

#define LOOK_DEADLINE_MS 15000

void hostif_view_free(HostifView *view)
{
    if (!view)
        return;
    g_clear_pointer(&view->links, g_array_unref);
    g_clear_pointer(&view->addresses, g_array_unref);
    g_clear_pointer(&view->routes, g_array_unref);
    g_free(view);
}

const LinkInfo *hostif_view_find(const HostifView *view, const char *name)
{
    for (guint i = 0; i < view->links->len; i++) {
        const LinkInfo *link = &g_array_index(view->links, LinkInfo, i);
        if (strcmp(link->name, name) == 0)
            return link;
    }
    return NULL;
}

/* ---- in the worker ---- */

typedef struct LookJob {
    HostifView *view;
    char *name; /* NULL: no document is wanted */
    HostifDetail detail;
    HostifDef *def;
} LookJob;

static void look_job_free(void *data)
{
    LookJob *job = data;

    hostif_view_free(job->view);
    xml_table_free(&hostif_table, job->def);
    g_free(job->name);
    g_free(job);
}

/* Mbit/s as the driver says, -1 as it is where nobody knows; false: it says nothing. */
static bool read_speed(const char *name, uint32_t *ret_mbps)
{
    struct ethtool_cmd command = { .cmd = ETHTOOL_GSET };
    struct ifreq request = { .ifr_data = (void *)&command };
    AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
    if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
        return false;
    *ret_mbps = ethtool_cmd_speed(&command);
    return true;
}

static void describe_link(const LinkInfo *link, HostifDef *def)
{
    uint32_t mbps = 0;

    def->link_state = (HostifState)MIN(link->operstate + 1U, HOSTIF_STATE_UP);
    if (link->operstate == OPER_UP && read_speed(link->name, &mbps))
        def->link_mbps = (OptU32){ .value = mbps, .is_set = true };
    def->mac = g_malloc(MAC_STRING_LEN);
    mac_format(&link->mac, def->mac);
}

static void describe_ports(const HostifView *view, const LinkInfo *link, HostifDef *def)
{
    for (guint i = 0; i < view->links->len; i++) {
        const LinkInfo *port = &g_array_index(view->links, LinkInfo, i);
        if (port->master == link->index)
            describe_link(port, hostif_add_port(def, port->name));
    }
}

/* A lease, or what a router told, is not to be an address for ever. */
static void describe_address(const AddressInfo *address, HostifDetail detail, HostifDef *def)
{
    HostifProtocol *protocol = hostif_protocol(def, address->ip.is_v6 ? HOSTIF_IPV6 : HOSTIF_IPV4);
    char text[IP_STRING_LEN];

    ip_format(&address->ip, text);
    if (detail != DETAIL_CONFIG || address->valid_s == UINT32_MAX)
        hostif_add_ip(protocol, text, address->prefix);
    else if (address->ip.is_v6)
        protocol->has_autoconf = true;
    else
        protocol->has_dhcp = true;
}

static void describe_addresses(const HostifView *view, const LinkInfo *link, HostifDetail detail,
                               HostifDef *def)
{
    char text[IP_STRING_LEN];

    for (guint i = 0; i < view->addresses->len; i++) {
        const AddressInfo *address = &g_array_index(view->addresses, AddressInfo, i);
        if (address->index == link->index && (detail != DETAIL_CONFIG || address->scope != RT_SCOPE_LINK))
            describe_address(address, detail, def);
    }
    for (guint i = 0; i < view->routes->len; i++) {
        const RouteInfo *route = &g_array_index(view->routes, RouteInfo, i);
        if (route->index != link->index || route->prefix || !route->has_gateway ||
            route->table != RT_TABLE_MAIN)
            continue;
        HostifProtocol *protocol =
            (HostifProtocol *)hostif_find_protocol(def, route->gateway.is_v6 ? HOSTIF_IPV6 : HOSTIF_IPV4);
        ip_format(&route->gateway, text);
        if (protocol && protocol->ips && !protocol->gateway)
            protocol->gateway = g_strdup(text);
    }
}

static HostifDef *describe(const HostifView *view, const LinkInfo *link, HostifDetail detail)
{
    HostifDef *def = xml_table_new(&hostif_table);

    def->name = g_strdup(link->name);
    def->mtu = (OptU32){ .value = link->mtu, .is_set = true };
    if (strcmp(link->kind, "bridge") == 0) {
        def->type = HOSTIF_BRIDGE;
        def->stp = link->stp ? TRISTATE_ON : TRISTATE_OFF;
        def->delay = detail == DETAIL_CONFIG
                         ? g_strdup_printf("%u.%02u", link->delay_centis / 100, link->delay_centis % 100)
                         : g_strdup_printf("%u", link->delay_centis);
        describe_ports(view, link, def);
    } else if (strcmp(link->kind, "bond") == 0) {
        def->type = HOSTIF_BOND;
        def->mode = (BondMode)MIN(link->bond_mode + 1, BOND_BALANCE_ALB);
        def->has_miimon = link->bond_miimon_ms > 0;
        def->miimon_ms = link->bond_miimon_ms;
        if (def->has_miimon)
            def->carrier = link->bond_asks_netif ? CARRIER_NETIF : CARRIER_IOCTL;
        describe_ports(view, link, def);
    } else if (strcmp(link->kind, "vlan") == 0) {
        def->type = HOSTIF_VLAN;
        def->tag = (OptU32){ .value = link->vlan_tag, .is_set = true };
        for (guint i = 0; i < view->links->len; i++) {
            const LinkInfo *lower = &g_array_index(view->links, LinkInfo, i);
            if (lower->index == link->lower)
                def->lower = g_strdup(lower->name);
        }
    } else {
        describe_link(link, def);
    }
    if (detail != DETAIL_PLAIN)
        describe_addresses(view, link, detail, def);
    return def;
}

static bool look_job_run(void *data, Error **err)
{
    LookJob *job = data;

    if (!netlink_list_links(&job->view->links, err) || !netlink_list_addresses(&job->view->addresses, err) ||
        !netlink_list_routes(&job->view->routes, err))
        return false;
    const LinkInfo *link = job->name ? hostif_view_find(job->view, job->name) : NULL;
    if (link)
        job->def = describe(job->view, link, job->detail);
    return true;
}

/* ---- asking for it ---- */

AWAITS static bool look(const char *name, HostifDetail detail, LookJob **ret_job, Error **err)
{
    LookJob *job = g_new0(LookJob, 1);

    *job = (LookJob){ .view = g_new0(HostifView, 1), .name = g_strdup(name), .detail = detail };
    if (!worker_call(worker_lane_named("network links"), look_job_run, job, look_job_free, LOOK_DEADLINE_MS,
                     err))
        return error_prefix(err, "the kernel's network configuration");
    *ret_job = job;
    return true;
}

bool hostif_view(HostifView **ret_view, Error **err)
{
    LookJob *job = NULL;

    if (!look(NULL, DETAIL_PLAIN, &job, err))
        return false;
    *ret_view = g_steal_pointer(&job->view);
    look_job_free(job);
    return true;
}

bool hostif_describe(const char *name, HostifDetail detail, HostifDef **ret_def, Error **err)
{
    LookJob *job = NULL;

    if (!look(name, detail, &job, err))
        return false;
    *ret_def = g_steal_pointer(&job->def);
    look_job_free(job);
    return true;
}
