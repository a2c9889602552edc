/* Authentication of local clients: the kernel's word for who they are, and polkit's for what they may.
 *
 * The bus connection is made on first use and kept; it lives in the event loop, so a polkit daemon that hangs
 * costs the one client that asked. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "auth"
#include "rpc/auth.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "rpc/server.h"
#include "wire/wire_enums.h"

#define POLKIT_TIMEOUT_MS ((uint64_t)300000)
#define POLKIT_QUICK_MS ((uint64_t)10000) /* where nobody is asked */
#define POLKIT_ALLOW_INTERACTION 1u

static sd_bus *auth_bus;

typedef struct PolkitQuestion {
    WaitQueue answered;
    bool done;
    bool authorized, challenge, dismissed;
    char *failure; /* the bus's words; NULL: polkit has answered */
} PolkitQuestion;

void rpc_auth_shutdown(void)
{
    auth_bus = sd_bus_close_unref(auth_bus);
}

static bool auth_open_bus(Error **err)
{
    if (auth_bus && sd_bus_is_open(auth_bus) > 0)
        return true;
    rpc_auth_shutdown();
    int r = sd_bus_open_system(&auth_bus);
    if (r >= 0)
        r = sd_bus_attach_event(auth_bus, loop_event(), SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        return true;
    rpc_auth_shutdown();
    error_set(err, ERROR_AUTH_UNAVAILABLE, "polkit cannot be asked: no system bus: %s", g_strerror(-r));
    return error_hint(err, "connect as root, or set auth_unix_rw = \"none\" in libvirtd.conf");
}

/* Reads (bba{ss}): is authorized, is a challenge (an agent would be needed), details. */
static int polkit_read_answer(sd_bus_message *reply, PolkitQuestion *question)
{
    int authorized, challenge;
    const char *key, *value;

    int r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
    if (r >= 0)
        r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "{ss}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read(reply, "{ss}", &key, &value)) > 0) {
        if (strcmp(key, "polkit.dismissed") == 0)
            question->dismissed = true;
    }
    question->authorized = authorized;
    question->challenge = challenge;
    return r;
}

static int polkit_on_answer(sd_bus_message *reply, void *arg, sd_bus_error *unused)
{
    PolkitQuestion *question = arg;
    const sd_bus_error *failure = sd_bus_message_get_error(reply);

    if (failure) {
        question->failure = g_strdup(failure->message ? failure->message : failure->name);
    } else {
        int r = polkit_read_answer(reply, question);
        if (r < 0)
            question->failure = g_strdup_printf("its answer makes no sense: %s", g_strerror(-r));
    }
    question->done = true;
    wait_queue_wake_all(&question->answered);
    return 0;
}

static bool polkit_judge(const PolkitQuestion *question, const char *action, Error **err)
{
    if (question->failure)
        return error_set(err, ERROR_AUTH_UNAVAILABLE, "polkit cannot be asked: %s", question->failure);
    if (question->authorized)
        return true;
    if (question->dismissed)
        return error_set(err, ERROR_AUTH_CANCELLED, "user cancelled authentication process");
    if (question->challenge)
        return error_set(err, ERROR_AUTH_UNAVAILABLE, "no polkit agent available to authenticate action '%s'",
                         action);
    return error_set(err, ERROR_AUTH_FAILED, "access denied by policy");
}

/* (sa{sv}) (subject), s (action), a{ss} (details), u (flags), s (to cancel it by) */
static int polkit_send(const PeerCredentials *peer, const char *action, const char *const *details, bool asks,
                       PolkitQuestion *question, sd_bus_slot **ret_slot)
{
    sd_bus_message *message = NULL;

    int r = sd_bus_message_new_method_call(auth_bus, &message, "org.freedesktop.PolicyKit1",
                                           "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
    if (r >= 0)
        r = sd_bus_message_append(message, "(sa{sv})s", "unix-process", 3, "pid", "u", (uint32_t)peer->pid,
                                  "start-time", "t", peer->start_time, "uid", "i", (int32_t)peer->uid,
                                  action);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "{ss}");
    for (; r >= 0 && details && details[0]; details += 2)
        r = sd_bus_message_append(message, "{ss}", details[0], details[1]);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    if (r >= 0)
        r = sd_bus_message_append(message, "us", asks ? POLKIT_ALLOW_INTERACTION : 0u, "");
    if (r >= 0)
        r = sd_bus_call_async(auth_bus, ret_slot, message, polkit_on_answer, question, 0);
    sd_bus_message_unref(message);
    return r;
}

bool rpc_auth_ask_polkit(const PeerCredentials *peer, const char *action, const char *const *details,
                         bool asks, Error **err)
{
    PolkitQuestion question = { .answered = WAIT_QUEUE_INIT };
    sd_bus_slot *slot = NULL;

    if (!auth_open_bus(err))
        return false;
    int r = polkit_send(peer, action, details, asks, &question, &slot);
    if (r < 0)
        return error_set(err, ERROR_AUTH_UNAVAILABLE, "polkit cannot be asked: %s", g_strerror(-r));
    bool ok = true;
    while (ok && !question.done)
        ok = wait_queue_wait(&question.answered, asks ? POLKIT_TIMEOUT_MS : POLKIT_QUICK_MS, err);
    sd_bus_slot_unref(slot); /* takes the question back if it is not answered */
    if (ok)
        ok = polkit_judge(&question, action, err);
    g_free(question.failure);
    return ok;
}

bool rpc_auth_polkit(const PeerCredentials *peer, bool read_only, Error **err)
{
    return rpc_auth_ask_polkit(peer, read_only ? "org.libvirt.unix.monitor" : "org.libvirt.unix.manage", NULL,
                               true, err);
}

/* ---- handlers ---- */

RPC_HANDLER(auth_list)
{
    ret->types = g_new0(int32_t, 1);
    ret->types[0] = call->client->authenticated ? RPC_AUTH_NONE : (int32_t)call->client->auth;
    ret->n_types = 1;
    return true;
}

RPC_HANDLER(auth_polkit)
{
    RpcClient *client = call->client;

    if (client->auth != RPC_AUTH_POLKIT)
        return error_set(err, ERROR_AUTH_FAILED, "polkit was not offered");
    if (!client->authenticated) {
        if (!rpc_auth_polkit(&client->peer, client->caller.read_only, err))
            return false;
        if (client->dropped)
            return error_set(err, ERROR_CANCELLED, "the client left");
        rpc_server_client_authenticated(client->server, client);
    }
    ret->complete = 1;
    return true;
}

const RpcEntry rpc_entries_auth[] = {
    RPC_ENTRY_EARLY(auth_list),
    RPC_ENTRY_EARLY(auth_polkit),
    { 0 },
};
