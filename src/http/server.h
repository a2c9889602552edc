/* The web's front end: listening sockets, connections, and requests on their way to a route.
 *
 * HTTP/1.1 is libmicrohttpd's, which runs in our loop. It listens where the configuration says (web_listen,
 * web_port) and on run/libvirt/lodge-web-sock. Bounds: connections, connections of one address, bytes of
 * headers and bodies, seconds without a byte, seconds for the headers, requests under way of one user. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/backend.h"
#include "http/request.h"

/* A port that cannot be had is a warning, not a failure: machines do not depend on a page. *ret_server NULL:
 * the web is switched off. @backend is copied. */
AWAITS MUST_CHECK bool http_server_start(const HttpBackend *backend, HttpServer **ret_server, Error **err);
/* Ends all connections; requests that run go on, and are cancelled with all fibers. */
void http_server_stop(HttpServer *server);
/* After all fibers have ended. NULL does nothing. */
void http_server_free(HttpServer *server);

/* A request that did not come by a connection: @caller, an administrator, asks for @target ("/users", below
 * HTTP_API) with a JSON @body (NULL: none). *ret_body owned: the answer, also of a failure, which *ret_status
 * tells. ERROR_OVERFLOW: the answer is a stream, or no text */
AWAITS MUST_CHECK bool http_server_call(HttpServer *server, const Caller *caller, const char *method,
                                        const char *target, const char *body, unsigned *ret_status,
                                        char **ret_body, Error **err);

HttpHub *http_server_hub(const HttpServer *server); /* borrowed */

/* A connection that speaks something else now. In its fiber. */
int http_socket_fd(const HttpSocket *socket); /* borrowed, non-blocking */
/* Bytes that had come with the request; borrowed. */
const uint8_t *http_socket_early(const HttpSocket *socket, size_t *ret_len);
void http_socket_close(HttpSocket *socket); /* frees */
