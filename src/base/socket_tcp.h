/* TCP sockets by name: looking a name up happens in a worker, connecting in the fiber. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* Listening sockets for @port on each address of @host (NULL: all of this machine); *ret_fds: GArray of int,
 * each owned by the caller. All or none. */
AWAITS MUST_CHECK bool socket_listen_tcp(const char *host, const char *port, uint64_t timeout_ms,
                                         GArray **ret_fds, Error **err);
/* Tries the addresses of @host one after the other. The error is that of the last one. */
AWAITS MUST_CHECK bool socket_connect_tcp(const char *host, const char *port, uint64_t timeout_ms,
                                          int *ret_fd, Error **err);
/* "192.0.2.7;16514" of the other end, or our own; owned. NULL: no TCP socket. */
char *socket_peer_address(int fd);
char *socket_own_address(int fd);
