/* Which machines use an image. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_users.h"

#include <string.h>

#include "machine/vm_private.h"
#include "storage/pool_backend.h"

static bool source_is(const StorageSource *source, const char *path, const Volume *volume)
{
    if (source->type == STORAGE_VOLUME)
        return volume && g_strcmp0(source->pool, volume->pool_name) == 0 &&
               g_strcmp0(source->path, volume->name) == 0;
    return (source->type == STORAGE_FILE || source->type == STORAGE_BLOCK) &&
           g_strcmp0(source->path, path) == 0;
}

static bool machine_uses(const DomainDef *def, const char *path, const Volume *volume)
{
    for (guint i = 0; def && def->disks && i < def->disks->len; i++) {
        const DiskDef *disk = g_ptr_array_index(def->disks, i);
        for (const StorageSource *source = &disk->src; source; source = source->backing) {
            if (source_is(source, path, volume))
                return true;
        }
    }
    return false;
}

void machine_list_users(Host *host, const char *path, bool running, GPtrArray *names)
{
    const Volume *volume = g_hash_table_lookup(host->pools->by_path, path);
    const Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (vm->is_listed &&
            (machine_uses(vm->live, path, volume) || (!running && machine_uses(vm->config, path, volume))))
            g_ptr_array_add(names, g_strdup(vm->name));
    }
}
