/* Which chunks backups need. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/manifest.h"

typedef struct UsageVisit {
    const Manifest *manifest;
    const char *kind, *name; /* "disk" "vda", "file" "tpm2-00.permall" */
    uint64_t offset, len;    /* what depends on the chunk */
    const Hash *hash;
    const ChunkPlace *place; /* NULL: no pack has it */
    const char *problem;     /* of a page that cannot be read; NULL: none */
} UsageVisit;

/* Calls @visit for every chunk that a backup needs, those of its maps included, again for each use. It
 * returns false to end it. What cannot be read is visited with its problem, and what is below it is not. */
bool usage_walk(Repo *repo, const Manifest *manifest, bool (*visit)(const UsageVisit *visit, void *arg),
                void *arg);
