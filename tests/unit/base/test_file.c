/* Files replaced whole, directories made and removed. Each test runs in a fiber (through the workers). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"

static void check_contents(const char *path, const char *expected)
{
    g_autoptr(Error) err = NULL;
    g_autofree char *data = NULL;
    size_t len = 0;
    check_ok(file_read(path, 1 << 20, &data, &len, &err), err);
    check_str(data, expected);
    check_eq(len, strlen(expected));
}

static void check_names(const char *dir, const char *expected)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(GPtrArray) names = NULL;
    check_ok(file_list_dir(dir, &names, &err), err);
    GString *joined = g_string_new(NULL);
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(joined, "%s%s", i > 0 ? " " : "", (char *)g_ptr_array_index(names, i));
    check_str(joined->str, expected);
    g_string_free(joined, true);
}

static void check_replacing(void)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *path = path_join(dir, "a.xml");
    check_ok(file_replace(path, "one", 3, 0640, &err), err);
    check_contents(path, "one");
    struct stat st;
    check(stat(path, &st) == 0);
    check_eq(st.st_mode & 07777, 0640);
    check_ok(file_replace_volatile(path, "three", 5, 0600, &err), err);
    check_contents(path, "three");
    check_ok(file_replace(path, NULL, 0, 0600, &err), err);
    check_contents(path, "");
    check_names(dir, "a.xml"); /* no temporary left */
    check_ok(file_remove(path, &err), err);
    check_ok(file_remove(path, &err), err);
    check_names(dir, "");
    check_remove_dir(dir);
}

TEST_FIBER(replace_leaves_the_new_file_and_nothing_else)
{
    check_replacing();
}

TEST(replace_works_without_a_loop)
{
    check_replacing();
}

TEST_FIBER(a_failed_replace_leaves_the_old_file)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *path = path_join(dir, "d");
    g_autofree char *inner = path_join(path, "keep");
    check_ok(file_make_dirs(path, 0755, &err), err);
    check_ok(file_replace(inner, "x", 1, 0600, &err), err);
    check_fails(file_replace(path, "no", 2, 0600, &err), err, ERROR_SYSTEM); /* a directory is there */
    check_contents(inner, "x");
    check_names(dir, "d");
    g_autofree char *nowhere = path_join(dir, "none", "x");
    check_fails(file_replace(nowhere, "no", 2, 0600, &err), err, ERROR_SYSTEM);
    check_remove_dir(dir);
}

TEST_FIBER(reading_has_a_limit_and_tells_what_is_missing)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *path = path_join(dir, "f");
    char *data = NULL;
    check(!file_read(path, 10, &data, NULL, &err));
    check_eq(error_errno(err), ENOENT);
    g_clear_pointer(&err, error_free);
    check_ok(file_replace(path, "0123456789", 10, 0600, &err), err);
    check_fails(file_read(path, 9, &data, NULL, &err), err, ERROR_OVERFLOW);
    check(data == NULL);
    check_ok(file_read(path, 10, &data, NULL, &err), err);
    check_str(data, "0123456789");
    g_free(data);
    check_fails(file_read(dir, 10, &data, NULL, &err), err, ERROR_SYSTEM);
    g_autofree char *fifo = path_join(dir, "fifo");
    check(mkfifo(fifo, 0600) == 0);
    check_ok(file_read(fifo, 10, &data, NULL, &err), err); /* does not wait for a writer */
    g_free(data);
    check_remove_dir(dir);
}

TEST_FIBER(directories_are_made_with_parents_and_removed_with_contents)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *deep = path_join(dir, "a", "b", "c");
    check_ok(file_make_dirs(deep, 0700, &err), err);
    check_ok(file_make_dirs(deep, 0755, &err), err); /* is there: stays as it is */
    struct stat st;
    check(stat(deep, &st) == 0);
    check_eq(st.st_mode & 07777, 0700);
    g_autofree char *file = path_join(deep, "f");
    check_ok(file_replace(file, "x", 1, 0600, &err), err);
    check_fails(file_make_dirs(file, 0700, &err), err, ERROR_SYSTEM);

    g_autofree char *outside = path_join(dir, "outside");
    g_autofree char *link = path_join(deep, "link");
    check_ok(file_replace(outside, "x", 1, 0600, &err), err);
    check_ok(file_symlink(dir, link, &err), err);
    g_autofree char *top = path_join(dir, "a");
    check_ok(file_remove_tree(top, &err), err);
    check_ok(file_remove_tree(top, &err), err);
    check_names(dir, "outside"); /* the link was removed, not followed */
    check_names(top, "");
    check_remove_dir(dir);
}

TEST_FIBER(links_and_renames_replace_what_is_there)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *a = path_join(dir, "a");
    g_autofree char *b = path_join(dir, "b");
    g_autofree char *link = path_join(dir, "link");
    check_ok(file_symlink("a", link, &err), err);
    check_ok(file_symlink("b", link, &err), err);
    check_ok(file_replace(a, "A", 1, 0600, &err), err);
    check_ok(file_replace(b, "B", 1, 0600, &err), err);
    check_contents(link, "B");
    check_ok(file_rename(a, b, &err), err);
    check_contents(link, "A");
    check_fails(file_rename(a, b, &err), err, ERROR_SYSTEM);
    check_ok(file_remove(b, &err), err);
    check_ok(file_remove(link, &err), err); /* a dangling link */
    check_names(dir, "");
    check_remove_dir(dir);
}

TEST_FIBER(leftovers_of_a_killed_daemon_are_removed_and_nothing_else)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    static const char *const names[] = { ".lodge-1-2.new", ".lodge-1-2.old", "a.new", "lodge-1.new" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = path_join(dir, names[i]);
        check_ok(file_replace(path, "x", 1, 0600, &err), err);
    }
    check_ok(file_remove_leftovers(dir, &err), err);
    check_names(dir, ".lodge-1-2.old a.new lodge-1.new");
    check_ok(file_remove_leftovers("/nonexistent", &err), err);
    check_remove_dir(dir);
}

typedef struct Writer {
    const char *path;
    char text[8];
} Writer;

static void replace_often(void *arg)
{
    Writer *writer = arg;
    for (int i = 0; i < 20; i++) {
        g_autoptr(Error) err = NULL;
        check_ok(file_replace_volatile(writer->path, writer->text, 7, 0600, &err), err);
    }
}

TEST_FIBER(writers_of_one_file_do_not_mix)
{
    char *dir = check_make_dir();
    g_autofree char *path = path_join(dir, "f");
    Writer writers[8];
    Fiber *fibers[8];
    g_autoptr(Error) err = NULL;
    for (int i = 0; i < 8; i++) {
        writers[i].path = path;
        memset(writers[i].text, 'a' + i, 7);
        fibers[i] = fiber_ref(fiber_spawn("writer", replace_often, &writers[i]));
    }
    for (int i = 0; i < 8; i++) {
        check_ok(fiber_join(fibers[i], 30000, &err), err);
        fiber_unref(fibers[i]);
    }
    g_autofree char *data = NULL;
    size_t len;
    check_ok(file_read(path, 100, &data, &len, &err), err);
    check_eq(len, 7);
    for (int i = 1; i < 7; i++)
        check_eq(data[i], data[0]);
    check_names(dir, "f");
    check_remove_dir(dir);
}

/* A file system that takes its time to rename, as one does that writes its journal. */
static sem_t *slow_rename;

int rename(const char *from, const char *to)
{
    while (slow_rename && g_str_has_suffix(to, "/slow") && sem_wait(slow_rename) < 0)
        ;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static void replace_slowly(void *arg)
{
    Error *err = NULL;
    check_ok(file_replace(arg, "late", 4, 0600, &err), err);
}

TEST_FIBER(a_file_that_is_slow_to_replace_holds_neither_the_loop_nor_other_files)
{
    g_autoptr(Error) err = NULL;
    char *dir = check_make_dir();
    g_autofree char *slow = path_join(dir, "slow");
    g_autofree char *other = path_join(dir, "other");
    sem_t gate;
    sem_init(&gate, 0, 0);
    slow_rename = &gate;
    alarm(20); /* the loop itself would stand still */
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn("slow", replace_slowly, slow));
    check_ok(fiber_sleep(50, &err), err);
    check_ok(file_replace(other, "now", 3, 0600, &err), err);
    check(access(slow, F_OK) < 0);
    check_contents(other, "now");
    sem_post(&gate);
    check_ok(fiber_join(fiber, 10000, &err), err);
    alarm(0);
    slow_rename = NULL;
    check_contents(slow, "late");
    check_remove_dir(dir);
}

TEST(kernel_files_are_read_at_once)
{
    g_autofree char *type = file_read_kernel("/proc/sys/kernel/ostype");
    check_str(type, "Linux");
    check(file_read_kernel("/proc/none") == NULL);
    uint64_t value = 0;
    check(file_read_kernel_uint("/proc/sys/kernel/pid_max", &value));
    check(value >= 300);
    check(!file_read_kernel_uint("/proc/sys/kernel/ostype", &value));
    check(!file_read_kernel_uint("/proc/none", &value));
}

TEST(only_plain_names_can_stand_in_a_path)
{
    g_autofree char *longest = g_strnfill(255, 'x');
    g_autofree char *too_long = g_strnfill(256, 'x');
    const struct {
        const char *name;
        bool safe;
    } cases[] = {
        { "a", true },     { "a.b c", true }, { "...", true }, { "\xc3\xa4", true }, { longest, true },
        { NULL, false },   { "", false },     { ".", false },  { "..", false },      { "a/b", false },
        { "a\nb", false }, { "\x7f", false }, { "/", false },  { too_long, false },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].name);
        check_eq(path_is_safe_component(cases[i].name), cases[i].safe);
    }
}
