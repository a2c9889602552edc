/* The disks that go with a machine whose definition is removed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

typedef enum UndefineFlags { UNDEFINE_WIPE = 1 } UndefineFlags;

/* @only: targets or paths, separated by commas; NULL: all but discs in drives, of which only a seed that was
 * made with the machine counts. *ret_disks is for undefine_remove(); owned.
 * ERROR_INVALID_STATE: it runs; ERROR_INVALID_ARGUMENT: it has no such disk */
AWAITS MUST_CHECK bool undefine_collect(Cli *cli, const WireDomain *dom, const char *only,
                                        GPtrArray **ret_disks, Error **err);
/* When the definition is gone. What is in no pool, or needed by others, stays and is named. */
AWAITS void undefine_remove(Cli *cli, const GPtrArray *disks, UndefineFlags flags);
