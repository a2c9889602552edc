/* Devices of the host: PCI and mediated devices by VFIO, USB, SCSI. Which node of the host a device has is
 * found before (HostdevDef.host_node); a plan only names it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "qemu/address.h"
#include "qemu/command_private.h"

char *device_vhost_scsi_fd_name(const char *alias)
{
    return g_strdup_printf("vhostscsi%s", alias);
}

static const char *teaming_pair(const HostdevDef *hostdev)
{
    return hostdev->teaming == TEAMING_TRANSIENT ? hostdev->teaming_persistent : NULL;
}

static bool plan_pci(const PlanContext *c, const HostdevDef *hostdev, Plan *plan, Error **err)
{
    const DeviceAddress *source = &hostdev->source_address;

    if (hostdev->driver != HOSTDEV_DRIVER_ABSENT && hostdev->driver != HOSTDEV_DRIVER_VFIO)
        return error_set(err, ERROR_INTERNAL, "invalid PCI passthrough type '%s'",
                         enum_name(&hostdev_driver_names, hostdev->driver));
    Json *device = device_new("vfio-pci");
    prop_format(device, "host", "%04x:%02x:%02x.%x", source->pci.domain, source->pci.bus, source->pci.slot,
                source->pci.function);
    prop_some(device, "bootindex", hostdev->info.boot_order);
    prop_str(device, "failover_pair_id", teaming_pair(hostdev));
    return add_device(c, plan, device, &hostdev->info, err);
}

static bool plan_mdev(const PlanContext *c, const HostdevDef *hostdev, Plan *plan, Error **err)
{
    const bool has_ramfb = hostdev->mdev_ramfb == TRISTATE_ON;

    if (c->is_hot && has_ramfb)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "a mediated device with ramfb can't be plugged into a running machine");
    Json *device = device_new(has_ramfb ? "vfio-pci-nohotplug" : "vfio-pci");
    prop_format(device, "sysfsdev", "/sys/bus/mdev/devices/%s", hostdev->mdev_uuid);
    prop_on_off(device, "display", hostdev->mdev_display);
    if (has_ramfb)
        prop_bool(device, "ramfb", true);
    prop_some(device, "bootindex", hostdev->info.boot_order);
    return add_device(c, plan, device, &hostdev->info, err);
}

static bool plan_usb(const PlanContext *c, const HostdevDef *hostdev, Plan *plan, Error **err)
{
    if (hostdev->is_missing) /* its startup policy allows that */
        return true;
    if (!hostdev->usb_bus.is_set || !hostdev->usb_device.is_set)
        return error_set(err, ERROR_INTERNAL, "USB host device is missing bus/device information");
    Json *device = device_new("usb-host");
    prop_format(device, "hostdevice", "/dev/bus/usb/%03u/%03u", hostdev->usb_bus.value,
                hostdev->usb_device.value);
    if (hostdev->guest_reset != USB_GUEST_RESET_ABSENT)
        prop_bool(device, "guest-reset", hostdev->guest_reset != USB_GUEST_RESET_OFF);
    if (hostdev->guest_reset == USB_GUEST_RESET_ON || hostdev->guest_reset == USB_GUEST_RESET_UNINITIALIZED)
        prop_bool(device, "guest-resets-all", hostdev->guest_reset == USB_GUEST_RESET_ON);
    prop_some(device, "bootindex", hostdev->info.boot_order);
    return add_device(c, plan, device, &hostdev->info, err);
}

/* The node with the LUN of a server. */
static bool plan_iscsi(const PlanContext *c, const HostdevDef *hostdev, const char *node, Plan *plan,
                       Error **err)
{
    const StorageSource source = { .type = STORAGE_NETWORK,
                                   .protocol = STORAGE_PROTOCOL_ISCSI,
                                   .path = hostdev->iscsi_name,
                                   .hosts = hostdev->iscsi_hosts,
                                   .initiator = hostdev->iscsi_initiator,
                                   .auth = hostdev->iscsi_auth };

    g_autofree char *secret = qemu_hostdev_secret_id(hostdev);
    return (!hostdev->iscsi_auth || plan_secret(c, plan, secret, err)) &&
           plan_iscsi_node(&source, node, secret, hostdev->readonly, plan, err);
}

static bool plan_scsi(const PlanContext *c, const HostdevDef *hostdev, Plan *plan, Error **err)
{
    const DeviceAddress *address = &hostdev->info.address;
    const char *controller = controller_alias(c->def, CONTROLLER_SCSI, address->drive.controller);
    g_autofree char *node = g_strdup_printf("libvirt-%s-backend", hostdev->info.alias);

    if (hostdev->protocol == HOSTDEV_PROTOCOL_ISCSI) {
        if (!plan_iscsi(c, hostdev, node, plan, err))
            return false;
    } else {
        Json *blockdev = json_object();
        prop_str(blockdev, "driver", "host_device");
        prop_str(blockdev, "filename", hostdev->host_node ? hostdev->host_node : "/dev/sg?");
        prop_str(blockdev, "node-name", node);
        prop_bool(blockdev, "read-only", hostdev->readonly);
        plan_add(plan, PLAN_BLOCKDEV, blockdev);
    }
    Json *device = device_new("scsi-generic");
    prop_format(device, "bus", "%s.%u", controller ? controller : "scsi0", address->drive.bus);
    if (qemu_scsi_has_luns(c->def, address->drive.controller)) {
        prop_uint(device, "channel", 0);
        prop_uint(device, "scsi-id", address->drive.target);
        prop_uint(device, "lun", address->drive.unit);
    } else {
        prop_uint(device, "scsi-id", address->drive.unit);
    }
    prop_str(device, "drive", node);
    prop_some(device, "bootindex", hostdev->info.boot_order);
    return add_device(c, plan, device, &hostdev->info, err);
}

static bool plan_scsi_host(const PlanContext *c, const HostdevDef *hostdev, Plan *plan, Error **err)
{
    g_autofree char *driver = virtio_driver("vhost-scsi", hostdev->vhost_model, &hostdev->info);
    g_autofree char *fd_name = device_vhost_scsi_fd_name(hostdev->info.alias);
    Json *device = device_new(driver);

    prop_str(device, "wwpn", hostdev->vhost_wwpn);
    prop_vhost_fd(c, device, fd_name, plan);
    return add_device(c, plan, device, &hostdev->info, err);
}

bool plan_hostdev(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const HostdevDef *hostdev = def;

    switch (hostdev->type) {
    case HOSTDEV_PCI:
        return plan_pci(c, hostdev, plan, err);
    case HOSTDEV_MDEV:
        return plan_mdev(c, hostdev, plan, err);
    case HOSTDEV_USB:
        return plan_usb(c, hostdev, plan, err);
    case HOSTDEV_SCSI:
        return plan_scsi(c, hostdev, plan, err);
    case HOSTDEV_SCSI_HOST:
        return plan_scsi_host(c, hostdev, plan, err);
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "hostdev mode 'capabilities' is not supported in qemu");
    }
}

void interface_as_hostdev(const InterfaceDef *iface, HostdevDef *ret_hostdev)
{
    *ret_hostdev = (HostdevDef){ .mode = HOSTDEV_SUBSYSTEM,
                                 .type = HOSTDEV_PCI,
                                 .managed = iface->hostdev_managed,
                                 .source_address = iface->hostdev_address,
                                 .has_source = true,
                                 .teaming = iface->teaming,
                                 .teaming_persistent = iface->teaming_persistent,
                                 .info = iface->info };
}

bool plan_interface_hostdev(const PlanContext *c, const InterfaceDef *iface, Plan *plan, Error **err)
{
    HostdevDef hostdev;

    if (iface->hostdev_address.type != ADDRESS_PCI)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "an <interface type='hostdev'> is a PCI device");
    interface_as_hostdev(iface, &hostdev);
    return plan_hostdev(c, &hostdev, plan, err);
}
