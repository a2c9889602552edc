/* Files of the daemon's own state: replaced whole, durable before they are reported as saved.
 *
 * A call that gave up waiting (deadline, cancellation) may still have a write in a worker thread that hangs
 * on the disk. When it comes back it must not put old contents over a newer file, so every call that changes
 * a path draws a ticket, and a worker that finds that a later call has already changed its path leaves it so.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trail.h"
#include "base/worker.h"

#define FILE_KERNEL_MAX ((size_t)1 << 20)
#define FILE_TREE_MAX_DEPTH 100
#define FILE_TEMP_PREFIX ".lodge-"
#define FILE_TEMP_SUFFIX ".new"

/* ---- jobs ---- */

typedef struct FileJob FileJob;
typedef bool (*FileFunc)(FileJob *job, Error **err);

struct FileJob {
    FileFunc func;
    char *path;
    char *other; /* rename: destination; symlink: target */
    char *data;
    size_t len;
    mode_t mode;
    bool durable;
    uint64_t ticket; /* 0: none */
    /* Results */
    char *out;
    size_t out_len;
    GPtrArray *names;
};

static void file_job_free(void *arg)
{
    FileJob *job = arg;
    g_free(job->path);
    g_free(job->other);
    g_free(job->data);
    g_free(job->out);
    if (job->names)
        g_ptr_array_unref(job->names);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileJob, file_job_free)

static FileJob *file_job_new(FileFunc func, const char *path)
{
    FileJob *job = g_new0(FileJob, 1);
    job->func = func;
    job->path = g_strdup(path);
    return job;
}

static bool file_job_work(void *arg, Error **err)
{
    FileJob *job = arg;
    return job->func(job, err);
}

/* *job is cleared if it fails. */
static bool file_job_run(FileJob **job, Error **err)
{
    if (worker_call(worker_lane_state(), file_job_work, *job, file_job_free, FILE_DEADLINE_MS, err))
        return true;
    *job = NULL;
    return false;
}

/* ---- tickets ---- */

typedef struct FileTicket {
    pthread_mutex_t changing; /* workers only: held during the change */
    uint64_t committed;       /* the latest ticket whose change is visible; under `changing` */
    unsigned users;
} FileTicket;

static struct {
    pthread_mutex_t lock; /* the loop takes it: no system calls under it */
    GHashTable *paths;    /* path -> FileTicket, only of calls in flight */
    uint64_t next;
} file_tickets = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void file_ticket_free(void *data)
{
    FileTicket *ticket = data;
    (void)pthread_mutex_destroy(&ticket->changing); /* nobody is left who could hold it */
    g_free(ticket);
}

static uint64_t file_ticket_draw(const char *path)
{
    pthread_mutex_lock(&file_tickets.lock);
    if (!file_tickets.paths)
        file_tickets.paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, file_ticket_free);
    FileTicket *ticket = g_hash_table_lookup(file_tickets.paths, path);
    if (!ticket) {
        ticket = g_new0(FileTicket, 1);
        (void)pthread_mutex_init(&ticket->changing, NULL); /* cannot fail on Linux */
        g_hash_table_insert(file_tickets.paths, g_strdup(path), ticket);
    }
    ticket->users++;
    uint64_t drawn = ++file_tickets.next;
    pthread_mutex_unlock(&file_tickets.lock);
    return drawn;
}

static void file_ticket_return(const char *path)
{
    pthread_mutex_lock(&file_tickets.lock);
    FileTicket *ticket = g_hash_table_lookup(file_tickets.paths, path);
    if (--ticket->users == 0)
        g_hash_table_remove(file_tickets.paths, path);
    if (g_hash_table_size(file_tickets.paths) == 0)
        g_clear_pointer(&file_tickets.paths, g_hash_table_unref);
    pthread_mutex_unlock(&file_tickets.lock);
}

typedef enum FileChange { FILE_CHANGED, FILE_UNCHANGED, FILE_CHANGE_FAILED } FileChange;

/* Makes the change visible unless a later call has already changed the path; then it is as if ours had come
 * first. The check and the change are one step. */
static FileChange file_commit(const FileJob *job, FileChange (*change)(const char *from, const char *to),
                              const char *from)
{
    pthread_mutex_lock(&file_tickets.lock);
    FileTicket *ticket = g_hash_table_lookup(file_tickets.paths, job->path); /* @job is one of its users */
    pthread_mutex_unlock(&file_tickets.lock);
    FileChange result = FILE_UNCHANGED;
    pthread_mutex_lock(&ticket->changing);
    if (ticket->committed < job->ticket) {
        result = change(from, job->path);
        if (result != FILE_CHANGE_FAILED)
            ticket->committed = job->ticket;
    }
    int saved = errno;
    pthread_mutex_unlock(&ticket->changing);
    errno = saved;
    return result;
}

/* ---- the work ---- */

static bool file_sync_dir(int dir_fd, const char *path, Error **err)
{
    /* Some file systems (9p, some FUSE) can't sync a directory; there is nothing better to do then. */
    if (fsync(dir_fd) < 0 && errno != EINVAL && errno != ENOTSUP && errno != EBADF)
        return error_set_errno(err, errno, "cannot flush the directory of '%s'", path);
    return true;
}

static int file_open_dir_of(const char *path, Error **err)
{
    g_autofree char *dir = g_path_get_dirname(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        error_set_errno(err, errno, "cannot open directory '%s'", dir);
    return fd;
}

bool file_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static char *file_temp_name(const char *path)
{
    static atomic_uint counter;
    g_autofree char *dir = g_path_get_dirname(path);
    return g_strdup_printf("%s/" FILE_TEMP_PREFIX "%ld-%u" FILE_TEMP_SUFFIX, dir, (long)getpid(),
                           atomic_fetch_add(&counter, 1));
}

static bool file_fill_temp(const FileJob *job, int fd, Error **err)
{
    /* fchmod: the mode asked for, whatever the umask. */
    if (fchmod(fd, job->mode) < 0)
        return error_set_errno(err, errno, "cannot set the mode of '%s'", job->path);
    if (!file_write_all(fd, job->data, job->len))
        return error_set_errno(err, errno, "cannot write '%s'", job->path);
    if (job->durable && fsync(fd) < 0)
        return error_set_errno(err, errno, "cannot flush '%s'", job->path);
    return true;
}

static FileChange file_rename_over(const char *from, const char *to)
{
    return rename(from, to) == 0 ? FILE_CHANGED : FILE_CHANGE_FAILED;
}

static bool file_do_replace(FileJob *job, Error **err)
{
    AUTO_FD dir_fd = file_open_dir_of(job->path, err);
    if (dir_fd < 0)
        return false;
    g_autofree char *temp = file_temp_name(job->path);
    AUTO_FD fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) { /* of a daemon that had our pid and was killed */
        (void)unlink(temp);
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    if (fd < 0)
        return error_set_errno(err, errno, "cannot create a file beside '%s'", job->path);
    if (!file_fill_temp(job, fd, err)) {
        (void)unlink(temp);
        return false;
    }
    switch (file_commit(job, file_rename_over, temp)) {
    case FILE_CHANGED:
        return !job->durable || file_sync_dir(dir_fd, job->path, err);
    case FILE_UNCHANGED:
        (void)unlink(temp);
        return true;
    default:
        error_set_errno(err, errno, "cannot replace '%s'", job->path);
        (void)unlink(temp);
        return false;
    }
}

static FileChange file_unlink(const char *unused, const char *path)
{
    g_autoptr(Error) err = NULL;
    const char *name;
    AUTO_FD dir_fd = trail_open_parent(path, &name, &err);
    if (dir_fd < 0)
        errno = error_errno(err) ? error_errno(err) : EPERM; /* a foreign link */
    else if (unlinkat(dir_fd, name, 0) == 0)
        return FILE_CHANGED;
    return errno == ENOENT ? FILE_UNCHANGED : FILE_CHANGE_FAILED;
}

static bool file_do_remove(FileJob *job, Error **err)
{
    switch (file_commit(job, file_unlink, NULL)) {
    case FILE_CHANGED:
        break;
    case FILE_UNCHANGED:
        return true;
    default:
        return error_set_errno(err, errno, "cannot remove '%s'", job->path);
    }
    AUTO_FD dir_fd = file_open_dir_of(job->path, err);
    return dir_fd >= 0 && file_sync_dir(dir_fd, job->path, err);
}

static bool file_do_rename(FileJob *job, Error **err)
{
    AUTO_FD from_dir = file_open_dir_of(job->path, err);
    if (from_dir < 0)
        return false;
    AUTO_FD to_dir = file_open_dir_of(job->other, err);
    if (to_dir < 0)
        return false;
    if (rename(job->path, job->other) < 0)
        return error_set_errno(err, errno, "cannot rename '%s' to '%s'", job->path, job->other);
    return file_sync_dir(to_dir, job->other, err) && file_sync_dir(from_dir, job->path, err);
}

static bool file_do_symlink(FileJob *job, Error **err)
{
    AUTO_FD dir_fd = file_open_dir_of(job->path, err);
    if (dir_fd < 0)
        return false;
    g_autofree char *temp = file_temp_name(job->path);
    if (symlink(job->other, temp) < 0 &&
        (errno != EEXIST || unlink(temp) < 0 || symlink(job->other, temp) < 0))
        return error_set_errno(err, errno, "cannot make a link beside '%s'", job->path);
    if (rename(temp, job->path) < 0) {
        error_set_errno(err, errno, "cannot make the link '%s'", job->path);
        (void)unlink(temp);
        return false;
    }
    return file_sync_dir(dir_fd, job->path, err);
}

/* Reads @fd to its end; the size that stat() tells is only a hint (0 in /proc). */
static bool file_read_fd(int fd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                         Error **err)
{
    struct stat st;
    size_t hint = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 4096;
    GString *text = g_string_sized_new(MIN(hint, max_bytes) + 1);
    char buffer[8192];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            error_set_errno(err, errno, "cannot read '%s'", path);
            break;
        }
        if (n == 0) {
            *ret_len = text->len;
            *ret_data = g_string_free(text, false);
            return true;
        }
        if ((size_t)n > max_bytes - text->len) {
            error_set(err, ERROR_OVERFLOW, "'%s' is longer than %zu bytes", path, max_bytes);
            break;
        }
        g_string_append_len(text, buffer, n);
    }
    g_string_free(text, true);
    return false;
}

static bool file_do_read(FileJob *job, Error **err)
{
    /* O_NONBLOCK: a FIFO planted under the name must not hang the worker; files ignore it. */
    AUTO_FD fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", job->path);
    return file_read_fd(fd, job->path, job->len, &job->out, &job->out_len, err);
}

static bool file_make_one_dir(const char *path, mode_t mode, Error **err)
{
    if (mkdir(path, mode) == 0) {
        /* The umask must not narrow what was asked for. */
        if (chmod(path, mode) < 0)
            return error_set_errno(err, errno, "cannot set the mode of directory '%s'", path);
        return true;
    }
    int errnum = errno;
    struct stat st;
    if (errnum == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return true;
    return error_set_errno(err, errnum, "cannot make directory '%s'", path);
}

static bool file_do_make_dirs(FileJob *job, Error **err)
{
    char *path = job->path;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return true; /* the usual case */
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        bool ok = file_make_one_dir(path, 0755, err);
        *at = '/';
        if (!ok)
            return false;
    }
    return file_make_one_dir(path, job->mode, err);
}

static uint64_t file_mount_id(int dir_fd, const char *name)
{
    struct statx stx = { 0 };
    if (statx(dir_fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &stx) < 0)
        return 0;
    if (stx.stx_mask & STATX_MNT_ID)
        return stx.stx_mnt_id;
    return (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
}

static bool file_remove_below(int dir_fd, const char *path, uint64_t mount, unsigned depth, Error **err);

static bool file_remove_entry(int dir_fd, const char *path, const char *name, uint64_t mount, unsigned depth,
                              Error **err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM)
        return error_set_errno(err, errno, "cannot remove '%s/%s'", path, name);
    AUTO_FD child = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (child < 0)
        return error_set_errno(err, errno, "cannot open directory '%s/%s'", path, name);
    if (file_mount_id(child, "") != mount)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s/%s' is a mount point", path, name);
    g_autofree char *below = g_strdup_printf("%s/%s", path, name);
    if (!file_remove_below(child, below, mount, depth + 1, err))
        return false;
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return error_set_errno(err, errno, "cannot remove directory '%s'", below);
    return true;
}

/* Recursion on what is on the disk, hence the limit of the depth. */
static bool file_remove_below(int dir_fd, const char *path, uint64_t mount, unsigned depth, Error **err)
{
    if (depth > FILE_TREE_MAX_DEPTH)
        return error_set(err, ERROR_OVERFLOW, "'%s' is nested too deep to be removed", path);
    int own = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    if (!dir) {
        error_set_errno(err, errno, "cannot list '%s'", path);
        fd_cleanup(&own);
        return false;
    }
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = file_remove_entry(dir_fd, path, entry->d_name, mount, depth, err);
    }
    (void)closedir(dir);
    return ok;
}

static bool file_do_remove_tree(FileJob *job, Error **err)
{
    AUTO_FD fd = open(job->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP) && unlink(job->path) == 0)
        return true;
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open directory '%s'", job->path);
    if (!file_remove_below(fd, job->path, file_mount_id(fd, ""), 0, err))
        return false;
    if (rmdir(job->path) < 0 && errno != ENOENT)
        return error_set_errno(err, errno, "cannot remove directory '%s'", job->path);
    return true;
}

static int file_compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool file_do_list_dir(FileJob *job, Error **err)
{
    job->names = g_ptr_array_new_with_free_func(g_free);
    DIR *dir = opendir(job->path);
    if (!dir)
        return errno == ENOENT || error_set_errno(err, errno, "cannot list '%s'", job->path);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            g_ptr_array_add(job->names, g_strdup(entry->d_name));
        errno = 0;
    }
    int errnum = errno;
    (void)closedir(dir);
    if (errnum != 0)
        return error_set_errno(err, errnum, "cannot list '%s'", job->path);
    g_ptr_array_sort(job->names, file_compare_names);
    return true;
}

static bool file_do_remove_leftovers(FileJob *job, Error **err)
{
    if (!file_do_list_dir(job, err))
        return false;
    for (guint i = 0; i < job->names->len; i++) {
        const char *name = g_ptr_array_index(job->names, i);
        if (!g_str_has_prefix(name, FILE_TEMP_PREFIX) || !g_str_has_suffix(name, FILE_TEMP_SUFFIX))
            continue;
        g_autofree char *path = path_join(job->path, name);
        if (unlink(path) < 0 && errno != ENOENT)
            return error_set_errno(err, errno, "cannot remove '%s'", path);
    }
    return true;
}

/* ---- calls ---- */

typedef enum FileDurability { FILE_DURABLE, FILE_VOLATILE } FileDurability;

/* A worker that kept the job returns the ticket itself, as late as that may be. */
static void file_job_free_ticket(void *arg)
{
    FileJob *job = arg;
    file_ticket_return(job->path);
    file_job_free(job);
}

static bool file_job_run_ticket(FileJob *job, Error **err)
{
    job->ticket = file_ticket_draw(job->path);
    if (worker_path_is_memory(job->path)) { /* a turn of a worker costs more than the file */
        const bool ok = job->func(job, err);
        file_job_free_ticket(job);
        return ok;
    }
    if (!worker_call(worker_lane_state(), file_job_work, job, file_job_free_ticket, FILE_DEADLINE_MS, err))
        return false;
    file_job_free_ticket(job);
    return true;
}

static bool file_replace_how(const char *path, const char *data, size_t len, mode_t mode,
                             FileDurability durability, Error **err)
{
    FileJob *job = file_job_new(file_do_replace, path);
    job->data = g_malloc(len + 1);
    memcpy(job->data, data ? data : "", len);
    job->len = len;
    job->mode = mode;
    job->durable = durability == FILE_DURABLE;
    return file_job_run_ticket(job, err);
}

bool file_replace(const char *path, const char *data, size_t len, mode_t mode, Error **err)
{
    return file_replace_how(path, data, len, mode, FILE_DURABLE, err);
}

bool file_replace_volatile(const char *path, const char *data, size_t len, mode_t mode, Error **err)
{
    return file_replace_how(path, data, len, mode, FILE_VOLATILE, err);
}

bool file_remove(const char *path, Error **err)
{
    return file_job_run_ticket(file_job_new(file_do_remove, path), err);
}

bool file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(file_do_read, path);
    job->len = max_bytes;
    if (!file_job_run(&job, err))
        return false;
    *ret_data = g_steal_pointer(&job->out);
    if (ret_len)
        *ret_len = job->out_len;
    return true;
}

bool file_rename(const char *from, const char *to, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(file_do_rename, from);
    job->other = g_strdup(to);
    return file_job_run(&job, err);
}

bool file_symlink(const char *target, const char *path, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(file_do_symlink, path);
    job->other = g_strdup(target);
    return file_job_run(&job, err);
}

bool file_make_dirs(const char *path, mode_t mode, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(file_do_make_dirs, path);
    job->mode = mode;
    return file_job_run(&job, err);
}

bool file_remove_tree(const char *path, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(file_do_remove_tree, path);
    return file_job_run(&job, err);
}

bool file_list_dir(const char *path, GPtrArray **ret_names, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(file_do_list_dir, path);
    if (!file_job_run(&job, err))
        return false;
    *ret_names = g_steal_pointer(&job->names);
    return true;
}

bool file_remove_leftovers(const char *dir, Error **err)
{
    g_autoptr(FileJob) job = file_job_new(file_do_remove_leftovers, dir);
    return file_job_run(&job, err);
}

char *file_read_kernel(const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *text;
    size_t len;
    if (fd < 0 || !file_read_fd(fd, path, FILE_KERNEL_MAX, &text, &len, NULL))
        return NULL;
    if (len > 0 && text[len - 1] == '\n')
        text[len - 1] = '\0';
    return text;
}

bool file_read_kernel_uint(const char *path, uint64_t *ret_value)
{
    g_autofree char *text = file_read_kernel(path);
    if (!text)
        return false;
    /* Not parse_uint(): some of these files have blanks around the number. */
    char *end;
    errno = 0;
    const char *start = g_strstrip(text);
    uint64_t value = g_ascii_strtoull(start, &end, 10);
    if (!g_ascii_isdigit(*start) || *end || errno != 0)
        return false;
    *ret_value = value;
    return true;
}

bool path_is_safe_component(const char *name)
{
    if (!name || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > 255)
        return false;
    for (const char *at = name; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7f || c == '/')
            return false;
    }
    return true;
}
