/* Sends ready-made frames one by one to a daemon's socket and prints how long each reply took; see bench.
 *
 * Between the two readings of the clock there is one send() and the recv()s of the reply, nothing else: the
 * client's own work would slow both daemons alike, and so make the faster one look slower than it is.
 *
 * usage: timed_calls SOCKET <FRAMES
 * FRAMES are complete frames of calls, one after the other. Each line of the output is the nanoseconds and
 * the status of one reply; messages that are not replies are read over. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)32 << 20)
#define HEADER_BYTES 28
#define TYPE_REPLY 1
#define SERIAL_OFFSET 20

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "timed_calls: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = { .tv_sec = 60 };

    if (strlen(path) >= sizeof address.sun_path)
        errno = ENAMETOOLONG, fail(path);
    strcpy(address.sun_path, path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
        fail(path);
    return fd;
}

static uint32_t word(const uint8_t *frame, size_t offset)
{
    uint32_t value;

    memcpy(&value, frame + offset, sizeof value);
    return be32toh(value);
}

/* One frame, from its first byte at @buffer; what came after it stays behind it. Returns its length. */
static size_t receive(int fd, uint8_t *buffer, size_t *used)
{
    for (;;) {
        const size_t len = *used >= 4 ? word(buffer, 0) : 0;
        if (len > BUFFER_BYTES || (len && len < HEADER_BYTES))
            errno = EPROTO, fail("frame");
        if (len && *used >= len)
            return len;
        const ssize_t got = recv(fd, buffer + *used, BUFFER_BYTES - *used, 0);
        if (got <= 0)
            fail("recv");
        *used += (size_t)got;
    }
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Prints the time of one call. */
static void time_call(int fd, const uint8_t *frame, size_t len, uint8_t *buffer, size_t *used)
{
    const int64_t begin = now_ns();

    if (send(fd, frame, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail("send");
    for (;;) {
        const size_t got = receive(fd, buffer, used);
        const int64_t end = now_ns();
        const int is_mine =
            word(buffer, 16) == TYPE_REPLY && word(buffer, SERIAL_OFFSET) == word(frame, SERIAL_OFFSET);
        const int status = (int)word(buffer, 24);
        memmove(buffer, buffer + got, *used - got);
        *used -= got;
        if (!is_mine)
            continue;
        printf("%lld %d\n", (long long)(end - begin), status);
        return;
    }
}

int main(int argc, char **argv)
{
    uint8_t *frames = malloc(BUFFER_BYTES), *buffer = malloc(BUFFER_BYTES);
    size_t len = 0, used = 0;

    if (argc != 2 || !frames || !buffer)
        return 2;
    for (ssize_t got; (got = read(0, frames + len, BUFFER_BYTES - len)) != 0; len += (size_t)got) {
        if (got < 0)
            fail("the frames");
    }
    memset(buffer, 0, 1 << 20); /* its pages are there before the clock runs */
    const int fd = connect_to(argv[1]);
    for (size_t at = 0; at + HEADER_BYTES <= len;) {
        const size_t frame_len = word(frames, at);
        if (frame_len < HEADER_BYTES || frame_len > len - at)
            errno = EPROTO, fail("the frames");
        time_call(fd, frames + at, frame_len, buffer, &used);
        at += frame_len;
    }
    return 0;
}
