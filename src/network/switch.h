/* Ports of switches, where a tap on a plain bridge is not all: VLANs, and Open vSwitch. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "core/host.h"

/* The bridge whose port the interface's tap is made as; NULL: it has none, or joins it in switch_join(). */
const char *switch_bridge(const InterfaceDef *iface);
/* Can what @iface asks of its switch be done? Once it is plugged into its network.
 * ERROR_CONFIG_UNSUPPORTED naming what cannot */
MUST_CHECK bool switch_check(const InterfaceDef *iface, Error **err);
/* After its tap (iface->target) was made. @owner: of the machine.
 *
 * ERROR_SYSTEM with a hint: a bridge that does not filter by VLANs, or there is no Open vSwitch;
 * ERROR_INTERNAL: what it says */
AWAITS MUST_CHECK bool switch_join(const Host *host, const InterfaceDef *iface, const Uuid *owner,
                                   Error **err);
/* What outlives the tap; one that is in no switch is no error. Failures are logged. */
AWAITS void switch_leave(const Host *host, const InterfaceDef *iface);
