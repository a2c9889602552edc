/* The <host> element of the capabilities document: what clients read before they place a machine here. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "node"
#include <inttypes.h>
#include <string.h>

#include "host/cpu.h"
#include "host/node_private.h"

static void append_power_management(GString *out)
{
    g_autofree char *states = node_read("/sys/power/state");
    bool to_memory = states && strstr(states, "mem"), to_disk = states && strstr(states, "disk");
    if (!to_memory && !to_disk) {
        g_string_append(out, "    <power_management/>\n");
        return;
    }
    g_string_append(out, "    <power_management>\n");
    if (to_memory)
        g_string_append(out, "      <suspend_mem/>\n");
    if (to_disk)
        g_string_append(out, "      <suspend_disk/>\n");
    if (to_memory && to_disk)
        g_string_append(out, "      <suspend_hybrid/>\n");
    g_string_append(out, "    </power_management>\n");
}

static bool has_iommu(void)
{
    g_autofree char *path = node_path("/sys/kernel/iommu_groups");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL); /* sysfs: never waits */
    return dir && g_dir_read_name(dir);
}

static void append_cpu(GString *out, const NodeCpu *cpu)
{
    if (!cpu->online)
        g_string_append_printf(out, "            <cpu id='%u'/>\n", cpu->id);
    else
        g_string_append_printf(out,
                               "            <cpu id='%u' socket_id='%u' die_id='%u' core_id='%u' "
                               "siblings='%s'/>\n",
                               cpu->id, cpu->socket, cpu->die, cpu->core, cpu->siblings);
}

static void append_cell_cpus(GString *out, const NodeCell *cell)
{
    const GPtrArray *cpus = node_cpus();
    g_string_append_printf(out, "          <cpus num='%u'>\n", cell->cpus->len);
    for (unsigned i = 0, next = 0; i < cell->cpus->len; i++) {
        unsigned id = g_array_index(cell->cpus, unsigned, i); /* both lists ascend */
        while (next < cpus->len && ((NodeCpu *)g_ptr_array_index(cpus, next))->id < id)
            next++;
        if (next < cpus->len && ((NodeCpu *)g_ptr_array_index(cpus, next))->id == id)
            append_cpu(out, g_ptr_array_index(cpus, next));
    }
    g_string_append(out, "          </cpus>\n");
}

static void append_cell(GString *out, const NodeCell *cell)
{
    g_string_append_printf(out, "        <cell id='%u'>\n          <memory unit='KiB'>%" PRIu64 "</memory>\n",
                           cell->id, cell->memory_bytes / 1024);
    g_autoptr(GArray) pages = node_list_pages((int)cell->id);
    for (unsigned i = 0; i < pages->len; i++) {
        const NodePages *page = &g_array_index(pages, NodePages, i);
        g_string_append_printf(out, "          <pages unit='KiB' size='%u'>%" PRIu64 "</pages>\n",
                               page->size_kib, page->count);
    }
    if (cell->distances->len) {
        g_string_append(out, "          <distances>\n");
        for (unsigned i = 0; i + 1 < cell->distances->len; i += 2)
            g_string_append_printf(out, "            <sibling id='%u' value='%u'/>\n",
                                   g_array_index(cell->distances, unsigned, i),
                                   g_array_index(cell->distances, unsigned, i + 1));
        g_string_append(out, "          </distances>\n");
    }
    append_cell_cpus(out, cell);
    g_string_append(out, "        </cell>\n");
}

static void append_topology(GString *out)
{
    const GPtrArray *cells = node_cells();
    g_string_append_printf(out, "    <topology>\n      <cells num='%u'>\n", cells->len);
    for (unsigned i = 0; i < cells->len; i++)
        append_cell(out, g_ptr_array_index(cells, i));
    g_string_append(out, "      </cells>\n    </topology>\n");
}

typedef struct CacheBank {
    unsigned id, level;
    uint64_t size_kib;
    char *type, *cpus;
} CacheBank;

static void cache_bank_free(void *data)
{
    CacheBank *bank = data;
    g_free(bank->type);
    g_free(bank->cpus);
    g_free(bank);
}

/* "32768K", "1M" */
static uint64_t parse_cache_kib(const char *text)
{
    char *unit;
    uint64_t size = g_ascii_strtoull(text ? text : "", &unit, 10);
    return *unit == 'M' ? size * 1024 : size;
}

static CacheBank *read_cache_bank(unsigned cpu, unsigned index)
{
    uint64_t level = 0, id = 0;
    if (!node_read_uint(&level, "/sys/devices/system/cpu/cpu%u/cache/index%u/level", cpu, index) || level < 3)
        return NULL; /* the private caches say nothing about placement */
    (void)node_read_uint(&id, "/sys/devices/system/cpu/cpu%u/cache/index%u/id", cpu, index);
    g_autofree char *size = node_read("/sys/devices/system/cpu/cpu%u/cache/index%u/size", cpu, index);
    g_autofree char *type = node_read("/sys/devices/system/cpu/cpu%u/cache/index%u/type", cpu, index);
    char *cpus = node_read("/sys/devices/system/cpu/cpu%u/cache/index%u/shared_cpu_list", cpu, index);
    CacheBank *bank = g_new0(CacheBank, 1);
    bank->id = (unsigned)id;
    bank->level = (unsigned)level;
    bank->size_kib = parse_cache_kib(size);
    bank->type = g_strdup(type && strcmp(type, "Data") == 0          ? "data"
                          : type && strcmp(type, "Instruction") == 0 ? "code"
                                                                     : "both");
    bank->cpus = cpus ? cpus : g_strdup_printf("%u", cpu);
    return bank;
}

static int compare_banks(gconstpointer a, gconstpointer b)
{
    const CacheBank *x = *(CacheBank *const *)a, *y = *(CacheBank *const *)b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool bank_is_known(const GPtrArray *banks, const CacheBank *bank)
{
    for (unsigned i = 0; i < banks->len; i++) {
        const CacheBank *other = g_ptr_array_index(banks, i);
        if (other->level == bank->level && other->id == bank->id && strcmp(other->type, bank->type) == 0)
            return true;
    }
    return false;
}

static GPtrArray *read_cache_banks(void)
{
    const GPtrArray *cpus = node_cpus();
    GPtrArray *banks = g_ptr_array_new_with_free_func(cache_bank_free);
    for (unsigned i = 0; i < cpus->len; i++) {
        const NodeCpu *cpu = g_ptr_array_index(cpus, i);
        for (unsigned index = 0; cpu->online && index < 8; index++) {
            CacheBank *bank = read_cache_bank(cpu->id, index);
            if (bank && bank_is_known(banks, bank))
                g_clear_pointer(&bank, cache_bank_free);
            if (bank)
                g_ptr_array_add(banks, bank);
        }
    }
    g_ptr_array_sort(banks, compare_banks);
    return banks;
}

static void append_caches(GString *out)
{
    static const char *const units[] = { "KiB", "MiB", "GiB" };
    g_autoptr(GPtrArray) banks = read_cache_banks();
    if (!banks->len)
        return;
    g_string_append(out, "    <cache>\n");
    for (unsigned i = 0; i < banks->len; i++) {
        const CacheBank *bank = g_ptr_array_index(banks, i);
        uint64_t size = bank->size_kib;
        size_t unit = 0;
        while (size && size % 1024 == 0 && unit + 1 < G_N_ELEMENTS(units)) {
            size /= 1024;
            unit++;
        }
        g_string_append_printf(out,
                               "      <bank id='%u' level='%u' type='%s' size='%" PRIu64
                               "' unit='%s' cpus='%s'/>\n",
                               bank->id, bank->level, bank->type, size, units[unit], bank->cpus);
    }
    g_string_append(out, "    </cache>\n");
}

bool node_format_capabilities(const Uuid *host_uuid, const char *model, const char *dac_label, GString *out,
                              Error **err)
{
    (void)err; /* nothing of this can fail today; probing security models will */
    char uuid[UUID_STRING_LEN];
    uuid_format(host_uuid, uuid);
    g_string_append_printf(out, "  <host>\n    <uuid>%s</uuid>\n", uuid);
    cpu_format_host(4, out);
    append_power_management(out);
    g_string_append_printf(out, "    <iommu support='%s'/>\n", has_iommu() ? "yes" : "no");
    g_string_append(out, "    <migration_features>\n"
                         "      <live/>\n"
                         "      <uri_transports>\n"
                         "        <uri_transport>tcp</uri_transport>\n"
                         "        <uri_transport>rdma</uri_transport>\n"
                         "      </uri_transports>\n"
                         "    </migration_features>\n");
    append_topology(out);
    append_caches(out);
    g_string_append_printf(out,
                           "    <secmodel>\n      <model>%s</model>\n      <doi>0</doi>\n    </secmodel>\n",
                           model);
    if (dac_label)
        g_string_append_printf(out,
                               "    <secmodel>\n"
                               "      <model>dac</model>\n"
                               "      <doi>0</doi>\n"
                               "      <baselabel type='kvm'>%s</baselabel>\n"
                               "      <baselabel type='qemu'>%s</baselabel>\n"
                               "    </secmodel>\n",
                               dac_label, dac_label);
    g_string_append(out, "  </host>\n\n");
    return true;
}
