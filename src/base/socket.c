/* Unix and TCP sockets.
 *
 * sun_path holds 107 bytes and state directories may lie deeper, so such sockets are reached through
 * descriptors: /proc/self/fd/N is short whatever it stands for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/trail.h"

#define SOCKET_FOUND_PATIENCE_S 3
#define SOCKET_BACKLOG 512
#define SOCKET_RETRY_MS 10

bool fd_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static int socket_new_unix(Error **err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        error_set_errno(err, errno, "cannot make a socket");
    return fd;
}

/* false if @path does not fit. */
static bool socket_fill_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    return g_strlcpy(address->sun_path, path, sizeof(address->sun_path)) < sizeof(address->sun_path);
}

/* The address of the file that @path_fd (O_PATH) refers to. */
static void socket_address_of_fd(struct sockaddr_un *ret_address, int path_fd)
{
    g_autofree char *via = g_strdup_printf("/proc/self/fd/%d", path_fd);
    bool fits = socket_fill_address(ret_address, via);
    g_assert(fits);
}

/* The address of the file @path. If it is too long: of a descriptor of the file, which must exist then.
 * *ret_path_fd must stay open until the address has been used. */
static bool socket_address_of(const char *path, struct sockaddr_un *ret_address, int *ret_path_fd,
                              Error **err)
{
    *ret_path_fd = -1;
    if (socket_fill_address(ret_address, path))
        return true;
    AUTO_FD fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot connect to '%s'", path);
    socket_address_of_fd(ret_address, fd);
    *ret_path_fd = fd_steal(&fd);
    return true;
}

typedef enum SocketPresence { SOCKET_ABSENT, SOCKET_DEAD, SOCKET_ALIVE, SOCKET_OTHER } SocketPresence;

/* What is called @name in a folder. A full backlog is an answer, too. */
static SocketPresence socket_probe(int dir_fd, const char *name)
{
    struct stat st;
    AUTO_FD path_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (path_fd < 0 || fstat(path_fd, &st) < 0)
        return errno == ENOENT ? SOCKET_ABSENT : SOCKET_OTHER;
    struct sockaddr_un address;
    AUTO_FD fd = socket_new_unix(NULL);
    if (!S_ISSOCK(st.st_mode) || fd < 0)
        return SOCKET_OTHER;
    socket_address_of_fd(&address, path_fd);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
        return SOCKET_ALIVE;
    return errno == ECONNREFUSED ? SOCKET_DEAD : SOCKET_OTHER;
}

/* bind() to a name of any length: under a short name in its folder, then renamed. */
static bool socket_bind_long(int fd, int dir_fd, const char *name)
{
    g_autofree char *temp = g_strdup_printf(".lodge-%ld-%d.sock", (long)getpid(), fd);
    g_autofree char *via = g_strdup_printf("/proc/self/fd/%d/%s", dir_fd, temp);
    struct sockaddr_un address;
    bool fits = socket_fill_address(&address, via);
    g_assert(fits);
    (void)unlinkat(dir_fd, temp, 0); /* of a killed daemon that had our pid */
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return false;
    if (renameat(dir_fd, temp, dir_fd, name) == 0)
        return true;
    int saved = errno;
    (void)unlinkat(dir_fd, temp, 0);
    errno = saved;
    return false;
}

/* By the path that people know if nobody but root can change its folder, else by the folder's descriptor. */
static bool socket_bind(int fd, int dir_fd, const char *name, const char *path)
{
    struct sockaddr_un address;
    struct stat dir;
    if (fstat(dir_fd, &dir) < 0)
        return false;
    const bool is_ours = (dir.st_uid == 0 || dir.st_uid == geteuid()) && (dir.st_mode & 022) == 0;
    g_autofree char *via = g_strdup_printf("/proc/self/fd/%d/%s", dir_fd, name);
    if (!(is_ours && socket_fill_address(&address, path)) && !socket_fill_address(&address, via))
        return socket_bind_long(fd, dir_fd, name);
    return bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* The file may have been swapped since it was bound: only a socket is changed. */
static bool socket_set_owner(int dir_fd, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
    struct stat st;
    AUTO_FD path_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    g_autofree char *via = g_strdup_printf("/proc/self/fd/%d", path_fd);
    if (path_fd < 0 || fstat(path_fd, &st) < 0)
        return false;
    if (!S_ISSOCK(st.st_mode)) {
        errno = ENOTSOCK;
        return false;
    }
    return chmod(via, mode) == 0 && (uid == (uid_t)-1 || fchownat(path_fd, "", uid, gid, AT_EMPTY_PATH) == 0);
}

bool socket_listen_unix_at(int dir_fd, const char *name, const char *path, mode_t mode, uid_t uid, gid_t gid,
                           int *ret_fd, Error **err)
{
    switch (socket_probe(dir_fd, name)) {
    case SOCKET_ABSENT:
        break;
    case SOCKET_DEAD:
        if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
            return error_set_errno(err, errno, "cannot remove the old socket '%s'", path);
        break;
    case SOCKET_ALIVE:
        return error_set(err, ERROR_BUSY, "another process listens on '%s'", path);
    case SOCKET_OTHER:
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' is in the way and is not an old socket", path);
    }
    AUTO_FD fd = socket_new_unix(err);
    if (fd < 0)
        return false;
    /* Before bind(): the file then appears with at most this mode. The umask may take bits away, which the
     * chmod() gives back. */
    (void)fchmod(fd, mode);
    if (!socket_bind(fd, dir_fd, name, path))
        return error_set_errno(err, errno, "cannot listen on '%s'", path);
    if (!socket_set_owner(dir_fd, name, mode, uid, gid) || listen(fd, SOCKET_BACKLOG) < 0) {
        error_set_errno(err, errno, "cannot listen on '%s'", path);
        (void)unlinkat(dir_fd, name, 0);
        return false;
    }
    *ret_fd = fd_steal(&fd);
    return true;
}

bool socket_listen_unix(const char *path, mode_t mode, int *ret_fd, Error **err)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    AUTO_FD dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return error_set_errno(err, errno, "cannot listen on '%s'", path);
    return socket_listen_unix_at(dir_fd, name, path, mode, (uid_t)-1, (gid_t)-1, ret_fd, err);
}

int socket_connect_found(int path_fd, const char *path, Error **err)
{
    const struct timeval patience = { .tv_sec = SOCKET_FOUND_PATIENCE_S };
    const struct timeval forever = { 0 };
    struct sockaddr_un address;
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_set_errno(err, errno, "cannot make a socket");
        return -1;
    }
    socket_address_of_fd(&address, path_fd);
    /* Waits while the backlog is full. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        error_set_errno(err, errno, "Failed to connect to '%s'", path);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever));
    return fd_steal(&fd);
}

/* Time left until @deadline_ms, of loop_now_ms(). */
static uint64_t socket_time_left(uint64_t deadline_ms)
{
    uint64_t now = loop_now_ms();
    if (deadline_ms == UINT64_MAX)
        return FIBER_NO_DEADLINE; /* the caller's choice */
    return now >= deadline_ms ? 0 : deadline_ms - now;
}

static uint64_t socket_deadline(uint64_t timeout_ms)
{
    uint64_t now = loop_now_ms();
    return timeout_ms > UINT64_MAX - now ? UINT64_MAX : now + timeout_ms;
}

bool socket_connect_unix(const char *path, uint64_t timeout_ms, int *ret_fd, Error **err)
{
    uint64_t deadline = socket_deadline(timeout_ms);
    struct sockaddr_un address;
    AUTO_FD path_fd = -1;
    if (!socket_address_of(path, &address, &path_fd, err))
        return false;
    AUTO_FD fd = socket_new_unix(err);
    if (fd < 0)
        return false;
    for (;;) {
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
            break;
        if (errno == EINTR)
            continue;
        /* Of a Unix socket EAGAIN means a full backlog; nothing tells when it has room again. */
        if (errno != EAGAIN)
            return error_set_errno(err, errno, "cannot connect to '%s'", path);
        if (socket_time_left(deadline) == 0)
            return error_set(err, ERROR_TIMEOUT, "'%s' does not accept connections", path);
        if (!fiber_sleep(SOCKET_RETRY_MS, err))
            return error_prefix(err, "connecting to '%s'", path);
    }
    *ret_fd = fd_steal(&fd);
    return true;
}

bool socket_connect_unix_trusted(const char *path, uint64_t timeout_ms, int *ret_fd, Error **err)
{
    g_auto(Trail) trail = TRAIL_INIT;
    if (!trail_follow(path, &trail))
        return error_set_errno(err, errno, "cannot connect to '%s'", path);
    if (!trail_check(&trail, path, err))
        return false;
    g_autofree char *via = g_strdup_printf("/proc/self/fd/%d", trail.fd);
    return socket_connect_unix(via, timeout_ms, ret_fd, err) || error_prefix(err, "socket '%s'", path);
}

/* ---- peers and descriptors ---- */

bool socket_peer_credentials(int fd, PeerCredentials *ret_peer, Error **err)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return error_set_errno(err, errno, "cannot find out who connected");
    *ret_peer = (PeerCredentials){ .pid = peer.pid,
                                   .uid = peer.uid,
                                   .gid = peer.gid,
                                   .start_time = peer.pid > 0 ? process_lookup_start_time(peer.pid) : 0 };
    return true;
}

typedef union SocketControl {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
} SocketControl;

bool socket_send_fd(int fd, int passed_fd, Error **err)
{
    char zero = 0;
    SocketControl control = { .space = { 0 } };
    struct iovec data = { .iov_base = &zero, .iov_len = 1 };
    struct msghdr message = { .msg_iov = &data,
                              .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = CMSG_SPACE(sizeof(int)) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed_fd, sizeof(int));
    ssize_t n;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == 1 || error_set_errno(err, errno, "cannot pass a descriptor");
}
