/* Unit tests of base/trail: which links are followed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "base/trail.h"

#define ALICE 1234
#define BOB 1235

/* A folder of root with a file of each, and a folder of alice's. */
typedef struct Ground {
    char *dir;
} Ground;

static char *at(const Ground *ground, const char *name)
{
    return g_build_filename(ground->dir, name, NULL);
}

static void put_file(const Ground *ground, const char *name, uid_t uid, mode_t mode)
{
    g_autofree char *path = at(ground, name);

    check(g_file_set_contents(path, "secret", 6, NULL));
    check_eq(chown(path, uid, uid) | chmod(path, mode), 0);
}

static void put_dir(const Ground *ground, const char *name, uid_t uid, mode_t mode)
{
    g_autofree char *path = at(ground, name);

    check_eq(g_mkdir(path, mode) | chown(path, uid, uid) | chmod(path, mode), 0);
}

/* The target may be absolute, below the ground ("@/x"), or relative. */
static void put_link(const Ground *ground, const char *name, const char *target, uid_t uid)
{
    g_autofree char *path = at(ground, name);
    g_autofree char *full = g_str_has_prefix(target, "@/") ? at(ground, target + 2) : g_strdup(target);

    check_eq(symlink(full, path) | lchown(path, uid, uid), 0);
}

static Ground ground_make(void)
{
    Ground ground = { .dir = check_make_dir() };

    check_eq(chmod(ground.dir, 0755), 0);
    put_file(&ground, "roots", 0, 0600);
    put_file(&ground, "alices", ALICE, 0600);
    put_dir(&ground, "alice", ALICE, 0755);
    put_dir(&ground, "data", 0, 0755);
    put_dir(&ground, "alices-data", ALICE, 0755);
    put_dir(&ground, "pool", 0, 0777);
    put_dir(&ground, "tmp", 0, 01777);
    put_dir(&ground, "alice/own", ALICE, 0775);
    put_dir(&ground, "grouped", 0, 0775);
    g_autofree char *grouped = at(&ground, "grouped");
    check_eq(chown(grouped, 0, ALICE), 0);
    put_file(&ground, "data/roots", 0, 0600);
    put_file(&ground, "alice/roots", 0, 0600);
    put_file(&ground, "alices-data/roots", 0, 0600);
    return ground;
}

TEST(links_are_followed_only_where_nobody_else_could_place_them)
{
    static const struct {
        const char *link, *target, *path;
        uid_t uid;
        bool trusted;
    } cases[] = {
        { NULL, NULL, "roots", 0, true },
        { NULL, NULL, "alice/roots", 0, true },
        { "l1", "@/roots", "l1", 0, true },
        { "l2", "roots", "l2", 0, true },
        { "alice/l1", "@/alices", "alice/l1", ALICE, true },
        { "alice/l2", "@/roots", "alice/l2", ALICE, false },
        { "alice/l3", "../roots", "alice/l3", ALICE, false },
        { "alice/l4", "@/roots", "alice/l4", 0, false }, /* she can put it there under another name */
        { "alice/l5", "@/data", "alice/l5/roots", ALICE, false },
        { "alice/l6", "@/alices-data", "alice/l6/roots", ALICE, true }, /* her folder: her say */
        { "alice/l7", "l2", "alice/l7", ALICE, false },
        { "alice/l8", "roots", "alice/l8", ALICE, true },
        { "pool/l1", "@/roots", "pool/l1", 0, false },
        { "grouped/l1", "@/roots", "grouped/l1", 0, false },
        { "alice/own/l1", "@/alices", "alice/own/l1", ALICE, true },
        { "alice/own/l2", "@/alices", "alice/own/l2", BOB, false },
        { "tmp/l1", "@/roots", "tmp/l1", 0, true },
        { "tmp/l2", "@/roots", "tmp/l2", BOB, false },
        { "tmp/l3", "@/alices", "tmp/l3", BOB, false },
        { "l9", "@/alice/l2", "l9", 0, false },
    };

    if (geteuid() != 0)
        return;
    Ground ground = ground_make();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Trail) trail = TRAIL_INIT;
        g_autoptr(Error) err = NULL;
        g_autofree char *path = at(&ground, cases[i].path);
        check_case(cases[i].path);
        if (cases[i].link)
            put_link(&ground, cases[i].link, cases[i].target, cases[i].uid);
        check(trail_follow(path, &trail));
        check_eq(trail_check(&trail, path, &err), cases[i].trusted);
        check_eq(error_code(err), cases[i].trusted ? ERROR_NONE : ERROR_OPERATION_FAILED);
        const int fd = trail_open(path, O_RDONLY, NULL);
        check_eq(fd >= 0, cases[i].trusted);
        if (fd >= 0)
            (void)close(fd);
    }
    check_remove_dir(ground.dir);
}

TEST(loops_and_missing_files_are_told_by_errno)
{
    Ground ground = { .dir = check_make_dir() };
    g_auto(Trail) trail = TRAIL_INIT;
    g_autofree char *loop = at(&ground, "loop");
    g_autofree char *missing = at(&ground, "missing");
    g_autofree char *below = at(&ground, "file/below");
    g_autofree char *file = at(&ground, "file");

    check_eq(symlink("loop", loop), 0);
    check(g_file_set_contents(file, "x", 1, NULL));
    check(!trail_follow(loop, &trail));
    check_eq(errno, ELOOP);
    check(!trail_follow(missing, &trail));
    check_eq(errno, ENOENT);
    check(!trail_follow(below, &trail));
    check_eq(errno, ENOTDIR);
    check(trail_follow("/", &trail));
    check(S_ISDIR(trail.st.st_mode));
    check_remove_dir(ground.dir);
}

static off_t size_of(const Ground *ground, const char *name)
{
    g_autofree char *path = at(ground, name);
    struct stat st = { 0 };

    check_eq(lstat(path, &st), 0);
    return st.st_size;
}

TEST(nothing_is_truncated_through_a_foreign_link)
{
    if (geteuid() != 0)
        return;
    Ground ground = ground_make();
    g_autofree char *log = at(&ground, "alice/log");
    g_autofree char *fresh = at(&ground, "alice/fresh");
    g_autofree char *hard = at(&ground, "alice/hard");
    g_autofree char *roots = at(&ground, "roots");
    g_autofree char *fifo = at(&ground, "alice/fifo");
    g_autoptr(Error) err = NULL;

    put_link(&ground, "alice/log", "@/roots", ALICE);
    check_eq(trail_create(log, O_WRONLY | O_TRUNC, 0600, &err), -1);
    check_eq(error_code(err), ERROR_OPERATION_FAILED);
    check_eq(link(roots, hard), 0);
    check_eq(trail_create(hard, O_WRONLY | O_TRUNC, 0600, NULL), -1);
    check_eq(g_unlink(hard), 0);
    check_eq(size_of(&ground, "roots"), 6);
    check_eq(mkfifo(fifo, 0600), 0);
    check_eq(trail_create(fifo, O_WRONLY | O_TRUNC, 0600, NULL), -1); /* nobody reads: no waiting */

    AUTO_FD fd = trail_create(fresh, O_WRONLY | O_TRUNC, 0640, NULL);
    check(fd >= 0);
    check_eq(write(fd, "abc", 3), 3);
    fd_cleanup(&fd);
    fd = trail_create(fresh, O_WRONLY | O_TRUNC, 0640, NULL);
    check(fd >= 0);
    check_eq(size_of(&ground, "alice/fresh"), 0);

    /* A name of ours is made new, whatever was put there, and goes to its place without following one. */
    fd_cleanup(&fd);
    fd = trail_create_new(log, O_WRONLY, 0600, NULL);
    check(fd >= 0);
    g_autofree char *to = at(&ground, "alice/to");
    put_link(&ground, "alice/to", "@/roots", ALICE);
    check(trail_rename(log, to, NULL));
    check_eq(size_of(&ground, "roots"), 6);
    check_eq(size_of(&ground, "alice/to"), 0);

    g_autofree char *elsewhere = at(&ground, "alice/dir/new");
    put_link(&ground, "alice/dir", "@/data", ALICE);
    check_eq(trail_create_new(elsewhere, O_WRONLY, 0600, NULL), -1);
    check_remove_dir(ground.dir);
}
