/* Who needs an image: machines that have it in a chain of theirs, and images that are based on it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/enum.h"
#include "core/host.h"

typedef enum ImageUserKind {
    IMAGE_USER_RUNNING, /* a machine that runs */
    IMAGE_USER_MACHINE, /* one that does not, or that will use it when it starts again */
    IMAGE_USER_OVERLAY, /* a volume that is based on it, or has its data in it */
    IMAGE_USER_COUNT
} ImageUserKind;
extern const EnumNames image_user_kind_names; /* as the protocol has them */

typedef struct ImageUser {
    ImageUserKind kind;
    char *name; /* of the machine; "POOL/VOLUME" */
    char *path; /* of the volume; NULL: a machine */
} ImageUser;

/* All that need the image @path, directly or because they are based on what does: ImageUser, running machines
 * first; owned. Paths that are spelled otherwise but lead to the same file count, if their storage answers
 * within half a second. What lies in pools that are not active is not known.
 *
 * @running_only  nothing but machines that run
 * @except        the path of a volume that does not count; NULL: all do */
AWAITS GPtrArray *image_list_users(Host *host, const char *path, bool running_only, const char *except);
/* Something new takes the place of what is at @path, if anything is: ERROR_OPERATION_FAILED names who needs
 * that. QEMU's locks tell of machines that run, this of all others, and of files that are replaced. */
AWAITS MUST_CHECK bool image_users_require_none(Host *host, const char *path, Error **err);
/* "running machine 'web', volume 'over' of pool 'p'"; owned. */
char *image_users_describe(const GPtrArray *users);
char *image_user_describe(const ImageUser *user);

/* Takes those out of @volumes (Volume, references) that a machine or a volume needs, or that are gone. */
AWAITS void image_users_drop_needed(Host *host, GPtrArray *volumes);
