/* Names of devices inside QEMU ("net0", "virtio-disk0"). They live in the live definition only; aliases that
 * the user chose ("ua-...") stay. The scheme is the one that people know from live XML and from QEMU's
 * monitor. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_device.h"
#include "qemu/address.h"

PRINTF(2, 3) static void set_alias(DeviceInfo *info, const char *format, ...)
{
    if (info->alias && g_str_has_prefix(info->alias, "ua-"))
        return;
    va_list args;
    va_start(args, format);
    g_free(info->alias);
    info->alias = g_strdup_vprintf(format, args);
    va_end(args);
}

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

bool qemu_scsi_has_luns(const DomainDef *def, unsigned controller)
{
    for (DEF_EACH(ControllerDef, row, def->controllers)) {
        if (row->type == CONTROLLER_SCSI && row->index.value == controller)
            return row->model != CONTROLLER_MODEL_LSILOGIC && row->model != CONTROLLER_MODEL_AM53C974 &&
                   row->model != CONTROLLER_MODEL_DC390;
    }
    return true;
}

static void alias_disk(const DomainDef *def, DiskDef *disk)
{
    const DeviceAddress *address = &disk->info.address;
    bool drive = address->type == ADDRESS_DRIVE;

    switch (disk->bus) {
    case DISK_BUS_IDE:
    case DISK_BUS_SATA:
    case DISK_BUS_FDC:
        if (drive)
            set_alias(&disk->info, "%s%u-%u-%u",
                      disk->bus == DISK_BUS_IDE    ? "ide"
                      : disk->bus == DISK_BUS_SATA ? "sata"
                                                   : "fdc",
                      address->drive.controller, address->drive.bus, address->drive.unit);
        break;
    case DISK_BUS_SCSI:
        if (drive && !qemu_scsi_has_luns(def, address->drive.controller))
            set_alias(&disk->info, "scsi%u-%u-%u", address->drive.controller, address->drive.bus,
                      address->drive.unit);
        else if (drive)
            set_alias(&disk->info, "scsi%u-%u-%u-%u", address->drive.controller, address->drive.bus,
                      address->drive.target, address->drive.unit);
        break;
    case DISK_BUS_USB:
        set_alias(&disk->info, "usb-disk%u", target_index(disk->target));
        break;
    case DISK_BUS_SD:
        set_alias(&disk->info, "sd-disk%u", target_index(disk->target));
        break;
    default:
        set_alias(&disk->info, "virtio-disk%u", target_index(disk->target));
        break;
    }
}

static void alias_controller(const DomainDef *def, ControllerDef *controller)
{
    unsigned index = controller->index.value;
    switch (controller->type) {
    case CONTROLLER_PCI:
        if (controller->model == CONTROLLER_MODEL_PCIE_ROOT)
            set_alias(&controller->info, "pcie.%u", index);
        else
            set_alias(&controller->info, "pci.%u", index);
        break;
    case CONTROLLER_USB:
        if (index)
            set_alias(&controller->info, "usb%u", index);
        else
            set_alias(&controller->info, "usb");
        break;
    case CONTROLLER_IDE: /* the board's first one has no number */
        if (index)
            set_alias(&controller->info, "ide%u", index);
        else
            set_alias(&controller->info, "ide");
        break;
    case CONTROLLER_SATA:
        if (!index && strstr(def->os.machine ? def->os.machine : "", "q35"))
            set_alias(&controller->info, "ide");
        else
            set_alias(&controller->info, "sata%u", index);
        break;
    case CONTROLLER_FDC:
        set_alias(&controller->info, "fdc%u", index);
        break;
    case CONTROLLER_SCSI:
        set_alias(&controller->info, "scsi%u", index);
        break;
    case CONTROLLER_VIRTIO_SERIAL:
        set_alias(&controller->info, "virtio-serial%u", index);
        break;
    case CONTROLLER_CCID:
        set_alias(&controller->info, "ccid%u", index);
        break;
    default:
        set_alias(&controller->info, "controller%u", index);
        break;
    }
}

/* Node numbers: the last disk has the lowest, and in each chain they count from the image in use downwards.
 * An empty drive uses one up, but does not carry it: there is no node yet. */
static void number_nodes(DomainDef *def)
{
    uint32_t next = 1;
    for (unsigned i = def_list_len(def->disks); i-- > 0;) {
        DiskDef *disk = g_ptr_array_index(def->disks, i);
        for (StorageSource *source = &disk->src; source; source = source->backing)
            source->index = next++;
        if (!disk->src.path && def_list_len(disk->src.hosts) == 0)
            disk->src.index = 0;
    }
}

#define ALIAS_LIST(Type, list, prefix)                                                                       \
    do {                                                                                                     \
        unsigned number = 0;                                                                                 \
        for (DEF_EACH(Type, device, list))                                                                   \
            set_alias(&device->info, prefix "%u", number++);                                                 \
    } while (0)

/* The first console is another name of the first serial port. */
static void alias_consoles(DomainDef *def)
{
    unsigned number = 0;
    for (DEF_EACH(CharDef, console, def->consoles)) {
        bool mirrors_serial =
            console->target_type == CHAR_TARGET_SERIAL || console->target_type == CHAR_TARGET_ABSENT;
        if (number == 0 && mirrors_serial && def_list_len(def->serials)) {
            CharDef *serial = g_ptr_array_index(def->serials, 0);
            g_free(console->info.alias);
            console->info.alias = g_strdup(serial->info.alias);
        } else {
            set_alias(&console->info, "console%u", number);
        }
        number++;
    }
}

void qemu_assign_aliases(DomainDef *def)
{
    for (DEF_EACH(DiskDef, disk, def->disks))
        alias_disk(def, disk);
    number_nodes(def);
    for (DEF_EACH(ControllerDef, controller, def->controllers))
        alias_controller(def, controller);
    ALIAS_LIST(FilesystemDef, def->filesystems, "fs");
    ALIAS_LIST(InterfaceDef, def->interfaces, "net");
    ALIAS_LIST(SmartcardDef, def->smartcards, "smartcard");
    ALIAS_LIST(CharDef, def->serials, "serial");
    ALIAS_LIST(CharDef, def->parallels, "parallel");
    alias_consoles(def);
    ALIAS_LIST(CharDef, def->channels, "channel");
    ALIAS_LIST(InputDef, def->inputs, "input");
    ALIAS_LIST(TpmDef, def->tpms, "tpm");
    ALIAS_LIST(SoundDef, def->sounds, "sound");
    ALIAS_LIST(VideoDef, def->videos, "video");
    ALIAS_LIST(HostdevDef, def->hostdevs, "hostdev");
    ALIAS_LIST(RedirdevDef, def->redirdevs, "redir");
    ALIAS_LIST(HubDef, def->hubs, "hub");
    ALIAS_LIST(WatchdogDef, def->watchdogs, "watchdog");
    ALIAS_LIST(RngDef, def->rngs, "rng");
    ALIAS_LIST(PanicDef, def->panics, "panic");
    ALIAS_LIST(ShmemDef, def->shmems, "shmem");
    ALIAS_LIST(MemoryDeviceDef, def->memory_devices, "dimm");
    if (def->memballoon && def->memballoon->model != MEMBALLOON_NONE)
        set_alias(&def->memballoon->info, "balloon0");
    if (def->iommu)
        set_alias(&def->iommu->info, "iommu0");
    if (def->vsock)
        set_alias(&def->vsock->info, "vsock0");
}
