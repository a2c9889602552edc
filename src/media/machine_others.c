/* Documents of single programs: VMware's .vmx, VirtualBox' .vbox, the XML of Hyper-V before Windows 10. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "media/machine_read.h"

#define MIB (UINT64_C(1) << 20)
#define MIB_MAX (UINT64_C(1) << 30) /* more is nobody's memory */

static void set_memory(Json *machine, uint64_t mib)
{
    machine_set_number(machine, "memory_bytes", mib <= MIB_MAX ? mib * MIB : 0);
}

/* ---- vmx: key = "value", a line each ---- */

static const char *get(GHashTable *keys, const char *prefix, const char *key)
{
    g_autofree char *name = g_strdup_printf("%s%s", prefix, key);

    return g_hash_table_lookup(keys, name);
}

static bool is_true(const char *text)
{
    return text && g_ascii_strcasecmp(text, "true") == 0;
}

static GHashTable *read_keys(const char *text)
{
    GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        char *equals = strchr(*line, '='), *open = equals ? strchr(equals, '"') : NULL;
        char *close = open ? strrchr(open + 1, '"') : NULL;
        if (!close || **line == '#')
            continue;
        *equals = *close = '\0';
        g_hash_table_replace(keys, g_ascii_strdown(g_strstrip(*line), -1), g_strdup(open + 1));
    }
    return keys;
}

static void read_slot(GHashTable *keys, Json *machine, const char *bus, const char *slot)
{
    const char *file = get(keys, slot, "filename"), *type = get(keys, slot, "devicetype");
    const bool is_drive = type && (strstr(type, "cdrom") || strstr(type, "CDROM"));
    const bool has_disc = file && (g_str_has_suffix(file, ".iso") || g_str_has_suffix(file, ".ISO"));

    if (!is_true(get(keys, slot, "present")) && !(file && g_str_has_suffix(file, ".vmdk")))
        return;
    if (get(keys, slot, "present") && !is_true(get(keys, slot, "present")))
        return;
    (void)machine_add_disk(machine, is_drive && !has_disc ? NULL : file, bus, is_drive || has_disc);
}

static void read_slots(GHashTable *keys, Json *machine)
{
    static const struct {
        const char *bus;
        unsigned controllers, slots;
    } buses[] = { { "scsi", 4, 16 }, { "sata", 4, 30 }, { "nvme", 4, 15 }, { "ide", 2, 2 } };

    for (size_t i = 0; i < G_N_ELEMENTS(buses); i++)
        for (unsigned c = 0; c < buses[i].controllers; c++)
            for (unsigned s = 0; s < buses[i].slots; s++) {
                g_autofree char *slot = g_strdup_printf("%s%u:%u.", buses[i].bus, c, s);
                read_slot(keys, machine, buses[i].bus, slot);
            }
    for (unsigned i = 0; i < 10; i++) {
        g_autofree char *slot = g_strdup_printf("ethernet%u.", i);
        const char *given = get(keys, slot, "address"), *made = get(keys, slot, "generatedaddress");
        const char *kind = get(keys, slot, "connectiontype"), *name = get(keys, slot, "networkname");
        if (is_true(get(keys, slot, "present")))
            machine_add_nic(machine, given ? given : made, get(keys, slot, "virtualdev"), name ? name : kind);
    }
    if (is_true(get(keys, "floppy0.", "present")))
        machine_note(machine, "a floppy drive");
    if (is_true(get(keys, "sound.", "present")))
        machine_note(machine, "a sound card");
}

bool machine_read_vmx(const char *text, Json *machine, Error **err)
{
    g_autoptr(GHashTable) keys = read_keys(text);
    const char *cpus = get(keys, "", "numvcpus");

    if (!get(keys, "", "config.version") && !get(keys, "", "virtualhw.version"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "it is no description of a machine that is known");
    if (get(keys, "", "encryption.keysafe"))
        return error_set(err, ERROR_NOT_SUPPORTED, "the machine is encrypted: decrypt it in VMware first");
    machine_set(machine, "kind", "vmx");
    machine_set(machine, "name", get(keys, "", "displayname"));
    machine_set(machine, "os", get(keys, "", "guestos"));
    machine_set(machine, "firmware", get(keys, "", "firmware"));
    if (is_true(get(keys, "", "uefi.secureboot.enabled")))
        json_object_set_new(machine, "secure_boot", json_true());
    machine_set_number(machine, "cpus", cpus ? text_number(cpus) : 1);
    set_memory(machine, text_number(get(keys, "", "memsize")));
    read_slots(keys, machine);
    return true;
}

/* ---- vbox ---- */

/* A disk of the registry by its UUID; one below another is what a snapshot's machine writes to. */
static char *registered(const xmlNode *list, const char *uuid, unsigned depth, bool *ret_is_above)
{
    for (xmlNode *disk = NULL; uuid && depth < 64 && (disk = node_next(list, NULL, disk));) {
        g_autofree char *id = node_attribute(disk, "uuid");
        *ret_is_above = depth > 0;
        if (g_strcmp0(id, uuid) == 0)
            return node_attribute(disk, "location");
        char *below = registered(disk, uuid, depth + 1, ret_is_above);
        if (below)
            return below;
    }
    return NULL;
}

static void read_attached(const xmlNode *registry, const xmlNode *controller, Json *machine)
{
    g_autofree char *kind = node_attribute(controller, "type");
    const char *bus = !kind                                          ? NULL
                      : strstr(kind, "PIIX") || strstr(kind, "ICH6") ? "ide"
                      : strstr(kind, "Ahci")                         ? "sata"
                      : strstr(kind, "NVMe")                         ? "nvme"
                      : strstr(kind, "Virtio")                       ? "virtio"
                                                                     : "scsi";

    for (xmlNode *device = NULL; (device = node_next(controller, "AttachedDevice", device));) {
        g_autofree char *type = node_attribute(device, "type");
        g_autofree char *uuid = node_attribute(node_find(device, "Image"), "uuid");
        const bool is_drive = g_strcmp0(type, "DVD") == 0;
        bool is_above = false;
        if (g_strcmp0(type, "Floppy") == 0) {
            machine_note(machine, "a floppy drive");
            continue;
        }
        g_autofree char *file =
            registered(node_find(registry, is_drive ? "DVDImages" : "HardDisks"), uuid, 0, &is_above);
        if (!is_drive && !file) {
            machine_note(machine, "the disk '%s', which the document does not tell the file of",
                         uuid ? uuid : "");
            continue;
        }
        Json *disk = machine_add_disk(machine, file, bus, is_drive);
        if (is_above)
            machine_set(disk, "parent", "the disk below it");
    }
}

static void read_adapter(const xmlNode *adapter, Json *machine)
{
    static const char *const networks[] = { "BridgedInterface", "HostOnlyInterface", "InternalNetwork",
                                            "NATNetwork" };
    g_autofree char *enabled = node_attribute(adapter, "enabled"),
                    *mac = node_attribute(adapter, "MACAddress");
    g_autofree char *model = node_attribute(adapter, "type"), *name = NULL;

    for (size_t i = 0; !name && i < G_N_ELEMENTS(networks); i++)
        name = node_attribute(node_find(adapter, networks[i]), "name");
    if (is_true(enabled))
        machine_add_nic(machine, mac, model, name ? name : "NAT");
}

bool machine_read_vbox(const xmlNode *root, Json *machine, Error **err)
{
    const xmlNode *box = node_find(root, "Machine"), *hardware = node_find(box, "Hardware");
    const xmlNode *storage = node_find(hardware, "StorageControllers");
    g_autofree char *name = node_attribute(box, "name"), *os = node_attribute(box, "OSType");
    g_autofree char *cpus = node_attribute(node_find(hardware, "CPU"), "count");
    g_autofree char *memory = node_attribute(node_find(hardware, "Memory"), "RAMSize");
    g_autofree char *firmware = node_attribute(node_find(hardware, "Firmware"), "type");
    g_autofree char *sound = node_attribute(node_find(hardware, "AudioAdapter"), "enabled");

    if (!box)
        return error_set(err, ERROR_INVALID_ARGUMENT, "there is no machine in it");
    machine_set(machine, "kind", "vbox");
    machine_set(machine, "name", name);
    machine_set(machine, "os", os);
    machine_set(machine, "firmware",
                firmware && g_ascii_strncasecmp(firmware, "EFI", 3) == 0 ? "efi" : "bios");
    machine_set_number(machine, "cpus", cpus ? text_number(cpus) : 1);
    set_memory(machine, text_number(memory));
    if (!storage)
        storage = node_find(box, "StorageControllers"); /* of versions before 6.1 */
    for (xmlNode *node = NULL; (node = node_next(storage, "StorageController", node));)
        read_attached(node_find(box, "MediaRegistry"), node, machine);
    for (xmlNode *node = NULL; (node = node_next(node_find(hardware, "Network"), "Adapter", node));)
        read_adapter(node, machine);
    if (is_true(sound))
        machine_note(machine, "a sound card");
    return true;
}

/* ---- Hyper-V ---- */

static void read_drives(const xmlNode *device, Json *machine)
{
    for (xmlNode *controller = NULL; (controller = node_next(device, NULL, controller));) {
        if (!g_str_has_prefix((const char *)controller->name, "controller"))
            continue;
        for (xmlNode *drive = NULL; (drive = node_next(controller, NULL, drive));) {
            g_autofree char *file = node_text(drive, "pathname"), *type = node_text(drive, "type");
            const bool is_disc = g_strcmp0(type, "ISO") == 0;
            if (g_str_has_prefix((const char *)drive->name, "drive") && g_strcmp0(type, "NONE") != 0 && file)
                (void)machine_add_disk(machine, file, NULL, is_disc);
        }
    }
}

bool machine_read_hyperv(const xmlNode *root, Json *machine, Error **err)
{
    g_autofree char *name = node_text(root, "properties/name"),
                    *second = node_text(root, "properties/subtype");
    g_autofree char *cpus = node_text(root, "settings/processors/count");
    g_autofree char *memory = node_text(root, "settings/memory/bank/size");

    if (!node_find(root, "properties"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "it is no description of a machine that is known");
    machine_set(machine, "kind", "hyper-v");
    machine_set(machine, "name", name);
    machine_set(machine, "firmware", text_number(second) == 1 ? "efi" : "bios");
    machine_set_number(machine, "cpus", text_number(cpus));
    set_memory(machine, text_number(memory));
    for (xmlNode *device = NULL; (device = node_next(root, NULL, device));) {
        g_autofree char *network = node_text(device, "AltSwitchName"), *mac = node_text(device, "MacAddress");
        read_drives(device, machine);
        if (node_find(device, "ChannelInstanceGuid") && node_find(device, "MacAddress"))
            machine_add_nic(machine, mac, NULL, network);
    }
    return true;
}

/* ---- Lodge's own: libvirt's document ---- */

/* What a definition of anybody's would take of the host that it comes to. */
static const char *reach_of(const xmlNode *node, const char *parent)
{
    static const char *const places[] = { "file", "dev", "dir", "path", "protocol", "startupPolicy", NULL };
    static const char *const elements[] = { "hostdev",  "filesystem", "commandline", "kernel", "initrd",
                                            "dtb",      "log",        "nvram",       "lease",  "shmem",
                                            "override", "redirdev",   NULL };
    const char *name = (const char *)node->name;

    if (g_strv_contains(elements, name))
        return name;
    if (strcmp(name, "loader") == 0 || strcmp(name, "emulator") == 0) {
        g_autofree char *path = node_text(node->parent, name);
        return path && (!g_str_has_prefix(path, "/usr/") || strstr(path, "/../")) ? name : NULL;
    }
    for (const char *const *place = places; strcmp(name, "source") == 0 && *place; place++) {
        g_autofree char *value = node_attribute(node, *place);
        /* Of a network's interface "dev" is a link; a channel's path lies where the daemon keeps sockets. */
        if (value && (*value == '/' || strcmp(*place, "protocol") == 0))
            return parent;
    }
    return NULL;
}

static void find_reaches(const xmlNode *node, const char *parent, unsigned depth, Json *list)
{
    for (xmlNode *child = NULL;
         depth < 32 && json_array_size(list) < 32 && (child = node_next(node, NULL, child));) {
        const char *reach = reach_of(child, parent);
        if (reach)
            json_array_append_new(list, json_sprintf("<%s>", reach));
        else
            find_reaches(child, (const char *)child->name, depth + 1, list);
    }
}

bool machine_read_domain(const xmlNode *root, Json *machine, Error **err)
{
    g_autofree char *name = node_text(root, "name"), *uuid = node_text(root, "uuid");
    Json *reaches = json_array();

    machine_set(machine, "kind", "lodge");
    machine_set(machine, "name", name);
    machine_set(machine, "uuid", uuid);
    find_reaches(root, "domain", 0, reaches);
    json_object_set_new(machine, "reaches", reaches);
    return true;
}
