/* Chains of images of running machines, for the files of this room that work on them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_block_job.h"

/* 0: the active image. NULL: the chain is not as long. */
StorageSource *chain_at(DiskDef *disk, unsigned index);
StorageSource *chain_by_node(DiskDef *disk, const char *node);
/* @next (taken) in the place of the disk's own image, which comes back; what is below stays with each. */
StorageSource *chain_put_top(DiskDef *disk, StorageSource *next);
/* The image @source, which the running machine has for reading, is lent to it for writing. */
AWAITS MUST_CHECK bool vm_chain_lend(Vm *vm, const StorageSource *source, Error **err);
/* Takes the nodes of images (a chain, top first) that the disk @target has no more out of QEMU, and gives the
 * images back. Failures are logged. */
AWAITS void vm_chain_leave(Vm *vm, const char *target, StorageSource *gone);
/* What a job writes for the disk is in the document no more, and is given back. QEMU has ended, or knows no
 * such job. */
AWAITS void vm_chain_drop_mirror(Vm *vm, const char *target);
/* Removes an image that nobody needs. ERROR_SYSTEM */
AWAITS MUST_CHECK bool vm_chain_remove_file(Host *host, const char *path, Error **err);

/* Begin a job that is new. @speed: bytes per second; 0: no limit. @backing_name: what the header of the image
 * above is to say of the one below; NULL: its path. */
AWAITS MUST_CHECK bool vm_chain_begin_commit(Vm *vm, VmBlockJob *job, unsigned top, unsigned base,
                                             uint64_t speed, const char *backing_name, Error **err);
AWAITS MUST_CHECK bool vm_chain_begin_pull(Vm *vm, VmBlockJob *job, unsigned base, uint64_t speed,
                                           const char *backing_name, Error **err);

/* What the guest sees of the image of that node, as QEMU says. ERROR_INTERNAL: it has none */
AWAITS MUST_CHECK bool vm_chain_size(Vm *vm, const char *node, uint64_t *ret_bytes, Error **err);

/* Takes the machine's job for one on the disk @path, which must have an image and no job. */
AWAITS MUST_CHECK bool vm_block_begin(Vm *vm, const char *path, JobKind kind, const Caller *caller,
                                      Job *ret_job, DiskDef **ret_disk, Error **err);

typedef struct BlockCopy {
    uint64_t speed; /* bytes per second; 0: no limit */
    uint32_t granularity;
    uint64_t buffer; /* bytes; 0: QEMU's own */
    unsigned flags;  /* virDomainBlockCopyFlags */
} BlockCopy;
/* Begins to copy the disk of @job, a new one, to @to (taken). The machine's job is held. */
AWAITS MUST_CHECK bool vm_block_copy_begin(Vm *vm, VmBlockJob *job, StorageSource *to, const BlockCopy *copy,
                                           Error **err);
