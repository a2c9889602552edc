/* One fiber: it takes what http_stats measured, makes rates of it, and hands all to a worker that writes.
 * While that hangs on a dead disk, samples are left out; nothing piles up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "history"
#include "http/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "host/node.h"
#include "http/answer.h"
#include "http/history_ring.h"
#include "http/machine_json.h"
#include "http/route.h"
#include "http/stats.h"
#include "wire/wire_enums.h"

#define HOST_FILE "host"
#define FRESH_MS 2500
#define MEASURE_TIMEOUT_MS 2000
#define WRITE_TIMEOUT_MS 30000
#define READ_TIMEOUT_MS 10000
#define SWEEP_ROUNDS (86400 / HISTORY_STEP_S)
#define KEPT_S ((int64_t)7 * 86400) /* files of machines that are gone */
#define DEFAULT_S 3600

/* The numbers of one run of a machine at its last sample. */
typedef struct Tracked {
    Uuid uuid;
    int id;
    unsigned round;
    HttpTotals totals;
} Tracked;

typedef struct History {
    HttpHub *hub;
    char *dir;
    GHashTable *machines; /* Uuid -> Tracked */
    NodeCpuStats cpu;     /* the host's, at the last sample */
    unsigned round;
    bool failed;
} History;

static const char history_key;

static void history_free(void *data)
{
    History *history = data;

    g_hash_table_unref(history->machines);
    g_free(history->dir);
    g_free(history);
}

/* ---- the files, in a worker ---- */

typedef struct Sample {
    char file[UUID_STRING_LEN];
    HistoryPoint point;
} Sample;

typedef struct Batch {
    char *dir;
    GArray *samples;
    GHashTable *known; /* file names of all machines: others that are old are removed; NULL: not now */
} Batch;

static void batch_free(void *data)
{
    Batch *batch = data;

    g_clear_pointer(&batch->known, g_hash_table_unref);
    g_array_unref(batch->samples);
    g_free(batch->dir);
    g_free(batch);
}

static void batch_sweep(const Batch *batch, int dir_fd)
{
    DIR *dir = opendir(batch->dir);
    const int64_t now_s = time(NULL);
    struct stat st;

    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        if (*entry->d_name != '.' && strcmp(entry->d_name, HOST_FILE) != 0 &&
            !g_hash_table_contains(batch->known, entry->d_name) &&
            fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && now_s - st.st_mtime > KEPT_S)
            (void)unlinkat(dir_fd, entry->d_name, 0); /* the next sweep tries again */
    }
    if (dir)
        closedir(dir);
}

static bool sample_write(int dir_fd, const Sample *sample, Error **err)
{
    AUTO_FD fd = openat(dir_fd, sample->file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd >= 0 ? history_ring_write(fd, &sample->point, err)
                   : error_set_errno(err, errno, "cannot open history '%s'", sample->file);
}

static bool batch_write(void *data, Error **err)
{
    const Batch *batch = data;

    if (mkdir(batch->dir, 0700) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make '%s'", batch->dir);
    AUTO_FD dir_fd = open(batch->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", batch->dir);
    for (guint i = 0; i < batch->samples->len; i++) {
        if (!sample_write(dir_fd, &g_array_index(batch->samples, Sample, i), err))
            return false;
    }
    if (batch->known)
        batch_sweep(batch, dir_fd);
    return true;
}

/* ---- samples ---- */

static double rate(bool is_known, uint64_t now, uint64_t before, double seconds)
{
    return is_known && now >= before && seconds > 0 ? (double)(now - before) / seconds : -1;
}

/* What happened since @before, which is of the same run of the machine; NULL: there is none. */
static void fill_values(const HttpTotals *now, const HttpTotals *before, double values[HISTORY_SERIES])
{
    const double seconds = before ? (double)(now->at_us - before->at_us) / 1e6 : 0;
    const HttpTotals zero = { 0 };

    before = before ? before : &zero;
    const bool disks = now->has_disks && before->has_disks, net = now->has_net && before->has_net;
    const double cpu = rate(true, now->cpu_ns, before->cpu_ns, seconds);
    values[HISTORY_CPU] = cpu >= 0 ? MIN(100.0, cpu / 1e7 / MAX(now->n_vcpus, 1)) : -1;
    values[HISTORY_MEMORY] = now->has_memory ? (double)now->memory_used_bytes : -1;
    values[HISTORY_DISK_READ] = rate(disks, now->disk_read_bytes, before->disk_read_bytes, seconds);
    values[HISTORY_DISK_WRITE] = rate(disks, now->disk_written_bytes, before->disk_written_bytes, seconds);
    values[HISTORY_NET_RX] = rate(net, now->received_bytes, before->received_bytes, seconds);
    values[HISTORY_NET_TX] = rate(net, now->sent_bytes, before->sent_bytes, seconds);
}

/* true: @sample is filled. */
static bool sample_machine(History *history, const Vm *vm, Sample *sample)
{
    Tracked *tracked = g_hash_table_lookup(history->machines, vm_uuid(vm));
    HttpTotals totals;

    if (!http_stats_totals(history->hub, vm_uuid(vm), &totals))
        return false;
    const bool goes_on = tracked && tracked->id == vm_id(vm) && totals.at_us >= tracked->totals.at_us;
    if (goes_on && totals.at_us == tracked->totals.at_us) { /* nothing new was measured */
        tracked->round = history->round;
        return false;
    }
    if (!tracked) {
        tracked = g_new0(Tracked, 1);
        tracked->uuid = *vm_uuid(vm);
        g_hash_table_insert(history->machines, &tracked->uuid, tracked);
    }
    uuid_format(vm_uuid(vm), sample->file);
    fill_values(&totals, goes_on ? &tracked->totals : NULL, sample->point.values);
    tracked->id = vm_id(vm);
    tracked->round = history->round;
    tracked->totals = totals;
    return true;
}

static double host_cpu(History *history)
{
    const NodeCpuStats before = history->cpu;
    NodeCpuStats now;

    if (!node_get_cpu_stats(-1, &now, NULL))
        return -1;
    const uint64_t busy = now.kernel_ns - before.kernel_ns + now.user_ns - before.user_ns;
    const uint64_t idle = now.idle_ns - before.idle_ns + now.iowait_ns - before.iowait_ns;
    history->cpu = now;
    return history->round > 1 && busy + idle ? 100.0 * (double)busy / (double)(busy + idle) : -1;
}

static double host_memory(void)
{
    NodeMemoryStats stats;
    g_autofree char *text = file_read_kernel("/proc/meminfo");
    const char *at = text ? strstr(text, "MemAvailable:") : NULL;

    if (!at || !node_get_memory_stats(-1, &stats, NULL))
        return -1;
    const uint64_t available_kib = g_ascii_strtoull(at + strlen("MemAvailable:"), NULL, 10);
    return (double)(stats.total_kib - MIN(available_kib, stats.total_kib)) * 1024;
}

static gboolean tracked_is_gone(gpointer key, gpointer data, gpointer arg)
{
    return ((const Tracked *)data)->round != ((const History *)arg)->round;
}

/* NULL: machines cannot be listed. */
static Batch *history_collect(History *history, int64_t now_s)
{
    g_autoptr(GPtrArray) vms = NULL;
    Sample host = { .file = HOST_FILE, .point.time_s = now_s };

    if (!vm_list(http_hub_host(history->hub), VIR_CONNECT_LIST_DOMAINS_ACTIVE, &vms, NULL))
        return NULL;
    Batch *batch = g_new0(Batch, 1);
    batch->dir = g_strdup(history->dir);
    batch->samples = g_array_new(FALSE, FALSE, sizeof(Sample));
    for (guint i = 0; i < vms->len; i++) {
        Sample sample = { .point.time_s = now_s };
        if (!sample_machine(history, g_ptr_array_index(vms, i), &sample))
            continue;
        g_array_append_val(batch->samples, sample);
        for (int k = HISTORY_DISK_READ; k < HISTORY_SERIES; k++)
            host.point.values[k] += MAX(sample.point.values[k], 0);
    }
    g_hash_table_foreach_remove(history->machines, tracked_is_gone, history);
    host.point.values[HISTORY_CPU] = host_cpu(history);
    host.point.values[HISTORY_MEMORY] = host_memory();
    g_array_append_val(batch->samples, host);
    return batch;
}

static GHashTable *known_files(Host *host)
{
    GHashTable *known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) vms = NULL;

    if (!vm_list(host, 0, &vms, NULL)) {
        g_hash_table_unref(known);
        return NULL;
    }
    for (guint i = 0; i < vms->len; i++) {
        char *name = g_malloc(UUID_STRING_LEN);
        uuid_format(vm_uuid(g_ptr_array_index(vms, i)), name);
        g_hash_table_add(known, name);
    }
    return known;
}

AWAITS static void history_round(History *history)
{
    g_autoptr(Error) err = NULL;

    history->round++;
    http_stats_glance(history->hub, FRESH_MS, MEASURE_TIMEOUT_MS);
    Batch *batch = history_collect(history, g_get_real_time() / G_USEC_PER_SEC);
    if (!batch)
        return;
    if (history->round % SWEEP_ROUNDS == 1)
        batch->known = known_files(http_hub_host(history->hub));
    const bool ok =
        worker_call(worker_lane_named("history"), batch_write, batch, batch_free, WRITE_TIMEOUT_MS, &err);
    if (ok)
        batch_free(batch);
    else if (!history->failed && error_code(err) != ERROR_CANCELLED)
        log_warning_error(err, "what machines use is not written down");
    history->failed = !ok;
}

static void history_run(void *arg)
{
    const int64_t step_ms = (int64_t)HISTORY_STEP_S * 1000;

    do
        history_round(arg);
    while (fiber_sleep((uint64_t)(step_ms - g_get_real_time() / 1000 % step_ms), NULL));
}

void history_start(HttpHub *hub)
{
    History *history = g_new0(History, 1);
    g_autofree char *lib = g_path_get_dirname(host_paths(http_hub_host(hub))->lib_qemu);

    history->hub = hub;
    history->dir = path_join(lib, "lodge-history");
    history->machines = g_hash_table_new_full(uuid_hash, uuid_table_equal, NULL, g_free);
    http_hub_put(hub, &history_key, history, history_free);
    if (!fiber_spawn("history", history_run, history))
        log_warning("what machines use is not written down: no fiber can be made");
}

/* ---- reading ---- */

typedef struct Query {
    char *path;
    int64_t since_s, until_s;
    unsigned step_s;
    GArray *points;
} Query;

static void query_free(void *data)
{
    Query *query = data;

    g_array_unref(query->points);
    g_free(query->path);
    g_free(query);
}

/* A file that is not there tells nothing of all times. */
static bool query_run(void *data, Error **err)
{
    const Query *query = data;
    AUTO_FD fd = open(query->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_FD none = fd < 0 && errno == ENOENT ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;

    return fd >= 0 || none >= 0 ? history_ring_read(fd >= 0 ? fd : none, query->since_s, query->until_s,
                                                    query->step_s, query->points, err)
                                : error_set_errno(err, errno, "cannot open '%s'", query->path);
}

static Json *number_or_null(double value, bool is_whole)
{
    return value < 0 ? json_null() : is_whole ? json_integer((json_int_t)value) : json_real(value);
}

static Json *point_json(const HistoryPoint *point)
{
    const double *values = point->values;

    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "time", http_json_time(point->time_s), "cpu_percent",
                     number_or_null(values[HISTORY_CPU], false), "memory_used_bytes",
                     number_or_null(values[HISTORY_MEMORY], true), "disk_read_bps",
                     number_or_null(values[HISTORY_DISK_READ], true), "disk_write_bps",
                     number_or_null(values[HISTORY_DISK_WRITE], true), "net_rx_bps",
                     number_or_null(values[HISTORY_NET_RX], true), "net_tx_bps",
                     number_or_null(values[HISTORY_NET_TX], true));
}

static bool query_time(const HttpRequest *req, const char *name, int64_t fallback_s, int64_t *ret_s,
                       Error **err)
{
    const char *text = http_query(&req->target, name);
    g_autoptr(GDateTime) when = text ? g_date_time_new_from_iso8601(text, NULL) : NULL;

    *ret_s = when ? g_date_time_to_unix(when) : fallback_s;
    return when || !text || error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no time: '%.64s'", name, text);
}

AWAITS static bool history_answer(HttpRequest *req, const char *file, Error **err)
{
    const History *history = http_hub_get(req->hub, &history_key);
    const int64_t now_s = g_get_real_time() / G_USEC_PER_SEC, year_s = (int64_t)365 * 86400;
    int64_t since_s, until_s;
    uint64_t wanted_s;

    if (!query_time(req, "until", now_s, &until_s, err) ||
        !query_time(req, "since", MIN(until_s, now_s) - DEFAULT_S, &since_s, err) ||
        !http_query_uint(&req->target, "step", 0, (uint64_t)year_s, &wanted_s, err))
        return false;
    until_s = MIN(until_s, now_s);
    since_s = MAX(since_s, now_s - year_s);
    if (since_s > until_s)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "'since' is not before 'until', or both are no time "
                         "of the last year");
    Query *query = g_new0(Query, 1);
    *query = (Query){ .path = path_join(history->dir, file),
                      .since_s = since_s,
                      .until_s = until_s,
                      .step_s = history_ring_step(now_s, since_s, until_s, (unsigned)wanted_s),
                      .points = g_array_new(FALSE, FALSE, sizeof(HistoryPoint)) };
    if (!worker_call(worker_lane_named("history readers"), query_run, query, query_free, READ_TIMEOUT_MS,
                     err))
        return false;
    Json *items = json_array();
    for (guint i = 0; i < query->points->len; i++)
        json_array_append_new(items, point_json(&g_array_index(query->points, HistoryPoint, i)));
    query_free(query);
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static bool handle_machine_history(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    char file[UUID_STRING_LEN];

    if (!vm)
        return false;
    uuid_format(vm_uuid(vm), file);
    return history_answer(req, file, err);
}

static bool handle_host_history(HttpRequest *req, Error **err)
{
    return history_answer(req, HOST_FILE, err);
}

static const HttpField history_query[] = {
    { "since", HTTP_TIME, .doc = "an hour before 'until'" },
    { "until", HTTP_TIME, .doc = "now" },
    { "step", HTTP_UINT,
      .doc = "seconds between points, at least; kept are 10 for a day, 60 for a week, "
             "900 for a year" },
    { 0 },
};
static const HttpField history_fields[] = {
    { "time", HTTP_TIME, .required = true },
    { "cpu_percent", HTTP_NUMBER, .required = true, .nullable = true, .doc = "of all its CPUs" },
    { "memory_used_bytes", HTTP_UINT, .required = true, .nullable = true,
      .doc = "total minus available, in the guest" },
    { "disk_read_bps", HTTP_UINT, .required = true, .nullable = true, .doc = "of the host: by all machines" },
    { "disk_write_bps", HTTP_UINT, .required = true, .nullable = true },
    { "net_rx_bps", HTTP_UINT, .required = true, .nullable = true },
    { "net_tx_bps", HTTP_UINT, .required = true, .nullable = true },
    { 0 },
};

const HttpRoute http_routes_history[] = {
    { "GET", "/machines/{machine}/history", HTTP_VIEW, .flags = HTTP_LIST | HTTP_MACHINE,
      .query = history_query, .answer = history_fields, .handle = handle_machine_history,
      .doc = "What a machine used, as points in equal steps: the finest that reach back, at most 2,000.",
      .command = "lodge usage MACHINE" },
    { "GET", "/host/history", HTTP_VIEW, .flags = HTTP_LIST, .query = history_query, .answer = history_fields,
      .handle = handle_host_history, .doc = "What the host used, and all its machines together.",
      .command = "lodge usage" },
    { 0 },
};
