/* Programs of other packages that Lodge asks to do something: nft, ovs-vsctl, firewall-cmd ... */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* Is it installed? */
bool program_is_there(const char *name);
/* Runs it to its end. @package: what to install where there is none. @input: what it reads, NULL: nothing.
 * *ret_output (NULL: not wanted): what it printed, owned.
 *
 * ERROR_SYSTEM with a hint: there is none; ERROR_INTERNAL: what it says; ERROR_TIMEOUT */
AWAITS MUST_CHECK bool program_run(const char *name, const char *package, const char *const *arguments,
                                   const char *input, char **ret_output, Error **err);
#define PROGRAM_ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
/* Was it lately, or is it, the process of a program_run()? */
bool program_was_ours(uint32_t pid);
