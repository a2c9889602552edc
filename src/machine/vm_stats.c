/* Statistics of many machines in one call, and of one machine's memory.
 *
 * A machine that runs is asked by a probe (few questions, one after the other), which serves all who want to
 * know at the time; a limited number of fibers works through the probes. Of machines that do not run, workers
 * look at the images, all in one go, and at those of others that tell as much as their QEMU: it reads a
 * command byte by byte, so each question costs it half a millisecond. All share one deadline. Answers are put
 * aside first and written out when all are there, from the definition as it is then; what did not come in
 * time is left out. A QEMU that has owed an answer for long, and storage on which a call hangs, are not asked
 * again: only the first call after something broke waits for the deadline, those after it do not. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "stats"
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "machine/kernel_stat.h"
#include "machine/vm_kvm_stats.h"
#include "machine/vm_query.h"
#include "machine/vm_tune.h"
#include "storage/image_sizes.h"

enum {
    STATS_STATE = 1 << 0,
    STATS_CPU = 1 << 1,
    STATS_BALLOON = 1 << 2,
    STATS_VCPU = 1 << 3,
    STATS_INTERFACE = 1 << 4,
    STATS_BLOCK = 1 << 5,
    STATS_PERF = 1 << 6,
    STATS_IOTHREAD = 1 << 7,
    STATS_MEMORY = 1 << 8,
    STATS_DIRTY_RATE = 1 << 9,
    STATS_VM = 1 << 10,
};
#define STATS_ALL ((1u << 11) - 1)
#define STATS_NODES (1u << 11) /* only as a question: what QEMU says of sizes */
#define STATS_SIZES (1u << 12) /* ... whether sizes matter */

#define STATS_FLAGS_FILTER 0xffu /* as for vm_list() */
#define STATS_FLAG_NOWAIT (1u << 29)
#define STATS_FLAG_BACKING (1u << 30)
#define STATS_FLAG_ENFORCE (1u << 31)

#define STATS_DEADLINE_MS 400 /* for all machines together */
#define STATS_FILES_MS 30     /* for the images of a machine that does not run */
#define STATS_STUCK_MS 200    /* an answer this late: the QEMU is left alone */
#define LATENCY_BINS_MAX 64
#define STATS_PROBERS_MAX 512 /* fibers, for all calls together */
#define STATS_CALLS_MAX 4     /* at a time, of each kind of client; more wait for their turn */
#define STATS_SLICE_US 2000   /* then others get the loop */

enum {
    MEMORY_SWAP_IN,
    MEMORY_SWAP_OUT,
    MEMORY_MAJOR_FAULT,
    MEMORY_MINOR_FAULT,
    MEMORY_UNUSED,
    MEMORY_AVAILABLE,
    MEMORY_ACTUAL,
    MEMORY_RSS,
    MEMORY_USABLE,
    MEMORY_LAST_UPDATE,
    MEMORY_DISK_CACHES,
    MEMORY_HUGETLB_PGALLOC,
    MEMORY_HUGETLB_PGFAIL
};

/* What was learnt about one machine by waiting. */
struct StatsProbe {
    unsigned refs;      /* the queue or the prober, each call that wants it */
    Vm *vm;             /* counted */
    uint64_t serial;    /* of the run that is asked; 0: it does not run */
    unsigned questions; /* groups for which QEMU is asked */
    uint64_t deadline_ms;
    bool is_done;
    WaitQueue done;
    /* NULL, false: not told */
    GPtrArray *block_stats; /* of MonitorBlockStats */
    GHashTable *block_nodes;
    GPtrArray *iothreads; /* of MonitorIoThread */
    MonitorBalloonStats balloon;
    bool has_balloon;
    Json *dirty_rate;
    KvmStats kvm;
};

static void stats_probe_unref(void *data)
{
    StatsProbe *probe = data;

    if (!probe || --probe->refs > 0)
        return;
    wait_queue_clear(&probe->done);
    vm_unref(probe->vm);
    g_clear_pointer(&probe->block_stats, g_ptr_array_unref);
    g_clear_pointer(&probe->block_nodes, g_hash_table_unref);
    g_clear_pointer(&probe->iothreads, g_ptr_array_unref);
    json_decref(probe->dirty_rate);
    kvm_stats_clear(&probe->kvm);
    g_free(probe);
}

/* ---- asking ---- */

static bool balloon_is_there(const DomainDef *live)
{
    const MemballoonDef *balloon = live->memballoon;

    return balloon && balloon->model != MEMBALLOON_NONE && balloon->model != MEMBALLOON_MODEL_ABSENT;
}

bool vm_query_balloon_stats(Vm *vm, uint64_t timeout_ms, MonitorBalloonStats *ret_stats)
{
    if (!vm->live || !balloon_is_there(vm->live) || !vm->live->memballoon->info.alias ||
        !vm_require_monitor(vm, NULL))
        return false;
    g_autofree char *alias = g_strdup(vm->live->memballoon->info.alias);
    return monitor_query_balloon_stats(vm_monitor(vm), alias, timeout_ms, ret_stats, NULL);
}

void vm_refresh_balloon(Vm *vm, uint64_t timeout_ms)
{
    uint64_t bytes = 0;

    if (!vm->live || !balloon_is_there(vm->live) || !vm_require_monitor(vm, NULL))
        return;
    const uint64_t serial = vm->run->serial;
    if (!monitor_query_balloon(vm_monitor(vm), timeout_ms, &bytes, NULL))
        return;
    if (vm->run && vm->run->serial == serial && vm->live && bytes) {
        vm->run->balloon_bytes = bytes;
        vm->live->current_memory_bytes = bytes;
    }
}

static uint64_t stats_left_ms(const StatsProbe *probe)
{
    const uint64_t now_ms = loop_now_ms();

    return probe->deadline_ms > now_ms ? probe->deadline_ms - now_ms : 0;
}

/* The monitor, if it is worth asking now; NULL. */
static Qmp *stats_monitor(const StatsProbe *probe)
{
    const VmRun *run = probe->vm->run;

    if (!run || run->serial != probe->serial || !run->qmp || !qmp_is_open(run->qmp) || run->exited ||
        run->stopping || run->is_starting || qmp_pending_ms(run->qmp) > STATS_STUCK_MS ||
        stats_left_ms(probe) == 0)
        return NULL;
    return run->qmp;
}

/* QEMU knows no more of its sizes than the file tells everybody. */
static bool source_is_plain(const DiskDef *disk, const StorageSource *source)
{
    return source->type == STORAGE_FILE && source->path && !source->fd_group && !disk->transient &&
           !source->encryption && !disk->encryption && !source->data_store &&
           def_list_len(source->slices) == 0 &&
           (source->format == STORAGE_FORMAT_RAW || source->format == STORAGE_FORMAT_QCOW2);
}

static bool has_plain_sources(const DomainDef *def)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        for (const StorageSource *source = &disk->src; source && source->path; source = source->backing) {
            if (!source_is_plain(disk, source))
                return false;
        }
    }
    return true;
}

static bool stats_files_failed(const Vm *vm)
{
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        if (source_is_plain(disk, &disk->src) && image_sizes_failed(vm->host->image_sizes, disk->src.path))
            return true;
    }
    return false;
}

static void stats_ask_blocks(StatsProbe *probe, bool *io_ok)
{
    Qmp *qmp = stats_monitor(probe);

    if (qmp && !monitor_query_block_stats(qmp, stats_left_ms(probe), &probe->block_stats, NULL))
        *io_ok = false;
    qmp = stats_monitor(probe);
    if (qmp && *io_ok && (probe->questions & STATS_SIZES) &&
        ((probe->questions & STATS_NODES) || stats_files_failed(probe->vm)) &&
        !monitor_query_block_nodes(qmp, stats_left_ms(probe), &probe->block_nodes, NULL))
        *io_ok = false;
}

/* QEMU has numbers of the guest's only if it was told to collect them. */
static bool balloon_is_polled(const DomainDef *live)
{
    return balloon_is_there(live) && live->memballoon->stats_period_s.is_set &&
           live->memballoon->stats_period_s.value > 0;
}

/* There can only be something to tell if somebody told QEMU to measure it. */
static bool dirty_rate_may_exist(const Vm *vm)
{
    return vm->run &&
           (vm->run->has_dirty_rate || vm->run->taints & (TAINT_CUSTOM_MONITOR | TAINT_CUSTOM_ARGV));
}

/* Which questions of @groups QEMU must be asked. Each costs two switches between processes, and there may
 * be many machines: what we know anyway is not asked. The balloon's size, for one, comes by events. */
static unsigned stats_questions(const Vm *vm, unsigned groups)
{
    const DomainDef *live = vm->live;
    unsigned questions = 0;

    if ((groups & STATS_BALLOON) && balloon_is_polled(live))
        questions |= STATS_BALLOON;
    if ((groups & STATS_IOTHREAD) && live->iothreads.is_set && live->iothreads.value > 0)
        questions |= STATS_IOTHREAD;
    if ((groups & STATS_DIRTY_RATE) && dirty_rate_may_exist(vm))
        questions |= STATS_DIRTY_RATE;
    if ((groups & STATS_BLOCK) && def_list_len(live->disks) > 0)
        questions |= STATS_BLOCK;
    if ((questions & STATS_BLOCK) && !(groups & VM_STATS_NO_SIZES))
        questions |= STATS_SIZES;
    if ((questions & STATS_SIZES) && (vm->run->has_thresholds || !has_plain_sources(live) ||
                                      vm->run->taints & (TAINT_CUSTOM_MONITOR | TAINT_CUSTOM_ARGV)))
        questions |= STATS_NODES;
    if (live->type == VIRT_TYPE_KVM)
        questions |= groups & (STATS_VM | STATS_VCPU | STATS_CPU);
    return questions;
}

/* Failures are silent: what a QEMU does not tell is left out. */
static void stats_ask_qemu(StatsProbe *probe)
{
    const unsigned questions = probe->questions;
    bool io_ok = true;
    Qmp *qmp = NULL;

    if ((questions & STATS_BALLOON) && stats_monitor(probe))
        probe->has_balloon = vm_query_balloon_stats(probe->vm, stats_left_ms(probe), &probe->balloon);
    if ((questions & STATS_IOTHREAD) && (qmp = stats_monitor(probe)))
        io_ok = monitor_query_iothreads(qmp, stats_left_ms(probe), &probe->iothreads, NULL);
    if ((questions & STATS_DIRTY_RATE) && io_ok && (qmp = stats_monitor(probe)))
        io_ok = monitor_query_dirty_rate(qmp, stats_left_ms(probe), &probe->dirty_rate, NULL);
    if ((questions & (STATS_VM | STATS_VCPU | STATS_CPU)) && io_ok && stats_monitor(probe))
        kvm_stats_ask(probe->vm, questions & STATS_VM, questions & (STATS_VCPU | STATS_CPU),
                      stats_left_ms(probe), &probe->kvm);
    /* Last: QEMU looks at the image files for this, so dead storage may stop it here. */
    if (questions & STATS_BLOCK)
        stats_ask_blocks(probe, &io_ok);
}

static void stats_prober_fiber(void *arg)
{
    Host *host = arg;

    for (StatsProbe *probe; (probe = g_queue_pop_head(&host->machines->stats.waiting));) {
        stats_ask_qemu(probe);
        probe->is_done = true;
        if (probe->vm->stats_probe == probe)
            probe->vm->stats_probe = NULL;
        wait_queue_wake_all(&probe->done);
        stats_probe_unref(probe);
    }
    host->machines->stats.n_probers--;
}

/* The probe of @vm for @groups: of somebody who asks the same at the moment, or a new one; NULL if it does
 * not run. Caller owns a reference. */
static StatsProbe *stats_probe_get(Vm *vm, unsigned groups, uint64_t deadline_ms)
{
    StatsProbe *other = vm->stats_probe;

    if (!vm->run || !vm->live)
        return NULL;
    StatsProbe *probe = g_new0(StatsProbe, 1);
    *probe =
        (StatsProbe){ .refs = 1, .vm = vm_ref(vm), .serial = vm->run->serial, .deadline_ms = deadline_ms };
    wait_queue_init(&probe->done);
    if (stats_monitor(probe))
        probe->questions = stats_questions(vm, groups);
    probe->is_done = probe->questions == 0;
    if (probe->is_done)
        return probe;
    if (other && other->serial == probe->serial) {
        if ((probe->questions & ~other->questions) == 0) {
            stats_probe_unref(probe);
            other->refs++;
            return other;
        }
        probe->questions |= other->questions; /* so that those to come can join, whichever they want */
    }
    vm->stats_probe = probe;
    probe->refs++;
    g_queue_push_tail(&vm->host->machines->stats.waiting, probe);
    return probe;
}

static void stats_start_probers(Host *host)
{
    StatsQueue *queue = &host->machines->stats;

    while (queue->n_probers < MIN(queue->waiting.length, STATS_PROBERS_MAX)) {
        queue->n_probers++;
        if (fiber_spawn("statistics", stats_prober_fiber, host))
            continue;
        if (queue->n_probers > 1) { /* those that there are do it all */
            queue->n_probers--;
            return;
        }
        stats_prober_fiber(host); /* in the fiber of the call, then */
    }
}

/* The images of machines that do not run, and those of the others that tell as much as QEMU. */
static void stats_look_at_files(Host *host, const GPtrArray *vms, const GPtrArray *probes, bool with_backing,
                                uint64_t deadline_ms, ImageRequest *images)
{
    for (guint i = 0; i < probes->len; i++) {
        const DomainDef *def = vm_def(vms->pdata[i]);
        const bool runs = probes->pdata[i] != NULL;
        for (DEF_EACH(DiskDef, disk, def ? def->disks : NULL)) {
            if (!runs && storage_is_local(&disk->src))
                image_request_add(images, disk->src.path, disk->src.format);
            for (const StorageSource *source = runs ? &disk->src : NULL; source && source->path;
                 source = with_backing ? source->backing : NULL) {
                if (source_is_plain(disk, source))
                    image_request_add(images, source->path, source->format);
            }
        }
    }
    image_request_run(images, MIN(loop_now_ms() + STATS_FILES_MS, deadline_ms),
                      (uint64_t)host->config->storage_timeout_s * 1000);
}

/* Returns when all that can be learnt by the deadline has been. @probes: a StatsProbe or NULL for each,
 * filled. */
static bool stats_probe_all(Host *host, const GPtrArray *vms, unsigned groups, bool with_backing,
                            uint64_t deadline_ms, GPtrArray *probes, ImageRequest *images, Error **err)
{
    for (guint i = 0; i < vms->len; i++)
        g_ptr_array_add(probes, stats_probe_get(g_ptr_array_index(vms, i), groups, deadline_ms));
    stats_start_probers(host);
    if ((groups & STATS_BLOCK) && !(groups & VM_STATS_NO_SIZES))
        stats_look_at_files(host, vms, probes, with_backing, deadline_ms, images);
    for (guint i = 0; i < probes->len; i++) {
        StatsProbe *probe = g_ptr_array_index(probes, i);
        g_autoptr(Error) why = NULL;
        while (probe && !probe->is_done && !why && stats_left_ms(probe) > 0)
            (void)!wait_queue_wait(&probe->done, stats_left_ms(probe), &why);
        if (error_code(why) == ERROR_CANCELLED)
            return error_propagate(err, g_steal_pointer(&why));
    }
    return true;
}

/* ---- writing ---- */

static void stats_write_cpu(const StatsProbe *probe, const ProcCpuTime *time, const DomainDef *def,
                            Params *params)
{
    params_add_ullong(params, time->total_ns, "cpu.time");
    params_add_ullong(params, time->user_ns, "cpu.user");
    params_add_ullong(params, time->system_ns, "cpu.system");
    params_add_uint(params, 0, "cpu.cache.monitor.count"); /* cache allocation is not supported */
    if (def->type == VIRT_TYPE_KVM && !probe->kvm.vcpus)
        return;
    /* Emulated CPUs do not poll. */
    params_add_ullong(params, kvm_stats_sum(&probe->kvm, "halt_poll_success_ns"),
                      "cpu.haltpoll.success.time");
    params_add_ullong(params, kvm_stats_sum(&probe->kvm, "halt_poll_fail_ns"), "cpu.haltpoll.fail.time");
}

typedef void (*MemoryStatWriter)(void *arg, int tag, const char *name, uint64_t value);

static void memory_write_one(MemoryStatWriter writer, void *arg, int tag, const char *name, uint64_t value,
                             unsigned divisor)
{
    if (value != UINT64_MAX)
        writer(arg, tag, name, value / divisor);
}

/* In the order of the reference; KiB, counts, seconds. */
static void memory_write(const MonitorBalloonStats *stats, uint64_t rss_kib, MemoryStatWriter writer,
                         void *arg)
{
    if (stats) {
        memory_write_one(writer, arg, MEMORY_SWAP_IN, "swap_in", stats->swap_in, 1024);
        memory_write_one(writer, arg, MEMORY_SWAP_OUT, "swap_out", stats->swap_out, 1024);
        memory_write_one(writer, arg, MEMORY_MAJOR_FAULT, "major_fault", stats->major_faults, 1);
        memory_write_one(writer, arg, MEMORY_MINOR_FAULT, "minor_fault", stats->minor_faults, 1);
        memory_write_one(writer, arg, MEMORY_UNUSED, "unused", stats->free, 1024);
        memory_write_one(writer, arg, MEMORY_AVAILABLE, "available", stats->total, 1024);
        memory_write_one(writer, arg, MEMORY_USABLE, "usable", stats->available, 1024);
        memory_write_one(writer, arg, MEMORY_LAST_UPDATE, "last-update", stats->last_update_s, 1);
        memory_write_one(writer, arg, MEMORY_DISK_CACHES, "disk_caches", stats->disk_caches, 1024);
        memory_write_one(writer, arg, MEMORY_HUGETLB_PGALLOC, "hugetlb_pgalloc", stats->hugetlb_allocations,
                         1);
        memory_write_one(writer, arg, MEMORY_HUGETLB_PGFAIL, "hugetlb_pgfail", stats->hugetlb_failures, 1);
    }
    if (rss_kib)
        writer(arg, MEMORY_RSS, "rss", rss_kib);
}

static uint64_t run_rss_kib(const VmRun *run)
{
    ProcStat stat = { 0 };

    return run && run->pid && proc_stat_read(run->pid, 0, &stat) ? stat.rss_kib : 0;
}

static uint64_t run_balloon_kib(const Vm *vm)
{
    return (vm->run && vm->run->balloon_bytes ? vm->run->balloon_bytes : vm_def(vm)->current_memory_bytes) /
           1024;
}

static void memory_write_param(void *arg, int tag, const char *name, uint64_t value)
{
    params_add_ullong(arg, value, "balloon.%s", name);
}

static void stats_write_balloon(const StatsProbe *probe, const VmRun *run, uint64_t rss_kib, Params *params)
{
    static const MonitorBalloonStats never = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                               UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                               UINT64_MAX, UINT64_MAX, 0 };
    const MonitorBalloonStats *stats = probe->has_balloon ? &probe->balloon : NULL;

    if (!stats && run && balloon_is_there(probe->vm->live) && !balloon_is_polled(probe->vm->live))
        stats = &never;
    params_add_ullong(params, run_balloon_kib(probe->vm), "balloon.current");
    params_add_ullong(params, vm_def(probe->vm)->memory_bytes / 1024, "balloon.maximum");
    if (run)
        memory_write(stats, rss_kib, memory_write_param, params);
}

static void stats_write_vcpus(const StatsProbe *probe, const DomainDef *def, const VmRun *run, Params *params)
{
    params_add_uint(params, def->vcpus_current.is_set ? def->vcpus_current.value : def->vcpus,
                    "vcpu.current");
    params_add_uint(params, def->vcpus, "vcpu.maximum");
    for (guint i = 0; run && i < run->vcpu_tids->len; i++) {
        const pid_t tid = g_array_index(run->vcpu_tids, pid_t, i);
        ProcStat stat = { 0 };
        if (!tid || !proc_stat_read(run->pid, tid, &stat))
            continue;
        params_add_int(params, 1, "vcpu.%u.state", i);
        params_add_ullong(params, stat.user_ns + stat.system_ns, "vcpu.%u.time", i);
        params_add_ullong(params, proc_wait_read(run->pid, tid), "vcpu.%u.wait", i);
        params_add_ullong(params, proc_run_delay_read(run->pid, tid), "vcpu.%u.delay", i);
        kvm_stats_write_vcpu(&probe->kvm, run, i, params);
    }
}

static void stats_write_interfaces(const DomainDef *def, const char *devices, Params *params)
{
    unsigned i = 0;

    params_add_uint(params, def_list_len(def->interfaces), "net.count");
    for (DEF_EACH(InterfaceDef, interface, def->interfaces)) {
        const unsigned n = i++;
        InterfaceStats stats = { 0 };
        if (!interface->target)
            continue;
        params_add_string(params, interface->target, "net.%u.name", n);
        if (!vm_interface_stats(interface, devices, &stats))
            continue;
        params_add_ullong(params, (uint64_t)stats.rx_bytes, "net.%u.rx.bytes", n);
        params_add_ullong(params, (uint64_t)stats.rx_packets, "net.%u.rx.pkts", n);
        params_add_ullong(params, (uint64_t)stats.rx_errs, "net.%u.rx.errs", n);
        params_add_ullong(params, (uint64_t)stats.rx_drop, "net.%u.rx.drop", n);
        params_add_ullong(params, (uint64_t)stats.tx_bytes, "net.%u.tx.bytes", n);
        params_add_ullong(params, (uint64_t)stats.tx_packets, "net.%u.tx.pkts", n);
        params_add_ullong(params, (uint64_t)stats.tx_errs, "net.%u.tx.errs", n);
        params_add_ullong(params, (uint64_t)stats.tx_drop, "net.%u.tx.drop", n);
    }
}

/* The first interval begins at 0, which QEMU does not say. */
static void stats_write_latencies(const MonitorBlockStats *stats, unsigned n, Params *params)
{
    static const char *const kinds[] = { "read", "write", "flush" };

    for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
        const Json *starts = json_object_get(stats->latencies[kind], "boundaries");
        const Json *bins = json_object_get(stats->latencies[kind], "bins");
        const unsigned count = (unsigned)MIN(json_array_size(bins), LATENCY_BINS_MAX);
        if (count == 0)
            continue;
        g_autofree char *name = g_strdup_printf("block.%u.latency_histogram.%s.bin", n, kinds[kind]);
        params_add_ullong(params, count, "%s.count", name);
        for (unsigned i = 0; i < count; i++) {
            params_add_ullong(params, i ? (uint64_t)json_integer_value(json_array_get(starts, i - 1)) : 0,
                              "%s.%u.start", name, i);
            params_add_ullong(params, (uint64_t)json_integer_value(json_array_get(bins, i)), "%s.%u.value",
                              name, i);
        }
    }
}

static void stats_write_counters(const MonitorBlockStats *stats, unsigned n, Params *params)
{
    params_add_ullong(params, stats->rd_ops, "block.%u.rd.reqs", n);
    params_add_ullong(params, stats->rd_bytes, "block.%u.rd.bytes", n);
    params_add_ullong(params, stats->rd_ns, "block.%u.rd.times", n);
    params_add_ullong(params, stats->wr_ops, "block.%u.wr.reqs", n);
    params_add_ullong(params, stats->wr_bytes, "block.%u.wr.bytes", n);
    params_add_ullong(params, stats->wr_ns, "block.%u.wr.times", n);
    params_add_ullong(params, stats->flush_ops, "block.%u.fl.reqs", n);
    params_add_ullong(params, stats->flush_ns, "block.%u.fl.times", n);
    stats_write_latencies(stats, n, params);
}

static const MonitorBlockStats *stats_find_node(const StatsProbe *probe, const char *node_name)
{
    for (guint i = 0; probe->block_stats && i < probe->block_stats->len; i++) {
        const MonitorBlockStats *entry = g_ptr_array_index(probe->block_stats, i);
        if (entry->node_name && strcmp(entry->node_name, node_name) == 0)
            return entry;
    }
    return NULL;
}

static void stats_write_file_sizes(const StorageInfo *file, unsigned n, Params *params)
{
    params_add_ullong(params, file->allocation, "block.%u.allocation", n);
    if (file->capacity)
        params_add_ullong(params, file->capacity, "block.%u.capacity", n);
    params_add_ullong(params, file->physical, "block.%u.physical", n);
}

/* As QEMU counts: whole sectors, and what the file takes on its file system. */
static void stats_write_live_sizes(const StorageInfo *file, unsigned n, Params *params)
{
    params_add_ullong(params, (file->capacity + 511) & ~UINT64_C(511), "block.%u.capacity", n);
    params_add_ullong(params, file->allocation, "block.%u.physical", n);
}

static void stats_write_sizes(const StatsProbe *probe, ImageRequest *images, const DiskDef *disk,
                              const StorageSource *source, unsigned n, Params *params)
{
    StorageInfo file = { 0 };

    if (!probe->serial) {
        if (source->path && image_request_find(images, source->path, &file))
            stats_write_file_sizes(&file, n, params);
        return;
    }
    g_autofree char *node_name = storage_node_name(source);
    if (!node_name)
        return;
    const MonitorBlockStats *stats = stats_find_node(probe, node_name);
    const MonitorBlockNode *node =
        probe->block_nodes ? g_hash_table_lookup(probe->block_nodes, node_name) : NULL;
    if (stats)
        params_add_ullong(params, stats->wr_highest_offset, "block.%u.allocation", n);
    if (!node) {
        if (source_is_plain(disk, source) && image_request_find(images, source->path, &file))
            stats_write_live_sizes(&file, n, params);
        return;
    }
    params_add_ullong(params, node->virtual_bytes, "block.%u.capacity", n);
    if (node->actual_bytes != UINT64_MAX)
        params_add_ullong(params, node->actual_bytes, "block.%u.physical", n);
    /* Thresholds are those of the node below. */
    g_autofree char *below = g_strdup_printf("libvirt-%u-storage", source->index);
    const MonitorBlockNode *storage = g_hash_table_lookup(probe->block_nodes, below);
    if (storage && storage->write_threshold)
        params_add_ullong(params, storage->write_threshold, "block.%u.threshold", n);
}

static void stats_write_source(const StatsProbe *probe, ImageRequest *images, const DiskDef *disk,
                               const StorageSource *source, unsigned n, Params *params)
{
    params_add_string(params, disk->target, "block.%u.name", n);
    if (source->path && source->type != STORAGE_NETWORK)
        params_add_string(params, source->path, "block.%u.path", n);
    if (source->path && source->index && probe->serial)
        params_add_uint(params, source->index, "block.%u.backingIndex", n);
    const MonitorBlockStats *stats = source == &disk->src ? disk_find_stats(disk, probe->block_stats) : NULL;
    if (stats)
        stats_write_counters(stats, n, params);
    stats_write_sizes(probe, images, disk, source, n, params);
}

static void stats_write_blocks(const StatsProbe *probe, ImageRequest *images, const DomainDef *def,
                               bool with_backing, Params *params)
{
    const size_t count_at = params_count(params);
    unsigned n = 0;

    params_add_uint(params, 0, "block.count");
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        stats_write_source(probe, images, disk, &disk->src, n++, params);
        if (!with_backing || !probe->serial)
            continue;
        for (const StorageSource *below = disk->src.backing; below && below->path; below = below->backing)
            stats_write_source(probe, images, disk, below, n++, params);
    }
    g_array_index(params->array, Param, count_at).value.ui = n;
}

static void stats_write_iothreads(const StatsProbe *probe, Params *params)
{
    if (!probe->iothreads || probe->iothreads->len == 0)
        return;
    params_add_uint(params, probe->iothreads->len, "iothread.count");
    for (guint i = 0; i < probe->iothreads->len; i++) {
        const MonitorIoThread *thread = g_ptr_array_index(probe->iothreads, i);
        if (!g_str_has_prefix(thread->id, "iothread"))
            continue;
        const char *id = thread->id + strlen("iothread");
        params_add_ullong(params, (uint64_t)thread->poll_max_ns, "iothread.%s.poll-max-ns", id);
        params_add_uint(params, (uint32_t)thread->poll_grow, "iothread.%s.poll-grow", id);
        params_add_uint(params, (uint32_t)thread->poll_shrink, "iothread.%s.poll-shrink", id);
    }
}

static void stats_write_dirty_rate(const StatsProbe *probe, Params *params)
{
    static const char *const states[] = { "unstarted", "measuring", "measured" };
    const Json *rate = probe->dirty_rate;
    const char *status = json_get_str(rate, "status");
    const char *mode = json_get_str(rate, "mode");
    int number = 0;

    if (!probe->serial || (!status && dirty_rate_may_exist(probe->vm)))
        return;
    for (size_t i = 0; status && i < G_N_ELEMENTS(states); i++) {
        if (strcmp(states[i], status) == 0)
            number = (int)i;
    }
    params_add_int(params, number, "dirtyrate.calc_status");
    params_add_llong(params, json_get_int(rate, "start-time", 0), "dirtyrate.calc_start_time");
    params_add_int(params, (int32_t)json_get_int(rate, "calc-time", 0), "dirtyrate.calc_period");
    if (json_is_integer(json_object_get(rate, "dirty-rate")))
        params_add_llong(params, json_get_int(rate, "dirty-rate", 0), "dirtyrate.megabytes_per_second");
    params_add_string(params, mode ? mode : "page-sampling", "dirtyrate.calc_mode");
    size_t i = 0;
    Json *vcpu = NULL;
    json_array_foreach (json_get_arr(rate, "vcpu-dirty-rate"), i, vcpu) {
        params_add_ullong(params, json_get_uint(vcpu, "dirty-rate", 0),
                          "dirtyrate.vcpu.%u.megabytes_per_second", (unsigned)json_get_uint(vcpu, "id", 0));
    }
}

static void stats_write(const StatsProbe *probe, ImageRequest *images, unsigned groups, unsigned flags,
                        const char *devices, Params *params)
{
    const Vm *vm = probe->vm;
    const DomainDef *def = vm_def(vm);
    /* What an earlier or a later run of it said, does not count. */
    const VmRun *run = vm->run && vm->live && vm->run->serial == probe->serial ? vm->run : NULL;

    if (groups & STATS_STATE) {
        params_add_int(params, vm->state, "state.state");
        params_add_int(params, vm->reason, "state.reason");
    }
    if (!def || (probe->serial != 0) != (run != NULL))
        return;
    ProcCpuTime time = { 0 };
    const bool has_time =
        (groups & (STATS_CPU | STATS_BALLOON)) && run && run->pid && proc_cpu_time_read(run->pid, &time);
    if ((groups & STATS_CPU) && has_time)
        stats_write_cpu(probe, &time, def, params);
    if (groups & STATS_BALLOON)
        stats_write_balloon(probe, run, time.rss_kib, params);
    if (groups & STATS_VCPU)
        stats_write_vcpus(probe, def, run, params);
    if ((groups & STATS_INTERFACE) && run)
        stats_write_interfaces(def, devices, params);
    if (groups & STATS_BLOCK)
        stats_write_blocks(probe, images, def, flags & STATS_FLAG_BACKING, params);
    if ((groups & STATS_PERF) && run)
        vm_perf_write(run, params);
    if (groups & STATS_IOTHREAD)
        stats_write_iothreads(probe, params);
    if (groups & STATS_DIRTY_RATE)
        stats_write_dirty_rate(probe, params);
    if ((groups & STATS_VM) && run)
        kvm_stats_write_vm(&probe->kvm, run, params);
}

/* ---- all machines ---- */

/* Every answer is a copy of much that we know: only so many are made at a time. */
static bool stats_await_turn(StatsQueue *queue, bool read_only, Error **err)
{
    bool is_behind = !wait_queue_is_empty(&queue->turn[read_only]);

    while (queue->n_calls[read_only] >= STATS_CALLS_MAX || is_behind) {
        /* No deadline: those before us have one, and a client that leaves cancels its call. */
        if (!wait_queue_wait(&queue->turn[read_only], FIBER_NO_DEADLINE, err))
            return false;
        is_behind = false;
    }
    queue->n_calls[read_only]++;
    return true;
}

/* One machine after the other goes out, so that the memory of one is enough. */
static void stats_write_all(const GPtrArray *vms, const GPtrArray *probes, ImageRequest *images,
                            unsigned groups, unsigned flags, VmStatsFunc func, void *arg)
{
    g_autofree char *devices = groups & STATS_INTERFACE ? net_devices_read() : NULL;
    g_autoptr(Params) params = params_new();
    uint64_t begun_us = loop_now_us();

    for (guint i = 0; i < probes->len; i++) {
        const StatsProbe at_rest = { .vm = g_ptr_array_index(vms, i) };
        const StatsProbe *probe = probes->pdata[i] ? probes->pdata[i] : &at_rest;
        params_clear(params);
        stats_write(probe, images, groups, flags, devices, params);
        func(probe->vm, params, arg);
        if (i % 16 == 0 && loop_now_us() - begun_us > STATS_SLICE_US) {
            fiber_yield();
            begun_us = loop_now_us();
        }
    }
}

bool vm_get_all_stats(Host *host, const GPtrArray *vms, unsigned groups, unsigned flags, const Caller *caller,
                      VmStatsFunc func, void *arg, Error **err)
{
    const bool read_only = caller && caller->read_only;
    g_autoptr(GPtrArray) listed = NULL;
    g_autoptr(GPtrArray) probes = g_ptr_array_new_with_free_func(stats_probe_unref);
    g_autoptr(ImageRequest) images = image_request_new(host->image_sizes);

    if (!check_flags(flags, STATS_FLAGS_FILTER | STATS_FLAG_NOWAIT | STATS_FLAG_BACKING | STATS_FLAG_ENFORCE,
                     "qemuConnectGetAllDomainStats", err))
        return false;
    if ((flags & STATS_FLAG_ENFORCE) && (groups & ~STATS_ALL))
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED,
                         "Stats types bits 0x%x are not supported by this daemon or QEMU",
                         groups & ~STATS_ALL);
    if (!groups)
        groups = STATS_ALL;
    if (!stats_await_turn(&host->machines->stats, read_only, err))
        return false;
    bool ok = vms || vm_list(host, flags & STATS_FLAGS_FILTER, &listed, err);
    if (ok) {
        /* Of those that nobody asked for since the last call, the images may be gone. */
        if (!vms && (flags & STATS_FLAGS_FILTER) == 0 && (groups & STATS_BLOCK))
            image_sizes_sweep(host->image_sizes);
        vms = vms ? vms : listed;
        ok = stats_probe_all(host, vms, groups, flags & STATS_FLAG_BACKING, loop_now_ms() + STATS_DEADLINE_MS,
                             probes, images, err);
    }
    if (ok)
        stats_write_all(vms, probes, images, groups, flags, func, arg);
    host->machines->stats.n_calls[read_only]--;
    wait_queue_wake_one(&host->machines->stats.turn[read_only]);
    return ok;
}

/* ---- memory and CPU time of one machine ---- */

typedef struct MemoryList {
    GArray *stats;
    unsigned max;
} MemoryList;

static void memory_write_stat(void *arg, int tag, const char *name, uint64_t value)
{
    const MemoryList *list = arg;
    const MemoryStat stat = { .tag = tag, .value = value };

    if (list->stats->len < list->max)
        g_array_append_val(list->stats, stat);
}

bool vm_get_memory_stats(Vm *vm, unsigned max, GArray **ret_stats, Error **err)
{
    MonitorBalloonStats stats = { 0 };

    if (!vm_require_running(vm, err))
        return false;
    /* A QEMU that does not answer costs the guest's view only. */
    vm_refresh_balloon(vm, QUERY_TIMEOUT_MS);
    const bool has_stats = vm_query_balloon_stats(vm, QUERY_TIMEOUT_MS, &stats);
    if (!vm_require_running(vm, err))
        return false;
    const MemoryList list = { .stats = g_array_new(FALSE, TRUE, sizeof(MemoryStat)), .max = max };
    memory_write_stat((void *)&list, MEMORY_ACTUAL, "actual", run_balloon_kib(vm));
    memory_write(has_stats ? &stats : NULL, run_rss_kib(vm->run), memory_write_stat, (void *)&list);
    *ret_stats = list.stats;
    return true;
}

bool vm_get_cpu_stats(Vm *vm, int start_cpu, unsigned n_cpus, GPtrArray **ret_params, Error **err)
{
    ProcCpuTime time = { 0 };

    if (!vm_require_running(vm, err))
        return false;
    if (start_cpu >= 0)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "the kernel does not count the time of a domain on each CPU by itself");
    if (!vm->run || !vm->run->pid || !proc_cpu_time_read(vm->run->pid, &time))
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    Params *params = params_new();
    params_add_ullong(params, time.total_ns, "cpu_time");
    params_add_ullong(params, time.user_ns, "user_time");
    params_add_ullong(params, time.system_ns, "system_time");
    *ret_params = g_ptr_array_new_with_free_func((GDestroyNotify)params_free);
    g_ptr_array_add(*ret_params, params);
    return true;
}
