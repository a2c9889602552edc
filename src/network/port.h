/* Ports of networks: what interfaces of machines are plugged into.
 *
 * A port belongs to a network that is active, has a UUID and a file
 * (run/libvirt/network/NAME/ports/UUID.xml), by which a restarted daemon knows it again. The network counts
 * its ports, and those of each of its devices. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/network.h"
#include "core/object.h"

/* Those of @network: NetworkPortDef, borrowed until the next await. */
const GPtrArray *network_ports(const Object *network);
/* Borrowed until the next await; NULL: the protocol's "no network port". */
const NetworkPortDef *network_port_find(const Object *network, const Uuid *uuid, Error **err);
char *network_port_format(const NetworkPortDef *port); /* its document; caller owns */
/* @flags: virNetworkPortCreateFlags. *ret_uuid: the new one's. */
AWAITS MUST_CHECK bool network_port_create_xml(Object *network, const char *xml, unsigned flags,
                                               const char *function, const Caller *caller, Uuid *ret_uuid,
                                               Error **err);
AWAITS MUST_CHECK bool network_port_delete(Object *network, const Uuid *uuid, const Caller *caller,
                                           Error **err);
/* Gives it these limits instead of its own, copies; NULL: none. Only the guaranteed rate has an effect here:
 * the link is the machine's. ERROR_OPERATION_UNSUPPORTED, ERROR_INVALID_STATE: it can't be guaranteed */
AWAITS MUST_CHECK bool network_port_set_limits(Object *network, const Uuid *uuid,
                                               const BandwidthLimit *inbound, const BandwidthLimit *outbound,
                                               const Caller *caller, Error **err);

/* ---- for machines ---- */

/* Gives @iface, of type network and of the machine @owner, a port: port_id, actual_* and what the network and
 * its port group add to its definition (isolation, bandwidth).
 *
 * ERROR_NO_NETWORK     there is none of that name
 * ERROR_INVALID_STATE  it is not active
 * ERROR_CONFIG_UNSUPPORTED  a kind of network that machines cannot be plugged into yet
 * ERROR_BUSY           no device of the network is free */
AWAITS MUST_CHECK bool network_plug(Host *host, const char *owner, const Uuid *owner_uuid,
                                    InterfaceDef *iface, Error **err);
/* The same for the port of @iface. One without a port has nothing to change. */
AWAITS MUST_CHECK bool network_replug_bandwidth(Host *host, const InterfaceDef *iface,
                                                const BandwidthLimit *inbound, const BandwidthLimit *outbound,
                                                Error **err);
/* The network of a running machine's interface was stopped and has started again: the port is made anew, and
 * the tap joins the new bridge. Nothing if it is as it should be. */
AWAITS MUST_CHECK bool network_replug(Host *host, const char *owner, const Uuid *owner_uuid,
                                      InterfaceDef *iface, bool *ret_changed, Error **err);
/* Takes it back; one that is gone is no error. Failures are logged. */
AWAITS void network_unplug(Host *host, InterfaceDef *iface);
/* After all machines are known: removes ports that no running machine has; @has says which one has what. */
AWAITS void network_forget_orphans(Host *host, bool (*has)(Host *host, const Uuid *owner, const Uuid *port));
