/* Machines whose network was stopped under them and started again: their taps come back onto the new bridge,
 * and the guest sees its cable go and come, so that it asks for its address again. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "base/log.h"
#include "machine/vm_private.h"

typedef struct Rejoin {
    Host *host;
    char *network;
} Rejoin;

AWAITS static void flap_link(Vm *vm, const InterfaceDef *iface)
{
    g_autoptr(Error) err = NULL;

    if (!vm_monitor(vm) || iface->link == LINK_STATE_DOWN)
        return;
    if (!monitor_set_link(vm_monitor(vm), iface->info.alias, false, 0, &err) ||
        !monitor_set_link(vm_monitor(vm), iface->info.alias, true, 0, &err))
        log_warning_error(err, vm->name);
}

AWAITS static void rejoin_vm(Vm *vm, const char *network)
{
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, NULL) || !vm->live || !vm->run)
        return;
    for (unsigned i = 0; vm->live && i < def_list_len(vm->live->interfaces); i++) {
        InterfaceDef *iface = g_ptr_array_index(vm->live->interfaces, i);
        g_autoptr(Error) err = NULL;
        bool changed = false;
        if (iface->type != INTERFACE_NETWORK || g_strcmp0(iface->source, network) != 0 || !iface->target)
            continue;
        if (!network_replug(vm->host, vm->name, &vm->uuid, iface, &changed, &err)) {
            log_warning_error(err, vm->name);
        } else if (changed) {
            log_info("interface '%s' of machine '%s' is on network '%s' again", iface->target, vm->name,
                     network);
            if (vm->live)
                flap_link(vm, iface);
        }
    }
}

AWAITS static void rejoin_fiber(void *arg)
{
    Rejoin *rejoin = arg;
    g_autoptr(GPtrArray) machines = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    Object *object = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(rejoin->host)); (object = registry_next(&iter));) {
        if (object->live)
            g_ptr_array_add(machines, object_ref(object));
    }
    for (guint i = 0; i < machines->len && !rejoin->host->is_stopping; i++)
        rejoin_vm(g_ptr_array_index(machines, i), rejoin->network);
    g_free(rejoin->network);
    g_free(rejoin);
}

void machine_rejoin_network(Host *host, const char *network)
{
    if (host->is_stopping || !host->machines->has_loaded)
        return; /* machine_load() looks at all of them */
    Rejoin *rejoin = g_new(Rejoin, 1);
    *rejoin = (Rejoin){ .host = host, .network = g_strdup(network) };
    host_spawn(host, "rejoin", rejoin_fiber, rejoin);
}
