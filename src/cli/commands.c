/* The list of all commands, gathered from the tables of the cmd_*.c files, and look-ups in it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"

#include <string.h>

#include "cli/class.h"
#include "install/words.h"

static const CliCommand *const command_tables[] = {
    commands_list,
    commands_life,
    commands_define,
    commands_console,
    commands_info,
    commands_device,
    commands_stats,
    commands_sev,
    commands_vcpu,
    commands_tune,
    commands_thread,
    commands_top,
    commands_save,
    commands_migrate,
    commands_drain,
    commands_agent,
    commands_event,
    commands_host,
    commands_cpu,
    commands_lodge,
    commands_doctor,
    commands_shell,
    commands_object,
    commands_class,
    commands_volume,
    commands_image,
    commands_disk,
    commands_copy,
    commands_exec,
    commands_block,
    commands_grow,
    commands_network,
    commands_interface,
    commands_nic,
    commands_more,
    commands_firewall,
    commands_web,
    commands_drive,
    commands_backup,
    commands_backup_schedule,
    commands_repository,
    commands_snapshot,
    commands_run,
    commands_library,
    commands_ssh,
    commands_cloud_init,
    commands_clone,
    commands_import,
    commands_export,
    commands_apply,
    commands_remote,
    commands_host_machines,
    NULL,
};

/* Filled once: rows of a group together, in the order of their tables. */
static const CliCommand *sorted[512];
static unsigned n_sorted;

static void sort_table(const CliCommand *table, unsigned group)
{
    for (const CliCommand *c = table; c->name; c++) {
        if (c->group == group) {
            g_assert(n_sorted < G_N_ELEMENTS(sorted));
            sorted[n_sorted++] = c;
        }
    }
}

static void sort_commands(void)
{
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        sort_table(class_commands(), group);
        for (const CliCommand *const *table = command_tables; *table; table++)
            sort_table(*table, group);
        sort_table(commands_install(), group);
        sort_table(commands_later(), group);
    }
}

unsigned command_count(void)
{
    if (!n_sorted)
        sort_commands();
    return n_sorted;
}

const CliCommand *command_at(unsigned index)
{
    return index < command_count() ? sorted[index] : NULL;
}

const CliCommand *command_find(const char *name)
{
    for (unsigned i = 0; i < command_count(); i++) {
        if (strcmp(sorted[i]->name, name) == 0 || (sorted[i]->alias && strcmp(sorted[i]->alias, name) == 0))
            return sorted[i];
    }
    return NULL;
}

/* What people type who come from other tools. */
static const struct {
    const char *word;
    const char *commands;
} foreign[] = {
    { "ls", "list" },
    { "ps", "list" },
    { "stop", "shutdown destroy" },
    { "kill", "destroy" },
    { "rm", "undefine" },
    { "remove", "undefine" },
    { "delete", "undefine" },
    { "info", "dominfo" },
    { "inspect", "dumpxml dominfo" },
    { "show", "dominfo" },
    { "scp", "cp" },
    { "attach", "console attach-device" },
    { "pause", "suspend" },
    { "unpause", "resume" },
    { "continue", "resume" },
    { "restart", "reboot" },
    { "halt", "shutdown" },
    { "poweroff", "shutdown" },
    { "launch", "run create start" },
    { "enable", "autostart" },
    { "rename", "domrename" },
    { "mv", "domrename" },
    { "stats", "domstats" },
    { "top", "domstats" },
    { "logs", "console" },
    { "images", "image-list vol-list" },
    { "vms", "list" },
    { "volumes", "vol-list" },
    { "networks", "net-list" },
    { "pools", "pool-list" },
    { "snapshot", "snapshot-create-as" },
};

char **command_suggest(const char *wrong, unsigned max)
{
    GPtrArray *found = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(foreign); i++) {
        g_auto(GStrv) words = g_strsplit(foreign[i].commands, " ", -1);
        for (char **word = words; strcmp(foreign[i].word, wrong) == 0 && *word && found->len < max; word++)
            g_ptr_array_add(found, g_strdup(*word));
    }
    if (found->len) {
        g_ptr_array_add(found, NULL);
        return (char **)g_ptr_array_free(found, FALSE);
    }
    for (unsigned distance = 1; distance <= word_distance_limit(wrong); distance++) {
        for (unsigned i = 0; i < command_count() && found->len < max; i++) {
            if (!(sorted[i]->flags & (CLI_SECRET | CLI_LATER)) &&
                word_distance(sorted[i]->name, wrong) == distance)
                g_ptr_array_add(found, g_strdup(sorted[i]->name));
        }
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, FALSE);
}

static const char *fact_type(const CliFact *fact)
{
    if (fact->kind == FACT_SIZE || fact->kind == FACT_TIME)
        return "number";
    return fact->kind == FACT_ASK && strcmp(fact->words, "no yes") == 0 ? "boolean" : "string";
}

/* {"name": string, ...}: each key once. */
static void add_facts(GString *out, const CliFact *facts, unsigned where)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_string_append_c(out, '{');
    for (const CliFact *fact = facts; fact->label; fact++) {
        if (fact->where & where && g_hash_table_add(seen, (char *)fact->key))
            g_string_append_printf(out, "%s\"%s\": %s", g_hash_table_size(seen) > 1 ? ", " : "", fact->key,
                                   fact_type(fact));
    }
    g_string_append_c(out, '}');
}

static void add_columns(GString *out, const CliColumn *columns)
{
    for (const CliColumn *c = columns; c->key; c++)
        g_string_append_printf(out, "%s\"%s\": %s", c == columns ? "{" : ", ", c->key,
                               c->shape ? c->shape : "string");
    g_string_append_c(out, '}');
}

char *command_json_shape(const CliCommand *command)
{
    if (command->json)
        return g_strdup(command->json);
    if (command->show)
        return g_strdup_printf("{\"%s\": string}",
                               strchr(command->show, ':') ? strchr(command->show, ':') + 1 : command->show);
    if (!command->facts && !command->columns)
        return g_strdup(command->done || command->run ? "{\"message\": string}" : "none");
    bool list = command_is_list(command);
    GString *out = g_string_new(list ? "[" : "");
    if (command->columns)
        add_columns(out, command->columns);
    else
        add_facts(out, command->facts, list ? IN_LIST | IN_LIST_JSON : IN_INFO);
    g_string_append(out, list ? "]" : "");
    return g_string_free(out, FALSE);
}
