/* A repository of backups: a folder that keeps chunks in packs and, for each backup, a manifest.
 *
 * Many may read it, one may write to it; who removes from it is alone. A file is made below tmp/ and put in
 * place by rename, so whoever is interrupted leaves the repository as it was; the next who writes sweeps. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/chunk_index.h"

#define REPO_MARKER "lodge-backup.json"
#define REPO_VERSION 1

typedef enum RepoUse {
    REPO_READ,   /* beside others who read or write */
    REPO_WRITE,  /* adds: one at a time */
    REPO_REMOVE, /* adds and removes: nobody reads meanwhile */
} RepoUse;

typedef struct Repo Repo;

/* Makes @path (absolute) a repository. It may be there, and empty.
 * ERROR_OPERATION_FAILED: there is something else in it. */
MUST_CHECK bool repo_create(const char *path, Error **err);
/* Whether @path says that it is a repository, of whatever version. */
bool repo_exists(const char *path);

/* @doing: what for, in a few words, for those who have to wait. Sweeps what others left if it may write.
 *
 * ERROR_OPERATION_FAILED   no repository, or one of another version
 * ERROR_BUSY               somebody else uses it; the message says who */
MUST_CHECK bool repo_open(const char *path, RepoUse use, const char *doing, Repo **ret_repo, Error **err);
void repo_close(Repo *repo); /* NULL: nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Repo, repo_close)

const char *repo_path(const Repo *repo);
const char *repo_id(const Repo *repo); /* of 8 digits; other repositories have another */

/* ---- chunks ---- */

/* Reads the tables of all packs; needed before what follows. What is wrong with packs is no failure: see
 * repo_damage(). */
MUST_CHECK bool repo_load(Repo *repo, Error **err);
/* Does not change while the repository is open. */
const ChunkIndex *repo_index(const Repo *repo);
/* Sentences about packs that are damaged; borrowed. */
const GPtrArray *repo_damage(const Repo *repo);
unsigned repo_n_packs(const Repo *repo);
const char *repo_pack_name(const Repo *repo, uint32_t pack);
uint64_t repo_pack_size(const Repo *repo, uint32_t pack);
typedef enum RepoPackState {
    REPO_PACK_GOOD,
    REPO_PACK_NOTED,  /* with chunks that are known to be damaged, and not in the index */
    REPO_PACK_WALKED, /* without its table, so that it may have more than the index knows */
    REPO_PACK_UNREAD, /* not at all */
} RepoPackState;
RepoPackState repo_pack_state(const Repo *repo, uint32_t pack);
/* Reads all of a pack: whether its bytes are those that were written. */
MUST_CHECK bool repo_check_pack(Repo *repo, uint32_t pack, bool *ret_good, uint64_t *ret_bytes, Error **err);
/* Removes the file; the index does not notice. */
MUST_CHECK bool repo_remove_pack(Repo *repo, uint32_t pack, Error **err);
/* Reads the frame of a chunk into @frame, which has room for place->stored bytes. Any thread. */
MUST_CHECK bool repo_read_frame(Repo *repo, const ChunkPlace *place, void *frame, Error **err);
/* Reads and checks a chunk; @data has room for CHUNK_BYTES. Any thread, each with its own @codec.
 * ERROR_OPERATION_FAILED: no pack has it, or it is damaged; the message names it and its pack. */
MUST_CHECK bool repo_read_chunk(Repo *repo, ChunkCodec *codec, const Hash *hash, void *data, size_t *ret_len,
                                Error **err);
/* Remembers that a place is damaged, so that the next backup with this content stores it again, which makes
 * good all that need it. By who may write only. */
MUST_CHECK bool repo_note_damaged(Repo *repo, const GArray *numbers, Error **err);

/* ---- manifests ---- */

/* Names of the manifests' files, sorted: the oldest first. Owned. */
MUST_CHECK bool repo_list(Repo *repo, GPtrArray **ret_names, Error **err);
/* The text of one, owned, and whether it is what its name says. */
MUST_CHECK bool repo_read_manifest(Repo *repo, const char *name, char **ret_text, size_t *ret_len,
                                   Error **err);
MUST_CHECK bool repo_remove_manifest(Repo *repo, const char *name, Error **err);
/* How the file of a manifest is called: ID.SHA256.json; owned. */
char *repo_manifest_name(const char *id, const char *text, size_t len);
/* The id in such a name; NULL: it is none. Owned. */
char *repo_manifest_id(const char *name);

/* ---- adding ---- */

/* What is added is seen by others all at once, with the manifest. Any thread may put. */
typedef struct RepoAddition RepoAddition;

MUST_CHECK bool repo_add_begin(Repo *repo, RepoAddition **ret_addition, Error **err);
/* Stores a chunk unless it is there; one of zeroes is not stored: *ret_hash is null. *ret_stored: the bytes
 * that it cost, 0 for one that was there. */
MUST_CHECK bool repo_add_chunk(RepoAddition *addition, ChunkCodec *codec, const void *data, size_t len,
                               Hash *ret_hash, size_t *ret_stored, Error **err);
/* Stores a copy of a chunk that is there already, unless this addition has it. */
MUST_CHECK bool repo_add_copy(RepoAddition *addition, ChunkCodec *codec, const ChunkPlace *place,
                              Error **err);
/* Puts all of it in place. @text: of the manifest of backup @id; NULL: there is none, only copies. */
MUST_CHECK bool repo_add_commit(RepoAddition *addition, const char *id, const char *text, Error **err);
/* What was not committed is removed. NULL: nothing */
void repo_add_end(RepoAddition *addition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RepoAddition, repo_add_end)
