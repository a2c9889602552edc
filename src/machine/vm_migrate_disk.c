/* Storage of machines that are migrated: which of it both sides reach, and which is copied.
 *
 * The destination's QEMU serves the images of its machine over NBD; the source's QEMU mirrors its disks there
 * until both sides are the same and stay so. When the guest has stopped, and only then, the mirrors end, and
 * QEMU sends the rest of the machine's state. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/log.h"
#include "base/worker.h"
#include "conf/volume.h"
#include "machine/vm_block.h"
#include "machine/vm_block_chain.h"
#include "machine/vm_block_job.h"
#include "machine/vm_migrate_private.h"
#include "qemu/monitor_nbd.h"
#include "storage/image_make.h"
#include "storage/image_snapshot.h"
#include "storage/pool.h"

#define ANSWER_MS 20000
#define FINISH_MS 60000
#define NODE_PREFIX "migration-"

/* ---- which ---- */

static bool disk_is_writable(const DiskDef *disk)
{
    return !disk->readonly && !disk->shareable && !storage_is_empty(&disk->src);
}

bool migrate_copies_disk(const MigrateParams *params, const DiskDef *disk)
{
    if (!(params->flags & (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC)) ||
        storage_is_empty(&disk->src) || disk->device == DISK_DEVICE_CDROM ||
        disk->device == DISK_DEVICE_FLOPPY)
        return false;
    if (!params->disks)
        return disk_is_writable(disk) && storage_is_local(&disk->src);
    for (guint i = 0; i < params->disks->len; i++)
        if (strcmp(g_ptr_array_index(params->disks, i), disk->target) == 0)
            return true;
    return false;
}

bool migrate_check_disks(const Vm *vm, const MigrateParams *params, Error **err)
{
    for (guint i = 0; params->disks && i < params->disks->len; i++) {
        const char *target = g_ptr_array_index(params->disks, i);
        const DiskDef *disk = domain_find_disk(vm->live, target);
        if (!disk)
            return error_set(err, ERROR_INVALID_ARGUMENT, "disk target %s not found", target);
        if (storage_is_empty(&disk->src) || !migrate_copies_disk(params, disk))
            return error_set(err, ERROR_INVALID_ARGUMENT, "Cannot migrate empty or read-only media %s",
                             target);
    }
    return true;
}

/* ---- what both sides reach ---- */

typedef struct FsLook {
    char *path;
    bool is_shared;
} FsLook;

static void fs_look_free(void *data)
{
    FsLook *look = data;

    g_free(look->path);
    g_free(look);
}

static bool fs_look(void *data, Error **err)
{
    /* NFS, SMB, SMB2, CIFS, GFS2, OCFS2, AFS, Ceph, GPFS, FUSE (Gluster and others), VxFS */
    static const uint32_t shared[] = { 0x6969,     0x517b,     0xfe534d42, 0xff534d42, 0x01161970, 0x7461636f,
                                       0x5346414f, 0x00c36400, 0x47504653, 0x65735546, 0xa501fcf5 };
    FsLook *look = data;
    struct statfs stat;

    if (statfs(look->path, &stat) < 0)
        return error_set_errno(err, errno, "cannot tell what file system '%s' lies on", look->path);
    for (size_t i = 0; i < G_N_ELEMENTS(shared); i++)
        look->is_shared = look->is_shared || (uint32_t)stat.f_type == shared[i];
    return true;
}

AWAITS static bool is_on_shared_fs(const Vm *vm, const char *path, bool *ret_shared, Error **err)
{
    FsLook *look = g_new0(FsLook, 1);

    look->path = g_strdup(path);
    if (!worker_call_path(path, "cannot look at", fs_look, look, fs_look_free,
                          (uint64_t)vm->host->config->storage_timeout_s * 1000, err))
        return false;
    *ret_shared = look->is_shared;
    fs_look_free(look);
    return true;
}

AWAITS static bool check_safe(const Vm *vm, const char *target, const StorageSource *source, DiskCache cache,
                              Error **err)
{
    bool is_shared = false;

    if (source->type == STORAGE_NETWORK)
        return true;
    if (source->type == STORAGE_FILE) {
        if (!is_on_shared_fs(vm, source->path, &is_shared, err))
            return false;
        if (!is_shared) {
            error_set(err, ERROR_MIGRATE_UNSAFE, "Migration without shared storage is unsafe");
            return error_hint(err,
                              "disk '%s' is a file of this host: --copy-storage-all copies it, --unsafe says "
                              "that "
                              "both sides reach it",
                              target);
        }
    }
    if (cache == DISK_CACHE_NONE || cache == DISK_CACHE_DIRECTSYNC)
        return true;
    error_set(err, ERROR_MIGRATE_UNSAFE,
              "Migration may lead to data corruption if disks use cache other than none "
              "or directsync");
    return error_hint(err, "set cache='none' on disk '%s', or say --unsafe", target);
}

bool migrate_check_safe(const Vm *vm, const MigrateParams *params, Error **err)
{
    if (params->flags & (VIR_MIGRATE_UNSAFE | VIR_MIGRATE_OFFLINE))
        return true;
    for (guint i = 0; vm->live && i < def_list_len(vm->live->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(vm->live->disks, i);
        g_autofree char *target = g_strdup(disk->target);
        if (!disk_is_writable(disk) || migrate_copies_disk(params, disk))
            continue;
        if (!check_safe(vm, target, &disk->src, disk->cache, err))
            return false;
    }
    return vm_require_running(vm, err);
}

/* ---- source ---- */

bool migrate_list_disks(Vm *vm, const MigrateParams *params, MigrateCookie *cookie, Error **err)
{
    g_autoptr(GHashTable) nodes = NULL;

    if (!(params->flags & (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC)))
        return true;
    if (!monitor_query_block_nodes(vm_monitor(vm), 0, &nodes, err))
        return false;
    cookie->has_disks = true;
    cookie->disks = migrate_disk_list_new();
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        if (!migrate_copies_disk(params, disk))
            continue;
        g_autofree char *node = device_medium_node(disk);
        const MonitorBlockNode *found = g_hash_table_lookup(nodes, node);
        migrate_disk_list_add(cookie->disks, disk->target, found ? found->virtual_bytes : 0);
    }
    return true;
}

typedef struct Mirror {
    char *target, *job;
    bool is_concluded;
} Mirror;

struct MigrateMirrors {
    GPtrArray *list; /* of Mirror */
};

static void mirror_free(void *data)
{
    Mirror *mirror = data;

    g_free(mirror->target);
    g_free(mirror->job);
    g_free(mirror);
}

void migrate_mirrors_free(MigrateMirrors *mirrors)
{
    if (!mirrors)
        return;
    g_ptr_array_unref(mirrors->list);
    g_free(mirrors);
}

static char *mirror_node(const char *target, const char *layer)
{
    return g_strdup_printf(NODE_PREFIX "%s-%s", target, layer);
}

/* "drive-virtio-disk0": the job here, the export there, as libvirt calls them. */
static char *drive_name(const DiskDef *disk)
{
    return g_strdup_printf("drive-%s", disk->info.alias);
}

AWAITS static bool add_target(Vm *vm, const char *target, const char *export, const char *host, unsigned port,
                              const char *tls_id, const char *tls_name, Error **err)
{
    g_autofree char *storage = mirror_node(target, "storage"), *format = mirror_node(target, "format");
    g_autofree char *number = g_strdup_printf("%u", port);
    AUTO_JSON below = json_pack("{s:s, s:{s:s, s:s, s:s}, s:s, s:s, s:b, s:s}", "driver", "nbd", "server",
                                "type", "inet", "host", host, "port", number, "export", export, "node-name",
                                storage, "read-only", 0, "discard", "unmap");
    AUTO_JSON above = json_pack("{s:s, s:s, s:s, s:b}", "driver", "raw", "node-name", format, "file", storage,
                                "read-only", 0);

    if (tls_id) {
        json_object_set_new(below, "tls-creds", json_string(tls_id));
        json_object_set_new(below, "tls-hostname", json_string(tls_name));
    }
    return qmp_exec(vm_monitor(vm), "blockdev-add", below, ANSWER_MS, NULL, err) &&
           qmp_exec(vm_monitor(vm), "blockdev-add", above, ANSWER_MS, NULL, err);
}

AWAITS static bool start_mirror(Vm *vm, const MigrateParams *params, const char *job, const char *node,
                                const char *target, Error **err)
{
    g_autofree char *format = mirror_node(target, "format");
    const uint64_t mib = params->bandwidth_mib;
    AUTO_JSON args = json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:b}", "job-id", job, "device", node, "target",
                               format, "sync", params->flags & VIR_MIGRATE_NON_SHARED_INC ? "top" : "full",
                               "speed", (json_int_t)(mib ? MIN(mib, INT64_MAX >> 20) << 20 : 0),
                               "auto-finalize", 1, "auto-dismiss", 0);

    if (params->flags & VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES)
        json_object_set_new(args, "copy-mode", json_string("write-blocking"));
    return qmp_exec(vm_monitor(vm), "blockdev-mirror", args, ANSWER_MS, NULL, err);
}

bool migrate_mirrors_start(Vm *vm, const MigrateParams *params, const char *host, unsigned port,
                           const char *tls_id, MigrateMirrors **ret_mirrors, Error **err)
{
    g_autoptr(MigrateMirrors) mirrors = g_new0(MigrateMirrors, 1);

    mirrors->list = g_ptr_array_new_with_free_func(mirror_free);
    for (guint i = 0; vm->live && i < def_list_len(vm->live->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(vm->live->disks, i);
        if (!migrate_copies_disk(params, disk))
            continue;
        Mirror *mirror = g_new0(Mirror, 1);
        mirror->target = g_strdup(disk->target);
        mirror->job = drive_name(disk);
        g_ptr_array_add(mirrors->list, mirror);
        g_autofree char *node = device_medium_node(disk);
        if (!add_target(vm, mirror->target, mirror->job, host, port, tls_id,
                        params->tls_destination ? params->tls_destination : host, err) ||
            !start_mirror(vm, params, mirror->job, node, mirror->target, err))
            return error_prefix(err, "copying disk '%s'", mirror->target);
    }
    *ret_mirrors = g_steal_pointer(&mirrors);
    return vm_require_running(vm, err);
}

bool migrate_mirrors_poll(Vm *vm, MigrateMirrors *mirrors, JobProgress *progress, bool *ret_ready,
                          Error **err)
{
    g_autoptr(GPtrArray) jobs = NULL;

    *ret_ready = true;
    if (!mirrors || mirrors->list->len == 0)
        return true;
    if (!monitor_query_jobs(vm_monitor(vm), ANSWER_MS, &jobs, err))
        return false;
    for (guint i = 0; i < mirrors->list->len; i++) {
        Mirror *mirror = g_ptr_array_index(mirrors->list, i);
        const MonitorBlockJob *job = monitor_find_job(jobs, mirror->job);
        if (mirror->is_concluded)
            continue;
        mirror->is_concluded = job && g_strcmp0(job->status, "concluded") == 0;
        if (!job || (mirror->is_concluded && job->problem))
            return error_set(err, ERROR_OPERATION_FAILED, "migration of disk %s failed: %s", mirror->target,
                             job ? job->problem : "QEMU does not know of it");
        progress->disk_total += job->total;
        progress->disk_processed += job->done;
        progress->disk_remaining += job->total - MIN(job->done, job->total);
        *ret_ready = *ret_ready && g_strcmp0(job->status, "ready") == 0;
    }
    return true;
}

static bool all_concluded(const MigrateMirrors *mirrors)
{
    for (guint i = 0; i < mirrors->list->len; i++)
        if (!((const Mirror *)g_ptr_array_index(mirrors->list, i))->is_concluded)
            return false;
    return true;
}

AWAITS static void remove_nodes(Vm *vm, const char *target)
{
    static const char *const layers[] = { "format", "storage" };

    for (size_t i = 0; i < G_N_ELEMENTS(layers); i++) {
        g_autofree char *node = mirror_node(target, layers[i]);
        if (!monitor_remove_block_node(vm_monitor(vm), node, ANSWER_MS, NULL))
            log_debug("machine '%s' has no node '%s'", vm->name, node);
    }
}

bool migrate_mirrors_finish(Vm *vm, MigrateMirrors *mirrors, Error **err)
{
    const uint64_t deadline_ms = loop_now_ms() + FINISH_MS;
    JobProgress unused = { 0 };
    bool is_ready = false;

    if (!mirrors)
        return true;
    for (guint i = 0; i < mirrors->list->len; i++)
        if (!monitor_tell_job(vm_monitor(vm), MONITOR_JOB_END,
                              ((const Mirror *)g_ptr_array_index(mirrors->list, i))->job, ANSWER_MS, err))
            return false;
    while (!all_concluded(mirrors)) {
        g_autoptr(Error) why = NULL;
        if (!migrate_mirrors_poll(vm, mirrors, &unused, &is_ready, err))
            return false;
        if (all_concluded(mirrors))
            break;
        if (loop_now_ms() >= deadline_ms)
            return error_set(err, ERROR_TIMEOUT, "the last writes to the disks do not reach the other side");
        if (!wait_queue_wait(&vm->run->changed, 20, &why) && error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
        if (!vm_require_monitor(vm, err))
            return false;
    }
    for (guint i = 0; i < mirrors->list->len; i++) {
        const Mirror *mirror = g_ptr_array_index(mirrors->list, i);
        if (!monitor_tell_job(vm_monitor(vm), MONITOR_JOB_DISMISS, mirror->job, ANSWER_MS, err))
            return false;
        remove_nodes(vm, mirror->target);
    }
    return vm_require_running(vm, err);
}

void migrate_mirrors_abandon(Vm *vm)
{
    const uint64_t deadline_ms = loop_now_ms() + ANSWER_MS;
    bool is_left = true;

    while (is_left && vm_monitor(vm) && loop_now_ms() < deadline_ms) {
        g_autoptr(GPtrArray) jobs = NULL;
        is_left = false;
        if (!monitor_query_jobs(vm_monitor(vm), ANSWER_MS, &jobs, NULL))
            return;
        for (guint i = 0; i < jobs->len && vm_monitor(vm); i++) {
            const MonitorBlockJob *job = g_ptr_array_index(jobs, i);
            if (!g_str_has_prefix(job->id, "drive-"))
                continue;
            is_left = true;
            if (!monitor_tell_job(vm_monitor(vm),
                                  g_strcmp0(job->status, "concluded") == 0 ? MONITOR_JOB_DISMISS
                                                                           : MONITOR_JOB_BREAK_OFF,
                                  job->id, ANSWER_MS, NULL))
                log_debug("job '%s' of machine '%s' is about to end", job->id, vm->name);
        }
        if (is_left && vm->run && !wait_queue_wait(&vm->run->changed, 20, NULL) && !vm->run)
            return;
    }
    for (guint i = 0; vm->live && vm_monitor(vm) && i < def_list_len(vm->live->disks); i++) {
        g_autofree char *target = g_strdup(((const DiskDef *)g_ptr_array_index(vm->live->disks, i))->target);
        remove_nodes(vm, target);
    }
}

/* ---- destination ---- */

/* Clients name paths; only pools are places where something is made for them. */
AWAITS static bool make_image(Host *host, const StorageSource *source, const MigrateDisk *wanted,
                              bool is_overlay, Error **err)
{
    g_autofree char *folder = g_path_get_dirname(source->path);
    g_autoptr(VolumeDef) def = g_new0(VolumeDef, 1);
    Object *pool = pool_find_by_target_path(host, folder, NULL);

    if (!pool) {
        error_set(err, ERROR_INVALID_ARGUMENT, "cannot make '%s' for disk '%s': its folder is no pool",
                  source->path, wanted->target);
        return error_hint(err, "make the image, or a pool of '%s', on this host", folder);
    }
    object_unref(pool);
    def->type = VOLUME_FILE;
    def->target.path = g_strdup(source->path);
    def->target.format =
        g_strdup(enum_name(&storage_format_names, source->format ? source->format : STORAGE_FORMAT_RAW));
    if (source->format == STORAGE_FORMAT_QCOW2)
        def->target.compat = g_strdup("1.1");
    def->capacity = (OptU64){ .is_set = true, .value = wanted->bytes };
    def->allocation = (OptU64){ .is_set = true };
    if (is_overlay && source->backing && storage_is_local(source->backing)) {
        def->backing = g_new0(VolumeTarget, 1);
        def->backing->path = g_strdup(source->backing->path);
        def->backing->format =
            g_strdup(enum_name(&storage_format_names,
                               source->backing->format ? source->backing->format : STORAGE_FORMAT_RAW));
    }
    return image_make(host, def, source->path, NULL, 0, err);
}

bool migrate_make_images(Host *host, const DomainDef *def, const MigrateParams *params,
                         const MigrateCookie *cookie, GPtrArray *made, Error **err)
{
    for (guint i = 0; cookie->disks && i < cookie->disks->len; i++) {
        const MigrateDisk *wanted = g_ptr_array_index(cookie->disks, i);
        const DiskDef *disk = domain_find_disk(def, wanted->target);
        bool exists = false, is_block = false;
        if (!disk || disk->src.type != STORAGE_FILE || !disk->src.path)
            continue;
        if (!image_is_there(disk->src.path, &exists, &is_block, err))
            return false;
        if (exists)
            continue;
        if (!make_image(host, &disk->src, wanted, params->flags & VIR_MIGRATE_NON_SHARED_INC, err))
            return false;
        g_ptr_array_add(made, g_strdup(disk->src.path));
    }
    return true;
}

bool migrate_export_disks(Vm *vm, const MigrateParams *params, unsigned port, const char *tls_id, Error **err)
{
    const MonitorNbdServer server = { .fd = -1,
                                      .host = params->listen_address ? params->listen_address : "::",
                                      .port = port,
                                      .tls_id = tls_id };

    if (!monitor_nbd_start(vm_monitor(vm), &server, ANSWER_MS, err))
        return false;
    for (guint i = 0; vm->live && i < def_list_len(vm->live->disks); i++) {
        const DiskDef *disk = g_ptr_array_index(vm->live->disks, i);
        if (!migrate_copies_disk(params, disk))
            continue;
        g_autofree char *node = device_medium_node(disk), *name = drive_name(disk);
        if (!monitor_nbd_export_writable(vm_monitor(vm), node, name, ANSWER_MS, err))
            return error_prefix(err, "offering disk '%s' to the source", name);
    }
    return vm_require_running(vm, err);
}
