/* The server's promises to clients that behave and to those that don't, over socket pairs with raw bytes. */
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
#include "peer.h"
#include "rpc/dispatch.h"

#define REMOTE WIRE_PROGRAM_REMOTE

static RpcServer *server;
static WaitQueue gate; /* handlers that wait, wait here */
static bool gate_open;
static unsigned n_begun, n_ended, n_cancelled;

/* ---- a few procedures, standing in for the real ones ---- */

RPC_HANDLER(connect_open)
{
    call->client->opened = true;
    if (args->flags & VIR_CONNECT_RO)
        call->client->caller.read_only = true;
    return true;
}

RPC_HANDLER(connect_close)
{
    rpc_client_close_after_reply(call->client);
    return true;
}

RPC_HANDLER(connect_get_lib_version)
{
    ret->lib_ver = 9000000;
    return true;
}

RPC_HANDLER(domain_lookup_by_name)
{
    return error_set(err, ERROR_NO_DOMAIN, "no domain with matching name '%s'", args->name);
}

/* 64 KiB of reply */
RPC_HANDLER(connect_get_capabilities)
{
    ret->capabilities = g_strnfill(65536, 'x');
    return true;
}

static bool wait_at_gate(Error **err)
{
    n_begun++;
    while (!gate_open) {
        if (!wait_queue_wait(&gate, 10000, err)) {
            n_cancelled++;
            return false;
        }
    }
    n_ended++;
    return true;
}

/* only asks: cancelled when the client leaves */
RPC_HANDLER(connect_get_hostname)
{
    ret->hostname = g_strdup("host");
    return wait_at_gate(err);
}

/* the same, and not urgent */
RPC_HANDLER(domain_get_block_info)
{
    return wait_at_gate(err);
}

/* changes something: runs to its end */
RPC_HANDLER(domain_create)
{
    return wait_at_gate(err);
}

/* keeps the processor for a millisecond */
RPC_HANDLER(connect_get_type)
{
    uint64_t until_us = loop_now_us() + 1000;

    while (loop_now_us() < until_us)
        ;
    n_ended++;
    ret->type = g_strdup("QEMU");
    return true;
}

/* takes a descriptor and sends one back */
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
    RPC_ENTRY_EARLY(connect_open),      RPC_ENTRY_EARLY(connect_close),
    RPC_ENTRY(connect_get_lib_version), RPC_ENTRY(connect_get_capabilities),
    RPC_ENTRY(connect_get_hostname),    RPC_ENTRY(domain_lookup_by_name),
    RPC_ENTRY(domain_create),           RPC_ENTRY(domain_open_graphics),
    RPC_ENTRY(domain_open_graphics_fd), RPC_ENTRY(connect_get_type),
    RPC_ENTRY(domain_get_block_info),   { 0 },
};
static const RpcTable tables[] = { { WIRE_PROGRAM_REMOTE, entries }, { 0 } };

static int set_up(void **state)
{
    RpcServerSpec spec = {
        .tables = tables, .max_clients = 40, .keepalive_interval_s = 5, .keepalive_count = 5
    };

    server = rpc_server_new(&spec);
    wait_queue_init(&gate);
    gate_open = false;
    n_begun = n_ended = n_cancelled = 0;
    return 0;
}

static int tear_down(void **state)
{
    g_clear_pointer(&server, rpc_server_free);
    return 0;
}

static void open_gate(void)
{
    gate_open = true;
    wait_queue_wake_all(&gate);
}

AWAITS static bool peer_open(Peer *peer, uint32_t flags)
{
    WireConnectOpenArgs args = { .name = (char *)"qemu:///system", .flags = flags };
    uint32_t serial = peer_call(peer, REMOTE, PROC_CONNECT_OPEN, WIRE_TYPE_CONNECT_OPEN_ARGS, &args);

    return peer_flush(peer) && peer_expect_reply(peer, serial, WIRE_TYPE_NONE, NULL);
}

/* ---- behaving clients ---- */

static void calls_are_answered(void *arg)
{
    g_auto(Peer) peer;
    WireConnectGetLibVersionRet ret = { 0 };
    WireDomainLookupByNameArgs name = { .name = (char *)"nosuch" };
    g_autofree char *text = NULL;
    int domain;

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_CONNECT_GET_LIB_VERSION_RET, &ret));
    CHECK(ret.lib_ver == 9000000);
    serial =
        peer_call(&peer, REMOTE, PROC_DOMAIN_LOOKUP_BY_NAME, WIRE_TYPE_DOMAIN_LOOKUP_BY_NAME_ARGS, &name);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_error(&peer, serial, &domain, &text) == VIR_ERR_NO_DOMAIN);
    CHECK(domain == VIR_FROM_QEMU);
    CHECK(strcmp(text, "Domain not found: no domain with matching name 'nosuch'") == 0);
}

static void many_calls_in_one_write_are_all_answered(void *arg)
{
    g_auto(Peer) peer;

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    for (unsigned i = 0; i < 1000; i++)
        peer_call(&peer, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    for (uint32_t i = 0; i < 1000; i++)
        CHECK(peer_expect_reply(&peer, 1 + i, WIRE_TYPE_NONE, NULL));
}

static void one_byte_at_a_time_is_fine(void *arg)
{
    g_auto(Peer) peer;
    g_auto(WireBuffer) frame = { 0 };
    WireHeader header = {
        .program = REMOTE, .version = 1, .proc = PROC_CONNECT_GET_LIB_VERSION, .serial = 7
    };

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    wire_frame_append_raw(&frame, &header, NULL, 0);
    for (size_t i = 0; i < frame.len; i++) {
        peer_raw(&peer, frame.data + i, 1);
        CHECK(peer_flush(&peer));
        fiber_yield();
    }
    CHECK(peer_expect_reply(&peer, 7, WIRE_TYPE_NONE, NULL));
}

static void close_is_answered_and_then_closes(void *arg)
{
    g_auto(Peer) peer;

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_CLOSE, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
    CHECK(peer_expect_end(&peer));
    CHECK(rpc_server_count_clients(server) == 0);
}

static void peer_ping(Peer *peer)
{
    WireHeader ping = { .program = WIRE_PROGRAM_KEEPALIVE, .version = 1, .proc = 1, .type = WIRE_MESSAGE };

    wire_frame_append_raw(&peer->channel.out, &ping, NULL, 0);
}

AWAITS static bool peer_expect_pong(Peer *peer)
{
    WireFrame frame;

    if (!peer_next(peer, &frame))
        return false;
    bool pong = frame.header.program == WIRE_PROGRAM_KEEPALIVE && frame.header.proc == 2 &&
                frame.header.type == WIRE_MESSAGE && frame.frame_len == 28;
    peer_skip(peer, &frame);
    return pong;
}

static void pings_are_answered_before_open_and_behind_long_calls(void *arg)
{
    g_auto(Peer) peer;

    peer_connect(&peer, server, false);
    peer_ping(&peer);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_pong(&peer));
    CHECK(peer_open(&peer, 0));
    for (unsigned i = 0; i < 20; i++)
        peer_call(&peer, REMOTE, PROC_CONNECT_GET_HOSTNAME, WIRE_TYPE_NONE, NULL);
    peer_ping(&peer);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_pong(&peer));
    CHECK(n_begun == 5); /* the others wait their turn */
    open_gate();
    for (uint32_t i = 0; i < 20; i++)
        CHECK(peer_expect_reply(&peer, 1 + i, WIRE_TYPE_NONE, NULL));
    CHECK(n_ended == 20);
}

static void a_slow_call_does_not_hold_up_the_next(void *arg)
{
    g_auto(Peer) peer;

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    uint32_t slow = peer_call(&peer, REMOTE, PROC_CONNECT_GET_HOSTNAME, WIRE_TYPE_NONE, NULL);
    uint32_t fast = peer_call(&peer, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, fast, WIRE_TYPE_NONE, NULL));
    open_gate();
    CHECK(peer_expect_reply(&peer, slow, WIRE_TYPE_NONE, NULL));
}

static void descriptors_travel_both_ways(void *arg)
{
    g_auto(Peer) peer;
    WireDomainOpenGraphicsArgs in = { .dom.name = (char *)"a" };
    WireDomainOpenGraphicsFdArgs out = { .dom.name = (char *)"a" };
    char text[8] = "";
    int pair[2];
    WireFrame frame;

    CHECK(pipe2(pair, O_CLOEXEC) == 0);
    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    WireHeader header = { .program = REMOTE,
                          .version = 1,
                          .proc = PROC_DOMAIN_OPEN_GRAPHICS,
                          .type = WIRE_CALL_WITH_FDS,
                          .serial = 1 };
    peer.serial = 2;
    size_t start = wire_frame_begin(&peer.channel.out, &header);
    CHECK(wire_encode(WIRE_TYPE_DOMAIN_OPEN_GRAPHICS_ARGS, &in, &peer.channel.out, NULL));
    CHECK(wire_frame_end(&peer.channel.out, start, &header, 1, NULL));
    wire_channel_append_fd(&peer.channel, pair[1]);
    peer_call(&peer, REMOTE, PROC_DOMAIN_OPEN_GRAPHICS_FD, WIRE_TYPE_DOMAIN_OPEN_GRAPHICS_FD_ARGS, &out);
    peer_call(&peer, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, 1, WIRE_TYPE_NONE, NULL));
    CHECK(read(pair[0], text, sizeof text) == 2 && memcmp(text, "in", 2) == 0);
    CHECK(read(pair[0], text, sizeof text) == 0); /* the server has closed its copy */
    close(pair[0]);

    CHECK(peer_next(&peer, &frame));
    CHECK(frame.header.type == WIRE_REPLY_WITH_FDS && frame.n_fds == 1);
    CHECK(peer.channel.n_in_fds == 1);
    int got;
    wire_channel_take_fds(&peer.channel, 1, &got);
    peer_skip(&peer, &frame);
    CHECK(read(got, text, sizeof text) == 3 && memcmp(text, "out", 3) == 0);
    close(got);
    CHECK(
        peer_expect_reply(&peer, 3, WIRE_TYPE_NONE, NULL)); /* the byte of the descriptor is not in the way */
}

/* ---- mistakes get answers ---- */

static void mistakes_get_the_errors_that_clients_know(void *arg)
{
    g_auto(Peer) peer;
    static const struct {
        uint32_t program, version;
        int32_t proc;
        uint32_t status;
        int code, domain;
        const char *text;
    } cases[] = {
        { REMOTE, 1, 9999, 0, VIR_ERR_RPC, VIR_FROM_RPC, "unknown procedure" },
        { REMOTE, 1, 0, 0, VIR_ERR_RPC, VIR_FROM_RPC, "unknown procedure" },
        { REMOTE, 1, -1, 0, VIR_ERR_RPC, VIR_FROM_RPC, "unknown procedure" },
        { REMOTE, 1, PROC_DOMAIN_EVENT_LIFECYCLE, 0, VIR_ERR_RPC, VIR_FROM_RPC, "unknown procedure" },
        { REMOTE, 2, 1, 0, VIR_ERR_RPC, VIR_FROM_RPC, "Cannot find program 536903814 version 2" },
        { 12345, 1, 1, 0, VIR_ERR_RPC, VIR_FROM_RPC, "Cannot find program 12345 version 1" },
        { REMOTE, 1, PROC_CONNECT_GET_LIB_VERSION, 1, VIR_ERR_RPC, VIR_FROM_RPC, "" },
        { REMOTE, 1, PROC_NETWORK_LOOKUP_BY_NAME, 0, VIR_ERR_NO_SUPPORT, VIR_FROM_NONE,
          "this function is not supported by the connection driver: virNetworkLookupByName" },
        { REMOTE, 1, PROC_DOMAIN_LOOKUP_BY_NAME, 0, VIR_ERR_RPC, VIR_FROM_RPC,
          "Unable to decode message payload" },
    };

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        WireHeader header = { .program = cases[i].program,
                              .version = cases[i].version,
                              .proc = cases[i].proc,
                              .serial = (uint32_t)(100 + i),
                              .status = cases[i].status };
        g_autofree char *text = NULL;
        int domain = -1;
        wire_frame_append_raw(&peer.channel.out, &header, NULL, 0);
        CHECK(peer_flush(&peer));
        CHECK(peer_expect_error(&peer, header.serial, &domain, &text) == cases[i].code);
        CHECK(domain == cases[i].domain);
        CHECK(g_str_has_prefix(text, cases[i].text));
    }
}

static void nothing_but_open_works_before_open(void *arg)
{
    g_auto(Peer) peer;
    int domain;

    peer_connect(&peer, server, false);
    uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_error(&peer, serial, &domain, NULL) == VIR_ERR_INTERNAL_ERROR);
    CHECK(domain == VIR_FROM_RPC);
    CHECK(peer_open(&peer, 0));
}

static void read_only_clients_cannot_change(void *arg)
{
    WireDomainCreateArgs args = { .dom.name = (char *)"a" };

    for (unsigned by_flag = 0; by_flag < 2; by_flag++) {
        g_auto(Peer) peer;
        g_autofree char *text = NULL;
        peer_connect(&peer, server, !by_flag);
        CHECK(peer_open(&peer, by_flag ? VIR_CONNECT_RO : 0));
        uint32_t serial = peer_call(&peer, REMOTE, PROC_DOMAIN_CREATE, WIRE_TYPE_DOMAIN_CREATE_ARGS, &args);
        CHECK(peer_flush(&peer));
        CHECK(peer_expect_error(&peer, serial, NULL, &text) == VIR_ERR_OPERATION_DENIED);
        CHECK(strcmp(text, "operation forbidden: read only access prevents virDomainCreate") == 0);
        CHECK(n_begun == 0);
    }
}

static void frames_that_are_not_for_servers_are_dropped(void *arg)
{
    g_auto(Peer) peer;

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    for (uint32_t type = 0; type < 12; type++) {
        WireHeader header = {
            .program = REMOTE, .version = 1, .proc = 1, .type = type, .serial = 50, .status = 2
        };
        if (type != WIRE_CALL && type != WIRE_CALL_WITH_FDS && type != WIRE_REPLY_WITH_FDS)
            wire_frame_append_raw(&peer.channel.out, &header, "abcd", 4);
    }
    uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
}

/* ---- hostile clients ---- */

static void broken_frames_end_their_connection_alone(void *arg)
{
    static const char *const cases[] = {
        "\x00\x00\x00\x00",
        "\x00\x00\x00\x03",
        "\x00\x00\x00\x1b",
        "\x7f\xff\xff\xff",
        "\xff\xff\xff\xff",
        "\x02\x00\x00\x05",
        "GET ",
        "\x16\x03\x01\x02",
    };
    g_auto(Peer) good;

    peer_connect(&good, server, false);
    CHECK(peer_open(&good, 0));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Peer) bad;
        peer_connect(&bad, server, false);
        peer_raw(&bad, cases[i], 4);
        CHECK(peer_flush(&bad));
        CHECK(peer_expect_end(&bad));
    }
    /* descriptors that are announced and do not come */
    g_auto(Peer) liar;
    peer_connect(&liar, server, false);
    CHECK(peer_open(&liar, 0));
    WireHeader header = {
        .program = REMOTE, .version = 1, .proc = 1, .type = WIRE_CALL_WITH_FDS, .serial = 3
    };
    size_t start = wire_frame_begin(&liar.channel.out, &header);
    CHECK(wire_frame_end(&liar.channel.out, start, &header, 2, NULL));
    peer_raw(&liar, "\0\0", 2);
    CHECK(peer_flush(&liar));
    CHECK(peer_expect_end(&liar));

    uint32_t serial = peer_call(&good, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&good));
    CHECK(peer_expect_reply(&good, serial, WIRE_TYPE_NONE, NULL));
    CHECK(rpc_server_count_clients(server) == 1);
}

static void a_client_that_never_reads_is_not_read_either(void *arg)
{
    g_auto(Peer) greedy;
    g_auto(Peer) good;
    size_t sent = 0;

    peer_connect(&greedy, server, false);
    peer_connect(&good, server, false);
    CHECK(peer_open(&greedy, 0));
    CHECK(peer_open(&good, 0));
    /* Each asks for 64 KiB: the server must stop taking them long before all of these. */
    for (unsigned i = 0; i < 20000; i++)
        peer_call(&greedy, REMOTE, PROC_CONNECT_GET_CAPABILITIES, WIRE_TYPE_NONE, NULL);
    size_t total = wire_channel_pending(&greedy.channel);
    for (unsigned i = 0; i < 200; i++) {
        CHECK(wire_channel_flush(&greedy.channel, NULL));
        fiber_yield();
    }
    sent = total - wire_channel_pending(&greedy.channel);
    CHECK(sent < total);
    for (unsigned i = 0; i < 50; i++) {
        uint32_t serial = peer_call(&good, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
        CHECK(peer_flush(&good));
        CHECK(peer_expect_reply(&good, serial, WIRE_TYPE_NONE, NULL));
    }
    /* It is not lost: when it reads, it goes on. */
    for (uint32_t i = 0; i < 100; i++) {
        CHECK(wire_channel_flush(&greedy.channel, NULL));
        CHECK(peer_expect_reply(&greedy, 1 + i, WIRE_TYPE_NONE, NULL));
    }
}

static void leaving_cancels_questions_and_not_changes(void *arg)
{
    WireDomainCreateArgs args = { .dom.name = (char *)"a" };
    Peer peer;

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    peer_call(&peer, REMOTE, PROC_CONNECT_GET_HOSTNAME, WIRE_TYPE_NONE, NULL);
    peer_call(&peer, REMOTE, PROC_DOMAIN_CREATE, WIRE_TYPE_DOMAIN_CREATE_ARGS, &args);
    CHECK(peer_flush(&peer));
    CHECK(fiber_sleep(20, NULL));
    CHECK(n_begun == 2);
    peer_clear(&peer);
    CHECK(fiber_sleep(20, NULL));
    CHECK(rpc_server_count_clients(server) == 0);
    CHECK(n_cancelled == 1 && n_ended == 0);
    open_gate();
    CHECK(fiber_sleep(20, NULL));
    CHECK(n_ended == 1);
}

static void a_stopping_server_answers_what_runs_and_begins_no_more(void *arg)
{
    g_auto(Peer) peer;
    WireFrame frame;

    peer_connect(&peer, server, false);
    CHECK(peer_open(&peer, 0));
    uint32_t running = 0;
    for (unsigned i = 0; i < 7; i++) {
        uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_GET_HOSTNAME, WIRE_TYPE_NONE, NULL);
        running = i == 0 ? serial : running;
    }
    CHECK(peer_flush(&peer));
    CHECK(fiber_sleep(20, NULL));
    CHECK(n_begun == 5);
    rpc_server_stop(server);
    peer_call(&peer, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    open_gate();
    for (uint32_t i = 0; i < 5; i++)
        CHECK(peer_expect_reply(&peer, running + i, WIRE_TYPE_NONE, NULL));
    CHECK(fiber_sleep(20, NULL));
    CHECK(n_begun == 5);
    g_clear_pointer(&server, rpc_server_free);
    CHECK(!peer_next(&peer, &frame));
}

static void big_frames_are_for_those_who_have_opened(void *arg)
{
    g_auto(Peer) peer;
    uint32_t len = GUINT32_TO_BE(1000000);

    peer_connect(&peer, server, false);
    peer_raw(&peer, &len, 4);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_end(&peer));
}

static void a_flood_of_one_client_does_not_hold_others(void *arg)
{
    g_auto(Peer) flood;
    g_auto(Peer) other;

    peer_connect(&flood, server, true);
    CHECK(peer_open(&flood, 0));
    for (unsigned i = 0; i < 400; i++)
        peer_call(&flood, REMOTE, PROC_CONNECT_GET_TYPE, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&flood));
    peer_connect(&other, server, true);
    CHECK(peer_open(&other, 0));
    CHECK(n_ended < 100);
    for (uint32_t i = 0; i < 400; i++)
        CHECK(peer_expect_reply(&flood, 1 + i, WIRE_TYPE_NONE, NULL));
}

/* However many there are. They take turns with each other only. */
static void a_flood_of_readers_does_not_hold_those_who_may_act(void *arg)
{
    Peer readers[15];
    g_auto(Peer) other;
    unsigned before = 0;

    peer_connect(&other, server, false);
    CHECK(peer_open(&other, 0));
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
        peer_connect(&readers[i], server, true);
        CHECK(peer_open(&readers[i], 0));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
        for (unsigned n = 0; n < 20; n++)
            peer_call(&readers[i], REMOTE, PROC_CONNECT_GET_TYPE, WIRE_TYPE_NONE, NULL);
        CHECK(peer_flush(&readers[i]));
    }
    for (unsigned n = 0; n < 5; n++) {
        before = n_ended;
        uint32_t serial = peer_call(&other, REMOTE, PROC_CONNECT_GET_LIB_VERSION, WIRE_TYPE_NONE, NULL);
        CHECK(peer_flush(&other));
        CHECK(peer_expect_reply(&other, serial, WIRE_TYPE_NONE, NULL));
        CHECK(n_ended - before <= 8); /* a turn of 2 ms when it was sent, and one when it was read */
    }
    CHECK(before < 300); /* the flood was there all the time */
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
        for (unsigned n = 0; n < 20; n++)
            CHECK(peer_expect_reply(&readers[i], 1 + n, WIRE_TYPE_NONE, NULL));
        peer_clear(&readers[i]);
    }
}

#define USER_PLACES 20 /* of 40 */
#define USER_CALLS 20

static void one_user_leaves_places_to_root(void *arg)
{
    Peer peers[USER_PLACES + 1];
    g_auto(Peer) root;
    unsigned taken = 0;

    while (taken <= USER_PLACES && peer_connect_as_user(&peers[taken], server, true))
        taken++;
    peer_connect(&root, server, true);
    bool works = peer_open(&root, 0);
    for (unsigned i = 0; i <= MIN(taken, USER_PLACES); i++)
        peer_clear(&peers[i]);
    CHECK(geteuid() != 0 || works);
    CHECK(taken == USER_PLACES);
}

static void calls_of_one_user_take_turns(void *arg)
{
    Peer peers[6];
    WireDomainGetBlockInfoArgs args = { .dom.name = (char *)"a", .path = (char *)"vda" };

    for (unsigned i = 0; i < G_N_ELEMENTS(peers); i++) {
        CHECK(peer_connect_as_user(&peers[i], server, true));
        CHECK(peer_open(&peers[i], 0)); /* always: it is urgent */
        for (unsigned n = 0; n < 5; n++)
            peer_call(&peers[i], REMOTE, PROC_DOMAIN_GET_BLOCK_INFO, WIRE_TYPE_DOMAIN_GET_BLOCK_INFO_ARGS,
                      &args);
        CHECK(peer_flush(&peers[i]));
        fiber_yield();
    }
    for (unsigned i = 0; i < 50; i++)
        fiber_yield();
    CHECK(n_begun == USER_CALLS);
    open_gate();
    for (unsigned i = 0; i < G_N_ELEMENTS(peers); i++) {
        for (uint32_t n = 0; n < 5; n++)
            CHECK(peer_expect_reply(&peers[i], 1 + n, WIRE_TYPE_NONE, NULL));
        peer_clear(&peers[i]);
    }
    CHECK(n_ended == 30);
}

static void frames_that_never_end_have_a_limit_per_user(void *arg)
{
    Peer peers[10];
    g_auto(Peer) root;
    unsigned dropped = 0;
    g_autofree char *data = g_strnfill(16u << 20, '\0');
    uint32_t len = GUINT32_TO_BE(WIRE_FRAME_MAX);

    memcpy(data, &len, sizeof len);
    for (unsigned i = 0; i < G_N_ELEMENTS(peers); i++) {
        CHECK(peer_connect_as_user(&peers[i], server, false));
        CHECK(peer_open(&peers[i], 0));
        peer_raw(&peers[i], data, 16u << 20);
        dropped += !peer_flush(&peers[i]);
    }
    peer_connect(&root, server, false);
    CHECK(peer_open(&root, 0));
    CHECK(dropped > 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(peers); i++)
        peer_clear(&peers[i]);
}

static void readers_send_small_frames_and_no_descriptors(void *arg)
{
    g_auto(Peer) big;
    g_auto(Peer) giver;
    uint32_t len = GUINT32_TO_BE(RPC_FRAME_MAX_READER + 1);

    peer_connect(&big, server, true);
    CHECK(peer_open(&big, VIR_CONNECT_RO));
    peer_raw(&big, &len, 4);
    CHECK(peer_flush(&big));
    CHECK(peer_expect_end(&big));
    peer_connect(&giver, server, true);
    CHECK(peer_open(&giver, VIR_CONNECT_RO));
    wire_channel_append_fd(&giver.channel, dup(STDIN_FILENO));
    CHECK(peer_flush(&giver));
    CHECK(peer_expect_end(&giver));
}

#define SERVER_TEST(name)                                                                                    \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        assert_true(peer_run(name, NULL));                                                                   \
    }
SERVER_TEST(calls_are_answered)
SERVER_TEST(many_calls_in_one_write_are_all_answered)
SERVER_TEST(one_byte_at_a_time_is_fine)
SERVER_TEST(close_is_answered_and_then_closes)
SERVER_TEST(pings_are_answered_before_open_and_behind_long_calls)
SERVER_TEST(a_slow_call_does_not_hold_up_the_next)
SERVER_TEST(descriptors_travel_both_ways)
SERVER_TEST(mistakes_get_the_errors_that_clients_know)
SERVER_TEST(nothing_but_open_works_before_open)
SERVER_TEST(read_only_clients_cannot_change)
SERVER_TEST(frames_that_are_not_for_servers_are_dropped)
SERVER_TEST(broken_frames_end_their_connection_alone)
SERVER_TEST(a_client_that_never_reads_is_not_read_either)
SERVER_TEST(leaving_cancels_questions_and_not_changes)
SERVER_TEST(a_stopping_server_answers_what_runs_and_begins_no_more)
SERVER_TEST(big_frames_are_for_those_who_have_opened)
SERVER_TEST(a_flood_of_one_client_does_not_hold_others)
SERVER_TEST(a_flood_of_readers_does_not_hold_those_who_may_act)
SERVER_TEST(one_user_leaves_places_to_root)
SERVER_TEST(calls_of_one_user_take_turns)
SERVER_TEST(frames_that_never_end_have_a_limit_per_user)
SERVER_TEST(readers_send_small_frames_and_no_descriptors)

#define ROW(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(calls_are_answered),
        ROW(many_calls_in_one_write_are_all_answered),
        ROW(one_byte_at_a_time_is_fine),
        ROW(close_is_answered_and_then_closes),
        ROW(pings_are_answered_before_open_and_behind_long_calls),
        ROW(a_slow_call_does_not_hold_up_the_next),
        ROW(descriptors_travel_both_ways),
        ROW(mistakes_get_the_errors_that_clients_know),
        ROW(nothing_but_open_works_before_open),
        ROW(read_only_clients_cannot_change),
        ROW(frames_that_are_not_for_servers_are_dropped),
        ROW(broken_frames_end_their_connection_alone),
        ROW(a_client_that_never_reads_is_not_read_either),
        ROW(leaving_cancels_questions_and_not_changes),
        ROW(a_stopping_server_answers_what_runs_and_begins_no_more),
        ROW(big_frames_are_for_those_who_have_opened),
        ROW(a_flood_of_one_client_does_not_hold_others),
        ROW(a_flood_of_readers_does_not_hold_those_who_may_act),
        ROW(one_user_leaves_places_to_root),
        ROW(calls_of_one_user_take_turns),
        ROW(frames_that_never_end_have_a_limit_per_user),
        ROW(readers_send_small_frames_and_no_descriptors),
    };

    return cmocka_run_group_tests_name("rpc/server", tests, peer_start_loop, peer_end_loop);
}
