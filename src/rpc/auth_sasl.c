/* Authentication by SASL: each step is a job of a worker, because mechanisms read files and ask servers.
 *
 * The client has one session, which is away while a step of it runs; a second call meanwhile is refused. The
 * client hears "authentication failed" and no more; the log has the rest. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "auth"
#include <fnmatch.h>

#include "base/log.h"
#include "base/socket_tcp.h"
#include "base/worker.h"
#include "core/config.h"
#include "core/host.h"
#include "rpc/auth.h"
#include "rpc/server.h"
#include "wire/wire_enums.h"

#define STEP_MS 20000

typedef struct SaslJob {
    /* a new session: */
    bool begins;
    char *local, *remote, *tls_name;
    WireSaslSpec spec;
    char *mechanisms;
    /* a step: */
    WireSasl *sasl;
    char *mechanism; /* NULL: not the first */
    WireSaslData in, out;
    bool done;
} SaslJob;

static void sasl_job_free(void *data)
{
    SaslJob *job = data;

    wire_sasl_free(job->sasl);
    g_free(job->local);
    g_free(job->remote);
    g_free(job->tls_name);
    g_free(job->mechanisms);
    g_free(job->mechanism);
    g_free(job->in.bytes);
    g_free(job->out.bytes);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SaslJob, sasl_job_free)

static bool sasl_job_run(void *data, Error **err)
{
    SaslJob *job = data;

    if (job->begins)
        return wire_sasl_server_new(&job->spec, &job->sasl, err) &&
               wire_sasl_mechanisms(job->sasl, &job->mechanisms, err);
    return wire_sasl_server_step(job->sasl, job->mechanism, &job->in, &job->out, &job->done, err);
}

/* What the log is told, and what the client is. @why owned. */
static bool sasl_refuse(RpcCall *call, Error *why, Error **err)
{
    RpcClient *client = call->client;
    g_autoptr(Error) reason = why;

    g_clear_pointer(&client->sasl, wire_sasl_free);
    if (!client->dropped) {
        error_prefix(&reason, "client %s", rpc_client_caller(client)->description);
        rpc_server_client_failed(client->server, client, reason);
    }
    error_set(err, ERROR_AUTH_FAILED, "authentication failed");
    if (err)
        error_set_remote(*err, VIR_ERR_AUTH_FAILED, VIR_FROM_RPC);
    return false;
}

/* The job comes back, or all of it is gone. */
AWAITS static bool sasl_run(RpcClient *client, SaslJob *job, Error **err)
{
    client->sasl_is_busy = true;
    bool ok = worker_call(worker_lane_named("SASL"), sasl_job_run, job, sasl_job_free, STEP_MS, err);
    client->sasl_is_busy = false;
    if (ok && client->dropped) {
        sasl_job_free(job);
        return error_set(err, ERROR_CANCELLED, "the client left");
    }
    return ok;
}

static bool sasl_may_call(RpcCall *call, Error **err)
{
    RpcClient *client = call->client;

    if (client->auth != RPC_AUTH_SASL || client->authenticated)
        return error_set(err, ERROR_AUTH_FAILED, "SASL was not offered");
    if (client->sasl_is_busy)
        return error_set(err, ERROR_AUTH_FAILED, "a step of SASL is under way");
    if (rpc_server_client_fails_too_often(client->server, client))
        return error_set(err, ERROR_AUTH_FAILED, "too many failures: it has to wait");
    return true;
}

RPC_HANDLER(auth_sasl_init)
{
    RpcClient *client = call->client;
    const Config *config = host_config(call->host);
    g_autoptr(Error) why = NULL;

    if (!sasl_may_call(call, &why))
        return sasl_refuse(call, g_steal_pointer(&why), err);
    g_clear_pointer(&client->sasl, wire_sasl_free);
    SaslJob *job = g_new0(SaslJob, 1);
    job->begins = true;
    if (client->via != RPC_VIA_UNIX) {
        job->local = socket_own_address(client->channel.in_fd);
        job->remote = g_strdup(client->caller.address);
    }
    job->tls_name = g_strdup(client->caller.tls_name);
    job->spec = (WireSaslSpec){
        .local = job->local,
        .remote = job->remote,
        .tls_name = job->tls_name,
        .tls_bits = client->via == RPC_VIA_TLS ? wire_tls_key_bits(client->channel.layer) : 0,
        .min_bits = client->via == RPC_VIA_TCP ? config->tcp_min_ssf : 0,
    };
    if (!sasl_run(client, job, &why))
        return sasl_refuse(call, g_steal_pointer(&why), err);
    g_autoptr(SaslJob) back = job;
    client->sasl = g_steal_pointer(&back->sasl);
    ret->mechlist = g_steal_pointer(&back->mechanisms);
    return true;
}

static bool sasl_is_allowed(const Config *config, const char *user, Error **err)
{
    for (char **glob = config->sasl_allowed_users; glob && *glob; glob++) {
        if (fnmatch(*glob, user, 0) == 0)
            return true;
    }
    if (!config->sasl_allowed_users)
        return true;
    error_set(err, ERROR_AUTH_FAILED, "the user '%s' is not in sasl_allowed_username_list", user);
    return error_hint(err, "add that name, or a pattern for it, to the list in libvirtd.conf");
}

/* The exchange is over: who is it, and is the connection safe enough? */
static bool sasl_accept(RpcCall *call, Error **err)
{
    RpcClient *client = call->client;
    const char *user = wire_sasl_user(client->sasl);

    if (!sasl_is_allowed(host_config(call->host), user, err))
        return false;
    client->caller.sasl_user = g_strdup(user);
    if (!wire_sasl_protect(&client->sasl, client->channel.in_fd, &client->next_layer, err))
        return false;
    g_clear_pointer(&client->sasl, wire_sasl_free);
    g_clear_pointer(&client->caller.description, g_free);
    log_info("client %s is known by SASL", rpc_client_caller(client)->description);
    rpc_server_client_authenticated(client->server, client);
    return true;
}

/* @mechanism NULL: a further step. */
AWAITS static bool sasl_step(RpcCall *call, const char *mechanism, const char *bytes, size_t len, bool nil,
                             WireAuthSaslStartRet *ret, Error **err)
{
    RpcClient *client = call->client;
    g_autoptr(Error) why = NULL;

    if (!sasl_may_call(call, &why))
        return sasl_refuse(call, g_steal_pointer(&why), err);
    if (!client->sasl) {
        error_set(&why, ERROR_AUTH_FAILED, "a step of SASL before its first");
        return sasl_refuse(call, g_steal_pointer(&why), err);
    }
    SaslJob *job = g_new0(SaslJob, 1);
    job->sasl = g_steal_pointer(&client->sasl);
    job->mechanism = g_strdup(mechanism);
    job->in.len = nil ? 0 : len;
    job->in.bytes = nil ? NULL : g_strndup("", 0);
    if (len && !nil) {
        g_free(job->in.bytes);
        job->in.bytes = g_memdup2(bytes, len);
    }
    if (!sasl_run(client, job, &why))
        return sasl_refuse(call, g_steal_pointer(&why), err);
    g_autoptr(SaslJob) back = job;
    client->sasl = g_steal_pointer(&back->sasl);
    if (back->done && !sasl_accept(call, &why))
        return sasl_refuse(call, g_steal_pointer(&why), err);
    ret->complete = back->done;
    ret->nil = back->out.bytes == NULL;
    ret->n_data = (uint32_t)back->out.len;
    ret->data = g_steal_pointer(&back->out.bytes);
    return true;
}

RPC_HANDLER(auth_sasl_start)
{
    return sasl_step(call, args->mech, args->data, args->n_data, args->nil, ret, err);
}

RPC_HANDLER(auth_sasl_step)
{
    G_STATIC_ASSERT(sizeof(WireAuthSaslStepRet) == sizeof(WireAuthSaslStartRet));
    return sasl_step(call, NULL, args->data, args->n_data, args->nil, (WireAuthSaslStartRet *)ret, err);
}

const RpcEntry rpc_entries_auth_sasl[] = {
    RPC_ENTRY_EARLY(auth_sasl_init),
    RPC_ENTRY_EARLY(auth_sasl_start),
    RPC_ENTRY_EARLY(auth_sasl_step),
    { 0 },
};
