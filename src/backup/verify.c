/* Verification: first the packs, from front to back, then which backups need what was found to be bad. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/verify.h"

#include <inttypes.h>
#include <string.h>

#include "backup/pack.h"
#include "backup/usage.h"

#define RUN_CHUNKS 32u
#define PROBLEMS_MAX 1000u

typedef struct Verify {
    Repo *repo;
    WorkProgress *progress;
    VerifyResult *result;
    uint8_t *needed;   /* by number: 1 */
    uint8_t *suspects; /* by number of a pack: 1 */
    GMutex lock;       /* of why and the result's numbers while threads run */
    GHashTable *why;   /* number to sentence */
    bool is_damaged;   /* the backup that is being walked */
    uint64_t expected;
} Verify;

typedef struct VerifyRun {
    uint32_t first, n;
} VerifyRun;

typedef struct VerifyThread {
    ChunkCodec *codec;
    void *data;
} VerifyThread;

void verify_result_clear(VerifyResult *result)
{
    g_clear_pointer(&result->problems, g_ptr_array_unref);
    g_clear_pointer(&result->damaged, g_ptr_array_unref);
    g_clear_pointer(&result->bad, g_array_unref);
}

/* ---- packs ---- */

static bool verify_thread_begin(void *arg, void **ret_context, Error **err)
{
    VerifyThread *thread = g_new0(VerifyThread, 1);

    thread->codec = chunk_codec_new(0);
    thread->data = g_malloc(CHUNK_BYTES);
    *ret_context = thread;
    return true;
}

static void verify_thread_end(void *arg, void *context)
{
    VerifyThread *thread = context;

    chunk_codec_free(thread->codec);
    g_free(thread->data);
    g_free(thread);
}

static void note_bad(Verify *verify, uint32_t number, const Error *why)
{
    g_mutex_lock(&verify->lock);
    g_hash_table_insert(verify->why, GUINT_TO_POINTER(number), g_strdup(error_message(why)));
    verify->result->n_bad++;
    /* What cannot be read now may be readable another time. */
    if (error_code(why) != ERROR_SYSTEM)
        g_array_append_val(verify->result->bad, number);
    g_mutex_unlock(&verify->lock);
}

static bool verify_chunks(void *arg, void *context, const void *piece, Error **err)
{
    Verify *verify = arg;
    VerifyThread *thread = context;
    const VerifyRun *run = piece;
    uint64_t bytes = 0;

    for (uint32_t number = run->first; number < run->first + run->n; number++) {
        const ChunkPlace *place = chunk_index_at(repo_index(verify->repo), number);
        g_autoptr(Error) why = NULL;
        size_t len = 0;
        if (!verify->needed[number])
            continue;
        bytes += place->stored;
        if (!repo_read_chunk(verify->repo, thread->codec, &place->hash, thread->data, &len, &why))
            note_bad(verify, number, why);
    }
    __atomic_add_fetch(&verify->result->read_bytes, bytes, __ATOMIC_RELAXED);
    work_progress_add(verify->progress, bytes);
    return true;
}

static const WorkKind verify_kind = {
    .begin = verify_thread_begin, .run = verify_chunks, .end = verify_thread_end, .size = sizeof(VerifyRun)
};

static bool verify_packs(Verify *verify, Error **err)
{
    const uint32_t n = chunk_index_count(repo_index(verify->repo));
    uint64_t n_needed = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (verify->needed[i]) {
            n_needed++;
            verify->expected += chunk_index_at(repo_index(verify->repo), i)->stored;
        }
    }
    verify->result->n_chunks = MAX(verify->result->n_chunks, n_needed);
    work_progress_expect(verify->progress, verify->expected);
    /* The index has them in the order in which they lie in the packs. */
    Work *work = work_begin(&verify_kind, verify, work_threads(), verify->progress);
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i += RUN_CHUNKS) {
        const VerifyRun run = { .first = i, .n = MIN(n - i, RUN_CHUNKS) };
        ok = work_put(work, &run);
    }
    return work_end(work, !ok, err);
}

/* ---- sums ---- */

/* A pack whose bytes are right has chunks that are right. */
static bool verify_pack(void *arg, void *context, const void *piece, Error **err)
{
    Verify *verify = arg;
    const uint32_t pack = *(const uint32_t *)piece;
    bool is_good = false;
    uint64_t bytes = 0;
    g_autoptr(Error) why = NULL;

    if (repo_check_pack(verify->repo, pack, &is_good, &bytes, &why) && is_good) {
        __atomic_add_fetch(&verify->result->read_bytes, bytes, __ATOMIC_RELAXED);
        work_progress_add(verify->progress, bytes);
        return true;
    }
    verify->suspects[pack] = 1; /* its chunks will tell */
    return true;
}

static const WorkKind sum_kind = { .run = verify_pack, .size = sizeof(uint32_t) };

/* Then chunks of packs that are damaged are needed. */
static bool verify_sums(Verify *verify, Error **err)
{
    const ChunkIndex *index = repo_index(verify->repo);
    const unsigned n = repo_n_packs(verify->repo);
    bool ok = true;

    for (unsigned i = 0; i < n; i++)
        work_progress_expect(verify->progress, repo_pack_size(verify->repo, i));
    Work *work = work_begin(&sum_kind, verify, work_threads(), verify->progress);
    for (uint32_t i = 0; ok && i < n; i++)
        ok = work_put(work, &i);
    if (!work_end(work, !ok, err))
        return false;
    for (uint32_t i = 0; i < chunk_index_count(index); i++)
        verify->needed[i] = verify->suspects[chunk_index_at(index, i)->pack];
    verify->result->n_chunks = chunk_index_count(index);
    return true;
}

/* A pack that is damaged although all its chunks are good: between them. Chunks that are known to be damaged
 * are not looked at again. */
static void tell_suspects(Verify *verify)
{
    g_autofree uint8_t *told = g_malloc0(repo_n_packs(verify->repo) + 1);
    GHashTableIter iter;
    void *number = NULL;

    g_hash_table_iter_init(&iter, verify->why);
    while (g_hash_table_iter_next(&iter, &number, NULL))
        told[chunk_index_at(repo_index(verify->repo), GPOINTER_TO_UINT(number))->pack] = 1;
    for (unsigned i = 0; i < repo_n_packs(verify->repo); i++)
        if (verify->suspects[i] && !told[i] && repo_pack_state(verify->repo, i) == REPO_PACK_GOOD)
            g_ptr_array_add(verify->result->problems,
                            g_strdup_printf("pack '%s' is damaged between its chunks",
                                            repo_pack_name(verify->repo, i)));
}

/* ---- backups ---- */

static bool mark_needed(const UsageVisit *visit, void *arg)
{
    Verify *verify = arg;

    if (visit->place)
        verify->needed[chunk_index_number(repo_index(verify->repo), visit->place)] = 1;
    return !work_is_cancelled(verify->progress);
}

static bool tell_problem(const UsageVisit *visit, void *arg)
{
    Verify *verify = arg;
    const char *why = visit->problem;
    char hash[HASH_TEXT_LEN];

    if (!why && visit->place)
        why =
            g_hash_table_lookup(verify->why,
                                GUINT_TO_POINTER(chunk_index_number(repo_index(verify->repo), visit->place)));
    if (!why && visit->place)
        return !work_is_cancelled(verify->progress);
    verify->is_damaged = true;
    hash_format(visit->hash, hash);
    g_autofree char *missing = g_strdup_printf("no pack has chunk %s", hash);
    if (verify->result->problems->len < PROBLEMS_MAX)
        g_ptr_array_add(verify->result->problems,
                        g_strdup_printf("backup '%s' of machine '%s', %s '%s', offset %" PRIu64 " (%" PRIu64
                                        " bytes): %s",
                                        visit->manifest->id, visit->manifest->machine, visit->kind,
                                        visit->name, visit->offset, visit->len, why ? why : missing));
    return true;
}

static bool verify_all(Verify *verify, const GPtrArray *manifests, VerifyScope scope, Error **err)
{
    memset(verify->needed, scope == VERIFY_CHUNKS, chunk_index_count(repo_index(verify->repo)));
    if (scope == VERIFY_PACKS && !verify_sums(verify, err))
        return false;
    for (guint i = 0; i < manifests->len && scope == VERIFY_BACKUPS; i++)
        if (!usage_walk(verify->repo, manifests->pdata[i], mark_needed, verify))
            return error_set(err, ERROR_CANCELLED, "it was cancelled");
    if (!verify_packs(verify, err))
        return false;
    tell_suspects(verify);
    for (guint i = 0; i < manifests->len; i++) {
        const Manifest *manifest = manifests->pdata[i];
        verify->is_damaged = false;
        if (!usage_walk(verify->repo, manifest, tell_problem, verify))
            return error_set(err, ERROR_CANCELLED, "it was cancelled");
        if (verify->is_damaged)
            g_ptr_array_add(verify->result->damaged, g_strdup(manifest->id));
    }
    /* What no backup needs is told, too. */
    for (guint i = 0; i < verify->result->bad->len && !verify->result->damaged->len; i++)
        g_ptr_array_add(verify->result->problems,
                        g_strdup(g_hash_table_lookup(verify->why,
                                                     GUINT_TO_POINTER(
                                                         g_array_index(verify->result->bad, uint32_t, i)))));
    return true;
}

bool verify_run(Repo *repo, const GPtrArray *manifests, VerifyScope scope, WorkProgress *progress,
                VerifyResult *ret_result, Error **err)
{
    *ret_result = (VerifyResult){ .problems = g_ptr_array_new_with_free_func(g_free),
                                  .damaged = g_ptr_array_new_with_free_func(g_free),
                                  .bad = g_array_new(FALSE, FALSE, sizeof(uint32_t)) };
    if (!repo_load(repo, err))
        return false;
    Verify verify = { .repo = repo, .progress = progress, .result = ret_result };
    verify.suspects = g_malloc0(repo_n_packs(repo) + 1);
    verify.needed = g_malloc0(chunk_index_count(repo_index(repo)) + 1);
    verify.why = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_mutex_init(&verify.lock);
    for (guint i = 0; i < repo_damage(repo)->len; i++)
        g_ptr_array_add(ret_result->problems, g_strdup(repo_damage(repo)->pdata[i]));
    const bool ok = verify_all(&verify, manifests, scope, err);
    g_mutex_clear(&verify.lock);
    g_hash_table_unref(verify.why);
    g_free(verify.needed);
    g_free(verify.suspects);
    return ok;
}
