/* Typed questions to a running QEMU about its disks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "qemu/monitor.h"
#include "qemu/monitor_private.h"

#define TRAY_ATTEMPTS 20
#define BLOCK_MAX_CHAIN 200 /* images behind each other */

static void monitor_disk_free(void *data)
{
    MonitorDisk *disk = data;
    g_free(disk->alias);
    g_free(disk->node_name);
    g_free(disk);
}

static MonitorIoStatus monitor_parse_io_status(const char *text)
{
    if (g_strcmp0(text, "failed") == 0)
        return MONITOR_IO_FAILED;
    return g_strcmp0(text, "nospace") == 0 ? MONITOR_IO_NO_SPACE : MONITOR_IO_OK;
}

static bool monitor_is_throttled(const Json *inserted)
{
    static const char *const limits[] = { "bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr" };
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        if (json_get_uint(inserted, limits[i], 0))
            return true;
    }
    return false;
}

bool monitor_query_disks(Qmp *qmp, uint64_t timeout_ms, GHashTable **ret_disks, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_list(qmp, "query-block", NULL, timeout_ms, &reply, err))
        return false;
    g_autoptr(GHashTable) disks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, monitor_disk_free);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        g_autofree char *alias = monitor_alias_from_qdev(json_get_str(entry, "qdev"));
        if (!alias)
            continue;
        const Json *inserted = json_get_obj(entry, "inserted");
        MonitorDisk *disk = g_new0(MonitorDisk, 1);
        *disk = (MonitorDisk){ .alias = g_steal_pointer(&alias),
                               .removable = json_get_bool(entry, "removable", false),
                               .tray_open = json_get_bool(entry, "tray_open", false),
                               .locked = json_get_bool(entry, "locked", false),
                               .has_medium = inserted != NULL,
                               .io_status = monitor_parse_io_status(json_get_str(entry, "io-status")),
                               .node_name = g_strdup(json_get_str(inserted, "node-name")),
                               .read_only = json_get_bool(inserted, "ro", false),
                               .is_throttled = monitor_is_throttled(inserted) };
        g_hash_table_replace(disks, disk->alias, disk);
    }
    *ret_disks = g_steal_pointer(&disks);
    return true;
}

static void monitor_block_stats_free(void *data)
{
    MonitorBlockStats *stats = data;
    g_free(stats->alias);
    g_free(stats->node_name);
    for (size_t i = 0; i < G_N_ELEMENTS(stats->latencies); i++)
        json_decref(stats->latencies[i]);
    g_free(stats);
}

static MonitorBlockStats *monitor_parse_block_stats(const Json *entry, const char *alias, unsigned depth)
{
    const Json *stats = json_get_obj(entry, "stats");
    const Json *protocol =
        json_get_obj(json_get_obj(entry, "parent"), "stats"); /* QEMU's name for the layer below */
    const char *node_name = json_get_str(entry, "node-name");
    MonitorBlockStats *result = g_new0(MonitorBlockStats, 1);
    *result = (MonitorBlockStats){
        .alias = g_strdup(alias),
        .node_name = node_name && node_name[0] != '#' ? g_strdup(node_name) : NULL,
        .depth = depth,
        .rd_bytes = json_get_uint(stats, "rd_bytes", 0),
        .rd_ops = json_get_uint(stats, "rd_operations", 0),
        .rd_ns = json_get_uint(stats, "rd_total_time_ns", 0),
        .wr_bytes = json_get_uint(stats, "wr_bytes", 0),
        .wr_ops = json_get_uint(stats, "wr_operations", 0),
        .wr_ns = json_get_uint(stats, "wr_total_time_ns", 0),
        .flush_ops = json_get_uint(stats, "flush_operations", 0),
        .flush_ns = json_get_uint(stats, "flush_total_time_ns", 0),
        .unmap_bytes = json_get_uint(stats, "unmap_bytes", 0),
        .unmap_ops = json_get_uint(stats, "unmap_operations", 0),
        .unmap_ns = json_get_uint(stats, "unmap_total_time_ns", 0),
        .failed_ops = json_get_uint(stats, "failed_rd_operations", 0) +
                      json_get_uint(stats, "failed_wr_operations", 0) +
                      json_get_uint(stats, "failed_flush_operations", 0) +
                      json_get_uint(stats, "failed_unmap_operations", 0),
        .wr_highest_offset = json_get_uint(protocol ? protocol : stats, "wr_highest_offset", 0),
        .latencies = { json_incref(json_get_obj(stats, "rd_latency_histogram")),
                       json_incref(json_get_obj(stats, "wr_latency_histogram")),
                       json_incref(json_get_obj(stats, "flush_latency_histogram")) },
    };
    return result;
}

bool monitor_query_block_stats(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_stats, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!qmp_ask(qmp, "query-blockstats", timeout_ms, &reply, err))
        return false;
    if (!json_is_array(reply) || json_array_size(reply) > MONITOR_MAX_ENTRIES)
        return monitor_bad_reply("query-blockstats", err);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(monitor_block_stats_free);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        g_autofree char *alias = monitor_alias_from_qdev(json_get_str(entry, "qdev"));
        const Json *image = entry;
        for (unsigned depth = 0; image && depth < BLOCK_MAX_CHAIN; depth++) {
            if (!json_get_obj(image, "stats"))
                return monitor_bad_reply("query-blockstats", err);
            g_ptr_array_add(all, monitor_parse_block_stats(image, alias, depth));
            image = json_get_obj(image, "backing");
        }
    }
    *ret_stats = g_steal_pointer(&all);
    return true;
}

static void monitor_block_node_free(void *data)
{
    MonitorBlockNode *node = data;
    g_free(node->node_name);
    g_free(node->driver);
    g_free(node->filename);
    g_free(node->backing_file);
    g_free(node);
}

bool monitor_query_block_nodes(Qmp *qmp, uint64_t timeout_ms, GHashTable **ret_nodes, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_list(qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), timeout_ms, &reply,
                          err))
        return false;
    g_autoptr(GHashTable) nodes =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, monitor_block_node_free);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *name = json_get_str(entry, "node-name");
        const Json *image = json_get_obj(entry, "image");
        if (!name)
            return monitor_bad_reply("query-named-block-nodes", err);
        MonitorBlockNode *node = g_new0(MonitorBlockNode, 1);
        *node = (MonitorBlockNode){ .node_name = g_strdup(name),
                                    .driver = g_strdup(json_get_str(entry, "drv")),
                                    .filename = g_strdup(json_get_str(entry, "file")),
                                    .virtual_bytes = json_get_uint(image, "virtual-size", 0),
                                    .actual_bytes = json_get_uint(image, "actual-size", UINT64_MAX),
                                    .write_threshold = json_get_uint(entry, "write_threshold", 0),
                                    .backing_file = g_strdup(json_get_str(entry, "backing_file")),
                                    .read_only = json_get_bool(entry, "ro", false) };
        g_hash_table_replace(nodes, node->node_name, node);
    }
    *ret_nodes = g_steal_pointer(&nodes);
    return true;
}

bool monitor_reload_display(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "display-reload", json_pack("{s:s, s:b}", "type", "vnc", "tls-certs", 1),
                      timeout_ms, err);
}

bool monitor_remove_block_node(Qmp *qmp, const char *node_name, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "blockdev-del", json_pack("{s:s}", "node-name", node_name), timeout_ms, err);
}

bool monitor_resize_block(Qmp *qmp, const char *node_name, uint64_t bytes, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "block_resize",
                      json_pack("{s:s, s:I}", "node-name", node_name, "size",
                                (json_int_t)MIN(bytes, INT64_MAX)),
                      timeout_ms, err);
}

bool monitor_open_tray(Qmp *qmp, const char *alias, bool force, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "blockdev-open-tray", json_pack("{s:s, s:b}", "id", alias, "force", force),
                      timeout_ms, err);
}

bool monitor_close_tray(Qmp *qmp, const char *alias, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "blockdev-close-tray", json_pack("{s:s}", "id", alias), timeout_ms, err);
}

/* A guest closes the tray when it likes: then it is opened once more. */
AWAITS static bool tray_do(Qmp *qmp, const char *command, const char *alias, const char *node_name,
                           bool force, uint64_t timeout_ms, Error **err)
{
    for (unsigned attempt = 1;; attempt++) {
        g_autoptr(Error) why = NULL;
        if (monitor_do(qmp, command, json_pack("{s:s, s:s*}", "id", alias, "node-name", node_name),
                       timeout_ms, &why))
            return true;
        if (error_code(why) != ERROR_REFUSED || !strstr(error_message(why), "is not open") ||
            attempt >= TRAY_ATTEMPTS)
            return error_propagate(err, g_steal_pointer(&why));
        if (!monitor_open_tray(qmp, alias, force, timeout_ms, err))
            return false;
    }
}

bool monitor_remove_medium(Qmp *qmp, const char *alias, bool force, uint64_t timeout_ms, Error **err)
{
    return tray_do(qmp, "blockdev-remove-medium", alias, NULL, force, timeout_ms, err);
}

bool monitor_insert_medium(Qmp *qmp, const char *alias, const char *node_name, bool force,
                           uint64_t timeout_ms, Error **err)
{
    return tray_do(qmp, "blockdev-insert-medium", alias, node_name, force, timeout_ms, err);
}

/* ---- jobs ---- */

static void monitor_block_job_free(void *data)
{
    MonitorBlockJob *job = data;
    g_free(job->id);
    g_free(job->status);
    g_free(job->problem);
    g_free(job);
}

static GPtrArray *monitor_parse_jobs(const Json *reply, const char *id_key, const char *done_key,
                                     const char *total_key)
{
    GPtrArray *jobs = g_ptr_array_new_with_free_func(monitor_block_job_free);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *id = json_get_str(entry, id_key);
        if (!id)
            continue;
        MonitorBlockJob *job = g_new0(MonitorBlockJob, 1);
        *job = (MonitorBlockJob){ .id = g_strdup(id),
                                  .status = g_strdup(json_get_str(entry, "status")),
                                  .done = json_get_uint(entry, done_key, 0),
                                  .total = json_get_uint(entry, total_key, 0),
                                  .speed = json_get_uint(entry, "speed", 0),
                                  .is_ready = json_get_bool(entry, "ready", false),
                                  .problem = g_strdup(json_get_str(entry, "error")) };
        g_ptr_array_add(jobs, job);
    }
    return jobs;
}

bool monitor_query_jobs(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_jobs, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_list(qmp, "query-jobs", NULL, timeout_ms, &reply, err))
        return false;
    *ret_jobs = monitor_parse_jobs(reply, "id", "current-progress", "total-progress");
    return true;
}

bool monitor_query_block_jobs(Qmp *qmp, uint64_t timeout_ms, GPtrArray **ret_jobs, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_list(qmp, "query-block-jobs", NULL, timeout_ms, &reply, err))
        return false;
    *ret_jobs = monitor_parse_jobs(reply, "device", "offset", "len");
    return true;
}

const MonitorBlockJob *monitor_find_job(const GPtrArray *jobs, const char *id)
{
    for (guint i = 0; jobs && i < jobs->len; i++) {
        const MonitorBlockJob *job = g_ptr_array_index(jobs, i);
        if (strcmp(job->id, id) == 0)
            return job;
    }
    return NULL;
}

bool monitor_tell_job(Qmp *qmp, MonitorJobWord word, const char *id, uint64_t timeout_ms, Error **err)
{
    static const struct {
        const char *command, *key;
    } rows[] = {
        [MONITOR_JOB_END] = { "block-job-cancel", "device" },
        [MONITOR_JOB_BREAK_OFF] = { "job-cancel", "id" },
        [MONITOR_JOB_PIVOT] = { "job-complete", "id" },
        [MONITOR_JOB_FINALIZE] = { "job-finalize", "id" },
        [MONITOR_JOB_DISMISS] = { "job-dismiss", "id" },
    };
    return monitor_do(qmp, rows[word].command, json_pack("{s:s}", rows[word].key, id), timeout_ms, err);
}

bool monitor_set_job_speed(Qmp *qmp, const char *id, uint64_t bytes_per_s, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "block-job-set-speed",
                      json_pack("{s:s, s:I}", "device", id, "speed", (json_int_t)MIN(bytes_per_s, INT64_MAX)),
                      timeout_ms, err);
}
