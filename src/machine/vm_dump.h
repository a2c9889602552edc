/* Carrying the state of a running QEMU into a file: the engine below save and core dump. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/save_image.h"
#include "machine/vm_private.h"

typedef struct StateCopy {
    const char *path;
    const char *xml; /* for the header of a save image; NULL: none */
    bool image_runs; /* ... which says whether a restored machine runs */
    SaveFormat format;
    bool bypass_cache;
    bool pause;       /* before QEMU begins to write; else it pauses itself when it needs to */
    int pause_reason; /* PAUSED_* */
    int operation;    /* virDomainJobOperation */
    /* What QEMU writes goes there as it is, without memory that is shared, and no file is made
     * (vm_memory_clone.c);
     * @path is for messages. NULL: not so. Borrowed. */
    const int *stream_fd;
    const char *dump_format; /* NULL: migration stream; else "elf", "kdump-zlib", ... of guest memory */
} StateCopy;

/* Makes the file, pauses the machine, lets QEMU write its state (through a helper process), syncs and
 * renames. The job is held. What is about to happen is in the status file before it happens. On success the
 * machine is paused and run->must_run says whether it was not before: it is to be ended, or vm_state_end()
 * called. On failure the file is removed and the machine goes on as before. */
AWAITS MUST_CHECK bool vm_state_to_file(Vm *vm, Job *job, const StateCopy *copy, Error **err);
/* The job is over and the machine goes on if it ran before. */
AWAITS void vm_state_end(Vm *vm);

/* What QEMU says of a state that it writes, or sends, in the words of jobs; type and operation are the
 * caller's. */
void vm_state_progress(const MonitorMigration *now, JobProgress *ret_progress);
/* Is it at that? false also if it does not answer. */
AWAITS bool vm_state_is_moving(Vm *vm);

/* Removes the file of a transfer that will not be; failures are logged. */
AWAITS void vm_state_discard(Host *host, const SaveFile *file);
