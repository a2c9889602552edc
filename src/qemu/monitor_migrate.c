/* Migration of a running QEMU's state into or out of a descriptor, and dumps of its memory. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "qemu/monitor.h"
#include "qemu/monitor_private.h"

void monitor_migration_clear(MonitorMigration *migration)
{
    g_clear_pointer(&migration->problem, g_free);
}

bool monitor_set_migration_capabilities(Qmp *qmp, const char *const *on, uint64_t timeout_ms, Error **err)
{
    Json *list = json_array();
    /* One that is left from before would make a state without memory: it is always said. */
    if (!g_strv_contains(on, MIGRATE_WITHOUT_SHARED))
        json_array_append_new(list,
                              json_pack("{s:s, s:b}", "capability", MIGRATE_WITHOUT_SHARED, "state", 0));
    for (; *on; on++)
        json_array_append_new(list, json_pack("{s:s, s:b}", "capability", *on, "state", 1));
    return monitor_do(qmp, "migrate-set-capabilities", json_pack("{s:o}", "capabilities", list), timeout_ms,
                      err);
}

bool monitor_set_migration_speed(Qmp *qmp, uint64_t bytes_per_s, uint64_t timeout_ms, Error **err)
{
    if (bytes_per_s == 0)
        return true;
    uint64_t limit = MIN(bytes_per_s, INT64_MAX - 1); /* what QEMU keeps in a signed number */
    return monitor_do(qmp, "migrate-set-parameters", json_pack("{s:I}", "max-bandwidth", (json_int_t)limit),
                      timeout_ms, err);
}

bool monitor_migrate_to_fd(Qmp *qmp, int fd, uint64_t timeout_ms, Error **err)
{
    return monitor_do_with_fd(qmp, "migrate", fd, "migrate", json_pack("{s:s}", "uri", "fd:migrate"),
                              timeout_ms, err);
}

bool monitor_migrate_from_fd(Qmp *qmp, int fd, uint64_t timeout_ms, Error **err)
{
    return monitor_do_with_fd(qmp, "incoming", fd, "migrate-incoming",
                              json_pack("{s:s}", "uri", "fd:incoming"), timeout_ms, err);
}

bool monitor_migrate_to_uri(Qmp *qmp, const char *uri, bool resume, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "migrate", json_pack("{s:s, s:b, s:b}", "uri", uri, "detach", 1, "resume", resume),
                      timeout_ms, err);
}

bool monitor_migrate_from_uri(Qmp *qmp, const char *uri, bool recover, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, recover ? "migrate-recover" : "migrate-incoming", json_pack("{s:s}", "uri", uri),
                      timeout_ms, err);
}

bool monitor_set_migration_options(Qmp *qmp, Json *capabilities, Json *parameters, uint64_t timeout_ms,
                                   Error **err)
{
    AUTO_JSON names = capabilities;
    AUTO_JSON settings = parameters;
    const char *name = NULL;
    Json *state = NULL, *list = json_array();

    json_object_foreach (names, name, state)
        json_array_append_new(list, json_pack("{s:s, s:O}", "capability", name, "state", state));
    AUTO_JSON args = json_pack("{s:o}", "capabilities", list);
    if (json_array_size(list) > 0 && /* which QEMU refuses while it migrates, even if there are none */
        !monitor_do(qmp, "migrate-set-capabilities", g_steal_pointer(&args), timeout_ms, err))
        return false;
    return !settings ||
           monitor_do(qmp, "migrate-set-parameters", g_steal_pointer(&settings), timeout_ms, err);
}

bool monitor_query_migration_parameters(Qmp *qmp, uint64_t timeout_ms, Json **ret_parameters, Error **err)
{
    return monitor_ask_object(qmp, "query-migrate-parameters", NULL, timeout_ms, ret_parameters, err);
}

bool monitor_migrate_continue(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"), timeout_ms,
                      err);
}

bool monitor_migrate_start_postcopy(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "migrate-start-postcopy", NULL, timeout_ms, err);
}

bool monitor_cancel_migration(Qmp *qmp, uint64_t timeout_ms, Error **err)
{
    return monitor_do(qmp, "migrate_cancel", NULL, timeout_ms, err);
}

/* QEMU says nothing before the first migration, and knows more states than callers need. */
static bool monitor_parse_job_status(const char *text, MonitorJobStatus *ret_status)
{
    static const struct {
        const char *name;
        MonitorJobStatus status;
    } names[] = {
        { "none", MONITOR_JOB_NONE },
        { "setup", MONITOR_JOB_SETUP },
        { "wait-unplug", MONITOR_JOB_SETUP },
        { "active", MONITOR_JOB_ACTIVE },
        { "postcopy-active", MONITOR_JOB_POSTCOPY },
        { "postcopy-recover", MONITOR_JOB_POSTCOPY },
        { "colo", MONITOR_JOB_ACTIVE },
        { "pre-switchover", MONITOR_JOB_PAUSED },
        { "postcopy-paused", MONITOR_JOB_BROKEN },
        { "device", MONITOR_JOB_DEVICE },
        { "cancelling", MONITOR_JOB_CANCELLING },
        { "cancelled", MONITOR_JOB_CANCELLED },
        { "completed", MONITOR_JOB_COMPLETED },
        { "failed", MONITOR_JOB_FAILED },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i].name, text) == 0) {
            *ret_status = names[i].status;
            return true;
        }
    }
    return false;
}

bool monitor_query_migration(Qmp *qmp, uint64_t timeout_ms, MonitorMigration *ret_migration, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_object(qmp, "query-migrate", NULL, timeout_ms, &reply, err))
        return false;
    const char *status_text = json_get_str(reply, "status");
    MonitorJobStatus status = MONITOR_JOB_NONE;
    if (status_text && !monitor_parse_job_status(status_text, &status))
        return monitor_bad_reply("query-migrate", err);
    const Json *ram = json_get_obj(reply, "ram");
    const Json *mbps = json_object_get(ram, "mbps"), *cache = json_get_obj(reply, "xbzrle-cache");
    *ret_migration = (MonitorMigration){
        .status = status,
        .problem = g_strdup(json_get_str(reply, "error-desc")),
        .elapsed_ms = json_get_uint(reply, "total-time", 0),
        .downtime_ms = json_get_uint(reply, "downtime", 0),
        .expected_downtime_ms = json_get_uint(reply, "expected-downtime", 0),
        .setup_ms = json_get_uint(reply, "setup-time", 0),
        .ram_total = json_get_uint(ram, "total", 0),
        .ram_transferred = json_get_uint(ram, "transferred", 0),
        .ram_remaining = json_get_uint(ram, "remaining", 0),
        .dirty_pages_per_s = json_get_uint(ram, "dirty-pages-rate", 0),
        .page_bytes = json_get_uint(ram, "page-size", 0),
        .normal_pages = json_get_uint(ram, "normal", 0),
        .normal_bytes = json_get_uint(ram, "normal-bytes", 0),
        .postcopy_requests = json_get_uint(ram, "postcopy-requests", 0),
        .zero_pages = json_get_uint(ram, "duplicate", 0),
        .dirty_sync_count = json_get_uint(ram, "dirty-sync-count", 0),
        .throttle_percent = json_get_uint(reply, "cpu-throttle-percentage", 0),
        .cache_bytes = json_get_uint(cache, "cache-size", 0),
        .compressed_bytes = json_get_uint(cache, "bytes", 0),
        .compressed_pages = json_get_uint(cache, "pages", 0),
        .cache_misses = json_get_uint(cache, "cache-miss", 0),
        .cache_overflows = json_get_uint(cache, "overflow", 0),
        .mbps = json_is_number(mbps) ? json_number_value(mbps) : 0,
    };
    return true;
}

bool monitor_dump_to_fd(Qmp *qmp, int fd, const char *format, uint64_t timeout_ms, Error **err)
{
    Json *args = json_pack("{s:b, s:s, s:b}", "paging", 0, "protocol", "fd:dump", "detach", 1);
    if (format)
        json_object_set_new(args, "format", json_string(format));
    return monitor_do_with_fd(qmp, "dump", fd, "dump-guest-memory", args, timeout_ms, err);
}

bool monitor_query_dump(Qmp *qmp, uint64_t timeout_ms, MonitorDump *ret_dump, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!monitor_ask_object(qmp, "query-dump", NULL, timeout_ms, &reply, err))
        return false;
    const char *status_text = json_get_str(reply, "status");
    MonitorDump dump = { .done_bytes = json_get_uint(reply, "completed", 0),
                         .total_bytes = json_get_uint(reply, "total", 0) };
    if (!status_text || !monitor_parse_job_status(status_text, &dump.status))
        return monitor_bad_reply("query-dump", err);
    *ret_dump = dump;
    return true;
}

bool monitor_query_dirty_rate(Qmp *qmp, uint64_t timeout_ms, Json **ret_rate, Error **err)
{
    return monitor_ask_object(qmp, "query-dirty-rate", NULL, timeout_ms, ret_rate, err);
}
