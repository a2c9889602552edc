/* Rules across elements. Each function is one rule or one family of rules; the order is that in which a user
 * would fix them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"

bool domain_check_name_length(const char *name, Error **err)
{
    const size_t max = NAME_MAX - strlen("_VARS.fd.new");

    return strlen(name) <= max ||
           error_set(err, ERROR_XML_INVALID, "the name is %zu bytes long; at most %zu are possible",
                     strlen(name), max);
}

static bool check_name(const DomainDef *def, Error **err)
{
    const char *name = def->name;
    if (!name || !*name)
        return error_set(err, ERROR_XML_INVALID, "missing domain name information");
    if (strchr(name, '/'))
        return error_set(err, ERROR_XML_INVALID, "name %s cannot contain '/'", name);
    if (strchr(name, '\n'))
        return error_set(err, ERROR_XML_SYNTAX, "invalid char in name: a line end");
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(err, ERROR_XML_INVALID, "'%s' can't be the name of a machine", name);
    if (!domain_check_name_length(name, err))
        return false;
    if (def->title && strchr(def->title, '\n'))
        return error_set(err, ERROR_XML_INVALID, "the title can't contain a line end");
    return true;
}

static bool check_memory(const DomainDef *def, Error **err)
{
    if (!def->memory_bytes)
        return error_set(err, ERROR_XML_INVALID,
                         "memory size must be specified with <memory> or in the NUMA cells of <cpu>");
    if (def->memory_bytes > (UINT64_C(1) << 60))
        return error_set(err, ERROR_OVERFLOW, "no machine can have %" PRIu64 " bytes of memory",
                         def->memory_bytes);
    if (def->max_memory_bytes && def->max_memory_bytes < def->memory_bytes)
        return error_set(err, ERROR_XML_INVALID,
                         "maximum memory size must be equal or greater than the actual memory size");
    if (def_list_len(def->memory_devices) && !def->max_memory_bytes)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "memory modules need <maxMemory> with slots");
    return true;
}

static bool check_topology(const DomainDef *def, Error **err)
{
    const CpuDef *cpu = def->cpu;
    if (!cpu || !cpu->sockets)
        return true;
    uint64_t total = (uint64_t)cpu->sockets * cpu->dies;
    if (total < 100000)
        total *= cpu->cores;
    if (total < 100000)
        total *= cpu->threads;
    if (total != def->vcpus)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "CPU topology doesn't match maximum vcpu count");
    return true;
}

static bool has_cell(const DomainDef *def, uint32_t id)
{
    return def->cpu && id < def_list_len(def->cpu->numa);
}

/* Cells are numbered from 0 without gaps. */
static bool check_numa(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    for (DEF_EACH(NumaCell, cell, def->cpu->numa)) {
        if (!has_cell(def, cell->id.value) || !g_hash_table_add(seen, GUINT_TO_POINTER(cell->id.value)))
            return error_set(err, ERROR_XML_INVALID,
                             "NUMA cells are numbered from 0 without gaps, but one is %u", cell->id.value);
        for (DEF_EACH(NumaDistance, distance, cell->distances)) {
            if (!has_cell(def, distance->id))
                return error_set(err, ERROR_XML_INVALID,
                                 "NUMA cell %u is far from cell %u, which is not there", cell->id.value,
                                 distance->id);
        }
        for (int cpu = cpuset_next(cell->cpus, -1); cpu >= 0; cpu = cpuset_next(cell->cpus, cpu)) {
            if ((unsigned)cpu >= def->vcpus)
                return error_set(err, ERROR_XML_INVALID,
                                 "NUMA cell %u has vCPU %d, but the machine has only %u", cell->id.value, cpu,
                                 def->vcpus);
        }
    }
    return true;
}

static bool check_cpu(const DomainDef *def, Error **err)
{
    if (!def->cpu)
        return true;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (DEF_EACH(CpuFeature, feature, def->cpu->features)) {
        if (!g_hash_table_add(seen, feature->name))
            return error_set(err, ERROR_XML_INVALID, "CPU feature '%s' is specified more than once",
                             feature->name);
    }
    return check_numa(def, err);
}

static bool check_vcpus(const DomainDef *def, Error **err)
{
    if (def->vcpus_current.is_set && def->vcpus_current.value > def->vcpus)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "maximum vCPU count must not be less than current vcpus (%u < %u)", def->vcpus,
                         def->vcpus_current.value);
    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list)) {
        if (vcpu->id >= def->vcpus)
            return error_set(err, ERROR_XML_INVALID, "vcpu id '%u' is beyond the maximum of %u", vcpu->id,
                             def->vcpus);
        if (vcpu->id == 0 && vcpu->enabled == TRISTATE_OFF)
            return error_set(err, ERROR_XML_INVALID, "vcpu 0 cannot be disabled");
    }
    return true;
}

static bool has_iothread(const DomainDef *def, uint32_t id)
{
    for (DEF_EACH(IothreadDef, thread, def->iothread_list)) {
        if (thread->id == id)
            return true;
    }
    return id <= def->iothreads.value && !def->iothread_list;
}

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

static bool check_source(const DiskDef *disk, const StorageSource *source, Error **err)
{
    const StorageAuth *auth = disk_auth(disk, source);
    const bool is_network = source->type == STORAGE_NETWORK;
    const StorageProtocol protocol = is_network ? source->protocol : STORAGE_PROTOCOL_ABSENT;
    const StorageSecretType wanted = protocol == STORAGE_PROTOCOL_ISCSI ? STORAGE_SECRET_ISCSI
                                     : protocol == STORAGE_PROTOCOL_RBD ? STORAGE_SECRET_CEPH
                                                                        : STORAGE_SECRET_ABSENT;
    if ((protocol == STORAGE_PROTOCOL_RBD || protocol == STORAGE_PROTOCOL_GLUSTER) && source->path &&
        !strchr(source->path, '/'))
        return error_set(err, ERROR_XML_INVALID, "can't split path '%s' into pool name and image name",
                         source->path);
    if (auth && wanted && auth->secret_type && auth->secret_type != wanted)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "invalid secret type '%s'",
                         enum_name(&storage_secret_type_names, auth->secret_type));
    if (disk->encryption && source == &disk->src && source->encryption)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "an <encryption> definition already found for disk source");
    if (!check_encryption(disk_encryption(disk, source), source, err))
        return false;
    for (DEF_EACH(NamedValue, cookie, source->cookies)) {
        if (!check_cookie(cookie, err))
            return false;
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

static bool check_disk(const DomainDef *def, const DiskDef *disk, Error **err)
{
    if (disk->driver_name && strcmp(disk->driver_name, "qemu") != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported driver name '%s' for disk '%s'",
                         disk->driver_name, disk->target);
    if (disk->rawio != TRISTATE_ABSENT && disk->device != DISK_DEVICE_LUN)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "rawio can be used only with device='lun'");
    if (disk->sgio == DISK_SGIO_UNFILTERED)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unfiltered sgio is no longer supported");
    if (disk->sgio != DISK_SGIO_ABSENT && disk->device != DISK_DEVICE_LUN)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "sgio can be used only with device='lun'");
    if (disk->removable != TRISTATE_ABSENT && disk->bus != DISK_BUS_USB && disk->bus != DISK_BUS_SCSI)
        return error_set(err, ERROR_XML_INVALID, "removable is only valid for usb disks");
    if (disk->rotation_rate && disk->bus != DISK_BUS_SCSI && disk->bus != DISK_BUS_IDE &&
        disk->bus != DISK_BUS_SATA)
        return error_set(err, ERROR_INTERNAL, "rotation rate is only valid for SCSI/IDE/SATA bus");
    if (disk->device == DISK_DEVICE_CDROM && disk->bus == DISK_BUS_VIRTIO)
        return error_set(err, ERROR_XML_INVALID,
                         "disk type 'virtio' of '%s' does not support ejectable media", disk->target);
    if (disk->trans != DISK_TRANS_ABSENT && disk->bus != DISK_BUS_IDE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "CHS translation mode can only be set for 'ide' bus not '%s'",
                         enum_name(&disk_bus_names, disk->bus));
    if (disk->iothread.is_set && !has_iothread(def, disk->iothread.value))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk iothread '%u' not defined in iothreadid",
                         disk->iothread.value);
    if (disk->io == DISK_IO_NATIVE && disk->cache != DISK_CACHE_NONE && disk->cache != DISK_CACHE_DIRECTSYNC)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "io='native' needs either no disk cache or directsync cache mode");
    if (!check_disk_format(disk, err) || !check_transient(disk, err))
        return false;
    for (const StorageSource *source = &disk->src; source; source = source->backing) {
        if (!check_source(disk, source, err))
            return false;
    }
    if (disk->vendor && strlen(disk->vendor) > 8)
        return error_set(err, ERROR_XML_INVALID, "disk vendor must be 8 characters at most");
    if (disk->product && strlen(disk->product) > 16)
        return error_set(err, ERROR_XML_INVALID, "disk product must be 16 characters at most");
    if ((disk->vendor || disk->product) && disk->bus != DISK_BUS_SCSI)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "only SCSI disks have vendor and product, not '%s'",
                         disk->target);
    if (disk->wwn && disk->bus != DISK_BUS_SCSI && disk->bus != DISK_BUS_IDE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "only SCSI and IDE disks have a wwn, not '%s'",
                         disk->target);
    bool hex_wwn =
        !disk->wwn || (strlen(disk->wwn) == 16 && strspn(disk->wwn, "0123456789abcdefABCDEF") == 16);
    if (!hex_wwn)
        return error_set(err, ERROR_XML_INVALID, "the wwn '%s' must be 16 hexadecimal digits", disk->wwn);
    return true;
}

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

static bool check_drive_address(const DomainDef *def, const DiskDef *disk, GHashTable *taken, Error **err)
{
    const DeviceAddress *address = &disk->info.address;
    const DriveRoom *room = address->type == ADDRESS_DRIVE ? drive_room(def, disk) : NULL;
    if (!room)
        return true;
    if (address->drive.bus >= room->buses)
        return error_set(err, disk->bus == DISK_BUS_SCSI ? ERROR_INTERNAL : ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': a %s controller has %u bus%s, numbered from 0", disk->target, room->what,
                         room->buses, room->buses > 1 ? "es" : "");
    if (address->drive.target >= room->targets)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': the target must be below %u on a %s controller", disk->target,
                         room->targets, room->what);
    if (address->drive.unit >= room->units)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': the unit must be below %u on a %s controller", disk->target, room->units,
                         room->what);
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

static bool check_disks(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        const DiskDef *other = g_hash_table_lookup(seen, disk->target);
        if (other)
            return error_set(err, ERROR_XML_INVALID, "target '%s' duplicated for disk sources '%s' and '%s'",
                             disk->target, other->src.path ?: "(none)", disk->src.path ?: "(none)");
        g_hash_table_insert(seen, disk->target, disk);
        if (!check_disk(def, disk, err) || !check_drive_address(def, disk, taken, err) ||
            (disk->iotune && disk->iotune->group_name && !check_iotune_group(def, disk, err)))
            return false;
    }
    return true;
}

/* Models that each type of controller has. */
static bool controller_model_fits(const ControllerDef *controller)
{
    ControllerModel model = controller->model;
    switch (controller->type) {
    case CONTROLLER_SCSI:
        return model >= CONTROLLER_MODEL_AUTO && model <= CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL &&
               model != CONTROLLER_MODEL_VIRTIO;
    case CONTROLLER_VIRTIO_SERIAL:
        return model >= CONTROLLER_MODEL_VIRTIO && model <= CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL;
    case CONTROLLER_USB:
        return model == CONTROLLER_MODEL_NONE ||
               (model >= CONTROLLER_MODEL_PIIX3_UHCI && model <= CONTROLLER_MODEL_QEMU_XHCI);
    case CONTROLLER_IDE:
        return model >= CONTROLLER_MODEL_PIIX3 && model <= CONTROLLER_MODEL_ICH6;
    case CONTROLLER_PCI:
        return model >= CONTROLLER_MODEL_PCI_ROOT && model <= CONTROLLER_MODEL_PCIE_EXPANDER_BUS;
    default:
        return false;
    }
}

/* A companion serves the bus of the controller with its index. */
static bool check_companion(const DomainDef *def, const ControllerDef *companion, Error **err)
{
    for (DEF_EACH(ControllerDef, other, def->controllers)) {
        if (other->type == CONTROLLER_USB && !other->info.has_usb_master &&
            other->index.value == companion->index.value)
            return true;
    }
    return error_set(err, ERROR_XML_SYNTAX, "no master USB controller with index %u for a companion",
                     companion->index.value);
}

static bool check_controllers(const DomainDef *def, Error **err)
{
    for (unsigned i = 0; i < def_list_len(def->controllers); i++) {
        const ControllerDef *controller = g_ptr_array_index(def->controllers, i);
        if (controller->model != CONTROLLER_MODEL_ABSENT && !controller_model_fits(controller))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "unknown model '%s' for a controller of type '%s'",
                             enum_name(&controller_model_names, controller->model),
                             enum_name(&controller_type_names, controller->type));
        bool xhci = controller->type == CONTROLLER_USB && (controller->model == CONTROLLER_MODEL_QEMU_XHCI ||
                                                           controller->model == CONTROLLER_MODEL_NEC_XHCI);
        if (xhci && controller->ports.is_set && controller->ports.value > XHCI_PORTS_MAX)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "'%s' controller only supports up to '%d' ports",
                             enum_name(&controller_model_names, controller->model), XHCI_PORTS_MAX);
        if (controller->type == CONTROLLER_IDE && domain_is_q35(def))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "IDE controllers are unsupported for this machine type");
        if ((controller->type == CONTROLLER_IDE || controller->type == CONTROLLER_FDC) &&
            controller->index.value > 0)
            return error_set(err, ERROR_INTERNAL, "Only 1 %s controller is supported",
                             controller->type == CONTROLLER_IDE ? "IDE" : "fdc");
        bool is_companion = controller->info.has_usb_master;
        if (controller->type == CONTROLLER_USB && is_companion && !check_companion(def, controller, err))
            return false;
        for (unsigned k = 0; k < i && !is_companion; k++) {
            const ControllerDef *other = g_ptr_array_index(def->controllers, k);
            if (other->type == controller->type && other->index.value == controller->index.value &&
                !other->info.has_usb_master)
                return error_set(err, ERROR_XML_INVALID, "multiple '%s' controllers with index '%u'",
                                 enum_name(&controller_type_names, controller->type),
                                 controller->index.value);
        }
    }
    return true;
}

typedef struct BootCheck {
    GHashTable *orders;
    Error **err;
} BootCheck;

static bool check_boot_order(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    BootCheck *check = arg;
    if (!info || !info->boot_order || g_hash_table_add(check->orders, GUINT_TO_POINTER(info->boot_order)))
        return true;
    return error_set(check->err, ERROR_CONFIG_UNSUPPORTED, "boot order '%u' used for more than one device",
                     info->boot_order);
}

static bool check_boot(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) orders = g_hash_table_new(NULL, NULL);
    BootCheck check = { orders, err };
    if (!domain_each_device((DomainDef *)def, check_boot_order, &check))
        return false;
    if (def->os.boot.count && g_hash_table_size(orders))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "per-device boot elements cannot be used together with os/boot elements");
    return true;
}

static bool check_consoles(const DomainDef *def, Error **err)
{
    for (unsigned i = 1; i < def_list_len(def->consoles); i++) {
        const CharDef *console = g_ptr_array_index(def->consoles, i);
        if (console->target_type == CHAR_TARGET_SERIAL)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Only the first console can be a serial port");
    }
    return true;
}

static bool needs_usb(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    switch (kind) {
    case DEVICE_DISK:
        return ((DiskDef *)device)->bus != DISK_BUS_USB;
    case DEVICE_INPUT:
        return ((InputDef *)device)->bus != INPUT_BUS_USB;
    case DEVICE_HOSTDEV:
        return ((HostdevDef *)device)->type != HOSTDEV_USB;
    case DEVICE_SOUND:
        return ((SoundDef *)device)->model != SOUND_USB;
    case DEVICE_REDIRDEV:
    case DEVICE_HUB:
        return false;
    default:
        return true;
    }
}

static bool check_usb(const DomainDef *def, Error **err)
{
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_USB && controller->model == CONTROLLER_MODEL_NONE &&
            !domain_each_device((DomainDef *)def, needs_usb, NULL))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "can\'t add a USB device: USB is disabled for this domain");
    }
    return true;
}

static bool check_serials(const DomainDef *def, Error **err)
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
    return true;
}

static bool check_single_devices(const DomainDef *def, Error **err)
{
    if (def_list_len(def->watchdogs) > 1)
        return error_set(err, ERROR_INTERNAL, "only a single watchdog device is supported");
    for (DEF_EACH(SecurityLabel, label, def->seclabels)) {
        if (label->type == SECLABEL_STATIC && !label->label)
            return error_set(err, ERROR_XML_INVALID, "security label is missing");
    }
    return true;
}

static bool check_displays(const DomainDef *def, Error **err)
{
    unsigned primaries = 0;
    for (DEF_EACH(VideoDef, video, def->videos))
        primaries += video->primary == TRISTATE_ON;
    for (unsigned i = 1; i < def_list_len(def->videos); i++) {
        const VideoDef *video = g_ptr_array_index(def->videos, i);
        bool only_first = video->model == VIDEO_BOCHS || video->model == VIDEO_VGA ||
                          video->model == VIDEO_CIRRUS || video->model == VIDEO_VMVGA ||
                          video->model == VIDEO_RAMFB;
        if (only_first && video->primary != TRISTATE_ON)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "video type '%s' is only valid as primary video device",
                             enum_name(&video_model_names, video->model));
    }
    if (primaries > 1)
        return error_set(err, ERROR_XML_INVALID, "only one primary video device is supported");
    return true;
}

/* <os firmware=> means that Lodge chooses: then the document must not choose, too. */
static bool check_firmware(const OsDef *os, Error **err)
{
    const OsLoader *loader = os->loader;
    const char *surplus = !loader                               ? NULL
                          : loader->readonly != TRISTATE_ABSENT ? "readonly"
                          : loader->type || loader->path        ? "type"
                          : loader->secure == TRISTATE_OFF      ? "secure"
                                                                : NULL;
    if (surplus)
        return error_set(err, ERROR_XML_SYNTAX,
                         "loader attribute '%s' cannot be specified when firmware autoselection is enabled",
                         surplus);
    if (os->nvram && os->nvram->template_path)
        return error_set(err, ERROR_XML_SYNTAX,
                         "nvram attribute 'template' cannot be specified when firmware autoselection is "
                         "enabled");
    return true;
}

static bool check_loader(const DomainDef *def, Error **err)
{
    const OsLoader *loader = def->os.loader;
    const FeaturesDef *features = def->features;
    if (def_list_len(def->os.firmware_features))
        return error_set(err, ERROR_XML_SYNTAX,
                         "cannot use feature-based firmware autoselection when firmware autoselection is "
                         "disabled");
    if (loader && loader->secure == TRISTATE_ON) {
        if (!domain_is_q35(def))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "Secure boot is supported with q35 machine types only");
        if (!features || !features->has_smm || features->smm == TRISTATE_OFF)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Secure boot requires SMM feature enabled");
    }
    if ((loader && !loader->path) || (!loader && def->os.nvram))
        return error_set(err, ERROR_XML_SYNTAX,
                         "no loader path specified and firmware auto selection disabled");
    return true;
}

static bool check_graphics(const DomainDef *def, Error **err)
{
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        if (graphics->type == GRAPHICS_VNC && graphics->passwd && strlen(graphics->passwd) > 8)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "VNC password is %zu characters long, only 8 permitted",
                             strlen(graphics->passwd));
        if (graphics->type == GRAPHICS_SPICE && graphics->tls_port > 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf");
    }
    return true;
}

static bool check_spice_source(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const CharSource *source = device_char_source(kind, device);
    if (!source || (source->type != CHAR_SPICEVMC && source->type != CHAR_SPICEPORT))
        return true;
    return error_set(arg, ERROR_CONFIG_UNSUPPORTED, "chardev '%s' not supported without spice graphics",
                     enum_name(&char_type_names, source->type));
}

static bool check_spice_sources(const DomainDef *def, Error **err)
{
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        if (graphics->type == GRAPHICS_SPICE)
            return true;
    }
    return domain_each_device((DomainDef *)def, check_spice_source, err);
}

static bool check_os(const DomainDef *def, Error **err)
{
    if (def->os.type != OS_TYPE_HVM)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "os type '%s' is not possible with this hypervisor",
                         enum_name(&os_type_names, def->os.type));
    if (def->os.kernel == NULL && (def->os.initrd || def->os.cmdline))
        return error_set(err, ERROR_XML_INVALID, "an initrd or a kernel command line needs a kernel");
    if (def->os.bios_useserial == TRISTATE_ON && !def->serials)
        return error_set(err, ERROR_XML_INVALID, "need at least one serial port to use BIOS serial output");
    if (def->os.smbios == SMBIOS_MODE_SYSINFO && !def->sysinfos)
        return error_set(err, ERROR_XML_INVALID, "SMBIOS mode 'sysinfo' needs a <sysinfo> element");
    if (def->os.loader && def->os.loader->stateless == TRISTATE_ON && def->os.nvram)
        return error_set(err, ERROR_XML_SYNTAX, "NVRAM is not permitted when loader is stateless");
    if (!(def->os.firmware ? check_firmware(&def->os, err) : check_loader(def, err)))
        return false;
    bool uefi =
        def->os.firmware == OS_FIRMWARE_EFI || (def->os.loader && def->os.loader->type == LOADER_TYPE_PFLASH);
    bool x86 = def->os.arch == ARCH_X86_64 || def->os.arch == ARCH_I686;
    if (uefi && x86 && !(def->features && def->features->acpi))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "UEFI requires ACPI on this architecture");
    bool has_tseg = def->features && def->features->smm_tseg_bytes;
    if (has_tseg && def->os.machine && !domain_is_q35(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "SMM TSEG is only supported with q35 machine type");
    return true;
}

bool domain_check(const DomainDef *def, Error **err)
{
    return check_name(def, err) && check_os(def, err) && check_memory(def, err) && check_vcpus(def, err) &&
           check_topology(def, err) && check_cpu(def, err) && check_controllers(def, err) &&
           check_disks(def, err) && check_boot(def, err) && check_consoles(def, err) && check_usb(def, err) &&
           check_displays(def, err) && check_graphics(def, err) && check_spice_sources(def, err) &&
           domain_check_interfaces(def, err) && check_serials(def, err) && check_single_devices(def, err) &&
           domain_check_devices(def, err);
}
