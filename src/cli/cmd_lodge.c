/* Lodge's own commands: what libvirt's protocol has no words for. They need lodged at the other end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"

#define WEB_TIMEOUT_MS 60000
#define CALL_TIMEOUT_MS 30000

static bool say_failed(const Cli *cli, Error *failed, Error **err)
{
    int number = wire_error_code(failed);
    /* How a server says that it has never heard of the program or the procedure. */
    if (number == VIR_ERR_RPC || number == VIR_ERR_NO_SUPPORT) {
        error_free(failed);
        error_set(err, ERROR_NOT_SUPPORTED, "this command needs lodged, but the daemon at %s is another one",
                  wire_client_uri(cli->client));
        return error_hint(err, "--root DIR or -c URI select the daemon; 'lodge version --daemon' says which "
                               "it is");
    }
    return error_propagate(err, failed);
}

bool lodge_call(Cli *cli, int32_t proc, const void *args, void *ret, uint64_t timeout_ms, Error **err)
{
    Error *failed = NULL;

    return wire_call(cli->client, WIRE_PROGRAM_LODGE, proc, args, ret, timeout_ms, &failed) ||
           say_failed(cli, failed, err);
}

bool lodge_call_settled(Cli *cli, int32_t proc, const void *args, void *ret, Error **err)
{
    Error *failed = NULL;

    return wire_call_settled(cli->client, WIRE_PROGRAM_LODGE, proc, args, ret, WIRE_NO_TIMEOUT, &failed) ||
           say_failed(cli, failed, err);
}

/* ---- jobs ---- */

static const CliColumn jobs_columns[] = { { "Domain", "domain" },
                                          { NULL, "uuid" },
                                          { NULL, "id", "number|null" },
                                          { "Job", "job" },
                                          { "Phase", "phase", "string|null" },
                                          { "State", "state", "\"running\"|\"waiting\"" },
                                          { "Waits for", "waiting_for", "string|null" },
                                          { "Since", "since_ms", "number" },
                                          { "Client", "client", "string|null" },
                                          { 0 } };

static bool jobs_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireLodgeJobsListArgs call = { 0 };
    g_auto(WireLodgeJobsListRet) ret = { 0 };
    if (!lodge_call(cli, LODGE_PROC_JOBS_LIST, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    if (ret.n_jobs == 0 && !cli->json) {
        cli_message(cli, "No domain has a job");
        return true;
    }
    CliTable *table = table_new(jobs_columns, 0);
    for (unsigned i = 0; i < ret.n_jobs; i++) {
        const WireLodgeJob *job = &ret.jobs[i];
        char uuid[UUID_STRING_LEN];
        uuid_format(&job->uuid, uuid);
        uint64_t since = job->running ? job->started_ms : job->waited_ms;
        g_autofree char *text = duration_format(since);
        table_row(table);
        table_cell_text(table, job->domain);
        table_cell_text(table, uuid);
        table_cell(table, job->id < 0 ? json_null() : json_integer(job->id), "%d", job->id);
        table_cell_text(table, job->type);
        table_cell_text(table, *job->phase ? job->phase : NULL);
        table_cell_text(table, job->running ? "running" : "waiting");
        table_cell_text(table, *job->waiting_for ? job->waiting_for : NULL);
        table_cell(table, json_integer((json_int_t)since), "%s", text);
        table_cell_text(table, *job->client ? job->client : NULL);
    }
    return cli_print_table(cli, table, err);
}

/* ---- explain ---- */

static const CliOption explain_options[] = {
    OPT(CLI_STRING, "domain", "name, id or UUID of the domain", .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "xml",
        "file with the XML of a domain that need not be defined; - reads the standard input",
        .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    { 0 },
};

static const CliColumn explain_columns[] = { { "Argument", "argument" },
                                             { "Value", "value", "string|null" },
                                             { "Because of", "source", "string|null" },
                                             { "Note", "note", "string|null" },
                                             { 0 } };

static bool explain_print(Cli *cli, const WireLodgeDomainExplainRet *ret, Error **err)
{
    if (cli->format != CLI_TEXT) {
        CliTable *table = table_new(explain_columns, 0);
        for (unsigned i = 0; i < ret->n_args; i++) {
            table_row(table);
            table_cell_text(table, ret->args[i].arg);
            table_cell_text(table, ret->args[i].value);
            table_cell_text(table, ret->args[i].source);
            table_cell_text(table, ret->args[i].note);
        }
        return cli_print_table(cli, table, err);
    }
    /* Values are long, so not in explain_columns: the argument, and below it where it comes from. */
    for (unsigned i = 0; i < ret->n_args; i++) {
        const WireLodgeExplanation *e = &ret->args[i];
        g_autofree char *argument = text_printable(e->arg);
        g_autofree char *value = text_printable(e->value ? e->value : "");
        fprintf(cli->out, "%s%s%s%s%s\n", cli->color ? "\033[1m" : "", argument, cli->color ? "\033[0m" : "",
                *value ? " " : "", value);
        if (e->source && *e->source) {
            g_autofree char *source = text_printable(e->source);
            fprintf(cli->out, "    from %s\n", source);
        }
        if (e->note && *e->note) {
            g_autofree char *note = text_printable(e->note);
            fprintf(cli->out, "    %s\n", note);
        }
    }
    return true;
}

static bool explain_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_auto(WireLodgeDomainExplainRet) ret = { 0 };
    WireLodgeDomainExplainArgs call = { 0 };
    if (args_has(args, "xml")) {
        if (!cli_read_file(args_get(args, "xml"), &xml, err))
            return false;
        call.xml = xml;
    } else if (args_has(args, "domain")) {
        if (!cli_domain(cli, args, &dom, err))
            return false;
        call.domain = dom.name;
    } else {
        error_set(err, ERROR_INVALID_ARGUMENT, "command 'explain' requires <domain> or --xml");
        return error_hint(err, "see 'lodge help explain'");
    }
    cli_doing(cli, "Failed to explain the command line");
    if (!lodge_call(cli, LODGE_PROC_DOMAIN_EXPLAIN, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    return explain_print(cli, &ret, err);
}

/* ---- config ---- */

static const CliOption config_options[] = {
    OPT(CLI_STRING, "key", "only settings whose name contains this", .complete = COMPLETE_CONFIG_KEY),
    OPT_BOOL("docs", "with an explanation of each setting"),
    { 0 },
};

/* A number if it is written as one ("0700" is a mode); NULL: no number. */
static Json *number_json(const char *text)
{
    uint64_t number = 0;
    bool plain = parse_uint(text, &number, NULL) && number <= INT64_MAX && (text[0] != '0' || !text[1]);
    return plain ? json_integer((json_int_t)number) : NULL;
}

static const CliColumn config_columns[] = { { "Setting", "key" },
                                            { "Value", "value", "string|number" },
                                            { "Origin", "origin" },
                                            { "File", "file", "string|null" },
                                            { NULL, "description", "string|null" },
                                            { 0 } };

/* With explanations: the setting, and below it what it means. */
static void config_explain(Cli *cli, const WireLodgeSetting *setting)
{
    g_autofree char *value = text_printable(*setting->value ? setting->value : "\"\"");
    g_autofree char *line = g_strdup_printf("%s (%s)", value, setting->origin);
    fprintf(cli->out, "%s%s%s = ", cli->color ? "\033[1m" : "", setting->key, cli->color ? "\033[0m" : "");
    cli_print_wrapped(cli->out, line, 4, 3 + text_width(setting->key), cli->width);
    fputs("    ", cli->out);
    cli_print_wrapped(cli->out, setting->doc ? setting->doc : "-", 4, 4, cli->width);
}

static bool config_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireLodgeConfigListArgs call = { 0 };
    g_auto(WireLodgeConfigListRet) ret = { 0 };
    const char *only = args_get(args, "key");
    if (!lodge_call(cli, LODGE_PROC_CONFIG_LIST, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    bool explain = args_has(args, "docs") && cli->format == CLI_TEXT && !cli->columns;
    g_autoptr(CliTable) table = table_new(config_columns, 0);
    for (unsigned i = 0; i < ret.n_settings; i++) {
        const WireLodgeSetting *setting = &ret.settings[i];
        if (only && !strstr(setting->key, only))
            continue;
        table_row(table);
        table_cell_text(table, setting->key);
        table_cell(table, number_json(setting->value), "%s", setting->value);
        table_cell_text(table, setting->origin);
        table_cell_text(table, *setting->file ? setting->file : NULL);
        table_cell_text(table, setting->doc);
        if (explain)
            config_explain(cli, setting);
    }
    unsigned found = table_length(table);
    if (only && !found)
        cli->exit_code = CLI_EXIT_FAILED;
    if (!cli->width) /* explanations are sentences */
        cli->width = 80;
    return explain || cli_print_table(cli, g_steal_pointer(&table), err);
}

/* ---- status ---- */

static bool status_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireLodgeDaemonStatusArgs call = { 0 };
    g_auto(WireLodgeDaemonStatusRet) ret = { 0 };
    if (!lodge_call(cli, LODGE_PROC_DAEMON_STATUS, &call, &ret, CALL_TIMEOUT_MS, err))
        return false;
    g_autofree char *uptime = duration_format(ret.uptime_ms);
    g_autofree char *memory = size_format(ret.rss_bytes);
    CliRecord *record = record_new(17);
    record_add(record, "Daemon:", "version", json_string(ret.version), "lodged %s", ret.version);
    record_add(record, "Process:", "pid", json_integer(ret.pid), "%" PRId64, ret.pid);
    record_add(record, "Connection:", "uri", NULL, "%s", wire_client_uri(cli->client));
    record_add(record, "Up for:", "uptime_ms", json_integer((json_int_t)ret.uptime_ms), "%s", uptime);
    record_add(record, "Memory:", "rss_bytes", json_integer((json_int_t)ret.rss_bytes), "%s", memory);
    record_add(record, "Domains:", "domains", json_integer(ret.domains), "%u, %u of them running",
               ret.domains, ret.active_domains);
    record_add(record, NULL, "active_domains", json_integer(ret.active_domains), "%s", "");
    record_add(record, "Clients:", "clients", json_integer(ret.clients), "%u", ret.clients);
    record_add(record, "Fibers:", "fibers", json_integer(ret.fibers), "%u", ret.fibers);
    record_add(record, "Worker threads:", "workers", json_integer(ret.workers), "%u", ret.workers);
    cli_print_record(cli, record);
    return true;
}

const CliCommand commands_lodge[] = {
    COMMAND("jobs", GROUP_LODGE, "show which domains are being changed, and who waits for whom", NULL,
            jobs_run, .columns = jobs_columns),
    COMMAND("explain", GROUP_LODGE, "show the QEMU command line of a domain with the reason of each argument",
            explain_options, explain_run, .exclusive = "domain xml", .columns = explain_columns),
    COMMAND("config", GROUP_LODGE, "show the daemon's settings and where each comes from", config_options,
            config_run, .columns = config_columns),
    COMMAND("status", GROUP_LODGE, "show how the daemon fares", NULL, status_run,
            .json = "{\"version\": string, \"pid\": number, \"uri\": string, \"uptime_ms\": number, "
                    "\"rss_bytes\": number, \"domains\": number, \"active_domains\": number, \"clients\": "
                    "number, \"fibers\": number, \"workers\": number}"),
    { 0 },
};

bool lodge_web_call(Cli *cli, const char *method, const char *target, Json *body, Json **ret_answer,
                    Error **err)
{
    g_autofree char *text = body ? json_format(body) : NULL;
    WireLodgeWebCallArgs args = { .method = (char *)method, .target = (char *)target, .body = text };
    g_auto(WireLodgeWebCallRet) ret = { 0 };
    AUTO_JSON answer = NULL;

    json_decref(body);
    if (!lodge_call(cli, LODGE_PROC_WEB_CALL, &args, &ret, WEB_TIMEOUT_MS, err) ||
        (*ret.body && !json_parse(ret.body, strlen(ret.body), "the daemon's answer", &answer, err)))
        return false;
    if (ret.status >= 400) {
        const char *detail = json_get_str(answer, "detail"), *hint = json_get_str(answer, "hint");
        error_set(err, ERROR_OPERATION_FAILED, "%s", detail ? detail : "the daemon refused");
        if (err)
            error_set_remote(*err, (int)json_get_int(answer, "code", 1), 0);
        return hint ? error_hint(err, "%s", hint) : false;
    }
    *ret_answer = g_steal_pointer(&answer);
    return true;
}
