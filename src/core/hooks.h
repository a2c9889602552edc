/* Hook scripts of the administrator. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "core/types.h"

/* Runs hooks/DRIVER and hooks/DRIVER.d/(*) as "DRIVER OBJECT OPERATION SUBOPERATION EXTRA", @input (NULL:
 * none) on stdin. *ret_output (NULL: not wanted) gets what the last one printed. No script: success at once.
 * ERROR_HOOK_FAILED when one fails or does not end in time. */
AWAITS MUST_CHECK bool hook_run(Host *host, const char *driver, const char *object, const char *operation,
                                const char *suboperation, const char *extra, const char *input,
                                char **ret_output, Error **err);
bool hook_is_present(Host *host, const char *driver);
