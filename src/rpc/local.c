/* A call without frames: the middle part of what dispatch.c does. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/local.h"

#include <string.h>

#include "base/log.h"
#include "core/access.h"
#include "rpc/dispatch.h"

RpcClient *rpc_local_new(RpcServer *server, const Caller *caller)
{
    RpcClient *client = g_new0(RpcClient, 1);

    client->refs = 2; /* the server's and the caller's */
    client->server = server;
    wire_channel_init(&client->channel, -1, -1);
    g_queue_init(&client->calls);
    g_queue_init(&client->backlog);
    wait_queue_init(&client->drained);
    client->peer.uid = (uid_t)-1;                                  /* acts for nobody else */
    client->user = rpc_server_user(server, &(Caller){ .uid = 0 }); /* who makes them keeps books of its own */
    client->authenticated = client->opened = true;
    client->uri = g_strdup(rpc_server_spec(server)->is_session ? "qemu:///session" : "qemu:///system");
    client->is_inside = true;
    client->caller = *caller;
    client->caller.address = client->caller.tls_name = client->caller.sasl_user = NULL; /* the caller's own */
    client->caller.client_id = rpc_server_next_client_id(server);
    client->caller.description = g_strdup(caller->description);
    rpc_server_enter(server, client);
    return client;
}

void rpc_local_free(RpcClient *client)
{
    if (!client)
        return;
    rpc_client_drop(client, "done");
    rpc_client_unref(client);
}

/* Those answer a connection, now and later. */
static bool local_may_serve(const WireProc *proc, const RpcEntry *entry)
{
    return proc && proc->kind != WIRE_PROC_EVENT && entry && !(entry->flags & RPC_BEFORE_OPEN) &&
           !strstr(proc->name, "event_register") && !strstr(proc->name, "event_callback_register") &&
           !strstr(proc->name, "event_deregister") && !strstr(proc->name, "close_callback");
}

static void local_take_extra(RpcCall *call, RpcLocalExtra *extra)
{
    if (!extra)
        return;
    extra->stream = g_steal_pointer(&call->stream);
    extra->fd =
        call->ret_fds && call->ret_fds->len > 0 ? fd_steal(&g_array_index(call->ret_fds, int, 0)) : -1;
}

static void local_clear(RpcCall *call)
{
    if (call->stream)
        stream_close(call->stream, false);
    for (guint i = 0; call->ret_fds && i < call->ret_fds->len; i++)
        fd_cleanup(&g_array_index(call->ret_fds, int, i));
    g_clear_pointer(&call->ret_fds, g_array_unref);
    wire_buffer_clear(&call->ret_encoded);
}

bool rpc_local_call(RpcClient *client, uint32_t program, int32_t number, const void *args, void *ret,
                    RpcLocalExtra *extra, Error **err)
{
    const WireProgram *wire = wire_program_find(program);
    const WireProc *proc = wire ? wire_proc_find(wire, number) : NULL;
    const RpcEntry *entry = client->dropped ? NULL : rpc_server_find_entry(client->server, program, number);
    g_autofree void *answer = g_malloc0(MAX(proc ? wire_type_size(proc->ret) : 0, 1));

    if (!local_may_serve(proc, entry))
        return error_set(err, ERROR_NOT_SUPPORTED, "procedure %d of program 0x%x cannot be called here",
                         number, program);
    if (!access_check_call(&client->caller, proc, args, err))
        return false;
    RpcCall call = { .client = client,
                     .host = rpc_server_spec(client->server)->host,
                     .header = { .program = program, .version = wire->version, .proc = number },
                     .proc = proc,
                     .entry = entry };
    log_debug("%s for %s", proc->name, caller_describe(&client->caller));
    bool ok = entry->handler(&call, args, answer, err);
    if (ok && call.ret_encoded.len) {
        wire_clear(proc->ret, answer);
        ok = wire_decode(proc->ret, call.ret_encoded.data, call.ret_encoded.len, answer, NULL, err);
    }
    if (ok)
        local_take_extra(&call, extra);
    local_clear(&call);
    if (ok && ret && wire_type_size(proc->ret))
        memcpy(ret, answer, wire_type_size(proc->ret));
    else
        wire_clear(proc->ret, answer);
    return ok;
}
