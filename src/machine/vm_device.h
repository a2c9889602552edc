/* Devices that come, change and go: in a definition, in a running machine, or in both.
 *
 * @xml: the device's element. @flags: virDomainDeviceModifyFlags (1 live, 2 config, 0: live if it runs, else
 * config). A running machine has a new device in its document, saved, before QEMU hears of it, so whoever
 * takes the machine over finds what belongs to it (vm_device_reconcile()).
 *
 * ERROR_DEVICE_MISSING        the machine has none like that
 * ERROR_OPERATION_FAILED      it has several
 * ERROR_INVALID_STATE         not running, or no definition
 * ERROR_CONFIG_UNSUPPORTED, ERROR_OPERATION_UNSUPPORTED  what is described can't be, or not while it runs
 * ERROR_INTERNAL              no free place on a bus of the running machine */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

AWAITS MUST_CHECK bool vm_attach_device(Vm *vm, const char *xml, unsigned flags, const Caller *caller,
                                        Error **err);
/* The guest has to let go of its device. One that has not within some seconds may still do so: then it is
 * removed, and an event tells. Success until then means that it was asked. */
AWAITS MUST_CHECK bool vm_detach_device(Vm *vm, const char *xml, unsigned flags, const Caller *caller,
                                        Error **err);
AWAITS MUST_CHECK bool vm_detach_device_alias(Vm *vm, const char *alias, unsigned flags, const Caller *caller,
                                              Error **err);
AWAITS MUST_CHECK bool vm_update_device(Vm *vm, const char *xml, unsigned flags, const Caller *caller,
                                        Error **err);
