/* Event registrations of clients and the fan-out of the core's events to them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/event.h"
#include "rpc/dispatch.h"

typedef enum RpcEventKind {
    RPC_EVENT_LEGACY, /* message without callback id */
    RPC_EVENT_MODERN,
    RPC_EVENT_QEMU,   /* raw monitor events */
    RPC_EVENT_OBJECT, /* of another kind of object than machines */
} RpcEventKind;

typedef struct RpcEventFilter {
    RpcEventKind kind;
    int event_id;
    ObjectKind object;      /* OBJECT: of which kind */
    const Uuid *uuid;       /* of the only object that is meant; NULL: all */
    const char *name;       /* the same, of kinds that go by name; NULL: all */
    const char *qemu_event; /* QEMU: NULL: all */
    unsigned qemu_flags;    /* virConnectDomainQemuMonitorEventRegisterFlags */
} RpcEventFilter;

/* ERROR_INVALID_ARGUMENT if the client has one with the same filter, or the pattern is wrong. */
MUST_CHECK bool rpc_events_add(RpcClient *client, const RpcEventFilter *filter, int *ret_callback_id,
                               Error **err);
/* By callback id (modern, QEMU) or by event id (legacy). ERROR_INTERNAL if there is none. */
MUST_CHECK bool rpc_events_remove(RpcClient *client, RpcEventKind kind, int id, Error **err);
/* The client left. */
void rpc_events_abandon(RpcClient *client);
