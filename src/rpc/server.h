/* The server of the wire protocol: listening sockets and the clients that came through them.
 *
 * It knows procedures only from the tables it is given. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/event.h"
#include "core/job.h"
#include "rpc/client_conn.h"
#include "rpc/table.h"
#include "wire/tls.h"

/* What an administrator may change beside the servers themselves: the daemon's own business. */
typedef struct RpcDaemon {
    /* "1:stderr"; owned. */
    char *(*get_log_outputs)(void *arg);
    bool (*set_log_outputs)(const char *text, void *arg, Error **err);
    /* Ends when idle for so long; 0: never. */
    void (*set_timeout)(unsigned timeout_s, void *arg);
    void *arg;
} RpcDaemon;

/* Servers that an administrator is shown. */
typedef struct RpcAdmin {
    RpcServer *server, *admin; /* borrowed */
    const RpcDaemon *daemon;   /* borrowed */
} RpcAdmin;

typedef struct RpcServerSpec {
    const RpcAdmin *admin;          /* for those who come to administer; NULL: nobody does */
    Host *host;                     /* handed to handlers; borrowed, outlives the server */
    EventBus *events;               /* whose events clients may ask for; borrowed, outlives the server */
    const RpcTable *tables;         /* ends with program 0; borrowed */
    const RpcTable *more;           /* of others than this layer, likewise; NULL: none */
    unsigned max_clients;           /* accepting pauses above; the last places are root's; 0: 5000 */
    unsigned max_unauthenticated;   /* more are refused; 0: 20 */
    unsigned max_calls;             /* under way for one client; 0: 5 */
    unsigned max_user_calls;        /* under way for one user that is not root; 0: 20 */
    unsigned max_user_urgent_calls; /* and so many more for those that are urgent; 0: 5 */
    unsigned max_queued;            /* connections that nobody accepted yet; 0: as the socket has it */
    int keepalive_interval_s;       /* -1: never ping */
    unsigned keepalive_count;
    bool is_session; /* a user's own daemon: opens qemu:///session only */
    /* A client left, after its calls ended that end with it. NULL: not wanted. */
    void (*client_gone)(Host *host, uint64_t client_id);
} RpcServerSpec;

RpcServer *rpc_server_new(const RpcServerSpec *spec);

/* Listens on a new socket at @path; the file is removed when the server stops. @gid (gid_t)-1: leave as is.
 */
MUST_CHECK bool rpc_server_listen(RpcServer *server, const char *path, mode_t mode, gid_t gid,
                                  const RpcDoor *door, Error **err);
/* Takes over a socket that somebody else made (socket activation). @fd owned. */
MUST_CHECK bool rpc_server_listen_fd(RpcServer *server, int fd, const RpcDoor *door, Error **err);

/* For RPC_VIA_TLS, before the first of them; connections that are open keep what they have. Copied. */
void rpc_server_set_tls(RpcServer *server, const WireTlsSpec *spec);

/* Makes a client of an open connection. @fd owned, also on failure. */
MUST_CHECK bool rpc_server_add_client(RpcServer *server, int fd, const RpcDoor *door, Error **err);

/* @client (a reference, taken) is one of ours from now on, until it is dropped. */
void rpc_server_enter(RpcServer *server, RpcClient *client);

/* Stops accepting and reading; running calls may still answer until rpc_server_free(). */
void rpc_server_stop(RpcServer *server);
/* Drops every client. Calls that still run keep their client until they end. */
void rpc_server_free(RpcServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcServer, rpc_server_free)

/* What an administrator sees, and may change. */
typedef struct RpcServerNumbers {
    unsigned max_clients, max_unauthenticated, clients, unauthenticated;
    unsigned min_workers, max_workers, prio_workers; /* calls at once for one user, and urgent ones beyond */
    unsigned calls, waiting;                         /* under way; not begun yet */
} RpcServerNumbers;
RpcServerNumbers rpc_server_numbers(RpcServer *server);
/* Takes over the limits (the others are ignored). */
void rpc_server_set_numbers(RpcServer *server, const RpcServerNumbers *numbers);

unsigned rpc_server_count_clients(const RpcServer *server);
uint64_t rpc_server_started_ms(const RpcServer *server);

/* ---- for the other modules of this layer ---- */

const RpcServerSpec *rpc_server_spec(const RpcServer *server);
bool rpc_server_is_stopping(const RpcServer *server);
const RpcUserLimits *rpc_server_user_limits(const RpcServer *server);
const WireTlsSpec *rpc_server_tls(const RpcServer *server);
/* A reference. All from one other host are one user. */
RpcUser *rpc_server_user(RpcServer *server, const Caller *caller);
/* May one more client like this, which is not counted yet, be there? */
bool rpc_server_has_place(const RpcServer *server, const RpcClient *client);
uint64_t rpc_server_next_client_id(RpcServer *server);
const RpcEntry *rpc_server_find_entry(const RpcServer *server, uint32_t program, int32_t proc);
void rpc_server_client_dropped(RpcServer *server, RpcClient *client);
void rpc_server_client_authenticated(RpcServer *server, RpcClient *client);
/* It did not prove who it is: that is logged, and counted against where it comes from. */
void rpc_server_client_failed(RpcServer *server, RpcClient *client, const Error *why);
bool rpc_server_client_fails_too_often(RpcServer *server, const RpcClient *client);
/* A client must be looked at each second. */
void rpc_server_start_tick(RpcServer *server);
/* Clients with event registrations are found here. */
GHashTable *rpc_server_clients(RpcServer *server); /* set of RpcClient */
/* The subscription to the core's events, made when the first client wants some; @end is called with it when
 * the server stops. */
bool rpc_server_has_events(const RpcServer *server);
void rpc_server_set_events(RpcServer *server, void *subscription, void (*end)(void *subscription));
