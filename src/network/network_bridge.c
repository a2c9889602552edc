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
    GArray *used;    /* AddressInfo: subnets of other networks, running or not */
    char *port;      /* that joins it */
    bool is_isolated;
    unsigned third; /* what find_subnet() found */
    bool ok;
    Error *why;
} BridgeJob;

static void bridge_job_free(void *data)
{
    BridgeJob *job = data;

    xml_table_free(&network_table, job->def);
    if (job->used)
        g_array_unref(job->used);
    g_free(job->port);
    error_free(job->why);
    g_free(job);
}

static void bridge_job_run(void *data)
{
    BridgeJob *job = data;

    job->ok = job->work(job, &job->why);
}

static BridgeJob *bridge_job_new(const NetworkDef *def, bool (*work)(BridgeJob *, Error **))
{
    BridgeJob *job = g_new0(BridgeJob, 1);

    job->work = work;
    job->def = def ? xml_table_copy(&network_table, def) : NULL;
    return job;
}

/* @job owned. */
AWAITS static bool bridge_run(BridgeJob *job, unsigned *ret_third, Error **err)
{
    if (!worker_run(worker_lane_named("network links"), bridge_job_run, job, bridge_job_free,
                    BRIDGE_DEADLINE_MS, err))
        return error_prefix(err, "the kernel's network configuration");
    const bool ok = job->ok || error_propagate(err, g_steal_pointer(&job->why));
    if (ok && ret_third)
        *ret_third = job->third;
    bridge_job_free(job);
    return ok;
}

/* What other networks have, also those that do not run. */
static GArray *subnets_of_others(Host *host, const NetworkDef *self)
{
    GArray *used = g_array_new(FALSE, TRUE, sizeof(AddressInfo));
    const Object *object = NULL;

    for (RegistryIter iter = registry_iter(host_registry(host, &network_class));
         (object = registry_next(&iter));) {
        const NetworkDef *const defs[] = { object->config, object->live };
        for (unsigned i = 0; i < G_N_ELEMENTS(defs) && !(self && uuid_equal(&self->uuid, &object->uuid));
             i++) {
            for (guint k = 0; defs[i] && defs[i]->ips && k < defs[i]->ips->len; k++) {
                const NetworkIp *ip = g_ptr_array_index(defs[i]->ips, k);
                AddressInfo item = { .prefix = network_ip_prefix(ip) };
                if (ip_parse(ip->address, &item.ip))
                    g_array_append_val(used, item);
            }
        }
    }
    return used;
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

/* ---- subnets ---- */

static bool overlaps(const IpAddress *a, unsigned a_prefix, const IpAddress *b, unsigned b_prefix)
{
    return a->is_v6 == b->is_v6 && a_prefix > 0 && b_prefix > 0 && ip_is_in(a, b, MIN(a_prefix, b_prefix));
}

/* By routes of all tables, addresses and other networks. */
static bool find_subnet(BridgeJob *job, Error **err)
{
    g_autoptr(GArray) routes = NULL, addresses = NULL;

    if (!netlink_list_routes(&routes, err) || !netlink_list_addresses(&addresses, err))
        return false;
    for (job->third = 122; job->third < 255; job->third++) {
        const IpAddress subnet = { .bytes = { 192, 168, (uint8_t)job->third, 0 } };
        bool is_used = false;
        for (guint i = 0; i < routes->len && !is_used; i++) {
            const RouteInfo *route = &g_array_index(routes, RouteInfo, i);
            is_used = overlaps(&subnet, 24, &route->network, route->prefix);
        }
        for (guint i = 0; i < addresses->len && !is_used; i++) {
            const AddressInfo *address = &g_array_index(addresses, AddressInfo, i);
            is_used = overlaps(&subnet, 24, &address->ip, address->prefix);
        }
        for (guint i = 0; job->used && i < job->used->len && !is_used; i++) {
            const AddressInfo *other = &g_array_index(job->used, AddressInfo, i);
            is_used = overlaps(&subnet, 24, &other->ip, other->prefix);
        }
        if (!is_used)
            return true;
    }
    return error_set(err, ERROR_OPERATION_FAILED, "no subnet 192.168.N.0/24 is free");
}

static bool fail_in_use(BridgeJob *job, const NetworkIp *ip, const RouteInfo *route, const char *name,
                        Error **err)
{
    char network[IP_STRING_LEN], gateway[IP_STRING_LEN];

    if (route->has_gateway) {
        ip_format(&route->network, network);
        ip_format(&route->gateway, gateway);
        error_set(err, ERROR_INTERNAL,
                  "Network is already in use by the route to %s/%u via %s on interface %s", network,
                  route->prefix, gateway, name);
    } else {
        error_set(err, ERROR_INTERNAL, "Network is already in use by interface %s", name);
    }
    if (find_subnet(job, NULL))
        return error_hint(err, "give the network '%s' another subnet than %s/%u: 192.168.%u.0/24 is free",
                          job->def->name, ip->address, network_ip_prefix(ip), job->third);
    return error_hint(err, "give the network '%s' another subnet than %s/%u", job->def->name, ip->address,
                      network_ip_prefix(ip));
}

/* Would the subnet take packets that go elsewhere today? A wide route behind a gateway does not count: a
 * subnet inside it is nearer. */
static bool check_routes(BridgeJob *job, Error **err)
{
    const NetworkDef *def = job->def;
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
            if (route->index == 0 ||
                !overlaps(&address, network_ip_prefix(ip), &route->network, route->prefix) ||
                (route->has_gateway && route->prefix < network_ip_prefix(ip)) ||
                !if_indextoname((unsigned)route->index, name) || strcmp(name, def->bridge) == 0)
                continue;
            return fail_in_use(job, ip, route, name, err);
        }
    }
    return true;
}

/* ---- the bridge ---- */

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

/* By which we know a bridge of ours again. */
static char *bridge_mark(const NetworkDef *def)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(&def->uuid, uuid);
    return g_strdup_printf("lodge network %s", uuid);
}

/* One that an earlier life of the network left is no hindrance, anybody else's is. */
static bool remove_stale(const NetworkDef *def, Error **err)
{
    g_autofree char *mark = bridge_mark(def);
    LinkInfo link;

    if (if_nametoindex(def->bridge) == 0 || !netlink_get_link(def->bridge, &link, NULL))
        return true;
    if (strcmp(link.alias, mark) == 0)
        return netlink_remove_link(def->bridge, err);
    error_set_errno(err, EEXIST, "Unable to create bridge device %s", def->bridge);
    if (strcmp(link.kind, "bridge") != 0)
        return error_hint(err, "an interface '%s' is there: give the network another <bridge name='...'/>",
                          def->bridge);
    return error_hint(err,
                      "somebody else made the bridge '%s': remove it (ip link del %s), or give the network "
                      "another "
                      "<bridge name='...'/>",
                      def->bridge, def->bridge);
}

/* What is there already stays. */
static bool bridge_configure(const NetworkDef *def, Error **err)
{
    g_autofree char *mark = bridge_mark(def);

    return netlink_change_link(def->bridge, &(LinkChange){ .alias = mark }, err) &&
           set_ipv6_all(def, has_family(def, true) || def->ipv6 == TRISTATE_ON, err) &&
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

    if (!remove_stale(def, err) || !check_routes(job, err) || !netlink_add_bridge(&spec, err))
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

bool network_bridge_up(Host *host, const NetworkDef *def, Error **err)
{
    BridgeJob *job = bridge_job_new(def, bridge_up);

    job->used = subnets_of_others(host, def);
    return bridge_run(job, NULL, err);
}

void network_bridge_down(const NetworkDef *def)
{
    g_autoptr(Error) err = NULL;

    if (!bridge_run(bridge_job_new(def, bridge_down), NULL, &err))
        log_warning_error(err, def->bridge);
}

bool network_bridge_repair(const NetworkDef *def)
{
    return bridge_run(bridge_job_new(def, bridge_repair), NULL, NULL);
}

bool network_find_subnet(Host *host, unsigned *ret_third, Error **err)
{
    BridgeJob *job = bridge_job_new(NULL, find_subnet);

    job->used = subnets_of_others(host, NULL);
    return bridge_run(job, ret_third, err);
}

static bool rejoin(BridgeJob *job, Error **err)
{
    static const BridgePortChange isolated = { .isolated = 1, .learning = -1, .unicast_flood = -1 };

    return netlink_change_link(job->port,
                               &(LinkChange){ .master = job->def->bridge, .set_up = true, .up = true },
                               err) &&
           (!job->is_isolated || netlink_change_port(job->port, &isolated, err));
}

bool network_bridge_rejoin(const NetworkDef *def, const char *port, bool is_isolated, Error **err)
{
    BridgeJob *job = bridge_job_new(def, rejoin);

    job->port = g_strdup(port);
    job->is_isolated = is_isolated;
    return bridge_run(job, NULL, err);
}
