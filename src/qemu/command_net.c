/* Network interfaces: -netdev and the card. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/ip.h"
#include "qemu/command_private.h"

#define FORWARDS_MAX                                                                                         \
    1024 /* ports of one interface that QEMU itself forwards: each is a socket of its own                    \
          */

static bool interface_needs_tap(const InterfaceDef *iface)
{
    return iface->type == INTERFACE_BRIDGE || iface->type == INTERFACE_ETHERNET ||
           iface->type == INTERFACE_DIRECT ||
           (iface->type == INTERFACE_NETWORK && (iface->actual_bridge || iface->actual_dev));
}

static unsigned interface_queue_count(const InterfaceDef *iface)
{
    return iface->tuning && iface->tuning->queues.is_set && iface->tuning->queues.value
               ? iface->tuning->queues.value
               : 1;
}

char *device_tap_fd_name(const char *alias, unsigned queue)
{
    return g_strdup_printf("%s-tap%u", alias, queue);
}

char *device_vhost_fd_name(const char *alias, unsigned queue)
{
    return g_strdup_printf("%s-vhost%u", alias, queue);
}

char *device_vdpa_fd_name(const char *alias)
{
    return g_strdup_printf("%s-vdpa", alias);
}

char *device_passt_fd_name(const char *alias)
{
    return g_strdup_printf("%s-passt", alias);
}

unsigned qemu_interface_queues(const InterfaceDef *iface)
{
    return interface_needs_tap(iface) ? interface_queue_count(iface) : 0;
}

/* "net0-tap0" or "net0-tap0:net0-tap1": one descriptor is "fd", several are "fds". */
static void prop_queues(Json *netdev, const InterfaceDef *iface, char *(*name)(const char *, unsigned),
                        const char *one, const char *many, Plan *plan)
{
    g_autoptr(GString) names = g_string_new(NULL);
    const unsigned queues = interface_queue_count(iface);
    for (unsigned i = 0; i < queues; i++) {
        g_autofree char *queue = name(iface->info.alias, i);
        g_string_append_printf(names, "%s%s", i ? ":" : "", queue);
    }
    json_object_set_new(netdev, queues > 1 ? many : one, plan_descriptors(plan, names->str));
}

static void netdev_tap(const PlanContext *c, const InterfaceDef *iface, Json *netdev, Plan *plan)
{
    prop_str(netdev, "type", "tap");
    if (!c->env->fds) {
        prop_str(netdev, "ifname", iface->target ? iface->target : "vnet0");
        prop_str(netdev, "script", "no");
        prop_str(netdev, "downscript", "no");
        prop_opt(netdev, "sndbuf", iface->sndbuf);
        return;
    }
    prop_queues(netdev, iface, device_tap_fd_name, "fd", "fds", plan);
    g_autofree char *vhost = device_vhost_fd_name(iface->info.alias, 0);
    if (plan_fds_get(c->env->fds, vhost) >= 0) {
        prop_bool(netdev, "vhost", true);
        prop_queues(netdev, iface, device_vhost_fd_name, "vhostfd", "vhostfds", plan);
    }
    prop_opt(netdev, "sndbuf", iface->sndbuf);
}

static void netdev_socket(const InterfaceDef *iface, const char *key, Json *netdev)
{
    prop_str(netdev, "type", "socket");
    prop_format(netdev, key, "%s:%u", iface->source_address ? iface->source_address : "",
                iface->source_port.value);
    if (iface->type == INTERFACE_UDP)
        prop_format(netdev, "localaddr", "%s:%u", iface->local_address ? iface->local_address : "",
                    iface->local_port.value);
}

static void netdev_vhost_user(const InterfaceDef *iface, Json *netdev)
{
    prop_str(netdev, "type", "vhost-user");
    prop_format(netdev, "chardev", "char%s", iface->info.alias);
    if (interface_queue_count(iface) > 1)
        prop_uint(netdev, "queues", interface_queue_count(iface));
}

static void netdev_vdpa(const PlanContext *c, const InterfaceDef *iface, Json *netdev, Plan *plan)
{
    g_autofree char *name = device_vdpa_fd_name(iface->info.alias);

    prop_str(netdev, "type", "vhost-vdpa");
    if (plan_fds_get(c->env->fds, name) >= 0)
        json_object_set_new(netdev, "vhostdev", plan_descriptor_set(plan, name));
    else
        prop_str(netdev, "vhostdev", iface->source);
}

/* ---- user networks ---- */

static void netdev_passt(const PlanContext *c, const InterfaceDef *iface, Json *netdev, Plan *plan)
{
    g_autofree char *name = device_passt_fd_name(iface->info.alias);
    const bool has_fd = plan_fds_get(c->env->fds, name) >= 0;
    Json *address = json_object();

    prop_str(address, "type", has_fd ? "fd" : "unix");
    if (has_fd)
        json_object_set_new(address, "str", plan_descriptors(plan, name));
    else
        prop_str(address, "path", "passt.socket");
    prop_str(netdev, "type", "stream");
    json_object_set_new(netdev, "addr", address);
    prop_bool(netdev, "server", false);
}

/* QEMU listens on one port of the host for each of the guest's. */
static bool add_forwards(Json *list, const InterfaceForward *forward, Error **err)
{
    const char *proto = forward->proto == PORT_FORWARD_UDP ? "udp" : "tcp";
    IpAddress address;

    if (forward->dev || def_list_len(forward->ranges) == 0 ||
        (forward->address && (!ip_parse(forward->address, &address) || address.is_v6))) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED,
                  "<portForward>: QEMU itself forwards single IPv4 ports, not those of a device, all of "
                  "them, "
                  "or IPv6");
        return error_hint(err, "use <backend type='passt'/>");
    }
    for (DEF_EACH(PortRange, range, forward->ranges)) {
        const unsigned to = range->to ? range->to : range->start;
        for (unsigned port = range->start; port <= MAX(range->start, range->end); port++) {
            if (range->exclude == TRISTATE_ON)
                break;
            if (json_array_size(list) >= FORWARDS_MAX)
                return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                                 "<portForward>: QEMU itself forwards at most %d ports", FORWARDS_MAX);
            g_autofree char *text =
                g_strdup_printf("%s:%s:%u-:%u", proto, forward->address ? forward->address : "", port,
                                to + port - range->start);
            json_array_append_new(list, json_pack("{s:s}", "str", text));
        }
    }
    return true;
}

static bool netdev_user(const InterfaceDef *iface, Json *netdev, Error **err)
{
    AUTO_JSON forwards = json_array();

    prop_str(netdev, "type", "user");
    for (DEF_EACH(InterfaceIp, ip, iface->ips)) {
        if (strcmp(ip->family, "ipv6") == 0) {
            prop_str(netdev, "ipv6-prefix", ip->address);
            prop_some(netdev, "ipv6-prefixlen", ip->prefix);
        } else if (ip->prefix) {
            prop_format(netdev, "net", "%s/%u", ip->address, ip->prefix);
        } else {
            prop_str(netdev, "net", ip->address);
        }
    }
    prop_str(netdev, "hostname", iface->backend_hostname);
    for (DEF_EACH(InterfaceForward, forward, iface->port_forwards)) {
        if (!add_forwards(forwards, forward, err))
            return false;
    }
    if (json_array_size(forwards))
        json_object_set(netdev, "hostfwd", forwards);
    return true;
}

static bool netdev_build(const PlanContext *c, const InterfaceDef *iface, Json *netdev, Plan *plan,
                         Error **err)
{
    switch (iface->type) {
    case INTERFACE_USER:
    case INTERFACE_INTERNAL:
        if (iface->backend == INTERFACE_BACKEND_PASST)
            netdev_passt(c, iface, netdev, plan);
        else if (!netdev_user(iface, netdev, err))
            return false;
        break;
    case INTERFACE_BRIDGE:
    case INTERFACE_ETHERNET:
    case INTERFACE_DIRECT:
        netdev_tap(c, iface, netdev, plan);
        break;
    case INTERFACE_NETWORK:
        if (c->env->fds && !iface->actual_bridge && !iface->actual_dev)
            return error_set(err, ERROR_NO_NETWORK, "no network with matching name '%s'",
                             iface->source ? iface->source : "");
        netdev_tap(c, iface, netdev, plan);
        break;
    case INTERFACE_SERVER:
        netdev_socket(iface, "listen", netdev);
        break;
    case INTERFACE_CLIENT:
        netdev_socket(iface, "connect", netdev);
        break;
    case INTERFACE_MCAST:
        netdev_socket(iface, "mcast", netdev);
        break;
    case INTERFACE_UDP:
        netdev_socket(iface, "udp", netdev);
        break;
    case INTERFACE_VHOST_USER:
        if (!plan_chardev(c, iface->info.alias, iface->vhost_user, NULL, plan, err))
            return false;
        netdev_vhost_user(iface, netdev);
        break;
    case INTERFACE_VDPA:
        netdev_vdpa(c, iface, netdev, plan);
        break;
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "interface type '%s' is not supported by this version",
                         enum_name(&interface_type_names, iface->type));
    }
    prop_format(netdev, "id", "host%s", iface->info.alias);
    return true;
}

static char *card_driver(const InterfaceDef *iface)
{
    const char *model = iface->model ? iface->model : "rtl8139";
    if (g_str_equal(model, "virtio"))
        return virtio_driver("virtio-net", VIRTIO_MODEL_VIRTIO, &iface->info);
    if (g_str_equal(model, "virtio-transitional"))
        return virtio_driver("virtio-net", VIRTIO_MODEL_TRANSITIONAL, &iface->info);
    if (g_str_equal(model, "virtio-non-transitional"))
        return virtio_driver("virtio-net", VIRTIO_MODEL_NON_TRANSITIONAL, &iface->info);
    return g_strdup(model);
}

static void prop_offloads(Json *card, const VirtioNetOffloads *host, const VirtioNetOffloads *guest)
{
    prop_tristate(card, "csum", host->csum);
    prop_tristate(card, "gso", host->gso);
    prop_tristate(card, "host_tso4", host->tso4);
    prop_tristate(card, "host_tso6", host->tso6);
    prop_tristate(card, "host_ecn", host->ecn);
    prop_tristate(card, "host_ufo", host->ufo);
    prop_tristate(card, "mrg_rxbuf", host->mrg_rxbuf);
    prop_tristate(card, "guest_csum", guest->csum);
    prop_tristate(card, "guest_tso4", guest->tso4);
    prop_tristate(card, "guest_tso6", guest->tso6);
    prop_tristate(card, "guest_ecn", guest->ecn);
    prop_tristate(card, "guest_ufo", guest->ufo);
}

static void prop_tuning(Json *card, const InterfaceTuning *tuning)
{
    if (tuning->txmode != VIRTIO_TX_ABSENT)
        prop_str(card, "tx", tuning->txmode == VIRTIO_TX_TIMER ? "timer" : "bh");
    prop_tristate(card, "ioeventfd", tuning->ioeventfd);
    prop_tristate(card, "event_idx", tuning->event_idx);
    prop_offloads(card, &tuning->host, &tuning->guest);
    if (tuning->queues.is_set && tuning->queues.value > 1) {
        prop_bool(card, "mq", true);
        prop_uint(card, "vectors",
                  2 * tuning->queues.value + 2); /* one per queue and direction, config, control */
    }
    prop_opt(card, "rx_queue_size", tuning->rx_queue_size);
    prop_opt(card, "tx_queue_size", tuning->tx_queue_size);
    prop_tristate(card, "rss", tuning->rss);
    prop_tristate(card, "hash", tuning->rss_hash_report);
    prop_virtio(card, &tuning->virtio);
}

static unsigned interface_boot_index(const PlanContext *c, const InterfaceDef *iface)
{
    if (iface->info.boot_order)
        return iface->info.boot_order;
    for (DEF_EACH(InterfaceDef, first, c->def->interfaces)) {
        if (!first->info.boot_order)
            return first == iface ? boot_rank(c, BOOT_DEV_NETWORK) : 0;
    }
    return 0;
}

bool plan_interface(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const InterfaceDef *iface = def;

    if (iface->type == INTERFACE_HOSTDEV)
        return plan_interface_hostdev(c, iface, plan, err);
    AUTO_JSON netdev = json_object();
    /* A card without a cable has no back end. */
    const bool has_netdev = iface->type != INTERFACE_NULL;
    if (has_netdev && !netdev_build(c, iface, netdev, plan, err))
        return false;
    if (has_netdev)
        plan_add(plan, PLAN_NETDEV, g_steal_pointer(&netdev));

    g_autofree char *driver = card_driver(iface);
    const unsigned boot = interface_boot_index(c, iface);
    char mac[MAC_STRING_LEN];
    Json *card = device_new(driver);
    if (iface->tuning && g_str_has_prefix(driver, "virtio-net"))
        prop_tuning(card, iface->tuning);
    if (iface->mtu && g_str_has_prefix(driver, "virtio-net"))
        prop_uint(card, "host_mtu", iface->mtu);
    if (iface->teaming == TEAMING_PERSISTENT)
        prop_bool(card, "failover", true);
    if (has_netdev)
        prop_format(card, "netdev", "host%s", iface->info.alias);
    prop_str(card, "id", iface->info.alias);
    mac_format(&iface->mac, mac);
    prop_str(card, "mac", mac);
    prop_some(card, "bootindex", boot);
    return add_device(c, plan, card, &iface->info, err);
}
