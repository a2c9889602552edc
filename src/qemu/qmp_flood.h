/* Events that come faster than anybody cares to hear of them, because a guest makes them (a CD tray that
 * opens and closes 20,000 times a second) or because QEMU is no longer itself.
 *
 * In each slice of 100 ms so many lines pass as they come. Those after them are held until the slice ends,
 * and of lines that say the same, whatever their time, only the last: so what is told last is the truth, in
 * the order in which it came to be. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QMP_FLOOD_SLICE_US ((uint64_t)100000)
#define QMP_FLOOD_LINES 64 /* that pass in a slice */
#define QMP_FLOOD_HELD 64  /* different ones that are held in a slice */

typedef struct QmpFlood {
    uint64_t since_us; /* begin of the slice */
    unsigned n_passed;
    uint64_t n_dropped;  /* since the flood began */
    GQueue held;         /* of FloodLine, the one that came last at its tail */
    GHashTable *by_text; /* text without the time -> FloodLine; NULL: none */
} QmpFlood;

void qmp_flood_init(QmpFlood *flood);
void qmp_flood_clear(QmpFlood *flood);

/* Counts a line that nobody asked for. false: no more may pass in this slice. */
bool qmp_flood_pass(QmpFlood *flood, uint64_t now_us);
/* Holds a line until qmp_flood_take() gives it back. */
void qmp_flood_hold(QmpFlood *flood, const char *line, size_t len);
/* No more can be held: nothing may be read before the slice ends. */
bool qmp_flood_is_full(const QmpFlood *flood);
/* The next held line, NUL-terminated, owned by the caller; NULL when there is none. */
char *qmp_flood_take(QmpFlood *flood);
/* Lines are held, or no more may pass now. */
bool qmp_flood_is_on(const QmpFlood *flood, uint64_t now_us);
bool qmp_flood_slice_is_over(const QmpFlood *flood, uint64_t now_us);
