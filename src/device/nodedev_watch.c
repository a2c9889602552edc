/* Who tells that a device came, changed or went: udev after it has done its work, or the kernel where no udev
 * runs. What they say is only where to look. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "nodedev"
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "device/nodedev_private.h"

#define MESSAGE_MAX 16384
#define BUFFER_BYTES (8 << 20) /* a bus with hundreds of disks appears at once */
#define UDEV_MAGIC 0xfeedcafe
enum { GROUP_KERNEL = 1, GROUP_UDEV = 2 };

/* The head of udev's messages; the lengths are in the machine's order. */
typedef struct UdevHead {
    char prefix[8]; /* "libudev" */
    uint32_t magic; /* big-endian */
    uint32_t head_len, at, len;
} UdevHead;

static void note_properties(Host *host, const char *text, const char *end)
{
    const char *action = "", *path = NULL, *old = NULL;

    for (const char *item = text; item < end; item += strlen(item) + 1) {
        if (g_str_has_prefix(item, "ACTION="))
            action = item + strlen("ACTION=");
        else if (g_str_has_prefix(item, "DEVPATH="))
            path = item + strlen("DEVPATH=");
        else if (g_str_has_prefix(item, "DEVPATH_OLD="))
            old = item + strlen("DEVPATH_OLD=");
    }
    const char *paths[] = { path, old };
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        if (!paths[i] || !g_str_has_prefix(paths[i], "/devices/") || strstr(paths[i], "/../"))
            continue;
        g_autofree char *full = g_strconcat("/sys", paths[i], NULL);
        nodedev_note(host, full, strcmp(action, "change") == 0);
    }
}

/* @message ends with a NUL behind its @len bytes. */
static void note_message(Host *host, const char *message, size_t len)
{
    UdevHead head;

    if (len > sizeof(head) && strcmp(message, "libudev") == 0) {
        memcpy(&head, message, sizeof(head));
        if (GUINT32_FROM_BE(head.magic) == UDEV_MAGIC && head.at <= len && head.len <= len - head.at)
            note_properties(host, message + head.at, message + head.at + head.len);
        return;
    }
    note_properties(host, message, message + len); /* "add@/devices/...", then the properties */
}

static int watch_on_message(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    static char message[MESSAGE_MAX + 1];
    Host *host = arg;

    for (;;) {
        struct sockaddr_nl from = { 0 };
        socklen_t from_len = sizeof(from);
        const ssize_t got =
            recvfrom(fd, message, MESSAGE_MAX, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == ENOBUFS) {
            nodedev_note_all(host);
            continue;
        }
        if (got <= 0)
            return 0;
        message[got] = '\0';
        if (from.nl_groups != 0) /* not from one process to us alone */
            note_message(host, message, (size_t)got);
    }
}

bool nodedev_watch(Host *host, Error **err)
{
    g_autofree char *udev = g_strconcat(host->paths->host_root, "/run/udev/control", NULL);
    const struct sockaddr_nl address = { .nl_family = AF_NETLINK,
                                         .nl_groups = access(udev, F_OK) == 0 ? GROUP_UDEV : GROUP_KERNEL };
    const int size = BUFFER_BYTES;
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return error_set_errno(err, errno, "cannot watch the devices of this host");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)); /* a smaller one loses more */
    const int why =
        sd_event_add_io(loop_event(), &host->nodedevs->watch, fd, EPOLLIN, watch_on_message, host);
    if (why < 0)
        return error_set_errno(err, -why, "cannot watch the devices of this host");
    (void)sd_event_source_set_io_fd_own(host->nodedevs->watch, 1);
    (void)fd_steal(&fd);
    return true;
}
