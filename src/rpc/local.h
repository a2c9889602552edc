/* Calls from within the daemon: another front end asks what a client of the protocol could ask, in the same
 * way: procedure, typed arguments, the same check of rights, the same handler. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/stream.h"
#include "rpc/server.h"

/* What comes back beside the answer. */
typedef struct RpcLocalExtra {
    Stream *stream; /* owned; of procedures that open one */
    int fd;         /* owned; the first descriptor of the answer; -1: none */
} RpcLocalExtra;

/* A client without a connection, which is open. @caller: who it is; copied, but for client_id, which is set.
 * Ended by rpc_local_free(); what lives as long as its client (machines with AUTODESTROY) ends then. */
RpcClient *rpc_local_new(RpcServer *server, const Caller *caller);
void rpc_local_free(RpcClient *client); /* NULL does nothing */

/* In the caller's fiber. @args, *ret: of the procedure's types; @ret is filled on success, and the caller
 * clears it. @extra: NULL: neither stream nor descriptor is wanted.
 *
 * ERROR_NOT_SUPPORTED  there is no such procedure, or it is about a connection (events)
 * else what the handler says */
AWAITS MUST_CHECK bool rpc_local_call(RpcClient *client, uint32_t program, int32_t number, const void *args,
                                      void *ret, RpcLocalExtra *extra, Error **err);
