/* WebSocket over a connection that was a request: messages in, messages out, for fibers.
 *
 * One fiber reads; any may send. Pings keep the way open, and notice who is gone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/server.h"

#define WEBSOCKET_MESSAGE_MAX ((size_t)1048576)
#define WEBSOCKET_TEXT 1
#define WEBSOCKET_BINARY 2

typedef struct WebSocket WebSocket;

/* Answers @req, if it asks for WebSocket: @run speaks it afterwards, in a fiber, and closes it by returning.
 * @protocol: the subprotocol that is taken if the client offers it; NULL: none. @arg owned from here on:
 * @arg_free is called at the end, or on failure. ERROR_INVALID_ARGUMENT */
MUST_CHECK bool websocket_accept(HttpRequest *req, const char *protocol,
                                 void (*run)(HttpSocket *socket, void *arg), void *arg,
                                 void (*arg_free)(void *arg), Error **err);

/* In the fiber of @run. @socket borrowed. */
WebSocket *websocket_new(HttpSocket *socket);
void websocket_free(WebSocket *ws);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WebSocket, websocket_free)

/* The next message; owned. NULL without an error: the peer closed it.
 * ERROR_PROTOCOL, ERROR_OVERFLOW, ERROR_TIMEOUT (it is gone), ERROR_CANCELLED */
AWAITS GBytes *websocket_read(WebSocket *ws, int *ret_opcode, Error **err);
/* Waits while much is on its way already. ERROR_TIMEOUT: the peer has not read for long. */
AWAITS MUST_CHECK bool websocket_send(WebSocket *ws, int opcode, const void *data, size_t len, Error **err);
/* Says goodbye, and why (a number of RFC 6455). */
AWAITS void websocket_close(WebSocket *ws, unsigned status, const char *reason);
