/* A hash table with open addressing. The keys are SHA-256 of content: any bits of them are evenly spread,
 * unless somebody chose the content; so where the search begins depends on a random number, too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/chunk_index.h"

#include <string.h>

struct ChunkIndex {
    GArray *places;   /* of ChunkPlace */
    uint32_t *slots;  /* number of the place + 1; 0: free */
    uint32_t n_slots; /* a power of 2 */
    uint64_t salt;
};

ChunkIndex *chunk_index_new(void)
{
    ChunkIndex *index = g_new0(ChunkIndex, 1);

    index->places = g_array_new(FALSE, FALSE, sizeof(ChunkPlace));
    index->n_slots = 1024;
    index->slots = g_new0(uint32_t, index->n_slots);
    index->salt = ((uint64_t)g_random_int() << 32 | g_random_int()) | 1;
    return index;
}

void chunk_index_free(ChunkIndex *index)
{
    if (!index)
        return;
    g_array_unref(index->places);
    g_free(index->slots);
    g_free(index);
}

/* The slot that has it, or the free one where it belongs. */
static uint32_t *find_slot(const ChunkIndex *index, const Hash *hash)
{
    uint64_t bits;

    memcpy(&bits, hash->bytes, sizeof(bits));
    uint32_t at = (uint32_t)((bits * index->salt) >> 32) & (index->n_slots - 1);
    while (index->slots[at] && !hash_equal(&chunk_index_at(index, index->slots[at] - 1)->hash, hash))
        at = (at + 1) & (index->n_slots - 1);
    return &index->slots[at];
}

static void grow(ChunkIndex *index)
{
    index->n_slots *= 2;
    index->slots = g_renew(uint32_t, index->slots, index->n_slots);
    memset(index->slots, 0, index->n_slots * sizeof(uint32_t));
    for (guint i = 0; i < index->places->len; i++)
        *find_slot(index, &chunk_index_at(index, i)->hash) = i + 1;
}

bool chunk_index_add(ChunkIndex *index, const ChunkPlace *place)
{
    if (index->places->len >= index->n_slots / 4 * 3)
        grow(index);
    uint32_t *slot = find_slot(index, &place->hash);
    if (*slot)
        return false;
    g_array_append_val(index->places, *place);
    *slot = index->places->len;
    return true;
}

const ChunkPlace *chunk_index_find(const ChunkIndex *index, const Hash *hash)
{
    const uint32_t number = *find_slot(index, hash);

    return number ? chunk_index_at(index, number - 1) : NULL;
}

uint32_t chunk_index_count(const ChunkIndex *index)
{
    return index->places->len;
}

const ChunkPlace *chunk_index_at(const ChunkIndex *index, uint32_t number)
{
    return &g_array_index(index->places, ChunkPlace, number);
}

uint32_t chunk_index_number(const ChunkIndex *index, const ChunkPlace *place)
{
    return (uint32_t)(place - chunk_index_at(index, 0));
}
