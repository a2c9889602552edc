/* Defaults of single devices: what follows from the device's own element. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/volume.h"

#define SHMEM_BYTES_DEFAULT (UINT64_C(4) << 20)

static const uint8_t mac_prefix[3] = { 0x52, 0x54, 0x00 };

bool domain_is_q35(const DomainDef *def)
{
    const char *machine = def->os.machine;
    return machine && (strcmp(machine, "q35") == 0 || g_str_has_prefix(machine, "pc-q35"));
}

bool domain_is_i440fx(const DomainDef *def)
{
    const char *machine = def->os.machine;
    return machine && (strcmp(machine, "pc") == 0 || g_str_has_prefix(machine, "pc-i440fx") ||
                       g_str_has_prefix(machine, "pc-0.") || g_str_has_prefix(machine, "pc-1."));
}

static bool is_x86(const DomainDef *def)
{
    return !def || def->os.arch == ARCH_X86_64 || def->os.arch == ARCH_I686;
}

/* ---- disks ---- */

static DiskBus bus_of_name(const char *target)
{
    static const struct {
        const char *prefix;
        DiskBus bus;
    } rows[] = { { "hd", DISK_BUS_IDE }, { "sd", DISK_BUS_SCSI }, { "vd", DISK_BUS_VIRTIO },
                 { "fd", DISK_BUS_FDC }, { "xvd", DISK_BUS_XEN }, { "ubd", DISK_BUS_UML } };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (g_str_has_prefix(target, rows[i].prefix))
            return rows[i].bus;
    }
    return DISK_BUS_IDE;
}

/* The ports that the protocols have by themselves; RBD and NFS find theirs. */
static const uint16_t protocol_ports[STORAGE_PROTOCOL_COUNT] = {
    [STORAGE_PROTOCOL_NBD] = 10809,  [STORAGE_PROTOCOL_SHEEPDOG] = 7000, [STORAGE_PROTOCOL_GLUSTER] = 24007,
    [STORAGE_PROTOCOL_ISCSI] = 3260, [STORAGE_PROTOCOL_HTTP] = 80,       [STORAGE_PROTOCOL_HTTPS] = 443,
    [STORAGE_PROTOCOL_FTP] = 21,     [STORAGE_PROTOCOL_FTPS] = 990,      [STORAGE_PROTOCOL_TFTP] = 69,
    [STORAGE_PROTOCOL_SSH] = 22,     [STORAGE_PROTOCOL_VXHS] = 9999,
};

/* IQN/LUN */
static void add_lun(char **io_name)
{
    if (!*io_name || strchr(*io_name, '/'))
        return;
    char *with_lun = g_strconcat(*io_name, "/0", NULL);
    g_free(*io_name);
    *io_name = with_lun;
}

void domain_fill_source_defaults(StorageSource *source)
{
    for (DEF_EACH(StorageHost, host, source->hosts)) {
        if (!host->port && host->name &&
            (host->transport == STORAGE_TRANSPORT_ABSENT || host->transport == STORAGE_TRANSPORT_TCP))
            host->port = protocol_ports[source->protocol];
    }
    if (source->type == STORAGE_NETWORK && source->protocol == STORAGE_PROTOCOL_ISCSI)
        add_lun(&source->path);
    if (source->encryption && source->encryption->engine == VOLUME_ENGINE_ABSENT)
        source->encryption->engine = VOLUME_ENGINE_QEMU;
}

static bool disk_defaults(DiskDef *disk, Error **err)
{
    const bool removable = disk->device == DISK_DEVICE_CDROM || disk->device == DISK_DEVICE_FLOPPY;
    if (!disk->src.path && !removable && disk->src.type != STORAGE_NVME &&
        disk->src.type != STORAGE_VHOST_USER && disk->src.type != STORAGE_NETWORK &&
        disk->src.type != STORAGE_VOLUME && disk->device != DISK_DEVICE_LUN)
        return error_set(err, ERROR_NO_SOURCE, "%s: a disk that is no drive needs a source", disk->target);
    bool named_floppy = g_str_has_prefix(disk->target, "fd");
    if (disk->device == DISK_DEVICE_FLOPPY && !named_floppy)
        return error_set(err, ERROR_INTERNAL, "Invalid floppy device name: %s", disk->target);
    if (disk->device != DISK_DEVICE_FLOPPY && named_floppy)
        return error_set(err, ERROR_INTERNAL, "Invalid harddisk device name: %s", disk->target);
    if (disk->bus == DISK_BUS_ABSENT)
        disk->bus = disk->device == DISK_DEVICE_FLOPPY ? DISK_BUS_FDC : bus_of_name(disk->target);
    if (disk->device == DISK_DEVICE_CDROM)
        disk->readonly = true;
    if (disk->tray == DISK_TRAY_CLOSED)
        disk->tray = DISK_TRAY_ABSENT;
    if (disk->src.type == STORAGE_BLOCK && !disk->src.path) /* an empty drive */
        disk->src.type = STORAGE_FILE;
    if (disk->cache == DISK_CACHE_DEFAULT)
        disk->cache = DISK_CACHE_ABSENT;
    for (StorageSource *source = &disk->src; source; source = source->backing)
        domain_fill_source_defaults(source);
    if (disk->encryption && disk->encryption->engine == VOLUME_ENGINE_ABSENT)
        disk->encryption->engine = VOLUME_ENGINE_QEMU;
    if (disk->src.type == STORAGE_VHOST_USER && disk->snapshot == DISK_SNAPSHOT_ABSENT)
        disk->snapshot = DISK_SNAPSHOT_NO;
    if (!disk->driver_name)
        disk->driver_name = g_strdup("qemu");
    if (disk->src.format == STORAGE_FORMAT_ABSENT && disk->src.type != STORAGE_VOLUME)
        disk->src.format = disk->src.type == STORAGE_DIR ? STORAGE_FORMAT_FAT : STORAGE_FORMAT_RAW;
    return true;
}

/* ---- controllers ---- */

static void controller_defaults(ControllerDef *controller, const DomainDef *def)
{
    if (controller->model == CONTROLLER_MODEL_AUTO)
        controller->model = CONTROLLER_MODEL_ABSENT;
    if (controller->type == CONTROLLER_SCSI && controller->model == CONTROLLER_MODEL_ABSENT)
        controller->model = is_x86(def) ? CONTROLLER_MODEL_LSILOGIC : CONTROLLER_MODEL_VIRTIO_SCSI;
    if (controller->type == CONTROLLER_USB && controller->model == CONTROLLER_MODEL_ABSENT)
        controller->model = is_x86(def) ? CONTROLLER_MODEL_PIIX3_UHCI : CONTROLLER_MODEL_QEMU_XHCI;
    if (controller->type != CONTROLLER_USB || controller->info.has_usb_master)
        return;
    uint32_t start = controller->model == CONTROLLER_MODEL_ICH9_UHCI1   ? 0
                     : controller->model == CONTROLLER_MODEL_ICH9_UHCI2 ? 2
                     : controller->model == CONTROLLER_MODEL_ICH9_UHCI3 ? 4
                                                                        : UINT32_MAX;
    if (start != UINT32_MAX) {
        controller->info.has_usb_master = true;
        controller->info.usb_master_port = start;
    }
}

/* ---- interfaces ---- */

static void interface_defaults(InterfaceDef *interface, const DomainDef *def)
{
    if (!interface->has_mac) {
        mac_generate(mac_prefix, &interface->mac);
        interface->has_mac = true;
    }
    if (interface->hostdev_managed == TRISTATE_OFF)
        interface->hostdev_managed = TRISTATE_ABSENT;
    if (!interface->model && interface->type != INTERFACE_HOSTDEV)
        interface->model = g_strdup(is_x86(def) && interface->type != INTERFACE_VDPA ? "rtl8139" : "virtio");
}

/* ---- character devices ---- */

static CharTargetModel serial_model(CharTargetType type)
{
    switch (type) {
    case CHAR_TARGET_ISA_SERIAL:
        return CHAR_TARGET_MODEL_ISA_SERIAL;
    case CHAR_TARGET_USB_SERIAL:
        return CHAR_TARGET_MODEL_USB_SERIAL;
    case CHAR_TARGET_PCI_SERIAL:
        return CHAR_TARGET_MODEL_PCI_SERIAL;
    case CHAR_TARGET_SPAPR_VIO_SERIAL:
        return CHAR_TARGET_MODEL_SPAPR_VTY;
    case CHAR_TARGET_SYSTEM_SERIAL:
        return CHAR_TARGET_MODEL_PL011;
    case CHAR_TARGET_SCLP_SERIAL:
        return CHAR_TARGET_MODEL_SCLPCONSOLE;
    case CHAR_TARGET_ISA_DEBUG:
        return CHAR_TARGET_MODEL_ISA_DEBUGCON;
    default:
        return CHAR_TARGET_MODEL_ABSENT;
    }
}

static CharTargetType serial_target(const CharDef *chr, const DomainDef *def)
{
    switch (chr->info.address.type) {
    case ADDRESS_USB:
        return CHAR_TARGET_USB_SERIAL;
    case ADDRESS_PCI:
        return CHAR_TARGET_PCI_SERIAL;
    case ADDRESS_SPAPR_VIO:
        return CHAR_TARGET_SPAPR_VIO_SERIAL;
    default:
        break;
    }
    if (is_x86(def))
        return CHAR_TARGET_ISA_SERIAL;
    return def->os.arch == ARCH_PPC64 || def->os.arch == ARCH_PPC64LE ? CHAR_TARGET_SPAPR_VIO_SERIAL
           : def->os.arch == ARCH_S390X                               ? CHAR_TARGET_SCLP_SERIAL
                                                                      : CHAR_TARGET_SYSTEM_SERIAL;
}

static void serial_defaults(CharDef *chr, const DomainDef *def)
{
    if (chr->target_type == CHAR_TARGET_ABSENT)
        chr->target_type = serial_target(chr, def);
    if (chr->target_model == CHAR_TARGET_MODEL_ABSENT)
        chr->target_model = serial_model(chr->target_type);
}

/* The agent's socket in the daemon's own folder is named after the run of the machine: never kept. */
static bool is_own_channel_path(const CharDef *chr)
{
    const char *path = chr->source.path;
    if (chr->source.type != CHAR_UNIX || !path || !chr->target_name)
        return false;
    const char *folder = strstr(path, "/libvirt/qemu/");
    bool is_ours = folder && (strstr(folder, "/channel/target/") || strstr(folder, "/channel/"));
    return is_ours && g_str_has_suffix(path, chr->target_name);
}

static void channel_defaults(CharDef *chr)
{
    if (chr->source.type == CHAR_SPICEVMC && !chr->target_name)
        chr->target_name = g_strdup("com.redhat.spice.0");
    if (chr->target_type == CHAR_TARGET_VIRTIO && chr->info.address.type != ADDRESS_VIRTIO_SERIAL &&
        chr->info.address.type != ADDRESS_CCW)
        chr->info.address = (DeviceAddress){ 0 }; /* nowhere else can it sit */
    if (chr->target_type == CHAR_TARGET_VIRTIO && is_own_channel_path(chr)) {
        g_clear_pointer(&chr->source.path, g_free);
        chr->source.mode = CHAR_MODE_ABSENT;
    }
}

/* ---- input, graphics, video ---- */

static void input_defaults(InputDef *input, const DomainDef *def)
{
    if (input->bus != INPUT_BUS_ABSENT)
        return;
    switch (input->type) {
    case INPUT_PASSTHROUGH:
        input->bus = INPUT_BUS_VIRTIO;
        break;
    case INPUT_EVDEV:
        input->bus = INPUT_BUS_ABSENT; /* not plugged into anything */
        break;
    case INPUT_MOUSE:
    case INPUT_KEYBOARD:
        input->bus = is_x86(def) ? INPUT_BUS_PS2 : INPUT_BUS_USB;
        break;
    default:
        input->bus = INPUT_BUS_USB;
        break;
    }
}

/* A SPICE display without any port is for the local socket that a viewer is handed. */
static void graphics_defaults(GraphicsDef *graphics)
{
    bool can_listen =
        graphics->type == GRAPHICS_VNC || graphics->type == GRAPHICS_SPICE || graphics->type == GRAPHICS_RDP;
    if (!can_listen || graphics->listens)
        return;
    bool no_port = graphics->type == GRAPHICS_SPICE && graphics->autoport == TRISTATE_ABSENT &&
                   graphics->port <= 0 && graphics->tls_port <= 0;
    ListenDef *listen = g_new0(ListenDef, 1);
    listen->type = no_port ? LISTEN_NONE : LISTEN_ADDRESS;
    graphics->listens = g_ptr_array_new();
    g_ptr_array_add(graphics->listens, listen);
}

static void video_defaults(VideoDef *video, const DomainDef *def)
{
    if (video->model == VIDEO_MODEL_ABSENT)
        video->model = is_x86(def) ? VIDEO_CIRRUS : VIDEO_VIRTIO;
    if (video->model == VIDEO_NONE)
        return;
    if (!video->heads)
        video->heads = 1;
    if (video->vram_KiB > 1 && video->vram_KiB <= UINT32_MAX / 2)
        video->vram_KiB = 1u << g_bit_storage(video->vram_KiB - 1);
    switch (video->model) {
    case VIDEO_QXL:
        if (!video->ram_KiB)
            video->ram_KiB = 65536;
        if (!video->vram_KiB)
            video->vram_KiB = 65536;
        if (!video->vgamem_KiB)
            video->vgamem_KiB = 16384;
        break;
    case VIDEO_VGA:
    case VIDEO_CIRRUS:
    case VIDEO_VMVGA:
    case VIDEO_BOCHS:
        if (!video->vram_KiB)
            video->vram_KiB = 16384;
        break;
    default:
        break;
    }
}

/* ---- the rest ---- */

static void hostdev_defaults(HostdevDef *hostdev)
{
    if (hostdev->type == HOSTDEV_SCSI && hostdev->protocol == HOSTDEV_PROTOCOL_ISCSI)
        add_lun(&hostdev->iscsi_name);
    if (hostdev->mode == HOSTDEV_MODE_ABSENT)
        hostdev->mode = HOSTDEV_SUBSYSTEM;
    if (hostdev->managed == TRISTATE_ABSENT)
        hostdev->managed = TRISTATE_OFF;
    if (hostdev->mdev_model == MDEV_VFIO_PCI && hostdev->mdev_display == TRISTATE_ABSENT)
        hostdev->mdev_display = TRISTATE_OFF;
}

static void tpm_defaults(TpmDef *tpm)
{
    if (tpm->model == TPM_MODEL_ABSENT)
        tpm->model = TPM_TIS;
    if (tpm->backend == TPM_BACKEND_EMULATOR && tpm->version == TPM_VERSION_ABSENT)
        tpm->version = tpm->model == TPM_TIS ? TPM_VERSION_1_2 : TPM_VERSION_2_0;
    if (tpm->persistent_state == TRISTATE_OFF)
        tpm->persistent_state = TRISTATE_ABSENT;
    if (tpm->backend == TPM_BACKEND_PASSTHROUGH && !tpm->device_path)
        tpm->device_path = g_strdup("/dev/tpm0");
}

static void shmem_defaults(ShmemDef *shmem)
{
    if (shmem->model == SHMEM_MODEL_ABSENT)
        shmem->model = SHMEM_IVSHMEM;
    if (shmem->model == SHMEM_IVSHMEM_PLAIN && !shmem->size_bytes)
        shmem->size_bytes = SHMEM_BYTES_DEFAULT;
    if (shmem->has_server && shmem->msi_ioeventfd == TRISTATE_ABSENT) {
        shmem->has_msi = true;
        shmem->msi_ioeventfd = TRISTATE_ON;
    }
}

bool device_fill_defaults(DeviceKind kind, void *device, const DomainDef *def, Error **err)
{
    switch (kind) {
    case DEVICE_DISK:
        return disk_defaults(device, err);
    case DEVICE_FILESYSTEM: {
        FilesystemDef *filesystem = device;
        if (filesystem->type == FILESYSTEM_MOUNT && filesystem->access == FILESYSTEM_ACCESS_ABSENT &&
            !filesystem->socket)
            filesystem->access = FILESYSTEM_PASSTHROUGH;
        return true;
    }
    case DEVICE_CONTROLLER:
        controller_defaults(device, def);
        break;
    case DEVICE_INTERFACE:
        interface_defaults(device, def);
        break;
    case DEVICE_SERIAL:
        serial_defaults(device, def);
        break;
    case DEVICE_CONSOLE: {
        CharDef *console = device;
        if (console->target_type == CHAR_TARGET_ABSENT)
            console->target_type = CHAR_TARGET_SERIAL;
        break;
    }
    case DEVICE_CHANNEL:
        channel_defaults(device);
        break;
    case DEVICE_INPUT:
        input_defaults(device, def);
        break;
    case DEVICE_GRAPHICS:
        graphics_defaults(device);
        break;
    case DEVICE_VIDEO:
        video_defaults(device, def);
        break;
    case DEVICE_HOSTDEV:
        hostdev_defaults(device);
        break;
    case DEVICE_RNG: {
        RngDef *rng = device;
        if (rng->backend == RNG_BACKEND_RANDOM && !rng->device)
            rng->device = g_strdup("/dev/random");
        break;
    }
    case DEVICE_REDIRDEV:
        ((RedirdevDef *)device)->bus = REDIR_BUS_USB;
        break;
    case DEVICE_TPM:
        tpm_defaults(device);
        break;
    case DEVICE_WATCHDOG: {
        WatchdogDef *watchdog = device;
        if (watchdog->action == WATCHDOG_ACTION_ABSENT)
            watchdog->action = WATCHDOG_ACTION_RESET;
        break;
    }
    case DEVICE_PANIC: {
        PanicDef *panic = device;
        if (panic->model == PANIC_MODEL_ABSENT)
            panic->model = is_x86(def) ? PANIC_ISA : PANIC_PSERIES;
        break;
    }
    case DEVICE_SHMEM:
        shmem_defaults(device);
        break;
    case DEVICE_MEMORY: {
        MemoryDeviceDef *memory = device;
        if (memory->model == MEMORY_VIRTIO_PMEM && memory->access == MEMORY_ACCESS_ABSENT)
            memory->access = MEMORY_ACCESS_SHARED;
        break;
    }
    case DEVICE_VSOCK: {
        VsockDef *vsock = device;
        if (vsock->model == VIRTIO_MODEL_ABSENT)
            vsock->model = VIRTIO_MODEL_VIRTIO;
        if (vsock->cid_auto == TRISTATE_ABSENT)
            vsock->cid_auto = vsock->cid.is_set ? TRISTATE_OFF : TRISTATE_ON;
        break;
    }
    default:
        break;
    }
    return true;
}
