/* The firmware images of this host, as their packages describe them (QEMU's docs/interop/firmware.json: one
 * JSON file per image in /etc/qemu/firmware and /usr/share/qemu/firmware; a file in the former masks one of
 * the same name). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* All descriptors that can be read, in the order in which they are to be tried, each reduced to
 *   {"file", "executable", "format", "nvram", "uefi": bool, "secure": bool, "targets": [{"arch", "machines":
 * []}]} Never NULL. AWAITS: reads files. Damaged ones are named in the log and left out. */
AWAITS Json *firmware_load(void);

/* Changes when a descriptor is added or removed. Caller owns. */
char *firmware_stamp(void);

/* Whether @firmware (one of the above) is for machine type @machine of @arch (QEMU's name). */
bool firmware_matches(const Json *firmware, const char *arch, const char *machine);
