/* Network interfaces of the host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/hostif.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

static void fill_interface(const HostifInfo *info, WireInterface *ret_iface)
{
    *ret_iface = (WireInterface){ .name = g_strdup(info->name), .mac = g_strdup(info->mac) };
}

static bool answer_interface(HostifInfo *info, WireInterface *ret_iface)
{
    fill_interface(info, ret_iface);
    hostif_info_free(info);
    return true;
}

/* ---- lists ---- */

/* The older calls leave out what is neither up nor down. */
static bool list_plainly(RpcCall *call, bool active, GPtrArray **ret_infos, Error **err)
{
    const unsigned flags = active ? VIR_CONNECT_LIST_INTERFACES_ACTIVE : VIR_CONNECT_LIST_INTERFACES_INACTIVE;

    if (!hostif_list(call->host, flags, call->proc->api, ret_infos, err))
        return false;
    for (guint i = (*ret_infos)->len; !active && i-- > 0;) {
        if (!((const HostifInfo *)g_ptr_array_index(*ret_infos, i))->is_down)
            g_ptr_array_remove_index(*ret_infos, i);
    }
    return true;
}

static bool count(RpcCall *call, bool active, int32_t *ret_num, Error **err)
{
    g_autoptr(GPtrArray) infos = NULL;

    if (!list_plainly(call, active, &infos, err))
        return false;
    *ret_num = (int32_t)infos->len;
    return true;
}

static bool names(RpcCall *call, bool active, int32_t max, char ***ret_names, uint32_t *ret_n, Error **err)
{
    g_autoptr(GPtrArray) infos = NULL;

    if (max < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "maxnames is negative: %d", max);
    if (!list_plainly(call, active, &infos, err))
        return false;
    *ret_n = MIN(infos->len, (uint32_t)max);
    *ret_names = g_new0(char *, MAX(*ret_n, 1));
    for (uint32_t i = 0; i < *ret_n; i++)
        (*ret_names)[i] = g_strdup(((const HostifInfo *)g_ptr_array_index(infos, i))->name);
    return true;
}

RPC_HANDLER(connect_num_of_interfaces)
{
    return count(call, true, &ret->num, err);
}

RPC_HANDLER(connect_num_of_defined_interfaces)
{
    return count(call, false, &ret->num, err);
}

RPC_HANDLER(connect_list_interfaces)
{
    return names(call, true, args->maxnames, &ret->names, &ret->n_names, err);
}

RPC_HANDLER(connect_list_defined_interfaces)
{
    return names(call, false, args->maxnames, &ret->names, &ret->n_names, err);
}

RPC_HANDLER(connect_list_all_interfaces)
{
    g_autoptr(GPtrArray) infos = NULL;

    if (!hostif_list(call->host, args->flags, call->proc->api, &infos, err))
        return false;
    ret->ret = infos->len;
    if (!args->need_results)
        return true;
    ret->ifaces = g_new0(WireInterface, MAX(infos->len, 1));
    ret->n_ifaces = infos->len;
    for (guint i = 0; i < infos->len; i++)
        fill_interface(g_ptr_array_index(infos, i), &ret->ifaces[i]);
    return true;
}

/* ---- one ---- */

RPC_HANDLER(interface_lookup_by_name)
{
    HostifInfo *info = NULL;

    return hostif_find(call->host, args->name, &info, err) && answer_interface(info, &ret->iface);
}

RPC_HANDLER(interface_lookup_by_mac_string)
{
    HostifInfo *info = NULL;

    return hostif_find_by_mac(call->host, args->mac, &info, err) && answer_interface(info, &ret->iface);
}

RPC_HANDLER(interface_get_xml_desc)
{
    return hostif_get_xml(call->host, args->iface.name, args->flags, call->proc->api, &ret->xml, err);
}

RPC_HANDLER(interface_is_active)
{
    HostifInfo *info = NULL;

    if (!hostif_find(call->host, args->iface.name, &info, err))
        return false;
    ret->active = info->is_active;
    hostif_info_free(info);
    return true;
}

RPC_HANDLER(interface_define_xml)
{
    HostifInfo *info = NULL;

    return hostif_define(call->host, args->xml, args->flags, call->proc->api, rpc_caller(call), &info, err) &&
           answer_interface(info, &ret->iface);
}

RPC_HANDLER(interface_undefine)
{
    return hostif_undefine(call->host, args->iface.name, rpc_caller(call), err);
}

RPC_HANDLER(interface_create)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           hostif_start(call->host, args->iface.name, rpc_caller(call), err);
}

RPC_HANDLER(interface_destroy)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           hostif_stop(call->host, args->iface.name, rpc_caller(call), err);
}

/* ---- changes that can be taken back ---- */

RPC_HANDLER(interface_change_begin)
{
    return rpc_check_flags(call, args->flags, 0, err) && hostif_begin(call->host, rpc_caller(call), err);
}

RPC_HANDLER(interface_change_commit)
{
    return rpc_check_flags(call, args->flags, 0, err) && hostif_commit(call->host, rpc_caller(call), err);
}

RPC_HANDLER(interface_change_rollback)
{
    return rpc_check_flags(call, args->flags, 0, err) && hostif_rollback(call->host, rpc_caller(call), err);
}

const RpcEntry rpc_entries_interface[] = {
    RPC_ENTRY(connect_num_of_interfaces),
    RPC_ENTRY(connect_num_of_defined_interfaces),
    RPC_ENTRY(connect_list_interfaces),
    RPC_ENTRY(connect_list_defined_interfaces),
    RPC_ENTRY(connect_list_all_interfaces),
    RPC_ENTRY(interface_lookup_by_name),
    RPC_ENTRY(interface_lookup_by_mac_string),
    RPC_ENTRY(interface_get_xml_desc),
    RPC_ENTRY(interface_is_active),
    RPC_ENTRY(interface_define_xml),
    RPC_ENTRY(interface_undefine),
    RPC_ENTRY(interface_create),
    RPC_ENTRY(interface_destroy),
    RPC_ENTRY(interface_change_begin),
    RPC_ENTRY(interface_change_commit),
    RPC_ENTRY(interface_change_rollback),
    { 0 },
};

/* ---- the host on a bridge ---- */

/* The answers of both are laid out alike. */
static bool answer_plan(HostifBridgePlan *plan, void *answer)
{
    WireLodgeHostBridgePlanRet *ret = answer;

    *ret = (WireLodgeHostBridgePlanRet){ .link = g_strdup(plan->link),
                                         .bridge = g_strdup(plan->bridge),
                                         .manager = g_strdup(plan->manager),
                                         .steps = g_new0(char *, MAX(plan->steps->len, 1)),
                                         .n_steps = plan->steps->len,
                                         .confirm_s = plan->confirm_s };
    for (guint i = 0; i < plan->steps->len; i++)
        ret->steps[i] = g_strdup(g_ptr_array_index(plan->steps, i));
    hostif_bridge_plan_free(plan);
    return true;
}

RPC_HANDLER(lodge_host_bridge_plan)
{
    HostifBridgePlan *plan = NULL;

    return rpc_check_flags(call, args->flags, 0, err) &&
           hostif_bridge_plan(call->host, args->link, args->bridge, args->timeout_s, &plan, err) &&
           answer_plan(plan, ret);
}

RPC_HANDLER(lodge_host_bridge_make)
{
    HostifBridgePlan *plan = NULL;

    return rpc_check_flags(call, args->flags, 0, err) &&
           hostif_bridge_make(call->host, args->link, args->bridge, args->timeout_s, rpc_caller(call), &plan,
                              err) &&
           answer_plan(plan, ret);
}

RPC_HANDLER(lodge_host_bridge_confirm)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           hostif_bridge_confirm(call->host, rpc_caller(call), &ret->bridge, err);
}

RPC_HANDLER(lodge_host_bridge_revert)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           hostif_bridge_revert(call->host, rpc_caller(call), &ret->link, err);
}

const RpcEntry rpc_entries_host_bridge[] = {
    RPC_ENTRY(lodge_host_bridge_plan),
    RPC_ENTRY(lodge_host_bridge_make),
    RPC_ENTRY(lodge_host_bridge_confirm),
    RPC_ENTRY(lodge_host_bridge_revert),
    { 0 },
};
