/* Rows of the guest's CPU, of hypervisor features and of its clocks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"
#include "conf/domain_rows.h"
#include "conf/xml_internal.h"

/* ---- cpu ---- */

const XmlTable cpu_feature_table =
    TABLE(CpuFeature, "cpu-feature",
          ROWS(ATTR("policy", CpuFeature, policy, .names = &cpu_feature_policy_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "require",
                    .doc = "whether the guest sees the feature"),
               ATTR("name", CpuFeature, name, .flags = ROW_REQUIRED, .doc = "name of the feature")),
          .doc = "A CPU feature that differs from the model.");

const XmlTable numa_distance_table =
    TABLE(NumaDistance, "numa-distance",
          ROWS(ATTR("id", NumaDistance, id, .flags = ROW_REQUIRED | ROW_ALWAYS, .max = 16383,
                    .doc = "the other cell"),
               ATTR("value", NumaDistance, value, .flags = ROW_REQUIRED, .min = 10, .max = 255,
                    .doc = "distance")),
          .doc = "How far a cell is from another.");

static const XmlTable memory_cache_table =
    TABLE(MemoryCache, "memory-cache",
          ROWS(ATTR("level", MemoryCache, level, .flags = ROW_REQUIRED, .min = 1, .max = 3,
                    .doc = "level, from 1"),
               ATTR("associativity", MemoryCache, ways, .flags = ROW_REQUIRED,
                    .names = &memory_cache_ways_names, .doc = "how lines find their place"),
               ATTR("policy", MemoryCache, policy, .flags = ROW_REQUIRED, .names = &memory_cache_policy_names,
                    .doc = "when writes go on"),
               GROUP("size",
                     ROWS(ATTR("value", MemoryCache, size_bytes, .unit = XML_UNIT_KIB, .flags = ROW_REQUIRED,
                               .max = INT64_MAX, .doc = "size")),
                     .flags = ROW_REQUIRED, .doc = "size"),
               GROUP("line",
                     ROWS(ATTR("value", MemoryCache, line_bytes, .unit = XML_UNIT_B, .flags = ROW_REQUIRED,
                               .max = INT64_MAX, .doc = "size of a line")),
                     .flags = ROW_REQUIRED, .doc = "size of a line")),
          .doc = "A cache at the side of a cell's memory.");

#define LINK_ROWS                                                                                            \
    ATTR("initiator", MemoryLink, initiator, .flags = ROW_REQUIRED | ROW_ALWAYS, .max = 16383,               \
         .doc = "cell that asks"),                                                                           \
        ATTR("target", MemoryLink, target, .flags = ROW_REQUIRED | ROW_ALWAYS, .max = 16383,                 \
             .doc = "cell that answers"),                                                                    \
        ATTR("cache", MemoryLink, cache, .max = 3, .doc = "level of the target's cache"),                    \
        ATTR("type", MemoryLink, type, .flags = ROW_REQUIRED, .names = &memory_link_type_names,              \
             .doc = "kind of access")

static const XmlTable latency_table =
    TABLE(MemoryLink, "memory-latency",
          ROWS(LINK_ROWS, ATTR("value", MemoryLink, latency, .flags = ROW_REQUIRED, .min = 1,
                               .max = INT64_MAX, .doc = "nanoseconds")),
          .doc = "How long an access takes.");
static const XmlTable memory_bandwidth_table =
    TABLE(MemoryLink, "memory-bandwidth",
          ROWS(LINK_ROWS, ATTR("value", MemoryLink, bandwidth_bytes, .unit = XML_UNIT_KIB,
                               .flags = ROW_REQUIRED, .min = 1, .max = INT64_MAX, .doc = "per second")),
          .doc = "How much goes through.");

static const XmlTable numa_cell_table =
    TABLE(NumaCell, "numa-cell",
          ROWS(ATTR("id", NumaCell, id, .fallback = "its position", .max = 16383,
                    .doc = "number of the cell"),
               ATTR("cpus", NumaCell, cpus, .doc = "vCPUs of the cell"),
               ATTR("memory", NumaCell, memory_bytes, .unit = XML_UNIT_KIB,
                    .flags = ROW_REQUIRED | ROW_ALWAYS, .max = INT64_MAX, .doc = "memory of the cell"),
               ATTR("memAccess", NumaCell, access, .names = &memory_access_names, .doc = "shared or private"),
               ATTR("discard", NumaCell, discard, .names = &tristate_yes_no_names,
                    .doc = "drop the content at the end"),
               GROUP("distances",
                     ROWS(LIST("sibling", NumaCell, distances, &numa_distance_table, .doc = "another cell")),
                     .doc = "distances to the cells"),
               LIST("cache", NumaCell, caches, &memory_cache_table, .doc = "a memory side cache")),
          .doc = "A NUMA node of the guest.");

static bool cpu_has_topology(const void *base, unsigned flags)
{
    return ((const CpuDef *)base)->sockets != 0;
}

static bool cpu_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    CpuDef *cpu = base;
    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, BAD_CAST "numa") && !cpu->numa)
            return xml_error(reader, element, ERROR_XML_INVALID, err,
                             "NUMA topology defined without NUMA cells");
    }
    if (cpu->vendor_id && strlen(cpu->vendor_id) != 12)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "the vendor id must have 12 characters");
    if (cpu->sockets && !cpu->dies)
        cpu->dies = 1;
    if (cpu->vendor && !cpu->model)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "CPU vendor specified without CPU model");
    if (cpu->features && !cpu->model && (cpu->mode == CPU_MODE_ABSENT || cpu->mode == CPU_MODE_CUSTOM))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "features need a CPU model");
    for (DEF_EACH(CpuFeature, feature, cpu->features)) {
        if (feature->policy == CPU_FEATURE_POLICY_ABSENT)
            feature->policy = CPU_FEATURE_REQUIRE;
    }
    return true;
}

const XmlTable cpu_table =
    TABLE(CpuDef, "cpu",
          ROWS(ATTR("mode", CpuDef, mode, .names = &cpu_mode_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .fallback = "custom", .doc = "where the CPU comes from"),
               ATTR("match", CpuDef, match, .names = &cpu_match_names, .fallback = "exact",
                    .doc = "how strictly the model is meant"),
               ATTR("check", CpuDef, check, .names = &cpu_check_names,
                    .doc = "how the CPU is checked before the start"),
               ATTR("migratable", CpuDef, migratable, .names = &tristate_on_off_names,
                    .doc = "leave out features that stop migration"),
               GROUP("model",
                     ROWS(ATTR("fallback", CpuDef, fallback, HARMLESS, .names = &cpu_fallback_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "take a similar model if need be"),
                          ATTR("vendor_id", CpuDef, vendor_id,
                               .doc = "vendor that the guest sees: 12 characters"),
                          TEXT(CpuDef, model, .doc = "name of the model")),
                     .doc = "the CPU model"),
               CHILD("vendor", CpuDef, vendor, .doc = "vendor of the host CPU that is needed"),
               GROUP("topology",
                     ROWS(ATTR("sockets", CpuDef, sockets, .flags = ROW_REQUIRED, .min = 1, .max = UINT32_MAX,
                               .doc = "sockets"),
                          ATTR("dies", CpuDef, dies, .min = 1, .max = UINT32_MAX, .doc = "dies of a socket"),
                          ATTR("cores", CpuDef, cores, .flags = ROW_REQUIRED, .min = 1, .max = UINT32_MAX,
                               .doc = "cores of a die"),
                          ATTR("threads", CpuDef, threads, .flags = ROW_REQUIRED, .min = 1, .max = UINT32_MAX,
                               .doc = "threads of a core")),
                     .show = cpu_has_topology, .doc = "how the vCPUs are arranged"),
               GROUP("cache",
                     ROWS(ATTR("level", CpuDef, cache_level, .max = 3, .doc = "cache level"),
                          ATTR("mode", CpuDef, cache_mode, .flags = ROW_REQUIRED,
                               .names = &cpu_cache_mode_names, .doc = "what the guest sees")),
                     .flags = ROW_SINGLE, .bad_code = ERROR_XML_INVALID,
                     .doc = "the cache that the guest sees"),
               GROUP("maxphysaddr",
                     ROWS(ATTR("mode", CpuDef, maxphysaddr_mode, .flags = ROW_REQUIRED,
                               .names = &cpu_max_phys_addr_mode_names, .doc = "how it is chosen"),
                          ATTR("bits", CpuDef, maxphysaddr_bits, .max = UINT32_MAX, .doc = "bits"),
                          ATTR("limit", CpuDef, maxphysaddr_limit, .max = UINT32_MAX, .doc = "bits at most")),
                     .doc = "size of physical addresses"),
               LIST("feature", CpuDef, features, &cpu_feature_table,
                    .doc = "features that differ from the model"),
               GROUP("numa",
                     ROWS(LIST("cell", CpuDef, numa, &numa_cell_table, .doc = "a node"),
                          GROUP("interconnects",
                                ROWS(LIST("latency", CpuDef, latencies, &latency_table, .doc = "a latency"),
                                     LIST("bandwidth", CpuDef, bandwidths, &memory_bandwidth_table,
                                          .doc = "a bandwidth")),
                                .doc = "latencies and bandwidths between cells")),
                     .doc = "NUMA nodes of the guest")),
          KEEPS(CpuDef), .finish = cpu_finish, .doc = "The CPU that the guest sees.");

/* ---- features ---- */

#define STATE(Type, member, ...)                                                                             \
    ATTR("state", Type, member, .names = &tristate_on_off_names, .doc = "on or off", __VA_ARGS__)
#define NEEDED .flags = ROW_REQUIRED
/* A child element that is nothing but a switch. */
#define SWITCH(text, Type, member, what) GROUP(text, ROWS(STATE(Type, member, NEEDED)), .doc = what)

static const XmlTable hyperv_table =
    TABLE(HypervFeatures, "hyperv",
          ROWS(ATTR("mode", HypervFeatures, mode, .names = &hyperv_mode_names, .fallback = "custom",
                    .doc = "which features: those listed or all that the host has"),
               SWITCH("relaxed", HypervFeatures, relaxed, "relaxed timer checks"),
               SWITCH("vapic", HypervFeatures, vapic, "virtual APIC"),
               GROUP("spinlocks",
                     ROWS(STATE(HypervFeatures, spinlocks, NEEDED),
                          ATTR("retries", HypervFeatures, spinlock_retries, .min = 4095, .max = UINT32_MAX,
                               .doc = "attempts before the host is told")),
                     .doc = "spinlock hints"),
               SWITCH("vpindex", HypervFeatures, vpindex, "virtual processor index"),
               SWITCH("runtime", HypervFeatures, runtime, "processor time in guest and host"),
               SWITCH("synic", HypervFeatures, synic, "synthetic interrupt controller"),
               GROUP("stimer",
                     ROWS(STATE(HypervFeatures, stimer, NEEDED),
                          SWITCH("direct", HypervFeatures, stimer_direct,
                                 "timers send interrupts themselves")),
                     .doc = "synthetic timers"),
               SWITCH("reset", HypervFeatures, reset, "reset by the hypervisor"),
               GROUP("vendor_id",
                     ROWS(STATE(HypervFeatures, vendor_id, NEEDED),
                          ATTR("value", HypervFeatures, vendor_id_value, .doc = "at most 12 characters")),
                     .doc = "vendor of the hypervisor"),
               SWITCH("frequencies", HypervFeatures, frequencies, "frequency registers"),
               SWITCH("reenlightenment", HypervFeatures, reenlightenment, "notice after migration"),
               SWITCH("tlbflush", HypervFeatures, tlbflush, "TLB flushes by the hypervisor"),
               SWITCH("ipi", HypervFeatures, ipi, "interrupts between vCPUs by the hypervisor"),
               SWITCH("evmcs", HypervFeatures, evmcs, "enlightened VMCS"),
               SWITCH("avic", HypervFeatures, avic, "APIC virtualization by hardware")),
          .unknown_code = ERROR_CONFIG_UNSUPPORTED, .doc = "What Windows guests like to find.");

static const XmlTable kvm_features_table =
    TABLE(KvmFeatures, "kvm",
          ROWS(SWITCH("hidden", KvmFeatures, hidden, "hide KVM from the guest"),
               SWITCH("hint-dedicated", KvmFeatures, hint_dedicated, "the vCPUs have CPUs of their own"),
               SWITCH("poll-control", KvmFeatures, poll_control, "the guest polls before it halts"),
               SWITCH("pv-ipi", KvmFeatures, pv_ipi, "interrupts between vCPUs by the hypervisor"),
               GROUP("dirty-ring",
                     ROWS(STATE(KvmFeatures, dirty_ring, NEEDED),
                          ATTR("size", KvmFeatures, dirty_ring_size, .max = UINT32_MAX,
                               .doc = "entries: a power of two, 1024 to 65536")),
                     .doc = "how changed memory is tracked")),
          .unknown_code = ERROR_CONFIG_UNSUPPORTED, .doc = "What KVM offers to the guest.");

/* <pmu/> without a state means on. */
static bool features_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    FeaturesDef *features = base;
    struct {
        bool there;
        Tristate *state;
    } switches[] = {
        { features->has_pmu, &features->pmu }, { features->has_vmport, &features->vmport },
        { features->has_smm, &features->smm }, { features->has_vmcoreinfo, &features->vmcoreinfo },
        { features->has_hap, &features->hap }, { features->has_pvspinlock, &features->pvspinlock },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (switches[i].there && *switches[i].state == TRISTATE_ABSENT)
            *switches[i].state = TRISTATE_ON;
    }
    if (features->smm != TRISTATE_ON)
        features->smm_tseg_bytes = 0;
    HypervFeatures *hyperv = features->hyperv;
    if (hyperv && hyperv->mode == HYPERV_MODE_ABSENT)
        hyperv->mode = HYPERV_MODE_CUSTOM;
    if (hyperv && hyperv->vendor_id_value && strlen(hyperv->vendor_id_value) > 12)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "the vendor id has at most 12 characters");
    if (hyperv && hyperv->spinlocks == TRISTATE_ON && !hyperv->spinlock_retries)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "Hyper-V spinlocks need a number of retries");
    return true;
}

#define FOREIGN(text, flag, state_field, what)                                                               \
    GROUP_FLAG(text, FeaturesDef, flag, ROWS(STATE(FeaturesDef, state_field, NEEDED)),                       \
               REFUSED("only pSeries guests have it"), .doc = what)
#define FEATURE(text, flag, state_field, what, ...)                                                          \
    GROUP_FLAG(text, FeaturesDef, flag, ROWS(STATE(FeaturesDef, state_field)), .doc = what, __VA_ARGS__)

const XmlTable features_table =
    TABLE(FeaturesDef, "features",
          ROWS(FLAG("acpi", FeaturesDef, acpi, .doc = "ACPI: needed for an orderly shutdown"),
               GROUP_FLAG("apic", FeaturesDef, apic,
                          ROWS(ATTR("eoi", FeaturesDef, apic_eoi, .names = &tristate_on_off_names,
                                    .doc = "fast end of interrupt")),
                          HARMLESS, .doc = "APIC"),
               FLAG("pae", FeaturesDef, pae, HARMLESS, .doc = "physical address extension"),
               FEATURE("hap", has_hap, hap, "hardware assisted paging", HARMLESS),
               FLAG("viridian", FeaturesDef, viridian, HARMLESS, .doc = "Viridian extensions (Xen)"),
               FLAG("privnet", FeaturesDef, privnet, HARMLESS, .doc = "private network (containers)"),
               OBJECT("hyperv", FeaturesDef, hyperv, &hyperv_table, .flags = ROW_EMPTY_OK | ROW_LONG,
                      .doc = "Hyper-V enlightenments"),
               OBJECT("kvm", FeaturesDef, kvm, &kvm_features_table, .flags = ROW_EMPTY_OK | ROW_LONG,
                      .doc = "KVM features"),
               KEPT("xen", REFUSED("only Xen guests have it"), .doc = "Xen features"),
               FEATURE("pvspinlock", has_pvspinlock, pvspinlock, "paravirtual spinlocks"),
               GROUP_FLAG("gic", FeaturesDef, has_gic,
                          ROWS(ATTR("version", FeaturesDef, gic_version, .names = &gic_version_names,
                                    .doc = "version")),
                          REFUSED("only ARM machines have it"),
                          .doc = "interrupt controller of ARM machines"),
               FEATURE("pmu", has_pmu, pmu, "performance counters"),
               FEATURE("vmport", has_vmport, vmport, "VMware I/O port"),
               GROUP_FLAG("smm", FeaturesDef, has_smm,
                          ROWS(STATE(FeaturesDef, smm),
                               CHILD("tseg", FeaturesDef, smm_tseg_bytes, .unit = XML_UNIT_PRETTY_MIB,
                                     .max = INT64_MAX, .doc = "memory for it")),
                          .doc = "system management mode"),
               GROUP("ioapic",
                     ROWS(ATTR("driver", FeaturesDef, ioapic, .names = &ioapic_driver_names,
                               .doc = "who has it: kernel or QEMU")),
                     .doc = "I/O APIC"),
               GROUP("hpt",
                     ROWS(ATTR("resizing", FeaturesDef, hpt_resizing, REFUSED("only pSeries guests have it"),
                               .names = &hpt_resizing_names, .doc = "or not"),
                          CHILD("maxpagesize", FeaturesDef, hpt_max_page_bytes,
                                REFUSED("only pSeries guests have it"), .unit = XML_UNIT_PRETTY,
                                .max = INT64_MAX, .doc = "largest page")),
                     .doc = "page table of pSeries guests"),
               FEATURE("vmcoreinfo", has_vmcoreinfo, vmcoreinfo, "crash information for dumps"),
               FOREIGN("htm", has_htm, htm, "transactional memory of pSeries"),
               FOREIGN("nested-hv", has_nested_hv, nested_hv, "nested hypervisor of pSeries"),
               KEPT("msrs", .custom = &msrs_check,
                    REFUSED("only bhyve does it for one machine; for all of them: kvm.ignore_msrs=1"),
                    .doc = "unknown model specific registers"),
               FOREIGN("ccf-assist", has_ccf_assist, ccf_assist, "count cache flush"),
               KEPT("cfpc", REFUSED("only pSeries guests have it"), .doc = "pSeries mitigation"),
               KEPT("sbbc", REFUSED("only pSeries guests have it"), .doc = "pSeries mitigation"),
               KEPT("ibs", REFUSED("only pSeries guests have it"), .doc = "pSeries mitigation"),
               GROUP("tcg",
                     ROWS(CHILD("tb-cache", FeaturesDef, tcg_tb_cache_bytes, .unit = XML_UNIT_KIB,
                                .max = INT64_MAX, .doc = "size")),
                     .doc = "QEMU's translator"),
               GROUP_FLAG("async-teardown", FeaturesDef, has_async_teardown,
                          ROWS(ATTR("enabled", FeaturesDef, async_teardown, .names = &tristate_yes_no_names,
                                    .doc = "or not")),
                          .doc = "QEMU's memory is given back in the background when it ends"),
               KEPT("capabilities", REFUSED("only containers have it"),
                    .doc = "capabilities of a container")),
          KEEPS(FeaturesDef), .finish = features_finish, .unknown_code = ERROR_CONFIG_UNSUPPORTED,
          .doc = "Features of the hypervisor.");

/* ---- clock ---- */

static const XmlTable timer_table =
    TABLE(TimerDef, "timer",
          ROWS(ATTR("name", TimerDef, name, .names = &timer_name_names, .flags = ROW_REQUIRED,
                    .doc = "which timer"),
               ATTR("present", TimerDef, present, .names = &tristate_yes_no_names,
                    .doc = "whether the guest has it"),
               ATTR("tickpolicy", TimerDef, tickpolicy, .names = &timer_tick_policy_names,
                    .doc = "what happens to missed ticks"),
               ATTR("track", TimerDef, track, .names = &timer_track_names, .doc = "what the timer follows"),
               ATTR("frequency", TimerDef, frequency_hz, .max = UINT64_MAX, .doc = "hertz"),
               ATTR("mode", TimerDef, mode, HARMLESS, .names = &timer_mode_names,
                    .doc = "how the timer works"),
               GROUP_FLAG("catchup", TimerDef, has_catchup,
                          ROWS(ATTR("threshold", TimerDef, catchup_threshold, .max = UINT32_MAX,
                                    .doc = "microseconds"),
                               ATTR("slew", TimerDef, catchup_slew, .max = UINT32_MAX, .doc = "speed"),
                               ATTR("limit", TimerDef, catchup_limit, .max = UINT32_MAX, .doc = "limit")),
                          HARMLESS, .doc = "how missed ticks are caught up; QEMU's RTC has its own way")),
          .doc = "A timer of the guest.");

static bool read_adjustment(const char *text, void *base, Error **err)
{
    ClockDef *clock = base;
    clock->adjustment_reset = strcmp(text, "reset") == 0;
    if (clock->adjustment_reset)
        return true;
    int64_t seconds = 0;
    if (!parse_int(text, &seconds, err))
        return false;
    clock->adjustment_s = (OptS64){ seconds, true };
    return true;
}

static bool write_adjustment(const void *base, unsigned flags, GString *out)
{
    const ClockDef *clock = base;
    if (clock->offset == CLOCK_OFFSET_VARIABLE) {
        g_string_append_printf(out, "%" G_GINT64_FORMAT, clock->adjustment_s.value);
        return true;
    }
    if (clock->adjustment_reset)
        g_string_append(out, "reset");
    else if (clock->adjustment_s.is_set)
        g_string_append_printf(out, "%" G_GINT64_FORMAT, clock->adjustment_s.value);
    return clock->adjustment_reset || clock->adjustment_s.is_set;
}
static const XmlCodec adjustment_codec = { read_adjustment, write_adjustment, "reset|-?[0-9]+" };

static bool clock_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    ClockDef *clock = base;
    if (clock->offset == CLOCK_OFFSET_TIMEZONE && !clock->timezone)
        return xml_error(reader, element, ERROR_INTERNAL, err, "attribute 'timezone' is missing");
    if (clock->offset == CLOCK_OFFSET_ABSOLUTE && !clock->start_s.is_set)
        return xml_error(reader, element, ERROR_INTERNAL, err, "attribute 'start' is missing");
    /* A fixed difference to a base is what a variable one starts from. */
    bool is_based = clock->offset == CLOCK_OFFSET_UTC || clock->offset == CLOCK_OFFSET_LOCALTIME;
    if (is_based && clock->adjustment_s.is_set) {
        clock->basis = clock->offset == CLOCK_OFFSET_UTC ? CLOCK_BASIS_UTC : CLOCK_BASIS_LOCALTIME;
        clock->offset = CLOCK_OFFSET_VARIABLE;
    }
    if (clock->offset == CLOCK_OFFSET_VARIABLE && clock->basis == CLOCK_BASIS_ABSENT)
        clock->basis = CLOCK_BASIS_UTC;
    return true;
}

static void clock_init(void *base)
{
    ((ClockDef *)base)->offset = CLOCK_OFFSET_UTC;
}

#define TYPE(mask) ONLY(ClockDef, offset, mask)
const XmlTable clock_table =
    TABLE(ClockDef, "clock",
          ROWS(ATTR("offset", ClockDef, offset, .names = &clock_offset_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "utc", .flags = ROW_MAY_BE_EMPTY,
                    .doc = "what the guest's clock shows"),
               CODEC_ATTR("adjustment", &adjustment_codec,
                          TYPE(BIT(CLOCK_OFFSET_UTC) | BIT(CLOCK_OFFSET_LOCALTIME) |
                               BIT(CLOCK_OFFSET_VARIABLE)),
                          .flags = ROW_MAY_BE_EMPTY,
                          .doc = "seconds between the guest's clock and the base; reset: never keep one"),
               ATTR("basis", ClockDef, basis, .names = &clock_basis_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, TYPE(BIT(CLOCK_OFFSET_VARIABLE)),
                    .flags = ROW_MAY_BE_EMPTY, .doc = "what the adjustment is added to"),
               ATTR("adjustment0", ClockDef, adjustment0_s, TYPE(BIT(CLOCK_OFFSET_VARIABLE)),
                    .flags = ROW_LIVE, .max = UINT64_MAX, .doc = "adjustment at start"),
               ATTR("timezone", ClockDef, timezone, TYPE(BIT(CLOCK_OFFSET_TIMEZONE)),
                    .doc = "name of the time zone"),
               ATTR("start", ClockDef, start_s, TYPE(BIT(CLOCK_OFFSET_ABSOLUTE)), .text_code = ERROR_INTERNAL,
                    .max = UINT64_MAX, .doc = "seconds since 1970 at start"),
               LIST("timer", ClockDef, timers, &timer_table, .doc = "timers of the guest")),
          .init = clock_init, .finish = clock_finish, .doc = "The guest's clock.");