/* `lodge doctor`: is this host fit for virtual machines? The checks are the host layer's; here they are
 * shown. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"
#include "cli/output.h"
#include "conf/domain_xml.h"
#include "host/doctor.h"

static const CliColumn columns[] = {
    { "Check", "check" }, { "Result", "result" }, { "Found", "detail" }, { NULL, "advice" }
};

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
        fprintf(cli->out, " %s: %s\n", row->name, row->advice);
    }
}

/* What the machine's definition sets and nothing acts on: why it would not start. */
AWAITS static bool doctor_domain(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn gap_columns[] = { { "Not acted on yet", "path" } };
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(GPtrArray) paths = NULL;

    if (!cli_connect(cli, err) || !cli_domain(cli, args, &dom, err) ||
        !cli_domain_xml(cli, &dom, VIR_DOMAIN_XML_INACTIVE, &xml, err) ||
        !domain_xml_find_gaps(xml, strlen(xml), &paths, err))
        return false;
    CliTable *table = table_new(gap_columns, G_N_ELEMENTS(gap_columns));
    for (unsigned i = 0; i < paths->len; i++) {
        table_row(table);
        table_cell_text(table, paths->pdata[i]);
    }
    cli_print_table(cli, table);
    if (paths->len)
        cli->exit_code = CLI_EXIT_FAILED;
    return true;
}

static bool doctor_command(Cli *cli, const CliArgs *args, Error **err)
{
    if (args_has(args, "domain"))
        return doctor_domain(cli, args, err);
    /* Blocking is fine: there is no connection that would miss its keepalives. */
    g_autoptr(GPtrArray) rows = doctor_run(cli->root);
    unsigned counts[DOCTOR_STATUS_COUNT] = { 0 };
    CliTable *table = table_new(columns, G_N_ELEMENTS(columns));
    for (unsigned i = 0; i < rows->len; i++) {
        const DoctorRow *row = rows->pdata[i];
        counts[row->status]++;
        table_row(table);
        table_cell_text(table, row->name);
        table_cell_text(table, doctor_status_name(row->status));
        table_cell_text(table, row->detail);
        table_cell_text(table, row->advice);
    }
    cli_print_table(cli, table);
    if (!cli->json) {
        print_advice(cli, rows);
        cli_message(cli, "\n%u checks: %u ok, %u warnings, %u failed", rows->len, counts[DOCTOR_OK],
                    counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
    }
    if (doctor_worst(rows) == DOCTOR_FAIL)
        cli->exit_code = CLI_EXIT_FAILED;
    return true;
}

static const CliOption doctor_options[] = {
    { .name = "domain",
      .type = CLI_STRING,
      .flags = CLI_NAMED,
      .complete = COMPLETE_DOMAIN,
      .doc = "list what this machine's definition sets and nothing acts on yet, so that it does not start" },
    { 0 },
};

const CliCommand commands_doctor[] = {
    { .name = "doctor",
      .group = GROUP_LODGE,
      .flags = CLI_NO_CONNECT,
      .summary = "check whether this host is fit for virtual machines",
      .doc = "Looks at everything that virtual machines need of this host, says what it found and what to do "
             "about "
             "it. Fails if machines cannot run. It needs no daemon, except with --domain.",
      .options = doctor_options,
      .json = "[{\"check\": string, \"result\": \"ok\"|\"warn\"|\"fail\", \"detail\": string, \"advice\": "
              "string|null}], with --domain [{\"path\": string}]",
      .run = doctor_command },
    { 0 },
};
