/* Taps and macvtaps for machines: made in a worker, because each step waits for the kernel's lock of the
 * network configuration. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "network/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/worker.h"
#include "conf/network.h"
#include "network/shaping.h"
#include "network/tap.h"

#define ATTACH_DEADLINE_MS 30000
#define MACVTAPS_MAX 8191
#define DEVICE_NODE_MS 5000 /* until udev has made /dev/tapN */

typedef struct AttachJob {
    void (*work)(struct AttachJob *job);
    LinkSpec spec; /* its texts and lists are owned */
    BandwidthLimit inbound, outbound;
    LinkChange change; /* of a filter */
    char *name;
    int *fds;
    GArray *neighbours;
    bool ok;
    Error *why;
} AttachJob;

static void attach_job_free(void *data)
{
    AttachJob *job = data;

    for (unsigned i = 0; job->fds && i < job->spec.n_queues; i++) {
        if (job->fds[i] >= 0)
            (void)close(job->fds[i]);
    }
    g_free((char *)job->spec.bridge);
    g_free((char *)job->spec.lower);
    g_free((char *)job->spec.tap_device);
    g_clear_pointer((GPtrArray **)&job->spec.ips, g_ptr_array_unref);
    g_clear_pointer((GPtrArray **)&job->spec.routes, g_ptr_array_unref);
    g_free(job->fds);
    if (job->neighbours)
        g_array_unref(job->neighbours);
    g_free(job->name);
    error_free(job->why);
    g_free(job);
}

static void attach_job_run(void *data)
{
    AttachJob *job = data;

    job->work(job);
}

static void free_ip(void *ip)
{
    xml_table_free(&interface_ip_table, ip);
}

static void free_route(void *route)
{
    xml_table_free(&network_route_table, route);
}

static GPtrArray *copy_list(const XmlTable *table, const GPtrArray *list, GDestroyNotify free_item)
{
    GPtrArray *copy = list ? g_ptr_array_new_with_free_func(free_item) : NULL;

    for (guint i = 0; list && i < list->len; i++)
        g_ptr_array_add(copy, xml_table_copy(table, g_ptr_array_index(list, i)));
    return copy;
}

static AttachJob *attach_job_new(const LinkSpec *spec, const char *name, void (*work)(AttachJob *job))
{
    AttachJob *job = g_new0(AttachJob, 1);

    *job = (AttachJob){ .work = work, .spec = *spec, .name = g_strdup(name) };
    job->spec.bridge = g_strdup(spec->bridge);
    job->spec.lower = g_strdup(spec->lower);
    job->spec.tap_device = g_strdup(spec->tap_device);
    job->spec.ips = copy_list(&interface_ip_table, spec->ips, free_ip);
    job->spec.routes = copy_list(&network_route_table, spec->routes, free_route);
    if (spec->inbound) {
        job->inbound = *spec->inbound;
        job->spec.inbound = &job->inbound;
    }
    if (spec->outbound) {
        job->outbound = *spec->outbound;
        job->spec.outbound = &job->outbound;
    }
    job->fds = g_new(int, spec->n_queues + 1);
    for (unsigned i = 0; i < spec->n_queues; i++)
        job->fds[i] = -1;
    return job;
}

/* ---- in the worker ---- */

static bool name_macvtap(AttachJob *job, const Mac *mac, Error **err)
{
    static const unsigned modes[DIRECT_MODE_COUNT] = { [DIRECT_MODE_ABSENT] = MACVLAN_MODE_VEPA,
                                                       [DIRECT_MODE_VEPA] = MACVLAN_MODE_VEPA,
                                                       [DIRECT_MODE_PRIVATE] = MACVLAN_MODE_PRIVATE,
                                                       [DIRECT_MODE_BRIDGE] = MACVLAN_MODE_BRIDGE,
                                                       [DIRECT_MODE_PASSTHROUGH] = MACVLAN_MODE_PASSTHRU };
    const unsigned mode = modes[job->spec.mode];

    if (job->name && !strchr(job->name, '%'))
        return netlink_add_macvlan(job->name, job->spec.lower, mode, true, mac, err);
    for (unsigned i = 0; i < MACVTAPS_MAX; i++) {
        g_autofree char *name = g_strdup_printf("macvtap%u", i);
        g_autoptr(Error) why = NULL;
        if (if_nametoindex(name))
            continue;
        if (netlink_add_macvlan(name, job->spec.lower, mode, true, mac, &why)) {
            g_free(job->name);
            job->name = g_steal_pointer(&name);
            return true;
        }
        if (error_errno(why) != EEXIST) /* else somebody was quicker */
            return error_propagate(err, g_steal_pointer(&why));
    }
    return error_set(err, ERROR_OPERATION_FAILED, "there are %d macvtaps already", MACVTAPS_MAX);
}

static bool open_macvtap(AttachJob *job, Error **err)
{
    struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
                                                  (job->spec.n_queues > 1 ? IFF_MULTI_QUEUE : 0)) };
    g_autofree char *path = g_strdup_printf("/dev/tap%u", if_nametoindex(job->name));

    g_strlcpy(request.ifr_name, job->name, IFNAMSIZ);
    for (unsigned i = 0; i < job->spec.n_queues; i++) {
        for (unsigned waited_ms = 0;; waited_ms += 10) {
            job->fds[i] = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
            if (job->fds[i] >= 0 || waited_ms >= DEVICE_NODE_MS || (errno != ENOENT && errno != ENXIO))
                break;
            g_usleep(10000);
        }
        if (job->fds[i] < 0)
            return error_set_errno(err, errno, "cannot open macvtap tap device %s", path);
        if (ioctl(job->fds[i], TUNSETIFF, &request) < 0)
            return error_set_errno(err, errno, "cannot set up macvtap tap device %s", path);
    }
    return true;
}

static bool make_macvtap(AttachJob *job, Error **err)
{
    /* Passed through, the device is the guest's: the kernel gives both the guest's address, and the device
     * its own again when the macvtap goes. */
    const bool is_alone = job->spec.mode == DIRECT_MODE_PASSTHROUGH;
    const LinkChange change = {
        .set_up = true, .up = true, .mtu = job->spec.mtu, .mac = is_alone ? &job->spec.mac : NULL
    };

    if (!name_macvtap(job, &job->spec.mac, err))
        return false;
    if (netlink_change_link(job->name, &change, err) && open_macvtap(job, err))
        return true;
    if (!netlink_remove_link(job->name, NULL))
        log_debug("macvtap '%s' stays", job->name);
    return false;
}

static bool make_tap(AttachJob *job, Error **err)
{
    static const BridgePortChange isolated = { .isolated = 1, .learning = -1, .unicast_flood = -1 };
    const LinkSpec *spec = &job->spec;
    const TapSpec tap = { .bridge = spec->bridge,
                          .device = spec->tap_device,
                          .mac = &spec->mac,
                          .mtu = spec->mtu,
                          .n_queues = spec->n_queues,
                          .coalesce_frames = spec->coalesce_frames,
                          .is_foreign = spec->is_foreign };

    return tap_open(&tap, &job->name, job->fds, err) &&
           (!spec->is_isolated || netlink_change_port(job->name, &isolated, err));
}

/* One that its owner made, of either kind. */
static bool open_foreign(AttachJob *job, Error **err)
{
    LinkInfo link;

    if (!job->name || !if_nametoindex(job->name))
        return error_set(err, ERROR_INTERNAL, "target managed='no' but specified dev doesn't exist");
    if (!netlink_get_link(job->name, &link, err))
        return false;
    return strcmp(link.kind, "macvtap") == 0 ? open_macvtap(job, err) : make_tap(job, err);
}

static bool add_ips(const AttachJob *job, Error **err)
{
    IpAddress address, peer;

    for (DEF_EACH(InterfaceIp, ip, job->spec.ips)) {
        const NetworkIp as_ip = { .family = ip->family,
                                  .address = ip->address,
                                  .prefix = { .value = ip->prefix, .is_set = ip->prefix != 0 } };
        const unsigned prefix = network_ip_prefix(&as_ip);
        if (!ip_parse(ip->address, &address) || (ip->peer && !ip_parse(ip->peer, &peer)))
            return error_set(err, ERROR_INVALID_ARGUMENT, "Invalid address '%s' in <ip>", ip->address);
        if (!(ip->peer ? netlink_add_line(job->name, &address, &peer, prefix, err)
                       : netlink_add_address(job->name, &address, prefix, err)))
            return false;
    }
    for (DEF_EACH(NetworkRoute, route, job->spec.routes)) {
        const NetworkIp as_ip = { .family = route->family,
                                  .address = route->address,
                                  .netmask = route->netmask,
                                  .prefix = route->prefix };
        if (!route->address || !ip_parse(route->address, &address) || !route->gateway ||
            !ip_parse(route->gateway, &peer))
            return error_set(err, ERROR_INVALID_ARGUMENT, "a <route> of '%s' lacks its address or gateway",
                             job->name);
        if (!netlink_add_route(job->name, &address, network_ip_prefix(&as_ip), &peer, route->metric.value,
                               err))
            return false;
    }
    return true;
}

/* The host sees a macvtap from the guest's side. */
static ShapingSpec shaping_of(const char *name, bool is_macvtap, const BandwidthLimit *inbound,
                              const BandwidthLimit *outbound)
{
    return (ShapingSpec){ .link = name,
                          .leaving = is_macvtap ? outbound : inbound,
                          .entering = is_macvtap ? inbound : outbound };
}

static bool add_limits(const AttachJob *job, Error **err)
{
    const LinkSpec *spec = &job->spec;
    const ShapingSpec shaping = shaping_of(job->name, spec->lower, spec->inbound, spec->outbound);

    return (!spec->inbound && !spec->outbound) || shaping_set(&shaping, err);
}

static void work_attach(AttachJob *job)
{
    const LinkSpec *spec = &job->spec;

    job->ok = (spec->is_foreign ? open_foreign(job, &job->why)
               : spec->lower    ? make_macvtap(job, &job->why)
                                : make_tap(job, &job->why)) &&
              add_ips(job, &job->why) && add_limits(job, &job->why);
    if (!job->ok && spec->lower && job->name && job->fds[0] >= 0 && !netlink_remove_link(job->name, NULL))
        log_debug("macvtap '%s' stays", job->name);
}

/* A port that stays where it is keeps what the bridge has learned of it. */
static bool replug(const AttachJob *job, Error **err)
{
    const BridgePortChange port = { .isolated = job->spec.is_isolated, .learning = -1, .unicast_flood = -1 };
    LinkChange change = { .mtu = job->spec.mtu };
    LinkInfo bridge, link;

    if (!netlink_get_link(job->spec.bridge, &bridge, err) || !netlink_get_link(job->name, &link, err))
        return false;
    if (link.master != bridge.index) {
        change.master = job->spec.bridge;
        if (change.mtu == 0 && bridge.mtu != link.mtu)
            change.mtu = bridge.mtu;
        if (!netlink_change_link(job->name, &change, err))
            return false;
    }
    return netlink_change_port(job->name, &port, err);
}

static void work_replug(AttachJob *job)
{
    job->ok = replug(job, &job->why);
}

static void work_set_filter(AttachJob *job)
{
    LinkInfo link;
    LinkChange change = job->change;

    if (!netlink_get_link(job->name, &link, &job->why))
        return;
    if (memcmp(&link.mac, &job->spec.mac, sizeof(Mac)) != 0)
        change.mac = &job->spec.mac;
    job->ok = netlink_change_link(job->name, &change, &job->why);
}

static void work_set_coalesce(AttachJob *job)
{
    job->ok = tap_set_coalesce(job->name, job->spec.coalesce_frames, &job->why);
}

static void work_set_function_mac(AttachJob *job)
{
    job->change.function_mac = &job->spec.mac;
    job->ok = netlink_change_link(job->name, &job->change, &job->why);
}

static void work_detach(AttachJob *job)
{
    job->ok = netlink_remove_link(job->name, &job->why);
}

static void work_detach_mac(AttachJob *job)
{
    g_autoptr(GArray) links = NULL;
    const int lower = (int)if_nametoindex(job->spec.lower);

    job->ok = netlink_list_links(&links, &job->why);
    for (guint i = 0; job->ok && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        if (strcmp(link->kind, "macvtap") == 0 && link->lower == lower &&
            memcmp(&link->mac, &job->spec.mac, sizeof(Mac)) == 0)
            job->ok = netlink_remove_link(link->name, &job->why);
    }
}

static void work_list_neighbours(AttachJob *job)
{
    job->ok = netlink_list_neighbours(&job->neighbours, &job->why);
}

/* ---- from fibers ---- */

AWAITS static bool attach_run(AttachJob *job, Error **err)
{
    if (!worker_run(worker_lane_named("network links"), attach_job_run, job, attach_job_free,
                    ATTACH_DEADLINE_MS, err))
        return error_prefix(err, "the kernel's network configuration");
    if (job->ok)
        return true;
    (void)!error_propagate(err, g_steal_pointer(&job->why));
    attach_job_free(job);
    return false;
}

bool link_attach(const LinkSpec *spec, char **io_name, int *ret_fds, Error **err)
{
    AttachJob *job = attach_job_new(spec, *io_name, work_attach);

    if (!attach_run(job, err))
        return false;
    for (unsigned i = 0; i < spec->n_queues; i++) {
        ret_fds[i] = job->fds[i];
        job->fds[i] = -1;
    }
    g_free(*io_name);
    *io_name = g_steal_pointer(&job->name);
    attach_job_free(job);
    return true;
}

bool link_limit(const char *name, bool is_macvtap, const BandwidthLimit *inbound,
                const BandwidthLimit *outbound, Error **err)
{
    const ShapingSpec shaping = shaping_of(name, is_macvtap, inbound, outbound);

    return shaping_change(&shaping, err);
}

bool link_replug(const char *name, const char *bridge, bool is_isolated, unsigned mtu, Error **err)
{
    const LinkSpec spec = { .bridge = bridge, .is_isolated = is_isolated, .mtu = mtu };
    AttachJob *job = attach_job_new(&spec, name, work_replug);

    if (!attach_run(job, err))
        return false;
    attach_job_free(job);
    return true;
}

bool link_set_filter(const char *name, const Mac *mac, bool all_multicast, bool promiscuous, Error **err)
{
    AttachJob *job = attach_job_new(&(LinkSpec){ .mac = *mac }, name, work_set_filter);

    job->change =
        (LinkChange){ .set_filter = true, .all_multicast = all_multicast, .promiscuous = promiscuous };
    if (!attach_run(job, err))
        return false;
    attach_job_free(job);
    return true;
}

bool link_set_coalesce(const char *name, unsigned frames, Error **err)
{
    AttachJob *job = attach_job_new(&(LinkSpec){ .coalesce_frames = frames }, name, work_set_coalesce);

    if (!attach_run(job, err))
        return false;
    attach_job_free(job);
    return true;
}

bool link_set_function_mac(const char *name, unsigned function, const Mac *mac, Error **err)
{
    AttachJob *job = attach_job_new(&(LinkSpec){ .mac = *mac }, name, work_set_function_mac);

    job->change = (LinkChange){ .function = function };
    if (!attach_run(job, err))
        return false;
    attach_job_free(job);
    return true;
}

bool link_list_neighbours(GArray **ret_neighbours, Error **err)
{
    AttachJob *job = attach_job_new(&(LinkSpec){ 0 }, NULL, work_list_neighbours);

    if (!attach_run(job, err))
        return false;
    *ret_neighbours = g_steal_pointer(&job->neighbours);
    attach_job_free(job);
    return true;
}

static void detach_run(AttachJob *job, const char *what)
{
    g_autoptr(Error) err = NULL;

    if (attach_run(job, &err))
        attach_job_free(job);
    else
        log_warning_error(err, what);
}

void link_detach(const char *name)
{
    detach_run(attach_job_new(&(LinkSpec){ 0 }, name, work_detach), name);
}

void link_detach_mac(const char *lower, const Mac *mac)
{
    detach_run(attach_job_new(&(LinkSpec){ .lower = lower, .mac = *mac }, NULL, work_detach_mac), lower);
}
