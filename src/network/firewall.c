/* Rules of nftables for a network, after nft(8). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/firewall.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/loop.h"
#include "base/macros.h"
#include "network/program.h"

#define TABLE_PREFIX "lodge_"
#define SHARED_TABLE "inet " TABLE_PREFIX "net"
#define FORWARDS_PREFIX "inet " TABLE_PREFIX "to_"

/* A name that no other network has: that of the bridge, with what nft does not take in names written as hex.
 */
static char *tag_of(const NetworkDef *def)
{
    GString *name = g_string_new(NULL);

    for (const char *at = def->bridge ? def->bridge : ""; *at; at++) {
        if (g_ascii_isalnum(*at))
            g_string_append_c(name, *at);
        else
            g_string_append_printf(name, "_%02x", (unsigned char)*at);
    }
    return g_string_free(name, FALSE);
}

static bool has_rules(const NetworkDef *def)
{
    return NETWORK_HAS_OWN_BRIDGE(def->forward) && def->forward != NETWORK_OPEN;
}

/* What all networks share. A packet meets the rules of the networks that it comes from and goes to, however
 * many there are: they return what they let through, for both are asked, and others after them. */
static const char shared[] = "  set bridges { type ifname; }\n"
                             "  map from { type ifname : verdict; }\n"
                             "  map to { type ifname : verdict; }\n"
                             "  map sources { type ipv4_addr : verdict; flags interval; }\n"
                             "  map sources6 { type ipv6_addr : verdict; flags interval; }\n";

/* What guests may ask of the host: addresses, names, files for booting; then the ways to the networks'. */
static const char base_chains[] =
    "table " SHARED_TABLE " {\n"
    "  chain input { type filter hook input priority filter; policy accept; }\n"
    "  chain forward { type filter hook forward priority filter; policy accept; }\n"
    "  chain postrouting { type nat hook postrouting priority srcnat; policy accept; }\n}\n"
    "flush chain " SHARED_TABLE " input\nflush chain " SHARED_TABLE " forward\nflush chain " SHARED_TABLE
    " postrouting\n"
    "table " SHARED_TABLE " {\n"
    "  chain input {\n"
    "    iifname @bridges meta l4proto { tcp, udp } th dport { 53, 67, 547 } accept\n"
    "    iifname @bridges udp dport 69 accept\n  }\n"
    "  chain forward {\n    iifname vmap @from\n    oifname vmap @to\n  }\n"
    "  chain postrouting {\n    ip saddr vmap @sources\n    ip6 saddr vmap @sources6\n  }\n}\n";

static void quote(GString *out, const char *interface)
{
    g_string_append_printf(out, "\"%s\"", interface); /* netlink.c lets no other names through */
}

typedef struct Subnet {
    bool is_v6;
    char text[IP_STRING_LEN + 4];
} Subnet;

static GArray *subnets_of(const NetworkDef *def)
{
    GArray *subnets = g_array_new(FALSE, TRUE, sizeof(Subnet));

    for (guint i = 0; def->ips && i < def->ips->len; i++) {
        const NetworkIp *ip = g_ptr_array_index(def->ips, i);
        IpAddress address;
        char first[IP_STRING_LEN];
        Subnet subnet = { .is_v6 = network_ip_is_v6(ip) };
        if (!ip_parse(ip->address, &address))
            continue;
        const unsigned prefix = network_ip_prefix(ip);
        const IpAddress network = ip_first(&address, prefix);
        ip_format(&network, first);
        g_snprintf(subnet.text, sizeof(subnet.text), "%s/%u", first, prefix);
        g_array_append_val(subnets, subnet);
    }
    return subnets;
}

static void put_out_device(GString *out, const char *key, const NetworkDef *def)
{
    if (!def->forward_dev)
        return;
    g_string_append_printf(out, " %s ", key);
    quote(out, def->forward_dev);
}

/* Packets to the guest's port. */
static void put_guest(GString *out, const FirewallForward *forward)
{
    char guest[IP_STRING_LEN];

    ip_format(&forward->guest, guest);
    g_string_append_printf(out, "%s daddr %s %s dport %u", forward->guest.is_v6 ? "ip6" : "ip", guest,
                           forward->is_udp ? "udp" : "tcp", forward->guest_port);
}

/* Packets to the host's port become the guest's: those that come in, and the host's own. What the host sends
 * to 127.0.0.1 stays: nobody outside could answer it. */
static void put_redirects(GString *out, const GArray *forwards)
{
    static const char *const chains[] = { "prerouting", "output" };

    for (unsigned chain = 0; chain < G_N_ELEMENTS(chains); chain++) {
        g_string_append_printf(out, "  chain %s {\n    type nat hook %s priority -100; policy accept;\n",
                               chains[chain], chains[chain]);
        for (guint i = 0; i < forwards->len; i++) {
            const FirewallForward *forward = &g_array_index(forwards, FirewallForward, i);
            const char *family = forward->guest.is_v6 ? "ip6" : "ip";
            char text[IP_STRING_LEN];
            if (forward->has_address) {
                ip_format(&forward->address, text);
                g_string_append_printf(out, "    %s daddr %s", family, text);
            } else {
                g_string_append(out, "    fib daddr type local ip daddr != 127.0.0.0/8");
            }
            ip_format(&forward->guest, text);
            g_string_append_printf(out,
                                   forward->guest.is_v6 ? " %s dport %u dnat %s to [%s]:%u\n"
                                                        : " %s dport %u dnat %s to %s:%u\n",
                                   forward->is_udp ? "udp" : "tcp", forward->port, family, text,
                                   forward->guest_port);
        }
        g_string_append(out, "  }\n");
    }
}

/* What comes from its guests, and what goes to them. */
static void put_forward(GString *out, const char *tag, const NetworkDef *def, const GArray *subnets,
                        const GArray *forwards)
{
    const bool is_routed = def->forward == NETWORK_NAT || def->forward == NETWORK_ROUTE;
    g_autoptr(GString) to = g_string_new(NULL);

    g_string_append_printf(out, "  chain from.%s {\n    oifname \"%s\" return\n", tag, def->bridge);
    g_string_append_printf(to, "  chain to.%s {\n    iifname \"%s\" return\n", tag, def->bridge);
    for (guint i = 0; forwards && i < forwards->len; i++) {
        g_string_append(to, "    ct status dnat ");
        put_guest(to, &g_array_index(forwards, FirewallForward, i));
        g_string_append(to, " return\n");
    }
    for (guint i = 0; is_routed && i < subnets->len; i++) {
        const Subnet *subnet = &g_array_index(subnets, Subnet, i);
        const char *family = subnet->is_v6 ? "ip6" : "ip";
        const bool is_hidden =
            def->forward == NETWORK_NAT && (!subnet->is_v6 || def->nat_ipv6 == TRISTATE_ON);
        g_string_append(out, "   ");
        put_out_device(out, "oifname", def);
        g_string_append_printf(out, " %s saddr %s return\n", family, subnet->text);
        g_string_append(to, "   ");
        put_out_device(to, "iifname", def);
        g_string_append_printf(to, " %s daddr %s%s return\n", family, subnet->text,
                               is_hidden ? " ct state established,related" : "");
    }
    g_string_append_printf(out, "    reject\n  }\n%s    reject\n  }\n", to->str);
}

static void put_nat_rule(GString *out, const NetworkDef *def, const Subnet *subnet, const char *protocol)
{
    const char *family = subnet->is_v6 ? "ip6" : "ip";
    const bool has_address = def->nat_start && !subnet->is_v6;
    const unsigned first = def->nat_port_start ? def->nat_port_start : 1024;
    const unsigned last = def->nat_port_end ? def->nat_port_end : 65535;

    g_string_append(out, "    ");
    if (protocol)
        g_string_append_printf(out, "meta l4proto %s ", protocol);
    g_string_append_printf(out, "%s saddr %s %s daddr != %s", family, subnet->text, family, subnet->text);
    put_out_device(out, "oifname", def);
    g_string_append(out, has_address ? " snat ip to " : " masquerade");
    if (has_address)
        g_string_append_printf(out, strcmp(def->nat_start, def->nat_end) == 0 ? "%s" : "%s-%s",
                               def->nat_start, def->nat_end);
    if (protocol)
        g_string_append_printf(out, "%s:%u-%u", has_address ? "" : " to ", first, last);
    g_string_append_c(out, '\n');
}

static void put_nat(GString *out, const char *tag, const NetworkDef *def, const GArray *subnets,
                    const GArray *forwards)
{
    g_string_append_printf(out, "  chain nat.%s {\n", tag);
    /* A guest that comes by the host's port to its neighbour: the answer has to take the same way back. */
    for (guint i = 0; forwards && i < forwards->len; i++) {
        g_string_append_printf(out, "    iifname \"%s\" oifname \"%s\" ct status dnat ", def->bridge,
                               def->bridge);
        put_guest(out, &g_array_index(forwards, FirewallForward, i));
        g_string_append(out, " masquerade\n");
    }
    for (guint i = 0; i < subnets->len; i++) {
        const Subnet *subnet = &g_array_index(subnets, Subnet, i);
        if (subnet->is_v6 && def->nat_ipv6 != TRISTATE_ON)
            continue;
        g_string_append_printf(out, "    %s saddr %s %s daddr %s return\n", subnet->is_v6 ? "ip6" : "ip",
                               subnet->text, subnet->is_v6 ? "ip6" : "ip",
                               subnet->is_v6 ? "ff00::/8" : "{ 224.0.0.0/24, 255.255.255.255 }");
        put_nat_rule(out, def, subnet, "tcp");
        put_nat_rule(out, def, subnet, "udp");
        put_nat_rule(out, def, subnet, NULL);
    }
    g_string_append(out, "  }\n");
}

/* The network's chains come before the maps that lead to them: nft 1.0.6 puts in elements of intervals early.
 */
static void put_declarations(GString *out, const char *tag, const NetworkDef *def)
{
    g_string_append_printf(out, "table " SHARED_TABLE " {\n  chain from.%s { }\n  chain to.%s { }\n", tag,
                           tag);
    if (def->forward == NETWORK_NAT)
        g_string_append_printf(out, "  chain nat.%s { }\n", tag);
    g_string_append_printf(out, "}\ntable " SHARED_TABLE " {\n%s}\n", shared);
}

static void put_for_chains(GString *out, const char *verb, const char *tag, const NetworkDef *def)
{
    static const char *const chains[] = { "from", "to", "nat" };

    for (unsigned i = 0; i < G_N_ELEMENTS(chains) - (def->forward != NETWORK_NAT); i++)
        g_string_append_printf(out, "%s chain " SHARED_TABLE " %s.%s\n", verb, chains[i], tag);
}

static void put_for_elements(GString *out, const char *verb, const char *tag, const NetworkDef *def,
                             const GArray *subnets)
{
    static const char *const maps[] = { "from", "to" };

    g_string_append_printf(out, "%s element " SHARED_TABLE " bridges { \"%s\" }\n", verb, def->bridge);
    for (unsigned i = 0; i < G_N_ELEMENTS(maps); i++)
        g_string_append_printf(out, "%s element " SHARED_TABLE " %s { \"%s\" : jump %s.%s }\n", verb, maps[i],
                               def->bridge, maps[i], tag);
    for (guint i = 0; def->forward == NETWORK_NAT && i < subnets->len; i++) {
        const Subnet *subnet = &g_array_index(subnets, Subnet, i);
        g_string_append_printf(out, "%s element " SHARED_TABLE " sources%s { %s : jump nat.%s }\n", verb,
                               subnet->is_v6 ? "6" : "", subnet->text, tag);
    }
}

/* The table of its forwarded ports is made anew each time: it has none, most often. */
static void put_no_forwards(GString *out, const char *tag)
{
    g_string_append_printf(out, "table " FORWARDS_PREFIX "%s\ndelete table " FORWARDS_PREFIX "%s\n", tag,
                           tag);
}

char *firewall_format(const NetworkDef *def, const GArray *forwards)
{
    GString *out = g_string_new(NULL);

    if (!has_rules(def))
        return g_string_free(out, FALSE);
    g_autofree char *tag = tag_of(def);
    g_autoptr(GArray) subnets = subnets_of(def);
    put_declarations(out, tag, def);
    g_string_append(out, base_chains);
    put_for_chains(out, "flush", tag, def);
    g_string_append(out, "table " SHARED_TABLE " {\n");
    put_forward(out, tag, def, subnets, forwards);
    if (def->forward == NETWORK_NAT)
        put_nat(out, tag, def, subnets, forwards);
    g_string_append(out, "}\n");
    put_for_elements(out, "add", tag, def, subnets);
    put_no_forwards(out, tag);
    if (forwards && forwards->len > 0) {
        g_string_append_printf(out, "table " FORWARDS_PREFIX "%s {\n", tag);
        put_redirects(out, forwards);
        g_string_append(out, "}\n");
    }
    return g_string_free(out, FALSE);
}

bool firewall_load(const char *rules, Error **err)
{
    return !*rules || program_run("nft", "nftables", PROGRAM_ARGS("-f", "-"), rules, NULL, err);
}

/* What is not there is put in first: nothing that somebody else removed is in the way. */
bool firewall_remove(const NetworkDef *def, bool is_last, Error **err)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (!has_rules(def))
        return true;
    g_autofree char *tag = tag_of(def);
    g_autoptr(GArray) subnets = subnets_of(def);
    put_no_forwards(out, tag);
    if (is_last) {
        g_string_append(out, "table " SHARED_TABLE "\ndelete table " SHARED_TABLE "\n");
    } else {
        put_declarations(out, tag, def);
        put_for_elements(out, "add", tag, def, subnets);
        put_for_elements(out, "delete", tag, def, subnets);
        put_for_chains(out, "delete", tag, def);
    }
    return firewall_load(out->str, err);
}

bool firewall_is_there(const NetworkDef *def)
{
    g_autofree char *tag = tag_of(def);
    g_autofree char *chain = g_strdup_printf("from.%s", tag);

    return !has_rules(def) ||
           program_run("nft", "nftables", PROGRAM_ARGS("list", "chain", "inet", TABLE_PREFIX "net", chain),
                       NULL, NULL, NULL);
}

/* ---- changes by others ---- */

typedef struct FirewallWatch {
    void (*func)(bool is_ours, void *arg);
    void *arg;
} FirewallWatch;

/* What a message tells of: its sender is the nft that asked for it. All that tell of tables, chains and rules
 * begin with the name of the table. */
typedef enum FirewallChange { CHANGE_NONE, CHANGE_OURS_LOST, CHANGE_OTHERS } FirewallChange;

static FirewallChange change_of(const struct nlmsghdr *header)
{
    static const uint16_t losses[] = { NFT_MSG_DELTABLE, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET,
                                       NFT_MSG_DELSETELEM };
    static const uint16_t gains[] = { NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE };
    const size_t head = NLMSG_ALIGN(sizeof(struct nfgenmsg));
    bool is_loss = false, is_gain = false;

    G_STATIC_ASSERT(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
                    NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(losses); i++)
        is_loss = is_loss || header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | losses[i]);
    for (unsigned i = 0; i < G_N_ELEMENTS(gains); i++)
        is_gain = is_gain || header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | gains[i]);
    if ((!is_loss && !is_gain) || program_was_ours(header->nlmsg_pid) ||
        header->nlmsg_len < NLMSG_LENGTH(head + NLA_HDRLEN + 1))
        return CHANGE_NONE;
    const struct nlattr *name = (const void *)((const char *)NLMSG_DATA(header) + head);
    const bool is_ours = header->nlmsg_len >= NLMSG_LENGTH(head + NLA_HDRLEN + strlen(TABLE_PREFIX)) &&
                         (name->nla_type & NLA_TYPE_MASK) == 1 &&
                         strncmp((const char *)name + NLA_HDRLEN, TABLE_PREFIX, strlen(TABLE_PREFIX)) == 0;
    return !is_ours ? CHANGE_OTHERS : is_loss ? CHANGE_OURS_LOST : CHANGE_NONE;
}

static int firewall_on_change(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    const FirewallWatch *watch = arg;
    _Alignas(struct nlmsghdr) char buffer[16384];
    bool is_missing = false, is_other = false;

    for (;;) {
        const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == ENOBUFS) { /* more came than we could read: who knows */
            is_missing = is_other = true;
            continue;
        }
        if (got <= 0)
            break;
        size_t len = (size_t)got;
        for (const struct nlmsghdr *header = (const void *)buffer; NLMSG_OK(header, len);
             header = NLMSG_NEXT(header, len)) {
            const FirewallChange change = change_of(header);
            is_other = is_other || change == CHANGE_OTHERS;
            is_missing = is_missing || change == CHANGE_OURS_LOST;
        }
    }
    if (is_missing)
        watch->func(true, watch->arg);
    if (is_other)
        watch->func(false, watch->arg);
    return 0;
}

bool firewall_watch(void (*func)(bool is_ours, void *arg), void *arg, sd_event_source **ret_source,
                    Error **err)
{
    const struct sockaddr_nl address = { .nl_family = AF_NETLINK };
    const int group = NFNLGRP_NFTABLES;
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return error_set_errno(err, errno, "cannot watch the rules of nftables");
    FirewallWatch *watch = g_new(FirewallWatch, 1);
    *watch = (FirewallWatch){ .func = func, .arg = arg };
    const int why = sd_event_add_io(loop_event(), ret_source, fd, EPOLLIN, firewall_on_change, watch);
    if (why < 0) {
        g_free(watch);
        return error_set_errno(err, -why, "cannot watch the rules of nftables");
    }
    (void)sd_event_source_set_io_fd_own(*ret_source, 1);
    (void)fd_steal(&fd);
    (void)sd_event_source_set_destroy_callback(*ret_source, g_free);
    return true;
}
