/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/bridge_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

#define HELPER_MS 10000

/* What takes rights that neither we nor the helper have. */
static const char *unsupported(const LinkSpec *spec)
{
    return !spec->bridge                     ? "a tap without a bridge"
           : spec->lower                     ? "a macvtap"
           : spec->n_queues > 1              ? "more than one queue"
           : spec->tap_device                ? "a tap device of another kind"
           : spec->mtu                       ? "an MTU of its own"
           : spec->is_isolated               ? "an isolated port"
           : spec->coalesce_frames           ? "coalescing"
           : spec->inbound || spec->outbound ? "a bandwidth"
           : (spec->ips && spec->ips->len) || (spec->routes && spec->routes->len)
               ? "addresses on the host's side"
               : NULL;
}

static bool receive_fd(int from, int *ret_fd, Error **err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec io = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };

    if (recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        return error_set_errno(err, errno, "the helper for bridges handed over no tap");
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int)))
        return error_set(err, ERROR_INTERNAL, "the helper for bridges handed over no tap");
    memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
    return true;
}

static bool helper_failed(const char *helper, const char *bridge, const ProcessOutput *output, Error **err)
{
    const char *said = g_strstrip(output->err);

    error_set(err, ERROR_INTERNAL, "%s gives no tap on bridge '%s': %s", helper, bridge,
              *said ? said : "it says nothing");
    return error_hint(err,
                      "root allows it: a line 'allow %s' in /etc/qemu/bridge.conf, and the helper "
                      "set-user-ID "
                      "(chmod u+s %s)",
                      bridge, helper);
}

bool bridge_helper_attach(const char *helper, const LinkSpec *spec, char **ret_name, int *ret_fd, Error **err)
{
    const char *what = unsupported(spec);
    struct ifreq request = { 0 };
    g_auto(ProcessOutput) output = { 0 };
    int pair[2];

    if (what)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "%s needs a daemon that runs as root: this one has taps from qemu-bridge-helper "
                         "alone",
                         what);
    if (access(helper, X_OK) < 0) {
        error_set_errno(err, errno, "there is no helper for bridges at '%s'", helper);
        return error_hint(err, "it comes with the package qemu-system-common; bridge_helper in qemu.conf "
                               "names it");
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set_errno(err, errno, "cannot make a pair of sockets");
    AUTO_FD ours = pair[0], theirs = pair[1];
    g_autofree char *bridge = g_strdup_printf("--br=%s", spec->bridge);
    g_autofree char *number = g_strdup_printf("--fd=%d", theirs);
    const char *const argv[] = { helper, "--use-vnet", number, bridge, NULL };
    const ProcessSpec child = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .fds = &theirs, .n_fds = 1
    };
    if (!process_run(&child, NULL, 0, 0, HELPER_MS, &output, err))
        return error_prefix(err, "%s", helper);
    if (output.status != 0)
        return helper_failed(helper, spec->bridge, &output, err);
    AUTO_FD fd = -1;
    if (!receive_fd(ours, &fd, err))
        return false;
    if (ioctl(fd, TUNGETIFF, &request) < 0)
        return error_set_errno(err, errno, "cannot ask for the name of a tap");
    g_free(*ret_name);
    *ret_name = g_strndup(request.ifr_name, IFNAMSIZ - 1);
    *ret_fd = fd_steal(&fd);
    return true;
}
