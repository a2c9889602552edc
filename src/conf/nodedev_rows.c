/* Rows of the documents of the host's devices. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/nodedev.h"

#include "conf/xml_internal.h"

static const char *const cap_texts[NODEDEV_CAP_COUNT] = {
    NULL,   "system",  "pci",     "usb_device", "usb",          "net",       "scsi_host",  "scsi_target",
    "scsi", "storage", "fc_host", "vports",     "scsi_generic", "drm",       "mdev_types", "mdev",
    "ccw",  "css",     "vdpa",    "ap_card",    "ap_queue",     "ap_matrix", "vpd",
};
const EnumNames nodedev_cap_names = { "capability", NODEDEV_CAP_COUNT, cap_texts };
static const char *const part_texts[PART_COUNT] = {
    NULL,  "phys_function", "virt_functions", "pci-bridge",     "cardbus-bridge", "mdev_types",
    "vpd", "fc_host",       "vport_ops",      "fc_remote_port", "removable",      "hotpluggable",
};
static const EnumNames part_names = { "capability of a capability", PART_COUNT, part_texts };
static const char *const net_kind_texts[] = { NULL, "80203", "80211" };
static const EnumNames net_kind_names = { "kind of network", NET_KIND_COUNT, net_kind_texts };
static const char *const operstate_texts[] = { NULL,      "unknown", "notpresent", "down", "lowerlayerdown",
                                               "testing", "dormant", "up" };
const EnumNames operstate_names = { "state of a link", OPERSTATE_COUNT, operstate_texts };
static const char *const drm_texts[] = { NULL, "primary", "control", "render" };
static const EnumNames drm_names = { "kind of DRM device", DRM_COUNT, drm_texts };
static const char *const node_texts[] = { NULL, "dev", "link" };
static const EnumNames node_names = { "kind of path", NODE_COUNT, node_texts };

/* ---- parts ---- */

const XmlTable nodedev_path_table =
    TABLE(NodedevPath, "nodedev-devnode",
          ROWS(ATTR("type", NodedevPath, type, .names = &node_names, .flags = ROW_REQUIRED,
                    .doc = "the device itself, or a link to it"),
               TEXT(NodedevPath, path, .doc = "path")),
          .doc = "A file below /dev.");

const XmlTable nodedev_address_table =
    TABLE(NodedevAddress, "nodedev-address",
          ROWS(ATTR("domain", NodedevAddress, domain, .flags = ROW_ALWAYS | ROW_HEX | ROW_ANY_BASE,
                    .width = 4, .max = UINT32_MAX, .doc = "PCI domain"),
               ATTR("bus", NodedevAddress, bus, .flags = ROW_ALWAYS | ROW_HEX | ROW_ANY_BASE, .width = 2,
                    .max = 255, .doc = "bus"),
               ATTR("slot", NodedevAddress, slot, .flags = ROW_ALWAYS | ROW_HEX | ROW_ANY_BASE, .width = 2,
                    .max = 31, .doc = "slot"),
               ATTR("function", NodedevAddress, function, .flags = ROW_ALWAYS | ROW_HEX | ROW_ANY_BASE,
                    .width = 1, .max = 7, .doc = "function")),
          .doc = "Address of a PCI device.");

const XmlTable nodedev_text_table = TABLE(NodedevText, "nodedev-attr",
                                          ROWS(ATTR("name", NodedevText, key, .doc = "name"),
                                               ATTR("value", NodedevText, value, .doc = "value")),
                                          .doc = "A setting of the driver, or a feature.");
static const XmlTable field_table = TABLE(NodedevText, "nodedev-vpd-field",
                                          ROWS(ATTR("index", NodedevText, key, .doc = "letter or digit"),
                                               TEXT(NodedevText, value, .doc = "text")),
                                          .doc = "A field that the vendor gives a meaning.");

const XmlTable nodedev_vpd_table =
    TABLE(NodedevVpd, "nodedev-vpd",
          ROWS(ATTR("access", NodedevVpd, access, .doc = "readonly or readwrite"),
               CHILD("change_level", NodedevVpd, change_level, .doc = "engineering change level"),
               CHILD("manufacture_id", NodedevVpd, manufacture_id, .doc = "of the maker"),
               CHILD("part_number", NodedevVpd, part_number, .doc = "part number"),
               CHILD("serial_number", NodedevVpd, serial_number, .doc = "serial number"),
               CHILD("asset_tag", NodedevVpd, asset_tag, .doc = "the owner's"),
               LIST("vendor_field", NodedevVpd, vendor_fields, &field_table, .doc = "of the vendor"),
               LIST("system_field", NodedevVpd, system_fields, &field_table, .doc = "of the system")),
          .doc = "Fields of the vital product data.");

const XmlTable nodedev_mdev_type_table =
    TABLE(NodedevMdevType, "nodedev-mdev-type",
          ROWS(ATTR("id", NodedevMdevType, id, .doc = "what the driver calls it"),
               CHILD("name", NodedevMdevType, name, .doc = "for people"),
               CHILD("deviceAPI", NodedevMdevType, device_api, .doc = "how the guest sees it"),
               CHILD("availableInstances", NodedevMdevType, available, .flags = ROW_ALWAYS, .max = UINT32_MAX,
                     .doc = "how many more can be made")),
          .doc = "A kind of mediated device.");

const XmlTable nodedev_group_table = TABLE(NodedevGroup, "nodedev-iommu",
                                           ROWS(ATTR("number", NodedevGroup, number, .flags = ROW_ALWAYS,
                                                     .max = UINT32_MAX, .doc = "its number"),
                                                LIST("address", NodedevGroup, addresses,
                                                     &nodedev_address_table, .doc = "a device of the group")),
                                           .doc = "Devices that can only be given away together.");

const XmlTable nodedev_link_table =
    TABLE(NodedevLink, "nodedev-link",
          ROWS(ATTR("validity", NodedevLink, validity, .doc = "cap: what it can do; sta: what it does"),
               ATTR("port", NodedevLink, port, .max = UINT32_MAX, .doc = "number of the port"),
               ATTR("speed", NodedevLink, speed, .doc = "GT/s"),
               ATTR("width", NodedevLink, width, .flags = ROW_ALWAYS, .max = 255, .doc = "lanes")),
          .doc = "The link of a PCI Express device.");

#define PART(mask) ONLY(NodedevCapPart, type, mask)
#define FC_PARTS PART(BIT(PART_FC_HOST) | BIT(PART_FC_REMOTE_PORT))
const XmlTable nodedev_part_table =
    TABLE(NodedevCapPart, "nodedev-part",
          ROWS(ATTR("type", NodedevCapPart, type, .names = &part_names, .flags = ROW_REQUIRED,
                    .bad_code = ERROR_INTERNAL, .doc = "what it can do"),
               ATTR("maxCount", NodedevCapPart, max_count, PART(BIT(PART_VIRT_FUNCTIONS)), .max = UINT32_MAX,
                    .doc = "most virtual functions"),
               ATTR("count", NodedevCapPart, count, PART(BIT(PART_VIRT_FUNCTIONS)), .max = 65536,
                    .doc = "how many virtual functions there are to be"),
               LIST("address", NodedevCapPart, addresses, &nodedev_address_table,
                    PART(BIT(PART_PHYS_FUNCTION) | BIT(PART_VIRT_FUNCTIONS)), .doc = "of a function"),
               LIST("type", NodedevCapPart, mdev_types, &nodedev_mdev_type_table, PART(BIT(PART_MDEV_TYPES)),
                    .doc = "a kind of mediated device"),
               CHILD("name", NodedevCapPart, name, PART(BIT(PART_VPD)), .doc = "of the device"),
               LIST("fields", NodedevCapPart, fields, &nodedev_vpd_table, PART(BIT(PART_VPD)),
                    .doc = "fields"),
               CHILD("rport", NodedevCapPart, rport, PART(BIT(PART_FC_REMOTE_PORT)),
                     .doc = "the remote port"),
               CHILD("wwnn", NodedevCapPart, wwnn, PART(BIT(PART_FC_HOST)),
                     .doc = "world wide name of the node"),
               CHILD("wwpn", NodedevCapPart, wwpn, FC_PARTS, .doc = "world wide name of the port"),
               CHILD("fabric_wwn", NodedevCapPart, fabric_wwn, PART(BIT(PART_FC_HOST)),
                     .doc = "that of the fabric"),
               CHILD("max_vports", NodedevCapPart, max_vports, PART(BIT(PART_VPORT_OPS)), .max = UINT32_MAX,
                     .doc = "most virtual ports"),
               CHILD("vports", NodedevCapPart, vports, PART(BIT(PART_VPORT_OPS)), .max = UINT32_MAX,
                     .doc = "virtual ports there are"),
               CHILD("media_available", NodedevCapPart, media_available, PART(BIT(PART_REMOVABLE)), .max = 1,
                     .doc = "1: there is a medium"),
               CHILD("media_size", NodedevCapPart, media_size_bytes, PART(BIT(PART_REMOVABLE)),
                     .max = UINT64_MAX, .doc = "bytes"),
               CHILD("media_label", NodedevCapPart, name, PART(BIT(PART_REMOVABLE)), .doc = "its label"),
               CHILD("logical_block_size", NodedevCapPart, block_bytes, PART(BIT(PART_REMOVABLE)),
                     .max = UINT64_MAX, .doc = "bytes"),
               CHILD("num_blocks", NodedevCapPart, n_blocks, PART(BIT(PART_REMOVABLE)), .max = UINT64_MAX,
                     .doc = "how many blocks")),
          .doc = "A capability of a capability.");

/* ---- the capability ---- */

static const XmlTable name_table =
    TABLE(NodedevName, "nodedev-name",
          ROWS(ATTR("id", NodedevName, id, .flags = ROW_ALWAYS | ROW_HEX | ROW_ANY_BASE | ROW_REQUIRED,
                    .width = 4, .max = 0xffff, .missing_code = ERROR_INTERNAL, .bad_code = ERROR_INTERNAL,
                    .doc = "number"),
               TEXT(NodedevName, text, .doc = "name")),
          .doc = "Vendor or product.");

#define IN(...) ONLY(NodeDeviceDef, cap, __VA_ARGS__)
#define SYSTEM IN(BIT(NODEDEV_SYSTEM))
#define PCI IN(BIT(NODEDEV_PCI))
#define USB IN(BIT(NODEDEV_USB))
#define USB_DEVICE IN(BIT(NODEDEV_USB_DEVICE))
#define NET IN(BIT(NODEDEV_NET))
#define STORAGE IN(BIT(NODEDEV_STORAGE))
#define SCSI IN(BIT(NODEDEV_SCSI))
#define MDEV IN(BIT(NODEDEV_MDEV))
#define CHANNEL IN(BIT(NODEDEV_CCW) | BIT(NODEDEV_CSS))
/* A number that has to be there: what clients know the missing one as. */
#define NEEDED(text, member, limit, ...)                                                                     \
    CHILD(text, NodeDeviceDef, member, .flags = ROW_REQUIRED | ROW_ANY_BASE, .missing_code = ERROR_INTERNAL, \
          .bad_code = ERROR_INTERNAL, .max = (limit), __VA_ARGS__)
#define NEEDED_HEX(text, member, digits, limit, ...)                                                         \
    CHILD(text, NodeDeviceDef, member, .flags = ROW_REQUIRED | ROW_HEX | ROW_ANY_BASE, .width = (digits),    \
          .max = (limit), .missing_code = ERROR_CONFIG_UNSUPPORTED, .bad_code = ERROR_CONFIG_UNSUPPORTED,    \
          __VA_ARGS__)
#define PARTS(...)                                                                                           \
    LIST("capability", NodeDeviceDef, parts, &nodedev_part_table, __VA_ARGS__, .doc = "more that it can do")

static bool has_link(const void *base, unsigned flags)
{
    return ((const NodeDeviceDef *)base)->link_state != OPERSTATE_NONE;
}
static bool has_numa(const void *base, unsigned flags)
{
    return ((const NodeDeviceDef *)base)->numa_node.is_set;
}
static bool has_driver(const void *base, unsigned flags)
{
    return ((const NodeDeviceDef *)base)->driver != NULL;
}
static bool has_parent(const void *base, unsigned flags)
{
    return ((const NodeDeviceDef *)base)->parent != NULL;
}
static bool has_channel(const void *base, unsigned flags)
{
    return ((const NodeDeviceDef *)base)->channel_devno.is_set;
}
static bool has_size(const void *base, unsigned flags)
{
    return ((const NodeDeviceDef *)base)->size_bytes.is_set;
}

static const XmlRow capability_rows[] = {
    ATTR("type", NodeDeviceDef, cap, .names = &nodedev_cap_names, .flags = ROW_REQUIRED,
         .doc = "kind of device"),
    /* system */
    CHILD("product", NodeDeviceDef, product, SYSTEM, .doc = "name of the machine"),
    GROUP("hardware",
          ROWS(CHILD("vendor", NodeDeviceDef, vendor, .doc = "maker"),
               CHILD("version", NodeDeviceDef, version, .doc = "version"),
               CHILD("serial", NodeDeviceDef, serial, .doc = "serial number"),
               CHILD("uuid", NodeDeviceDef, system_uuid, .doc = "UUID")),
          SYSTEM, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL, .doc = "the hardware"),
    GROUP("firmware",
          ROWS(CHILD("vendor", NodeDeviceDef, firmware_vendor, .doc = "maker"),
               CHILD("version", NodeDeviceDef, firmware_version, .doc = "version"),
               CHILD("release_date", NodeDeviceDef, firmware_date, .doc = "date")),
          SYSTEM, .flags = ROW_LONG, .doc = "the firmware"),
    /* pci */
    CHILD("class", NodeDeviceDef, pci_class, PCI, .flags = ROW_HEX | ROW_ANY_BASE, .width = 6,
          .max = 0xffffff, .doc = "class, subclass and programming interface"),
    NEEDED("domain", domain, UINT32_MAX, PCI, .doc = "PCI domain"),
    NEEDED("bus", bus, 255, PCI, .doc = "bus"),
    NEEDED("slot", slot, 31, PCI, .doc = "slot"),
    NEEDED("function", function, 7, PCI, .doc = "function"),
    /* usb_device, usb */
    NEEDED("bus", usb_bus, UINT32_MAX, USB_DEVICE, .doc = "bus"),
    NEEDED("device", usb_device, UINT32_MAX, USB_DEVICE, .doc = "number on the bus"),
    EMBED("product", NodeDeviceDef, product_name, &name_table, IN(BIT(NODEDEV_PCI) | BIT(NODEDEV_USB_DEVICE)),
          .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL, .doc = "product"),
    EMBED("vendor", NodeDeviceDef, vendor_name, &name_table, IN(BIT(NODEDEV_PCI) | BIT(NODEDEV_USB_DEVICE)),
          .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL, .doc = "vendor"),
    NEEDED("number", usb_number, UINT32_MAX, USB, .doc = "number of the interface"),
    NEEDED("class", usb_class, 255, USB, .doc = "class"),
    NEEDED("subclass", usb_subclass, 255, USB, .doc = "subclass"),
    NEEDED("protocol", usb_protocol, 255, USB, .doc = "protocol"),
    CHILD("description", NodeDeviceDef, description, USB, .doc = "for people"),
    /* net */
    CHILD("interface", NodeDeviceDef, interface, NET, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
          .doc = "name of the interface"),
    CHILD("address", NodeDeviceDef, address, NET, .doc = "MAC address"),
    GROUP("link",
          ROWS(ATTR("speed", NodeDeviceDef, link_mbps, .max = UINT32_MAX, .doc = "Mbit/s"),
               ATTR("state", NodeDeviceDef, link_state, .names = &operstate_names, .doc = "state")),
          NET, .show = has_link, .doc = "its link"),
    LIST("feature", NodeDeviceDef, features, &nodedev_text_table, NET,
         .doc = "work that the device takes over"),
    GROUP("capability",
          ROWS(ATTR("type", NodeDeviceDef, net_kind, .names = &net_kind_names, .flags = ROW_REQUIRED,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "IEEE 802.3 or 802.11")),
          NET, .doc = "kind of network"),
    /* scsi_host, scsi_target, scsi, scsi_generic */
    NEEDED("host", host, UINT32_MAX, SCSI, .doc = "number of the host"),
    CHILD("host", NodeDeviceDef, host, IN(BIT(NODEDEV_SCSI_HOST)), .max = UINT32_MAX,
          .doc = "number of the host"),
    CHILD("unique_id", NodeDeviceDef, unique_id, IN(BIT(NODEDEV_SCSI_HOST)), .max = UINT32_MAX,
          .doc = "number that the driver gives it"),
    NEEDED("bus", scsi_bus, UINT32_MAX, SCSI, .doc = "bus"),
    NEEDED("target", scsi_target, UINT32_MAX, SCSI, .doc = "target"),
    NEEDED("lun", lun, UINT32_MAX, SCSI, .doc = "logical unit"),
    CHILD("type", NodeDeviceDef, scsi_type, SCSI, .doc = "kind of device"),
    CHILD("target", NodeDeviceDef, target_name, IN(BIT(NODEDEV_SCSI_TARGET)), .flags = ROW_REQUIRED,
          .missing_code = ERROR_INTERNAL, .doc = "name of the target"),
    CHILD("char", NodeDeviceDef, chardev, IN(BIT(NODEDEV_SCSI_GENERIC)), .doc = "path"),
    /* storage */
    CHILD("block", NodeDeviceDef, block, STORAGE, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
          .doc = "path"),
    CHILD("bus", NodeDeviceDef, storage_bus, STORAGE, .doc = "how it is connected"),
    CHILD("drive_type", NodeDeviceDef, drive_type, STORAGE, .doc = "disk, cdrom, floppy ..."),
    CHILD("model", NodeDeviceDef, model, STORAGE, .doc = "model"),
    CHILD("vendor", NodeDeviceDef, vendor, STORAGE, .doc = "maker"),
    CHILD("serial", NodeDeviceDef, serial, STORAGE, .doc = "serial number"),
    /* pci, scsi_host, scsi_target, storage, css, ap_matrix */
    PARTS(IN(BIT(NODEDEV_PCI) | BIT(NODEDEV_SCSI_HOST) | BIT(NODEDEV_SCSI_TARGET) | BIT(NODEDEV_STORAGE) |
             BIT(NODEDEV_AP_MATRIX))),
    CHILD("size", NodeDeviceDef, size_bytes, STORAGE, .show = has_size, .bad_code = ERROR_INTERNAL,
          .max = UINT64_MAX, .doc = "bytes"),
    CHILD("logical_block_size", NodeDeviceDef, block_bytes, STORAGE, .max = UINT64_MAX, .doc = "bytes"),
    CHILD("num_blocks", NodeDeviceDef, n_blocks, STORAGE, .max = UINT64_MAX, .doc = "how many blocks"),
    /* pci again */
    OBJECT("iommuGroup", NodeDeviceDef, group, &nodedev_group_table, PCI, .doc = "its IOMMU group"),
    GROUP("numa", ROWS(ATTR("node", NodeDeviceDef, numa_node, .max = INT32_MAX, .doc = "number of the cell")),
          PCI, .show = has_numa, .doc = "what it is near to"),
    GROUP_FLAG("pci-express", NodeDeviceDef, is_express,
               ROWS(LIST("link", NodeDeviceDef, links, &nodedev_link_table, .doc = "its link")), PCI,
               .doc = "it is a PCI Express device"),
    CHILD("type", NodeDeviceDef, drm, IN(BIT(NODEDEV_DRM)), .names = &drm_names, .flags = ROW_REQUIRED,
          .missing_code = ERROR_CONFIG_UNSUPPORTED, .bad_code = ERROR_CONFIG_UNSUPPORTED,
          .doc = "kind of DRM device"),
    /* mdev */
    GROUP("type",
          ROWS(ATTR("id", NodeDeviceDef, type_id, .flags = ROW_REQUIRED,
                    .missing_code = ERROR_CONFIG_UNSUPPORTED, .doc = "what the driver calls it")),
          MDEV, .flags = ROW_REQUIRED, .missing_code = ERROR_CONFIG_UNSUPPORTED, .doc = "its kind"),
    CHILD("uuid", NodeDeviceDef, mdev_uuid, MDEV, .doc = "its UUID"),
    CHILD("parent_addr", NodeDeviceDef, parent_address, MDEV, .doc = "address of the parent"),
    OBJECT("iommuGroup", NodeDeviceDef, group, &nodedev_group_table, MDEV, .doc = "its IOMMU group"),
    LIST("attr", NodeDeviceDef, attrs, &nodedev_text_table, MDEV, .doc = "a setting"),
    /* ccw, css, vdpa, ap_card, ap_queue */
    NEEDED_HEX("cssid", cssid, 1, 0xff, CHANNEL, .doc = "channel subsystem"),
    NEEDED_HEX("ssid", ssid, 1, 3, CHANNEL, .doc = "subchannel set"),
    NEEDED_HEX("devno", devno, 4, 0xffff, CHANNEL, .doc = "device number"),
    GROUP("channel_dev_addr",
          ROWS(CHILD("cssid", NodeDeviceDef, channel_cssid, .flags = ROW_HEX | ROW_ANY_BASE, .width = 1,
                     .max = 0xff, .doc = "channel subsystem"),
               CHILD("ssid", NodeDeviceDef, channel_ssid, .flags = ROW_HEX | ROW_ANY_BASE, .width = 1,
                     .max = 3, .doc = "subchannel set"),
               CHILD("devno", NodeDeviceDef, channel_devno, .flags = ROW_HEX | ROW_ANY_BASE, .width = 4,
                     .max = 0xffff, .doc = "device number")),
          IN(BIT(NODEDEV_CSS)), .show = has_channel, .doc = "the device behind it"),
    PARTS(IN(BIT(NODEDEV_CSS))),
    CHILD("chardev", NodeDeviceDef, chardev, IN(BIT(NODEDEV_VDPA)), .doc = "path"),
    NEEDED_HEX("ap-adapter", ap_adapter, 2, 0xff, IN(BIT(NODEDEV_AP_CARD) | BIT(NODEDEV_AP_QUEUE)),
               .doc = "number of the card"),
    NEEDED_HEX("ap-domain", ap_domain, 4, 0xffff, IN(BIT(NODEDEV_AP_QUEUE)), .doc = "number of the domain"),
    { 0 },
};

static bool nodedev_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const NodeDeviceDef *def = base;
    Uuid uuid;

    if (def->cap == NODEDEV_NONE)
        return error_set(err, ERROR_INTERNAL, "no device capabilities for 'new device'");
    if (BIT(def->cap) &
        (BIT(NODEDEV_FC_HOST) | BIT(NODEDEV_VPORTS) | BIT(NODEDEV_MDEV_TYPES) | BIT(NODEDEV_VPD)))
        return error_set(err, ERROR_INTERNAL, "a device is never of the type '%s' alone",
                         enum_name(&nodedev_cap_names, def->cap));
    if (def->parent_wwnn && !def->parent_wwpn)
        return error_set(err, ERROR_XML_INVALID,
                         "when providing parent wwnn='%s', the wwpn must also be provided", def->parent_wwnn);
    if (def->parent_wwpn && !def->parent_wwnn)
        return error_set(err, ERROR_XML_INVALID,
                         "when providing parent wwpn='%s', the wwnn must also be provided", def->parent_wwpn);
    if (def->mdev_uuid && !uuid_parse(def->mdev_uuid, &uuid, NULL))
        return error_set(err, ERROR_INTERNAL, "Invalid uuid '%s' for new mdev device", def->mdev_uuid);
    if (def->cap == NODEDEV_STORAGE && !def->size_bytes.is_set && !nodedev_find_part(def, PART_REMOVABLE))
        return error_set(err, ERROR_INTERNAL, "no size supplied for 'new device'");
    if (def->cap == NODEDEV_SYSTEM && !def->system_uuid)
        return error_set(err, ERROR_INTERNAL, "no system UUID supplied for 'new device'");
    return true;
}

static bool has_cap(const void *base, unsigned flags)
{
    return ((const NodeDeviceDef *)base)->cap != NODEDEV_NONE;
}

const XmlTable nodedev_table =
    TABLE(NodeDeviceDef, "nodedev",
          ROWS(CHILD("name", NodeDeviceDef, name, .doc = "name; the daemon's own"),
               CHILD("path", NodeDeviceDef, path, .doc = "path in sysfs"),
               LIST("devnode", NodeDeviceDef, nodes, &nodedev_path_table,
                    .doc = "its file in /dev, and links to it"),
               GROUP("parent",
                     ROWS(ATTR("wwnn", NodeDeviceDef, parent_wwnn,
                               .doc = "found by the world wide name of the node"),
                          ATTR("wwpn", NodeDeviceDef, parent_wwpn, .doc = "and of the port"),
                          ATTR("fabric_wwn", NodeDeviceDef, parent_fabric_wwn,
                               .doc = "or by that of the fabric"),
                          TEXT(NodeDeviceDef, parent, .doc = "name of the device")),
                     .show = has_parent, .doc = "the device that it hangs on"),
               GROUP("driver", ROWS(CHILD("name", NodeDeviceDef, driver, .doc = "name")), .show = has_driver,
                     .doc = "the driver that it has now"),
               GROUP("capability", capability_rows, .show = has_cap, .doc = "what it is"),
               HELD("uuid", NodeDeviceDef, uuid, .doc = "made of the name")),
          .finish = nodedev_finish, .doc = "A device of the host.");

/* ---- what follows from it ---- */

const NodedevCapPart *nodedev_find_part(const NodeDeviceDef *def, NodedevPart type)
{
    for (guint i = 0; def->parts && i < def->parts->len; i++) {
        const NodedevCapPart *part = g_ptr_array_index(def->parts, i);
        if (part->type == type)
            return part;
    }
    return NULL;
}

unsigned nodedev_caps(const NodeDeviceDef *def)
{
    static const struct {
        NodedevPart part;
        NodedevCap cap;
    } also[] = { { PART_FC_HOST, NODEDEV_FC_HOST },
                 { PART_VPORT_OPS, NODEDEV_VPORTS },
                 { PART_MDEV_TYPES, NODEDEV_MDEV_TYPES },
                 { PART_VPD, NODEDEV_VPD } };
    unsigned caps = def->cap ? NODEDEV_CAP_BIT(def->cap) : 0;

    for (size_t i = 0; i < G_N_ELEMENTS(also); i++) {
        if (nodedev_find_part(def, also[i].part))
            caps |= NODEDEV_CAP_BIT(also[i].cap);
    }
    return caps;
}

void nodedev_set_uuid(NodeDeviceDef *def)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize len = sizeof(digest);

    g_checksum_update(sum, (const guchar *)"node device ", -1);
    g_checksum_update(sum, (const guchar *)def->name, -1);
    g_checksum_get_digest(sum, digest, &len);
    memcpy(def->uuid.bytes, digest, sizeof(def->uuid.bytes));
}

char *nodedev_make_name(const char *prefix, const char *name, const char *more)
{
    char *made = g_strjoin("_", prefix, name, more, NULL);

    for (char *c = made; *c; c++) {
        if (!g_ascii_isalnum(*c))
            *c = '_';
    }
    return made;
}
