/* Frames that arrive in pieces: large ones are handed over in the buffer that they came in. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/channel.h"

typedef struct Fixture {
    WireChannel channel;
    int peer;
    unsigned n_taken, n_copied;
} Fixture;

static void fixture_init(Fixture *fixture)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *fixture = (Fixture){ .peer = fds[1] };
    wire_channel_init(&fixture->channel, fds[0], fds[0]);
}

static void fixture_clear(Fixture *fixture)
{
    wire_channel_clear(&fixture->channel);
    close(fixture->peer);
}

/* Byte @at of the payload of frame @number. */
static uint8_t pattern(unsigned number, size_t at)
{
    return (uint8_t)(number * 31 + at * 7 + (at >> 12));
}

/* Takes what is there and checks each byte; the number of the next frame that is awaited. */
static unsigned fixture_receive(Fixture *fixture, const size_t *sizes, unsigned number)
{
    bool got;
    WireFrame frame;

    assert_true(wire_channel_read(&fixture->channel, &got, NULL));
    while (wire_channel_next(&fixture->channel, &frame) == WIRE_FRAME_COMPLETE) {
        void *block = wire_channel_take_buffer(&fixture->channel, &frame);
        assert_int_equal(frame.payload_len, sizes[number]);
        for (size_t at = 0; at < frame.payload_len; at++)
            assert_int_equal(frame.payload[at], pattern(number, at));
        if (block)
            fixture->n_taken++;
        else
            fixture->n_copied++;
        wire_channel_skip(&fixture->channel, &frame);
        g_free(block);
        number++;
    }
    return number;
}

/* Sends frames with payloads of these @sizes in pieces of at most @piece bytes. */
static void fixture_transfer(Fixture *fixture, const size_t *sizes, unsigned n_sizes, size_t piece)
{
    g_auto(WireBuffer) out = { 0 };
    size_t sent = 0;
    unsigned number = 0;

    for (unsigned i = 0; i < n_sizes; i++) {
        const WireHeader header = {
            .program = 1, .version = 1, .type = WIRE_STREAM, .status = WIRE_CONTINUE
        };
        g_autofree uint8_t *payload = g_malloc(sizes[i] + 1);
        for (size_t at = 0; at < sizes[i]; at++)
            payload[at] = pattern(i, at);
        wire_frame_append_raw(&out, &header, payload, sizes[i]);
    }
    while (number < n_sizes) {
        const ssize_t put =
            sent < out.len ? write(fixture->peer, out.data + sent, MIN(piece, out.len - sent)) : 0;
        sent += put > 0 ? (size_t)put : 0;
        number = fixture_receive(fixture, sizes, number);
    }
    assert_int_equal(sent, out.len);
    assert_int_equal(fixture->channel.in_end, fixture->channel.in_start);
}

static void large_frames_are_taken(void **state)
{
    Fixture fixture;
    size_t sizes[40];

    fixture_init(&fixture);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
        sizes[i] = WIRE_STREAM_CHUNK;
    fixture_transfer(&fixture, sizes, G_N_ELEMENTS(sizes), SIZE_MAX);
    assert_int_equal(fixture.n_taken + fixture.n_copied, 40);
    assert_true(fixture.n_taken >= 36); /* until the buffer has the right size */
    /* ... and it stays no larger than a frame needs */
    assert_true(fixture.channel.in_allocated <= WIRE_STREAM_CHUNK + 2 * WIRE_HEADER_LEN);
    fixture_clear(&fixture);
}

static void pieces_of_any_size_arrive(void **state)
{
    static const size_t sizes[] = { 0,
                                    5,
                                    WIRE_STREAM_CHUNK,
                                    70000,
                                    1,
                                    WIRE_STREAM_CHUNK,
                                    65508,
                                    65507,
                                    200000,
                                    66000,
                                    66000,
                                    3,
                                    WIRE_STREAM_CHUNK,
                                    100000,
                                    900000,
                                    70000,
                                    70000,
                                    1,
                                    70000,
                                    1 };
    static const size_t pieces[] = { 1000, 4095, 65536, 65537, 150000, SIZE_MAX };

    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        Fixture fixture;
        fixture_init(&fixture);
        fixture_transfer(&fixture, sizes, G_N_ELEMENTS(sizes), pieces[i]);
        assert_int_equal(fixture.n_taken + fixture.n_copied, G_N_ELEMENTS(sizes));
        assert_true(fixture.n_taken > 0);
        fixture_clear(&fixture);
    }
}

static void small_frames_stay_where_they_are(void **state)
{
    static const size_t sizes[] = { 100, 65000, 4096, 65507 };
    Fixture fixture;

    fixture_init(&fixture);
    fixture_transfer(&fixture, sizes, G_N_ELEMENTS(sizes), SIZE_MAX);
    assert_int_equal(fixture.n_taken, 0);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_frames_are_taken),
        cmocka_unit_test(pieces_of_any_size_arrive),
        cmocka_unit_test(small_frames_stay_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
