/* Who needs an image, and what it needs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host.h"

/* Refuses to @what ("resize") the image @path if a running machine uses it, alone or below another, or if a
 * volume is based on it (other than the one at @except; NULL: any). ERROR_INVALID_STATE naming them. By the
 * names of files: QEMU's locks are the second line. */
AWAITS MUST_CHECK bool image_guard_check(Host *host, const char *path, const char *except, const char *what,
                                         Error **err);
/* The file that the image @path is based on, owned; NULL: none, or it is no file. @format: of QEMU's driver.
 */
AWAITS MUST_CHECK bool image_guard_find_base(const char *path, const char *format, char **ret_base,
                                             Error **err);
/* Refuses what would make root read (@writes_base: write) for the owner of the image @path what he may not
 * himself: bases, and the files that its data lies in. storage_judge_named()'s errors.
 * ERROR_OPERATION_FAILED: also the chain's own, as image_chain_read() */
AWAITS MUST_CHECK bool image_guard_judge(Host *host, const char *path, const char *format, bool writes_base,
                                         Error **err);
/* The images of the chain, top first, that do not say which format their base has: ImageUnsaid, owned. Bases
 * are looked at, for people who want that. */
typedef struct ImageUnsaid {
    char *path, *base;                /* base: as the header spells it */
    const char *format, *base_format; /* of QEMU's drivers; base_format: what it looks like; borrowed */
} ImageUnsaid;
AWAITS MUST_CHECK bool image_guard_list_unsaid(const char *path, const char *format, GPtrArray **ret_list,
                                               Error **err);
/* The image and all below it as a JSON array, top first, with who uses each; owned. */
AWAITS MUST_CHECK bool image_guard_describe(Host *host, const char *path, const char *format, char **ret_json,
                                            Error **err);
