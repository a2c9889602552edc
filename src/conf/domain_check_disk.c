/* Rules about disks, and about the drives' places on their controllers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <string.h>

#include "conf/domain_device.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"

static bool check_disk_format(const DiskDef *disk, Error **err)
{
    const StorageSource *src = &disk->src;
    const bool is_dir = src->type == STORAGE_DIR;
    if (src->format == STORAGE_FORMAT_COW || src->format == STORAGE_FORMAT_DIR)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "'%s' storage format is not supported",
                         enum_name(&storage_format_names, src->format));
    if (is_dir && src->format != STORAGE_FORMAT_FAT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "storage type 'dir' requires use of storage format 'fat'");
    if (src->format == STORAGE_FORMAT_FAT && !is_dir)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "storage format 'fat' is supported only with 'dir' storage type");
    if (is_dir && !disk->readonly)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "virtual FAT storage can't be accessed in read-write mode");
    return true;
}

static bool check_encryption(const VolumeEncryption *encryption, const StorageSource *source, Error **err)
{
    const bool is_rbd = source->type == STORAGE_NETWORK && source->protocol == STORAGE_PROTOCOL_RBD;
    if (!encryption)
        return true;
    if (encryption->format == VOLUME_ENCRYPTION_DEFAULT || encryption->format == VOLUME_ENCRYPTION_QCOW)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "old qcow/qcow2 encryption is not supported");
    if (encryption->engine == VOLUME_ENGINE_LIBRBD)
        return is_rbd || error_set(err, ERROR_CONFIG_UNSUPPORTED,
                                   "librbd encryption is supported only with RBD backed disks");
    if (encryption->format != VOLUME_ENCRYPTION_LUKS)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "luks2 is currently not supported by the qemu encryption engine");
    for (DEF_EACH(VolumeSecret, secret, encryption->secrets)) {
        if (!secret->usage && uuid_is_null(&secret->uuid))
            return error_set(err, ERROR_XML_INVALID, "missing secret uuid or usage attribute");
    }
    return source->format == STORAGE_FORMAT_ABSENT || source->format == STORAGE_FORMAT_RAW ||
           source->format == STORAGE_FORMAT_QCOW2 ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "encryption is supported only with 'raw' and 'qcow2' image format");
}

/* As RFC 6265 has it; the value may stand in quotes. */
static bool check_cookie(const NamedValue *cookie, Error **err)
{
    static const char separators[] = " \t\"(),/:;<=>?@[\\]{}";
    const char *value = cookie->value ? cookie->value : "";
    size_t len = strlen(value);
    if (!*cookie->name || cookie->name[strcspn(cookie->name, separators)])
        return error_set(err, ERROR_XML_INVALID, "cookie name '%s' contains invalid characters",
                         cookie->name);
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value++;
        len -= 2;
    }
    return strcspn(value, " \t\",;\\") >= len ||
           error_set(err, ERROR_XML_INVALID, "value of cookie '%s' contains invalid characters",
                     cookie->name);
}

static bool check_hosts(const StorageSource *source, Error **err)
{
    for (DEF_EACH(StorageHost, host, source->hosts)) {
        if (host->transport == STORAGE_TRANSPORT_UNIX && !host->socket)
            return error_set(err, ERROR_XML_INVALID, "missing socket for unix transport");
        if (host->transport != STORAGE_TRANSPORT_UNIX && host->socket)
            return error_set(err, ERROR_XML_INVALID, "transport '%s' does not support socket attribute",
                             enum_name(&storage_transport_names, host->transport) ?: "tcp");
    }
    return true;
}

static bool check_source(const DiskDef *disk, const StorageSource *source, Error **err)
{
    const StorageAuth *auth = disk_auth(disk, source);
    const bool is_network = source->type == STORAGE_NETWORK;
    static const uint64_t with_auth = BIT(STORAGE_PROTOCOL_RBD) | BIT(STORAGE_PROTOCOL_ISCSI) |
                                      BIT(STORAGE_PROTOCOL_SSH) | BIT(STORAGE_PROTOCOL_HTTP) |
                                      BIT(STORAGE_PROTOCOL_HTTPS) | BIT(STORAGE_PROTOCOL_FTP) |
                                      BIT(STORAGE_PROTOCOL_FTPS);
    const StorageProtocol protocol = is_network ? source->protocol : STORAGE_PROTOCOL_ABSENT;
    if (is_network && !protocol)
        return error_set(err, ERROR_XML_INVALID, "Missing required attribute 'protocol' in element 'source'");
    if (protocol == STORAGE_PROTOCOL_TFTP)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "'tftp' protocol is not supported with this QEMU binary");
    if (is_network && !source->path && protocol != STORAGE_PROTOCOL_NBD)
        return error_set(err, ERROR_XML_INVALID, "missing name for disk source");
    if (source->type == STORAGE_VOLUME && !source->pool != !source->path)
        return error_set(err, ERROR_XML_INVALID,
                         "'pool' and 'volume' must be specified together for 'pool' type source");
    const char *mode = source->volume_mode;
    if (mode && strcmp(mode, "host") != 0 && strcmp(mode, "direct") != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown source mode '%s' for volume type disk",
                         mode);
    if (protocol == STORAGE_PROTOCOL_NFS && def_list_len(source->hosts) != 1)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "'nfs' protocol requires the usage of exactly one host");
    if (disk->auth && source == &disk->src && source->auth)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "an <auth> definition already found for disk source");
    if (!check_hosts(source, err))
        return false;
    const StorageSecretType wanted = protocol == STORAGE_PROTOCOL_ISCSI ? STORAGE_SECRET_ISCSI
                                     : protocol == STORAGE_PROTOCOL_RBD ? STORAGE_SECRET_CEPH
                                                                        : STORAGE_SECRET_ABSENT;
    if ((protocol == STORAGE_PROTOCOL_RBD || protocol == STORAGE_PROTOCOL_GLUSTER) && source->path &&
        !strchr(source->path, '/'))
        return error_set(err, ERROR_XML_INVALID, "can't split path '%s' into pool name and image name",
                         source->path);
    if (auth && is_network && !(BIT(protocol) & with_auth))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "authentication is not supported for protocol '%s'",
                         enum_name(&storage_protocol_names, protocol));
    if (auth && wanted && auth->secret_type && auth->secret_type != wanted)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "invalid secret type '%s'",
                         enum_name(&storage_secret_type_names, auth->secret_type));
    if (disk->encryption && source == &disk->src && source->encryption)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "an <encryption> definition already found for disk source");
    if (!check_encryption(disk_encryption(disk, source), source, err))
        return false;
    if (!domain_check_labels(source->seclabels, true, err))
        return false;
    g_autoptr(GHashTable) cookies = g_hash_table_new(g_str_hash, g_str_equal);
    for (DEF_EACH(NamedValue, cookie, source->cookies)) {
        if (!check_cookie(cookie, err))
            return false;
        if (!g_hash_table_add(cookies, cookie->name))
            return error_set(err, ERROR_XML_INVALID, "duplicate cookie '%s'", cookie->name);
    }
    if (source->metadata_cache_bytes && source->format != STORAGE_FORMAT_QCOW2)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "metadata cache max size control is supported only with qcow2 images");
    if (source->reservations && disk->device != DISK_DEVICE_LUN)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "<reservations/> allowed only for lun devices");
    if (disk->device == DISK_DEVICE_LUN && (def_list_len(source->slices) || disk_encryption(disk, source)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk device 'lun' doesn't support %s",
                         def_list_len(source->slices) ? "storage slice" : "encryption");
    return true;
}

static bool check_transient(const DiskDef *disk, Error **err)
{
    if (!disk->transient)
        return true;
    if (disk->src.type != STORAGE_FILE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "transient disk supported only with 'file' type (%s)",
                         disk->target);
    if (disk->readonly)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "transient disk '%s' must not be read-only",
                         disk->target);
    if (disk->transient_share_backing == TRISTATE_ON && disk->bus != DISK_BUS_VIRTIO &&
        disk->bus != DISK_BUS_SCSI && disk->bus != DISK_BUS_USB)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk bus '%s' doesn't support transiend disk backing image sharing",
                         enum_name(&disk_bus_names, disk->bus));
    return true;
}

static bool is_scsi_passthrough(const DiskDef *disk)
{
    return disk->src.type == STORAGE_BLOCK || disk->src.type == STORAGE_VOLUME ||
           (disk->src.type == STORAGE_NETWORK && disk->src.protocol == STORAGE_PROTOCOL_ISCSI);
}

static bool check_lun(const DiskDef *disk, Error **err)
{
    if (disk->device != DISK_DEVICE_LUN) {
        if (disk->rawio != TRISTATE_ABSENT || disk->sgio != DISK_SGIO_ABSENT)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s can be used only with device='lun'",
                             disk->rawio != TRISTATE_ABSENT ? "rawio" : "sgio");
        return true;
    }
    if (disk->sgio == DISK_SGIO_UNFILTERED)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unfiltered sgio is no longer supported");
    if (disk->bus != DISK_BUS_VIRTIO && disk->bus != DISK_BUS_SCSI)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk device='lun' is not supported for bus='%s'",
                         enum_name(&disk_bus_names, disk->bus));
    if (!disk->src.path || !is_scsi_passthrough(disk))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk device='lun' is only valid for block type disk source");
    if (disk->src.format != STORAGE_FORMAT_RAW && disk->src.format != STORAGE_FORMAT_ABSENT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk device 'lun' must use 'raw' format");
    if (disk->serial && disk->bus == DISK_BUS_SCSI)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "scsi-block 'lun' devices do not support the serial property");
    return true;
}

/* What only some buses have. */
static bool check_disk_bus(const DomainDef *def, const DiskDef *disk, Error **err)
{
    const char *bus = enum_name(&disk_bus_names, disk->bus);
    bool is_virtio = disk->bus == DISK_BUS_VIRTIO, is_drive = disk->device == DISK_DEVICE_CDROM;
    if (disk->removable != TRISTATE_ABSENT && disk->bus != DISK_BUS_USB && disk->bus != DISK_BUS_SCSI)
        return error_set(err, ERROR_XML_INVALID, "removable is only valid for usb disks");
    if (disk->rotation_rate && disk->bus != DISK_BUS_SCSI && disk->bus != DISK_BUS_IDE &&
        disk->bus != DISK_BUS_SATA)
        return error_set(err, ERROR_INTERNAL, "rotation rate is only valid for SCSI/IDE/SATA bus");
    if (is_drive && is_virtio)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk type of '%s' does not support ejectable media",
                         disk->target);
    if (disk->device == DISK_DEVICE_FLOPPY && disk->bus != DISK_BUS_FDC)
        return error_set(err, ERROR_INTERNAL, "Invalid bus type '%s' for floppy disk", bus);
    if (disk->trans != DISK_TRANS_ABSENT && disk->bus != DISK_BUS_IDE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "CHS translation mode can only be set for 'ide' bus not '%s'", bus);
    if (disk->cylinders && disk->bus != DISK_BUS_IDE && disk->bus != DISK_BUS_SCSI && !is_virtio)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "CHS geometry can not be set for '%s' bus", bus);
    if (disk->readonly && disk->device == DISK_DEVICE_DISK &&
        (disk->bus == DISK_BUS_IDE || disk->bus == DISK_BUS_SATA))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "readonly %s disks are not supported", bus);
    if (disk->tray != DISK_TRAY_ABSENT && !is_drive && disk->device != DISK_DEVICE_FLOPPY)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "tray is only valid for cdrom and floppy");
    if (is_virtio)
        return true;
    if (disk->model != VIRTIO_MODEL_ABSENT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk model '%s' not supported for bus '%s'",
                         enum_name(&virtio_model_names, disk->model), bus);
    if (disk->queues.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "queues attribute in disk driver element is only supported by virtio-blk");
    if (disk->event_idx != TRISTATE_ABSENT || disk->ioeventfd != TRISTATE_ABSENT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk %s mode supported only for virtio bus",
                         disk->event_idx != TRISTATE_ABSENT ? "event_idx" : "ioeventfd");
    if (disk->iothread.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "IOThreads not available for bus %s target %s", bus,
                         disk->target);
    return domain_check_virtio_options(&disk->virtio, err);
}

static bool check_disk_driver(const DomainDef *def, const DiskDef *disk, Error **err)
{
    if (disk->driver_name && strcmp(disk->driver_name, "qemu") != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported driver name '%s' for disk '%s'",
                         disk->driver_name, disk->target);
    if (disk->rerror_policy == DISK_ERROR_POLICY_ENOSPACE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Invalid disk read error policy: 'enospace'");
    if (disk->iothread.is_set && !domain_has_iothread(def, disk->iothread.value))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk iothread '%u' not defined in iothreadid",
                         disk->iothread.value);
    if (disk->io == DISK_IO_NATIVE && disk->cache != DISK_CACHE_NONE && disk->cache != DISK_CACHE_DIRECTSYNC)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "io='native' needs either no disk cache or directsync cache mode");
    if (disk->copy_on_read == TRISTATE_ON && disk->readonly)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "copy_on_read is not compatible with read-only disk '%s'", disk->target);
    if (disk->shareable && disk->src.format != STORAGE_FORMAT_RAW &&
        disk->src.format != STORAGE_FORMAT_ABSENT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "shared access for disk '%s' requires use of supported storage format",
                         disk->target);
    return true;
}

static bool check_startup_policy(const DiskDef *disk, Error **err)
{
    StartupPolicy policy = disk->src.startup_policy;
    const char *name = enum_name(&startup_policy_names, policy);
    if (policy == STARTUP_POLICY_ABSENT)
        return true;
    if (disk->src.type == STORAGE_NETWORK)
        return error_set(err, ERROR_XML_INVALID,
                         "disk startupPolicy '%s' is not allowed for disk of 'network' type", name);
    if (policy == STARTUP_POLICY_REQUISITE && disk->device != DISK_DEVICE_CDROM &&
        disk->device != DISK_DEVICE_FLOPPY)
        return error_set(err, ERROR_XML_INVALID,
                         "disk startupPolicy '%s' is allowed only for cdrom or floppy", name);
    return true;
}

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if (!g_ascii_isprint(*text))
            return false;
    }
    return true;
}

/* What the guest reads on the label. */
static bool check_disk_names(const DiskDef *disk, Error **err)
{
    static const char serial_chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_. +\\/:()";
    if (disk->vendor && !is_printable(disk->vendor))
        return error_set(err, ERROR_XML_INVALID, "disk vendor is not printable string");
    if (disk->product && !is_printable(disk->product))
        return error_set(err, ERROR_XML_INVALID, "disk product is not printable string");
    if ((disk->vendor || disk->product) && disk->bus != DISK_BUS_SCSI)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "only SCSI disks have vendor and product, not '%s'",
                         disk->target);
    if (disk->vendor && strlen(disk->vendor) > 8)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk vendor is more than 8 characters");
    if (disk->product && strlen(disk->product) > 16)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk product is more than 16 characters");
    if (disk->serial && strspn(disk->serial, serial_chars) != strlen(disk->serial))
        return error_set(err, ERROR_INTERNAL, "driver serial '%s' contains unsafe characters", disk->serial);
    if (disk->wwn && (strlen(disk->wwn) != 16 || strspn(disk->wwn, "0123456789abcdefABCDEF") != 16))
        return error_set(err, ERROR_INTERNAL, "Malformed wwn: %s", disk->wwn);
    if (disk->wwn && disk->bus != DISK_BUS_SCSI && disk->bus != DISK_BUS_IDE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "only SCSI and IDE disks have a wwn, not '%s'",
                         disk->target);
    return true;
}

/* A total and what it is the sum of can't both be given. */
static bool check_iotune(const DiskIotune *iotune, Error **err)
{
    const struct {
        const OptU64 *total, *read, *write;
        const char *what;
    } sums[] = {
        { &iotune->total_bytes_sec, &iotune->read_bytes_sec, &iotune->write_bytes_sec, "bytes_sec" },
        { &iotune->total_iops_sec, &iotune->read_iops_sec, &iotune->write_iops_sec, "iops_sec" },
        { &iotune->total_bytes_sec_max, &iotune->read_bytes_sec_max, &iotune->write_bytes_sec_max,
          "bytes_sec_max" },
        { &iotune->total_iops_sec_max, &iotune->read_iops_sec_max, &iotune->write_iops_sec_max,
          "iops_sec_max" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(sums); i++) {
        if (sums[i].total->value && (sums[i].read->value || sums[i].write->value))
            return error_set(err, ERROR_XML_INVALID, "total and read/write %s cannot be set at the same time",
                             sums[i].what);
    }
    return true;
}

static bool check_disk(const DomainDef *def, const DiskDef *disk, Error **err)
{
    if (!check_lun(disk, err) || !check_disk_bus(def, disk, err) || !check_disk_driver(def, disk, err) ||
        !check_startup_policy(disk, err) || !check_disk_format(disk, err) || !check_transient(disk, err) ||
        !check_disk_names(disk, err) || (disk->iotune && !check_iotune(disk->iotune, err)))
        return false;
    for (const StorageSource *source = &disk->src; source; source = source->backing) {
        if (!check_source(disk, source, err))
            return false;
    }
    return true;
}

/* What kinds of addresses a bus has. */
static bool check_address_type(const DiskDef *disk, Error **err)
{
    AddressType type = disk->info.address.type;
    const char *name = enum_name(&address_type_names, type);
    switch (disk->bus) {
    case DISK_BUS_VIRTIO:
        if (type == ADDRESS_DRIVE || type == ADDRESS_USB || type == ADDRESS_DIMM ||
            type == ADDRESS_UNASSIGNED || type == ADDRESS_ISA || type == ADDRESS_CCID)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "virtio disk cannot have an address of type '%s'",
                             name);
        return true;
    case DISK_BUS_USB:
        return type == ADDRESS_ABSENT || type == ADDRESS_USB ||
               error_set(err, ERROR_INTERNAL, "unexpected address type for usb disk");
    case DISK_BUS_IDE:
    case DISK_BUS_SCSI:
    case DISK_BUS_FDC:
    case DISK_BUS_SATA:
        return type == ADDRESS_DRIVE || error_set(err, ERROR_CONFIG_UNSUPPORTED,
                                                  "Invalid address type '%s' for the disk '%s' with the bus "
                                                  "type '%s'",
                                                  name, disk->target, enum_name(&disk_bus_names, disk->bus));
    default:
        return true;
    }
}

/* Units beyond what the controller has are QEMU's to refuse. */
static bool check_drive_room(const DomainDef *def, const DiskDef *disk, Error **err)
{
    const DeviceAddress *address = &disk->info.address;
    const ControllerDef *scsi = disk->bus == DISK_BUS_SCSI
                                    ? domain_find_controller(def, CONTROLLER_SCSI, address->drive.controller)
                                    : NULL;
    const char *kind = disk->bus == DISK_BUS_FDC    ? "controller fdc"
                       : disk->bus == DISK_BUS_IDE  ? "ide controller"
                       : disk->bus == DISK_BUS_SATA ? "sata controller"
                                                    : NULL;
    if (disk->bus == DISK_BUS_FDC && address->drive.bus)
        return error_set(err, ERROR_INTERNAL, "Only 1 fdc bus is supported");
    if (disk->bus == DISK_BUS_SATA && address->drive.bus)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "bus must be 0 for sata controller");
    if (disk->bus == DISK_BUS_SCSI && address->drive.bus)
        return error_set(err, ERROR_INTERNAL, "SCSI controller only supports 1 bus");
    if (kind && address->drive.target)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "target must be 0 for %s", kind);
    if (scsi && scsi->model == CONTROLLER_MODEL_LSILOGIC && address->drive.target)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "target must be 0 for controller model 'lsilogic'");
    if ((disk->bus == DISK_BUS_FDC || disk->bus == DISK_BUS_IDE) && address->drive.controller)
        return error_set(err, ERROR_INTERNAL, "Only 1 %s controller is supported",
                         disk->bus == DISK_BUS_FDC ? "fdc" : "IDE");
    return true;
}

static bool check_drive_address(const DomainDef *def, const DiskDef *disk, GHashTable *taken, Error **err)
{
    const DeviceAddress *address = &disk->info.address;
    if (!check_address_type(disk, err))
        return false;
    if (address->type != ADDRESS_DRIVE)
        return true;
    if (!check_drive_room(def, disk, err))
        return false;
    if (g_hash_table_add(taken,
                         g_strdup_printf("%d:%u:%u:%u:%u", disk->bus, address->drive.controller,
                                         address->drive.bus, address->drive.target, address->drive.unit)))
        return true;
    return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "Found duplicate drive address for disk with target name '%s' controller='%u' bus='%u' "
                     "target='%u' unit='%u'",
                     disk->target, address->drive.controller, address->drive.bus, address->drive.target,
                     address->drive.unit);
}

/* Disks of one group share its limits, which then must be the same. */
static bool check_iotune_group(const DomainDef *def, const DiskDef *disk, Error **err)
{
    const DiskIotune name_alone = { .group_name = disk->iotune->group_name };
    if (xml_table_equal(&iotune_table, disk->iotune, &name_alone))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "group_name can be configured only together with settings");
    for (DEF_EACH(DiskDef, first, def->disks)) {
        if (first == disk)
            break;
        if (first->iotune && g_strcmp0(first->iotune->group_name, disk->iotune->group_name) == 0 &&
            !xml_table_equal(&iotune_table, first->iotune, disk->iotune))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "different iotunes for disks %s and %s",
                             first->target, disk->target);
    }
    return true;
}

const DiskIotune *domain_find_throttle_group(const DomainDef *def, const char *name)
{
    for (DEF_EACH(DiskIotune, group, def->throttle_groups)) {
        if (g_strcmp0(group->group_name, name) == 0)
            return group;
    }
    return NULL;
}

/* The name becomes one of QEMU's, which has few letters. */
static bool check_throttle_group(GHashTable *seen, const DiskIotune *group, Error **err)
{
    const char *name = group->group_name;
    if (!name || !*name)
        return error_set(err, ERROR_XML_INVALID, "missing 'group_name' of a throttle group");
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")])
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "throttle group '%s': a name has letters, digits, '-', '.' and '_'", name);
    if (!g_hash_table_add(seen, (void *)name))
        return error_set(err, ERROR_XML_INVALID, "duplicate throttle group '%s' found", name);
    return check_iotune(group, err);
}

static bool check_throttle_filters(const DomainDef *def, const DiskDef *disk, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    if (def_list_len(disk->throttle_filters) && disk->iotune)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s' has limits of its own, which <throttlefilters> cannot be added to",
                         disk->target);
    for (DEF_EACH(ThrottleFilter, filter, disk->throttle_filters)) {
        if (!domain_find_throttle_group(def, filter->group))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk '%s': there is no throttle group '%s'",
                             disk->target, filter->group);
        if (!g_hash_table_add(seen, filter->group))
            return error_set(err, ERROR_XML_INVALID, "duplicate throttle filter '%s' of disk '%s'",
                             filter->group, disk->target);
    }
    return true;
}

static bool check_histograms(const DiskDef *disk, Error **err)
{
    for (DEF_EACH(LatencyHistogram, histogram, disk->latency_histograms)) {
        const LatencyBin *last = NULL;
        for (DEF_EACH(LatencyBin, bin, histogram->bins)) {
            if (last ? bin->start_ns <= last->start_ns : bin->start_ns != 0)
                return error_set(err, ERROR_XML_INVALID,
                                 "disk '%s': bins of a latency histogram begin at 0 and go upwards",
                                 disk->target);
            last = bin;
        }
        if (def_list_len(histogram->bins) < 2)
            return error_set(err, ERROR_XML_INVALID, "disk '%s': a latency histogram needs two bins",
                             disk->target);
    }
    return true;
}

bool domain_check_disks(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) groups = g_hash_table_new(g_str_hash, g_str_equal);
    for (DEF_EACH(DiskIotune, group, def->throttle_groups)) {
        if (!check_throttle_group(groups, group, err))
            return false;
    }
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        const DiskDef *other = g_hash_table_lookup(seen, disk->target);
        if (other)
            return error_set(err, ERROR_XML_INVALID, "target '%s' duplicated for disk sources '%s' and '%s'",
                             disk->target, other->src.path ?: "(none)", disk->src.path ?: "(none)");
        g_hash_table_insert(seen, disk->target, disk);
        if (!check_disk(def, disk, err) || !check_drive_address(def, disk, taken, err) ||
            (disk->iotune && disk->iotune->group_name && !check_iotune_group(def, disk, err)) ||
            !check_throttle_filters(def, disk, err) || !check_histograms(disk, err))
            return false;
    }
    return true;
}
