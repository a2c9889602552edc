/* The whole front end for the daemon: the server with its real tables, on the sockets that the configuration
 * names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/server.h"

/* Listens on what socket activation passed (LISTEN_FDS), or else on libvirt-sock and virtqemud-sock, each
 * with its read-only twin unless the daemon is a user's own. */
/* With config->listen also by TLS and TCP; certificates that cannot be used end the start. */
AWAITS MUST_CHECK bool rpc_front_start(Host *host, RpcServer **ret_server, Error **err);
/* Reads certificates again, for connections that come from now on; on failure the old ones stay. */
AWAITS MUST_CHECK bool rpc_front_reload(Host *host, RpcServer *server, Error **err);
/* Drops all clients and removes the sockets that were made. */
void rpc_front_stop(RpcServer *server);
