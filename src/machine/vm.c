/* A machine as everybody sees it: counted, named, in some state. What changes it lives in vm_*.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "vm"
#include "machine/vm.h"

#include "base/file.h"
#include "base/log.h"
#include "machine/vm_private.h"

static const char *const vm_state_names[VM_STATE_COUNT] = {
    "no state", "running", "blocked", "paused", "in shutdown", "shut off", "crashed", "pmsuspended",
};

bool vm_is_updated(const Vm *vm)
{
    return vm->live && vm->config_is_new;
}

bool vm_has_managed_save(const Vm *vm)
{
    return vm->has_managed_save;
}

VmState vm_state(const Vm *vm, int *ret_reason)
{
    if (ret_reason)
        *ret_reason = vm->reason;
    return vm->state;
}

const char *vm_os_type(const Vm *vm)
{
    const DomainDef *def = vm_def(vm);

    return def && def->os.type != OS_TYPE_ABSENT ? enum_name(&os_type_names, def->os.type) : "hvm";
}

void vm_set_state(Vm *vm, VmState state, int reason)
{
    if (vm->state != state)
        log_info("machine '%s' is %s", vm->name, vm_state_names[state]);
    vm->state = state;
    vm->reason = reason;
    if (state == VM_STATE_RUNNING)
        vm->awaits_storage = false; /* whoever started it: from now on it is its owner's */
}

bool vm_require_running(const Vm *vm, Error **err)
{
    return object_require_active(&vm->object, err);
}

bool vm_require_monitor(const Vm *vm, Error **err)
{
    if (!vm_require_running(vm, err))
        return false;
    if (!vm->run || !vm->run->qmp || !qmp_is_open(vm->run->qmp) || vm->run->unanswering) {
        if (vm->run && vm->run->unanswering)
            return error_set(err, ERROR_TIMEOUT,
                             "QEMU of domain '%s' does not answer since the daemon was restarted", vm->name);
        return error_set(err, ERROR_VM_GONE, "the connection to QEMU of domain '%s' is closed", vm->name);
    }
    return true;
}

bool vm_resolve_affect(const Vm *vm, unsigned flags, bool *ret_live, bool *ret_config, Error **err)
{
    bool live = flags & 1;
    bool config = flags & 2;

    if (!live && !config) {
        live = vm_is_running(vm);
        config = !live;
    }
    if (live && !vm_is_running(vm))
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    if (config && !vm->config)
        return error_set(err, ERROR_INVALID_STATE, "transient domains do not have any persistent config");
    *ret_live = live;
    *ret_config = config;
    return true;
}

void vm_publish_event(const Vm *vm, Event *event)
{
    object_publish(&vm->object, event);
}

void vm_publish(const Vm *vm, EventId id, int type, int detail)
{
    vm_publish_event(vm, &(Event){ .id = id, .type = type, .detail = detail });
}

void vm_publish_lifecycle(const Vm *vm, int type, int detail)
{
    vm_publish(vm, EVENT_LIFECYCLE, type, detail);
}

void vm_taint(Vm *vm, unsigned taint)
{
    if (!vm->run || (vm->run->taints & taint))
        return;
    vm->run->taints |= taint;
    log_warning("machine '%s' is tainted (%u): it was controlled past the daemon", vm->name, taint);
    vm_status_save_later(vm);
}

char *vm_save_path(const Host *host, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".save", NULL);

    return path_join(host->paths->save, file);
}
