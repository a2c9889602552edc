/* All tables of commands. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"

const CliCommand *const command_tables[] = {
    commands_list,       commands_life,
    commands_define,     commands_console,
    commands_info,       commands_device,
    commands_stats,      commands_vcpu,
    commands_tune,       commands_thread,
    commands_top,        commands_save,
    commands_agent,      commands_event,
    commands_host,       commands_cpu,
    commands_lodge,      commands_doctor,
    commands_shell,      commands_object,
    commands_class,      commands_volume,
    commands_image,      commands_disk,
    commands_copy,       commands_exec,
    commands_block,      commands_grow,
    commands_network,    commands_interface,
    commands_nic,        commands_more,
    commands_firewall,   commands_drive,
    commands_backup,     commands_backup_schedule,
    commands_repository, commands_snapshot,
    commands_run,        commands_library,
    commands_ssh,        commands_cloud_init,
    commands_clone,      commands_import,
    commands_export,     NULL,
};
