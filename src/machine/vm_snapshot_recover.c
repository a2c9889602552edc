/* What a daemon that died left of its work on snapshots: it is finished, or taken back, before anybody starts
 * the machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_block_job.h"
#include "machine/vm_device_private.h"
#include "machine/vm_snapshot_private.h"
#include "storage/image_make.h"
#include "storage/source_name.h"

#define RECOVER_MS 5000
#define RETRY_FIRST_MS 2000
#define RETRY_LAST_MS 300000

#define CREATE(flag) VIR_DOMAIN_SNAPSHOT_CREATE_##flag

/* ---- taking ---- */

/* Has QEMU put the overlays on top? Where nobody can tell, that is assumed: an overlay that nothing was
 * written to reads as what is below it. */
AWAITS static bool has_switched(Vm *vm, const VmIntent *intent, Error **err, bool *ret_switched)
{
    g_autoptr(GHashTable) disks = NULL;

    *ret_switched = true;
    if (!vm_is_running(vm))
        return true;
    if (!vm_require_monitor(vm, err) || !monitor_query_disks(vm_monitor(vm), 0, &disks, err))
        return false;
    for (guint i = 0; i < intent->disks->len; i++) {
        const DiskDef *disk = vm_snapshot_disk(vm->live, g_ptr_array_index(intent->disks, i));
        const MonitorDisk *known = disk ? g_hash_table_lookup(disks, disk->info.alias) : NULL;
        if (!known || disk->copy_on_read == TRISTATE_ON)
            continue;
        *ret_switched = g_strcmp0(known->node_name, g_ptr_array_index(intent->nodes, i)) == 0;
        return true;
    }
    return true;
}

static uint32_t node_number(const char *node)
{
    return g_str_has_prefix(node, "libvirt-") ? (uint32_t)strtoul(node + strlen("libvirt-"), NULL, 10) : 0;
}

AWAITS static void remove_nodes(Vm *vm, const VmIntent *intent)
{
    for (guint i = 0; i < intent->nodes->len && vm_monitor(vm); i++) {
        const uint32_t number = node_number(g_ptr_array_index(intent->nodes, i));
        g_autofree char *storage = g_strdup_printf("libvirt-%u-storage", number);
        (void)!monitor_remove_block_node(vm_monitor(vm), g_ptr_array_index(intent->nodes, i), 0, NULL);
        (void)!monitor_remove_block_node(vm_monitor(vm), storage, 0, NULL);
    }
}

/* What QEMU was lent for an overlay that does not come. */
AWAITS static void give_back(Vm *vm, const SnapshotDisk *entry)
{
    const DiskDef *disk = vm->live ? vm_snapshot_disk(vm->live, entry->name) : NULL;

    if (!disk || !vm_is_running(vm) || !entry->src.path || g_strcmp0(disk->src.path, entry->src.path) == 0)
        return;
    g_autoptr(StorageSource) overlay = vm_snapshot_overlay(entry, NULL);
    const DiskDef shell = {
        .target = disk->target, .device = disk->device, .shareable = disk->shareable, .src = *overlay
    };
    vm_disk_release(vm, &shell);
    if (vm->run)
        vm_status_save_later(vm);
}

AWAITS static bool take_back_create(Vm *vm, const VmIntent *intent, SnapshotDef *def, Error **err)
{
    SnapshotMake make = {
        .vm = vm, .def = def, .flags = intent->flags, .moment = moment_get(vm->snapshots, def->name)
    };

    remove_nodes(vm, intent);
    vm_snapshot_unpromise(&make);
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(def->domain, entry->name);
        g_autofree char *path = NULL;
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL)
            give_back(vm, entry);
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && !(intent->flags & CREATE(REUSE_EXT)) &&
            entry->src.type == STORAGE_FILE)
            image_unlink(entry->src.path);
        else if (entry->snapshot == DISK_SNAPSHOT_INTERNAL && disk && !vm_is_running(vm) &&
                 (!vm_snapshot_path(vm->host, &disk->src, &path, err) ||
                  !image_moment_do(path, IMAGE_MOMENT_REMOVE, def->name, err)))
            return false;
    }
    if (vm_is_running(vm) && def->memory == DISK_SNAPSHOT_INTERNAL && vm_monitor(vm))
        (void)!vm_snapshot_ask_qemu(vm, SNAPSHOT_DELETE, def, NULL); /* most often there is none yet */
    if (def->memory == DISK_SNAPSHOT_EXTERNAL)
        image_unlink(def->memory_file);
    return true;
}

AWAITS static bool finish_create(Vm *vm, const VmIntent *intent, SnapshotDef *def, Error **err)
{
    SnapshotMake make = { .vm = vm, .def = def, .flags = intent->flags };

    for (guint i = 0; i < intent->disks->len && vm->live; i++) {
        const SnapshotDisk *entry = vm_snapshot_entry(def, g_ptr_array_index(intent->disks, i));
        DiskDef *disk = vm_snapshot_disk(vm->live, g_ptr_array_index(intent->disks, i));
        if (entry && disk && g_strcmp0(disk->src.path, entry->src.path) != 0)
            vm_snapshot_put_overlay(disk, entry, node_number(g_ptr_array_index(intent->nodes, i)));
        if (entry && vm_monitor(vm))
            vm_snapshot_drop_lease_below(vm, entry->name);
    }
    if ((vm->live && !vm_status_save(vm, err)) || !vm_snapshot_settle_config(vm, def, err))
        return false;
    return (intent->flags & CREATE(NO_METADATA)) || moment_get(vm->snapshots, def->name) ||
           vm_snapshot_promise(&make, err);
}

/* A machine that does not run is in its overlays when its definition is. */
static bool is_in_overlays(const Vm *vm, const SnapshotDef *def)
{
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(vm->config, entry->name);
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL)
            return disk && g_strcmp0(disk->src.path, entry->src.path) == 0;
    }
    return false;
}

AWAITS static bool recover_create(Vm *vm, const VmIntent *intent, Error **err)
{
    SnapshotDef *def = NULL;
    bool is_done = false;

    if (intent->is_frozen)
        vm_snapshot_thaw(vm);
    if (!intent->document || !vm_snapshot_parse(vm->host, intent->document, strlen(intent->document),
                                                MOMENT_PARSE_REDEFINE | MOMENT_PARSE_STORED, &def, err))
        return false;
    g_autoptr(SnapshotDef) own G_GNUC_UNUSED = def;
    if (!snapshot_is_external(def))
        is_done = moment_get(vm->snapshots, def->name) != NULL;
    else if (!intent->is_live)
        is_done = is_in_overlays(vm, def);
    else if (!has_switched(vm, intent, err, &is_done))
        return false;
    /* With QEMU gone nobody knows; but its file, and its memory, are there before the overlays are. */
    if (is_done && intent->is_live && !vm_is_running(vm) && !is_in_overlays(vm, def)) {
        bool exists = true, is_block = false;
        if (def->memory == DISK_SNAPSHOT_EXTERNAL &&
            !image_is_there(def->memory_file, &exists, &is_block, err))
            return false;
        is_done = exists && ((intent->flags & CREATE(NO_METADATA)) || moment_get(vm->snapshots, def->name));
    }
    log_warning("snapshot '%s' of machine '%s' was being taken: it is %s", def->name, vm->name,
                is_done ? "there" : "taken back");
    return is_done ? finish_create(vm, intent, def, err) : take_back_create(vm, intent, def, err);
}

/* ---- all of them ---- */

/* One that work on snapshots has begun; borrowed, NULL. */
static VmBlockJob *find_job(const Vm *vm)
{
    for (guint i = 0; vm->run && i < vm->run->block_jobs->len; i++) {
        VmBlockJob *job = g_ptr_array_index(vm->run->block_jobs, i);
        if (!job->by_user && (job->kind == BLOCK_JOB_COMMIT || job->kind == BLOCK_JOB_ACTIVE_COMMIT ||
                              job->kind == BLOCK_JOB_SNAPSHOT))
            return job;
    }
    return NULL;
}

/* Jobs of QEMU that go on without us end first. However they do, what they were to do is seen to afterwards:
 * QEMU may never have heard of one. */
AWAITS static bool wait_for_jobs(Vm *vm, Job *held, Error **err)
{
    for (VmBlockJob *found = NULL; (found = find_job(vm));) {
        g_autoptr(VmBlockJob) job = vm_block_job_ref(found);
        g_autoptr(Error) why = NULL;
        const bool ok = vm_block_job_wait(vm, job, false, held, &why);
        if (!ok && job->state < BLOCK_JOB_COMPLETED)
            return error_propagate(err, g_steal_pointer(&why));
        if (find_job(vm) == job)
            vm_block_job_forget(vm, job);
    }
    return true;
}

AWAITS static bool recover_one(Vm *vm, Job *job, VmIntent *intent, Error **err)
{
    vm_snapshot_mend(vm);
    if (!wait_for_jobs(vm, job, err))
        return false;
    switch (intent->kind) {
    case INTENT_CREATE:
        return recover_create(vm, intent, err);
    case INTENT_REVERT:
        if (!intent->is_decided) {
            vm_snapshot_undo_revert(vm, intent);
            return true;
        }
        if (intent->is_live && vm_is_running(vm))
            return true;
        log_warning("machine '%s' was being brought back to snapshot '%s': finishing that", vm->name,
                    intent->snapshot);
        return vm_snapshot_finish_revert(vm, job, intent, err);
    case INTENT_DELETE:
        log_warning("snapshots of machine '%s' were being deleted: finishing that", vm->name);
        return vm_snapshot_finish_delete(vm, job, intent, err);
    default:
        return true;
    }
}

bool vm_snapshot_settle(Vm *vm, Job *job, Error **err)
{
    g_autoptr(VmIntent) intent = vm->has_journal ? vm_intent_load(vm) : NULL;

    vm->has_journal = false;
    if (!intent)
        return true;
    if (!recover_one(vm, job, intent, err)) {
        if (intent->kind == INTENT_DELETE && job_is_aborted(job)) /* images that stay only cost space */
            vm_intent_done(vm);
        else
            vm->has_journal = true;
        return error_prefix(err, "snapshot '%s', which is not done", intent->snapshot);
    }
    vm_intent_done(vm);
    return true;
}

AWAITS static bool try_to_settle(Vm *vm)
{
    g_auto(Job) job = { 0 };
    g_autoptr(Error) err = NULL;

    if (job_begin(&vm->object, JOB_SNAPSHOT, NULL, &job, &err) && vm_snapshot_settle(vm, &job, &err))
        return true;
    log_error_error(err, "work on snapshots that ended halfway");
    log_error("machine '%s': see '%s/%s/.lodge/journal'; it is tried again", vm->name,
              vm->host->paths->snapshot, vm->name);
    return false;
}

/* What cannot be now may be possible later: QEMU answers, or has ended, or there is space. Each try has a
 * fiber of its own, because a machine that is destroyed cancels it. */
static void retry_fiber(void *arg)
{
    g_autoptr(Vm) vm = arg;
    Host *host = vm->host;

    (void)!wait_queue_wait(&host->hurry, vm->settle_pause_ms, NULL); /* woken: the daemon ends */
    if (host->is_stopping || !vm->has_journal || try_to_settle(vm) || !vm->has_journal) {
        vm->settle_pause_ms = 0;
        return;
    }
    vm->settle_pause_ms = MIN(vm->settle_pause_ms * 2, RETRY_LAST_MS);
    host_spawn(host, "snapshots", retry_fiber, vm_ref(vm));
}

void vm_snapshot_settle_later(Vm *vm)
{
    vm->has_journal = true;
    if (vm->settle_pause_ms)
        return;
    vm->settle_pause_ms = RETRY_FIRST_MS;
    host_spawn(vm->host, "snapshots", retry_fiber, vm_ref(vm));
}

static void recover_fiber(void *arg)
{
    g_autoptr(Vm) vm = arg;
    MachineRoom *room = vm->host->machines;

    if (!try_to_settle(vm) && vm->has_journal)
        vm_snapshot_settle_later(vm);
    room->n_recovering--;
    wait_queue_wake_all(&room->recovered);
}

void vm_snapshot_recover(Host *host)
{
    g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func((GDestroyNotify)vm_unref);
    MachineRoom *room = host->machines;
    Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (vm->snapshots->is_loaded)
            g_ptr_array_add(vms, vm_ref(vm));
    }
    for (guint i = 0; i < vms->len; i++) {
        vm = g_ptr_array_index(vms, i);
        g_autoptr(VmIntent) intent = vm_intent_load(vm);
        if (!intent)
            continue;
        vm->has_journal = true;
        room->n_recovering++;
        host_spawn(host, "snapshots", recover_fiber, vm_ref(vm));
    }
    /* Most often that takes a moment, and clients find the tree as it stays; images may take hours. */
    const uint64_t deadline_ms = loop_now_ms() + RECOVER_MS;
    while (room->n_recovering > 0 && loop_now_ms() < deadline_ms &&
           wait_queue_wait(&room->recovered, deadline_ms - loop_now_ms(), NULL))
        ;
}
