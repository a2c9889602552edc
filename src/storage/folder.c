/* Pools of files. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/worker.h"
#include "storage/image_make.h"
#include "storage/volume_probe.h"
#include "wire/wire_enums.h"

#define FILES_MAX 1000000
#define SLICES 4               /* a lane has as many workers */
#define SLICE_MIN 500          /* fewer files are looked at by one */
#define SLICE_DEADLINE_MS 8000 /* less than whoever asks for a list waits */

/* ---- jobs of workers ---- */

/* Blames the storage of @path_now, if it was that. @path_now may be gone when the wait is over. */
static bool folder_run(const char *path_now, void (*func)(void *), void *job, void (*job_free)(void *),
                       Error **err)
{
    g_autofree char *path = g_strdup(path_now);
    WorkerLane *lane = worker_lane_for_path(path);

    if (worker_run(lane, func, job, job_free, POOL_DEADLINE_MS, err))
        return true;
    error_prefix(err, "cannot access '%s' (storage below '%s' does not answer)", path,
                 worker_lane_name(lane));
    return error_hint(err, "check what is mounted at '%s'", worker_lane_name(lane));
}

/* Something with one path or two. */
typedef struct PathJob {
    int (*work)(const struct PathJob *job); /* 0 or an errno */
    char *path, *path2;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    int result;
} PathJob;

static void path_job_free(void *data)
{
    PathJob *job = data;

    g_free(job->path);
    g_free(job->path2);
    g_free(job);
}

static void path_job_run(void *data)
{
    PathJob *job = data;

    job->result = job->work(job);
}

/* *ret_errno: what work() says. */
AWAITS static bool path_run(const PathJob *what, int *ret_errno, Error **err)
{
    PathJob *job = g_memdup2(what, sizeof(*what));

    job->path = g_strdup(what->path);
    job->path2 = g_strdup(what->path2);
    if (!folder_run(what->path, path_job_run, job, path_job_free, err))
        return false;
    *ret_errno = job->result;
    path_job_free(job);
    return true;
}

static int see(const PathJob *job)
{
    struct stat st;

    return stat(job->path, &st) == 0 ? 0 : errno;
}

bool folder_answers(const char *path, uint64_t timeout_ms, Error **err)
{
    const PathJob job = { .work = see, .path = (char *)path };
    int result = 0;

    const uint64_t token = fiber_deadline_begin(timeout_ms);
    const bool ok = path_run(&job, &result, err);
    fiber_deadline_end(token);
    return ok;
}

/* ---- temporary names ---- */

/* Of this host and this daemon: others may use the same network file system. */
static char *temp_prefix(const Host *host)
{
    g_autofree char *machine = file_read_kernel("/etc/machine-id");
    g_autofree char *seed = g_strconcat(machine ? machine : "", ":", host->paths->run, NULL);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, seed, -1);

    return g_strdup_printf(TEMP_PREFIX "%.12s-", sum);
}

/* Those of this run are not swept away: another pool may be on the same folder by another path. */
static char *temp_prefix_of_run(const Host *host)
{
    static guint32 run;
    g_autofree char *prefix = temp_prefix(host);

    while (!run)
        run = g_random_int();
    return g_strdup_printf("%s%08x-", prefix, run);
}

char *folder_temp_path(const Host *host, const char *dir)
{
    static unsigned number;
    g_autofree char *own = temp_prefix_of_run(host);

    return g_strdup_printf("%s/%s%u.new", dir, own, number++);
}

static int put_in_place(const PathJob *job)
{
    if (job->mode)
        return rename(job->path, job->path2) == 0 ? 0 : errno;
    if (renameat2(AT_FDCWD, job->path, AT_FDCWD, job->path2, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL)
        return errno;
    /* A file system that does not know that. */
    if (link(job->path, job->path2) < 0)
        return errno;
    (void)unlink(job->path);
    return 0;
}

bool folder_put_in_place(const char *temp, const char *path, bool may_replace, Error **err)
{
    const PathJob job = {
        .work = put_in_place, .path = (char *)temp, .path2 = (char *)path, .mode = may_replace
    };
    int result = 0;

    fiber_shield_begin(); /* it is there then, or it is not */
    const bool was_run = path_run(&job, &result, err);
    fiber_shield_end();
    if (!was_run)
        return false;
    if (result == EEXIST) {
        g_autofree char *name = g_path_get_basename(path);
        return error_set(err, ERROR_VOLUME_EXISTS, "%s", name);
    }
    return result == 0 || error_set_errno(err, result, "cannot rename '%s' to '%s'", temp, path);
}

static int drop_temp(const PathJob *job)
{
    return unlink(job->path) == 0 || errno == ENOENT ? 0 : errno;
}

void folder_drop_temp(const char *temp)
{
    const PathJob job = { .work = drop_temp, .path = (char *)temp };
    g_autoptr(Error) err = NULL;
    int result = 0;

    fiber_shield_begin();
    if (path_run(&job, &result, &err) && result)
        error_set_errno(&err, result, "cannot remove '%s'", temp);
    fiber_shield_end();
    if (err)
        log_warning_error(err, temp);
}

/* ---- the folder itself ---- */

static int make_folder(const PathJob *job)
{
    struct stat st;
    bool is_new = true;

    if (mkdir(job->path, 0700) < 0) {
        if (errno != EEXIST && errno != ENOENT)
            return errno;
        is_new = errno == ENOENT;
        if (g_mkdir_with_parents(job->path, 0755) < 0)
            return errno;
    }
    AUTO_FD fd = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return errno;
    if ((job->uid != (uid_t)-1 || job->gid != (gid_t)-1) && fchown(fd, job->uid, job->gid) < 0)
        return errno;
    /* A folder that was there keeps its mode unless the definition says one. */
    if ((is_new || job->mode != (mode_t)-1) && fchmod(fd, job->mode == (mode_t)-1 ? 0711 : job->mode) < 0)
        return errno;
    return 0;
}

bool folder_build(Pool *pool, unsigned flags, Error **err)
{
    const PoolDef *def = pool_def(pool);
    const StoragePermissions *permissions = def->permissions;
    const PathJob job = {
        .work = make_folder,
        .path = def->target_path,
        .mode = permissions && permissions->mode.is_set ? permissions->mode.value : (mode_t)-1,
        .uid = permissions && permissions->owner.is_set ? permissions->owner.value : (uid_t)-1,
        .gid = permissions && permissions->group.is_set ? permissions->group.value : (gid_t)-1,
    };
    int result = 0;

    if (flags && !def->devices)
        return error_set(err, ERROR_INVALID_STATE, "No source device specified when formatting pool '%s'",
                         pool->name);
    if (!path_run(&job, &result, err))
        return error_prefix(err, "storage pool '%s'", pool->name);
    return result == 0 || error_set_errno(err, result, "cannot create path '%s'", def->target_path);
}

static int remove_folder(const PathJob *job)
{
    return rmdir(job->path) == 0 ? 0 : errno;
}

bool folder_remove(Pool *pool, unsigned flags, Error **err)
{
    const PathJob job = { .work = remove_folder, .path = pool_def(pool)->target_path };
    int result = 0;

    if (flags & VIR_STORAGE_POOL_DELETE_ZEROED)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "unsupported flags (0x%x) in function virStoragePoolDelete", flags);
    if (!path_run(&job, &result, err))
        return error_prefix(err, "storage pool '%s'", pool->name);
    return result == 0 || error_set_errno(err, result, "failed to remove pool '%s'", job.path);
}

/* ---- looking ---- */

typedef struct FolderFile {
    char *name;
    const char *plain; /* in: volume_plain_format() */
    FileStamp stamp;   /* in: of what is known; out: of now */
    bool has_volume;   /* in: there is one of the name */
    bool is_known;     /* in: there is a stamp */
    bool is_file;      /* the folder says that it is a plain file */
    bool is_there;     /* the folder has the name; out: and it is a volume */
    bool is_unread;    /* there are so many that it is left for later */
    bool is_same;      /* out: as it was */
    VolumeDef *def;    /* out; NULL: as it was, or no volume */
} FolderFile;

typedef struct FolderJob {
    char *dir;
    char *sweep;       /* prefix of temporaries to be removed ... */
    char *keep;        /* ... but for these; both NULL: none */
    GPtrArray *files;  /* FolderFile: what is known, and what was found */
    GHashTable *known; /* name -> FolderFile (of files) */
    bool only_known;   /* nothing but `known` is looked at */
    bool is_done;      /* out: also at the files; else there are too many for one worker */
    struct stat st;
    uint64_t capacity_bytes, free_bytes;
    int error;
    const char *failed; /* "cannot open directory" */
} FolderJob;

static void folder_file_free(void *data)
{
    FolderFile *file = data;

    g_free(file->name);
    volume_def_free(file->def);
    g_free(file);
}

static void folder_job_free(void *data)
{
    FolderJob *job = data;

    g_hash_table_unref(job->known);
    g_ptr_array_unref(job->files);
    g_free(job->dir);
    g_free(job->sweep);
    g_free(job->keep);
    g_free(job);
}

/* Can a document name it? */
static bool is_nameable(const char *name)
{
    if (!g_utf8_validate(name, -1, NULL))
        return false;
    for (const char *at = name; *at; at++) {
        if ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t')
            return false;
    }
    return true;
}

static bool is_volume_type(const struct stat *st)
{
    return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode) || S_ISDIR(st->st_mode);
}

/* What is no file, device or folder is no volume; nor is a link that leads nowhere. */
static void look_at_file(const char *dir, int dir_fd, FolderFile *file)
{
    struct stat st = { .st_mode = S_IFREG };
    FileStamp now;

    file->is_there = false;
    if (!file->is_file || file->is_known) { /* opening something else might do something */
        if (fstatat(dir_fd, file->name, &st, 0) < 0 || !is_volume_type(&st))
            return;
        now = file_stamp_of(&st);
        file->is_same = file->is_known && file_stamp_same(&file->stamp, &now);
        file->is_there = file->is_same;
        if (file->is_same)
            return;
    }
    AUTO_FD fd = openat(dir_fd, file->name,
                        (S_ISDIR(st.st_mode) ? O_PATH : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0 || !is_volume_type(&st)) /* it may be another one by now */
        return;
    g_autofree char *path = g_strconcat(dir, "/", file->name, NULL);
    now = file_stamp_of(&st);
    file->def = volume_probe(file->name, path, fd, &st,
                             file_stamp_same_file(&file->stamp, &now) ? file->plain : NULL);
    file->stamp = now;
    file->is_there = true;
}

static FolderFile *folder_job_add(FolderJob *job, const char *name)
{
    FolderFile *file = g_new0(FolderFile, 1);

    file->name = g_strdup(name);
    g_ptr_array_add(job->files, file);
    return file;
}

static void take_name(FolderJob *job, int dir_fd, const struct dirent *entry)
{
    const char *name = entry->d_name;

    if (g_str_has_prefix(name, TEMP_PREFIX)) {
        /* Best effort: the next start tries again. */
        if (job->sweep && g_str_has_prefix(name, job->sweep) && !g_str_has_prefix(name, job->keep) &&
            unlinkat(dir_fd, name, 0) < 0 && (errno == EISDIR || errno == EPERM))
            (void)unlinkat(dir_fd, name, AT_REMOVEDIR);
        return;
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    FolderFile *file = g_hash_table_lookup(job->known, name);
    if (!file && !is_nameable(name))
        return;
    if (!file)
        file = folder_job_add(job, name);
    file->is_there = true;
    file->is_file = entry->d_type == DT_REG;
}

static void folder_job_read_names(FolderJob *job, int dir_fd)
{
    const int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

    if (!dir) {
        job->error = errno;
        job->failed = "cannot open directory";
        return;
    }
    for (struct dirent *entry = NULL; job->files->len < FILES_MAX && (errno = 0, entry = readdir(dir));)
        take_name(job, dir_fd, entry);
    if (errno && job->files->len < FILES_MAX) {
        job->error = errno;
        job->failed = "cannot read directory";
    }
    (void)closedir(dir);
}

static void look_at_files(const char *dir, int dir_fd, const GPtrArray *files)
{
    for (guint i = 0; i < files->len; i++) {
        FolderFile *file = g_ptr_array_index(files, i);
        if (file->is_there && !file->is_unread)
            look_at_file(dir, dir_fd, file);
    }
}

/* Of a large folder the names are taken first: nobody wants to know all of it at once. Returns the number of
 * files to look at now. */
static guint folder_job_postpone(FolderJob *job)
{
    guint n_now = 0;

    for (guint i = 0; i < job->files->len; i++) {
        FolderFile *file = g_ptr_array_index(job->files, i);
        file->is_unread = file->is_there && file->is_file && !file->is_known && !job->only_known &&
                          job->files->len > SLICE_MIN;
        n_now += file->is_there && !file->is_unread;
        if (file->is_unread && !file->has_volume) {
            g_autofree char *path = g_strconcat(job->dir, "/", file->name, NULL);
            file->def = volume_unread(file->name, path);
        }
    }
    return n_now;
}

static void folder_job_run(void *data)
{
    FolderJob *job = data;
    struct statvfs fs;
    AUTO_FD dir_fd = open(job->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0 || fstat(dir_fd, &job->st) < 0) {
        job->error = errno;
        job->failed = "cannot open directory";
        return;
    }
    if (fstatvfs(dir_fd, &fs) < 0) {
        job->error = errno;
        job->failed = "cannot statvfs path";
        return;
    }
    job->capacity_bytes = (uint64_t)fs.f_frsize * fs.f_blocks;
    job->free_bytes = (uint64_t)fs.f_frsize * fs.f_bfree;
    if (!job->only_known)
        folder_job_read_names(job, dir_fd);
    job->is_done = folder_job_postpone(job) <= SLICE_MIN;
    if (job->is_done && !job->error)
        look_at_files(job->dir, dir_fd, job->files);
}

/* ---- the files of a large folder, by several workers ---- */

typedef struct FolderSlice {
    char *dir;
    GPtrArray *files; /* FolderFile */
    int error;
    Error *why; /* of the fiber: the storage does not answer */
} FolderSlice;

static void folder_slice_free(void *data)
{
    FolderSlice *slice = data;

    g_ptr_array_unref(slice->files);
    g_free(slice->dir);
    g_free(slice);
}

static void folder_slice_run(void *data)
{
    FolderSlice *slice = data;
    AUTO_FD dir_fd = open(slice->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0)
        slice->error = errno;
    else
        look_at_files(slice->dir, dir_fd, slice->files);
}

/* The worker has its own struct, which it keeps if its storage hangs. */
AWAITS static void folder_slice_look(void *item)
{
    FolderSlice *slice = item;
    FolderSlice *work = g_memdup2(slice, sizeof(*slice));

    slice->files = NULL;
    work->dir = g_strdup(slice->dir);
    const uint64_t token = fiber_deadline_begin(SLICE_DEADLINE_MS);
    const bool ok = folder_run(slice->dir, folder_slice_run, work, folder_slice_free, &slice->why);
    fiber_deadline_end(token);
    if (!ok)
        return;
    slice->files = g_ptr_array_ref(work->files);
    slice->error = work->error;
    folder_slice_free(work);
}

/* Looks at job->files; what was looked at replaces them. */
AWAITS static bool folder_look_in_slices(FolderJob *job, Error **err)
{
    FolderSlice slices[SLICES] = { 0 };
    bool ok = true;

    for (unsigned i = 0; i < SLICES; i++)
        slices[i] =
            (FolderSlice){ .dir = job->dir, .files = g_ptr_array_new_with_free_func(folder_file_free) };
    for (guint i = 0; i < job->files->len; i++)
        g_ptr_array_add(slices[i % SLICES].files, g_steal_pointer(&g_ptr_array_index(job->files, i)));
    g_hash_table_remove_all(job->known);
    g_ptr_array_set_free_func(job->files, NULL);
    g_ptr_array_set_size(job->files, 0);
    g_ptr_array_set_free_func(job->files, folder_file_free);
    fiber_run_all("pool", folder_slice_look, slices, SLICES, sizeof(*slices));
    for (unsigned i = 0; i < SLICES; i++) {
        FolderSlice *slice = &slices[i];
        if (slice->why)
            ok = ok ? error_propagate(err, g_steal_pointer(&slice->why)) : ok;
        else if (slice->error)
            ok = ok ? error_set_errno(err, slice->error, "cannot open directory '%s'", job->dir) : ok;
        error_free(slice->why);
        if (slice->files)
            g_ptr_array_extend_and_steal(job->files, slice->files);
    }
    return ok;
}

static void folder_job_add_known(FolderJob *job, const char *name, const Volume *volume)
{
    if (!volume && (!is_nameable(name) || g_str_has_prefix(name, TEMP_PREFIX)))
        return;
    FolderFile *file = folder_job_add(job, name);
    file->has_volume = volume != NULL;
    file->is_known = volume && !volume->is_being_made && !volume->is_unread;
    file->is_there = job->only_known;
    if (file->is_known) {
        file->stamp = volume->stamp;
        file->plain = volume_plain_format(volume);
    }
    g_hash_table_insert(job->known, file->name, file);
}

static FolderJob *folder_job_new(Pool *pool, const PoolScan *scan)
{
    FolderJob *job = g_new0(FolderJob, 1);
    GHashTableIter iter;
    gpointer name = NULL, volume = NULL;

    job->dir = g_strdup(pool_def(pool)->target_path);
    if (!pool->object.live) {
        job->sweep = temp_prefix(pool->host);
        job->keep = temp_prefix_of_run(pool->host);
    }
    job->known = g_hash_table_new(g_str_hash, g_str_equal);
    job->files = g_ptr_array_new_with_free_func(folder_file_free);
    job->only_known = scan->only != NULL;
    g_hash_table_iter_init(&iter, scan->only ? scan->only : pool->volumes);
    while (g_hash_table_iter_next(&iter, &name, &volume))
        folder_job_add_known(job, name, scan->only ? g_hash_table_lookup(pool->volumes, name) : volume);
    return job;
}

/* Of a pool that becomes active: the definition tells what its folder really is. */
static void folder_fill_target(PoolDef *def, const struct stat *st)
{
    if (!def->permissions)
        def->permissions = g_new0(StoragePermissions, 1);
    def->permissions->mode = (OptU32){ .value = st->st_mode & 07777, .is_set = true };
    def->permissions->owner = (OptU32){ .value = st->st_uid, .is_set = true };
    def->permissions->group = (OptU32){ .value = st->st_gid, .is_set = true };
    g_clear_pointer(&def->permissions->label, g_free);
}

static VolumeDef *volume_unread_in(const Pool *pool, const char *name)
{
    g_autofree char *path = g_strconcat(pool_def(pool)->target_path, "/", name, NULL);

    return volume_unread(name, path);
}

static void folder_take_file(Pool *pool, PoolScan *scan, FolderFile *file)
{
    Volume *known = g_hash_table_lookup(pool->volumes, file->name);

    if (known && known->is_being_made)
        return;
    if (file->is_same || (file->is_unread && known)) {
        if (known)
            g_ptr_array_add(scan->volumes, volume_ref(known));
        return;
    }
    /* A file that only changed stays the same volume for those who hold it. */
    if (known) {
        volume_take_probe(known, g_steal_pointer(&file->def), &file->stamp);
        g_ptr_array_add(scan->volumes, volume_ref(known));
        return;
    }
    if (!file->def) /* it had a volume, which went meanwhile */
        file->def = volume_unread_in(pool, file->name);
    Volume *volume = volume_new(pool, g_steal_pointer(&file->def));
    volume->stamp = file->stamp;
    volume->is_unread = file->is_unread;
    g_ptr_array_add(scan->volumes, volume);
}

bool folder_scan(Pool *pool, PoolScan *scan, Error **err)
{
    if (!pool_require_mount(pool, err))
        return error_prefix(err, "storage pool '%s'", pool->name);
    FolderJob *job = folder_job_new(pool, scan);
    g_autofree char *dir = g_strdup(job->dir);

    if (!folder_run(dir, folder_job_run, job, folder_job_free, err))
        return error_prefix(err, "storage pool '%s'", pool->name);
    if (job->error) {
        error_set_errno(err, job->error, "%s '%s'", job->failed, job->dir);
        folder_job_free(job);
        return false;
    }
    if (!job->is_done && !folder_look_in_slices(job, err)) {
        folder_job_free(job);
        return error_prefix(err, "storage pool '%s'", pool->name);
    }
    for (guint i = 0; i < job->files->len && pool->volumes; i++) {
        FolderFile *file = g_ptr_array_index(job->files, i);
        if (file->is_there)
            folder_take_file(pool, scan, file);
    }
    scan->is_partial = job->only_known;
    scan->capacity_bytes = job->capacity_bytes;
    scan->available_bytes = job->free_bytes;
    scan->allocation_bytes = job->capacity_bytes - job->free_bytes;
    if (pool->volumes) /* else it was stopped meanwhile */
        folder_fill_target((PoolDef *)pool_def(pool), &job->st);
    folder_job_free(job);
    return true;
}

/* ---- one volume ---- */

typedef struct LookJob {
    char *name, *path;
    const char *plain; /* volume_plain_format() */
    FileStamp known, now;
    VolumeDef *def; /* new; NULL: as it was but for its times */
    struct stat st;
    uint64_t size_bytes;
    int error;
} LookJob;

static void look_job_free(void *data)
{
    LookJob *job = data;

    volume_def_free(job->def);
    g_free(job->name);
    g_free(job->path);
    g_free(job);
}

static void look_job_run(void *data)
{
    LookJob *job = data;

    if (stat(job->path, &job->st) < 0) {
        job->error = errno;
        return;
    }
    job->now = file_stamp_of(&job->st);
    if (file_stamp_same(&job->known, &job->now))
        return;
    AUTO_FD fd =
        open(job->path, (S_ISDIR(job->st.st_mode) ? O_PATH : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &job->st) < 0) {
        job->error = errno;
        return;
    }
    if (!is_volume_type(&job->st)) {
        job->error = ENOENT;
        return;
    }
    job->now = file_stamp_of(&job->st);
    job->def = volume_probe(job->name, job->path, fd, &job->st,
                            file_stamp_same_file(&job->known, &job->now) ? job->plain : NULL);
}

bool folder_look_at_volume(Pool *pool, Volume *volume, Error **err)
{
    LookJob *job = g_new0(LookJob, 1);
    bool ok = true;

    job->name = g_strdup(volume->def->name);
    job->path = g_strdup(volume->def->target.path);
    job->known = volume->stamp;
    job->plain = volume_plain_format(volume);
    if (!folder_run(volume->def->target.path, look_job_run, job, look_job_free, err))
        return error_prefix(err, "storage pool '%s'", pool->name);
    if (job->error == ENOENT)
        ok = error_set(err, ERROR_NO_STORAGE_VOL, "no storage vol with matching path '%s'", job->path);
    else if (job->error)
        ok = error_set_errno(err, job->error, "cannot open volume '%s'", job->path);
    else if (job->def) {
        volume_take_probe(volume, g_steal_pointer(&job->def), &job->now);
    } else {
        volume_probe_stat(volume->def, -1, &job->st);
    }
    look_job_free(job);
    return ok;
}

/* ---- making and removing ---- */

bool folder_plan_volume(Pool *pool, VolumeDef *def, const Volume *from, unsigned flags, Error **err)
{
    static const char *const known[] = { "raw", "dir",  "bochs", "cloop", "dmg", "iso",  "vpc",
                                         "vdi", "fat",  "vhd",   "ploop", "cow", "qcow", "qcow2",
                                         "qed", "vmdk", "luks",  "vhdx",  NULL };
    const char *format = def->target.format ? def->target.format : "raw";
    const char *folder = pool_def(pool)->target_path;

    if (strcmp(def->name, ".") == 0 || strcmp(def->name, "..") == 0)
        return error_set(err, ERROR_INVALID_STATE, "volume target path '%s/%s' already exists", folder,
                         def->name);
    if (strcmp(format, "luks") == 0 && !def->target.encryption)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "unknown volume format type luks without an <encryption>");
    if (def->target.encryption &&
        (!def->target.encryption->secrets || def->target.encryption->secrets->len != 1))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "A single <secret type='passphrase'...> element is expected in encryption "
                         "description");
    if (!g_strv_contains(known, format))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown volume format type %s", format);
    if (def->backing && def->backing->format && !g_strv_contains(known, def->backing->format))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unknown volume format type %s",
                         def->backing->format);
    if (!def->target.format)
        def->target.format = g_strdup("raw");
    def->type = strcmp(format, "dir") == 0 ? VOLUME_DIR : VOLUME_FILE;
    g_free(def->target.path);
    def->target.path = g_strconcat(folder, "/", def->name, NULL);
    g_free(def->key);
    def->key = g_strdup(def->target.path);
    return true;
}

/* Under a temporary name first: it is there with its owner and mode, or not at all. */
static int make_dir_volume(const PathJob *job)
{
    if (mkdir(job->path, 0700) < 0)
        return errno;
    if (((job->uid != (uid_t)-1 || job->gid != (gid_t)-1) && chown(job->path, job->uid, job->gid) < 0) ||
        chmod(job->path, job->mode) < 0 ||
        renameat2(AT_FDCWD, job->path, AT_FDCWD, job->path2, RENAME_NOREPLACE) < 0) {
        const int why = errno;
        (void)rmdir(job->path);
        return why;
    }
    return 0;
}

AWAITS static bool folder_make_dir(const VolumeDef *def, const char *temp, Error **err)
{
    const StoragePermissions *permissions = def->target.permissions;
    const PathJob job = {
        .work = make_dir_volume,
        .path = (char *)temp,
        .path2 = def->target.path,
        .mode = permissions && permissions->mode.is_set ? permissions->mode.value : 0600,
        .uid = permissions && permissions->owner.is_set ? permissions->owner.value : (uid_t)-1,
        .gid = permissions && permissions->group.is_set ? permissions->group.value : (gid_t)-1
    };
    int result = 0;

    if (!path_run(&job, &result, err))
        return false;
    if (result == EEXIST)
        return error_set(err, ERROR_VOLUME_EXISTS, "%s", def->name);
    return result == 0 || error_set_errno(err, result, "cannot create path '%s'", def->target.path);
}

static ImageInput input_of(const Volume *from)
{
    return (ImageInput){ .path = from->def->target.path,
                         .format = from->def->target.format,
                         .encryption = from->def->target.encryption,
                         .capacity_bytes = from->def->capacity.value,
                         .has_backing = from->def->backing != NULL };
}

/* Nobody asked for the name that it has while it is made. */
static bool fail_by_name(const char *temp, const char *path, Error *why, Error **err)
{
    g_autoptr(GString) said = g_string_new(error_message(why));

    if (g_string_replace(said, temp, path, 0) == 0)
        return error_propagate(err, why);
    error_set(err, error_code(why), "%s", said->str);
    if (error_hint_text(why))
        error_hint(err, "%s", error_hint_text(why));
    error_free(why);
    return false;
}

bool folder_make_volume(Pool *pool, VolumeDef *def, Volume *from, unsigned flags, Error **err)
{
    g_autofree char *temp = folder_temp_path(pool->host, pool_def(pool)->target_path);
    ImageInput input = { 0 };
    Error *why = NULL;

    if (def->type == VOLUME_DIR) {
        if (from)
            return error_set(err, ERROR_INTERNAL, "cannot copy from volume to a directory volume");
        return folder_make_dir(def, temp, err);
    }
    if (from)
        input = input_of(from);
    Volume *volume = g_hash_table_lookup(pool->volumes, def->name);
    if (volume && volume->is_being_made)
        volume->temp_path = g_strdup(temp);
    if (image_make(pool->host, def, temp, from ? &input : NULL, flags, &why) &&
        image_set_owner(def, temp, 0600, &why) && folder_put_in_place(temp, def->target.path, false, &why))
        return true;
    folder_drop_temp(temp);
    return fail_by_name(temp, def->target.path, why, err);
}

static int remove_volume(const PathJob *job)
{
    if (job->mode ? rmdir(job->path) == 0 : unlink(job->path) == 0)
        return 0;
    return errno == ENOENT ? 0 : errno;
}

bool folder_remove_volume(Pool *pool, Volume *volume, unsigned flags, Error **err)
{
    const bool is_dir = volume->def->type == VOLUME_DIR;
    const PathJob job = { .work = remove_volume, .path = volume->def->target.path, .mode = is_dir };
    int result = 0;

    if (flags)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "unsupported flags (0x%x) in function virStorageBackendVolDeleteLocal", flags);
    if (!path_run(&job, &result, err))
        return error_prefix(err, "storage pool '%s'", pool->name);
    return result == 0 ||
           error_set_errno(err, result, is_dir ? "cannot remove directory '%s'" : "cannot unlink file '%s'",
                           volume_path(volume));
}

bool folder_resize_volume(Pool *pool, Volume *volume, uint64_t capacity_bytes, unsigned flags, Error **err)
{
    return image_resize(pool->host, volume->def, capacity_bytes, flags, err);
}
