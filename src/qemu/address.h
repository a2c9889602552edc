/* Device aliases and addresses, assigned as libvirt does, so that a guest sees the same hardware under either
 * daemon and after each restart.
 *
 * qemu_assign_addresses() runs when a machine is defined: every device that needs one gets a PCI, drive, USB,
 * virtio-serial or CCID address (q35 gets pcie-root-ports as needed; controllers that are missing are added).
 * Addresses given by the user stay. qemu_assign_aliases() runs at start: aliases live in the live definition
 * only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "qemu/qemu_caps.h"

/* ERROR_XML_INVALID / ERROR_CONFIG_UNSUPPORTED: two devices at one address, no free slot, a bus that is not
 * there. */
MUST_CHECK bool qemu_assign_addresses(DomainDef *def, const QemuCaps *caps, Error **err);
/* Gives names to devices that have none; those of others never change. */
void qemu_assign_aliases(DomainDef *def);
/* Numbers of the block nodes ("libvirt-N-format") that have none: the last disk has the lowest, and in each
 * chain they count from the image in use downwards. An empty drive uses one up, but does not carry it: there
 * is no node yet. @last: the highest number that the machine ever used; it grows, and lives as long as the
 * machine runs, so that no number comes twice. */
void qemu_number_nodes(DomainDef *def, uint32_t *last);
/* After that: images that were found below come after all that the document names. */
void qemu_number_found(DomainDef *def, uint32_t *last);
/* The same for a disk that comes to a running machine. */
void qemu_number_disk(DiskDef *disk, uint32_t *last);
/* The addresses of the disks on SCSI controller @controller have a LUN; on older models the unit is the
 * target. */
bool qemu_scsi_has_luns(const DomainDef *def, unsigned controller);
