/* Reading /proc/PID/stat and its kin. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/proc_stat.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

/* Without allocation: statistics read hundreds of these. */
static bool read_small(const char *path, char *buffer, size_t size)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    const ssize_t got = read(fd, buffer, size - 1);
    if (got <= 0)
        return false;
    buffer[got] = '\0';
    return true;
}

static void proc_path(char *buffer, size_t size, pid_t pid, pid_t tid, const char *file)
{
    if (tid > 0)
        g_snprintf(buffer, size, "/proc/%d/task/%d/%s", (int) pid, (int) tid, file);
    else
        g_snprintf(buffer, size, "/proc/%d/%s", (int) pid, file);
}

static uint64_t ticks_to_ns(unsigned long long ticks)
{
    static long per_second;

    if (per_second <= 0)
        per_second = sysconf(_SC_CLK_TCK);
    return (uint64_t) ticks * (UINT64_C(1000000000) / (uint64_t) (per_second > 0 ? per_second : 100));
}

bool proc_stat_read(pid_t pid, pid_t tid, ProcStat *ret_stat)
{
    char path[64];
    char text[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    long long rss = 0;
    int cpu = 0;
    char state = '?';

    proc_path(path, sizeof(path), pid, tid, "stat");
    if (!read_small(path, text, sizeof(text)))
        return false;
    /* The name, field 2, may hold anything, ')' included: count from the last one. */
    const char *after = strrchr(text, ')');
    if (!after || sscanf(after + 1,
                         " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u "
                         "%*u %lld %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d",
                         &state, &user, &system, &rss, &cpu) < 5)
        return false;
    *ret_stat = (ProcStat){ .state = state,
                            .user_ns = ticks_to_ns(user),
                            .system_ns = ticks_to_ns(system),
                            .cpu = cpu,
                            .rss_bytes = (uint64_t) (rss > 0 ? rss : 0) * (uint64_t) sysconf(_SC_PAGESIZE) };
    return true;
}

uint64_t proc_run_delay_ns(pid_t pid, pid_t tid)
{
    char path[64];
    char text[128];
    unsigned long long ran = 0;
    unsigned long long delay = 0;

    proc_path(path, sizeof(path), pid, tid, "schedstat");
    if (!read_small(path, text, sizeof(text)) || sscanf(text, "%llu %llu", &ran, &delay) != 2)
        return 0;
    return delay;
}
