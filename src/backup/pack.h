/* A pack: a file of many chunks, which is written once and never changed.
 *
 * Each chunk has its hash and length in front, so a pack whose table is damaged can be walked. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/chunk.h"

#define PACK_BYTES ((uint64_t)64 << 20) /* a pack that is so large gets no more chunks */
#define PACK_MAX_BYTES ((uint64_t)1 << 30)
#define PACK_SUFFIX ".pack"

/* As it stands in the table, but in the host's order. */
typedef struct PackEntry {
    Hash hash;
    uint64_t offset; /* of its zstd frame in the file */
    uint32_t stored; /* bytes of the frame */
    uint32_t len;    /* bytes of the chunk */
} PackEntry;

typedef enum PackHealth {
    PACK_GOOD,
    PACK_NO_TABLE, /* damaged or cut off: what there is was found by walking it */
} PackHealth;

/* The chunks of the pack @fd, in the order of the file; GArray of PackEntry, owned. @name: its name without
 * the suffix, which is the hash of its table. Only a file that cannot be read is an error. */
MUST_CHECK bool pack_read_table(int fd, const char *name, GArray **ret_entries, PackHealth *ret_health,
                                Error **err);

/* Whether all bytes in front of the table are what was written; the table is believed. *ret_bytes: of the
 * file. */
MUST_CHECK bool pack_check_sum(int fd, bool *ret_good, uint64_t *ret_bytes, Error **err);

typedef struct PackWriter PackWriter;
/* @path must not be there. */
MUST_CHECK bool pack_writer_open(const char *path, PackWriter **ret_writer, Error **err);
/* @frame: of zstd. *ret_entry: where it is. */
MUST_CHECK bool pack_writer_add(PackWriter *writer, const Hash *hash, const void *frame, size_t stored,
                                size_t len, Error **err);
uint64_t pack_writer_size(const PackWriter *writer);
const char *pack_writer_path(const PackWriter *writer);
/* Writes the table and waits until all of it is on the disk. *ret_name: what its name has to be, without the
 * suffix; owned. */
MUST_CHECK bool pack_writer_finish(PackWriter *writer, char **ret_name, Error **err);
void pack_writer_free(PackWriter *writer); /* NULL: nothing. The file stays. */
