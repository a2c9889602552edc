/* The codec against frames that real peers exchanged: each must decode and encode to the same bytes, and
 * damaged ones must be refused without a leak. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "wire/frame.h"
#include "wire/params.h"
#include "wire/wire_enums.h"

static const char *golden_dir;

typedef void (*FrameFunc)(const char *label, const uint8_t *data, size_t len);

static size_t unhex(const char *hex, uint8_t **ret_data)
{
    size_t len = strlen(hex) / 2;
    *ret_data = g_malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        (*ret_data)[i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    return len;
}

static unsigned for_each_golden(FrameFunc func)
{
    g_autofree char *path = g_build_filename(golden_dir, "frames.jsonl", NULL);
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    unsigned count = 0;

    assert_non_null(file);
    while (getline(&line, &size, file) > 0) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        g_autofree uint8_t *data = NULL;
        size_t len = unhex(json_string_value(json_object_get(row, "hex")), &data);
        g_autofree char *label =
            g_strdup_printf("%s %s %s %s", json_string_value(json_object_get(row, "dir")),
                            json_string_value(json_object_get(row, "proc")),
                            json_string_value(json_object_get(row, "type")),
                            json_string_value(json_object_get(row, "status")));
        func(label, data, len);
        json_decref(row);
        count++;
    }
    free(line);
    fclose(file);
    return count;
}

/* The type of a frame's payload; WIRE_TYPE_COUNT for raw stream data. */
static WireType payload_type(const WireHeader *header)
{
    const WireProgram *program = wire_program_find(header->program);
    assert_non_null(program);
    const WireProc *proc = wire_proc_find(program, header->proc);
    assert_non_null(proc);

    switch (header->type) {
    case WIRE_CALL:
    case WIRE_CALL_WITH_FDS:
    case WIRE_MESSAGE:
        return proc->args;
    case WIRE_REPLY:
    case WIRE_REPLY_WITH_FDS:
        return header->status == WIRE_ERROR ? WIRE_TYPE_ERROR : proc->ret;
    case WIRE_STREAM_HOLE:
        return WIRE_TYPE_STREAM_HOLE;
    default:
        return WIRE_TYPE_COUNT;
    }
}

static void check_round_trip(const char *label, const uint8_t *data, size_t len)
{
    g_autoptr(Error) err = NULL;
    g_auto(WireBuffer) out = { 0 };
    WireFrame frame;

    assert_int_equal(wire_frame_parse(data, len, &frame), WIRE_FRAME_COMPLETE);
    assert_int_equal(frame.frame_len, len);
    WireType type = payload_type(&frame.header);
    size_t start = wire_frame_begin(&out, &frame.header);
    if (type == WIRE_TYPE_COUNT) {
        wire_buffer_append(&out, frame.payload, frame.payload_len);
    } else {
        g_autofree void *value = g_malloc0(wire_type_size(type) + 1);
        size_t used;
        if (!wire_decode(type, frame.payload, frame.payload_len, value, &used, &err))
            fail_msg("%s: %s", label, error_message(err));
        assert_int_equal(used, frame.payload_len);
        assert_true(wire_encode(type, value, &out, &err));
        wire_clear(type, value);
    }
    assert_true(wire_frame_end(&out, start, &frame.header, frame.n_fds, &err));
    if (out.len != len || memcmp(out.data, data, len) != 0)
        fail_msg("%s: encodes differently", label);
}

static void golden_frames_survive_a_round_trip(void **state)
{
    assert_int_equal(for_each_golden(check_round_trip), 422);
}

static void check_truncations(const char *label, const uint8_t *data, size_t len)
{
    WireFrame frame;

    assert_int_equal(wire_frame_parse(data, len, &frame), WIRE_FRAME_COMPLETE);
    WireType type = payload_type(&frame.header);
    if (type == WIRE_TYPE_COUNT || type == WIRE_TYPE_NONE)
        return;
    g_autofree uint8_t *value = g_malloc0(wire_type_size(type) + 1);
    size_t step = frame.payload_len > 2000 ? 97 : 1;
    for (size_t cut = 0; cut < frame.payload_len; cut += step) {
        /* In a block of its own size, so that the address sanitizer sees any read behind it. */
        g_autofree uint8_t *copy = g_memdup2(frame.payload, cut);
        g_autoptr(Error) err = NULL;
        if (wire_decode(type, copy, cut, value, NULL, &err))
            fail_msg("%s: accepted when cut to %zu of %zu bytes", label, cut, frame.payload_len);
        assert_int_equal(error_code(err), ERROR_PROTOCOL);
    }
}

static void truncated_frames_are_refused(void **state)
{
    for_each_golden(check_truncations);
}

static void check_flips(const char *label, const uint8_t *data, size_t len)
{
    WireFrame frame;

    assert_int_equal(wire_frame_parse(data, len, &frame), WIRE_FRAME_COMPLETE);
    WireType type = payload_type(&frame.header);
    if (type == WIRE_TYPE_COUNT || type == WIRE_TYPE_NONE || frame.payload_len > 4096)
        return;
    g_autofree uint8_t *value = g_malloc0(wire_type_size(type) + 1);
    g_autofree uint8_t *copy = g_memdup2(frame.payload, frame.payload_len);
    for (size_t i = 0; i < frame.payload_len; i++) {
        static const uint8_t patterns[] = { 0xff, 0x80, 0x01 };
        for (size_t p = 0; p < G_N_ELEMENTS(patterns); p++) {
            copy[i] ^= patterns[p];
            if (wire_decode(type, copy, frame.payload_len, value, NULL, NULL))
                wire_clear(type, value);
            copy[i] ^= patterns[p];
        }
    }
}

static void damaged_frames_do_no_harm(void **state)
{
    for_each_golden(check_flips);
}

static void hostile_counts_allocate_nothing(void **state)
{
    /* connect_list_all_domains_ret with the largest legal count and no element */
    static const uint8_t data[] = { 0, 0, 0x40, 0, 0, 0, 0, 0 };
    WireConnectListAllDomainsRet ret;
    g_autoptr(Error) err = NULL;

    assert_false(wire_decode(WIRE_TYPE_CONNECT_LIST_ALL_DOMAINS_RET, data, sizeof data, &ret, NULL, &err));
    assert_int_equal(error_code(err), ERROR_PROTOCOL);
    assert_null(ret.domains);
}

static void limits_hold_when_encoding(void **state)
{
    g_autoptr(Error) err = NULL;
    g_auto(WireBuffer) out = { 0 };
    g_autofree char *text = g_strnfill(WIRE_STRING_MAX + 1, 'x');
    WireDomainLookupByNameArgs args = { .name = text };

    wire_buffer_append(&out, "abcd", 4);
    assert_false(wire_encode(WIRE_TYPE_DOMAIN_LOOKUP_BY_NAME_ARGS, &args, &out, &err));
    assert_int_equal(error_code(err), ERROR_OVERFLOW);
    assert_int_equal(out.len, 4);
    text[WIRE_STRING_MAX] = '\0';
    assert_true(wire_encode(WIRE_TYPE_DOMAIN_LOOKUP_BY_NAME_ARGS, &args, &out, NULL));
    assert_int_equal(out.len, 4 + 4 + WIRE_STRING_MAX);
}

/* Pure Go clients write their native 1. */
static void any_number_but_zero_says_that_a_value_follows(void **state)
{
    static const uint8_t marks[][4] = { { 0, 0, 0, 1 }, { 1, 0, 0, 0 }, { 0xff, 0xff, 0xff, 0xff } };
    uint8_t data[] = { 0, 0, 0, 0, 0, 0, 0, 4, 't', 'e', 's', 't', 0, 0, 0, 1 };

    for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
        g_auto(WireConnectOpenArgs) args = { 0 };
        memcpy(data, marks[i], 4);
        assert_true(wire_decode(WIRE_TYPE_CONNECT_OPEN_ARGS, data, sizeof data, &args, NULL, NULL));
        assert_string_equal(args.name, "test");
        assert_int_equal(args.flags, 1);
    }
}

static void strings_end_at_an_embedded_nul(void **state)
{
    static const uint8_t data[] = { 0, 0, 0, 3, 'a', 0, 'b', 0x77 };
    g_auto(WireDomainLookupByNameArgs) args = { 0 };

    assert_true(wire_decode(WIRE_TYPE_DOMAIN_LOOKUP_BY_NAME_ARGS, data, sizeof data, &args, NULL, NULL));
    assert_string_equal(args.name, "a");
}

static void parameters_are_found_by_name_and_type(void **state)
{
    g_autoptr(GArray) array = wire_params_new();
    WireConnectGetAllDomainStatsRet ret = { .ret_stats = g_new0(WireDomainStatsRecord, 1), .n_ret_stats = 1 };
    int64_t number;
    uint64_t big;
    const char *text;

    ret.ret_stats[0].dom.name = g_strdup("a");
    wire_params_add_int(array, "state.state", -1);
    wire_params_add_ullong(array, "balloon.current", UINT64_MAX);
    wire_params_add_string(array, "net.0.name", "vnet0");
    wire_params_add_bool(array, "flag", true);
    wire_params_take(&array, &ret.ret_stats[0].params, &ret.ret_stats[0].n_params);

    g_auto(WireBuffer) out = { 0 };
    g_auto(WireConnectGetAllDomainStatsRet) back = { 0 };
    assert_true(wire_encode(WIRE_TYPE_CONNECT_GET_ALL_DOMAIN_STATS_RET, &ret, &out, NULL));
    assert_true(
        wire_decode(WIRE_TYPE_CONNECT_GET_ALL_DOMAIN_STATS_RET, out.data, out.len, &back, NULL, NULL));
    const WireDomainStatsRecord *record = &back.ret_stats[0];
    assert_int_equal(record->n_params, 4);
    assert_true(wire_param_get_int64(record->params, 4, "state.state", &number));
    assert_int_equal(number, -1);
    assert_false(wire_param_get_uint64(record->params, 4, "state.state", &big));
    assert_true(wire_param_get_uint64(record->params, 4, "balloon.current", &big));
    assert_true(big == UINT64_MAX);
    assert_false(wire_param_get_int64(record->params, 4, "balloon.current", &number));
    assert_true(wire_param_get_string(record->params, 4, "net.0.name", &text));
    assert_string_equal(text, "vnet0");
    assert_false(wire_param_get_string(record->params, 4, "flag", &text));
    g_autofree char *yes = wire_param_format(wire_param_find(record->params, 4, "flag"));
    assert_string_equal(yes, "yes");
    wire_connect_get_all_domain_stats_ret_clear(&ret);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_frames_survive_a_round_trip),
        cmocka_unit_test(truncated_frames_are_refused),
        cmocka_unit_test(damaged_frames_do_no_harm),
        cmocka_unit_test(hostile_counts_allocate_nothing),
        cmocka_unit_test(limits_hold_when_encoding),
        cmocka_unit_test(any_number_but_zero_says_that_a_value_follows),
        cmocka_unit_test(strings_end_at_an_embedded_nul),
        cmocka_unit_test(parameters_are_found_by_name_and_type),
    };

    golden_dir = argc > 1 ? argv[1] : "tests/golden/wire";
    return cmocka_run_group_tests_name("wire/codec", tests, NULL, NULL);
}
