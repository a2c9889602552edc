/* Which chunks a disk or a file consists of: a tree of hashes, always two levels deep.
 *
 * A *leaf* is the hashes of MAP_FAN chunks that lie side by side, a *node* those of MAP_FAN leaves. Both are
 * chunks themselves, so two backups share what is equal. A manifest has the hashes of the nodes. A null hash
 * stands for zeroes, however large. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/repo.h"

#define MAP_FAN 1024u
#define LEAF_BYTES ((uint64_t)MAP_FAN * CHUNK_BYTES)
#define NODE_BYTES ((uint64_t)MAP_FAN * LEAF_BYTES)
#define MAP_MAX_BYTES (UINT64_C(1) << 52)

typedef struct ChunkMap {
    uint64_t size; /* bytes of the disk or file */
    GArray *nodes; /* of Hash: one for each NODE_BYTES */
} ChunkMap;
void chunk_map_clear(ChunkMap *map);
/* How many nodes a map of @size bytes has; chunks, likewise. */
uint64_t chunk_map_n_nodes(uint64_t size);
uint64_t chunk_map_n_chunks(uint64_t size);
/* Bytes of chunk @number: fewer in the last one. */
size_t chunk_map_len(uint64_t size, uint64_t number);

/* ---- reading ---- */

/* Leaves of a map, one after the other; keeps the last node and the last leaf. One thread. */
typedef struct MapReader MapReader;
MapReader *map_reader_new(Repo *repo, const ChunkMap *map);
void map_reader_free(MapReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MapReader, map_reader_free)
/* The hash of leaf @number. false: its node cannot be read. */
MUST_CHECK bool map_reader_leaf_hash(MapReader *reader, uint64_t number, Hash *ret_hash, Error **err);
/* The hashes of its chunks, MAP_FAN or fewer at the end; borrowed. NULL in *ret_hashes: all are null. */
MUST_CHECK bool map_reader_leaf(MapReader *reader, uint64_t number, const Hash **ret_hashes, Error **err);

/* ---- writing ---- */

/* Makes a map while chunks come in any order. Any thread may set; a leaf is stored when nobody holds it. */
typedef struct MapWriter MapWriter;
/* @base: leaves that nobody holds are taken from it; NULL: they are null. Borrowed. */
MapWriter *map_writer_new(RepoAddition *addition, uint64_t size, MapReader *base);
void map_writer_free(MapWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MapWriter, map_writer_free)
/* By the thread that has @base: the leaf is going to change. It begins as the base has it. */
MUST_CHECK bool map_writer_hold(MapWriter *writer, uint64_t leaf, Error **err);
/* Another one holds it, too. */
void map_writer_hold_again(MapWriter *writer, uint64_t leaf);
void map_writer_set(MapWriter *writer, uint64_t chunk, const Hash *hash);
MUST_CHECK bool map_writer_release(MapWriter *writer, uint64_t leaf, ChunkCodec *codec, Error **err);
/* When nothing is held. *ret_map is the caller's. */
MUST_CHECK bool map_writer_finish(MapWriter *writer, ChunkCodec *codec, ChunkMap *ret_map, Error **err);
/* What the leaves and nodes cost. */
uint64_t map_writer_stored(const MapWriter *writer);
