/* Unix and TCP sockets, and descriptors passed over them. All descriptors are non-blocking and close-on-exec.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Paths longer than sun_path are reached through a descriptor of the directory, so any length works. An
 * existing socket file that nobody answers on is replaced; one that answers is ERROR_BUSY. */
MUST_CHECK bool socket_listen_unix(const char *path, mode_t mode, int *ret_fd, Error **err);
/* The same for @name in the folder @dir_fd, which somebody else may be able to write; the file is given to
 * @uid:@gid ((uid_t)-1: stays ours). @path: as people know it. Touches the disk: in a worker. */
MUST_CHECK bool socket_listen_unix_at(int dir_fd, const char *name, const char *path, mode_t mode, uid_t uid,
                                      gid_t gid, int *ret_fd, Error **err);
/* Connects to the socket that @path_fd (O_PATH) refers to and waits a few seconds if it is busy: in a worker.
 * A blocking descriptor, for another process; -1. */
int socket_connect_found(int path_fd, const char *path, Error **err);
AWAITS MUST_CHECK bool socket_connect_unix(const char *path, uint64_t timeout_ms, int *ret_fd, Error **err);
/* The same by a path where a lesser user can put links: a foreign one (base/trail.h) is refused. */
AWAITS MUST_CHECK bool socket_connect_unix_trusted(const char *path, uint64_t timeout_ms, int *ret_fd,
                                                   Error **err);

typedef struct PeerCredentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    uint64_t start_time;
} PeerCredentials;
MUST_CHECK bool socket_peer_credentials(int fd, PeerCredentials *ret_peer, Error **err);

/* One zero byte carrying one descriptor (SCM_RIGHTS). false with ERROR_SYSTEM/EAGAIN if the socket is
 * full. */
MUST_CHECK bool socket_send_fd(int fd, int passed_fd, Error **err);

bool fd_set_nonblocking(int fd);
