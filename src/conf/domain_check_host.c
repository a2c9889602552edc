/* Rules of the devices that reach into the host: file systems, TPMs, host devices, memory, shared memory. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "conf/domain_check.h"
#include "conf/domain_device.h"

#define KIB UINT64_C(1024)
#define LABEL_BYTES_MIN (128 * KIB)
#define VIRTIO_MEM_BLOCK_MIN (2048 * KIB) /* a transparent huge page of x86 */

bool domain_has_shared_memory(const DomainDef *def)
{
    if (def->memory_backing && def->memory_backing->access == MEMORY_ACCESS_SHARED)
        return true;
    if (!def->cpu || !def_list_len(def->cpu->numa))
        return false;
    for (DEF_EACH(NumaCell, cell, def->cpu->numa)) {
        if (cell->access != MEMORY_ACCESS_SHARED)
            return false;
    }
    return true;
}

static bool refuse(Error **err, const char *text)
{
    return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s", text);
}

/* ---- file systems ---- */

static bool check_virtiofs(const DomainDef *def, const FilesystemDef *filesystem, Error **err)
{
    if (filesystem->readonly)
        return refuse(err, "virtiofs does not yet support read-only mode");
    if (!domain_has_shared_memory(def)) {
        refuse(err, "'virtiofs' requires shared memory");
        return error_hint(err,
                          "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>");
    }
    if (filesystem->access != FILESYSTEM_PASSTHROUGH && filesystem->access != FILESYSTEM_ACCESS_ABSENT)
        return refuse(err, "virtiofs only supports passthrough accessmode");
    if (filesystem->write_policy != FILESYSTEM_WRITE_ABSENT)
        return refuse(err, "virtiofs does not support wrpolicy");
    if (filesystem->model != VIRTIO_MODEL_ABSENT)
        return refuse(err, "virtiofs does not support model");
    if (filesystem->multidevs != FILESYSTEM_MULTIDEVS_ABSENT)
        return refuse(err, "virtiofs does not support multidevs");
    if (filesystem->queue_size.value & (filesystem->queue_size.value - 1))
        return refuse(err, "virtiofs queue size must be a power of 2");
    return true;
}

static bool check_filesystem(const DomainDef *def, const FilesystemDef *filesystem, Error **err)
{
    const bool is_virtiofs = g_strcmp0(filesystem->driver_type, "virtiofs") == 0;

    if (!filesystem->target)
        return error_set(err, ERROR_NO_TARGET, "missing target information for device %s",
                         filesystem->source ? filesystem->source : "(null)");
    if (!filesystem->source && !filesystem->socket && filesystem->type == FILESYSTEM_MOUNT)
        return error_set(err, ERROR_NO_SOURCE, "missing source information for device %s",
                         filesystem->target);
    static const char *const drivers[] = {
        "path", "handle", "loop", "nbd", "ploop", "virtiofs", "mtp", NULL
    };
    if (filesystem->driver_type && !g_strv_contains(drivers, filesystem->driver_type))
        return error_set(err, ERROR_XML_INVALID, "file system '%s': driver type '%s' is not known",
                         filesystem->target, filesystem->driver_type);
    if (filesystem->type != FILESYSTEM_MOUNT)
        return refuse(err, "only supports mount filesystem type");
    if ((filesystem->fmode.is_set || filesystem->dmode.is_set) && filesystem->access != FILESYSTEM_MAPPED)
        return refuse(err, "fmode and dmode must be used with accessmode=mapped");
    if (is_virtiofs)
        return check_virtiofs(def, filesystem, err);
    if (filesystem->info.boot_order)
        return refuse(err, "boot order is only supported for virtiofs");
    if (filesystem->socket)
        return refuse(err, "only virtiofs has a source socket");
    if (filesystem->queue_size.is_set)
        return refuse(err, "only virtiofs supports queue size");
    return true;
}

/* ---- TPM ---- */

static bool check_tpm(const DomainDef *def, const TpmDef *tpm, Error **err)
{
    if (tpm->model == TPM_SPAPR || tpm->model == TPM_SPAPR_PROXY)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "The QEMU executable %s does not support TPM model %s",
                         def->emulator ? def->emulator : "", enum_name(&tpm_model_names, tpm->model));
    if (tpm->version == TPM_VERSION_1_2 && tpm->model == TPM_CRB)
        return refuse(err, "Unsupported interface 'tpm-crb' for TPM 1.2");
    if (tpm->version == TPM_VERSION_1_2 &&
        (tpm->pcr_sha1 || tpm->pcr_sha256 || tpm->pcr_sha384 || tpm->pcr_sha512))
        return error_set(err, ERROR_XML_INVALID, "<active_pcr_banks/> requires TPM version '2.0'");
    if (tpm->backend != TPM_BACKEND_EXTERNAL)
        return true;
    if (!tpm->external_type)
        return error_set(err, ERROR_XML_INVALID, "missing external TPM backend type");
    if (strcmp(tpm->external_type, "unix") != 0)
        return error_set(err, ERROR_XML_INVALID,
                         "only source type 'unix' is supported for external TPM device");
    if (!tpm->external_path || (tpm->external_mode && strcmp(tpm->external_mode, "connect") != 0))
        return error_set(err, ERROR_XML_INVALID, "an external TPM needs the path of a socket to connect to");
    return true;
}

/* ---- host devices ---- */

static bool check_hostdev_usb(const HostdevDef *hostdev, Error **err)
{
    if (!hostdev->usb_port && hostdev->usb_bus.is_set != hostdev->usb_device.is_set)
        return error_set(err, ERROR_XML_INVALID, "Missing required attribute '%s' in element 'address'",
                         hostdev->usb_bus.is_set ? "device" : "bus");
    if (hostdev->usb_vendor.is_set != hostdev->usb_product.is_set)
        return error_set(err, ERROR_INTERNAL, "missing %s",
                         hostdev->usb_vendor.is_set ? "product" : "vendor");
    return true;
}

static bool check_hostdev_pci(const HostdevDef *hostdev, Error **err)
{
    if (!hostdev->has_source)
        return error_set(err, ERROR_XML_INVALID, "Missing <source> element in hostdev device");
    if (hostdev->write_filtering != TRISTATE_ABSENT)
        return refuse(err, "Write filtering of PCI device configuration space is not supported by qemu");
    if (hostdev->teaming != TEAMING_TYPE_ABSENT && hostdev->teaming != TEAMING_TRANSIENT)
        return refuse(err, "teaming hostdev devices must have type='transient'");
    if (hostdev->teaming == TEAMING_TRANSIENT && !hostdev->teaming_persistent)
        return refuse(err, "teaming persistent attribute must be set if teaming type is 'transient'");
    return true;
}

static bool check_hostdev_mdev(const DomainDef *def, const HostdevDef *hostdev, Error **err)
{
    Uuid uuid;
    if (hostdev->mdev_model == MDEV_MODEL_ABSENT)
        return error_set(err, ERROR_XML_INVALID, "Missing required attribute 'model' in element 'hostdev'");
    if (!hostdev->mdev_uuid || !uuid_parse(hostdev->mdev_uuid, &uuid, NULL))
        return error_set(err, ERROR_INTERNAL, "Cannot parse uuid attribute of element <address>");
    if (hostdev->mdev_model != MDEV_VFIO_PCI)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "VFIO %s device assignment is not supported by this version of QEMU",
                         hostdev->mdev_model == MDEV_VFIO_CCW ? "CCW" : "AP");
    if (hostdev->mdev_display == TRISTATE_ON && !def_list_len(def->graphics))
        return refuse(err, "graphics device is needed for attribute value 'display=on' in <hostdev>");
    return true;
}

static bool check_hostdev(const DomainDef *def, const HostdevDef *hostdev, Error **err)
{
    if (hostdev->mode != HOSTDEV_SUBSYSTEM)
        return refuse(err, "hostdev mode 'capabilities' is not supported in qemu");
    switch (hostdev->type) {
    case HOSTDEV_USB:
        return check_hostdev_usb(hostdev, err);
    case HOSTDEV_PCI:
        return check_hostdev_pci(hostdev, err);
    case HOSTDEV_SCSI:
        if (hostdev->protocol == HOSTDEV_PROTOCOL_ISCSI && !def_list_len(hostdev->iscsi_hosts))
            return error_set(err, ERROR_XML_INVALID, "missing the host address for the iSCSI hostdev");
        return hostdev->sgio != DISK_SGIO_UNFILTERED || refuse(err, "unfiltered sgio is no longer supported");
    case HOSTDEV_SCSI_HOST:
        if (hostdev->protocol != HOSTDEV_PROTOCOL_VHOST)
            return error_set(err, ERROR_XML_INVALID, "Missing scsi_host subsystem protocol");
        return (hostdev->vhost_wwpn && g_str_has_prefix(hostdev->vhost_wwpn, "naa.")) ||
               error_set(err, ERROR_XML_INVALID, "malformed 'wwpn' value");
    case HOSTDEV_MDEV:
        return check_hostdev_mdev(def, hostdev, err);
    default:
        return refuse(err, "this type of host device needs mode 'capabilities'");
    }
}

static bool is_same_pci(const DeviceAddress *a, const DeviceAddress *b)
{
    return a->pci.domain == b->pci.domain && a->pci.bus == b->pci.bus && a->pci.slot == b->pci.slot &&
           a->pci.function == b->pci.function;
}

static bool is_same(OptU32 a, OptU32 b)
{
    return a.is_set == b.is_set && a.value == b.value;
}

bool hostdev_is_same_source(const HostdevDef *a, const HostdevDef *b)
{
    if (a->type != b->type || a->mode != b->mode)
        return false;
    switch (a->type) {
    case HOSTDEV_PCI:
        return is_same_pci(&a->source_address, &b->source_address);
    case HOSTDEV_USB: /* where it is decides, if both say so */
        if (a->usb_bus.is_set && b->usb_bus.is_set)
            return is_same(a->usb_bus, b->usb_bus) && is_same(a->usb_device, b->usb_device);
        if (a->usb_port || b->usb_port)
            return g_strcmp0(a->usb_port, b->usb_port) == 0 && is_same(a->usb_bus, b->usb_bus);
        return a->usb_vendor.is_set && is_same(a->usb_vendor, b->usb_vendor) &&
               is_same(a->usb_product, b->usb_product);
    case HOSTDEV_SCSI:
        return a->protocol == HOSTDEV_PROTOCOL_ISCSI || b->protocol == HOSTDEV_PROTOCOL_ISCSI
                   ? a->protocol == b->protocol && g_strcmp0(a->iscsi_name, b->iscsi_name) == 0
                   : g_strcmp0(a->adapter, b->adapter) == 0 && is_same(a->scsi_bus, b->scsi_bus) &&
                         is_same(a->scsi_target, b->scsi_target) && a->scsi_unit.value == b->scsi_unit.value;
    case HOSTDEV_SCSI_HOST:
        return g_strcmp0(a->vhost_wwpn, b->vhost_wwpn) == 0;
    case HOSTDEV_MDEV:
        return a->mdev_uuid && b->mdev_uuid && g_ascii_strcasecmp(a->mdev_uuid, b->mdev_uuid) == 0;
    default:
        return false;
    }
}

static bool check_hostdevs(const DomainDef *def, Error **err)
{
    for (unsigned i = 0; i < def_list_len(def->hostdevs); i++) {
        const HostdevDef *hostdev = g_ptr_array_index(def->hostdevs, i);
        if (!check_hostdev(def, hostdev, err))
            return false;
        for (unsigned k = 0; k < i; k++) {
            if (hostdev_is_same_source(hostdev, g_ptr_array_index(def->hostdevs, k)))
                return error_set(err, ERROR_XML_INVALID,
                                 "Hostdev already exists in the domain configuration");
        }
    }
    return true;
}

/* ---- memory ---- */

uint64_t domain_initial_memory(const DomainDef *def)
{
    uint64_t bytes = def->memory_bytes;
    for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices))
        bytes -= MIN(bytes, memory->size_bytes);
    return bytes;
}

static bool check_virtio_mem(const MemoryDeviceDef *memory, Error **err)
{
    if (!memory->block_bytes || memory->block_bytes & (memory->block_bytes - 1))
        return error_set(err, ERROR_XML_SYNTAX, "block size must be a power of two");
    if (memory->block_bytes < VIRTIO_MEM_BLOCK_MIN)
        return error_set(err, ERROR_XML_SYNTAX, "block size too small, must be at least %" PRIu64 "KiB",
                         VIRTIO_MEM_BLOCK_MIN / KIB);
    if (memory->requested_bytes > memory->size_bytes)
        return error_set(err, ERROR_XML_SYNTAX,
                         "requested size must be smaller than or equal to @size (%" PRIu64 "KiB)",
                         memory->size_bytes / KIB);
    if (memory->requested_bytes % memory->block_bytes)
        return error_set(err, ERROR_XML_SYNTAX, "requested size must be an integer multiple of block size");
    return true;
}

static bool check_nvdimm(const MemoryDeviceDef *memory, Error **err)
{
    if (memory->uuid)
        return refuse(err, "UUID is not supported for NVDIMM device");
    if (memory->discard != TRISTATE_ABSENT)
        return refuse(err, "discard is not supported for nvdimms");
    if (memory->label_bytes && memory->label_bytes >= memory->size_bytes)
        return error_set(err, ERROR_XML_INVALID, "label size must be smaller than NVDIMM size");
    if (memory->label_bytes && memory->label_bytes < LABEL_BYTES_MIN)
        return error_set(err, ERROR_XML_INVALID, "nvdimm label must be at least 128KiB");
    return true;
}

static bool check_memory_device(const DomainDef *def, const MemoryDeviceDef *memory, Error **err)
{
    const unsigned n_cells = def->cpu ? def_list_len(def->cpu->numa) : 0;
    const bool has_path = memory->model == MEMORY_NVDIMM || memory->model == MEMORY_VIRTIO_PMEM;

    if ((memory->model == MEMORY_VIRTIO_MEM || memory->model == MEMORY_VIRTIO_PMEM) &&
        memory->info.address.type != ADDRESS_ABSENT && memory->info.address.type != ADDRESS_PCI)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "only 'pci' addresses are supported for the %s device",
                         enum_name(&memory_model_names, memory->model));
    if (memory->model == MEMORY_SGX_EPC)
        return refuse(err, "sgx epc isn't supported by this QEMU binary");
    if (has_path && !memory->source_path)
        return error_set(err, ERROR_XML_SYNTAX, "path is required for model '%s'",
                         enum_name(&memory_model_names, memory->model));
    if (memory->model == MEMORY_VIRTIO_PMEM) {
        if (memory->node.is_set)
            return refuse(err, "virtio-pmem does not support NUMA nodes");
        return memory->access == MEMORY_ACCESS_SHARED ||
               refuse(err, "shared access mode required for virtio-pmem device");
    }
    if (memory->node.is_set && memory->node.value >= n_cells)
        return error_set(err, ERROR_XML_SYNTAX,
                         "can't add memory backend for guest node '%u' as the guest has only '%u' NUMA nodes "
                         "configured",
                         memory->node.value, n_cells);
    if (!memory->node.is_set && n_cells)
        return refuse(err, "target NUMA node needs to be specified for memory device");
    return memory->model == MEMORY_VIRTIO_MEM ? check_virtio_mem(memory, err)
           : memory->model == MEMORY_NVDIMM   ? check_nvdimm(memory, err)
                                              : true;
}

static bool check_memory_slot(const DomainDef *def, const MemoryDeviceDef *memory, GHashTable *slots,
                              Error **err)
{
    const DeviceAddress *address = &memory->info.address;
    if (address->type != ADDRESS_DIMM || address->wants_numbers)
        return true;
    if (address->dimm.slot >= def->memory_slots)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "memory device slot '%u' exceeds slots count '%u'",
                         address->dimm.slot, def->memory_slots);
    return g_hash_table_add(slots, GUINT_TO_POINTER(address->dimm.slot)) ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "memory device slot '%u' is already being used by another memory device",
                     address->dimm.slot);
}

static bool check_memory_devices(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) slots = g_hash_table_new(NULL, NULL);

    for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices)) {
        if (!check_memory_device(def, memory, err) || !check_memory_slot(def, memory, slots, err))
            return false;
    }
    return true;
}

/* ---- shared memory ---- */

static bool check_shmem(const ShmemDef *shmem, Error **err)
{
    if (strchr(shmem->name, '/'))
        return refuse(err, "shmem name cannot include '/' character");
    if (strcmp(shmem->name, ".") == 0 || strcmp(shmem->name, "..") == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "shmem name cannot be equal to '%s'", shmem->name);
    if (shmem->has_msi && !shmem->has_server)
        return error_set(err, ERROR_XML_INVALID, "msi option is only supported with a server");
    switch (shmem->model) {
    case SHMEM_IVSHMEM_PLAIN:
        return !shmem->has_server ||
               refuse(err, "shmem model 'ivshmem-plain' is supported only with server option disabled");
    case SHMEM_IVSHMEM_DOORBELL:
        if (!shmem->has_server)
            return refuse(err, "shmem model 'ivshmem-doorbell' is supported only with server option enabled");
        return !shmem->size_bytes ||
               refuse(err, "shmem model 'ivshmem-doorbell' does not support size setting");
    default:
        return refuse(err, "ivshmem device is not supported with this QEMU binary");
    }
}

/* ---- video, displays ---- */

static bool check_video(const VideoDef *video, Error **err)
{
    if (video->accel2d == TRISTATE_ON)
        return refuse(err, "qemu does not support the accel2d setting");
    if (video->driver == VIDEO_DRIVER_VHOSTUSER && video->model != VIDEO_VIRTIO)
        return refuse(err, "'vhostuser' driver is only supported with 'virtio' device");
    if (video->rendernode && video->driver != VIDEO_DRIVER_VHOSTUSER)
        return refuse(err, "unsupported rendernode accel attribute without 'vhostuser'");
    return true;
}

static bool check_display(const GraphicsDef *graphics, Error **err)
{
    if (graphics->type == GRAPHICS_RDP || graphics->type == GRAPHICS_DESKTOP)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s graphics are not supported with this QEMU",
                         enum_name(&graphics_type_names, graphics->type));
    if (graphics->type == GRAPHICS_DBUS && graphics->p2p == TRISTATE_ON && graphics->dbus_address)
        return error_set(err, ERROR_XML_INVALID, "D-Bus p2p with an address is not supported");
    return true;
}

/* ---- disks that are no files ---- */

static bool check_disk(const DomainDef *def, const DiskDef *disk, Error **err)
{
    if (disk->src.type == STORAGE_NVME && !disk->src.nvme_namespace)
        return refuse(err, "NVMe namespace can't be zero");
    if (disk->src.type != STORAGE_VHOST_USER)
        return true;
    if (disk->bus != DISK_BUS_VIRTIO)
        return refuse(err, "vhostuser disk supports only virtio bus");
    if (disk->readonly)
        return refuse(err, "readonly is not supported with vhostuser disk");
    const char *foreign = disk->cache                         ? "cache"
                          : disk->error_policy                ? "error_policy"
                          : disk->rerror_policy               ? "rerror_policy"
                          : disk->io                          ? "io"
                          : disk->copy_on_read                ? "copy_on_read"
                          : disk->discard                     ? "discard"
                          : disk->detect_zeroes               ? "detect_zeroes"
                          : disk->iothread.is_set             ? "iothread"
                          : disk->iotune                      ? "iotune"
                          : disk->transient                   ? "transient"
                          : disk->serial                      ? "serial"
                          : disk_encryption(disk, &disk->src) ? "encryption"
                                                              : NULL;
    if (foreign)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s is not supported with vhostuser disk", foreign);
    return domain_has_shared_memory(def) || refuse(err, "'vhostuser' requires shared memory");
}

/* ---- what no x86 machine has ---- */

static bool is_kept(const Kept *kept, const char *name)
{
    for (; kept; kept = kept->next) {
        if (kept->row && strcmp(kept->row->name, name) == 0)
            return true;
    }
    return false;
}

static bool check_features(const DomainDef *def, Error **err)
{
    const FeaturesDef *features = def->features;
    if (!features)
        return true;
    const struct {
        const char *name;
        bool is_set;
    } rows[] = { { "gic", features->has_gic },
                 { "hpt", features->hpt_resizing || features->hpt_max_page_bytes },
                 { "htm", features->has_htm },
                 { "nested-hv", features->has_nested_hv },
                 { "ccf-assist", features->has_ccf_assist },
                 { "cfpc", is_kept(features->kept, "cfpc") },
                 { "sbbc", is_kept(features->kept, "sbbc") },
                 { "ibs", is_kept(features->kept, "ibs") } };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].is_set)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "The '%s' feature is not supported for architecture '%s' or machine type '%s'",
                             rows[i].name, enum_name(&arch_names, def->os.arch),
                             def->os.machine ? def->os.machine : "");
    }
    return true;
}

static bool check_pci_numbers(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    return !info || (!info->address.zpci_uid.is_set && !info->address.zpci_fid.is_set);
}

static bool check_launch_security(const Kept *kept, Error **err)
{
    while (kept && !(kept->row && strcmp(kept->row->name, "launchSecurity") == 0))
        kept = kept->next;
    if (!kept)
        return true;
    return refuse(err, strstr(kept->text, "type='s390-pv'")
                           ? "S390 PV launch security is not supported with this QEMU binary"
                           : "SEV launch security is not supported with this QEMU binary");
}

static bool check_foreign(const DomainDef *def, Error **err)
{
    if (def->os.arch != ARCH_X86_64 && def->os.arch != ARCH_I686)
        return true;
    if (!check_launch_security(def->kept, err))
        return false;
    if (is_kept(def->kept, "bootloader") || is_kept(def->kept, "bootloader_args"))
        return refuse(err, "bootloader is not supported by QEMU");
    if (def->nvram_device)
        return refuse(err, "nvram device is only supported for PPC64");
    if (!domain_each_device((DomainDef *)def, check_pci_numbers, NULL))
        return refuse(err, "This QEMU binary doesn't support zPCI");
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->target_index.is_set)
            return refuse(err,
                          "Only the PCI controller with index 0 can have target index 0, and vice versa");
        if (controller->type == CONTROLLER_XENBUS)
            return error_set(err, ERROR_INTERNAL,
                             "Cannot automatically add a new PCI bus for a device with connect flags 00");
    }
    return check_features(def, err);
}

bool domain_check_host_devices(const DomainDef *def, Error **err)
{
    unsigned n_tpms = 0;

    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (!check_disk(def, disk, err))
            return false;
    }
    for (DEF_EACH(FilesystemDef, filesystem, def->filesystems)) {
        if (!check_filesystem(def, filesystem, err))
            return false;
    }
    for (DEF_EACH(TpmDef, tpm, def->tpms)) {
        if (!check_tpm(def, tpm, err))
            return false;
        if (++n_tpms > 1)
            return refuse(err, "only a single TPM non-proxy device is supported");
    }
    for (DEF_EACH(ShmemDef, shmem, def->shmems)) {
        if (!check_shmem(shmem, err))
            return false;
    }
    for (DEF_EACH(VideoDef, video, def->videos)) {
        if (!check_video(video, err))
            return false;
    }
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        if (!check_display(graphics, err))
            return false;
    }
    return check_hostdevs(def, err) && check_memory_devices(def, err) && check_foreign(def, err);
}
