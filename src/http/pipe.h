/* Bytes between a fiber, which may wait, and a connection of the HTTP library, which must not: the connection
 * stands still while there is nothing to send, or no room for what it received.
 *
 * Counted: the fiber's side and the connection's. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/fiber.h"

#define HTTP_PIPE_BYTES ((size_t)1048576)

typedef struct HttpPipe HttpPipe;

/* @on_ready (loop or fiber): the connection stood still and can go on. */
HttpPipe *http_pipe_new(void (*on_ready)(void *arg), void *arg);
HttpPipe *http_pipe_ref(HttpPipe *pipe);
void http_pipe_unref(HttpPipe *pipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpPipe, http_pipe_unref)

/* ---- the fiber's side ---- */

/* All of it. ERROR_CANCELLED: the connection is gone. */
AWAITS MUST_CHECK bool http_pipe_write(HttpPipe *pipe, const void *data, size_t len, uint64_t timeout_ms,
                                       Error **err);
/* *ret_len 0: the end. ERROR_CANCELLED: the connection ended before all had come. */
AWAITS MUST_CHECK bool http_pipe_read(HttpPipe *pipe, void *buffer, size_t size, uint64_t timeout_ms,
                                      size_t *ret_len, Error **err);
/* No more comes. @failed: what was sent is not all, and the other side shall know. */
void http_pipe_end(HttpPipe *pipe, bool failed);
bool http_pipe_is_gone(const HttpPipe *pipe);
size_t http_pipe_pending(const HttpPipe *pipe);

/* ---- the connection's side: never waits ---- */

typedef enum HttpPipeState {
    HTTP_PIPE_DATA,  /* some was moved */
    HTTP_PIPE_STILL, /* nothing now: stand still until on_ready() */
    HTTP_PIPE_END,
    HTTP_PIPE_FAILED
} HttpPipeState;
HttpPipeState http_pipe_take(HttpPipe *pipe, void *buffer, size_t size, size_t *ret_len);
/* STILL: not all of it was taken. */
HttpPipeState http_pipe_give(HttpPipe *pipe, const void *data, size_t len, size_t *ret_len);
void http_pipe_gone(HttpPipe *pipe);
