/* Which device of a machine a document means. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_check.h"
#include "conf/domain_device.h"
#include "machine/vm_device_private.h"

static bool same_address(const DeviceInfo *info, const DeviceInfo *wanted)
{
    return wanted->address.type == ADDRESS_ABSENT ||
           memcmp(&info->address, &wanted->address, sizeof(info->address)) == 0;
}

static bool is_same_disk(const DiskDef *disk, const DiskDef *wanted)
{
    return g_strcmp0(disk->target, wanted->target) == 0;
}

static bool is_same_interface(const InterfaceDef *iface, const InterfaceDef *wanted)
{
    return !wanted->has_mac || memcmp(&iface->mac, &wanted->mac, sizeof(Mac)) == 0;
}

static bool is_same_controller(const ControllerDef *controller, const ControllerDef *wanted)
{
    return controller->type == wanted->type &&
           (!wanted->index.is_set || controller->index.value == wanted->index.value);
}

/* What a document says of a device, and does not leave to us. */
typedef struct Said {
    GHashTable *paths; /* owned */
    bool differs;
} Said;

static bool note_said(void *arg, const char *path, const XmlRow *row)
{
    g_hash_table_add(((Said *)arg)->paths, g_strdup(path));
    return true;
}

/* The path itself, or a part that is there as a whole. */
static bool is_said(const Said *said, const char *path)
{
    g_autofree char *part = g_strdup(path);

    for (char *slash = NULL; !g_hash_table_contains(said->paths, part); *slash = '\0') {
        slash = strrchr(part, '/');
        if (!slash)
            return false;
    }
    return true;
}

static bool note_difference(void *arg, const char *path, const XmlRow *row)
{
    /* The model of a serial port follows from its type, and need not be said. */
    static const char *const places[] = { "alias", "address", "boot", "rom", "acpi", "target/model" };
    Said *said = arg;

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (g_str_has_prefix(path, places[i]))
            return true;
    }
    /* What can change, and what a run chose, tells nothing of which one it is. */
    if ((row->flags & (ROW_CHANGEABLE | ROW_LIVE)) || !is_said(said, path))
        return true;
    said->differs = true;
    return false;
}

static bool is_as_said(DeviceKind kind, const void *device, const void *wanted, DeviceFindFor find_for)
{
    const XmlTable *table = device_table(kind);
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Said said = { .paths = paths };
    void *nothing = xml_table_new(table);

    xml_table_diff(table, nothing, wanted, note_said, &said);
    xml_table_free(table, nothing);
    if (find_for == FIND_TO_CHANGE)
        xml_table_diff_guest(table, device, wanted, note_difference, &said);
    else
        xml_table_diff(table, device, wanted, note_difference, &said);
    return !said.differs;
}

static bool is_same_device(DeviceKind kind, void *device, void *wanted, DeviceFindFor find_for)
{
    const DeviceInfo *info = device_info(kind, device), *wanted_info = device_info(kind, wanted);

    if (kind == DEVICE_DISK) /* wherever it sits: a name is there once */
        return is_same_disk(device, wanted);
    if (kind == DEVICE_CONTROLLER)
        return is_same_controller(device, wanted);
    if (kind == DEVICE_GRAPHICS)
        return ((GraphicsDef *)device)->type == ((GraphicsDef *)wanted)->type;
    if (info && wanted_info &&
        ((wanted_info->alias && g_strcmp0(info->alias, wanted_info->alias) != 0) ||
         !same_address(info, wanted_info)))
        return false;
    if (kind == DEVICE_INTERFACE)
        return is_same_interface(device, wanted);
    if (kind == DEVICE_HOSTDEV) /* where it is in the guest need not be said */
        return hostdev_is_same_source(device, wanted);
    if (kind == DEVICE_FILESYSTEM)
        return g_strcmp0(((FilesystemDef *)device)->target, ((FilesystemDef *)wanted)->target) == 0;
    if (kind == DEVICE_VSOCK)
        return true;
    if (kind == DEVICE_SHMEM)
        return strcmp(((ShmemDef *)device)->name, ((ShmemDef *)wanted)->name) == 0;
    if (wanted_info && (wanted_info->alias || wanted_info->address.type != ADDRESS_ABSENT))
        return true;
    return is_as_said(kind, device, wanted, find_for);
}

typedef struct Finding {
    DeviceKind kind;
    DeviceFindFor find_for;
    void *wanted, *found;
    unsigned count;
} Finding;

static bool find_device(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    Finding *finding = arg;

    if (kind != finding->kind || !is_same_device(kind, device, finding->wanted, finding->find_for))
        return true;
    if (finding->count++ == 0)
        finding->found = device;
    return true;
}

static bool interface_missing(const InterfaceDef *iface, Error **err)
{
    const DeviceAddress *address = &iface->info.address;
    g_autofree char *place = address->type == ADDRESS_PCI
                                 ? g_strdup_printf("%04x:%02x:%02x.%x", address->pci.domain, address->pci.bus,
                                                   address->pci.slot, address->pci.function)
                                 : g_strdup("(<null>)");
    char mac[MAC_STRING_LEN] = "(<null>)";

    if (iface->has_mac)
        mac_format(&iface->mac, mac);
    return error_set(err, ERROR_DEVICE_MISSING,
                     "no device found at address '%s' matching MAC address '%s' and alias '%s'", place, mac,
                     iface->info.alias ? iface->info.alias : "(<null>)");
}

bool vm_device_find(const DomainDef *def, DeviceKind kind, const void *device, DeviceFindFor find_for,
                    void **ret_found, Error **err)
{
    Finding finding = { .kind = kind, .wanted = (void *)device, .find_for = find_for };
    char mac[MAC_STRING_LEN];

    (void)domain_each_device((DomainDef *)def, find_device, &finding);
    *ret_found = finding.found;
    if (finding.count == 1 ||
        (finding.count > 1 && kind != DEVICE_INTERFACE)) /* of several alike the first */
        return true;
    if (finding.count > 1 && kind == DEVICE_INTERFACE && ((const InterfaceDef *)device)->has_mac) {
        mac_format(&((const InterfaceDef *)device)->mac, mac);
        return error_set(err, ERROR_OPERATION_FAILED, "multiple devices matching MAC address %s found", mac);
    }
    if (finding.count > 1)
        return error_set(err, ERROR_OPERATION_FAILED, "multiple matching devices found");
    if (kind == DEVICE_INTERFACE)
        return interface_missing(device, err);
    if (kind == DEVICE_DISK)
        return error_set(err, ERROR_DEVICE_MISSING, "disk %s not found", ((const DiskDef *)device)->target);
    return error_set(err, ERROR_DEVICE_MISSING, "the machine has no %s like that",
                     enum_name(&device_kind_names, kind));
}
