/* Deleting snapshots: first they are none any more, then what they needed goes. So whatever stops the rest,
 * all that the list shows can be gone back to; what is left then only costs space. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_block_job.h"
#include "machine/vm_snapshot_private.h"
#include "storage/image_make.h"
#include "storage/source_name.h"

#define DELETE(flag) VIR_DOMAIN_SNAPSHOT_DELETE_##flag

/* ---- which ---- */

/* Parents first. */
static GPtrArray *list_doomed(const Vm *vm, Moment *snapshot, unsigned flags)
{
    if (flags & (DELETE(CHILDREN) | DELETE(CHILDREN_ONLY)))
        return moment_list(vm->snapshots, snapshot, flags & DELETE(CHILDREN) ? MOMENT_LIST_SELF : 0, NULL,
                           NULL);
    GPtrArray *doomed = g_ptr_array_new_with_free_func((GDestroyNotify)moment_unref);
    g_ptr_array_add(doomed, moment_ref(snapshot));
    return doomed;
}

/* ---- snapshots inside of images ---- */

static bool is_live_top(const Vm *vm, const char *path)
{
    for (DEF_EACH(DiskDef, disk, vm->live ? vm->live->disks : NULL)) {
        if (g_strcmp0(disk->src.path, path) == 0)
            return true;
    }
    return false;
}

static const char *find_live_below(const Vm *vm, const char *path)
{
    for (DEF_EACH(DiskDef, disk, vm->live ? vm->live->disks : NULL)) {
        for (const StorageSource *source = disk->src.backing; source; source = source->backing) {
            if (g_strcmp0(source->path, path) == 0)
                return disk->target;
        }
    }
    return NULL;
}

/* QEMU removes them from what it writes to, qemu-img from what it has not open. */
static bool check_inside(Vm *vm, const SnapshotDef *def, const GPtrArray *images, Error **err)
{
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(def->domain, entry->name);
        g_autofree char *path = NULL;
        if (entry->snapshot != DISK_SNAPSHOT_INTERNAL || !disk)
            continue;
        if (!vm_snapshot_path(vm->host, &disk->src, &path, err))
            return false;
        const char *target = find_live_below(vm, path);
        if (target) {
            error_set(err, ERROR_OPERATION_UNSUPPORTED,
                      "snapshot '%s' is inside of image '%s', which the running machine has below its disk "
                      "'%s'",
                      def->name, path, target);
            return error_hint(err, "shut the machine down first, or only forget the snapshot: --metadata");
        }
        const SnapshotImage *image = vm_snapshot_image_find(images, path);
        if (image && image->is_broken)
            return error_set(err, ERROR_OPERATION_FAILED, "image '%s' is damaged: see 'qemu-img check'",
                             path);
    }
    return true;
}

AWAITS static bool remove_inside(Vm *vm, const SnapshotDef *def, Error **err)
{
    g_autoptr(GPtrArray) images = NULL;
    bool asks_qemu = false;

    if (!vm_snapshot_images(vm, &images, err))
        return false;
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(def->domain, entry->name);
        g_autofree char *path = NULL;
        if (entry->snapshot != DISK_SNAPSHOT_INTERNAL || !disk)
            continue;
        if (!vm_snapshot_path(vm->host, &disk->src, &path, err))
            return false;
        if (is_live_top(vm, path)) {
            asks_qemu = true;
            continue;
        }
        bool exists = false, is_block = false;
        if (!image_is_there(path, &exists, &is_block, err) ||
            (exists && !image_moment_do(path, IMAGE_MOMENT_REMOVE, def->name, err)))
            return false;
    }
    return !asks_qemu || (vm_require_monitor(vm, err) && vm_snapshot_ask_qemu(vm, SNAPSHOT_DELETE, def, err));
}

/* ---- files ---- */

AWAITS static bool forget(Vm *vm, Moment *snapshot, Error **err)
{
    if (!moment_remove(snapshot, err))
        return false;
    vm_snapshot_drop_state(vm, moment_name(snapshot));
    return true;
}

AWAITS static bool forget_all(Vm *vm, const GPtrArray *doomed, Error **err)
{
    /* Children before their parents: a daemon that dies on the way leaves a tree. */
    for (guint i = doomed->len; i-- > 0;) {
        if (!forget(vm, g_ptr_array_index(doomed, i), err))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

/* Documents of snapshots that are none any more, so that another daemon can finish. */
static void note_doomed(VmIntent *intent, const GPtrArray *doomed)
{
    for (guint i = 0; i < doomed->len; i++) {
        const Moment *snapshot = g_ptr_array_index(doomed, i);
        g_autoptr(GString) text = g_string_new(NULL);
        snapshot_def_format(snapshot->def, MOMENT_FORMAT_STORED | MOMENT_FORMAT_SECURE, text);
        g_ptr_array_add(intent->names, g_strdup(text->str));
    }
}

static void add_bases(Vm *vm, const SnapshotDef *def, GPtrArray *bases)
{
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(def->domain, entry->name);
        char *path = NULL;
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && disk &&
            vm_snapshot_path(vm->host, &disk->src, &path, NULL))
            g_ptr_array_add(bases, path);
    }
}

/* A merge that was cut off between its image and the documents. */
AWAITS static bool finish_merge(Vm *vm, Job *job, const VmIntent *intent, Error **err)
{
    g_autoptr(GPtrArray) images = NULL;

    if (intent->disks->len == 0)
        return true;
    return vm_snapshot_images(vm, &images, err) &&
           vm_snapshot_merge(vm, job, images, g_ptr_array_index(intent->paths, 0),
                             g_ptr_array_index(intent->nodes, 0), err);
}

bool vm_snapshot_finish_delete(Vm *vm, Job *job, VmIntent *intent, Error **err)
{
    g_autoptr(GPtrArray) bases = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Error) first = NULL;

    for (guint i = 0; i < intent->names->len; i++) {
        const char *text = g_ptr_array_index(intent->names, i);
        g_autoptr(SnapshotDef) def = NULL;
        g_autoptr(Error) why = NULL;
        if (!vm_snapshot_parse(vm->host, text, strlen(text), MOMENT_PARSE_REDEFINE | MOMENT_PARSE_STORED,
                               &def, &why))
            return error_propagate(err, g_steal_pointer(&why));
        Moment *left = moment_get(vm->snapshots, def->name);
        g_autoptr(Moment) hold G_GNUC_UNUSED = left ? moment_ref(left) : NULL;
        if (left && !forget(vm, left, err))
            return false;
        add_bases(vm, def, bases);
        job_set_phase(job, "removing snapshots inside of images");
        if (!remove_inside(vm, def, &why)) {
            log_warning_error(why, "a deleted snapshot is left inside of an image");
            if (!first)
                first = g_steal_pointer(&why);
        }
        if (def->memory == DISK_SNAPSHOT_EXTERNAL && def->memory_file)
            image_unlink(def->memory_file);
    }
    return finish_merge(vm, job, intent, err) && vm_snapshot_collect(vm, job, intent, bases, err) &&
           (!first || error_propagate(err, g_steal_pointer(&first)));
}

AWAITS static bool check_all(Vm *vm, const GPtrArray *doomed, Error **err)
{
    g_autoptr(GPtrArray) images = NULL;
    g_autoptr(GPtrArray) bases = g_ptr_array_new_with_free_func(g_free);

    if (!vm_snapshot_images(vm, &images, err))
        return false;
    for (guint i = 0; i < doomed->len; i++) {
        const SnapshotDef *def = ((Moment *)g_ptr_array_index(doomed, i))->def;
        if (!check_inside(vm, def, images, err))
            return false;
        add_bases(vm, def, bases);
        for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
            if (vm_is_running(vm) && !vm_block_job_require_none(vm, entry->name, err))
                return false;
        }
    }
    return (!vm_is_running(vm) || vm_require_monitor(vm, err)) &&
           vm_snapshot_check_merges(vm, images, bases, err);
}

AWAITS static bool delete_locked(Vm *vm, Job *job, Moment *snapshot, unsigned flags, Error **err)
{
    g_autoptr(GPtrArray) doomed = list_doomed(vm, snapshot, flags);
    g_autoptr(VmIntent) intent = vm_intent_new(INTENT_DELETE, moment_name(snapshot), flags);

    if (flags & DELETE(METADATA_ONLY))
        return forget_all(vm, doomed, err);
    if (!check_all(vm, doomed, err))
        return false;
    note_doomed(intent, doomed);
    intent->is_decided = true;
    if (!vm_intent_save(vm, intent, err))
        return false;
    g_autoptr(Error) why = NULL;
    const bool ok = forget_all(vm, doomed, &why) && vm_snapshot_finish_delete(vm, job, intent, &why);
    const bool is_cut_off = !ok && (error_code(why) == ERROR_VM_GONE || error_code(why) == ERROR_TIMEOUT ||
                                    fiber_is_cancelled(fiber_current()));
    if (is_cut_off && !job_is_aborted(job))
        vm_snapshot_settle_later(vm);
    else
        vm_intent_done(vm);
    return ok || error_propagate(err, g_steal_pointer(&why));
}

bool vm_snapshot_delete(Vm *vm, Moment *snapshot, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, DELETE(CHILDREN) | DELETE(METADATA_ONLY) | DELETE(CHILDREN_ONLY),
                     "qemuSnapshotDelete", err))
        return false;
    if ((flags & DELETE(CHILDREN)) && (flags & DELETE(CHILDREN_ONLY)))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flags 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN' and "
                         "'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY' are mutually exclusive");
    if (!job_begin(&vm->object, JOB_SNAPSHOT, caller, &job, err) ||
        !object_require_listed(&vm->object, err) || !vm_snapshot_settle(vm, &job, err))
        return false;
    if (!moment_require_there(snapshot, err) || !delete_locked(vm, &job, snapshot, flags, err))
        return false;
    log_info("snapshot '%s' of machine '%s' deleted by %s", moment_name(snapshot), vm->name,
             caller_describe(caller));
    return true;
}
