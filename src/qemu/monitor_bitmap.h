/* Dirty bitmaps of block nodes: which parts of a disk the guest has written since the bitmap was made.
 *
 * Calls as in monitor.h. Changes are actions of a QMP transaction: all of them happen at one moment, or none
 * does. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/monitor.h"

typedef struct MonitorBitmap {
    char *node, *name;
    uint64_t dirty_bytes; /* that the guest has written */
    uint64_t granularity; /* bytes that one bit stands for */
    bool recording, persistent, busy;
    bool inconsistent; /* QEMU, or its host, ended without storing it: it can only be removed */
} MonitorBitmap;
/* Those that have a name, of all nodes that have one; of MonitorBitmap. */
AWAITS MUST_CHECK bool monitor_query_bitmaps(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_bitmaps,
                                             Error **err);
/* Borrowed; NULL. */
const MonitorBitmap *monitor_find_bitmap(const GPtrArray *bitmaps, const char *node, const char *name);

/* ---- actions; @actions is a JSON array that gets one more ---- */

void monitor_bitmap_add(Json *actions, const char *node, const char *name, bool persistent, bool recording,
                        uint64_t granularity /* 0: QEMU's own */);
void monitor_bitmap_remove(Json *actions, const char *node, const char *name);
/* What is set in @from_name of @from_node is set in @name of @node, too. */
void monitor_bitmap_merge(Json *actions, const char *node, const char *name, const char *from_node,
                          const char *from_name);
/* Does them all; @actions is taken. ERROR_REFUSED: QEMU's words, and nothing has happened. An empty array is
 * success. */
AWAITS MUST_CHECK bool monitor_transaction(Qmp *qmp, Json *actions, uint64_t timeout_ms, Error **err);
