/* Buffers of one connection.
 *
 * Descriptors travel outside frames: each follows its frame with one zero byte that is not part of the
 * frame's length. The kernel ends a read at such a byte and hands over its descriptor, so they queue up here
 * in order until the frame that announces them is complete. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/socket.h"

#define READ_SIZE_MIN ((size_t)8192)
#define READ_SIZE_MAX ((size_t)1048576)
#define TAKE_MIN ((size_t)65536) /* smaller ones cost less to copy than to have a buffer of their own */

typedef struct OutFd {
    size_t at; /* offset in the output buffer after which it goes */
    int fd;
} OutFd;

void wire_channel_init(WireChannel *channel, int in_fd, int out_fd)
{
    struct stat st;

    *channel = (WireChannel){ .in_fd = in_fd, .out_fd = out_fd, .in_hint = READ_SIZE_MIN };
    channel->is_socket = fstat(in_fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void channel_close_fds(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static void channel_drop_output(WireChannel *channel)
{
    if (channel->out_fds) {
        for (guint i = 0; i < channel->out_fds->len; i++)
            close(g_array_index(channel->out_fds, OutFd, i).fd);
        g_clear_pointer(&channel->out_fds, g_array_unref);
    }
    wire_buffer_clear(&channel->out);
    channel->out_sent = 0;
}

void wire_channel_clear(WireChannel *channel)
{
    channel_close_fds(channel->in_fds, channel->n_in_fds);
    channel->n_in_fds = 0;
    channel_drop_output(channel);
    g_clear_pointer(&channel->in, g_free);
    channel->in_start = channel->in_end = channel->in_allocated = 0;
    if (channel->layer)
        channel->layer->ops->free(g_steal_pointer(&channel->layer));
    if (channel->out_fd >= 0 && channel->out_fd != channel->in_fd)
        close(channel->out_fd);
    if (channel->in_fd >= 0)
        close(channel->in_fd);
    channel->in_fd = channel->out_fd = -1;
}

/* ---- input ---- */

/* Room for another read. Grows with the bytes that really came, never with what a frame claims to be. */
static void channel_make_room(WireChannel *channel)
{
    size_t used = channel->in_end - channel->in_start;

    if (channel->in_allocated - channel->in_end >= READ_SIZE_MIN / 2)
        return;
    /* A buffer for one large frame and the header of the next: it ends where the frame does. */
    if (channel->in_end < channel->in_allocated && channel->in_start == 0 &&
        channel->in_allocated == channel->in_frame + WIRE_HEADER_LEN)
        return;
    if (channel->in_start > 0) {
        memmove(channel->in, channel->in + channel->in_start, used);
        channel->in_start = 0;
        channel->in_end = used;
    }
    if (channel->in_allocated - used >= READ_SIZE_MIN / 2 && channel->in_allocated >= used * 2)
        return;
    channel->in_allocated = used == 0 && channel->in_frame ? channel->in_frame + WIRE_HEADER_LEN
                                                           : MAX(channel->in_hint, used * 2);
    channel->in = g_realloc(channel->in, channel->in_allocated);
}

static bool channel_take_fds(WireChannel *channel, struct msghdr *message, Error **err)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (unsigned i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (channel->n_in_fds < WIRE_QUEUED_FDS_MAX)
                channel->in_fds[channel->n_in_fds++] = fd;
            else
                close(fd), message->msg_flags |= MSG_CTRUNC;
        }
    }
    if (message->msg_flags & MSG_CTRUNC)
        return error_set(err, ERROR_PROTOCOL, "the peer passed too many descriptors");
    return true;
}

static ssize_t channel_receive(WireChannel *channel, size_t size, Error **err)
{
    uint8_t *to = channel->in + channel->in_end;
    char control[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
    struct iovec piece = { .iov_base = to, .iov_len = size };
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };

    if (channel->layer)
        return channel->layer->ops->read(channel->layer, to, size, err);
    if (!channel->is_socket)
        return read(channel->in_fd, to, size);
    ssize_t got = recvmsg(channel->in_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got >= 0 && message.msg_controllen > 0 && !channel_take_fds(channel, &message, err)) {
        errno = EPROTO;
        return -1;
    }
    return got;
}

static bool channel_read_once(WireChannel *channel, bool *ret_got, Error **err)
{
    g_autoptr(Error) why = NULL;
    ssize_t got;

    *ret_got = false;
    channel_make_room(channel);
    size_t size = channel->in_allocated - channel->in_end;
    do {
        got = channel_receive(channel, size, &why);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        int code = errno;
        if (channel->in_start == channel->in_end) {
            g_clear_pointer(&channel->in, g_free);
            channel->in_start = channel->in_end = channel->in_allocated = 0;
        }
        if (code == EAGAIN)
            return true;
        if (why)
            return error_propagate(err, g_steal_pointer(&why));
        return error_set_errno(err, code, "cannot read from the connection");
    }
    channel->in_end += (size_t)got;
    channel->at_end = got == 0;
    /* A peer that fills our buffer has more to say: read in larger pieces. */
    channel->in_hint = (size_t)got == size ? MIN(channel->in_hint * 2, READ_SIZE_MAX)
                                           : MAX(channel->in_hint / 2, READ_SIZE_MIN);
    *ret_got = true;
    return true;
}

bool wire_channel_read(WireChannel *channel, bool *ret_got, Error **err)
{
    const WireLayer *layer = channel->layer;
    bool more = true;

    if (!channel_read_once(channel, ret_got, err))
        return false;
    /* The descriptor would not tell that the layer has the rest of something; it is small. */
    while (layer && *ret_got && more && !channel->at_end && layer->ops->has_more(layer)) {
        if (!channel_read_once(channel, &more, err))
            return false;
    }
    return true;
}

WireFrameState wire_channel_next(WireChannel *channel, WireFrame *ret_frame)
{
    size_t len = channel->in_end - channel->in_start;
    WireFrameState state =
        wire_frame_parse(channel->in ? channel->in + channel->in_start : (const uint8_t *)"", len, ret_frame);

    if (state == WIRE_FRAME_COMPLETE && len < ret_frame->frame_len + ret_frame->n_fds)
        return WIRE_FRAME_INCOMPLETE;
    return state;
}

void wire_channel_take_fds(WireChannel *channel, unsigned n_fds, int *ret_fds)
{
    g_assert(n_fds <= channel->n_in_fds);
    memcpy(ret_fds, channel->in_fds, n_fds * sizeof(int));
    channel->n_in_fds -= n_fds;
    memmove(channel->in_fds, channel->in_fds + n_fds, channel->n_in_fds * sizeof(int));
}

void *wire_channel_take_buffer(WireChannel *channel, WireFrame *frame)
{
    const size_t at = channel->in_start, end = at + frame->frame_len;
    const size_t left = channel->in_end - end;

    if (frame->frame_len < TAKE_MIN || frame->n_fds || at > frame->frame_len || left > frame->frame_len)
        return NULL;
    const size_t payload_at = (size_t)(frame->payload - channel->in);
    uint8_t *taken = channel->in;
    channel->in_frame = frame->frame_len;
    channel->in_start = channel->in_end = channel->in_allocated = 0;
    channel->in = NULL;
    if (left > 0) {
        channel->in_allocated = frame->frame_len + WIRE_HEADER_LEN;
        channel->in = g_malloc(channel->in_allocated);
        memcpy(channel->in, taken + end, left);
        channel->in_end = left;
    }
    /* Buffers grow by doubling: what is not used of this one goes back. */
    taken = g_realloc(taken, end);
    frame->payload = taken + payload_at;
    channel->in_is_taken = true;
    return taken;
}

void wire_channel_skip(WireChannel *channel, const WireFrame *frame)
{
    if (channel->in_is_taken) {
        channel->in_is_taken = false;
        return;
    }
    if (frame->frame_len < TAKE_MIN)
        channel->in_frame = 0;
    channel->in_start += frame->frame_len + frame->n_fds;
    if (channel->in_start == channel->in_end) {
        g_clear_pointer(&channel->in, g_free);
        channel->in_start = channel->in_end = channel->in_allocated = 0;
    }
}

/* ---- output ---- */

size_t wire_channel_pending(const WireChannel *channel)
{
    return channel->out.len - channel->out_sent;
}

void wire_channel_append_fd(WireChannel *channel, int fd)
{
    OutFd entry = { .fd = fd };

    if (!channel->out_fds)
        channel->out_fds = g_array_new(FALSE, FALSE, sizeof(OutFd));
    /* Its zero byte is part of the buffer, so that pending counts it; flush sends it together with the fd. */
    wire_buffer_append(&channel->out, "", 1);
    entry.at = channel->out.len - 1;
    g_array_append_val(channel->out_fds, entry);
}

static ssize_t channel_write(WireChannel *channel, size_t len, Error **err)
{
    const uint8_t *from = channel->out.data + channel->out_sent;

    if (channel->layer)
        return channel->layer->ops->write(channel->layer, from, len, err);
    if (channel->is_socket)
        return send(channel->out_fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return write(channel->out_fd, from, len);
}

/* Sends the next piece: bytes up to the next descriptor, or that descriptor. 0: the socket is full. */
static bool channel_send_piece(WireChannel *channel, size_t *ret_sent, Error **err)
{
    size_t len = wire_channel_pending(channel);
    const OutFd *next =
        channel->out_fds && channel->out_fds->len ? &g_array_index(channel->out_fds, OutFd, 0) : NULL;
    g_autoptr(Error) why = NULL;
    ssize_t sent;

    *ret_sent = 0;
    if (next && next->at == channel->out_sent) {
        if (!socket_send_fd(channel->out_fd, next->fd, &why)) {
            if (error_code(why) == ERROR_SYSTEM && error_errno(why) == EAGAIN)
                return true;
            return error_propagate(err, g_steal_pointer(&why));
        }
        close(next->fd);
        g_array_remove_index(channel->out_fds, 0);
        *ret_sent = 1;
        return true;
    }
    if (next)
        len = next->at - channel->out_sent;
    do {
        sent = channel_write(channel, len, &why);
    } while (sent < 0 && errno == EINTR);
    if (why)
        return error_propagate(err, g_steal_pointer(&why));
    if (sent < 0 && errno != EAGAIN)
        return error_set_errno(err, errno, "cannot write to the connection");
    *ret_sent = sent > 0 ? (size_t)sent : 0;
    return true;
}

void wire_channel_append_raw(WireChannel *channel, const WireHeader *header, const void *data, size_t len)
{
    uint8_t head[WIRE_HEADER_LEN];
    struct iovec pieces[] = { { .iov_base = head, .iov_len = sizeof head },
                              { .iov_base = (void *)data, .iov_len = len } };
    const struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
    ssize_t sent = 0;

    wire_frame_put_header(head, header, sizeof head + len);
    if (channel->is_socket && !channel->layer && wire_channel_pending(channel) == 0)
        sent = sendmsg(channel->out_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    const size_t done = sent > 0 ? (size_t)sent : 0;
    if (done < sizeof head)
        wire_buffer_append(&channel->out, head + done, sizeof head - done);
    const size_t data_done = done > sizeof head ? done - sizeof head : 0;
    if (data_done < len)
        wire_buffer_append(&channel->out, (const uint8_t *)data + data_done, len - data_done);
}

bool wire_channel_flush(WireChannel *channel, Error **err)
{
    while (wire_channel_pending(channel) > 0) {
        size_t sent;
        if (!channel_send_piece(channel, &sent, err))
            return false;
        if (sent == 0)
            break;
        channel->out_sent += sent;
    }
    if (wire_channel_pending(channel) == 0) {
        channel_drop_output(channel);
    } else if (channel->out_sent > channel->out.len / 2) {
        /* Keep the buffer from growing behind a slow reader. */
        size_t left = wire_channel_pending(channel);
        memmove(channel->out.data, channel->out.data + channel->out_sent, left);
        for (guint i = 0; channel->out_fds && i < channel->out_fds->len; i++)
            g_array_index(channel->out_fds, OutFd, i).at -= channel->out_sent;
        channel->out.len = left;
        channel->out_sent = 0;
    }
    return true;
}
