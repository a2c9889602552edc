/* The QMP client against a scripted QEMU: each way in which a reply can come, come late, or not come. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "fake_qemu.h"
#include "qemu/line_buffer.h"
#include "qemu/qmp.h"

typedef struct Session {
    FakeQemu *fake;
    Qmp *qmp;
    GString *events; /* names, each followed by ' ' */
    unsigned closed;
    ErrorCode closed_code;
    bool close_on_event;
} Session;

static void on_event(const char *name, const Json *data, int64_t seconds, int64_t microseconds, void *arg)
{
    Session *session = arg;
    g_string_append_printf(session->events, "%s ", name);
    if (session->close_on_event)
        qmp_close(g_steal_pointer(&session->qmp));
}

static void on_close(const Error *why, void *arg)
{
    Session *session = arg;
    session->closed++;
    session->closed_code = error_code(why);
}

static bool session_try_open(Session *session, const FakeStep *steps, uint64_t timeout_ms, Error **err)
{
    int fd;
    *session = (Session){ .fake = fake_qemu_start(steps, &fd), .events = g_string_new(NULL) };
    QmpHandlers handlers = { .on_event = on_event, .on_close = on_close, .arg = session };
    return qmp_open(fd, "web", &handlers, timeout_ms, &session->qmp, err);
}

static void session_open(Session *session, const FakeStep *steps)
{
    g_autoptr(Error) err = NULL;
    if (!session_try_open(session, steps, 10000, &err))
        g_error("open: %s", error_message(err));
}

static void session_end(Session *session)
{
    qmp_close(session->qmp);
    fake_qemu_finish(session->fake);
    g_string_free(session->events, TRUE);
}

static void wait_for_close(Session *session)
{
    for (int i = 0; i < 500 && !session->closed; i++)
        assert_true(fiber_sleep(10, NULL));
    assert_int_equal(session->closed, 1);
}

static void check_exec(Session *session, const char *command, const char *wanted)
{
    g_autoptr(Error) err = NULL;
    AUTO_JSON reply = NULL;
    if (!qmp_exec(session->qmp, command, NULL, 10000, &reply, &err))
        g_error("%s: %s", command, error_message(err));
    g_autofree char *text = json_format(reply);
    assert_string_equal(text, wanted);
}

static void check_exec_fails(Session *session, const char *command, uint64_t timeout_ms, ErrorCode code)
{
    g_autoptr(Error) err = NULL;
    AUTO_JSON reply = NULL;
    assert_false(qmp_exec(session->qmp, command, NULL, timeout_ms, &reply, &err));
    assert_null(reply);
    if (error_code(err) != code)
        g_error("%s: unexpected %s: %s", command, error_code_name(error_code(err)), error_message(err));
}

static void reply_and_refusal(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "query-status" },
        { FAKE_RETURN, "{\"status\": \"running\"}" },
        { FAKE_EXPECT, "device_add" },
        { FAKE_EXPECT_ARGS, "{\"driver\": \"nonsense\"}" },
        { FAKE_REFUSE, "'nonsense' is not a valid device model name" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    check_exec(&session, "query-status", "{\"status\":\"running\"}");

    AUTO_JSON args = json_pack("{s:s}", "driver", "nonsense");
    g_autoptr(Error) err = NULL;
    assert_false(qmp_exec(session.qmp, "device_add", args, 0, NULL, &err));
    assert_int_equal(error_code(err), ERROR_REFUSED);
    assert_string_equal(error_message(err),
                        "QEMU refused 'device_add': 'nonsense' is not a valid device model name");
    assert_string_equal(error_class(err), "GenericError");
    assert_int_equal(qmp_pending_ms(session.qmp), 0);
    session_end(&session);
}

/* Three fibers ask; QEMU answers last to first, with an event in between. */
typedef struct Asker {
    Session *session;
    const char *command;
    char *answer;
} Asker;

static void ask(void *arg)
{
    Asker *asker = arg;
    AUTO_JSON reply = NULL;
    g_autoptr(Error) err = NULL;
    if (qmp_exec(asker->session->qmp, asker->command, NULL, 10000, &reply, &err))
        asker->answer = json_format(reply);
    else
        asker->answer = g_strdup(error_code_name(error_code(err)));
}

static void ask_all(Session *session, Asker *askers, size_t n)
{
    Fiber *fibers[4];
    for (size_t i = 0; i < n; i++) {
        askers[i].session = session;
        fibers[i] = fiber_ref(fiber_spawn("asker", ask, &askers[i]));
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(fiber_join(fibers[i], 20000, NULL));
        fiber_unref(fibers[i]);
    }
}

static void replies_in_any_order(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "a" },
        { FAKE_SAVE_ID },
        { FAKE_EXPECT, "b" },
        { FAKE_SEND,
          "{\"return\": 2, \"id\": \"$ID\"}\r\n{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, "
          "\"microseconds\": 2}}\r\n{\"event\": \"RESUME\"}\r\n{\"return\": 1, \"id\": \"$OLD\"}\r\n" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    Asker askers[] = { { .command = "a" }, { .command = "b" } };
    ask_all(&session, askers, 2);
    assert_string_equal(askers[0].answer, "1");
    assert_string_equal(askers[1].answer, "2");
    assert_string_equal(session.events->str, "STOP RESUME ");
    g_free(askers[0].answer);
    g_free(askers[1].answer);
    session_end(&session);
}

static void deadline_then_late_reply(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "slow" },
        { FAKE_SLEEP, .number = 1000 },
        { FAKE_RETURN, "\"late\"" },
        { FAKE_EXPECT, "next" },
        { FAKE_RETURN, "\"in time\"" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    uint64_t before_ms = loop_now_ms();
    check_exec_fails(&session, "slow", 50, ERROR_TIMEOUT);
    assert_true(loop_now_ms() - before_ms >= 50);
    assert_true(qmp_pending_ms(session.qmp) >= 45);
    check_exec(&session, "next", "\"in time\"");
    assert_int_equal(qmp_pending_ms(session.qmp), 0);
    session_end(&session);
}

static void hangup_wakes_every_waiter(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },       { FAKE_EXPECT, "a" },
        { FAKE_EXPECT, "b" }, { FAKE_SEND, "{\"event\": \"SHUTDOWN\"}\r\n{\"return\": {\"half" },
        { FAKE_CLOSE },
    };
    Session session;
    session_open(&session, steps);
    Asker askers[] = { { .command = "a" }, { .command = "b" } };
    ask_all(&session, askers, 2);
    assert_string_equal(askers[0].answer, error_code_name(ERROR_VM_GONE));
    assert_string_equal(askers[1].answer, error_code_name(ERROR_VM_GONE));
    assert_string_equal(session.events->str, "SHUTDOWN ");
    wait_for_close(&session);
    assert_int_equal(session.closed_code, ERROR_VM_GONE);
    assert_false(qmp_is_open(session.qmp));
    check_exec_fails(&session, "more", 1000, ERROR_VM_GONE);
    g_free(askers[0].answer);
    g_free(askers[1].answer);
    session_end(&session);
}

static void garbage_closes(void *arg)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n",   "[1, 2]\r\n",
        "{\"strange\": 1}\r\n", "{\"return\": \"\xff\xfe\", \"id\": \"$ID\"}\r\n",
        "\"event\"\r\n",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const FakeStep steps[] = {
            { FAKE_GREET }, { FAKE_EXPECT, "a" }, { FAKE_SEND, cases[i] }, { FAKE_END }
        };
        Session session;
        session_open(&session, steps);
        check_exec_fails(&session, "a", 10000, ERROR_VM_GONE);
        wait_for_close(&session);
        assert_int_equal(session.closed_code, ERROR_PROTOCOL);
        session_end(&session);
    }
}

static void deep_nesting_closes(void *arg)
{
    g_autofree char *deep = g_malloc0(200003);
    memset(deep, '[', 200000);
    strcpy(deep + 200000, "\r\n");
    const FakeStep steps[] = { { FAKE_GREET }, { FAKE_EXPECT, "a" }, { FAKE_SEND, deep }, { FAKE_END } };
    Session session;
    session_open(&session, steps);
    check_exec_fails(&session, "a", 10000, ERROR_VM_GONE);
    session_end(&session);
}

static void long_lines(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "long" },
        { FAKE_SEND, "{\"id\": \"$ID\", \"return\": \"" },
        { FAKE_FLOOD, .number = 8 << 20 },
        { FAKE_SEND, "\"}\r\n" },
        { FAKE_EXPECT, "endless" },
        { FAKE_FLOOD, .number = 66 << 20 },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    AUTO_JSON reply = NULL;
    assert_true(qmp_exec(session.qmp, "long", NULL, 20000, &reply, NULL));
    assert_int_equal(json_string_length(reply), 8 << 20);
    check_exec_fails(&session, "endless", 30000, ERROR_VM_GONE);
    wait_for_close(&session);
    assert_int_equal(session.closed_code, ERROR_PROTOCOL);
    session_end(&session);
}

static void stray_replies_are_dropped(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "a" },
        { FAKE_SEND,
          "{\"return\": 1, \"id\": \"libvirt-999\"}\r\n{\"return\": 1, \"id\": 7}\r\n{\"return\": 1}\r\n"
          "{\"error\": {}, \"id\": \"libvirt--1\"}\r\n\r\n{\"return\": 1, \"id\": \"foreign\"}\r\n"
          "{\"return\": 3, \"id\": \"$ID\"}\r\n{\"return\": 4, \"id\": \"$ID\"}\r\n" },
        { FAKE_EXPECT, "b" },
        { FAKE_RETURN, "5" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    check_exec(&session, "a", "3");
    check_exec(&session, "b", "5");
    session_end(&session);
}

static void numbers_of_64_bits(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "a" },
        { FAKE_RETURN, "{\"all\": 18446744073709551615, \"top\": [9223372036854775808, 9223372036854775807], "
                       "\"text\": \"18446744073709551615\", \"real\": 10000000000000000000.5}" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    AUTO_JSON reply = NULL;
    assert_true(qmp_exec(session.qmp, "a", NULL, 1000, &reply, NULL));
    assert_true(line_json_get_u64(reply, "all", 0) == UINT64_MAX);
    assert_true((uint64_t)json_integer_value(json_array_get(json_get_arr(reply, "top"), 0)) == UINT64_C(1)
                                                                                                   << 63);
    assert_true(json_integer_value(json_array_get(json_get_arr(reply, "top"), 1)) == INT64_MAX);
    assert_string_equal(json_get_str(reply, "text"), "18446744073709551615");
    session_end(&session);
}

static void raw_and_hmp(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "query-x" },
        { FAKE_EXPECT_ARGS, "{\"a\": 1}" },
        { FAKE_SEND,
          "{\"return\": {\"n\": 18446744073709551615, \"t\": \"a \\\" b\"}, \"id\": \"$ID\"}\r\n" },
        { FAKE_EXPECT, "query-y" },
        { FAKE_REFUSE, "no" },
        { FAKE_EXPECT, "human-monitor-command" },
        { FAKE_EXPECT_ARGS, "{\"command-line\": \"info status\"}" },
        { FAKE_RETURN, "\"VM status: running\\r\\n\"" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    g_autofree char *first = NULL, *second = NULL, *third = NULL;
    assert_true(qmp_exec_raw(session.qmp, "{ \"execute\": \"query-x\", \"arguments\": {\"a\": 1}}", -1, 1000,
                             &first, NULL));
    assert_string_equal(first,
                        "{\"return\":{\"n\":18446744073709551615,\"t\":\"a \\\" b\"},\"id\":\"libvirt-1\"}");
    assert_true(qmp_exec_raw(session.qmp, "{\"id\": 5, \"execute\": \"query-y\"}", -1, 1000, &second, NULL));
    assert_string_equal(second, "{\"id\":5,\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}");
    g_autoptr(Error) err = NULL;
    assert_false(qmp_exec_raw(session.qmp, "{\"execute\": ", -1, 1000, &third, &err));
    assert_int_equal(error_code(err), ERROR_INVALID_ARGUMENT);
    assert_true(qmp_exec_hmp(session.qmp, "info status", 1000, &third, NULL));
    assert_string_equal(third, "VM status: running\r\n");
    session_end(&session);
}

/* The second descriptor must not leave before the first command was answered. */
static void descriptors_go_one_by_one(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },        { FAKE_EXPECT, "getfd" },  { FAKE_EXPECT_FD }, { FAKE_SLEEP, .number = 500 },
        { FAKE_RETURN, "{}" }, { FAKE_EXPECT, "add-fd" }, { FAKE_EXPECT_FD }, { FAKE_RETURN, "{}" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    AUTO_FD fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(Error) err = NULL;
    assert_false(qmp_exec_fd(session.qmp, "getfd", NULL, fd, 20, NULL, &err));
    assert_int_equal(error_code(err), ERROR_TIMEOUT);
    assert_true(qmp_exec_fd(session.qmp, "add-fd", NULL, fd, 5000, NULL, NULL));
    session_end(&session);
}

/* QEMU reads nothing: the queue fills, is bounded, and is emptied again as the callers give up. */
static void a_stopped_qemu_costs_its_callers_only(void *arg)
{
    static const FakeStep steps[] = { { FAKE_GREET }, { FAKE_HOLD }, { FAKE_CLOSE } };
    Session session;
    session_open(&session, steps);
    g_autofree char *big = g_malloc0(6 << 20);
    memset(big, 'y', (6 << 20) - 1);
    AUTO_JSON args = json_pack("{s:s}", "text", big);
    uint64_t before_ms = loop_now_ms();
    for (int i = 0; i < 5; i++) {
        g_autoptr(Error) err = NULL;
        assert_false(qmp_exec(session.qmp, "big", args, 20, NULL, &err));
        assert_int_equal(error_code(err), ERROR_TIMEOUT);
    }
    assert_true(loop_now_ms() - before_ms >= 100);
    session_end(&session);
}

static void open_fails_in_bounded_time(void *arg)
{
    static const FakeStep silent[] = { { FAKE_END } }, gone[] = { { FAKE_CLOSE } },
                          half[] = { { FAKE_SEND, "{\"QMP\": {}}\r\n" },
                                     { FAKE_EXPECT, "qmp_capabilities" },
                                     { FAKE_END } },
                          refuses[] = { { FAKE_SEND, "{\"QMP\": {}}\r\n" },
                                        { FAKE_EXPECT, "qmp_capabilities" },
                                        { FAKE_REFUSE, "never" },
                                        { FAKE_END } };
    static const struct {
        const FakeStep *steps;
        ErrorCode code;
    } cases[] = { { silent, ERROR_TIMEOUT },
                  { gone, ERROR_VM_GONE },
                  { half, ERROR_TIMEOUT },
                  { refuses, ERROR_REFUSED } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Session session;
        g_autoptr(Error) err = NULL;
        assert_false(
            session_try_open(&session, cases[i].steps, cases[i].code == ERROR_TIMEOUT ? 60 : 10000, &err));
        assert_int_equal(error_code(err), cases[i].code);
        assert_int_equal(session.closed, 0);
        session_end(&session);
    }
}

static void events_right_behind_the_negotiation(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_SEND, "{\"QMP\": {}}\r\n" },
        { FAKE_EXPECT, "qmp_capabilities" },
        { FAKE_SEND, "{\"return\": {}, \"id\": \"$ID\"}\r\n{\"event\": \"A\"}\r\n{\"event\": \"B\"}\r\n" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    assert_true(fiber_sleep(20, NULL));
    assert_string_equal(session.events->str, "A B ");
    session_end(&session);
}

static void an_event_handler_may_close(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "a" },
        { FAKE_SEND, "{\"event\": \"ONE\"}\r\n{\"event\": \"TWO\"}\r\n{\"return\": 1, \"id\": \"$ID\"}\r\n" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    session.close_on_event = true;
    check_exec_fails(&session, "a", 5000, ERROR_VM_GONE);
    assert_string_equal(session.events->str, "ONE ");
    assert_null(session.qmp);
    assert_int_equal(session.closed, 0);
    session_end(&session);
}

static void many_events_in_order(void *arg)
{
    GString *wanted = g_string_new(NULL), *text = g_string_new(NULL);
    for (int i = 0; i < 1000; i++) {
        g_string_append_printf(text, "{\"event\": \"E%d\", \"data\": {}}\r\n", i);
        g_string_append_printf(wanted, "E%d ", i);
    }
    g_string_append(text, "{\"return\": 1, \"id\": \"$ID\"}\r\n");
    const FakeStep steps[] = { { FAKE_GREET }, { FAKE_EXPECT, "a" }, { FAKE_SEND, text->str }, { FAKE_END } };
    Session session;
    session_open(&session, steps);
    check_exec(&session, "a", "1");
    assert_string_equal(session.events->str, wanted->str);
    session_end(&session);
    g_string_free(wanted, TRUE);
    g_string_free(text, TRUE);
}

static void cancelled_caller_leaves(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },       { FAKE_EXPECT, "a" }, { FAKE_SLEEP, .number = 1000 },
        { FAKE_RETURN, "1" }, { FAKE_EXPECT, "b" }, { FAKE_RETURN, "2" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    Asker asker = { .session = &session, .command = "a" };
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("asker", ask, &asker));
    assert_true(fiber_sleep(20, NULL));
    fiber_cancel(fiber);
    assert_true(fiber_join(fiber, 900, NULL));
    assert_string_equal(asker.answer, error_code_name(ERROR_CANCELLED));
    g_free(asker.answer);
    check_exec(&session, "b", "2");
    session_end(&session);
}

/* A tray that opens and closes all the time, other things in between, and a reply at the end of it. */
static void a_flood_of_events_costs_little_and_loses_no_state(void *arg)
{
    enum { TIMES = 20000 };
    GString *text = g_string_new(NULL);
    for (int i = 0; i < TIMES; i++) {
        g_string_append_printf(text,
                               "{\"timestamp\": {\"seconds\": %d, \"microseconds\": %d}, \"event\": \"%s\", "
                               "\"data\": {\"id\": \"ide0-0-0\"}}\r\n",
                               1700000000 + i / 1000, i % 1000 * 1000, i % 2 ? "CLOSED" : "OPEN");
        if (i == TIMES / 2)
            g_string_append(text, "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 1}, \"event\": "
                                  "\"STOP\"}\r\n");
    }
    g_string_append(text, "{\"return\": 1, \"id\": \"$ID\"}\r\n");
    const FakeStep steps[] = { { FAKE_GREET }, { FAKE_EXPECT, "a" }, { FAKE_SEND, text->str }, { FAKE_END } };
    Session session;
    uint64_t begin_ms = loop_now_ms();
    session_open(&session, steps);
    check_exec(&session, "a", "1");
    uint64_t slices = (loop_now_ms() - begin_ms) / 100 + 2;
    /* What QEMU sent before the reply was told before it. */
    assert_true(g_str_has_suffix(session.events->str, "OPEN CLOSED "));
    assert_non_null(strstr(session.events->str, "STOP "));
    assert_in_range(session.events->len / strlen("CLOSED "), 32, slices * 70);
    session_end(&session);
    g_string_free(text, TRUE);
}

/* A QEMU that is no longer itself: what it says is different each time, or the answer to nothing. */
static void a_flood_of_nonsense_does_not_keep_the_loop_busy(void *arg)
{
    GString *text = g_string_new(NULL);
    for (int i = 0; i < 2000; i++)
        g_string_append_printf(text,
                               i % 2 ? "{\"return\": %d, \"id\": \"x\"}\r\n" : "{\"event\": \"E%d\"}\r\n", i);
    const FakeStep steps[] = { { FAKE_GREET }, { FAKE_SEND, text->str }, { FAKE_END } };
    Session session;
    session_open(&session, steps);
    uint64_t begin_ms = loop_now_ms();
    unsigned n = 0;
    while (loop_now_ms() - begin_ms < 300)
        assert_true(fiber_sleep(1, NULL));
    for (const char *at = session.events->str; (at = strchr(at, ' ')); at++)
        n++;
    assert_in_range(n, 32, 700);
    /* Nothing that has come is forgotten: all of it is told in the end. */
    for (int i = 0; i < 1000 && !strstr(session.events->str, "E1998 "); i++)
        assert_true(fiber_sleep(10, NULL));
    assert_non_null(strstr(session.events->str, "E1998 "));
    session_end(&session);
    g_string_free(text, TRUE);
}

static void several_commands_at_once(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_GREET },
        { FAKE_EXPECT, "query-status" },
        { FAKE_SAVE_ID },
        { FAKE_EXPECT, "balloon" }, /* before anything was answered */
        { FAKE_EXPECT_ARGS, "{\"value\": 5}" },
        { FAKE_REFUSE, "no balloon" },
        { FAKE_SEND, "{\"return\": 1, \"id\": \"$OLD\"}\n" },
        { FAKE_EXPECT, "query-name" },
        { FAKE_RETURN, "3" },
        { FAKE_EXPECT, "query-kvm" },
        { FAKE_RETURN, "4" },
        { FAKE_EXPECT, "query-uuid" },
        { FAKE_CLOSE },
    };
    Session session;
    session_open(&session, steps);
    QmpCommand commands[] = { { .name = "query-status" },
                              { .name = "balloon", .args = json_pack("{s:i}", "value", 5) },
                              { .name = "query-name" } };
    g_autoptr(Error) err = NULL;
    assert_false(qmp_exec_all(session.qmp, commands, G_N_ELEMENTS(commands), 10000, &err));
    assert_int_equal(error_code(err), ERROR_REFUSED);
    assert_int_equal(json_integer_value(commands[0].reply), 1);
    assert_null(commands[1].reply);
    assert_int_equal(json_integer_value(commands[2].reply), 3);
    qmp_commands_clear(commands, G_N_ELEMENTS(commands));

    QmpCommand cut_off[] = { { .name = "query-kvm" }, { .name = "query-uuid" }, { .name = "query-cpus" } };
    g_autoptr(Error) gone = NULL;
    assert_false(qmp_exec_all(session.qmp, cut_off, G_N_ELEMENTS(cut_off), 10000, &gone));
    assert_int_equal(error_code(gone), ERROR_VM_GONE);
    assert_int_equal(json_integer_value(cut_off[0].reply), 4);
    qmp_commands_clear(cut_off, G_N_ELEMENTS(cut_off));
    assert_int_equal(qmp_pending_ms(session.qmp), 0);
    session_end(&session);
}

#define FIBER_TEST(name)                                                                                     \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        test_run_fiber(name, NULL);                                                                          \
    }
FIBER_TEST(reply_and_refusal)
FIBER_TEST(replies_in_any_order)
FIBER_TEST(deadline_then_late_reply)
FIBER_TEST(hangup_wakes_every_waiter)
FIBER_TEST(garbage_closes)
FIBER_TEST(deep_nesting_closes)
FIBER_TEST(long_lines)
FIBER_TEST(stray_replies_are_dropped)
FIBER_TEST(numbers_of_64_bits)
FIBER_TEST(raw_and_hmp)
FIBER_TEST(several_commands_at_once)
FIBER_TEST(descriptors_go_one_by_one)
FIBER_TEST(a_stopped_qemu_costs_its_callers_only)
FIBER_TEST(open_fails_in_bounded_time)
FIBER_TEST(events_right_behind_the_negotiation)
FIBER_TEST(an_event_handler_may_close)
FIBER_TEST(many_events_in_order)
FIBER_TEST(cancelled_caller_leaves)
FIBER_TEST(a_flood_of_events_costs_little_and_loses_no_state)
FIBER_TEST(a_flood_of_nonsense_does_not_keep_the_loop_busy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply_and_refusal),
        cmocka_unit_test(test_replies_in_any_order),
        cmocka_unit_test(test_deadline_then_late_reply),
        cmocka_unit_test(test_hangup_wakes_every_waiter),
        cmocka_unit_test(test_garbage_closes),
        cmocka_unit_test(test_deep_nesting_closes),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_stray_replies_are_dropped),
        cmocka_unit_test(test_numbers_of_64_bits),
        cmocka_unit_test(test_raw_and_hmp),
        cmocka_unit_test(test_several_commands_at_once),
        cmocka_unit_test(test_descriptors_go_one_by_one),
        cmocka_unit_test(test_a_stopped_qemu_costs_its_callers_only),
        cmocka_unit_test(test_open_fails_in_bounded_time),
        cmocka_unit_test(test_events_right_behind_the_negotiation),
        cmocka_unit_test(test_an_event_handler_may_close),
        cmocka_unit_test(test_many_events_in_order),
        cmocka_unit_test(test_cancelled_caller_leaves),
        cmocka_unit_test(test_a_flood_of_events_costs_little_and_loses_no_state),
        cmocka_unit_test(test_a_flood_of_nonsense_does_not_keep_the_loop_busy),
    };
    return cmocka_run_group_tests_name("qmp", tests, NULL, NULL);
}
