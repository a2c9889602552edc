/* What deserves an alert: a look at machines, pools, backups and certificates, and what has to be remembered
 * of machines for it. Asks no QEMU and no agent. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/uuid.h"
#include "http/alert_book.h"
#include "http/hub.h"

typedef struct AlertSettings {
    char *mail_to, *hook; /* NULL: nobody */
    /* 0 switches a rule off */
    uint64_t pool_percent, backup_days, certificate_days, agent_minutes, crash_count, crash_minutes;
} AlertSettings;
#define ALERT_CRASHES_MAX 32 /* of crash_count */

typedef struct AlertWatch AlertWatch;

/* Begins to listen. @changed: what alert_watch_format() tells is another. */
AlertWatch *alert_watch_new(HttpHub *hub, void (*changed)(void *arg), void *arg);
void alert_watch_free(AlertWatch *watch);    /* NULL does nothing */
Json *alert_watch_format(AlertWatch *watch); /* for a file; new reference */
/* What an earlier daemon remembered; then machines that run now, or ended before anybody listened. */
void alert_watch_parse(AlertWatch *watch, const Json *json);

/* The next round reads files of certificates, whatever their turn. */
void alert_watch_refresh(AlertWatch *watch);
/* One round. Pools may be asked for what they know; files of certificates are read every five minutes. */
AWAITS void alert_look(AlertWatch *watch, const AlertSettings *settings, AlertBook *book);
