/* Smaller changes of running machines: thresholds, announcements, what happens at their end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "machine/vm_autostart.h"
#include "machine/vm_fd_group.h"
#include "machine/vm_info.h"
#include "machine/vm_interface.h"
#include "machine/vm_life.h"
#include "machine/vm_limits.h"
#include "qemu/monitor.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"

RPC_VM_HANDLER(domain_set_lifecycle_action)
{
    return vm_set_lifecycle_action(vm, args->type, args->action, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_block_threshold)
{
    return vm_set_block_threshold(vm, args->dev, args->threshold, args->flags, rpc_caller(call), err);
}

static bool read_announce(const WireTypedParam *params, uint32_t count, MonitorAnnounce *announce,
                          Error **err)
{
    struct {
        const char *name;
        unsigned *value;
    } known[] = { { "initial", &announce->initial_ms },
                  { "max", &announce->max_ms },
                  { "rounds", &announce->rounds },
                  { "step", &announce->step_ms } };

    for (uint32_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < G_N_ELEMENTS(known) && strcmp(known[k].name, params[i].field) != 0)
            k++;
        if (k == G_N_ELEMENTS(known))
            return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "parameter '%s' not supported",
                             params[i].field);
        if (params[i].value.type != PARAM_UINT)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' is not an unsigned number",
                             params[i].field);
        *known[k].value = params[i].value.ui;
    }
    return true;
}

RPC_VM_HANDLER(domain_announce_interface)
{
    MonitorAnnounce announce = { .initial_ms = 50, .max_ms = 550, .rounds = 5, .step_ms = 100 };

    return read_announce(args->params, args->n_params, &announce, err) &&
           vm_announce_interface(vm, args->device, &announce, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_graphics_reload)
{
    return vm_reload_graphics(vm, args->type, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_set_throttle_group)
{
    g_autoptr(Params) params = NULL;

    return rpc_read_params(args->params, args->n_params, &params, err) &&
           vm_set_throttle_group(vm, args->group, params, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_del_throttle_group)
{
    return vm_delete_throttle_group(vm, args->group, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_fd_associate)
{
    return vm_associate_fds(vm, args->name, call->fds, call->n_fds, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_get_autostart_once)
{
    ret->autostart = vm_has_autostart_once(vm);
    return true;
}

RPC_VM_HANDLER(domain_set_autostart_once)
{
    return vm_set_autostart_once(vm, args->autostart != 0, rpc_caller(call), err);
}

const RpcEntry rpc_entries_machine[] = {
    RPC_ENTRY(domain_fd_associate),         RPC_ENTRY(domain_get_autostart_once),
    RPC_ENTRY(domain_set_autostart_once),   RPC_ENTRY(domain_graphics_reload),
    RPC_ENTRY(domain_set_throttle_group),   RPC_ENTRY(domain_del_throttle_group),
    RPC_ENTRY(domain_set_lifecycle_action), RPC_ENTRY(domain_set_block_threshold),
    RPC_ENTRY(domain_announce_interface),   { 0 },
};
