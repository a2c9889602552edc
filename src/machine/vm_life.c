/* The life of a machine as its user directs it: create, start, shut down, reboot, destroy, pause, resume. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "life"
#include "machine/vm_life.h"
#include "machine/vm_agent.h"

#include <signal.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "machine/vm_migrate.h"
#include "machine/vm_private.h"
#include "machine/vm_snapshot_private.h"

/* ---- create and start ---- */

static void start_spec_from_flags(VmStartSpec *spec, unsigned flags, const Caller *caller)
{
    spec->paused = flags & VIR_DOMAIN_START_PAUSED;
    spec->reset_nvram = flags & VIR_DOMAIN_START_RESET_NVRAM;
    spec->autodestroy_client = (flags & VIR_DOMAIN_START_AUTODESTROY) && caller ? caller->client_id : 0;
}

static bool vm_require_not_running(const Vm *vm, Error **err)
{
    if (vm_is_running(vm))
        return error_set(err, ERROR_INVALID_STATE, "domain is already running");
    return true;
}

Vm *vm_create(Host *host, const char *xml, unsigned flags, const Caller *caller, Error **err)
{
    const unsigned known = VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY |
                           VIR_DOMAIN_START_VALIDATE | VIR_DOMAIN_START_RESET_NVRAM;
    VmStartSpec spec = VM_START_SPEC_INIT;
    DomainDef *def = NULL;
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, known, "qemuDomainCreateXML", err) ||
        !vm_xml_parse(host, xml, strlen(xml), "(domain_definition)",
                      flags & VIR_DOMAIN_START_VALIDATE ? VM_XML_VALIDATE : 0, &def, err))
        return NULL;
    if (!object_acquire(vm_registry(host), def->name, &def->uuid, JOB_START, caller, &job, err)) {
        domain_def_free(def);
        return NULL;
    }
    Vm *vm = (Vm *)job.object;
    if (vm_is_running(vm)) {
        error_set(err, ERROR_INVALID_STATE, "domain '%s' is already active", vm->name);
        domain_def_free(def);
        return NULL;
    }
    start_spec_from_flags(&spec, flags, caller);
    spec.incoming_def = def;
    if (!vm_start_process(vm, &job, &spec, err)) {
        object_release_embryo(&vm->object);
        return NULL;
    }
    return vm_ref(vm);
}

static bool vm_drop_managed_save(Vm *vm, Error **err)
{
    g_autofree char *path = vm_save_path(vm->host, vm->name);

    if (!file_remove(path, err))
        return false;
    vm->has_managed_save = false;
    return true;
}

bool vm_start(Vm *vm, unsigned flags, const Caller *caller, Error **err)
{
    const unsigned known = VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY |
                           VIR_DOMAIN_START_BYPASS_CACHE | VIR_DOMAIN_START_FORCE_BOOT |
                           VIR_DOMAIN_START_RESET_NVRAM;
    VmStartSpec spec = VM_START_SPEC_INIT;
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, known, "qemuDomainCreateWithFlags", err) || !vm_require_not_running(vm, err) ||
        !job_begin(&vm->object, JOB_START, caller, &job, err) || !object_require_listed(&vm->object, err) ||
        !vm_require_not_running(vm, err) || !vm_snapshot_settle(vm, &job, err))
        return false;
    if (!vm->config)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    start_spec_from_flags(&spec, flags, caller);
    if (vm->has_managed_save && !(flags & VIR_DOMAIN_START_FORCE_BOOT)) {
        g_autofree char *path = vm_save_path(vm->host, vm->name);
        const unsigned save_flags = ((flags & VIR_DOMAIN_START_BYPASS_CACHE) ? 1u : 0) |
                                    (spec.paused ? 4u : 0) | (spec.reset_nvram ? 8u : 0);
        return vm_restore_image(vm, &job, path, save_flags, spec.autodestroy_client, err) &&
               vm_drop_managed_save(vm, err);
    }
    if (vm->has_managed_save && !vm_drop_managed_save(vm, err))
        return false;
    return vm_start_process(vm, &job, &spec, err);
}

/* ---- shutdown and reboot by the guest ---- */

static bool vm_power_button(Vm *vm, bool reboot, Error **err)
{
    vm->run->fake_reboot = reboot;
    if (!monitor_powerdown(vm_monitor(vm), 0, err)) {
        if (vm->run)
            vm->run->fake_reboot = false;
        return false;
    }
    vm_status_save_later(vm);
    return true;
}

/* It does not answer when it obeys: silence is consent. */
static bool vm_agent_power(Vm *vm, const char *mode, Error **err)
{
    AUTO_JSON args = json_pack("{s:s}", "mode", mode);

    vm->run->fake_reboot = false;
    return vm_agent_tell(vm, "guest-shutdown", args, 1000, err);
}

static bool vm_power(Vm *vm, unsigned flags, bool reboot, const char *function, const Caller *caller,
                     Error **err)
{
    g_auto(Job) job = { 0 };
    bool use_agent = flags & VIR_DOMAIN_SHUTDOWN_GUEST_AGENT;

    if (!check_flags(flags, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN | VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, function,
                     err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if (flags == 0)
        use_agent = vm_agent_is_connected(vm);
    if (use_agent) {
        g_autoptr(Error) why = NULL;
        if (vm_agent_power(vm, reboot ? "reboot" : "powerdown", &why))
            return true;
        /* Asked for both, or for nothing in particular: the button is the other way. */
        if (flags == VIR_DOMAIN_SHUTDOWN_GUEST_AGENT || error_code(why) == ERROR_CANCELLED ||
            !vm_require_monitor(vm, NULL))
            return error_propagate(err, g_steal_pointer(&why));
    }
    return vm_power_button(vm, reboot, err);
}

bool vm_shutdown(Vm *vm, unsigned flags, const Caller *caller, Error **err)
{
    return vm_power(vm, flags, false, "qemuDomainShutdownFlags", caller, err);
}

bool vm_reboot(Vm *vm, unsigned flags, const Caller *caller, Error **err)
{
    return vm_power(vm, flags, true, "qemuDomainReboot", caller, err);
}

/* One command without arguments, under the job. */
static bool vm_simple_command(Vm *vm, bool (*command)(Qmp *qmp, uint64_t timeout_ms, Error **err),
                              const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    return job_begin(&vm->object, JOB_MODIFY, caller, &job, err) && vm_require_monitor(vm, err) &&
           command(vm_monitor(vm), 0, err);
}

bool vm_reset(Vm *vm, const Caller *caller, Error **err)
{
    return vm_simple_command(vm, monitor_reset, caller, err);
}

bool vm_inject_nmi(Vm *vm, const Caller *caller, Error **err)
{
    return vm_simple_command(vm, monitor_inject_nmi, caller, err);
}

/* ---- the hard way ---- */

bool vm_destroy(Vm *vm, unsigned flags, const Caller *caller, Error **err)
{
    G_GNUC_UNUSED g_autoptr(Vm) hold = vm_ref(vm);
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_DESTROY_GRACEFUL, "qemuDomainDestroyFlags", err) ||
        !vm_require_running(vm, err))
        return false;
    VmRun *run = vm->run;
    const uint64_t serial = run->serial;
    run->destroying = true;
    /* At once, not after whatever holds the job: that waits for QEMU, most likely. */
    if (run->process && !run->exited && !process_kill(run->process, SIGTERM, NULL))
        log_debug("QEMU of '%s' is gone already", vm->name);
    if (!job_begin(&vm->object, JOB_DESTROY, caller, &job, err)) {
        if (vm->run && vm->run->serial == serial)
            vm->run->destroying = false;
        return false;
    }
    if (!vm->run || vm->run->serial != serial)
        return true; /* the exit handler, or a cancelled start, was quicker */
    log_info("machine '%s' destroyed by %s", vm->name, caller ? caller->description : "the daemon");
    if (!vm_process_kill(vm, flags & VIR_DOMAIN_DESTROY_GRACEFUL, err)) {
        if (vm->run && vm->run->serial == serial)
            vm->run->destroying = false;
        return false;
    }
    vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_DESTROYED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
    return true;
}

/* ---- pause and resume ---- */

/* What the client asked for has happened; without room for the status file, too, and a daemon that starts
 * later asks QEMU. Only a file that still says "must run", of a save before, would mislead it. */
static bool vm_note_state(Vm *vm, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (vm_status_save(vm, &why))
        return true;
    if (vm->run && vm->run->must_run_saved)
        return error_propagate(err, g_steal_pointer(&why));
    log_warning_error(why, "the status file of a machine is behind");
    return true;
}

bool vm_suspend(Vm *vm, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    bool is_migrating = false;

    if (!vm_migrate_pause(vm, &is_migrating, err))
        return false;
    if (is_migrating)
        return true;
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if (vm->state == VM_STATE_PMSUSPENDED)
        return error_set(err, ERROR_INVALID_STATE, "domain is pmsuspended");
    if (vm->state == VM_STATE_PAUSED && !vm->run->must_run)
        return true;
    if (!vm_process_pause_cpus(vm, VIR_DOMAIN_PAUSED_USER, err))
        return false;
    if (vm_note_state(vm, err))
        return true;
    if (vm->run && !vm_process_resume_cpus(vm, VIR_DOMAIN_RUNNING_UNPAUSED, NULL))
        log_error("machine '%s' stays paused", vm->name);
    return false;
}

bool vm_resume(Vm *vm, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if (vm->state == VM_STATE_PMSUSPENDED)
        return error_set(err, ERROR_INVALID_STATE, "domain is pmsuspended");
    if (vm->state == VM_STATE_RUNNING)
        return error_set(err, ERROR_INVALID_STATE, "domain is already running");
    return vm_process_resume_cpus(vm, VIR_DOMAIN_RUNNING_UNPAUSED, err) && vm_note_state(vm, err);
}

bool vm_pm_suspend(Vm *vm, unsigned target, uint64_t duration_s, const Caller *caller, Error **err)
{
    static const char *const commands[] = { "guest-suspend-ram", "guest-suspend-disk",
                                            "guest-suspend-hybrid" };
    g_auto(Job) job = { 0 };

    if (duration_s)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "Duration not supported. Use 0 for now");
    if (target >= G_N_ELEMENTS(commands))
        return error_set(err, ERROR_INVALID_ARGUMENT, "Unknown suspend target: %u", target);
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if ((target == 0 && vm->live->suspend_to_mem == TRISTATE_OFF) ||
        (target == 1 && vm->live->suspend_to_disk == TRISTATE_OFF))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "S%c state is disabled for this domain",
                         target == 0 ? '3' : '4');
    return vm_agent_tell(vm, commands[target], NULL, 2000, err);
}

bool vm_pm_wakeup(Vm *vm, const Caller *caller, Error **err)
{
    return vm_simple_command(vm, monitor_wakeup, caller, err);
}

/* ---- keys ---- */

bool vm_send_key(Vm *vm, unsigned codeset, unsigned hold_ms, const unsigned *codes, size_t n_codes,
                 const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    return job_begin(&vm->object, JOB_MODIFY, caller, &job, err) && vm_require_monitor(vm, err) &&
           monitor_send_keys(vm_monitor(vm), codeset, codes, n_codes, hold_ms, 0, err);
}
