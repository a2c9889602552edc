/* Where chunks are: from a hash to a place in a pack. In memory, 64 bytes a chunk (1 GiB for each TiB of
 * different data); made from the tables of the packs when a repository is opened, so there is no file that
 * could disagree with them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/chunk.h"

typedef struct ChunkPlace {
    Hash hash;
    uint64_t offset; /* of its frame in the pack */
    uint32_t stored; /* bytes of the frame */
    uint32_t len;    /* bytes of the chunk */
    uint32_t pack;   /* number of the pack, as whoever fills the index counts */
} ChunkPlace;

typedef struct ChunkIndex ChunkIndex;
ChunkIndex *chunk_index_new(void);
void chunk_index_free(ChunkIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChunkIndex, chunk_index_free)

/* false: it has the chunk already; that place stays. */
bool chunk_index_add(ChunkIndex *index, const ChunkPlace *place);
/* NULL: it does not have it. Borrowed until the next chunk_index_add(). */
const ChunkPlace *chunk_index_find(const ChunkIndex *index, const Hash *hash);

/* Chunks have numbers, in the order in which they came. */
uint32_t chunk_index_count(const ChunkIndex *index);
const ChunkPlace *chunk_index_at(const ChunkIndex *index, uint32_t number);
uint32_t chunk_index_number(const ChunkIndex *index, const ChunkPlace *place);
