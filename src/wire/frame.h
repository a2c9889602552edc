/* Frames of the wire protocol: a length word, a header of 24 bytes, the payload. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "wire/codec.h"

#define WIRE_HEADER_LEN 28u      /* with the length word; the smallest frame */
#define WIRE_FRAME_MAX 33554436u /* with the length word */
#define WIRE_PAYLOAD_MAX 33554408u
#define WIRE_STREAM_CHUNK 262120u /* what peers send at most in one stream frame */
#define WIRE_FDS_MAX 32

typedef enum WireFrameType {
    WIRE_CALL = 0,
    WIRE_REPLY = 1,
    WIRE_MESSAGE = 2,
    WIRE_STREAM = 3,
    WIRE_CALL_WITH_FDS = 4,
    WIRE_REPLY_WITH_FDS = 5,
    WIRE_STREAM_HOLE = 6
} WireFrameType;

typedef enum WireStatus { WIRE_OK = 0, WIRE_ERROR = 1, WIRE_CONTINUE = 2 } WireStatus;

typedef struct WireHeader {
    uint32_t program;
    uint32_t version;
    int32_t proc;
    uint32_t type; /* WireFrameType, or anything from a hostile peer */
    uint32_t serial;
    uint32_t status; /* WireStatus, likewise */
} WireHeader;

typedef struct WireFrame {
    WireHeader header;
    uint32_t n_fds;         /* descriptors that follow the frame, each with one byte of its own */
    const uint8_t *payload; /* into the parsed data */
    size_t payload_len;
    size_t frame_len; /* without the bytes of the descriptors */
} WireFrame;

typedef enum WireFrameState {
    WIRE_FRAME_COMPLETE,
    WIRE_FRAME_INCOMPLETE, /* more bytes are needed; ret_frame->frame_len says how many in all, once known */
    WIRE_FRAME_BROKEN      /* drop the connection */
} WireFrameState;

/* Looks at the frame that starts at @data. */
WireFrameState wire_frame_parse(const uint8_t *data, size_t len, WireFrame *ret_frame);

/* Begin reserves the header (and the descriptor count, for the types WITH_FDS) and returns where the frame
 * starts; then append the payload; end writes the header. ERROR_OVERFLOW drops the frame from the buffer. */
size_t wire_frame_begin(WireBuffer *buffer, const WireHeader *header);
MUST_CHECK bool wire_frame_end(WireBuffer *buffer, size_t start, const WireHeader *header, uint32_t n_fds,
                               Error **err);

/* A whole frame with @value of @type as payload. The buffer is unchanged on failure. */
MUST_CHECK bool wire_frame_append(WireBuffer *buffer, const WireHeader *header, WireType type,
                                  const void *value, Error **err);
/* The first WIRE_HEADER_LEN bytes of a frame without descriptors; @frame_len counts them. */
void wire_frame_put_header(uint8_t *at, const WireHeader *header, size_t frame_len);
/* A whole frame with raw bytes (streams). @len at most WIRE_PAYLOAD_MAX. */
void wire_frame_append_raw(WireBuffer *buffer, const WireHeader *header, const void *data, size_t len);
