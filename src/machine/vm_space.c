/* Machines that were paused because their storage is full: with resume_after_enospc in the configuration they
 * go on by themselves when there is space again.
 *
 * Before a guest overwrites something, QEMU copies it into the image of a backup that is under way, and fails
 * the guest's write if that is full, or cannot be written to. Of the two the guest goes on, without the
 * backup, which says why. Which of disk and backup has failed QEMU does not say: if it was the disk, the
 * guest's next try shows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "space"
#include <errno.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/worker.h"
#include "machine/vm_backup.h"
#include "machine/vm_private.h"

/* As much must be free as lets the machine run for a while: this, or a tenth of a smaller storage. */
#define SPACE_ENOUGH_BYTES (64u << 20)

typedef struct SpaceWatch {
    Vm *vm; /* counted */
    uint64_t serial;
    char *problem; /* other than a lack of space; NULL */
} SpaceWatch;

static void space_watch_free(SpaceWatch *watch)
{
    vm_unref(watch->vm);
    g_free(watch->problem);
    g_free(watch);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SpaceWatch, space_watch_free)

static bool waits_for_space(const SpaceWatch *watch)
{
    const Vm *vm = watch->vm;

    return vm->run && vm->run->serial == watch->serial && !vm->run->exited && !vm->run->stopping &&
           vm->state == VM_STATE_PAUSED && vm->reason == VIR_DOMAIN_PAUSED_IOERROR && !vm->host->is_stopping;
}

/* ---- looking ---- */

typedef struct SpaceJob {
    char *path;
    bool is_enough;
} SpaceJob;

static void space_job_run(void *data)
{
    SpaceJob *job = data;
    struct statvfs fs;

    if (statvfs(job->path, &fs) < 0)
        return;
    const uint64_t enough = MIN(SPACE_ENOUGH_BYTES, (uint64_t)fs.f_blocks * fs.f_frsize / 10);
    job->is_enough = (uint64_t)fs.f_bavail * fs.f_frsize >= enough;
}

static void space_job_free(void *data)
{
    SpaceJob *job = data;

    g_free(job->path);
    g_free(job);
}

AWAITS static bool has_space(const char *path, uint64_t timeout_ms)
{
    SpaceJob *job = g_new0(SpaceJob, 1);
    g_autoptr(Error) err = NULL;

    job->path = g_strdup(path);
    if (!worker_run(worker_lane_for_path(path), space_job_run, job, space_job_free, timeout_ms, &err)) {
        log_debug("storage of '%s' does not answer: %s", path, error_message(err));
        return false;
    }
    const bool is_enough = job->is_enough;
    space_job_free(job);
    return is_enough;
}

/* The images on which a write found no space; NULL: none did, or QEMU does not say. Of servers we see
 * nothing, so there the guest may try. */
AWAITS static GPtrArray *full_images(Vm *vm)
{
    g_autoptr(GHashTable) disks = NULL;

    if (!vm_monitor(vm) || !monitor_query_disks(vm_monitor(vm), 0, &disks, NULL) || !vm->live)
        return NULL;
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    bool any = false;
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        const MonitorDisk *state = disk->info.alias ? g_hash_table_lookup(disks, disk->info.alias) : NULL;
        if (!state || state->io_status != MONITOR_IO_NO_SPACE)
            continue;
        any = true;
        if (storage_is_local(&disk->src))
            g_ptr_array_add(paths, g_strdup(disk->src.path));
    }
    if (!any)
        g_clear_pointer(&paths, g_ptr_array_unref);
    return paths;
}

/* "no space is left for" the first image of a backup that has none; NULL. A device's space nobody sees. */
AWAITS static char *find_full_backup(const Vm *vm, uint64_t timeout_ms)
{
    g_autoptr(GPtrArray) paths = vm_backup_list_images(vm);

    for (guint i = 0; i < paths->len; i++) {
        char *path = g_ptr_array_index(paths, i);
        if (g_str_has_prefix(path, "/dev/") || !has_space(path, timeout_ms))
            return g_strdup_printf("no space is left for '%s'", path);
    }
    return NULL;
}

/* ---- going on ---- */

/* @problem: of a backup that has to end first; NULL: there is space. */
AWAITS static void go_on(const SpaceWatch *watch, const char *problem)
{
    Vm *vm = watch->vm;
    g_auto(Job) job = { 0 };
    g_autoptr(Error) err = NULL;

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, &err) || !waits_for_space(watch) ||
        !vm_require_monitor(vm, &err) || (problem && !vm_backup_give_up(vm, problem, &err)) ||
        !vm_require_monitor(vm, &err) || !vm_process_resume_cpus(vm, VIR_DOMAIN_RUNNING_UNPAUSED, &err)) {
        if (err)
            log_warning_error(err, "a machine that has space again cannot go on");
        return;
    }
    log_info("machine '%s' goes on: %s", vm->name, problem ? "without its backup" : "there is space again");
}

static void space_fiber(void *arg)
{
    g_autoptr(SpaceWatch) watch = arg;
    Vm *vm = watch->vm;
    const uint64_t pause_ms = (uint64_t)vm->host->config->resume_after_enospc_s * 1000;
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;

    if (vm_backup_is_running(vm) && waits_for_space(watch)) {
        g_autofree char *problem =
            watch->problem ? g_strdup(watch->problem) : find_full_backup(vm, timeout_ms);
        if (problem)
            go_on(watch, problem);
    }
    while (pause_ms && !watch->problem && waits_for_space(watch)) {
        g_autoptr(Error) why = NULL;
        if (!wait_queue_wait(&vm->host->hurry, pause_ms, &why) && error_code(why) != ERROR_TIMEOUT)
            break;
        if (!waits_for_space(watch))
            break;
        g_autoptr(GPtrArray) paths = full_images(vm);
        bool all = paths != NULL;
        for (guint i = 0; all && i < paths->len; i++)
            all = has_space(g_ptr_array_index(paths, i), timeout_ms);
        if (all)
            go_on(watch, NULL);
    }
    if (vm->run && vm->run->serial == watch->serial)
        vm->run->waits_for_space = false;
}

static void watch_begin(Vm *vm, const char *problem, const char *name, void (*func)(void *arg))
{
    SpaceWatch *watch = g_new0(SpaceWatch, 1);

    *watch = (SpaceWatch){ .vm = vm_ref(vm), .serial = vm->run->serial, .problem = g_strdup(problem) };
    host_spawn(vm->host, name, func, watch);
}

void vm_space_wait(Vm *vm, const char *problem)
{
    if ((problem ? !vm_backup_is_running(vm)
                 : vm->host->config->resume_after_enospc_s == 0 && !vm_backup_is_running(vm)) ||
        vm->run->waits_for_space || vm->state != VM_STATE_PAUSED || vm->reason != VIR_DOMAIN_PAUSED_IOERROR)
        return;
    vm->run->waits_for_space = true;
    watch_begin(vm, problem, "space", space_fiber);
}

static void give_up_fiber(void *arg)
{
    g_autoptr(SpaceWatch) watch = arg;
    Vm *vm = watch->vm;
    g_auto(Job) job = { 0 };
    g_autoptr(Error) err = NULL;

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, &err) ||
        (vm->run && vm->run->serial == watch->serial && vm_backup_is_running(vm) &&
         !vm_backup_give_up(vm, watch->problem, &err)))
        log_warning_error(err, "a backup that a guest's write has failed under");
    if (vm->run && vm->run->serial == watch->serial)
        vm->run->backup_fails = false;
}

void vm_space_give_up(Vm *vm, const char *problem)
{
    if (vm_backup_is_running(vm) && !vm->run->backup_fails) {
        vm->run->backup_fails = true;
        log_error("machine '%s': %s; its backup ends", vm->name, problem);
        watch_begin(vm, problem, "backup", give_up_fiber);
    }
}
