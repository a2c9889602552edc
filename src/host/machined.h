/* systemd, where it runs the host: machines are registered with systemd-machined, which makes their scopes.
 *
 * On a host without it all of this says that it is not there, which is no error: control groups are made by
 * hand then. Calls over the bus run in a worker. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/uuid.h"

/* Has the scope "machine-NAME.scope" made in @slice ("machine-fast.slice") and process @pid moved there.
 * *ret_done false: there is no machined. ERROR_SYSTEM with its words: it refused. */
AWAITS MUST_CHECK bool machined_create(const char *name, const Uuid *uuid, pid_t pid, const char *slice,
                                       bool *ret_done, Error **err);
/* Sets a weight of a scope ("CPUWeight", "IOWeight") that systemd has made. *ret_done false: it has not. */
AWAITS MUST_CHECK bool machined_set_weight(const char *scope, const char *property, uint64_t weight,
                                           bool *ret_done, Error **err);
