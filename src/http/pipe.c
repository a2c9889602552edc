/* One buffer; whoever moves bytes wakes the other side. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/pipe.h"

#include <string.h>

struct HttpPipe {
    unsigned refs;
    GByteArray *bytes;
    size_t at; /* of bytes, what was taken already */
    bool ended, failed, gone;
    bool still; /* the connection waits */
    WaitQueue moved;
    void (*on_ready)(void *arg);
    void *arg;
};

HttpPipe *http_pipe_new(void (*on_ready)(void *arg), void *arg)
{
    HttpPipe *pipe = g_new0(HttpPipe, 1);

    pipe->refs = 1;
    pipe->bytes = g_byte_array_new();
    wait_queue_init(&pipe->moved);
    pipe->on_ready = on_ready;
    pipe->arg = arg;
    return pipe;
}

HttpPipe *http_pipe_ref(HttpPipe *pipe)
{
    pipe->refs++;
    return pipe;
}

void http_pipe_unref(HttpPipe *pipe)
{
    if (!pipe || --pipe->refs > 0)
        return;
    wait_queue_clear(&pipe->moved);
    g_byte_array_unref(pipe->bytes);
    g_free(pipe);
}

size_t http_pipe_pending(const HttpPipe *pipe)
{
    return pipe->bytes->len - pipe->at;
}

bool http_pipe_is_gone(const HttpPipe *pipe)
{
    return pipe->gone;
}

static void pipe_wake_connection(HttpPipe *pipe)
{
    if (!pipe->still || pipe->gone)
        return;
    pipe->still = false;
    pipe->on_ready(pipe->arg);
}

static size_t pipe_put(HttpPipe *pipe, const void *data, size_t len)
{
    const size_t room = HTTP_PIPE_BYTES - MIN(HTTP_PIPE_BYTES, http_pipe_pending(pipe));
    const size_t part = MIN(len, room);

    if (part)
        g_byte_array_append(pipe->bytes, data, (guint)part);
    return part;
}

static size_t pipe_get(HttpPipe *pipe, void *buffer, size_t size)
{
    const size_t part = MIN(size, http_pipe_pending(pipe));

    memcpy(buffer, pipe->bytes->data + pipe->at, part);
    pipe->at += part;
    if (pipe->at == pipe->bytes->len) {
        g_byte_array_set_size(pipe->bytes, 0);
        pipe->at = 0;
    } else if (pipe->at > HTTP_PIPE_BYTES) {
        g_byte_array_remove_range(pipe->bytes, 0, (guint)pipe->at);
        pipe->at = 0;
    }
    return part;
}

static bool pipe_is_gone(const HttpPipe *pipe, Error **err)
{
    return pipe->gone && !error_set(err, ERROR_CANCELLED, "the client closed the connection");
}

bool http_pipe_write(HttpPipe *pipe, const void *data, size_t len, uint64_t timeout_ms, Error **err)
{
    const uint8_t *at = data;

    for (;;) {
        if (pipe_is_gone(pipe, err))
            return false;
        size_t part = pipe_put(pipe, at, len);
        at += part;
        len -= part;
        if (part)
            pipe_wake_connection(pipe);
        if (len == 0)
            return true;
        if (!wait_queue_wait(&pipe->moved, timeout_ms, err))
            return error_prefix(err, "sending to a client");
    }
}

bool http_pipe_read(HttpPipe *pipe, void *buffer, size_t size, uint64_t timeout_ms, size_t *ret_len,
                    Error **err)
{
    while (http_pipe_pending(pipe) == 0 && !pipe->ended) {
        if (pipe_is_gone(pipe, err))
            return false;
        if (!wait_queue_wait(&pipe->moved, timeout_ms, err))
            return error_prefix(err, "receiving from a client");
    }
    *ret_len = http_pipe_pending(pipe) ? pipe_get(pipe, buffer, size) : 0;
    if (*ret_len)
        pipe_wake_connection(pipe);
    return true;
}

void http_pipe_end(HttpPipe *pipe, bool failed)
{
    pipe->ended = true;
    pipe->failed |= failed;
    wait_queue_wake_all(&pipe->moved);
    pipe_wake_connection(pipe);
}

HttpPipeState http_pipe_take(HttpPipe *pipe, void *buffer, size_t size, size_t *ret_len)
{
    *ret_len = http_pipe_pending(pipe) ? pipe_get(pipe, buffer, size) : 0;
    if (*ret_len) {
        wait_queue_wake_all(&pipe->moved);
        return HTTP_PIPE_DATA;
    }
    pipe->still = !pipe->ended;
    return pipe->failed ? HTTP_PIPE_FAILED : pipe->ended ? HTTP_PIPE_END : HTTP_PIPE_STILL;
}

HttpPipeState http_pipe_give(HttpPipe *pipe, const void *data, size_t len, size_t *ret_len)
{
    if (pipe->ended) { /* nobody wants more: it is dropped */
        *ret_len = len;
        return pipe->failed ? HTTP_PIPE_FAILED : HTTP_PIPE_DATA;
    }
    *ret_len = pipe_put(pipe, data, len);
    pipe->still = *ret_len < len;
    wait_queue_wake_all(&pipe->moved);
    return pipe->still ? HTTP_PIPE_STILL : HTTP_PIPE_DATA;
}

void http_pipe_gone(HttpPipe *pipe)
{
    pipe->gone = true;
    wait_queue_wake_all(&pipe->moved);
}
