/* A client connection: opens a URI, makes calls, receives events and streams.
 *
 * Loop thread, inside fibers. Calls of several fibers may be under way on one connection; replies come in any
 * order. A fiber of the connection reads; another writes what does not fit the socket at once. When the
 * connection breaks, everything that waits on it fails with the reason.
 *
 * Errors of the server arrive as Error with the server's text; wire_error_code() (error_map.h) has its
 * number. Failures of the connection itself are ERROR_SYSTEM, ERROR_PROTOCOL, ERROR_TIMEOUT or
 * ERROR_NO_CONNECT. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/fiber.h"
#include "wire/error_map.h"
#include "wire/wire_gen.h"

typedef struct WireClient WireClient;
typedef struct WireStream WireStream;

/* For calls that may rightly take long (save, migrate): the keepalive notices a dead server. */
#define WIRE_NO_TIMEOUT FIBER_NO_DEADLINE

typedef struct WireClientOptions {
    bool read_only;
    unsigned connect_timeout_ms;    /* 0: 15 s. Covers the whole handshake, not the questions ssh may ask */
    unsigned keepalive_interval_ms; /* 0: 5 s; UINT_MAX: never ping (but answer) */
    unsigned keepalive_count;       /* unanswered pings until the server is given up; 0: 6 */
    /* Called from the reading fiber for each event; @message is of the type of the procedure's args
     * (wire_gen.h) and is freed afterwards. Must not wait. NULL: events are dropped. */
    void (*on_event)(WireClient *client, uint32_t program, int32_t proc, const void *message, void *arg);
    /* Called once when the connection broke (not after wire_client_close()). NULL: not wanted. */
    void (*on_broken)(WireClient *client, const Error *err, void *arg);
    /* Asks a person for a name or a password; owned, NULL: nobody is there. NULL: not wanted. */
    char *(*ask)(const char *question, bool is_secret, void *arg);
    void *arg;
} WireClientOptions;

/* Connects, authenticates and opens. @uri as in uri.h (NULL: default); transports unix, ssh, tls,
 * tcp and ext work, others are ERROR_OPERATION_UNSUPPORTED naming what does. @options may be NULL. */
AWAITS MUST_CHECK bool wire_client_open(const char *uri, const WireClientOptions *options,
                                        WireClient **ret_client, Error **err);

/* Frames over descriptors that are already connected (both owned, also on failure; may be equal). No
 * handshake: call wire_client_handshake() or speak for yourself. */
WireClient *wire_client_new(int in_fd, int out_fd, const WireClientOptions *options);
/* @name: what the server is told; NULL or "": it chooses, and is asked for the URI. */
AWAITS MUST_CHECK bool wire_client_handshake(WireClient *client, const char *name, Error **err);

/* Says goodbye (waiting at most 2 s for the answer) and frees. */
AWAITS void wire_client_close(WireClient *client);
/* Drops the connection. Fibers that wait in a call of it fail; streams must have been freed. */
void wire_client_free(WireClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireClient, wire_client_free)

bool wire_client_is_alive(const WireClient *client);
const char *wire_client_uri(const WireClient *client);  /* borrowed; as the server sees it */
pid_t wire_client_server_pid(const WireClient *client); /* 0 if not a local socket */

/* Calls @proc of @program (WIRE_PROGRAM_REMOTE, PROC_DOMAIN_CREATE). @args and @ret are of the procedure's
 * types; NULL where it has none, or (@ret) where the answer is not wanted. *ret_ret is cleared by the caller
 * on success and untouched on failure.
 *
 * ERROR_TIMEOUT: no answer in time; the call may still take effect. */
AWAITS MUST_CHECK bool wire_call(WireClient *client, uint32_t program, int32_t proc, const void *args,
                                 void *ret, uint64_t timeout_ms, Error **err);
/* The same for what the caller has to take back: cancelled, it has the server end the call and waits for the
 * answer; true if it was done all the same. ERROR_CANCELLED: it was ended, or the server knows no such thing
 * (then the call may still take effect). */
AWAITS MUST_CHECK bool wire_call_settled(WireClient *client, uint32_t program, int32_t proc, const void *args,
                                         void *ret, uint64_t timeout_ms, Error **err);
#define wire_call_remote(client, proc, args, ret, timeout_ms, err)                                           \
    wire_call(client, WIRE_PROGRAM_REMOTE, proc, args, ret, timeout_ms, err)

/* With descriptors: @fds are borrowed and sent along; those of the answer go to *ret_fds (GArray of int, each
 * owned by the caller; NULL: closed). */
AWAITS MUST_CHECK bool wire_call_fds(WireClient *client, uint32_t program, int32_t proc, const void *args,
                                     const int *fds, unsigned n_fds, void *ret, GArray **ret_fds,
                                     uint64_t timeout_ms, Error **err);

/* A call that opens a stream. */
AWAITS MUST_CHECK bool wire_call_stream(WireClient *client, uint32_t program, int32_t proc, const void *args,
                                        void *ret, uint64_t timeout_ms, WireStream **ret_stream, Error **err);

/* What comes out of a stream: data, or a hole of that many bytes, or the end. */
typedef struct WirePiece {
    WireBytes data; /* owned: g_free(piece.data.data) */
    uint64_t hole_bytes;
    bool at_end;
} WirePiece;

/* Receiving stops the whole connection's reading when more than 4 MiB lie here unread: read streams that you
 * open. */
AWAITS MUST_CHECK bool wire_stream_receive(WireStream *stream, uint64_t timeout_ms, WirePiece *ret_piece,
                                           Error **err);
/* Returns when the bytes are on their way (bounded by back-pressure). */
AWAITS MUST_CHECK bool wire_stream_send(WireStream *stream, const void *data, size_t len, uint64_t timeout_ms,
                                        Error **err);
/* Of a sparse stream: so many bytes that are a hole. */
AWAITS MUST_CHECK bool wire_stream_send_hole(WireStream *stream, uint64_t bytes, uint64_t timeout_ms,
                                             Error **err);
/* The orderly end: the server has everything, or says what failed. */
AWAITS MUST_CHECK bool wire_stream_finish(WireStream *stream, uint64_t timeout_ms, Error **err);
/* Aborts, without waiting, what was neither finished nor aborted. */
void wire_stream_free(WireStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireStream, wire_stream_free)
