/* Statistics of many machines at once, asked of all QEMUs in parallel.
 *
 * What memory and /proc know is free; QEMU is asked only for what nobody else knows, with a short deadline. A
 * QEMU that missed it is remembered as stuck and not asked again until it has answered a probe that waits in
 * the background: so a stopped machine costs one deadline, once, and never slows the others down. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "stats"
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/worker.h"
#include "core/proc_stat.h"
#include "core/vm_block_stats.h"
#include "core/vm_info.h"
#include "core/vm_private.h"
#include "core/vm_stats_private.h"

#define STATS_DEADLINE_MS 500
#define STUCK_PENDING_MS 100
#define PROBE_TIMEOUT_MS 3600000

enum {
    STATS_STATE = 1 << 0,
    STATS_CPU_TOTAL = 1 << 1,
    STATS_BALLOON = 1 << 2,
    STATS_VCPU = 1 << 3,
    STATS_INTERFACE = 1 << 4,
    STATS_BLOCK = 1 << 5,
    STATS_PERF = 1 << 6,
    STATS_IOTHREAD = 1 << 7,
    STATS_MEMORY = 1 << 8,
    STATS_DIRTYRATE = 1 << 9,
    STATS_VM = 1 << 10,
    STATS_ALL = (1 << 11) - 1,
};
enum {
    FLAG_FILTERS = 0xff,
    FLAG_NOWAIT = 1 << 29,
    FLAG_BACKING = 1 << 30,
};
#define FLAG_ENFORCE (1u << 31)

/* ---- stuck monitors ---- */

typedef struct Probe {
    Vm *vm;
    uint64_t serial;
} Probe;

static void probe_fiber(void *arg)
{
    Probe *probe = arg;
    Vm *vm = probe->vm;
    g_autoptr(Error) err = NULL;

    /* QEMU answers in order: when this comes back, it works again. */
    if (vm->run && vm->run->serial == probe->serial &&
        !vm_qmp(vm, "query-status", NULL, PROBE_TIMEOUT_MS, NULL, &err))
        log_debug("QEMU of '%s': %s", vm->name, error_message(err));
    if (vm->run && vm->run->serial == probe->serial)
        vm->run->is_stuck = false;
    vm_unref(vm);
    g_free(probe);
}

void vm_stats_mark_stuck(Vm *vm)
{
    if (!vm->run || vm->run->is_stuck)
        return;
    log_warning("QEMU of machine '%s' does not answer: its statistics are incomplete", vm->name);
    vm->run->is_stuck = true;
    Probe *probe = g_new0(Probe, 1);
    *probe = (Probe){ .vm = vm_ref(vm), .serial = vm->run->serial };
    /* Not host_spawn(): the end of the daemon does not wait for it. */
    (void) fiber_spawn("probe", probe_fiber, probe);
}

bool vm_stats_can_ask(const Vm *vm)
{
    return vm->run && vm->run->qmp && qmp_is_open(vm->run->qmp) && !vm->run->is_stuck &&
           !vm->run->is_starting && qmp_pending_ms(vm->run->qmp) < STUCK_PENDING_MS;
}

/* Asks; false, quietly, when there is no answer in time. */
static bool stats_ask(Vm *vm, const char *command, Json *args, Json **ret_reply)
{
    g_autoptr(Error) err = NULL;

    if (!vm_stats_can_ask(vm)) {
        json_decref(args);
        return false;
    }
    if (vm_qmp(vm, command, args, STATS_DEADLINE_MS, ret_reply, &err))
        return true;
    if (error_code(err) == ERROR_TIMEOUT)
        vm_stats_mark_stuck(vm);
    return false;
}

/* ---- groups ---- */

static void stats_state(Vm *vm, Params *params)
{
    params_add_int(params, (int32_t) vm->state, "state.state");
    params_add_int(params, vm->reason, "state.reason");
}

static void stats_cpu(Vm *vm, Params *params)
{
    ProcStat stat;

    if (!vm->run || vm->run->pid <= 0 || !proc_stat_read(vm->run->pid, 0, &stat))
        return;
    params_add_ullong(params, stat.user_ns + stat.system_ns, "cpu.time");
    params_add_ullong(params, stat.user_ns, "cpu.user");
    params_add_ullong(params, stat.system_ns, "cpu.system");
    params_add_uint(params, 0, "cpu.cache.monitor.count");
    params_add_ullong(params, 0, "cpu.haltpoll.success.time");
    params_add_ullong(params, 0, "cpu.haltpoll.fail.time");
}

/* What the guest's balloon driver tells: {"last-update": s, "stats": {"stat-...": bytes or counts}}. */
static const struct {
    const char *key, *name;
    int tag; /* virDomainMemoryStatTags */
    bool is_bytes;
} guest_stats[] = {
    { "stat-swap-in", "swap_in", 0, true },
    { "stat-swap-out", "swap_out", 1, true },
    { "stat-major-faults", "major_fault", 2, false },
    { "stat-minor-faults", "minor_fault", 3, false },
    { "stat-free-memory", "unused", 4, true },
    { "stat-total-memory", "available", 5, true },
    { "stat-available-memory", "usable", 8, true },
    { "stat-disk-caches", "disk_caches", 10, true },
    { "stat-htlb-pgalloc", "hugetlb_pgalloc", 11, false },
    { "stat-htlb-pgfail", "hugetlb_pgfail", 12, false },
};

/* false: the guest said nothing of that (QEMU gives all ones). */
static bool guest_stat_value(const Json *stats, size_t i, uint64_t *ret_value)
{
    const Json *value = json_object_get(stats, guest_stats[i].key);

    if (!json_is_number(value))
        return false;
    /* 2^64-1 does not fit into a JSON integer here and arrives as a real. */
    const double number = json_number_value(value);
    if (number < 0 || number >= 9.2e18)
        return false;
    *ret_value = json_is_integer(value) ? (uint64_t) json_integer_value(value) : (uint64_t) number;
    if (guest_stats[i].is_bytes)
        *ret_value /= 1024;
    return true;
}

static bool has_balloon(const Vm *vm)
{
    const MemballoonDef *balloon = vm->live ? vm->live->memballoon : NULL;

    return balloon && balloon->model != MEMBALLOON_NONE && balloon->model != MEMBALLOON_MODEL_ABSENT &&
           balloon->info.alias;
}

static bool ask_guest_stats(Vm *vm, Json **ret_reply)
{
    if (!has_balloon(vm))
        return false;
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", vm->live->memballoon->info.alias);
    return stats_ask(vm, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", "guest-stats"),
                     ret_reply);
}

static void stats_balloon(Vm *vm, Params *params)
{
    const DomainDef *def = vm_def(vm);
    const bool running = vm->run != NULL;
    AUTO_JSON reply = NULL;
    ProcStat stat;

    params_add_ullong(params, (running ? vm->run->balloon_bytes : def->current_memory_bytes) / 1024,
                      "balloon.current");
    params_add_ullong(params, def->memory_bytes / 1024, "balloon.maximum");
    if (!running)
        return;
    if (ask_guest_stats(vm, &reply)) {
        const Json *stats = json_get_obj(reply, "stats");
        uint64_t value = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(guest_stats); i++) {
            if (guest_stat_value(stats, i, &value))
                params_add_ullong(params, value, "balloon.%s", guest_stats[i].name);
        }
        params_add_ullong(params, json_get_uint(reply, "last-update", 0), "balloon.last-update");
    }
    if (vm->run && proc_stat_read(vm->run->pid, 0, &stat))
        params_add_ullong(params, stat.rss_bytes / 1024, "balloon.rss");
}

static void stats_vcpu(Vm *vm, Params *params)
{
    const DomainDef *def = vm_def(vm);

    params_add_uint(params, def->vcpus_current.is_set ? def->vcpus_current.value : def->vcpus, "vcpu.current");
    params_add_uint(params, def->vcpus, "vcpu.maximum");
    if (!vm->run)
        return;
    for (guint i = 0; i < vm->run->vcpu_tids->len; i++) {
        const pid_t tid = g_array_index(vm->run->vcpu_tids, pid_t, i);
        ProcStat stat;
        params_add_int(params, 1, "vcpu.%u.state", i);
        if (!proc_stat_read(vm->run->pid, tid, &stat))
            continue;
        params_add_ullong(params, stat.user_ns + stat.system_ns, "vcpu.%u.time", i);
        params_add_ullong(params, 0, "vcpu.%u.wait", i);
        params_add_ullong(params, proc_run_delay_ns(vm->run->pid, tid), "vcpu.%u.delay", i);
    }
}

static void stats_interface(Vm *vm, Params *params)
{
    guint index = 0;

    if (!vm->live)
        return;
    params_add_uint(params, def_list_len(vm->live->interfaces), "net.count");
    for (DEF_EACH(InterfaceDef, iface, vm->live->interfaces)) {
        InterfaceStats stats;
        const guint i = index++;
        if (!iface->target)
            continue;
        params_add_string(params, iface->target, "net.%u.name", i);
        if (!net_read_stats(iface->target, &stats))
            continue;
        params_add_ullong(params, (uint64_t) stats.rx_bytes, "net.%u.rx.bytes", i);
        params_add_ullong(params, (uint64_t) stats.rx_packets, "net.%u.rx.pkts", i);
        params_add_ullong(params, (uint64_t) stats.rx_errs, "net.%u.rx.errs", i);
        params_add_ullong(params, (uint64_t) stats.rx_drop, "net.%u.rx.drop", i);
        params_add_ullong(params, (uint64_t) stats.tx_bytes, "net.%u.tx.bytes", i);
        params_add_ullong(params, (uint64_t) stats.tx_packets, "net.%u.tx.pkts", i);
        params_add_ullong(params, (uint64_t) stats.tx_errs, "net.%u.tx.errs", i);
        params_add_ullong(params, (uint64_t) stats.tx_drop, "net.%u.tx.drop", i);
    }
}

static void stats_one_disk(Params *params, guint i, const DiskDef *disk, const DiskStats *stats, bool running)
{
    params_add_string(params, disk->target, "block.%u.name", i);
    if (disk->src.path)
        params_add_string(params, disk->src.path, "block.%u.path", i);
    if (running && disk->src.path && disk->src.index)
        params_add_uint(params, disk->src.index, "block.%u.backingIndex", i);
    if (!stats)
        return;
    if (stats->is_known) {
        params_add_ullong(params, stats->rd_reqs, "block.%u.rd.reqs", i);
        params_add_ullong(params, stats->rd_bytes, "block.%u.rd.bytes", i);
        params_add_ullong(params, stats->rd_times_ns, "block.%u.rd.times", i);
        params_add_ullong(params, stats->wr_reqs, "block.%u.wr.reqs", i);
        params_add_ullong(params, stats->wr_bytes, "block.%u.wr.bytes", i);
        params_add_ullong(params, stats->wr_times_ns, "block.%u.wr.times", i);
        params_add_ullong(params, stats->fl_reqs, "block.%u.fl.reqs", i);
        params_add_ullong(params, stats->fl_times_ns, "block.%u.fl.times", i);
    }
    if (stats->has_image) {
        params_add_ullong(params, stats->allocation, "block.%u.allocation", i);
        params_add_ullong(params, stats->capacity, "block.%u.capacity", i);
        params_add_ullong(params, stats->physical, "block.%u.physical", i);
    }
}

/* The images below the top one: named and numbered; QEMU's counters are of the top alone. */
static void stats_backing(Params *params, const DiskDef *disk, guint *index)
{
    for (const StorageSource *source = disk->src.backing; source; source = source->backing) {
        const guint i = (*index)++;
        params_add_string(params, disk->target, "block.%u.name", i);
        if (source->path)
            params_add_string(params, source->path, "block.%u.path", i);
        if (source->index)
            params_add_uint(params, source->index, "block.%u.backingIndex", i);
    }
}

/* Sizes of the images of a machine that does not run; a mount that is stuck is left alone. */
static void stats_probe_disk(const DiskDef *disk, DiskStats *stats)
{
    g_auto(StorageInfo) info = { 0 };

    if (!disk->src.path || (disk->src.type != STORAGE_FILE && disk->src.type != STORAGE_BLOCK))
        return;
    if (!storage_probe(disk->src.path, disk->src.format, STATS_DEADLINE_MS, &info, NULL))
        return;
    stats->has_image = true;
    stats->capacity = info.capacity;
    stats->allocation = info.allocation;
    stats->physical = info.physical;
}

static GArray *stats_disks_inactive(Vm *vm)
{
    GArray *all = g_array_new(FALSE, TRUE, sizeof(DiskStats));
    DomainDef *def = domain_def_copy(vm_def(vm)); /* the machine may change while storage answers */

    for (DEF_EACH(DiskDef, disk, def->disks)) {
        DiskStats stats = { 0 };
        WorkerLane *lane = disk->src.path ? worker_lane_for_path(disk->src.path) : NULL;
        if (lane && worker_lane_stuck(lane) == 0)
            stats_probe_disk(disk, &stats);
        g_array_append_val(all, stats);
    }
    domain_def_free(def);
    return all;
}

static GArray *stats_disks_running(Vm *vm)
{
    GArray *all = NULL;
    g_autoptr(Error) err = NULL;

    if (!vm_stats_can_ask(vm))
        return NULL;
    if (!vm_query_disk_stats(vm, STATS_DEADLINE_MS, &all, &err)) {
        if (error_code(err) == ERROR_TIMEOUT)
            vm_stats_mark_stuck(vm);
        return NULL;
    }
    return all;
}

static void stats_block(Vm *vm, Params *params, bool with_backing)
{
    const bool running = vm->run != NULL;
    g_autoptr(GArray) all = running ? stats_disks_running(vm) : stats_disks_inactive(vm);
    const DomainDef *def = vm_def(vm);
    g_autoptr(Params) entries = params_new();
    guint index = 0;
    guint number = 0;

    if (!def)
        return;
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        const DiskStats *stats = all && number < all->len ? &g_array_index(all, DiskStats, number) : NULL;
        stats_one_disk(entries, index++, disk, stats, running);
        if (with_backing && running)
            stats_backing(entries, disk, &index);
        number++;
    }
    params_add_uint(params, index, "block.count");
    params_move(params, entries);
}

static void stats_iothread(Vm *vm, Params *params)
{
    AUTO_JSON reply = NULL;
    size_t i = 0;
    Json *entry = NULL;

    if (!vm->live || !vm->live->iothreads.is_set || !stats_ask(vm, "query-iothreads", NULL, &reply))
        return;
    params_add_uint(params, (uint32_t) json_array_size(reply), "iothread.count");
    json_array_foreach(reply, i, entry)
    {
        const char *id = json_get_str(entry, "id");
        unsigned number = 0;
        if (!id || sscanf(id, "iothread%u", &number) != 1)
            continue;
        params_add_ullong(params, json_get_uint(entry, "poll-max-ns", 0), "iothread.%u.poll-max-ns", number);
        params_add_uint(params, (uint32_t) json_get_uint(entry, "poll-grow", 0), "iothread.%u.poll-grow", number);
        params_add_uint(params, (uint32_t) json_get_uint(entry, "poll-shrink", 0), "iothread.%u.poll-shrink",
                        number);
    }
}

static void stats_dirtyrate(Vm *vm, Params *params)
{
    AUTO_JSON reply = NULL;
    static const char *const states[] = { "unstarted", "measuring", "measured" };

    if (!vm->live || !stats_ask(vm, "query-dirty-rate", NULL, &reply))
        return;
    const char *status = json_get_str(reply, "status");
    const char *mode = json_get_str(reply, "mode");
    int number = 0;
    for (size_t i = 0; status && i < G_N_ELEMENTS(states); i++) {
        if (strcmp(states[i], status) == 0)
            number = (int) i;
    }
    params_add_int(params, number, "dirtyrate.calc_status");
    params_add_llong(params, json_get_int(reply, "start-time", 0), "dirtyrate.calc_start_time");
    params_add_int(params, (int32_t) json_get_int(reply, "calc-time", 0), "dirtyrate.calc_period");
    if (mode)
        params_add_string(params, mode, "dirtyrate.calc_mode");
    if (number == 2)
        params_add_llong(params, json_get_int(reply, "dirty-rate", 0), "dirtyrate.megabytes_per_second");
}

static Params *stats_collect(Vm *vm, unsigned groups, unsigned flags)
{
    Params *params = params_new();

    if (!vm_def(vm))
        return params;
    if (groups & STATS_STATE)
        stats_state(vm, params);
    if (groups & STATS_CPU_TOTAL)
        stats_cpu(vm, params);
    if (groups & STATS_BALLOON)
        stats_balloon(vm, params);
    if ((groups & STATS_VCPU) && vm_def(vm))
        stats_vcpu(vm, params);
    if (groups & STATS_INTERFACE)
        stats_interface(vm, params);
    if ((groups & STATS_BLOCK) && vm_def(vm))
        stats_block(vm, params, flags & FLAG_BACKING);
    if (groups & STATS_IOTHREAD)
        stats_iothread(vm, params);
    if (groups & STATS_DIRTYRATE)
        stats_dirtyrate(vm, params);
    return params;
}

/* ---- all of them ---- */

typedef struct StatsFiber {
    VmStats *stats;
    unsigned groups, flags;
} StatsFiber;

static void stats_fiber(void *arg)
{
    StatsFiber *one = arg;

    one->stats->params = stats_collect(one->stats->vm, one->groups, one->flags);
}

void vm_stats_free(VmStats *stats)
{
    if (!stats)
        return;
    vm_unref(stats->vm);
    params_free(stats->params);
    g_free(stats);
}

static bool stats_check(unsigned groups, unsigned flags, Error **err)
{
    if (!vm_check_flags(flags, FLAG_FILTERS | FLAG_NOWAIT | FLAG_BACKING | FLAG_ENFORCE,
                        "qemuConnectGetAllDomainStats", err))
        return false;
    if ((flags & FLAG_ENFORCE) && (groups & ~(unsigned) STATS_ALL))
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "Stats types bits 0x%x are not supported by this daemon",
                         groups & ~(unsigned) STATS_ALL);
    return true;
}

static void stats_run_all(GPtrArray *all, unsigned groups, unsigned flags)
{
    g_autofree StatsFiber *ones = g_new0(StatsFiber, MAX(all->len, 1));
    g_autoptr(GPtrArray) fibers = g_ptr_array_new_with_free_func((GDestroyNotify) fiber_unref);
    const unsigned asks = STATS_BALLOON | STATS_BLOCK | STATS_IOTHREAD | STATS_DIRTYRATE;

    fiber_shield_begin();
    for (guint i = 0; i < all->len; i++) {
        VmStats *stats = g_ptr_array_index(all, i);
        ones[i] = (StatsFiber){ .stats = stats, .groups = groups, .flags = flags };
        /* What asks nobody needs no fiber. */
        if (!(groups & asks) || (!stats->vm->run && !(groups & STATS_BLOCK)) || all->len == 1)
            stats_fiber(&ones[i]);
        else
            g_ptr_array_add(fibers, fiber_ref(fiber_spawn("stats", stats_fiber, &ones[i])));
    }
    for (guint i = 0; i < fibers->len; i++) {
        /* No deadline: every question in them has one, and they write into our memory. */
        if (!fiber_join(g_ptr_array_index(fibers, i), FIBER_NO_DEADLINE, NULL))
            log_error("waiting for statistics failed");
    }
    fiber_shield_end();
}

bool vm_get_all_stats(Host *host, const GPtrArray *vms, unsigned groups, unsigned flags, GPtrArray **ret_stats,
                      Error **err)
{
    g_autoptr(GPtrArray) matching = NULL;

    if (!stats_check(groups, flags, err))
        return false;
    if (!vms) {
        if (!vm_list(host, flags & FLAG_FILTERS, &matching, err))
            return false;
        vms = matching;
    }
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify) vm_stats_free);
    for (guint i = 0; i < vms->len; i++) {
        VmStats *stats = g_new0(VmStats, 1);
        stats->vm = vm_ref(g_ptr_array_index(vms, i));
        g_ptr_array_add(all, stats);
    }
    stats_run_all(all, groups ? groups : STATS_ALL, flags);
    *ret_stats = all;
    return true;
}

/* ---- memory of one machine ---- */

static void add_stat(GArray *stats, unsigned max, int tag, uint64_t value)
{
    const MemoryStat stat = { .tag = tag, .value = value };

    if (stats->len < max)
        g_array_append_val(stats, stat);
}

bool vm_get_memory_stats(Vm *vm, unsigned max, GArray **ret_stats, Error **err)
{
    enum { TAG_ACTUAL = 6, TAG_RSS = 7, TAG_LAST_UPDATE = 9 };
    AUTO_JSON reply = NULL;
    ProcStat stat;

    if (!vm_require_running(vm, err))
        return false;
    g_autoptr(GArray) stats = g_array_new(FALSE, TRUE, sizeof(MemoryStat));
    if (has_balloon(vm))
        add_stat(stats, max, TAG_ACTUAL, vm->run->balloon_bytes / 1024);
    if (ask_guest_stats(vm, &reply)) {
        const Json *values = json_get_obj(reply, "stats");
        uint64_t value = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(guest_stats); i++) {
            if (guest_stat_value(values, i, &value))
                add_stat(stats, max, guest_stats[i].tag, value);
        }
        add_stat(stats, max, TAG_LAST_UPDATE, json_get_uint(reply, "last-update", 0));
    }
    if (!vm_require_running(vm, err))
        return false;
    if (vm->run && proc_stat_read(vm->run->pid, 0, &stat))
        add_stat(stats, max, TAG_RSS, stat.rss_bytes / 1024);
    *ret_stats = g_steal_pointer(&stats);
    return true;
}
