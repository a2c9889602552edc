/* Disk counters as QEMU tells them, for one machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/vm_private.h"

typedef struct DiskStats {
    bool is_known;  /* QEMU knows the device; the counters hold */
    bool has_image; /* capacity and the like hold */
    uint64_t rd_reqs, rd_bytes, rd_times_ns, wr_reqs, wr_bytes, wr_times_ns, fl_reqs, fl_times_ns;
    uint64_t capacity, allocation, physical; /* bytes; allocation: highest offset written */
    int error;                               /* virDomainDiskErrorCode */
} DiskStats;

/* One entry per disk of the live definition, in its order. Caller frees the array. */
AWAITS MUST_CHECK bool vm_query_disk_stats(Vm *vm, uint64_t timeout_ms, GArray **ret_stats, Error **err);
