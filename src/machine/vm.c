/* A machine as everybody sees it: counted, named, in some state. What changes it lives in vm_*.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "vm"
#include "machine/vm.h"
#include "machine/vm_autostart.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_backup_private.h"
#include "machine/vm_block_job.h"
#include "machine/vm_helper.h"
#include "machine/vm_snapshot_private.h"
#include "machine/vm_tune.h"

static const char *const vm_state_names[VM_STATE_COUNT] = {
    "no state", "running", "blocked", "paused", "in shutdown", "shut off", "crashed", "pmsuspended",
};

static unsigned vm_flag_state(const Object *object)
{
    switch (((const Vm *)object)->state) {
    case VM_STATE_RUNNING:
        return 1 << 4;
    case VM_STATE_PAUSED:
        return 1 << 5;
    case VM_STATE_SHUTOFF:
        return 1 << 6;
    default:
        return 1 << 7;
    }
}

static unsigned vm_flag_managed_save(const Object *object)
{
    return ((const Vm *)object)->has_managed_save ? 1 << 8 : 1 << 9;
}

static unsigned vm_flag_autostart(const Object *object)
{
    return object->autostart ? 1 << 10 : 1 << 11;
}

static unsigned vm_flag_snapshot(const Object *object)
{
    return moment_count(((const Vm *)object)->snapshots) ? 1 << 12 : 1 << 13;
}

static unsigned vm_flag_checkpoint(const Object *object)
{
    return moment_count(((const Vm *)object)->checkpoints) ? 1 << 14 : 1 << 15;
}

static const ObjectFilter vm_filters[] = {
    { 3 << 0, object_flag_active },  { 3 << 2, object_flag_persistent },
    { 15 << 4, vm_flag_state },      { 3 << 8, vm_flag_managed_save },
    { 3 << 10, vm_flag_autostart },  { 3 << 12, vm_flag_snapshot },
    { 3 << 14, vm_flag_checkpoint }, { 0 },
};

static void vm_init(Object *object)
{
    Vm *vm = (Vm *)object;

    vm->state = VM_STATE_SHUTOFF;
    vm->reason = VIR_DOMAIN_SHUTOFF_UNKNOWN;
    wait_queue_init(&vm->status_idle);
    vm->snapshots = moment_tree_new(vm, &snapshot_moments);
    vm->checkpoints = moment_tree_new(vm, &checkpoint_moments);
    vm->snapshot_images = g_ptr_array_new_with_free_func(g_free);
}

static void vm_free(Object *object)
{
    Vm *vm = (Vm *)object;

    vm_run_free(vm->run);
    g_ptr_array_unref(vm->snapshot_images);
    g_clear_pointer(&vm->fd_groups, g_hash_table_unref);
    g_free(vm->schedule.problem);
    wait_queue_clear(&vm->status_idle);
    moment_tree_free(vm->snapshots);
    moment_tree_free(vm->checkpoints);
}

static bool vm_parse(Host *host, const char *xml, size_t len, const char *source, unsigned flags,
                     void **ret_def, Error **err)
{
    const unsigned vm_flags = (flags & OBJECT_PARSE_VALIDATE ? VM_XML_VALIDATE : 0) |
                              (flags & OBJECT_PARSE_LIVE ? VM_XML_LIVE : 0) |
                              (flags & OBJECT_PARSE_TRUSTED ? VM_XML_TRUSTED : 0);
    DomainDef *def = NULL;

    if (!vm_xml_parse(host, xml, len, source, vm_flags, &def, err))
        return false;
    *ret_def = def;
    return true;
}

static bool vm_check_text(const void *def, const char *xml, Error **err)
{
    return vm_xml_check_text(def, xml, err);
}

char *vm_save_path(const Host *host, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".save", NULL);

    return path_join(host->paths->save, file);
}

static bool vm_renamed(Host *host, const char *from, const char *to, Error **err)
{
    g_autofree char *old_save = vm_save_path(host, from);
    g_autofree char *new_save = vm_save_path(host, to);
    g_autoptr(Error) why = NULL;

    if (!moment_rename_folders(host, from, to, err) || !vm_rename_autostart_once(host, from, to, err))
        return false;
    if (file_rename(old_save, new_save, &why) || error_errno(why) == ENOENT)
        return true;
    return error_propagate(err, g_steal_pointer(&why));
}

static bool vm_was_active(const Host *host, const char *name)
{
    g_autofree char *status = vm_status_path(host, name);

    return access(status, F_OK) == 0;
}

const ObjectClass domain_class = {
    .kind = OBJECT_DOMAIN,
    .noun = "domain",
    .not_active = "domain is not running",
    .size = sizeof(Vm),
    .missing = ERROR_NO_DOMAIN,
    .filters = vm_filters,
    .table = &domain_table,
    .root = "domain",
    .def_name = offsetof(DomainDef, name),
    .def_uuid = offsetof(DomainDef, uuid),
    .edit_command = "edit",
    .config_dir = offsetof(Paths, etc_qemu),
    .autostart_dir = offsetof(Paths, autostart),
    .parse = vm_parse,
    .check_text = vm_check_text,
    .renamed = vm_renamed,
    .was_active = vm_was_active,
    .init = vm_init,
    .free = vm_free,
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

static void helper_free(void *data)
{
    vm_helper_free(data);
}

VmRun *vm_run_new(Host *host)
{
    VmRun *run = g_new0(VmRun, 1);

    run->serial = host ? host_next_serial(host) : 0;
    run->vcpu_tids = g_array_new(FALSE, TRUE, sizeof(pid_t));
    run->ports = g_array_new(FALSE, TRUE, sizeof(unsigned));
    run->dac = dac_list_new();
    run->block_jobs = g_ptr_array_new_with_free_func((GDestroyNotify)vm_block_job_unref);
    run->helpers = g_ptr_array_new_with_free_func(helper_free);
    run->consoles = g_ptr_array_new();
    run->agent_timeout_s = VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK;
    wait_queue_init(&run->changed);
    return run;
}

void vm_run_free(VmRun *run)
{
    if (!run)
        return;
    wait_queue_clear(&run->changed);
    vm_pending_free(run->pending);
    xml_list_free(&io_error_table, run->io_errors);
    xml_list_free(&path_table, run->give_back);
    g_free(run->going);
    g_free(run->unplug_alias);
    g_free(run->cgroup);
    g_clear_pointer(&run->vcpu_paths, g_ptr_array_unref);
    g_clear_pointer(&run->kvm_schema, g_hash_table_unref);
    vm_perf_free(run->perf);
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
    g_ptr_array_unref(run->block_jobs);
    g_ptr_array_unref(run->helpers);
    g_array_unref(run->ports);
    g_array_unref(run->vcpu_tids);
    vm_log_free(run->log);
    g_free(run->dump_error);
    save_file_clear(&run->file);
    g_free(run->lib_dir);
    g_free(run->libvirt_flags);
    cpuset_free(run->numad_nodes);
    cpuset_free(run->numad_cpus);
    g_free(run->channel_dir);
    g_free(run->monitor_path);
    g_free(run->new_checkpoint);
    vm_backup_free(run->backup);
    plan_fds_free(run->leases);
    xml_table_free(&cpu_table, run->cpu);
    g_free(run);
}

void vm_taint(Vm *vm, unsigned taint)
{
    if (!vm->run || (vm->run->taints & taint))
        return;
    vm->run->taints |= taint;
    log_warning("machine '%s' is tainted (%u): it was controlled past the daemon", vm->name, taint);
    vm_status_save_later(vm);
}
