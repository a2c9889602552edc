/* The document of a running machine: what it was started with, in the words that its user has for it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_private.h"
#include "storage/volume.h"

/* How a disk is called while the document is written. */
typedef struct SourceName {
    StorageSource *source;
    StorageType type;
    char *path; /* borrowed */
} SourceName;

/* A volume was found once, at the start. Where the stored definition has that very volume it keeps that name.
 */
static void name_volumes(const Vm *vm, GArray *names)
{
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        const DiskDef *stored = vm->config ? domain_find_disk(vm->config, disk->target) : NULL;
        StorageSource *source = &disk->src;
        if (!stored || stored->src.type != STORAGE_VOLUME ||
            (source->type != STORAGE_FILE && source->type != STORAGE_BLOCK) || !source->path ||
            !volume_lies_at(vm->host, stored->src.pool, stored->src.path, source->path))
            continue;
        const SourceName name = { .source = source, .type = source->type, .path = source->path };
        g_array_append_val(names, name);
        source->type = STORAGE_VOLUME;
        source->path = stored->src.path;
        source->pool = stored->src.pool;
        source->volume_mode = stored->src.volume_mode;
    }
}

char *vm_xml_format_live(Vm *vm, unsigned format_flags)
{
    g_autoptr(GArray) names = g_array_new(FALSE, FALSE, sizeof(SourceName));
    CpuDef *asked = vm->live->cpu;

    /* All this is for this call, in which nothing waits. */
    if (vm->run && vm->run->cpu)
        vm->live->cpu = vm->run->cpu;
    name_volumes(vm, names);
    char *xml = vm_xml_format(vm->live, format_flags);
    vm->live->cpu = asked;
    for (guint i = 0; i < names->len; i++) {
        const SourceName *name = &g_array_index(names, SourceName, i);
        name->source->type = name->type;
        name->source->path = name->path;
        name->source->pool = name->source->volume_mode = NULL;
    }
    return xml;
}
