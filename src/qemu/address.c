/* Addresses of devices on buses other than PCI, and the order in which everything is assigned. PCI is in
 * address_pci.c.
 *
 * The rules were observed on machines that people have: the same definition gets the same addresses here, so
 * that a guest sees the same hardware. Addresses that the definition gives stay. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/address.h"

#include "conf/domain_defaults.h"
#include "conf/domain_device.h"
#include "qemu/address_private.h"

/* Controller, bus and unit of a drive follow from its name when the document is read; here is what the board
 * lacks. */
static bool check_drives(const DomainDef *def, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->bus == DISK_BUS_IDE && domain_is_q35(def))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "disk '%s': IDE controllers are unsupported by machine type '%s'", disk->target,
                             def->os.machine);
    }
    return true;
}

/* ---- virtio-serial: port 0 of controller 0 is kept for a console ---- */

#define VIRTIO_SERIAL_PORTS 31

static void *serial_port_key(unsigned controller, unsigned port)
{
    return GUINT_TO_POINTER(controller * VIRTIO_SERIAL_PORTS + port);
}

static unsigned virtio_serial_ports(const DomainDef *def, unsigned index)
{
    const ControllerDef *controller = domain_find_controller(def, CONTROLLER_VIRTIO_SERIAL, index);
    return controller && controller->ports.is_set ? MIN(controller->ports.value, VIRTIO_SERIAL_PORTS)
                                                  : VIRTIO_SERIAL_PORTS;
}

static bool assign_virtio_serial(DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);
    unsigned controller = 0, port = 1; /* all before are taken */
    unsigned n_ports = virtio_serial_ports(def, 0);

    for (DEF_EACH(CharDef, channel, def->channels)) {
        DeviceAddress *address = &channel->info.address;
        if (address->type != ADDRESS_VIRTIO_SERIAL || address->wants_numbers)
            continue;
        if (address->virtio_serial.port >= virtio_serial_ports(def, address->virtio_serial.controller))
            return error_set(err, ERROR_XML_INVALID, "virtio serial controller %u does not have port %u",
                             address->virtio_serial.controller, address->virtio_serial.port);
        if (channel->target_type == CHAR_TARGET_VIRTIO && address->virtio_serial.port == 0)
            address->wants_numbers = true; /* a controller without a port: any port of it */
        else if (address->virtio_serial.port < VIRTIO_SERIAL_PORTS)
            g_hash_table_add(taken,
                             serial_port_key(address->virtio_serial.controller, address->virtio_serial.port));
    }
    for (DEF_EACH(CharDef, channel, def->channels)) {
        DeviceAddress *address = &channel->info.address;
        if (channel->target_type != CHAR_TARGET_VIRTIO ||
            !(address->type == ADDRESS_ABSENT || address->wants_numbers))
            continue;
        while (port >= n_ports || !g_hash_table_add(taken, serial_port_key(controller, port))) {
            if (++port >= n_ports) {
                n_ports = virtio_serial_ports(def, ++controller);
                port = 1;
            }
        }
        *address = (DeviceAddress){ .type = ADDRESS_VIRTIO_SERIAL };
        address->virtio_serial.controller = controller;
        address->virtio_serial.port = port;
    }
    return true;
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

/* The first console is another view of the first serial port, wherever that is plugged in. */
static void mirror_serial_address(DomainDef *def)
{
    CharDef *console = def_list_len(def->consoles) ? g_ptr_array_index(def->consoles, 0) : NULL;
    const CharDef *serial = def_list_len(def->serials) ? g_ptr_array_index(def->serials, 0) : NULL;
    if (console && serial && console->target_type == CHAR_TARGET_SERIAL)
        console->info.address = serial->info.address;
}

static bool check_acpi_index(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    return !info || !info->acpi_index || info->address.type == ADDRESS_PCI ||
           info->address.type == ADDRESS_ABSENT;
}

bool qemu_assign_addresses(DomainDef *def, const QemuCaps *caps, Error **err)
{
    (void)caps;
    if (!check_drives(def, err))
        return false;
    if (!assign_virtio_serial(def, err) || !domain_fill_memory_slots(def, err))
        return false;
    assign_ccid(def);
    domain_add_implied_controllers(def);
    if (!assign_pci(def, err) || !assign_usb(def, err))
        return false;
    mirror_serial_address(def);
    return domain_each_device(def, check_acpi_index, NULL) ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED, "ACPI index is only supported for PCI devices");
}
