/* `lodge doctor`: is this host fit for virtual machines? The checks are the host layer's; here they are
 * shown. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "conf/domain_xml.h"
#include "host/doctor.h"

#define NETWORKS_TIMEOUT_MS 15000
#define PIPE_WIDTH                                                                                           \
    80u /* findings are sentences: they are wrapped also where no terminal says how wide it is */

static const CliColumn columns[] = { { "Check", "check" },
                                     { "Result", "result", "\"ok\"|\"warn\"|\"fail\"" },
                                     { "Found", "detail" },
                                     { NULL, "advice", "string|null" },
                                     { 0 } };

static void print_advice(Cli *cli, const GPtrArray *rows)
{
    bool first = true;
    for (unsigned i = 0; i < rows->len; i++) {
        const DoctorRow *row = rows->pdata[i];
        if (!row->advice)
            continue;
        if (first)
            fputs("\nWhat to do:\n", cli->out);
        first = false;
        fprintf(cli->out, " %s: ", row->name);
        cli_print_wrapped(cli->out, row->advice, 4, 3 + text_width(row->name), cli->width);
    }
}

/* What the machine's definition sets and nothing acts on: why it would not start. */
AWAITS static bool doctor_domain(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn gap_columns[] = { { "Not acted on yet", "path" }, { 0 } };
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(GPtrArray) paths = NULL;

    if (!cli_connect(cli, err) || !cli_domain(cli, args, &dom, err) ||
        !cli_domain_xml(cli, &dom, VIR_DOMAIN_XML_INACTIVE, &xml, err) ||
        !domain_xml_find_gaps(xml, strlen(xml), &paths, err))
        return false;
    CliTable *table = table_new(gap_columns, 0);
    for (unsigned i = 0; i < paths->len; i++) {
        table_row(table);
        table_cell_text(table, paths->pdata[i]);
    }
    if (!cli_print_table(cli, table, err))
        return false;
    if (paths->len)
        cli->exit_code = CLI_EXIT_FAILED;
    return true;
}

/* What other programs' rules do with guests knows the daemon, if there is one. */
AWAITS static void add_networks(Cli *cli, GPtrArray *rows)
{
    const WireLodgeNetworkNeighboursArgs call = { 0 };
    g_auto(WireLodgeNetworkTraceRet) ret = { 0 };

    if (!cli_connect(cli, NULL) ||
        !lodge_call(cli, LODGE_PROC_NETWORK_NEIGHBOURS, &call, &ret, NETWORKS_TIMEOUT_MS, NULL))
        return;
    for (unsigned i = 0; i < ret.n_steps; i++) {
        const WireLodgeTraceStep *step = &ret.steps[i];
        DoctorRow *row = g_new(DoctorRow, 1);
        *row = (DoctorRow){ .name = "net-rules",
                            .status = strcmp(step->state, "ok") == 0 ? DOCTOR_OK : DOCTOR_WARN,
                            .detail = g_strdup_printf("network '%s': %s",
                                                      step->interface ? step->interface : "", step->text),
                            .advice = g_strdup(step->hint) };
        g_ptr_array_add(rows, row);
    }
}

static bool doctor_command(Cli *cli, const CliArgs *args, Error **err)
{
    if (args_has(args, "domain"))
        return doctor_domain(cli, args, err);
    /* Blocking is fine: there is no connection that would miss its keepalives. */
    g_autoptr(GPtrArray) rows = doctor_run(cli->root);
    add_networks(cli, rows);
    unsigned counts[DOCTOR_STATUS_COUNT] = { 0 };
    CliTable *table = table_new(columns, 0);
    for (unsigned i = 0; i < rows->len; i++) {
        const DoctorRow *row = rows->pdata[i];
        counts[row->status]++;
        table_row(table);
        table_cell_text(table, row->name);
        table_cell_text(table, doctor_status_name(row->status));
        table_cell_text(table, row->detail);
        table_cell_text(table, row->advice);
    }
    if (!cli->width)
        cli->width = PIPE_WIDTH;
    if (!cli_print_table(cli, table, err))
        return false;
    if (cli->format == CLI_TEXT) {
        print_advice(cli, rows);
        cli_message(cli, "\n%u checks: %u ok, %u warnings, %u failed", rows->len, counts[DOCTOR_OK],
                    counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
    }
    if (doctor_worst(rows) == DOCTOR_FAIL)
        cli->exit_code = CLI_EXIT_FAILED;
    return true;
}

static const CliOption doctor_options[] = {
    OPT(CLI_STRING, "domain",
        "list what this machine's definition sets and nothing acts on yet, so that it does not start",
        .flags = CLI_NAMED, .complete = COMPLETE_DOMAIN),
    { 0 },
};

const CliCommand commands_doctor[] = {
    COMMAND("doctor", GROUP_LODGE, "check whether this host is fit for virtual machines", doctor_options,
            doctor_command, .flags = CLI_NO_CONNECT,
            .doc = "Looks at everything that virtual machines need of this host, says what it found and what "
                   "to do about it. Fails if machines cannot run. It needs no daemon, except with --domain.",
            .columns = columns),
    { 0 },
};
