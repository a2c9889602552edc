/* Devices of the host. Whatever asks for them waits until all are known. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device/nodedev.h"
#include "rpc/convert.h"
#include "rpc/handle_object.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

/* RPC_HANDLER for procedures whose arguments begin with the name of a device. */
#define DEVICE_HANDLER(name)                                                                                 \
    static bool handle_##name##_device(RpcCall *call, Object *device, const wire_args_##name *args,          \
                                       wire_ret_##name *ret, Error **err);                                   \
    static bool handle_##name(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        if (!nodedev_wait(call->host, err))                                                                  \
            return false;                                                                                    \
        g_autoptr(Object) device = rpc_find_object(call, &nodedev_class, args, err);                         \
        return device && handle_##name##_device(call, device, args, ret, err);                               \
    }                                                                                                        \
    static bool handle_##name##_device(RpcCall *call, Object *device, const wire_args_##name *args,          \
                                       wire_ret_##name *ret, Error **err)

/* ---- lists and look-ups ---- */

RPC_HANDLER(connect_list_all_node_devices)
{
    return nodedev_wait(call->host, err) && rpc_object_list_all(call, args, ret, err);
}

RPC_HANDLER(node_device_lookup_by_name)
{
    return nodedev_wait(call->host, err) && rpc_object_lookup_by_name(call, args, ret, err);
}

/* Those that can do @cap; NULL: all that are active. */
AWAITS static bool list_by_cap(RpcCall *call, const char *cap, uint32_t flags, GPtrArray **ret_devices,
                               Error **err)
{
    uint8_t wanted = NODEDEV_NONE;

    if (!rpc_check_flags(call, flags, 0, err) || !nodedev_wait(call->host, err))
        return false;
    /* A capability that nobody knows is one that no device has. */
    if (cap && (!enum_from_name(&nodedev_cap_names, cap, &wanted) || wanted == NODEDEV_NONE)) {
        *ret_devices = g_ptr_array_new();
        return true;
    }
    return object_list(host_registry(call->host, &nodedev_class),
                       VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE | (cap ? NODEDEV_CAP_BIT(wanted) : 0),
                       call->proc->api, ret_devices, err);
}

RPC_HANDLER(node_num_of_devices)
{
    g_autoptr(GPtrArray) devices = NULL;

    if (!list_by_cap(call, args->cap, args->flags, &devices, err))
        return false;
    ret->num = (int32_t)devices->len;
    return true;
}

RPC_HANDLER(node_list_devices)
{
    g_autoptr(GPtrArray) devices = NULL;

    if (args->maxnames < 0 || args->maxnames > 65536)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at most 65536 devices can be listed, not %d",
                         args->maxnames);
    if (!list_by_cap(call, args->cap, args->flags, &devices, err))
        return false;
    ret->n_names = MIN(devices->len, (uint32_t)args->maxnames);
    ret->names = g_new0(char *, MAX(ret->n_names, 1));
    for (uint32_t i = 0; i < ret->n_names; i++)
        ret->names[i] = g_strdup(object_name(g_ptr_array_index(devices, i)));
    return true;
}

RPC_HANDLER(node_device_lookup_scsi_host_by_wwn)
{
    if (!rpc_check_flags(call, args->flags, 0, err) || !nodedev_wait(call->host, err))
        return false;
    g_autoptr(Object) device = nodedev_find_by_wwn(call->host, args->wwnn, args->wwpn, err);
    if (!device)
        return false;
    rpc_fill_handle(device, &ret->dev);
    return true;
}

/* ---- what it is ---- */

DEVICE_HANDLER(node_device_get_xml_desc)
{
    return nodedev_get_xml(device, args->flags, call->proc->api, &ret->xml, err);
}

DEVICE_HANDLER(node_device_get_parent)
{
    ret->parent_name = g_strdup(nodedev_def(device)->parent);
    return true;
}

/* Its own capability and those inside it, by name. */
static GPtrArray *cap_names(const Object *device)
{
    GPtrArray *names = g_ptr_array_new();
    const unsigned caps = nodedev_caps(nodedev_def(device));

    for (unsigned cap = NODEDEV_NONE + 1; cap < NODEDEV_CAP_COUNT; cap++) {
        if (caps & NODEDEV_CAP_BIT(cap))
            g_ptr_array_add(names, (char *)enum_name(&nodedev_cap_names, cap));
    }
    return names;
}

DEVICE_HANDLER(node_device_num_of_caps)
{
    g_autoptr(GPtrArray) names = cap_names(device);

    ret->num = (int32_t)names->len;
    return true;
}

DEVICE_HANDLER(node_device_list_caps)
{
    g_autoptr(GPtrArray) names = cap_names(device);

    if (args->maxnames < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "maxnames is negative: %d", args->maxnames);
    ret->n_names = MIN(names->len, (uint32_t)args->maxnames);
    ret->names = g_new0(char *, MAX(ret->n_names, 1));
    for (uint32_t i = 0; i < ret->n_names; i++)
        ret->names[i] = g_strdup(g_ptr_array_index(names, i));
    return true;
}

DEVICE_HANDLER(node_device_is_active)
{
    ret->active = object_is_active(device);
    return true;
}

DEVICE_HANDLER(node_device_is_persistent)
{
    ret->persistent = nodedev_is_persistent(device);
    return true;
}

DEVICE_HANDLER(node_device_get_autostart)
{
    ret->autostart = nodedev_has_autostart(device);
    return true;
}

/* ---- what is done to it ---- */

DEVICE_HANDLER(node_device_dettach)
{
    return nodedev_detach(device, NULL, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_detach_flags)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           nodedev_detach(device, args->driver_name, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_re_attach)
{
    return nodedev_reattach(device, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_reset)
{
    return nodedev_reset(device, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_destroy)
{
    return nodedev_destroy(device, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_undefine)
{
    return rpc_check_flags(call, args->flags, 0, err) && nodedev_undefine(device, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_create)
{
    return rpc_check_flags(call, args->flags, 0, err) && nodedev_start(device, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_set_autostart)
{
    return nodedev_set_autostart(device, args->autostart != 0, rpc_caller(call), err);
}

DEVICE_HANDLER(node_device_update)
{
    return nodedev_update(device, args->xml, args->flags, call->proc->api, rpc_caller(call), err);
}

RPC_HANDLER(node_device_create_xml)
{
    if (!nodedev_wait(call->host, err))
        return false;
    g_autoptr(Object) device =
        nodedev_create_xml(call->host, args->xml_desc, args->flags, call->proc->api, rpc_caller(call), err);
    if (!device)
        return false;
    rpc_fill_handle(device, &ret->dev);
    return true;
}

RPC_HANDLER(node_device_define_xml)
{
    if (!nodedev_wait(call->host, err))
        return false;
    g_autoptr(Object) device =
        nodedev_define_xml(call->host, args->xml_desc, args->flags, call->proc->api, rpc_caller(call), err);
    if (!device)
        return false;
    rpc_fill_handle(device, &ret->dev);
    return true;
}

const RpcEntry rpc_entries_nodedev[] = {
    { wire_number_connect_list_all_node_devices, handle_connect_list_all_node_devices, 0, &nodedev_class },
    { wire_number_node_device_lookup_by_name, handle_node_device_lookup_by_name, 0, &nodedev_class },
    RPC_ENTRY(node_num_of_devices),
    RPC_ENTRY(node_list_devices),
    RPC_ENTRY(node_device_lookup_scsi_host_by_wwn),
    RPC_ENTRY(node_device_get_xml_desc),
    RPC_ENTRY(node_device_get_parent),
    RPC_ENTRY(node_device_num_of_caps),
    RPC_ENTRY(node_device_list_caps),
    RPC_ENTRY(node_device_is_active),
    RPC_ENTRY(node_device_is_persistent),
    RPC_ENTRY(node_device_get_autostart),
    RPC_ENTRY(node_device_dettach),
    RPC_ENTRY(node_device_detach_flags),
    RPC_ENTRY(node_device_re_attach),
    RPC_ENTRY(node_device_reset),
    RPC_ENTRY(node_device_destroy),
    RPC_ENTRY(node_device_undefine),
    RPC_ENTRY(node_device_create),
    RPC_ENTRY(node_device_set_autostart),
    RPC_ENTRY(node_device_update),
    RPC_ENTRY(node_device_create_xml),
    RPC_ENTRY(node_device_define_xml),
    { 0 },
};
