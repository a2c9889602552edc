/* Defaults of a whole machine: the devices that come with every machine or that others need, in the order in
 * which libvirt adds them, because that order decides the addresses that the guest sees. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_defaults.h"

#include <string.h>

#include "conf/domain_rows.h"

/* ---- order ---- */

/* Index at which the last element of @list belongs: behind the last one of its kind that is smaller, or
 * before the first that is larger; at the end if none is of its kind. */
static unsigned place_of_last(const GPtrArray *list, bool (*same)(const void *a, const void *b),
                              bool (*greater)(const void *a, const void *b))
{
    unsigned last = list->len - 1, place = last;
    const void *item = g_ptr_array_index(list, last);
    for (unsigned i = last; i-- > 0;) {
        const void *other = g_ptr_array_index(list, i);
        if (!same(item, other))
            continue;
        if (!greater(other, item))
            return i + 1;
        place = i;
    }
    return place;
}

static void move_last(GPtrArray *list, unsigned place)
{
    void *item = g_ptr_array_steal_index(list, list->len - 1);
    g_ptr_array_insert(list, (int)place, item);
}

static bool disks_share_bus(const void *a, const void *b)
{
    return ((const DiskDef *)a)->bus == ((const DiskDef *)b)->bus;
}

static bool disk_is_after(const void *a, const void *b)
{
    return disk_name_index(((const DiskDef *)a)->target) > disk_name_index(((const DiskDef *)b)->target);
}

void domain_sort_disks(DomainDef *def)
{
    if (def_list_len(def->disks) > 1)
        move_last(def->disks, place_of_last(def->disks, disks_share_bus, disk_is_after));
}

static bool controllers_share_type(const void *a, const void *b)
{
    return ((const ControllerDef *)a)->type == ((const ControllerDef *)b)->type;
}

static bool is_usb_companion(const ControllerDef *controller)
{
    return controller->type == CONTROLLER_USB && (controller->model == CONTROLLER_MODEL_ICH9_UHCI1 ||
                                                  controller->model == CONTROLLER_MODEL_ICH9_UHCI2 ||
                                                  controller->model == CONTROLLER_MODEL_ICH9_UHCI3);
}

/* By index; companions come behind the controller that they serve. */
static bool controller_is_after(const void *a, const void *b)
{
    const ControllerDef *x = a, *y = b;
    if (!x->index.is_set || !y->index.is_set)
        return false;
    return x->index.value > y->index.value ||
           (x->index.value == y->index.value && is_usb_companion(x) && !is_usb_companion(y));
}

void domain_sort_controllers(DomainDef *def)
{
    if (def_list_len(def->controllers) > 1)
        move_last(def->controllers,
                  place_of_last(def->controllers, controllers_share_type, controller_is_after));
}

/* As if the elements had been added one after the other. */
static void sort_list(DomainDef *def, GPtrArray **list, void (*sort_last)(DomainDef *def))
{
    GPtrArray *given = *list;
    if (!given)
        return;
    *list = g_ptr_array_sized_new(given->len);
    for (unsigned i = 0; i < given->len; i++) {
        g_ptr_array_add(*list, g_ptr_array_index(given, i));
        sort_last(def);
    }
    g_ptr_array_unref(given);
}

/* ---- identity, memory, vCPUs ---- */

/* Sums stay beyond what any machine can have, instead of wrapping around: domain_check() refuses them. */
static uint64_t add_memory(uint64_t total, uint64_t bytes)
{
    return MIN(total + bytes, UINT64_C(1) << 61); /* a row has at most INT64_MAX bytes */
}

static uint64_t numa_memory(const DomainDef *def)
{
    uint64_t total = 0;
    if (def->cpu) {
        for (DEF_EACH(NumaCell, cell, def->cpu->numa))
            total = add_memory(total, cell->memory_bytes);
    }
    return total;
}

static void fill_memory(DomainDef *def)
{
    uint64_t cells = numa_memory(def);
    if (cells) {
        def->memory_bytes = cells;
        for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices))
            def->memory_bytes = add_memory(def->memory_bytes, memory->size_bytes);
    }
    if (!def->current_memory_bytes || def->current_memory_bytes > def->memory_bytes)
        def->current_memory_bytes = def->memory_bytes;
}

static int compare_vcpus(const void *a, const void *b)
{
    const VcpuDef *x = *(VcpuDef *const *)a, *y = *(VcpuDef *const *)b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* <vcpus> lists all vCPUs or none: those left out are off and can be plugged in. */
static void fill_vcpu_list(DomainDef *def)
{
    if (!def->vcpu_list)
        return;
    g_autoptr(GHashTable) listed = g_hash_table_new(NULL, NULL);
    for (DEF_EACH(VcpuDef, known, def->vcpu_list))
        g_hash_table_add(listed, GUINT_TO_POINTER(known->id));
    for (uint32_t id = 0; id < def->vcpus; id++) {
        if (g_hash_table_contains(listed, GUINT_TO_POINTER(id)))
            continue;
        VcpuDef *vcpu = g_new0(VcpuDef, 1);
        vcpu->id = id;
        vcpu->enabled = TRISTATE_OFF;
        g_ptr_array_add(def->vcpu_list, vcpu);
    }
    g_ptr_array_sort(def->vcpu_list, compare_vcpus);
    uint32_t enabled = 0;
    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list)) {
        enabled += vcpu->enabled == TRISTATE_ON;
        if (vcpu->hotpluggable == TRISTATE_ABSENT)
            vcpu->hotpluggable = vcpu->enabled == TRISTATE_ON ? TRISTATE_OFF : TRISTATE_ON;
    }
    if (enabled && enabled < def->vcpus)
        def->vcpus_current = (OptU32){ enabled, true };
}

static int compare_scheds(const void *a, const void *b)
{
    const SchedDef *const *x = a, *const *y = b;
    return cpuset_next((*x)->threads, -1) - cpuset_next((*y)->threads, -1);
}

static void add_sched(GPtrArray *scheds, const SchedDef *like, unsigned id)
{
    SchedDef *other = g_new0(SchedDef, 1);

    *other = *like;
    other->threads = cpuset_new();
    cpuset_add(other->threads, id);
    g_ptr_array_add(scheds, other);
}

/* One element per thread, as the reference shows them. Where threads are named again, one more is enough to
 * refuse them: many long lists do not become their product. */
static void split_scheds(GPtrArray *scheds)
{
    CpuSet *seen = cpuset_new();
    const guint n_written = scheds ? scheds->len : 0;

    for (guint i = 0; i < n_written; i++) {
        SchedDef *sched = scheds->pdata[i];
        CpuSet *threads = sched->threads;
        int id = cpuset_next(threads, -1);
        bool is_again = false;
        sched->threads = cpuset_new();
        if (id >= 0)
            cpuset_add(sched->threads, (unsigned)id);
        while (id >= 0 && !is_again) {
            is_again = cpuset_has(seen, (unsigned)id);
            cpuset_add(seen, (unsigned)id);
            id = cpuset_next(threads, id);
            if (id >= 0)
                add_sched(scheds, sched, (unsigned)id);
        }
        cpuset_free(threads);
    }
    cpuset_free(seen);
    if (scheds)
        g_ptr_array_sort(scheds, compare_scheds);
}

static int compare_perf_events(const void *a, const void *b)
{
    const PerfEventDef *const *x = a, *const *y = b;
    return (int)(*x)->name - (int)(*y)->name;
}

static void fill_tuning(DomainDef *def)
{
    if (def->cputune) {
        split_scheds(def->cputune->vcpu_scheds);
        split_scheds(def->cputune->iothread_scheds);
    }
    if (def->perf_events)
        g_ptr_array_sort(def->perf_events, compare_perf_events);
}

static void fill_numatune(DomainDef *def)
{
    if (def->vcpu_placement == CPU_PLACEMENT_AUTO && !def->numatune) {
        def->numatune = g_new0(NumaTune, 1);
        def->numatune->placement = CPU_PLACEMENT_AUTO;
    }
    NumaTune *tune = def->numatune;
    bool has_memory = tune && (tune->nodeset || tune->placement);
    if (has_memory && tune->mode == NUMA_MODE_ABSENT)
        tune->mode = NUMA_MODE_STRICT;
    if (!tune)
        return;
    for (DEF_EACH(NumaTuneNode, node, tune->nodes)) {
        if (node->mode == NUMA_MODE_ABSENT)
            node->mode = NUMA_MODE_STRICT;
    }
}

/* The guest sees one identity: what <sysinfo> says is the machine's own. */
static bool fill_uuid(DomainDef *def, Error **err)
{
    for (DEF_EACH(SysinfoDef, sysinfo, def->sysinfos)) {
        for (DEF_EACH(NamedValue, entry, sysinfo->system)) {
            Uuid uuid;
            if (g_strcmp0(entry->name, "uuid") != 0)
                continue;
            if (!uuid_parse(entry->value, &uuid, NULL))
                return error_set(err, ERROR_XML_SYNTAX, "malformed <sysinfo> uuid element: '%s'",
                                 entry->value);
            if (!uuid_is_null(&def->uuid) && !uuid_equal(&def->uuid, &uuid))
                return error_set(err, ERROR_XML_SYNTAX, "UUID mismatch between <uuid> and <sysinfo>");
            def->uuid = uuid;
        }
    }
    if (uuid_is_null(&def->uuid))
        uuid_generate(&def->uuid);
    return true;
}

static void fill_basics(DomainDef *def)
{
    if (def->has_genid && uuid_is_null(&def->genid))
        uuid_generate(&def->genid);
    if (!def->vcpus)
        def->vcpus = 1;
    if (def->vcpus_current.is_set && def->vcpus_current.value == def->vcpus)
        def->vcpus_current = (OptU32){ 0 };
    if (def->vcpu_placement == CPU_PLACEMENT_ABSENT)
        def->vcpu_placement = !def->cpuset && def->numatune && def->numatune->placement == CPU_PLACEMENT_AUTO
                                  ? CPU_PLACEMENT_AUTO
                                  : CPU_PLACEMENT_STATIC;
    if (def->vcpu_placement == CPU_PLACEMENT_AUTO)
        g_clear_pointer(&def->cpuset, cpuset_free);
    if (def->clock.offset == CLOCK_OFFSET_ABSENT)
        def->clock.offset = CLOCK_OFFSET_UTC;
    if (def->on_poweroff == LIFECYCLE_ACTION_ABSENT)
        def->on_poweroff = LIFECYCLE_ACTION_DESTROY;
    if (def->on_reboot == LIFECYCLE_ACTION_ABSENT)
        def->on_reboot = LIFECYCLE_ACTION_RESTART;
    if (def->on_crash == LIFECYCLE_ACTION_ABSENT)
        def->on_crash = LIFECYCLE_ACTION_DESTROY;
    fill_memory(def);
    fill_vcpu_list(def);
    fill_numatune(def);
    fill_tuning(def);
}

static bool fill_platform(DomainDef *def, const DomainHooks *hooks, DomainPlatform *platform, Error **err)
{
    if (def->os.arch == ARCH_ABSENT)
        def->os.arch = hooks && hooks->host_arch ? hooks->host_arch : ARCH_X86_64;
    if (!hooks || !hooks->platform)
        return true;
    if (!hooks->platform(hooks->arg, def, platform, err))
        return false;
    if (!def->emulator && platform->emulator)
        def->emulator = g_steal_pointer(&platform->emulator);
    if (platform->machine) {
        g_free(def->os.machine);
        def->os.machine = g_steal_pointer(&platform->machine);
    }
    return true;
}

static int compare_cells(const void *a, const void *b)
{
    const NumaCell *const *x = a, *const *y = b;

    return (*x)->id.value < (*y)->id.value ? -1 : (*x)->id.value > (*y)->id.value;
}

static void fill_numa_ids(CpuDef *cpu)
{
    uint32_t position = 0;
    for (DEF_EACH(NumaCell, cell, cpu->numa)) {
        if (!cell->id.is_set)
            cell->id = (OptU32){ position, true };
        position++;
    }
    if (cpu->numa)
        g_ptr_array_sort(cpu->numa, compare_cells);
}

static void add_distance(NumaCell *cell, uint32_t to, uint32_t value)
{
    for (DEF_EACH(NumaDistance, known, cell->distances)) {
        if (known->id == to)
            return;
    }
    NumaDistance *distance = xml_table_new(&numa_distance_table);
    *distance = (NumaDistance){ to, value };
    if (!cell->distances)
        cell->distances = xml_list_new(&numa_distance_table);
    unsigned place = 0;
    while (place < cell->distances->len &&
           ((NumaDistance *)g_ptr_array_index(cell->distances, place))->id < to)
        place++;
    g_ptr_array_insert(cell->distances, (int)place, distance);
}

/* As far there as back, and near to itself. */
static void fill_distances(const CpuDef *cpu)
{
    for (DEF_EACH(NumaCell, from, cpu->numa)) {
        for (unsigned i = 0; i < def_list_len(from->distances); i++) {
            const NumaDistance given = *(NumaDistance *)g_ptr_array_index(from->distances, i);
            for (DEF_EACH(NumaCell, to, cpu->numa)) {
                if (to->id.value != given.id || to == from)
                    continue;
                add_distance(to, from->id.value, given.value);
                add_distance(to, to->id.value, NUMA_DISTANCE_LOCAL);
                add_distance(from, from->id.value, NUMA_DISTANCE_LOCAL);
            }
        }
    }
}

/* vCPUs that no cell names belong to the first one. */
static void fill_numa_cpus(const DomainDef *def)
{
    if (!def_list_len(def->cpu->numa))
        return;
    NumaCell *first = NULL;
    g_autoptr(CpuSet) named = cpuset_new();
    for (DEF_EACH(NumaCell, cell, def->cpu->numa)) {
        if (cell->id.value == 0)
            first = cell;
        for (int cpu = cpuset_next(cell->cpus, -1); cpu >= 0; cpu = cpuset_next(cell->cpus, cpu))
            cpuset_add(named, (unsigned)cpu);
    }
    for (unsigned cpu = 0; first && cpu < def->vcpus; cpu++) {
        if (cpuset_has(named, cpu))
            continue;
        if (!first->cpus)
            first->cpus = cpuset_new();
        cpuset_add(first->cpus, cpu);
    }
}

static void fill_cpu(DomainDef *def, const DomainPlatform *platform)
{
    bool names_none = !def->cpu || def->cpu->mode == CPU_MODE_ABSENT || def->cpu->mode == CPU_MODE_CUSTOM;
    bool is_given = def->cpu && (!names_none || def->cpu->model);
    if (!is_given && platform->cpu_model) {
        if (!def->cpu)
            def->cpu = xml_table_new(&cpu_table);
        def->cpu->mode = CPU_MODE_CUSTOM;
        def->cpu->match = CPU_MATCH_EXACT;
        def->cpu->check = CPU_CHECK_NONE;
        def->cpu->fallback = CPU_FALLBACK_FORBID;
        def->cpu->model = g_strdup(platform->cpu_model);
    }
    CpuDef *cpu = def->cpu;
    if (!cpu)
        return;
    fill_numa_ids(cpu);
    fill_numa_cpus(def);
    fill_distances(cpu);
    if (cpu->mode == CPU_MODE_ABSENT)
        cpu->mode = CPU_MODE_CUSTOM;
    bool custom = cpu->mode == CPU_MODE_CUSTOM;
    bool as_host = cpu->mode == CPU_MODE_HOST_PASSTHROUGH || cpu->mode == CPU_MODE_MAXIMUM;
    if (!custom)
        cpu->match = CPU_MATCH_ABSENT; /* there is nothing to compare with */
    if (as_host) {
        g_clear_pointer(&cpu->model, g_free);
        cpu->fallback = CPU_FALLBACK_ABSENT;
    } else if (!custom) { /* of a model that is not named nothing is left */
        cpu->fallback = !cpu->model     ? CPU_FALLBACK_ABSENT
                        : cpu->fallback ? cpu->fallback
                                        : CPU_FALLBACK_ALLOW;
    }
    if (custom && cpu->model) {
        if (cpu->match == CPU_MATCH_ABSENT)
            cpu->match = CPU_MATCH_EXACT;
        if (cpu->fallback == CPU_FALLBACK_ABSENT)
            cpu->fallback = CPU_FALLBACK_ALLOW;
    }
    if (cpu->mode == CPU_MODE_HOST_PASSTHROUGH && cpu->migratable == TRISTATE_ABSENT)
        cpu->migratable = TRISTATE_ON;
    if (cpu->check == CPU_CHECK_ABSENT && (cpu->model || !custom))
        cpu->check = as_host || (custom && def->type != VIRT_TYPE_KVM) ? CPU_CHECK_NONE : CPU_CHECK_PARTIAL;
}

/* ---- drive addresses ---- */

typedef struct DriveBus {
    ControllerType type;
    unsigned per_controller;
    unsigned per_bus; /* 0: one bus */
} DriveBus;

static const DriveBus *drive_bus(DiskBus bus)
{
    static const DriveBus ide = { CONTROLLER_IDE, 4, 2 }, fdc = { CONTROLLER_FDC, 2, 0 },
                          scsi = { CONTROLLER_SCSI, 7, 0 }, sata = { CONTROLLER_SATA, 6, 0 };
    switch (bus) {
    case DISK_BUS_IDE:
        return &ide;
    case DISK_BUS_FDC:
        return &fdc;
    case DISK_BUS_SCSI:
        return &scsi;
    case DISK_BUS_SATA:
        return &sata;
    default:
        return NULL;
    }
}

bool disk_fill_address(DiskDef *disk, Error **err)
{
    const DriveBus *bus = drive_bus(disk->bus);
    DeviceAddress *address = &disk->info.address;
    bool is_given = address->type != ADDRESS_ABSENT && !address->wants_numbers;
    int index = disk_name_index(disk->target);
    if (index < 0 && !is_given)
        return error_set(err, ERROR_XML_INVALID, "Unknown disk name '%s' and no address specified",
                         disk->target);
    if (!bus || is_given)
        return true;
    unsigned number = (unsigned)index, unit = number % bus->per_controller;
    *address = (DeviceAddress){ .type = ADDRESS_DRIVE };
    address->drive.controller = number / bus->per_controller;
    address->drive.bus = bus->per_bus ? unit / bus->per_bus : 0;
    address->drive.unit = bus->per_bus ? unit % bus->per_bus : unit;
    return true;
}

static bool fill_drive_addresses(DomainDef *def, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (!disk_fill_address(disk, err))
            return false;
    }
    return true;
}

/* ---- implied controllers ---- */

static ControllerDef *add_controller(DomainDef *def, ControllerType type, uint32_t index)
{
    ControllerDef *controller = xml_table_new(&controller_table);
    controller->type = type;
    controller->index = (OptU32){ index, true };
    bool ok = device_fill_defaults(DEVICE_CONTROLLER, controller, def, NULL);
    g_assert(ok);
    domain_append_device(def, DEVICE_CONTROLLER, controller);
    return controller;
}

/* All controllers of @type from 0 to @index. */
static void ensure_controller(DomainDef *def, ControllerType type, uint32_t index)
{
    if (index < 256 && !domain_find_controller(def, type, index))
        add_controller(def, type, index);
}

/* Drives need all up to @index: their numbers follow from names without gaps. */
static void ensure_controllers(DomainDef *def, ControllerType type, uint32_t index)
{
    for (uint32_t i = 0; i <= MIN(index, 255u); i++)
        ensure_controller(def, type, i);
}

/* A companion without an index joins the first EHCI controller that has none of its model yet. */
static bool join_ehci(const DomainDef *def, ControllerDef *companion)
{
    for (DEF_EACH(ControllerDef, ehci, def->controllers)) {
        if (ehci->type != CONTROLLER_USB || ehci->model != CONTROLLER_MODEL_ICH9_EHCI1 || !ehci->index.is_set)
            continue;
        bool has_one = false;
        for (DEF_EACH(ControllerDef, other, def->controllers))
            has_one |= other != companion && other->type == CONTROLLER_USB &&
                       other->model == companion->model && other->index.is_set &&
                       other->index.value == ehci->index.value;
        if (!has_one) {
            companion->index = ehci->index;
            return true;
        }
    }
    return false;
}

static void fill_controller_indexes(DomainDef *def)
{
    uint32_t next[CONTROLLER_TYPE_COUNT] = { 0 }; /* all before are taken */

    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->index.is_set || (is_usb_companion(controller) && join_ehci(def, controller)))
            continue;
        uint32_t *index = &next[controller->type];
        while (domain_find_controller(def, controller->type, *index))
            ++*index;
        controller->index = (OptU32){ *index, true };
    }
}

static bool scsi_address_is_taken(const DomainDef *def, const DeviceAddress *wanted)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->bus == DISK_BUS_SCSI && disk->info.address.type == ADDRESS_DRIVE &&
            memcmp(&disk->info.address.drive, &wanted->drive, sizeof(wanted->drive)) == 0)
            return true;
    }
    for (DEF_EACH(HostdevDef, hostdev, def->hostdevs)) {
        if (hostdev->type == HOSTDEV_SCSI && hostdev->info.address.type == ADDRESS_DRIVE &&
            memcmp(&hostdev->info.address.drive, &wanted->drive, sizeof(wanted->drive)) == 0)
            return true;
    }
    return false;
}

#define SCSI_UNITS 7

/* SCSI devices of the host take the first free unit. */
static void add_hostdev_controllers(DomainDef *def)
{
    DeviceAddress free_one = { .type = ADDRESS_DRIVE }; /* all before are taken */

    for (DEF_EACH(HostdevDef, hostdev, def->hostdevs)) {
        if (hostdev->type != HOSTDEV_SCSI)
            continue;
        DeviceAddress *address = &hostdev->info.address;
        if (address->type == ADDRESS_ABSENT || address->wants_numbers) {
            while (scsi_address_is_taken(def, &free_one)) {
                free_one.drive.unit++;
                free_one.drive.controller += free_one.drive.unit / SCSI_UNITS;
                free_one.drive.unit %= SCSI_UNITS;
            }
            *address = free_one;
        }
        if (address->type == ADDRESS_DRIVE)
            ensure_controllers(def, CONTROLLER_SCSI, address->drive.controller);
    }
}

/* What every machine of this type has, in libvirt's order. */
static void add_machine_controllers(DomainDef *def)
{
    bool q35 = domain_is_q35(def), i440fx = domain_is_i440fx(def);
    if ((q35 || i440fx) && !domain_find_controller(def, CONTROLLER_USB, 0)) {
        ControllerDef *usb = add_controller(def, CONTROLLER_USB, 0);
        if (q35) /* one that the document gives without a model stays what it always was */
            usb->model = CONTROLLER_MODEL_QEMU_XHCI;
    }
    if (q35)
        ensure_controllers(def, CONTROLLER_SATA, 0);
    if ((q35 || i440fx) && !domain_find_controller(def, CONTROLLER_PCI, 0))
        add_controller(def, CONTROLLER_PCI, 0)->model =
            q35 ? CONTROLLER_MODEL_PCIE_ROOT : CONTROLLER_MODEL_PCI_ROOT;
}

void domain_add_implied_controllers(DomainDef *def)
{
    static const DiskBus buses[] = { DISK_BUS_SCSI, DISK_BUS_FDC, DISK_BUS_IDE, DISK_BUS_SATA };
    for (size_t i = 0; i < G_N_ELEMENTS(buses); i++) {
        for (DEF_EACH(DiskDef, disk, def->disks)) {
            if (disk->bus == buses[i] && disk->info.address.type == ADDRESS_DRIVE)
                ensure_controllers(def, drive_bus(disk->bus)->type, disk->info.address.drive.controller);
        }
    }
    for (DEF_EACH(CharDef, channel, def->channels)) {
        if (channel->target_type == CHAR_TARGET_VIRTIO)
            ensure_controller(def, CONTROLLER_VIRTIO_SERIAL,
                              channel->info.address.type == ADDRESS_VIRTIO_SERIAL
                                  ? channel->info.address.virtio_serial.controller
                                  : 0);
    }
    for (DEF_EACH(CharDef, console, def->consoles)) {
        if (console->target_type == CHAR_TARGET_VIRTIO)
            ensure_controllers(def, CONTROLLER_VIRTIO_SERIAL, 0);
    }
    if (def_list_len(def->smartcards))
        ensure_controllers(def, CONTROLLER_CCID, 0);
}

/* ---- consoles and serial ports ---- */

static void fill_ports(GPtrArray *list)
{
    uint32_t next = 0;
    for (DEF_EACH(CharDef, given, list)) {
        if (given->target_port.is_set)
            next = MAX(next, given->target_port.value + 1);
    }
    for (DEF_EACH(CharDef, chr, list)) {
        if (!chr->target_port.is_set)
            chr->target_port = (OptU32){ next++, true };
    }
}

/* A second view of the first serial port. */
static CharDef *console_from_serial(const CharDef *serial)
{
    CharDef *console = xml_table_copy(&serial_table, serial);
    console->class = CHAR_CLASS_CONSOLE;
    console->target_type = CHAR_TARGET_SERIAL;
    console->target_model = CHAR_TARGET_MODEL_ABSENT;
    if (console->info.alias && !g_str_has_prefix(console->info.alias, "ua-"))
        g_clear_pointer(&console->info.alias, g_free);
    console->info.address = (DeviceAddress){ 0 };
    return console;
}

static bool serial_is_console(const CharDef *serial)
{
    return serial->target_type == CHAR_TARGET_ISA_SERIAL ||
           serial->target_type == CHAR_TARGET_SYSTEM_SERIAL ||
           serial->target_type == CHAR_TARGET_SPAPR_VIO_SERIAL ||
           serial->target_type == CHAR_TARGET_SCLP_SERIAL;
}

/* The first console of type serial is the first serial port: whichever of the two is missing is made from the
 * other; the serial port wins if both are there. */
static bool pair_console(DomainDef *def, Error **err)
{
    CharDef *first = def_list_len(def->consoles) ? g_ptr_array_index(def->consoles, 0) : NULL;
    if (first && first->target_type == CHAR_TARGET_SERIAL && !def->serials) {
        CharDef *serial = xml_table_copy(&console_table, first);
        serial->class = CHAR_CLASS_SERIAL;
        serial->target_type = CHAR_TARGET_ABSENT;
        serial->target_port = (OptU32){ 0, true };
        g_clear_pointer(&serial->tty, g_free);
        if (!device_fill_defaults(DEVICE_SERIAL, serial, def, err)) {
            xml_table_free(&serial_table, serial);
            return false;
        }
        domain_append_device(def, DEVICE_SERIAL, serial);
    }
    const CharDef *serial = def_list_len(def->serials) ? g_ptr_array_index(def->serials, 0) : NULL;
    if (!serial)
        return true;
    if (first && first->target_type == CHAR_TARGET_SERIAL) {
        CharDef *console = console_from_serial(serial);
        console->tty = g_steal_pointer(&first->tty);
        if (first->info.alias) {
            g_free(console->info.alias);
            console->info.alias = g_steal_pointer(&first->info.alias);
        }
        xml_table_free(&console_table, first);
        def->consoles->pdata[0] = console;
    } else if (serial_is_console(serial)) {
        domain_append_device(def, DEVICE_CONSOLE, console_from_serial(serial));
        CharDef *console = g_ptr_array_steal_index(def->consoles, def->consoles->len - 1);
        g_ptr_array_insert(def->consoles, 0, console);
    }
    return true;
}

static bool fill_consoles(DomainDef *def, Error **err)
{
    fill_ports(def->serials);
    fill_ports(def->parallels);
    uint32_t position = 0; /* whatever the document says, and before a console is added in front */
    for (DEF_EACH(CharDef, console, def->consoles))
        console->target_port = (OptU32){ position++, true };
    return pair_console(def, err);
}

/* ---- implied devices ---- */

static void add_input(DomainDef *def, InputType type)
{
    for (DEF_EACH(InputDef, input, def->inputs)) {
        if (input->type == type && input->bus == INPUT_BUS_PS2)
            return;
    }
    InputDef *input = g_new0(InputDef, 1);
    input->type = type;
    input->bus = INPUT_BUS_PS2;
    domain_append_device(def, DEVICE_INPUT, input);
}

static void add_audio(DomainDef *def)
{
    if (def->audios)
        return;
    bool spice = false, vnc = false; /* the last one decides */
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        if (graphics->type != GRAPHICS_SPICE && graphics->type != GRAPHICS_VNC &&
            graphics->type != GRAPHICS_SDL)
            continue;
        spice = graphics->type == GRAPHICS_SPICE;
        vnc = graphics->type == GRAPHICS_VNC;
    }
    if (def->graphics && !spice && !vnc)
        return; /* the environment of the local display decides */
    AudioDef *audio = g_new0(AudioDef, 1);
    audio->id = 1;
    audio->type = spice ? AUDIO_SPICE : AUDIO_NONE;
    domain_append_device(def, DEVICE_AUDIO, audio);
}

static void fill_videos(DomainDef *def)
{
    if (def->graphics && !def->videos) {
        VideoDef *video = g_new0(VideoDef, 1);
        bool ok = device_fill_defaults(DEVICE_VIDEO, video, def, NULL);
        g_assert(ok);
        domain_append_device(def, DEVICE_VIDEO, video);
    }
    bool has_primary = false;
    for (DEF_EACH(VideoDef, video, def->videos))
        has_primary |= video->primary == TRISTATE_ON;
    VideoDef *first = def_list_len(def->videos) ? g_ptr_array_index(def->videos, 0) : NULL;
    if (first && !has_primary && first->model != VIDEO_NONE)
        first->primary = TRISTATE_ON;
    for (unsigned i = 1; i < def_list_len(def->videos); i++) { /* the firmware's card comes first */
        VideoDef *video = g_ptr_array_index(def->videos, i);
        if (video->primary != TRISTATE_ON)
            continue;
        g_ptr_array_insert(def->videos, 0, g_ptr_array_steal_index(def->videos, i));
        break;
    }
}

static void add_implied_devices(DomainDef *def)
{
    bool x86 = def->os.arch == ARCH_X86_64 || def->os.arch == ARCH_I686;
    if (x86) {
        add_input(def, INPUT_MOUSE);
        add_input(def, INPUT_KEYBOARD);
    }
    add_audio(def);
    fill_videos(def);
    if (!def->memballoon) {
        def->memballoon = g_new0(MemballoonDef, 1);
        def->memballoon->model = MEMBALLOON_VIRTIO;
    }
}

static bool note_boot_order(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    return !info || !info->boot_order;
}

static void fill_boot(DomainDef *def)
{
    bool no_device_has_order = domain_each_device(def, note_boot_order, NULL);
    if (no_device_has_order && !def->os.boot.count) {
        def->os.boot.dev[0] = BOOT_DEV_HD;
        def->os.boot.count = 1;
    }
}

/* ---- all together ---- */

static bool fill_each_device(DomainDef *def, Error **err)
{
    for (DeviceKind kind = 0; kind < DEVICE_KIND_COUNT; kind++) {
        GPtrArray *list = domain_device_list(def, kind);
        for (unsigned i = 0; i < def_list_len(list); i++) {
            if (!device_fill_defaults(kind, g_ptr_array_index(list, i), def, err))
                return false;
        }
    }
    if (def->vsock)
        return device_fill_defaults(DEVICE_VSOCK, def->vsock, def, err);
    return true;
}

/* A read-only image needs a place for the machine's own variables. With <os firmware=> image and place are
 * chosen at each start; the definition keeps the wish. */
static void fill_firmware(DomainDef *def, const DomainPlatform *platform)
{
    OsLoader *loader = def->os.loader;
    OsNvram *nvram = def->os.nvram;
    if (loader && loader->path && loader->type == LOADER_TYPE_ABSENT)
        loader->type = LOADER_TYPE_ROM;
    if (def->os.firmware && nvram && !nvram->path && !nvram->template_path &&
        nvram->source_type == STORAGE_TYPE_ABSENT) {
        xml_table_free(&nvram_table, nvram);
        def->os.nvram = NULL;
    }
    if (!domain_keeps_variables(def) || def->os.firmware || !platform->nvram_dir)
        return;
    if (!nvram)
        nvram = def->os.nvram = xml_table_new(&nvram_table);
    if (!nvram->path && nvram->source_type == STORAGE_TYPE_ABSENT)
        nvram->path = g_strdup_printf("%s/%s_VARS.fd", platform->nvram_dir, def->name);
}

bool domain_keeps_variables(const DomainDef *def)
{
    const OsLoader *loader = def->os.loader;
    if (loader && loader->stateless == TRISTATE_ON)
        return false;
    return def->os.firmware == OS_FIRMWARE_EFI ||
           (loader && loader->path && loader->type == LOADER_TYPE_PFLASH && loader->readonly == TRISTATE_ON);
}

static void fill_iothreads(DomainDef *def)
{
    uint32_t listed = def_list_len(def->iothread_list);
    if (listed && def->iothreads.value < listed)
        def->iothreads = (OptU32){ listed, true };
    for (uint32_t id = 1; listed && listed < def->iothreads.value; id++) {
        bool taken = false;
        for (DEF_EACH(IothreadDef, thread, def->iothread_list))
            taken |= thread->id == id;
        if (taken)
            continue;
        IothreadDef *thread = xml_table_new(&iothread_table);
        thread->id = id;
        g_ptr_array_add(def->iothread_list, thread);
        listed++;
    }
}

/* What is said of vCPUs that the machine does not have says nothing. */
static void drop_surplus_pins(DomainDef *def)
{
    GPtrArray **pins = def->cputune ? &def->cputune->vcpu_pins : NULL;
    static const CpuTune no_tune;
    if (!pins)
        return;
    for (unsigned i = def_list_len(*pins); i-- > 0;) {
        const CpuPin *pin = g_ptr_array_index(*pins, i);
        if (pin->id >= def->vcpus)
            xml_list_remove(&vcpu_pin_table, pins, i);
    }
    if (memcmp(def->cputune, &no_tune, sizeof(no_tune)) == 0)
        g_clear_pointer(&def->cputune, g_free);
}

static bool is_slot_taken(const DomainDef *def, uint32_t slot)
{
    for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices)) {
        if (memory->info.address.type == ADDRESS_DIMM && !memory->info.address.wants_numbers &&
            memory->info.address.dimm.slot == slot)
            return true;
    }
    return false;
}

bool domain_fill_memory_slots(DomainDef *def, Error **err)
{
    uint32_t slot = 0;
    for (DEF_EACH(MemoryDeviceDef, memory, def->memory_devices)) {
        DeviceAddress *address = &memory->info.address;
        bool has_slot = memory->model == MEMORY_DIMM || memory->model == MEMORY_NVDIMM;
        if (!has_slot || (address->type != ADDRESS_ABSENT && !address->wants_numbers))
            continue;
        while (is_slot_taken(def, slot))
            slot++;
        if (def->memory_slots && slot >= def->memory_slots) {
            error_set(err, ERROR_INTERNAL, "failed to find an empty memory slot");
            return error_hint(err, "<maxMemory slots=> says how many there are: %u", def->memory_slots);
        }
        *address = (DeviceAddress){ .type = ADDRESS_DIMM, .dimm = { .slot = slot } };
    }
    return true;
}

static void fill_labels(DomainDef *def)
{
    for (DEF_EACH(SecurityLabel, label, def->seclabels)) {
        /* No security driver but DAC is here, and that one has to be named. */
        if (label->type != SECLABEL_STATIC && !label->model) {
            label->type = SECLABEL_NONE;
            label->relabel = TRISTATE_ABSENT;
            label->model = g_strdup("none");
        }
        if (label->type != SECLABEL_NONE && label->relabel == TRISTATE_ABSENT)
            label->relabel = label->type == SECLABEL_STATIC ? TRISTATE_OFF : TRISTATE_ON;
    }
}

void domain_order_controllers(DomainDef *def)
{
    sort_list(def, &def->controllers, domain_sort_controllers);
}

bool domain_fill_defaults(DomainDef *def, DomainParseFlags flags, const DomainHooks *hooks, Error **err)
{
    g_auto(DomainPlatform) platform = { 0 };
    sort_list(def, &def->disks, domain_sort_disks);
    domain_order_controllers(def);
    if (!fill_platform(def, hooks, &platform, err))
        return false;
    if (!fill_uuid(def, err))
        return false;
    fill_basics(def);
    fill_cpu(def, &platform);
    if (!fill_each_device(def, err))
        return false;
    /* Like libvirt before the others get their numbers: so a SCSI controller without one is not the first. */
    add_hostdev_controllers(def);
    fill_controller_indexes(def);
    if (!fill_drive_addresses(def, err))
        return false;
    add_machine_controllers(def);
    if (!fill_consoles(def, err))
        return false;
    domain_add_implied_controllers(def);
    add_implied_devices(def);
    fill_boot(def);
    fill_firmware(def, &platform);
    fill_iothreads(def);
    drop_surplus_pins(def);
    fill_labels(def);
    return domain_fill_memory_slots(def, err);
}
