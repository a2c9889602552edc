/* Byte streams between a client and a descriptor of the core.
 *
 * Readiness is watched by an event source of our own rather than by fiber_wait_fd(), because the core may end
 * a stream (the machine died, somebody took the console over) while a fiber of the front end waits in it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "stream"
#include "core/stream_private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/memory.h"
#include "base/socket.h"

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

static bool is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

Stream *stream_new(int fd, StreamDirection direction, void (*on_close)(void *arg, bool finished), void *arg)
{
    const StreamFile file = { .on_close = on_close, .arg = arg };
    Stream *stream = stream_new_file(fd, direction, &file);

    stream->is_file = is_file(fd);
    if (!stream->is_file) {
        (void)fd_set_nonblocking(fd);
        memory_keep_end(); /* a console may be open for days, and says little */
        stream->keeps_memory = false;
    }
    return stream;
}

Stream *stream_new_file(int fd, StreamDirection direction, const StreamFile *file)
{
    Stream *stream = g_new0(Stream, 1);

    stream->fd = fd;
    stream->direction = direction;
    stream->is_file = true; /* not asked here: storage may hang */
    stream->file = *file;
    stream->path = g_strdup(file->path);
    stream->offset = file->offset_bytes;
    stream->left_bytes = file->limit_bytes ? file->limit_bytes : UINT64_MAX;
    wait_queue_init(&stream->readers);
    wait_queue_init(&stream->writers);
    stream->keeps_memory = true;
    memory_keep_begin();
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
    if (stream->keeps_memory)
        memory_keep_end();
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

bool stream_is_sparse(const Stream *stream)
{
    return stream->is_file && stream->file.is_sparse;
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

bool stream_fail_killed(const Stream *stream, Error **err)
{
    if (stream->kill_error)
        return error_propagate(err, error_copy(stream->kill_error));
    return error_set(err, ERROR_VM_GONE, "the other end of the stream is gone");
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
        data += put;
        len -= (size_t)put;
    }
    return len == 0 || stream_fail_killed(stream, err);
}

void stream_enter(Stream *stream)
{
    stream->users++;
}

void stream_leave(Stream *stream)
{
    if (--stream->users > 0)
        return;
    if (stream->killed)
        fd_cleanup(&stream->fd);
    if (stream->closed)
        stream_free(stream);
}

/* Not while the finish runs, which works with the same things. */
static void stream_tell_closed(Stream *stream, bool finished)
{
    if (stream->file.on_close)
        stream->file.on_close(stream->file.arg, finished);
    stream->file.on_close = NULL;
}

bool stream_finish(Stream *stream, Error **err)
{
    if (!stream->file.finish || stream->killed)
        return !stream->killed || !stream->kill_error || stream_fail_killed(stream, err);
    stream_enter(stream);
    stream->is_finishing = true;
    fiber_shield_begin();
    const bool ok = stream_trim(stream, err) && stream->file.finish(stream->file.arg, stream->offset, err);
    fiber_shield_end();
    stream->is_finishing = false;
    if (stream->closed)
        stream_tell_closed(stream, ok);
    stream_leave(stream);
    return ok;
}

bool stream_read(Stream *stream, void *buffer, size_t size, size_t *ret_len, Error **err)
{
    if (!(stream->direction & STREAM_TO_CLIENT))
        return error_set(err, ERROR_STREAM_INVALID, "the stream cannot be read");
    stream_enter(stream);
    const bool ok = stream_read_some(stream, buffer, size, ret_len, err);
    stream_leave(stream);
    return ok;
}

bool stream_write(Stream *stream, const void *data, size_t len, Error **err)
{
    if (!(stream->direction & STREAM_FROM_CLIENT))
        return error_set(err, ERROR_STREAM_INVALID, "the stream cannot be written");
    stream_enter(stream);
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
    if (!stream->is_finishing)
        stream_tell_closed(stream, finished);
    if (stream->users == 0) {
        stream_free(stream);
        return;
    }
    wait_queue_wake_all(&stream->readers);
    wait_queue_wake_all(&stream->writers);
}
