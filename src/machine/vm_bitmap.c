/* Bitmaps of disks, over chains of images. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "bitmap"
#include "machine/vm_bitmap.h"

#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_block_chain.h"
#include "machine/vm_device_private.h"
#include "machine/vm_query.h"

static bool refuse_broken(const DiskDef *disk, const char *name, Error **err)
{
    error_set(err, ERROR_CHECKPOINT_INCONSISTENT,
              "checkpoint inconsistent: missing or broken bitmap '%s' for disk '%s'", name, disk->target);
    return error_hint(err,
                      "what changed since then is not known any more: make a full backup with a new "
                      "checkpoint, then delete this one ('lodge checkpoint-delete DOMAIN %s --metadata')",
                      name);
}

bool bitmap_find_chain(const GPtrArray *bitmaps, const DiskDef *disk, const char *name, GPtrArray **ret_nodes,
                       Error **err)
{
    g_autoptr(GPtrArray) nodes = g_ptr_array_new_with_free_func(g_free);
    bool has_ended = false;

    for (const StorageSource *source = &disk->src; source && !storage_is_empty(source);
         source = source->backing) {
        g_autofree char *node = storage_node_name(source);
        const MonitorBitmap *bitmap = node ? monitor_find_bitmap(bitmaps, node, name) : NULL;
        if (!bitmap) {
            has_ended = true;
            continue;
        }
        if (has_ended || bitmap->inconsistent || !bitmap->persistent ||
            (nodes->len == 0 && !bitmap->recording))
            return refuse_broken(disk, name, err);
        g_ptr_array_add(nodes, g_steal_pointer(&node));
    }
    if (nodes->len == 0)
        return refuse_broken(disk, name, err);
    *ret_nodes = g_steal_pointer(&nodes);
    return true;
}

bool bitmap_copy_actions(Json *actions, const GPtrArray *bitmaps, const DiskDef *disk, const char *name,
                         const char *node, const char *copy, Error **err)
{
    g_autoptr(GPtrArray) nodes = NULL;

    if (!bitmap_find_chain(bitmaps, disk, name, &nodes, err))
        return false;
    const MonitorBitmap *top = monitor_find_bitmap(bitmaps, g_ptr_array_index(nodes, 0), name);
    monitor_bitmap_add(actions, node, copy, false, false, top->granularity);
    for (guint i = 0; i < nodes->len; i++)
        monitor_bitmap_merge(actions, node, copy, g_ptr_array_index(nodes, i), name);
    return true;
}

void bitmap_follow_actions(Json *actions, const GPtrArray *bitmaps, const char *active, const char *overlay)
{
    for (guint i = 0; i < bitmaps->len; i++) {
        const MonitorBitmap *bitmap = g_ptr_array_index(bitmaps, i);
        if (strcmp(bitmap->node, active) == 0 && bitmap->persistent && bitmap->recording &&
            !bitmap->inconsistent)
            monitor_bitmap_add(actions, overlay, bitmap->name, true, true, bitmap->granularity);
    }
}

/* ---- removing ---- */

/* An image below the active one is open for reading only; its bitmaps are removed from it all the same. */
typedef struct WritableImage {
    Vm *vm;
    Json *node; /* arguments of blockdev-add */
} WritableImage;

static bool reopen(const WritableImage *image, bool read_only, Error **err)
{
    json_object_set_new(image->node, "read-only", json_boolean(read_only));
    AUTO_JSON args = json_pack("{s:[O]}", "options", image->node);
    return qmp_exec(vm_monitor(image->vm), "blockdev-reopen", args, 0, NULL, err);
}

static void close_image(void *data)
{
    WritableImage *image = data;

    json_decref(image->node);
    g_free(image);
}

static void reopen_read_only(void *arg)
{
    const GPtrArray *images = arg;

    for (guint i = 0; i < images->len; i++) {
        const WritableImage *image = g_ptr_array_index(images, i);
        g_autoptr(Error) err = NULL;
        if (image->vm->run && image->vm->live && !reopen(image, true, &err))
            log_warning_error(err, "an image below the active one stays writable");
    }
}

static bool open_for_writing(Vm *vm, const DiskDef *disk, const char *name, GPtrArray *images, Error **err)
{
    g_autoptr(Plan) plan = NULL;

    if (!vm_disk_plan_medium(vm, disk, NULL, &plan, err))
        return false;
    const GPtrArray *steps = plan_steps(plan);
    for (guint i = 0; i < steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(steps, i);
        if (step->kind != PLAN_BLOCKDEV || g_strcmp0(json_get_str(step->object, "node-name"), name) != 0)
            continue;
        WritableImage *image = g_new0(WritableImage, 1);
        *image = (WritableImage){ .vm = vm, .node = json_deep_copy(step->object) };
        g_ptr_array_add(images, image);
        return reopen(image, false, err);
    }
    return error_set(err, ERROR_INTERNAL, "disk '%s' has no node '%s'", disk->target, name);
}

static bool append_removal(Vm *vm, const GPtrArray *bitmaps, const BitmapRemoval *removal, Json *actions,
                           GPtrArray *images, Error **err)
{
    const DiskDef *disk = removal->disk;
    bool is_top = true;

    for (const StorageSource *source = &disk->src; source && !storage_is_empty(source);
         source = source->backing, is_top = false) {
        g_autofree char *node = storage_node_name(source);
        if (!node || !monitor_find_bitmap(bitmaps, node, removal->name))
            continue;
        monitor_bitmap_remove(actions, node, removal->name);
        if (!is_top && !open_for_writing(vm, disk, node, images, err))
            return error_prefix(err, "opening an image below disk '%s'", disk->target);
    }
    return true;
}

bool bitmap_remove_all(Vm *vm, const GArray *removals, Error **err)
{
    AUTO_JSON actions = json_array();
    g_autoptr(GPtrArray) bitmaps = NULL;
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func(close_image);
    g_auto(Undo) undo = { 0 };

    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, err))
        return false;
    undo_push(&undo, reopen_read_only, images); /* in any case */
    for (guint i = 0; i < removals->len; i++) {
        if (!append_removal(vm, bitmaps, &g_array_index(removals, BitmapRemoval, i), actions, images, err))
            return false;
    }
    return monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, err);
}

/* ---- images that become one ---- */

static bool is_lasting(const MonitorBitmap *bitmap)
{
    return bitmap->persistent && bitmap->recording && !bitmap->inconsistent;
}

/* QEMU's plans of the disk's nodes need them. */
AWAITS static bool require_caps(Vm *vm, Error **err)
{
    return (vm->run->caps || vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, err)) &&
           vm_require_monitor(vm, err);
}

AWAITS static bool forget_all(Vm *vm, const char *target, GPtrArray *names, Error **err)
{
    g_autoptr(GArray) removals = g_array_new(FALSE, FALSE, sizeof(BitmapRemoval));

    if (names->len == 0)
        return true;
    if (!require_caps(vm, err))
        return false;
    for (guint i = 0; i < names->len; i++) {
        const BitmapRemoval removal = { .disk = domain_find_disk(vm->live, target),
                                        .name = g_ptr_array_index(names, i) };
        log_warning("machine '%s': what changed on disk '%s' since checkpoint '%s' will not be known: a full "
                    "backup is due",
                    vm->name, target, removal.name);
        g_array_append_val(removals, removal);
    }
    return bitmap_remove_all(vm, removals, err);
}

bool bitmap_carry_down(Vm *vm, const char *target, unsigned top, unsigned base, Error **err)
{
    DiskDef *disk = domain_find_disk(vm->live, target);
    const StorageSource *lower = chain_at(disk, base);
    g_autofree char *base_node = storage_node_name(lower);
    g_autoptr(GPtrArray) bitmaps = NULL;
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func(close_image);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    AUTO_JSON actions = json_array();
    g_auto(Undo) undo = { 0 };

    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, err))
        return false;
    for (guint i = 0; i < bitmaps->len; i++) {
        const MonitorBitmap *bitmap = g_ptr_array_index(bitmaps, i);
        const MonitorBitmap *below = monitor_find_bitmap(bitmaps, base_node, bitmap->name);
        bool is_above = false;
        for (unsigned k = top; k < base; k++) {
            g_autofree char *node = storage_node_name(chain_at(disk, k));
            is_above = is_above || g_strcmp0(node, bitmap->node) == 0;
        }
        if (!is_above || !bitmap->persistent || (below && is_lasting(below)) ||
            g_ptr_array_find_with_equal_func(names, bitmap->name, g_str_equal, NULL))
            continue;
        g_ptr_array_add(names, bitmap->name);
        monitor_bitmap_add(actions, base_node, bitmap->name, true, true, bitmap->granularity);
        if (below || bitmap->inconsistent)
            lower = NULL; /* nobody can say what changed */
    }
    if (names->len == 0)
        return true;
    if (!lower || lower->format != STORAGE_FORMAT_QCOW2)
        return forget_all(vm, target, names, err);
    undo_push(&undo, reopen_read_only, images);
    return require_caps(vm, err) && open_for_writing(vm, disk, base_node, images, err) &&
           monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, err);
}

bool bitmap_carry_up(Vm *vm, const char *target, unsigned base, Error **err)
{
    DiskDef *disk = domain_find_disk(vm->live, target);
    g_autofree char *active = storage_node_name(&disk->src);
    const StorageSource *end = base == UINT32_MAX ? NULL : chain_at(disk, base);
    g_autoptr(GPtrArray) bitmaps = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    AUTO_JSON actions = json_array();

    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, err))
        return false;
    for (const StorageSource *source = disk->src.backing; source && source != end; source = source->backing) {
        g_autofree char *node = storage_node_name(source);
        for (guint i = 0; node && i < bitmaps->len; i++) {
            const MonitorBitmap *bitmap = g_ptr_array_index(bitmaps, i);
            const MonitorBitmap *above = monitor_find_bitmap(bitmaps, active, bitmap->name);
            if (strcmp(bitmap->node, node) != 0 || !bitmap->persistent || !above || !is_lasting(above))
                continue;
            if (!bitmap->inconsistent)
                monitor_bitmap_merge(actions, active, bitmap->name, node, bitmap->name);
            else if (!g_ptr_array_find_with_equal_func(names, bitmap->name, g_str_equal, NULL))
                g_ptr_array_add(names, bitmap->name);
        }
    }
    return monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, err) &&
           forget_all(vm, target, names, err);
}

void bitmap_carry_over(Vm *vm, const char *target, bool is_shallow)
{
    DiskDef *disk = vm->live ? domain_find_disk(vm->live, target) : NULL;
    g_autofree char *active = disk ? storage_node_name(&disk->src) : NULL;
    g_autofree char *copy = disk && disk->mirror ? storage_node_name(&disk->mirror->src) : NULL;
    g_autoptr(GPtrArray) bitmaps = NULL;
    AUTO_JSON actions = json_array();
    g_autoptr(Error) err = NULL;

    if (!copy || disk->mirror->src.format != STORAGE_FORMAT_QCOW2)
        return;
    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, &err)) {
        log_warning_error(err, "the bitmaps of a disk that is left");
        return;
    }
    for (guint i = 0; i < bitmaps->len; i++) {
        const MonitorBitmap *bitmap = g_ptr_array_index(bitmaps, i);
        g_autoptr(GPtrArray) nodes = NULL;
        if (strcmp(bitmap->node, active) != 0 || !is_lasting(bitmap) ||
            !bitmap_find_chain(bitmaps, disk, bitmap->name, &nodes, NULL))
            continue;
        if (!monitor_find_bitmap(bitmaps, copy, bitmap->name))
            monitor_bitmap_add(actions, copy, bitmap->name, true, true, bitmap->granularity);
        for (guint k = 0; k < (is_shallow ? 1 : nodes->len); k++)
            monitor_bitmap_merge(actions, copy, bitmap->name, g_ptr_array_index(nodes, k), bitmap->name);
    }
    if (!monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, &err))
        log_warning_error(err, "a disk is left without its bitmaps: a full backup is due");
}
