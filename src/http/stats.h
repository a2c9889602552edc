/* What machines use: samples of all running machines, taken together, every two seconds while somebody looks.
 * Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "base/uuid.h"
#include "http/hub.h"

typedef struct HttpSample {
    bool has_cpu, has_memory;
    double cpu_percent;         /* of all its CPUs */
    uint64_t memory_used_bytes; /* total minus available in the guest */
    uint64_t disk_bps, net_bps; /* bytes each second, both ways */
} HttpSample;

/* What a disk or a card of a machine has done since it was started. */
typedef struct HttpCounter {
    char name[64];
    bool is_disk;
    bool is_known;                      /* QEMU or the kernel told its bytes */
    uint64_t in_bytes, out_bytes;       /* read and written, received and sent */
    uint64_t in_requests, out_requests; /* packets */
    uint64_t errors, drops;             /* of cards */
    uint64_t capacity_bytes, allocation_bytes;
} HttpCounter;
typedef struct HttpTotals {
    uint64_t cpu_ns;
    unsigned n_vcpus;
    uint64_t at_us;          /* when, on the loop's clock */
    bool has_disks, has_net; /* it was told, or there are none */
    uint64_t disk_read_bytes, disk_written_bytes, received_bytes, sent_bytes;
    bool has_memory;
    uint64_t memory_available_bytes, memory_used_bytes; /* as the guest tells */
    const GArray *counters;                             /* of HttpCounter; borrowed */
    uint64_t age_ms;
} HttpTotals;
/* false: it was not measured. Valid until the next await. */
bool http_stats_totals(HttpHub *hub, const Uuid *uuid, HttpTotals *ret_totals);
/* Waits for a round, if the last is older than @age_ms, but not long. */
AWAITS void http_stats_refresh(HttpHub *hub, uint64_t age_ms, uint64_t timeout_ms);
/* The same without sizes of disks, and does not keep the measuring going. */
AWAITS void http_stats_glance(HttpHub *hub, uint64_t age_ms, uint64_t timeout_ms);

/* The last one of a machine; asking keeps the measuring going for a while. Never waits. */
bool http_stats_last(HttpHub *hub, const Uuid *uuid, HttpSample *ret_sample);
/* Addresses that it had from networks of this host, found with every fifth round. New reference: a list of
 * texts. */
Json *http_stats_addresses(HttpHub *hub, const Uuid *uuid);
/* Keeps the measuring going for a while. */
void http_stats_want(HttpHub *hub);
/* Counts the rounds; changes with each. */
unsigned http_stats_round(HttpHub *hub);
/* Of all running machines (@only: of that one) as of the last round: [{uuid, cpu_percent, ...}]. New
 * reference. */
Json *http_stats_json(HttpHub *hub, const Uuid *only);
