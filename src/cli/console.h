/* The console of a domain on this terminal. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* Until the user presses the escape key, the guest closes it or input ends. @device NULL: the first console.
 * @flags: VIR_DOMAIN_CONSOLE_... */
AWAITS MUST_CHECK bool console_run(Cli *cli, const WireDomain *dom, const char *device, unsigned flags,
                                   Error **err);
