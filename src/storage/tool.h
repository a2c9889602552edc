/* Programs that do the work on storage: qemu-img, scrub and the like, with their secrets and their progress.
 *
 * A program is ended when its fiber is cancelled, or when it does nothing any more because its storage does
 * not answer; how long it works is its own business. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/process.h"
#include "conf/volume.h"
#include "core/host.h"

#define TOOL_QUIET_MS 60000

typedef struct Tool {
    GPtrArray *argv;     /* owned texts; the first is a name on PATH */
    GArray *fds;         /* of int, owned: what the arguments name as /dev/fd/N */
    const char *package; /* that brings the program, for a hint */
    const char *cwd;     /* borrowed; NULL: "/" */
    uint64_t quiet_ms;   /* 0: TOOL_QUIET_MS */
    /* Of qemu-img, called from the loop while it runs; per mille. NULL: nobody wants to know. */
    void (*on_progress)(void *arg, unsigned done);
    void *on_progress_arg;
    /* What failures call the file, where the program knows it by another name; both borrowed, NULL: nothing
     */
    const char *hidden_name, *shown_name;
} Tool;

void tool_init(Tool *tool, const char *name, const char *package);
void tool_clear(Tool *tool);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tool, tool_clear)

void tool_add(Tool *tool, const char *argument);
PRINTF(2, 3) void tool_addf(Tool *tool, const char *format, ...);
/* @fd (owned) stays open in the program, which can open it again as /dev/fd/@fd. Returns it. */
int tool_add_fd(Tool *tool, int fd);
/* Adds `--object secret,...` for the one passphrase of @encryption, which goes through memory and stands in
 * no argument. ERROR_INVALID_ARGUMENT not exactly one; ERROR_NO_SECRET */
MUST_CHECK bool tool_add_secret(Tool *tool, Host *host, const VolumeEncryption *encryption, const char *id,
                                Error **err);
/* @value as a part of an option list "a=b,c=d"; owned. */
char *tool_escape(const char *value);

/* Runs it to its end. *ret_out (NULL: not wanted) what it printed, owned.
 *
 * ERROR_REFUSED  "Child process (LINE) unexpected exit status N: WORDS"
 * ERROR_SYSTEM   ENOENT: "Cannot find 'NAME' in path", with the package as hint
 * ERROR_TIMEOUT, ERROR_CANCELLED */
AWAITS MUST_CHECK bool tool_run(Tool *tool, char **ret_out, Error **err);
/* The same for one whose exit status is an answer: at most @max_status is no failure. */
AWAITS MUST_CHECK bool tool_run_status(Tool *tool, int max_status, int *ret_status, char **ret_out,
                                       Error **err);
