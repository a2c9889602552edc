/* The host's end of a machine's interface: a tap on a bridge, or a macvtap on a device of the host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "conf/domain_def.h"
#include "network/netlink.h"

typedef struct LinkSpec {
    const char *bridge; /* of a tap; NULL: none */
    const char *lower;  /* of a macvtap; NULL: a tap */
    DirectMode mode;
    Mac mac;
    unsigned mtu; /* 0: as the other side has it */
    unsigned n_queues;
    bool is_isolated;       /* on its bridge */
    bool is_foreign;        /* it exists, and only its name is used of the above */
    const char *tap_device; /* NULL: /dev/net/tun */
    unsigned coalesce_frames;
    const BandwidthLimit *inbound, *outbound; /* towards the guest, from it; NULL: no limit */
    const GPtrArray *ips, *routes;            /* of the host's end: InterfaceIp, NetworkRoute; NULL: none */
} LinkSpec;

/* Makes it in a worker. *io_name: a name or a template with %d, or NULL for vnetN and macvtapN; the real name
 * afterwards. A tap goes with its last descriptor, a macvtap with link_detach().
 *
 * ERROR_SYSTEM  what the kernel says ... ENODEV: there is no such bridge or device */
AWAITS MUST_CHECK bool link_attach(const LinkSpec *spec, char **io_name, int *ret_fds /* n_queues of them */,
                                   Error **err);
/* Changes the limits of a link that is there; NULL: none. @is_macvtap: it is one, so what the guest receives
 * enters it. */
AWAITS MUST_CHECK bool link_limit(const char *name, bool is_macvtap, const BandwidthLimit *inbound,
                                  const BandwidthLimit *outbound, Error **err);
/* Plugs a tap into another bridge, or isolates it or not where it is. @mtu 0: as the bridge has it. */
AWAITS MUST_CHECK bool link_replug(const char *name, const char *bridge, bool is_isolated, unsigned mtu,
                                   Error **err);
/* What a macvtap lets in: its address, all multicast, everything. */
AWAITS MUST_CHECK bool link_set_filter(const char *name, const Mac *mac, bool all_multicast, bool promiscuous,
                                       Error **err);
/* How many packets a tap hands on together; 0: each. */
AWAITS MUST_CHECK bool link_set_coalesce(const char *name, unsigned frames, Error **err);
/* The address that virtual function number @function of the card @name has from its next driver on. */
AWAITS MUST_CHECK bool link_set_function_mac(const char *name, unsigned function, const Mac *mac,
                                             Error **err);
/* Who the host's neighbours are. *ret_neighbours owned: NeighbourInfo */
AWAITS MUST_CHECK bool link_list_neighbours(GArray **ret_neighbours, Error **err);
/* Removes a macvtap; one that is gone is no error. Failures are logged. */
AWAITS void link_detach(const char *name);
/* Removes the macvtap on @lower with that address, of which nobody knows the name any more. */
AWAITS void link_detach_mac(const char *lower, const Mac *mac);
