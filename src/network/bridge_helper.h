/* Taps of a daemon that may not make any: QEMU's qemu-bridge-helper, which belongs to root and is
 * set-user-ID, makes those on the bridges that /etc/qemu/bridge.conf allows (QEMU's documentation, "Network
 * options", -netdev bridge). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "network/attach.h"

/* As link_attach() for a tap on @spec's bridge, of one queue. What the helper cannot do is refused by name.
 *
 * ERROR_CONFIG_UNSUPPORTED; ERROR_INTERNAL: what the helper says; ERROR_SYSTEM: there is none */
AWAITS MUST_CHECK bool bridge_helper_attach(const char *helper, const LinkSpec *spec, char **ret_name,
                                            int *ret_fd, Error **err);
