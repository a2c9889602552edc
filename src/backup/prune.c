/* Garbage collection. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/prune.h"

#include "backup/pack.h"
#include "backup/usage.h"

typedef struct Collect {
    Repo *repo;
    WorkProgress *progress;
    uint8_t *needed;      /* by number of the place: 1 */
    uint64_t *used_bytes; /* of each pack */
    bool lacks_some;      /* a backup needs what no pack is known to have */
    char *problem;
} Collect;

static bool mark(const UsageVisit *visit, void *arg)
{
    Collect *collect = arg;

    if (visit->problem) {
        collect->problem =
            g_strdup_printf("backup '%s' of machine '%s', %s '%s': %s", visit->manifest->id,
                            visit->manifest->machine, visit->kind, visit->name, visit->problem);
        return false;
    }
    collect->lacks_some = collect->lacks_some || !visit->place;
    if (visit->place) {
        const uint32_t number = chunk_index_number(repo_index(collect->repo), visit->place);
        if (!collect->needed[number])
            collect->used_bytes[visit->place->pack] += visit->place->stored;
        collect->needed[number] = 1;
    }
    return !work_is_cancelled(collect->progress);
}

typedef enum PackFate { PACK_STAYS, PACK_GOES, PACK_IS_REWRITTEN } PackFate;

static PackFate fate_of(const Collect *collect, uint32_t pack)
{
    const uint64_t used = collect->used_bytes[pack], size = repo_pack_size(collect->repo, pack);
    const RepoPackState state = repo_pack_state(collect->repo, pack);

    /* What is damaged may yet have what is missed. */
    if (state == REPO_PACK_UNREAD || (state == REPO_PACK_WALKED && collect->lacks_some))
        return PACK_STAYS;
    if (!used)
        return PACK_GOES;
    return state == REPO_PACK_WALKED || used < size / 2 ? PACK_IS_REWRITTEN : PACK_STAYS;
}

/* Copies of what is needed of the packs that are rewritten, in new packs. */
static bool rewrite(Collect *collect, Error **err)
{
    const ChunkIndex *index = repo_index(collect->repo);
    g_autoptr(RepoAddition) addition = NULL;
    g_autoptr(ChunkCodec) codec = chunk_codec_new(0);

    if (!repo_add_begin(collect->repo, &addition, err))
        return false;
    for (uint32_t i = 0; i < chunk_index_count(index); i++) {
        const ChunkPlace *place = chunk_index_at(index, i);
        if (!collect->needed[i] || fate_of(collect, place->pack) != PACK_IS_REWRITTEN)
            continue;
        if (work_is_cancelled(collect->progress))
            return error_set(err, ERROR_CANCELLED, "it was cancelled");
        if (!repo_add_copy(addition, codec, place, err))
            return false;
        work_progress_add(collect->progress, place->stored);
    }
    return repo_add_commit(addition, NULL, NULL, err);
}

static bool carry_out(Collect *collect, bool dry, PruneResult *result, Error **err)
{
    uint64_t rewritten_bytes = 0;

    for (unsigned i = 0; i < repo_n_packs(collect->repo); i++) {
        const PackFate fate = fate_of(collect, i);
        result->before_bytes += repo_pack_size(collect->repo, i);
        result->after_bytes += fate == PACK_STAYS          ? repo_pack_size(collect->repo, i)
                               : fate == PACK_IS_REWRITTEN ? collect->used_bytes[i]
                                                           : 0;
        result->n_removed += fate == PACK_GOES;
        result->n_rewritten += fate == PACK_IS_REWRITTEN;
        rewritten_bytes += fate == PACK_IS_REWRITTEN ? collect->used_bytes[i] : 0;
    }
    if (dry)
        return true;
    work_progress_expect(collect->progress, rewritten_bytes);
    if (result->n_rewritten && !rewrite(collect, err))
        return false;
    for (unsigned i = 0; i < repo_n_packs(collect->repo); i++)
        if (fate_of(collect, i) != PACK_STAYS && !repo_remove_pack(collect->repo, i, err))
            return false;
    return true;
}

bool prune_collect(Repo *repo, const GPtrArray *kept, bool dry, WorkProgress *progress,
                   PruneResult *ret_result, Error **err)
{
    Collect collect = { .repo = repo, .progress = progress };
    bool ok = repo_load(repo, err);

    if (!ok)
        return false;
    *ret_result = (PruneResult){ 0 };
    collect.needed = g_malloc0(chunk_index_count(repo_index(repo)) + 1);
    collect.used_bytes = g_new0(uint64_t, repo_n_packs(repo) + 1);
    for (guint i = 0; ok && i < kept->len; i++)
        ok = usage_walk(repo, kept->pdata[i], mark, &collect);
    if (ok) {
        ok = carry_out(&collect, dry, ret_result, err);
    } else if (collect.problem) {
        error_set(err, ERROR_OPERATION_FAILED, "nobody can say what is still needed: %s", collect.problem);
        error_hint(err, "remove that backup with 'lodge backup prune %s --remove BACKUP'", repo_path(repo));
    } else {
        error_set(err, ERROR_CANCELLED, "it was cancelled");
    }
    g_free(collect.needed);
    g_free(collect.used_bytes);
    g_free(collect.problem);
    return ok;
}
