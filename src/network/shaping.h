/* Rates of links: the kernel's traffic control (tc(8), tc-htb(8)), by rtnetlink.
 *
 * What leaves a link waits in a queue of its own (htb). What enters it is led through a helper, an ifb(4)
 * device that is called after the link and shapes it likewise; a link that is gone leaves its helper behind,
 * so who limited one forgets it in the end.
 *
 * On the bridge of a network, what goes to its guests shares one rate. A guest with a guaranteed rate (floor)
 * has a class of its own for what goes to its address; the others share the rest; all may use what nobody
 * else needs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/network.h"

/* NULL, or an average of 0: no limit. What was there before is replaced. */
typedef struct ShapingSpec {
    const char *link;
    const BandwidthLimit *leaving, *entering;
    const GArray *floors; /* of ShapingFloor; with @leaving only, whose peak they may use. NULL: none */
} ShapingSpec;
typedef struct ShapingFloor {
    Mac mac;
    uint32_t class_id; /* from SHAPING_CLASS_FIRST on, each once */
    uint64_t floor_kBps;
} ShapingFloor;
#define SHAPING_CLASS_FIRST 3

/* ---- in a worker ---- */

/* ERROR_SYSTEM: what the kernel says; the link has no limits then */
MUST_CHECK bool shaping_set(const ShapingSpec *spec, Error **err);
void shaping_drop_helper(const char *link);

/* ---- from fibers ---- */

AWAITS MUST_CHECK bool shaping_change(const ShapingSpec *spec, Error **err);
/* Removes what a link that is going leaves behind. */
AWAITS void shaping_forget(const char *link);
/* Removes what links with names that daemons choose left behind when nobody was there to see them go. */
AWAITS void shaping_sweep(void);
