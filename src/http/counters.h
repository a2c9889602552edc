/* What went wrong with machines: how often, when and why the last time. Kept in
 * var/lib/libvirt/lodge-counters.json, written when something is counted, at most once a second; a machine's
 * numbers go a week after it. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/uuid.h"
#include "http/hub.h"

typedef enum CounterKind {
    COUNTER_PANIC,
    COUNTER_IO_ERROR,
    COUNTER_NO_SPACE, /* it was paused, because its storage was full */
    COUNTER_OOM_KILL,
    COUNTER_UNEXPECTED_EXIT, /* other ends of QEMU that nobody asked for */
    COUNTER_KINDS
} CounterKind;
extern const char *const counter_names[COUNTER_KINDS];

typedef struct Counter {
    uint64_t count;
    int64_t last_s; /* 0: never */
    char *reason;   /* NULL */
} Counter;

/* Reads what was counted and counts from now on; machines whose QEMU ended while no daemon ran, too. */
AWAITS void counters_start(HttpHub *hub);
/* All kinds of a machine, by their number; borrowed until the next await; zeroes if there was nothing. */
const Counter *counters_of(HttpHub *hub, const Uuid *uuid);
