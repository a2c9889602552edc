/* Links of this host that go away, as the kernel tells (rtnetlink(7)). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/error.h"

/* Calls @func, from the loop, for each link that is removed; with NULL if some were missed. The source is
 * owned; unref'ing it ends that. */
MUST_CHECK bool link_watch(void (*func)(const char *name, void *arg), void *arg, sd_event_source **ret_source,
                           Error **err);
