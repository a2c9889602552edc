/* Differences of texts, as `diff -u` tells them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "http/text_diff.h"

TEST(what_changed_is_told_with_lines_around_it)
{
    static const struct {
        const char *before, *after, *diff; /* NULL: none */
    } cases[] = {
        { "a\nb\n", "a\nb\n", NULL },
        { "", "a\n", "@@ -0,0 +1,1 @@\n+a\n" },
        { "a\n", "", "@@ -1,1 +0,0 @@\n-a\n" },
        { "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
          "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n" },
        { "a\nb\nc\nd\n", "b\nc\nx\nd\n", "@@ -1,4 +1,4 @@\n-a\n b\n c\n+x\n d\n" },
        /* Two changes, far enough from each other for two hunks, and not. */
        { "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
          "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n" },
        { "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
          "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].diff);
        g_autofree char *diff = text_diff(cases[i].before, cases[i].after);
        check_str(diff, cases[i].diff);
    }
}

TEST(long_texts_do_not_take_long)
{
    g_autoptr(GString) before = g_string_new(NULL), after = g_string_new(NULL);

    for (int i = 0; i < 20000; i++) {
        g_string_append_printf(before, "%d\n", i);
        g_string_append_printf(after, "%d\n", i % 7 == 3 ? -i : i);
    }
    g_autofree char *diff = text_diff(before->str, after->str);
    check_contains(diff, "-19990\n");
    check_contains(diff, "+-19988\n");
}
