/* A piece of a disk or of a file, as a repository of backups keeps it: known by the SHA-256 of what it
 * contains, compressed by zstd. docs/reference/backup-repository.md describes every format of this layer.
 *
 * All of this layer runs in plain threads and blocks; none of it needs a loop or a fiber. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* The grain of QEMU's dirty bitmaps and the cluster of qcow2: a block that a guest changed costs no more than
 * this, and files that several disks have mostly begin and end in different places, so that larger pieces
 * would seldom be equal. Images change in place, so the pieces need not be cut by content. */
#define CHUNK_BYTES ((size_t)64 << 10)
#define CHUNK_FRAME_MAX (CHUNK_BYTES + 1024) /* compressed, at worst */
#define CHUNK_LEVEL_MAX 19

#define HASH_BYTES 32
#define HASH_TEXT_LEN 65 /* with NUL */
typedef struct Hash {
    uint8_t bytes[HASH_BYTES];
} Hash;
/* All zeroes: a chunk that holds nothing but zeroes, which is not stored. */
bool hash_is_null(const Hash *hash);
bool hash_equal(const Hash *a, const Hash *b);
void hash_format(const Hash *hash, char ret_text[HASH_TEXT_LEN]);
/* 64 hexadecimal digits in lower case, nothing else. */
bool hash_parse(const char *text, Hash *ret_hash);
void hash_of(const void *data, size_t len, Hash *ret_hash);

bool chunk_is_zero(const void *data, size_t len);

/* What compresses and expands; one for each thread. */
typedef struct ChunkCodec ChunkCodec;
/* @level: of zstd; 0: for reading only */
ChunkCodec *chunk_codec_new(int level);
void chunk_codec_free(ChunkCodec *codec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChunkCodec, chunk_codec_free)

/* Room for a frame of CHUNK_FRAME_MAX bytes, the same each time. */
void *chunk_codec_room(ChunkCodec *codec);

/* One zstd frame, borrowed until the next call; it cannot fail. @len at most CHUNK_BYTES. */
size_t chunk_compress(ChunkCodec *codec, const void *data, size_t len, const void **ret_frame);
/* Into @data, which has room for @len bytes. false: it is not what @hash says; *ret_why (a constant) says
 * how. */
bool chunk_expand(ChunkCodec *codec, const void *frame, size_t frame_len, const Hash *hash, void *data,
                  size_t len, const char **ret_why);
