/* What the disks of a machine need for its start: images, some of which may be missing; secrets, encrypted
 * for QEMU alone, and limits, which QEMU is told when it runs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/file.h"
#include "conf/secret.h"
#include "conf/volume.h"
#include "core/secret.h"
#include "machine/vm_device_private.h"

/* ---- optional media ---- */

typedef struct OptionalDisk {
    char *target, *alias, *path;
} OptionalDisk;

static void optional_disk_free(void *data)
{
    OptionalDisk *disk = data;

    g_free(disk->target);
    g_free(disk->alias);
    g_free(disk->path);
    g_free(disk);
}

static GPtrArray *list_optional(const DomainDef *live)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(optional_disk_free);

    for (DEF_EACH(DiskDef, disk, live->disks)) {
        if (disk->src.startup_policy != STARTUP_POLICY_OPTIONAL || !disk->src.path)
            continue;
        OptionalDisk *entry = g_new0(OptionalDisk, 1);
        *entry = (OptionalDisk){ .target = g_strdup(disk->target),
                                 .alias = g_strdup(disk->info.alias),
                                 .path = g_strdup(disk->src.path) };
        g_ptr_array_add(list, entry);
    }
    return list;
}

/* A drive stays and is empty; a disk goes. */
static void tell_missing(Vm *vm, const GPtrArray *optional)
{
    for (DEF_EACH(OptionalDisk, before, optional)) {
        const DiskDef *now = domain_find_disk(vm->live, before->target);
        if (now && now->src.path)
            continue;
        vm_publish_event(vm, &(Event){ .id = EVENT_DISK_CHANGE,
                                       .type = now ? VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START
                                                   : VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START,
                                       .text1 = before->path,
                                       .text3 = before->alias });
    }
}

bool vm_prepare_disks(Vm *vm, Error **err)
{
    g_autoptr(GPtrArray) optional = list_optional(vm->live);

    if (!storage_prepare(vm->host, vm->live, vm->run->dac, err))
        return false;
    tell_missing(vm, optional);
    return true;
}

/* ---- secrets ---- */

typedef struct SecretMaker {
    Host *host;
    const uint8_t *key;
    QemuSecrets *secrets; /* NULL: only whether they are there is asked */
} SecretMaker;

static bool secret_find(Host *host, const Uuid *uuid, int usage_type, const char *usage, Object **ret_secret,
                        Error **err)
{
    *ret_secret = usage ? secret_find_by_usage(host, usage_type, usage, err)
                        : object_find_by_uuid(host_registry(host, &secret_class), uuid, NULL, err);
    return *ret_secret != NULL;
}

static bool secret_put(const SecretMaker *maker, const char *id, const Uuid *uuid, int usage_type,
                       const char *usage, Error **err)
{
    g_autoptr(Object) secret = NULL;
    g_autoptr(GBytes) value = NULL;
    size_t len = 0;

    if (!secret_find(maker->host, uuid, usage_type, usage, &secret, err) ||
        !secret_get_value(secret, NULL, &value, err))
        return false;
    if (!maker->secrets)
        return true;
    const void *bytes = g_bytes_get_data(value, &len);
    return qemu_secrets_add(maker->secrets, maker->key, id, bytes, len, err);
}

static bool secrets_of_source(const SecretMaker *maker, const DiskDef *disk, const StorageSource *source,
                              Error **err)
{
    const StorageAuth *auth = disk_auth(disk, source);
    const VolumeEncryption *encryption = disk_encryption(disk, source);
    g_autofree char *auth_id = qemu_secret_id(source, QEMU_SECRET_AUTH);
    g_autofree char *encryption_id = qemu_secret_id(source, QEMU_SECRET_ENCRYPTION);
    g_autofree char *cookie_id = qemu_secret_id(source, QEMU_SECRET_COOKIE);

    if (auth && !secret_put(maker, auth_id, &auth->secret_uuid,
                            source->protocol == STORAGE_PROTOCOL_RBD ? SECRET_USAGE_CEPH : SECRET_USAGE_ISCSI,
                            auth->secret_usage, err))
        return false;
    if (encryption && def_list_len(encryption->secrets)) {
        const VolumeSecret *secret = g_ptr_array_index(encryption->secrets, 0);
        if (!secret_put(maker, encryption_id, &secret->uuid, SECRET_USAGE_VOLUME, secret->usage, err))
            return false;
    }
    if (maker->secrets && def_list_len(source->cookies)) {
        g_autofree char *text = qemu_cookie_text(source);
        return qemu_secrets_add(maker->secrets, maker->key, cookie_id, text, strlen(text), err);
    }
    return true;
}

static bool disk_needs_secrets(const DiskDef *disk)
{
    for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));) {
        if (disk_auth(disk, source) || disk_encryption(disk, source) || def_list_len(source->cookies))
            return true;
    }
    return false;
}

static bool device_needs_secrets(DeviceKind kind, const void *device)
{
    return kind == DEVICE_DISK      ? disk_needs_secrets(device)
           : kind == DEVICE_HOSTDEV ? ((const HostdevDef *)device)->iscsi_auth != NULL
                                    : false;
}

static bool needs_secrets(const DomainDef *live)
{
    for (DEF_EACH(DiskDef, disk, live->disks)) {
        if (device_needs_secrets(DEVICE_DISK, disk))
            return true;
    }
    for (DEF_EACH(HostdevDef, hostdev, live->hostdevs)) {
        if (device_needs_secrets(DEVICE_HOSTDEV, hostdev))
            return true;
    }
    return false;
}

static bool secrets_of_device(const SecretMaker *maker, DeviceKind kind, const void *device, Error **err)
{
    if (kind == DEVICE_HOSTDEV) {
        const HostdevDef *hostdev = device;
        const StorageAuth *auth = hostdev->iscsi_auth;
        g_autofree char *id = qemu_hostdev_secret_id(hostdev);
        return !auth ||
               secret_put(maker, id, &auth->secret_uuid, SECRET_USAGE_ISCSI, auth->secret_usage, err);
    }
    const DiskDef *disk = device;
    for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));) {
        if (!secrets_of_source(maker, disk, source, err))
            return false;
    }
    return true;
}

static bool secrets_of_all(const SecretMaker *maker, const DomainDef *def, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (!secrets_of_device(maker, DEVICE_DISK, disk, err))
            return false;
    }
    for (DEF_EACH(HostdevDef, hostdev, def->hostdevs)) {
        if (!secrets_of_device(maker, DEVICE_HOSTDEV, hostdev, err))
            return false;
    }
    return true;
}

bool vm_find_secrets(Host *host, const DomainDef *def, Error **err)
{
    const SecretMaker maker = { .host = host };

    return secrets_of_all(&maker, def, err);
}

/* @device alone; NULL: all of the machine. */
AWAITS static bool prepare_secrets(Vm *vm, DeviceKind kind, const void *device, QemuSecrets **ret_secrets,
                                   Error **err)
{
    g_autofree char *path = path_join(vm->run->lib_dir, QEMU_MASTER_KEY_FILE);
    g_autoptr(QemuSecrets) secrets = qemu_secrets_new();
    g_autofree char *key = NULL;
    size_t len = 0;

    if (!(device ? device_needs_secrets(kind, device) : needs_secrets(vm->live))) {
        *ret_secrets = g_steal_pointer(&secrets);
        return true;
    }
    /* From where QEMU reads it: a daemon that was started anew has it, too. */
    if (!file_read(path, QEMU_MASTER_KEY_BYTES, &key, &len, err))
        return false;
    if (len != QEMU_MASTER_KEY_BYTES)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' holds no key", path);
    const SecretMaker maker = { .host = vm->host, .key = (const uint8_t *)key, .secrets = secrets };
    if (!(device ? secrets_of_device(&maker, kind, device, err) : secrets_of_all(&maker, vm->live, err)))
        return false;
    *ret_secrets = g_steal_pointer(&secrets);
    return true;
}

bool vm_prepare_secrets(Vm *vm, QemuSecrets **ret_secrets, Error **err)
{
    return prepare_secrets(vm, DEVICE_DISK, NULL, ret_secrets, err);
}

bool vm_prepare_device_secrets(Vm *vm, DeviceKind kind, const void *device, QemuSecrets **ret_secrets,
                               Error **err)
{
    return prepare_secrets(vm, kind, device, ret_secrets, err);
}
