/* Commands about single vCPUs, I/O threads and what the kernel counts for them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/cpumap.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

#define OPT_THREAD                                                                                           \
    OPT(CLI_INT, "id", "number of the I/O thread", .flags = CLI_REQUIRED, .arg = "iothread_id", .min = 1)

/* ---- vCPUs ---- */

static const CliOption setvcpu_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "vcpulist", "numbers of virtual processors, as 1,3-4", .flags = CLI_REQUIRED,
        .arg = "cpumap"),
    OPT_BOOL("enable", "the guest has them"),
    OPT_BOOL("disable", "the guest has them no longer"),
    OPT_AFFECT,
    { 0 },
};

static bool setvcpu_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) call = { 0 };

    if (!args_has(args, "enable") && !args_has(args, "disable")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "option --enable or --disable is required");
        return error_hint(err, "for example: lodge setvcpu DOMAIN 3 --enable --live");
    }
    if (!row_prepare(cli, args, cli_args_command(args)->proc, &call, err))
        return false;
    row_set_number(&call, "state", args_has(args, "enable"));
    row_set_number(&call, "flags", args_flags(args));
    return row_call(cli, &call, err);
}

/* ---- I/O threads ---- */

static const CliOption iothread_options[] = { OPT_DOMAIN, OPT_THREAD, OPT_AFFECT, { 0 } };

static const CliOption iothreadpin_options[] = {
    OPT_DOMAIN,
    OPT(CLI_INT, "iothread", "number of the I/O thread", .flags = CLI_REQUIRED, .arg = "iothreads_id",
        .min = 1),
    OPT(CLI_STRING, "cpulist", "processors of the host, as 0-3,^2; r for all", .flags = CLI_REQUIRED),
    OPT_AFFECT,
    { 0 },
};

static bool iothreadpin_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireNodeGetCpuMapArgs host = { 0 };
    g_auto(WireNodeGetCpuMapRet) known = { 0 };
    g_auto(RowCall) call = { 0 };
    g_autofree uint8_t *map = NULL;

    if (!cli_call(cli, PROC_NODE_GET_CPU_MAP, &host, &known, err))
        return false;
    const unsigned n_cpus = known.ret > 0 && known.ret <= 65536 ? (unsigned)known.ret : 1;
    if (!cpumap_parse(args_get(args, "cpulist"), n_cpus, &map, err) ||
        !row_prepare(cli, args, cli_args_command(args)->proc, &call, err))
        return false;
    WireDomainPinIothreadArgs *pin = call.args;
    pin->cpumap = (WireBytes){ .data = g_steal_pointer(&map), .len = (n_cpus + 7) / 8 };
    pin->flags = args_flags(args);
    return row_call(cli, &call, err);
}

#define OPT_THREAD_PARAM(option, text) OPT(CLI_INT, option, text, .flags = CLI_NAMED)

static const CliOption iothreadset_options[] = {
    OPT_DOMAIN,
    OPT_THREAD,
    OPT_THREAD_PARAM("poll-max-ns", "nanoseconds that it waits busily for work; 0 never does"),
    OPT_THREAD_PARAM("poll-grow",
                     "by how much that time is multiplied when it was too short; 0 for QEMU's own way"),
    OPT_THREAD_PARAM("poll-shrink", "by how much it is divided when it was too long"),
    OPT_THREAD_PARAM("thread-pool-min", "least worker threads"),
    OPT_THREAD_PARAM("thread-pool-max", "most worker threads"),
    OPT_AFFECT,
    { 0 },
};

static bool iothreadset_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const struct {
        const char *option, *param;
        int type;
    } rows[] = {
        { "poll-max-ns", "poll_max_ns", VIR_TYPED_PARAM_ULLONG },
        { "poll-grow", "poll_grow", VIR_TYPED_PARAM_UINT },
        { "poll-shrink", "poll_shrink", VIR_TYPED_PARAM_UINT },
        { "thread-pool-min", "thread_pool_min", VIR_TYPED_PARAM_INT },
        { "thread-pool-max", "thread_pool_max", VIR_TYPED_PARAM_INT },
    };
    WireTypedParam params[G_N_ELEMENTS(rows)] = { 0 };
    unsigned n = 0;
    g_auto(RowCall) call = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const bool is_long = rows[i].type == VIR_TYPED_PARAM_ULLONG;
        int64_t value = 0;
        if (!args_has(args, rows[i].option))
            continue;
        if (!args_get_int(args, rows[i].option, rows[i].type == VIR_TYPED_PARAM_INT ? -1 : 0,
                          is_long ? INT64_MAX : INT32_MAX, &value, err))
            return false;
        params[n].field = (char *)rows[i].param;
        params[n].value.type = rows[i].type;
        params[n++].value.l = value;
    }
    if (n == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Not enough arguments passed, nothing to set");
    if (!row_prepare(cli, args, cli_args_command(args)->proc, &call, err))
        return false;
    row_set_number(&call, "flags", args_flags(args));
    row_borrow_params(&call, params, n);
    const bool ok = row_call(cli, &call, err);
    row_borrow_params(&call, NULL, 0);
    return ok;
}

/* ---- performance events ---- */

static const CliOption perf_options[] = {
    OPT_DOMAIN,
    OPT_NAMED("enable", "events to count, separated by commas"),
    OPT_NAMED("disable", "events to count no longer"),
    OPT_AFFECT,
    { 0 },
};

static void perf_collect(const char *text, bool enable, GArray *params)
{
    g_auto(GStrv) words = g_strsplit(text ? text : "", ",", -1);

    for (char **word = words; *word; word++)
        wire_params_add_bool(params, *word, enable);
}

static void perf_print(Cli *cli, const RowCall *call)
{
    unsigned n = 0;
    const WireTypedParam *params = row_params(call, &n);
    Json *object = json_object();

    for (unsigned i = 0; i < n; i++) {
        json_object_set_new(object, params[i].field, json_boolean(params[i].value.b));
        cli_say(cli, "%-15s: %s\n", params[i].field, params[i].value.b ? "enabled" : "disabled");
    }
    cli_print_json(cli, object);
}

static bool perf_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    const bool is_change = args_has(args, "enable") || args_has(args, "disable");
    g_autoptr(GArray) params = wire_params_new();
    g_auto(RowCall) call = { 0 };

    if (!row_prepare(cli, args, is_change ? command->store : command->proc, &call, err))
        return false;
    row_set_number(&call, "flags", args_flags(args));
    if (!is_change) {
        if (!row_call(cli, &call, err))
            return false;
        perf_print(cli, &call);
        return true;
    }
    perf_collect(args_get(args, "enable"), true, params);
    perf_collect(args_get(args, "disable"), false, params);
    cli_doing(cli, "Unable to enable/disable perf events");
    row_borrow_params(&call, (WireTypedParam *)(void *)params->data, params->len);
    const bool ok = row_call(cli, &call, err);
    row_borrow_params(&call, NULL, 0);
    return ok;
}

/* ---- dirty rate ---- */

static const CliOption dirty_rate_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_INT, "seconds", "how long to measure, 1 to 60", .flags = CLI_NAMED, .arg = "seconds",
        .otherwise = "1"),
    OPT(CLI_STRING, "mode", "how: by samples of pages, a bitmap or a ring of changed pages",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "page-sampling dirty-bitmap dirty-ring"),
    { 0 },
};

static bool dirty_rate_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) call = { 0 };
    const unsigned mode = args_get_word(args, "mode");

    if (!row_prepare(cli, args, cli_args_command(args)->proc, &call, err))
        return false;
    row_set_number(&call, "flags", mode ? 1u << (mode - 1) : 0);
    if (!row_call(cli, &call, err))
        return false;
    cli_message(cli, "Start to calculate domain's memory dirty rate successfully.");
    return true;
}

/* ---- huge pages of the host ---- */

static const CliOption allocpages_options[] = {
    OPT(CLI_SIZE, "pagesize", "size of the pages, in KiB unless it has a unit", .flags = CLI_REQUIRED,
        .unit = 1024),
    OPT(CLI_INT, "pagecount", "how many", .flags = CLI_REQUIRED),
    OPT(CLI_INT, "cellno", "NUMA node that they are in", .flags = CLI_NAMED),
    OPT_BOOL("add", "so many more, instead of so many"),
    OPT_BOOL("all", "in each NUMA node"),
    { 0 },
};

static bool allocpages_run(Cli *cli, const CliArgs *args, Error **err)
{
    uint64_t bytes = 0;
    int64_t count = 0, cell = -1;

    if (!args_get_size(args, "pagesize", &bytes, err) ||
        !args_get_int(args, "pagecount", 0, INT64_MAX, &count, err) ||
        !args_get_int(args, "cellno", 0, INT32_MAX, &cell, err))
        return false;
    unsigned size_kib = (unsigned)(bytes / 1024);
    uint64_t pages = (uint64_t)count;
    WireNodeAllocPagesArgs call = { .page_sizes = &size_kib,
                                    .n_page_sizes = 1,
                                    .page_counts = &pages,
                                    .n_page_counts = 1,
                                    .start_cell = (int32_t)cell,
                                    .cell_count = 1,
                                    .flags = args_has(args, "add") ? 0 : VIR_NODE_ALLOC_PAGES_SET };
    WireNodeAllocPagesRet ret = { 0 };
    cli_doing(cli, "Unable to allocate pages");
    if (!cli_call(cli, PROC_NODE_ALLOC_PAGES, &call, &ret, err))
        return false;
    cli_message(cli, "%d pool%s of pages changed", ret.ret, ret.ret == 1 ? "" : "s");
    return true;
}

const CliCommand commands_thread[] = {
    COMMAND("setvcpu", GROUP_DOMAIN, "give single virtual processors to the guest, or take them",
            setvcpu_options, setvcpu_run, .proc = PROC_DOMAIN_SET_VCPU,
            .exclusive = EXCLUSIVE_AFFECT "; enable disable"),
    COMMAND("iothreadadd", GROUP_DOMAIN, "give a domain one more I/O thread", iothread_options, NULL,
            .proc = PROC_DOMAIN_ADD_IOTHREAD, .exclusive = EXCLUSIVE_AFFECT),
    COMMAND("iothreaddel", GROUP_DOMAIN, "take an I/O thread from a domain", iothread_options, NULL,
            .proc = PROC_DOMAIN_DEL_IOTHREAD, .exclusive = EXCLUSIVE_AFFECT),
    COMMAND("iothreadset", GROUP_DOMAIN, "change how an I/O thread waits and how many workers it has",
            iothreadset_options, iothreadset_run, .proc = PROC_DOMAIN_SET_IOTHREAD_PARAMS,
            .exclusive = EXCLUSIVE_AFFECT),
    COMMAND("iothreadpin", GROUP_DOMAIN, "change where an I/O thread may run", iothreadpin_options,
            iothreadpin_run, .proc = PROC_DOMAIN_PIN_IOTHREAD, .exclusive = EXCLUSIVE_AFFECT),
    COMMAND("perf", GROUP_DOMAIN, "show or change which performance events are counted", perf_options,
            perf_run, .proc = PROC_DOMAIN_GET_PERF_EVENTS, .store = PROC_DOMAIN_SET_PERF_EVENTS,
            .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: boolean}"),
    COMMAND("domdirtyrate-calc", GROUP_MONITOR, "measure how fast the guest changes its memory",
            dirty_rate_options, dirty_rate_run, .proc = PROC_DOMAIN_START_DIRTY_RATE_CALC,
            .doc = "Begins to measure; 'lodge domstats --dirtyrate' shows what came of it."),
    COMMAND("allocpages", GROUP_HOST, "change how many huge pages the host sets aside", allocpages_options,
            allocpages_run, .exclusive = "cellno all"),
    { 0 },
};
