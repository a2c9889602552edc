/* Sets of numbers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "conf/cpuset.h"

TEST(cpuset_reads_ranges_and_exclusions_and_refuses_the_rest)
{
    static const struct {
        const char *text;
        const char *canonical; /* NULL: refused */
    } cases[] = {
        { "0", "0" },
        { "0-3", "0-3" },
        { "0-3,^2", "0-1,3" },
        { " 1 , 4 - 6 ", "1,4-6" },
        { "7,5,6", "5-7" },
        { "63,64", "63-64" },
        { "16383", "16383" },
        { "16384", NULL },
        { "99999999999", NULL },
        { "", NULL },
        { "^1", NULL },
        { "3-1", NULL },
        { "1,", NULL },
        { ",1", NULL },
        { "a", NULL },
        { "1-", NULL },
        { "-1", NULL },
        { "1 2", NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(CpuSet) set = NULL;
        check_case(cases[i].text);
        check_eq(cpuset_parse(cases[i].text, &set, &err), cases[i].canonical != NULL);
        if (cases[i].canonical) {
            g_autoptr(GString) out = g_string_new(NULL);
            cpuset_format(set, out);
            check_str(out->str, cases[i].canonical);
        } else {
            check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
            check(set == NULL);
        }
    }
}

TEST(cpuset_members_can_be_counted_and_walked)
{
    g_autoptr(CpuSet) set = NULL;
    check(cpuset_parse("1,64-65", &set, NULL));
    check_eq(cpuset_count(set), 3);
    check_eq(cpuset_next(set, -1), 1);
    check_eq(cpuset_next(set, 1), 64);
    check_eq(cpuset_next(set, 65), -1);
    check(!cpuset_has(set, 100000));
    cpuset_remove(set, 64);
    check(!cpuset_has(set, 64));
}

TEST(cpusets_are_equal_by_members_not_by_size)
{
    g_autoptr(CpuSet) a = cpuset_new();
    g_autoptr(CpuSet) b = cpuset_new();
    cpuset_add(a, 1);
    cpuset_add(b, 1);
    cpuset_add(b, 500);
    check(!cpuset_equal(a, b));
    cpuset_remove(b, 500);
    check(cpuset_equal(a, b));
    check(!cpuset_equal(a, NULL));
    check(cpuset_equal(NULL, NULL));
}
