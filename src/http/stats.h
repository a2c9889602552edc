/* What machines use, measured while somebody looks: samples of all running machines, taken together. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "base/uuid.h"
#include "http/hub.h"

typedef struct HttpSample {
    bool has_cpu, has_memory;
    double cpu_percent;         /* of all its CPUs */
    uint64_t memory_used_bytes; /* total minus available in the guest */
    uint64_t disk_read_bps, disk_write_bps, net_in_bps, net_out_bps;
} HttpSample;

/* The last one, not older than some seconds; asking keeps the measuring going for a while. Never waits. */
bool http_stats_last(HttpHub *hub, const Uuid *uuid, HttpSample *ret_sample);
/* Addresses that were found with it. New reference: a list of strings. */
Json *http_stats_addresses(HttpHub *hub, const Uuid *uuid);
