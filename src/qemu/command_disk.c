/* Disks: block nodes (-blockdev) and the devices on top of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/domain_defaults.h"
#include "conf/volume.h"
#include "qemu/address.h"
#include "qemu/command_private.h"

typedef struct CacheMode {
    bool set, direct, no_flush, write_cache;
} CacheMode;

/* The table of cache modes in QEMU's manual (-drive cache=). */
static CacheMode disk_cache_mode(const DiskDef *disk)
{
    switch (disk->cache == DISK_CACHE_ABSENT && disk->shareable && !disk->readonly ? DISK_CACHE_NONE
                                                                                   : disk->cache) {
    case DISK_CACHE_NONE:
        return (CacheMode){ true, true, false, true };
    case DISK_CACHE_WRITETHROUGH:
        return (CacheMode){ true, false, false, false };
    case DISK_CACHE_WRITEBACK:
        return (CacheMode){ true, false, false, true };
    case DISK_CACHE_DIRECTSYNC:
        return (CacheMode){ true, true, false, false };
    case DISK_CACHE_UNSAFE:
        return (CacheMode){ true, false, true, true };
    default:
        return (CacheMode){ 0 };
    }
}

void prop_cache(Json *object, const DiskDef *disk)
{
    CacheMode mode = disk_cache_mode(disk);
    if (!mode.set)
        return;
    Json *cache = json_object();
    prop_bool(cache, "direct", mode.direct);
    prop_bool(cache, "no-flush", mode.no_flush);
    json_object_set_new(object, "cache", cache);
}

static const char *format_driver(StorageFormat format)
{
    switch (format) {
    case STORAGE_FORMAT_ABSENT:
    case STORAGE_FORMAT_RAW:
    case STORAGE_FORMAT_FAT: /* vvfat makes a whole disk of a directory */
    case STORAGE_FORMAT_ISO:
        return "raw";
    case STORAGE_FORMAT_VHD:
        return "vpc";
    case STORAGE_FORMAT_PLOOP:
        return "parallels";
    default:
        return enum_name(&storage_format_names, format);
    }
}

/* Only these have a backing file; for the others QEMU does not even know the word. */
static bool format_has_backing(StorageFormat format)
{
    return format == STORAGE_FORMAT_QCOW || format == STORAGE_FORMAT_QCOW2 || format == STORAGE_FORMAT_QED ||
           format == STORAGE_FORMAT_VMDK;
}

/* On top of the format and of the first @count throttle filters. */
static char *throttled_node_name(const DiskDef *disk, unsigned count)
{
    g_autofree char *suffix = count ? g_strdup_printf("throttle%u", count - 1) : g_strdup("format");
    return source_node_name(&disk->src, suffix);
}

static char *disk_node_name(const DiskDef *disk)
{
    if (disk->copy_on_read == TRISTATE_ON)
        return g_strdup_printf("libvirt-CoR-%s", disk->target);
    return throttled_node_name(disk, def_list_len(disk->throttle_filters));
}

/* What the format needs beside the data: keys, a part of a raw source, the size of its cache. */
static void prop_format_options(Json *node, const DiskDef *disk, const StorageSource *source,
                                const char *storage)
{
    const VolumeEncryption *encryption = disk_encryption(disk, source);
    const bool is_raw = source->format == STORAGE_FORMAT_ABSENT || source->format == STORAGE_FORMAT_RAW;
    const bool decrypts = encryption && encryption->engine != VOLUME_ENGINE_LIBRBD;
    g_autofree char *key = decrypts ? qemu_secret_id(source, QEMU_SECRET_ENCRYPTION) : NULL;

    prop_str(node, "driver", decrypts && is_raw ? "luks" : format_driver(source->format));
    if (decrypts && is_raw)
        prop_str(node, "key-secret", key);
    else if (decrypts)
        json_object_set_new(node, "encrypt", json_pack("{s:s, s:s}", "format", "luks", "key-secret", key));
    else if (is_raw && def_list_len(source->slices)) {
        const StorageSlice *slice = g_ptr_array_index(source->slices, 0);
        prop_uint(node, "offset", slice->offset_bytes);
        prop_uint(node, "size", slice->size_bytes);
    }
    if (source->metadata_cache_bytes && source->format == STORAGE_FORMAT_QCOW2)
        prop_uint(node, "cache-size", source->metadata_cache_bytes);
    prop_str(node, "file", storage);
    if (source->data_store) {
        g_autofree char *data = source_node_name(source->data_store, "storage");
        prop_str(node, "data-file", data);
    }
}

static Json *format_node(const DiskDef *disk, const StorageSource *source, const char *storage, bool is_top)
{
    g_autofree char *name = source_node_name(source, "format");
    bool readonly = !is_top || disk->readonly || disk->device == DISK_DEVICE_CDROM;
    Json *node = json_object();

    prop_str(node, "node-name", name);
    prop_bool(node, "read-only", readonly);
    prop_enum(node, "discard", &disk_discard_names, disk->discard);
    /* Of every layer: a block job may write into any of them. */
    bool no_unmap = disk->detect_zeroes == DISK_DETECT_ZEROES_UNMAP && disk->discard != DISK_DISCARD_UNMAP;
    prop_enum(node, "detect-zeroes", &disk_detect_zeroes_names,
              no_unmap ? DISK_DETECT_ZEROES_ON : disk->detect_zeroes);
    prop_cache(node, disk);
    prop_format_options(node, disk, source, storage);
    if (source->backing && !storage_is_empty(source->backing)) {
        g_autofree char *backing = source_node_name(source->backing, "format");
        prop_str(node, "backing", backing);
    } else if (source->backing_ends && format_has_backing(source->format)) {
        /* The chain is known to end here: QEMU must not follow what the header claims. */
        json_object_set_new(node, "backing", json_null());
    }
    return node;
}

static bool plan_nodes(const PlanContext *c, const DiskDef *disk, const StorageSource *source, bool is_top,
                       Plan *plan, Error **err)
{
    g_autofree char *storage = NULL;
    g_autofree char *data = NULL;

    if (!source || storage_is_empty(source))
        return true;
    if (!plan_nodes(c, disk, source->backing, false, plan, err) ||
        (source->data_store && !plan_storage(c, disk, source->data_store, plan, &data, err)) ||
        !plan_storage(c, disk, source, plan, &storage, err))
        return false;
    plan_add(plan, PLAN_BLOCKDEV, format_node(disk, source, storage, is_top));
    return true;
}

static void plan_throttle_filters(const DiskDef *disk, Plan *plan)
{
    unsigned count = 0;
    for (DEF_EACH(ThrottleFilter, filter, disk->throttle_filters)) {
        g_autofree char *below = throttled_node_name(disk, count++);
        g_autofree char *name = throttled_node_name(disk, count);
        Json *node = json_object();
        prop_str(node, "driver", "throttle");
        prop_str(node, "node-name", name);
        prop_format(node, "throttle-group", "throttle-%s", filter->group);
        prop_str(node, "file", below);
        plan_add(plan, PLAN_BLOCKDEV, node);
    }
}

static void plan_copy_on_read(const DiskDef *disk, Plan *plan)
{
    g_autofree char *name = disk_node_name(disk);
    g_autofree char *below = throttled_node_name(disk, def_list_len(disk->throttle_filters));
    Json *cor = json_object();
    prop_str(cor, "driver", "copy-on-read");
    prop_str(cor, "node-name", name);
    prop_str(cor, "file", below);
    prop_str(cor, "discard", "unmap");
    plan_add(plan, PLAN_BLOCKDEV, cor);
}

/* ---- devices ---- */

static const char *scsi_kind(const DiskDef *disk)
{
    if (disk->device == DISK_DEVICE_LUN)
        return "scsi-block";
    return disk->device == DISK_DEVICE_CDROM ? "scsi-cd" : "scsi-hd";
}

static Json *device_on_ide(const DomainDef *def, const DiskDef *disk)
{
    Json *device = device_new(disk->device == DISK_DEVICE_CDROM ? "ide-cd" : "ide-hd");
    const DeviceAddress *address = &disk->info.address;
    if (disk->bus == DISK_BUS_IDE) {
        prop_format(device, "bus", "ide.%u", address->drive.bus);
        prop_uint(device, "unit", address->drive.unit);
    } else {
        const char *controller = controller_alias(def, CONTROLLER_SATA, address->drive.controller);
        prop_format(device, "bus", "%s.%u", controller ? controller : "ide", address->drive.unit);
    }
    return device;
}

static Json *device_on_scsi(const DomainDef *def, const DiskDef *disk)
{
    const DeviceAddress *address = &disk->info.address;
    const char *controller = controller_alias(def, CONTROLLER_SCSI, address->drive.controller);
    g_autofree char *bus = g_strdup_printf("%s.%u", controller ? controller : "scsi0", address->drive.bus);
    g_autofree char *device_id =
        disk->serial ? g_strdup(disk->serial) : g_strdup_printf("drive-%s", disk->info.alias);
    Json *device = device_new(scsi_kind(disk));

    if (qemu_scsi_has_luns(def, address->drive.controller)) {
        prop_str(device, "bus", bus);
        prop_uint(device, "channel", 0);
        prop_uint(device, "scsi-id", address->drive.target);
        prop_uint(device, "lun", address->drive.unit);
    } else {
        prop_str(device, "bus", bus);
        prop_uint(device, "scsi-id", address->drive.unit);
    }
    if (disk->device != DISK_DEVICE_LUN)
        prop_str(device, "device_id", device_id);
    return device;
}

static Json *device_on_virtio(const DiskDef *disk)
{
    g_autofree char *driver = virtio_driver("virtio-blk", disk->model, &disk->info);
    Json *device = device_new(driver);
    if (disk->iothread.is_set)
        prop_format(device, "iothread", "iothread%u", disk->iothread.value);
    prop_tristate(device, "ioeventfd", disk->ioeventfd);
    prop_tristate(device, "event_idx", disk->event_idx);
    prop_opt(device, "num-queues", disk->queues);
    prop_opt(device, "queue-size", disk->queue_size);
    prop_virtio(device, &disk->virtio);
    return device;
}

static Json *disk_device_new(const DomainDef *def, const DiskDef *disk)
{
    switch (disk->bus) {
    case DISK_BUS_VIRTIO:
        return device_on_virtio(disk);
    case DISK_BUS_IDE:
    case DISK_BUS_SATA:
        return device_on_ide(def, disk);
    case DISK_BUS_SCSI:
        return device_on_scsi(def, disk);
    case DISK_BUS_USB:
        return device_new("usb-storage");
    case DISK_BUS_FDC: {
        Json *floppy = device_new("floppy");
        prop_uint(floppy, "unit", disk->info.address.drive.unit);
        return floppy;
    }
    default:
        return NULL;
    }
}

static const char *error_policy(DiskErrorPolicy policy)
{
    return policy == DISK_ERROR_POLICY_ABSENT     ? NULL
           : policy == DISK_ERROR_POLICY_ENOSPACE ? "enospc"
                                                  : enum_name(&disk_error_policy_names, policy);
}

static void prop_disk_limits(Json *device, const DiskDef *disk)
{
    prop_some(device, "logical_block_size", disk->logical_block_size);
    prop_some(device, "physical_block_size", disk->physical_block_size);
    prop_opt(device, "discard_granularity", disk->discard_granularity);
    if (disk->wwn)
        prop_uint(device, "wwn", g_ascii_strtoull(disk->wwn, NULL, 16));
    prop_some(device, "rotation_rate", disk->rotation_rate);
    prop_str(device, "vendor", disk->vendor);
    prop_str(device, "product", disk->product);
    if (disk->bus == DISK_BUS_USB)
        prop_bool(device, "removable", disk->removable == TRISTATE_ON);
    prop_str(device, "serial", disk->serial);
    if (disk->cylinders) {
        prop_uint(device, "cyls", disk->cylinders);
        prop_uint(device, "heads", disk->heads);
        prop_uint(device, "secs", disk->sectors);
        if (disk->trans != DISK_TRANS_ABSENT)
            prop_str(device, "bios-chs-trans", enum_name(&disk_geometry_trans_names, disk->trans));
    }
}

static BootDev disk_boot_class(const DiskDef *disk)
{
    return disk->device == DISK_DEVICE_CDROM    ? BOOT_DEV_CDROM
           : disk->device == DISK_DEVICE_FLOPPY ? BOOT_DEV_FD
                                                : BOOT_DEV_HD;
}

unsigned disk_boot_index(const PlanContext *c, const DiskDef *disk)
{
    if (disk->info.boot_order)
        return disk->info.boot_order;
    for (DEF_EACH(DiskDef, first, c->def->disks)) {
        if (!first->info.boot_order && disk_boot_class(first) == disk_boot_class(disk))
            return first == disk ? boot_rank(c, disk_boot_class(disk)) : 0;
    }
    return 0;
}

char *qemu_disk_backend_path(const DiskDef *disk)
{
    const char *alias = disk->info.alias;

    if (disk->bus == DISK_BUS_VIRTIO)
        return g_strdup_printf("/machine/peripheral/%s/virtio-backend", alias);
    if (disk->bus == DISK_BUS_USB)
        return g_strdup_printf("/machine/peripheral/%s/%s.0/legacy[0]", alias, alias);
    return g_strdup(alias);
}

static bool plan_drive(const PlanContext *c, const DiskDef *disk, unsigned boot_index, Plan *plan,
                       Error **err)
{
    CacheMode cache = disk_cache_mode(disk);
    AUTO_JSON device = disk_device_new(c->def, disk);

    if (!device)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': bus '%s' is not supported by this version", disk->target,
                         enum_name(&disk_bus_names, disk->bus));
    if (disk->shareable)
        prop_bool(device, "share-rw", true);
    if (!storage_is_empty(&disk->src)) {
        g_autofree char *node = disk_node_name(disk);
        prop_str(device, "drive", node);
    }
    if (!prop_info(device, c->def, &disk->info, err))
        return false;
    if (boot_index && disk->bus != DISK_BUS_FDC) /* drives boot by their controller's properties */
        prop_uint(device, "bootindex", boot_index);
    prop_disk_limits(device, disk);
    /* A CD-ROM or floppy has no write cache to switch; QEMU refuses the property only for those without one.
     */
    const bool has_cache = disk->bus == DISK_BUS_USB || disk->device == DISK_DEVICE_DISK;
    if (cache.set && has_cache)
        prop_str(device, "write-cache", cache.write_cache ? "on" : "off");
    prop_str(device, "werror", error_policy(disk->error_policy));
    prop_str(device, "rerror",
             error_policy(disk->rerror_policy != DISK_ERROR_POLICY_ABSENT    ? disk->rerror_policy
                          : disk->error_policy == DISK_ERROR_POLICY_ENOSPACE ? DISK_ERROR_POLICY_ABSENT
                                                                             : disk->error_policy));
    return add_device(c, plan, g_steal_pointer(&device), NULL, err);
}

bool plan_disk(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const DiskDef *disk = def;
    const unsigned boot_index = disk_boot_index(c, disk);

    if (disk->src.type == STORAGE_VHOST_USER)
        return plan_vhost_user_disk(c, disk, plan, err);
    if (!plan_nodes(c, disk, &disk->src, true, plan, err))
        return false;
    if (!storage_is_empty(&disk->src))
        plan_throttle_filters(disk, plan);
    if (!storage_is_empty(&disk->src) && disk->copy_on_read == TRISTATE_ON)
        plan_copy_on_read(disk, plan);
    if (!plan_drive(c, disk, boot_index, plan, err))
        return false;
    if (boot_index && disk->bus == DISK_BUS_FDC && domain_is_i440fx(c->def))
        plan_text(plan, "-global", "isa-fdc.bootindex%c=%u", disk->info.address.drive.unit ? 'B' : 'A',
                  boot_index);
    return true;
}

bool device_plan_medium(const PlanContext *c, const DiskDef *disk, Plan *plan, Error **err)
{
    if (!plan_nodes(c, disk, &disk->src, true, plan, err))
        return false;
    plan_throttle_filters(disk, plan);
    return true;
}

bool device_plan_image(const PlanContext *c, const DiskDef *disk, const StorageSource *source,
                       const StorageSource *below, Plan *plan, Error **err)
{
    StorageSource image = *source; /* borrows all it has */
    g_autofree char *storage = NULL;
    g_autofree char *data = NULL;

    image.backing = (StorageSource *)below;
    image.backing_ends = !below;
    if ((image.data_store && !plan_storage(c, disk, image.data_store, plan, &data, err)) ||
        !plan_storage(c, disk, &image, plan, &storage, err))
        return false;
    plan_add(plan, PLAN_BLOCKDEV, format_node(disk, &image, storage, true));
    return true;
}

bool device_plan_chain(const PlanContext *c, const DiskDef *disk, const StorageSource *source, Plan *plan,
                       Error **err)
{
    return plan_nodes(c, disk, source, true, plan, err);
}

char *device_medium_node(const DiskDef *disk)
{
    return disk_node_name(disk);
}
