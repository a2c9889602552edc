/* vCPUs that come and go: in the definition as numbers or a list, in a running machine as devices "vcpuN".
 *
 * QEMU is the truth about which a running machine has: a daemon that takes one over asks, so nothing need be
 * written down before a vCPU is plugged. The guest decides whether it lets go of one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "vcpu"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_define.h"
#include "machine/vm_device_private.h"
#include "machine/vm_guest.h"
#include "machine/vm_limits.h"
#include "machine/vm_query.h"
#include "machine/vm_tune.h"

#define VCPU_UNPLUG_MS 5000 /* as long as the reference waits for the guest */
#define VCPU_POLL_MS 200
#define VCPU_WATCH_MS 2000 /* afterwards */
#define VCPU_WATCH_ROUNDS 60

/* ---- the list ---- */

static unsigned current_vcpus(const DomainDef *def)
{
    return def->vcpus_current.is_set ? def->vcpus_current.value : def->vcpus;
}

static void set_current_vcpus(DomainDef *def, unsigned count)
{
    def->vcpus_current = (OptU32){ .value = count, .is_set = count != def->vcpus };
}

static VcpuDef *find_vcpu(const DomainDef *def, unsigned id)
{
    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list)) {
        if (vcpu->id == id)
            return vcpu;
    }
    return NULL;
}

static unsigned count_enabled(const DomainDef *def)
{
    unsigned count = 0;

    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list))
        count += vcpu->enabled == TRISTATE_ON;
    return count;
}

/* Names the vCPUs one by one, those that are there first: as many as the definition has. */
static void list_vcpus(DomainDef *def)
{
    const unsigned current = current_vcpus(def);

    if (!def->vcpu_list)
        def->vcpu_list = xml_list_new(&vcpu_table);
    for (unsigned id = 0; id < def->vcpus; id++) {
        if (find_vcpu(def, id))
            continue;
        const bool is_there = count_enabled(def) < current;
        VcpuDef *vcpu = xml_table_new(&vcpu_table);
        *vcpu = (VcpuDef){ .id = id,
                           .enabled = is_there ? TRISTATE_ON : TRISTATE_OFF,
                           .hotpluggable = is_there ? TRISTATE_OFF : TRISTATE_ON };
        g_ptr_array_add(def->vcpu_list, vcpu);
    }
    for (unsigned i = def->vcpu_list->len; i-- > 0;) {
        if (((const VcpuDef *)def->vcpu_list->pdata[i])->id >= def->vcpus)
            xml_list_remove(&vcpu_table, &def->vcpu_list, i);
    }
}

static unsigned next_order(const DomainDef *def)
{
    unsigned order = 0;

    for (DEF_EACH(VcpuDef, vcpu, def->vcpu_list))
        order = MAX(order, vcpu->order);
    return order + 1;
}

/* The list of a running machine says in which order they came. */
static void order_vcpus(DomainDef *live)
{
    for (int plugged = 0; plugged < 2; plugged++) {
        for (unsigned id = 0; id < live->vcpus; id++) {
            VcpuDef *vcpu = find_vcpu(live, id);
            if (vcpu && vcpu->enabled == TRISTATE_ON && vcpu->order == 0 &&
                (vcpu->hotpluggable == TRISTATE_ON) == plugged)
                vcpu->order = next_order(live);
        }
    }
}

/* ---- what runs ---- */

void vm_take_vcpu_tids(Vm *vm, const GPtrArray *cpus)
{
    g_array_set_size(vm->run->vcpu_tids, 0);
    g_clear_pointer(&vm->run->vcpu_paths, g_ptr_array_unref);
    vm->run->vcpu_paths = g_ptr_array_new_with_free_func(g_free);
    for (DEF_EACH(MonitorCpu, cpu, cpus)) {
        if (cpu->index >= vm->live->vcpus)
            continue;
        if (cpu->index >= vm->run->vcpu_paths->len)
            g_ptr_array_set_size(vm->run->vcpu_paths, (gint)cpu->index + 1);
        g_free(vm->run->vcpu_paths->pdata[cpu->index]);
        vm->run->vcpu_paths->pdata[cpu->index] = g_strdup(cpu->qom_path);
        if (cpu->index >= vm->run->vcpu_tids->len)
            g_array_set_size(vm->run->vcpu_tids, cpu->index + 1);
        g_array_index(vm->run->vcpu_tids, pid_t, cpu->index) = (pid_t)cpu->thread_id;
    }
}

AWAITS static bool refresh_tids(Vm *vm, Error **err)
{
    g_autoptr(GPtrArray) cpus = NULL;

    if (!monitor_query_cpus(vm_monitor(vm), 0, &cpus, err))
        return false;
    vm_take_vcpu_tids(vm, cpus);
    return true;
}

static pid_t vcpu_tid(const Vm *vm, unsigned id)
{
    return id < vm->run->vcpu_tids->len ? g_array_index(vm->run->vcpu_tids, pid_t, id) : 0;
}

bool vm_vcpus_refresh(Vm *vm, Error **err)
{
    if (!refresh_tids(vm, err))
        return false;
    unsigned count = 0;
    for (unsigned id = 0; id < vm->live->vcpus; id++)
        count += vcpu_tid(vm, id) != 0;
    if (count == current_vcpus(vm->live) && !vm->live->vcpu_list)
        return true;
    list_vcpus(vm->live);
    for (DEF_EACH(VcpuDef, vcpu, vm->live->vcpu_list)) {
        const Tristate enabled = vcpu_tid(vm, vcpu->id) ? TRISTATE_ON : TRISTATE_OFF;
        if (vcpu->enabled == enabled)
            continue;
        log_warning("machine '%s' %s vCPU %u, unlike its status file says", vm->name,
                    enabled == TRISTATE_ON ? "has" : "has no", vcpu->id);
        vm->run->has_lost_vcpu = vm->run->has_lost_vcpu || enabled == TRISTATE_OFF;
        vcpu->enabled = enabled;
        vcpu->hotpluggable = TRISTATE_ON;
        vcpu->order = 0;
    }
    order_vcpus(vm->live);
    set_current_vcpus(vm->live, count);
    return true;
}

static void vcpu_left(Vm *vm, unsigned id)
{
    VcpuDef *vcpu = find_vcpu(vm->live, id);

    if (id < vm->run->vcpu_tids->len)
        g_array_index(vm->run->vcpu_tids, pid_t, id) = 0;
    vm->run->has_lost_vcpu = true;
    if (!vcpu || vcpu->enabled != TRISTATE_ON)
        return;
    const unsigned order = vcpu->order;
    vcpu->enabled = TRISTATE_OFF;
    vcpu->order = 0;
    for (DEF_EACH(VcpuDef, later, vm->live->vcpu_list))
        later->order -= later->order > order;
    set_current_vcpus(vm->live, count_enabled(vm->live));
}

typedef struct Leaving {
    Vm *vm; /* counted */
    uint64_t serial;
    unsigned id;
} Leaving;

/* Of a vCPU whose guest took its time. */
static void leaving_fiber(void *arg)
{
    g_autofree Leaving *leaving = arg;
    g_autoptr(Vm) vm = leaving->vm;
    g_auto(Job) job = { 0 };

    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, NULL) || !vm->run ||
        vm->run->serial != leaving->serial)
        return;
    vm_thread_remove(vm, THREAD_VCPU, leaving->id);
}

static bool parse_alias(const char *alias, unsigned *ret_id)
{
    char *end = NULL;

    if (!g_str_has_prefix(alias, "vcpu") || !g_ascii_isdigit(alias[strlen("vcpu")]))
        return false;
    const uint64_t id = g_ascii_strtoull(alias + strlen("vcpu"), &end, 10);
    *ret_id = (unsigned)id;
    return *end == 0 && id < UINT16_MAX;
}

bool vm_vcpu_gone(Vm *vm, const char *alias)
{
    unsigned id = 0;

    if (!parse_alias(alias, &id) || !vcpu_tid(vm, id))
        return false;
    vcpu_left(vm, id);
    vm_status_save_later(vm);
    Leaving *leaving = g_new0(Leaving, 1);
    *leaving = (Leaving){ .vm = vm_ref(vm), .serial = vm->run->serial, .id = id };
    host_spawn(vm->host, "vcpu", leaving_fiber, leaving);
    return true;
}

/* ---- plugging ---- */

AWAITS static bool plug_slot(Vm *vm, const MonitorCpuSlot *slot, unsigned id, Error **err)
{
    g_autofree char *alias = g_strdup_printf("vcpu%u", id);
    AUTO_JSON args = json_copy(slot->props);

    /* QEMU 7.2 keeps a pointer into the memory of an emulated CPU (TCG) that went, and writes there when the
     * next one comes: it aborts. */
    if (vm->live->type != VIRT_TYPE_KVM && vm->run->has_lost_vcpu) {
        error_set(err, ERROR_OPERATION_UNSUPPORTED,
                  "QEMU without KVM cannot plug vCPU %u after one was taken out: it would abort", id);
        return error_hint(err, "shut the machine down and start it again");
    }
    json_object_set_new(args, "driver", json_string(slot->driver));
    json_object_set_new(args, "id", json_string(alias));
    return qmp_exec(vm_monitor(vm), "device_add", args, 0, NULL, err);
}

AWAITS static bool find_slot(Vm *vm, unsigned id, GPtrArray **ret_slots, Error **err)
{
    if (!monitor_query_cpu_slots(vm_monitor(vm), 0, ret_slots, err))
        return false;
    return id < (*ret_slots)->len ||
           error_set(err, ERROR_OPERATION_UNSUPPORTED, "QEMU has no place for vCPU %u", id);
}

AWAITS static bool ask_to_leave(Vm *vm, unsigned id, Error **err)
{
    g_autofree char *alias = g_strdup_printf("vcpu%u", id);
    AUTO_JSON args = json_pack("{s:s}", "id", alias);

    return qmp_exec(vm_monitor(vm), "device_del", args, 0, NULL, err);
}

/* Whether QEMU has taken it out: an emulated CPU (TCG) goes without an event, because QEMU 7.2 keeps a
 * reference to it. */
AWAITS static bool is_gone(Vm *vm, unsigned id)
{
    g_autoptr(GPtrArray) slots = NULL;

    return monitor_query_cpu_slots(vm_monitor(vm), VCPU_UNPLUG_MS, &slots, NULL) && id < slots->len &&
           !((const MonitorCpuSlot *)slots->pdata[id])->qom_path;
}

AWAITS static bool wait_until_gone(Vm *vm, unsigned id, const char *alias, Error **err)
{
    const uint64_t serial = vm->run->serial;
    const uint64_t deadline_ms = loop_now_ms() + VCPU_UNPLUG_MS;

    for (;;) {
        g_autoptr(Error) why = NULL;
        if (vm_unplug_wait(vm, serial, alias, VCPU_POLL_MS, &why))
            return true;
        if (error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
        if (is_gone(vm, id))
            return true;
        if (loop_now_ms() >= deadline_ms)
            return error_propagate(err, g_steal_pointer(&why));
    }
}

/* A guest that lets go later than anybody waits for. */
static void watch_fiber(void *arg)
{
    g_autofree Leaving *leaving = arg;
    g_autoptr(Vm) vm = leaving->vm;

    for (unsigned round = 0; round < VCPU_WATCH_ROUNDS; round++) {
        if (!fiber_sleep(VCPU_WATCH_MS, NULL) || vm->host->is_stopping || !vm->run ||
            vm->run->serial != leaving->serial || !vcpu_tid(vm, leaving->id))
            return;
        if (vm->run->qmp && is_gone(vm, leaving->id) && vm->run && vm->run->serial == leaving->serial)
            break;
    }
    g_auto(Job) job = { 0 };
    if (!job_begin(&vm->object, JOB_MODIFY, NULL, &job, NULL) || !vm->run ||
        vm->run->serial != leaving->serial || !is_gone(vm, leaving->id))
        return;
    vcpu_left(vm, leaving->id);
    vm_status_save_later(vm);
    vm_thread_remove(vm, THREAD_VCPU, leaving->id);
}

static void watch_leaving(Vm *vm, unsigned id)
{
    Leaving *leaving = g_new0(Leaving, 1);

    *leaving = (Leaving){ .vm = vm_ref(vm), .serial = vm->run->serial, .id = id };
    host_spawn(vm->host, "vcpu", watch_fiber, leaving);
}

AWAITS static bool unplug_vcpu(Vm *vm, unsigned id, Error **err)
{
    const uint64_t serial = vm->run->serial;
    g_autofree char *alias = g_strdup_printf("vcpu%u", id);
    g_autoptr(Error) why = NULL;

    vm_unplug_expect(vm, alias);
    const bool ok = ask_to_leave(vm, id, &why) && wait_until_gone(vm, id, alias, &why);
    if (!vm->run || vm->run->serial != serial)
        return error_set(err, ERROR_VM_GONE, "QEMU exited");
    g_clear_pointer(&vm->run->unplug_alias, g_free);
    if (!ok && error_code(why) == ERROR_TIMEOUT) {
        watch_leaving(vm, id);
        return error_set(err, ERROR_TIMEOUT,
                         "vcpu unplug request timed out. Unplug result must be manually inspected in the "
                         "domain");
    }
    if (!ok)
        return error_propagate(err, g_steal_pointer(&why));
    vcpu_left(vm, id);
    vm_thread_remove(vm, THREAD_VCPU, id);
    return true;
}

AWAITS static bool plug_vcpu(Vm *vm, unsigned id, Error **err)
{
    g_autoptr(GPtrArray) slots = NULL;

    list_vcpus(vm->live);
    order_vcpus(vm->live);
    if (!find_slot(vm, id, &slots, err) || !plug_slot(vm, slots->pdata[id], id, err) ||
        !refresh_tids(vm, err))
        return false;
    VcpuDef *vcpu = find_vcpu(vm->live, id);
    vcpu->enabled = TRISTATE_ON;
    vcpu->hotpluggable = TRISTATE_ON;
    vcpu->order = next_order(vm->live);
    set_current_vcpus(vm->live, count_enabled(vm->live));
    const pid_t tid = vcpu_tid(vm, id);
    if (tid && vm_thread_setup(vm, vm->live, THREAD_VCPU, id, tid, err))
        return true;
    if (!tid)
        error_set(err, ERROR_OPERATION_FAILED, "QEMU has not made vCPU %u", id);
    (void)!unplug_vcpu(vm, id, NULL); /* what is left is told by who takes back the rest */
    return false;
}

bool vm_vcpus_start(Vm *vm, Error **err)
{
    g_autoptr(GPtrArray) slots = NULL;
    bool is_changed = false;

    if (!vm->live->vcpu_list)
        return true;
    for (DEF_EACH(VcpuDef, listed, vm->live->vcpu_list))
        is_changed = is_changed || (listed->enabled == TRISTATE_ON && listed->hotpluggable == TRISTATE_ON);
    if (is_changed && !monitor_query_cpu_slots(vm_monitor(vm), 0, &slots, err))
        return false;
    order_vcpus(vm->live);
    for (unsigned order = 1; is_changed && order < next_order(vm->live); order++) {
        for (DEF_EACH(VcpuDef, vcpu, vm->live->vcpu_list)) {
            if (vcpu->order != order || vcpu->enabled != TRISTATE_ON || vcpu->hotpluggable != TRISTATE_ON)
                continue;
            if (vcpu->id >= slots->len)
                return error_set(err, ERROR_CONFIG_UNSUPPORTED, "QEMU has no place for vCPU %u", vcpu->id);
            if (!plug_slot(vm, slots->pdata[vcpu->id], vcpu->id, err))
                return false;
        }
    }
    return !is_changed || refresh_tids(vm, err);
}

/* ---- how many ---- */

static unsigned topology_vcpus(const CpuDef *cpu)
{
    return cpu ? cpu->sockets * MAX(cpu->dies, 1) * cpu->cores * cpu->threads : 0;
}

static void set_enabled(VcpuDef *vcpu, bool enabled, bool hotpluggable)
{
    vcpu->enabled = enabled ? TRISTATE_ON : TRISTATE_OFF;
    vcpu->hotpluggable = !enabled || hotpluggable ? TRISTATE_ON : TRISTATE_OFF;
    vcpu->order = 0;
}

static void config_set_current(DomainDef *def, unsigned count, bool hotpluggable)
{
    if (!def->vcpu_list && !hotpluggable) {
        set_current_vcpus(def, count);
        return;
    }
    list_vcpus(def);
    unsigned now = count_enabled(def);
    for (unsigned id = 0; id < def->vcpus && now < count; id++) {
        if (find_vcpu(def, id)->enabled != TRISTATE_ON) {
            set_enabled(find_vcpu(def, id), true, hotpluggable);
            now++;
        }
    }
    for (unsigned id = def->vcpus; id-- > 0 && now > count;) {
        if (find_vcpu(def, id)->enabled == TRISTATE_ON) {
            set_enabled(find_vcpu(def, id), false, true);
            now--;
        }
    }
    set_current_vcpus(def, count);
}

static bool config_set_vcpus(DomainDef *def, unsigned count, unsigned flags, Error **err)
{
    if (!(flags & VIR_DOMAIN_VCPU_MAXIMUM)) {
        if (count > def->vcpus)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "requested vcpus is greater than max allowable vcpus for the persistent domain: "
                             "%u > %u",
                             count, def->vcpus);
        config_set_current(def, count, flags & VIR_DOMAIN_VCPU_HOTPLUGGABLE);
        return true;
    }
    const unsigned topology = topology_vcpus(def->cpu);
    if (topology && topology != count)
        return error_set(err, ERROR_INVALID_ARGUMENT, "CPU topology doesn't match the desired vcpu count");
    const unsigned current = MIN(current_vcpus(def), count);
    if (def->vcpu_list)
        config_set_current(def, current, false);
    def->vcpus = count;
    set_current_vcpus(def, current);
    if (def->vcpu_list)
        list_vcpus(def);
    return true;
}

/* The vCPU that comes or goes next on the way to @count; -1: none can. */
static int next_vcpu(const DomainDef *live, bool plug)
{
    for (unsigned i = 0; i < live->vcpus; i++) {
        const unsigned id = plug ? i : live->vcpus - 1 - i;
        const VcpuDef *vcpu = find_vcpu(live, id);
        if (plug ? vcpu->enabled != TRISTATE_ON
                 : vcpu->enabled == TRISTATE_ON && vcpu->hotpluggable == TRISTATE_ON)
            return (int)id;
    }
    return -1;
}

/* The vCPUs that a running machine is to have if a change of them fails. */
typedef struct Before {
    CpuSet *ids; /* NULL: nothing was changed yet */
    uint64_t serial;
} Before;

static void before_clear(Before *before)
{
    cpuset_free(before->ids);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Before, before_clear)

static CpuSet *enabled_vcpus(const DomainDef *live)
{
    CpuSet *ids = cpuset_new();

    for (DEF_EACH(VcpuDef, vcpu, live->vcpu_list)) {
        if (vcpu->enabled == TRISTATE_ON)
            cpuset_add(ids, vcpu->id);
    }
    return ids;
}

static void before_note(Before *before, const Vm *vm)
{
    before->ids = enabled_vcpus(vm->live);
    before->serial = vm->run->serial;
}

static bool before_still_runs(const Before *before, const Vm *vm)
{
    return vm->run && vm->run->serial == before->serial && vm->live && vm->run->qmp;
}

/* Those that came go again, those that went come back. A guest that keeps one is waited for once: of the
 * others, too, it hears. @err, which says why, then says what is left. */
AWAITS static void take_back(Vm *vm, const Before *before, Error **err)
{
    bool is_patient = true;

    fiber_shield_begin();
    for (unsigned id = 0; before_still_runs(before, vm) && id < vm->live->vcpus; id++) {
        const bool had = cpuset_has(before->ids, id);
        g_autoptr(Error) why = NULL;
        if ((find_vcpu(vm->live, id)->enabled == TRISTATE_ON) == had)
            continue;
        if (!had && !is_patient && ask_to_leave(vm, id, &why))
            watch_leaving(vm, id);
        else if (!(had ? plug_vcpu(vm, id, &why) : is_patient && unplug_vcpu(vm, id, &why)))
            is_patient = is_patient && error_code(why) != ERROR_TIMEOUT;
    }
    if (before_still_runs(before, vm)) {
        g_autoptr(CpuSet) now = enabled_vcpus(vm->live);
        g_autoptr(Error) why = NULL;
        g_autoptr(GString) ids = g_string_new(NULL);
        cpuset_format(now, ids);
        if (!cpuset_equal(now, before->ids))
            error_hint(err, "not all could be taken back: the machine has vCPUs %s now", ids->str);
        if (!vm_status_save(vm, &why))
            log_error_error(why, "the status file of a machine lacks a change of its vCPUs");
    }
    fiber_shield_end();
}

AWAITS static bool live_set_vcpus(Vm *vm, unsigned count, Before *before, Error **err)
{
    if (!vm_require_monitor(vm, err))
        return false;
    if (!vm_vcpus_refresh(vm, err))
        return false;
    if (count == current_vcpus(vm->live))
        return true;
    list_vcpus(vm->live);
    order_vcpus(vm->live);
    unsigned removable = 0;
    for (DEF_EACH(VcpuDef, vcpu, vm->live->vcpu_list))
        removable += vcpu->enabled == TRISTATE_ON && vcpu->hotpluggable == TRISTATE_ON;
    if (current_vcpus(vm->live) > count + removable)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu "
                         "count");
    before_note(before, vm);
    while (before_still_runs(before, vm) && current_vcpus(vm->live) != count) {
        const bool plug = current_vcpus(vm->live) < count;
        const int id = next_vcpu(vm->live, plug);
        if (id < 0)
            return error_set(err, ERROR_INTERNAL, "no vCPU is left that could %s", plug ? "come" : "go");
        if (!(plug ? plug_vcpu(vm, (unsigned)id, err) : unplug_vcpu(vm, (unsigned)id, err)))
            return false;
    }
    return true;
}

/* The running machine has the change already. */
AWAITS static bool commit_vcpus(VmEdit *edit, Error **err)
{
    vm_edit_note(edit, NULL);
    return (!edit->live || !edit->vm->run || !edit->vm->live || vm_status_save(edit->vm, err)) &&
           vm_edit_commit(edit, NULL, err);
}

bool vm_set_vcpus(Vm *vm, unsigned count, unsigned flags, const Caller *caller, Error **err)
{
    const unsigned known = VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG | VIR_DOMAIN_VCPU_MAXIMUM |
                           VIR_DOMAIN_VCPU_GUEST | VIR_DOMAIN_VCPU_HOTPLUGGABLE;
    g_auto(Before) before = { 0 };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, known, "qemuDomainSetVcpusFlags", err))
        return false;
    if (count == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "nvcpus in virDomainSetVcpusFlags must not be zero");
    if (flags & VIR_DOMAIN_VCPU_GUEST)
        return (flags & VIR_DOMAIN_AFFECT_CONFIG) == 0
                   ? vm_use_guest_vcpus(vm, count, err)
                   : error_set(err, ERROR_INVALID_ARGUMENT,
                               "Flags 'VIR_DOMAIN_VCPU_GUEST' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually "
                               "exclusive");
    if (!vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    if (edit.live && (flags & VIR_DOMAIN_VCPU_MAXIMUM))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "maximum vcpu count of a live domain can't be modified");
    if (edit.live && count > vm->live->vcpus)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "requested vcpus is greater than max allowable vcpus for the live domain: %u > %u",
                         count, vm->live->vcpus);
    if (edit.config && !config_set_vcpus(edit.config, count, flags, err))
        return false;
    const bool ok = (!edit.live || live_set_vcpus(vm, count, &before, err)) && commit_vcpus(&edit, err);
    if (!ok && before.ids)
        take_back(vm, &before, err);
    return ok;
}

bool vm_get_vcpu_count(Vm *vm, unsigned flags, unsigned *ret_count, Error **err)
{
    const DomainDef *def = NULL;

    if (!check_flags(flags,
                     VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG | VIR_DOMAIN_VCPU_MAXIMUM |
                         VIR_DOMAIN_VCPU_GUEST,
                     "qemuDomainGetVcpusFlags", err) ||
        !vm_get_affected_def(vm, flags, &def, err))
        return false;
    if (flags & VIR_DOMAIN_VCPU_GUEST)
        return def == vm->live ? vm_count_guest_vcpus(vm, flags & VIR_DOMAIN_VCPU_MAXIMUM, ret_count, err)
                               : error_set(err, ERROR_INVALID_ARGUMENT,
                                           "vCPU count provided by the guest agent can only be requested for "
                                           "live domains");
    *ret_count = flags & VIR_DOMAIN_VCPU_MAXIMUM ? def->vcpus : current_vcpus(def);
    return true;
}

/* ---- which ---- */

static bool check_ids(const DomainDef *def, const CpuSet *ids, const char *which, Error **err)
{
    int last = -1;

    for (int id = cpuset_next(ids, -1); id >= 0; id = cpuset_next(ids, id))
        last = id;
    return last < (int)def->vcpus ||
           error_set(err, ERROR_INVALID_ARGUMENT, "vcpu %d is not present in %s config", last, which);
}

static bool config_set_vcpu(DomainDef *def, const CpuSet *ids, bool enable, Error **err)
{
    list_vcpus(def);
    if (cpuset_has(ids, 0))
        return error_set(err, ERROR_INVALID_ARGUMENT, "vCPU '0' can't be modified");
    if (!check_ids(def, ids, "persistent", err))
        return false;
    for (int id = cpuset_next(ids, -1); id >= 0; id = cpuset_next(ids, id))
        set_enabled(find_vcpu(def, (unsigned)id), enable, true);
    set_current_vcpus(def, count_enabled(def));
    return true;
}

static bool live_check_vcpu(Vm *vm, const CpuSet *ids, bool enable, Error **err)
{
    list_vcpus(vm->live);
    order_vcpus(vm->live);
    if (!vm_require_monitor(vm, err) || !check_ids(vm->live, ids, "live", err))
        return false;
    const int id = cpuset_next(ids, -1);
    for (int each = id; each >= 0; each = cpuset_next(ids, each)) {
        if ((find_vcpu(vm->live, (unsigned)each)->enabled == TRISTATE_ON) == enable)
            return error_set(err, ERROR_INVALID_ARGUMENT, "vcpu '%d' is already in requested state", each);
    }
    if (cpuset_count(ids) != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "only one hotpluggable entity can be selected");
    if (!enable && find_vcpu(vm->live, (unsigned)id)->hotpluggable != TRISTATE_ON)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "vcpu '%d' can't be unplugged", id);
    return true;
}

bool vm_set_vcpu(Vm *vm, const char *map, int state, unsigned flags, const Caller *caller, Error **err)
{
    g_autoptr(CpuSet) ids = NULL;
    const bool enable = state == 1;
    g_auto(Before) before = { 0 };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainSetVcpu", err))
        return false;
    if (state != 0 && state != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported state value");
    if (!cpuset_parse(map, &ids, err) || !vm_edit_begin(vm, flags, caller, &edit, err) ||
        (edit.config && !config_set_vcpu(edit.config, ids, enable, err)) ||
        (edit.live && !live_check_vcpu(vm, ids, enable, err)))
        return false;
    const unsigned id = (unsigned)cpuset_next(ids, -1);
    if (edit.live)
        before_note(&before, vm);
    const bool ok = (!edit.live || (enable ? plug_vcpu(vm, id, err) : unplug_vcpu(vm, id, err))) &&
                    commit_vcpus(&edit, err);
    if (!ok && before.ids)
        take_back(vm, &before, err);
    return ok;
}
