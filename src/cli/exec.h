/* A command that runs in a guest, with its standard input, output and errors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/guest.h"

typedef struct Exec {
    const Guest *guest;      /* borrowed */
    const char *const *argv; /* of the command; ends with NULL; borrowed */
    const char *const *env;  /* NAME=VALUE; likewise, or NULL */
    int stdin_fd;            /* -1: none; borrowed */
    uint64_t timeout_ms;     /* 0: none */
    /* Called with what the command prints (1: output, 2: errors), while it runs if the guest has a shell. */
    bool (*on_output)(void *arg, int stream, const char *data, size_t len, Error **err);
    void *arg;
    const bool *interrupted; /* it is ended when that is set; NULL: never */
} Exec;

/* Runs it to its end. *ret_code: what it ended with, as a shell says it.
 *
 * ERROR_TIMEOUT    it took too long and was ended
 * ERROR_CANCELLED  *interrupted was set, and it was ended */
AWAITS MUST_CHECK bool exec_run(const Exec *exec, int *ret_code, Error **err);
