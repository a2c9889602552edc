/* Helper processes of machines: the list in the run, their starts, ends and deaths. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "helper"
#include "machine/vm_helper.h"
#include "machine/vm_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"

#define SOCKET_TIMEOUT_MS 10000
#define SOCKET_POLL_MS 20
#define TERM_PATIENCE_MS 3000
#define KILL_PATIENCE_MS 5000
#define QEMU_PATIENCE_MS 1500 /* for QEMU's end, when a helper that ends with it was noticed first */

void vm_helper_free(VmHelper *helper)
{
    if (!helper)
        return;
    if (helper->process) {
        process_on_exit(helper->process, NULL, NULL);
        process_free(helper->process);
    }
    fd_cleanup(&helper->listen_fd);
    g_free(helper->name);
    g_free(helper->socket_path);
    g_free(helper);
}

static VmHelper *find_helper(const Vm *vm, const char *name)
{
    for (guint i = 0; i < vm->run->helpers->len; i++) {
        VmHelper *helper = g_ptr_array_index(vm->run->helpers, i);
        if (strcmp(helper->name, name) == 0)
            return helper;
    }
    return NULL;
}

static VmHelper *add_helper(Vm *vm, const char *name, const char *socket_path)
{
    VmHelper *helper = g_new0(VmHelper, 1);

    *helper =
        (VmHelper){ .name = g_strdup(name), .socket_path = g_strdup(socket_path), .listen_fd = -1, .vm = vm };
    g_ptr_array_add(vm->run->helpers, helper);
    return helper;
}

bool vm_helper_prepare(Vm *vm, const char *name, const char *socket_path, bool bind, VmHelperLaunch *launch,
                       Error **err)
{
    int fd = -1;

    if (find_helper(vm, name))
        return true;
    if (bind && !vm_listen_for_qemu(vm, socket_path, &fd, err))
        return false;
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, 0); /* the helper waits in accept() */
    VmHelper *helper = add_helper(vm, name, socket_path);
    helper->listen_fd = fd;
    helper->launch = launch;
    return true;
}

/* ---- death ---- */

static char *device_of(const VmHelper *helper)
{
    return g_strndup(helper->name, (gsize)(strrchr(helper->name, '-') - helper->name));
}

typedef struct Death {
    Vm *vm;
    uint64_t serial;
    char *name, *alias, *how;
} Death;

static bool death_matters(const Death *death)
{
    const VmRun *run = death->vm->run;

    return run && run->serial == death->serial && !run->exited && !run->stopping && !run->is_starting;
}

static void report_death(void *arg)
{
    Death *death = arg;
    const uint64_t deadline_ms = loop_now_ms() + QEMU_PATIENCE_MS;

    while (death_matters(death) && loop_now_ms() < deadline_ms) {
        g_autoptr(Error) why = NULL;
        if (!wait_queue_wait(&death->vm->run->changed, deadline_ms - loop_now_ms(), &why) &&
            error_code(why) != ERROR_TIMEOUT)
            break;
    }
    if (death_matters(death)) {
        g_autofree char *line =
            g_strdup_printf("lodge: the helper '%s' ended: %s; its device works no longer\n", death->name,
                            death->how);
        log_warning("machine '%s': the helper '%s' ended: %s", death->vm->name, death->name, death->how);
        vm_log_add(death->vm->host, death->vm->name, line);
        vm_publish_event(death->vm, &(Event){ .id = EVENT_IO_ERROR_REASON,
                                              .text1 = "",
                                              .text2 = death->alias,
                                              .text3 = death->name,
                                              .type = VIR_DOMAIN_EVENT_IO_ERROR_REPORT });
    }
    vm_unref(death->vm);
    g_free(death->name);
    g_free(death->alias);
    g_free(death->how);
    g_free(death);
}

static void helper_ended(Process *process, void *arg)
{
    VmHelper *helper = arg;
    VmRun *run = helper->vm->run;

    if (helper->is_ending || !run || run->stopping || run->exited)
        return;
    wait_queue_wake_all(&run->changed); /* a launch waits for it */
    if (run->is_starting)
        return;
    Death *death = g_new0(Death, 1);
    *death = (Death){ .vm = vm_ref(helper->vm),
                      .serial = run->serial,
                      .name = g_strdup(helper->name),
                      .alias = device_of(helper),
                      .how = process_describe_status(process) };
    host_spawn(helper->vm->host, "helper", report_death, death);
}

const VmHelper *vm_helpers_find_dead(const Vm *vm)
{
    for (guint i = 0; vm->run && i < vm->run->helpers->len; i++) {
        const VmHelper *helper = g_ptr_array_index(vm->run->helpers, i);
        if (helper->process && process_has_exited(helper->process))
            return helper;
    }
    return NULL;
}

/* ---- starts ---- */

bool vm_helper_fork(VmHelper *helper, ProcessSpec *spec, Error **err)
{
    const Vm *vm = helper->vm;
    g_autofree char *status_path = vm_status_path(vm->host, vm->name);
    g_autofree char *token = g_strdup_printf(VM_HELPER_VARIABLE "=%s@%s", helper->name, status_path);
    AUTO_FD log_fd = vm_log_open_writer(vm->host, vm->name);

    spec->envp =
        (const char *const[]){ token, "LC_ALL=C", "HOME=/",
                               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
    spec->stdout_fd = spec->stderr_fd = log_fd;
    spec->new_session = true;
    if (!process_start(spec, &helper->process, err))
        return error_prefix(err, "helper '%s'", helper->name);
    process_on_exit(helper->process, helper_ended, helper);
    return true;
}

static bool wait_for_socket(Vm *vm, const char *name, const char *path, Error **err)
{
    const uint64_t serial = vm->run->serial;
    const uint64_t deadline_ms = loop_now_ms() + SOCKET_TIMEOUT_MS;

    while (vm->run && vm->run->serial == serial) {
        const VmHelper *helper = find_helper(vm, name);
        if (!helper || process_has_exited(helper->process)) {
            g_autofree char *how = helper ? process_describe_status(helper->process) : g_strdup("gone");
            error_set(err, ERROR_OPERATION_FAILED, "the helper '%s' ended at once: %s", name, how);
            return error_hint(err, "its last words are in the machine's log");
        }
        if (access(path, F_OK) == 0)
            return vm_give_to_qemu(vm, path, err);
        if (loop_now_ms() >= deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "the helper '%s' does not listen on '%s'", name, path);
        if (!fiber_sleep(SOCKET_POLL_MS, err))
            return false;
    }
    return error_set(err, ERROR_VM_GONE, "QEMU exited");
}

bool vm_helpers_launch(Vm *vm, Error **err)
{
    const uint64_t serial = vm->run->serial;

    for (guint i = 0; i < vm->run->helpers->len; i++) {
        VmHelper *helper = g_ptr_array_index(vm->run->helpers, i);
        const bool binds = helper->listen_fd < 0;
        if (helper->process)
            continue;
        g_autofree char *name = g_strdup(helper->name), *path = g_strdup(helper->socket_path);
        if (!helper->launch(vm, helper, err))
            return false;
        if (!vm->run || vm->run->serial != serial)
            return error_set(err, ERROR_VM_GONE, "QEMU exited");
        fd_cleanup(&helper->listen_fd); /* with ours open, its death would not close the socket */
        log_debug("machine '%s': helper '%s' is process %d", vm->name, name,
                  (int)process_pid(helper->process));
        if (binds && !wait_for_socket(vm, name, path, err))
            return false;
    }
    return true;
}

/* ---- ends ---- */

/* What it has forked goes with it: its session is its own. Told before it is gone, when its pid is its own.
 */
static void signal_family(Process *process, int number)
{
    if (!process_has_exited(process))
        (void)kill(-process_pid(process), number);
}

static void end_process(Process *process, const char *name)
{
    g_autoptr(Error) err = NULL;

    signal_family(process, SIGTERM);
    if (!process_kill(process, SIGTERM, NULL) || process_wait(process, TERM_PATIENCE_MS, NULL))
        return;
    log_warning("the helper '%s' ignores SIGTERM: killing it", name);
    signal_family(process, SIGKILL);
    if (!process_kill(process, SIGKILL, &err) || !process_wait(process, KILL_PATIENCE_MS, &err))
        log_error_error(err, name);
}

static void end_helper(VmHelper *helper /* owned */)
{
    helper->is_ending = true;
    if (helper->process)
        end_process(helper->process, helper->name);
    if (helper->socket_path)
        (void)unlink(helper->socket_path);
    vm_helper_free(helper);
}

/* All at once: each may need its time. */
static void end_list(GPtrArray *list)
{
    fiber_shield_begin();
    for (guint i = 0; i < list->len; i++) {
        VmHelper *helper = g_ptr_array_index(list, i);
        helper->is_ending = true;
        if (helper->process) {
            signal_family(helper->process, SIGTERM);
            (void)process_kill(helper->process, SIGTERM, NULL);
        }
    }
    for (guint i = 0; i < list->len; i++)
        end_helper(g_ptr_array_index(list, i));
    fiber_shield_end();
}

void vm_helpers_stop_device(Vm *vm, const char *alias)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new();

    for (guint i = vm->run ? vm->run->helpers->len : 0; i-- > 0;) {
        VmHelper *helper = g_ptr_array_index(vm->run->helpers, i);
        g_autofree char *owner = device_of(helper);
        if (strcmp(owner, alias) == 0)
            g_ptr_array_add(gone, g_ptr_array_steal_index(vm->run->helpers, i));
    }
    end_list(gone);
}

void vm_helpers_stop(Vm *vm)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new();

    while (vm->run->helpers->len)
        g_ptr_array_add(gone, g_ptr_array_steal_index(vm->run->helpers, vm->run->helpers->len - 1));
    end_list(gone);
}

/* ---- after a restart ---- */

void vm_helpers_adopt(Vm *vm)
{
    g_autoptr(GPtrArray) found = vm_token_take_helpers(vm->host, vm->name);

    for (guint i = 0; i < found->len; i++) {
        const VmTokenHelper *one = g_ptr_array_index(found, i);
        Process *process = NULL;
        if (find_helper(vm, one->name) || !process_attach(one->pid, one->start_time, &process, NULL))
            continue; /* what a helper has forked carries its token, too: the oldest comes first */
        VmHelper *helper = add_helper(vm, one->name, NULL);
        helper->process = process;
        process_on_exit(process, helper_ended, helper);
    }
}

static bool is_alias_of(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    return !info || g_strcmp0(info->alias, arg) != 0; /* false: found */
}

void vm_helpers_prune(Vm *vm)
{
    for (guint i = vm->run && vm->live ? vm->run->helpers->len : 0; i-- > 0;) {
        g_autofree char *alias = device_of(g_ptr_array_index(vm->run->helpers, i));
        if (strcmp(alias, VM_HELPER_SHARED) == 0 || !domain_each_device(vm->live, is_alias_of, alias))
            continue;
        log_warning("machine '%s' has no device '%s' any more: ending its helper", vm->name, alias);
        vm_helpers_stop_device(vm, alias);
        if (!vm->run || !vm->live)
            return;
        i = MIN(i, vm->run->helpers->len);
    }
}

void vm_helpers_reap(Host *host, const char *name)
{
    g_autoptr(GPtrArray) found = vm_token_take_helpers(host, name);

    for (guint i = 0; i < found->len; i++) {
        const VmTokenHelper *one = g_ptr_array_index(found, i);
        g_autoptr(Process) process = NULL;
        if (!process_attach(one->pid, one->start_time, &process, NULL))
            continue;
        log_warning("ending process %d, a helper ('%s') of a machine that does not run", (int)one->pid,
                    one->name);
        end_process(process, one->name);
    }
}
