/* Messages of rtnetlink: built in a buffer, answered by an acknowledgement or a list. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/netlink_message.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"

#define ANSWER_MAX 65536
#define ANSWER_TIMEOUT_S 10
#define BRIDGE_DELAY_MAX_S 30 /* as the kernel has it with spanning tree */

/* ---- messages ---- */

static struct nlmsghdr *message_header(Message *message)
{
    return (struct nlmsghdr *)message->bytes;
}

void *message_begin(Message *message, uint16_t type, uint16_t flags, size_t body_len)
{
    memset(message, 0, sizeof(*message));
    *message_header(message) = (struct nlmsghdr){ .nlmsg_len = (uint32_t)NLMSG_LENGTH(body_len),
                                                  .nlmsg_type = type,
                                                  .nlmsg_flags = NLM_F_REQUEST | flags,
                                                  .nlmsg_seq = 1 };
    return NLMSG_DATA(message_header(message));
}

struct rtattr *message_put(Message *message, unsigned short type, const void *data, size_t len)
{
    struct nlmsghdr *header = message_header(message);
    struct rtattr *attr = (struct rtattr *)(message->bytes + NLMSG_ALIGN(header->nlmsg_len));

    g_assert(NLMSG_ALIGN(header->nlmsg_len) + RTA_SPACE(len) <= sizeof(message->bytes));
    attr->rta_type = type;
    attr->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len)
        memcpy(RTA_DATA(attr), data, len);
    header->nlmsg_len = (uint32_t)(NLMSG_ALIGN(header->nlmsg_len) + RTA_ALIGN(attr->rta_len));
    return attr;
}

void message_put_text(Message *message, unsigned short type, const char *text)
{
    message_put(message, type, text, strlen(text) + 1);
}

static void message_put_u8(Message *message, unsigned short type, uint8_t value)
{
    message_put(message, type, &value, sizeof(value));
}

void message_put_u32(Message *message, unsigned short type, uint32_t value)
{
    message_put(message, type, &value, sizeof(value));
}

struct rtattr *message_nest(Message *message, unsigned short type)
{
    return message_put(message, type | NLA_F_NESTED, NULL, 0);
}

void message_nest_end(Message *message, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)(message->bytes + message_header(message)->nlmsg_len - (uint8_t *)nest);
}

/* ---- asking the kernel ---- */

static int netlink_open(Error **err)
{
    const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
    struct sockaddr_nl address = { .nl_family = AF_NETLINK };
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error_set_errno(err, errno, "cannot open a netlink socket");
        return -1;
    }
    return fd_steal(&fd);
}

static int send_message(int fd, Message *message)
{
    const struct nlmsghdr *header = message_header(message);

    return send(fd, message->bytes, header->nlmsg_len, 0) == (ssize_t)header->nlmsg_len ? 0 : errno;
}

/* The kernel's errno; 0: done. */
static int message_exchange(Message *message, Error **err, bool *ret_failed)
{
    g_autofree uint8_t *answer = g_malloc(ANSWER_MAX);
    AUTO_FD fd = netlink_open(err);

    *ret_failed = fd < 0;
    if (fd < 0)
        return 0;
    message_header(message)->nlmsg_flags |= NLM_F_ACK;
    const int why = send_message(fd, message);
    if (why)
        return why;
    for (;;) {
        const ssize_t got = recv(fd, answer, ANSWER_MAX, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? ETIMEDOUT : errno;
        const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
        if ((size_t)got >= NLMSG_LENGTH(sizeof(struct nlmsgerr)) && header->nlmsg_type == NLMSG_ERROR)
            return -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
    }
}

bool message_do(Message *message, int allowed, Error **err, const char *format, ...)
{
    bool failed = false;
    const int why = message_exchange(message, err, &failed);
    va_list args;

    if (failed)
        return false;
    if (why == 0 || (allowed && why == allowed))
        return true;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set_errno(err, why, "%s", text);
}

typedef void (*DumpFunc)(const struct nlmsghdr *header, GArray *items);

static bool dump_take(const uint8_t *answer, size_t len, DumpFunc func, GArray *items, bool *ret_done,
                      Error **err)
{
    for (const struct nlmsghdr *header = (const struct nlmsghdr *)answer; NLMSG_OK(header, len);
         header = NLMSG_NEXT(header, len)) {
        if (header->nlmsg_type == NLMSG_DONE) {
            *ret_done = true;
            return true;
        }
        if (header->nlmsg_type == NLMSG_ERROR)
            return error_set_errno(err, -((const struct nlmsgerr *)NLMSG_DATA(header))->error,
                                   "cannot read the network configuration");
        func(header, items);
    }
    return true;
}

static bool message_dump(Message *message, DumpFunc func, size_t item_size, GArray **ret_items, Error **err)
{
    g_autofree uint8_t *answer = g_malloc(ANSWER_MAX);
    g_autoptr(GArray) items = g_array_new(FALSE, TRUE, (guint)item_size);
    AUTO_FD fd = netlink_open(err);
    bool done = false;

    if (fd < 0)
        return false;
    message_header(message)->nlmsg_flags |= NLM_F_DUMP;
    const int why = send_message(fd, message);
    if (why)
        return error_set_errno(err, why, "cannot read the network configuration");
    while (!done) {
        const ssize_t got = recv(fd, answer, ANSWER_MAX, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set_errno(err, got < 0 ? errno : EIO, "cannot read the network configuration");
        if (!dump_take(answer, (size_t)got, func, items, &done, err))
            return false;
    }
    *ret_items = g_steal_pointer(&items);
    return true;
}

static bool find_index(const char *name, int *ret_index, Error **err)
{
    const unsigned index = strlen(name) < IFNAMSIZ ? if_nametoindex(name) : 0;

    if (index == 0)
        return error_set_errno(err, strlen(name) < IFNAMSIZ ? ENODEV : ENAMETOOLONG,
                               "cannot find the interface '%s'", name);
    *ret_index = (int)index;
    return true;
}

static bool check_new_name(const char *name, Error **err)
{
    const size_t len = strlen(name);

    if (len > 0 && len < IFNAMSIZ && !strpbrk(name, "/: \t\n") && strcmp(name, ".") != 0 &&
        strcmp(name, "..") != 0)
        return true;
    error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be the name of a network interface", name);
    return error_hint(err, "it has 1 to %d characters, no '/', ':' or blank", IFNAMSIZ - 1);
}

/* ---- links ---- */

static struct ifinfomsg *link_begin(Message *message, uint16_t type, uint16_t flags, int index)
{
    struct ifinfomsg *link = message_begin(message, type, flags, sizeof(*link));

    link->ifi_family = AF_UNSPEC;
    link->ifi_index = index;
    return link;
}

static void put_mac(Message *message, const Mac *mac)
{
    if (mac)
        message_put(message, IFLA_ADDRESS, mac->bytes, sizeof(mac->bytes));
}

bool netlink_add_bridge(const BridgeSpec *spec, Error **err)
{
    Message message;

    if (!check_new_name(spec->name, err))
        return false;
    link_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    message_put_text(&message, IFLA_IFNAME, spec->name);
    put_mac(&message, spec->mac);
    if (spec->mtu)
        message_put_u32(&message, IFLA_MTU, spec->mtu);
    struct rtattr *info = message_nest(&message, IFLA_LINKINFO);
    message_put_text(&message, IFLA_INFO_KIND, "bridge");
    struct rtattr *data = message_nest(&message, IFLA_INFO_DATA);
    /* Clock ticks of the user's, a hundred a second. It comes before spanning tree, with which the kernel
     * refuses less than 2 s, but makes 2 s of what it has when that is turned on. */
    message_put_u32(&message, IFLA_BR_FORWARD_DELAY, MIN(spec->delay_s, BRIDGE_DELAY_MAX_S) * 100);
    message_put_u32(&message, IFLA_BR_STP_STATE, spec->stp);
    if (spec->vlan_filtering)
        message_put_u8(&message, IFLA_BR_VLAN_FILTERING, 1);
    message_nest_end(&message, data);
    message_nest_end(&message, info);
    return message_do(&message, 0, err, "Unable to create bridge device %s", spec->name);
}

bool netlink_add_macvlan(const char *name, const char *lower, unsigned mode, bool with_tap, const Mac *mac,
                         Error **err)
{
    Message message;
    int index = 0;

    if (!check_new_name(name, err) || !find_index(lower, &index, err))
        return false;
    link_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    message_put_text(&message, IFLA_IFNAME, name);
    message_put_u32(&message, IFLA_LINK, (uint32_t)index);
    put_mac(&message, mac);
    struct rtattr *info = message_nest(&message, IFLA_LINKINFO);
    message_put_text(&message, IFLA_INFO_KIND, with_tap ? "macvtap" : "macvlan");
    struct rtattr *data = message_nest(&message, IFLA_INFO_DATA);
    message_put_u32(&message, IFLA_MACVLAN_MODE, mode);
    message_nest_end(&message, data);
    message_nest_end(&message, info);
    return message_do(&message, 0, err, "error creating %s interface %s@%s", with_tap ? "macvtap" : "macvlan",
                      name, lower);
}

bool netlink_add_plain(const char *name, const char *kind, const Mac *mac, Error **err)
{
    Message message;

    if (!check_new_name(name, err))
        return false;
    link_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    message_put_text(&message, IFLA_IFNAME, name);
    put_mac(&message, mac);
    struct rtattr *info = message_nest(&message, IFLA_LINKINFO);
    message_put_text(&message, IFLA_INFO_KIND, kind);
    message_nest_end(&message, info);
    return message_do(&message, 0, err, "cannot create the interface '%s'", name);
}

bool netlink_add_vlan(const char *name, const char *lower, unsigned tag, Error **err)
{
    const uint16_t id = (uint16_t)tag;
    Message message;
    int index = 0;

    if (!check_new_name(name, err) || !find_index(lower, &index, err))
        return false;
    link_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    message_put_text(&message, IFLA_IFNAME, name);
    message_put_u32(&message, IFLA_LINK, (uint32_t)index);
    struct rtattr *info = message_nest(&message, IFLA_LINKINFO);
    message_put_text(&message, IFLA_INFO_KIND, "vlan");
    struct rtattr *data = message_nest(&message, IFLA_INFO_DATA);
    message_put(&message, IFLA_VLAN_ID, &id, sizeof(id));
    message_nest_end(&message, data);
    message_nest_end(&message, info);
    return message_do(&message, 0, err, "cannot create the VLAN %u of '%s'", tag, lower);
}

bool netlink_add_bond(const char *name, unsigned mode, unsigned miimon_ms, Error **err)
{
    Message message;

    if (!check_new_name(name, err))
        return false;
    link_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    message_put_text(&message, IFLA_IFNAME, name);
    struct rtattr *info = message_nest(&message, IFLA_LINKINFO);
    message_put_text(&message, IFLA_INFO_KIND, "bond");
    struct rtattr *data = message_nest(&message, IFLA_INFO_DATA);
    message_put_u8(&message, IFLA_BOND_MODE, (uint8_t)mode);
    if (miimon_ms)
        message_put_u32(&message, IFLA_BOND_MIIMON, miimon_ms);
    message_nest_end(&message, data);
    message_nest_end(&message, info);
    return message_do(&message, 0, err, "cannot create the bond '%s'", name);
}

bool netlink_remove_link(const char *name, Error **err)
{
    Message message;

    link_begin(&message, RTM_DELLINK, 0, 0);
    if (strlen(name) >= IFNAMSIZ)
        return true;
    message_put_text(&message, IFLA_IFNAME, name);
    return message_do(&message, ENODEV, err, "cannot remove the interface '%s'", name);
}

static void put_function_mac(Message *message, unsigned function, const Mac *mac)
{
    struct ifla_vf_mac value = { .vf = function };
    struct rtattr *list = message_nest(message, IFLA_VFINFO_LIST);
    struct rtattr *info = message_nest(message, IFLA_VF_INFO);

    memcpy(value.mac, mac, sizeof(*mac));
    message_put(message, IFLA_VF_MAC, &value, sizeof(value));
    message_nest_end(message, info);
    message_nest_end(message, list);
}

bool netlink_change_link(const char *name, const LinkChange *change, Error **err)
{
    Message message;
    int index = 0, master = 0;

    if (!find_index(name, &index, err) ||
        (change->master && *change->master && !find_index(change->master, &master, err)))
        return false;
    struct ifinfomsg *link = link_begin(&message, RTM_NEWLINK, 0, index);
    if (change->set_up) {
        link->ifi_change = IFF_UP;
        link->ifi_flags = change->up ? IFF_UP : 0;
    }
    if (change->set_filter) {
        link->ifi_change |= IFF_ALLMULTI | IFF_PROMISC;
        link->ifi_flags |=
            (change->all_multicast ? IFF_ALLMULTI : 0U) | (change->promiscuous ? IFF_PROMISC : 0U);
    }
    put_mac(&message, change->mac);
    if (change->mtu)
        message_put_u32(&message, IFLA_MTU, change->mtu);
    if (change->alias)
        message_put_text(&message, IFLA_IFALIAS, change->alias);
    if (change->master)
        message_put_u32(&message, IFLA_MASTER, (uint32_t)master);
    if (change->function_mac)
        put_function_mac(&message, change->function, change->function_mac);
    return message_do(&message, 0, err, "cannot change the interface '%s'", name);
}

bool netlink_change_port(const char *name, const BridgePortChange *change, Error **err)
{
    Message message;
    int index = 0;

    if (!find_index(name, &index, err))
        return false;
    struct ifinfomsg *link = link_begin(&message, RTM_SETLINK, 0, index);
    link->ifi_family = AF_BRIDGE;
    struct rtattr *info = message_nest(&message, IFLA_PROTINFO);
    if (change->isolated >= 0)
        message_put_u8(&message, IFLA_BRPORT_ISOLATED, (uint8_t)change->isolated);
    if (change->learning >= 0)
        message_put_u8(&message, IFLA_BRPORT_LEARNING, (uint8_t)change->learning);
    if (change->unicast_flood >= 0)
        message_put_u8(&message, IFLA_BRPORT_UNICAST_FLOOD, (uint8_t)change->unicast_flood);
    message_nest_end(&message, info);
    return message_do(&message, 0, err, "cannot change the port '%s' of its bridge", name);
}

static bool change_vlan(uint16_t type, int index, const PortVlan *vlan, const char *port, Error **err)
{
    const struct bridge_vlan_info info = { .vid = vlan->id,
                                           .flags = (uint16_t)((vlan->is_own ? BRIDGE_VLAN_INFO_PVID : 0) |
                                                               (vlan->is_untagged ? BRIDGE_VLAN_INFO_UNTAGGED
                                                                                  : 0)) };
    Message message;

    struct ifinfomsg *link = link_begin(&message, type, 0, index);
    link->ifi_family = AF_BRIDGE;
    struct rtattr *spec = message_nest(&message, IFLA_AF_SPEC);
    message_put(&message, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
    message_nest_end(&message, spec);
    return message_do(&message, 0, err, "cannot set VLAN %u of port '%s'", vlan->id, port);
}

bool netlink_set_port_vlans(const char *port, const PortVlan *vlans, unsigned n_vlans, Error **err)
{
    static const PortVlan first = { .id = 1 };
    bool has_first = false;
    int index = 0;

    if (!find_index(port, &index, err))
        return false;
    for (unsigned i = 0; i < n_vlans; i++) {
        has_first = has_first || vlans[i].id == 1;
        if (!change_vlan(RTM_SETLINK, index, &vlans[i], port, err))
            return false;
    }
    return has_first || change_vlan(RTM_DELLINK, index, &first, port, err);
}

bool netlink_filter_vlans(const char *bridge, Error **err)
{
    Message message;
    int index = 0;

    if (!find_index(bridge, &index, err))
        return false;
    link_begin(&message, RTM_NEWLINK, 0, index);
    struct rtattr *info = message_nest(&message, IFLA_LINKINFO);
    message_put_text(&message, IFLA_INFO_KIND, "bridge");
    struct rtattr *data = message_nest(&message, IFLA_INFO_DATA);
    message_put_u8(&message, IFLA_BR_VLAN_FILTERING, 1);
    message_nest_end(&message, data);
    message_nest_end(&message, info);
    return message_do(&message, 0, err, "the bridge '%s' cannot filter by VLANs", bridge);
}

bool netlink_set_fdb(const char *port, const Mac *mac, bool present, Error **err)
{
    Message message;
    int index = 0;

    if (!find_index(port, &index, err))
        return false;
    struct ndmsg *entry = message_begin(&message, present ? RTM_NEWNEIGH : RTM_DELNEIGH,
                                        present ? NLM_F_CREATE | NLM_F_REPLACE : 0, sizeof(*entry));
    *entry = (struct ndmsg){
        .ndm_family = AF_BRIDGE, .ndm_ifindex = index, .ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER
    };
    message_put(&message, NDA_LLADDR, mac->bytes, sizeof(mac->bytes));
    return message_do(&message, present ? 0 : ENOENT, err, "cannot change the table of the bridge of '%s'",
                      port);
}

/* ---- addresses and routes ---- */

static size_t ip_len(const IpAddress *ip)
{
    return ip_bits(ip) / 8;
}

static unsigned char ip_family(const IpAddress *ip)
{
    return ip->is_v6 ? AF_INET6 : AF_INET;
}

static bool change_address(const char *link, const IpAddress *ip, const IpAddress *peer, unsigned prefix,
                           bool add, Error **err)
{
    Message message;
    char text[IP_STRING_LEN];
    int index = 0;

    if (!find_index(link, &index, err))
        return false;
    struct ifaddrmsg *address = message_begin(&message, add ? RTM_NEWADDR : RTM_DELADDR,
                                              add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*address));
    *address = (struct ifaddrmsg){ .ifa_family = ip_family(ip),
                                   .ifa_prefixlen = (unsigned char)prefix,
                                   .ifa_index = (unsigned)index };
    message_put(&message, IFA_LOCAL, ip->bytes, ip_len(ip));
    message_put(&message, IFA_ADDRESS, peer->bytes, ip_len(ip));
    if (add && !ip->is_v6 && prefix < 31 && peer == ip) {
        const IpAddress broadcast = ip_last(ip, prefix);
        message_put(&message, IFA_BROADCAST, broadcast.bytes, ip_len(ip));
    }
    /* Nobody else has the addresses of our own switches: no seconds of looking for them. */
    if (add && ip->is_v6)
        message_put_u32(&message, IFA_FLAGS, IFA_F_NODAD);
    ip_format(ip, text);
    return message_do(&message, add ? EEXIST : EADDRNOTAVAIL, err, "cannot %s address %s/%u %s '%s'",
                      add ? "add" : "remove", text, prefix, add ? "to" : "from", link);
}

bool netlink_add_address(const char *link, const IpAddress *ip, unsigned prefix, Error **err)
{
    return change_address(link, ip, ip, prefix, true, err);
}

bool netlink_add_line(const char *link, const IpAddress *ip, const IpAddress *peer, unsigned prefix,
                      Error **err)
{
    return change_address(link, ip, peer, prefix, true, err);
}

bool netlink_remove_address(const char *link, const IpAddress *ip, unsigned prefix, Error **err)
{
    return change_address(link, ip, ip, prefix, false, err);
}

bool netlink_add_route(const char *link, const IpAddress *network, unsigned prefix, const IpAddress *gateway,
                       unsigned metric, Error **err)
{
    Message message;
    char text[IP_STRING_LEN];
    int index = 0;

    if (!find_index(link, &index, err))
        return false;
    struct rtmsg *route = message_begin(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*route));
    *route = (struct rtmsg){ .rtm_family = ip_family(network),
                             .rtm_dst_len = (unsigned char)prefix,
                             .rtm_table = RT_TABLE_MAIN,
                             .rtm_protocol = RTPROT_STATIC,
                             .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                             .rtm_type = RTN_UNICAST };
    message_put(&message, RTA_DST, network->bytes, ip_len(network));
    message_put_u32(&message, RTA_OIF, (uint32_t)index);
    if (gateway)
        message_put(&message, RTA_GATEWAY, gateway->bytes, ip_len(gateway));
    if (metric)
        message_put_u32(&message, RTA_PRIORITY, metric);
    ip_format(network, text);
    return message_do(&message, EEXIST, err, "cannot add a route to %s/%u over '%s'", text, prefix, link);
}

bool netlink_put_route(const char *link, const RouteInfo *info, Error **err)
{
    Message message;
    char text[IP_STRING_LEN];
    int index = 0;

    if (!find_index(link, &index, err))
        return false;
    struct rtmsg *route = message_begin(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*route));
    *route = (struct rtmsg){ .rtm_family = ip_family(&info->network),
                             .rtm_dst_len = (unsigned char)info->prefix,
                             .rtm_protocol = info->protocol,
                             .rtm_scope = info->scope,
                             .rtm_type = RTN_UNICAST,
                             .rtm_flags = info->flags & RTNH_F_ONLINK };
    if (info->prefix)
        message_put(&message, RTA_DST, info->network.bytes, ip_len(&info->network));
    message_put_u32(&message, RTA_OIF, (uint32_t)index);
    message_put_u32(&message, RTA_TABLE, info->table);
    if (info->has_gateway)
        message_put(&message, RTA_GATEWAY, info->gateway.bytes, ip_len(&info->gateway));
    if (info->has_source)
        message_put(&message, RTA_PREFSRC, info->source.bytes, ip_len(&info->source));
    if (info->metric)
        message_put_u32(&message, RTA_PRIORITY, info->metric);
    ip_format(&info->network, text);
    return message_do(&message, EEXIST, err, "cannot add a route to %s/%u over '%s'", text, info->prefix,
                      link);
}

/* ---- looking ---- */

/* The attributes of a message, by type; a later one of the same type counts. */
static void attrs_read(const struct rtattr *attr, size_t len, const struct rtattr **table, unsigned max)
{
    memset(table, 0, sizeof(*table) * (max + 1));
    for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
        const unsigned type = attr->rta_type & NLA_TYPE_MASK;
        if (type <= max)
            table[type] = attr;
    }
}

static uint32_t attr_u32(const struct rtattr *attr)
{
    uint32_t value = 0;

    if (attr && RTA_PAYLOAD(attr) >= sizeof(value))
        memcpy(&value, RTA_DATA(attr), sizeof(value));
    return value;
}

static void attr_text(const struct rtattr *attr, char *ret_text, size_t size)
{
    if (attr)
        g_strlcpy(ret_text, RTA_DATA(attr), MIN(size, RTA_PAYLOAD(attr) + 1));
}

static void attr_mac(const struct rtattr *attr, Mac *ret_mac)
{
    if (attr && RTA_PAYLOAD(attr) == sizeof(ret_mac->bytes))
        memcpy(ret_mac->bytes, RTA_DATA(attr), sizeof(ret_mac->bytes));
}

static bool attr_ip(const struct rtattr *attr, unsigned char family, IpAddress *ret_ip)
{
    *ret_ip = (IpAddress){ .is_v6 = family == AF_INET6 };
    if (!attr || RTA_PAYLOAD(attr) != ip_len(ret_ip))
        return false;
    memcpy(ret_ip->bytes, RTA_DATA(attr), ip_len(ret_ip));
    return true;
}

static uint8_t bridge_port_state(const struct rtattr *data)
{
    const struct rtattr *attrs[IFLA_BRPORT_MAX + 1];

    attrs_read(RTA_DATA(data), RTA_PAYLOAD(data), attrs, IFLA_BRPORT_MAX);
    return attrs[IFLA_BRPORT_STATE] ? *(const uint8_t *)RTA_DATA(attrs[IFLA_BRPORT_STATE])
                                    : BR_STATE_DISABLED;
}

/* What is special about its kind. */
static void take_link_data(const struct rtattr *data, LinkInfo *item)
{
    const struct rtattr *attrs[IFLA_BR_MAX + 1]; /* a bridge has the most */
    uint16_t tag = 0;

    attrs_read(RTA_DATA(data), RTA_PAYLOAD(data), attrs, IFLA_BR_MAX);
    if (strcmp(item->kind, "bridge") == 0) {
        item->stp = attr_u32(attrs[IFLA_BR_STP_STATE]) != 0;
        item->delay_centis = attr_u32(attrs[IFLA_BR_FORWARD_DELAY]);
        item->filters_vlans =
            attrs[IFLA_BR_VLAN_FILTERING] && *(const uint8_t *)RTA_DATA(attrs[IFLA_BR_VLAN_FILTERING]);
    } else if (strcmp(item->kind, "vlan") == 0 && attrs[IFLA_VLAN_ID] &&
               RTA_PAYLOAD(attrs[IFLA_VLAN_ID]) >= sizeof(tag)) {
        memcpy(&tag, RTA_DATA(attrs[IFLA_VLAN_ID]), sizeof(tag));
        item->vlan_tag = tag;
    } else if (strcmp(item->kind, "bond") == 0 && attrs[IFLA_BOND_MODE]) {
        item->bond_mode = *(const uint8_t *)RTA_DATA(attrs[IFLA_BOND_MODE]);
        item->bond_miimon_ms = attr_u32(attrs[IFLA_BOND_MIIMON]);
        item->bond_asks_netif =
            attrs[IFLA_BOND_USE_CARRIER] && *(const uint8_t *)RTA_DATA(attrs[IFLA_BOND_USE_CARRIER]);
    }
}

static void take_link(const struct nlmsghdr *header, GArray *items)
{
    const struct rtattr *attrs[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
    const struct ifinfomsg *link = NLMSG_DATA(header);
    LinkInfo item = { .index = link->ifi_index, .flags = link->ifi_flags };
    struct rtnl_link_stats64 stats = { 0 };

    if (header->nlmsg_type != RTM_NEWLINK)
        return;
    attrs_read(IFLA_RTA(link), IFLA_PAYLOAD(header), attrs, IFLA_MAX);
    attr_text(attrs[IFLA_IFNAME], item.name, sizeof(item.name));
    attr_text(attrs[IFLA_IFALIAS], item.alias, sizeof(item.alias));
    attr_mac(attrs[IFLA_ADDRESS], &item.mac);
    item.mtu = attr_u32(attrs[IFLA_MTU]);
    item.master = (int)attr_u32(attrs[IFLA_MASTER]);
    item.lower = (int)attr_u32(attrs[IFLA_LINK]);
    item.has_carrier = attrs[IFLA_CARRIER] && *(const uint8_t *)RTA_DATA(attrs[IFLA_CARRIER]);
    if (attrs[IFLA_OPERSTATE])
        item.operstate = *(const uint8_t *)RTA_DATA(attrs[IFLA_OPERSTATE]);
    if (attrs[IFLA_LINKINFO]) {
        attrs_read(RTA_DATA(attrs[IFLA_LINKINFO]), RTA_PAYLOAD(attrs[IFLA_LINKINFO]), info, IFLA_INFO_MAX);
        attr_text(info[IFLA_INFO_KIND], item.kind, sizeof(item.kind));
        if (info[IFLA_INFO_SLAVE_DATA] && info[IFLA_INFO_SLAVE_KIND] &&
            strcmp(RTA_DATA(info[IFLA_INFO_SLAVE_KIND]), "bridge") == 0)
            item.port_state = bridge_port_state(info[IFLA_INFO_SLAVE_DATA]);
        if (info[IFLA_INFO_DATA])
            take_link_data(info[IFLA_INFO_DATA], &item);
    }
    if (attrs[IFLA_STATS64])
        memcpy(&stats, RTA_DATA(attrs[IFLA_STATS64]), MIN(sizeof(stats), RTA_PAYLOAD(attrs[IFLA_STATS64])));
    item.rx_bytes = stats.rx_bytes;
    item.rx_packets = stats.rx_packets;
    item.rx_errors = stats.rx_errors;
    item.rx_drops = stats.rx_dropped;
    item.tx_bytes = stats.tx_bytes;
    item.tx_packets = stats.tx_packets;
    item.tx_errors = stats.tx_errors;
    item.tx_drops = stats.tx_dropped;
    g_array_append_val(items, item);
}

bool netlink_list_links(GArray **ret_links, Error **err)
{
    Message message;

    link_begin(&message, RTM_GETLINK, 0, 0);
    return message_dump(&message, take_link, sizeof(LinkInfo), ret_links, err);
}

bool netlink_get_link(const char *name, LinkInfo *ret_link, Error **err)
{
    g_autoptr(GArray) links = NULL;

    if (!netlink_list_links(&links, err))
        return false;
    for (guint i = 0; i < links->len; i++) {
        if (strcmp(g_array_index(links, LinkInfo, i).name, name) == 0) {
            *ret_link = g_array_index(links, LinkInfo, i);
            return true;
        }
    }
    return error_set_errno(err, ENODEV, "cannot find the interface '%s'", name);
}

static void take_address(const struct nlmsghdr *header, GArray *items)
{
    const struct rtattr *attrs[IFA_MAX + 1];
    const struct ifaddrmsg *address = NLMSG_DATA(header);
    AddressInfo item = { .index = (int)address->ifa_index,
                         .prefix = address->ifa_prefixlen,
                         .scope = address->ifa_scope,
                         .valid_s = UINT32_MAX };
    struct ifa_cacheinfo times;

    if (header->nlmsg_type != RTM_NEWADDR)
        return;
    attrs_read(IFA_RTA(address), IFA_PAYLOAD(header), attrs, IFA_MAX);
    if (attrs[IFA_CACHEINFO] && RTA_PAYLOAD(attrs[IFA_CACHEINFO]) >= sizeof(times)) {
        memcpy(&times, RTA_DATA(attrs[IFA_CACHEINFO]), sizeof(times));
        item.valid_s = times.ifa_valid;
    }
    if (attr_ip(attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS], address->ifa_family, &item.ip))
        g_array_append_val(items, item);
}

bool netlink_list_addresses(GArray **ret_addresses, Error **err)
{
    Message message;

    message_begin(&message, RTM_GETADDR, 0, sizeof(struct ifaddrmsg));
    return message_dump(&message, take_address, sizeof(AddressInfo), ret_addresses, err);
}

static void take_route(const struct nlmsghdr *header, GArray *items)
{
    const struct rtattr *attrs[RTA_MAX + 1];
    const struct rtmsg *route = NLMSG_DATA(header);
    RouteInfo item = { .prefix = route->rtm_dst_len,
                       .table = route->rtm_table,
                       .protocol = route->rtm_protocol,
                       .scope = route->rtm_scope,
                       .flags = route->rtm_flags };

    if (header->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST)
        return;
    attrs_read(RTM_RTA(route), RTM_PAYLOAD(header), attrs, RTA_MAX);
    (void)attr_ip(attrs[RTA_DST], route->rtm_family, &item.network);
    item.has_gateway = attr_ip(attrs[RTA_GATEWAY], route->rtm_family, &item.gateway);
    item.has_source = attr_ip(attrs[RTA_PREFSRC], route->rtm_family, &item.source);
    item.index = (int)attr_u32(attrs[RTA_OIF]);
    item.metric = attr_u32(attrs[RTA_PRIORITY]);
    if (attrs[RTA_TABLE])
        item.table = attr_u32(attrs[RTA_TABLE]);
    g_array_append_val(items, item);
}

bool netlink_list_routes(GArray **ret_routes, Error **err)
{
    Message message;

    message_begin(&message, RTM_GETROUTE, 0, sizeof(struct rtmsg));
    return message_dump(&message, take_route, sizeof(RouteInfo), ret_routes, err);
}

static void take_neighbour(const struct nlmsghdr *header, GArray *items)
{
    const struct rtattr *attrs[NDA_MAX + 1];
    const struct ndmsg *entry = NLMSG_DATA(header);
    NeighbourInfo item = { .index = entry->ndm_ifindex };

    if (header->nlmsg_type != RTM_NEWNEIGH ||
        (entry->ndm_family != AF_INET && entry->ndm_family != AF_INET6) ||
        (entry->ndm_state & (NUD_FAILED | NUD_INCOMPLETE | NUD_NOARP)))
        return;
    attrs_read((const struct rtattr *)((const char *)entry + NLMSG_ALIGN(sizeof(*entry))),
               NLMSG_PAYLOAD(header, sizeof(*entry)), attrs, NDA_MAX);
    attr_mac(attrs[NDA_LLADDR], &item.mac);
    if (attr_ip(attrs[NDA_DST], entry->ndm_family, &item.ip))
        g_array_append_val(items, item);
}

bool netlink_list_neighbours(GArray **ret_neighbours, Error **err)
{
    Message message;

    message_begin(&message, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
    return message_dump(&message, take_neighbour, sizeof(NeighbourInfo), ret_neighbours, err);
}
