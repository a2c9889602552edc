/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/stats.h"

#include <string.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "http/feed.h"
#include "machine/vm_info.h"
#include "wire/wire_enums.h"

#define ROUND_MS 2000
#define WANTED_MS ((uint64_t)15000)

typedef struct Measured {
    Uuid uuid;
    unsigned round; /* in which it was seen last */
    unsigned n_vcpus;
    uint64_t at_us, cpu_ns, disk_bytes, net_bytes;
    uint64_t available_bytes;
    HttpSample sample;
    GArray *counters; /* of HttpCounter */
} Measured;

typedef struct Stats {
    HttpHub *hub;
    GHashTable *machines; /* Uuid -> Measured */
    unsigned round;
    uint64_t wanted_until_ms, at_ms;
    bool runs;
} Stats;

static const char stats_key;

static void measured_free(gpointer data)
{
    Measured *machine = data;

    g_array_unref(machine->counters);
    g_free(machine);
}

static void stats_free(void *data)
{
    Stats *stats = data;

    g_hash_table_unref(stats->machines);
    g_free(stats);
}

static Stats *stats_of(HttpHub *hub)
{
    Stats *stats = http_hub_get(hub, &stats_key);

    if (!stats) {
        stats = g_new0(Stats, 1);
        stats->hub = hub;
        stats->machines = g_hash_table_new_full(uuid_hash, uuid_table_equal, NULL, measured_free);
        http_hub_put(hub, &stats_key, stats, stats_free);
    }
    return stats;
}

static uint64_t param_number(const Param *param)
{
    switch (param->type) {
    case PARAM_INT:
        return (uint64_t)param->value.i;
    case PARAM_UINT:
        return param->value.ui;
    case PARAM_LLONG:
    case PARAM_ULLONG:
        return param->value.ul;
    default:
        return 0;
    }
}

static uint64_t number_of(const Params *params, const char *name, uint64_t fallback)
{
    const Param *param = params_find(params, name);

    return param ? param_number(param) : fallback;
}

/* "block.0.rd.bytes", "net.1.rx.pkts": which of its numbers; NULL: none that is kept. */
static uint64_t *counter_number(HttpCounter *counter, const char *what)
{
    static const struct {
        const char *name;
        size_t offset;
    } numbers[] = {
        { "rd.bytes", offsetof(HttpCounter, in_bytes) },
        { "wr.bytes", offsetof(HttpCounter, out_bytes) },
        { "rd.reqs", offsetof(HttpCounter, in_requests) },
        { "wr.reqs", offsetof(HttpCounter, out_requests) },
        { "rx.bytes", offsetof(HttpCounter, in_bytes) },
        { "tx.bytes", offsetof(HttpCounter, out_bytes) },
        { "rx.pkts", offsetof(HttpCounter, in_requests) },
        { "tx.pkts", offsetof(HttpCounter, out_requests) },
        { "capacity", offsetof(HttpCounter, capacity_bytes) },
        { "allocation", offsetof(HttpCounter, allocation_bytes) },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (strcmp(numbers[i].name, what) == 0)
            return (uint64_t *)(void *)((char *)counter + numbers[i].offset);
    }
    if (strcmp(what, "rx.errs") == 0 || strcmp(what, "tx.errs") == 0)
        return &counter->errors;
    return strcmp(what, "rx.drop") == 0 || strcmp(what, "tx.drop") == 0 ? &counter->drops : NULL;
}

/* A parameter of a disk or a card: its name comes before its numbers. */
static void count_param(GArray *counters, const Param *param)
{
    const bool is_disk = g_str_has_prefix(param->name, "block."),
               is_card = g_str_has_prefix(param->name, "net.");
    const char *dot = is_disk || is_card ? strchr(strchr(param->name, '.') + 1, '.') : NULL;

    if (!dot)
        return;
    if (strcmp(dot + 1, "name") == 0 && param->type == PARAM_STRING) {
        HttpCounter counter = { .is_disk = is_disk };
        g_strlcpy(counter.name, param->value.s, sizeof counter.name);
        g_array_append_val(counters, counter);
    } else if (counters->len > 0) {
        uint64_t *number = counter_number(&g_array_index(counters, HttpCounter, counters->len - 1), dot + 1);
        if (number)
            *number += param_number(param);
    }
}

static uint64_t per_second(uint64_t now, uint64_t before, uint64_t us)
{
    return now >= before && us ? (uint64_t)((double)(now - before) * 1e6 / (double)us) : 0;
}

static void measure(Measured *machine, const Params *params, unsigned round)
{
    const uint64_t now_us = loop_now_us(), cpu_ns = number_of(params, "cpu.time", 0);
    const uint64_t available = number_of(params, "balloon.available", 0);
    const uint64_t usable =
        number_of(params, "balloon.usable", number_of(params, "balloon.unused", UINT64_MAX));
    const uint64_t us = now_us - machine->at_us;
    uint64_t disk = 0, net = 0;

    g_array_set_size(machine->counters, 0);
    for (size_t i = 0; i < params_count(params); i++)
        count_param(machine->counters, params_at(params, i));
    for (guint i = 0; i < machine->counters->len; i++) {
        const HttpCounter *counter = &g_array_index(machine->counters, HttpCounter, i);
        *(counter->is_disk ? &disk : &net) += counter->in_bytes + counter->out_bytes;
    }
    machine->n_vcpus = (unsigned)MAX(number_of(params, "vcpu.current", 1), 1);
    HttpSample sample = { .has_memory = available && usable <= available,
                          .memory_used_bytes = (available - MIN(usable, available)) * 1024 };
    if (machine->round && machine->round == round - 1 && cpu_ns >= machine->cpu_ns) {
        sample.has_cpu = true;
        sample.cpu_percent =
            MIN(100.0, (double)(cpu_ns - machine->cpu_ns) / 10.0 / (double)us / machine->n_vcpus);
        sample.disk_bps = per_second(disk, machine->disk_bytes, us);
        sample.net_bps = per_second(net, machine->net_bytes, us);
    }
    *machine = (Measured){ .uuid = machine->uuid,
                           .round = round,
                           .n_vcpus = machine->n_vcpus,
                           .at_us = now_us,
                           .cpu_ns = cpu_ns,
                           .disk_bytes = disk,
                           .net_bytes = net,
                           .available_bytes = available * 1024,
                           .sample = sample,
                           .counters = machine->counters };
}

static void on_stats(const Vm *vm, const Params *params, void *arg)
{
    Stats *stats = arg;
    Measured *machine = g_hash_table_lookup(stats->machines, vm_uuid(vm));

    if (!machine) {
        machine = g_new0(Measured, 1);
        machine->uuid = *vm_uuid(vm);
        machine->counters = g_array_new(FALSE, TRUE, sizeof(HttpCounter));
        g_hash_table_insert(stats->machines, &machine->uuid, machine);
    }
    measure(machine, params, stats->round);
}

static gboolean machine_is_gone(gpointer key, gpointer data, gpointer arg)
{
    return ((const Measured *)data)->round != ((const Stats *)arg)->round;
}

/* While somebody looks. No job is taken, and no QEMU is asked that does not answer. */
static void stats_run(void *arg)
{
    Stats *stats = arg;
    const unsigned groups = VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |
                            VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK;

    do {
        g_autoptr(Error) err = NULL;
        stats->round++;
        if (!vm_get_all_stats(http_hub_host(stats->hub), NULL, groups,
                              VIR_CONNECT_LIST_DOMAINS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
                              NULL, on_stats, stats, &err))
            log_debug("measuring machines: %s", error_message(err));
        g_hash_table_foreach_remove(stats->machines, machine_is_gone, stats);
        stats->at_ms = loop_now_ms();
        feed_wake(stats->hub);
    } while (fiber_sleep(ROUND_MS, NULL) && loop_now_ms() < stats->wanted_until_ms);
    stats->runs = false;
}

void http_stats_want(HttpHub *hub)
{
    Stats *stats = stats_of(hub);

    stats->wanted_until_ms = loop_now_ms() + WANTED_MS;
    if (!stats->runs)
        stats->runs = fiber_spawn("web stats", stats_run, stats) != NULL;
}

bool http_stats_last(HttpHub *hub, const Uuid *uuid, HttpSample *ret_sample)
{
    const Measured *machine = g_hash_table_lookup(stats_of(hub)->machines, uuid);

    http_stats_want(hub);
    if (machine)
        *ret_sample = machine->sample;
    return machine != NULL;
}

unsigned http_stats_round(HttpHub *hub)
{
    return stats_of(hub)->round;
}

Json *http_stats_json(HttpHub *hub, const Uuid *only)
{
    Json *list = json_array();
    GHashTableIter iter;
    const Measured *machine;

    g_hash_table_iter_init(&iter, stats_of(hub)->machines);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&machine)) {
        const HttpSample *sample = &machine->sample;
        char uuid[UUID_STRING_LEN];
        if (only && !uuid_equal(only, &machine->uuid))
            continue;
        uuid_format(&machine->uuid, uuid);
        json_array_append_new(list, json_pack("{s:s,s:o,s:o,s:I,s:I}", "uuid", uuid, "cpu_percent",
                                              sample->has_cpu ? json_real(sample->cpu_percent) : json_null(),
                                              "memory_used_bytes",
                                              sample->has_memory
                                                  ? json_integer((json_int_t)sample->memory_used_bytes)
                                                  : json_null(),
                                              "disk_bps", (json_int_t)sample->disk_bps, "net_bps",
                                              (json_int_t)sample->net_bps));
    }
    return list;
}

void http_stats_refresh(HttpHub *hub, uint64_t age_ms, uint64_t timeout_ms)
{
    const Stats *stats = stats_of(hub);
    const uint64_t until_ms = loop_now_ms() + timeout_ms;
    const unsigned before = stats->round;
    const uint64_t at_ms = stats->at_ms;

    http_stats_want(hub);
    while ((at_ms == 0 || loop_now_ms() - stats->at_ms > age_ms) &&
           (stats->round == before || stats->at_ms == at_ms) && loop_now_ms() < until_ms &&
           feed_wait(hub, until_ms - loop_now_ms()))
        ;
}

bool http_stats_totals(HttpHub *hub, const Uuid *uuid, HttpTotals *ret_totals)
{
    const Measured *machine = g_hash_table_lookup(stats_of(hub)->machines, uuid);

    if (!machine)
        return false;
    *ret_totals = (HttpTotals){ .cpu_ns = machine->cpu_ns,
                                .has_memory = machine->sample.has_memory,
                                .memory_available_bytes = machine->available_bytes,
                                .memory_used_bytes = machine->sample.memory_used_bytes,
                                .counters = machine->counters,
                                .age_ms = loop_now_ms() - machine->at_us / 1000 };
    return true;
}
