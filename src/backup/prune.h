/* Removing backups, and the chunks that nobody needs any more. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/manifest.h"
#include "backup/work.h"

typedef struct PruneResult {
    uint64_t before_bytes, after_bytes; /* of all packs */
    unsigned n_removed, n_rewritten;    /* packs */
} PruneResult;

/* Frees what none of @kept (of Manifest: all there are) needs: packs that are needed for nothing go, those of
 * which less than half is needed are written anew. Whoever is interrupted has harmed nothing: a chunk is
 * removed from one place when it is in another.
 *
 * @dry  only says what it would do
 * ERROR_OPERATION_FAILED: a backup is damaged so that nobody can say what it needs; nothing was removed */
MUST_CHECK bool prune_collect(Repo *repo, const GPtrArray *kept, bool dry, WorkProgress *progress,
                              PruneResult *ret_result, Error **err);
