/* Networks: what libvirt's protocol has no procedure for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/forward.h"
#include "network/network.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"

/* By its UUID or name. */
static Object *find_network(RpcCall *call, const char *text, Error **err)
{
    Registry *registry = host_registry(call->host, &network_class);
    Uuid uuid;

    if (uuid_parse(text, &uuid, NULL)) {
        Object *object = object_find_by_uuid(registry, &uuid, NULL, NULL);
        if (object)
            return object;
    }
    return object_find_by_name(registry, text, err);
}

RPC_HANDLER(lodge_network_forward)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Object) network = find_network(call, args->network, err);
    return network && network_forward_change(network, args->listen,
                                             args->remove   ? NULL
                                             : args->target ? args->target
                                                            : "",
                                             rpc_caller(call), err);
}

AWAITS static bool add_forwards(Object *network, GArray *list, Error **err)
{
    static const char *const protocols[] = { "tcp", "udp" };
    g_autoptr(GPtrArray) forwards = NULL;

    if (!port_forwards_read(network_def(network), &forwards, err))
        return false;
    for (guint i = 0; i < forwards->len; i++) {
        const PortForward *from = g_ptr_array_index(forwards, i);
        const WireLodgeForward to = { .network = g_strdup(object_name(network)),
                                      .protocol = g_strdup(protocols[from->is_udp]),
                                      .address = g_strdup(from->address),
                                      .port = from->port,
                                      .target = g_strdup(from->target),
                                      .target_port = from->target_port,
                                      .guest = network_forward_guest(network, from) };
        g_array_append_val(list, to);
    }
    return true;
}

RPC_HANDLER(lodge_network_forward_list)
{
    g_autoptr(GPtrArray) networks = NULL;
    g_autoptr(Object) one = NULL;
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(WireLodgeForward));
    bool ok = true;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (args->network && !(one = find_network(call, args->network, err)))
        return false;
    if (!one && !object_list(host_registry(call->host, &network_class), 0, call->proc->api, &networks, err))
        return false;
    if (one)
        ok = add_forwards(one, list, err);
    for (guint i = 0; ok && networks && i < networks->len; i++)
        ok = add_forwards(g_ptr_array_index(networks, i), list, err);
    ret->n_forwards = list->len;
    ret->forwards = (WireLodgeForward *)(void *)g_array_steal(list, NULL);
    return ok;
}

const RpcEntry rpc_entries_lodge_network[] = {
    RPC_ENTRY(lodge_network_forward),
    RPC_ENTRY(lodge_network_forward_list),
    { 0 },
};
