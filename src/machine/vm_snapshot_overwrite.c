/* Block jobs that users ask for, and what they would take from snapshots.
 *
 * A commit writes to an image that may be what an external snapshot is. That is how such snapshots have been
 * removed for years (blockcommit, then snapshot-delete --metadata), so it is done; but from before it begins
 * the snapshot is noted as overwritten, and nobody is brought back to something that never was. Snapshots
 * inside of an image need what is below it; a job that would change that is refused. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_snapshot_private.h"
#include "storage/image_make.h"

#define OVERWRITTEN ".overwritten"

/* Is what @path is, or what snapshots inside of it are, changed by a commit of @top into @base? */
static bool is_changed(const GPtrArray *images, const char *path, bool is_inside, const char *top,
                       const char *base)
{
    const SnapshotImage *image = vm_snapshot_image_find(images, path);

    for (guint i = 0; image && i <= images->len; i++) {
        if (strcmp(image->path, top) == 0) /* it, and what is above, reads as before */
            return is_inside && strcmp(path, top) == 0;
        if (strcmp(image->path, base) == 0) /* what is inside of this one stays */
            return !is_inside || strcmp(path, base) != 0;
        image = vm_snapshot_image_find(images, image->base);
    }
    return false;
}

AWAITS static bool list_changed(Vm *vm, const GPtrArray *images, const char *top, const char *base,
                                GPtrArray *names, Error **err)
{
    g_autoptr(GPtrArray) snapshots = vm_snapshot_list_all(vm);

    for (guint i = 0; i < snapshots->len; i++) {
        const SnapshotDef *def = ((Moment *)g_ptr_array_index(snapshots, i))->def;
        bool is_lost = false;
        for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
            const DiskDef *disk = vm_snapshot_disk(def->domain, entry->name);
            const bool is_inside = entry->snapshot == DISK_SNAPSHOT_INTERNAL;
            g_autofree char *path = NULL;
            if (!disk || (!is_inside && entry->snapshot != DISK_SNAPSHOT_EXTERNAL) ||
                !vm_snapshot_path(vm->host, &disk->src, &path, NULL) ||
                !is_changed(images, path, is_inside, top, base))
                continue;
            if (is_inside) {
                error_set(err, ERROR_OPERATION_UNSUPPORTED,
                          "snapshot '%s' is inside of image '%s' and needs what is below that as it is",
                          def->name, path);
                return error_hint(err, "'lodge snapshot-delete %s %s' first", vm->name, def->name);
            }
            is_lost = true;
        }
        if (is_lost)
            g_ptr_array_add(names, g_strdup(def->name));
    }
    return true;
}

bool vm_snapshot_note_commit(Vm *vm, const char *top, const char *base, GPtrArray **ret_names, Error **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) snapshots = vm_snapshot_list_all(vm);
    g_autoptr(GPtrArray) images = NULL;

    if (snapshots->len > 0 && top && base) {
        if (!vm_snapshot_images(vm, &images, err) || !list_changed(vm, images, top, base, names, err))
            return false;
    }
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = vm_snapshot_own_path(vm, name, OVERWRITTEN);
        if (!vm_snapshot_make_own_folder(vm, err) || !file_replace(path, base, strlen(base), 0600, err)) {
            g_ptr_array_set_size(names, (int)i);
            vm_snapshot_unnote_commit(vm, names);
            return false;
        }
        log_warning("machine '%s': snapshot '%s' is lost: block-commit writes to '%s'", vm->name, name, base);
    }
    *ret_names = g_steal_pointer(&names);
    return true;
}

void vm_snapshot_unnote_commit(Vm *vm, const GPtrArray *names)
{
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = vm_snapshot_own_path(vm, g_ptr_array_index(names, i), OVERWRITTEN);
        g_autoptr(Error) err = NULL;
        if (!file_remove(path, &err))
            log_warning_error(err, "a snapshot that was not overwritten");
    }
}

bool vm_snapshot_is_lost(Vm *vm, const char *name, bool *ret_lost, Error **err)
{
    g_autofree char *path = vm_snapshot_own_path(vm, name, OVERWRITTEN);
    bool is_block = false;

    return image_is_there(path, ret_lost, &is_block, err);
}

bool vm_snapshot_require_whole(Vm *vm, const char *name, Error **err)
{
    bool is_lost = false;

    if (!vm_snapshot_is_lost(vm, name, &is_lost, err))
        return false;
    if (!is_lost)
        return true;
    error_set(err, ERROR_OPERATION_FAILED, "snapshot '%s' is no more: block-commit has written to its image",
              name);
    return error_hint(err, "'lodge snapshot-delete %s %s --metadata' forgets it", vm->name, name);
}

bool vm_snapshot_allow_pull(Vm *vm, const char *active, Error **err)
{
    g_autoptr(GPtrArray) snapshots = vm_snapshot_list_all(vm);
    g_autoptr(GPtrArray) images = NULL;

    if (snapshots->len == 0 || !active)
        return true;
    if (!vm_snapshot_images(vm, &images, err))
        return false;
    const SnapshotImage *image = vm_snapshot_image_find(images, active);
    if (!image || !image->is_kept)
        return true;
    error_set(err, ERROR_OPERATION_UNSUPPORTED,
              "there are snapshots inside of image '%s' that need what is below that", active);
    return error_hint(err, "'lodge snapshot-list %s --internal' tells which", vm->name);
}
