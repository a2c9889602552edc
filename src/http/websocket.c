/* wslay knows the frames; its callbacks never wait, so fibers can share it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "base/digest.h"
#include "base/loop.h"

#define PING_MS ((uint64_t)25000)
#define SEND_TIMEOUT_MS ((uint64_t)30000)
#define QUEUE_BYTES ((size_t)1048576) /* on their way; more has to wait */

typedef struct Message {
    int opcode;
    GBytes *bytes;
} Message;

struct WebSocket {
    wslay_event_context_ptr context;
    int in_fd;  /* the socket's, borrowed */
    int out_fd; /* of its own: two fibers may not wait for one descriptor */
    const uint8_t *early;
    size_t n_early;
    GQueue messages; /* of Message */
    bool at_end, failed;
    bool flushing;
    WaitQueue flushed;
    unsigned n_pings; /* without a word since */
};

/* ---- the handshake ---- */

static bool header_has(const HttpRequest *req, const char *name, const char *word)
{
    const char *text = http_header(req, name);
    g_auto(GStrv) words = text ? g_strsplit(text, ",", 16) : NULL;

    for (char **at = words; at && *at; at++) {
        if (g_ascii_strcasecmp(g_strstrip(*at), word) == 0)
            return true;
    }
    return false;
}

bool websocket_accept(HttpRequest *req, const char *protocol, void (*run)(HttpSocket *socket, void *arg),
                      void *arg, void (*arg_free)(void *arg), Error **err)
{
    const char *key = http_header(req, "Sec-WebSocket-Key"),
               *version = http_header(req, "Sec-WebSocket-Version");
    uint8_t sum[20];

    if (!header_has(req, "Upgrade", "websocket") || !header_has(req, "Connection", "upgrade") || !key ||
        strlen(key) != 24 || g_strcmp0(version, "13") != 0) {
        if (arg_free)
            arg_free(arg);
        return error_set(err, ERROR_INVALID_ARGUMENT, "this speaks WebSocket (RFC 6455) only");
    }
    g_autofree char *text = g_strconcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", NULL);
    digest_of(GCRY_MD_SHA1, text, strlen(text), sum);
    g_autofree char *answer = g_base64_encode(sum, sizeof sum);
    http_add_header(req, "Upgrade", "websocket");
    http_add_header(req, "Sec-WebSocket-Accept", answer);
    if (protocol && header_has(req, "Sec-WebSocket-Protocol", protocol))
        http_add_header(req, "Sec-WebSocket-Protocol", protocol);
    req->upgraded = run;
    req->upgrade_arg = arg;
    req->upgrade_free = arg_free;
    req->status = 101;
    return true;
}

/* ---- wslay's side ---- */

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *buffer, size_t size, int flags, void *arg)
{
    WebSocket *ws = arg;

    if (ws->n_early) {
        size_t part = MIN(size, ws->n_early);
        memcpy(buffer, ws->early, part);
        ws->early += part;
        ws->n_early -= part;
        return (ssize_t)part;
    }
    /* What came already is to be taken first. */
    ssize_t n = ws->messages.length ? -1 : recv(ws->in_fd, buffer, size, MSG_DONTWAIT);
    if (n > 0)
        return n;
    if (n < 0 && (ws->messages.length || errno == EAGAIN || errno == EINTR)) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    ws->at_end = true;
    wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *data, size_t len, int flags, void *arg)
{
    WebSocket *ws = arg;
    ssize_t n =
        send(ws->out_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));

    if (n < 0)
        wslay_event_set_error(context, errno == EAGAIN || errno == EINTR ? WSLAY_ERR_WOULDBLOCK
                                                                         : WSLAY_ERR_CALLBACK_FAILURE);
    return n;
}

static void on_message(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    WebSocket *ws = user;

    ws->n_pings = 0;
    if (wslay_is_ctrl_frame(arg->opcode))
        return;
    Message *message = g_new0(Message, 1);
    *message = (Message){ arg->opcode, g_bytes_new(arg->msg, arg->msg_length) };
    g_queue_push_tail(&ws->messages, message);
}

WebSocket *websocket_new(HttpSocket *socket)
{
    const struct wslay_event_callbacks callbacks = { .recv_callback = on_recv,
                                                     .send_callback = on_send,
                                                     .on_msg_recv_callback = on_message };
    WebSocket *ws = g_new0(WebSocket, 1);

    ws->in_fd = http_socket_fd(socket);
    ws->out_fd = fcntl(ws->in_fd, F_DUPFD_CLOEXEC, 3);
    ws->early = http_socket_early(socket, &ws->n_early);
    g_queue_init(&ws->messages);
    wait_queue_init(&ws->flushed);
    if (wslay_event_context_server_init(&ws->context, &callbacks, ws) != 0)
        g_error("out of memory");
    wslay_event_config_set_max_recv_msg_length(ws->context, WEBSOCKET_MESSAGE_MAX);
    return ws;
}

static void message_free(gpointer data)
{
    Message *message = data;

    g_bytes_unref(message->bytes);
    g_free(message);
}

void websocket_free(WebSocket *ws)
{
    if (!ws)
        return;
    wait_queue_clear(&ws->flushed);
    wslay_event_context_free(ws->context);
    g_queue_clear_full(&ws->messages, message_free);
    fd_cleanup(&ws->out_fd);
    g_free(ws);
}

/* ---- sending ---- */

/* One fiber waits for room; the others, for it. */
AWAITS static bool websocket_flush(WebSocket *ws, Error **err)
{
    const uint64_t until_ms = loop_now_ms() + SEND_TIMEOUT_MS;

    while (wslay_event_want_write(ws->context)) {
        if (wslay_event_send(ws->context) != 0)
            return error_set(err, ERROR_CANCELLED, "the client closed the connection");
        const uint64_t now_ms = loop_now_ms();
        if (!wslay_event_want_write(ws->context))
            break;
        if (now_ms >= until_ms)
            return error_set(err, ERROR_TIMEOUT, "the client does not read");
        if (ws->flushing) {
            if (!wait_queue_wait(&ws->flushed, until_ms - now_ms, err))
                return false;
            continue;
        }
        ws->flushing = true;
        bool ok = fiber_wait_fd(ws->out_fd, EPOLLOUT, until_ms - now_ms, NULL, err);
        ws->flushing = false;
        wait_queue_wake_all(&ws->flushed);
        if (!ok)
            return false;
    }
    return true;
}

bool websocket_send(WebSocket *ws, int opcode, const void *data, size_t len, Error **err)
{
    const struct wslay_event_msg message = { (uint8_t)opcode, data, len };

    if (wslay_event_queue_msg(ws->context, &message) != 0)
        return error_set(err, ERROR_CANCELLED, "the client closed the connection");
    return websocket_flush(ws, err);
}

void websocket_close(WebSocket *ws, unsigned status, const char *reason)
{
    if (wslay_event_queue_close(ws->context, (uint16_t)status, (const uint8_t *)reason,
                                MIN(strlen(reason), 120)) == 0)
        (void)websocket_flush(ws, NULL); /* best effort: it ends anyway */
}

/* ---- receiving ---- */

/* Nothing came for a while: is somebody there? */
AWAITS static bool websocket_ping(WebSocket *ws, Error **err)
{
    const struct wslay_event_msg ping = { WSLAY_PING, NULL, 0 };

    if (ws->n_pings++ >= 2)
        return error_set(err, ERROR_TIMEOUT, "the client does not answer");
    return wslay_event_queue_msg(ws->context, &ping) == 0 && websocket_flush(ws, err);
}

AWAITS static bool websocket_wait(WebSocket *ws, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (fiber_wait_fd(ws->in_fd, EPOLLIN, PING_MS, NULL, &why))
        return true;
    if (error_code(why) == ERROR_TIMEOUT)
        return websocket_ping(ws, err);
    return error_propagate(err, g_steal_pointer(&why));
}

GBytes *websocket_read(WebSocket *ws, int *ret_opcode, Error **err)
{
    for (;;) {
        Message *message = g_queue_pop_head(&ws->messages);
        if (message) {
            GBytes *bytes = g_bytes_ref(message->bytes);
            *ret_opcode = message->opcode;
            message_free(message);
            return bytes;
        }
        if (ws->at_end || wslay_event_get_close_received(ws->context))
            return NULL;
        const int r = wslay_event_recv(ws->context);
        if (ws->messages.length)
            continue;
        /* Pongs, and the answer to a close. */
        if (!websocket_flush(ws, err))
            return NULL;
        if (ws->at_end || wslay_event_get_close_received(ws->context))
            return NULL;
        if (r != 0 || !wslay_event_want_read(ws->context)) {
            error_set(err, ERROR_PROTOCOL, "the client broke the WebSocket protocol");
            return NULL;
        }
        if (!websocket_wait(ws, err))
            return NULL;
    }
}
