/* Unix and TCP sockets.
 *
 * sun_path holds 107 bytes and state directories may lie deeper, so such sockets are reached through
 * descriptors: /proc/self/fd/N is short whatever it stands for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/trail.h"
#include "base/worker.h"

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

/* Finishes a connect() that is under way. Returns 0 or the errno of its failure; -1: *err is set. */
AWAITS static int socket_await_connect(int fd, uint64_t timeout_ms, Error **err)
{
    if (!fiber_wait_fd(fd, EPOLLOUT, timeout_ms, NULL, err))
        return -1;
    int failure = 0;
    socklen_t len = sizeof(failure);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
        return errno;
    return failure;
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

/* ---- TCP ---- */

typedef struct SocketLookup {
    char *host;
    char *port;
    struct addrinfo *addresses;
    int result;
    int errnum;
} SocketLookup;

static void socket_lookup_free(void *arg)
{
    SocketLookup *lookup = arg;
    g_free(lookup->host);
    g_free(lookup->port);
    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    g_free(lookup);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SocketLookup, socket_lookup_free)

static void socket_lookup_work(void *arg)
{
    SocketLookup *lookup = arg;
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    if (lookup->result == EAI_ADDRFAMILY || lookup->result == EAI_NONAME) {
        /* A host with nothing but loopback has no "configured" family, yet can reach itself. */
        hints.ai_flags = 0;
        lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    }
    lookup->errnum = errno;
}

AWAITS static bool socket_resolve(const char *host, const char *port, uint64_t timeout_ms,
                                  SocketLookup **ret_lookup, Error **err)
{
    SocketLookup *work = g_new0(SocketLookup, 1);
    work->host = g_strdup(host);
    work->port = g_strdup(port);
    if (!worker_run(worker_lane_named("name resolution"), socket_lookup_work, work, socket_lookup_free,
                    timeout_ms, err))
        return error_prefix(err, "looking up host '%s'", host);
    g_autoptr(SocketLookup) lookup = work;
    if (lookup->result == EAI_SYSTEM)
        return error_set_errno(err, lookup->errnum, "looking up host '%s'", host);
    if (lookup->result != 0)
        return error_set(err, ERROR_NO_HOSTNAME, "unknown host '%s' or service '%s': %s", host, port,
                         gai_strerror(lookup->result));
    *ret_lookup = g_steal_pointer(&lookup);
    return true;
}

static bool socket_text_of(const struct addrinfo *address, char *ret_text, size_t size)
{
    return getnameinfo(address->ai_addr, address->ai_addrlen, ret_text, (socklen_t)size, NULL, 0,
                       NI_NUMERICHOST) == 0;
}

AWAITS static bool socket_connect_one(const struct addrinfo *address, const char *host, const char *port,
                                      uint64_t timeout_ms, int *ret_fd, Error **err)
{
    char text[NI_MAXHOST];
    if (!socket_text_of(address, text, sizeof(text)))
        g_strlcpy(text, "?", sizeof(text));
    AUTO_FD fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a socket");
    int failure = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (failure == EINPROGRESS)
        failure = socket_await_connect(fd, timeout_ms, err);
    if (failure < 0)
        return error_prefix(err, "connecting to %s (%s) port %s", host, text, port);
    if (failure > 0)
        return error_set_errno(err, failure, "cannot connect to %s (%s) port %s", host, text, port);
    int on = 1;
    /* Best effort: without them it is only slower, and notices a dead peer later. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    *ret_fd = fd_steal(&fd);
    return true;
}

bool socket_connect_tcp(const char *host, const char *port, uint64_t timeout_ms, int *ret_fd, Error **err)
{
    uint64_t deadline = socket_deadline(timeout_ms);
    g_autoptr(SocketLookup) lookup = NULL;
    if (!socket_resolve(host, port, timeout_ms, &lookup, err))
        return false;
    unsigned left = 0;
    for (const struct addrinfo *at = lookup->addresses; at; at = at->ai_next)
        left++;
    Error *problem = NULL;
    for (const struct addrinfo *at = lookup->addresses; at; at = at->ai_next, left--) {
        /* A share of the time for each, so that one address that swallows packets does not use it all. */
        uint64_t time_left = socket_time_left(deadline);
        uint64_t share = time_left == FIBER_NO_DEADLINE ? time_left : time_left / left;
        error_free(g_steal_pointer(&problem));
        if (socket_connect_one(at, host, port, share, ret_fd, &problem))
            return true;
        if (error_code(problem) == ERROR_CANCELLED)
            break;
    }
    if (!problem)
        return error_set(err, ERROR_NO_HOSTNAME, "host '%s' has no address", host);
    return error_propagate(err, problem);
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
    char space[CMSG_SPACE(sizeof(int) * 4)]; /* more than we want, so that a peer's extra ones get closed */
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

/* The first descriptor of @message; others that came along are closed. -1 if there is none. */
static int socket_take_fd(struct msghdr *message)
{
    int taken = -1;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(int));
            if (taken < 0)
                taken = fd;
            else
                (void)close(fd);
        }
    }
    return taken;
}

bool socket_receive_fd(int fd, int *ret_fd, Error **err)
{
    char byte;
    SocketControl control;
    struct iovec data = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = { .msg_iov = &data,
                              .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = sizeof(control.space) };
    ssize_t n;
    do
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_set_errno(err, errno, "cannot receive a descriptor");
    if (n == 0)
        return error_set_errno(err, ECONNRESET, "cannot receive a descriptor");
    int taken = socket_take_fd(&message);
    if (taken < 0)
        return error_set(err, ERROR_PROTOCOL, "the peer sent no descriptor");
    *ret_fd = taken;
    return true;
}
