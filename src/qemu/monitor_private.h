/* Helpers of the monitor_*.c modules; nobody else includes this. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "qemu/qmp.h"

#define MONITOR_MAX_ENTRIES 65536

/* For commands without a reply that matters; @args owned, may be NULL. */
AWAITS MUST_CHECK bool monitor_do(Qmp *qmp, const char *command, Json *args, uint64_t timeout_ms,
                                  Error **err);

/* For queries; @args owned, may be NULL. The reply must be an object or a list of bounded length. Owned. */
AWAITS MUST_CHECK bool monitor_ask_object(Qmp *qmp, const char *command, Json *args, uint64_t timeout_ms,
                                          Json **ret_object, Error **err);
AWAITS MUST_CHECK bool monitor_ask_list(Qmp *qmp, const char *command, Json *args, uint64_t timeout_ms,
                                        Json **ret_list, Error **err);
bool monitor_bad_reply(const char *command, Error **err); /* sets ERROR_INTERNAL, returns false */

/* Passes @fd under @name (getfd), runs @command, and takes the descriptor back if that was refused. @args
 * owned. */
AWAITS MUST_CHECK bool monitor_do_with_fd(Qmp *qmp, const char *name, int fd, const char *command, Json *args,
                                          uint64_t timeout_ms, Error **err);
