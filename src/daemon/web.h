/* The web's front end, given what it calls with: the handlers of the protocol's. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/server.h"
#include "rpc/server.h"

/* For rpc_front_start(): calls of the protocol that the web answers. */
extern const RpcTable web_calls[];

/* As http_server_start(). @rpc: borrowed, outlives the web's fibers. */
AWAITS MUST_CHECK bool web_start(Host *host, RpcServer *rpc, HttpServer **ret_web, Error **err);
void web_free(HttpServer *web); /* NULL does nothing */
