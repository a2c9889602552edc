/* What happens, in order, for everybody who wants to follow it: the core's events and the web's own.
 *
 * The last thousands are kept; a reader asks for what came after the number it has seen, so one who is slow,
 * or comes back, misses nothing or is told that it did. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fiber.h"
#include "http/request.h"

typedef struct FeedItem {
    uint64_t id;      /* grows; also over restarts of the daemon */
    const char *kind; /* "machine", "pool", "network" ... */
    bool has_uuid;
    Uuid uuid;
    char *name;
    const char *what; /* "started" */
    char *detail;     /* of a few; NULL */
    int64_t time_s;
    char *json; /* {"kind", "uuid", "name", "event", "detail"} */
} FeedItem;

/* Begins to listen. Called once, before anything else here. */
void feed_start(HttpHub *hub);
/* Something of the web's own happened. @kind, @what: constants ("alert", "began"); @detail: NULL: none. */
void feed_publish(HttpHub *hub, const char *kind, const char *name, const char *what, const char *detail);
/* Of one that happens now and is not in the feed. */
uint64_t feed_new_number(HttpHub *hub);
/* @observe is called with each item, at once; it must not wait. */
void feed_set_observer(HttpHub *hub, void (*observe)(const FeedItem *item, void *arg), void *arg);
/* The oldest with a number above @since that @who may know of; valid until the next await. NULL: none yet.
 * *ret_lost: some between were forgotten. */
const FeedItem *feed_next(HttpHub *hub, uint64_t since, const HttpIdentity *who, bool *ret_lost);
uint64_t feed_last_id(HttpHub *hub);
/* true: something is new (perhaps nothing of theirs); false: time is over, or cancelled. */
AWAITS bool feed_wait(HttpHub *hub, uint64_t timeout_ms);
/* Wakes all who wait, for another reason. */
void feed_wake(HttpHub *hub);
