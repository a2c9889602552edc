/* All machines together: what an earlier daemon left of them, what is marked autostart, and work that their
 * guests cause. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "machine"
#include "machine/machine.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/secret.h"
#include "device/nodedev.h"
#include "host/cgroup.h"
#include "host/node.h"
#include "machine/backup_schedule.h"
#include "machine/vm_autostart.h"
#include "machine/vm_backup.h"
#include "machine/vm_device_private.h"
#include "machine/vm_fd_group.h"
#include "machine/vm_helper.h"
#include "machine/vm_life.h"
#include "machine/vm_memory_clone.h"
#include "machine/vm_migrate.h"
#include "machine/vm_moment.h"
#include "machine/vm_private.h"
#include "machine/vm_snapshot_private.h"
#include "machine/vm_snapshot_schedule.h"
#include "machine/vm_users.h"
#include "network/filter.h"
#include "network/hostif.h"
#include "network/network.h"
#include "storage/image_sizes.h"
#include "storage/pool.h"
#include "storage/pool_backend.h"
#include "wire/wire_enums.h"

/* A guest that makes us do something all the time has it done so often. */
#define TASK_PAUSE_STEP_MS 10
#define TASK_PAUSE_MAX_MS 250
#define TASK_QUIET_MS 1000

static void machine_close(Host *host)
{
    MachineRoom *room = host->machines;

    wait_queue_clear(&room->stats.turn[0]);
    wait_queue_clear(&room->stats.turn[1]);
    wait_queue_clear(&room->recovered);
    g_clear_pointer(&room->token_holders, g_ptr_array_unref);
    g_clear_pointer(&room->memories, g_ptr_array_unref);
    g_clear_pointer(&room->parcels, g_ptr_array_unref);
    qemu_caps_cache_free(room->qemu_caps);
    cgroup_host_free(room->cgroups);
    g_free(room);
    port_pool_free(host->ports);
    image_sizes_free(host->image_sizes);
    dac_table_free(host->dac);
}

static void machine_on_pool_started(Host *host, const char *pool, const char *target_path);

void machine_open(Host *host)
{
    const Config *config = host->config;

    host->dac = dac_table_new();
    host->image_sizes = image_sizes_new();
    host->ports = port_pool_new();
    host->machines = g_new0(MachineRoom, 1);
    host->machines->qemu_caps = qemu_caps_cache_new(host->paths->cache, config->qemu_uid, config->qemu_gid);
    host->machines->cgroups = cgroup_host_new(host->paths->host_root);
    g_queue_init(&host->machines->stats.waiting);
    wait_queue_init(&host->machines->stats.turn[0]);
    wait_queue_init(&host->machines->stats.turn[1]);
    wait_queue_init(&host->machines->recovered);
    host_add_class(host, &domain_class);
    secret_open(host);
    network_open(host);
    network_on_started(host, machine_rejoin_network);
    filter_open(host);
    pool_open(host);
    hostif_open(host);
    nodedev_open(host);
    host->pools->walk_images = machine_walk_images;
    host->pools->on_started = machine_on_pool_started;
    vm_backup_open();
    host_on_free(host, machine_close);
}

unsigned machine_count(const Host *host, bool running_only)
{
    return object_count(vm_registry(host), running_only);
}

/* Nobody waits for a QEMU that does not answer. */
void machine_stop(Host *host)
{
    const Vm *vm = NULL;

    backup_schedule_stop();
    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (vm->run && vm->run->reconnecting)
            fiber_cancel(vm->run->reconnecting);
    }
}

typedef struct TaskRun {
    Vm *vm; /* counted */
    VmTask task;
    void (*func)(Vm *vm);
} TaskRun;

static void vm_task_fiber(void *arg)
{
    g_autofree TaskRun *run = arg;
    g_autoptr(Vm) vm = run->vm;
    VmTaskState *state = &vm->tasks[run->task];

    while (state->is_wanted) {
        state->streak = loop_now_ms() - state->last_ms < TASK_QUIET_MS ? state->streak + 1 : 0;
        const uint64_t pause_ms = MIN(state->streak * TASK_PAUSE_STEP_MS, TASK_PAUSE_MAX_MS);
        if (pause_ms > 0 && !vm->host->is_stopping)
            (void)!wait_queue_wait(&vm->host->hurry, pause_ms, NULL); /* the task itself finds out why */
        state->is_wanted = false;
        run->func(vm);
        state->last_ms = loop_now_ms();
    }
    state->is_running = false;
}

void vm_spawn_task(Vm *vm, VmTask task, const char *name, void (*func)(Vm *vm))
{
    VmTaskState *state = &vm->tasks[task];

    state->is_wanted = true;
    if (state->is_running)
        return;
    state->is_running = true;
    TaskRun *run = g_new0(TaskRun, 1);
    *run = (TaskRun){ .vm = vm_ref(vm), .task = task, .func = func };
    host_spawn(vm->host, name, vm_task_fiber, run);
}

/* How long machine_load() waits for QEMUs; one that is slower is attended to in the background. */
#define REATTACH_PATIENCE_MS 600

typedef struct ReattachGroup {
    unsigned left;
    unsigned refs;
    WaitQueue done;
} ReattachGroup;

typedef struct ReattachOne {
    ReattachGroup *group;
    Vm *vm;
    VmStatus *status;
} ReattachOne;

static void reattach_group_unref(ReattachGroup *group)
{
    if (--group->refs > 0)
        return;
    wait_queue_clear(&group->done);
    g_free(group);
}

static void reattach_fiber(void *arg)
{
    ReattachOne *one = arg;

    vm_process_reattach(one->vm, one->status);
    one->group->left--;
    wait_queue_wake_all(&one->group->done);
    reattach_group_unref(one->group);
    vm_status_free(one->status);
    vm_unref(one->vm);
    g_free(one);
}

/* The machine that a status file is about; a transient one is made. NULL: the file contradicts what is
 * defined, or another one. */
static Vm *machine_for_status(Host *host, VmStatus *status)
{
    Vm *vm = (Vm *)registry_get_uuid(vm_registry(host), &status->live->uuid);

    if (vm && strcmp(vm->name, status->live->name) == 0)
        return vm_ref(vm);
    if (vm || registry_get_name(vm_registry(host), status->live->name)) {
        log_error("status of machine '%s' names a UUID other than its definition: ignored",
                  status->live->name);
        return NULL;
    }
    vm = vm_new(host, status->live->name, &status->live->uuid);
    return vm;
}

/* A copy beside it must not be taken for the machine's own, nor a name lead anywhere else. */
static bool machine_check_status_name(const Host *host, const char *path, const VmStatus *status, Error **err)
{
    g_autofree char *own = vm_status_path(host, status->live->name);

    return strcmp(path, own) == 0 ||
           error_set(err, ERROR_XML_INVALID, "it is about machine '%s'", status->live->name);
}

static void machine_load_status(Host *host, const char *file_name, ReattachGroup *group)
{
    g_autofree char *path = path_join(host->paths->run_qemu, file_name);
    g_autofree char *text = NULL;
    size_t len = 0;
    g_autoptr(Error) err = NULL;
    g_autoptr(VmStatus) status = NULL;

    if (!file_read(path, 16 << 20, &text, &len, &err) ||
        !vm_status_parse(text, len, file_name, &status, &err) ||
        !machine_check_status_name(host, path, status, &err)) {
        g_autofree char *aside = g_strconcat(path, ".damaged", NULL);
        log_error_error(err, path);
        if (!file_rename(path, aside, NULL))
            log_warning("cannot set '%s' aside", path);
        return;
    }
    if (status->live->id > host->last_id)
        host->last_id = status->live->id;
    if (status->run->is_starting) {
        vm_process_reap_intent(host, status);
        return;
    }
    Vm *vm = machine_for_status(host, status);
    if (!vm)
        return;
    ReattachOne *one = g_new0(ReattachOne, 1);
    *one = (ReattachOne){ .group = group, .vm = vm, .status = g_steal_pointer(&status) };
    group->left++;
    group->refs++;
    host_spawn(host, "reattach", reattach_fiber, one);
}

static bool machine_load_statuses(Host *host, Error **err)
{
    g_autoptr(GPtrArray) names = NULL;

    if (!file_list_dir(host->paths->run_qemu, &names, err))
        return false;
    ReattachGroup *group = g_new0(ReattachGroup, 1);
    group->refs = 1;
    wait_queue_init(&group->done);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (g_str_has_suffix(name, ".xml"))
            machine_load_status(host, name, group);
    }
    const uint64_t deadline_ms = loop_now_ms() + REATTACH_PATIENCE_MS;
    while (group->left > 0 && loop_now_ms() < deadline_ms) {
        if (!wait_queue_wait(&group->done, deadline_ms - loop_now_ms(), NULL))
            break;
    }
    if (group->left > 0)
        log_warning("%u machines do not answer yet: trying on in the background", group->left);
    reattach_group_unref(group);
    return true;
}

/* What an earlier daemon was writing when it died; nobody writes there yet. */
static void machine_remove_leftovers(const Host *host)
{
    const char *const dirs[] = { host->paths->etc_qemu, host->paths->run_qemu, host->paths->save,
                                 host->paths->secrets };

    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autoptr(Error) err = NULL;
        if (!file_remove_leftovers(dirs[i], &err))
            log_warning_error(err, dirs[i]);
    }
}

static void machine_notice_saves(Host *host)
{
    g_autoptr(GPtrArray) saves = NULL;

    if (!file_list_dir(host->paths->save, &saves, NULL))
        return;
    for (guint i = 0; i < saves->len; i++) {
        const char *file = g_ptr_array_index(saves, i);
        if (!g_str_has_suffix(file, ".save"))
            continue;
        g_autofree char *name = g_strndup(file, strlen(file) - strlen(".save"));
        Vm *vm = (Vm *)registry_get_name(vm_registry(host), name);
        if (vm)
            vm->has_managed_save = true;
    }
}

static bool machine_has_port(Host *host, const Uuid *owner, const Uuid *port)
{
    const Object *vm = registry_get_uuid(vm_registry(host), owner);
    char text[UUID_STRING_LEN];

    uuid_format(port, text);
    if (!vm || !vm->live)
        return false;
    for (DEF_EACH(InterfaceDef, iface, ((const DomainDef *)vm->live)->interfaces)) {
        if (g_strcmp0(iface->port_id, text) == 0)
            return true;
    }
    return false;
}

bool machine_load(Host *host, Error **err)
{
    machine_remove_leftovers(host);
    vm_token_scan(host);
    if (!object_store_load(host, &secret_class, err) || !hostif_load(host, err) || !network_load(host, err) ||
        !filter_load(host, err) || !pool_load(host, err) || !object_store_load(host, &domain_class, err))
        return false;
    machine_notice_saves(host);
    moment_load_all(host);
    if (!machine_load_statuses(host, err))
        return false;
    moment_load_all(host); /* of transient machines, too */
    vm_snapshot_load_images(host);
    host->machines->has_loaded = true;
    vm_device_watch_host(host);
    network_forget_orphans(host, machine_has_port);
    if (!host->paths->is_session)
        shaping_sweep();
    vm_helpers_reap(host, NULL);
    vm_token_report(host);
    vm_snapshot_recover(host);
    log_info("%u machines known, %u running", machine_count(host, false), machine_count(host, true));
    return true;
}

static void machine_reload_fiber(void *arg)
{
    Host *host = arg;
    g_autoptr(Error) err = NULL;

    if (!object_store_load_unused(host, &secret_class, &err))
        log_error_error(err, "reading secrets again");
    g_clear_pointer(&err, error_free);
    if (!object_store_load_unused(host, &network_class, &err))
        log_error_error(err, "reading definitions of networks again");
    g_clear_pointer(&err, error_free);
    if (!object_store_load_unused(host, &filter_class, &err))
        log_error_error(err, "reading definitions of network filters again");
    g_clear_pointer(&err, error_free);
    if (!object_store_load_unused(host, &pool_class, &err))
        log_error_error(err, "reading definitions of pools again");
    g_clear_pointer(&err, error_free);
    if (!object_store_load_unused(host, &domain_class, &err))
        log_error_error(err, "reading definitions again");
    moment_load_all(host);
    vm_snapshot_load_images(host);
}

void machine_reload(Host *host)
{
    if (host->machines->has_loaded && !host->is_stopping)
        host_spawn(host, "reload", machine_reload_fiber, host);
}

/* true the first time since the host booted. The marker's content is the boot's id; libvirtd leaves an empty
 * one, on a file system that does not outlive the boot. */
static bool machine_is_first_start(Host *host)
{
    g_autofree char *path = path_join(host->paths->run_qemu, "autostarted");
    g_autofree char *boot_id = node_get_boot_id();
    g_autofree char *seen = NULL;
    size_t len = 0;
    g_autoptr(Error) err = NULL;

    if (!boot_id)
        boot_id = g_strdup("unknown");
    if (file_read(path, 4096, &seen, &len, NULL)) {
        g_strchomp(seen);
        if (!*seen || strcmp(seen, boot_id) == 0)
            return false;
    }
    if (!file_replace_volatile(path, boot_id, strlen(boot_id), 0600, &err))
        log_error_error(err, "cannot remember that machines were started");
    return true;
}

static void machine_autostart_one(void *arg)
{
    g_autoptr(Vm) vm = arg;
    g_autoptr(Error) err = NULL;
    const unsigned flags = vm->host->config->auto_start_bypass_cache ? 4 : 0;

    if (vm_is_running(vm))
        return;
    vm->awaits_storage = true; /* also of what is started meanwhile */
    if (vm_start(vm, flags, NULL, &err)) {
        vm->awaits_storage = false;
    } else {
        vm->awaits_storage = true;
        g_autofree char *what = g_strdup_printf("autostart of '%s' failed", vm->name);
        log_error_error(err, what);
    }
}

/* The mark goes whatever became of it: the boot that it was about is over. */
static void machine_autostart_one_once(void *arg)
{
    g_autoptr(Vm) vm = vm_ref(arg);
    g_autoptr(Error) err = NULL;

    machine_autostart_one(arg);
    if (!vm_set_autostart_once(vm, false, NULL, &err) && error_code(err) != ERROR_INVALID_STATE)
        log_warning_error(err, vm->name);
}

static void machine_on_pool_started(Host *host, const char *pool, const char *target_path)
{
    Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (!vm->awaits_storage || !vm->is_listed || !vm->autostart || host->is_stopping ||
            !machine_needs_pool(vm->config, pool, target_path))
            continue;
        vm->awaits_storage = false;
        host_spawn(host, "autostart", machine_autostart_one, vm_ref(vm));
    }
}

static void machine_autostart_fiber(void *arg)
{
    Host *host = arg;
    g_autoptr(GPtrArray) vms = NULL;
    g_autoptr(Error) err = NULL;

    if (!hook_run(host, "daemon", "-", "start", "-", "start", NULL, NULL, &err))
        log_error_error(err, "daemon hook");
    const bool is_first = machine_is_first_start(host);
    network_autostart_all(host, is_first);
    pool_autostart_all(host, is_first);
    if (!is_first ||
        !vm_list(host, VIR_CONNECT_LIST_DOMAINS_AUTOSTART | VIR_CONNECT_LIST_DOMAINS_INACTIVE, &vms, NULL))
        return;
    g_autoptr(GPtrArray) once = vm_list_autostart_once(host);
    for (guint i = 0; i < vms->len && !host->is_stopping; i++) {
        if (!g_ptr_array_find(once, vms->pdata[i], NULL))
            host_spawn(host, "autostart", machine_autostart_one, vm_ref(g_ptr_array_index(vms, i)));
    }
    for (guint i = 0; i < once->len && !host->is_stopping; i++)
        host_spawn(host, "autostart", machine_autostart_one_once, vm_ref(g_ptr_array_index(once, i)));
}

void machine_autostart(Host *host)
{
    nodedev_load(host);
    vm_snapshot_run_schedules(host);
    host_spawn(host, "autostart", machine_autostart_fiber, host);
}

static void machine_destroy_orphan(void *arg)
{
    g_autoptr(Vm) vm = arg;
    g_autoptr(Error) err = NULL;

    if (vm_is_running(vm) && !vm_destroy(vm, 0, NULL, &err))
        log_error_error(err, "cannot destroy a machine whose client left");
}

void machine_client_gone(Host *host, uint64_t client_id)
{
    Vm *vm = NULL;

    if (client_id == 0)
        return;
    vm_memory_client_gone(host, client_id);
    vm_migrate_client_gone(host, client_id);
    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        vm_forget_fd_groups(vm, client_id);
        if (vm->run && vm->run->autodestroy_client == client_id)
            host_spawn(host, "autodestroy", machine_destroy_orphan, vm_ref(vm));
    }
}
