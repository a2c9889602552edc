/* Facts of the machine, read from copies of /sys and /proc that the tests write. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "host/node.h"
#include "host/node_private.h"

static char *fake_root;

static void fake(const char *path, const char *text)
{
    g_autofree char *full = g_strconcat(fake_root, path, NULL);
    g_autofree char *dir = g_path_get_dirname(full);
    g_assert(g_mkdir_with_parents(dir, 0755) == 0);
    g_assert(g_file_set_contents(full, text, -1, NULL));
}

static void fake_cpu(unsigned id, const char *socket, const char *die, const char *core, const char *siblings)
{
    const struct {
        const char *name, *text;
    } files[] = { { "physical_package_id", socket },
                  { "die_id", die },
                  { "core_id", core },
                  { "thread_siblings_list", siblings } };
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path =
            g_strdup_printf("/sys/devices/system/cpu/cpu%u/topology/%s", id, files[i].name);
        fake(path, files[i].text);
    }
}

static void fake_cell(unsigned id, const char *cpus, const char *distance, unsigned total_kib,
                      unsigned free_kib)
{
    g_autofree char *list = g_strdup_printf("/sys/devices/system/node/node%u/cpulist", id);
    g_autofree char *far = g_strdup_printf("/sys/devices/system/node/node%u/distance", id);
    g_autofree char *info = g_strdup_printf("/sys/devices/system/node/node%u/meminfo", id);
    g_autofree char *text =
        g_strdup_printf("Node %u MemTotal:  %u kB\nNode %u MemFree:   %u kB\n", id, total_kib, id, free_kib);
    fake(list, cpus);
    fake(far, distance);
    fake(info, text);
}

static void begin(void)
{
    fake_root = check_make_dir();
    node_set_root(fake_root);
}

static void end(void)
{
    node_set_root(NULL);
    check_remove_dir(fake_root);
}

/* Two sockets, each a cell, with two cores of two threads; one thread is offline where asked. */
static void fake_server(bool all_online)
{
    fake("/sys/devices/system/cpu/present", "0-7\n");
    fake("/sys/devices/system/cpu/online", all_online ? "0-7\n" : "0-6\n");
    fake("/sys/devices/system/node/online", "0-1\n");
    for (unsigned i = 0; i < 8; i++) {
        char socket[8], core[8], siblings[16];
        g_snprintf(socket, sizeof(socket), "%u\n", i / 4);
        g_snprintf(core, sizeof(core), "%u\n", i % 4 / 2);
        g_snprintf(siblings, sizeof(siblings), "%u-%u\n", i / 2 * 2, i / 2 * 2 + 1);
        fake_cpu(i, socket, "0\n", core, siblings);
    }
    fake_cell(0, "0-3\n", "10 21\n", 4194304, 1048576);
    fake_cell(1, "4-7\n", "21 10\n", 8388608, 2097152);
    fake("/proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2596.098\n");
    fake("/proc/meminfo", "MemTotal: 12582912 kB\nMemFree: 3145728 kB\nMemAvailable: 1 kB\nBuffers: 11 kB\n"
                          "Cached: 22 kB\nSwapCached: 0 kB\n");
}

TEST(lists_are_parsed_and_bounded)
{
    static const struct {
        const char *text;
        unsigned count, last;
    } cases[] = {
        { "0-3", 4, 3 }, { "0,2,4-5", 4, 5 },         { "", 0, 0 },    { "junk", 0, 0 }, { "0-", 1, 0 },
        { "7", 1, 7 },   { "0-99999999999", 64, 63 }, { "5-2", 0, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].text);
        g_autoptr(GArray) list = node_parse_list(cases[i].text, 64);
        check_eq(list->len, cases[i].count);
        if (list->len)
            check_eq(g_array_index(list, unsigned, list->len - 1), cases[i].last);
    }
}

TEST(info_counts_a_regular_server)
{
    NodeInfo info;
    g_autoptr(Error) err = NULL;
    begin();
    fake_server(true);
    check_ok(node_get_info(&info, &err), err);
    check_eq(info.cpus, 8);
    check_eq(info.mhz, 2596);
    check_eq(info.nodes, 2);
    check_eq(info.sockets, 1); /* per node */
    check_eq(info.cores, 2);
    check_eq(info.threads, 2);
    check_eq(info.memory_bytes, UINT64_C(12582912) * 1024);
    end();
}

TEST(info_of_an_irregular_machine_is_flat)
{
    NodeInfo info;
    g_autoptr(Error) err = NULL;
    begin();
    fake_server(true);
    fake_cell(0, "0-5\n", "10 21\n", 1024, 512); /* three cores here, one there */
    fake_cell(1, "6-7\n", "21 10\n", 1024, 512);
    check_ok(node_get_info(&info, &err), err);
    check_eq(info.nodes * info.sockets * info.cores * info.threads, 8);
    check_eq(info.nodes, 1);
    check_eq(info.cores, 8);
    end();
}

TEST(topology_follows_cpus_that_go_offline)
{
    uint8_t *map = NULL;
    size_t len = 0;
    unsigned online = 0;
    begin();
    fake_server(true);
    check_eq(node_get_cpu_map(&map, &len, &online), 8);
    check_eq(online, 8);
    check_eq(map[0], 0xff);
    g_free(map);
    fake("/sys/devices/system/cpu/online", "0-6\n");
    check_eq(node_get_cpu_map(&map, &len, &online), 8);
    check_eq(online, 7);
    check_eq(len, 1);
    check_eq(map[0], 0x7f);
    g_free(map);
    check_eq(((NodeCpu *)g_ptr_array_index(node_cpus(), 7))->online, false);
    end();
}

TEST(a_kernel_without_numa_has_one_cell)
{
    begin();
    fake("/sys/devices/system/cpu/present", "0-1\n");
    fake("/sys/devices/system/cpu/online", "0-1\n");
    fake("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 400 kB\n");
    const GPtrArray *cells = node_cells();
    check_eq(cells->len, 1);
    const NodeCell *cell = g_ptr_array_index(cells, 0);
    check_eq(cell->memory_bytes, 1000 * 1024);
    check_eq(cell->cpus->len, 2);
    end();
}

TEST(cpu_statistics_add_up)
{
    NodeCpuStats stats;
    g_autoptr(Error) err = NULL;
    begin();
    fake("/proc/stat",
         "cpu  10 2 30 400 5 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\ncpu11 9 9 9 9 9 9 9 0 0 0\nintr 1\n");
    uint64_t tick = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    check_ok(node_get_cpu_stats(-1, &stats, &err), err);
    check_eq(stats.user_ns, 12 * tick);
    check_eq(stats.kernel_ns, 43 * tick);
    check_eq(stats.idle_ns, 400 * tick);
    check_eq(stats.iowait_ns, 5 * tick);
    check_ok(node_get_cpu_stats(0, &stats, &err), err);
    check_eq(stats.user_ns, 3 * tick);
    check_fails(node_get_cpu_stats(1, &stats, &err), err, ERROR_INVALID_ARGUMENT);
    check_fails(node_get_cpu_stats(-2, &stats, &err), err, ERROR_INVALID_ARGUMENT);
    end();
}

TEST(memory_is_told_per_cell)
{
    NodeMemoryStats stats;
    g_autoptr(GArray) bytes = NULL;
    uint64_t free_bytes;
    g_autoptr(Error) err = NULL;
    begin();
    fake_server(true);
    check_ok(node_get_memory_stats(-1, &stats, &err), err);
    check_eq(stats.total_kib, 12582912);
    check_eq(stats.buffers_kib, 11);
    check_eq(stats.cached_kib, 22);
    check_ok(node_get_memory_stats(1, &stats, &err), err);
    check_eq(stats.free_kib, 2097152);
    check_eq(stats.buffers_kib, UINT64_MAX);
    check_fails(node_get_memory_stats(2, &stats, &err), err, ERROR_INVALID_ARGUMENT);
    check_ok(node_get_free_memory(&free_bytes, &err), err);
    check_eq(free_bytes, UINT64_C(3145728) * 1024);
    check_ok(node_get_cells_free_memory(0, 99, &bytes, &err), err);
    check_eq(bytes->len, 2);
    check_eq(g_array_index(bytes, uint64_t, 1), UINT64_C(2097152) * 1024);
    GArray *unused = NULL;
    check_fails(node_get_cells_free_memory(2, 1, &unused, &err), err, ERROR_INTERNAL);
    end();
}

TEST(pages_of_each_size_are_counted)
{
    g_autoptr(GArray) counts = NULL;
    GArray *unused = NULL;
    g_autoptr(Error) err = NULL;
    const unsigned sizes[] = { 4, 2048 }, wrong[] = { 3 };
    begin();
    fake_server(true);
    fake("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "8\n");
    fake("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "5\n");
    fake("/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
    fake("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "0\n");
    g_autoptr(GArray) pages = node_list_pages(0);
    check_eq(pages->len, 3);
    check_eq(g_array_index(pages, NodePages, 0).count, (4194304 - 8 * 2048) / 4);
    check_eq(g_array_index(pages, NodePages, 1).size_kib, 2048);
    check_eq(g_array_index(pages, NodePages, 1).count, 8);
    check_ok(node_get_free_pages(sizes, 2, 0, 5, &counts, &err), err);
    check_eq(counts->len, 4);
    check_eq(g_array_index(counts, uint64_t, 0), 1048576 / 4);
    check_eq(g_array_index(counts, uint64_t, 1), 5);
    check_fails(node_get_free_pages(wrong, 1, 0, 1, &unused, &err), err, ERROR_OPERATION_FAILED);
    check_fails(node_get_free_pages(sizes, 1, 2, 1, &unused, &err), err, ERROR_INTERNAL);
    check_fails(node_get_free_pages(sizes, 1, -2, 1, &unused, &err), err, ERROR_INTERNAL);
    end();
}

TEST(host_uuid_is_stable_and_configured_first)
{
    Uuid a, b;
    char text[UUID_STRING_LEN];
    begin();
    fake("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    node_get_uuid(NULL, &a);
    node_get_uuid(NULL, &b);
    check(uuid_equal(&a, &b));
    uuid_format(&a, text);
    check(!strstr(text, "01234567")); /* the machine id itself stays secret */
    fake("/sys/class/dmi/id/product_uuid", "11111111-2222-3333-4444-555555555555\n");
    node_get_uuid(NULL, &a);
    uuid_format(&a, text);
    check_str(text, "11111111-2222-3333-4444-555555555555");
    node_get_uuid("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", &a);
    uuid_format(&a, text);
    check_str(text, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
    end();
}

TEST(capabilities_describe_topology_and_caches)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(Error) err = NULL;
    Uuid uuid;
    begin();
    fake_server(false);
    fake("/sys/devices/system/cpu/cpu0/cache/index3/level", "3\n");
    fake("/sys/devices/system/cpu/cpu0/cache/index3/id", "0\n");
    fake("/sys/devices/system/cpu/cpu0/cache/index3/size", "32768K\n");
    fake("/sys/devices/system/cpu/cpu0/cache/index3/type", "Unified\n");
    fake("/sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list", "0-3\n");
    fake("/sys/kernel/iommu_groups/0/type", "DMA\n");
    fake("/sys/power/state", "freeze mem disk\n");
    check_ok(uuid_parse("11111111-2222-3333-4444-555555555555", &uuid, &err), err);
    check_ok(node_format_capabilities(&uuid, "none", "+1:+2", out, &err), err);
    check_contains(out->str, "<uuid>11111111-2222-3333-4444-555555555555</uuid>");
    check_contains(out->str, "<cells num='2'>");
    check_contains(out->str, "<sibling id='1' value='21'/>");
    check_contains(out->str, "<cpu id='5' socket_id='1' die_id='0' core_id='0' siblings='4-5'/>");
    check_contains(out->str, "<cpu id='7'/>");
    check_contains(out->str, "<bank id='0' level='3' type='both' size='32' unit='MiB' cpus='0-3'/>");
    check_contains(out->str, "<iommu support='yes'/>");
    check_contains(out->str, "<suspend_hybrid/>");
    check_contains(out->str, "<baselabel type='kvm'>+1:+2</baselabel>");
    end();
}

TEST(merging_of_pages_needs_the_kernel)
{
    NodeKsm ksm;
    g_autoptr(Error) err = NULL;
    begin();
    check_fails(node_get_ksm(&ksm, &err), err, ERROR_OPERATION_UNSUPPORTED);
    static const char *const names[] = { "run",           "pages_to_scan",  "sleep_millisecs", "pages_shared",
                                         "pages_sharing", "pages_unshared", "pages_volatile",  "full_scans" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf("/sys/kernel/mm/ksm/%s", names[i]);
        fake(path, "7\n");
    }
    check_ok(node_get_ksm(&ksm, &err), err);
    check_eq(ksm.full_scans, 7);
    check(!ksm.has_merge_across_nodes);
    end();
}

TEST(hostname_comes_with_its_domain_from_the_hosts_file)
{
    char name[256] = "";
    begin();
    (void)gethostname(name, sizeof(name) - 1);
    g_autofree char *plain = node_get_hostname();
    check(*plain);
    if (!strchr(name, '.') && !g_str_has_prefix(name, "localhost")) {
        g_autofree char *line = g_strdup_printf("# comment\n127.0.1.1\t%s.example.org %s\n", name, name);
        g_autofree char *expected = g_strdup_printf("%s.example.org", name);
        fake("/etc/hosts", line);
        g_autofree char *full = node_get_hostname();
        check_str(full, expected);
    }
    end();
}
