/* The guest agent's channel against a scripted agent that is late, confused, chatty or not there. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>
#include <string.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "fake_qemu.h"
#include "qemu/agent.h"

typedef struct Session {
    FakeQemu *fake;
    Agent *agent;
} Session;

static void session_open(Session *session, const FakeStep *steps)
{
    int fd;
    session->fake = fake_qemu_start(steps, &fd);
    session->agent = agent_new(fd);
}

static void session_end(Session *session)
{
    agent_close(session->agent);
    fake_qemu_finish(session->fake);
}

static void check_exec(Session *session, const char *command, const char *wanted)
{
    g_autoptr(Error) err = NULL;
    AUTO_JSON reply = NULL;
    if (!agent_exec(session->agent, command, NULL, 5000, &reply, &err))
        g_error("%s: %s", command, error_message(err));
    g_autofree char *text = json_format(reply);
    assert_string_equal(text, wanted);
}

static void check_exec_fails(Session *session, const char *command, uint64_t timeout_ms, ErrorCode code)
{
    g_autoptr(Error) err = NULL;
    uint64_t before_ms = loop_now_ms();
    assert_false(agent_exec(session->agent, command, NULL, timeout_ms, NULL, &err));
    if (error_code(err) != code)
        g_error("%s: unexpected %s: %s", command, error_code_name(error_code(err)), error_message(err));
    assert_true(loop_now_ms() - before_ms < timeout_ms + 5000);
}

static void answers_and_refuses(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"guest-ping\"}" },
        { FAKE_SEND, "{\"return\": {}}\n" },
        { FAKE_AGENT_SYNC, "{\"return\": \"old news\"}\nhalf a li\xff{\"return\": 1}\n" },
        { FAKE_READ_LINE, "{\"execute\":\"guest-nonsense\"}" },
        { FAKE_SEND, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"not found\"}}\n" },
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"guest-get-time\",\"arguments\":{}}" },
        { FAKE_SEND, "{\"return\": 5}\n" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    check_exec(&session, "guest-ping", "{}");
    check_exec_fails(&session, "guest-nonsense", 5000, ERROR_REFUSED);
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    assert_true(agent_exec_raw(session.agent, "{ \"execute\": \"guest-get-time\", \"arguments\": {} }", 5000,
                               &text, NULL));
    assert_string_equal(text, "{\"return\":5}");
    assert_false(agent_exec_raw(session.agent, "[1]", 5000, &text, &err));
    assert_int_equal(error_code(err), ERROR_INVALID_ARGUMENT);
    session_end(&session);
}

static void absent_agent(void *arg)
{
    static const FakeStep steps[] = { { FAKE_END } };
    Session session;
    session_open(&session, steps);
    check_exec_fails(&session, "guest-ping", 60, ERROR_AGENT_UNRESPONSIVE);
    check_exec_fails(&session, "guest-ping", 60, ERROR_AGENT_UNRESPONSIVE);
    session_end(&session);
}

static void late_answer_is_skipped(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"slow\"}" },
        { FAKE_SLEEP, .number = 1000 },
        { FAKE_SEND, "{\"return\": \"late\"}\n" },
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"next\"}" },
        { FAKE_SEND, "{\"return\": \"right\"}\n" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    check_exec_fails(&session, "slow", 300, ERROR_AGENT_UNRESPONSIVE);
    check_exec(&session, "next", "\"right\"");
    session_end(&session);
}

static void endless_talk(void *arg)
{
    static const FakeStep steps[] = { { FAKE_FLOOD, .number = 12 << 20 }, { FAKE_END } };
    Session session;
    session_open(&session, steps);
    check_exec_fails(&session, "guest-ping", 10000, ERROR_OVERFLOW);
    assert_false(agent_is_open(session.agent));
    check_exec_fails(&session, "guest-ping", 1000, ERROR_VM_GONE);
    session_end(&session);
}

/* What is left of earlier answers is skipped, but a guest that only talks is left alone. */
static void endless_lines(void *arg)
{
    GString *lines = g_string_new(NULL);
    for (unsigned i = 0; i < 5000; i++)
        g_string_append(lines, "{\"return\": 1}\n");
    const FakeStep steps[] = { { FAKE_SEND, lines->str }, { FAKE_END } };
    Session session;
    session_open(&session, steps);
    check_exec_fails(&session, "guest-ping", 10000, ERROR_AGENT_UNRESPONSIVE);
    assert_false(agent_is_open(session.agent));
    session_end(&session);
    g_string_free(lines, TRUE);
}

/* Ten megabytes of text would be gigabytes of values. */
static void too_many_values(void *arg)
{
    GString *answer = g_string_new("{\"return\": [0");
    for (unsigned i = 0; i < 300000; i++)
        g_string_append(answer, ",0");
    g_string_append(answer, "]}\n");
    const FakeStep steps[] = {
        { FAKE_AGENT_SYNC }, { FAKE_READ_LINE, "{\"execute\":\"a\"}" }, { FAKE_SEND, answer->str },
        { FAKE_AGENT_SYNC }, { FAKE_READ_LINE, "{\"execute\":\"b\"}" }, { FAKE_SEND, "{\"return\": 2}\n" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    check_exec_fails(&session, "a", 5000, ERROR_OVERFLOW);
    check_exec(&session, "b", "2");
    session_end(&session);
    g_string_free(answer, TRUE);
}

static void hangup(void *arg)
{
    static const FakeStep steps[] = { { FAKE_AGENT_SYNC },
                                      { FAKE_READ_LINE, "{\"execute\":\"a\"}" },
                                      { FAKE_CLOSE } };
    Session session;
    session_open(&session, steps);
    check_exec_fails(&session, "a", 5000, ERROR_VM_GONE);
    assert_false(agent_is_open(session.agent));
    session_end(&session);
}

static void silent_commands(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"guest-shutdown\"}" },
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"guest-shutdown\"}" },
        { FAKE_SEND, "{\"error\": {\"desc\": \"no\"}}\n" },
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"guest-shutdown\"}" },
        { FAKE_CLOSE },
    };
    Session session;
    session_open(&session, steps);
    assert_true(agent_exec_silent(session.agent, "guest-shutdown", NULL, 5000, 50, NULL));
    g_autoptr(Error) err = NULL;
    assert_false(agent_exec_silent(session.agent, "guest-shutdown", NULL, 5000, 5000, &err));
    assert_int_equal(error_code(err), ERROR_REFUSED);
    assert_true(agent_exec_silent(session.agent, "guest-shutdown", NULL, 5000, 5000, NULL));
    session_end(&session);
}

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
    if (agent_exec(asker->session->agent, asker->command, NULL, 3000, &reply, &err))
        asker->answer = json_format(reply);
    else
        asker->answer = g_strdup(error_code_name(error_code(err)));
}

static void one_after_the_other(void *arg)
{
    static const FakeStep steps[] = {
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"a\"}" },
        { FAKE_SLEEP, .number = 30 },
        { FAKE_SEND, "{\"return\": 1}\n" },
        { FAKE_AGENT_SYNC },
        { FAKE_READ_LINE, "{\"execute\":\"b\"}" },
        { FAKE_SEND, "{\"return\": 2}\n" },
        { FAKE_END },
    };
    Session session;
    session_open(&session, steps);
    Asker a = { &session, "a", NULL }, b = { &session, "b", NULL };
    g_autoptr(Fiber) first = fiber_ref(fiber_spawn("a", ask, &a));
    g_autoptr(Fiber) second = fiber_ref(fiber_spawn("b", ask, &b));
    assert_true(fiber_join(first, 5000, NULL));
    assert_true(fiber_join(second, 5000, NULL));
    assert_string_equal(a.answer, "1");
    assert_string_equal(b.answer, "2");
    g_free(a.answer);
    g_free(b.answer);
    session_end(&session);
}

static void closing_wakes_everybody(void *arg)
{
    static const FakeStep steps[] = { { FAKE_END } };
    Session session;
    session_open(&session, steps);
    Asker a = { &session, "a", NULL }, b = { &session, "b", NULL };
    g_autoptr(Fiber) first = fiber_ref(fiber_spawn("a", ask, &a));
    g_autoptr(Fiber) second = fiber_ref(fiber_spawn("b", ask, &b));
    assert_true(fiber_sleep(20, NULL));
    agent_close(g_steal_pointer(&session.agent));
    assert_true(fiber_join(first, 1000, NULL));
    assert_true(fiber_join(second, 1000, NULL));
    assert_string_equal(a.answer, error_code_name(ERROR_VM_GONE));
    assert_string_equal(b.answer, error_code_name(ERROR_VM_GONE));
    g_free(a.answer);
    g_free(b.answer);
    session_end(&session);
}

#define FIBER_TEST(name)                                                                                     \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        test_run_fiber(name, NULL);                                                                          \
    }
FIBER_TEST(answers_and_refuses)
FIBER_TEST(absent_agent)
FIBER_TEST(late_answer_is_skipped)
FIBER_TEST(endless_talk)
FIBER_TEST(endless_lines)
FIBER_TEST(too_many_values)
FIBER_TEST(hangup)
FIBER_TEST(silent_commands)
FIBER_TEST(one_after_the_other)
FIBER_TEST(closing_wakes_everybody)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_refuses),
        cmocka_unit_test(test_absent_agent),
        cmocka_unit_test(test_late_answer_is_skipped),
        cmocka_unit_test(test_endless_talk),
        cmocka_unit_test(test_endless_lines),
        cmocka_unit_test(test_too_many_values),
        cmocka_unit_test(test_hangup),
        cmocka_unit_test(test_silent_commands),
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_closing_wakes_everybody),
    };
    return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
