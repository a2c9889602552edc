/* The beginning of a backup.
 *
 * What is about to be made is in the status file first, so whoever finds the machine without the backup
 * having begun takes it back. All disks, and the checkpoint, begin in one transaction. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "backup"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/worker.h"
#include "conf/volume.h"
#include "machine/vm_backup_private.h"
#include "machine/vm_bitmap.h"
#include "machine/vm_block_job.h"
#include "machine/vm_checkpoint.h"
#include "machine/vm_device_private.h"
#include "machine/vm_moment.h"
#include "machine/vm_query.h"
#include "qemu/monitor_nbd.h"
#include "storage/image_make.h"
#include "storage/image_snapshot.h"
#include "storage/image_users.h"
#include "storage/probe.h"

typedef struct Begin {
    Vm *vm;
    VmBackup *backup;          /* run->backup, from when it is */
    CheckpointDef *checkpoint; /* owned; NULL: none */
    GPtrArray *bitmaps;        /* of MonitorBitmap */
    GHashTable *nodes;         /* name -> MonitorBlockNode */
    GPtrArray *jobs;           /* of VmBlockJob, NULL: as the actions of the same number */
    Json *actions;
    bool has_bitmaps;      /* of the checkpoint */
    uint64_t needed_bytes; /* that must be free, see check_room() */
} Begin;

static void begin_clear(Begin *begin)
{
    checkpoint_def_free(begin->checkpoint);
    g_clear_pointer(&begin->bitmaps, g_ptr_array_unref);
    g_clear_pointer(&begin->nodes, g_hash_table_unref);
    g_clear_pointer(&begin->jobs, g_ptr_array_unref);
    json_decref(begin->actions);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Begin, begin_clear)

/* ---- what can be known before ---- */

static bool check_incremental(const Begin *begin, const BackupDef *def, Error **err)
{
    for (DEF_EACH(BackupDisk, entry, def->disks)) {
        const DiskDef *disk = domain_find_disk(begin->vm->live, entry->name);
        g_autoptr(GPtrArray) nodes = NULL;
        if (entry->backup == TRISTATE_OFF || entry->mode != BACKUP_INCREMENTAL)
            continue;
        const Moment *moment = moment_get(begin->vm->checkpoints, entry->incremental);
        if (!moment)
            return error_set(err, ERROR_NO_CHECKPOINT,
                             "Checkpoint '%s' for incremental backup of disk '%s' not found",
                             entry->incremental, entry->name);
        if (!bitmap_find_chain(begin->bitmaps, disk, entry->incremental, &nodes, err))
            return false;
    }
    return true;
}

static bool check_disks(const Begin *begin, const BackupDef *def, Error **err)
{
    for (DEF_EACH(BackupDisk, entry, def->disks)) {
        const DiskDef *disk = domain_find_disk(begin->vm->live, entry->name);
        const StorageSource *image = backup_disk_image(entry);
        if (entry->backup == TRISTATE_OFF)
            continue;
        if (!vm_block_job_require_none(begin->vm, entry->name, err))
            return false;
        if (storage_is_empty(&disk->src) || disk->readonly)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "disk '%s' is empty or readonly", entry->name);
        if (image->encryption)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "disk '%s': the image of a backup cannot be encrypted by this version",
                             entry->name);
    }
    return true;
}

/* ---- images ---- */

typedef struct LookJob {
    char *path;
    bool is_there, is_block;
} LookJob;

static bool look_run(void *data, Error **err)
{
    LookJob *job = data;
    struct stat st;

    if (stat(job->path, &st) == 0) {
        job->is_there = true;
        job->is_block = S_ISBLK(st.st_mode);
        return true;
    }
    return errno == ENOENT || error_set_errno(err, errno, "it cannot be looked at");
}

static void look_free(void *data)
{
    LookJob *job = data;

    g_free(job->path);
    g_free(job);
}

static bool look(Vm *vm, const BackupDisk *entry, const StorageSource *image, bool reuse, bool *ret_make,
                 Error **err)
{
    LookJob *job = g_new0(LookJob, 1);

    job->path = g_strdup(image->path);
    if (!worker_call_path(image->path, "cannot access", look_run, job, look_free,
                          (uint64_t)vm->host->config->storage_timeout_s * 1000, err))
        return false;
    const bool is_there = job->is_there, is_block = job->is_block;
    look_free(job);
    if (reuse && !is_there)
        return error_set_errno(err, ENOENT, "unable to stat: %s", image->path);
    if (entry->type == STORAGE_BLOCK && !is_block)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' for backup of '%s' is no block device",
                         image->path, entry->name);
    if (!reuse && entry->type == STORAGE_FILE && is_there)
        return error_set(err, ERROR_INVALID_ARGUMENT, "store '%s' for backup of '%s' exists", image->path,
                         entry->name);
    if (is_there && !image_users_require_none(vm->host, image->path, err))
        return false;
    /* A raw device is written as it is. */
    *ret_make = !reuse && !(is_block && entry->format == STORAGE_FORMAT_RAW);
    return true;
}

/* Before the guest overwrites something, QEMU 7.2 copies it into the image; what fails there it makes a
 * failure of the guest's write. A machine that stops for want of space then goes on without the backup
 * (vm_space.c); one whose disk tells or ignores errors instead must not come to that. */
AWAITS static bool check_room(Begin *begin, const DiskDef *disk, const char *path, uint64_t bytes,
                              Error **err)
{
    if (disk->error_policy != DISK_ERROR_POLICY_REPORT && disk->error_policy != DISK_ERROR_POLICY_IGNORE)
        return true;
    begin->needed_bytes += bytes;
    const uint64_t free_bytes = image_free_bytes(path);
    if (begin->needed_bytes <= free_bytes)
        return true;
    error_set(err, ERROR_CONFIG_UNSUPPORTED,
              "disk '%s' has error_policy='%s': its guest would meet a lack of space in '%s', which may "
              "need %" PRIu64 " bytes where %" PRIu64 " are free",
              disk->target, enum_name(&disk_error_policy_names, disk->error_policy), path,
              begin->needed_bytes, free_bytes);
    return error_hint(err,
                      "put the images of the backup where there is room for whole disks, or take another "
                      "error_policy");
}

static bool make_image(Begin *begin, const DiskDef *disk, BackupDisk *entry, VmBackupDisk *state, Error **err)
{
    const StorageSource *image = backup_disk_image(entry);
    g_autofree char *node = storage_node_name(&disk->src);
    const MonitorBlockNode *seen = g_hash_table_lookup(begin->nodes, node);
    bool must_make = false;

    if (!look(begin->vm, entry, image, begin->backup->flags & VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL,
              &must_make, err))
        return false;
    if (!must_make)
        return true;
    if (!seen)
        return error_set(err, ERROR_INTERNAL, "QEMU has no node '%s'", node);
    if (entry->type == STORAGE_FILE && !check_room(begin, disk, image->path, seen->virtual_bytes, err))
        return false;
    g_autoptr(VolumeDef) def = g_new0(VolumeDef, 1);
    def->type = entry->type == STORAGE_BLOCK ? VOLUME_BLOCK : VOLUME_FILE;
    def->target.path = g_strdup(image->path);
    def->target.format = g_strdup(enum_name(&storage_format_names, entry->format));
    if (entry->format == STORAGE_FORMAT_QCOW2)
        def->target.compat = g_strdup("1.1"); /* the older one can't say which clusters are zero */
    def->capacity = (OptU64){ .is_set = true, .value = seen->virtual_bytes };
    def->allocation = (OptU64){ .is_set = true };
    state->is_made = entry->type == STORAGE_FILE;
    g_autoptr(Error) why = NULL;
    if (!vm_status_save(begin->vm, err))
        return false;
    if (image_make(begin->vm->host, def, image->path, NULL, 0, &why))
        return true;
    state->is_made = false; /* it takes its own back */
    return error_propagate(err, g_steal_pointer(&why));
}

/* Makes the image and gives it to QEMU: a scratch image on top of the disk's. */
static bool add_image(Begin *begin, const DiskDef *disk, BackupDisk *entry, Error **err)
{
    Vm *vm = begin->vm;
    VmBackupDisk *state = vm_backup_disk(begin->backup, entry->name);
    const PlanTarget target = { .qmp = vm_monitor(vm) };
    g_autoptr(QemuSecrets) secrets = NULL;
    g_autoptr(Plan) plan = NULL;
    DiskDef shell;
    g_auto(Undo) undo = { 0 };

    if (!make_image(begin, disk, entry, state, err))
        return false;
    vm_backup_shell(disk, entry, &shell);
    shell.src.index = ++vm->run->last_node;
    backup_disk_image(entry)->index = shell.src.index;
    state->has_node = true;
    if (!vm_disk_prepare(vm, &shell, &secrets, err) ||
        !vm_plan_image(vm, &shell, &shell.src, entry->is_pull ? &disk->src : NULL, false, secrets, &plan,
                       err) ||
        !plan_execute(plan, &target, &undo, err))
        return false;
    undo_keep(&undo); /* the backup's own end takes it away */
    return true;
}

/* ---- the server ---- */

static bool start_server(Vm *vm, VmBackup *backup, Error **err)
{
    const BackupServer *server = backup->def->server;
    const Config *config = vm->host->config;
    AUTO_FD fd = -1;

    if (!server)
        return true;
    backup->has_server = true;
    backup->has_tls = server->tls == TRISTATE_ON;
    if (server->transport == BACKUP_UNIX)
        backup->socket = g_strdup(server->socket);
    if (!vm_status_save(vm, err) || !vm_require_monitor(vm, err))
        return false;
    if (backup->socket && !vm_listen_for_qemu(vm, backup->socket, &fd, err)) {
        g_clear_pointer(&backup->socket, g_free);
        return error_prefix(err, "Failed to bind socket to %s", server->socket);
    }
    if (backup->has_tls &&
        !monitor_nbd_add_tls(vm_monitor(vm), VM_BACKUP_TLS_ID, config->backup_tls_x509_cert_dir,
                             config->backup_tls_x509_verify, 0, err))
        return false;
    const MonitorNbdServer start = { .fd = fd,
                                     .host = server->host,
                                     .port = (unsigned)server->port.value,
                                     .tls_id = backup->has_tls ? VM_BACKUP_TLS_ID : NULL };
    g_autoptr(Error) why = NULL;
    if (monitor_nbd_start(vm_monitor(vm), &start, 0, &why))
        return true;
    if (error_code(why) == ERROR_REFUSED) /* one that runs already is somebody else's */
        backup->has_server = false;
    return error_propagate(err, g_steal_pointer(&why));
}

static bool export_disks(Vm *vm, const VmBackup *backup, Error **err)
{
    if (!backup->def->server)
        return true;
    for (DEF_EACH(BackupDisk, entry, backup->def->disks)) {
        g_autofree char *node = storage_node_name(backup_disk_image(entry));
        if (entry->backup != TRISTATE_OFF &&
            !monitor_nbd_export(vm_monitor(vm), node, entry->exportname,
                                entry->mode == BACKUP_INCREMENTAL ? entry->exportbitmap : NULL, 0, err))
            return false;
    }
    return true;
}

/* ---- the transaction ---- */

/* Those that begin no job. */
static void pad_jobs(Begin *begin)
{
    while (begin->jobs->len < json_array_size(begin->actions))
        g_ptr_array_add(begin->jobs, NULL);
}

static bool append_disk(Begin *begin, const DiskDef *disk, BackupDisk *entry, Error **err)
{
    VmBackupDisk *state = vm_backup_disk(begin->backup, entry->name);
    g_autofree char *source = storage_node_name(&disk->src);
    g_autofree char *image = storage_node_name(backup_disk_image(entry));
    const bool is_incremental = entry->mode == BACKUP_INCREMENTAL;
    g_autofree char *bitmap = !is_incremental  ? NULL
                              : entry->is_pull ? g_strdup(entry->exportbitmap)
                                               : g_strdup_printf("backup-%s", entry->name);

    /* What the guest wrote since: of a pulled one clients ask the scratch image. */
    if (is_incremental && !bitmap_copy_actions(begin->actions, begin->bitmaps, disk, entry->incremental,
                                               entry->is_pull ? image : source, bitmap, err))
        return false;
    if (is_incremental && !entry->is_pull)
        state->bitmap = g_strdup(bitmap);
    pad_jobs(begin);
    Json *data = json_pack("{s:s, s:s}", "device", source, "target", image);
    json_object_set_new(data, "sync",
                        json_string(entry->is_pull   ? "none"
                                    : is_incremental ? "bitmap"
                                                     : "full"));
    if (is_incremental && !entry->is_pull) {
        json_object_set_new(data, "bitmap", json_string(bitmap));
        json_object_set_new(data, "bitmap-mode", json_string("never"));
    }
    json_array_append_new(begin->actions, json_pack("{s:s, s:o}", "type", "blockdev-backup", "data", data));
    g_ptr_array_add(begin->jobs, vm_block_job_new(BLOCK_JOB_BACKUP, entry->name));
    return true;
}

static void unref_job(void *job)
{
    vm_block_job_unref(job);
}

static bool start_jobs(Begin *begin, Error **err)
{
    Vm *vm = begin->vm;

    begin->actions = json_array();
    begin->jobs = g_ptr_array_new_with_free_func(unref_job);
    /* Again: images were made meanwhile. */
    g_clear_pointer(&begin->bitmaps, g_ptr_array_unref);
    if (!monitor_query_bitmaps(vm_monitor(vm), 0, &begin->bitmaps, err))
        return false;
    if (begin->checkpoint)
        vm_checkpoint_append_actions(vm, begin->checkpoint, begin->actions);
    pad_jobs(begin);
    for (DEF_EACH(BackupDisk, entry, begin->backup->def->disks)) {
        const DiskDef *disk = domain_find_disk(vm->live, entry->name);
        if (entry->backup != TRISTATE_OFF && !append_disk(begin, disk, entry, err))
            return false;
    }
    if (begin->checkpoint && !vm_checkpoint_announce(vm, begin->checkpoint, err))
        return false;
    if (!vm_block_job_start_all(vm, begin->jobs, begin->actions, err))
        return false;
    begin->has_bitmaps = begin->checkpoint != NULL;
    return true;
}

/* ---- all together ---- */

static void take_back(void *arg)
{
    Begin *begin = arg;
    Vm *vm = begin->vm;

    if (!vm->run || vm->run->backup != begin->backup)
        return;
    vm_backup_cancel_jobs(vm, true);
    if (begin->has_bitmaps && begin->checkpoint && vm->run)
        vm_checkpoint_take_back(vm, begin->checkpoint);
    if (vm->run && vm->run->backup == begin->backup)
        vm_backup_clean_up(vm, false);
}

static bool begin_all(Begin *begin, Error **err)
{
    Vm *vm = begin->vm;
    VmBackup *backup = begin->backup;

    if (!start_server(vm, backup, err))
        return false;
    for (DEF_EACH(BackupDisk, entry, backup->def->disks)) {
        const DiskDef *disk = domain_find_disk(vm->live, entry->name);
        if (entry->backup != TRISTATE_OFF && !add_image(begin, disk, entry, err))
            return false;
        if (!vm_require_monitor(vm, err))
            return false;
    }
    if (!start_jobs(begin, err) || !export_disks(vm, backup, err))
        return false;
    if (begin->checkpoint) {
        if (!vm_checkpoint_keep(vm, begin->checkpoint, err)) {
            begin->has_bitmaps = false;
            return false;
        }
        begin->checkpoint = NULL; /* the tree's now */
    }
    if (!vm_require_monitor(vm, err))
        return false;
    backup->is_begun = true;
    return vm_status_save(vm, err);
}

static bool check_all(Begin *begin, BackupDef *def, const char *checkpoint_xml, Error **err)
{
    Vm *vm = begin->vm;
    g_autofree char *suffix = g_strdup_printf("%lld", (long long)time(NULL));

    if (!vm_is_running(vm))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "cannot perform disk backup for inactive domain");
    if (!vm_backup_require_none(vm, err) || !vm_require_monitor(vm, err) ||
        (!vm->run->caps && !vm_xml_get_caps(vm->host, vm->live, &vm->run->caps, err)) ||
        (checkpoint_xml && !vm_checkpoint_prepare(vm, checkpoint_xml, &begin->checkpoint, err)) ||
        !vm_require_monitor(vm, err) || !backup_align_disks(def, vm->live, suffix, err) ||
        !check_disks(begin, def, err) || !monitor_query_bitmaps(vm_monitor(vm), 0, &begin->bitmaps, err) ||
        !monitor_query_block_nodes(vm_monitor(vm), 0, &begin->nodes, err))
        return false;
    return check_incremental(begin, def, err);
}

bool vm_backup_begin(Vm *vm, const char *xml, const char *checkpoint_xml, unsigned flags,
                     const Caller *caller, Error **err)
{
    g_autoptr(BackupDef) def = NULL;
    g_auto(Job) job = { 0 };
    g_autoptr(Error) why = NULL;
    g_auto(Begin) begin = { .vm = vm };
    g_auto(Undo) undo = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL | VM_BACKUP_PRESERVE, "qemuBackupBegin",
                     err) ||
        !backup_def_parse(xml, strlen(xml), &def, err) ||
        !job_begin(&vm->object, JOB_BACKUP, caller, &job, err) || !object_require_listed(&vm->object, err) ||
        !check_all(&begin, def, checkpoint_xml, err))
        return false;
    begin.backup = vm->run->backup = vm_backup_new(g_steal_pointer(&def));
    begin.backup->flags = flags;
    begin.backup->caller = g_strdup(caller_describe(caller));
    undo_push(&undo, take_back, &begin);
    if (!begin_all(&begin, &why)) {
        if (error_code(why) == ERROR_REFUSED)
            error_recode(why, ERROR_INTERNAL);
        return error_propagate(err, g_steal_pointer(&why));
    }
    undo_keep(&undo);
    log_info("machine '%s': backup begun by %s", vm->name, caller_describe(caller));
    return true;
}
