/* Completion without a daemon: commands, options, values. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/complete.h"

/* The words joined by blanks; ":files" if names of files fit. */
static char *completed(const char *line)
{
    Cli cli;
    Completions found = { 0 };
    cli_init(&cli);
    cli.uri = g_strdup("qemu+unix:///system?socket=/nonexistent/sock");
    g_autoptr(GPtrArray) words = completion_split(line);
    cli_complete(&cli, (char *const *)words->pdata, words->len, true, &found);
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; i < found.words->len; i++)
        g_string_append_printf(out, "%s%s", i ? " " : "", (char *)found.words->pdata[i]);
    if (found.files)
        g_string_append(out, ":files");
    completions_clear(&found);
    cli_clear(&cli);
    return g_string_free(out, FALSE);
}

TEST_FIBER(lines_are_completed)
{
    static const struct {
        const char *line, *result;
    } cases[] = {
        { "dumpx", "dumpxml" },
        { "managedsave-d", "managedsave-dumpxml managedsave-define" },
        { "nosuch ", "" },
        { "list --state-r", "--state-running" },
        { "list --all --al", "" }, /* it is there already */
        { "shutdown x --mode a", "acpi agent" },
        { "shutdown x --mode=ac", "--mode=acpi" },
        { "shutdown x in", "initctl" },
        { "define ", ":files" },
        { "save x ", ":files" },
        { "setmem x 1 --c", "--config --current" },
        { "setmem x 1 --live --cu", "" }, /* they exclude each other */
        { "--read", "--readonly" },
        { "-r dumpx", "dumpxml" },
        { "--root /x dumpx", "dumpxml" },
        { "completion z", "zsh" },
        { "list; dumpx", "dumpxml" },
        { "help dumpx", "dumpxml" },
        { "-o ", "text json yaml csv name" },
        { "--output y", "yaml" },
        { "list -o c", "csv" },
        { "list --output=j", "--output=json" },
        { "list --no-h", "--no-header" },
        { "dominfo x --no-h", "" }, /* no list */
        { "--root ", ":files" },
        { "--root /x list --al", "--all" },
        { "pool-list --type dir,ne", "dir,netfs" },
        { "install --disk si", "size=" },
        { "install --disk size=20,bu", "size=20,bus=" },
        { "install --watchdog ac", "action=" },
        { "install --network=mode", "--network=model= --network=model.type=" },
        { "install --disk path=/a", ":files" },
        { "start ",
          "--domain --console --paused --autodestroy --reset-nvram --bypass-cache --force-boot --pass-fds "
          "--output --help" }, /* no daemon, so no names */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = completed(cases[i].line);
        check_case(cases[i].line);
        check_str(got, cases[i].result);
    }
}

TEST(unfinished_lines_are_split)
{
    static const struct {
        const char *line, *last;
        unsigned count;
    } cases[] = {
        { "", "", 1 },          { "a", "a", 1 },       { "a ", "", 2 },    { "a b", "b", 2 },
        { "a 'b c", "b c", 2 }, { "a \"b ", "b ", 2 }, { "a; b ", "", 2 }, { "a;", "", 1 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) words = completion_split(cases[i].line);
        check_case(cases[i].line);
        check_eq(words->len, cases[i].count);
        check_str(words->pdata[words->len - 1], cases[i].last);
    }
}
