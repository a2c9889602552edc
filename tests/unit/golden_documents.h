/* Documents that libvirtd was given (NAME.xml) and what it gave back (NAME.out.xml). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check.h"

/* Each of @path and what came back of it have to come back as recorded. @round_trip: the caller owns what it
 * returns. Returns how many there are. */
static inline unsigned golden_check_round_trips(const char *path, char *(*round_trip)(const char *xml))
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned count = 0;

    check(dir != NULL);
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *in = NULL, *want = NULL;
        if (!g_str_has_suffix(name, ".out.xml"))
            continue;
        check_case(name);
        check(g_file_get_contents(file, &want, NULL, NULL));
        strcpy(file + strlen(file) - strlen(".out.xml"), ".xml");
        check(g_file_get_contents(file, &in, NULL, NULL));
        g_autofree char *got = round_trip(in);
        g_autofree char *again = round_trip(got);
        check_str(got, want);
        check_str(again, want);
        count++;
    }
    return count;
}
