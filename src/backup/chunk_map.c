/* Maps: reading and writing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/chunk_map.h"

#include <string.h>

G_STATIC_ASSERT(sizeof(Hash) == HASH_BYTES && MAP_FAN * sizeof(Hash) <= CHUNK_BYTES);

typedef struct Page {
    bool is_there;
    uint64_t number;
    Hash hashes[CHUNK_BYTES / sizeof(Hash)];
} Page;

struct MapReader {
    Repo *repo;
    const ChunkMap *map;
    ChunkCodec *codec;
    Page node, leaf;
};

typedef struct Leaf {
    bool is_new; /* else it is the base's */
    unsigned held;
    Hash *hashes; /* MAP_FAN; while it is held */
} Leaf;

struct MapWriter {
    RepoAddition *addition;
    uint64_t size, n_leaves, stored;
    MapReader *base;
    GMutex lock;
    Leaf *leaves;
    Hash *done; /* hashes of leaves */
};

static uint64_t divide_up(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0);
}

uint64_t chunk_map_n_nodes(uint64_t size)
{
    return divide_up(size, NODE_BYTES);
}

uint64_t chunk_map_n_chunks(uint64_t size)
{
    return divide_up(size, CHUNK_BYTES);
}

size_t chunk_map_len(uint64_t size, uint64_t number)
{
    return (size_t)MIN(size - number * CHUNK_BYTES, CHUNK_BYTES);
}

void chunk_map_clear(ChunkMap *map)
{
    if (map->nodes)
        g_array_unref(map->nodes);
    *map = (ChunkMap){ 0 };
}

/* How many hashes a page has whose first stands for item @first of @all. */
static unsigned page_len(uint64_t all, uint64_t first)
{
    return (unsigned)MIN(all - first, MAP_FAN);
}

/* ---- reading ---- */

MapReader *map_reader_new(Repo *repo, const ChunkMap *map)
{
    MapReader *reader = g_new0(MapReader, 1);

    reader->repo = repo;
    reader->map = map;
    reader->codec = chunk_codec_new(0);
    return reader;
}

void map_reader_free(MapReader *reader)
{
    if (!reader)
        return;
    chunk_codec_free(reader->codec);
    g_free(reader);
}

static bool read_page(MapReader *reader, Page *page, uint64_t number, const Hash *hash, unsigned n,
                      Error **err)
{
    size_t len = 0;

    if (page->is_there && page->number == number)
        return true;
    page->is_there = false;
    if (!repo_read_chunk(reader->repo, reader->codec, hash, page->hashes, &len, err))
        return error_prefix(err, "its map");
    if (len != n * sizeof(Hash))
        return error_set(err, ERROR_OPERATION_FAILED, "a page of its map has %zu bytes instead of %zu", len,
                         n * sizeof(Hash));
    page->number = number;
    page->is_there = true;
    return true;
}

bool map_reader_leaf_hash(MapReader *reader, uint64_t number, Hash *ret_hash, Error **err)
{
    const uint64_t n_leaves = divide_up(reader->map->size, LEAF_BYTES), node = number / MAP_FAN;

    g_assert(number < n_leaves && node < reader->map->nodes->len);
    const Hash *hash = &g_array_index(reader->map->nodes, Hash, node);
    if (hash_is_null(hash)) {
        *ret_hash = *hash;
        return true;
    }
    if (!read_page(reader, &reader->node, node, hash, page_len(n_leaves, node * MAP_FAN), err))
        return false;
    *ret_hash = reader->node.hashes[number % MAP_FAN];
    return true;
}

bool map_reader_leaf(MapReader *reader, uint64_t number, const Hash **ret_hashes, Error **err)
{
    const unsigned n = page_len(chunk_map_n_chunks(reader->map->size), number * MAP_FAN);
    Hash hash;

    if (!map_reader_leaf_hash(reader, number, &hash, err))
        return false;
    if (!hash_is_null(&hash) && !read_page(reader, &reader->leaf, number, &hash, n, err))
        return false;
    *ret_hashes = hash_is_null(&hash) ? NULL : reader->leaf.hashes;
    return true;
}

/* ---- writing ---- */

MapWriter *map_writer_new(RepoAddition *addition, uint64_t size, MapReader *base)
{
    MapWriter *writer = g_new0(MapWriter, 1);

    writer->addition = addition;
    writer->size = size;
    writer->n_leaves = divide_up(size, LEAF_BYTES);
    writer->leaves = g_new0(Leaf, writer->n_leaves + 1);
    writer->done = g_new0(Hash, writer->n_leaves + 1);
    writer->base = base;
    g_mutex_init(&writer->lock);
    return writer;
}

void map_writer_free(MapWriter *writer)
{
    if (!writer)
        return;
    for (uint64_t i = 0; i < writer->n_leaves; i++)
        g_free(writer->leaves[i].hashes);
    g_free(writer->leaves);
    g_free(writer->done);
    g_mutex_clear(&writer->lock);
    g_free(writer);
}

bool map_writer_hold(MapWriter *writer, uint64_t leaf, Error **err)
{
    const Hash *base = NULL;

    g_assert(!writer->leaves[leaf].hashes);
    if (writer->base && !map_reader_leaf(writer->base, leaf, &base, err))
        return false;
    Hash *hashes = g_new0(Hash, MAP_FAN);
    if (base)
        memcpy(hashes, base, page_len(chunk_map_n_chunks(writer->size), leaf * MAP_FAN) * sizeof(Hash));
    g_mutex_lock(&writer->lock);
    writer->leaves[leaf] = (Leaf){ true, 1, hashes };
    g_mutex_unlock(&writer->lock);
    return true;
}

void map_writer_hold_again(MapWriter *writer, uint64_t leaf)
{
    g_mutex_lock(&writer->lock);
    writer->leaves[leaf].held++;
    g_mutex_unlock(&writer->lock);
}

void map_writer_set(MapWriter *writer, uint64_t chunk, const Hash *hash)
{
    writer->leaves[chunk / MAP_FAN].hashes[chunk % MAP_FAN] = *hash; /* each chunk is set by one thread */
}

static bool store_page(MapWriter *writer, ChunkCodec *codec, const Hash *hashes, unsigned n, Hash *ret_hash,
                       Error **err)
{
    size_t stored = 0;

    if (!repo_add_chunk(writer->addition, codec, hashes, n * sizeof(Hash), ret_hash, &stored, err))
        return false;
    __atomic_add_fetch(&writer->stored, stored, __ATOMIC_RELAXED);
    return true;
}

bool map_writer_release(MapWriter *writer, uint64_t number, ChunkCodec *codec, Error **err)
{
    Leaf *leaf = &writer->leaves[number];
    g_autofree Hash *hashes = NULL;

    g_mutex_lock(&writer->lock);
    if (--leaf->held == 0)
        hashes = g_steal_pointer(&leaf->hashes);
    g_mutex_unlock(&writer->lock);
    return !hashes ||
           store_page(writer, codec, hashes, page_len(chunk_map_n_chunks(writer->size), number * MAP_FAN),
                      &writer->done[number], err);
}

bool map_writer_finish(MapWriter *writer, ChunkCodec *codec, ChunkMap *ret_map, Error **err)
{
    const uint64_t n_nodes = chunk_map_n_nodes(writer->size);
    g_autoptr(GArray) nodes = g_array_sized_new(FALSE, TRUE, sizeof(Hash), (guint)n_nodes);

    for (uint64_t i = 0; i < writer->n_leaves && writer->base; i++)
        if (!writer->leaves[i].is_new && !map_reader_leaf_hash(writer->base, i, &writer->done[i], err))
            return false;
    for (uint64_t node = 0; node < n_nodes; node++) {
        Hash hash;
        if (!store_page(writer, codec, writer->done + node * MAP_FAN,
                        page_len(writer->n_leaves, node * MAP_FAN), &hash, err))
            return false;
        g_array_append_val(nodes, hash);
    }
    *ret_map = (ChunkMap){ .size = writer->size, .nodes = g_steal_pointer(&nodes) };
    return true;
}

uint64_t map_writer_stored(const MapWriter *writer)
{
    return __atomic_load_n(&writer->stored, __ATOMIC_RELAXED);
}
