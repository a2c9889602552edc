/* The raw client of the server's tests. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"

#define PEER_TIMEOUT_MS 5000

bool peer_failed;

typedef struct PeerRun {
    void (*func)(void *arg);
    void *arg;
    bool done;
} PeerRun;

static void peer_run_fiber(void *arg)
{
    PeerRun *run = arg;

    run->func(run->arg);
    run->done = true;
}

static bool peer_run_done(void *arg)
{
    return ((PeerRun *)arg)->done;
}

int peer_start_loop(void **state)
{
    return loop_init(NULL) ? 0 : -1;
}

int peer_end_loop(void **state)
{
    loop_shutdown(1000);
    return 0;
}

bool peer_run(void (*func)(void *arg), void *arg)
{
    PeerRun run = { .func = func, .arg = arg };

    peer_failed = false;
    fiber_spawn_or_abort("test", peer_run_fiber, &run);
    if (!loop_run_until(peer_run_done, &run, 20000)) {
        g_printerr("the test did not end in time\n");
        return false;
    }
    return !peer_failed;
}

void peer_connect(Peer *peer, RpcServer *server, bool read_only)
{
    int pair[2];
    int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);

    g_assert(r == 0);
    bool added = rpc_server_add_client(server, pair[1], &(RpcDoor){ .read_only = read_only }, NULL);
    g_assert(added);
    *peer = (Peer){ .serial = 0 };
    wire_channel_init(&peer->channel, pair[0], pair[0]);
}

bool peer_connect_as_user(Peer *peer, RpcServer *server, bool read_only)
{
    int pair[2];
    bool is_root = geteuid() == 0;

    if (is_root && seteuid(65534) < 0)
        g_error("cannot become another user");
    int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
    if (is_root && seteuid(0) < 0)
        g_error("cannot become root again");
    g_assert(r == 0);
    *peer = (Peer){ .serial = 0 };
    wire_channel_init(&peer->channel, pair[0], pair[0]);
    return rpc_server_add_client(server, pair[1], &(RpcDoor){ .read_only = read_only }, NULL);
}

void peer_clear(Peer *peer)
{
    wire_channel_clear(&peer->channel);
}

uint32_t peer_call(Peer *peer, uint32_t program, int32_t proc, WireType type, const void *args)
{
    WireHeader header = { .program = program, .version = 1, .proc = proc, .serial = peer->serial++ };
    bool ok = wire_frame_append(&peer->channel.out, &header, type, args, NULL);

    g_assert(ok);
    return header.serial;
}

void peer_raw(Peer *peer, const void *data, size_t len)
{
    wire_buffer_append(&peer->channel.out, data, len);
}

bool peer_flush(Peer *peer)
{
    while (wire_channel_flush(&peer->channel, NULL) && wire_channel_pending(&peer->channel) > 0) {
        uint32_t events;
        if (!fiber_wait_fd(peer->channel.out_fd, EPOLLOUT, PEER_TIMEOUT_MS, &events, NULL))
            return false;
    }
    return wire_channel_pending(&peer->channel) == 0;
}

bool peer_next(Peer *peer, WireFrame *ret_frame)
{
    for (;;) {
        uint32_t events;
        bool got;
        if (wire_channel_next(&peer->channel, ret_frame) == WIRE_FRAME_COMPLETE)
            return true;
        if (peer->channel.at_end || !wire_channel_read(&peer->channel, &got, NULL))
            return false;
        if (!got && !fiber_wait_fd(peer->channel.in_fd, EPOLLIN, PEER_TIMEOUT_MS, &events, NULL))
            return false;
    }
}

void peer_skip(Peer *peer, const WireFrame *frame)
{
    wire_channel_skip(&peer->channel, frame);
}

int peer_expect_error(Peer *peer, uint32_t serial, int *ret_domain, char **ret_text)
{
    WireFrame frame;
    g_auto(WireError) error = { 0 };

    if (!peer_next(peer, &frame) || frame.header.serial != serial || frame.header.type != WIRE_REPLY ||
        frame.header.status != WIRE_ERROR ||
        !wire_decode(WIRE_TYPE_ERROR, frame.payload, frame.payload_len, &error, NULL, NULL))
        return 0;
    peer_skip(peer, &frame);
    if (ret_domain)
        *ret_domain = error.domain;
    if (ret_text)
        *ret_text = g_steal_pointer(&error.message);
    return error.level == VIR_ERR_ERROR ? error.code : 0;
}

bool peer_expect_reply(Peer *peer, uint32_t serial, WireType type, void *ret)
{
    WireFrame frame;

    if (!peer_next(peer, &frame))
        return false;
    bool ok = frame.header.serial == serial && frame.header.type == WIRE_REPLY &&
              frame.header.status == WIRE_OK &&
              (!ret || wire_decode(type, frame.payload, frame.payload_len, ret, NULL, NULL));
    peer_skip(peer, &frame);
    return ok;
}

bool peer_expect_end(Peer *peer)
{
    WireFrame frame;

    return !peer_next(peer, &frame) && peer->channel.at_end;
}
