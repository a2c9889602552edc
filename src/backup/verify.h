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

typedef enum VerifyScope {
    VERIFY_BACKUPS, /* the chunks that the backups need, expanded */
    VERIFY_PACKS,   /* all bytes of all packs against their sums; of one that is damaged each chunk */
    VERIFY_CHUNKS,  /* all chunks of all packs, expanded */
} VerifyScope;

/* Reads back what the backups @manifests (of Manifest) and, unless it is for them alone, all packs have. What
 * is damaged is no failure but a problem; the failure is what keeps it from looking. */
MUST_CHECK bool verify_run(Repo *repo, const GPtrArray *manifests, VerifyScope scope, WorkProgress *progress,
                           VerifyResult *ret_result, Error **err);
