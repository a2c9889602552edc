/* Device objects: their properties and what every device has in common (id, bus, address). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command_private.h"

Json *device_new(const char *driver)
{
    Json *device = json_object();
    prop_str(device, "driver", driver);
    return device;
}

void prop_str(Json *object, const char *key, const char *value)
{
    /* json_string() refuses text that is not UTF-8; such a path goes to QEMU as it is, like any other byte
     * string. */
    if (value)
        json_object_set_new_nocheck(object, key, json_string_nocheck(value));
}

void prop_format(Json *object, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *value = g_strdup_vprintf(format, args);
    va_end(args);
    prop_str(object, key, value);
}

void prop_uint(Json *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

void prop_some(Json *object, const char *key, uint64_t value)
{
    if (value)
        prop_uint(object, key, value);
}

void prop_enum(Json *object, const char *key, const EnumNames *names, unsigned value)
{
    if (value)
        prop_str(object, key, enum_name(names, value));
}

void prop_opt(Json *object, const char *key, OptU32 value)
{
    if (value.is_set)
        prop_uint(object, key, value.value);
}

void prop_bool(Json *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}

void prop_tristate(Json *object, const char *key, Tristate value)
{
    if (value != TRISTATE_ABSENT)
        prop_bool(object, key, value == TRISTATE_ON);
}

void prop_on_off(Json *object, const char *key, Tristate value)
{
    if (value != TRISTATE_ABSENT)
        prop_str(object, key, value == TRISTATE_ON ? "on" : "off");
}

void prop_virtio(Json *object, const VirtioOptions *virtio)
{
    prop_tristate(object, "iommu_platform", virtio->iommu);
    prop_tristate(object, "ats", virtio->ats);
    prop_tristate(object, "packed", virtio->packed);
    prop_tristate(object, "page-per-vq", virtio->page_per_vq);
}

char *virtio_driver(const char *kind, VirtioModel model, const DeviceInfo *info)
{
    if (info->address.type == ADDRESS_VIRTIO_MMIO)
        return g_strdup_printf("%s-device", kind);
    if (info->address.type == ADDRESS_CCW)
        return g_strdup_printf("%s-ccw", kind);
    return g_strdup_printf("%s-pci%s", kind,
                           model == VIRTIO_MODEL_TRANSITIONAL       ? "-transitional"
                           : model == VIRTIO_MODEL_NON_TRANSITIONAL ? "-non-transitional"
                                                                    : "");
}

static void prop_pci_address(Json *object, const char *bus, const DeviceInfo *info)
{
    const DeviceAddress *address = &info->address;

    prop_str(object, "bus", bus);
    if (address->multifunction == TRISTATE_ON)
        prop_bool(object, "multifunction", true);
    if (address->pci.function)
        prop_format(object, "addr", "0x%x.0x%x", address->pci.slot, address->pci.function);
    else
        prop_format(object, "addr", "0x%x", address->pci.slot);
    prop_some(object, "acpi-index", info->acpi_index);
}

static void prop_usb_address(Json *object, const char *controller, const DeviceAddress *address)
{
    prop_format(object, "bus", "%s.0", controller);
    if (!address->usb.port[0])
        return;
    g_autoptr(GString) port = g_string_new(NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(address->usb.port) && address->usb.port[i]; i++)
        g_string_append_printf(port, "%s%u", i ? "." : "", address->usb.port[i]);
    prop_str(object, "port", port->str);
}

/* The alias of the controller that makes the bus. */
static bool find_bus(const DomainDef *def, const DeviceInfo *info, ControllerType type, unsigned index,
                     const char *what, const char **ret_alias, Error **err)
{
    *ret_alias = controller_alias(def, type, index);
    return *ret_alias ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED, "no %s controller with index %u for device '%s'", what,
                     index, info->alias);
}

static bool prop_address(Json *object, const DomainDef *def, const DeviceInfo *info, Error **err)
{
    const DeviceAddress *address = &info->address;
    const char *alias = NULL;

    switch (address->type) {
    case ADDRESS_PCI:
        if (!find_bus(def, info, CONTROLLER_PCI, address->pci.bus, "PCI", &alias, err))
            return false;
        prop_pci_address(object, alias, info);
        return true;
    case ADDRESS_USB:
        if (!find_bus(def, info, CONTROLLER_USB, address->usb.bus, "USB", &alias, err))
            return false;
        prop_usb_address(object, alias, address);
        return true;
    case ADDRESS_VIRTIO_SERIAL:
        if (!find_bus(def, info, CONTROLLER_VIRTIO_SERIAL, address->virtio_serial.controller, "virtio-serial",
                      &alias, err))
            return false;
        prop_format(object, "bus", "%s.%u", alias, address->virtio_serial.bus);
        prop_uint(object, "nr", address->virtio_serial.port);
        return true;
    case ADDRESS_CCID:
        alias = controller_alias(def, CONTROLLER_CCID, address->ccid.controller);
        prop_format(object, "bus", "%s.0", alias ? alias : "ccid0");
        return true;
    case ADDRESS_ISA:
        prop_some(object, "iobase", address->isa.iobase);
        prop_some(object, "irq", address->isa.irq);
        return true;
    default: /* drive: the disk's own function; the others have no bus */
        return true;
    }
}

bool prop_info(Json *object, const DomainDef *def, const DeviceInfo *info, Error **err)
{
    prop_str(object, "id", info->alias);
    if (!prop_address(object, def, info, err))
        return false;
    if (info->rom_bar != TRISTATE_ABSENT)
        prop_uint(object, "rombar", info->rom_bar == TRISTATE_ON);
    if (info->rom_enabled == TRISTATE_OFF)
        prop_str(object, "romfile", "");
    else
        prop_str(object, "romfile", info->rom_file);
    return true;
}

bool add_device(const PlanContext *c, Plan *plan, Json *device, const DeviceInfo *info, Error **err)
{
    AUTO_JSON owned = device;
    const char *driver = json_get_str(device, "driver");
    if (!c->env->for_reference && !qemu_caps_has_device(c->caps, driver))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "device '%s' is not supported by %s", driver,
                         qemu_caps_binary(c->caps));
    if (info && !prop_info(device, c->def, info, err))
        return false;
    override_device(c->def, owned);
    plan_add(plan, PLAN_DEVICE, g_steal_pointer(&owned));
    return true;
}
