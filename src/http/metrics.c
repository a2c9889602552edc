/* /metrics, as Prometheus reads it. Of machines that do not run, too; nothing is asked of a QEMU that does
 * not answer, and what was measured last is told with its age. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "http/counters.h"
#include "http/machine_json.h"
#include "http/route.h"
#include "http/stats.h"
#include "machine/machine.h"
#include "machine/vm_info.h"
#include "storage/pool.h"

#define FRESH_MS 10000
#define REFRESH_TIMEOUT_MS 200

/* Series of one name have to be together, so each name has a text of its own. */
typedef struct Metrics {
    GPtrArray *order;  /* of char *: names; borrowed from texts */
    GHashTable *texts; /* name -> GString */
} Metrics;

static void text_free(gpointer text)
{
    g_string_free(text, TRUE);
}

static GString *metric(Metrics *metrics, const char *name, const char *type, const char *help)
{
    GString *text = g_hash_table_lookup(metrics->texts, name);

    if (!text) {
        char *key = g_strdup(name);
        text = g_string_new(NULL);
        g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
        g_hash_table_insert(metrics->texts, key, text);
        g_ptr_array_add(metrics->order, key);
    }
    return text;
}

/* As the format has it: backslash, quote and line end. Owned. */
static char *label_escape(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);

    for (const char *at = valid; *at; at++) {
        if (*at == '\\' || *at == '"')
            g_string_append_c(out, '\\');
        if (*at == '\n')
            g_string_append(out, "\\n");
        else
            g_string_append_c(out, *at);
    }
    return g_string_free(out, FALSE);
}

typedef struct MetricDef {
    const char *name, *type, *help;
} MetricDef;

static void add(Metrics *metrics, const MetricDef *def, const char *labels, double value)
{
    GString *text = metric(metrics, def->name, def->type, def->help);
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(text, "%s%s%s%s %s\n", def->name, *labels ? "{" : "", labels, *labels ? "}" : "",
                           g_ascii_dtostr(number, sizeof number, value));
}

#define GAUGE(variable, text, about) static const MetricDef variable = { "lodge_" text, "gauge", about }
#define COUNTER(variable, text, about)                                                                       \
    static const MetricDef variable = { "lodge_" text "_total", "counter", about }

GAUGE(machine_state, "machine_state", "1 for the state that the machine is in");
GAUGE(machine_vcpus, "machine_vcpus", "CPUs that it has");
GAUGE(machine_memory, "machine_memory_bytes", "Memory that it has");
GAUGE(machine_starts, "machine_autostart", "1: it is started with the host");
COUNTER(machine_cpu, "machine_cpu_seconds", "CPU time of its QEMU");
COUNTER(machine_incidents, "machine_incidents", "Times that something went wrong with it, by what");
GAUGE(machine_available, "machine_guest_memory_total_bytes", "Memory that the guest sees");
GAUGE(machine_used, "machine_guest_memory_used_bytes", "Total minus available, as the guest tells");
GAUGE(machine_age, "machine_measured_age_seconds", "Age of what was measured");
COUNTER(disk_read, "disk_read_bytes", "Read by the guest");
COUNTER(disk_written, "disk_written_bytes", "Written by the guest");
COUNTER(disk_reads, "disk_reads", "Requests to read");
COUNTER(disk_writes, "disk_writes", "Requests to write");
GAUGE(disk_capacity, "disk_capacity_bytes", "Size that the guest sees");
GAUGE(disk_allocation, "disk_allocation_bytes", "What it takes on the host");
COUNTER(net_in, "network_received_bytes", "Received by the guest");
COUNTER(net_out, "network_sent_bytes", "Sent by the guest");
COUNTER(net_in_packets, "network_received_packets", "Packets received by the guest");
COUNTER(net_out_packets, "network_sent_packets", "Packets sent by the guest");
COUNTER(net_errors, "network_errors", "Packets that were broken, both ways");
COUNTER(net_drops, "network_drops", "Packets that were dropped, both ways");
GAUGE(pool_capacity, "pool_capacity_bytes", "Size of a storage pool");
GAUGE(pool_available, "pool_available_bytes", "What is free of it");
GAUGE(pool_active, "pool_active", "1: it is active");
GAUGE(host_machines, "machines", "Machines that are known");
GAUGE(host_running, "machines_running", "Machines that run");
GAUGE(build_info, "build_info", "Version of Lodge");

static void add_counter(Metrics *metrics, const char *machine, const HttpCounter *counter)
{
    g_autofree char *device = label_escape(counter->name);
    g_autofree char *labels = g_strdup_printf("%s,device=\"%s\"", machine, device);

    add(metrics, counter->is_disk ? &disk_read : &net_in, labels, (double)counter->in_bytes);
    add(metrics, counter->is_disk ? &disk_written : &net_out, labels, (double)counter->out_bytes);
    add(metrics, counter->is_disk ? &disk_reads : &net_in_packets, labels, (double)counter->in_requests);
    add(metrics, counter->is_disk ? &disk_writes : &net_out_packets, labels, (double)counter->out_requests);
    if (counter->is_disk) {
        add(metrics, &disk_capacity, labels, (double)counter->capacity_bytes);
        add(metrics, &disk_allocation, labels, (double)counter->allocation_bytes);
    } else {
        add(metrics, &net_errors, labels, (double)counter->errors);
        add(metrics, &net_drops, labels, (double)counter->drops);
    }
}

static void add_states(Metrics *metrics, const Vm *vm, const char *machine)
{
    static const char *const states[] = { "running", "paused",  "shutting-down",
                                          "shutoff", "crashed", "pmsuspended" };
    const char *now = machine_state_name(vm);

    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autofree char *labels = g_strdup_printf("%s,state=\"%s\"", machine, states[i]);
        add(metrics, &machine_state, labels, strcmp(states[i], now) == 0);
    }
}

static void add_incidents(Metrics *metrics, HttpHub *hub, const Vm *vm, const char *machine)
{
    for (size_t i = 0; i < COUNTER_KINDS; i++) {
        g_autofree char *labels = g_strdup_printf("%s,what=\"%s\"", machine, counter_names[i]);
        add(metrics, &machine_incidents, labels, (double)counters_of(hub, vm_uuid(vm))[i].count);
    }
}

static void add_machine(Metrics *metrics, HttpHub *hub, Vm *vm)
{
    char uuid[UUID_STRING_LEN];
    g_autofree char *name = label_escape(vm_name(vm));
    VmInfo info = { 0 };
    HttpTotals totals;

    uuid_format(vm_uuid(vm), uuid);
    g_autofree char *machine = g_strdup_printf("uuid=\"%s\",name=\"%s\"", uuid, name);
    add_states(metrics, vm, machine);
    if (vm_get_info(vm, &info, NULL)) {
        add(metrics, &machine_vcpus, machine, info.n_vcpus);
        add(metrics, &machine_memory, machine, (double)info.max_memory_bytes);
        add(metrics, &machine_cpu, machine, (double)info.cpu_time_ns / 1e9);
    }
    add_incidents(metrics, hub, vm, machine);
    add(metrics, &machine_starts, machine, object_has_autostart(vm_object(vm)));
    if (!vm_is_running(vm) || !http_stats_totals(hub, vm_uuid(vm), &totals))
        return;
    add(metrics, &machine_age, machine, (double)totals.age_ms / 1000);
    if (totals.has_memory) {
        add(metrics, &machine_available, machine, (double)totals.memory_available_bytes);
        add(metrics, &machine_used, machine, (double)totals.memory_used_bytes);
    }
    for (guint i = 0; i < totals.counters->len; i++)
        add_counter(metrics, machine, &g_array_index(totals.counters, HttpCounter, i));
}

AWAITS static void add_pool(Metrics *metrics, Object *pool)
{
    g_autofree char *name = label_escape(object_name(pool));
    g_autofree char *labels = g_strdup_printf("name=\"%s\"", name);
    g_auto(PoolInfo) info = { 0 };

    add(metrics, &pool_active, labels, object_is_active(pool));
    if (!object_is_active(pool) || !pool_get_info(pool, POOL_AS_KNOWN, &info, NULL))
        return;
    add(metrics, &pool_capacity, labels, (double)info.capacity_bytes);
    add(metrics, &pool_available, labels, (double)info.available_bytes);
}

AWAITS static bool add_all(HttpRequest *req, Metrics *metrics, Error **err)
{
    g_autoptr(GPtrArray) vms = NULL, pools = NULL;

    if (!vm_list(req->host, 0, &vms, err) ||
        !object_list(host_registry(req->host, &pool_class), 0, "virConnectListAllStoragePools", &pools, err))
        return false;
    add(metrics, &build_info, "version=\"" LODGE_VERSION "\"", 1);
    add(metrics, &host_machines, "", machine_count(req->host, false));
    add(metrics, &host_running, "", machine_count(req->host, true));
    for (guint i = 0; i < vms->len; i++)
        add_machine(metrics, req->hub, g_ptr_array_index(vms, i));
    for (guint i = 0; i < pools->len; i++)
        add_pool(metrics, g_ptr_array_index(pools, i));
    return true;
}

/* A program on this host may read them without a token; one that a proxy let in may not. */
static bool may_read(const HttpRequest *req)
{
    const char *host = http_header(req, "Host");
    const bool is_here = host && (g_str_has_prefix(host, "127.0.0.1") ||
                                  g_str_has_prefix(host, "localhost") || g_str_has_prefix(host, "[::1]"));

    return req->who.user
               ? !req->who.has_machine
               : is_here && (g_str_has_prefix(req->from, "127.") || strcmp(req->from, "::1") == 0) &&
                     !http_header(req, "X-Forwarded-For") && !http_header(req, "Forwarded");
}

static bool handle_metrics(HttpRequest *req, Error **err)
{
    if (!may_read(req))
        return error_set(err, ERROR_AUTH_FAILED, "metrics are for programs on this host, or with a token");
    http_stats_refresh(req->hub, FRESH_MS, REFRESH_TIMEOUT_MS);
    Metrics metrics = { .order = g_ptr_array_new(),
                        .texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, text_free) };
    GString *out = g_string_new(NULL);
    const bool ok = add_all(req, &metrics, err);
    for (guint i = 0; i < metrics.order->len; i++) {
        const GString *text = g_hash_table_lookup(metrics.texts, g_ptr_array_index(metrics.order, i));
        g_string_append_len(out, text->str, (gssize)text->len);
    }
    g_ptr_array_unref(metrics.order);
    g_hash_table_unref(metrics.texts);
    char *all = g_string_free(out, FALSE);
    if (!ok) {
        g_free(all);
        return false;
    }
    return http_answer_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", all);
}

const HttpRoute http_routes_metrics[] = {
    { "GET", "//metrics", HTTP_ANYONE, .handle = handle_metrics, .doc = "Numbers for Prometheus." },
    { 0 },
};
