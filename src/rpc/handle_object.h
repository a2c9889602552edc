/* Handlers that serve every kind of object: a row says which procedure, which handler, which class.
 *
 *     RPC_OBJECT(network_lookup_by_name, lookup_by_name, network_class),
 *
 * They rely on the layout that procedures of one sort have in common: what names the object (WireHandle, or
 * the name alone) comes first; RPC_OBJECT checks the sizes against a procedure of the domain's. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object_class.h"
#include "rpc/dispatch.h"

bool rpc_object_lookup_by_name(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_lookup_by_uuid(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_list_all(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_num_active(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_num_inactive(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_names_active(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_names_inactive(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_get_xml(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_get_autostart(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_set_autostart(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_is_active(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_is_persistent(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_define(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_create_xml(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_start(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_stop(RpcCall *call, const void *args, void *ret, Error **err);
bool rpc_object_undefine(RpcCall *call, const void *args, void *ret, Error **err);

#define RPC_OBJECT(name, generic, object_class)                                                              \
    {                                                                                                        \
        wire_number_##name, rpc_object_##generic, 0, &(object_class)                                         \
    }

/* Fills *ret_handle with owned strings. */
void rpc_fill_handle(const Object *object, WireHandle *ret_handle);
/* The object that a call's arguments begin with; a reference. */
Object *rpc_find_object(RpcCall *call, const ObjectClass *class, const void *args, Error **err);
