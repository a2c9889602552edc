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

/* A name that no other network has: that of the bridge, with what nft does not take in names written as hex.
 */
char *firewall_table(const NetworkDef *def)
{
    GString *name = g_string_new(TABLE_PREFIX);

    for (const char *at = def->bridge ? def->bridge : ""; *at; at++) {
        if (g_ascii_isalnum(*at))
            g_string_append_c(name, *at);
        else
            g_string_append_printf(name, "_%02x", (unsigned char)*at);
    }
    return g_string_free(name, FALSE);
}

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

/* What guests may ask of the host: addresses, names, files for booting. */
static void put_input(GString *out, const NetworkDef *def)
{
    g_string_append(out, "  chain input {\n    type filter hook input priority filter; policy accept;\n");
    g_string_append_printf(out,
                           "    iifname \"%s\" meta l4proto { tcp, udp } th dport { 53, 67, 547 } accept\n"
                           "    iifname \"%s\" udp dport 69 accept\n  }\n",
                           def->bridge, def->bridge);
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

static void put_forward(GString *out, const NetworkDef *def, const GArray *subnets, const GArray *forwards)
{
    const bool is_routed = def->forward == NETWORK_NAT || def->forward == NETWORK_ROUTE;

    g_string_append(out, "  chain forward {\n    type filter hook forward priority filter; policy accept;\n");
    g_string_append_printf(out, "    iifname \"%s\" oifname \"%s\" accept\n", def->bridge, def->bridge);
    for (guint i = 0; forwards && i < forwards->len; i++) {
        g_string_append_printf(out, "    oifname \"%s\" ct status dnat ", def->bridge);
        put_guest(out, &g_array_index(forwards, FirewallForward, i));
        g_string_append(out, " accept\n");
    }
    for (guint i = 0; is_routed && i < subnets->len; i++) {
        const Subnet *subnet = &g_array_index(subnets, Subnet, i);
        const char *family = subnet->is_v6 ? "ip6" : "ip";
        const bool is_hidden =
            def->forward == NETWORK_NAT && (!subnet->is_v6 || def->nat_ipv6 == TRISTATE_ON);
        g_string_append_printf(out, "    iifname \"%s\"", def->bridge);
        put_out_device(out, "oifname", def);
        g_string_append_printf(out, " %s saddr %s accept\n    oifname \"%s\"", family, subnet->text,
                               def->bridge);
        put_out_device(out, "iifname", def);
        g_string_append_printf(out, " %s daddr %s%s accept\n", family, subnet->text,
                               is_hidden ? " ct state established,related" : "");
    }
    g_string_append_printf(out, "    iifname \"%s\" reject\n    oifname \"%s\" reject\n  }\n", def->bridge,
                           def->bridge);
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

static void put_nat(GString *out, const NetworkDef *def, const GArray *subnets, const GArray *forwards)
{
    g_string_append(out,
                    "  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n");
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

char *firewall_format(const NetworkDef *def, const GArray *forwards)
{
    GString *out = g_string_new(NULL);

    if (!NETWORK_HAS_OWN_BRIDGE(def->forward) || def->forward == NETWORK_OPEN)
        return g_string_free(out, FALSE);
    g_autofree char *table = firewall_table(def);
    g_autoptr(GArray) subnets = subnets_of(def);
    g_string_append_printf(out, "table inet %s\ndelete table inet %s\ntable inet %s {\n", table, table,
                           table);
    put_input(out, def);
    put_forward(out, def, subnets, forwards);
    if (forwards && forwards->len > 0)
        put_redirects(out, forwards);
    if (def->forward == NETWORK_NAT)
        put_nat(out, def, subnets, forwards);
    g_string_append(out, "}\n");
    return g_string_free(out, FALSE);
}

bool firewall_load(const char *rules, Error **err)
{
    return !*rules || program_run("nft", "nftables", PROGRAM_ARGS("-f", "-"), rules, NULL, err);
}

bool firewall_remove(const NetworkDef *def, Error **err)
{
    g_autofree char *rules = firewall_format(def, NULL);
    g_autofree char *table = firewall_table(def);
    g_autofree char *script = g_strdup_printf("table inet %s\ndelete table inet %s\n", table, table);

    return !*rules || firewall_load(script, err);
}

bool firewall_is_there(const NetworkDef *def)
{
    g_autofree char *rules = firewall_format(def, NULL);
    g_autofree char *table = firewall_table(def);

    return !*rules ||
           program_run("nft", "nftables", PROGRAM_ARGS("list", "table", "inet", table), NULL, NULL, NULL);
}

/* ---- changes by others ---- */

typedef struct FirewallWatch {
    void (*func)(bool is_ours, const char *table, void *arg);
    void *arg;
} FirewallWatch;

/* What a message tells of. All that tell of tables, chains and rules begin with the name of the table. */
typedef enum FirewallChange { CHANGE_NONE, CHANGE_OURS_LOST, CHANGE_OTHERS } FirewallChange;

/* *ret_table: of ours; borrowed from the message. */
static FirewallChange change_of(const struct nlmsghdr *header, const char **ret_table)
{
    static const uint16_t losses[] = { NFT_MSG_DELTABLE, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE };
    static const uint16_t gains[] = { NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE };
    const size_t head = NLMSG_ALIGN(sizeof(struct nfgenmsg));
    bool is_loss = false, is_gain = false;

    G_STATIC_ASSERT(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(losses); i++)
        is_loss = is_loss || header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | losses[i]);
    for (unsigned i = 0; i < G_N_ELEMENTS(gains); i++)
        is_gain = is_gain || header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | gains[i]);
    if ((!is_loss && !is_gain) || header->nlmsg_len < NLMSG_LENGTH(head + NLA_HDRLEN + 1))
        return CHANGE_NONE;
    const struct nlattr *name = (const void *)((const char *)NLMSG_DATA(header) + head);
    const bool is_ours = header->nlmsg_len >= NLMSG_LENGTH(head + NLA_HDRLEN + strlen(TABLE_PREFIX)) &&
                         (name->nla_type & NLA_TYPE_MASK) == 1 &&
                         strncmp((const char *)name + NLA_HDRLEN, TABLE_PREFIX, strlen(TABLE_PREFIX)) == 0;
    *ret_table = (const char *)name + NLA_HDRLEN; /* the kernel ends it with a zero */
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
            const char *table = NULL;
            const FirewallChange change = change_of(header, &table);
            is_other = is_other || change == CHANGE_OTHERS;
            if (change == CHANGE_OURS_LOST)
                watch->func(true, table, watch->arg);
        }
    }
    if (is_missing)
        watch->func(true, NULL, watch->arg);
    if (is_other)
        watch->func(false, NULL, watch->arg);
    return 0;
}

bool firewall_watch(void (*func)(bool is_ours, const char *table, void *arg), void *arg,
                    sd_event_source **ret_source, Error **err)
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
