/* The client's end of streams: consoles, screenshots, images.
 *
 * Data has no acknowledgements; back-pressure is the socket's. So a full queue here stops the reading of the
 * whole connection until its consumer has caught up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/client_internal.h"

struct WireStream {
    WireClient *client; /* reference */
    uint32_t program;
    int32_t proc;
    uint32_t serial;
    GQueue pieces; /* of WirePiece */
    size_t queued_bytes;
    bool at_end;    /* the server will send no more data */
    bool confirmed; /* the server answered our finish or abort */
    bool ended;     /* we have sent finish or abort */
    Error *failed;  /* the server's reason */
    WaitQueue changed;
    WaitQueue room;
};

WireStream *client_stream_new(WireClient *client, uint32_t program, int32_t proc, uint32_t serial)
{
    WireStream *stream = g_new0(WireStream, 1);

    stream->client = client_ref(client);
    stream->program = program;
    stream->proc = proc;
    stream->serial = serial;
    g_queue_init(&stream->pieces);
    wait_queue_init(&stream->changed);
    wait_queue_init(&stream->room);
    g_hash_table_insert(client->streams, GUINT_TO_POINTER(serial), stream);
    return stream;
}

static void stream_piece_free(gpointer data)
{
    WirePiece *piece = data;

    g_free(piece->data.data);
    g_free(piece);
}

void client_stream_discard(WireStream *stream)
{
    g_hash_table_remove(stream->client->streams, GUINT_TO_POINTER(stream->serial));
    wait_queue_clear(&stream->changed);
    wait_queue_clear(&stream->room);
    g_queue_clear_full(&stream->pieces, stream_piece_free);
    error_free(stream->failed);
    client_unref(stream->client);
    g_free(stream);
}

void client_stream_wake(WireStream *stream)
{
    wait_queue_wake_all(&stream->changed);
    wait_queue_wake_all(&stream->room);
}

static void stream_push(WireStream *stream, WirePiece piece)
{
    g_queue_push_tail(&stream->pieces, g_memdup2(&piece, sizeof piece));
    stream->queued_bytes += piece.data.len;
}

static void stream_take_data(WireStream *stream, const WireFrame *frame)
{
    if (frame->header.type == WIRE_STREAM_HOLE) {
        WireStreamHole hole;
        if (wire_decode(WIRE_TYPE_STREAM_HOLE, frame->payload, frame->payload_len, &hole, NULL, NULL) &&
            hole.length > 0)
            stream_push(stream, (WirePiece){ .hole_bytes = (uint64_t)hole.length });
        return;
    }
    if (frame->payload_len == 0) {
        stream->at_end = true;
        return;
    }
    stream_push(stream, (WirePiece){ .data = { .data = g_memdup2(frame->payload, frame->payload_len),
                                               .len = (uint32_t)frame->payload_len } });
}

void client_stream_take_frame(WireStream *stream, const WireFrame *frame)
{
    g_auto(WireError) remote = { 0 };

    if (frame->header.program != stream->program || frame->header.proc != stream->proc || stream->confirmed ||
        stream->failed)
        return;
    switch (frame->header.status) {
    case WIRE_CONTINUE:
        stream_take_data(stream, frame);
        break;
    case WIRE_OK:
        stream->confirmed = true;
        stream->at_end = true;
        break;
    default:
        if (wire_decode(WIRE_TYPE_ERROR, frame->payload, frame->payload_len, &remote, NULL, &stream->failed))
            wire_error_to(&remote, &stream->failed);
        stream->at_end = true;
        break;
    }
    wait_queue_wake_all(&stream->changed);
}

bool client_stream_is_full(const WireStream *stream)
{
    return stream->queued_bytes > STREAM_QUEUE_MAX;
}

bool client_stream_wait_room(WireStream *stream, Error **err)
{
    /* Whoever is woken may find the stream freed: look it up again instead of touching it. */
    WireClient *client = stream->client;
    uint32_t serial = stream->serial;

    while (!client->broken && !client->closing &&
           g_hash_table_lookup(client->streams, GUINT_TO_POINTER(serial)) == stream &&
           client_stream_is_full(stream)) {
        /* No deadline: the consumer, which may be a person at a pager, sets the pace. */
        if (!wait_queue_wait(&stream->room, FIBER_NO_DEADLINE, err))
            return false;
    }
    return true;
}

static bool stream_check(WireStream *stream, Error **err)
{
    if (stream->failed)
        return error_propagate(err, error_copy(stream->failed));
    return client_check_alive(stream->client, err);
}

bool wire_stream_receive(WireStream *stream, uint64_t timeout_ms, WirePiece *ret_piece, Error **err)
{
    for (;;) {
        WirePiece *piece = g_queue_pop_head(&stream->pieces);
        if (piece) {
            stream->queued_bytes -= piece->data.len;
            if (!client_stream_is_full(stream))
                wait_queue_wake_all(&stream->room);
            *ret_piece = *piece;
            g_free(piece);
            return true;
        }
        if (!stream_check(stream, err))
            return false;
        if (stream->at_end) {
            *ret_piece = (WirePiece){ .at_end = true };
            return true;
        }
        if (!wait_queue_wait(&stream->changed, timeout_ms, err))
            return false;
    }
}

static WireHeader stream_header(const WireStream *stream, uint32_t type, uint32_t status)
{
    return (WireHeader){
        .program = stream->program,
        .version = 1,
        .proc = stream->proc,
        .type = type,
        .serial = stream->serial,
        .status = status,
    };
}

/* Waits until more may be queued for sending. */
AWAITS static bool stream_wait_out(WireStream *stream, uint64_t timeout_ms, Error **err)
{
    while (wire_channel_pending(&stream->client->channel) > CLIENT_OUT_MAX) {
        if (!stream_check(stream, err) || !wait_queue_wait(&stream->client->out_room, timeout_ms, err))
            return false;
    }
    return stream_check(stream, err);
}

bool wire_stream_send(WireStream *stream, const void *data, size_t len, uint64_t timeout_ms, Error **err)
{
    WireHeader header = stream_header(stream, WIRE_STREAM, WIRE_CONTINUE);
    const uint8_t *at = data;

    while (len > 0) {
        if (!stream_wait_out(stream, timeout_ms, err))
            return false;
        size_t piece = MIN(len, WIRE_STREAM_CHUNK);
        wire_channel_append_raw(&stream->client->channel, &header, at, piece);
        client_flush(stream->client);
        at += piece;
        len -= piece;
    }
    return stream_check(stream, err);
}

bool wire_stream_send_hole(WireStream *stream, uint64_t bytes, uint64_t timeout_ms, Error **err)
{
    WireHeader header = stream_header(stream, WIRE_STREAM_HOLE, WIRE_CONTINUE);
    const WireStreamHole hole = { .length = (int64_t)bytes };

    if (!stream_wait_out(stream, timeout_ms, err) ||
        !wire_frame_append(&stream->client->channel.out, &header, WIRE_TYPE_STREAM_HOLE, &hole, err))
        return false;
    client_flush(stream->client);
    return stream_check(stream, err);
}

static void stream_send_end(WireStream *stream, WireStatus status)
{
    WireHeader header = stream_header(stream, WIRE_STREAM, status);

    stream->ended = true;
    wire_frame_append_raw(&stream->client->channel.out, &header, NULL, 0);
    client_flush(stream->client);
}

bool wire_stream_finish(WireStream *stream, uint64_t timeout_ms, Error **err)
{
    if (!stream_check(stream, err))
        return false;
    if (!stream->ended)
        stream_send_end(stream, WIRE_OK);
    while (!stream->confirmed) {
        if (!stream_check(stream, err))
            return false;
        /* Nobody reads what still comes: drop it, or a full queue would hide the confirmation. */
        g_queue_clear_full(&stream->pieces, stream_piece_free);
        stream->queued_bytes = 0;
        wait_queue_wake_all(&stream->room);
        if (!wait_queue_wait(&stream->changed, timeout_ms, err))
            return false;
    }
    return true;
}

void wire_stream_free(WireStream *stream)
{
    if (!stream)
        return;
    if (!stream->ended && !stream->failed && wire_client_is_alive(stream->client))
        stream_send_end(stream, WIRE_ERROR);
    client_stream_discard(stream);
}
