/* Names are looked up in a lane of their own: a name server that is silent costs its four threads. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/socket_tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/worker.h"

#define LISTEN_QUEUE 128

typedef struct LookUp {
    char *host, *port;
    bool passive;
    struct addrinfo *list; /* owned */
} LookUp;

static void look_up_free(void *data)
{
    LookUp *look = data;

    if (look->list)
        freeaddrinfo(look->list);
    g_free(look->host);
    g_free(look->port);
    g_free(look);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LookUp, look_up_free)

static bool look_up_run(void *data, Error **err)
{
    LookUp *look = data;
    const struct addrinfo hints = { .ai_flags = look->passive ? AI_PASSIVE : 0,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_family = AF_UNSPEC };

    int r = getaddrinfo(look->host, look->port, &hints, &look->list);
    if (r == 0)
        return true;
    error_set(err, ERROR_NO_HOSTNAME, "'%s' cannot be looked up: %s", look->host ? look->host : "any address",
              gai_strerror(r));
    return error_hint(err, "check the name, and the name servers of this host");
}

AWAITS static LookUp *look_up(const char *host, const char *port, bool passive, uint64_t timeout_ms,
                              Error **err)
{
    LookUp *look = g_new0(LookUp, 1);

    look->host = g_strdup(host);
    look->port = g_strdup(port);
    look->passive = passive;
    return worker_call(worker_lane_named("name resolution"), look_up_run, look, look_up_free, timeout_ms, err)
               ? look
               : NULL;
}

static int tcp_open(const struct addrinfo *address)
{
    int fd =
        socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
    const int on = 1;

    if (fd >= 0 && address->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on); /* IPv4 has a socket of its own */
    return fd;
}

static int tcp_listen_at(const struct addrinfo *address)
{
    AUTO_FD fd = tcp_open(address);
    const int on = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
                     sizeof on); /* without it a restart may have to wait */
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, LISTEN_QUEUE) < 0)
        return -1;
    return fd_steal(&fd);
}

static void tcp_close_all(GArray *fds)
{
    for (guint i = 0; i < fds->len; i++)
        close(g_array_index(fds, int, i));
    g_array_unref(fds);
}

bool socket_listen_tcp(const char *host, const char *port, uint64_t timeout_ms, GArray **ret_fds, Error **err)
{
    g_autoptr(LookUp) look = look_up(host, port, true, timeout_ms, err);

    if (!look)
        return false;
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    for (const struct addrinfo *at = look->list; at; at = at->ai_next) {
        int fd = tcp_listen_at(at);
        const int code = errno;
        if (fd < 0 && code == EAFNOSUPPORT && at->ai_next)
            continue; /* a kernel without IPv6 */
        if (fd < 0 && !(code == EAFNOSUPPORT && fds->len)) {
            tcp_close_all(fds);
            return error_set_errno(err, code, "cannot listen on %s port %s", host ? host : "all addresses,",
                                   port);
        }
        if (fd >= 0)
            g_array_append_val(fds, fd);
    }
    *ret_fds = fds;
    return true;
}

AWAITS static bool tcp_connect_at(const struct addrinfo *address, uint64_t timeout_ms, int *ret_fd,
                                  Error **err)
{
    AUTO_FD fd = tcp_open(address);
    int code = 0;
    socklen_t len = sizeof code;
    uint32_t events;
    const int on = 1;

    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a socket");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* calls are small, and waited for */
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
        if (errno != EINPROGRESS)
            return error_set_errno(err, errno, "cannot connect");
        if (!fiber_wait_fd(fd, EPOLLOUT, timeout_ms, &events, err))
            return false;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0 || code)
            return error_set_errno(err, code ? code : errno, "cannot connect");
    }
    *ret_fd = fd_steal(&fd);
    return true;
}

bool socket_connect_tcp(const char *host, const char *port, uint64_t timeout_ms, int *ret_fd, Error **err)
{
    g_autoptr(LookUp) look = look_up(host, port, false, timeout_ms, err);
    g_autoptr(Error) why = NULL;

    if (!look)
        return false;
    for (const struct addrinfo *at = look->list; at; at = at->ai_next) {
        g_clear_pointer(&why, error_free);
        if (tcp_connect_at(at, timeout_ms, ret_fd, &why))
            return true;
        if (error_code(why) == ERROR_CANCELLED)
            break;
    }
    error_propagate(err, g_steal_pointer(&why));
    return error_prefix(err, "'%s', port %s", host, port);
}

static char *tcp_describe(const struct sockaddr_storage *address, socklen_t len)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if ((address->ss_family != AF_INET && address->ss_family != AF_INET6) ||
        getnameinfo((const struct sockaddr *)address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return NULL;
    return g_strdup_printf("%s;%s", host, port);
}

char *socket_peer_address(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    return getpeername(fd, (struct sockaddr *)&address, &len) < 0 ? NULL : tcp_describe(&address, len);
}

char *socket_own_address(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    return getsockname(fd, (struct sockaddr *)&address, &len) < 0 ? NULL : tcp_describe(&address, len);
}
