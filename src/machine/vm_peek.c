/* Looks into a machine: bytes of its memory and of its disks, and how fast its memory changes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "peek"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/worker.h"
#include "machine/vm_limits.h"
#include "machine/vm_private.h"
#include "machine/vm_query.h"

#define PEEK_MAX 4194304u /* what a reply holds */
#define DIRTY_RATE_MAX_S 60

/* ---- reading in a worker ---- */

typedef struct PeekJob {
    int fd;     /* owned; or -1 ... */
    char *path; /* ... and opened here */
    uint64_t offset;
    uint32_t size;
    uint8_t *data; /* out */
} PeekJob;

static void peek_job_free(void *data)
{
    PeekJob *job = data;

    fd_cleanup(&job->fd);
    g_free(job->path);
    g_free(job->data);
    g_free(job);
}

static bool peek_work(void *data, Error **err)
{
    PeekJob *job = data;
    size_t done = 0;

    if (job->fd < 0)
        job->fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (job->fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", job->path);
    job->data = g_malloc(MAX(job->size, 1));
    while (done < job->size) {
        const ssize_t n = pread(job->fd, job->data + done, job->size - done, (off_t)(job->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot read '%s'", job->path);
        if (n == 0)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "there are not %u bytes at offset %" PRIu64 " of '%s'", job->size, job->offset,
                             job->path);
        done += (size_t)n;
    }
    return true;
}

/* @fd is taken; -1: @path is opened. */
AWAITS static bool peek_read(const Vm *vm, int fd, const char *path, uint64_t offset, uint32_t size,
                             uint8_t **ret_data, Error **err)
{
    PeekJob *job = g_new0(PeekJob, 1);

    *job = (PeekJob){ .fd = fd, .path = g_strdup(path), .offset = offset, .size = size };
    if (!worker_call_path(path, "reading", peek_work, job, peek_job_free,
                          (uint64_t)vm->host->config->storage_timeout_s * 1000, err))
        return false;
    *ret_data = g_steal_pointer(&job->data);
    peek_job_free(job);
    return true;
}

static bool check_size(uint32_t size, Error **err)
{
    return size <= PEEK_MAX || error_set(err, ERROR_INVALID_ARGUMENT,
                                         "size %u is more than the %u bytes of an answer", size, PEEK_MAX);
}

/* ---- memory ---- */

/* QEMU writes into a file by its name, which is in a folder of QEMU's user: so the file is ours before, and
 * is read by the descriptor that we have of it. */
AWAITS static bool save_memory(Vm *vm, uint64_t offset, uint32_t size, bool physical, uint8_t **ret_data,
                               Error **err)
{
    g_autofree char *path = path_join(vm->run->lib_dir, "peek");
    uid_t uid = 0;
    gid_t gid = 0;

    dac_get_owner(vm->host, vm->live, &uid, &gid);
    (void)unlink(path);
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || (geteuid() == 0 && fchown(fd, uid, gid) < 0))
        return error_set_errno(err, errno, "cannot make '%s'", path);
    AUTO_JSON args =
        json_pack("{s:I, s:I, s:s}", "val", (json_int_t)offset, "size", (json_int_t)size, "filename", path);
    if (!physical)
        json_object_set_new(args, "cpu-index", json_integer(0));
    const bool ok = qmp_exec(vm_monitor(vm), physical ? "pmemsave" : "memsave", args, 0, NULL, err) &&
                    peek_read(vm, fd_steal(&fd), path, 0, size, ret_data, err);
    (void)unlink(path);
    return ok;
}

bool vm_memory_peek(Vm *vm, uint64_t offset, uint32_t size, unsigned flags, const Caller *caller,
                    uint8_t **ret_data, Error **err)
{
    const bool physical = flags & VIR_MEMORY_PHYSICAL;
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, VIR_MEMORY_VIRTUAL | VIR_MEMORY_PHYSICAL, "qemuDomainMemoryPeek", err))
        return false;
    if (!(flags & VIR_MEMORY_VIRTUAL) == !physical)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flags parameter must be VIR_MEMORY_VIRTUAL or VIR_MEMORY_PHYSICAL");
    if (!check_size(size, err) || !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) ||
        !vm_require_monitor(vm, err))
        return false;
    return save_memory(vm, offset, size, physical, ret_data, err);
}

/* ---- disks ---- */

bool vm_block_peek(Vm *vm, const char *name, uint64_t offset, uint32_t size, unsigned flags,
                   uint8_t **ret_data, Error **err)
{
    const DiskDef *disk = NULL;

    if (!check_flags(flags, 0, "qemuDomainBlockPeek", err) || !check_size(size, err) ||
        !object_require_listed(&vm->object, err))
        return false;
    if (!*name)
        return error_set(err, ERROR_INVALID_ARGUMENT, "empty path");
    disk = domain_find_disk(vm_def(vm), name);
    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid disk or path '%s'", name);
    if (disk->src.format != STORAGE_FORMAT_RAW)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                         "peeking is only supported for disk with 'raw' format not '%s'",
                         disk->src.format ? enum_name(&storage_format_names, disk->src.format) : "none");
    if (!storage_is_local(&disk->src))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "disk '%s' is not a file or device of this host",
                         disk->target);
    g_autofree char *path = g_strdup(disk->src.path);
    return peek_read(vm, -1, path, offset, size, ret_data, err);
}

/* ---- dirty rate ---- */

bool vm_start_dirty_rate(Vm *vm, int seconds, unsigned flags, const Caller *caller, Error **err)
{
    const unsigned bitmap = VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP,
                   ring = VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_RING;
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, bitmap | ring, "qemuDomainStartDirtyRateCalc", err))
        return false;
    if ((flags & bitmap) && (flags & ring))
        return error_set(err, ERROR_INVALID_ARGUMENT, "two ways of measuring exclude each other");
    if (seconds < 1 || seconds > DIRTY_RATE_MAX_S)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "seconds=%d is invalid, please choose value within [1, %d].", seconds,
                         DIRTY_RATE_MAX_S);
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    AUTO_JSON args = json_pack("{s:i}", "calc-time", seconds);
    if (flags)
        json_object_set_new(args, "mode", json_string(flags & bitmap ? "dirty-bitmap" : "dirty-ring"));
    if (!qmp_exec(vm_monitor(vm), "calc-dirty-rate", args, 0, NULL, err))
        return false;
    vm->run->has_dirty_rate = true;
    return true;
}
