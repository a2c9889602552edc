/* Unit tests of core/kernel_stat: what /proc says, also when a process has a name made to confuse. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "machine/kernel_stat.h"

/* Fields 4 to 39 of /proc/PID/stat; 14 and 15 are times, 24 the pages, 39 the CPU. */
#define STAT_FIELDS                                                                                          \
    " S 1 2 3 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1000 1048576 12800 18446744073709551615 1 1 0 0 0 " \
    "0 0 4096 0 0 0 0 17 3 0 0 0 0 0"

TEST(proc_stat_reads_times_memory_and_cpu_whatever_the_name)
{
    static const char *const names[] = { "42 (qemu)" STAT_FIELDS, "42 (a) S 9 (b)" STAT_FIELDS,
                                         "42 ()) ()" STAT_FIELDS };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        ProcStat stat = { 0 };
        check_case(names[i]);
        check(proc_stat_parse(names[i], 100, 4096, &stat));
        check_eq(stat.user_ns, UINT64_C(2500000000));
        check_eq(stat.system_ns, UINT64_C(500000000));
        check_eq(stat.rss_kib, 51200);
        check_eq(stat.cpu, 3);
    }
}

TEST(proc_stat_refuses_what_is_cut_off)
{
    static const char *const texts[] = {
        "", "42", "42 (qemu)", "42 (qemu) S", "42 (qemu) S 1 2 3", "42 (qemu) S x"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        ProcStat stat = { .cpu = 77 };
        check_case(texts[i]);
        check(!proc_stat_parse(texts[i], 100, 4096, &stat));
        check_eq(stat.cpu, 77);
    }
}

TEST(schedstat_gives_run_time_and_delay)
{
    uint64_t run_ns = 0;
    uint64_t delay_ns = 0;

    check(proc_schedstat_parse("123 456 7", &run_ns, &delay_ns));
    check_eq(run_ns, 123);
    check_eq(delay_ns, 456);
    check(!proc_schedstat_parse("", &run_ns, &delay_ns));
    check(!proc_schedstat_parse("123", &run_ns, &delay_ns));
    check(!proc_schedstat_parse("x y z", &run_ns, &delay_ns));
}

TEST(wait_sum_is_found_in_old_and_new_kernels)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t ns;
    } cases[] = {
        { "se.statistics.wait_max : 9.9\nse.statistics.wait_sum                       :            "
          "12.345678\n",
          true, 12345678 },
        { "wait_sum                                     :             0.000001\nwait_count : 3\n", true, 1 },
        { "wait_sum : 7", true, 7000000 },
        { "wait_sum : 7.5", true, 7500000 },
        { "nothing of that kind : 1\n", false, 0 },
        { "wait_sum \nother : 5\n", false, 0 },
        { "wait_sum :", false, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t ns = 0;
        check_case(cases[i].text);
        check_eq(proc_sched_parse_wait(cases[i].text, &ns), cases[i].ok);
        check_eq(ns, cases[i].ns);
    }
}

TEST(own_process_has_time_and_affinity)
{
    ProcCpuTime time = { 0 };
    ProcStat stat = { 0 };
    uint8_t map[128];
    unsigned bits = 0;

    check(proc_cpu_time_read(getpid(), &time));
    check(time.total_ns > 0);
    check_eq(time.user_ns + time.system_ns, time.total_ns);
    check(proc_stat_read(getpid(), getpid(), &stat));
    check(stat.rss_kib > 0);
    check(proc_affinity_read(getpid(), map, sizeof(map)));
    for (size_t i = 0; i < sizeof(map); i++)
        bits += (unsigned)__builtin_popcount(map[i]);
    check(bits > 0);
}

TEST(a_process_that_is_gone_reads_as_nothing)
{
    ProcCpuTime time = { 0 };
    uint8_t map[4] = { 0xff, 0xff, 0xff, 0xff };
    const pid_t nobody = 0x3ffffff; /* above every pid_max */

    check(!proc_cpu_time_read(nobody, &time));
    check_eq(proc_run_delay_read(nobody, nobody), 0);
    check_eq(proc_wait_read(nobody, nobody), 0);
    check(!proc_affinity_read(nobody, map, sizeof(map)));
    check_eq(map[0] | map[3], 0);
}

static const char net_devices[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
    "carrier compressed\n"
    "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0 "
    " "
    "     0          0\n"
    " vnet1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    "vnet10:21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36\n"
    "  cut: 1 2 3";

TEST(network_devices_are_told_apart_by_their_whole_name)
{
    NetDeviceStat stat = { 0 };

    check(net_device_find(net_devices, "vnet1", &stat));
    check_eq(stat.rx_bytes, 1);
    check_eq(stat.rx_drop, 4);
    check_eq(stat.tx_bytes, 9);
    check_eq(stat.tx_packets, 10);
    check_eq(stat.tx_errs, 11);
    check_eq(stat.tx_drop, 12);
    check(net_device_find(net_devices, "vnet10", &stat));
    check_eq(stat.rx_packets, 22);
    check(!net_device_find(net_devices, "vnet", &stat));
    check(!net_device_find(net_devices, "", &stat));
    check(!net_device_find(net_devices, "face |bytes", &stat));
    check(!net_device_find(net_devices, "cut", &stat));
    check(!net_device_find("", "lo", &stat));
}
