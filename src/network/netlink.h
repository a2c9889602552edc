/* Links, addresses and routes of this host, by rtnetlink (rtnetlink(7), linux/if_link.h).
 *
 * All calls are short, but wait for the kernel's lock of the network configuration, which others may hold: in
 * a worker only (or where nothing runs yet). Each opens a socket of its own for the network name space it is
 * called in.
 *
 * ERROR_SYSTEM with errno: what the kernel says, naming the link. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>

#include "base/error.h"
#include "base/ip.h"
#include "base/uuid.h"

typedef struct BridgeSpec {
    const char *name;
    const Mac *mac; /* NULL: the kernel's */
    unsigned mtu;   /* 0: the kernel's */
    bool stp;
    unsigned delay_s;
    bool vlan_filtering;
} BridgeSpec;
/* ERROR_SYSTEM EEXIST: there is a link of that name. It is down. */
MUST_CHECK bool netlink_add_bridge(const BridgeSpec *spec, Error **err);

/* @mode: MACVLAN_MODE_* of linux/if_link.h. A macvtap (with a /dev/tapN) or a macvlan on @lower. @mac NULL:
 * any */
MUST_CHECK bool netlink_add_macvlan(const char *name, const char *lower, unsigned mode, bool with_tap,
                                    const Mac *mac, Error **err);
/* @kind: one that needs no more: "dummy", "ifb" */
MUST_CHECK bool netlink_add_plain(const char *name, const char *kind, const Mac *mac, Error **err);
/* VLAN @tag of @lower. */
MUST_CHECK bool netlink_add_vlan(const char *name, const char *lower, unsigned tag, Error **err);
/* @mode: the kernel's number. @miimon_ms 0: not watched */
MUST_CHECK bool netlink_add_bond(const char *name, unsigned mode, unsigned miimon_ms, Error **err);
/* One that is not there is no error. */
MUST_CHECK bool netlink_remove_link(const char *name, Error **err);

/* What is to be changed; the others stay. */
typedef struct LinkChange {
    bool set_up, up;
    bool set_filter, all_multicast, promiscuous;
    const char *master; /* NULL: as it is; "": none */
    const Mac *mac;
    unsigned mtu;
    const char *alias;       /* a text for people (ip link show) */
    const Mac *function_mac; /* of virtual function number @function of this card; NULL: as it is */
    unsigned function;
} LinkChange;
MUST_CHECK bool netlink_change_link(const char *name, const LinkChange *change, Error **err);
/* Of a port of a bridge; each -1: as it is. */
typedef struct BridgePortChange {
    int isolated, learning, unicast_flood;
} BridgePortChange;
MUST_CHECK bool netlink_change_port(const char *name, const BridgePortChange *change, Error **err);
typedef struct PortVlan {
    uint16_t id;
    bool is_own;      /* frames of the port without a tag belong to it */
    bool is_untagged; /* its frames leave without a tag */
} PortVlan;
/* The VLANs of a port of a bridge that filters by them; it is in no other. */
MUST_CHECK bool netlink_set_port_vlans(const char *port, const PortVlan *vlans, unsigned n_vlans,
                                       Error **err);
/* The bridge looks at VLANs from now on: its ports are in VLAN 1. */
MUST_CHECK bool netlink_filter_vlans(const char *bridge, Error **err);
/* An entry of the bridge's table for @port: @mac is there. */
MUST_CHECK bool netlink_set_fdb(const char *port, const Mac *mac, bool present, Error **err);

/* One that is there already is no error. */
MUST_CHECK bool netlink_add_address(const char *link, const IpAddress *ip, unsigned prefix, Error **err);
/* Of a line to @peer, which is in the subnet. */
MUST_CHECK bool netlink_add_line(const char *link, const IpAddress *ip, const IpAddress *peer,
                                 unsigned prefix, Error **err);
MUST_CHECK bool netlink_remove_address(const char *link, const IpAddress *ip, unsigned prefix, Error **err);
/* @gateway NULL: on the link itself. @metric 0: the kernel's */
MUST_CHECK bool netlink_add_route(const char *link, const IpAddress *network, unsigned prefix,
                                  const IpAddress *gateway, unsigned metric, Error **err);

/* ---- looking ---- */

typedef struct LinkInfo {
    int index;
    char name[IFNAMSIZ];
    Mac mac;
    unsigned mtu;
    unsigned flags;    /* IFF_UP ... */
    int master, lower; /* indexes; 0: none */
    char alias[64];
    unsigned char port_state; /* of a bridge's port: BR_STATE_* of linux/if_bridge.h */
    char kind[16];            /* "bridge", "tun", "macvtap", "veth", ...; "" for a real one */
    bool has_carrier;
    bool filters_vlans; /* a bridge */
    uint8_t operstate;  /* IF_OPER_UP ... of linux/if.h */
    bool stp;           /* of a bridge */
    unsigned delay_centis;
    unsigned vlan_tag;                  /* of a VLAN */
    unsigned bond_mode, bond_miimon_ms; /* of a bond */
    bool bond_asks_netif;               /* about the carrier; else by ioctl */
    uint64_t rx_bytes, rx_packets, rx_errors, rx_drops, tx_bytes, tx_packets, tx_errors, tx_drops;
} LinkInfo;
MUST_CHECK bool netlink_list_links(GArray **ret_links, Error **err);                 /* of LinkInfo, owned */
MUST_CHECK bool netlink_get_link(const char *name, LinkInfo *ret_link, Error **err); /* ERROR_SYSTEM ENODEV */

typedef struct AddressInfo {
    int index; /* of the link */
    IpAddress ip;
    unsigned prefix;
    uint8_t scope;    /* RT_SCOPE_UNIVERSE ... */
    uint32_t valid_s; /* UINT32_MAX: for ever */
} AddressInfo;
MUST_CHECK bool netlink_list_addresses(GArray **ret_addresses, Error **err); /* of AddressInfo, owned */

typedef struct RouteInfo {
    int index;         /* of the link; 0: several or none */
    IpAddress network; /* of the default route all zero */
    unsigned prefix;
    bool has_gateway;
    IpAddress gateway;
    unsigned table, metric;
    uint8_t protocol, scope; /* RTPROT_KERNEL ..., RT_SCOPE_LINK ... */
    unsigned flags;          /* RTNH_F_ONLINK */
    bool has_source;
    IpAddress source; /* of packets that go this way */
} RouteInfo;
/* The same route again, over @link. One that is there already is no error. */
MUST_CHECK bool netlink_put_route(const char *link, const RouteInfo *route, Error **err);
MUST_CHECK bool netlink_list_routes(GArray **ret_routes, Error **err); /* of RouteInfo, owned: unicast ones */

/* Neighbours of a link: who answered ARP or ND. */
typedef struct NeighbourInfo {
    int index;
    IpAddress ip;
    Mac mac;
} NeighbourInfo;
MUST_CHECK bool netlink_list_neighbours(GArray **ret_neighbours, Error **err); /* of NeighbourInfo, owned */
