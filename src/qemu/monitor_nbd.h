/* The NBD server inside of QEMU, by which programs read disks. Calls as in monitor.h. QEMU has one at most.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/monitor.h"

typedef struct MonitorNbdServer {
    int fd; /* a listening unix socket, borrowed; -1: QEMU listens itself, at: */
    const char *host;
    unsigned port;
    const char *tls_id; /* of the credentials; NULL: none */
} MonitorNbdServer;
AWAITS MUST_CHECK bool monitor_nbd_start(Qmp *qmp, const MonitorNbdServer *server, uint64_t timeout_ms,
                                         Error **err);
/* Certificates in @dir; with @verify clients show one, too. */
AWAITS MUST_CHECK bool monitor_nbd_add_tls(Qmp *qmp, const char *id, const char *dir, bool verify,
                                           uint64_t timeout_ms, Error **err);
/* The same for who connects to a server. */
AWAITS MUST_CHECK bool monitor_add_client_tls(Qmp *qmp, const char *id, const char *dir, bool verify,
                                              uint64_t timeout_ms, Error **err);
/* Serves the node @node as @name, for writing. */
AWAITS MUST_CHECK bool monitor_nbd_export_writable(Qmp *qmp, const char *node, const char *name,
                                                   uint64_t timeout_ms, Error **err);
/* Serves the node @node as @name, for reading; @bitmap of it (NULL: none) tells what changed. */
AWAITS MUST_CHECK bool monitor_nbd_export(Qmp *qmp, const char *node, const char *name, const char *bitmap,
                                          uint64_t timeout_ms, Error **err);
/* All clients are gone when this returns. What is not there is no failure, here and in the next. */
AWAITS MUST_CHECK bool monitor_nbd_stop(Qmp *qmp, uint64_t timeout_ms, Error **err);
AWAITS MUST_CHECK bool monitor_nbd_remove_tls(Qmp *qmp, const char *id, uint64_t timeout_ms, Error **err);
