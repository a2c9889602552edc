/* Checkpoints, and backups of libvirt's API. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_backup.h"
#include "machine/vm_checkpoint.h"
#include "rpc/convert.h"
#include "rpc/handle_object.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

#define CHECKPOINT_LIST_MAX 16384 /* of the protocol */

static void fill_handle(const Vm *vm, const char *name, WireDomainCheckpoint *ret_checkpoint)
{
    *ret_checkpoint = (WireDomainCheckpoint){ .name = g_strdup(name) };
    rpc_fill_handle(vm_object(vm), &ret_checkpoint->dom);
}

/* The machine whose checkpoint a client names, as `vm`. */
#define CHECKPOINT_HANDLER(proc)                                                                             \
    static bool handle_##proc##_of(RpcCall *call, Vm *vm, const wire_args_##proc *args,                      \
                                   wire_ret_##proc *ret, Error **err);                                       \
    RPC_HANDLER(proc)                                                                                        \
    {                                                                                                        \
        g_autoptr(Vm) vm = rpc_find_vm(call, &args->checkpoint.dom, err);                                    \
        return vm && handle_##proc##_of(call, vm, args, ret, err);                                           \
    }                                                                                                        \
    static bool handle_##proc##_of(RpcCall *call, Vm *vm, const wire_args_##proc *args,                      \
                                   wire_ret_##proc *ret, Error **err)

RPC_VM_HANDLER(domain_checkpoint_create_xml)
{
    g_autofree char *name = NULL;

    if (!vm_checkpoint_create(vm, args->xml_desc, args->flags, rpc_caller(call), &name, err))
        return false;
    fill_handle(vm, name, &ret->checkpoint);
    return true;
}

CHECKPOINT_HANDLER(domain_checkpoint_get_xml_desc)
{
    return vm_checkpoint_get_xml(vm, args->checkpoint.name, args->flags, rpc_caller(call), &ret->xml, err);
}

CHECKPOINT_HANDLER(domain_checkpoint_delete)
{
    return vm_checkpoint_delete(vm, args->checkpoint.name, args->flags, rpc_caller(call), err);
}

CHECKPOINT_HANDLER(domain_checkpoint_get_parent)
{
    g_autofree char *name = NULL;

    if (!vm_checkpoint_get_parent(vm, args->checkpoint.name, args->flags, &name, err))
        return false;
    fill_handle(vm, name, &ret->parent);
    return true;
}

RPC_VM_HANDLER(domain_checkpoint_lookup_by_name)
{
    g_autoptr(GPtrArray) names = NULL;

    /* A list from there finds it, too. */
    if (!rpc_check_flags(call, args->flags, 0, err) ||
        !vm_checkpoint_list(vm, args->name, 0, call->proc->api, &names, err))
        return false;
    fill_handle(vm, args->name, &ret->checkpoint);
    return true;
}

static bool answer_list(RpcCall *call, Vm *vm, const char *from, unsigned flags, bool is_wanted,
                        WireDomainCheckpoint **ret_list, uint32_t *ret_n, int32_t *ret_count, Error **err)
{
    g_autoptr(GPtrArray) names = NULL;

    if (!vm_checkpoint_list(vm, from, flags, call->proc->api, &names, err))
        return false;
    if (is_wanted && names->len > CHECKPOINT_LIST_MAX)
        return error_set(err, ERROR_OVERFLOW, "too many checkpoints: %u", names->len);
    *ret_count = (int32_t)names->len;
    if (!is_wanted)
        return true;
    *ret_list = g_new0(WireDomainCheckpoint, MAX(names->len, 1));
    *ret_n = names->len;
    for (guint i = 0; i < names->len; i++)
        fill_handle(vm, g_ptr_array_index(names, i), &(*ret_list)[i]);
    return true;
}

RPC_VM_HANDLER(domain_list_all_checkpoints)
{
    return answer_list(call, vm, NULL, args->flags, args->need_results, &ret->checkpoints,
                       &ret->n_checkpoints, &ret->ret, err);
}

CHECKPOINT_HANDLER(domain_checkpoint_list_all_children)
{
    return answer_list(call, vm, args->checkpoint.name, args->flags, args->need_results, &ret->checkpoints,
                       &ret->n_checkpoints, &ret->ret, err);
}

/* ---- backups ---- */

RPC_VM_HANDLER(domain_backup_begin)
{
    return vm_backup_begin(vm, args->backup_xml, args->checkpoint_xml, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_backup_get_xml_desc)
{
    return vm_backup_get_xml(vm, args->flags, &ret->xml, err);
}

const RpcEntry rpc_entries_checkpoint[] = {
    RPC_ENTRY(domain_backup_begin),
    RPC_ENTRY(domain_backup_get_xml_desc),
    RPC_ENTRY(domain_checkpoint_create_xml),
    RPC_ENTRY(domain_checkpoint_get_xml_desc),
    RPC_ENTRY(domain_checkpoint_delete),
    RPC_ENTRY(domain_checkpoint_get_parent),
    RPC_ENTRY(domain_checkpoint_lookup_by_name),
    RPC_ENTRY(domain_list_all_checkpoints),
    RPC_ENTRY(domain_checkpoint_list_all_children),
    { 0 },
};
