/* The state machine of one connection.
 *
 * Reading, taking frames and writing happen in one io callback: whatever is complete in the buffer is
 * handled, the replies that are ready at once leave in a single write. Reading pauses, without a timer, when
 * the client has too much under way (see the header); each thing that can end that state calls
 * rpc_client_resume(). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/client_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/socket_tcp.h"
#include "rpc/server.h"
#include "wire/tls.h"
#include "wire/wire_enums.h"

#define KEEPALIVE_PING 1
#define KEEPALIVE_PONG 2

#define TURN_US 2000
#define TURN_LATER 10 /* priority of what is left of a turn: after what is new */
/* For those who never begin to authenticate, or to talk; and for the next bytes of a frame. */
#define FIRST_FRAME_DEADLINE_MS ((uint64_t)30000)
#define FRAME_DEADLINE_MS ((uint64_t)60000)

/* ---- life ---- */

int64_t rpc_client_priority(bool read_only)
{
    return SD_EVENT_PRIORITY_NORMAL + (read_only ? 2 * TURN_LATER : 0);
}

static int client_on_io(sd_event_source *source, int fd, uint32_t events, void *arg);

/* For the log; valid until the next call. */
static const char *client_whose(const RpcClient *client)
{
    static char text[128];

    if (client->caller.address)
        g_snprintf(text, sizeof text, "%s", client->caller.address);
    else
        g_snprintf(text, sizeof text, "user %u (pid %d)", (unsigned)client->peer.uid, (int)client->peer.pid);
    return text;
}

static bool client_identify(RpcClient *client, int fd, Error **err)
{
    if (client->via == RPC_VIA_UNIX)
        return socket_peer_credentials(fd, &client->peer, err);
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* answers are small, and waited for */
    client->peer.uid = (uid_t)-1;
    client->caller.address = socket_peer_address(fd);
    return client->caller.address || error_set(err, ERROR_SYSTEM, "a client left before it was seen");
}

RpcClient *rpc_client_new(RpcServer *server, int fd, const RpcDoor *door, Error **err)
{
    RpcClient *client = g_new0(RpcClient, 1);

    client->refs = 1;
    client->server = server;
    client->via = door->via;
    wire_channel_init(&client->channel, fd, fd);
    g_queue_init(&client->calls);
    g_queue_init(&client->backlog);
    wait_queue_init(&client->drained);
    client->last_heard_ms = client->since_ms = loop_now_ms();
    client->caller.client_id = rpc_server_next_client_id(server);
    if (!fd_set_nonblocking(fd) || !client_identify(client, fd, err))
        goto fail;
    client->caller.uid = client->peer.uid;
    client->caller.pid = client->peer.pid;
    client->caller.read_only = door->read_only;
    /* root may everything anyway, and must not depend on a polkit daemon */
    client->auth = client->peer.uid == 0 ? RPC_AUTH_NONE : door->auth;
    client->authenticated = client->auth == RPC_AUTH_NONE && client->via != RPC_VIA_TLS;
    client->user = rpc_server_user(server, &client->caller);
    if (!rpc_server_has_place(server, client)) {
        error_set(err, ERROR_BUSY, "%s has too many connections", client_whose(client));
        goto fail;
    }
    if (client->via != RPC_VIA_UNIX && rpc_server_client_fails_too_often(server, client)) {
        error_set(err, ERROR_BUSY, "%s failed too often to prove who it is: it has to wait",
                  client_whose(client));
        goto fail;
    }
    if (client->via == RPC_VIA_TLS) {
        client->channel.layer = wire_tls_new(fd, WIRE_TLS_SERVER, rpc_server_tls(server));
        client->is_shaking = true;
    }

    client->io_events = EPOLLIN;
    int r = sd_event_add_io(loop_event(), &client->io, fd, client->io_events, client_on_io, client);
    if (r < 0) {
        error_set_errno(err, -r, "cannot watch a client's connection");
        goto fail;
    }
    (void)sd_event_source_set_priority(client->io,
                                       rpc_client_priority(door->read_only)); /* cannot fail here */
    return client;
fail:
    client->dropped = true;
    rpc_client_unref(client);
    return NULL;
}

RpcClient *rpc_client_ref(RpcClient *client)
{
    client->refs++;
    return client;
}

void rpc_client_unref(RpcClient *client)
{
    if (!client || --client->refs > 0)
        return;
    g_assert(client->dropped);
    wait_queue_clear(&client->drained);
    wire_sasl_free(client->sasl);
    if (client->next_layer)
        client->next_layer->ops->free(client->next_layer);
    rpc_user_unref(client->user);
    wire_channel_clear(&client->channel);
    g_free(client->uri);
    g_free(client->caller.description);
    g_free(client->caller.address);
    g_free(client->caller.tls_name);
    g_free(client->caller.sasl_user);
    g_free(client);
}

void rpc_client_drop(RpcClient *client, const char *why, ...)
{
    RpcServer *server = client->server;
    va_list args;

    if (client->dropped)
        return;
    va_start(args, why);
    g_autofree char *text = g_strdup_vprintf(why, args);
    va_end(args);
    log_debug("client %" G_GUINT64_FORMAT ", %s: %s", client->caller.client_id, client_whose(client), text);

    client->dropped = true;
    client->server = NULL;
    client->io = sd_event_source_disable_unref(client->io);
    client->more = sd_event_source_disable_unref(client->more);
    wire_channel_clear(&client->channel);
    client->user->bytes -= client->counted_bytes;
    if (client->waits_for_user)
        g_queue_remove(&client->user->waiting, client);
    rpc_client_abandon(client);
    wait_queue_wake_all(&client->drained);
    rpc_server_client_dropped(server, client);
}

void rpc_client_close_after_reply(RpcClient *client)
{
    client->closing = true;
}

void rpc_client_set_identity(RpcClient *client, const char *user, uid_t uid)
{
    g_autofree char *self = g_strdup(rpc_client_caller(client)->description);

    client->caller.uid = uid;
    g_free(client->caller.description);
    client->caller.description = user  ? g_strdup_printf("%.64s by %s", user, self)
                                 : uid ? g_strdup_printf("uid %u by %s", (unsigned)uid, self)
                                       : g_strdup(self);
}

bool rpc_client_is_secure(const RpcClient *client)
{
    return client->via == RPC_VIA_UNIX || client->channel.layer;
}

/* "alice at 192.0.2.7;4711 (CN=desk)" */
static char *client_describe_remote(const Caller *caller)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (caller->sasl_user)
        g_string_append_printf(text, "%s at ", caller->sasl_user);
    g_string_append(text, caller->address);
    if (caller->tls_name)
        g_string_append_printf(text, " (%s)", caller->tls_name);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

const Caller *rpc_client_caller(RpcClient *client)
{
    Caller *caller = &client->caller;

    if (!caller->description && caller->address)
        caller->description = client_describe_remote(caller);
    if (!caller->description) {
        g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)caller->pid);
        g_autofree char *name = file_read_kernel(path);
        g_autofree char *user =
            caller->uid == 0 ? g_strdup("root") : g_strdup_printf("uid %u", (unsigned)caller->uid);
        caller->description =
            g_strdup_printf("%s (pid %d, %s)", name ? name : "a program", (int)caller->pid, user);
    }
    return caller;
}

/* ---- output ---- */

static void client_watch(RpcClient *client, bool reading)
{
    uint32_t events = (reading && !client->closing ? (uint32_t)EPOLLIN : 0u) |
                      (wire_channel_pending(&client->channel) > 0 ? (uint32_t)EPOLLOUT : 0u);

    if (client->dropped || events == client->io_events)
        return;
    client->io_events = events;
    (void)sd_event_source_set_io_events(client->io, events); /* cannot fail for a valid source */
}

/* Keeps the user's books about buffers; false if that was too much and the client is gone. */
static bool client_count_bytes(RpcClient *client)
{
    RpcUser *user = client->user;
    size_t bytes = client->channel.in_allocated + client->channel.out.allocated;

    user->bytes += bytes - client->counted_bytes;
    client->counted_bytes = bytes;
    if (user->bytes <= RPC_USER_BYTES_MAX || bytes <= RPC_USER_BYTES_FREE || !rpc_user_is_bounded(user))
        return true;
    rpc_client_drop(client, "its user has %zu bytes in unfinished frames and unread answers", user->bytes);
    return false;
}

/* More calls may be taken from this client. */
static bool client_may_read(const RpcClient *client)
{
    return wire_channel_pending(&client->channel) <= RPC_OUT_PAUSE &&
           client->backlog_bytes <= RPC_BACKLOG_MAX && client->backlog.length < RPC_BACKLOG_CALLS &&
           !rpc_client_is_full(client);
}

/* Writes; false if the client is gone. */
static bool client_write(RpcClient *client)
{
    g_autoptr(Error) err = NULL;

    if (!wire_channel_flush(&client->channel, &err)) {
        rpc_client_drop(client, "%s", error_message(err));
        return false;
    }
    size_t pending = wire_channel_pending(&client->channel);
    if (pending == 0 && client->closing) {
        rpc_client_drop(client, "closed");
        return false;
    }
    if (pending <= RPC_OUT_STREAM)
        wait_queue_wake_all(&client->drained);
    return true;
}

void rpc_client_flush(RpcClient *client)
{
    if (client->dropped || client->in_process || client->is_shaking)
        return;
    if (!client_count_bytes(client))
        return;
    /* While we wait for EPOLLOUT the socket is full: trying again would only cost a system call. */
    if (!(client->io_events & EPOLLOUT) && !client_write(client))
        return;
    client_watch(client, client_may_read(client) && !client->has_more);
}

void rpc_client_begin_layer(RpcClient *client)
{
    WireChannel *channel = &client->channel;

    /* One who awaits this answer has sent nothing since, and has room for it. */
    if (!client_write(client))
        return;
    if (wire_channel_pending(channel) > 0 || channel->in_end > channel->in_start)
        rpc_client_drop(client, "spoke before its connection was protected");
    else
        channel->layer = g_steal_pointer(&client->next_layer);
}

void rpc_client_send_error(RpcClient *client, const WireHeader *call, const Error *why)
{
    g_auto(WireError) error = { 0 };
    WireHeader header = *call;

    if (client->dropped)
        return;
    header.type = WIRE_REPLY;
    header.status = WIRE_ERROR;
    wire_error_from(why, &error);
    const WireProgram *program = wire_program_find(call->program);
    const WireProc *proc = program ? wire_proc_find(program, call->proc) : NULL;
    wire_error_set_api(&error, proc ? proc->api : NULL);
    if (wire_frame_append(&client->channel.out, &header, WIRE_TYPE_ERROR, &error, NULL))
        rpc_client_flush(client);
}

void rpc_client_send_protocol_error(RpcClient *client, const WireHeader *call, int code, int domain,
                                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    WireError error = { .code = code,
                        .domain = domain,
                        .message = text,
                        .level = VIR_ERR_ERROR,
                        .str1 = (char *)"%s",
                        .str2 = text,
                        .int1 = -1,
                        .int2 = -1 };
    WireHeader header = *call;
    header.type = WIRE_REPLY;
    header.status = WIRE_ERROR;
    if (!client->dropped && wire_frame_append(&client->channel.out, &header, WIRE_TYPE_ERROR, &error, NULL))
        rpc_client_flush(client);
}

void rpc_client_send_message(RpcClient *client, uint32_t program, int32_t number, const void *message)
{
    const WireProc *proc = wire_proc_find(wire_program_find(program), number);
    WireHeader header = {
        .program = program, .version = 1, .proc = number, .type = WIRE_MESSAGE, .serial = 1 /* as peers do */
    };
    g_autoptr(Error) err = NULL;

    if (client->dropped || client->closing)
        return;
    if (wire_channel_pending(&client->channel) > RPC_OUT_MAX) {
        rpc_client_drop(client, "does not read its events");
        return;
    }
    if (!wire_frame_append(&client->channel.out, &header, proc->args, message, &err))
        log_warning_error(err, "event");
    rpc_client_flush(client);
}

static void client_send_keepalive(RpcClient *client, int32_t proc)
{
    WireHeader header = {
        .program = WIRE_PROGRAM_KEEPALIVE, .version = 1, .proc = proc, .type = WIRE_MESSAGE
    };

    /* One who pings but never reads gets no more answers than fit. */
    if (wire_channel_pending(&client->channel) > RPC_OUT_MAX)
        return;
    wire_frame_append_raw(&client->channel.out, &header, NULL, 0);
    rpc_client_flush(client);
}

/* ---- input ---- */

static void client_take_keepalive(RpcClient *client, const WireHeader *header)
{
    if (header->type == WIRE_MESSAGE && header->proc == KEEPALIVE_PING)
        client_send_keepalive(client, KEEPALIVE_PONG);
}

static void client_close_fds(const int *fds, unsigned n_fds)
{
    for (unsigned i = 0; i < n_fds; i++) {
        int fd = fds[i];
        fd_cleanup(&fd);
    }
}

/* @fds: those that came with the frame, owned from here on. */
static void client_take_frame(RpcClient *client, const WireFrame *frame, const int *fds)
{
    const WireHeader *header = &frame->header;

    if (header->program == WIRE_PROGRAM_KEEPALIVE) {
        client_close_fds(fds, frame->n_fds);
        client_take_keepalive(client, header);
        return;
    }
    switch (header->type) {
    case WIRE_CALL:
    case WIRE_CALL_WITH_FDS:
        rpc_client_take_call(client, frame, fds);
        return;
    case WIRE_STREAM:
    case WIRE_STREAM_HOLE:
        rpc_client_take_stream(client, frame);
        return;
    default: /* replies and messages are not for a server; peers drop them silently */
        client_close_fds(fds, frame->n_fds);
        return;
    }
}

/* A frame that a client in this state has no reason to send. */
static bool client_frame_is_too_big(const RpcClient *client, const WireFrame *frame)
{
    return (!client->opened && frame->frame_len > RPC_FRAME_MAX_EARLY) ||
           (client->caller.read_only && frame->frame_len > RPC_FRAME_MAX_READER);
}

/* Readers have no call that takes a descriptor; who is not known yet may not fill our table with them. */
static bool client_may_pass_fds(const RpcClient *client)
{
    return client->authenticated && !client->caller.read_only;
}

/* Begins a call that was kept, or takes the next frame if it is complete. false: nothing to do for now. */
static bool client_step(RpcClient *client)
{
    WireFrame frame;
    int fds[WIRE_FDS_MAX];

    if (rpc_client_take_kept(client))
        return true;
    if (client->dropped || !client_may_read(client))
        return false;
    WireFrameState state = wire_channel_next(&client->channel, &frame);
    if (state == WIRE_FRAME_BROKEN || client_frame_is_too_big(client, &frame)) {
        rpc_client_drop(client, "sent a frame of impossible length");
        return false;
    }
    client->is_inside_frame = state == WIRE_FRAME_INCOMPLETE && client->channel.in_end > 0;
    if (state == WIRE_FRAME_INCOMPLETE)
        return false;
    if (frame.n_fds > client->channel.n_in_fds) {
        rpc_client_drop(client, "announced descriptors that did not come");
        return false;
    }
    wire_channel_take_fds(&client->channel, frame.n_fds, fds);
    client_take_frame(client, &frame, fds);
    if (!client->dropped)
        wire_channel_skip(&client->channel, &frame);
    return true;
}

static void client_process(RpcClient *client);

static int client_on_more(sd_event_source *source, void *arg)
{
    g_autoptr(RpcClient) client = rpc_client_ref(arg);

    client->has_more = false;
    client_process(client);
    return 0;
}

/* The turn is over, and there is more to do. */
static void client_postpone(RpcClient *client)
{
    int r = 0;

    if (!client->more) {
        r = sd_event_add_defer(loop_event(), &client->more, client_on_more, client);
        if (r >= 0)
            r = sd_event_source_set_priority(client->more,
                                             rpc_client_priority(client->caller.read_only) + TURN_LATER);
    }
    if (r >= 0)
        r = sd_event_source_set_enabled(client->more, SD_EVENT_ONESHOT);
    client->has_more = r >= 0;
    if (r < 0)
        rpc_client_drop(client, "its turn cannot be continued: %s", g_strerror(-r));
}

/* Does what is at hand, as far as the limits allow and for one turn at most. */
static void client_process(RpcClient *client)
{
    uint64_t until_us = loop_now_us() + TURN_US;

    client->in_process = true;
    while (!client->dropped && !client->closing && client_step(client)) {
        if (loop_now_us() >= until_us) {
            client_postpone(client);
            break;
        }
    }
    client->in_process = false;
    if (!client->dropped && client->is_inside_frame)
        rpc_server_start_tick(client->server);
    if (!client->dropped)
        rpc_client_flush(client);
}

void rpc_client_resume(RpcClient *client)
{
    if (client->dropped || client->in_process || client->has_more)
        return;
    g_autoptr(RpcClient) hold = rpc_client_ref(client);
    client_process(hold);
}

static void client_read(RpcClient *client)
{
    g_autoptr(Error) err = NULL;
    bool got;

    if (!wire_channel_read(&client->channel, &got, &err)) {
        rpc_client_drop(client, "%s", error_message(err));
        return;
    }
    if (!got)
        return;
    client->last_heard_ms = loop_now_ms();
    client->unanswered_pings = 0;
    if (client->channel.at_end)
        rpc_client_drop(client, "hung up");
    else if (client->channel.n_in_fds > 0 && !client_may_pass_fds(client))
        rpc_client_drop(client, "passed descriptors");
    else
        client_process(client);
}

/* The layer is open: who is there is known as far as its certificate tells. */
static void client_end_handshake(RpcClient *client)
{
    client->is_shaking = false;
    client->caller.tls_name = g_strdup(wire_tls_peer_name(client->channel.layer));
    log_info("client %s connected by TLS%s%s", client->caller.address,
             client->caller.tls_name ? ": " : " without a certificate",
             client->caller.tls_name ? client->caller.tls_name : "");
    if (client->auth == RPC_AUTH_NONE)
        rpc_server_client_authenticated(client->server, client);
    client->io_events = 0; /* as the handshake left them: set anew */
    client_watch(client, true);
    client_read(client); /* what came with its last message is not the descriptor's any more */
}

/* A step of the handshake. The deadline is that of a client which does not open. */
static void client_shake(RpcClient *client)
{
    WireLayer *layer = client->channel.layer;
    g_autoptr(Error) err = NULL;

    const WireLayerState state = layer->ops->open(layer, &err);
    if (state == WIRE_LAYER_READY) {
        client_end_handshake(client);
    } else if (state == WIRE_LAYER_FAILED) {
        error_prefix(&err, "client %s", client->caller.address);
        if (error_code(err) == ERROR_AUTH_FAILED)
            rpc_server_client_failed(client->server, client, err);
        rpc_client_drop(client, "%s", error_message(err));
    } else {
        client->io_events = state == WIRE_LAYER_WANTS_WRITE ? EPOLLOUT : EPOLLIN;
        (void)sd_event_source_set_io_events(client->io, client->io_events); /* cannot fail: it is valid */
    }
}

static int client_on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    g_autoptr(RpcClient) client = rpc_client_ref(arg);

    if (client->is_shaking) {
        client_shake(client);
        return 0;
    }
    if (events & EPOLLOUT) {
        if (!client_write(client))
            return 0;
        client_watch(client, client_may_read(client) && !client->has_more);
        rpc_client_resume(client);
    }
    if (client->dropped)
        return 0;
    if (events & EPOLLIN)
        client_read(client);
    else if (events & (EPOLLHUP | EPOLLERR))
        rpc_client_drop(client, "hung up");
    return 0;
}

bool rpc_client_check_idle(RpcClient *client, uint64_t now_ms)
{
    bool watched = !client->opened || client->is_inside_frame;

    if (!rpc_user_is_bounded(client->user) || !watched)
        return false;
    /* While polkit asks a person there is a call. One that we do not read cannot be heard. */
    if (client->n_calls > 0 || (!(client->io_events & EPOLLIN) && !client->is_shaking))
        return true;
    if (!client->opened && now_ms - client->since_ms > FIRST_FRAME_DEADLINE_MS)
        rpc_client_drop(client, client->is_shaking      ? "did not finish its handshake"
                                : client->authenticated ? "did not open"
                                                        : "did not authenticate");
    else if (client->is_inside_frame && now_ms - client->last_heard_ms > FRAME_DEADLINE_MS)
        rpc_client_drop(client, "did not finish a frame");
    return true;
}

void rpc_client_tick(RpcClient *client, uint64_t now_ms, unsigned interval_ms, unsigned count)
{
    if (!client->pings ||
        now_ms - client->last_heard_ms < (uint64_t)interval_ms * (client->unanswered_pings + 1))
        return;
    /* One that we do not read cannot be heard. */
    if (!(client->io_events & EPOLLIN)) {
        client->last_heard_ms = now_ms;
        return;
    }
    if (client->unanswered_pings >= count) {
        rpc_client_drop(client, "has not answered %u keepalives", count);
        return;
    }
    client->unanswered_pings++;
    client_send_keepalive(client, KEEPALIVE_PING);
}
