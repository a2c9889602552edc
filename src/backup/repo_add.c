/* Adding to a repository.
 *
 * Packs are written below tmp/. A commit first notes there which packs and which manifest are to come, then
 * puts the packs in place and the manifest last: that is the moment at which the backup exists. Whoever
 * finds such a note without the manifest takes the packs back: nobody can need them, because all who could
 * have found their chunks hold the lock that the note's writer held. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/pack.h"
#include "backup/repo_private.h"
#include "base/file.h"

#define JOURNAL_MAX_BYTES ((size_t)64 << 20)

struct RepoAddition {
    Repo *repo;
    char *dir;
    GMutex chunks_lock; /* of added */
    ChunkIndex *added;
    GMutex pack_lock; /* of what follows; taken behind none */
    PackWriter *writer;
    unsigned n_writers;
    GPtrArray *names, *paths; /* of finished packs */
};

/* ---- what others left ---- */

/* true: nobody has seen what it was about to add. */
static bool undo_commit(Repo *repo, const char *dir, Error **err)
{
    g_autofree char *path = path_join(dir, REPO_JOURNAL), *text = NULL;
    g_autofree char *packs = path_join(repo->path, REPO_PACKS);
    size_t len = 0;

    if (access(path, F_OK) < 0)
        return true;
    if (!repo_read_file(path, JOURNAL_MAX_BYTES, &text, &len, err))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    if (!lines[0]) /* it was not finished, so nothing began */
        return true;
    g_autofree char *manifest = path_join(repo->path, REPO_BACKUPS, lines[0]);
    if (access(manifest, F_OK) == 0)
        return true;
    for (char **line = lines + 1; *line && **line; line++) {
        g_autofree char *pack = path_join(packs, *line);
        if (!path_is_safe_component(*line) || (unlink(pack) < 0 && errno != ENOENT))
            return error_set_errno(err, errno, "cannot remove '%s'", pack);
    }
    return repo_sync_dir(packs, err);
}

bool repo_sweep(Repo *repo, Error **err)
{
    g_autofree char *tmp = path_join(repo->path, REPO_TMP);
    g_autoptr(GPtrArray) names = NULL;

    if (mkdir(tmp, 0700) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make folder '%s'", tmp);
    if (!repo_list_dir(tmp, &names, err))
        return false;
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = path_join(tmp, names->pdata[i]);
        if (unlink(path) == 0 || errno == ENOENT)
            continue;
        if (!undo_commit(repo, path, err))
            return error_prefix(err, "cannot sweep '%s'", path);
        repo_remove_dir(path);
    }
    return true;
}

/* ---- chunks ---- */

bool repo_add_begin(Repo *repo, RepoAddition **ret_addition, Error **err)
{
    g_autofree char *dir = path_join(repo->path, REPO_TMP, "add-XXXXXX");

    g_assert(repo->use != REPO_READ);
    if (!repo_load(repo, err))
        return false;
    if (!g_mkdtemp_full(dir, 0700))
        return error_set_errno(err, errno, "cannot make a folder in '%s/" REPO_TMP "'", repo->path);
    RepoAddition *addition = g_new0(RepoAddition, 1);
    addition->repo = repo;
    addition->dir = g_steal_pointer(&dir);
    addition->added = chunk_index_new();
    addition->names = g_ptr_array_new_with_free_func(g_free);
    addition->paths = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&addition->chunks_lock);
    g_mutex_init(&addition->pack_lock);
    *ret_addition = addition;
    return true;
}

static bool finish_pack(RepoAddition *addition, Error **err)
{
    char *name = NULL;

    if (!pack_writer_finish(addition->writer, &name, err))
        return false;
    g_ptr_array_add(addition->names, g_strconcat(name, PACK_SUFFIX, NULL));
    g_ptr_array_add(addition->paths, g_strdup(pack_writer_path(addition->writer)));
    pack_writer_free(g_steal_pointer(&addition->writer));
    g_free(name);
    return true;
}

static bool write_frame(RepoAddition *addition, const Hash *hash, const void *frame, size_t stored,
                        size_t len, Error **err)
{
    g_mutex_lock(&addition->pack_lock);
    bool ok = true;
    if (!addition->writer) {
        g_autofree char *name = g_strdup_printf("%u", addition->n_writers++);
        g_autofree char *path = path_join(addition->dir, name);
        ok = pack_writer_open(path, &addition->writer, err);
    }
    ok = ok && pack_writer_add(addition->writer, hash, frame, stored, len, err);
    if (ok && pack_writer_size(addition->writer) >= PACK_BYTES)
        ok = finish_pack(addition, err);
    g_mutex_unlock(&addition->pack_lock);
    return ok;
}

/* Whether it is new. Several threads may have the same chunk at the same time: one of them stores it. */
static bool claim(RepoAddition *addition, const Hash *hash)
{
    const ChunkPlace place = { .hash = *hash };

    g_mutex_lock(&addition->chunks_lock);
    const bool is_new = chunk_index_add(addition->added, &place);
    g_mutex_unlock(&addition->chunks_lock);
    return is_new;
}

bool repo_add_chunk(RepoAddition *addition, ChunkCodec *codec, const void *data, size_t len, Hash *ret_hash,
                    size_t *ret_stored, Error **err)
{
    const void *frame = NULL;
    Hash hash = { 0 };
    size_t stored = 0;

    if (!chunk_is_zero(data, len)) {
        hash_of(data, len, &hash);
        /* The repository's own index does not change, so it needs no lock. */
        if (!chunk_index_find(addition->repo->index, &hash) && claim(addition, &hash)) {
            stored = chunk_compress(codec, data, len, &frame);
            if (!write_frame(addition, &hash, frame, stored, len, err))
                return false;
        }
    }
    *ret_hash = hash;
    *ret_stored = stored;
    return true;
}

bool repo_add_copy(RepoAddition *addition, ChunkCodec *codec, const ChunkPlace *place, Error **err)
{
    void *frame = chunk_codec_room(codec);

    return !claim(addition, &place->hash) ||
           (repo_read_frame(addition->repo, place, frame, err) &&
            write_frame(addition, &place->hash, frame, place->stored, place->len, err));
}

/* ---- commit ---- */

static bool write_journal(const RepoAddition *addition, const char *manifest, Error **err)
{
    g_autoptr(GString) text = g_string_new(manifest);

    g_string_append_c(text, '\n');
    for (guint i = 0; i < addition->names->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)addition->names->pdata[i]);
    return repo_put_file(addition->dir, addition->dir, REPO_JOURNAL, text->str, text->len, err);
}

static bool place_packs(const RepoAddition *addition, Error **err)
{
    g_autofree char *packs = path_join(addition->repo->path, REPO_PACKS);

    for (guint i = 0; i < addition->names->len; i++) {
        g_autofree char *to = path_join(packs, addition->names->pdata[i]);
        if (rename(addition->paths->pdata[i], to) < 0)
            return error_set_errno(err, errno, "cannot put '%s' in place", to);
    }
    return repo_sync_dir(packs, err);
}

bool repo_add_commit(RepoAddition *addition, const char *id, const char *text, Error **err)
{
    const Repo *repo = addition->repo;
    g_autofree char *dir = path_join(repo->path, REPO_BACKUPS);
    g_autofree char *name = text ? repo_manifest_name(id, text, strlen(text)) : NULL;

    if (addition->writer && !finish_pack(addition, err))
        return false;
    if (!name)
        return place_packs(addition, err);
    return write_journal(addition, name, err) && place_packs(addition, err) &&
           repo_put_file(addition->dir, dir, name, text, strlen(text), err);
}

void repo_add_end(RepoAddition *addition)
{
    if (!addition)
        return;
    pack_writer_free(addition->writer);
    if (undo_commit(addition->repo, addition->dir, NULL))
        repo_remove_dir(addition->dir); /* else the next who writes does */
    chunk_index_free(addition->added);
    g_mutex_clear(&addition->chunks_lock);
    g_mutex_clear(&addition->pack_lock);
    g_ptr_array_unref(addition->names);
    g_ptr_array_unref(addition->paths);
    g_free(addition->dir);
    g_free(addition);
}
