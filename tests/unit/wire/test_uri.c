/* Connection URIs: which name the server hears, which socket or command the client uses. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/uri.h"

static void uris_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *transport, *name, *host, *user;
        int port;
    } cases[] = {
        { "qemu:///system", "unix", "qemu:///system", NULL, NULL, 0 },
        { "qemu:///session", "unix", "qemu:///session", NULL, NULL, 0 },
        { "qemu+unix:///system?socket=/tmp/a%20b", "unix", "qemu:///system", NULL, NULL, 0 },
        { "qemu+ssh://root@host.example:2222/system", "ssh", "qemu:///system", "host.example", "root", 2222 },
        { "qemu+ssh://[fe80::1]/session?no_tty=1", "ssh", "qemu:///session", "fe80::1", NULL, 0 },
        { "qemu://host/system", "tls", "qemu:///system", "host", NULL, 0 },
        { "qemu+tcp://host/system?x=1&auth=none&y=2", "tcp", "qemu:///system?x=1&y=2", "host", NULL, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(WireUri) uri = { 0 };
        g_autoptr(Error) err = NULL;
        if (!wire_uri_parse(cases[i].text, &uri, &err))
            fail_msg("%s: %s", cases[i].text, error_message(err));
        assert_string_equal(uri.transport, cases[i].transport);
        assert_string_equal(uri.name, cases[i].name);
        assert_int_equal(uri.port, cases[i].port);
        assert_true(g_strcmp0(uri.host, cases[i].host) == 0);
        assert_true(g_strcmp0(uri.user, cases[i].user) == 0);
    }
}

static void unknown_schemes_are_named(void **state)
{
    g_auto(WireUri) uri = { 0 };
    g_autoptr(Error) err = NULL;
    assert_false(wire_uri_parse("foo+ssh://host/system", &uri, &err));
    assert_string_equal(error_message(err), "unknown URI scheme 'foo+ssh' in 'foo+ssh://host/system'");
    assert_non_null(error_hint_text(err));
}

static void bad_uris_are_refused(void **state)
{
    static const char *const cases[] = { "system",
                                         "://",
                                         "foo:///system",
                                         "esx://host/",
                                         "qemu:///system?socket=%zz",
                                         "qemu+ssh://-oProxyCommand=x/system",
                                         "qemu+ssh://-x@host/system" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(WireUri) uri = { 0 };
        g_autoptr(Error) err = NULL;
        assert_false(wire_uri_parse(cases[i], &uri, &err));
        assert_int_equal(error_code(err), ERROR_INVALID_ARGUMENT);
    }
}

static void socket_parameter_wins(void **state)
{
    g_auto(WireUri) uri = { 0 };

    assert_true(wire_uri_parse("qemu+unix:///system?socket=/tmp/a%20b", &uri, NULL));
    g_autofree char *path = wire_uri_socket_path(&uri, false);
    assert_string_equal(path, "/tmp/a b");
}

static void ssh_command_quotes_what_the_user_gave(void **state)
{
    g_auto(WireUri) uri = { 0 };

    assert_true(wire_uri_parse("qemu+ssh://bob@host:22/system?socket=/a%27;reboot;%27&keyfile=/k&no_verify=1",
                               &uri, NULL));
    g_auto(GStrv) argv = wire_uri_ssh_command(&uri, true);
    g_autofree char *line = g_strjoinv(" ", argv);
    assert_true(
        g_str_has_prefix(line,
                         "ssh -p 22 -l bob -i /k -T -e none -o StrictHostKeyChecking=no -- host sh -c "));
    /* The far side's shell takes one level of quotes off, its sh -c the other. */
    g_auto(GStrv) outer = NULL;
    assert_true(g_shell_parse_argv(argv[g_strv_length(argv) - 1], NULL, &outer, NULL));
    assert_int_equal(g_strv_length(outer), 3);
    assert_non_null(strstr(outer[2], "-U '/a'\\'';reboot;'\\'''"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris_are_taken_apart),
        cmocka_unit_test(bad_uris_are_refused),
        cmocka_unit_test(unknown_schemes_are_named),
        cmocka_unit_test(socket_parameter_wins),
        cmocka_unit_test(ssh_command_quotes_what_the_user_gave),
    };

    return cmocka_run_group_tests_name("wire/uri", tests, NULL, NULL);
}
