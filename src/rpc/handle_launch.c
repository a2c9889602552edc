/* Launch security: QEMU here cannot start such machines, so there is none to ask about. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_limits.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"

RPC_HANDLER(node_get_sev_info)
{
    return error_set(err, ERROR_OPERATION_UNSUPPORTED, "QEMU does not support SEV guest");
}

/* As the reference: of a machine without it there is nothing to tell, whatever the flags. */
RPC_VM_HANDLER(domain_get_launch_security_info)
{
    return true;
}

RPC_VM_HANDLER(domain_set_launch_security_state)
{
    static const ParamSpec known[] = { { "sev-secret-header", PARAM_STRING },
                                       { "sev-secret", PARAM_STRING },
                                       { "sev-secret-set-address", PARAM_ULLONG },
                                       { 0 } };
    g_autoptr(Params) params = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err) ||
        !rpc_read_params(args->params, args->n_params, &params, err) || !vm_check_params(params, known, err))
        return false;
    return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                     "setting a launch secret is only supported in SEV-enabled domains");
}

const RpcEntry rpc_entries_launch[] = {
    RPC_ENTRY(node_get_sev_info),
    RPC_ENTRY(domain_get_launch_security_info),
    RPC_ENTRY(domain_set_launch_security_state),
    { 0 },
};
