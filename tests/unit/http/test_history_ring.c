/* Rings of samples: what is written comes back, coarser as it grows old. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/macros.h"
#include "http/history_ring.h"

#define T0 INT64_C(1800000000) /* a multiple of 900 */

static void put(int fd, int64_t time_s, double cpu, double memory)
{
    const HistoryPoint point = { .time_s = time_s, .values = { cpu, memory, 0, 1e9, -1, 5 } };

    check(history_ring_write(fd, &point, NULL));
}

static GArray *get(int fd, int64_t since_s, int64_t until_s, unsigned step_s)
{
    GArray *points = g_array_new(FALSE, FALSE, sizeof(HistoryPoint));

    check(history_ring_read(fd, since_s, until_s, step_s, points, NULL));
    return points;
}

static bool is_near(double value, double wanted)
{
    return value >= wanted * 0.998 - 0.01 && value <= wanted * 1.002 + 0.01;
}

static double at(const GArray *points, guint i, HistorySeries series)
{
    return g_array_index(points, HistoryPoint, i).values[series];
}

TEST(a_sample_comes_back_and_what_is_unknown_stays_so)
{
    AUTO_FD fd = memfd_create("history", MFD_CLOEXEC);

    put(fd, T0 + 3, 12.5, 3e9);
    put(fd, T0 + 9, -1, 3e9); /* knows less of the same step */
    put(fd, T0 + 20, 0, 1);
    g_autoptr(GArray) points = get(fd, T0 - 10, T0 + 29, 10);
    check_eq(points->len, 4);
    check_eq(g_array_index(points, HistoryPoint, 1).time_s, T0);
    check(is_near(at(points, 1, HISTORY_CPU), 12.5) && is_near(at(points, 1, HISTORY_MEMORY), 3e9));
    check(is_near(at(points, 1, HISTORY_DISK_WRITE), 1e9) && at(points, 1, HISTORY_DISK_READ) == 0);
    check(at(points, 1, HISTORY_NET_RX) < 0);
    check(at(points, 0, HISTORY_CPU) < 0 && at(points, 2, HISTORY_CPU) < 0);
    check(at(points, 3, HISTORY_CPU) == 0 && is_near(at(points, 3, HISTORY_MEMORY), 1));
}

TEST(coarse_steps_are_means_of_what_was_there)
{
    AUTO_FD fd = memfd_create("history", MFD_CLOEXEC);

    for (int i = 0; i < 90; i++) /* all of 15 minutes: 0, 10, .. 890 */
        put(fd, T0 + 10 * i, i % 6 * 10, 1000);
    {
        /* The last minute, and all of the quarter, are not over: they are made when asked for. */
        g_autoptr(GArray) minutes = get(fd, T0, T0 + 899, 60);
        g_autoptr(GArray) quarter = get(fd, T0, T0 + 899, 900);
        check_eq(minutes->len, 15);
        check(is_near(at(minutes, 0, HISTORY_CPU), 25) && is_near(at(minutes, 14, HISTORY_CPU), 25));
        check_eq(quarter->len, 1);
        check(is_near(at(quarter, 0, HISTORY_CPU), 25) && is_near(at(quarter, 0, HISTORY_NET_TX), 5));
    }
    /* Days later the fine ones are gone; over a gap, and with samples that are missing, too. */
    put(fd, T0 + 2 * 86400, 50, 1000);
    put(fd, T0 + 2 * 86400 + 20, 60, 1000);
    for (int i = 0; i < 8640; i++)
        put(fd, T0 + 3 * 86400 + 10 * i, 100, 1000);
    g_autoptr(GArray) fine = get(fd, T0, T0 + 890, 10);
    g_autoptr(GArray) minutes = get(fd, T0, T0 + 899, 60);
    g_autoptr(GArray) quarters = get(fd, T0, T0 + 4 * 86400 - 900, 1800);
    check(at(fine, 0, HISTORY_CPU) < 0);
    check(is_near(at(minutes, 14, HISTORY_CPU), 25));
    check_eq(quarters->len, 4 * 48);
    check(is_near(at(quarters, 0, HISTORY_CPU), 25) && at(quarters, 1, HISTORY_CPU) < 0);
    check(is_near(at(quarters, 96, HISTORY_CPU), 55) && is_near(at(quarters, 191, HISTORY_CPU), 100));
}

TEST(a_file_is_bounded_and_what_is_no_history_becomes_one)
{
    AUTO_FD fd = memfd_create("history", MFD_CLOEXEC);
    static const char junk[4096] = "this is no history";

    check_eq(write(fd, junk, sizeof junk), sizeof junk);
    for (int64_t at_s = T0; at_s < T0 + INT64_C(800) * 86400; at_s += 7770)
        put(fd, at_s, 1, 1);
    check(lseek(fd, 0, SEEK_END) <= 900000);
    /* A clock that was wrong: what lies ahead does no harm. */
    put(fd, T0, 77, 1);
    g_autoptr(GArray) points = get(fd, T0, T0, 10);
    check(is_near(at(points, 0, HISTORY_CPU), 77));
}

TEST(the_finest_step_that_reaches_back_is_taken)
{
    static const struct {
        int64_t since_ago_s, until_ago_s;
        unsigned wanted_s, step_s;
    } cases[] = {
        { 3600, 0, 0, 10 },           { 3600, 0, 30, 60 },
        { 3600, 0, 61, 900 },         { 86000, 0, 0, 60 },
        { 86000, 80000, 0, 10 },      { 6 * 86400, 0, 0, 900 },
        { 300000, 290000, 0, 60 },    { 30 * 86400, 0, 0, 1800 },
        { 365 * 86400, 0, 0, 16200 }, { 3600, 0, 31536000, 31536000 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("%d", (int)i);
        check_case(name);
        const unsigned step_s =
            history_ring_step(T0, T0 - cases[i].since_ago_s, T0 - cases[i].until_ago_s, cases[i].wanted_s);
        check_eq(step_s, cases[i].step_s);
        check((cases[i].since_ago_s - cases[i].until_ago_s) / step_s <= HISTORY_POINTS_MAX);
    }
}
