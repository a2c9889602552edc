/* Facts of this machine: CPUs, memory, NUMA cells, pages. Read from /proc and /sys (which never block);
 * nothing is kept but the topology, read once. @root lets tests point at a copy of /sys and /proc ("" is the
 * real one). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

typedef struct NodeInfo {
    char model[32]; /* "x86_64" */
    uint64_t memory_bytes;
    unsigned cpus; /* online */
    unsigned mhz;
    unsigned nodes, sockets, cores, threads;
} NodeInfo;
MUST_CHECK bool node_get_info(NodeInfo *ret_info, Error **err);

typedef struct NodeCpu {
    unsigned id, socket, die, core;
    unsigned node;
    bool online;
    char *siblings;
} NodeCpu;
typedef struct NodeCell {
    unsigned id;
    uint64_t memory_bytes;
    GArray *cpus;      /* of unsigned */
    GArray *distances; /* of {unsigned id, value} pairs flattened */
} NodeCell;
const GPtrArray *node_cpus(void);  /* of NodeCpu, borrowed; re-read when CPUs come and go */
const GPtrArray *node_cells(void); /* of NodeCell; one cell 0 when the kernel has no NUMA */

/* Bitmap of present/online CPUs; *ret_map owned, *ret_len bytes. Returns number of CPUs present. */
unsigned node_get_cpu_map(uint8_t **ret_map, size_t *ret_len, unsigned *ret_online);

typedef struct NodeCpuStats {
    uint64_t kernel_ns, user_ns, idle_ns, iowait_ns;
} NodeCpuStats; /* intr in kernel */
MUST_CHECK bool node_get_cpu_stats(int cpu /* -1: all */, NodeCpuStats *ret_stats, Error **err);
typedef struct NodeMemoryStats {
    uint64_t total_kib, free_kib, buffers_kib, cached_kib;
} NodeMemoryStats;
/* cell -1: all; for a cell only total and free are known (buffers = cached = UINT64_MAX). */
MUST_CHECK bool node_get_memory_stats(int cell, NodeMemoryStats *ret_stats, Error **err);
MUST_CHECK bool node_get_free_memory(uint64_t *ret_bytes, Error **err);
MUST_CHECK bool node_get_cells_free_memory(int start_cell, int max_cells, GArray **ret_bytes /* uint64_t */,
                                           Error **err);
/* Free pages of each @page_kib size in each cell. */
MUST_CHECK bool node_get_free_pages(const unsigned *page_kib, size_t n_pages, int start_cell,
                                    unsigned n_cells, GArray **ret_counts /* uint64_t */, Error **err);
typedef struct NodePages {
    unsigned size_kib;
    uint64_t count;
} NodePages;
GArray *node_list_pages(unsigned cell); /* of NodePages, smallest first */

char *node_get_hostname(void);
void node_get_uuid(const char *configured, Uuid *ret_uuid); /* DMI product_uuid, else machine-id derived */
char *node_get_boot_id(void);                               /* /proc/sys/kernel/random/boot_id */

/* KSM: node-memory-tune as read-only for now. ERROR_OPERATION_UNSUPPORTED without /sys/kernel/mm/ksm. */
typedef struct NodeKsm {
    uint64_t pages_to_scan, sleep_ms, pages_shared, pages_sharing, pages_unshared, pages_volatile, full_scans;
    unsigned merge_across_nodes;
    bool has_merge_across_nodes;
} NodeKsm;
MUST_CHECK bool node_get_ksm(NodeKsm *ret_ksm, Error **err);

/* The sysinfo document (SMBIOS from /sys/class/dmi/id and /proc/cpuinfo). */
MUST_CHECK bool node_get_sysinfo_xml(char **ret_xml, Error **err);

/* The <host> element of the capabilities document, appended to @out. */
MUST_CHECK bool node_format_capabilities(const Uuid *host_uuid, const char *secmodel_doi_label, GString *out,
                                         Error **err);
