/* `lodge-media`: the helper in which libraries see what may be hostile: servers, ISO images, archives, the
 * database of operating systems. `lodge` stays small and quick, and what such a file does to a library stays
 * in a process that is kept from everything it does not need.
 *
 * One request is one process. Its request is one JSON object on standard input; it answers on standard
 * output, a line of JSON each:
 *     {"done": 1048576, "total": 4194304}             how far it is, in bytes; total 0: unknown
 *     {"result": {...}}                               the last line of one that succeeded
 *     {"error": {"code": "timeout", "message": "...", "hint": "..."}}   the last line of one that did not
 * Codes are those of error_code_name(). Files that it reads or writes for the caller are opened by itself
 * before it confines itself (media_confine()), and nothing afterwards.
 *
 * It is killed on Ctrl-C or at a deadline: whatever it makes has a name that says that it is not whole
 * until it is (".part"), and is taken away by the caller. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

/* @ret_result: a new object. Blocks; there is no loop and no fiber here. */
typedef bool MediaFunc(const Json *request, Json **ret_result, Error **err);

typedef struct MediaVerb {
    const char *name;
    MediaFunc *func;
} MediaVerb;

/* Says how far it is, at most ten times a second. */
void media_progress(uint64_t done, uint64_t total);

/* From here on: no new privileges, no capabilities, no new files but below @writable (a folder; NULL: none)
 * and those of @readable (a folder or file; NULL: none), by Landlock where the kernel has it; as the user who
 * called, or nobody if that is root. */
MUST_CHECK bool media_confine(const char *readable, const char *writable, Error **err);
/* Opens a file to read and a folder of ours to write to, both the caller's to close, and confines to them. */
MUST_CHECK bool media_open_into(const char *path, const char *folder, int *ret_fd, int *ret_folder_fd,
                                Error **err);
