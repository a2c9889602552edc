/* What something used over time, in one file of bounded size: every 10 s for a day, every minute for a week,
 * every 15 minutes for a year.
 *
 * The file is three rings of slots of 16 bytes. A slot's place follows from its time, and it says for which
 * time it is: what is old or damaged is known as such, and a writer that is killed leaves at most its last
 * slot undone. A coarse slot is the mean of the finest ones in the file, made when its time is over. Numbers
 * are kept to 0.1 %. The file is sparse (860 KB when all of a year is known), in the host's byte order.
 *
 * Blocks: for workers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/error.h"

typedef enum HistorySeries {
    HISTORY_CPU, /* percent */
    HISTORY_MEMORY,
    HISTORY_DISK_READ, /* bytes each second, as the others */
    HISTORY_DISK_WRITE,
    HISTORY_NET_RX,
    HISTORY_NET_TX,
    HISTORY_SERIES
} HistorySeries;

typedef struct HistoryPoint {
    int64_t time_s;                /* of the epoch; the beginning of its step */
    double values[HISTORY_SERIES]; /* negative: unknown */
} HistoryPoint;

#define HISTORY_STEP_S 10        /* of the finest */
#define HISTORY_POINTS_MAX 2000u /* of an answer */

/* Puts @point where it belongs, over what is known of the same step; a file that is none becomes one.
 * ERROR_SYSTEM */
MUST_CHECK bool history_ring_write(int fd, const HistoryPoint *point, Error **err);
/* Seconds between points: the finest step that is kept back to @since_s, not below @wanted_s, with which
 * there are at most HISTORY_POINTS_MAX until @until_s; a multiple of the coarsest if none is. */
unsigned history_ring_step(int64_t now_s, int64_t since_s, int64_t until_s, unsigned wanted_s);
/* A point for each step (from history_ring_step()) between the times, appended to @points, HistoryPoint.
 * ERROR_SYSTEM */
MUST_CHECK bool history_ring_read(int fd, int64_t since_s, int64_t until_s, unsigned step_s, GArray *points,
                                  Error **err);
