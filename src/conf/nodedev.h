/* The document of a device of the host.
 *
 * What a member means follows from the kind of the device (`cap`); members that only a part of the kinds has
 * are absent in the others. Most documents are written by us alone: clients send those of mediated devices
 * and of virtual host bus adapters that they want made. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/xml_table.h"

/* In the order of the bits of virConnectListAllNodeDeviceFlags. */
typedef enum NodedevCap {
    NODEDEV_NONE,
    NODEDEV_SYSTEM,
    NODEDEV_PCI,
    NODEDEV_USB_DEVICE,
    NODEDEV_USB,
    NODEDEV_NET,
    NODEDEV_SCSI_HOST,
    NODEDEV_SCSI_TARGET,
    NODEDEV_SCSI,
    NODEDEV_STORAGE,
    NODEDEV_FC_HOST,
    NODEDEV_VPORTS,
    NODEDEV_SCSI_GENERIC,
    NODEDEV_DRM,
    NODEDEV_MDEV_TYPES,
    NODEDEV_MDEV,
    NODEDEV_CCW,
    NODEDEV_CSS,
    NODEDEV_VDPA,
    NODEDEV_AP_CARD,
    NODEDEV_AP_QUEUE,
    NODEDEV_AP_MATRIX,
    NODEDEV_VPD,
    NODEDEV_CAP_COUNT
} ENUM8 NodedevCap;
extern const EnumNames nodedev_cap_names;
#define NODEDEV_CAP_BIT(cap) (1U << ((cap)-1))

/* Of a capability inside a capability. */
typedef enum NodedevPart {
    PART_NONE,
    PART_PHYS_FUNCTION,
    PART_VIRT_FUNCTIONS,
    PART_PCI_BRIDGE,
    PART_CARDBUS_BRIDGE,
    PART_MDEV_TYPES,
    PART_VPD,
    PART_FC_HOST,
    PART_VPORT_OPS,
    PART_FC_REMOTE_PORT,
    PART_REMOVABLE,
    PART_HOTPLUGGABLE,
    PART_COUNT
} ENUM8 NodedevPart;

typedef enum NodedevNetKind {
    NET_KIND_NONE,
    NET_KIND_80203,
    NET_KIND_80211,
    NET_KIND_COUNT
} ENUM8 NodedevNetKind;
typedef enum Operstate {
    OPERSTATE_NONE,
    OPERSTATE_UNKNOWN,
    OPERSTATE_NOT_PRESENT,
    OPERSTATE_DOWN,
    OPERSTATE_LOWER_LAYER_DOWN,
    OPERSTATE_TESTING,
    OPERSTATE_DORMANT,
    OPERSTATE_UP,
    OPERSTATE_COUNT
} ENUM8 Operstate;
extern const EnumNames operstate_names; /* as the kernel has them in operstate */
typedef enum NodedevDrm { DRM_NONE, DRM_PRIMARY, DRM_CONTROL, DRM_RENDER, DRM_COUNT } ENUM8 NodedevDrm;
typedef enum NodedevNode { NODE_NONE, NODE_DEV, NODE_LINK, NODE_COUNT } ENUM8 NodedevNode;

typedef struct NodedevPath {
    NodedevNode type;
    char *path;
} NodedevPath;

typedef struct NodedevAddress { /* PCI */
    uint32_t domain, bus, slot, function;
} NodedevAddress;

typedef struct NodedevName { /* a name by number */
    uint32_t id;
    char *text;
} NodedevName;

typedef struct NodedevText { /* an element with a key and a text: attr, feature, vendor_field ... */
    char *key, *value;
} NodedevText;

typedef struct NodedevMdevType {
    char *id, *name, *device_api;
    uint32_t available;
} NodedevMdevType;

typedef struct NodedevVpd {
    char *access; /* readonly, readwrite */
    char *change_level, *manufacture_id, *part_number, *serial_number, *asset_tag;
    GPtrArray *vendor_fields, *system_fields; /* of NodedevText */
} NodedevVpd;

typedef struct NodedevCapPart {
    NodedevPart type;
    OptU32 max_count, count; /* @count: how many there are to be, in documents of clients alone */
    GPtrArray *addresses;    /* of NodedevAddress */
    GPtrArray *mdev_types;   /* of NodedevMdevType */
    char *name;              /* vpd */
    GPtrArray *fields;       /* of NodedevVpd */
    char *wwnn, *wwpn, *fabric_wwn, *rport;
    OptU32 max_vports, vports;
    OptU64 media_available, media_size_bytes, block_bytes, n_blocks;
} NodedevCapPart;

typedef struct NodedevGroup { /* IOMMU */
    uint32_t number;
    GPtrArray *addresses; /* of NodedevAddress */
} NodedevGroup;

typedef struct NodedevLink { /* of PCI Express */
    char *validity;          /* cap: what it can do; sta: what it does */
    OptU32 port;
    char *speed; /* GT/s */
    uint32_t width;
} NodedevLink;

typedef struct NodeDeviceDef {
    Uuid uuid; /* made of the name: for the registry alone */
    char *name, *path, *parent, *driver;
    char *parent_wwnn, *parent_wwpn, *parent_fabric_wwn;
    GPtrArray *nodes; /* of NodedevPath */
    NodedevCap cap;
    GPtrArray *parts; /* of NodedevCapPart */
    /* system; usb, storage and scsi use some, too */
    char *product, *vendor, *version, *serial, *firmware_vendor, *firmware_version, *firmware_date;
    char *system_uuid;
    /* pci */
    OptU32 pci_class, domain, bus, slot, function;
    NodedevName product_name, vendor_name; /* usb_device, too */
    NodedevGroup *group;                   /* mdev, too (without addresses) */
    OptU32 numa_node;
    bool is_express;
    GPtrArray *links; /* of NodedevLink */
    /* usb_device, usb */
    OptU32 usb_bus, usb_device, usb_number, usb_class, usb_subclass, usb_protocol;
    char *description;
    /* net */
    char *interface, *address;
    OptU32 link_mbps;
    Operstate link_state;
    GPtrArray *features; /* of NodedevText: key alone */
    NodedevNetKind net_kind;
    /* scsi_host, scsi_target, scsi */
    OptU32 host, unique_id, scsi_bus, scsi_target, lun;
    char *target_name, *scsi_type;
    /* storage, scsi_generic, vdpa */
    char *block, *storage_bus, *drive_type, *model, *chardev;
    OptU64 size_bytes, block_bytes, n_blocks;
    NodedevDrm drm;
    /* mdev */
    char *type_id, *mdev_uuid, *parent_address;
    GPtrArray *attrs; /* of NodedevText */
    /* ccw, css, ap_card, ap_queue */
    OptU32 cssid, ssid, devno, channel_cssid, channel_ssid, channel_devno, ap_adapter, ap_domain;
} NodeDeviceDef;

extern const XmlTable nodedev_table, nodedev_part_table, nodedev_text_table, nodedev_address_table,
    nodedev_path_table, nodedev_group_table, nodedev_link_table, nodedev_mdev_type_table, nodedev_vpd_table;

/* All bits that a list by capability finds the device under. */
unsigned nodedev_caps(const NodeDeviceDef *def);
/* Its part of that type; NULL if it has none. */
const NodedevCapPart *nodedev_find_part(const NodeDeviceDef *def, NodedevPart type);
/* Fills in the UUID, which follows from the name. */
void nodedev_set_uuid(NodeDeviceDef *def);
/* "prefix_name_more" with '_' for everything but letters and digits; @more NULL: none. Owned. */
char *nodedev_make_name(const char *prefix, const char *name, const char *more);
