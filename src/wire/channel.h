/* A byte channel that carries frames: what has arrived but is not yet a whole frame, what still has to go
 * out, and the descriptors that travel along. Used by the server and by the client; knows nothing of what
 * frames mean.
 *
 * Nothing here waits: read and flush do what the descriptor takes now. An idle channel holds no buffer. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "wire/frame.h"
#include "wire/layer.h"

#define WIRE_QUEUED_FDS_MAX 64

typedef struct WireChannel {
    int in_fd;  /* owned */
    int out_fd; /* owned; may be a duplicate of in_fd */
    bool is_socket;
    WireLayer *layer; /* owned; what bytes pass through; NULL: nothing. No descriptors travel then */
    bool at_end;      /* the peer has closed its side */
    uint8_t *in;
    size_t in_start, in_end, in_allocated, in_hint;
    size_t in_frame; /* length of the large frames that come one after the other, without copying; 0 */
    bool in_is_taken;
    int in_fds[WIRE_QUEUED_FDS_MAX]; /* received, not yet claimed by a frame; kept small on purpose */
    unsigned n_in_fds;
    WireBuffer out; /* append frames here, then flush */
    size_t out_sent;
    GArray *out_fds; /* private; NULL while there are none */
} WireChannel;

/* Both descriptors non-blocking, owned from now on. They may be equal. */
void wire_channel_init(WireChannel *channel, int in_fd, int out_fd);
/* Closes the descriptors and drops everything. */
void wire_channel_clear(WireChannel *channel);

/* Reads once, or as long as the layer has something. false: the connection failed. *ret_got says whether
 * anything came (or the end was reached, see at_end); a wait for EPOLLIN is due otherwise. */
MUST_CHECK bool wire_channel_read(WireChannel *channel, bool *ret_got, Error **err);

/* The next whole frame, which stays valid until wire_channel_skip(). */
WireFrameState wire_channel_next(WireChannel *channel, WireFrame *ret_frame);
/* The first @n_fds descriptors that came, taken out. Check n_in_fds first. */
void wire_channel_take_fds(WireChannel *channel, unsigned n_fds, int *ret_fds);
/* The buffer that a large frame lies in, for who wants to keep its payload without a copy; caller owns
 * (g_free). @frame->payload then points into it, and wire_channel_skip() follows as ever. NULL: too much else
 * is in the buffer, or the frame is small. */
void *wire_channel_take_buffer(WireChannel *channel, WireFrame *frame);
/* Forgets the frame, whose descriptors were taken. */
void wire_channel_skip(WireChannel *channel, const WireFrame *frame);
/* Queues @fd (owned) to follow what is in the output buffer. */
void wire_channel_append_fd(WireChannel *channel, int fd);
/* A whole frame with raw bytes. What the descriptor takes now is sent from where it lies, if nothing waits
 * before it; flush sends the rest, and tells failures. */
void wire_channel_append_raw(WireChannel *channel, const WireHeader *header, const void *data, size_t len);
/* Writes what the descriptor takes now. */
MUST_CHECK bool wire_channel_flush(WireChannel *channel, Error **err);
/* Bytes that wait to be written. */
size_t wire_channel_pending(const WireChannel *channel);
