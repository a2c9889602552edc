/* Ports of this host that lead to machines on a network with NAT.
 *
 * They are kept in the network's metadata, and applied in its table of nftables for as long as it is active.
 * A machine is named: its address is that of its lease or of its static host, and the rule follows when that
 * changes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/network.h"
#include "core/object.h"

typedef struct PortForward {
    bool is_udp;
    char *address; /* of this host; NULL: all that it has of IPv4 */
    uint32_t port;
    char *target; /* a machine, or an address */
    uint32_t target_port;
} PortForward;

/* Those of @def; *ret_forwards owned: PortForward. ERROR_XML_*: somebody else wrote nonsense there */
MUST_CHECK bool port_forwards_read(const NetworkDef *def, GPtrArray **ret_forwards, Error **err);

/* "[tcp:|udp:][ADDRESS:]PORT" and "MACHINE[:PORT]"; @target NULL: *ret_forward has none. Owned.
 * ERROR_INVALID_ARGUMENT with a hint */
MUST_CHECK bool port_forward_parse(const char *listen, const char *target, PortForward **ret_forward,
                                   Error **err);
void port_forward_free(PortForward *forward);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PortForward, port_forward_free)

/* Adds it, or removes it if @target is NULL, from the definition and from what runs.
 *
 * ERROR_OPERATION_FAILED  another forward has that port, or a program of this host listens on it
 * ERROR_INVALID_STATE     not a network with NAT
 * ERROR_INVALID_ARGUMENT  there is no such forward */
AWAITS MUST_CHECK bool network_forward_change(Object *network, const char *listen, const char *target,
                                              const Caller *caller, Error **err);
/* The address that a forward's target has on the network now; owned, NULL: none. */
AWAITS char *network_forward_guest(Object *network, const PortForward *forward);
