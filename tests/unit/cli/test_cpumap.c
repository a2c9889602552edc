/* Sets of processors as text and as bits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/cpumap.h"

TEST(sets_are_read_and_written)
{
    static const struct {
        const char *text, *list, *picture; /* list NULL: refused */
    } cases[] = {
        { "0", "0", "y---------" },
        { "0-3", "0-3", "yyyy------" },
        { "0-3,^2", "0-1,3", "yy-y------" },
        { "9", "9", "---------y" },
        { "r", "0-9", "yyyyyyyyyy" },
        { "1,3,5", "1,3,5", "-y-y-y----" },
        { "0-9,^0-8", "9", "---------y" },
        { "10", NULL, NULL },
        { "3-1", NULL, NULL },
        { "", NULL, NULL },
        { "x", NULL, NULL },
        { "0,^0", NULL, NULL },
        { "-1", NULL, NULL },
        { "1-", NULL, NULL },
        { "99999999999999999999", NULL, NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree uint8_t *map = NULL;
        check_case(cases[i].text);
        check_eq(cpumap_parse(cases[i].text, 10, &map, &err), cases[i].list != NULL);
        if (!cases[i].list) {
            check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
            continue;
        }
        g_autofree char *list = cpumap_format(map, 2, 10);
        g_autofree char *picture = cpumap_picture(map, 2, 10);
        check_str(list, cases[i].list);
        check_str(picture, cases[i].picture);
    }
}

TEST(short_maps_are_not_overrun)
{
    static const uint8_t map[1] = { 0x81 };
    check(cpumap_has(map, 1, 7));
    check(!cpumap_has(map, 1, 8));
    g_autofree char *list = cpumap_format(map, 1, 64);
    check_str(list, "0,7");
}
