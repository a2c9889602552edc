/* Templates: machines that are kept in the library. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/clone.h"

/* Copies the disks of the original into the library, with all that a machine made from it needs.
 * ERROR_VOLUME_EXISTS: the library has something of that name */
AWAITS MUST_CHECK bool template_put(const CloneSource *source, const char *name, Error **err);
