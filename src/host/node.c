/* CPUs and NUMA cells of this machine as the kernel tells them in /sys and /proc.
 *
 * The topology is read once and again only when the kernel's list of online CPUs or cells has changed, so
 * that statistics and capabilities calls cost a file read or two. Everything else is read when asked for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "node"
#include "host/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/node_private.h"

static char *node_root; /* NULL: the real /sys and /proc */

static struct {
    char *key;        /* online CPUs and cells when it was read */
    GPtrArray *cpus;  /* of NodeCpu */
    GPtrArray *cells; /* of NodeCell */
} topology;

char *node_path(const char *path)
{
    return g_strconcat(node_root ? node_root : "", path, NULL);
}

PRINTF(1, 0) static char *node_vread(const char *format, va_list args)
{
    g_autofree char *relative = g_strdup_vprintf(format, args);
    g_autofree char *path = node_path(relative);
    return file_read_kernel(path);
}

char *node_read(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = node_vread(format, args);
    va_end(args);
    return text;
}

bool node_read_uint(uint64_t *ret_value, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = node_vread(format, args);
    va_end(args);
    if (!text || !g_ascii_isdigit(text[0]))
        return false;
    char *end;
    errno = 0;
    uint64_t value = g_ascii_strtoull(text, &end, 10);
    if (errno || (*end && !g_ascii_isspace(*end)))
        return false;
    *ret_value = value;
    return true;
}

GArray *node_parse_list(const char *text, unsigned limit)
{
    GArray *numbers = g_array_new(FALSE, FALSE, sizeof(unsigned));
    const char *p = text ? text : "";
    while (g_ascii_isdigit(*p)) {
        char *end;
        uint64_t first = g_ascii_strtoull(p, &end, 10);
        uint64_t last = first;
        if (*end == '-' && g_ascii_isdigit(end[1]))
            last = g_ascii_strtoull(end + 1, &end, 10);
        for (uint64_t i = first; i <= last && i < limit; i++) {
            unsigned number = (unsigned)i;
            g_array_append_val(numbers, number);
        }
        p = *end == ',' ? end + 1 : end;
    }
    return numbers;
}

static void node_cpu_free(void *data)
{
    NodeCpu *cpu = data;
    g_free(cpu->siblings);
    g_free(cpu);
}

static void node_cell_free(void *data)
{
    NodeCell *cell = data;
    g_array_unref(cell->cpus);
    g_array_unref(cell->distances);
    g_free(cell);
}

void node_reset(void)
{
    g_clear_pointer(&topology.key, g_free);
    g_clear_pointer(&topology.cpus, g_ptr_array_unref);
    g_clear_pointer(&topology.cells, g_ptr_array_unref);
}

void node_set_root(const char *root)
{
    node_reset();
    g_free(node_root);
    node_root = root && *root ? g_strdup(root) : NULL;
}

static unsigned topology_value(unsigned cpu, const char *name)
{
    uint64_t value = 0;
    /* -1 (unknown) on some machines counts as 0, like an absent file */
    if (!node_read_uint(&value, "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, name) || value > UINT32_MAX)
        return 0;
    return (unsigned)value;
}

static NodeCpu *topology_read_cpu(unsigned id, bool online)
{
    NodeCpu *cpu = g_new0(NodeCpu, 1);
    cpu->id = id;
    cpu->online = online;
    if (!online)
        return cpu;
    cpu->socket = topology_value(id, "physical_package_id");
    cpu->die = topology_value(id, "die_id");
    cpu->core = topology_value(id, "core_id");
    cpu->siblings = node_read("/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", id);
    if (!cpu->siblings)
        cpu->siblings = g_strdup_printf("%u", id);
    return cpu;
}

static void topology_read_cpus(const char *online_text)
{
    g_autofree char *present_text = node_read("/sys/devices/system/cpu/present");
    g_autoptr(GArray) present = node_parse_list(present_text ? present_text : online_text, NODE_MAX_CPUS);
    g_autoptr(GArray) online = node_parse_list(online_text, NODE_MAX_CPUS);
    g_autofree bool *is_online = g_new0(bool, NODE_MAX_CPUS);
    for (unsigned i = 0; i < online->len; i++)
        is_online[g_array_index(online, unsigned, i)] = true;
    topology.cpus = g_ptr_array_new_with_free_func(node_cpu_free);
    for (unsigned i = 0; i < present->len; i++) {
        unsigned id = g_array_index(present, unsigned, i);
        g_ptr_array_add(topology.cpus, topology_read_cpu(id, is_online[id]));
    }
}

static NodeCpu *topology_find_cpu(unsigned id)
{
    for (unsigned i = 0; i < topology.cpus->len; i++) {
        NodeCpu *cpu = g_ptr_array_index(topology.cpus, i);
        if (cpu->id == id)
            return cpu;
    }
    return NULL;
}

/* The kernel prints one distance per online cell, in the order of @ids. */
static void topology_read_distances(NodeCell *cell, const GArray *ids)
{
    g_autofree char *text = node_read("/sys/devices/system/node/node%u/distance", cell->id);
    if (!text)
        return;
    g_auto(GStrv) words = g_strsplit_set(text, " \t\n", -1);
    unsigned found = 0;
    for (unsigned i = 0; words[i] && found < ids->len; i++) {
        if (!*words[i])
            continue;
        unsigned pair[2] = { g_array_index(ids, unsigned, found++), (unsigned)strtoul(words[i], NULL, 10) };
        g_array_append_vals(cell->distances, pair, 2);
    }
}

static NodeCell *topology_read_cell(unsigned id, const GArray *ids)
{
    NodeCell *cell = g_new0(NodeCell, 1);
    cell->id = id;
    g_autofree char *cpu_list = node_read("/sys/devices/system/node/node%u/cpulist", id);
    cell->cpus = node_parse_list(cpu_list, NODE_MAX_CPUS);
    cell->distances = g_array_new(FALSE, FALSE, sizeof(unsigned));
    topology_read_distances(cell, ids);
    for (unsigned i = 0; i < cell->cpus->len; i++) {
        NodeCpu *cpu = topology_find_cpu(g_array_index(cell->cpus, unsigned, i));
        if (cpu)
            cpu->node = id;
    }
    return cell;
}

/* A kernel without NUMA: one cell with everything. */
static NodeCell *topology_make_single_cell(void)
{
    NodeCell *cell = g_new0(NodeCell, 1);
    cell->cpus = g_array_new(FALSE, FALSE, sizeof(unsigned));
    cell->distances = g_array_new(FALSE, FALSE, sizeof(unsigned));
    for (unsigned i = 0; i < topology.cpus->len; i++)
        g_array_append_val(cell->cpus, ((NodeCpu *)g_ptr_array_index(topology.cpus, i))->id);
    return cell;
}

static void topology_read_cells(const char *online_text)
{
    g_autoptr(GArray) ids = node_parse_list(online_text, NODE_MAX_CELLS);
    topology.cells = g_ptr_array_new_with_free_func(node_cell_free);
    for (unsigned i = 0; i < ids->len; i++)
        g_ptr_array_add(topology.cells, topology_read_cell(g_array_index(ids, unsigned, i), ids));
    if (ids->len == 0)
        g_ptr_array_add(topology.cells, topology_make_single_cell());
}

static void topology_refresh(void)
{
    g_autofree char *cpus = node_read("/sys/devices/system/cpu/online");
    g_autofree char *cells = node_read("/sys/devices/system/node/online");
    if (!cpus) /* kernels without CPU hot-plug and containers with a bare /sys */
        cpus = g_strdup_printf("0-%ld", MAX(sysconf(_SC_NPROCESSORS_ONLN), 1) - 1);
    g_autofree char *key = g_strdup_printf("%s|%s", cpus, cells ? cells : "");
    if (topology.key && strcmp(key, topology.key) == 0)
        return;
    node_reset();
    topology_read_cpus(cpus);
    topology_read_cells(cells);
    topology.key = g_steal_pointer(&key);
}

const GPtrArray *node_cpus(void)
{
    topology_refresh();
    return topology.cpus;
}

const GPtrArray *node_cells(void)
{
    topology_refresh();
    for (unsigned i = 0; i < topology.cells->len; i++) { /* memory is plugged without a change of the lists */
        NodeCell *cell = g_ptr_array_index(topology.cells, i);
        uint64_t total_kib, free_kib;
        if (node_read_cell_memory((int)cell->id, &total_kib, &free_kib))
            cell->memory_bytes = total_kib * 1024;
    }
    return topology.cells;
}

unsigned node_get_cpu_map(uint8_t **ret_map, size_t *ret_len, unsigned *ret_online)
{
    const GPtrArray *cpus = node_cpus();
    unsigned count = 0, online = 0;
    for (unsigned i = 0; i < cpus->len; i++) {
        const NodeCpu *cpu = g_ptr_array_index(cpus, i);
        count = MAX(count, cpu->id + 1);
        online += cpu->online;
    }
    size_t len = (count + 7) / 8;
    uint8_t *map = g_malloc0(MAX(len, 1));
    for (unsigned i = 0; i < cpus->len; i++) {
        const NodeCpu *cpu = g_ptr_array_index(cpus, i);
        if (cpu->online)
            map[cpu->id / 8] |= (uint8_t)(1u << (cpu->id % 8));
    }
    *ret_map = map;
    *ret_len = len;
    if (ret_online)
        *ret_online = online;
    return count;
}

static unsigned node_read_mhz(void)
{
    g_autofree char *text = node_read("/proc/cpuinfo");
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (!g_str_has_prefix(line, "cpu MHz"))
            continue;
        const char *colon = strchr(line, ':');
        return colon ? (unsigned)g_ascii_strtoull(colon + 1, NULL, 10) : 0;
    }
    uint64_t khz;
    if (node_read_uint(&khz, "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"))
        return (unsigned)(khz / 1000);
    return 0;
}

/* How many different values @key gives over the online CPUs of which @member is true. */
typedef uint64_t (*CpuKey)(const NodeCpu *cpu);
static unsigned count_distinct(const GPtrArray *cpus, CpuKey member, uint64_t group, CpuKey key)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (unsigned i = 0; i < cpus->len; i++) {
        const NodeCpu *cpu = g_ptr_array_index(cpus, i);
        if (!cpu->online || member(cpu) != group)
            continue;
        uint64_t value = key(cpu);
        g_hash_table_add(seen, g_memdup2(&value, sizeof(value)));
    }
    return g_hash_table_size(seen);
}

static uint64_t key_node(const NodeCpu *cpu)
{
    return cpu->node;
}

static uint64_t key_socket(const NodeCpu *cpu)
{
    return ((uint64_t)cpu->node << 32) | cpu->socket;
}

static uint64_t key_core(const NodeCpu *cpu)
{
    return ((uint64_t)cpu->socket << 48) ^ ((uint64_t)cpu->die << 32) ^ cpu->core;
}

static uint64_t key_cpu(const NodeCpu *cpu)
{
    return cpu->id;
}

static void node_count_topology(const GPtrArray *cpus, NodeInfo *info)
{
    for (unsigned i = 0; i < cpus->len; i++) {
        const NodeCpu *cpu = g_ptr_array_index(cpus, i);
        if (!cpu->online)
            continue;
        info->sockets = MAX(info->sockets, count_distinct(cpus, key_node, key_node(cpu), key_socket));
        info->cores = MAX(info->cores, count_distinct(cpus, key_socket, key_socket(cpu), key_core));
        info->threads = MAX(info->threads, count_distinct(cpus, key_core, key_core(cpu), key_cpu));
    }
}

bool node_get_info(NodeInfo *ret_info, Error **err)
{
    struct utsname name;
    if (uname(&name) < 0)
        return error_set_errno(err, errno, "cannot read the machine type");
    const GPtrArray *cpus = node_cpus();
    const GPtrArray *cells = node_cells();
    NodeInfo info = { .mhz = node_read_mhz() };
    g_strlcpy(info.model, name.machine, sizeof(info.model));
    for (unsigned i = 0; i < cells->len; i++) {
        const NodeCell *cell = g_ptr_array_index(cells, i);
        info.memory_bytes += cell->memory_bytes;
        info.nodes += cell->cpus->len > 0;
    }
    for (unsigned i = 0; i < cpus->len; i++)
        info.cpus += ((NodeCpu *)g_ptr_array_index(cpus, i))->online;
    node_count_topology(cpus, &info);
    info.nodes = MAX(info.nodes, 1);
    if ((uint64_t)info.nodes * info.sockets * info.cores * info.threads != cpus->len) {
        info.nodes = info.sockets = info.threads = 1;
        info.cores = cpus->len;
    }
    *ret_info = info;
    return true;
}

bool node_get_cpu_stats(int cpu, NodeCpuStats *ret_stats, Error **err)
{
    if (cpu < -1)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cpuNum in virNodeGetCPUStats only accepts -1 as a negative value");
    g_autofree char *text = node_read("/proc/stat");
    if (!text)
        return error_set(err, ERROR_SYSTEM, "cannot read /proc/stat");
    g_autofree char *word = cpu < 0 ? g_strdup("cpu ") : g_strdup_printf("cpu%d ", cpu);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        uint64_t user, nice, kernel, idle, iowait, irq, softirq;
        if (!g_str_has_prefix(line, word))
            continue;
        if (sscanf(line + strlen(word),
                   "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &user,
                   &nice, &kernel, &idle, &iowait, &irq, &softirq) != 7)
            break;
        uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
        *ret_stats = (NodeCpuStats){ .kernel_ns = (kernel + irq + softirq) * tick_ns,
                                     .user_ns = (user + nice) * tick_ns,
                                     .idle_ns = idle * tick_ns,
                                     .iowait_ns = iowait * tick_ns };
        return true;
    }
    /* the words that clients see from other daemons on this protocol */
    return error_set(err, ERROR_INVALID_ARGUMENT, "Invalid cpuNum in virHostCPUGetStatsLinux");
}

/* The full name of @name as /etc/hosts has it; NULL if it does not. */
static char *hosts_file_canonical(const char *name)
{
    g_autofree char *text = node_read("/etc/hosts");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        (*line)[strcspn(*line, "#")] = '\0';
        g_auto(GStrv) words = g_strsplit_set(*line, " \t", -1);
        const char *canonical = NULL;
        for (char **word = words[0] ? words + 1 : words; *word; word++) {
            if (!**word)
                continue;
            if (!canonical)
                canonical = *word;
            if (g_ascii_strcasecmp(*word, name) == 0 && strchr(canonical, '.') &&
                !g_str_has_prefix(canonical, "localhost"))
                return g_strdup(canonical);
        }
    }
    return NULL;
}

/* Never asks the network: a dead DNS server would stop the daemon. */
char *node_get_hostname(void)
{
    char name[256] = "";
    if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
        return g_strdup("localhost");
    if (strchr(name, '.') || g_str_has_prefix(name, "localhost"))
        return g_strdup(name);
    char *full = hosts_file_canonical(name);
    return full ? full : g_strdup(name);
}

static bool uuid_from_text(const char *text, Uuid *ret_uuid)
{
    return text && uuid_parse(text, ret_uuid, NULL);
}

void node_get_uuid(const char *configured, Uuid *ret_uuid)
{
    if (uuid_from_text(configured, ret_uuid))
        return;
    g_autofree char *firmware = node_read("/sys/class/dmi/id/product_uuid");
    if (uuid_from_text(firmware, ret_uuid))
        return;
    g_autofree char *machine_id = node_read("/etc/machine-id");
    Uuid machine;
    if (uuid_from_text(machine_id, &machine)) {
        /* The machine id is confidential (machine-id(5)): hand out a hash of it, shaped as a version 5 UUID.
         */
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
        static const char salt[] = "lodge host uuid";
        uint8_t digest[32];
        gsize len = sizeof(digest);
        g_checksum_update(sum, (const guchar *)salt, sizeof(salt));
        g_checksum_update(sum, machine.bytes, sizeof(machine.bytes));
        g_checksum_get_digest(sum, digest, &len);
        memcpy(ret_uuid->bytes, digest, sizeof(ret_uuid->bytes));
        ret_uuid->bytes[6] = (uint8_t)((ret_uuid->bytes[6] & 0x0f) | 0x50);
        ret_uuid->bytes[8] = (uint8_t)((ret_uuid->bytes[8] & 0x3f) | 0x80);
        return;
    }
    uuid_generate(ret_uuid);
}

char *node_get_boot_id(void)
{
    char *id = node_read("/proc/sys/kernel/random/boot_id");
    return id ? id : g_strdup("");
}
