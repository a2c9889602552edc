/* Which of a machine's backups are kept. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum RetentionRule {
    KEEP_LAST,
    KEEP_HOURLY,
    KEEP_DAILY,
    KEEP_WEEKLY,
    KEEP_MONTHLY,
    KEEP_YEARLY,
    RETENTION_RULE_COUNT
} RetentionRule;
const char *retention_rule_name(RetentionRule rule); /* "keep-last", as the option is called */

/* How many; 0: the rule keeps none. */
typedef struct Retention {
    unsigned keep[RETENTION_RULE_COUNT];
} Retention;
bool retention_is_empty(const Retention *retention);

/* @times_s: the newest first. The last keep-last are kept; and of each of the last N hours (days, ISO weeks,
 * months, years, in @zone) that have a backup, the newest. ret_rules[i]: the first rule that keeps it, or
 * RETENTION_RULE_COUNT: it may go. */
void retention_choose(const Retention *retention, GTimeZone *zone, const int64_t *times_s, unsigned n,
                      RetentionRule *ret_rules);
