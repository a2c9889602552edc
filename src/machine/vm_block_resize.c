/* The size of a running machine's disk. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "base/log.h"
#include "conf/domain_device.h"
#include "machine/vm_block_job.h"
#include "machine/vm_edit.h"
#include "machine/vm_info.h"
#include "machine/vm_query.h"

#define RESIZE_MS 60000 /* preallocated images and those on servers take a while */
#define SECTOR_BYTES 512

/* What the size is to be: all of the device below, or no less than it is now. */
AWAITS static bool resize_complete(Vm *vm, const DiskDef *disk, const char *node_name, unsigned flags,
                                   uint64_t *io_bytes, Error **err)
{
    g_autoptr(GHashTable) nodes = NULL;
    StorageInfo info = { 0 };

    if (flags & VIR_DOMAIN_BLOCK_RESIZE_CAPACITY) {
        if (disk->src.type != STORAGE_BLOCK || disk->src.format != STORAGE_FORMAT_RAW || disk->src.slices)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "only a raw image on a block device has a capacity to be resized to: '%s' has "
                             "none",
                             disk->target);
        if (!storage_probe(disk->src.path, STORAGE_FORMAT_RAW,
                           (uint64_t)vm->host->config->storage_timeout_s * 1000, &info, err))
            return false;
        *io_bytes = info.capacity;
    }
    if (!(flags & VIR_DOMAIN_BLOCK_RESIZE_EXTEND))
        return vm_require_monitor(vm, err);
    if (!monitor_query_block_nodes(vm_monitor(vm), RESIZE_MS, &nodes, err))
        return false;
    const MonitorBlockNode *node = g_hash_table_lookup(nodes, node_name);
    if (node && *io_bytes < node->virtual_bytes)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a disk that is to be extended can't shrink from %" PRIu64 " to %" PRIu64 " bytes",
                         node->virtual_bytes, *io_bytes);
    return true;
}

bool vm_block_resize(Vm *vm, const char *name, uint64_t size, unsigned flags, const Caller *caller,
                     Error **err)
{
    g_auto(VmEdit) edit = { 0 };
    uint64_t bytes = size;

    if (!check_flags(flags,
                     VIR_DOMAIN_BLOCK_RESIZE_BYTES | VIR_DOMAIN_BLOCK_RESIZE_CAPACITY |
                         VIR_DOMAIN_BLOCK_RESIZE_EXTEND,
                     "qemuDomainBlockResize", err))
        return false;
    if ((flags & VIR_DOMAIN_BLOCK_RESIZE_CAPACITY) && size)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a size of its own and the capacity exclude each other");
    if (!(flags & VIR_DOMAIN_BLOCK_RESIZE_BYTES) && __builtin_mul_overflow(size, 1024, &bytes))
        return error_set(err, ERROR_OVERFLOW, "size must be less than %" PRIu64, UINT64_MAX / 1024);
    if (bytes > INT64_MAX - SECTOR_BYTES)
        return error_set(err, ERROR_OVERFLOW, "no disk can have %" PRIu64 " bytes", bytes);
    if (!vm_edit_begin(vm, VIR_DOMAIN_AFFECT_LIVE, caller, &edit, err))
        return false;
    const DiskDef *disk = domain_find_disk(vm->live, name);
    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid path: %s", name);
    g_autofree char *node_name = storage_node_name(&disk->src);
    if (!node_name)
        return error_set(err, ERROR_INVALID_STATE, "disk '%s' has no medium", disk->target);
    /* Formats with tables insist on whole sectors. */
    if (disk->src.format != STORAGE_FORMAT_RAW)
        bytes = (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    g_autofree char *target = g_strdup(disk->target);
    if (!vm_block_job_require_none(vm, target, err) ||
        !resize_complete(vm, disk, node_name, flags, &bytes, err))
        return false;
    if (!monitor_resize_block(vm_monitor(vm), node_name, bytes, RESIZE_MS, err) ||
        !vm_edit_commit(&edit, NULL, err))
        return false;
    log_info("machine '%s': disk '%s' has %" PRIu64 " bytes now", vm->name, target, bytes);
    return true;
}
