/* Migrations while they run, and what is set for the next one; what a daemon before left of one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include <string.h>

#include "base/log.h"
#include "conf/xml_table.h"
#include "machine/vm_migrate_private.h"

#define MIB (UINT64_C(1) << 20)
#define ANSWER_MS 5000

/* ---- settings, which QEMU keeps ---- */

bool migrate_set_number(Vm *vm, const char *name, uint64_t value, Error **err)
{
    Json *parameters = json_object(), *none = json_object();

    json_object_set_new(parameters, name, json_integer((json_int_t)MIN(value, INT64_MAX / 2)));
    return monitor_set_migration_options(vm_monitor(vm), none, parameters, 0, err);
}

AWAITS static bool get_number(Vm *vm, const char *name, uint64_t *ret_value, Error **err)
{
    AUTO_JSON parameters = NULL;

    if (!vm_require_monitor(vm, err) ||
        !monitor_query_migration_parameters(vm_monitor(vm), 0, &parameters, err))
        return false;
    *ret_value = json_get_uint(parameters, name, 0);
    return true;
}

bool vm_migrate_set_downtime(Vm *vm, uint64_t downtime_ms, Error **err)
{
    if (!vm_require_monitor(vm, err) || !migrate_set_number(vm, "downtime-limit", downtime_ms, err))
        return false;
    vm->migration_has_downtime = true;
    return true;
}

bool vm_migrate_get_downtime(Vm *vm, uint64_t *ret_downtime_ms, Error **err)
{
    return get_number(vm, "downtime-limit", ret_downtime_ms, err);
}

bool vm_migrate_set_speed(Vm *vm, uint64_t mib_per_s, bool postcopy, Error **err)
{
    if (mib_per_s > INT64_MAX / MIB)
        return error_set(err, ERROR_OVERFLOW, "bandwidth must be less than %llu",
                         (unsigned long long)(INT64_MAX / MIB + 1));
    if (postcopy || vm_is_running(vm)) {
        if (!vm_require_monitor(vm, err) ||
            !migrate_set_number(vm, postcopy ? "max-postcopy-bandwidth" : "max-bandwidth", mib_per_s * MIB,
                                err))
            return false;
    }
    if (!postcopy)
        vm->migration_mib_per_s = mib_per_s;
    return true;
}

bool vm_migrate_get_speed(Vm *vm, bool postcopy, uint64_t *ret_mib_per_s, Error **err)
{
    if (!postcopy) {
        *ret_mib_per_s = vm->migration_mib_per_s ? vm->migration_mib_per_s : INT64_MAX / MIB;
        return true;
    }
    if (!get_number(vm, "max-postcopy-bandwidth", ret_mib_per_s, err))
        return false;
    *ret_mib_per_s /= MIB;
    return true;
}

bool vm_migrate_set_cache(Vm *vm, uint64_t bytes, Error **err)
{
    return vm_require_monitor(vm, err) && migrate_set_number(vm, "xbzrle-cache-size", bytes, err);
}

bool vm_migrate_get_cache(Vm *vm, uint64_t *ret_bytes, Error **err)
{
    return get_number(vm, "xbzrle-cache-size", ret_bytes, err);
}

/* ---- what is said to one that runs ---- */

bool vm_migrate_start_postcopy(Vm *vm, Error **err)
{
    Outgoing *out = vm->outgoing;

    if (!vm_require_running(vm, err))
        return false;
    if (!out || out->phase != MIGRATE_PERFORM)
        return error_set(err, ERROR_INVALID_STATE,
                         "post-copy can only be started while outgoing migration is in progress");
    if (!(out->params.flags & VIR_MIGRATE_POSTCOPY))
        return error_set(err, ERROR_INVALID_STATE,
                         "switching to post-copy requires migration to be started with "
                         "VIR_MIGRATE_POSTCOPY flag");
    /* From here on the guest may run there: written down before QEMU hears of it. */
    if (!migrate_note_phase(out, MIGRATE_POSTCOPY, err))
        return false;
    if (vm_monitor(vm) && vm->outgoing == out && monitor_migrate_start_postcopy(vm_monitor(vm), 0, err))
        return true;
    if (vm->outgoing == out && vm->run)
        (void)!migrate_note_phase(out, MIGRATE_PERFORM, NULL); /* QEMU has refused: as before */
    return false;
}

bool vm_migrate_interrupt(Vm *vm, Error **err)
{
    const Outgoing *out = vm->outgoing;

    if (!out || out->phase != MIGRATE_POSTCOPY)
        return error_set(err, ERROR_INVALID_STATE, "current job is not outgoing migration in post-copy mode");
    error_set(err, ERROR_OPERATION_UNSUPPORTED,
              "the post-copy of machine '%s' is not interrupted: QEMU at the destination may die of that, "
              "and "
              "the guest with it",
              vm->name);
    return error_hint(err, "let it end; 'virsh domjobinfo %s' tells how far it is", vm->name);
}

bool vm_migrate_pause(Vm *vm, bool *ret_is_migrating, Error **err)
{
    const Outgoing *out = vm->outgoing;

    *ret_is_migrating = out && out->phase == MIGRATE_PERFORM;
    return !*ret_is_migrating || vm->state != VM_STATE_RUNNING ||
           (vm_require_monitor(vm, err) && vm_process_pause_cpus(vm, VIR_DOMAIN_PAUSED_MIGRATION, err));
}

/* ---- after a restart ---- */

bool vm_migrate_recover(Vm *vm, Error **err)
{
    const VmMigrateNote *note = vm->run->migration;

    if (!note)
        return true;
    if (strcmp(note->phase, "perform") == 0) {
        log_warning("machine '%s' was being migrated when the daemon died: it goes on here", vm->name);
        if (!monitor_cancel_migration(vm_monitor(vm), ANSWER_MS, err))
            return false;
        migrate_mirrors_abandon(vm);
        migrate_reset_qemu(vm);
        if (!vm_require_monitor(vm, err))
            return false;
        xml_table_free(&migrate_note_table, g_steal_pointer(&vm->run->migration));
        return true;
    }
    if (note->peer && strcmp(note->phase, "done") == 0) {
        migrate_ask_later(vm, note->peer);
        return true;
    }
    log_error("machine '%s' had been sent to another host when the daemon died, and may run there: it stays "
              "paused here; "
              "'lodge resume' it if it does not run there, else 'lodge destroy' it",
              vm->name);
    return true;
}
