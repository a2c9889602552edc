/* Machines in security groups: which filter their interfaces have. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_firewall.h"

#include <string.h>

#include "base/log.h"
#include "machine/vm_edit.h"
#include "network/filter.h"
#include "network/filter_group.h"
#include "wire/wire_enums.h"

static bool can_be_filtered(const InterfaceDef *iface)
{
    return iface->type == INTERFACE_BRIDGE || iface->type == INTERFACE_NETWORK ||
           iface->type == INTERFACE_ETHERNET;
}

/* What the interfaces have beside the machine's own filter. *ret_before owned; NULL: nothing. */
static bool find_before(Host *host, const DomainDef *def, char **ret_before, Error **err)
{
    const char *before = NULL;
    unsigned count = 0;

    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        if (!can_be_filtered(iface))
            continue;
        if (iface->filter && filter_group_is_machines(iface->filter)) {
            *ret_before = filter_group_before(host, iface->filter);
            return true;
        }
        if (count++ > 0 && g_strcmp0(before, iface->filter) != 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "the interfaces of machine '%s' have different network filters", def->name);
        before = iface->filter;
    }
    if (count == 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "machine '%s' has no interface on a network or bridge", def->name);
    *ret_before = g_strdup(before);
    return true;
}

static void set_filters(DomainDef *def, const char *filter)
{
    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        if (!can_be_filtered(iface))
            continue;
        g_free(iface->filter);
        iface->filter = g_strdup(filter);
    }
}

/* ---- the running machine ---- */

typedef struct LiveChange {
    Vm *vm;
    DomainDef *def;     /* a copy of what runs: names of taps */
    const char *filter; /* NULL: none */
    GPtrArray *names;   /* of the interfaces in vm->live, while they are exchanged: char *, NULL */
} LiveChange;

static void live_change_clear(LiveChange *change)
{
    if (change->def)
        domain_def_free(change->def);
    if (change->names)
        g_ptr_array_unref(change->names);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LiveChange, live_change_clear)

static void swap_filters(DomainDef *live, void *data)
{
    LiveChange *change = data;
    guint at = 0;

    for (DEF_EACH(InterfaceDef, iface, live->interfaces)) {
        if (can_be_filtered(iface) && at < change->names->len) {
            void *other = change->names->pdata[at];
            change->names->pdata[at++] = iface->filter;
            iface->filter = other;
        }
    }
}

AWAITS static bool bind_to(Vm *vm, const InterfaceDef *iface, const char *filter, Error **err)
{
    InterfaceDef changed = *iface;

    changed.filter = (char *)filter;
    return filter_bind(vm->host, vm->name, &vm->uuid, &changed, err);
}

AWAITS static void take_back(void *arg)
{
    LiveChange *change = arg;

    for (DEF_EACH(InterfaceDef, iface, change->def->interfaces)) {
        g_autoptr(Error) err = NULL;
        if (can_be_filtered(iface) && iface->target && !bind_to(change->vm, iface, iface->filter, &err))
            log_error_error(err, iface->target);
    }
}

AWAITS static bool change_live(VmEdit *edit, LiveChange *change, Error **err)
{
    undo_push(&edit->undo, take_back, change);
    for (DEF_EACH(InterfaceDef, iface, change->def->interfaces)) {
        if (!can_be_filtered(iface))
            continue;
        g_ptr_array_add(change->names, g_strdup(change->filter));
        if (iface->target && !bind_to(edit->vm, iface, change->filter, err))
            return false;
    }
    vm_edit_set_live(edit, swap_filters, change);
    return true;
}

bool vm_firewall_join(Vm *vm, const char *group, bool leave, const Caller *caller, Error **err)
{
    const unsigned flags =
        (vm->live ? VIR_DOMAIN_AFFECT_LIVE : 0) | (vm->config ? VIR_DOMAIN_AFFECT_CONFIG : 0);
    g_autofree char *before = NULL, *filter = NULL;
    g_auto(LiveChange) change = { .vm = vm, .names = g_ptr_array_new_with_free_func(g_free) };
    g_auto(VmEdit) edit = { 0 };

    if (!vm_edit_begin(vm, flags, caller, &edit, err) || !find_before(vm->host, vm_def(vm), &before, err) ||
        !filter_group_join(vm->host, &vm->uuid, group, before, leave, caller, &filter, err))
        return false;
    const char *wanted = filter ? filter : before;
    if (edit.config)
        set_filters(edit.config, wanted);
    if (edit.live) {
        change.def = domain_def_copy(vm->live);
        change.filter = wanted;
        if (!change_live(&edit, &change, err))
            return false;
    }
    if (!vm_edit_commit(&edit, NULL, err))
        return false;
    if (!filter)
        filter_group_forget(vm->host, &vm->uuid);
    return true;
}
