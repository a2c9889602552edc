/* Commands that print counters of domains. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "wire/params.h"

/* ---- domstats ---- */

#define GROUP(option, bit, text) OPT(CLI_BOOL, option, text, .arg = "stats", .flag = VIR_DOMAIN_STATS_##bit)
#define FILTER(option, bit, text) OPT_FLAG(option, VIR_CONNECT_GET_ALL_DOMAINS_STATS_##bit, text)
#define MODIFIERS                                                                                            \
    ((unsigned)VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT |        \
     VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS)

static const CliOption domstats_options[] = {
    GROUP("state", STATE, "state and its reason"),
    GROUP("cpu-total", CPU_TOTAL, "processor time"),
    GROUP("balloon", BALLOON, "memory"),
    GROUP("vcpu", VCPU, "virtual processors"),
    GROUP("interface", INTERFACE, "network interfaces"),
    GROUP("block", BLOCK, "disks"),
    GROUP("perf", PERF, "performance events"),
    GROUP("iothread", IOTHREAD, "I/O threads"),
    GROUP("memory", MEMORY, "memory bandwidth"),
    GROUP("dirtyrate", DIRTYRATE, "rate at which memory is written"),
    GROUP("vm", VM, "counters of the hypervisor"),
    FILTER("list-active", ACTIVE, "only running domains"),
    FILTER("list-inactive", INACTIVE, "only domains that do not run"),
    FILTER("list-persistent", PERSISTENT, "only domains with a stored definition"),
    FILTER("list-transient", TRANSIENT, "only domains without a stored definition"),
    FILTER("list-running", RUNNING, "only domains in state running"),
    FILTER("list-paused", PAUSED, "only paused domains"),
    FILTER("list-shutoff", SHUTOFF, "only domains that are shut off"),
    FILTER("list-other", OTHER, "only domains in any other state"),
    OPT_BOOL("raw", "accepted for compatibility: values are always plain"),
    FILTER("enforce", ENFORCE_STATS, "fail if the daemon does not know one of the groups"),
    FILTER("backing", BACKING, "also the images below each disk"),
    FILTER("nowait", NOWAIT, "leave out what needs a busy domain"),
    OPT(CLI_STRING, "domain", "names, ids or UUIDs; default: all domains", .flags = CLI_MANY,
        .complete = COMPLETE_DOMAIN),
    { 0 },
};

static void stats_print(Cli *cli, const WireConnectGetAllDomainStatsRet *ret)
{
    Json *list = json_array();
    for (unsigned i = 0; i < ret->n_ret_stats; i++) {
        const WireDomainStatsRecord *record = &ret->ret_stats[i];
        Json *values = json_object();
        cli_say(cli, "%sDomain: '%s'\n", i ? "\n" : "", record->dom.name);
        for (unsigned j = 0; j < record->n_params; j++) {
            json_object_set_new(values, record->params[j].field, param_json(&record->params[j]));
            g_autofree char *text = wire_param_format(&record->params[j]);
            cli_say(cli, "  %s=%s\n", record->params[j].field, text);
        }
        json_array_append_new(list, json_pack("{s:s, s:o}", "domain", record->dom.name, "stats", values));
    }
    cli_print_json(cli, list);
}

/* The domains that are named become the call's. */
static bool stats_domains(Cli *cli, const CliArgs *args, WireConnectGetAllDomainStatsArgs *call, Error **err)
{
    char *const *names = args_get_many(args, "domain");
    call->doms = g_new0(WireDomain, g_strv_length((char **)names) + 1);
    for (; *names; names++) {
        if (!class_lookup_text(cli, &class_domain, args, *names, &call->doms[call->n_doms], err))
            return false;
        call->n_doms++;
    }
    return true;
}

static bool domstats_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) call = { 0 };
    if (!row_prepare(cli, args, cli_args_command(args)->proc, &call, err) ||
        !stats_domains(cli, args, call.args, err))
        return false;
    if (*args_get_many(args, "domain") && args_flags(args) & ~MODIFIERS) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "filters for listing domains and names of domains exclude each other");
        return error_hint(err, "see 'lodge help domstats'");
    }
    if (!row_call(cli, &call, err))
        return false;
    stats_print(cli, call.ret);
    return true;
}

/* ---- dommemstat ---- */

static const CliOption memstat_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_INT, "period", "let the guest report every so many seconds; 0 stops it", .flags = CLI_NAMED),
    OPT_AFFECT,
    { 0 },
};

static bool memstat_set_period(Cli *cli, const CliArgs *args, const WireDomain *dom, Error **err)
{
    int64_t period = 0;
    if (!args_get_int(args, "period", 0, INT32_MAX, &period, err))
        return false;
    cli_doing(cli, "Unable to change balloon collection period.");
    WireDomainSetMemoryStatsPeriodArgs call = { .dom = *dom,
                                                .period = (int32_t)period,
                                                .flags = args_flags(args) };
    if (!cli_call(cli, PROC_DOMAIN_SET_MEMORY_STATS_PERIOD, &call, NULL, err))
        return false;
    cli_message(cli, "Period of domain '%s' is now %d s", dom->name, (int)period);
    return true;
}

static bool memstat_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const names[VIR_DOMAIN_MEMORY_STAT_NR] = {
        [VIR_DOMAIN_MEMORY_STAT_SWAP_IN] = "swap_in",
        [VIR_DOMAIN_MEMORY_STAT_SWAP_OUT] = "swap_out",
        [VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT] = "major_fault",
        [VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT] = "minor_fault",
        [VIR_DOMAIN_MEMORY_STAT_UNUSED] = "unused",
        [VIR_DOMAIN_MEMORY_STAT_AVAILABLE] = "available",
        [VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON] = "actual",
        [VIR_DOMAIN_MEMORY_STAT_RSS] = "rss",
        [VIR_DOMAIN_MEMORY_STAT_USABLE] = "usable",
        [VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE] = "last_update",
        [VIR_DOMAIN_MEMORY_STAT_DISK_CACHES] = "disk_caches",
        [VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGALLOC] = "hugetlb_pgalloc",
        [VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGFAIL] = "hugetlb_pgfail",
    };
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainMemoryStatsRet) ret = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (args_has(args, "period"))
        return memstat_set_period(cli, args, &dom, err);
    cli_doing(cli, "Failed to get memory statistics for domain %s", dom.name);
    WireDomainMemoryStatsArgs call = { .dom = dom, .max_stats = VIR_DOMAIN_MEMORY_STAT_NR };
    if (!cli_call(cli, PROC_DOMAIN_MEMORY_STATS, &call, &ret, err))
        return false;
    Json *object = json_object();
    for (unsigned i = 0; i < ret.n_stats; i++) {
        int tag = ret.stats[i].tag;
        if (tag < 0 || tag >= VIR_DOMAIN_MEMORY_STAT_NR || !names[tag])
            continue;
        json_object_set_new(object, names[tag], json_integer((json_int_t)ret.stats[i].val));
        cli_say(cli, "%s %" PRIu64 "\n", names[tag], ret.stats[i].val);
    }
    cli_print_json(cli, object);
    return true;
}

/* ---- cpu-stats ---- */

static const CliOption cpu_stats_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_BOOL("total", "only the sum"),
    OPT_INT("start", "the first processor to show"),
    OPT_INT("count", "how many processors to show"),
    { 0 },
};

/* Of one processor, or of all together (-1). */
static bool cpu_stats_get(Cli *cli, const CliArgs *args, int cpu, RowCall *ret_call, Error **err)
{
    if (!row_prepare(cli, args, cli_args_command(args)->proc, ret_call, err))
        return false;
    row_set_number(ret_call, "start_cpu", (uint64_t)(int64_t)cpu);
    row_set_number(ret_call, "ncpus", 1);
    return row_call_counted(cli, ret_call, err);
}

static Json *cpu_stats_print(Cli *cli, const char *title, const RowCall *call)
{
    unsigned n = 0;
    const WireTypedParam *params = row_params(call, &n);
    Json *object = json_object();
    cli_say(cli, "%s:\n", title);
    for (unsigned i = 0; i < n; i++) {
        uint64_t ns = 0;
        if (!params[i].field || !wire_param_get_uint64(&params[i], 1, params[i].field, &ns))
            continue;
        g_autofree char *key = g_strdup_printf("%s_ns", params[i].field);
        json_object_set_new(object, key, json_integer((json_int_t)ns));
        cli_say(cli, "\t%-12s %9" PRIu64 ".%09" PRIu64 " seconds\n", params[i].field, ns / 1000000000,
                ns % 1000000000);
    }
    return object;
}

static bool cpu_stats_each(Cli *cli, const CliArgs *args, int64_t start, int64_t count, Json *array,
                           Error **err)
{
    g_auto(RowCall) known = { 0 };
    /* without numbers it says how many there are */
    if (!row_prepare(cli, args, cli_args_command(args)->proc, &known, err) || !row_call(cli, &known, err))
        return false;
    int64_t n = (int64_t)row_number(&known, "nparams");
    if (start >= n)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Start CPU %d is out of range (min: 0, max: %d)",
                         (int)start, (int)n - 1);
    for (int64_t cpu = start; cpu < n && (count < 0 || cpu < start + count); cpu++) {
        g_auto(RowCall) call = { 0 };
        if (!cpu_stats_get(cli, args, (int)cpu, &call, err))
            return false;
        g_autofree char *title = g_strdup_printf("CPU%d", (int)cpu);
        Json *object = cpu_stats_print(cli, title, &call);
        json_object_set_new(object, "cpu", json_integer(cpu));
        json_array_append_new(array, object);
    }
    return true;
}

static bool cpu_stats_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) total = { 0 };
    int64_t start = 0, count = -1;
    if (!args_get_int(args, "start", 0, INT32_MAX, &start, err) ||
        !args_get_int(args, "count", -1, INT32_MAX, &count, err))
        return false;
    bool some = args_has(args, "start") || args_has(args, "count");
    AUTO_JSON object = json_object();
    if (some || !args_has(args, "total")) {
        Json *array = json_array();
        json_object_set_new(object, "cpus", array);
        if (!cpu_stats_each(cli, args, start, count, array, err))
            return false;
    }
    if (args_has(args, "total") || !some) {
        if (!cpu_stats_get(cli, args, -1, &total, err))
            return false;
        json_object_set_new(object, "total", cpu_stats_print(cli, "Total", &total));
    }
    cli_print_json(cli, json_incref(object));
    return true;
}

const CliCommand commands_stats[] = {
    COMMAND("domstats", GROUP_MONITOR, "show all counters of one or several domains", domstats_options,
            domstats_run, .proc = PROC_CONNECT_GET_ALL_DOMAIN_STATS,
            .doc = "Shows the counters of the groups that the options name, or of all groups.",
            .json = "[{\"domain\": string, \"stats\": {NAME: value}}]"),
    COMMAND("dommemstat", GROUP_MONITOR, "show what the guest and the host know about its memory",
            memstat_options, memstat_run, .doc = "Shows the memory of a running domain in KiB.",
            .exclusive = EXCLUSIVE_AFFECT, .json = "{NAME: number}"),
    COMMAND("cpu-stats", GROUP_DOMAIN, "show the processor time of a domain", cpu_stats_options,
            cpu_stats_run, .proc = PROC_DOMAIN_GET_CPU_STATS,
            .json = "{\"cpus\": [{\"cpu\": number, NAME_ns: number}], \"total\": {NAME_ns: number}}"),
    { 0 },
};
