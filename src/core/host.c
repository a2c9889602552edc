/* This host: the registry of machines, loading them at start, starting what is marked autostart.
 *
 * The registry holds three hashes over the same machines. Only by_name counts references; the other two are
 * kept in step with it. A machine that is being made is registered but not listed, so that a second request
 * for the same name waits for the first one's job instead of racing it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "host"
#include "core/host.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/image_sizes.h"
#include "core/vm_life.h"
#include "core/vm_private.h"
#include "host/kvm_probe.h"
#include "host/node.h"

enum {
    LIST_ACTIVE = 1 << 0,
    LIST_INACTIVE = 1 << 1,
    LIST_PERSISTENT = 1 << 2,
    LIST_TRANSIENT = 1 << 3,
    LIST_RUNNING = 1 << 4,
    LIST_PAUSED = 1 << 5,
    LIST_SHUTOFF = 1 << 6,
    LIST_OTHER = 1 << 7,
    LIST_MANAGED_SAVE = 1 << 8,
    LIST_NO_MANAGED_SAVE = 1 << 9,
    LIST_AUTOSTART = 1 << 10,
    LIST_NO_AUTOSTART = 1 << 11,
    LIST_HAS_SNAPSHOT = 1 << 12,
    LIST_NO_SNAPSHOT = 1 << 13,
    LIST_HAS_CHECKPOINT = 1 << 14,
    LIST_NO_CHECKPOINT = 1 << 15,
    LIST_ALL = (1 << 16) - 1,
};

Host *host_new(Paths *paths, Config *config)
{
    Host *host = g_new0(Host, 1);

    host->paths = paths;
    host->config = config;
    host->events = event_bus_new();
    host->qemu_caps = qemu_caps_cache_new(paths->cache, config->qemu_uid, config->qemu_gid);
    host->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)vm_unref);
    host->by_uuid = g_hash_table_new(uuid_hash, uuid_table_equal);
    host->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
    host->reserved_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    host->unused_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    host->ports = port_pool_new();
    host->dac = dac_table_new();
    host->image_sizes = image_sizes_new();
    g_queue_init(&host->background_waiting);
    g_queue_init(&host->stats.waiting);
    wait_queue_init(&host->stats.turn[0]);
    wait_queue_init(&host->stats.turn[1]);
    wait_queue_init(&host->hurry);
    return host;
}

void host_free(Host *host)
{
    if (!host)
        return;
    /* The fibers of the daemon end before the host does; work that never got one is left undone. */
    g_assert(host->n_background == host->background_waiting.length);
    g_queue_clear_full(&host->background_waiting, g_free);
    sd_event_source_disable_unref(host->background_retry);
    wait_queue_clear(&host->hurry);
    wait_queue_clear(&host->stats.turn[0]);
    wait_queue_clear(&host->stats.turn[1]);
    g_hash_table_unref(host->by_id);
    g_hash_table_unref(host->by_uuid);
    g_hash_table_unref(host->by_name);
    g_hash_table_unref(host->reserved_names);
    g_hash_table_unref(host->unused_names);
    qemu_caps_cache_free(host->qemu_caps);
    port_pool_free(host->ports);
    dac_table_free(host->dac);
    image_sizes_free(host->image_sizes);
    g_clear_pointer(&host->token_holders, g_ptr_array_unref);
    event_bus_free(host->events);
    config_free(host->config);
    paths_free(host->paths);
    g_free(host);
}

const Paths *host_paths(const Host *host)
{
    return host->paths;
}

const Config *host_config(const Host *host)
{
    return host->config;
}

EventBus *host_events(Host *host)
{
    return host->events;
}

QemuCapsCache *host_qemu_caps(Host *host)
{
    return host->qemu_caps;
}

uint64_t host_next_serial(Host *host)
{
    return ++host->last_serial;
}

int host_next_id(Host *host)
{
    return ++host->last_id;
}

/* ---- registry ---- */

Vm *host_lookup_name(Host *host, const char *name)
{
    return g_hash_table_lookup(host->by_name, name);
}

Vm *host_lookup_uuid(Host *host, const Uuid *uuid)
{
    return g_hash_table_lookup(host->by_uuid, uuid);
}

Vm *vm_new(Host *host, const char *name, const Uuid *uuid)
{
    Vm *vm = g_new0(Vm, 1);

    vm->refs = 1;
    vm->host = host;
    vm->name = g_strdup(name);
    vm->uuid = *uuid;
    vm->id = -1;
    vm->state = VM_STATE_SHUTOFF;
    vm->reason = SHUTOFF_UNKNOWN;
    g_queue_init(&vm->jobs.waiters);
    wait_queue_init(&vm->status_idle);
    vm->is_registered = true;
    g_hash_table_insert(host->by_name, vm->name, vm_ref(vm));
    g_hash_table_insert(host->by_uuid, &vm->uuid, vm);
    return vm;
}

void vm_list_it(Vm *vm)
{
    vm->is_listed = true;
}

void vm_unregister(Vm *vm)
{
    if (!vm->is_registered)
        return;
    vm_set_id(vm, -1);
    vm->is_registered = false;
    vm->is_listed = false;
    g_hash_table_remove(vm->host->by_uuid, &vm->uuid);
    g_hash_table_remove(vm->host->by_name, vm->name);
}

void vm_set_name(Vm *vm, const char *name)
{
    char *old = vm->name;

    g_hash_table_steal(vm->host->by_name, old);
    vm->name = g_strdup(name);
    g_hash_table_insert(vm->host->by_name, vm->name, vm);
    g_free(old);
}

void vm_set_id(Vm *vm, int id)
{
    if (vm->id >= 0)
        g_hash_table_remove(vm->host->by_id, GINT_TO_POINTER(vm->id));
    vm->id = id;
    if (id >= 0)
        g_hash_table_insert(vm->host->by_id, GINT_TO_POINTER(id), vm);
}

Vm *vm_find_by_name(Host *host, const char *name, Error **err)
{
    Vm *vm = host_lookup_name(host, name);

    if (vm && vm->is_listed)
        return vm_ref(vm);
    error_set(err, ERROR_NO_DOMAIN, "no domain with matching name '%s'", name);
    return NULL;
}

Vm *vm_find_by_uuid(Host *host, const Uuid *uuid, const char *name_hint, Error **err)
{
    Vm *vm = host_lookup_uuid(host, uuid);
    char text[UUID_STRING_LEN];

    if (vm && vm->is_listed)
        return vm_ref(vm);
    uuid_format(uuid, text);
    if (name_hint)
        error_set(err, ERROR_NO_DOMAIN, "no domain with matching uuid '%s' (%s)", text, name_hint);
    else
        error_set(err, ERROR_NO_DOMAIN, "no domain with matching uuid '%s'", text);
    return NULL;
}

Vm *vm_find_by_id(Host *host, int id, Error **err)
{
    Vm *vm = id >= 0 ? g_hash_table_lookup(host->by_id, GINT_TO_POINTER(id)) : NULL;

    if (vm && vm->is_listed)
        return vm_ref(vm);
    error_set(err, ERROR_NO_DOMAIN, "no domain with matching id %d", id);
    return NULL;
}

/* Of a pair of opposite filters neither or both select everything. */
static bool vm_passes_pair(unsigned flags, unsigned yes, unsigned no, bool value)
{
    const unsigned asked = flags & (yes | no);

    return asked == 0 || asked == (yes | no) || (asked == yes) == value;
}

static unsigned vm_state_filter(const Vm *vm)
{
    switch (vm->state) {
    case VM_STATE_RUNNING:
        return LIST_RUNNING;
    case VM_STATE_PAUSED:
        return LIST_PAUSED;
    case VM_STATE_SHUTOFF:
        return LIST_SHUTOFF;
    default:
        return LIST_OTHER;
    }
}

static bool vm_passes(const Vm *vm, unsigned flags)
{
    const unsigned states = flags & (LIST_RUNNING | LIST_PAUSED | LIST_SHUTOFF | LIST_OTHER);

    return vm->is_listed && vm_passes_pair(flags, LIST_ACTIVE, LIST_INACTIVE, vm_is_running(vm)) &&
           vm_passes_pair(flags, LIST_PERSISTENT, LIST_TRANSIENT, vm_is_persistent(vm)) &&
           (states == 0 || (states & vm_state_filter(vm))) &&
           vm_passes_pair(flags, LIST_MANAGED_SAVE, LIST_NO_MANAGED_SAVE, vm->has_managed_save) &&
           vm_passes_pair(flags, LIST_AUTOSTART, LIST_NO_AUTOSTART, vm->autostart) &&
           vm_passes_pair(flags, LIST_HAS_SNAPSHOT, LIST_NO_SNAPSHOT, false) &&
           vm_passes_pair(flags, LIST_HAS_CHECKPOINT, LIST_NO_CHECKPOINT, false);
}

static int vm_compare_for_list(const void *a, const void *b)
{
    const Vm *left = *(Vm *const *)a;
    const Vm *right = *(Vm *const *)b;

    if (left->id != right->id) {
        /* As unsigned numbers, so that -1 comes last. */
        return (unsigned)left->id < (unsigned)right->id ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

bool vm_list(Host *host, unsigned flags, GPtrArray **ret_vms, Error **err)
{
    if (!vm_check_flags(flags, LIST_ALL, "virConnectListAllDomains", err))
        return false;

    GPtrArray *vms = g_ptr_array_new_full(64, (GDestroyNotify)vm_unref);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, host->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (vm_passes(value, flags))
            g_ptr_array_add(vms, vm_ref(value));
    }
    g_ptr_array_sort(vms, vm_compare_for_list);
    *ret_vms = vms;
    return true;
}

unsigned host_count_vms(const Host *host, bool running_only)
{
    unsigned count = 0;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Vm *vm = value;
        if (vm->is_listed && (!running_only || vm_is_running(vm)))
            count++;
    }
    return count;
}

static bool host_has_job(const Host *host)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, host->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((const Vm *)value)->jobs.holder.kind != JOB_NONE)
            return true;
    }
    return false;
}

bool host_is_idle(const Host *host)
{
    return host->n_background == 0 && host_count_vms(host, true) == 0 && !host_has_job(host);
}

/* ---- background fibers ---- */

/* A guest that makes us do something all the time has it done so often. */
#define TASK_PAUSE_STEP_MS 10
#define TASK_PAUSE_MAX_MS 250
#define TASK_QUIET_MS 1000
#define BACKGROUND_RETRY_US (50 * 1000)

typedef struct Background {
    Host *host;
    const char *name;
    void (*func)(void *arg);
    void *arg;
} Background;

static void host_background_run(void *arg)
{
    Background *background = arg;
    Host *host = background->host;

    background->func(background->arg);
    g_free(background);
    host->n_background--;
}

static int host_background_retry(sd_event_source *source, uint64_t usec, void *arg);

/* What must be done waits for room instead of failing: the end of a QEMU must be seen to. */
static void host_background_wait(Host *host)
{
    if (!host->background_retry) {
        log_warning("too much runs at the same time: work in the background waits");
        if (sd_event_add_time_relative(loop_event(), &host->background_retry, CLOCK_MONOTONIC,
                                       BACKGROUND_RETRY_US, 0, host_background_retry, host) < 0)
            g_error("no memory for a timer");
    } else if (sd_event_source_set_time_relative(host->background_retry, BACKGROUND_RETRY_US) < 0 ||
               sd_event_source_set_enabled(host->background_retry, SD_EVENT_ONESHOT) < 0) {
        log_error("cannot set a timer: work in the background waits for more of it");
    }
}

static int host_background_retry(sd_event_source *source, uint64_t usec, void *arg)
{
    Host *host = arg;

    for (Background *first; (first = g_queue_pop_head(&host->background_waiting));) {
        if (fiber_spawn(first->name, host_background_run, first))
            continue;
        g_queue_push_head(&host->background_waiting, first);
        host_background_wait(host);
        break;
    }
    return 0;
}

void host_spawn(Host *host, const char *name, void (*func)(void *arg), void *arg)
{
    Background *background = g_new0(Background, 1);

    *background = (Background){ .host = host, .name = name, .func = func, .arg = arg };
    host->n_background++;
    if (g_queue_is_empty(&host->background_waiting) && fiber_spawn(name, host_background_run, background))
        return;
    g_queue_push_tail(&host->background_waiting, background);
    host_background_wait(host);
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

/* ---- start and stop of the daemon ---- */

/* How long host_load() waits for QEMUs; one that is slower is attended to in the background. */
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

static void host_reattach_fiber(void *arg)
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
 * defined. */
static Vm *host_vm_for_status(Host *host, VmStatus *status)
{
    Vm *vm = host_lookup_uuid(host, &status->def->uuid);

    if (vm)
        return vm_ref(vm);
    if (host_lookup_name(host, status->def->name)) {
        log_error("status of machine '%s' names a UUID other than its definition: ignored",
                  status->def->name);
        return NULL;
    }
    vm = vm_new(host, status->def->name, &status->def->uuid);
    return vm;
}

static void host_load_status(Host *host, const char *file_name, ReattachGroup *group)
{
    g_autofree char *path = path_join(host->paths->run_qemu, file_name);
    g_autofree char *text = NULL;
    size_t len = 0;
    g_autoptr(Error) err = NULL;
    g_autoptr(VmStatus) status = NULL;

    if (!file_read(path, 16 << 20, &text, &len, &err) ||
        !vm_status_parse(text, len, file_name, &status, &err)) {
        g_autofree char *aside = g_strconcat(path, ".damaged", NULL);
        log_error_error(err, path);
        if (!file_rename(path, aside, NULL))
            log_warning("cannot set '%s' aside", path);
        return;
    }
    if (status->def->id > host->last_id)
        host->last_id = status->def->id;
    if (status->is_starting) {
        vm_process_reap_intent(host, status);
        return;
    }
    Vm *vm = host_vm_for_status(host, status);
    if (!vm)
        return;
    ReattachOne *one = g_new0(ReattachOne, 1);
    *one = (ReattachOne){ .group = group, .vm = vm, .status = g_steal_pointer(&status) };
    group->left++;
    group->refs++;
    host_spawn(host, "reattach", host_reattach_fiber, one);
}

static bool host_load_statuses(Host *host, Error **err)
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
            host_load_status(host, name, group);
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
static void host_remove_leftovers(const Host *host)
{
    const char *const dirs[] = { host->paths->etc_qemu, host->paths->run_qemu, host->paths->save };

    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autoptr(Error) err = NULL;
        if (!file_remove_leftovers(dirs[i], &err))
            log_warning_error(err, dirs[i]);
    }
}

bool host_load(Host *host, Error **err)
{
    host_remove_leftovers(host);
    vm_token_scan(host);
    if (!vm_store_load_all(host, err) || !host_load_statuses(host, err))
        return false;
    host->has_reattached = true;
    vm_token_report(host);
    log_info("%u machines known, %u running", host_count_vms(host, false), host_count_vms(host, true));
    return true;
}

static void host_reload_fiber(void *arg)
{
    Host *host = arg;
    g_autoptr(Error) err = NULL;

    if (!vm_store_load_unused(host, &err))
        log_error_error(err, "reading definitions again");
}

void host_reload(Host *host)
{
    if (host->has_reattached && !host->is_stopping)
        host_spawn(host, "reload", host_reload_fiber, host);
}

/* true the first time since the host booted. The marker's content is the boot's id; libvirtd leaves an empty
 * one, on a file system that does not outlive the boot. */
static bool host_is_first_start(Host *host)
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

static void host_autostart_one(void *arg)
{
    g_autoptr(Vm) vm = arg;
    g_autoptr(Error) err = NULL;
    const unsigned flags = vm->host->config->auto_start_bypass_cache ? 4 : 0;

    if (!vm_is_running(vm) && !vm_start(vm, flags, NULL, &err)) {
        g_autofree char *what = g_strdup_printf("autostart of '%s' failed", vm->name);
        log_error_error(err, what);
    }
}

static void host_autostart_fiber(void *arg)
{
    Host *host = arg;
    g_autoptr(GPtrArray) vms = NULL;
    g_autoptr(Error) err = NULL;

    if (!hook_run(host, "daemon", "-", "start", "-", "start", NULL, NULL, &err))
        log_error_error(err, "daemon hook");
    if (!host_is_first_start(host) || !vm_list(host, LIST_AUTOSTART | LIST_INACTIVE, &vms, NULL))
        return;
    for (guint i = 0; i < vms->len && !host->is_stopping; i++)
        host_spawn(host, "autostart", host_autostart_one, vm_ref(g_ptr_array_index(vms, i)));
}

void host_autostart(Host *host)
{
    host_spawn(host, "autostart", host_autostart_fiber, host);
}

void host_stop(Host *host, uint64_t timeout_ms)
{
    const uint64_t deadline_ms = loop_now_ms() + timeout_ms;
    g_autoptr(Error) err = NULL;
    GHashTableIter iter;
    gpointer value;

    host->is_stopping = true;
    wait_queue_wake_all(&host->hurry);
    g_hash_table_iter_init(&iter, host->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Vm *vm = value;
        if (vm->run && vm->run->reconnecting) /* nobody waits for a QEMU that does not answer */
            fiber_cancel(vm->run->reconnecting);
    }
    while ((host_has_job(host) || host->n_background > 0) && loop_now_ms() < deadline_ms) {
        if (!fiber_sleep(20, NULL))
            break;
    }
    if (!hook_run(host, "daemon", "-", "shutdown", "-", "shutdown", NULL, NULL, &err))
        log_error_error(err, "daemon hook");
}

static void host_destroy_orphan(void *arg)
{
    g_autoptr(Vm) vm = arg;
    g_autoptr(Error) err = NULL;

    if (vm_is_running(vm) && !vm_destroy(vm, 0, NULL, &err))
        log_error_error(err, "cannot destroy a machine whose client left");
}

void host_client_gone(Host *host, uint64_t client_id)
{
    GHashTableIter iter;
    gpointer value;

    if (client_id == 0)
        return;
    g_hash_table_iter_init(&iter, host->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Vm *vm = value;
        if (vm->run && vm->run->autodestroy_client == client_id)
            host_spawn(host, "autodestroy", host_destroy_orphan, vm_ref(vm));
    }
}

/* ---- what this host can do ---- */

bool host_get_capabilities_xml(Host *host, char **ret_xml, Error **err)
{
    GString *out = g_string_new("<capabilities>\n\n");
    Uuid uuid;
    g_autofree char *label = NULL;

    node_get_uuid(host->config->host_uuid, &uuid);
    label = g_strdup_printf("+%u:+%u", (unsigned)host->config->qemu_uid, (unsigned)host->config->qemu_gid);
    if (!node_format_capabilities(&uuid, host->paths->is_session ? NULL : label, out, err) ||
        !qemu_caps_format_guests(host->qemu_caps, out, err)) {
        g_string_free(out, TRUE);
        return false;
    }
    g_string_append(out, "</capabilities>\n");
    *ret_xml = g_string_free(out, FALSE);
    return true;
}

static bool host_get_caps(Host *host, const char *emulator, const char *arch, QemuCaps **ret_caps,
                          Error **err)
{
    uint8_t known;

    if (arch && !enum_from_name(&arch_names, arch, &known))
        return error_set(err, ERROR_INVALID_ARGUMENT, "unknown architecture: %s", arch);
    if (!emulator)
        return qemu_caps_get_default(host->qemu_caps, arch, ret_caps, err);
    g_autoptr(QemuCaps) caps = NULL;
    if (!qemu_caps_get(host->qemu_caps, emulator, &caps, err))
        return false;
    if (arch && strcmp(arch, qemu_caps_arch(caps)) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "architecture from emulator '%s' doesn't match given architecture '%s'",
                         qemu_caps_arch(caps), arch);
    *ret_caps = g_steal_pointer(&caps);
    return true;
}

bool host_get_domain_capabilities_xml(Host *host, const char *emulator, const char *arch, const char *machine,
                                      const char *virt_type, char **ret_xml, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;

    return host_get_caps(host, emulator, arch, &caps, err) &&
           qemu_caps_format_domain(caps, machine, virt_type, ret_xml, err);
}

bool host_get_qemu_version(Host *host, uint64_t *ret_version, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;

    if (!qemu_caps_get_default(host->qemu_caps, NULL, &caps, err))
        return false;
    *ret_version = qemu_caps_version(caps);
    return true;
}

int host_get_max_vcpus(Host *host, const char *type)
{
    /* What the interface promises for any machine type; the exact limit of each is in domcapabilities. */
    const int max = type && g_ascii_strcasecmp(type, "kvm") == 0 ? kvm_get_max_vcpus() : 0;
    if (!type || g_ascii_strcasecmp(type, "qemu") == 0 || g_ascii_strcasecmp(type, "kvm") == 0)
        return max > 0 ? max : 255;
    return -1;
}
