/* Typed parameters. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "core/params.h"

TEST(params_keep_name_type_and_value)
{
    g_autoptr(Params) params = params_new();
    params_add_int(params, -3, "state.%s", "reason");
    params_add_ullong(params, UINT64_MAX, "cpu.time");
    params_add_string(params, "vda", "block.%u.name", 0u);
    params_add_string(params, NULL, "empty");
    check_eq(params_count(params), 4);
    check_eq(params_find(params, "state.reason")->type, PARAM_INT);
    check_eq(params_find(params, "state.reason")->value.i, -3);
    check_eq(params_find(params, "cpu.time")->value.ul, UINT64_MAX);
    check_str(params_find(params, "block.0.name")->value.s, "vda");
    check_str(params_find(params, "empty")->value.s, "");
    check(params_find(params, "block.0") == NULL);
}

TEST(params_names_take_any_number)
{
    static const unsigned numbers[] = { 0, 7, 10, 99, 100, 12345, UINT32_MAX };
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_autoptr(Params) params = params_new();
        g_autofree char *one = g_strdup_printf("vcpu.%u.time", numbers[i]);
        g_autofree char *two = g_strdup_printf("%u.%s.%u", numbers[i], "x", numbers[i]);
        params_add_uint(params, 1, "vcpu.%u.time", numbers[i]);
        params_add_uint(params, 1, "%u.%s.%u", numbers[i], "x", numbers[i]);
        check_str(params_at(params, 0)->name, one);
        check_str(params_at(params, 1)->name, two);
    }
}

TEST(params_cut_a_name_that_the_protocol_cannot_carry)
{
    g_autoptr(Params) params = params_new();
    g_autofree char *name = g_strnfill(200, 'x');
    params_add_bool(params, true, "%s", name);
    params_add_bool(params, true,
                    "a.name.that.leaves.no.more.than.four.digits.for.the.number.that.follows.here.%u.end",
                    UINT32_MAX);
    for (size_t i = 0; i < 2; i++)
        check_eq(strlen(params_at(params, i)->name), sizeof(params_at(params, i)->name) - 1);
}

TEST(params_move_hands_over_the_strings)
{
    g_autoptr(Params) to = params_new();
    g_autoptr(Params) from = params_new();
    params_add_string(from, "text", "a");
    params_move(to, from);
    check_eq(params_count(from), 0);
    check_str(params_find(to, "a")->value.s, "text");
}
