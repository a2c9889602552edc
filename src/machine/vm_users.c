/* Which images machines use. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_users.h"

#include <string.h>

#include "machine/vm_snapshot_private.h"
#include "storage/pool.h"

typedef struct Walk {
    Host *host;
    ImageVisit visit;
    void *arg;
    const char *machine;
    bool is_running;
} Walk;

static void walk_path(const Walk *walk, const char *path)
{
    if (path)
        walk->visit(walk->arg, path, walk->machine, walk->is_running);
}

/* A volume has a path while its pool is active. */
static void walk_volume(const Walk *walk, const StorageSource *source)
{
    g_autoptr(Object) pool =
        object_find_by_name(host_registry(walk->host, &pool_class), source->pool ? source->pool : "", NULL);
    GHashTable *volumes = pool ? ((Pool *)(void *)pool)->volumes : NULL;
    const Volume *volume = volumes && source->path ? g_hash_table_lookup(volumes, source->path) : NULL;

    if (volume)
        walk_path(walk, volume_path(volume));
}

static void walk_source(const Walk *walk, const StorageSource *source)
{
    if (source->type == STORAGE_VOLUME)
        walk_volume(walk, source);
    else if (source->type != STORAGE_NETWORK)
        walk_path(walk, source->path);
    if (source->data_store)
        walk_source(walk, source->data_store);
}

static void walk_machine(const Walk *walk, const DomainDef *def)
{
    if (!def)
        return;
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));)
            walk_source(walk, source);
    }
    for (guint i = 0; def->filesystems && i < def->filesystems->len; i++)
        walk_path(walk, ((const FilesystemDef *)g_ptr_array_index(def->filesystems, i))->source);
    walk_path(walk, def->os.kernel);
    walk_path(walk, def->os.initrd);
    walk_path(walk, def->os.dtb);
    walk_path(walk, def->os.loader ? def->os.loader->path : NULL);
    walk_path(walk, def->os.nvram ? def->os.nvram->path : NULL);
    for (DEF_EACH(SysinfoDef, sysinfo, def->sysinfos)) {
        for (DEF_EACH(NamedValue, entry, sysinfo->fwcfg))
            walk_path(walk, entry->file);
    }
}

void machine_walk_images_of(Host *host, const DomainDef *def, ImageVisit visit, void *arg)
{
    const Walk walk = { .host = host, .visit = visit, .arg = arg, .machine = def->name, .is_running = true };

    walk_machine(&walk, def);
}

/* The states of snapshots, and the images that they made. */
static void walk_snapshots(const Walk *walk, const Vm *vm)
{
    g_autoptr(GPtrArray) snapshots = vm_snapshot_list_all(vm);

    for (guint i = 0; i < snapshots->len; i++) {
        const SnapshotDef *def = ((Moment *)g_ptr_array_index(snapshots, i))->def;
        walk_path(walk, def->memory_file);
        for (DEF_EACH(SnapshotDisk, entry, def->disks)) {
            const DiskDef *disk = vm_snapshot_disk(def->domain, entry->name);
            const bool is_kept =
                entry->snapshot == DISK_SNAPSHOT_INTERNAL || entry->snapshot == DISK_SNAPSHOT_EXTERNAL;
            for (const StorageSource *source = is_kept && disk ? &disk->src : NULL; source;
                 source = source->backing)
                walk_source(walk, source);
        }
    }
    for (guint i = 0; i < vm->snapshot_images->len; i++)
        walk_path(walk, g_ptr_array_index(vm->snapshot_images, i));
}

void machine_walk_images(Host *host, ImageVisit visit, void *arg)
{
    const Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        Walk walk = { .host = host, .visit = visit, .arg = arg, .machine = vm->name, .is_running = true };
        if (!vm->is_listed)
            continue;
        walk_machine(&walk, vm->live);
        walk.is_running = false;
        walk_machine(&walk, vm->config);
        walk_snapshots(&walk, vm);
    }
}

static bool source_needs_pool(const StorageSource *source, const char *pool, const char *target_path)
{
    if (source->type == STORAGE_VOLUME)
        return g_strcmp0(source->pool, pool) == 0;
    const size_t len = target_path ? strlen(target_path) : 0;
    return len && source->path && strncmp(source->path, target_path, len) == 0 && source->path[len] == '/';
}

bool machine_needs_pool(const DomainDef *def, const char *pool, const char *target_path)
{
    for (guint i = 0; def && def->disks && i < def->disks->len; i++) {
        const DiskDef *disk = g_ptr_array_index(def->disks, i);
        for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));) {
            if (source_needs_pool(source, pool, target_path))
                return true;
        }
    }
    return false;
}
