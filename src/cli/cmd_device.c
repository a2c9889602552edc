/* Commands about the disks and network interfaces of a domain. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

/* The nodes of a domain's XML that @xpath selects. */
static bool device_nodes(Cli *cli, const WireDomain *dom, bool inactive, const char *xpath, XmlDoc **ret_doc,
                         GPtrArray **ret_nodes, Error **err)
{
    g_autofree char *xml = NULL;
    return cli_domain_xml(cli, dom, inactive ? VIR_DOMAIN_XML_INACTIVE : 0, &xml, err) &&
           xml_parse(xml, ret_doc, err) && xml_select(*ret_doc, NULL, xpath, ret_nodes, err);
}

/* ---- domblklist ---- */

static const CliOption blklist_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("inactive", "the stored definition, also while the domain runs"),
    OPT_BOOL("details", "add the kind of source and of device"),
    { 0 },
};

/* What a disk is made of, in one word; NULL for an empty drive. Owned. */
static char *disk_source(XmlDoc *doc, xmlNode *node)
{
    static const char *const places[] = { "./source/@file", "./source/@dev",  "./source/@dir",
                                          "./source/@name", "./source/@path", "./source/@type" };
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        char *text = xml_get(doc, node, places[i]);
        if (text)
            return text;
    }
    g_autofree char *pool = xml_get(doc, node, "./source/@pool");
    g_autofree char *volume = xml_get(doc, node, "./source/@volume");
    return pool && volume ? g_strdup_printf("%s/%s", pool, volume) : NULL;
}

static const CliColumn blklist_brief_columns[] = {
    { "Target", "target" }, { "Source", "source", "string|null" }, { NULL, "type" }, { NULL, "device" }, { 0 }
};

static const CliColumn blklist_detailed_columns[] = {
    { "Type", "type" }, { "Device", "device" }, { "Target", "target" }, { "Source", "source" }, { 0 }
};

static bool blklist_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks = NULL;
    bool details = args_has(args, "details");
    if (!cli_domain(cli, args, &dom, err) ||
        !device_nodes(cli, &dom, args_has(args, "inactive"), "/domain/devices/disk", &doc, &disks, err))
        return false;
    CliTable *table = table_new(details ? blklist_detailed_columns : blklist_brief_columns, 4);
    for (unsigned i = 0; i < disks->len; i++) {
        g_autofree char *type = xml_get(doc, disks->pdata[i], "./@type");
        g_autofree char *device = xml_get(doc, disks->pdata[i], "./@device");
        g_autofree char *target = xml_get(doc, disks->pdata[i], "./target/@dev");
        g_autofree char *source = disk_source(doc, disks->pdata[i]);
        table_row(table);
        table_cell_text(table, details ? type : target);
        table_cell_text(table, details ? device : source);
        table_cell_text(table, details ? target : type);
        table_cell_text(table, details ? source : device);
    }
    return cli_print_table(cli, table, err);
}

/* ---- domiflist ---- */

static const CliOption iflist_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("inactive", "the stored definition, also while the domain runs"),
    { 0 },
};

static char *interface_source(XmlDoc *doc, xmlNode *node)
{
    /* The network before its bridge. */
    static const char *const places[] = { "./source/@network", "./source/@bridge", "./source/@dev",
                                          "./source/@path",    "./source/@name",   "./source/@address" };
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        char *text = xml_get(doc, node, places[i]);
        if (text)
            return text;
    }
    return NULL;
}

static const CliColumn iflist_columns[] = {
    { "Interface", "interface", "string|null" }, { "Type", "type" }, { "Source", "source", "string|null" },
    { "Model", "model", "string|null" },         { "MAC", "mac" },   { 0 }
};

static bool iflist_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    if (!cli_domain(cli, args, &dom, err) ||
        !device_nodes(cli, &dom, args_has(args, "inactive"), "/domain/devices/interface", &doc, &nodes, err))
        return false;
    CliTable *table = table_new(iflist_columns, 0);
    for (unsigned i = 0; i < nodes->len; i++) {
        g_autofree char *target = xml_get(doc, nodes->pdata[i], "./target/@dev");
        g_autofree char *type = xml_get(doc, nodes->pdata[i], "./@type");
        g_autofree char *source = interface_source(doc, nodes->pdata[i]);
        g_autofree char *model = xml_get(doc, nodes->pdata[i], "./model/@type");
        g_autofree char *mac = xml_get(doc, nodes->pdata[i], "./mac/@address");
        table_row(table);
        table_cell_text(table, target);
        table_cell_text(table, type);
        table_cell_text(table, source);
        table_cell_text(table, model);
        table_cell_text(table, mac);
    }
    return cli_print_table(cli, table, err);
}

/* ---- domblkinfo ---- */

static const CliOption blkinfo_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "device", "target or source of the disk", .complete = COMPLETE_DOMAIN_DISK),
    OPT_BOOL("human", "sizes with units"),
    OPT_BOOL("all", "all disks"),
    { 0 },
};

static void size_cell(CliTable *table, uint64_t bytes, bool human)
{
    g_autofree char *text = human ? human_size(bytes) : g_strdup_printf("%" PRIu64, bytes);
    table_cell(table, json_integer((json_int_t)bytes), "%s", text);
}

static bool block_info(Cli *cli, const WireDomain *dom, const char *device, WireDomainGetBlockInfoRet *ret,
                       Error **err)
{
    WireDomainGetBlockInfoArgs call = { .dom = *dom, .path = (char *)device };
    return cli_call(cli, PROC_DOMAIN_GET_BLOCK_INFO, &call, ret, err);
}

static const CliColumn blkinfo_columns[] = { { "Target", "target" },
                                             { "Capacity", "capacity_bytes" },
                                             { "Allocation", "allocation_bytes" },
                                             { "Physical", "physical_bytes" },
                                             { 0 } };

static bool blkinfo_all(Cli *cli, const WireDomain *dom, bool human, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks = NULL;
    if (!device_nodes(cli, dom, false, "/domain/devices/disk", &doc, &disks, err))
        return false;
    g_autoptr(CliTable) table = table_new(blkinfo_columns, 0);
    for (unsigned i = 0; i < disks->len; i++) {
        g_autofree char *target = xml_get(doc, disks->pdata[i], "./target/@dev");
        g_autofree char *source = disk_source(doc, disks->pdata[i]);
        WireDomainGetBlockInfoRet info;
        table_row(table);
        table_cell_text(table, target);
        if (!source || !target)
            continue;
        if (!block_info(cli, dom, target, &info, err))
            return false;
        size_cell(table, info.capacity, human);
        size_cell(table, info.allocation, human);
        size_cell(table, info.physical, human);
    }
    return cli_print_table(cli, g_steal_pointer(&table), err);
}

static void size_line(CliRecord *record, const char *label, const char *key, uint64_t bytes, bool human)
{
    g_autofree char *text = human ? human_size(bytes) : g_strdup_printf("%" PRIu64, bytes);
    record_add(record, label, key, json_integer((json_int_t)bytes), "%s", text);
}

static bool blkinfo_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    bool human = args_has(args, "human");
    WireDomainGetBlockInfoRet info;
    if (!args_has(args, "all") && !args_has(args, "device")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "command 'domblkinfo' requires <device> option");
        return error_hint(err, "name a disk, or add --all");
    }
    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (args_has(args, "all"))
        return blkinfo_all(cli, &dom, human, err);
    if (!block_info(cli, &dom, args_get(args, "device"), &info, err))
        return false;
    CliRecord *record = record_new(16);
    size_line(record, "Capacity:", "capacity_bytes", info.capacity, human);
    size_line(record, "Allocation:", "allocation_bytes", info.allocation, human);
    size_line(record, "Physical:", "physical_bytes", info.physical, human);
    cli_print_record(cli, record);
    return true;
}

/* ---- domblkstat ---- */

static const CliOption blkstat_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "device", "target or source of the disk; default: all disks together",
        .flags = CLI_EMPTY_OK, .arg = "path", .complete = COMPLETE_DOMAIN_DISK),
    OPT_BOOL("human", "with explanations instead of short names"),
    { 0 },
};

static const struct {
    const char *param;
    const char *name;
    const char *label;
} block_stats[] = {
    { "rd_operations", "rd_req", "number of read operations:" },
    { "rd_bytes", "rd_bytes", "number of bytes read:" },
    { "wr_operations", "wr_req", "number of write operations:" },
    { "wr_bytes", "wr_bytes", "number of bytes written:" },
    { "errs", "errs", "error count:" },
    { "flush_operations", "flush_operations", "number of flush operations:" },
    { "rd_total_times", "rd_total_times", "total duration of reads (ns):" },
    { "wr_total_times", "wr_total_times", "total duration of writes (ns):" },
    { "flush_total_times", "flush_total_times", "total duration of flushes (ns):" },
};

static bool blkstat_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainBlockStatsFlagsRet *ret = answer;
    const char *device = args_get(args, "device") ? args_get(args, "device") : "";
    bool human = args_has(args, "human");
    if (human)
        cli_say(cli, "Device: %s\n", device);
    Json *object = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(block_stats); i++) {
        int64_t value = 0;
        if (!wire_param_get_int64(ret->params, ret->n_params, block_stats[i].param, &value) || value < 0)
            continue;
        json_object_set_new(object, block_stats[i].name, json_integer(value));
        if (human)
            cli_say(cli, " %-31s %" PRId64 "\n", block_stats[i].label, value);
        else
            cli_say(cli, "%s %s %" PRId64 "\n", device, block_stats[i].name, value);
    }
    cli_print_json(cli, object);
    return true;
}

/* ---- domifstat ---- */

static const CliOption ifstat_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "interface", "name of the interface on the host, or its MAC address",
        .flags = CLI_REQUIRED, .arg = "device", .complete = COMPLETE_DOMAIN_INTERFACE),
    { 0 },
};

static bool ifstat_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainInterfaceStatsRet *stats = answer;
    const char *name = args_get(args, "interface");
    const struct {
        const char *name;
        int64_t value;
    } lines[] = {
        { "rx_bytes", stats->rx_bytes }, { "rx_packets", stats->rx_packets },
        { "rx_errs", stats->rx_errs },   { "rx_drop", stats->rx_drop },
        { "tx_bytes", stats->tx_bytes }, { "tx_packets", stats->tx_packets },
        { "tx_errs", stats->tx_errs },   { "tx_drop", stats->tx_drop },
    };
    Json *object = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        if (lines[i].value < 0) /* not known */
            continue;
        json_object_set_new(object, lines[i].name, json_integer(lines[i].value));
        cli_say(cli, "%s %s %" PRId64 "\n", name, lines[i].name, lines[i].value);
    }
    cli_print_json(cli, object);
    return true;
}

/* ---- domblkerror ---- */

static const CliOption active_options[] = { OPT_DOMAIN_ACTIVE, { 0 } };

static const CliColumn blkerror_columns[] = { { "Target", "target" }, { "Error", "error" }, { 0 } };

static bool blkerror_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const names[] = { "no error", "unspecified error", "no space" };
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainGetDiskErrorsRet) count = { 0 };
    g_auto(WireDomainGetDiskErrorsRet) ret = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireDomainGetDiskErrorsArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_GET_DISK_ERRORS, &call, &count, err))
        return false;
    call.maxerrors = (uint32_t)MAX(count.nerrors, 0);
    if (call.maxerrors && !cli_call(cli, PROC_DOMAIN_GET_DISK_ERRORS, &call, &ret, err))
        return false;
    if (ret.n_errors == 0 && !cli->json) {
        fputs("No errors found\n", cli->out);
        return true;
    }
    CliTable *table = table_new(blkerror_columns, 0);
    for (unsigned i = 0; i < ret.n_errors; i++) {
        const char *text = NAME_OF(names, ret.errors[i].error, "unknown error");
        if (cli->format == CLI_TEXT)
            fprintf(cli->out, "%s: %s\n", ret.errors[i].disk, text);
        table_row(table);
        table_cell_text(table, ret.errors[i].disk);
        table_cell_text(table, text);
    }
    if (cli->json || cli->format != CLI_TEXT)
        return cli_print_table(cli, table, err);
    table_free(table);
    return true;
}

/* ---- attaching and detaching, by XML ---- */

#define OPT_DEVICE_XML                                                                                       \
    OPT_DOMAIN, OPT_XML("file", "xml", CLI_REQUIRED, "the XML of the device; - reads the standard input"),   \
        OPT_BOOL("persistent", "now and in the stored definition"), OPT_AFFECT

static const CliOption attach_options[] = { OPT_DEVICE_XML, { 0 } };
static const CliOption update_options[] = {
    OPT_DEVICE_XML,
    OPT_FLAG("force", VIR_DOMAIN_DEVICE_MODIFY_FORCE, "even if the guest has locked the device"),
    { 0 },
};
static const CliOption detach_alias_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "alias", "alias of the device, as dumpxml shows it", .flags = CLI_REQUIRED,
        .arg = "alias"),
    OPT_AFFECT,
    { 0 },
};

static bool device_run(Cli *cli, const CliArgs *args, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    g_auto(RowCall) call = { 0 };
    uint32_t flags = 0;
    if (!row_prepare(cli, args, command->proc, &call, err) ||
        !cli_affect_flags(cli, args, call.object, &flags, err))
        return false;
    row_set_number(&call, "flags", flags);
    g_autofree char *doing = row_text(command->doing, args, &call);
    cli_doing(cli, "%s", doing);
    if (!row_call(cli, &call, err))
        return false;
    cli_message(cli, "%s", command->done);
    return true;
}

const CliCommand commands_device[] = {
    COMMAND("domblklist", GROUP_MONITOR, "list the disks of a domain", blklist_options, blklist_run,
            .columns = blklist_brief_columns),
    COMMAND("domiflist", GROUP_MONITOR, "list the network interfaces of a domain", iflist_options, iflist_run,
            .columns = iflist_columns),
    COMMAND("domblkinfo", GROUP_MONITOR, "show the sizes of a disk", blkinfo_options, blkinfo_run,
            .exclusive = "device all",
            .json = "{\"capacity_bytes\": number, \"allocation_bytes\": number, \"physical_bytes\": number}; "
                    "with --all a list of these with \"target\""),
    COMMAND("domblkstat", GROUP_MONITOR, "show what a disk has read and written", blkstat_options, NULL,
            .proc = PROC_DOMAIN_BLOCK_STATS_FLAGS, .tell = blkstat_tell,
            .doing = "Failed to get block stats for domain '{name}' device '{device}'",
            .always = VIR_TYPED_PARAM_STRING_OKAY, .json = "{NAME: number}"),
    COMMAND("domifstat", GROUP_MONITOR, "show what a network interface has sent and received", ifstat_options,
            NULL, .proc = PROC_DOMAIN_INTERFACE_STATS,
            .doing = "Failed to get interface stats {name} {interface}", .tell = ifstat_tell,
            .json = "{NAME: number}"),
    COMMAND("domblkerror", GROUP_MONITOR, "show the disks that reported errors", active_options, blkerror_run,
            .columns = blkerror_columns),
    COMMAND("attach-device", GROUP_DOMAIN, "add a device described by an XML file", attach_options,
            device_run, .exclusive = EXCLUSIVE_AFFECT "; persistent current",
            .proc = PROC_DOMAIN_ATTACH_DEVICE_FLAGS, .doing = "Failed to attach device from {file}",
            .done = "Device attached successfully"),
    COMMAND("detach-device", GROUP_DOMAIN, "remove a device described by an XML file", attach_options,
            device_run, .exclusive = EXCLUSIVE_AFFECT "; persistent current",
            .proc = PROC_DOMAIN_DETACH_DEVICE_FLAGS, .doing = "Failed to detach device from {file}",
            .done = "Device detached successfully"),
    COMMAND("detach-device-alias", GROUP_DOMAIN, "remove a device by its alias", detach_alias_options, NULL,
            .exclusive = EXCLUSIVE_AFFECT, .proc = PROC_DOMAIN_DETACH_DEVICE_ALIAS,
            .doing = "Failed to detach device with alias {alias}",
            .done = "Device detach request sent successfully"),
    COMMAND("update-device", GROUP_DOMAIN, "change a device as an XML file describes", update_options,
            device_run, .exclusive = EXCLUSIVE_AFFECT "; persistent current",
            .proc = PROC_DOMAIN_UPDATE_DEVICE_FLAGS, .doing = "Failed to update device from {file}",
            .done = "Device updated successfully"),
    { 0 },
};
