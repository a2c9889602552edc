/* Questions about one machine: what it uses, where its threads run, what its tunables say. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "info"
#include "core/vm_info.h"

#include <sched.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "core/proc_stat.h"
#include "core/vm_block_stats.h"
#include "core/vm_private.h"
#include "core/vm_stats_private.h"
#include "host/node.h"

#define UNLIMITED_MEMORY_KIB UINT64_C(9007199254740991)

/* ---- what never waits ---- */

static unsigned current_vcpus(const DomainDef *def)
{
    return def->vcpus_current.is_set ? def->vcpus_current.value : def->vcpus;
}

bool vm_get_info(Vm *vm, VmInfo *ret_info, Error **err)
{
    const DomainDef *def = vm_def(vm);
    ProcStat stat = { 0 };

    if (!def || !vm->is_listed)
        return vm_require_listed(vm, err);
    *ret_info = (VmInfo){ .state = vm->state,
                          .max_memory_bytes = def->memory_bytes,
                          .memory_bytes = vm->run ? vm->run->balloon_bytes : def->current_memory_bytes,
                          .n_vcpus = current_vcpus(def) };
    if (vm->run && vm->run->pid > 0 && proc_stat_read(vm->run->pid, 0, &stat))
        ret_info->cpu_time_ns = stat.user_ns + stat.system_ns;
    return true;
}

void vm_get_control(Vm *vm, VmControl *ret_control)
{
    enum { CONTROL_OK, CONTROL_JOB, CONTROL_OCCUPIED, CONTROL_ERROR };
    const Qmp *qmp = vm->run ? vm->run->qmp : NULL;
    const uint64_t pending_ms = qmp && qmp_is_open(qmp) ? qmp_pending_ms(qmp) : 0;

    *ret_control = (VmControl){ .state = CONTROL_OK };
    if (vm->run && (!qmp || !qmp_is_open(qmp)) && !vm->run->is_starting) {
        ret_control->state = CONTROL_ERROR;
        ret_control->details = 2; /* the monitor */
    } else if (pending_ms > 0) {
        ret_control->state = CONTROL_OCCUPIED;
        ret_control->state_ms = pending_ms;
    } else if (vm->jobs.holder.kind == JOB_SAVE || vm->jobs.holder.kind == JOB_DUMP) {
        ret_control->state = CONTROL_JOB;
    }
}

/* ---- CPUs ---- */

static unsigned host_cpu_count(void)
{
    uint8_t *map = NULL;
    size_t len = 0;
    unsigned online = 0;
    const unsigned present = node_get_cpu_map(&map, &len, &online);

    g_free(map);
    return present;
}

static void map_set(uint8_t *map, unsigned maplen, unsigned cpu)
{
    if (cpu / 8 < maplen)
        map[cpu / 8] |= (uint8_t) (1u << (cpu % 8));
}

static void map_fill_all(uint8_t *map, unsigned maplen)
{
    const unsigned count = host_cpu_count();

    for (unsigned cpu = 0; cpu < count; cpu++)
        map_set(map, maplen, cpu);
}

static void map_from_cpuset(uint8_t *map, unsigned maplen, const CpuSet *set)
{
    for (int cpu = cpuset_next(set, -1); cpu >= 0; cpu = cpuset_next(set, cpu))
        map_set(map, maplen, (unsigned) cpu);
}

/* The affinity that the kernel has for @tid; false if it is gone. */
static bool map_from_thread(uint8_t *map, unsigned maplen, pid_t tid)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(tid, sizeof(set), &set) < 0)
        return false;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set))
            map_set(map, maplen, cpu);
    }
    return true;
}

static void map_from_def(uint8_t *map, unsigned maplen, const DomainDef *def, int vcpu)
{
    const CpuTune *tune = def->cputune;
    const CpuSet *set = NULL;

    if (vcpu < 0) {
        set = tune ? tune->emulator_pin : NULL;
    } else {
        for (DEF_EACH(CpuPin, pin, tune ? tune->vcpu_pins : NULL)) {
            if (pin->id == (unsigned) vcpu)
                set = pin->cpuset;
        }
    }
    if (!set)
        set = def->cpuset;
    if (set)
        map_from_cpuset(map, maplen, set);
    else
        map_fill_all(map, maplen);
}

bool vm_get_vcpus(Vm *vm, unsigned maxinfo, unsigned maplen, GArray **ret_vcpus, Error **err)
{
    if (!vm_is_running(vm) || !vm->run)
        return error_set(err, ERROR_INVALID_STATE,
                         "cannot retrieve vcpu information for inactive domain");
    GArray *vcpus = g_array_new(FALSE, TRUE, sizeof(VcpuInfo));
    for (unsigned i = 0; i < vm->run->vcpu_tids->len && i < maxinfo; i++) {
        const pid_t tid = g_array_index(vm->run->vcpu_tids, pid_t, i);
        VcpuInfo info = { .number = i, .state = 1, .cpu = -1, .affinity = g_malloc0(MAX(maplen, 1)) };
        ProcStat stat;
        /* With TCG and one thread for all CPUs, several have the same thread. */
        if (proc_stat_read(vm->run->pid, tid, &stat)) {
            info.cpu_time_ns = stat.user_ns + stat.system_ns;
            info.cpu = stat.cpu;
        }
        if (!map_from_thread(info.affinity, maplen, tid))
            map_from_def(info.affinity, maplen, vm->live, (int) i);
        g_array_append_val(vcpus, info);
    }
    *ret_vcpus = vcpus;
    return true;
}

bool vm_get_pin(Vm *vm, int vcpu, unsigned maplen, unsigned flags, uint8_t **ret_map, Error **err)
{
    bool live = false;
    bool config = false;

    if (!vm_check_flags(flags, 3, vcpu < 0 ? "qemuDomainGetEmulatorPinInfo" : "qemuDomainGetVcpuPinInfo", err))
        return false;
    if ((flags & 3) == 3)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive");
    if (!vm_require_listed(vm, err) || !vm_resolve_affect(vm, flags, &live, &config, err))
        return false;
    uint8_t *map = g_malloc0(MAX(maplen, 1));
    const bool from_kernel =
        live && vm->run && vm->run->pid > 0 &&
        (vcpu < 0 ? map_from_thread(map, maplen, vm->run->pid)
                  : (unsigned) vcpu < vm->run->vcpu_tids->len &&
                        map_from_thread(map, maplen,
                                        g_array_index(vm->run->vcpu_tids, pid_t, (unsigned) vcpu)));
    if (!from_kernel)
        map_from_def(map, maplen, live ? vm->live : vm->config, vcpu);
    *ret_map = map;
    return true;
}

bool vm_get_cpu_stats(Vm *vm, int start_cpu, unsigned n_cpus, GPtrArray **ret_params, Error **err)
{
    ProcStat stat;

    if (!vm_require_running(vm, err))
        return false;
    if (start_cpu >= 0)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "CPU time by host CPU is not recorded on hosts with cgroup v2");
    if (!vm->run || !proc_stat_read(vm->run->pid, 0, &stat))
        return error_set(err, ERROR_VM_GONE, "QEMU of domain '%s' is gone", vm->name);
    Params *params = params_new();
    params_add_ullong(params, stat.user_ns + stat.system_ns, "cpu_time");
    params_add_ullong(params, stat.user_ns, "user_time");
    params_add_ullong(params, stat.system_ns, "system_time");
    *ret_params = g_ptr_array_new_with_free_func((GDestroyNotify) params_free);
    g_ptr_array_add(*ret_params, params);
    return true;
}

/* ---- disks ---- */

static DiskDef *find_disk(const DomainDef *def, const char *name, guint *ret_index)
{
    guint index = 0;

    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if ((disk->target && strcmp(disk->target, name) == 0) ||
            (disk->src.path && strcmp(disk->src.path, name) == 0)) {
            if (ret_index)
                *ret_index = index;
            return disk;
        }
        index++;
    }
    return NULL;
}

bool vm_get_block_info(Vm *vm, const char *name, BlockInfo *ret_info, Error **err)
{
    g_auto(StorageInfo) storage = { 0 };
    g_autoptr(Vm) hold = vm_ref(vm);

    if (!vm_require_listed(vm, err))
        return false;
    DiskDef *disk = find_disk(vm_def(vm), name, NULL);
    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid path %s not assigned to domain", name);
    if (!disk->src.path)
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' does not currently have a source assigned",
                         name);
    g_autofree char *path = g_strdup(disk->src.path);
    const StorageFormat format = disk->src.format;
    if (!storage_probe(path, format, (uint64_t) vm->host->config->storage_timeout_s * 1000, &storage, err))
        return false;
    *ret_info = (BlockInfo){ .capacity = storage.capacity,
                             .allocation = storage.allocation,
                             .physical = storage.physical };
    return true;
}

static void add_disk_stats(DiskStats *sum, const DiskStats *stats)
{
    sum->rd_reqs += stats->rd_reqs;
    sum->rd_bytes += stats->rd_bytes;
    sum->rd_times_ns += stats->rd_times_ns;
    sum->wr_reqs += stats->wr_reqs;
    sum->wr_bytes += stats->wr_bytes;
    sum->wr_times_ns += stats->wr_times_ns;
    sum->fl_reqs += stats->fl_reqs;
    sum->fl_times_ns += stats->fl_times_ns;
}

bool vm_get_block_stats(Vm *vm, const char *name, Params **ret_params, Error **err)
{
    g_autoptr(GArray) all = NULL;
    DiskStats stats = { 0 };
    guint index = 0;
    const bool sum = !name || !*name;

    if (!vm_require_monitor(vm, err))
        return false;
    if (!sum && !find_disk(vm->live, name, &index))
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid path: %s", name);
    if (!vm_query_disk_stats(vm, 0, &all, err))
        return false;
    for (guint i = 0; i < all->len; i++) {
        if (sum || i == index)
            add_disk_stats(&stats, &g_array_index(all, DiskStats, i));
    }
    Params *params = params_new();
    params_add_llong(params, (int64_t) stats.wr_bytes, "wr_bytes");
    params_add_llong(params, (int64_t) stats.wr_reqs, "wr_operations");
    params_add_llong(params, (int64_t) stats.rd_bytes, "rd_bytes");
    params_add_llong(params, (int64_t) stats.rd_reqs, "rd_operations");
    params_add_llong(params, (int64_t) stats.fl_reqs, "flush_operations");
    params_add_llong(params, (int64_t) stats.wr_times_ns, "wr_total_times");
    params_add_llong(params, (int64_t) stats.rd_times_ns, "rd_total_times");
    params_add_llong(params, (int64_t) stats.fl_times_ns, "flush_total_times");
    *ret_params = params;
    return true;
}

static const Json *find_query_block(const Json *reply, const DiskDef *disk)
{
    size_t i = 0;
    Json *entry = NULL;

    json_array_foreach(reply, i, entry)
    {
        const char *qdev = json_get_str(entry, "qdev");
        if (qdev && disk->info.alias && strstr(qdev, disk->info.alias))
            return entry;
    }
    return NULL;
}

bool vm_get_disk_errors(Vm *vm, GPtrArray **ret_disks, GArray **ret_codes, Error **err)
{
    AUTO_JSON reply = NULL;

    if (!vm_require_monitor(vm, err) || !vm_qmp(vm, "query-block", NULL, 0, &reply, err) ||
        !vm_require_running(vm, err))
        return false;
    GPtrArray *disks = g_ptr_array_new_with_free_func(g_free);
    GArray *codes = g_array_new(FALSE, TRUE, sizeof(int));
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        const char *status = json_get_str(find_query_block(reply, disk), "io-status");
        if (!status || strcmp(status, "ok") == 0)
            continue;
        const int code = strcmp(status, "nospace") == 0 ? 2 : 1;
        g_ptr_array_add(disks, g_strdup(disk->target));
        g_array_append_val(codes, code);
    }
    *ret_disks = disks;
    *ret_codes = codes;
    return true;
}

/* ---- interfaces ---- */

bool net_read_stats(const char *device, InterfaceStats *ret_stats)
{
    static const char *const names[] = { "rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
                                         "tx_bytes", "tx_packets", "tx_errors", "tx_dropped" };
    uint64_t values[G_N_ELEMENTS(names)] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf("/sys/class/net/%s/statistics/%s", device, names[i]);
        if (!file_read_kernel_uint(path, &values[i]))
            return false;
    }
    /* What the tap sends is what the guest receives. */
    *ret_stats = (InterfaceStats){ .rx_bytes = (int64_t) values[4],
                                   .rx_packets = (int64_t) values[5],
                                   .rx_errs = (int64_t) values[6],
                                   .rx_drop = (int64_t) values[7],
                                   .tx_bytes = (int64_t) values[0],
                                   .tx_packets = (int64_t) values[1],
                                   .tx_errs = (int64_t) values[2],
                                   .tx_drop = (int64_t) values[3] };
    return true;
}

bool vm_get_interface_stats(Vm *vm, const char *device, InterfaceStats *ret_stats, Error **err)
{
    char mac[MAC_STRING_LEN];

    if (!vm_require_running(vm, err))
        return false;
    for (DEF_EACH(InterfaceDef, iface, vm->live->interfaces)) {
        mac_format(&iface->mac, mac);
        if (!(iface->target && strcmp(iface->target, device) == 0) && g_ascii_strcasecmp(mac, device) != 0)
            continue;
        if (!iface->target || !path_is_safe_component(iface->target))
            return error_set(err, ERROR_INTERNAL, "Interface name not provided");
        if (!net_read_stats(iface->target, ret_stats))
            return error_set(err, ERROR_INTERNAL, "/proc/net/dev: Interface '%s' not found", iface->target);
        return true;
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a known interface", device);
}

/* ---- tunables, as far as they can be read ---- */

static bool affect_only(const Vm *vm, unsigned flags, const char *function, const DomainDef **ret_def,
                        bool *ret_live, Error **err)
{
    enum { STRING_OKAY = 4 };
    bool config = false;

    if (!vm_check_flags(flags, 3 | STRING_OKAY, function, err))
        return false;
    if ((flags & 3) == 3)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive");
    if (!vm_require_listed(vm, err) || !vm_resolve_affect(vm, flags & 3, ret_live, &config, err))
        return false;
    *ret_def = *ret_live ? vm->live : vm->config;
    return true;
}

static uint64_t opt_u64(OptU64 value, uint64_t fallback)
{
    return value.is_set ? value.value : fallback;
}

static int64_t opt_s64(OptS64 value, int64_t fallback)
{
    return value.is_set ? value.value : fallback;
}

bool vm_get_scheduler(Vm *vm, unsigned flags, char **ret_type, Params **ret_params, Error **err)
{
    static const CpuTune none;
    const DomainDef *def = NULL;
    bool live = false;

    if (!affect_only(vm, flags, "qemuDomainGetSchedulerParametersFlags", &def, &live, err))
        return false;
    const CpuTune *tune = def->cputune ? def->cputune : &none;
    /* What the kernel uses where the definition says nothing. */
    const uint64_t period = live ? 100000 : 0;
    const int64_t quota = live ? -1 : 0;
    Params *params = params_new();
    params_add_ullong(params, opt_u64(tune->shares, live ? 1024 : 0), "cpu_shares");
    params_add_ullong(params, opt_u64(tune->period_us, period), "vcpu_period");
    params_add_llong(params, opt_s64(tune->quota_us, quota), "vcpu_quota");
    params_add_ullong(params, opt_u64(tune->emulator_period_us, period), "emulator_period");
    params_add_llong(params, opt_s64(tune->emulator_quota_us, quota), "emulator_quota");
    params_add_ullong(params, opt_u64(tune->global_period_us, period), "global_period");
    params_add_llong(params, opt_s64(tune->global_quota_us, quota), "global_quota");
    params_add_ullong(params, opt_u64(tune->iothread_period_us, period), "iothread_period");
    params_add_llong(params, opt_s64(tune->iothread_quota_us, quota), "iothread_quota");
    if (ret_type)
        *ret_type = g_strdup("posix");
    *ret_params = params;
    return true;
}

bool vm_get_numa(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    const DomainDef *def = NULL;
    bool live = false;
    GString *nodes = g_string_new(NULL);
    int mode = 0;

    if (!affect_only(vm, flags, "qemuDomainGetNumaParameters", &def, &live, err)) {
        g_string_free(nodes, TRUE);
        return false;
    }
    if (def->numatune) {
        /* virDomainNumatuneMemMode: strict 0, preferred 1, interleave 2, restrictive 3 */
        if (def->numatune->mode != NUMA_MODE_ABSENT)
            mode = (int) def->numatune->mode - (int) NUMA_MODE_STRICT;
        if (def->numatune->nodeset)
            cpuset_format(def->numatune->nodeset, nodes);
    }
    Params *params = params_new();
    params_add_int(params, mode, "numa_mode");
    params_add_string(params, nodes->str, "numa_nodeset");
    g_string_free(nodes, TRUE);
    *ret_params = params;
    return true;
}

static uint64_t memory_limit_kib(OptU64 bytes)
{
    return bytes.is_set ? bytes.value / 1024 : UNLIMITED_MEMORY_KIB;
}

bool vm_get_memory_tunables(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    static const MemTune none;
    const DomainDef *def = NULL;
    bool live = false;

    if (!affect_only(vm, flags, "qemuDomainGetMemoryParameters", &def, &live, err))
        return false;
    const MemTune *tune = def->memtune ? def->memtune : &none;
    Params *params = params_new();
    params_add_ullong(params, memory_limit_kib(tune->hard_limit), "hard_limit");
    params_add_ullong(params, memory_limit_kib(tune->soft_limit), "soft_limit");
    params_add_ullong(params, memory_limit_kib(tune->swap_hard_limit), "swap_hard_limit");
    *ret_params = params;
    return true;
}

/* "path,value,path,value" of the devices for which @value says something. */
static void add_device_list(Params *params, const BlkioTune *tune, const char *name,
                            bool (*value)(const BlkioDevice *device, uint64_t *ret_value))
{
    GString *text = g_string_new(NULL);
    uint64_t number = 0;

    for (DEF_EACH(BlkioDevice, device, tune->devices)) {
        if (value(device, &number))
            g_string_append_printf(text, "%s%s,%" G_GUINT64_FORMAT, text->len ? "," : "", device->path,
                                   number);
    }
    params_add_string(params, text->str, "%s", name);
    g_string_free(text, TRUE);
}

#define BLKIO_FIELD(function, member)                                                                        \
    static bool function(const BlkioDevice *device, uint64_t *ret_value)                                     \
    {                                                                                                        \
        *ret_value = device->member.value;                                                                   \
        return device->member.is_set;                                                                        \
    }
BLKIO_FIELD(blkio_weight, weight)
BLKIO_FIELD(blkio_read_iops, read_iops)
BLKIO_FIELD(blkio_write_iops, write_iops)
BLKIO_FIELD(blkio_read_bytes, read_bytes)
BLKIO_FIELD(blkio_write_bytes, write_bytes)

bool vm_get_blkio_tunables(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    static const BlkioTune none;
    const DomainDef *def = NULL;
    bool live = false;

    if (!affect_only(vm, flags, "qemuDomainGetBlkioParameters", &def, &live, err))
        return false;
    const BlkioTune *tune = def->blkiotune ? def->blkiotune : &none;
    Params *params = params_new();
    params_add_uint(params, tune->weight || !live ? tune->weight : 100, "weight");
    add_device_list(params, tune, "device_weight", blkio_weight);
    add_device_list(params, tune, "device_read_iops_sec", blkio_read_iops);
    add_device_list(params, tune, "device_write_iops_sec", blkio_write_iops);
    add_device_list(params, tune, "device_read_bytes_sec", blkio_read_bytes);
    add_device_list(params, tune, "device_write_bytes_sec", blkio_write_bytes);
    *ret_params = params;
    return true;
}

bool vm_get_block_iotune(Vm *vm, const char *name, unsigned flags, Params **ret_params, Error **err)
{
    static const DiskIotune none;
    const DomainDef *def = NULL;
    bool live = false;

    if (!affect_only(vm, flags, "qemuDomainGetBlockIoTune", &def, &live, err))
        return false;
    const DiskDef *disk = name ? find_disk(def, name, NULL) : NULL;
    if (name && !disk)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "disk '%s' was not found in the domain config", name);
    const DiskIotune *tune = disk && disk->iotune ? disk->iotune : &none;
    Params *params = params_new();
#define IOTUNE(member) params_add_ullong(params, opt_u64(tune->member, 0), #member)
    IOTUNE(total_bytes_sec);
    IOTUNE(read_bytes_sec);
    IOTUNE(write_bytes_sec);
    IOTUNE(total_iops_sec);
    IOTUNE(read_iops_sec);
    IOTUNE(write_iops_sec);
    IOTUNE(total_bytes_sec_max);
    IOTUNE(read_bytes_sec_max);
    IOTUNE(write_bytes_sec_max);
    IOTUNE(total_iops_sec_max);
    IOTUNE(read_iops_sec_max);
    IOTUNE(write_iops_sec_max);
    IOTUNE(size_iops_sec);
    params_add_string(params, tune->group_name, "group_name");
    IOTUNE(total_bytes_sec_max_length);
    IOTUNE(read_bytes_sec_max_length);
    IOTUNE(write_bytes_sec_max_length);
    IOTUNE(total_iops_sec_max_length);
    IOTUNE(read_iops_sec_max_length);
    IOTUNE(write_iops_sec_max_length);
#undef IOTUNE
    *ret_params = params;
    return true;
}

/* ---- the rest ---- */

/* As the reference answers on a host without a mandatory access control driver. */
void vm_get_security_label(Vm *vm, char **ret_label, bool *ret_enforcing)
{
    *ret_label = g_strdup("");
    *ret_enforcing = false;
}

void host_get_security_model(Host *host, char **ret_model, char **ret_doi)
{
    *ret_model = g_strdup("none");
    *ret_doi = g_strdup("0");
}

bool vm_get_messages(Vm *vm, unsigned flags, GPtrArray **ret_messages, Error **err)
{
    enum { DEPRECATION = 1, TAINTING = 2 };
    static const struct {
        unsigned taint;
        const char *text;
    } texts[] = {
        { TAINT_CUSTOM_MONITOR, "custom-monitor" },
        { TAINT_CUSTOM_ARGV, "custom-argv" },
        { TAINT_HIGH_PRIVILEGES, "high-privileges" },
        { TAINT_HOST_CPU, "host-cpu" },
    };

    if (!vm_check_flags(flags, DEPRECATION | TAINTING, "qemuDomainGetMessages", err))
        return false;
    GPtrArray *messages = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(texts) && (flags == 0 || (flags & TAINTING)); i++) {
        if (vm->taints & texts[i].taint)
            g_ptr_array_add(messages, g_strdup_printf("tainted: %s", texts[i].text));
    }
    *ret_messages = messages;
    return true;
}

bool vm_monitor_command(Vm *vm, const char *command, unsigned flags, const Caller *caller, char **ret_reply,
                        Error **err)
{
    enum { HMP = 1 };

    if (!vm_check_flags(flags, HMP, "qemuDomainQemuMonitorCommandWithFiles", err) ||
        !vm_require_monitor(vm, err))
        return false;
    vm_taint(vm, TAINT_CUSTOM_MONITOR);
    if (flags & HMP)
        return qmp_exec_hmp(vm->run->qmp, command, 0, ret_reply, err);
    return qmp_exec_raw(vm->run->qmp, command, 0, ret_reply, err);
}
