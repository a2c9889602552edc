/* The document of a network interface of the host: what is to be, and what is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/xml_table.h"

typedef enum HostifType {
    HOSTIF_ETHERNET,
    HOSTIF_BRIDGE,
    HOSTIF_BOND,
    HOSTIF_VLAN,
    HOSTIF_TYPE_COUNT
} ENUM8 HostifType;
extern const EnumNames hostif_type_names;
typedef enum HostifStart {
    HOSTIF_START_ABSENT,
    HOSTIF_START_ONBOOT,
    HOSTIF_START_NONE, /* by hand */
    HOSTIF_START_HOTPLUG,
    HOSTIF_START_COUNT
} ENUM8 HostifStart;
typedef enum HostifFamily {
    HOSTIF_NO_FAMILY,
    HOSTIF_IPV4,
    HOSTIF_IPV6,
    HOSTIF_FAMILY_COUNT
} ENUM8 HostifFamily;
typedef enum HostifState { /* operstate of the kernel (linux/if.h), its number and one more */
                           HOSTIF_STATE_ABSENT,
                           HOSTIF_STATE_UNKNOWN,
                           HOSTIF_STATE_NOT_PRESENT,
                           HOSTIF_STATE_DOWN,
                           HOSTIF_STATE_LOWER_LAYER_DOWN,
                           HOSTIF_STATE_TESTING,
                           HOSTIF_STATE_DORMANT,
                           HOSTIF_STATE_UP,
                           HOSTIF_STATE_COUNT
} ENUM8 HostifState;
typedef enum BondMode { /* the kernel's number and one more */
                        BOND_ABSENT,
                        BOND_BALANCE_RR,
                        BOND_ACTIVE_BACKUP,
                        BOND_BALANCE_XOR,
                        BOND_BROADCAST,
                        BOND_8023AD,
                        BOND_BALANCE_TLB,
                        BOND_BALANCE_ALB,
                        BOND_MODE_COUNT
} ENUM8 BondMode;
extern const EnumNames bond_mode_names;
typedef enum BondValidate {
    VALIDATE_ABSENT,
    VALIDATE_NONE,
    VALIDATE_ACTIVE,
    VALIDATE_BACKUP,
    VALIDATE_ALL,
    VALIDATE_COUNT
} ENUM8 BondValidate;
extern const EnumNames bond_validate_names;
typedef enum BondCarrier { CARRIER_ABSENT, CARRIER_IOCTL, CARRIER_NETIF, CARRIER_COUNT } ENUM8 BondCarrier;

typedef struct HostifIp {
    char *address;
    OptU32 prefix;
} HostifIp;

typedef struct HostifProtocol {
    HostifFamily family;
    bool has_dhcp, has_autoconf;
    Tristate peerdns; /* are the name servers taken that DHCP tells of? */
    GPtrArray *ips;   /* of HostifIp */
    char *gateway;
} HostifProtocol;

typedef struct HostifDef HostifDef;
struct HostifDef {
    Uuid uuid; /* made of the name: for the registry alone */
    char *name;
    HostifType type;
    HostifStart start;
    OptU32 mtu;
    OptU32 link_mbps;
    HostifState link_state;
    char *mac;
    GPtrArray *protocols; /* of HostifProtocol: at most one of each family */
    GPtrArray *ports;     /* of HostifDef: of a bridge or a bond */
    /* bridge */
    Tristate stp;
    char *delay; /* seconds; in documents of what is, hundredths of them */
    /* bond */
    BondMode mode;
    bool has_miimon, has_arpmon;
    uint32_t miimon_ms, downdelay_ms, updelay_ms, arp_interval_ms;
    BondCarrier carrier;
    char *arp_target;
    BondValidate arp_validate;
    /* vlan */
    OptU32 tag;
    char *lower; /* the interface that it is on */
};

extern const XmlTable hostif_table, hostif_port_table, hostif_protocol_table, hostif_ip_table;

const HostifProtocol *hostif_find_protocol(const HostifDef *def, HostifFamily family); /* NULL: none */
/* Adds one if there is none yet. */
HostifProtocol *hostif_protocol(HostifDef *def, HostifFamily family);
void hostif_add_ip(HostifProtocol *protocol, const char *address, unsigned prefix);
HostifDef *hostif_add_port(HostifDef *def, const char *name);
/* Rules across the document; fills in prefixes, the name of a VLAN, the UUID. ERROR_XML_INVALID */
MUST_CHECK bool hostif_def_complete(HostifDef *def, Error **err);
/* Can it be the name of an interface? 1 to 15 characters, no '/', ':' or blank, not "." or "..". */
bool hostif_name_is_valid(const char *name);
