/* A guest that goes on in another machine is told who it is now. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

#define IDENTITY_CHANNEL "org.qemu.guest_agent.0" /* of a machine whose guest can be told */

/* Host name, machine-id, host keys and what leases go by become new in the guest of @dom, by its agent; with
 * @has_seed cloud-init does all of it again. *ret_told false: it has no agent that listens.
 *
 * ERROR_OPERATION_FAILED: not all of it could be done; ERROR_TIMEOUT */
AWAITS MUST_CHECK bool identity_tell(Cli *cli, const WireDomain *dom, const char *hostname, bool has_seed,
                                     bool *ret_told, Error **err);
