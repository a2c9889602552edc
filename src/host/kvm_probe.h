/* Can KVM really run a guest here? /dev/kvm may open and yet run nothing but firmware (some nested hosts). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

typedef enum KvmStage {
    KVM_STAGE_OPEN,      /* /dev/kvm opens and speaks the known API */
    KVM_STAGE_VCPU,      /* a machine with memory and a CPU can be made */
    KVM_STAGE_REAL,      /* 16-bit code runs: what firmware starts with */
    KVM_STAGE_PROTECTED, /* 32-bit code with paging runs */
    KVM_STAGE_LONG,      /* 64-bit code with paging and SSE runs: what operating systems need */
    KVM_STAGE_FAULT,     /* a page fault reaches the guest's handler */
    KVM_STAGE_COUNT
} KvmStage;

typedef struct KvmProbe {
    KvmStage passed;   /* stages below this one work */
    char problem[200]; /* why stage @passed failed; "" when all passed */
    bool lacks_sse3;   /* the CPU offered to guests has no SSE3 although the host has it */
    int open_errno;    /* when KVM_STAGE_OPEN failed */
} KvmProbe;

/* Runs a few bytes of code of each kind in a throw-away machine, in a child process that is killed after two
 * seconds. Blocks that long at most: for the command line, not for the daemon. */
void kvm_probe(KvmProbe *ret_probe);
const char *kvm_stage_name(KvmStage stage);
/* CPUs that a machine can have with this kernel's KVM; 0 where it cannot be opened. Does not block. */
int kvm_get_max_vcpus(void);
