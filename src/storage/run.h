/* The programs that storage is managed with: LVM's, mount, mkfs, iscsiadm, rbd ... */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct StorageRun {
    const char *const *argv; /* argv[0]: a name on PATH, or an absolute path; NULL-terminated; borrowed */
    const char *package;     /* brings it */
    uint64_t timeout_ms;     /* then it is killed */
    /* "NAME=VALUE" beside PATH, LC_ALL and HOME, NULL-terminated: what argv must not show. NULL: none */
    const char *const *environment;
    const char *input; /* for its standard input; NULL: nothing */
    bool any_status;   /* an exit status other than 0 is no failure */
} StorageRun;

/* Runs it to its end. *ret_out (may be NULL): what it printed, at most 16 MiB; owned. *ret_status (may be
 * NULL): its exit status. The environment and the input never stand in a message.
 *
 * ERROR_SYSTEM    it is not there (the hint names the package), or cannot be run
 * ERROR_INTERNAL  "Child process (LINE) unexpected exit status N: TEXT"
 * ERROR_TIMEOUT   it did not end in time */
AWAITS MUST_CHECK bool storage_run_with(const StorageRun *run, int *ret_status, char **ret_out, Error **err);

/* Does it lie on PATH? */
bool storage_has_program(const char *name);

/* A name that stands in an argument of a program: no option ('-' first), nothing that cannot be printed.
 * @what names it in the message ("volume group"). ERROR_XML_INVALID */
MUST_CHECK bool storage_check_argument(const char *what, const char *text, Error **err);
