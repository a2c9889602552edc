/* Help texts and the manual page's command section, made of the same rows that the parser uses, so that they
 * cannot disagree with it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/help.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/output.h"

typedef struct GlobalOption {
    const char *names;
    const char *doc;
} GlobalOption;

static const GlobalOption global_options[] = {
    { "-c, --connect URI",
      "the daemon to talk to (default: $LODGE_URI, $LIBVIRT_DEFAULT_URI, qemu:///system or "
      "qemu:///session)" },
    { "    --host NAME",
      "the same for a host: a name in uri_aliases of libvirt.conf, or one that ssh reaches" },
    { "    --all-hosts", "run the command on each host of uri_aliases, at the same time" },
    { "    --root DIR", "talk to the lodged that was started with --root DIR" },
    { "-r, --readonly", "connect without the right to change anything" },
    { "-o, --output FORMAT", "text (default), json, yaml, csv (of tables) or name (of lists)" },
    { "-q, --quiet", "print no messages and no table headers" },
    { "-t, --timing", "print how long each command took" },
    { "-e, --escape CHAR", "the key that leaves the console (default ^])" },
    { "-k, --keepalive-interval SECONDS", "ask an idle daemon for a sign of life this often; 0: never" },
    { "-K, --keepalive-count NUM", "give the daemon up after so many unanswered questions" },
    { "-d, --debug LEVEL", "0 (everything) to 4 (errors only), on stderr or in the log file" },
    { "-l, --log FILE", "write the log to a file" },
    { "-h, --help", "this help" },
    { "-v", "version; -V or --version=long adds details" },
};

void help_print_usage(FILE *out)
{
    fputs("Usage: lodge [OPTION]... COMMAND [ARGUMENT]...\n"
          "       lodge [OPTION]... 'COMMAND ...; COMMAND ...'\n"
          "       lodge [OPTION]...            (interactive shell)\n\nOptions:\n",
          out);
    for (size_t i = 0; i < G_N_ELEMENTS(global_options); i++) {
        fprintf(out, "  %-33s ", global_options[i].names);
        cli_print_wrapped(out, global_options[i].doc, 36,
                          MAX(36, 3 + (unsigned)strlen(global_options[i].names)), 0);
    }
    fputs("\nExit status: 0 done, 1 the operation failed, 2 wrong usage, 3 no connection.\n", out);
}

static void print_wrapped(FILE *out, const char *text, unsigned indent, unsigned column)
{
    cli_print_wrapped(out, text, indent, column, 0);
}

static bool is_shown(const CliCommand *command)
{
    return !(command->flags & (CLI_SECRET | CLI_LATER));
}

/* Commands of virsh that lodge does not have: named together, so that nobody looks for them in vain. */
static void print_later(FILE *out, CliGroup group)
{
    GString *names = g_string_new(NULL);
    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *c = command_at(i);
        if (c->group == group && c->flags & CLI_LATER)
            g_string_append_printf(names, "%s%s", names->len ? " " : "", c->name);
    }
    if (names->len) {
        fputs("    Not in this version: ", out);
        print_wrapped(out, names->str, 6, 25);
    }
    g_string_free(names, TRUE);
}

static void add_json(Json *array, const CliCommand *c)
{
    if (is_shown(c))
        json_array_append_new(array, json_pack("{s:s, s:s, s:s}", "name", c->name, "group",
                                               group_keyword(c->group), "summary", c->summary));
}

static Json *group_json(CliGroup group)
{
    Json *array = json_array();
    for (unsigned i = 0; i < command_count(); i++) {
        if (command_at(i)->group == group)
            add_json(array, command_at(i));
    }
    return array;
}

#define UNSERVED " (not served by lodged yet)"

static bool any_is_served(CliGroup group)
{
    for (unsigned i = 0; i < command_count(); i++) {
        if (command_at(i)->group == group && command_is_served(command_at(i)))
            return true;
    }
    return false;
}

static void print_summary(FILE *out, const CliCommand *c, bool mark_unserved)
{
    if (!is_shown(c))
        return;
    fprintf(out, "    %-30s ", c->name);
    g_autofree char *text =
        g_strconcat(c->summary, mark_unserved && !command_is_served(c) ? UNSERVED : "", NULL);
    print_wrapped(out, text, 37, MAX(35, 5 + (unsigned)strlen(c->name)));
}

bool help_has_family(const char *kind)
{
    const size_t len = strlen(kind);

    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *c = command_at(i);
        if (is_shown(c) && g_str_has_prefix(c->name, kind) && c->name[len] == '-')
            return true;
    }
    return false;
}

void help_print_family(Cli *cli, const char *kind)
{
    g_autofree char *prefix = g_strdup_printf("%s-", kind);

    Json *array = json_array();

    if (!cli->json)
        fprintf(cli->out, " lodge %s ...:\n", kind);
    for (unsigned i = 0; i < command_count(); i++) {
        if (!g_str_has_prefix(command_at(i)->name, prefix))
            continue;
        add_json(array, command_at(i));
        if (!cli->json)
            print_summary(cli->out, command_at(i), true);
    }
    if (cli->json)
        cli_print_json(cli, array);
    else
        json_decref(array);
}

void help_print_group(Cli *cli, CliGroup group)
{
    bool mark = any_is_served(group); /* else the title says it for all */
    if (cli->json) {
        cli_print_json(cli, group_json(group));
        return;
    }
    fprintf(cli->out, " %s (lodge help %s)%s:\n", group_title(group), group_keyword(group),
            any_is_served(group) ? "" : ", not served by lodged yet");
    for (unsigned i = 0; i < command_count(); i++) {
        if (command_at(i)->group == group)
            print_summary(cli->out, command_at(i), mark);
    }
    print_later(cli->out, group);
    fputc('\n', cli->out);
}

static bool group_is_empty(CliGroup group)
{
    for (unsigned i = 0; i < command_count(); i++) {
        if (command_at(i)->group == group && is_shown(command_at(i)))
            return false;
    }
    return true;
}

void help_print_overview(Cli *cli)
{
    if (cli->json) {
        Json *all = json_array();
        for (unsigned group = 0; group < GROUP_COUNT; group++) {
            AUTO_JSON part = group_json((CliGroup)group);
            json_array_extend(all, part);
        }
        cli_print_json(cli, all);
        return;
    }
    fputs("Commands ('lodge help COMMAND' explains one):\n\n", cli->out);
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        if (!group_is_empty((CliGroup)group))
            help_print_group(cli, (CliGroup)group);
    }
}

static const char *value_name(const CliOption *option)
{
    return option->type == CLI_STRING ? "string" : option->type == CLI_SIZE ? "size" : "number";
}

static bool option_is_shown(const CliOption *option)
{
    return !(option->flags & CLI_HIDDEN) && !option->same_as;
}

static char *option_synopsis(const CliOption *o)
{
    if (o->type == CLI_BOOL)
        return g_strdup_printf("[--%s]", o->name);
    if (o->flags & CLI_MANY)
        return g_strdup_printf(o->flags & CLI_REQUIRED ? "<%s>..." : "[<%s>]...", o->name);
    if (o->flags & CLI_REQUIRED)
        return g_strdup_printf("<%s>", o->name);
    return g_strdup_printf("[--%s <%s>]", o->name, value_name(o));
}

char *help_synopsis(const CliCommand *command)
{
    GString *out = g_string_new(command->name);
    for (const CliOption *o = command->options; o && o->name; o++) {
        if (!option_is_shown(o))
            continue;
        g_autofree char *part = option_synopsis(o);
        g_string_append_printf(out, " %s", part);
    }
    return g_string_free(out, FALSE);
}

static char *option_label(const CliOption *o)
{
    GString *out = g_string_new(NULL);
    if (o->short_name)
        g_string_append_printf(out, "-%c | ", o->short_name);
    if (o->type != CLI_BOOL && option_is_positional(o))
        g_string_append_printf(out, "[--%s] <%s>", o->name, value_name(o));
    else if (o->type != CLI_BOOL)
        g_string_append_printf(out, "--%s <%s>", o->name, value_name(o));
    else
        g_string_append_printf(out, "--%s", o->name);
    return g_string_free(out, FALSE);
}

static char *option_doc(const CliOption *o)
{
    GString *out = g_string_new(o->doc);
    if (o->words) {
        g_auto(GStrv) words = g_strsplit(o->words, " ", -1);
        g_autofree char *list = g_strjoinv(", ", words);
        g_string_append_printf(out, " (%s)", list);
    }
    return g_string_free(out, FALSE);
}

static void print_options(FILE *out, const CliCommand *command)
{
    bool first = true;
    for (const CliOption *o = command->options; o && o->name; o++) {
        if (!option_is_shown(o))
            continue;
        if (first)
            fputs("\n  OPTIONS\n", out);
        first = false;
        g_autofree char *label = option_label(o);
        g_autofree char *doc = option_doc(o);
        fprintf(out, "    %-27s  ", label);
        print_wrapped(out, doc, 33, MAX(33, 6 + text_width(label)));
    }
}

static char *sentence(const char *text)
{
    g_autofree char *first =
        g_ascii_islower(text[0]) ? g_strdup_printf("%c", g_ascii_toupper(text[0])) : NULL;
    return g_strdup_printf("%s%s%s", first ? first : "", first ? text + 1 : text,
                           g_str_has_suffix(text, ".") ? "" : ".");
}

/* "current live; current config" as words for people; owned, NULL if there is nothing to say. */
static char *exclusive_text(const CliCommand *command)
{
    if (!command->exclusive)
        return NULL;
    GString *out = g_string_new(NULL);
    g_auto(GStrv) sets = g_strsplit(command->exclusive, ";", -1);
    for (char **set = sets; *set; set++) {
        g_auto(GStrv) names = g_strsplit(g_strstrip(*set), " ", -1);
        g_autofree char *list = g_strjoinv(", --", names);
        g_string_append_printf(out, "%sOnly one of --%s.", set == sets ? "" : " ", list);
    }
    return g_string_free(out, FALSE);
}

static Json *command_json(const CliCommand *command)
{
    Json *options = json_array();
    for (const CliOption *o = command->options; o && o->name; o++) {
        if (!option_is_shown(o))
            continue;
        json_array_append_new(options,
                              json_pack("{s:s, s:s, s:b, s:b, s:s?, s:s?}", "name", o->name, "type",
                                        o->type == CLI_BOOL ? "flag" : value_name(o), "required",
                                        (o->flags & CLI_REQUIRED) != 0, "positional", option_is_positional(o),
                                        "description", o->doc, "words", o->words));
    }
    g_autofree char *synopsis = help_synopsis(command);
    g_autofree char *json = command_json_shape(command);
    return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:s}", "name", command->name, "served",
                     command_is_served(command), "group", group_keyword(command->group), "summary",
                     command->summary, "description", command->doc ? command->doc : command->summary,
                     "synopsis", synopsis, "options", options, "json", json);
}

void help_print_command(Cli *cli, const CliCommand *command)
{
    if (cli->json) {
        cli_print_json(cli, command_json(command));
        return;
    }
    FILE *out = cli->out;
    g_autofree char *synopsis = help_synopsis(command);
    g_autofree char *doc = sentence(command->doc ? command->doc : command->summary);
    g_autofree char *exclusive = exclusive_text(command);
    fprintf(out, "  NAME\n    %s - ", command->name);
    print_wrapped(out, command->summary, 8, 7 + (unsigned)strlen(command->name));
    fputs("\n  SYNOPSIS\n    ", out);
    print_wrapped(out, synopsis, 8, 4);
    fputs("\n  DESCRIPTION\n    ", out);
    print_wrapped(out, doc, 4, 4);
    if (exclusive) {
        fputs("    ", out);
        print_wrapped(out, exclusive, 4, 4);
    }
    if (!command_is_served(command))
        fputs("    This version of lodged does not have it yet; libvirtd does.\n", out);
    print_options(out, command);
    fputs("\n  JSON\n    ", out);
    g_autofree char *json = command_json_shape(command);
    print_wrapped(out, json, 4, 4);
    fputc('\n', out);
}

/* ---- roff ---- */

static void roff_text(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
    fputc('\n', out);
}

static void roff_command(FILE *out, const CliCommand *command)
{
    g_autofree char *synopsis = help_synopsis(command);
    g_autofree char *doc = sentence(command->doc ? command->doc : command->summary);
    g_autofree char *exclusive = exclusive_text(command);
    fputs(".TP\n.B ", out);
    roff_text(out, synopsis);
    roff_text(out, doc);
    if (exclusive)
        roff_text(out, exclusive);
    bool any = false;
    for (const CliOption *o = command->options; o && o->name; o++) {
        if (!option_is_shown(o))
            continue;
        if (!any)
            fputs(".RS\n", out);
        any = true;
        g_autofree char *label = option_label(o);
        g_autofree char *option = option_doc(o);
        fputs(".TP\n.B ", out);
        roff_text(out, label);
        roff_text(out, option);
    }
    if (any)
        fputs(".RE\n", out);
    g_autofree char *json = command_json_shape(command);
    if (strcmp(json, "{\"message\": string}") != 0 && strcmp(json, "none") != 0) {
        fputs(".IP\nJSON: ", out);
        roff_text(out, json);
    }
}

void help_print_man(FILE *out)
{
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        if (group_is_empty((CliGroup)group))
            continue;
        fprintf(out, ".SS %s (%s)\n", group_title((CliGroup)group), group_keyword((CliGroup)group));
        for (unsigned i = 0; i < command_count(); i++) {
            const CliCommand *c = command_at(i);
            if (c->group == group && is_shown(c))
                roff_command(out, c);
        }
    }
}
