/* Reading back what a repository has, and checking every byte of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/manifest.h"
#include "backup/work.h"

typedef struct VerifyResult {
    uint64_t n_chunks, read_bytes; /* bytes as they are stored */
    uint64_t n_bad;                /* chunks */
    GPtrArray *problems;           /* sentences: backup, disk, offset, chunk, pack; owned */
    GArray *bad;                   /* numbers of places in the index whose content is wrong */
    GPtrArray *damaged;            /* ids of backups that are not whole; owned */
} VerifyResult;
void verify_result_clear(VerifyResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VerifyResult, verify_result_clear)

/* Of the backups @manifests (of Manifest), or (@everything) all that the packs have besides. What is damaged
 * is no failure but a problem; the failure is what keeps it from looking. */
MUST_CHECK bool verify_run(Repo *repo, const GPtrArray *manifests, bool everything, WorkProgress *progress,
                           VerifyResult *ret_result, Error **err);
