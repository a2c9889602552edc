/* Commands about the host and the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/cpumap.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"

#define KIB 1024u

/* ---- documents ---- */

static const CliOption xpath_options[] = { OPT_XPATH, { 0 } };

static const CliOption domcapabilities_options[] = {
    OPT_ARG("virttype", "virttype", "kind of virtualization: kvm or qemu"),
    OPT_ARG("emulatorbin", "emulatorbin", "path of the emulator"),
    OPT_ARG("arch", "arch", "architecture of the guest"),
    OPT_ARG("machine", "machine", "machine type"),
    OPT_XPATH,
    { 0 },
};

/* ---- nodeinfo ---- */

static bool nodeinfo_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireNodeGetInfoRet *info = answer;
    CliRecord *record = record_new(21);
    g_autofree char *model = g_strndup(info->model, sizeof(info->model));
    record_add(record, "CPU model:", "model", NULL, "%s", model);
    record_add(record, "CPU(s):", "cpus", json_integer(info->cpus), "%d", info->cpus);
    if (info->mhz)
        record_add(record, "CPU frequency:", "mhz", json_integer(info->mhz), "%d MHz", info->mhz);
    record_add(record, "CPU socket(s):", "sockets", json_integer(info->sockets), "%d", info->sockets);
    record_add(record, "Core(s) per socket:", "cores_per_socket", json_integer(info->cores), "%d",
               info->cores);
    record_add(record, "Thread(s) per core:", "threads_per_core", json_integer(info->threads), "%d",
               info->threads);
    record_add(record, "NUMA cell(s):", "numa_cells", json_integer(info->nodes), "%d", info->nodes);
    record_add(record, "Memory size:", "memory_kib", json_integer((json_int_t)info->memory),
               "%" PRIu64 " KiB", info->memory);
    cli_print_record(cli, record);
    return true;
}

/* ---- nodememstats, nodecpustats ---- */

static const CliOption memstats_options[] = {
    OPT(CLI_INT, "cell", "only this NUMA cell", .arg = "cell_num", .min = -1, .otherwise = "-1"),
    { 0 },
};

static bool memstats_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireNodeGetMemoryStatsRet *ret = answer;
    Json *object = json_object();
    for (unsigned i = 0; i < ret->n_params; i++) {
        g_autofree char *key = g_strdup_printf("%s_kib", ret->params[i].field);
        json_object_set_new(object, key, json_integer((json_int_t)ret->params[i].value));
        cli_say(cli, "%-7s: %20" PRIu64 " KiB\n", ret->params[i].field, ret->params[i].value);
    }
    cli_print_json(cli, object);
    return true;
}

static const CliOption cpustats_options[] = {
    OPT(CLI_INT, "cpu", "only this processor", .arg = "cpu_num", .min = -1, .otherwise = "-1"),
    OPT_BOOL("percent", "shares of the next second instead of sums since the host started"),
    { 0 },
};

/* In the order of the output; the protocol calls the second one "kernel". */
static const char *const cpu_fields[] = { "user", "system", "idle", "iowait", "intr" };

static bool cpustats_get(Cli *cli, const CliArgs *args, RowCall *ret_call, Error **err)
{
    return row_prepare(cli, args, cli_args_command(args)->proc, ret_call, err) &&
           row_call_counted(cli, ret_call, err);
}

static bool cpustats_find(const WireNodeGetCpuStatsRet *stats, const char *field, uint64_t *ret_value)
{
    const char *name = strcmp(field, "system") == 0 ? VIR_NODE_CPU_STATS_KERNEL : field;
    for (unsigned i = 0; i < stats->n_params; i++) {
        if (strcmp(stats->params[i].field, name) == 0) {
            *ret_value = stats->params[i].value;
            return true;
        }
    }
    return false;
}

static bool cpustats_percent(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) before = { 0 };
    g_auto(RowCall) after = { 0 };
    double share[G_N_ELEMENTS(cpu_fields)] = { 0 }, total = 0;
    bool known[G_N_ELEMENTS(cpu_fields)] = { false };
    if (!cpustats_get(cli, args, &before, err) || !fiber_sleep(1000, err) ||
        !cpustats_get(cli, args, &after, err))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(cpu_fields); i++) {
        uint64_t old = 0, now = 0;
        known[i] =
            cpustats_find(before.ret, cpu_fields[i], &old) && cpustats_find(after.ret, cpu_fields[i], &now);
        share[i] = now > old ? (double)(now - old) : 0;
        total += share[i];
    }
    CliRecord *record = record_new(15);
    for (size_t i = 0; i < G_N_ELEMENTS(cpu_fields); i++)
        share[i] = total > 0 ? share[i] * 100 / total : 0;
    double usage = total > 0 ? MAX(100 - share[2] - share[3], 0) : 0;
    record_add(record, "usage:", "usage_percent", json_real(usage), "%5.1f%%", usage);
    for (size_t i = 0; i < G_N_ELEMENTS(cpu_fields); i++) {
        g_autofree char *label = g_strdup_printf("%s:", cpu_fields[i]);
        g_autofree char *key = g_strdup_printf("%s_percent", cpu_fields[i]);
        if (known[i])
            record_add(record, label, key, json_real(share[i]), "%5.1f%%", share[i]);
    }
    cli_print_record(cli, record);
    return true;
}

static bool cpustats_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) call = { 0 };
    cli_doing(cli, "Unable to get node cpu stats");
    if (args_has(args, "percent"))
        return cpustats_percent(cli, args, err);
    if (!cpustats_get(cli, args, &call, err))
        return false;
    CliRecord *record = record_new(15);
    for (size_t i = 0; i < G_N_ELEMENTS(cpu_fields); i++) {
        uint64_t value = 0;
        g_autofree char *label = g_strdup_printf("%s:", cpu_fields[i]);
        g_autofree char *key = g_strdup_printf("%s_ns", cpu_fields[i]);
        if (cpustats_find(call.ret, cpu_fields[i], &value))
            record_add(record, label, key, json_integer((json_int_t)value), "%20" PRIu64, value);
    }
    cli_print_record(cli, record);
    return true;
}

/* ---- nodecpumap ---- */

static const CliOption cpumap_options[] = { OPT_BOOL("pretty", "as a list of numbers"), { 0 } };

static bool cpumap_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireNodeGetCpuMapRet *ret = answer;
    unsigned n = (unsigned)CLAMP(ret->ret, 0, 65536);
    g_autofree char *list = cpumap_format(ret->cpumap.data, ret->cpumap.len, n);
    g_autofree char *picture = cpumap_picture(ret->cpumap.data, ret->cpumap.len, n);
    CliRecord *record = record_new(16);
    record_add(record, "CPUs present:", "present", json_integer(ret->ret), "%d", ret->ret);
    record_add(record, "CPUs online:", "online", json_integer(ret->online), "%u", ret->online);
    record_add(record, "CPU map:", "map", json_string(list), "%s", args_has(args, "pretty") ? list : picture);
    cli_print_record(cli, record);
    return true;
}

/* ---- free memory and pages ---- */

/* The numbers of the host's NUMA cells, from the capabilities. */
static bool host_cells(Cli *cli, XmlDoc **ret_doc, GPtrArray **ret_cells, Error **err)
{
    g_auto(WireConnectGetCapabilitiesRet) ret = { 0 };
    return cli_call(cli, PROC_CONNECT_GET_CAPABILITIES, NULL, &ret, err) &&
           xml_parse(ret.capabilities, ret_doc, err) &&
           xml_select(*ret_doc, NULL, "/capabilities/host/topology/cells/cell", ret_cells, err);
}

static int cell_id(XmlDoc *doc, xmlNode *cell)
{
    g_autofree char *id = xml_get(doc, cell, "./@id");
    return id ? (int)strtol(id, NULL, 10) : 0;
}

static bool cell_free(Cli *cli, int cell, uint64_t *ret_bytes, Error **err)
{
    WireNodeGetCellsFreeMemoryArgs call = { .start_cell = cell, .maxcells = 1 };
    g_auto(WireNodeGetCellsFreeMemoryRet) ret = { 0 };
    if (!cli_call(cli, PROC_NODE_GET_CELLS_FREE_MEMORY, &call, &ret, err))
        return false;
    if (ret.n_cells != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the host has no NUMA cell %d", cell);
    *ret_bytes = ret.cells[0];
    return true;
}

static const CliOption freecell_options[] = {
    OPT_INT("cellno", "only this NUMA cell"),
    OPT_BOOL("all", "each cell and the sum"),
    { 0 },
};

static bool freecell_all(Cli *cli, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) cells = NULL;
    if (!host_cells(cli, &doc, &cells, err))
        return false;
    uint64_t total = 0;
    AUTO_JSON list = json_array();
    for (unsigned i = 0; i < cells->len; i++) {
        uint64_t bytes = 0;
        int id = cell_id(doc, cells->pdata[i]);
        if (!cell_free(cli, id, &bytes, err))
            return false;
        total += bytes / KIB;
        json_array_append_new(list,
                              json_pack("{s:i, s:I}", "cell", id, "free_kib", (json_int_t)(bytes / KIB)));
        cli_say(cli, "%5d: %10" PRIu64 " KiB\n", id, bytes / KIB);
    }
    cli_say(cli, "--------------------\nTotal: %10" PRIu64 " KiB\n", total);
    cli_print_json(cli, json_pack("{s:O, s:I}", "cells", list, "total_kib", (json_int_t)total));
    return true;
}

static bool freecell_run(Cli *cli, const CliArgs *args, Error **err)
{
    int64_t cell = 0;
    uint64_t bytes = 0;
    WireNodeGetFreeMemoryRet ret;
    if (!args_get_int(args, "cellno", 0, INT32_MAX, &cell, err))
        return false;
    if (args_has(args, "all"))
        return freecell_all(cli, err);
    if (args_has(args, "cellno")) {
        if (!cell_free(cli, (int)cell, &bytes, err))
            return false;
        cli_say(cli, "%d: %" PRIu64 " KiB\n", (int)cell, bytes / KIB);
        cli_print_json(cli,
                       json_pack("{s:i, s:I}", "cell", (int)cell, "free_kib", (json_int_t)(bytes / KIB)));
        return true;
    }
    if (!cli_call(cli, PROC_NODE_GET_FREE_MEMORY, NULL, &ret, err))
        return false;
    cli_say(cli, "Total: %" PRIu64 " KiB\n", ret.free_mem / KIB);
    cli_print_json(cli, json_pack("{s:I}", "total_kib", (json_int_t)(ret.free_mem / KIB)));
    return true;
}

static const CliOption freepages_options[] = {
    OPT_INT("cellno", "NUMA cell"),
    OPT(CLI_SIZE, "pagesize", "size of the pages, in KiB unless it has a unit", .unit = KIB),
    OPT_BOOL("all", "all cells and sizes"),
    { 0 },
};

static bool free_pages(Cli *cli, int cell, unsigned page_kib, uint64_t *ret_count, Error **err)
{
    WireNodeGetFreePagesArgs call = { .pages = &page_kib, .n_pages = 1, .start_cell = cell, .cell_count = 1 };
    g_auto(WireNodeGetFreePagesRet) ret = { 0 };
    if (!cli_call(cli, PROC_NODE_GET_FREE_PAGES, &call, &ret, err))
        return false;
    if (ret.n_counts != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the host has no NUMA cell %d", cell);
    *ret_count = ret.counts[0];
    return true;
}

static bool freepages_cell(Cli *cli, XmlDoc *doc, xmlNode *cell, Json *list, Error **err)
{
    g_autoptr(GPtrArray) sizes = NULL;
    int id = cell_id(doc, cell);
    if (!xml_select(doc, cell, "./pages", &sizes, err))
        return false;
    cli_say(cli, "Node %d:\n", id);
    for (unsigned i = 0; i < sizes->len; i++) {
        uint64_t count = 0;
        g_autofree char *size = xml_get(doc, sizes->pdata[i], "./@size");
        unsigned kib = size ? (unsigned)strtoul(size, NULL, 10) : 0;
        if (!free_pages(cli, id, kib, &count, err))
            return false;
        json_array_append_new(list, json_pack("{s:i, s:i, s:I}", "cell", id, "page_kib", (int)kib, "free",
                                              (json_int_t)count));
        cli_say(cli, "%uKiB: %" PRIu64 "\n", kib, count);
    }
    cli_say(cli, "\n");
    return true;
}

static bool freepages_all(Cli *cli, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) cells = NULL;
    AUTO_JSON list = json_array();
    if (!host_cells(cli, &doc, &cells, err))
        return false;
    for (unsigned i = 0; i < cells->len; i++) {
        if (!freepages_cell(cli, doc, cells->pdata[i], list, err))
            return false;
    }
    cli_print_json(cli, json_incref(list));
    return true;
}

static bool freepages_run(Cli *cli, const CliArgs *args, Error **err)
{
    int64_t cell = 0;
    uint64_t bytes = 0, count = 0;
    if (args_has(args, "all"))
        return freepages_all(cli, err);
    const char *missing = !args_has(args, "cellno")     ? "cellno"
                          : !args_has(args, "pagesize") ? "pagesize"
                                                        : NULL;
    if (missing) {
        error_set(err, ERROR_INVALID_ARGUMENT, "missing %s argument", missing);
        return error_hint(err, "--all shows all cells and sizes");
    }
    if (!args_get_int(args, "cellno", 0, INT32_MAX, &cell, err) ||
        !args_get_size(args, "pagesize", &bytes, err) ||
        !free_pages(cli, (int)cell, (unsigned)(bytes / KIB), &count, err))
        return false;
    cli_say(cli, "%" PRIu64 "KiB: %" PRIu64 "\n", bytes / KIB, count);
    cli_print_json(cli, json_pack("[{s:i, s:I, s:I}]", "cell", (int)cell, "page_kib",
                                  (json_int_t)(bytes / KIB), "free", (json_int_t)count));
    return true;
}

/* ---- small answers ---- */

static bool uri_run(Cli *cli, const CliArgs *args, Error **err)
{
    cli_print_text(cli, "uri", cli->uri ? cli->uri : wire_client_uri(cli->client));
    return true;
}

static const CliOption maxvcpus_options[] = { OPT_STRING("type", "kind of virtualization: kvm or qemu"),
                                              { 0 } };

static bool maxvcpus_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_auto(WireConnectGetDomainCapabilitiesRet) caps = { 0 };
    WireConnectGetDomainCapabilitiesArgs ask = { .virttype = (char *)args_get(args, "type") };
    int count = 0;
    /* What a domain of the default kind can have is more exact than the old call. */
    if (cli_call(cli, PROC_CONNECT_GET_DOMAIN_CAPABILITIES, &ask, &caps, NULL) &&
        xml_parse(caps.capabilities, &doc, NULL)) {
        g_autofree char *max = xml_get(doc, NULL, "/domainCapabilities/vcpu/@max");
        count = max ? (int)strtol(max, NULL, 10) : 0;
    }
    if (count <= 0) {
        WireConnectGetMaxVcpusArgs call = { .type = ask.virttype };
        WireConnectGetMaxVcpusRet ret;
        if (!cli_call(cli, PROC_CONNECT_GET_MAX_VCPUS, &call, &ret, err))
            return false;
        count = ret.max_vcpus;
    }
    cli_say(cli, "%d\n", count);
    cli_print_json(cli, json_pack("{s:i}", "max_vcpus", count));
    return true;
}

static const CliOption version_options[] = { OPT_BOOL("daemon", "also the daemon's version"), { 0 } };

static char *version_text(uint64_t number)
{
    return g_strdup_printf("%" PRIu64 ".%" PRIu64 ".%" PRIu64, number / 1000000, number / 1000 % 1000,
                           number % 1000);
}

static bool version_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireConnectGetTypeRet) type = { 0 };
    WireConnectGetVersionRet hypervisor;
    WireConnectGetLibVersionRet library;
    cli_doing(cli, "failed to get hypervisor type");
    if (!cli_call(cli, PROC_CONNECT_GET_TYPE, NULL, &type, err))
        return false;
    cli_doing(cli, "failed to get the hypervisor version");
    if (!cli_call(cli, PROC_CONNECT_GET_VERSION, NULL, &hypervisor, err))
        return false;
    cli_doing(cli, "failed to get the daemon version");
    if (!cli_call(cli, PROC_CONNECT_GET_LIB_VERSION, NULL, &library, err))
        return false;
    g_autofree char *hypervisor_text = version_text(hypervisor.hv_ver);
    g_autofree char *library_text = version_text(library.lib_ver);
    CliRecord *record = record_new(0);
    record_add(record, "Compiled against library: ", "client", NULL, "lodge %s", LODGE_VERSION);
    record_add(record, "Using library: ", NULL, NULL, "lodge %s", LODGE_VERSION);
    record_add(record, "Using API: ", "api_version", json_string(library_text), "%s %s", type.type,
               library_text);
    record_add(record, NULL, "hypervisor", NULL, "%s", type.type);
    record_add(record, "Running hypervisor: ", "hypervisor_version", json_string(hypervisor_text), "%s %s",
               type.type, hypervisor_text);
    if (args_has(args, "daemon"))
        record_add(record, "Running against daemon: ", "daemon", NULL, "%s", library_text);
    cli_print_record(cli, record);
    return true;
}

static const CliOption suspend_options[] = {
    OPT(CLI_STRING, "target", "where the host keeps its memory", .flags = CLI_REQUIRED | CLI_ONE_OF,
        .words = "mem disk hybrid", .arg = "target"),
    OPT(CLI_INT, "duration", "seconds until it wakes up, at least 60", .flags = CLI_REQUIRED,
        .arg = "duration"),
    { 0 },
};

const CliCommand commands_host[] = {
    COMMAND("capabilities", GROUP_HOST, "print what the host and the daemon can do", xpath_options, NULL,
            .proc = PROC_CONNECT_GET_CAPABILITIES, .doing = "failed to get capabilities",
            .show = "capabilities:xml"),
    COMMAND("domcapabilities", GROUP_HOST, "print what a domain can have on this host",
            domcapabilities_options, NULL, .proc = PROC_CONNECT_GET_DOMAIN_CAPABILITIES,
            .doing = "failed to get emulator capabilities", .show = "capabilities:xml"),
    COMMAND("freecell", GROUP_HOST, "show the free memory of NUMA cells", freecell_options, freecell_run,
            .exclusive = "cellno all",
            .json = "{\"cells\": [{\"cell\": number, \"free_kib\": number}], \"total_kib\": number}"),
    COMMAND("freepages", GROUP_HOST, "show the free pages of NUMA cells", freepages_options, freepages_run,
            .exclusive = "cellno all; pagesize all",
            .json = "[{\"cell\": number, \"page_kib\": number, \"free\": number}]"),
    COMMAND("hostname", GROUP_HOST, "print the name of the host", NULL, NULL,
            .proc = PROC_CONNECT_GET_HOSTNAME, .doing = "failed to get hostname", .show = "hostname"),
    COMMAND("maxvcpus", GROUP_HOST, "print the most virtual processors that a domain can have",
            maxvcpus_options, maxvcpus_run, .json = "{\"max_vcpus\": number}"),
    COMMAND("nodecpumap", GROUP_HOST, "show which processors are online", cpumap_options, NULL,
            .proc = PROC_NODE_GET_CPU_MAP, .doing = "Unable to get cpu map", .tell = cpumap_tell,
            .json = "{\"present\": number, \"online\": number, \"map\": string}"),
    COMMAND("nodecpustats", GROUP_HOST, "show what the host's processors do", cpustats_options, cpustats_run,
            .proc = PROC_NODE_GET_CPU_STATS,
            .json = "{NAME_ns: number}; with --percent {NAME_percent: number}"),
    COMMAND("nodeinfo", GROUP_HOST, "show the host's processors and memory", NULL, NULL,
            .proc = PROC_NODE_GET_INFO, .doing = "failed to get node information", .tell = nodeinfo_tell,
            .json = "{\"model\": string, \"cpus\": number, \"mhz\": number, \"sockets\": number, "
                    "\"cores_per_socket\": number, \"threads_per_core\": number, \"numa_cells\": number, "
                    "\"memory_kib\": number}"),
    COMMAND("nodememstats", GROUP_HOST, "show how the host's memory is used", memstats_options, NULL,
            .proc = PROC_NODE_GET_MEMORY_STATS, .doing = "Unable to get memory stats", .tell = memstats_tell,
            .json = "{NAME_kib: number}"),
    COMMAND("nodesuspend", GROUP_HOST, "suspend the host for a while", suspend_options, NULL,
            .proc = PROC_NODE_SUSPEND_FOR_DURATION, .doing = "The host was not suspended"),
    COMMAND("sysinfo", GROUP_HOST, "print what the host's firmware says about it", xpath_options, NULL,
            .proc = PROC_CONNECT_GET_SYSINFO, .doing = "failed to get sysinfo", .show = "sysinfo:xml"),
    COMMAND("uri", GROUP_HOST, "print the URI of the connection", NULL, uri_run, .json = "{\"uri\": string}"),
    COMMAND("version", GROUP_HOST, "show the versions of client, daemon and hypervisor", version_options,
            version_run,
            .json = "{\"client\": string, \"api_version\": string, \"hypervisor\": string, "
                    "\"hypervisor_version\": string, \"daemon\": string (with --daemon)}"),
    { 0 },
};
