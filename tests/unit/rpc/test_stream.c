/* Streams between a client and the core: data both ways, their orderly and disorderly ends, and
 * back-pressure. */
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

#define REMOTE WIRE_PROGRAM_REMOTE

static RpcServer *server;
static int far_end; /* what the console is connected to */
static Stream *core_stream;
static int closed; /* -1: not yet; else whether it was finished */

static void on_close(void *arg, bool finished)
{
    core_stream = NULL;
    closed = finished;
}

RPC_HANDLER(connect_open)
{
    call->client->opened = true;
    return true;
}

RPC_HANDLER(domain_open_console)
{
    int pair[2];

    if (args->flags)
        return error_set(err, ERROR_OPERATION_FAILED, "Active console session exists for this domain");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return false;
    far_end = pair[0];
    core_stream = call->stream = stream_new(pair[1], STREAM_BOTH, on_close, NULL);
    return true;
}

static const RpcEntry entries[] = { RPC_ENTRY_EARLY(connect_open), RPC_ENTRY(domain_open_console), { 0 } };
static const RpcTable tables[] = { { WIRE_PROGRAM_REMOTE, entries }, { 0 } };

static int set_up(void **state)
{
    RpcServerSpec spec = { .tables = tables, .keepalive_interval_s = -1 };

    server = rpc_server_new(&spec);
    far_end = -1;
    core_stream = NULL;
    closed = -1;
    return 0;
}

static int tear_down(void **state)
{
    g_clear_pointer(&server, rpc_server_free);
    if (far_end >= 0)
        close(far_end);
    return 0;
}

static uint32_t queue_console(Peer *peer, uint32_t flags)
{
    WireDomainOpenConsoleArgs args = { .dom.name = (char *)"a", .flags = flags };

    return peer_call(peer, REMOTE, PROC_DOMAIN_OPEN_CONSOLE, WIRE_TYPE_DOMAIN_OPEN_CONSOLE_ARGS, &args);
}

AWAITS static bool open_console(Peer *peer, uint32_t *ret_serial)
{
    WireConnectOpenArgs args = { .name = (char *)"qemu:///system" };

    peer_connect(peer, server, false);
    uint32_t serial = peer_call(peer, REMOTE, PROC_CONNECT_OPEN, WIRE_TYPE_CONNECT_OPEN_ARGS, &args);
    if (!peer_flush(peer) || !peer_expect_reply(peer, serial, WIRE_TYPE_NONE, NULL))
        return false;
    *ret_serial = queue_console(peer, 0);
    return peer_flush(peer) && peer_expect_reply(peer, *ret_serial, WIRE_TYPE_NONE, NULL);
}

static void queue_stream(Peer *peer, uint32_t serial, WireStatus status, const void *data, size_t len)
{
    WireHeader header = { .program = REMOTE,
                          .version = 1,
                          .proc = PROC_DOMAIN_OPEN_CONSOLE,
                          .type = WIRE_STREAM,
                          .serial = serial,
                          .status = status };

    wire_frame_append_raw(&peer->channel.out, &header, data, len);
}

/* The next frame must be of the stream with this status and this text (any if NULL). */
AWAITS static bool expect_stream(Peer *peer, uint32_t serial, WireStatus status, const char *text)
{
    WireFrame frame;

    if (!peer_next(peer, &frame))
        return false;
    bool right =
        frame.header.type == WIRE_STREAM && frame.header.serial == serial && frame.header.status == status &&
        frame.header.proc == PROC_DOMAIN_OPEN_CONSOLE &&
        (!text || (frame.payload_len == strlen(text) && memcmp(frame.payload, text, strlen(text)) == 0));
    peer_skip(peer, &frame);
    return right;
}

AWAITS static bool far_end_reads(const char *text)
{
    char buffer[64];
    size_t len = 0;

    while (len < strlen(text)) {
        uint32_t events;
        ssize_t got = read(far_end, buffer + len, sizeof buffer - len);
        if (got > 0)
            len += (size_t)got;
        else if (got == 0 || !fiber_wait_fd(far_end, 1 /* EPOLLIN */, 2000, &events, NULL))
            return false;
    }
    return len == strlen(text) && memcmp(buffer, text, len) == 0;
}

static void data_flows_both_ways_and_finish_is_confirmed(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;

    CHECK(open_console(&peer, &serial));
    CHECK(write(far_end, "login: ", 7) == 7);
    CHECK(expect_stream(&peer, serial, WIRE_CONTINUE, "login: "));
    queue_stream(&peer, serial, WIRE_CONTINUE, "root\n", 5);
    CHECK(peer_flush(&peer));
    CHECK(far_end_reads("root\n"));
    queue_stream(&peer, serial, WIRE_CONTINUE, "exit\n", 5);
    queue_stream(&peer, serial, WIRE_OK, NULL, 0);
    CHECK(peer_flush(&peer));
    CHECK(expect_stream(&peer, serial, WIRE_OK, ""));
    CHECK(closed == 1);
    CHECK(far_end_reads("exit\n"));
    /* late frames are dropped in silence; the connection goes on */
    queue_stream(&peer, serial, WIRE_CONTINUE, "x", 1);
    serial = queue_console(&peer, 0);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
}

static void data_sent_before_the_reply_is_kept(void *arg)
{
    g_auto(Peer) peer;
    uint32_t first;

    CHECK(open_console(&peer, &first));
    queue_stream(&peer, first, WIRE_ERROR, NULL, 0);
    CHECK(peer_flush(&peer));
    CHECK(expect_stream(&peer, first, WIRE_OK, ""));
    uint32_t serial = queue_console(&peer, 0);
    queue_stream(&peer, serial, WIRE_CONTINUE, "early", 5);
    queue_stream(&peer, serial, WIRE_OK, NULL, 0);
    close(far_end);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
    CHECK(expect_stream(&peer, serial, WIRE_OK, ""));
    CHECK(far_end_reads("early"));
}

static void abort_is_confirmed_and_not_finished(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;

    CHECK(open_console(&peer, &serial));
    queue_stream(&peer, serial, WIRE_ERROR, NULL, 0);
    CHECK(peer_flush(&peer));
    CHECK(expect_stream(&peer, serial, WIRE_OK, ""));
    CHECK(closed == 0);
}

static void end_of_file_is_an_empty_frame_and_finish_still_answered(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;

    CHECK(open_console(&peer, &serial));
    CHECK(write(far_end, "bye", 3) == 3);
    close(far_end);
    far_end = -1;
    CHECK(expect_stream(&peer, serial, WIRE_CONTINUE, "bye"));
    CHECK(expect_stream(&peer, serial, WIRE_CONTINUE, ""));
    queue_stream(&peer, serial, WIRE_OK, NULL, 0);
    CHECK(peer_flush(&peer));
    CHECK(expect_stream(&peer, serial, WIRE_OK, ""));
    CHECK(closed == 1);
}

static void kill_without_reason_is_end_of_file(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;

    CHECK(open_console(&peer, &serial));
    CHECK(fiber_sleep(10, NULL));
    stream_kill(core_stream, NULL);
    CHECK(expect_stream(&peer, serial, WIRE_CONTINUE, ""));
    queue_stream(&peer, serial, WIRE_CONTINUE, "to nobody", 9);
    queue_stream(&peer, serial, WIRE_OK, NULL, 0);
    CHECK(peer_flush(&peer));
    CHECK(expect_stream(&peer, serial, WIRE_OK, ""));
}

static void kill_with_reason_is_one_error(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;

    CHECK(open_console(&peer, &serial));
    stream_kill(core_stream, error_new(ERROR_OPERATION_FAILED, "somebody else took the console"));
    CHECK(expect_stream(&peer, serial, WIRE_ERROR, NULL));
    CHECK(closed == 0);
    queue_stream(&peer, serial, WIRE_OK, NULL, 0); /* was on its way already: no answer */
    serial = queue_console(&peer, 0);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
}

static void a_failed_call_has_no_stream(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;

    CHECK(open_console(&peer, &serial));
    serial = queue_console(&peer, 2);
    queue_stream(&peer, serial, WIRE_CONTINUE, "x", 1);
    queue_stream(&peer, serial, WIRE_OK, NULL, 0);
    uint32_t after = queue_console(&peer, 2);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_error(&peer, serial, NULL, NULL) == VIR_ERR_OPERATION_FAILED);
    CHECK(peer_expect_error(&peer, after, NULL, NULL) == VIR_ERR_OPERATION_FAILED);
}

static void leaving_closes_the_stream(void *arg)
{
    Peer peer;
    uint32_t serial;
    char byte;

    CHECK(open_console(&peer, &serial));
    peer_clear(&peer);
    CHECK(fiber_sleep(20, NULL));
    CHECK(closed == 0);
    CHECK(read(far_end, &byte, 1) == 0);
}

static void a_hole_ends_the_connection(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;
    WireStreamHole hole = { .length = 5 };

    CHECK(open_console(&peer, &serial));
    WireHeader header = { .program = REMOTE,
                          .version = 1,
                          .proc = PROC_DOMAIN_OPEN_CONSOLE,
                          .type = WIRE_STREAM_HOLE,
                          .serial = serial,
                          .status = WIRE_CONTINUE };
    CHECK(wire_frame_append(&peer.channel.out, &header, WIRE_TYPE_STREAM_HOLE, &hole, NULL));
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_end(&peer));
    CHECK(closed == 0);
}

/* The far end writes without end; the client does not read: the far end must be stopped. */
static void a_client_that_does_not_read_stops_the_source(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;
    static char block[65536];
    size_t total = 0;

    CHECK(open_console(&peer, &serial));
    for (unsigned idle = 0; idle < 50;) {
        ssize_t put = write(far_end, block, sizeof block);
        if (put > 0) {
            total += (size_t)put;
            idle = 0;
        } else {
            idle++;
            fiber_yield();
        }
        CHECK(total < 16 * 1024 * 1024);
    }
    /* everything arrives when it reads again */
    close(far_end);
    far_end = -1;
    size_t received = 0;
    for (;;) {
        WireFrame frame;
        CHECK(peer_next(&peer, &frame));
        size_t len = frame.payload_len;
        peer_skip(&peer, &frame);
        received += len;
        if (len == 0)
            break;
    }
    CHECK(received == total);
}

/* The far end does not read; the client sends without end: the client must be stopped, and get everything
 * through when the far end reads. */
static void a_target_that_does_not_read_stops_the_client(void *arg)
{
    g_auto(Peer) peer;
    uint32_t serial;
    g_autofree char *block = g_malloc0(262120);
    size_t sent = 0, received = 0;

    CHECK(open_console(&peer, &serial));
    while (wire_channel_pending(&peer.channel) == 0) {
        queue_stream(&peer, serial, WIRE_CONTINUE, block, 262120);
        sent += 262120;
        for (unsigned i = 0; i < 50 && wire_channel_pending(&peer.channel) > 0; i++) {
            CHECK(wire_channel_flush(&peer.channel, NULL));
            fiber_yield();
        }
        CHECK(sent < (size_t)64 * 1024 * 1024);
    }
    queue_stream(&peer, serial, WIRE_OK, NULL, 0);
    while (received < sent) {
        ssize_t got = read(far_end, block, 262120);
        received += got > 0 ? (size_t)got : 0;
        CHECK(wire_channel_flush(&peer.channel, NULL));
        fiber_yield();
    }
    CHECK(peer_flush(&peer));
    CHECK(expect_stream(&peer, serial, WIRE_OK, ""));
}

#define STREAM_TEST(name)                                                                                    \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        assert_true(peer_run(name, NULL));                                                                   \
    }
STREAM_TEST(data_flows_both_ways_and_finish_is_confirmed)
STREAM_TEST(data_sent_before_the_reply_is_kept)
STREAM_TEST(abort_is_confirmed_and_not_finished)
STREAM_TEST(end_of_file_is_an_empty_frame_and_finish_still_answered)
STREAM_TEST(kill_without_reason_is_end_of_file)
STREAM_TEST(kill_with_reason_is_one_error)
STREAM_TEST(a_failed_call_has_no_stream)
STREAM_TEST(leaving_closes_the_stream)
STREAM_TEST(a_hole_ends_the_connection)
STREAM_TEST(a_client_that_does_not_read_stops_the_source)
STREAM_TEST(a_target_that_does_not_read_stops_the_client)

#define ROW(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(data_flows_both_ways_and_finish_is_confirmed),
        ROW(data_sent_before_the_reply_is_kept),
        ROW(abort_is_confirmed_and_not_finished),
        ROW(end_of_file_is_an_empty_frame_and_finish_still_answered),
        ROW(kill_without_reason_is_end_of_file),
        ROW(kill_with_reason_is_one_error),
        ROW(a_failed_call_has_no_stream),
        ROW(leaving_closes_the_stream),
        ROW(a_hole_ends_the_connection),
        ROW(a_client_that_does_not_read_stops_the_source),
        ROW(a_target_that_does_not_read_stops_the_client),
    };

    return cmocka_run_group_tests_name("rpc/stream", tests, peer_start_loop, peer_end_loop);
}
