/* Sizes of disk images for statistics: fresh if the storage answers at once, else the last known ones.
 *
 * There may be thousands of images, and looking at one may take for ever. Those of one mount are looked at by
 * a worker, many in one go; whoever asks waits a moment only and takes what has come by then. A look that
 * takes longer brings its results for the next one, and the image that holds it up is left alone until it
 * answers. At any time one look at an image serves all who ask. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host.h"
#include "storage/probe.h"

typedef struct ImageSizes ImageSizes;

ImageSizes *image_sizes_new(void);
void image_sizes_free(ImageSizes *sizes);

/* What one caller wants to know. */
typedef struct ImageRequest ImageRequest;
ImageRequest *image_request_new(ImageSizes *sizes);
void image_request_free(ImageRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageRequest, image_request_free)
/* @format as storage_probe(). */
void image_request_add(ImageRequest *request, const char *path, StorageFormat format);
/* Looks at all that were added; waits until @deadline_ms (loop_now_ms()) at most. A look itself may take
 * @look_timeout_ms. */
AWAITS void image_request_run(ImageRequest *request, uint64_t deadline_ms, uint64_t look_timeout_ms);
/* The last that is known of @path; false: nothing. Quick in the order in which they were added. *ret_info has
 * no strings that the caller would own. */
bool image_request_find(ImageRequest *request, const char *path, StorageInfo *ret_info);

/* The last look at @path found that it cannot be read: somebody else may know more. */
bool image_sizes_failed(const ImageSizes *sizes, const char *path);

/* Forgets what nobody asked for since the last call of this. */
void image_sizes_sweep(ImageSizes *sizes);
