/* Machines that are made and removed, and the disks that go with one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* With all that the daemon keeps of a machine. */
#define UNDEFINE_ALL                                                                                         \
    (VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | \
     VIR_DOMAIN_UNDEFINE_TPM)

typedef enum UndefineFlags { UNDEFINE_WIPE = 1, UNDEFINE_SILENT = 2 } UndefineFlags;

/* @only: targets or paths, separated by commas; NULL: all but discs in drives, of which only a seed that was
 * made with the machine counts. *ret_disks is for undefine_remove(); owned.
 * ERROR_INVALID_STATE: it runs; ERROR_INVALID_ARGUMENT: it has no such disk */
AWAITS MUST_CHECK bool undefine_collect(Cli *cli, const WireDomain *dom, const char *only,
                                        GPtrArray **ret_disks, Error **err);
/* When the definition is gone. What is in no pool, or needed by others, stays and is named. */
AWAITS void undefine_remove(Cli *cli, const GPtrArray *disks, UndefineFlags flags);
/* Defines a machine that is being made; not cancelled, so that it is known whether it is there. */
AWAITS MUST_CHECK bool machine_define(Cli *cli, const char *xml, WireDomain *ret_dom, Error **err);
/* Takes back a machine that was being made; it may be starting just now, although nobody waits for that any
 * more. Its volumes stay. Shielded; failures are not reported. */
AWAITS void machine_take_back(Cli *cli, const WireDomain *dom);
