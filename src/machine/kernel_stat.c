/* Numbers that the kernel keeps about processes, threads and network devices.
 *
 * Interfaces are looked up in /proc/self/net/dev, not below /sys/class/net: the latter shows the name space
 * that /sys was mounted in, the former always that of this process. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/kernel_stat.h"

#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define NS_PER_S UINT64_C(1000000000)
#define CPUS_MAX 16384

static void proc_path(pid_t pid, pid_t tid, const char *name, char *path, size_t size)
{
    if (tid)
        (void)snprintf(path, size, "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    else
        (void)snprintf(path, size, "/proc/%d/%s", (int)pid, name);
}

/* A file of a line that the kernel makes in one go: many are read for the statistics of many machines. */
static bool proc_read_line(pid_t pid, pid_t tid, const char *name, char *line, size_t size)
{
    char path[80];

    proc_path(pid, tid, name, path, sizeof(path));
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, line, size - 1);
    if (n <= 0)
        return false;
    line[n] = '\0';
    return true;
}

bool proc_stat_parse(const char *text, unsigned ticks_per_s, unsigned page_bytes, ProcStat *ret_stat)
{
    /* Fields as proc(5) counts them: 2 is the name, the last ')' ends it; 14 and 15 are times, 24 the
     * resident pages, 39 the CPU. */
    const char *p = strrchr(text, ')');
    uint64_t value[40] = { 0 };

    if (!p || p[1] != ' ' || !p[2] || p[3] != ' ')
        return false;
    p += 3;
    for (unsigned field = 4; field < G_N_ELEMENTS(value); field++) {
        char *end = NULL;
        value[field] = g_ascii_strtoull(p, &end, 10); /* negative ones wrap around: none of those we use */
        if (end == p)
            return false;
        p = end;
    }
    *ret_stat = (ProcStat){ .user_ns = value[14] * (NS_PER_S / ticks_per_s),
                            .system_ns = value[15] * (NS_PER_S / ticks_per_s),
                            .rss_kib = value[24] * page_bytes / 1024,
                            .cpu = (int)value[39] };
    return true;
}

bool proc_stat_read(pid_t pid, pid_t tid, ProcStat *ret_stat)
{
    char line[1024];

    return proc_read_line(pid, tid, "stat", line, sizeof(line)) &&
           proc_stat_parse(line, (unsigned)sysconf(_SC_CLK_TCK), (unsigned)sysconf(_SC_PAGESIZE), ret_stat);
}

bool proc_cpu_time_read(pid_t pid, ProcCpuTime *ret_time)
{
    ProcStat stat;
    clockid_t clock;
    struct timespec now;

    if (!proc_stat_read(pid, 0, &stat))
        return false;
    const uint64_t ticks_ns = stat.user_ns + stat.system_ns;
    ProcCpuTime time = {
        .total_ns = ticks_ns, .user_ns = stat.user_ns, .system_ns = stat.system_ns, .rss_kib = stat.rss_kib
    };
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &now) == 0) {
        time.total_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
        time.user_ns =
            ticks_ns ? (uint64_t)((__uint128_t)time.total_ns * stat.user_ns / ticks_ns) : time.total_ns;
        time.system_ns = time.total_ns - time.user_ns;
    }
    *ret_time = time;
    return true;
}

bool proc_schedstat_parse(const char *text, uint64_t *ret_run_ns, uint64_t *ret_delay_ns)
{
    char *end = NULL;
    const uint64_t run_ns = g_ascii_strtoull(text, &end, 10);

    if (end == text || *end != ' ')
        return false;
    const char *second = end + 1;
    const uint64_t delay_ns = g_ascii_strtoull(second, &end, 10);
    if (end == second)
        return false;
    *ret_run_ns = run_ns;
    *ret_delay_ns = delay_ns;
    return true;
}

uint64_t proc_run_delay_read(pid_t pid, pid_t tid)
{
    char line[128];
    uint64_t run_ns = 0;
    uint64_t delay_ns = 0;

    return proc_read_line(pid, tid, "schedstat", line, sizeof(line)) &&
                   proc_schedstat_parse(line, &run_ns, &delay_ns)
               ? delay_ns
               : 0;
}

bool proc_sched_parse_wait(const char *text, uint64_t *ret_wait_ns)
{
    /* "se.statistics.wait_sum   :   12.345678" in older kernels, "wait_sum" in newer ones; milliseconds. */
    const char *line = strstr(text, "wait_sum ");
    const char *colon = line ? strchr(line, ':') : NULL;
    const char *newline = line ? strchr(line, '\n') : NULL;
    char *end = NULL;

    if (!colon || (newline && newline < colon))
        return false;
    const uint64_t ms = g_ascii_strtoull(colon + 1, &end, 10);
    if (end == colon + 1)
        return false;
    uint64_t fraction_ns = 0;
    if (*end == '.') {
        unsigned digits = 0;
        for (const char *p = end + 1; digits < 6; digits++) {
            fraction_ns = fraction_ns * 10 + (g_ascii_isdigit(*p) ? (uint64_t)(*p - '0') : 0);
            if (g_ascii_isdigit(*p))
                p++;
        }
    }
    *ret_wait_ns = ms * 1000000 + fraction_ns;
    return true;
}

uint64_t proc_wait_read(pid_t pid, pid_t tid)
{
    static const char setting[] = "/proc/sys/kernel/sched_schedstats";
    static bool is_unknown; /* a kernel that does not have it never will */
    uint64_t counted = 0;
    uint64_t wait_ns = 0;
    char path[80];

    /* The file is long and mostly about other things: not read when the kernel keeps no such numbers. */
    is_unknown = is_unknown || access(setting, F_OK) < 0;
    if (is_unknown || !file_read_kernel_uint(setting, &counted) || counted == 0)
        return 0;
    proc_path(pid, tid, "sched", path, sizeof(path));
    g_autofree char *text = file_read_kernel(path);
    return text && proc_sched_parse_wait(text, &wait_ns) ? wait_ns : 0;
}

bool proc_affinity_read(pid_t tid, uint8_t *map, size_t map_bytes)
{
    cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
    const size_t set_bytes = CPU_ALLOC_SIZE(CPUS_MAX);

    CPU_ZERO_S(set_bytes, set);
    const bool ok = sched_getaffinity(tid, set_bytes, set) == 0;
    memset(map, 0, map_bytes);
    for (size_t cpu = 0; ok && cpu < map_bytes * 8 && cpu < CPUS_MAX; cpu++) {
        if (CPU_ISSET_S(cpu, set_bytes, set))
            map[cpu / 8] |= (uint8_t)(1U << (cpu % 8));
    }
    CPU_FREE(set);
    return ok;
}

char *net_devices_read(void)
{
    return file_read_kernel("/proc/self/net/dev");
}

/* "  eth0: 1 2 3 ...": the start of the numbers, NULL if the device is not there. */
static const char *net_device_line(const char *devices, const char *name)
{
    const size_t len = strlen(name);

    if (len == 0)
        return NULL;
    for (const char *line = devices; line; line = strchr(line, '\n')) {
        line += strspn(line, " \n");
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1;
    }
    return NULL;
}

bool net_device_find(const char *devices, const char *name, NetDeviceStat *ret_stat)
{
    /* bytes packets errs drop fifo frame compressed multicast, then the same eight for sending */
    const char *p = net_device_line(devices, name);
    uint64_t value[16];

    if (!p)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(value); i++) {
        char *end = NULL;
        value[i] = g_ascii_strtoull(p, &end, 10);
        if (end == p)
            return false;
        p = end;
    }
    *ret_stat = (NetDeviceStat){ .rx_bytes = value[0],
                                 .rx_packets = value[1],
                                 .rx_errs = value[2],
                                 .rx_drop = value[3],
                                 .tx_bytes = value[8],
                                 .tx_packets = value[9],
                                 .tx_errs = value[10],
                                 .tx_drop = value[11] };
    return true;
}
