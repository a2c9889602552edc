/* Rows that many devices have in common: addresses, aliases, boot order, option ROMs, virtio options. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"
#include "conf/domain_rows.h"
#include "conf/xml_internal.h"

/* ---- addresses ---- */

static bool read_usb_port(const char *text, void *base, Error **err)
{
    DeviceAddress *address = base;
    uint8_t port[4] = { 0 };
    g_auto(GStrv) parts = g_strsplit(text, ".", 5);
    unsigned n = g_strv_length(parts);
    if (n < 1 || n > G_N_ELEMENTS(port))
        return error_set(err, ERROR_XML_INVALID, "'%s' is not a USB port like 1.2", text);
    for (unsigned i = 0; i < n; i++) {
        uint64_t number = 0;
        bool is_none = n == 1 && strcmp(parts[0], "0") == 0; /* only the bus is given */
        if (!is_none && (!parse_uint(parts[i], &number, NULL) || number < 1 || number > 127))
            return error_set(err, ERROR_XML_INVALID, "'%s' is not a USB port like 1.2", text);
        port[i] = (uint8_t)number;
    }
    memcpy(address->usb.port, port, sizeof(port));
    return true;
}

static bool write_usb_port(const void *base, unsigned flags, GString *out)
{
    const DeviceAddress *address = base;
    if (!address->usb.port[0])
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(address->usb.port) && address->usb.port[i]; i++)
        g_string_append_printf(out, "%s%u", i ? "." : "", address->usb.port[i]);
    return true;
}
static const XmlCodec usb_port_codec = { read_usb_port, write_usb_port, "[1-9][0-9]*(\\.[1-9][0-9]*){0,3}" };

static bool read_spapr_reg(const char *text, void *base, Error **err)
{
    DeviceAddress *address = base;
    uint64_t reg = 0;
    if (!parse_uint_any(text, &reg, err))
        return false;
    address->spapr.reg = reg;
    address->spapr.has_reg = true;
    return true;
}

static bool write_spapr_reg(const void *base, unsigned flags, GString *out)
{
    const DeviceAddress *address = base;
    if (!address->spapr.has_reg)
        return false;
    g_string_append_printf(out, "0x%08" G_GINT64_MODIFIER "x", address->spapr.reg);
    return true;
}
static const XmlCodec spapr_reg_codec = { read_spapr_reg, write_spapr_reg, "(0x)?[0-9a-fA-F]+" };

#define PCI_BYTE(text, member, digits, most, words)                                                          \
    {                                                                                                        \
        .node = XML_ATTR, XML_NAME_(text), XML_PLACE_(DeviceAddress, pci.member), .type = XML_VALUE_U8,      \
        ONLY(DeviceAddress, type, BIT(ADDRESS_PCI)), .width = digits, .max = most,                           \
        .flags = ROW_HEX | ROW_ALWAYS, .doc = words                                                          \
    }
#define PCI_ADDRESS_ROWS(max_domain)                                                                         \
    ATTR("domain", DeviceAddress, pci.domain, ONLY(DeviceAddress, type, BIT(ADDRESS_PCI)), .width = 4,       \
         .flags = ROW_HEX | ROW_ALWAYS, .max = (max_domain), .doc = "PCI domain"),                           \
        PCI_BYTE("bus", bus, 2, 255, "bus: index of the controller that the device is plugged into"),        \
        PCI_BYTE("slot", slot, 2, 31, "slot on the bus"),                                                    \
        PCI_BYTE("function", function, 1, 7, "function of the slot")

#define DRIVE_ONLY ONLY(DeviceAddress, type, BIT(ADDRESS_DRIVE)), .flags = ROW_ALWAYS
#define SERIAL_ONLY ONLY(DeviceAddress, type, BIT(ADDRESS_VIRTIO_SERIAL)), .flags = ROW_ALWAYS
#define CCID_ONLY ONLY(DeviceAddress, type, BIT(ADDRESS_CCID)), .flags = ROW_ALWAYS
#define CCW_ONLY ONLY(DeviceAddress, type, BIT(ADDRESS_CCW)), .flags = ROW_ALWAYS | ROW_HEX

static const XmlTable address_numbers_table =
    TABLE(DeviceAddress, "address-numbers",
          ROWS(PCI_ADDRESS_ROWS(0xffff),
               ATTR("multifunction", DeviceAddress, multifunction, .names = &tristate_on_off_names,
                    ONLY(DeviceAddress, type, BIT(ADDRESS_PCI)),
                    .doc = "other functions of this slot are in use, too"),
               ATTR("controller", DeviceAddress, drive.controller, DRIVE_ONLY, .max = UINT32_MAX,
                    .doc = "index of the drive controller"),
               ATTR("bus", DeviceAddress, drive.bus, DRIVE_ONLY, .max = UINT32_MAX,
                    .doc = "bus of the controller"),
               ATTR("target", DeviceAddress, drive.target, DRIVE_ONLY, .max = UINT32_MAX,
                    .doc = "target on the bus"),
               ATTR("unit", DeviceAddress, drive.unit, DRIVE_ONLY, .max = UINT32_MAX,
                    .doc = "unit of the target"),
               ATTR("controller", DeviceAddress, virtio_serial.controller, SERIAL_ONLY, .max = UINT32_MAX,
                    .doc = "index of the virtio-serial controller"),
               ATTR("bus", DeviceAddress, virtio_serial.bus, SERIAL_ONLY, .max = UINT32_MAX,
                    .doc = "bus of the controller"),
               ATTR("port", DeviceAddress, virtio_serial.port, SERIAL_ONLY, .max = UINT32_MAX,
                    .doc = "port on the bus"),
               ATTR("controller", DeviceAddress, ccid.controller, CCID_ONLY, .max = UINT32_MAX,
                    .doc = "index of the CCID controller"),
               ATTR("slot", DeviceAddress, ccid.slot, CCID_ONLY, .max = UINT32_MAX,
                    .doc = "slot of the controller"),
               ATTR("bus", DeviceAddress, usb.bus, ONLY(DeviceAddress, type, BIT(ADDRESS_USB)),
                    .flags = ROW_ALWAYS, .max = UINT32_MAX, .doc = "index of the USB controller"),
               CODEC_ATTR("port", &usb_port_codec, ONLY(DeviceAddress, type, BIT(ADDRESS_USB)),
                          .bad_code = ERROR_INTERNAL, .doc = "port, through hubs as in 1.2"),
               CODEC_ATTR("reg", &spapr_reg_codec, ONLY(DeviceAddress, type, BIT(ADDRESS_SPAPR_VIO)),
                          .doc = "register"),
               ATTR("cssid", DeviceAddress, ccw.cssid, CCW_ONLY, .max = 0xfe, .doc = "channel subsystem"),
               ATTR("ssid", DeviceAddress, ccw.ssid, CCW_ONLY, .max = 3, .doc = "subchannel set"),
               ATTR("devno", DeviceAddress, ccw.devno, CCW_ONLY, .width = 4, .max = 0xffff,
                    .doc = "device number"),
               ATTR("iobase", DeviceAddress, isa.iobase, ONLY(DeviceAddress, type, BIT(ADDRESS_ISA)),
                    .flags = ROW_HEX, .max = UINT32_MAX, .doc = "first I/O port"),
               ATTR("irq", DeviceAddress, isa.irq, ONLY(DeviceAddress, type, BIT(ADDRESS_ISA)),
                    .flags = ROW_HEX, .max = UINT32_MAX, .doc = "interrupt"),
               ATTR("slot", DeviceAddress, dimm.slot, ONLY(DeviceAddress, type, BIT(ADDRESS_DIMM)),
                    .flags = ROW_ALWAYS, .max = UINT32_MAX, .doc = "memory slot"),
               ATTR("base", DeviceAddress, dimm.base, ONLY(DeviceAddress, type, BIT(ADDRESS_DIMM)),
                    .flags = ROW_HEX, .max = UINT64_MAX, .doc = "guest physical address")),
          .doc = "The numbers of an address.");

static bool has_numbers(const void *base, unsigned flags)
{
    return !((const DeviceAddress *)base)->wants_numbers;
}

static bool has_zpci(const void *base, unsigned flags)
{
    const DeviceAddress *address = base;
    return address->zpci_uid.is_set || address->zpci_fid.is_set;
}

/* An address element without numbers asks for an address of that kind. */
static bool address_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    DeviceAddress *address = base;
    bool is_numbered = address->type != ADDRESS_VIRTIO_S390 && address->type != ADDRESS_VIRTIO_MMIO &&
                       address->type != ADDRESS_UNASSIGNED && address->type != ADDRESS_MDEV;
    unsigned given = 0;
    for (const xmlAttr *attr = element->properties; attr; attr = attr->next)
        given += strcmp((const char *)attr->name, "type") != 0 &&
                 strcmp((const char *)attr->name, "multifunction") != 0;
    address->wants_numbers = is_numbered && !given;
    if (address->type == ADDRESS_PCI && given && !address->pci.domain && !address->pci.bus &&
        !address->pci.slot && !address->pci.function)
        address->wants_numbers = true; /* 0000:00:00.0 is the host bridge: nothing else can sit there */
    return true;
}

const XmlTable address_table =
    TABLE(DeviceAddress, "address",
          ROWS(ATTR("type", DeviceAddress, type, .names = &address_type_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .missing_code = ERROR_INTERNAL,
                    .flags = ROW_REQUIRED, .doc = "kind of address"),
               { .node = XML_INCLUDE,
                 XML_NAME_("#include"),
                 .table = &address_numbers_table,
                 .show = has_numbers },
               GROUP("zpci",
                     ROWS(ATTR("uid", DeviceAddress, zpci_uid, REFUSED("only s390x machines have it"),
                               .width = 4, .flags = ROW_HEX, .max = 0xffff, .doc = "user id"),
                          ATTR("fid", DeviceAddress, zpci_fid, REFUSED("only s390x machines have it"),
                               .width = 8, .flags = ROW_HEX, .max = UINT32_MAX, .doc = "function id")),
                     .show = has_zpci, ONLY(DeviceAddress, type, BIT(ADDRESS_PCI)),
                     .doc = "identifiers of the device on s390x")),
          .finish = address_finish,
          .doc = "Where the device is plugged in. Assigned when the machine is defined "
                 "and then kept, so that the guest sees the same hardware every time.");

static void source_pci_init(void *base)
{
    ((DeviceAddress *)base)->type = ADDRESS_PCI;
}
const XmlTable source_pci_address_table =
    TABLE(DeviceAddress, "source-pci-address", ROWS(PCI_ADDRESS_ROWS(UINT32_MAX)), .init = source_pci_init,
          .doc = "Where the device is on the host.");

/* ---- device information ---- */

static bool alias_is_written(const void *base, unsigned flags)
{
    const DeviceInfo *info = base;
    return !(flags & XML_FORMAT_INACTIVE) || !info->alias || g_str_has_prefix(info->alias, "ua-");
}

/* Names that Lodge gives to devices are for the running machine; names that users chose start with "ua-". */
static bool info_finish_alias(const char *text, void *base, Error **err)
{
    DeviceInfo *info = base;
    g_free(info->alias);
    info->alias = g_strdup(text);
    return true;
}

static bool alias_read(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    const char *name = xml_attr(element, "name");
    if (!name)
        return true;
    bool is_ours = !g_str_has_prefix(name, "ua-");
    if (is_ours && reader->flags & XML_READ_INACTIVE)
        return true;
    if (!is_ours &&
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(name))
        return true; /* not a name that QEMU could take: as good as none */
    return info_finish_alias(name, base, err);
}

static void alias_write(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const DeviceInfo *info = base;
    if (!info->alias || !alias_is_written(base, flags))
        return;
    xml_indent(indent, out);
    xml_append_literal(out, "<alias name='");
    xml_escape_attribute(info->alias, out);
    xml_append_literal(out, "'/>\n");
}
static const XmlRow alias_schema_rows[] = { ATTR("name", DeviceInfo, alias, .doc = "the name"), { 0 } };
static const XmlCustom alias_custom = { alias_read, alias_write, alias_schema_rows };

static const XmlTable boot_info_table =
    TABLE(DeviceInfo, "boot-info",
          ROWS(GROUP("boot",
                     ROWS(ATTR("order", DeviceInfo, boot_order, HOST_SIDE, .flags = ROW_REQUIRED, .min = 1,
                               .max = UINT32_MAX, .doc = "position in the boot order, from 1"),
                          ATTR("loadparm", DeviceInfo, boot_loadparm, HOST_SIDE,
                               REFUSED("only s390x machines have it"),
                               .doc = "parameter for the boot loader on s390x")),
                     .doc = "boot from this device; excludes <boot dev=.../> in <os>")),
          .doc = "What devices have that a machine may boot from.");

static const XmlTable names_info_table =
    TABLE(DeviceInfo, "names-info",
          ROWS(CUSTOM("alias", &alias_custom, HOST_SIDE,
                      .doc = "name of the device; one chosen by the user starts with `ua-`, others are of "
                             "the running "
                             "machine only"),
               HELD("alias", DeviceInfo, alias, HOST_SIDE),
               GROUP_FLAG("master", DeviceInfo, has_usb_master,
                          ROWS(ATTR("startport", DeviceInfo, usb_master_port, .flags = ROW_ALWAYS,
                                    .max = UINT32_MAX,
                                    .doc = "first port of the EHCI controller that this companion serves")),
                          .doc = "makes a USB 1 controller the companion of an EHCI controller")),
          .doc = "What every device may have.");

static const XmlTable rom_info_table =
    TABLE(DeviceInfo, "rom-info",
          ROWS(GROUP("rom",
                     ROWS(ATTR("enabled", DeviceInfo, rom_enabled, .names = &tristate_yes_no_names,
                               .doc = "whether the device has an option ROM"),
                          ATTR("bar", DeviceInfo, rom_bar, .names = &tristate_on_off_names,
                               .doc = "whether the ROM shows in the guest's memory map"),
                          ATTR("file", DeviceInfo, rom_file, .doc = "ROM image to use")),
                     .doc = "the option ROM of a PCI device")),
          .doc = "What interfaces and devices of the host may have.");

static const XmlTable place_info_table =
    TABLE(DeviceInfo, "place-info",
          ROWS(GROUP("acpi",
                     ROWS(ATTR("index", DeviceInfo, acpi_index, .min = 1, .max = UINT32_MAX,
                               .doc = "number the guest may name the device by")),
                     .doc = "how ACPI presents the device"),
               EMBED("address", DeviceInfo, address, &address_table,
                     .doc = "where the device is plugged in")),
          .doc = "What every device may have.");

#define SAME_INFO(sub)                                                                                       \
    {                                                                                                        \
        .node = XML_INCLUDE, XML_NAME_("#include"), .table = &(sub)                                          \
    }

const XmlTable device_info_table =
    TABLE(DeviceInfo, "device-info",
          ROWS(SAME_INFO(names_info_table), SAME_INFO(place_info_table),
               HELD("loadparm", DeviceInfo, boot_loadparm), HELD("rom", DeviceInfo, rom_file)),
          .doc = "What every device may have.");
const XmlTable bootable_info_table =
    TABLE(DeviceInfo, "bootable-info",
          ROWS(SAME_INFO(boot_info_table), SAME_INFO(names_info_table), SAME_INFO(place_info_table),
               HELD("rom", DeviceInfo, rom_file)),
          .doc = "What a device may have that a machine may boot from.");
const XmlTable rom_device_info_table = TABLE(DeviceInfo, "rom-device-info",
                                             ROWS(SAME_INFO(boot_info_table), SAME_INFO(names_info_table),
                                                  SAME_INFO(rom_info_table), SAME_INFO(place_info_table)),
                                             .doc = "What a device may have that has a ROM to boot with.");

const XmlTable virtio_options_table =
    TABLE(VirtioOptions, "virtio-options",
          ROWS(ATTR("iommu", VirtioOptions, iommu, .names = &tristate_on_off_names,
                    .doc = "the device goes through the guest's IOMMU"),
               ATTR("ats", VirtioOptions, ats, .names = &tristate_on_off_names,
                    .doc = "address translation service"),
               ATTR("packed", VirtioOptions, packed, .names = &tristate_on_off_names,
                    .doc = "packed virtqueues"),
               ATTR("page_per_vq", VirtioOptions, page_per_vq, .names = &tristate_on_off_names,
                    .doc = "each virtqueue's notification in a page of its own")),
          .doc = "Attributes that the <driver> of every virtio device may have.");

/* ---- small shared elements ---- */

/* What a daemon chose for the last run. */
static bool label_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    SecurityLabel *label = base;

    if (label->type == SECLABEL_DYNAMIC && reader->flags & XML_READ_INACTIVE)
        g_clear_pointer(&label->label, g_free);
    return true;
}

const XmlTable security_label_table =
    TABLE(SecurityLabel, "seclabel",
          ROWS(ATTR("type", SecurityLabel, type, .names = &seclabel_type_names, .flags = ROW_MAY_BE_EMPTY,
                    .doc = "who chooses the label"),
               ATTR("model", SecurityLabel, model, .doc = "security driver: selinux, apparmor, dac or none"),
               ATTR("relabel", SecurityLabel, relabel, .names = &tristate_yes_no_names,
                    .doc = "whether files are relabelled"),
               ATTR("labelskip", SecurityLabel, label_skip, .names = &tristate_yes_no_names,
                    .flags = ROW_LIVE, .doc = "relabelling was not possible"),
               CHILD("label", SecurityLabel, label, .doc = "the label"),
               CHILD("imagelabel", SecurityLabel, image_label, .flags = ROW_LIVE,
                     .doc = "label of the machine's files"),
               CHILD("baselabel", SecurityLabel, base_label, HARMLESS,
                     .doc = "template for a generated label")),
          .finish = label_finish, .doc = "Security label.");

const XmlTable named_value_table = TABLE(NamedValue, "entry",
                                         ROWS(ATTR("name", NamedValue, name, .doc = "name of the entry"),
                                              ATTR("file", NamedValue, file, .doc = "file with the value"),
                                              TEXT(NamedValue, value, .doc = "the value")),
                                         .doc = "A value with a name.");