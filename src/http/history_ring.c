/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/history_ring.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "LodgeHi1"
#define UNKNOWN UINT16_MAX
#define CODE_SCALE 1023.0 /* codes of one doubling: 2^64 is the last */

typedef struct Header {
    char magic[8];
    int64_t last_s; /* what was written last: coarser slots of its time may be due */
} Header;

typedef struct Slot {
    uint32_t period; /* its time / step; 0: empty */
    uint16_t codes[HISTORY_SERIES];
} Slot;
G_STATIC_ASSERT(sizeof(Slot) == 16 && sizeof(Header) == 16);

typedef struct Ring {
    unsigned step_s, first, n; /* slots */
} Ring;
#define DAY (86400 / 10)
#define WEEK (7 * 86400 / 60)
#define YEAR (365 * 86400 / 900)
static const Ring rings[] = { { 10, 0, DAY }, { 60, DAY, WEEK }, { 900, DAY + WEEK, YEAR } };
#define N_RINGS G_N_ELEMENTS(rings)

static int64_t ring_span_s(const Ring *ring)
{
    return (int64_t)ring->step_s * ring->n;
}

static off_t ring_offset(const Ring *ring, uint32_t period)
{
    return (off_t)(sizeof(Header) + sizeof(Slot) * (ring->first + period % ring->n));
}

static uint16_t code_of(double value)
{
    return value >= 0 ? (uint16_t)MIN(lround(log2(1 + value) * CODE_SCALE), UNKNOWN - 1) : UNKNOWN;
}

static double value_of(uint16_t code)
{
    return code == UNKNOWN ? -1 : exp2(code / CODE_SCALE) - 1;
}

/* ---- means ---- */

typedef struct Mean {
    double sums[HISTORY_SERIES];
    unsigned n[HISTORY_SERIES];
} Mean;

static void mean_add(Mean *mean, const Slot *slot)
{
    for (int i = 0; i < HISTORY_SERIES; i++) {
        if (slot->codes[i] == UNKNOWN)
            continue;
        mean->sums[i] += value_of(slot->codes[i]);
        mean->n[i]++;
    }
}

static void mean_get(const Mean *mean, double values[HISTORY_SERIES])
{
    for (int i = 0; i < HISTORY_SERIES; i++)
        values[i] = mean->n[i] ? mean->sums[i] / mean->n[i] : -1;
}

/* ---- the file ---- */

/* What lies beyond its end is empty. */
static bool slots_read(int fd, off_t at, void *data, size_t len, Error **err)
{
    const ssize_t n = pread(fd, data, len, at);

    if (n < 0)
        return error_set_errno(err, errno, "cannot read a history");
    memset((char *)data + n, 0, len - (size_t)n);
    return true;
}

static bool slots_write(int fd, off_t at, const void *data, size_t len, Error **err)
{
    const ssize_t n = pwrite(fd, data, len, at);

    return n == (ssize_t)len || error_set_errno(err, n < 0 ? errno : ENOSPC, "cannot write a history");
}

/* The mean of the finest slots in @period of @ring. */
static bool coarse_slot(int fd, const Ring *ring, uint32_t period, Slot *ret_slot, Error **err)
{
    const Ring *finest = &rings[0];
    const unsigned n = ring->step_s / finest->step_s;
    g_autofree Slot *slots = g_new(Slot, n);
    double values[HISTORY_SERIES];
    Mean mean = { 0 };

    /* A ring's end is the end of a day, and so of any step. */
    if (!slots_read(fd, ring_offset(finest, period * n), slots, n * sizeof(Slot), err))
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (slots[i].period == period * n + i)
            mean_add(&mean, &slots[i]);
    }
    mean_get(&mean, values);
    *ret_slot = (Slot){ .period = period };
    for (int i = 0; i < HISTORY_SERIES; i++)
        ret_slot->codes[i] = code_of(values[i]);
    return true;
}

static bool header_read(int fd, Header *ret_header, Error **err)
{
    if (!slots_read(fd, 0, ret_header, sizeof *ret_header, err))
        return false;
    if (memcmp(ret_header->magic, MAGIC, sizeof ret_header->magic) != 0)
        *ret_header = (Header){ .magic = MAGIC };
    return true;
}

bool history_ring_write(int fd, const HistoryPoint *point, Error **err)
{
    Slot slot = { .period = (uint32_t)(point->time_s / rings[0].step_s) };
    Slot before;
    Header header;

    if (!header_read(fd, &header, err))
        return false;
    for (size_t i = 1; i < N_RINGS && header.last_s > 0; i++) {
        const int64_t period = header.last_s / rings[i].step_s;
        Slot coarse;
        if (period != point->time_s / rings[i].step_s &&
            (!coarse_slot(fd, &rings[i], (uint32_t)period, &coarse, err) ||
             !slots_write(fd, ring_offset(&rings[i], coarse.period), &coarse, sizeof coarse, err)))
            return false;
    }
    if (!slots_read(fd, ring_offset(&rings[0], slot.period), &before, sizeof before, err))
        return false;
    for (int i = 0; i < HISTORY_SERIES; i++) {
        slot.codes[i] = code_of(point->values[i]);
        /* A daemon that was just started knows less than the one before it. */
        if (slot.codes[i] == UNKNOWN && before.period == slot.period)
            slot.codes[i] = before.codes[i];
    }
    header.last_s = point->time_s;
    return slots_write(fd, ring_offset(&rings[0], slot.period), &slot, sizeof slot, err) &&
           slots_write(fd, 0, &header, sizeof header, err);
}

unsigned history_ring_step(int64_t now_s, int64_t since_s, int64_t until_s, unsigned wanted_s)
{
    const Ring *last = &rings[N_RINGS - 1];
    const uint64_t needed = MAX((uint64_t)MAX(until_s - since_s, 0) / HISTORY_POINTS_MAX + 1, wanted_s);

    for (size_t i = 0; i < N_RINGS; i++) {
        if (since_s > now_s - ring_span_s(&rings[i]) && needed <= rings[i].step_s)
            return rings[i].step_s;
    }
    return (unsigned)MIN((needed + last->step_s - 1) / last->step_s, last->n) * last->step_s;
}

bool history_ring_read(int fd, int64_t since_s, int64_t until_s, unsigned step_s, GArray *points, Error **err)
{
    size_t i = N_RINGS - 1;
    Header header;

    while (i > 0 && step_s < rings[i].step_s)
        i--;
    const Ring *ring = &rings[i];
    const unsigned each = step_s / ring->step_s;
    g_autofree Slot *slots = g_new(Slot, ring->n);
    if (!header_read(fd, &header, err) ||
        !slots_read(fd, ring_offset(ring, 0), slots, ring->n * sizeof(Slot), err))
        return false;
    const int64_t first_s = MAX(since_s, until_s - ring_span_s(ring)) / step_s * step_s;
    for (int64_t at_s = first_s; at_s <= until_s && points->len < HISTORY_POINTS_MAX; at_s += step_s) {
        HistoryPoint point = { .time_s = at_s };
        Mean mean = { 0 };
        for (unsigned k = 0; k < each; k++) {
            const uint32_t period = (uint32_t)(at_s / ring->step_s + k);
            Slot slot = slots[period % ring->n];
            /* The last one may not be there yet. */
            if (i > 0 && slot.period != period && header.last_s / ring->step_s == period &&
                !coarse_slot(fd, ring, period, &slot, err))
                return false;
            if (slot.period == period)
                mean_add(&mean, &slot);
        }
        mean_get(&mean, point.values);
        g_array_append_val(points, point);
    }
    return true;
}
