/* Which backups are kept. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "backup/retention.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define NOON INT64_C(1795780800) /* 2026-11-27 12:00 UTC, a Friday */

static void check_kept(const Retention *retention, const int64_t *times, unsigned n, const char *expected)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    g_autoptr(GString) kept = g_string_new(NULL);
    g_autofree RetentionRule *rules = g_new0(RetentionRule, n);

    retention_choose(retention, zone, times, n, rules);
    for (unsigned i = 0; i < n; i++)
        g_string_append_c(kept, rules[i] == RETENTION_RULE_COUNT ? '.' : "LHDWMY"[rules[i]]);
    check_str(kept->str, expected);
}

TEST(each_rule_keeps_the_newest_of_its_periods)
{
    const int64_t times[] = {
        NOON,           NOON - 60,       NOON - HOUR,     NOON - 13 * HOUR, NOON - DAY,      NOON - 2 * DAY,
        NOON - 5 * DAY, NOON - 12 * DAY, NOON - 20 * DAY, NOON - 30 * DAY,  NOON - 60 * DAY, NOON - 400 * DAY,
    };
    static const struct {
        const char *name;
        Retention retention;
        const char *kept;
    } cases[] = {
        { "last", { .keep = { [KEEP_LAST] = 3 } }, "LLL........." },
        { "more than there are", { .keep = { [KEEP_LAST] = 99 } }, "LLLLLLLLLLLL" },
        { "hourly", { .keep = { [KEEP_HOURLY] = 3 } }, "HH.H........" },
        { "daily", { .keep = { [KEEP_DAILY] = 3 } }, "D..D.D......" },
        { "weekly", { .keep = { [KEEP_WEEKLY] = 3 } }, "W.....WW...." },
        { "monthly", { .keep = { [KEEP_MONTHLY] = 2 } }, "M........M.." },
        { "yearly", { .keep = { [KEEP_YEARLY] = 5 } }, "Y..........Y" },
        { "together", { .keep = { [KEEP_LAST] = 1, [KEEP_DAILY] = 2, [KEEP_MONTHLY] = 3 } }, "L..D.....MM." },
        { "none", { .keep = { 0 } }, "............" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].name);
        check_kept(&cases[i].retention, times, G_N_ELEMENTS(times), cases[i].kept);
    }
}

TEST(a_week_belongs_to_the_year_of_its_thursday)
{
    /* 2027-01-01 is a Friday in week 53 of 2026; 2026-12-29 is in the same week. */
    const int64_t times[] = { INT64_C(1798761600), INT64_C(1798502400) };
    const Retention retention = { .keep = { [KEEP_WEEKLY] = 2 } };

    check_kept(&retention, times, 2, "W.");
}

TEST(times_that_no_calendar_has_are_kept_apart)
{
    const int64_t times[] = { INT64_MAX, INT64_MAX - 1, 0 };
    const Retention retention = { .keep = { [KEEP_DAILY] = 2 } };

    check_kept(&retention, times, 3, "DD.");
}
