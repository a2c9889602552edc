/* Where the threads of a machine run, and how the kernel schedules them: the document, applied to threads.
 *
 * QEMU tells which threads it has, and a QEMU that its guest broke out of may name any: only threads of its
 * own process are touched. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "sched"
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "host/node.h"
#include "machine/vm_tune.h"

#define SCHED_CPUS_MAX 16384

/* ---- what the document says ---- */

static const CpuSet *find_pin(const GPtrArray *pins, unsigned id)
{
    for (DEF_EACH(CpuPin, pin, pins)) {
        if (pin->id == id)
            return pin->cpuset;
    }
    return NULL;
}

const CpuSet *vm_thread_pin(const DomainDef *def, const VmRun *run, ThreadKind kind, unsigned id)
{
    const CpuTune *tune = def->cputune;
    const CpuSet *set = !tune                     ? NULL
                        : kind == THREAD_VCPU     ? find_pin(tune->vcpu_pins, id)
                        : kind == THREAD_IOTHREAD ? find_pin(tune->iothread_pins, id)
                                                  : tune->emulator_pin;

    return set ? set : def->vcpu_placement != CPU_PLACEMENT_AUTO ? def->cpuset : run ? run->numad_cpus : NULL;
}

static const SchedDef *find_sched(const CpuTune *tune, ThreadKind kind, unsigned id)
{
    if (!tune || kind == THREAD_EMULATOR)
        return tune ? tune->emulator_sched : NULL;
    for (DEF_EACH(SchedDef, sched, kind == THREAD_VCPU ? tune->vcpu_scheds : tune->iothread_scheds)) {
        if (cpuset_has(sched->threads, id))
            return sched;
    }
    return NULL;
}

/* ---- one thread ---- */

static bool is_thread_of(pid_t pid, pid_t tid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d", (int)pid, (int)tid);

    return access(path, F_OK) == 0;
}

/* @set NULL: all CPUs. */
static bool set_affinity(pid_t tid, const CpuSet *set, Error **err)
{
    cpu_set_t *mask = CPU_ALLOC(SCHED_CPUS_MAX);
    const size_t size = CPU_ALLOC_SIZE(SCHED_CPUS_MAX);

    if (set)
        CPU_ZERO_S(size, mask);
    else
        memset(mask, 0xff, size);
    for (int cpu = set ? cpuset_next(set, -1) : -1; cpu >= 0; cpu = cpuset_next(set, cpu))
        CPU_SET_S((size_t)cpu, size, mask);
    const bool ok = sched_setaffinity(tid, size, mask) == 0 || errno == ESRCH;
    const int saved = errno;
    CPU_FREE(mask);
    return ok || error_set_errno(err, saved, "cannot set CPU affinity on process %d", (int)tid);
}

static bool set_scheduler(pid_t tid, const SchedDef *sched, Error **err)
{
    static const int policies[] = {
        [SCHED_POLICY_BATCH] = SCHED_BATCH,
        [SCHED_POLICY_IDLE] = SCHED_IDLE,
        [SCHED_POLICY_FIFO] = SCHED_FIFO,
        [SCHED_POLICY_RR] = SCHED_RR,
    };
    const struct sched_param param = { .sched_priority =
                                           sched->priority.is_set ? (int)sched->priority.value : 0 };

    if (sched_setscheduler(tid, policies[sched->policy], &param) == 0 || errno == ESRCH)
        return true;
    return error_set_errno(err, errno, "Cannot set scheduler parameters for pid %d", (int)tid);
}

/* The kernel refuses CPUs that it has never heard of. */
static void format_host_cpus(const CpuSet *pin, GString *out)
{
    g_autoptr(CpuSet) there = cpuset_new();
    const GPtrArray *cpus = node_cpus();

    for (DEF_EACH(NodeCpu, cpu, cpus)) {
        if (cpuset_has(pin, cpu->id))
            cpuset_add(there, cpu->id);
    }
    cpuset_format(there, out);
}

/* A new group gets its limits before the thread enters it. */
AWAITS static bool enter_group(Vm *vm, const DomainDef *def, ThreadKind kind, unsigned id, pid_t tid,
                               Error **err)
{
    static const CpuTune none = { 0 };
    const CpuTune *tune = def->cputune ? def->cputune : &none;
    const unsigned controllers = vm->host->machines->cgroups->controllers;
    const CpuSet *pin = vm_thread_pin(def, vm->run, kind, id);
    g_autofree char *group = NULL;
    g_autoptr(GString) cpus = g_string_new(NULL);
    OptU64 period = kind == THREAD_VCPU ? tune->period_us : tune->iothread_period_us;
    OptS64 quota = kind == THREAD_VCPU ? tune->quota_us : tune->iothread_quota_us;

    if (!vm_thread_group(vm, kind, id, &group))
        return true;
    if (kind == THREAD_EMULATOR) {
        period = tune->emulator_period_us;
        quota = tune->emulator_quota_us;
    }
    CgroupBatch *batch = cgroup_batch_new();
    const bool is_new = !cgroup_exists(group);
    if (is_new) {
        cgroup_add_make(batch, group);
        cgroup_add_write(batch, group, "cgroup.type", "threaded");
    }
    g_autofree char *max = vm_cpu_max(period, quota);
    if ((controllers & CGROUP_CPU) && (period.is_set || quota.is_set))
        cgroup_add_write(batch, group, "cpu.max", "%s", max);
    if (pin)
        format_host_cpus(pin, cpus);
    if ((controllers & CGROUP_CPUSET) && (pin || !is_new))
        cgroup_add_write(batch, group, "cpuset.cpus", "%s\n", cpus->str);
    if (kind != THREAD_EMULATOR)
        cgroup_add_write(batch, group, "cgroup.threads", "%d", (int)tid);
    return cgroup_batch_run(batch, err);
}

bool vm_thread_setup(Vm *vm, const DomainDef *def, ThreadKind kind, unsigned id, pid_t tid, Error **err)
{
    const uint64_t serial = vm->run->serial;

    if (!is_thread_of(vm->run->pid, tid))
        return error_set(err, ERROR_INTERNAL, "QEMU says that %d is a thread of its own, which it is not",
                         (int)tid);
    if (!enter_group(vm, def, kind, id, tid, err))
        return false;
    if (!vm->run || vm->run->serial != serial || !is_thread_of(vm->run->pid, tid))
        return error_set(err, ERROR_VM_GONE, "the thread has ended");
    const CpuSet *pin = vm_thread_pin(def, vm->run, kind, id);
    const SchedDef *sched = find_sched(def->cputune, kind, id);
    return set_affinity(tid, pin, err) && (!sched || set_scheduler(tid, sched, err));
}

void vm_thread_remove(Vm *vm, ThreadKind kind, unsigned id)
{
    g_autofree char *group = NULL;
    g_autoptr(Error) err = NULL;

    if (vm->run && vm_thread_group(vm, kind, id, &group) && cgroup_exists(group) &&
        !cgroup_remove(group, &err))
        log_warning_error(err, "the group of a thread that has ended stays");
}

/* ---- all of them ---- */

static bool parse_iothread_id(const char *name, unsigned *ret_id)
{
    char *end = NULL;

    if (!g_str_has_prefix(name, "iothread") || !g_ascii_isdigit(name[strlen("iothread")]))
        return false;
    const uint64_t id = g_ascii_strtoull(name + strlen("iothread"), &end, 10);
    *ret_id = (unsigned)id;
    return *end == 0 && id <= UINT32_MAX;
}

bool vm_iothread_tid(Vm *vm, unsigned id, pid_t *ret_tid, Error **err)
{
    g_autoptr(GPtrArray) threads = NULL;
    unsigned found = 0;

    if (!monitor_query_iothreads(vm_monitor(vm), 0, &threads, err))
        return false;
    for (DEF_EACH(MonitorIoThread, thread, threads)) {
        if (parse_iothread_id(thread->id, &found) && found == id) {
            *ret_tid = (pid_t)thread->thread_id;
            return true;
        }
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "iothread %u not found", id);
}

AWAITS static bool setup_iothreads(Vm *vm, const DomainDef *def, Error **err)
{
    const uint64_t serial = vm->run->serial;
    g_autoptr(GPtrArray) threads = NULL;

    const bool is_needed = vm->run->cgroup || def->cpuset || vm->run->numad_cpus ||
                           (def->cputune && (def_list_len(def->cputune->iothread_pins) ||
                                             def_list_len(def->cputune->iothread_scheds)));
    if (!is_needed || (!def->iothreads.value && !def_list_len(def->iothread_list)))
        return true;
    if (!monitor_query_iothreads(vm_monitor(vm), 0, &threads, err))
        return false;
    for (DEF_EACH(MonitorIoThread, thread, threads)) {
        unsigned id = 0;
        if (!parse_iothread_id(thread->id, &id))
            continue;
        if (!vm->run || vm->run->serial != serial)
            return error_set(err, ERROR_VM_GONE, "QEMU exited");
        if (!vm_thread_setup(vm, def, THREAD_IOTHREAD, id, (pid_t)thread->thread_id, err))
            return false;
    }
    return true;
}

bool vm_threads_setup(Vm *vm, const DomainDef *def, Error **err)
{
    const uint64_t serial = vm->run->serial;

    if (!vm_thread_setup(vm, def, THREAD_EMULATOR, 0, vm->run->pid, err))
        return false;
    for (guint i = 0; vm->run && vm->run->serial == serial && i < vm->run->vcpu_tids->len; i++) {
        const pid_t tid = g_array_index(vm->run->vcpu_tids, pid_t, i);
        if (tid && !vm_thread_setup(vm, def, THREAD_VCPU, i, tid, err))
            return false;
    }
    if (!vm->run || vm->run->serial != serial)
        return error_set(err, ERROR_VM_GONE, "QEMU exited");
    return setup_iothreads(vm, def, err);
}

/* ---- a part of the live document ---- */

void live_part_clear(LivePart *part)
{
    xml_table_free(part->table, part->next);
    part->next = NULL;
}

void live_part_swap(DomainDef *live, void *data)
{
    LivePart *part = data;
    void **member = (void **)((char *)live + part->offset);
    void *old = *member;

    *member = part->next;
    part->next = old;
}

const XmlTable *vm_list_table(const XmlTable *table, const char *name)
{
    const XmlRow *row = table->rows;

    while (row->node != XML_LIST || strcmp(row->name, name) != 0)
        row++;
    return row->table;
}
