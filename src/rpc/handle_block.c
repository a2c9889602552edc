/* Block jobs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_block.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

RPC_VM_HANDLER(domain_block_pull)
{
    /* Both kinds of flags have the same bit for bytes, and a pull no other. */
    return rpc_check_flags(call, args->flags, VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES, err) &&
           vm_block_pull(vm, args->path, NULL, args->bandwidth, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_block_rebase)
{
    return vm_block_rebase(vm, args->path, args->base, args->bandwidth, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_block_commit)
{
    return vm_block_commit(vm, args->disk, args->base, args->top, args->bandwidth, args->flags,
                           rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_block_copy)
{
    g_autoptr(Params) params = NULL;

    return rpc_read_params(args->params, args->n_params, &params, err) &&
           vm_block_copy(vm, args->path, args->destxml, params, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_block_job_abort)
{
    return vm_block_job_abort(vm, args->path, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_block_job_set_speed)
{
    return vm_block_job_set_speed(vm, args->path, args->bandwidth, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_get_block_job_info)
{
    BlockJobInfo info = { 0 };

    if (!vm_block_job_info(vm, args->path, args->flags, &info, err))
        return false;
    ret->found = info.is_found;
    ret->type = info.type;
    ret->bandwidth = info.bandwidth;
    ret->cur = info.done;
    ret->end = info.total;
    return true;
}

RPC_VM_HANDLER(lodge_disk_move)
{
    return vm_disk_move(vm, args->disk, args->pool, args->format, args->flags, rpc_caller(call), &ret->path,
                        &ret->left, err);
}

const RpcEntry rpc_entries_lodge_block[] = {
    RPC_ENTRY(lodge_disk_move),
    { 0 },
};

const RpcEntry rpc_entries_block[] = {
    RPC_ENTRY(domain_block_pull),         RPC_ENTRY(domain_block_rebase),
    RPC_ENTRY(domain_block_commit),       RPC_ENTRY(domain_block_copy),
    RPC_ENTRY(domain_block_job_abort),    RPC_ENTRY(domain_block_job_set_speed),
    RPC_ENTRY(domain_get_block_job_info), { 0 },
};
