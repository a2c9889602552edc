/* The leases of a machine's disks (storage/lease.h): taken before its files are lent to QEMU, passed to it,
 * given back with the disk or the machine. For this room. All do nothing where no leases are kept. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"

/* Those of all of vm->live, and of its <lease> elements; held by the run until they are passed.
 * ERROR_BUSY, ERROR_CONFIG_UNSUPPORTED: none is there and one is required */
AWAITS MUST_CHECK bool vm_lease_take_all(Vm *vm, Error **err);
/* To a QEMU that has just answered. */
AWAITS MUST_CHECK bool vm_lease_pass(Vm *vm, Error **err);
/* Of a disk that comes while the machine runs. */
AWAITS MUST_CHECK bool vm_lease_add(Vm *vm, const DiskDef *disk, Error **err);
/* The image at @path is not written to any more. */
AWAITS void vm_lease_drop(Vm *vm, const char *path);
/* All of them, while the machine runs: it goes on elsewhere. */
AWAITS void vm_lease_drop_all(Vm *vm);
/* QEMU is gone. */
AWAITS void vm_lease_forget_all(Vm *vm);
