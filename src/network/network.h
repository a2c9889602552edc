/* Networks: switches of this host with addresses, DHCP and names, or ways to switches that are there.
 *
 * A network is an object of network_class. One with a bridge of its own (nat, route, open, isolated) makes it
 * when it starts, with addresses, routes, a table of nftables and a dnsmasq, and takes all of it back when it
 * stops; started halfway it is taken back at once. All of it outlives the daemon and is found again by the
 * next one; what somebody else removed meanwhile is put back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/network.h"
#include "core/object.h"

extern const ObjectClass network_class;
typedef struct Network Network;

/* Gives the host a registry of networks. Once, before anything is loaded. */
void network_open(Host *host);
/* Reads the definitions; a host that has none yet gets `default`, on a subnet that nobody uses
 * (below a --root it is not started). Those that an
 * earlier daemon had started are active again when this returns. */
AWAITS MUST_CHECK bool network_load(Host *host, Error **err);
/* Starts those that are marked so, and returns when they have started: machines want them. @is_first: since
 * the host booted; else only a `default` that is new. */
AWAITS void network_autostart_all(Host *host, bool is_first);

/* Calls @func whenever a network has started: machines that run on it may want to be plugged in again. Once.
 */
void network_on_started(Host *host, void (*func)(Host *host, const char *name));
/* Makes, starts and marks for autostart a network on a subnet that nobody uses. @forward: nat, route, open;
 * NULL: isolated. A reference. */
AWAITS MUST_CHECK Object *network_make(Host *host, const char *name, const char *forward,
                                       const Caller *caller, Error **err);

const NetworkDef *network_def(const Object *network); /* live if it is active, else stored; borrowed */
/* ERROR_INTERNAL "network 'x' does not have a bridge name." */
MUST_CHECK bool network_get_bridge(const Object *network, char **ret_name, Error **err);

/* @command: virNetworkUpdateCommand; @section: virNetworkUpdateSection; @index: of the parent, -1: any;
 * @flags: virNetworkUpdateFlags. What runs changes at once, without restarting what needs no restart. */
AWAITS MUST_CHECK bool network_update(Object *network, unsigned command, unsigned section, int index,
                                      const char *xml, unsigned flags, const char *function,
                                      const Caller *caller, Error **err);

/* @type: METADATA_* (conf/metadata.h); @flags: virNetworkUpdateFlags. ERROR_NO_DOMAIN_METADATA: there is none
 */
AWAITS MUST_CHECK bool network_set_metadata(Object *network, int type, const char *metadata, const char *key,
                                            const char *uri, unsigned flags, const char *function,
                                            const Caller *caller, Error **err);
AWAITS MUST_CHECK bool network_get_metadata(Object *network, int type, const char *uri, unsigned flags,
                                            const char *function, char **ret_text, Error **err);

typedef struct NetworkLeaseInfo {
    int64_t expiry_s; /* since 1970; 0: never */
    bool is_v6;
    char *mac, *iaid, *ip, *hostname, *client_id; /* NULL: not known */
    unsigned prefix;
} NetworkLeaseInfo;
/* Of @mac (NULL: all). *ret_leases owned: NetworkLeaseInfo; none if it is not active. */
AWAITS MUST_CHECK bool network_get_leases(Object *network, const char *mac, GPtrArray **ret_leases,
                                          Error **err);
