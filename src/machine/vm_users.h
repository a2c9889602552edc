/* Which images machines use. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "storage/pool_backend.h"

/* Calls @visit with each file that a machine has: the chains of its disks, what it boots from, folders that
 * it shares; of its running definition and of the stored one. Never waits. */
void machine_walk_images(Host *host, ImageVisit visit, void *arg);

/* The same for @def alone. */
void machine_walk_images_of(Host *host, const DomainDef *def, ImageVisit visit, void *arg);

/* Does a disk of @def lie in the pool of that name and folder (NULL: none)? */
bool machine_needs_pool(const DomainDef *def, const char *pool, const char *target_path);
