/* Block jobs as clients ask for them: virDomainBlock*(). @path: target ("vda") or source of a disk.
 * @bandwidth: MiB per second, or bytes with the flag that says so; 0: as fast as it goes. All need a running
 * machine.
 *
 * ERROR_INVALID_ARGUMENT        no such disk, no such image, flags that do not go together
 * ERROR_OPERATION_UNSUPPORTED, ERROR_BLOCK_COPY_ACTIVE  a job works on the disk already
 * ERROR_INVALID_STATE           it does not run, the drive is empty, the job is not as far */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/params.h"
#include "machine/vm.h"

/* Of a chain: @base, @top are paths or "vda[INDEX]"; NULL as virDomainBlockCommit(), -Pull() and -Rebase()
 * say. */
AWAITS MUST_CHECK bool vm_block_pull(Vm *vm, const char *path, const char *base, uint64_t bandwidth,
                                     unsigned flags /* virDomainBlockRebaseFlags */, const Caller *caller,
                                     Error **err);
AWAITS MUST_CHECK bool vm_block_commit(Vm *vm, const char *path, const char *base, const char *top,
                                       uint64_t bandwidth, unsigned flags, const Caller *caller, Error **err);
/* virDomainBlockRebase(): with VIR_DOMAIN_BLOCK_REBASE_COPY a copy to the file or device @base, else a pull.
 */
AWAITS MUST_CHECK bool vm_block_rebase(Vm *vm, const char *path, const char *base, uint64_t bandwidth,
                                       unsigned flags, const Caller *caller, Error **err);
/* @xml: a <disk>; @params: bandwidth (bytes per second), granularity, buf-size (bytes). */
AWAITS MUST_CHECK bool vm_block_copy(Vm *vm, const char *path, const char *xml, const Params *params,
                                     unsigned flags, const Caller *caller, Error **err);

typedef struct BlockJobInfo {
    bool is_found; /* false: no job works on the disk */
    int type;      /* VIR_DOMAIN_BLOCK_JOB_TYPE_* */
    uint64_t bandwidth, done, total;
} BlockJobInfo;
AWAITS MUST_CHECK bool vm_block_job_info(Vm *vm, const char *path, unsigned flags, BlockJobInfo *ret_info,
                                         Error **err);
/* Jobs that clients began and that run in the background, of all machines: for `lodge jobs`. */
typedef struct BlockJobRecord {
    char *machine;
    Uuid uuid;
    int id;
    char *type, *phase; /* "block-copy", "vda: 37 %" */
    uint64_t age_ms;
} BlockJobRecord;
GPtrArray *machine_list_block_jobs(Host *host); /* of BlockJobRecord, owned */
AWAITS MUST_CHECK bool vm_block_job_set_speed(Vm *vm, const char *path, uint64_t bandwidth, unsigned flags,
                                              const Caller *caller, Error **err);
/* @flags: ASYNC does not wait for the end, PIVOT goes on with the new image. */
AWAITS MUST_CHECK bool vm_block_job_abort(Vm *vm, const char *path, unsigned flags, const Caller *caller,
                                          Error **err);

/* The content of the disk goes into a new volume of the pool @pool, in @format (NULL: as it is), with all
 * that is below it, and the disk is there from then on; whether the machine runs or not. It is a job
 * (JOB_DISK_MOVE): with progress, and whoever aborts it finds all as it was. @flags: LODGE_DISK_MOVE_*.
 * *ret_path: of the new image; *ret_left: why the old one was not removed though it was asked for, NULL: it
 * was. Owned. */
AWAITS MUST_CHECK bool vm_disk_move(Vm *vm, const char *disk, const char *pool, const char *format,
                                    unsigned flags, const Caller *caller, char **ret_path, char **ret_left,
                                    Error **err);
