/* Who may come in: nobody needs to say more (none), polkit is asked, or SASL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/dispatch.h"

/* Asks polkit whether the peer may manage (or, on a read-only connection, look). Waits for a person who may
 * have to type a password, at most 5 minutes.
 *
 * ERROR_AUTH_FAILED        refused
 * ERROR_AUTH_CANCELLED     the dialogue was dismissed
 * ERROR_AUTH_UNAVAILABLE   nobody there who could ask (no agent, no polkit, no system bus) */
AWAITS MUST_CHECK bool rpc_auth_polkit(const PeerCredentials *peer, bool read_only, Error **err);
/* The same for any action, with @details: names and values in turn, ends with NULL. @asks: a person may be
 * asked. */
AWAITS MUST_CHECK bool rpc_auth_ask_polkit(const PeerCredentials *peer, const char *action,
                                           const char *const *details, bool asks, Error **err);
void rpc_auth_shutdown(void); /* closes the bus connection at exit */

/* Handlers of auth_list and auth_polkit, for the table of program remote. */
extern const RpcEntry rpc_entries_auth[];
extern const RpcEntry rpc_entries_auth_sasl[];
