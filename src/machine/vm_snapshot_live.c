/* Taking snapshots of machines that run.
 *
 * External ones: overlays are made, lent and known to QEMU as nodes before anything happens to the guest;
 * then one transaction puts all of them on top of their disks, at one moment, or none. The snapshot's file is
 * there before that, so nothing that can fail comes after it but the machine's own files, and those the
 * journal brings in step. Internal ones QEMU takes by itself while it stands still. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "conf/domain_rows.h"
#include "machine/vm_agent.h"
#include "machine/vm_bitmap.h"
#include "machine/vm_confine.h"
#include "machine/vm_device_private.h"
#include "machine/vm_dump.h"
#include "machine/vm_guest.h"
#include "machine/vm_lease.h"
#include "machine/vm_security.h"
#include "machine/vm_snapshot_private.h"
#include "storage/image_make.h"
#include "storage/lease.h"

#define CREATE(flag) VIR_DOMAIN_SNAPSHOT_CREATE_##flag
#define THAW_PATIENCE_MS 10000
#define JOB_POLL_MS 100

/* ---- jobs of QEMU ---- */

static char *format_node(const DiskDef *disk)
{
    return g_strdup_printf("libvirt-%u-format", disk->src.index);
}

/* While QEMU reads or writes memory it says nothing at all: a minute, and as long as 10 MB/s take. */
static uint64_t patience_ms(const Vm *vm)
{
    return 60000 + vm->live->memory_bytes / 10000;
}

/* *ret_over: it has ended; then with success if true is returned. */
AWAITS static bool job_look(Vm *vm, const char *id, bool *ret_over, Error **err)
{
    AUTO_JSON reply = NULL;
    size_t i = 0;
    Json *entry = NULL;

    if (!qmp_exec(vm_monitor(vm), "query-jobs", NULL, patience_ms(vm), &reply, err))
        return false;
    json_array_foreach (reply, i, entry) {
        if (g_strcmp0(json_get_str(entry, "id"), id) != 0)
            continue;
        const char *problem = json_get_str(entry, "error");
        *ret_over = g_strcmp0(json_get_str(entry, "status"), "concluded") == 0;
        return !*ret_over || !problem || error_set(err, ERROR_OPERATION_FAILED, "%s", problem);
    }
    *ret_over = true;
    return error_set(err, ERROR_OPERATION_FAILED, "QEMU does not know its job '%s' any more", id);
}

AWAITS static bool job_wait(Vm *vm, const char *id, Error **err)
{
    const uint64_t serial = vm->run->serial;
    bool is_over = false;

    /* No deadline: QEMU writes the guest's memory, and its silence has one. */
    while (job_look(vm, id, &is_over, err)) {
        g_autoptr(Error) why = NULL;
        if (is_over)
            return true;
        if (!wait_queue_wait(&vm->run->changed, JOB_POLL_MS, &why) && error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
        if (!vm->run || vm->run->serial != serial)
            return error_set(err, ERROR_VM_GONE, "QEMU exited");
    }
    return false;
}

bool vm_snapshot_ask_qemu(Vm *vm, SnapshotVerb verb, const SnapshotDef *def, Error **err)
{
    static const char *const commands[] = { "snapshot-save", "snapshot-load", "snapshot-delete" };
    AUTO_JSON devices = json_array();
    g_autofree char *id = g_strdup_printf("%s-libvirt-%u", commands[verb], ++vm->run->last_node);

    for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(vm->live, entry->name);
        if (entry->snapshot != DISK_SNAPSHOT_INTERNAL || !disk)
            continue;
        g_autofree char *node = format_node(disk);
        json_array_append_new(devices, json_string(node));
    }
    const char *first = json_string_value(json_array_get(devices, 0));
    AUTO_JSON args = json_pack("{s:s, s:s, s:O}", "job-id", id, "tag", def->name, "devices", devices);
    if (!args || !first)
        return error_set(err, ERROR_INVALID_ARGUMENT, "snapshot '%s' keeps no disk inside of its image",
                         def->name);
    if (verb != SNAPSHOT_DELETE)
        json_object_set_new(args, "vmstate", json_string(first));
    fiber_shield_begin(); /* QEMU goes on with it, whoever leaves */
    const bool ok =
        qmp_exec(vm_monitor(vm), commands[verb], args, patience_ms(vm), NULL, err) && job_wait(vm, id, err);
    AUTO_JSON dismiss = json_pack("{s:s}", "id", id);
    if (vm_monitor(vm) && !qmp_exec(vm_monitor(vm), "job-dismiss", dismiss, 0, NULL, NULL))
        log_debug("there is no job '%s'", id);
    fiber_shield_end();
    return ok || error_prefix(err, "snapshot '%s'", def->name);
}

/* ---- overlays ---- */

typedef struct LiveDisk {
    Vm *vm;
    const SnapshotDisk *entry;
    DiskDef *disk; /* a copy with nothing but the overlay; owned */
    char *old_node;
    Plan *plan;
    PlanTarget target;
    bool is_made; /* the file */
} LiveDisk;

typedef struct Live {
    SnapshotMake *make;
    Vm *vm;
    uint64_t serial;
    GPtrArray *disks;   /* LiveDisk */
    GPtrArray *bitmaps; /* MonitorBitmap: those of before; NULL: no disks */
    bool is_frozen, is_switched, is_saved;
    Undo undo; /* of nodes and loans */
} Live;

static void live_disk_free(void *data)
{
    LiveDisk *one = data;

    xml_table_free(&disk_table, one->disk);
    plan_free(one->plan);
    g_free(one->old_node);
    g_free(one);
}

static bool live_still_runs(const Live *live)
{
    return live->vm->run && live->vm->run->serial == live->serial && live->vm->live;
}

/* What was lent for overlays that do not come. */
static void live_give_back(void *arg)
{
    const Live *live = arg;

    for (guint i = 0; i < live->disks->len && live_still_runs(live); i++)
        vm_disk_release(live->vm, ((const LiveDisk *)g_ptr_array_index(live->disks, i))->disk);
}

static LiveDisk *live_disk_new(Vm *vm, const SnapshotDisk *entry, const DiskDef *disk)
{
    LiveDisk *one = g_new0(LiveDisk, 1);
    StorageSource *overlay = vm_snapshot_overlay(entry, NULL);

    *one = (LiveDisk){ .vm = vm, .entry = entry, .disk = xml_table_copy(&disk_table, disk) };
    one->old_node = format_node(disk);
    one->target = (PlanTarget){ .qmp = vm_monitor(vm) };
    overlay->index = ++vm->run->last_node;
    overlay->backing_ends = true; /* QEMU joins it to what is below by itself */
    vm_snapshot_put_source(one->disk, overlay);
    one->disk->copy_on_read = TRISTATE_ABSENT;
    return one;
}

static void live_list_disks(Live *live)
{
    live->disks = g_ptr_array_new_with_free_func(live_disk_free);
    for (DEF_EACH(SnapshotDisk, entry, live->make->def->disks)) {
        const DiskDef *disk = vm_snapshot_disk(live->vm->live, entry->name);
        if (entry->snapshot != DISK_SNAPSHOT_EXTERNAL || !disk)
            continue;
        LiveDisk *one = live_disk_new(live->vm, entry, disk);
        g_autofree char *node = format_node(one->disk);
        g_ptr_array_add(live->disks, one);
        vm_intent_add(live->make->intent, disk->target, entry->src.path, node);
    }
}

AWAITS static bool live_make_image(Live *live, LiveDisk *one, GHashTable *nodes, Error **err)
{
    const DiskDef *disk = vm_snapshot_disk(live->vm->live, one->entry->name);
    const MonitorBlockNode *node = g_hash_table_lookup(nodes, one->old_node);
    g_autofree char *path = NULL;

    if (live->make->flags & CREATE(REUSE_EXT))
        return true;
    if (!node || !node->virtual_bytes)
        return error_set(err, ERROR_INTERNAL, "QEMU does not know the node '%s' of disk '%s'", one->old_node,
                         disk->target);
    if (!vm_snapshot_path(live->vm->host, &disk->src, &path, err))
        return false;
    one->is_made = image_overlay_make(one->entry->src.path, "qcow2", one->entry->src.type == STORAGE_BLOCK,
                                      path, vm_snapshot_format(&disk->src), node->virtual_bytes, err);
    return one->is_made;
}

/* Only the overlay: what is below is QEMU's already. */
AWAITS static bool live_lend(Live *live, LiveDisk *one, Error **err)
{
    Vm *vm = live->vm;
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    StorageInfo info = { 0 };

    if (!storage_probe(one->entry->src.path, STORAGE_FORMAT_QCOW2, timeout_ms, &info, err))
        return false;
    if (!live_still_runs(live))
        return error_set(err, ERROR_VM_GONE, "QEMU exited");
    dac_find_owner(vm->host->dac, &info.id, &info.uid, &info.gid);
    dac_lend(vm->host, vm->live, vm->run->dac, &one->disk->src,
             &(DacItem){ .path = one->entry->src.path,
                         .uid = info.uid,
                         .gid = info.gid,
                         .id = info.id,
                         .mode = info.mode });
    return vm_lease_add(vm, one->disk, err);
}

AWAITS static bool live_add_nodes(Live *live, LiveDisk *one, Error **err)
{
    Vm *vm = live->vm;
    const QemuCommandEnv env = { .lib_dir = vm->run->lib_dir };
    const PlanContext context = { .def = vm->live,
                                  .caps = vm->run->caps,
                                  .env = &env,
                                  .machine = qemu_caps_machine(vm->run->caps, vm->live->os.machine),
                                  .is_hot = true };

    one->plan = plan_new();
    return vm_confine_add_device(vm, DEVICE_DISK, one->disk, err) &&
           device_plan_medium(&context, one->disk, one->plan, err) &&
           plan_execute(one->plan, &one->target, &live->undo, err);
}

AWAITS static bool live_prepare(Live *live, Error **err)
{
    Vm *vm = live->vm;
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;
    g_autoptr(GHashTable) nodes = NULL;
    uid_t uid = 0;
    gid_t gid = 0;

    job_set_phase(live->make->job, "making images");
    if (!monitor_query_block_nodes(vm_monitor(vm), 0, &nodes, err) ||
        (!vm->run->caps && !vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, err)))
        return false;
    for (guint i = 0; i < live->disks->len; i++) {
        if (!live_make_image(live, g_ptr_array_index(live->disks, i), nodes, err))
            return false;
    }
    undo_push(&live->undo, live_give_back, live);
    for (guint i = 0; i < live->disks->len; i++) {
        if (!live_lend(live, g_ptr_array_index(live->disks, i), err))
            return false;
    }
    if (!vm_require_monitor(vm, err))
        return false;
    dac_get_owner(vm->host, vm->live, &uid, &gid);
    if (!vm_status_save(vm, err) || !vm_require_monitor(vm, err) ||
        !dac_apply(vm->run->dac, uid, gid, timeout_ms, err) || !vm_security_load(vm, err) ||
        !vm_require_monitor(vm, err))
        return false;
    for (guint i = 0; i < live->disks->len; i++) {
        if (!live_add_nodes(live, g_ptr_array_index(live->disks, i), err))
            return false;
    }
    /* Nobody but us makes bitmaps; asked for here it costs the guest nothing. */
    return vm_require_monitor(vm, err) &&
           (live->disks->len == 0 || monitor_query_bitmaps(vm_monitor(vm), 0, &live->bitmaps, err)) &&
           vm_require_monitor(vm, err);
}

/* ---- the moment ---- */

AWAITS static bool live_freeze(Live *live, Error **err)
{
    int count = 0;

    if (!(live->make->flags & CREATE(QUIESCE)))
        return true;
    job_set_phase(live->make->job, "freezing file systems");
    live->is_frozen = true; /* even if no answer comes: they may be */
    return vm_freeze_filesystems(live->vm, NULL, 0, 0, live->make->caller, &count, err);
}

static void live_thaw(Live *live)
{
    if (!live->is_frozen)
        return;
    live->is_frozen = false;
    fiber_shield_begin();
    vm_snapshot_thaw(live->vm);
    fiber_shield_end();
}

void vm_snapshot_thaw(Vm *vm)
{
    const uint64_t deadline_ms = loop_now_ms() + THAW_PATIENCE_MS;
    g_autoptr(Error) err = NULL;
    int count = 0;

    while (vm->run && !vm_thaw_filesystems(vm, 0, 0, NULL, &count, &err)) {
        const ErrorCode code = error_code(err);
        /* An agent that is not there froze nothing; one that came anew may be slow. */
        if (code == ERROR_ARGUMENT_UNSUPPORTED || loop_now_ms() >= deadline_ms || !fiber_sleep(200, NULL)) {
            log_error_error(err, "the file systems of a guest may still be frozen");
            return;
        }
        g_clear_pointer(&err, error_free);
    }
}

AWAITS static bool live_save_memory(Live *live, Error **err)
{
    Vm *vm = live->vm;
    const SnapshotDef *def = live->make->def;
    g_autofree char *xml = NULL;
    StateCopy copy = { .path = def->memory_file,
                       .pause = !(live->make->flags & CREATE(LIVE)),
                       .pause_reason = VIR_DOMAIN_PAUSED_SNAPSHOT,
                       .operation = VIR_DOMAIN_JOB_OPERATION_SNAPSHOT };

    if (live->make->memory) {
        live->is_saved = vm_memory_write(vm, live->make->job, live->make->memory, err);
        return live->is_saved;
    }
    if (def->memory != DISK_SNAPSHOT_EXTERNAL)
        return true;
    if (!save_format_from_name(vm->host->config->snapshot_image_format, &copy.format, err))
        return false;
    xml = vm_xml_format_inactive(vm->live, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
    copy.xml = xml;
    copy.image_runs = vm->state == VM_STATE_RUNNING;
    live->is_saved = vm_state_to_file(vm, live->make->job, &copy, err);
    return live->is_saved;
}

AWAITS static bool live_switch(Live *live, Error **err)
{
    AUTO_JSON actions = json_array();

    for (guint i = 0; i < live->disks->len; i++) {
        const LiveDisk *one = g_ptr_array_index(live->disks, i);
        g_autofree char *node = format_node(one->disk);
        json_array_append_new(actions, json_pack("{s:s, s:{s:s, s:s}}", "type", "blockdev-snapshot", "data",
                                                 "node", one->old_node, "overlay", node));
        bitmap_follow_actions(actions, live->bitmaps, one->old_node, node);
    }
    if (live->disks->len == 0)
        return true;
    AUTO_JSON args = json_pack("{s:O}", "actions", actions);
    live->is_switched = true;
    if (qmp_exec(vm_monitor(live->vm), "transaction", args, 0, NULL, err))
        return true;
    /* No answer is no refusal. */
    live->is_switched = err && error_code(*err) != ERROR_REFUSED;
    return false;
}

/* ---- after it ---- */

/* @live goes on in the overlays, whose nodes have @nodes' numbers. */
void vm_snapshot_put_overlay(DiskDef *disk, const SnapshotDisk *entry, uint32_t index)
{
    StorageSource *overlay = vm_snapshot_overlay(entry, NULL);
    StorageSource *below = g_new(StorageSource, 1);

    *below = disk->src;
    below->startup_policy = STARTUP_POLICY_ABSENT;
    overlay->index = index;
    overlay->startup_policy = disk->src.startup_policy;
    overlay->backing = below;
    disk->src = *overlay;
    g_free(overlay);
}

void vm_snapshot_drop_lease_below(Vm *vm, const char *target)
{
    const DiskDef *disk = vm->live ? vm_snapshot_disk(vm->live, target) : NULL;

    if (disk && disk->src.backing && lease_is_wanted(vm->host, disk, disk->src.backing)) {
        g_autofree char *path = g_strdup(disk->src.backing->path);
        vm_lease_drop(vm, path);
    }
}

bool vm_snapshot_settle_config(Vm *vm, const SnapshotDef *def, Error **err)
{
    g_autoptr(DomainDef) config = vm->config ? domain_def_copy(vm->config) : NULL;

    if (!config)
        return true;
    vm_snapshot_follow(config, def, def->domain);
    if (!object_store(vm->host, &domain_class, config, err))
        return false;
    object_set_config(&vm->object, g_steal_pointer(&config));
    return true;
}

AWAITS static bool live_settle(Live *live, Error **err)
{
    Vm *vm = live->vm;

    if (live_still_runs(live)) {
        for (guint i = 0; i < live->disks->len; i++) {
            const LiveDisk *one = g_ptr_array_index(live->disks, i);
            vm_snapshot_put_overlay(vm_snapshot_disk(vm->live, one->entry->name), one->entry,
                                    one->disk->src.index);
        }
        if (!vm_status_save(vm, err))
            return false;
        for (guint i = 0; i < live->disks->len && live_still_runs(live); i++) {
            const LiveDisk *one = g_ptr_array_index(live->disks, i);
            vm_snapshot_drop_lease_below(vm, one->entry->name);
        }
    }
    return vm_snapshot_settle_config(vm, live->make->def, err);
}

static void live_take_back(Live *live)
{
    if (!live_still_runs(live)) /* with QEMU went its nodes and what it was lent */
        undo_keep(&live->undo);
    undo_clear(&live->undo);
    vm_snapshot_unpromise(live->make);
    if (live->is_saved && live->make->def->memory_file)
        image_unlink(live->make->def->memory_file);
    for (guint i = 0; i < live->disks->len; i++) {
        const LiveDisk *one = g_ptr_array_index(live->disks, i);
        if (one->is_made && one->entry->src.type == STORAGE_FILE)
            image_unlink(one->entry->src.path);
    }
    if (live->is_saved && live_still_runs(live))
        vm_state_end(live->vm);
}

/* The guest goes on, or ends. */
static void live_release(Live *live)
{
    Vm *vm = live->vm;

    if (!live_still_runs(live))
        return;
    if (live->make->flags & CREATE(HALT)) {
        vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT, VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT);
    } else if (live->is_saved) {
        vm_state_end(vm);
    }
}

AWAITS static bool live_external(Live *live, Error **err)
{
    Vm *vm = live->vm;
    VmIntent *intent = live->make->intent;
    g_autoptr(Error) why = NULL;

    live_list_disks(live);
    intent->is_live = true;
    intent->is_frozen = live->make->flags & CREATE(QUIESCE);
    if (!vm_intent_save(vm, intent, err))
        return false;
    bool ok = vm_require_monitor(vm, &why) && live_prepare(live, &why) &&
              ((live->make->flags & CREATE(NO_METADATA)) ||
               vm_snapshot_keep_state(vm, live->make->def->name, &why)) &&
              vm_snapshot_promise(live->make, &why) && vm_require_monitor(vm, &why) &&
              live_freeze(live, &why) && live_save_memory(live, &why) && vm_require_monitor(vm, &why);
    fiber_shield_begin(); /* from here on it is not left half done */
    ok = ok && live_switch(live, &why);
    live_thaw(live);
    if (!ok && !live->is_switched) {
        live_take_back(live);
        vm_intent_done(vm);
    } else if (ok) {
        undo_keep(&live->undo);
        if (!(live->make->flags & CREATE(HALT)))
            live_release(live);
        /* The journal stays if that fails: what a later daemon finds there it finishes. */
        ok = live_settle(live, &why);
        if (ok)
            vm_intent_done(vm);
        else
            vm_snapshot_settle_later(vm);
        if (live->make->flags & CREATE(HALT))
            live_release(live);
    } else {
        undo_keep(&live->undo); /* whether QEMU has switched shows when it answers, or is gone */
        vm_snapshot_settle_later(vm);
        live_release(live);
    }
    fiber_shield_end();
    return ok || error_propagate(err, g_steal_pointer(&why));
}

/* ---- inside of the images ---- */

AWAITS static bool internal_pause(Vm *vm, Error **err)
{
    vm->run->must_run = vm->run->must_run || vm->state == VM_STATE_RUNNING;
    return vm_status_save(vm, err) && vm_require_monitor(vm, err) &&
           (vm->state != VM_STATE_RUNNING || vm_process_pause_cpus(vm, VIR_DOMAIN_PAUSED_SNAPSHOT, err));
}

AWAITS static bool live_internal(Live *live, Error **err)
{
    Vm *vm = live->vm;
    SnapshotMake *make = live->make;
    g_autoptr(Error) why = NULL;

    make->intent->is_live = true;
    if (!vm_intent_save(vm, make->intent, err))
        return false;
    job_set_phase(make->job, "writing memory");
    bool ok = vm_require_monitor(vm, &why) && internal_pause(vm, &why) &&
              ((make->flags & CREATE(NO_METADATA)) || vm_snapshot_keep_state(vm, make->def->name, &why)) &&
              vm_require_monitor(vm, &why);
    bool is_saved = false;
    if (ok) {
        is_saved = vm_snapshot_ask_qemu(vm, SNAPSHOT_SAVE, make->def, &why);
        ok = is_saved && vm_snapshot_promise(make, &why);
    }
    fiber_shield_begin();
    if (!ok) {
        g_autoptr(Error) twice = NULL;
        vm_snapshot_unpromise(make);
        if (is_saved && vm_monitor(vm) && !vm_snapshot_ask_qemu(vm, SNAPSHOT_DELETE, make->def, &twice))
            log_error_error(twice, "a snapshot that failed stays in an image");
    }
    if (!ok && !is_saved && error_code(why) == ERROR_TIMEOUT)
        vm_snapshot_settle_later(vm); /* it may be there when QEMU speaks again */
    else
        vm_intent_done(vm);
    if (ok && live_still_runs(live) && (make->flags & CREATE(HALT)))
        live_release(live);
    else if (live_still_runs(live))
        vm_state_end(vm);
    fiber_shield_end();
    return ok || error_propagate(err, g_steal_pointer(&why));
}

bool vm_snapshot_make_live(SnapshotMake *make, Error **err)
{
    Live live = { .make = make, .vm = make->vm, .serial = make->vm->run->serial };
    const bool is_internal = make->def->memory == DISK_SNAPSHOT_INTERNAL;

    const bool ok = is_internal ? live_internal(&live, err) : live_external(&live, err);
    undo_clear(&live.undo);
    if (live.disks)
        g_ptr_array_unref(live.disks);
    if (live.bitmaps)
        g_ptr_array_unref(live.bitmaps);
    return ok;
}
