/* The PCI topology of a machine while addresses are assigned: buses, their slots and functions. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"

#define PCI_SLOTS 32
#define PCI_FUNCTIONS 8
#define PCI_BUS_MAX 256

typedef enum PciKind {
    PCI_KIND_CONVENTIONAL, /* sits on conventional PCI (pci-root, pci-bridge, pcie-to-pci-bridge) */
    PCI_KIND_EXPRESS,      /* has a PCIe port of its own where the machine has PCIe, else conventional */
    PCI_KIND_BRIDGE, /* a conventional bridge: also behind a DMI bridge, which takes no hot-plugged device */
    PCI_KIND_ROOT_COMPLEX, /* sits on pcie.0 itself: root ports, integrated devices */
    PCI_KIND_SWITCH_PORT,  /* a downstream port: behind the upstream port of a switch */
} PciKind;

typedef struct PciBus {
    bool exists;
    ControllerModel model;
    uint8_t functions[PCI_SLOTS];      /* bit n: function n taken */
    uint8_t port_functions[PCI_SLOTS]; /* ... by a root port, so that others may join its slot */
} PciBus;

typedef struct PciMap {
    PciBus *buses; /* [PCI_BUS_MAX] */
    unsigned count;
    bool is_pcie;
    bool dry_run; /* buses may be added (as long as there is a number left) */
} PciMap;

void pci_map_init(PciMap *map, bool is_pcie);
void pci_map_clear(PciMap *map);
void pci_map_add_bus(PciMap *map, unsigned index, ControllerModel model);

/* ERROR_XML_INVALID: taken already, or a slot that the bus does not have. */
MUST_CHECK bool pci_map_take(PciMap *map, const DeviceAddress *address, ControllerModel model,
                             const char *what, Error **err);
/* Gives the one function of @address back. */
void pci_map_release(PciMap *map, const DeviceAddress *address);
/* Keeps functions of a slot for the board. */
void pci_map_reserve(PciMap *map, unsigned bus, unsigned slot, unsigned function_mask);
bool pci_map_slot_is_free(const PciMap *map, unsigned bus, unsigned slot);
bool pci_map_function_is_free(const PciMap *map, unsigned bus, unsigned slot, unsigned function);

/* Finds and takes a free place for a device of @kind. In a dry run buses are added where none is left;
 * otherwise ERROR_XML_INVALID "No more available PCI slots". */
MUST_CHECK bool pci_map_assign(PciMap *map, PciKind kind, DeviceAddress *address, Error **err);
/* A place for a root port: joins the slot of other root ports, function by function. */
MUST_CHECK bool pci_map_assign_root_port(PciMap *map, DeviceAddress *address, Error **err);
bool pci_model_is_port(ControllerModel model); /* a bus of one slot: root port, downstream port */
