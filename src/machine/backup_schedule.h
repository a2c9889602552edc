/* Backups by the clock: which machine goes into which repository how often, and what is kept there.
 *
 * The daemon keeps the list and the time, and starts `lodge backup create` (and then `prune`) as a child when
 * one is due: the client knows repositories, the daemon does not. The list is etc/lodge-backup-schedule.json.
 * Timers of systemd would need systemd on every host, and could not follow a machine that is renamed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "core/host.h"

/* Reads the list; what was due while no daemon ran is done soon. A list that is damaged is told in the log,
 * and stays as it is until something is added. */
AWAITS void backup_schedule_load(Host *host);

/* The daemon stops: children are ended. */
void backup_schedule_stop(void);

#define BACKUP_EVERY_MIN_S 60

/* @order: {"domain": uuid, "repository": path, "every_s": n, "create": [option], "prune": [option]}. Replaces
 * that of the same machine and repository. ERROR_INVALID_ARGUMENT: something is missing or out of range */
AWAITS MUST_CHECK bool backup_schedule_add(Host *host, const Json *order, Error **err);
/* ERROR_INVALID_ARGUMENT: there is none */
AWAITS MUST_CHECK bool backup_schedule_remove(Host *host, const char *domain, const char *repository,
                                              Error **err);
/* The orders with "last_s", "next_s" (since 1970), "running", "failure" (NULL: it went well); owned. */
Json *backup_schedule_list(Host *host);
