/* What rules of network filters may ask of a frame: the attributes of each protocol, and what their values
 * look like. Numbers keep the base in which they were written. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/ip.h"
#include "base/units.h"
#include "conf/nwfilter.h"
#include "conf/nwfilter_internal.h"

#define COMMENT_MAX 256
#define IPSET_MAX 31
#define IPSET_FLAGS_MAX 6
#define ITERATORS_MAX 1000

typedef enum ValueKind {
    VALUE_NUMBER,
    VALUE_DECIMAL,
    VALUE_NAMED,  /* a number that may have a name */
    VALUE_OPCODE, /* the same, written in decimal */
    VALUE_MAC,
    VALUE_MAC_MASK,
    VALUE_IP,
    VALUE_IP_MASK,
    VALUE_BOOL,
    VALUE_STATE,
    VALUE_TCP_FLAGS,
    VALUE_IPSET,
    VALUE_IPSET_FLAGS,
    VALUE_COMMENT,
} ValueKind;

typedef struct NamedNumber {
    const char *name;
    uint32_t number;
} NamedNumber;
static const NamedNumber ether_names[] = { { "arp", 0x806 },   { "rarp", 0x8035 }, { "ipv4", 0x800 },
                                           { "ipv6", 0x86dd }, { "vlan", 0x8100 }, { 0 } };
static const NamedNumber protocol_names[] = { { "tcp", 6 },  { "udp", 17 },   { "udplite", 136 },
                                              { "esp", 50 }, { "ah", 51 },    { "icmp", 1 },
                                              { "igmp", 2 }, { "sctp", 132 }, { "icmpv6", 58 },
                                              { 0 } };
static const NamedNumber opcode_names[] = { { "Request", 1 },         { "Reply", 2 },
                                            { "Request_Reverse", 3 }, { "Reply_Reverse", 4 },
                                            { "DRARP_Request", 5 },   { "DRARP_Reply", 6 },
                                            { "DRARP_Error", 7 },     { "InARP_Request", 8 },
                                            { "ARP_NAK", 9 },         { 0 } };

typedef struct AttrSpec {
    const char *name;
    uint8_t kind; /* ValueKind */
    uint32_t min, max;
    const NamedNumber *names;
    bool is_v4; /* an address that is IPv4 whatever the protocol */
} AttrSpec;

#define NUMBER(text, most)                                                                                   \
    {                                                                                                        \
        .name = (text), .kind = VALUE_NUMBER, .max = (most)                                                  \
    }
#define KIND(text, what, ...)                                                                                \
    {                                                                                                        \
        .name = (text), .kind = VALUE_##what, __VA_ARGS__                                                    \
    }
static const AttrSpec specs[FILTER_ATTR_COUNT] = {
    [FILTER_SRC_MAC] = KIND("srcmacaddr", MAC),
    [FILTER_SRC_MAC_MASK] = KIND("srcmacmask", MAC_MASK),
    [FILTER_DST_MAC] = KIND("dstmacaddr", MAC),
    [FILTER_DST_MAC_MASK] = KIND("dstmacmask", MAC_MASK),
    [FILTER_ETHER_TYPE] = KIND("protocolid", NAMED, .min = 0x600, .max = 0xffff, .names = ether_names),
    [FILTER_VLAN_ID] = NUMBER("vlanid", 0xfff),
    [FILTER_VLAN_TYPE] = KIND("encap-protocol", NAMED, .min = 0x3c, .max = 0xffff, .names = ether_names),
    [FILTER_STP_TYPE] = NUMBER("type", 0xff),
    [FILTER_STP_FLAGS] = NUMBER("flags", 0xff),
    [FILTER_STP_ROOT_PRIORITY] = NUMBER("root-priority", 0xffff),
    [FILTER_STP_ROOT_PRIORITY_HI] = NUMBER("root-priority-hi", 0xffff),
    [FILTER_STP_ROOT_MAC] = KIND("root-address", MAC),
    [FILTER_STP_ROOT_MAC_MASK] = KIND("root-address-mask", MAC_MASK),
    [FILTER_STP_ROOT_COST] = NUMBER("root-cost", UINT32_MAX),
    [FILTER_STP_ROOT_COST_HI] = NUMBER("root-cost-hi", UINT32_MAX),
    [FILTER_STP_SENDER_PRIORITY] = NUMBER("sender-priority", 0xffff),
    [FILTER_STP_SENDER_PRIORITY_HI] = NUMBER("sender-priority-hi", 0xffff),
    [FILTER_STP_SENDER_MAC] = KIND("sender-address", MAC),
    [FILTER_STP_SENDER_MAC_MASK] = KIND("sender-address-mask", MAC_MASK),
    [FILTER_STP_PORT] = NUMBER("port", 0xffff),
    [FILTER_STP_PORT_HI] = NUMBER("port-hi", 0xffff),
    [FILTER_STP_AGE] = NUMBER("msg-age", 0xffff),
    [FILTER_STP_AGE_HI] = NUMBER("msg-age-hi", 0xffff),
    [FILTER_STP_MAX_AGE] = NUMBER("max-age", 0xffff),
    [FILTER_STP_MAX_AGE_HI] = NUMBER("max-age-hi", 0xffff),
    [FILTER_STP_HELLO] = NUMBER("hello-time", 0xffff),
    [FILTER_STP_HELLO_HI] = NUMBER("hello-time-hi", 0xffff),
    [FILTER_STP_DELAY] = NUMBER("forward-delay", 0xffff),
    [FILTER_STP_DELAY_HI] = NUMBER("forward-delay-hi", 0xffff),
    [FILTER_ARP_HARDWARE] = NUMBER("hwtype", 0xffff),
    [FILTER_ARP_PROTOCOL] = NUMBER("protocoltype", 0xffff),
    [FILTER_ARP_OPCODE] = KIND("opcode", OPCODE, .max = 0xffff, .names = opcode_names),
    [FILTER_ARP_SRC_MAC] = KIND("arpsrcmacaddr", MAC),
    [FILTER_ARP_DST_MAC] = KIND("arpdstmacaddr", MAC),
    [FILTER_ARP_SRC_IP] = KIND("arpsrcipaddr", IP, .is_v4 = true),
    [FILTER_ARP_SRC_IP_MASK] = KIND("arpsrcipmask", IP_MASK, .is_v4 = true),
    [FILTER_ARP_DST_IP] = KIND("arpdstipaddr", IP, .is_v4 = true),
    [FILTER_ARP_DST_IP_MASK] = KIND("arpdstipmask", IP_MASK, .is_v4 = true),
    [FILTER_ARP_GRATUITOUS] = KIND("gratuitous", BOOL),
    [FILTER_SRC_IP] = KIND("srcipaddr", IP),
    [FILTER_SRC_IP_MASK] = KIND("srcipmask", IP_MASK),
    [FILTER_DST_IP] = KIND("dstipaddr", IP),
    [FILTER_DST_IP_MASK] = KIND("dstipmask", IP_MASK),
    [FILTER_SRC_IP_FROM] = KIND("srcipfrom", IP),
    [FILTER_SRC_IP_TO] = KIND("srcipto", IP),
    [FILTER_DST_IP_FROM] = KIND("dstipfrom", IP),
    [FILTER_DST_IP_TO] = KIND("dstipto", IP),
    [FILTER_PROTOCOL] = KIND("protocol", NAMED, .max = 0xff, .names = protocol_names),
    [FILTER_DSCP] = NUMBER("dscp", 63),
    [FILTER_CONNLIMIT] = KIND("connlimit-above", DECIMAL, .max = 0xffff),
    [FILTER_STATE] = KIND("state", STATE),
    [FILTER_IPSET] = KIND("ipset", IPSET),
    [FILTER_IPSET_FLAGS] = KIND("ipsetflags", IPSET_FLAGS),
    [FILTER_SRC_PORT] = NUMBER("srcportstart", 0xffff),
    [FILTER_SRC_PORT_END] = NUMBER("srcportend", 0xffff),
    [FILTER_DST_PORT] = NUMBER("dstportstart", 0xffff),
    [FILTER_DST_PORT_END] = NUMBER("dstportend", 0xffff),
    [FILTER_TCP_OPTION] = NUMBER("option", 0xff),
    [FILTER_TCP_FLAGS] = KIND("flags", TCP_FLAGS),
    [FILTER_TYPE] = NUMBER("type", 0xff),
    [FILTER_TYPE_END] = NUMBER("typeend", 0xff),
    [FILTER_CODE] = NUMBER("code", 0xff),
    [FILTER_CODE_END] = NUMBER("codeend", 0xff),
    [FILTER_COMMENT] = KIND("comment", COMMENT),
};

/* ---- protocols ---- */

#define ATTRS(...) ((const uint8_t[]){ __VA_ARGS__, FILTER_COMMENT, FILTER_ATTR_COUNT })
#define SENDER FILTER_SRC_MAC, FILTER_SRC_MAC_MASK
#define BOTH_MACS SENDER, FILTER_DST_MAC, FILTER_DST_MAC_MASK
#define RANGE(what) FILTER_##what, FILTER_##what##_HI
#define ADDRESSES FILTER_SRC_IP, FILTER_SRC_IP_MASK, FILTER_DST_IP, FILTER_DST_IP_MASK
#define PORTS FILTER_SRC_PORT, FILTER_SRC_PORT_END, FILTER_DST_PORT, FILTER_DST_PORT_END
#define TRACKED                                                                                              \
    FILTER_SRC_MAC, ADDRESSES, FILTER_SRC_IP_FROM, FILTER_SRC_IP_TO, FILTER_DST_IP_FROM, FILTER_DST_IP_TO,   \
        FILTER_DSCP, FILTER_CONNLIMIT, FILTER_STATE, FILTER_IPSET, FILTER_IPSET_FLAGS
#define ARP_ATTRS                                                                                            \
    ATTRS(BOTH_MACS, FILTER_ARP_HARDWARE, FILTER_ARP_PROTOCOL, FILTER_ARP_OPCODE, FILTER_ARP_SRC_MAC,        \
          FILTER_ARP_DST_MAC, FILTER_ARP_SRC_IP, FILTER_ARP_SRC_IP_MASK, FILTER_ARP_DST_IP,                  \
          FILTER_ARP_DST_IP_MASK, FILTER_ARP_GRATUITOUS)
#define ABOVE(text, version, ip_number, ...)                                                                 \
    {                                                                                                        \
        .name = (text), .family = (version), .number = (ip_number), .is_tracked = true,                      \
        .attrs = ATTRS(TRACKED, ##__VA_ARGS__)                                                               \
    }

const FilterProtocol filter_protocols[] = {
    { .name = "mac", .attrs = ATTRS(BOTH_MACS, FILTER_ETHER_TYPE) },
    { .name = "vlan", .attrs = ATTRS(BOTH_MACS, FILTER_VLAN_ID, FILTER_VLAN_TYPE) },
    { .name = "stp",
      .attrs = ATTRS(SENDER, FILTER_STP_TYPE, FILTER_STP_FLAGS, RANGE(STP_ROOT_PRIORITY), FILTER_STP_ROOT_MAC,
                     FILTER_STP_ROOT_MAC_MASK, RANGE(STP_ROOT_COST), RANGE(STP_SENDER_PRIORITY),
                     FILTER_STP_SENDER_MAC, FILTER_STP_SENDER_MAC_MASK, RANGE(STP_PORT), RANGE(STP_AGE),
                     RANGE(STP_MAX_AGE), RANGE(STP_HELLO), RANGE(STP_DELAY)) },
    { .name = "arp", .attrs = ARP_ATTRS },
    { .name = "rarp", .attrs = ARP_ATTRS },
    { .name = "ip", .family = 4, .attrs = ATTRS(BOTH_MACS, ADDRESSES, FILTER_PROTOCOL, PORTS, FILTER_DSCP) },
    { .name = "ipv6",
      .family = 6,
      .attrs = ATTRS(BOTH_MACS, ADDRESSES, FILTER_PROTOCOL, PORTS, FILTER_TYPE, FILTER_TYPE_END, FILTER_CODE,
                     FILTER_CODE_END) },
    ABOVE("tcp", 4, 6, PORTS, FILTER_TCP_OPTION, FILTER_TCP_FLAGS),
    ABOVE("udp", 4, 17, PORTS),
    ABOVE("sctp", 4, 132, PORTS),
    ABOVE("icmp", 4, 1, FILTER_TYPE, FILTER_CODE),
    ABOVE("igmp", 4, 2),
    ABOVE("esp", 4, 50),
    ABOVE("ah", 4, 51),
    ABOVE("udplite", 4, 136),
    ABOVE("all", 4, 0),
    ABOVE("tcp-ipv6", 6, 6, PORTS, FILTER_TCP_OPTION, FILTER_TCP_FLAGS),
    ABOVE("udp-ipv6", 6, 17, PORTS),
    ABOVE("sctp-ipv6", 6, 132, PORTS),
    ABOVE("icmpv6", 6, 58, FILTER_TYPE, FILTER_CODE),
    ABOVE("esp-ipv6", 6, 50),
    ABOVE("ah-ipv6", 6, 51),
    ABOVE("udplite-ipv6", 6, 136),
    ABOVE("all-ipv6", 6, 0),
    { 0 },
};

const char *filter_attr_name(FilterAttrId attr)
{
    return specs[attr].name;
}

const FilterMatch *filter_find_match(const FilterItem *rule, FilterAttrId attr)
{
    for (guint i = 0; rule->matches && i < rule->matches->len; i++) {
        const FilterMatch *match = g_ptr_array_index(rule->matches, i);
        if (match->attr == attr)
            return match;
    }
    return NULL;
}

/* ---- variables ---- */

bool filter_is_name(const char *text)
{
    for (; *text; text++) {
        if (!g_ascii_isalnum(*text) && *text != '_')
            return false;
    }
    return true;
}

bool filter_parse_variable(const char *value, char **ret_name, int *ret_iterator, uint32_t *ret_index)
{
    const size_t len = strcspn(value + 1, "[");
    const char *bracket = value + 1 + len;
    g_autofree char *name = g_strndup(value + 1, len);
    uint64_t number = 0;
    bool is_iterator = true;

    if (!filter_is_name(name))
        return false;
    if (*bracket) {
        const size_t inside_len = strlen(bracket + 1);
        if (inside_len == 0 || bracket[inside_len] != ']')
            return false;
        g_autofree char *inside = g_strstrip(g_strndup(bracket + 1, inside_len - 1));
        is_iterator = *inside == '@';
        if (!parse_uint(inside + is_iterator, &number, NULL) ||
            number > (is_iterator ? ITERATORS_MAX : UINT32_MAX))
            return false;
    }
    *ret_iterator = is_iterator ? (int)number : -1;
    *ret_index = is_iterator ? 0 : (uint32_t)number;
    *ret_name = g_steal_pointer(&name);
    return true;
}

static char *read_variable(const char *text)
{
    g_autofree char *name = NULL;
    int iterator = 0;
    uint32_t index = 0;

    if (!filter_parse_variable(text, &name, &iterator, &index))
        return NULL;
    if (iterator < 0)
        return g_strdup_printf("$%s[%u]", name, index);
    return iterator > 0 ? g_strdup_printf("$%s[@%d]", name, iterator) : g_strdup_printf("$%s", name);
}

/* ---- values ---- */

static char *read_number(const AttrSpec *spec, const char *text)
{
    const bool is_hex = g_ascii_strncasecmp(text, "0x", 2) == 0 && spec->kind != VALUE_DECIMAL;
    uint64_t number = 0;

    for (const NamedNumber *named = spec->names; named && named->name; named++) {
        if (g_ascii_strcasecmp(named->name, text) == 0)
            return g_strdup(named->name);
    }
    if (!(is_hex ? parse_hex(text, &number, NULL) : parse_uint(text, &number, NULL)) || number < spec->min ||
        number > spec->max)
        return NULL;
    for (const NamedNumber *named = spec->names; named && named->name; named++) {
        if (named->number == number)
            return g_strdup(named->name);
    }
    return g_strdup_printf(is_hex && spec->kind != VALUE_OPCODE ? "0x%" PRIx64 : "%" PRIu64, number);
}

static char *read_mac(const char *text, bool is_mask)
{
    uint8_t bytes[6];
    bool has_zero = false;

    for (unsigned i = 0; i < 6; i++) {
        unsigned digits = 0, value = 0;
        for (; digits < 2 && g_ascii_isxdigit(*text); digits++, text++)
            value = value * 16 + (unsigned)g_ascii_xdigit_value(*text);
        if (digits == 0 || *text != (i < 5 ? ':' : '\0'))
            return NULL;
        text++;
        bytes[i] = (uint8_t)value;
    }
    for (unsigned bit = 0; is_mask && bit < 48; bit++) {
        const bool is_set = bytes[bit / 8] & (0x80U >> bit % 8);
        if (is_set && has_zero)
            return NULL;
        has_zero = has_zero || !is_set;
    }
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                           bytes[5]);
}

/* IPv4 as inet_aton(3) has it: "10.1" is 10.0.0.1. */
static bool parse_address(const char *text, bool is_v6, IpAddress *ret_ip)
{
    struct in_addr address;
    IpAddress ip = { .is_v6 = is_v6 };

    if (!*text || g_ascii_isspace(text[0]) || strpbrk(text, " \t\n\r"))
        return false;
    if (is_v6 ? inet_pton(AF_INET6, text, ip.bytes) != 1 : inet_aton(text, &address) == 0)
        return false;
    if (!is_v6)
        memcpy(ip.bytes, &address, sizeof(address));
    *ret_ip = ip;
    return true;
}

static char *read_ip(const char *text, bool is_v6)
{
    char out[IP_STRING_LEN];
    IpAddress ip;

    if (!parse_address(text, is_v6, &ip))
        return NULL;
    ip_format(&ip, out);
    return g_strdup(out);
}

static char *read_ip_mask(const char *text, bool is_v6)
{
    IpAddress mask;
    uint64_t number = 0;
    unsigned prefix = 0;

    if (parse_uint(text, &number, NULL))
        return number <= (is_v6 ? 128 : 32) ? g_strdup_printf("%" PRIu64, number) : NULL;
    if (!ip_parse(text, &mask) || mask.is_v6 != is_v6 || !ip_mask_to_prefix(&mask, &prefix))
        return NULL;
    return g_strdup_printf("%u", prefix);
}

/* A list of words, in the order of @words; a bit for each. false: one that is unknown. */
static bool read_words(const char *text, const char *const *words, unsigned *ret_bits)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    unsigned bits = 0;

    for (char **part = parts; *part; part++) {
        unsigned i = 0;
        g_strstrip(*part);
        if (!**part)
            continue;
        while (words[i] && g_ascii_strcasecmp(words[i], *part) != 0)
            i++;
        if (!words[i])
            return false;
        bits |= 1U << i;
    }
    *ret_bits = bits;
    return true;
}

static void append_words(GString *out, const char *const *words, unsigned bits)
{
    const size_t start = out->len;

    for (unsigned i = 0; words[i]; i++) {
        if (bits & (1U << i))
            g_string_append_printf(out, "%s%s", out->len > start ? "," : "", words[i]);
    }
}

static char *read_state(const char *text)
{
    static const char *const words[] = { "NEW", "ESTABLISHED", "RELATED", "INVALID", "NONE", NULL };
    GString *out = g_string_new(NULL);
    unsigned bits = 0;

    const bool ok = read_words(text, words, &bits);
    append_words(out, words, bits & 16 ? 16 : bits);
    return g_string_free(out, !ok);
}

static char *read_tcp_flags(const char *text)
{
    static const char *const words[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG", "ALL", "NONE", NULL };
    const char *slash = strchr(text, '/');

    if (!slash)
        return NULL;
    g_autofree char *mask = g_strndup(text, (gsize)(slash - text));
    const char *const halves[] = { mask, slash + 1 };
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; i < 2; i++) {
        unsigned bits = 0;
        if (!read_words(halves[i], words, &bits))
            return g_string_free(out, TRUE);
        bits = bits & 64 ? 63 : bits & 63;
        g_string_append(out, i ? "/" : "");
        if (bits == 63 || bits == 0)
            g_string_append(out, bits ? "ALL" : "NONE");
        else
            append_words(out, words, bits);
    }
    return g_string_free(out, FALSE);
}

static char *read_ipset(const char *text)
{
    const size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (!g_ascii_isalnum(text[i]) && !strchr("_.:- ", text[i]))
            return NULL;
    }
    return len <= IPSET_MAX ? g_strdup(text) : NULL;
}

static char *read_ipset_flags(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    if (!*parts || g_strv_length(parts) > IPSET_FLAGS_MAX)
        return NULL;
    for (char **part = parts; *part; part++) {
        if (g_ascii_strcasecmp(*part, "src") != 0 && g_ascii_strcasecmp(*part, "dst") != 0)
            return NULL;
    }
    return g_ascii_strdown(text, -1);
}

static char *read_comment(const char *text)
{
    const char *end = text + MIN(strlen(text), COMMENT_MAX);

    while (end > text && ((unsigned char)*end & 0xc0) == 0x80)
        end--; /* not in the middle of a character */
    return g_strndup(text, (gsize)(end - text));
}

static char *read_text(const AttrSpec *spec, unsigned family, const char *text)
{
    const bool is_v6 = family == 6 && !spec->is_v4;

    switch ((ValueKind)spec->kind) {
    case VALUE_NUMBER:
    case VALUE_DECIMAL:
    case VALUE_NAMED:
    case VALUE_OPCODE:
        return read_number(spec, text);
    case VALUE_MAC:
    case VALUE_MAC_MASK:
        return read_mac(text, spec->kind == VALUE_MAC_MASK);
    case VALUE_IP:
        return read_ip(text, is_v6);
    case VALUE_IP_MASK:
        return read_ip_mask(text, is_v6);
    case VALUE_BOOL:
        return g_strdup(strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0
                            ? "true"
                            : "false");
    case VALUE_STATE:
        return read_state(text);
    case VALUE_TCP_FLAGS:
        return read_tcp_flags(text);
    case VALUE_IPSET:
        return read_ipset(text);
    case VALUE_IPSET_FLAGS:
        return read_ipset_flags(text);
    case VALUE_COMMENT:
        return read_comment(text);
    }
    return NULL;
}

bool filter_read_value(FilterAttrId attr, unsigned family, const char *text, char **ret_value)
{
    char *value =
        *text == '$' && attr != FILTER_COMMENT ? read_variable(text) : read_text(&specs[attr], family, text);

    if (!value)
        return false;
    *ret_value = value;
    return true;
}

bool filter_value_number(FilterAttrId attr, const char *value, uint32_t *ret_number)
{
    uint64_t number = 0;

    for (const NamedNumber *named = specs[attr].names; named && named->name; named++) {
        if (strcmp(named->name, value) == 0) {
            *ret_number = named->number;
            return true;
        }
    }
    if (!parse_uint_any(value, &number, NULL) || number > UINT32_MAX)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}
