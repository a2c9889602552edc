/* The command table keeps its own rules, and names what it must. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "cli/args.h"
#include "cli/class.h"
#include "cli/commands.h"
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
        check(c->run || c->proc || c->show);
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
        g_auto(GStrv) close = command_suggest(cases[i].wrong, 3);
        check_case(cases[i].wrong);
        check(g_strv_contains((const char *const *)close, cases[i].right));
    }
    g_auto(GStrv) option = option_suggest(command_find("start"), "paussed", 1);
    check_str(option[0], "paused");
    g_auto(GStrv) none = command_suggest("completely-different", 3);
    check(none[0] == NULL);
}

TEST(synopses_show_what_is_required)
{
    g_autofree char *start = help_synopsis(command_find("start"));
    check_contains(start, "start <domain>... [--console]");
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

TEST(words_of_other_tools_are_understood)
{
    static const struct {
        const char *word, *command;
    } cases[] = { { "ls", "list" },      { "ps", "list" }, { "stop", "destroy" }, { "rm", "undefine" },
                  { "info", "dominfo" }, { "scp", "cp" },  { "pause", "suspend" } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) close = command_suggest(cases[i].word, 3);
        check_case(cases[i].word);
        check(g_strv_contains((const char *const *)close, cases[i].command));
        for (char **name = close; *name; name++)
            check(command_find(*name) && !(command_find(*name)->flags & CLI_LATER));
    }
}

/* ---- rows name what the protocol has ---- */

static const WireProc *proc_of(const CliCommand *c, int32_t number)
{
    return number ? wire_proc_find(wire_program_find(c->program ? c->program : WIRE_PROGRAM_REMOTE), number)
                  : NULL;
}

static bool has_member(const CliCommand *c, const char *member)
{
    const int32_t numbers[] = { c->proc, c->plain, c->with_fds, c->store };
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        const WireProc *proc = proc_of(c, numbers[i]);
        if (proc && wire_field_find(proc->args, member))
            return true;
    }
    return false;
}

TEST(options_of_rows_fill_members_that_are_there)
{
    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *c = command_at(i);
        for (const CliOption *o = c->options; o && o->name; o++) {
            g_autofree char *what = g_strdup_printf("%s --%s", c->name, o->name);
            check_case(what);
            check(!o->arg || !c->proc || has_member(c, o->arg) || has_member(c, "params"));
            check(!o->flag || !c->proc || c->run || has_member(c, "flags"));
            check(!(o->flags & (CLI_ONE_OF | CLI_LIST_OF)) || o->words);
            check(!(o->flags & CLI_EACH) || o->flags & CLI_MANY);
        }
    }
}

TEST(what_rows_print_is_in_the_answer)
{
    for (unsigned i = 0; i < command_count(); i++) {
        const CliCommand *c = command_at(i);
        if (!c->show || strchr(c->show, '{'))
            continue;
        const CliClass *class = c->class ? c->class : &class_domain;
        const WireProc *proc = proc_of(c, c->proc);
        g_autofree char *member = g_strndup(c->show, strcspn(c->show, ":"));
        check_case(c->name);
        check((proc && wire_field_find(proc->ret, member)) || wire_field_find(class->handle, member));
    }
}

/* A new class is a row: all that its commands need must follow from it. */
TEST(classes_are_whole)
{
    for (const CliClass *const *at = cli_classes; *at; at++) {
        const CliClass *class = *at;
        check_case(class->option);
        check(wire_field_find(class->handle, class->name) != NULL);
        check(class_of_handle(class->handle) == class);
        check(class->lookups[0].proc != 0);
        for (const CliLookup *how = class->lookups; how->proc && how < class->lookups + 4; how++) {
            const WireProc *proc = wire_proc_find(wire_program_find(WIRE_PROGRAM_REMOTE), how->proc);
            check(wire_field_find(proc->args, how->member) != NULL);
            check_eq(wire_fields[wire_types[proc->ret].first_field].type, class->handle);
        }
        for (const CliFact *fact = class->facts; fact && fact->label; fact++) {
            const WireProgram *program =
                wire_program_find(fact->program ? fact->program : WIRE_PROGRAM_REMOTE);
            const WireProc *proc = wire_proc_find(program, fact->proc);
            g_autofree char *what = g_strdup_printf("%s: %s", class->option, fact->label);
            check_case(what);
            if (fact->kind == FACT_MEMBER)
                check(wire_field_find(class->handle, fact->member) != NULL);
            else if (fact->proc)
                check(wire_field_find(proc->ret, fact->member) != NULL);
            else
                check(fact->kind == FACT_USAGE || class->get_xml);
            check(fact->kind != FACT_ASK || fact->words);
        }
        check(!class->events || (class->procs[VERB_EVENT] && class->event_end));
        check(!class->procs[VERB_EDIT] || class->get_xml);
    }
    static const char *const names[] = { "net-event",       "pool-event",    "nodedev-event", "secret-event",
                                         "iface-edit",      "net-define",    "pool-undefine", "nwfilter-edit",
                                         "vol-info",        "snapshot-info", "iface-list",    "nodedev-start",
                                         "checkpoint-list", "net-port-list" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        check_case(names[i]);
        check(command_find(names[i]) && !(command_find(names[i])->flags & CLI_LATER));
    }
}

TEST(shapes_of_json_follow_from_the_columns)
{
    static const struct {
        const char *command, *shape;
    } cases[] = {
        { "net-list",
          "[{\"name\": string, \"state\": string, \"autostart\": boolean, \"persistent\": boolean, "
          "\"uuid\": string}]" },
        { "net-dumpxml", "{\"xml\": string}" },
        { "vol-path", "{\"path\": string}" },
        { "start", "{\"message\": string}" },
        { "inject-nmi", "none" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *shape = command_json_shape(command_find(cases[i].command));
        check_case(cases[i].command);
        check_str(shape, cases[i].shape);
    }
    check(command_is_list(command_find("list")));
    check(command_is_list(command_find("pool-list")));
    check(!command_is_list(command_find("nodedev-list")));
    check(!command_is_list(command_find("dominfo")));
}
