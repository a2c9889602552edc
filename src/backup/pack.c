/* Packs.
 *
 * All that is not a chunk lies in skippable frames of zstd, so `zstd -dc` of a pack prints its chunks one
 * behind the other. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/uuid.h"

#define CHUNK_MAGIC 0x184D2A5Cu /* skippable frames, as the format of zstd numbers them */
#define TABLE_MAGIC 0x184D2A5Du
#define END_MAGIC 0x3150424Cu                 /* "LBP1" */
#define FRAME_HEAD 8                          /* magic, length */
#define CHUNK_HEAD 48                         /* a frame of: hash, stored, length */
#define ENTRY_BYTES 48                        /* hash, offset, stored, length */
#define NONCE_BYTES 8                         /* no two packs have one name */
#define TAIL_BYTES (HASH_BYTES + NONCE_BYTES) /* behind the entries: sum of all before the table */
#define END_BYTES 16                          /* offset of the table's frame, number of entries, magic */
#define FLUSH_BYTES ((uint64_t)8 << 20)

struct PackWriter {
    int fd;
    char *path;
    uint64_t size, flushed;
    GByteArray *table;
    gcry_md_hd_t sum; /* of all that was written; NULL: complete */
};

/* ---- numbers ---- */

static void put32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return GUINT64_FROM_LE(value);
}

/* ---- reading ---- */

/* Nothing a file says is believed before it fits into the file. */
static bool entry_is_sane(const PackEntry *entry, uint64_t end)
{
    return entry->len > 0 && entry->len <= CHUNK_BYTES && entry->stored > 0 &&
           entry->stored <= CHUNK_FRAME_MAX && entry->offset >= CHUNK_HEAD && entry->offset <= end &&
           entry->stored <= end - entry->offset && !hash_is_null(&entry->hash);
}

static bool read_all(int fd, void *data, size_t len, uint64_t offset, Error **err)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = pread(fd, (uint8_t *)data + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot read");
        if (n == 0)
            return error_set(err, ERROR_OPERATION_FAILED, "the file is cut off");
        done += (size_t)n;
    }
    return true;
}

static bool parse_table(const uint8_t *table, uint32_t n, uint64_t end, GArray *entries)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *at = table + (size_t)i * ENTRY_BYTES;
        PackEntry entry = { .offset = get64(at + HASH_BYTES),
                            .stored = get32(at + HASH_BYTES + 8),
                            .len = get32(at + HASH_BYTES + 12) };
        memcpy(entry.hash.bytes, at, HASH_BYTES);
        if (!entry_is_sane(&entry, end))
            return false;
        g_array_append_val(entries, entry);
    }
    return true;
}

/* NULL: there is none that can be trusted. */
static GArray *read_table(int fd, const char *name, uint64_t size)
{
    uint8_t end[END_BYTES];
    char found[HASH_TEXT_LEN];
    Hash hash;

    if (size < FRAME_HEAD + END_BYTES || !read_all(fd, end, sizeof(end), size - END_BYTES, NULL) ||
        get32(end + 12) != END_MAGIC)
        return NULL;
    const uint64_t at = get64(end), len = (uint64_t)get32(end + 8) * ENTRY_BYTES;
    if (len > size || at > size || at + FRAME_HEAD + len + TAIL_BYTES + END_BYTES != size)
        return NULL;
    g_autofree uint8_t *table = g_malloc(len + TAIL_BYTES);
    if (!read_all(fd, table, len + TAIL_BYTES, at + FRAME_HEAD, NULL))
        return NULL;
    hash_of(table, len + TAIL_BYTES, &hash);
    hash_format(&hash, found);
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(PackEntry));
    if (strcmp(found, name) != 0 || !parse_table(table, get32(end + 8), at, entries))
        return NULL;
    return g_steal_pointer(&entries);
}

/* Whatever stands behind a head that makes sense. Whether it is what the head says, its hash will tell. */
static void walk(const uint8_t *data, size_t size, GArray *entries)
{
    uint8_t sign[FRAME_HEAD];

    put32(sign, CHUNK_MAGIC);
    put32(sign + 4, CHUNK_HEAD - FRAME_HEAD);
    for (size_t at = 0; at < size && size - at > CHUNK_HEAD;) {
        const uint8_t *head = memmem(data + at, size - at, sign, sizeof(sign));
        if (!head || (size_t)(data + size - head) <= CHUNK_HEAD)
            return;
        PackEntry entry = { .offset = (uint64_t)(head - data) + CHUNK_HEAD,
                            .stored = get32(head + FRAME_HEAD + HASH_BYTES),
                            .len = get32(head + FRAME_HEAD + HASH_BYTES + 4) };
        memcpy(entry.hash.bytes, head + FRAME_HEAD, HASH_BYTES);
        if (!entry_is_sane(&entry, size)) {
            at = (size_t)(head - data) + 1;
            continue;
        }
        g_array_append_val(entries, entry);
        at = entry.offset + entry.stored;
    }
}

bool pack_read_table(int fd, const char *name, GArray **ret_entries, PackHealth *ret_health, Error **err)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return error_set_errno(err, errno, "cannot look at pack '%s'", name);
    if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > PACK_MAX_BYTES)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s" PACK_SUFFIX "' is no pack", name);
    *ret_health = PACK_GOOD;
    GArray *entries = read_table(fd, name, (uint64_t)info.st_size);
    if (!entries) {
        g_autofree uint8_t *data = g_malloc((size_t)info.st_size + 1);
        if (!read_all(fd, data, (size_t)info.st_size, 0, err))
            return error_prefix(err, "pack '%s'", name);
        entries = g_array_new(FALSE, FALSE, sizeof(PackEntry));
        walk(data, (size_t)info.st_size, entries);
        *ret_health = PACK_NO_TABLE;
    }
    *ret_entries = entries;
    return true;
}

#define SUM_STEP ((size_t)1 << 20)

bool pack_check_sum(int fd, bool *ret_good, uint64_t *ret_bytes, Error **err)
{
    uint8_t end[END_BYTES], expected[HASH_BYTES];
    g_autofree uint8_t *data = g_malloc(SUM_STEP);
    struct stat info;
    bool ok = true;

    if (fstat(fd, &info) < 0)
        return error_set_errno(err, errno, "cannot look at a pack");
    *ret_good = false;
    *ret_bytes = (uint64_t)info.st_size;
    if (*ret_bytes < FRAME_HEAD + TAIL_BYTES + END_BYTES)
        return true;
    if (!read_all(fd, end, sizeof(end), *ret_bytes - END_BYTES, err) ||
        !read_all(fd, expected, sizeof(expected), *ret_bytes - END_BYTES - TAIL_BYTES, err))
        return false;
    const uint64_t len = get64(end);
    if (len > *ret_bytes)
        return true;
    gcry_md_hd_t sum = digest_open(GCRY_MD_SHA256);
    for (uint64_t at = 0, n = 0; ok && at < len; at += n) {
        n = MIN(len - at, SUM_STEP);
        ok = read_all(fd, data, (size_t)n, at, err);
        gcry_md_write(sum, data, (size_t)n);
    }
    *ret_good = ok && memcmp(gcry_md_read(sum, GCRY_MD_SHA256), expected, HASH_BYTES) == 0;
    gcry_md_close(sum);
    return ok;
}

/* ---- writing ---- */

static void add_to_sum(PackWriter *writer, const void *data, size_t len)
{
    if (writer->sum)
        gcry_md_write(writer->sum, data, len);
}

static bool write_all(PackWriter *writer, struct iovec *parts, int n_parts, Error **err)
{
    while (n_parts) {
        ssize_t n = writev(writer->fd, parts, n_parts);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot write '%s'", writer->path);
        writer->size += (uint64_t)n;
        while (n_parts && (size_t)n >= parts->iov_len) {
            add_to_sum(writer, parts->iov_base, parts->iov_len);
            n -= (ssize_t)parts->iov_len;
            parts++;
            n_parts--;
        }
        if (n_parts) {
            add_to_sum(writer, parts->iov_base, (size_t)n);
            parts->iov_base = (uint8_t *)parts->iov_base + n;
            parts->iov_len -= (size_t)n;
        }
    }
    return true;
}

bool pack_writer_open(const char *path, PackWriter **ret_writer, Error **err)
{
    const int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0)
        return error_set_errno(err, errno, "cannot make '%s'", path);
    PackWriter *writer = g_new0(PackWriter, 1);
    writer->fd = fd;
    writer->path = g_strdup(path);
    writer->table = g_byte_array_new();
    writer->sum = digest_open(GCRY_MD_SHA256);
    *ret_writer = writer;
    return true;
}

bool pack_writer_add(PackWriter *writer, const Hash *hash, const void *frame, size_t stored, size_t len,
                     Error **err)
{
    uint8_t head[CHUNK_HEAD], entry[ENTRY_BYTES];
    struct iovec parts[] = { { head, sizeof(head) }, { (void *)frame, stored } };

    put32(head, CHUNK_MAGIC);
    put32(head + 4, CHUNK_HEAD - FRAME_HEAD);
    memcpy(head + FRAME_HEAD, hash->bytes, HASH_BYTES);
    put32(head + FRAME_HEAD + HASH_BYTES, (uint32_t)stored);
    put32(head + FRAME_HEAD + HASH_BYTES + 4, (uint32_t)len);
    memcpy(entry, hash->bytes, HASH_BYTES);
    put64(entry + HASH_BYTES, writer->size + CHUNK_HEAD);
    put32(entry + HASH_BYTES + 8, (uint32_t)stored);
    put32(entry + HASH_BYTES + 12, (uint32_t)len);
    if (!write_all(writer, parts, 2, err))
        return false;
    g_byte_array_append(writer->table, entry, sizeof(entry));
    /* The disk works while we do, so that there is little to wait for at the end. */
    if (writer->size - writer->flushed >= FLUSH_BYTES) {
        (void)sync_file_range(writer->fd, (off_t)writer->flushed, (off_t)(writer->size - writer->flushed),
                              SYNC_FILE_RANGE_WRITE);
        writer->flushed = writer->size;
    }
    return true;
}

uint64_t pack_writer_size(const PackWriter *writer)
{
    return writer->size;
}

const char *pack_writer_path(const PackWriter *writer)
{
    return writer->path;
}

bool pack_writer_finish(PackWriter *writer, char **ret_name, Error **err)
{
    uint8_t head[FRAME_HEAD], end[END_BYTES], nonce[NONCE_BYTES];
    const uint32_t n_entries = writer->table->len / ENTRY_BYTES;

    random_bytes(nonce, sizeof(nonce));
    g_byte_array_append(writer->table, gcry_md_read(writer->sum, GCRY_MD_SHA256), HASH_BYTES);
    g_byte_array_append(writer->table, nonce, sizeof(nonce));
    gcry_md_close(g_steal_pointer(&writer->sum)); /* the table is not in it */
    struct iovec parts[] = { { head, sizeof(head) },
                             { writer->table->data, writer->table->len },
                             { end, sizeof(end) } };
    Hash hash;
    char name[HASH_TEXT_LEN];

    put32(head, TABLE_MAGIC);
    put32(head + 4, (uint32_t)parts[1].iov_len + END_BYTES);
    put64(end, writer->size);
    put32(end + 8, n_entries);
    put32(end + 12, END_MAGIC);
    if (!write_all(writer, parts, 3, err))
        return false;
    if (fsync(writer->fd) < 0)
        return error_set_errno(err, errno, "cannot write '%s'", writer->path);
    hash_of(writer->table->data, writer->table->len, &hash);
    hash_format(&hash, name);
    *ret_name = g_strdup(name);
    return true;
}

void pack_writer_free(PackWriter *writer)
{
    if (!writer)
        return;
    gcry_md_close(writer->sum);
    (void)close(writer->fd); /* what matters was fsynced */
    g_byte_array_unref(writer->table);
    g_free(writer->path);
    g_free(writer);
}
