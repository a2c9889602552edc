/* What virt-admin asks: who is connected, limits, the log. The servers that it sees are ours for clients,
 * under the name that its users know, and the one that it has come to itself. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "admin"
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "core/params.h"
#include "rpc/convert.h"
#include "rpc/front.h"
#include "rpc/handlers.h"
#include "rpc/server.h"
#include "wire/wire_enums.h"

#define SERVER_NAME "libvirtd"
#define ADMIN_NAME "admin"
#define LIMIT_MAX 100000u

static const RpcAdmin *admin_of(const RpcCall *call)
{
    return rpc_server_spec(call->client->server)->admin;
}

static RpcServer *admin_find_server(const RpcCall *call, const char *name, Error **err)
{
    const RpcAdmin *admin = admin_of(call);

    if (strcmp(name, SERVER_NAME) == 0)
        return admin->server;
    if (strcmp(name, ADMIN_NAME) == 0)
        return admin->admin;
    error_set(err, ERROR_INVALID_ARGUMENT, "Server not found: No server named '%s'", name);
    if (err)
        error_set_remote(*err, VIR_ERR_NO_SERVER, VIR_FROM_RPC);
    return NULL;
}

static RpcClient *admin_find_client(const RpcCall *call, const char *server_name, uint64_t id, Error **err)
{
    RpcServer *server = admin_find_server(call, server_name, err);
    GHashTableIter at;
    gpointer client;

    if (!server)
        return NULL;
    g_hash_table_iter_init(&at, rpc_server_clients(server));
    while (g_hash_table_iter_next(&at, &client, NULL)) {
        if (((RpcClient *)client)->caller.client_id == id)
            return client;
    }
    error_set(err, ERROR_INVALID_ARGUMENT, "Client not found: No client with matching ID '%" PRIu64 "'", id);
    if (err)
        error_set_remote(*err, VIR_ERR_NO_CLIENT, VIR_FROM_RPC);
    return NULL;
}

static void admin_fill_client(const RpcClient *client, const char *server, WireAdminClient *ret)
{
    ret->srv.name = g_strdup(server);
    ret->id = client->caller.client_id;
    ret->timestamp = (int64_t)time(NULL) - (int64_t)(loop_now_ms() - client->since_ms) / 1000;
    ret->transport = client->via;
}

RPC_HANDLER(admin_connect_open)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    call->client->opened = true;
    return true;
}

RPC_HANDLER(admin_connect_close)
{
    rpc_client_close_after_reply(call->client);
    return true;
}

RPC_HANDLER(admin_connect_get_lib_version)
{
    ret->libver = RPC_API_LEVEL;
    return true;
}

RPC_HANDLER(admin_connect_list_servers)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->ret = 2;
    if (!args->need_results)
        return true;
    ret->servers = g_new0(WireAdminServer, 2);
    ret->n_servers = 2;
    ret->servers[0].name = g_strdup(ADMIN_NAME);
    ret->servers[1].name = g_strdup(SERVER_NAME);
    return true;
}

RPC_HANDLER(admin_connect_lookup_server)
{
    if (!rpc_check_flags(call, args->flags, 0, err) || !admin_find_server(call, args->name, err))
        return false;
    ret->srv.name = g_strdup(args->name);
    return true;
}

/* ---- limits ---- */

static void admin_put(WireTypedParam **params, uint32_t *count, const char *name, unsigned value)
{
    *params = g_renew(WireTypedParam, *params, *count + 1);
    (*params)[(*count)++] =
        (WireTypedParam){ .field = g_strdup(name), .value = { .type = PARAM_UINT, .ui = value } };
}

RPC_HANDLER(admin_server_get_threadpool_parameters)
{
    RpcServer *server = admin_find_server(call, args->srv.name, err);

    if (!server || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    const RpcServerNumbers n = rpc_server_numbers(server);
    admin_put(&ret->params, &ret->n_params, "minWorkers", n.min_workers);
    admin_put(&ret->params, &ret->n_params, "maxWorkers", n.max_workers);
    admin_put(&ret->params, &ret->n_params, "nWorkers", n.max_workers);
    admin_put(&ret->params, &ret->n_params, "freeWorkers", n.max_workers - MIN(n.calls, n.max_workers));
    admin_put(&ret->params, &ret->n_params, "prioWorkers", n.prio_workers);
    admin_put(&ret->params, &ret->n_params, "jobQueueDepth", n.waiting);
    return true;
}

RPC_HANDLER(admin_server_get_client_limits)
{
    RpcServer *server = admin_find_server(call, args->srv.name, err);

    if (!server || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    const RpcServerNumbers n = rpc_server_numbers(server);
    admin_put(&ret->params, &ret->n_params, "nclients_max", n.max_clients);
    admin_put(&ret->params, &ret->n_params, "nclients", n.clients);
    admin_put(&ret->params, &ret->n_params, "nclients_unauth_max", n.max_unauthenticated);
    admin_put(&ret->params, &ret->n_params, "nclients_unauth", n.unauthenticated);
    return true;
}

typedef struct AdminLimit {
    const char *name;
    unsigned *value;
    unsigned min;
} AdminLimit;

static bool admin_take(const WireTypedParam *params, uint32_t count, const AdminLimit *limits,
                       size_t n_limits, Error **err)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < n_limits && strcmp(limits[k].name, params[i].field) != 0)
            k++;
        if (k == n_limits)
            return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "parameter '%s' not supported",
                             params[i].field);
        if (params[i].value.type != PARAM_UINT)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "invalid type '%d' requested for parameter '%s', expected '%d'",
                             params[i].value.type, params[i].field, PARAM_UINT);
        if (params[i].value.ui < limits[k].min || params[i].value.ui > LIMIT_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s must be from %u to %u, not %u", params[i].field,
                             limits[k].min, LIMIT_MAX, params[i].value.ui);
        *limits[k].value = params[i].value.ui;
    }
    return true;
}

RPC_HANDLER(admin_server_set_threadpool_parameters)
{
    RpcServer *server = admin_find_server(call, args->srv.name, err);

    if (!server || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    RpcServerNumbers n = rpc_server_numbers(server);
    const AdminLimit limits[] = { { "minWorkers", &n.min_workers, 0 },
                                  { "maxWorkers", &n.max_workers, 1 },
                                  { "prioWorkers", &n.prio_workers, 0 } };
    if (!admin_take(args->params, args->n_params, limits, G_N_ELEMENTS(limits), err))
        return false;
    if (n.min_workers > n.max_workers)
        return error_set(err, ERROR_INVALID_ARGUMENT, "minWorkers cannot be larger than maxWorkers");
    rpc_server_set_numbers(server, &n);
    log_info("%s: %u calls at once for a user, and %u urgent ones, as %s wants it", args->srv.name,
             n.max_workers, n.prio_workers, rpc_caller(call)->description);
    return true;
}

RPC_HANDLER(admin_server_set_client_limits)
{
    RpcServer *server = admin_find_server(call, args->srv.name, err);

    if (!server || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    RpcServerNumbers n = rpc_server_numbers(server);
    const AdminLimit limits[] = { { "nclients_max", &n.max_clients, 1 },
                                  { "nclients_unauth_max", &n.max_unauthenticated, 1 } };
    if (!admin_take(args->params, args->n_params, limits, G_N_ELEMENTS(limits), err))
        return false;
    if (n.max_unauthenticated > n.max_clients)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "of %u clients no %u can be such that have not proved who they are", n.max_clients,
                         n.max_unauthenticated);
    rpc_server_set_numbers(server, &n);
    log_info("%s: %u clients, %u of them unknown, as %s wants it", args->srv.name, n.max_clients,
             n.max_unauthenticated, rpc_caller(call)->description);
    return true;
}

/* ---- clients ---- */

static int admin_compare_clients(const void *a, const void *b)
{
    const WireAdminClient *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

RPC_HANDLER(admin_server_list_clients)
{
    RpcServer *server = admin_find_server(call, args->srv.name, err);
    GHashTableIter at;
    gpointer client;

    if (!server || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->ret = rpc_server_count_clients(server);
    if (!args->need_results || ret->ret == 0)
        return true;
    ret->clients = g_new0(WireAdminClient, ret->ret);
    g_hash_table_iter_init(&at, rpc_server_clients(server));
    while (g_hash_table_iter_next(&at, &client, NULL))
        admin_fill_client(client, args->srv.name, &ret->clients[ret->n_clients++]);
    qsort(ret->clients, ret->n_clients, sizeof *ret->clients, admin_compare_clients);
    return true;
}

RPC_HANDLER(admin_server_lookup_client)
{
    const RpcClient *client = admin_find_client(call, args->srv.name, args->id, err);

    if (!client || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    admin_fill_client(client, args->srv.name, &ret->clnt);
    return true;
}

static void admin_describe_local(const RpcClient *client, Params *params)
{
    const struct passwd *user = getpwuid(client->peer.uid); /* few ask, and they are root */
    params_add_int(params, (int32_t)client->peer.uid, "unix_user_id");
    if (user)
        params_add_string(params, user->pw_name, "unix_user_name");
    const struct group *group = getgrgid(client->peer.gid);
    params_add_int(params, (int32_t)client->peer.gid, "unix_group_id");
    if (group)
        params_add_string(params, group->gr_name, "unix_group_name");
    params_add_int(params, (int32_t)client->peer.pid, "unix_process_id");
}

RPC_HANDLER(admin_client_get_info)
{
    const RpcClient *client = admin_find_client(call, args->clnt.srv.name, args->clnt.id, err);

    if (!client || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autoptr(Params) params = params_new();
    params_add_bool(params, client->caller.read_only, "readonly");
    if (client->via == RPC_VIA_UNIX)
        admin_describe_local(client, params);
    else
        params_add_string(params, client->caller.address, "sock_addr");
    if (client->caller.sasl_user)
        params_add_string(params, client->caller.sasl_user, "sasl_user_name");
    if (client->caller.tls_name)
        params_add_string(params, client->caller.tls_name, "tls_x509_dname");
    rpc_params_to_wire(params, &ret->params, &ret->n_params);
    return true;
}

RPC_HANDLER(admin_client_close)
{
    RpcClient *client = admin_find_client(call, args->clnt.srv.name, args->clnt.id, err);

    if (!client || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    log_info("%s ends the connection of %s", rpc_caller(call)->description,
             rpc_client_caller(client)->description);
    if (client == call->client)
        rpc_client_close_after_reply(client);
    else
        rpc_client_drop(client, "ended by an administrator");
    return true;
}

/* ---- the daemon ---- */

RPC_HANDLER(admin_server_update_tls_files)
{
    RpcServer *server = admin_find_server(call, args->srv.name, err);

    if (!server || !rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (!rpc_server_tls(server)->identity)
        return rpc_error_internal(err, "internal error: no tls service found, unable to update tls files");
    return rpc_front_reload(call->host, server, err);
}

RPC_HANDLER(admin_connect_get_logging_outputs)
{
    const RpcDaemon *daemon = admin_of(call)->daemon;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->outputs = daemon->get_log_outputs(daemon->arg);
    ret->noutputs = 1;
    return true;
}

RPC_HANDLER(admin_connect_get_logging_filters)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    g_autofree char *text = log_format_filters(&ret->nfilters);
    if (ret->nfilters)
        ret->filters = g_steal_pointer(&text);
    return true;
}

RPC_HANDLER(admin_connect_set_logging_outputs)
{
    const RpcDaemon *daemon = admin_of(call)->daemon;

    return rpc_check_flags(call, args->flags, 0, err) &&
           daemon->set_log_outputs(args->outputs, daemon->arg, err);
}

RPC_HANDLER(admin_connect_set_logging_filters)
{
    return rpc_check_flags(call, args->flags, 0, err) && log_set_filters(args->filters, err);
}

RPC_HANDLER(admin_connect_set_daemon_timeout)
{
    const RpcDaemon *daemon = admin_of(call)->daemon;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    daemon->set_timeout(args->timeout, daemon->arg);
    return true;
}

const RpcEntry rpc_entries_admin[] = {
    RPC_ENTRY_EARLY(admin_connect_open),
    RPC_ENTRY_EARLY(admin_connect_close),
    RPC_ENTRY(admin_connect_get_lib_version),
    RPC_ENTRY(admin_connect_list_servers),
    RPC_ENTRY(admin_connect_lookup_server),
    RPC_ENTRY(admin_server_get_threadpool_parameters),
    RPC_ENTRY(admin_server_set_threadpool_parameters),
    RPC_ENTRY(admin_server_list_clients),
    RPC_ENTRY(admin_server_lookup_client),
    RPC_ENTRY(admin_client_get_info),
    RPC_ENTRY(admin_client_close),
    RPC_ENTRY(admin_server_get_client_limits),
    RPC_ENTRY(admin_server_set_client_limits),
    RPC_ENTRY(admin_connect_get_logging_outputs),
    RPC_ENTRY(admin_connect_get_logging_filters),
    RPC_ENTRY(admin_connect_set_logging_outputs),
    RPC_ENTRY(admin_connect_set_logging_filters),
    RPC_ENTRY(admin_server_update_tls_files),
    RPC_ENTRY(admin_connect_set_daemon_timeout),
    { 0 },
};
