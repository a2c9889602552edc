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

TEST(a_descriptor_is_passed_with_a_byte)
{
    g_autoptr(Error) err = NULL;
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    AUTO_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check_ok(socket_send_fd(ends[0], null, &err), err);
    char byte = 1;
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    struct iovec data = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)
    };
    check_eq(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT), 1);
    check_eq(byte, 0);
    int got = -1;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
    check(got >= 0 && got != null);
    (void)close(got);
    (void)close(ends[0]);
    check_fails(socket_send_fd(ends[1], null, &err), err, ERROR_SYSTEM);
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
