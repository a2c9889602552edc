/* What machines use, measured while somebody looks: samples of all running machines, taken together, every
 * two seconds. Loop thread only. */
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

/* The last one of a machine; asking keeps the measuring going for a while. Never waits. */
bool http_stats_last(HttpHub *hub, const Uuid *uuid, HttpSample *ret_sample);
/* Keeps the measuring going for a while. */
void http_stats_want(HttpHub *hub);
/* Counts the rounds; changes with each. */
unsigned http_stats_round(HttpHub *hub);
/* Of all running machines (@only: of that one) as of the last round: [{uuid, cpu_percent, ...}]. New
 * reference. */
Json *http_stats_json(HttpHub *hub, const Uuid *only);
