/* Where the data of a disk is: the block node that reaches it, and the objects (secrets, TLS, reservations)
 * without which it could not. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/file.h"
#include "base/units.h"
#include "conf/volume.h"
#include "qemu/command_private.h"

#define GLUSTER_DEBUG_LEVEL 4
#define ISCSI_PORT 3260u

char *source_node_name(const StorageSource *source, const char *layer)
{
    return g_strdup_printf("libvirt-%u-%s", source->index, layer);
}

bool plan_secret(const PlanContext *c, Plan *plan, const char *id, Error **err)
{
    const QemuSecretData *data = c->env->secrets ? qemu_secrets_get(c->env->secrets, id) : NULL;
    Json *secret = json_object();

    if (c->env->secrets && !data) {
        json_decref(secret);
        return error_set(err, ERROR_INTERNAL, "the secret '%s' has not been prepared", id);
    }
    prop_str(secret, "qom-type", "secret");
    prop_str(secret, "id", id);
    prop_str(secret, "data", data ? data->data : "...");
    prop_str(secret, "keyid", "masterKey0");
    prop_str(secret, "iv", data ? data->iv : "...");
    prop_str(secret, "format", "base64");
    plan_add(plan, PLAN_OBJECT, secret);
    return true;
}

/* ---- servers ---- */

static Json *server_new(const StorageHost *host)
{
    Json *server = json_object();

    if (host->transport == STORAGE_TRANSPORT_UNIX) {
        prop_str(server, "type", "unix");
        prop_str(server, "path", host->socket);
    } else {
        prop_str(server, "type", "inet");
        prop_str(server, "host", host->name);
        prop_format(server, "port", "%u", (unsigned)host->port);
    }
    return server;
}

/* Protocols whose servers are all reached the same way leave out the type. */
static Json *inet_new(const StorageHost *host)
{
    Json *server = server_new(host);

    (void)json_object_del(server, "type");
    return server;
}

static bool the_host(const StorageSource *source, const StorageHost **ret_host, Error **err)
{
    if (def_list_len(source->hosts) != 1)
        return error_set(err, ERROR_INTERNAL, "%s protocol accepts only one host",
                         enum_name(&storage_protocol_names, source->protocol));
    *ret_host = g_ptr_array_index(source->hosts, 0);
    return true;
}

static bool the_inet_host(const StorageSource *source, const StorageHost **ret_host, Error **err)
{
    if (!the_host(source, ret_host, err))
        return false;
    const StorageTransport transport = (*ret_host)->transport;
    if ((transport != STORAGE_TRANSPORT_ABSENT && transport != STORAGE_TRANSPORT_TCP) || !(*ret_host)->name)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s is reached over TCP only",
                         enum_name(&storage_protocol_names, source->protocol));
    return true;
}

/* ---- protocols ---- */

static bool prop_nbd(const DiskDef *disk, const StorageSource *source, Json *node, Error **err)
{
    const StorageHost *host = NULL;

    if (!the_host(source, &host, err))
        return false;
    json_object_set_new(node, "server", server_new(host));
    prop_str(node, "export", source->path);
    if (source->tls == TRISTATE_ON) {
        prop_format(node, "tls-creds", "objlibvirt-%u-storage_tls0", source->index);
        prop_str(node, "tls-hostname", source->tls_hostname);
    }
    if (source->reconnect_delay_s)
        prop_uint(node, "reconnect-delay", source->reconnect_delay_s);
    return true;
}

/* POOL/IMAGE; the image may be in a name space, which stays in front of it. */
static bool prop_rbd(const DiskDef *disk, const StorageSource *source, Json *node, Error **err)
{
    const VolumeEncryption *encryption = disk_encryption(disk, source);
    const StorageAuth *auth = disk_auth(disk, source);
    const char *image = source->path ? strchr(source->path, '/') : NULL;

    if (!image)
        return error_set(err, ERROR_XML_INVALID, "can't split path '%s' into pool name and image name",
                         source->path ? source->path : "");
    prop_format(node, "pool", "%.*s", (int)(image - source->path), source->path);
    const char *name = strchr(image + 1, '/'); /* no image has that in its name: it is in a namespace */
    if (name)
        prop_format(node, "namespace", "%.*s", (int)(name - image - 1), image + 1);
    prop_str(node, "image", name ? name + 1 : image + 1);
    prop_str(node, "snapshot", source->snapshot);
    prop_str(node, "conf", source->config);
    if (def_list_len(source->hosts)) {
        Json *servers = json_array();
        for (DEF_EACH(StorageHost, host, source->hosts))
            json_array_append_new(servers, inet_new(host));
        json_object_set_new(node, "server", servers);
    }
    if (encryption && encryption->engine == VOLUME_ENGINE_LIBRBD) {
        g_autofree char *id = qemu_secret_id(source, QEMU_SECRET_ENCRYPTION);
        json_object_set_new(node, "encrypt",
                            json_pack("{s:s, s:s}", "format",
                                      encryption->format == VOLUME_ENCRYPTION_LUKS2 ? "luks2" : "luks",
                                      "key-secret", id));
    }
    if (auth) {
        g_autofree char *id = qemu_secret_id(source, QEMU_SECRET_AUTH);
        prop_str(node, "user", auth->username);
        json_object_set_new(node, "auth-client-required", json_pack("[s, s]", "cephx", "none"));
        prop_str(node, "key-secret", id);
    }
    return true;
}

static bool prop_gluster(const DiskDef *disk, const StorageSource *source, Json *node, Error **err)
{
    const char *path = source->path ? strchr(source->path, '/') : NULL;
    Json *servers = json_array();

    json_object_set_new(node, "server", servers);
    if (!path || def_list_len(source->hosts) == 0)
        return error_set(err, ERROR_XML_INVALID, "a gluster source has a host and a name 'VOLUME/IMAGE'");
    prop_format(node, "volume", "%.*s", (int)(path - source->path), source->path);
    prop_str(node, "path", path + 1);
    for (DEF_EACH(StorageHost, host, source->hosts))
        json_array_append_new(servers, server_new(host));
    prop_uint(node, "debug", GLUSTER_DEBUG_LEVEL);
    return true;
}

/* IQN/LUN. Documents of disks get the port when they are read, those of host devices none, as libvirtd's. */
static bool prop_iscsi(const DiskDef *disk, const StorageSource *source, Json *node, Error **err)
{
    const StorageAuth *auth = disk_auth(disk, source);
    const char *slash = source->path ? strrchr(source->path, '/') : NULL;
    const StorageHost *host = NULL;
    uint64_t lun = 0;

    if (!the_inet_host(source, &host, err))
        return false;
    if (!source->path || (slash && !parse_uint(slash + 1, &lun, NULL)))
        return error_set(err, ERROR_INTERNAL, "cannot parse target for lunStr '%s'",
                         source->path ? source->path : "");
    prop_format(node, "portal", strchr(host->name, ':') ? "[%s]:%u" : "%s:%u", host->name,
                host->port ? (unsigned)host->port : ISCSI_PORT);
    prop_format(node, "target", "%.*s", slash ? (int)(slash - source->path) : (int)strlen(source->path),
                source->path);
    prop_uint(node, "lun", lun);
    prop_str(node, "transport", "tcp");
    if (auth) {
        g_autofree char *id = qemu_secret_id(source, QEMU_SECRET_AUTH);
        prop_str(node, "user", auth->username);
        prop_str(node, "password-secret", id);
    }
    prop_str(node, "initiator-name", source->initiator);
    return true;
}

static bool prop_url(const DiskDef *disk, const StorageSource *source, Json *node, Error **err)
{
    const StorageAuth *auth = disk_auth(disk, source);
    const char *scheme = enum_name(&storage_protocol_names, source->protocol);
    const char *path = source->path ? source->path : "";
    const StorageHost *host = NULL;

    if (!the_inet_host(source, &host, err))
        return false;
    prop_format(node, "url", strchr(host->name, ':') ? "%s://[%s]:%u%s%s%s%s" : "%s://%s:%u%s%s%s%s", scheme,
                host->name, (unsigned)host->port, *path == '/' ? "" : "/", path, source->query ? "?" : "",
                source->query ? source->query : "");
    if (auth) {
        g_autofree char *id = qemu_secret_id(source, QEMU_SECRET_AUTH);
        prop_str(node, "username", auth->username);
        prop_str(node, "password-secret", id);
    }
    prop_tristate(node, "sslverify", source->ssl_verify);
    if (def_list_len(source->cookies)) {
        g_autofree char *id = qemu_secret_id(source, QEMU_SECRET_COOKIE);
        prop_str(node, "cookie-secret", id);
    }
    if (source->timeout_s)
        prop_uint(node, "timeout", source->timeout_s);
    if (source->readahead_bytes)
        prop_uint(node, "readahead", source->readahead_bytes);
    return true;
}

static bool prop_ssh(const DiskDef *disk, const StorageSource *source, Json *node, Error **err)
{
    const StorageAuth *auth = disk_auth(disk, source);
    const StorageHost *host = NULL;

    if (!the_inet_host(source, &host, err))
        return false;
    prop_str(node, "path", source->path);
    json_object_set_new(node, "server", inet_new(host));
    if (auth)
        prop_str(node, "user", auth->username);
    return true;
}

/* Numbers: a plus in front says that it is none. Names have been looked up before. */
static bool prop_nfs_id(Json *node, const char *key, const char *text, Error **err)
{
    uint64_t id = 0;

    if (!text)
        return true;
    if (!parse_uint(text + (*text == '+'), &id, NULL) || id > UINT32_MAX)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "the %s '%s' of an NFS source is not known", key,
                         text);
    prop_uint(node, key, id);
    return true;
}

static bool prop_nfs(const DiskDef *disk, const StorageSource *source, Json *node, Error **err)
{
    const StorageHost *host = NULL;

    if (!the_inet_host(source, &host, err))
        return false;
    json_object_set_new(node, "server", json_pack("{s:s, s:s}", "host", host->name, "type", "inet"));
    prop_str(node, "path", source->path);
    return prop_nfs_id(node, "user", source->nfs_user, err) &&
           prop_nfs_id(node, "group", source->nfs_group, err);
}

typedef bool PropProtocol(const DiskDef *disk, const StorageSource *source, Json *node, Error **err);
static PropProtocol *const protocols[STORAGE_PROTOCOL_COUNT] = {
    [STORAGE_PROTOCOL_NBD] = prop_nbd,     [STORAGE_PROTOCOL_RBD] = prop_rbd,
    [STORAGE_PROTOCOL_ISCSI] = prop_iscsi, [STORAGE_PROTOCOL_GLUSTER] = prop_gluster,
    [STORAGE_PROTOCOL_HTTP] = prop_url,    [STORAGE_PROTOCOL_HTTPS] = prop_url,
    [STORAGE_PROTOCOL_FTP] = prop_url,     [STORAGE_PROTOCOL_FTPS] = prop_url,
    [STORAGE_PROTOCOL_SSH] = prop_ssh,     [STORAGE_PROTOCOL_NFS] = prop_nfs,
};

/* ---- objects ---- */

static bool plan_source_secrets(const PlanContext *c, const DiskDef *disk, const StorageSource *source,
                                Plan *plan, Error **err)
{
    g_autofree char *auth_id = qemu_secret_id(source, QEMU_SECRET_AUTH);
    g_autofree char *encryption_id = qemu_secret_id(source, QEMU_SECRET_ENCRYPTION);
    g_autofree char *cookie_id = qemu_secret_id(source, QEMU_SECRET_COOKIE);
    const VolumeEncryption *encryption = disk_encryption(disk, source);

    if (encryption && def_list_len(encryption->secrets) == 0)
        return error_set(err, ERROR_INTERNAL, "missing secret info for 'luks' driver");
    return (!disk_auth(disk, source) || plan_secret(c, plan, auth_id, err)) &&
           (!encryption || plan_secret(c, plan, encryption_id, err)) &&
           (def_list_len(source->cookies) == 0 || plan_secret(c, plan, cookie_id, err));
}

static bool plan_tls(const PlanContext *c, const StorageSource *source, Plan *plan, Error **err)
{
    if (source->tls != TRISTATE_ON)
        return true;
    if (source->protocol != STORAGE_PROTOCOL_NBD)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "TLS transport is not supported for disk protocol '%s'",
                         enum_name(&storage_protocol_names, source->protocol));
    Json *creds = json_object();
    prop_str(creds, "qom-type", "tls-creds-x509");
    prop_format(creds, "id", "objlibvirt-%u-storage_tls0", source->index);
    prop_str(creds, "dir", c->env->nbd_tls_dir);
    prop_str(creds, "endpoint", "client");
    prop_bool(creds, "verify-peer", true);
    plan_add(plan, PLAN_OBJECT, creds);
    return true;
}

static void plan_reservations(const PlanContext *c, const StorageSource *source, Plan *plan, Json *node)
{
    g_autofree char *own = path_join(c->env->lib_dir ? c->env->lib_dir : ".", QEMU_PR_HELPER_SOCKET);
    if (!source->reservations)
        return;
    Json *manager = json_object();
    prop_str(manager, "qom-type", "pr-manager-helper");
    prop_format(manager, "id", "pr-helper-libvirt-%u-storage", source->index);
    prop_str(manager, "path",
             source->reservations->managed == TRISTATE_ON ? own : source->reservations->path);
    plan_add(plan, PLAN_OBJECT, manager);
    prop_format(node, "pr-manager", "pr-helper-libvirt-%u-storage", source->index);
}

/* ---- nodes ---- */

char *device_source_fd_name(const StorageSource *source, unsigned number)
{
    return g_strdup_printf("libvirt-%u-storage%u", source->index, number);
}

/* QEMU opens an image that it may write for reading first: with one descriptor it must not. Where the
 * descriptors are not at hand the set is about to be removed, and the first name finds it. */
static void prop_descriptors(const PlanContext *c, const DiskDef *disk, const StorageSource *source,
                             Plan *plan, Json *node)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    do {
        g_ptr_array_add(names, device_source_fd_name(source, names->len));
    } while (plan_fds_get(c->env->fds, g_ptr_array_index(names, names->len - 1)) >= 0);
    if (names->len > 1) /* the last one is not there */
        g_ptr_array_remove_index(names, names->len - 1);
    g_ptr_array_add(names, NULL);
    json_object_set_new(node, "filename", plan_descriptor_set_of(plan, (const char *const *)names->pdata));
    if (names->len == 2)
        prop_bool(node, "read-only", disk->readonly || source != &disk->src);
}

static bool prop_storage(const PlanContext *c, const DiskDef *disk, const StorageSource *source, Plan *plan,
                         Json *node, Error **err)
{
    switch (source->type) {
    case STORAGE_NVME:
        prop_str(node, "driver", "nvme");
        prop_format(node, "device", "%04x:%02x:%02x.%x", source->nvme_address.pci.domain,
                    source->nvme_address.pci.bus, source->nvme_address.pci.slot,
                    source->nvme_address.pci.function);
        prop_uint(node, "namespace", source->nvme_namespace);
        return true;
    case STORAGE_DIR:
        prop_str(node, "driver", "vvfat");
        prop_str(node, "dir", source->path);
        prop_bool(node, "floppy", disk->device == DISK_DEVICE_FLOPPY);
        prop_bool(node, "rw", false);
        return true;
    case STORAGE_FILE:
    case STORAGE_BLOCK:
        prop_str(node, "driver",
                 source->type == STORAGE_FILE                              ? "file"
                 : disk->device == DISK_DEVICE_CDROM && source->is_optical ? "host_cdrom"
                                                                           : "host_device");
        if (source->fd_group && c->env->fds && !c->env->for_reference)
            prop_descriptors(c, disk, source, plan, node);
        else
            prop_str(node, "filename", source->path);
        if (disk->io != DISK_IO_ABSENT)
            prop_str(node, "aio", enum_name(&disk_io_names, disk->io));
        plan_reservations(c, source, plan, node);
        return true;
    case STORAGE_NETWORK:
        if (!protocols[source->protocol])
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "'%s' protocol is not supported with this QEMU binary",
                             enum_name(&storage_protocol_names, source->protocol));
        prop_str(node, "driver", enum_name(&storage_protocol_names, source->protocol));
        return protocols[source->protocol](disk, source, node, err);
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "disk '%s': source type '%s' is not supported by this version", disk->target,
                         enum_name(&storage_type_names, source->type));
    }
}

/* A part of the source; a raw format node does it by itself. */
static bool slice_needs_node(const DiskDef *disk, const StorageSource *source)
{
    const VolumeEncryption *encryption = disk_encryption(disk, source);
    const bool is_raw = source->format == STORAGE_FORMAT_ABSENT || source->format == STORAGE_FORMAT_RAW;

    return def_list_len(source->slices) &&
           (!is_raw || (encryption && encryption->engine != VOLUME_ENGINE_LIBRBD));
}

static void plan_slice(const StorageSource *source, const char *name, const char *below, Plan *plan)
{
    const StorageSlice *slice = g_ptr_array_index(source->slices, 0);
    Json *node = json_object();

    prop_str(node, "driver", "raw");
    prop_str(node, "node-name", name);
    prop_uint(node, "offset", slice->offset_bytes);
    prop_uint(node, "size", slice->size_bytes);
    prop_str(node, "file", below);
    prop_bool(node, "auto-read-only", true);
    prop_str(node, "discard", "unmap");
    plan_add(plan, PLAN_BLOCKDEV, node);
}

bool plan_iscsi_node(const StorageSource *source, const char *name, const char *secret_id, bool readonly,
                     Plan *plan, Error **err)
{
    const DiskDef none = { 0 };
    AUTO_JSON node = json_object();

    prop_str(node, "driver", "iscsi");
    if (!prop_iscsi(&none, source, node, err))
        return false;
    if (source->auth)
        json_object_set_new(node, "password-secret", json_string(secret_id));
    prop_str(node, "node-name", name);
    prop_bool(node, "read-only", readonly);
    plan_add(plan, PLAN_BLOCKDEV, g_steal_pointer(&node));
    return true;
}

bool plan_storage(const PlanContext *c, const DiskDef *disk, const StorageSource *source, Plan *plan,
                  char **ret_node, Error **err)
{
    g_autofree char *name = source_node_name(source, "storage");
    AUTO_JSON node = json_object();

    if (!plan_source_secrets(c, disk, source, plan, err) || !plan_tls(c, source, plan, err) ||
        !prop_storage(c, disk, source, plan, node, err))
        return false;
    prop_str(node, "node-name", name);
    prop_cache(node, disk);
    if (!json_object_get(node, "read-only"))
        prop_bool(node, "auto-read-only", true);
    prop_str(node, "discard", "unmap");
    plan_add(plan, PLAN_BLOCKDEV, g_steal_pointer(&node));
    if (slice_needs_node(disk, source)) {
        g_autofree char *slice = source_node_name(source, "slice-sto");
        plan_slice(source, slice, name, plan);
        *ret_node = g_steal_pointer(&slice);
        return true;
    }
    *ret_node = g_steal_pointer(&name);
    return true;
}
