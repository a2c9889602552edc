/* The row of each kind of device, and what works on all of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/device.h"

#include <string.h>

#include "qemu/command_private.h"

/* ---- where devices sit ---- */

static DevicePlace virtio_place(VirtioModel model)
{
    return model == VIRTIO_MODEL_TRANSITIONAL ? PLACE_PCI : PLACE_PCIE;
}

static DevicePlace disk_place(const void *device)
{
    const DiskDef *disk = device;
    return disk->bus == DISK_BUS_VIRTIO ? virtio_place(disk->model)
           : disk->bus == DISK_BUS_USB  ? PLACE_USB
                                        : PLACE_NONE;
}

static DevicePlace controller_place(const void *device)
{
    const ControllerDef *controller = device;
    switch (controller->type) {
    case CONTROLLER_SCSI:
        return controller->model == CONTROLLER_MODEL_VIRTIO_SCSI ||
                       controller->model == CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL
                   ? PLACE_PCIE
                   : PLACE_PCI;
    case CONTROLLER_VIRTIO_SERIAL:
        return controller->model == CONTROLLER_MODEL_VIRTIO_TRANSITIONAL ? PLACE_PCI : PLACE_PCIE;
    case CONTROLLER_SATA:
        return PLACE_PCI;
    case CONTROLLER_USB:
        return controller->model == CONTROLLER_MODEL_NONE ? PLACE_NONE
               : controller->model == CONTROLLER_MODEL_QEMU_XHCI ||
                       controller->model == CONTROLLER_MODEL_NEC_XHCI
                   ? PLACE_PCIE
                   : PLACE_PCI;
    case CONTROLLER_CCID:
        return PLACE_USB;
    default:
        return PLACE_NONE; /* bridges are placed with the buses that they make */
    }
}

static DevicePlace interface_place(const void *device)
{
    static const struct {
        const char *model;
        DevicePlace place;
    } rows[] = {
        { "usb-net", PLACE_USB },
        { "ne2k_isa", PLACE_NONE },
        { "lan9118", PLACE_NONE },
        { "smc91c111", PLACE_NONE },
        { "spapr-vlan", PLACE_NONE },
        { "rtl8139", PLACE_PCI },
        { "e1000", PLACE_PCI },
        { "vmxnet", PLACE_PCI },
        { "vmxnet2", PLACE_PCI },
        { "vmxnet3", PLACE_PCI },
        { "virtio-transitional", PLACE_PCI },
    };
    const InterfaceDef *iface = device;
    const char *model = iface->model ? iface->model : "rtl8139";
    if (iface->type == INTERFACE_HOSTDEV)
        return PLACE_PCIE;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(model, rows[i].model) == 0)
            return rows[i].place;
    }
    return PLACE_PCIE; /* any other model, whatever it is */
}

static DevicePlace serial_place(const void *device)
{
    const CharDef *serial = device;
    return serial->target_type == CHAR_TARGET_PCI_SERIAL   ? PLACE_PCI
           : serial->target_type == CHAR_TARGET_USB_SERIAL ? PLACE_USB
                                                           : PLACE_NONE;
}

static DevicePlace input_place(const void *device)
{
    const InputDef *input = device;
    return input->bus == INPUT_BUS_VIRTIO ? virtio_place(input->model)
           : input->bus == INPUT_BUS_USB  ? PLACE_USB
                                          : PLACE_NONE;
}

static DevicePlace sound_place(const void *device)
{
    switch (((const SoundDef *)device)->model) {
    case SOUND_ES1370:
    case SOUND_AC97:
    case SOUND_ICH6:
    case SOUND_ICH9:
        return PLACE_PCI;
    case SOUND_USB:
        return PLACE_USB;
    default:
        return PLACE_NONE;
    }
}

static DevicePlace video_place(const void *device)
{
    const VideoDef *video = device;
    return video->model == VIDEO_NONE || video->model == VIDEO_RAMFB     ? PLACE_NONE
           : video->model == VIDEO_VIRTIO || video->model == VIDEO_BOCHS ? PLACE_PCIE
                                                                         : PLACE_PCI;
}

static DevicePlace hostdev_place(const void *device)
{
    const HostdevDef *hostdev = device;
    return hostdev->type == HOSTDEV_USB         ? PLACE_USB
           : hostdev->type == HOSTDEV_SCSI_HOST ? virtio_place(hostdev->vhost_model)
           : hostdev->type == HOSTDEV_PCI ||
                   (hostdev->type == HOSTDEV_MDEV && hostdev->mdev_model == MDEV_VFIO_PCI)
               ? PLACE_PCIE
               : PLACE_NONE;
}

static DevicePlace watchdog_place(const void *device)
{
    return ((const WatchdogDef *)device)->model == WATCHDOG_I6300ESB ? PLACE_PCI : PLACE_NONE;
}

static DevicePlace memballoon_place(const void *device)
{
    const MemballoonDef *balloon = device;
    return balloon->model == MEMBALLOON_NONE                  ? PLACE_NONE
           : balloon->model == MEMBALLOON_VIRTIO_TRANSITIONAL ? PLACE_PCI
                                                              : PLACE_PCIE;
}

static DevicePlace panic_place(const void *device)
{
    return ((const PanicDef *)device)->model == PANIC_PVPANIC ? PLACE_PCI : PLACE_NONE;
}

static DevicePlace memory_place(const void *device)
{
    const MemoryDeviceDef *memory = device;
    return memory->model == MEMORY_VIRTIO_MEM || memory->model == MEMORY_VIRTIO_PMEM ? PLACE_PCIE
                                                                                     : PLACE_NONE;
}

static DevicePlace iommu_place(const void *device)
{
    return ((const IommuDef *)device)->model == IOMMU_VIRTIO ? PLACE_ROOT_COMPLEX : PLACE_NONE;
}

DevicePlace device_place(DeviceKind kind, const void *device)
{
    const DeviceClass *row = &device_classes[kind];
    if (row->place_of)
        return row->place_of(device);
    return row->place == PLACE_VIRTIO
               ? virtio_place(*(const VirtioModel *)((const char *)device + row->virtio_model))
               : row->place;
}

/* ---- order ---- */

/* Bridges first: what sits on a bus must find it. Hubs come between the last two. */
static uint8_t controller_suborder(const void *device)
{
    static const uint8_t order[] = {
        [CONTROLLER_USB] = 1,           [CONTROLLER_SCSI] = 2, [CONTROLLER_SATA] = 3,
        [CONTROLLER_VIRTIO_SERIAL] = 4, [CONTROLLER_FDC] = 5,  [CONTROLLER_CCID] = 7,
    };
    const unsigned type = ((const ControllerDef *)device)->type;
    return type < G_N_ELEMENTS(order) ? order[type] : 0;
}

typedef struct Collecting {
    GArray *list;
    DeviceOrder order;
} Collecting;

static bool collect_device(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Collecting *collecting = arg;
    const DeviceClass *row = &device_classes[kind];
    /* A network card of the host is a host device. */
    const bool is_host =
        kind == DEVICE_INTERFACE && ((const InterfaceDef *)device)->type == INTERFACE_HOSTDEV;
    const uint8_t turn = device_classes[is_host ? DEVICE_HOSTDEV : kind].order[collecting->order];
    DeviceRef ref = { .kind = kind, .device = device, .info = info, .rank = turn };
    if (!ref.rank)
        return true;
    if (collecting->order == DEVICE_ORDER_COMMAND && row->suborder)
        ref.rank += row->suborder(device);
    ref.rank = ref.rank << 16 | collecting->list->len; /* else in the order of the document */
    g_array_append_val(collecting->list, ref);
    return true;
}

static gint compare_ranks(gconstpointer a, gconstpointer b)
{
    const DeviceRef *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

GArray *devices_in_order(DomainDef *def, DeviceOrder order)
{
    Collecting collecting = { .list = g_array_new(FALSE, FALSE, sizeof(DeviceRef)), .order = order };
    (void)domain_each_device(def, collect_device, &collecting);
    g_array_sort(collecting.list, compare_ranks);
    return collecting.list;
}

bool device_comes_after(DeviceKind kind, DeviceKind other)
{
    return device_classes[kind].order[DEVICE_ORDER_COMMAND] >
           device_classes[other].order[DEVICE_ORDER_COMMAND];
}

/* ---- plans ---- */

bool device_plan(const PlanContext *c, DeviceKind kind, const void *device, Plan *plan, Error **err)
{
    const char *element = enum_name(&device_kind_names, kind);
    const GPtrArray *list = domain_device_list(c->def, kind);
    guint index = 0;

    if (list && g_ptr_array_find((GPtrArray *)list, device, &index))
        plan_at(plan, "/domain/devices/%s[%u]", element, index + 1);
    else
        plan_at(plan, "/domain/devices/%s", element);
    if (!device_classes[kind].plan && c->env->for_reference) /* has no options there */
        return true;
    if (!device_classes[kind].plan)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "<%s> devices are not supported by this version",
                         element);
    if (c->is_hot && !device_classes[kind].can_plug)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "a %s can be neither plugged into a running machine nor out of it", element);
    return device_classes[kind].plan(c, device, plan, err);
}

/* ---- the rows ---- */

const DeviceClass device_classes[DEVICE_KIND_COUNT] = {
    /* clang-format off */
    /*                                                            command line, PCI, USB */
    [DEVICE_CONTROLLER] = { .alias = alias_controller, .place_of = controller_place, .order = { 1, 4, 3 },
                            .suborder = controller_suborder, .can_plug = true, .plan = plan_controller },
    [DEVICE_HUB] = { .prefix = "hub", .place = PLACE_USB, .order = { 7 }, .plan = plan_hub },
    [DEVICE_DISK] = { .alias = alias_disk, .place_of = disk_place, .order = { 10, 5, 2 },
                      .can_plug = true, .plan = plan_disk },
    [DEVICE_INTERFACE] = { .prefix = "net", .place_of = interface_place, .order = { 11, 2, 8 },
                           .can_plug = true, .plan = plan_interface },
    [DEVICE_SMARTCARD] = { .prefix = "smartcard", .order = { 12 },
                           .plan = plan_smartcard },
    [DEVICE_SERIAL] = { .prefix = "serial", .place_of = serial_place, .order = { 13, 13, 5 },
                        .can_plug = true, .plan = plan_serial },
    [DEVICE_PARALLEL] = { .prefix = "parallel", .order = { 14 }, .plan = plan_parallel },
    [DEVICE_CHANNEL] = { .prefix = "channel", .order = { 15 },
                         .can_plug = true, .plan = plan_channel },
    [DEVICE_CONSOLE] = { .prefix = "console", .alias = alias_console, .order = { 16 },
                         .can_plug = true, .plan = plan_console },
    [DEVICE_INPUT] = { .prefix = "input", .place_of = input_place, .order = { 17, 12, 4 },
                       .can_plug = true, .plan = plan_input },
    [DEVICE_AUDIO] = { .order = { 18 }, .plan = plan_audio },
    [DEVICE_GRAPHICS] = { .order = { 19 }, .plan = plan_graphics },
    [DEVICE_VIDEO] = { .prefix = "video", .place_of = video_place, .order = { 20, 10 }, .plan = plan_video },
    [DEVICE_SOUND] = { .prefix = "sound", .place_of = sound_place, .order = { 21, 3, 6 },
                       .plan = plan_sound },
    [DEVICE_FILESYSTEM] = { .prefix = "fs", .place = PLACE_VIRTIO,
                            .virtio_model = offsetof(FilesystemDef, model), .order = { 22, 1 },
                            .can_plug = true, .plan = plan_filesystem },
    [DEVICE_HOSTDEV] = { .prefix = "hostdev", .place_of = hostdev_place, .order = { 22, 6, 1 },
                         .can_plug = true, .plan = plan_hostdev },
    [DEVICE_TPM] = { .prefix = "tpm", .order = { 22 }, .plan = plan_tpm },
    [DEVICE_SHMEM] = { .prefix = "shmem", .place = PLACE_PCI, .order = { 22, 11 },
                       .can_plug = true, .plan = plan_shmem },
    [DEVICE_MEMORY] = { .alias = alias_memory, .place_of = memory_place, .order = { 22, 14 },
                        .can_plug = true, .plan = plan_memory },
    [DEVICE_CRYPTO] = { .prefix = "crypto", .place = PLACE_PCIE, .order = { 29, 18 }, .plan = plan_crypto },
    [DEVICE_PSTORE] = { .prefix = "pstore", .place = PLACE_PCI, .order = { 29, 19 }, .plan = plan_pstore },
    [DEVICE_LEASE] = { 0 }, /* QEMU knows nothing of it */
    [DEVICE_NVRAM] = { .order = { 22 } },
    [DEVICE_VSOCK] = { .prefix = "vsock", .place = PLACE_VIRTIO,
                       .virtio_model = offsetof(VsockDef, model), .order = { 29, 16 },
                       .can_plug = true, .plan = plan_vsock },
    [DEVICE_WATCHDOG] = { .prefix = "watchdog", .place_of = watchdog_place, .order = { 23, 9 },
                          .can_plug = true, .plan = plan_watchdog },
    [DEVICE_REDIRDEV] = { .prefix = "redir", .place = PLACE_USB, .order = { 24, 0, 7 },
                          .can_plug = true, .plan = plan_redirdev },
    [DEVICE_MEMBALLOON] = { .prefix = "balloon", .place_of = memballoon_place, .order = { 25, 7 },
                            .plan = plan_memballoon },
    [DEVICE_RNG] = { .prefix = "rng", .place = PLACE_VIRTIO, .virtio_model = offsetof(RngDef, model),
                     .order = { 26, 8 }, .can_plug = true, .plan = plan_rng },
    [DEVICE_PANIC] = { .prefix = "panic", .place_of = panic_place, .order = { 27, 15 }, .plan = plan_panic },
    [DEVICE_IOMMU] = { .prefix = "iommu", .place_of = iommu_place, .order = { 28, 17 }, .plan = plan_iommu },
    /* clang-format on */
};
