/* Writing images: always by qemu-img, except for what is plain bytes. For the operations of volumes.
 *
 * All calls run in a fiber and wait: for a worker in the lane of the path or for a child process. Cancelled
 * or late, the child is ended and the error says so; what was written so far is the caller's to remove, so he
 * writes to a temporary name. Passphrases come from secrets and never stand in arguments. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/volume.h"
#include "core/host.h"

/* What is copied into a new image. */
typedef struct ImageInput {
    const char *path;
    const char *format;                 /* as VolumeTarget.format */
    const VolumeEncryption *encryption; /* NULL: none */
    uint64_t capacity_bytes;
} ImageInput;

/* Makes the file @path, new, as @def says (format, capacity, allocation, backing, compat, cluster size,
 * features, encryption, nocow); @from: with that content, as reflink or with its holes. A block device at
 * @path is filled
 * (@from) or left alone. @flags: virStorageVolCreateFlags. Nothing is said about the owner:
 * image_set_owner().
 *
 * ERROR_CONFIG_UNSUPPORTED     the format cannot be made, or not with that
 * ERROR_INVALID_ARGUMENT       reflink asked for and not possible
 * ERROR_SYSTEM                 ENOSPC and the like, naming path
 * ERROR_REFUSED                what qemu-img says */
AWAITS MUST_CHECK bool image_make(Host *host, const VolumeDef *def, const char *path, const ImageInput *from,
                                  unsigned flags, Error **err);
/* Owner, group, mode as @def asks for (default: the daemon's own, 0600), by descriptor. */
AWAITS MUST_CHECK bool image_set_owner(const VolumeDef *def, const char *path, mode_t default_mode,
                                       Error **err);
/* @def: of the image, its capacity that of now. @flags: virStorageVolResizeFlags; allocate of raw only. */
AWAITS MUST_CHECK bool image_resize(Host *host, const VolumeDef *def, uint64_t capacity_bytes, unsigned flags,
                                    Error **err);
/* Copies what @from_fd holds (to its end) to @to_fd: as a reflink, else by copy_file_range(), else by bytes;
 * holes stay holes. The descriptors are borrowed, both names only for messages and lanes. ERROR_SYSTEM naming
 * the one that failed. */
AWAITS MUST_CHECK bool image_copy_bytes(int from_fd, const char *from_name, int to_fd, const char *to_name,
                                        bool reflink_only, Error **err);
/* Overwrites the file or device @path (@allocation_bytes of it; a sparse file becomes one hole again).
 * @algorithm: virStorageVolWipeAlgorithm. ERROR_ARGUMENT_UNSUPPORTED: trim; needs scrub: ERROR_SYSTEM with
 * hint */
AWAITS MUST_CHECK bool image_wipe(const char *path, uint64_t allocation_bytes, int algorithm, Error **err);
