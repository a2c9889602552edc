/* The way of a call through the server.
 *
 * Checks come in the order of the reference, because clients read meaning into which error they get: program,
 * version, procedure, authentication, open, then the arguments, then the right to call. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/dispatch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/log.h"
#include "core/access.h"
#include "rpc/access.h"
#include "rpc/server.h"
#include "rpc/stream.h"
#include "wire/wire_enums.h"

/* So many fibers may live when a call begins: there is always room for what the daemon does by itself, and
 * readers leave some to those who may act. */
#define RPC_FIBERS_READ_ONLY 4096
#define RPC_FIBERS 6144

static void call_free(RpcCall *call)
{
    if (call->args)
        wire_clear(call->proc->args, call->args);
    g_free(call->args);
    for (unsigned i = 0; i < call->n_fds; i++)
        fd_cleanup(&call->fds[i]);
    g_free(call->fds);
    if (call->stream)
        stream_close(call->stream, false);
    for (guint i = 0; call->ret_fds && i < call->ret_fds->len; i++)
        fd_cleanup(&g_array_index(call->ret_fds, int, i));
    g_clear_pointer(&call->ret_fds, g_array_unref);
    wire_buffer_clear(&call->ret_encoded);
    g_clear_pointer(&call->fiber, fiber_unref);
    rpc_client_unref(call->client);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcCall, call_free)

static bool proc_opens_stream(const WireProc *proc)
{
    return proc->kind == WIRE_PROC_STREAM_IN || proc->kind == WIRE_PROC_STREAM_OUT;
}

bool rpc_error_internal(Error **err, const char *format, ...)
{
    va_list args;

    if (!err)
        return false;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    error_set(err, ERROR_INTERNAL, "%s", text);
    error_set_remote(*err, VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC);
    return false;
}

/* ---- running ---- */

static bool call_send_reply(RpcCall *call, const void *ret, Error **err)
{
    RpcClient *client = call->client;
    unsigned n_fds = call->ret_fds ? call->ret_fds->len : 0;
    WireHeader header = call->header;
    WireBuffer *out = &client->channel.out;

    header.type = n_fds ? WIRE_REPLY_WITH_FDS : WIRE_REPLY;
    header.status = WIRE_OK;
    size_t start = wire_frame_begin(out, &header);
    if (call->ret_encoded.len) {
        wire_buffer_append(out, call->ret_encoded.data, call->ret_encoded.len);
    } else if (!wire_encode(call->proc->ret, ret, out, err)) {
        out->len = start;
        return false;
    }
    if (!wire_frame_end(out, start, &header, n_fds, err))
        return false;
    for (unsigned i = 0; i < n_fds; i++)
        wire_channel_append_fd(&client->channel, fd_steal(&g_array_index(call->ret_fds, int, i)));
    if (call->stream)
        rpc_stream_start(client, &call->header, g_steal_pointer(&call->stream));
    if (client->next_layer)
        rpc_client_begin_layer(client);
    rpc_client_flush(client);
    return true;
}

static void call_fail(RpcCall *call, Error *err)
{
    /* Clients take these numbers for a broken connection; a handler can only have meant something else. */
    if (error_code(err) == ERROR_PROTOCOL ||
        (error_code(err) == ERROR_NO_CONNECT && call->header.proc != PROC_CONNECT_OPEN))
        error_recode(err, ERROR_INTERNAL);
    if (proc_opens_stream(call->proc))
        rpc_stream_forget(call->client, &call->header);
    rpc_client_send_error(call->client, &call->header, err);
}

static void call_leave(RpcCall *call)
{
    RpcUser *user = call->client->user;

    g_queue_remove(&call->client->calls, call);
    call->client->n_calls--;
    user->n_calls--;
    /* Clients of one user take turns. */
    RpcClient *next = g_queue_pop_head(&user->waiting);
    if (next) {
        next->waits_for_user = false;
        rpc_client_resume(next);
    }
}

static void (*call_observer)(const Caller *caller, const WireProc *proc, const void *args, const Error *err);

void rpc_dispatch_observe(void (*observe)(const Caller *caller, const WireProc *proc, const void *args,
                                          const Error *err))
{
    call_observer = observe;
}

/* The fiber of a call. */
static void call_run(void *arg)
{
    g_autoptr(RpcCall) call = arg;
    g_autoptr(Error) err = NULL;
    g_autofree void *ret = g_malloc0(MAX(wire_type_size(call->proc->ret), 1));
    char id[24];

    call->fiber = fiber_ref(fiber_current());
    g_snprintf(id, sizeof(id), "%" PRIu64 ".%u", call->client->caller.client_id, call->header.serial);
    log_context_set_request(id);
    log_debug("%s", call->proc->name);
    /* A fiber may have to wait for its first turn, and the client may leave meanwhile. */
    bool ok = !call->client->dropped && rpc_access_check(call, &err) &&
              call->entry->handler(call, call->args, ret, &err) && rpc_access_check_found(call, ret, &err);
    if (ok && !call->client->dropped)
        ok = call_send_reply(call, ret, &err);
    wire_clear(call->proc->ret, ret);
    if (call_observer && call->proc->read_only == WIRE_READ_ONLY_DENIED)
        call_observer(rpc_client_caller(call->client), call->proc, call->args, ok ? NULL : err);
    if (!ok && !call->client->dropped) {
        if (!err) /* a handler's mistake must not leave the client waiting */
            error_set(&err, ERROR_INTERNAL, "%s failed without saying why", call->proc->name);
        call_fail(call, err);
    }
    call_leave(call);
    rpc_client_resume(call->client);
}

static void call_begin(RpcCall *call)
{
    RpcClient *client = call->client;

    client->n_calls++;
    client->user->n_calls++;
    g_queue_push_tail(&client->calls, call);
    /* It may run to its end at once, and the call with it: it notes its own fiber. */
    unsigned limit = client->caller.read_only ? RPC_FIBERS_READ_ONLY : RPC_FIBERS;
    if (fiber_count() < limit && fiber_spawn(call->proc->name, call_run, call))
        return;
    g_autoptr(Error) err = NULL;
    error_set(&err, ERROR_BUSY, "too many calls run at the same time");
    error_hint(&err, "try again later; 'lodge jobs' shows what runs");
    call_fail(call, err);
    call_leave(call);
    call_free(call);
}

/* One that has to wait for another client's call is woken by its end. */
static bool call_may_begin(RpcClient *client, const WireProc *proc)
{
    RpcUser *user = client->user;
    const RpcUserLimits *limits = rpc_server_user_limits(client->server);

    if (client->n_calls >= rpc_server_spec(client->server)->max_calls)
        return false;
    if (!rpc_user_is_bounded(user) ||
        user->n_calls < (proc->is_urgent ? limits->urgent_calls : limits->calls))
        return true;
    if (!client->waits_for_user)
        g_queue_push_tail(&user->waiting, client);
    client->waits_for_user = true;
    return false;
}

bool rpc_dispatch_kept(RpcClient *client)
{
    RpcCall *call = g_queue_peek_head(&client->backlog);

    if (!call || client->dropped || rpc_server_is_stopping(client->server) ||
        !call_may_begin(client, call->proc))
        return false;
    g_queue_pop_head(&client->backlog);
    client->backlog_bytes -= call->backlog_bytes;
    call_begin(call);
    return true;
}

void rpc_dispatch_abandon(RpcClient *client)
{
    for (RpcCall *call; (call = g_queue_pop_head(&client->backlog));)
        call_free(call);
    client->backlog_bytes = 0;
    /* What changes something runs to its end: half of it would be worse than nobody hearing the answer. */
    for (GList *at = client->calls.head; at; at = at->next) {
        RpcCall *call = at->data;
        if (call->fiber && call->proc->read_only != WIRE_READ_ONLY_DENIED)
            fiber_cancel(call->fiber);
    }
}

bool rpc_dispatch_cancel(RpcClient *client, uint32_t serial)
{
    for (GList *at = client->calls.head; at; at = at->next) {
        RpcCall *call = at->data;
        if (call->header.serial != serial || !call->fiber || !(call->entry->flags & RPC_CANCELLABLE))
            continue;
        fiber_cancel(call->fiber);
        return true;
    }
    return false;
}

/* ---- arrival ---- */

#define REFUSE(client, header, code, domain, ...)                                                            \
    (rpc_client_send_protocol_error(client, header, code, domain, __VA_ARGS__), NULL)

/* The procedure's table row, or NULL after answering why not. */
static const WireProc *call_find_proc(RpcClient *client, const WireHeader *header)
{
    const WireProgram *program = wire_program_find(header->program);

    if (!program || program->version != header->version)
        return REFUSE(client, header, VIR_ERR_RPC, VIR_FROM_RPC, "Cannot find program %u version %u",
                      header->program, header->version);
    if (header->status != WIRE_OK)
        return REFUSE(client, header, VIR_ERR_RPC, VIR_FROM_RPC, "Unexpected message status %u",
                      header->status);
    const WireProc *proc = wire_proc_find(program, header->proc);
    /* Clients look for these first two words. */
    if (!proc || proc->kind == WIRE_PROC_EVENT)
        return REFUSE(client, header, VIR_ERR_RPC, VIR_FROM_RPC, "unknown procedure: %d", header->proc);
    if (!client->authenticated && !proc->before_auth)
        return REFUSE(client, header, VIR_ERR_RPC, VIR_FROM_RPC, "authentication required");
    return proc;
}

static const RpcEntry *call_find_entry(RpcClient *client, const WireHeader *header, const WireProc *proc)
{
    const RpcEntry *entry = rpc_server_find_entry(client->server, header->program, header->proc);

    if (!client->opened && (!entry || !(entry->flags & RPC_BEFORE_OPEN)))
        return REFUSE(client, header, VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC,
                      "internal error: hypervisor connection not open");
    if (!entry) {
        g_autoptr(Error) err = NULL;
        error_set(&err, ERROR_NOT_SUPPORTED, "%s", proc->api ? proc->api : proc->name);
        rpc_client_send_error(client, header, err);
    }
    return entry;
}

static RpcCall *call_new(RpcClient *client, const WireFrame *frame, const WireProc *proc,
                         const RpcEntry *entry)
{
    g_autoptr(RpcCall) call = g_new0(RpcCall, 1);
    g_autoptr(Error) err = NULL;

    call->client = rpc_client_ref(client);
    call->host = rpc_server_spec(client->server)->host;
    call->header = frame->header;
    call->proc = proc;
    call->entry = entry;
    call->backlog_bytes = frame->payload_len + 64;
    call->args = g_malloc0(MAX(wire_type_size(proc->args), 1));
    if (!wire_decode(proc->args, frame->payload, frame->payload_len, call->args, NULL, &err)) {
        g_clear_pointer(&call->args, g_free);
        return REFUSE(client, &frame->header, VIR_ERR_RPC, VIR_FROM_RPC, "Unable to decode message payload");
    }
    g_clear_pointer(&err, error_free);
    /* Not rpc_caller(): it would read the client's name in /proc for every connection. */
    if (!access_check_call(&client->caller, proc, call->args, &err)) {
        rpc_client_send_error(client, &frame->header, err);
        return NULL;
    }
    return g_steal_pointer(&call);
}

void rpc_dispatch_call(RpcClient *client, const WireFrame *frame, const int *fds)
{
    const WireHeader *header = &frame->header;
    const WireProc *proc = call_find_proc(client, header);
    const RpcEntry *entry = proc ? call_find_entry(client, header, proc) : NULL;
    RpcCall *call = entry ? call_new(client, frame, proc, entry) : NULL;

    if (!call) {
        for (unsigned i = 0; i < frame->n_fds; i++)
            close(fds[i]);
        return;
    }
    if (frame->n_fds > 0) {
        call->fds = g_memdup2(fds, frame->n_fds * sizeof(int));
        call->n_fds = frame->n_fds;
    }
    if (proc_opens_stream(proc))
        rpc_stream_expect(client, header);
    if (client->backlog.length == 0 && call_may_begin(client, proc)) {
        call_begin(call);
        return;
    }
    client->backlog_bytes += call->backlog_bytes;
    g_queue_push_tail(&client->backlog, call);
}
