/* Carrying the state of a running QEMU into a file: the engine below save and core dump. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/save_image.h"
#include "core/vm_private.h"

typedef struct StateCopy {
    const char *path;      /* the final name */
    const char *temp_path; /* where it is written; renamed when complete, unless the same */
    SaveFormat format;
    bool bypass_cache;
    int pause_reason;        /* PAUSED_*: when QEMU stops by itself at the end */
    int operation;           /* virDomainJobOperation */
    const char *dump_format; /* NULL: migration stream; else "elf", "kdump-zlib", ... of guest memory */
} StateCopy;

/* Lets QEMU write its state (through a helper process) behind what @fd holds already, syncs and renames.
 * The job is held. On failure the file is removed, the transfer cancelled, and whether the machine runs is as
 * it was left by QEMU: the caller lets it go on. */
AWAITS MUST_CHECK bool vm_state_to_file(Vm *vm, Job *job, const StateCopy *copy, int fd, Error **err);

/* Removes the file of a transfer that will not be; failures are logged. */
AWAITS void vm_state_discard(Host *host, const char *temp_path);
