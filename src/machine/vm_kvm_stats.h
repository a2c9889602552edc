/* What KVM counts about a machine and its vCPUs, as QEMU tells it (query-stats). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/params.h"
#include "machine/vm_private.h"

typedef struct KvmStats {
    Json *vm, *vcpus; /* lists of QAPI's StatsResult; NULL: not told */
} KvmStats;
void kvm_stats_clear(KvmStats *stats);

/* Asks for those that are wanted; what the numbers mean is asked once for each run. Failures are silent. */
AWAITS void kvm_stats_ask(Vm *vm, bool of_vm, bool of_vcpus, uint64_t timeout_ms, KvmStats *ret_stats);
/* "vcpu.N.NAME.sum" and the like. */
void kvm_stats_write_vcpu(const KvmStats *stats, const VmRun *run, unsigned vcpu, Params *params);
/* "vm.NAME.sum" and the like. */
void kvm_stats_write_vm(const KvmStats *stats, const VmRun *run, Params *params);
/* The sum over all vCPUs of counter @name. */
uint64_t kvm_stats_sum(const KvmStats *stats, const char *name);
