/* Ports of displays: a bitmap of what our machines hold, and a real bind test against everybody else. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/ports.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/macros.h"

struct PortPool {
    uint8_t used[65536 / 8];
};

PortPool *port_pool_new(void)
{
    return g_new0(PortPool, 1);
}

void port_pool_free(PortPool *pool)
{
    g_free(pool);
}

static bool port_is_used(const PortPool *pool, unsigned port)
{
    return pool->used[port / 8] & (1u << (port % 8));
}

void port_pool_mark(PortPool *pool, unsigned port)
{
    if (port < 65536)
        pool->used[port / 8] |= (uint8_t)(1u << (port % 8));
}

void port_pool_release(PortPool *pool, unsigned port)
{
    if (port < 65536)
        pool->used[port / 8] &= (uint8_t) ~(1u << (port % 8));
}

/* Tries the very addresses QEMU will bind. Only numeric ones: a name would need a resolver, which may block;
 * for a name all addresses must be free. */
static bool port_can_bind(const char *address, unsigned port)
{
    char service[8];
    struct addrinfo *list = NULL;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };

    g_snprintf(service, sizeof(service), "%u", port);
    if (address && !*address)
        address = NULL;
    if (getaddrinfo(address, service, &hints, &list) != 0 &&
        (!address || getaddrinfo(NULL, service, &hints, &list) != 0))
        return true;
    bool ok = true;
    for (const struct addrinfo *ai = list; ai && ok; ai = ai->ai_next) {
        AUTO_FD fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (ai->ai_family == AF_INET6)
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        /* With SO_REUSEADDR a bind beside a listener succeeds on some addresses; listen() tells. */
        if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0)
            ok = errno != EADDRINUSE;
        else if (listen(fd, 1) < 0)
            ok = errno != EADDRINUSE;
    }
    freeaddrinfo(list);
    return ok;
}

bool port_pool_take_any(PortPool *pool, const char *range_name, unsigned first, unsigned last,
                        const char *address, unsigned *ret_port, Error **err)
{
    for (unsigned port = first; port <= last && port < 65536; port++) {
        if (port_is_used(pool, port) || !port_can_bind(address, port))
            continue;
        port_pool_mark(pool, port);
        *ret_port = port;
        return true;
    }
    return error_set(err, ERROR_INTERNAL, "Unable to find an unused port in range '%s' (%u-%u)", range_name,
                     first, last);
}
