/* The connection itself: open, close, features, identity of the server. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/loop.h"
#include "host/cpu.h"
#include "host/node.h"
#include "machine/capabilities.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "rpc/server.h"
#include "wire/uri.h"
#include "wire/wire_enums.h"

/* What virConnectGetLibVersion reports: the level of the interface that is offered. Clients switch features
 * on by it. */

/* A URI as clients send it to the server, without transport; "" lets the server choose. */
static bool connect_check_name(const RpcServerSpec *spec, const char *name, char **ret_uri, Error **err)
{
    g_auto(WireUri) uri = { 0 };
    const char *own = spec->is_session ? "qemu:///session" : "qemu:///system";

    if (!*name) {
        *ret_uri = g_strdup(own);
        return true;
    }
    if (!wire_uri_parse(name, &uri, NULL))
        return rpc_error_internal(err, "Unable to parse URI %s", name);
    if (strcmp(uri.driver, "qemu") != 0)
        return error_set(err, ERROR_NO_CONNECT, "%s", name);
    /* root's clients come to the system's daemon with either name */
    bool known = strcmp(uri.path, "/session") == 0 || (!spec->is_session && strcmp(uri.path, "/system") == 0);
    if (!known)
        return error_set(err, ERROR_INTERNAL, "unexpected qemu URI path '%s', try %s", uri.path, own);
    *ret_uri = g_strdup(name);
    return true;
}

RPC_HANDLER(connect_open)
{
    RpcClient *client = call->client;

    if (client->opened)
        return rpc_error_internal(err, "connection already open");
    if (!args->name)
        return rpc_error_internal(err, "connection name is missing");
    if (!connect_check_name(rpc_server_spec(client->server), args->name, &client->uri, err))
        return false;
    /* Bits beyond the first belong to the client's side of the transport. */
    if (args->flags & VIR_CONNECT_RO)
        client->caller.read_only = true;
    client->opened = true;
    return true;
}

RPC_HANDLER(connect_close)
{
    /* The reply is queued before the loop comes back to this. */
    rpc_client_close_after_reply(call->client);
    return true;
}

RPC_HANDLER(connect_supports_feature)
{
    RpcClient *client = call->client;

    if (args->feature == VIR_DRV_FEATURE_PROGRAM_KEEPALIVE) {
        if (!client->pings && rpc_server_spec(client->server)->keepalive_interval_s > 0) {
            client->pings = true;
            client->last_heard_ms = loop_now_ms();
            rpc_server_start_tick(client->server);
        }
        ret->supported = 1;
        return true;
    }
    if (!client->opened)
        return rpc_error_internal(err, "hypervisor connection not open");
    switch (args->feature) {
    case VIR_DRV_FEATURE_FD_PASSING:
    case VIR_DRV_FEATURE_TYPED_PARAM_STRING:
    case VIR_DRV_FEATURE_XML_MIGRATABLE:
    case VIR_DRV_FEATURE_MIGRATION_P2P:
    case VIR_DRV_FEATURE_MIGRATION_V3:
    case VIR_DRV_FEATURE_MIGRATE_CHANGE_PROTECTION:
    case VIR_DRV_FEATURE_MIGRATION_OFFLINE:
    case VIR_DRV_FEATURE_MIGRATION_PARAMS:
    case VIR_DRV_FEATURE_REMOTE_EVENT_CALLBACK:
    case VIR_DRV_FEATURE_REMOTE_CLOSE_CALLBACK:
    case VIR_DRV_FEATURE_NETWORK_UPDATE_HAS_CORRECT_ORDER:
        ret->supported = 1;
        return true;
    default: /* unknown ones, also those of later versions, are a plain no */
        ret->supported = 0;
        return true;
    }
}

RPC_HANDLER(connect_get_type)
{
    ret->type = g_strdup("QEMU");
    return true;
}

RPC_HANDLER(connect_get_version)
{
    return host_get_qemu_version(call->host, &ret->hv_ver, err);
}

RPC_HANDLER(connect_get_lib_version)
{
    ret->lib_ver = RPC_API_LEVEL;
    return true;
}

RPC_HANDLER(connect_get_uri)
{
    ret->uri = g_strdup(call->client->uri);
    return true;
}

RPC_HANDLER(connect_get_hostname)
{
    ret->hostname = node_get_hostname();
    return true;
}

/* Whom a client acts for. Only root may act for others, and has every right itself, so this takes rights
 * away. */
RPC_HANDLER(connect_set_identity)
{
    static const char *const known[] = { "user-name",      "unix-user-id",    "group-name",
                                         "unix-group-id",  "process-id",      "process-time",
                                         "sasl-user-name", "selinux-context", "x509-distinguished-name" };
    const char *user = NULL;
    uint64_t uid = UINT64_MAX;

    for (uint32_t i = 0; i < args->n_params; i++) {
        const WireTypedParam *param = &args->params[i];
        size_t k = 0;
        while (k < G_N_ELEMENTS(known) && strcmp(known[k], param->field) != 0)
            k++;
        if (k == G_N_ELEMENTS(known))
            return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "parameter '%s' not supported", param->field);
        if (strcmp(param->field, "user-name") == 0 && param->value.type == PARAM_STRING)
            user = param->value.s;
        if (strcmp(param->field, "unix-user-id") == 0 && param->value.type == PARAM_ULLONG)
            uid = param->value.ul;
    }
    if (call->client->peer.uid != 0)
        return error_set(err, ERROR_DENIED, "only root acts for others");
    rpc_client_set_identity(call->client, user, uid <= UINT32_MAX - 1 ? (uid_t)uid : 0);
    return true;
}

RPC_HANDLER(connect_is_secure)
{
    ret->secure = rpc_client_is_secure(call->client); /* the client adds its own judgement */
    return true;
}

/* The event itself never comes: it is for daemons whose hypervisor can go away. */
RPC_HANDLER(connect_register_close_callback)
{
    return true;
}

RPC_HANDLER(connect_unregister_close_callback)
{
    return true;
}

RPC_HANDLER(connect_get_capabilities)
{
    return host_get_capabilities_xml(call->host, &ret->capabilities, err);
}

RPC_HANDLER(connect_get_domain_capabilities)
{
    return rpc_check_flags(call, args->flags, 0, err) &&
           host_get_domain_capabilities_xml(call->host, args->emulatorbin, args->arch, args->machine,
                                            args->virttype, &ret->capabilities, err);
}

RPC_HANDLER(connect_get_max_vcpus)
{
    int max = host_get_max_vcpus(call->host, args->type);

    if (max <= 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unknown type '%s'", args->type ? args->type : "");
    ret->max_vcpus = max;
    return true;
}

RPC_HANDLER(connect_get_sysinfo)
{
    return rpc_check_flags(call, args->flags, 0, err) && node_get_sysinfo_xml(&ret->sysinfo, err);
}

/* ---- CPU models ---- */

RPC_HANDLER(connect_get_cpu_model_names)
{
    g_autoptr(GPtrArray) names = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err) || !cpu_list_models(args->arch, &names, err))
        return false;
    ret->ret = (int32_t)names->len;
    if (args->need_results)
        rpc_take_strings(names, &ret->models, &ret->n_models);
    return true;
}

RPC_HANDLER(connect_compare_cpu)
{
    int result = 0;

    if (!cpu_compare(args->xml, args->flags, &result, err))
        return false;
    ret->result = result;
    return true;
}

RPC_HANDLER(connect_baseline_cpu)
{
    return cpu_baseline((const char *const *)args->xml_cpus, args->n_xml_cpus, args->flags, &ret->cpu, err);
}

/* The CPU that a QEMU on this host can give; NULL with *ret_caps set if it cannot tell. */
AWAITS static bool connect_find_host_cpu(RpcCall *call, const char *emulator, const char *arch,
                                         const char *virt_type, QemuCaps **ret_caps, const Json **ret_cpu,
                                         Error **err)
{
    QemuCapsCache *cache = host_qemu_caps(call->host);
    g_autoptr(QemuCaps) caps = NULL;

    bool found = emulator ? qemu_caps_get(cache, emulator, &caps, err)
                          : qemu_caps_get_default(cache, arch, &caps, err);
    if (!found)
        return false;
    if (arch && strcmp(qemu_caps_arch(caps), arch) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "architecture from emulator '%s' doesn't match given architecture '%s'",
                         qemu_caps_arch(caps), arch);
    bool kvm = virt_type ? strcmp(virt_type, "kvm") == 0 : qemu_caps_has_kvm(caps);
    *ret_cpu = qemu_caps_host_cpu(caps, kvm);
    *ret_caps = g_steal_pointer(&caps);
    return true;
}

RPC_HANDLER(connect_compare_hypervisor_cpu)
{
    g_autoptr(QemuCaps) caps = NULL;
    const Json *cpu = NULL;
    int result = 0;

    if (!connect_find_host_cpu(call, args->emulator, args->arch, args->virttype, &caps, &cpu, err) ||
        !cpu_compare_with(cpu, args->xml_cpu, args->flags, &result, err))
        return false;
    ret->result = result;
    return true;
}

RPC_HANDLER(connect_baseline_hypervisor_cpu)
{
    g_autoptr(QemuCaps) caps = NULL;
    const Json *cpu = NULL;
    size_t n_models;

    if (!connect_find_host_cpu(call, args->emulator, args->arch, args->virttype, &caps, &cpu, err))
        return false;
    bool kvm = args->virttype ? strcmp(args->virttype, "kvm") == 0 : qemu_caps_has_kvm(caps);
    const QemuCpuModel *models = qemu_caps_cpu_models(caps, kvm, &n_models);
    g_autofree CpuOffer *offers = g_new0(CpuOffer, n_models + 1);
    for (size_t i = 0; i < n_models; i++)
        offers[i] = (CpuOffer){ .model = models[i].name, .blockers = models[i].blockers };
    return cpu_baseline_with(offers, n_models, (const char *const *)args->xml_cpus, args->n_xml_cpus,
                             args->flags, &ret->cpu, err);
}

const RpcEntry rpc_entries_connect[] = {
    RPC_ENTRY_EARLY(connect_open),
    RPC_ENTRY_EARLY(connect_close),
    RPC_ENTRY_EARLY(connect_supports_feature),
    RPC_ENTRY(connect_get_type),
    RPC_ENTRY(connect_get_version),
    RPC_ENTRY(connect_get_lib_version),
    RPC_ENTRY(connect_get_uri),
    RPC_ENTRY(connect_get_hostname),
    RPC_ENTRY(connect_set_identity),
    RPC_ENTRY(connect_is_secure),
    RPC_ENTRY(connect_register_close_callback),
    RPC_ENTRY(connect_unregister_close_callback),
    RPC_ENTRY(connect_get_capabilities),
    RPC_ENTRY(connect_get_domain_capabilities),
    RPC_ENTRY(connect_get_max_vcpus),
    RPC_ENTRY(connect_get_sysinfo),
    RPC_ENTRY(connect_get_cpu_model_names),
    RPC_ENTRY(connect_compare_cpu),
    RPC_ENTRY(connect_baseline_cpu),
    RPC_ENTRY(connect_compare_hypervisor_cpu),
    RPC_ENTRY(connect_baseline_hypervisor_cpu),
    { 0 },
};
