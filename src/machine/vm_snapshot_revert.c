/* Going back to a snapshot.
 *
 * Of an external one the image stays as it is, for it is the snapshot; the machine goes on in a new overlay.
 * A snapshot inside of an image is applied to it, unless the image as it is now is needed: then that is
 * copied first, and the copy stands for it. What a snapshot does not keep stays as it is.
 *
 * All that can be refused is refused, and all images are made, before anything is given up. Then the journal
 * is decided: from there on the way leads forward, in this daemon or in the next. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_block_job.h"
#include "machine/vm_snapshot_private.h"
#include "storage/image_make.h"
#include "storage/source_name.h"

#define REVERT(flag) VIR_DOMAIN_SNAPSHOT_REVERT_##flag
#define NAMES_TRIED 10000

/* Kinds of steps in the journal. */
#define STEP_OVERLAY "overlay" /* path: what was made; node: the target */
#define STEP_COPY "copy"       /* path: the image; node: its copy */
#define STEP_APPLY "apply"     /* path: the image */

typedef struct Revert {
    Vm *vm;
    Job *job;
    Moment *snapshot;
    unsigned flags;
    VmIntent *intent;
    GPtrArray *images;   /* SnapshotImage */
    DomainDef *domain;   /* what will run */
    DomainDef *inactive; /* what will be defined */
} Revert;

static void revert_clear(Revert *revert)
{
    domain_def_free(revert->domain);
    domain_def_free(revert->inactive);
    vm_intent_free(revert->intent);
    if (revert->images)
        g_ptr_array_unref(revert->images);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Revert, revert_clear)

/* ---- new images ---- */

/* The first free one of NAME, NAME-2, NAME-3 ... */
AWAITS static bool find_free_name(const Revert *revert, const char *name, char **ret_path, Error **err)
{
    for (unsigned i = 1; i < NAMES_TRIED; i++) {
        g_autofree char *path = i == 1 ? g_strdup(name) : g_strdup_printf("%s-%u", name, i);
        bool exists = false, is_block = false, is_taken = false;
        if (!image_is_there(path, &exists, &is_block, err))
            return false;
        for (guint k = 0; k < revert->intent->paths->len; k++)
            is_taken = is_taken || strcmp(g_ptr_array_index(revert->intent->paths, k), path) == 0 ||
                       strcmp(g_ptr_array_index(revert->intent->nodes, k), path) == 0;
        if (exists || is_taken || vm_snapshot_image_find(revert->images, path))
            continue;
        *ret_path = g_steal_pointer(&path);
        return true;
    }
    return error_set(err, ERROR_OPERATION_FAILED, "there are too many images called '%s'", name);
}

static SnapshotImage *require_image(const Revert *revert, const char *path, const char *target, Error **err)
{
    SnapshotImage *image = vm_snapshot_image_find(revert->images, path);

    if (!image || image->is_missing) {
        error_set(err, ERROR_OPERATION_FAILED,
                  "image '%s' of disk '%s', or one below it, is not there any more", path, target);
        return NULL;
    }
    if (image->is_broken) {
        error_set(err, ERROR_OPERATION_FAILED, "image '%s' of disk '%s' is damaged: see 'qemu-img check'",
                  path, target);
        return NULL;
    }
    return image;
}

/* @disk goes on in a new overlay of its image. */
AWAITS static bool plan_overlay(Revert *revert, const DiskDef *disk, const char *path, Error **err)
{
    const SnapshotDisk *entry = vm_snapshot_entry(revert->snapshot->def, disk->target);
    const SnapshotImage *image = require_image(revert, path, disk->target, err);
    g_autofree char *made_up = NULL, *overlay = NULL;

    if (!image)
        return false;
    if (entry && entry->src.path && entry->src.type == STORAGE_FILE)
        made_up = g_strdup(entry->src.path);
    else if (disk->src.type == STORAGE_BLOCK || strncmp(path, "/dev/", 5) == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "there is no place for a new image of disk '%s' beside '%s'", disk->target, path);
    else
        made_up = g_strdup_printf("%s.%s", path, moment_name(revert->snapshot));
    if (!find_free_name(revert, made_up, &overlay, err))
        return false;
    vm_intent_add(revert->intent, STEP_OVERLAY, overlay, disk->target);
    return true;
}

/* Is something based on @image, however far above, that stays? */
static bool has_lasting_overlay(const Revert *revert, const SnapshotImage *image)
{
    for (guint i = 0; i < revert->images->len; i++) {
        const SnapshotImage *above = g_ptr_array_index(revert->images, i), *below = above;
        if (!above->is_frozen && !above->is_kept && vm_snapshot_owns_image(revert->vm, above->path))
            continue;
        for (guint k = 0; below && k < revert->images->len && above != image; k++) {
            below = vm_snapshot_image_find(revert->images, below->base);
            if (below == image)
                return true;
        }
    }
    return false;
}

AWAITS static bool plan_inside(Revert *revert, const DiskDef *disk, const char *path, Error **err)
{
    SnapshotImage *image = require_image(revert, path, disk->target, err);
    g_autoptr(GPtrArray) layers = NULL;

    if (!image || !image_layers_read(path, "qcow2", &layers, err))
        return false;
    if (!image_layer_has(g_ptr_array_index(layers, 0), moment_name(revert->snapshot)))
        return error_set(err, ERROR_OPERATION_FAILED, "image '%s' of disk '%s' has no snapshot '%s' inside",
                         path, disk->target, moment_name(revert->snapshot));
    g_autofree char *strangers = vm_snapshot_strangers(revert->vm, revert->images, path);
    if (strangers)
        return error_set(err, ERROR_INVALID_STATE,
                         "cannot change image '%s' of disk '%s': it is needed by %s", path, disk->target,
                         strangers);
    if (image->is_frozen || has_lasting_overlay(revert, image)) {
        g_autofree char *made_up = g_strdup_printf("%s.kept", path);
        g_autofree char *copy = NULL;
        if (vm_is_running(revert->vm) && image->is_active) {
            error_set(err, ERROR_INVALID_STATE,
                      "image '%s' of disk '%s' has to be copied first, and the running machine writes to it",
                      path, disk->target);
            return error_hint(err, "shut the machine off, then go back");
        }
        if (!find_free_name(revert, made_up, &copy, err))
            return false;
        vm_intent_add(revert->intent, STEP_COPY, path, copy);
    }
    vm_intent_add(revert->intent, STEP_APPLY, path, disk->target);
    return true;
}

/* What the snapshot does not keep stays what it is. */
static void keep_present(Revert *revert, DiskDef *disk)
{
    const Vm *vm = revert->vm;
    const DiskDef *present = vm_snapshot_disk(vm->config ? vm->config : vm->live, disk->target);

    if (present)
        vm_snapshot_put_source(disk, xml_table_copy(&backing_table, &present->src));
}

AWAITS static bool plan_disks(Revert *revert, Error **err)
{
    const SnapshotDef *def = revert->snapshot->def;

    for (DEF_EACH(DiskDef, disk, revert->domain->disks)) {
        const SnapshotDisk *entry = vm_snapshot_entry(def, disk->target);
        g_autofree char *path = NULL;
        if (vm_is_running(revert->vm) && !vm_block_job_require_none(revert->vm, disk->target, err))
            return false;
        if (!entry ||
            (entry->snapshot != DISK_SNAPSHOT_INTERNAL && entry->snapshot != DISK_SNAPSHOT_EXTERNAL)) {
            keep_present(revert, disk);
            continue;
        }
        if (!vm_snapshot_path(revert->vm->host, &disk->src, &path, err) ||
            !(entry->snapshot == DISK_SNAPSHOT_EXTERNAL ? plan_overlay(revert, disk, path, err)
                                                        : plan_inside(revert, disk, path, err)))
            return false;
    }
    return true;
}

static void tell_progress(void *arg, unsigned per_mille)
{
    const JobProgress now = { .type = VIR_DOMAIN_JOB_BOUNDED,
                              .operation = VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT,
                              .data_total = 1000,
                              .data_processed = per_mille,
                              .data_remaining = 1000 - per_mille };

    job_set_progress(arg, &now);
}

AWAITS static bool make_copy(Revert *revert, const char *path, const char *copy, Error **err)
{
    const SnapshotImage *image = vm_snapshot_image_find(revert->images, path);
    const SnapshotImage *base = vm_snapshot_image_find(revert->images, image->base);

    if (vm_is_running(revert->vm)) /* a frozen image is below the disk, and is not written to */
        log_debug("copying '%s', which a running machine reads", path);
    return image_copy_top(path, "qcow2", image->base, base ? base->format : NULL, copy, tell_progress,
                          revert->job, err);
}

AWAITS static bool make_images(Revert *revert, Error **err)
{
    const VmIntent *intent = revert->intent;

    job_set_phase(revert->job, "making images");
    for (guint i = 0; i < intent->disks->len; i++) {
        const char *step = g_ptr_array_index(intent->disks, i);
        const char *path = g_ptr_array_index(intent->paths, i);
        const char *node = g_ptr_array_index(intent->nodes, i);
        if (strcmp(step, STEP_COPY) == 0 && !make_copy(revert, path, node, err))
            return false;
        if (strcmp(step, STEP_OVERLAY) != 0)
            continue;
        DiskDef *disk = vm_snapshot_disk(revert->domain, node);
        g_autofree char *base = NULL;
        if (!vm_snapshot_path(revert->vm->host, &disk->src, &base, err))
            return false;
        const SnapshotImage *image = vm_snapshot_image_find(revert->images, base);
        g_autoptr(GPtrArray) layers = NULL;
        if (!image_layers_read(base, image->format, &layers, err) ||
            !image_overlay_make(path, "qcow2", false, base, image->format,
                                ((ImageLayer *)g_ptr_array_index(layers, 0))->virtual_bytes, err))
            return false;
    }
    return true;
}

/* Paths that the plan makes; borrowed by the array. */
static GPtrArray *list_made(const VmIntent *intent)
{
    GPtrArray *made = g_ptr_array_new();

    for (guint i = 0; i < intent->disks->len; i++) {
        const char *step = g_ptr_array_index(intent->disks, i);
        if (strcmp(step, STEP_OVERLAY) == 0)
            g_ptr_array_add(made, g_ptr_array_index(intent->paths, i));
        else if (strcmp(step, STEP_COPY) == 0)
            g_ptr_array_add(made, g_ptr_array_index(intent->nodes, i));
    }
    return made;
}

void vm_snapshot_undo_revert(Vm *vm, const VmIntent *intent)
{
    g_autoptr(GPtrArray) made = list_made(intent);
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    for (guint i = 0; i < made->len; i++)
        image_unlink(g_ptr_array_index(made, i));
    if (made->len && !vm_snapshot_own_images(vm, NULL, made, &err))
        log_error_error(err, "the list of images that snapshots made is behind");
    vm_intent_done(vm);
    fiber_shield_end();
}

/* ---- the definition ---- */

/* Disks of @def that are those of the snapshot get what those have. */
static void take_sources(const Revert *revert, DomainDef *def)
{
    const DomainDef *was = snapshot_def(revert->snapshot)->domain;

    for (DEF_EACH(DiskDef, disk, def->disks)) {
        const DiskDef *old = vm_snapshot_disk(was, disk->target);
        const DiskDef *now = vm_snapshot_disk(revert->domain, disk->target);
        if (def != revert->domain && old && now && g_strcmp0(old->src.path, disk->src.path) == 0)
            vm_snapshot_put_source(disk, xml_table_copy(&backing_table, &now->src));
    }
}

static void put_overlays(const Revert *revert)
{
    for (guint i = 0; i < revert->intent->disks->len; i++) {
        if (strcmp(g_ptr_array_index(revert->intent->disks, i), STEP_OVERLAY) != 0)
            continue;
        StorageSource *overlay = source_new(STORAGE_FILE);
        overlay->path = g_strdup(g_ptr_array_index(revert->intent->paths, i));
        overlay->format = STORAGE_FORMAT_QCOW2;
        vm_snapshot_put_source(vm_snapshot_disk(revert->domain, g_ptr_array_index(revert->intent->nodes, i)),
                               overlay);
    }
}

static void set_name(DomainDef *def, const char *name)
{
    g_free(def->name);
    def->name = g_strdup(name);
}

/* The machine may have been renamed since. */
static void make_definitions(Revert *revert)
{
    const SnapshotDef *def = revert->snapshot->def;

    put_overlays(revert);
    revert->inactive = domain_def_copy(def->inactive ? def->inactive : def->domain);
    take_sources(revert, revert->inactive);
    set_name(revert->domain, revert->vm->name);
    set_name(revert->inactive, revert->vm->name);
}

/* ---- forward ---- */

/* The copy stands for what the image is before something else is applied to it. */
AWAITS static bool finish_copies(Vm *vm, const VmIntent *intent, Error **err)
{
    for (guint i = 0; i < intent->disks->len; i++) {
        const ImageChange change = { .from = g_ptr_array_index(intent->paths, i),
                                     .to = g_ptr_array_index(intent->nodes, i),
                                     .format = "qcow2",
                                     .keeps_inside = true };
        if (strcmp(g_ptr_array_index(intent->disks, i), STEP_COPY) == 0 &&
            !vm_snapshot_move_image(vm, &change, err))
            return false;
    }
    return true;
}

AWAITS static bool finish_applying(const VmIntent *intent, Error **err)
{
    for (guint i = 0; i < intent->disks->len; i++) {
        if (strcmp(g_ptr_array_index(intent->disks, i), STEP_APPLY) == 0 &&
            !image_moment_do(g_ptr_array_index(intent->paths, i), IMAGE_MOMENT_APPLY, intent->snapshot, err))
            return false;
    }
    return true;
}

/* Where the overlay of the snapshot goes with the present, the new one is what was written to from then on.
 */
AWAITS static bool finish_entries(Vm *vm, const VmIntent *intent, Moment *snapshot, Error **err)
{
    g_autoptr(SnapshotDef) def = xml_table_copy(&snapshot_table, snapshot->def);
    g_autoptr(GPtrArray) images = NULL;
    bool is_changed = false;

    if (!vm_snapshot_images(vm, &images, err))
        return false;
    for (guint i = 0; i < intent->disks->len; i++) {
        SnapshotDisk *entry = vm_snapshot_entry(def, g_ptr_array_index(intent->nodes, i));
        const SnapshotImage *old = entry ? vm_snapshot_image_find(images, entry->src.path) : NULL;
        if (strcmp(g_ptr_array_index(intent->disks, i), STEP_OVERLAY) != 0 || !entry ||
            entry->src.type != STORAGE_FILE ||
            (old && (old->is_frozen || old->is_kept || old->n_overlays ||
                     !vm_snapshot_owns_image(vm, entry->src.path))))
            continue;
        g_free(entry->src.path);
        entry->src.path = g_strdup(g_ptr_array_index(intent->paths, i));
        is_changed = true;
    }
    if (!is_changed)
        return true;
    if (!moment_replace(snapshot, def, err))
        return false;
    (void)g_steal_pointer(&def);
    return true;
}

AWAITS static bool drop_managed_save(Vm *vm, Error **err)
{
    g_autofree char *path = vm_save_path(vm->host, vm->name);

    if (!vm->has_managed_save)
        return true;
    if (!file_remove(path, err))
        return false;
    vm->has_managed_save = false;
    return true;
}

AWAITS static bool finish_disks(Vm *vm, Job *job, VmIntent *intent, Moment *snapshot, Error **err)
{
    DomainDef *config = NULL;

    job_set_phase(job, "going back");
    if (!finish_copies(vm, intent, err) || !finish_applying(intent, err) ||
        !vm_snapshot_restore_state(vm, snapshot, err) || !drop_managed_save(vm, err) ||
        !vm_xml_parse(vm->host, intent->document, strlen(intent->document), "(snapshot)", VM_XML_TRUSTED,
                      &config, err))
        return false;
    if (vm->was_transient) {
        object_set_config(&vm->object, config);
    } else if (object_store(vm->host, &domain_class, config, err)) {
        object_set_config(&vm->object, config);
    } else {
        domain_def_free(config);
        return false;
    }
    return finish_entries(vm, intent, snapshot, err) && moment_set_current(vm->snapshots, snapshot, err) &&
           vm_snapshot_collect(vm, job, intent, NULL, err);
}

/* As the snapshot was, with the disks of now. */
static DomainDef *make_running(const Vm *vm, const Moment *snapshot)
{
    DomainDef *def = domain_def_copy(snapshot_def(snapshot)->domain);

    set_name(def, vm->name);
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        const DiskDef *now = vm_snapshot_disk(vm->config, disk->target);
        if (now)
            vm_snapshot_put_source(disk, xml_table_copy(&backing_table, &now->src));
    }
    return def;
}

static bool is_to_run(const SnapshotDef *def, unsigned flags)
{
    return vm_snapshot_has_memory(def) || (flags & (REVERT(RUNNING) | REVERT(PAUSED)));
}

AWAITS static bool finish_start(Vm *vm, Job *job, const Moment *snapshot, unsigned flags, Error **err)
{
    const SnapshotDef *def = snapshot->def;
    VmStartSpec spec = VM_START_SPEC_INIT;
    const bool was_paused = vm_snapshot_has_memory(def) && def->state == SNAPSHOT_PAUSED;

    spec.incoming_def = make_running(vm, snapshot);
    spec.paused = flags & REVERT(PAUSED) ? true : flags & REVERT(RUNNING) ? false : was_paused;
    spec.started_detail = VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT;
    spec.reset_nvram = flags & REVERT(RESET_NVRAM);
    if (vm_snapshot_has_memory(def)) {
        spec.running_reason = VIR_DOMAIN_RUNNING_FROM_SNAPSHOT;
        spec.paused_reason = VIR_DOMAIN_PAUSED_FROM_SNAPSHOT;
    }
    if (def->memory == DISK_SNAPSHOT_INTERNAL)
        spec.snapshot = def;
    return def->memory == DISK_SNAPSHOT_EXTERNAL ? vm_restore_state(vm, job, def->memory_file, &spec, err)
                                                 : vm_start_process(vm, job, &spec, err);
}

AWAITS static bool go_forward(Vm *vm, Job *job, VmIntent *intent, Moment *snapshot, Error **err)
{
    const bool is_transient = vm_is_running(vm) && !vm->config;

    if (is_transient) { /* it does not go with its QEMU */
        vm->was_transient = true;
        object_set_config(&vm->object, domain_def_copy(vm->live));
    }
    if (vm_is_running(vm))
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT, VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT);
    if (vm_is_running(vm))
        return error_set(err, ERROR_OPERATION_FAILED, "QEMU of domain '%s' cannot be ended", vm->name);
    bool ok = intent->is_live || finish_disks(vm, job, intent, snapshot, err);
    if (ok && is_to_run(snapshot->def, intent->flags)) {
        intent->is_live = true; /* only the start is left */
        ok = vm_intent_save(vm, intent, err) && finish_start(vm, job, snapshot, intent->flags, err);
    }
    if (vm->was_transient) {
        vm->was_transient = false;
        object_set_config(&vm->object, NULL);
        if (!vm_is_running(vm))
            object_unregister(&vm->object);
    }
    vm_intent_done(vm);
    if (ok && vm->config)
        vm_publish_lifecycle(vm, VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT);
    return ok;
}

bool vm_snapshot_finish_revert(Vm *vm, Job *job, VmIntent *intent, Error **err)
{
    g_autoptr(Moment) snapshot = vm_snapshot_find(vm, intent->snapshot, err);

    return snapshot && job_commit(job, err) && go_forward(vm, job, intent, snapshot, err);
}

/* ---- the call ---- */

AWAITS static bool check_revert(Vm *vm, const Moment *snapshot, unsigned flags, Error **err)
{
    const SnapshotDef *def = snapshot->def;

    if (!moment_require_there(snapshot, err) || !vm_snapshot_require_whole(vm, moment_name(snapshot), err) ||
        !moment_require_there(snapshot, err))
        return false;
    if (!vm->config && !is_to_run(def, flags))
        return error_set(err, ERROR_INVALID_STATE,
                         "transient domain needs to request run or pause to revert to inactive snapshot");
    if (vm->has_managed_save && !vm_snapshot_has_memory(def) && !(flags & REVERT(FORCE)))
        return error_set(err, ERROR_SNAPSHOT_RISKY,
                         "snapshot without memory state, removal of existing managed saved state strongly "
                         "recommended to avoid corruption");
    if (!vm_check_name(vm->name, err) || !domain_def_check_gaps(def->domain, err))
        return false;
    return !vm_is_running(vm) || vm_require_monitor(vm, err);
}

AWAITS static bool check_memory(const Moment *snapshot, Error **err)
{
    bool exists = false, is_block = false;

    if (snapshot_def(snapshot)->memory != DISK_SNAPSHOT_EXTERNAL)
        return true;
    return image_is_there(snapshot_def(snapshot)->memory_file, &exists, &is_block, err) &&
           (exists ||
            error_set(err, ERROR_OPERATION_FAILED, "the memory of snapshot '%s' is not there any more: '%s'",
                      moment_name(snapshot), snapshot_def(snapshot)->memory_file));
}

AWAITS static bool prepare(Revert *revert, Error **err)
{
    g_autoptr(GPtrArray) made = NULL;

    revert->domain = domain_def_copy(snapshot_def(revert->snapshot)->domain);
    if (!check_memory(revert->snapshot, err) || !vm_snapshot_images(revert->vm, &revert->images, err) ||
        !plan_disks(revert, err))
        return false;
    made = list_made(revert->intent);
    if (!vm_intent_save(revert->vm, revert->intent, err))
        return false;
    if ((made->len && !vm_snapshot_own_images(revert->vm, made, NULL, err)) || !make_images(revert, err)) {
        vm_snapshot_undo_revert(revert->vm, revert->intent);
        return false;
    }
    make_definitions(revert);
    revert->intent->document = vm_xml_format(revert->inactive, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
    revert->intent->is_decided = true;
    if (job_commit(revert->job, err) && vm_intent_save(revert->vm, revert->intent, err))
        return true;
    vm_snapshot_undo_revert(revert->vm, revert->intent);
    return false;
}

/* There was no way back any more: what is the machine now, and what is there to do? @why is taken. */
static bool tell_failure(const Revert *revert, Error *why, Error **err)
{
    const Vm *vm = revert->vm;
    const char *name = moment_name(revert->snapshot);

    error_propagate(err, why);
    if (vm_is_running(vm))
        return false;
    error_prefix(err,
                 revert->intent->is_live ? "domain '%s' has the disks of snapshot '%s' and is shut off"
                                         : "domain '%s' is shut off, and not all of its disks are back at "
                                           "snapshot '%s'",
                 vm->name, name);
    return error_hint(err, "'lodge snapshot-revert %s %s' goes on from there", vm->name, name);
}

bool vm_snapshot_revert(Vm *vm, Moment *snapshot, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, 15, "qemuSnapshotRevert", err))
        return false;
    if ((flags & REVERT(RUNNING)) && (flags & REVERT(PAUSED)))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flags 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING' and "
                         "'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED' are mutually exclusive");
    if (!job_begin(&vm->object, JOB_SNAPSHOT, caller, &job, err) ||
        !object_require_listed(&vm->object, err) || !vm_snapshot_settle(vm, &job, err) ||
        !check_revert(vm, snapshot, flags, err))
        return false;
    g_auto(Revert) revert = { .vm = vm,
                              .job = &job,
                              .snapshot = snapshot,
                              .flags = flags,
                              .intent = vm_intent_new(INTENT_REVERT, moment_name(snapshot), flags) };
    if (!prepare(&revert, err))
        return false;
    fiber_shield_begin();
    g_autoptr(Error) why = NULL;
    const bool ok = vm_snapshot_finish_revert(vm, &job, revert.intent, &why);
    fiber_shield_end();
    if (!ok)
        return tell_failure(&revert, g_steal_pointer(&why), err);
    log_info("machine '%s' brought back to snapshot '%s' by %s", vm->name, moment_name(snapshot),
             caller_describe(caller));
    return true;
}
