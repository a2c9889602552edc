/* Packing and unpacking of frame headers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/frame.h"

#include <string.h>

static uint32_t frame_get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return GUINT32_FROM_BE(value);
}

static void frame_put_u32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(at, &value, 4);
}

static bool frame_has_fds(uint32_t type)
{
    return type == WIRE_CALL_WITH_FDS || type == WIRE_REPLY_WITH_FDS;
}

WireFrameState wire_frame_parse(const uint8_t *data, size_t len, WireFrame *ret_frame)
{
    *ret_frame = (WireFrame){ 0 };
    if (len < 4)
        return WIRE_FRAME_INCOMPLETE;
    uint32_t frame_len = frame_get_u32(data);
    if (frame_len < WIRE_HEADER_LEN || frame_len > WIRE_FRAME_MAX)
        return WIRE_FRAME_BROKEN;
    ret_frame->frame_len = frame_len;
    if (len < frame_len)
        return WIRE_FRAME_INCOMPLETE;

    ret_frame->header = (WireHeader){
        .program = frame_get_u32(data + 4),
        .version = frame_get_u32(data + 8),
        .proc = (int32_t)frame_get_u32(data + 12),
        .type = frame_get_u32(data + 16),
        .serial = frame_get_u32(data + 20),
        .status = frame_get_u32(data + 24),
    };
    size_t skip = WIRE_HEADER_LEN;
    if (frame_has_fds(ret_frame->header.type)) {
        if (frame_len < WIRE_HEADER_LEN + 4)
            return WIRE_FRAME_BROKEN;
        ret_frame->n_fds = frame_get_u32(data + WIRE_HEADER_LEN);
        if (ret_frame->n_fds > WIRE_FDS_MAX)
            return WIRE_FRAME_BROKEN;
        skip += 4;
    }
    ret_frame->payload = data + skip;
    ret_frame->payload_len = frame_len - skip;
    return WIRE_FRAME_COMPLETE;
}

size_t wire_frame_begin(WireBuffer *buffer, const WireHeader *header)
{
    size_t start = buffer->len;
    size_t skip = WIRE_HEADER_LEN + (frame_has_fds(header->type) ? 4 : 0);

    wire_buffer_reserve(buffer, skip);
    buffer->len += skip;
    return start;
}

void wire_frame_put_header(uint8_t *at, const WireHeader *header, size_t frame_len)
{
    frame_put_u32(at, (uint32_t)frame_len);
    frame_put_u32(at + 4, header->program);
    frame_put_u32(at + 8, header->version);
    frame_put_u32(at + 12, (uint32_t)header->proc);
    frame_put_u32(at + 16, header->type);
    frame_put_u32(at + 20, header->serial);
    frame_put_u32(at + 24, header->status);
}

bool wire_frame_end(WireBuffer *buffer, size_t start, const WireHeader *header, uint32_t n_fds, Error **err)
{
    size_t len = buffer->len - start;
    uint8_t *at = buffer->data + start;

    if (len > WIRE_FRAME_MAX) {
        buffer->len = start;
        return error_set(err, ERROR_OVERFLOW,
                         "a message of %zu bytes exceeds the %u that the protocol allows", len,
                         WIRE_FRAME_MAX);
    }
    wire_frame_put_header(at, header, len);
    if (frame_has_fds(header->type))
        frame_put_u32(at + WIRE_HEADER_LEN, n_fds);
    return true;
}

bool wire_frame_append(WireBuffer *buffer, const WireHeader *header, WireType type, const void *value,
                       Error **err)
{
    size_t start = wire_frame_begin(buffer, header);

    if (!wire_encode(type, value, buffer, err)) {
        buffer->len = start;
        return false;
    }
    return wire_frame_end(buffer, start, header, 0, err);
}

void wire_frame_append_raw(WireBuffer *buffer, const WireHeader *header, const void *data, size_t len)
{
    size_t start = wire_frame_begin(buffer, header);

    g_assert(len <= WIRE_PAYLOAD_MAX);
    wire_buffer_append(buffer, data, len);
    bool fits = wire_frame_end(buffer, start, header, 0, NULL);
    g_assert(fits);
}
