/* Alerts that begin and end once: what was found in a round of looking is compared with what is known. A
 * finding has to be bad for its time before an alert begins, and good for its time before it ends; between
 * good and bad all stays as it is. Pure: told the time, never waits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"

typedef enum AlertKind {
    ALERT_DOWN,
    ALERT_CRASH_LOOP,
    ALERT_POOL_FULL,
    ALERT_BACKUP_OLD,
    ALERT_CERTIFICATE,
    ALERT_AGENT_SILENT,
    ALERT_NO_SPACE,
    ALERT_IO_ERROR,
    ALERT_KINDS
} AlertKind;
extern const char *const alert_kind_names[ALERT_KINDS];

typedef enum AlertLevel { ALERT_GOOD, ALERT_BETWEEN, ALERT_BAD } AlertLevel;

typedef struct AlertFinding {
    AlertKind kind;
    const char *key;    /* of its object, for good: a UUID, a path */
    const char *object; /* its name */
    AlertLevel level;
    bool is_critical;
    int64_t begin_s, end_s; /* how long it has to be bad, or good */
    const char *detail;     /* NULL if it is not bad */
} AlertFinding;

typedef struct Alert {
    uint64_t id;
    AlertKind kind;
    char *key, *object, *detail;
    bool is_critical, is_acknowledged;
    int64_t since_s;  /* when it was found */
    bool is_open;     /* it has begun, and not ended */
    bool must_tell;   /* that it began, or ended: nobody was told yet */
    int64_t turned_s; /* since when it is bad without having begun, or good without having ended; 0 */
    unsigned round;
} Alert;

typedef struct AlertBook AlertBook;

/* @on_change: an alert began (is_open) or ended; it is valid during the call. */
AlertBook *alert_book_new(void (*on_change)(const Alert *alert, void *arg), void *arg);
void alert_book_free(AlertBook *book); /* NULL does nothing */

/* One round: begin, all findings, end. Kinds in @kinds (a bit each) were looked at: of those, what was not
 * found is good. */
void alert_book_begin(AlertBook *book);
void alert_book_find(AlertBook *book, int64_t now_s, const AlertFinding *finding);
void alert_book_end(AlertBook *book, int64_t now_s, unsigned kinds);

/* Of Alert: those that are open, and those that ended and of which nobody was told; borrowed, in no order. */
const GPtrArray *alert_book_list(const AlertBook *book);
/* false: there is none that is open. */
bool alert_book_acknowledge(AlertBook *book, uint64_t id);
/* Who is to know was told of @id as it is (@is_open). */
void alert_book_told(AlertBook *book, uint64_t id, bool is_open);

/* For a file; new reference. */
Json *alert_book_format(const AlertBook *book);
/* What is damaged is left out. */
void alert_book_parse(AlertBook *book, const Json *json);
