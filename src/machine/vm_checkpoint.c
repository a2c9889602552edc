/* Checkpoints.
 *
 * The bitmaps of a new one are made in one transaction, so it is one moment for all disks; then its file is
 * written. In between, its name is in the status file: bitmaps that belong to no checkpoint would stay for
 * ever. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "checkpoint"
#include "machine/vm_checkpoint.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "machine/vm_bitmap.h"
#include "machine/vm_guest.h"
#include "machine/vm_moment.h"
#include "machine/vm_query.h"
#include "machine/vm_snapshot_private.h"

#define THAW_PATIENCE_MS 10000
#define THAW_PAUSE_MS 200

/* ---- making ---- */

/* Only what is written to, in a format that can keep a bitmap. */
static bool check_disks(const Vm *vm, const CheckpointDef *def, Error **err)
{
    for (DEF_EACH(CheckpointDisk, entry, def->disks)) {
        const DiskDef *disk = domain_find_disk(vm->live, entry->name);
        if (entry->kind != CHECKPOINT_BITMAP)
            continue;
        if (disk->src.format != STORAGE_FORMAT_QCOW2)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "checkpoint for disk %s unsupported for storage type %s", disk->target,
                             enum_name(&storage_format_names,
                                       disk->src.format ? disk->src.format : STORAGE_FORMAT_RAW));
        if (strcmp(entry->bitmap, def->name) != 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "bitmap for disk '%s' must match checkpoint name '%s'", disk->target, def->name);
    }
    return true;
}

/* The machine as it runs, as its user could have written it. */
static bool add_machine(Vm *vm, CheckpointDef *def, Error **err)
{
    g_autofree char *xml = vm_xml_format_inactive(vm->live, XML_FORMAT_SECURE);

    return vm_xml_parse(vm->host, xml, strlen(xml), "(running machine)", VM_XML_TRUSTED, &def->domain, err);
}

bool vm_checkpoint_prepare(Vm *vm, const char *xml, CheckpointDef **ret_def, Error **err)
{
    g_autoptr(CheckpointDef) def = NULL;

    if (!vm_checkpoint_parse(vm->host, xml, strlen(xml), 0, &def, err))
        return false;
    if (!def->name)
        def->name = moment_make_up_name();
    if (moment_get(vm->checkpoints, def->name))
        return error_set(err, ERROR_OPERATION_FAILED, "domain moment %s already exists", def->name);
    if (!moment_check_place(vm->checkpoints, def->name, NULL, err) || !add_machine(vm, def, err))
        return false;
    if (!vm->live)
        return vm_require_running(vm, err);
    if (!checkpoint_align_disks(def, vm->live, err) || !check_disks(vm, def, err))
        return false;
    def->created_s = (OptS64){ .is_set = true, .value = time(NULL) };
    def->parent = vm->checkpoints->current ? g_strdup(moment_name(vm->checkpoints->current)) : NULL;
    *ret_def = g_steal_pointer(&def);
    return true;
}

void vm_checkpoint_append_actions(const Vm *vm, const CheckpointDef *def, Json *actions)
{
    for (DEF_EACH(CheckpointDisk, entry, def->disks)) {
        const DiskDef *disk = domain_find_disk(vm->live, entry->name);
        g_autofree char *node = storage_node_name(&disk->src);
        if (entry->kind == CHECKPOINT_BITMAP)
            monitor_bitmap_add(actions, node, entry->bitmap, true, true, 0);
    }
}

bool vm_checkpoint_announce(Vm *vm, const CheckpointDef *def, Error **err)
{
    g_free(vm->run->new_checkpoint);
    vm->run->new_checkpoint = g_strdup(def->name);
    return vm_status_save(vm, err) && vm_require_monitor(vm, err);
}

/* The checkpoint is there, or is not to be. */
static void forget_announcement(Vm *vm)
{
    if (!vm->run)
        return;
    g_clear_pointer(&vm->run->new_checkpoint, g_free);
    vm_status_save_later(vm);
}

/* Of all disks, in whatever state it is. */
static bool remove_bitmaps(Vm *vm, const char *name, Error **err)
{
    g_autoptr(GPtrArray) bitmaps = NULL;
    AUTO_JSON actions = json_array();

    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, err))
        return false;
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        g_autofree char *node = storage_is_empty(&disk->src) ? NULL : storage_node_name(&disk->src);
        if (monitor_find_bitmap(bitmaps, node, name))
            monitor_bitmap_remove(actions, node, name);
    }
    return monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, err);
}

void vm_checkpoint_take_back(Vm *vm, const CheckpointDef *def)
{
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    if (vm->run && vm->live && !remove_bitmaps(vm, def->name, &err))
        log_warning_error(err, "a checkpoint that does not come");
    forget_announcement(vm);
    fiber_shield_end();
}

bool vm_checkpoint_keep(Vm *vm, CheckpointDef *def, Error **err)
{
    fiber_shield_begin();
    const bool ok = moment_add(vm->checkpoints, def, true, err);
    if (ok)
        forget_announcement(vm);
    else
        vm_checkpoint_take_back(vm, def);
    fiber_shield_end();
    return ok;
}

/* The line to an agent is there some time after a restart only. */
static void thaw_patiently(void *arg)
{
    g_autoptr(Vm) vm = arg;
    const uint64_t deadline_ms = loop_now_ms() + THAW_PATIENCE_MS;
    int count = 0;
    g_autoptr(Error) err = NULL;

    while (vm->run && !vm_thaw_filesystems(vm, 0, 0, NULL, &count, &err)) {
        if (loop_now_ms() >= deadline_ms || !fiber_sleep(THAW_PAUSE_MS, NULL)) {
            log_error_error(err, "a guest whose file systems are frozen");
            break;
        }
        g_clear_pointer(&err, error_free);
    }
    if (vm->run) {
        vm->run->must_thaw = false;
        vm_status_save_later(vm);
    }
}

void vm_checkpoint_reconcile(Vm *vm)
{
    g_autoptr(Error) err = NULL;
    const char *name = vm->run->new_checkpoint;

    if (vm->run->must_thaw)
        host_spawn(vm->host, "thaw", thaw_patiently, vm_ref(vm));
    if (!name)
        return;
    if (!moment_get(vm->checkpoints, name) && !remove_bitmaps(vm, name, &err)) {
        log_warning_error(err, "bitmaps of a checkpoint that never was");
        return;
    }
    forget_announcement(vm);
}

static void thaw(void *arg)
{
    thaw_patiently(vm_ref(arg));
}

static bool make(Vm *vm, CheckpointDef *def, unsigned flags, const Caller *caller, Error **err)
{
    AUTO_JSON actions = json_array();
    g_autoptr(Error) why = NULL;
    int count = 0;
    g_auto(Undo) undo = { 0 };

    vm_checkpoint_append_actions(vm, def, actions);
    vm->run->must_thaw = flags & VIR_DOMAIN_CHECKPOINT_CREATE_QUIESCE;
    if (!vm_checkpoint_announce(vm, def, err))
        return false;
    if (flags & VIR_DOMAIN_CHECKPOINT_CREATE_QUIESCE) {
        if (!vm_freeze_filesystems(vm, NULL, 0, 0, caller, &count, err)) {
            fiber_shield_begin();
            (void)!vm_thaw_filesystems(vm, 0, 0, NULL, &count, NULL); /* what it did half-way */
            fiber_shield_end();
            if (vm->run)
                vm->run->must_thaw = false;
            forget_announcement(vm);
            return false;
        }
        undo_push(&undo, thaw, vm); /* in any case: it is never kept */
    }
    if (!monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, &why)) {
        forget_announcement(vm);
        if (error_code(why) == ERROR_REFUSED)
            error_recode(why, ERROR_INTERNAL);
        return error_propagate(err, g_steal_pointer(&why));
    }
    undo_clear(&undo);
    return vm_checkpoint_keep(vm, def, err);
}

/* ---- taking over ---- */

static bool check_bitmaps(Vm *vm, const CheckpointDef *def, Error **err)
{
    g_autoptr(GPtrArray) bitmaps = NULL;

    if (!vm_require_monitor(vm, err))
        return false;
    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, err))
        return false;
    for (DEF_EACH(CheckpointDisk, entry, def->disks)) {
        const DiskDef *disk = domain_find_disk(vm->live, entry->name);
        g_autoptr(GPtrArray) nodes = NULL;
        if (entry->kind != CHECKPOINT_BITMAP)
            continue;
        if (!disk)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "no disk named '%s'", entry->name);
        if (!bitmap_find_chain(bitmaps, disk, entry->bitmap, &nodes, err))
            return false;
    }
    return true;
}

static bool redefine(Vm *vm, CheckpointDef *def, unsigned flags, Error **err)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(&vm->uuid, uuid);
    if (!moment_check_place(vm->checkpoints, def->name, def->parent, err))
        return false;
    if (def->domain && !uuid_equal(&def->domain->uuid, &vm->uuid))
        return error_set(err, ERROR_INVALID_ARGUMENT, "definition for checkpoint %s must use uuid %s",
                         def->name, uuid);
    if ((def->domain && !checkpoint_align_disks(def, def->domain, err)) ||
        (flags & VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE && !check_bitmaps(vm, def, err)))
        return false;
    Moment *old = moment_get(vm->checkpoints, def->name);
    if (old)
        return moment_replace(old, def, err);
    const Moment *current = vm->checkpoints->current;
    return moment_add(vm->checkpoints, def, !current || g_strcmp0(def->parent, moment_name(current)) == 0,
                      err);
}

bool vm_checkpoint_create(Vm *vm, const char *xml, unsigned flags, const Caller *caller, char **ret_name,
                          Error **err)
{
    const bool is_redefined = flags & VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE;
    g_auto(Job) job = { 0 };
    g_autoptr(CheckpointDef) def = NULL;

    if (!check_flags(flags,
                     VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE | VIR_DOMAIN_CHECKPOINT_CREATE_QUIESCE |
                         VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE,
                     "qemuCheckpointCreateXML", err))
        return false;
    if (flags & VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE && !is_redefined)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flags 'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE' require "
                         "'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE'");
    if (!job_begin(&vm->object, JOB_SNAPSHOT, caller, &job, err) || !object_require_listed(&vm->object, err))
        return false;
    if (!is_redefined && !vm_is_running(vm))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "cannot create checkpoint for inactive domain");
    if (is_redefined) {
        if (!vm_checkpoint_parse(vm->host, xml, strlen(xml), MOMENT_PARSE_REDEFINE, &def, err))
            return false;
    } else if (!vm_require_monitor(vm, err) || !vm_checkpoint_prepare(vm, xml, &def, err)) {
        return false;
    }
    g_autofree char *name = g_strdup(def->name);
    if (!(is_redefined ? redefine(vm, def, flags, err) : make(vm, def, flags, caller, err)))
        return false;
    (void)g_steal_pointer(&def); /* the tree's now */
    log_info("machine '%s': checkpoint '%s' %s by %s", vm->name, name, is_redefined ? "redefined" : "made",
             caller_describe(caller));
    *ret_name = g_steal_pointer(&name);
    return true;
}

/* ---- deleting ---- */

static bool delete_bitmaps(Vm *vm, const GPtrArray *moments, Error **err)
{
    g_autoptr(GArray) removals = g_array_new(FALSE, FALSE, sizeof(BitmapRemoval));
    g_autoptr(Error) why = NULL;

    if (!vm_require_monitor(vm, err) ||
        (!vm->run->caps && !vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, err)) ||
        !vm_require_monitor(vm, err))
        return false;
    for (guint i = 0; i < moments->len; i++) {
        const CheckpointDef *def = ((const Moment *)g_ptr_array_index(moments, i))->def;
        for (DEF_EACH(CheckpointDisk, entry, def->disks)) {
            /* A disk that is plugged out has taken its bitmap along. */
            const BitmapRemoval removal = { .disk = domain_find_disk(vm->live, entry->name),
                                            .name = entry->bitmap };
            if (entry->kind == CHECKPOINT_BITMAP && removal.disk)
                g_array_append_val(removals, removal);
        }
    }
    if (bitmap_remove_all(vm, removals, &why))
        return true;
    if (error_code(why) == ERROR_REFUSED)
        error_recode(why, ERROR_INTERNAL);
    return error_propagate(err, g_steal_pointer(&why));
}

bool vm_checkpoint_delete(Vm *vm, const char *name, unsigned flags, const Caller *caller, Error **err)
{
    const unsigned with_children =
        VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN | VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN_ONLY;
    const bool is_metadata_only = flags & VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY;
    g_auto(Job) job = { 0 };
    g_autoptr(Moment) moment = NULL;
    g_autoptr(GPtrArray) moments = NULL;

    if (!check_flags(flags, with_children | VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY,
                     "qemuCheckpointDelete", err) ||
        !job_begin(&vm->object, JOB_SNAPSHOT, caller, &job, err) || !object_require_listed(&vm->object, err))
        return false;
    if (!is_metadata_only && !vm_is_running(vm))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "cannot delete checkpoint for inactive domain");
    moment = moment_find(vm->checkpoints, name, err);
    if (!moment)
        return false;
    if (flags & with_children) {
        moments = moment_list(vm->checkpoints, moment,
                              flags & VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN_ONLY ? 0 : MOMENT_LIST_SELF, NULL,
                              NULL);
    } else {
        moments = g_ptr_array_new_with_free_func((GDestroyNotify)moment_unref);
        g_ptr_array_add(moments, moment_ref(moment));
    }
    if (!is_metadata_only && !delete_bitmaps(vm, moments, err))
        return false;
    for (guint i = moments->len; i > 0; i--) { /* children first */
        Moment *gone = g_ptr_array_index(moments, i - 1);
        if (!moment_remove(gone, err))
            return false;
        log_info("machine '%s': checkpoint '%s' deleted by %s", vm->name, moment_name(gone),
                 caller_describe(caller));
    }
    return true;
}

/* ---- telling ---- */

/* What changed since, of one image exactly; of several only a bitmap that is made of theirs says that. */
static bool ask_size(Vm *vm, const DiskDef *disk, const char *name, OptU64 *ret_size, Error **err)
{
    g_autofree char *node = storage_node_name(&disk->src);
    g_autofree char *copy = g_strdup_printf("lodge-size-%" G_GUINT64_FORMAT, host_next_serial(vm->host));
    g_autoptr(GPtrArray) bitmaps = NULL, nodes = NULL, after = NULL;
    AUTO_JSON actions = json_array();
    g_autoptr(Error) why = NULL;

    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, err))
        return false;
    if (!bitmap_find_chain(bitmaps, disk, name, &nodes, NULL))
        return true; /* nobody knows */
    const MonitorBitmap *found = monitor_find_bitmap(bitmaps, node, name);
    if (nodes->len > 1) {
        if (!bitmap_copy_actions(actions, bitmaps, disk, name, node, copy, err) ||
            !monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, err))
            return false;
        fiber_shield_begin();
        const bool is_told = monitor_query_bitmaps(vm_monitor(vm), 0, &after, err);
        Json *removal = json_array();
        monitor_bitmap_remove(removal, node, copy);
        if (!monitor_transaction(vm_monitor(vm), removal, 0, &why))
            log_warning_error(why, "a bitmap that was only to be counted");
        fiber_shield_end();
        if (!is_told)
            return false;
        found = monitor_find_bitmap(after, node, copy);
    }
    if (found)
        *ret_size = (OptU64){ .is_set = true, .value = found->dirty_bytes };
    return true;
}

static bool add_sizes(Vm *vm, CheckpointDef *def, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_SNAPSHOT, caller, &job, err) || !vm_require_running(vm, err) ||
        !vm_require_monitor(vm, err))
        return false;
    for (DEF_EACH(CheckpointDisk, entry, def->disks)) {
        const DiskDef *disk = vm->live ? domain_find_disk(vm->live, entry->name) : NULL;
        if (entry->kind == CHECKPOINT_BITMAP && disk &&
            !ask_size(vm, disk, entry->bitmap, &entry->size_bytes, err))
            return false;
    }
    return true;
}

bool vm_checkpoint_get_xml(Vm *vm, const char *name, unsigned flags, const Caller *caller, char **ret_xml,
                           Error **err)
{
    const unsigned format = (flags & VIR_DOMAIN_CHECKPOINT_XML_SECURE ? MOMENT_FORMAT_SECURE : 0) |
                            (flags & VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN ? MOMENT_FORMAT_NO_DOMAIN : 0) |
                            (flags & VIR_DOMAIN_CHECKPOINT_XML_SIZE ? MOMENT_FORMAT_SIZE : 0);
    g_autoptr(CheckpointDef) def = NULL;

    if (!check_flags(flags,
                     VIR_DOMAIN_CHECKPOINT_XML_SECURE | VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN |
                         VIR_DOMAIN_CHECKPOINT_XML_SIZE,
                     "qemuCheckpointGetXMLDesc", err))
        return false;
    if (caller && caller->read_only && flags & VIR_DOMAIN_CHECKPOINT_XML_SECURE)
        return error_set(err, ERROR_DENIED, "virDomainCheckpointGetXMLDesc with secure flag");
    g_autoptr(Moment) moment = moment_find(vm->checkpoints, name, err);
    if (!moment)
        return false;
    g_autoptr(GString) out = g_string_new(NULL);
    def = xml_table_copy(&checkpoint_table, moment->def);
    if (flags & VIR_DOMAIN_CHECKPOINT_XML_SIZE && !add_sizes(vm, def, caller, err))
        return false;
    checkpoint_def_format(def, format, out);
    *ret_xml = g_string_free(g_steal_pointer(&out), FALSE);
    return true;
}

bool vm_checkpoint_get_parent(Vm *vm, const char *name, unsigned flags, char **ret_name, Error **err)
{
    if (!check_flags(flags, 0, "qemuDomainCheckpointGetParent", err))
        return false;
    g_autoptr(Moment) moment = moment_find(vm->checkpoints, name, err);
    if (!moment)
        return false;
    if (!moment->parent)
        return error_set(err, ERROR_NO_CHECKPOINT, "checkpoint '%s' does not have a parent", name);
    *ret_name = g_strdup(moment_name(moment->parent));
    return true;
}

bool vm_checkpoint_list(Vm *vm, const char *from, unsigned flags, const char *function, GPtrArray **ret_names,
                        Error **err)
{
    g_autoptr(Moment) root = NULL;
    unsigned how = 0;

    if (!check_flags(flags,
                     VIR_DOMAIN_CHECKPOINT_LIST_ROOTS | VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL |
                         VIR_DOMAIN_CHECKPOINT_LIST_LEAVES | VIR_DOMAIN_CHECKPOINT_LIST_NO_LEAVES,
                     function, err))
        return false;
    if (from) {
        root = moment_find(vm->checkpoints, from, err);
        if (!root)
            return false;
    }
    /* One bit: "roots" of all, "descendants" of one. */
    if (!(flags & VIR_DOMAIN_CHECKPOINT_LIST_ROOTS) == !!from)
        how |= MOMENT_LIST_DIRECT;
    if (flags & VIR_DOMAIN_CHECKPOINT_LIST_LEAVES)
        how |= MOMENT_LIST_LEAVES;
    if (flags & VIR_DOMAIN_CHECKPOINT_LIST_NO_LEAVES)
        how |= MOMENT_LIST_NO_LEAVES;
    g_autoptr(GPtrArray) moments = moment_list(vm->checkpoints, root, how, NULL, NULL);
    *ret_names = g_ptr_array_new_with_free_func(g_free);
    if (how & MOMENT_LIST_LEAVES && how & MOMENT_LIST_NO_LEAVES) /* as the reference: nothing is both */
        return true;
    for (guint i = 0; i < moments->len; i++)
        g_ptr_array_add(*ret_names, g_strdup(moment_name(g_ptr_array_index(moments, i))));
    return true;
}
