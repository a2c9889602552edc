/* What happens when a guest powers off, reboots or crashes, changed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_edit.h"
#include "machine/vm_life.h"

typedef struct Actions {
    LifecycleAction poweroff, reboot, crash;
} Actions;

static LifecycleAction *action_of(DomainDef *def, int type)
{
    return type == VIR_DOMAIN_LIFECYCLE_POWEROFF ? &def->on_poweroff
           : type == VIR_DOMAIN_LIFECYCLE_REBOOT ? &def->on_reboot
                                                 : &def->on_crash;
}

/* The numbers of the protocol. */
static const LifecycleAction actions[] = {
    LIFECYCLE_ACTION_DESTROY,  LIFECYCLE_ACTION_RESTART,          LIFECYCLE_ACTION_RESTART_RENAME,
    LIFECYCLE_ACTION_PRESERVE, LIFECYCLE_ACTION_COREDUMP_DESTROY, LIFECYCLE_ACTION_COREDUMP_RESTART,
};

static bool check_arguments(unsigned type, unsigned action, Error **err)
{
    static const char *const events[] = { "poweroff", "reboot", "crash" };

    if (type >= G_N_ELEMENTS(events))
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid lifecycle type '%u'", type);
    if (action >= G_N_ELEMENTS(actions))
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid lifecycle action '%u'", action);
    if (type != VIR_DOMAIN_LIFECYCLE_CRASH && (action == VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_DESTROY ||
                                               action == VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_RESTART))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Lifecycle event '%s' doesn't support '%s' action",
                         events[type],
                         action == VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_DESTROY ? "coredump-destroy"
                                                                                : "coredump-restart");
    return true;
}

/* QEMU reports both in one way, so one of them would be taken for the other. */
static bool check_pair(const DomainDef *def, int type, LifecycleAction action, Error **err)
{
    const LifecycleAction off = type == VIR_DOMAIN_LIFECYCLE_POWEROFF ? action : def->on_poweroff,
                          reboot = type == VIR_DOMAIN_LIFECYCLE_REBOOT ? action : def->on_reboot;

    if (action == LIFECYCLE_ACTION_RESTART_RENAME)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "qemu driver doesn't support the 'rename-restart' action for "
                         "'on_reboot'/'on_poweroff'/'on_crash'");
    if (type != VIR_DOMAIN_LIFECYCLE_CRASH && action == LIFECYCLE_ACTION_PRESERVE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'");
    if (type != VIR_DOMAIN_LIFECYCLE_CRASH && off == LIFECYCLE_ACTION_RESTART &&
        reboot == LIFECYCLE_ACTION_DESTROY)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "qemu driver doesn't support 'onReboot' set to 'destroy and 'onPoweroff' set to "
                         "'reboot'");
    return true;
}

typedef struct Change {
    Vm *vm;
    int type;
    LifecycleAction action, before;
} Change;

static void change_swap(DomainDef *live, void *data)
{
    Change *change = data;
    LifecycleAction *place = action_of(live, change->type), now = *place;

    *place = change->action;
    change->action = now;
}

static void reboot_take_back(void *data)
{
    const Change *change = data;

    (void)!monitor_set_reboot_action(vm_monitor(change->vm), change->before != LIFECYCLE_ACTION_DESTROY, 0,
                                     NULL);
}

/* QEMU itself acts on reboots alone; -no-shutdown leaves the others to us. */
AWAITS static bool live_set(VmEdit *edit, Change *change, Error **err)
{
    vm_edit_set_live(edit, change_swap, change);
    if (change->type != VIR_DOMAIN_LIFECYCLE_REBOOT ||
        (change->action == LIFECYCLE_ACTION_DESTROY) == (change->before == LIFECYCLE_ACTION_DESTROY))
        return true;
    if (!monitor_set_reboot_action(vm_monitor(change->vm), change->action != LIFECYCLE_ACTION_DESTROY, 0,
                                   err))
        return false;
    undo_push(&edit->undo, reboot_take_back, change);
    return true;
}

bool vm_set_lifecycle_action(Vm *vm, unsigned type, unsigned action, unsigned flags, const Caller *caller,
                             Error **err)
{
    Change change = { .vm = vm, .type = (int)type };
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG, "qemuDomainSetLifecycleAction",
                     err) ||
        !check_arguments(type, action, err) || !vm_edit_begin(vm, flags, caller, &edit, err))
        return false;
    change.action = actions[action];
    if ((edit.live && !check_pair(vm->live, change.type, change.action, err)) ||
        (edit.config && !check_pair(edit.config, change.type, change.action, err)))
        return false;
    if (edit.config)
        *action_of(edit.config, change.type) = change.action;
    if (edit.live) {
        change.before = *action_of(vm->live, change.type);
        if (!live_set(&edit, &change, err))
            return false;
    }
    return vm_edit_commit(&edit, NULL, err);
}
