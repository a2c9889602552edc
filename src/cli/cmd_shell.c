/* Commands about the command line itself. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/help.h"
#include "cli/output.h"

/* ---- help ---- */

static const CliOption help_options[] = {
    OPT(CLI_STRING, "command", "a command or a group", .complete = COMPLETE_COMMAND),
    OPT(CLI_BOOL, "man", "the commands as part of the manual page", .flags = CLI_HIDDEN),
    { 0 },
};

static bool help_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "command");
    CliGroup group;
    if (args_has(args, "man")) {
        help_print_man(cli->out);
        return true;
    }
    if (!name) {
        help_print_overview(cli);
        return true;
    }
    const CliCommand *command = command_find(name);
    if (command && !(command->flags & CLI_LATER)) {
        help_print_command(cli, command);
        return true;
    }
    if (group_find(name, &group)) {
        help_print_group(cli, group);
        return true;
    }
    if (help_has_family(name)) {
        help_print_family(cli, name);
        return true;
    }
    error_set(err, ERROR_NOT_SUPPORTED, "command or command group '%s' doesn't exist", name);
    g_auto(GStrv) close = command_suggest(name, 1);
    if (close[0])
        return error_hint(err, "did you mean '%s'?", close[0]);
    return error_hint(err, "'lodge help' shows all commands");
}

/* ---- where we are ---- */

static const CliOption cd_options[] = {
    OPT(CLI_STRING, "dir", "the directory; default: your home", .complete = COMPLETE_FILE),
    { 0 },
};

static bool cd_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *dir = args_get(args, "dir") ? args_get(args, "dir") : g_get_home_dir();
    if (!cli->interactive)
        return error_set(err, ERROR_INVALID_STATE, "cd: command valid only in interactive mode");
    if (chdir(dir) < 0)
        return error_set_errno(err, errno, "cd: cannot change to %s", dir);
    return true;
}

static bool pwd_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *dir = g_get_current_dir();
    cli_print_text(cli, "directory", dir);
    return true;
}

/* ---- echo ---- */

static const CliOption echo_options[] = {
    OPT_BOOL("shell", "quote for a shell"),
    OPT_BOOL("xml", "escape for XML"),
    OPT_BOOL("split", "one line for each part between commas; two commas are one"),
    OPT_BOOL("err", "print to the standard error"),
    OPT(CLI_STRING, "string", "what to print", .flags = CLI_MANY | CLI_EMPTY_OK),
    { 0 },
};

static char *echo_split(const char *text)
{
    GString *out = g_string_new(NULL);
    for (; *text; text++) {
        if (*text == ',' && text[1] == ',')
            g_string_append_c(out, *text++);
        else
            g_string_append_c(out, *text == ',' ? '\n' : *text);
    }
    return g_string_free(out, FALSE);
}

static char *echo_word(const CliArgs *args, const char *word)
{
    g_autofree char *xml = args_has(args, "xml") ? g_markup_escape_text(word, -1) : g_strdup(word);
    g_autofree char *quoted = args_has(args, "shell") ? words_quote(xml) : g_strdup(xml);
    return args_has(args, "split") ? echo_split(quoted) : g_steal_pointer(&quoted);
}

static bool echo_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GString) line = g_string_new(NULL);
    for (char *const *word = args_get_many(args, "string"); *word; word++) {
        g_autofree char *text = echo_word(args, *word);
        g_string_append_printf(line, "%s%s", line->len ? " " : "", text);
    }
    if (args_has(args, "err"))
        fprintf(stderr, "%s\n", line->str);
    else
        cli_print_text(cli, "text", line->str);
    return true;
}

/* ---- connection ---- */

static const CliOption connect_options[] = {
    OPT_STRING("name", "URI of the daemon; default: as at the start"),
    OPT_BOOL("readonly", "without the right to change anything"),
    { 0 },
};

static bool connect_run(Cli *cli, const CliArgs *args, Error **err)
{
    cli_disconnect(cli);
    cli->read_only = args_has(args, "readonly");
    if (args_has(args, "name")) {
        g_free(cli->uri);
        cli->uri = g_strdup(args_get(args, "name"));
    }
    cli_doing(cli, "Failed to connect to the hypervisor");
    if (!cli_connect(cli, err))
        return false;
    if (!cli->interactive)
        return true;
    cli_message(cli, "Connected to %s", wire_client_uri(cli->client));
    return true;
}

static bool quit_run(Cli *cli, const CliArgs *args, Error **err)
{
    cli->quit = true;
    return true;
}

/* ---- completion ---- */

static const char bash_script[] =
    "# bash completion for lodge: source it, or store it as /usr/share/bash-completion/completions/lodge\n"
    "_lodge() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} cur=${COMP_WORDS[COMP_CWORD]} candidate\n"
    "    # bash also breaks words at = and :, and wants only what comes behind\n"
    "    [[ $cur == = || $cur == : ]] && cur=\n"
    "    local before=${line%\"$cur\"}\n"
    "    local cut=${before##*[[:space:]]}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r candidate; do\n"
    "        if [[ $candidate == :files ]]; then\n"
    "            compopt -o filenames\n"
    "            COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
    "            continue\n"
    "        fi\n"
    "        candidate=${candidate#\"$cut\"}\n"
    "        case $cur in\n"
    "            \\'*|\\\"*) candidate=${cur:0:1}$candidate${cur:0:1} ;;\n"
    "            *) printf -v candidate %q \"$candidate\" ;;\n"
    "        esac\n"
    "        COMPREPLY+=(\"$candidate\")\n"
    "    done < <(\"${COMP_WORDS[0]}\" complete --line \"$line\" 2>/dev/null)\n"
    "}\n"
    "complete -F _lodge lodge\n";

static const char zsh_script[] = "#compdef lodge\n"
                                 "# zsh completion for lodge: store it as _lodge in a directory of $fpath\n"
                                 "_lodge() {\n"
                                 "    local -a lines names shown\n"
                                 "    local line\n"
                                 "    lines=(\"${(@f)$(\"${words[1]}\" complete --describe -- "
                                 "\"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
                                 "    for line in $lines; do\n"
                                 "        [[ $line == :files ]] && _files && continue\n"
                                 "        names+=(\"${line%%$'\\t'*}\")\n"
                                 "        shown+=(\"${line//$'\\t'/  -- }\")\n"
                                 "    done\n"
                                 "    (( $#names )) && compadd -l -d shown -a names\n"
                                 "}\n"
                                 "if [ \"$funcstack[1]\" = _lodge ]; then\n"
                                 "    _lodge \"$@\"\n"
                                 "else\n"
                                 "    compdef _lodge lodge\n"
                                 "fi\n";

static const CliOption completion_options[] = {
    OPT(CLI_STRING, "shell", "your shell", .flags = CLI_REQUIRED, .words = "bash zsh"),
    { 0 },
};

static bool completion_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "shell");
    if (strcmp(name, "bash") == 0)
        fputs(bash_script, cli->out);
    else if (strcmp(name, "zsh") == 0)
        fputs(zsh_script, cli->out);
    else {
        error_set(err, ERROR_INVALID_ARGUMENT, "there is no completion for '%s'", name);
        return error_hint(err, "'lodge completion bash' and 'lodge completion zsh' print scripts");
    }
    return true;
}

static const CliOption complete_options[] = {
    OPT_NAMED("line", "a line up to the cursor, with the program's name"),
    OPT_BOOL("describe", "add what each word means"),
    OPT(CLI_STRING, "words", "words up to the cursor", .flags = CLI_MANY | CLI_EMPTY_OK),
    { 0 },
};

static bool complete_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Completions) found = { 0 };
    const char *line = args_get(args, "line");
    g_autoptr(GPtrArray) words = line ? completion_split(line) : g_ptr_array_new_with_free_func(g_free);
    char *const *given = args_get_many(args, "words");
    for (; !line && *given; given++)
        g_ptr_array_add(words, g_strdup(*given));
    unsigned skip = line && words->len > 1 ? 1 : 0; /* the program */
    if (words->len > skip)
        cli_complete(cli, (char *const *)words->pdata + skip, words->len - skip, true, &found);
    for (unsigned i = 0; found.words && i < found.words->len; i++) {
        const char *doc = found.docs->pdata[i];
        bool describe = args_has(args, "describe") && *doc;
        fprintf(cli->out, "%s%s%s\n", (char *)found.words->pdata[i], describe ? "\t" : "",
                describe ? doc : "");
    }
    if (found.files)
        fputs(":files\n", cli->out);
    return true;
}

const CliCommand commands_shell[] = {
    COMMAND("completion", GROUP_LODGE, "print a completion script for your shell", completion_options,
            completion_run, .flags = CLI_NO_CONNECT,
            .doc = "Prints a script that completes commands, options and names of domains. For bash: source "
                   "<(lodge completion bash).",
            .json = "none"),
    COMMAND("complete", GROUP_LODGE, "print what a word can become", complete_options, complete_run,
            .flags = CLI_NO_CONNECT | CLI_SECRET, .json = "none"),
    COMMAND("cd", GROUP_SHELL, "change the working directory", cd_options, cd_run, .flags = CLI_NO_CONNECT,
            .json = "none"),
    COMMAND("echo", GROUP_SHELL, "print words", echo_options, echo_run, .flags = CLI_NO_CONNECT,
            .json = "{\"text\": string}"),
    COMMAND("exit", GROUP_SHELL, "leave the shell", NULL, quit_run, .flags = CLI_NO_CONNECT, .json = "none"),
    COMMAND("help", GROUP_SHELL, "explain commands", help_options, help_run, .flags = CLI_NO_CONNECT,
            .json = "[{\"name\": string, \"group\": string, \"summary\": string}]; of one command {\"name\": "
                    "string, \"group\": string, \"summary\": string, \"description\": string, \"synopsis\": "
                    "string, \"options\": [{\"name\": string, \"type\": string, \"required\": boolean, "
                    "\"positional\": boolean, \"description\": string}], \"json\": string}"),
    COMMAND("pwd", GROUP_SHELL, "print the working directory", NULL, pwd_run, .flags = CLI_NO_CONNECT,
            .json = "{\"directory\": string}"),
    COMMAND("quit", GROUP_SHELL, "leave the shell", NULL, quit_run, .flags = CLI_NO_CONNECT, .json = "none"),
    COMMAND("connect", GROUP_SHELL, "connect to a daemon", connect_options, connect_run,
            .flags = CLI_NO_CONNECT),
    { 0 },
};
