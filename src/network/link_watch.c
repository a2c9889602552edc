/* Links that go away: a socket that is told of all changes of links. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/link_watch.h"

#include <errno.h>
#include <glib.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/macros.h"

typedef struct LinkWatch {
    void (*func)(const char *name, void *arg);
    void *arg;
} LinkWatch;

static void tell_removed(const LinkWatch *watch, const struct nlmsghdr *header)
{
    const struct ifinfomsg *link = NLMSG_DATA(header);
    char name[IF_NAMESIZE];

    /* A port that leaves its bridge is told as one that is removed from the family of bridges. */
    if (header->nlmsg_type != RTM_DELLINK || header->nlmsg_len < NLMSG_LENGTH(sizeof(*link)) ||
        link->ifi_family != AF_UNSPEC)
        return;
    size_t len = IFLA_PAYLOAD(header);
    for (const struct rtattr *attr = IFLA_RTA(link); RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
        if (attr->rta_type != IFLA_IFNAME)
            continue;
        g_strlcpy(name, RTA_DATA(attr), MIN(sizeof(name), RTA_PAYLOAD(attr) + 1));
        watch->func(name, watch->arg);
        return;
    }
}

static int on_links(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    _Alignas(struct nlmsghdr) char buffer[32768];

    for (;;) {
        const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == ENOBUFS) { /* more came than we could read */
            ((const LinkWatch *)arg)->func(NULL, ((const LinkWatch *)arg)->arg);
            continue;
        }
        if (got <= 0)
            return 0;
        size_t len = (size_t)got;
        for (const struct nlmsghdr *header = (const void *)buffer; NLMSG_OK(header, len);
             header = NLMSG_NEXT(header, len))
            tell_removed(arg, header);
    }
}

bool link_watch(void (*func)(const char *name, void *arg), void *arg, sd_event_source **ret_source,
                Error **err)
{
    const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return error_set_errno(err, errno, "cannot watch the links of this host");
    LinkWatch *watch = g_new(LinkWatch, 1);
    *watch = (LinkWatch){ .func = func, .arg = arg };
    const int why = sd_event_add_io(loop_event(), ret_source, fd, EPOLLIN, on_links, watch);
    if (why < 0) {
        g_free(watch);
        return error_set_errno(err, -why, "cannot watch the links of this host");
    }
    (void)sd_event_source_set_io_fd_own(*ret_source, 1);
    (void)fd_steal(&fd);
    (void)sd_event_source_set_destroy_callback(*ret_source, g_free);
    return true;
}
