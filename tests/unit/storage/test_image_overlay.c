/* Empty overlays are what qemu-img would have made. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "storage/image_overlay.h"

static char *qemu_img(const char *const *argv)
{
    ProcessSpec spec = PROCESS_SPEC_INIT;
    g_auto(ProcessOutput) output = { 0 };
    g_autoptr(Error) err = NULL;

    spec.argv = argv;
    check_ok(process_run(&spec, NULL, 0, 0, 60000, &output, &err), err);
    check_str(output.err, "");
    check_eq(output.status, 0);
    return g_steal_pointer(&output.out);
}

/* What qemu-img tells of it, without what differs from file to file. */
static char *describe(const char *path)
{
    g_autofree char *text =
        qemu_img((const char *const[]){ "/usr/bin/qemu-img", "info", "--output=json", path, NULL });
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        if (!strstr(*line, "\"filename\"") && !strstr(*line, "\"actual-size\""))
            g_string_append_printf(out, "%s\n", *line);
    }
    return g_string_free(out, FALSE);
}

static void check_one(const char *dir, const char *base, const char *base_format, uint64_t size)
{
    g_autofree char *ours = path_join(dir, "ours"), *theirs = path_join(dir, "theirs");
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    g_autoptr(Error) err = NULL;
    AUTO_FD fd = open(ours, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    check(overlay_is_plain("qcow2", base, size));
    check_ok(overlay_write(fd, ours, base, base_format, size, &err), err);
    g_free(qemu_img((const char *const[]){ "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F",
                                           base_format, "-b", base, theirs, text, NULL }));
    g_autofree char *one = describe(ours), *other = describe(theirs);
    check_str(one, other);
    if (access(base, F_OK) < 0 || size < 4 << 20)
        return;
    g_free(qemu_img((const char *const[]){ "/usr/bin/qemu-img", "check", "-q", ours, NULL }));
    g_free(qemu_img((const char *const[]){ "/usr/bin/qemu-img", "bench", "-q", "-w", "-c", "20", "-s",
                                           "65536", "-f", "qcow2", ours, NULL }));
    g_free(qemu_img((const char *const[]){ "/usr/bin/qemu-img", "check", "-q", ours, NULL }));
}

TEST_FIBER(overlays_are_those_of_qemu_img)
{
    static const uint64_t sizes[] = { 512, 4 << 20, UINT64_C(1) << 30, (UINT64_C(1) << 29) + 512,
                                      UINT64_C(5) << 40 /* its table takes two clusters */ };
    char *dir = check_make_dir();
    g_autofree char *base = path_join(dir, "base");
    g_autofree char *longest = g_strnfill(1023, 'n');

    AUTO_FD fd = open(base, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check_eq(ftruncate(fd, 4 << 20), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        check_case(base);
        check_one(dir, base, "raw", sizes[i]);
    }
    check_one(dir, "/nowhere/base.qcow2", "qcow2", 4 << 20);
    longest[0] = '/';
    for (size_t i = 200; i < 1023; i += 200)
        longest[i] = '/';
    check_one(dir, longest, "qcow2", 4 << 20);
    check_remove_dir(dir);
}

TEST(what_is_not_plain_is_left_to_qemu_img)
{
    g_autofree char *longer = g_strnfill(1024, 'n');

    check(!overlay_is_plain("qcow2", "/base", 0)); /* that of the base */
    check(!overlay_is_plain("qcow2", "/base", 513));
    check(!overlay_is_plain("qcow2", "/base", UINT64_MAX & ~UINT64_C(511)));
    check(!overlay_is_plain("qed", "/base", 512));
    check(!overlay_is_plain("qcow2", longer, 512));
}
