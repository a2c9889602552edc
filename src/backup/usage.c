/* Walking maps. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/usage.h"

typedef struct Walk {
    Repo *repo;
    UsageVisit visit;
    bool (*func)(const UsageVisit *visit, void *arg);
    void *arg;
} Walk;

static bool walk_one(Walk *walk, const Hash *hash, uint64_t offset, uint64_t len, const char *problem)
{
    walk->visit.offset = offset;
    walk->visit.len = len;
    walk->visit.hash = hash;
    walk->visit.place = chunk_index_find(repo_index(walk->repo), hash);
    walk->visit.problem = problem;
    return hash_is_null(hash) || walk->func(&walk->visit, walk->arg);
}

static bool walk_leaf(Walk *walk, const ChunkMap *map, MapReader *reader, uint64_t leaf)
{
    const uint64_t offset = leaf * LEAF_BYTES, len = MIN(LEAF_BYTES, map->size - offset);
    const Hash *hashes = NULL;
    g_autoptr(Error) why = NULL;
    Hash hash = { 0 };

    if (!map_reader_leaf_hash(reader, leaf, &hash, NULL)) /* told with its node */
        return true;
    const bool ok = map_reader_leaf(reader, leaf, &hashes, &why);
    if (!walk_one(walk, &hash, offset, len, ok ? NULL : error_message(why)))
        return false;
    for (uint64_t i = 0; hashes && i < chunk_map_n_chunks(len); i++)
        if (!walk_one(walk, &hashes[i], offset + i * CHUNK_BYTES, chunk_map_len(len, i), NULL))
            return false;
    return true;
}

static bool walk_map(Walk *walk, const ChunkMap *map)
{
    g_autoptr(MapReader) reader = map_reader_new(walk->repo, map);

    for (guint node = 0; node < map->nodes->len; node++) {
        const uint64_t offset = node * NODE_BYTES, len = MIN(NODE_BYTES, map->size - offset);
        g_autoptr(Error) why = NULL;
        Hash first;
        const bool ok = map_reader_leaf_hash(reader, (uint64_t)node * MAP_FAN, &first, &why);
        if (!walk_one(walk, &g_array_index(map->nodes, Hash, node), offset, len,
                      ok ? NULL : error_message(why)))
            return false;
        for (uint64_t i = 0; ok && i * LEAF_BYTES < len; i++)
            if (!walk_leaf(walk, map, reader, (uint64_t)node * MAP_FAN + i))
                return false;
    }
    return true;
}

bool usage_walk(Repo *repo, const Manifest *manifest, bool (*visit)(const UsageVisit *visit, void *arg),
                void *arg)
{
    Walk walk = { .repo = repo, .visit = { .manifest = manifest }, .func = visit, .arg = arg };

    for (guint i = 0; i < manifest->disks->len; i++) {
        walk.visit.kind = "disk";
        walk.visit.name = manifest_disk_at(manifest, i)->target;
        if (!walk_map(&walk, &manifest_disk_at(manifest, i)->map))
            return false;
    }
    for (guint i = 0; i < manifest->files->len; i++) {
        walk.visit.kind = "file";
        walk.visit.name = manifest_file_at(manifest, i)->name;
        if (!walk_map(&walk, &manifest_file_at(manifest, i)->map))
            return false;
    }
    return true;
}
