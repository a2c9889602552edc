/* What connects a person with a guest: streams and display sockets. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "machine/vm_console.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"

RPC_VM_HANDLER(domain_open_console)
{
    return vm_open_console(vm, args->dev_name, args->flags, rpc_caller(call), &call->stream, err);
}

RPC_VM_HANDLER(domain_open_channel)
{
    return vm_open_channel(vm, args->name, args->flags, rpc_caller(call), &call->stream, err);
}

RPC_VM_HANDLER(domain_screenshot)
{
    return vm_screenshot(vm, args->screen, args->flags, rpc_caller(call), &call->stream, &ret->mime, err);
}

RPC_VM_HANDLER(domain_open_graphics)
{
    if (call->n_fds != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "one socket must come with this call, not %u",
                         call->n_fds);
    if (!vm_open_graphics(vm, args->idx, call->fds[0], args->flags, rpc_caller(call), err))
        return false;
    call->fds[0] = -1; /* it is the core's now */
    return true;
}

RPC_VM_HANDLER(domain_open_graphics_fd)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set_errno(err, errno, "cannot make a socket pair");
    AUTO_FD ours = pair[0];
    AUTO_FD theirs = pair[1];
    if (!vm_open_graphics(vm, args->idx, ours, args->flags, rpc_caller(call), err))
        return false;
    (void)fd_steal(&ours);
    int fd = fd_steal(&theirs);
    call->ret_fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_append_val(call->ret_fds, fd);
    return true;
}

const RpcEntry rpc_entries_console[] = {
    RPC_ENTRY(domain_open_console),  RPC_ENTRY(domain_open_channel),     RPC_ENTRY(domain_screenshot),
    RPC_ENTRY(domain_open_graphics), RPC_ENTRY(domain_open_graphics_fd), { 0 },
};
