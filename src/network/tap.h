/* Tap devices. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/uuid.h"

typedef struct TapSpec {
    const char *bridge; /* NULL: none */
    const char *device; /* NULL: /dev/net/tun */
    const Mac *mac;
    unsigned mtu; /* 0: as the bridge has it */
    unsigned n_queues;
    unsigned coalesce_frames; /* packets that are handed on together; 0: the kernel's */
    bool is_foreign;          /* it exists, and stays as it is */
} TapSpec;

/* Makes a tap device and plugs it into its bridge. *io_name: a template with %d, or NULL for "vnet%d"; the
 * real name afterwards. */
MUST_CHECK bool tap_open(const TapSpec *spec, char **io_name, int *ret_fds /* n_queues of them */,
                         Error **err);
/* How many packets are handed on together; 0: each. */
MUST_CHECK bool tap_set_coalesce(const char *name, unsigned frames, Error **err);
