/* A byte stream between a client and something in the core: a console, a screenshot, an image.
 *
 * The core makes it around a descriptor; the front end pumps it. One owner on each side: the front end frees
 * it, the core may end it early with stream_kill(). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"

typedef enum StreamDirection {
    STREAM_TO_CLIENT = 1,
    STREAM_FROM_CLIENT = 2,
    STREAM_BOTH = 3
} StreamDirection;

typedef struct Stream Stream;

/* @fd          owned. Sockets, ptys and pipes are polled; regular files are read and written in a worker of
 * the lane of @path (NULL: state lane), at most @limit_bytes (0: to the end)
 * @on_close    called once, from the loop, when the front end has let go of the stream (NULL: none);
 *              @finished tells an orderly end from an abort */
Stream *stream_new(int fd, StreamDirection direction, const char *path, uint64_t limit_bytes,
                   void (*on_close)(void *arg, bool finished), void *arg);

/* Core side: ends the stream. @err owned; NULL: an orderly end of file. Safe after the front end let go only
 * through on_close: the core must forget the pointer there. */
void stream_kill(Stream *stream, Error *err);

/* Front-end side. The front end is told by @on_kill (from the loop; @err borrowed, NULL: end of file). */
int stream_fd(const Stream *stream); /* borrowed; -1 after stream_kill() */
bool stream_is_file(const Stream *stream);
StreamDirection stream_direction(const Stream *stream);
void stream_set_on_kill(Stream *stream, void (*on_kill)(void *arg, const Error *err), void *arg);
/* ret_len 0: end of file. Waits until something is there. */
AWAITS MUST_CHECK bool stream_read(Stream *stream, void *buffer, size_t size, size_t *ret_len, Error **err);
AWAITS MUST_CHECK bool stream_write(Stream *stream, const void *data, size_t len,
                                    Error **err); /* all of it */
void stream_close(Stream *stream, bool finished); /* frees; calls on_close */
