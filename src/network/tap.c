/* Tap devices: made by us with the rights of the daemon, handed to QEMU as descriptors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"

static bool tap_name_fits(const char *name, Error **err)
{
    if (strlen(name) < IFNAMSIZ)
        return true;
    return error_set(err, ERROR_INVALID_ARGUMENT, "interface name '%s' is longer than %d characters", name,
                     IFNAMSIZ - 1);
}

static bool tap_create(const char *device, const char *name_template, bool multi_queue,
                       char ret_name[IFNAMSIZ], int *ret_fd, Error **err)
{
    struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
                                                  (multi_queue ? IFF_MULTI_QUEUE : 0)) };
    const char *path = device ? device : "/dev/net/tun";
    AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return error_set_errno(err, errno, "Unable to open %s, is tun module loaded?", path);
    g_strlcpy(request.ifr_name, name_template, IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        return error_set_errno(err, errno, "Unable to create tap device %s", name_template);
    g_strlcpy(ret_name, request.ifr_name, IFNAMSIZ);
    *ret_fd = fd_steal(&fd);
    return true;
}

/* The bridge takes the lowest address of its ports: fe:... keeps ours out of that choice. */
static bool tap_set_mac(int control, const char *name, const Mac *mac, Error **err)
{
    struct ifreq request = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

    g_strlcpy(request.ifr_name, name, IFNAMSIZ);
    memcpy(request.ifr_hwaddr.sa_data, mac->bytes, 6);
    request.ifr_hwaddr.sa_data[0] = (char)0xfe;
    if (ioctl(control, SIOCSIFHWADDR, &request) < 0)
        return error_set_errno(err, errno, "Cannot set interface MAC on '%s'", name);
    return true;
}

static bool tap_set_mtu(int control, const char *name, unsigned mtu, Error **err)
{
    struct ifreq request = { .ifr_mtu = (int)mtu };

    g_strlcpy(request.ifr_name, name, IFNAMSIZ);
    if (ioctl(control, SIOCSIFMTU, &request) < 0)
        return error_set_errno(err, errno, "Cannot set interface MTU on '%s'", name);
    return true;
}

static bool tap_add_to_bridge(int control, const char *name, const char *bridge, Error **err)
{
    struct ifreq request = { .ifr_ifindex = (int)if_nametoindex(name) };

    if (if_nametoindex(bridge) == 0) {
        error_set_errno(err, ENODEV, "Cannot get interface MTU on '%s'", bridge);
        return error_hint(err, "make the bridge first: ip link add %s type bridge; ip link set %s up", bridge,
                          bridge);
    }
    g_strlcpy(request.ifr_name, bridge, IFNAMSIZ);
    if (ioctl(control, SIOCBRADDIF, &request) < 0)
        return error_set_errno(err, errno, "Unable to add bridge %s port %s", bridge, name);
    return true;
}

static bool tap_get_mtu(int control, const char *name, unsigned *ret_mtu)
{
    struct ifreq request = { 0 };

    g_strlcpy(request.ifr_name, name, IFNAMSIZ);
    if (ioctl(control, SIOCGIFMTU, &request) < 0)
        return false;
    *ret_mtu = (unsigned)request.ifr_mtu;
    return true;
}

static bool tap_bring_up(int control, const char *name, Error **err)
{
    struct ifreq request = { 0 };

    g_strlcpy(request.ifr_name, name, IFNAMSIZ);
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
        return error_set_errno(err, errno, "Cannot get interface flags on '%s'", name);
    request.ifr_flags |= IFF_UP;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        return error_set_errno(err, errno, "Cannot set interface flags on '%s'", name);
    return true;
}

static bool tap_set_coalesce_by(int control, const char *name, unsigned frames, Error **err)
{
    struct ethtool_coalesce coalesce = { .cmd = ETHTOOL_GCOALESCE };
    struct ifreq request = { .ifr_data = (void *)&coalesce };

    g_strlcpy(request.ifr_name, name, IFNAMSIZ);
    if (ioctl(control, SIOCETHTOOL, &request) < 0)
        return error_set_errno(err, errno, "Cannot get coalesce info on '%s'", name);
    coalesce.cmd = ETHTOOL_SCOALESCE;
    coalesce.rx_max_coalesced_frames = frames;
    if (ioctl(control, SIOCETHTOOL, &request) < 0)
        return error_set_errno(err, errno, "Cannot set coalesce info on '%s'", name);
    return true;
}

static bool tap_configure(int control, const char *name, const TapSpec *spec, Error **err)
{
    unsigned mtu = spec->mtu;

    if (spec->is_foreign)
        return true;
    if (!tap_set_mac(control, name, spec->mac, err))
        return false;
    if (spec->bridge && mtu == 0)
        (void)tap_get_mtu(control, spec->bridge, &mtu);
    if ((mtu && !tap_set_mtu(control, name, mtu, err)) ||
        (spec->coalesce_frames && !tap_set_coalesce_by(control, name, spec->coalesce_frames, err)))
        return false;
    return (!spec->bridge || tap_add_to_bridge(control, name, spec->bridge, err)) &&
           tap_bring_up(control, name, err);
}

bool tap_set_coalesce(const char *name, unsigned frames, Error **err)
{
    AUTO_FD control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (control < 0)
        return error_set_errno(err, errno, "cannot open a control socket");
    return tap_set_coalesce_by(control, name, frames, err);
}

bool tap_open(const TapSpec *spec, char **io_name, int *ret_fds, Error **err)
{
    const char *name_template = *io_name ? *io_name : "vnet%d";
    const char *bridge = spec->bridge;
    char name[IFNAMSIZ];
    unsigned count = 0;
    AUTO_FD control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (control < 0)
        return error_set_errno(err, errno, "cannot open a control socket");
    if (!tap_name_fits(name_template, err) || (bridge && !tap_name_fits(bridge, err)))
        return false;
    if (bridge && if_nametoindex(bridge) == 0) {
        error_set_errno(err, ENODEV, "Cannot get interface MTU on '%s'", bridge);
        return error_hint(err,
                          "the bridge does not exist: make it, or use another in <source bridge='...'/>");
    }
    /* The device goes away with the last descriptor, so failing needs no undo but closing. */
    for (; count < spec->n_queues; count++) {
        if (!tap_create(spec->device, count ? name : name_template, spec->n_queues > 1, name, &ret_fds[count],
                        err))
            break;
    }
    if (count < spec->n_queues || !tap_configure(control, name, spec, err)) {
        while (count > 0)
            (void)close(ret_fds[--count]);
        return false;
    }
    g_free(*io_name);
    *io_name = g_strdup(name);
    return true;
}
