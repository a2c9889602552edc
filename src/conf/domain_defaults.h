/* What a domain document leaves open, filled in as libvirt does: so a machine is the same hardware whichever
 * daemon defined it. Addresses are not given here but when the machine is defined, by the layer that knows
 * QEMU's buses. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_device.h"
#include "conf/domain_flags.h"

/* Fills @def in place. Calls hooks->platform, so it may wait. Errors as domain_def_parse(). */
MUST_CHECK bool domain_fill_defaults(DomainDef *def, DomainParseFlags flags, const DomainHooks *hooks,
                                     Error **err);

/* The defaults of one device; @def, the machine around it, may be NULL. */
MUST_CHECK bool device_fill_defaults(DeviceKind kind, void *device, const DomainDef *def, Error **err);

/* Ports of servers that name none. */
void domain_fill_source_defaults(StorageSource *source);

/* The address of a drive that has none follows from its name. ERROR_XML_INVALID: that says nothing. */
MUST_CHECK bool disk_fill_address(DiskDef *disk, Error **err);

/* Adds the controllers that devices need by their drive, serial or CCID addresses and that are not there yet.
 */
void domain_add_implied_controllers(DomainDef *def);

/* Memory modules without an address take the free slots in order. ERROR_INTERNAL: there are too few. */
MUST_CHECK bool domain_fill_memory_slots(DomainDef *def, Error **err);

/* Puts the last disk (controller) of the list in its place: by name among those of its bus (index, type). */
void domain_sort_disks(DomainDef *def);
void domain_sort_controllers(DomainDef *def);

/* true for q35 and friends: the root bus is PCI Express */
#define XHCI_PORTS_MAX 15 /* what QEMU's controllers can have */

bool domain_is_q35(const DomainDef *def);
bool domain_is_i440fx(const DomainDef *def);

/* Whether the machine's firmware has variables of its own, in a file of this machine. */
bool domain_keeps_variables(const DomainDef *def);
