/* One row of a table of commands, and the groups that they come in. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include <string.h>

#include "install/words.h"

static const struct {
    const char *keyword;
    const char *title;
    bool unserved; /* lodged has none of them yet */
} groups[GROUP_COUNT] = {
    [GROUP_DOMAIN] = { "domain", "Domains" },
    [GROUP_MONITOR] = { "monitor", "Watching domains" },
    [GROUP_EVENTS] = { "events", "Events" },
    [GROUP_HOST] = { "host", "Host and hypervisor" },
    [GROUP_CHECKPOINT] = { "checkpoint", "Checkpoints" },
    [GROUP_INTERFACE] = { "interface", "Host interfaces" },
    [GROUP_FILTER] = { "filter", "Network filters" },
    [GROUP_NETWORK] = { "network", "Networks" },
    [GROUP_NODEDEV] = { "nodedev", "Host devices" },
    [GROUP_SECRET] = { "secret", "Secrets" },
    [GROUP_SNAPSHOT] = { "snapshot", "Snapshots" },
    [GROUP_BACKUP] = { "backup", "Backups" },
    [GROUP_POOL] = { "pool", "Storage pools" },
    [GROUP_VOLUME] = { "volume", "Storage volumes" },
    [GROUP_LODGE] = { "lodge", "Lodge's own" },
    [GROUP_SHELL] = { "shell", "The shell itself" },
};

const CliOption *command_find_option(const CliCommand *command, const char *name)
{
    for (const CliOption *o = command->options; o && o->name; o++) {
        if (strcmp(o->name, name) == 0)
            return o->same_as ? command_find_option(command, o->same_as) : o;
    }
    return NULL;
}

unsigned word_distance_limit(const char *wrong)
{
    return strlen(wrong) < 4 ? 1 : 2;
}

char **option_suggest(const CliCommand *command, const char *wrong, unsigned max)
{
    GPtrArray *found = g_ptr_array_new();
    for (unsigned distance = 1; distance <= word_distance_limit(wrong); distance++) {
        for (const CliOption *o = command->options; o && o->name && found->len < max; o++) {
            if (!(o->flags & CLI_HIDDEN) && word_distance(o->name, wrong) == distance)
                g_ptr_array_add(found, g_strdup(o->name));
        }
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, FALSE);
}

const char *group_keyword(CliGroup group)
{
    return groups[group].keyword;
}

const char *group_title(CliGroup group)
{
    return groups[group].title;
}

bool group_find(const char *keyword, CliGroup *ret_group)
{
    for (unsigned i = 0; i < GROUP_COUNT; i++) {
        /* virsh calls this group by its own name */
        if (strcmp(groups[i].keyword, keyword) == 0 || (i == GROUP_SHELL && strcmp(keyword, "virsh") == 0)) {
            *ret_group = (CliGroup)i;
            return true;
        }
    }
    return false;
}

bool command_is_served(const CliCommand *command)
{
    return !(command->flags & CLI_UNSERVED) && !groups[command->group].unserved;
}

bool command_is_list(const CliCommand *command)
{
    return command->json ? g_str_has_prefix(command->json, "[{")
                         : command->columns || (command->facts && command->flags & CLI_LISTS);
}

bool cli_format_find(const char *name, CliFormat *ret_format)
{
    g_auto(GStrv) names = g_strsplit(CLI_FORMATS, " ", -1);
    for (unsigned i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_format = (CliFormat)i;
            return true;
        }
    }
    return false;
}
