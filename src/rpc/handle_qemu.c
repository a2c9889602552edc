/* The program for what only QEMU has: its monitor, its events, the guest agent. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_guest.h"
#include "machine/vm_info.h"
#include "rpc/convert.h"
#include "rpc/events.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

RPC_VM_HANDLER(qemu_domain_monitor_command)
{
    return vm_monitor_command(vm, args->cmd, -1, args->flags, rpc_caller(call), &ret->result, err);
}

RPC_VM_HANDLER(qemu_domain_monitor_command_with_files)
{
    if (call->n_fds > 1) /* none of QEMU's commands takes more, and none answers with any */
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "QEMU takes one file descriptor with a command, not %u", call->n_fds);
    return vm_monitor_command(vm, args->cmd, call->n_fds ? call->fds[0] : -1, args->flags, rpc_caller(call),
                              &ret->result, err);
}

RPC_VM_HANDLER(qemu_domain_agent_command)
{
    return vm_agent_command(vm, args->cmd, args->timeout, args->flags, rpc_caller(call), &ret->result, err);
}

RPC_HANDLER(qemu_connect_domain_monitor_event_register)
{
    RpcEventFilter filter = { .kind = RPC_EVENT_QEMU,
                              .event_id = EVENT_QEMU_MONITOR,
                              .uuid = args->dom ? &args->dom->uuid : NULL,
                              .qemu_event = args->event,
                              .qemu_flags = args->flags };

    return rpc_check_flags(call, args->flags,
                           VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX |
                               VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE,
                           err) &&
           rpc_events_add(call->client, &filter, &ret->callback_id, err);
}

RPC_HANDLER(qemu_connect_domain_monitor_event_deregister)
{
    return rpc_events_remove(call->client, RPC_EVENT_QEMU, args->callback_id, err);
}

const RpcEntry rpc_entries_qemu[] = {
    RPC_ENTRY(qemu_domain_monitor_command),
    RPC_ENTRY(qemu_domain_monitor_command_with_files),
    RPC_ENTRY(qemu_domain_agent_command),
    RPC_ENTRY(qemu_connect_domain_monitor_event_register),
    RPC_ENTRY(qemu_connect_domain_monitor_event_deregister),
    { 0 },
};
