/* Interfaces of running machines that change: cable, limits, what they are plugged into. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "interface"
#include <string.h>

#include "base/fiber.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "conf/nwfilter.h"
#include "machine/vm_device_private.h"
#include "network/filter.h"

#define RESTORE_MS 5000
#define UNPLUGGED_MS 100 /* so that a guest that is not quick sees it, and asks for an address anew */

/* ---- what may change ---- */

static void take_text(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text);
}

static void take_limit(BandwidthLimit **place, const BandwidthLimit *limit)
{
    BandwidthLimit *copy = limit ? g_memdup2(limit, sizeof(*limit)) : NULL;

    g_free(*place);
    *place = copy;
}

static void take_filter(InterfaceDef *to, const InterfaceDef *from)
{
    take_text(&to->filter, from->filter);
    while (to->filter_params)
        xml_list_remove(&filter_parameter_table, &to->filter_params, to->filter_params->len - 1);
    for (DEF_EACH(FilterParameter, parameter, from->filter_params)) {
        if (!to->filter_params)
            to->filter_params = xml_list_new(&filter_parameter_table);
        g_ptr_array_add(to->filter_params, xml_table_copy(&filter_parameter_table, parameter));
    }
}

static bool filters_differ(const InterfaceDef *a, const InterfaceDef *b)
{
    const unsigned count = def_list_len(a->filter_params);
    bool differ = g_strcmp0(a->filter, b->filter) != 0 || count != def_list_len(b->filter_params);

    for (unsigned i = 0; i < count && !differ; i++)
        differ = !xml_table_equal(&filter_parameter_table, g_ptr_array_index(a->filter_params, i),
                                  g_ptr_array_index(b->filter_params, i));
    return differ;
}

/* What follows from what the interface is plugged into. */
static void take_plug(InterfaceDef *to, const InterfaceDef *from)
{
    to->type = from->type;
    to->direct_mode = from->direct_mode;
    to->actual_type = from->actual_type;
    to->actual_mode = from->actual_mode;
    take_text(&to->source, from->source);
    take_text(&to->portgroup, from->portgroup);
    take_text(&to->actual_network, from->actual_network);
    take_text(&to->actual_bridge, from->actual_bridge);
    take_text(&to->actual_dev, from->actual_dev);
    take_text(&to->port_id, from->port_id);
}

/* The parts that a running machine can change. */
static void take_changeable(InterfaceDef *to, const InterfaceDef *from)
{
    take_plug(to, from);
    take_filter(to, from);
    to->link = from->link;
    to->isolated = from->isolated;
    to->trust_guest_rx_filters = from->trust_guest_rx_filters;
    to->coalesce_rx_frames_max = from->coalesce_rx_frames_max;
    take_limit(&to->inbound, from->inbound);
    take_limit(&to->outbound, from->outbound);
}

static bool note_path(void *arg, const char *path, const XmlRow *row)
{
    *(char **)arg = g_strdup(path);
    return false;
}

static bool refuse_change(const char *path, const InterfaceDef *old, const InterfaceDef *wanted, Error **err)
{
    static const struct {
        const char *prefix, *words;
    } rows[] = {
        { "mtu", "MTU" },
        { "driver", "virtio network device driver attributes" },
        { "target", "network device tap name" },
        { "rom/@enabled", "network device rom enabled setting" },
        { "rom/@bar", "network device rom bar setting" },
        { "rom/@file", "network rom file" },
        { "boot", "network device boot index setting" },
    };

    if (g_str_has_prefix(path, "model"))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "cannot modify network device model from %s to %s",
                         old->model ? old->model : "(default)", wanted->model);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (g_str_has_prefix(path, rows[i].prefix))
            return error_set(err, ERROR_OPERATION_UNSUPPORTED, "cannot modify %s", rows[i].words);
    }
    return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                     "cannot modify '%s' of a network device while the machine runs", path);
}

/* Is all else as it was? What is not said stays. */
static bool check_rest(const InterfaceDef *old, const InterfaceDef *wanted, Error **err)
{
    InterfaceDef *rest = xml_table_copy(&interface_table, wanted);
    g_autofree char *path = NULL;

    take_changeable(rest, old);
    rest->has_mac = old->has_mac;
    rest->mac = old->mac;
    rest->mac_type = old->mac_type;
    rest->mac_check = old->mac_check;
    if (!rest->target)
        take_text(&rest->target, old->target);
    if (!rest->model)
        take_text(&rest->model, old->model);
    if (!rest->info.alias)
        take_text(&rest->info.alias, old->info.alias);
    if (rest->info.address.type == ADDRESS_ABSENT)
        rest->info.address = old->info.address;
    xml_table_diff(&interface_table, old, rest, note_path, &path);
    xml_table_free(&interface_table, rest);
    return !path || refuse_change(path, old, wanted, err);
}

static bool is_other_place(const InterfaceDef *old, const InterfaceDef *wanted)
{
    return old->type != wanted->type || g_strcmp0(old->source, wanted->source) != 0 ||
           g_strcmp0(old->portgroup, wanted->portgroup) != 0;
}

static const char *bridge_of(const InterfaceDef *iface)
{
    return iface->type == INTERFACE_BRIDGE ? iface->source : iface->actual_bridge;
}

static bool limits_differ(const BandwidthLimit *a, const BandwidthLimit *b)
{
    return !a != !b ||
           (a && b &&
            (a->average_kBps.value != b->average_kBps.value || a->peak_kBps.value != b->peak_kBps.value ||
             a->burst_KiB.value != b->burst_KiB.value || a->floor_kBps.value != b->floor_kBps.value));
}

static bool coalesce_differs(const InterfaceDef *a, const InterfaceDef *b)
{
    return a->coalesce_rx_frames_max.value != b->coalesce_rx_frames_max.value;
}

/* ---- changing ---- */

void interface_update_clear(InterfaceUpdate *update)
{
    /* After the commit that is the port of before, else the one that is not needed. */
    if (update->next && update->is_replugged)
        network_unplug(update->vm->host, update->next);
    xml_table_free(&interface_table, update->next);
    g_free(update->alias);
}

static guint interface_index(const DomainDef *live, const char *alias)
{
    guint i = 0;

    while (g_strcmp0(((const InterfaceDef *)g_ptr_array_index(live->interfaces, i))->info.alias, alias) != 0)
        i++;
    return i;
}

static void update_swap(DomainDef *live, void *data)
{
    InterfaceUpdate *update = data;
    const guint index = interface_index(live, update->alias);
    InterfaceDef *old = g_ptr_array_index(live->interfaces, index);

    live->interfaces->pdata[index] = update->next;
    update->next = old;
}

/* As the live document still says. */
static void update_take_back(void *arg)
{
    const InterfaceUpdate *update = arg;
    Vm *vm = update->vm;
    g_autoptr(Error) err = NULL;

    if (!vm->run || !vm->live)
        return;
    const InterfaceDef *old =
        g_ptr_array_index(vm->live->interfaces, interface_index(vm->live, update->alias));
    if (!network_replug_bandwidth(vm->host, old, old->inbound, old->outbound, &err) ||
        !vm_interface_restore(vm, old, &err) ||
        (coalesce_differs(old, update->next) &&
         !link_set_coalesce(old->target, old->coalesce_rx_frames_max.value, &err)) ||
        (filters_differ(old, update->next) && !filter_bind(vm->host, vm->name, &vm->uuid, old, &err)))
        log_warning_error(err, "taking back a change of an interface");
}

/* The guest sees its cable pulled and plugged in again, and asks for an address anew. */
AWAITS static bool update_place(InterfaceUpdate *update, const InterfaceDef *old, Error **err)
{
    Vm *vm = update->vm;
    InterfaceDef *next = update->next;

    if (next->type == INTERFACE_NETWORK) {
        if (!network_plug(vm->host, vm->name, &vm->uuid, next, err))
            return false;
        update->is_replugged = true;
    }
    if (!bridge_of(next))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "unable to change config on '%s' network type",
                         enum_name(&interface_type_names, next->type));
    const bool has_link = old->link != LINK_STATE_DOWN;
    if (has_link &&
        (!monitor_set_link(vm_monitor(vm), update->alias, false, 0, err) || !fiber_sleep(UNPLUGGED_MS, err)))
        return false;
    if (!link_replug(old->target, bridge_of(next), next->isolated == TRISTATE_ON, next->mtu, err))
        return false;
    return next->link == LINK_STATE_DOWN || monitor_set_link(vm_monitor(vm), update->alias, true, 0, err);
}

AWAITS static bool update_parts(InterfaceUpdate *update, const InterfaceDef *old, Error **err)
{
    Vm *vm = update->vm;
    const InterfaceDef *next = update->next;
    const bool is_moved = is_other_place(old, next);
    const bool has_tap = old->target != NULL && qemu_interface_queues(old) > 0;
    const bool new_limits =
        limits_differ(old->inbound, next->inbound) || limits_differ(old->outbound, next->outbound);
    const bool new_filter = filters_differ(old, next);

    if (!has_tap && (new_limits || is_moved || new_filter || coalesce_differs(old, next)))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "unable to change config on '%s' network type",
                         enum_name(&interface_type_names, old->type));
    if (is_moved && !update_place(update, old, err))
        return false;
    if (!is_moved && old->isolated != next->isolated &&
        !link_replug(old->target, bridge_of(next), next->isolated == TRISTATE_ON, next->mtu, err))
        return false;
    if (!is_moved && new_limits &&
        !network_replug_bandwidth(vm->host, next, next->inbound, next->outbound, err))
        return false;
    if (new_filter && !filter_bind(vm->host, vm->name, &vm->uuid, next, err))
        return false;
    if (coalesce_differs(old, next) &&
        !link_set_coalesce(old->target, next->coalesce_rx_frames_max.value, err))
        return false;
    /* A port group of the other network may have brought limits. */
    if ((new_limits || limits_differ(old->inbound, next->inbound) ||
         limits_differ(old->outbound, next->outbound)) &&
        !link_limit(old->target, vm_interface_lower(old), next->inbound, next->outbound, err))
        return false;
    return is_moved || (old->link == LINK_STATE_DOWN) == (next->link == LINK_STATE_DOWN) ||
           monitor_set_link(vm_monitor(vm), update->alias, next->link != LINK_STATE_DOWN, 0, err);
}

bool vm_interface_update_live(VmEdit *edit, const InterfaceDef *old, const InterfaceDef *wanted,
                              InterfaceUpdate *update, Error **err)
{
    Vm *vm = edit->vm;
    const bool is_moved = is_other_place(old, wanted);
    const bool old_has_bridge = old->type == INTERFACE_BRIDGE || old->actual_bridge;

    if (is_moved &&
        (!old_has_bridge || (wanted->type != INTERFACE_NETWORK && wanted->type != INTERFACE_BRIDGE)))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "unable to change config on '%s' network type",
                         enum_name(&interface_type_names, wanted->type));
    if (!check_rest(old, wanted, err) || !vm_require_monitor(vm, err))
        return false;
    update->vm = vm;
    update->alias = g_strdup(old->info.alias);
    update->next = xml_table_copy(&interface_table, old);
    take_changeable(update->next, wanted);
    if (is_moved)
        take_plug(update->next, &(InterfaceDef){ .type = wanted->type,
                                                 .source = wanted->source,
                                                 .portgroup = wanted->portgroup });
    else
        take_plug(update->next, old);
    undo_push(&edit->undo, update_take_back, update);
    if (!update_parts(update, old, err))
        return false;
    /* From the commit on that is what the machine had before, with its port. */
    vm_edit_set_live(edit, update_swap, update);
    if (is_moved)
        update->is_replugged = true;
    return true;
}

/* ---- as the document says ---- */

bool vm_interface_restore(Vm *vm, const InterfaceDef *iface, Error **err)
{
    const bool has_tap = iface->target != NULL && qemu_interface_queues(iface) > 0;

    if (has_tap && bridge_of(iface) &&
        !link_replug(iface->target, bridge_of(iface), iface->isolated == TRISTATE_ON, iface->mtu, err))
        return false;
    if (has_tap && (iface->inbound || iface->outbound) &&
        !link_limit(iface->target, vm_interface_lower(iface), iface->inbound, iface->outbound, err))
        return false;
    return monitor_set_link(vm_monitor(vm), iface->info.alias, iface->link != LINK_STATE_DOWN, RESTORE_MS,
                            err);
}
