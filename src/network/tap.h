/* Tap devices. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/uuid.h"

/* Makes a tap device and plugs it into @bridge (NULL: none). *io_name: a template with %d, or NULL for
 * "vnet%d"; the real name afterwards. */
MUST_CHECK bool tap_open(const char *bridge, const Mac *mac, unsigned mtu, unsigned n_queues, char **io_name,
                         int *ret_fds /* n_queues of them */, Error **err);
