/* Registering for events, in the old and the new way. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/events.h"
#include "rpc/handlers.h"

#define LEGACY_EVENT_LAST EVENT_DEVICE_REMOVED

static bool event_check_id(int id, int last, Error **err)
{
    if (id < 0 || id > last)
        return rpc_error_internal(err, "unsupported event ID %d", id);
    return true;
}

RPC_HANDLER(connect_domain_event_register)
{
    RpcEventFilter filter = { .kind = RPC_EVENT_LEGACY, .event_id = EVENT_LIFECYCLE };

    return rpc_events_add(call->client, &filter, NULL, err);
}

RPC_HANDLER(connect_domain_event_deregister)
{
    return rpc_events_remove(call->client, RPC_EVENT_LEGACY, EVENT_LIFECYCLE, err);
}

RPC_HANDLER(connect_domain_event_register_any)
{
    RpcEventFilter filter = { .kind = RPC_EVENT_LEGACY, .event_id = args->event_id };

    return event_check_id(args->event_id, LEGACY_EVENT_LAST, err) &&
           rpc_events_add(call->client, &filter, NULL, err);
}

RPC_HANDLER(connect_domain_event_deregister_any)
{
    return event_check_id(args->event_id, LEGACY_EVENT_LAST, err) &&
           rpc_events_remove(call->client, RPC_EVENT_LEGACY, args->event_id, err);
}

RPC_HANDLER(connect_domain_event_callback_register_any)
{
    RpcEventFilter filter = { .kind = RPC_EVENT_MODERN,
                              .event_id = args->event_id,
                              .uuid = args->dom ? &args->dom->uuid : NULL };

    return event_check_id(args->event_id, EVENT_COUNT - 1, err) &&
           rpc_events_add(call->client, &filter, &ret->callback_id, err);
}

RPC_HANDLER(connect_domain_event_callback_deregister_any)
{
    return rpc_events_remove(call->client, RPC_EVENT_MODERN, args->callback_id, err);
}

/* ---- other kinds of objects ---- */

/* How many events each kind has. */
static const int object_events[OBJECT_KIND_COUNT] = {
    [OBJECT_NETWORK] = 2, [OBJECT_POOL] = 2, [OBJECT_SECRET] = 2, [OBJECT_NODE_DEVICE] = 2
};

/* Arguments and results of all four registrations are laid out alike. */
static bool event_register_object(RpcCall *call, ObjectKind kind, const void *args, void *ret, Error **err)
{
    const WireConnectNetworkEventRegisterAnyArgs *asked = args;
    const WireHandle *object = asked->net;
    const RpcEventFilter filter = { .kind = RPC_EVENT_OBJECT,
                                    .object = kind,
                                    .event_id = asked->event_id,
                                    .uuid = object && kind != OBJECT_NODE_DEVICE ? &object->uuid : NULL,
                                    .name = object && kind == OBJECT_NODE_DEVICE ? object->name : NULL };

    return event_check_id(asked->event_id, object_events[kind] - 1, err) &&
           rpc_events_add(call->client, &filter, &((WireConnectNetworkEventRegisterAnyRet *)ret)->callback_id,
                          err);
}

#define OBJECT_EVENTS(name, kind)                                                                            \
    RPC_HANDLER(connect_##name##_event_register_any)                                                         \
    {                                                                                                        \
        return event_register_object(call, kind, args, ret, err);                                            \
    }                                                                                                        \
    RPC_HANDLER(connect_##name##_event_deregister_any)                                                       \
    {                                                                                                        \
        return rpc_events_remove(call->client, RPC_EVENT_OBJECT, args->callback_id, err);                    \
    }
OBJECT_EVENTS(network, OBJECT_NETWORK)
OBJECT_EVENTS(storage_pool, OBJECT_POOL)
OBJECT_EVENTS(node_device, OBJECT_NODE_DEVICE)
OBJECT_EVENTS(secret, OBJECT_SECRET)

const RpcEntry rpc_entries_event[] = {
    RPC_ENTRY(connect_domain_event_register),
    RPC_ENTRY(connect_domain_event_deregister),
    RPC_ENTRY(connect_domain_event_register_any),
    RPC_ENTRY(connect_domain_event_deregister_any),
    RPC_ENTRY(connect_domain_event_callback_register_any),
    RPC_ENTRY(connect_domain_event_callback_deregister_any),
    RPC_ENTRY(connect_network_event_register_any),
    RPC_ENTRY(connect_network_event_deregister_any),
    RPC_ENTRY(connect_storage_pool_event_register_any),
    RPC_ENTRY(connect_storage_pool_event_deregister_any),
    RPC_ENTRY(connect_node_device_event_register_any),
    RPC_ENTRY(connect_node_device_event_deregister_any),
    RPC_ENTRY(connect_secret_event_register_any),
    RPC_ENTRY(connect_secret_event_deregister_any),
    { 0 },
};
