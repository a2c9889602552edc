/* Disk counters: query-blockstats for what moved, query-named-block-nodes for how large things are. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/vm_block_stats.h"

#include <string.h>

/* query-blockstats names a backend by its QOM path or device id, or by the node at its root. */
static const Json *find_blockstats(const Json *reply, const DiskDef *disk, const char *node)
{
    size_t i = 0;
    Json *entry = NULL;

    json_array_foreach(reply, i, entry)
    {
        const char *qdev = json_get_str(entry, "qdev");
        const char *name = json_get_str(entry, "node-name");
        const char *alias = disk->info.alias;
        if (name && node && strcmp(name, node) == 0)
            return entry;
        if (!qdev || !alias)
            continue;
        /* "/machine/peripheral/virtio-disk0/virtio-backend", "sata0-0-0" */
        const char *at = strstr(qdev, alias);
        const size_t len = strlen(alias);
        if (at && (at == qdev || at[-1] == '/') && (at[len] == '\0' || at[len] == '/'))
            return entry;
    }
    return NULL;
}

static const Json *find_node(const Json *reply, const char *node)
{
    size_t i = 0;
    Json *entry = NULL;

    json_array_foreach(reply, i, entry)
    {
        const char *name = json_get_str(entry, "node-name");
        if (name && node && strcmp(name, node) == 0)
            return entry;
    }
    return NULL;
}

static void fill_counters(DiskStats *stats, const Json *entry)
{
    const Json *counters = json_get_obj(entry, "stats");

    stats->is_known = true;
    stats->rd_reqs = json_get_uint(counters, "rd_operations", 0);
    stats->rd_bytes = json_get_uint(counters, "rd_bytes", 0);
    stats->rd_times_ns = json_get_uint(counters, "rd_total_time_ns", 0);
    stats->wr_reqs = json_get_uint(counters, "wr_operations", 0);
    stats->wr_bytes = json_get_uint(counters, "wr_bytes", 0);
    stats->wr_times_ns = json_get_uint(counters, "wr_total_time_ns", 0);
    stats->fl_reqs = json_get_uint(counters, "flush_operations", 0);
    stats->fl_times_ns = json_get_uint(counters, "flush_total_time_ns", 0);
    /* Of the file below the format: how far into it anything was written. */
    const Json *below = json_get_obj(json_get_obj(entry, "parent"), "stats");
    stats->allocation = json_get_uint(below ? below : counters, "wr_highest_offset", 0);
}

static void fill_image(DiskStats *stats, const Json *entry)
{
    const Json *image = json_get_obj(entry, "image");

    if (!image)
        return;
    stats->has_image = true;
    stats->capacity = json_get_uint(image, "virtual-size", 0);
    stats->physical = json_get_uint(image, "actual-size", stats->capacity);
}

bool vm_query_disk_stats(Vm *vm, uint64_t timeout_ms, GArray **ret_stats, Error **err)
{
    AUTO_JSON counters = NULL;
    AUTO_JSON nodes = NULL;

    if (!vm_qmp(vm, "query-blockstats", NULL, timeout_ms, &counters, err) ||
        !vm_qmp(vm, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), timeout_ms, &nodes, err))
        return false;
    if (!vm->live)
        return error_set(err, ERROR_VM_GONE, "domain is no longer running");
    GArray *array = g_array_new(FALSE, TRUE, sizeof(DiskStats));
    for (DEF_EACH(DiskDef, disk, vm->live->disks)) {
        g_autofree char *node = disk->src.path ? qemu_disk_node_name(disk) : NULL;
        DiskStats stats = { 0 };
        const Json *entry = find_blockstats(counters, disk, node);
        if (entry)
            fill_counters(&stats, entry);
        const Json *image = find_node(nodes, node);
        if (image)
            fill_image(&stats, image);
        g_array_append_val(array, stats);
    }
    *ret_stats = array;
    return true;
}
