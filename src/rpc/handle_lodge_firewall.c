/* Security groups. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "machine/vm_firewall.h"
#include "network/filter_group.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"

static char **take_texts(const GPtrArray *texts)
{
    char **list = g_new0(char *, texts->len + 1);

    for (guint i = 0; i < texts->len; i++)
        list[i] = g_strdup(g_ptr_array_index(texts, i));
    return list;
}

/* Of a machine that went its UUID. */
static char *machine_name(Host *host, const char *text)
{
    Uuid uuid;
    g_autoptr(Vm) vm = uuid_parse(text, &uuid, NULL) ? vm_find_by_uuid(host, &uuid, NULL, NULL) : NULL;

    return g_strdup(vm ? object_name((const Object *)vm) : text);
}

RPC_HANDLER(lodge_firewall_list)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(GPtrArray) groups = filter_group_list(call->host);
    ret->groups = g_new0(WireLodgeFirewallGroup, MAX(groups->len, 1));
    ret->n_groups = groups->len;
    for (guint i = 0; i < groups->len; i++) {
        const FilterGroupInfo *from = g_ptr_array_index(groups, i);
        WireLodgeFirewallGroup *to = &ret->groups[i];
        *to = (WireLodgeFirewallGroup){ .name = g_strdup(from->name),
                                        .rules = take_texts(from->rules),
                                        .n_rules = from->rules->len,
                                        .members = g_new0(char *, from->members->len + 1),
                                        .n_members = from->members->len };
        for (guint k = 0; k < from->members->len; k++)
            to->members[k] = machine_name(call->host, g_ptr_array_index(from->members, k));
    }
    return true;
}

/* A machine that was undefined may come back, until its groups go. */
AWAITS static void forget_gone_members(Host *host, const char *name)
{
    g_autoptr(GPtrArray) groups = filter_group_list(host);

    for (guint i = 0; i < groups->len; i++) {
        const FilterGroupInfo *group = g_ptr_array_index(groups, i);
        for (guint k = 0; strcmp(group->name, name) == 0 && k < group->members->len; k++) {
            Uuid uuid;
            if (!uuid_parse(g_ptr_array_index(group->members, k), &uuid, NULL))
                continue;
            g_autoptr(Vm) vm = vm_find_by_uuid(host, &uuid, NULL, NULL);
            if (!vm)
                filter_group_forget(host, &uuid);
        }
    }
}

RPC_HANDLER(lodge_firewall_group)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (args->remove)
        forget_gone_members(call->host, args->name);
    return args->remove ? filter_group_delete(call->host, args->name, rpc_caller(call), err)
                        : filter_group_create(call->host, args->name, rpc_caller(call), err);
}

RPC_HANDLER(lodge_firewall_rule)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           filter_group_change(call->host, args->group, args->rule, args->remove, rpc_caller(call), err);
}

RPC_HANDLER(lodge_firewall_member)
{
    g_autoptr(Vm) vm = vm_find_by_name(call->host, args->domain, err);

    return vm && rpc_check_flags(call, args->flags, 0, err) &&
           vm_firewall_join(vm, args->group, args->leave, rpc_caller(call), err);
}

const RpcEntry rpc_entries_lodge_firewall[] = {
    RPC_ENTRY(lodge_firewall_list),
    RPC_ENTRY(lodge_firewall_group),
    RPC_ENTRY(lodge_firewall_rule),
    RPC_ENTRY(lodge_firewall_member),
    { 0 },
};
