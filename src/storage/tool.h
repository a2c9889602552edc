/* Programs that do the work on storage: qemu-img, LVM's, mount, iscsiadm, rbd and the like, with their
 * secrets and their progress.
 *
 * A program is ended when its fiber is cancelled, and at its deadline. One that works on images has none: how
 * long it works is its own business, but it is ended when it does nothing any more because its storage does
 * not answer, and with the daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/process.h"
#include "conf/volume.h"
#include "core/host.h"

#define TOOL_QUIET_MS 60000
#define TOOL_ANY_STATUS 255

typedef struct Tool {
    GPtrArray *argv;     /* owned texts; the first is a name on PATH, or an absolute path */
    GArray *fds;         /* of int, owned: what the arguments name as /dev/fd/N */
    const char *package; /* that brings the program, for a hint */
    const char *cwd;     /* borrowed; NULL: "/" */
    uint64_t timeout_ms; /* 0: none, see above */
    /* "NAME=VALUE" beside PATH, LC_ALL and HOME, NULL-terminated: what arguments must not show; borrowed.
     * NULL: none. Neither it nor the input ever stands in a message. */
    const char *const *environment;
    const char *input; /* for its standard input; borrowed; NULL: nothing */
    int max_status;    /* exit statuses up to it are answers, no failures */
    /* Of qemu-img, called from the loop while it runs; per mille. NULL: nobody wants to know. */
    void (*on_progress)(void *arg, unsigned done);
    void *on_progress_arg;
    /* What failures call the file, where the program knows it by another name; both borrowed, NULL: nothing
     */
    const char *hidden_name, *shown_name;
    /* What it is about ("cannot resize image 'x'"): failures say that instead of the command line, with
     * ERROR_OPERATION_FAILED; borrowed, NULL: they say the line */
    const char *purpose;
} Tool;

void tool_init(Tool *tool, const char *name, const char *package);
/* Of @argv (NULL-terminated, copied); clear it, too. */
Tool tool_of(const char *const *argv, const char *package, uint64_t timeout_ms);
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
/* The same for a value that is known. */
MUST_CHECK bool tool_add_secret_value(Tool *tool, GBytes *value, const char *id, Error **err);
/* @value as a part of an option list "a=b,c=d"; owned. */
char *tool_escape(const char *value);

/* Runs it to its end, once. *ret_out (NULL: not wanted): what it printed, owned. *ret_status (NULL: not
 * wanted): its exit status.
 *
 * ERROR_REFUSED  "Child process (LINE) unexpected exit status N: WORDS"
 * ERROR_SYSTEM   ENOENT: "Cannot find 'NAME' in path", with the package as hint
 * ERROR_TIMEOUT, ERROR_CANCELLED */
AWAITS MUST_CHECK bool tool_run(Tool *tool, char **ret_out, Error **err);
AWAITS MUST_CHECK bool tool_run_status(Tool *tool, int *ret_status, char **ret_out, Error **err);
/* The same for one that is its arguments and nothing else. */
AWAITS MUST_CHECK bool storage_run(const char *const *argv, const char *package, uint64_t timeout_ms,
                                   char **ret_out, Error **err);

/* Does it lie on PATH? */
bool storage_has_program(const char *name);

/* A name that stands in an argument of a program: no option ('-' first), nothing that cannot be printed.
 * @what names it in the message ("volume group"). ERROR_XML_INVALID */
MUST_CHECK bool storage_check_argument(const char *what, const char *text, Error **err);
