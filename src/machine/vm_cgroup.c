/* The control groups of machines: where they are, and what the document says about limits, as files of
 * theirs.
 *
 * Weights stand on the machine's scope, because they count among its neighbours; limits on the group inside
 * it, which is ours even where systemd owns the scope. Threads are told apart by the controllers cpu and
 * cpuset alone, so those groups exist only where one of these does. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "cgroup"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/worker.h"
#include "host/machined.h"
#include "host/node.h"
#include "machine/vm_tune.h"

#define DEFAULT_PARTITION "/machine"
#define DEFAULT_PERIOD_US 100000
#define DEFAULT_WEIGHT 100u
#define WEIGHT_MAX 10000u
#define APPID_FILE "/sys/class/fc/fc_udev_device/appid_store"

static const CgroupHost *cgroup_host(const Host *host)
{
    return host->machines->cgroups;
}

bool vm_cgroup_is_used(const Host *host)
{
    return !host->paths->is_session && geteuid() == 0 && cgroup_host(host)->controllers != 0;
}

/* ---- what can be done here ---- */

static bool has_quota(const CpuTune *tune)
{
    return tune->period_us.is_set || tune->global_period_us.is_set || tune->emulator_period_us.is_set ||
           tune->iothread_period_us.is_set || tune->quota_us.is_set || tune->global_quota_us.is_set ||
           tune->emulator_quota_us.is_set || tune->iothread_quota_us.is_set;
}

static bool has_memory_limit(const MemTune *tune)
{
    return tune->hard_limit.is_set || tune->soft_limit.is_set || tune->swap_hard_limit.is_set;
}

static bool check_controller(const Host *host, unsigned controller, const char *words, Error **err)
{
    static const CgroupHost none = { 0 };
    const CgroupHost *here = host->paths->is_session ? &none : cgroup_host(host);

    if (here->controllers & controller && vm_cgroup_is_used(host))
        return true;
    return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s: %s", words,
                     host->paths->is_session ? "a daemon of one user has no control groups"
                                             : cgroup_host_explain(here, controller));
}

static bool check_memory(const MemTune *tune, Error **err)
{
    if (tune->min_guarantee.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Parameter 'min_guarantee' not supported by QEMU");
    if (tune->swap_hard_limit.is_set && !tune->hard_limit.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "memory swap_hard_limit needs a hard_limit: cgroup version 2 limits swap by itself");
    return true;
}

static bool check_nodes(const CpuSet *nodes, Error **err)
{
    const GPtrArray *cells = node_cells();

    for (int node = nodes ? cpuset_next(nodes, -1) : -1; node >= 0; node = cpuset_next(nodes, node)) {
        bool is_there = false;
        for (DEF_EACH(NodeCell, cell, cells))
            is_there = is_there || cell->id == (unsigned)node;
        if (!is_there)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "NUMA node %d is unavailable", node);
    }
    return true;
}

static bool check_numa(const Host *host, const NumaTune *tune, Error **err)
{
    for (DEF_EACH(NumaTuneNode, node, tune->nodes)) {
        if (!check_nodes(node->nodeset, err))
            return false;
    }
    return check_nodes(tune->nodeset, err) &&
           (tune->mode != NUMA_MODE_RESTRICTIVE ||
            (!tune->nodeset && tune->placement != CPU_PLACEMENT_AUTO) ||
            check_controller(host, CGROUP_CPUSET, "cgroup cpuset is required for restrictive NUMA mode",
                             err));
}

static bool check_priority(const SchedDef *sched, Error **err)
{
    if (!sched || !sched->priority.is_set || (sched->priority.value >= 1 && sched->priority.value <= 99))
        return true;
    return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Scheduler priority %u out of range [1, 99]",
                     sched->priority.value);
}

static bool check_cpu(const Host *host, const CpuTune *tune, Error **err)
{
    if ((has_quota(tune) &&
         !check_controller(host, CGROUP_CPU, "cgroup cpu is required for scheduler tuning", err)) ||
        (tune->shares.is_set &&
         !check_controller(host, CGROUP_CPU, "cgroup cpu is required for CPU shares", err)))
        return false;
    if (tune->shares.is_set && (tune->shares.value < 1 || tune->shares.value > WEIGHT_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT, "shares '%" PRIu64 "' must be in range [1, %u]",
                         tune->shares.value, WEIGHT_MAX);
    for (DEF_EACH(SchedDef, sched, tune->vcpu_scheds)) {
        if (!check_priority(sched, err))
            return false;
    }
    for (DEF_EACH(SchedDef, sched, tune->iothread_scheds)) {
        if (!check_priority(sched, err))
            return false;
    }
    return check_priority(tune->emulator_sched, err);
}

/* A machine that came from another host may be pinned to CPUs that are not here. */
static bool check_pin(const CpuSet *pin, const char *who, unsigned id, Error **err)
{
    const GPtrArray *cpus = node_cpus();
    g_autoptr(GString) text = g_string_new(NULL);

    for (DEF_EACH(NodeCpu, cpu, pin ? cpus : NULL)) {
        if (cpuset_has(pin, cpu->id))
            return true;
    }
    if (!pin)
        return true;
    cpuset_format(pin, text);
    error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s %u is pinned to CPUs %s, none of which this host has", who,
              id, text->str);
    return error_hint(err, "'lodge vcpupin', 'emulatorpin' and 'iothreadpin' with --config choose others");
}

static bool check_pins(const DomainDef *def, Error **err)
{
    const CpuTune *tune = def->cputune;

    for (DEF_EACH(CpuPin, pin, tune ? tune->vcpu_pins : NULL)) {
        if (!check_pin(pin->cpuset, "vCPU", pin->id, err))
            return false;
    }
    for (DEF_EACH(CpuPin, pin, tune ? tune->iothread_pins : NULL)) {
        if (!check_pin(pin->cpuset, "I/O thread", pin->id, err))
            return false;
    }
    return check_pin(tune ? tune->emulator_pin : NULL, "emulator", 0, err) &&
           check_pin(def->cpuset, "machine", 0, err);
}

static bool check_partition(const Host *host, const char *partition, Error **err)
{
    g_autofree char *slice = NULL;

    if (!partition || (!vm_cgroup_is_used(host) && strcmp(partition, DEFAULT_PARTITION) == 0))
        return true;
    return cgroup_slice(partition, &slice, err) &&
           check_controller(host, CGROUP_CONTROLLERS, "cgroups are required for a resource partition", err);
}

bool vm_tune_check(const Host *host, const DomainDef *def, Error **err)
{
    const MemTune *memory = def->memtune;
    const BlkioTune *io = def->blkiotune;

    if (!check_pins(def, err) || (def->cputune && !check_cpu(host, def->cputune, err)) ||
        (def->numatune && !check_numa(host, def->numatune, err)) ||
        !check_partition(host, def->resource_partition, err))
        return false;
    if (memory &&
        (!check_memory(memory, err) ||
         (has_memory_limit(memory) &&
          !check_controller(host, CGROUP_MEMORY, "cgroup memory is required for memory tuning", err))))
        return false;
    if (io && (io->weight || def_list_len(io->devices)) &&
        !check_controller(host, CGROUP_IO, "cgroup io is required for block I/O tuning", err))
        return false;
    return !def->resource_appid ||
           check_controller(host, CGROUP_CONTROLLERS, "cgroups are required for a fibrechannel appid", err);
}

bool vm_cgroup_require(const Vm *vm, unsigned controller, Error **err)
{
    static const char *const words[] = {
        [CGROUP_CPU] = "cgroup CPU controller is not mounted",
        [CGROUP_CPUSET] = "cgroup cpuset controller is not mounted",
        [CGROUP_IO] = "blkio cgroup isn't mounted",
        [CGROUP_MEMORY] = "cgroup memory controller is not mounted",
    };

    if (vm->run && vm->run->cgroup && cgroup_host(vm->host)->controllers & controller)
        return true;
    error_set(err, ERROR_INVALID_STATE, "%s", words[controller]);
    return error_hint(err, "%s",
                      cgroup_host(vm->host)->controllers & controller
                          ? "the machine was started before it could have a group: start it again"
                          : cgroup_host_explain(cgroup_host(vm->host), controller));
}

/* ---- names ---- */

/* Two daemons may have machines of the same number and name, if their roots differ. */
static char *machine_name(const Host *host, const DomainDef *live)
{
    if (!*host->paths->root || *host->paths->host_root)
        return g_strdup_printf("qemu-%d-%s", live->id, live->name);
    return g_strdup_printf("qemu-%d-%s-%08x", live->id, live->name, g_str_hash(host->paths->root));
}

/* .../machine.slice/machine-qemu\x2d1\x2dweb.scope. *ret_slice: "machine.slice" */
static bool scope_path(const Host *host, const DomainDef *live, char **ret_slice, char **ret_path,
                       Error **err)
{
    g_autofree char *name = machine_name(host, live);
    g_autofree char *scope = cgroup_scope(name);

    if (!cgroup_slice(live->resource_partition ? live->resource_partition : DEFAULT_PARTITION, ret_slice,
                      err))
        return false;
    *ret_path = path_join(cgroup_host(host)->mount, *ret_slice, scope);
    return true;
}

/* The scope around the machine's own group. Owned. */
static char *run_scope(const VmRun *run)
{
    return g_path_get_dirname(run->cgroup);
}

bool vm_thread_group(const Vm *vm, ThreadKind kind, unsigned id, char **ret_group)
{
    if (!vm->run->cgroup || !(cgroup_host(vm->host)->controllers & CGROUP_THREADED))
        return false;
    g_autofree char *leaf = kind == THREAD_EMULATOR ? g_strdup("emulator")
                            : kind == THREAD_VCPU   ? g_strdup_printf("vcpu%u", id)
                                                    : g_strdup_printf("iothread%u", id);
    *ret_group = path_join(vm->run->cgroup, leaf);
    return true;
}

/* ---- entering ---- */

static void add_slices(CgroupBatch *batch, const CgroupHost *host, const char *slice)
{
    g_autofree char *path = g_strdup(host->mount);
    g_auto(GStrv) parts = g_strsplit(slice, "/", -1);

    for (char **part = parts; *part; part++) {
        char *next = path_join(path, *part);
        cgroup_add_make(batch, next);
        cgroup_add_enable(batch, next, host->controllers);
        g_free(path);
        path = next;
    }
}

/* The group of the machine in @scope, with @pid in it: in the emulator's, where threads can be told apart. */
static void add_own_group(CgroupBatch *batch, const CgroupHost *host, const char *scope, const char *own,
                          pid_t pid)
{
    g_autofree char *emulator = path_join(own, "emulator");

    cgroup_add_make(batch, own);
    cgroup_add_write(batch, own, "cgroup.procs", "%d", (int)pid);
    /* Only now: a group with processes cannot give controllers to those in it. */
    cgroup_add_enable(batch, scope, host->controllers);
    if (!(host->controllers & CGROUP_THREADED))
        return;
    cgroup_add_make(batch, emulator);
    cgroup_add_write(batch, emulator, "cgroup.type", "threaded");
    cgroup_add_enable(batch, own, host->controllers & CGROUP_THREADED);
    cgroup_add_write(batch, emulator, "cgroup.procs", "%d", (int)pid);
}

/* Traffic of Fibre Channel carries what the host knows the group by: its inode. */
AWAITS static bool enter_appid(const Vm *vm, Error **err)
{
    struct stat st;

    if (!vm->live->resource_appid)
        return true;
    if (stat(vm->run->cgroup, &st) < 0)
        return error_set_errno(err, errno, "cannot look at '%s'", vm->run->cgroup);
    CgroupBatch *batch = cgroup_batch_new();
    if (access(APPID_FILE, W_OK) < 0) {
        const int saved = errno;
        cgroup_batch_free(batch);
        return error_set_errno(err, saved, "Unable to write '%lX:%s' to '" APPID_FILE "'",
                               (unsigned long)st.st_ino, vm->live->resource_appid);
    }
    g_autofree char *dir = g_path_get_dirname(APPID_FILE);
    cgroup_add_write(batch, dir, "appid_store", "%lX:%s", (unsigned long)st.st_ino, vm->live->resource_appid);
    return cgroup_batch_run(batch, err);
}

AWAITS static bool enter(Vm *vm, pid_t pid, Error **err)
{
    const CgroupHost *host = cgroup_host(vm->host);
    g_autofree char *name = machine_name(vm->host, vm->live);
    g_autofree char *slice = NULL, *scope = NULL;
    bool is_registered = false;

    if (!scope_path(vm->host, vm->live, &slice, &scope, err))
        return false;
    const char *unit = strrchr(slice, '/') ? strrchr(slice, '/') + 1 : slice;
    if (!*vm->host->paths->root && !machined_create(name, &vm->uuid, pid, unit, &is_registered, err))
        return false;
    vm->run->cgroup = path_join(scope, "libvirt");
    CgroupBatch *batch = cgroup_batch_new();
    if (!is_registered) {
        add_slices(batch, host, slice);
        cgroup_add_make(batch, scope);
    }
    add_own_group(batch, host, scope, vm->run->cgroup, pid);
    return cgroup_batch_run(batch, err) && vm_cgroup_apply(vm, vm->live, TUNE_ALL, err) &&
           enter_appid(vm, err);
}

static bool needs_groups(const DomainDef *def)
{
    const CpuTune *cpu = def->cputune;
    const BlkioTune *io = def->blkiotune;

    return (cpu && (has_quota(cpu) || cpu->shares.is_set)) ||
           (def->memtune && has_memory_limit(def->memtune)) ||
           (io && (io->weight || def_list_len(io->devices))) ||
           (def->numatune && def->numatune->mode == NUMA_MODE_RESTRICTIVE) || def->resource_partition ||
           def->resource_appid;
}

/* Where the hierarchy is not ours to write to, a machine that asks for nothing of it runs without. */
bool vm_cgroup_enter(Vm *vm, pid_t pid, Error **err)
{
    const bool is_needed = needs_groups(vm->live);
    g_autoptr(Error) why = NULL;

    if (!vm_cgroup_is_used(vm->host))
        return true;
    if (enter(vm, pid, &why)) {
        if (!vm->live->resource_partition)
            vm->live->resource_partition = g_strdup(DEFAULT_PARTITION);
        return true;
    }
    if (is_needed || error_code(why) == ERROR_CANCELLED)
        return error_propagate(err, g_steal_pointer(&why));
    log_warning_error(why, "a machine has no control group");
    g_clear_pointer(&vm->run->cgroup, g_free);
    return true;
}

void vm_cgroup_find(Vm *vm)
{
    g_autofree char *slice = NULL, *scope = NULL;

    g_clear_pointer(&vm->run->cgroup, g_free);
    if (!vm_cgroup_is_used(vm->host))
        return;
    g_autofree char *group = cgroup_of_process(cgroup_host(vm->host), vm->run->pid);
    const char *own = group ? strstr(group, ".scope/libvirt") : NULL;
    if (own)
        vm->run->cgroup = g_strndup(group, (gsize)(own - group) + strlen(".scope/libvirt"));
    else if (scope_path(vm->host, vm->live, &slice, &scope, NULL) && cgroup_exists(scope))
        vm->run->cgroup = path_join(scope, "libvirt");
}

void vm_cgroup_remove(Host *host, const DomainDef *live, const VmRun *run)
{
    g_autofree char *slice = NULL;
    g_autofree char *scope = run && run->cgroup ? run_scope(run) : NULL;
    g_autoptr(Error) err = NULL;

    if (!vm_cgroup_is_used(host) || !live || (!scope && !scope_path(host, live, &slice, &scope, NULL)))
        return;
    if (cgroup_exists(scope) && !cgroup_remove(scope, &err))
        log_warning_error(err, "a control group of a machine that has ended stays");
}

/* ---- limits ---- */

char *vm_cpu_max(OptU64 period_us, OptS64 quota_us)
{
    const uint64_t period = period_us.is_set && period_us.value ? period_us.value : DEFAULT_PERIOD_US;

    return quota_us.is_set && quota_us.value > 0
               ? g_strdup_printf("%" PRId64 " %" PRIu64, quota_us.value, period)
               : g_strdup_printf("max %" PRIu64, period);
}

static void add_cpu_max(CgroupBatch *batch, const char *group, OptU64 period_us, OptS64 quota_us,
                        bool defaults)
{
    g_autofree char *text = vm_cpu_max(period_us, quota_us);

    if (defaults || period_us.is_set || quota_us.is_set)
        cgroup_add_write(batch, group, "cpu.max", "%s", text);
}

/* systemd owns the scopes that it has made; others are written by hand. */
AWAITS static bool set_weight(Vm *vm, const char *property, const char *file, const char *format,
                              unsigned weight, Error **err)
{
    g_autofree char *scope = run_scope(vm->run);
    g_autofree char *unit = g_path_get_basename(scope);
    bool done = false;

    if (!*vm->host->paths->root && !machined_set_weight(unit, property, weight, &done, err))
        return false;
    CgroupBatch *batch = cgroup_batch_new();
    g_autofree char *text = g_strdup_printf("%u", weight);
    if (!done)
        cgroup_add_write(batch, scope, file, "%s%s", format, text);
    return cgroup_batch_run(batch, err);
}

AWAITS static bool apply_cpu(Vm *vm, const DomainDef *def, bool defaults, Error **err)
{
    static const CpuTune none = { 0 };
    const CpuTune *tune = def->cputune ? def->cputune : &none;
    g_autofree char *emulator = NULL;

    if (!(cgroup_host(vm->host)->controllers & CGROUP_CPU))
        return true;
    if ((defaults || tune->shares.is_set) &&
        !set_weight(vm, "CPUWeight", "cpu.weight", "",
                    tune->shares.is_set ? (unsigned)tune->shares.value : DEFAULT_WEIGHT, err))
        return false;
    CgroupBatch *batch = cgroup_batch_new();
    add_cpu_max(batch, vm->run->cgroup, tune->global_period_us, tune->global_quota_us, defaults);
    if (vm_thread_group(vm, THREAD_EMULATOR, 0, &emulator))
        add_cpu_max(batch, emulator, tune->emulator_period_us, tune->emulator_quota_us, defaults);
    for (guint i = 0; i < vm->run->vcpu_tids->len; i++) {
        g_autofree char *group = NULL;
        if (g_array_index(vm->run->vcpu_tids, pid_t, i) && vm_thread_group(vm, THREAD_VCPU, i, &group) &&
            cgroup_exists(group))
            add_cpu_max(batch, group, tune->period_us, tune->quota_us, defaults);
    }
    /* By number: the list of the document has them only if somebody named them. */
    for (DEF_EACH(IothreadDef, thread, def->iothread_list)) {
        g_autofree char *group = NULL;
        if (vm_thread_group(vm, THREAD_IOTHREAD, thread->id, &group) && cgroup_exists(group))
            add_cpu_max(batch, group, tune->iothread_period_us, tune->iothread_quota_us, defaults);
    }
    for (unsigned id = 1; !def->iothread_list && id <= def->iothreads.value; id++) {
        g_autofree char *group = NULL;
        if (vm_thread_group(vm, THREAD_IOTHREAD, id, &group) && cgroup_exists(group))
            add_cpu_max(batch, group, tune->iothread_period_us, tune->iothread_quota_us, defaults);
    }
    return cgroup_batch_run(batch, err);
}

static void add_memory_limit(CgroupBatch *batch, const char *group, const char *file, OptU64 bytes,
                             bool defaults)
{
    if (bytes.is_set)
        cgroup_add_write(batch, group, file, "%" PRIu64, bytes.value);
    else if (defaults)
        cgroup_add_write(batch, group, file, "max");
}

AWAITS static bool apply_memory(Vm *vm, const DomainDef *def, bool defaults, Error **err)
{
    static const MemTune none = { 0 };
    const MemTune *tune = def->memtune ? def->memtune : &none;
    OptU64 swap = tune->swap_hard_limit;
    g_autofree char *swap_now = cgroup_read(vm->run->cgroup, "memory.swap.max");

    if (!(cgroup_host(vm->host)->controllers & CGROUP_MEMORY))
        return true;
    CgroupBatch *batch = cgroup_batch_new();
    swap.value -= swap.is_set ? MIN(swap.value, tune->hard_limit.value) : 0;
    add_memory_limit(batch, vm->run->cgroup, "memory.high", tune->soft_limit, defaults);
    add_memory_limit(batch, vm->run->cgroup, "memory.max", tune->hard_limit, defaults);
    /* Without swap accounting there is nothing to reset. */
    add_memory_limit(batch, vm->run->cgroup, "memory.swap.max", swap, defaults && swap_now);
    return cgroup_batch_run(batch, err);
}

/* ---- block I/O ---- */

typedef struct DeviceLook {
    char *path;
    unsigned major, minor;
} DeviceLook;

static void device_look_free(void *data)
{
    DeviceLook *look = data;

    g_free(look->path);
    g_free(look);
}

static bool device_look_work(void *data, Error **err)
{
    DeviceLook *look = data;
    struct stat st;

    if (stat(look->path, &st) < 0)
        return error_set_errno(err, errno, "Path '%s' is not accessible", look->path);
    if (!S_ISBLK(st.st_mode))
        return error_set_errno(err, EINVAL, "Path '%s' must be a block device", look->path);
    look->major = major(st.st_rdev);
    look->minor = minor(st.st_rdev);
    return true;
}

/* "8:16": in a worker, because a path may lead anywhere. Owned; NULL with @err. */
AWAITS static char *device_number(const Vm *vm, const char *path, Error **err)
{
    DeviceLook *look = g_new0(DeviceLook, 1);

    look->path = g_strdup(path);
    if (!worker_call_path(path, "looking at", device_look_work, look, device_look_free,
                          (uint64_t)vm->host->config->storage_timeout_s * 1000, err))
        return NULL;
    char *text = g_strdup_printf("%u:%u", look->major, look->minor);
    device_look_free(look);
    return text;
}

static void append_rate(GString *out, const char *key, bool is_set, uint64_t value)
{
    if (is_set && value)
        g_string_append_printf(out, " %s=%" PRIu64, key, value);
    else
        g_string_append_printf(out, " %s=max", key);
}

/* The file of weights that this kernel has: of its scheduler BFQ, or of the cost model. */
static const char *weight_file(const char *scope)
{
    static const char *const files[] = { "io.bfq.weight", "io.weight" };

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = path_join(scope, files[i]);
        if (access(path, F_OK) == 0)
            return files[i];
    }
    return NULL;
}

AWAITS static bool apply_io_device(Vm *vm, const BlkioDevice *device, const char *weights, CgroupBatch *batch,
                                   Error **err)
{
    g_autofree char *number = device_number(vm, device->path, err);
    g_autofree char *scope = run_scope(vm->run);
    g_autoptr(GString) rates = g_string_new(number);

    if (!number)
        return false;
    append_rate(rates, "rbps", device->read_bytes.is_set, device->read_bytes.value);
    append_rate(rates, "wbps", device->write_bytes.is_set, device->write_bytes.value);
    append_rate(rates, "riops", device->read_iops.is_set, device->read_iops.value);
    append_rate(rates, "wiops", device->write_iops.is_set, device->write_iops.value);
    cgroup_add_write(batch, vm->run->cgroup, "io.max", "%s", rates->str);
    if (!device->weight.is_set || !device->weight.value)
        return true;
    if (!weights)
        return error_set(err, ERROR_INVALID_STATE, "blkio device weight is valid only for bfq scheduler");
    cgroup_add_write(batch, scope, weights, "%s %u", number, device->weight.value);
    return true;
}

AWAITS static bool apply_io(Vm *vm, const DomainDef *def, bool defaults, Error **err)
{
    static const BlkioTune none = { 0 };
    const BlkioTune *tune = def->blkiotune ? def->blkiotune : &none;
    g_autofree char *scope = run_scope(vm->run);
    const char *weights = weight_file(scope);

    if (!(cgroup_host(vm->host)->controllers & CGROUP_IO))
        return true;
    if (tune->weight && !weights)
        return error_set(err, ERROR_INVALID_STATE,
                         "blkio weight is valid only for bfq scheduler, or a kernel with io.weight");
    if (weights && (tune->weight || defaults) &&
        !set_weight(vm, "IOWeight", weights, strcmp(weights, "io.weight") == 0 ? "default " : "",
                    tune->weight ? tune->weight : DEFAULT_WEIGHT, err))
        return false;
    g_autoptr(CgroupBatch) batch = cgroup_batch_new();
    for (DEF_EACH(BlkioDevice, device, tune->devices)) {
        if (!apply_io_device(vm, device, weights, batch, err))
            return false;
    }
    return cgroup_batch_run(g_steal_pointer(&batch), err);
}

/* ---- NUMA ---- */

/* The whole machine's nodes; memory of strict mode is bound by QEMU itself, cell by cell. */
AWAITS static bool apply_numa(Vm *vm, const DomainDef *def, bool defaults, Error **err)
{
    const NumaTune *tune = def->numatune;
    const CpuSet *from = vm_numa_nodes(def, vm->run);
    g_autoptr(GString) nodes = g_string_new(NULL);

    if (!(cgroup_host(vm->host)->controllers & CGROUP_CPUSET))
        return true;
    if (from && (tune->mode == NUMA_MODE_RESTRICTIVE ||
                 (tune->mode == NUMA_MODE_STRICT && !def_list_len(tune->nodes))))
        cpuset_format(from, nodes);
    CgroupBatch *batch = cgroup_batch_new();
    if (nodes->len || defaults)
        cgroup_add_write(batch, vm->run->cgroup, "cpuset.mems", "%s\n", nodes->str);
    return cgroup_batch_run(batch, err);
}

bool vm_cgroup_apply(Vm *vm, const DomainDef *def, unsigned parts, Error **err)
{
    static const struct {
        unsigned part;
        bool (*apply)(Vm *vm, const DomainDef *def, bool defaults, Error **err);
    } rows[] = {
        { TUNE_CPU, apply_cpu },
        { TUNE_MEMORY, apply_memory },
        { TUNE_IO, apply_io },
        { TUNE_NUMA, apply_numa },
    };
    const uint64_t serial = vm->run->serial;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!vm->run || vm->run->serial != serial || !vm->run->cgroup)
            return true; /* it has ended meanwhile, or has no groups */
        if ((parts & rows[i].part) && !rows[i].apply(vm, def, parts & TUNE_DEFAULTS, err))
            return false;
    }
    return true;
}
