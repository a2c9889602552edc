/* The content of disks and files: into a repository and out of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/manifest.h"
#include "backup/nbd.h"

/* Reads a disk into a repository: fills disk->map, read_bytes, stored_bytes and is_incremental.
 *
 * @base  what the disk was when place->bitmap began; NULL: all of it is read. If the bitmap or parts of the
 *        base are not there, or the size is another, all is read, too, and disk->full_reason says why.
 * @level of zstd */
MUST_CHECK bool disk_read(Repo *repo, RepoAddition *addition, const NbdPlace *place, const ChunkMap *base,
                          int level, WorkProgress *progress, ManifestDisk *disk, Error **err);

typedef enum DiskTarget {
    DISK_IS_EMPTY, /* what is not written reads as zeroes */
    DISK_IS_USED,  /* zeroes are written, too */
} DiskTarget;

/* Writes a disk. @damage: gets a sentence for each chunk that is damaged (char *, owned), which is left out;
 * NULL: the first one is a failure. */
MUST_CHECK bool disk_write(Repo *repo, const ManifestDisk *disk, const NbdPlace *place, DiskTarget target,
                           WorkProgress *progress, GPtrArray *damage, Error **err);

/* A file that is small enough for memory. */
#define BACKUP_FILE_MAX ((size_t)16 << 20)
MUST_CHECK bool file_store(RepoAddition *addition, int level, const void *data, size_t len,
                           ManifestFile *file, Error **err);
/* *ret_data: owned. */
MUST_CHECK bool file_fetch(Repo *repo, const ManifestFile *file, void **ret_data, size_t *ret_len,
                           Error **err);
