/* Sockets, peers and passed descriptors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"

static void check_listen_and_connect(const char *path)
{
    g_autoptr(Error) err = NULL;
    check_case(path);
    AUTO_FD listening = -1;
    AUTO_FD client = -1;
    int none = -1;
    check_ok(socket_listen_unix(path, 0660, &listening, &err), err);
    struct stat st;
    check(stat(path, &st) == 0);
    check_eq(st.st_mode & 07777, 0660);
    check_fails(socket_listen_unix(path, 0660, &none, &err), err, ERROR_BUSY);
    check_ok(socket_connect_unix(path, 1000, &client, &err), err);
    check(fcntl(client, F_GETFL) & O_NONBLOCK);
    check(fcntl(client, F_GETFD) & FD_CLOEXEC);
    PeerCredentials peer = { 0 };
    check_ok(socket_peer_credentials(client, &peer, &err), err);
    check_eq(peer.pid, getpid());
    check_eq(peer.uid, geteuid());
    check_eq(peer.start_time, process_lookup_start_time(getpid()));
    fd_cleanup(&listening);
    check_fails(socket_connect_unix(path, 1000, &none, &err), err, ERROR_SYSTEM);
    check_ok(socket_listen_unix(path, 0600, &listening, &err), err); /* the dead one is replaced */
    check_eq(none, -1);
}

TEST_FIBER(unix_sockets_work_under_names_of_any_length)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *near = path_join(dir, "s");
    check_listen_and_connect(near);
    g_autofree char *long_name = g_strnfill(200, 'n');
    g_autofree char *deep = path_join(dir, long_name, long_name);
    check_ok(file_make_dirs(deep, 0755, &err), err);
    g_autofree char *far = path_join(deep, "s");
    check_listen_and_connect(far);
    g_autofree char *far_and_long = path_join(deep, long_name);
    check_listen_and_connect(far_and_long);
    g_autoptr(GPtrArray) names = NULL;
    check_ok(file_list_dir(deep, &names, &err), err);
    check_eq(names->len, 2);
    check_remove_dir(dir);
}

TEST_FIBER(what_is_no_socket_is_not_removed)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *path = path_join(dir, "file");
    check_ok(file_replace(path, "x", 1, 0600, &err), err);
    int none = -1;
    check_fails(socket_listen_unix(path, 0600, &none, &err), err, ERROR_OPERATION_FAILED);
    check(access(path, F_OK) == 0);
    g_autofree char *nowhere = path_join(dir, "none", "s");
    check_fails(socket_listen_unix(nowhere, 0600, &none, &err), err, ERROR_SYSTEM);
    check_fails(socket_connect_unix(nowhere, 1000, &none, &err), err, ERROR_SYSTEM);
    check_remove_dir(dir);
}

TEST_FIBER(a_full_backlog_is_waited_for_until_the_deadline)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *path = path_join(dir, "s");
    AUTO_FD listening = -1;
    check_ok(socket_listen_unix(path, 0600, &listening, &err), err);
    check(listen(listening, 0) == 0);
    AUTO_FD first = -1;
    int none = -1;
    check_ok(socket_connect_unix(path, 1000, &first, &err), err);
    check_fails(socket_connect_unix(path, 30, &none, &err), err, ERROR_TIMEOUT);
    check_remove_dir(dir);
}

TEST_FIBER(tcp_connects_by_name_and_port)
{
    g_autoptr(Error) err = NULL;
    AUTO_FD listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(address);
    check(bind(listening, (struct sockaddr *)&address, len) == 0);
    check(listen(listening, 4) == 0);
    check(getsockname(listening, (struct sockaddr *)&address, &len) == 0);
    g_autofree char *port = g_strdup_printf("%u", ntohs(address.sin_port));
    AUTO_FD client = -1;
    check_ok(socket_connect_tcp("127.0.0.1", port, 5000, &client, &err), err);
    AUTO_FD by_name = -1;
    check_ok(socket_connect_tcp("localhost", port, 5000, &by_name, &err), err);
    fd_cleanup(&listening);
    int none = -1;
    check_fails(socket_connect_tcp("127.0.0.1", port, 5000, &none, &err), err, ERROR_SYSTEM);
    check_fails(socket_connect_tcp("127.0.0.1", "no such service", 5000, &none, &err), err,
                ERROR_NO_HOSTNAME);
}

TEST(descriptors_are_passed_and_nothing_is_leaked)
{
    g_autoptr(Error) err = NULL;
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    int got = -1;
    check(!socket_receive_fd(ends[1], &got, &err));
    check_eq(error_errno(err), EAGAIN);
    g_clear_pointer(&err, error_free);
    AUTO_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check_ok(socket_send_fd(ends[0], null, &err), err);
    check_ok(socket_receive_fd(ends[1], &got, &err), err);
    check(got >= 0 && got != null);
    check(fcntl(got, F_GETFD) & FD_CLOEXEC);
    (void)close(got);
    got = -1;
    check(write(ends[0], "x", 1) == 1);
    check_fails(socket_receive_fd(ends[1], &got, &err), err, ERROR_PROTOCOL);
    (void)close(ends[0]);
    check_fails(socket_receive_fd(ends[1], &got, &err), err, ERROR_SYSTEM);
    check_fails(socket_send_fd(ends[1], null, &err), err, ERROR_SYSTEM);
    check_eq(got, -1);
    (void)close(ends[1]);
}

TEST(nonblocking_is_set_or_refused)
{
    int ends[2];
    check(pipe(ends) == 0);
    check(fd_set_nonblocking(ends[0]));
    check(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    (void)close(ends[0]);
    (void)close(ends[1]);
    check(!fd_set_nonblocking(ends[0]));
}
