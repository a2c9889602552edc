/* OVF: DMTF's "Open Virtualization Format" (DSP0243), with what VMware and VirtualBox add. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "media/machine_read.h"

/* CIM's types of resources */
enum {
    TYPE_CPU = 3,
    TYPE_MEMORY = 4,
    TYPE_IDE = 5,
    TYPE_SCSI = 6,
    TYPE_NETWORK = 10,
    TYPE_FLOPPY = 14,
    TYPE_CD = 15,
    TYPE_DVD = 16,
    TYPE_DISK = 17,
    TYPE_STORAGE = 20,
    TYPE_USB = 23,
    TYPE_DISPLAY = 24,
    TYPE_SOUND = 35
};

/* "byte * 2^20", "MegaBytes", "GigaBytes" */
static uint64_t unit_bytes(const char *text, uint64_t otherwise)
{
    static const struct {
        const char *word;
        unsigned shift;
    } words[] = { { "Kilo", 10 }, { "Mega", 20 }, { "Giga", 30 }, { "Tera", 40 },
                  { "KB", 10 },   { "MB", 20 },   { "GB", 30 } };
    const char *power = text ? strstr(text, "2^") : NULL;

    if (!text)
        return otherwise;
    if (power) {
        const uint64_t shift = text_number(power + 2);
        return shift < 50 ? UINT64_C(1) << shift : 0;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_ascii_strncasecmp(text, words[i].word, strlen(words[i].word)) == 0)
            return UINT64_C(1) << words[i].shift;
    return 1;
}

static uint64_t sized(const char *number, uint64_t unit)
{
    const uint64_t value = text_number(number);

    return unit && value <= INT64_MAX / unit ? value * unit : 0;
}

static xmlNode *find_by(const xmlNode *parent, const char *name, const char *key, const char *wanted)
{
    for (xmlNode *node = NULL; wanted && (node = node_next(parent, name, node));) {
        g_autofree char *value = node_attribute(node, key);
        if (g_strcmp0(value, wanted) == 0)
            return node;
    }
    return NULL;
}

/* What is behind "ovf:/disk/vmdisk1" or "ovf:/file/file2". */
static void add_disk(const xmlNode *root, Json *machine, const char *resource, const char *bus, bool is_drive)
{
    const char *word = resource ? strrchr(resource, '/') : NULL;
    const bool is_file = resource && strstr(resource, "/file/");
    const xmlNode *disk =
        word && !is_file ? find_by(node_find(root, "DiskSection"), "Disk", "diskId", word + 1) : NULL;
    g_autofree char *reference = word && is_file ? g_strdup(word + 1) : node_attribute(disk, "fileRef");
    g_autofree char *capacity = node_attribute(disk, "capacity");
    g_autofree char *unit = node_attribute(disk, "capacityAllocationUnits");
    g_autofree char *parent = node_attribute(disk, "parentRef");
    const xmlNode *file = find_by(node_find(root, "References"), "File", "id", reference);
    g_autofree char *name = node_attribute(file, "href"), *packed = node_attribute(file, "compression");

    if (word && !file && !capacity) {
        machine_note(machine, "the disk '%s' is nowhere in the document", word + 1);
        return;
    }
    Json *entry = machine_add_disk(machine, name, bus, is_drive);
    machine_set(entry, "compression", packed && strcmp(packed, "identity") != 0 ? packed : NULL);
    machine_set(entry, "parent", parent);
    machine_set_number(entry, "capacity_bytes", sized(capacity, unit_bytes(unit, 1)));
}

/* The bus of the controller that an item names as its parent. */
static const char *bus_of(const xmlNode *hardware, const char *parent)
{
    for (xmlNode *item = NULL; parent && (item = node_next(hardware, NULL, item));) {
        g_autofree char *id = node_text(item, "InstanceID"), *type = node_text(item, "ResourceType");
        g_autofree char *sub = node_text(item, "ResourceSubType");
        if (g_strcmp0(id, parent) != 0)
            continue;
        g_autofree char *lower = sub ? g_ascii_strdown(sub, -1) : g_strdup("");
        switch (text_number(type)) {
        case TYPE_IDE:
            return "ide";
        case TYPE_SCSI:
            return strstr(lower, "virtio") ? "virtio" : "scsi";
        case TYPE_STORAGE:
            return strstr(lower, "nvme") ? "nvme" : "sata";
        default:
            return NULL;
        }
    }
    return NULL;
}

static void read_item(const xmlNode *root, const xmlNode *hardware, const xmlNode *item, Json *machine)
{
    g_autofree char *type = node_text(item, "ResourceType"), *quantity = node_text(item, "VirtualQuantity");
    g_autofree char *unit = node_text(item, "AllocationUnits"), *parent = node_text(item, "Parent");
    g_autofree char *resource = node_text(item, "HostResource"), *sub = node_text(item, "ResourceSubType");
    g_autofree char *address = node_text(item, "Address"), *network = node_text(item, "Connection");
    g_autofree char *title = node_text(item, "ElementName");
    const char *bus = bus_of(hardware, parent);

    switch (text_number(type)) {
    case TYPE_CPU:
        machine_set_number(machine, "cpus", text_number(quantity));
        break;
    case TYPE_MEMORY:
        machine_set_number(machine, "memory_bytes", sized(quantity, unit_bytes(unit, UINT64_C(1) << 20)));
        break;
    case TYPE_NETWORK:
        machine_add_nic(machine, address, sub, network);
        break;
    case TYPE_CD:
    case TYPE_DVD:
        add_disk(root, machine, resource, bus, true);
        break;
    case TYPE_DISK:
        add_disk(root, machine, resource, bus, false);
        break;
    case 0:
    case TYPE_IDE:
    case TYPE_SCSI:
    case TYPE_STORAGE:
    case TYPE_USB:
    case TYPE_DISPLAY:
        break; /* every machine gets those that it needs */
    default:
        machine_note(machine, "%s '%s'",
                     text_number(type) == TYPE_SOUND    ? "a sound card"
                     : text_number(type) == TYPE_FLOPPY ? "a floppy drive"
                                                        : "a device",
                     title ? title : "");
    }
}

static void read_system(const xmlNode *root, const xmlNode *system, Json *machine)
{
    const xmlNode *hardware = node_find(system, "VirtualHardwareSection");
    const xmlNode *os = node_find(system, "OperatingSystemSection");
    g_autofree char *id = node_attribute(system, "id"), *name = node_text(system, "Name");
    g_autofree char *os_id = node_attribute(os, "id"), *vmware = node_attribute(os, "osType");
    g_autofree char *vbox = node_text(os, "OSType");
    g_autofree char *firmware = NULL;

    machine_set(machine, "name", name ? name : id);
    machine_set(machine, "os", vmware ? vmware : vbox);
    machine_set_number(machine, "os_number", text_number(os_id));
    for (xmlNode *config = NULL; (config = node_next(hardware, "Config", config));) {
        g_autofree char *key = node_attribute(config, "key"), *value = node_attribute(config, "value");
        if (g_strcmp0(key, "firmware") == 0)
            machine_set(machine, "firmware", value);
        if (g_strcmp0(key, "bootOptions.efiSecureBootEnabled") == 0 && g_strcmp0(value, "true") == 0)
            json_object_set_new(machine, "secure_boot", json_true());
    }
    firmware = node_attribute(node_find(system, "Machine/Hardware/Firmware"), "type");
    if (firmware && g_ascii_strncasecmp(firmware, "EFI", 3) == 0)
        machine_set(machine, "firmware", "efi");
    for (xmlNode *item = NULL; (item = node_next(hardware, NULL, item));)
        if (g_str_has_suffix((const char *)item->name, "Item"))
            read_item(root, hardware, item, machine);
}

bool machine_read_ovf(const xmlNode *root, Json *machine, Error **err)
{
    const xmlNode *several = node_find(root, "VirtualSystemCollection");
    const xmlNode *parent = several ? several : root;
    const xmlNode *system = node_next(parent, "VirtualSystem", NULL);

    machine_set(machine, "kind", "ovf");
    if (!system)
        return error_set(err, ERROR_INVALID_ARGUMENT, "there is no machine in it");
    if (node_next(parent, "VirtualSystem", system)) {
        error_set(err, ERROR_NOT_SUPPORTED, "there are several machines in it");
        return error_hint(err, "export them one by one from the program that they are of");
    }
    read_system(root, system, machine);
    return true;
}
