/* What requests are for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "http/target.h"

static char *joined(const HttpTarget *target)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < target->segments->len; i++)
        g_string_append_printf(out, "%s[%s]", i ? " " : "", (char *)g_ptr_array_index(target->segments, i));
    return g_string_free(out, FALSE);
}

TEST(a_path_is_cut_before_it_is_decoded)
{
    static const struct {
        const char *text, *prefix, *segments; /* NULL: refused */
    } cases[] = {
        { "/", "", "" },
        { "/api/v1/machines", "", "[api] [v1] [machines]" },
        { "/api/v1/", "", "[api] [v1]" },
        { "/a%2Fb/c%20d", "", "[a/b] [c d]" },
        { "/%C3%BC", "", "[\xc3\xbc]" },
        { "/lodge/api", "/lodge", "[api]" },
        { "/lodge", "/lodge", "" },
        { "/lodge2/api", "/lodge", NULL },
        { "/other", "/lodge", NULL },
        { "", "", NULL },
        { "api", "", NULL },
        { "/a//b", "", NULL },
        { "/..", "", NULL },
        { "/a/%2e%2E/b", "", NULL },
        { "/%00", "", NULL },
        { "/%0a", "", NULL },
        { "/%", "", NULL },
        { "/%4", "", NULL },
        { "/%zz", "", NULL },
        { "/%ff", "", NULL },
        { "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        HttpTarget target = { 0 };
        check_case(cases[i].text);
        check_eq(http_target_parse(cases[i].text, cases[i].prefix, &target, NULL), cases[i].segments != NULL);
        if (cases[i].segments) {
            g_autofree char *got = joined(&target);
            check_str(got, cases[i].segments);
        }
        http_target_clear(&target);
    }
}

TEST(a_query_is_typed)
{
    HttpTarget target = { 0 };
    bool boolean = false;
    uint64_t number = 7;

    check(http_target_parse("/x?a=1%2B1&b=x+y&c&d=5&e=true", "", &target, NULL));
    check_str(http_query(&target, "a"), "1+1");
    check_str(http_query(&target, "b"), "x y");
    check_str(http_query(&target, "c"), "true");
    check(http_query(&target, "z") == NULL);
    check(http_query_uint(&target, "d", 0, 10, &number, NULL));
    check_eq(number, 5);
    check(!http_query_uint(&target, "d", 0, 4, &number, NULL));
    check(!http_query_uint(&target, "a", 0, 4, &number, NULL));
    check_eq(number, 5);
    check(http_query_uint(&target, "z", 3, 4, &number, NULL));
    check_eq(number, 3);
    check(http_query_bool(&target, "e", false, &boolean, NULL));
    check(boolean);
    check(!http_query_bool(&target, "d", false, &boolean, NULL));
    http_target_clear(&target);
    check(!http_target_parse("/x?a=1&a=2", "", &target, NULL));
    check(!http_target_parse("/x?=1", "", &target, NULL));
    check(!http_target_parse("/x?a=%0", "", &target, NULL));
}
