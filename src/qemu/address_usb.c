/* USB addresses: ports of the controllers, then those of hubs, and the hubs that it takes.
 *
 * Each bus is a tree of hubs, the controller's own root hub at the top. A device takes the first free port of
 * the first hub that has one: a hub before the hubs below it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/domain_defaults.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"
#include "qemu/address_private.h"
#include "qemu/device.h"

#define USB_HUB_PORTS 8
#define USB_DEPTH 4 /* numbers in a port: "1.2.3.4" */

typedef struct UsbHub UsbHub;
struct UsbHub {
    unsigned n_ports;
    uint32_t taken;                    /* bit n: port n, from 1 */
    UsbHub *below[XHCI_PORTS_MAX + 1]; /* hubs plugged in here, by port; NULL: none */
};
G_STATIC_ASSERT(USB_HUB_PORTS <= XHCI_PORTS_MAX);

typedef struct UsbBus {
    unsigned index;
    UsbHub *root;
} UsbBus;

static void usb_hub_free(UsbHub *hub)
{
    if (!hub)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(hub->below); i++)
        usb_hub_free(hub->below[i]);
    g_free(hub);
}

static void usb_bus_free(void *data)
{
    UsbBus *bus = data;
    usb_hub_free(bus->root);
    g_free(bus);
}

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

static gint compare_buses(gconstpointer a, gconstpointer b)
{
    const UsbBus *x = *(UsbBus *const *)a, *y = *(UsbBus *const *)b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static UsbBus *find_bus(const GPtrArray *buses, unsigned index)
{
    for (DEF_EACH(UsbBus, bus, buses)) {
        if (bus->index == index)
            return bus;
    }
    return NULL;
}

/* One bus per controller; the companions of an EHCI controller serve its bus. */
static GPtrArray *usb_buses(const DomainDef *def)
{
    GPtrArray *buses = g_ptr_array_new_with_free_func(usb_bus_free);
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type != CONTROLLER_USB || controller->info.has_usb_master ||
            find_bus(buses, controller->index.value))
            continue;
        UsbBus *bus = g_new0(UsbBus, 1);
        bus->index = controller->index.value;
        bus->root = g_new0(UsbHub, 1);
        bus->root->n_ports = usb_root_ports(controller);
        g_ptr_array_add(buses, bus);
    }
    g_ptr_array_sort(buses, compare_buses);
    return buses;
}

static bool needs_port(const DeviceInfo *info)
{
    const DeviceAddress *address = &info->address;
    return address->type == ADDRESS_ABSENT ||
           (address->type == ADDRESS_USB && (address->wants_numbers || !address->usb.port[0]));
}

/* Takes the port of @info; a hub then offers ports of its own. */
static bool take_port(GPtrArray *buses, const DeviceInfo *info, bool is_hub, Error **err)
{
    const uint8_t *port = info->address.usb.port;
    unsigned index = info->address.usb.bus, depth = 0;
    const UsbBus *bus = find_bus(buses, index);
    if (!bus)
        return error_set(err, ERROR_XML_INVALID, "Missing USB bus %u", index);
    UsbHub *hub = bus->root;
    for (; depth + 1 < USB_DEPTH && port[depth + 1]; depth++) {
        hub = port[depth] < G_N_ELEMENTS(hub->below) ? hub->below[port[depth]] : NULL;
        if (!hub)
            return error_set(err, ERROR_XML_INVALID, "there is no hub at port %u of USB bus %u", port[depth],
                             index);
    }
    unsigned last = port[depth];
    if (last > hub->n_ports)
        return error_set(err, ERROR_XML_INVALID, "requested USB port %u not present on USB bus %u", last,
                         index);
    if (hub->taken & (UINT32_C(1) << last))
        return error_set(err, ERROR_XML_INVALID, "Duplicate USB address bus %u port %u", index, last);
    hub->taken |= UINT32_C(1) << last;
    if (is_hub) {
        hub->below[last] = g_new0(UsbHub, 1);
        hub->below[last]->n_ports = USB_HUB_PORTS;
    }
    return true;
}

/* The first free port of @hub or of the hubs below; @port gets its numbers. */
static bool find_port(const UsbHub *hub, unsigned depth, uint8_t *port)
{
    for (unsigned number = 1; number <= hub->n_ports; number++) {
        if (hub->taken & (UINT32_C(1) << number))
            continue;
        port[depth] = (uint8_t)number;
        return true;
    }
    for (unsigned number = 1; number <= hub->n_ports && depth + 1 < USB_DEPTH; number++) {
        port[depth] = (uint8_t)number;
        if (hub->below[number] && find_port(hub->below[number], depth + 1, port))
            return true;
    }
    port[depth] = 0;
    return false;
}

static bool assign_port(GPtrArray *buses, DeviceInfo *info, bool is_hub, Error **err)
{
    DeviceAddress *address = &info->address;
    for (DEF_EACH(UsbBus, bus, buses)) {
        if (address->type == ADDRESS_USB && address->usb.bus != bus->index)
            continue; /* the bus is given, the port is not */
        DeviceAddress found = { .type = ADDRESS_USB };
        found.usb.bus = bus->index;
        if (!find_port(bus->root, 0, found.usb.port))
            continue;
        *address = found;
        return take_port(buses, info, is_hub, err);
    }
    return error_set(err, ERROR_INTERNAL, "No free USB ports");
}

/* Devices on USB in the order in which they get ports: of DeviceInfo. */
static GPtrArray *usb_devices(DomainDef *def)
{
    g_autoptr(GArray) devices = devices_in_order(def, DEVICE_ORDER_USB);
    GPtrArray *list = g_ptr_array_new();
    for (guint i = 0; i < devices->len; i++) {
        const DeviceRef *ref = &g_array_index(devices, DeviceRef, i);
        if (device_place(ref->kind, ref->device) == PLACE_USB)
            g_ptr_array_add(list, ref->info);
    }
    return list;
}

static unsigned count_free(const UsbHub *hub)
{
    unsigned n = 0;
    for (unsigned number = 1; number <= hub->n_ports; number++) {
        n += !(hub->taken & (UINT32_C(1) << number));
        n += hub->below[number] ? count_free(hub->below[number]) : 0;
    }
    return n;
}

/* Hubs for devices that find no port. One port more than needed stays free: guests of libvirt have always
 * had it so. */
static bool add_hubs(DomainDef *def, GPtrArray *buses, unsigned waiting, Error **err)
{
    unsigned n_free = 0;
    for (DEF_EACH(UsbBus, bus, buses))
        n_free += count_free(bus->root);
    if (waiting <= n_free)
        return true;
    for (unsigned missing = waiting - n_free + 1; missing; missing -= MIN(missing, USB_HUB_PORTS - 1)) {
        HubDef *hub = xml_table_new(&hub_table);
        hub->type = HUB_USB;
        if (!def->hubs)
            def->hubs = xml_list_new(&hub_table);
        g_ptr_array_add(def->hubs, hub);
        if (!assign_port(buses, &hub->info, true, err))
            return false;
    }
    return true;
}

static bool take_given_ports(const DomainDef *def, GPtrArray *buses, const GPtrArray *devices, Error **err)
{
    for (DEF_EACH(HubDef, hub, def->hubs)) {
        if (!needs_port(&hub->info) && hub->info.address.type == ADDRESS_USB &&
            !take_port(buses, &hub->info, true, err))
            return false;
    }
    for (DEF_EACH(DeviceInfo, info, devices)) {
        if (!needs_port(info) && info->address.type == ADDRESS_USB && !take_port(buses, info, false, err))
            return false;
    }
    return true;
}

bool assign_usb(DomainDef *def, Error **err)
{
    g_autoptr(GPtrArray) devices = usb_devices(def);
    const ControllerDef *first = domain_find_controller(def, CONTROLLER_USB, 0);
    if (devices->len && first && first->model == CONTROLLER_MODEL_NONE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Device configuration is not compatible: Domain has USB devices attached but USB "
                         "controller is disabled");
    g_autoptr(GPtrArray) buses = usb_buses(def);
    if (!take_given_ports(def, buses, devices, err))
        return false;
    for (DEF_EACH(HubDef, hub, def->hubs)) {
        if (needs_port(&hub->info) && !assign_port(buses, &hub->info, true, err))
            return false;
    }
    unsigned waiting = 0;
    for (DEF_EACH(DeviceInfo, info, devices))
        waiting += needs_port(info);
    if (!add_hubs(def, buses, waiting, err))
        return false;
    for (DEF_EACH(DeviceInfo, info, devices)) {
        if (needs_port(info) && !assign_port(buses, info, false, err))
            return false;
    }
    return true;
}
