/* Images that keep moments of a disk: snapshots inside of qcow2 images, overlays, and what becomes of them.
 * By qemu-img, for images that no QEMU has open: its locks are the second line, who needs them the caller
 * knows.
 *
 * All calls run in a fiber and wait, for as long as the storage answers (tool.h). Paths are absolute, formats
 * those of QEMU's drivers. Failures name the image. ERROR_REFUSED: what qemu-img says. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/tool.h"

/* One image of a chain. */
typedef struct ImageLayer {
    char *path;         /* NULL: it is no file or block device of this host, and the last that is known */
    const char *format; /* static */
    bool is_block;
    bool is_broken;       /* marked corrupt by QEMU */
    GPtrArray *snapshots; /* of char *: names of those inside of it; with ids at the same place in ... */
    GPtrArray *snapshot_ids;
    GPtrArray *bitmaps; /* of char *: names of those inside of it */
    uint64_t virtual_bytes, allocated_bytes;
} ImageLayer;
/* The image and what is below it, top first; ImageLayer, owned. @format NULL: raw. Chains that are damaged or
 * cannot be followed are errors as of image_chain_read(). */
AWAITS MUST_CHECK bool image_layers_read(const char *path, const char *format, GPtrArray **ret_layers,
                                         Error **err);
bool image_layer_has(const ImageLayer *layer, const char *snapshot);

typedef enum ImageMoment { IMAGE_MOMENT_MAKE, IMAGE_MOMENT_APPLY, IMAGE_MOMENT_REMOVE } ImageMoment;
/* Of the qcow2 image @path: makes the snapshot @name, brings the image back to it, or removes it. One that is
 * to be removed and is not there is removed already.
 * ERROR_OPERATION_FAILED: there is no such snapshot; for MAKE: there is one */
AWAITS MUST_CHECK bool image_moment_do(const char *path, ImageMoment what, const char *name, Error **err);

/* Makes the empty image @path (0600, new; a block device is overwritten) on top of @base.
 * @size_bytes 0: that of @base, which must not be open for writing elsewhere.
 * ERROR_SYSTEM: EEXIST, ENOSPC and the like */
AWAITS MUST_CHECK bool image_overlay_make(const char *path, const char *format, bool is_block,
                                          const char *base, const char *base_format, uint64_t size_bytes,
                                          Error **err);
/* What is in the image goes into the one below it, which gets the names of its bitmaps, too, if it can have
 * some; the image itself stays, and reads the same. */
AWAITS MUST_CHECK bool image_commit_down(const char *path, const char *format,
                                         void (*on_progress)(void *arg, unsigned per_mille), void *arg,
                                         Error **err);
/* Of a qcow2 image: a backup says then that it is due in full. */
AWAITS MUST_CHECK bool image_forget_bitmaps(const char *path, Error **err);
/* The header names another base, which has the same content. */
AWAITS MUST_CHECK bool image_name_base(const char *path, const char *format, const char *base,
                                       const char *base_format, Error **err);
/* qemu-img 7.2 that repairs an image with bitmaps and with snapshots inside forgets the snapshots: it writes
 * the header before it has read their table. false: it has both. */
AWAITS bool image_is_mendable(const char *path, const char *format);
/* ERROR_OPERATION_FAILED: the tables of the image are damaged. Nobody may be writing to it. */
AWAITS MUST_CHECK bool image_require_sound(const char *path, const char *format, Error **err);
/* Gives back what a qemu-img that was killed has left of the qcow2 image without use. */
AWAITS MUST_CHECK bool image_mend_leaks(const char *path, Error **err);
/* A qcow2 image @to, new, that reads as @from does now, and has what is below @from (@base, NULL: nothing)
 * below itself. */
AWAITS MUST_CHECK bool image_copy_top(const char *from, const char *format, const char *base,
                                      const char *base_format, const char *to,
                                      void (*on_progress)(void *arg, unsigned per_mille), void *arg,
                                      Error **err);
/* Is there anything at @path? *ret_is_block: a block device. ERROR_TIMEOUT: the storage does not answer */
AWAITS MUST_CHECK bool image_is_there(const char *path, bool *ret_exists, bool *ret_is_block, Error **err);
/* Free bytes of the file system that @path lies on; UINT64_MAX: not known. */
AWAITS uint64_t image_free_bytes(const char *path);
