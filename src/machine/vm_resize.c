/* How many CPUs and how much memory: numbers of the definition, and the balloon of a running machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "machine/vm_define.h"
#include "machine/vm_private.h"

enum { AFFECT_LIVE = 1, AFFECT_CONFIG = 2, VCPU_MAXIMUM = 4, VCPU_GUEST = 8, VCPU_HOTPLUGGABLE = 16 };
enum { MEMORY_MAXIMUM = 4 };

/* ---- CPUs ---- */

static unsigned current_vcpus(const DomainDef *def)
{
    return def->vcpus_current.is_set ? def->vcpus_current.value : def->vcpus;
}

static void set_current_vcpus(DomainDef *def, unsigned count)
{
    def->vcpus_current = (OptU32){ .value = count, .is_set = count != def->vcpus };
}

static unsigned topology_vcpus(const CpuDef *cpu)
{
    return cpu ? cpu->sockets * MAX(cpu->dies, 1) * cpu->cores * cpu->threads : 0;
}

static bool config_set_vcpus(DomainDef *def, unsigned count, bool maximum, Error **err)
{
    if (!maximum) {
        if (count > def->vcpus)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "requested vcpus is greater than max allowable vcpus for the persistent domain: "
                             "%u > %u",
                             count, def->vcpus);
        set_current_vcpus(def, count);
        return true;
    }
    const unsigned topology = topology_vcpus(def->cpu);
    if (topology && topology != count)
        return error_set(err, ERROR_INVALID_ARGUMENT, "CPU topology doesn't match the desired vcpu count");
    const unsigned current = MIN(current_vcpus(def), count);
    def->vcpus = count;
    set_current_vcpus(def, current);
    return true;
}

bool vm_set_vcpus(Vm *vm, unsigned count, unsigned flags, const Caller *caller, Error **err)
{
    const unsigned known = AFFECT_LIVE | AFFECT_CONFIG | VCPU_MAXIMUM | VCPU_GUEST | VCPU_HOTPLUGGABLE;
    g_auto(Job) job = { 0 };
    bool live = false;
    bool config = false;

    if (!check_flags(flags, known, "qemuDomainSetVcpusFlags", err))
        return false;
    if (count == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "nvcpus in virDomainSetVcpusFlags must not be zero");
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !object_require_listed(&vm->object, err) ||
        !vm_resolve_affect(vm, flags, &live, &config, err))
        return false;
    if (flags & VCPU_GUEST)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "setting the guest's CPUs through its agent is not supported yet");
    if (live && (flags & VCPU_MAXIMUM))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "maximum vcpu count of a live domain can't be modified");
    if (live && count > vm->live->vcpus)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "requested vcpus is greater than max allowable vcpus for the live domain: %u > %u",
                         count, vm->live->vcpus);
    if (live && count != current_vcpus(vm->live))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "plugging CPUs into a running domain is not supported yet");
    if (!config)
        return true;
    DomainDef *def = domain_def_copy(vm->config);
    if (!config_set_vcpus(def, count, flags & VCPU_MAXIMUM, err) ||
        !object_store(vm->host, &domain_class, def, err)) {
        domain_def_free(def);
        return false;
    }
    object_set_config(&vm->object, def);
    return true;
}

bool vm_get_vcpu_count(Vm *vm, unsigned flags, unsigned *ret_count, Error **err)
{
    bool live = false;
    bool config = false;

    if (!check_flags(flags, AFFECT_LIVE | AFFECT_CONFIG | VCPU_MAXIMUM | VCPU_GUEST,
                     "qemuDomainGetVcpusFlags", err))
        return false;
    if ((flags & 3) == 3)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually "
                         "exclusive");
    if (!object_require_listed(&vm->object, err) || !vm_resolve_affect(vm, flags, &live, &config, err))
        return false;
    if (flags & VCPU_GUEST)
        return error_set(err, live ? ERROR_OPERATION_UNSUPPORTED : ERROR_INVALID_ARGUMENT,
                         live ? "asking the guest's agent for CPUs is not supported yet"
                              : "vCPU count provided by the guest agent can only be requested for live "
                                "domains");
    const DomainDef *def = live ? vm->live : vm->config;
    *ret_count = flags & VCPU_MAXIMUM ? def->vcpus : current_vcpus(def);
    return true;
}

/* ---- memory ---- */

uint64_t vm_get_max_memory(Vm *vm)
{
    const DomainDef *def = vm_def(vm);

    return def ? def->memory_bytes : 0;
}

static bool config_set_memory(DomainDef *def, uint64_t bytes, bool maximum, Error **err)
{
    if (!maximum) {
        if (bytes > def->memory_bytes)
            return error_set(err, ERROR_INVALID_ARGUMENT, "cannot set memory higher than max memory");
        def->current_memory_bytes = bytes;
        return true;
    }
    if (def->cpu && def_list_len(def->cpu->numa) > 0)
        return error_set(err, ERROR_INVALID_STATE,
                         "initial memory size of a domain with NUMA nodes cannot be modified with this API");
    def->memory_bytes = bytes;
    def->current_memory_bytes = MIN(def->current_memory_bytes, bytes);
    return true;
}

static bool live_set_memory(Vm *vm, uint64_t bytes, Error **err)
{
    const MemballoonDef *balloon = vm->live->memballoon;

    if (!balloon || balloon->model == MEMBALLOON_NONE)
        return error_set(err, ERROR_INVALID_STATE,
                         "Unable to change memory of active domain without the balloon device and guest OS "
                         "balloon driver");
    /* The guest decides when, and BALLOON_CHANGE tells. */
    return vm_require_monitor(vm, err) &&
           vm_qmp(vm, "balloon", json_pack("{s:I}", "value", (json_int_t)bytes), 0, NULL, err);
}

bool vm_set_memory(Vm *vm, uint64_t bytes, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    bool live = false;
    bool config = false;
    const bool maximum = flags & MEMORY_MAXIMUM;

    if (!check_flags(flags, AFFECT_LIVE | AFFECT_CONFIG | MEMORY_MAXIMUM, "qemuDomainSetMemoryFlags", err))
        return false;
    if (bytes == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "memory in virDomainSetMemoryFlags must not be zero");
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !object_require_listed(&vm->object, err) ||
        !vm_resolve_affect(vm, flags, &live, &config, err))
        return false;
    if (live && maximum)
        return error_set(err, ERROR_INVALID_STATE, "cannot resize the maximum memory on an active domain");
    if (live && bytes > vm->live->memory_bytes)
        return error_set(err, ERROR_INVALID_ARGUMENT, "cannot set memory higher than max memory");
    DomainDef *def = config ? domain_def_copy(vm->config) : NULL;
    if ((def && !config_set_memory(def, bytes, maximum, err)) || (live && !live_set_memory(vm, bytes, err)) ||
        (def && !object_store(vm->host, &domain_class, def, err))) {
        domain_def_free(def);
        return false;
    }
    if (def)
        object_set_config(&vm->object, def);
    return true;
}

bool vm_set_memory_stats_period(Vm *vm, int period_s, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };
    bool live = false;
    bool config = false;

    if (!check_flags(flags, AFFECT_LIVE | AFFECT_CONFIG, "qemuDomainSetMemoryStatsPeriod", err))
        return false;
    if (period_s < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "period must not be negative");
    if (!job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !object_require_listed(&vm->object, err) ||
        !vm_resolve_affect(vm, flags, &live, &config, err))
        return false;
    const DomainDef *shown = live ? vm->live : vm->config;
    if (!shown->memballoon || shown->memballoon->model == MEMBALLOON_NONE)
        return error_set(err, ERROR_INVALID_STATE,
                         "No memory balloon device configured, can not set the collection period");
    const OptU32 period = { .value = (uint32_t)period_s, .is_set = period_s > 0 };
    if (live) {
        const char *alias = vm->live->memballoon->info.alias;
        g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", alias ? alias : "balloon0");
        if (!vm_require_monitor(vm, err) ||
            !vm_qmp(vm, "qom-set",
                    json_pack("{s:s, s:s, s:i}", "path", path, "property", "guest-stats-polling-interval",
                              "value", period_s),
                    0, NULL, err) ||
            !vm_require_running(vm, err))
            return false;
        vm->live->memballoon->stats_period_s = period;
        vm_status_save_later(vm);
    }
    if (config && vm->config->memballoon) {
        DomainDef *def = domain_def_copy(vm->config);
        def->memballoon->stats_period_s = period;
        if (!object_store(vm->host, &domain_class, def, err)) {
            domain_def_free(def);
            return false;
        }
        object_set_config(&vm->object, def);
    }
    return true;
}
