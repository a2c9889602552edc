/* Following a path as root: see the header.
 *
 * The usual path has no links: one openat2() that allows none finds that out. Only what it refuses is walked
 * by hand, one name after the other, each by the descriptor of the folder before it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel */
#define LINK_TEXT_MAX 4096
#define SEVERAL_PEOPLE ((uid_t)-1)

FileId file_id_of(const struct stat *st)
{
    /* udev makes device nodes anew; what counts is the device. */
    if (S_ISBLK(st->st_mode))
        return (FileId){ .dev = st->st_rdev, .ino = UINT64_MAX };
    if (S_ISCHR(st->st_mode))
        return (FileId){ .dev = st->st_rdev, .ino = UINT64_MAX - 1 };
    return (FileId){ .dev = st->st_dev, .ino = st->st_ino };
}

bool file_id_equal(const FileId *a, const FileId *b)
{
    return a->ino != 0 && a->dev == b->dev && a->ino == b->ino;
}

/* ---- the walk ---- */

typedef struct TrailLink {
    uid_t placers[2]; /* who made it; who owns its folder, or SEVERAL_PEOPLE */
    char *path;
} TrailLink;

typedef struct Walk {
    int dir_fd;    /* where we are */
    GString *rest; /* what is still to be walked */
    GArray *links; /* of TrailLink */
} Walk;

static void trail_link_clear(void *data)
{
    g_free(((TrailLink *)data)->path);
}

static int open_without_links(int dir_fd, const char *path)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };

    return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
}

/* Who can move links about there. The group of a user's folder is usually his own; a link that somebody of it
 * made has an owner of its own to be judged by. */
static uid_t folder_writer(const struct stat *folder)
{
    const bool others = folder->st_mode & S_IWOTH ||
                        (folder->st_mode & S_IWGRP && folder->st_uid == 0 && folder->st_gid != 0);

    return others && !(folder->st_mode & S_ISVTX) ? SEVERAL_PEOPLE : folder->st_uid;
}

static bool walk_follow_link(Walk *walk, int link_fd, const char *name, const struct stat *st)
{
    char text[LINK_TEXT_MAX];
    struct stat folder;
    const ssize_t len = readlinkat(link_fd, "", text, sizeof(text));

    if (len < 0 || fstat(walk->dir_fd, &folder) < 0)
        return false;
    if (len == 0 || (size_t)len >= sizeof(text) || walk->links->len >= LINKS_MAX) {
        errno = ELOOP;
        return false;
    }
    g_autofree char *fd_path = g_strdup_printf("/proc/self/fd/%d", walk->dir_fd);
    g_autofree char *dir = g_file_read_link(fd_path, NULL);
    TrailLink link = { .placers = { st->st_uid, folder_writer(&folder) },
                       .path = g_build_filename(dir ? dir : "", name, NULL) };
    g_array_append_val(walk->links, link);
    g_string_prepend_len(walk->rest, text, len); /* the rest is empty or begins with a slash */
    if (text[0] != '/')
        return true;
    fd_cleanup(&walk->dir_fd);
    walk->dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return walk->dir_fd >= 0;
}

/* Takes the next name from the rest; NULL at the end. Caller owns. */
static char *walk_next_name(Walk *walk)
{
    const size_t skip = strspn(walk->rest->str, "/");
    const size_t len = strcspn(walk->rest->str + skip, "/");
    char *name = len ? g_strndup(walk->rest->str + skip, len) : NULL;

    g_string_erase(walk->rest, 0, (gssize)(skip + len));
    return name;
}

/* Enters the folder @fd, found as @name. Asked for "name/." the kernel mounts what is mounted on demand. */
static void walk_enter(Walk *walk, int fd, const char *name)
{
    g_autofree char *inside = g_strconcat(name, "/.", NULL);
    const int mounted = open_without_links(walk->dir_fd, inside);

    fd_cleanup(&walk->dir_fd);
    walk->dir_fd = mounted >= 0 ? mounted : fd;
    if (mounted >= 0)
        (void)close(fd);
}

/* Returns a descriptor of what the path leads to, and leaves that of its folder in walk->dir_fd. */
static int walk_run(Walk *walk, struct stat *ret_st)
{
    for (;;) {
        g_autofree char *name = walk_next_name(walk);
        if (!name) /* the path was "/", or ended in a link to it */
            return fstat(walk->dir_fd, ret_st) == 0 ? fcntl(walk->dir_fd, F_DUPFD_CLOEXEC, 3) : -1;
        AUTO_FD fd = openat(walk->dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, ret_st) < 0)
            return -1;
        if (S_ISLNK(ret_st->st_mode)) {
            if (!walk_follow_link(walk, fd, name, ret_st))
                return -1;
            continue;
        }
        const bool is_last = walk->rest->str[strspn(walk->rest->str, "/")] == '\0';
        if (is_last && (!*walk->rest->str || S_ISDIR(ret_st->st_mode)))
            return fd_steal(&fd);
        if (!S_ISDIR(ret_st->st_mode)) {
            errno = ENOTDIR;
            return -1;
        }
        walk_enter(walk, fd_steal(&fd), name);
    }
}

/* ---- judgement ---- */

static bool is_trusted(uid_t uid, const Trail *trail, const struct stat *folder)
{
    return uid != SEVERAL_PEOPLE && (uid == 0 || uid == trail->st.st_uid || uid == folder->st_uid);
}

static void trail_judge(Trail *trail, const Walk *walk, const char *path, const struct stat *folder)
{
    if (geteuid() != 0)
        return; /* whoever leads us elsewhere gets no more than what we may do */
    for (guint i = 0; i < walk->links->len; i++) {
        const TrailLink *link = &g_array_index(walk->links, TrailLink, i);
        for (size_t k = 0; k < G_N_ELEMENTS(link->placers); k++) {
            if (is_trusted(link->placers[k], trail, folder))
                continue;
            trail->foreign = g_strdup(link->path);
            trail->foreign_uid = link->placers[k];
            return;
        }
    }
    if (S_ISREG(trail->st.st_mode) && trail->st.st_nlink > 1) {
        const uid_t writer = folder_writer(folder);
        if (writer != 0 && writer != trail->st.st_uid) {
            trail->foreign = g_strdup(path);
            trail->foreign_uid = writer;
        }
    }
}

static bool trail_walk(const char *path, Trail *trail)
{
    Walk walk = { .dir_fd = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC),
                  .rest = g_string_new(path),
                  .links = g_array_new(FALSE, FALSE, sizeof(TrailLink)) };
    struct stat folder;

    g_array_set_clear_func(walk.links, trail_link_clear);
    trail->fd = walk.dir_fd < 0 ? -1 : walk_run(&walk, &trail->st);
    const bool ok = trail->fd >= 0 && fstat(walk.dir_fd, &folder) == 0;
    const int saved = errno;
    if (ok) {
        trail->has_links = walk.links->len > 0;
        trail_judge(trail, &walk, path, &folder);
    }
    fd_cleanup(&walk.dir_fd);
    g_string_free(walk.rest, TRUE);
    g_array_unref(walk.links);
    errno = saved;
    return ok;
}

bool trail_follow(const char *path, Trail *ret_trail)
{
    trail_clear(ret_trail);
    ret_trail->fd = open_without_links(AT_FDCWD, path);
    if (ret_trail->fd < 0 && errno != ELOOP && errno != ENOSYS && errno != EPERM)
        return false;
    if (ret_trail->fd >= 0 && fstat(ret_trail->fd, &ret_trail->st) == 0 &&
        (ret_trail->st.st_nlink <= 1 || !S_ISREG(ret_trail->st.st_mode)))
        return true;
    fd_cleanup(&ret_trail->fd);
    return trail_walk(path, ret_trail);
}

void trail_clear(Trail *trail)
{
    fd_cleanup(&trail->fd);
    g_free(trail->foreign);
    *trail = (Trail)TRAIL_INIT;
}

bool trail_check(const Trail *trail, const char *path, Error **err)
{
    if (!trail->foreign)
        return true;
    g_autofree char *who =
        trail->foreign_uid == SEVERAL_PEOPLE ? NULL : g_strdup_printf("%u", (unsigned)trail->foreign_uid);
    error_set(err, ERROR_OPERATION_FAILED,
              "'%s' cannot be trusted: the link '%s' can be changed by user %s and leads to a file of user "
              "%u",
              path, trail->foreign, who ? who : "(several)", (unsigned)trail->st.st_uid);
    return error_hint(err, "name the file itself, or keep the link in a folder that only root can write");
}

int trail_reopen(const Trail *trail, int flags)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", trail->fd);
    return open(path, (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC | O_NOCTTY);
}

/* ---- opening, creating, renaming ---- */

int trail_open_parent(const char *path, const char **ret_name, Error **err)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_auto(Trail) trail = TRAIL_INIT;
    const char *slash = strrchr(path, '/');

    *ret_name = slash ? slash + 1 : path;
    if (!trail_follow(dir, &trail)) {
        error_set_errno(err, errno, "cannot open directory '%s'", dir);
        return -1;
    }
    if (!trail_check(&trail, path, err))
        return -1;
    return fd_steal(&trail.fd);
}

/* O_NONBLOCK is for pipes that nobody reads, which are refused instead of waited for. */
static int finish_open(int fd, int flags, const char *path, Error **err)
{
    struct stat st;

    if (fd >= 0 && (flags & O_TRUNC) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(fd, 0) < 0) {
        const int saved = errno;
        (void)close(fd);
        errno = saved;
        fd = -1;
    }
    if (fd < 0)
        error_set_errno(err, errno, "cannot open '%s'", path);
    else if (!(flags & O_NONBLOCK))
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

int trail_open(const char *path, int flags, Error **err)
{
    g_auto(Trail) trail = TRAIL_INIT;

    if (!trail_follow(path, &trail)) {
        error_set_errno(err, errno, "cannot open '%s'", path);
        return -1;
    }
    if (!trail_check(&trail, path, err))
        return -1;
    return finish_open(trail_reopen(&trail, (flags & ~O_TRUNC) | O_NONBLOCK), flags, path, err);
}

int trail_create(const char *path, int flags, mode_t mode, Error **err)
{
    const char *name = NULL;
    AUTO_FD dir_fd = trail_open_parent(path, &name, err);

    if (dir_fd < 0)
        return -1;
    /* New, or else what is there: that is looked at first, as it may be a link or a pipe. */
    const int fd =
        openat(dir_fd, name, (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
    if (fd < 0 && errno == EEXIST && !(flags & O_EXCL))
        return trail_open(path, flags, err);
    return finish_open(fd, flags & ~O_TRUNC, path, err);
}

int trail_create_new(const char *path, int flags, mode_t mode, Error **err)
{
    const char *name = NULL;
    AUTO_FD dir_fd = trail_open_parent(path, &name, err);

    if (dir_fd < 0)
        return -1;
    if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT) {
        error_set_errno(err, errno, "cannot remove '%s'", path);
        return -1;
    }
    const int fd = openat(dir_fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        error_set_errno(err, errno, "cannot create '%s'", path);
    return fd;
}

bool trail_rename(const char *from, const char *to, Error **err)
{
    const char *from_name = NULL;
    const char *to_name = strrchr(to, '/');
    AUTO_FD dir_fd = trail_open_parent(from, &from_name, err);

    if (dir_fd < 0)
        return false;
    if (renameat(dir_fd, from_name, dir_fd, to_name ? to_name + 1 : to) < 0)
        return error_set_errno(err, errno, "cannot rename '%s' to '%s'", from, to);
    AUTO_FD sync_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sync_fd >= 0)
        (void)fsync(sync_fd); /* not every file system can; the name is there already */
    return true;
}
