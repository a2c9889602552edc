/* All machines together: what the daemon does with them when it starts, and counts of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host.h"

/* Gives the host its machines; before machine_load(). */
void machine_open(Host *host);
unsigned machine_count(const Host *host, bool running_only);

/* Loads every definition (a damaged file is reported and set aside), reads the status files, reconnects to
 * each running QEMU in parallel, finishes or rolls back what was half done. Returns when `list` tells the
 * truth. */
AWAITS MUST_CHECK bool machine_load(Host *host, Error **err);

/* Starts what is marked autostart, if this is the first start since the host booted (a marker in run/, which
 * does not outlive a boot). Runs in the background. Calls the daemon hook. */
void machine_autostart(Host *host);

/* Tries, in the background, the definitions again that could not be read or used before. */
void machine_reload(Host *host);
/* The daemon stops: what waits for machines that do not answer is given up. They run on. */
void machine_stop(Host *host);

/* A client connection ended: machines it asked to be destroyed with it are destroyed. */
void machine_client_gone(Host *host, uint64_t client_id);
