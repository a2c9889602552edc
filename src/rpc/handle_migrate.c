/* Migration: protocol version 3, with parameters and without, and what is set for migrations. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "machine/vm_migrate.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

/* Cookies go with their terminator, which libvirtd insists on. */
static void answer_cookie(char *text /* taken */, WireBytes *ret_cookie)
{
    if (text)
        *ret_cookie = (WireBytes){ .data = (uint8_t *)text, .len = (uint32_t)strlen(text) + 1 };
}

static MigrateBytes cookie_of(const WireBytes *cookie)
{
    return (MigrateBytes){ .data = cookie->data, .len = cookie->len };
}

static bool read_wire(const WireTypedParam *params, uint32_t count, uint64_t flags, MigrateParams *ret_params,
                      Error **err)
{
    g_autoptr(Params) read = NULL;

    return rpc_read_params(params, count, &read, err) &&
           migrate_params_read(read, (unsigned)flags, ret_params, err);
}

/* What the calls without parameters say. */
static bool read_old(const char *uri, const char *name, const char *xml, uint64_t bandwidth_mib,
                     uint64_t flags, MigrateParams *ret_params, Error **err)
{
    g_autoptr(Params) params = params_new();

    if (uri)
        params_add_string(params, uri, VIR_MIGRATE_PARAM_URI);
    if (name)
        params_add_string(params, name, VIR_MIGRATE_PARAM_DEST_NAME);
    if (xml)
        params_add_string(params, xml, VIR_MIGRATE_PARAM_DEST_XML);
    if (bandwidth_mib)
        params_add_ullong(params, bandwidth_mib, VIR_MIGRATE_PARAM_BANDWIDTH);
    return migrate_params_read(params, (unsigned)flags, ret_params, err);
}

/* ---- the phases ---- */

static bool begin(RpcCall *call, Vm *vm, const MigrateParams *params, char **ret_xml, WireBytes *ret_cookie,
                  Error **err)
{
    char *cookie = NULL;

    if (!vm_migrate_begin(vm, params, rpc_caller(call), ret_xml, &cookie, err))
        return false;
    answer_cookie(cookie, ret_cookie);
    return true;
}

static bool prepare(RpcCall *call, const MigrateParams *params, const WireBytes *cookie_in, bool is_tunnel,
                    char **ret_uri, WireBytes *ret_cookie, Error **err)
{
    const MigrateBytes bytes = cookie_of(cookie_in);
    char *cookie = NULL;

    if (!vm_migrate_prepare(call->host, params, &bytes, rpc_caller(call), &cookie, ret_uri,
                            is_tunnel ? &call->stream : NULL, err))
        return false;
    answer_cookie(cookie, ret_cookie);
    return true;
}

static bool perform(RpcCall *call, Vm *vm, MigrateParams *params, const char *peer,
                    const WireBytes *cookie_in, WireBytes *ret_cookie, Error **err)
{
    const MigrateBytes bytes = cookie_of(cookie_in);
    char *cookie = NULL;

    if (params->flags & VIR_MIGRATE_PEER2PEER)
        params->peer = g_strdup(peer);
    if (!vm_migrate_perform(vm, params, &bytes, rpc_caller(call), &cookie, err))
        return false;
    answer_cookie(cookie, ret_cookie);
    return true;
}

static bool finish(RpcCall *call, const MigrateParams *params, const WireBytes *cookie_in, bool cancelled,
                   WireDomain *ret_dom, WireBytes *ret_cookie, Error **err)
{
    const MigrateBytes bytes = cookie_of(cookie_in);
    char *cookie = NULL;

    if (!rpc_answer_domain(vm_migrate_finish(call->host, params, &bytes, cancelled, rpc_caller(call), &cookie,
                                             err),
                           ret_dom))
        return false;
    answer_cookie(cookie, ret_cookie);
    return true;
}

static bool confirm(RpcCall *call, Vm *vm, const MigrateParams *params, const WireBytes *cookie_in,
                    bool cancelled, Error **err)
{
    const MigrateBytes bytes = cookie_of(cookie_in);

    return vm_migrate_confirm(vm, params, &bytes, cancelled, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_migrate_begin3_params)
{
    g_auto(MigrateParams) params = { 0 };

    return read_wire(args->params, args->n_params, args->flags, &params, err) &&
           begin(call, vm, &params, &ret->xml, &ret->cookie_out, err);
}

RPC_VM_HANDLER(domain_migrate_begin3)
{
    g_auto(MigrateParams) params = { 0 };

    return read_old(NULL, args->dname, args->xmlin, args->resource, args->flags, &params, err) &&
           begin(call, vm, &params, &ret->xml, &ret->cookie_out, err);
}

RPC_HANDLER(domain_migrate_prepare3_params)
{
    g_auto(MigrateParams) params = { 0 };

    return read_wire(args->params, args->n_params, args->flags, &params, err) &&
           prepare(call, &params, &args->cookie_in, false, &ret->uri_out, &ret->cookie_out, err);
}

RPC_HANDLER(domain_migrate_prepare3)
{
    g_auto(MigrateParams) params = { 0 };

    return read_old(args->uri_in, args->dname, args->dom_xml, args->resource, args->flags, &params, err) &&
           prepare(call, &params, &args->cookie_in, false, &ret->uri_out, &ret->cookie_out, err);
}

RPC_HANDLER(domain_migrate_prepare_tunnel3_params)
{
    g_auto(MigrateParams) params = { 0 };
    g_autofree char *uri = NULL;

    return read_wire(args->params, args->n_params, args->flags, &params, err) &&
           prepare(call, &params, &args->cookie_in, true, &uri, &ret->cookie_out, err);
}

RPC_HANDLER(domain_migrate_prepare_tunnel3)
{
    g_auto(MigrateParams) params = { 0 };
    g_autofree char *uri = NULL;

    return read_old(NULL, args->dname, args->dom_xml, args->resource, args->flags, &params, err) &&
           prepare(call, &params, &args->cookie_in, true, &uri, &ret->cookie_out, err);
}

RPC_VM_HANDLER(domain_migrate_perform3_params)
{
    g_auto(MigrateParams) params = { 0 };

    return read_wire(args->params, args->n_params, args->flags, &params, err) &&
           perform(call, vm, &params, args->dconnuri, &args->cookie_in, &ret->cookie_out, err);
}

RPC_VM_HANDLER(domain_migrate_perform3)
{
    g_auto(MigrateParams) params = { 0 };

    return read_old(args->uri, args->dname, args->xmlin, args->resource, args->flags, &params, err) &&
           perform(call, vm, &params, args->dconnuri, &args->cookie_in, &ret->cookie_out, err);
}

RPC_HANDLER(domain_migrate_finish3_params)
{
    g_auto(MigrateParams) params = { 0 };

    return read_wire(args->params, args->n_params, args->flags, &params, err) &&
           finish(call, &params, &args->cookie_in, args->cancelled, &ret->dom, &ret->cookie_out, err);
}

RPC_HANDLER(domain_migrate_finish3)
{
    g_auto(MigrateParams) params = { 0 };

    return read_old(args->uri, args->dname, NULL, 0, args->flags, &params, err) &&
           finish(call, &params, &args->cookie_in, args->cancelled, &ret->dom, &ret->cookie_out, err);
}

RPC_VM_HANDLER(domain_migrate_confirm3_params)
{
    g_auto(MigrateParams) params = { 0 };

    return read_wire(args->params, args->n_params, args->flags, &params, err) &&
           confirm(call, vm, &params, &args->cookie_in, args->cancelled, err);
}

RPC_VM_HANDLER(domain_migrate_confirm3)
{
    g_auto(MigrateParams) params = { 0 };

    return read_old(NULL, NULL, NULL, 0, args->flags, &params, err) &&
           confirm(call, vm, &params, &args->cookie_in, args->cancelled, err);
}

/* ---- settings ---- */

RPC_VM_HANDLER(domain_migrate_set_max_downtime)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_migrate_set_downtime(vm, args->downtime, err);
}

RPC_VM_HANDLER(domain_migrate_get_max_downtime)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_migrate_get_downtime(vm, &ret->downtime, err);
}

RPC_VM_HANDLER(domain_migrate_set_max_speed)
{
    return rpc_check_flags(call, args->flags, VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY, err) &&
           vm_migrate_set_speed(vm, args->bandwidth, args->flags & VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY,
                                err);
}

RPC_VM_HANDLER(domain_migrate_get_max_speed)
{
    return rpc_check_flags(call, args->flags, VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY, err) &&
           vm_migrate_get_speed(vm, args->flags & VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY, &ret->bandwidth,
                                err);
}

RPC_VM_HANDLER(domain_migrate_get_compression_cache)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_migrate_get_cache(vm, &ret->cache_size, err);
}

RPC_VM_HANDLER(domain_migrate_set_compression_cache)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_migrate_set_cache(vm, args->cache_size, err);
}

RPC_VM_HANDLER(domain_migrate_start_post_copy)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_migrate_start_postcopy(vm, err);
}

const RpcEntry rpc_entries_migrate[] = {
    RPC_ENTRY(domain_migrate_begin3),
    RPC_ENTRY(domain_migrate_begin3_params),
    RPC_ENTRY(domain_migrate_prepare3),
    RPC_ENTRY(domain_migrate_prepare3_params),
    RPC_ENTRY(domain_migrate_prepare_tunnel3),
    RPC_ENTRY(domain_migrate_prepare_tunnel3_params),
    RPC_ENTRY(domain_migrate_perform3),
    RPC_ENTRY(domain_migrate_perform3_params),
    RPC_ENTRY(domain_migrate_finish3),
    RPC_ENTRY(domain_migrate_finish3_params),
    RPC_ENTRY(domain_migrate_confirm3),
    RPC_ENTRY(domain_migrate_confirm3_params),
    RPC_ENTRY(domain_migrate_set_max_downtime),
    RPC_ENTRY(domain_migrate_get_max_downtime),
    RPC_ENTRY(domain_migrate_set_max_speed),
    RPC_ENTRY(domain_migrate_get_max_speed),
    RPC_ENTRY(domain_migrate_get_compression_cache),
    RPC_ENTRY(domain_migrate_set_compression_cache),
    RPC_ENTRY(domain_migrate_start_post_copy),
    { 0 },
};
