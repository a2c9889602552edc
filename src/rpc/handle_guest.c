/* What the guest says and does through its agent. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_guest.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"

RPC_VM_HANDLER(domain_get_hostname)
{
    return vm_get_hostname(vm, args->flags, &ret->hostname, err);
}

RPC_VM_HANDLER(domain_get_time)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_get_time(vm, &ret->seconds, &ret->nseconds, err);
}

RPC_VM_HANDLER(domain_set_time)
{
    return vm_set_time(vm, args->seconds, args->nseconds, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_agent_set_response_timeout)
{
    return vm_agent_set_timeout(vm, args->timeout, args->flags, err);
}

RPC_VM_HANDLER(domain_get_guest_info)
{
    g_autoptr(Params) params = NULL;

    if (!vm_get_guest_info(vm, args->types, args->flags, &params, err))
        return false;
    rpc_params_to_wire(params, &ret->params, &ret->n_params);
    return true;
}

/* ---- file systems ---- */

RPC_VM_HANDLER(domain_fstrim)
{
    return vm_trim_filesystems(vm, args->mount_point, args->minimum, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_fsfreeze)
{
    return vm_freeze_filesystems(vm, args->mountpoints, args->n_mountpoints, args->flags, rpc_caller(call),
                                 &ret->filesystems, err);
}

RPC_VM_HANDLER(domain_fsthaw)
{
    return vm_thaw_filesystems(vm, args->n_mountpoints, args->flags, rpc_caller(call), &ret->filesystems,
                               err);
}

static void fill_filesystem(const GuestFilesystem *filesystem, WireDomainFsinfo *info)
{
    *info = (WireDomainFsinfo){ .mountpoint = g_strdup(filesystem->mountpoint),
                                .name = g_strdup(filesystem->name),
                                .fstype = g_strdup(filesystem->type),
                                .dev_aliases = g_new0(char *, filesystem->disks->len + 1) };
    for (guint i = 0; i < filesystem->disks->len; i++) {
        const GuestDisk *disk = filesystem->disks->pdata[i];
        if (disk->target)
            info->dev_aliases[info->n_dev_aliases++] = g_strdup(disk->target);
    }
}

RPC_VM_HANDLER(domain_get_fsinfo)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!vm_get_filesystems(vm, args->flags, &list, err))
        return false;
    ret->info = g_new0(WireDomainFsinfo, MAX(list->len, 1));
    ret->n_info = list->len;
    ret->ret = list->len;
    for (guint i = 0; i < list->len; i++)
        fill_filesystem(list->pdata[i], &ret->info[i]);
    return true;
}

/* ---- users ---- */

RPC_VM_HANDLER(domain_set_user_password)
{
    return vm_set_user_password(vm, args->user ? args->user : "", args->password ? args->password : "",
                                args->flags, err);
}

RPC_VM_HANDLER(domain_authorized_ssh_keys_get)
{
    g_autoptr(GPtrArray) keys = NULL;

    if (!vm_get_ssh_keys(vm, args->user, args->flags, &keys, err))
        return false;
    rpc_take_strings(keys, &ret->keys, &ret->n_keys);
    return true;
}

RPC_VM_HANDLER(domain_authorized_ssh_keys_set)
{
    return vm_set_ssh_keys(vm, args->user, args->keys, args->n_keys, args->flags, err);
}

/* ---- CPUs ---- */

RPC_VM_HANDLER(domain_get_guest_vcpus)
{
    g_autoptr(Params) params = NULL;

    if (!vm_get_guest_vcpus(vm, args->flags, &params, err))
        return false;
    rpc_params_to_wire(params, &ret->params, &ret->n_params);
    return true;
}

RPC_VM_HANDLER(domain_set_guest_vcpus)
{
    return vm_set_guest_vcpus(vm, args->cpumap, args->state, args->flags, err);
}

const RpcEntry rpc_entries_guest[] = {
    RPC_ENTRY(domain_get_hostname),
    RPC_ENTRY(domain_get_time),
    RPC_ENTRY(domain_set_time),
    RPC_ENTRY(domain_agent_set_response_timeout),
    RPC_ENTRY(domain_get_guest_info),
    RPC_ENTRY(domain_fstrim),
    RPC_ENTRY(domain_fsfreeze),
    RPC_ENTRY(domain_fsthaw),
    RPC_ENTRY(domain_get_fsinfo),
    RPC_ENTRY(domain_set_user_password),
    RPC_ENTRY(domain_authorized_ssh_keys_get),
    RPC_ENTRY(domain_authorized_ssh_keys_set),
    RPC_ENTRY(domain_get_guest_vcpus),
    RPC_ENTRY(domain_set_guest_vcpus),
    { 0 },
};
