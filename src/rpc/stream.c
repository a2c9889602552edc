/* The pump between a Stream of the core and the frames of a client.
 *
 * Two fibers at most: one reads the core's side and sends frames while the client's output is low; the other
 * writes what the client sent. The client's frames queue here meanwhile; too much of them stops the reading
 * of the client. Exactly one terminator is sent: the answer to finish or abort, or an error. The core's
 * Stream is closed when none of our fibers is inside it any more. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "rpc"
#include "rpc/stream.h"

#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/loop.h"

#define STREAM_INBOX_MAX ((size_t)4194304)    /* of all streams of a client */
#define STREAM_GATHER_BYTES ((size_t)1048576) /* of a file: what is worth a turn of a worker */
#define STREAM_GATHER_MS ((uint64_t)2)        /* so long more may come */
#define STREAM_READ_SMALL ((size_t)16384)     /* consoles; files are read in pieces of several frames */
#define STREAM_SEND_BUFFER                                                                                   \
    4194304 /* of the socket: pieces of files go out at once, on a busy machine, too                         \
             */

#define NO_HOLES "sent a hole in a stream that is not sparse"

typedef enum ChunkKind { CHUNK_DATA, CHUNK_FINISH, CHUNK_ABORT } ChunkKind; /* tags */

struct RpcStream {
    unsigned refs;     /* the client's table, each fiber */
    RpcClient *client; /* reference */
    WireHeader header; /* of the frames that we send */
    Stream *stream;    /* owned; NULL before it starts and after it was closed */
    GQueue inbox;      /* of StreamChunk, from the client; tag: ChunkKind */
    size_t inbox_bytes;
    WaitQueue inbox_filled;
    Fiber *reader, *writer; /* references */
    bool is_file;
    bool sent_end; /* of our data */
    bool killed;   /* the core's side is over: what the client still sends goes nowhere */
    bool ended;    /* a terminator was sent, or nobody is left to send one to */
};

static RpcStream *rpc_stream_ref(RpcStream *stream)
{
    stream->refs++;
    return stream;
}

/* What it counts against STREAM_INBOX_MAX: holes are small, but not free. */
static size_t chunk_cost(const StreamChunk *chunk)
{
    return sizeof(*chunk) + chunk->len;
}

static StreamChunk *rpc_stream_pop(RpcStream *stream)
{
    StreamChunk *chunk = g_queue_pop_head(&stream->inbox);

    if (chunk)
        stream->inbox_bytes -= chunk_cost(chunk);
    return chunk;
}

static void rpc_stream_drop_inbox(RpcStream *stream)
{
    for (StreamChunk *chunk; (chunk = rpc_stream_pop(stream));) {
        stream->client->stream_inbox_bytes -= chunk_cost(chunk);
        stream_chunk_free(chunk);
    }
}

static void rpc_stream_unref(RpcStream *stream)
{
    if (--stream->refs > 0)
        return;
    rpc_stream_drop_inbox(stream);
    wait_queue_clear(&stream->inbox_filled);
    g_clear_pointer(&stream->reader, fiber_unref);
    g_clear_pointer(&stream->writer, fiber_unref);
    rpc_client_unref(stream->client);
    g_free(stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcStream, rpc_stream_unref)

static void rpc_stream_unref_cb(gpointer stream)
{
    rpc_stream_unref(stream);
}

static RpcStream *rpc_stream_find(const RpcClient *client, const WireHeader *header)
{
    RpcStream *stream =
        client->streams ? g_hash_table_lookup(client->streams, GUINT_TO_POINTER(header->serial)) : NULL;

    if (!stream || stream->header.program != header->program || stream->header.proc != header->proc)
        return NULL;
    return stream;
}

/* ---- sending ---- */

static void rpc_stream_send(RpcStream *stream, WireStatus status, const void *data, size_t len)
{
    RpcClient *client = stream->client;
    WireHeader header = stream->header;

    if (client->dropped)
        return;
    header.status = status;
    wire_channel_append_raw(&client->channel, &header, data, len);
    rpc_client_flush(client);
}

static void rpc_stream_send_failure(RpcStream *stream, const Error *why)
{
    RpcClient *client = stream->client;
    WireHeader header = stream->header;
    g_auto(WireError) error = { 0 };

    if (client->dropped)
        return;
    header.status = WIRE_ERROR;
    wire_error_from(why, &error);
    if (wire_frame_append(&client->channel.out, &header, WIRE_TYPE_ERROR, &error, NULL))
        rpc_client_flush(client);
}

static void rpc_stream_send_end_of_file(RpcStream *stream)
{
    if (stream->sent_end || stream->ended)
        return;
    stream->sent_end = true;
    rpc_stream_send(stream, WIRE_CONTINUE, NULL, 0);
}

/* ---- the end ---- */

static void rpc_stream_end(RpcStream *stream, bool finished)
{
    RpcClient *client = stream->client;

    if (stream->ended)
        return;
    stream->ended = true;
    if (stream->reader && stream->reader != fiber_current())
        fiber_cancel(stream->reader);
    if (stream->writer && stream->writer != fiber_current())
        fiber_cancel(stream->writer);
    rpc_stream_drop_inbox(stream);
    if (stream->stream) /* also while a fiber of ours is inside: it finds itself cancelled */
        stream_close(g_steal_pointer(&stream->stream), finished);
    if (client->streams && rpc_stream_find(client, &stream->header) == stream)
        g_hash_table_remove(client->streams, GUINT_TO_POINTER(stream->header.serial));
}

static void rpc_stream_fail(RpcStream *stream, const Error *why)
{
    if (stream->ended)
        return;
    rpc_stream_send_failure(stream, why);
    rpc_stream_end(stream, false);
}

/* The client's finish or abort. */
static void rpc_stream_confirm(RpcStream *stream, bool finished)
{
    if (stream->ended)
        return;
    /* Closing comes first: it makes sure that everything has arrived. */
    g_autoptr(RpcStream) hold G_GNUC_UNUSED = rpc_stream_ref(stream);
    rpc_stream_end(stream, finished);
    rpc_stream_send(stream, WIRE_OK, NULL, 0);
}

static void rpc_stream_on_kill(void *arg, const Error *why)
{
    RpcStream *stream = arg;
    g_autoptr(RpcStream) hold G_GNUC_UNUSED = rpc_stream_ref(stream);

    stream->killed = true;
    if (why)
        rpc_stream_fail(stream, why);
    else
        rpc_stream_send_end_of_file(stream);
}

/* ---- the fibers ---- */

/* false when the stream is over. */
AWAITS static bool rpc_stream_wait_output(RpcStream *stream)
{
    RpcClient *client = stream->client;

    while (!client->dropped && !stream->ended && wire_channel_pending(&client->channel) > RPC_OUT_STREAM) {
        /* No deadline: the client reads at its own pace, and holds up nobody but itself. */
        if (!wait_queue_wait(&client->drained, FIBER_NO_DEADLINE, NULL))
            return false;
    }
    return !client->dropped && !stream->ended;
}

static void rpc_stream_send_hole(RpcStream *stream, uint64_t bytes)
{
    RpcClient *client = stream->client;
    WireHeader header = stream->header;
    const WireStreamHole hole = { .length = (int64_t)bytes };

    if (client->dropped)
        return;
    header.type = WIRE_STREAM_HOLE;
    header.status = WIRE_CONTINUE;
    if (wire_frame_append(&client->channel.out, &header, WIRE_TYPE_STREAM_HOLE, &hole, NULL))
        rpc_client_flush(client);
}

/* A piece of a file or what a console said; *io_chunk (owned, NULL at first) is used again. */
AWAITS static bool rpc_stream_read_some(RpcStream *stream, StreamChunk **io_chunk, Error **err)
{
    if (stream->is_file)
        return stream_read_chunk(stream->stream, io_chunk, err);
    if (!*io_chunk)
        *io_chunk = stream_chunk_new(STREAM_READ_SMALL);
    (*io_chunk)->len = 0;
    /* A console may be silent for days. */
    return stream_read(stream->stream, (*io_chunk)->data, STREAM_READ_SMALL, &(*io_chunk)->len, err);
}

static void rpc_stream_read_all(void *arg)
{
    g_autoptr(RpcStream) stream = arg;
    g_autoptr(StreamChunk) chunk = NULL;

    while (rpc_stream_wait_output(stream)) {
        g_autoptr(Error) err = NULL;
        const bool ok = rpc_stream_read_some(stream, &chunk, &err);
        if (stream->ended || stream->killed)
            break;
        if (!ok) {
            rpc_stream_fail(stream, err);
            break;
        }
        if (chunk->hole_bytes) {
            rpc_stream_send_hole(stream, chunk->hole_bytes);
        } else if (chunk->len == 0) {
            rpc_stream_send_end_of_file(stream);
            break;
        }
        /* While the client takes these, the next piece is read. */
        for (size_t at = 0; at < chunk->len; at += WIRE_STREAM_CHUNK)
            rpc_stream_send(stream, WIRE_CONTINUE, chunk->data + at, MIN(chunk->len - at, WIRE_STREAM_CHUNK));
    }
}

/* A client that sends a file sends more at once. */
AWAITS static void rpc_stream_gather(RpcStream *stream)
{
    const uint64_t until_ms = loop_now_ms() + STREAM_GATHER_MS;

    while (stream->is_file && !stream->ended && stream->inbox_bytes < STREAM_GATHER_BYTES &&
           ((const StreamChunk *)g_queue_peek_tail(&stream->inbox))->tag == CHUNK_DATA &&
           !rpc_streams_are_full(stream->client) && loop_now_ms() < until_ms) {
        if (!wait_queue_wait(&stream->inbox_filled, STREAM_GATHER_MS, NULL))
            break;
    }
}

/* Takes the data at the head of the inbox: of a file all of it, which is written in one go. */
AWAITS static void rpc_stream_write_data(RpcStream *stream)
{
    g_autoptr(Error) err = NULL;
    GQueue chunks = G_QUEUE_INIT;
    const StreamChunk *next = g_queue_peek_head(&stream->inbox);
    size_t bytes = 0;
    bool ok;

    do {
        bytes += chunk_cost(next);
        g_queue_push_tail(&chunks, rpc_stream_pop(stream));
        next = g_queue_peek_head(&stream->inbox);
    } while (stream->is_file && next && next->tag == CHUNK_DATA && bytes < STREAM_INBOX_MAX / 2);
    if (stream->killed) {
        ok = true;
    } else if (stream->is_file) {
        ok = stream_write_chunks(stream->stream, &chunks, &err);
    } else {
        const StreamChunk *chunk = g_queue_peek_head(&chunks);
        ok = stream_write(stream->stream, chunk->data, chunk->len, &err);
    }
    for (StreamChunk *chunk; (chunk = g_queue_pop_head(&chunks));)
        stream_chunk_free(chunk);
    if (!ok && !stream->ended && !stream->killed)
        rpc_stream_fail(stream, err);
    stream->client->stream_inbox_bytes -= bytes;
    rpc_client_resume(stream->client);
}

/* The client has sent everything, and that is written: the rest is done before it hears so. */
AWAITS static void rpc_stream_finish(RpcStream *stream)
{
    g_autoptr(Error) err = NULL;

    if (stream->stream && !stream->killed && !stream_finish(stream->stream, &err))
        rpc_stream_fail(stream, err);
    else
        rpc_stream_confirm(stream, true);
}

static void rpc_stream_write_all(void *arg)
{
    g_autoptr(RpcStream) stream = arg;

    while (!stream->ended) {
        const StreamChunk *chunk = g_queue_peek_head(&stream->inbox);
        if (!chunk) {
            /* No deadline: a person may type the next key tomorrow. */
            if (!wait_queue_wait(&stream->inbox_filled, FIBER_NO_DEADLINE, NULL))
                break;
        } else if (chunk->tag == CHUNK_DATA) {
            rpc_stream_gather(stream);
            if (!stream->ended)
                rpc_stream_write_data(stream);
        } else {
            const bool finished = chunk->tag == CHUNK_FINISH;
            stream->client->stream_inbox_bytes -= chunk_cost(chunk);
            stream_chunk_free(rpc_stream_pop(stream));
            if (finished)
                rpc_stream_finish(stream);
            else
                rpc_stream_confirm(stream, false);
            break;
        }
    }
}

/* ---- beginning ---- */

void rpc_stream_expect(RpcClient *client, const WireHeader *call)
{
    RpcStream *stream = g_new0(RpcStream, 1);

    stream->refs = 1;
    stream->client = rpc_client_ref(client);
    stream->header = *call;
    stream->header.type = WIRE_STREAM;
    g_queue_init(&stream->inbox);
    wait_queue_init(&stream->inbox_filled);
    if (!client->streams)
        client->streams = g_hash_table_new_full(NULL, NULL, NULL, rpc_stream_unref_cb);
    /* A serial used twice is the client's mistake: the newer stream has it. */
    RpcStream *old = g_hash_table_lookup(client->streams, GUINT_TO_POINTER(call->serial));
    if (old)
        rpc_stream_end(old, false);
    g_hash_table_insert(client->streams, GUINT_TO_POINTER(call->serial), stream);
}

void rpc_stream_forget(RpcClient *client, const WireHeader *call)
{
    RpcStream *stream = rpc_stream_find(client, call);

    if (stream)
        rpc_stream_end(stream, false);
}

static bool rpc_stream_spawn(RpcStream *stream, const char *name, void (*func)(void *arg), Fiber **ret_fiber)
{
    Fiber *fiber = fiber_spawn(name, func, rpc_stream_ref(stream));

    if (fiber)
        *ret_fiber = fiber_ref(fiber);
    else
        rpc_stream_unref(stream);
    return fiber != NULL;
}

/* Best effort: with a small buffer there are only more turns. */
static void rpc_stream_widen(const RpcClient *client)
{
    const int fd = client->channel.out_fd, bytes = STREAM_SEND_BUFFER;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void rpc_stream_start(RpcClient *client, const WireHeader *call, Stream *core_stream)
{
    RpcStream *stream = rpc_stream_find(client, call);

    if (!stream || stream->stream) { /* its serial was used again meanwhile */
        stream_close(core_stream, false);
        return;
    }
    stream->stream = core_stream;
    stream->is_file = stream_is_file(core_stream);
    for (const GList *at = stream->inbox.head; at; at = at->next) {
        if (((const StreamChunk *)at->data)->hole_bytes && !stream_is_sparse(core_stream)) {
            rpc_client_drop(client, NO_HOLES);
            return;
        }
    }
    if (stream->is_file)
        rpc_stream_widen(client);
    stream_set_on_kill(core_stream, rpc_stream_on_kill, stream);
    /* The fibers begin when this one waits, and may find that all is over already. */
    bool ok = true;
    if (stream_direction(core_stream) & STREAM_TO_CLIENT)
        ok = rpc_stream_spawn(stream, "stream-reader", rpc_stream_read_all, &stream->reader);
    if (!ok || !rpc_stream_spawn(stream, "stream-writer", rpc_stream_write_all, &stream->writer)) {
        g_autoptr(Error) err = error_new(ERROR_BUSY, "too much runs at the same time for another stream");
        rpc_stream_fail(stream, err);
    }
}

/* ---- frames from the client ---- */

static void rpc_stream_push(RpcStream *stream, ChunkKind kind, StreamChunk *chunk)
{
    chunk->tag = kind;
    g_queue_push_tail(&stream->inbox, chunk);
    stream->client->stream_inbox_bytes += chunk_cost(chunk);
    stream->inbox_bytes += chunk_cost(chunk);
    wait_queue_wake_all(&stream->inbox_filled);
}

/* A client may send its first hole before its call is answered: whether the stream is sparse shows later. */
static void rpc_stream_take_hole(RpcStream *stream, const WireFrame *frame)
{
    WireStreamHole hole;

    if (stream->stream && !stream_is_sparse(stream->stream)) {
        rpc_client_drop(stream->client, NO_HOLES);
        return;
    }
    if (!wire_decode(WIRE_TYPE_STREAM_HOLE, frame->payload, frame->payload_len, &hole, NULL, NULL) ||
        hole.length < 0) {
        rpc_client_drop(stream->client, "sent a hole that makes no sense");
        return;
    }
    if (hole.length == 0)
        return;
    StreamChunk *chunk = stream_chunk_new(0);
    chunk->hole_bytes = (uint64_t)hole.length;
    rpc_stream_push(stream, CHUNK_DATA, chunk);
}

/* Large pieces stay in the buffer that they came in. */
static void rpc_stream_take_data(RpcStream *stream, const WireFrame *frame)
{
    WireFrame taken = *frame;
    void *block = wire_channel_take_buffer(&stream->client->channel, &taken);
    StreamChunk *chunk;

    if (block) {
        chunk = stream_chunk_take(block, (uint8_t *)taken.payload, taken.payload_len);
    } else {
        chunk = stream_chunk_new(frame->payload_len);
        chunk->len = frame->payload_len;
        memcpy(chunk->data, frame->payload, frame->payload_len);
    }
    rpc_stream_push(stream, CHUNK_DATA, chunk);
}

void rpc_stream_take_frame(RpcClient *client, const WireFrame *frame)
{
    RpcStream *stream = rpc_stream_find(client, &frame->header);

    if (!stream) /* late frames after the end are normal */
        return;
    if (frame->header.type == WIRE_STREAM_HOLE) {
        rpc_stream_take_hole(stream, frame);
        return;
    }
    switch (frame->header.status) {
    case WIRE_CONTINUE:
        if (frame->payload_len > 0)
            rpc_stream_take_data(stream, frame);
        return;
    case WIRE_OK:
        rpc_stream_push(stream, CHUNK_FINISH, stream_chunk_new(0));
        return;
    case WIRE_ERROR:
        if (stream->stream)
            rpc_stream_confirm(stream, false);
        else
            rpc_stream_push(stream, CHUNK_ABORT, stream_chunk_new(0));
        return;
    default:
        return;
    }
}

bool rpc_streams_are_full(const RpcClient *client)
{
    return client->stream_inbox_bytes > STREAM_INBOX_MAX;
}

void rpc_streams_abandon(RpcClient *client)
{
    GHashTable *streams = g_steal_pointer(&client->streams);
    GHashTableIter at;
    gpointer stream;

    if (!streams)
        return;
    g_hash_table_iter_init(&at, streams);
    while (g_hash_table_iter_next(&at, NULL, &stream))
        rpc_stream_end(stream, false);
    g_hash_table_unref(streams);
}
