/* The whole front end for the daemon: the server with its real tables, on the sockets that the configuration
 * names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/server.h"

/* Listens on what socket activation passed (LISTEN_FDS), or else on libvirt-sock and virtqemud-sock, each
 * with its read-only twin unless the daemon is a user's own. @more: as RpcServerSpec has it. */
MUST_CHECK bool rpc_front_start(Host *host, const RpcTable *more, RpcServer **ret_server, Error **err);
/* Drops all clients and removes the sockets that were made. */
void rpc_front_stop(RpcServer *server);
