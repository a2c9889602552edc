/* Empty qcow2 images on top of another one.
 *
 * Version 3, clusters of 64 KiB, references of 16 bits: header, table and block of references, and the table
 * of an empty disk, each in clusters of its own, as qemu-img lays them out. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image_overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/worker.h"
#include "storage/image_copy.h"

#define CLUSTER_BITS 16
#define CLUSTER_BYTES ((uint64_t)1 << CLUSTER_BITS)
#define MAPPED_BYTES ((uint64_t)1 << 29) /* what an entry of the disk's table stands for */
#define SIZE_MAX_BYTES ((uint64_t)1 << 45)
#define BASE_MAX_BYTES 1023
#define HEADER_BYTES 112
#define EXTENSION_BACKING_FORMAT 0xe2792acaU
enum { CLUSTER_REFERENCES = 1, CLUSTER_BLOCK, CLUSTER_DISK };

typedef struct OverlayJob {
    int fd;
    char *path, *base, *base_format;
    uint64_t size;
} OverlayJob;

static void overlay_job_free(void *data)
{
    OverlayJob *job = data;

    fd_cleanup(&job->fd);
    g_free(job->path);
    g_free(job->base);
    g_free(job->base_format);
    g_free(job);
}

static void put32(GByteArray *out, uint32_t value)
{
    const uint32_t big = GUINT32_TO_BE(value);

    g_byte_array_append(out, (const guint8 *)&big, sizeof(big));
}

static void put64(GByteArray *out, uint64_t value)
{
    put32(out, (uint32_t)(value >> 32));
    put32(out, (uint32_t)value);
}

static void put_text(GByteArray *out, const char *text)
{
    g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
}

static GByteArray *make_header(const OverlayJob *job, uint64_t disk_entries)
{
    static const guint8 zeros[8];
    GByteArray *out = g_byte_array_new();
    const guint format_len = (guint)strlen(job->base_format), padding = -format_len % 8;

    put_text(out, "QFI\xfb");
    put32(out, 3);
    put64(out, HEADER_BYTES + 8 + format_len + padding + 8);
    put32(out, (uint32_t)strlen(job->base));
    put32(out, CLUSTER_BITS);
    put64(out, job->size);
    put32(out, 0); /* not encrypted */
    put32(out, (uint32_t)disk_entries);
    put64(out, CLUSTER_DISK * CLUSTER_BYTES);
    put64(out, CLUSTER_REFERENCES * CLUSTER_BYTES);
    put32(out, 1);
    put32(out, 0); /* snapshots */
    put64(out, 0);
    put64(out, 0); /* features of three kinds */
    put64(out, 0);
    put64(out, 0);
    put32(out, 4); /* 2^4 bits of a reference */
    put32(out, HEADER_BYTES);
    put64(out, 0); /* compression: zlib */
    put32(out, EXTENSION_BACKING_FORMAT);
    put32(out, format_len);
    put_text(out, job->base_format);
    g_byte_array_append(out, zeros, padding);
    put64(out, 0); /* end of extensions */
    put_text(out, job->base);
    return out;
}

static bool write_at(const OverlayJob *job, const GByteArray *data, uint64_t offset)
{
    return lseek(job->fd, (off_t)offset, SEEK_SET) >= 0 && file_write_all(job->fd, data->data, data->len);
}

static bool overlay_run(void *arg, Error **err)
{
    const OverlayJob *job = arg;
    const uint64_t entries = (job->size + MAPPED_BYTES - 1) / MAPPED_BYTES;
    const uint64_t clusters = CLUSTER_DISK + (entries * 8 + CLUSTER_BYTES - 1) / CLUSTER_BYTES;
    g_autoptr(GByteArray) header = make_header(job, entries);
    g_autoptr(GByteArray) references = g_byte_array_new(), block = g_byte_array_new();

    put64(references, CLUSTER_BLOCK * CLUSTER_BYTES);
    for (uint64_t i = 0; i < clusters; i++)
        g_byte_array_append(block, (const guint8 *)"\0\1", 2); /* one reference */
    return (ftruncate(job->fd, (off_t)(clusters * CLUSTER_BYTES)) == 0 &&
            write_at(job, references, CLUSTER_REFERENCES * CLUSTER_BYTES) &&
            write_at(job, block, CLUSTER_BLOCK * CLUSTER_BYTES) && write_at(job, header, 0) &&
            fsync(job->fd) == 0) ||
           error_set_errno(err, errno, "cannot make the image '%s'", job->path);
}

bool overlay_is_plain(const char *format, const char *base, uint64_t size_bytes)
{
    return strcmp(format, "qcow2") == 0 && size_bytes && size_bytes % 512 == 0 &&
           size_bytes <= SIZE_MAX_BYTES && strlen(base) <= BASE_MAX_BYTES;
}

bool overlay_write(int fd, const char *path, const char *base, const char *base_format, uint64_t size_bytes,
                   Error **err)
{
    OverlayJob *job = g_new(OverlayJob, 1);

    *job = (OverlayJob){ .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3),
                         .path = g_strdup(path),
                         .base = g_strdup(base),
                         .base_format = g_strdup(base_format),
                         .size = size_bytes };
    if (!worker_call_path(path, "cannot make", overlay_run, job, overlay_job_free, IMAGE_PIECE_MS, err))
        return false;
    overlay_job_free(job);
    return true;
}
