/* Thresholds of what is written to images: QEMU tells once when a write reaches beyond. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "disk"
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "machine/vm_device_private.h"
#include "machine/vm_info.h"

/* "vda", or "vda[3]": the image with that number in its chain. NULL: there is none. */
static const StorageSource *find_source(const DomainDef *def, const char *device)
{
    const char *bracket = strchr(device, '[');
    g_autofree char *target = g_strndup(device, bracket ? (size_t)(bracket - device) : strlen(device));
    g_autofree char *number = bracket ? g_strndup(bracket + 1, strcspn(bracket + 1, "]")) : NULL;
    uint64_t index = 0;

    if (bracket && (!parse_uint(number, &index, NULL) || !g_str_has_suffix(device, "]")))
        return NULL;
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (g_strcmp0(disk->target, target) != 0)
            continue;
        const StorageSource *source = &disk->src;
        while (source && bracket && source->index != index)
            source = source->backing;
        return source;
    }
    return NULL;
}

bool vm_set_block_threshold(Vm *vm, const char *device, uint64_t bytes, unsigned flags, const Caller *caller,
                            Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, 0, "qemuDomainSetBlockThreshold", err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    const StorageSource *source = find_source(vm->live, device);
    if (!source)
        return error_set(err, ERROR_INVALID_ARGUMENT, "failed to find disk '%s'", device);
    if (!source->index)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "threshold currently can't be set for block device '%s'", device);
    g_autofree char *node = g_strdup_printf("libvirt-%u-storage", source->index);
    vm->run->has_thresholds = true;
    return monitor_set_write_threshold(vm_monitor(vm), node, bytes, 0, err);
}

static void tell(Vm *vm, const char *device, const char *path, const Json *data)
{
    vm_publish_event(vm, &(Event){ .id = EVENT_BLOCK_THRESHOLD,
                                   .text1 = device,
                                   .text2 = path,
                                   .number = (int64_t)json_get_uint(data, "write-threshold", 0),
                                   .number2 = (int64_t)json_get_uint(data, "amount-exceeded", 0) });
}

void vm_threshold_passed(Vm *vm, const Json *data)
{
    const char *node = json_get_str(data, "node-name");

    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        for (const StorageSource *source = &disk->src; node && source; source = source->backing) {
            g_autofree char *own = g_strdup_printf("libvirt-%u-storage", source->index);
            if (!source->index || strcmp(own, node) != 0)
                continue;
            if (source == &disk->src)
                tell(vm, disk->target, source->path, data);
            g_autofree char *device = g_strdup_printf("%s[%u]", disk->target, source->index);
            tell(vm, device, source->path, data);
            return;
        }
    }
}
