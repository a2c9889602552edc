/* Rules of filters as a script for nft(8).
 *
 * One table of the bridge family. What a guest sends is looked at when it comes from its interface
 * (prerouting), what it gets when it leaves by it (postrouting); a map leads from the interface's name to its
 * chains, so what others have costs nothing. There are two rounds: rules about frames (mac, arp, ip ...),
 * with a chain for each that a filter names, then those about connections (tcp, udp, all ...). To accept in
 * the first means to go on with the second, as with ebtables and iptables.
 *
 * A rule about connections names addresses and ports of the first packet. The answers are the same with both
 * sides swapped, in the other direction.
 *
 * Where the kernel does not track connections in bridges (nf_conntrack_bridge), sets of our own do: a packet
 * that may begin a connection is noted with both sides, and what comes back is looked up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "network/filter_private.h"

#define COMMENT_MAX 120 /* nft has room for 127 bytes */
#define FLOWS_MAX 16384 /* of one guest */
#define FLOW_TIMEOUT "10m"

typedef enum Way { WAY_OUT, WAY_IN, WAY_COUNT } Way; /* as the guest sees it */
static const char *const way_names[WAY_COUNT] = { "out", "in" };

/* ---- names ---- */

/* What all names of chains and sets of @port begin with; caller owns. */
static char *port_prefix(const char *port)
{
    GString *name = g_string_new("i.");

    for (; *port; port++) {
        if (g_ascii_isalnum(*port))
            g_string_append_c(name, *port);
        else
            g_string_append_printf(name, "_%02x", (unsigned char)*port);
    }
    g_string_append_c(name, '.');
    return g_string_free(name, FALSE);
}

FilterScript *filter_script_new(bool has_tracking, bool has_reject)
{
    FilterScript *script = g_new0(FilterScript, 1);

    *script = (FilterScript){ .has_tracking = has_tracking,
                              .has_reject = has_reject,
                              .chains = g_string_new(NULL),
                              .rules = g_string_new(NULL),
                              .elements = g_string_new(NULL),
                              .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                              .gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
    return script;
}

void filter_script_free(FilterScript *script)
{
    if (!script)
        return;
    g_string_free(script->chains, TRUE);
    g_string_free(script->rules, TRUE);
    g_string_free(script->elements, TRUE);
    g_hash_table_unref(script->names);
    g_hash_table_unref(script->gone);
    g_free(script);
}

/* One interface being written. */
typedef struct Port {
    FilterScript *script;
    const char *name;
    char *prefix;
    unsigned n_limits;
    bool has_flows;
} Port;

/* Borrowed from the script. */
static const char *make_chain(const Port *port, const char *text)
{
    g_autofree char *name = g_strconcat(port->prefix, text, NULL);
    void *known = NULL;

    if (g_hash_table_lookup_extended(port->script->names, name, &known, NULL))
        return known;
    g_string_append_printf(port->script->chains,
                           "add chain bridge " FILTER_TABLE " %s\nflush chain bridge " FILTER_TABLE " %s\n",
                           name, name);
    g_hash_table_add(port->script->names, name);
    return g_steal_pointer(&name);
}

static void make_set(const Port *port, const char *text, const char *type)
{
    char *name = g_strconcat(port->prefix, text, NULL);

    g_string_append_printf(port->script->chains,
                           "add set bridge " FILTER_TABLE " %s { type %s; flags dynamic%s; "
                           "size %d; }\n",
                           name, type, strstr(text, "limit") ? "" : ",timeout; timeout " FLOW_TIMEOUT,
                           FLOWS_MAX);
    g_hash_table_add(port->script->names, name);
}

/* ---- what frames must have ---- */

/* One rule on its way into a chain. */
typedef struct Line {
    const Port *port;
    const FilterRule *rule;
    const FilterProtocol *protocol; /* NULL: any */
    bool is_reversed;               /* both sides swapped */
    bool is_never;                  /* it fits no frame */
    GString *text;
} Line;

static const FilterValue *find_value(const FilterRule *rule, FilterAttrId attr)
{
    for (guint i = 0; i < rule->values->len; i++) {
        const FilterValue *value = g_ptr_array_index(rule->values, i);
        if (value->attr == attr)
            return value;
    }
    return NULL;
}

static uint32_t number_of(const FilterValue *value)
{
    uint32_t number = 0;

    (void)filter_value_number(value->attr, value->text, &number); /* it was checked */
    return number;
}

static const char *unequal(const FilterValue *value)
{
    return value->negated ? "!= " : "";
}

static uint64_t mac_number(const char *text)
{
    unsigned b[6] = { 0 };

    (void)sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]);
    uint64_t number = 0;
    for (unsigned i = 0; i < 6; i++)
        number = number << 8 | b[i];
    return number;
}

/* A MAC address at @where ("@ll,48,48"), perhaps with a mask. */
static void put_mac(Line *line, const char *where, FilterAttrId attr, FilterAttrId mask_attr)
{
    const FilterValue *value = find_value(line->rule, attr);
    const FilterValue *mask = mask_attr == FILTER_ATTR_COUNT ? NULL : find_value(line->rule, mask_attr);

    if (!value)
        return;
    const uint64_t bits = mask ? mac_number(mask->text) : UINT64_C(0xffffffffffff);
    if (bits != UINT64_C(0xffffffffffff))
        g_string_append_printf(line->text, " %s & 0x%012" PRIx64 " %s 0x%012" PRIx64, where, bits,
                               value->negated ? "!=" : "==", mac_number(value->text) & bits);
    else
        g_string_append_printf(line->text, " %s %s0x%012" PRIx64, where, unequal(value),
                               mac_number(value->text));
}

static void put_macs(Line *line)
{
    const bool is_tracked = line->protocol && line->protocol->is_tracked;

    /* The one who answers is known by address alone: its frames may come from a router. */
    if (!is_tracked || !line->is_reversed)
        put_mac(line, line->is_reversed ? "@ll,0,48" : "@ll,48,48", FILTER_SRC_MAC, FILTER_SRC_MAC_MASK);
    put_mac(line, line->is_reversed ? "@ll,48,48" : "@ll,0,48", FILTER_DST_MAC, FILTER_DST_MAC_MASK);
}

/* A number, or a range of them if the protocol has an attribute for its end (else: @attr). */
static void put_number(Line *line, const char *where, FilterAttrId attr, FilterAttrId end_attr)
{
    const FilterValue *value = find_value(line->rule, attr);
    const FilterValue *end = end_attr == attr ? NULL : find_value(line->rule, end_attr);

    if (value && end && number_of(end) < number_of(value))
        line->is_never = true;
    else if (value && end && number_of(end) > number_of(value))
        g_string_append_printf(line->text, " %s %s%u-%u", where, unequal(value), number_of(value),
                               number_of(end));
    else if (value)
        g_string_append_printf(line->text, " %s %s%u", where, unequal(value), number_of(value));
}

static void put_arp_ip(Line *line, const char *where, FilterAttrId attr, FilterAttrId mask_attr)
{
    const FilterValue *value = find_value(line->rule, attr), *mask = find_value(line->rule, mask_attr);
    IpAddress ip;

    if (!value || !ip_parse(value->text, &ip))
        return;
    const unsigned prefix = mask ? number_of(mask) : 32;
    const uint32_t bits = prefix ? UINT32_MAX << (32 - prefix) : 0;
    const uint32_t number =
        (uint32_t)ip.bytes[0] << 24 | (uint32_t)ip.bytes[1] << 16 | (uint32_t)ip.bytes[2] << 8 | ip.bytes[3];
    if (prefix == 0)
        line->is_never = line->is_never || value->negated;
    else if (prefix < 32)
        g_string_append_printf(line->text, " %s & 0x%08x %s 0x%08x", where, bits,
                               value->negated ? "!=" : "==", number & bits);
    else
        g_string_append_printf(line->text, " %s %s0x%08x", where, unequal(value), number);
}

static void put_arp(Line *line)
{
    static const char *const places[2][2] = { { "@nh,64,48", "@nh,144,48" }, { "@nh,112,32", "@nh,192,32" } };
    const unsigned from = line->is_reversed ? 1 : 0, to = line->is_reversed ? 0 : 1;

    put_number(line, "@nh,0,16", FILTER_ARP_HARDWARE, FILTER_ARP_HARDWARE);
    put_number(line, "@nh,16,16", FILTER_ARP_PROTOCOL, FILTER_ARP_PROTOCOL);
    put_number(line, "@nh,48,16", FILTER_ARP_OPCODE, FILTER_ARP_OPCODE);
    put_mac(line, places[0][from], FILTER_ARP_SRC_MAC, FILTER_ATTR_COUNT);
    put_mac(line, places[0][to], FILTER_ARP_DST_MAC, FILTER_ATTR_COUNT);
    put_arp_ip(line, places[1][from], FILTER_ARP_SRC_IP, FILTER_ARP_SRC_IP_MASK);
    put_arp_ip(line, places[1][to], FILTER_ARP_DST_IP, FILTER_ARP_DST_IP_MASK);
}

/* Places of a BPDU behind an Ethernet and an LLC header. */
static void put_stp(Line *line)
{
    static const struct {
        FilterAttrId attr, end;
        const char *where;
    } numbers[] = {
        { FILTER_STP_TYPE, FILTER_STP_TYPE, "@ll,160,8" },
        { FILTER_STP_FLAGS, FILTER_STP_FLAGS, "@ll,168,8" },
        { FILTER_STP_ROOT_PRIORITY, FILTER_STP_ROOT_PRIORITY_HI, "@ll,176,16" },
        { FILTER_STP_ROOT_COST, FILTER_STP_ROOT_COST_HI, "@ll,240,32" },
        { FILTER_STP_SENDER_PRIORITY, FILTER_STP_SENDER_PRIORITY_HI, "@ll,272,16" },
        { FILTER_STP_PORT, FILTER_STP_PORT_HI, "@ll,336,16" },
        { FILTER_STP_AGE, FILTER_STP_AGE_HI, "@ll,352,16" },
        { FILTER_STP_MAX_AGE, FILTER_STP_MAX_AGE_HI, "@ll,368,16" },
        { FILTER_STP_HELLO, FILTER_STP_HELLO_HI, "@ll,384,16" },
        { FILTER_STP_DELAY, FILTER_STP_DELAY_HI, "@ll,400,16" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++)
        put_number(line, numbers[i].where, numbers[i].attr, numbers[i].end);
    put_mac(line, "@ll,192,48", FILTER_STP_ROOT_MAC, FILTER_STP_ROOT_MAC_MASK);
    put_mac(line, "@ll,288,48", FILTER_STP_SENDER_MAC, FILTER_STP_SENDER_MAC_MASK);
}

static void put_address(Line *line, const char *where, FilterAttrId attr, FilterAttrId mask_attr)
{
    const FilterValue *value = find_value(line->rule, attr), *mask = find_value(line->rule, mask_attr);
    IpAddress ip;
    char text[IP_STRING_LEN];

    if (!value || !ip_parse(value->text, &ip))
        return;
    const unsigned prefix = mask ? number_of(mask) : ip_bits(&ip);
    if (prefix == 0) {
        line->is_never = line->is_never || value->negated;
        return;
    }
    const IpAddress first = ip_first(&ip, prefix);
    ip_format(&first, text);
    g_string_append_printf(line->text, " %s %s %s%s", line->protocol->family == 6 ? "ip6" : "ip", where,
                           unequal(value), text);
    if (prefix < ip_bits(&ip))
        g_string_append_printf(line->text, "/%u", prefix);
}

static void put_address_range(Line *line, const char *where, FilterAttrId from_attr, FilterAttrId to_attr)
{
    const FilterValue *from = find_value(line->rule, from_attr), *to = find_value(line->rule, to_attr);
    IpAddress first, last;

    if (!from)
        return;
    const bool is_range =
        to && strcmp(from->text, to->text) != 0 && ip_parse(from->text, &first) && ip_parse(to->text, &last);
    if (is_range && ip_compare(&first, &last) > 0) {
        line->is_never = true;
        return;
    }
    g_string_append_printf(line->text, " %s %s %s%s%s%s", line->protocol->family == 6 ? "ip6" : "ip", where,
                           unequal(from), from->text, is_range ? "-" : "", is_range ? to->text : "");
}

static void put_tcp_option(Line *line)
{
    const FilterValue *value = find_value(line->rule, FILTER_TCP_OPTION);

    if (value)
        g_string_append_printf(line->text, " tcp option %u %s", number_of(value),
                               value->negated ? "missing" : "exists");
}

static void put_tcp_flags(Line *line)
{
    const FilterValue *value = find_value(line->rule, FILTER_TCP_FLAGS);
    static const char all[] = "fin|syn|rst|psh|ack|urg";

    if (!value)
        return;
    g_autofree char *lower = g_ascii_strdown(value->text, -1);
    g_strdelimit(lower, ",", '|');
    char *wanted = strchr(lower, '/');
    *wanted++ = '\0';
    if (strcmp(lower, "none") == 0) { /* nothing is looked at, so nothing is set */
        line->is_never = line->is_never || (strcmp(wanted, "none") != 0) != value->negated;
        return;
    }
    g_string_append_printf(line->text, " tcp flags & (%s) %s ", strcmp(lower, "all") == 0 ? all : lower,
                           value->negated ? "!=" : "==");
    if (strcmp(wanted, "none") == 0)
        g_string_append(line->text, "0x0");
    else
        g_string_append_printf(line->text, "(%s)", strcmp(wanted, "all") == 0 ? all : wanted);
}

static void put_icmp(Line *line, const char *name, bool has_ranges)
{
    g_autofree char *type = g_strconcat(name, " type", NULL), *code = g_strconcat(name, " code", NULL);

    put_number(line, type, FILTER_TYPE, has_ranges ? FILTER_TYPE_END : FILTER_TYPE);
    put_number(line, code, FILTER_CODE, has_ranges ? FILTER_CODE_END : FILTER_CODE);
}

static void put_ip(Line *line)
{
    const FilterValue *protocol = find_value(line->rule, FILTER_PROTOCOL);
    const bool is_reversed = line->is_reversed, is_v6 = line->protocol->family == 6;
    const char *from = is_reversed ? "daddr" : "saddr", *to = is_reversed ? "saddr" : "daddr";
    const char *from_port = is_reversed ? "th dport" : "th sport";
    const char *to_port = is_reversed ? "th sport" : "th dport";

    if (line->protocol->number)
        g_string_append_printf(line->text, " meta l4proto %u", line->protocol->number);
    put_number(line, "meta l4proto", FILTER_PROTOCOL, FILTER_PROTOCOL);
    put_address(line, from, FILTER_SRC_IP, FILTER_SRC_IP_MASK);
    put_address(line, to, FILTER_DST_IP, FILTER_DST_IP_MASK);
    put_address_range(line, from, FILTER_SRC_IP_FROM, FILTER_SRC_IP_TO);
    put_address_range(line, to, FILTER_DST_IP_FROM, FILTER_DST_IP_TO);
    put_number(line, is_v6 ? "ip6 dscp" : "ip dscp", FILTER_DSCP, FILTER_DSCP);
    put_number(line, from_port, FILTER_SRC_PORT, FILTER_SRC_PORT_END);
    put_number(line, to_port, FILTER_DST_PORT, FILTER_DST_PORT_END);
    put_tcp_option(line);
    put_tcp_flags(line);
    if (line->protocol->number == 1)
        put_icmp(line, "icmp", false);
    if (line->protocol->number == 58 || (protocol && !protocol->negated && number_of(protocol) == 58))
        put_icmp(line, "icmpv6", true);
}

static void put_matches(Line *line)
{
    const char *name = line->protocol ? line->protocol->name : "";

    if (!line->protocol)
        return;
    if (line->protocol->family)
        g_string_append(line->text, line->protocol->family == 6 ? " meta protocol ip6" : " meta protocol ip");
    else if (strcmp(name, "arp") == 0)
        g_string_append(line->text, " meta protocol arp");
    else if (strcmp(name, "rarp") == 0)
        g_string_append(line->text, " meta protocol 0x8035");
    else if (strcmp(name, "vlan") == 0)
        g_string_append(line->text, " ether type vlan");
    else if (strcmp(name, "stp") == 0)
        g_string_append(line->text, " @ll,0,48 0x0180c2000000");
    put_macs(line);
    put_number(line, "ether type", FILTER_ETHER_TYPE, FILTER_ETHER_TYPE);
    put_number(line, "vlan id", FILTER_VLAN_ID, FILTER_VLAN_ID);
    put_number(line, "vlan type", FILTER_VLAN_TYPE, FILTER_VLAN_TYPE);
    put_stp(line);
    put_arp(line);
    if (line->protocol->family)
        put_ip(line);
}

/* ---- rules ---- */

static void put_comment(const Line *line, GString *out)
{
    const FilterValue *value = find_value(line->rule, FILTER_COMMENT);
    GString *text = g_string_new(NULL);

    for (const char *at = value ? value->text : ""; *at && text->len < COMMENT_MAX; at++) {
        if (g_ascii_isprint(*at) && !strchr("\"\\", *at))
            g_string_append_c(text, *at);
    }
    if (text->len > 0)
        g_string_append_printf(out, " comment \"%s\"", text->str);
    g_string_free(text, TRUE);
}

/* @more: further matches; @verdict: what becomes of the frame. */
static void put_rule(const Line *line, const char *chain, const char *more, const char *verdict)
{
    FilterScript *script = line->port->script;

    if (line->is_never)
        return;
    g_string_append_printf(script->rules, "add rule bridge " FILTER_TABLE " %s%s%s counter%s%s", chain,
                           line->text->str, more, *verdict ? " " : "", verdict);
    put_comment(line, script->rules);
    g_string_append_c(script->rules, '\n');
    script->n_rules++;
}

/* The kernel can reject what comes in only. */
static const char *verdict_of(const Line *line, Way way)
{
    switch ((FilterAction)line->rule->item->action) {
    case FILTER_ACCEPT:
        return "accept";
    case FILTER_REJECT:
        return line->port->script->has_reject && way == WAY_OUT ? "reject" : "drop";
    case FILTER_RETURN:
        return "return";
    case FILTER_CONTINUE:
        return "";
    case FILTER_DROP:
    case FILTER_ACTION_COUNT:
        break;
    }
    return "drop";
}

static Line line_begin(const Port *port, const FilterRule *rule, bool is_reversed)
{
    Line line = { .port = port,
                  .rule = rule,
                  .protocol =
                      rule->item->protocol == FILTER_ANY ? NULL : &filter_protocols[rule->item->protocol],
                  .is_reversed = is_reversed,
                  .text = g_string_new(NULL) };

    put_matches(&line);
    return line;
}

/* ---- connections ---- */

/* A chain beside the rules that knows no filter. */
static void put_own_rule(const Port *port, const char *chain, const char *text)
{
    g_string_append_printf(port->script->rules, "add rule bridge " FILTER_TABLE " %s %s\n", chain, text);
    port->script->n_rules++;
}

/* Sets that note connections, guest first; chains that note a packet and accept it ("begin"), that accept
 * what belongs to one that was noted ("known"), or to none of its own ("related"). */
static void make_flows(Port *port)
{
    if (port->has_flows)
        return;
    port->has_flows = true;
    for (unsigned version = 4; version <= 6; version += 2) {
        const char *address = version == 4 ? "ipv4_addr" : "ipv6_addr";
        g_autofree char *flow =
            g_strdup_printf("%s . %s . inet_proto . inet_service . inet_service", address, address);
        g_autofree char *pair = g_strdup_printf("%s . %s . inet_proto", address, address);
        make_set(port, version == 4 ? "flow4" : "flow6", flow);
        make_set(port, version == 4 ? "pair4" : "pair6", pair);
    }
    for (Way way = 0; way < WAY_COUNT; way++) {
        g_autofree char *begin_name = g_strdup_printf("%s.begin", way_names[way]);
        g_autofree char *known_name = g_strdup_printf("%s.known", way_names[way]);
        g_autofree char *related_name = g_strdup_printf("%s.related", way_names[way]);
        const char *begin = make_chain(port, begin_name), *known = make_chain(port, known_name);
        const char *related = make_chain(port, related_name);
        const char *me = way == WAY_OUT ? "s" : "d", *other = way == WAY_OUT ? "d" : "s";
        /* A question is no answer, although nothing in it tells which one it would belong to. */
        put_own_rule(port, known, "meta protocol ip icmp type { 8, 13, 15, 17 } counter return");
        put_own_rule(port, known, "meta protocol ip6 icmpv6 type 128 counter return");
        for (unsigned version = 4; version <= 6; version += 2) {
            const char *ip = version == 4 ? "ip" : "ip6";
            g_autofree char *pair =
                g_strdup_printf("%s %saddr . %s %saddr . meta l4proto", ip, me, ip, other);
            g_autofree char *flow = g_strdup_printf("%s . th %sport . th %sport", pair, me, other);
            const struct {
                const char *where, *set, *key;
            } kinds[] = { { "{ 6, 17, 132, 136 }", "flow", flow },
                          { "!= { 6, 17, 132, 136 }", "pair", pair } };
            for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *head =
                    g_strdup_printf("meta protocol %s meta l4proto %s", ip, kinds[i].where);
                g_autofree char *set = g_strdup_printf("@%s%s%u", port->prefix, kinds[i].set, version);
                g_autofree char *note =
                    g_strdup_printf("%s update %s { %s } counter", head, set, kinds[i].key);
                g_autofree char *look = g_strdup_printf("%s %s %s update %s { %s } counter accept", head,
                                                        kinds[i].key, set, set, kinds[i].key);
                put_own_rule(port, begin, note);
                put_own_rule(port, known, look);
            }
        }
        put_own_rule(port, begin, "counter accept");
        put_own_rule(port, related, "meta protocol ip icmp type { 3, 11, 12 } counter accept");
        put_own_rule(port, related, "meta protocol ip6 icmpv6 type 1-4 counter accept");
    }
}

static void jump_to(const Line *line, const char *chain, Way way, const char *kind)
{
    g_autofree char *verdict = g_strdup_printf("jump %s%s.%s", line->port->prefix, way_names[way], kind);

    put_rule(line, chain, "", verdict);
}

/* Of a rule with an attribute "state". */
static bool put_states(Port *port, const Line *line, const char *chain, Way way, const char *states,
                       Error **err)
{
    if (*states == '\0' || strcmp(states, "NONE") == 0) {
        put_rule(line, chain, "", verdict_of(line, way));
        return true;
    }
    if (port->script->has_tracking) {
        g_autofree char *lower = g_ascii_strdown(states, -1);
        g_autofree char *more =
            g_strdup_printf(" ct state %s{ %s }", unequal(find_value(line->rule, FILTER_STATE)), lower);
        put_rule(line, chain, more, verdict_of(line, way));
        return true;
    }
    if (line->rule->item->action != FILTER_ACCEPT || find_value(line->rule, FILTER_STATE)->negated) {
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "this kernel does not track connections in bridges (nf_conntrack_bridge), so that a "
                         "state can only be accepted");
    }
    make_flows(port);
    if (strstr(states, "ESTABLISHED"))
        jump_to(line, chain, way, "known");
    if (strstr(states, "RELATED"))
        jump_to(line, chain, way, "related");
    if (strstr(states, "NEW"))
        jump_to(line, chain, way, "begin");
    return true;
}

/* What begins a connection, or belongs to it, in the direction in which it begins. */
static void put_forth(Port *port, const Line *line, const char *chain, Way way, bool is_one_way)
{
    if (port->script->has_tracking) {
        put_rule(line, chain,
                 is_one_way ? " ct state { new, established }"
                            : " ct state { new, established } ct direction original",
                 "accept");
        return;
    }
    make_flows(port);
    jump_to(line, chain, way, "begin");
}

static void put_back(Port *port, const Line *line, const char *chain, Way way)
{
    if (port->script->has_tracking) {
        put_rule(line, chain, " ct state established ct direction reply", "accept");
        return;
    }
    make_flows(port);
    jump_to(line, chain, way, "known");
}

static bool put_limit(Port *port, const Line *line, const char *chain, Way way, Error **err)
{
    const FilterValue *limit = find_value(line->rule, FILTER_CONNLIMIT);
    const char *ip = line->protocol->family == 6 ? "ip6" : "ip";

    if (!port->script->has_tracking)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "this kernel does not track connections in bridges (nf_conntrack_bridge), so that "
                         "they "
                         "cannot be limited");
    g_autofree char *name = g_strdup_printf("limit%u.%u", line->protocol->family, port->n_limits++);
    make_set(port, name, line->protocol->family == 6 ? "ipv6_addr" : "ipv4_addr");
    g_autofree char *more = g_strdup_printf(" add @%s%s { %s saddr ct count %s%u }", port->prefix, name, ip,
                                            limit->negated ? "" : "over ", number_of(limit));
    put_rule(line, chain, more, verdict_of(line, way));
    return true;
}

static bool put_tracked(Port *port, const FilterRule *rule, const char *const chains[WAY_COUNT], Error **err)
{
    const FilterItem *item = rule->item;
    const FilterValue *state = find_value(rule, FILTER_STATE), *limit = find_value(rule, FILTER_CONNLIMIT);
    const bool is_typed = find_value(rule, FILTER_TYPE) || find_value(rule, FILTER_CODE);
    const bool is_both = item->direction == FILTER_INOUT;
    const bool is_matched = item->action == FILTER_ACCEPT && !item->no_state_match && !is_both;
    const Way forth = item->direction == FILTER_OUT ? WAY_OUT : WAY_IN;
    bool ok = true;

    for (Way way = 0; way < WAY_COUNT && ok; way++) {
        Line line = line_begin(port, rule, way != forth);
        if (way != forth && ((!is_both && (state || limit || is_typed)) || limit))
            ; /* the other direction has no rule */
        else if (limit)
            ok = put_limit(port, &line, chains[way], way, err);
        else if (state)
            ok = put_states(port, &line, chains[way], way, state->text, err);
        else if (is_matched && way == forth)
            put_forth(port, &line, chains[way], way, is_typed);
        else if (is_matched)
            put_back(port, &line, chains[way], way);
        else
            put_rule(&line, chains[way], "", verdict_of(&line, way));
        g_string_free(line.text, TRUE);
    }
    return ok;
}

/* ---- chains ---- */

static bool check_rule(const FilterRule *rule, Error **err)
{
    const FilterValue *set = find_value(rule, FILTER_IPSET);
    const FilterValue *gratuitous = find_value(rule, FILTER_ARP_GRATUITOUS);

    if (set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "the IP set '%s' cannot be used: nftables does not know IP sets; a parameter with a "
                         "list "
                         "of addresses does the same",
                         set->text);
    if (gratuitous && strcmp(gratuitous->text, "true") == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "nftables does not know gratuitous ARP");
    return true;
}

static void put_frame_rule(const Port *port, const FilterRule *rule, const char *chain, Way way)
{
    Line line = line_begin(port, rule, rule->item->direction == FILTER_INOUT && way == WAY_OUT);

    put_rule(&line, chain, "", verdict_of(&line, way));
    g_string_free(line.text, TRUE);
}

static bool is_tracked(const FilterRule *rule)
{
    return rule->item->protocol != FILTER_ANY && filter_protocols[rule->item->protocol].is_tracked;
}

/* Which frames a chain is for. */
static const char *chain_match(const char *chain)
{
    static const char *const matches[][2] = {
        { "stp", "@ll,0,48 0x0180c2000000 " }, { "vlan", "ether type vlan " },
        { "arp", "meta protocol arp " },       { "rarp", "meta protocol 0x8035 " },
        { "ipv4", "meta protocol ip " },       { "ipv6", "meta protocol ip6 " }
    };
    const char *protocol = filter_chain_protocol(chain);

    for (unsigned i = 0; i < G_N_ELEMENTS(matches); i++) {
        if (strcmp(matches[i][0], protocol) == 0)
            return matches[i][1];
    }
    return "";
}

static bool is_for(const FilterRule *rule, Way way)
{
    return rule->item->direction != (way == WAY_OUT ? FILTER_IN : FILTER_OUT) && !is_tracked(rule);
}

static void put_jump(const Port *port, const FilterChain *chain, const char *root, Way way)
{
    const char *name = NULL;

    for (guint i = 0; i < chain->rules->len; i++) {
        const FilterRule *rule = g_ptr_array_index(chain->rules, i);
        if (!is_for(rule, way))
            continue;
        if (!name) {
            g_autofree char *suffix = g_strdup_printf("%s.c.%s", way_names[way], chain->name);
            g_strdelimit(suffix, ":", '_');
            name = make_chain(port, suffix);
            g_autofree char *text = g_strdup_printf("%scounter jump %s", chain_match(chain->name), name);
            put_own_rule(port, root, text);
        }
        put_frame_rule(port, rule, name, way);
    }
}

/* Rules of the root chain, and the way into the others between them. */
static void put_root(const Port *port, const FilterProgram *program, const char *root, Way way)
{
    const FilterChain *own = g_ptr_array_index(program->chains, 0);
    guint next = 1;

    for (guint i = 0; i <= own->rules->len; i++) {
        const FilterRule *rule = i < own->rules->len ? g_ptr_array_index(own->rules, i) : NULL;
        while (next < program->chains->len) {
            const FilterChain *chain = g_ptr_array_index(program->chains, next);
            if (rule && chain->priority > rule->item->priority)
                break;
            put_jump(port, chain, root, way);
            next++;
        }
        if (rule && is_for(rule, way))
            put_frame_rule(port, rule, root, way);
    }
}

/* Those about connections, of all chains together. */
static GPtrArray *tracked_rules(const FilterProgram *program)
{
    GPtrArray *rules = g_ptr_array_new();

    for (guint i = 0; i < program->chains->len; i++) {
        const FilterChain *chain = g_ptr_array_index(program->chains, i);
        for (guint k = 0; k < chain->rules->len; k++) {
            const FilterRule *rule = g_ptr_array_index(chain->rules, k);
            guint at = rules->len;
            if (!is_tracked(rule))
                continue;
            while (at > 0 && ((const FilterRule *)g_ptr_array_index(rules, at - 1))->item->priority >
                                 rule->item->priority)
                at--;
            g_ptr_array_insert(rules, (int)at, (void *)rule);
        }
    }
    return rules;
}

static bool check_rules(const FilterProgram *program, Error **err)
{
    for (guint i = 0; i < program->chains->len; i++) {
        const FilterChain *chain = g_ptr_array_index(program->chains, i);
        for (guint k = 0; k < chain->rules->len; k++) {
            if (!check_rule(g_ptr_array_index(chain->rules, k), err))
                return false;
        }
    }
    return true;
}

static const char *put_way(const Port *port, Way way, const char **ret_second)
{
    g_autofree char *connections = g_strdup_printf("%s.ip", way_names[way]);
    const char *first = make_chain(port, way_names[way]), *second = make_chain(port, connections);

    g_string_append_printf(port->script->elements,
                           "add element bridge " FILTER_TABLE " %s { \"%s\" : jump %s }\n"
                           "add element bridge " FILTER_TABLE " %s_ip { \"%s\" : jump %s }\n",
                           way_names[way], port->name, first, way_names[way], port->name, second);
    *ret_second = second;
    return first;
}

bool filter_script_add(FilterScript *script, const char *name, const FilterProgram *program, Error **err)
{
    Port port = { .script = script, .name = name, .prefix = port_prefix(name) };
    g_autofree char *prefix G_GNUC_UNUSED = port.prefix;
    g_autoptr(GPtrArray) tracked = tracked_rules(program);
    const char *second[WAY_COUNT];

    if (!check_rules(program, err))
        return false;
    for (Way way = 0; way < WAY_COUNT; way++)
        put_root(&port, program, put_way(&port, way, &second[way]), way);
    for (guint i = 0; i < tracked->len; i++) {
        if (!put_tracked(&port, g_ptr_array_index(tracked, i), second, err))
            return false;
    }
    return true;
}

unsigned filter_script_close(FilterScript *script, const char *name)
{
    Port port = { .script = script, .name = name, .prefix = port_prefix(name) };
    g_autofree char *prefix G_GNUC_UNUSED = port.prefix;

    for (Way way = 0; way < WAY_COUNT; way++) {
        const char *second = NULL;
        put_own_rule(&port, put_way(&port, way, &second), "counter drop");
    }
    return WAY_COUNT;
}

void filter_script_remove(FilterScript *script, const char *name)
{
    g_hash_table_add(script->gone, port_prefix(name));
    for (Way way = 0; way < WAY_COUNT; way++)
        g_string_append_printf(script->elements,
                               "delete element bridge " FILTER_TABLE " %s { \"%s\" }\n"
                               "delete element bridge " FILTER_TABLE " %s_ip { \"%s\" }\n",
                               way_names[way], name, way_names[way], name);
}

/* ---- the script ---- */

static const char table_text[] =
    "table bridge " FILTER_TABLE " {\n"
    "  map out { type ifname : verdict; }\n"
    "  map out_ip { type ifname : verdict; }\n"
    "  map in { type ifname : verdict; }\n"
    "  map in_ip { type ifname : verdict; }\n"
    "  chain from_guests { type filter hook prerouting priority -150; policy accept; }\n"
    "  chain from_guests_ip { type filter hook prerouting priority -140; policy accept; }\n"
    "  chain to_guests { type filter hook postrouting priority 0; policy accept; }\n"
    "  chain to_guests_ip { type filter hook postrouting priority 10; policy accept; }\n"
    "}\n"
    "flush chain bridge " FILTER_TABLE " from_guests\n"
    "flush chain bridge " FILTER_TABLE " from_guests_ip\n"
    "flush chain bridge " FILTER_TABLE " to_guests\n"
    "flush chain bridge " FILTER_TABLE " to_guests_ip\n"
    "add rule bridge " FILTER_TABLE " from_guests iifname vmap @out\n"
    "add rule bridge " FILTER_TABLE " from_guests_ip iifname vmap @out_ip\n"
    "add rule bridge " FILTER_TABLE " to_guests oifname vmap @in\n"
    "add rule bridge " FILTER_TABLE " to_guests_ip oifname vmap @in_ip\n";
static const char flush_text[] =
    "flush map bridge " FILTER_TABLE " out\nflush map bridge " FILTER_TABLE
    " out_ip\nflush map bridge " FILTER_TABLE " in\nflush map bridge " FILTER_TABLE " in_ip\n";

/* The part of @name that names its interface: "i.vnet0." */
static size_t prefix_len(const char *name)
{
    const char *dot = g_str_has_prefix(name, "i.") ? strchr(name + 2, '.') : NULL;

    return dot ? (size_t)(dot - name) + 1 : 0;
}

static bool is_about(const FilterScript *script, const char *name)
{
    g_autofree char *prefix = g_strndup(name, prefix_len(name));
    g_autofree char *chain = g_strconcat(prefix, "out", NULL);

    return g_hash_table_contains(script->names, chain) || g_hash_table_contains(script->gone, prefix);
}

/* Sets are told from chains by their names. */
static bool is_set(const char *name)
{
    const char *rest = name + prefix_len(name);

    return g_str_has_prefix(rest, "flow") || g_str_has_prefix(rest, "pair") ||
           g_str_has_prefix(rest, "limit");
}

static void put_deletions(const FilterScript *script, GHashTable *known, bool is_whole, bool sets,
                          GString *out, const char *verb)
{
    GHashTableIter iter;
    void *name = NULL;

    g_hash_table_iter_init(&iter, known);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (prefix_len(name) == 0 || g_hash_table_contains(script->names, name) || is_set(name) != sets ||
            (!is_whole && !is_about(script, name)))
            continue;
        g_string_append_printf(out, "%s %s bridge " FILTER_TABLE " %s\n", verb, sets ? "set" : "chain",
                               (const char *)name);
    }
}

char *filter_script_text(const FilterScript *script, const GHashTable *known_names, bool is_whole)
{
    GHashTable *known = (GHashTable *)known_names;
    /* Said once only, since to say it again is to change it. */
    const bool has_table = known && !is_whole && g_hash_table_contains(known, "from_guests");
    GString *out = g_string_new(has_table ? "" : table_text);

    if (is_whole)
        g_string_append(out, flush_text);
    g_string_append_len(out, script->chains->str, (gssize)script->chains->len);
    if (known)
        put_deletions(script, known, is_whole, false, out, "flush");
    g_string_append_len(out, script->rules->str, (gssize)script->rules->len);
    g_string_append_len(out, script->elements->str, (gssize)script->elements->len);
    if (known) {
        put_deletions(script, known, is_whole, false, out, "delete");
        put_deletions(script, known, is_whole, true, out, "delete");
    }
    return g_string_free(out, FALSE);
}

void filter_script_remember(const FilterScript *script, GHashTable *known, bool is_whole)
{
    GHashTableIter iter;
    void *name = NULL;

    g_hash_table_iter_init(&iter, known);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (is_whole || is_about(script, name))
            g_hash_table_iter_remove(&iter);
    }
    g_hash_table_iter_init(&iter, script->names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_hash_table_add(known, g_strdup(name));
    g_hash_table_add(known, g_strdup("from_guests"));
}
