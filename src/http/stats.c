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
#define ADDRESSES_MS 10000
#define WANTED_MS ((uint64_t)15000)

typedef struct Measured {
    Uuid uuid;
    unsigned round;    /* in which it was seen last */
    HttpTotals totals; /* without what is borrowed, and the age */
    HttpSample sample;
    GArray *counters; /* of HttpCounter */
    Json *addresses;  /* NULL: not looked for yet */
} Measured;

typedef struct Stats {
    HttpHub *hub;
    GHashTable *machines; /* Uuid -> Measured */
    unsigned round;
    uint64_t wanted_until_ms;
    uint64_t at_ms, sizes_ms, addresses_ms; /* when all was measured, with sizes, addresses; 0: never */
    bool runs;
} Stats;

static const char stats_key;

static void measured_free(gpointer data)
{
    Measured *machine = data;

    g_array_unref(machine->counters);
    json_decref(machine->addresses);
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
        HttpCounter *counter = &g_array_index(counters, HttpCounter, counters->len - 1);
        uint64_t *number = counter_number(counter, dot + 1);
        if (number)
            *number += param_number(param);
        counter->is_known |= number == &counter->in_bytes;
    }
}

static uint64_t per_second(uint64_t now, uint64_t before, uint64_t us)
{
    return now >= before && us ? (uint64_t)((double)(now - before) * 1e6 / (double)us) : 0;
}

/* QEMU tells of all disks or of none; so does the kernel of cards. */
static void sum_counters(const GArray *counters, HttpTotals *totals)
{
    unsigned n[2] = { 0 }, known[2] = { 0 };

    for (guint i = 0; i < counters->len; i++) {
        const HttpCounter *counter = &g_array_index(counters, HttpCounter, i);
        n[counter->is_disk]++;
        known[counter->is_disk] += counter->is_known;
        *(counter->is_disk ? &totals->disk_read_bytes : &totals->received_bytes) += counter->in_bytes;
        *(counter->is_disk ? &totals->disk_written_bytes : &totals->sent_bytes) += counter->out_bytes;
    }
    totals->has_disks = known[true] > 0 || n[true] == 0;
    totals->has_net = known[false] > 0 || n[false] == 0;
}

/* Those that were not asked for are as they were. */
static void keep_sizes(const GArray *known, GArray *counters)
{
    for (guint i = 0; i < MIN(known->len, counters->len); i++) {
        const HttpCounter *before = &g_array_index(known, HttpCounter, i);
        HttpCounter *counter = &g_array_index(counters, HttpCounter, i);
        if (counter->capacity_bytes || strcmp(before->name, counter->name) != 0)
            continue;
        counter->capacity_bytes = before->capacity_bytes;
        counter->allocation_bytes = MAX(counter->allocation_bytes, before->allocation_bytes);
    }
}

static void measure(Measured *machine, const Params *params, unsigned round)
{
    const HttpTotals *before = &machine->totals;
    const uint64_t available = number_of(params, "balloon.available", 0);
    const uint64_t usable =
        number_of(params, "balloon.usable", number_of(params, "balloon.unused", UINT64_MAX));
    HttpTotals totals = { .at_us = loop_now_us(),
                          .cpu_ns = number_of(params, "cpu.time", 0),
                          .n_vcpus = (unsigned)MAX(number_of(params, "vcpu.current", 1), 1),
                          .has_memory = available && usable <= available,
                          .memory_available_bytes = available * 1024,
                          .memory_used_bytes = (available - MIN(usable, available)) * 1024 };
    const uint64_t us = totals.at_us - before->at_us;

    g_autoptr(GArray) known = machine->counters;
    machine->counters = g_array_new(FALSE, TRUE, sizeof(HttpCounter));
    for (size_t i = 0; i < params_count(params); i++)
        count_param(machine->counters, params_at(params, i));
    keep_sizes(known, machine->counters);
    sum_counters(machine->counters, &totals);
    HttpSample sample = { .has_memory = totals.has_memory, .memory_used_bytes = totals.memory_used_bytes };
    if (machine->round && machine->round == round - 1 && totals.cpu_ns >= before->cpu_ns && us) {
        sample.has_cpu = true;
        sample.cpu_percent =
            MIN(100.0, (double)(totals.cpu_ns - before->cpu_ns) / 10.0 / (double)us / totals.n_vcpus);
        if (totals.has_disks && before->has_disks)
            sample.disk_bps = per_second(totals.disk_read_bytes + totals.disk_written_bytes,
                                         before->disk_read_bytes + before->disk_written_bytes, us);
        if (totals.has_net && before->has_net)
            sample.net_bps = per_second(totals.received_bytes + totals.sent_bytes,
                                        before->received_bytes + before->sent_bytes, us);
    }
    machine->round = round;
    machine->totals = totals;
    machine->sample = sample;
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

AWAITS static void find_addresses(Stats *stats, Vm *vm)
{
    GPtrArray *found = NULL;

    if (!vm_get_addresses(vm, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, 0, "virDomainInterfaceAddresses",
                          &found, NULL))
        return;
    Measured *machine = g_hash_table_lookup(stats->machines, vm_uuid(vm));
    if (machine) {
        json_decref(machine->addresses);
        machine->addresses = json_array();
    }
    for (guint i = 0; machine && i < found->len; i++) {
        const VmInterfaceAddresses *interface = g_ptr_array_index(found, i);
        for (guint k = 0; k < interface->addresses->len; k++)
            json_array_append_new(machine->addresses,
                                  json_string(
                                      ((const VmAddress *)g_ptr_array_index(interface->addresses, k))->ip));
    }
    g_ptr_array_unref(found);
}

AWAITS static void find_all_addresses(Stats *stats)
{
    g_autoptr(GPtrArray) vms = NULL;

    if (!vm_list(http_hub_host(stats->hub), VIR_CONNECT_LIST_DOMAINS_ACTIVE, &vms, NULL))
        return;
    for (guint i = 0; i < vms->len; i++)
        find_addresses(stats, g_ptr_array_index(vms, i));
}

/* No job is taken, and no QEMU is asked that does not answer; storage is looked at only for somebody. */
AWAITS static void stats_measure(Stats *stats, bool with_sizes)
{
    const unsigned groups = VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |
                            VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK |
                            (with_sizes ? 0 : VM_STATS_NO_SIZES);
    g_autoptr(Error) err = NULL;

    stats->round++;
    if (!vm_get_all_stats(http_hub_host(stats->hub), NULL, groups,
                          VIR_CONNECT_LIST_DOMAINS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT, NULL,
                          on_stats, stats, &err))
        log_debug("measuring machines: %s", error_message(err));
    g_hash_table_foreach_remove(stats->machines, machine_is_gone, stats);
    stats->at_ms = loop_now_ms();
    stats->sizes_ms = with_sizes ? stats->at_ms : stats->sizes_ms;
}

/* Until nobody looks any more. */
static void stats_run(void *arg)
{
    Stats *stats = arg;

    do {
        stats_measure(stats, loop_now_ms() < stats->wanted_until_ms);
        if (stats->at_ms < stats->wanted_until_ms &&
            (!stats->addresses_ms || stats->at_ms - stats->addresses_ms >= ADDRESSES_MS)) {
            stats->addresses_ms = stats->at_ms;
            find_all_addresses(stats);
        }
        feed_wake(stats->hub);
    } while (fiber_sleep(ROUND_MS, NULL) && loop_now_ms() < stats->wanted_until_ms);
    stats->runs = false;
}

static void stats_begin(Stats *stats)
{
    if (!stats->runs)
        stats->runs = fiber_spawn("web stats", stats_run, stats) != NULL;
}

void http_stats_want(HttpHub *hub)
{
    Stats *stats = stats_of(hub);

    stats->wanted_until_ms = loop_now_ms() + WANTED_MS;
    stats_begin(stats);
}

bool http_stats_last(HttpHub *hub, const Uuid *uuid, HttpSample *ret_sample)
{
    const Measured *machine = g_hash_table_lookup(stats_of(hub)->machines, uuid);

    http_stats_want(hub);
    if (machine)
        *ret_sample = machine->sample;
    return machine != NULL;
}

Json *http_stats_addresses(HttpHub *hub, const Uuid *uuid)
{
    const Measured *machine = g_hash_table_lookup(stats_of(hub)->machines, uuid);

    return machine && machine->addresses ? json_deep_copy(machine->addresses) : json_array();
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

/* Until *@at_ms, which a round sets, is not older than @age_ms. */
AWAITS static void stats_await(Stats *stats, const uint64_t *at_ms, uint64_t age_ms, uint64_t timeout_ms)
{
    const uint64_t until_ms = loop_now_ms() + timeout_ms, before_ms = *at_ms;

    if (before_ms && loop_now_ms() - before_ms <= age_ms)
        return;
    stats_begin(stats);
    while (*at_ms == before_ms && loop_now_ms() < until_ms && feed_wait(stats->hub, until_ms - loop_now_ms()))
        ;
}

void http_stats_glance(HttpHub *hub, uint64_t age_ms, uint64_t timeout_ms)
{
    Stats *stats = stats_of(hub);

    stats_await(stats, &stats->at_ms, age_ms, timeout_ms);
}

void http_stats_refresh(HttpHub *hub, uint64_t age_ms, uint64_t timeout_ms)
{
    Stats *stats = stats_of(hub);

    http_stats_want(hub);
    stats_await(stats, &stats->sizes_ms, age_ms, timeout_ms);
}

bool http_stats_totals(HttpHub *hub, const Uuid *uuid, HttpTotals *ret_totals)
{
    const Measured *machine = g_hash_table_lookup(stats_of(hub)->machines, uuid);

    if (!machine)
        return false;
    *ret_totals = machine->totals;
    ret_totals->counters = machine->counters;
    ret_totals->age_ms = loop_now_ms() - machine->totals.at_us / 1000;
    return true;
}
