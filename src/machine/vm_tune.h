/* What a running machine gets of its host: control groups, CPUs, schedulers. Private to this room.
 *
 * All of it is a function of the document: who changes something applies the new document, and takes it back
 * by applying the old one; a daemon that takes a machine over applies what the status file says. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/params.h"
#include "host/cgroup.h"
#include "machine/vm_edit.h"

/* ERROR_CONFIG_UNSUPPORTED: what @def asks for and this host cannot give; nothing is ignored. */
MUST_CHECK bool vm_tune_check(const Host *host, const DomainDef *def, Error **err);

/* ---- control groups (vm_cgroup.c) ---- */

enum {
    TUNE_CPU = 1 << 0,
    TUNE_MEMORY = 1 << 1,
    TUNE_IO = 1 << 2,
    TUNE_NUMA = 1 << 3,
    TUNE_DEFAULTS = 1 << 4, /* what @def does not say becomes the kernel's default */
    TUNE_ALL = TUNE_CPU | TUNE_MEMORY | TUNE_IO | TUNE_NUMA
};
bool vm_cgroup_is_used(const Host *host); /* machines get groups of their own here */
/* ERROR_INVALID_STATE, in the reference's words: the machine has no group with @controller (CGROUP_*). */
MUST_CHECK bool vm_cgroup_require(const Vm *vm, unsigned controller, Error **err);
/* Puts the new process @pid into groups of the machine, with the limits of vm->live. */
AWAITS MUST_CHECK bool vm_cgroup_enter(Vm *vm, pid_t pid, Error **err);
/* The limits of the machine and of the groups of its threads. */
AWAITS MUST_CHECK bool vm_cgroup_apply(Vm *vm, const DomainDef *def, unsigned parts, Error **err);
/* Where an earlier daemon has put the machine. */
void vm_cgroup_find(Vm *vm);
/* No process of the machine is left. Failures are logged. */
AWAITS void vm_cgroup_remove(Host *host, const DomainDef *live, const VmRun *run);

/* ---- limits of disks (vm_iotune.c) ---- */

/* Are @params limits of a disk that can be together? */
MUST_CHECK bool vm_iotune_check(const Params *params, Error **err);
/* What @old (NULL: none) becomes with them. Owned; NULL with @err. */
DiskIotune *vm_iotune_merge(const DiskIotune *old, const Params *params, Error **err);

/* ---- where numad wants it (vm_numad.c) ---- */

/* Asks numad, if the definition of a machine that starts leaves its place to it.
 * ERROR_OPERATION_FAILED: it is not there, or says nothing of use. */
AWAITS MUST_CHECK bool vm_numad_ask(Vm *vm, Error **err);
/* The nodes of the host from which the memory of @def comes, as vm_thread_pin(). Borrowed. */
const CpuSet *vm_numa_nodes(const DomainDef *def, const VmRun *run);

/* ---- threads (vm_sched.c) ---- */

typedef enum ThreadKind { THREAD_EMULATOR, THREAD_VCPU, THREAD_IOTHREAD } ThreadKind;
/* Group, CPUs and scheduler of one thread as @def says. @id: of a vCPU or an I/O thread. */
AWAITS MUST_CHECK bool vm_thread_setup(Vm *vm, const DomainDef *def, ThreadKind kind, unsigned id, pid_t tid,
                                       Error **err);
/* Of all threads of the machine. Asks QEMU for its I/O threads. */
AWAITS MUST_CHECK bool vm_threads_setup(Vm *vm, const DomainDef *def, Error **err);
/* The thread is gone: so is its group. */
AWAITS void vm_thread_remove(Vm *vm, ThreadKind kind, unsigned id);
/* The CPUs that @def, of the machine that runs as @run (NULL: it does not), names for a thread; NULL: all.
 * Borrowed. */
const CpuSet *vm_thread_pin(const DomainDef *def, const VmRun *run, ThreadKind kind, unsigned id);
/* The thread of I/O thread @id. ERROR_INVALID_ARGUMENT: QEMU has none. */
AWAITS MUST_CHECK bool vm_iothread_tid(Vm *vm, unsigned id, pid_t *ret_tid, Error **err);
bool vm_thread_group(const Vm *vm, ThreadKind kind, unsigned id,
                     char **ret_group); /* owned; false: it has none */
/* "50000 100000" of cpu.max. Owned. */
char *vm_cpu_max(OptU64 period_us, OptS64 quota_us);

/* ---- vCPUs and I/O threads that come and go ---- */

/* Plugs in those vCPUs of a machine being started that can be taken out again (vm_vcpu.c). */
AWAITS MUST_CHECK bool vm_vcpus_start(Vm *vm, Error **err);
/* Asks QEMU which vCPUs there are. */
AWAITS MUST_CHECK bool vm_vcpus_refresh(Vm *vm, Error **err);
void vm_take_vcpu_tids(Vm *vm, const GPtrArray *cpus /* of MonitorCpu */);
/* QEMU said that device @alias is gone. false: it is no vCPU. */
bool vm_vcpu_gone(Vm *vm, const char *alias);
/* Fills iothread_list in, if it says only how many (vm_iothread.c). */
void vm_list_iothreads(DomainDef *def);

/* ---- a part of the live document that an edit exchanges ---- */

typedef struct LivePart {
    size_t offset; /* of a pointer in DomainDef */
    const XmlTable *table;
    void *next; /* owned */
} LivePart;
void live_part_clear(LivePart *part);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LivePart, live_part_clear)
void live_part_swap(DomainDef *live, void *part);
/* The table of the elements of list @name, which @table has. */
const XmlTable *vm_list_table(const XmlTable *table, const char *name);

/* ---- performance events (vm_perf.c) ---- */

typedef struct VmPerf VmPerf; /* open counters of a run */
void vm_perf_free(VmPerf *perf);
/* Opens what vm->live enables. ERROR_ARGUMENT_UNSUPPORTED, ERROR_SYSTEM: the kernel cannot count that. */
MUST_CHECK bool vm_perf_start(Vm *vm, Error **err);
/* "perf.NAME" of each that counts. */
void vm_perf_write(const VmRun *run, Params *params);
