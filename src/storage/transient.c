/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "storage"
#include "storage/transient.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/process.h"
#include "base/worker.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "storage/image.h"
#include "storage/source_name.h"

#define QEMU_IMG "/usr/bin/qemu-img"

static char *overlay_suffix(const char *machine)
{
    return g_strconcat(".TRANSIENT-", machine, NULL);
}

/* ---- files ---- */

typedef struct OverlayJob {
    char *path;
    bool is_removal;
    int fd;
    FileId id;
    Error *err;
} OverlayJob;

static void overlay_job_run(void *data)
{
    OverlayJob *job = data;
    struct stat st;

    if (job->is_removal) {
        const char *name = NULL;
        AUTO_FD dir = trail_open_parent(job->path, &name, &job->err);
        if (dir >= 0 && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
            error_set_errno(&job->err, errno, "cannot remove '%s'", job->path);
        return;
    }
    job->fd = trail_create_new(job->path, O_RDWR, 0600, &job->err);
    if (job->fd >= 0 && fstat(job->fd, &st) == 0)
        job->id = file_id_of(&st);
}

static void overlay_job_free(void *data)
{
    OverlayJob *job = data;

    fd_cleanup(&job->fd);
    error_free(job->err);
    g_free(job->path);
    g_free(job);
}

/* *ret_fd, *ret_id: of the new file; NULL removes it. */
AWAITS static bool overlay_do(const char *path, uint64_t timeout_ms, int *ret_fd, FileId *ret_id, Error **err)
{
    OverlayJob *job = g_new0(OverlayJob, 1);

    *job = (OverlayJob){ .path = g_strdup(path), .is_removal = !ret_fd, .fd = -1 };
    if (!worker_run(worker_lane_for_path(path), overlay_job_run, job, overlay_job_free, timeout_ms, err))
        return error_prefix(err, "overlay '%s'", path);
    const bool ok = !job->err || error_propagate(err, g_steal_pointer(&job->err));
    if (ok && ret_fd) {
        *ret_fd = fd_steal(&job->fd);
        *ret_id = job->id;
    }
    overlay_job_free(job);
    return ok;
}

/* ---- what goes into them ---- */

/* By descriptor: nobody can put another file in the way. */
AWAITS static bool overlay_format(int fd, const char *base, StorageFormat format, uint64_t capacity_bytes,
                                  uint64_t timeout_ms, Error **err)
{
    g_autofree char *file = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *size = g_strdup_printf("%" PRIu64, capacity_bytes);
    ImageFormat base_format = IMAGE_RAW;
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;

    if (!image_format_from_storage(format, &base_format))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "an image of format '%s' cannot be transient",
                         enum_name(&storage_format_names, format));
    const char *const argv[] = { QEMU_IMG, "create", "-q", "-f",
                                 "qcow2",  "-u",     "-F", enum_name(&image_format_names, base_format),
                                 "-b",     base,     file, size,
                                 NULL };
    spec.argv = argv;
    spec.fds = &fd;
    spec.n_fds = 1;
    spec.die_with_parent = true;
    if (!process_run(&spec, NULL, 0, 0, timeout_ms, &output, err))
        return false;
    return output.status == 0 || error_set(err, ERROR_OPERATION_FAILED, "qemu-img: %s", output.err);
}

/* What the disk had becomes what lies below. */
static void overlay_put(DiskDef *disk, char *path /* stolen */)
{
    StorageSource *below = xml_table_copy(&backing_table, &disk->src);

    below->startup_policy = STARTUP_POLICY_ABSENT;
    disk->src.index = 0;
    source_free(disk->src.backing);
    g_free(disk->src.path);
    source_free(disk->src.data_store);
    disk->src.data_store = NULL;
    disk->src.path = path;
    disk->src.format = STORAGE_FORMAT_QCOW2;
    disk->src.backing = below;
    disk->src.backing_ends = false;
}

bool transient_make(DiskDef *disk, const char *machine, uint64_t capacity_bytes, uint64_t timeout_ms,
                    FileId *ret_id, Error **err)
{
    g_autofree char *suffix = overlay_suffix(machine);
    g_autofree char *path = g_strconcat(disk->src.path, suffix, NULL);
    AUTO_FD fd = -1;

    if (disk_encryption(disk, &disk->src) || def_list_len(disk->src.slices))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': an image that is encrypted or a slice cannot be transient",
                         disk->target);
    if (!overlay_do(path, timeout_ms, &fd, ret_id, err))
        return false;
    if (!overlay_format(fd, disk->src.path, disk->src.format, capacity_bytes, timeout_ms, err)) {
        (void)!overlay_do(path, timeout_ms, NULL, NULL, NULL); /* the next start replaces it */
        return error_prefix(err, "overlay of transient disk '%s'", disk->target);
    }
    overlay_put(disk, g_steal_pointer(&path));
    return true;
}

void transient_remove(const DomainDef *live, uint64_t timeout_ms)
{
    g_autofree char *suffix = overlay_suffix(live->name);

    for (DEF_EACH(DiskDef, disk, live->disks)) {
        g_autoptr(Error) err = NULL;
        if (disk->transient && disk->src.path && g_str_has_suffix(disk->src.path, suffix) &&
            !overlay_do(disk->src.path, timeout_ms, NULL, NULL, &err))
            log_warning_error(err, "the overlay of a transient disk stays");
    }
}

bool domain_has_transient(const DomainDef *def)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->transient)
            return true;
    }
    return false;
}
