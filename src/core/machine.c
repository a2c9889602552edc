/* Machines at the start of the daemon: their definitions, the QEMUs that an earlier daemon left, and what is
 * marked autostart. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "machine"
#include "core/machine.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/secret.h"
#include "core/vm_life.h"
#include "core/vm_private.h"
#include "host/node.h"
#include "wire/wire_enums.h"

void machine_open(Host *host)
{
    host_add_class(host, &domain_class);
    host_add_class(host, &secret_class);
}

unsigned machine_count(const Host *host, bool running_only)
{
    return object_count(vm_registry(host), running_only);
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
    if (--group->refs == 0)
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
 * defined. */
static Vm *machine_for_status(Host *host, VmStatus *status)
{
    Vm *vm = (Vm *)registry_get_uuid(vm_registry(host), &status->def->uuid);

    if (vm)
        return vm_ref(vm);
    if ((Vm *)registry_get_name(vm_registry(host), status->def->name)) {
        log_error("status of machine '%s' names a UUID other than its definition: ignored",
                  status->def->name);
        return NULL;
    }
    vm = vm_new(host, status->def->name, &status->def->uuid);
    return vm;
}

static void machine_load_status(Host *host, const char *file_name, ReattachGroup *group)
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
    if (status->is_starting || status->pid <= 0) {
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

bool machine_load(Host *host, Error **err)
{
    if (!object_store_load(host, &secret_class, err) || !object_store_load(host, &domain_class, err))
        return false;
    machine_notice_saves(host);
    if (!machine_load_statuses(host, err))
        return false;
    log_info("%u machines known, %u running", machine_count(host, false), machine_count(host, true));
    return true;
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

    if (!vm_is_running(vm) && !vm_start(vm, flags, NULL, &err)) {
        g_autofree char *what = g_strdup_printf("autostart of '%s' failed", vm->name);
        log_error_error(err, what);
    }
}

static void machine_autostart_fiber(void *arg)
{
    Host *host = arg;
    g_autoptr(GPtrArray) vms = NULL;
    g_autoptr(Error) err = NULL;

    if (!hook_run(host, "daemon", "-", "start", "-", "start", NULL, NULL, &err))
        log_error_error(err, "daemon hook");
    if (!machine_is_first_start(host) ||
        !vm_list(host, VIR_CONNECT_LIST_DOMAINS_AUTOSTART | VIR_CONNECT_LIST_DOMAINS_INACTIVE, &vms, NULL))
        return;
    for (guint i = 0; i < vms->len && !host->is_stopping; i++)
        host_spawn(host, "autostart", machine_autostart_one, vm_ref(g_ptr_array_index(vms, i)));
}

void machine_autostart(Host *host)
{
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
    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (vm->run && vm->run->autodestroy_client == client_id)
            host_spawn(host, "autodestroy", machine_destroy_orphan, vm_ref(vm));
    }
}
