/* What machine and host share besides disks: file systems, memory, sockets, a TPM, crash logs, ciphers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/file.h"
#include "qemu/command_private.h"

#define SHMEM_BYTES_MIN (UINT64_C(1) << 20)

/* A chardev that is a connection to the socket at @path. @reconnect_s: 0: none. */
static void plan_connection(const char *id, const char *path, uint32_t reconnect_s, Plan *plan)
{
    Json *data = json_pack("{s:{s:s, s:{}}, s:b}", "addr", "type", "unix", "data", "server", FALSE);
    prop_str(json_object_get(json_object_get(data, "addr"), "data"), "path", path);
    prop_some(data, "reconnect", reconnect_s);
    Json *chardev = json_object();
    prop_str(chardev, "id", id);
    json_object_set_new(chardev, "backend", json_pack("{s:s, s:o}", "type", "socket", "data", data));
    plan_add(plan, PLAN_CHARDEV, chardev);
}

/* ---- file systems ---- */

bool filesystem_is_virtiofs(const FilesystemDef *filesystem)
{
    return g_strcmp0(filesystem->driver_type, "virtiofs") == 0;
}

char *device_virtiofs_socket(const char *lib_dir, const FilesystemDef *filesystem)
{
    g_autofree char *name = g_strdup_printf("%s-fs.sock", filesystem->info.alias);

    return filesystem->socket ? g_strdup(filesystem->socket) : path_join(lib_dir, name);
}

static bool plan_virtiofs(const PlanContext *c, const FilesystemDef *filesystem, Plan *plan, Error **err)
{
    g_autofree char *id = g_strdup_printf("chr-vu-%s", filesystem->info.alias);
    g_autofree char *path = device_virtiofs_socket(c->env->lib_dir ? c->env->lib_dir : ".", filesystem);
    Json *device = device_new("vhost-user-fs-pci");

    plan_connection(id, path, 0, plan);
    prop_virtio(device, &filesystem->virtio);
    prop_str(device, "chardev", id);
    prop_opt(device, "queue-size", filesystem->queue_size);
    prop_str(device, "tag", filesystem->target);
    prop_some(device, "bootindex", filesystem->info.boot_order);
    return add_device(c, plan, device, &filesystem->info, err);
}

static const char *security_model(FilesystemAccess access)
{
    return access == FILESYSTEM_MAPPED ? "mapped" : access == FILESYSTEM_SQUASH ? "none" : "passthrough";
}

static bool plan_9p(const PlanContext *c, const FilesystemDef *filesystem, Plan *plan, Error **err)
{
    g_autofree char *driver = virtio_driver("virtio-9p", filesystem->model, &filesystem->info);
    g_autoptr(GString) out = g_string_new("local");

    if (filesystem->driver_type && strcmp(filesystem->driver_type, "path") != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "filesystem driver type '%s' is not supported: QEMU has path and virtiofs",
                         filesystem->driver_type);
    if (c->is_hot)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "only virtiofs filesystems can be plugged into a running machine");
    append_option(out, "security_model", security_model(filesystem->access));
    if (filesystem->multidevs > FILESYSTEM_MULTIDEVS_DEFAULT)
        append_option(out, "multidevs", enum_name(&filesystem_multidevs_names, filesystem->multidevs));
    if (filesystem->fmode.is_set)
        g_string_append_printf(out, ",fmode=%04o", filesystem->fmode.value);
    if (filesystem->dmode.is_set)
        g_string_append_printf(out, ",dmode=%04o", filesystem->dmode.value);
    if (filesystem->write_policy != FILESYSTEM_WRITE_ABSENT)
        append_option(out, "writeout", enum_name(&filesystem_write_policy_names, filesystem->write_policy));
    g_string_append_printf(out, ",id=fsdev-%s", filesystem->info.alias);
    append_option(out, "path", filesystem->source);
    if (filesystem->readonly)
        g_string_append(out, c->env->for_reference ? ",readonly" : ",readonly=on");
    plan_text(plan, "-fsdev", "%s", out->str);

    Json *device = device_new(driver);
    prop_virtio(device, &filesystem->virtio);
    prop_format(device, "fsdev", "fsdev-%s", filesystem->info.alias);
    prop_str(device, "mount_tag", filesystem->target);
    return add_device(c, plan, device, &filesystem->info, err);
}

bool plan_filesystem(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    return filesystem_is_virtiofs(def) ? plan_virtiofs(c, def, plan, err) : plan_9p(c, def, plan, err);
}

bool plan_vhost_user_disk(const PlanContext *c, const DiskDef *disk, Plan *plan, Error **err)
{
    g_autofree char *id = g_strdup_printf("chr-vu-%s", disk->info.alias);
    g_autofree char *driver = virtio_driver("vhost-user-blk", disk->model, &disk->info);
    Json *device = device_new(driver);

    plan_connection(id, disk->src.path,
                    disk->src.vhost_reconnect == TRISTATE_ON ? disk->src.vhost_reconnect_s.value : 0, plan);
    prop_virtio(device, &disk->virtio);
    prop_opt(device, "num-queues", disk->queues);
    prop_opt(device, "queue-size", disk->queue_size);
    prop_str(device, "chardev", id);
    prop_some(device, "bootindex", disk_boot_index(c, disk));
    return add_device(c, plan, device, &disk->info, err);
}

/* ---- TPM ---- */

char *device_tpm_socket(const char *lib_dir, const TpmDef *tpm)
{
    g_autofree char *name = g_strdup_printf("%s-swtpm.sock", tpm->info.alias);

    return path_join(lib_dir, name);
}

char *device_tpm_fd_name(const char *alias, bool is_cancel)
{
    return g_strdup_printf("%s%s", alias, is_cancel ? "-cancel" : "");
}

static void plan_tpm_passthrough(const PlanContext *c, const TpmDef *tpm, Plan *plan)
{
    g_autofree char *name = device_tpm_fd_name(tpm->info.alias, false);
    g_autofree char *cancel_name = device_tpm_fd_name(tpm->info.alias, true);

    if (plan_fds_get(c->env->fds, name) < 0) {
        plan_text(plan, "-tpmdev", "passthrough,id=tpm-%s,path=%s", tpm->info.alias, tpm->device_path);
        return;
    }
    AUTO_JSON path = plan_descriptor_set(plan, name);
    AUTO_JSON cancel = plan_descriptor_set(plan, cancel_name);

    plan_text(plan, "-tpmdev", "passthrough,id=tpm-%s,path=%s,cancel-path=%s", tpm->info.alias,
              json_string_value(path), json_string_value(cancel));
}

bool plan_tpm(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const TpmDef *tpm = def;
    g_autofree char *path = tpm->backend == TPM_BACKEND_EXTERNAL
                                ? g_strdup(tpm->external_path)
                                : device_tpm_socket(c->env->lib_dir ? c->env->lib_dir : ".", tpm);
    if (tpm->backend == TPM_BACKEND_PASSTHROUGH) {
        plan_tpm_passthrough(c, tpm, plan);
    } else {
        if (c->env->for_reference && tpm->backend == TPM_BACKEND_EMULATOR) /* nobody listens there yet */
            plan_text(plan, "-chardev", "null,id=chrtpm");
        else
            plan_connection("chrtpm", path, 0, plan);
        plan_text(plan, "-tpmdev", "emulator,id=tpm-%s,chardev=chrtpm", tpm->info.alias);
    }
    Json *device = device_new(enum_name(&tpm_model_names, tpm->model));
    prop_format(device, "tpmdev", "tpm-%s", tpm->info.alias);
    return add_device(c, plan, device, &tpm->info, err);
}

/* ---- shared memory ---- */

static void plan_shmem_server(const PlanContext *c, const ShmemDef *shmem, Plan *plan, Json *device)
{
    g_autofree char *id = g_strdup_printf("char%s", shmem->info.alias);
    g_autofree char *usual = g_strdup_printf("/var/lib/libvirt/shmem-%s-sock", shmem->name);

    plan_connection(id, shmem->server_path ? shmem->server_path : usual, 0, plan);
    prop_str(device, "chardev", id);
    prop_opt(device, "vectors", shmem->msi_vectors);
    prop_tristate(device, "ioeventfd", shmem->msi_ioeventfd);
}

static void plan_shmem_file(const ShmemDef *shmem, Plan *plan, Json *device)
{
    Json *object = json_object();

    prop_str(object, "qom-type", "memory-backend-file");
    prop_format(object, "id", "shmmem-%s", shmem->info.alias);
    prop_format(object, "mem-path", "/dev/shm/%s", shmem->name);
    prop_uint(object, "size", shmem->size_bytes);
    prop_bool(object, "share", true);
    plan_add(plan, PLAN_OBJECT, object);
    prop_format(device, "memdev", "shmmem-%s", shmem->info.alias);
    if (shmem->role != SHMEM_ROLE_ABSENT)
        prop_str(device, "master", shmem->role == SHMEM_ROLE_MASTER ? "on" : "off");
}

bool plan_shmem(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const ShmemDef *shmem = def;
    const bool is_plain = shmem->model == SHMEM_IVSHMEM_PLAIN;

    if (is_plain && shmem->size_bytes < SHMEM_BYTES_MIN)
        return error_set(err, ERROR_XML_INVALID, "shmem size must be at least 1 MiB (1024 KiB)");
    if (is_plain && shmem->size_bytes & (shmem->size_bytes - 1))
        return error_set(err, ERROR_XML_INVALID, "shmem size must be a power of two");
    Json *device = device_new(enum_name(&shmem_model_names, shmem->model));
    if (is_plain)
        plan_shmem_file(shmem, plan, device);
    else
        plan_shmem_server(c, shmem, plan, device);
    return add_device(c, plan, device, &shmem->info, err);
}

/* ---- the rest ---- */

void prop_vhost_fd(const PlanContext *c, Json *device, const char *fd_name, Plan *plan)
{
    if (plan_fds_get(c->env->fds, fd_name) >= 0)
        json_object_set_new(device, "vhostfd", plan_descriptors(plan, fd_name));
    else /* for people, or to take it out */
        prop_str(device, "vhostfd", "-1");
}

char *device_vsock_fd_name(const char *alias)
{
    return g_strdup_printf("vhost%s", alias);
}

bool plan_vsock(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const VsockDef *vsock = def;
    g_autofree char *driver = virtio_driver("vhost-vsock", vsock->model, &vsock->info);
    g_autofree char *fd_name = device_vsock_fd_name(vsock->info.alias);
    Json *device = device_new(driver);

    prop_virtio(device, &vsock->virtio);
    prop_uint(device, "guest-cid", vsock->cid.value);
    prop_vhost_fd(c, device, fd_name, plan);
    return add_device(c, plan, device, &vsock->info, err);
}

bool plan_crypto(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const CryptoDef *crypto = def;
    Json *object = json_object();

    prop_format(object, "qom-type", "cryptodev-backend-%s",
                enum_name(&crypto_backend_names, crypto->backend));
    prop_format(object, "id", "obj%s", crypto->info.alias);
    prop_opt(object, "queues", crypto->queues);
    plan_add(plan, PLAN_OBJECT, object);
    if (crypto->backend == CRYPTO_BACKEND_LKCF && qemu_caps_version(c->caps) < 8000000)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "the crypto backend 'lkcf' needs a QEMU that was built with it");
    Json *device = device_new("virtio-crypto-pci");
    prop_format(device, "cryptodev", "obj%s", crypto->info.alias);
    return add_device(c, plan, device, &crypto->info, err);
}

bool plan_pstore(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const PstoreDef *pstore = def;
    Json *object = json_object(), *device = device_new("acpi-erst");

    prop_str(object, "qom-type", "memory-backend-file");
    prop_format(object, "id", "mem%s", pstore->info.alias);
    prop_str(object, "mem-path", pstore->path);
    prop_bool(object, "share", true);
    prop_uint(object, "size", pstore->size_bytes);
    plan_add(plan, PLAN_OBJECT, object);
    prop_format(device, "memdev", "mem%s", pstore->info.alias);
    return add_device(c, plan, device, &pstore->info, err);
}
