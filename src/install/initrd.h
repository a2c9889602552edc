/* Files that are added to the initrd of an installer. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"

/* Appends an archive with the content of @file to the initrd: a kernel unpacks one after the other. It is in
 * the root as @name (NULL: the file's own name). */
MUST_CHECK bool initrd_inject(const char *initrd, const char *file, const char *name, Error **err);
/* The same of a text. */
MUST_CHECK bool initrd_inject_text(const char *initrd, const char *name, const char *text, size_t len,
                                   Error **err);
