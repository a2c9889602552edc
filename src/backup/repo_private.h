/* What the files of repo.h share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/repo.h"

#define REPO_BACKUPS "backups"
#define REPO_PACKS "packs"
#define REPO_TMP "tmp"
#define REPO_DAMAGED "damaged" /* lines of PACK HASH */
#define REPO_JOURNAL "commit"  /* in a folder below tmp: its packs, one a line, and the manifest */
#define REPO_OPEN_PACKS 64

typedef struct RepoPack {
    char *name;
    uint64_t size;
    RepoPackState state;
    int fd; /* -1: not open; under files_lock */
    unsigned in_use;
} RepoPack;

struct Repo {
    char *path, *id;
    RepoUse use;
    int lock_fd, use_fd;
    GPtrArray *packs; /* of RepoPack; NULL: not loaded */
    ChunkIndex *index;
    GPtrArray *damage;
    GMutex files_lock;
    unsigned n_open;
};

/* Replaces or makes DIR/NAME as a whole: below tmp, fsync, rename, fsync of the folder. */
MUST_CHECK bool repo_put_file(const char *tmp, const char *dir, const char *name, const void *data,
                              size_t len, Error **err);
MUST_CHECK bool repo_sync_dir(const char *dir, Error **err);
/* At most @max bytes; NUL-terminated, owned. */
MUST_CHECK bool repo_read_file(const char *path, size_t max, char **ret_data, size_t *ret_len, Error **err);
/* Sorted names in a folder; owned. */
MUST_CHECK bool repo_list_dir(const char *path, GPtrArray **ret_names, Error **err);
/* A folder of plain files and the files; what is not there is not missed. */
void repo_remove_dir(const char *path);
/* Ends what additions left that were interrupted. By who may write. */
MUST_CHECK bool repo_sweep(Repo *repo, Error **err);
