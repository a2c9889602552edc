/* Sizes of disk images: always those of now, however they are found. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/image_sizes.h"

static void write_file(const char *path, const void *data, size_t len)
{
    check(g_file_set_contents(path, data, (gssize)len, NULL));
}

/* A qcow2 header of a disk of @capacity bytes. */
static void write_qcow2(const char *path, uint64_t capacity)
{
    uint8_t header[512] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3, [23] = 16, [99] = 4, [103] = 104 };
    for (unsigned i = 0; i < 8; i++)
        header[24 + i] = (uint8_t)(capacity >> (56 - 8 * i));
    int fd = open(path, O_WRONLY | O_CREAT, 0600); /* in place: the same file with the same size */
    check(pwrite(fd, header, sizeof(header), 0) == sizeof(header));
    close(fd);
}

static void look(ImageSizes *sizes, char *const *paths, StorageFormat format)
{
    g_autoptr(ImageRequest) request = image_request_new(sizes);
    for (size_t i = 0; paths[i]; i++)
        image_request_add(request, paths[i], format);
    image_request_run(request, loop_now_ms() + 20000, 20000);
}

static bool known(ImageSizes *sizes, const char *path, StorageInfo *ret_info)
{
    g_autoptr(ImageRequest) request = image_request_new(sizes);
    return image_request_find(request, path, ret_info);
}

static uint64_t capacity_of(ImageSizes *sizes, char *path, StorageFormat format)
{
    StorageInfo info = { 0 };
    look(sizes, (char *const[]){ path, NULL }, format);
    return known(sizes, path, &info) ? info.capacity : UINT64_MAX;
}

TEST_FIBER(sizes_of_many_files_follow_the_files)
{
    enum { FILES = 700 };
    g_autofree char *dir = check_make_dir();
    ImageSizes *sizes = image_sizes_new();
    char *paths[FILES + 1] = { NULL };
    for (int i = 0; i < FILES; i++) {
        paths[i] = g_strdup_printf("%s/%d", dir, i);
        write_file(paths[i], "0123456789", (size_t)i % 10);
    }
    look(sizes, paths, STORAGE_FORMAT_RAW);
    for (int i = 0; i < FILES; i++) {
        StorageInfo info = { 0 };
        check(known(sizes, paths[i], &info));
        check_eq(info.physical, (uint64_t)i % 10);
    }
    write_file(paths[300], "longer than before", 18);
    check_eq(capacity_of(sizes, paths[300], STORAGE_FORMAT_RAW), 18);
    check(unlink(paths[301]) == 0);
    check_eq(capacity_of(sizes, paths[301], STORAGE_FORMAT_RAW), UINT64_MAX);
    check(unlink(paths[302]) == 0 && mkdir(paths[302], 0700) == 0);
    check_eq(capacity_of(sizes, paths[302], STORAGE_FORMAT_QCOW2), UINT64_MAX);
    for (int i = 0; i < FILES; i++)
        g_free(paths[i]);
    image_sizes_free(sizes);
    check_remove_dir(g_steal_pointer(&dir));
}

TEST_FIBER(names_are_looked_up_in_the_folder_of_each)
{
    g_autofree char *dir = check_make_dir();
    ImageSizes *sizes = image_sizes_new();
    static const char *const folders[] = { "1", "1/2", "3", "4" };
    char *paths[12];
    for (int i = 0; i < 12; i++) { /* the same three names in four folders, of which the last is not there */
        g_autofree char *folder = g_strdup_printf("%s/%s", dir, folders[i % 4]);
        paths[i] = g_strdup_printf("%s/f%d", folder, i / 4);
        check(i % 4 == 3 || (g_mkdir_with_parents(folder, 0700) == 0));
        if (i % 4 != 3)
            write_file(paths[i], "0123456789abc", (size_t)i);
    }
    g_autoptr(ImageRequest) request = image_request_new(sizes);
    for (int i = 0; i < 12; i++)
        image_request_add(request, paths[i], STORAGE_FORMAT_RAW);
    image_request_run(request, loop_now_ms() + 20000, 20000);
    for (int i = 0; i < 24; i++) { /* in the order of asking, then in another */
        StorageInfo info = { .physical = 99 };
        const int n = i < 12 ? i : 23 - i;
        check(image_request_find(request, paths[n], &info) == (n % 4 != 3));
        check_eq(info.physical, n % 4 == 3 ? 99u : (unsigned)n);
    }
    for (int i = 0; i < 12; i++)
        g_free(paths[i]);
    image_sizes_free(sizes);
    check_remove_dir(g_steal_pointer(&dir));
}

TEST_FIBER(a_header_that_was_written_again_is_read_again)
{
    g_autofree char *dir = check_make_dir();
    g_autofree char *path = g_build_filename(dir, "image", NULL);
    ImageSizes *sizes = image_sizes_new();

    /* As quickly as can be: size and perhaps even the times stay the same. */
    for (uint64_t i = 1; i <= 50; i++) {
        write_qcow2(path, i << 20);
        check_eq(capacity_of(sizes, path, STORAGE_FORMAT_QCOW2), i << 20);
    }
    /* A header that was read long after the last change: what is known of it is used from now on. */
    check(fiber_sleep(3500, NULL));
    for (int i = 0; i < 3; i++)
        check_eq(capacity_of(sizes, path, STORAGE_FORMAT_QCOW2), 50 << 20);
    write_qcow2(path, 60 << 20);
    check_eq(capacity_of(sizes, path, STORAGE_FORMAT_QCOW2), 60 << 20);
    image_sizes_free(sizes);
    check_remove_dir(g_steal_pointer(&dir));
}

static void ask(void *arg)
{
    void **args = arg;
    check_eq(capacity_of(args[0], args[1], STORAGE_FORMAT_RAW), 5);
}

TEST_FIBER(those_who_ask_at_the_same_time_are_served_by_one_look)
{
    g_autofree char *dir = check_make_dir();
    g_autofree char *path = g_build_filename(dir, "image", NULL);
    ImageSizes *sizes = image_sizes_new();
    void *args[] = { sizes, path };
    Fiber *fibers[20];

    write_file(path, "12345", 5);
    unsigned before = fiber_count();
    for (int i = 0; i < 20; i++)
        fibers[i] = fiber_ref(fiber_spawn("ask", ask, args));
    fiber_yield();
    fiber_yield();
    check(fiber_count() <= before + 21);
    for (int i = 0; i < 20; i++) {
        check(fiber_join(fibers[i], 20000, NULL));
        fiber_unref(fibers[i]);
    }
    image_sizes_free(sizes);
    check_remove_dir(g_steal_pointer(&dir));
}
