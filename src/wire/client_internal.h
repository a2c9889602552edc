/* Inside of a client connection, shared by client.c and client_stream.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/process.h"
#include "wire/channel.h"
#include "wire/client.h"

#define CLIENT_OUT_MAX ((size_t)1048576)   /* senders of streams wait above this */
#define STREAM_QUEUE_MAX ((size_t)4194304) /* reading pauses above this */

struct WireClient {
    unsigned refs; /* the user, the reading fiber, the writing fiber, each stream */
    WireChannel channel;
    Process *process; /* ssh; NULL */
    WireClientOptions options;
    uint32_t next_serial;
    GHashTable *calls;   /* serial -> PendingCall, on the stacks of the callers */
    GHashTable *streams; /* serial -> WireStream, borrowed */
    Fiber *reader;
    Fiber *writer;      /* NULL while nothing is left over */
    WaitQueue out_room; /* somebody waits for the output to drain */
    Error *broken;      /* why; NULL while all is well */
    bool closing;
    bool leaving; /* we said goodbye: the end is no surprise */
    unsigned unanswered_pings;
    char *uri;
    char *host, *authfile, *mechanism; /* for SASL; NULL: not said */
    bool is_tcp;                       /* nothing else protects it */
};

WireClient *client_ref(WireClient *client);
void client_unref(WireClient *client);
/* Sends what is in the channel's buffer, now or from the writing fiber. */
void client_flush(WireClient *client);
bool client_check_alive(const WireClient *client, Error **err);

/* client_stream.c */
WireStream *client_stream_new(WireClient *client, uint32_t program, int32_t proc, uint32_t serial);
/* A STREAM or STREAM_HOLE frame for it has come. */
void client_stream_take_frame(WireStream *stream, const WireFrame *frame);
/* Frees without telling the server. */
void client_stream_discard(WireStream *stream);
void client_stream_wake(WireStream *stream);
bool client_stream_is_full(const WireStream *stream);
/* Until the consumer has taken enough, or the stream is gone. */
AWAITS bool client_stream_wait_room(WireStream *stream, Error **err);
