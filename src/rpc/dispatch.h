/* From a frame to a handler and back: checks, decoding, a fiber per call, the reply.
 *
 * A handler is a plain function: typed arguments in, typed result out, in a fiber of its own. It translates
 * and calls the core; it decides nothing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/stream.h"
#include "rpc/client_conn.h"
#include "rpc/table.h"
#include "wire/wire_gen.h"

typedef struct Host Host;

struct RpcCall {
    RpcClient *client; /* reference */
    Host *host;
    WireHeader header;
    const WireProc *proc;
    const RpcEntry *entry;
    void *args;
    int *fds; /* that came with the call; a handler that takes one leaves -1 */
    unsigned n_fds;
    size_t backlog_bytes;
    Fiber *fiber; /* reference while it runs */
    /* For the handler to set: */
    Stream *stream;         /* owned; opens a stream after the reply */
    GArray *ret_fds;        /* of int, owned; sent with the reply */
    WireBuffer ret_encoded; /* owned; if not empty the reply, which ret need not hold then */
};

/* Begins the definition of a handler; `args` and `ret` have the procedure's types (void if it has none):
 *
 *     RPC_HANDLER(domain_get_os_type)
 *     {
 *         ...
 *         ret->type = g_strdup(vm_os_type(vm));
 *         return true;
 *     }
 *
 * What the handler puts into ret is owned by it, and freed after it was sent (or on failure). */
#define RPC_HANDLER(name)                                                                                    \
    static bool handle_##name##_typed(RpcCall *call, const wire_args_##name *args, wire_ret_##name *ret,     \
                                      Error **err);                                                          \
    static bool handle_##name(RpcCall *call, const void *args, void *ret, Error **err)                       \
    {                                                                                                        \
        return handle_##name##_typed(call, args, ret, err);                                                  \
    }                                                                                                        \
    static bool handle_##name##_typed(RpcCall *call, const wire_args_##name *args, wire_ret_##name *ret,     \
                                      Error **err)

#define RPC_ENTRY(name)                                                                                      \
    {                                                                                                        \
        wire_number_##name, handle_##name, 0, NULL                                                           \
    }
#define RPC_ENTRY_EARLY(name)                                                                                \
    {                                                                                                        \
        wire_number_##name, handle_##name, RPC_BEFORE_OPEN, NULL                                             \
    }
/* One that takes back what it did when its fiber is cancelled, or says that it is done: the client may ask.
 */
#define RPC_ENTRY_CANCELLABLE(name)                                                                          \
    {                                                                                                        \
        wire_number_##name, handle_##name, RPC_CANCELLABLE, NULL                                             \
    }

/* A CALL frame: begins it, keeps it for later, or answers with the reason why not. The frame and @fds (owned
 * from now on) are not needed afterwards. */
void rpc_dispatch_call(RpcClient *client, const WireFrame *frame, const int *fds);
/* Begins the oldest call that was kept, if the limits allow. false: none was begun. */
bool rpc_dispatch_kept(RpcClient *client);
/* The client left: calls not begun are dropped, those that only ask are cancelled. */
void rpc_dispatch_abandon(RpcClient *client);
/* Cancels the call of @client with that serial number, which is answered then. false: there is none under way
 * that can be. */
bool rpc_dispatch_cancel(RpcClient *client, uint32_t serial);

/* @observe is called at the end of each call that may have changed something, for all servers of the process;
 * it must not wait. @err: NULL: it succeeded. */
void rpc_dispatch_observe(void (*observe)(const Caller *caller, const WireProc *proc, const void *args,
                                          const Error *err));

/* An internal error of the subsystem "RPC": what clients know of mistakes with connections and events.
 * Returns false. */
PRINTF(2, 3) bool rpc_error_internal(Error **err, const char *format, ...);

/* What a handler asks core with. */
#define rpc_caller(call) rpc_client_caller((call)->client)
