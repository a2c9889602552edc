/* Sizes of disk images for statistics: fresh if the storage answers at once, else the last known ones.
 *
 * Looking at a file may take for ever. So each look runs in a fiber of its own, at most one per file, and
 * whoever asks waits a moment only; a look that takes longer still brings its result for the next one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/vm_private.h"

ImageSizes *image_sizes_new(void);
void image_sizes_free(ImageSizes *sizes);

/* Waits until @deadline_ms (loop_now_ms()) at most. false: nothing is known about @path. @ret_info has no
 * strings that the caller would own. @format as storage_probe(). */
AWAITS bool image_sizes_get(ImageSizes *sizes, const char *path, StorageFormat format, uint64_t deadline_ms,
                            uint64_t probe_timeout_ms, StorageInfo *ret_info);
/* Forgets what nobody asked for since the last call of this. */
void image_sizes_sweep(ImageSizes *sizes);
