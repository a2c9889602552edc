/* Networks: what libvirt's protocol has no procedure for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/ip.h"
#include "machine/vm_info.h"
#include "network/forward.h"
#include "network/network.h"
#include "network/resolve.h"
#include "network/trace.h"
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

RPC_HANDLER(lodge_network_make)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Object) network = network_make(call->host, args->name, args->forward, rpc_caller(call), err);
    if (!network)
        return false;
    const NetworkDef *def = network_def(network);
    const NetworkIp *ip = g_ptr_array_index(def->ips, 0);
    IpAddress address = { 0 };
    char first[IP_STRING_LEN];
    (void)ip_parse(ip->address, &address);
    address = ip_first(&address, network_ip_prefix(ip));
    ip_format(&address, first);
    ret->name = g_strdup(def->name);
    ret->bridge = g_strdup(def->bridge);
    ret->subnet = g_strdup_printf("%s/%u", first, network_ip_prefix(ip));
    return true;
}

RPC_HANDLER(lodge_network_resolve)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Object) network = find_network(call, args->network, err);
    return network && network_resolve(network, !args->off, rpc_caller(call), &ret->text, err);
}

/* ---- the way of packets ---- */

static void fill_steps(const GPtrArray *steps, WireLodgeNetworkTraceRet *ret)
{
    ret->steps = g_new0(WireLodgeTraceStep, MAX(steps->len, 1));
    ret->n_steps = steps->len;
    for (guint i = 0; i < steps->len; i++) {
        const TraceStep *from = g_ptr_array_index(steps, i);
        ret->steps[i] = (WireLodgeTraceStep){ .interface = g_strdup(from->interface),
                                              .what = g_strdup(from->what),
                                              .state = g_strdup(from->state),
                                              .text = g_strdup(from->text),
                                              .hint = g_strdup(from->hint) };
    }
}

RPC_HANDLER(lodge_network_trace)
{
    g_autoptr(GPtrArray) steps = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Vm) vm = rpc_find_vm_text(call, args->domain, err);
    if (!vm || !vm_trace_network(vm, &steps, err))
        return false;
    fill_steps(steps, ret);
    return true;
}

RPC_HANDLER(lodge_network_neighbours)
{
    g_autoptr(GPtrArray) steps = trace_new();

    if (!rpc_check_flags(call, args->flags, 0, err) || !network_trace_others(call->host, steps, err))
        return false;
    fill_steps(steps, ret);
    return true;
}

const RpcEntry rpc_entries_lodge_network[] = {
    RPC_ENTRY(lodge_network_forward),
    RPC_ENTRY(lodge_network_forward_list),
    RPC_ENTRY(lodge_network_trace),
    RPC_ENTRY(lodge_network_make),
    RPC_ENTRY(lodge_network_resolve),
    RPC_ENTRY(lodge_network_neighbours),
    { 0 },
};
