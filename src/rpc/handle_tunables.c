/* Tunables: scheduler, CPUs, NUMA, memory and block limits, I/O threads, performance events; limits of
 * interfaces. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_info.h"
#include "machine/vm_interface.h"
#include "machine/vm_limits.h"
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

/* Setters that take a list of parameters. */
#define RPC_SET_PARAMS(name, ...)                                                                            \
    RPC_VM_HANDLER(name)                                                                                     \
    {                                                                                                        \
        g_autoptr(Params) params = NULL;                                                                     \
        return rpc_read_params(args->params, args->n_params, &params, err) && (__VA_ARGS__);                 \
    }

RPC_SET_PARAMS(domain_set_scheduler_parameters, vm_set_scheduler(vm, params, 0, rpc_caller(call), err))
RPC_SET_PARAMS(domain_set_scheduler_parameters_flags,
               vm_set_scheduler(vm, params, args->flags, rpc_caller(call), err))
RPC_SET_PARAMS(domain_set_memory_parameters,
               vm_set_memory_tunables(vm, params, args->flags, rpc_caller(call), err))
RPC_SET_PARAMS(domain_set_numa_parameters, vm_set_numa(vm, params, args->flags, rpc_caller(call), err))
RPC_SET_PARAMS(domain_set_blkio_parameters,
               vm_set_blkio_tunables(vm, params, args->flags, rpc_caller(call), err))
RPC_SET_PARAMS(domain_set_block_io_tune,
               vm_set_block_iotune(vm, args->disk, params, args->flags, rpc_caller(call), err))
RPC_SET_PARAMS(domain_set_iothread_params,
               vm_set_iothread(vm, args->iothread_id, params, args->flags, rpc_caller(call), err))
RPC_SET_PARAMS(domain_set_perf_events, vm_set_perf_events(vm, params, args->flags, rpc_caller(call), err))

RPC_VM_HANDLER(domain_get_perf_events)
{
    g_autoptr(Params) params = NULL;

    if (!vm_get_perf_events(vm, args->flags, &params, err))
        return false;
    rpc_params_to_wire(params, &ret->params, &ret->n_params);
    return true;
}

/* The older one is about machines that run. */
RPC_VM_HANDLER(domain_pin_vcpu)
{
    return vm_pin_vcpu(vm, args->vcpu, args->cpumap.data, args->cpumap.len, VIR_DOMAIN_AFFECT_LIVE,
                       rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_pin_vcpu_flags)
{
    return vm_pin_vcpu(vm, args->vcpu, args->cpumap.data, args->cpumap.len, args->flags, rpc_caller(call),
                       err);
}

RPC_VM_HANDLER(domain_pin_emulator)
{
    return vm_pin_emulator(vm, args->cpumap.data, args->cpumap.len, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_pin_iothread)
{
    return vm_pin_iothread(vm, args->iothreads_id, args->cpumap.data, args->cpumap.len, args->flags,
                           rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_add_iothread)
{
    return vm_add_iothread(vm, args->iothread_id, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_del_iothread)
{
    return vm_del_iothread(vm, args->iothread_id, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_vcpu)
{
    return vm_set_vcpu(vm, args->cpumap, args->state, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_memory_peek)
{
    if (!vm_memory_peek(vm, args->offset, args->size, args->flags, rpc_caller(call), &ret->buffer.data, err))
        return false;
    ret->buffer.len = args->size;
    return true;
}

RPC_VM_HANDLER(domain_block_peek)
{
    if (!vm_block_peek(vm, args->path, args->offset, args->size, args->flags, &ret->buffer.data, err))
        return false;
    ret->buffer.len = args->size;
    return true;
}

RPC_VM_HANDLER(domain_start_dirty_rate_calc)
{
    return vm_start_dirty_rate(vm, args->seconds, args->flags, rpc_caller(call), err);
}

const RpcEntry rpc_entries_tunables[] = {
    RPC_ENTRY(domain_set_scheduler_parameters),
    RPC_ENTRY(domain_set_scheduler_parameters_flags),
    RPC_ENTRY(domain_set_memory_parameters),
    RPC_ENTRY(domain_set_numa_parameters),
    RPC_ENTRY(domain_set_blkio_parameters),
    RPC_ENTRY(domain_set_block_io_tune),
    RPC_ENTRY(domain_set_iothread_params),
    RPC_ENTRY(domain_get_perf_events),
    RPC_ENTRY(domain_set_perf_events),
    RPC_ENTRY(domain_pin_vcpu),
    RPC_ENTRY(domain_pin_vcpu_flags),
    RPC_ENTRY(domain_pin_emulator),
    RPC_ENTRY(domain_pin_iothread),
    RPC_ENTRY(domain_add_iothread),
    RPC_ENTRY(domain_del_iothread),
    RPC_ENTRY(domain_set_vcpu),
    RPC_ENTRY(domain_memory_peek),
    RPC_ENTRY(domain_block_peek),
    RPC_ENTRY(domain_start_dirty_rate_calc),
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
