/* The interactive shell. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cli.h"

int cli_shell(Cli *cli)
{
    return 0;
}
