/* Rows of resources: memory backing, vCPUs and I/O threads, and the limits on what the machine may use. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"

#define RESCTRL "the resctrl file system of this host is not managed"

static const XmlTable huge_page_table =
    TABLE(HugePage, "huge-page",
          ROWS(ATTR("size", HugePage, size_bytes, .unit = XML_UNIT_KIB, .flags = ROW_REQUIRED, .min = 1,
                    .max = INT64_MAX, .bad_code = ERROR_XML_SYNTAX, .doc = "page size"),
               ATTR("nodeset", HugePage, nodeset, .doc = "NUMA nodes of the guest that have such pages")),
          .doc = "A size of huge pages.");

const XmlTable memory_backing_table =
    TABLE(MemoryBacking, "memory-backing",
          ROWS(GROUP_FLAG("hugepages", MemoryBacking, hugepages,
                          ROWS(LIST("page", MemoryBacking, pages, &huge_page_table, .doc = "a size")),
                          .doc = "use huge pages"),
               FLAG("nosharepages", MemoryBacking, nosharepages, .doc = "never merge equal pages"),
               FLAG("locked", MemoryBacking, locked, .doc = "never swap"),
               GROUP("source",
                     ROWS(ATTR("type", MemoryBacking, source, .names = &memory_source_type_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "kind")),
                     .doc = "where the memory comes from"),
               GROUP("access",
                     ROWS(ATTR("mode", MemoryBacking, access, .names = &memory_access_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "who sees it")),
                     .doc = "whether other processes can see the memory"),
               GROUP("allocation",
                     ROWS(ATTR("mode", MemoryBacking, allocation, .names = &memory_allocation_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "when"),
                          ATTR("threads", MemoryBacking, allocation_threads, .max = UINT32_MAX,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "threads that allocate")),
                     .doc = "when the memory is taken"),
               FLAG("discard", MemoryBacking, discard, .doc = "drop the content at the end")),
          .doc = "What the guest's memory is made of.");

const XmlTable vcpu_table =
    TABLE(VcpuDef, "vcpu",
          ROWS(ATTR("id", VcpuDef, id, .flags = ROW_REQUIRED | ROW_ALWAYS, .max = 16383,
                    .doc = "number of the vCPU"),
               ATTR("enabled", VcpuDef, enabled, .names = &tristate_yes_no_names, .flags = ROW_REQUIRED,
                    .doc = "whether it is there"),
               ATTR("hotpluggable", VcpuDef, hotpluggable, .names = &tristate_yes_no_names,
                    .doc = "whether it can come and go"),
               ATTR("order", VcpuDef, order, .min = 1, .max = 16384, .doc = "position in which it is added")),
          .doc = "One vCPU.");

const XmlTable iothread_table = TABLE(IothreadDef, "iothread",
                                      ROWS(ATTR("id", IothreadDef, id, .flags = ROW_REQUIRED, .min = 1,
                                                .max = UINT32_MAX, .doc = "number of the thread"),
                                           ATTR("thread_pool_min", IothreadDef, pool_min, HOST_SIDE,
                                                .max = INT32_MAX, .doc = "least worker threads"),
                                           ATTR("thread_pool_max", IothreadDef, pool_max, HOST_SIDE,
                                                .max = INT32_MAX, .doc = "most worker threads")),
                                      .doc = "A thread for disks and controllers.");

const XmlTable vcpu_pin_table = TABLE(CpuPin, "vcpu-pin",
                                      ROWS(ATTR("vcpu", CpuPin, id, .flags = ROW_REQUIRED | ROW_ALWAYS,
                                                .max = UINT32_MAX, .doc = "number of the vCPU"),
                                           ATTR("cpuset", CpuPin, cpuset, .flags = ROW_REQUIRED,
                                                .missing_code = ERROR_INTERNAL, .doc = "CPUs of the host")),
                                      .doc = "Where a vCPU runs.");
static const XmlTable iothread_pin_table =
    TABLE(CpuPin, "iothread-pin",
          ROWS(ATTR("iothread", CpuPin, id, .flags = ROW_REQUIRED | ROW_ALWAYS, .max = UINT32_MAX,
                    .doc = "number of the I/O thread"),
               ATTR("cpuset", CpuPin, cpuset, .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL,
                    .doc = "CPUs of the host")),
          .doc = "Where an I/O thread runs.");

/* Only those two have priorities; whether one is in the kernel's range, the start says. */
static bool sched_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    SchedDef *sched = base;
    const bool has_priority = sched->policy == SCHED_POLICY_FIFO || sched->policy == SCHED_POLICY_RR;

    if (has_priority && !sched->priority.is_set)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "Missing required attribute 'priority' in element '%s'",
                         (const char *)element->name);
    if (!has_priority)
        sched->priority = (OptU32){ 0 };
    return true;
}

#define SCHED_ROWS                                                                                           \
    ATTR("scheduler", SchedDef, policy, .names = &sched_policy_names, .flags = ROW_REQUIRED,                 \
         .doc = "the kernel's scheduler"),                                                                   \
        ATTR("priority", SchedDef, priority, .max = UINT32_MAX, .doc = "priority, 1 to 99, of fifo and rr")
static const XmlTable vcpu_sched_table =
    TABLE(SchedDef, "vcpu-sched",
          ROWS(ATTR("vcpus", SchedDef, threads, .flags = ROW_REQUIRED, .doc = "numbers of vCPUs"),
               SCHED_ROWS),
          .finish = sched_finish, .doc = "How vCPUs are scheduled.");
static const XmlTable iothread_sched_table =
    TABLE(SchedDef, "iothread-sched",
          ROWS(ATTR("iothreads", SchedDef, threads, .flags = ROW_REQUIRED, .doc = "numbers of I/O threads"),
               SCHED_ROWS),
          .finish = sched_finish, .doc = "How I/O threads are scheduled.");
static const XmlTable emulator_sched_table =
    TABLE(SchedDef, "emulator-sched", ROWS(HELD("#threads", SchedDef, threads), SCHED_ROWS),
          .finish = sched_finish, .doc = "How QEMU's main thread is scheduled.");

const XmlTable main_loop_table = TABLE(MainLoopDef, "main-loop",
                                       ROWS(ATTR("thread_pool_min", MainLoopDef, pool_min, .max = INT32_MAX,
                                                 .doc = "least worker threads"),
                                            ATTR("thread_pool_max", MainLoopDef, pool_max, .max = INT32_MAX,
                                                 .doc = "most worker threads")),
                                       .doc = "The worker threads of QEMU's main loop.");

const XmlTable perf_event_table =
    TABLE(PerfEventDef, "perf-event",
          ROWS(ATTR("name", PerfEventDef, name, .names = &perf_event_names, .flags = ROW_REQUIRED,
                    .doc = "the event, by its name in statistics"),
               ATTR("enabled", PerfEventDef, enabled, .names = &tristate_yes_no_names, .flags = ROW_REQUIRED,
                    .doc = "whether it is counted")),
          .doc = "An event that the kernel counts for the machine.");

#define PERIOD(text, member, what)                                                                           \
    CHILD(text, CpuTune, member, .min = 1000, .max = 1000000, .bad_code = ERROR_CONFIG_UNSUPPORTED,          \
          .flags = ROW_CHANGEABLE | ROW_ZERO_OK, .doc = what)
/* Any negative number means no limit. */
#define QUOTA(text, member, what)                                                                            \
    CHILD(text, CpuTune, member, .min = (uint64_t)INT64_MIN, .max = INT64_C(17592186044415),                 \
          .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_CHANGEABLE, .doc = what)

const XmlTable cputune_table =
    TABLE(CpuTune, "cputune",
          ROWS(CHILD("shares", CpuTune, shares, .flags = ROW_CHANGEABLE | ROW_ZERO_OK, .min = 2,
                     .max = 262144, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                     .doc = "weight among the machines of the host"),
               PERIOD("period", period_us, "microseconds of a vCPU's period"),
               QUOTA("quota", quota_us,
                     "microseconds that each vCPU may run in a period; negative: no limit"),
               PERIOD("global_period", global_period_us, "microseconds of the whole machine's period"),
               QUOTA("global_quota", global_quota_us,
                     "microseconds that the whole machine may run in a period"),
               PERIOD("emulator_period", emulator_period_us, "microseconds of the emulator's period"),
               QUOTA("emulator_quota", emulator_quota_us,
                     "microseconds that the emulator may run in a period"),
               PERIOD("iothread_period", iothread_period_us, "microseconds of an I/O thread's period"),
               QUOTA("iothread_quota", iothread_quota_us,
                     "microseconds that an I/O thread may run in a period"),
               LIST("vcpupin", CpuTune, vcpu_pins, &vcpu_pin_table, .flags = ROW_CHANGEABLE,
                    .doc = "where a vCPU runs"),
               GROUP("emulatorpin",
                     ROWS(ATTR("cpuset", CpuTune, emulator_pin, .flags = ROW_REQUIRED,
                               .missing_code = ERROR_INTERNAL, .doc = "CPUs of the host")),
                     .flags = ROW_CHANGEABLE | ROW_SINGLE, .bad_code = ERROR_XML_INVALID,
                     .doc = "where the emulator runs"),
               LIST("iothreadpin", CpuTune, iothread_pins, &iothread_pin_table, .flags = ROW_CHANGEABLE,
                    .doc = "where an I/O thread runs"),
               OBJECT("emulatorsched", CpuTune, emulator_sched, &emulator_sched_table, .flags = ROW_SINGLE,
                      .bad_code = ERROR_XML_INVALID, .doc = "scheduler of the emulator"),
               LIST("vcpusched", CpuTune, vcpu_scheds, &vcpu_sched_table, .doc = "scheduler of vCPUs"),
               LIST("iothreadsched", CpuTune, iothread_scheds, &iothread_sched_table,
                    .doc = "scheduler of I/O threads"),
               KEPT("cachetune", .custom = &cachetune_check, REFUSED(RESCTRL),
                    .doc = "share of the host's cache"),
               KEPT("memorytune", .custom = &memorytune_check, REFUSED(RESCTRL),
                    .doc = "share of the host's memory bandwidth")),
          KEEPS(CpuTune), .doc = "How much CPU the machine gets.");

static const XmlTable numatune_node_table =
    TABLE(NumaTuneNode, "memnode",
          ROWS(ATTR("cellid", NumaTuneNode, cell, .flags = ROW_REQUIRED | ROW_ALWAYS, .max = 16383,
                    .doc = "NUMA cell of the guest"),
               ATTR("mode", NumaTuneNode, mode, .names = &numa_mode_names, .fallback = "strict",
                    .doc = "how strictly"),
               ATTR("nodeset", NumaTuneNode, nodeset, .flags = ROW_REQUIRED, .doc = "nodes of the host")),
          .doc = "Where the memory of one cell comes from.");

/* Who names the nodes chooses them. */
static bool numatune_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    NumaTune *tune = base;

    if (tune->placement == CPU_PLACEMENT_STATIC && tune->nodeset)
        tune->placement = CPU_PLACEMENT_ABSENT;
    return true;
}

const XmlTable numatune_table =
    TABLE(NumaTune, "numatune",
          ROWS(GROUP("memory",
                     ROWS(ATTR("mode", NumaTune, mode, .names = &numa_mode_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "strict",
                               .doc = "how strictly"),
                          ATTR("nodeset", NumaTune, nodeset, .doc = "nodes of the host"),
                          ATTR("placement", NumaTune, placement, .names = &cpu_placement_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "who chooses the nodes")),
                     .doc = "where the machine's memory comes from"),
               LIST("memnode", NumaTune, nodes, &numatune_node_table,
                    .doc = "where the memory of one cell comes from")),
          .finish = numatune_finish, .doc = "Which memory of the host the machine uses.");

#define LIMIT(text, member, what)                                                                            \
    CHILD(text, MemTune, member, .unit = XML_UNIT_KIB, .max = INT64_MAX, .flags = ROW_CHANGEABLE, .doc = what)
const XmlTable memtune_table =
    TABLE(MemTune, "memtune",
          ROWS(LIMIT("hard_limit", hard_limit, "the machine never has more"),
               LIMIT("soft_limit", soft_limit, "the machine has no more when memory is short"),
               LIMIT("min_guarantee", min_guarantee, "the machine has at least this much"),
               LIMIT("swap_hard_limit", swap_hard_limit, "memory and swap together")),
          .doc = "Limits on the host memory that the machine uses.");

static const XmlTable blkio_device_table =
    TABLE(BlkioDevice, "blkio-device",
          ROWS(CHILD("path", BlkioDevice, path, .flags = ROW_REQUIRED,
                     .missing_code = ERROR_CONFIG_UNSUPPORTED, .doc = "path of the block device"),
               CHILD("weight", BlkioDevice, weight, .max = UINT32_MAX, .text_code = ERROR_CONFIG_UNSUPPORTED,
                     .doc = "weight on this device"),
               CHILD("read_iops_sec", BlkioDevice, read_iops, .max = UINT32_MAX, .doc = "reads per second"),
               CHILD("write_iops_sec", BlkioDevice, write_iops, .max = UINT32_MAX,
                     .doc = "writes per second"),
               CHILD("read_bytes_sec", BlkioDevice, read_bytes, .max = UINT64_MAX,
                     .doc = "bytes read per second"),
               CHILD("write_bytes_sec", BlkioDevice, write_bytes, .max = UINT64_MAX,
                     .doc = "bytes written per second")),
          .doc = "Limits on one block device of the host.");

static bool blkiotune_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const BlkioTune *tune = base;
    g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);

    for (DEF_EACH(BlkioDevice, device, tune->devices)) {
        if (!g_hash_table_add(paths, device->path))
            return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                             "duplicate blkio device path '%s'", device->path);
    }
    return true;
}

const XmlTable blkiotune_table =
    TABLE(BlkioTune, "blkiotune",
          ROWS(CHILD("weight", BlkioTune, weight, .flags = ROW_CHANGEABLE, .max = UINT32_MAX,
                     .doc = "weight among the machines of the host"),
               LIST("device", BlkioTune, devices, &blkio_device_table, .flags = ROW_CHANGEABLE,
                    .doc = "limits on one device")),
          .finish = blkiotune_finish, .doc = "How much of the host's disks the machine gets.");
