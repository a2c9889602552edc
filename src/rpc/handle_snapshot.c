/* Snapshots and checkpoints: none can be made yet, so there are none; clients ask before they undefine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"
#include "rpc/handlers.h"

RPC_VM_HANDLER(domain_snapshot_num)
{
    ret->num = 0;
    return true;
}

RPC_VM_HANDLER(domain_snapshot_list_names)
{
    return true;
}

RPC_VM_HANDLER(domain_list_all_snapshots)
{
    return true;
}

RPC_VM_HANDLER(domain_has_current_snapshot)
{
    ret->result = 0;
    return true;
}

RPC_VM_HANDLER(domain_snapshot_current)
{
    return error_set(err, ERROR_NO_SNAPSHOT, "the domain does not have a current snapshot");
}

RPC_VM_HANDLER(domain_snapshot_lookup_by_name)
{
    return error_set(err, ERROR_NO_SNAPSHOT, "no domain snapshot with matching name '%s'", args->name);
}

RPC_VM_HANDLER(domain_list_all_checkpoints)
{
    return true;
}

RPC_VM_HANDLER(domain_checkpoint_lookup_by_name)
{
    return error_set(err, ERROR_NO_CHECKPOINT, "no domain checkpoint with matching name '%s'", args->name);
}

const RpcEntry rpc_entries_snapshot[] = {
    RPC_ENTRY(domain_snapshot_num),
    RPC_ENTRY(domain_snapshot_list_names),
    RPC_ENTRY(domain_list_all_snapshots),
    RPC_ENTRY(domain_has_current_snapshot),
    RPC_ENTRY(domain_snapshot_current),
    RPC_ENTRY(domain_snapshot_lookup_by_name),
    RPC_ENTRY(domain_list_all_checkpoints),
    RPC_ENTRY(domain_checkpoint_lookup_by_name),
    { 0 },
};
