/* What ZFS's programs print, for the back end of its pools and its tests. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/pool_backend.h"

/* The columns that zfs_add_volumes() reads. */
#define ZFS_COLUMNS "name,volsize,refreservation,referenced,lodge:new"

/* Adds the volumes right below @parent ("tank", "tank/machines") to @found (of BlockFound) from @text, which
 * `zfs list -Hp -t volume -o ZFS_COLUMNS` printed. Those that are marked as incomplete go to @unfinished
 * (owned names) instead. Lines that make no sense are left out. */
void zfs_add_volumes(const char *parent, const char *text, GPtrArray *found, GPtrArray *unfinished);
