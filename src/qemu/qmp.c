/* The QMP client: many fibers share one connection to a QEMU that may be slow, stopped or hostile.
 *
 * A fiber that calls qmp_exec() queues its command and sleeps; the socket's event source reads lines, finds
 * the call by the reply's id and wakes it. A call whose fiber gave up (deadline, cancellation) is withdrawn
 * if not a byte of it was sent; otherwise it stays known until its reply comes, so that a late reply is not
 * mistaken for something else, and qmp_pending_ms() tells how long QEMU has been silent.
 *
 * Invariants: 1. @calls holds every command that QEMU may still answer, oldest first. 2. A call with a waiter
 * is freed by the waiter, one without by its reply or the end of the connection. 3. Only one command with a
 * descriptor is under way: QEMU keeps just the descriptors it received last, so a second one would close the
 * first before the command that names it ran. 4. Events that a guest repeats without end cost little
 * (qmp_flood.h): while the flood lasts the socket is read by a timer, and what comes is mostly left out. A
 * reply never overtakes an event that was sent before it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "qmp"
#include "qemu/qmp.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "qemu/line_buffer.h"
#include "qemu/qmp_flood.h"

#define QMP_ID_PREFIX "libvirt-" /* scripts see it in qemu-monitor-command replies */
#define QMP_BARE_ID                                                                                          \
    UINT64_MAX /* of the one call that has no id on the wire; nothing else waited when it was made */
#define QMP_MAX_LINE (64u << 20)
#define QMP_MAX_QUEUED_BYTES (16u << 20)
#define QMP_MAX_ABANDONED 1024
#define QMP_LINES_PER_DISPATCH 64  /* then other sources get their turn */
#define QMP_HELD_PER_DISPATCH 1024 /* which cost little */
#define QMP_FLOOD_POLL_US ((uint64_t)5000)
#define QMP_FLOOD_TELL_MS 60000

typedef struct QmpCall {
    uint64_t id;
    uint64_t started_ms;
    bool has_waiter;
    bool wants_text; /* the reply line as it is, for qmp_exec_raw() */
    WaitQueue waiter;
    Json *reply;
    char *reply_text;
} QmpCall;

typedef struct QmpMessage {
    uint64_t call_id;
    char *data;
    size_t len, sent;
    int fd; /* borrowed from the caller, who withdraws the message before closing it; -1: none */
} QmpMessage;

struct Qmp {
    char *name;
    unsigned refs; /* the owner, each waiting fiber, each callback under way */
    int fd;        /* -1: closed */
    QmpHandlers handlers;
    sd_event_source *source, *resume, *flood_timer;
    QmpFlood flood;
    uint64_t flood_told_ms;
    bool stray_too_many; /* the last reply was one of too many that nobody waits for */
    LineBuffer in;
    GQueue out;   /* of QmpMessage */
    GQueue calls; /* of QmpCall */
    size_t out_bytes;
    unsigned n_abandoned;
    uint64_t last_id;
    uint64_t fd_call_id; /* the command with a descriptor under way; 0: none */
    bool greeted, opened;
    WaitQueue greeting_waiter;
    Error *why; /* why the connection ended */
};

/* The moment when @timeout_ms (0: the default) from now has passed. */
static uint64_t qmp_deadline(uint64_t timeout_ms)
{
    uint64_t now_ms = loop_now_ms(), timeout = timeout_ms ? timeout_ms : QMP_DEFAULT_TIMEOUT_MS;
    return timeout > UINT64_MAX - now_ms ? FIBER_NO_DEADLINE : now_ms + timeout;
}

static uint64_t qmp_left_ms(uint64_t deadline_ms)
{
    uint64_t now_ms = loop_now_ms();
    if (deadline_ms == FIBER_NO_DEADLINE)
        return FIBER_NO_DEADLINE;
    return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

static void qmp_message_free(QmpMessage *message)
{
    g_free(message->data);
    g_free(message);
}

static void qmp_call_free(QmpCall *call)
{
    wait_queue_clear(&call->waiter);
    json_decref(call->reply);
    g_free(call->reply_text);
    g_free(call);
}

static Qmp *qmp_ref(Qmp *qmp)
{
    qmp->refs++;
    return qmp;
}

static void qmp_unref(Qmp *qmp)
{
    if (--qmp->refs > 0)
        return;
    g_assert(qmp->fd < 0 && g_queue_is_empty(&qmp->calls));
    wait_queue_clear(&qmp->greeting_waiter);
    line_buffer_clear(&qmp->in);
    error_free(qmp->why);
    g_free(qmp->name);
    g_free(qmp);
}

static QmpCall *qmp_find_call(Qmp *qmp, uint64_t id)
{
    for (GList *link = qmp->calls.head; link; link = link->next) {
        QmpCall *call = link->data;
        if (call->id == id)
            return call;
    }
    return NULL;
}

static void qmp_forget_call(Qmp *qmp, QmpCall *call)
{
    if (!call->has_waiter)
        qmp->n_abandoned--;
    g_queue_remove(&qmp->calls, call);
    qmp_call_free(call);
}

/* Ends the connection; @why is owned. Does not tell the owner. */
static void qmp_disconnect(Qmp *qmp, Error *why)
{
    if (qmp->fd < 0) {
        error_free(why);
        return;
    }
    qmp->why = why;
    qmp->source = sd_event_source_disable_unref(qmp->source);
    qmp->resume = sd_event_source_disable_unref(qmp->resume);
    qmp->flood_timer = sd_event_source_disable_unref(qmp->flood_timer);
    fd_cleanup(&qmp->fd);
    qmp_flood_clear(&qmp->flood);
    line_buffer_clear(&qmp->in);
    g_queue_clear_full(&qmp->out, (GDestroyNotify)qmp_message_free);
    qmp->out_bytes = 0;

    for (GList *link = qmp->calls.head, *next; link; link = next) {
        next = link->next;
        QmpCall *call = link->data;
        if (call->has_waiter)
            wait_queue_wake_all(&call->waiter);
        else
            qmp_forget_call(qmp, call);
    }
    wait_queue_wake_all(&qmp->greeting_waiter);
}

/* The connection broke: wakes the waiters and tells the owner. */
static void qmp_fail(Qmp *qmp, Error *why)
{
    if (qmp->fd < 0) {
        error_free(why);
        return;
    }
    qmp_disconnect(qmp, why);
    log_debug("%s: connection closed: %s", qmp->name, error_message(qmp->why));
    if (qmp->opened && qmp->handlers.on_close)
        qmp->handlers.on_close(qmp->why, qmp->handlers.arg);
}

static void qmp_watch(Qmp *qmp)
{
    bool blocked = false;
    const QmpMessage *first = g_queue_peek_head(&qmp->out);
    if (first && first->fd >= 0 && first->sent == 0)
        blocked = qmp->fd_call_id != 0;
    uint32_t events = EPOLLIN | (first && !blocked ? EPOLLOUT : 0);
    (void)sd_event_source_set_io_events(qmp->source, events); /* fails only for sources that are gone */
}

static ssize_t qmp_send_some(int fd, const QmpMessage *message)
{
    struct iovec iov = { .iov_base = message->data + message->sent, .iov_len = message->len - message->sent };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (message->fd >= 0 && message->sent == 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
        *cmsg = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS,
                                  .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(cmsg), &message->fd, sizeof(int));
    }
    return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Writes what the socket takes now. A broken socket is left to the reader, who may still find QEMU's last
 * words in it. */
static void qmp_flush(Qmp *qmp)
{
    QmpMessage *message;
    while ((message = g_queue_peek_head(&qmp->out))) {
        if (message->fd >= 0 && message->sent == 0 && qmp->fd_call_id != 0)
            break;
        ssize_t n = qmp_send_some(qmp->fd, message);
        if (n < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
                break;
            g_queue_clear_full(&qmp->out, (GDestroyNotify)qmp_message_free);
            qmp->out_bytes = 0;
            break;
        }
        if (message->fd >= 0)
            qmp->fd_call_id = message->call_id;
        message->sent += (size_t)n;
        qmp->out_bytes -= (size_t)n;
        if (message->sent < message->len)
            break;
        qmp_message_free(g_queue_pop_head(&qmp->out));
    }
    qmp_watch(qmp);
}

/* Takes a command back of which nothing was sent yet. */
static bool qmp_withdraw(Qmp *qmp, uint64_t call_id)
{
    for (GList *link = qmp->out.head; link; link = link->next) {
        QmpMessage *message = link->data;
        if (message->call_id != call_id)
            continue;
        if (message->sent > 0) {
            message->fd = -1;
            return false;
        }
        qmp->out_bytes -= message->len;
        g_queue_delete_link(&qmp->out, link);
        qmp_message_free(message);
        qmp_watch(qmp);
        return true;
    }
    return false;
}

static void qmp_handle_event(Qmp *qmp, const Json *object, const char *event)
{
    const Json *stamp = json_get_obj(object, "timestamp");
    if (qmp->handlers.on_event)
        qmp->handlers.on_event(event, json_get_obj(object, "data"), json_get_int(stamp, "seconds", 0),
                               json_get_int(stamp, "microseconds", 0), qmp->handlers.arg);
}

static bool qmp_parse_id(const Json *object, uint64_t *ret_id)
{
    const char *text = json_get_str(object, "id");
    if (!json_object_get(object, "id")) {
        *ret_id = QMP_BARE_ID;
        return true;
    }
    if (text && g_str_has_prefix(text, QMP_ID_PREFIX))
        text += strlen(QMP_ID_PREFIX);
    return text && g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT64, ret_id, NULL);
}

static void qmp_handle_reply(Qmp *qmp, Json *object, const char *line, size_t len)
{
    uint64_t id;
    QmpCall *call = qmp_parse_id(object, &id) ? qmp_find_call(qmp, id) : NULL;
    if (!call) {
        log_debug("%s: dropped a reply that nobody waits for", qmp->name);
        qmp->stray_too_many = !qmp_flood_pass(&qmp->flood, loop_now_us());
        return;
    }
    if (qmp->fd_call_id == id)
        qmp->fd_call_id = 0;
    if (!call->has_waiter) {
        log_debug("%s: reply %" PRIu64 " came after its caller had left", qmp->name, id);
        qmp_forget_call(qmp, call);
    } else if (!call->reply) { /* a second reply with the same id is dropped */
        call->reply = json_incref(object);
        if (call->wants_text)
            call->reply_text = line_compact_json(line, len);
        wait_queue_wake_all(&call->waiter);
    }
    qmp_flush(qmp);
}

static void qmp_handle_line(Qmp *qmp, const char *line, size_t len)
{
    if (len == 0)
        return;
    Error *err = NULL;
    AUTO_JSON object = NULL;
    if (!line_parse_json(line, len, "QMP", &object, &err)) {
        error_recode(err, ERROR_PROTOCOL);
        qmp_fail(qmp, err);
        return;
    }
    const char *event = json_get_str(object, "event");
    if (event) {
        qmp_handle_event(qmp, object, event);
    } else if (json_object_get(object, "return") || json_object_get(object, "error")) {
        qmp_handle_reply(qmp, object, line, len);
    } else if (json_get_obj(object, "QMP")) {
        qmp->greeted = true;
        wait_queue_wake_all(&qmp->greeting_waiter);
    } else {
        qmp_fail(qmp, error_new(ERROR_PROTOCOL, "QMP: a line that is no greeting, reply or event"));
    }
}

static void qmp_release_held(Qmp *qmp)
{
    for (char *text; (text = qmp_flood_take(&qmp->flood)); g_free(text)) {
        if (qmp->fd >= 0)
            qmp_handle_line(qmp, text, strlen(text));
    }
}

/* An event passes or is held; anything else passes, after what is held. false: the line was held. */
static bool qmp_take_line(Qmp *qmp, const char *line, size_t len)
{
    if (g_str_has_prefix(line, "{\"timestamp\"") || g_str_has_prefix(line, "{\"event\"")) {
        if (!qmp_flood_pass(&qmp->flood, loop_now_us())) {
            qmp_flood_hold(&qmp->flood, line, len);
            return false;
        }
    } else {
        qmp_release_held(qmp);
    }
    if (qmp->fd >= 0)
        qmp_handle_line(qmp, line, len);
    return true;
}

/* At most so many lines at a time; says whether there may be more in the buffer that can be handled now. */
static bool qmp_handle_lines(Qmp *qmp)
{
    qmp->stray_too_many = false;
    for (unsigned n = 0, n_held = 0; n < QMP_LINES_PER_DISPATCH && n_held < QMP_HELD_PER_DISPATCH;) {
        size_t len;
        const char *line = qmp_flood_is_full(&qmp->flood) ? NULL : line_buffer_next(&qmp->in, &len);
        if (!line)
            return false;
        *(qmp_take_line(qmp, line, len) ? &n : &n_held) += 1;
        if (qmp->fd < 0 || qmp->stray_too_many)
            return false;
    }
    return true;
}

static int qmp_on_flood_timer(sd_event_source *source, uint64_t usec, void *arg);

/* What wakes us next: lines that are already here, the timer of a flood, or the socket. */
static void qmp_wait_for_more(Qmp *qmp, bool more)
{
    if (qmp->fd < 0)
        return;
    bool flood = !more && (qmp->stray_too_many || qmp_flood_is_on(&qmp->flood, loop_now_us()));
    int r = 0;
    if (flood && !qmp->flood_timer)
        r = sd_event_add_time_relative(loop_event(), &qmp->flood_timer, CLOCK_MONOTONIC, QMP_FLOOD_POLL_US, 0,
                                       qmp_on_flood_timer, qmp);
    else if (flood)
        r = sd_event_source_set_time_relative(qmp->flood_timer, QMP_FLOOD_POLL_US);
    if (flood && r >= 0)
        r = sd_event_source_set_enabled(qmp->flood_timer, SD_EVENT_ONESHOT);
    if (r < 0) { /* without the timer the socket must do */
        log_warning("%s: cannot set a timer: %s", qmp->name, g_strerror(-r));
        flood = false;
    }
    (void)sd_event_source_set_enabled(qmp->resume, more ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
    (void)sd_event_source_set_enabled(qmp->source, more || flood ? SD_EVENT_OFF : SD_EVENT_ON);
}

static void qmp_tell_of_flood(Qmp *qmp)
{
    uint64_t now_ms = loop_now_ms();
    if (qmp->flood.n_dropped == 0 || (qmp->flood_told_ms && now_ms - qmp->flood_told_ms < QMP_FLOOD_TELL_MS))
        return;
    log_warning("QEMU of '%s' repeats itself: %" PRIu64 " events that said what later ones say were left out",
                qmp->name, qmp->flood.n_dropped);
    qmp->flood_told_ms = now_ms;
    qmp->flood.n_dropped = 0;
}

static void qmp_read(Qmp *qmp)
{
    Error *err = NULL;
    switch (line_buffer_fill(&qmp->in, qmp->fd, &err)) {
    case LINE_READ_AGAIN:
        qmp_wait_for_more(qmp, false);
        break;
    case LINE_READ_EOF:
        qmp_release_held(qmp); /* its last words */
        qmp_fail(qmp, error_new(ERROR_VM_GONE, "QEMU closed its monitor"));
        break;
    case LINE_READ_FAILED:
        error_prefix(&err, "QMP");
        if (error_code(err) == ERROR_OVERFLOW)
            error_recode(err, ERROR_PROTOCOL);
        qmp_fail(qmp, err);
        break;
    case LINE_READ_DATA: /* no reading before these are done */
        qmp_wait_for_more(qmp, qmp_handle_lines(qmp));
        break;
    }
}

static int qmp_on_resume(sd_event_source *source, void *arg)
{
    Qmp *qmp = qmp_ref(arg);
    qmp_wait_for_more(qmp, qmp_handle_lines(qmp));
    qmp_unref(qmp);
    return 0;
}

static int qmp_on_flood_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    Qmp *qmp = qmp_ref(arg);
    if (qmp_flood_slice_is_over(&qmp->flood, loop_now_us())) {
        qmp_release_held(qmp);
        qmp_tell_of_flood(qmp);
    }
    if (qmp->fd >= 0)
        qmp_flush(qmp);
    /* What is here already comes first, or else what the socket has. */
    if (qmp->fd >= 0 && qmp_handle_lines(qmp))
        qmp_wait_for_more(qmp, true);
    else if (qmp->fd >= 0 && (qmp->stray_too_many || qmp_flood_is_full(&qmp->flood)))
        qmp_wait_for_more(qmp, false);
    else if (qmp->fd >= 0)
        qmp_read(qmp);
    qmp_unref(qmp);
    return 0;
}

static int qmp_on_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    Qmp *qmp = qmp_ref(arg);
    if (revents & EPOLLOUT)
        qmp_flush(qmp);
    if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
        qmp_read(qmp);
    qmp_unref(qmp);
    return 0;
}

static bool qmp_gone(const Qmp *qmp, const char *command, Error **err)
{
    return error_set(err, ERROR_VM_GONE, "QEMU of '%s' went away during '%s': %s", qmp->name, command,
                     qmp->why ? error_message(qmp->why) : "the connection was closed");
}

/* As short as can be: QEMU reads its monitor byte by byte, with several system calls for each. */
static uint64_t qmp_next_id(Qmp *qmp)
{
    if (!qmp)
        return 0;
    if (g_queue_is_empty(&qmp->calls))
        qmp->last_id = 0;
    return ++qmp->last_id;
}

static char *qmp_format_command(uint64_t id, const char *command, const Json *args)
{
    AUTO_JSON object = json_object();
    json_object_set_new(object, "execute", json_string(command));
    if (args)
        json_object_set(object, "arguments", (Json *)args);
    char id_text[32];
    g_snprintf(id_text, sizeof(id_text), "%" PRIu64, id);
    if (id != QMP_BARE_ID)
        json_object_set_new(object, "id", json_string(id_text));
    g_autofree char *text = json_format(object);
    return g_strconcat(text, "\n", NULL);
}

static void qmp_call_abandon(Qmp *qmp, QmpCall *call)
{
    bool withdrawn = qmp->fd >= 0 && qmp_withdraw(qmp, call->id);
    if (withdrawn || qmp->fd < 0) {
        qmp_forget_call(qmp, call);
        return;
    }
    call->has_waiter = false;
    if (++qmp->n_abandoned <= QMP_MAX_ABANDONED)
        return;
    for (GList *link = qmp->calls.head; link; link = link->next) {
        QmpCall *oldest = link->data;
        if (!oldest->has_waiter) {
            qmp_forget_call(qmp, oldest);
            return;
        }
    }
}

/* Waits for the reply of @call, which is gone afterwards unless its reply is still to come. */
AWAITS static bool qmp_await_reply(Qmp *qmp, QmpCall *call, const char *command, uint64_t deadline_ms,
                                   Json **ret_reply, char **ret_text, Error **err)
{
    while (!call->reply && qmp->fd >= 0) {
        Error *failure = NULL;
        if (wait_queue_wait(&call->waiter, qmp_left_ms(deadline_ms), &failure))
            continue;
        if (call->reply || qmp->fd < 0) { /* both happened in the same round of the loop: the reply counts */
            error_free(failure);
            break;
        }
        if (error_code(failure) == ERROR_TIMEOUT) {
            error_set(err, ERROR_TIMEOUT, "QEMU of '%s' did not answer '%s' within %.1f s", qmp->name,
                      command, (double)(loop_now_ms() - call->started_ms) / 1000);
            error_hint(err, "QEMU may be stopped or wait for its storage; the command can still take effect");
            error_free(failure);
        } else {
            error_propagate(err, failure);
        }
        qmp_call_abandon(qmp, call);
        return false;
    }
    bool answered = call->reply != NULL;
    if (answered) {
        *ret_reply = g_steal_pointer(&call->reply);
        if (ret_text)
            *ret_text = g_steal_pointer(&call->reply_text);
    } else {
        qmp_gone(qmp, command, err);
    }
    qmp_forget_call(qmp, call);
    return answered;
}

/* Queues one command line (@data owned); qmp_flush() sends it. NULL on failure. */
static QmpCall *qmp_queue_call(Qmp *qmp, uint64_t id, const char *command, char *data, int fd,
                               bool wants_text, Error **err)
{
    g_autofree char *owned = data;
    const size_t len = strlen(data);

    if (!qmp) {
        error_set(err, ERROR_VM_GONE, "'%s': there is no connection to QEMU", command);
        return NULL;
    }

    if (qmp->fd < 0) {
        qmp_gone(qmp, command, err);
        return NULL;
    }
    if (qmp->out_bytes + len > QMP_MAX_QUEUED_BYTES) {
        error_set(err, ERROR_BUSY, "QEMU of '%s' does not read its monitor: too much is waiting there",
                  qmp->name);
        return NULL;
    }
    QmpCall *call = g_new0(QmpCall, 1);
    *call = (QmpCall){ .id = id, .started_ms = loop_now_ms(), .has_waiter = true, .wants_text = wants_text };
    wait_queue_init(&call->waiter);
    g_queue_push_tail(&qmp->calls, call);

    QmpMessage *message = g_new0(QmpMessage, 1);
    *message = (QmpMessage){ .call_id = id, .data = g_steal_pointer(&owned), .len = len, .fd = fd };
    g_queue_push_tail(&qmp->out, message);
    qmp->out_bytes += len;
    log_debug("%s: %" PRIu64 " %s", qmp->name, id, command);
    return call;
}

/* Sends one command line (@data owned) and waits for the whole reply object. */
AWAITS static bool qmp_transact(Qmp *qmp, uint64_t id, const char *command, char *data, int fd,
                                uint64_t timeout_ms, Json **ret_reply, char **ret_text, Error **err)
{
    const uint64_t deadline_ms = qmp_deadline(timeout_ms);
    QmpCall *call = qmp_queue_call(qmp, id, command, data, fd, ret_text, err);

    if (!call)
        return false;
    qmp_ref(qmp);
    qmp_flush(qmp);
    bool ok = qmp_await_reply(qmp, call, command, deadline_ms, ret_reply, ret_text, err);
    /* A caller who gets an answer may count on the machine: the end of a run closes its monitor first. */
    if (ok && qmp->fd < 0)
        ok = qmp_gone(qmp, command, err);
    qmp_unref(qmp);
    return ok;
}

static bool qmp_refused(const char *command, const Json *error, Error **err)
{
    const char *words = json_get_str(error, "desc");
    error_set(err, ERROR_REFUSED, "QEMU refused '%s': %s", command, words ? words : "(it did not say why)");
    if (err)
        error_set_class(*err, json_get_str(error, "class"));
    return false;
}

/* The value in a whole @reply. */
static bool qmp_take_value(const char *command, const Json *reply, Json **ret_reply, Error **err)
{
    Json *value = json_object_get(reply, "return");

    if (!value)
        return qmp_refused(command, json_get_obj(reply, "error"), err);
    if (ret_reply)
        *ret_reply = json_incref(value);
    return true;
}

bool qmp_ask(Qmp *qmp, const char *command, uint64_t timeout_ms, Json **ret_reply, Error **err)
{
    /* QEMU answers in order, so what comes without an id is the answer to the one that has none. */
    const uint64_t id = qmp && g_queue_is_empty(&qmp->calls) ? QMP_BARE_ID : qmp_next_id(qmp);
    AUTO_JSON reply = NULL;

    return qmp_transact(qmp, id, command, qmp_format_command(id, command, NULL), -1, timeout_ms, &reply, NULL,
                        err) &&
           qmp_take_value(command, reply, ret_reply, err);
}

bool qmp_exec_fd(Qmp *qmp, const char *command, const Json *args, int fd, uint64_t timeout_ms,
                 Json **ret_reply, Error **err)
{
    uint64_t id = qmp_next_id(qmp);
    AUTO_JSON reply = NULL;

    return qmp_transact(qmp, id, command, qmp_format_command(id, command, args), fd, timeout_ms, &reply, NULL,
                        err) &&
           qmp_take_value(command, reply, ret_reply, err);
}

void qmp_commands_clear(QmpCommand *commands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(commands[i].args);
        json_decref(commands[i].reply);
    }
}

/* Those that could be queued, in their order. */
static bool qmp_queue_all(Qmp *qmp, QmpCommand *commands, size_t count, QmpCall **calls, Error **err)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t id = qmp_next_id(qmp);
        char *line = qmp_format_command(id, commands[i].name, commands[i].args);
        calls[i] = qmp_queue_call(qmp, id, commands[i].name, line, -1, false, err);
        if (!calls[i])
            return false;
    }
    return true;
}

/* The answers to all that are queued; *first is the first thing that went wrong. */
AWAITS static void qmp_await_all(Qmp *qmp, QmpCommand *commands, size_t count, QmpCall **calls,
                                 uint64_t deadline_ms, Error **first)
{
    for (size_t i = 0; i < count && calls[i]; i++) {
        AUTO_JSON reply = NULL;
        g_autoptr(Error) why = NULL;
        if (qmp_await_reply(qmp, calls[i], commands[i].name, deadline_ms, &reply, NULL, &why) &&
            qmp_take_value(commands[i].name, reply, &commands[i].reply, &why))
            continue;
        if (!*first && !(commands[i].may_be_refused && error_code(why) == ERROR_REFUSED))
            *first = g_steal_pointer(&why);
    }
    if (!*first && qmp->fd < 0)
        qmp_gone(qmp, "the commands", first);
}

bool qmp_exec_all(Qmp *qmp, QmpCommand *commands, size_t count, uint64_t timeout_ms, Error **err)
{
    const uint64_t deadline_ms = qmp_deadline(timeout_ms);
    g_autofree QmpCall **calls = g_new0(QmpCall *, count);
    Error *first = NULL;

    if (!qmp)
        return error_set(err, ERROR_VM_GONE, "there is no connection to QEMU");
    qmp_ref(qmp);
    (void)!qmp_queue_all(qmp, commands, count, calls, &first);
    if (qmp->fd >= 0)
        qmp_flush(qmp);
    qmp_await_all(qmp, commands, count, calls, deadline_ms, &first);
    qmp_unref(qmp);
    return first ? error_propagate(err, first) : true;
}

bool qmp_exec(Qmp *qmp, const char *command, const Json *args, uint64_t timeout_ms, Json **ret_reply,
              Error **err)
{
    return qmp_exec_fd(qmp, command, args, -1, timeout_ms, ret_reply, err);
}

bool qmp_exec_raw(Qmp *qmp, const char *text, int fd, uint64_t timeout_ms, char **ret_text, Error **err)
{
    AUTO_JSON object = NULL;
    if (!json_parse(text, strlen(text), "monitor command", &object, err))
        return false;
    if (!json_is_object(object))
        return error_set(err, ERROR_INVALID_ARGUMENT, "monitor command: a JSON object is expected");

    AUTO_JSON user_id = json_incref(json_object_get(object, "id"));
    uint64_t id = qmp_next_id(qmp);
    char id_text[32];
    g_snprintf(id_text, sizeof(id_text), QMP_ID_PREFIX "%" PRIu64, id);
    json_object_set_new(object, "id", json_string(id_text));
    g_autofree char *compact = json_format(object);
    char *line = g_strconcat(compact, "\n", NULL);

    const char *command = json_get_str(object, "execute");
    AUTO_JSON reply = NULL;
    g_autofree char *reply_text = NULL;
    if (!qmp_transact(qmp, id, command ? command : "(raw command)", line, fd, timeout_ms, &reply, &reply_text,
                      err))
        return false;
    if (user_id) { /* the caller sees the id that the caller gave */
        json_object_set(reply, "id", user_id);
        *ret_text = json_format(reply);
    } else {
        *ret_text = g_steal_pointer(&reply_text);
    }
    return true;
}

bool qmp_exec_hmp(Qmp *qmp, const char *line, uint64_t timeout_ms, char **ret_text, Error **err)
{
    AUTO_JSON args = json_object();
    Json *value = json_string(line);
    if (!value)
        return error_set(err, ERROR_INVALID_ARGUMENT, "monitor command: not valid UTF-8");
    json_object_set_new(args, "command-line", value);
    AUTO_JSON reply = NULL;
    if (!qmp_exec(qmp, "human-monitor-command", args, timeout_ms, &reply, err))
        return false;
    if (!json_is_string(reply))
        return error_set(err, ERROR_INTERNAL, "QEMU of '%s' answered a monitor command with no text",
                         qmp->name);
    *ret_text = g_strdup(json_string_value(reply));
    return true;
}

AWAITS static bool qmp_await_greeting(Qmp *qmp, uint64_t deadline_ms, Error **err)
{
    while (!qmp->greeted && qmp->fd >= 0) {
        Error *failure = NULL;
        if (wait_queue_wait(&qmp->greeting_waiter, qmp_left_ms(deadline_ms), &failure))
            continue;
        bool timed_out = error_code(failure) == ERROR_TIMEOUT;
        error_propagate(err, failure);
        if (timed_out)
            error_prefix(err, "QEMU of '%s' sent no greeting", qmp->name);
        return false;
    }
    return qmp->greeted && qmp->fd >= 0 ? true : qmp_gone(qmp, "the greeting", err);
}

/* QEMU finds the commands where it looks after its greeting: nothing is gained by waiting for that first. */
AWAITS static bool qmp_negotiate(Qmp *qmp, QmpCommand *commands, size_t count, uint64_t deadline_ms,
                                 Error **err)
{
    QmpCommand begin = { .name = "qmp_capabilities" };
    g_autofree QmpCall **calls = g_new0(QmpCall *, count + 1);
    Error *first = NULL;

    if (!qmp_queue_all(qmp, &begin, 1, calls, err))
        return false;
    (void)!qmp_queue_all(qmp, commands, count, calls + 1, &first);
    qmp_flush(qmp);
    if (first || !qmp_await_greeting(qmp, deadline_ms, &first)) {
        for (size_t i = 0; i <= count && calls[i]; i++)
            qmp_call_abandon(qmp, calls[i]);
        return error_propagate(err, first);
    }
    qmp_await_all(qmp, &begin, 1, calls, deadline_ms, &first);
    qmp_await_all(qmp, commands, count, calls + 1, deadline_ms, &first);
    qmp_commands_clear(&begin, 1);
    return first ? error_propagate(err, first) : true;
}

static bool qmp_attach_loop(Qmp *qmp, Error **err)
{
    int r = sd_event_add_io(loop_event(), &qmp->source, qmp->fd, EPOLLIN, qmp_on_io, qmp);
    if (r >= 0)
        r = sd_event_add_defer(loop_event(), &qmp->resume, qmp_on_resume, qmp);
    if (r >= 0)
        r = sd_event_source_set_enabled(qmp->resume, SD_EVENT_OFF);
    return r >= 0 ? true : error_set_errno(err, -r, "watching the monitor socket");
}

bool qmp_open_with(int fd, const char *name, const QmpHandlers *handlers, QmpCommand *commands, size_t count,
                   uint64_t timeout_ms, Qmp **ret_qmp, Error **err)
{
    Qmp *qmp = g_new0(Qmp, 1);
    *qmp = (Qmp){ .name = g_strdup(name), .refs = 1, .fd = fd };
    line_buffer_init(&qmp->in, QMP_MAX_LINE);
    qmp_flood_init(&qmp->flood);
    g_queue_init(&qmp->out);
    g_queue_init(&qmp->calls);
    wait_queue_init(&qmp->greeting_waiter);
    if (handlers) /* from now on: QEMU may send events right behind its first reply */
        qmp->handlers = *handlers;

    bool ok = qmp_attach_loop(qmp, err) && qmp_negotiate(qmp, commands, count, qmp_deadline(timeout_ms), err);
    if (ok && qmp->fd < 0) /* it went away in the same round of the loop */
        ok = qmp_gone(qmp, "qmp_capabilities", err);
    if (!ok) {
        qmp_close(qmp);
        return false;
    }
    qmp->opened = true;
    *ret_qmp = qmp;
    return true;
}

bool qmp_open(int fd, const char *name, const QmpHandlers *handlers, uint64_t timeout_ms, Qmp **ret_qmp,
              Error **err)
{
    return qmp_open_with(fd, name, handlers, NULL, 0, timeout_ms, ret_qmp, err);
}

bool qmp_is_open(const Qmp *qmp)
{
    return qmp->fd >= 0;
}

uint64_t qmp_pending_ms(const Qmp *qmp)
{
    for (const GList *link = qmp->calls.head; link; link = link->next) {
        const QmpCall *call = link->data;
        if (!call->reply)
            return MAX(loop_now_ms() - call->started_ms, 1);
    }
    return 0;
}

void qmp_close(Qmp *qmp)
{
    if (!qmp)
        return;
    qmp->handlers = (QmpHandlers){ 0 };
    qmp_disconnect(qmp, error_new(ERROR_VM_GONE, "the monitor was closed"));
    qmp_unref(qmp);
}
