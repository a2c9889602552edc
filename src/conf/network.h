/* The document of a network: a virtual switch of this host, or a way to one that is there. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "conf/xml_table.h"

typedef enum NetworkForward {
    NETWORK_ISOLATED, /* no <forward> */
    NETWORK_NAT,
    NETWORK_ROUTE,
    NETWORK_OPEN,
    NETWORK_BRIDGE,
    NETWORK_PRIVATE,
    NETWORK_VEPA,
    NETWORK_PASSTHROUGH,
    NETWORK_HOSTDEV,
    NETWORK_FORWARD_COUNT
} NetworkForward;
extern const EnumNames network_forward_names;

/* Does Lodge make its bridge? */
#define NETWORK_HAS_OWN_BRIDGE(forward) ((forward) <= NETWORK_OPEN)

typedef enum LeaseUnit {
    LEASE_UNIT_MINUTES,
    LEASE_UNIT_SECONDS,
    LEASE_UNIT_HOURS,
    LEASE_UNIT_COUNT
} LeaseUnit;

typedef struct NetworkLease {
    OptU32 expiry; /* in @unit; 0: for ever */
    uint8_t unit;  /* LeaseUnit */
} NetworkLease;

typedef struct NetworkRange { /* of addresses, as text that was checked */
    char *start, *end;
    NetworkLease *lease; /* NULL: dnsmasq's own (one hour) */
} NetworkRange;

typedef struct NetworkDhcpHost {
    char *mac; /* as it was written; NULL: by id or name */
    char *id, *name, *ip;
    NetworkLease *lease;
} NetworkDhcpHost;

typedef struct NetworkDhcp {
    GPtrArray *ranges; /* NetworkRange */
    GPtrArray *hosts;  /* NetworkDhcpHost */
    char *bootp_file, *bootp_server;
} NetworkDhcp;

typedef struct NetworkIp {
    char *family; /* NULL: ipv4; "ipv4", "ipv6" */
    char *address, *netmask;
    OptU32 prefix;
    Tristate local_ptr;
    char *tftp_root;
    NetworkDhcp *dhcp;
} NetworkIp;

typedef struct NetworkRoute {
    char *family, *address, *netmask;
    OptU32 prefix;
    char *gateway;
    OptU32 metric;
} NetworkRoute;

typedef struct NetworkForwarder {
    char *domain, *address;
    OptU32 port;
} NetworkForwarder;
typedef struct NetworkTxt {
    char *name, *value;
} NetworkTxt;
typedef struct NetworkSrv {
    char *service, *protocol, *domain, *target;
    OptU32 port, priority, weight;
} NetworkSrv;
typedef struct NetworkDnsName {
    char *name;
} NetworkDnsName;
typedef struct NetworkDnsHost {
    char *ip;
    GPtrArray *names; /* NetworkDnsName */
} NetworkDnsHost;
typedef struct NetworkDns {
    Tristate enable, forward_plain_names;
    GPtrArray *forwarders, *txts, *srvs, *hosts;
} NetworkDns;

typedef struct NetworkBandwidth {
    BandwidthLimit *inbound, *outbound;
    uint32_t class_id; /* of a port with a guaranteed rate: its class of traffic on the bridge; 0: none */
} NetworkBandwidth;

typedef enum VlanNative {
    VLAN_NATIVE_NONE,
    VLAN_NATIVE_TAGGED,
    VLAN_NATIVE_UNTAGGED,
    VLAN_NATIVE_COUNT
} VlanNative;
typedef struct VlanTag {
    uint32_t id;    /* 0..4095 */
    uint8_t native; /* VlanNative */
} VlanTag;
struct VlanDef { /* of networks and of machines' interfaces */
    Tristate trunk;
    GPtrArray *tags; /* VlanTag */
};
extern const XmlTable vlan_table;

struct VirtualPort {
    char *type; /* NULL: not said; 802.1Qbg, 802.1Qbh, openvswitch, midonet */
    OptU32 manager_id, type_id, type_id_version;
    char *instance_id, *interface_id, *profile_id;
};
extern const XmlTable virtual_port_table;
bool virtual_port_is_openvswitch(const VirtualPort *port); /* NULL: no */
/* Does a type that is known have what it needs? @required: there must be one. The ids that follow from none
 * are made up. ERROR_XML_INVALID, ERROR_CONFIG_UNSUPPORTED */
MUST_CHECK bool virtual_port_complete(VirtualPort *port, bool required, Error **err);

typedef struct NetworkPortgroup {
    char *name;
    Tristate is_default, trust_guest_rx_filters;
    VlanDef *vlan;
    VirtualPort *virtual_port;
    NetworkBandwidth *bandwidth;
} NetworkPortgroup;

typedef struct NetworkInterface { /* a device of the host that leads out */
    char *dev;
    OptU32 connections; /* of a running network */
} NetworkInterface;

typedef struct NetworkHostdev {
    uint8_t type; /* 0: pci */
    uint32_t domain, bus, slot, function;
    OptU32 connections;
} NetworkHostdev;

typedef struct NetworkOption { /* a line of dnsmasq's configuration, as it is */
    char *value;
} NetworkOption;

typedef struct NetworkDef {
    OptU32 connections; /* of a running network */
    Tristate ipv6, trust_guest_rx_filters;
    char *name;
    Uuid uuid; /* null: to be made up */
    char *title, *description;
    char *metadata; /* verbatim */
    /* <forward> */
    bool has_forward;
    uint8_t forward; /* NetworkForward */
    char *forward_dev;
    Tristate managed;
    char *driver; /* hostdev: vfio, kvm */
    Tristate nat_ipv6;
    char *nat_start, *nat_end;
    uint32_t nat_port_start, nat_port_end; /* 0: not said */
    char *pf;
    GPtrArray *interfaces; /* NetworkInterface */
    GPtrArray *hostdevs;   /* NetworkHostdev */
    /* <bridge> */
    char *bridge, *zone;
    OptU32 delay_s;
    Tristate stp;
    char *mac_table_manager; /* NULL; "kernel", "libvirt" */
    uint32_t mtu;
    bool has_mac;
    Mac mac; /* of the bridge */
    char *domain;
    Tristate domain_local_only, domain_register;
    NetworkDns *dns;
    VlanDef *vlan;
    NetworkBandwidth *bandwidth;
    Tristate isolated; /* <port> */
    GPtrArray *ips;    /* NetworkIp */
    GPtrArray *routes; /* NetworkRoute */
    VirtualPort *virtual_port;
    GPtrArray *portgroups;      /* NetworkPortgroup */
    GPtrArray *dnsmasq_options; /* NetworkOption */
} NetworkDef;
extern const XmlTable network_table, network_route_table;
extern const XmlTable interface_ip_table; /* InterfaceIp */
/* Of its parts: what an update changes. Reading one asks for less than a whole document does. */
extern const XmlTable network_bandwidth_table, network_interface_table, network_dhcp_table,
    network_dhcp_range_table, network_dhcp_host_table, network_dns_table, network_dns_txt_table,
    network_dns_srv_table, network_dns_host_table, network_portgroup_table;

typedef enum PortPlug {
    PORT_PLUG_NONE, /* not plugged in yet */
    PORT_PLUG_NETWORK,
    PORT_PLUG_BRIDGE,
    PORT_PLUG_DIRECT,
    PORT_PLUG_HOSTDEV,
    PORT_PLUG_COUNT
} PortPlug;

typedef struct NetworkPortDef {
    Uuid uuid;
    char *owner_name;
    Uuid owner_uuid;
    char *group; /* NULL: the default one, if there is one */
    Mac mac;
    VirtualPort *virtual_port;
    NetworkBandwidth *bandwidth;
    Tristate trust_guest_rx_filters, isolated;
    VlanDef *vlan;
    uint8_t plug; /* PortPlug */
    char *bridge, *mac_table_manager;
    char *dev;
    DirectMode mode;
} NetworkPortDef;
extern const XmlTable network_port_table;

/* Checks what no row can, and fills in what follows from the rest (forward dev <-> interfaces).
 *
 * ERROR_XML_INVALID         an address outside its subnet, a range turned round, two portgroups of one name
 * ... ERROR_CONFIG_UNSUPPORTED  what the forward mode does not have ERROR_INTERNAL            as the
 * reference has it for addresses that are none */
MUST_CHECK bool network_def_complete(NetworkDef *def, Error **err);
/* What a new definition must not have besides, and a change of one may. ERROR_CONFIG_UNSUPPORTED */
MUST_CHECK bool network_def_validate(const NetworkDef *def, Error **err);
/* Of @ip: its prefix length, from prefix, netmask or the class of its address. 0..128 */
unsigned network_ip_prefix(const NetworkIp *ip);
bool network_ip_is_v6(const NetworkIp *ip);
