/* Fuzz target: the input is a stream of frames, in either direction.
 *
 * What decodes must encode again, and that again to the same bytes. The first byte says how large the pieces
 * are in which the channel gets the rest, so that its buffering is reached too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/channel.h"
#include "wire/error_map.h"

#define FUZZ_MAX_BYTES 100000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static WireType fuzz_payload_type(const WireHeader *header)
{
    const WireProgram *program = wire_program_find(header->program);
    const WireProc *proc = program ? wire_proc_find(program, header->proc) : NULL;

    if (header->type == WIRE_STREAM_HOLE)
        return WIRE_TYPE_STREAM_HOLE;
    if ((header->type == WIRE_REPLY || header->type == WIRE_REPLY_WITH_FDS) && header->status == WIRE_ERROR)
        return WIRE_TYPE_ERROR;
    if (!proc)
        /* No procedure has this number: use it to choose among all types. */
        return (WireType)((uint32_t)header->proc % WIRE_TYPE_COUNT);
    return header->type == WIRE_REPLY || header->type == WIRE_REPLY_WITH_FDS ? proc->ret : proc->args;
}

static void fuzz_payload(WireType type, const uint8_t *data, size_t len)
{
    g_autofree void *value = g_malloc0(MAX(wire_type_size(type), 1));
    g_autofree void *again = g_malloc0(MAX(wire_type_size(type), 1));
    g_auto(WireBuffer) first = { 0 };
    g_auto(WireBuffer) second = { 0 };
    g_autoptr(Error) err = NULL;

    if (!wire_decode(type, data, len, value, NULL, &err))
        return;
    if (type == WIRE_TYPE_ERROR) {
        g_autoptr(Error) remote = NULL;
        wire_error_to(value, &remote);
        (void)wire_error_code(remote);
    }
    bool ok = wire_encode(type, value, &first, NULL) &&
              wire_decode(type, first.data, first.len, again, NULL, NULL) &&
              wire_encode(type, again, &second, NULL);
    if (!ok || first.len != second.len || (first.len && memcmp(first.data, second.data, first.len) != 0))
        abort();
    wire_clear(type, value);
    wire_clear(type, again);
}

/* false when the connection would end. */
static bool fuzz_drain(WireChannel *channel)
{
    WireFrame frame;
    WireFrameState state;

    while ((state = wire_channel_next(channel, &frame)) == WIRE_FRAME_COMPLETE) {
        if (frame.n_fds > channel->n_in_fds)
            return false;
        fuzz_payload(fuzz_payload_type(&frame.header), frame.payload, frame.payload_len);
        wire_channel_skip(channel, &frame);
    }
    return state != WIRE_FRAME_BROKEN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WireChannel channel;
    int pair[2];

    if (size < 1 || size > FUZZ_MAX_BYTES || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        return 0;
    size_t piece = data[0] ? (size_t)data[0] * 16 : FUZZ_MAX_BYTES;
    wire_channel_init(&channel, pair[0], pair[0]);
    bool more = true;
    for (size_t at = 1; at < size && more; at += piece) {
        bool got;
        (void)!write(pair[1], data + at, MIN(piece, size - at));
        do
            more = wire_channel_read(&channel, &got, NULL) && fuzz_drain(&channel);
        while (more && got);
    }
    close(pair[1]);
    wire_channel_clear(&channel);
    return 0;
}
