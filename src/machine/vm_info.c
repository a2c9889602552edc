/* Questions that memory and /proc answer: none of them waits, whatever QEMU or storage do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "info"
#include "machine/vm_info.h"
#include "machine/vm_security.h"

#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "host/node.h"
#include "machine/kernel_stat.h"
#include "machine/vm_limits.h"
#include "machine/vm_private.h"
#include "machine/vm_query.h"
#include "machine/vm_tune.h"

/* ---- overview ---- */

static unsigned info_count_vcpus(const DomainDef *def)
{
    return def->vcpus_current.is_set ? def->vcpus_current.value : def->vcpus;
}

bool vm_get_info(Vm *vm, VmInfo *ret_info, Error **err)
{
    const DomainDef *def = vm_def(vm);
    ProcCpuTime time = { 0 };

    if (!object_require_listed(&vm->object, err))
        return false;
    if (!def)
        return error_set(err, ERROR_INTERNAL, "domain '%s' has no definition", vm->name);
    VmInfo info = { .state = vm->state,
                    .max_memory_bytes = def->memory_bytes,
                    .memory_bytes = def->current_memory_bytes,
                    .n_vcpus = info_count_vcpus(def) };
    if (vm->run) {
        if (vm->run->balloon_bytes)
            info.memory_bytes = vm->run->balloon_bytes;
        if (vm->run->pid && !vm->run->exited && proc_cpu_time_read(vm->run->pid, &time))
            info.cpu_time_ns = time.total_ns;
    }
    *ret_info = info;
    return true;
}

void vm_get_control(Vm *vm, VmControl *ret_control)
{
    const VmRun *run = vm->run;
    const JobHolder *job = &vm->jobs.holder;
    const uint64_t pending_ms = run && run->qmp ? qmp_pending_ms(run->qmp) : 0;

    *ret_control = (VmControl){ .state = VIR_DOMAIN_CONTROL_OK };
    if (!run)
        return;
    if (run->unanswering || (!run->is_starting && (!run->qmp || !qmp_is_open(run->qmp))))
        *ret_control = (VmControl){ .state = VIR_DOMAIN_CONTROL_ERROR,
                                    .details = VIR_DOMAIN_CONTROL_ERROR_REASON_MONITOR };
    else if (job->kind != JOB_NONE)
        *ret_control =
            (VmControl){ .state = VIR_DOMAIN_CONTROL_JOB, .state_ms = loop_now_ms() - job->since_ms };
    else if (pending_ms)
        *ret_control = (VmControl){ .state = VIR_DOMAIN_CONTROL_OCCUPIED, .state_ms = pending_ms };
}

bool vm_get_affected_def(const Vm *vm, unsigned flags, const DomainDef **ret_def, Error **err)
{
    bool live = false;
    bool config = false;

    if ((flags & VIR_DOMAIN_AFFECT_LIVE) && (flags & VIR_DOMAIN_AFFECT_CONFIG))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually "
                         "exclusive");
    if (!object_require_listed(&vm->object, err) || !vm_resolve_affect(vm, flags, &live, &config, err))
        return false;
    const DomainDef *def = live ? vm->live : vm->config;
    if (!def)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    *ret_def = def;
    return true;
}

/* ---- vCPUs ---- */

bool vm_get_vcpus(Vm *vm, unsigned maxinfo, unsigned maplen, GArray **ret_vcpus, Error **err)
{
    if (!object_require_listed(&vm->object, err))
        return false;
    if (!vm_is_running(vm) || !vm->run)
        return error_set(err, ERROR_INVALID_STATE, "cannot retrieve vcpu information for inactive domain");

    GArray *vcpus = g_array_new(FALSE, TRUE, sizeof(VcpuInfo));
    for (guint i = 0; i < vm->run->vcpu_tids->len && vcpus->len < maxinfo; i++) {
        const pid_t tid = g_array_index(vm->run->vcpu_tids, pid_t, i);
        if (!tid)
            continue;
        VcpuInfo info = { .number = i, .state = VIR_VCPU_RUNNING, .affinity = g_malloc0(MAX(maplen, 1)) };
        ProcStat stat = { 0 };
        if (proc_stat_read(vm->run->pid, tid, &stat)) {
            info.cpu_time_ns = stat.user_ns + stat.system_ns;
            info.cpu = stat.cpu;
        }
        if (!proc_affinity_read(tid, info.affinity, maplen))
            log_debug("affinity of vCPU %u of '%s' is not known", i, vm->name);
        g_array_append_val(vcpus, info);
    }
    *ret_vcpus = vcpus;
    return true;
}

static uint8_t *info_pin_map(const CpuSet *set, unsigned maplen)
{
    uint8_t *map = g_malloc0(MAX(maplen, 1));
    uint8_t *online = NULL;
    size_t len = 0;

    if (!set) {
        (void)node_get_cpu_map(&online, &len, NULL);
        memcpy(map, online, MIN(len, maplen));
        g_free(online);
        return map;
    }
    for (int cpu = cpuset_next(set, -1); cpu >= 0 && (unsigned)cpu < maplen * 8; cpu = cpuset_next(set, cpu))
        map[cpu / 8] |= (uint8_t)(1U << (cpu % 8));
    return map;
}

bool vm_get_pin(Vm *vm, int vcpu, unsigned maplen, unsigned flags, uint8_t **ret_map, Error **err)
{
    const DomainDef *def = NULL;

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                     vcpu < 0 ? "qemuDomainGetEmulatorPinInfo" : "qemuDomainGetVcpuPinInfo", err) ||
        !vm_get_affected_def(vm, flags, &def, err))
        return false;
    if (vcpu >= 0 && (uint32_t)vcpu >= def->vcpus)
        return error_set(err, ERROR_INVALID_ARGUMENT, "vCPU %d is not one of the %u of domain '%s'", vcpu,
                         def->vcpus, vm->name);
    *ret_map = info_pin_map(vm_thread_pin(def, def == vm->live ? vm->run : NULL,
                                          vcpu < 0 ? THREAD_EMULATOR : THREAD_VCPU, (unsigned)vcpu),
                            maplen);
    return true;
}

/* ---- I/O threads ---- */

static void iothread_info_clear(void *data)
{
    g_clear_pointer(&((IothreadInfo *)data)->affinity, g_free);
}

static void info_add_iothread(GArray *threads, const Vm *vm, const DomainDef *def, uint32_t id,
                              unsigned maplen)
{
    const IothreadInfo info = {
        .id = id,
        .affinity =
            info_pin_map(vm_thread_pin(def, def == vm->live ? vm->run : NULL, THREAD_IOTHREAD, id), maplen)
    };

    g_array_append_val(threads, info);
}

bool vm_get_iothreads(Vm *vm, unsigned maplen, unsigned flags, GArray **ret_threads, Error **err)
{
    const DomainDef *def = NULL;

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainGetIOThreadInfo",
                     err) ||
        !vm_get_affected_def(vm, flags, &def, err))
        return false;
    *ret_threads = g_array_new(FALSE, TRUE, sizeof(IothreadInfo));
    g_array_set_clear_func(*ret_threads, iothread_info_clear);
    /* The same threads as on the command line: those listed, or as many as were asked for. */
    for (DEF_EACH(IothreadDef, thread, def->iothread_list))
        info_add_iothread(*ret_threads, vm, def, thread->id, maplen);
    for (uint32_t id = 1; !def->iothread_list && id <= def->iothreads.value; id++)
        info_add_iothread(*ret_threads, vm, def, id, maplen);
    return true;
}

/* ---- network interfaces ---- */

/* A tap's two ends: what the host sends into it, the guest receives. A macvtap shares the host's view of its
 * lower device, which is the guest's own. */
static bool interface_is_tap(const InterfaceDef *interface)
{
    return interface->type != INTERFACE_DIRECT && interface->type != INTERFACE_HOSTDEV;
}

bool vm_interface_stats(const InterfaceDef *interface, const char *devices, InterfaceStats *ret_stats)
{
    NetDeviceStat stat;

    if (!interface->target || !devices || !net_device_find(devices, interface->target, &stat))
        return false;
    const InterfaceStats host = { .rx_bytes = (int64_t)stat.rx_bytes,
                                  .rx_packets = (int64_t)stat.rx_packets,
                                  .rx_errs = (int64_t)stat.rx_errs,
                                  .rx_drop = (int64_t)stat.rx_drop,
                                  .tx_bytes = (int64_t)stat.tx_bytes,
                                  .tx_packets = (int64_t)stat.tx_packets,
                                  .tx_errs = (int64_t)stat.tx_errs,
                                  .tx_drop = (int64_t)stat.tx_drop };
    *ret_stats = host;
    if (interface_is_tap(interface))
        *ret_stats = (InterfaceStats){ .rx_bytes = host.tx_bytes,
                                       .rx_packets = host.tx_packets,
                                       .rx_errs = host.tx_errs,
                                       .rx_drop = host.tx_drop,
                                       .tx_bytes = host.rx_bytes,
                                       .tx_packets = host.rx_packets,
                                       .tx_errs = host.rx_errs,
                                       .tx_drop = host.rx_drop };
    return true;
}

bool vm_get_interface_stats(Vm *vm, const char *device, InterfaceStats *ret_stats, Error **err)
{
    if (!vm_require_running(vm, err))
        return false;
    if (!vm->live)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    const InterfaceDef *interface = domain_find_interface(vm->live, device);
    if (!interface)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a known interface", device);
    if (!interface->target)
        return error_set(err, ERROR_INTERNAL, "Interface name not provided");
    g_autofree char *devices = net_devices_read();
    if (!vm_interface_stats(interface, devices, ret_stats))
        return error_set(err, ERROR_INTERNAL, "Interface not found: '%s'", interface->target);
    return true;
}

/* ---- security ---- */

/* The models as the reference counts them: AppArmor or "none" first, then "dac", which only a daemon has that
 * may change users. */
void host_get_security_model(Host *host, char **ret_model, char **ret_doi)
{
    *ret_model = g_strdup(security_model(host));
    *ret_doi = g_strdup("0");
}

void vm_get_security_label(Vm *vm, char **ret_label, bool *ret_enforcing)
{
    const char *label = vm_security_label(vm);

    *ret_label = g_strdup(label ? label : "");
    *ret_enforcing = label != NULL;
}

GPtrArray *vm_list_security_labels(Vm *vm)
{
    GPtrArray *labels = g_ptr_array_new_with_free_func(g_free);

    if (!vm_is_running(vm) || !vm->live)
        return labels;
    const char *own = vm_security_label(vm);
    g_ptr_array_add(labels, g_strdup(own ? own : ""));
    for (DEF_EACH(SecurityLabel, label, vm->live->seclabels)) {
        if (label->model && strcmp(label->model, "dac") == 0 && label->label)
            g_ptr_array_add(labels, g_strdup(label->label));
    }
    return labels;
}

/* ---- messages ---- */

bool vm_get_messages(Vm *vm, unsigned flags, GPtrArray **ret_messages, Error **err)
{
    static const struct {
        unsigned taint;
        const char *what;
    } taints[] = {
        { TAINT_CUSTOM_ARGV, "custom-argv" },
        { TAINT_CUSTOM_MONITOR, "custom monitor control commands issued" },
        { TAINT_HIGH_PRIVILEGES, "running with undesirable elevated privileges" },
        { TAINT_HOST_CPU, "use of host cpu passthrough" },
        { TAINT_CUSTOM_HYPERVISOR_FEATURE, "custom hypervisor feature" },
        { TAINT_CDROM_PASSTHROUGH, "use of cdrom passthrough" },
        { TAINT_CUSTOM_GA_COMMAND, "custom guest agent control commands issued" },
    };

    if (!check_flags(flags,
                     VIR_DOMAIN_MESSAGE_DEPRECATION | VIR_DOMAIN_MESSAGE_TAINTING |
                         VIR_DOMAIN_MESSAGE_IOERRORS,
                     "qemuDomainGetMessages", err) ||
        !object_require_listed(&vm->object, err))
        return false;
    GPtrArray *messages = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(taints); i++) {
        if ((flags == 0 || (flags & VIR_DOMAIN_MESSAGE_TAINTING)) && vm->run &&
            (vm->run->taints & taints[i].taint))
            g_ptr_array_add(messages, g_strdup_printf("tainted: %s", taints[i].what));
    }
    for (DEF_EACH(VmIoError, error, vm->run ? vm->run->io_errors : NULL)) {
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((int64_t)(error->time_us / 1000000));
        g_autofree char *when = time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("unknown");
        if (flags == 0 || (flags & VIR_DOMAIN_MESSAGE_IOERRORS))
            g_ptr_array_add(messages, g_strdup_printf("I/O error: disk='%s', node='%s', path='%s', "
                                                      "timestamp='%s.%03u+0000', "
                                                      "message='%s'",
                                                      error->disk, error->node ? error->node : "",
                                                      error->path ? error->path : "", when,
                                                      (unsigned)(error->time_us / 1000 % 1000), error->text));
    }
    *ret_messages = messages;
    return true;
}

/* ---- displays ---- */

bool vm_reload_graphics(Vm *vm, unsigned type, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    bool has_vnc = false;

    if (!check_flags(flags, 0, "qemuDomainGraphicsReload", err))
        return false;
    if (type > 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unknown graphics type %u", type);
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    for (DEF_EACH(GraphicsDef, graphics, vm->live->graphics))
        has_vnc = has_vnc || graphics->type == GRAPHICS_VNC;
    if (!has_vnc)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "the machine has no VNC display");
    if (!vm->host->config->vnc_tls)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "VNC displays have no certificates: vnc_tls is off");
    return monitor_reload_display(vm_monitor(vm), 0, err);
}

/* ---- the monitor itself ---- */

bool vm_monitor_command(Vm *vm, const char *command, int fd, unsigned flags, const Caller *caller,
                        char **ret_reply, Error **err)
{
    if (!check_flags(flags, VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP, "qemuDomainQemuMonitorCommandWithFiles",
                     err) ||
        !vm_require_monitor(vm, err))
        return false;
    log_info("machine '%s': monitor command from %s", vm->name,
             caller && caller->description ? caller->description : "the daemon");
    vm_taint(vm, TAINT_CUSTOM_MONITOR);
    /* No job: this is the way to look at, or help, a machine whose job does not come to an end. */
    if (flags & VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
        return qmp_exec_hmp(vm_monitor(vm), command, 0, ret_reply, err);
    return qmp_exec_raw(vm_monitor(vm), command, fd, 0, ret_reply, err);
}
