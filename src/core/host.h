/* This host: configuration, QEMU capabilities, the registries of its objects. One per daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "core/config.h"
#include "core/event.h"
#include "core/job.h"
#include "core/paths.h"
#include "qemu/qemu_caps.h"

/* @paths, @config: owned by the host from now on. */
Host *host_new(Paths *paths, Config *config);

/* Stops accepting changes, waits (at most @timeout_ms) for jobs that write, leaves machines running. */
AWAITS void host_stop(Host *host, uint64_t timeout_ms);
void host_free(Host *host);

const Paths *host_paths(const Host *host);
const Config *host_config(const Host *host);
EventBus *host_events(Host *host);
QemuCapsCache *host_qemu_caps(Host *host);
bool host_is_idle(const Host *host); /* no machine runs and no job: a session daemon may exit */

/* The capabilities document (virsh capabilities); caller owns. */
AWAITS MUST_CHECK bool host_get_capabilities_xml(Host *host, char **ret_xml, Error **err);
/* virsh domcapabilities; NULL arguments select defaults. */
AWAITS MUST_CHECK bool host_get_domain_capabilities_xml(Host *host, const char *emulator, const char *arch,
                                                        const char *machine, const char *virt_type,
                                                        char **ret_xml, Error **err);
AWAITS MUST_CHECK bool host_get_qemu_version(Host *host, uint64_t *ret_version, Error **err); /* 7002022 */
int host_get_max_vcpus(Host *host, const char *type);
/* Runs hooks/daemon; what goes wrong is logged. ("reload", "begin", "SIGHUP") */
AWAITS void host_run_daemon_hook(Host *host, const char *operation, const char *suboperation,
                                 const char *extra);
