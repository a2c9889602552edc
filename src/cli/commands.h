/* The tables of commands, one per file, each with an empty row at its end; and look-ups in all of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/command.h"

extern const CliCommand commands_backup[];
extern const CliCommand commands_list[];
extern const CliCommand commands_backup_schedule[];
extern const CliCommand commands_repository[];
extern const CliCommand commands_life[];
extern const CliCommand commands_define[];
extern const CliCommand commands_drain[];
extern const CliCommand commands_migrate[];
extern const CliCommand commands_save[];
extern const CliCommand commands_image[];
extern const CliCommand commands_disk[];
extern const CliCommand commands_copy[];
extern const CliCommand commands_exec[];
extern const CliCommand commands_block[];
extern const CliCommand commands_grow[];
extern const CliCommand commands_info[];
extern const CliCommand commands_nic[];
extern const CliCommand commands_more[];
extern const CliCommand commands_device[];
extern const CliCommand commands_drive[];
extern const CliCommand commands_sev[];
extern const CliCommand commands_stats[];
extern const CliCommand commands_vcpu[];
extern const CliCommand commands_tune[];
extern const CliCommand commands_thread[];
extern const CliCommand commands_top[];
extern const CliCommand commands_console[];
extern const CliCommand commands_agent[];
extern const CliCommand commands_event[];
extern const CliCommand commands_host[];
extern const CliCommand commands_cpu[];
extern const CliCommand commands_object[];
extern const CliCommand commands_snapshot[];
extern const CliCommand commands_class[];
extern const CliCommand commands_volume[];
extern const CliCommand commands_lodge[];
extern const CliCommand commands_network[];
extern const CliCommand commands_firewall[];
extern const CliCommand commands_web[];
extern const CliCommand commands_interface[];
extern const CliCommand commands_doctor[];
extern const CliCommand commands_shell[];
const CliCommand *commands_install(void);
extern const CliCommand commands_library[];
extern const CliCommand commands_run[];
extern const CliCommand commands_ssh[];
extern const CliCommand commands_cloud_init[];
extern const CliCommand commands_clone[];
extern const CliCommand commands_import[];
extern const CliCommand commands_export[];
extern const CliCommand commands_apply[];
extern const CliCommand commands_remote[];
extern const CliCommand commands_host_machines[];
const CliCommand *commands_later(void);

/* ---- all of them, in the order of the help ---- */

unsigned command_count(void);
const CliCommand *command_at(unsigned index);
/* The shape of what -o json prints; owned. */
char *command_json_shape(const CliCommand *command);
/* By name or alias; NULL. */
const CliCommand *command_find(const char *name);
/* The closest names to a mistyped one, at most @max. Owned (g_strfreev), maybe empty. */
char **command_suggest(const char *wrong, unsigned max);
