/* The inside of networks, for the files of this room. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fiber.h"
#include "base/json.h"
#include "core/host_private.h"
#include "core/object_class.h"
#include "network/dnsmasq.h"
#include "network/network.h"
#include "network/port.h"

/* ---- pools of devices (network_pool.c) ---- */

/* Are the addresses of virtual functions? ERROR_CONFIG_UNSUPPORTED */
MUST_CHECK bool network_pool_check(const NetworkDef *def, Error **err);
/* The virtual functions of <pf>, as they are now. ERROR_INTERNAL: it has none */
MUST_CHECK bool network_pool_fill(NetworkDef *def, Error **err);

struct Network {
    OBJECT_BASE(NetworkDef);
    DnsmasqPaths paths;
    Process *dnsmasq; /* NULL: it does not run, or is not wanted */
    unsigned n_failures;
    sd_event_source *restart; /* of dnsmasq, after it ended */
    GPtrArray *ports;         /* NetworkPortDef; empty if it is not active */
    char *rules;              /* that were put in place; NULL: not by this daemon */
    bool has_rules;           /* perhaps only in part */
    bool is_following, has_more_to_follow;
    unsigned n_dropped; /* kinds of its packets that others were last seen to drop */
    bool was_remade;    /* its bridge, by this daemon, while machines may run */
};

/* What the room keeps for all networks. */
struct NetworkRoom {
    bool default_is_new; /* this daemon made the network `default` */
    bool is_resuming;    /* the networks of an earlier daemon: their rules are there */
    bool rules_are_lost, is_checking;
    bool is_changing_rules;
    WaitQueue rules_turn;            /* to change them */
    sd_event_source *watch;          /* of the rules; NULL: nobody tells */
    bool others_changed, is_looking; /* at rule sets of others */
    Json *others;                    /* as they were read last; NULL: they changed since */
    bool is_writing_hosts;
    WaitQueue hosts_turn;                             /* to write /etc/hosts */
    void (*on_started)(Host *host, const char *name); /* NULL: nobody is told */
    sd_event_source *links;                           /* that go away; likewise */
    sd_event_source *leases;                          /* the folder of files of leases; likewise */
};

/* Makes what runs be like @def, which becomes live with the caller; as it was, if that fails. Bridge and
 * addresses stay. The job is held. */
AWAITS MUST_CHECK bool network_change_live(Network *network, const NetworkDef *def, Error **err);

/* Takes changed copies (owned, also on failure; NULL: that one stays) in place of what is: first what runs
 * follows, then the file; both or none. The job is held. */
AWAITS MUST_CHECK bool network_replace(Network *network, NetworkDef *config, NetworkDef *live, Error **err);

/* ---- rules (network_rules.c) ---- */

/* The rules that follow from @def and from who has which address. @again: even if they are known to be there.
 */
AWAITS MUST_CHECK bool network_apply_rules(Network *network, const NetworkDef *def, bool again, Error **err);
/* No rules is no error. */
AWAITS MUST_CHECK bool network_remove_rules(Network *network, const NetworkDef *def, Error **err);
void network_watch(Host *host); /* rules that somebody removes come back; leases are followed */
/* Somebody removed the bridge of an active network: it is made again, with all that belongs to it
 * (network.c). */
AWAITS void network_remake(Network *network);
/* Other rule sets have to let its guests through, or no longer; failures are logged. */
AWAITS void network_open_others(Network *network, const NetworkDef *def);
AWAITS void network_close_others(const Network *network, const NetworkDef *def);
/* Puts the bridge into the zone that the document names, if it names one. */
AWAITS MUST_CHECK bool network_enter_zone(Host *host, const NetworkDef *def, Error **err);
/* Ports or leases have changed: what follows from them (forwarded ports, names) is done soon. */
void network_follow(Network *network);

/* ---- names on this host (resolve.c) ---- */

/* If @def asks for it; failures are logged. */
AWAITS void network_register_names(Network *network, const NetworkDef *def);
AWAITS void network_unregister_names(Network *network, const NetworkDef *def);

/* ---- forwarded ports (forward.c) ---- */

/* Those of @def whose machine has an address; owned: FirewallForward */
AWAITS GArray *network_resolve_forwards(Network *network, const NetworkDef *def);
bool network_wants_leases(const NetworkDef *def); /* does anything follow from them? */

/* ---- ports (port.c) ---- */

AWAITS void network_load_ports(Network *network); /* those that an earlier daemon left */
AWAITS void network_drop_ports(Network *network); /* all, with their files */
void network_count_ports(Network *network);       /* into the live definition */
/* Limits what goes over the bridge of @def to what it says, with what its ports are guaranteed. */
AWAITS MUST_CHECK bool network_shape(const Network *network, const NetworkDef *def, Error **err);
AWAITS void network_unshape(const NetworkDef *def); /* failures are logged */

/* ---- leases (network_leases.c) ---- */

/* Of @text, a file of dnsmasq's: those that last at @now_s, of @mac (NULL: all). Owned: NetworkLeaseInfo */
GPtrArray *network_read_leases(const Network *network,
                               const NetworkDef *def); /* all that last; AWAITS; owned */
GPtrArray *network_parse_leases(const NetworkDef *def, const char *text, int64_t now_s, const char *mac);

/* ---- the bridge (network_bridge.c) ---- */

/* Makes it with its addresses and routes. All or nothing. */
AWAITS MUST_CHECK bool network_bridge_up(Host *host, const NetworkDef *def, Error **err);
AWAITS void network_bridge_down(const NetworkDef *def); /* failures are logged */
/* One that is there gets what it lacks of addresses and routes; false: it has to be made. */
AWAITS bool network_bridge_repair(const NetworkDef *def);
/* A tap that lost its bridge becomes a port of it again. */
AWAITS MUST_CHECK bool network_bridge_rejoin(const NetworkDef *def, const char *port, bool is_isolated,
                                             Error **err);
/* A subnet 192.168.N.0/24 that neither this host nor another network uses; *ret_third: N. */
AWAITS MUST_CHECK bool network_find_subnet(Host *host, unsigned *ret_third, Error **err);
