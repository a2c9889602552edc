/* Devices that are attached, detached and updated. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_device.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

/* The older calls mean a machine that runs. */
RPC_VM_HANDLER(domain_attach_device)
{
    return vm_attach_device(vm, args->xml, VIR_DOMAIN_DEVICE_MODIFY_LIVE, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_attach_device_flags)
{
    return vm_attach_device(vm, args->xml, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_detach_device)
{
    return vm_detach_device(vm, args->xml, VIR_DOMAIN_DEVICE_MODIFY_LIVE, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_detach_device_flags)
{
    return vm_detach_device(vm, args->xml, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_detach_device_alias)
{
    return vm_detach_device_alias(vm, args->alias, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_update_device_flags)
{
    return vm_update_device(vm, args->xml, args->flags, rpc_caller(call), err);
}

const RpcEntry rpc_entries_device[] = {
    RPC_ENTRY(domain_attach_device),
    RPC_ENTRY(domain_attach_device_flags),
    RPC_ENTRY(domain_detach_device),
    RPC_ENTRY(domain_detach_device_flags),
    RPC_ENTRY(domain_detach_device_alias),
    RPC_ENTRY(domain_update_device_flags),
    { 0 },
};
