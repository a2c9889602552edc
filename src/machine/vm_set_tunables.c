/* Changes of CPU time, CPUs, memory, NUMA nodes and block I/O of a machine.
 *
 * Each is the same: a copy of the document changes, control groups and threads follow it, and it becomes the
 * live document; taken back, they follow the old one again. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "tune"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_limits.h"
#include "machine/vm_query.h"
#include "machine/vm_tune.h"

#define SHARES_MIN 2 /* of the document */
#define SHARES_MAX 262144
#define PERIOD_MIN_US 1000
#define PERIOD_MAX_US 1000000
#define QUOTA_MIN_US 1000
#define QUOTA_MAX_US INT64_C(17592186044415)
#define MEMORY_UNLIMITED_KIB UINT64_C(9007199254740991) /* VIR_DOMAIN_MEMORY_PARAM_UNLIMITED */

/* ---- parameters ---- */

bool vm_check_params(const Params *params, const ParamSpec *specs, Error **err)
{
    static const char *const type_names[] = { "unknown", "int",    "uint",    "llong",
                                              "ullong",  "double", "boolean", "string" };

    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        const ParamSpec *spec = specs;
        while (spec->name && strcmp(spec->name, param->name) != 0)
            spec++;
        if (!spec->name)
            return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "parameter '%s' not supported", param->name);
        if (param->type != spec->type)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "invalid type '%s' for parameter '%s', expected '%s'",
                             type_names[param->type <= PARAM_STRING ? param->type : 0], param->name,
                             type_names[spec->type]);
        if (params_find(params, param->name) != param)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' occurs multiple times",
                             param->name);
    }
    return true;
}

/* ---- one change ---- */

typedef struct Tuning {
    /* What is changed, and how: all borrowed. */
    size_t offset; /* of the part in DomainDef */
    const XmlTable *table;
    bool (*change)(DomainDef *def, const struct Tuning *tuning, Error **err);
    bool (*apply)(Vm *vm, const DomainDef *def, const struct Tuning *tuning, Error **err);
    const Params *params;
    ThreadKind kind;
    unsigned id;
    const CpuSet *cpus;
    pid_t tid;
    bool is_live; /* the change is that of the running machine */
    /* Private. */
    Vm *vm;
    LivePart part;
} Tuning;

static void tuning_clear(Tuning *tuning)
{
    if (tuning->part.table)
        live_part_clear(&tuning->part);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tuning, tuning_clear)

static void tuning_take_back(void *arg)
{
    Tuning *tuning = arg;
    Vm *vm = tuning->vm;
    g_autoptr(Error) err = NULL;

    if (vm->run && vm->live && !vm->run->exited && !tuning->apply(vm, vm->live, tuning, &err))
        log_warning_error(err, "a change of a machine's limits cannot be taken back");
}

/* @next: a copy of the live document. */
AWAITS static bool tuning_do_live(Tuning *tuning, VmEdit *edit, Error **err)
{
    g_autoptr(DomainDef) next = domain_def_copy(edit->vm->live);

    tuning->is_live = true;
    if (!tuning->change(next, tuning, err))
        return false;
    undo_push(&edit->undo, tuning_take_back, tuning);
    if (!tuning->apply(edit->vm, next, tuning, err))
        return false;
    void **member = (void **)((char *)next + tuning->offset);
    tuning->part =
        (LivePart){ .offset = tuning->offset, .table = tuning->table, .next = g_steal_pointer(member) };
    vm_edit_set_live(edit, live_part_swap, &tuning->part);
    return true;
}

/* @edit has begun. @event: of a running machine; NULL: none */
AWAITS static bool tuning_run(Tuning *tuning, VmEdit *edit, const Params *event, Error **err)
{
    tuning->vm = edit->vm;
    if ((edit->config && !tuning->change(edit->config, tuning, err)) ||
        (edit->live && !tuning_do_live(tuning, edit, err)))
        return false;
    return vm_edit_commit(edit, edit->live && event ? &(Event){ .id = EVENT_TUNABLE, .params = event } : NULL,
                          err);
}

/* ---- CPU time ---- */

static const struct {
    const char *name; /* of the parameter; the event's begins with "cputune." */
    ParamType type;
    size_t offset;
} scheduler_rows[] = {
    { "cpu_shares", PARAM_ULLONG, offsetof(CpuTune, shares) },
    { "vcpu_period", PARAM_ULLONG, offsetof(CpuTune, period_us) },
    { "vcpu_quota", PARAM_LLONG, offsetof(CpuTune, quota_us) },
    { "global_period", PARAM_ULLONG, offsetof(CpuTune, global_period_us) },
    { "global_quota", PARAM_LLONG, offsetof(CpuTune, global_quota_us) },
    { "emulator_period", PARAM_ULLONG, offsetof(CpuTune, emulator_period_us) },
    { "emulator_quota", PARAM_LLONG, offsetof(CpuTune, emulator_quota_us) },
    { "iothread_period", PARAM_ULLONG, offsetof(CpuTune, iothread_period_us) },
    { "iothread_quota", PARAM_LLONG, offsetof(CpuTune, iothread_quota_us) },
};

static bool check_scheduler_range(const Param *param, Error **err)
{
    const bool is_quota = g_str_has_suffix(param->name, "_quota");

    if (g_str_has_suffix(param->name, "_period") && param->value.ul &&
        (param->value.ul < PERIOD_MIN_US || param->value.ul > PERIOD_MAX_US))
        return error_set(err, ERROR_INVALID_ARGUMENT, "value of '%s' is out of range [%d, %d]", param->name,
                         PERIOD_MIN_US, PERIOD_MAX_US);
    if (strcmp(param->name, "cpu_shares") == 0 && param->value.ul &&
        (param->value.ul < SHARES_MIN || param->value.ul > SHARES_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT, "value of '%s' is out of range [%d, %d]", param->name,
                         SHARES_MIN, SHARES_MAX);
    if (is_quota && param->value.l > 0 && (param->value.l < QUOTA_MIN_US || param->value.l > QUOTA_MAX_US))
        return error_set(err, ERROR_INVALID_ARGUMENT, "value of '%s' is out of range [%d, %" PRId64 "]",
                         param->name, QUOTA_MIN_US, QUOTA_MAX_US);
    return true;
}

static bool scheduler_change(DomainDef *def, const Tuning *tuning, Error **err)
{
    if (!def->cputune)
        def->cputune = xml_table_new(&cputune_table);
    for (size_t i = 0; i < G_N_ELEMENTS(scheduler_rows); i++) {
        const Param *param = params_find(tuning->params, scheduler_rows[i].name);
        void *field = (char *)def->cputune + scheduler_rows[i].offset;
        if (!param)
            continue;
        if (scheduler_rows[i].type == PARAM_LLONG)
            *(OptS64 *)field = (OptS64){ .value = param->value.l, .is_set = param->value.l != 0 };
        else
            *(OptU64 *)field = (OptU64){ .value = param->value.ul, .is_set = param->value.ul != 0 };
    }
    return true;
}

static bool scheduler_apply(Vm *vm, const DomainDef *def, const Tuning *tuning, Error **err)
{
    return vm_cgroup_apply(vm, def, TUNE_CPU | TUNE_DEFAULTS, err);
}

bool vm_set_scheduler(Vm *vm, const Params *params, unsigned flags, const Caller *caller, Error **err)
{
    ParamSpec specs[G_N_ELEMENTS(scheduler_rows) + 1] = { 0 };
    g_auto(Tuning) tuning = { .offset = offsetof(DomainDef, cputune),
                              .table = &cputune_table,
                              .change = scheduler_change,
                              .apply = scheduler_apply,
                              .params = params };
    g_autoptr(Params) event = params_new();
    g_auto(VmEdit) edit = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(scheduler_rows); i++)
        specs[i] = (ParamSpec){ scheduler_rows[i].name, scheduler_rows[i].type };
    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                     "qemuDomainSetSchedulerParametersFlags", err) ||
        !vm_check_params(params, specs, err) || !vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    if (edit.live && !vm_cgroup_require(vm, CGROUP_CPU, err))
        return false;
    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        if (!check_scheduler_range(param, err))
            return false;
        if (edit.live && strcmp(param->name, "cpu_shares") == 0 &&
            (param->value.ul < 1 || param->value.ul > 10000))
            return error_set(err, ERROR_INVALID_ARGUMENT, "shares '%" PRIu64 "' must be in range [1, 10000]",
                             param->value.ul);
        if (param->type == PARAM_LLONG)
            params_add_llong(event, param->value.l, "cputune.%s", param->name);
        else
            params_add_ullong(event, param->value.ul, "cputune.%s", param->name);
    }
    return tuning_run(&tuning, &edit, event, err);
}

/* ---- CPUs ---- */

static void set_pin(GPtrArray **pins, unsigned id, const CpuSet *cpus)
{
    for (DEF_EACH(CpuPin, pin, *pins)) {
        if (pin->id != id)
            continue;
        cpuset_free(pin->cpuset);
        pin->cpuset = cpuset_copy(cpus);
        return;
    }
    if (!*pins) /* an I/O thread's pin is the same struct */
        *pins = xml_list_new(vm_list_table(&cputune_table, "vcpupin"));
    CpuPin *pin = g_new0(CpuPin, 1);
    *pin = (CpuPin){ .id = id, .cpuset = cpuset_copy(cpus) };
    unsigned at = 0;
    while (at < (*pins)->len && ((const CpuPin *)(*pins)->pdata[at])->id < id)
        at++;
    g_ptr_array_insert(*pins, (gint)at, pin);
}

static bool pin_change(DomainDef *def, const Tuning *tuning, Error **err)
{
    if (!def->cputune)
        def->cputune = xml_table_new(&cputune_table);
    if (tuning->kind == THREAD_EMULATOR) {
        cpuset_free(def->cputune->emulator_pin);
        def->cputune->emulator_pin = cpuset_copy(tuning->cpus);
        return true;
    }
    set_pin(tuning->kind == THREAD_VCPU ? &def->cputune->vcpu_pins : &def->cputune->iothread_pins, tuning->id,
            tuning->cpus);
    return true;
}

static bool pin_apply(Vm *vm, const DomainDef *def, const Tuning *tuning, Error **err)
{
    /* A vCPU that is not there has its place when it comes. */
    return !tuning->tid || vm_thread_setup(vm, def, tuning->kind, tuning->id, tuning->tid, err);
}

static bool read_map(const uint8_t *map, size_t len, CpuSet **ret_cpus, Error **err)
{
    g_autoptr(CpuSet) cpus = cpuset_new();

    for (size_t cpu = 0; cpu < MIN(len * 8, CPUSET_MAX); cpu++) {
        if (map[cpu / 8] & (1u << (cpu % 8)))
            cpuset_add(cpus, (unsigned)cpu);
    }
    if (cpuset_count(cpus) == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Empty cpu list for pinning");
    *ret_cpus = g_steal_pointer(&cpus);
    return true;
}

static bool has_iothread(const DomainDef *def, unsigned id)
{
    for (DEF_EACH(IothreadDef, thread, def->iothread_list)) {
        if (thread->id == id)
            return true;
    }
    return !def->iothread_list && id >= 1 && id <= def->iothreads.value;
}

static bool check_thread(const VmEdit *edit, const Tuning *tuning, Error **err)
{
    const DomainDef *live = edit->live ? edit->vm->live : NULL;

    if (tuning->kind == THREAD_VCPU && live && tuning->id >= live->vcpus)
        return error_set(err, ERROR_INVALID_ARGUMENT, "vcpu %u is out of range of live cpu count %u",
                         tuning->id, live->vcpus);
    if (tuning->kind == THREAD_VCPU && edit->config && tuning->id >= edit->config->vcpus)
        return error_set(err, ERROR_INVALID_ARGUMENT, "vcpu %u is out of range of persistent cpu count %u",
                         tuning->id, edit->config->vcpus);
    if (tuning->kind == THREAD_IOTHREAD && live && !has_iothread(live, tuning->id))
        return error_set(err, ERROR_INVALID_ARGUMENT, "iothread %u not found", tuning->id);
    if (tuning->kind == THREAD_IOTHREAD && edit->config && !has_iothread(edit->config, tuning->id))
        return error_set(err, ERROR_INVALID_ARGUMENT, "iothreadid %u not found", tuning->id);
    return true;
}

AWAITS static bool find_tid(Vm *vm, Tuning *tuning, Error **err)
{
    if (tuning->kind == THREAD_IOTHREAD)
        return vm_require_monitor(vm, err) && vm_iothread_tid(vm, tuning->id, &tuning->tid, err);
    if (tuning->kind == THREAD_EMULATOR)
        tuning->tid = vm->run->pid;
    else if (tuning->id < vm->run->vcpu_tids->len)
        tuning->tid = g_array_index(vm->run->vcpu_tids, pid_t, tuning->id);
    return true;
}

AWAITS static bool pin_thread(Vm *vm, ThreadKind kind, unsigned id, const uint8_t *map, size_t len,
                              unsigned flags, const char *function, const Caller *caller, Error **err)
{
    g_autoptr(CpuSet) cpus = NULL;
    g_auto(Tuning) tuning = { .offset = offsetof(DomainDef, cputune),
                              .table = &cputune_table,
                              .change = pin_change,
                              .apply = pin_apply,
                              .kind = kind,
                              .id = id };
    g_autoptr(Params) event = params_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, function, err) ||
        !vm_edit_begin(vm, flags, caller, &edit, err) || !check_thread(&edit, &tuning, err) ||
        !read_map(map, len, &cpus, err) || (edit.live && !find_tid(vm, &tuning, err)))
        return false;
    tuning.cpus = cpus;
    cpuset_format(cpus, text);
    if (kind == THREAD_EMULATOR)
        params_add_string(event, text->str, "cputune.emulatorpin");
    else
        params_add_string(event, text->str, "cputune.%s%u", kind == THREAD_VCPU ? "vcpupin" : "iothreadpin",
                          id);
    return tuning_run(&tuning, &edit, event, err);
}

bool vm_pin_vcpu(Vm *vm, unsigned vcpu, const uint8_t *map, size_t len, unsigned flags, const Caller *caller,
                 Error **err)
{
    return pin_thread(vm, THREAD_VCPU, vcpu, map, len, flags, "qemuDomainPinVcpuFlags", caller, err);
}

bool vm_pin_emulator(Vm *vm, const uint8_t *map, size_t len, unsigned flags, const Caller *caller,
                     Error **err)
{
    return pin_thread(vm, THREAD_EMULATOR, 0, map, len, flags, "qemuDomainPinEmulator", caller, err);
}

bool vm_pin_iothread(Vm *vm, unsigned id, const uint8_t *map, size_t len, unsigned flags,
                     const Caller *caller, Error **err)
{
    return pin_thread(vm, THREAD_IOTHREAD, id, map, len, flags, "qemuDomainPinIOThread", caller, err);
}

/* ---- memory ---- */

static void set_memory_limit(const Params *params, const char *name, OptU64 *field)
{
    const Param *param = params_find(params, name);
    const bool is_limit = param && param->value.ul < MEMORY_UNLIMITED_KIB;

    if (param)
        *field = (OptU64){ .value = is_limit ? param->value.ul * 1024 : 0, .is_set = is_limit };
}

static bool memory_change(DomainDef *def, const Tuning *tuning, Error **err)
{
    if (!def->memtune)
        def->memtune = xml_table_new(&memtune_table);
    MemTune *tune = def->memtune;
    set_memory_limit(tuning->params, "hard_limit", &tune->hard_limit);
    set_memory_limit(tuning->params, "soft_limit", &tune->soft_limit);
    set_memory_limit(tuning->params, "swap_hard_limit", &tune->swap_hard_limit);
    if (tune->swap_hard_limit.is_set &&
        (!tune->hard_limit.is_set || tune->hard_limit.value > tune->swap_hard_limit.value))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "memory hard_limit tunable value must be lower than or equal to swap_hard_limit");
    return true;
}

static bool memory_apply(Vm *vm, const DomainDef *def, const Tuning *tuning, Error **err)
{
    return vm_cgroup_apply(vm, def, TUNE_MEMORY | TUNE_DEFAULTS, err);
}

bool vm_set_memory_tunables(Vm *vm, const Params *params, unsigned flags, const Caller *caller, Error **err)
{
    static const ParamSpec specs[] = { { "hard_limit", PARAM_ULLONG },
                                       { "soft_limit", PARAM_ULLONG },
                                       { "swap_hard_limit", PARAM_ULLONG },
                                       { 0 } };
    g_auto(Tuning) tuning = { .offset = offsetof(DomainDef, memtune),
                              .table = &memtune_table,
                              .change = memory_change,
                              .apply = memory_apply,
                              .params = params };
    g_auto(VmEdit) edit = { 0 };

    return check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                       "qemuDomainSetMemoryParameters", err) &&
           vm_check_params(params, specs, err) && vm_edit_begin(vm, flags, caller, &edit, err) &&
           (!edit.live || vm_cgroup_require(vm, CGROUP_MEMORY, err)) && tuning_run(&tuning, &edit, NULL, err);
}

/* ---- NUMA ---- */

static bool numa_check_live(const NumaTune *now, const Param *mode, const CpuSet *nodes, Error **err)
{
    const bool is_there = now && (now->nodeset || now->placement == CPU_PLACEMENT_AUTO);
    const NumaMode current = is_there ? now->mode : NUMA_MODE_STRICT;

    if (is_there && mode && (NumaMode)(mode->value.i + 1) != current)
        return error_set(err, ERROR_INVALID_STATE, "can't change numatune mode for running domain");
    if (is_there && nodes && current != NUMA_MODE_RESTRICTIVE)
        return error_set(err, ERROR_INVALID_STATE,
                         "change of nodeset for running domain requires restrictive numa mode");
    return true;
}

static bool numa_change(DomainDef *def, const Tuning *tuning, Error **err)
{
    const Param *mode = params_find(tuning->params, "numa_mode");

    if (tuning->is_live && !numa_check_live(def->numatune, mode, tuning->cpus, err))
        return false;
    if (!def->numatune && !tuning->cpus) { /* a mode alone says nothing */
        if (!mode || mode->value.i + 1 == NUMA_MODE_STRICT)
            return true;
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "nodeset for NUMA memory tuning must be set if 'placement' is 'static'");
    }
    if (!def->numatune)
        def->numatune = xml_table_new(&numatune_table);
    NumaTune *tune = def->numatune;
    if (mode)
        tune->mode = (NumaMode)(mode->value.i + 1);
    else if (tune->mode == NUMA_MODE_ABSENT)
        tune->mode = NUMA_MODE_STRICT;
    if (tuning->cpus) {
        cpuset_free(tune->nodeset);
        tune->nodeset = cpuset_copy(tuning->cpus);
        tune->placement = CPU_PLACEMENT_ABSENT;
    }
    return true;
}

static bool numa_apply(Vm *vm, const DomainDef *def, const Tuning *tuning, Error **err)
{
    return vm_tune_check(vm->host, def, err) && vm_cgroup_apply(vm, def, TUNE_NUMA | TUNE_DEFAULTS, err);
}

bool vm_set_numa(Vm *vm, const Params *params, unsigned flags, const Caller *caller, Error **err)
{
    static const ParamSpec specs[] = { { "numa_mode", PARAM_INT }, { "numa_nodeset", PARAM_STRING }, { 0 } };
    const Param *mode = params_find(params, "numa_mode");
    const Param *text = params_find(params, "numa_nodeset");
    g_autoptr(CpuSet) nodes = NULL;
    g_auto(Tuning) tuning = { .offset = offsetof(DomainDef, numatune),
                              .table = &numatune_table,
                              .change = numa_change,
                              .apply = numa_apply,
                              .params = params };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainSetNumaParameters",
                     err) ||
        !vm_check_params(params, specs, err))
        return false;
    if (mode && (mode->value.i < 0 || mode->value.i + 1 >= NUMA_MODE_COUNT))
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported numatune mode: '%d'", mode->value.i);
    if (text && !cpuset_parse(text->value.s, &nodes, err))
        return false;
    tuning.cpus = nodes;
    return vm_edit_begin(vm, flags, caller, &edit, err) &&
           (!edit.live || vm_cgroup_require(vm, CGROUP_CPUSET, err)) && tuning_run(&tuning, &edit, NULL, err);
}

/* ---- block I/O ---- */

static const struct {
    const char *name;
    size_t offset;
    bool is_bytes; /* OptU64, else OptU32 */
} blkio_rows[] = {
    { "device_weight", offsetof(BlkioDevice, weight), false },
    { "device_read_iops_sec", offsetof(BlkioDevice, read_iops), false },
    { "device_write_iops_sec", offsetof(BlkioDevice, write_iops), false },
    { "device_read_bytes_sec", offsetof(BlkioDevice, read_bytes), true },
    { "device_write_bytes_sec", offsetof(BlkioDevice, write_bytes), true },
};

static const XmlTable *blkio_device_rows(void)
{
    return vm_list_table(&blkiotune_table, "device");
}

static BlkioDevice *blkio_device(BlkioTune *tune, const char *path)
{
    for (DEF_EACH(BlkioDevice, device, tune->devices)) {
        if (strcmp(device->path, path) == 0)
            return device;
    }
    if (!tune->devices)
        tune->devices = xml_list_new(blkio_device_rows());
    BlkioDevice *device = xml_table_new(blkio_device_rows());
    device->path = g_strdup(path);
    g_ptr_array_add(tune->devices, device);
    return device;
}

/* "/dev/sda,500,/dev/sdb,300"; 0 takes a value away. */
static bool blkio_set_devices(BlkioTune *tune, size_t row, const char *text, Error **err)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    const unsigned count = g_strv_length(words);

    for (unsigned i = 0; i + 1 < count + count % 2; i += 2) {
        char *end = NULL;
        const uint64_t value = i + 1 < count ? g_ascii_strtoull(words[i + 1], &end, 10) : 0;
        if (!end || end == words[i + 1] || *end || words[i][0] != '/' ||
            (!blkio_rows[row].is_bytes && value > UINT32_MAX))
            return error_set(err, ERROR_INVALID_ARGUMENT, "unable to parse blkio device '%s' '%s'",
                             blkio_rows[row].name, text);
        void *field = (char *)blkio_device(tune, words[i]) + blkio_rows[row].offset;
        if (blkio_rows[row].is_bytes)
            *(OptU64 *)field = (OptU64){ .value = value, .is_set = value != 0 };
        else
            *(OptU32 *)field = (OptU32){ .value = (uint32_t)value, .is_set = value != 0 };
    }
    return true;
}

static void blkio_prune(BlkioTune *tune)
{
    for (unsigned i = def_list_len(tune->devices); i-- > 0;) {
        const BlkioDevice *device = tune->devices->pdata[i];
        if (!device->weight.is_set && !device->read_iops.is_set && !device->write_iops.is_set &&
            !device->read_bytes.is_set && !device->write_bytes.is_set)
            xml_list_remove(blkio_device_rows(), &tune->devices, i);
    }
}

static bool blkio_change(DomainDef *def, const Tuning *tuning, Error **err)
{
    const Param *weight = params_find(tuning->params, "weight");

    if (!def->blkiotune)
        def->blkiotune = xml_table_new(&blkiotune_table);
    if (weight)
        def->blkiotune->weight = weight->value.ui;
    for (size_t row = 0; row < G_N_ELEMENTS(blkio_rows); row++) {
        const Param *param = params_find(tuning->params, blkio_rows[row].name);
        if (param && !blkio_set_devices(def->blkiotune, row, param->value.s, err))
            return false;
    }
    /* In a running machine a device without limits is one whose limits are to be reset. */
    if (!tuning->is_live)
        blkio_prune(def->blkiotune);
    return true;
}

static bool blkio_apply(Vm *vm, const DomainDef *def, const Tuning *tuning, Error **err)
{
    return vm_cgroup_apply(vm, def, TUNE_IO | TUNE_DEFAULTS, err);
}

bool vm_set_blkio_tunables(Vm *vm, const Params *params, unsigned flags, const Caller *caller, Error **err)
{
    ParamSpec specs[G_N_ELEMENTS(blkio_rows) + 2] = { { "weight", PARAM_UINT } };
    g_auto(Tuning) tuning = { .offset = offsetof(DomainDef, blkiotune),
                              .table = &blkiotune_table,
                              .change = blkio_change,
                              .apply = blkio_apply,
                              .params = params };
    g_auto(VmEdit) edit = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(blkio_rows); i++)
        specs[i + 1] = (ParamSpec){ blkio_rows[i].name, PARAM_STRING };
    return check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                       "qemuDomainSetBlkioParameters", err) &&
           vm_check_params(params, specs, err) && vm_edit_begin(vm, flags, caller, &edit, err) &&
           (!edit.live || vm_cgroup_require(vm, CGROUP_IO, err)) && tuning_run(&tuning, &edit, NULL, err);
}
