/* Work of the daemon on images, watched. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* Calls it with a token of its own and shows how far it is. @label: of the progress. */
AWAITS MUST_CHECK bool image_call(Cli *cli, const char *label, WireLodgeImageRunArgs *call,
                                  WireLodgeImageRunRet *ret, Error **err);
/* Makes the image @to (a path, or POOL/VOLUME) of @from. @format: of @from; NULL: what it looks like.
 * ERROR_OPERATION_FAILED: with qemu-img's words */
AWAITS MUST_CHECK bool image_convert(Cli *cli, const char *from, const char *format, const char *to,
                                     const char *to_format, Error **err);
