/* Names of devices inside QEMU ("net0", "virtio-disk0") and of their block nodes. They live in the live
 * definition only. A name that is there stays, whatever comes and goes beside it: QEMU knows the device by
 * it. The scheme is the one that people know from live XML and from QEMU's monitor. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_defaults.h"
#include "qemu/address.h"
#include "qemu/command_private.h"

/* "vda" is 0, "vdaa" is 26. */
static unsigned target_index(const char *target)
{
    unsigned index = 0;
    if (!target || strlen(target) < 3)
        return 0;
    for (const char *c = target + 2; g_ascii_islower(*c); c++)
        index = index * 26 + (unsigned)(*c - 'a') + 1;
    return index ? index - 1 : 0;
}

bool qemu_scsi_has_luns(const DomainDef *def, unsigned index)
{
    const ControllerDef *controller = domain_find_controller(def, CONTROLLER_SCSI, index);
    return !controller ||
           (controller->model != CONTROLLER_MODEL_LSILOGIC &&
            controller->model != CONTROLLER_MODEL_AM53C974 && controller->model != CONTROLLER_MODEL_DC390);
}

static char *alias_drive(const char *bus, const DeviceAddress *address, bool has_target)
{
    if (address->type != ADDRESS_DRIVE)
        return NULL;
    return has_target ? g_strdup_printf("%s%u-%u-%u-%u", bus, address->drive.controller, address->drive.bus,
                                        address->drive.target, address->drive.unit)
                      : g_strdup_printf("%s%u-%u-%u", bus, address->drive.controller, address->drive.bus,
                                        address->drive.unit);
}

char *alias_disk(const DomainDef *def, const void *device)
{
    const DiskDef *disk = device;
    const DeviceAddress *address = &disk->info.address;

    switch (disk->bus) {
    case DISK_BUS_IDE:
    case DISK_BUS_SATA:
    case DISK_BUS_FDC:
        return alias_drive(enum_name(&disk_bus_names, disk->bus), address, false);
    case DISK_BUS_SCSI:
        return alias_drive("scsi", address, qemu_scsi_has_luns(def, address->drive.controller));
    case DISK_BUS_USB:
        return g_strdup_printf("usb-disk%u", target_index(disk->target));
    case DISK_BUS_SD:
        return g_strdup_printf("sd-disk%u", target_index(disk->target));
    default:
        return g_strdup_printf("virtio-disk%u", target_index(disk->target));
    }
}

char *alias_controller(const DomainDef *def, const void *device)
{
    const ControllerDef *controller = device;
    const unsigned index = controller->index.value;
    const char *prefix = enum_name(&controller_type_names, controller->type);

    switch (controller->type) {
    case CONTROLLER_PCI:
        prefix = controller->model == CONTROLLER_MODEL_PCIE_ROOT ? "pcie." : "pci.";
        break;
    case CONTROLLER_USB: /* the first one has no number, like the board's */
    case CONTROLLER_IDE:
        if (!index)
            return g_strdup(prefix);
        break;
    case CONTROLLER_SATA:
        if (!index && domain_is_q35(def))
            return g_strdup("ide");
        break;
    case CONTROLLER_FDC:
    case CONTROLLER_SCSI:
    case CONTROLLER_VIRTIO_SERIAL:
    case CONTROLLER_CCID:
        break;
    default:
        prefix = "controller";
        break;
    }
    return g_strdup_printf("%s%u", prefix, index);
}

/* The first console is another name of the first serial port. */
char *alias_console(const DomainDef *def, const void *device)
{
    const CharDef *console = device;
    bool mirrors_serial =
        (console->target_type == CHAR_TARGET_SERIAL || console->target_type == CHAR_TARGET_ABSENT) &&
        console == g_ptr_array_index(def->consoles, 0) && def_list_len(def->serials);
    return mirrors_serial ? g_strdup(((CharDef *)g_ptr_array_index(def->serials, 0))->info.alias) : NULL;
}

typedef struct Naming {
    DomainDef *def;
    GHashTable *taken; /* aliases, borrowed */
    unsigned seen[DEVICE_KIND_COUNT];
} Naming;

static bool note_alias(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Naming *naming = arg;
    if (info && info->alias)
        g_hash_table_add(naming->taken, info->alias);
    return true;
}

/* The number of its place, as in a machine that starts; the lowest free one if that is taken. */
static char *numbered_alias(const Naming *naming, const char *prefix, unsigned number)
{
    char *alias = g_strdup_printf("%s%u", prefix, number);
    for (number = 0; g_hash_table_contains(naming->taken, alias); number++) {
        g_free(alias);
        alias = g_strdup_printf("%s%u", prefix, number);
    }
    return alias;
}

static bool name_device(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    Naming *naming = arg;
    const DeviceClass *row = &device_classes[kind];
    const unsigned number = naming->seen[kind]++;

    if (!info || info->alias || (kind == DEVICE_MEMBALLOON && device_place(kind, device) == PLACE_NONE))
        return true;
    info->alias = row->alias ? row->alias(naming->def, device) : NULL;
    if (!info->alias && row->prefix)
        info->alias = numbered_alias(naming, row->prefix, number);
    if (info->alias)
        g_hash_table_add(naming->taken, info->alias);
    return true;
}

void qemu_assign_aliases(DomainDef *def)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);
    Naming naming = { .def = def, .taken = taken };

    (void)domain_each_device(def, note_alias, &naming);
    (void)domain_each_device(def, name_device, &naming);
}

void qemu_number_disk(DiskDef *disk, uint32_t *last)
{
    for (StorageSource *source = &disk->src; source; source = source->backing) {
        if (!source->index)
            source->index = ++*last;
        if (source->data_store && !source->data_store->index)
            source->data_store->index = ++*last;
    }
    if (storage_is_empty(&disk->src))
        disk->src.index = 0;
}

void qemu_number_nodes(DomainDef *def, uint32_t *last)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));)
            *last = MAX(MAX(*last, source->index), source->data_store ? source->data_store->index : 0);
    }
    for (unsigned i = def_list_len(def->disks); i-- > 0;)
        qemu_number_disk(g_ptr_array_index(def->disks, i), last);
}

void qemu_number_found(DomainDef *def, uint32_t *last)
{
    for (unsigned i = def_list_len(def->disks); i-- > 0;) {
        DiskDef *disk = g_ptr_array_index(def->disks, i);
        if (storage_is_empty(&disk->src))
            disk->src.index = 0;
        else
            qemu_number_disk(disk, last);
    }
}
