/* Control groups (cgroup v2) in which machines live: what this kernel offers, and changes of groups.
 *
 * A group is named by its folder, an absolute path. Changes are steps that are put together first and then
 * done in one go in a worker: each is short, but moving a process may wait for the kernel.
 *
 *     machine.slice/machine-qemu\x2d1\x2dweb.scope/          weights among the machines; systemd-machined's
 * scope libvirt/                                           limits of the whole machine; a threaded domain
 *             emulator/  vcpu0/  vcpu1/  iothread1/          threaded groups */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum {
    CGROUP_CPU = 1 << 0,
    CGROUP_CPUSET = 1 << 1,
    CGROUP_IO = 1 << 2,
    CGROUP_MEMORY = 1 << 3,
    CGROUP_CONTROLLERS = (1 << 4) - 1,
    CGROUP_THREADED = CGROUP_CPU | CGROUP_CPUSET /* those that tell threads apart */
};

typedef struct CgroupHost {
    char *mount;          /* where the hierarchy is; NULL: no cgroup v2 here */
    unsigned controllers; /* that groups below @mount can have */
    bool has_v1;          /* the kernel's controllers are (some of them) used by version 1 */
} CgroupHost;

/* Looks at the mounts and makes the controllers available below the top of the hierarchy. @root: "" for the
 * real /proc and /sys; a tree for tests has sys/fs/cgroup. Owned. */
CgroupHost *cgroup_host_new(const char *root);
void cgroup_host_free(CgroupHost *host); /* NULL does nothing */
/* Why groups cannot have @controller, one of CGROUP_*: for messages after "because". Constant. */
const char *cgroup_host_explain(const CgroupHost *host, unsigned controller);

/* "machine.slice/machine-fast.slice" for the partition "/machine/fast". Owned. ERROR_CONFIG_UNSUPPORTED: not
 * absolute, or a part of it cannot be a name of a slice. */
MUST_CHECK bool cgroup_slice(const char *partition, char **ret_slice, Error **err);
/* "machine-qemu\x2d1\x2dweb.scope" for "qemu-1-web": as systemd escapes it. Owned. */
char *cgroup_scope(const char *machine);

/* ---- changes ---- */

typedef struct CgroupBatch CgroupBatch;
CgroupBatch *cgroup_batch_new(void);
void cgroup_batch_free(CgroupBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CgroupBatch, cgroup_batch_free)
/* The folder; one that is there is fine, its parent must be. */
void cgroup_add_make(CgroupBatch *batch, const char *group);
PRINTF(4, 5)
void cgroup_add_write(CgroupBatch *batch, const char *group, const char *file, const char *format, ...);
/* Gives @controllers to the groups below @group. */
void cgroup_add_enable(CgroupBatch *batch, const char *group, unsigned controllers);
bool cgroup_batch_is_empty(const CgroupBatch *batch);
/* Does the steps in their order, up to the first that fails. ERROR_SYSTEM naming file and value. @batch is
 * gone afterwards. */
AWAITS MUST_CHECK bool cgroup_batch_run(CgroupBatch *batch, Error **err);

/* Removes @group and the groups in it, once no process is left there: tries again for some seconds, because
 * threads of a process that has ended leave later. One that is not there is success. ERROR_BUSY */
AWAITS MUST_CHECK bool cgroup_remove(const char *group, Error **err);

/* ---- questions; none waits ---- */

bool cgroup_exists(const char *group);
char *cgroup_read(const char *group, const char *file); /* owned, without newline; NULL: there is none */
/* The folder of the group that process @pid is in; owned. NULL: not told, or not below @host->mount. */
char *cgroup_of_process(const CgroupHost *host, pid_t pid);
