/* What packets of a network's guests may do: a table of nftables for each network, replaced in one
 * transaction.
 *
 * An accept in our table does not save a packet that another table drops; what others do is theirs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "conf/network.h"

/* The rules of @def as a script for nft; "" for a network without rules (open, bridge ...). Caller owns. */
char *firewall_format(const NetworkDef *def);
/* Puts them in place of what was there. ERROR_SYSTEM with a hint: no nft; ERROR_INTERNAL: what it says */
AWAITS MUST_CHECK bool firewall_apply(const NetworkDef *def, Error **err);
/* One that has no rules is no error. */
AWAITS MUST_CHECK bool firewall_remove(const NetworkDef *def, Error **err);
/* Calls @func whenever somebody removes something of a table of ours, which may be ourselves. The source is
 * owned; unref'ing it ends that. */
MUST_CHECK bool firewall_watch(void (*func)(void *arg), void *arg, sd_event_source **ret_source, Error **err);
/* Runs nft with @arguments (NULL at the end) and @script (NULL: none) as its input. *ret_out: what it prints,
 * owned; NULL: dropped. ERROR_SYSTEM with a hint: no nft; ERROR_INTERNAL: what it says */
AWAITS MUST_CHECK bool firewall_run_nft(const char *const *arguments, const char *script, char **ret_out,
                                        Error **err);
/* Is the table still there? */
AWAITS bool firewall_is_there(const NetworkDef *def);
