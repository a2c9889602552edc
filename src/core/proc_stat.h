/* What the kernel tells about processes and threads: CPU time, where they run, resident memory. Read from
 * /proc, which never blocks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ProcStat {
    char state; /* 'R', 'S', ... */
    uint64_t user_ns, system_ns;
    int cpu; /* it last ran on */
    uint64_t rss_bytes;
} ProcStat;
/* @tid 0: the whole process. false if there is none. */
bool proc_stat_read(pid_t pid, pid_t tid, ProcStat *ret_stat);
/* Time a thread waited for a CPU, from schedstat; 0 if unknown. */
uint64_t proc_run_delay_ns(pid_t pid, pid_t tid);
