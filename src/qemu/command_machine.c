/* The machine itself: type, accelerator, CPU, memory, clock, boot, SMBIOS. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"
#include "host/cpu.h"
#include "qemu/command_private.h"

#define MIB (UINT64_C(1) << 20)
#define KIB UINT64_C(1024)
#define SMALL_PAGE_BYTES 4096

static bool is_x86(const DomainDef *def)
{
    return def->os.arch == ARCH_X86_64 || def->os.arch == ARCH_I686;
}

static void option_tristate(GString *out, const char *name, Tristate value)
{
    if (value != TRISTATE_ABSENT)
        g_string_append_printf(out, ",%s=%s", name, value == TRISTATE_ON ? "on" : "off");
}

/* Is anything told of the speed of the cells' memory? */
static bool has_hmat(const CpuDef *cpu)
{
    if (!cpu)
        return false;
    for (DEF_EACH(NumaCell, cell, cpu->numa)) {
        if (def_list_len(cell->caches))
            return true;
    }
    return def_list_len(cpu->latencies) || def_list_len(cpu->bandwidths);
}

/* ---- -machine, -accel ---- */

static bool machine_uses_ram_backend(const PlanContext *c)
{
    return c->machine->default_ram_id && *c->machine->default_ram_id &&
           !(c->def->cpu && def_list_len(c->def->cpu->numa));
}

static void build_pflash_drive(const PlanContext *c, Plan *plan, unsigned unit, const char *driver,
                               const char *path, bool readonly)
{
    Json *storage = json_object();
    g_autofree char *storage_node = g_strdup_printf("libvirt-pflash%u-storage", unit);
    prop_str(storage, "driver", driver);
    prop_str(storage, "filename", path);
    prop_str(storage, "node-name", storage_node);
    prop_bool(storage, "auto-read-only", true);
    prop_str(storage, "discard", "unmap");
    plan_add(plan, PLAN_BLOCKDEV, storage);
    Json *format = json_object();
    prop_format(format, "node-name", "libvirt-pflash%u-format", unit);
    prop_bool(format, "read-only", readonly);
    prop_str(format, "driver", "raw");
    prop_str(format, "file", storage_node);
    plan_add(plan, PLAN_BLOCKDEV, format);
}

/* The drives; *machine gets the options that name them. */
static bool build_firmware(const PlanContext *c, Plan *plan, GString *machine, Error **err)
{
    const OsDef *os = &c->def->os;
    const OsLoader *loader = os->loader;
    if (os->firmware) /* firmware_choose() was not called */
        return error_set(err, ERROR_OPERATION_FAILED, "Unable to find any firmware to satisfy '%s'",
                         enum_name(&os_firmware_names, os->firmware));
    if (!loader || !loader->path)
        return true;
    plan_at(plan, "/domain/os/loader");
    if (loader->type != LOADER_TYPE_PFLASH) {
        plan_text(plan, "-bios", "%s", loader->path);
        return true;
    }
    build_pflash_drive(c, plan, 0, "file", loader->path, loader->readonly == TRISTATE_ON);
    g_string_append(machine, ",pflash0=libvirt-pflash0-format");
    if (!os->nvram)
        return true;
    plan_at(plan, "/domain/os/nvram");
    if (!os->nvram->path)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "firmware variables in a source of type '%s' are not supported by this version",
                         enum_name(&storage_type_names, os->nvram->source_type));
    build_pflash_drive(c, plan, 1, os->nvram->source_type == STORAGE_BLOCK ? "host_device" : "file",
                       os->nvram->path, false);
    g_string_append(machine, ",pflash1=libvirt-pflash1-format");
    return true;
}

static void build_machine_features(const PlanContext *c, Plan *plan, GString *machine)
{
    const FeaturesDef *features = c->def->features;
    if (!features)
        return;
    if (features->has_vmport)
        option_tristate(machine, "vmport", features->vmport);
    if (features->has_smm)
        option_tristate(machine, "smm", features->smm == TRISTATE_ABSENT ? TRISTATE_ON : features->smm);
    if (features->ioapic == IOAPIC_DRIVER_QEMU)
        g_string_append(machine, ",kernel_irqchip=split");
    else if (features->ioapic == IOAPIC_DRIVER_KVM)
        g_string_append(machine, ",kernel_irqchip=on");
}

static void build_globals(const PlanContext *c, Plan *plan)
{
    const FeaturesDef *features = c->def->features;
    if (c->def->os.loader && c->def->os.loader->secure == TRISTATE_ON) {
        plan_at(plan, "/domain/os/loader/@secure"); /* only code in SMM writes the variables */
        plan_text(plan, "-global", "driver=cfi.pflash01,property=secure,value=on");
    }
    if (is_x86(c->def) && (!features || !features->acpi)) {
        plan_at(plan, "/domain/features");
        plan_flag(plan, "-no-acpi");
    }
    if (features && features->smm_tseg_bytes) {
        plan_at(plan, "/domain/features/smm/tseg");
        plan_text(plan, "-global", "mch.extended-tseg-mbytes=%" G_GUINT64_FORMAT,
                  features->smm_tseg_bytes / MIB);
    }
    if (features && features->has_async_teardown && features->async_teardown != TRISTATE_OFF) {
        plan_at(plan, "/domain/features/async-teardown");
        plan_flag(plan, "-async-teardown");
    }
    if (features && features->has_vmcoreinfo && features->vmcoreinfo != TRISTATE_OFF) {
        plan_at(plan, "/domain/features/vmcoreinfo");
        plan_add(plan, PLAN_DEVICE, device_new("vmcoreinfo"));
    }
}

static void build_accelerator(const PlanContext *c, Plan *plan)
{
    const FeaturesDef *features = c->def->features;
    plan_at(plan, "/domain/@type");
    if (c->def->type != VIRT_TYPE_KVM) {
        if (features && features->tcg_tb_cache_bytes)
            plan_text(plan, "-accel", "tcg,tb-size=%" G_GUINT64_FORMAT, features->tcg_tb_cache_bytes / MIB);
        else
            plan_text(plan, "-accel", "tcg");
        return;
    }
    if (features && features->kvm && features->kvm->dirty_ring == TRISTATE_ON)
        plan_text(plan, "-accel", "kvm,dirty-ring-size=%u", features->kvm->dirty_ring_size);
    else
        plan_text(plan, "-accel", "kvm");
}

bool build_machine(const PlanContext *c, Plan *plan, Error **err)
{
    const DomainDef *def = c->def;
    g_autoptr(GString) machine = g_string_new(def->os.machine);
    g_autoptr(GString) drives = g_string_new(NULL);
    bool dump_core =
        def->dump_core == TRISTATE_ABSENT ? c->env->dump_guest_core : def->dump_core == TRISTATE_ON;

    g_string_append(machine, ",usb=off");
    build_machine_features(c, plan, machine);
    g_string_append_printf(machine, ",dump-guest-core=%s", dump_core ? "on" : "off");
    if (def->memory_backing && def->memory_backing->nosharepages)
        g_string_append(machine, ",mem-merge=off");
    if (!build_firmware(c, plan, drives, err))
        return false;
    for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices)) {
        if (memory->model != MEMORY_NVDIMM)
            continue;
        g_string_append(machine, ",nvdimm=on");
        break;
    }
    if (has_hmat(def->cpu))
        g_string_append(machine, ",hmat=on");
    if (machine_uses_ram_backend(c))
        g_string_append_printf(machine, ",memory-backend=%s", c->machine->default_ram_id);
    g_string_append(machine, drives->str);
    if (def->os.bios_useserial == TRISTATE_ON)
        g_string_append(machine, ",graphics=off");
    for (DEF_EACH(SoundDef, sound, def->sounds)) {
        if (sound->model == SOUND_PCSPK)
            g_string_append_printf(machine, ",pcspk-audiodev=audio%u",
                                   sound->audio_id.is_set ? sound->audio_id.value : 1);
    }
    plan_at(plan, "/domain/os/type/@machine");
    plan_text(plan, "-machine", "%s", machine->str);
    build_accelerator(c, plan);
    build_globals(c, plan);
    return true;
}

/* ---- -cpu ---- */

static void append_escaped(GString *out, const char *before, const char *value, const char *after)
{
    g_autofree char *escaped = option_escape(value);
    g_string_append_printf(out, "%s%s%s", before, escaped, after);
}

static void cpu_hyperv(GString *cpu, const HypervFeatures *hyperv)
{
    const struct {
        const char *name;
        Tristate value;
    } rows[] = {
        { "hv-relaxed", hyperv->relaxed },
        { "hv-vapic", hyperv->vapic },
        { "hv-vpindex", hyperv->vpindex },
        { "hv-runtime", hyperv->runtime },
        { "hv-synic", hyperv->synic },
        { "hv-stimer", hyperv->stimer },
        { "hv-stimer-direct", hyperv->stimer_direct },
        { "hv-reset", hyperv->reset },
        { "hv-frequencies", hyperv->frequencies },
        { "hv-reenlightenment", hyperv->reenlightenment },
        { "hv-tlbflush", hyperv->tlbflush },
        { "hv-ipi", hyperv->ipi },
        { "hv-evmcs", hyperv->evmcs },
        { "hv-avic", hyperv->avic },
    };

    if (hyperv->mode == HYPERV_MODE_PASSTHROUGH)
        g_string_append(cpu, ",hv-passthrough=on");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].value == TRISTATE_ON)
            g_string_append_printf(cpu, ",%s=on", rows[i].name);
    }
    if (hyperv->spinlocks == TRISTATE_ON)
        g_string_append_printf(cpu, ",hv-spinlocks=0x%x",
                               hyperv->spinlock_retries ? hyperv->spinlock_retries : 8191);
    if (hyperv->vendor_id == TRISTATE_ON && hyperv->vendor_id_value)
        append_escaped(cpu, ",hv-vendor-id=", hyperv->vendor_id_value, "");
}

static void cpu_timers(GString *cpu, const DomainDef *def)
{
    for (DEF_EACH(TimerDef, timer, def->clock.timers)) {
        if (timer->name == TIMER_KVMCLOCK && timer->present != TRISTATE_ABSENT)
            option_tristate(cpu, "kvmclock", timer->present);
        if (timer->name == TIMER_HYPERVCLOCK && timer->present == TRISTATE_ON)
            g_string_append(cpu, ",hv-time=on");
        if (timer->name == TIMER_TSC && timer->frequency_hz)
            g_string_append_printf(cpu, ",tsc-frequency=%" G_GUINT64_FORMAT, timer->frequency_hz);
    }
}

static void cpu_features(GString *cpu, const PlanContext *c)
{
    static const FeaturesDef none;
    const FeaturesDef *features = c->def->features ? c->def->features : &none;
    option_tristate(cpu, "kvm-pv-eoi", features->apic_eoi);
    if (features->has_pvspinlock)
        option_tristate(cpu, "kvm-pv-unhalt", features->pvspinlock);
    if (features->hyperv)
        cpu_hyperv(cpu, features->hyperv);
    for (DEF_EACH(PanicDef, panic, c->def->panics)) {
        if (panic->model == PANIC_HYPERV)
            g_string_append(cpu, ",hv-crash");
    }
    if (features->kvm) {
        if (features->kvm->hidden == TRISTATE_ON)
            g_string_append(cpu, ",kvm=off");
        if (features->kvm->hint_dedicated == TRISTATE_ON)
            g_string_append(cpu, ",kvm-hint-dedicated=on");
        if (features->kvm->poll_control == TRISTATE_ON)
            g_string_append(cpu, ",kvm-poll-control=on");
        if (features->kvm->pv_ipi == TRISTATE_OFF)
            g_string_append(cpu, ",kvm-pv-ipi=off");
    }
    if (features->has_pmu)
        option_tristate(cpu, "pmu", features->pmu);
}

static bool cpu_model(const PlanContext *c, Plan *plan, GString *cpu, Error **err)
{
    const CpuDef *def = c->def->cpu;
    bool kvm = c->def->type == VIRT_TYPE_KVM;

    switch (def->mode) {
    case CPU_MODE_HOST_PASSTHROUGH:
        if (!kvm)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "CPU mode 'host-passthrough' for %s %s domain on %s host is not supported by "
                             "hypervisor",
                             enum_name(&arch_names, c->def->os.arch), "qemu", qemu_caps_arch(c->caps));
        g_string_append(cpu, "host");
        option_tristate(cpu, "migratable", def->migratable);
        return true;
    case CPU_MODE_MAXIMUM:
        g_string_append(cpu, "max");
        option_tristate(cpu, "migratable", def->migratable);
        return true;
    case CPU_MODE_HOST_MODEL: /* qemu_resolve_cpu() was not called: nearest thing */
        g_string_append(cpu, kvm ? "host" : "max");
        return true;
    default:
        if (!def->model)
            return true;
        append_escaped(cpu, "", def->model, "");
        return true;
    }
}

bool build_cpu(const PlanContext *c, Plan *plan, Error **err)
{
    g_autoptr(GString) cpu = g_string_new(NULL);
    g_autoptr(GString) extras = g_string_new(NULL);
    const CpuDef *def = c->def->cpu;
    const bool as_host = def && (def->mode == CPU_MODE_HOST_PASSTHROUGH || def->mode == CPU_MODE_MAXIMUM);

    if (def && !cpu_model(c, plan, cpu, err))
        return false;
    if (def) {
        if (def->vendor_id)
            append_escaped(extras, ",vendor=", def->vendor_id, "");
        for (DEF_EACH(CpuFeature, feature, def->features)) {
            bool off = feature->policy == CPU_FEATURE_DISABLE || feature->policy == CPU_FEATURE_FORBID;
            append_escaped(extras, ",", cpu_feature_for_qemu(feature->name), off ? "=off" : "=on");
        }
        if (def->cache_mode == CPU_CACHE_EMULATE && def->cache_level.is_set && def->cache_level.value == 3)
            g_string_append(extras, as_host ? ",l3-cache=on,host-cache-info=off" : ",l3-cache=on");
        else if (def->cache_mode == CPU_CACHE_PASSTHROUGH)
            g_string_append(extras, ",host-cache-info=on,l3-cache=off");
        else if (def->cache_mode == CPU_CACHE_DISABLE)
            g_string_append(extras, as_host ? ",l3-cache=off,host-cache-info=off" : ",l3-cache=off");
        if (def->maxphysaddr_mode == CPU_MAXPHYSADDR_PASSTHROUGH)
            g_string_append(extras, ",host-phys-bits=on");
        else if (def->maxphysaddr_bits)
            g_string_append_printf(extras, ",phys-bits=%u", def->maxphysaddr_bits);
        if (def->maxphysaddr_mode == CPU_MAXPHYSADDR_PASSTHROUGH && def->maxphysaddr_limit)
            g_string_append_printf(extras, ",host-phys-bits-limit=%u", def->maxphysaddr_limit);
    }
    cpu_timers(extras, c->def);
    cpu_features(extras, c);

    if (!cpu->len && !extras->len)
        return true;
    if (!cpu->len)
        g_string_append(cpu, c->def->type == VIRT_TYPE_KVM && c->def->os.arch == ARCH_X86_64 ? "qemu64"
                                                                                             : "qemu64");
    plan_at(plan, def ? "/domain/cpu" : "/domain/features");
    plan_text(plan, "-cpu", "%s%s", cpu->str, extras->str);
    return true;
}

/* ---- -m, -smp, -numa, -object iothread ---- */

/* The page size that <hugepages> gives to the memory of guest cell @cell; 0: none. */
static bool huge_page_size(const PlanContext *c, unsigned cell, uint64_t *ret_bytes, const char **ret_folder,
                           Error **err)
{
    const MemoryBacking *backing = c->def->memory_backing;
    const HugePage *page = NULL;
    if (!backing || !backing->hugepages)
        return true;
    for (DEF_EACH(HugePage, row, backing->pages)) {
        if (row->nodeset ? cpuset_has(row->nodeset, cell) : !page)
            page = row;
        if (page == row && row->nodeset)
            break;
    }
    if (def_list_len(backing->pages) && !page)
        return true;
    uint64_t wanted = page ? page->size_bytes : 0;
    if (wanted && wanted <= SMALL_PAGE_BYTES) /* not huge: what every memory has */
        return true;
    for (size_t i = 0; i < c->env->n_huge_pages; i++) {
        const QemuHugePages *mount = &c->env->huge_pages[i];
        if (wanted && mount->page_bytes != wanted)
            continue;
        *ret_bytes = mount->page_bytes;
        *ret_folder = mount->folder;
        return true;
    }
    if (c->env->n_huge_pages)
        return error_set(err, ERROR_INTERNAL,
                         "Unable to find any usable hugetlbfs mount for %" G_GUINT64_FORMAT " KiB",
                         wanted / KIB);
    error_set(err, ERROR_INTERNAL, "hugetlbfs filesystem is not mounted or disabled by administrator config");
    return error_hint(err,
                      "'mount -t hugetlbfs hugetlbfs /dev/hugepages' mounts it; /proc/sys/vm/nr_hugepages is "
                      "how many pages there are");
}

/* The pages that a memory device asks for itself. */
static bool own_page_size(const PlanContext *c, uint64_t wanted, uint64_t *ret_bytes, const char **ret_folder,
                          Error **err)
{
    if (wanted <= SMALL_PAGE_BYTES)
        return true;
    for (size_t i = 0; i < c->env->n_huge_pages; i++) {
        if (c->env->huge_pages[i].page_bytes == wanted) {
            *ret_bytes = wanted;
            *ret_folder = c->env->huge_pages[i].folder;
            return true;
        }
    }
    return error_set(err, ERROR_INTERNAL,
                     "Unable to find any usable hugetlbfs mount for %" G_GUINT64_FORMAT " KiB", wanted / KIB);
}

/* Where the host takes the memory of cell @cell from (@is_whole: of the machine): policy of QEMU's and nodes;
 * NULL: wherever it likes. Restrictive mode is the control group's business. */
static const CpuSet *host_nodes(const PlanContext *c, unsigned cell, const char **ret_policy)
{
    static const char *const policies[] = { [NUMA_MODE_STRICT] = "bind",
                                            [NUMA_MODE_PREFERRED] = "preferred",
                                            [NUMA_MODE_INTERLEAVE] = "interleave" };
    const NumaTune *tune = c->def->numatune;
    const CpuSet *nodes = !tune                                   ? NULL
                          : tune->placement == CPU_PLACEMENT_AUTO ? c->env->numa_nodes
                                                                  : tune->nodeset;
    NumaMode mode = tune ? tune->mode : NUMA_MODE_ABSENT;

    for (DEF_EACH(NumaTuneNode, node, tune ? tune->nodes : NULL)) {
        if (node->cell == cell) {
            nodes = node->nodeset;
            mode = node->mode;
        }
    }
    if (!nodes || mode >= G_N_ELEMENTS(policies) || !policies[mode])
        return NULL;
    *ret_policy = policies[mode];
    return nodes;
}

static void add_host_nodes(const PlanContext *c, unsigned cell, Json *object)
{
    const char *policy = NULL;
    const CpuSet *nodes = host_nodes(c, cell, &policy);
    Json *list = nodes ? json_array() : NULL;

    for (int node = nodes ? cpuset_next(nodes, -1) : -1; node >= 0; node = cpuset_next(nodes, node))
        json_array_append_new(list, json_integer(node));
    if (!list)
        return;
    json_object_set_new(object, "host-nodes", list);
    prop_str(object, "policy", policy);
}

static void prop_host_nodes(Json *object, const CpuSet *nodes)
{
    Json *list = json_array();
    for (int node = cpuset_next(nodes, -1); node >= 0; node = cpuset_next(nodes, node))
        json_array_append_new(list, json_integer(node));
    json_object_set_new(object, "host-nodes", list);
    prop_str(object, "policy", "bind");
}

bool memory_backend(const PlanContext *c, const Ram *ram, Json **ret_object, Error **err)
{
    const MemoryBacking *backing = c->def->memory_backing;
    const char *folder = NULL;
    uint64_t page_bytes = 0;
    if (ram->path         ? false
        : ram->page_bytes ? !own_page_size(c, ram->page_bytes, &page_bytes, &folder, err)
                          : !huge_page_size(c, ram->cell, &page_bytes, &folder, err))
        return false;
    Json *object = json_object();
    const int kept_fd = ram->is_whole ? plan_fds_get(c->env->fds, QEMU_MEMORY_FD) : -1;
    bool memfd = !ram->path && backing && backing->source == MEMORY_SOURCE_MEMFD;
    MemoryAccess access = ram->access == MEMORY_ACCESS_ABSENT && backing ? backing->access : ram->access;
    /* Whether others see it can be said of a file only. */
    bool has_access =
        access != MEMORY_ACCESS_ABSENT && !(backing && backing->source == MEMORY_SOURCE_ANONYMOUS);
    bool file = !memfd && (page_bytes || ram->path || has_access || ram->access != MEMORY_ACCESS_ABSENT ||
                           ram->discard == TRISTATE_ON || (backing && backing->source == MEMORY_SOURCE_FILE));

    prop_str(object, "qom-type",
             memfd  ? "memory-backend-memfd"
             : file ? "memory-backend-file"
                    : "memory-backend-ram");
    prop_str(object, "id", ram->id);
    if (memfd && page_bytes) {
        prop_bool(object, "hugetlb", true);
        prop_uint(object, "hugetlbsize", page_bytes);
    }
    if (kept_fd >= 0) { /* a memfd has no other name */
        prop_format(object, "mem-path", "/proc/self/fd/%d", kept_fd);
    } else if (file) {
        prop_str(object, "mem-path", ram->path ? ram->path : page_bytes ? folder : c->env->lib_dir);
        /* memory without a file has nothing to discard; what lies in a file of the user's stays */
        if (!ram->path && (ram->discard != TRISTATE_ABSENT || (backing && backing->discard)))
            prop_bool(object, "discard-data", ram->discard != TRISTATE_OFF);
    }
    if (access == MEMORY_ACCESS_SHARED)
        prop_bool(object, "share", true);
    else if (access == MEMORY_ACCESS_PRIVATE &&
             (file || memfd)) /* a memfd is shared if nobody says otherwise */
        prop_bool(object, "share", false);
    if ((file || memfd) && ram->is_whole)
        prop_bool(object, "x-use-canonical-path-for-ramblock-id", false);
    if (ram->is_sparse) {
        prop_bool(object, "reserve", false);
    } else if (!ram->is_own_file && !ram->is_pmem &&
               (page_bytes || ram->path || (backing && backing->allocation == MEMORY_ALLOCATION_IMMEDIATE))) {
        prop_bool(object, "prealloc", true);
    }
    if (!ram->is_sparse && !ram->is_own_file)
        prop_some(object, "prealloc-threads", backing ? backing->allocation_threads : 0);
    prop_uint(object, "size", ram->bytes);
    prop_some(object, "align", ram->align_bytes);
    if (ram->is_pmem)
        prop_bool(object, "pmem", true);
    if (ram->is_readonly)
        prop_bool(object, "readonly", true);
    if (ram->host_nodes)
        prop_host_nodes(object, ram->host_nodes);
    else
        add_host_nodes(c, ram->cell, object);
    *ret_object = object;
    return true;
}

static uint64_t round_to_mib(uint64_t bytes)
{
    return (bytes + MIB - 1) / MIB * MIB;
}

static bool build_ram(const PlanContext *c, Plan *plan, Error **err)
{
    uint64_t bytes = round_to_mib(domain_initial_memory(c->def));
    plan_at(plan, "/domain/memory");
    if (c->def->max_memory_bytes)
        plan_text(plan, "-m", "size=%" G_GUINT64_FORMAT "k,slots=%u,maxmem=%" G_GUINT64_FORMAT "k",
                  bytes / KIB, c->def->memory_slots, c->def->max_memory_bytes / KIB);
    else
        plan_text(plan, "-m", "%" G_GUINT64_FORMAT, bytes / MIB);
    if (machine_uses_ram_backend(c)) {
        const Ram ram = { .id = c->machine->default_ram_id, .bytes = bytes, .is_whole = true };
        Json *object = NULL;
        if (!memory_backend(c, &ram, &object, err))
            return false;
        plan_add(plan, PLAN_OBJECT, object);
    }
    bool locked = c->def->memory_backing && c->def->memory_backing->locked;
    plan_at(plan, locked ? "/domain/memoryBacking/locked" : "/domain/memoryBacking");
    plan_text(plan, "-overcommit", "mem-lock=%s", locked ? "on" : "off");
    return true;
}

static void build_smp(const PlanContext *c, Plan *plan)
{
    const DomainDef *def = c->def;
    const CpuDef *cpu = def->cpu;
    unsigned current = def->vcpus_current.is_set ? def->vcpus_current.value : def->vcpus;
    /* Those that can be taken out again are plugged in before the machine runs. */
    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list))
        current -= vcpu->enabled == TRISTATE_ON && vcpu->hotpluggable == TRISTATE_ON;
    g_autoptr(GString) smp = g_string_new(NULL);

    g_string_append_printf(smp, "%u", current);
    if (current != def->vcpus)
        g_string_append_printf(smp, ",maxcpus=%u", def->vcpus);
    if (cpu && cpu->sockets) {
        g_string_append_printf(smp, ",sockets=%u", cpu->sockets);
        if (is_x86(def))
            g_string_append_printf(smp, ",dies=%u", cpu->dies ? cpu->dies : 1);
        g_string_append_printf(smp, ",cores=%u,threads=%u", cpu->cores, cpu->threads);
    } else {
        g_string_append_printf(smp, ",sockets=%u,cores=1,threads=1", def->vcpus);
    }
    plan_at(plan, "/domain/vcpu");
    plan_text(plan, "-smp", "%s", smp->str);
}

/* ---- what ACPI's HMAT tells of the cells' memory ---- */

/* The cell whose CPUs are nearest to @cell: itself, or the one that reaches it first. */
static unsigned hmat_initiator(const CpuDef *cpu, const NumaCell *cell)
{
    const MemoryLink *best = NULL;
    if (cell->cpus && cpuset_next(cell->cpus, -1) >= 0)
        return cell->id.value;
    for (DEF_EACH(MemoryLink, link, cpu->latencies)) {
        if (link->target == cell->id.value && (!best || link->latency < best->latency))
            best = link;
    }
    return best ? best->initiator : 0;
}

static void build_hmat_link(const MemoryLink *link, Plan *plan)
{
    static const char *const hierarchies[] = { "memory", "first-level", "second-level", "third-level" };
    const char *kind = link->latency ? "latency" : "bandwidth";
    plan_text(plan, "-numa",
              "hmat-lb,initiator=%u,target=%u,hierarchy=%s,data-type=%s-%s,%s=%" G_GUINT64_FORMAT "%s",
              link->initiator, link->target, hierarchies[link->cache.value],
              enum_name(&memory_link_type_names, link->type), kind, kind,
              link->latency ? link->latency : link->bandwidth_bytes / KIB, link->latency ? "" : "K");
}

static void build_hmat(const CpuDef *cpu, Plan *plan)
{
    static const char *const ways[] = { "none", "none", "direct", "complex" };
    static const char *const policies[] = { "none", "none", "write-back", "write-through" };
    plan_at(plan, "/domain/cpu/numa/interconnects");
    for (DEF_EACH(MemoryLink, latency, cpu->latencies))
        build_hmat_link(latency, plan);
    for (DEF_EACH(MemoryLink, bandwidth, cpu->bandwidths))
        build_hmat_link(bandwidth, plan);
    plan_at(plan, "/domain/cpu/numa/cell/cache");
    for (DEF_EACH(NumaCell, cell, cpu->numa)) {
        for (DEF_EACH(MemoryCache, cache, cell->caches))
            plan_text(plan, "-numa",
                      "hmat-cache,node-id=%u,size=%" G_GUINT64_FORMAT "K,level=%u,associativity=%s,policy=%s,"
                      "line=%" G_GUINT64_FORMAT,
                      cell->id.value, cache->size_bytes / KIB, cache->level.value, ways[cache->ways],
                      policies[cache->policy], cache->line_bytes);
    }
}

static uint32_t numa_distance(const NumaCell *from, const NumaCell *to)
{
    for (DEF_EACH(NumaDistance, distance, from->distances)) {
        if (distance->id == to->id.value)
            return distance->value;
    }
    return from == to ? NUMA_DISTANCE_LOCAL : NUMA_DISTANCE_REMOTE;
}

/* All, once one is told. */
static void build_distances(const CpuDef *cpu, Plan *plan)
{
    bool told = false;
    for (DEF_EACH(NumaCell, cell, cpu->numa))
        told |= def_list_len(cell->distances) > 0;
    plan_at(plan, "/domain/cpu/numa/cell/distances");
    for (DEF_EACH(NumaCell, from, told ? cpu->numa : NULL)) {
        for (DEF_EACH(NumaCell, to, cpu->numa))
            plan_text(plan, "-numa", "dist,src=%u,dst=%u,val=%u", from->id.value, to->id.value,
                      numa_distance(from, to));
    }
}

static bool build_numa(const PlanContext *c, Plan *plan, Error **err)
{
    if (!c->def->cpu)
        return true;
    unsigned index = 0;
    for (DEF_EACH(NumaCell, cell, c->def->cpu->numa)) {
        unsigned id = cell->id.is_set ? cell->id.value : index;
        g_autofree char *backend = g_strdup_printf("ram-node%u", id);
        g_autoptr(GString) cpus = g_string_new(NULL);
        plan_at(plan, "/domain/cpu/numa/cell[%u]", index + 1);
        const Ram ram = { .id = backend,
                          .bytes = cell->memory_bytes,
                          .cell = id,
                          .access = cell->access,
                          .discard = cell->discard };
        Json *object = NULL;
        if (!memory_backend(c, &ram, &object, err))
            return false;
        plan_add(plan, PLAN_OBJECT, object);
        for (int first = cell->cpus ? cpuset_next(cell->cpus, -1) : -1; first >= 0;) {
            int last = first;
            while (cpuset_has(cell->cpus, (unsigned)last + 1))
                last++;
            g_string_append_printf(cpus, first == last ? ",cpus=%d" : ",cpus=%d-%d", first, last);
            first = cpuset_next(cell->cpus, last);
        }
        if (has_hmat(c->def->cpu))
            g_string_append_printf(cpus, ",initiator=%u", hmat_initiator(c->def->cpu, cell));
        plan_text(plan, "-numa", "node,nodeid=%u%s,memdev=%s", id, cpus->str, backend);
        index++;
    }
    build_distances(c->def->cpu, plan);
    build_hmat(c->def->cpu, plan);
    return true;
}

static void build_pool(OptS64 pool_min, OptS64 pool_max, Json *object)
{
    if (pool_min.is_set)
        json_object_set_new(object, "thread-pool-min", json_integer(pool_min.value));
    if (pool_max.is_set)
        json_object_set_new(object, "thread-pool-max", json_integer(pool_max.value));
}

Json *qemu_iothread_object(const IothreadDef *thread)
{
    Json *object = json_object();
    prop_str(object, "qom-type", "iothread");
    prop_format(object, "id", "iothread%u", thread->id);
    build_pool(thread->pool_min, thread->pool_max, object);
    return object;
}

Json *qemu_throttle_limits(const DiskIotune *group)
{
    const struct {
        const char *name;
        OptU64 value;
    } limits[] = {
        { "bps-total", group->total_bytes_sec },
        { "bps-read", group->read_bytes_sec },
        { "bps-write", group->write_bytes_sec },
        { "iops-total", group->total_iops_sec },
        { "iops-read", group->read_iops_sec },
        { "iops-write", group->write_iops_sec },
        { "bps-total-max", group->total_bytes_sec_max },
        { "bps-read-max", group->read_bytes_sec_max },
        { "bps-write-max", group->write_bytes_sec_max },
        { "iops-total-max", group->total_iops_sec_max },
        { "iops-read-max", group->read_iops_sec_max },
        { "iops-write-max", group->write_iops_sec_max },
        { "bps-total-max-length", group->total_bytes_sec_max_length },
        { "bps-read-max-length", group->read_bytes_sec_max_length },
        { "bps-write-max-length", group->write_bytes_sec_max_length },
        { "iops-total-max-length", group->total_iops_sec_max_length },
        { "iops-read-max-length", group->read_iops_sec_max_length },
        { "iops-write-max-length", group->write_iops_sec_max_length },
        { "iops-size", group->size_iops_sec },
    };
    Json *object = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        const bool is_length = g_str_has_suffix(limits[i].name, "length");
        /* All of them: what is left out stays as it was. A burst lasts a second at least. */
        json_object_set_new(object, limits[i].name,
                            json_integer((json_int_t)MAX(limits[i].value.value, is_length ? 1 : 0)));
    }
    return object;
}

Json *qemu_throttle_object(const DiskIotune *group)
{
    Json *object = json_object();
    prop_str(object, "qom-type", "throttle-group");
    prop_format(object, "id", "throttle-%s", group->group_name);
    json_object_set_new(object, "limits", qemu_throttle_limits(group));
    return object;
}

static void build_throttle_groups(const PlanContext *c, Plan *plan)
{
    plan_at(plan, "/domain/throttlegroups");
    for (DEF_EACH(DiskIotune, group, c->def->throttle_groups))
        plan_add(plan, PLAN_OBJECT, qemu_throttle_object(group));
}

static void build_iothreads(const PlanContext *c, Plan *plan)
{
    const MainLoopDef *loop = c->def->main_loop;
    plan_at(plan, "/domain/iothreads");
    for (DEF_EACH(IothreadDef, listed, c->def->iothread_list))
        plan_add(plan, PLAN_OBJECT, qemu_iothread_object(listed));
    for (unsigned id = 1; !c->def->iothread_list && id <= c->def->iothreads.value; id++)
        plan_add(plan, PLAN_OBJECT, qemu_iothread_object(&(const IothreadDef){ .id = id }));
    if (!loop || (!loop->pool_min.is_set && !loop->pool_max.is_set))
        return;
    Json *object = json_pack("{s:s, s:s}", "qom-type", "main-loop", "id", "main-loop");
    build_pool(loop->pool_min, loop->pool_max, object);
    plan_at(plan, "/domain/defaultiothread");
    plan_add(plan, PLAN_OBJECT, object);
}

bool build_memory(const PlanContext *c, Plan *plan, Error **err)
{
    if (c->machine->max_cpus && c->def->vcpus > c->machine->max_cpus)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Maximum CPUs greater than specified machine type limit %u", c->machine->max_cpus);
    if (!build_ram(c, plan, err))
        return false;
    build_smp(c, plan);
    build_iothreads(c, plan);
    build_throttle_groups(c, plan);
    return build_numa(c, plan, err);
}

/* ---- -rtc, -global timers, -boot, direct kernel ---- */

static void build_rtc(const PlanContext *c, Plan *plan)
{
    const ClockDef *clock = &c->def->clock;
    g_autoptr(GString) rtc = g_string_new("base=");
    int64_t at_s = c->env->now_s;

    switch (clock->offset) {
    case CLOCK_OFFSET_LOCALTIME:
    case CLOCK_OFFSET_TIMEZONE:
        g_string_append(rtc, "localtime");
        break;
    case CLOCK_OFFSET_VARIABLE:
    case CLOCK_OFFSET_ABSOLUTE: {
        at_s = clock->offset == CLOCK_OFFSET_ABSOLUTE ? (int64_t)clock->start_s.value
                                                      : at_s + clock->adjustment_s.value;
        g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(at_s);
        g_autoptr(GDateTime) shown = utc && clock->basis == CLOCK_BASIS_LOCALTIME ? g_date_time_to_local(utc)
                                     : utc                                        ? g_date_time_ref(utc)
                                                                                  : NULL;
        g_autofree char *text = shown ? g_date_time_format(shown, "%Y-%m-%dT%H:%M:%S") : NULL;
        g_string_append(rtc, text ? text : "utc");
        break;
    }
    default:
        g_string_append(rtc, "utc");
        break;
    }
    for (DEF_EACH(TimerDef, timer, clock->timers)) {
        if (timer->name != TIMER_RTC)
            continue;
        if (timer->track == TIMER_TRACK_GUEST)
            g_string_append(rtc, ",clock=vm");
        else if (timer->track == TIMER_TRACK_REALTIME)
            g_string_append(rtc, ",clock=rt");
        else if (timer->track == TIMER_TRACK_WALL)
            g_string_append(rtc, ",clock=host");
        if (timer->tickpolicy == TIMER_TICKPOLICY_CATCHUP)
            g_string_append(rtc, ",driftfix=slew");
    }
    plan_at(plan, "/domain/clock");
    plan_text(plan, "-rtc", "%s", rtc->str);
}

static void build_timers(const PlanContext *c, Plan *plan)
{
    unsigned index = 0;
    for (DEF_EACH(TimerDef, timer, c->def->clock.timers)) {
        plan_at(plan, "/domain/clock/timer[%u]", ++index);
        if (timer->name == TIMER_PIT &&
            (timer->tickpolicy == TIMER_TICKPOLICY_ABSENT || timer->tickpolicy == TIMER_TICKPOLICY_DELAY))
            plan_text(plan, "-global", "kvm-pit.lost_tick_policy=delay");
        else if (timer->name == TIMER_PIT && timer->tickpolicy == TIMER_TICKPOLICY_DISCARD)
            plan_text(plan, "-global", "kvm-pit.lost_tick_policy=discard");
        else if (timer->name == TIMER_HPET && timer->present == TRISTATE_OFF)
            plan_flag(plan, "-no-hpet");
    }
}

static void build_power_management(const PlanContext *c, Plan *plan)
{
    const struct {
        const char *element, *property;
        Tristate value;
    } rows[] = { { "suspend-to-mem", "disable_s3", c->def->suspend_to_mem },
                 { "suspend-to-disk", "disable_s4", c->def->suspend_to_disk } };

    for (size_t i = 0; i < G_N_ELEMENTS(rows) && is_x86(c->def); i++) {
        if (rows[i].value == TRISTATE_ABSENT)
            continue;
        plan_at(plan, "/domain/pm/%s", rows[i].element);
        plan_text(plan, "-global", "%s.%s=%d", domain_is_q35(c->def) ? "ICH9-LPC" : "PIIX4_PM",
                  rows[i].property, rows[i].value == TRISTATE_OFF);
    }
}

static void build_boot_options(const PlanContext *c, Plan *plan)
{
    const OsDef *os = &c->def->os;
    g_autoptr(GString) boot = g_string_new(NULL);

    if (os->bootmenu != TRISTATE_ABSENT)
        g_string_append_printf(boot, "menu=%s,", os->bootmenu == TRISTATE_ON ? "on" : "off");
    if (os->bootmenu == TRISTATE_ON && os->bootmenu_timeout_ms.is_set)
        g_string_append_printf(boot, "splash-time=%u,", os->bootmenu_timeout_ms.value);
    if (os->bios_reboot_timeout_ms.is_set)
        g_string_append_printf(boot, "reboot-timeout=%" G_GINT64_FORMAT ",",
                               os->bios_reboot_timeout_ms.value);
    g_string_append(boot, "strict=on");
    plan_at(plan, "/domain/os/%s", os->bootmenu != TRISTATE_ABSENT ? "bootmenu" : "boot");
    plan_text(plan, "-boot", "%s", boot->str);
}

static void build_direct_kernel(const PlanContext *c, Plan *plan)
{
    const OsDef *os = &c->def->os;
    const struct {
        const char *argument, *element, *value;
    } rows[] = { { "-kernel", "kernel", os->kernel },
                 { "-initrd", "initrd", os->initrd },
                 { "-append", "cmdline", os->cmdline },
                 { "-dtb", "dtb", os->dtb } };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!rows[i].value)
            continue;
        plan_at(plan, "/domain/os/%s", rows[i].element);
        plan_text(plan, rows[i].argument, "%s", rows[i].value);
    }
}

bool build_clock_and_boot(const PlanContext *c, Plan *plan, Error **err)
{
    (void)err;
    build_rtc(c, plan);
    build_timers(c, plan);
    plan_own(plan, "a stopped guest waits for on_poweroff");
    plan_flag(plan, "-no-shutdown");
    if (c->def->on_reboot == LIFECYCLE_ACTION_DESTROY && !c->env->for_reference) {
        plan_at(plan, "/domain/on_reboot");
        plan_text(plan, "-action", "reboot=shutdown");
    }
    build_power_management(c, plan);
    build_boot_options(c, plan);
    build_direct_kernel(c, plan);
    return true;
}

/* ---- -smbios ---- */

/* Names of the document that QEMU's option has, too, in the order of the option; NULL ends. */
static void build_smbios_table(Plan *plan, unsigned type, const char *element, const GPtrArray *entries,
                               const char *const *names)
{
    if (!def_list_len(entries))
        return;
    g_autoptr(GString) out = g_string_new(NULL);
    bool has_maker = type < 2; /* boards and cases always name one */
    g_string_append_printf(out, "type=%u", type);
    for (DEF_EACH(NamedValue, entry, entries))
        has_maker |= g_strcmp0(entry->name, "manufacturer") == 0;
    if (!has_maker)
        g_string_append(out, ",manufacturer=");
    for (; *names; names++) {
        for (DEF_EACH(NamedValue, entry, entries)) {
            if (g_strcmp0(entry->name, *names) == 0)
                append_option(out, *names, entry->value ? entry->value : "");
        }
    }
    plan_at(plan, "/domain/sysinfo/%s", element);
    plan_text(plan, "-smbios", "%s", out->str);
}

static void build_fwcfg(const PlanContext *c, Plan *plan, const SysinfoDef *sysinfo)
{
    plan_at(plan, "/domain/sysinfo[@type='fwcfg']");
    for (DEF_EACH(NamedValue, entry, sysinfo->fwcfg)) {
        g_autofree char *name = option_escape(entry->name ? entry->name : "");
        g_autofree char *value = option_escape(entry->file ? entry->file : entry->value ? entry->value : "");
        plan_text(plan, "-fw_cfg", "name=%s,%s=%s", name, entry->file ? "file" : "string", value);
    }
}

static void build_smbios_tables(const PlanContext *c, Plan *plan, const SysinfoDef *sysinfo)
{
    static const char *const bios[] = { "vendor", "version", "date", "release", NULL };
    static const char *const system[] = { "manufacturer", "product", "version", "serial",
                                          "uuid",         "sku",     "family",  NULL };
    static const char *const board[] = { "manufacturer", "product",  "version", "serial",
                                         "asset",        "location", NULL };
    static const char *const chassis[] = { "manufacturer", "version", "serial", "asset", "sku", NULL };

    build_smbios_table(plan, 0, "bios", sysinfo->bios, bios);
    build_smbios_table(plan, 1, "system", sysinfo->system, system);
    for (DEF_EACH(SysinfoBaseboard, baseboard, sysinfo->baseboards))
        build_smbios_table(plan, 2, "baseBoard", baseboard->entries, board);
    build_smbios_table(plan, 3, "chassis", sysinfo->chassis, chassis);
    if (!def_list_len(sysinfo->oem_strings))
        return;
    g_autoptr(GString) out = g_string_new("type=11");
    for (DEF_EACH(NamedValue, text, sysinfo->oem_strings))
        append_option(out, "value", text->value ? text->value : "");
    plan_at(plan, "/domain/sysinfo/oemStrings");
    plan_text(plan, "-smbios", "%s", out->str);
}

bool build_smbios(const PlanContext *c, Plan *plan, Error **err)
{
    for (DEF_EACH(SysinfoDef, sysinfo, c->def->sysinfos)) {
        if (sysinfo->type == SYSINFO_TYPE_FWCFG)
            build_fwcfg(c, plan, sysinfo);
        else if (c->def->os.smbios == SMBIOS_MODE_SYSINFO && def_list_len(sysinfo->baseboards) > 1)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "qemu does not support more than one entry to Type 2 in SMBIOS table");
        else if (c->def->os.smbios == SMBIOS_MODE_SYSINFO)
            build_smbios_tables(c, plan, sysinfo);
    }
    if (c->def->os.smbios == SMBIOS_MODE_SYSINFO && !def_list_len(c->def->sysinfos))
        return error_set(err, ERROR_XML_INVALID, "Domain '%s' sysinfo are not available", c->def->name);
    if (c->def->os.smbios != SMBIOS_MODE_HOST)
        return true;
    SysinfoDef *host = NULL;
    plan_at(plan, "/domain/os/smbios");
    if (!host_sysinfo(&host, err))
        return false;
    for (DEF_EACH(NamedValue, entry, host->system)) { /* the host's own identity is not the guest's */
        if (g_strcmp0(entry->name, "uuid") == 0)
            g_clear_pointer(&entry->name, g_free);
    }
    build_smbios_tables(c, plan, host);
    xml_table_free(&sysinfo_table, host);
    return true;
}
