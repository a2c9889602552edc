/* Rules about what the machine gets of the host: vCPUs, threads, memory and where they are placed; what it is
 * kept from by labels; what happens at its end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <inttypes.h>
#include <string.h>

#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"

/* ---- vCPUs and threads ---- */

static bool check_vcpu(const DomainDef *def, const VcpuDef *vcpu, Error **err)
{
    if (vcpu->id == 0 && vcpu->enabled == TRISTATE_OFF)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "vcpu 0 can't be offline");
    if (vcpu->id == 0 && vcpu->hotpluggable == TRISTATE_ON)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "vcpu0 can't be hotpluggable");
    if (vcpu->id == 0 && vcpu->order > 1)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "vcpu0 must be enabled first");
    if (vcpu->enabled == TRISTATE_OFF && vcpu->hotpluggable == TRISTATE_OFF)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "vcpu '%u' is both offline and not hotpluggable",
                         vcpu->id);
    return true;
}

/* Of those that are there all have a place in the order or none, and what can't go comes before what can. */
static bool check_vcpu_order(const DomainDef *def, Error **err)
{
    uint32_t first_hotpluggable = UINT32_MAX, last_fixed = 0;
    unsigned n_online = 0, n_ordered = 0;

    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list)) {
        if (vcpu->enabled == TRISTATE_OFF)
            continue;
        n_online++;
        n_ordered += vcpu->order != 0;
        if (vcpu->hotpluggable == TRISTATE_ON)
            first_hotpluggable = MIN(first_hotpluggable, vcpu->id);
        else
            last_fixed = MAX(last_fixed, vcpu->id);
    }
    if (n_ordered && n_ordered != n_online)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "all vcpus must have either set or unset order");
    return last_fixed < first_hotpluggable ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "online non-hotpluggable vcpus need to be ordered prior to hotplugable vcpus");
}

static bool check_vcpus(const DomainDef *def, Error **err)
{
    if (def->vcpus_current.is_set && def->vcpus_current.value > def->vcpus)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "maximum vCPU count must not be less than current vcpus (%u < %u)", def->vcpus,
                         def->vcpus_current.value);
    if (def->vcpus > 255 && domain_is_x86(def) && domain_is_q35(def) &&
        !(def->iommu && def->iommu->eim == TRISTATE_ON))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "more than 255 vCPUs require extended interrupt mode enabled on the iommu device");
    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list)) {
        if (vcpu->id >= def->vcpus)
            return error_set(err, ERROR_XML_INVALID, "vcpu id '%u' is out of range of maximum vcpu count %u",
                             vcpu->id, def->vcpus);
    }
    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list)) {
        if (!check_vcpu(def, vcpu, err))
            return false;
    }
    return check_vcpu_order(def, err);
}

bool domain_has_iothread(const DomainDef *def, uint32_t id)
{
    for (DEF_EACH(IothreadDef, thread, def->iothread_list)) {
        if (thread->id == id)
            return true;
    }
    return id && id <= def->iothreads.value && !def->iothread_list;
}

static bool check_pool(OptS64 pool_min, OptS64 pool_max, Error **err)
{
    if (pool_max.is_set && pool_max.value <= 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "thread_pool_max must be a positive integer");
    /* To the reference, no upper bound is one that nothing is below. */
    return !pool_min.is_set || (pool_max.is_set && pool_min.value <= pool_max.value) ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "thread_pool_min must be smaller or equal to thread_pool_max");
}

static bool check_iothreads(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL);
    for (DEF_EACH(IothreadDef, thread, def->iothread_list)) {
        if (!g_hash_table_add(ids, GUINT_TO_POINTER(thread->id)))
            return error_set(err, ERROR_XML_INVALID, "duplicate iothread id '%u' found", thread->id);
        if (!check_pool(thread->pool_min, thread->pool_max, err))
            return false;
    }
    return !def->main_loop || check_pool(def->main_loop->pool_min, def->main_loop->pool_max, err);
}

/* ---- CPU time and places ---- */

static bool check_quota(OptS64 quota, const char *name, Error **err)
{
    return !quota.is_set || quota.value <= 0 || quota.value >= 1000 ||
           error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "Value of cputune '%s' must be in range [1000, 17592186044415]", name);
}

static bool check_pins(const DomainDef *def, const CpuTune *tune, Error **err)
{
    g_autoptr(GHashTable) vcpus = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) threads = g_hash_table_new(NULL, NULL);
    for (DEF_EACH(CpuPin, pin, tune->vcpu_pins)) {
        if (!g_hash_table_add(vcpus, GUINT_TO_POINTER(pin->id)))
            return error_set(err, ERROR_INTERNAL, "duplicate vcpupin for vcpu '%u'", pin->id);
    }
    for (DEF_EACH(CpuPin, pin, tune->iothread_pins)) {
        if (!pin->id)
            return error_set(err, ERROR_XML_INVALID,
                             "Invalid value for attribute 'iothread' in element 'iothreadpin': Zero is not "
                             "permitted");
        if (!domain_has_iothread(def, pin->id))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Cannot find 'iothread' : %u", pin->id);
        if (!g_hash_table_add(threads, GUINT_TO_POINTER(pin->id)))
            return error_set(err, ERROR_INTERNAL, "duplicate iothreadpin for iothread '%u'", pin->id);
    }
    return true;
}

/* @scheds are in the order of their threads, of which each has one. */
static bool check_scheds(const DomainDef *def, const GPtrArray *scheds, bool of_iothreads, Error **err)
{
    int last = -1;

    for (DEF_EACH(SchedDef, sched, scheds)) {
        const int id = cpuset_next(sched->threads, -1);
        if (id == last)
            return error_set(err, ERROR_XML_SYNTAX, "'%s' attributes '%s' must not overlap",
                             of_iothreads ? "iothreadsched" : "vcpusched",
                             of_iothreads ? "iothreads" : "vcpus");
        if (of_iothreads && !domain_has_iothread(def, (uint32_t)id))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Cannot find 'iothread' : %d", id);
        if (!of_iothreads && (uint32_t)id >= def->vcpus)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "vCPU '%d' is not present in domain definition",
                             id);
        last = id;
    }
    return true;
}

static bool check_cputune(const DomainDef *def, Error **err)
{
    const CpuTune *tune = def->cputune;
    if (tune && tune->kept && def->type != VIRT_TYPE_KVM)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s is only supported for KVM domains",
                         tune->kept->row->name);
    return !tune || (check_quota(tune->quota_us, "quota", err) &&
                     check_quota(tune->global_quota_us, "global_quota", err) &&
                     check_quota(tune->emulator_quota_us, "emulator_quota", err) &&
                     check_quota(tune->iothread_quota_us, "iothread_quota", err) &&
                     check_pins(def, tune, err) && check_scheds(def, tune->vcpu_scheds, false, err) &&
                     check_scheds(def, tune->iothread_scheds, true, err));
}

static bool check_perf(const DomainDef *def, Error **err)
{
    PerfEvent last = PERF_EVENT_ABSENT;

    for (DEF_EACH(PerfEventDef, event, def->perf_events)) {
        if (event->name == last)
            return error_set(err, ERROR_XML_INVALID, "perf event '%s' was already specified",
                             enum_name(&perf_event_names, event->name));
        last = event->name;
    }
    return true;
}

static bool check_memnodes(const DomainDef *def, const NumaTune *tune, Error **err)
{
    unsigned n_cells = def->cpu ? def_list_len(def->cpu->numa) : 0;
    g_autoptr(GHashTable) cells = g_hash_table_new(NULL, NULL);
    if (!tune->nodes)
        return true;
    if (!n_cells)
        return error_set(err, ERROR_XML_INVALID, "Element 'memnode' is invalid without any guest NUMA cells");
    if (tune->placement == CPU_PLACEMENT_AUTO)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Per-node binding is not compatible with automatic NUMA placement.");
    for (DEF_EACH(NumaTuneNode, node, tune->nodes)) {
        if (node->cell >= n_cells)
            return error_set(err, ERROR_XML_INVALID,
                             "Argument 'cellid' in memnode element must correspond to existing guest's NUMA "
                             "cell");
        if (!g_hash_table_add(cells, GUINT_TO_POINTER(node->cell)))
            return error_set(err, ERROR_XML_INVALID, "Multiple memnode elements with cellid %u", node->cell);
        if (tune->mode == NUMA_MODE_RESTRICTIVE && node->mode != NUMA_MODE_RESTRICTIVE)
            return error_set(err, ERROR_XML_INVALID,
                             "'restrictive' mode is required in memnode element when mode is 'restrictive' "
                             "in "
                             "memory element");
    }
    return true;
}

static bool check_numatune(const DomainDef *def, Error **err)
{
    const NumaTune *tune = def->numatune;
    if (!tune)
        return true;
    if (tune->mode != NUMA_MODE_ABSENT && !tune->nodeset && tune->placement != CPU_PLACEMENT_AUTO)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "nodeset for NUMA memory tuning must be set if 'placement' is 'static'");
    return check_memnodes(def, tune, err);
}

/* ---- memory ---- */

static bool check_huge_pages(const DomainDef *def, const MemoryBacking *backing, Error **err)
{
    unsigned n_cells = def->cpu ? def_list_len(def->cpu->numa) : 0;
    for (unsigned i = 0; i < def_list_len(backing->pages); i++) {
        const HugePage *page = g_ptr_array_index(backing->pages, i);
        int last = -1;
        for (int node = cpuset_next(page->nodeset, -1); node >= 0; node = cpuset_next(page->nodeset, node))
            last = node;
        if (last >= 0 && (unsigned)last >= MAX(n_cells, 1))
            return error_set(err, ERROR_XML_SYNTAX, "hugepages: node %d not found", last);
        for (unsigned k = 0; k < i; k++) {
            const HugePage *other = g_ptr_array_index(backing->pages, k);
            if (!page->nodeset && !other->nodeset)
                return error_set(err, ERROR_XML_SYNTAX,
                                 "two master hugepages detected: %" PRIu64 " and %" PRIu64,
                                 page->size_bytes / 1024, other->size_bytes / 1024);
            for (int node = cpuset_next(page->nodeset, -1); node >= 0;
                 node = cpuset_next(page->nodeset, node)) {
                if (other->nodeset && cpuset_has(other->nodeset, (unsigned)node))
                    return error_set(err, ERROR_XML_SYNTAX,
                                     "nodeset attribute of hugepages of sizes %" PRIu64 " and %" PRIu64
                                     " intersect",
                                     page->size_bytes / 1024, other->size_bytes / 1024);
            }
        }
    }
    return true;
}

static bool check_memory(const DomainDef *def, Error **err)
{
    const MemoryBacking *backing = def->memory_backing;
    if (def->memtune && def->memtune->min_guarantee.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Parameter 'min_guarantee' not supported by QEMU.");
    if (def->max_memory_bytes && domain_is_x86(def) && !(def->cpu && def_list_len(def->cpu->numa)))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "At least one numa node has to be configured when enabling memory hotplug");
    if (!backing)
        return true;
    if (backing->hugepages && backing->source == MEMORY_SOURCE_ANONYMOUS)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "hugepages are not allowed with anonymous memory source");
    if (backing->hugepages && backing->allocation == MEMORY_ALLOCATION_ONDEMAND)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "hugepages are not allowed with memory allocation ondemand");
    return check_huge_pages(def, backing, err);
}

/* ---- labels, and what happens at the end ---- */

static bool check_label(const SecurityLabel *label, Error **err)
{
    if (label->type == SECLABEL_STATIC && !label->label)
        return error_set(err, ERROR_XML_INVALID, "security label is missing");
    if (label->type == SECLABEL_DYNAMIC && label->relabel == TRISTATE_OFF)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "dynamic label type must use resource relabeling");
    if (label->type == SECLABEL_NONE && label->relabel == TRISTATE_ON)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "resource relabeling is not compatible with 'none' label type");
    return true;
}

bool domain_check_labels(const GPtrArray *labels, bool of_source, Error **err)
{
    g_autoptr(GHashTable) models = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned i = 0; i < def_list_len(labels); i++) {
        const SecurityLabel *label = g_ptr_array_index(labels, i);
        if (!of_source && !label->model && label->type == SECLABEL_TYPE_ABSENT)
            return error_set(err, ERROR_XML_INVALID, "missing security model in domain seclabel");
        if (!of_source && !label->model && labels->len > 1)
            return error_set(err, ERROR_XML_INVALID, "missing security model when using multiple labels");
        if (of_source && label->label && label->relabel == TRISTATE_OFF)
            return error_set(err, ERROR_XML_INVALID,
                             "Cannot specify a label if relabelling is turned off. model=%s",
                             label->model ?: "");
        if (!g_hash_table_add(models, (char *)(label->model ?: "")))
            return error_set(err, ERROR_XML_SYNTAX, "seclabel for model %s is already provided",
                             label->model ?: "");
        if (!of_source && !check_label(label, err))
            return false;
    }
    return true;
}

static bool check_lifecycle(const DomainDef *def, Error **err)
{
    const LifecycleAction reboot = def->on_reboot, poweroff = def->on_poweroff, crash = def->on_crash;
    if (poweroff > LIFECYCLE_ACTION_PRESERVE || reboot > LIFECYCLE_ACTION_PRESERVE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Lifecycle event '%s' doesn't support '%s' action",
                         poweroff > LIFECYCLE_ACTION_PRESERVE ? "poweroff" : "reboot",
                         enum_name(&lifecycle_action_names,
                                   poweroff > LIFECYCLE_ACTION_PRESERVE ? poweroff : reboot));
    if (poweroff == LIFECYCLE_ACTION_RESTART_RENAME || reboot == LIFECYCLE_ACTION_RESTART_RENAME ||
        crash == LIFECYCLE_ACTION_RESTART_RENAME)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "qemu driver doesn't support the 'rename-restart' action for "
                         "'on_reboot'/'on_poweroff'/'on_crash'");
    if (poweroff == LIFECYCLE_ACTION_PRESERVE || reboot == LIFECYCLE_ACTION_PRESERVE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'");
    if (reboot == LIFECYCLE_ACTION_DESTROY && poweroff == LIFECYCLE_ACTION_RESTART)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "qemu driver doesn't support 'onReboot' set to 'destroy and 'onPoweroff' set to "
                         "'reboot'");
    return true;
}

bool domain_is_x86(const DomainDef *def)
{
    return def->os.arch == ARCH_X86_64 || def->os.arch == ARCH_I686;
}

bool domain_check_tuning(const DomainDef *def, Error **err)
{
    return check_vcpus(def, err) && check_iothreads(def, err) && check_cputune(def, err) &&
           check_perf(def, err) && check_numatune(def, err) && check_memory(def, err) &&
           check_lifecycle(def, err);
}
