/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/web.h"

#include <string.h>

#include "http/journal.h"
#include "rpc/access.h"
#include "rpc/dispatch.h"
#include "rpc/local.h"

static HttpServer *running;

static void *begin_client(void *arg, const Caller *caller)
{
    return rpc_local_new(arg, caller);
}

static void end_client(void *client)
{
    rpc_local_free(client);
}

static bool call(void *client, uint32_t program, int32_t number, const void *args, void *ret,
                 HttpExtra *extra, Error **err)
{
    RpcLocalExtra got = { .fd = -1 };

    if (!rpc_local_call(client, program, number, args, ret, extra ? &got : NULL, err))
        return false;
    if (extra)
        *extra = (HttpExtra){ .stream = got.stream, .fd = got.fd };
    return true;
}

/* Calls that only ask, though not everybody may; and those that the web tells of itself. */
static bool is_worth_noting(const WireProc *proc)
{
    static const char *const parts[] = { "_get_", "_list",    "_info", "progress", "explain",
                                         "trace", "web_call", "auth_", "_peek" };

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (strstr(proc->name, parts[i]))
            return false;
    }
    return true;
}

/* What a call's arguments begin with, if that is an object. */
static const WireHandle *object_of(const WireProc *proc, const void *args)
{
    const WireTypeInfo *info = proc->args ? &wire_types[proc->args] : NULL;
    const WireField *first = info && info->n_fields ? &wire_fields[info->first_field] : NULL;

    if (!first || first->kind != WIRE_STRUCT)
        return NULL;
    if (wire_type_size(first->type) == sizeof(WireHandle))
        return args;
    return wire_type_size(first->type) == sizeof(WireDomainSnapshot)
               ? &((const WireDomainSnapshot *)args)->dom
               : NULL;
}

static void note_call(const Caller *caller, const WireProc *proc, const void *args, const Error *err)
{
    const WireHandle *object = object_of(proc, args);
    char uuid[UUID_STRING_LEN];

    if (!running || !is_worth_noting(proc))
        return;
    if (object)
        uuid_format(&object->uuid, uuid);
    journal_add(http_server_hub(running),
                &(JournalEntry){ .kind = "call",
                                 .uuid = object && !uuid_is_null(&object->uuid) ? uuid : NULL,
                                 .name = object ? object->name : NULL,
                                 .what = proc->name,
                                 .who = caller_describe(caller),
                                 .from = caller->address ? caller->address : "socket",
                                 .result = err ? error_code_name(error_code(err)) : "ok",
                                 .detail = err ? error_message(err) : NULL });
}

bool web_start(Host *host, RpcServer *rpc, HttpServer **ret_web, Error **err)
{
    const HttpBackend backend = {
        .host = host, .begin_client = begin_client, .end_client = end_client, .call = call, .arg = rpc
    };

    const bool ok = http_server_start(&backend, ret_web, err);
    running = *ret_web;
    rpc_dispatch_observe(note_call);
    return ok;
}

void web_free(HttpServer *web)
{
    running = NULL;
    http_server_free(web);
}

/* What a page could ask, asked by the command line: whoever may write to the socket is an administrator here.
 */
RPC_HANDLER(lodge_web_call)
{
    unsigned status;

    if (!running) {
        error_set(err, ERROR_OPERATION_FAILED, "the web is switched off");
        return error_hint(err, "web = 1 in libvirtd.conf switches it on");
    }
    if (rpc_access_is_bounded(call->client)) {
        error_set(err, ERROR_ACCESS_DENIED,
                  "access denied: rules say what you may do, and the web's own calls may do all");
        return error_hint(err, "log in to the web as one of its users, or have root make a token");
    }
    if (!http_server_call(running, rpc_caller(call), args->method, args->target, args->body, &status,
                          &ret->body, err))
        return false;
    ret->status = status;
    return true;
}

static const RpcEntry entries[] = { RPC_ENTRY(lodge_web_call), { 0 } };
const RpcTable web_calls[] = { { WIRE_PROGRAM_LODGE, entries }, { 0 } };
