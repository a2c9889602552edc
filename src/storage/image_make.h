/* Writing images: always by qemu-img, except for what is plain bytes. For the operations of volumes.
 *
 * All calls run in a fiber and wait: for a worker in the lane of the path or for a child process, each of
 * which ends when its storage has not answered for a while (tool.h, image_copy.h), so there is no deadline
 * for the whole. Passphrases come from secrets and never stand in arguments. Messages call a file by
 * def->target.path, whatever the name it has while it is made. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "conf/volume.h"
#include "core/host.h"
#include "storage/tool.h"

/* What is copied into a new image. */
typedef struct ImageInput {
    const char *path;
    const char *format;                 /* as VolumeTarget.format */
    const VolumeEncryption *encryption; /* NULL: none */
    uint64_t capacity_bytes;
    bool has_backing; /* it stands on another image */
} ImageInput;

/* Whether image_make() could make that, without looking at any file: for checks before anything is done.
 * Errors as there. */
MUST_CHECK bool image_check_def(const VolumeDef *def, const ImageInput *from, unsigned flags, Error **err);

/* Makes the file @path, new, as @def says (format, capacity, allocation, backing, compat, cluster size,
 * features, encryption, nocow); @from: with that content, as reflink or with its holes. What is not said:
 * raw, the capacity of @from or of what is below, all of it allocated (raw only). A block device at @path is
 * filled
 * (@from) or formatted; raw without @from, it is left alone. @flags: virStorageVolCreateFlags. Nothing is
 * said about the owner: image_set_owner(). After a failure there is no file.
 *
 * ERROR_CONFIG_UNSUPPORTED     the format cannot be made, or not with that
 * ERROR_INVALID_ARGUMENT       reflink of what qemu-img has to write
 * ERROR_SYSTEM                 ENOSPC, no reflinks here and the like, naming the path
 * ERROR_REFUSED                what qemu-img says */
AWAITS MUST_CHECK bool image_make(Host *host, const VolumeDef *def, const char *path, const ImageInput *from,
                                  unsigned flags, Error **err);
/* Owner, group, mode as @def asks for (default: the daemon's own, @default_mode), by descriptor. */
AWAITS MUST_CHECK bool image_set_owner(const VolumeDef *def, const char *path, mode_t default_mode,
                                       Error **err);
/* @def: of the image at its target.path, its capacity that of now. @flags: virStorageVolResizeFlags, of which
 * DELTA has been worked in; allocate of raw only. Rules about shrinking are the caller's.
 * ERROR_OPERATION_UNSUPPORTED: allocate of another format; else as image_make() */
AWAITS MUST_CHECK bool image_resize(Host *host, const VolumeDef *def, uint64_t capacity_bytes, unsigned flags,
                                    Error **err);
/* Overwrites all of the file or device @path; a sparse file becomes one hole again.
 * @algorithm: virStorageVolWipeAlgorithm.
 * ERROR_ARGUMENT_UNSUPPORTED: trim; ERROR_INVALID_ARGUMENT: none of them; ERROR_SYSTEM: also that scrub,
 * which does all but zeros, is missing */
AWAITS MUST_CHECK bool image_wipe(const char *path, int algorithm, Error **err);
/* The same for what only QEMU reaches: @options are those of its block driver, @tool (a new one; run here)
 * has the secrets that they name. Zeros, or trim where @may_trim. */
AWAITS MUST_CHECK bool image_wipe_remote(Tool *tool, const char *options, uint64_t size_bytes, int algorithm,
                                         bool may_trim, Error **err);

/* Opens @path in a worker as trail_open() does, or with O_CREAT as trail_create_new() does. ERROR_SYSTEM:
 * "WHAT 'PATH': ...", for @what "Unable to open" and the like. */
AWAITS MUST_CHECK bool image_open(const char *path, int flags, mode_t mode, const char *what, int *ret_fd,
                                  Error **err);
/* Removes what was made there, file or empty folder, in a worker; not cancelled. Failures are logged. */
AWAITS void image_unlink(const char *path);
