/* I/O threads that come, go and change: objects "iothreadN" of QEMU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "iothread"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_limits.h"
#include "machine/vm_query.h"
#include "machine/vm_tune.h"

void vm_list_iothreads(DomainDef *def)
{
    if (def->iothread_list || def->iothreads.value == 0)
        return;
    def->iothread_list = xml_list_new(&iothread_table);
    for (unsigned id = 1; id <= def->iothreads.value; id++) {
        IothreadDef *thread = xml_table_new(&iothread_table);
        thread->id = id;
        g_ptr_array_add(def->iothread_list, thread);
    }
}

static IothreadDef *find_iothread(const DomainDef *def, unsigned id)
{
    for (DEF_EACH(IothreadDef, thread, def->iothread_list)) {
        if (thread->id == id)
            return thread;
    }
    return NULL;
}

static void count_iothreads(DomainDef *def)
{
    const unsigned count = def_list_len(def->iothread_list);

    def->iothreads = (OptU32){ .value = count, .is_set = count > 0 };
}

/* ---- the document ---- */

static bool add_to(DomainDef *def, unsigned id, Error **err)
{
    vm_list_iothreads(def);
    if (find_iothread(def, id))
        return error_set(err, ERROR_INVALID_ARGUMENT, "an IOThread is already using iothread_id '%u'", id);
    IothreadDef *thread = xml_table_new(&iothread_table);
    thread->id = id;
    if (!def->iothread_list)
        def->iothread_list = xml_list_new(&iothread_table);
    g_ptr_array_add(def->iothread_list, thread);
    count_iothreads(def);
    return true;
}

static bool check_unused(const DomainDef *def, unsigned id, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        if (disk->iothread.is_set && disk->iothread.value == id)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "cannot remove IOThread %u since it is being used by disk '%s'", id,
                             disk->target);
    }
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->iothread.is_set && controller->iothread.value == id)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "cannot remove IOThread '%u' since it is being used by controller %u", id,
                             controller->index.value);
    }
    return true;
}

static void forget_tuning(CpuTune *tune, unsigned id)
{
    const XmlTable *pins = vm_list_table(&cputune_table, "iothreadpin");
    const XmlTable *scheds = vm_list_table(&cputune_table, "iothreadsched");

    for (unsigned i = tune ? def_list_len(tune->iothread_pins) : 0; i-- > 0;) {
        if (((const CpuPin *)tune->iothread_pins->pdata[i])->id == id)
            xml_list_remove(pins, &tune->iothread_pins, i);
    }
    for (unsigned i = tune ? def_list_len(tune->iothread_scheds) : 0; i-- > 0;) {
        if (cpuset_has(((const SchedDef *)tune->iothread_scheds->pdata[i])->threads, id))
            xml_list_remove(scheds, &tune->iothread_scheds, i);
    }
}

static bool remove_from(DomainDef *def, unsigned id, Error **err)
{
    vm_list_iothreads(def);
    for (unsigned i = 0; i < def_list_len(def->iothread_list); i++) {
        if (((const IothreadDef *)def->iothread_list->pdata[i])->id != id)
            continue;
        if (!check_unused(def, id, err))
            return false;
        xml_list_remove(&iothread_table, &def->iothread_list, i);
        forget_tuning(def->cputune, id);
        count_iothreads(def);
        return true;
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "cannot find IOThread '%u' in iothreadids list", id);
}

/* ---- the running machine ---- */

/* The document that the running machine gets: iothreads, their list and what depends on it. */
typedef struct IothreadEdit {
    Vm *vm;
    unsigned id;
    DomainDef *next; /* owned; after the swap: what was before */
} IothreadEdit;

static void iothread_edit_clear(IothreadEdit *edit)
{
    g_clear_pointer(&edit->next, domain_def_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IothreadEdit, iothread_edit_clear)

#define SWAP(a, b)                                                                                           \
    do {                                                                                                     \
        __typeof__(a) swapped_ = (a);                                                                        \
        (a) = (b);                                                                                           \
        (b) = swapped_;                                                                                      \
    } while (0)

static void iothread_swap(DomainDef *live, void *data)
{
    IothreadEdit *edit = data;

    SWAP(live->iothreads, edit->next->iothreads);
    SWAP(live->iothread_list, edit->next->iothread_list);
    SWAP(live->cputune, edit->next->cputune);
}

AWAITS static bool object_del(Vm *vm, unsigned id, Error **err)
{
    AUTO_JSON args = json_object();
    g_autofree char *name = g_strdup_printf("iothread%u", id);

    json_object_set_new(args, "id", json_string(name));
    if (!qmp_exec(vm_monitor(vm), "object-del", args, 0, NULL, err))
        return false;
    vm_thread_remove(vm, THREAD_IOTHREAD, id);
    return true;
}

AWAITS static bool object_add(Vm *vm, const DomainDef *def, unsigned id, Error **err)
{
    AUTO_JSON object = qemu_iothread_object(find_iothread(def, id));
    pid_t tid = 0;

    if (!qmp_exec(vm_monitor(vm), "object-add", object, 0, NULL, err))
        return false;
    if (vm_iothread_tid(vm, id, &tid, err) && vm_thread_setup(vm, def, THREAD_IOTHREAD, id, tid, err))
        return true;
    (void)!object_del(vm, id, NULL);
    return false;
}

static void take_back_add(void *arg)
{
    const IothreadEdit *edit = arg;
    g_autoptr(Error) err = NULL;

    if (vm_monitor(edit->vm) && !object_del(edit->vm, edit->id, &err))
        log_warning_error(err, "an I/O thread that was added stays");
}

/* The old document is the live one again. */
static void take_back_del(void *arg)
{
    const IothreadEdit *edit = arg;
    g_autoptr(Error) err = NULL;

    if (vm_monitor(edit->vm) && edit->vm->live && find_iothread(edit->vm->live, edit->id) &&
        !object_add(edit->vm, edit->vm->live, edit->id, &err))
        log_warning_error(err, "an I/O thread that was removed does not come back");
}

bool vm_add_iothread(Vm *vm, unsigned id, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(IothreadEdit) change = { .vm = vm, .id = id };
    g_auto(VmEdit) edit = { 0 };

    if (id == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid value of 0 for iothread_id");
    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainAddIOThread",
                     err) ||
        !vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    change.next = edit.live ? domain_def_copy(vm->live) : NULL;
    if ((edit.config && !add_to(edit.config, id, err)) || (change.next && !add_to(change.next, id, err)))
        return false;
    if (edit.live) {
        if (!vm_require_monitor(vm, err) || !object_add(vm, change.next, id, err))
            return false;
        undo_push(&edit.undo, take_back_add, &change);
        vm_edit_set_live(&edit, iothread_swap, &change);
    }
    return vm_edit_commit(&edit, NULL, err);
}

bool vm_del_iothread(Vm *vm, unsigned id, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(IothreadEdit) change = { .vm = vm, .id = id };
    g_auto(VmEdit) edit = { 0 };

    if (id == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid value of 0 for iothread_id");
    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainDelIOThread",
                     err) ||
        !vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    change.next = edit.live ? domain_def_copy(vm->live) : NULL;
    if ((edit.config && !remove_from(edit.config, id, err)) ||
        (change.next && !remove_from(change.next, id, err)))
        return false;
    if (edit.live) {
        vm_list_iothreads(vm->live); /* what is taken back is found by its number */
        if (!vm_require_monitor(vm, err) || !object_del(vm, id, err))
            return false;
        undo_push(&edit.undo, take_back_del, &change);
        vm_edit_set_live(&edit, iothread_swap, &change);
    }
    return vm_edit_commit(&edit, NULL, err);
}

/* ---- how one works ---- */

static const struct {
    const char *name, *property;
    ParamType type;
    bool is_live_only;
} iothread_params[] = {
    { "poll_max_ns", "poll-max-ns", PARAM_ULLONG, true },
    { "poll_grow", "poll-grow", PARAM_UINT, true },
    { "poll_shrink", "poll-shrink", PARAM_UINT, true },
    /* The upper bound first: QEMU wants them in order at any time. */
    { "thread_pool_max", "thread-pool-max", PARAM_INT, false },
    { "thread_pool_min", "thread-pool-min", PARAM_INT, false },
};

static int64_t param_number(const Param *param)
{
    return param->type == PARAM_ULLONG ? (int64_t)MIN(param->value.ul, (uint64_t)INT64_MAX)
           : param->type == PARAM_UINT ? (int64_t)param->value.ui
                                       : param->value.i;
}

static bool check_poll(const Params *params, Error **err)
{
    static const struct {
        const char *name, *shown;
    } rows[] = { { "poll_max_ns", "poll-max-ns" },
                 { "poll_grow", "poll-grow" },
                 { "poll_shrink", "poll-shrink" } };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Param *param = params_find(params, rows[i].name);
        if (param && param_number(param) > INT32_MAX)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "%s (%" PRId64 ") must be less than or equal to %d", rows[i].shown,
                             param_number(param), INT32_MAX);
    }
    return true;
}

static bool set_pool(DomainDef *def, unsigned id, const Params *params, Error **err)
{
    const Param *pool_min = params_find(params, "thread_pool_min");
    const Param *pool_max = params_find(params, "thread_pool_max");

    vm_list_iothreads(def);
    IothreadDef *thread = find_iothread(def, id);
    if (!thread)
        return error_set(err, ERROR_INVALID_ARGUMENT, "cannot find IOThread '%u' in iothreadids", id);
    if (pool_min)
        thread->pool_min = (OptS64){ .value = pool_min->value.i, .is_set = pool_min->value.i >= 0 };
    if (pool_max)
        thread->pool_max = (OptS64){ .value = pool_max->value.i, .is_set = pool_max->value.i >= 0 };
    if (thread->pool_min.is_set && !thread->pool_max.is_set)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "thread_pool_min needs a thread_pool_max");
    if (thread->pool_min.is_set && thread->pool_min.value > thread->pool_max.value)
        return error_set(err, ERROR_INVALID_STATE,
                         "thread_pool_min (%" PRId64 ") can't be greater than thread_pool_max (%" PRId64 ")",
                         thread->pool_min.value, thread->pool_max.value);
    return true;
}

typedef struct PropertyEdit {
    Vm *vm;
    char *path;
    Json *before[G_N_ELEMENTS(iothread_params)]; /* in the order in which they were set; NULL: was not */
} PropertyEdit;

static void property_edit_clear(PropertyEdit *edit)
{
    for (size_t i = 0; i < G_N_ELEMENTS(edit->before); i++)
        json_decref(edit->before[i]);
    g_free(edit->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PropertyEdit, property_edit_clear)

AWAITS static bool qom_set(Vm *vm, const char *path, const char *property, Json *value, Error **err)
{
    AUTO_JSON args = json_pack("{s:s, s:s, s:O}", "path", path, "property", property, "value", value);

    return qmp_exec(vm_monitor(vm), "qom-set", args, 0, NULL, err);
}

static void properties_take_back(void *arg)
{
    PropertyEdit *edit = arg;
    g_autoptr(Error) err = NULL;

    for (size_t i = G_N_ELEMENTS(edit->before); i-- > 0 && vm_monitor(edit->vm);) {
        if (edit->before[i] &&
            !qom_set(edit->vm, edit->path, iothread_params[i].property, edit->before[i], &err)) {
            log_warning_error(err, "a change of an I/O thread cannot be taken back");
            return;
        }
    }
}

AWAITS static bool set_properties(VmEdit *edit, PropertyEdit *change, const Params *params, Error **err)
{
    undo_push(&edit->undo, properties_take_back, change);
    for (size_t i = 0; i < G_N_ELEMENTS(iothread_params); i++) {
        const Param *param = params_find(params, iothread_params[i].name);
        if (!param)
            continue;
        AUTO_JSON value = json_integer(param_number(param));
        AUTO_JSON where =
            json_pack("{s:s, s:s}", "path", change->path, "property", iothread_params[i].property);
        AUTO_JSON before = NULL;
        if (!qmp_exec(vm_monitor(change->vm), "qom-get", where, 0, &before, err) ||
            !qom_set(change->vm, change->path, iothread_params[i].property, value, err))
            return false;
        change->before[i] = json_incref(before);
    }
    return true;
}

bool vm_set_iothread(Vm *vm, unsigned id, const Params *params, unsigned flags, const Caller *caller,
                     Error **err)
{
    ParamSpec specs[G_N_ELEMENTS(iothread_params) + 1] = { 0 };
    g_auto(PropertyEdit) property = { .vm = vm, .path = g_strdup_printf("/objects/iothread%u", id) };
    g_auto(IothreadEdit) change = { .vm = vm, .id = id };
    g_auto(VmEdit) edit = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(iothread_params); i++)
        specs[i] = (ParamSpec){ iothread_params[i].name, iothread_params[i].type };
    if (id == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid value of 0 for iothread_id");
    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainSetIOThreadParams",
                     err) ||
        !vm_check_params(params, specs, err) || !check_poll(params, err) ||
        !vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    change.next = edit.live ? domain_def_copy(vm->live) : NULL;
    if ((edit.config && !set_pool(edit.config, id, params, err)) ||
        (change.next && !set_pool(change.next, id, params, err)))
        return false;
    for (size_t i = 0; edit.config && i < G_N_ELEMENTS(iothread_params); i++) {
        if (iothread_params[i].is_live_only && params_find(params, iothread_params[i].name))
            return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                             "configuring persistent polling values is not supported");
    }
    if (edit.live) {
        if (!vm_require_monitor(vm, err) || !set_properties(&edit, &property, params, err))
            return false;
        vm_edit_set_live(&edit, iothread_swap, &change);
    }
    return vm_edit_commit(&edit, NULL, err);
}
