/* Tunables: scheduler, NUMA, memory and block limits (read-only for now), limits of interfaces. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_info.h"
#include "machine/vm_interface.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

/* Whether the client can take strings; the bit is not the core's business. */
#define STRINGS_OKAY(flags) (((flags)&VIR_TYPED_PARAM_STRING_OKAY) != 0)
#define CORE_FLAGS(flags) ((flags) & ~(uint32_t)VIR_TYPED_PARAM_STRING_OKAY)

RPC_VM_HANDLER(domain_get_scheduler_type)
{
    g_autoptr(Params) params = NULL;

    if (!vm_get_scheduler(vm, 0, &ret->type, &params, err))
        return false;
    ret->nparams = (int32_t)params_count(params);
    return true;
}

RPC_VM_HANDLER(domain_get_scheduler_parameters)
{
    g_autofree char *type = NULL;
    g_autoptr(Params) params = NULL;
    int32_t unused;

    if (!vm_get_scheduler(vm, 0, &type, &params, err))
        return false;
    if (args->nparams > 0)
        rpc_answer_params(params, args->nparams, false, &ret->params, &ret->n_params, &unused);
    return true;
}

RPC_VM_HANDLER(domain_get_scheduler_parameters_flags)
{
    g_autofree char *type = NULL;
    g_autoptr(Params) params = NULL;
    int32_t unused;

    if (!vm_get_scheduler(vm, CORE_FLAGS(args->flags), &type, &params, err))
        return false;
    if (args->nparams > 0)
        rpc_answer_params(params, args->nparams, STRINGS_OKAY(args->flags), &ret->params, &ret->n_params,
                          &unused);
    return true;
}

/* Clients ask twice: for the number, then for the parameters. */
#define RPC_TUNABLES(name, ...)                                                                              \
    RPC_VM_HANDLER(name)                                                                                     \
    {                                                                                                        \
        g_autoptr(Params) params = NULL;                                                                     \
        if (!(__VA_ARGS__))                                                                                  \
            return false;                                                                                    \
        rpc_answer_params(params, args->nparams, STRINGS_OKAY(args->flags), &ret->params, &ret->n_params,    \
                          &ret->nparams);                                                                    \
        return true;                                                                                         \
    }

RPC_TUNABLES(domain_get_numa_parameters, vm_get_numa(vm, CORE_FLAGS(args->flags), &params, err))
RPC_TUNABLES(domain_get_memory_parameters, vm_get_memory_tunables(vm, CORE_FLAGS(args->flags), &params, err))
RPC_TUNABLES(domain_get_blkio_parameters, vm_get_blkio_tunables(vm, CORE_FLAGS(args->flags), &params, err))
RPC_TUNABLES(domain_get_block_io_tune,
             vm_get_block_iotune(vm, args->disk, CORE_FLAGS(args->flags), &params, err))

/* How many there are does not depend on the interface, nor on whether there is one. */
RPC_TUNABLES(domain_get_interface_parameters,
             vm_get_interface_limits(vm, args->nparams > 0 ? args->device : NULL, CORE_FLAGS(args->flags),
                                     &params, err))

RPC_VM_HANDLER(domain_set_interface_parameters)
{
    InterfaceLimits limits = { 0 };

    return rpc_read_limits(args->params, args->n_params, &limits, err) &&
           vm_set_interface_limits(vm, args->device, &limits, args->flags, rpc_caller(call), err);
}

const RpcEntry rpc_entries_tunables[] = {
    RPC_ENTRY(domain_get_scheduler_type),
    RPC_ENTRY(domain_get_scheduler_parameters),
    RPC_ENTRY(domain_get_scheduler_parameters_flags),
    RPC_ENTRY(domain_get_numa_parameters),
    RPC_ENTRY(domain_get_memory_parameters),
    RPC_ENTRY(domain_get_blkio_parameters),
    RPC_ENTRY(domain_get_block_io_tune),
    RPC_ENTRY(domain_get_interface_parameters),
    RPC_ENTRY(domain_set_interface_parameters),
    { 0 },
};
