/* Save images. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>

#include "machine/save_image.h"

static char *make_image(const char *dir, const char *xml)
{
    g_autoptr(Error) err = NULL;
    g_auto(SaveFile) file = { 0 };
    char *path = g_build_filename(dir, "a.save", NULL);
    int fd = -1;

    save_file_init(&file, path);
    check(!save_image_is_committed(&file, 5000));
    check_ok(save_image_create(&file, xml, true, SAVE_FORMAT_RAW, 5000, &fd, &err), err);
    check(access(file.temp, F_OK) == 0);
    check(!save_image_is_committed(&file, 5000));
    check_eq(write(fd, "QEVM", 4), 4);
    check_ok(save_image_sync(path, fd, 5000, &err), err);
    check_ok(save_image_commit(&file, 5000, &err), err);
    check(save_image_is_committed(&file, 5000));
    (void)close(fd);
    return path;
}

TEST_FIBER(an_image_comes_back_as_it_was_written)
{
    char *dir = check_make_dir();
    g_autoptr(Error) err = NULL;
    g_autofree char *path = make_image(dir, "<domain/>");
    char stream[5] = { 0 };
    g_auto(SaveImage) image = { .fd = -1 };
    check_ok(save_image_open(path, 5000, &image, &err), err);
    check_str(image.xml, "<domain/>");
    check(image.was_running);
    check_eq(image.format, SAVE_FORMAT_RAW);
    check_eq(read(image.fd, stream, 4), 4);
    check_str(stream, "QEVM");
    check_ok(save_image_rewrite(path, &image, "<domain>longer</domain>", false, 5000, &err), err);
    g_autofree char *huge = g_strnfill(image.data_len + 1, 'x');
    check_fails(save_image_rewrite(path, &image, huge, false, 5000, &err), err, ERROR_OPERATION_FAILED);
    g_auto(SaveImage) again = { .fd = -1 };
    check_ok(save_image_open(path, 5000, &again, &err), err);
    check_str(again.xml, "<domain>longer</domain>");
    check(!again.was_running);
    check_remove_dir(dir);
}

/* An older image at the same place is not taken for the one that was being written. */
TEST_FIBER(only_the_file_that_was_made_counts_as_committed)
{
    char *dir = check_make_dir();
    g_autoptr(Error) err = NULL;
    g_autofree char *path = make_image(dir, "<domain/>");
    g_auto(SaveFile) file = { 0 };
    int fd = -1;

    save_file_init(&file, path);
    check(!save_image_is_committed(&file, 5000));
    check_ok(save_image_create(&file, "<domain/>", true, SAVE_FORMAT_RAW, 5000, &fd, &err), err);
    check(!save_image_is_committed(&file, 5000));
    check_ok(save_image_discard(&file, 5000, &err), err);
    check(!save_image_is_committed(&file, 5000));
    check(access(file.temp, F_OK) != 0);
    check(access(path, F_OK) == 0);
    (void)close(fd);
    check_remove_dir(dir);
}

/* A planted link does not lead root to another file. */
TEST_FIBER(a_link_is_replaced_and_not_followed)
{
    char *dir = check_make_dir();
    g_autofree char *victim = g_build_filename(dir, "victim", NULL);
    g_autofree char *link = g_build_filename(dir, "a.save", NULL);
    g_autofree char *text = NULL;

    check(g_file_set_contents(victim, "mine", 4, NULL));
    check_eq(symlink(victim, link), 0);
    g_free(make_image(dir, "<domain/>"));
    check(g_file_get_contents(victim, &text, NULL, NULL));
    check_str(text, "mine");
    check(!g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    check_remove_dir(dir);
}

TEST_FIBER(what_is_no_image_is_refused_with_its_reason)
{
    static const struct {
        size_t at;
        const char *bytes;
        size_t len, cut;
        const char *message;
    } cases[] = {
        { 0, "X", 1, 0, "image magic is incorrect" },
        { 0, "LibvirtQemudPart", 16, 0, "save image is incomplete" },
        { 16, "\x05", 1, 0, "image version is not supported" },
        { 28, "\x63", 1, 0, "Invalid compressed save format" },
        { 0, "", 0, 50, "failed to read qemu header" },
        { 0, "", 0, 200, "failed to read domain XML" },
        { 20, "\xff\xff\xff\xff", 4, 0, "invalid header data length" },
    };
    char *dir = check_make_dir();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *path = make_image(dir, "<domain/>");
        g_auto(SaveImage) image = { .fd = -1 };
        int fd = open(path, O_WRONLY);
        check_case(cases[i].message);
        check_eq(pwrite(fd, cases[i].bytes, cases[i].len, (off_t)cases[i].at), (ssize_t)cases[i].len);
        if (cases[i].cut)
            check_eq(ftruncate(fd, (off_t)cases[i].cut), 0);
        (void)close(fd);
        check(!save_image_open(path, 5000, &image, &err));
        check_eq(error_code(err), ERROR_OPERATION_FAILED);
        check_contains(error_message(err), cases[i].message);
        check_eq(unlink(path), 0);
    }
    check_remove_dir(dir);
}

TEST_FIBER(a_missing_image_is_a_system_error)
{
    g_autoptr(Error) err = NULL;
    g_auto(SaveImage) image = { .fd = -1 };
    check_fails(save_image_open("/nonexistent/image", 5000, &image, &err), err, ERROR_SYSTEM);
}
