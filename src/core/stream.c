/* Byte streams between a client and a descriptor of the core.
 *
 * Readiness is watched by an event source of our own rather than by fiber_wait_fd(), because the core may end
 * a stream (the machine died, somebody took the console over) while a fiber of the front end waits in it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "stream"
#include "core/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/socket.h"
#include "base/worker.h"

#define STREAM_FILE_DEADLINE_MS 30000

struct Stream {
    int fd;
    StreamDirection direction;
    bool is_file;
    char *path;
    uint64_t left_bytes; /* of a file; UINT64_MAX: to the end */
    uint64_t offset;
    void (*on_close)(void *arg, bool finished);
    void *on_close_arg;
    void (*on_kill)(void *arg, const Error *err);
    void *on_kill_arg;
    bool killed;
    Error *kill_error;
    sd_event_source *source;
    uint32_t wanted;
    WaitQueue readers, writers;
    unsigned users; /* fibers inside stream_read() or stream_write() */
    bool closed;    /* to be freed when the last of them has left */
};

static int stream_on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    Stream *stream = arg;
    const uint32_t broken = events & (EPOLLHUP | EPOLLERR);

    if ((events & EPOLLIN) || broken) {
        stream->wanted &= ~(uint32_t)EPOLLIN;
        wait_queue_wake_all(&stream->readers);
    }
    if ((events & EPOLLOUT) || broken) {
        stream->wanted &= ~(uint32_t)EPOLLOUT;
        wait_queue_wake_all(&stream->writers);
    }
    /* A hung-up descriptor is always ready: the source sleeps until somebody waits again. */
    (void)sd_event_source_set_io_events(source, stream->wanted);
    if (stream->wanted == 0)
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
}

Stream *stream_new(int fd, StreamDirection direction, const char *path, uint64_t limit_bytes,
                   void (*on_close)(void *arg, bool finished), void *arg)
{
    Stream *stream = g_new0(Stream, 1);
    struct stat st;

    stream->fd = fd;
    stream->direction = direction;
    stream->is_file = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
    stream->path = g_strdup(path);
    stream->left_bytes = limit_bytes ? limit_bytes : UINT64_MAX;
    stream->on_close = on_close;
    stream->on_close_arg = arg;
    wait_queue_init(&stream->readers);
    wait_queue_init(&stream->writers);
    if (!stream->is_file)
        (void)fd_set_nonblocking(fd);
    return stream;
}

static void stream_release_fd(Stream *stream)
{
    stream->source = sd_event_source_disable_unref(stream->source);
    stream->wanted = 0;
    if (stream->users == 0)
        fd_cleanup(&stream->fd);
}

static void stream_free(Stream *stream)
{
    stream_release_fd(stream);
    wait_queue_clear(&stream->readers);
    wait_queue_clear(&stream->writers);
    error_free(stream->kill_error);
    g_free(stream->path);
    g_free(stream);
}

void stream_kill(Stream *stream, Error *err)
{
    if (stream->killed) {
        error_free(err);
        return;
    }
    stream->killed = true;
    stream->kill_error = err;
    stream_release_fd(stream);
    wait_queue_wake_all(&stream->readers);
    wait_queue_wake_all(&stream->writers);
    if (stream->on_kill)
        stream->on_kill(stream->on_kill_arg, stream->kill_error);
}

int stream_fd(const Stream *stream)
{
    return stream->killed ? -1 : stream->fd;
}

bool stream_is_file(const Stream *stream)
{
    return stream->is_file;
}

StreamDirection stream_direction(const Stream *stream)
{
    return stream->direction;
}

void stream_set_on_kill(Stream *stream, void (*on_kill)(void *arg, const Error *err), void *arg)
{
    stream->on_kill = on_kill;
    stream->on_kill_arg = arg;
}

/* Waits for readiness. Leaving without an error does not promise it: the caller tries again. */
static bool stream_wait(Stream *stream, uint32_t event, Error **err)
{
    stream->wanted |= event;
    if (!stream->source) {
        const int r = sd_event_add_io(loop_event(), &stream->source, stream->fd, stream->wanted,
                                      stream_on_ready, stream);
        if (r < 0)
            return error_set_errno(err, -r, "cannot watch the stream");
    } else {
        (void)sd_event_source_set_io_events(stream->source, stream->wanted);
        (void)sd_event_source_set_enabled(stream->source, SD_EVENT_ON);
    }
    /* No deadline: a console may be silent for days, and the client's end of it cancels the fiber. */
    return wait_queue_wait(event == EPOLLIN ? &stream->readers : &stream->writers, FIBER_NO_DEADLINE, err);
}

static bool stream_fail_killed(const Stream *stream, Error **err)
{
    if (stream->kill_error)
        return error_propagate(err, error_copy(stream->kill_error));
    return error_set(err, ERROR_VM_GONE, "the other end of the stream is gone");
}

typedef struct FileJob {
    int fd; /* a duplicate, so that a late job never touches a reused number */
    bool write;
    size_t len;
    uint64_t offset;
    ssize_t result;
    int error;
    uint8_t data[];
} FileJob;

static void file_job_run(void *data)
{
    FileJob *job = data;

    do
        job->result = job->write ? pwrite(job->fd, job->data, job->len, (off_t)job->offset)
                                 : pread(job->fd, job->data, job->len, (off_t)job->offset);
    while (job->result < 0 && errno == EINTR);
    job->error = errno;
}

static void file_job_free(void *data)
{
    FileJob *job = data;

    (void)close(job->fd);
    g_free(job);
}

/* One pread or pwrite in a worker; *ret_len 0 is the end of the file. */
static bool stream_file_io(Stream *stream, bool write, void *buffer, size_t size, size_t *ret_len,
                           Error **err)
{
    const size_t len = (size_t)MIN((uint64_t)size, stream->left_bytes);
    if (len == 0) {
        *ret_len = 0;
        return true;
    }
    FileJob *job = g_malloc0(sizeof(*job) + len);
    job->fd = dup(stream->fd);
    job->write = write;
    job->len = len;
    job->offset = stream->offset;
    if (write)
        memcpy(job->data, buffer, len);

    WorkerLane *lane = stream->path ? worker_lane_for_path(stream->path) : worker_lane_state();
    if (!worker_run(lane, file_job_run, job, file_job_free, STREAM_FILE_DEADLINE_MS, err))
        return error_prefix(err, "%s", stream->path ? stream->path : "stream");
    const bool ok = job->result >= 0;
    if (!ok) {
        error_set_errno(err, job->error, "cannot %s '%s'", write ? "write" : "read",
                        stream->path ? stream->path : "stream");
    } else {
        if (!write)
            memcpy(buffer, job->data, (size_t)job->result);
        stream->offset += (uint64_t)job->result;
        if (stream->left_bytes != UINT64_MAX)
            stream->left_bytes -= (uint64_t)job->result;
        *ret_len = (size_t)job->result;
    }
    file_job_free(job);
    return ok;
}

static bool stream_read_some(Stream *stream, void *buffer, size_t size, size_t *ret_len, Error **err)
{
    while (!stream->killed && !stream->closed) {
        const ssize_t got = read(stream->fd, buffer, size);
        if (got >= 0) {
            *ret_len = (size_t)got;
            return true;
        }
        if (errno == EIO) { /* a pty whose master is gone */
            *ret_len = 0;
            return true;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return error_set_errno(err, errno, "cannot read from the stream");
        if (!stream_wait(stream, EPOLLIN, err))
            return false;
    }
    if (stream->killed && !stream->kill_error) {
        *ret_len = 0;
        return true;
    }
    return stream_fail_killed(stream, err);
}

static bool stream_write_all(Stream *stream, const uint8_t *data, size_t len, Error **err)
{
    while (len > 0 && !stream->killed && !stream->closed) {
        size_t done = 0;
        if (stream->is_file) {
            if (!stream_file_io(stream, true, (void *)data, len, &done, err))
                return false;
            if (done == 0)
                return error_set(err, ERROR_OVERFLOW, "more data than announced");
        } else {
            ssize_t put = send(stream->fd, data, len, MSG_NOSIGNAL);
            if (put < 0 && errno == ENOTSOCK)
                put = write(stream->fd, data, len);
            if (put < 0 && errno == EAGAIN) {
                if (!stream_wait(stream, EPOLLOUT, err))
                    return false;
                continue;
            }
            if (put < 0 && errno == EINTR)
                continue;
            if (put < 0)
                return error_set_errno(err, errno, "cannot write to the stream");
            done = (size_t)put;
        }
        data += done;
        len -= done;
    }
    return len == 0 || stream_fail_killed(stream, err);
}

static void stream_leave(Stream *stream)
{
    if (--stream->users > 0)
        return;
    if (stream->killed)
        fd_cleanup(&stream->fd);
    if (stream->closed)
        stream_free(stream);
}

bool stream_read(Stream *stream, void *buffer, size_t size, size_t *ret_len, Error **err)
{
    if (!(stream->direction & STREAM_TO_CLIENT))
        return error_set(err, ERROR_STREAM_INVALID, "the stream cannot be read");
    stream->users++;
    const bool ok = stream->is_file && !stream->killed
                        ? stream_file_io(stream, false, buffer, size, ret_len, err)
                        : stream_read_some(stream, buffer, size, ret_len, err);
    stream_leave(stream);
    return ok;
}

bool stream_write(Stream *stream, const void *data, size_t len, Error **err)
{
    if (!(stream->direction & STREAM_FROM_CLIENT))
        return error_set(err, ERROR_STREAM_INVALID, "the stream cannot be written");
    stream->users++;
    const bool ok = stream_write_all(stream, data, len, err);
    stream_leave(stream);
    return ok;
}

void stream_close(Stream *stream, bool finished)
{
    if (!stream || stream->closed)
        return;
    stream->closed = true;
    stream->on_kill = NULL;
    if (stream->on_close)
        stream->on_close(stream->on_close_arg, finished);
    if (stream->users == 0) {
        stream_free(stream);
        return;
    }
    wait_queue_wake_all(&stream->readers);
    wait_queue_wake_all(&stream->writers);
}
