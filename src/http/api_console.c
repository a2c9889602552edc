/* Displays and serial consoles in a browser: a ticket, which the log-in gives, and a WebSocket that it opens.
 *
 * QEMU gets one end of a socket pair as a VNC client, so it matters neither where its display listens nor
 * whether it has a password. A ticket is good once and for a minute; who has it needs nothing else. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "http/answer.h"
#include "http/machine_json.h"
#include "http/rfb_filter.h"
#include "http/route.h"
#include "http/websocket.h"
#include "machine/vm_console.h"
#include "wire/wire_enums.h"

#define TICKET_MS ((uint64_t)60000)
#define TICKETS_MAX 1000u
#define SHARE_S 86400u
#define SHARE_MAX_S 2592000u
#define PIECE 65536u
#define WRITE_TIMEOUT_MS 60000

typedef struct Ticket {
    HttpIdentity who; /* whose rights it has */
    char *from;
    Uuid machine;
    bool is_serial, view_only;
    char *device;
    unsigned display;
    uint64_t until_ms;
} Ticket;

/* One console that is open. */
typedef struct Relay {
    Stream *stream; /* serial; owned; NULL */
    GBytes *before; /* what it printed before; NULL */
    int fd;         /* VNC; owned; -1 */
    int write_fd;   /* of its own; -1 */
    bool view_only;
    RfbFilter filter;
    WebSocket *ws;
    Fiber *out; /* reference */
    char *what;
} Relay;

static const char tickets_key;

static void ticket_free(gpointer data)
{
    Ticket *ticket = data;

    http_identity_clear(&ticket->who);
    g_free(ticket->from);
    g_free(ticket->device);
    g_free(ticket);
}

static GHashTable *tickets_of(HttpHub *hub)
{
    return http_hub_table(hub, &tickets_key, ticket_free);
}

static gboolean ticket_may_go(gpointer key, gpointer data, gpointer arg)
{
    return ((const Ticket *)data)->until_ms < loop_now_ms();
}

static const HttpField console_body[] = {
    { "kind", HTTP_STRING, .required = true, .choices = "vnc|serial" },
    { "device", HTTP_STRING, .nullable = true, .doc = "serial: alias; the first one by default" },
    { "display", HTTP_UINT, .doc = "vnc: which of several; 0" },
    { "view_only", HTTP_BOOL, .doc = "vnc: keys, pointer and clipboard are left out" },
    { "share", HTTP_BOOL, .doc = "vnc, view_only: also a link that opens it without log-in" },
    { "expires_s", HTTP_UINT, .nullable = true, .doc = "of the link; a day, at most 30" },
    { 0 },
};
static const HttpField console_fields[] = {
    { "ticket", HTTP_STRING, .required = true },
    { "path", HTTP_STRING, .required = true, .doc = "of the WebSocket, with the ticket" },
    { "share", HTTP_STRING, .doc = "what POST /shared-screens takes" },
    { "link", HTTP_STRING, .nullable = true, .doc = "of the page, with it; null: there is no port" },
    { "expires", HTTP_TIME },
    { 0 },
};

static bool check_runs(const Vm *vm, Error **err)
{
    if (vm_is_running(vm))
        return true;
    error_set(err, ERROR_INVALID_STATE, "domain is not running");
    return error_hint(err, "'lodge start %s' starts it", vm_name(vm));
}

/* Takes over what @ticket has. {ticket, path}; a new reference. */
static Json *ticket_give(HttpRequest *req, const Ticket *ticket, Error **err)
{
    GHashTable *tickets = tickets_of(req->hub);
    Ticket *kept = g_memdup2(ticket, sizeof *ticket);
    uint8_t bytes[24];

    g_hash_table_foreach_remove(tickets, ticket_may_go, NULL);
    if (g_hash_table_size(tickets) >= TICKETS_MAX) {
        ticket_free(kept);
        error_set(err, ERROR_BUSY, "too many consoles are about to be opened");
        return NULL;
    }
    kept->from = g_strdup(req->from);
    kept->until_ms = loop_now_ms() + TICKET_MS;
    random_bytes(bytes, sizeof bytes);
    g_autofree char *secret = g_base64_encode(bytes, sizeof bytes);
    for (char *at = secret; *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    g_autofree char *path =
        g_strdup_printf("%s" HTTP_API "/console?ticket=%s", http_hub_prefix(req->hub), secret);
    Json *answer = json_pack("{s:s,s:s}", "ticket", secret, "path", path);
    g_hash_table_insert(tickets, g_steal_pointer(&secret), kept);
    return answer;
}

/* Adds a link for everybody who has it to @answer. */
AWAITS static bool share_make(HttpRequest *req, const Uuid *machine, Json *answer, Error **err)
{
    const uint64_t wanted_s = json_get_uint(req->body, "expires_s", SHARE_S);
    const int64_t expires_s = (int64_t)time(NULL) + (int64_t)CLAMP(wanted_s, 1, SHARE_MAX_S);
    const char *base = http_hub_url(req->hub);
    g_autofree char *secret = NULL, *id = NULL;
    const HttpTokenOrder order = { .name = "screen",
                                   .by = req->who.user,
                                   .role = HTTP_ROLE_VIEWER,
                                   .machine = machine,
                                   .expires_s = expires_s,
                                   .is_share = true,
                                   .display = (unsigned)MIN(json_get_uint(req->body, "display", 0), 16) };

    if (!http_token_make(http_hub_accounts(req->hub), &order, &secret, &id, err))
        return false;
    g_autofree char *link = base ? g_strdup_printf("%s/#share=%s", base, secret) : NULL;
    json_object_set_new(answer, "share", json_string(secret));
    json_object_set_new(answer, "link", link ? json_string(link) : json_null());
    json_object_set_new(answer, "expires", http_json_time(expires_s));
    return true;
}

static bool handle_ticket(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    const bool is_serial = strcmp(json_get_str(req->body, "kind"), "serial") == 0,
               view_only = json_get_bool(req->body, "view_only", false),
               share = json_get_bool(req->body, "share", false);

    if (!vm || !check_runs(vm, err))
        return false;
    if (share && (is_serial || !view_only))
        return error_set(err, ERROR_INVALID_ARGUMENT, "what is shared is a display, view_only");
    const Uuid machine = *vm_uuid(vm);
    Json *answer =
        ticket_give(req,
                    &(Ticket){ .who = { .user = g_strdup(req->who.user), .role = req->who.role },
                               .machine = machine,
                               .is_serial = is_serial,
                               .view_only = view_only,
                               .device = g_strdup(json_get_str(req->body, "device")),
                               .display = (unsigned)MIN(json_get_uint(req->body, "display", 0), 16) },
                    err);
    if (answer && (!share || share_make(req, &machine, answer, err)))
        return http_answer_json(req, 201, answer);
    json_decref(answer);
    return false;
}

static const HttpField shared_body[] = { { "share", HTTP_STRING, .required = true }, { 0 } };
static const HttpField shared_fields[] = {
    { "machine", HTTP_STRING, .required = true },
    { "ticket", HTTP_STRING, .required = true },
    { "path", HTTP_STRING, .required = true },
    { 0 },
};

/* A display needs the right to open it, which whoever shared it had; what is sent to it is left out. */
static bool handle_shared(HttpRequest *req, Error **err)
{
    g_autofree char *by = NULL;
    unsigned display;
    Uuid machine;

    if (!http_share_find(http_hub_accounts(req->hub), json_get_str(req->body, "share"), &machine, &display,
                         &by))
        return error_set(err, ERROR_AUTH_FAILED, "this link is not good any more");
    g_autoptr(Vm) vm = vm_find_by_uuid(req->host, &machine, NULL, err);
    if (!vm || !check_runs(vm, err))
        return false;
    req->object = g_strdup(vm_name(vm));
    Json *answer = ticket_give(req,
                               &(Ticket){ .who = { .user = g_strdup_printf("a link of %s", by),
                                                   .role = HTTP_ROLE_OPERATOR },
                                          .machine = machine,
                                          .view_only = true,
                                          .display = display },
                               err);
    if (answer)
        json_object_set_new(answer, "machine", http_json_text(vm_name(vm)));
    return answer && http_answer_json(req, 201, answer);
}

/* ---- the relay ---- */

static void relay_free(void *data)
{
    Relay *relay = data;

    if (relay->stream)
        stream_close(relay->stream, true);
    fd_cleanup(&relay->fd);
    fd_cleanup(&relay->write_fd);
    rfb_filter_clear(&relay->filter);
    g_clear_pointer(&relay->before, g_bytes_unref);
    g_free(relay->what);
    g_free(relay);
}

AWAITS static bool relay_read(Relay *relay, uint8_t *buffer, size_t *ret_len, Error **err)
{
    if (relay->stream)
        return stream_read(relay->stream, buffer, PIECE, ret_len, err);
    for (;;) {
        const ssize_t n = recv(relay->fd, buffer, PIECE, MSG_DONTWAIT);
        if (n >= 0 || errno != EAGAIN) {
            *ret_len = n > 0 ? (size_t)n : 0;
            return true;
        }
        /* A screen may stand still for days; the browser's pings tell when nobody looks any more. */
        if (!fiber_wait_fd(relay->fd, EPOLLIN, FIBER_NO_DEADLINE, NULL, err))
            return false;
    }
}

AWAITS static bool relay_write(Relay *relay, const uint8_t *data, size_t len, Error **err)
{
    if (relay->stream)
        return stream_write(relay->stream, data, len, err);
    while (len > 0) {
        const ssize_t n = send(relay->write_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return error_set_errno(err, errno, "cannot send to the display");
        if (n < 0 && !fiber_wait_fd(relay->write_fd, EPOLLOUT, WRITE_TIMEOUT_MS, NULL, err))
            return false;
        data += MAX(n, 0);
        len -= (size_t)MAX(n, 0);
    }
    return true;
}

/* From the machine to the browser, in a fiber of its own. */
static void relay_out(void *arg)
{
    Relay *relay = arg;
    g_autofree uint8_t *buffer = g_malloc(PIECE);
    g_autoptr(Error) err = NULL;
    size_t len = 0;

    for (size_t at = 0; relay->before && at < g_bytes_get_size(relay->before); at += len) {
        const uint8_t *all = g_bytes_get_data(relay->before, NULL);
        len = MIN(g_bytes_get_size(relay->before) - at, PIECE);
        if (!websocket_send(relay->ws, WEBSOCKET_BINARY, all + at, len, &err))
            return;
    }
    while (relay_read(relay, buffer, &len, &err) && len > 0) {
        if (!websocket_send(relay->ws, WEBSOCKET_BINARY, buffer, len, &err))
            return;
    }
    if (!fiber_is_cancelled(fiber_current()))
        websocket_close(relay->ws, 1001, err ? error_message(err) : "the machine closed it");
}

AWAITS static bool relay_in(Relay *relay, Error **err)
{
    int opcode;
    g_autoptr(GBytes) bytes = websocket_read(relay->ws, &opcode, err);
    g_autoptr(GByteArray) passed = relay->view_only ? g_byte_array_new() : NULL;
    size_t len = 0;

    if (!bytes)
        return false;
    const uint8_t *data = g_bytes_get_data(bytes, &len);
    if (passed) {
        if (!rfb_filter(&relay->filter, data, len, passed))
            return error_set(err, ERROR_PROTOCOL, "a message that a viewer may not send");
        data = passed->data;
        len = passed->len;
    }
    return relay_write(relay, data, len, err);
}

static void relay_run(HttpSocket *socket, void *arg)
{
    Relay *relay = arg;
    g_autoptr(WebSocket) ws = websocket_new(socket);
    g_autoptr(Error) err = NULL;

    relay->ws = ws;
    Fiber *out = fiber_spawn("console", relay_out, relay);
    if (!out)
        return;
    relay->out = fiber_ref(out);
    while (relay_in(relay, &err))
        ;
    log_debug("%s ended: %s", relay->what, err ? error_message(err) : "closed");
    fiber_cancel(relay->out);
    fiber_shield_begin();
    while (!fiber_is_done(relay->out) && !fiber_join(relay->out, 10000, NULL))
        ;
    fiber_shield_end();
    g_clear_pointer(&relay->out, fiber_unref);
    if (err)
        websocket_close(ws, 1002, error_message(err));
}

AWAITS static bool open_vnc(HttpRequest *req, const Ticket *ticket, const Vm *vm, Relay *relay, Error **err)
{
    const WireDomainOpenGraphicsFdArgs args = { .dom = machine_handle(vm),
                                                .idx = ticket->display,
                                                .flags = VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH };
    HttpExtra extra = { .fd = -1 };

    if (!HTTP_CALL_EXTRA(req, domain_open_graphics_fd, &args, NULL, &extra, err))
        return false;
    relay->fd = extra.fd;
    relay->write_fd = fcntl(extra.fd, F_DUPFD_CLOEXEC, 3);
    return relay->write_fd >= 0 || error_set_errno(err, errno, "cannot open the display");
}

AWAITS static bool open_serial(HttpRequest *req, const Ticket *ticket, const Vm *vm, Relay *relay,
                               Error **err)
{
    const WireDomainOpenConsoleArgs args = { .dom = machine_handle(vm), .dev_name = ticket->device };
    HttpExtra extra = { .fd = -1 };

    if (!HTTP_CALL_EXTRA(req, domain_open_console, &args, NULL, &extra, err))
        return false;
    relay->stream = extra.stream;
    relay->before = vm_console_backlog(vm, ticket->device);
    return true;
}

static const HttpField open_query[] = { { "ticket", HTTP_STRING, .required = true }, { 0 } };

static bool handle_open(HttpRequest *req, Error **err)
{
    gpointer key, value;
    g_autofree char *secret = NULL;

    if (!g_hash_table_steal_extended(tickets_of(req->hub), http_query(&req->target, "ticket"), &key, &value))
        return error_set(err, ERROR_AUTH_FAILED, "this ticket was used already, or is too old");
    secret = key;
    Ticket *ticket = value;
    /* From here on with the rights of whom the ticket was given. */
    http_identity_clear(&req->who);
    req->who = ticket->who;
    ticket->who = (HttpIdentity){ 0 };
    Relay *relay = g_new0(Relay, 1);
    *relay = (Relay){ .fd = -1, .write_fd = -1, .view_only = ticket->view_only && !ticket->is_serial };
    g_autoptr(Vm) vm =
        ticket->until_ms >= loop_now_ms() ? vm_find_by_uuid(req->host, &ticket->machine, NULL, err) : NULL;
    bool ok = vm && (ticket->is_serial ? open_serial(req, ticket, vm, relay, err)
                                       : open_vnc(req, ticket, vm, relay, err));
    if (!vm && err && !*err)
        error_set(err, ERROR_AUTH_FAILED, "this ticket is too old");
    if (ok) {
        relay->what = g_strdup_printf("%s of %s for %s", ticket->is_serial ? "console" : "display",
                                      vm_name(vm), req->who.user);
        ok = websocket_accept(req, "binary", relay_run, relay, relay_free, err);
    } else {
        relay_free(relay);
    }
    ticket_free(ticket);
    return ok;
}

const HttpRoute http_routes_console[] = {
    { "POST", "/machines/{machine}/consoles", HTTP_OPERATE, .flags = HTTP_MACHINE, .body = console_body,
      .answer = console_fields, .status = 201, .handle = handle_ticket,
      .doc = "A ticket that opens a display or a console once, within a minute.",
      .command = "lodge console MACHINE" },
    { "POST", "/shared-screens", HTTP_ANYONE, .flags = HTTP_QUIET, .body = shared_body,
      .answer = shared_fields, .status = 201, .handle = handle_shared,
      .doc = "A ticket to look at the screen that a link is for." },
    { "GET", "/console", HTTP_ANYONE, .query = open_query, .status = 101, .handle = handle_open,
      .doc = "WebSocket: the display (RFB) or the console (bytes) that a ticket is for." },
    { 0 },
};
