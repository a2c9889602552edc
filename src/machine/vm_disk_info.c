/* Questions about disks of one machine: sizes, counters, errors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "disk"
#include <string.h>

#include "machine/vm_query.h"

#define SECTOR_BYTES ((uint64_t)512)

char *storage_node_name(const StorageSource *source)
{
    return source->index ? g_strdup_printf("libvirt-%u-format", source->index) : NULL;
}

const MonitorBlockStats *disk_find_stats(const DiskDef *disk, const GPtrArray *stats)
{
    if (!disk->info.alias)
        return NULL;
    for (guint i = 0; stats && i < stats->len; i++) {
        const MonitorBlockStats *entry = g_ptr_array_index(stats, i);
        if (entry->depth == 0 && entry->alias && strcmp(entry->alias, disk->info.alias) == 0)
            return entry;
    }
    return NULL;
}

/* ---- sizes ---- */

/* QEMU knows what no look at a file can tell: the size of images that are not local. */
static bool block_info_ask_qemu(Vm *vm, const char *node_name, BlockInfo *io_info, Error **err)
{
    g_autoptr(GHashTable) nodes = NULL;

    if (!vm_require_monitor(vm, err) ||
        !monitor_query_block_nodes(vm_monitor(vm), QUERY_TIMEOUT_MS, &nodes, err))
        return false;
    const MonitorBlockNode *node = g_hash_table_lookup(nodes, node_name);
    if (!node)
        return error_set(err, ERROR_INTERNAL, "QEMU does not know the block node '%s'", node_name);
    io_info->capacity = node->virtual_bytes;
    if (io_info->physical == 0 && node->actual_bytes != UINT64_MAX)
        io_info->physical = io_info->allocation = node->actual_bytes;
    return true;
}

/* On a block device the file system's count of used blocks says nothing; QEMU keeps the highest offset. */
static bool block_info_ask_highest(Vm *vm, const char *disk, BlockInfo *io_info, Error **err)
{
    g_autoptr(GPtrArray) stats = NULL;

    if (!vm_require_monitor(vm, err) ||
        !monitor_query_block_stats(vm_monitor(vm), QUERY_TIMEOUT_MS, &stats, err))
        return false;
    const DiskDef *live = vm->live ? domain_find_disk(vm->live, disk) : NULL;
    const MonitorBlockStats *entry = live ? disk_find_stats(live, stats) : NULL;
    if (entry)
        io_info->allocation = entry->wr_highest_offset;
    return true;
}

static bool block_info_local(Vm *vm, const char *target, const char *path, StorageFormat format,
                             BlockInfo *ret_info, Error **err)
{
    StorageInfo file = { 0 };
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;

    if (!storage_probe(path, format, timeout_ms, &file, err))
        return false;
    BlockInfo info = { .capacity = file.capacity, .allocation = file.allocation, .physical = file.physical };
    const bool is_raw = format == STORAGE_FORMAT_RAW || format == STORAGE_FORMAT_ABSENT;
    if (is_raw && vm_is_running(vm)) /* the guest sees whole sectors */
        info.capacity = (info.capacity + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    if (file.is_block && !is_raw && vm_is_running(vm) && !block_info_ask_highest(vm, target, &info, err))
        return false;
    *ret_info = info;
    return true;
}

bool vm_get_block_info(Vm *vm, const char *name, BlockInfo *ret_info, Error **err)
{
    const DomainDef *def = vm_def(vm);

    if (!object_require_listed(&vm->object, err))
        return false;
    const DiskDef *disk = def ? domain_find_disk(def, name) : NULL;
    if (!disk)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid path %s not assigned to domain", name);
    if (storage_is_empty(&disk->src))
        return error_set(err, ERROR_INVALID_ARGUMENT, "disk '%s' does not currently have a source assigned",
                         disk->target);
    g_autofree char *target = g_strdup(disk->target);
    g_autofree char *node_name = storage_node_name(&disk->src);
    if (storage_is_local(&disk->src)) {
        g_autofree char *path = g_strdup(disk->src.path);
        return block_info_local(vm, target, path, disk->src.format, ret_info, err);
    }
    if (!vm_is_running(vm) || !node_name)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "the size of disk '%s', which is not local, is only known while the domain runs",
                         target);
    BlockInfo info = { 0 };
    if (!block_info_ask_qemu(vm, node_name, &info, err))
        return false;
    *ret_info = info;
    return true;
}

/* ---- counters ---- */

static void block_stats_sum(MonitorBlockStats *total, const MonitorBlockStats *one)
{
    total->rd_bytes += one->rd_bytes;
    total->rd_ops += one->rd_ops;
    total->rd_ns += one->rd_ns;
    total->wr_bytes += one->wr_bytes;
    total->wr_ops += one->wr_ops;
    total->wr_ns += one->wr_ns;
    total->flush_ops += one->flush_ops;
    total->flush_ns += one->flush_ns;
}

static Params *block_stats_to_params(const MonitorBlockStats *stats)
{
    Params *params = params_new();

    params_add_llong(params, (int64_t)stats->wr_bytes, "wr_bytes");
    params_add_llong(params, (int64_t)stats->wr_ops, "wr_operations");
    params_add_llong(params, (int64_t)stats->rd_bytes, "rd_bytes");
    params_add_llong(params, (int64_t)stats->rd_ops, "rd_operations");
    params_add_llong(params, (int64_t)stats->flush_ops, "flush_operations");
    params_add_llong(params, (int64_t)stats->wr_ns, "wr_total_times");
    params_add_llong(params, (int64_t)stats->rd_ns, "rd_total_times");
    params_add_llong(params, (int64_t)stats->flush_ns, "flush_total_times");
    return params;
}

bool vm_get_block_stats(Vm *vm, const char *name, Params **ret_params, Error **err)
{
    g_autoptr(GPtrArray) stats = NULL;
    MonitorBlockStats total = { 0 };

    if (!vm_require_running(vm, err))
        return false;
    if (*name && vm->live && !domain_find_disk(vm->live, name))
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid path: %s", name);
    if (!vm_require_monitor(vm, err) ||
        !monitor_query_block_stats(vm_monitor(vm), QUERY_TIMEOUT_MS, &stats, err) ||
        !vm_require_running(vm, err))
        return false;
    if (!vm->live)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    const DiskDef *wanted = *name ? domain_find_disk(vm->live, name) : NULL;
    bool found = !*name;
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        const MonitorBlockStats *one = disk_find_stats(disk, stats);
        if (!one || (*name && disk != wanted))
            continue;
        block_stats_sum(&total, one);
        found = true;
    }
    if (!found)
        return error_set(err, ERROR_INTERNAL, "cannot find statistics for device '%s'", name);
    *ret_params = block_stats_to_params(&total);
    return true;
}

/* ---- errors ---- */

bool vm_get_disk_errors(Vm *vm, GPtrArray **ret_disks, GArray **ret_codes, Error **err)
{
    g_autoptr(GHashTable) disks = NULL;

    if (!vm_require_monitor(vm, err) || !monitor_query_disks(vm_monitor(vm), QUERY_TIMEOUT_MS, &disks, err) ||
        !vm_require_running(vm, err))
        return false;
    if (!vm->live)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GArray *codes = g_array_new(FALSE, TRUE, sizeof(int));
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        const MonitorDisk *state = disk->info.alias ? g_hash_table_lookup(disks, disk->info.alias) : NULL;
        /* QEMU (7.2) keeps the status of a device without a -drive when it goes on; what runs has no error.
         */
        if (!state || state->io_status == MONITOR_IO_OK || vm->state == VM_STATE_RUNNING)
            continue;
        const int code = state->io_status == MONITOR_IO_NO_SPACE ? VIR_DOMAIN_DISK_ERROR_NO_SPACE
                                                                 : VIR_DOMAIN_DISK_ERROR_UNSPEC;
        g_ptr_array_add(names, g_strdup(disk->target));
        g_array_append_val(codes, code);
    }
    *ret_disks = names;
    *ret_codes = codes;
    return true;
}
