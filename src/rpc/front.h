/* The whole front end for the daemon: the server with its real tables, on the sockets that the configuration
 * names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/server.h"

typedef struct RpcFront RpcFront;

/* @daemon: for administrators; borrowed, outlives the front. @more: as RpcServerSpec has it.
 * Listens on what socket activation passed (LISTEN_FDS), or else on libvirt-sock and virtqemud-sock, each
 * with its read-only twin unless the daemon is a user's own, and on that for administrators. */
/* With config->listen also by TLS and TCP; certificates that cannot be used end the start. */
AWAITS MUST_CHECK bool rpc_front_start(Host *host, const RpcDaemon *daemon, const RpcTable *more,
                                       RpcFront **ret_front, Error **err);
RpcServer *rpc_front_server(const RpcFront *front); /* that of clients; borrowed */
/* Reads certificates again, for connections that come from now on; on failure the old ones stay. */
AWAITS MUST_CHECK bool rpc_front_reload(Host *host, RpcServer *server, Error **err);
/* Stops accepting and reading. */
void rpc_front_end(RpcFront *front);
/* Drops all clients and removes the sockets that were made. */
void rpc_front_stop(RpcFront *front);
