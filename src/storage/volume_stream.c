/* The content of volumes, to and from clients.
 *
 * A whole upload into a file goes into a new file beside it, which takes its place when everything has come:
 * a machine that starts meanwhile, and whoever finds the volume after a crash, has the old content or the
 * new. That needs room for both. Where it is not there, or the file has other names, too, the bytes go where
 * the old ones are, as with libvirtd. A file that has room but no content yet changes places with an empty
 * one meanwhile: its room is used. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/trail.h"
#include "base/worker.h"
#include "core/host_private.h"
#include "storage/folder.h"
#include "storage/image_copy.h"
#include "storage/image_make.h"
#include "storage/pool_backend.h"
#include "storage/volume.h"
#include "wire/wire_enums.h"

#define OPENING "Unable to open stream for"
#define NEW_MODE 0600

typedef struct VolumeStream {
    VolumeUse use;
    Object *pool;   /* counted */
    char *path;     /* of the volume */
    char *temp;     /* what takes its place at the end; NULL: nothing */
    int fd, old_fd; /* of them, for the end; -1 */
    bool is_upload;
    uint64_t
        swapped_bytes; /* temp is the volume's own file, which has that much room, and old_fd stands in */
    char *name, *caller;
} VolumeStream;

/* How content can come without being seen before it is whole: a new file replaces the old one, or the old one
 * is filled while another stands in for it. */
typedef enum StreamWays { STREAM_MAY_REPLACE = 1, STREAM_MAY_SWAP = 2 } StreamWays;

/* ---- opening, in a worker ---- */

typedef struct OpenJob {
    char *path;
    int flags;
    uint64_t offset;
    int fd;
    unsigned ways; /* StreamWays */
    Error *error;
} OpenJob;

static void open_job_free(void *data)
{
    OpenJob *job = data;

    fd_cleanup(&job->fd);
    error_free(job->error);
    g_free(job->path);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OpenJob, open_job_free)

#define CIFS_MAGIC 0xff534d42u
#define SMB2_MAGIC 0xfe534d42u

/* Whether another file can take its place: nobody knows it by another name. On CIFS a file that is open is
 * removed by the attempt, and the new one does not come. */
static bool may_move(const Trail *trail, int fd)
{
    struct statfs kind;

    return fstatfs(fd, &kind) == 0 && (uint32_t)kind.f_type != CIFS_MAGIC &&
           (uint32_t)kind.f_type != SMB2_MAGIC && S_ISREG(trail->st.st_mode) && trail->st.st_nlink == 1 &&
           !trail->has_links;
}

static bool has_room_for_both(const Trail *trail, int fd)
{
    struct statvfs fs;

    return fstatvfs(fd, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize > (uint64_t)trail->st.st_blocks * 512;
}

/* It has room for all of its size, and nothing was ever written there. */
static bool is_blank(const Trail *trail, int fd)
{
    return trail->st.st_size > 0 && trail->st.st_blocks * 512 >= trail->st.st_size &&
           lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO;
}

static void open_job_run(void *data)
{
    OpenJob *job = data;
    g_auto(Trail) trail = TRAIL_INIT;

    if (!trail_follow(job->path, &trail)) {
        error_set_errno(&job->error, errno, OPENING " '%s'", job->path);
        return;
    }
    if (!trail_check(&trail, job->path, &job->error))
        return;
    if (!S_ISREG(trail.st.st_mode) && !S_ISBLK(trail.st.st_mode)) {
        error_set_errno(&job->error, S_ISDIR(trail.st.st_mode) ? EISDIR : EINVAL, OPENING " '%s'", job->path);
        return;
    }
    job->fd = trail_reopen(&trail, job->flags);
    if (job->fd < 0)
        error_set_errno(&job->error, errno, OPENING " '%s'", job->path);
    else if (job->offset > INT64_MAX || lseek(job->fd, (off_t)job->offset, SEEK_SET) < 0)
        error_set_errno(&job->error, EINVAL, "Unable to seek %s to %" PRIu64, job->path, job->offset);
    else if (job->flags == O_RDWR && may_move(&trail, job->fd)) { /* all of it is to be written */
        job->ways = (has_room_for_both(&trail, job->fd) ? STREAM_MAY_REPLACE : 0) |
                    (is_blank(&trail, job->fd) ? STREAM_MAY_SWAP : 0);
        (void)lseek(job->fd, 0, SEEK_SET);
    }
}

static bool volume_open(Volume *volume, int flags, uint64_t offset_bytes, int *ret_fd, unsigned *ret_ways,
                        Error **err)
{
    const PoolBackend *backend = volume->pool->backend;

    *ret_ways = 0;
    if (backend->open_volume)
        return backend->open_volume(volume->pool, volume, flags, ret_fd, err);
    if (!volume_require_local(volume, flags == O_RDONLY ? "download" : "upload", err))
        return false;
    OpenJob *order = g_new0(OpenJob, 1);
    order->path = g_strdup(volume_path(volume));
    order->flags = flags;
    order->offset = offset_bytes;
    order->fd = -1;
    if (!worker_run(worker_lane_for_path(order->path), open_job_run, order, open_job_free, IMAGE_PIECE_MS,
                    err))
        return error_prefix(err, "volume '%s' of storage pool '%s'", volume->name, volume->pool_name);
    g_autoptr(OpenJob) job = order;
    if (job->error)
        return error_propagate(err, g_steal_pointer(&job->error));
    *ret_ways = backend->is_folder ? job->ways : 0;
    *ret_fd = fd_steal(&job->fd);
    return true;
}

/* ---- the end ---- */

/* The upload was broken off: what stood in for the volume's own file gets the room that it had. */
AWAITS static void volume_stream_allocate(VolumeStream *stream)
{
    g_autoptr(Error) err = NULL;

    folder_drop_temp(stream->temp);
    g_clear_pointer(&stream->temp, g_free);
    if (!image_allocate_bytes(stream->old_fd, stream->path, stream->swapped_bytes, &err))
        log_warning_error(err, stream->path);
}

/* What is left to do when the volume is free again; frees it. */
AWAITS static void volume_stream_end(void *arg)
{
    VolumeStream *stream = arg;

    worker_close(stream->path, &stream->fd);
    if (stream->temp && stream->swapped_bytes)
        volume_stream_allocate(stream);
    volume_use_end(&stream->use);
    worker_close(stream->path, &stream->old_fd);
    if (stream->temp)
        folder_drop_temp(stream->temp);
    if (stream->is_upload) {
        pool_note_change((Pool *)(void *)stream->pool, stream->name);
        if (stream->pool->live)
            object_publish(stream->pool, &(Event){ .id = (EventId)EVENT_POOL_REFRESH });
    }
    object_unref(stream->pool);
    g_free(stream->path);
    g_free(stream->name);
    g_free(stream->temp);
    g_free(stream->caller);
    g_free(stream);
}

static void volume_stream_on_close(void *arg, bool finished)
{
    VolumeStream *stream = arg;
    Host *host = stream->use.pool->host;

    if (stream->is_upload)
        log_info("upload to volume '%s' of pool '%s' by %s %s", stream->name, stream->use.pool->name,
                 stream->caller, finished ? "ended" : "was broken off");
    /* At once: the client, who hears of the end now, may go on with the volume. */
    if (finished || !stream->swapped_bytes)
        volume_use_end(&stream->use);
    host_spawn(host, "volume-stream", volume_stream_end, stream);
}

/* A new file beside an old one. */
typedef struct TwinJob {
    int from, to;
    char *temp, *path; /* of the new and the old one, which change places; NULL: they stay */
    uint64_t size;     /* out: of the old one */
    int error;
} TwinJob;

static void twin_job_free(void *data)
{
    TwinJob *job = data;

    fd_cleanup(&job->from);
    fd_cleanup(&job->to);
    g_free(job->temp);
    g_free(job->path);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TwinJob, twin_job_free)

static bool twin_swap(TwinJob *job, const struct stat *old)
{
    struct stat st;

    if (ftruncate(job->to, old->st_size) < 0 ||
        renameat2(AT_FDCWD, job->temp, AT_FDCWD, job->path, RENAME_EXCHANGE) < 0)
        return false;
    if (lstat(job->temp, &st) == 0 && st.st_ino == old->st_ino && st.st_dev == old->st_dev)
        return true;
    (void)renameat2(AT_FDCWD, job->temp, AT_FDCWD, job->path, RENAME_EXCHANGE); /* it is another one by now */
    errno = ESTALE;
    return false;
}

static void twin_job_run(void *data)
{
    TwinJob *job = data;
    struct stat st;

    if (fstat(job->from, &st) < 0 || fchown(job->to, st.st_uid, st.st_gid) < 0 ||
        fchmod(job->to, st.st_mode & 07777) < 0 || (job->temp && !twin_swap(job, &st)))
        job->error = errno;
    job->size = (uint64_t)st.st_size;
}

/* The new file @to belongs to whom the old one @from does. @is_swap: it takes its place, blank and of its
 * size, and the old one is called stream->temp. */
AWAITS static bool volume_stream_twin(VolumeStream *stream, int from, int to, bool is_swap, Error **err)
{
    TwinJob *order = g_new0(TwinJob, 1);

    order->from = fcntl(from, F_DUPFD_CLOEXEC, 0);
    order->to = fcntl(to, F_DUPFD_CLOEXEC, 0);
    order->temp = is_swap ? g_strdup(stream->temp) : NULL;
    order->path = g_strdup(stream->path);
    if (!worker_run(worker_lane_for_path(stream->path), twin_job_run, order, twin_job_free, IMAGE_PIECE_MS,
                    err))
        return error_prefix(err, "%s", stream->path);
    g_autoptr(TwinJob) job = order;
    if (job->error)
        return error_set_errno(err, job->error, "cannot give the new '%s' the %s of the old one",
                               stream->path, is_swap ? "place" : "owner");
    stream->swapped_bytes = is_swap ? job->size : 0;
    return true;
}

/* The new file gets what the old one had beyond it, its owner, and its place. */
static bool volume_stream_finish(void *arg, uint64_t end_bytes, Error **err)
{
    VolumeStream *stream = arg;

    if (!stream->swapped_bytes &&
        (!image_copy_tail(stream->old_fd, stream->path, stream->fd, stream->path, end_bytes, err) ||
         !volume_stream_twin(stream, stream->old_fd, stream->fd, false, err)))
        return false;
    if (!volume_require_unused(stream->use.volume, "replace", err) ||
        !folder_put_in_place(stream->temp, stream->path, true, err))
        return false;
    g_clear_pointer(&stream->temp, g_free);
    worker_close(stream->path, &stream->old_fd); /* the last one of the old file */
    return true;
}

/* ---- the beginning ---- */

static VolumeStream *volume_stream_new(Volume *volume, bool is_upload, const Caller *caller)
{
    VolumeStream *stream = g_new0(VolumeStream, 1);

    stream->fd = stream->old_fd = -1;
    stream->pool = object_ref(&volume->pool->object);
    stream->path = g_strdup(volume_path(volume));
    stream->name = g_strdup(volume->name);
    stream->is_upload = is_upload;
    stream->caller = g_strdup(caller_describe(caller));
    volume_use_begin(volume, &stream->use);
    return stream;
}

/* Lets the client write into another file than the open *io_fd, or into that while another has its place. */
static bool volume_stream_replace(VolumeStream *stream, unsigned ways, int *io_fd, Error **err)
{
    g_autofree char *dir = g_path_get_dirname(stream->path);
    g_autoptr(Error) why = NULL;
    AUTO_FD fd = -1;

    if (!ways)
        return true;
    stream->temp = folder_temp_path(stream->use.pool->host, dir);
    if (!image_open(stream->temp, O_RDWR | O_CREAT | O_EXCL, NEW_MODE, OPENING, &fd, err))
        return false;
    if ((ways & STREAM_MAY_SWAP) && volume_stream_twin(stream, *io_fd, fd, true, &why)) {
        stream->old_fd = fd_steal(&fd);
        pool_note_change(stream->use.pool, stream->name); /* nobody needs to be told */
    } else if (ways & STREAM_MAY_REPLACE) {
        stream->old_fd = *io_fd;
        *io_fd = fd_steal(&fd);
    } else { /* not every file system can exchange two names */
        folder_drop_temp(stream->temp);
        g_clear_pointer(&stream->temp, g_free);
        return true;
    }
    stream->fd = fcntl(*io_fd, F_DUPFD_CLOEXEC, 0);
    return stream->fd >= 0 || error_set_errno(err, errno, OPENING " '%s'", stream->path);
}

bool volume_upload(Volume *volume, uint64_t offset_bytes, uint64_t length_bytes, unsigned flags,
                   const char *function, const Caller *caller, Stream **ret_stream, Error **err)
{
    unsigned ways = 0;
    AUTO_FD fd = -1;

    if (!check_flags(flags, VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM, function, err) ||
        !volume_look(volume, err) || !volume_require_unused(volume, "write to", err) ||
        !volume_require_free(volume, err))
        return false;
    VolumeStream *stream = volume_stream_new(volume, true, caller);
    const bool is_whole = offset_bytes == 0 && length_bytes == 0;
    if (!volume_open(volume, is_whole ? O_RDWR : O_WRONLY, offset_bytes, &fd, &ways, err) ||
        !volume_stream_replace(stream, ways, &fd, err)) {
        volume_stream_end(stream);
        return false;
    }
    const StreamFile file = { .path = stream->path,
                              .offset_bytes = offset_bytes,
                              .limit_bytes = length_bytes,
                              .is_sparse = flags & VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM,
                              .is_new = stream->temp && !stream->swapped_bytes,
                              .finish = stream->temp ? volume_stream_finish : NULL,
                              .on_close = volume_stream_on_close,
                              .arg = stream };
    *ret_stream = stream_new_file(fd_steal(&fd), STREAM_FROM_CLIENT, &file);
    return true;
}

bool volume_download(Volume *volume, uint64_t offset_bytes, uint64_t length_bytes, unsigned flags,
                     const char *function, const Caller *caller, Stream **ret_stream, Error **err)
{
    unsigned ways = 0;
    AUTO_FD fd = -1;

    if (!check_flags(flags, VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM, function, err) ||
        !volume_look(volume, err))
        return false;
    if (volume->is_being_made)
        return error_set(err, ERROR_INVALID_STATE, "volume '%s' is still being allocated.", volume->name);
    VolumeStream *stream = volume_stream_new(volume, false, caller);
    if (!volume_open(volume, O_RDONLY, offset_bytes, &fd, &ways, err)) {
        volume_stream_end(stream);
        return false;
    }
    volume_use_release(
        &stream->use); /* a client that reads slowly, or forgot it, keeps nobody from anything */
    const StreamFile file = { .path = stream->path,
                              .offset_bytes = offset_bytes,
                              .limit_bytes = length_bytes,
                              .is_sparse = flags & VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM,
                              .on_close = volume_stream_on_close,
                              .arg = stream };
    *ret_stream = stream_new_file(fd_steal(&fd), STREAM_TO_CLIENT, &file);
    return true;
}
