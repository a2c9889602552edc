/* Runs commands: finds the row, checks the words against it, connects if needed, calls the handler and
 * reports what failed, why, and what to do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/row.h"

#define RED "\033[31m"
#define PLAIN "\033[0m"

/* What to do about an error, by the protocol's number. The daemon's own hint, if it sent one, goes first. */
static const struct {
    int number;
    const char *hint;
} hints[] = {
    { VIR_ERR_NO_DOMAIN, "'lodge list --all' shows all domains" },
    { VIR_ERR_NO_NETWORK, "'lodge net-list --all' shows all networks" },
    { VIR_ERR_NO_STORAGE_POOL, "'lodge pool-list --all' shows all pools" },
    { VIR_ERR_NO_STORAGE_VOL, "'lodge vol-list POOL' shows the volumes of a pool" },
    { VIR_ERR_NO_SECRET, "'lodge secret-list' shows all secrets" },
    { VIR_ERR_NO_NODE_DEVICE, "'lodge nodedev-list' shows the devices of this host" },
    { VIR_ERR_OPERATION_DENIED, "the connection is read-only: connect without --readonly" },
    { VIR_ERR_AGENT_UNRESPONSIVE,
      "is qemu-guest-agent installed and running in the guest, and does the domain have its channel?" },
    { VIR_ERR_NO_SUPPORT,
      "this daemon does not know the operation; 'lodge version --daemon' shows what it is" },
    { VIR_ERR_XML_INVALID_SCHEMA, "without --validate unknown elements are accepted" },
};

static const char *hint_for(const Error *err)
{
    if (error_hint_text(err))
        return error_hint_text(err);
    int number = wire_error_code(err);
    for (size_t i = 0; i < G_N_ELEMENTS(hints); i++) {
        if (hints[i].number == number)
            return hints[i].hint;
    }
    return NULL;
}

/* Beside the results of other objects it is one of the documents. */
static void report_json(Cli *cli, const char *doing, const Error *err)
{
    Json *detail = json_pack("{s:s?, s:s%, s:s, s:i, s:s?}", "doing", doing, "message", error_message(err),
                             strlen(error_message(err)), "code", error_code_name(error_code(err)), "number",
                             wire_error_code(err), "hint", hint_for(err));
    AUTO_JSON object = json_pack("{s:o*}", "error", detail);
    if (cli->collect) {
        g_ptr_array_add(cli->collect, json_incref(object));
        return;
    }
    g_autofree char *text = cli->format == CLI_YAML ? yaml_format(object) : json_format_pretty(object);
    fprintf(stderr, "%s\n", text);
}

void cli_report(Cli *cli, const Error *err)
{
    fflush(cli->out);
    if (cli->json) {
        report_json(cli, cli->doing, err);
        return;
    }
    bool color = cli->color && isatty(STDERR_FILENO);
    const char *label = color ? RED "error:" PLAIN : "error:";
    if (cli->doing)
        fprintf(stderr, "%s %s\n", label, cli->doing);
    fprintf(stderr, "%s %s\n", label, error_message(err));
    const char *hint = hint_for(err);
    if (hint)
        fprintf(stderr, "hint: %s\n", hint);
}

static int report_usage(Cli *cli, const Error *err)
{
    cli_doing(cli, NULL);
    cli_report(cli, err);
    return CLI_EXIT_USAGE;
}

/* The first of two words: "volume", "image". */
static bool is_kind(const char *word)
{
    CliGroup group;

    return help_has_family(word) || group_find(word, &group);
}

/* @verb: the word behind it; NULL: there is none. */
static int unknown_command(Cli *cli, const char *name, const char *verb)
{
    g_autoptr(Error) err = NULL;
    const bool has_two = is_kind(name), has_verb = verb && *verb != '-';
    g_autofree char *both = has_two && has_verb ? g_strdup_printf("%s-%s", name, verb) : g_strdup(name);
    g_auto(GStrv) close = command_suggest(both, 3);
    g_autofree char *names = g_strjoinv("', '", close);

    if (has_two && !has_verb)
        error_set(&err, ERROR_INVALID_ARGUMENT, "'%s' is the first word of several commands", name);
    else
        error_set(&err, ERROR_INVALID_ARGUMENT, "unknown command: '%s%s%s'", name, has_two ? " " : "",
                  has_two ? verb : "");
    if (has_two)
        error_hint(&err, "%s%s%s'lodge help %s' shows what follows it",
                   has_verb && close[0] ? "did you mean '" : "", has_verb && close[0] ? names : "",
                   has_verb && close[0] ? "'? " : "", name);
    else if (close[0])
        error_hint(&err, "did you mean '%s'?", names);
    else
        error_hint(&err, "'lodge help' shows all commands");
    return report_usage(cli, err);
}

/* Once: for one object, or for none. */
static int run_once(Cli *cli, const CliArgs *args)
{
    const CliCommand *command = cli_args_command(args);
    g_autoptr(Error) err = NULL;
    cli_doing(cli, NULL);
    cli->exit_code = CLI_EXIT_OK;
    if (command->run ? command->run(cli, args, &err) : row_run(cli, args, &err))
        return cli->exit_code;
    cli_report(cli, err);
    if (cli->client && !wire_client_is_alive(cli->client))
        return CLI_EXIT_CONNECT;
    /* A wrong value that was found here is a usage error; one that the server found is a failed operation. */
    return error_code(err) == ERROR_INVALID_ARGUMENT && error_hint_text(err) ? CLI_EXIT_USAGE
                                                                             : CLI_EXIT_FAILED;
}

/* For each of several objects: the others get their turn when one fails, and the first failure is the exit
 * code. Documents are printed as one. */
static int run_each(Cli *cli, CliArgs *args, unsigned n)
{
    int code = CLI_EXIT_OK;
    cli->collect = g_ptr_array_new();
    for (unsigned i = 0; i < n && code != CLI_EXIT_CONNECT; i++) {
        (void)args_each(args, i);
        int one = run_once(cli, args);
        code = code == CLI_EXIT_OK || one == CLI_EXIT_CONNECT ? one : code;
    }
    Json *all = json_array();
    for (unsigned i = 0; i < cli->collect->len; i++)
        json_array_append_new(all, cli->collect->pdata[i]);
    g_ptr_array_unref(cli->collect);
    cli->collect = NULL;
    cli_print_json(cli, all);
    return code;
}

/* Connects and runs; the options are right. */
static int run_handler(Cli *cli, CliArgs *args)
{
    g_autoptr(Error) err = NULL;
    unsigned n = args_each(args, 0);
    cli_doing(cli, NULL);
    if (!(cli_args_command(args)->flags & CLI_NO_CONNECT) && !cli_connect(cli, &err)) {
        cli_doing(cli, "failed to connect to the hypervisor");
        if (!error_hint_text(err) &&
            error_code(err) == ERROR_SYSTEM) /* else it has answered, or was not asked */
            error_hint(&err,
                       "is lodged running? 'lodge doctor' checks this host; -c URI or --root DIR select "
                       "another daemon");
        cli_report(cli, err);
        return CLI_EXIT_CONNECT;
    }
    return n > 1 ? run_each(cli, args, n) : run_once(cli, args);
}

/* "image convert" is image-convert, "volume upload" and "vol upload" are vol-upload. */
static const CliCommand *find_in_two_words(const char *kind, const char *verb)
{
    g_autofree char *plain = g_strdup_printf("%s-%s", kind, verb);
    const CliCommand *command = command_find(plain);
    for (const CliClass *const *class = cli_classes; *class && !command; class ++) {
        g_autofree char *name = g_strdup_printf("%s%s", (*class)->prefix ? (*class)->prefix : "", verb);
        if (g_strcmp0((*class)->noun, kind) == 0)
            command = command_find(name);
    }
    return command;
}

int cli_run_words(Cli *cli, char *const *words, unsigned n_words)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(CliArgs) args = NULL;
    const CliCommand *command = command_find(words[0]);
    if (!command && n_words > 1 && (command = find_in_two_words(words[0], words[1]))) {
        words++;
        n_words--;
    }
    if (!command && n_words == 2 && is_kind(words[0]) &&
        (g_str_equal(words[1], "--help") || g_str_equal(words[1], "-h")))
        return cli_run_words(cli, (char *const[]){ (char *)"help", words[0] }, 2);
    if (!command)
        return unknown_command(cli, words[0], n_words > 1 ? words[1] : NULL);
    if (command->flags & CLI_LATER) {
        error_set(&err, ERROR_NOT_SUPPORTED, "command '%s' is not in this version of lodge", words[0]);
        error_hint(&err, "'lodge help %s' shows what there is", group_keyword(command->group));
        return report_usage(cli, err);
    }
    if (!cli_args_parse(command, words + 1, n_words - 1, &args, &err))
        return report_usage(cli, err);
    if (cli_args_wants_help(args)) {
        help_print_command(cli, command);
        return CLI_EXIT_OK;
    }
    CliFormat format = cli->format;
    bool quiet = cli->quiet;
    if (cli_args_output(args))
        (void)cli_format_find(cli_args_output(args), &cli->format); /* the parser has looked */
    cli_set_format(cli, cli->format);
    cli->columns = cli_args_columns(args);
    cli->no_header = cli_args_no_header(args);
    cli->quiet = quiet || cli_args_wants_quiet(args);
    int64_t start = g_get_monotonic_time();
    int code = run_handler(cli, args);
    if (cli->timing && !cli->json)
        fprintf(cli->out, "(Time: %.3f ms)\n", (double)(g_get_monotonic_time() - start) / 1000);
    fflush(cli->out);
    cli_set_format(cli, format);
    cli->quiet = quiet;
    return code;
}

int cli_run_line(Cli *cli, const char *line)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(GPtrArray) commands = NULL;
    int code = CLI_EXIT_OK;
    if (!words_split(line, &commands, &err))
        return report_usage(cli, err);
    for (unsigned i = 0; i < commands->len && !cli->quit; i++) {
        GPtrArray *words = commands->pdata[i];
        code = cli_run_words(cli, (char *const *)words->pdata, words->len);
    }
    return code;
}
