/* Questions about this machine: CPUs, memory, pages. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "host/node.h"
#include "machine/vm_info.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

#define CELLS_MAX 1024

RPC_HANDLER(node_get_info)
{
    NodeInfo info = { 0 };

    if (!node_get_info(&info, err))
        return false;
    G_STATIC_ASSERT(sizeof ret->model == sizeof info.model);
    memcpy(ret->model, info.model, sizeof ret->model);
    ret->memory = info.memory_bytes / 1024;
    ret->cpus = (int32_t)info.cpus;
    ret->mhz = (int32_t)info.mhz;
    ret->nodes = (int32_t)info.nodes;
    ret->sockets = (int32_t)info.sockets;
    ret->cores = (int32_t)info.cores;
    ret->threads = (int32_t)info.threads;
    return true;
}

RPC_HANDLER(node_get_cpu_map)
{
    g_autofree uint8_t *map = NULL;
    size_t len = 0;
    unsigned online = 0;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->ret = (int32_t)node_get_cpu_map(&map, &len, &online);
    if (args->need_online)
        ret->online = online;
    if (args->need_map) {
        ret->cpumap.len = (uint32_t)len;
        ret->cpumap.data = g_steal_pointer(&map);
    }
    return true;
}

typedef struct NamedValue {
    const char *name;
    uint64_t value;
} NamedValue;

/* Getters of this kind are called twice: for the count, then with exactly that count. */
static bool host_check_count(int32_t nparams, size_t count, Error **err)
{
    if (nparams != 0 && (nparams < 0 || (size_t)nparams != count))
        return error_set(err, ERROR_INVALID_ARGUMENT, "nparams in %s must be equal to %zu", "this call",
                         count);
    return true;
}

enum { NODE_CPU_STATS = 4 };

RPC_HANDLER(node_get_cpu_stats)
{
    NodeCpuStats stats = { 0 };

    /* How many there are depends on no CPU. */
    if (args->nparams == 0) {
        ret->nparams = NODE_CPU_STATS;
        return rpc_check_flags(call, args->flags, 0, err);
    }
    if (!rpc_check_flags(call, args->flags, 0, err) || !node_get_cpu_stats(args->cpu_num, &stats, err))
        return false;
    const NamedValue values[NODE_CPU_STATS] = {
        { VIR_NODE_CPU_STATS_KERNEL, stats.kernel_ns },
        { VIR_NODE_CPU_STATS_USER, stats.user_ns },
        { VIR_NODE_CPU_STATS_IDLE, stats.idle_ns },
        { VIR_NODE_CPU_STATS_IOWAIT, stats.iowait_ns },
    };
    if (!host_check_count(args->nparams, G_N_ELEMENTS(values), err))
        return false;
    ret->params = g_new0(WireNodeGetCpuStats, G_N_ELEMENTS(values));
    ret->n_params = G_N_ELEMENTS(values);
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        ret->params[i].field = g_strdup(values[i].name);
        ret->params[i].value = values[i].value;
    }
    return true;
}

RPC_HANDLER(node_get_memory_stats)
{
    NodeMemoryStats stats = { 0 };

    if (!rpc_check_flags(call, args->flags, 0, err) || !node_get_memory_stats(args->cell_num, &stats, err))
        return false;
    const NamedValue values[] = {
        { VIR_NODE_MEMORY_STATS_TOTAL, stats.total_kib },
        { VIR_NODE_MEMORY_STATS_FREE, stats.free_kib },
        { VIR_NODE_MEMORY_STATS_BUFFERS, stats.buffers_kib },
        { VIR_NODE_MEMORY_STATS_CACHED, stats.cached_kib },
    };
    /* The last two are not known for a single cell. */
    uint32_t count = args->cell_num == VIR_NODE_MEMORY_STATS_ALL_CELLS ? 4 : 2;
    if (!host_check_count(args->nparams, count, err))
        return false;
    if (args->nparams == 0) {
        ret->nparams = (int32_t)count;
        return true;
    }
    ret->params = g_new0(WireNodeGetMemoryStats, count);
    ret->n_params = count;
    for (uint32_t i = 0; i < count; i++) {
        ret->params[i].field = g_strdup(values[i].name);
        ret->params[i].value = values[i].value;
    }
    return true;
}

RPC_HANDLER(node_get_free_memory)
{
    return node_get_free_memory(&ret->free_mem, err);
}

RPC_HANDLER(node_get_cells_free_memory)
{
    g_autoptr(GArray) bytes = NULL;

    if (args->maxcells < 0 || args->maxcells > CELLS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "maxcells %d is not between 0 and %d", args->maxcells,
                         CELLS_MAX);
    if (!node_get_cells_free_memory(args->start_cell, args->maxcells, &bytes, err))
        return false;
    ret->n_cells = MIN(bytes->len, (uint32_t)args->maxcells);
    ret->cells = (uint64_t *)(void *)g_array_steal(bytes, NULL);
    return true;
}

RPC_HANDLER(node_get_free_pages)
{
    g_autoptr(GArray) counts = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if ((uint64_t)args->n_pages * args->cell_count > CELLS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "too many cells and page sizes: at most %d values fit",
                         CELLS_MAX);
    if (!node_get_free_pages(args->pages, args->n_pages, args->start_cell, args->cell_count, &counts, err))
        return false;
    ret->n_counts = counts->len;
    ret->counts = (uint64_t *)(void *)g_array_steal(counts, NULL);
    return true;
}

RPC_HANDLER(node_get_memory_parameters)
{
    NodeKsm ksm = { 0 };

    if (!rpc_check_flags(call, args->flags, VIR_TYPED_PARAM_STRING_OKAY, err) || !node_get_ksm(&ksm, err))
        return false;
    g_autoptr(Params) params = params_new();
    params_add_uint(params, (uint32_t)ksm.pages_to_scan, VIR_NODE_MEMORY_SHARED_PAGES_TO_SCAN);
    params_add_uint(params, (uint32_t)ksm.sleep_ms, VIR_NODE_MEMORY_SHARED_SLEEP_MILLISECS);
    params_add_ullong(params, ksm.pages_shared, VIR_NODE_MEMORY_SHARED_PAGES_SHARED);
    params_add_ullong(params, ksm.pages_sharing, VIR_NODE_MEMORY_SHARED_PAGES_SHARING);
    params_add_ullong(params, ksm.pages_unshared, VIR_NODE_MEMORY_SHARED_PAGES_UNSHARED);
    params_add_ullong(params, ksm.pages_volatile, VIR_NODE_MEMORY_SHARED_PAGES_VOLATILE);
    params_add_ullong(params, ksm.full_scans, VIR_NODE_MEMORY_SHARED_FULL_SCANS);
    if (ksm.has_merge_across_nodes)
        params_add_uint(params, ksm.merge_across_nodes, VIR_NODE_MEMORY_SHARED_MERGE_ACROSS_NODES);
    rpc_answer_params(params, args->nparams, true, &ret->params, &ret->n_params, &ret->nparams);
    return true;
}

/* These two are arrays of characters with the NUL. */
static void host_fill_text(const char *text, char **ret_chars, uint32_t *ret_count)
{
    *ret_chars = g_strdup(text ? text : "");
    *ret_count = (uint32_t)strlen(*ret_chars) + 1;
}

RPC_HANDLER(node_get_security_model)
{
    g_autofree char *model = NULL, *doi = NULL;

    host_get_security_model(call->host, &model, &doi);
    host_fill_text(model, &ret->model, &ret->n_model);
    host_fill_text(doi, &ret->doi, &ret->n_doi);
    return true;
}

const RpcEntry rpc_entries_host[] = {
    RPC_ENTRY(node_get_info),           RPC_ENTRY(node_get_cpu_map),
    RPC_ENTRY(node_get_cpu_stats),      RPC_ENTRY(node_get_memory_stats),
    RPC_ENTRY(node_get_free_memory),    RPC_ENTRY(node_get_cells_free_memory),
    RPC_ENTRY(node_get_free_pages),     RPC_ENTRY(node_get_memory_parameters),
    RPC_ENTRY(node_get_security_model), { 0 },
};
