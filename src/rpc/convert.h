/* Between the core's types and the wire's: machines, typed parameters, lists. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/params.h"
#include "machine/vm.h"
#include "rpc/dispatch.h"
#include "wire/wire_gen.h"

/* The machine that a client means: by UUID alone, its name and id may be stale. A reference. */
Vm *rpc_find_vm(RpcCall *call, const WireDomain *dom, Error **err);
/* By name, by UUID or by number, in the order that virsh takes an argument. A reference. */
Vm *rpc_find_vm_text(RpcCall *call, const char *text, Error **err);
/* Answers with @vm (taken): fills *ret_dom with owned strings. false if it is NULL. */
bool rpc_answer_domain(Vm *vm, WireDomain *ret_dom);

/* RPC_HANDLER for procedures whose arguments name a domain: finds it, holds a reference and hands it over as
 * `vm`. */
#define RPC_VM_HANDLER(name)                                                                                 \
    static bool handle_##name##_vm(RpcCall *call, Vm *vm, const wire_args_##name *args,                      \
                                   wire_ret_##name *ret, Error **err);                                       \
    static bool handle_##name(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        const wire_args_##name *typed = args;                                                                \
        g_autoptr(Vm) vm = rpc_find_vm(call, &typed->dom, err);                                              \
        return vm && handle_##name##_vm(call, vm, typed, ret, err);                                          \
    }                                                                                                        \
    static bool handle_##name##_vm(RpcCall *call, Vm *vm, const wire_args_##name *args,                      \
                                   wire_ret_##name *ret, Error **err)

/* A copy; NULL is an empty list. */
void rpc_params_to_wire(const Params *params, WireTypedParam **ret_params, uint32_t *ret_count);
void rpc_params_free(WireTypedParam *params, uint32_t count);
/* Appends @params as the codec writes a list of them, without its walk through the tables. ERROR_OVERFLOW */
MUST_CHECK bool rpc_params_encode(const Params *params, WireBuffer *out, Error **err);

/* The answer of getters that clients call twice: with @nparams 0 they ask how many there are. Without
 * @strings (the client cannot take them) parameters of type string are left out. Longer than @nparams: cut.
 */
void rpc_answer_params(const Params *params, int32_t nparams, bool strings, WireTypedParam **ret_params,
                       uint32_t *ret_count, int32_t *ret_nparams);

/* ERROR_INVALID_ARGUMENT "unsupported flags (0x4) in function virDomainX" for bits outside @allowed. */
MUST_CHECK bool rpc_check_flags(const RpcCall *call, uint32_t flags, uint32_t allowed, Error **err);

/* KiB of the wire to the core's bytes. */
MUST_CHECK bool rpc_kib_to_bytes(uint64_t kib, uint64_t *ret_bytes, Error **err);

/* A strdup'ed array of strings for a list reply. */
void rpc_take_strings(GPtrArray *strings, char ***ret_strings, uint32_t *ret_count);

/* The parameters that a client has sent. Owned. ERROR_INVALID_ARGUMENT: a name that no parameter has. */
MUST_CHECK bool rpc_read_params(const WireTypedParam *params, uint32_t count, Params **ret_params,
                                Error **err);

typedef struct InterfaceLimits InterfaceLimits; /* machine/vm_interface.h */
/* Limits of an interface from "inbound.average" ...; a direction of which nothing is said stays.
 * ERROR_INVALID_ARGUMENT: another name or type. */
MUST_CHECK bool rpc_read_limits(const WireTypedParam *params, uint32_t count, InterfaceLimits *ret_limits,
                                Error **err);
