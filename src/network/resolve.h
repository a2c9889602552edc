/* Names of guests on this host: what <domain register='yes'/> asks for.
 *
 * Where systemd-resolved runs, it is told to ask the network's dnsmasq for the network's domain. Elsewhere
 * the names stand in /etc/hosts between two marks, for as long as the network is active. A guest names
 * itself: what it says counts with the network's domain behind it only, the plain name is that of the
 * machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object.h"

/* Turns it on (a network without a domain gets its own name as domain) or off, for the definition and what
 * runs. *ret_how: what answers on this host now, for people; owned.
 *
 * ERROR_INVALID_STATE  the network has no dnsmasq */
AWAITS MUST_CHECK bool network_resolve(Object *network, bool on, const Caller *caller, char **ret_how,
                                       Error **err);
