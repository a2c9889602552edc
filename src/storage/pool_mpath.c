/* The pool of all multipath devices of this host. There is one; nobody makes or ends it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "storage/pool_kinds.h"
#include "storage/tool.h"
#include "storage/volume_block.h"

#define DMSETUP_MS 30000

static bool mpath_is_active(Pool *pool, bool *ret_active, Error **err)
{
    *ret_active = true;
    return true;
}

/* "mpatha\t(254:3)", or "No devices found" */
AWAITS static bool mpath_scan(Pool *pool, PoolScan *scan, Error **err)
{
    const char *const argv[] = { "dmsetup", "ls", "--target", "multipath", NULL };
    g_autoptr(GPtrArray) found = block_found_new();
    g_autofree char *out = NULL;

    block_settle();
    if (!storage_run(argv, "dmsetup", DMSETUP_MS, &out, err))
        return false;
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit_set(*line, "\t(:, )", -1); /* NAME, ..., MAJOR, MINOR, "" */
        const unsigned count = g_strv_length(words);
        if (count < 4)
            continue;
        g_autofree char *path = g_build_filename("/dev/mapper", words[0], NULL);
        g_autofree char *name = g_strconcat("dm-", words[count - 2], NULL);
        block_found_add(found, name, path);
    }
    if (!block_look(pool, found, err))
        return false;
    block_scan_take(pool, scan, found);
    block_sum(scan);
    return true;
}

const PoolBackend mpath_backend = {
    .is_active = mpath_is_active,
    .scan = mpath_scan,
    .look_at_volume = block_look_at_volume,
};
