/* Backups that go on: their progress and their end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "backup"
#include "machine/vm_backup.h"
#include "machine/vm_migrate.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "conf/domain_rows.h"
#include "machine/vm_backup_private.h"
#include "machine/vm_bitmap.h"
#include "machine/vm_block_job.h"
#include "machine/vm_device_private.h"
#include "machine/vm_query.h"
#include "qemu/monitor_nbd.h"
#include "storage/image_make.h"

#define SOCKETS_MAX (16u << 20) /* bytes of /proc/net/unix */
#define CLIENT_LOOK_MS 5000
#define CLIENT_LOOKS 4

/* ---- in the status file ---- */

static const XmlTable backup_disk_status_table =
    TABLE(VmBackupDisk, "backup-disk-status",
          ROWS(ATTR("name", VmBackupDisk, name, .flags = ROW_REQUIRED), ATTR("made", VmBackupDisk, is_made),
               ATTR("node", VmBackupDisk, has_node), ATTR("bitmap", VmBackupDisk, bitmap),
               ATTR("end", VmBackupDisk, end, .max = BLOCK_JOB_STATE_COUNT - 1),
               ATTR("done", VmBackupDisk, done, .max = UINT64_MAX),
               ATTR("total", VmBackupDisk, total, .max = UINT64_MAX)));
const XmlTable vm_backup_table =
    TABLE(VmBackup, "backup",
          ROWS(ATTR("flags", VmBackup, flags, .max = UINT32_MAX),
               ATTR("begun", VmBackup, begun_ms, .max = UINT64_MAX), ATTR("caller", VmBackup, caller),
               ATTR("problem", VmBackup, problem), ATTR("socket", VmBackup, socket),
               ATTR("server", VmBackup, has_server), ATTR("tls", VmBackup, has_tls),
               ATTR("isBegun", VmBackup, is_begun), ATTR("isAborted", VmBackup, is_aborted),
               LIST("image", VmBackup, disks, &backup_disk_status_table),
               OBJECT("domainbackup", VmBackup, def, &backup_table)));

VmBackup *vm_backup_new(BackupDef *def)
{
    VmBackup *backup = xml_table_new(&vm_backup_table);

    backup->def = def;
    backup->begun_ms = (uint64_t)g_get_real_time() / 1000;
    for (DEF_EACH(BackupDisk, entry, def->disks)) {
        if (entry->backup == TRISTATE_OFF)
            continue;
        VmBackupDisk *disk = xml_table_new(&backup_disk_status_table);
        disk->name = g_strdup(entry->name);
        if (!backup->disks)
            backup->disks = g_ptr_array_new();
        g_ptr_array_add(backup->disks, disk);
    }
    return backup;
}

void vm_backup_free(VmBackup *backup)
{
    if (backup)
        xml_table_free(&vm_backup_table, backup);
}

VmBackupDisk *vm_backup_disk(const VmBackup *backup, const char *name)
{
    for (DEF_EACH(VmBackupDisk, disk, backup->disks)) {
        if (strcmp(disk->name, name) == 0)
            return disk;
    }
    return NULL;
}

void vm_backup_shell(const DiskDef *disk, BackupDisk *entry, DiskDef *ret_shell)
{
    *ret_shell = (DiskDef){
        .target = disk->target, .device = disk->device, .bus = disk->bus, .src = *backup_disk_image(entry)
    };
}

/* ---- what others ask ---- */

bool vm_backup_is_running(const Vm *vm)
{
    return vm->run && vm->run->backup;
}

static bool require(const Vm *vm, Error **err)
{
    return vm_backup_is_running(vm) || error_set(err, ERROR_NO_BACKUP, "no domain backup job present");
}

bool vm_backup_require_none(const Vm *vm, Error **err)
{
    if (!vm_backup_is_running(vm))
        return true;
    const uint64_t now_ms = (uint64_t)g_get_real_time() / 1000;
    g_autofree char *age = duration_format(now_ms - MIN(vm->run->backup->begun_ms, now_ms));
    error_set(err, ERROR_INVALID_STATE, "a backup of domain '%s' runs (of %s for %s)", vm->name,
              vm->run->backup->caller ? vm->run->backup->caller : "an earlier daemon", age);
    return error_hint(err, "'lodge domjobinfo %s' tells how far it is, 'lodge domjobabort %s' ends it",
                      vm->name, vm->name);
}

bool vm_backup_get_xml(Vm *vm, unsigned flags, char **ret_xml, Error **err)
{
    if (!check_flags(flags, 0, "qemuBackupGetXMLDesc", err) || !require(vm, err))
        return false;
    *ret_xml = backup_def_format(vm->run->backup->def);
    return true;
}

void vm_backup_list_jobs(Host *host, GPtrArray *records)
{
    const Vm *vm = NULL;
    const uint64_t now_ms = (uint64_t)g_get_real_time() / 1000;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (!vm_backup_is_running(vm) || !vm->run->backup->is_begun)
            continue;
        const VmBackup *backup = vm->run->backup;
        JobRecord *record = g_new0(JobRecord, 1);
        *record = (JobRecord){ .noun = vm->class->noun,
                               .name = g_strdup(vm->name),
                               .id = vm_id(vm),
                               .kind = JOB_BACKUP,
                               .phase = backup->def->mode == BACKUP_PULL ? "serving disks" : "copying disks",
                               .running = true,
                               .age_ms = now_ms - MIN(backup->begun_ms, now_ms),
                               .caller = g_strdup(backup->caller ? backup->caller : "") };
        uuid_format(&vm->uuid, record->uuid);
        g_ptr_array_add(records, record);
    }
}

static void fill_progress(const Vm *vm, JobProgress *ret_progress)
{
    const VmBackup *backup = vm->run->backup;
    const uint64_t now_ms = (uint64_t)g_get_real_time() / 1000;
    uint64_t done = 0, total = 0;

    for (DEF_EACH(VmBackupDisk, disk, backup->disks)) {
        done += disk->done;
        total += disk->total;
    }
    *ret_progress = (JobProgress){ .type = VIR_DOMAIN_JOB_UNBOUNDED,
                                   .operation = VIR_DOMAIN_JOB_OPERATION_BACKUP,
                                   .elapsed_ms = now_ms - MIN(backup->begun_ms, now_ms) };
    if (backup->def->mode == BACKUP_PULL) {
        ret_progress->disk_temp_used = done;
        ret_progress->disk_temp_total = total;
    } else {
        ret_progress->disk_total = total;
        ret_progress->disk_processed = done;
        ret_progress->disk_remaining = total - MIN(done, total);
    }
}

bool vm_backup_get_progress(Vm *vm, JobProgress *ret_progress, Error **err)
{
    g_autoptr(GPtrArray) jobs = NULL;

    if (!require(vm, err) || !monitor_query_jobs(vm_monitor(vm), 0, &jobs, err) || !require(vm, err))
        return false;
    for (DEF_EACH(VmBackupDisk, disk, vm->run->backup->disks)) {
        const VmBlockJob *job = vm_block_job_of_disk(vm, disk->name);
        const MonitorBlockJob *seen = job && job->id ? monitor_find_job(jobs, job->id) : NULL;
        if (!seen)
            continue;
        disk->done = seen->done;
        disk->total = seen->total;
    }
    fill_progress(vm, ret_progress);
    return true;
}

/* ---- taking away ---- */

static bool remove_nodes(Vm *vm, const DiskDef *disk, const DiskDef *shell, const VmBackupDisk *state,
                         Error **err)
{
    const PlanTarget target = { .qmp = vm_monitor(vm) };
    g_autoptr(Plan) plan = NULL;
    AUTO_JSON actions = json_array();
    g_autofree char *node = storage_node_name(&disk->src);
    g_autoptr(GPtrArray) bitmaps = NULL;

    if (state->bitmap && !monitor_query_bitmaps(vm_monitor(vm), 0, &bitmaps, err))
        return false;
    if (state->bitmap && monitor_find_bitmap(bitmaps, node, state->bitmap))
        monitor_bitmap_remove(actions, node, state->bitmap);
    if (!monitor_transaction(vm_monitor(vm), g_steal_pointer(&actions), 0, err))
        return false;
    return !state->has_node || !shell->src.index ||
           (vm_plan_image(vm, shell, &shell->src, NULL, false, NULL, &plan, err) &&
            plan_reverse(plan, &target, err));
}

/* @is_alive: QEMU can be asked. */
AWAITS static void remove_disk(Vm *vm, BackupDisk *entry, const VmBackupDisk *state, bool is_whole,
                               bool is_alive)
{
    const DiskDef *disk = vm->live ? domain_find_disk(vm->live, entry->name) : NULL;
    const bool is_kept = is_whole && !entry->is_pull;
    g_autofree char *path = g_strdup(backup_disk_image(entry)->path);
    const bool is_made = state->is_made;
    g_autoptr(Error) err = NULL;
    DiskDef shell;

    if (disk) {
        vm_backup_shell(disk, entry, &shell);
        if (is_alive && !remove_nodes(vm, disk, &shell, state, &err))
            log_warning_error(err, "what a backup leaves in QEMU");
        if (is_alive && vm->run && vm->live) /* else all goes back with the machine */
            vm_disk_release(vm, &shell);
    }
    if (is_made && !is_kept && entry->type == STORAGE_FILE)
        image_unlink(path);
}

void vm_backup_clean_up(Vm *vm, bool is_whole)
{
    VmBackup *backup = vm->run->backup;
    VmRun *run = vm->run;
    bool is_alive = vm_monitor(vm) && qmp_is_open(vm_monitor(vm));
    g_autoptr(Error) err = NULL;

    fiber_shield_begin();
    backup->is_ending = true;
    if (is_alive && backup->has_server)
        vm_backup_drop_clients(vm);
    if (is_alive && ((backup->has_server && !monitor_nbd_stop(vm_monitor(vm), 0, &err)) ||
                     (backup->has_tls && !monitor_nbd_remove_tls(vm_monitor(vm), VM_BACKUP_TLS_ID, 0, &err))))
        log_warning_error(err, "the NBD server of a backup");
    g_clear_pointer(&err, error_free);
    if (is_alive && !run->caps && !vm_xml_get_caps(vm->host, vm->live, &run->caps, &err))
        is_alive = false;
    for (DEF_EACH(BackupDisk, entry, backup->def->disks)) {
        const VmBackupDisk *state = vm_backup_disk(backup, entry->name);
        if (state)
            remove_disk(vm, entry, state, is_whole, is_alive && vm->run == run && run->qmp);
    }
    if (backup->socket)
        image_unlink(backup->socket);
    if (vm->run == run && run->backup == backup)
        run->backup = NULL;
    vm_backup_free(backup);
    g_clear_pointer(&err, error_free);
    if (vm->run == run && !run->exited && vm->live && !vm_status_save(vm, &err))
        log_error_error(err, "the status file of a machine has a backup that is over");
    fiber_shield_end();
}

/* ---- the end ---- */

/* Tells everybody, and takes away what is left. */
AWAITS static void finish(Vm *vm)
{
    VmBackup *backup = vm->run->backup;
    JobProgress progress = { 0 };
    const uint64_t serial = vm->run->serial;
    const bool is_pull = backup->def->mode == BACKUP_PULL;
    bool is_cancelled = backup->is_aborted;

    for (DEF_EACH(VmBackupDisk, disk, backup->disks))
        is_cancelled = is_cancelled || disk->end != BLOCK_JOB_COMPLETED;
    fill_progress(vm, &progress);
    /* A backup that is fetched ends only so. */
    const bool is_failed = backup->problem && !backup->is_aborted;
    const bool is_good = !is_failed && (is_pull || !is_cancelled);
    progress.type = is_failed ? VIR_DOMAIN_JOB_FAILED
                    : is_good ? VIR_DOMAIN_JOB_COMPLETED
                              : VIR_DOMAIN_JOB_CANCELLED;
    if (is_failed)
        progress.error = g_strdup(backup->problem);
    else if (is_cancelled)
        progress.error = g_strdup("Operation canceled");
    log_info("machine '%s': backup %s%s%s", vm->name,
             is_failed ? "failed"
             : is_good ? "completed"
                       : "cancelled",
             is_failed ? ": " : "", is_failed ? backup->problem : "");
    const bool was_delaying = vm_backup_delays_shutdown(vm);
    vm_backup_clean_up(vm, is_good);
    job_set_completed(&vm->object, &progress);
    g_autoptr(Params) params = job_progress_to_params(&progress);
    Event event = { .id = EVENT_JOB_COMPLETED, .params = params };
    vm_publish_event(vm, &event);
    job_progress_clear(&progress);
    if (was_delaying && vm->run && vm->run->serial == serial && vm->run->process && !vm->run->destroying)
        vm_finish_shutdown(vm);
}

void vm_backup_cancel_jobs(Vm *vm, bool wait)
{
    const VmRun *run = vm->run;
    g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func((GDestroyNotify)vm_block_job_unref);

    if (run->backup && run->backup->has_server)
        vm_backup_drop_clients(vm);
    for (guint i = 0; i < run->block_jobs->len; i++) {
        VmBlockJob *job = g_ptr_array_index(run->block_jobs, i);
        if (job->kind == BLOCK_JOB_BACKUP)
            g_ptr_array_add(jobs, vm_block_job_ref(job));
    }
    for (guint i = 0; i < jobs->len; i++) {
        g_autoptr(Error) err = NULL;
        if (vm->run == run && !vm_block_job_cancel(vm, g_ptr_array_index(jobs, i), wait, &err))
            log_warning_error(err, "a backup of a disk cannot be cancelled");
    }
}

static bool is_over(const VmBackup *backup)
{
    for (DEF_EACH(VmBackupDisk, disk, backup->disks)) {
        if (!disk->end)
            return false;
    }
    return true;
}

/* One disk's copy is over; the job is held. */
static void on_end(Vm *vm, VmBlockJob *job)
{
    VmBackup *backup = vm->run->backup;
    VmBackupDisk *disk = backup && job->disk ? vm_backup_disk(backup, job->disk) : NULL;

    if (!disk || backup->is_ending) {
        vm_block_job_forget(vm, job);
        return;
    }
    disk->end = job->state;
    if (job->total) {
        disk->done = job->done;
        disk->total = job->total;
    }
    if (job->state == BLOCK_JOB_FAILED && !backup->problem)
        backup->problem = g_strdup(job->problem);
    const bool is_bad = job->state != BLOCK_JOB_COMPLETED;
    vm_block_job_forget(vm, job);
    if (!vm->run || vm->run->backup != backup || !backup->is_begun || backup->is_ending)
        return;
    if (is_over(backup))
        finish(vm);
    else if (is_bad && !backup->is_aborted)
        vm_backup_cancel_jobs(vm, false);
}

void vm_backup_open(void)
{
    vm_block_job_on_end(BLOCK_JOB_BACKUP, on_end);
}

bool vm_backup_abort(Vm *vm, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!require(vm, err) || !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !require(vm, err) ||
        !vm_require_monitor(vm, err))
        return false;
    log_info("machine '%s': backup ended by %s", vm->name, caller_describe(caller));
    vm->run->backup->is_aborted = true;
    vm_backup_cancel_jobs(vm, true);
    return true;
}

GPtrArray *vm_backup_list_images(const Vm *vm)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);

    for (DEF_EACH(BackupDisk, entry, vm_backup_is_running(vm) ? vm->run->backup->def->disks : NULL)) {
        if (entry->backup != TRISTATE_OFF && backup_disk_image(entry)->path)
            g_ptr_array_add(paths, g_strdup(backup_disk_image(entry)->path));
    }
    return paths;
}

bool vm_backup_give_up(Vm *vm, const char *problem, Error **err)
{
    if (!require(vm, err))
        return false;
    if (!vm->run->backup->problem)
        vm->run->backup->problem = g_strdup(problem);
    vm_backup_cancel_jobs(vm, true);
    return vm_require_monitor(vm, err);
}

/* One that holds the others up is told of first. */
static bool is_backup_meant(const Vm *vm)
{
    return vm_backup_is_running(vm) && !vm->jobs.holder.has_progress;
}

bool vm_get_job_progress(Vm *vm, bool completed, JobProgress *ret_progress, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (!completed && is_backup_meant(vm)) {
        if (vm_backup_get_progress(vm, ret_progress, &why))
            return true;
        if (error_code(why) != ERROR_NO_BACKUP) /* it ended meanwhile */
            return error_propagate(err, g_steal_pointer(&why));
    }
    return job_get_progress(&vm->object, completed, ret_progress, err);
}

bool vm_abort_job(Vm *vm, const Caller *caller, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (is_backup_meant(vm)) {
        if (vm_backup_abort(vm, caller, &why))
            return true;
        if (error_code(why) != ERROR_NO_BACKUP) /* it ended meanwhile */
            return error_propagate(err, g_steal_pointer(&why));
    }
    return job_abort(&vm->object, err);
}

bool vm_backup_delays_shutdown(const Vm *vm)
{
    return vm_backup_is_running(vm) && vm->run->guest_shutdown && vm->run->backup->is_begun &&
           vm->run->backup->flags & VM_BACKUP_PRESERVE;
}

/* Who pulls may have died, and would keep a machine whose guest is off. */
static bool has_client(const char *socket)
{
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    size_t len = 0;

    if (!file_read("/proc/net/unix", SOCKETS_MAX, &text, &len, &err)) {
        log_warning_error(err, "whether somebody fetches a backup");
        return true;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char state[8] = "";
        const char *path = strchr(*line, '/');
        if (path && strcmp(path, socket) == 0 && sscanf(*line, "%*s %*s %*s %*s %*s %7s", state) == 1 &&
            strcmp(state, "03") == 0) /* SS_CONNECTED */
            return true;
    }
    return false;
}

static void watch_client_fiber(void *arg)
{
    g_autoptr(Vm) vm = arg;
    const VmBackup *backup = vm->run ? vm->run->backup : NULL;
    g_autoptr(Error) err = NULL;

    for (unsigned missed = 0; missed < CLIENT_LOOKS;) {
        (void)!wait_queue_wait(&vm->host->hurry, CLIENT_LOOK_MS, NULL); /* woken: the daemon ends */
        if (vm->host->is_stopping || !backup || !vm_backup_delays_shutdown(vm) || vm->run->backup != backup ||
            backup->is_ending)
            return;
        missed = has_client(backup->socket) ? 0 : missed + 1;
    }
    log_warning("machine '%s': nobody fetches its backup any more", vm->name);
    if (!vm_backup_abort(vm, NULL, &err) && error_code(err) != ERROR_NO_BACKUP)
        log_warning_error(err, "a backup that nobody fetches");
}

void vm_backup_watch_client(Vm *vm)
{
    VmBackup *backup = vm->run->backup;

    if (!backup->socket || backup->is_watched)
        return;
    backup->is_watched = true;
    host_spawn(vm->host, "backup", watch_client_fiber, vm_ref(vm));
}

/* ---- other ends ---- */

void vm_backup_adopt(VmRun *run)
{
    VmBackup *backup = run->backup;

    if (!backup || !backup->def) { /* a file that makes no sense */
        g_clear_pointer(&run->backup, vm_backup_free);
        return;
    }
    for (DEF_EACH(BackupDisk, entry, backup->def->disks)) {
        entry->is_pull = backup->def->mode == BACKUP_PULL;
        entry->target.format = entry->scratch.format = entry->format;
        entry->target.backing_ends = entry->scratch.backing_ends = true;
    }
}

void vm_backup_reconcile(Vm *vm)
{
    VmBackup *backup = vm->run->backup;

    if (!backup)
        return;
    if (!backup->is_begun) { /* nobody was told that it did */
        vm_backup_cancel_jobs(vm, true);
        if (vm->run && vm->run->backup == backup)
            vm_backup_clean_up(vm, false);
    } else if (is_over(backup)) {
        finish(vm);
    }
}

void vm_backup_abandon(Vm *vm)
{
    VmBackup *backup = vm->run->backup;
    JobProgress progress = { 0 };

    if (!backup)
        return;
    fill_progress(vm, &progress);
    progress.type = VIR_DOMAIN_JOB_FAILED;
    progress.error = g_strdup("domain is not running");
    log_warning("machine '%s' ended during its backup", vm->name);
    vm_backup_clean_up(vm, false);
    job_set_completed(&vm->object, &progress);
    g_autoptr(Params) params = job_progress_to_params(&progress);
    Event event = { .id = EVENT_JOB_COMPLETED, .params = params };
    vm_publish_event(vm, &event);
    job_progress_clear(&progress);
}
