/* `lodge doctor`: is this host fit for virtual machines? The checks are the host layer's; here they are
 * shown. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"
#include "cli/output.h"
#include "host/doctor.h"

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

static bool doctor_command(Cli *cli, const CliArgs *args, Error **err)
{
    /* Blocking is fine: there is no connection that would miss its keepalives. */
    g_autoptr(GPtrArray) rows = doctor_run(cli->root);
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

const CliCommand commands_doctor[] = {
    COMMAND("doctor", GROUP_LODGE, "check whether this host is fit for virtual machines", NULL,
            doctor_command, .flags = CLI_NO_CONNECT,
            .doc = "Looks at everything that virtual machines need of this host, says what it found and what "
                   "to do about it. Fails if machines cannot run. It needs no daemon.",
            .columns = columns),
    { 0 },
};
