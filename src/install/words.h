/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "base/macros.h"

/* How many letters to insert, remove, replace or swap make one word of the other; UINT_MAX: words of more
 * than 40 letters. */
unsigned word_distance(const char *a, const char *b);

/* Appends XML; what the arguments say is escaped. */
PRINTF(2, 3) void markup_append(GString *xml, const char *format, ...);
