/* Snapshots by the clock: of a machine that runs, every so often, and only the latest stay. They are external
 * ones of its disks, called auto-DATE-TIME; what people take themselves is left alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

typedef struct VmSchedule {
    uint64_t interval_s; /* 0: none */
    unsigned keep;       /* how many stay; at least 1 */
    int64_t next_s;      /* since 1970; in the past: it is due. 0: not known yet */
    char *problem;       /* why the last one failed; NULL */
} VmSchedule;

/* Borrowed; with the time of the next one. */
const VmSchedule *vm_snapshot_get_schedule(const Vm *vm);
/* @interval_s 0: no more of them; those that there are stay. Safe on disk when this returns.
 * ERROR_INVALID_ARGUMENT: shorter than a minute, or none is to stay */
AWAITS MUST_CHECK bool vm_snapshot_set_schedule(Vm *vm, uint64_t interval_s, unsigned keep,
                                                const Caller *caller, Error **err);
/* Reads the machine's schedule, and begins to look after all of them. */
AWAITS void vm_snapshot_load_schedule(Vm *vm);
void vm_snapshot_run_schedules(Host *host);
