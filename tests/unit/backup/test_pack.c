/* Packs, and packs that are damaged. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <glib/gstdio.h>

#include "backup/pack.h"

typedef struct Sample {
    char dir[32];
    char *path, *name;
    size_t size;
    Hash hashes[3];
} Sample;

static void sample_make(Sample *sample)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(ChunkCodec) codec = chunk_codec_new(1);
    PackWriter *writer = NULL;

    g_strlcpy(sample->dir, "/tmp/test-pack-XXXXXX", sizeof(sample->dir));
    check(g_mkdtemp(sample->dir) != NULL);
    sample->path = g_strdup_printf("%s/p", sample->dir);
    check_ok(pack_writer_open(sample->path, &writer, &err), err);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *text = g_strdup_printf("chunk number %u", i);
        const void *frame = NULL;
        const size_t stored = chunk_compress(codec, text, strlen(text), &frame);
        hash_of(text, strlen(text), &sample->hashes[i]);
        check_ok(pack_writer_add(writer, &sample->hashes[i], frame, stored, strlen(text), &err), err);
    }
    check_ok(pack_writer_finish(writer, &sample->name, &err), err);
    sample->size = (size_t)pack_writer_size(writer);
    pack_writer_free(writer);
}

static void sample_clear(Sample *sample)
{
    (void)g_unlink(sample->path);
    (void)g_rmdir(sample->dir);
    g_free(sample->path);
    g_free(sample->name);
}

static GArray *sample_read(const Sample *sample, PackHealth *health)
{
    g_autoptr(Error) err = NULL;
    GArray *entries = NULL;
    AUTO_FD fd = open(sample->path, O_RDONLY);

    check_ok(pack_read_table(fd, sample->name, &entries, health, &err), err);
    return entries;
}

TEST(a_pack_has_what_was_written)
{
    Sample sample = { { 0 } };
    PackHealth health = PACK_NO_TABLE;

    sample_make(&sample);
    g_autoptr(GArray) entries = sample_read(&sample, &health);
    check_eq(health, PACK_GOOD);
    check_eq(entries->len, 3);
    for (unsigned i = 0; i < 3; i++)
        check(hash_equal(&g_array_index(entries, PackEntry, i).hash, &sample.hashes[i]));
    sample_clear(&sample);
}

TEST(a_pack_that_is_cut_off_anywhere_still_has_its_whole_chunks)
{
    Sample sample = { { 0 } };
    PackHealth health = PACK_GOOD;

    sample_make(&sample);
    for (size_t size = sample.size; size-- > 0;) {
        check_eq(truncate(sample.path, (off_t)size), 0);
        g_autoptr(GArray) entries = sample_read(&sample, &health);
        check_eq(health, PACK_NO_TABLE);
        check(entries->len <= 3);
        for (guint i = 0; i < entries->len; i++) {
            const PackEntry *entry = &g_array_index(entries, PackEntry, i);
            check(entry->offset + entry->stored <= size);
        }
        check(size < sample.size - 3 * 48 || entries->len == 3);
    }
    sample_clear(&sample);
}

TEST(a_byte_that_changed_anywhere_is_noticed_or_harms_one_chunk)
{
    Sample sample = { { 0 } };
    g_autofree char *data = NULL;
    PackHealth health = PACK_GOOD;

    sample_make(&sample);
    check(g_file_get_contents(sample.path, &data, NULL, NULL));
    for (size_t at = 0; at < sample.size; at++) {
        unsigned n_right = 0;
        data[at] ^= 0x10;
        check(g_file_set_contents(sample.path, data, (gssize)sample.size, NULL));
        data[at] ^= 0x10;
        g_autoptr(GArray) entries = sample_read(&sample, &health);
        for (guint i = 0; i < entries->len; i++)
            for (unsigned k = 0; k < 3; k++)
                n_right += hash_equal(&g_array_index(entries, PackEntry, i).hash, &sample.hashes[k]);
        check(health == PACK_GOOD ? n_right == 3 : n_right >= 2);
    }
    sample_clear(&sample);
}
