/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/web.h"

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

bool web_start(Host *host, RpcServer *rpc, HttpServer **ret_web, Error **err)
{
    const HttpBackend backend = {
        .host = host, .begin_client = begin_client, .end_client = end_client, .call = call, .arg = rpc
    };

    const bool ok = http_server_start(&backend, ret_web, err);
    running = *ret_web;
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
    if (!http_server_call(running, rpc_caller(call), args->method, args->target, args->body, &status,
                          &ret->body, err))
        return false;
    ret->status = status;
    return true;
}

static const RpcEntry entries[] = { RPC_ENTRY(lodge_web_call), { 0 } };
const RpcTable web_calls[] = { { WIRE_PROGRAM_LODGE, entries }, { 0 } };
