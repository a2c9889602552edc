/* The images of a machine and its snapshots: a forest, in which each image names the one below it. What of it
 * is needed follows from the documents; what may be removed is on the list of images that snapshots made.
 *
 * An image is *frozen* when what it is now is the state of an external snapshot. Images that are not frozen,
 * not written to and have one overlay can become one with it: the overlay goes down into the image, unless
 * there are snapshots inside of the overlay, which that would lose. Then both stay, which only costs space.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_block_job.h"
#include "machine/vm_snapshot_private.h"
#include "storage/image_make.h"
#include "storage/image_users.h"
#include "storage/source_name.h"

/* ---- what there is ---- */

static void image_free(void *data)
{
    SnapshotImage *image = data;

    g_free(image->path);
    g_free(image->base);
    g_free(image);
}

SnapshotImage *vm_snapshot_image_find(const GPtrArray *images, const char *path)
{
    for (guint i = 0; path && i < images->len; i++) {
        SnapshotImage *image = g_ptr_array_index(images, i);
        if (strcmp(image->path, path) == 0)
            return image;
    }
    return NULL;
}

static SnapshotImage *image_add(GPtrArray *images, const char *path)
{
    SnapshotImage *image = vm_snapshot_image_find(images, path);

    if (image)
        return image;
    image = g_new0(SnapshotImage, 1);
    image->path = g_strdup(path);
    image->format = "qcow2";
    g_ptr_array_add(images, image);
    return image;
}

/* Adds the image and all below it. */
AWAITS static bool images_follow(GPtrArray *images, const char *path, const char *format,
                                 SnapshotImage **ret_image, Error **err)
{
    SnapshotImage *top = vm_snapshot_image_find(images, path);
    g_autoptr(GPtrArray) layers = NULL;
    g_autoptr(Error) why = NULL;

    *ret_image = top;
    if (top)
        return true;
    if (!image_layers_read(path, format, &layers, &why)) {
        if (error_errno(why) != ENOENT)
            return error_propagate(err, g_steal_pointer(&why));
        *ret_image = image_add(images, path);
        (*ret_image)->is_missing = true; /* it, or one below */
        return true;
    }
    SnapshotImage *above = NULL;
    for (guint i = 0; i < layers->len; i++) {
        const ImageLayer *layer = g_ptr_array_index(layers, i);
        if (!layer->path)
            break;
        const bool is_known = vm_snapshot_image_find(images, layer->path) != NULL;
        SnapshotImage *image = image_add(images, layer->path);
        if (i == 0)
            *ret_image = image;
        image->format = layer->format;
        image->has_inside = layer->snapshots->len > 0;
        image->allocated_bytes = layer->allocated_bytes;
        image->is_broken = layer->is_broken;
        if (above) {
            above->base = g_strdup(image->path);
            image->n_overlays++;
        }
        if (is_known)
            break;
        above = image;
    }
    return true;
}

AWAITS static bool images_add_disk(Vm *vm, GPtrArray *images, const DiskDef *disk, SnapshotImage **ret_image,
                                   Error **err)
{
    g_autofree char *path = NULL;

    *ret_image = NULL;
    if (!disk || storage_is_empty(&disk->src) || disk->src.type == STORAGE_NETWORK)
        return true;
    if (!vm_snapshot_path(vm->host, &disk->src, &path, NULL))
        return true; /* folders, devices of other kinds: nothing of ours */
    return images_follow(images, path, vm_snapshot_format(&disk->src), ret_image, err);
}

AWAITS static bool images_add_present(Vm *vm, GPtrArray *images, const DomainDef *def, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def ? def->disks : NULL)) {
        SnapshotImage *image = NULL;
        if (!images_add_disk(vm, images, disk, &image, err))
            return false;
        if (image)
            image->is_active = true;
    }
    return true;
}

AWAITS static bool images_add_snapshot(Vm *vm, GPtrArray *images, const SnapshotDef *def, Error **err)
{
    bool is_lost = false;

    if (!vm_snapshot_is_lost(vm, def->name, &is_lost, err))
        return false;
    if (is_lost)
        return true;
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        SnapshotImage *image = NULL;
        const DiskDef *disk = vm_snapshot_disk(def->domain, entry->name);
        if (entry->snapshot != DISK_SNAPSHOT_INTERNAL && entry->snapshot != DISK_SNAPSHOT_EXTERNAL)
            continue;
        if (!images_add_disk(vm, images, disk, &image, err))
            return error_prefix(err, "snapshot '%s'", def->name);
        if (image && entry->snapshot == DISK_SNAPSHOT_INTERNAL)
            image->is_kept = true;
        else if (image)
            image->is_frozen = true;
    }
    return true;
}

bool vm_snapshot_images(Vm *vm, GPtrArray **ret_images, Error **err)
{
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func(image_free);
    g_autoptr(GPtrArray) snapshots = vm_snapshot_list_all(vm);

    if (!images_add_present(vm, images, vm->live, err) || !images_add_present(vm, images, vm->config, err))
        return false;
    for (guint i = 0; i < snapshots->len; i++) {
        if (!images_add_snapshot(vm, images, ((Moment *)g_ptr_array_index(snapshots, i))->def, err))
            return false;
    }
    for (guint i = 0; i < vm->snapshot_images->len; i++) {
        g_autofree char *path = g_strdup(g_ptr_array_index(vm->snapshot_images, i));
        SnapshotImage *image = NULL;
        g_autoptr(Error) why = NULL;
        if (!images_follow(images, path, "qcow2", &image, &why))
            log_warning_error(why, "an image that a snapshot made");
    }
    *ret_images = g_steal_pointer(&images);
    return true;
}

/* ---- who else needs it ---- */

char *vm_snapshot_strangers(Vm *vm, const GPtrArray *images, const char *path)
{
    g_autoptr(GPtrArray) users = image_list_users(vm->host, path, false, NULL);

    for (guint i = users->len; i-- > 0;) {
        const ImageUser *user = g_ptr_array_index(users, i);
        if (user->kind == IMAGE_USER_OVERLAY ? vm_snapshot_image_find(images, user->path) != NULL
                                             : strcmp(user->name, vm->name) == 0)
            g_ptr_array_remove_index(users, i);
    }
    return users->len ? image_users_describe(users) : NULL;
}

/* ---- changing documents ---- */

static void replace_source(StorageSource *source, const char *from, const char *to, const char *format)
{
    for (; source; source = source->backing) {
        if (g_strcmp0(source->path, from) != 0)
            continue;
        g_free(source->path);
        source->path = g_strdup(to);
        if (source->type == STORAGE_VOLUME) {
            source->type = STORAGE_FILE;
            g_clear_pointer(&source->pool, g_free);
        }
        source->format = strcmp(format, "qcow2") == 0 ? STORAGE_FORMAT_QCOW2 : STORAGE_FORMAT_RAW;
        StorageSource *below = source->backing;
        if (!below || g_strcmp0(below->path, to) != 0)
            continue;
        source->backing = below->backing;
        source->backing_ends = below->backing_ends;
        source->format = below->format;
        source->type = below->type;
        below->backing = NULL;
        source_free(below);
    }
}

/* @keeps_inside: what is inside of @from stays there. */
static void replace_in_machine(DomainDef *def, const SnapshotDef *snapshot, const ImageChange *change)
{
    for (DEF_EACH(DiskDef, disk, def ? def->disks : NULL)) {
        const SnapshotDisk *entry = snapshot ? vm_snapshot_entry(snapshot, disk->target) : NULL;
        const bool is_inside = entry && entry->snapshot == DISK_SNAPSHOT_INTERNAL;
        replace_source(change->keeps_inside && is_inside ? disk->src.backing : &disk->src, change->from,
                       change->to, change->format);
    }
}

AWAITS static bool replace_in_snapshot(Moment *snapshot, const ImageChange *change, Error **err)
{
    g_autoptr(SnapshotDef) def = xml_table_copy(&snapshot_table, snapshot->def);
    g_autoptr(GString) before = g_string_new(NULL);
    g_autoptr(GString) after = g_string_new(NULL);

    snapshot_def_format(def, MOMENT_FORMAT_STORED | MOMENT_FORMAT_SECURE, before);
    replace_in_machine(def->domain, def, change);
    replace_in_machine(def->inactive, def, change);
    for (DEF_EACH(SnapshotDisk, entry, def->disks))
        replace_source(&entry->src, change->from, change->to, change->format);
    snapshot_def_format(def, MOMENT_FORMAT_STORED | MOMENT_FORMAT_SECURE, after);
    if (g_string_equal(before, after))
        return true;
    if (!moment_replace(snapshot, def, err))
        return false;
    (void)g_steal_pointer(&def);
    return true;
}

AWAITS static bool replace_in_config(Vm *vm, const ImageChange *change, Error **err)
{
    g_autoptr(DomainDef) config = vm->config ? domain_def_copy(vm->config) : NULL;

    if (!config)
        return true;
    replace_in_machine(config, NULL, change);
    g_autofree char *before = vm_xml_format(vm->config, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
    g_autofree char *after = vm_xml_format(config, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
    if (strcmp(before, after) == 0)
        return true;
    if (!object_store(vm->host, &domain_class, config, err))
        return false;
    object_set_config(&vm->object, g_steal_pointer(&config));
    return true;
}

bool vm_snapshot_replace_image(Vm *vm, const ImageChange *change, Error **err)
{
    g_autoptr(GPtrArray) snapshots = vm_snapshot_list_all(vm);

    if (!replace_in_config(vm, change, err))
        return false;
    for (guint i = 0; i < snapshots->len; i++) {
        if (!replace_in_snapshot(g_ptr_array_index(snapshots, i), change, err))
            return false;
    }
    return true;
}

/* ---- merging ---- */

typedef struct MergeProgress {
    Vm *vm;
    Job *job;
    uint64_t total;
} MergeProgress;

static void merge_tell(void *arg, unsigned per_mille)
{
    const MergeProgress *progress = arg;
    const JobProgress now = { .type = VIR_DOMAIN_JOB_BOUNDED,
                              .operation = VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_DELETE,
                              .data_total = progress->total,
                              .data_processed = progress->total * per_mille / 1000,
                              .data_remaining = progress->total - progress->total * per_mille / 1000,
                              .disk_total = progress->total,
                              .disk_processed = progress->total * per_mille / 1000,
                              .disk_remaining = progress->total - progress->total * per_mille / 1000 };

    job_set_progress(progress->job, &now);
}

/* The disk of the running machine that has @path in its chain, and at which place. */
static const DiskDef *find_live(const Vm *vm, const char *path, unsigned *ret_index)
{
    for (DEF_EACH(DiskDef, disk, vm->live ? vm->live->disks : NULL)) {
        unsigned i = 0;
        for (const StorageSource *source = &disk->src; source; source = source->backing, i++) {
            if (g_strcmp0(source->path, path) != 0)
                continue;
            *ret_index = i;
            return disk;
        }
    }
    return NULL;
}

/* Those that have @from as their base have @to from now on. QEMU sees to what it has open. */
AWAITS static bool rebase_children(const Vm *vm, const GPtrArray *images, const char *from, const char *to,
                                   const char *to_format, Error **err)
{
    for (guint i = 0; i < images->len; i++) {
        const SnapshotImage *child = g_ptr_array_index(images, i);
        unsigned index = 0;
        if (g_strcmp0(child->base, from) == 0 && strcmp(child->path, to) != 0 && !child->is_missing &&
            !find_live(vm, child->path, &index) &&
            !image_name_base(child->path, child->format, to, to_format, err))
            return false;
    }
    return true;
}

bool vm_snapshot_move_image(Vm *vm, const ImageChange *change, Error **err)
{
    g_autoptr(GPtrArray) images = NULL;

    return vm_snapshot_images(vm, &images, err) &&
           rebase_children(vm, images, change->from, change->to, change->format, err) &&
           vm_snapshot_replace_image(vm, change, err);
}

/* @base cannot have the bitmaps of @top: those above do not tell all any more. None of them is in use. */
AWAITS static bool forget_bitmaps_above(const GPtrArray *images, const SnapshotImage *top,
                                        const SnapshotImage *base, Error **err)
{
    for (guint i = 0; strcmp(base->format, "qcow2") != 0 && i < images->len; i++) {
        const SnapshotImage *image = g_ptr_array_index(images, i), *below = image;
        while (below && below != top)
            below = vm_snapshot_image_find(images, below->base);
        if (below && image != top && !image->is_missing && !image_forget_bitmaps(image->path, err))
            return false;
    }
    return true;
}

AWAITS static bool merge_down(Vm *vm, Job *job, const GPtrArray *images, const SnapshotImage *top,
                              const SnapshotImage *base, Error **err)
{
    unsigned index = 0, below = 0;
    const DiskDef *disk = find_live(vm, top->path, &index);
    MergeProgress progress = { .vm = vm, .job = job, .total = top->allocated_bytes };

    job_set_phase(job, "merging images");
    if (disk) {
        g_autoptr(GPtrArray) left = NULL;
        g_autofree char *target = g_strdup(disk->target);
        if (!vm_chain_commit(vm, target, index, index + 1, job, &left, err))
            return false;
    } else if (!base->is_active && /* else QEMU did it, and what the guest has written since is there only */
               !find_live(vm, base->path, &below) &&
               (!forget_bitmaps_above(images, top, base, err) ||
                !image_commit_down(top->path, top->format, merge_tell, &progress, err))) {
        return false;
    }
    return rebase_children(vm, images, top->path, base->path, base->format, err);
}

AWAITS static void remove_image(Vm *vm, const char *path)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_autoptr(Error) err = NULL;

    g_ptr_array_add(paths, (char *)path);
    image_unlink(path);
    if (!vm_snapshot_own_images(vm, NULL, paths, &err))
        log_error_error(err, "the list of images that snapshots made is behind");
}

bool vm_snapshot_merge(Vm *vm, Job *job, const GPtrArray *images, const char *from, const char *to,
                       Error **err)
{
    const SnapshotImage *top = vm_snapshot_image_find(images, from);
    const SnapshotImage *base = vm_snapshot_image_find(images, to);

    if (!base && !top) /* it was done, and then nobody needed @to */
        return true;
    if (!base)
        return error_set(err, ERROR_OPERATION_FAILED, "image '%s' is not there any more", to);
    const ImageChange change = { .from = from, .to = to, .format = base->format };
    if (top && !top->is_missing && !merge_down(vm, job, images, top, base, err))
        return false;
    if (!vm_snapshot_replace_image(vm, &change, err))
        return false;
    if (vm_snapshot_owns_image(vm, from))
        remove_image(vm, from);
    return true;
}

static bool has_path(const GPtrArray *paths, const char *path)
{
    for (guint i = 0; paths && i < paths->len; i++) {
        if (strcmp(g_ptr_array_index(paths, i), path) == 0)
            return true;
    }
    return false;
}

static const SnapshotImage *find_overlay(const GPtrArray *images, const SnapshotImage *base)
{
    for (guint i = 0; i < images->len; i++) {
        const SnapshotImage *image = g_ptr_array_index(images, i);
        if (g_strcmp0(image->base, base->path) == 0)
            return image;
    }
    return NULL;
}

static bool is_idle(const SnapshotImage *image)
{
    return !image->is_active && !image->is_frozen && !image->is_missing;
}

static bool may_go(Vm *vm, const SnapshotImage *image)
{
    return image->n_overlays == 0 && is_idle(image) && !image->is_kept &&
           vm_snapshot_owns_image(vm, image->path);
}

static bool may_merge(Vm *vm, const SnapshotImage *base, const SnapshotImage *top, const GPtrArray *bases)
{
    return bases && is_idle(base) && base->n_overlays == 1 && top && !top->has_inside && !top->is_missing &&
           !may_go(vm, top) && (has_path(bases, base->path) || vm_snapshot_owns_image(vm, base->path));
}

AWAITS static bool collect_one(Vm *vm, Job *job, VmIntent *intent, const GPtrArray *images,
                               const SnapshotImage *image, const GPtrArray *bases, bool *ret_done,
                               Error **err)
{
    const bool is_leaf = may_go(vm, image);
    const SnapshotImage *top = find_overlay(images, image);
    g_autofree char *strangers = NULL;

    *ret_done = false;
    if (!is_leaf && !may_merge(vm, image, top, bases))
        return true;
    strangers = vm_snapshot_strangers(vm, images, image->path);
    if (strangers) {
        log_info("image '%s' stays: it is needed by %s", image->path, strangers);
        return true;
    }
    *ret_done = true;
    if (is_leaf) {
        remove_image(vm, image->path);
        return true;
    }
    /* Cut off between two documents it is finished from this alone. */
    g_ptr_array_set_size(intent->disks, 0);
    g_ptr_array_set_size(intent->paths, 0);
    g_ptr_array_set_size(intent->nodes, 0);
    vm_intent_add(intent, "merge", top->path, image->path);
    return vm_intent_save(vm, intent, err) && vm_snapshot_merge(vm, job, images, top->path, image->path, err);
}

bool vm_snapshot_collect(Vm *vm, Job *job, VmIntent *intent, const GPtrArray *bases, Error **err)
{
    bool is_changed = true;

    while (is_changed) {
        g_autoptr(GPtrArray) images = NULL;
        is_changed = false;
        if (!vm_snapshot_images(vm, &images, err))
            return false;
        for (guint i = 0; i < images->len && !is_changed; i++) {
            if (job_is_aborted(job))
                return error_set(err, ERROR_CANCELLED, "the job was aborted");
            if (!collect_one(vm, job, intent, images, g_ptr_array_index(images, i), bases, &is_changed, err))
                return false;
        }
    }
    return true;
}

void vm_snapshot_mend(Vm *vm)
{
    g_autoptr(GPtrArray) images = NULL;
    g_autoptr(Error) err = NULL;

    if (!vm_snapshot_images(vm, &images, &err)) {
        log_warning_error(err, "images of snapshots");
        return;
    }
    for (guint i = 0; i < images->len; i++) {
        const SnapshotImage *image = g_ptr_array_index(images, i);
        unsigned index = 0;
        if (image->is_missing || strcmp(image->format, "qcow2") != 0 || find_live(vm, image->path, &index) ||
            (!image->is_active && !image->is_kept && !image->is_frozen &&
             !vm_snapshot_owns_image(vm, image->path)))
            continue;
        if (!image_mend_leaks(image->path, &err))
            log_warning_error(err, image->path);
        g_clear_pointer(&err, error_free);
    }
}

AWAITS static bool check_sound(const Vm *vm, const SnapshotImage *image, Error **err)
{
    return (image->is_active && vm_is_running(vm)) || image_require_sound(image->path, image->format, err);
}

bool vm_snapshot_check_merges(const Vm *vm, const GPtrArray *images, const GPtrArray *bases, Error **err)
{
    for (guint i = 0; i < bases->len; i++) {
        const SnapshotImage *base = vm_snapshot_image_find(images, g_ptr_array_index(bases, i));
        const SnapshotImage *top = base && base->n_overlays == 1 ? find_overlay(images, base) : NULL;
        if (!top || top->has_inside || top->is_missing || base->is_missing)
            continue;
        if (!check_sound(vm, base, err) || !check_sound(vm, top, err))
            return false;
        const uint64_t free_bytes = image_free_bytes(base->path);
        if (top->allocated_bytes <= free_bytes)
            continue;
        error_set(err, ERROR_OPERATION_FAILED,
                  "no space to merge '%s' into '%s': %" PRIu64 " bytes may be needed, %" PRIu64 " are free",
                  top->path, base->path, top->allocated_bytes, free_bytes);
        return error_hint(err, "make room, or only forget the snapshot: --metadata");
    }
    return true;
}
