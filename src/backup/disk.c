/* Disks: read into a repository by threads with a connection each, and written from it likewise. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/disk.h"

#include <inttypes.h>
#include <string.h>

#define RUN_CHUNKS 16u /* in one request: 1 MiB */
#define WINDOW_LEAVES 16u
#define WINDOW_CHUNKS (WINDOW_LEAVES * MAP_FAN)

/* ---- reading ---- */

typedef struct Reading {
    Repo *repo;
    RepoAddition *addition;
    const NbdPlace *place;
    int level;
    WorkProgress *progress;
    MapWriter *map;
    uint64_t size;
    uint64_t read_bytes, stored_bytes; /* atomic */
} Reading;

typedef struct ReadThread {
    Nbd *nbd;
    ChunkCodec *codec;
    uint8_t *data;
} ReadThread;

/* Chunks side by side in one leaf. */
typedef struct ReadRun {
    uint64_t first;
    unsigned n;
} ReadRun;

static void read_thread_end(void *arg, void *context)
{
    ReadThread *thread = context;

    nbd_free(thread->nbd);
    chunk_codec_free(thread->codec);
    g_free(thread->data);
    g_free(thread);
}

static bool read_thread_begin(void *arg, void **ret_context, Error **err)
{
    const Reading *reading = arg;
    ReadThread *thread = g_new0(ReadThread, 1);

    thread->codec = chunk_codec_new(reading->level);
    thread->data = g_malloc(RUN_CHUNKS * CHUNK_BYTES);
    if (nbd_open(reading->place, reading->progress, &thread->nbd, err)) {
        *ret_context = thread;
        return true;
    }
    read_thread_end(arg, thread);
    return false;
}

static bool read_run(void *arg, void *context, const void *piece, Error **err)
{
    Reading *reading = arg;
    ReadThread *thread = context;
    const ReadRun *run = piece;
    const uint64_t offset = run->first * CHUNK_BYTES;
    const size_t len = (size_t)MIN((uint64_t)run->n * CHUNK_BYTES, reading->size - offset);
    uint64_t stored_bytes = 0;

    if (!nbd_read(thread->nbd, thread->data, len, offset, err))
        return error_prefix(err, "offset %" PRIu64, offset);
    for (unsigned i = 0; i < run->n; i++) {
        size_t stored = 0;
        Hash hash;
        if (!repo_add_chunk(reading->addition, thread->codec, thread->data + i * CHUNK_BYTES,
                            chunk_map_len(reading->size, run->first + i), &hash, &stored, err))
            return false;
        map_writer_set(reading->map, run->first + i, &hash);
        stored_bytes += stored;
    }
    __atomic_add_fetch(&reading->read_bytes, len, __ATOMIC_RELAXED);
    __atomic_add_fetch(&reading->stored_bytes, stored_bytes, __ATOMIC_RELAXED);
    work_progress_add(reading->progress, len);
    return map_writer_release(reading->map, run->first / MAP_FAN, thread->codec, err);
}

/* Hands out what has to be read of one leaf. @flags: of its chunks */
static bool read_leaf(Reading *reading, Work *work, uint64_t leaf, const uint8_t *flags, unsigned n,
                      ChunkCodec *codec, bool has_base, Error **err)
{
    const Hash null = { 0 };
    bool changes = false;
    uint64_t rest = 0; /* what nobody has to read */

    for (unsigned i = 0; i < n; i++)
        changes = changes || ((flags[i] & NBD_IS_DIRTY) && (has_base || (flags[i] & NBD_IS_DATA)));
    if (!changes) {
        work_progress_add(reading->progress, MIN(LEAF_BYTES, reading->size - leaf * LEAF_BYTES));
        return true;
    }
    if (!map_writer_hold(reading->map, leaf, err))
        return false;
    for (unsigned i = 0, run = 0; i < n; i += run) {
        const uint64_t chunk = leaf * MAP_FAN + i;
        for (run = 0; i + run < n && run < RUN_CHUNKS && flags[i + run] == (NBD_IS_DIRTY | NBD_IS_DATA);
             run++)
            ;
        if (!run) {
            if (flags[i] & NBD_IS_DIRTY)
                map_writer_set(reading->map, chunk, &null);
            rest += chunk_map_len(reading->size, chunk);
            run = 1;
            continue;
        }
        const ReadRun piece = { .first = chunk, .n = run };
        map_writer_hold_again(reading->map, leaf);
        if (!work_put(work, &piece))
            return false; /* work_end() says why */
    }
    work_progress_add(reading->progress, rest);
    return map_writer_release(reading->map, leaf, codec, err);
}

static bool read_windows(Reading *reading, Work *work, Nbd *nbd, bool has_base, Error **err)
{
    g_autofree uint8_t *flags = g_malloc(WINDOW_CHUNKS);
    g_autoptr(ChunkCodec) codec = chunk_codec_new(reading->level);

    for (uint64_t at = 0; at < reading->size; at += WINDOW_CHUNKS * CHUNK_BYTES) {
        const uint64_t len = MIN(reading->size - at, (uint64_t)WINDOW_CHUNKS * CHUNK_BYTES);
        const uint64_t n = chunk_map_n_chunks(len);
        if (work_is_cancelled(reading->progress))
            return error_set(err, ERROR_CANCELLED, "it was cancelled");
        if (!nbd_look(nbd, at, len, CHUNK_BYTES, flags, err))
            return false;
        for (uint64_t i = 0; i < n; i += MAP_FAN)
            if (!read_leaf(reading, work, at / LEAF_BYTES + i / MAP_FAN, flags + i,
                           (unsigned)MIN(n - i, MAP_FAN), codec, has_base, err))
                return false;
    }
    return true;
}

/* Whether all that the base consists of is in the repository. */
static bool base_is_whole(Repo *repo, const ChunkMap *base)
{
    g_autoptr(MapReader) reader = map_reader_new(repo, base);
    const uint64_t n_chunks = chunk_map_n_chunks(base->size);

    for (uint64_t leaf = 0; leaf * MAP_FAN < n_chunks; leaf++) {
        const Hash *hashes = NULL;
        if (!map_reader_leaf(reader, leaf, &hashes, NULL))
            return false;
        for (unsigned i = 0; hashes && i < MIN(n_chunks - leaf * MAP_FAN, MAP_FAN); i++)
            if (!hash_is_null(&hashes[i]) && !chunk_index_find(repo_index(repo), &hashes[i]))
                return false;
    }
    return true;
}

/* NULL: it serves. */
static const char *base_refused(Repo *repo, const ChunkMap *base, const Nbd *nbd)
{
    if (!nbd_has_bitmap(nbd))
        return "QEMU has no bitmap of what changed since the last backup";
    if (base->size != nbd_size(nbd))
        return "the disk has another size than at the last backup";
    return base_is_whole(repo, base) ? NULL : "the last backup is damaged";
}

static const WorkKind read_kind = {
    .begin = read_thread_begin, .run = read_run, .end = read_thread_end, .size = sizeof(ReadRun)
};

bool disk_read(Repo *repo, RepoAddition *addition, const NbdPlace *place, const ChunkMap *base, int level,
               WorkProgress *progress, ManifestDisk *disk, Error **err)
{
    NbdPlace plain = *place;
    g_autoptr(Nbd) nbd = NULL;
    g_autoptr(MapReader) reader = NULL;
    g_autoptr(MapWriter) map = NULL;
    Error *why = NULL;

    plain.bitmap = NULL; /* threads only read */
    if (!nbd_open(base ? place : &plain, progress, &nbd, err))
        return false;
    const char *refused = base ? base_refused(repo, base, nbd) : NULL;
    if (refused) {
        disk->full_reason = g_strdup(refused);
        base = NULL;
        nbd_free(g_steal_pointer(&nbd));
        if (!nbd_open(&plain, progress, &nbd, err))
            return false;
    }
    reader = base ? map_reader_new(repo, base) : NULL;
    map = map_writer_new(addition, nbd_size(nbd), reader);
    Reading reading = { .repo = repo,
                        .addition = addition,
                        .place = &plain,
                        .level = level,
                        .progress = progress,
                        .map = map,
                        .size = nbd_size(nbd) };
    work_progress_expect(progress, reading.size);
    Work *work = work_begin(&read_kind, &reading, work_threads(), progress);
    const bool ok = read_windows(&reading, work, nbd, base != NULL, &why);
    /* What stopped the threads is the cause, if anything did. */
    if (!work_end(work, !ok, err)) {
        error_free(why);
        return false;
    }
    if (!ok)
        return error_propagate(err, why);
    g_autoptr(ChunkCodec) codec = chunk_codec_new(level);
    disk->is_incremental = base != NULL;
    disk->read_bytes = reading.read_bytes;
    if (!map_writer_finish(map, codec, &disk->map, err))
        return false;
    disk->stored_bytes = reading.stored_bytes + map_writer_stored(map);
    return true;
}

/* ---- writing ---- */

typedef struct Writing {
    Repo *repo;
    const NbdPlace *place;
    DiskTarget target;
    uint64_t size;
    WorkProgress *progress;
    GMutex lock;
    GPtrArray *damage; /* under lock; NULL */
} Writing;

typedef struct WriteRun {
    uint64_t first;
    unsigned n;
    Hash hashes[RUN_CHUNKS];
} WriteRun;

static bool write_thread_begin(void *arg, void **ret_context, Error **err)
{
    const Writing *writing = arg;
    const Reading as_reading = { .place = writing->place, .progress = writing->progress };

    return read_thread_begin((void *)&as_reading, ret_context, err);
}

/* Whether the caller goes on without what @why tells of. */
static bool pass_over(Writing *writing, uint64_t offset, Error *why, Error **err)
{
    if (!writing->damage) {
        error_prefix(&why, "offset %" PRIu64, offset);
        return error_propagate(err, why);
    }
    g_mutex_lock(&writing->lock);
    g_ptr_array_add(writing->damage, g_strdup_printf("offset %" PRIu64 ": %s", offset, error_message(why)));
    g_mutex_unlock(&writing->lock);
    error_free(why);
    return true;
}

/* Fetches a chunk; *ret_has: there is something to write. */
static bool write_fetch(Writing *writing, ReadThread *thread, uint64_t chunk, const Hash *hash, uint8_t *data,
                        bool *ret_has, Error **err)
{
    const size_t expected = chunk_map_len(writing->size, chunk);
    Error *why = NULL;
    size_t len = 0;

    *ret_has = false;
    if (hash_is_null(hash))
        return true;
    if (repo_read_chunk(writing->repo, thread->codec, hash, data, &len, &why)) {
        *ret_has = len == expected;
        if (*ret_has)
            return true;
        error_set(&why, ERROR_OPERATION_FAILED, "its chunk has %zu bytes instead of %zu", len, expected);
    }
    return pass_over(writing, chunk * CHUNK_BYTES, why, err);
}

static bool write_run(void *arg, void *context, const void *piece, Error **err)
{
    Writing *writing = arg;
    ReadThread *thread = context;
    const WriteRun *run = piece;
    const uint64_t end = MIN((run->first + run->n) * CHUNK_BYTES, writing->size);
    bool has[RUN_CHUNKS] = { false };

    for (unsigned i = 0; i < run->n; i++)
        if (!write_fetch(writing, thread, run->first + i, &run->hashes[i], thread->data + i * CHUNK_BYTES,
                         &has[i], err))
            return false;
    for (unsigned i = 0, n = 0; i < run->n; i += n) {
        for (n = 1; i + n < run->n && has[i + n] == has[i]; n++)
            ;
        const uint64_t offset = (run->first + i) * CHUNK_BYTES, to = MIN(offset + n * CHUNK_BYTES, end);
        if (has[i]
                ? !nbd_write(thread->nbd, thread->data + i * CHUNK_BYTES, (size_t)(to - offset), offset, err)
                : writing->target == DISK_IS_USED && !nbd_clear(thread->nbd, to - offset, offset, err))
            return error_prefix(err, "offset %" PRIu64, offset);
    }
    work_progress_add(writing->progress, end - run->first * CHUNK_BYTES);
    return true;
}

static bool write_leaf(Writing *writing, Work *work, Nbd *nbd, MapReader *reader, uint64_t leaf, Error **err)
{
    const uint64_t offset = leaf * LEAF_BYTES, len = MIN(LEAF_BYTES, writing->size - offset);
    const uint64_t n = chunk_map_n_chunks(len);
    const Hash *hashes = NULL;
    Error *why = NULL;

    if (!map_reader_leaf(reader, leaf, &hashes, &why) && !pass_over(writing, offset, why, err))
        return false;
    if (!hashes) {
        work_progress_add(writing->progress, len);
        return writing->target == DISK_IS_EMPTY || nbd_clear(nbd, len, offset, err);
    }
    for (uint64_t i = 0; i < n; i += RUN_CHUNKS) {
        WriteRun run = { .first = leaf * MAP_FAN + i, .n = (unsigned)MIN(n - i, RUN_CHUNKS) };
        memcpy(run.hashes, hashes + i, run.n * sizeof(Hash));
        if (!work_put(work, &run))
            return false;
    }
    return true;
}

static const WorkKind write_kind = {
    .begin = write_thread_begin, .run = write_run, .end = read_thread_end, .size = sizeof(WriteRun)
};

bool disk_write(Repo *repo, const ManifestDisk *disk, const NbdPlace *place, DiskTarget target,
                WorkProgress *progress, GPtrArray *damage, Error **err)
{
    Writing writing = { .repo = repo,
                        .place = place,
                        .target = target,
                        .size = disk->map.size,
                        .progress = progress,
                        .damage = damage };
    g_autoptr(MapReader) reader = map_reader_new(repo, &disk->map);
    g_autoptr(Nbd) nbd = NULL;
    Error *why = NULL;
    bool ok = true;

    if (!nbd_open(place, progress, &nbd, err))
        return false;
    if (nbd_size(nbd) < writing.size)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "it has %" PRIu64 " bytes, and the disk in the backup %" PRIu64, nbd_size(nbd),
                         writing.size);
    work_progress_expect(progress, writing.size);
    g_mutex_init(&writing.lock);
    Work *work = work_begin(&write_kind, &writing, work_threads(), progress);
    for (uint64_t leaf = 0; ok && leaf * LEAF_BYTES < writing.size; leaf++)
        ok = write_leaf(&writing, work, nbd, reader, leaf, &why);
    const bool threads_ok = work_end(work, !ok, err);
    g_mutex_clear(&writing.lock);
    if (!threads_ok) {
        error_free(why);
        return false;
    }
    return ok ? nbd_sync(nbd, err) : error_propagate(err, why);
}

/* ---- files ---- */

bool file_store(RepoAddition *addition, int level, const void *data, size_t len, ManifestFile *file,
                Error **err)
{
    g_autoptr(ChunkCodec) codec = chunk_codec_new(level);
    g_autoptr(MapWriter) map = map_writer_new(addition, len, NULL);

    hash_of(data, len, &file->sha256);
    for (uint64_t chunk = 0; chunk * CHUNK_BYTES < len; chunk++) {
        size_t stored = 0;
        Hash hash;
        if (chunk % MAP_FAN == 0 && !map_writer_hold(map, chunk / MAP_FAN, err))
            return false;
        if (!repo_add_chunk(addition, codec, (const uint8_t *)data + chunk * CHUNK_BYTES,
                            chunk_map_len(len, chunk), &hash, &stored, err))
            return false;
        map_writer_set(map, chunk, &hash);
        if ((chunk % MAP_FAN == MAP_FAN - 1 || (chunk + 1) * CHUNK_BYTES >= len) &&
            !map_writer_release(map, chunk / MAP_FAN, codec, err))
            return false;
    }
    return map_writer_finish(map, codec, &file->map, err);
}

bool file_fetch(Repo *repo, const ManifestFile *file, void **ret_data, size_t *ret_len, Error **err)
{
    g_autoptr(ChunkCodec) codec = chunk_codec_new(0);
    g_autoptr(MapReader) reader = map_reader_new(repo, &file->map);
    g_autofree uint8_t *room = g_malloc(CHUNK_BYTES);
    const uint64_t size = file->map.size;
    Hash found;

    if (size > BACKUP_FILE_MAX)
        return error_set(err, ERROR_OPERATION_FAILED, "file '%s' has %" PRIu64 " bytes", file->name, size);
    g_autofree uint8_t *data = g_malloc0((size_t)size + 1);
    for (uint64_t chunk = 0; chunk * CHUNK_BYTES < size; chunk++) {
        const Hash *hashes = NULL;
        size_t len = 0;
        if (!map_reader_leaf(reader, chunk / MAP_FAN, &hashes, err))
            return error_prefix(err, "file '%s'", file->name);
        if (!hashes || hash_is_null(&hashes[chunk % MAP_FAN]))
            continue;
        if (!repo_read_chunk(repo, codec, &hashes[chunk % MAP_FAN], room, &len, err))
            return error_prefix(err, "file '%s'", file->name);
        memcpy(data + chunk * CHUNK_BYTES, room, MIN(len, chunk_map_len(size, chunk)));
    }
    hash_of(data, (size_t)size, &found);
    if (!hash_equal(&found, &file->sha256))
        return error_set(err, ERROR_OPERATION_FAILED, "file '%s' is not what it was", file->name);
    *ret_data = g_steal_pointer(&data);
    *ret_len = (size_t)size;
    return true;
}
