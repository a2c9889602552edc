/* Snapshots: what their rows (class_rows.c) do not say. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"

#define OPT_SNAPSHOT_CREATE                                                                                  \
    OPT_FLAG("no-metadata", VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA, "let the daemon forget it at once"),     \
        OPT_FLAG("halt", VIR_DOMAIN_SNAPSHOT_CREATE_HALT, "stop the domain afterwards"),                     \
        OPT_FLAG("disk-only", VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY, "of the disks, not the memory"),         \
        OPT_FLAG("reuse-external", VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT, "use images that are there"),       \
        OPT_FLAG("quiesce", VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE, "let the guest write its data first"),       \
        OPT_FLAG("atomic", VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC, "all disks or none"),                          \
        OPT_FLAG("live", VIR_DOMAIN_SNAPSHOT_CREATE_LIVE, "let the domain run meanwhile"),                   \
        OPT_VALIDATE(VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE)

static const CliOption snapshot_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "xmlfile", "the XML of the snapshot", .flags = CLI_CONTENT, .arg = "xml_desc",
        .otherwise = "<domainsnapshot/>", .complete = COMPLETE_FILE),
    OPT_FLAG("redefine", VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE,
             "store the definition of a snapshot that exists"),
    OPT_FLAG("current", VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT, "with --redefine: make it the current one"),
    OPT_SNAPSHOT_CREATE,
    { 0 },
};

static const CliOption snapshot_as_options[] = {
    OPT_DOMAIN,
    OPT_STRING("name", "name of the snapshot"),
    OPT_STRING("description", "description of the snapshot"),
    OPT_BOOL("print-xml", "print the XML instead of taking the snapshot"),
    OPT_SNAPSHOT_CREATE,
    OPT_NAMED("memspec", "where its memory goes: [file=]PATH[,snapshot=no|internal|external]"),
    OPT(CLI_STRING, "diskspec",
        "how a disk is kept: "
        "DISK[,snapshot=no|internal|external][,driver=FORMAT][,stype=file|block][,file=PATH]",
        .flags = CLI_MANY),
    { 0 },
};

/* ---- documents made of options ---- */

/* "a,b=c": a comma that belongs to a value is doubled. */
static char **split_spec(const char *spec)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new();
    GString *part = g_string_new(NULL);

    for (const char *at = spec; *at; at++) {
        if (*at == ',' && at[1] != ',') {
            g_ptr_array_add(parts, g_string_free(part, FALSE));
            part = g_string_new(NULL);
            continue;
        }
        at += *at == ',';
        g_string_append_c(part, *at);
    }
    g_ptr_array_add(parts, g_string_free(part, FALSE));
    g_ptr_array_add(parts, NULL);
    return (char **)g_ptr_array_steal(parts, NULL);
}

/* Takes the value of "KEY=..." into *ret_value; borrowed. */
static bool take_value(const char *part, const char *key, const char **ret_value)
{
    const size_t len = strlen(key);

    if (strncmp(part, key, len) != 0 || part[len] != '=')
        return false;
    *ret_value = part + len + 1;
    return true;
}

static void append_attribute(GString *xml, const char *name, const char *value)
{
    g_autofree char *escaped = value ? g_markup_escape_text(value, -1) : NULL;

    if (value)
        g_string_append_printf(xml, " %s='%s'", name, escaped);
}

static bool append_memory(GString *xml, const char *spec, Error **err)
{
    g_auto(GStrv) parts = spec ? split_spec(spec) : NULL;
    const char *snapshot = NULL, *file = NULL;

    if (!spec)
        return true;
    for (char **part = parts; *part; part++) {
        if (take_value(*part, "snapshot", &snapshot) || take_value(*part, "file", &file))
            continue;
        if (part != parts || strchr(*part, '=') || (*part)[0] != '/')
            return error_set(err, ERROR_INVALID_ARGUMENT, "unable to parse memspec: %s", spec);
        file = *part;
    }
    g_string_append(xml, "  <memory");
    append_attribute(xml, "snapshot", snapshot);
    append_attribute(xml, "file", file);
    g_string_append(xml, "/>\n");
    return true;
}

static bool append_disk(GString *xml, const char *spec, Error **err)
{
    g_auto(GStrv) parts = split_spec(spec);
    const char *snapshot = NULL, *driver = NULL, *type = NULL, *file = NULL;

    for (char **part = parts + 1; *part; part++) {
        if (!take_value(*part, "snapshot", &snapshot) && !take_value(*part, "driver", &driver) &&
            !take_value(*part, "stype", &type) && !take_value(*part, "file", &file))
            return error_set(err, ERROR_INVALID_ARGUMENT, "unable to parse diskspec: %s", spec);
    }
    const bool is_block = g_strcmp0(type, "block") == 0;
    if (type && !is_block && strcmp(type, "file") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Unknown storage type: '%s'", type);
    g_string_append(xml, "    <disk");
    append_attribute(xml, "name", parts[0]);
    append_attribute(xml, "snapshot", snapshot);
    append_attribute(xml, "type", is_block ? "block" : NULL);
    if (!driver && !file) {
        g_string_append(xml, "/>\n");
        return true;
    }
    g_string_append(xml, ">\n");
    if (driver) {
        g_string_append(xml, "      <driver");
        append_attribute(xml, "type", driver);
        g_string_append(xml, "/>\n");
    }
    if (file) {
        g_string_append(xml, "      <source");
        append_attribute(xml, is_block ? "dev" : "file", file);
        g_string_append(xml, "/>\n");
    }
    g_string_append(xml, "    </disk>\n");
    return true;
}

static bool snapshot_as_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GString) xml = g_string_new("<domainsnapshot>\n");
    char *const *disks = args_get_many(args, "diskspec");

    row_add_element(xml, "name", args, "name");
    row_add_element(xml, "description", args, "description");
    if (!append_memory(xml, args_get(args, "memspec"), err))
        return false;
    if (*disks)
        g_string_append(xml, "  <disks>\n");
    for (char *const *disk = disks; *disk; disk++) {
        if (!append_disk(xml, *disk, err))
            return false;
    }
    g_string_append(xml, *disks ? "  </disks>\n</domainsnapshot>\n" : "</domainsnapshot>\n");
    return row_use_document(cli, args, "xml_desc", xml, err);
}

/* ---- the current one ---- */

static const CliOption current_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "snapshotname", "makes this the current one", .class = &class_snapshot),
    OPT_BOOL("name", "only its name"),
    OPT_FLAG("security-info", VIR_DOMAIN_SNAPSHOT_XML_SECURE, "with passwords"),
    { 0 },
};

static bool current_set(Cli *cli, const WireDomain *dom, const char *name, Error **err)
{
    g_auto(WireDomainSnapshotGetXmlDescRet) xml = { 0 };
    g_auto(WireDomainSnapshotCreateXmlRet) ret = { 0 };
    const WireDomainSnapshotGetXmlDescArgs get = { .snap = { .name = (char *)name, .dom = *dom },
                                                   .flags = VIR_DOMAIN_SNAPSHOT_XML_SECURE };

    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_GET_XML_DESC, &get, &xml, err))
        return false;
    const WireDomainSnapshotCreateXmlArgs call = { .dom = *dom,
                                                   .xml_desc = xml.xml,
                                                   .flags = VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE |
                                                            VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT };
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_CREATE_XML, &call, &ret, err))
        return false;
    cli_message(cli, "Snapshot %s set as current", name);
    return true;
}

static bool current_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainSnapshotCurrentRet) ret = { 0 };
    g_auto(WireDomainSnapshotGetXmlDescRet) xml = { 0 };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (args_has(args, "snapshotname"))
        return current_set(cli, &dom, args_get(args, "snapshotname"), err);
    WireDomainSnapshotCurrentArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_CURRENT, &call, &ret, err))
        return false;
    if (args_has(args, "name")) {
        cli_print_text(cli, "name", ret.snap.name);
        return true;
    }
    WireDomainSnapshotGetXmlDescArgs get = { .snap = ret.snap, .flags = args_flags(args) };
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_GET_XML_DESC, &get, &xml, err))
        return false;
    cli_print_text(cli, "xml", xml.xml);
    return true;
}

/* ---- a look at a snapshot, from which there is a way back ---- */

#define PREVIEW_NAME "before-preview"

static const CliOption preview_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "snapshotname", "what to look at", .class = &class_snapshot),
    OPT_BOOL("undo", "back to what the domain was before the look"),
    OPT_BOOL("keep", "go on from here, and give up what was before"),
    OPT_FLAG("running", VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING, "let the domain run"),
    OPT_FLAG("paused", VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED, "leave the domain paused"),
    { 0 },
};

static bool preview_find(Cli *cli, const WireDomain *dom, Error **err)
{
    g_auto(WireDomainSnapshotLookupByNameRet) ret = { 0 };
    const WireDomainSnapshotLookupByNameArgs call = { .dom = *dom, .name = (char *)PREVIEW_NAME };

    return cli_call(cli, PROC_DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, &call, &ret, err);
}

static bool preview_revert(Cli *cli, const WireDomain *dom, const char *name, unsigned flags, Error **err)
{
    const WireDomainRevertToSnapshotArgs call = { .snap = { .name = (char *)name, .dom = *dom },
                                                  .flags = flags };

    return cli_call(cli, PROC_DOMAIN_REVERT_TO_SNAPSHOT, &call, NULL, err);
}

static bool preview_forget(Cli *cli, const WireDomain *dom, Error **err)
{
    const WireDomainSnapshotDeleteArgs call = { .snap = { .name = (char *)PREVIEW_NAME, .dom = *dom } };

    return cli_call(cli, PROC_DOMAIN_SNAPSHOT_DELETE, &call, NULL, err);
}

/* The present becomes a snapshot: with its memory if it runs. */
static bool preview_keep_present(Cli *cli, const WireDomain *dom, const char *name, Error **err)
{
    g_auto(WireDomainIsActiveRet) active = { 0 };
    g_auto(WireDomainSnapshotCreateXmlRet) ret = { 0 };
    const WireDomainIsActiveArgs ask = { .dom = *dom };
    g_autofree char *escaped = g_markup_escape_text(name, -1);
    g_autofree char *xml = g_strdup_printf("<domainsnapshot>\n  <name>" PREVIEW_NAME "</name>\n"
                                           "  <description>before a look at snapshot '%s'</description>\n"
                                           "</domainsnapshot>\n",
                                           escaped);

    if (!cli_call(cli, PROC_DOMAIN_IS_ACTIVE, &ask, &active, err))
        return false;
    const WireDomainSnapshotCreateXmlArgs call = {
        .dom = *dom, .xml_desc = xml, .flags = active.active ? 0 : VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    };
    return cli_call(cli, PROC_DOMAIN_SNAPSHOT_CREATE_XML, &call, &ret, err);
}

static bool preview_begin(Cli *cli, const CliArgs *args, const WireDomain *dom, Error **err)
{
    const char *name = args_get(args, "snapshotname");
    g_auto(WireDomainSnapshotLookupByNameRet) wanted = { 0 };
    const WireDomainSnapshotLookupByNameArgs look = { .dom = *dom, .name = (char *)name };

    if (!name)
        return error_set(err, ERROR_INVALID_ARGUMENT, "say which snapshot to look at, --undo or --keep");
    if (preview_find(cli, dom, NULL)) {
        error_set(err, ERROR_INVALID_STATE, "domain '%s' shows a snapshot already", dom->name);
        return error_hint(err, "'lodge snapshot preview %s --undo' or --keep ends that", dom->name);
    }
    /* Before anything is done. */
    if (!cli_call(cli, PROC_DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, &look, &wanted, err) ||
        !preview_keep_present(cli, dom, name, err))
        return false;
    if (!preview_revert(cli, dom, name, args_flags(args), err)) {
        (void)!preview_forget(cli, dom, NULL); /* the domain is as it was; the reason is told */
        return false;
    }
    cli_message(cli,
                "Domain '%s' shows snapshot '%s'; --undo brings back what was before, --keep gives it up",
                dom->name, name);
    return true;
}

static bool preview_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (!args_has(args, "undo") && !args_has(args, "keep"))
        return preview_begin(cli, args, &dom, err);
    if (!preview_find(cli, &dom, NULL))
        return error_set(err, ERROR_INVALID_STATE, "domain '%s' does not show a snapshot", dom.name);
    if ((args_has(args, "undo") && !preview_revert(cli, &dom, PREVIEW_NAME, args_flags(args), err)) ||
        !preview_forget(cli, &dom, err))
        return false;
    cli_message(cli,
                args_has(args, "undo") ? "Domain '%s' is what it was before"
                                       : "Domain '%s' goes on from here",
                dom.name);
    return true;
}

/* ---- by the clock ---- */

#define CALL_TIMEOUT_MS 60000 /* it waits for its turn */

static const CliOption schedule_options[] = {
    OPT_DOMAIN,
    OPT_NAMED("every", "how often: a number with m (minutes), h (hours) or d (days); seconds without"),
    OPT(CLI_INT, "keep", "how many of them stay; 24 if not given", .flags = CLI_NAMED),
    OPT_BOOL("off", "no more of them; those that there are stay"),
    { 0 },
};

static bool parse_interval(const char *text, uint64_t *ret_s, Error **err)
{
    static const struct {
        char letter;
        uint64_t s;
    } units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    char *end = NULL;
    const uint64_t number = g_ascii_strtoull(text, &end, 10);

    for (size_t i = 0; i < G_N_ELEMENTS(units) && end != text && number < UINT32_MAX; i++) {
        if (*end != units[i].letter || (*end && end[1]))
            continue;
        *ret_s = number * units[i].s;
        return true;
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no interval such as 30m, 1h or 7d", text);
}

static void schedule_print(Cli *cli, const WireLodgeSnapshotScheduleRet *ret)
{
    g_autoptr(GDateTime) next = g_date_time_new_from_unix_local(ret->next_s);
    const bool is_due = ret->next_s && ret->next_s * G_USEC_PER_SEC <= g_get_real_time();
    g_autofree char *text = is_due                ? g_strdup("due, as soon as the domain runs")
                            : next && ret->next_s ? g_date_time_format(next, "%Y-%m-%d %H:%M:%S %z")
                                                  : g_strdup("-");
    CliRecord *record = record_new(16);

    record_add(record, "Every:", "interval_s", json_integer((json_int_t)ret->interval_s),
               ret->interval_s ? "%" PRIu64 " s" : "never", ret->interval_s);
    record_add(record, "Keep:", "keep", json_integer(ret->keep), "%u", ret->keep);
    record_add(record, "Next:", "next_s", json_integer(ret->next_s), "%s", text);
    if (ret->problem)
        record_add(record, "Problem:", "problem", NULL, "%s", ret->problem);
    cli_print_record(cli, record);
}

static bool schedule_run(Cli *cli, const CliArgs *args, Error **err)
{
    enum { SET = 1 };
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireLodgeSnapshotScheduleRet) ret = { 0 };
    int64_t keep = 24;

    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireLodgeSnapshotScheduleArgs call = { .domain = dom.name,
                                           .flags =
                                               args_has(args, "every") || args_has(args, "off") ? SET : 0 };
    if ((args_has(args, "every") && !parse_interval(args_get(args, "every"), &call.interval_s, err)) ||
        !args_get_int(args, "keep", 1, INT32_MAX, &keep, err))
        return false;
    if (args_has(args, "keep") && !args_has(args, "every"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--keep comes with --every");
    call.keep = (uint32_t)keep;
    cli_doing(cli, "Failed to schedule snapshots of domain '%s'", dom.name);
    if (!lodge_call(cli, LODGE_PROC_SNAPSHOT_SCHEDULE, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    if (call.flags & SET)
        cli_message(cli,
                    call.interval_s ? "Snapshots of domain '%s' are scheduled"
                                    : "No more snapshots of domain '%s' are scheduled",
                    dom.name);
    else
        schedule_print(cli, &ret);
    return true;
}

const CliCommand commands_snapshot[] = {
    COMMAND("snapshot-create", GROUP_SNAPSHOT, "take a snapshot as an XML file describes", snapshot_options,
            NULL, .class = &class_snapshot, .proc = PROC_DOMAIN_SNAPSHOT_CREATE_XML,
            .done = "Domain snapshot {name} created{xmlfile? from '|}{xmlfile}{xmlfile?'|}"),
    COMMAND("snapshot-create-as", GROUP_SNAPSHOT, "take a snapshot", snapshot_as_options, snapshot_as_run,
            .class = &class_snapshot, .proc = PROC_DOMAIN_SNAPSHOT_CREATE_XML,
            .doing = "Failed to create a snapshot of domain '{domain}'",
            .done = "Domain snapshot {name} created",
            .json = "{\"message\": string}; with --print-xml {\"xml\": string}"),
    COMMAND("snapshot-current", GROUP_SNAPSHOT, "show the current snapshot, or choose it", current_options,
            current_run, .exclusive = "snapshotname name",
            .json = "{\"xml\": string}; with --name {\"name\": string}"),
    COMMAND("snapshot-preview", GROUP_SNAPSHOT, "look at a snapshot, with a way back to the present",
            preview_options, preview_run, .exclusive = "undo keep snapshotname; running paused",
            .doc = "Keeps the present as the snapshot 'before-preview' and goes back to the other one. "
                   "--undo brings "
                   "the present back, --keep goes on from there and gives it up."),
    COMMAND("snapshot-schedule", GROUP_SNAPSHOT, "take snapshots of a running domain by the clock",
            schedule_options, schedule_run, .exclusive = "every off",
            .doc = "They are snapshots of the disks, called auto-DATE-TIME; only the latest stay. Without an "
                   "option it "
                   "tells what is scheduled.",
            .json = "{\"interval_s\": number, \"keep\": number, \"next_s\": number}; with --every or --off "
                    "{\"message\": string}"),
    { 0 },
};
