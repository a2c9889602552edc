/* Tunables, to be read: what a definition says about scheduling, memory, NUMA and throttling, in the names
 * and types of the public API.
 *
 * Of a running machine, an unset value reads as the kernel's default; of a definition, as zero. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "machine/vm_query.h"
#include "machine/vm_tune.h"

enum { AFFECT_LIVE = 1, AFFECT_CONFIG = 2 };

#define CPU_SHARES_DEFAULT 1024
#define CPU_WEIGHT_DEFAULT 100 /* what shares are in groups of version 2 */
#define CPU_PERIOD_DEFAULT_US 100000
#define CPU_QUOTA_NONE (-1)
#define BLKIO_WEIGHT_DEFAULT 100
#define MEMORY_UNLIMITED_KIB UINT64_C(9007199254740991) /* VIR_DOMAIN_MEMORY_PARAM_UNLIMITED */

/* *ret_is_live: @flags mean the running machine. */
static bool tunables_begin(const Vm *vm, unsigned flags, const char *function, const DomainDef **ret_def,
                           bool *ret_is_live, Error **err)
{
    const DomainDef *def = NULL;

    if (!check_flags(flags, AFFECT_LIVE | AFFECT_CONFIG, function, err) ||
        !vm_get_affected_def(vm, flags, &def, err))
        return false;
    *ret_def = def;
    *ret_is_live = def == vm->live;
    return true;
}

/* ---- scheduler ---- */

static void scheduler_add(Params *params, const char *who, OptU64 period_us, OptS64 quota_us, bool is_live)
{
    params_add_ullong(params,
                      period_us.is_set ? period_us.value
                      : is_live        ? CPU_PERIOD_DEFAULT_US
                                       : 0,
                      "%s_period", who);
    params_add_llong(params,
                     quota_us.is_set ? quota_us.value
                     : is_live       ? CPU_QUOTA_NONE
                                     : 0,
                     "%s_quota", who);
}

bool vm_get_scheduler(Vm *vm, unsigned flags, char **ret_type, Params **ret_params, Error **err)
{
    static const CpuTune none = { 0 };
    const DomainDef *def = NULL;
    bool is_live = false;

    if (!tunables_begin(vm, flags, "qemuDomainGetSchedulerParametersFlags", &def, &is_live, err))
        return false;
    const CpuTune *tune = def->cputune ? def->cputune : &none;
    Params *params = params_new();
    params_add_ullong(params,
                      tune->shares.is_set          ? tune->shares.value
                      : !is_live                   ? 0
                      : vm->run && vm->run->cgroup ? CPU_WEIGHT_DEFAULT
                                                   : CPU_SHARES_DEFAULT,
                      "cpu_shares");
    scheduler_add(params, "vcpu", tune->period_us, tune->quota_us, is_live);
    scheduler_add(params, "emulator", tune->emulator_period_us, tune->emulator_quota_us, is_live);
    scheduler_add(params, "global", tune->global_period_us, tune->global_quota_us, is_live);
    scheduler_add(params, "iothread", tune->iothread_period_us, tune->iothread_quota_us, is_live);
    *ret_type = g_strdup("posix");
    *ret_params = params;
    return true;
}

/* ---- NUMA and memory ---- */

bool vm_get_numa(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    const DomainDef *def = NULL;
    bool is_live = false;
    int mode = 0; /* virDomainNumatuneMemMode: strict, preferred, interleave, restrictive */

    if (!tunables_begin(vm, flags, "qemuDomainGetNumaParameters", &def, &is_live, err))
        return false;
    const NumaTune *tune = def->numatune;
    g_autoptr(GString) nodes = g_string_new(NULL);
    if (tune && tune->mode != NUMA_MODE_ABSENT)
        mode = (int)tune->mode - 1;
    const CpuSet *from = vm_numa_nodes(def, is_live ? vm->run : NULL);
    if (from)
        cpuset_format(from, nodes);
    Params *params = params_new();
    params_add_int(params, mode, "numa_mode");
    params_add_string(params, nodes->str, "numa_nodeset");
    *ret_params = params;
    return true;
}

static uint64_t memory_limit_kib(const OptU64 *limit)
{
    return limit->is_set ? limit->value / 1024 : MEMORY_UNLIMITED_KIB;
}

bool vm_get_memory_tunables(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    static const MemTune none = { 0 };
    const DomainDef *def = NULL;
    bool is_live = false;

    if (!tunables_begin(vm, flags, "qemuDomainGetMemoryParameters", &def, &is_live, err))
        return false;
    const MemTune *tune = def->memtune ? def->memtune : &none;
    Params *params = params_new();
    params_add_ullong(params, memory_limit_kib(&tune->hard_limit), "hard_limit");
    params_add_ullong(params, memory_limit_kib(&tune->soft_limit), "soft_limit");
    params_add_ullong(params, memory_limit_kib(&tune->swap_hard_limit), "swap_hard_limit");
    *ret_params = params;
    return true;
}

/* ---- block devices ---- */

/* What a device can have, as the parameter calls it; OptU32, or OptU64 where it counts bytes. */
static const struct {
    const char *name;
    size_t offset;
    bool is_bytes;
} blkio_rows[] = {
    { "device_weight", offsetof(BlkioDevice, weight), false },
    { "device_read_iops_sec", offsetof(BlkioDevice, read_iops), false },
    { "device_write_iops_sec", offsetof(BlkioDevice, write_iops), false },
    { "device_read_bytes_sec", offsetof(BlkioDevice, read_bytes), true },
    { "device_write_bytes_sec", offsetof(BlkioDevice, write_bytes), true },
};

/* "/dev/sda,500,/dev/sdb,300": only devices that have a value. */
static void blkio_add_devices(Params *params, const BlkioTune *tune, size_t row)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (DEF_EACH(BlkioDevice, device, tune->devices)) {
        const void *at = (const char *)device + blkio_rows[row].offset;
        const OptU32 *number = at;
        const OptU64 value =
            blkio_rows[row].is_bytes ? *(const OptU64 *)at : (OptU64){ number->value, number->is_set };
        if (value.is_set && value.value)
            g_string_append_printf(text, "%s%s,%" G_GUINT64_FORMAT, text->len ? "," : "", device->path,
                                   value.value);
    }
    params_add_string(params, text->str, "%s", blkio_rows[row].name);
}

bool vm_get_blkio_tunables(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    static const BlkioTune none = { 0 };
    const DomainDef *def = NULL;
    bool is_live = false;

    if (!tunables_begin(vm, flags, "qemuDomainGetBlkioParameters", &def, &is_live, err))
        return false;
    const BlkioTune *tune = def->blkiotune ? def->blkiotune : &none;
    Params *params = params_new();
    params_add_uint(params, tune->weight ? tune->weight : is_live ? BLKIO_WEIGHT_DEFAULT : 0, "weight");
    for (size_t i = 0; i < G_N_ELEMENTS(blkio_rows); i++)
        blkio_add_devices(params, tune, i);
    *ret_params = params;
    return true;
}
