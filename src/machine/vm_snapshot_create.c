/* Taking snapshots: what is asked for, and those of machines that do not run. vm_snapshot_live.c has the
 * others.
 *
 * Images are made first, then the snapshot's file, then the machine's definition; the journal says before
 * what is to be made. Whoever finds it takes the images back, unless the definition is in them already. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "machine/vm_block_job.h"
#include "machine/vm_snapshot_private.h"
#include "qemu/address.h"
#include "storage/chain.h"
#include "storage/image_make.h"
#include "storage/image_users.h"
#include "storage/source_name.h"
#include "storage/volume.h"

#define CREATE(flag) VIR_DOMAIN_SNAPSHOT_CREATE_##flag
#define UNSUPPORTED(...) error_set(err, ERROR_CONFIG_UNSUPPORTED, __VA_ARGS__)

/* ---- of disks ---- */

const char *vm_snapshot_format(const StorageSource *source)
{
    ImageFormat format = IMAGE_RAW;

    return image_format_from_storage(source->format, &format) ? image_format_names.names[format] : "raw";
}

bool vm_snapshot_path(Host *host, const StorageSource *source, char **ret_path, Error **err)
{
    g_autoptr(StorageSource) copy = NULL;

    if (source->type == STORAGE_VOLUME) {
        copy = xml_table_copy(&backing_table, source);
        if (!volume_resolve_source(host, copy, err))
            return false;
        source = copy;
    }
    if ((source->type != STORAGE_FILE && source->type != STORAGE_BLOCK) || !source->path)
        return UNSUPPORTED("snapshots of '%s' disks are not supported",
                           enum_name(&storage_type_names, source->type));
    *ret_path = g_strdup(source->path);
    return true;
}

StorageSource *vm_snapshot_overlay(const SnapshotDisk *entry, const StorageSource *source)
{
    StorageSource *overlay = xml_table_copy(&backing_table, &entry->src);

    overlay->format = entry->src.format ? entry->src.format : STORAGE_FORMAT_QCOW2;
    source_free(overlay->backing);
    overlay->backing = source ? xml_table_copy(&backing_table, source) : NULL;
    if (overlay->backing) {
        overlay->backing->index = 0;
        overlay->backing->startup_policy = STARTUP_POLICY_ABSENT;
    }
    return overlay;
}

void vm_snapshot_put_source(DiskDef *disk, StorageSource *source)
{
    const StorageSource old = disk->src;

    disk->src = *source;
    *source = old;
    source_free(source);
}

void vm_snapshot_follow(DomainDef *config, const SnapshotDef *def, const DomainDef *before)
{
    const bool ran = def->state != SNAPSHOT_SHUTOFF; /* as libvirtd: else the image tells what is below */

    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        DiskDef *disk = vm_snapshot_disk(config, entry->name);
        const DiskDef *old = vm_snapshot_disk(before, entry->name);
        /* Redefined meanwhile, a disk is another one. */
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && disk && old && disk->src.type == old->src.type &&
            g_strcmp0(disk->src.path, old->src.path) == 0)
            vm_snapshot_put_source(disk, vm_snapshot_overlay(entry, ran ? &disk->src : NULL));
    }
}

AWAITS static bool is_regular(void *arg, const char *path)
{
    bool exists = false, is_block = false;

    return image_is_there(path, &exists, &is_block, NULL) && exists && !is_block;
}

/* ---- what is asked for ---- */

static bool check_internal(const DiskDef *disk, Error **err)
{
    if (disk->src.format != STORAGE_FORMAT_QCOW2)
        return UNSUPPORTED("internal snapshot for disk %s unsupported for storage type %s", disk->target,
                           enum_name(&storage_format_names,
                                     disk->src.format ? disk->src.format : STORAGE_FORMAT_RAW));
    return true;
}

AWAITS static bool check_external(const SnapshotDisk *entry, const DiskDef *disk, unsigned flags, Error **err)
{
    bool exists = false, is_block = false;

    if (storage_is_empty(&disk->src))
        return UNSUPPORTED("disk '%s' has no source to take a snapshot of", disk->target);
    if (entry->src.format && entry->src.format != STORAGE_FORMAT_QCOW2)
        return UNSUPPORTED("external snapshot format for disk %s is unsupported: %s", disk->target,
                           enum_name(&storage_format_names, entry->src.format));
    if (entry->src.type != STORAGE_FILE && entry->src.type != STORAGE_BLOCK)
        return UNSUPPORTED("external snapshots on '%s' disks are not supported: disk '%s'",
                           enum_name(&storage_type_names, entry->src.type), disk->target);
    if (disk_encryption(disk, &disk->src))
        return UNSUPPORTED("disk '%s' is encrypted: its overlay would not be", disk->target);
    if (disk->transient)
        return UNSUPPORTED("disk '%s' is transient: what is written to it is forgotten", disk->target);
    if (!image_is_there(entry->src.path, &exists, &is_block, err))
        return false;
    if (flags & CREATE(REUSE_EXT))
        return exists || error_set_errno(err, ENOENT, "missing existing file for disk %s: %s", disk->target,
                                         entry->src.path);
    if (exists && !is_block)
        return UNSUPPORTED("external snapshot file for disk %s already exists and is not a block device: %s",
                           disk->target, entry->src.path);
    return true;
}

/* An image is one disk's, and no memory's. */
AWAITS static bool check_alone(const SnapshotMake *make, const SnapshotDisk *entry, Error **err)
{
    const char *path = entry->src.path;
    bool is_taken =
        make->def->memory == DISK_SNAPSHOT_EXTERNAL && g_strcmp0(make->def->memory_file, path) == 0;

    for (DEF_EACH(SnapshotDisk, other, make->def->disks))
        is_taken = is_taken || (other != entry && other->snapshot == DISK_SNAPSHOT_EXTERNAL &&
                                g_strcmp0(other->src.path, path) == 0);
    if (is_taken)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' would hold two things: disk '%s' and another",
                         path, entry->name);
    if (!(make->flags & CREATE(REUSE_EXT)) && entry->src.type != STORAGE_BLOCK)
        return true; /* a new file */
    g_autoptr(GPtrArray) users = image_list_users(make->vm->host, path, false, NULL);
    g_autofree char *text = users->len ? image_users_describe(users) : NULL;
    return !text ||
           error_set(err, ERROR_INVALID_STATE, "'%s' for disk '%s' is used by %s", path, entry->name, text);
}

AWAITS static bool check_disks(const SnapshotMake *make, const DomainDef *domain, Error **err)
{
    const bool runs = vm_is_running(make->vm);
    const bool disk_only = make->flags & CREATE(DISK_ONLY);
    unsigned n_internal = 0, n_external = 0;

    for (DEF_EACH(SnapshotDisk, entry, make->def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(domain, entry->name);
        g_autofree char *path = NULL;
        if (entry->snapshot != DISK_SNAPSHOT_INTERNAL && entry->snapshot != DISK_SNAPSHOT_EXTERNAL)
            continue;
        if (entry->snapshot == DISK_SNAPSHOT_INTERNAL && runs && disk_only)
            return UNSUPPORTED("active qemu domains require external disk snapshots; disk %s requested "
                               "internal",
                               disk->target);
        if (!(entry->snapshot == DISK_SNAPSHOT_INTERNAL
                  ? check_internal(disk, err)
                  : check_external(entry, disk, make->flags, err) && check_alone(make, entry, err)) ||
            !vm_snapshot_path(make->vm->host, &disk->src, &path, err) ||
            (runs && !vm_block_job_require_none(make->vm, disk->target, err)))
            return false;
        entry->snapshot == DISK_SNAPSHOT_INTERNAL ? n_internal++ : n_external++;
    }
    if (n_internal && n_external)
        return UNSUPPORTED("mixing internal and external targets for a snapshot is not yet supported");
    if (!n_internal && !n_external && make->def->memory != DISK_SNAPSHOT_EXTERNAL)
        return UNSUPPORTED("nothing selected for snapshot");
    return true;
}

/* The machine as it is now, as a document would say it. */
AWAITS static bool describe_machine(Vm *vm, SnapshotDef *def, unsigned flags, Error **err)
{
    /* As libvirtd writes it: what every reader adds by itself comes last. */
    g_autofree char *text = vm_xml_format_migratable(vm->host, vm_def(vm));
    g_autoptr(QemuCaps) caps = NULL;

    if (!vm_xml_parse(vm->host, text, strlen(text), "(snapshot)", VM_XML_TRUSTED, &def->domain, err) ||
        !vm_xml_get_caps(vm->host, def->domain, &caps, err) || !qemu_assign_addresses(def->domain, caps, err))
        return false;
    if (!vm->live)
        return true;
    /* What is below an image stands in the image, unless somebody has said it. */
    for (DEF_EACH(DiskDef, disk, def->domain->disks)) {
        const DiskDef *config = vm_snapshot_disk(vm->config, disk->target);
        const bool is_same = config && g_strcmp0(config->src.path, disk->src.path) == 0;
        source_free(disk->src.backing);
        disk->src.backing =
            is_same && config->src.backing ? xml_table_copy(&backing_table, config->src.backing) : NULL;
        disk->src.backing_ends = is_same && config->src.backing_ends;
    }
    if (vm->config)
        def->inactive = domain_def_copy(vm->config);
    if (!(flags & CREATE(DISK_ONLY))) {
        def->cookie = xml_table_new(&snapshot_cookie_table);
        def->cookie->slirp_helper = true;
        def->cookie->cpu = vm->run->cpu ? xml_table_copy(&cpu_table, vm->run->cpu) : NULL;
    }
    return true;
}

static uint8_t state_of(const Vm *vm)
{
    return !vm_is_running(vm) ? SNAPSHOT_SHUTOFF : (uint8_t)vm->state; /* the same numbers */
}

static bool check_state(const SnapshotMake *make, Error **err)
{
    const Vm *vm = make->vm;
    const SnapshotDef *def = make->def;
    const bool runs = vm_is_running(vm);
    const bool has_file = def->memory == DISK_SNAPSHOT_EXTERNAL;

    if (!runs && !vm->config)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    if (runs && (make->flags & CREATE(HALT)) && !vm->config)
        return error_set(err, ERROR_INVALID_STATE, "cannot halt after transient domain snapshot");
    if ((!runs || (make->flags & CREATE(DISK_ONLY))) && vm_snapshot_has_memory(def))
        return error_set(err, ERROR_XML_INVALID,
                         "memory state cannot be saved with offline or disk-only snapshot");
    if ((make->flags & CREATE(LIVE)) && (!runs || !has_file))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "live snapshot creation is supported only during full system snapshots");
    if (vm->state == VM_STATE_PMSUSPENDED)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "qemu doesn't support taking snapshots of PMSUSPENDED guests");
    if (runs && vm->state != VM_STATE_RUNNING && vm->state != VM_STATE_PAUSED)
        return error_set(err, ERROR_INVALID_STATE, "domain '%s' is about to end", vm->name);
    return !runs || vm_require_monitor(vm, err);
}

/* A saved machine goes on in the disks that it had. */
static bool check_managed_save(const SnapshotMake *make, Error **err)
{
    for (DEF_EACH(SnapshotDisk, entry, make->def->disks)) {
        if (entry->snapshot != DISK_SNAPSHOT_EXTERNAL || vm_is_running(make->vm) ||
            !make->vm->has_managed_save)
            continue;
        error_set(err, ERROR_INVALID_STATE,
                  "domain '%s' has a managed save image, which goes on in the present image of disk '%s'",
                  make->vm->name, entry->name);
        return error_hint(err, "start it, or remove the image with 'managedsave-remove'");
    }
    return true;
}

/* Fills in what a new snapshot is. */
AWAITS static bool complete_def(SnapshotMake *make, Error **err)
{
    Vm *vm = make->vm;
    SnapshotDef *def = make->def;
    const bool runs = vm_is_running(vm);
    const bool is_external = (make->flags & CREATE(DISK_ONLY)) || def->memory == DISK_SNAPSHOT_EXTERNAL;
    const Moment *current = vm->snapshots->current;

    if (!describe_machine(vm, def, make->flags, err))
        return false;
    def->state = runs && (make->flags & CREATE(DISK_ONLY)) ? SNAPSHOT_DISK_ONLY : state_of(vm);
    if (!def->memory)
        def->memory = runs && !(make->flags & CREATE(DISK_ONLY)) ? DISK_SNAPSHOT_INTERNAL : DISK_SNAPSHOT_NO;
    def->parent = current ? g_strdup(moment_name(current)) : NULL;
    const SnapshotAlign align = { .domain = def->domain,
                                  .otherwise = is_external ? DISK_SNAPSHOT_EXTERNAL : DISK_SNAPSHOT_INTERNAL,
                                  .must_match = !is_external,
                                  .is_regular = is_regular };
    if (!snapshot_align_disks(def, &align, err))
        return false;
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && !entry->src.format)
            entry->src.format = STORAGE_FORMAT_QCOW2;
    }
    if (def->memory == DISK_SNAPSHOT_NO && !runs)
        g_clear_pointer(&def->inactive, domain_def_free);
    if (!check_disks(make, def->domain, err))
        return false;
    if (moment_get(vm->snapshots, def->name))
        return error_set(err, ERROR_OPERATION_FAILED, "domain moment %s already exists", def->name);
    return check_managed_save(make, err) && (def->memory != DISK_SNAPSHOT_EXTERNAL ||
                                             image_users_require_none(vm->host, def->memory_file, err));
}

/* ---- of a machine that does not run ---- */

static void take_back_images(SnapshotMake *make, guint n)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    for (guint i = 0; i < n; i++) {
        const SnapshotDisk *entry = g_ptr_array_index(make->def->disks, i);
        const DiskDef *disk = vm_snapshot_disk(make->def->domain, entry->name);
        g_autofree char *path = NULL;
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && !(make->flags & CREATE(REUSE_EXT)) &&
            entry->src.type == STORAGE_FILE)
            image_unlink(entry->src.path);
        else if (entry->snapshot == DISK_SNAPSHOT_INTERNAL &&
                 (!vm_snapshot_path(make->vm->host, &disk->src, &path, &err) ||
                  !image_moment_do(path, IMAGE_MOMENT_REMOVE, make->def->name, &err)))
            log_error_error(err, "a snapshot that failed stays in an image");
        g_clear_pointer(&err, error_free);
    }
    fiber_shield_end();
}

AWAITS static bool make_image(const SnapshotMake *make, const SnapshotDisk *entry, Error **err)
{
    const DiskDef *disk = vm_snapshot_disk(make->def->domain, entry->name);
    g_autofree char *path = NULL;

    if (entry->snapshot != DISK_SNAPSHOT_INTERNAL && entry->snapshot != DISK_SNAPSHOT_EXTERNAL)
        return true;
    if (!vm_snapshot_path(make->vm->host, &disk->src, &path, err))
        return false;
    if (entry->snapshot == DISK_SNAPSHOT_INTERNAL)
        return image_moment_do(path, IMAGE_MOMENT_MAKE, make->def->name, err);
    if (make->flags & CREATE(REUSE_EXT))
        return true;
    g_autoptr(GPtrArray) layers = NULL; /* qemu-img would follow a chain that goes in a circle for ever */
    return image_layers_read(path, vm_snapshot_format(&disk->src), &layers, err) &&
           image_overlay_make(entry->src.path, "qcow2", entry->src.type == STORAGE_BLOCK, path,
                              vm_snapshot_format(&disk->src),
                              ((ImageLayer *)g_ptr_array_index(layers, 0))->virtual_bytes, err);
}

/* Everything is done but the promise: the snapshot's file, the machine's definition. */
AWAITS static bool settle_stopped(SnapshotMake *make, Error **err)
{
    Vm *vm = make->vm;
    g_autoptr(DomainDef) config = domain_def_copy(vm->config);

    if (!(make->flags & CREATE(NO_METADATA)) && !vm_snapshot_keep_state(vm, make->def->name, err))
        return false;
    if (!vm_snapshot_promise(make, err))
        return false;
    vm_snapshot_follow(config, make->def, vm->config);
    if (snapshot_is_external(make->def)) {
        if (!object_store(vm->host, &domain_class, config, err))
            return false;
        object_set_config(&vm->object, g_steal_pointer(&config));
    }
    return true;
}

AWAITS static bool make_stopped(SnapshotMake *make, Error **err)
{
    GPtrArray *disks = make->def->disks;
    guint n = 0;

    job_set_phase(make->job, "making images");
    while (n < disks->len && make_image(make, g_ptr_array_index(disks, n), err))
        n++;
    if (n == disks->len && settle_stopped(make, err))
        return true;
    vm_snapshot_unpromise(make);
    take_back_images(make, n);
    return false;
}

/* ---- promises ---- */

bool vm_snapshot_promise(SnapshotMake *make, Error **err)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_autoptr(SnapshotDef) def = NULL;

    if (make->flags & CREATE(NO_METADATA))
        return true;
    for (DEF_EACH(SnapshotDisk, entry, make->def->disks)) {
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && entry->src.type == STORAGE_FILE &&
            !(make->flags & CREATE(REUSE_EXT)))
            g_ptr_array_add(paths, entry->src.path);
    }
    if (paths->len && !vm_snapshot_own_images(make->vm, paths, NULL, err))
        return false;
    def = xml_table_copy(&snapshot_table, make->def);
    make->moment = moment_add(make->vm->snapshots, def, true, err);
    if (make->moment)
        (void)g_steal_pointer(&def);
    return make->moment != NULL;
}

void vm_snapshot_unpromise(SnapshotMake *make)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    for (DEF_EACH(SnapshotDisk, entry, make->def->disks)) {
        if (entry->snapshot == DISK_SNAPSHOT_EXTERNAL && !(make->flags & CREATE(REUSE_EXT)))
            g_ptr_array_add(paths, entry->src.path);
    }
    if ((make->moment && !moment_remove(make->moment, &err)) ||
        (paths->len && !(make->flags & CREATE(NO_METADATA)) &&
         !vm_snapshot_own_images(make->vm, NULL, paths, &err)))
        log_error_error(err, "taking back a snapshot that failed");
    make->moment = NULL;
    vm_snapshot_drop_state(make->vm, make->def->name);
    fiber_shield_end();
}

/* ---- those that exist already ---- */

static bool is_online(const SnapshotDef *def)
{
    return def->state == SNAPSHOT_RUNNING || def->state == SNAPSHOT_PAUSED;
}

static bool check_redefined(Vm *vm, const SnapshotDef *def, const Moment *old, Error **err)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(&vm->uuid, uuid);
    if (!moment_check_place(vm->snapshots, def->name, def->parent, err))
        return false;
    if (!uuid_equal(&def->domain->uuid, &vm->uuid))
        return error_set(err, ERROR_INVALID_ARGUMENT, "definition for snapshot %s must use uuid %s",
                         def->name, uuid);
    if (!old)
        return true;
    if ((def->state == SNAPSHOT_DISK_ONLY) != (snapshot_def(old)->state == SNAPSHOT_DISK_ONLY))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cannot change between disk only and full system in snapshot %s", def->name);
    if (is_online(old->def) != is_online(def))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cannot change between online and offline snapshot state in snapshot %s", def->name);
    return true;
}

AWAITS static Moment *redefine(Vm *vm, SnapshotDef *taken, unsigned flags, Error **err)
{
    g_autoptr(SnapshotDef) def = taken;
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    Moment *snapshot = moment_get(vm->snapshots, def->name);

    if (!check_redefined(vm, def, snapshot, err) || !snapshot_complete_redefined(def, is_regular, NULL, err))
        return NULL;
    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        if (!snapshot && entry->snapshot == DISK_SNAPSHOT_EXTERNAL && entry->src.path)
            g_ptr_array_add(paths, entry->src.path);
    }
    if (paths->len && !vm_snapshot_own_images(vm, paths, NULL, err))
        return NULL;
    if (!snapshot)
        snapshot = moment_add(vm->snapshots, def, flags & CREATE(CURRENT), err);
    else if (!moment_replace(snapshot, def, err))
        return NULL;
    if (!snapshot)
        return NULL;
    (void)g_steal_pointer(&def);
    if ((flags & CREATE(CURRENT)) && !moment_set_current(vm->snapshots, snapshot, err))
        return NULL;
    return moment_ref(snapshot);
}

/* ---- the call ---- */

static bool check_create_flags(unsigned flags, Error **err)
{
    if (!check_flags(flags, 0x3ff, "qemuSnapshotCreateXML", err))
        return false;
    if ((flags & CREATE(QUIESCE)) && !(flags & CREATE(DISK_ONLY)))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flag 'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY' is required by flag "
                         "'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE'");
    if ((flags & CREATE(CURRENT)) && !(flags & CREATE(REDEFINE)))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flag 'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE' is required by flag "
                         "'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'");
    if ((flags & CREATE(REDEFINE)) && (flags & (CREATE(NO_METADATA) | CREATE(HALT))))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "Flags 'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE' and "
                         "'VIR_DOMAIN_SNAPSHOT_CREATE_%s' are mutually exclusive",
                         flags & CREATE(NO_METADATA) ? "NO_METADATA" : "HALT");
    return true;
}

static bool check_new_name(const Vm *vm, SnapshotDef *def, Error **err)
{
    if (!def->created_s.is_set)
        def->created_s = (OptS64){ .is_set = true, .value = (int64_t)time(NULL) };
    if (!def->name)
        def->name = g_strdup_printf("%lld", (long long)def->created_s.value);
    return moment_check_place(vm->snapshots, def->name, NULL, err);
}

/* The journal, then the work. */
AWAITS static bool make_it(SnapshotMake *make, Error **err)
{
    g_autoptr(VmIntent) intent = vm_intent_new(INTENT_CREATE, make->def->name, make->flags);
    g_autoptr(GString) document = g_string_new(NULL);

    make->def->is_current = true;
    snapshot_def_format(make->def, MOMENT_FORMAT_STORED | MOMENT_FORMAT_SECURE, document);
    intent->document = g_strdup(document->str);
    intent->memory = g_strdup(make->def->memory_file);
    make->intent = intent;
    if (make->def->state != SNAPSHOT_SHUTOFF) /* as it was described, whatever became of QEMU since */
        return vm_require_monitor(make->vm, err) && vm_snapshot_make_live(make, err);
    if (!vm_intent_save(make->vm, intent, err))
        return false;
    const bool ok = make_stopped(make, err);
    vm_intent_done(make->vm);
    return ok;
}

Moment *vm_snapshot_create(Vm *vm, const char *xml, unsigned flags, const Caller *caller, Error **err)
{
    return vm_snapshot_create_with(vm, xml, flags, NULL, caller, err);
}

Moment *vm_snapshot_create_with(Vm *vm, const char *xml, unsigned flags, KeptMemory *memory,
                                const Caller *caller, Error **err)
{
    const MomentParseFlags parse = (flags & CREATE(REDEFINE) ? MOMENT_PARSE_REDEFINE : 0) |
                                   (flags & CREATE(VALIDATE) ? MOMENT_PARSE_VALIDATE : 0);
    g_autoptr(SnapshotDef) def = NULL;
    g_auto(Job) job = { 0 };

    if (!check_create_flags(flags, err) || !vm_snapshot_parse(vm->host, xml, strlen(xml), parse, &def, err) ||
        !check_new_name(vm, def, err) || !job_begin(&vm->object, JOB_SNAPSHOT, caller, &job, err) ||
        !object_require_listed(&vm->object, err) || !vm_snapshot_settle(vm, &job, err))
        return NULL;
    if (flags & CREATE(REDEFINE))
        return redefine(vm, g_steal_pointer(&def), flags, err);
    SnapshotMake make = {
        .vm = vm, .job = &job, .def = def, .flags = flags, .caller = caller, .memory = memory
    };
    if (!check_state(&make, err) || !complete_def(&make, err) || !make_it(&make, err))
        return NULL;
    log_info("snapshot '%s' of machine '%s' taken by %s", def->name, vm->name, caller_describe(caller));
    return make.moment ? moment_ref(make.moment)
                       : moment_new_alone(vm->snapshots->class, g_steal_pointer(&def));
}
