/* Commands about snapshots. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"

#define OPT_SNAPSHOT OPT_STRING("snapshotname", "name of the snapshot")

static bool lookup_snapshot(Cli *cli, const CliArgs *args, const WireDomain *dom,
                            WireDomainSnapshot *ret_snap, Error **err)
{
    const char *name = args_get(args, "snapshotname");
    bool current = command_find_option(cli_args_command(args), "current") && args_has(args, "current");
    if (current) {
        WireDomainSnapshotCurrentArgs call = { .dom = *dom };
        WireDomainSnapshotCurrentRet ret;
        if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_CURRENT, &call, &ret, err))
            return false;
        *ret_snap = ret.snap;
        return true;
    }
    if (!name) {
        error_set(err, ERROR_INVALID_ARGUMENT, "--snapshotname or --current is required");
        return error_hint(err, "'lodge snapshot-list %s' shows the snapshots", dom->name);
    }
    WireDomainSnapshotLookupByNameArgs call = { .dom = *dom, .name = (char *)name };
    WireDomainSnapshotLookupByNameRet ret;
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, &call, &ret, err))
        return false;
    *ret_snap = ret.snap;
    return true;
}

static bool snapshot_xml(Cli *cli, const WireDomainSnapshot *snap, unsigned flags, char **ret_xml,
                         Error **err)
{
    WireDomainSnapshotGetXmlDescArgs call = { .snap = *snap, .flags = flags };
    WireDomainSnapshotGetXmlDescRet ret;
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_GET_XML_DESC, &call, &ret, err))
        return false;
    *ret_xml = ret.xml;
    return true;
}

/* ---- snapshot-list ---- */

static const CliOption list_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("parent", "add the parents"),
    OPT_BOOL("roots", "only snapshots without parent"),
    OPT_BOOL("leaves", "only snapshots without children"),
    OPT_BOOL("no-leaves", "only snapshots with children"),
    OPT_BOOL("inactive", "only those taken while the domain did not run"),
    OPT_BOOL("active", "only those taken while the domain ran"),
    OPT_BOOL("disk-only", "only those of disks without memory"),
    OPT_BOOL("internal", "only those inside of images"),
    OPT_BOOL("external", "only those in images of their own"),
    OPT_BOOL("name", "print names only"),
    OPT_BOOL("topological", "parents before their children"),
    { 0 },
};

static unsigned list_flags(const CliArgs *args)
{
    static const struct {
        const char *option;
        unsigned flag;
    } flags[] = {
        { "roots", VIR_DOMAIN_SNAPSHOT_LIST_ROOTS },
        { "leaves", VIR_DOMAIN_SNAPSHOT_LIST_LEAVES },
        { "no-leaves", VIR_DOMAIN_SNAPSHOT_LIST_NO_LEAVES },
        { "inactive", VIR_DOMAIN_SNAPSHOT_LIST_INACTIVE },
        { "active", VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE },
        { "disk-only", VIR_DOMAIN_SNAPSHOT_LIST_DISK_ONLY },
        { "internal", VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL },
        { "external", VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL },
        { "topological", VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL },
    };
    unsigned result = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
        result |= args_has(args, flags[i].option) ? flags[i].flag : 0;
    return result;
}

static int compare_snapshots(const void *a, const void *b)
{
    return g_ascii_strcasecmp(((const WireDomainSnapshot *)a)->name, ((const WireDomainSnapshot *)b)->name);
}

static bool list_row(Cli *cli, CliTable *table, const WireDomainSnapshot *snap, Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    if (!snapshot_xml(cli, snap, 0, &xml, err) || !xml_parse(xml, &doc, err))
        return false;
    g_autofree char *state = xml_get(doc, NULL, "/domainsnapshot/state");
    g_autofree char *created = xml_get(doc, NULL, "/domainsnapshot/creationTime");
    g_autofree char *parent = xml_get(doc, NULL, "/domainsnapshot/parent/name");
    time_t seconds = created ? (time_t)strtoll(created, NULL, 10) : 0;
    struct tm tm;
    char text[64] = "";
    if (localtime_r(&seconds, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
    table_row(table);
    table_cell_text(table, snap->name);
    table_cell(table, json_integer(seconds), "%s", text);
    table_cell_text(table, state);
    table_cell(table, parent ? json_string(parent) : json_null(), "%s", parent ? parent : "");
    return true;
}

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn plain[] = {
        { "Name", "name" }, { "Creation Time", "created" }, { "State", "state" }, { NULL, "parent" }
    };
    static const CliColumn parents[] = {
        { "Name", "name" }, { "Creation Time", "created" }, { "State", "state" }, { "Parent", "parent" }
    };
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainListAllSnapshotsRet) ret = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireDomainListAllSnapshotsArgs call = { .dom = dom, .need_results = 1, .flags = list_flags(args) };
    if (!cli_call(cli, PROC_DOMAIN_LIST_ALL_SNAPSHOTS, &call, &ret, err))
        return false;
    if (ret.n_snapshots && !args_has(args, "topological"))
        qsort(ret.snapshots, ret.n_snapshots, sizeof(ret.snapshots[0]), compare_snapshots);
    g_autoptr(CliTable) table = table_new(args_has(args, "parent") ? parents : plain, G_N_ELEMENTS(plain));
    bool brief = args_has(args, "name") && !cli->json;
    for (unsigned i = 0; i < ret.n_snapshots; i++) {
        if (brief)
            fprintf(cli->out, "%s\n", ret.snapshots[i].name);
        else if (!list_row(cli, table, &ret.snapshots[i], err))
            return false;
    }
    if (!brief)
        cli_print_table(cli, g_steal_pointer(&table));
    return true;
}

/* ---- new snapshots ---- */

#define OPT_CREATE                                                                                           \
    OPT_BOOL("no-metadata", "let the daemon forget it at once"),                                             \
        OPT_BOOL("halt", "stop the domain afterwards"),                                                      \
        OPT_BOOL("disk-only", "of the disks, not the memory"),                                               \
        OPT_BOOL("reuse-external", "use images that are there"),                                             \
        OPT_BOOL("quiesce", "let the guest write its data first"), OPT_BOOL("atomic", "all disks or none"),  \
        OPT_BOOL("live", "let the domain run meanwhile"),                                                    \
        OPT_BOOL("validate", "refuse XML that does not follow the schema")

static const CliOption create_options[] = {
    OPT_DOMAIN,
    { .name = "xmlfile", .type = CLI_STRING, .complete = COMPLETE_FILE, .doc = "the XML of the snapshot" },
    OPT_BOOL("redefine", "store the definition of a snapshot that exists"),
    OPT_BOOL("current", "with --redefine: make it the current one"),
    OPT_CREATE,
    { 0 },
};

static const CliOption create_as_options[] = {
    OPT_DOMAIN,
    OPT_STRING("name", "name of the snapshot"),
    OPT_STRING("description", "description of the snapshot"),
    OPT_BOOL("print-xml", "print the XML instead of taking the snapshot"),
    OPT_CREATE,
    { 0 },
};

static unsigned create_flags(const CliArgs *args)
{
    return (args_has(args, "no-metadata") ? VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA : 0) |
           (args_has(args, "halt") ? VIR_DOMAIN_SNAPSHOT_CREATE_HALT : 0) |
           (args_has(args, "disk-only") ? VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY : 0) |
           (args_has(args, "reuse-external") ? VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT : 0) |
           (args_has(args, "quiesce") ? VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE : 0) |
           (args_has(args, "atomic") ? VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC : 0) |
           (args_has(args, "live") ? VIR_DOMAIN_SNAPSHOT_CREATE_LIVE : 0) |
           (args_has(args, "validate") ? VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE : 0);
}

static bool create_snapshot(Cli *cli, const WireDomain *dom, const char *xml, unsigned flags,
                            const char *from, Error **err)
{
    WireDomainSnapshotCreateXmlArgs call = { .dom = *dom, .xml_desc = (char *)xml, .flags = flags };
    g_auto(WireDomainSnapshotCreateXmlRet) ret = { 0 };
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_CREATE_XML, &call, &ret, err))
        return false;
    if (from)
        cli_message(cli, "Domain snapshot %s created from '%s'", ret.snap.name, from);
    else
        cli_message(cli, "Domain snapshot %s created", ret.snap.name);
    return true;
}

static bool create_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    const char *file = args_get(args, "xmlfile");
    unsigned flags = create_flags(args) |
                     (args_has(args, "redefine") ? VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE : 0) |
                     (args_has(args, "current") ? VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT : 0);
    if (file && !cli_read_file(file, &xml, err))
        return false;
    return cli_domain(cli, args, &dom, err) &&
           create_snapshot(cli, &dom, xml ? xml : "<domainsnapshot/>", flags, file, err);
}

static bool create_as_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(GString) xml = g_string_new("<domainsnapshot>\n");
    const char *names[][2] = { { "name", "name" }, { "description", "description" } };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *value = args_get(args, names[i][0]);
        g_autofree char *escaped = value ? g_markup_escape_text(value, -1) : NULL;
        if (value)
            g_string_append_printf(xml, "  <%s>%s</%s>\n", names[i][1], escaped, names[i][1]);
    }
    g_string_append(xml, "</domainsnapshot>\n");
    if (args_has(args, "print-xml")) {
        cli_print_text(cli, "xml", xml->str);
        return true;
    }
    return cli_domain(cli, args, &dom, err) &&
           create_snapshot(cli, &dom, xml->str, create_flags(args), NULL, err);
}

/* ---- one snapshot ---- */

static const CliOption dumpxml_options[] = {
    OPT_DOMAIN,
    OPT_REQUIRED("snapshotname", "name of the snapshot"),
    OPT_BOOL("security-info", "with passwords"),
    OPT_XPATH,
    { 0 },
};

static bool dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainSnapshot) snap = { 0 };
    g_autofree char *xml = NULL;
    unsigned flags = args_has(args, "security-info") ? VIR_DOMAIN_SNAPSHOT_XML_SECURE : 0;
    return cli_domain(cli, args, &dom, err) && lookup_snapshot(cli, args, &dom, &snap, err) &&
           snapshot_xml(cli, &snap, flags, &xml, err) && cli_print_xml(cli, args, xml, err);
}

static const CliOption current_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("name", "only its name"),
    OPT_BOOL("security-info", "with passwords"),
    { 0 },
};

static bool current_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainSnapshotCurrentRet) ret = { 0 };
    g_autofree char *xml = NULL;
    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireDomainSnapshotCurrentArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_CURRENT, &call, &ret, err))
        return false;
    if (args_has(args, "name")) {
        cli_print_value(cli, "name", ret.snap.name);
        return true;
    }
    unsigned flags = args_has(args, "security-info") ? VIR_DOMAIN_SNAPSHOT_XML_SECURE : 0;
    if (!snapshot_xml(cli, &ret.snap, flags, &xml, err))
        return false;
    cli_print_text(cli, "xml", xml);
    return true;
}

static const CliOption parent_options[] = {
    OPT_DOMAIN,
    OPT_SNAPSHOT,
    OPT_BOOL("current", "of the current snapshot"),
    { 0 },
};

static bool parent_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainSnapshot) snap = { 0 };
    g_auto(WireDomainSnapshotGetParentRet) ret = { 0 };
    if (!cli_domain(cli, args, &dom, err) || !lookup_snapshot(cli, args, &dom, &snap, err))
        return false;
    WireDomainSnapshotGetParentArgs call = { .snap = snap };
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_GET_PARENT, &call, &ret, err))
        return false;
    cli_print_value(cli, "name", ret.snap.name);
    return true;
}

static const CliOption delete_options[] = {
    OPT_DOMAIN,
    OPT_SNAPSHOT,
    OPT_BOOL("current", "the current snapshot"),
    OPT_BOOL("children", "with its children"),
    OPT_BOOL("children-only", "its children and not itself"),
    OPT_BOOL("metadata", "only let the daemon forget it"),
    { 0 },
};

static bool delete_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainSnapshot) snap = { 0 };
    bool children_only = args_has(args, "children-only");
    unsigned flags = (args_has(args, "children") ? VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN : 0) |
                     (children_only ? VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY : 0) |
                     (args_has(args, "metadata") ? VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY : 0);
    if (!cli_domain(cli, args, &dom, err) || !lookup_snapshot(cli, args, &dom, &snap, err))
        return false;
    cli_doing(cli, "Failed to delete snapshot %s", snap.name);
    WireDomainSnapshotDeleteArgs call = { .snap = snap, .flags = flags };
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_DELETE, &call, NULL, err))
        return false;
    cli_message(cli, children_only ? "Domain snapshot %s children deleted" : "Domain snapshot %s deleted",
                snap.name);
    return true;
}

static const CliOption revert_options[] = {
    OPT_DOMAIN,
    OPT_SNAPSHOT,
    OPT_BOOL("current", "to the current snapshot"),
    OPT_BOOL("running", "let the domain run afterwards"),
    OPT_BOOL("paused", "leave the domain paused afterwards"),
    OPT_BOOL("force", "even if that is risky"),
    OPT_BOOL("reset-nvram", "with a fresh copy of the firmware's variables"),
    { 0 },
};

static bool revert_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainSnapshot) snap = { 0 };
    unsigned flags = (args_has(args, "running") ? VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING : 0) |
                     (args_has(args, "paused") ? VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED : 0) |
                     (args_has(args, "force") ? VIR_DOMAIN_SNAPSHOT_REVERT_FORCE : 0) |
                     (args_has(args, "reset-nvram") ? VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM : 0);
    if (!cli_domain(cli, args, &dom, err) || !lookup_snapshot(cli, args, &dom, &snap, err))
        return false;
    cli_doing(cli, "Failed to revert snapshot %s", snap.name);
    WireDomainRevertToSnapshotArgs call = { .snap = snap, .flags = flags };
    if (!cli_call(cli, PROC_DOMAIN_REVERT_TO_SNAPSHOT, &call, NULL, err)) {
        if (wire_error_code(*err) == VIR_ERR_SNAPSHOT_REVERT_RISKY)
            error_hint(err, "--force does it all the same");
        return false;
    }
    cli_message(cli, "Domain snapshot %s reverted", snap.name);
    return true;
}

#define ROW(command, text, rows, sets, shape, handler)                                                       \
    {                                                                                                        \
        .name = command, .group = GROUP_SNAPSHOT, .summary = text, .options = rows, .exclusive = sets,       \
        .json = shape, .run = handler                                                                        \
    }

const CliCommand commands_snapshot[] = {
    ROW("snapshot-create", "take a snapshot as an XML file describes", create_options, NULL, NULL,
        create_run),
    ROW("snapshot-create-as", "take a snapshot", create_as_options, NULL,
        "{\"message\": string}; with --print-xml {\"xml\": string}", create_as_run),
    ROW("snapshot-current", "show the current snapshot", current_options, NULL,
        "{\"xml\": string}; with --name {\"name\": string}", current_run),
    ROW("snapshot-delete", "remove a snapshot", delete_options,
        "snapshotname current; children children-only", NULL, delete_run),
    ROW("snapshot-dumpxml", "print the XML of a snapshot", dumpxml_options, NULL, "{\"xml\": string}",
        dumpxml_run),
    ROW("snapshot-list", "list the snapshots of a domain", list_options, "roots parent",
        "[{\"name\": string, \"created\": number, \"state\": string, \"parent\": string|null}]", list_run),
    ROW("snapshot-parent", "print the parent of a snapshot", parent_options, "snapshotname current",
        "{\"name\": string}", parent_run),
    ROW("snapshot-revert", "bring a domain back to a snapshot", revert_options,
        "snapshotname current; running paused", NULL, revert_run),
    { 0 },
};
