/* Devices of this host: what they are, which driver has them, and which of them can be made.
 *
 * A device is an object of nodedev_class: active if the kernel has it, persistent if mdevctl has a definition
 * of it. They come from sysfs, not from files: the daemon looks at all of them once, in the background, and
 * then at those that the kernel (or udev, where it runs) tells of. What a document says is read when it is
 * asked for.
 *
 * Unlike other objects a device changes without a job: `live` is replaced by the room's own fiber when the
 * kernel tells so. After any await look at it again. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/nodedev.h"
#include "core/object.h"

extern const ObjectClass nodedev_class;

/* Gives the host a registry of devices. Once, before anything is loaded. */
void nodedev_open(Host *host);
/* Begins to look at the devices of this host and to watch them; returns at once. */
void nodedev_load(Host *host);
/* Waits until all devices are known. ERROR_TIMEOUT */
AWAITS MUST_CHECK bool nodedev_wait(Host *host, Error **err);

const NodeDeviceDef *nodedev_def(const Object *device); /* live if it is there, else stored; borrowed */
bool nodedev_is_persistent(const Object *device);
bool nodedev_has_autostart(const Object *device);

/* The document as it is now; @flags: OBJECT_XML_INACTIVE or none. ERROR_NO_NODE_DEVICE: it is gone */
AWAITS MUST_CHECK bool nodedev_get_xml(Object *device, unsigned flags, const char *function, char **ret_xml,
                                       Error **err);
/* The host bus adapter with these world wide names; a reference. ERROR_NO_NODE_DEVICE */
Object *nodedev_find_by_wwn(Host *host, const char *wwnn, const char *wwpn, Error **err);

/* ---- giving a PCI device to a machine (nodedev_assign.c) ---- */

/* Takes it from its driver and gives it to @driver: NULL or "vfio" is vfio-pci, others are the names of
 * drivers made for that.
 *
 * ERROR_ARGUMENT_UNSUPPORTED  this host has no VFIO
 * ERROR_INVALID_ARGUMENT      no PCI device; no such driver
 * ERROR_OPERATION_FAILED      the driver does not take it: it is back where it was */
AWAITS MUST_CHECK bool nodedev_detach(Object *device, const char *driver, const Caller *caller, Error **err);
/* Gives it back to the driver that is made for it. One that no VFIO driver has stays where it is. */
AWAITS MUST_CHECK bool nodedev_reattach(Object *device, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool nodedev_reset(Object *device, const Caller *caller, Error **err);

/* Lets a card that can have virtual functions have so many, until the host reboots.
 *
 * ERROR_INVALID_ARGUMENT  no PCI device; more than it can have
 * ERROR_OPERATION_UNSUPPORTED  it has no virtual functions
 * ERROR_BUSY              one of those that would go is given away */
AWAITS MUST_CHECK bool nodedev_set_functions(Object *device, unsigned count, const Caller *caller,
                                             Error **err);

/* ---- devices that are made (nodedev_mdev.c) ---- */

/* A mediated device or a virtual host bus adapter, until the host reboots. A reference.
 *
 * ERROR_CONFIG_UNSUPPORTED  the parent is missing, or cannot make such a device; another kind of device
 * ERROR_OPERATION_FAILED    the driver says no */
AWAITS Object *nodedev_create_xml(Host *host, const char *xml, unsigned flags, const char *function,
                                  const Caller *caller, Error **err);
AWAITS MUST_CHECK bool nodedev_destroy(Object *device, const Caller *caller, Error **err);
/* Of mediated devices alone, by mdevctl. ERROR_SYSTEM ENOENT: it is not installed */
AWAITS Object *nodedev_define_xml(Host *host, const char *xml, unsigned flags, const char *function,
                                  const Caller *caller, Error **err);
AWAITS MUST_CHECK bool nodedev_undefine(Object *device, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool nodedev_start(Object *device, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool nodedev_set_autostart(Object *device, bool autostart, const Caller *caller,
                                             Error **err);
/* Of a mediated device its settings, of a PCI device how many virtual functions it has. @flags: 0 as it is, 1
 * the device, 2 its definition. Type and UUID cannot change. */
AWAITS MUST_CHECK bool nodedev_update(Object *device, const char *xml, unsigned flags, const char *function,
                                      const Caller *caller, Error **err);
