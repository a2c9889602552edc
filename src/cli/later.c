/* Commands that virsh has and lodge does not have yet: named, so that the answer is not "unknown command". */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"

static const struct {
    CliGroup group;
    const char *names;
} later[] = {
    { GROUP_DOMAIN, "qemu-attach" },
};

const CliCommand *commands_later(void)
{
    static GArray *commands;
    if (commands)
        return (const CliCommand *)(void *)commands->data;
    commands = g_array_new(TRUE, TRUE, sizeof(CliCommand));
    for (size_t i = 0; i < G_N_ELEMENTS(later); i++) {
        g_autofree char **names = g_strsplit(later[i].names, " ", -1); /* they live as long as the program */
        for (char **name = names; *name; name++) {
            CliCommand row = { .name = *name, .group = later[i].group, .flags = CLI_LATER };
            g_array_append_val(commands, row);
        }
    }
    return (const CliCommand *)(void *)commands->data;
}
