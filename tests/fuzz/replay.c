/* Feeds every file of a folder to a fuzz target, so that what fuzzing found once is tried by every test run
 * and by every compiler. An absent folder counts as empty: then only the empty input is tried. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    if (argc < 2)
        return 0;
    g_autoptr(GDir) dir = g_dir_open(argv[1], 0, NULL);
    unsigned count = 0;
    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_autofree char *text = NULL;
        gsize length = 0;
        if (!g_file_get_contents(path, &text, &length, NULL))
            continue;
        LLVMFuzzerTestOneInput((const uint8_t *)text, length);
        count++;
    }
    printf("%u inputs\n", count);
    return 0;
}
