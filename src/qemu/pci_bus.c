/* Free places on PCI buses, and which buses to add when there are none. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/pci_bus.h"

void pci_map_init(PciMap *map, bool is_pcie)
{
    *map = (PciMap){ .buses = g_new0(PciBus, PCI_BUS_MAX), .is_pcie = is_pcie };
}

void pci_map_clear(PciMap *map)
{
    g_clear_pointer(&map->buses, g_free);
}

void pci_map_add_bus(PciMap *map, unsigned index, ControllerModel model)
{
    if (index >= PCI_BUS_MAX)
        return;
    map->buses[index].exists = true;
    map->buses[index].model = model;
    if (index >= map->count)
        map->count = index + 1;
}

bool pci_model_is_port(ControllerModel model)
{
    return model == CONTROLLER_MODEL_PCIE_ROOT_PORT || model == CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT;
}

static bool bus_is_conventional(const PciBus *bus)
{
    return bus->model == CONTROLLER_MODEL_PCI_ROOT || bus->model == CONTROLLER_MODEL_PCI_BRIDGE ||
           bus->model == CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE ||
           bus->model == CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE ||
           bus->model == CONTROLLER_MODEL_PCI_EXPANDER_BUS;
}

static unsigned bus_first_slot(const PciBus *bus)
{
    return pci_model_is_port(bus->model) || bus->model == CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT ||
                   bus->model == CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE ||
                   bus->model == CONTROLLER_MODEL_PCIE_EXPANDER_BUS ||
                   bus->model == CONTROLLER_MODEL_PCI_EXPANDER_BUS
               ? 0
               : 1;
}

static unsigned bus_last_slot(const PciBus *bus)
{
    return pci_model_is_port(bus->model) ? 0 : PCI_SLOTS - 1;
}

bool pci_map_slot_is_free(const PciMap *map, unsigned bus, unsigned slot)
{
    return bus < PCI_BUS_MAX && slot < PCI_SLOTS && map->buses[bus].functions[slot] == 0;
}

bool pci_map_function_is_free(const PciMap *map, unsigned bus, unsigned slot, unsigned function)
{
    return bus < PCI_BUS_MAX && slot < PCI_SLOTS && !(map->buses[bus].functions[slot] & (1u << function));
}

void pci_map_reserve(PciMap *map, unsigned bus, unsigned slot, unsigned function_mask)
{
    map->buses[bus].functions[slot] |= (uint8_t)function_mask;
}

void pci_map_release(PciMap *map, const DeviceAddress *address)
{
    map->buses[address->pci.bus].functions[address->pci.slot] &= (uint8_t) ~(1u << address->pci.function);
}

/* Controllers that hang only on some others. */
static bool bus_accepts(const PciBus *bus, ControllerModel model)
{
    const bool is_root = bus->model == CONTROLLER_MODEL_PCIE_ROOT;
    switch (model) {
    case CONTROLLER_MODEL_PCIE_ROOT_PORT:
    case CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE:
        return is_root || bus->model == CONTROLLER_MODEL_PCIE_EXPANDER_BUS;
    case CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT:
        return pci_model_is_port(bus->model) || bus->model == CONTROLLER_MODEL_PCIE_EXPANDER_BUS;
    case CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT:
        return bus->model == CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT;
    case CONTROLLER_MODEL_PCI_EXPANDER_BUS:
        return bus->model == CONTROLLER_MODEL_PCI_ROOT;
    case CONTROLLER_MODEL_PCIE_EXPANDER_BUS:
        return is_root;
    default:
        return true;
    }
}

bool pci_map_take(PciMap *map, const DeviceAddress *address, ControllerModel model, const char *what,
                  Error **err)
{
    unsigned bus = address->pci.bus, slot = address->pci.slot, function = address->pci.function;
    PciBus *entry = &map->buses[bus];

    if (address->pci.domain)
        return error_set(err, ERROR_XML_INVALID, "Only PCI domain 0 is available");
    if (slot >= PCI_SLOTS || function >= PCI_FUNCTIONS)
        return error_set(err, ERROR_XML_INVALID, "Invalid PCI address %04x:%02x:%02x.%x", 0, bus, slot,
                         function);
    if (entry->exists && (slot < bus_first_slot(entry) || slot > bus_last_slot(entry)))
        return error_set(err, ERROR_XML_INVALID,
                         "Invalid PCI address 0000:%02x:%02x.%x. slot must be between %u and %u", bus, slot,
                         function, bus_first_slot(entry), bus_last_slot(entry));
    if (entry->exists && !bus_accepts(entry, model))
        return error_set(err, ERROR_XML_INVALID,
                         "The device at PCI address 0000:%02x:%02x.%x cannot be plugged into the PCI "
                         "controller "
                         "with index='%u'. It requires a controller that accepts a %s.",
                         bus, slot, function, bus, enum_name(&controller_model_names, model));
    if (entry->functions[slot] & (1u << function))
        return error_set(err, ERROR_XML_INVALID, "Attempted double use of PCI Address 0000:%02x:%02x.%x (%s)",
                         bus, slot, function, what);
    entry->functions[slot] |= (uint8_t)(1u << function);
    if (model == CONTROLLER_MODEL_PCIE_ROOT_PORT)
        entry->port_functions[slot] |= (uint8_t)(1u << function);
    return true;
}

static bool bus_suits(const PciMap *map, const PciBus *bus, PciKind kind)
{
    if (!bus->exists)
        return false;
    if (kind == PCI_KIND_ROOT_COMPLEX)
        return bus->model == CONTROLLER_MODEL_PCIE_ROOT;
    if (kind == PCI_KIND_SWITCH_PORT || bus->model == CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT)
        return kind == PCI_KIND_SWITCH_PORT && bus->model == CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT;
    if (kind == PCI_KIND_EXPRESS && map->is_pcie)
        return pci_model_is_port(bus->model);
    if (bus->model == CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE)
        return kind == PCI_KIND_BRIDGE;
    return bus_is_conventional(bus);
}

static bool pci_map_find(PciMap *map, PciKind kind, DeviceAddress *address)
{
    for (unsigned index = 0; index < map->count; index++) {
        PciBus *bus = &map->buses[index];
        if (!bus_suits(map, bus, kind))
            continue;
        for (unsigned slot = bus_first_slot(bus); slot <= bus_last_slot(bus); slot++) {
            if (bus->functions[slot])
                continue;
            bus->functions[slot] = 1;
            address->type = ADDRESS_PCI;
            address->wants_numbers = false;
            address->pci.domain = 0;
            address->pci.bus = (uint8_t)index;
            address->pci.slot = (uint8_t)slot;
            address->pci.function = 0;
            return true;
        }
    }
    return false;
}

static bool has_dmi_bridge(const PciMap *map)
{
    for (unsigned index = 0; index < map->count; index++) {
        if (map->buses[index].exists && map->buses[index].model == CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE)
            return true;
    }
    return false;
}

static bool pci_map_grow(PciMap *map, PciKind kind)
{
    if (!map->dry_run || map->count + 2 > PCI_BUS_MAX || kind == PCI_KIND_SWITCH_PORT)
        return false;
    if (!map->is_pcie) {
        pci_map_add_bus(map, map->count, CONTROLLER_MODEL_PCI_BRIDGE);
    } else if (kind == PCI_KIND_EXPRESS) {
        pci_map_add_bus(map, map->count, CONTROLLER_MODEL_PCIE_ROOT_PORT);
    } else if (kind == PCI_KIND_CONVENTIONAL || kind == PCI_KIND_BRIDGE) {
        if (has_dmi_bridge(map)) {
            pci_map_add_bus(map, map->count, CONTROLLER_MODEL_PCI_BRIDGE);
            return true;
        }
        /* The bridge itself takes a port; the new one is for whoever comes next if another is free. */
        DeviceAddress port = { 0 };
        pci_map_add_bus(map, map->count, CONTROLLER_MODEL_PCIE_ROOT_PORT);
        if (!pci_map_find(map, PCI_KIND_EXPRESS, &port))
            return false;
        pci_map_add_bus(map, map->count, CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE);
    } else {
        return false;
    }
    return true;
}

bool pci_map_assign(PciMap *map, PciKind kind, DeviceAddress *address, Error **err)
{
    if (pci_map_find(map, kind, address))
        return true;
    if (pci_map_grow(map, kind) && pci_map_find(map, kind, address))
        return true;
    if (!map->count)
        return error_set(err, ERROR_XML_INVALID, "No PCI buses available");
    if (kind == PCI_KIND_SWITCH_PORT)
        return error_set(err, ERROR_INTERNAL, "a downstream port needs a PCIe switch with a free port");
    return error_set(err, ERROR_XML_INVALID, "No more available PCI slots");
}

bool pci_map_assign_root_port(PciMap *map, DeviceAddress *address, Error **err)
{
    PciBus *root = &map->buses[0];
    for (unsigned slot = 1; slot < PCI_SLOTS; slot++) {
        if (root->functions[slot] != root->port_functions[slot])
            continue; /* somebody else sits there too */
        for (unsigned function = 0; function < PCI_FUNCTIONS; function++) {
            if (root->functions[slot] & (1u << function))
                continue;
            root->functions[slot] |= (uint8_t)(1u << function);
            root->port_functions[slot] |= (uint8_t)(1u << function);
            address->type = ADDRESS_PCI;
            address->wants_numbers = false;
            address->pci.domain = 0;
            address->pci.bus = 0;
            address->pci.slot = (uint8_t)slot;
            address->pci.function = (uint8_t)function;
            return true;
        }
    }
    return error_set(err, ERROR_XML_INVALID, "No more available PCI slots");
}
