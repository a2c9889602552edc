/* Changes of this machine: same-page merging, pools of huge pages, sleep. All of them may take the kernel a
 * while, so they run in workers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/worker.h"
#include "core/host_private.h"
#include "host/node.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

#define HOST_TUNE_MS 60000
#define SUSPEND_MIN_S 60
#define SUSPEND_DELAY_MS 5000 /* for the answer to reach the client */

/* ---- same-page merging ---- */

typedef struct KsmJob {
    struct {
        const char *file;
        uint64_t value;
    } items[3];
    unsigned n_items;
} KsmJob;

static bool ksm_work(void *data, Error **err)
{
    const KsmJob *job = data;

    for (unsigned i = 0; i < job->n_items; i++) {
        if (!node_set_ksm(job->items[i].file, job->items[i].value, err))
            return false;
    }
    return true;
}

RPC_HANDLER(node_set_memory_parameters)
{
    static const struct {
        const char *name, *file;
    } files[] = {
        { VIR_NODE_MEMORY_SHARED_PAGES_TO_SCAN, "pages_to_scan" },
        { VIR_NODE_MEMORY_SHARED_SLEEP_MILLISECS, "sleep_millisecs" },
        { VIR_NODE_MEMORY_SHARED_MERGE_ACROSS_NODES, "merge_across_nodes" },
    };
    g_autoptr(Params) params = NULL;
    NodeKsm ksm = { 0 };

    if (!rpc_check_flags(call, args->flags, 0, err) ||
        !rpc_read_params(args->params, args->n_params, &params, err) || !node_get_ksm(&ksm, err))
        return false;
    g_autofree KsmJob *job = g_new0(KsmJob, 1);
    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        size_t at = 0;
        while (at < G_N_ELEMENTS(files) && strcmp(files[at].name, param->name) != 0)
            at++;
        if (at == G_N_ELEMENTS(files))
            return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "parameter '%s' not supported", param->name);
        if (param->type != PARAM_UINT || params_find(params, param->name) != param)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' must be one 'uint'", param->name);
        if (at == 2 && param->value.ui > 1)
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s must be 0 or 1", param->name);
        if (at == 2 && !ksm.has_merge_across_nodes)
            return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                             "Parameter '%s' is not supported by this kernel", param->name);
        job->items[job->n_items].file = files[at].file;
        job->items[job->n_items++].value = param->value.ui;
    }
    KsmJob *given = g_steal_pointer(&job);
    if (!worker_call(worker_lane_named("host"), ksm_work, given, g_free, HOST_TUNE_MS, err))
        return false;
    g_free(given);
    return true;
}

/* ---- huge pages ---- */

typedef struct PagesJob {
    unsigned *sizes;
    uint64_t *counts;
    size_t n;
    int start_cell;
    unsigned n_cells, done;
    bool add;
} PagesJob;

static void pages_job_free(void *data)
{
    PagesJob *job = data;

    g_free(job->sizes);
    g_free(job->counts);
    g_free(job);
}

static bool pages_work(void *data, Error **err)
{
    PagesJob *job = data;

    return node_alloc_pages(job->sizes, job->counts, job->n, job->start_cell, job->n_cells, job->add,
                            &job->done, err);
}

RPC_HANDLER(node_alloc_pages)
{
    if (!rpc_check_flags(call, args->flags, VIR_NODE_ALLOC_PAGES_SET, err))
        return false;
    if (args->n_page_sizes != args->n_page_counts)
        return error_set(err, ERROR_INVALID_ARGUMENT, "as many sizes as counts of pages are needed");
    (void)node_cells(); /* read here: workers only use it */
    PagesJob *job = g_new0(PagesJob, 1);
    *job = (PagesJob){ .sizes = g_memdup2(args->page_sizes, args->n_page_sizes * sizeof(unsigned)),
                       .counts = g_memdup2(args->page_counts, args->n_page_counts * sizeof(uint64_t)),
                       .n = args->n_page_sizes,
                       .start_cell = args->start_cell,
                       .n_cells = args->cell_count,
                       .add = !(args->flags & VIR_NODE_ALLOC_PAGES_SET) };
    if (!worker_call(worker_lane_named("host"), pages_work, job, pages_job_free, HOST_TUNE_MS, err))
        return false;
    ret->ret = (int32_t)job->done;
    pages_job_free(job);
    return true;
}

/* ---- sleep ---- */

typedef struct SleepJob {
    unsigned target;
    uint64_t seconds;
} SleepJob;

static bool sleep_work(void *data, Error **err)
{
    const SleepJob *job = data;

    return node_suspend(job->target, job->seconds, err);
}

static void sleep_fiber(void *arg)
{
    g_autoptr(Error) err = NULL;

    if (!fiber_sleep(SUSPEND_DELAY_MS, NULL)) {
        g_free(arg);
        return;
    }
    if (worker_call(worker_lane_named("host"), sleep_work, arg, g_free, FIBER_NO_DEADLINE, &err))
        g_free(arg);
    else
        log_error_error(err, "this host does not sleep");
}

RPC_HANDLER(node_suspend_for_duration)
{
    if (!rpc_check_flags(call, args->flags, 0, err) || !node_check_suspend(args->target, err))
        return false;
    if (args->duration < SUSPEND_MIN_S)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Suspend duration is too short: at least %d seconds",
                         SUSPEND_MIN_S);
    SleepJob *job = g_new0(SleepJob, 1);
    *job = (SleepJob){ .target = args->target, .seconds = args->duration };
    host_spawn(call->host, "suspend", sleep_fiber, job);
    return true;
}

const RpcEntry rpc_entries_host_tune[] = {
    RPC_ENTRY(node_set_memory_parameters),
    RPC_ENTRY(node_alloc_pages),
    RPC_ENTRY(node_suspend_for_duration),
    { 0 },
};
