/* The command table keeps its own rules, and names what it must. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/args.h"
#include "cli/help.h"

TEST(rows_are_complete_and_named_once)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *c = command_at(i);
        check_case(c->name);
        check(g_hash_table_add(seen, (char *)c->name));
        check(command_find(c->name) == c);
        if (c->flags & CLI_LATER)
            continue;
        check(c->run != NULL);
        check(c->summary && *c->summary);
        check(!g_str_has_suffix(c->summary, "."));
        check(!c->doc || g_str_has_suffix(c->doc, "."));
    }
}

TEST(options_are_named_once_and_explained)
{
    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *c = command_at(i);
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        bool many = false;
        for (const CliOption *o = c->options; o && o->name; o++) {
            g_autofree char *what = g_strdup_printf("%s --%s", c->name, o->name);
            check_case(what);
            check(g_hash_table_add(seen, (char *)o->name));
            check(o->doc != NULL);
            check(o->same_as || *o->doc);
            check(!g_str_has_suffix(o->doc, "."));
            /* All words go to the first such option, so what follows it could never be reached. */
            check(!(many && (o->flags & CLI_MANY)));
            many = many || (o->flags & CLI_MANY);
            check(o->type != CLI_BOOL || !(o->flags & (CLI_REQUIRED | CLI_MANY)));
            /* What every command understands must not be taken. */
            check(strcmp(o->name, "help") != 0 && strcmp(o->name, "output") != 0 &&
                  strcmp(o->name, "quiet") != 0);
            check(o->short_name != 'h' && o->short_name != 'o' && o->short_name != 'q');
        }
    }
}

TEST(exclusive_sets_name_real_options)
{
    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *c = command_at(i);
        g_auto(GStrv) words = g_strsplit_set(c->exclusive ? c->exclusive : "", "; ", -1);
        for (char **word = words; *word; word++) {
            g_autofree char *what = g_strdup_printf("%s: %s", c->name, *word);
            check_case(what);
            check(!**word || command_find_option(c, *word));
        }
    }
}

TEST(commands_of_the_domain_life_cycle_are_there)
{
    static const char *const names[] = {
        "list",
        "define",
        "create",
        "undefine",
        "start",
        "shutdown",
        "reboot",
        "reset",
        "destroy",
        "suspend",
        "resume",
        "save",
        "restore",
        "save-image-dumpxml",
        "save-image-define",
        "save-image-edit",
        "managedsave",
        "managedsave-remove",
        "managedsave-dumpxml",
        "managedsave-define",
        "managedsave-edit",
        "dump",
        "dumpxml",
        "edit",
        "domrename",
        "domid",
        "domname",
        "domuuid",
        "domstate",
        "dominfo",
        "domcontrol",
        "autostart",
        "desc",
        "metadata",
        "console",
        "ttyconsole",
        "screenshot",
        "send-key",
        "inject-nmi",
        "setvcpus",
        "setmem",
        "setmaxmem",
        "vcpuinfo",
        "vcpucount",
        "vcpupin",
        "emulatorpin",
        "domblklist",
        "domiflist",
        "domblkinfo",
        "domblkstat",
        "domifstat",
        "dommemstat",
        "domblkerror",
        "domstats",
        "vncdisplay",
        "domdisplay",
        "event",
        "qemu-monitor-command",
        "qemu-monitor-event",
        "qemu-agent-command",
        "domxml-to-native",
        "numatune",
        "schedinfo",
        "memtune",
        "blkiotune",
        "domjobinfo",
        "domjobabort",
        "domtime",
        "domhostname",
        "dompmsuspend",
        "dompmwakeup",
        "capabilities",
        "domcapabilities",
        "cpu-models",
        "cpu-baseline",
        "cpu-compare",
        "hypervisor-cpu-baseline",
        "hypervisor-cpu-compare",
        "nodeinfo",
        "nodememstats",
        "nodecpustats",
        "nodecpumap",
        "freecell",
        "freepages",
        "sysinfo",
        "version",
        "uri",
        "hostname",
        "maxvcpus",
        "node-memory-tune",
        "cd",
        "pwd",
        "echo",
        "quit",
        "exit",
        "help",
        "connect",
        "jobs",
        "explain",
        "config",
        "status",
        "doctor",
        "completion",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        check_case(names[i]);
        const CliCommand *command = command_find(names[i]);
        check(command && !(command->flags & CLI_LATER));
    }
}

TEST(mistyped_names_get_suggestions)
{
    static const struct {
        const char *wrong, *right;
    } cases[] = {
        { "strat", "start" }, { "lsit", "list" }, { "dumpxm", "dumpxml" }, { "consol", "console" }
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) close = command_suggest(NULL, cases[i].wrong, 3);
        check_case(cases[i].wrong);
        check(g_strv_contains((const char *const *)close, cases[i].right));
    }
    g_auto(GStrv) option = command_suggest(command_find("start"), "paussed", 1);
    check_str(option[0], "paused");
    g_auto(GStrv) none = command_suggest(NULL, "completely-different", 3);
    check(none[0] == NULL);
}

TEST(synopses_show_what_is_required)
{
    g_autofree char *start = help_synopsis(command_find("start"));
    check_contains(start, "start <domain> [--console]");
    g_autofree char *keys = help_synopsis(command_find("send-key"));
    check_contains(keys, "<keycode>...");
    g_autofree char *stats = help_synopsis(command_find("domstats"));
    check_contains(stats, "[<domain>]...");
}

TEST(groups_are_found_by_keyword)
{
    CliGroup group = GROUP_COUNT;
    check(group_find("domain", &group));
    check_eq(group, GROUP_DOMAIN);
    check(group_find("virsh", &group)); /* what virsh calls its own */
    check_eq(group, GROUP_SHELL);
    check(!group_find("nosuch", &group));
}
