/* Commands that tell what a domain is and how it fares. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "wire/params.h"

static const CliOption domain_options[] = { OPT_DOMAIN, { 0 } };

/* ---- dominfo ---- */

static void info_add_identity(Cli *cli, CliRecord *record, const WireDomain *dom)
{
    char uuid[UUID_STRING_LEN];
    uuid_format(&dom->uuid, uuid);
    if (dom->id >= 0)
        record_add(record, "Id:", "id", json_integer(dom->id), "%d", dom->id);
    else
        record_add(record, "Id:", "id", json_null(), "-");
    record_add(record, "Name:", "name", NULL, "%s", dom->name);
    record_add(record, "UUID:", "uuid", NULL, "%s", uuid);
    WireDomainGetOsTypeArgs args = { .dom = *dom };
    g_auto(WireDomainGetOsTypeRet) ret = { 0 };
    if (cli_call(cli, PROC_DOMAIN_GET_OS_TYPE, &args, &ret, NULL))
        record_add(record, "OS Type:", "os_type", NULL, "%s", ret.type);
}

static bool info_add_state(Cli *cli, CliRecord *record, const WireDomain *dom, Error **err)
{
    WireDomainGetInfoArgs args = { .dom = *dom };
    WireDomainGetInfoRet info;
    if (!cli_call(cli, PROC_DOMAIN_GET_INFO, &args, &info, err))
        return false;
    record_add(record, "State:", "state", NULL, "%s", domain_state_name(info.state));
    record_add(record, "CPU(s):", "vcpus", json_integer(info.nr_virt_cpu), "%u", info.nr_virt_cpu);
    if (info.cpu_time)
        record_add(record, "CPU time:", "cpu_time_ns", json_integer((json_int_t)info.cpu_time), "%.1fs",
                   (double)info.cpu_time / 1e9);
    if (info.max_mem == UINT64_MAX)
        record_add(record, "Max memory:", "max_memory_kib", json_null(), "no limit");
    else
        record_add(record, "Max memory:", "max_memory_kib", json_integer((json_int_t)info.max_mem),
                   "%" PRIu64 " KiB", info.max_mem);
    record_add(record, "Used memory:", "used_memory_kib", json_integer((json_int_t)info.memory),
               "%" PRIu64 " KiB", info.memory);
    return true;
}

static void info_add_persistence(Cli *cli, CliRecord *record, const WireDomain *dom)
{
    WireDomainIsPersistentArgs persistent_args = { .dom = *dom };
    WireDomainIsPersistentRet persistent;
    WireDomainGetAutostartArgs autostart_args = { .dom = *dom };
    WireDomainGetAutostartRet autostart;
    WireDomainHasManagedSaveImageArgs save_args = { .dom = *dom };
    WireDomainHasManagedSaveImageRet save;
    if (cli_call(cli, PROC_DOMAIN_IS_PERSISTENT, &persistent_args, &persistent, NULL))
        record_add(record, "Persistent:", "persistent", json_boolean(persistent.persistent), "%s",
                   persistent.persistent ? "yes" : "no");
    if (cli_call(cli, PROC_DOMAIN_GET_AUTOSTART, &autostart_args, &autostart, NULL))
        record_add(record, "Autostart:", "autostart", json_boolean(autostart.autostart), "%s",
                   autostart.autostart ? "enable" : "disable");
    WireDomainGetAutostartOnceArgs once_args = { .dom = *dom };
    WireDomainGetAutostartOnceRet once;
    if (cli_call(cli, PROC_DOMAIN_GET_AUTOSTART_ONCE, &once_args, &once, NULL))
        record_add(record, once.autostart ? "Autostart once:" : NULL, "autostart_once",
                   json_boolean(once.autostart), "enable");
    if (cli_call(cli, PROC_DOMAIN_HAS_MANAGED_SAVE_IMAGE, &save_args, &save, NULL))
        record_add(record, "Managed save:", "managed_save", json_boolean(save.result), "%s",
                   save.result ? "yes" : "no");
}

/* Arrays of char on the wire hold their NUL, but nobody forces a server to send it. */
static char *char_array(const char *data, uint32_t len)
{
    return g_strndup(data ? data : "", len);
}

static void info_add_security(Cli *cli, CliRecord *record, const WireDomain *dom)
{
    g_auto(WireNodeGetSecurityModelRet) model = { 0 };
    if (!cli_call(cli, PROC_NODE_GET_SECURITY_MODEL, NULL, &model, NULL))
        return;
    g_autofree char *name = char_array(model.model, model.n_model);
    g_autofree char *doi = char_array(model.doi, model.n_doi);
    if (!*name)
        return;
    record_add(record, "Security model:", "security_model", NULL, "%s", name);
    record_add(record, "Security DOI:", "security_doi", NULL, "%s", doi);
    WireDomainGetSecurityLabelArgs args = { .dom = *dom };
    g_auto(WireDomainGetSecurityLabelRet) label = { 0 };
    if (!cli_call(cli, PROC_DOMAIN_GET_SECURITY_LABEL, &args, &label, NULL))
        return;
    g_autofree char *text = char_array(label.label, label.n_label);
    if (*text)
        record_add(record, "Security label:", "security_label", NULL, "%s (%s)", text,
                   label.enforcing ? "enforcing" : "permissive");
}

static void info_add_messages(Cli *cli, CliRecord *record, const WireDomain *dom)
{
    WireDomainGetMessagesArgs args = { .dom = *dom };
    g_auto(WireDomainGetMessagesRet) ret = { 0 };
    if (!cli_call(cli, PROC_DOMAIN_GET_MESSAGES, &args, &ret, NULL) || ret.n_msgs == 0)
        return;
    Json *list = json_array();
    for (unsigned i = 0; i < ret.n_msgs; i++) {
        json_array_append_new(list, json_string(ret.msgs[i]));
        record_add(record, i ? "" : "Messages:", NULL, NULL, "%s", ret.msgs[i]);
    }
    record_add(record, NULL, "messages", list, "%s", "");
}

static bool dominfo_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(CliRecord) record = record_new(16);
    if (!cli_domain(cli, args, &dom, err))
        return false;
    info_add_identity(cli, record, &dom);
    if (!info_add_state(cli, record, &dom, err))
        return false;
    info_add_persistence(cli, record, &dom);
    info_add_security(cli, record, &dom);
    info_add_messages(cli, record, &dom);
    cli_print_record(cli, g_steal_pointer(&record));
    return true;
}

/* ---- domstate, domcontrol ---- */

static const CliOption domstate_options[] = { OPT_DOMAIN, OPT_BOOL("reason", "say why"), { 0 } };

static bool domstate_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainGetStateRet *state = answer;
    const char *name = domain_state_name(state->state);
    const char *reason = domain_reason_name(state->state, state->reason);
    if (cli->json)
        cli_print_json(cli, json_pack("{s:s, s:s}", "state", name, "reason", reason));
    else if (args_has(args, "reason"))
        fprintf(cli->out, "%s (%s)\n", name, reason);
    else
        fprintf(cli->out, "%s\n", name);
    return true;
}

static bool domcontrol_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainGetControlInfoRet *ret = answer;
    static const char *const states[] = { "ok", "background job", "occupied", "error" };
    static const char *const details[] = { "", "unknown", "monitor failure", "internal (locking) error" };
    const char *state = NAME_OF(states, (int)ret->state, "unknown");
    const char *detail =
        ret->state == VIR_DOMAIN_CONTROL_ERROR ? NAME_OF(details, (int)ret->details, "") : "";
    double seconds = (double)ret->state_time / 1000;
    if (cli->json)
        cli_print_json(cli, json_pack("{s:s, s:s, s:f}", "state", state, "detail", detail, "for_seconds",
                                      seconds));
    else if (ret->state == VIR_DOMAIN_CONTROL_OK)
        fprintf(cli->out, "%s\n", state);
    else
        fprintf(cli->out, "%s%s%s (%.3fs)\n", state, *detail ? ": " : "", detail, seconds);
    return true;
}

/* ---- jobs ---- */

static const CliOption jobinfo_options[] = {
    OPT_DOMAIN,
    OPT_FLAG("completed", VIR_DOMAIN_JOB_STATS_COMPLETED,
             "the last job that ended instead of the running one"),
    OPT_FLAG("keep-completed", VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED,
             "do not forget the ended job by reading it"),
    OPT_BOOL("anystats", "also while it is unknown whether there is a job"),
    OPT_BOOL("rawstats", "all values with the daemon's names"),
    { 0 },
};

static const char *job_type(int type)
{
    static const char *const names[] = { "None", "Bounded", "Unbounded", "Completed", "Failed", "Cancelled" };
    return NAME_OF(names, type, "Unknown");
}

static const char *job_operation(int operation)
{
    static const char *const names[] = {
        "Unknown",  "Start",           "Save", "Restore", "Incoming migration", "Outgoing migration",
        "Snapshot", "Snapshot revert", "Dump", "Backup",  "Snapshot delete"
    };
    return NAME_OF(names, operation, "Unknown");
}

typedef enum JobUnit { JOB_MS, JOB_BYTES, JOB_RATE, JOB_NUMBER } JobUnit;

static const struct {
    const char *param;
    const char *label;
    JobUnit unit;
} job_fields[] = {
    { VIR_DOMAIN_JOB_TIME_ELAPSED, "Time elapsed:", JOB_MS },
    { VIR_DOMAIN_JOB_TIME_ELAPSED_NET, "Time elapsed w/o network:", JOB_MS },
    { VIR_DOMAIN_JOB_TIME_REMAINING, "Time remaining:", JOB_MS },
    { VIR_DOMAIN_JOB_DATA_PROCESSED, "Data processed:", JOB_BYTES },
    { VIR_DOMAIN_JOB_DATA_REMAINING, "Data remaining:", JOB_BYTES },
    { VIR_DOMAIN_JOB_DATA_TOTAL, "Data total:", JOB_BYTES },
    { VIR_DOMAIN_JOB_MEMORY_PROCESSED, "Memory processed:", JOB_BYTES },
    { VIR_DOMAIN_JOB_MEMORY_REMAINING, "Memory remaining:", JOB_BYTES },
    { VIR_DOMAIN_JOB_MEMORY_TOTAL, "Memory total:", JOB_BYTES },
    { VIR_DOMAIN_JOB_MEMORY_BPS, "Memory bandwidth:", JOB_RATE },
    { VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, "Dirty rate:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, "Page size:", JOB_BYTES },
    { VIR_DOMAIN_JOB_MEMORY_ITERATION, "Iteration:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_MEMORY_POSTCOPY_REQS, "Postcopy requests:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_MEMORY_CONSTANT, "Constant pages:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_MEMORY_NORMAL, "Normal pages:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_MEMORY_NORMAL_BYTES, "Normal data:", JOB_BYTES },
    { VIR_DOMAIN_JOB_DISK_PROCESSED, "File processed:", JOB_BYTES },
    { VIR_DOMAIN_JOB_DISK_REMAINING, "File remaining:", JOB_BYTES },
    { VIR_DOMAIN_JOB_DISK_TOTAL, "File total:", JOB_BYTES },
    { VIR_DOMAIN_JOB_DISK_BPS, "File bandwidth:", JOB_RATE },
    { VIR_DOMAIN_JOB_DOWNTIME, "Total downtime:", JOB_MS },
    { VIR_DOMAIN_JOB_DOWNTIME_NET, "Downtime w/o network:", JOB_MS },
    { VIR_DOMAIN_JOB_SETUP_TIME, "Setup time:", JOB_MS },
    { VIR_DOMAIN_JOB_COMPRESSION_CACHE, "Compression cache:", JOB_BYTES },
    { VIR_DOMAIN_JOB_COMPRESSION_BYTES, "Compressed data:", JOB_BYTES },
    { VIR_DOMAIN_JOB_COMPRESSION_PAGES, "Compressed pages:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_COMPRESSION_CACHE_MISSES, "Compression cache misses:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_COMPRESSION_OVERFLOW, "Compression overflows:", JOB_NUMBER },
    { VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE, "Auto converge throttle:", JOB_NUMBER },
};

static char *job_value(uint64_t value, JobUnit unit)
{
    g_autofree char *size = unit == JOB_BYTES || unit == JOB_RATE ? human_size(value) : NULL;
    switch (unit) {
    case JOB_MS:
        return g_strdup_printf("%-12" PRIu64 " ms", value);
    case JOB_BYTES:
        return g_steal_pointer(&size);
    case JOB_RATE:
        return g_strdup_printf("%s/s", size);
    default:
        return g_strdup_printf("%" PRIu64, value);
    }
}

static void job_add_fields(CliRecord *record, const WireDomainGetJobStatsRet *ret)
{
    for (size_t i = 0; i < G_N_ELEMENTS(job_fields); i++) {
        uint64_t value = 0;
        if (!wire_param_get_uint64(ret->params, ret->n_params, job_fields[i].param, &value))
            continue;
        /* Zeros of things that the job has nothing to do with only hide the rest. */
        if (value == 0 && job_fields[i].unit != JOB_MS)
            continue;
        g_autofree char *text = job_value(value, job_fields[i].unit);
        record_add(record, job_fields[i].label, NULL, NULL, "%s", text);
    }
    const char *message = NULL;
    if (wire_param_get_string(ret->params, ret->n_params, VIR_DOMAIN_JOB_ERRMSG, &message))
        record_add(record, "Error message:", NULL, NULL, "%s", message);
}

static bool jobinfo_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainGetJobStatsRet *ret = answer;
    int64_t operation = 0;
    bool has_operation =
        wire_param_get_int64(ret->params, ret->n_params, VIR_DOMAIN_JOB_OPERATION, &operation);
    CliRecord *record = record_new(26);
    record_add(record, "Job type:", "type", NULL, "%s", job_type(ret->type));
    /* The operation of no job is no news. */
    if (has_operation && (ret->type != VIR_DOMAIN_JOB_NONE || args_has(args, "anystats")))
        record_add(record, "Operation:", "operation_name", NULL, "%s", job_operation((int)operation));
    Json *values = json_object();
    for (unsigned i = 0; i < ret->n_params; i++) {
        g_autofree char *text = wire_param_format(&ret->params[i]);
        json_object_set_new(values, ret->params[i].field, param_json(&ret->params[i]));
        if (args_has(args, "rawstats"))
            record_add(record, ret->params[i].field, NULL, NULL, " %s", text);
    }
    record_add(record, NULL, "values", values, "%s", "");
    if (!args_has(args, "rawstats") && (ret->type != VIR_DOMAIN_JOB_NONE || args_has(args, "anystats")))
        job_add_fields(record, ret);
    cli_print_record(cli, record);
    return true;
}

static const CliOption jobabort_options[] = {
    OPT_DOMAIN,
    OPT_FLAG("postcopy", VIR_DOMAIN_ABORT_JOB_POSTCOPY,
             "interrupt a migration that is in its post-copy phase"),
    { 0 },
};

/* ---- native configuration ---- */

static const CliOption to_native_options[] = {
    OPT_REQUIRED("format", "what to print; qemu-argv is the command line"),
    OPT(CLI_STRING, "domain", "name, id or UUID of a defined domain", .flags = CLI_NAMED,
        .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "xml", "file with the XML of a domain", .complete = COMPLETE_FILE),
    { 0 },
};

static bool to_native_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_auto(WireConnectDomainXmlToNativeRet) ret = { 0 };
    if (args_has(args, "xml")) {
        if (!cli_read_file(args_get(args, "xml"), &xml, err))
            return false;
    } else if (args_has(args, "domain")) {
        if (!cli_domain(cli, args, &dom, err) || !cli_domain_xml(cli, &dom, 0, &xml, err))
            return false;
    } else {
        error_set(err, ERROR_INVALID_ARGUMENT, "need either domain or domain XML");
        return error_hint(err, "add --domain NAME or --xml FILE");
    }
    WireConnectDomainXmlToNativeArgs call = { .native_format = (char *)args_get(args, "format"),
                                              .domain_xml = xml };
    if (!cli_call(cli, PROC_CONNECT_DOMAIN_XML_TO_NATIVE, &call, &ret, err))
        return false;
    cli_print_text(cli, "native", ret.native_config);
    return true;
}

static const CliOption from_native_options[] = {
    OPT(CLI_STRING, "format", "what the file holds", .flags = CLI_REQUIRED, .arg = "native_format"),
    OPT_XML("config", "native_config", CLI_REQUIRED, "the file with the native configuration"),
    { 0 },
};

const CliCommand commands_info[] = {
    COMMAND("dominfo", GROUP_MONITOR, "show the main facts about a domain", domain_options, dominfo_run,
            .json = "{\"id\": number|null, \"name\": string, \"uuid\": string, \"os_type\": string, "
                    "\"state\": string, \"vcpus\": number, \"cpu_time_ns\": number, \"max_memory_kib\": "
                    "number|null, \"used_memory_kib\": number, \"persistent\": boolean, \"autostart\": "
                    "boolean, \"autostart_once\": boolean, \"managed_save\": boolean, \"security_model\": "
                    "string, \"security_doi\": "
                    "string, \"security_label\": string, \"messages\": [string]}"),
    COMMAND("domstate", GROUP_MONITOR, "print the state of a domain", domstate_options, NULL,
            .proc = PROC_DOMAIN_GET_STATE, .tell = domstate_tell,
            .json = "{\"state\": string, \"reason\": string}"),
    COMMAND("domcontrol", GROUP_MONITOR, "show whether the daemon can control a domain", domain_options, NULL,
            .proc = PROC_DOMAIN_GET_CONTROL_INFO, .tell = domcontrol_tell,
            .json = "{\"state\": string, \"detail\": string, \"for_seconds\": number}"),
    COMMAND("domjobinfo", GROUP_DOMAIN, "show the progress of a domain's job", jobinfo_options, NULL,
            .proc = PROC_DOMAIN_GET_JOB_STATS, .tell = jobinfo_tell,
            .json = "{\"type\": string, \"operation_name\": string, \"values\": {NAME: value}}"),
    COMMAND("domjobabort", GROUP_DOMAIN, "cancel a domain's job", jobabort_options, NULL,
            .proc = PROC_DOMAIN_ABORT_JOB_FLAGS, .plain = PROC_DOMAIN_ABORT_JOB),
    COMMAND("domxml-to-native", GROUP_DOMAIN, "print the hypervisor's command line for a domain",
            to_native_options, to_native_run,
            .doc = "Prints what the hypervisor would be started with. 'lodge explain' shows the same with "
                   "the reason of each argument.",
            .exclusive = "domain xml", .json = "{\"native\": string}"),
    COMMAND("domxml-from-native", GROUP_DOMAIN, "make domain XML of a native configuration",
            from_native_options, NULL, .proc = PROC_CONNECT_DOMAIN_XML_FROM_NATIVE, .show = "domain_xml:xml",
            .flags = CLI_UNSERVED),
    { 0 },
};
