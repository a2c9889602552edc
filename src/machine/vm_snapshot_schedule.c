/* Snapshots by the clock. One fiber looks from time to time which machines are due; each is attended to in a
 * fiber of its own. When the last one was taken the snapshots themselves tell, so nothing is lost with the
 * daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "snapshot"
#include "machine/vm_snapshot_schedule.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "machine/vm_snapshot_private.h"

#define PREFIX "auto-"
#define LOOK_MS 5000
#define INTERVAL_MIN_S 60
#define SCHEDULE_FILE_MAX 4096

bool vm_snapshot_set_schedule(Vm *vm, uint64_t interval_s, unsigned keep, const Caller *caller, Error **err)
{
    g_autofree char *path = vm_snapshot_own_path(vm, "schedule", "");
    g_autofree char *text =
        g_strdup_printf("{\"interval_s\": %" PRIu64 ", \"keep\": %u}\n", interval_s, keep);
    g_auto(Job) job = { 0 };

    if (interval_s && (interval_s < INTERVAL_MIN_S || interval_s > INT32_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT, "an interval of %" PRIu64 " s: it is a minute or more",
                         interval_s);
    if (interval_s && keep == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at least one snapshot is kept");
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !object_require_listed(&vm->object, err))
        return false;
    if (!vm->config)
        return error_set(err, ERROR_INVALID_STATE, "a transient domain has no schedule");
    if (interval_s
            ? !vm_snapshot_make_own_folder(vm, err) || !file_replace(path, text, strlen(text), 0600, err)
            : !file_remove(path, err))
        return false;
    vm->schedule->interval_s = interval_s;
    vm->schedule->keep = keep;
    vm->schedule->next_s = 0;
    g_clear_pointer(&vm->schedule->problem, g_free);
    return true;
}

void vm_snapshot_load_schedule(Vm *vm)
{
    g_autofree char *path = vm_snapshot_own_path(vm, "schedule", "");
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    AUTO_JSON object = NULL;
    size_t len = 0;

    if (!file_read(path, SCHEDULE_FILE_MAX, &text, &len, &err) ||
        !json_parse(text, len, "schedule of snapshots", &object, &err)) {
        if (error_errno(err) != ENOENT)
            log_error_error(err, path);
        return;
    }
    const uint64_t interval_s = json_get_uint(object, "interval_s", 0),
                   keep = json_get_uint(object, "keep", 0);
    if (interval_s < INTERVAL_MIN_S || interval_s > INT32_MAX || keep == 0 || keep > INT32_MAX)
        return;
    vm->schedule->interval_s = interval_s;
    vm->schedule->keep = (unsigned)keep;
}

/* ---- what is due ---- */

static bool is_automatic(const Moment *snapshot, void *arg)
{
    return g_str_has_prefix(moment_name(snapshot), PREFIX);
}

static int compare_created(const void *a, const void *b)
{
    const SnapshotDef *x = (*(Moment *const *)a)->def, *y = (*(Moment *const *)b)->def;

    return x->created_s.value < y->created_s.value   ? -1
           : x->created_s.value > y->created_s.value ? 1
                                                     : strcmp(x->name, y->name);
}

/* The oldest first. References. */
static GPtrArray *list_automatic(const Vm *vm)
{
    GPtrArray *list = moment_list(vm->snapshots, NULL, 0, is_automatic, NULL);

    g_ptr_array_sort(list, compare_created);
    return list;
}

static int64_t find_next(const Vm *vm)
{
    g_autoptr(GPtrArray) list = list_automatic(vm);
    const int64_t now_s = (int64_t)time(NULL);

    if (list->len == 0)
        return now_s;
    const SnapshotDef *last = ((Moment *)g_ptr_array_index(list, list->len - 1))->def;
    /* The clock may have been wrong then. */
    return MIN(last->created_s.value, now_s) + (int64_t)vm->schedule->interval_s;
}

static void know_next(const Vm *vm)
{
    if (vm->schedule->interval_s && !vm->schedule->next_s)
        vm->schedule->next_s = find_next(vm);
}

const VmSchedule *vm_snapshot_get_schedule(const Vm *vm)
{
    know_next(vm);
    return vm->schedule;
}

AWAITS static bool take_one(Vm *vm, Error **err)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y%m%d-%H%M%S");
    /* With milliseconds: a clock that was set back, or a daemon that was started anew, comes by the same
     * second again. */
    g_autofree char *xml = g_strdup_printf("<domainsnapshot><name>" PREFIX "%s-%03d</name>"
                                           "<description>by schedule</description></domainsnapshot>",
                                           stamp, g_date_time_get_microsecond(now) / 1000);
    g_autoptr(Moment) snapshot =
        vm_snapshot_create(vm, xml, VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC,
                           NULL, err);

    return snapshot != NULL;
}

AWAITS static bool drop_oldest(Vm *vm, Error **err)
{
    g_autoptr(GPtrArray) list = list_automatic(vm);

    for (guint i = 0; i + vm->schedule->keep < list->len; i++) {
        if (!vm_snapshot_delete(vm, g_ptr_array_index(list, i), 0, NULL, err))
            return false;
    }
    return true;
}

static void schedule_fiber(void *arg)
{
    g_autoptr(Vm) vm = arg;
    g_autoptr(Error) err = NULL;

    /* The next one is later, even if this one fails. */
    if (!take_one(vm, &err) || !drop_oldest(vm, &err))
        log_warning_error(err, "a snapshot by schedule");
    g_free(vm->schedule->problem);
    vm->schedule->problem = err ? g_strdup(error_message(err)) : NULL;
    vm->schedule->next_s = (int64_t)time(NULL) + (int64_t)vm->schedule->interval_s;
    vm->schedule_is_busy = false;
}

static void look(Host *host)
{
    const int64_t now_s = (int64_t)time(NULL);
    Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (!vm->schedule->interval_s || vm->schedule_is_busy || !vm->is_listed)
            continue;
        know_next(vm);
        /* What does not run does not change. */
        if (now_s < vm->schedule->next_s || vm->state != VM_STATE_RUNNING || host->is_stopping)
            continue;
        vm->schedule_is_busy = true;
        host_spawn(host, "schedule", schedule_fiber, vm_ref(vm));
    }
}

static void run_fiber(void *arg)
{
    Host *host = arg;

    while (!host->is_stopping) {
        g_autoptr(Error) why = NULL;
        look(host);
        if (!wait_queue_wait(&host->hurry, LOOK_MS, &why) && error_code(why) != ERROR_TIMEOUT)
            return;
    }
}

void vm_snapshot_run_schedules(Host *host)
{
    host_spawn_watch(host, "schedules", run_fiber, host);
}
