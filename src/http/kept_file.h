/* A JSON document of a part of the web that is written soon after it changed, whole, at most once a second;
 * also when the daemon ends. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"

typedef struct KeptFile KeptFile;

/* @format: what is to be kept, a new reference; it must not wait. @what: for messages: "counters". */
KeptFile *kept_file_new(char *path /* owned */, const char *what, Json *(*format)(void *arg), void *arg);
/* After all fibers have ended. NULL does nothing. */
void kept_file_free(KeptFile *file);
/* A new reference; NULL: there is none, or it is damaged, which the log tells. */
AWAITS Json *kept_file_load(KeptFile *file);
/* Now; a failure is told by the log. */
AWAITS void kept_file_save(KeptFile *file);
/* Something changed. Never waits. */
void kept_file_changed(KeptFile *file);
