/* What is written down about a machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_define.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

RPC_HANDLER(domain_define_xml)
{
    return rpc_answer_domain(vm_define(call->host, args->xml, 0, rpc_caller(call), err), &ret->dom);
}

RPC_HANDLER(domain_define_xml_flags)
{
    return rpc_answer_domain(vm_define(call->host, args->xml, args->flags, rpc_caller(call), err), &ret->dom);
}

RPC_VM_HANDLER(domain_undefine)
{
    return vm_undefine(vm, 0, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_undefine_flags)
{
    return vm_undefine(vm, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_rename)
{
    if (!vm_rename(vm, args->new_name, args->flags, rpc_caller(call), err))
        return false;
    ret->retcode = 0;
    return true;
}

RPC_VM_HANDLER(domain_set_metadata)
{
    return vm_set_metadata(vm, args->type, args->metadata, args->key, args->uri, args->flags,
                           rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_vcpus)
{
    return vm_set_vcpus(vm, args->nvcpus, VIR_DOMAIN_VCPU_LIVE, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_vcpus_flags)
{
    return vm_set_vcpus(vm, args->nvcpus, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_max_memory)
{
    uint64_t bytes = 0;

    return rpc_kib_to_bytes(args->memory, &bytes, err) &&
           vm_set_memory(vm, bytes, VIR_DOMAIN_MEM_MAXIMUM, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_memory)
{
    uint64_t bytes = 0;

    return rpc_kib_to_bytes(args->memory, &bytes, err) &&
           vm_set_memory(vm, bytes, VIR_DOMAIN_MEM_LIVE, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_memory_flags)
{
    uint64_t bytes = 0;

    return rpc_kib_to_bytes(args->memory, &bytes, err) &&
           vm_set_memory(vm, bytes, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_memory_stats_period)
{
    return vm_set_memory_stats_period(vm, args->period, args->flags, rpc_caller(call), err);
}

RPC_HANDLER(connect_domain_xml_to_native)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           vm_xml_to_native(call->host, args->native_format, args->domain_xml, &ret->native_config, err);
}

const RpcEntry rpc_entries_define[] = {
    RPC_ENTRY(domain_define_xml),
    RPC_ENTRY(domain_define_xml_flags),
    RPC_ENTRY(domain_undefine),
    RPC_ENTRY(domain_undefine_flags),
    RPC_ENTRY(domain_rename),
    RPC_ENTRY(domain_set_metadata),
    RPC_ENTRY(domain_set_vcpus),
    RPC_ENTRY(domain_set_vcpus_flags),
    RPC_ENTRY(domain_set_max_memory),
    RPC_ENTRY(domain_set_memory),
    RPC_ENTRY(domain_set_memory_flags),
    RPC_ENTRY(domain_set_memory_stats_period),
    RPC_ENTRY(connect_domain_xml_to_native),
    { 0 },
};
