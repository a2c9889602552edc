/* Network interfaces of machines: their limits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "core/params.h"
#include "machine/vm.h"

/* Limits of an interface, by its device on the host or its MAC: "inbound.average" ... */
AWAITS MUST_CHECK bool vm_get_interface_limits(Vm *vm, const char *device, unsigned flags,
                                               Params **ret_params, Error **err);
typedef struct InterfaceLimits {
    bool set_inbound, set_outbound; /* which are to be changed, as a whole */
    BandwidthLimit inbound, outbound;
} InterfaceLimits;
AWAITS MUST_CHECK bool vm_set_interface_limits(Vm *vm, const char *device, const InterfaceLimits *limits,
                                               unsigned flags, const Caller *caller, Error **err);

typedef struct MonitorAnnounce MonitorAnnounce; /* qemu/monitor.h */
/* The guest tells the switches around where it is: @device: an interface, by its device on the host or its
 * MAC; NULL: all of them. ERROR_INVALID_ARGUMENT */
AWAITS MUST_CHECK bool vm_announce_interface(Vm *vm, const char *device, const MonitorAnnounce *how,
                                             unsigned flags, const Caller *caller, Error **err);
