/* Listening, accepting, and the books about who is connected. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/server.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/socket.h"
#include "rpc/failures.h"

#define ACCEPT_BATCH 32
#define REFUSALS_TOLD 5
#define REMOTE_UIDS 0x80000000u
#define TICK_US ((uint64_t)1000000)

typedef struct RpcProgram {
    uint32_t id;
    int32_t last;
    const RpcEntry **by_number;
} RpcProgram;

typedef struct RpcListener {
    RpcServer *server;
    int fd;
    char *path; /* to remove at the end; NULL: not ours */
    RpcDoor door;
    sd_event_source *io;
} RpcListener;

struct RpcServer {
    RpcServerSpec spec;
    GArray *programs;     /* of RpcProgram */
    GPtrArray *listeners; /* of RpcListener */
    GHashTable *clients;  /* set of RpcClient, each a reference */
    GHashTable *users;    /* uid -> RpcUser, each a reference */
    RpcUserLimits limits;
    RpcFailures *failures;
    WireTlsSpec tls;    /* identity NULL: not set */
    unsigned n_bounded; /* clients that are not root's */
    unsigned n_refused; /* since the last message about it */
    unsigned n_unauthenticated;
    unsigned min_workers; /* what an administrator said: nothing is kept waiting here */
    uint64_t last_client_id;
    uint64_t started_ms;
    bool accept_paused;
    bool stopping;
    sd_event_source *tick;
    void *subscription; /* of the events module */
    void (*end_events)(void *subscription);
};

/* ---- tables ---- */

static RpcProgram *server_program(RpcServer *server, uint32_t id)
{
    for (guint i = 0; i < server->programs->len; i++) {
        RpcProgram *program = &g_array_index(server->programs, RpcProgram, i);
        if (program->id == id)
            return program;
    }
    const WireProgram *wire = wire_program_find(id);
    g_assert(wire);
    RpcProgram made = { .id = id,
                        .last = wire->last_proc,
                        .by_number = g_new0(const RpcEntry *, (gsize)wire->last_proc + 1) };
    g_array_append_val(server->programs, made);
    return &g_array_index(server->programs, RpcProgram, server->programs->len - 1);
}

static void server_add_table(RpcServer *server, const RpcTable *table)
{
    RpcProgram *program = server_program(server, table->program);

    for (const RpcEntry *entry = table->entries; entry->number; entry++) {
        g_assert(entry->number <= program->last && !program->by_number[entry->number]);
        program->by_number[entry->number] = entry;
    }
}

const RpcEntry *rpc_server_find_entry(const RpcServer *server, uint32_t id, int32_t proc)
{
    for (guint i = 0; i < server->programs->len; i++) {
        const RpcProgram *program = &g_array_index(server->programs, RpcProgram, i);
        if (program->id == id)
            return proc >= 0 && proc <= program->last ? program->by_number[proc] : NULL;
    }
    return NULL;
}

/* ---- life ---- */

static void listener_free(gpointer data)
{
    RpcListener *listener = data;

    sd_event_source_disable_unref(listener->io);
    if (listener->path)
        (void)unlink(listener->path); /* best effort: the next start replaces it */
    g_free(listener->path);
    close(listener->fd);
    g_free(listener);
}

static void server_set_limits(RpcServer *server)
{
    const RpcServerSpec *spec = &server->spec;

    server->limits = rpc_user_limits(spec->max_clients, spec->max_unauthenticated, spec->max_user_calls);
    server->limits.urgent_calls = server->limits.calls + spec->max_user_urgent_calls;
}

RpcServer *rpc_server_new(const RpcServerSpec *spec)
{
    RpcServer *server = g_new0(RpcServer, 1);

    server->spec = *spec;
    if (server->spec.max_clients == 0)
        server->spec.max_clients = 5000;
    if (server->spec.max_unauthenticated == 0)
        server->spec.max_unauthenticated = 20;
    if (server->spec.max_calls == 0)
        server->spec.max_calls = 5;
    if (server->spec.max_user_calls == 0)
        server->spec.max_user_calls = 20;
    if (server->spec.max_user_urgent_calls == 0)
        server->spec.max_user_urgent_calls = 5;
    server_set_limits(server);
    server->programs = g_array_new(FALSE, FALSE, sizeof(RpcProgram));
    server->listeners = g_ptr_array_new_with_free_func(listener_free);
    server->clients = g_hash_table_new(NULL, NULL);
    server->users = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)rpc_user_unref);
    server->failures = rpc_failures_new();
    server->started_ms = loop_now_ms();
    for (const RpcTable *table = spec->tables; table->program; table++)
        server_add_table(server, table);
    for (const RpcTable *table = spec->more; table && table->program; table++)
        server_add_table(server, table);
    return server;
}

void rpc_server_stop(RpcServer *server)
{
    server->stopping = true;
    g_ptr_array_set_size(server->listeners, 0);
    server->tick = sd_event_source_disable_unref(server->tick);
    g_autofree gpointer *clients = g_hash_table_get_keys_as_array(server->clients, NULL);
    for (size_t i = 0; clients[i]; i++)
        rpc_client_flush(clients[i]); /* each stops to be read */
}

void rpc_server_free(RpcServer *server)
{
    if (!server)
        return;
    rpc_server_stop(server);
    g_autofree gpointer *clients = g_hash_table_get_keys_as_array(server->clients, NULL);
    for (size_t i = 0; clients[i]; i++)
        rpc_client_drop(clients[i], "the daemon stops");
    if (server->subscription)
        server->end_events(g_steal_pointer(&server->subscription));
    g_hash_table_unref(server->clients);
    g_hash_table_unref(server->users);
    rpc_failures_free(server->failures);
    wire_tls_identity_unref(server->tls.identity);
    g_strfreev((char **)server->tls.allowed_names);
    g_ptr_array_unref(server->listeners);
    for (guint i = 0; i < server->programs->len; i++)
        g_free(g_array_index(server->programs, RpcProgram, i).by_number);
    g_array_unref(server->programs);
    g_free(server);
}

/* ---- accepting ---- */

static bool server_may_accept(const RpcServer *server)
{
    return g_hash_table_size(server->clients) < server->spec.max_clients;
}

bool rpc_server_has_place(const RpcServer *server, const RpcClient *client)
{
    const RpcUser *user = client->user;
    const RpcUserLimits *limits = &server->limits;

    if (!rpc_user_is_bounded(user))
        return true;
    if (user->n_clients >= limits->clients || server->n_bounded >= limits->all_clients)
        return false;
    return client->authenticated || (user->n_unauthenticated < limits->unauthenticated &&
                                     server->n_unauthenticated < limits->all_unauthenticated);
}

/* Some messages each second, whatever comes in. */
static void server_report_refusal(RpcServer *server, const Error *why)
{
    if (server->n_refused++ < REFUSALS_TOLD)
        log_warning_error(why, "a connection was refused");
    rpc_server_start_tick(server);
}

static void server_watch_listeners(RpcServer *server)
{
    bool pause = !server_may_accept(server);

    if (pause == server->accept_paused)
        return;
    server->accept_paused = pause;
    if (pause)
        log_warning("%u clients: no more are accepted for now", g_hash_table_size(server->clients));
    for (guint i = 0; i < server->listeners->len; i++) {
        RpcListener *listener = g_ptr_array_index(server->listeners, i);
        (void)sd_event_source_set_enabled(listener->io, pause ? SD_EVENT_OFF : SD_EVENT_ON);
    }
}

void rpc_server_enter(RpcServer *server, RpcClient *client)
{
    g_hash_table_add(server->clients, client);
    client->user->n_clients++;
    server->n_bounded += rpc_user_is_bounded(client->user);
    if (!client->authenticated) {
        server->n_unauthenticated++;
        client->user->n_unauthenticated++;
    }
    if (rpc_user_is_bounded(client->user))
        rpc_server_start_tick(server); /* until it has opened */
    server_watch_listeners(server);
}

bool rpc_server_add_client(RpcServer *server, int fd, const RpcDoor *door, Error **err)
{
    RpcClient *client = rpc_client_new(server, fd, door, err);

    if (client)
        rpc_server_enter(server, client);
    return client != NULL;
}

static int server_on_connect(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    RpcListener *listener = arg;
    RpcServer *server = listener->server;

    for (unsigned i = 0; i < ACCEPT_BATCH && server_may_accept(server); i++) {
        g_autoptr(Error) err = NULL;
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
                log_error("cannot accept a client: %s", g_strerror(errno));
                /* Until the tick, or the loop would spin on the connection that waits. */
                (void)sd_event_source_set_enabled(listener->io, SD_EVENT_OFF);
                rpc_server_start_tick(server);
            }
            return 0;
        }
        if (!rpc_server_add_client(server, client, &listener->door, &err))
            server_report_refusal(server, err);
    }
    return 0;
}

bool rpc_server_listen_fd(RpcServer *server, int fd, const RpcDoor *door, Error **err)
{
    RpcListener *listener = g_new0(RpcListener, 1);

    listener->server = server;
    listener->fd = fd;
    listener->door = *door;
    if (server->spec.max_queued)
        (void)listen(fd, (int)server->spec.max_queued); /* it listens already: this changes the length */
    int r = fd_set_nonblocking(fd)
                ? sd_event_add_io(loop_event(), &listener->io, fd, EPOLLIN, server_on_connect, listener)
                : -errno;
    if (r < 0) {
        listener_free(listener);
        return error_set_errno(err, -r, "cannot watch a listening socket");
    }
    (void)sd_event_source_set_priority(listener->io,
                                       rpc_client_priority(door->read_only)); /* cannot fail here */
    g_ptr_array_add(server->listeners, listener);
    return true;
}

bool rpc_server_listen(RpcServer *server, const char *path, mode_t mode, gid_t gid, const RpcDoor *door,
                       Error **err)
{
    int fd;

    if (!socket_listen_unix(path, mode, &fd, err))
        return false;
    if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) {
        int code = errno;
        close(fd);
        (void)unlink(path);
        return error_set_errno(err, code, "cannot give the socket '%s' to group %u", path, (unsigned)gid);
    }
    if (!rpc_server_listen_fd(server, fd, door, err))
        return false;
    RpcListener *listener = g_ptr_array_index(server->listeners, server->listeners->len - 1);
    listener->path = g_strdup(path);
    log_debug("listening on %s", path);
    return true;
}

/* ---- the tick ---- */

static bool server_tick_client(RpcServer *server, RpcClient *client, uint64_t now_ms)
{
    bool watched = rpc_client_check_idle(client, now_ms);

    if (client->dropped)
        return false;
    if (client->pings && server->spec.keepalive_interval_s > 0)
        rpc_client_tick(client, now_ms, (unsigned)server->spec.keepalive_interval_s * 1000,
                        server->spec.keepalive_count);
    return client->pings || watched;
}

static int server_on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    RpcServer *server = arg;
    g_autofree gpointer *clients = g_hash_table_get_keys_as_array(server->clients, NULL);
    uint64_t now_ms = loop_now_ms();
    bool again = false;

    for (size_t i = 0; clients[i]; i++) {
        g_autoptr(RpcClient) hold = rpc_client_ref(clients[i]);
        if (!hold->dropped)
            again |= server_tick_client(server, hold, now_ms);
    }
    if (server->n_refused > REFUSALS_TOLD)
        log_warning("%u more connections were refused in the last second", server->n_refused - REFUSALS_TOLD);
    server->n_refused = 0;
    server->accept_paused = !server->accept_paused; /* sets the listeners anew, after EMFILE too */
    server_watch_listeners(server);
    if (again) {
        (void)sd_event_source_set_time_relative(source, TICK_US);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    } else {
        server->tick = sd_event_source_disable_unref(server->tick);
    }
    return 0;
}

void rpc_server_start_tick(RpcServer *server)
{
    if (server->tick || server->stopping)
        return;
    int r = sd_event_add_time_relative(loop_event(), &server->tick, CLOCK_MONOTONIC, TICK_US, TICK_US / 4,
                                       server_on_tick, server);
    if (r < 0)
        log_error("cannot set a timer: %s", g_strerror(-r));
}

/* ---- for the other modules ---- */

void rpc_server_client_authenticated(RpcServer *server, RpcClient *client)
{
    if (client->authenticated)
        return;
    client->authenticated = true;
    server->n_unauthenticated--;
    client->user->n_unauthenticated--;
    server_watch_listeners(server);
}

void rpc_server_client_dropped(RpcServer *server, RpcClient *client)
{
    if (!g_hash_table_remove(server->clients, client))
        return;
    client->user->n_clients--;
    server->n_bounded -= rpc_user_is_bounded(client->user);
    if (!client->authenticated) {
        server->n_unauthenticated--;
        client->user->n_unauthenticated--;
    }
    if (client->user->n_clients == 0 && client->user->n_calls == 0)
        g_hash_table_remove(server->users, GUINT_TO_POINTER(client->user->uid));
    if (server->spec.client_gone)
        server->spec.client_gone(server->spec.host, client->caller.client_id);
    server_watch_listeners(server);
    rpc_client_unref(client);
}

RpcServerNumbers rpc_server_numbers(RpcServer *server)
{
    RpcServerNumbers numbers = {
        .max_clients = server->spec.max_clients,
        .max_unauthenticated = server->spec.max_unauthenticated,
        .clients = g_hash_table_size(server->clients),
        .unauthenticated = server->n_unauthenticated,
        .min_workers = server->min_workers,
        .max_workers = server->spec.max_user_calls,
        .prio_workers = server->spec.max_user_urgent_calls,
    };
    GHashTableIter at;
    gpointer client;

    g_hash_table_iter_init(&at, server->clients);
    while (g_hash_table_iter_next(&at, &client, NULL)) {
        numbers.calls += ((RpcClient *)client)->n_calls;
        numbers.waiting += ((RpcClient *)client)->backlog.length;
    }
    return numbers;
}

void rpc_server_set_numbers(RpcServer *server, const RpcServerNumbers *numbers)
{
    server->spec.max_clients = numbers->max_clients;
    server->spec.max_unauthenticated = numbers->max_unauthenticated;
    server->spec.max_user_calls = numbers->max_workers;
    server->spec.max_user_urgent_calls = numbers->prio_workers;
    server->min_workers = numbers->min_workers;
    server_set_limits(server);
    server_watch_listeners(server);
}

unsigned rpc_server_count_clients(const RpcServer *server)
{
    return g_hash_table_size(server->clients);
}

uint64_t rpc_server_started_ms(const RpcServer *server)
{
    return server->started_ms;
}

const RpcUserLimits *rpc_server_user_limits(const RpcServer *server)
{
    return &server->limits;
}

/* Users of other hosts are in the same books, under numbers that no user here has. */
RpcUser *rpc_server_user(RpcServer *server, const Caller *caller)
{
    if (!caller->address)
        return rpc_user_get(server->users, caller->uid);
    g_autofree char *key = rpc_failures_key(caller->address);
    return rpc_user_get(server->users, REMOTE_UIDS | g_str_hash(key));
}

static char *server_failure_key(const Caller *caller)
{
    return caller->address ? rpc_failures_key(caller->address)
                           : g_strdup_printf("uid %u", (unsigned)caller->uid);
}

void rpc_server_client_failed(RpcServer *server, RpcClient *client, const Error *why)
{
    g_autofree char *key = server_failure_key(&client->caller);

    rpc_failures_note(server->failures, key, loop_now_ms());
    server_report_refusal(server, why);
}

bool rpc_server_client_fails_too_often(RpcServer *server, const RpcClient *client)
{
    g_autofree char *key = server_failure_key(&client->caller);

    return rpc_failures_are_too_many(server->failures, key, loop_now_ms());
}

void rpc_server_set_tls(RpcServer *server, const WireTlsSpec *spec)
{
    WireTlsSpec copy = { .identity = wire_tls_identity_ref(spec->identity),
                         .allowed_names = (const char *const *)g_strdupv((char **)spec->allowed_names),
                         .no_verify = spec->no_verify };

    wire_tls_identity_unref(server->tls.identity);
    g_strfreev((char **)server->tls.allowed_names);
    server->tls = copy;
}

const WireTlsSpec *rpc_server_tls(const RpcServer *server)
{
    return &server->tls;
}

const RpcServerSpec *rpc_server_spec(const RpcServer *server)
{
    return &server->spec;
}

bool rpc_server_is_stopping(const RpcServer *server)
{
    return server->stopping;
}

uint64_t rpc_server_next_client_id(RpcServer *server)
{
    return ++server->last_client_id;
}

GHashTable *rpc_server_clients(RpcServer *server)
{
    return server->clients;
}

bool rpc_server_has_events(const RpcServer *server)
{
    return server->subscription != NULL;
}

void rpc_server_set_events(RpcServer *server, void *subscription, void (*end)(void *subscription))
{
    server->subscription = subscription;
    server->end_events = end;
}
