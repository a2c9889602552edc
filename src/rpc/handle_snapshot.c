/* Snapshots: none can be made yet, so there are none; clients ask before they undefine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"
#include "rpc/handlers.h"

/* Flags that choose among snapshots, and the one that orders a list. */
#define SNAPSHOT_FILTERS 0x3ff
#define SNAPSHOT_TOPOLOGICAL 0x400

/* An answer that is all zero. */
#define NONE_OF(name, allowed)                                                                               \
    RPC_VM_HANDLER(name)                                                                                     \
    {                                                                                                        \
        return rpc_check_flags(call, args->flags, allowed, err);                                             \
    }

NONE_OF(domain_snapshot_num, SNAPSHOT_FILTERS)
NONE_OF(domain_snapshot_list_names, SNAPSHOT_FILTERS | SNAPSHOT_TOPOLOGICAL)
NONE_OF(domain_list_all_snapshots, SNAPSHOT_FILTERS | SNAPSHOT_TOPOLOGICAL)
NONE_OF(domain_has_current_snapshot, 0)

RPC_VM_HANDLER(domain_snapshot_current)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           error_set(err, ERROR_NO_SNAPSHOT, "the domain does not have a current snapshot");
}

RPC_VM_HANDLER(domain_snapshot_lookup_by_name)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           error_set(err, ERROR_NO_SNAPSHOT, "no domain snapshot with matching name '%s'", args->name);
}

/* What a client asks one that it made up, or that another server had. */
#define NO_SNAPSHOT(proc)                                                                                    \
    RPC_HANDLER(proc)                                                                                        \
    {                                                                                                        \
        g_autoptr(Vm) vm = rpc_find_vm(call, &args->snap.dom, err);                                          \
        return vm && error_set(err, ERROR_NO_SNAPSHOT, "no domain snapshot with matching name '%s'",         \
                               args->snap.name);                                                             \
    }

NO_SNAPSHOT(domain_snapshot_get_xml_desc)
NO_SNAPSHOT(domain_snapshot_get_parent)
NO_SNAPSHOT(domain_snapshot_num_children)
NO_SNAPSHOT(domain_snapshot_list_children_names)
NO_SNAPSHOT(domain_snapshot_is_current)
NO_SNAPSHOT(domain_snapshot_has_metadata)
NO_SNAPSHOT(domain_snapshot_delete)

const RpcEntry rpc_entries_snapshot[] = {
    RPC_ENTRY(domain_snapshot_num),          RPC_ENTRY(domain_snapshot_list_names),
    RPC_ENTRY(domain_list_all_snapshots),    RPC_ENTRY(domain_has_current_snapshot),
    RPC_ENTRY(domain_snapshot_current),      RPC_ENTRY(domain_snapshot_lookup_by_name),
    RPC_ENTRY(domain_snapshot_get_xml_desc), RPC_ENTRY(domain_snapshot_get_parent),
    RPC_ENTRY(domain_snapshot_num_children), RPC_ENTRY(domain_snapshot_list_children_names),
    RPC_ENTRY(domain_snapshot_is_current),   RPC_ENTRY(domain_snapshot_has_metadata),
    RPC_ENTRY(domain_snapshot_delete),       { 0 },
};
