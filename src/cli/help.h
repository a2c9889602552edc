/* Help made of the command table: the overview, one group, one command, and the manual page's part. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

void help_print_usage(FILE *out);
void help_print_overview(Cli *cli);
void help_print_group(Cli *cli, CliGroup group);
/* Commands whose names begin with @kind and '-', which are two words for people: "disk ls". */
bool help_has_family(const char *kind);
void help_print_family(Cli *cli, const char *kind);
void help_print_command(Cli *cli, const CliCommand *command);
/* roff for the section COMMANDS of lodge(1). */
void help_print_man(FILE *out);
/* "start DOMAIN [--paused] ..."; owned. */
char *help_synopsis(const CliCommand *command);
