/* Event registrations: who gets which message, in which form, and that each has exactly the layout of the
 * protocol. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "core/event.h"
#include "peer.h"
#include "rpc/events.h"
#include "rpc/handlers.h"

#define REMOTE WIRE_PROGRAM_REMOTE

static RpcServer *server;
static EventBus *bus;
static RpcClient *server_side;

RPC_HANDLER(connect_open)
{
    call->client->opened = true;
    server_side = call->client;
    return true;
}

static const RpcEntry entries[] = { RPC_ENTRY_EARLY(connect_open), { 0 } };
static const RpcTable tables[] = { { WIRE_PROGRAM_REMOTE, entries },
                                   { WIRE_PROGRAM_REMOTE, rpc_entries_event },
                                   { 0 } };

static int set_up(void **state)
{
    bus = event_bus_new();
    RpcServerSpec spec = { .tables = tables, .events = bus, .keepalive_interval_s = -1 };
    server = rpc_server_new(&spec);
    return 0;
}

static int tear_down(void **state)
{
    g_clear_pointer(&server, rpc_server_free);
    g_clear_pointer(&bus, event_bus_free);
    return 0;
}

AWAITS static bool open_peer(Peer *peer)
{
    WireConnectOpenArgs args = { .name = (char *)"" };

    peer_connect(peer, server, false);
    uint32_t serial = peer_call(peer, REMOTE, PROC_CONNECT_OPEN, WIRE_TYPE_CONNECT_OPEN_ARGS, &args);
    return peer_flush(peer) && peer_expect_reply(peer, serial, WIRE_TYPE_NONE, NULL);
}

/* -1: refused */
AWAITS static int register_modern(Peer *peer, int id, const Uuid *vm)
{
    WireDomain dom = { .name = (char *)"stale name", .id = 99 };
    WireConnectDomainEventCallbackRegisterAnyArgs args = { .event_id = id, .dom = vm ? &dom : NULL };
    WireConnectDomainEventCallbackRegisterAnyRet ret = { 0 };

    if (vm)
        dom.uuid = *vm;
    uint32_t serial = peer_call(peer, REMOTE, PROC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
                                WIRE_TYPE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY_ARGS, &args);
    if (!peer_flush(peer) ||
        !peer_expect_reply(peer, serial, WIRE_TYPE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY_RET, &ret))
        return -1;
    return ret.callback_id;
}

static Event sample_event(EventId id)
{
    return (Event){ .id = id,
                    .name = "vm",
                    .uuid = { { 1, 2, 3 } },
                    .object_id = 5,
                    .type = 2,
                    .detail = 1,
                    .number = 42,
                    .text1 = "one",
                    .text2 = "two",
                    .text3 = "three" };
}

/* The next frame must be a message of exactly its type's layout. Returns its procedure and callback id. */
AWAITS static bool expect_message(Peer *peer, uint32_t program, int32_t *ret_proc, int32_t *ret_callback)
{
    WireFrame frame;

    if (!peer_next(peer, &frame) || frame.header.type != WIRE_MESSAGE || frame.header.program != program ||
        frame.header.serial != 1)
        return false;
    const WireProc *proc = wire_proc_find(wire_program_find(program), frame.header.proc);
    if (!proc || proc->kind != WIRE_PROC_EVENT)
        return false;
    g_autofree void *message = g_malloc0(wire_type_size(proc->args));
    size_t used = 0;
    bool ok = wire_decode(proc->args, frame.payload, frame.payload_len, message, &used, NULL) &&
              used == frame.payload_len;
    if (ok) {
        *ret_proc = frame.header.proc;
        *ret_callback = *(int32_t *)message; /* the first field of every modern message */
        wire_clear(proc->args, message);
    }
    peer_skip(peer, &frame);
    return ok;
}

static void every_event_has_its_message(void *arg)
{
    static const int32_t modern[EVENT_COUNT] = { 318, 319, 320, 321, 322, 323, 324, 325, 326, 327,
                                                 328, 329, 330, 331, 332, 333, 339, 346, 348, 354,
                                                 359, 363, 367, 379, 385, 423, 438, 453 };
    g_auto(Peer) peer;

    CHECK(open_peer(&peer));
    for (int id = 0; id < EVENT_COUNT; id++)
        CHECK(register_modern(&peer, id, NULL) == id); /* ids count from 0 */
    for (int id = 0; id < EVENT_COUNT; id++) {
        Event event = sample_event((EventId)id);
        g_autoptr(Params) params = params_new();
        params_add_ullong(params, 7, "a.b");
        event.params = params;
        int32_t proc, callback;
        event_publish(bus, &event);
        CHECK(expect_message(&peer, REMOTE, &proc, &callback));
        CHECK(proc == modern[id]);
        CHECK(callback == id);
    }
}

static void legacy_messages_have_no_callback_id(void *arg)
{
    static const int32_t legacy[] = { 107, 169, 170, 171, 172, 173, 195, 224,
                                      241, 248, 268, 269, 270, 276, 292, 311 };
    g_auto(Peer) peer;

    CHECK(open_peer(&peer));
    for (int id = 1; id < (int)G_N_ELEMENTS(legacy); id++) {
        WireConnectDomainEventRegisterAnyArgs args = { .event_id = id };
        uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_DOMAIN_EVENT_REGISTER_ANY,
                                    WIRE_TYPE_CONNECT_DOMAIN_EVENT_REGISTER_ANY_ARGS, &args);
        CHECK(peer_flush(&peer));
        CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
    }
    uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_DOMAIN_EVENT_REGISTER, WIRE_TYPE_NONE, NULL);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
    for (int id = 0; id < (int)G_N_ELEMENTS(legacy); id++) {
        Event event = sample_event((EventId)id);
        int32_t proc, first;
        event_publish(bus, &event);
        CHECK(expect_message(&peer, REMOTE, &proc, &first));
        CHECK(proc == legacy[id]);
    }
    WireConnectDomainEventRegisterAnyArgs late = { .event_id = 16 };
    serial = peer_call(&peer, REMOTE, PROC_CONNECT_DOMAIN_EVENT_REGISTER_ANY,
                       WIRE_TYPE_CONNECT_DOMAIN_EVENT_REGISTER_ANY_ARGS, &late);
    CHECK(peer_flush(&peer));
    CHECK(peer_expect_error(&peer, serial, NULL, NULL) == VIR_ERR_INTERNAL_ERROR);
}

static void lifecycle_carries_the_domain(void *arg)
{
    g_auto(Peer) peer;
    WireFrame frame;
    g_auto(WireDomainEventCallbackLifecycleMsg) message = { 0 };
    Event event = sample_event(EVENT_LIFECYCLE);

    CHECK(open_peer(&peer));
    CHECK(register_modern(&peer, EVENT_LIFECYCLE, NULL) == 0);
    event_publish(bus, &event);
    CHECK(peer_next(&peer, &frame));
    CHECK(wire_decode(WIRE_TYPE_DOMAIN_EVENT_CALLBACK_LIFECYCLE_MSG, frame.payload, frame.payload_len,
                      &message, NULL, NULL));
    CHECK(strcmp(message.msg.dom.name, "vm") == 0 && message.msg.dom.id == 5);
    CHECK(uuid_equal(&message.msg.dom.uuid, &event.uuid));
    CHECK(message.msg.event == 2 && message.msg.detail == 1);
}

static void filters_choose_by_uuid(void *arg)
{
    g_auto(Peer) peer;
    Uuid ours = { { 1, 2, 3 } }, other = { { 9 } };
    Event event = sample_event(EVENT_REBOOT);
    int32_t proc, callback;

    CHECK(open_peer(&peer));
    CHECK(register_modern(&peer, EVENT_REBOOT, &other) == 0);
    CHECK(register_modern(&peer, EVENT_REBOOT, &ours) == 1);
    CHECK(register_modern(&peer, EVENT_REBOOT, NULL) == 2);
    CHECK(register_modern(&peer, EVENT_REBOOT, &ours) == -1); /* the same again */
    event_publish(bus, &event);
    CHECK(expect_message(&peer, REMOTE, &proc, &callback) && callback == 1);
    CHECK(expect_message(&peer, REMOTE, &proc, &callback) && callback == 2);
    event.uuid = other;
    event_publish(bus, &event);
    CHECK(expect_message(&peer, REMOTE, &proc, &callback) && callback == 0);
    CHECK(expect_message(&peer, REMOTE, &proc, &callback) && callback == 2);
}

static void deregistering_ends_it_and_only_once(void *arg)
{
    g_auto(Peer) peer;
    WireConnectDomainEventCallbackDeregisterAnyArgs args = { .callback_id = 0 };
    Event event = sample_event(EVENT_LIFECYCLE);

    CHECK(open_peer(&peer));
    CHECK(register_modern(&peer, EVENT_LIFECYCLE, NULL) == 0);
    for (unsigned again = 0; again < 2; again++) {
        uint32_t serial = peer_call(&peer, REMOTE, PROC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY,
                                    WIRE_TYPE_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY_ARGS, &args);
        CHECK(peer_flush(&peer));
        if (again)
            CHECK(peer_expect_error(&peer, serial, NULL, NULL) == VIR_ERR_INTERNAL_ERROR);
        else
            CHECK(peer_expect_reply(&peer, serial, WIRE_TYPE_NONE, NULL));
    }
    event_publish(bus, &event);
    CHECK(register_modern(&peer, EVENT_LIFECYCLE, NULL) == 1); /* no message in between */
    CHECK(register_modern(&peer, EVENT_COUNT, NULL) == -1);
    CHECK(register_modern(&peer, -1, NULL) == -1);
}

static void monitor_events_are_chosen_by_name(void *arg)
{
    g_auto(Peer) peer;
    static const struct {
        const char *pattern;
        unsigned flags;
    } cases[] = {
        { NULL, 0 },
        { "SHUTDOWN", 0 },
        { "shutdown", 0 },
        { "shutdown", VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE },
        { "^SHUT", VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX },
        { "^DOWN", VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX },
    };
    static const int wanted[] = { 0, 1, 3, 4 };
    Event event = sample_event(EVENT_QEMU_MONITOR);
    int id;

    CHECK(open_peer(&peer));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        RpcEventFilter filter = { .kind = RPC_EVENT_QEMU,
                                  .qemu_event = cases[i].pattern,
                                  .qemu_flags = cases[i].flags };
        CHECK(rpc_events_add(server_side, &filter, &id, NULL) && id == (int)i);
    }
    RpcEventFilter broken = { .kind = RPC_EVENT_QEMU,
                              .qemu_event = "(",
                              .qemu_flags = VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX };
    g_autoptr(Error) err = NULL;
    CHECK(!rpc_events_add(server_side, &broken, &id, &err) && error_code(err) == ERROR_INVALID_ARGUMENT);
    event.text1 = "SHUTDOWN";
    event.text2 = NULL;
    event_publish(bus, &event);
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        int32_t proc, callback;
        CHECK(expect_message(&peer, WIRE_PROGRAM_QEMU, &proc, &callback));
        CHECK(proc == QEMU_PROC_DOMAIN_MONITOR_EVENT && callback == wanted[i]);
    }
}

/* One who registers and never reads is cut off; others get all of theirs. */
static void a_client_that_does_not_read_its_events_is_dropped(void *arg)
{
    g_auto(Peer) lazy;
    g_auto(Peer) good;
    g_autofree char *text = g_strnfill(100000, 'x');
    Event event = sample_event(EVENT_TRAY_CHANGE);

    CHECK(open_peer(&lazy));
    CHECK(open_peer(&good));
    CHECK(register_modern(&lazy, EVENT_TRAY_CHANGE, NULL) == 0);
    CHECK(register_modern(&good, EVENT_TRAY_CHANGE, NULL) == 0);
    event.text1 = text;
    for (unsigned i = 0; i < 200; i++) {
        int32_t proc, callback;
        event_publish(bus, &event);
        CHECK(expect_message(&good, REMOTE, &proc, &callback));
    }
    CHECK(rpc_server_count_clients(server) == 1);
}

#define EVENT_TEST(name)                                                                                     \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        assert_true(peer_run(name, NULL));                                                                   \
    }
EVENT_TEST(every_event_has_its_message)
EVENT_TEST(legacy_messages_have_no_callback_id)
EVENT_TEST(lifecycle_carries_the_domain)
EVENT_TEST(filters_choose_by_uuid)
EVENT_TEST(deregistering_ends_it_and_only_once)
EVENT_TEST(monitor_events_are_chosen_by_name)
EVENT_TEST(a_client_that_does_not_read_its_events_is_dropped)

#define ROW(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(every_event_has_its_message),
        ROW(legacy_messages_have_no_callback_id),
        ROW(lifecycle_carries_the_domain),
        ROW(filters_choose_by_uuid),
        ROW(deregistering_ends_it_and_only_once),
        ROW(monitor_events_are_chosen_by_name),
        ROW(a_client_that_does_not_read_its_events_is_dropped),
    };

    return cmocka_run_group_tests_name("rpc/events", tests, peer_start_loop, peer_end_loop);
}
