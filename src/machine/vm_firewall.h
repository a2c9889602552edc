/* Machines in security groups (network/filter_group.h). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/caller.h"
#include "machine/vm.h"

/* The interfaces of @vm that are taps on a switch take the filter of its groups, or what they had before it
 * was in any; those of the running machine at once, in its definition for the next start.
 *
 * ERROR_NO_NWFILTER         there is no such group
 * ERROR_INVALID_STATE       it is a member already, or not (@leave)
 * ERROR_CONFIG_UNSUPPORTED  it has no such interface, or they have different filters */
AWAITS MUST_CHECK bool vm_firewall_join(Vm *vm, const char *group, bool leave, const Caller *caller,
                                        Error **err);
