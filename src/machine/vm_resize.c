/* How much memory: numbers of the definition, and the balloon of a running machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "machine/vm_define.h"
#include "machine/vm_edit.h"
#include "machine/vm_query.h"

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

/* What a running guest is to have, for taking it back. */
typedef struct Balloon {
    Vm *vm;
    uint64_t bytes;
} Balloon;

static void balloon_take_back(void *arg)
{
    const Balloon *before = arg;
    g_autoptr(Error) err = NULL;

    if (!monitor_set_balloon(vm_monitor(before->vm), before->bytes, 0, &err))
        log_warning_error(err, "cannot take back a change of memory");
}

static bool live_set_memory(VmEdit *edit, Balloon *before, uint64_t bytes, Error **err)
{
    const MemballoonDef *balloon = before->vm->live->memballoon;

    if (bytes > before->vm->live->memory_bytes)
        return error_set(err, ERROR_INVALID_ARGUMENT, "cannot set memory higher than max memory");
    if (!balloon || balloon->model == MEMBALLOON_NONE)
        return error_set(err, ERROR_INVALID_STATE,
                         "Unable to change memory of active domain without the balloon device and guest OS "
                         "balloon driver");
    before->bytes = before->vm->live->current_memory_bytes;
    /* The guest decides when, and BALLOON_CHANGE tells. */
    if (!vm_require_monitor(before->vm, err) || !monitor_set_balloon(vm_monitor(before->vm), bytes, 0, err))
        return false;
    undo_push(&edit->undo, balloon_take_back, before);
    return true;
}

bool vm_set_memory(Vm *vm, uint64_t bytes, unsigned flags, const Caller *caller, Error **err)
{
    const bool maximum = flags & VIR_DOMAIN_MEM_MAXIMUM;
    Balloon before = { .vm = vm };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG | VIR_DOMAIN_MEM_MAXIMUM,
                     "qemuDomainSetMemoryFlags", err))
        return false;
    if (bytes == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "memory in virDomainSetMemoryFlags must not be zero");
    if (!vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    if (edit.live && maximum)
        return error_set(err, ERROR_INVALID_STATE, "cannot resize the maximum memory on an active domain");
    return (!edit.config || config_set_memory(edit.config, bytes, maximum, err)) &&
           (!edit.live || live_set_memory(&edit, &before, bytes, err)) && vm_edit_commit(&edit, NULL, err);
}

/* ---- statistics of the balloon ---- */

bool vm_tell_stats_period(Vm *vm, uint64_t timeout_ms, Error **err)
{
    const MemballoonDef *balloon = vm->live->memballoon;

    return !balloon || balloon->model == MEMBALLOON_NONE || !balloon->info.alias ||
           monitor_set_balloon_period(vm_monitor(vm), balloon->info.alias,
                                      balloon->stats_period_s.is_set ? balloon->stats_period_s.value : 0,
                                      timeout_ms, err);
}

static void period_take_back(void *arg)
{
    Vm *vm = arg;
    g_autoptr(Error) err = NULL;

    if (vm->live && !vm_tell_stats_period(vm, 0, &err))
        log_warning_error(err, "cannot take back the period of memory statistics");
}

static void period_swap(DomainDef *live, void *data)
{
    OptU32 *period = data;
    const OptU32 old = live->memballoon->stats_period_s;

    live->memballoon->stats_period_s = *period;
    *period = old;
}

bool vm_set_memory_stats_period(Vm *vm, int period_s, unsigned flags, const Caller *caller, Error **err)
{
    OptU32 period = { .value = (uint32_t)period_s, .is_set = period_s > 0 };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                     "qemuDomainSetMemoryStatsPeriod", err))
        return false;
    if (period_s < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "period must not be negative");
    if (!vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    const DomainDef *shown = edit.live ? vm->live : vm->config;
    if (!shown->memballoon || shown->memballoon->model == MEMBALLOON_NONE)
        return error_set(err, ERROR_INVALID_STATE,
                         "No memory balloon device configured, can not set the collection period");
    if (edit.config && edit.config->memballoon)
        edit.config->memballoon->stats_period_s = period;
    if (edit.live) {
        const char *alias = vm->live->memballoon->info.alias;
        if (!vm_require_monitor(vm, err) ||
            !monitor_set_balloon_period(vm_monitor(vm), alias ? alias : "balloon0", period.value, 0, err))
            return false;
        undo_push(&edit.undo, period_take_back, vm);
        vm_edit_set_live(&edit, period_swap, &period);
    }
    return vm_edit_commit(&edit, NULL, err);
}
