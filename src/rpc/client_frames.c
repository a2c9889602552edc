/* What arrives on a connection goes to calls, streams and events; so a connection needs to know none of them.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/client_conn.h"
#include "rpc/dispatch.h"
#include "rpc/events.h"
#include "rpc/stream.h"

void rpc_client_take_call(RpcClient *client, const WireFrame *frame, const int *fds)
{
    rpc_dispatch_call(client, frame, fds);
}

bool rpc_client_take_kept(RpcClient *client)
{
    return rpc_dispatch_kept(client);
}

void rpc_client_take_stream(RpcClient *client, const WireFrame *frame)
{
    rpc_stream_take_frame(client, frame);
}

bool rpc_client_is_full(const RpcClient *client)
{
    return rpc_streams_are_full(client);
}

void rpc_client_abandon(RpcClient *client)
{
    rpc_events_abandon(client);
    rpc_streams_abandon(client);
    rpc_dispatch_abandon(client);
}
