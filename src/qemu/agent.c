/* Talking to the guest agent.
 *
 * The guest decides what comes out of this channel, so nothing that it sends is believed: before each command
 * the stream is resynchronised (a 0xFF byte makes the agent forget half a command, its 0xFF and our random
 * number mark where the answer begins), lines are bounded, and every wait has a deadline. The fiber whose
 * turn it is reads the socket itself; between commands nobody does, so a chatty guest costs a full socket
 * buffer and no time. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "agent"
#include "qemu/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/socket.h"
#include "base/uuid.h"
#include "qemu/line_buffer.h"

#define AGENT_MAX_LINE (10u << 20)
/* What is left of earlier answers is skipped, but not for ever. */
#define AGENT_MAX_SKIPPED_BYTES (2 * AGENT_MAX_LINE)
#define AGENT_MAX_SKIPPED_LINES 4096
/* A parsed value takes much more room than its text: an answer has at most so many of them. */
#define AGENT_MAX_VALUES 262144
#define AGENT_MAX_SYNC_REPLY 128
#define AGENT_MAX_WORDS 512 /* characters of a refusal */
#define AGENT_MARK '\xff'

struct Agent {
    unsigned refs; /* the owner and each fiber inside a call */
    int fd;
    bool is_closed;
    bool is_busy; /* a fiber has the turn */
    WaitQueue turn;
    LineBuffer in;
};

Agent *agent_new(int fd)
{
    Agent *agent = g_new0(Agent, 1);
    agent->refs = 1;
    agent->fd = fd;
    wait_queue_init(&agent->turn);
    line_buffer_init(&agent->in, AGENT_MAX_LINE);
    return agent;
}

bool agent_open(const char *socket_path, uint64_t timeout_ms, Agent **ret_agent, Error **err)
{
    int fd;
    if (!socket_connect_unix_trusted(socket_path, timeout_ms ? timeout_ms : AGENT_DEFAULT_TIMEOUT_MS, &fd,
                                     err))
        return error_prefix(err, "connecting to the guest agent's channel");
    *ret_agent = agent_new(fd);
    return true;
}

static void agent_unref(Agent *agent)
{
    if (--agent->refs > 0)
        return;
    wait_queue_clear(&agent->turn);
    fd_cleanup(&agent->fd);
    line_buffer_clear(&agent->in);
    g_free(agent);
}

bool agent_is_open(const Agent *agent)
{
    return !agent->is_closed;
}

void agent_close(Agent *agent)
{
    if (!agent)
        return;
    agent->is_closed = true;
    (void)shutdown(agent->fd,
                   SHUT_RDWR); /* wakes the fiber that waits on it, which may still hold the descriptor */
    wait_queue_wake_all(&agent->turn);
    agent_unref(agent);
}

static uint64_t agent_left_ms(uint64_t deadline_ms)
{
    uint64_t now_ms = loop_now_ms();
    return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

static bool agent_gone(Agent *agent, Error **err)
{
    agent->is_closed = true;
    return error_set(err, ERROR_VM_GONE, "the guest agent's channel was closed");
}

static bool agent_unavailable(const char *doing, Error **err)
{
    error_set(err, ERROR_AGENT_UNRESPONSIVE, "Guest agent not available for now");
    return error_hint(err,
                      "it failed at this: %s; check that qemu-guest-agent is installed and runs in the guest",
                      doing);
}

/* An await ended early: an expired deadline means that the agent is silent. */
static bool agent_fail_await(Error *failure, const char *doing, Error **err)
{
    if (error_code(failure) != ERROR_TIMEOUT)
        return error_propagate(err, failure);
    error_free(failure);
    return agent_unavailable(doing, err);
}

AWAITS static bool agent_send(Agent *agent, const char *data, size_t len, uint64_t deadline_ms, Error **err)
{
    while (len > 0) {
        if (agent->is_closed)
            return agent_gone(agent, err);
        ssize_t n = send(agent->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return agent_gone(agent, err);
        Error *failure = NULL;
        uint32_t events;
        if (!fiber_wait_fd(agent->fd, EPOLLOUT, agent_left_ms(deadline_ms), &events, &failure))
            return agent_fail_await(failure, "reading a command", err);
    }
    return true;
}

/* The next line; borrowed until the next call. */
AWAITS static bool agent_read_line(Agent *agent, uint64_t deadline_ms, const char *doing, char **ret_line,
                                   size_t *ret_len, Error **err)
{
    char *line;
    while (!(line = line_buffer_next(&agent->in, ret_len))) {
        if (agent->is_closed)
            return agent_gone(agent, err);
        if (agent_left_ms(deadline_ms) == 0) /* a guest that talks without end does not hold us */
            return agent_fail_await(error_new(ERROR_TIMEOUT, ""), doing, err);
        Error *failure = NULL;
        uint32_t events;
        if (!fiber_wait_fd(agent->fd, EPOLLIN, agent_left_ms(deadline_ms), &events, &failure))
            return agent_fail_await(failure, doing, err);
        switch (line_buffer_fill(&agent->in, agent->fd, &failure)) {
        case LINE_READ_EOF:
            return agent_gone(agent, err);
        case LINE_READ_FAILED:
            error_prefix(&failure, "guest agent");
            agent->is_closed = true;
            return error_propagate(err, failure);
        case LINE_READ_DATA:
        case LINE_READ_AGAIN:
            break;
        }
    }
    *ret_line = line;
    return true;
}

/* What follows the last mark in @line, if that is {"return": @id}. */
static bool agent_is_sync_reply(const char *line, size_t len, int64_t id)
{
    const char *mark = memrchr(line, AGENT_MARK, len);
    AUTO_JSON reply = NULL;
    if (!mark || line + len - mark > AGENT_MAX_SYNC_REPLY ||
        !json_parse(mark + 1, len - (size_t)(mark + 1 - line), "guest agent", &reply, NULL))
        return false;
    return json_get_int(reply, "return", -1) == id;
}

AWAITS static bool agent_sync(Agent *agent, uint64_t deadline_ms, Error **err)
{
    uint32_t number;
    random_bytes(&number, sizeof(number));
    int64_t id = number & 0x7fffffff;
    char command[128];
    int n = g_snprintf(command, sizeof(command),
                       "%c{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%" PRId64 "}}\n",
                       AGENT_MARK, id);
    if (!agent_send(agent, command, (size_t)n, deadline_ms, err))
        return false;
    size_t skipped_bytes = 0;
    for (unsigned i = 0; i < AGENT_MAX_SKIPPED_LINES && skipped_bytes < AGENT_MAX_SKIPPED_BYTES; i++) {
        char *line;
        size_t len;
        if (!agent_read_line(agent, deadline_ms, "synchronising", &line, &len, err))
            return false;
        if (agent_is_sync_reply(line, len, id))
            return true;
        skipped_bytes += len;
    }
    agent->is_closed = true; /* what it still has to say goes with the connection */
    return agent_unavailable("keeping quiet", err);
}

/* Waits until no other fiber talks to the agent. On success agent_leave() must follow. */
AWAITS static bool agent_enter(Agent *agent, uint64_t deadline_ms, Error **err)
{
    agent->refs++;
    while (agent->is_busy && !agent->is_closed) {
        Error *failure = NULL;
        if (wait_queue_wait(&agent->turn, agent_left_ms(deadline_ms), &failure))
            continue;
        wait_queue_wake_one(&agent->turn); /* in case the wake-up that we leave behind was for us */
        agent_unref(agent);
        return agent_fail_await(failure, "coming to an end with another command", err);
    }
    if (agent->is_closed) {
        agent_gone(agent, err);
        agent_unref(agent);
        return false;
    }
    agent->is_busy = true;
    return true;
}

static void agent_leave(Agent *agent)
{
    agent->is_busy = false;
    wait_queue_wake_one(&agent->turn);
    agent_unref(agent);
}

static bool agent_refused(const char *command, const Json *refusal, Error **err)
{
    const char *words = json_get_str(refusal, "desc");
    const long len = words ? g_utf8_strlen(words, -1) : 0;
    g_autofree char *some = words ? g_utf8_substring(words, 0, MIN(len, AGENT_MAX_WORDS)) : NULL;
    error_set(err, ERROR_REFUSED, "unable to execute QEMU agent command '%s': %s", command,
              some ? some : "unknown QEMU command error");
    if (err)
        error_set_class(*err, json_get_str(refusal, "class"));
    return false;
}

static bool agent_parse(const char *line, size_t len, Json **ret_reply, Error **err)
{
    size_t n_values = 0;
    for (size_t i = 0; i < len; i++)
        n_values += line[i] == ',' || line[i] == '[' || line[i] == '{';
    if (n_values > AGENT_MAX_VALUES)
        return error_set(err, ERROR_OVERFLOW, "an answer of the guest agent has more than %u values",
                         AGENT_MAX_VALUES);
    Error *why = NULL;
    if (line_parse_json(line, len, "guest agent", ret_reply, &why))
        return true;
    error_recode(why, ERROR_REFUSED);
    return error_propagate(err, why);
}

/* Sends @text, one command line, and returns its reply object. */
AWAITS static bool agent_transact(Agent *agent, const char *text, const char *command, uint64_t deadline_ms,
                                  Json **ret_reply, Error **err)
{
    char *line;
    size_t len;
    if (!agent_sync(agent, deadline_ms, err) || !agent_send(agent, text, strlen(text), deadline_ms, err) ||
        !agent_send(agent, "\n", 1, deadline_ms, err))
        return false;
    log_debug("%s", command);
    do {
        if (!agent_read_line(agent, deadline_ms, command, &line, &len, err))
            return false;
    } while (len == 0);
    AUTO_JSON reply = NULL;
    if (!agent_parse(line, len, &reply, err))
        return false;
    const Json *refusal = json_get_obj(reply, "error");
    if (refusal)
        return agent_refused(command, refusal, err);
    if (!json_object_get(reply, "return"))
        return error_set(err, ERROR_REFUSED, "the guest agent answered '%s' with nonsense", command);
    *ret_reply = json_incref(reply);
    return true;
}

static char *agent_format_command(const char *command, const Json *args)
{
    AUTO_JSON object = json_object();
    json_object_set_new(object, "execute", json_string(command));
    if (args)
        json_object_set(object, "arguments", (Json *)args);
    return json_format(object);
}

static uint64_t agent_deadline(uint64_t timeout_ms)
{
    uint64_t now_ms = loop_now_ms(), timeout = timeout_ms ? timeout_ms : AGENT_DEFAULT_TIMEOUT_MS;
    return timeout > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + timeout;
}

bool agent_exec(Agent *agent, const char *command, const Json *args, uint64_t timeout_ms, Json **ret_reply,
                Error **err)
{
    uint64_t deadline_ms = agent_deadline(timeout_ms);
    g_autofree char *text = agent_format_command(command, args);
    AUTO_JSON reply = NULL;
    if (!agent_enter(agent, deadline_ms, err))
        return false;
    bool ok = agent_transact(agent, text, command, deadline_ms, &reply, err);
    agent_leave(agent);
    if (ok && ret_reply)
        *ret_reply = json_incref(json_object_get(reply, "return"));
    return ok;
}

/* After a command that has no answer unless it fails: silence and a closed channel are good signs. */
AWAITS static bool agent_await_refusal(Agent *agent, const char *command, uint64_t quiet_ms, Error **err)
{
    char *line;
    size_t len;
    Error *failure = NULL;
    if (!agent_read_line(agent, agent_deadline(quiet_ms), command, &line, &len, &failure)) {
        if (error_code(failure) != ERROR_AGENT_UNRESPONSIVE && error_code(failure) != ERROR_VM_GONE)
            return error_propagate(err, failure);
        error_free(failure);
        return true;
    }
    AUTO_JSON reply = NULL;
    if (!agent_parse(line, len, &reply, err))
        return false;
    const Json *refusal = json_get_obj(reply, "error");
    return refusal ? agent_refused(command, refusal, err) : true;
}

bool agent_exec_silent(Agent *agent, const char *command, const Json *args, uint64_t timeout_ms,
                       uint64_t quiet_ms, Error **err)
{
    uint64_t deadline_ms = agent_deadline(timeout_ms);
    g_autofree char *text = agent_format_command(command, args);
    Error *failure = NULL;
    if (!agent_enter(agent, deadline_ms, err))
        return false;
    bool ok = agent_sync(agent, deadline_ms, &failure) &&
              agent_send(agent, text, strlen(text), deadline_ms, &failure) &&
              agent_send(agent, "\n", 1, deadline_ms, &failure) &&
              agent_await_refusal(agent, command, quiet_ms, &failure);
    agent_leave(agent);
    return ok ? true : error_propagate(err, failure);
}

bool agent_exec_raw(Agent *agent, const char *text, uint64_t timeout_ms, char **ret_text, Error **err)
{
    AUTO_JSON object = NULL;
    AUTO_JSON reply = NULL;
    Error *why = NULL;
    if (!json_parse(text, strlen(text), "agent command", &object, &why)) {
        error_recode(why, ERROR_INTERNAL); /* the code that programs know for it */
        return error_propagate(err, why);
    }
    const char *command = json_get_str(object, "execute");
    if (!command)
        return error_set(err, ERROR_INVALID_ARGUMENT, "agent command: an object with 'execute' is expected");
    uint64_t deadline_ms = agent_deadline(timeout_ms);
    g_autofree char *compact = json_format(object);
    if (!agent_enter(agent, deadline_ms, err))
        return false;
    bool ok = agent_transact(agent, compact, command, deadline_ms, &reply, err);
    agent_leave(agent);
    if (ok)
        *ret_text = json_format(reply);
    return ok;
}
