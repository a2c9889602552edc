/* Streams of files: large pieces, in workers, with their holes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/worker.h"
#include "core/stream_private.h"

#define FILE_DEADLINE_MS 30000 /* of one piece */
#define ZERO_BYTES ((size_t)1 << 20)
#define RESERVE_BYTES ((off_t)64 << 20)    /* of a new file at a time */
#define HOLE_MAX_BYTES ((uint64_t)1 << 30) /* zeros written in one go where there are no holes */

/* A piece of work; a worker owns it meanwhile. */
typedef struct FileJob {
    int fd; /* a duplicate, so that a late job never touches a reused number */
    uint64_t offset, left_bytes;
    bool is_sparse, is_new;
    uint64_t data_end, reserved_end;
    GQueue chunks;      /* to write */
    StreamChunk *chunk; /* that was read */
    int error;
} FileJob;

StreamChunk *stream_chunk_new(size_t size)
{
    StreamChunk *chunk = g_malloc(sizeof(*chunk) + size);

    *chunk = (StreamChunk){ .data = chunk->room };
    return chunk;
}

StreamChunk *stream_chunk_take(void *block, uint8_t *data, size_t len)
{
    StreamChunk *chunk = g_new(StreamChunk, 1);

    *chunk = (StreamChunk){ .len = len, .data = data, .block = block };
    return chunk;
}

void stream_chunk_free(StreamChunk *chunk)
{
    if (!chunk)
        return;
    g_free(chunk->block);
    g_free(chunk);
}

static void chunk_free(void *chunk)
{
    stream_chunk_free(chunk);
}

static void file_job_free(void *data)
{
    FileJob *job = data;

    fd_cleanup(&job->fd);
    g_queue_clear_full(&job->chunks, chunk_free);
    stream_chunk_free(job->chunk);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileJob, file_job_free)

static FileJob *file_job_new(const Stream *stream, Error **err)
{
    g_autoptr(FileJob) job = g_new0(FileJob, 1);

    g_queue_init(&job->chunks);
    job->fd = fcntl(stream->fd, F_DUPFD_CLOEXEC, 0);
    job->offset = stream->offset;
    job->left_bytes = stream->left_bytes;
    job->is_sparse = stream->file.is_sparse;
    job->is_new = stream->file.is_new;
    job->data_end = stream->data_end;
    job->reserved_end = stream->reserved_end;
    if (job->fd < 0) {
        error_set_errno(err, errno, "cannot duplicate a descriptor");
        return NULL;
    }
    return g_steal_pointer(&job);
}

/* ---- in workers ---- */

/* What lies at the place: *ret_len bytes of data (at least one), or of a hole. */
static void file_find_extent(FileJob *job, uint64_t *ret_len, bool *ret_is_hole)
{
    *ret_len = job->left_bytes;
    *ret_is_hole = false;
    if (!job->is_sparse)
        return;
    if (job->offset < job->data_end) { /* a file in memory is walked page by page to find out again */
        *ret_len = MIN(job->data_end - job->offset, job->left_bytes);
        return;
    }
    off_t data = lseek(job->fd, (off_t)job->offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) /* nothing but a hole up to the end, or the end itself */
        data = lseek(job->fd, 0, SEEK_END);
    if (data > (off_t)job->offset) {
        *ret_len = MIN((uint64_t)data - job->offset, job->left_bytes);
        *ret_is_hole = true;
        return;
    }
    const off_t hole = data < 0 ? -1 : lseek(job->fd, (off_t)job->offset, SEEK_HOLE);
    if (hole > (off_t)job->offset) {
        *ret_len = MIN((uint64_t)hole - job->offset, job->left_bytes);
        job->data_end = (uint64_t)hole;
    }
}

static void file_job_read(void *data)
{
    FileJob *job = data;
    uint64_t extent = 0;
    bool is_hole = false;

    file_find_extent(job, &extent, &is_hole);
    const size_t size = is_hole ? 0 : (size_t)MIN(extent, (uint64_t)STREAM_CHUNK_BYTES);
    if (!job->chunk)
        job->chunk = stream_chunk_new(STREAM_CHUNK_BYTES);
    job->chunk->len = 0;
    job->chunk->hole_bytes = is_hole ? extent : 0;
    while (job->chunk->len < size) {
        const size_t len = job->chunk->len;
        const ssize_t got = pread(job->fd, job->chunk->data + len, size - len, (off_t)(job->offset + len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            job->error = errno;
        if (got <= 0)
            return;
        job->chunk->len += (size_t)got;
    }
}

/* Room for what comes next of a new file. A file system that chooses the place of each page later spends more
 * on that, and does it all while the file takes the place of an old one. */
static void file_reserve(FileJob *job, size_t len)
{
    struct statfs fs;

    if (!job->is_new || job->is_sparse || job->offset + len <= job->reserved_end)
        return;
    /* Where that can't be had, writing tells what is wrong, if anything is. In memory nothing is gained. */
    job->reserved_end =
        fstatfs(job->fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC &&
                fallocate(job->fd, FALLOC_FL_KEEP_SIZE, (off_t)job->offset, RESERVE_BYTES) == 0
            ? job->offset + RESERVE_BYTES
            : UINT64_MAX;
}

static bool file_write_data(FileJob *job, const uint8_t *data, size_t len)
{
    file_reserve(job, len);
    while (len > 0) {
        const ssize_t put = pwrite(job->fd, data, len, (off_t)job->offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            job->error = put < 0 ? errno : ENOSPC;
            return false;
        }
        data += put;
        len -= (size_t)put;
        job->offset += (uint64_t)put;
    }
    return true;
}

/* Zeros in a place where something may be; a hole, where that can be had. */
static bool file_write_hole(FileJob *job, uint64_t len)
{
    const uint64_t end = job->offset + len;
    uint64_t range[2] = { job->offset, len };
    struct stat st;

    if (fstat(job->fd, &st) < 0) {
        job->error = errno;
        return false;
    }
    const bool is_past_end = S_ISREG(st.st_mode) && (uint64_t)st.st_size <= job->offset;
    const bool is_done =
        job->is_new || is_past_end ||
        fallocate(job->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)job->offset, (off_t)len) == 0 ||
        (S_ISBLK(st.st_mode) && ioctl(job->fd, BLKZEROOUT, range) == 0);
    if (!is_done) {
        g_autofree uint8_t *zeros = g_malloc0(ZERO_BYTES);
        while (job->offset < end)
            if (!file_write_data(job, zeros, (size_t)MIN(end - job->offset, ZERO_BYTES)))
                return false;
    }
    job->offset = end;
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < end && ftruncate(job->fd, (off_t)end) < 0) {
        job->error = errno;
        return false;
    }
    return true;
}

static void file_job_write(void *data)
{
    FileJob *job = data;

    for (GList *at = job->chunks.head; at; at = at->next) {
        StreamChunk *chunk = at->data;
        const uint64_t len = chunk->len ? chunk->len : MIN(chunk->hole_bytes, HOLE_MAX_BYTES);
        if (job->left_bytes < len) { /* what fits is written, as libvirtd does */
            chunk->len = (size_t)MIN(chunk->len, job->left_bytes);
            if (!chunk->len || file_write_data(job, chunk->data, chunk->len))
                job->error = ENOSPC;
            return;
        }
        if (chunk->len ? !file_write_data(job, chunk->data, chunk->len) : !file_write_hole(job, len))
            return;
        if (job->left_bytes != UINT64_MAX)
            job->left_bytes -= len;
        chunk->hole_bytes -= chunk->len ? 0 : len;
        if (chunk->hole_bytes) /* the rest in another turn */
            return;
        chunk->len = 0;
    }
}

static void file_job_trim(void *data)
{
    FileJob *job = data;

    if (ftruncate(job->fd, (off_t)job->offset) < 0)
        job->error = errno;
}

/* ---- in fibers ---- */

/* On success *io_job is the caller's again, else NULL. */
static bool file_run(Stream *stream, void (*func)(void *data), FileJob **io_job, Error **err)
{
    WorkerLane *lane = stream->path ? worker_lane_for_path(stream->path) : worker_lane_state();

    if (worker_run(lane, func, *io_job, file_job_free, FILE_DEADLINE_MS, err))
        return true;
    *io_job = NULL;
    return error_prefix(err, "%s", stream->path ? stream->path : "stream");
}

static bool file_read_chunk(Stream *stream, StreamChunk **io_chunk, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(stream, err);

    if (!job)
        return false;
    job->chunk = g_steal_pointer(io_chunk);
    if (!file_run(stream, file_job_read, &job, err))
        return false;
    if (job->error)
        return error_set_errno(err, job->error, "cannot read '%s'", stream->path ? stream->path : "stream");
    const uint64_t len = job->chunk->len + job->chunk->hole_bytes;
    stream->data_end = job->data_end;
    stream->offset += len;
    if (stream->left_bytes != UINT64_MAX)
        stream->left_bytes -= len;
    *io_chunk = g_steal_pointer(&job->chunk);
    return true;
}

bool stream_read_chunk(Stream *stream, StreamChunk **io_chunk, Error **err)
{
    if (!(stream->direction & STREAM_TO_CLIENT))
        return error_set(err, ERROR_STREAM_INVALID, "the stream cannot be read");
    if (stream->killed)
        return stream_fail_killed(stream, err);
    stream_enter(stream);
    const bool ok = file_read_chunk(stream, io_chunk, err);
    stream_leave(stream);
    return ok;
}

/* Whether nothing is left to do; what is done is dropped. */
static bool file_is_written(GQueue *chunks)
{
    for (StreamChunk *chunk; (chunk = g_queue_peek_head(chunks)) && !chunk->len && !chunk->hole_bytes;)
        stream_chunk_free(g_queue_pop_head(chunks));
    return g_queue_is_empty(chunks);
}

static bool file_write_chunks(Stream *stream, GQueue *chunks, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(stream, err);

    if (!job)
        return false;
    for (StreamChunk *chunk; (chunk = g_queue_pop_head(chunks));)
        g_queue_push_tail(&job->chunks, chunk);
    while (!file_is_written(&job->chunks)) {
        if (!file_run(stream, file_job_write, &job, err))
            return false;
        stream->offset = job->offset;
        stream->left_bytes = job->left_bytes;
        stream->reserved_end = job->reserved_end;
        if (job->error)
            return error_set_errno(err, job->error, "cannot write to stream");
        if (stream->closed)
            return stream_fail_killed(stream, err);
    }
    return true;
}

bool stream_write_chunks(Stream *stream, GQueue *chunks, Error **err)
{
    if (!(stream->direction & STREAM_FROM_CLIENT))
        return error_set(err, ERROR_STREAM_INVALID, "the stream cannot be written");
    if (stream->killed)
        return stream_fail_killed(stream, err);
    stream_enter(stream);
    const bool ok = file_write_chunks(stream, chunks, err);
    stream_leave(stream);
    return ok;
}

bool stream_trim(Stream *stream, Error **err)
{
    if (stream->reserved_end <= stream->offset)
        return true;
    g_autoptr(FileJob) job = file_job_new(stream, err);
    if (!job || !file_run(stream, file_job_trim, &job, err))
        return false;
    return job->error == 0 || error_set_errno(err, job->error, "cannot give back room of '%s'", stream->path);
}
