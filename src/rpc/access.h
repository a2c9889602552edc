/* Whether a client may make this call on that object: asked after arguments are decoded and before anything
 * is done. root on this host may everything; others what access.conf (core/acl.h) and, if it is an access
 * driver, polkit say. Without either everybody who came in may everything. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/event.h"
#include "core/object.h"
#include "rpc/dispatch.h"

/* Reads access.conf; what was read before stays on failure. */
AWAITS MUST_CHECK bool rpc_access_load(Host *host, Error **err);
void rpc_access_shutdown(void);

/* Do rules say what this client may do? */
bool rpc_access_is_bounded(const RpcClient *client);
/* ERROR_ACCESS_DENIED says who lacks which right on what, and which rule says so; the log has it, too. */
AWAITS MUST_CHECK bool rpc_access_check(RpcCall *call, Error **err);
/* Of a call that looks something up: the object that it found. */
AWAITS MUST_CHECK bool rpc_access_check_found(RpcCall *call, const void *ret, Error **err);
/* May this client know of an object in a list? */
AWAITS bool rpc_access_may_see(RpcCall *call, Object *object);
/* May it hear of this event? Rules decide; polkit was asked when it registered. */
bool rpc_access_may_hear(RpcClient *client, const Event *event);
