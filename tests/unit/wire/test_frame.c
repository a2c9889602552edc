/* Frame headers: lengths, descriptor counts and their limits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/frame.h"
#include "wire/wire_gen.h"

static void impossible_lengths_break_the_connection(void **state)
{
    static const struct {
        uint32_t len;
        WireFrameState expected;
    } cases[] = {
        { 0, WIRE_FRAME_BROKEN },
        { 3, WIRE_FRAME_BROKEN },
        { 4, WIRE_FRAME_BROKEN },
        { 27, WIRE_FRAME_BROKEN },
        { 28, WIRE_FRAME_COMPLETE },
        { 29, WIRE_FRAME_INCOMPLETE },
        { 33554436, WIRE_FRAME_INCOMPLETE },
        { 33554437, WIRE_FRAME_BROKEN },
        { 0xffffffff, WIRE_FRAME_BROKEN },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t data[28] = { 0 };
        WireFrame frame;
        uint32_t len = GUINT32_TO_BE(cases[i].len);
        memcpy(data, &len, 4);
        assert_int_equal(wire_frame_parse(data, sizeof data, &frame), cases[i].expected);
        assert_int_equal(wire_frame_parse(data, 3, &frame), WIRE_FRAME_INCOMPLETE);
    }
}

static void header_survives_a_round_trip(void **state)
{
    WireHeader header = { .program = WIRE_PROGRAM_QEMU,
                          .version = 1,
                          .proc = -5,
                          .type = WIRE_STREAM,
                          .serial = 0xfffffffe,
                          .status = WIRE_CONTINUE };
    g_auto(WireBuffer) out = { 0 };
    WireFrame frame;

    wire_frame_append_raw(&out, &header, "xyz", 3);
    assert_int_equal(out.len, 31);
    assert_int_equal(wire_frame_parse(out.data, out.len, &frame), WIRE_FRAME_COMPLETE);
    assert_memory_equal(&frame.header, &header, sizeof header);
    assert_int_equal(frame.payload_len, 3);
    assert_memory_equal(frame.payload, "xyz", 3);
}

static void descriptor_count_is_bounded(void **state)
{
    WireHeader header = {
        .program = WIRE_PROGRAM_REMOTE, .version = 1, .proc = 1, .type = WIRE_CALL_WITH_FDS
    };
    static const struct {
        uint32_t n_fds;
        WireFrameState expected;
    } cases[] = { { 0, WIRE_FRAME_COMPLETE },
                  { 32, WIRE_FRAME_COMPLETE },
                  { 33, WIRE_FRAME_BROKEN },
                  { 0xffffffff, WIRE_FRAME_BROKEN } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(WireBuffer) out = { 0 };
        WireFrame frame;
        size_t start = wire_frame_begin(&out, &header);
        assert_true(wire_frame_end(&out, start, &header, cases[i].n_fds, NULL));
        assert_int_equal(wire_frame_parse(out.data, out.len, &frame), cases[i].expected);
    }
    /* a frame of that type without room for the count */
    uint8_t small[28] = { 0, 0, 0, 28, [19] = WIRE_CALL_WITH_FDS };
    WireFrame frame;
    assert_int_equal(wire_frame_parse(small, sizeof small, &frame), WIRE_FRAME_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_lengths_break_the_connection),
        cmocka_unit_test(header_survives_a_round_trip),
        cmocka_unit_test(descriptor_count_is_bounded),
    };

    return cmocka_run_group_tests_name("wire/frame", tests, NULL, NULL);
}
