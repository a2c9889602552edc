/* Registering for events, in the old and the new way. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"
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
                              .vm = args->dom ? &args->dom->uuid : NULL };

    return event_check_id(args->event_id, EVENT_COUNT - 1, err) &&
           rpc_events_add(call->client, &filter, &ret->callback_id, err);
}

RPC_HANDLER(connect_domain_event_callback_deregister_any)
{
    return rpc_events_remove(call->client, RPC_EVENT_MODERN, args->callback_id, err);
}

const RpcEntry rpc_entries_event[] = {
    RPC_ENTRY(connect_domain_event_register),
    RPC_ENTRY(connect_domain_event_deregister),
    RPC_ENTRY(connect_domain_event_register_any),
    RPC_ENTRY(connect_domain_event_deregister_any),
    RPC_ENTRY(connect_domain_event_callback_register_any),
    RPC_ENTRY(connect_domain_event_callback_deregister_any),
    { 0 },
};
