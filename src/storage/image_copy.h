/* Moving plain bytes between files and devices, piece by piece in workers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/worker.h"

#define IMAGE_PIECE_BYTES ((uint64_t)64 << 20) /* at most in one go of a worker */
#define IMAGE_PIECE_MS 30000                   /* its deadline */

/* Copies what @from_fd holds (to its end) to @to_fd: as a reflink, else by copy_file_range(), else by bytes.
 * @to_fd is a new file (all of which is a hole or reads as zeros) and gets at least that length, or a device.
 * Holes and, of devices and where bytes have to be read, blocks of zeros stay holes in a file. The
 * descriptors are borrowed, both names only for messages and lanes. ERROR_SYSTEM naming the one that failed;
 * ERROR_TIMEOUT when a piece takes too long. */
AWAITS MUST_CHECK bool image_copy_bytes(int from_fd, const char *from_name, int to_fd, const char *to_name,
                                        bool reflink_only, Error **err);
/* The same for what lies beyond @start_bytes, as bytes. */
AWAITS MUST_CHECK bool image_copy_tail(int from_fd, const char *from_name, int to_fd, const char *to_name,
                                       uint64_t start_bytes, Error **err);
/* Makes the first @bytes of a file real: what is a hole becomes zeros that take space; it grows if it is
 * shorter. "cannot allocate N bytes in file '...'" */
AWAITS MUST_CHECK bool image_allocate_bytes(int fd, const char *name, uint64_t bytes, Error **err);
/* Writes zeros over the first @bytes, and waits until they are on the device. */
AWAITS MUST_CHECK bool image_zero_bytes(int fd, const char *name, uint64_t bytes, Error **err);

/* Length of a file or device; blocks. */
MUST_CHECK bool image_fd_size(int fd, uint64_t *ret_bytes);
/* The lane for work that touches both paths: their common one, or one of its own that holds up neither. */
WorkerLane *image_lane_of(const char *from_name, const char *to_name);
