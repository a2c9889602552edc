/* Snapshots of machines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_snapshot.h"
#include "machine/vm_snapshot_schedule.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"

/* ---- a machine's ---- */

static bool answer_snapshot(const Vm *vm, const Moment *snapshot, WireDomainSnapshot *ret_snap)
{
    ret_snap->name = g_strdup(moment_name(snapshot));
    return rpc_answer_domain(vm_ref((Vm *)vm), &ret_snap->dom);
}

static void answer_list(const Vm *vm, const GPtrArray *list, bool need_results,
                        WireDomainSnapshot **ret_snapshots, uint32_t *ret_n, int32_t *ret_count)
{
    *ret_count = (int32_t)list->len;
    if (!need_results)
        return;
    *ret_snapshots = g_new0(WireDomainSnapshot, MAX(list->len, 1));
    *ret_n = list->len;
    for (guint i = 0; i < list->len; i++)
        (void)answer_snapshot(vm, g_ptr_array_index(list, i), &(*ret_snapshots)[i]);
}

static bool answer_names(const GPtrArray *list, int32_t max, char ***ret_names, uint32_t *ret_n, Error **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (max < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "maxnames must not be negative");
    for (guint i = 0; i < list->len && i < (guint)max; i++)
        g_ptr_array_add(names, (char *)moment_name(g_ptr_array_index(list, i)));
    rpc_take_strings(names, ret_names, ret_n);
    return true;
}

RPC_VM_HANDLER(domain_snapshot_create_xml)
{
    g_autoptr(Moment) snapshot = vm_snapshot_create(vm, args->xml_desc, args->flags, rpc_caller(call), err);

    return snapshot && answer_snapshot(vm, snapshot, &ret->snap);
}

RPC_VM_HANDLER(domain_snapshot_num)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!vm_snapshot_list(vm, NULL, args->flags, "qemuDomainSnapshotNum", &list, err))
        return false;
    ret->num = (int32_t)list->len;
    return true;
}

RPC_VM_HANDLER(domain_snapshot_list_names)
{
    g_autoptr(GPtrArray) list = NULL;

    return vm_snapshot_list(vm, NULL, args->flags, "qemuDomainSnapshotListNames", &list, err) &&
           answer_names(list, args->maxnames, &ret->names, &ret->n_names, err);
}

RPC_VM_HANDLER(domain_list_all_snapshots)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!vm_snapshot_list(vm, NULL, args->flags, "qemuDomainListAllSnapshots", &list, err))
        return false;
    answer_list(vm, list, args->need_results, &ret->snapshots, &ret->n_snapshots, &ret->ret);
    return true;
}

RPC_VM_HANDLER(domain_has_current_snapshot)
{
    g_autoptr(Moment) snapshot = vm_snapshot_current(vm, NULL);

    ret->result = snapshot != NULL;
    return rpc_check_flags(call, args->flags, 0, err);
}

RPC_VM_HANDLER(domain_snapshot_current)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Moment) snapshot = vm_snapshot_current(vm, err);
    return snapshot && answer_snapshot(vm, snapshot, &ret->snap);
}

RPC_VM_HANDLER(domain_snapshot_lookup_by_name)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Moment) snapshot = vm_snapshot_find(vm, args->name, err);
    return snapshot && answer_snapshot(vm, snapshot, &ret->snap);
}

/* ---- one ---- */

/* RPC_HANDLER for procedures whose arguments name a snapshot in @member: it is handed over as `snapshot`, its
 * machine as `vm`. */
#define RPC_SNAPSHOT_HANDLER_(proc, member, Ret)                                                             \
    static bool handle_##proc##_snapshot(RpcCall *call, Vm *vm, Moment *snapshot,                            \
                                         const wire_args_##proc *args, Ret *ret, Error **err);               \
    static bool handle_##proc(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        const wire_args_##proc *typed = args;                                                                \
        g_autoptr(Vm) vm = rpc_find_vm(call, &typed->member.dom, err);                                       \
        g_autoptr(Moment) snapshot = vm ? vm_snapshot_find(vm, typed->member.name, err) : NULL;              \
        return snapshot && handle_##proc##_snapshot(call, vm, snapshot, typed, ret, err);                    \
    }                                                                                                        \
    static bool handle_##proc##_snapshot(RpcCall *call, Vm *vm, Moment *snapshot,                            \
                                         const wire_args_##proc *args, Ret *ret, Error **err)
#define RPC_SNAPSHOT_HANDLER(proc) RPC_SNAPSHOT_HANDLER_(proc, snap, wire_ret_##proc)

RPC_SNAPSHOT_HANDLER(domain_snapshot_get_xml_desc)
{
    return vm_snapshot_get_xml(snapshot, args->flags, rpc_caller(call), &ret->xml, err);
}

RPC_SNAPSHOT_HANDLER(domain_snapshot_get_parent)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Moment) parent = vm_snapshot_parent(snapshot, err);
    return parent && answer_snapshot(vm, parent, &ret->snap);
}

RPC_SNAPSHOT_HANDLER(domain_snapshot_num_children)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!vm_snapshot_list(vm, snapshot, args->flags, "qemuDomainSnapshotNumChildren", &list, err))
        return false;
    ret->num = (int32_t)list->len;
    return true;
}

RPC_SNAPSHOT_HANDLER(domain_snapshot_list_children_names)
{
    g_autoptr(GPtrArray) list = NULL;

    return vm_snapshot_list(vm, snapshot, args->flags, "qemuDomainSnapshotListChildrenNames", &list, err) &&
           answer_names(list, args->maxnames, &ret->names, &ret->n_names, err);
}

RPC_SNAPSHOT_HANDLER_(domain_snapshot_list_all_children, snapshot, wire_ret_domain_snapshot_list_all_children)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!vm_snapshot_list(vm, snapshot, args->flags, "qemuDomainSnapshotListAllChildren", &list, err))
        return false;
    answer_list(vm, list, args->need_results, &ret->snapshots, &ret->n_snapshots, &ret->ret);
    return true;
}

RPC_SNAPSHOT_HANDLER(domain_snapshot_is_current)
{
    ret->current = vm_snapshot_is_current(snapshot);
    return rpc_check_flags(call, args->flags, 0, err);
}

/* Others than those that the daemon keeps do not get so far. */
RPC_SNAPSHOT_HANDLER(domain_snapshot_has_metadata)
{
    ret->metadata = 1;
    return rpc_check_flags(call, args->flags, 0, err);
}

RPC_SNAPSHOT_HANDLER_(domain_revert_to_snapshot, snap, void)
{
    return vm_snapshot_revert(vm, snapshot, args->flags, rpc_caller(call), err);
}

RPC_SNAPSHOT_HANDLER_(domain_snapshot_delete, snap, void)
{
    return vm_snapshot_delete(vm, snapshot, args->flags, rpc_caller(call), err);
}

/* ---- Lodge's own ---- */

RPC_HANDLER(lodge_snapshot_schedule)
{
    enum { SET = 1 };
    g_autoptr(Vm) vm = rpc_find_vm_text(call, args->domain, err);

    if (!vm || !rpc_check_flags(call, args->flags, SET, err) ||
        ((args->flags & SET) &&
         !vm_snapshot_set_schedule(vm, args->interval_s, args->keep, rpc_caller(call), err)))
        return false;
    const VmSchedule *schedule = vm_snapshot_get_schedule(vm);
    ret->interval_s = schedule->interval_s;
    ret->keep = schedule->keep;
    ret->next_s = schedule->next_s;
    ret->problem = g_strdup(schedule->problem);
    return true;
}

const RpcEntry rpc_entries_lodge_snapshot[] = {
    RPC_ENTRY(lodge_snapshot_schedule),
    { 0 },
};

const RpcEntry rpc_entries_snapshot[] = {
    RPC_ENTRY(domain_snapshot_create_xml),
    RPC_ENTRY(domain_snapshot_num),
    RPC_ENTRY(domain_snapshot_list_names),
    RPC_ENTRY(domain_list_all_snapshots),
    RPC_ENTRY(domain_has_current_snapshot),
    RPC_ENTRY(domain_snapshot_current),
    RPC_ENTRY(domain_snapshot_lookup_by_name),
    RPC_ENTRY(domain_snapshot_get_xml_desc),
    RPC_ENTRY(domain_snapshot_get_parent),
    RPC_ENTRY(domain_snapshot_num_children),
    RPC_ENTRY(domain_snapshot_list_children_names),
    RPC_ENTRY(domain_snapshot_list_all_children),
    RPC_ENTRY(domain_snapshot_is_current),
    RPC_ENTRY(domain_snapshot_has_metadata),
    RPC_ENTRY(domain_revert_to_snapshot),
    RPC_ENTRY(domain_snapshot_delete),
    { 0 },
};
