/* The bridge of a network: made in a worker, for the kernel's lock may be held by others. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/worker.h"
#include "network/netlink.h"
#include "network/network_private.h"

#define BRIDGE_DEADLINE_MS 30000

typedef struct BridgeJob {
    bool (*work)(struct BridgeJob *job, Error **err);
    NetworkDef *def; /* a copy; NULL: of no network */
    unsigned third;  /* what find_subnet() found */
    bool ok;
    Error *why;
} BridgeJob;

static void bridge_job_free(void *data)
{
    BridgeJob *job = data;

    xml_table_free(&network_table, job->def);
    error_free(job->why);
    g_free(job);
}

static void bridge_job_run(void *data)
{
    BridgeJob *job = data;

    job->ok = job->work(job, &job->why);
}

AWAITS static bool bridge_run(const NetworkDef *def, bool (*work)(BridgeJob *, Error **), unsigned *ret_third,
                              Error **err)
{
    BridgeJob *job = g_new0(BridgeJob, 1);

    job->work = work;
    job->def = def ? xml_table_copy(&network_table, def) : NULL;
    if (!worker_run(worker_lane_named("network links"), bridge_job_run, job, bridge_job_free,
                    BRIDGE_DEADLINE_MS, err))
        return error_prefix(err, "the kernel's network configuration");
    const bool ok = job->ok || error_propagate(err, g_steal_pointer(&job->why));
    if (ok && ret_third)
        *ret_third = job->third;
    bridge_job_free(job);
    return ok;
}

/* ---- in the worker ---- */

static bool set_sysctl(const char *path, const char *value, Error **err)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return error_set_errno(err, errno, "cannot write '%s' to %s", value, path);
    return true;
}

static bool set_ipv6(const NetworkDef *def, const char *name, const char *value, Error **err)
{
    g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/%s", def->bridge, name);

    return access(path, F_OK) != 0 || set_sysctl(path, value, err);
}

/* A switch of ours is no host: it takes no addresses from guests that say they are routers. */
static bool set_ipv6_all(const NetworkDef *def, bool has_v6, Error **err)
{
    return set_ipv6(def, "disable_ipv6", has_v6 ? "0" : "1", err) && set_ipv6(def, "accept_ra", "0", err) &&
           set_ipv6(def, "autoconf", "0", err);
}

static bool has_family(const NetworkDef *def, bool v6)
{
    for (guint i = 0; def->ips && i < def->ips->len; i++) {
        if (network_ip_is_v6(g_ptr_array_index(def->ips, i)) == v6)
            return true;
    }
    return false;
}

/* Would the subnet take packets that go elsewhere today? */
static bool check_routes(const NetworkDef *def, Error **err)
{
    g_autoptr(GArray) routes = NULL;
    IpAddress address;
    char name[IF_NAMESIZE];

    if (!netlink_list_routes(&routes, err))
        return false;
    for (guint i = 0; def->ips && i < def->ips->len; i++) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        if (network_ip_is_v6(ip) || !ip_parse(ip->address, &address))
            continue;
        for (guint k = 0; k < routes->len; k++) {
            const RouteInfo *route = &g_array_index(routes, RouteInfo, k);
            if (route->network.is_v6 || route->prefix == 0 || route->index == 0 || route->has_gateway ||
                !ip_is_in(&address, &route->network, MIN(route->prefix, network_ip_prefix(ip))) ||
                !if_indextoname((unsigned)route->index, name) || strcmp(name, def->bridge) == 0)
                continue;
            error_set(err, ERROR_INTERNAL, "Network is already in use by interface %s", name);
            return error_hint(err, "give the network '%s' another subnet than %s/%u", def->name, ip->address,
                              network_ip_prefix(ip));
        }
    }
    return true;
}

static bool add_addresses(const NetworkDef *def, Error **err)
{
    IpAddress address, gateway;

    for (guint i = 0; def->ips && i < def->ips->len; i++) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        if (!ip_parse(ip->address, &address) ||
            !netlink_add_address(def->bridge, &address, network_ip_prefix(ip), err))
            return false;
    }
    if (!netlink_change_link(def->bridge, &(LinkChange){ .set_up = true, .up = true }, err))
        return false;
    for (guint i = 0; def->routes && i < def->routes->len; i++) {
        const NetworkRoute *route = g_ptr_array_index(def->routes, i);
        const NetworkIp as_ip = { .family = route->family,
                                  .address = route->address,
                                  .netmask = route->netmask,
                                  .prefix = route->prefix };
        if (!ip_parse(route->address, &address) || !ip_parse(route->gateway, &gateway) ||
            !netlink_add_route(def->bridge, &address, network_ip_prefix(&as_ip), &gateway,
                               route->metric.is_set ? route->metric.value : 1, err))
            return false;
    }
    return true;
}

static bool turn_on_forwarding(const NetworkDef *def, Error **err)
{
    if (def->forward != NETWORK_NAT && def->forward != NETWORK_ROUTE && def->forward != NETWORK_OPEN)
        return true;
    if (has_family(def, false) && !set_sysctl("/proc/sys/net/ipv4/ip_forward", "1\n", err))
        return false;
    return !has_family(def, true) || set_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1\n", err);
}

/* What is there already stays. */
static bool bridge_configure(const NetworkDef *def, Error **err)
{
    return set_ipv6_all(def, has_family(def, true) || def->ipv6 == TRISTATE_ON, err) &&
           add_addresses(def, err) && turn_on_forwarding(def, err);
}

static bool bridge_up(BridgeJob *job, Error **err)
{
    const NetworkDef *def = job->def;
    const BridgeSpec spec = { .name = def->bridge,
                              .mac = def->has_mac ? &def->mac : NULL,
                              .mtu = def->mtu,
                              .stp = def->stp != TRISTATE_OFF,
                              .delay_s = def->delay_s.value,
                              .vlan_filtering = g_strcmp0(def->mac_table_manager, "libvirt") == 0 };

    if (!check_routes(def, err) || !netlink_add_bridge(&spec, err))
        return false;
    if (bridge_configure(def, err))
        return true;
    if (!netlink_remove_link(def->bridge, NULL))
        return false; /* the first failure says more */
    return false;
}

static bool bridge_down(BridgeJob *job, Error **err)
{
    return netlink_remove_link(job->def->bridge, err);
}

/* An earlier daemon may have died in the middle of making it. */
static bool bridge_repair(BridgeJob *job, Error **err)
{
    LinkInfo link;

    return netlink_get_link(job->def->bridge, &link, err) && strcmp(link.kind, "bridge") == 0 &&
           bridge_configure(job->def, err);
}

/* ---- from fibers ---- */

bool network_bridge_up(const NetworkDef *def, Error **err)
{
    return bridge_run(def, bridge_up, NULL, err);
}

void network_bridge_down(const NetworkDef *def)
{
    g_autoptr(Error) err = NULL;

    if (!bridge_run(def, bridge_down, NULL, &err))
        log_warning_error(err, def->bridge);
}

bool network_bridge_repair(const NetworkDef *def)
{
    return bridge_run(def, bridge_repair, NULL, NULL);
}

static bool find_subnet(BridgeJob *job, Error **err)
{
    g_autoptr(GArray) routes = NULL;

    if (!netlink_list_routes(&routes, err))
        return false;
    for (job->third = 122; job->third < 255; job->third++) {
        const IpAddress subnet = { .bytes = { 192, 168, (uint8_t)job->third, 0 } };
        bool is_used = false;
        for (guint k = 0; k < routes->len && !is_used; k++) {
            const RouteInfo *route = &g_array_index(routes, RouteInfo, k);
            is_used = !route->network.is_v6 && route->prefix != 0 &&
                      ip_is_in(&subnet, &route->network, MIN(route->prefix, 24U));
        }
        if (!is_used)
            return true;
    }
    return error_set(err, ERROR_OPERATION_FAILED, "no subnet 192.168.N.0/24 is free");
}

bool network_find_subnet(unsigned *ret_third, Error **err)
{
    return bridge_run(NULL, find_subnet, ret_third, err);
}
