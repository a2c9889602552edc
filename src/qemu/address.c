/* Addresses of devices on buses other than PCI, and the order in which everything is assigned. PCI is in
 * address_pci.c.
 *
 * The rules were observed on machines that people have: the same definition gets the same addresses here, so
 * that a guest sees the same hardware. Addresses that the definition gives stay. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/address.h"

#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"
#include "qemu/address_private.h"

bool address_machine_is_q35(const DomainDef *def)
{
    return def->os.machine && strstr(def->os.machine, "q35");
}

bool address_machine_is_i440fx(const DomainDef *def)
{
    return def->os.machine &&
           (g_str_has_prefix(def->os.machine, "pc-i440fx") || g_str_equal(def->os.machine, "pc") ||
            g_str_has_prefix(def->os.machine, "pc-0") || g_str_has_prefix(def->os.machine, "pc-1"));
}

ControllerDef *address_add_controller(DomainDef *def, ControllerType type, unsigned index)
{
    ControllerDef *controller = xml_table_new(&controller_table);
    controller->type = type;
    controller->index = (OptU32){ .value = index, .is_set = true };
    if (!def->controllers)
        def->controllers = xml_list_new(&controller_table);
    g_ptr_array_add(def->controllers, controller);
    return controller;
}

/* Controller, bus and unit of a drive follow from its name when the document is read; here is what the board
 * lacks. */
static bool check_drives(const DomainDef *def, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->bus == DISK_BUS_IDE && address_machine_is_q35(def))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "disk '%s': IDE controllers are unsupported by machine type '%s'", disk->target,
                             def->os.machine);
    }
    return true;
}

/* ---- virtio-serial: port 0 of controller 0 is kept for a console ---- */

#define VIRTIO_SERIAL_PORTS 31

static bool serial_port_is_taken(const DomainDef *def, unsigned controller, unsigned port)
{
    for (DEF_EACH(CharDef, channel, def->channels)) {
        const DeviceAddress *address = &channel->info.address;
        if (address->type == ADDRESS_VIRTIO_SERIAL && !address->wants_numbers &&
            address->virtio_serial.controller == controller && address->virtio_serial.port == port)
            return true;
    }
    return false;
}

static void assign_virtio_serial_port(const DomainDef *def, DeviceAddress *address)
{
    for (unsigned controller = 0;; controller++) {
        for (unsigned port = 1; port < VIRTIO_SERIAL_PORTS; port++) {
            if (serial_port_is_taken(def, controller, port))
                continue;
            *address = (DeviceAddress){ .type = ADDRESS_VIRTIO_SERIAL };
            address->virtio_serial.controller = controller;
            address->virtio_serial.port = port;
            return;
        }
    }
}

static void assign_virtio_serial(DomainDef *def)
{
    for (DEF_EACH(CharDef, channel, def->channels)) {
        DeviceAddress *address = &channel->info.address;
        if (channel->target_type != CHAR_TARGET_VIRTIO)
            continue;
        if (address->type == ADDRESS_VIRTIO_SERIAL && address->wants_numbers == false &&
            address->virtio_serial.port == 0)
            address->wants_numbers = true; /* a controller without a port: any port of it */
        if (address->type == ADDRESS_ABSENT || address->wants_numbers)
            assign_virtio_serial_port(def, address);
    }
}

static void assign_ccid(DomainDef *def)
{
    unsigned slot = 0;
    for (DEF_EACH(SmartcardDef, card, def->smartcards)) {
        DeviceAddress *address = &card->info.address;
        if (address->type == ADDRESS_ABSENT) {
            *address = (DeviceAddress){ .type = ADDRESS_CCID };
            address->ccid.slot = slot;
        }
        slot++;
    }
}

/* ---- USB: ports of the controller, then hubs ---- */

#define USB_HUB_PORTS 8

typedef struct UsbMap {
    DomainDef *def;
    uint64_t root_ports[16]; /* bit n: port n of controller i taken */
    unsigned n_root[16];
    uint16_t hub_ports[64]; /* of the hubs on root ports of controller 0 */
} UsbMap;

static unsigned usb_root_ports(const ControllerDef *controller)
{
    switch (controller->model) {
    case CONTROLLER_MODEL_EHCI:
    case CONTROLLER_MODEL_ICH9_EHCI1:
        return 6;
    case CONTROLLER_MODEL_QEMU_XHCI:
    case CONTROLLER_MODEL_NEC_XHCI:
        return controller->ports.is_set ? MIN(controller->ports.value, XHCI_PORTS_MAX) : 4;
    case CONTROLLER_MODEL_PCI_OHCI:
        return 3;
    case CONTROLLER_MODEL_NONE:
        return 0;
    default:
        return 2;
    }
}

static void usb_take(UsbMap *map, const DeviceAddress *address)
{
    if (address->type != ADDRESS_USB || address->wants_numbers || !address->usb.port[0] ||
        address->usb.bus >= 16)
        return;
    if (!address->usb.port[1])
        map->root_ports[address->usb.bus] |= UINT64_C(1) << (address->usb.port[0] & 63);
    else if (address->usb.bus == 0 && !address->usb.port[2])
        map->hub_ports[address->usb.port[0] & 63] |= (uint16_t)(1u << (address->usb.port[1] & 15));
}

static bool usb_assign_hub_port(UsbMap *map, DeviceAddress *address)
{
    for (DEF_EACH(HubDef, hub, map->def->hubs)) {
        const DeviceAddress *at = &hub->info.address;
        if (at->type != ADDRESS_USB || at->usb.bus || at->usb.port[1])
            continue;
        for (unsigned port = 1; port <= USB_HUB_PORTS; port++) {
            if (map->hub_ports[at->usb.port[0] & 63] & (1u << port))
                continue;
            *address = (DeviceAddress){ .type = ADDRESS_USB };
            address->usb.port[0] = at->usb.port[0];
            address->usb.port[1] = (uint8_t)port;
            usb_take(map, address);
            return true;
        }
    }
    return false;
}

static bool usb_assign(UsbMap *map, DeviceAddress *address)
{
    for (unsigned bus = 0; bus < G_N_ELEMENTS(map->root_ports); bus++) {
        if (address->type == ADDRESS_USB && address->usb.bus != bus)
            continue; /* the bus is given, the port is not */
        for (unsigned port = 1; port <= map->n_root[bus]; port++) {
            if (map->root_ports[bus] & (UINT64_C(1) << port))
                continue;
            *address = (DeviceAddress){ .type = ADDRESS_USB };
            address->usb.bus = bus;
            address->usb.port[0] = (uint8_t)port;
            usb_take(map, address);
            return true;
        }
    }
    return usb_assign_hub_port(map, address);
}

/* Hubs come first, then devices in this order. */
static GPtrArray *usb_devices(DomainDef *def)
{
    GPtrArray *list = g_ptr_array_new();
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_CCID)
            g_ptr_array_add(list, &controller->info);
    }
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->bus == DISK_BUS_USB)
            g_ptr_array_add(list, &disk->info);
    }
    for (DEF_EACH(InputDef, input, def->inputs)) {
        if (input->bus == INPUT_BUS_USB)
            g_ptr_array_add(list, &input->info);
    }
    for (DEF_EACH(SoundDef, sound, def->sounds)) {
        if (sound->model == SOUND_USB)
            g_ptr_array_add(list, &sound->info);
    }
    for (DEF_EACH(CharDef, serial, def->serials)) {
        if (serial->target_type == CHAR_TARGET_USB_SERIAL)
            g_ptr_array_add(list, &serial->info);
    }
    for (DEF_EACH(HostdevDef, hostdev, def->hostdevs)) {
        if (hostdev->type == HOSTDEV_USB)
            g_ptr_array_add(list, &hostdev->info);
    }
    for (DEF_EACH(RedirdevDef, redirdev, def->redirdevs))
        g_ptr_array_add(list, &redirdev->info);
    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        if (g_strcmp0(iface->model, "usb-net") == 0)
            g_ptr_array_add(list, &iface->info);
    }
    return list;
}

static bool info_needs_usb(const DeviceInfo *info)
{
    return info->address.type == ADDRESS_ABSENT ||
           (info->address.type == ADDRESS_USB && (info->address.wants_numbers || !info->address.usb.port[0]));
}

static void usb_add_hubs(UsbMap *map, unsigned waiting)
{
    DomainDef *def = map->def;
    unsigned free_ports = 0;
    for (unsigned bus = 0; bus < G_N_ELEMENTS(map->n_root); bus++) {
        for (unsigned port = 1; port <= map->n_root[bus]; port++)
            free_ports += !(map->root_ports[bus] & (UINT64_C(1) << port));
    }
    for (DEF_EACH(HubDef, hub, def->hubs)) {
        if (!info_needs_usb(&hub->info))
            free_ports += USB_HUB_PORTS;
        else
            free_ports += USB_HUB_PORTS - 1;
    }
    while (waiting > free_ports && free_ports > 0) {
        if (!def->hubs)
            def->hubs = xml_list_new(&hub_table);
        HubDef *hub = xml_table_new(&hub_table);
        hub->type = HUB_USB;
        g_ptr_array_add(def->hubs, hub);
        free_ports += USB_HUB_PORTS - 1;
    }
}

static bool assign_usb(DomainDef *def, Error **err)
{
    UsbMap map = { .def = def };
    bool disabled = false;

    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type != CONTROLLER_USB || controller->index.value >= G_N_ELEMENTS(map.n_root))
            continue;
        disabled = disabled || controller->model == CONTROLLER_MODEL_NONE;
        if (!controller->info.has_usb_master)
            map.n_root[controller->index.value] = usb_root_ports(controller);
    }
    g_autoptr(GPtrArray) devices = usb_devices(def);
    if (devices->len && disabled)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Device configuration is not compatible: Domain has USB devices attached but USB "
                         "controller is disabled");
    unsigned waiting = 0;
    for (DEF_EACH(DeviceInfo, info, devices)) {
        usb_take(&map, &info->address);
        waiting += info_needs_usb(info);
    }
    for (DEF_EACH(HubDef, hub, def->hubs))
        usb_take(&map, &hub->info.address);
    usb_add_hubs(&map, waiting);
    for (DEF_EACH(HubDef, hub, def->hubs)) {
        if (info_needs_usb(&hub->info) && !usb_assign(&map, &hub->info.address))
            return error_set(err, ERROR_INTERNAL, "no free USB port for a hub");
    }
    for (DEF_EACH(DeviceInfo, info, devices)) {
        if (info_needs_usb(info) && !usb_assign(&map, &info->address))
            return error_set(err, ERROR_XML_INVALID, "No free USB ports");
    }
    return true;
}

bool qemu_assign_addresses(DomainDef *def, const QemuCaps *caps, Error **err)
{
    (void)caps;
    if (!check_drives(def, err))
        return false;
    assign_virtio_serial(def);
    assign_ccid(def);
    domain_add_implied_controllers(def);
    return assign_pci(def, err) && assign_usb(def, err);
}
