/* Alerts: what somebody should attend to begins and ends once, is told by the feed, by mail and to a hook,
 * and is kept over restarts (var/lib/libvirt/lodge-alerts.json; settings: etc/libvirt/lodge-alerts.json).
 * Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/hub.h"

/* Begins to look, every ten seconds. After counters_start(). */
AWAITS void alerts_start(HttpHub *hub);
