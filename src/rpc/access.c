/* Which object a call is about follows from the tables of the codec: a handle in its arguments, or the name
 * in a document, of which nothing else is looked at before it is known whether its sender may send it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "access"
#include "rpc/access.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "core/access.h"
#include "core/acl.h"
#include "core/config.h"
#include "core/host.h"
#include "core/secret.h"
#include "device/nodedev.h"
#include "machine/vm.h"
#include "machine/vm_labels.h"
#include "network/filter.h"
#include "network/hostif.h"
#include "network/network.h"
#include "rpc/auth.h"
#include "rpc/server.h"
#include "storage/pool.h"

#define RULES "access.conf"
#define RULES_MAX ((size_t)1048576)
#define LOAD_MS 30000
#define GROUPS_MAX 256
#define TOLD_PER_SECOND 10u

static Acl *access_rules; /* NULL: there is no file */
static bool access_uses_polkit;

/* The kinds of handles: what they are in rules, and where such objects are found by UUID. */
static const struct {
    WireType type;
    uint8_t object;
    const ObjectClass *class; /* NULL: by name */
    ObjectKind kind;          /* of events about them, where there is a class */
} access_kinds[] = {
    { WIRE_TYPE_DOMAIN, WIRE_ACCESS_DOMAIN, &domain_class, OBJECT_DOMAIN },
    { WIRE_TYPE_NETWORK, WIRE_ACCESS_NETWORK, &network_class, OBJECT_NETWORK },
    { WIRE_TYPE_STORAGE_POOL, WIRE_ACCESS_STORAGE_POOL, &pool_class, OBJECT_POOL },
    { WIRE_TYPE_SECRET, WIRE_ACCESS_SECRET, &secret_class, OBJECT_SECRET },
    { WIRE_TYPE_NWFILTER, WIRE_ACCESS_NWFILTER, &filter_class, OBJECT_NWFILTER },
    { WIRE_TYPE_STORAGE_VOL, WIRE_ACCESS_STORAGE_VOL, NULL, 0 },
    { WIRE_TYPE_NODE_DEVICE, WIRE_ACCESS_NODE_DEVICE, NULL, 0 },
    { WIRE_TYPE_INTERFACE, WIRE_ACCESS_INTERFACE, NULL, 0 },
    { WIRE_TYPE_NWFILTER_BINDING, WIRE_ACCESS_NWFILTER_BINDING, NULL, 0 },
};

/* ---- the file ---- */

typedef struct LoadJob {
    char *path, *text;
    Acl *acl;
} LoadJob;

static void load_job_free(void *data)
{
    LoadJob *job = data;

    g_free(job->path);
    g_free(job->text);
    acl_free(job->acl);
    g_free(job);
}

static bool load_job_run(void *data, Error **err)
{
    LoadJob *job = data;

    return acl_parse(job->path, job->text, &job->acl, err);
}

bool rpc_access_load(Host *host, Error **err)
{
    g_autofree char *path = path_join(host_paths(host)->etc, RULES);
    g_autoptr(Error) why = NULL;
    char **drivers = host_config(host)->access_drivers;
    LoadJob *job = g_new0(LoadJob, 1);
    size_t len;

    access_uses_polkit = drivers && g_strv_contains((const char *const *)drivers, "polkit");
    job->path = g_strdup(path);
    if (!file_read(path, RULES_MAX, &job->text, &len, &why)) {
        load_job_free(job);
        if (error_errno(why) != ENOENT)
            return error_propagate(err, g_steal_pointer(&why));
        g_clear_pointer(&access_rules, acl_free);
        return true;
    }
    if (!worker_call(worker_lane_named("names of users"), load_job_run, job, load_job_free, LOAD_MS, err))
        return error_hint(err, "nobody but root can use lodged until this is right, or the file is gone");
    acl_free(access_rules);
    access_rules = g_steal_pointer(&job->acl);
    load_job_free(job);
    return true;
}

void rpc_access_shutdown(void)
{
    g_clear_pointer(&access_rules, acl_free);
    access_uses_polkit = false;
}

/* ---- who and what ---- */

bool rpc_access_is_bounded(const RpcClient *client)
{
    return client->caller.uid != 0 && !client->is_inside && (access_rules || access_uses_polkit);
}

/* What is asked for. Texts are owned. */
typedef struct Target {
    uint8_t object, perm;
    char *name;
    Uuid uuid;
    bool has_uuid;
    char *owner, *tags;
} Target;

static void target_clear(Target *target)
{
    g_free(target->name);
    g_free(target->owner);
    g_free(target->tags);
    *target = (Target){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Target, target_clear)

static void target_take_labels(Target *target, Vm *vm)
{
    VmLabels labels;

    if (!vm_labels_get(vm, &labels))
        return;
    g_free(target->owner);
    g_free(target->tags);
    target->owner = labels.owner;
    target->tags = labels.tags;
}

static void target_take_object(Target *target, Object *object)
{
    g_free(target->name);
    target->name = g_strdup(object_name(object));
    target->uuid = *object_uuid(object);
    target->has_uuid = true;
    if (object_class(object) == &domain_class && access_rules && acl_asks_for_labels(access_rules))
        target_take_labels(target, (Vm *)object);
}

static const WireHandle *find_handle(WireType type, const void *value, unsigned depth, WireType *ret_type)
{
    const WireTypeInfo *info = &wire_types[type];

    for (unsigned i = 0; i < info->n_fields; i++) {
        const WireField *field = &wire_fields[info->first_field + i];
        const void *at = (const char *)value + field->offset;
        if (field->kind != WIRE_STRUCT)
            continue;
        for (size_t k = 0; k < G_N_ELEMENTS(access_kinds); k++) {
            if (access_kinds[k].type == field->type) {
                *ret_type = field->type;
                return at;
            }
        }
        const WireHandle *inside = depth ? find_handle(field->type, at, depth - 1, ret_type) : NULL;
        if (inside)
            return inside;
    }
    return NULL;
}

/* The object that a handle means, if there is one. */
static void target_take_handle(Target *target, Host *host, WireType type, const WireHandle *handle)
{
    size_t k = 0;

    while (access_kinds[k].type != type)
        k++;
    if (type == WIRE_TYPE_STORAGE_VOL) {
        target->name = g_strdup_printf("%s/%s", handle->pool, handle->name);
        return;
    }
    if (!access_kinds[k].class) {
        target->name = g_strdup(handle->name);
        return;
    }
    g_autoptr(Object) object =
        object_find_by_uuid(host_registry(host, access_kinds[k].class), &handle->uuid, handle->name, NULL);
    if (object)
        target_take_object(target, object);
    if (object && target->object == WIRE_ACCESS_STORAGE_VOL) { /* one that is to be made in that pool */
        g_autofree char *pool = g_steal_pointer(&target->name);
        target->name = g_strdup_printf("%s/", pool);
    }
}

/* ---- documents ---- */

typedef struct Identity {
    char *name, *uuid;
} Identity;

static void identity_free(void *data)
{
    Identity *identity = data;

    g_free(identity->name);
    g_free(identity->uuid);
    g_free(identity);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Identity, identity_free)

/* Two names would leave open which of them counts. */
static bool identity_take(const xmlNode *root, void *arg, Error **err)
{
    Identity *identity = arg;

    for (const xmlNode *node = root->children; node; node = node->next) {
        const bool is_name = node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, "name") == 0;
        const bool is_uuid = node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, "uuid") == 0;
        if (!is_name && !is_uuid)
            continue;
        char **field = is_name ? &identity->name : &identity->uuid;
        if (*field)
            return error_set(err, ERROR_XML_INVALID, "two elements <%s>", is_name ? "name" : "uuid");
        xmlChar *text = xmlNodeGetContent(node);
        *field = g_strdup((const char *)text);
        xmlFree(text);
    }
    return true;
}

AWAITS static bool target_take_document(Target *target, Host *host, const char *xml, Error **err)
{
    Identity *found = g_new0(Identity, 1);

    if (!xml_document_use(xml, strlen(xml), "(document)", identity_take, found, identity_free, err))
        return false;
    g_autoptr(Identity) identity = found;
    target->name = g_steal_pointer(&identity->name);
    target->has_uuid = identity->uuid && uuid_parse(g_strstrip(identity->uuid), &target->uuid, NULL);
    /* One that is there already has its labels, and perhaps another name. */
    for (size_t k = 0; k < G_N_ELEMENTS(access_kinds); k++) {
        if (access_kinds[k].object != target->object || !access_kinds[k].class || !target->has_uuid)
            continue;
        g_autoptr(Object) object = object_find_by_uuid(host_registry(host, access_kinds[k].class),
                                                       &target->uuid, target->name, NULL);
        if (object)
            target_take_object(target, object);
    }
    return true;
}

static const char *find_document(const WireProc *proc, const void *args)
{
    const WireTypeInfo *info = &wire_types[proc->args];
    const WireField *field = &wire_fields[info->first_field];

    if (info->n_fields == 0 || field->kind != WIRE_STRING || !g_str_has_prefix(field->name, "xml"))
        return NULL;
    return *(char *const *)((const char *)args + field->offset);
}

static bool access_is_lookup(const WireProc *proc)
{
    return strstr(proc->name, "lookup") != NULL;
}

/* ---- asking ---- */

static char *target_describe(const Target *target)
{
    g_autofree char *kind = g_strdelimit(g_strdup(wire_access_names[target->object]), "_", ' ');

    if (target->object == WIRE_ACCESS_CONNECT)
        return g_strdup("this host");
    return target->name ? g_strdup_printf("%s '%s'", kind, target->name) : g_strdup_printf("any %s", kind);
}

/* A client that tries and tries fills no disk. */
static void access_log(const char *text)
{
    static uint64_t second;
    static unsigned told;
    const uint64_t now = loop_now_ms() / 1000;

    if (now != second)
        told = 0;
    second = now;
    if (told++ < TOLD_PER_SECOND)
        log_warning("%s", text);
}

static bool access_refuse(RpcClient *client, const Target *target, const char *by, Error **err)
{
    g_autofree char *what = target_describe(target);

    g_autofree char *text =
        g_strdup_printf("%s lacks the right '%s' on %s: %s", rpc_client_caller(client)->description,
                        wire_perm_names[target->perm], what, by);
    access_log(text);
    return error_set(err, ERROR_ACCESS_DENIED, "%s", text);
}

/* *ret_line: of the rule that decided; 0: none did. */
static bool access_rules_allow(RpcClient *client, const Target *target, unsigned *ret_line)
{
    gid_t groups[GROUPS_MAX + 1];
    socklen_t size = GROUPS_MAX * sizeof(gid_t);
    const AclTarget wanted = { .object = target->object,
                               .perm = target->perm,
                               .name = target->name,
                               .owner = target->owner,
                               .tags = target->tags };
    AclSubject subject = { .is_local = client->via == RPC_VIA_UNIX,
                           .uid = client->caller.uid,
                           .gids = groups,
                           .tls_name = client->caller.tls_name,
                           .sasl_user = client->caller.sasl_user };

    if (client->caller.uid == client->peer.uid && subject.is_local) {
        if (getsockopt(client->channel.in_fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
            size = 0;
        subject.n_gids = size / sizeof(gid_t);
        groups[subject.n_gids++] = client->peer.gid;
    }
    return acl_allows(access_rules, &subject, &wanted, ret_line);
}

static bool access_ask_rules(RpcClient *client, const Target *target, Error **err)
{
    unsigned line;

    if (access_rules_allow(client, target, &line))
        return true;
    g_autofree char *by = line ? g_strdup_printf("line %u of " RULES " denies it", line)
                               : g_strdup("no rule in " RULES " allows it");
    return access_refuse(client, target, by, err);
}

AWAITS static bool access_ask_polkit(RpcClient *client, const Target *target, Error **err)
{
    g_autoptr(Error) why = NULL;
    g_autofree char *dotted =
        g_strdup_printf("%s.%s", wire_access_names[target->object], wire_perm_names[target->perm]);
    g_autofree char *action = g_strconcat("org.libvirt.api.", g_strdelimit(dotted, "_", '-'), NULL);
    const bool is_pool = target->object == WIRE_ACCESS_STORAGE_POOL,
               is_vol = target->object == WIRE_ACCESS_STORAGE_VOL;
    const char *kind = is_pool ? "pool" : is_vol ? "vol" : wire_access_names[target->object];
    g_autofree char *name_key = g_strconcat(kind, "_name", NULL);
    g_autofree char *uuid_key = g_strconcat(kind, "_uuid", NULL);
    char uuid[UUID_STRING_LEN];
    const char *details[8] = { "connect_driver", "QEMU" };
    size_t n = 2;

    if (client->via != RPC_VIA_UNIX)
        return access_refuse(client, target, "polkit knows users of this host only", err);
    if (target->name) {
        details[n++] = name_key;
        details[n++] = is_vol && strchr(target->name, '/') ? strchr(target->name, '/') + 1 : target->name;
    }
    if (target->has_uuid) {
        uuid_format(&target->uuid, uuid);
        details[n++] = uuid_key;
        details[n++] = uuid;
    }
    if (rpc_auth_ask_polkit(&client->peer, action, details, false, &why))
        return true;
    if (error_code(why) != ERROR_AUTH_FAILED && error_code(why) != ERROR_AUTH_UNAVAILABLE)
        return error_propagate(err, g_steal_pointer(&why));
    g_autofree char *by = g_strdup_printf("polkit does not grant %s", action);
    return access_refuse(client, target, by, err);
}

/* What changes something runs to its end when its client leaves: so one that has left before it was judged
 * gets nothing. */
AWAITS static bool access_ask(RpcClient *client, const Target *target, Error **err)
{
    if (client->dropped)
        return error_set(err, ERROR_CANCELLED, "the client left");
    return (!access_rules || access_ask_rules(client, target, err)) &&
           (!access_uses_polkit || access_ask_polkit(client, target, err));
}

bool rpc_access_check(RpcCall *call, Error **err)
{
    const WireProc *proc = call->proc;

    if (!rpc_access_is_bounded(call->client))
        return true;
    for (unsigned i = 0; i < proc->n_access; i++) {
        const WireAccess *rule = &proc->access[i];
        g_auto(Target) target = { .object = rule->object, .perm = rule->perm };
        const bool is_object = rule->object != WIRE_ACCESS_CONNECT;
        const char *xml = is_object ? find_document(proc, call->args) : NULL;
        WireType type;
        if (!access_applies(rule, call->args) || (is_object && access_is_lookup(proc)))
            continue;
        const WireHandle *handle = is_object ? find_handle(proc->args, call->args, 1, &type) : NULL;
        if (handle)
            target_take_handle(&target, call->host, type, handle);
        else if (xml && !target_take_document(&target, call->host, xml, err))
            return false;
        if (!access_ask(call->client, &target, err))
            return false;
    }
    return true;
}

bool rpc_access_check_found(RpcCall *call, const void *ret, Error **err)
{
    const WireProc *proc = call->proc;
    WireType type;

    if (!access_is_lookup(proc) || !rpc_access_is_bounded(call->client))
        return true;
    const WireHandle *handle = find_handle(proc->ret, ret, 1, &type);
    for (unsigned i = 0; handle && i < proc->n_access; i++) {
        g_auto(Target) target = { .object = proc->access[i].object, .perm = proc->access[i].perm };
        if (target.object == WIRE_ACCESS_CONNECT)
            continue;
        target_take_handle(&target, call->host, type, handle);
        if (!access_ask(call->client, &target, err))
            return false;
    }
    return true;
}

static uint8_t access_kind_of(const ObjectClass *class)
{
    for (size_t k = 0; k < G_N_ELEMENTS(access_kinds); k++) {
        if (access_kinds[k].class == class)
            return access_kinds[k].object;
    }
    return class == &nodedev_class  ? WIRE_ACCESS_NODE_DEVICE
           : class == &hostif_class ? WIRE_ACCESS_INTERFACE
                                    : WIRE_ACCESS_NWFILTER_BINDING;
}

bool rpc_access_may_see(RpcCall *call, Object *object)
{
    if (!call->proc->filter || !rpc_access_is_bounded(call->client))
        return true;
    g_auto(Target) target = { .object = access_kind_of(object_class(object)), .perm = call->proc->filter };
    target_take_object(&target, object);
    unsigned line;
    /* What is not shown is no refusal: rules say so silently. */
    if (call->client->dropped || (access_rules && !access_rules_allow(call->client, &target, &line)))
        return false;
    g_autoptr(Error) err = NULL;
    return !access_uses_polkit || access_ask_polkit(call->client, &target, &err);
}

bool rpc_access_may_hear(RpcClient *client, const Event *event)
{
    unsigned line;
    size_t k = 0;

    if (!access_rules || !rpc_access_is_bounded(client))
        return true;
    while (access_kinds[k].class && access_kinds[k].kind != event->kind)
        k++;
    g_auto(Target)
        target = { .object = access_kinds[k].class ? access_kinds[k].object : WIRE_ACCESS_NODE_DEVICE,
                   .perm = WIRE_PERM_GETATTR,
                   .name = g_strdup(event->name) };
    Host *host = rpc_server_spec(client->server)->host;
    g_autoptr(Object) object =
        access_kinds[k].class ? object_find_by_uuid(host_registry(host, access_kinds[k].class), &event->uuid,
                                                    event->name, NULL)
                              : NULL;
    if (object)
        target_take_object(&target, object);
    return access_rules_allow(client, &target, &line);
}
