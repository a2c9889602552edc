/* Questions about one machine. None takes a job; those that ask QEMU say AWAITS and have short deadlines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/params.h"
#include "machine/vm.h"

typedef struct VmInfo {
    VmState state;
    uint64_t max_memory_bytes, memory_bytes;
    unsigned n_vcpus;
    uint64_t cpu_time_ns;
} VmInfo;
/* From memory and /proc only: never waits. The balloon's value is the last one QEMU told. */
MUST_CHECK bool vm_get_info(Vm *vm, VmInfo *ret_info, Error **err);

/* virDomainControlInfo: what holds the monitor, for how long. */
typedef struct VmControl {
    unsigned state, details;
    uint64_t state_ms;
} VmControl;
void vm_get_control(Vm *vm, VmControl *ret_control);

typedef struct VcpuInfo {
    unsigned number;
    int state; /* virVcpuState: 0 offline, 1 running, 2 blocked */
    uint64_t cpu_time_ns;
    int cpu;           /* host CPU it last ran on */
    uint8_t *affinity; /* @maplen bytes, bit 0 = CPU 0 */
} VcpuInfo;
MUST_CHECK bool vm_get_vcpus(Vm *vm, unsigned maxinfo, unsigned maplen, GArray **ret_vcpus, Error **err);
/* Effective pinning of the emulator (@vcpu -1) or a vCPU; from the definition if it does not run. Owned. */
MUST_CHECK bool vm_get_pin(Vm *vm, int vcpu, unsigned maplen, unsigned flags, uint8_t **ret_map, Error **err);

typedef struct IothreadInfo {
    uint32_t id;
    uint8_t *affinity; /* @maplen bytes, bit 0 = CPU 0 */
} IothreadInfo;
/* I/O threads and their effective pinning. GArray of IothreadInfo with a clear function, perhaps empty. */
MUST_CHECK bool vm_get_iothreads(Vm *vm, unsigned maplen, unsigned flags, GArray **ret_threads, Error **err);

typedef struct BlockInfo {
    uint64_t capacity, allocation, physical;
} BlockInfo; /* bytes */
AWAITS MUST_CHECK bool vm_get_block_info(Vm *vm, const char *disk, BlockInfo *ret_info, Error **err);
/* The disk @disk (its target, or its source) of the running machine gets @size: KiB, or with
 * VIR_DOMAIN_BLOCK_RESIZE_BYTES bytes; rounded up to sectors unless the image is raw. _CAPACITY:
 * all of its block device; _EXTEND: not less than it has. ERROR_INVALID_ARGUMENT: there is no such disk */
AWAITS MUST_CHECK bool vm_block_resize(Vm *vm, const char *disk, uint64_t size, unsigned flags,
                                       const Caller *caller, Error **err);
/* An event comes once when a write reaches beyond @bytes of the image @device: "vda", or "vda[3]" for another
 * one of its chain. 0: none. ERROR_INVALID_ARGUMENT */
AWAITS MUST_CHECK bool vm_set_block_threshold(Vm *vm, const char *device, uint64_t bytes, unsigned flags,
                                              const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_get_block_stats(Vm *vm, const char *disk, Params **ret_params, Error **err);
AWAITS MUST_CHECK bool vm_get_disk_errors(Vm *vm, GPtrArray **ret_disks /* of char*, name */,
                                          GArray **ret_codes /* int */, Error **err);
typedef struct InterfaceStats {
    int64_t rx_bytes, rx_packets, rx_errs, rx_drop, tx_bytes, tx_packets, tx_errs, tx_drop; /* -1 unknown */
} InterfaceStats;
MUST_CHECK bool vm_get_interface_stats(Vm *vm, const char *device, InterfaceStats *ret_stats, Error **err);
typedef struct MemoryStat {
    int tag;
    uint64_t value;
} MemoryStat; /* virDomainMemoryStatTags; KiB or counts */
AWAITS MUST_CHECK bool vm_get_memory_stats(Vm *vm, unsigned max, GArray **ret_stats, Error **err);
AWAITS MUST_CHECK bool vm_get_cpu_stats(Vm *vm, int start_cpu, unsigned n_cpus, GPtrArray **ret_params,
                                        Error **err);

/* Tunables (vm_limits.h changes them); flags: affect. */
MUST_CHECK bool vm_get_scheduler(Vm *vm, unsigned flags, char **ret_type, Params **ret_params, Error **err);
MUST_CHECK bool vm_get_numa(Vm *vm, unsigned flags, Params **ret_params, Error **err);
MUST_CHECK bool vm_get_memory_tunables(Vm *vm, unsigned flags, Params **ret_params, Error **err);
MUST_CHECK bool vm_get_blkio_tunables(Vm *vm, unsigned flags, Params **ret_params, Error **err);
/* @disk NULL: the names alone, all values zero. */
MUST_CHECK bool vm_get_block_iotune(Vm *vm, const char *disk, unsigned flags, Params **ret_params,
                                    Error **err);

/* DAC label "+64055:+107" and whether it is enforced. */
void vm_get_security_label(Vm *vm, char **ret_label, bool *ret_enforcing);
/* One label per security model, in the order of the host's models; none if it does not run. Of char *. */
GPtrArray *vm_list_security_labels(Vm *vm);
void host_get_security_model(Host *host, char **ret_model, char **ret_doi);
/* Warnings kept about the machine (tainted ...): array of char*. flags: DEPRECATION 1, TAINTING 2. */
MUST_CHECK bool vm_get_messages(Vm *vm, unsigned flags, GPtrArray **ret_messages, Error **err);

typedef struct VmAddress {
    bool is_v6;
    char *ip;
    unsigned prefix; /* 0: not known */
} VmAddress;
typedef struct VmInterfaceAddresses {
    char *name;           /* on the host; as the guest has it, if it was asked */
    char *mac;            /* NULL: not known */
    GPtrArray *addresses; /* VmAddress */
} VmInterfaceAddresses;
/* @source: virDomainInterfaceAddressesSource: leases, the guest's agent, neighbours. *ret_interfaces owned:
 * VmInterfaceAddresses */
AWAITS MUST_CHECK bool vm_get_addresses(Vm *vm, unsigned source, unsigned flags, const char *function,
                                        GPtrArray **ret_interfaces, Error **err);
/* The way of its packets through this host. *ret_steps owned: TraceStep (network/trace.h) */
AWAITS MUST_CHECK bool vm_trace_network(Vm *vm, GPtrArray **ret_steps, Error **err);

/* Statistics of many machines at once (virConnectGetAllDomainStats), asked of all QEMUs in parallel. A
 * machine whose QEMU does not answer within the deadline, or that has a job, is reported with what is known
 * without it.
 * @vms: array of Vm; NULL: all that match @flags. @groups: virDomainStatsTypes, 0: all; with
 * VM_STATS_NO_SIZES nobody looks at the storage of disks. @caller: NULL: us.
 * Many may ask at the same time: a machine is asked once for all of them, and more calls than a few wait. */
#define VM_STATS_NO_SIZES (1u << 30)
/* Called for each machine, in order. @params is borrowed. */
typedef void (*VmStatsFunc)(const Vm *vm, const Params *params, void *arg);
AWAITS MUST_CHECK bool vm_get_all_stats(Host *host, const GPtrArray *vms, unsigned groups, unsigned flags,
                                        const Caller *caller, VmStatsFunc func, void *arg, Error **err);

/* QMP or HMP pass-through; taints the machine. flags: HMP 1. @fd: goes along; borrowed, -1: none. */
AWAITS MUST_CHECK bool vm_monitor_command(Vm *vm, const char *command, int fd, unsigned flags,
                                          const Caller *caller, char **ret_reply, Error **err);
