/* Headers of tus 1.0. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The value of @key in "key base64,key base64,...", decoded; owned. NULL: it is not there, or no text. */
char *tus_metadata(const char *header, const char *key);
