/* Disks whose changes are forgotten: the machine writes into an overlay beside the image, which goes when the
 * machine stops. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/trail.h"
#include "conf/domain_def.h"

/* Makes the overlay IMAGE.TRANSIENT-MACHINE of @capacity_bytes; what a stopped host left of an earlier one is
 * replaced. @disk then has it as its source, and what it had below. *ret_id: what was made.
 *
 * ERROR_CONFIG_UNSUPPORTED  the image is encrypted: the overlay would not be
 * ERROR_OPERATION_FAILED    what qemu-img says
 * ERROR_SYSTEM, ERROR_TIMEOUT */
AWAITS MUST_CHECK bool transient_make(DiskDef *disk, const char *machine, uint64_t capacity_bytes,
                                      uint64_t timeout_ms, FileId *ret_id, Error **err);
/* Removes the overlays of @live; what fails is logged. */
AWAITS void transient_remove(const DomainDef *live, uint64_t timeout_ms);
bool domain_has_transient(const DomainDef *def);
