/* One client of the server: its connection, who it is, what it has open.
 *
 * Loop thread only. Counted: the server, each running call and each stream hold a reference;
 * rpc_client_drop() ends the connection at once, and what still holds a reference finds `dropped` set.
 *
 * Memory is bounded by the client's own reading: while more than RPC_OUT_PAUSE bytes wait to be written, no
 * further calls are taken from it; events beyond RPC_OUT_MAX drop it. A client with too many calls under way
 * has the next ones kept aside up to RPC_BACKLOG_MAX bytes (so that its keepalives are answered all the
 * same), then is not read. All that, and calls under way, is bounded once more for each user (rpc/user.h).
 *
 * Time is bounded by turns: a client with many calls at hand comes last when its turn is over; those who may
 * only read come after all others. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/fiber.h"
#include "base/socket.h"
#include "core/caller.h"
#include "rpc/door.h"
#include "rpc/user.h"
#include "wire/channel.h"
#include "wire/error_map.h"
#include "wire/sasl.h"

#define RPC_OUT_PAUSE ((size_t)1048576)
#define RPC_OUT_STREAM ((size_t)262144) /* streams wait above this */
#define RPC_OUT_MAX ((size_t)8388608)
#define RPC_BACKLOG_MAX ((size_t)262144)
#define RPC_BACKLOG_CALLS 64
#define RPC_FRAME_MAX_EARLY ((size_t)65536) /* before authentication and open */
/* For readers: what they send at most are the names of many machines, or some CPUs to compare. */
#define RPC_FRAME_MAX_READER ((size_t)1048576)

typedef struct RpcServer RpcServer;
typedef struct RpcClient RpcClient;
typedef struct RpcEvents RpcEvents;

struct RpcClient {
    unsigned refs;
    RpcServer *server; /* NULL once dropped */
    WireChannel channel;
    sd_event_source *io;
    uint32_t io_events;
    RpcVia via;
    PeerCredentials peer;  /* of one on this host; else nobody: uid (uid_t)-1, no pid */
    RpcUser *user;         /* reference */
    size_t counted_bytes;  /* as the user's books have them */
    sd_event_source *more; /* what is left of a turn that took too long; NULL until needed */
    bool has_more;
    bool waits_for_user; /* is in user->waiting */
    Caller caller;
    RpcAuth auth;
    bool authenticated;
    WireSasl *sasl; /* owned; away while a step of it runs; NULL */
    bool sasl_is_busy;
    WireLayer *next_layer; /* owned; for what follows the answer of the running call; NULL */
    bool is_inside;        /* no connection: who made it has judged what it may do */
    bool is_shaking;       /* the channel's layer is not open yet */
    bool opened;
    bool dropped;
    bool closing;    /* drop when everything is written */
    bool in_process; /* frames are being taken: replies are written together afterwards */
    char *uri;
    unsigned n_calls; /* under way */
    GQueue calls;     /* of RpcCall, those under way */
    GQueue backlog;   /* of RpcCall, those not begun */
    size_t backlog_bytes;
    GHashTable *streams;       /* serial -> RpcStream; NULL while there are none */
    size_t stream_inbox_bytes; /* sent by the client for streams, not yet taken */
    RpcEvents *events;         /* registrations; NULL while there are none */
    WaitQueue drained;         /* streams wait here for output to go */
    bool pings;                /* the client can answer keepalives */
    unsigned unanswered_pings;
    uint64_t last_heard_ms;
    uint64_t since_ms;    /* when it connected */
    bool is_inside_frame; /* the rest of it has not come */
};

/* Of the event sources of clients and of the sockets that they come through. */
int64_t rpc_client_priority(bool read_only);

/* @fd owned. NULL if the peer cannot be identified. */
RpcClient *rpc_client_new(RpcServer *server, int fd, const RpcDoor *door, Error **err);
RpcClient *rpc_client_ref(RpcClient *client);
void rpc_client_unref(RpcClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcClient, rpc_client_unref)

/* Ends the connection now. @why goes to the log (debug). Safe at any time, also twice. */
PRINTF(2, 3) void rpc_client_drop(RpcClient *client, const char *why, ...);
/* Ends it once the reply of the running call and all before it are written. */
void rpc_client_close_after_reply(RpcClient *client);

/* The output buffer was appended to: write it, now or when the client reads. */
void rpc_client_flush(RpcClient *client);
/* The answer is in the buffer: all that follows, both ways, passes through next_layer. */
void rpc_client_begin_layer(RpcClient *client);
/* Something that held up reading is over (a call ended, a stream drained). */
void rpc_client_resume(RpcClient *client);

void rpc_client_send_error(RpcClient *client, const WireHeader *call, const Error *why);
/* With number and subsystem of the caller's choice, for errors of the protocol itself. */
PRINTF(5, 6)
void rpc_client_send_protocol_error(RpcClient *client, const WireHeader *call, int code, int domain,
                                    const char *format, ...);
/* An event; drops the client if it has not been reading. */
void rpc_client_send_message(RpcClient *client, uint32_t program, int32_t proc, const void *message);

/* Nobody but the two of us can read what passes. */
bool rpc_client_is_secure(const RpcClient *client);
/* Fills caller.description on first use: reading /proc is not for every connection. */
const Caller *rpc_client_caller(RpcClient *client);
/* It acts for somebody else from now on: @user for the log, NULL: nobody by name. */
void rpc_client_set_identity(RpcClient *client, const char *user, uid_t uid);

/* ---- what stands above the connection does with it (client_frames.c) ---- */

/* A CALL frame, @fds (owned) with it; see rpc_dispatch_call(). */
void rpc_client_take_call(RpcClient *client, const WireFrame *frame, const int *fds);
/* Begins a call that waits for its turn, if it may. false: none was begun. */
bool rpc_client_take_kept(RpcClient *client);
/* A STREAM or STREAM_HOLE frame. May drop the client. */
void rpc_client_take_stream(RpcClient *client, const WireFrame *frame);
/* Whether its streams hold so much that reading must wait. */
bool rpc_client_is_full(const RpcClient *client);
/* It left. */
void rpc_client_abandon(RpcClient *client);

/* Called each second by the server while any client is watched. false: there was no reason. */
bool rpc_client_check_idle(RpcClient *client, uint64_t now_ms);
void rpc_client_tick(RpcClient *client, uint64_t now_ms, unsigned interval_ms, unsigned count);
