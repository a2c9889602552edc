/* Plans executed over QMP, and walked backwards. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "plan"
#include <string.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/domain_def.h"
#include "qemu/plan.h"

static const struct {
    const char *add, *remove, *key; /* @key names the thing in both; @remove NULL: it is no thing */
} commands[PLAN_KIND_COUNT] = {
    [PLAN_OBJECT] = { "object-add", "object-del", "id" },
    [PLAN_CHARDEV] = { "chardev-add", "chardev-remove", "id" },
    [PLAN_BLOCKDEV] = { "blockdev-add", "blockdev-del", "node-name" },
    [PLAN_NETDEV] = { "netdev_add", "netdev_del", "id" },
    [PLAN_FDSET] = { "add-fd", "remove-fd", "opaque" },
    [PLAN_DEVICE] = { "device_add", "device_del", "id" },
    [PLAN_WATCHDOG] = { .add = "watchdog-set-action" },
};

/* ---- forwards ---- */

static bool pass_descriptor(Qmp *qmp, const PlanFds *fds, const char *command, const char *name,
                            const Json *args, Json **ret_reply, Error **err)
{
    const int fd = plan_fds_get(fds, name);
    if (fd < 0)
        return error_set(err, ERROR_INTERNAL, "there is no descriptor '%s'", name);
    return qmp_exec_fd(qmp, command, args, fd, 0, ret_reply, err);
}

/* QEMU may have closed it itself: then it is gone, which is what we want. */
static void take_back_descriptors(Qmp *qmp, char *const *names, size_t n_names)
{
    fiber_shield_begin();
    for (size_t i = 0; i < n_names; i++) {
        AUTO_JSON args = json_pack("{s:s}", "fdname", names[i]);
        (void)!qmp_exec(qmp, "closefd", args, 0, NULL, NULL);
    }
    fiber_shield_end();
}

static bool add_set(PlanStep *step, const PlanTarget *target, Error **err)
{
    AUTO_JSON reply = NULL;
    const char *name = json_get_str(step->object, "opaque");
    AUTO_JSON args = json_pack("{s:s}", "opaque", name);
    if (step->first)
        json_object_set_new(args, "fdset-id", json_integer(step->first->number));
    if (!pass_descriptor(target->qmp, target->fds, "add-fd", name, args, &reply, err))
        return false;
    step->number = (unsigned)json_get_uint(reply, "fdset-id", 0);
    return true;
}

static bool step_execute(PlanStep *step, const PlanTarget *target, Error **err)
{
    if (step->kind == PLAN_FDSET)
        return add_set(step, target, err);
    g_auto(GStrv) names = NULL;
    size_t n_passed = 0;
    if (!plan_step_resolve(step, NULL, &names, err))
        return false;
    while (names[n_passed]) {
        AUTO_JSON args = json_pack("{s:s}", "fdname", names[n_passed]);
        if (!pass_descriptor(target->qmp, target->fds, "getfd", names[n_passed], args, NULL, err))
            break;
        n_passed++;
    }
    if (!names[n_passed] && qmp_exec(target->qmp, commands[step->kind].add, step->object, 0, NULL, err))
        return true;
    take_back_descriptors(target->qmp, names, n_passed);
    return false;
}

/* ---- backwards ---- */

/* What is not there needs no removing. QEMU says so in a class of errors for devices only. */
static bool is_gone(const Error *why)
{
    return error_code(why) == ERROR_REFUSED &&
           (g_strcmp0(error_class(why), "DeviceNotFound") == 0 || strstr(error_message(why), "not found") ||
            strstr(error_message(why), "Failed to find"));
}

/* A device that is gone lets go of its images a moment later. */
#define IN_USE_MS 2000
#define IN_USE_PAUSE_MS 20

static bool is_in_use(const Error *why)
{
    return error_code(why) == ERROR_REFUSED && strstr(error_message(why), "in use");
}

/* The set has a number that only QEMU remembers, by the name that it was given. */
static bool remove_sets(const char *name, Qmp *qmp, Error **err)
{
    AUTO_JSON sets = NULL;
    size_t i = 0, k = 0;
    Json *set = NULL, *entry = NULL;

    if (!qmp_exec(qmp, "query-fdsets", NULL, 0, &sets, err))
        return false;
    json_array_foreach (sets, i, set) {
        json_array_foreach (json_get_arr(set, "fds"), k, entry) {
            if (g_strcmp0(json_get_str(entry, "opaque"), name) != 0)
                continue;
            AUTO_JSON args = json_pack("{s:I}", "fdset-id", (json_int_t)json_get_int(set, "fdset-id", -1));
            if (!qmp_exec(qmp, "remove-fd", args, 0, NULL, err))
                return false;
            break;
        }
    }
    return true;
}

/* Who passed them may have died before the step that was to use them. */
static void forget_descriptors(const PlanStep *step, Qmp *qmp)
{
    g_auto(GStrv) names = NULL;

    if (step->descriptors && plan_step_resolve(step, NULL, &names, NULL))
        take_back_descriptors(qmp, names, g_strv_length(names));
}

static bool step_remove(const PlanStep *step, const PlanTarget *target, Error **err)
{
    if (!commands[step->kind].remove)
        return true;
    const char *name = json_get_str(step->object, commands[step->kind].key);
    g_autoptr(Error) why = NULL;

    if (step->kind == PLAN_FDSET)
        return remove_sets(name, target->qmp, err);
    if (!name)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "device '%s' has no name by which it could be removed",
                         json_get_str(step->object, "driver"));
    AUTO_JSON args = json_pack("{s:s}", commands[step->kind].key, name);
    const uint64_t deadline_ms = loop_now_ms() + IN_USE_MS;
    while (!qmp_exec(target->qmp, commands[step->kind].remove, args, 0, NULL, &why)) {
        if (is_gone(why)) {
            forget_descriptors(step, target->qmp);
            return true;
        }
        if (!is_in_use(why) || loop_now_ms() >= deadline_ms)
            return error_propagate(err, g_steal_pointer(&why));
        g_clear_pointer(&why, error_free);
        if (!fiber_sleep(IN_USE_PAUSE_MS, err))
            return false;
    }
    return step->kind != PLAN_DEVICE || target->wait(name, target->timeout_ms, target->arg, err);
}

static void step_undo(void *arg)
{
    const PlanStep *step = arg;
    g_autoptr(Error) why = NULL;
    if (!step_remove(step, step->target, &why))
        log_warning_error(why, "taking back a part of a device");
}

bool plan_execute(Plan *plan, const PlanTarget *target, Undo *undo, Error **err)
{
    const GPtrArray *steps = plan_steps(plan);

    for (DEF_EACH(PlanStep, step, steps)) {
        if (step->kind == PLAN_ARGUMENT)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "%s: option '%s' exists only for a machine that starts",
                             step->source ? step->source : "", step->option);
    }
    for (DEF_EACH(PlanStep, step, steps)) {
        g_autoptr(Error) why = NULL;
        step->target = target;
        const bool ok = step_execute(step, target, &why);
        /* A command whose answer did not come may have had its effect, or have it later. */
        if (ok || error_code(why) == ERROR_TIMEOUT || error_code(why) == ERROR_CANCELLED)
            undo_push(undo, step_undo, step);
        if (!ok)
            return error_propagate(err, g_steal_pointer(&why));
    }
    return true;
}

bool plan_reverse(const Plan *plan, const PlanTarget *target, Error **err)
{
    const GPtrArray *steps = plan_steps(plan);

    for (guint i = steps->len; i-- > 0;) {
        const PlanStep *step = g_ptr_array_index(steps, i);
        if (step->kind == PLAN_ARGUMENT)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "what '%s' made lasts as long as the machine runs", step->option);
        if (!step_remove(step, target, err))
            return false;
    }
    return true;
}
