/* Chains of images of a running machine: jobs that make them shorter, and what the end of any block job makes
 * of them, in the documents and in QEMU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "chain"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/worker.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "machine/vm_bitmap.h"
#include "machine/vm_block_chain.h"
#include "machine/vm_confine.h"
#include "machine/vm_device_private.h"
#include "machine/vm_lease.h"
#include "machine/vm_query.h"
#include "machine/vm_security.h"
#include "storage/lease.h"
#include "storage/source_name.h"
#include "storage/volume.h"

/* ---- chains ---- */

static void disk_mirror_free(DiskMirror *mirror)
{
    xml_table_free(&disk_mirror_table, mirror);
}

StorageSource *chain_at(DiskDef *disk, unsigned index)
{
    StorageSource *source = &disk->src;

    while (source && index-- > 0)
        source = source->backing;
    return source;
}

StorageSource *chain_by_node(DiskDef *disk, const char *node)
{
    for (StorageSource *source = &disk->src; node && source; source = source->backing) {
        g_autofree char *name = storage_node_name(source);
        if (g_strcmp0(name, node) == 0)
            return source;
    }
    return NULL;
}

/* What is between takes leave: @above is followed by @below (NULL: the chain ends), which may be part of it.
 */
static StorageSource *chain_cut(StorageSource *above, StorageSource *below)
{
    StorageSource *gone = above->backing;

    if (gone == below)
        return NULL;
    above->backing = below;
    above->backing_ends = !below;
    for (StorageSource *last = gone; below && last; last = last->backing) {
        if (last->backing == below)
            last->backing = NULL;
    }
    return gone;
}

StorageSource *chain_put_top(DiskDef *disk, StorageSource *next)
{
    StorageSource *old = g_memdup2(&disk->src, sizeof(disk->src));

    /* What stands beside the source belongs to it. */
    if (!old->encryption)
        old->encryption = g_steal_pointer(&disk->encryption);
    if (!old->auth)
        old->auth = g_steal_pointer(&disk->auth);
    xml_table_free(&volume_encryption_table, g_steal_pointer(&disk->encryption));
    xml_table_free(&storage_auth_table, g_steal_pointer(&disk->auth));
    disk->src = *next;
    g_free(next);
    return old;
}

static StorageSource *source_copy_alone(const StorageSource *source)
{
    StorageSource alone = *source; /* borrows */

    alone.backing = NULL;
    return xml_table_copy(&backing_table, &alone);
}

/* ---- the definition on disk ---- */

static bool hosts_are_same(const GPtrArray *a, const GPtrArray *b)
{
    if (def_list_len(a) != def_list_len(b))
        return false;
    for (guint i = 0; i < def_list_len(a); i++) {
        if (!xml_table_equal(&storage_host_table, g_ptr_array_index(a, i), g_ptr_array_index(b, i)))
            return false;
    }
    return true;
}

/* Both mean the same storage. @config may name a volume. */
AWAITS static bool source_is_same(Host *host, const StorageSource *config, const StorageSource *live)
{
    g_autoptr(StorageSource) resolved = source_copy_alone(config);

    if (resolved->type == STORAGE_VOLUME && live->type != STORAGE_VOLUME &&
        !volume_resolve_source(host, resolved, NULL))
        return false;
    if (storage_is_local(resolved) && storage_is_local(live))
        return strcmp(resolved->path, live->path) == 0;
    return resolved->type == live->type && resolved->protocol == live->protocol &&
           g_strcmp0(resolved->path, live->path) == 0 && hosts_are_same(resolved->hosts, live->hosts);
}

/* The definition's disk @target, if it has @from, has @to; NULL: only its explicit chain is forgotten. */
AWAITS static bool config_follow(Vm *vm, const char *target, const StorageSource *from,
                                 const StorageSource *to, Error **err)
{
    const DiskDef *present = vm->config ? domain_find_disk(vm->config, target) : NULL;

    if (!present || (!to && !present->src.backing) || !source_is_same(vm->host, &present->src, from))
        return true;
    DomainDef *config = domain_def_copy(vm->config);
    DiskDef *disk = domain_find_disk(config, target);
    if (to) {
        StorageSource *next = source_copy_alone(to);
        next->index = 0;
        next->startup_policy = disk->src.startup_policy;
        source_free(chain_put_top(disk, next));
    } else {
        g_clear_pointer(&disk->src.backing, source_free);
    }
    if (!object_store(vm->host, &domain_class, config, err)) {
        domain_def_free(config);
        return false;
    }
    object_set_config(&vm->object, config);
    return true;
}

/* What the guest goes on with; owned, NULL: nothing else. */
static StorageSource *pivot_source(DiskDef *disk, const VmBlockJob *job)
{
    const StorageSource *source = job->kind == BLOCK_JOB_ACTIVE_COMMIT ? chain_by_node(disk, job->base)
                                  : disk->mirror                       ? &disk->mirror->src
                                                                       : NULL;

    return source ? source_copy_alone(source) : NULL;
}

bool vm_chain_before_pivot(Vm *vm, const VmBlockJob *job, Error **err)
{
    DiskDef *disk = domain_find_disk(vm->live, job->disk);
    g_autoptr(StorageSource) to = disk ? pivot_source(disk, job) : NULL;

    if (!to)
        return true;
    g_autoptr(StorageSource) from = source_copy_alone(&disk->src);
    return config_follow(vm, job->disk, from, to, err);
}

AWAITS static void config_finish(Vm *vm, const VmBlockJob *job, bool was_pivoting)
{
    DiskDef *disk = domain_find_disk(vm->live, job->disk);
    const bool is_done = job->state == BLOCK_JOB_COMPLETED;
    g_autoptr(Error) err = NULL;

    g_autoptr(StorageSource) present = source_copy_alone(&disk->src);
    g_autoptr(StorageSource) other = pivot_source(disk, job);
    const bool ok = other && is_done        ? config_follow(vm, job->disk, present, other, &err)
                    : other && was_pivoting ? config_follow(vm, job->disk, other, present, &err)
                    : !other && is_done     ? config_follow(vm, job->disk, present, NULL, &err)
                                            : true;
    if (!ok)
        log_error_error(err, "the definition of a machine does not follow its block job");
}

/* ---- QEMU's nodes ---- */

bool vm_plan_image(const Vm *vm, const DiskDef *disk, const StorageSource *source, const StorageSource *below,
                   bool is_chain, const QemuSecrets *secrets, Plan **ret_plan, Error **err)
{
    const QemuCommandEnv env = { .lib_dir = vm->run->lib_dir,
                                 .secrets = secrets,
                                 .nbd_tls_dir = vm->host->config->nbd_tls_x509_cert_dir };
    const PlanContext context = { .def = vm->live,
                                  .caps = vm->run->caps,
                                  .env = &env,
                                  .machine = qemu_caps_machine(vm->run->caps, vm->live->os.machine),
                                  .is_hot = true };
    g_autoptr(Plan) plan = plan_new();

    if (!(!source    ? device_plan_medium(&context, disk, plan, err)
          : is_chain ? device_plan_chain(&context, disk, source, plan, err)
                     : device_plan_image(&context, disk, source, below, plan, err)))
        return false;
    *ret_plan = g_steal_pointer(&plan);
    return true;
}

void vm_chain_leave(Vm *vm, const char *target, StorageSource *gone)
{
    const uint64_t serial = vm->run ? vm->run->serial : 0;
    const DiskDef *disk = vm->live ? domain_find_disk(vm->live, target) : NULL;
    g_autoptr(Error) err = NULL;

    if (!disk || !gone)
        return;
    DiskDef shell = { .target = (char *)target, .device = disk->device, .src = *gone };
    if (!vm->run->caps && !vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, &err))
        log_warning_error(err, "removing images from QEMU");
    for (const StorageSource *source = gone; source && vm->run && vm->run->caps; source = source->backing) {
        const PlanTarget reach = { .qmp = vm_monitor(vm) };
        g_autoptr(Plan) plan = NULL;
        g_clear_pointer(&err, error_free);
        if (!vm_plan_image(vm, &shell, source, NULL, false, NULL, &plan, &err) ||
            !plan_reverse(plan, &reach, &err))
            log_warning_error(err, "removing an image from QEMU");
        if (!vm->run || vm->run->serial != serial)
            return;
    }
    vm_disk_release(vm, &shell);
    g_clear_pointer(&err, error_free);
    if (!vm->run || vm->run->serial != serial)
        return;
    xml_list_free(&path_table, g_steal_pointer(&vm->run->give_back));
    if (!vm_status_save(vm, &err))
        log_error_error(err, "the status file of a machine has images that are given back");
}

/* ---- leases ---- */

/* What is committed into has its lease while it is written to: from the beginning on, and for good if the
 * guest goes on with it. */
AWAITS static bool lease_base(Vm *vm, const char *target, unsigned base, Error **err)
{
    DiskDef *disk = domain_find_disk(vm->live, target);
    const DiskDef shell = { .target = disk->target,
                            .device = disk->device,
                            .shareable = disk->shareable,
                            .src = *chain_at(disk, base) };

    return vm_lease_add(vm, &shell, err);
}

AWAITS static void drop_base(Vm *vm, const char *target, const char *node)
{
    DiskDef *disk = vm->run && vm->live ? domain_find_disk(vm->live, target) : NULL;
    const StorageSource *base = disk ? chain_by_node(disk, node) : NULL;

    if (base && base != &disk->src && lease_is_wanted(vm->host, disk, base))
        vm_lease_drop(vm, base->path);
}

/* ---- the end of a job ---- */

/* What the document of the running machine becomes; returns the images that are in it no more. */
static StorageSource *live_finish(DiskDef *disk, const VmBlockJob *job)
{
    const bool is_done = job->state == BLOCK_JOB_COMPLETED;
    StorageSource *top = chain_by_node(disk, job->top), *base = chain_by_node(disk, job->base);
    StorageSource *gone = NULL;

    switch (job->kind) {
    case BLOCK_JOB_PULL:
        if (is_done)
            gone = chain_cut(&disk->src, base);
        break;
    case BLOCK_JOB_COMMIT:
        for (StorageSource *above = &disk->src; is_done && top && base && above; above = above->backing) {
            if (above->backing == top)
                gone = chain_cut(above, base);
        }
        break;
    case BLOCK_JOB_ACTIVE_COMMIT:
        if (is_done && base && base != &disk->src) {
            StorageSource *below = chain_cut(&disk->src, base);
            disk->src.backing = NULL;
            gone = chain_put_top(disk, base);
            gone->backing = below;
        }
        break;
    case BLOCK_JOB_COPY:
        if (!disk->mirror)
            break;
        gone = g_memdup2(&disk->mirror->src, sizeof(StorageSource));
        disk->mirror->src = (StorageSource){ .type = gone->type };
        if (!is_done)
            break;
        if (!gone->backing && !gone->backing_ends) { /* shallow: on what was below */
            gone->backing = g_steal_pointer(&disk->src.backing);
            gone->backing_ends = disk->src.backing_ends;
        }
        gone = chain_put_top(disk, gone);
        break;
    default:
        break;
    }
    g_clear_pointer(&disk->mirror, disk_mirror_free);
    return gone;
}

typedef struct RemoveJob {
    char *path;
} RemoveJob;

static bool remove_run(void *data, Error **err)
{
    const RemoveJob *job = data;
    const char *name = NULL;
    AUTO_FD dir = trail_open_parent(job->path, &name, err);

    if (dir < 0)
        return false;
    return unlinkat(dir, name, 0) == 0 || error_set_errno(err, errno, "cannot remove '%s'", job->path);
}

static void remove_free(void *data)
{
    RemoveJob *job = data;

    g_free(job->path);
    g_free(job);
}

bool vm_chain_remove_file(Host *host, const char *path, Error **err)
{
    RemoveJob *job = g_new0(RemoveJob, 1);

    job->path = g_strdup(path);
    if (!worker_call_path(path, "cannot remove", remove_run, job, remove_free,
                          (uint64_t)host->config->storage_timeout_s * 1000, err))
        return false;
    remove_free(job);
    return true;
}

AWAITS static void remove_images(Vm *vm, const StorageSource *gone)
{
    for (; gone; gone = gone->backing) {
        g_autoptr(Error) err = NULL;
        if (gone->type == STORAGE_FILE && gone->path && !vm_chain_remove_file(vm->host, gone->path, &err))
            log_warning_error(err, "removing an image");
    }
}

void vm_chain_finish(Vm *vm, VmBlockJob *job, bool was_pivoting)
{
    G_GNUC_UNUSED g_autoptr(VmBlockJob) hold = vm_block_job_ref(job);
    const uint64_t serial = vm->run->serial;

    if (domain_find_disk(vm->live, job->disk))
        config_finish(vm, job, was_pivoting);
    if (!vm->run || vm->run->serial != serial)
        return;
    DiskDef *disk = domain_find_disk(vm->live, job->disk);
    g_autoptr(StorageSource) gone = disk ? live_finish(disk, job) : NULL;
    for (const StorageSource *source = gone; source; source = source->backing) /* if we die on the way */
        vm_disk_note_give_back(vm->run, source->path);
    vm_block_job_forget(vm, job);
    if (!vm->run || vm->run->serial != serial)
        return;
    vm_chain_leave(vm, job->disk, gone);
    if (job->kind == BLOCK_JOB_COPY && job->state != BLOCK_JOB_COMPLETED && !job->by_user &&
        !job->keep_waiting)
        remove_images(vm, gone); /* of a move that died with its daemon */
    const bool is_commit = job->kind == BLOCK_JOB_COMMIT || job->kind == BLOCK_JOB_ACTIVE_COMMIT;
    if (is_commit)
        drop_base(vm, job->disk, job->base);
    if (is_commit && job->state == BLOCK_JOB_COMPLETED && (job->flags & VIR_DOMAIN_BLOCK_COMMIT_DELETE))
        remove_images(vm, gone);
}

void vm_chain_drop_mirror(Vm *vm, const char *target)
{
    DiskDef *disk = domain_find_disk(vm->live, target);

    if (!disk || !disk->mirror)
        return;
    DiskMirror *mirror = g_steal_pointer(&disk->mirror);
    const DiskDef shell = { .target = disk->target, .device = disk->device, .src = mirror->src };
    if (mirror->job == MIRROR_JOB_COPY)
        vm_disk_release(vm, &shell);
    disk_mirror_free(mirror);
    vm_status_save_later(vm);
}

void vm_chain_drop_mirrors(Vm *vm)
{
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        if (!disk->mirror || vm_block_job_of_disk(vm, disk->target))
            continue;
        log_warning("machine '%s': a copy of disk '%s' never began", vm->name, disk->target);
        vm_chain_drop_mirror(vm, disk->target); /* QEMU's nodes go with those that nobody has */
        if (!vm->run || !vm->live)
            return;
    }
}

/* ---- images that are about to be written ---- */

bool vm_chain_lend(Vm *vm, const StorageSource *source, Error **err)
{
    const uint64_t storage_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    g_autoptr(GPtrArray) list = dac_list_new();
    uid_t uid = 0;
    gid_t gid = 0;

    for (guint i = 0; i < vm->run->dac->len; i++) {
        const DacItem *item = g_ptr_array_index(vm->run->dac, i);
        if (g_strcmp0(item->path, source->path) == 0 && item->group_mode)
            g_ptr_array_add(list, g_ptr_array_steal_index(vm->run->dac, i--));
    }
    if (list->len == 0) /* it is QEMU's user's already, or never will be */
        return true;
    DacItem next = *(const DacItem *)g_ptr_array_index(list, 0);
    g_autofree char *path G_GNUC_UNUSED = next.path = g_strdup(next.path);
    dac_restore(vm->host->dac, list, storage_ms);
    if (!vm_require_monitor(vm, err))
        return false;
    next.shared = false;
    dac_lend(vm->host, vm->live, vm->run->dac, source, &next);
    dac_get_owner(vm->host, vm->live, &uid, &gid);
    return vm_status_save(vm, err) && vm_require_monitor(vm, err) &&
           dac_apply(vm->run->dac, uid, gid, storage_ms, err) && vm_security_load(vm, err);
}

/* ---- commit and pull ---- */

static GPtrArray *paths_between(StorageSource *first, const StorageSource *end)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);

    for (const StorageSource *source = first; source && source != end; source = source->backing)
        g_ptr_array_add(paths, g_strdup(source->path ? source->path : ""));
    return paths;
}

bool vm_chain_begin_commit(Vm *vm, VmBlockJob *job, unsigned top, unsigned base, uint64_t speed,
                           const char *backing_name, Error **err)
{
    DiskDef *disk = domain_find_disk(vm->live, job->disk);
    StorageSource *upper = chain_at(disk, top), *lower = chain_at(disk, base);
    StorageSource *above = top ? chain_at(disk, top - 1) : NULL;

    if (!upper || !lower || base <= top)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' has no images %u and %u below each other",
                         job->disk, top, base);
    g_autofree char *device = device_medium_node(disk);
    job->top = storage_node_name(upper);
    job->base = storage_node_name(lower);
    job->top_parent = above ? storage_node_name(above) : NULL;
    Json *arguments =
        json_pack("{s:s, s:s, s:s}", "device", device, "top-node", job->top, "base-node", job->base);
    AUTO_JSON owned G_GNUC_UNUSED = arguments;
    g_autofree char *name = g_strdup(backing_name              ? backing_name
                                     : storage_is_local(lower) ? lower->path
                                                               : NULL);
    if (above && name)
        json_object_set_new(arguments, "backing-file", json_string_nocheck(name));
    if (speed)
        json_object_set_new(arguments, "speed", json_integer((json_int_t)speed));
    if (!vm_chain_lend(vm, lower, err) ||
        (top > 1 && !vm_chain_lend(vm, chain_at(domain_find_disk(vm->live, job->disk), top - 1), err)) ||
        !vm_require_monitor(vm, err) || !bitmap_carry_down(vm, job->disk, top, base, err) ||
        !vm_require_monitor(vm, err) || !lease_base(vm, job->disk, base, err))
        return false;
    if (job->kind == BLOCK_JOB_ACTIVE_COMMIT) {
        disk = domain_find_disk(vm->live, job->disk);
        disk->mirror = g_new0(DiskMirror, 1);
        StorageSource *mirror = source_copy_alone(chain_at(disk, base));
        disk->mirror->src = *mirror;
        g_free(mirror);
        disk->mirror->src.backing_ends = false; /* what is below it stands in the chain */
        disk->mirror->job = MIRROR_JOB_ACTIVE_COMMIT;
    }
    if (vm_block_job_start(vm, job, "block-commit", arguments, err))
        return true;
    disk = vm->live ? domain_find_disk(vm->live, job->disk) : NULL;
    if (disk)
        g_clear_pointer(&disk->mirror, disk_mirror_free);
    drop_base(vm, job->disk, job->base);
    return false;
}

bool vm_chain_commit(Vm *vm, const char *disk, unsigned top, unsigned base, Job *job_held,
                     GPtrArray **ret_left, Error **err)
{
    g_autoptr(VmBlockJob) job = vm_block_job_new(top ? BLOCK_JOB_COMMIT : BLOCK_JOB_ACTIVE_COMMIT, disk);
    DiskDef *live = vm->live ? domain_find_disk(vm->live, disk) : NULL;

    if (!vm_require_monitor(vm, err) || !vm_block_job_require_none(vm, disk, err))
        return false;
    if (!live)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' not found in domain", disk);
    StorageSource *first = chain_at(live, top);
    g_autoptr(GPtrArray) left = first ? paths_between(first, chain_at(live, base)) : NULL;
    job->keep_waiting = true;
    if (!vm_chain_begin_commit(vm, job, top, base, 0, NULL, err) ||
        !vm_block_job_wait(vm, job, top == 0, job_held, err) ||
        (top == 0 && !vm_block_job_pivot(vm, job, err)))
        return false;
    *ret_left = g_steal_pointer(&left);
    return true;
}

bool vm_chain_begin_pull(Vm *vm, VmBlockJob *job, unsigned base, uint64_t speed, const char *backing_name,
                         Error **err)
{
    DiskDef *disk = domain_find_disk(vm->live, job->disk);
    const StorageSource *lower = base == UINT32_MAX ? NULL : chain_at(disk, base);

    if (base != UINT32_MAX && (!lower || base == 0))
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' has no image %u below the active one",
                         job->disk, base);
    if (!bitmap_carry_up(vm, job->disk, base, err) || !vm_require_monitor(vm, err))
        return false;
    g_autofree char *device = storage_node_name(&disk->src);
    AUTO_JSON arguments = json_pack("{s:s}", "device", device);
    if (lower) {
        job->base = storage_node_name(lower);
        json_object_set_new(arguments, "base-node", json_string_nocheck(job->base));
        const char *name = backing_name ? backing_name : storage_is_local(lower) ? lower->path : NULL;
        if (name)
            json_object_set_new(arguments, "backing-file", json_string_nocheck(name));
    }
    if (speed)
        json_object_set_new(arguments, "speed", json_integer((json_int_t)speed));
    return vm_block_job_start(vm, job, "block-stream", arguments, err);
}

bool vm_chain_pull(Vm *vm, const char *disk, unsigned base, Job *job_held, GPtrArray **ret_left, Error **err)
{
    g_autoptr(VmBlockJob) job = vm_block_job_new(BLOCK_JOB_PULL, disk);
    DiskDef *live = vm->live ? domain_find_disk(vm->live, disk) : NULL;

    if (!vm_require_monitor(vm, err) || !vm_block_job_require_none(vm, disk, err))
        return false;
    if (!live)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' not found in domain", disk);
    g_autoptr(GPtrArray) left =
        paths_between(live->src.backing, base == UINT32_MAX ? NULL : chain_at(live, base));
    job->keep_waiting = true;
    if (!vm_chain_begin_pull(vm, job, base, 0, NULL, err) ||
        !vm_block_job_wait(vm, job, false, job_held, err))
        return false;
    *ret_left = g_steal_pointer(&left);
    return true;
}
