/* Facts of this machine: CPUs, memory, NUMA cells, pages. Read from /proc and /sys (which never block);
 * nothing is kept but the topology, read once. @root lets tests point at a copy of /sys and /proc ("" is the
 * real one).
 *
 * Five files implement it: node.c (CPUs and their topology), node_memory.c (memory, pages, KSM),
 * node_sysinfo.c (SMBIOS), node_caps.c (the <host> element), node_tune.c (changes). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

/* For tests: reads ROOT/sys and ROOT/proc from now on and forgets what was read. NULL or "": the real ones.
 */
void node_set_root(const char *root);
void node_reset(void); /* frees the cached topology; at exit */

typedef struct NodeInfo {
    char model[32]; /* "x86_64" */
    uint64_t memory_bytes;
    unsigned cpus; /* online */
    unsigned mhz;  /* 0 unknown */
    /* Their product is the number of CPUs (present ones, also if offline). A machine that is not that regular
     * is told as 1 node, 1 socket, CPUS cores, 1 thread. */
    unsigned nodes, sockets, cores, threads; /* sockets per node, cores per socket, threads per core */
} NodeInfo;
MUST_CHECK bool node_get_info(NodeInfo *ret_info, Error **err);

typedef struct NodeCpu {
    unsigned id;
    bool online;                /* what follows is known for online CPUs only */
    unsigned socket, die, core; /* as the firmware numbers them */
    unsigned node;
    char *siblings; /* threads of the same core: "0-1" */
} NodeCpu;
typedef struct NodeCell {
    unsigned id;
    uint64_t memory_bytes;
    GArray *cpus;      /* of unsigned: ids, ascending; offline CPUs included while the kernel lists them */
    GArray *distances; /* of unsigned: id, value, id, value ... */
} NodeCell;
const GPtrArray *node_cpus(void);  /* of NodeCpu, borrowed; re-read when CPUs come and go */
const GPtrArray *node_cells(void); /* of NodeCell; one cell 0 when the kernel has no NUMA */

/* Bitmap of present/online CPUs; *ret_map owned, *ret_len bytes. Returns number of CPUs present.
 * @ret_online may be NULL. */
unsigned node_get_cpu_map(uint8_t **ret_map, size_t *ret_len, unsigned *ret_online);

typedef struct NodeCpuStats {
    uint64_t kernel_ns, user_ns, idle_ns, iowait_ns; /* kernel includes interrupts, user includes nice */
} NodeCpuStats;
/* ERROR_INVALID_ARGUMENT: no such CPU, or it is offline. */
MUST_CHECK bool node_get_cpu_stats(int cpu /* -1: all */, NodeCpuStats *ret_stats, Error **err);
typedef struct NodeMemoryStats {
    uint64_t total_kib, free_kib, buffers_kib, cached_kib;
} NodeMemoryStats;
/* cell -1: all; for a cell only total and free are known (buffers = cached = UINT64_MAX).
 * ERROR_INVALID_ARGUMENT: no such cell. */
MUST_CHECK bool node_get_memory_stats(int cell, NodeMemoryStats *ret_stats, Error **err);
MUST_CHECK bool node_get_free_memory(uint64_t *ret_bytes, Error **err); /* the sum over the cells */
/* ERROR_INTERNAL (the code clients know here) if @start_cell is out of range; fewer cells than asked for are
 * no error. */
MUST_CHECK bool node_get_cells_free_memory(int start_cell, int max_cells, GArray **ret_bytes /* uint64_t */,
                                           Error **err);
/* Free pages of each @page_kib size in each cell, cell by cell; @start_cell -1 stands for the whole machine.
 * ERROR_OPERATION_FAILED: no such page size. ERROR_INTERNAL: @start_cell out of range. */
MUST_CHECK bool node_get_free_pages(const unsigned *page_kib, size_t n_pages, int start_cell,
                                    unsigned n_cells, GArray **ret_counts /* uint64_t */, Error **err);
typedef struct NodePages {
    unsigned size_kib;
    uint64_t count;
} NodePages;
GArray *node_list_pages(int cell); /* of NodePages, smallest first; -1: sizes and counts of the machine */

char *node_get_hostname(void); /* with the domain where the resolver files know it; never NULL */

/* @configured (the host_uuid key; NULL: none), else the firmware's (DMI product_uuid), else derived from the
 * machine id, else random: stable over restarts of the daemon wherever the host offers anything stable. */
void node_get_uuid(const char *configured, Uuid *ret_uuid);
char *node_get_boot_id(void); /* /proc/sys/kernel/random/boot_id */

/* KSM. ERROR_OPERATION_UNSUPPORTED without /sys/kernel/mm/ksm. */
typedef struct NodeKsm {
    uint64_t run; /* 0 off, 1 on, 2 off and unmerged */
    uint64_t pages_to_scan, sleep_ms, pages_shared, pages_sharing, pages_unshared, pages_volatile, full_scans;
    unsigned merge_across_nodes;
    bool has_merge_across_nodes;
} NodeKsm;
MUST_CHECK bool node_get_ksm(NodeKsm *ret_ksm, Error **err);

/* Changes of this machine (node_tune.c). They block: for workers. Each is a copy of /sys when tests say so.
 *
 * @name: a file below /sys/kernel/mm/ksm. ERROR_SYSTEM */
MUST_CHECK bool node_set_ksm(const char *name, uint64_t value, Error **err);
/* Pools of huge pages in each cell become @counts, or grow by it. *ret_done: pools that were changed.
 * ERROR_OPERATION_UNSUPPORTED: small pages; ERROR_OPERATION_FAILED: no such size, or too little free memory;
 * ERROR_INTERNAL: @start_cell out of range, as node_get_free_pages(). */
MUST_CHECK bool node_alloc_pages(const unsigned *page_kib, const uint64_t *counts, size_t n_pages,
                                 int start_cell, unsigned n_cells, bool add, unsigned *ret_done, Error **err);
/* @target: virNodeSuspendTarget. ERROR_ARGUMENT_UNSUPPORTED: this machine cannot sleep that way. */
MUST_CHECK bool node_check_suspend(unsigned target, Error **err);
/* Sleeps now, and wakes up after @seconds. */
MUST_CHECK bool node_suspend(unsigned target, uint64_t seconds, Error **err);

/* The sysinfo document from the SMBIOS tables of the firmware. ERROR_CONFIG_UNSUPPORTED: the host has none.
 */
MUST_CHECK bool node_get_sysinfo_xml(char **ret_xml, Error **err);

/* The <host> element of the capabilities document, appended to @out. @model: the security model besides the
 * owners of files. @dac_label: "+64055:+64055", the user and group machines run as; NULL where the daemon
 * cannot change users (session mode). */
MUST_CHECK bool node_format_capabilities(const Uuid *host_uuid, const char *model, const char *dac_label,
                                         GString *out, Error **err);
