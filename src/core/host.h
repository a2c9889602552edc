/* This host: configuration, the registries of its objects. One per daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "core/config.h"
#include "core/event.h"
#include "core/job.h"
#include "core/paths.h"

/* @paths, @config: owned by the host from now on. */
Host *host_new(Paths *paths, Config *config);

/* Stops accepting changes, waits (at most @timeout_ms) for jobs that write, leaves machines running. */
AWAITS void host_stop(Host *host, uint64_t timeout_ms);
void host_free(Host *host);

const Paths *host_paths(const Host *host);
const Config *host_config(const Host *host);
EventBus *host_events(Host *host);
bool host_is_idle(const Host *host); /* no machine runs and no job: a session daemon may exit */

/* Runs hooks/daemon; what goes wrong is logged. ("reload", "begin", "SIGHUP") */
AWAITS void host_run_daemon_hook(Host *host, const char *operation, const char *suboperation,
                                 const char *extra);
