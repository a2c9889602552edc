/* Starting, stopping and poking machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/job.h"
#include "machine/vm_backup.h"
#include "machine/vm_life.h"
#include "machine/vm_migrate.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

RPC_HANDLER(domain_create_xml)
{
    return rpc_answer_domain(vm_create(call->host, args->xml_desc, args->flags, rpc_caller(call), err),
                             &ret->dom);
}

RPC_VM_HANDLER(domain_create)
{
    return vm_start(vm, 0, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_create_with_flags)
{
    return vm_start(vm, args->flags, rpc_caller(call), err) && rpc_answer_domain(vm_ref(vm), &ret->dom);
}

RPC_VM_HANDLER(domain_shutdown)
{
    return vm_shutdown(vm, 0, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_shutdown_flags)
{
    return vm_shutdown(vm, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_reboot)
{
    return vm_reboot(vm, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_reset)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_reset(vm, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_destroy)
{
    return vm_destroy(vm, 0, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_destroy_flags)
{
    return vm_destroy(vm, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_suspend)
{
    return vm_suspend(vm, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_resume)
{
    return vm_resume(vm, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_pm_suspend_for_duration)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           vm_pm_suspend(vm, args->target, args->duration, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_pm_wakeup)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_pm_wakeup(vm, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_inject_nmi)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_inject_nmi(vm, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_send_key)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           vm_send_key(vm, args->codeset, args->holdtime, args->keycodes, args->n_keycodes, rpc_caller(call),
                       err);
}

/* ---- jobs ---- */

RPC_VM_HANDLER(domain_get_job_info)
{
    JobProgress progress = { 0 };

    if (!vm_get_job_progress(vm, false, &progress, err))
        return false;
    ret->type = progress.type;
    ret->time_elapsed = progress.elapsed_ms;
    ret->time_remaining = progress.remaining_ms;
    ret->data_total = progress.data_total;
    ret->data_processed = progress.data_processed;
    ret->data_remaining = progress.data_remaining;
    ret->mem_total = progress.mem_total;
    ret->mem_processed = progress.mem_processed;
    ret->mem_remaining = progress.mem_remaining;
    ret->file_total = progress.disk_total;
    ret->file_processed = progress.disk_processed;
    ret->file_remaining = progress.disk_remaining;
    job_progress_clear(&progress);
    return true;
}

RPC_VM_HANDLER(domain_get_job_stats)
{
    JobProgress progress = { 0 };

    if (!rpc_check_flags(call, args->flags,
                         VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED, err) ||
        !vm_get_job_progress(vm, args->flags & VIR_DOMAIN_JOB_STATS_COMPLETED, &progress, err))
        return false;
    g_autoptr(Params) params = job_progress_to_params(&progress);
    ret->type = progress.type;
    rpc_params_to_wire(params, &ret->params, &ret->n_params);
    job_progress_clear(&progress);
    return true;
}

RPC_VM_HANDLER(domain_abort_job)
{
    return vm_abort_job(vm, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_abort_job_flags)
{
    if (!rpc_check_flags(call, args->flags, VIR_DOMAIN_ABORT_JOB_POSTCOPY, err))
        return false;
    return args->flags & VIR_DOMAIN_ABORT_JOB_POSTCOPY ? vm_migrate_interrupt(vm, err)
                                                       : vm_abort_job(vm, rpc_caller(call), err);
}

const RpcEntry rpc_entries_life[] = {
    RPC_ENTRY(domain_create_xml),
    RPC_ENTRY(domain_create),
    RPC_ENTRY(domain_create_with_flags),
    RPC_ENTRY(domain_shutdown),
    RPC_ENTRY(domain_shutdown_flags),
    RPC_ENTRY(domain_reboot),
    RPC_ENTRY(domain_reset),
    RPC_ENTRY(domain_destroy),
    RPC_ENTRY(domain_destroy_flags),
    RPC_ENTRY(domain_suspend),
    RPC_ENTRY(domain_resume),
    RPC_ENTRY(domain_pm_suspend_for_duration),
    RPC_ENTRY(domain_pm_wakeup),
    RPC_ENTRY(domain_inject_nmi),
    RPC_ENTRY(domain_send_key),
    RPC_ENTRY(domain_get_job_info),
    RPC_ENTRY(domain_get_job_stats),
    RPC_ENTRY(domain_abort_job),
    RPC_ENTRY(domain_abort_job_flags),
    { 0 },
};
