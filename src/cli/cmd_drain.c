/* Clearing a host: all its machines go to another, or what cannot go is said first. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/move.h"
#include "cli/output.h"

typedef struct Machine {
    Cli *cli;
    WireClient *there; /* borrowed */
    WireDomain dom;    /* borrowed */
    uint64_t kib;
    unsigned flags;
    int64_t mib_per_s; /* 0: no limit */
    char *obstacle;    /* owned; NULL: it can go */
    bool has_moved;
} Machine;

static const CliOption drain_options[] = {
    OPT(CLI_STRING, "desturi", "URI of the daemon that gets the machines", .flags = CLI_REQUIRED),
    OPT_BOOL("dry-run", "show the plan only"),
    OPT_BOOL("shutdown", "ask those that cannot go to shut down"),
    OPT(CLI_INT, "parallel", "how many go at once; default 2", .flags = CLI_NAMED),
    OPT(CLI_INT, "bandwidth", "MiB/s for all of them together", .flags = CLI_NAMED),
    OPT_FLAG("copy-storage-all", VIR_MIGRATE_NON_SHARED_DISK, "copy their disks, too"),
    OPT_FLAG("unsafe", VIR_MIGRATE_UNSAFE, "also those whose disks may be damaged"),
    OPT_FLAG("auto-converge", VIR_MIGRATE_AUTO_CONVERGE, "slow guests down until they can be moved"),
    OPT_FLAG("tls", VIR_MIGRATE_TLS, "encrypt what goes between the QEMUs"),
    { 0 },
};

static const CliColumn plan_columns[] = {
    { "Machine", "name", NULL },
    { "Memory", "memory", "number" },
    { "Plan", "plan", NULL },
    { "Why", "why", NULL },
    { 0 },
};

static GArray *limits_of(const Machine *machine)
{
    GArray *params = move_params_new();

    if (machine->mib_per_s > 0) {
        WireTypedParam one = { .field = g_strdup(VIR_MIGRATE_PARAM_BANDWIDTH),
                               .value = { .type = VIR_TYPED_PARAM_ULLONG,
                                          .ul = (uint64_t)machine->mib_per_s } };
        g_array_append_val(params, one);
    }
    return params;
}

static Move move_of(const Machine *machine, GArray *params)
{
    return (Move){ .cli = machine->cli,
                   .there = machine->there,
                   .dom = machine->dom,
                   .params = params,
                   .flags = machine->flags };
}

/* ---- the plan ---- */

/* A machine that is defined here stays so over there, and goes from here. */
AWAITS static bool look_at(Machine *machine, Error **err)
{
    WireDomainGetInfoArgs ask = { .dom = machine->dom };
    WireDomainIsPersistentArgs keep = { .dom = machine->dom };
    WireDomainGetInfoRet info = { 0 };
    WireDomainIsPersistentRet kept = { 0 };

    if (!cli_call(machine->cli, PROC_DOMAIN_GET_INFO, &ask, &info, err) ||
        !cli_call(machine->cli, PROC_DOMAIN_IS_PERSISTENT, &keep, &kept, err))
        return false;
    machine->kib = info.max_mem;
    if (kept.persistent)
        machine->flags |= VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE;
    return true;
}

AWAITS static void try_it(Machine *machine, uint64_t *io_free_kib)
{
    g_autoptr(Error) why = NULL;
    g_autoptr(GArray) params = limits_of(machine);
    Move move = move_of(machine, params);

    if (machine->kib > *io_free_kib)
        machine->obstacle = g_strdup_printf("the destination has %" PRIu64 " MiB left", *io_free_kib >> 10);
    else if (!move_check(&move, &why))
        machine->obstacle = g_strdup(error_message(why));
    else
        *io_free_kib -= machine->kib;
}

AWAITS static bool make_plan(Machine *machines, unsigned n, WireClient *there, Error **err)
{
    WireNodeGetFreeMemoryRet room = { 0 };

    if (!wire_call_remote(there, PROC_NODE_GET_FREE_MEMORY, NULL, &room, 30000, err))
        return error_prefix(err, "asking the destination for its memory");
    uint64_t free_kib = room.free_mem >> 10;
    for (unsigned i = 0; i < n; i++) {
        if (!look_at(&machines[i], err))
            return false;
        try_it(&machines[i], &free_kib);
    }
    return true;
}

static bool show_plan(Cli *cli, const CliArgs *args, const Machine *machines, unsigned n, Error **err)
{
    CliTable *table = table_new(plan_columns, 0);

    for (unsigned i = 0; i < n; i++) {
        const Machine *machine = &machines[i];
        g_autofree char *memory = human_size(machine->kib << 10);
        table_row(table);
        table_cell_text(table, machine->dom.name);
        table_cell(table, json_integer((json_int_t)(machine->kib << 10)), "%s", memory);
        table_cell_text(table, !machine->obstacle           ? "moves"
                               : args_has(args, "shutdown") ? "shuts down"
                                                            : "stays");
        table_cell_text(table, machine->obstacle);
    }
    return cli_print_table(cli, table, err);
}

/* ---- and its execution ---- */

typedef struct Lane { /* one machine after the other */
    Machine *machines;
    unsigned n, *next;
    bool shuts_down;
} Lane;

AWAITS static void clear_one(const Lane *lane, Machine *machine)
{
    g_autoptr(Error) why = NULL;

    if (machine->obstacle) {
        WireDomainShutdownArgs args = { .dom = machine->dom };
        if (lane->shuts_down && !cli_call(machine->cli, PROC_DOMAIN_SHUTDOWN, &args, NULL, &why))
            fprintf(stderr, "%s: %s\n", machine->dom.name, error_message(why));
        return;
    }
    g_autoptr(GArray) params = limits_of(machine);
    Move move = move_of(machine, params);
    machine->has_moved = move_machine(&move, &why);
    if (machine->has_moved)
        cli_message(machine->cli, "Domain '%s' has moved", machine->dom.name);
    else
        machine->obstacle = g_strdup(error_message(why));
}

static void run_lane(void *arg)
{
    const Lane *lane = arg;

    while (*lane->next < lane->n)
        clear_one(lane, &lane->machines[(*lane->next)++]);
}

AWAITS static bool carry_out(const CliArgs *args, Machine *machines, unsigned n, unsigned n_lanes,
                             Error **err)
{
    g_autofree Lane *lanes = g_new0(Lane, n_lanes);
    unsigned next = 0, n_left = 0;

    for (unsigned i = 0; i < n_lanes; i++)
        lanes[i] =
            (Lane){ .machines = machines, .n = n, .next = &next, .shuts_down = args_has(args, "shutdown") };
    fiber_run_all("drain", run_lane, lanes, n_lanes, sizeof(Lane));
    for (unsigned i = 0; i < n; i++) {
        if (machines[i].has_moved)
            continue;
        n_left++;
        fprintf(stderr, "%s %s: %s\n", machines[i].dom.name,
                args_has(args, "shutdown") ? "was asked to shut down" : "stays", machines[i].obstacle);
    }
    return n_left == 0 || args_has(args, "shutdown") ||
           error_set(err, ERROR_OPERATION_FAILED, "%u of %u machines are still here", n_left, n);
}

static bool drain_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireConnectListAllDomainsRet) list = { 0 };
    int64_t n_lanes = 2, bandwidth = 0;
    const char *uri = args_get(args, "desturi");
    WireClient *there = NULL;

    if (!args_get_int(args, "parallel", 1, 64, &n_lanes, err) ||
        !args_get_int(args, "bandwidth", 1, INT32_MAX, &bandwidth, err) ||
        !cli_list_domains(cli, VIR_CONNECT_LIST_DOMAINS_ACTIVE, &list, err))
        return false;
    if (!wire_client_open(uri, NULL, &there, err))
        return error_prefix(err, "cannot reach the destination %s", uri);
    g_autofree Machine *machines = g_new0(Machine, list.n_domains + 1);
    for (unsigned i = 0; i < list.n_domains; i++)
        machines[i] =
            (Machine){ .cli = cli,
                       .there = there,
                       .dom = list.domains[i],
                       .mib_per_s = bandwidth ? MAX(bandwidth / n_lanes, 1) : 0,
                       .flags = args_flags(args) | VIR_MIGRATE_LIVE | VIR_MIGRATE_CHANGE_PROTECTION };
    const bool ok =
        make_plan(machines, list.n_domains, there, err) &&
        show_plan(cli, args, machines, list.n_domains, err) &&
        (args_has(args, "dry-run") || carry_out(args, machines, list.n_domains, (unsigned)n_lanes, err));
    for (unsigned i = 0; i < list.n_domains; i++)
        g_free(machines[i].obstacle);
    wire_client_close(there);
    return ok;
}

const CliCommand commands_drain[] = {
    COMMAND("host-drain", GROUP_LODGE, "move all running machines of this host to another", drain_options,
            drain_run,
            .doc = "Each machine is tried at the destination first, without moving it: what it needs there, "
                   "and whether "
                   "there is memory for all. The plan is shown, then they go, some at a time. Their "
                   "definitions go "
                   "along. What cannot go stays, and is named with the reason.",
            .columns = plan_columns),
    { 0 },
};
