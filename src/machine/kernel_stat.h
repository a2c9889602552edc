/* Numbers that the kernel keeps about processes, threads and network devices.
 *
 * All from /proc and system calls that never wait: safe in the loop thread. A process that is gone reads as
 * false, never as zeros. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

typedef struct ProcStat {
    uint64_t user_ns, system_ns;
    uint64_t rss_kib;
    int cpu; /* the one it last ran on */
} ProcStat;
/* /proc/PID/stat, or that of the thread @tid (0: the whole process). */
bool proc_stat_read(pid_t pid, pid_t tid, ProcStat *ret_stat);
/* @text of such a file; the name in it may hold spaces and parentheses. */
bool proc_stat_parse(const char *text, unsigned ticks_per_s, unsigned page_bytes, ProcStat *ret_stat);

/* CPU time of all threads of @pid: total in full precision, split in the ratio of its clock ticks. */
typedef struct ProcCpuTime {
    uint64_t total_ns, user_ns, system_ns;
    uint64_t rss_kib; /* as ProcStat has it: one look at the process tells both */
} ProcCpuTime;
bool proc_cpu_time_read(pid_t pid, ProcCpuTime *ret_time);

/* How long a thread was ready to run, but did not; 0 where the kernel does not count. */
uint64_t proc_run_delay_read(pid_t pid, pid_t tid);
bool proc_schedstat_parse(const char *text, uint64_t *ret_run_ns, uint64_t *ret_delay_ns);
/* "wait_sum" of /proc/PID/task/TID/sched; 0 unless the kernel was told to count (sched_schedstats). */
uint64_t proc_wait_read(pid_t pid, pid_t tid);
bool proc_sched_parse_wait(const char *text, uint64_t *ret_wait_ns);

/* Bit i of @map: the thread may run on CPU i. */
bool proc_affinity_read(pid_t tid, uint8_t *map, size_t map_bytes);

typedef struct NetDeviceStat {
    uint64_t rx_bytes, rx_packets, rx_errs, rx_drop, tx_bytes, tx_packets, tx_errs, tx_drop;
} NetDeviceStat;
/* The text of /proc/net/dev, for several look-ups; NULL on failure. Caller owns. */
char *net_devices_read(void);
/* false: no such device. */
bool net_device_find(const char *devices, const char *name, NetDeviceStat *ret_stat);
