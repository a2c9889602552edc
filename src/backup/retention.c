/* Retention: each rule sorts the backups into periods and keeps the newest of each. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/retention.h"

#include <string.h>

/* The period that a moment is in, as strftime() says it. keep-last has none: each backup is its own. */
static const struct {
    const char *name, *period;
} rules[RETENTION_RULE_COUNT] = {
    [KEEP_LAST] = { "keep-last", NULL },          [KEEP_HOURLY] = { "keep-hourly", "%Y-%m-%d %H %z" },
    [KEEP_DAILY] = { "keep-daily", "%Y-%m-%d" },  [KEEP_WEEKLY] = { "keep-weekly", "%G-%V" },
    [KEEP_MONTHLY] = { "keep-monthly", "%Y-%m" }, [KEEP_YEARLY] = { "keep-yearly", "%Y" },
};

const char *retention_rule_name(RetentionRule rule)
{
    return rules[rule].name;
}

bool retention_is_empty(const Retention *retention)
{
    for (unsigned rule = 0; rule < RETENTION_RULE_COUNT; rule++)
        if (retention->keep[rule])
            return false;
    return true;
}

static char *period_of(RetentionRule rule, GTimeZone *zone, int64_t time_s, unsigned number)
{
    if (!rules[rule].period)
        return g_strdup_printf("%u", number);
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(time_s);
    g_autoptr(GDateTime) local = utc ? g_date_time_to_timezone(utc, zone) : NULL;
    char *period = local ? g_date_time_format(local, rules[rule].period) : NULL;
    return period ? period : g_strdup_printf("%u", number); /* a time that no calendar has is kept apart */
}

void retention_choose(const Retention *retention, GTimeZone *zone, const int64_t *times_s, unsigned n,
                      RetentionRule *ret_rules)
{
    for (unsigned i = 0; i < n; i++)
        ret_rules[i] = RETENTION_RULE_COUNT;
    for (unsigned rule = 0; rule < RETENTION_RULE_COUNT; rule++) {
        g_autofree char *last = NULL;
        unsigned kept = 0;
        for (unsigned i = 0; i < n && kept < retention->keep[rule]; i++) {
            char *period = period_of((RetentionRule)rule, zone, times_s[i], i);
            const bool is_new = g_strcmp0(period, last) != 0;
            g_free(last);
            last = period;
            if (is_new) {
                kept++;
                if (ret_rules[i] == RETENTION_RULE_COUNT)
                    ret_rules[i] = (RetentionRule)rule;
            }
        }
    }
}
