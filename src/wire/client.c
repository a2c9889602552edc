/* The client connection.
 *
 * One fiber reads frames and hands them to whoever waits, by serial. Calls write their frame straight to the
 * socket; only what does not fit is left to a writing fiber, so that a caller that gives up never leaves half
 * a frame behind. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "client"
#include "wire/client.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/socket.h"
#include "base/socket_tcp.h"
#include "wire/client_internal.h"
#include "wire/sasl.h"
#include "wire/tls.h"
#include "wire/uri.h"
#include "wire/wire_enums.h"

#define CONNECT_TIMEOUT_MS 15000
#define CLOSE_TIMEOUT_MS 2000
#define SETTLE_MS 30000
#define SASL_STEP_MS 30000
#define SASL_ROUNDS_MAX 32
#define SASL_BITS_MIN 56 /* as other clients have it, by TCP */
#define KEEPALIVE_PING 1
#define KEEPALIVE_PONG 2

typedef struct PendingCall {
    uint32_t program;
    int32_t proc;
    WireType ret_type;
    void *ret;       /* NULL: not wanted */
    GArray *ret_fds; /* NULL: closed */
    bool done;
    Error *err;
    WaitQueue wait;
} PendingCall;

/* ---- life ---- */

WireClient *client_ref(WireClient *client)
{
    client->refs++;
    return client;
}

void client_unref(WireClient *client)
{
    if (--client->refs > 0)
        return;
    wire_channel_clear(&client->channel);
    if (client->process) {
        (void)process_kill(client->process, SIGTERM,
                           NULL); /* ssh ends by itself when its input closes; be sure */
        process_free(client->process);
    }
    g_hash_table_unref(client->calls);
    g_hash_table_unref(client->streams);
    error_free(client->broken);
    g_free(client->uri);
    g_free(client->host);
    g_free(client->authfile);
    g_free(client->mechanism);
    g_free(client);
}

bool client_check_alive(const WireClient *client, Error **err)
{
    if (client->broken)
        return error_propagate(err, error_copy(client->broken));
    if (client->closing)
        return error_set(err, ERROR_CANCELLED, "the connection is closed");
    return true;
}

/* Marks the connection as dead and wakes everybody. @why is owned. */
static void client_break(WireClient *client, Error *why)
{
    GHashTableIter at;
    gpointer value;

    if (client->broken) {
        error_free(why);
        return;
    }
    client->broken = why;
    g_hash_table_iter_init(&at, client->calls);
    while (g_hash_table_iter_next(&at, NULL, &value)) {
        PendingCall *call = value;
        if (!call->done) {
            call->done = true;
            call->err = error_copy(why);
            wait_queue_wake_all(&call->wait);
        }
    }
    g_hash_table_iter_init(&at, client->streams);
    while (g_hash_table_iter_next(&at, NULL, &value))
        client_stream_wake(value);
    wait_queue_wake_all(&client->out_room);
    if (client->reader && client->reader != fiber_current())
        fiber_cancel(client->reader);
    if (!client->closing && !client->leaving && client->options.on_broken)
        client->options.on_broken(client, client->broken, client->options.arg);
}

/* ---- writing ---- */

static void client_write_rest(void *arg)
{
    WireClient *client = arg;

    while (!client->broken && wire_channel_pending(&client->channel) > 0) {
        g_autoptr(Error) err = NULL;
        uint32_t events;
        /* No deadline: a server that stops reading is noticed by the keepalive. */
        if (!fiber_wait_fd(client->channel.out_fd, EPOLLOUT, FIBER_NO_DEADLINE, &events, &err) ||
            !wire_channel_flush(&client->channel, &err)) {
            client_break(client, g_steal_pointer(&err));
            break;
        }
        if (wire_channel_pending(&client->channel) < CLIENT_OUT_MAX)
            wait_queue_wake_all(&client->out_room);
    }
    g_clear_pointer(&client->writer, fiber_unref);
    client_unref(client);
}

void client_flush(WireClient *client)
{
    g_autoptr(Error) err = NULL;

    if (client->broken || client->writer)
        return;
    if (!wire_channel_flush(&client->channel, &err)) {
        client_break(client, g_steal_pointer(&err));
        return;
    }
    if (wire_channel_pending(&client->channel) > 0) {
        client_ref(client);
        Fiber *writer = fiber_spawn_or_abort("client-writer", client_write_rest, client);
        /* Spawned from the loop it may have run to its end already: then it has dropped its reference. */
        if (!fiber_is_done(writer))
            client->writer = fiber_ref(writer);
    }
}

static void client_send_keepalive(WireClient *client, int32_t proc)
{
    WireHeader header = {
        .program = WIRE_PROGRAM_KEEPALIVE, .version = 1, .proc = proc, .type = WIRE_MESSAGE
    };

    wire_frame_append_raw(&client->channel.out, &header, NULL, 0);
    client_flush(client);
}

/* ---- reading ---- */

static void client_decode_reply(PendingCall *call, const WireFrame *frame)
{
    g_auto(WireError) remote = { 0 };

    call->done = true;
    if (frame->header.status == WIRE_ERROR) {
        if (wire_decode(WIRE_TYPE_ERROR, frame->payload, frame->payload_len, &remote, NULL, &call->err))
            wire_error_to(&remote, &call->err);
        return;
    }
    if (call->ret &&
        !wire_decode(call->ret_type, frame->payload, frame->payload_len, call->ret, NULL, &call->err))
        error_prefix(&call->err, "answer of the server");
}

static void client_take_reply(WireClient *client, const WireFrame *frame, int *fds)
{
    PendingCall *call = g_hash_table_lookup(client->calls, GUINT_TO_POINTER(frame->header.serial));
    bool wanted =
        call && !call->done && call->program == frame->header.program && call->proc == frame->header.proc;

    if (wanted)
        client_decode_reply(call, frame);
    for (unsigned i = 0; i < frame->n_fds; i++) {
        if (wanted && !call->err && call->ret_fds)
            g_array_append_val(call->ret_fds, fds[i]);
        else
            close(fds[i]);
    }
    if (wanted)
        wait_queue_wake_all(&call->wait);
    else
        log_debug("reply to serial %u that nobody waits for", frame->header.serial);
}

static void client_take_message(WireClient *client, const WireFrame *frame)
{
    const WireProgram *program = wire_program_find(frame->header.program);
    const WireProc *proc = program ? wire_proc_find(program, frame->header.proc) : NULL;
    g_autoptr(Error) err = NULL;

    if (frame->header.program == WIRE_PROGRAM_KEEPALIVE) {
        if (frame->header.proc == KEEPALIVE_PING)
            client_send_keepalive(client, KEEPALIVE_PONG);
        return;
    }
    if (!proc || proc->kind != WIRE_PROC_EVENT || !client->options.on_event)
        return;
    g_autofree void *message = g_malloc0(MAX(wire_type_size(proc->args), 1));
    if (!wire_decode(proc->args, frame->payload, frame->payload_len, message, NULL, &err)) {
        log_warning_error(err, "event from the server");
        return;
    }
    client->options.on_event(client, frame->header.program, frame->header.proc, message, client->options.arg);
    wire_clear(proc->args, message);
}

/* Returns a stream (with a reference on the client) whose queue is now full, or NULL. */
static WireStream *client_take_frame(WireClient *client, const WireFrame *frame, int *fds)
{
    WireStream *stream;

    switch (frame->header.type) {
    case WIRE_REPLY:
    case WIRE_REPLY_WITH_FDS:
        client_take_reply(client, frame, fds);
        return NULL;
    case WIRE_MESSAGE:
        client_take_message(client, frame);
        return NULL;
    case WIRE_STREAM:
    case WIRE_STREAM_HOLE:
        stream = g_hash_table_lookup(client->streams, GUINT_TO_POINTER(frame->header.serial));
        if (stream)
            client_stream_take_frame(stream, frame);
        return stream && client_stream_is_full(stream) ? stream : NULL;
    default:
        for (unsigned i = 0; i < frame->n_fds; i++)
            close(fds[i]);
        return NULL;
    }
}

/* Handles all whole frames that are there. */
AWAITS static bool client_drain(WireClient *client, Error **err)
{
    for (;;) {
        WireFrame frame;
        int fds[WIRE_FDS_MAX];
        WireFrameState state = wire_channel_next(&client->channel, &frame);
        if (state == WIRE_FRAME_INCOMPLETE)
            return true;
        if (state == WIRE_FRAME_BROKEN)
            return error_set(err, ERROR_PROTOCOL, "the server sent a frame of impossible length");
        if (frame.n_fds > client->channel.n_in_fds)
            return error_set(err, ERROR_PROTOCOL, "the server announced descriptors that did not come");
        wire_channel_take_fds(&client->channel, frame.n_fds, fds);
        WireStream *full = client_take_frame(client, &frame, fds);
        wire_channel_skip(&client->channel, &frame);
        if (full && !client_stream_wait_room(full, err))
            return false;
        if (client->broken || client->closing)
            return client_check_alive(client, err);
    }
}

/* Waits for input; pings a server that has been silent, gives up one that stays so. */
AWAITS static bool client_wait_input(WireClient *client, Error **err)
{
    unsigned interval = client->options.keepalive_interval_ms;

    for (;;) {
        g_autoptr(Error) why = NULL;
        uint32_t events;
        uint64_t timeout = interval == UINT_MAX ? FIBER_NO_DEADLINE : interval;
        if (fiber_wait_fd(client->channel.in_fd, EPOLLIN, timeout, &events, &why))
            return true;
        if (error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
        if (client->unanswered_pings >= client->options.keepalive_count)
            return error_set(err, ERROR_TIMEOUT, "the server has not answered for %u s",
                             interval / 1000 * (client->unanswered_pings + 1));
        client->unanswered_pings++;
        client_send_keepalive(client, KEEPALIVE_PING);
        if (client->broken)
            return client_check_alive(client, err);
    }
}

AWAITS static bool client_read_all(WireClient *client, Error **err)
{
    while (!client->closing && !client->broken) {
        bool got;
        if (!wire_channel_read(&client->channel, &got, err))
            return false;
        if (client->channel.at_end)
            return error_set(err, ERROR_SYSTEM, "the server closed the connection");
        if (got) {
            client->unanswered_pings = 0;
            if (!client_drain(client, err))
                return false;
        } else if (!client_wait_input(client, err)) {
            return false;
        }
    }
    return client_check_alive(client, err);
}

static void client_reader(void *arg)
{
    WireClient *client = arg;
    g_autoptr(Error) err = NULL;

    if (!client_read_all(client, &err))
        client_break(client, g_steal_pointer(&err));
    client_unref(client);
}

/* ---- calls ---- */

static WireHeader client_call_header(WireClient *client, uint32_t program, int32_t proc, unsigned n_fds)
{
    return (WireHeader){
        .program = program,
        .version = 1,
        .proc = proc,
        .type = n_fds ? WIRE_CALL_WITH_FDS : WIRE_CALL,
        .serial = client->next_serial++,
    };
}

static bool client_queue_call(WireClient *client, const WireHeader *header, WireType type, const void *args,
                              const int *fds, unsigned n_fds, Error **err)
{
    WireBuffer *out = &client->channel.out;
    int copies[WIRE_FDS_MAX];
    unsigned n_copies = 0;

    while (n_copies < n_fds) {
        int copy = fcntl(fds[n_copies], F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
            int code = errno;
            while (n_copies > 0)
                close(copies[--n_copies]);
            return error_set_errno(err, code, "cannot pass a descriptor");
        }
        copies[n_copies++] = copy;
    }
    size_t start = wire_frame_begin(out, header);
    if (!wire_encode(type, args, out, err)) {
        out->len = start;
        while (n_copies > 0)
            close(copies[--n_copies]);
        return false;
    }
    bool fits = wire_frame_end(out, start, header, n_fds, err);
    for (unsigned i = 0; i < n_copies; i++) {
        if (fits)
            wire_channel_append_fd(&client->channel, copies[i]);
        else
            close(copies[i]);
    }
    return fits;
}

/* Who waits for @call was cancelled: asks the server to end it, and waits for its answer all the same. */
AWAITS static bool client_settle(WireClient *client, PendingCall *call, uint32_t serial)
{
    const WireLodgeCallCancelArgs args = { .serial = serial };

    fiber_shield_begin();
    bool waits = wire_call(client, WIRE_PROGRAM_LODGE, LODGE_PROC_CALL_CANCEL, &args, NULL, SETTLE_MS, NULL);
    while (!call->done && waits)
        waits = wait_queue_wait(&call->wait, SETTLE_MS, NULL);
    fiber_shield_end();
    return call->done;
}

AWAITS static bool client_call(WireClient *client, const WireHeader *header, const void *args, const int *fds,
                               unsigned n_fds, void *ret, GArray *ret_fds, bool settles, uint64_t timeout_ms,
                               Error **err)
{
    const WireProgram *program = wire_program_find(header->program);
    const WireProc *proc = program ? wire_proc_find(program, header->proc) : NULL;

    if (!proc || proc->kind == WIRE_PROC_EVENT)
        return error_set(err, ERROR_INTERNAL, "there is no procedure %d in program %#x", header->proc,
                         header->program);
    if (!args && wire_type_size(proc->args))
        return error_set(err, ERROR_INTERNAL, "%s needs arguments", proc->name);
    if (!client_check_alive(client, err) ||
        !client_queue_call(client, header, proc->args, args, fds, n_fds, err))
        return false;

    /* Decoded aside, so that *ret stays untouched on failure. */
    g_autofree void *result = ret ? g_malloc0(MAX(wire_type_size(proc->ret), 1)) : NULL;
    PendingCall call = {
        .program = header->program,
        .proc = header->proc,
        .ret_type = proc->ret,
        .ret = result,
        .ret_fds = ret_fds,
        .wait = WAIT_QUEUE_INIT,
    };
    g_hash_table_insert(client->calls, GUINT_TO_POINTER(header->serial), &call);
    client_ref(client);
    client_flush(client);
    bool answered = true, ended = false;
    while (!call.done && answered)
        answered = wait_queue_wait(&call.wait, timeout_ms, err);
    if (!answered && !call.done && settles && fiber_is_cancelled(fiber_current()))
        ended = client_settle(client, &call, header->serial) && call.err;
    g_hash_table_remove(client->calls, GUINT_TO_POINTER(header->serial));
    client_unref(client);
    if (ended) { /* why is known here */
        error_free(call.err);
        return false;
    }
    if (!answered && !call.done)
        return error_prefix(err, "waiting for the answer to %s", proc->api ? proc->api : proc->name);
    if (!answered && err && *err) /* the answer came together with the deadline: it counts */
        g_clear_pointer(err, error_free);
    if (call.err)
        return error_propagate(err, call.err);
    if (ret && wire_type_size(proc->ret))
        memcpy(ret, result, wire_type_size(proc->ret));
    return true;
}

bool wire_call(WireClient *client, uint32_t program, int32_t proc, const void *args, void *ret,
               uint64_t timeout_ms, Error **err)
{
    WireHeader header = client_call_header(client, program, proc, 0);

    return client_call(client, &header, args, NULL, 0, ret, NULL, false, timeout_ms, err);
}

bool wire_call_settled(WireClient *client, uint32_t program, int32_t proc, const void *args, void *ret,
                       uint64_t timeout_ms, Error **err)
{
    WireHeader header = client_call_header(client, program, proc, 0);

    return client_call(client, &header, args, NULL, 0, ret, NULL, true, timeout_ms, err);
}

bool wire_call_fds(WireClient *client, uint32_t program, int32_t proc, const void *args, const int *fds,
                   unsigned n_fds, void *ret, GArray **ret_fds, uint64_t timeout_ms, Error **err)
{
    if (n_fds > WIRE_FDS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at most %d descriptors can be passed", WIRE_FDS_MAX);
    WireHeader header = client_call_header(client, program, proc, n_fds);
    g_autoptr(GArray) got = ret_fds ? g_array_new(FALSE, FALSE, sizeof(int)) : NULL;

    if (!client_call(client, &header, args, fds, n_fds, ret, got, false, timeout_ms, err)) {
        for (guint i = 0; got && i < got->len; i++)
            close(g_array_index(got, int, i));
        return false;
    }
    if (ret_fds)
        *ret_fds = g_steal_pointer(&got);
    return true;
}

bool wire_call_stream(WireClient *client, uint32_t program, int32_t proc, const void *args, void *ret,
                      uint64_t timeout_ms, WireStream **ret_stream, Error **err)
{
    WireHeader header = client_call_header(client, program, proc, 0);
    /* Before the call: the first data may come right behind the answer. */
    WireStream *stream = client_stream_new(client, program, proc, header.serial);

    if (!client_call(client, &header, args, NULL, 0, ret, NULL, false, timeout_ms, err)) {
        client_stream_discard(stream);
        return false;
    }
    *ret_stream = stream;
    return true;
}

/* ---- open and close ---- */

WireClient *wire_client_new(int in_fd, int out_fd, const WireClientOptions *options)
{
    WireClient *client = g_new0(WireClient, 1);

    if (options)
        client->options = *options;
    if (client->options.connect_timeout_ms == 0)
        client->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (client->options.keepalive_interval_ms == 0)
        client->options.keepalive_interval_ms = 5000;
    if (client->options.keepalive_count == 0)
        client->options.keepalive_count = 6;
    /* Two fibers must not wait on one descriptor. */
    if (in_fd == out_fd)
        out_fd = fcntl(in_fd, F_DUPFD_CLOEXEC, 3);
    fd_set_nonblocking(in_fd);
    if (out_fd >= 0)
        fd_set_nonblocking(out_fd);
    wire_channel_init(&client->channel, in_fd, out_fd);
    client->calls = g_hash_table_new(NULL, NULL);
    client->streams = g_hash_table_new(NULL, NULL);
    wait_queue_init(&client->out_room);
    client->refs = 2;
    Fiber *reader = fiber_spawn_or_abort("client-reader", client_reader, client);
    if (!fiber_is_done(reader))
        client->reader = fiber_ref(reader);
    return client;
}

void wire_client_free(WireClient *client)
{
    if (!client)
        return;
    client->closing = true;
    client_break(client, error_new(ERROR_CANCELLED, "the connection is closed"));
    g_clear_pointer(&client->reader, fiber_unref);
    if (client->writer)
        fiber_cancel(client->writer);
    client_unref(client);
}

void wire_client_close(WireClient *client)
{
    g_autoptr(Error) err = NULL;

    if (!client)
        return;
    client->leaving = true;
    if (!client->broken && !wire_call_remote(client, PROC_CONNECT_CLOSE, NULL, NULL, CLOSE_TIMEOUT_MS, &err))
        log_debug("closing the connection: %s", error_message(err));
    wire_client_free(client);
}

bool wire_client_is_alive(const WireClient *client)
{
    return !client->broken && !client->closing;
}

const char *wire_client_uri(const WireClient *client)
{
    return client->uri ? client->uri : "";
}

pid_t wire_client_server_pid(const WireClient *client)
{
    PeerCredentials peer;

    if (client->process || !client->channel.is_socket ||
        !socket_peer_credentials(client->channel.in_fd, &peer, NULL))
        return 0;
    return peer.pid;
}

static bool wire_client_has_feature(WireClient *client, int feature, bool *ret_has, Error **err)
{
    WireConnectSupportsFeatureArgs args = { .feature = feature };
    WireConnectSupportsFeatureRet ret = { 0 };

    if (!wire_call_remote(client, PROC_CONNECT_SUPPORTS_FEATURE, &args, &ret,
                          client->options.connect_timeout_ms, err))
        return false;
    *ret_has = ret.supported != 0;
    return true;
}

static bool client_begin_sasl(WireClient *client, WireSasl **ret_sasl, Error **err)
{
    const int fd = client->channel.in_fd;
    g_autofree char *local = socket_own_address(fd);
    g_autofree char *remote = socket_peer_address(fd);
    const WireSaslSpec spec = {
        .local = local,
        .remote = remote,
        .tls_bits = client->channel.layer ? wire_tls_key_bits(client->channel.layer) : 0,
        .min_bits = client->is_tcp ? SASL_BITS_MIN : 0,
    };
    const WireSaslAnswers answers = { .host = client->host ? client->host : "localhost",
                                      .authfile = client->authfile,
                                      .ask = client->options.ask,
                                      .arg = client->options.arg };

    return wire_sasl_client_new(&spec, &answers, ret_sasl, err);
}

/* Sends @out (taken) and does our part with the answer. *ret_over: both sides are done. */
AWAITS static bool client_step_sasl(WireClient *client, WireSasl *sasl, const char *mechanism,
                                    WireSaslData *out, bool *done, bool *ret_over, Error **err)
{
    g_autofree char *bytes = g_steal_pointer(&out->bytes);
    WireAuthSaslStepArgs step = { .nil = !bytes, .data = bytes, .n_data = (uint32_t)out->len };
    WireAuthSaslStartArgs start = { (char *)mechanism, step.nil, step.data, step.n_data };
    g_auto(WireAuthSaslStepRet) ret = { 0 };
    const int32_t proc = mechanism ? PROC_AUTH_SASL_START : PROC_AUTH_SASL_STEP;

    if (!wire_call_remote(client, proc, mechanism ? (const void *)&start : (const void *)&step, &ret,
                          SASL_STEP_MS, err))
        return false;
    const WireSaslData in = { .bytes = ret.nil ? NULL : ret.data ? ret.data : (char *)"", .len = ret.n_data };
    if (!*done && !wire_sasl_client_step(sasl, &in, out, done, err))
        return false;
    *ret_over = ret.complete && *done;
    return true;
}

AWAITS static bool client_authenticate_sasl(WireClient *client, Error **err)
{
    g_autoptr(WireSasl) sasl = NULL;
    g_auto(WireAuthSaslInitRet) list = { 0 };
    const char *mechanism;
    WireSaslData out = { 0 };
    bool done = false, over = false;

    if (!client_begin_sasl(client, &sasl, err) ||
        !wire_call_remote(client, PROC_AUTH_SASL_INIT, NULL, &list, SASL_STEP_MS, err) ||
        !wire_sasl_client_start(sasl, client->mechanism ? client->mechanism : list.mechlist, &mechanism, &out,
                                &done, err))
        return false;
    bool ok = client_step_sasl(client, sasl, mechanism, &out, &done, &over, err);
    for (int round = 0; ok && !over && round < SASL_ROUNDS_MAX; round++)
        ok = client_step_sasl(client, sasl, NULL, &out, &done, &over, err);
    g_free(out.bytes);
    if (!ok)
        return error_hint(err, "is the name and the password right? The server's log says more");
    if (!over)
        return error_set(err, ERROR_AUTH_FAILED, "SASL comes to no end");
    WireLayer *layer;
    if (!wire_sasl_protect(&sasl, client->channel.in_fd, &layer, err))
        return false;
    if (layer)
        client->channel.layer = layer;
    return true;
}

AWAITS static bool client_authenticate(WireClient *client, uint64_t timeout_ms, Error **err)
{
    g_auto(WireAuthListRet) list = { 0 };
    WireAuthPolkitRet polkit = { 0 };

    if (!wire_call_remote(client, PROC_AUTH_LIST, NULL, &list, timeout_ms, err))
        return false;
    int32_t type = list.n_types ? list.types[0] : 0;
    switch (type) {
    case 0:
        return true;
    case 2:
        /* No deadline of ours: a person may be typing a password; the keepalive notices a dead server. */
        return wire_call_remote(client, PROC_AUTH_POLKIT, NULL, &polkit, WIRE_NO_TIMEOUT, err);
    case 1:
        return client_authenticate_sasl(client, err);
    default:
        return error_set(err, ERROR_AUTH_UNAVAILABLE,
                         "the server wants authentication of type %d, which is unknown", type);
    }
}

bool wire_client_handshake(WireClient *client, const char *name, Error **err)
{
    uint64_t timeout_ms = client->options.connect_timeout_ms;
    WireConnectOpenArgs open = { .name = (char *)(name ? name : ""),
                                 .flags = client->options.read_only ? VIR_CONNECT_RO : 0 };
    bool keepalive;

    if (!client_authenticate(client, timeout_ms, err) ||
        !wire_client_has_feature(client, VIR_DRV_FEATURE_PROGRAM_KEEPALIVE, &keepalive, err) ||
        !wire_call_remote(client, PROC_CONNECT_OPEN, &open, NULL, timeout_ms, err))
        return false;
    if (!keepalive)
        client->options.keepalive_interval_ms = UINT_MAX;
    if (*open.name) {
        client->uri = g_strdup(open.name);
        return true;
    }
    g_auto(WireConnectGetUriRet) uri = { 0 };
    if (!wire_call_remote(client, PROC_CONNECT_GET_URI, NULL, &uri, timeout_ms, err))
        return false;
    client->uri = g_steal_pointer(&uri.uri);
    return true;
}

/* Whose the socket is, and how one comes to be one of them. Returns false. */
static bool client_explain_denial(const char *path, Error **err)
{
    struct stat st;
    const struct group *group = stat(path, &st) == 0 ? getgrgid(st.st_gid) : NULL;

    if (!group)
        return error_hint(err, "user '%s' may not use it: run this as root", g_get_user_name());
    if (!(st.st_mode & S_IWGRP) || st.st_gid == 0)
        return error_hint(err,
                          "user '%s' may not use it, only root may: unix_sock_group and unix_sock_rw_perms "
                          "in "
                          "libvirtd.conf change that",
                          g_get_user_name());
    return error_hint(err,
                      "user '%s' is not in the group '%s' that owns it: 'usermod -aG %s %s' and a new login, "
                      "or run "
                      "this as root",
                      g_get_user_name(), group->gr_name, group->gr_name, g_get_user_name());
}

AWAITS static bool client_connect_socket(const WireUri *uri, bool read_only, uint64_t timeout_ms, int *ret_fd,
                                         Error **err)
{
    g_autofree char *path = wire_uri_socket_path(uri, read_only);
    g_autoptr(Error) why = NULL;

    if (socket_connect_unix(path, timeout_ms, ret_fd, &why))
        return true;
    int code = error_errno(why);
    error_propagate(err, g_steal_pointer(&why));
    if (code == ENOENT || code == ECONNREFUSED)
        return error_hint(err,
                          "is the daemon running? 'systemctl status lodged' says so, or name its socket: "
                          "qemu+unix:///system?socket=PATH");
    return code == EACCES && client_explain_denial(path, err);
}

static bool client_start_ssh(const WireUri *uri, bool read_only, Process **ret_process, int *ret_fd,
                             Error **err)
{
    g_auto(GStrv) argv = wire_uri_ssh_command(uri, read_only);
    g_auto(GStrv) env = g_get_environ();
    int pair[2];

    if (!strchr(argv[0], '/')) {
        char *program = g_find_program_in_path(argv[0]);
        if (!program) {
            error_set(err, ERROR_SYSTEM, "cannot find the program '%s'", argv[0]);
            return error_hint(err, "install openssh-client, or name a program with ?command=");
        }
        g_free(argv[0]);
        argv[0] = program;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set_errno(err, errno, "cannot make a socket pair");
    AUTO_FD ours = pair[0];
    AUTO_FD theirs = pair[1];
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = (const char *const *)argv;
    spec.envp = (const char *const *)env; /* the agent's socket, DISPLAY and so on */
    spec.stdin_fd = theirs;
    spec.stdout_fd = theirs;
    spec.stderr_fd = STDERR_FILENO;
    spec.die_with_parent = true;
    if (!process_start(&spec, ret_process, err))
        return false;
    *ret_fd = fd_steal(&ours);
    return true;
}

/* ---- other hosts ---- */

#define TLS_PORT "16514"
#define TCP_PORT "16509"

AWAITS static bool client_shake(WireLayer *layer, uint64_t timeout_ms, Error **err)
{
    const uint64_t deadline = fiber_deadline_begin(timeout_ms);
    WireLayerState state;
    bool ok = true;

    while (ok && (state = layer->ops->open(layer, err)) != WIRE_LAYER_READY) {
        uint32_t events;
        ok = state != WIRE_LAYER_FAILED &&
             fiber_wait_fd(layer->fd, state == WIRE_LAYER_WANTS_WRITE ? EPOLLOUT : EPOLLIN, timeout_ms,
                           &events, err);
    }
    fiber_deadline_end(deadline);
    return ok;
}

AWAITS static bool client_connect_tls(const WireUri *uri, int fd, uint64_t timeout_ms, WireLayer **ret_layer,
                                      Error **err)
{
    g_auto(WireTlsFiles) files = wire_tls_files_client(uri->pkipath);
    g_autoptr(WireTlsIdentity) identity = NULL;

    files.priority = g_strdup(uri->tls_priority);
    if (!wire_tls_identity_load(&files, WIRE_TLS_CLIENT, &identity, err))
        return false;
    const WireTlsSpec spec = { .identity = identity, .host = uri->host, .no_verify = uri->no_verify };
    WireLayer *layer = wire_tls_new(fd, WIRE_TLS_CLIENT, &spec);
    if (!client_shake(layer, timeout_ms, err)) {
        layer->ops->free(layer);
        return false;
    }
    *ret_layer = layer;
    return true;
}

/* *ret_layer: NULL for TCP. */
AWAITS static bool client_connect_host(const WireUri *uri, uint64_t timeout_ms, int *ret_fd,
                                       WireLayer **ret_layer, Error **err)
{
    const bool tls = strcmp(uri->transport, "tls") == 0;
    g_autofree char *given = uri->port ? g_strdup_printf("%d", uri->port) : NULL;
    const char *port = given ? given : tls ? TLS_PORT : TCP_PORT;
    AUTO_FD fd = -1;

    *ret_layer = NULL;
    if (!socket_connect_tcp(uri->host ? uri->host : "localhost", port, timeout_ms, &fd, err))
        return error_hint(err, "does lodged (or libvirtd) listen there? It needs --listen, and listen_%s = 1",
                          tls ? "tls" : "tcp");
    if (tls && !client_connect_tls(uri, fd, timeout_ms, ret_layer, err))
        return false;
    *ret_fd = fd_steal(&fd);
    return true;
}

/* A broken pipe says nothing; how the program ended does. */
AWAITS static void client_explain_ssh(WireClient *client, Error **err)
{
    if (wire_client_is_alive(client) || !process_wait(client->process, 1000, NULL))
        return;
    g_autofree char *how = process_describe_status(client->process);
    error_prefix(err, "the program that leads to the host ended (%s)", how);
    error_hint(err, "its own message says why; the host needs virt-ssh-helper, or nc with -U, and a running "
                    "daemon");
}

bool wire_client_open(const char *text, const WireClientOptions *options, WireClient **ret_client,
                      Error **err)
{
    g_auto(WireUri) uri = { 0 };
    g_autoptr(Process) process = NULL;
    uint64_t timeout_ms =
        options && options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    bool read_only = options && options->read_only;
    WireLayer *layer = NULL;
    int fd = -1;

    if (!wire_uri_parse(text, &uri, err))
        return false;
    if (strcmp(uri.transport, "unix") == 0) {
        if (!client_connect_socket(&uri, read_only, timeout_ms, &fd, err))
            return false;
    } else if (strcmp(uri.transport, "ssh") == 0 || strcmp(uri.transport, "ext") == 0) {
        if (!client_start_ssh(&uri, read_only, &process, &fd, err))
            return false;
    } else if (strcmp(uri.transport, "tls") == 0 || strcmp(uri.transport, "tcp") == 0) {
        if (!client_connect_host(&uri, timeout_ms, &fd, &layer, err))
            return error_prefix(err, "cannot connect to '%s'", text);
    } else {
        error_set(err, ERROR_OPERATION_UNSUPPORTED, "connections over '%s' are not supported", uri.transport);
        return error_hint(err, "transports are unix, ssh, tls, tcp and ext, as in qemu+ssh://HOST/system");
    }

    bool over_ssh = process != NULL;
    WireClient *client = wire_client_new(fd, fd, options);
    client->channel.layer = layer;
    client->is_tcp = strcmp(uri.transport, "tcp") == 0;
    client->host = g_strdup(uri.host);
    client->authfile = g_strdup(uri.authfile);
    if (uri.auth && g_str_has_prefix(uri.auth, "sasl."))
        client->mechanism = g_ascii_strup(uri.auth + strlen("sasl."), -1);
    client->process = g_steal_pointer(&process);
    if (over_ssh) /* may ask for a password first: the handshake gets minutes */
        client->options.connect_timeout_ms = MAX(client->options.connect_timeout_ms, 300000);
    if (!wire_client_handshake(client, uri.name, err)) {
        if (over_ssh)
            client_explain_ssh(client, err);
        wire_client_free(client);
        return error_prefix(err, "cannot connect to '%s'", text && *text ? text : uri.name);
    }
    client->options.connect_timeout_ms = (unsigned)timeout_ms;
    *ret_client = client;
    return true;
}
