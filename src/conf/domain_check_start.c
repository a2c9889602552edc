/* Rules that a definition may break and a start may not: the reference, too, finds these when it makes the
 * command line. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <string.h>

#include "conf/domain_device.h"
#include "conf/domain_rows.h"

static bool check_disk(const DiskDef *disk, Error **err)
{
    const StorageSource *source = &disk->src;
    const char *bus = enum_name(&disk_bus_names, disk->bus);
    if (disk->bus == DISK_BUS_XEN || disk->bus == DISK_BUS_UML)
        return error_set(err, ERROR_INTERNAL, "unsupported disk bus '%s' with device setup", bus);
    if (disk->queue_size.is_set && disk->bus != DISK_BUS_VIRTIO)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "queue_size attribute in disk driver element is only supported by virtio-blk");
    if (source->backing && source->format != STORAGE_FORMAT_QCOW2 && source->format != STORAGE_FORMAT_QED &&
        source->format != STORAGE_FORMAT_VMDK && source->format != STORAGE_FORMAT_QCOW)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "storage format '%s' does not support backing store",
                         enum_name(&storage_format_names, source->format));
    return true;
}

static bool check_graphics(const DomainDef *def, Error **err)
{
    unsigned n_of_type[GRAPHICS_TYPE_COUNT] = { 0 };
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        if (++n_of_type[graphics->type] > 1)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "only 1 graphics device of each type (sdl, vnc, spice, headless, dbus) is "
                             "supported");
        if (def_list_len(graphics->listens) > 1)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "QEMU does not support multiple listens for one graphics device.");
    }
    return true;
}

static bool check_virtio_address(const DeviceInfo *info, const char *device, Error **err)
{
    AddressType type = info->address.type;
    return type == ADDRESS_ABSENT || type == ADDRESS_PCI || type == ADDRESS_VIRTIO_MMIO ||
           type == ADDRESS_CCW || error_set(err, ERROR_INTERNAL, "Unexpected address type for '%s'", device);
}

static bool check_addresses(const DomainDef *def, Error **err)
{
    if (def->memballoon && def->memballoon->model != MEMBALLOON_NONE &&
        !check_virtio_address(&def->memballoon->info, "virtio-balloon", err))
        return false;
    for (DEF_EACH(RngDef, rng, def->rngs)) {
        if (!check_virtio_address(&rng->info, "virtio-rng", err))
            return false;
    }
    for (DEF_EACH(InputDef, input, def->inputs)) {
        g_autofree char *name = g_strdup_printf("virtio-%s", enum_name(&input_type_names, input->type));
        if (input->bus == INPUT_BUS_VIRTIO && !check_virtio_address(&input->info, name, err))
            return false;
    }
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_SCSI && controller->model == CONTROLLER_MODEL_VIRTIO_SCSI &&
            !check_virtio_address(&controller->info, "virtio-scsi", err))
            return false;
    }
    return true;
}

static bool check_chars(const DomainDef *def, Error **err)
{
    for (DEF_EACH(CharDef, channel, def->channels)) {
        if (channel->target_type == CHAR_TARGET_XEN)
            return error_set(err, ERROR_INTERNAL, "channel target type 'xen' can't be had with QEMU");
        if (channel->source.type == CHAR_SPICEVMC && channel->target_name &&
            strcmp(channel->target_name, "com.redhat.spice.0") != 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unsupported spicevmc target name '%s'",
                             channel->target_name);
    }
    return true;
}

static bool check_others(const DomainDef *def, Error **err)
{
    const CpuDef *cpu = def->cpu;
    const char *behavior = def->qemu ? def->qemu->deprecation : NULL;
    if (cpu && cpu->maxphysaddr_mode == CPU_MAXPHYSADDR_PASSTHROUGH &&
        cpu->mode != CPU_MODE_HOST_PASSTHROUGH && cpu->mode != CPU_MODE_MAXIMUM)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "CPU maximum physical address mode 'passthrough' can only be used with "
                         "'host-passthrough' / 'maximum' CPUs");
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_USB && controller->ports.is_set &&
            controller->model != CONTROLLER_MODEL_QEMU_XHCI && controller->model != CONTROLLER_MODEL_NEC_XHCI)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "usb controller type '%s' doesn't support 'ports' with this QEMU binary",
                             enum_name(&controller_model_names, controller->model));
    }
    for (DEF_EACH(InputDef, input, def->inputs)) {
        if (input->type == INPUT_EVDEV && !input->source)
            return error_set(err, ERROR_INTERNAL, "missing device of the host for an evdev input device");
    }
    for (const Kept *kept = def->kept; kept; kept = kept->next) {
        if (kept->row && strcmp(kept->row->name, "bootloader") == 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "bootloader is not supported by QEMU");
    }
    return !behavior || strcmp(behavior, "none") == 0 || strcmp(behavior, "omit") == 0 ||
           strcmp(behavior, "reject") == 0 || strcmp(behavior, "crash") == 0 ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown deprecation behavior '%s'", behavior);
}

bool domain_check_start(const DomainDef *def, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (!check_disk(disk, err))
            return false;
    }
    return check_graphics(def, err) && check_addresses(def, err) && check_chars(def, err) &&
           check_others(def, err);
}

/* ---- room ---- */

/* What hangs on one controller of each kind. */
typedef struct DriveRoom {
    const char *what;
    unsigned buses, targets, units;
} DriveRoom;

static const DriveRoom *drive_room(const DomainDef *def, const DiskDef *disk)
{
    /* On narrow SCSI adapters each unit is a target of the wire. */
    static const DriveRoom ide = { "ide", 2, 1, 2 }, fdc = { "fdc", 1, 1, 2 }, sata = { "sata", 1, 1, 6 },
                           scsi = { "scsi", 1, 256, 16384 }, narrow = { "lsilogic", 1, 1, 8 };
    switch (disk->bus) {
    case DISK_BUS_IDE:
        return &ide;
    case DISK_BUS_FDC:
        return &fdc;
    case DISK_BUS_SATA:
        return &sata;
    case DISK_BUS_SCSI: {
        const ControllerDef *controller =
            domain_find_controller(def, CONTROLLER_SCSI, disk->info.address.drive.controller);
        return controller && controller->model == CONTROLLER_MODEL_LSILOGIC ? &narrow : &scsi;
    }
    default:
        return NULL;
    }
}

static bool check_drive_room(const DomainDef *def, const DiskDef *disk, Error **err)
{
    const DeviceAddress *address = &disk->info.address;
    const DriveRoom *room = address->type == ADDRESS_DRIVE ? drive_room(def, disk) : NULL;
    if (!room)
        return true;
    if (address->drive.bus >= room->buses)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': a %s controller has %u buses, numbered from 0", disk->target, room->what,
                         room->buses);
    if (address->drive.target >= room->targets)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': the target must be below %u on a %s controller", disk->target,
                         room->targets, room->what);
    return address->drive.unit < room->units ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk '%s': the unit must be below %u on a %s controller",
                     disk->target, room->units, room->what);
}

bool domain_check_room(const DomainDef *def, Error **err)
{
    unsigned n_isa = 0;
    for (DEF_EACH(CharDef, serial, def->serials))
        n_isa += serial->target_type == CHAR_TARGET_ISA_SERIAL;
    if (n_isa > 4)
        return error_set(err, ERROR_INTERNAL, "maximum supported number of ISA serial ports is 4, not %u",
                         n_isa);
    if (def_list_len(def->parallels) > 3)
        return error_set(err, ERROR_INTERNAL, "maximum supported number of parallel ports is 3, not %u",
                         def_list_len(def->parallels));
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (!check_drive_room(def, disk, err))
            return false;
    }
    return true;
}
