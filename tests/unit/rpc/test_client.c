/* The client connection against the real server: handshake, calls, errors, events, streams, descriptors, and
 * what happens when either side leaves. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "core/stream.h"
#include "peer.h"
#include "rpc/dispatch.h"
#include "wire/client.h"

static RpcServer *server;
static WaitQueue gate;
static int far_end;
static unsigned n_events, n_broken;
static RpcClient *server_side; /* the connection as the server sees it */

RPC_HANDLER(auth_list)
{
    ret->types = g_new0(int32_t, 1);
    ret->n_types = 1;
    return true;
}

RPC_HANDLER(connect_supports_feature)
{
    ret->supported = args->feature == VIR_DRV_FEATURE_PROGRAM_KEEPALIVE;
    return true;
}

RPC_HANDLER(connect_open)
{
    call->client->opened = true;
    server_side = call->client;
    return true;
}

RPC_HANDLER(connect_close)
{
    rpc_client_close_after_reply(call->client);
    return true;
}

RPC_HANDLER(connect_get_uri)
{
    ret->uri = g_strdup("qemu:///chosen");
    return true;
}

RPC_HANDLER(connect_get_lib_version)
{
    ret->lib_ver = 9000000;
    return true;
}

RPC_HANDLER(domain_lookup_by_name)
{
    if (strcmp(args->name, "a") != 0)
        return error_set(err, ERROR_NO_DOMAIN, "no domain with matching name '%s'", args->name);
    ret->dom.name = g_strdup("a");
    ret->dom.id = 7;
    return true;
}

RPC_HANDLER(connect_get_hostname)
{
    ret->hostname = g_strdup("late");
    return wait_queue_wait(&gate, 10000, err);
}

RPC_HANDLER(domain_open_console)
{
    int pair[2];

    if (args->flags)
        return error_set(err, ERROR_OPERATION_FAILED, "busy");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return false;
    far_end = pair[0];
    call->stream = stream_new(pair[1], STREAM_BOTH, NULL, NULL);
    return true;
}

RPC_HANDLER(domain_open_graphics)
{
    return call->n_fds == 1 && write(call->fds[0], "in", 2) == 2;
}

RPC_HANDLER(domain_open_graphics_fd)
{
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) < 0)
        return false;
    (void)!write(pair[1], "out", 3);
    close(pair[1]);
    call->ret_fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_append_val(call->ret_fds, pair[0]);
    return true;
}

static const RpcEntry entries[] = {
    RPC_ENTRY_EARLY(auth_list),         RPC_ENTRY_EARLY(connect_supports_feature),
    RPC_ENTRY_EARLY(connect_open),      RPC_ENTRY_EARLY(connect_close),
    RPC_ENTRY(connect_get_uri),         RPC_ENTRY(connect_get_lib_version),
    RPC_ENTRY(connect_get_hostname),    RPC_ENTRY(domain_lookup_by_name),
    RPC_ENTRY(domain_open_console),     RPC_ENTRY(domain_open_graphics),
    RPC_ENTRY(domain_open_graphics_fd), { 0 },
};
static const RpcTable tables[] = { { WIRE_PROGRAM_REMOTE, entries }, { 0 } };

static int set_up(void **state)
{
    RpcServerSpec spec = { .tables = tables, .keepalive_interval_s = 5, .keepalive_count = 5 };

    server = rpc_server_new(&spec);
    wait_queue_init(&gate);
    far_end = -1;
    n_events = n_broken = 0;
    return 0;
}

static int tear_down(void **state)
{
    g_clear_pointer(&server, rpc_server_free);
    if (far_end >= 0)
        close(far_end);
    return 0;
}

static void on_event(WireClient *client, uint32_t program, int32_t proc, const void *message, void *arg)
{
    const WireDomainEventCallbackLifecycleMsg *event = message;

    if (program == WIRE_PROGRAM_REMOTE && proc == PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE &&
        strcmp(event->msg.dom.name, "a") == 0 && event->msg.event == 2)
        n_events++;
}

static void on_broken(WireClient *client, const Error *err, void *arg)
{
    n_broken++;
}

static WireClient *connect_client(void)
{
    WireClientOptions options = { .on_event = on_event, .on_broken = on_broken };
    int pair[2];

    int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    g_assert(r == 0);
    bool added = rpc_server_add_client(server, pair[1], &(RpcDoor){ .via = RPC_VIA_UNIX }, NULL);
    g_assert(added);
    WireClient *client = wire_client_new(pair[0], pair[0], &options);
    g_autoptr(Error) err = NULL;
    if (!wire_client_handshake(client, "", &err)) {
        g_printerr("handshake: %s\n", error_message(err));
        g_clear_pointer(&client, wire_client_free);
    }
    return client;
}

static void calls_and_errors_arrive(void *arg)
{
    g_autoptr(WireClient) client = connect_client();
    WireDomainLookupByNameArgs args = { .name = (char *)"a" };
    g_auto(WireDomainLookupByNameRet) ret = { 0 };
    g_autoptr(Error) err = NULL;

    CHECK(client);
    CHECK(strcmp(wire_client_uri(client), "qemu:///chosen") == 0);
    CHECK(wire_client_server_pid(client) == getpid());
    CHECK(wire_call_remote(client, PROC_DOMAIN_LOOKUP_BY_NAME, &args, &ret, 5000, &err));
    CHECK(strcmp(ret.dom.name, "a") == 0 && ret.dom.id == 7);
    args.name = (char *)"b";
    WireDomainLookupByNameRet untouched = { .dom.id = 99 };
    CHECK(!wire_call_remote(client, PROC_DOMAIN_LOOKUP_BY_NAME, &args, &untouched, 5000, &err));
    CHECK(untouched.dom.id == 99 && untouched.dom.name == NULL);
    CHECK(error_code(err) == ERROR_NO_DOMAIN && wire_error_code(err) == VIR_ERR_NO_DOMAIN);
    g_clear_pointer(&err, error_free);
    CHECK(!wire_call_remote(client, PROC_NETWORK_LOOKUP_BY_NAME, &args, NULL, 5000, &err));
    CHECK(error_code(err) == ERROR_NOT_SUPPORTED);
}

static void a_late_answer_is_a_timeout_and_harmless(void *arg)
{
    g_autoptr(WireClient) client = connect_client();
    g_autoptr(Error) err = NULL;
    WireConnectGetLibVersionRet ret = { 0 };

    CHECK(client);
    CHECK(!wire_call_remote(client, PROC_CONNECT_GET_HOSTNAME, NULL, NULL, 30, &err));
    CHECK(error_code(err) == ERROR_TIMEOUT);
    wait_queue_wake_all(&gate); /* now it comes */
    CHECK(wire_call_remote(client, PROC_CONNECT_GET_LIB_VERSION, NULL, &ret, 5000, NULL));
    CHECK(fiber_sleep(10, NULL));
    CHECK(wire_call_remote(client, PROC_CONNECT_GET_LIB_VERSION, NULL, &ret, 5000, NULL));
    CHECK(wire_client_is_alive(client));
}

static void events_arrive(void *arg)
{
    g_autoptr(WireClient) client = connect_client();

    CHECK(client);
    WireDomainEventCallbackLifecycleMsg event = {
        .callback_id = 3, .msg = { .dom.name = (char *)"a", .event = 2, .detail = 0 }
    };
    for (unsigned i = 0; i < 10; i++)
        rpc_client_send_message(server_side, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_EVENT_CALLBACK_LIFECYCLE,
                                &event);
    CHECK(wire_call_remote(client, PROC_CONNECT_GET_LIB_VERSION, NULL, NULL, 5000, NULL));
    CHECK(n_events == 10);
}

static void streams_carry_data_both_ways(void *arg)
{
    g_autoptr(WireClient) client = connect_client();
    WireDomainOpenConsoleArgs args = { .dom.name = (char *)"a" };
    g_autoptr(WireStream) stream = NULL;
    g_autoptr(Error) err = NULL;
    WirePiece piece = { 0 };
    char buffer[16];

    CHECK(client);
    args.flags = 1;
    CHECK(!wire_call_stream(client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_CONSOLE, &args, NULL, 5000, &stream,
                            &err));
    CHECK(error_code(err) == ERROR_OPERATION_FAILED && stream == NULL);
    args.flags = 0;
    CHECK(wire_call_stream(client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_CONSOLE, &args, NULL, 5000, &stream,
                           NULL));
    CHECK(write(far_end, "hello", 5) == 5);
    CHECK(wire_stream_receive(stream, 5000, &piece, NULL));
    CHECK(piece.data.len == 5 && memcmp(piece.data.data, "hello", 5) == 0 && !piece.at_end);
    g_free(piece.data.data);
    CHECK(wire_stream_send(stream, "typed", 5, 5000, NULL));
    uint32_t events;
    CHECK(fiber_wait_fd(far_end, 1, 5000, &events, NULL));
    CHECK(read(far_end, buffer, sizeof buffer) == 5 && memcmp(buffer, "typed", 5) == 0);
    close(far_end);
    far_end = -1;
    CHECK(wire_stream_receive(stream, 5000, &piece, NULL));
    CHECK(piece.at_end);
    CHECK(wire_stream_finish(stream, 5000, NULL));
}

static void freeing_a_stream_aborts_it(void *arg)
{
    g_autoptr(WireClient) client = connect_client();
    WireDomainOpenConsoleArgs args = { .dom.name = (char *)"a" };
    WireStream *stream = NULL;
    char byte;
    uint32_t events;

    CHECK(client);
    CHECK(wire_call_stream(client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_CONSOLE, &args, NULL, 5000, &stream,
                           NULL));
    wire_stream_free(stream);
    CHECK(fiber_wait_fd(far_end, 1, 5000, &events, NULL));
    CHECK(read(far_end, &byte, 1) == 0);
    CHECK(wire_call_remote(client, PROC_CONNECT_GET_LIB_VERSION, NULL, NULL, 5000, NULL));
}

/* More than all queues hold, while nobody receives: memory stays bounded, and all of it arrives in the end.
 */
static void a_flood_waits_for_the_consumer(void *arg)
{
    g_autoptr(WireClient) client = connect_client();
    WireDomainOpenConsoleArgs args = { .dom.name = (char *)"a" };
    g_autoptr(WireStream) stream = NULL;
    static char block[65536];
    size_t sent = 0, received = 0;

    CHECK(client);
    CHECK(wire_call_stream(client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_CONSOLE, &args, NULL, 5000, &stream,
                           NULL));
    for (unsigned idle = 0; idle < 50;) {
        ssize_t put = write(far_end, block, sizeof block);
        sent += put > 0 ? (size_t)put : 0;
        idle = put > 0 ? 0 : idle + 1;
        CHECK(sent < (size_t)64 * 1024 * 1024);
        fiber_yield();
    }
    close(far_end);
    far_end = -1;
    for (;;) {
        WirePiece piece;
        CHECK(wire_stream_receive(stream, 5000, &piece, NULL));
        received += piece.data.len;
        g_free(piece.data.data);
        if (piece.at_end)
            break;
    }
    CHECK(received == sent);
    CHECK(wire_stream_finish(stream, 5000, NULL));
}

static void descriptors_travel_with_calls(void *arg)
{
    g_autoptr(WireClient) client = connect_client();
    WireDomainOpenGraphicsArgs in = { .dom.name = (char *)"a" };
    WireDomainOpenGraphicsFdArgs out = { .dom.name = (char *)"a" };
    g_autoptr(GArray) fds = NULL;
    char text[8];
    int pair[2];

    CHECK(client);
    CHECK(pipe2(pair, O_CLOEXEC) == 0);
    CHECK(wire_call_fds(client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_GRAPHICS, &in, &pair[1], 1, NULL, NULL,
                        5000, NULL));
    close(pair[1]);
    CHECK(read(pair[0], text, sizeof text) == 2);
    CHECK(read(pair[0], text, sizeof text) == 0);
    close(pair[0]);
    CHECK(wire_call_fds(client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_GRAPHICS_FD, &out, NULL, 0, NULL, &fds,
                        5000, NULL));
    CHECK(fds->len == 1);
    CHECK(read(g_array_index(fds, int, 0), text, sizeof text) == 3 && memcmp(text, "out", 3) == 0);
    close(g_array_index(fds, int, 0));
    CHECK(wire_call_remote(client, PROC_CONNECT_GET_LIB_VERSION, NULL, NULL, 5000, NULL));
}

typedef struct Waiter {
    WireClient *client;
    Error *err;
    bool done;
} Waiter;

static void wait_in_a_call(void *arg)
{
    Waiter *waiter = arg;

    (void)!wire_call_remote(waiter->client, PROC_CONNECT_GET_HOSTNAME, NULL, NULL, WIRE_NO_TIMEOUT,
                            &waiter->err);
    waiter->done = true;
}

static void a_broken_connection_wakes_everybody(void *arg)
{
    g_autoptr(WireClient) client = connect_client();
    Waiter waiter = { .client = client };
    g_autoptr(Error) err = NULL;

    CHECK(client);
    fiber_spawn_or_abort("waiter", wait_in_a_call, &waiter);
    CHECK(fiber_sleep(20, NULL));
    rpc_client_drop(server_side, "test");
    CHECK(fiber_sleep(20, NULL));
    CHECK(waiter.done && error_code(waiter.err) == ERROR_SYSTEM);
    error_free(waiter.err);
    CHECK(n_broken == 1);
    CHECK(!wire_client_is_alive(client));
    CHECK(!wire_call_remote(client, PROC_CONNECT_GET_LIB_VERSION, NULL, NULL, 5000, &err));
    CHECK(error_code(err) == ERROR_SYSTEM);
}

static void freeing_a_client_wakes_its_callers(void *arg)
{
    WireClient *client = connect_client();
    Waiter waiter = { .client = client };

    CHECK(client);
    fiber_spawn_or_abort("waiter", wait_in_a_call, &waiter);
    CHECK(fiber_sleep(20, NULL));
    wire_client_free(client);
    CHECK(fiber_sleep(20, NULL));
    CHECK(waiter.done && error_code(waiter.err) == ERROR_CANCELLED);
    error_free(waiter.err);
    CHECK(n_broken == 0);
    CHECK(rpc_server_count_clients(server) == 0);
}

static void close_says_goodbye(void *arg)
{
    WireClient *client = connect_client();

    CHECK(client);
    wire_client_close(client);
    CHECK(fiber_sleep(20, NULL));
    CHECK(n_broken == 0);
    CHECK(rpc_server_count_clients(server) == 0);
}

static void a_silent_server_is_given_up(void *arg)
{
    WireClientOptions options = { .on_broken = on_broken, .keepalive_interval_ms = 20, .keepalive_count = 2 };
    g_autoptr(Error) err = NULL;
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    g_autoptr(WireClient) client = wire_client_new(pair[0], pair[0], &options);
    CHECK(!wire_call_remote(client, PROC_CONNECT_GET_LIB_VERSION, NULL, NULL, WIRE_NO_TIMEOUT, &err));
    CHECK(error_code(err) == ERROR_TIMEOUT);
    CHECK(n_broken == 1);
    close(pair[1]);
}

#define CLIENT_TEST(name)                                                                                    \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        assert_true(peer_run(name, NULL));                                                                   \
    }
CLIENT_TEST(calls_and_errors_arrive)
CLIENT_TEST(a_late_answer_is_a_timeout_and_harmless)
CLIENT_TEST(events_arrive)
CLIENT_TEST(streams_carry_data_both_ways)
CLIENT_TEST(freeing_a_stream_aborts_it)
CLIENT_TEST(a_flood_waits_for_the_consumer)
CLIENT_TEST(descriptors_travel_with_calls)
CLIENT_TEST(a_broken_connection_wakes_everybody)
CLIENT_TEST(freeing_a_client_wakes_its_callers)
CLIENT_TEST(close_says_goodbye)
CLIENT_TEST(a_silent_server_is_given_up)

#define ROW(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(calls_and_errors_arrive),
        ROW(a_late_answer_is_a_timeout_and_harmless),
        ROW(events_arrive),
        ROW(streams_carry_data_both_ways),
        ROW(freeing_a_stream_aborts_it),
        ROW(a_flood_waits_for_the_consumer),
        ROW(descriptors_travel_with_calls),
        ROW(a_broken_connection_wakes_everybody),
        ROW(freeing_a_client_wakes_its_callers),
        ROW(close_says_goodbye),
        ROW(a_silent_server_is_given_up),
    };

    return cmocka_run_group_tests_name("rpc/client", tests, peer_start_loop, peer_end_loop);
}
