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
    HttpSample sample;
} Measured;

typedef struct Stats {
    HttpHub *hub;
    GHashTable *machines; /* Uuid -> Measured */
    unsigned round;
    uint64_t wanted_until_ms;
    bool runs;
} Stats;

static const char stats_key;

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
        stats->machines = g_hash_table_new_full(uuid_hash, uuid_table_equal, NULL, g_free);
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

static bool is_one_of(const char *name, const char *prefix, const char *a, const char *b)
{
    return g_str_has_prefix(name, prefix) && (g_str_has_suffix(name, a) || g_str_has_suffix(name, b));
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

    for (size_t i = 0; i < params_count(params); i++) {
        const Param *param = params_at(params, i);
        if (is_one_of(param->name, "block.", ".rd.bytes", ".wr.bytes"))
            disk += param_number(param);
        else if (is_one_of(param->name, "net.", ".rx.bytes", ".tx.bytes"))
            net += param_number(param);
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
    *machine = (Measured){ machine->uuid, round, machine->n_vcpus, now_us, cpu_ns, disk, net, sample };
}

static void on_stats(const Vm *vm, const Params *params, void *arg)
{
    Stats *stats = arg;
    Measured *machine = g_hash_table_lookup(stats->machines, vm_uuid(vm));

    if (!machine) {
        machine = g_new0(Measured, 1);
        machine->uuid = *vm_uuid(vm);
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
