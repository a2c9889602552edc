/* Rules about what the guest is made of: CPU, NUMA cells, features, clock, firmware tables. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"

/* ---- CPU ---- */

static bool is_like_host(const CpuDef *cpu)
{
    return cpu->mode == CPU_MODE_HOST_PASSTHROUGH || cpu->mode == CPU_MODE_MAXIMUM;
}

static bool check_cpu_cache(const CpuDef *cpu, Error **err)
{
    if (cpu->cache_mode == CPU_CACHE_PASSTHROUGH && cpu->cache_level.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported CPU cache level for mode 'passthrough'");
    if (cpu->cache_mode == CPU_CACHE_PASSTHROUGH && !is_like_host(cpu))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "CPU cache mode 'passthrough' can only be used with 'host-passthrough' / 'maximum' "
                         "CPUs");
    if (cpu->cache_mode == CPU_CACHE_EMULATE && cpu->cache_level.value != 3)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "CPU cache mode 'emulate' can only be used with level='3'");
    return true;
}

static bool check_cpu_address_bits(const CpuDef *cpu, Error **err)
{
    if (cpu->maxphysaddr_mode == CPU_MAXPHYSADDR_EMULATE && !cpu->maxphysaddr_bits)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "if using CPU maximum physical address mode='emulate', bits= must be specified too");
    if (cpu->maxphysaddr_mode == CPU_MAXPHYSADDR_PASSTHROUGH && cpu->maxphysaddr_bits)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "CPU maximum physical address bits number specification cannot be used with "
                         "mode='passthrough'");
    return true;
}

static bool check_topology(const DomainDef *def, Error **err)
{
    const CpuDef *cpu = def->cpu;
    if (!cpu->sockets)
        return true;
    uint64_t total = (uint64_t)cpu->sockets * cpu->dies;
    if (total < 100000)
        total *= cpu->cores;
    if (total < 100000)
        total *= cpu->threads;
    return total == def->vcpus ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED, "CPU topology doesn't match maximum vcpu count");
}

/* ---- NUMA ---- */

static bool check_distances(const DomainDef *def, const NumaCell *cell, Error **err)
{
    for (DEF_EACH(NumaDistance, distance, cell->distances)) {
        if (distance->id >= def_list_len(def->cpu->numa))
            return error_set(err, ERROR_XML_INVALID, "NUMA cell %u is far from cell %u, which is not there",
                             cell->id.value, distance->id);
        if (distance->id == cell->id.value && distance->value != 10)
            return error_set(err, ERROR_XML_INVALID,
                             "'value %u' is invalid for 'sibling id %u' under NUMA 'cell id %u'",
                             distance->value, distance->id, cell->id.value);
    }
    return true;
}

/* Cells are numbered from 0 without gaps; a vCPU is in one of them. */
static bool check_numa(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autofree uint32_t *owner = g_new0(uint32_t, def->vcpus); /* cell + 1 */
    for (DEF_EACH(NumaCell, cell, def->cpu->numa)) {
        uint32_t id = cell->id.value;
        if (id >= def_list_len(def->cpu->numa) || !g_hash_table_add(seen, GUINT_TO_POINTER(id)))
            return error_set(err, ERROR_XML_INVALID,
                             "NUMA cells are numbered from 0 without gaps, but one is %u", id);
        for (int cpu = cpuset_next(cell->cpus, -1); cpu >= 0; cpu = cpuset_next(cell->cpus, cpu)) {
            if ((unsigned)cpu >= def->vcpus)
                return error_set(err, ERROR_INTERNAL,
                                 "CPU IDs in <numa> exceed the <vcpu> count: cell %u has vCPU %d, but the "
                                 "machine has only %u",
                                 id, cpu, def->vcpus);
            if (owner[cpu])
                return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                                 "NUMA cells %u and %u have overlapping vCPU ids", id, owner[cpu] - 1);
            owner[cpu] = id + 1;
        }
        if (!check_distances(def, cell, err))
            return false;
    }
    return true;
}

static bool check_caches(const NumaCell *cell, Error **err)
{
    for (unsigned i = 0; i < def_list_len(cell->caches); i++) {
        const MemoryCache *cache = g_ptr_array_index(cell->caches, i);
        for (unsigned k = 0; k < i; k++) {
            const MemoryCache *other = g_ptr_array_index(cell->caches, k);
            if (cache->level.value == other->level.value)
                return error_set(err, ERROR_XML_INVALID, "Cache level '%u' already defined",
                                 cache->level.value);
        }
    }
    return true;
}

static bool has_cache(const NumaCell *cell, uint32_t level)
{
    for (DEF_EACH(MemoryCache, cache, cell->caches)) {
        if (cache->level.value == level)
            return true;
    }
    return false;
}

static bool is_same_link(const MemoryLink *a, const MemoryLink *b)
{
    return a->initiator == b->initiator && a->target == b->target && a->cache.value == b->cache.value &&
           a->type == b->type;
}

static bool check_links(const CpuDef *cpu, const GPtrArray *links, Error **err)
{
    unsigned n_cells = def_list_len(cpu->numa);
    for (unsigned i = 0; i < def_list_len(links); i++) {
        const MemoryLink *link = g_ptr_array_index(links, i);
        for (unsigned k = 0; k < i; k++) {
            if (is_same_link(link, g_ptr_array_index(links, k)))
                return error_set(err, ERROR_XML_INVALID, "Duplicate info for NUMA %s",
                                 links == cpu->latencies ? "latencies" : "bandwidths");
        }
        if (link->initiator >= n_cells || link->target >= n_cells)
            return error_set(err, ERROR_XML_INVALID, "'%s' refers to a non-existent NUMA node",
                             link->initiator >= n_cells ? "initiator" : "target");
        for (DEF_EACH(NumaCell, cell, cpu->numa)) {
            if (cell->id.value == link->target && link->cache.value && !has_cache(cell, link->cache.value))
                return error_set(err, ERROR_XML_INVALID, "'cache' refers to a non-existent NUMA node cache");
        }
    }
    return true;
}

static bool check_cpu(const DomainDef *def, Error **err)
{
    const CpuDef *cpu = def->cpu;
    if (!cpu)
        return true;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (DEF_EACH(CpuFeature, feature, cpu->features)) {
        if (!g_hash_table_add(seen, feature->name))
            return error_set(err, ERROR_XML_INVALID, "CPU feature '%s' is specified more than once",
                             feature->name);
    }
    if (cpu->vendor_id && strchr(cpu->vendor_id, ','))
        return error_set(err, ERROR_XML_INVALID, "vendor id is invalid");
    if (cpu->migratable != TRISTATE_ABSENT && !is_like_host(cpu))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode");
    for (DEF_EACH(NumaCell, cell, cpu->numa)) {
        if (!check_caches(cell, err))
            return false;
    }
    return check_topology(def, err) && check_cpu_cache(cpu, err) && check_cpu_address_bits(cpu, err) &&
           check_numa(def, err) && check_links(cpu, cpu->latencies, err) &&
           check_links(cpu, cpu->bandwidths, err);
}

/* ---- features ---- */

/* What only machines of other architectures have; elements that are kept are known by their names. */
static bool check_foreign_features(const DomainDef *def, Error **err)
{
    const FeaturesDef *features = def->features;
    const char *foreign = features->has_gic          ? "gic"
                          : features->hpt_resizing   ? "hpt"
                          : features->has_htm        ? "htm"
                          : features->has_nested_hv  ? "nested-hv"
                          : features->has_ccf_assist ? "ccf-assist"
                                                     : NULL;
    for (const Kept *kept = features->kept; kept && !foreign; kept = kept->next) {
        const char *name = kept->row ? kept->row->name : "";
        if (strcmp(name, "cfpc") == 0 || strcmp(name, "sbbc") == 0 || strcmp(name, "ibs") == 0)
            foreign = name;
    }
    if (!foreign || !domain_is_x86(def))
        return true;
    return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "The '%s' feature is not supported for architecture '%s' or machine type '%s'", foreign,
                     enum_name(&arch_names, def->os.arch), def->os.machine ?: "");
}

static bool check_features(const DomainDef *def, Error **err)
{
    const FeaturesDef *features = def->features;
    if (!features)
        return true;
    const KvmFeatures *kvm = features->kvm;
    if (kvm && kvm->dirty_ring == TRISTATE_ON &&
        (kvm->dirty_ring_size < 1024 || kvm->dirty_ring_size > 65536 ||
         kvm->dirty_ring_size & (kvm->dirty_ring_size - 1)))
        return error_set(err, ERROR_XML_INVALID, "dirty ring must be power of 2 and ranges [1024, 65536]");
    const HypervFeatures *hyperv = features->hyperv;
    if (hyperv && hyperv->vendor_id == TRISTATE_ON && !hyperv->vendor_id_value)
        return error_set(err, ERROR_XML_INVALID, "missing 'value' attribute for HyperV feature 'vendor_id'");
    if (hyperv && hyperv->vendor_id_value && strchr(hyperv->vendor_id_value, ','))
        return error_set(err, ERROR_XML_INVALID, "HyperV vendor_id value is invalid");
    if (features->tcg_tb_cache_bytes && def->type != VIRT_TYPE_QEMU)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "TCG features are incompatible with domain type '%s'",
                         enum_name(&virt_type_names, def->type));
    if (features->smm_tseg_bytes % (1 << 20))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "SMM TSEG size must be divisible by 1 MiB");
    return check_foreign_features(def, err);
}

/* ---- clock ---- */

static bool check_timer(const DomainDef *def, const TimerDef *timer, Error **err)
{
    const char *name = enum_name(&timer_name_names, timer->name);
    const char *policy = timer->tickpolicy ? enum_name(&timer_tick_policy_names, timer->tickpolicy) : NULL;
    bool is_rtc = timer->name == TIMER_RTC;
    if (timer->name == TIMER_PLATFORM)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported timer type (name) 'platform'");
    if (timer->name == TIMER_ARMVTIMER && domain_is_x86(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Configuring the 'armvtimer' timer is not supported for virtType=%s arch=%s "
                         "machine=%s guests",
                         enum_name(&virt_type_names, def->type), enum_name(&arch_names, def->os.arch),
                         def->os.machine ?: "");
    if ((timer->name == TIMER_KVMCLOCK || timer->name == TIMER_HYPERVCLOCK) && policy)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "timer %s doesn't support setting of timer tickpolicy", name);
    if (timer->name != TIMER_TSC && timer->frequency_hz)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "timer %s doesn't support setting of timer frequency",
                         name);
    if (timer->name != TIMER_TSC && timer->mode != TIMER_MODE_ABSENT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "timer %s doesn't support setting of timer mode",
                         name);
    if (!is_rtc && timer->track != TIMER_TRACK_ABSENT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "timer %s doesn't support setting of timer track",
                         name);
    if (is_rtc && timer->track == TIMER_TRACK_BOOT)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported rtc timer track 'boot'");
    if (is_rtc &&
        (timer->tickpolicy == TIMER_TICKPOLICY_MERGE || timer->tickpolicy == TIMER_TICKPOLICY_DISCARD))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported rtc timer tickpolicy '%s'", policy);
    if (timer->name == TIMER_PIT && timer->tickpolicy == TIMER_TICKPOLICY_MERGE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported pit tickpolicy '%s'", policy);
    if (timer->has_catchup && timer->tickpolicy != TIMER_TICKPOLICY_CATCHUP)
        return error_set(err, ERROR_XML_INVALID,
                         "setting of timer catchup policies is only supported with tickpolicy='catchup'");
    return true;
}

/* ---- SMBIOS and fw_cfg ---- */

/* "MM/DD/YYYY", months and days in one or two digits, years also in two. */
static bool is_bios_date(const char *text)
{
    unsigned month, day, year;
    char end;
    return sscanf(text, "%u/%u/%u%c", &month, &day, &year, &end) == 3 && month >= 1 && month <= 12 &&
           day >= 1 && day <= 31 && ((year >= 1900 && year < 10000) || year < 100);
}

static bool check_firmware_entry(const NamedValue *entry, Error **err)
{
    if (!entry->name)
        return error_set(err, ERROR_XML_INVALID, "Firmware entry is missing 'name' attribute");
    if (!entry->value && !entry->file)
        return error_set(err, ERROR_XML_INVALID, "Firmware entry must have either value or 'file' attribute");
    if (!g_str_has_prefix(entry->name, "opt/"))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Invalid firmware name");
    if (g_str_has_prefix(entry->name, "opt/ovmf/") || g_str_has_prefix(entry->name, "opt/org.qemu/"))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "That firmware name is reserved");
    return true;
}

static bool check_sysinfo(const SysinfoDef *sysinfo, Error **err)
{
    for (DEF_EACH(NamedValue, entry, sysinfo->bios)) {
        if (g_strcmp0(entry->name, "date") == 0 && !is_bios_date(entry->value))
            return error_set(err, ERROR_XML_SYNTAX, "Invalid BIOS 'date' format");
    }
    for (DEF_EACH(NamedValue, entry, sysinfo->fwcfg)) {
        if (!check_firmware_entry(entry, err))
            return false;
    }
    return true;
}

static bool check_qemu_extras(const QemuExtras *qemu, Error **err)
{
    for (DEF_EACH(NamedValue, variable, qemu ? qemu->env : NULL)) {
        const char *name = variable->name;
        if (!g_ascii_isalpha(name[0]) && name[0] != '_')
            return error_set(err, ERROR_INTERNAL,
                             "Invalid environment name, it must begin with a letter or underscore");
        for (; *name; name++) {
            if (!g_ascii_isalnum(*name) && *name != '_')
                return error_set(err, ERROR_INTERNAL,
                                 "Invalid environment name, it must contain only alphanumerics and "
                                 "underscore");
        }
    }
    return true;
}

bool domain_check_guest(const DomainDef *def, Error **err)
{
    for (DEF_EACH(TimerDef, timer, def->clock.timers)) {
        if (!check_timer(def, timer, err))
            return false;
    }
    for (DEF_EACH(SysinfoDef, sysinfo, def->sysinfos)) {
        if (!check_sysinfo(sysinfo, err))
            return false;
    }
    return check_cpu(def, err) && check_features(def, err) && check_qemu_extras(def->qemu, err);
}
