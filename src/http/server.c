/* Between libmicrohttpd and fibers.
 *
 * The library calls back while it runs, from the loop: such a callback only moves bytes, or starts the fiber
 * of a request, and never waits. A connection whose request is not answered yet is suspended; the fiber's end
 * resumes it. What the library knows of a connection is never touched by a fiber but for that. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/socket.h"
#include "http/alerts.h"
#include "http/certificate.h"
#include "http/counters.h"
#include "http/dispatch.h"
#include "http/feed.h"
#include "http/history.h"
#include "http/journal.h"
#include "http/pam.h"
#include "http/route.h"

#define CONNECTIONS_MAX 1024u
#define CONNECTIONS_OF_ADDRESS 64u /* not of this host: its proxies speak for many */
#define CONNECTION_MEMORY ((size_t)131072)
#define IDLE_TIMEOUT_S 60u
#define HEADERS_DEADLINE_MS ((uint64_t)20000)
#define DROPPED_MAX                                                                                          \
    ((size_t)16777216) /* of a body that is refused: what is read, so that the answer arrives */
#define TICK_US ((uint64_t)1000000)
/* Requests under way. */
#define REQUESTS_MAX 1024u
#define REQUESTS_OF_USER 128u
#define TURN_US ((uint64_t)2000)

typedef struct HttpListener {
    HttpServer *server;
    struct MHD_Daemon *mhd;
    sd_event_source *io, *timer, *again;
    bool is_tls;
    bool is_unix;
} HttpListener;

/* A connection, of which the library knows more. */
typedef struct HttpPeer {
    HttpListener *listener;
    struct MHD_Connection *connection;
    char *address;     /* "192.0.2.1", "unix" */
    uint64_t since_ms; /* of the request whose headers are awaited; 0: they are there */
} HttpPeer;

struct HttpServer {
    HttpHub *hub;
    char *certificate, *key; /* PEM; NULL: no TLS */
    char *socket_path;
    GPtrArray *listeners;  /* of HttpListener */
    GHashTable *peers;     /* set of HttpPeer */
    GHashTable *addresses; /* char * -> number of connections */
    GHashTable *requests;  /* set of HttpRequest with a connection; borrowed */
    GHashTable *sockets;   /* set of HttpSocket */
    sd_event_source *tick;
    bool stopping;
};

struct HttpSocket {
    HttpServer *server;
    int fd;
    struct MHD_UpgradeResponseHandle *handle; /* NULL: closed */
    uint8_t *early;
    size_t n_early;
    void (*run)(HttpSocket *socket, void *arg);
    void (*arg_free)(void *arg);
    void *arg;
    Fiber *fiber;
};

/* ---- the library in our loop ---- */

/* Again, after others had their turn. */
static void listener_wake(HttpListener *listener)
{
    (void)sd_event_source_set_enabled(listener->again, SD_EVENT_ONESHOT);
}

/* The library moves one buffer of each connection at a time. */
static void listener_run(HttpListener *listener)
{
    const uint64_t until_us = loop_now_us() + TURN_US;
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    bool waits;

    do {
        (void)MHD_run(listener->mhd);
        waits = MHD_get_timeout(listener->mhd, &timeout_ms) == MHD_YES;
    } while (waits && timeout_ms == 0 && loop_now_us() < until_us);
    if (waits && timeout_ms == 0)
        listener_wake(listener);
    else if (waits)
        (void)sd_event_source_set_time_relative(listener->timer, timeout_ms * 1000);
    (void)sd_event_source_set_enabled(listener->timer, waits && timeout_ms ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int listener_on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    listener_run(arg);
    return 0;
}

static int listener_on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    listener_run(arg);
    return 0;
}

static int listener_on_again(sd_event_source *source, void *arg)
{
    listener_run(arg);
    return 0;
}

/* ---- connections ---- */

static char *address_format(const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    return g_strdup(*text ? g_str_has_prefix(text, "::ffff:") ? text + 7 : text : "unix");
}

static bool address_is_local(const char *address)
{
    return strcmp(address, "unix") == 0 || strcmp(address, "::1") == 0 || g_str_has_prefix(address, "127.");
}

static void address_count(HttpServer *server, const char *address, int by)
{
    int n = GPOINTER_TO_INT(g_hash_table_lookup(server->addresses, address)) + by;

    if (n > 0)
        g_hash_table_insert(server->addresses, g_strdup(address), GINT_TO_POINTER(n));
    else
        g_hash_table_remove(server->addresses, address);
}

static enum MHD_Result on_accept(void *arg, const struct sockaddr *address, socklen_t len)
{
    HttpListener *listener = arg;
    g_autofree char *text = address_format(listener->is_unix ? NULL : address);
    unsigned n = (unsigned)GPOINTER_TO_INT(g_hash_table_lookup(listener->server->addresses, text));

    return !listener->server->stopping && (address_is_local(text) || n < CONNECTIONS_OF_ADDRESS) ? MHD_YES
                                                                                                 : MHD_NO;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **io_peer,
                          enum MHD_ConnectionNotificationCode what)
{
    HttpListener *listener = arg;
    HttpServer *server = listener->server;
    HttpPeer *peer = *io_peer;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        peer = *io_peer = g_new0(HttpPeer, 1);
        *peer = (HttpPeer){ .listener = listener,
                            .connection = connection,
                            .address = address_format(listener->is_unix || !info ? NULL : info->client_addr),
                            .since_ms = loop_now_ms() };
        g_hash_table_add(server->peers, peer);
        address_count(server, peer->address, 1);
    } else if (peer) {
        address_count(server, peer->address, -1);
        g_hash_table_remove(server->peers, peer);
        g_free(peer->address);
        g_free(peer);
        *io_peer = NULL;
    }
}

/* The library misses the end of a connection that came together with its last bytes: it waits for another
 * edge. */
static void request_look_for_end(const HttpRequest *req)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;

    if (info && req->input && !req->taken && !req->suspended &&
        recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        (void)shutdown(info->connect_fd, SHUT_RDWR);
}

/* The library's own deadline begins anew with each byte. */
static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    HttpServer *server = arg;
    const uint64_t now_ms = loop_now_ms();
    GHashTableIter iter;
    HttpPeer *peer;
    HttpRequest *req;

    g_hash_table_iter_init(&iter, server->peers);
    while (g_hash_table_iter_next(&iter, (gpointer *)&peer, NULL)) {
        const union MHD_ConnectionInfo *info;
        if (!peer->since_ms || now_ms - peer->since_ms < HEADERS_DEADLINE_MS)
            continue;
        peer->since_ms = 0;
        info = MHD_get_connection_info(peer->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info)
            (void)shutdown(info->connect_fd, SHUT_RDWR); /* the library notices, and closes it */
    }
    g_hash_table_iter_init(&iter, server->requests);
    while (g_hash_table_iter_next(&iter, (gpointer *)&req, NULL))
        request_look_for_end(req);
    (void)sd_event_source_set_time_relative(source, TICK_US);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* ---- requests ---- */

static HttpPeer *request_peer(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* The raw target: the library's own unescaping loses what it was. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    HttpListener *listener = arg;
    HttpRequest *req = g_new0(HttpRequest, 1);
    HttpPeer *peer = request_peer(connection);

    req->refs = 1;
    req->server = listener->server;
    req->hub = listener->server->hub;
    req->host = http_hub_host(req->hub);
    req->text = g_strdup(target);
    req->connection = connection;
    req->headers = g_ptr_array_new_with_free_func(g_free);
    req->from = g_strdup(peer ? peer->address : "unix");
    req->is_secure = listener->is_tls;
    g_hash_table_add(listener->server->requests, req);
    return req;
}

/* Who asks, as a proxy on this host says it. */
static void request_believe_proxy(HttpRequest *req)
{
    const char *proto = http_header(req, "X-Forwarded-Proto"), *chain = http_header(req, "X-Forwarded-For");
    const char *last = chain ? strrchr(chain, ',') : NULL;
    uint8_t bytes[16];

    if (!address_is_local(req->from))
        return;
    req->is_secure |= proto && g_ascii_strcasecmp(proto, "https") == 0;
    g_autofree char *address = chain ? g_strstrip(g_strdup(last ? last + 1 : chain)) : NULL;
    if (address && (inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1)) {
        g_free(req->from);
        req->from = g_steal_pointer(&address);
    }
}

static void request_resume(HttpRequest *req)
{
    if (!req->suspended || !req->connection)
        return;
    req->suspended = false;
    MHD_resume_connection(req->connection);
    /* The library does not say so itself to who polls for it. */
    HttpPeer *peer = request_peer(req->connection);
    if (peer && peer->listener->again)
        listener_wake(peer->listener);
}

static void request_suspend(HttpRequest *req)
{
    req->suspended = true;
    MHD_suspend_connection(req->connection);
}

static void request_on_ready(void *arg)
{
    request_resume(arg);
}

static void request_run(void *arg)
{
    g_autoptr(HttpRequest) req = arg;

    req->fiber = fiber_ref(fiber_current());
    http_dispatch(req);
    if (req->input)
        http_pipe_end(req->input, req->status == 0);
    if (req->output)
        http_pipe_end(req->output, false);
    if (req->client)
        http_hub_backend(req->hub)->end_client(g_steal_pointer(&req->client));
    request_resume(req);
}

/* Nobody takes all fibers: requests that run, of those that have a connection. */
static bool request_has_place(const HttpRequest *req)
{
    GHashTableIter iter;
    const HttpRequest *other;
    unsigned all = 0, of_user = 0;

    g_hash_table_iter_init(&iter, req->server->requests);
    while (g_hash_table_iter_next(&iter, (gpointer *)&other, NULL)) {
        all += other->begun;
        of_user += other->begun && g_strcmp0(other->who.user, req->who.user) == 0;
    }
    return all <= REQUESTS_MAX && of_user <= REQUESTS_OF_USER;
}

static void request_start(HttpRequest *req)
{
    req->begun = true;
    if (request_has_place(req) && fiber_spawn("http", request_run, http_request_ref(req)))
        return;
    g_autoptr(Error) err = NULL;
    http_request_unref(req);
    error_set(&err, ERROR_BUSY, "too many requests run at the same time");
    http_answer_problem(req, err);
}

static void request_begin(HttpRequest *req)
{
    HttpPeer *peer = request_peer(req->connection);
    const char *length = http_header(req, "Content-Length");

    if (peer)
        peer->since_ms = 0;
    request_believe_proxy(req);
    http_dispatch_begin(req, length ? g_ascii_strtoull(length, NULL, 10) : 0);
    if (!req->status && req->route->flags & HTTP_BODY_STREAM) {
        req->input = http_pipe_new(request_on_ready, req);
        request_start(req);
    } else if (!req->status) {
        req->bytes = g_byte_array_new();
    }
}

/* A part of the body. MHD_NO: enough of it. */
static enum MHD_Result request_take(HttpRequest *req, const char *data, size_t *io_len)
{
    size_t len = *io_len;

    if (req->input && !req->status) {
        if (http_pipe_give(req->input, data, *io_len, &len) == HTTP_PIPE_STILL)
            request_suspend(req);
        *io_len -= len;
        return MHD_YES;
    }
    *io_len = 0;
    if (!req->status && req->bytes->len + len > HTTP_BODY_MAX) {
        g_autoptr(Error) err = NULL;
        error_set(&err, ERROR_OVERFLOW, "a body of more than %zu bytes", HTTP_BODY_MAX);
        http_answer_problem(req, err);
    }
    if (!req->status) {
        g_byte_array_append(req->bytes, (const uint8_t *)data, (guint)len);
        return MHD_YES;
    }
    req->dropped_bytes += len;
    return req->dropped_bytes > DROPPED_MAX ? MHD_NO : MHD_YES;
}

/* ---- answers ---- */

static ssize_t on_output(void *arg, uint64_t at, char *buffer, size_t size)
{
    HttpRequest *req = arg;
    size_t len;

    switch (http_pipe_take(req->output, buffer, size, &len)) {
    case HTTP_PIPE_DATA:
        return (ssize_t)len;
    case HTTP_PIPE_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    case HTTP_PIPE_STILL:
        request_suspend(req);
        return 0;
    default:
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
}

static void on_output_free(void *arg)
{
    http_request_unref(arg);
}

static void socket_free(HttpSocket *socket)
{
    fd_cleanup(&socket->fd);
    g_hash_table_remove(socket->server->sockets, socket);
    if (socket->arg_free)
        socket->arg_free(socket->arg);
    g_clear_pointer(&socket->fiber, fiber_unref);
    g_free(socket->early);
    g_free(socket);
}

void http_socket_close(HttpSocket *socket)
{
    if (socket->handle)
        (void)MHD_upgrade_action(g_steal_pointer(&socket->handle), MHD_UPGRADE_ACTION_CLOSE);
    socket_free(socket);
}

int http_socket_fd(const HttpSocket *socket)
{
    return socket->fd;
}

const uint8_t *http_socket_early(const HttpSocket *socket, size_t *ret_len)
{
    *ret_len = socket->n_early;
    return socket->early;
}

static void socket_run(void *arg)
{
    HttpSocket *socket = arg;

    socket->fiber = fiber_ref(fiber_current());
    socket->run(socket, socket->arg);
    http_socket_close(socket);
}

static void on_upgrade(void *arg, struct MHD_Connection *connection, void *con_cls, const char *early,
                       size_t n_early, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    HttpRequest *req = arg;
    HttpSocket *socket = g_new0(HttpSocket, 1);

    *socket =
        (HttpSocket){ .server = req->server,
                      .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), /* the library closes its own when it likes */
                      .handle = handle,
                      .early = g_memdup2(early, n_early),
                      .n_early = n_early,
                      .run = req->upgraded,
                      .arg = g_steal_pointer(&req->upgrade_arg),
                      .arg_free = req->upgrade_free };
    g_hash_table_add(req->server->sockets, socket);
    if (socket->fd < 0 || !fd_set_nonblocking(socket->fd) || req->server->stopping ||
        !fiber_spawn("websocket", socket_run, socket))
        http_socket_close(socket);
}

static struct MHD_Response *request_make_response(HttpRequest *req)
{
    struct MHD_Response *response;

    if (req->upgraded)
        return MHD_create_response_for_upgrade(on_upgrade, req);
    if (req->output) {
        response = MHD_create_response_from_callback(req->output_bytes == UINT64_MAX ? MHD_SIZE_UNKNOWN
                                                                                     : req->output_bytes,
                                                     65536, on_output, req, on_output_free);
        if (response)
            http_request_ref(req);
        return response;
    }
    response = MHD_create_response_from_buffer(req->len, req->data, MHD_RESPMEM_MUST_FREE);
    if (response)
        req->data = NULL;
    return response;
}

static enum MHD_Result request_send(HttpRequest *req)
{
    struct MHD_Response *response = request_make_response(req);
    bool ok = response != NULL;

    for (guint i = 0; ok && i + 1 < req->headers->len; i += 2)
        (void)MHD_add_response_header(response, g_ptr_array_index(req->headers, i),
                                      g_ptr_array_index(req->headers, i + 1));
    req->sent = true;
    ok = ok && MHD_queue_response(req->connection, req->status, response) == MHD_YES;
    if (response)
        MHD_destroy_response(response);
    return ok ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *io_len,
                                  void **io_req)
{
    HttpRequest *req = *io_req;

    if (!req || req->server->stopping || req->sent)
        return MHD_NO;
    if (!req->method) {
        req->method = g_strdup(method);
        request_begin(req);
        return MHD_YES;
    }
    if (*io_len > 0)
        return request_take(req, data, io_len);
    if (!req->taken && req->input)
        http_pipe_end(req->input, false);
    req->taken = true;
    if (!req->begun && !req->status)
        request_start(req);
    if (req->status)
        return request_send(req);
    request_suspend(req);
    return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **io_req,
                         enum MHD_RequestTerminationCode why)
{
    HttpRequest *req = *io_req;
    HttpPeer *peer = request_peer(connection);

    if (peer)
        peer->since_ms = 0; /* between two requests the library's own deadline is right */
    if (!req)
        return;
    *io_req = NULL;
    req->connection = NULL;
    g_hash_table_remove(req->server->requests, req);
    if (req->input)
        http_pipe_gone(req->input);
    if (req->output)
        http_pipe_gone(req->output);
    http_request_unref(req);
}

/* What the pipes of a request wake. */
HttpPipe *http_answer_pipe(HttpRequest *req, unsigned status, const char *type, uint64_t len_bytes)
{
    req->output = http_pipe_new(request_on_ready, req);
    req->output_bytes = len_bytes;
    http_add_header(req, "Content-Type", type);
    req->status = status;
    if (!req->connection)
        http_pipe_gone(req->output);
    request_resume(req);
    return req->output;
}

bool http_server_call(HttpServer *server, const Caller *caller, const char *method, const char *target,
                      const char *body, unsigned *ret_status, char **ret_body, Error **err)
{
    g_autoptr(HttpRequest) req = g_new0(HttpRequest, 1);

    req->refs = 1;
    req->server = server;
    req->hub = server->hub;
    req->host = http_hub_host(req->hub);
    req->text = g_strconcat(http_hub_prefix(server->hub), HTTP_API, target, NULL);
    req->method = g_strdup(method);
    req->headers = g_ptr_array_new_with_free_func(g_free);
    req->from = g_strdup("lodge");
    req->bytes = g_byte_array_new();
    if (body)
        g_byte_array_append(req->bytes, (const uint8_t *)body, (guint)strlen(body));
    req->who = (HttpIdentity){ .user = g_strdup(caller_describe(caller)), .role = HTTP_ROLE_ADMIN };
    http_dispatch_begin(req, req->bytes->len);
    if (!req->status && (req->route->flags & HTTP_BODY_STREAM))
        return error_set(err, ERROR_OVERFLOW, "%s takes a stream", target);
    if (!req->status)
        http_dispatch(req);
    if (req->client)
        http_hub_backend(server->hub)->end_client(g_steal_pointer(&req->client));
    if (req->output || req->upgraded || (req->data && !g_utf8_validate_len(req->data, req->len, NULL)))
        return error_set(err, ERROR_OVERFLOW, "what %s answers is no text", target);
    *ret_status = req->status;
    *ret_body = req->data ? g_strndup(req->data, req->len) : g_strdup("");
    return true;
}

/* ---- life ---- */

G_GNUC_PRINTF(2, 0) static void on_log(void *arg, const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);

    log_debug("libmicrohttpd: %s", g_strchomp(text));
}

static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

static void listener_free(gpointer data)
{
    HttpListener *listener = data;

    listener->io = sd_event_source_disable_unref(listener->io);
    listener->timer = sd_event_source_disable_unref(listener->timer);
    listener->again = sd_event_source_disable_unref(listener->again);
    if (listener->mhd)
        MHD_stop_daemon(listener->mhd);
    g_free(listener);
}

static bool listener_watch(HttpListener *listener, Error **err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(listener->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    int r =
        info ? sd_event_add_io(loop_event(), &listener->io, info->epoll_fd, EPOLLIN, listener_on_io, listener)
             : -EINVAL;

    if (r >= 0)
        r = sd_event_add_time_relative(loop_event(), &listener->timer, CLOCK_MONOTONIC, 0, 1000,
                                       listener_on_timer, listener);
    if (r >= 0)
        r = sd_event_add_defer(loop_event(), &listener->again, listener_on_again, listener);
    return r >= 0 || error_set_errno(err, -r, "cannot watch the web's socket");
}

/* @fd owned. */
static bool server_add_listener(HttpServer *server, int fd, bool is_unix, Error **err)
{
    HttpListener *listener = g_new0(HttpListener, 1);
    const bool tls = server->certificate && !is_unix;
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG |
                           (tls ? MHD_USE_TLS : 0u);
    struct MHD_OptionItem of_tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate },
                                       { MHD_OPTION_HTTPS_MEM_KEY, 0, server->key },
                                       { MHD_OPTION_END, 0, NULL } };
    const struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

    *listener = (HttpListener){ .server = server, .is_tls = tls, .is_unix = is_unix };
    listener->mhd =
        MHD_start_daemon(flags, 0, on_accept, listener, on_request, listener, MHD_OPTION_EXTERNAL_LOGGER,
                         on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                         CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
                         MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                         MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
                         NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, listener, MHD_OPTION_NOTIFY_COMPLETED,
                         on_completed, listener, MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,
                         MHD_OPTION_ARRAY, tls ? (const struct MHD_OptionItem *)of_tls : none,
                         MHD_OPTION_END);
    if (!listener->mhd) {
        close(fd);
        g_free(listener);
        return error_set(err, ERROR_OPERATION_FAILED, "libmicrohttpd cannot serve the web's socket");
    }
    g_ptr_array_add(server->listeners, listener);
    return listener_watch(listener, err);
}

static bool server_listen_port(HttpServer *server, const Config *config, Error **err)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)config->web_port) };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)config->web_port) };
    const bool is_v6 = inet_pton(AF_INET6, config->web_listen, &v6.sin6_addr) == 1;
    const struct sockaddr *address = is_v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
    const int yes = 1, no = 0;

    if (!is_v6 && inet_pton(AF_INET, config->web_listen, &v4.sin_addr) != 1)
        return error_set(err, ERROR_CONFIG_SYNTAX, "web_listen must be an IP address, not '%s'",
                         config->web_listen);
    AUTO_FD fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make the web's socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (is_v6) /* "::" means both */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, address, is_v6 ? sizeof v6 : sizeof v4) < 0 || listen(fd, 256) < 0) {
        error_set_errno(err, errno, "cannot listen on %s, port %u, for the web", config->web_listen,
                        config->web_port);
        return error_hint(err, "web_port in libvirtd.conf chooses another port; 0 switches it off");
    }
    if (!address_is_local(config->web_listen) || config->web_tls) {
        g_autofree char *fingerprint = NULL;
        if (!http_certificate_get(host_paths(http_hub_host(server->hub)), config, &server->certificate,
                                  &server->key, &fingerprint, err))
            return false;
        log_info("the web's certificate has the SHA-256 fingerprint %s", fingerprint);
    }
    http_hub_set_url(server->hub, g_strdup_printf("%s://%s%s%s:%u%s", server->certificate ? "https" : "http",
                                                  is_v6 ? "[" : "", config->web_listen, is_v6 ? "]" : "",
                                                  config->web_port, http_hub_prefix(server->hub)));
    return server_add_listener(server, fd_steal(&fd), false, err);
}

static bool server_listen_unix(HttpServer *server, const Paths *paths, Error **err)
{
    int fd;

    server->socket_path = path_join(paths->run, HTTP_SOCKET_NAME);
    return socket_listen_unix(server->socket_path, 0666, &fd, err) &&
           server_add_listener(server, fd, true, err);
}

bool http_server_start(const HttpBackend *backend, HttpServer **ret_server, Error **err)
{
    const Config *config = host_config(backend->host);
    const Paths *paths = host_paths(backend->host);

    *ret_server = NULL;
    if (!config->web || paths->is_session)
        return true;
    if (config->web_prefix && (*config->web_prefix != '/' || g_str_has_suffix(config->web_prefix, "/")))
        return error_set(err, ERROR_CONFIG_SYNTAX,
                         "web_prefix must begin with '/' and not end with one, not '%s'", config->web_prefix);
    HttpAccounts *accounts = http_accounts_open(paths);
    HttpServer *server = g_new0(HttpServer, 1);
    server->hub = http_hub_new(backend, config->web_prefix ? config->web_prefix : "", accounts);
    feed_start(server->hub);
    journal_start(server->hub);
    counters_start(server->hub);
    history_start(server->hub);
    alerts_start(server->hub);
    server->listeners = g_ptr_array_new_with_free_func(listener_free);
    server->peers = g_hash_table_new(NULL, NULL);
    server->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    server->requests = g_hash_table_new(NULL, NULL);
    server->sockets = g_hash_table_new(NULL, NULL);
    *ret_server = server;
    g_autofree char *rules = path_join(paths->etc, "access.conf");
    http_pam_setup(config->web_pam, config->access_drivers ? NULL : config->unix_sock_group, rules);
    g_autoptr(Error) why = NULL;
    if (config->web_port && !server_listen_port(server, config, &why)) {
        if (error_code(why) == ERROR_CONFIG_SYNTAX)
            return error_propagate(err, g_steal_pointer(&why));
        log_warning_error(why, "the web");
        g_clear_pointer(&why, error_free);
    }
    if (!server_listen_unix(server, paths, &why))
        log_warning_error(why, "the web");
    int r = sd_event_add_time_relative(loop_event(), &server->tick, CLOCK_MONOTONIC, TICK_US, TICK_US / 4,
                                       on_tick, server);
    if (r < 0)
        return error_set_errno(err, -r, "cannot make a timer");
    if (http_hub_url(server->hub))
        log_info("the web console is at %s/", http_hub_url(server->hub));
    return true;
}

void http_server_stop(HttpServer *server)
{
    if (!server || server->stopping)
        return;
    server->stopping = true;
    journal_end(server->hub);
    server->tick = sd_event_source_disable_unref(server->tick);
    g_autofree gpointer *sockets = g_hash_table_get_keys_as_array(server->sockets, NULL);
    for (size_t i = 0; sockets[i]; i++) {
        HttpSocket *socket = sockets[i];
        if (socket->handle)
            (void)MHD_upgrade_action(g_steal_pointer(&socket->handle), MHD_UPGRADE_ACTION_CLOSE);
        if (socket->fiber)
            fiber_cancel(socket->fiber);
    }
    g_autofree gpointer *requests = g_hash_table_get_keys_as_array(server->requests, NULL);
    for (size_t i = 0; requests[i]; i++)
        request_resume(requests[i]);
    g_ptr_array_set_size(server->listeners, 0);
    if (server->socket_path)
        (void)unlink(server->socket_path); /* best effort: the next start replaces it */
}

void http_server_free(HttpServer *server)
{
    if (!server)
        return;
    http_server_stop(server);
    http_hub_free(server->hub);
    http_pam_shutdown();
    g_ptr_array_unref(server->listeners);
    g_hash_table_unref(server->peers);
    g_hash_table_unref(server->addresses);
    g_hash_table_unref(server->requests);
    g_hash_table_unref(server->sockets);
    g_free(server->certificate);
    g_free(server->key);
    g_free(server->socket_path);
    g_free(server);
}

HttpHub *http_server_hub(const HttpServer *server)
{
    return server->hub;
}
