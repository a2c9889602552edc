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

/* @fd          owned: a socket, pty or pipe, which is polled, or a file of our own state, of which all is
 * read
 * @on_close    called once, from the loop, when the front end has let go of the stream (NULL: none);
 *              @finished tells an orderly end from an abort */
Stream *stream_new(int fd, StreamDirection direction, void (*on_close)(void *arg, bool finished), void *arg);

/* A file or block device, read and written in workers. */
typedef struct StreamFile {
    const char *path; /* its lane, and its name in messages; NULL: it lies in the lane of our state */
    uint64_t offset_bytes;
    uint64_t limit_bytes; /* 0: to the end */
    bool is_sparse;       /* holes go through the stream as such */
    bool is_new;          /* of writing: what is not written is a hole anyway */
    /* Called when the client has sent everything and that is written up to @end_bytes; may wait, is not
     * cancelled. What fails here the client is told. NULL: nothing is left to do. on_close comes afterwards.
     */
    bool (*finish)(void *arg, uint64_t end_bytes, Error **err);
    void (*on_close)(void *arg, bool finished); /* as above */
    void *arg;
} StreamFile;
Stream *stream_new_file(int fd, StreamDirection direction, const StreamFile *file);

/* Core side: ends the stream. @err owned; NULL: an orderly end of file. Safe after the front end let go only
 * through on_close: the core must forget the pointer there. */
void stream_kill(Stream *stream, Error *err);

/* Front-end side. The front end is told by @on_kill (from the loop; @err borrowed, NULL: end of file). */
int stream_fd(const Stream *stream); /* borrowed; -1 after stream_kill() */
bool stream_is_file(const Stream *stream);
bool stream_is_sparse(const Stream *stream);
StreamDirection stream_direction(const Stream *stream);
void stream_set_on_kill(Stream *stream, void (*on_kill)(void *arg, const Error *err), void *arg);
/* What is no file. ret_len 0: end of file. Waits until something is there. */
AWAITS MUST_CHECK bool stream_read(Stream *stream, void *buffer, size_t size, size_t *ret_len, Error **err);
AWAITS MUST_CHECK bool stream_write(Stream *stream, const void *data, size_t len,
                                    Error **err); /* all of it */

/* A piece of a file: data, or a hole of that many bytes. */
typedef struct StreamChunk {
    int tag; /* the front end's own */
    size_t len;
    uint64_t hole_bytes;
    uint8_t *data; /* room[], or into block */
    void *block;   /* owned; NULL */
    uint8_t room[];
} StreamChunk;
StreamChunk *stream_chunk_new(size_t size);
/* One whose @data lies in @block, owned from now on: large pieces are not copied. */
StreamChunk *stream_chunk_take(void *block, uint8_t *data, size_t len);
void stream_chunk_free(StreamChunk *chunk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamChunk, stream_chunk_free)

/* Files are moved in pieces of many frames: each costs a turn of a worker. */
#define STREAM_CHUNK_BYTES ((size_t)1572720) /* six frames */

/* *io_chunk: owned by the caller; NULL, or one of an earlier call, which is used again. NULL after a failure.
 * Neither data nor a hole: the end. */
AWAITS MUST_CHECK bool stream_read_chunk(Stream *stream, StreamChunk **io_chunk, Error **err);
/* Takes all @chunks (GQueue of StreamChunk). ENOSPC "cannot write to stream": more than the limit. */
AWAITS MUST_CHECK bool stream_write_chunks(Stream *stream, GQueue *chunks, Error **err);
/* Everything was written. Before stream_close(..., true). */
AWAITS MUST_CHECK bool stream_finish(Stream *stream, Error **err);
void stream_close(Stream *stream, bool finished); /* frees; calls on_close */
