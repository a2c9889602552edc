/* Commands about the processors and the memory size of a domain. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/commands.h"
#include "cli/cpumap.h"
#include "cli/domain.h"
#include "cli/output.h"

#define KIB 1024u

/* Number of processors of the host. */
static bool host_cpus(Cli *cli, unsigned *ret_cpus, Error **err)
{
    WireNodeGetCpuMapArgs args = { 0 };
    g_auto(WireNodeGetCpuMapRet) ret = { 0 };
    if (!cli_call(cli, PROC_NODE_GET_CPU_MAP, &args, &ret, err))
        return false;
    if (ret.ret <= 0 || ret.ret > 65536)
        return error_set(err, ERROR_PROTOCOL, "the daemon says that the host has %d processors", ret.ret);
    *ret_cpus = (unsigned)ret.ret;
    return true;
}

/* ---- memory ---- */

#define OPT_MEMORY_SIZE                                                                                      \
    OPT(CLI_SIZE, "size", "new size, in KiB unless it has a unit", .flags = CLI_REQUIRED, .unit = KIB,       \
        .arg = "memory"),                                                                                    \
        OPT(CLI_SIZE, "kilobytes", "", .same_as = "size")

static const CliOption memory_options[] = { OPT_DOMAIN, OPT_MEMORY_SIZE, OPT_AFFECT, { 0 } };

/* ---- vCPU counts ---- */

static const CliOption setvcpus_options[] = {
    OPT_DOMAIN,
    OPT(CLI_INT, "count", "number of virtual processors", .flags = CLI_REQUIRED, .min = 1, .arg = "nvcpus"),
    OPT_FLAG("maximum", VIR_DOMAIN_VCPU_MAXIMUM, "the most that the domain can ever have"),
    OPT_AFFECT,
    OPT_FLAG("guest", VIR_DOMAIN_VCPU_GUEST, "ask the guest's agent to use so many"),
    OPT_FLAG("hotpluggable", VIR_DOMAIN_VCPU_HOTPLUGGABLE, "make added ones removable"),
    { 0 },
};

static const CliOption vcpucount_options[] = {
    OPT_DOMAIN,
    OPT_FLAG("maximum", VIR_DOMAIN_VCPU_MAXIMUM, "the most that the domain can have"),
    OPT_BOOL("active", "those in use"),
    OPT_FLAG("live", VIR_DOMAIN_VCPU_LIVE, "of the running domain"),
    OPT_FLAG("config", VIR_DOMAIN_VCPU_CONFIG, "of the stored definition"),
    OPT_BOOL("current", "of the running domain if it runs, else of the definition"),
    OPT_FLAG("guest", VIR_DOMAIN_VCPU_GUEST, "what the guest's agent says"),
    { 0 },
};

static bool vcpu_count(Cli *cli, const WireDomain *dom, unsigned flags, int *ret_count, Error **err)
{
    WireDomainGetVcpusFlagsArgs call = { .dom = *dom, .flags = flags };
    WireDomainGetVcpusFlagsRet ret;
    if (!cli_call(cli, PROC_DOMAIN_GET_VCPUS_FLAGS, &call, &ret, err))
        return false;
    *ret_count = ret.num;
    return true;
}

static void vcpucount_line(CliRecord *record, const char *which, const char *where, int count)
{
    g_autofree char *label = g_strdup_printf("%-12s %-12s", which, where);
    g_autofree char *key = g_strdup_printf("%s_%s", which, where);
    record_add(record, label, key, json_integer(count), "%3d", count);
}

/* All that apply. */
static bool vcpucount_all(Cli *cli, const WireDomain *dom, Error **err)
{
    bool active = false;
    WireDomainIsPersistentArgs args = { .dom = *dom };
    WireDomainIsPersistentRet persistent;
    if (!cli_domain_is_active(cli, dom, &active, err) ||
        !cli_call(cli, PROC_DOMAIN_IS_PERSISTENT, &args, &persistent, err))
        return false;
    g_autoptr(CliRecord) record = record_new(0);
    const struct {
        const char *which, *where;
        unsigned flags;
        bool wanted;
    } lines[] = {
        { "maximum", "config", VIR_DOMAIN_VCPU_MAXIMUM | VIR_DOMAIN_VCPU_CONFIG, persistent.persistent },
        { "maximum", "live", VIR_DOMAIN_VCPU_MAXIMUM | VIR_DOMAIN_VCPU_LIVE, active },
        { "current", "config", VIR_DOMAIN_VCPU_CONFIG, persistent.persistent },
        { "current", "live", VIR_DOMAIN_VCPU_LIVE, active },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        int count = 0;
        if (!lines[i].wanted)
            continue;
        if (!vcpu_count(cli, dom, lines[i].flags, &count, err))
            return false;
        vcpucount_line(record, lines[i].which, lines[i].where, count);
    }
    cli_print_record(cli, g_steal_pointer(&record));
    return true;
}

static bool vcpucount_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    int count = 0;
    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (!args_has_any(args))
        return vcpucount_all(cli, &dom, err);
    if (!vcpu_count(cli, &dom, args_flags(args), &count, err))
        return false;
    cli_print_number(cli, "count", count, NULL);
    return true;
}

/* ---- vcpuinfo ---- */

static const CliOption vcpuinfo_options[] = { OPT_DOMAIN,
                                              OPT_BOOL("pretty", "affinity as a list of numbers"),
                                              { 0 } };

static Json *vcpu_print(Cli *cli, const WireVcpuInfo *info, bool known, const uint8_t *map, size_t len,
                        unsigned n_cpus, bool pretty)
{
    static const char *const states[] = { "offline", "running", "blocked" };
    const char *state = NAME_OF(states, info->state, "no state");
    g_autofree char *list = cpumap_format(map, len, n_cpus);
    g_autofree char *picture = cpumap_picture(map, len, n_cpus);
    bool has_cpu = known && info->cpu >= 0;
    if (!cli->json) {
        fprintf(cli->out, "%-15s %u\n", "VCPU:", info->number);
        if (has_cpu)
            fprintf(cli->out, "%-15s %d\n", "CPU:", info->cpu);
        else
            fprintf(cli->out, "%-15s %s\n", "CPU:", "N/A");
        fprintf(cli->out, "%-15s %s\n", "State:", known ? state : "N/A");
        if (known && info->cpu_time)
            fprintf(cli->out, "%-15s %.1fs\n", "CPU time:", (double)info->cpu_time / 1e9);
        else if (!known)
            fprintf(cli->out, "%-15s %s\n", "CPU time", "N/A");
        if (pretty)
            fprintf(cli->out, "%-15s %s (out of %u)\n", "CPU Affinity:", list, n_cpus);
        else
            fprintf(cli->out, "%-15s %s\n", "CPU Affinity:", picture);
    }
    return json_pack("{s:i, s:o, s:s?, s:o, s:s}", "vcpu", (int)info->number, "cpu",
                     has_cpu ? json_integer(info->cpu) : json_null(), "state", known ? state : NULL,
                     "cpu_time_ns", known ? json_integer((json_int_t)info->cpu_time) : json_null(),
                     "affinity", list);
}

/* An inactive domain has no processors to ask about, but its pinning is known. */
static bool vcpuinfo_inactive(Cli *cli, const WireDomain *dom, unsigned n_cpus, bool pretty, Error **err)
{
    int count = 0;
    g_auto(WireDomainGetVcpuPinInfoRet) ret = { 0 };
    size_t len = (n_cpus + 7) / 8;
    if (!vcpu_count(cli, dom, VIR_DOMAIN_VCPU_CONFIG, &count, err))
        return false;
    WireDomainGetVcpuPinInfoArgs call = {
        .dom = *dom, .ncpumaps = count, .maplen = (int)len, .flags = VIR_DOMAIN_AFFECT_CONFIG
    };
    if (!cli_call(cli, PROC_DOMAIN_GET_VCPU_PIN_INFO, &call, &ret, err))
        return false;
    Json *array = json_array();
    for (int i = 0; i < ret.num && (size_t)(i + 1) * len <= ret.cpumaps.len; i++) {
        WireVcpuInfo info = { .number = (uint32_t)i };
        if (i && !cli->json)
            fputc('\n', cli->out);
        json_array_append_new(array, vcpu_print(cli, &info, false, ret.cpumaps.data + (size_t)i * len, len,
                                                n_cpus, pretty));
    }
    cli_print_json(cli, array);
    return true;
}

static bool vcpuinfo_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainGetVcpusRet) ret = { 0 };
    WireDomainGetInfoRet info;
    unsigned n_cpus = 0;
    bool pretty = args_has(args, "pretty");
    if (!cli_domain(cli, args, &dom, err) || !host_cpus(cli, &n_cpus, err))
        return false;
    WireDomainGetInfoArgs info_args = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_GET_INFO, &info_args, &info, err))
        return false;
    if (info.state == VIR_DOMAIN_SHUTOFF)
        return vcpuinfo_inactive(cli, &dom, n_cpus, pretty, err);
    size_t len = (n_cpus + 7) / 8;
    WireDomainGetVcpusArgs call = { .dom = dom, .maxinfo = info.nr_virt_cpu, .maplen = (int)len };
    if (!cli_call(cli, PROC_DOMAIN_GET_VCPUS, &call, &ret, err))
        return false;
    Json *array = json_array();
    for (unsigned i = 0; i < ret.n_info && (i + 1) * len <= ret.cpumaps.len; i++) {
        if (i && !cli->json)
            fputc('\n', cli->out);
        json_array_append_new(array, vcpu_print(cli, &ret.info[i], true, ret.cpumaps.data + i * len, len,
                                                n_cpus, pretty));
    }
    cli_print_json(cli, array);
    return true;
}

/* ---- pinning ---- */

static const CliOption vcpupin_options[] = {
    OPT_DOMAIN,
    OPT_INT("vcpu", "number of the virtual processor"),
    OPT_STRING("cpulist", "processors of the host, as 0-3,^2; r for all"),
    OPT_AFFECT,
    { 0 },
};

static const CliColumn vcpupin_columns[] = { { "VCPU", "vcpu", "number" },
                                             { "CPU Affinity", "affinity" },
                                             { 0 } };

static bool vcpupin_show(Cli *cli, const CliArgs *args, const WireDomain *dom, unsigned n_cpus, Error **err)
{
    int64_t only = -1;
    int count = 0;
    size_t len = (n_cpus + 7) / 8;
    g_auto(WireDomainGetVcpuPinInfoRet) ret = { 0 };
    if (!args_get_int(args, "vcpu", 0, INT32_MAX, &only, err) ||
        !vcpu_count(cli, dom, args_flags(args) | VIR_DOMAIN_VCPU_MAXIMUM, &count, err))
        return false;
    if (only >= count)
        return error_set(err, ERROR_INVALID_ARGUMENT, "vcpu %d is out of range of live cpu count %d",
                         (int)only, count);
    WireDomainGetVcpuPinInfoArgs call = {
        .dom = *dom, .ncpumaps = count, .maplen = (int)len, .flags = args_flags(args)
    };
    if (!cli_call(cli, PROC_DOMAIN_GET_VCPU_PIN_INFO, &call, &ret, err))
        return false;
    CliTable *table = table_new(vcpupin_columns, 0);
    for (int i = 0; i < ret.num && (size_t)(i + 1) * len <= ret.cpumaps.len; i++) {
        g_autofree char *list = cpumap_format(ret.cpumaps.data + (size_t)i * len, len, n_cpus);
        if (only >= 0 && only != i)
            continue;
        table_row(table);
        table_cell(table, json_integer(i), "%d", i);
        table_cell_text(table, list);
    }
    return cli_print_table(cli, table, err);
}

static bool vcpupin_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    unsigned n_cpus = 0;
    int64_t vcpu = 0;
    g_autofree uint8_t *map = NULL;
    if (!cli_domain(cli, args, &dom, err) || !host_cpus(cli, &n_cpus, err))
        return false;
    if (!args_has(args, "cpulist"))
        return vcpupin_show(cli, args, &dom, n_cpus, err);
    if (!args_has(args, "vcpu")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "vcpupin: Missing vCPU number in pin mode.");
        return error_hint(err, "name it: lodge vcpupin DOMAIN VCPU CPULIST");
    }
    if (!args_get_int(args, "vcpu", 0, INT32_MAX, &vcpu, err) ||
        !cpumap_parse(args_get(args, "cpulist"), n_cpus, &map, err))
        return false;
    WireBytes bytes = { .data = map, .len = (n_cpus + 7) / 8 };
    WireDomainPinVcpuFlagsArgs with = {
        .dom = dom, .vcpu = (uint32_t)vcpu, .cpumap = bytes, .flags = args_flags(args)
    };
    WireDomainPinVcpuArgs plain = { .dom = dom, .vcpu = (uint32_t)vcpu, .cpumap = bytes };
    if (with.flags || args_has(args, "current"))
        return cli_call(cli, PROC_DOMAIN_PIN_VCPU_FLAGS, &with, NULL, err);
    return cli_call(cli, PROC_DOMAIN_PIN_VCPU, &plain, NULL, err);
}

static const CliOption emulatorpin_options[] = {
    OPT_DOMAIN,
    OPT_STRING("cpulist", "processors of the host, as 0-3,^2; r for all"),
    OPT_AFFECT,
    { 0 },
};

static bool emulatorpin_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainGetEmulatorPinInfoRet) ret = { 0 };
    unsigned n_cpus = 0;
    g_autofree uint8_t *map = NULL;
    if (!cli_domain(cli, args, &dom, err) || !host_cpus(cli, &n_cpus, err))
        return false;
    if (args_has(args, "cpulist")) {
        if (!cpumap_parse(args_get(args, "cpulist"), n_cpus, &map, err))
            return false;
        WireDomainPinEmulatorArgs pin = { .dom = dom,
                                          .cpumap = { .data = map, .len = (n_cpus + 7) / 8 },
                                          .flags = args_flags(args) };
        return cli_call(cli, PROC_DOMAIN_PIN_EMULATOR, &pin, NULL, err);
    }
    WireDomainGetEmulatorPinInfoArgs call = { .dom = dom,
                                              .maplen = (int)((n_cpus + 7) / 8),
                                              .flags = args_flags(args) };
    if (!cli_call(cli, PROC_DOMAIN_GET_EMULATOR_PIN_INFO, &call, &ret, err))
        return false;
    g_autofree char *list = cpumap_format(ret.cpumaps.data, ret.cpumaps.len, n_cpus);
    if (cli->json)
        cli_print_json(cli, json_pack("{s:s}", "affinity", list));
    else
        fprintf(cli->out, "emulator: CPU Affinity\n----------------------------------\n       *: %s\n", list);
    return true;
}

/* ---- I/O threads ---- */

static const CliOption iothreadinfo_options[] = { OPT_DOMAIN, OPT_AFFECT, { 0 } };

static const CliColumn iothreadinfo_columns[] = { { "IOThread ID", "iothread", "number" },
                                                  { "CPU Affinity", "affinity" },
                                                  { 0 } };

static bool iothreadinfo_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainGetIothreadInfoRet *ret = answer;
    unsigned n_cpus = 0;
    if (!host_cpus(cli, &n_cpus, err))
        return false;
    if (ret->n_info == 0 && !cli->json) {
        cli_message(cli, "No IOThreads found for the domain");
        return true;
    }
    CliTable *table = table_new(iothreadinfo_columns, 0);
    for (unsigned i = 0; i < ret->n_info; i++) {
        g_autofree char *list = cpumap_format(ret->info[i].cpumap.data, ret->info[i].cpumap.len, n_cpus);
        table_row(table);
        table_cell(table, json_integer(ret->info[i].iothread_id), "%u", ret->info[i].iothread_id);
        table_cell_text(table, list);
    }
    return cli_print_table(cli, table, err);
}

const CliCommand commands_vcpu[] = {
    COMMAND("setmem", GROUP_DOMAIN, "change the memory size of a domain", memory_options, NULL,
            .doc = "Changes how much memory the guest may use now, up to its limit.",
            .exclusive = EXCLUSIVE_AFFECT, .proc = PROC_DOMAIN_SET_MEMORY_FLAGS,
            .plain = PROC_DOMAIN_SET_MEMORY, .doing = "Unable to change the memory size of domain '{name}'"),
    COMMAND("setmaxmem", GROUP_DOMAIN, "change the memory limit of a domain", memory_options, NULL,
            .exclusive = EXCLUSIVE_AFFECT, .proc = PROC_DOMAIN_SET_MEMORY_FLAGS,
            .always = VIR_DOMAIN_MEM_MAXIMUM,
            .doing = "Unable to change the memory limit of domain '{name}'"),
    COMMAND("setvcpus", GROUP_DOMAIN, "change the number of virtual processors", setvcpus_options, NULL,
            .exclusive = EXCLUSIVE_AFFECT "; guest config; guest maximum; maximum hotpluggable",
            .proc = PROC_DOMAIN_SET_VCPUS_FLAGS, .plain = PROC_DOMAIN_SET_VCPUS),
    COMMAND("vcpucount", GROUP_DOMAIN, "show the number of virtual processors", vcpucount_options,
            vcpucount_run, .exclusive = "live config current; active maximum; guest config; guest maximum",
            .json = "{\"count\": number}; without options {\"maximum_config\": number, \"maximum_live\": "
                    "number, \"current_config\": number, \"current_live\": number}"),
    COMMAND("vcpuinfo", GROUP_DOMAIN, "show the virtual processors", vcpuinfo_options, vcpuinfo_run,
            .json = "[{\"vcpu\": number, \"cpu\": number|null, \"state\": string|null, \"cpu_time_ns\": "
                    "number|null, \"affinity\": string}]"),
    COMMAND("vcpupin", GROUP_DOMAIN, "show or change where virtual processors may run", vcpupin_options,
            vcpupin_run, .exclusive = EXCLUSIVE_AFFECT, .columns = vcpupin_columns),
    COMMAND("emulatorpin", GROUP_DOMAIN, "show or change where the hypervisor's own threads may run",
            emulatorpin_options, emulatorpin_run, .exclusive = EXCLUSIVE_AFFECT,
            .json = "{\"affinity\": string}"),
    COMMAND("iothreadinfo", GROUP_DOMAIN, "show the I/O threads of a domain", iothreadinfo_options, NULL,
            .proc = PROC_DOMAIN_GET_IOTHREAD_INFO, .tell = iothreadinfo_tell, .exclusive = EXCLUSIVE_AFFECT,
            .columns = iothreadinfo_columns),
    { 0 },
};
