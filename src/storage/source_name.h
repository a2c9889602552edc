/* Where a name that stands in an image leads: a path, a URL, QEMU's older "nbd:host:port", or a "json:" text.
 *
 * The text comes out of an image, so whoever could write the image wrote it. It is only translated; what is
 * not understood to the last option is refused by its name rather than followed in part. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "conf/domain_def.h"

/* Translates @name, which the image @above (borrowed) gives for another image.
 *
 * A relative path starts at the folder in which @above lies by its path; @above must then be a local file
 * (NULL: relative paths are refused). *ret_source is owned (source_free()): a STORAGE_FILE with an absolute
 * path, or a STORAGE_NETWORK. Its format is ABSENT, unless the name is a "json:" text that says one; then
 * *ret_format is that name as it stands there (owned), else NULL.
 *
 * ERROR_OPERATION_UNSUPPORTED  a protocol, driver or option that is not followed; the message names it
 * ERROR_OPERATION_FAILED       not even that: no JSON, no URL, a part is missing */
MUST_CHECK bool source_from_name(const char *name, const StorageSource *above, StorageSource **ret_source,
                                 char **ret_format, Error **err);

StorageSource *source_new(StorageType type);
/* With all that is below it. NULL does nothing. */
void source_free(StorageSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StorageSource, source_free)

/* @name for a message: printable UTF-8, shortened. Owned. */
char *name_for_message(const char *name);
