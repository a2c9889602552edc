/* What machines and the host used, for good: a sample every ten seconds, whether somebody looks or not, into
 * a file each (var/lib/libvirt/lodge-history, history_ring.h). What was written survives the daemon; files
 * of machines that are no more go after a week. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/hub.h"

/* Begins to collect. After feed_start(). */
void history_start(HttpHub *hub);
