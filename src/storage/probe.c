/* Looking at disk images before QEMU does: each in the worker lane of its mount and within a deadline, so
 * that a start on dead storage ends with an error that names the path.
 *
 * Image headers are hostile input: a guest can write what it likes into the header of a raw image. So a
 * format is never guessed, and a backing file is followed only from an image whose declared format has one.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/worker.h"
#include "core/host_private.h"
#include "storage/dac.h"

#define HEADER_BYTES 65536
#define CHAIN_MAX 200
#define BACKING_NAME_MAX 1023
#define QCOW2_INCOMPATIBLE_DATA_FILE 4

typedef struct ProbeJob {
    char *path;
    StorageFormat format;
    bool for_start; /* QEMU will get it: a foreign link does not count ... */
    bool read_only; /* ... unless all it does is to read what everybody may read */
    StorageInfo info;
    int error;
    bool is_dir;
    const char *failed_call; /* static */
    Error *refusal;
} ProbeJob;

void storage_info_clear(StorageInfo *info)
{
    g_clear_pointer(&info->backing, g_free);
}

static void probe_job_free(void *data)
{
    ProbeJob *job = data;

    storage_info_clear(&job->info);
    error_free(job->refusal);
    g_free(job->path);
    g_free(job);
}

static uint32_t be32_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t be64_at(const uint8_t *p)
{
    return (uint64_t)be32_at(p) << 32 | be32_at(p + 4);
}

/* qcow2 header extensions: {type, length, data padded to 8}, ended by type 0. 0xe2792aca holds the format of
 * the backing file (QEMU's docs/interop/qcow2). */
static StorageFormat qcow2_backing_format(const uint8_t *header, size_t len, size_t offset, size_t end)
{
    while (offset + 8 <= len && offset + 8 <= end) {
        const uint32_t type = be32_at(header + offset);
        const uint32_t size = be32_at(header + offset + 4);
        if (type == 0 || size > len - offset - 8)
            break;
        if (type == 0xe2792aca) {
            g_autofree char *name = g_strndup((const char *)header + offset + 8, size);
            uint8_t value = STORAGE_FORMAT_ABSENT;
            (void)enum_from_name(&storage_format_names, name, &value);
            return (StorageFormat)value;
        }
        offset += 8 + ((size + 7u) & ~7u);
    }
    return STORAGE_FORMAT_ABSENT;
}

static void probe_qcow2(ProbeJob *job, const uint8_t *header, size_t len)
{
    if (len < 104 || memcmp(header, "QFI\xfb", 4) != 0)
        return; /* QEMU has the better words for it */
    const uint32_t version = be32_at(header + 4);
    const uint64_t backing_offset = be64_at(header + 8);
    const uint32_t backing_size = be32_at(header + 16);

    job->info.capacity = be64_at(header + 24);
    job->info.has_data_file = version >= 3 && (be64_at(header + 72) & QCOW2_INCOMPATIBLE_DATA_FILE);
    if (backing_offset == 0 || backing_size == 0 || backing_size > BACKING_NAME_MAX || backing_offset > len ||
        backing_size > len - backing_offset)
        return;
    job->info.backing = g_strndup((const char *)header + backing_offset, backing_size);
    const size_t extensions = version >= 3 ? be32_at(header + 100) : 72;
    job->info.backing_format = qcow2_backing_format(header, len, extensions, backing_offset);
}

static void probe_header(ProbeJob *job, int fd)
{
    if (job->format != STORAGE_FORMAT_QCOW2)
        return;
    g_autofree uint8_t *header = g_malloc(HEADER_BYTES);
    const ssize_t got = pread(fd, header, HEADER_BYTES, 0);
    if (got < 0) {
        job->error = errno;
        job->failed_call = "cannot read header";
        return;
    }
    probe_qcow2(job, header, (size_t)got);
}

static int probe_open(ProbeJob *job)
{
    g_auto(Trail) trail = TRAIL_INIT;

    if (!job->for_start)
        return open(job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (!trail_follow(job->path, &trail))
        return -1;
    job->info.is_foreign = trail.foreign && job->read_only && (trail.st.st_mode & S_IROTH);
    if (!job->info.is_foreign && !trail_check(&trail, job->path, &job->refusal))
        return -1;
    /* Opening a device that is no disk may already do something: start a watchdog, rewind a tape. */
    if (!S_ISREG(trail.st.st_mode) && !S_ISBLK(trail.st.st_mode) && !S_ISDIR(trail.st.st_mode))
        return fd_steal(&trail.fd);
    return trail_reopen(&trail, O_RDONLY | O_NONBLOCK);
}

static void probe_job_run(void *data)
{
    ProbeJob *job = data;
    struct stat st;
    AUTO_FD fd = probe_open(job);

    if (fd < 0 || fstat(fd, &st) < 0) {
        job->error = errno;
        return;
    }
    job->info.uid = st.st_uid;
    job->info.gid = st.st_gid;
    job->info.mode = st.st_mode;
    job->info.id = file_id_of(&st);
    job->info.is_block = S_ISBLK(st.st_mode);
    job->info.format = job->format;
    job->is_dir = S_ISDIR(st.st_mode);
    if (job->info.is_block) {
        uint64_t size = 0;
        if (ioctl(fd, BLKGETSIZE64, &size) == 0)
            job->info.capacity = job->info.physical = job->info.allocation = size;
    } else {
        job->info.capacity = job->info.physical = (uint64_t)st.st_size;
        job->info.allocation = (uint64_t)st.st_blocks * 512;
    }
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
        probe_header(job, fd);
}

int storage_probe_now(const char *path, StorageFormat format, StorageInfo *ret_info)
{
    ProbeJob job = { .path = (char *)path, .format = format };

    probe_job_run(&job);
    if (job.error == 0 && job.is_dir)
        job.error = EISDIR;
    if (job.error == 0)
        *ret_info = job.info;
    else
        storage_info_clear(&job.info);
    return job.error;
}

/* Takes @job. *ret_errno: why, if the file could not be opened; 0 for other failures. */
static bool probe_job_do(ProbeJob *job, uint64_t timeout_ms, StorageInfo *ret_info, int *ret_errno,
                         Error **err)
{
    g_autofree char *path = g_strdup(job->path);
    WorkerLane *lane = worker_lane_for_path(path);

    *ret_errno = 0;
    if (!worker_run(lane, probe_job_run, job, probe_job_free, timeout_ms, err)) {
        error_prefix(err, "Cannot access storage file '%s' (storage below '%s' does not answer)", path,
                     worker_lane_name(lane));
        return error_hint(err, "check what is mounted at '%s'", worker_lane_name(lane));
    }
    if (job->refusal) {
        error_propagate(err, g_steal_pointer(&job->refusal));
    } else if (job->error && job->failed_call) {
        error_set_errno(err, job->error, "%s '%s'", job->failed_call, path);
    } else if (job->error) {
        *ret_errno = job->error;
    } else if (job->is_dir) {
        error_set_errno(err, EISDIR, "cannot read header '%s'", path);
    } else {
        *ret_info = job->info;
        job->info = (StorageInfo){ 0 };
        probe_job_free(job);
        return true;
    }
    probe_job_free(job);
    return false;
}

bool storage_probe(const char *path, StorageFormat format, uint64_t timeout_ms, StorageInfo *ret_info,
                   Error **err)
{
    ProbeJob *job = g_new0(ProbeJob, 1);
    int errnum = 0;

    *job = (ProbeJob){ .path = g_strdup(path), .format = format };
    if (probe_job_do(job, timeout_ms, ret_info, &errnum, err))
        return true;
    if (errnum)
        error_set_errno(err, errnum, "Cannot access storage file '%s'", path);
    return false;
}

/* ---- all images of a machine ---- */

typedef struct Prepare {
    Host *host;
    uint64_t timeout_ms;
    Error *err;
    /* a disk, or else a plain file */
    DiskDef *disk;
    const char *path;
    bool is_written;   /* the plain file */
    bool drop_source;  /* result: an optional medium that is missing */
    GPtrArray *images; /* result: of ProbedImage, top first */
} Prepare;

typedef struct ProbedImage {
    char *path;
    bool shared;
    bool is_common; /* read by everybody and named by somebody who has no more rights to it: not lent */
    StorageInfo info;
} ProbedImage;

static void probed_image_free(void *data)
{
    ProbedImage *image = data;

    storage_info_clear(&image->info);
    g_free(image->path);
    g_free(image);
}

static bool prepare_fail_missing(const Prepare *one, const char *path, const char *parent, int errnum,
                                 Error **err)
{
    const unsigned uid = one->host->config->qemu_uid;
    const unsigned gid = one->host->config->qemu_gid;

    if (parent)
        return error_set_errno(err, errnum,
                               "Cannot access backing file '%s' of storage file '%s' (as uid:%u, gid:%u)",
                               path, parent, uid, gid);
    if (errnum == ENOENT) /* whoever looks: it is not there */
        return error_set_errno(err, errnum, "Cannot access storage file '%s'", path);
    return error_set_errno(err, errnum, "Cannot access storage file '%s' (as uid:%u, gid:%u)", path, uid,
                           gid);
}

/* Where the backing name in the header of @parent points to; NULL for what is not a local file. */
static char *backing_path(const char *parent, const char *name)
{
    if (g_str_has_prefix(name, "file:"))
        name += strlen("file:");
    else if (g_str_has_prefix(name, "json:") || (strstr(name, ":") && !strchr(name, '/')) ||
             strstr(name, "://"))
        return NULL;
    if (*name == '/')
        return g_strdup(name);
    g_autofree char *dir = g_path_get_dirname(parent);
    return g_build_filename(dir, name, NULL);
}

static bool prepare_add(Prepare *one, const char *path, StorageFormat format, const char *parent,
                        ProbedImage **ret_image, Error **err)
{
    const bool shared = parent != NULL || (one->disk && (one->disk->readonly || one->disk->shareable));
    ProbeJob *job = g_new0(ProbeJob, 1);
    StorageInfo info = { 0 };
    int errnum = 0;

    *job = (ProbeJob){ .path = g_strdup(path), .format = format, .for_start = true };
    job->read_only = parent || (one->disk ? one->disk->readonly : !one->is_written);
    if (!probe_job_do(job, one->timeout_ms, &info, &errnum, err))
        return errnum ? prepare_fail_missing(one, path, parent, errnum, err) : false;
    dac_find_owner(one->host->dac, &info.id, &info.uid, &info.gid);
    if (info.has_data_file && info.uid != 0 && geteuid() == 0) {
        storage_info_clear(&info);
        return error_set(err, ERROR_OPERATION_FAILED,
                         "image '%s' of user %u keeps its data in another file: this is accepted only from "
                         "root",
                         path, (unsigned)info.uid);
    }
    ProbedImage *image = g_new0(ProbedImage, 1);
    *image = (ProbedImage){ .path = g_strdup(path), .shared = shared, .info = info };
    image->is_common = info.is_foreign;
    g_ptr_array_add(one->images, image);
    *ret_image = image;
    return true;
}

/* Whether the owner of @image could read @file himself. Its group tells one of his groups. */
static bool owner_can_read(const Config *config, const StorageInfo *image, const StorageInfo *file)
{
    const gid_t gid = image->uid == config->qemu_uid ? config->qemu_gid : image->gid;

    return image->uid == 0 || image->uid == file->uid || (file->mode & S_IROTH) ||
           ((file->mode & S_IRGRP) && (file->gid == image->gid || file->gid == gid));
}

/* A backing file is named inside an image, which its owner (or a QEMU that broke out) can write: it must not
 * lend us the owner's reach to read what he cannot. What he may only read is not lent: lending lets write. */
static bool prepare_judge_backing(Prepare *one, const ProbedImage *below, bool *ret_is_common, Error **err)
{
    for (guint i = 0; geteuid() == 0 && i < one->images->len; i++) {
        const ProbedImage *image = g_ptr_array_index(one->images, i);
        if (image == below)
            break;
        if (image->info.uid != 0 && image->info.uid != below->info.uid)
            *ret_is_common = true;
        if (image->info.uid != 0 && !S_ISREG(below->info.mode) && !S_ISBLK(below->info.mode))
            return error_set(err, ERROR_OPERATION_FAILED,
                             "image '%s' of user %u names the backing file '%s', which is no file",
                             image->path, (unsigned)image->info.uid, below->path);
        if (owner_can_read(one->host->config, &image->info, &below->info))
            continue;
        error_set(err, ERROR_OPERATION_FAILED,
                  "image '%s' of user %u names the backing file '%s' of user %u, which user %u may not read",
                  image->path, (unsigned)image->info.uid, below->path, (unsigned)below->info.uid,
                  (unsigned)image->info.uid);
        return error_hint(err, "give both files to one owner, or let everybody read the backing file");
    }
    return true;
}

/* Follows the chain below the top image and writes it into the live definition. */
static bool prepare_chain(Prepare *one, StorageSource *source, ProbedImage *image, Error **err)
{
    const char *parent = source->path;

    while (image->info.backing && !source->backing && !source->backing_ends) {
        g_autofree char *path = backing_path(parent, image->info.backing);
        if (!path && g_str_has_prefix(image->info.backing, "json:") && image->info.uid != 0 && geteuid() == 0)
            return error_set(err, ERROR_OPERATION_FAILED,
                             "image '%s' of user %u names its backing file as '%.100s': this is accepted "
                             "only from root",
                             parent, (unsigned)image->info.uid, image->info.backing);
        if (!path)
            return true; /* QEMU follows it by itself */
        if (image->info.backing_format == STORAGE_FORMAT_ABSENT) {
            error_set(err, ERROR_INVALID_STATE,
                      "format of backing image '%s' of image '%s' was not specified in the image metadata",
                      path, parent);
            return error_hint(err, "qemu-img rebase -u -b '%s' -F FORMAT '%s'", path, parent);
        }
        if (one->images->len >= CHAIN_MAX)
            return error_set(err, ERROR_OPERATION_FAILED, "backing chain of '%s' is longer than %d images",
                             one->disk->src.path, CHAIN_MAX);
        StorageFormat format = image->info.backing_format;
        StorageSource *below = g_new0(StorageSource, 1);
        below->type = STORAGE_FILE;
        below->format = format;
        below->path = g_strdup(path);
        source->backing = below;
        if (!prepare_add(one, path, format, one->disk->src.path, &image, err) ||
            !prepare_judge_backing(one, image, &image->is_common, err))
            return false;
        if (image->info.is_block)
            below->type = STORAGE_BLOCK;
        source = below;
        parent = source->path;
    }
    if (!source->backing)
        source->backing_ends = true;
    return true;
}

static bool prepare_disk(Prepare *one, Error **err)
{
    StorageSource *source = &one->disk->src;
    const StorageFormat format = source->format ? source->format : STORAGE_FORMAT_RAW;
    g_autoptr(Error) why = NULL;
    ProbedImage *image = NULL;

    if (!prepare_add(one, source->path, format, NULL, &image, &why)) {
        if (source->startup_policy == STARTUP_POLICY_OPTIONAL && error_errno(why) == ENOENT) {
            one->drop_source = true;
            return true;
        }
        return error_propagate(err, g_steal_pointer(&why));
    }
    if (source->backing) { /* the document names the chain: probe what it says */
        const char *parent = source->path;
        for (StorageSource *below = source->backing; below && below->path; below = below->backing) {
            if (!prepare_add(one, below->path, below->format, parent, &image, err))
                return false;
            parent = below->path;
            source = below;
        }
    }
    return prepare_chain(one, source, image, err);
}

static void prepare_fiber(void *arg)
{
    Prepare *one = arg;
    ProbedImage *image = NULL;

    if (one->disk)
        (void)prepare_disk(one, &one->err);
    else
        (void)prepare_add(one, one->path, STORAGE_FORMAT_ABSENT, NULL, &image, &one->err);
}

static bool disk_has_local_image(const DiskDef *disk)
{
    return disk->src.path && (disk->src.type == STORAGE_FILE || disk->src.type == STORAGE_BLOCK ||
                              disk->src.type == STORAGE_TYPE_ABSENT);
}

static void prepare_append(GArray *ones, Host *host, DiskDef *disk, const char *path)
{
    Prepare one = { .host = host,
                    .timeout_ms = (uint64_t)host->config->storage_timeout_s * 1000,
                    .disk = disk,
                    .path = path,
                    .images = g_ptr_array_new_with_free_func(probed_image_free) };

    g_array_append_val(ones, one);
}

static void prepare_collect(Host *host, DomainDef *live, GArray *ones)
{
    for (DEF_EACH(DiskDef, disk, live->disks)) {
        if (disk_has_local_image(disk))
            prepare_append(ones, host, disk, NULL);
    }
    const char *const files[] = { live->os.kernel, live->os.initrd, live->os.dtb,
                                  live->os.nvram ? live->os.nvram->path : NULL };
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        if (files[i])
            prepare_append(ones, host, NULL, files[i]);
    }
    if (live->os.nvram && live->os.nvram->path)
        g_array_index(ones, Prepare, ones->len - 1).is_written = true;
}

static void prepare_finish(Host *host, const DomainDef *live, Prepare *one, GPtrArray *dac)
{
    if (one->drop_source) {
        log_warning("optional medium '%s' of %s is missing: starting without it", one->disk->src.path,
                    one->disk->target);
        g_clear_pointer(&one->disk->src.path, g_free);
        return;
    }
    for (guint i = 0; i < one->images->len; i++) {
        const ProbedImage *image = g_ptr_array_index(one->images, i);
        if (!image->is_common)
            dac_lend(host, live, dac, one->disk ? &one->disk->src : NULL,
                     &(DacItem){ .path = image->path,
                                 .uid = image->info.uid,
                                 .gid = image->info.gid,
                                 .id = image->info.id,
                                 .shared = image->shared });
    }
}

static bool prepare_all(Host *host, const DomainDef *live, GArray *ones, GPtrArray *dac, Error **err)
{
    Error *first = NULL;

    fiber_run_all("probe", prepare_fiber, ones->data, ones->len, sizeof(Prepare));
    for (guint i = 0; i < ones->len; i++) {
        Prepare *one = &g_array_index(ones, Prepare, i);
        if (!first)
            first = g_steal_pointer(&one->err);
        error_free(one->err);
    }
    for (guint i = 0; i < ones->len; i++) {
        Prepare *one = &g_array_index(ones, Prepare, i);
        if (!first)
            prepare_finish(host, live, one, dac);
        g_ptr_array_unref(one->images);
    }
    return first ? error_propagate(err, first) : true;
}

bool storage_prepare(Host *host, DomainDef *live, GPtrArray *dac, Error **err)
{
    g_autoptr(GArray) ones = g_array_new(FALSE, TRUE, sizeof(Prepare));

    prepare_collect(host, live, ones);
    return prepare_all(host, live, ones, dac, err);
}

bool storage_prepare_disk(Host *host, const DomainDef *live, DiskDef *disk, GPtrArray *dac, Error **err)
{
    g_autoptr(GArray) ones = g_array_new(FALSE, TRUE, sizeof(Prepare));

    if (disk_has_local_image(disk))
        prepare_append(ones, host, disk, NULL);
    return prepare_all(host, live, ones, dac, err);
}
