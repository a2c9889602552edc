/* Network filters: what is their own beside the handlers of every object. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter.h"
#include "rpc/convert.h"
#include "rpc/handle_object.h"
#include "rpc/handlers.h"

RPC_HANDLER(nwfilter_binding_lookup_by_port_dev)
{
    g_autoptr(Object) binding =
        object_find_by_name(host_registry(call->host, &filter_binding_class), args->name, NULL);

    if (!binding)
        return error_set(err, ERROR_NO_NWFILTER, "no nwfilter binding for port dev '%s'", args->name);
    rpc_fill_handle(binding, &ret->nwfilter);
    return true;
}

const RpcEntry rpc_entries_nwfilter[] = {
    RPC_OBJECT(connect_num_of_nwfilters, num_active, filter_class),
    RPC_OBJECT(connect_list_nwfilters, names_active, filter_class),
    RPC_OBJECT(connect_list_all_nwfilters, list_all, filter_class),
    RPC_OBJECT(nwfilter_lookup_by_name, lookup_by_name, filter_class),
    RPC_OBJECT(nwfilter_lookup_by_uuid, lookup_by_uuid, filter_class),
    RPC_OBJECT(nwfilter_define_xml, define, filter_class),
    RPC_OBJECT(nwfilter_define_xml_flags, define, filter_class),
    RPC_OBJECT(nwfilter_get_xml_desc, get_xml, filter_class),
    RPC_OBJECT(nwfilter_undefine, undefine, filter_class),
    RPC_OBJECT(connect_list_all_nwfilter_bindings, list_all, filter_binding_class),
    RPC_OBJECT(nwfilter_binding_create_xml, create_xml, filter_binding_class),
    RPC_OBJECT(nwfilter_binding_get_xml_desc, get_xml, filter_binding_class),
    RPC_OBJECT(nwfilter_binding_delete, stop, filter_binding_class),
    RPC_ENTRY(nwfilter_binding_lookup_by_port_dev),
    { 0 },
};
