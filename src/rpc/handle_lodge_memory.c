/* Machines that go on from the memory of another one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_memory_clone.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

RPC_HANDLER(lodge_memory_keep)
{
    g_autoptr(Vm) vm = rpc_find_vm(call, &args->dom, err);
    g_auto(KeptMemoryInfo) info = { 0 };

    if (!vm || !rpc_check_flags(call, args->flags, LODGE_MEMORY_KEEP_QUIESCE, err) ||
        !vm_memory_keep(vm, args->snapshot_xml, args->flags & LODGE_MEMORY_KEEP_QUIESCE, rpc_caller(call),
                        &info, err))
        return false;
    ret->memory = g_steal_pointer(&info.id);
    ret->xml = g_steal_pointer(&info.xml);
    ret->snapshot = g_steal_pointer(&info.snapshot);
    return true;
}

RPC_HANDLER(lodge_memory_start)
{
    g_autoptr(Vm) vm = rpc_find_vm(call, &args->dom, err);

    return vm && rpc_check_flags(call, args->flags, 0, err) &&
           vm_memory_start(vm, args->memory, rpc_caller(call), &ret->cards, err);
}

RPC_HANDLER(lodge_memory_release)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           vm_memory_release(call->host, args->memory, rpc_caller(call), err);
}

const RpcEntry rpc_entries_lodge_memory[] = {
    RPC_ENTRY(lodge_memory_keep),
    RPC_ENTRY(lodge_memory_release),
    RPC_ENTRY(lodge_memory_start),
    { 0 },
};
