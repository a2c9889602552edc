/* What packets of a network's guests may do: chains of a network in a table of nftables that all share, found
 * by maps from interface and subnet; a table of its own for ports that lead to its guests. Each is replaced
 * in one transaction.
 *
 * An accept in our table does not save a packet that another table drops; what others do is theirs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/ip.h"
#include "conf/network.h"

/* A port of this host that leads to a guest. */
typedef struct FirewallForward {
    bool is_udp;
    bool has_address; /* else: any of the host's, of IPv4 */
    IpAddress address;
    unsigned port;
    IpAddress guest;
    unsigned guest_port;
} FirewallForward;

/* The rules of @def as a script for nft; "" for a network without rules (open, bridge ...). @forwards:
 * FirewallForward, NULL: none. Caller owns. */
char *firewall_format(const NetworkDef *def, const GArray *forwards);
/* Puts such a script in place of what was there. ERROR_SYSTEM with a hint: no nft; ERROR_INTERNAL: what it
 * says */
AWAITS MUST_CHECK bool firewall_load(const char *rules, Error **err);
/* One that has no rules is no error. @is_last: no other network has rules, and none gets some meanwhile. */
AWAITS MUST_CHECK bool firewall_remove(const NetworkDef *def, bool is_last, Error **err);
/* Calls @func whenever somebody but this daemon removes something of our tables, or changes a table of
 * others, or when that was perhaps missed. The source is owned; unref'ing it ends that. */
MUST_CHECK bool firewall_watch(void (*func)(bool is_ours, void *arg), void *arg, sd_event_source **ret_source,
                               Error **err);
/* Are its rules still there? */
AWAITS bool firewall_is_there(const NetworkDef *def);
