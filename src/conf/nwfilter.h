/* The documents of network filters, and of what binds one to an interface.
 *
 * A rule says of one protocol which attributes a frame must have. Which attributes a protocol has, and what
 * their values look like, is a table (nwfilter_rule.c); a rule holds the values as text that was checked, as
 * it is written. A value that begins with '$' is a variable: each interface has its own. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "conf/xml_table.h"

typedef enum FilterAction {
    FILTER_DROP,
    FILTER_ACCEPT,
    FILTER_REJECT,
    FILTER_RETURN,
    FILTER_CONTINUE,
    FILTER_ACTION_COUNT
} FilterAction;
typedef enum FilterDirection { /* as the guest sees it */
                               FILTER_IN,
                               FILTER_OUT,
                               FILTER_INOUT,
                               FILTER_DIRECTION_COUNT
} FilterDirection;

typedef enum FilterAttrId {
    FILTER_SRC_MAC,
    FILTER_SRC_MAC_MASK,
    FILTER_DST_MAC,
    FILTER_DST_MAC_MASK,
    FILTER_ETHER_TYPE,
    FILTER_VLAN_ID,
    FILTER_VLAN_TYPE,
    FILTER_STP_TYPE,
    FILTER_STP_FLAGS,
    FILTER_STP_ROOT_PRIORITY,
    FILTER_STP_ROOT_PRIORITY_HI,
    FILTER_STP_ROOT_MAC,
    FILTER_STP_ROOT_MAC_MASK,
    FILTER_STP_ROOT_COST,
    FILTER_STP_ROOT_COST_HI,
    FILTER_STP_SENDER_PRIORITY,
    FILTER_STP_SENDER_PRIORITY_HI,
    FILTER_STP_SENDER_MAC,
    FILTER_STP_SENDER_MAC_MASK,
    FILTER_STP_PORT,
    FILTER_STP_PORT_HI,
    FILTER_STP_AGE,
    FILTER_STP_AGE_HI,
    FILTER_STP_MAX_AGE,
    FILTER_STP_MAX_AGE_HI,
    FILTER_STP_HELLO,
    FILTER_STP_HELLO_HI,
    FILTER_STP_DELAY,
    FILTER_STP_DELAY_HI,
    FILTER_ARP_HARDWARE,
    FILTER_ARP_PROTOCOL,
    FILTER_ARP_OPCODE,
    FILTER_ARP_SRC_MAC,
    FILTER_ARP_DST_MAC,
    FILTER_ARP_SRC_IP,
    FILTER_ARP_SRC_IP_MASK,
    FILTER_ARP_DST_IP,
    FILTER_ARP_DST_IP_MASK,
    FILTER_ARP_GRATUITOUS,
    FILTER_SRC_IP,
    FILTER_SRC_IP_MASK,
    FILTER_DST_IP,
    FILTER_DST_IP_MASK,
    FILTER_SRC_IP_FROM,
    FILTER_SRC_IP_TO,
    FILTER_DST_IP_FROM,
    FILTER_DST_IP_TO,
    FILTER_PROTOCOL,
    FILTER_DSCP,
    FILTER_CONNLIMIT,
    FILTER_STATE,
    FILTER_IPSET,
    FILTER_IPSET_FLAGS,
    FILTER_SRC_PORT,
    FILTER_SRC_PORT_END,
    FILTER_DST_PORT,
    FILTER_DST_PORT_END,
    FILTER_TCP_OPTION,
    FILTER_TCP_FLAGS,
    FILTER_TYPE,
    FILTER_TYPE_END,
    FILTER_CODE,
    FILTER_CODE_END,
    FILTER_COMMENT,
    FILTER_ATTR_COUNT
} FilterAttrId;

typedef struct FilterProtocol {
    const char *name;     /* of its element */
    uint8_t family;       /* 4, 6; 0: neither */
    uint8_t number;       /* of IP: 6 for TCP; 0: any */
    bool is_tracked;      /* filtered above the link layer, connections are tracked */
    const uint8_t *attrs; /* FilterAttrId in the order in which they are written; ends with COUNT */
} FilterProtocol;
extern const FilterProtocol filter_protocols[]; /* ends with one without a name */

typedef struct FilterMatch {
    uint32_t attr; /* FilterAttrId */
    bool negated;  /* match='no' */
    char *value;
} FilterMatch;

/* What a filter consists of, in the order of the document: rules, and references to other filters. */
typedef struct FilterItem {
    char *filter;          /* a reference; NULL: a rule */
    GPtrArray *parameters; /* of a reference: FilterParameter, sorted by name */
    uint8_t action, direction;
    int32_t priority; /* -1000..1000 */
    bool no_state_match;
    uint32_t protocol;  /* index in filter_protocols; FILTER_ANY: frames of any kind */
    GPtrArray *matches; /* FilterMatch, each attribute once */
} FilterItem;
#define FILTER_ANY 255

typedef struct FilterDef {
    char *name;
    Uuid uuid;
    char *chain;       /* "root", or one that begins with the name of a protocol */
    bool has_priority; /* while reading */
    int32_t priority;  /* of the chain, -1000..1000 */
    GPtrArray *items;  /* FilterItem */
} FilterDef;
extern const XmlTable filter_table;
/* The protocol of @chain, as its prefix says: "mac", "stp", "vlan", "arp", "rarp", "ipv4", "ipv6", "root".
 * NULL: none. */
const char *filter_chain_protocol(const char *chain);

/* Of @rule; NULL: it does not ask for that. */
const FilterMatch *filter_find_match(const FilterItem *rule, FilterAttrId attr);
/* Does @value (which begins with '$') name a variable? *ret_name: NULL, or owned. *ret_iterator: -1: @index;
 * else all its values, together with others of that iterator. */
bool filter_parse_variable(const char *value, char **ret_name, int *ret_iterator, uint32_t *ret_index);
/* Checks @text as a value of @attr of a protocol of @family (as of a variable). *ret_value owned. false: it
 * is none. */
bool filter_read_value(FilterAttrId attr, unsigned family, const char *text, char **ret_value);

/* Of a checked value that is no variable: the number that a name or text stands for. */
bool filter_value_number(FilterAttrId attr, const char *value, uint32_t *ret_number);

/* Parameters that make no sense go, the others are sorted by name: *io_list may become NULL. */
void filter_complete_parameters(GPtrArray **io_list);
extern const XmlTable filter_parameter_table;

typedef struct FilterBindingDef {
    Uuid uuid; /* none in the document */
    char *owner_name;
    Uuid owner_uuid;
    char *port; /* the interface */
    char *link; /* <linkdev> */
    bool has_mac;
    Mac mac;
    char *filter;
    GPtrArray *parameters; /* FilterParameter */
} FilterBindingDef;
extern const XmlTable filter_binding_table;
