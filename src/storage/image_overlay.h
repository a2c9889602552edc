/* Empty qcow2 images on top of another one, made without a child process: where memory is written after it,
 * or a machine is to go on, that costs more than the image. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Is it one that can be made here? Otherwise it is qemu-img's. */
bool overlay_is_plain(const char *format, const char *base, uint64_t size_bytes);
/* Fills the new, empty file @fd (duplicated) as `qemu-img create -u` would, and flushes it. @path is for
 * messages and for who waits. ERROR_SYSTEM: ENOSPC and the like; ERROR_TIMEOUT */
AWAITS MUST_CHECK bool overlay_write(int fd, const char *path, const char *base, const char *base_format,
                                     uint64_t size_bytes, Error **err);
