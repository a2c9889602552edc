/* PCI addresses: which device sits where, and which bridges and root ports that takes.
 *
 * Runs in rounds. Each lays out the whole machine on a fresh map: what the definition fixes first, then the
 * controllers, then the devices in a fixed order. Where places are missing, buses are added to the map; they
 * become controllers of the definition and the next round begins. The round that needs no new bus writes its
 * addresses. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"
#include "qemu/address_private.h"
#include "qemu/device.h"
#include "qemu/pci_bus.h"

/* A device that needs an address, and the one this round found. */
typedef struct Seat {
    DeviceAddress *target;
    DeviceAddress found;
    PciKind kind;
    const char *what;
    const ControllerDef *ich9_usb; /* one function of several that share a slot; NULL: a slot of its own */
} Seat;

typedef struct PciLayout {
    DomainDef *def;
    PciMap map;
    GArray *seats; /* Seat, in order of assignment */
} PciLayout;

static bool info_needs_pci(const DeviceInfo *info)
{
    return info->address.type == ADDRESS_ABSENT ||
           (info->address.type == ADDRESS_PCI && info->address.wants_numbers);
}

/* Borrowed until the next one; NULL if the device has its place. */
static Seat *add_seat(PciLayout *layout, DeviceInfo *info, PciKind kind, const char *what)
{
    if (!info_needs_pci(info))
        return NULL;
    Seat seat = { .target = &info->address, .kind = kind, .what = what, .found = info->address };
    g_array_append_val(layout->seats, seat);
    return &g_array_index(layout->seats, Seat, layout->seats->len - 1);
}

/* ---- who sits on PCI ---- */

static int ich9_usb_function(const ControllerDef *controller)
{
    switch (controller->model) {
    case CONTROLLER_MODEL_ICH9_EHCI1:
        return 7;
    case CONTROLLER_MODEL_ICH9_UHCI1:
        return 0;
    case CONTROLLER_MODEL_ICH9_UHCI2:
        return 1;
    case CONTROLLER_MODEL_ICH9_UHCI3:
        return 2;
    default:
        return -1;
    }
}

static void seat_device(PciLayout *layout, const DeviceRef *ref)
{
    static const PciKind kinds[] = { [PLACE_PCI] = PCI_KIND_CONVENTIONAL,
                                     [PLACE_PCIE] = PCI_KIND_EXPRESS,
                                     [PLACE_ROOT_COMPLEX] = PCI_KIND_ROOT_COMPLEX };
    const DevicePlace place = device_place(ref->kind, ref->device);

    if (place != PLACE_PCI && place != PLACE_PCIE && place != PLACE_ROOT_COMPLEX)
        return;
    Seat *seat = add_seat(layout, ref->info, kinds[place], enum_name(&device_kind_names, ref->kind));
    const ControllerDef *controller = ref->kind == DEVICE_CONTROLLER ? ref->device : NULL;
    if (seat && controller && controller->type == CONTROLLER_USB && ich9_usb_function(controller) >= 0)
        seat->ich9_usb = controller;
}

/* The order decides who gets which slot: it is part of what guests see. */
static void collect_devices(PciLayout *layout)
{
    g_autoptr(GArray) devices = devices_in_order(layout->def, DEVICE_ORDER_PCI);
    for (guint i = 0; i < devices->len; i++)
        seat_device(layout, &g_array_index(devices, DeviceRef, i));
}

/* ---- what is fixed: the board, integrated devices, the definition's own addresses ---- */

static void reserve_board(PciLayout *layout)
{
    if (domain_is_i440fx(layout->def)) {
        pci_map_reserve(&layout->map, 0, 0, 0xff);
        pci_map_reserve(&layout->map, 0, 1, 1 << 0 | 1 << 3); /* ISA bridge, power management */
    } else if (domain_is_q35(layout->def)) {
        pci_map_reserve(&layout->map, 0, 0, 0xff);
        pci_map_reserve(&layout->map, 0, 0x1f, 1 << 0 | 1 << 3); /* LPC, SMBus */
    } else if (layout->map.count) {
        pci_map_reserve(&layout->map, 0, 0, 0xff);
    }
}

/* Gives @address the place if it is free. */
static bool place(PciLayout *layout, DeviceAddress *address, unsigned slot, unsigned function)
{
    if (!pci_map_function_is_free(&layout->map, 0, slot, function))
        return false;
    pci_map_reserve(&layout->map, 0, slot, 1u << function);
    *address = (DeviceAddress){ .type = ADDRESS_PCI, .multifunction = address->multifunction };
    address->pci.slot = (uint8_t)slot;
    address->pci.function = (uint8_t)function;
    return true;
}

static void place_integrated_controllers(DomainDef *def, PciLayout *layout)
{
    bool i440fx = domain_is_i440fx(def);
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->index.value || !info_needs_pci(&controller->info))
            continue;
        if (i440fx && controller->type == CONTROLLER_IDE)
            (void)place(layout, &controller->info.address, 1, 1);
        else if (i440fx && controller->type == CONTROLLER_USB &&
                 controller->model == CONTROLLER_MODEL_PIIX3_UHCI)
            (void)place(layout, &controller->info.address, 1, 2);
        else if (!i440fx && domain_is_q35(def) && controller->type == CONTROLLER_SATA)
            (void)place(layout, &controller->info.address, 0x1f, 2);
    }
}

/* The primary video card: slot 2 of i440fx, slot 1 of q35, as these boards have it. */
static void place_primary_video(DomainDef *def, PciLayout *layout)
{
    unsigned slot = domain_is_i440fx(def) ? 2 : domain_is_q35(def) ? 1 : 0;
    if (!slot || !def_list_len(def->videos))
        return;
    VideoDef *video = g_ptr_array_index(def->videos, 0);
    if (video->model == VIDEO_NONE || video->model == VIDEO_RAMFB || !info_needs_pci(&video->info) ||
        !pci_map_slot_is_free(&layout->map, 0, slot))
        return;
    (void)place(layout, &video->info.address, slot, 0);
}

static void place_q35_sound(DomainDef *def, PciLayout *layout)
{
    if (!domain_is_q35(def))
        return;
    for (DEF_EACH(SoundDef, sound, def->sounds)) {
        if (sound->model == SOUND_ICH9 && info_needs_pci(&sound->info) &&
            pci_map_slot_is_free(&layout->map, 0, 0x1b)) {
            (void)place(layout, &sound->info.address, 0x1b, 0);
            return;
        }
    }
}

/* The first companion of an ICH9 USB controller sits where q35 boards have it; the others join it. */
static void place_q35_usb(DomainDef *def, PciLayout *layout)
{
    static const uint8_t slots[] = { 0x1d, 0x1a };
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type != CONTROLLER_USB || controller->model != CONTROLLER_MODEL_ICH9_UHCI1 ||
            !info_needs_pci(&controller->info))
            continue;
        for (size_t i = 0; i < G_N_ELEMENTS(slots) && info_needs_pci(&controller->info); i++) {
            if (pci_map_slot_is_free(&layout->map, 0, slots[i]) &&
                place(layout, &controller->info.address, slots[i], 0))
                controller->info.address.multifunction = TRISTATE_ON;
        }
    }
}

/* Integrated devices get their addresses at once: they never move. */
static void place_integrated(PciLayout *layout)
{
    place_integrated_controllers(layout->def, layout);
    place_primary_video(layout->def, layout);
    place_q35_sound(layout->def, layout);
}

/* The address of a device on PCI that is known. Consoles stand for the serial port that has it. */
static const DeviceAddress *given_address(DeviceKind kind, const DeviceInfo *info)
{
    return info && kind != DEVICE_CONSOLE && info->address.type == ADDRESS_PCI && !info->address.wants_numbers
               ? &info->address
               : NULL;
}

typedef struct Taking {
    PciMap *map;
    Error **err;
} Taking;

static bool take_given(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const Taking *taking = arg;
    const DeviceAddress *address = given_address(kind, info);
    const ControllerDef *controller = kind == DEVICE_CONTROLLER ? device : NULL;
    const ControllerModel model =
        controller && controller->type == CONTROLLER_PCI ? controller->model : CONTROLLER_MODEL_ABSENT;
    return !address ||
           pci_map_take(taking->map, address, model, enum_name(&device_kind_names, kind), taking->err);
}

static bool highest_bus(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    unsigned *highest = arg;
    const DeviceAddress *address = given_address(kind, info);
    if (address)
        *highest = MAX(*highest, address->pci.bus);
    return true;
}

/* ---- rounds ---- */

static bool seat_bridge(PciLayout *layout, ControllerDef *controller, Error **err)
{
    switch (controller->model) {
    case CONTROLLER_MODEL_PCIE_ROOT_PORT:
        if (!info_needs_pci(&controller->info))
            return true;
        return pci_map_assign_root_port(&layout->map, &controller->info.address, err);
    case CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE:
    case CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT:
        add_seat(layout, &controller->info, PCI_KIND_EXPRESS, "PCI controller");
        return true;
    case CONTROLLER_MODEL_PCI_BRIDGE:
        add_seat(layout, &controller->info, PCI_KIND_BRIDGE, "PCI controller");
        return true;
    case CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE: /* where the chip set has it */
        if (info_needs_pci(&controller->info) && domain_is_q35(layout->def) &&
            place(layout, &controller->info.address, 0x1e, 0))
            return true;
        __attribute__((fallthrough));
    case CONTROLLER_MODEL_PCIE_EXPANDER_BUS: /* on the root bus, in turn with the root ports */
        return !info_needs_pci(&controller->info) ||
               pci_map_assign(&layout->map, PCI_KIND_ROOT_COMPLEX, &controller->info.address, err);
    case CONTROLLER_MODEL_PCI_EXPANDER_BUS:
        add_seat(layout, &controller->info, PCI_KIND_CONVENTIONAL, "PCI controller");
        return true;
    case CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT:
        add_seat(layout, &controller->info, PCI_KIND_SWITCH_PORT, "PCI controller");
        return true;
    default:
        return true;
    }
}

static bool seat_bridges(PciLayout *layout, Error **err)
{
    for (DEF_EACH(ControllerDef, controller, layout->def->controllers)) {
        if (controller->type == CONTROLLER_PCI && !seat_bridge(layout, controller, err))
            return false;
    }
    return true;
}

/* Where another function of the same ICH9 USB controller sits, by the definition or in this round. */
static bool find_ich9_sibling(const PciLayout *layout, unsigned n_seated, const ControllerDef *wanted,
                              DeviceAddress *ret_address)
{
    for (DEF_EACH(ControllerDef, controller, layout->def->controllers)) {
        bool is_sibling = controller->type == CONTROLLER_USB &&
                          controller->index.value == wanted->index.value &&
                          ich9_usb_function(controller) >= 0 && !info_needs_pci(&controller->info);
        if (is_sibling && controller->info.address.type == ADDRESS_PCI) {
            *ret_address = controller->info.address;
            return true;
        }
    }
    for (unsigned i = 0; i < n_seated; i++) {
        const Seat *seat = &g_array_index(layout->seats, Seat, i);
        if (seat->ich9_usb && seat->ich9_usb->index.value == wanted->index.value) {
            *ret_address = seat->found;
            return true;
        }
    }
    return false;
}

/* The functions of an ICH9 USB controller have fixed numbers in one slot. */
static bool assign_ich9_usb(PciLayout *layout, unsigned place_in_row, Error **err)
{
    Seat *seat = &g_array_index(layout->seats, Seat, place_in_row);
    unsigned function = (unsigned)ich9_usb_function(seat->ich9_usb);
    DeviceAddress sibling;
    if (find_ich9_sibling(layout, place_in_row, seat->ich9_usb, &sibling)) {
        seat->found = sibling;
        seat->found.multifunction = TRISTATE_ABSENT;
        seat->found.pci.function = (uint8_t)function;
        if (!pci_map_function_is_free(&layout->map, sibling.pci.bus, sibling.pci.slot, function))
            return error_set(err, ERROR_XML_INVALID, "Attempted double use of PCI Address 0000:%02x:%02x.%x",
                             sibling.pci.bus, sibling.pci.slot, function);
    } else {
        if (!pci_map_assign(&layout->map, seat->kind, &seat->found, err))
            return false;
        pci_map_release(&layout->map, &seat->found);
        seat->found.pci.function = (uint8_t)function;
    }
    pci_map_reserve(&layout->map, seat->found.pci.bus, seat->found.pci.slot, 1u << function);
    if (function == 0)
        seat->found.multifunction = TRISTATE_ON;
    return true;
}

static bool assign_seats(PciLayout *layout, Error **err)
{
    for (unsigned i = 0; i < layout->seats->len; i++) {
        Seat *seat = &g_array_index(layout->seats, Seat, i);
        bool ok = seat->ich9_usb ? assign_ich9_usb(layout, i, err)
                                 : pci_map_assign(&layout->map, seat->kind, &seat->found, err);
        if (!ok)
            return error_prefix(err, "%s", seat->what);
    }
    return true;
}

static void write_seats(PciLayout *layout)
{
    for (unsigned i = 0; i < layout->seats->len; i++) {
        Seat *seat = &g_array_index(layout->seats, Seat, i);
        *seat->target = seat->found;
    }
}

static void add_bus_controller(DomainDef *def, unsigned index, ControllerModel model)
{
    ControllerDef *controller = xml_table_new(&controller_table);
    controller->type = CONTROLLER_PCI;
    controller->index = (OptU32){ .value = index, .is_set = true };
    controller->model = model;
    domain_append_device(def, DEVICE_CONTROLLER, controller);
}

/* Buses that addresses of the definition name but no controller makes. */
static void add_named_buses(DomainDef *def, bool is_pcie)
{
    unsigned highest = 0;
    (void)domain_each_device(def, highest_bus, &highest);
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_PCI)
            highest = MAX(highest, MIN(controller->index.value, PCI_BUS_MAX - 1));
    }
    for (unsigned index = 1; index <= highest; index++) {
        if (!domain_find_controller(def, CONTROLLER_PCI, index))
            add_bus_controller(def, index,
                               is_pcie ? CONTROLLER_MODEL_PCIE_ROOT_PORT : CONTROLLER_MODEL_PCI_BRIDGE);
    }
}

static void map_controllers(PciLayout *layout)
{
    for (DEF_EACH(ControllerDef, controller, layout->def->controllers)) {
        if (controller->type == CONTROLLER_PCI)
            pci_map_add_bus(&layout->map, controller->index.value, controller->model);
    }
}

/* One round. *ret_grew: buses were added to the definition; nothing else was written. */
static bool run_round(DomainDef *def, bool is_pcie, bool *ret_grew, Error **err)
{
    PciLayout layout = { .def = def, .seats = g_array_new(FALSE, TRUE, sizeof(Seat)) };
    pci_map_init(&layout.map, is_pcie);
    map_controllers(&layout);
    unsigned before = layout.map.count;

    reserve_board(&layout);
    Taking taking = { .map = &layout.map, .err = err };
    bool ok = domain_each_device(def, take_given, &taking);
    if (ok && before) {
        place_integrated(&layout);
        if (domain_is_q35(def))
            place_q35_usb(def, &layout);
        layout.map.dry_run = true;
        ok = seat_bridges(&layout, err);
    }
    if (ok) {
        collect_devices(&layout);
        ok = assign_seats(&layout, err);
    }
    *ret_grew = ok && layout.map.count > before;
    if (*ret_grew) {
        for (unsigned index = before; index < layout.map.count; index++)
            add_bus_controller(def, index, layout.map.buses[index].model);
    } else if (ok) {
        write_seats(&layout);
    }
    pci_map_clear(&layout.map);
    g_array_unref(layout.seats);
    return ok;
}

static void number_port(ControllerDef *controller, uint32_t port)
{
    if (!controller->chassis.is_set)
        controller->chassis = (OptU32){ .value = controller->index.value, .is_set = true };
    if (!controller->port.is_set)
        controller->port = (OptU32){ .value = port, .is_set = true };
}

/* Expander buses count down from 254, leaving one number each for the bus of a bridge behind it. */
static void number_expander(const DomainDef *def, ControllerDef *controller)
{
    uint32_t lowest = 256;
    for (DEF_EACH(ControllerDef, other, def->controllers)) {
        if (other->type == CONTROLLER_PCI && other->bus_nr.is_set)
            lowest = MIN(lowest, other->bus_nr.value);
    }
    if (!controller->bus_nr.is_set && lowest > 2)
        controller->bus_nr = (OptU32){ .value = lowest - 2, .is_set = true };
}

static const PciModelName pci_models[CONTROLLER_MODEL_COUNT] = {
    [CONTROLLER_MODEL_PCIE_ROOT_PORT] = PCI_MODEL_PCIE_ROOT_PORT,
    [CONTROLLER_MODEL_PCI_BRIDGE] = PCI_MODEL_PCI_BRIDGE,
    [CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE] = PCI_MODEL_PCIE_PCI_BRIDGE,
    [CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE] = PCI_MODEL_I82801B11_BRIDGE,
    [CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT] = PCI_MODEL_X3130_UPSTREAM,
    [CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT] = PCI_MODEL_XIO3130_DOWNSTREAM,
    [CONTROLLER_MODEL_PCI_EXPANDER_BUS] = PCI_MODEL_PXB,
    [CONTROLLER_MODEL_PCIE_EXPANDER_BUS] = PCI_MODEL_PXB_PCIE,
};

/* Chassis and port numbers: unique per machine, so the bus number and the place serve. */
static void number_ports(DomainDef *def)
{
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        const DeviceAddress *address = &controller->info.address;
        if (controller->type != CONTROLLER_PCI)
            continue;
        if (controller->pci_model == PCI_MODEL_ABSENT)
            controller->pci_model = pci_models[controller->model];
        switch (controller->model) {
        case CONTROLLER_MODEL_PCIE_ROOT_PORT:
            number_port(controller, (uint32_t)address->pci.slot << 3 | address->pci.function);
            break;
        case CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT:
            number_port(controller, address->pci.slot);
            break;
        case CONTROLLER_MODEL_PCI_BRIDGE:
            if (!controller->chassis_nr.is_set)
                controller->chassis_nr = (OptU32){ .value = controller->index.value, .is_set = true };
            break;
        case CONTROLLER_MODEL_PCI_EXPANDER_BUS:
        case CONTROLLER_MODEL_PCIE_EXPANDER_BUS:
            number_expander(def, controller);
            break;
        default:
            break;
        }
    }
}

static bool machine_has_pcie(const DomainDef *def)
{
    const ControllerDef *root = domain_find_controller(def, CONTROLLER_PCI, 0);
    return root ? root->model == CONTROLLER_MODEL_PCIE_ROOT
                : domain_is_q35(def) || (def->os.machine && g_str_has_prefix(def->os.machine, "virt"));
}

static bool has_root_port(const DomainDef *def)
{
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_PCI && controller->model == CONTROLLER_MODEL_PCIE_ROOT_PORT)
            return true;
    }
    return false;
}

static unsigned count_pci_controllers(const DomainDef *def)
{
    unsigned highest = 0;
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == CONTROLLER_PCI)
            highest = MAX(highest, controller->index.value + 1);
    }
    return highest;
}

static bool note_function(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const DeviceAddress *address = given_address(kind, info);
    if (address)
        pci_map_reserve(arg, address->pci.bus, address->pci.slot, 1u << address->pci.function);
    return true;
}

static bool mark_multifunction(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const PciMap *map = arg;
    const DeviceAddress *address = given_address(kind, info);
    if (address && address->pci.function == 0 && address->multifunction == TRISTATE_ABSENT &&
        map->buses[address->pci.bus].functions[address->pci.slot] != 1)
        info->address.multifunction = TRISTATE_ON;
    return true;
}

/* Function 0 of a slot tells the guest to look for others. */
static void mark_all_multifunction(DomainDef *def)
{
    PciMap map;
    pci_map_init(&map, false);
    (void)domain_each_device(def, note_function, &map);
    (void)domain_each_device(def, mark_multifunction, &map);
    pci_map_clear(&map);
}

/* A bridge can't hang behind itself. */
static bool check_bus_order(const DomainDef *def, Error **err)
{
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        const DeviceAddress *address = &controller->info.address;
        unsigned index = controller->index.value;
        if (controller->type == CONTROLLER_PCI && controller->model == CONTROLLER_MODEL_PCI_BRIDGE &&
            address->type == ADDRESS_PCI && address->pci.bus >= index) {
            error_set(err, ERROR_CONFIG_UNSUPPORTED,
                      "PCI controller at index %u has bus='0x%02x', but index must be larger than bus", index,
                      address->pci.bus);
            return error_hint(err, "a bridge needs a free slot of a bus with a lower number");
        }
    }
    return true;
}

/* One that was made because an address names its bus, or a higher one. */
static bool has_free_root_port(DomainDef *def)
{
    bool found = false;
    PciMap map;

    pci_map_init(&map, false);
    (void)domain_each_device(def, note_function, &map);
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        found |= controller->type == CONTROLLER_PCI && controller->model == CONTROLLER_MODEL_PCIE_ROOT_PORT &&
                 pci_map_slot_is_free(&map, controller->index.value, 0);
    }
    pci_map_clear(&map);
    return found;
}

bool assign_pci(DomainDef *def, Error **err)
{
    bool is_pcie = machine_has_pcie(def);
    bool had_buses = count_pci_controllers(def) > 1;
    bool grew = false;

    if (!domain_find_controller(def, CONTROLLER_PCI, 0) && (is_pcie || domain_is_i440fx(def)))
        add_bus_controller(def, 0, is_pcie ? CONTROLLER_MODEL_PCIE_ROOT : CONTROLLER_MODEL_PCI_ROOT);
    if (domain_find_controller(def, CONTROLLER_PCI, 0))
        add_named_buses(def, is_pcie);
    do {
        if (!run_round(def, is_pcie, &grew, err))
            return false;
    } while (grew);

    /* A machine that brought no buses of its own gets a free root port for hot plug, once. */
    if (is_pcie && !had_buses && has_root_port(def) && !has_free_root_port(def)) {
        add_bus_controller(def, count_pci_controllers(def), CONTROLLER_MODEL_PCIE_ROOT_PORT);
        if (!run_round(def, is_pcie, &grew, err))
            return false;
    }
    number_ports(def);
    mark_all_multifunction(def);
    return check_bus_order(def, err);
}
