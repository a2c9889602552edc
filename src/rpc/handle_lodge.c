/* Lodge's own program: what libvirt's protocol has no call for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/uuid.h"
#include "core/config.h"
#include "core/host.h"
#include "core/job.h"
#include "machine/machine.h"
#include "machine/vm_backup.h"
#include "machine/vm_block.h"
#include "machine/vm_define.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "rpc/server.h"

static char *lodge_text(const char *text)
{
    return g_strdup(text ? text : "");
}

static void lodge_fill_job(const JobRecord *record, WireLodgeJob *ret_job)
{
    ret_job->domain = lodge_text(record->name);
    if (!uuid_parse(record->uuid, &ret_job->uuid, NULL))
        ret_job->uuid = (Uuid){ 0 };
    ret_job->id = record->id;
    ret_job->type = lodge_text(job_kind_name(record->kind));
    ret_job->phase = lodge_text(record->phase);
    ret_job->running = record->running;
    ret_job->waiting_for = lodge_text(record->waits_for);
    ret_job->started_ms = record->running ? record->age_ms : 0;
    ret_job->waited_ms = record->running ? 0 : record->age_ms;
    ret_job->client = lodge_text(record->caller);
}

RPC_HANDLER(lodge_jobs_list)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(GPtrArray) jobs = host_list_jobs(call->host), block = machine_list_block_jobs(call->host);
    vm_backup_list_jobs(call->host, jobs);
    ret->jobs = g_new0(WireLodgeJob, MAX(jobs->len + block->len, 1));
    ret->n_jobs = jobs->len + block->len;
    for (guint i = 0; i < jobs->len; i++)
        lodge_fill_job(g_ptr_array_index(jobs, i), &ret->jobs[i]);
    for (guint i = 0; i < block->len; i++) {
        const BlockJobRecord *record = g_ptr_array_index(block, i);
        ret->jobs[jobs->len + i] = (WireLodgeJob){ .domain = g_strdup(record->machine),
                                                   .uuid = record->uuid,
                                                   .id = record->id,
                                                   .type = g_strdup(record->type),
                                                   .phase = g_strdup(record->phase),
                                                   .running = true,
                                                   .waiting_for = g_strdup(""),
                                                   .started_ms = record->age_ms,
                                                   .client = g_strdup("") };
    }
    return true;
}

Vm *rpc_find_vm_text(RpcCall *call, const char *text, Error **err)
{
    Uuid uuid;
    char *end = NULL;
    long id = strtol(text, &end, 10);

    if (*text && end && !*end && id >= 0 && id <= INT32_MAX) {
        Vm *vm = vm_find_by_id(call->host, (int)id, NULL);
        if (vm)
            return vm;
    }
    if (strlen(text) == UUID_STRING_LEN - 1 && uuid_parse(text, &uuid, NULL)) {
        Vm *vm = vm_find_by_uuid(call->host, &uuid, NULL, NULL);
        if (vm)
            return vm;
    }
    return vm_find_by_name(call->host, text, err);
}

RPC_HANDLER(lodge_domain_explain)
{
    g_autoptr(GPtrArray) items = NULL;
    g_autoptr(Vm) vm = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (!args->xml) {
        if (!args->domain)
            return error_set(err, ERROR_INVALID_ARGUMENT, "neither a domain nor an XML document was given");
        vm = rpc_find_vm_text(call, args->domain, err);
        if (!vm)
            return false;
    }
    if (!vm_explain(call->host, vm, args->xml, &items, err))
        return false;
    ret->args = g_new0(WireLodgeExplanation, MAX(items->len, 1));
    ret->n_args = items->len;
    for (guint i = 0; i < items->len; i++) {
        const ExplainItem *item = g_ptr_array_index(items, i);
        ret->args[i].arg = lodge_text(item->argument);
        ret->args[i].value = g_strdup(item->value);
        ret->args[i].source = g_strdup(item->source);
        ret->args[i].note = g_strdup(item->note);
    }
    return true;
}

RPC_HANDLER(lodge_config_list)
{
    const GPtrArray *origins = config_origins(host_config(call->host));

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->settings = g_new0(WireLodgeSetting, MAX(origins->len, 1));
    ret->n_settings = origins->len;
    for (guint i = 0; i < origins->len; i++) {
        const ConfigOrigin *origin = g_ptr_array_index(origins, i);
        ret->settings[i].key = lodge_text(origin->key);
        ret->settings[i].value = lodge_text(origin->value);
        ret->settings[i].origin = lodge_text(origin->origin);
        ret->settings[i].file = lodge_text(origin->file);
        ret->settings[i].doc = g_strdup(origin->doc);
    }
    return true;
}

static uint64_t lodge_resident_bytes(void)
{
    g_autofree char *text = file_read_kernel("/proc/self/statm");
    char **fields = text ? g_strsplit(text, " ", 3) : NULL;
    uint64_t pages = fields && fields[0] && fields[1] ? g_ascii_strtoull(fields[1], NULL, 10) : 0;

    g_strfreev(fields);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Threads beside the loop's. */
static unsigned lodge_count_workers(void)
{
    g_autofree char *text = file_read_kernel("/proc/self/status");
    const char *at = text ? strstr(text, "\nThreads:") : NULL;
    unsigned long threads = at ? strtoul(at + strlen("\nThreads:"), NULL, 10) : 1;

    return threads > 0 ? (unsigned)threads - 1 : 0;
}

RPC_HANDLER(lodge_daemon_status)
{
    const RpcServer *server = call->client->server;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->pid = getpid();
    ret->version = g_strdup(LODGE_VERSION);
    ret->uptime_ms = loop_now_ms() - rpc_server_started_ms(server);
    ret->rss_bytes = lodge_resident_bytes();
    ret->fibers = fiber_count();
    ret->workers = lodge_count_workers();
    ret->domains = machine_count(call->host, false);
    ret->active_domains = machine_count(call->host, true);
    ret->clients = rpc_server_count_clients(server);
    return true;
}

RPC_HANDLER(lodge_call_cancel)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (rpc_dispatch_cancel(call->client, args->serial))
        return true;
    return error_set(err, ERROR_INVALID_STATE, "call %u is not under way, or cannot be cancelled",
                     args->serial);
}

const RpcEntry rpc_entries_lodge[] = {
    RPC_ENTRY(lodge_jobs_list),     RPC_ENTRY(lodge_domain_explain), RPC_ENTRY(lodge_config_list),
    RPC_ENTRY(lodge_daemon_status), RPC_ENTRY(lodge_call_cancel),    { 0 },
};
