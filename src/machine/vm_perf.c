/* Performance events: counters that the kernel keeps for the threads of a QEMU. They are descriptors of ours,
 * so a daemon that takes a machine over opens them anew, and they begin at zero. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "perf"
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "conf/domain_rows.h"
#include "machine/vm_limits.h"
#include "machine/vm_query.h"
#include "machine/vm_tune.h"

#define PERF_THREADS_MAX 1024

/* Those without a row were Intel's cache monitoring, which Linux has not counted this way since 4.14. */
static const struct {
    uint32_t type;
    uint64_t config;
    bool is_known;
} perf_rows[PERF_EVENT_COUNT] = {
#define HARDWARE(name) [PERF_EVENT_##name] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_##name, true }
#define SOFTWARE(name) [PERF_EVENT_##name] = { PERF_TYPE_SOFTWARE, PERF_COUNT_SW_##name, true }
    HARDWARE(CPU_CYCLES),
    HARDWARE(INSTRUCTIONS),
    HARDWARE(CACHE_REFERENCES),
    HARDWARE(CACHE_MISSES),
    HARDWARE(BRANCH_INSTRUCTIONS),
    HARDWARE(BRANCH_MISSES),
    HARDWARE(BUS_CYCLES),
    HARDWARE(STALLED_CYCLES_FRONTEND),
    HARDWARE(STALLED_CYCLES_BACKEND),
    HARDWARE(REF_CPU_CYCLES),
    SOFTWARE(CPU_CLOCK),
    SOFTWARE(TASK_CLOCK),
    SOFTWARE(PAGE_FAULTS),
    SOFTWARE(CONTEXT_SWITCHES),
    SOFTWARE(CPU_MIGRATIONS),
    SOFTWARE(PAGE_FAULTS_MIN),
    SOFTWARE(PAGE_FAULTS_MAJ),
    SOFTWARE(ALIGNMENT_FAULTS),
    SOFTWARE(EMULATION_FAULTS),
#undef HARDWARE
#undef SOFTWARE
};

struct VmPerf {
    GArray *fds[PERF_EVENT_COUNT]; /* of int, one per thread; NULL: the event is not counted */
};

static void fds_close(GArray *fds)
{
    for (guint i = 0; fds && i < fds->len; i++)
        (void)close(g_array_index(fds, int, i));
    g_clear_pointer(&fds, g_array_unref);
}

void vm_perf_free(VmPerf *perf)
{
    if (!perf)
        return;
    for (size_t i = 0; i < PERF_EVENT_COUNT; i++)
        fds_close(perf->fds[i]);
    g_free(perf);
}

/* Threads that those make later are counted, too. */
static bool open_threads(pid_t pid, PerfEvent event, GArray *fds, Error **err)
{
    struct perf_event_attr attr = {
        .type = perf_rows[event].type, .size = sizeof(attr), .config = perf_rows[event].config, .inherit = 1
    };
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL); /* procfs: never waits */
    const char *name;

    while (dir && (name = g_dir_read_name(dir)) && fds->len < PERF_THREADS_MAX) {
        const int fd = (int)syscall(SYS_perf_event_open, &attr, (pid_t)g_ascii_strtoll(name, NULL, 10), -1,
                                    -1, PERF_FLAG_FD_CLOEXEC);
        if (fd < 0 && errno == ESRCH)
            continue;
        if (fd < 0)
            return error_set_errno(err, errno, "unable to open host cpu perf event for %s",
                                   enum_name(&perf_event_names, event));
        g_array_append_val(fds, fd);
    }
    return true;
}

static bool perf_enable(VmRun *run, PerfEvent event, Error **err)
{
    if (!run->perf)
        run->perf = g_new0(VmPerf, 1);
    if (run->perf->fds[event])
        return true;
    if (!perf_rows[event].is_known)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "unable to enable host cpu perf event for %s",
                         enum_name(&perf_event_names, event));
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    if (!open_threads(run->pid, event, fds, err)) {
        fds_close(fds);
        return false;
    }
    run->perf->fds[event] = fds;
    return true;
}

static void perf_disable(VmRun *run, PerfEvent event)
{
    if (run->perf)
        fds_close(g_steal_pointer(&run->perf->fds[event]));
}

bool vm_perf_start(Vm *vm, Error **err)
{
    for (DEF_EACH(PerfEventDef, event, vm->live->perf_events)) {
        if (event->enabled == TRISTATE_ON && !perf_enable(vm->run, event->name, err))
            return false;
    }
    return true;
}

void vm_perf_write(const VmRun *run, Params *params)
{
    for (size_t event = 0; run->perf && event < PERF_EVENT_COUNT; event++) {
        const GArray *fds = run->perf->fds[event];
        uint64_t sum = 0;
        for (guint i = 0; fds && i < fds->len; i++) {
            uint64_t count = 0;
            if (read(g_array_index(fds, int, i), &count, sizeof(count)) == (ssize_t)sizeof(count))
                sum += count;
        }
        if (fds)
            params_add_ullong(params, sum, "perf.%s", enum_name(&perf_event_names, (PerfEvent)event));
    }
}

/* ---- the API ---- */

static PerfEventDef *find_event(const DomainDef *def, PerfEvent name)
{
    for (DEF_EACH(PerfEventDef, event, def->perf_events)) {
        if (event->name == name)
            return event;
    }
    return NULL;
}

bool vm_get_perf_events(Vm *vm, unsigned flags, Params **ret_params, Error **err)
{
    const DomainDef *def = NULL;

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG | VIR_TYPED_PARAM_STRING_OKAY,
                     "qemuDomainGetPerfEvents", err) ||
        !vm_get_affected_def(vm, flags & ~(unsigned)VIR_TYPED_PARAM_STRING_OKAY, &def, err))
        return false;
    *ret_params = params_new();
    for (PerfEvent name = PERF_EVENT_ABSENT + 1; name < PERF_EVENT_COUNT; name++) {
        const PerfEventDef *event = find_event(def, name);
        const bool counts = def == vm->live ? vm->run && vm->run->perf && vm->run->perf->fds[name]
                                            : event && event->enabled == TRISTATE_ON;
        params_add_bool(*ret_params, counts, "%s", enum_name(&perf_event_names, name));
    }
    return true;
}

static void set_event(GPtrArray **events, PerfEvent name, bool enable)
{
    guint at = 0;

    if (!*events)
        *events = xml_list_new(&perf_event_table);
    while (at < (*events)->len && ((const PerfEventDef *)(*events)->pdata[at])->name < name)
        at++;
    if (at == (*events)->len || ((const PerfEventDef *)(*events)->pdata[at])->name != name) {
        PerfEventDef *event = xml_table_new(&perf_event_table);
        event->name = name;
        g_ptr_array_insert(*events, (gint)at, event);
    }
    ((PerfEventDef *)(*events)->pdata[at])->enabled = enable ? TRISTATE_ON : TRISTATE_OFF;
}

static void set_events(DomainDef *def, const Params *params)
{
    for (PerfEvent name = PERF_EVENT_ABSENT + 1; name < PERF_EVENT_COUNT; name++) {
        const Param *param = params_find(params, enum_name(&perf_event_names, name));
        if (param)
            set_event(&def->perf_events, name, param->value.b);
    }
}

typedef struct PerfEdit {
    Vm *vm;
    DomainDef *next;                /* owned; after the swap: with the events of before */
    bool counted[PERF_EVENT_COUNT]; /* before */
} PerfEdit;

static void perf_edit_clear(PerfEdit *edit)
{
    g_clear_pointer(&edit->next, domain_def_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PerfEdit, perf_edit_clear)

static void perf_swap(DomainDef *live, void *data)
{
    PerfEdit *edit = data;
    GPtrArray *old = live->perf_events;

    live->perf_events = edit->next->perf_events;
    edit->next->perf_events = old;
}

static void perf_take_back(void *arg)
{
    const PerfEdit *edit = arg;
    g_autoptr(Error) err = NULL;

    for (PerfEvent name = 0; edit->vm->run && name < PERF_EVENT_COUNT; name++) {
        if (!edit->counted[name])
            perf_disable(edit->vm->run, name);
        else if (!perf_enable(edit->vm->run, name, &err))
            g_clear_pointer(&err, error_free);
    }
}

static bool perf_do_live(VmEdit *edit, PerfEdit *change, const Params *params, Error **err)
{
    Vm *vm = edit->vm;

    change->next = domain_def_copy(vm->live);
    set_events(change->next, params);
    for (PerfEvent name = 0; name < PERF_EVENT_COUNT; name++)
        change->counted[name] = vm->run->perf && vm->run->perf->fds[name];
    undo_push(&edit->undo, perf_take_back, change);
    for (PerfEvent name = PERF_EVENT_ABSENT + 1; name < PERF_EVENT_COUNT; name++) {
        const Param *param = params_find(params, enum_name(&perf_event_names, name));
        if (param && !param->value.b)
            perf_disable(vm->run, name);
        else if (param && !perf_enable(vm->run, name, err))
            return false;
    }
    vm_edit_set_live(edit, perf_swap, change);
    return true;
}

bool vm_set_perf_events(Vm *vm, const Params *params, unsigned flags, const Caller *caller, Error **err)
{
    ParamSpec specs[PERF_EVENT_COUNT] = { 0 };
    g_auto(PerfEdit) change = { .vm = vm };
    g_auto(VmEdit) edit = { 0 };

    for (PerfEvent name = PERF_EVENT_ABSENT + 1; name < PERF_EVENT_COUNT; name++)
        specs[name - 1] = (ParamSpec){ enum_name(&perf_event_names, name), PARAM_BOOLEAN };
    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainSetPerfEvents",
                     err) ||
        !vm_check_params(params, specs, err) || !vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    if (edit.config)
        set_events(edit.config, params);
    return (!edit.live || perf_do_live(&edit, &change, params, err)) && vm_edit_commit(&edit, NULL, err);
}
