/* Statistics and other questions that may have to be put to a machine's QEMU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "host/node.h"
#include "machine/vm_define.h"
#include "machine/vm_info.h"
#include "rpc/access.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

#define CPUMAP_MAX 2048
#define CPUMAPS_MAX 8388608u
#define VCPUS_MAX 16384
#define IOTHREADS_MAX 16384
#define MEMORY_STATS_MAX 1024
#define CPU_STATS_MAX 2048
#define CPU_STATS_CPUS_MAX 128
#define STATS_RECORDS_MAX 16384u
#define STATS_PARAMS_MAX 262144u

/* ---- vCPUs ---- */

static bool info_check_map(int64_t rows, int64_t maplen, Error **err)
{
    if (rows < 0 || rows > VCPUS_MAX || maplen < 0 || maplen > CPUMAP_MAX || rows * maplen > CPUMAPS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a map of %" G_GINT64_FORMAT " times %" G_GINT64_FORMAT
                         " bytes is more than fits a reply",
                         rows, maplen);
    return true;
}

static void info_free_vcpus(GArray *vcpus)
{
    for (guint i = 0; i < vcpus->len; i++)
        g_free(g_array_index(vcpus, VcpuInfo, i).affinity);
    g_array_unref(vcpus);
}

RPC_VM_HANDLER(domain_get_vcpus)
{
    GArray *vcpus = NULL;
    size_t maplen = (size_t)MAX(args->maplen, 0);

    if (!info_check_map(args->maxinfo, args->maplen, err) ||
        !vm_get_vcpus(vm, (unsigned)args->maxinfo, (unsigned)args->maplen, &vcpus, err))
        return false;
    uint32_t count = MIN(vcpus->len, (uint32_t)args->maxinfo);
    ret->info = g_new0(WireVcpuInfo, MAX(count, 1));
    ret->n_info = count;
    ret->cpumaps.len = (uint32_t)(count * maplen);
    ret->cpumaps.data = g_malloc0(MAX(ret->cpumaps.len, 1));
    for (uint32_t i = 0; i < count; i++) {
        const VcpuInfo *vcpu = &g_array_index(vcpus, VcpuInfo, i);
        ret->info[i] = (WireVcpuInfo){
            .number = vcpu->number, .state = vcpu->state, .cpu_time = vcpu->cpu_time_ns, .cpu = vcpu->cpu
        };
        if (vcpu->affinity && maplen)
            memcpy(ret->cpumaps.data + i * maplen, vcpu->affinity, maplen);
    }
    info_free_vcpus(vcpus);
    return true;
}

RPC_VM_HANDLER(domain_get_vcpu_pin_info)
{
    unsigned count = 0;
    g_autofree uint8_t *first = NULL;

    /* Asking for the first one checks the flags; CPUs that could be plugged in have a pinning, too. */
    if (!info_check_map(args->ncpumaps, args->maplen, err) ||
        !vm_get_pin(vm, 0, 0, args->flags, &first, err) ||
        !vm_get_vcpu_count(vm, args->flags | VIR_DOMAIN_VCPU_MAXIMUM, &count, err))
        return false;
    count = MIN(count, (unsigned)args->ncpumaps);
    size_t maplen = (size_t)args->maplen;
    ret->cpumaps.len = (uint32_t)(count * maplen);
    ret->cpumaps.data = g_malloc0(MAX(ret->cpumaps.len, 1));
    for (unsigned i = 0; i < count; i++) {
        g_autofree uint8_t *map = NULL;
        if (!vm_get_pin(vm, (int)i, (unsigned)maplen, args->flags, &map, err))
            return false;
        if (maplen)
            memcpy(ret->cpumaps.data + i * maplen, map, maplen);
    }
    ret->num = (int32_t)count;
    return true;
}

RPC_VM_HANDLER(domain_get_emulator_pin_info)
{
    if (!info_check_map(1, args->maplen, err) ||
        !vm_get_pin(vm, -1, (unsigned)args->maplen, args->flags, &ret->cpumaps.data, err))
        return false;
    ret->cpumaps.len = (uint32_t)args->maplen;
    ret->ret = 1;
    return true;
}

RPC_VM_HANDLER(domain_get_iothread_info)
{
    g_autoptr(GArray) threads = NULL;
    g_autofree uint8_t *online = NULL;
    size_t len = 0;

    (void)node_get_cpu_map(&online, &len, NULL);
    const unsigned maplen = (unsigned)MIN(len, CPUMAP_MAX);

    if (!vm_get_iothreads(vm, maplen, args->flags, &threads, err))
        return false;
    if (threads->len > IOTHREADS_MAX)
        return error_set(err, ERROR_INTERNAL, "%u I/O threads do not fit a reply", threads->len);
    ret->info = g_new0(WireDomainIothreadInfo, MAX(threads->len, 1));
    ret->n_info = threads->len;
    ret->ret = threads->len;
    for (guint i = 0; i < threads->len; i++) {
        IothreadInfo *thread = &g_array_index(threads, IothreadInfo, i);
        ret->info[i].iothread_id = thread->id;
        ret->info[i].cpumap.data = g_steal_pointer(&thread->affinity);
        ret->info[i].cpumap.len = maplen;
    }
    return true;
}

/* With start_cpu -1 one set of totals; else a set for each of ncpus CPUs, one after the other. nparams 0 asks
 * for the size of a set, ncpus 0 for the number of CPUs. */
RPC_VM_HANDLER(domain_get_cpu_stats)
{
    g_autoptr(GPtrArray) sets = NULL;
    unsigned n_cpus = args->start_cpu < 0 ? 1 : args->ncpus;

    if (!rpc_check_flags(call, args->flags, VIR_TYPED_PARAM_STRING_OKAY, err))
        return false;
    if (args->start_cpu < -1 || n_cpus > CPU_STATS_CPUS_MAX ||
        (uint64_t)args->nparams * n_cpus > CPU_STATS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "that many CPUs and parameters do not fit a reply");
    if (args->start_cpu >= 0 && args->ncpus == 0) {
        g_autofree uint8_t *map = NULL;
        size_t len;
        unsigned online;
        if (!vm_is_running(vm))
            return error_set(err, ERROR_INVALID_STATE, "domain is not running");
        ret->nparams = (int32_t)node_get_cpu_map(&map, &len, &online);
        return true;
    }
    if (!vm_get_cpu_stats(vm, args->start_cpu, n_cpus, &sets, err))
        return false;
    if (args->nparams == 0) {
        ret->nparams = sets->len ? (int32_t)params_count(g_ptr_array_index(sets, 0)) : 0;
        return true;
    }
    ret->params = g_new0(WireTypedParam, sets->len * (size_t)args->nparams);
    for (guint i = 0; i < sets->len; i++) {
        WireTypedParam *set = NULL;
        uint32_t count = 0;
        int32_t unused;
        rpc_answer_params(g_ptr_array_index(sets, i), (int32_t)args->nparams, true, &set, &count, &unused);
        if (count)
            memcpy(ret->params + ret->n_params, set, count * sizeof *set);
        ret->n_params += count;
        g_free(set); /* its strings have moved */
    }
    ret->nparams = sets->len ? (int32_t)(ret->n_params / sets->len) : 0;
    return true;
}

/* ---- disks and interfaces ---- */

RPC_VM_HANDLER(domain_get_block_info)
{
    BlockInfo info = { 0 };

    if (!rpc_check_flags(call, args->flags, 0, err) || !vm_get_block_info(vm, args->path, &info, err))
        return false;
    ret->allocation = info.allocation;
    ret->capacity = info.capacity;
    ret->physical = info.physical;
    return true;
}

static int64_t info_param_number(const Params *params, const char *name)
{
    const Param *param = params_find(params, name);

    if (!param)
        return -1;
    return param->type == PARAM_ULLONG  ? (int64_t)MIN(param->value.ul, (uint64_t)INT64_MAX)
           : param->type == PARAM_LLONG ? param->value.l
                                        : -1;
}

RPC_VM_HANDLER(domain_block_stats)
{
    g_autoptr(Params) params = NULL;

    if (!vm_get_block_stats(vm, args->path, &params, err))
        return false;
    ret->rd_req = info_param_number(params, VIR_DOMAIN_BLOCK_STATS_READ_REQ);
    ret->rd_bytes = info_param_number(params, VIR_DOMAIN_BLOCK_STATS_READ_BYTES);
    ret->wr_req = info_param_number(params, VIR_DOMAIN_BLOCK_STATS_WRITE_REQ);
    ret->wr_bytes = info_param_number(params, VIR_DOMAIN_BLOCK_STATS_WRITE_BYTES);
    ret->errs = info_param_number(params, VIR_DOMAIN_BLOCK_STATS_ERRS);
    return true;
}

RPC_VM_HANDLER(domain_block_stats_flags)
{
    g_autoptr(Params) params = NULL;

    if (!rpc_check_flags(call, args->flags, VIR_TYPED_PARAM_STRING_OKAY, err) ||
        !vm_get_block_stats(vm, args->path, &params, err))
        return false;
    rpc_answer_params(params, args->nparams, args->flags & VIR_TYPED_PARAM_STRING_OKAY, &ret->params,
                      &ret->n_params, &ret->nparams);
    return true;
}

RPC_VM_HANDLER(domain_block_resize)
{
    return vm_block_resize(vm, args->disk, args->size, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_get_disk_errors)
{
    g_autoptr(GPtrArray) disks = NULL;
    g_autoptr(GArray) codes = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err) || !vm_get_disk_errors(vm, &disks, &codes, err))
        return false;
    ret->nerrors = (int32_t)disks->len;
    if (args->maxerrors == 0)
        return true;
    ret->n_errors = MIN(disks->len, args->maxerrors);
    ret->nerrors = (int32_t)ret->n_errors;
    ret->errors = g_new0(WireDomainDiskError, MAX(ret->n_errors, 1));
    for (uint32_t i = 0; i < ret->n_errors; i++) {
        ret->errors[i].disk = g_strdup(g_ptr_array_index(disks, i));
        ret->errors[i].error = g_array_index(codes, int, i);
    }
    return true;
}

RPC_VM_HANDLER(domain_interface_stats)
{
    InterfaceStats stats = { 0 };

    if (!vm_get_interface_stats(vm, args->device, &stats, err))
        return false;
    ret->rx_bytes = stats.rx_bytes;
    ret->rx_packets = stats.rx_packets;
    ret->rx_errs = stats.rx_errs;
    ret->rx_drop = stats.rx_drop;
    ret->tx_bytes = stats.tx_bytes;
    ret->tx_packets = stats.tx_packets;
    ret->tx_errs = stats.tx_errs;
    ret->tx_drop = stats.tx_drop;
    return true;
}

/* ---- memory ---- */

RPC_VM_HANDLER(domain_memory_stats)
{
    g_autoptr(GArray) stats = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (args->max_stats > MEMORY_STATS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at most %d statistics fit a reply", MEMORY_STATS_MAX);
    if (!vm_get_memory_stats(vm, args->max_stats, &stats, err))
        return false;
    ret->n_stats = MIN(stats->len, args->max_stats);
    ret->stats = g_new0(WireDomainMemoryStat, MAX(ret->n_stats, 1));
    for (uint32_t i = 0; i < ret->n_stats; i++) {
        const MemoryStat *stat = &g_array_index(stats, MemoryStat, i);
        ret->stats[i] = (WireDomainMemoryStat){ .tag = stat->tag, .val = stat->value };
    }
    return true;
}

/* ---- everything at once ---- */

static bool info_find_vms(RpcCall *call, const WireDomain *doms, uint32_t n_doms, GPtrArray **ret_vms,
                          Error **err)
{
    g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func((GDestroyNotify)vm_unref);

    for (uint32_t i = 0; i < n_doms; i++) {
        Vm *vm = rpc_find_vm(call, &doms[i], err);
        if (!vm)
            return false;
        g_ptr_array_add(vms, vm);
    }
    *ret_vms = g_steal_pointer(&vms);
    return true;
}

/* The reply as it grows: every record is encoded at once and copied nowhere. */
typedef struct StatsReply {
    RpcCall *call;
    WireBuffer *out;
    uint32_t n_records;
    Error *err;
} StatsReply;

static void info_add_stats(const Vm *vm, const Params *params, void *arg)
{
    StatsReply *reply = arg;

    if (reply->err || !rpc_access_may_see(reply->call, (Object *)vm))
        return;
    const WireDomain dom = { .name = (char *)vm_name(vm), .uuid = *vm_uuid(vm), .id = vm_id(vm) };
    if (!wire_encode(WIRE_TYPE_DOMAIN, &dom, reply->out, &reply->err) ||
        !rpc_params_encode(params, reply->out, &reply->err))
        return;
    reply->n_records++;
    if (reply->out->len > WIRE_PAYLOAD_MAX || params_count(params) > STATS_PARAMS_MAX)
        error_set(&reply->err, ERROR_OVERFLOW, "the statistics exceed the %u bytes that the protocol allows",
                  WIRE_PAYLOAD_MAX);
}

RPC_HANDLER(connect_get_all_domain_stats)
{
    g_autoptr(GPtrArray) vms = NULL;

    if (args->n_doms > 0 && !info_find_vms(call, args->doms, args->n_doms, &vms, err))
        return false;
    StatsReply reply = { .call = call, .out = &call->ret_encoded };

    wire_put_u32(reply.out, 0); /* ret_stats is all that there is in the reply */
    const bool ok = vm_get_all_stats(call->host, vms, args->stats, args->flags, rpc_caller(call),
                                     info_add_stats, &reply, err);
    if (ok && !reply.err && reply.n_records > STATS_RECORDS_MAX)
        error_set(&reply.err, ERROR_OVERFLOW, "%u machines exceed the %u that the protocol allows",
                  reply.n_records, STATS_RECORDS_MAX);
    if (ok && reply.err)
        return error_propagate(err, reply.err);
    error_free(reply.err);
    if (!ok)
        return false;
    const uint32_t count = GUINT32_TO_BE(reply.n_records);
    memcpy(reply.out->data, &count, sizeof count);
    return true;
}

const RpcEntry rpc_entries_info[] = {
    RPC_ENTRY(domain_get_vcpus),
    RPC_ENTRY(domain_get_vcpu_pin_info),
    RPC_ENTRY(domain_get_emulator_pin_info),
    RPC_ENTRY(domain_get_iothread_info),
    RPC_ENTRY(domain_get_cpu_stats),
    RPC_ENTRY(domain_get_block_info),
    RPC_ENTRY(domain_block_stats),
    RPC_ENTRY(domain_block_stats_flags),
    RPC_ENTRY(domain_block_resize),
    RPC_ENTRY(domain_get_disk_errors),
    RPC_ENTRY(domain_interface_stats),
    RPC_ENTRY(domain_memory_stats),
    RPC_ENTRY(connect_get_all_domain_stats),
    { 0 },
};
