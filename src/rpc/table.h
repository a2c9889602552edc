/* The handlers of a program, by the numbers of its procedures. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/types.h"

typedef struct RpcCall RpcCall;

typedef bool (*RpcHandler)(RpcCall *call, const void *args, void *ret, Error **err);

typedef enum RpcEntryFlags {
    RPC_BEFORE_OPEN = 1, /* allowed on a connection that has not been opened */
    RPC_CANCELLABLE = 2, /* its client may ask to end it (call_cancel) */
} RpcEntryFlags;

typedef struct RpcEntry {
    int32_t number; /* 0 ends a table */
    RpcHandler handler;
    unsigned flags;
    const ObjectClass *class; /* of a generic handler (handle_object.h) */
} RpcEntry;

/* Several tables may have the same program. */
typedef struct RpcTable {
    uint32_t program;
    const RpcEntry *entries;
} RpcTable;
