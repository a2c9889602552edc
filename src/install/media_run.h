/* Asks lodge-media (see media/media.h), which is a program beside this one or in libexec. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/macros.h"

typedef struct MediaProgress {
    void (*func)(void *arg, uint64_t done,
                 uint64_t total); /* NULL: nobody watches; bytes, total 0: unknown */
    void *arg;
} MediaProgress;

/* Sends @request, waits for the answer. It is killed when it says nothing for @quiet_ms and does nothing
 * meanwhile (ERROR_TIMEOUT), or when the caller's fiber is cancelled (ERROR_CANCELLED): what it left half
 * made is the caller's to remove. An error that it reports comes back with its code, message and hint.
 * @ret_result: owned by the caller. */
AWAITS MUST_CHECK bool media_run(const char *verb, const Json *request, const MediaProgress *progress,
                                 uint64_t quiet_ms, Json **ret_result, Error **err);
