/* Whether a migration comes to its end by itself, and what is done when it does not.
 *
 * QEMU sends memory in rounds: each sends what the guest has written during the one before. It switches over
 * when the rest can be sent within the downtime that it may take. A guest that writes as fast as the link
 * carries never gets there: then the downtime grows as far as the host's policy allows, and if that is not
 * enough the guest is slowed down, or goes on at the destination while the rest follows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "machine/vm_migrate_private.h"

#define BYTES_PER_MBIT 125000
#define STUCK_ROUNDS 2u
#define THROTTLE_NEVER                                                                                       \
    100 /* percent of what is sent that a round must make dirty; QEMU wants two such rounds */

ConvergeStep migrate_converge_judge(Converge *converge, const ConvergePolicy *policy,
                                    const MonitorMigration *now)
{
    const uint64_t bytes_per_s = now->mbps > 0 ? (uint64_t)(now->mbps * BYTES_PER_MBIT) : 0;

    if (now->status != MONITOR_JOB_ACTIVE || bytes_per_s == 0)
        return CONVERGE_WAIT;
    if (now->dirty_sync_count == converge->round) {
        converge->peak = MAX(converge->peak, now->ram_remaining);
        return CONVERGE_WAIT;
    }
    const uint64_t peak = converge->peak, before = converge->last_peak;
    converge->round = now->dirty_sync_count;
    converge->last_peak = peak;
    converge->peak = now->ram_remaining;
    if (before == 0 || peak < before / 10 * 9) {
        converge->n_stuck = 0;
        return CONVERGE_WAIT;
    }
    if (++converge->n_stuck < STUCK_ROUNDS)
        return CONVERGE_WAIT;
    converge->n_stuck = 0;
    const uint64_t needed_ms = (uint64_t)((double)peak * 1000 / (double)bytes_per_s) * 5 / 4;
    const bool is_enough = needed_ms <= policy->downtime_max_ms;
    if (converge->downtime_ms < policy->downtime_max_ms && (is_enough || converge->is_slowed)) {
        converge->downtime_ms = is_enough
                                    ? MAX(needed_ms, MIN(converge->downtime_ms * 2, policy->downtime_max_ms))
                                    : policy->downtime_max_ms;
        return CONVERGE_MORE_DOWNTIME;
    }
    if (policy->may_postcopy)
        return CONVERGE_POSTCOPY;
    if (!policy->may_slow_down || converge->is_slowed)
        return CONVERGE_WAIT;
    converge->is_slowed = true;
    return CONVERGE_SLOW_DOWN;
}

/* ---- what the host's policy says ---- */

static bool policy_is(const Vm *vm, const char *word)
{
    return g_strcmp0(vm->host->config->migration_converge, word) == 0;
}

static ConvergePolicy policy_of(const Outgoing *out)
{
    const Vm *vm = out->vm;

    return (ConvergePolicy){
        .downtime_max_ms = vm->migration_has_downtime ? 0 : vm->host->config->migration_downtime_max_ms,
        .may_slow_down = policy_is(vm, "slow-down") || policy_is(vm, "postcopy"),
        .may_postcopy = policy_is(vm, "postcopy") && (out->params.flags & VIR_MIGRATE_POSTCOPY),
    };
}

bool migrate_converge_wants_postcopy(const Vm *vm, const MigrateParams *params)
{
    const unsigned without = VIR_MIGRATE_POSTCOPY | VIR_MIGRATE_TUNNELLED | VIR_MIGRATE_NON_SHARED_DISK |
                             VIR_MIGRATE_NON_SHARED_INC | VIR_MIGRATE_COMPRESSED | VIR_MIGRATE_PARALLEL;

    return policy_is(vm, "postcopy") && !(params->flags & without) && (params->flags & VIR_MIGRATE_LIVE);
}

void migrate_converge_prepare(const Outgoing *out, MigrateParams *io_told)
{
    if ((io_told->flags & VIR_MIGRATE_AUTO_CONVERGE) || !policy_of(out).may_slow_down)
        return;
    /* QEMU learns only before a migration that it may slow the guest down. */
    io_told->flags |= VIR_MIGRATE_AUTO_CONVERGE;
    io_told->throttle_trigger = THROTTLE_NEVER;
    io_told->throttle_initial = io_told->throttle_increment = 1;
}

void migrate_converge_begin(Outgoing *out)
{
    uint64_t downtime_ms = 0;

    out->converge = (Converge){ .is_slowed = out->params.flags & VIR_MIGRATE_AUTO_CONVERGE };
    if (vm_migrate_get_downtime(out->vm, &downtime_ms, NULL))
        out->converge.downtime_ms = out->downtime_before_ms = downtime_ms;
}

/* ---- what follows ---- */

void migrate_converge_step(Outgoing *out, const MonitorMigration *now)
{
    Vm *vm = out->vm;
    const ConvergePolicy policy = policy_of(out);
    g_autoptr(Error) why = NULL;
    bool ok = true;

    if (policy_is(vm, "none"))
        return;
    switch (migrate_converge_judge(&out->converge, &policy, now)) {
    case CONVERGE_WAIT:
        break;
    case CONVERGE_MORE_DOWNTIME:
        log_info("the migration of machine '%s' does not come to its end: its guest may stand still for "
                 "%" PRIu64 " ms",
                 vm->name, out->converge.downtime_ms);
        ok = migrate_set_number(vm, "downtime-limit", out->converge.downtime_ms, &why);
        break;
    case CONVERGE_SLOW_DOWN:
        log_info("the migration of machine '%s' does not come to its end: its guest is slowed down",
                 vm->name);
        ok = migrate_set_number(vm, "throttle-trigger-threshold", MIGRATE_THROTTLE_TRIGGER, &why) &&
             migrate_set_number(vm, "cpu-throttle-initial", MIGRATE_THROTTLE_INITIAL, &why) &&
             migrate_set_number(vm, "cpu-throttle-increment", MIGRATE_THROTTLE_INITIAL, &why);
        break;
    case CONVERGE_POSTCOPY:
        log_info("the migration of machine '%s' does not come to its end: the rest of its memory follows it",
                 vm->name);
        ok = vm_migrate_start_postcopy(vm, &why);
        break;
    }
    if (!ok)
        log_warning_error(why, "a migration goes on as before");
}

void migrate_converge_end(Outgoing *out)
{
    if (out->converge.downtime_ms != out->downtime_before_ms && vm_monitor(out->vm) &&
        !out->vm->migration_has_downtime &&
        !migrate_set_number(out->vm, "downtime-limit", out->downtime_before_ms, NULL))
        log_debug("machine '%s' keeps the downtime of its migration", out->vm->name);
}
