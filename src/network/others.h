/* Rule sets of other programs that drop what guests of our networks send.
 *
 * An accept of ours does not save a packet that another table drops (nft(8)). So the base chains of input and
 * forward are walked with the packets that guests send, and where one is dropped the least rule goes into the
 * place that the program keeps for its owner's rules: DOCKER-USER, the chains of `ufw route` and `ufw allow`,
 * a zone of firewalld by its own tool. A chain that nobody is known to keep is left alone and named. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "conf/network.h"

typedef struct OtherFinding {
    char *chain;      /* "ip filter FORWARD" */
    char *owner;      /* "Docker", "ufw", "firewalld"; NULL: not known */
    const char *what; /* what is dropped: "packets to other networks" */
    char *script;     /* for nft: what lets it through, in the owner's place; NULL: not by nft */
    bool by_tool;     /* firewalld has to be asked; not again if the bridge is in one of its zones */
    char *command;    /* the same for people */
} OtherFinding;

/* @ruleset: what `nft -j list ruleset` says. Owned: OtherFinding, one for each chain and kind of packet. */
GPtrArray *others_find(const Json *ruleset, const NetworkDef *def);
/* Rules of ours in chains of others that are about the network's bridge, as a script for nft that removes
 * them; owned, NULL: there are none. */
char *others_find_own(const Json *ruleset, const NetworkDef *def);

/* What others have; owned. ERROR_SYSTEM: no nft; ERROR_INTERNAL */
AWAITS MUST_CHECK bool others_read(Json **ret_ruleset, Error **err);
/* Puts the missing rules in place. *ret_findings (NULL: not wanted): those that remain, owned. Failures of
 * the owners' tools are logged. true: something was changed, so @ruleset is out of date */
AWAITS bool others_let_through(const Json *ruleset, const NetworkDef *def, GPtrArray **ret_findings);
/* Takes them away again; likewise. */
AWAITS bool others_forget(const Json *ruleset, const NetworkDef *def);
/* Puts the bridge into the zone that the document names; nothing if it names none.
 * ERROR_INTERNAL: there is no firewalld, or what it says */
AWAITS MUST_CHECK bool others_enter_zone(const NetworkDef *def, Error **err);
/* Is firewalld there, and has the bridge in no zone although the document names one? */
bool others_left_zone(const Json *ruleset, const NetworkDef *def);
