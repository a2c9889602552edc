/* The firmware images of this host, as their packages describe them (QEMU's docs/interop/firmware.json: one
 * JSON file per image in /etc/qemu/firmware and /usr/share/qemu/firmware, for a session also in the user's
 * ~/.config/qemu/firmware; a file in an earlier folder masks one of the same name), and the choice among
 * them.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "conf/domain_def.h"

/* All descriptors that can be read, in the order in which they are to be tried, each reduced to
 *   {"file", "executable", "types": ["uefi"], "features": ["secure-boot", ...], "device", "mode", "format",
 *    "nvram", "nvram-format", "targets": [{"arch", "machines": []}]}
 * where what the descriptor does not say is left out. Never NULL. AWAITS: reads files. Damaged ones are named
 * in the log and left out. */
AWAITS Json *firmware_load(void);

/* Changes when a descriptor is added, removed or written. Caller owns. */
char *firmware_stamp(void);

/* Whether @firmware (one of the above) is for machine type @machine of @arch (QEMU's name). */
bool firmware_matches(const Json *firmware, const char *arch, const char *machine);
bool firmware_has_type(const Json *firmware, const char *name); /* "uefi", "bios" */
bool firmware_has_feature(const Json *firmware, const char *name);

/* Puts the first of @list (see firmware_load()) that does what <os firmware=> and its features ask in their
 * place: loader, template and path of the variables, SMM where the firmware needs it. Without <os firmware=>
 * nothing happens. The definition of a live machine only; what the user defined keeps the wish.
 *
 * ERROR_OPERATION_FAILED  no firmware fits
 * ERROR_INVALID_STATE     the one that fits needs SMM, which the definition switches off */
MUST_CHECK bool firmware_choose(const Json *list, DomainDef *def, const char *nvram_dir, Error **err);

/* The variables that @executable starts with; NULL: no descriptor has it. Borrowed. */
const char *firmware_find_template(const Json *list, const char *executable);

/* Where the variables of machine @name are if its definition does not say. Caller owns. */
char *firmware_nvram_path(const char *nvram_dir, const char *name);
