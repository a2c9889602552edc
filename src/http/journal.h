/* What happened on this host, for good: events of its objects and what was asked for, by whom, from where,
 * and what came of it; of machines, what it changed in the definition (which is kept beside it as it was,
 * without secrets). In SQLite (var/lib/libvirt/lodge-journal.sqlite, WAL), written by one worker, some
 * entries at a time.
 *
 * A journal that cannot be written is a warning: machines do not depend on it. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "http/feed.h"

typedef struct JournalEntry {
    uint64_t id; /* 0: a new one */
    int64_t time_ms;
    const char *kind;   /* "machine", "pool" ...; of what is asked: "call", "request" */
    const char *uuid;   /* NULL */
    const char *name;   /* NULL */
    const char *what;   /* "started", "domain_create", "POST /machines/web/actions/start" */
    const char *who;    /* NULL: an event */
    const char *from;   /* NULL */
    const char *result; /* "ok", the word of an error; NULL: an event */
    const char *detail; /* NULL */
} JournalEntry;

/* Begins to write down what the feed tells. After feed_start(). */
void journal_start(HttpHub *hub);
/* Copies all of it; written soon. Never waits. */
void journal_add(HttpHub *hub, const JournalEntry *entry);
/* Somebody changed something by the web, or tried to. Never waits. */
void journal_request(const HttpRequest *req);
/* The daemon ends; what is left is written by a fiber that is not cancelled. */
void journal_end(HttpHub *hub);
