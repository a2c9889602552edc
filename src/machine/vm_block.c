/* Block jobs as clients ask for them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "blockjob"
#include "machine/vm_block.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "base/worker.h"
#include "conf/domain_rows.h"
#include "machine/vm_block_chain.h"
#include "machine/vm_query.h"
#include "machine/vm_snapshot.h"
#include "storage/image.h"
#include "storage/source_name.h"

/* ---- what clients say ---- */

/* @ret_speed: bytes per second. */
static bool read_bandwidth(uint64_t bandwidth, bool is_bytes, uint64_t *ret_speed, Error **err)
{
    const uint64_t limit = is_bytes ? INT64_MAX : INT64_MAX >> 20;

    if (bandwidth > limit)
        return error_set(err, ERROR_OVERFLOW, "bandwidth must be less than %" PRIu64 "%s", limit,
                         is_bytes ? "" : " MiB/s");
    *ret_speed = is_bytes ? bandwidth : bandwidth << 20;
    return true;
}

/* "vda[3]", or the path of an image; below @from. */
static StorageSource *find_image(DiskDef *disk, const char *name, unsigned from, unsigned *ret_index)
{
    const char *bracket = strchr(name, '[');
    uint64_t number = 0;
    unsigned index = 0;
    g_autofree char *digits = bracket ? g_strndup(bracket + 1, strcspn(bracket + 1, "]")) : NULL;
    const bool is_number = bracket && g_str_has_suffix(name, "]") && parse_uint(digits, &number, NULL) &&
                           strlen(disk->target) == (size_t)(bracket - name) &&
                           strncmp(disk->target, name, strlen(disk->target)) == 0;

    for (StorageSource *source = &disk->src; source; source = source->backing, index++) {
        if (index >= from && (is_number ? source->index == number : g_strcmp0(source->path, name) == 0)) {
            *ret_index = index;
            return source;
        }
    }
    return NULL;
}

static unsigned chain_length(const DiskDef *disk)
{
    unsigned length = 0;

    for (const StorageSource *source = &disk->src; source && !storage_is_empty(source);
         source = source->backing)
        length++;
    return length;
}

bool vm_block_begin(Vm *vm, const char *path, JobKind kind, const Caller *caller, Job *ret_job,
                    DiskDef **ret_disk, Error **err)
{
    if (!job_begin(&vm->object, kind, caller, ret_job, err) || !object_require_listed(&vm->object, err) ||
        !vm_require_running(vm, err))
        return false;
    DiskDef *disk = domain_find_disk(vm->live, path);
    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' not found in domain", path);
    if (storage_is_empty(&disk->src))
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' has no source file", disk->target);
    if (disk->src.type == STORAGE_VHOST_USER)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "disk '%s' is served by another process: QEMU has no block jobs for it",
                         disk->target);
    if (disk->transient)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "block jobs are not supported on transient disk '%s'", disk->target);
    *ret_disk = disk;
    return vm_block_job_require_none(vm, disk->target, err) && vm_require_monitor(vm, err);
}

/* ---- names that stay relative ---- */

typedef struct HeaderJob {
    char *path;
    ImageFormat format;
    ImageInfo info;
} HeaderJob;

static bool header_run(void *data, Error **err)
{
    HeaderJob *job = data;
    AUTO_FD fd = trail_open(job->path, O_RDONLY | O_NONBLOCK, err);

    return fd >= 0 && image_read_header(fd, job->format, &job->info, err);
}

static void header_free(void *data)
{
    HeaderJob *job = data;

    image_info_clear(&job->info);
    g_free(job->path);
    g_free(job);
}

/* The name of the image below, as it stands in the header of @source. */
AWAITS static bool read_backing_name(Host *host, const StorageSource *source, char **ret_name, Error **err)
{
    ImageFormat format = IMAGE_RAW;

    if (!storage_is_local(source) || !image_format_from_storage(source->format, &format) ||
        format == IMAGE_RAW)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "can't keep relative backing relationship");
    HeaderJob *job = g_new0(HeaderJob, 1);
    *job = (HeaderJob){ .path = g_strdup(source->path), .format = format };
    if (!worker_call_path(source->path, "cannot read", header_run, job, header_free,
                          (uint64_t)host->config->storage_timeout_s * 1000, err))
        return false;
    *ret_name = g_strdup(job->info.backing);
    header_free(job);
    return true;
}

/* How image @from of the chain is to name image @to (both indexes), by the relative names that are in the
 * headers between. */
AWAITS static bool relative_name(Vm *vm, const char *target, unsigned from, unsigned to, char **ret_name,
                                 Error **err)
{
    const uint64_t serial = vm->run->serial;
    g_autofree char *name = NULL;

    for (unsigned i = from; i < to; i++) {
        g_autofree char *next = NULL;
        DiskDef *disk = domain_find_disk(vm->live, target);
        const StorageSource *source = disk ? chain_at(disk, i) : NULL;
        g_autoptr(StorageSource) copy = NULL;
        if (!source)
            return error_set(err, ERROR_INVALID_STATE, "the chain of disk '%s' has changed", target);
        copy = xml_table_copy(&backing_table, source);
        if (!read_backing_name(vm->host, copy, &next, err))
            return false;
        if (!next || *next == '/' || strchr(next, ':'))
            return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                             "can't keep relative backing relationship: '%s' names '%s'", copy->path,
                             next ? next : "nothing");
        if (!vm->run || vm->run->serial != serial)
            return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' exited", vm->name);
        g_autofree char *dir = name && strchr(name, '/') ? g_path_get_dirname(name) : NULL;
        g_free(name);
        name = dir ? g_build_filename(dir, next, NULL) : g_steal_pointer(&next);
    }
    *ret_name = g_steal_pointer(&name);
    return true;
}

/* ---- pull and commit ---- */

bool vm_block_pull(Vm *vm, const char *path, const char *base, uint64_t bandwidth, unsigned flags,
                   const Caller *caller, Error **err)
{
    const bool is_relative = flags & VIR_DOMAIN_BLOCK_REBASE_RELATIVE;
    g_auto(Job) job_held = { 0 };
    g_autofree char *name = NULL;
    DiskDef *disk = NULL;
    uint64_t speed = 0;
    unsigned index = UINT32_MAX;

    if (is_relative && !base)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base");
    if (!read_bandwidth(bandwidth, flags & VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES, &speed, err) ||
        !vm_block_begin(vm, path, JOB_MODIFY, caller, &job_held, &disk, err))
        return false;
    if (base && !find_image(disk, base, 1, &index))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "could not find base disk source in disk source chain: '%s' is not below '%s'", base,
                         disk->src.path ? disk->src.path : disk->target);
    g_autofree char *target = g_strdup(disk->target);
    if (is_relative && !relative_name(vm, target, 0, index, &name, err))
        return false;
    g_autofree char *active = g_strdup(storage_is_local(&disk->src) ? disk->src.path : NULL);
    if (!vm_snapshot_allow_pull(vm, active, err) || !vm_require_monitor(vm, err))
        return false;
    g_autoptr(VmBlockJob) job = vm_block_job_new(BLOCK_JOB_PULL, target);
    job->by_user = true;
    job->flags = flags;
    return vm_chain_begin_pull(vm, job, index, speed, name, err);
}

static const char *path_of(const DiskDef *disk)
{
    return disk->src.path ? disk->src.path : disk->target;
}

/* Which images are meant: indexes of the chain. */
static bool commit_find(DiskDef *disk, const char *base, const char *top, unsigned flags, unsigned *ret_top,
                        unsigned *ret_base, Error **err)
{
    const unsigned length = chain_length(disk);
    const char *target = disk->target;

    *ret_top = 0;
    if (top && !find_image(disk, top, 0, ret_top))
        return error_set(err, ERROR_INVALID_ARGUMENT, "could not find image '%s' in chain for '%s'", top,
                         path_of(disk));
    const char *name = top ? top : path_of(disk);
    if (*ret_top == 0 && !(flags & VIR_DOMAIN_BLOCK_COMMIT_ACTIVE))
        return error_set(err, ERROR_INVALID_ARGUMENT, "commit of '%s' active layer requires active flag",
                         target);
    if (*ret_top > 0 && (flags & VIR_DOMAIN_BLOCK_COMMIT_ACTIVE))
        return error_set(err, ERROR_INVALID_ARGUMENT, "active commit requested but '%s' is not active", name);
    if (*ret_top + 1 >= length)
        return error_set(err, ERROR_INVALID_ARGUMENT, "top '%s' in chain for '%s' has no backing file", name,
                         path_of(disk));
    *ret_base = flags & VIR_DOMAIN_BLOCK_COMMIT_SHALLOW && !base ? *ret_top + 1 : length - 1;
    if (base && !find_image(disk, base, *ret_top + 1, ret_base))
        return error_set(err, ERROR_INVALID_ARGUMENT, "could not find base '%s' below '%s' in chain for '%s'",
                         base, name, path_of(disk));
    if ((flags & VIR_DOMAIN_BLOCK_COMMIT_SHALLOW) && *ret_base != *ret_top + 1)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "base '%s' is not immediately below '%s' in chain for '%s'", base, name,
                         path_of(disk));
    return true;
}

/* Owned; NULL: it is on a server. */
static char *path_at(Vm *vm, const char *target, unsigned index)
{
    DiskDef *disk = vm->live ? domain_find_disk(vm->live, target) : NULL;
    const StorageSource *source = disk ? chain_at(disk, index) : NULL;

    return source && storage_is_local(source) ? g_strdup(source->path) : NULL;
}

bool vm_block_commit(Vm *vm, const char *path, const char *base, const char *top, uint64_t bandwidth,
                     unsigned flags, const Caller *caller, Error **err)
{
    const unsigned known = VIR_DOMAIN_BLOCK_COMMIT_SHALLOW | VIR_DOMAIN_BLOCK_COMMIT_DELETE |
                           VIR_DOMAIN_BLOCK_COMMIT_ACTIVE | VIR_DOMAIN_BLOCK_COMMIT_RELATIVE |
                           VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES;
    g_auto(Job) job_held = { 0 };
    g_autofree char *name = NULL;
    DiskDef *disk = NULL;
    uint64_t speed = 0;
    unsigned from = 0, to = 0;

    if (!check_flags(flags, known, "qemuDomainBlockCommit", err) ||
        !read_bandwidth(bandwidth, flags & VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES, &speed, err) ||
        !vm_block_begin(vm, path, JOB_MODIFY, caller, &job_held, &disk, err) ||
        !commit_find(disk, base, top, flags, &from, &to, err))
        return false;
    g_autofree char *target = g_strdup(disk->target);
    if (flags & VIR_DOMAIN_BLOCK_COMMIT_RELATIVE && from > 0 &&
        !relative_name(vm, target, from - 1, to, &name, err))
        return false;
    g_autoptr(VmBlockJob) job = vm_block_job_new(from ? BLOCK_JOB_COMMIT : BLOCK_JOB_ACTIVE_COMMIT, target);
    job->by_user = true;
    job->flags = flags;
    g_autofree char *upper = path_at(vm, target, from), *lower = path_at(vm, target, to);
    g_autoptr(GPtrArray) lost = NULL;
    if (!vm_require_monitor(vm, err) || !vm_snapshot_note_commit(vm, upper, lower, &lost, err))
        return false;
    g_autoptr(Error) why = NULL;
    if (vm_require_monitor(vm, &why) && vm_chain_begin_commit(vm, job, from, to, speed, name, &why))
        return true;
    const ErrorCode code = error_code(why);
    /* No answer is no refusal: it may have written. */
    if (code != ERROR_VM_GONE && code != ERROR_TIMEOUT && code != ERROR_CANCELLED)
        vm_snapshot_unnote_commit(vm, lost);
    return error_propagate(err, g_steal_pointer(&why));
}

/* ---- jobs that run ---- */

bool vm_block_job_info(Vm *vm, const char *path, unsigned flags, BlockJobInfo *ret_info, Error **err)
{
    g_autoptr(GPtrArray) jobs = NULL;

    *ret_info = (BlockJobInfo){ 0 };
    if (!check_flags(flags, VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES, "qemuDomainGetBlockJobInfo", err) ||
        !object_require_listed(&vm->object, err) || !vm_require_running(vm, err))
        return false;
    const DiskDef *disk = domain_find_disk(vm->live, path);
    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' not found in domain", path);
    VmBlockJob *found = vm_block_job_of_disk(vm, disk->target);
    if (!found || !found->by_user)
        return true;
    g_autoptr(VmBlockJob) job = vm_block_job_ref(found);
    if (!vm_require_monitor(vm, err) ||
        !monitor_query_block_jobs(vm_monitor(vm), QUERY_TIMEOUT_MS, &jobs, err))
        return false;
    const MonitorBlockJob *seen = monitor_find_job(jobs, job->id);
    BlockJobInfo info = { .is_found = true, .type = vm_block_job_type(job->kind), .done = 1, .total = 1 };
    if (seen) {
        job->done = seen->done;
        job->total = seen->total;
        info.bandwidth = flags & VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES
                             ? seen->speed
                             : seen->speed / (1 << 20) + (seen->speed % (1 << 20) != 0);
        info.done = seen->done;
        info.total = seen->total;
        /* The same number twice says that it is done, or ready. */
        if (!seen->is_ready && info.done == info.total) {
            info.total += info.done == 0;
            info.done -= info.done > 0;
        }
    }
    *ret_info = info;
    return true;
}

static void block_job_record_free(void *data)
{
    BlockJobRecord *record = data;

    g_free(record->machine);
    g_free(record->type);
    g_free(record->phase);
    g_free(record);
}

GPtrArray *machine_list_block_jobs(Host *host)
{
    GPtrArray *records = g_ptr_array_new_with_free_func(block_job_record_free);
    const Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        for (guint i = 0; vm->run && i < vm->run->block_jobs->len; i++) {
            const VmBlockJob *job = g_ptr_array_index(vm->run->block_jobs, i);
            if (!job->by_user)
                continue;
            BlockJobRecord *record = g_new0(BlockJobRecord, 1);
            *record = (BlockJobRecord){ .machine = g_strdup(vm->name),
                                        .uuid = vm->uuid,
                                        .id = vm->id,
                                        .type = g_strdup_printf("block-%s", block_job_kind_names[job->kind]),
                                        .age_ms = loop_now_ms() - job->begun_ms };
            record->phase = job->state == BLOCK_JOB_READY || job->total == 0
                                ? g_strdup_printf("%s: %s", job->disk, block_job_state_names[job->state])
                                : g_strdup_printf("%s: %u %%", job->disk,
                                                  (unsigned)((double)job->done * 100 / (double)job->total));
            g_ptr_array_add(records, record);
        }
    }
    return records;
}

AWAITS static bool begin_on_job(Vm *vm, const char *path, const Caller *caller, Job *ret_held,
                                VmBlockJob **ret_job, Error **err)
{
    if (!job_begin(&vm->object, JOB_MODIFY, caller, ret_held, err) ||
        !object_require_listed(&vm->object, err) || !vm_require_running(vm, err) ||
        !vm_require_monitor(vm, err))
        return false;
    const DiskDef *disk = domain_find_disk(vm->live, path);
    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' not found in domain", path);
    VmBlockJob *job = vm_block_job_of_disk(vm, disk->target);
    if (!job || !job->by_user)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk %s does not have an active block job",
                         disk->target);
    *ret_job = vm_block_job_ref(job);
    return true;
}

bool vm_block_job_set_speed(Vm *vm, const char *path, uint64_t bandwidth, unsigned flags,
                            const Caller *caller, Error **err)
{
    g_auto(Job) job_held = { 0 };
    g_autoptr(VmBlockJob) job = NULL;
    uint64_t speed = 0;

    return check_flags(flags, VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES, "qemuDomainBlockJobSetSpeed",
                       err) &&
           read_bandwidth(bandwidth, flags & VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES, &speed, err) &&
           begin_on_job(vm, path, caller, &job_held, &job, err) &&
           monitor_set_job_speed(vm_monitor(vm), job->id, speed, 0, err);
}

bool vm_block_job_abort(Vm *vm, const char *path, unsigned flags, const Caller *caller, Error **err)
{
    const unsigned known = VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC | VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT;
    const bool is_async = flags & VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC;
    g_auto(Job) job_held = { 0 };
    g_autoptr(VmBlockJob) job = NULL;

    if (!check_flags(flags, known, "qemuDomainBlockJobAbort", err) ||
        !begin_on_job(vm, path, caller, &job_held, &job, err))
        return false;
    if (job->state == BLOCK_JOB_ABORTING || job->state == BLOCK_JOB_PIVOTING)
        return error_set(err, ERROR_INVALID_STATE, "block job on disk '%s' is still being ended", job->disk);
    if (!(flags & VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT))
        return vm_block_job_cancel(vm, job, !is_async, err);
    if (job->kind != BLOCK_JOB_COPY && job->kind != BLOCK_JOB_ACTIVE_COMMIT)
        return error_set(err, ERROR_INVALID_STATE, "job type '%s' does not support pivot",
                         block_job_kind_names[job->kind]);
    return is_async ? vm_block_job_pivot_later(vm, job, err) : vm_block_job_pivot(vm, job, err);
}
