/* Streams of the server: a pump between the core's Stream and the client's frames, with back-pressure both
 * ways. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/stream.h"
#include "rpc/client_conn.h"

typedef struct RpcStream RpcStream;

/* When a call that opens a stream arrives: its data may follow before the call is answered, and is kept. */
void rpc_stream_expect(RpcClient *client, const WireHeader *call);
/* The call succeeded and its reply is queued: data flows. @stream owned. */
void rpc_stream_start(RpcClient *client, const WireHeader *call, Stream *stream);
/* The call failed: what was kept is dropped. */
void rpc_stream_forget(RpcClient *client, const WireHeader *call);

/* A STREAM or STREAM_HOLE frame. May drop the client. */
void rpc_stream_take_frame(RpcClient *client, const WireFrame *frame);
/* Whether some stream has more from the client than it should hold. */
bool rpc_streams_are_full(const RpcClient *client);
/* The client left. */
void rpc_streams_abandon(RpcClient *client);
