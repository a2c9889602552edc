/* A machine as everybody sees it: counted, named, in some state. What changes it lives in vm_*.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "vm"
#include "core/vm.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "core/vm_private.h"

static const char *const vm_state_names[VM_STATE_COUNT] = {
    "no state", "running", "blocked", "paused", "in shutdown", "shut off", "crashed", "pmsuspended",
};

Vm *vm_ref(Vm *vm)
{
    vm->refs++;
    return vm;
}

static void vm_free(Vm *vm)
{
    vm_run_free(vm->run);
    wait_queue_clear(&vm->status_idle);
    vm_job_queue_clear(&vm->jobs);
    domain_def_free(vm->live);
    domain_def_free(vm->config);
    g_free(vm->config_xml);
    g_free(vm->name);
    g_free(vm);
}

void vm_unref(Vm *vm)
{
    if (vm && --vm->refs == 0)
        vm_free(vm);
}

const char *vm_name(const Vm *vm)
{
    return vm->name;
}

const Uuid *vm_uuid(const Vm *vm)
{
    return &vm->uuid;
}

int vm_id(const Vm *vm)
{
    return vm->id;
}

bool vm_is_running(const Vm *vm)
{
    return vm->id >= 0;
}

bool vm_is_persistent(const Vm *vm)
{
    return vm->config != NULL;
}

bool vm_is_updated(const Vm *vm)
{
    return vm->live && vm->config_is_new;
}

bool vm_has_autostart(const Vm *vm)
{
    return vm->autostart;
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

const DomainDef *vm_def(const Vm *vm)
{
    return vm->live ? vm->live : vm->config;
}

void vm_set_state(Vm *vm, VmState state, int reason)
{
    if (vm->state != state)
        log_info("machine '%s' is %s", vm->name, vm_state_names[state]);
    vm->state = state;
    vm->reason = reason;
}

void vm_set_config(Vm *vm, DomainDef *def)
{
    if (vm->config != def)
        domain_def_free(vm->config);
    vm->config = def;
    g_clear_pointer(&vm->config_xml, g_free);
}

bool vm_require_listed(const Vm *vm, Error **err)
{
    if (vm->is_listed)
        return true;
    char text[UUID_STRING_LEN];
    uuid_format(&vm->uuid, text);
    return error_set(err, ERROR_NO_DOMAIN, "no domain with matching uuid '%s' (%s)", text, vm->name);
}

bool vm_require_running(const Vm *vm, Error **err)
{
    if (!vm_require_listed(vm, err))
        return false;
    if (!vm_is_running(vm))
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    return true;
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

bool vm_check_flags(unsigned flags, unsigned known, const char *function, Error **err)
{
    if (flags & ~known)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported flags (0x%x) in function %s",
                         flags & ~known, function);
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
    event->vm_name = vm->name;
    event->vm_uuid = vm->uuid;
    event->vm_id = vm->id;
    event_publish(vm->host->events, event);
}

void vm_publish(const Vm *vm, EventId id, int type, int detail)
{
    vm_publish_event(vm, &(Event){ .id = id, .type = type, .detail = detail });
}

void vm_publish_lifecycle(const Vm *vm, int type, int detail)
{
    vm_publish(vm, EVENT_LIFECYCLE, type, detail);
}

VmRun *vm_run_new(Host *host)
{
    VmRun *run = g_new0(VmRun, 1);

    run->serial = host_next_serial(host);
    run->vcpu_tids = g_array_new(FALSE, TRUE, sizeof(pid_t));
    run->ports = g_array_new(FALSE, TRUE, sizeof(unsigned));
    run->dac = dac_list_new();
    run->consoles = g_ptr_array_new();
    wait_queue_init(&run->changed);
    return run;
}

void vm_run_free(VmRun *run)
{
    if (!run)
        return;
    wait_queue_clear(&run->changed);
    if (run->process) {
        process_on_exit(run->process, NULL, NULL);
        process_free(run->process);
    }
    if (run->agent)
        agent_close(run->agent);
    if (run->qmp)
        qmp_close(run->qmp);
    qemu_caps_unref(run->caps);
    vm_consoles_close(run);
    g_ptr_array_unref(run->consoles);
    g_ptr_array_unref(run->dac);
    g_array_unref(run->ports);
    g_array_unref(run->vcpu_tids);
    vm_log_free(run->log);
    g_free(run->dump_error);
    save_file_clear(&run->file);
    g_free(run->lib_dir);
    g_free(run->channel_dir);
    g_free(run->monitor_path);
    xml_table_free(&cpu_table, run->cpu);
    g_free(run);
}

bool vm_qmp(Vm *vm, const char *command, Json *args, uint64_t timeout_ms, Json **ret_reply, Error **err)
{
    AUTO_JSON owned = args;

    if (!vm->run || !vm->run->qmp)
        return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' is gone", vm->name);
    return qmp_exec(vm->run->qmp, command, owned, timeout_ms, ret_reply, err);
}

void vm_taint(Vm *vm, unsigned taint)
{
    if (vm->taints & taint)
        return;
    vm->taints |= taint;
    log_warning("machine '%s' is tainted (%u): it was controlled past the daemon", vm->name, taint);
    vm_status_save_later(vm);
}
