/* A client of the server under test, made of raw frames over a socket pair, and a harness that runs a test in
 * a fiber.
 *
 * Checks inside fibers must not jump out of them as cmocka's do: CHECK() notes the failure and leaves the
 * function. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fiber.h"
#include "rpc/server.h"
#include "wire/channel.h"
#include "wire/wire_enums.h"

extern bool peer_failed;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            g_printerr("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                             \
            peer_failed = true;                                                                              \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)

/* Set-up and tear-down of a group whose tests need the loop. */
int peer_start_loop(void **state);
int peer_end_loop(void **state);

/* Runs @func in a fiber until it ends (at most 20 s). true if no CHECK failed. */
bool peer_run(void (*func)(void *arg), void *arg);

typedef struct Peer {
    WireChannel channel;
    uint32_t serial;
} Peer;

void peer_connect(Peer *peer, RpcServer *server, bool read_only);
/* As a user who is not root, whoever runs the test. false: the server refused. */
bool peer_connect_as_user(Peer *peer, RpcServer *server, bool read_only);
void peer_clear(Peer *peer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Peer, peer_clear)

/* Queues a call and returns its serial; peer_flush() sends what is queued. */
uint32_t peer_call(Peer *peer, uint32_t program, int32_t proc, WireType type, const void *args);
void peer_raw(Peer *peer, const void *data, size_t len);
AWAITS bool peer_flush(Peer *peer);
/* The next frame, valid until peer_skip(). false: the connection ended or 5 s passed. */
AWAITS bool peer_next(Peer *peer, WireFrame *ret_frame);
void peer_skip(Peer *peer, const WireFrame *frame);
/* The next frame must be an error reply to @serial: its number, or 0. The text goes to *ret_text if not NULL.
 */
AWAITS int peer_expect_error(Peer *peer, uint32_t serial, int *ret_domain, char **ret_text);
/* The next frame must be a good reply to @serial; decodes it into @ret unless that is NULL. */
AWAITS bool peer_expect_reply(Peer *peer, uint32_t serial, WireType type, void *ret);
/* true if the server closes the connection now. */
AWAITS bool peer_expect_end(Peer *peer);
