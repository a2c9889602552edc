/* Authentication through polkit, against a small bus of our own that answers as told. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/socket.h"
#include "peer.h"
#include "rpc/auth.h"

typedef enum Answer {
    ANSWER_YES,
    ANSWER_NO,
    ANSWER_CHALLENGE,
    ANSWER_DISMISSED,
    ANSWER_ERROR,
    ANSWER_NEVER
} Answer;

static char dir[] = "/tmp/test_auth.XXXXXX";
static char *path;
static int listener;
static sd_event_source *listener_io;
static sd_bus *bus; /* the polkit side of the one connection */
static Answer answer;
static char asked_action[64];
static uint32_t asked_pid;

/* ---- the bus ---- */

static int fake_answer(sd_bus_message *call)
{
    bool yes = answer == ANSWER_YES, challenge = answer == ANSWER_CHALLENGE;
    sd_bus_message *reply = NULL;

    sd_bus_message_new_method_return(call, &reply);
    sd_bus_message_open_container(reply, 'r', "bba{ss}");
    sd_bus_message_append(reply, "bb", yes, challenge);
    if (answer == ANSWER_DISMISSED)
        sd_bus_message_append(reply, "a{ss}", 1, "polkit.dismissed", "true");
    else
        sd_bus_message_append(reply, "a{ss}", 0);
    sd_bus_message_close_container(reply);
    int r = sd_bus_send(sd_bus_message_get_bus(call), reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static int fake_on_message(sd_bus_message *message, void *arg, sd_bus_error *unused)
{
    const char *kind, *key, *action;
    uint64_t start_time;

    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus", "Hello"))
        return sd_bus_reply_method_return(message, "s", ":1.1");
    if (!sd_bus_message_is_method_call(message, "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization"))
        return 0;
    int r = sd_bus_message_enter_container(message, 'r', "sa{sv}");
    r = r < 0 ? r : sd_bus_message_read(message, "s", &kind);
    r = r < 0 ? r : sd_bus_message_enter_container(message, 'a', "{sv}");
    r = r < 0 ? r : sd_bus_message_read(message, "{sv}", &key, "u", &asked_pid);
    r = r < 0 ? r : sd_bus_message_read(message, "{sv}", &key, "t", &start_time);
    r = r < 0 ? r : sd_bus_message_skip(message, "{sv}");
    r = r < 0 ? r : sd_bus_message_exit_container(message);
    r = r < 0 ? r : sd_bus_message_exit_container(message);
    r = r < 0 ? r : sd_bus_message_read(message, "s", &action);
    if (r < 0 || strcmp(kind, "unix-process") != 0)
        return sd_bus_reply_method_errorf(message, "org.example.Wrong", "a wrong question");
    g_strlcpy(asked_action, action, sizeof asked_action);
    if (answer == ANSWER_ERROR)
        return sd_bus_reply_method_errorf(message, "org.example.Failed", "no policy today");
    return answer == ANSWER_NEVER ? 1 : fake_answer(message);
}

static int fake_on_connect(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    sd_id128_t id;

    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return 0;
    bus = sd_bus_flush_close_unref(bus);
    sd_id128_randomize(&id);
    if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, client, client) < 0 || sd_bus_set_server(bus, 1, id) < 0 ||
        sd_bus_add_filter(bus, NULL, fake_on_message, NULL) < 0 || sd_bus_start(bus) < 0 ||
        sd_bus_attach_event(bus, loop_event(), 0) < 0)
        abort();
    return 0;
}

/* ---- questions ---- */

static bool ask(bool read_only, Error **err)
{
    PeerCredentials peer = { .pid = 4711, .uid = 1000, .start_time = 12345 };

    return rpc_auth_polkit(&peer, read_only, err);
}

static void polkit_decides(void *arg)
{
    static const struct {
        Answer answer;
        ErrorCode code;
    } cases[] = {
        { ANSWER_YES, ERROR_NONE },
        { ANSWER_NO, ERROR_AUTH_FAILED },
        { ANSWER_CHALLENGE, ERROR_AUTH_UNAVAILABLE },
        { ANSWER_DISMISSED, ERROR_AUTH_CANCELLED },
        { ANSWER_ERROR, ERROR_AUTH_UNAVAILABLE },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        answer = cases[i].answer;
        CHECK(ask(i % 2, &err) == (cases[i].code == ERROR_NONE));
        CHECK(error_code(err) == cases[i].code);
        CHECK(asked_pid == 4711);
        CHECK(strcmp(asked_action, i % 2 ? "org.libvirt.unix.monitor" : "org.libvirt.unix.manage") == 0);
    }
}

static void question_of_a_client(void *arg)
{
    Error **err = arg;

    (void)!ask(false, err);
}

static void leaving_takes_the_question_back(void *arg)
{
    g_autoptr(Error) err = NULL, late = NULL;

    answer = ANSWER_NEVER;
    g_autoptr(Fiber) asker = fiber_ref(fiber_spawn("asker", question_of_a_client, &err));
    CHECK(fiber_sleep(50, NULL));
    CHECK(err == NULL);
    fiber_cancel(asker);
    CHECK(fiber_join(asker, 1000, NULL));
    CHECK(error_code(err) == ERROR_CANCELLED);
    answer = ANSWER_YES; /* the bus goes on */
    CHECK(ask(false, &late));
}

static void a_lost_bus_is_found_again(void *arg)
{
    g_autoptr(Error) err = NULL;

    answer = ANSWER_YES;
    CHECK(ask(false, NULL));
    bus = sd_bus_close_unref(bus);
    CHECK(fiber_sleep(50, NULL));
    CHECK(ask(false, &err));
}

static void without_a_bus_the_error_says_so(void *arg)
{
    g_autoptr(Error) err = NULL;

    rpc_auth_shutdown();
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/socket", TRUE);
    CHECK(!ask(false, &err));
    CHECK(error_code(err) == ERROR_AUTH_UNAVAILABLE);
}

#define AUTH_TEST(name)                                                                                      \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        assert_true(peer_run(name, NULL));                                                                   \
    }
AUTH_TEST(polkit_decides)
AUTH_TEST(leaving_takes_the_question_back)
AUTH_TEST(a_lost_bus_is_found_again)
AUTH_TEST(without_a_bus_the_error_says_so)

static int start_bus(void **state)
{
    if (!loop_init(NULL) || !mkdtemp(dir))
        return -1;
    path = g_build_filename(dir, "bus", NULL);
    g_autofree char *address = g_strdup_printf("unix:path=%s", path);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", address, TRUE);
    if (!socket_listen_unix(path, 0600, &listener, NULL))
        return -1;
    return sd_event_add_io(loop_event(), &listener_io, listener, 1 /* EPOLLIN */, fake_on_connect, NULL) < 0
               ? -1
               : 0;
}

static int stop_bus(void **state)
{
    rpc_auth_shutdown();
    bus = sd_bus_close_unref(bus);
    sd_event_source_disable_unref(listener_io);
    close(listener);
    unlink(path);
    rmdir(dir);
    g_free(path);
    loop_shutdown(1000);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_polkit_decides),
        cmocka_unit_test(test_leaving_takes_the_question_back),
        cmocka_unit_test(test_a_lost_bus_is_found_again),
        cmocka_unit_test(test_without_a_bus_the_error_says_so),
    };

    return cmocka_run_group_tests_name("rpc/auth", tests, start_bus, stop_bus);
}
