/* Programs and files of a guest, by its agent: what `lodge exec`, `lodge cp` and `lodge disk grow` stand on.
 * Everything goes through the daemon's pass-through of agent commands, so it works with any daemon.
 *
 * The guest is not believed: what it sends is counted and goes where the caller said, nowhere else. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

#define GUEST_CHUNK_BYTES ((size_t)512 * 1024) /* of a file, in one message */

typedef struct Guest {
    Cli *cli;
    const WireDomain *dom; /* borrowed */
} Guest;

/* @args taken, NULL: none. What "return" holds; owned; NULL drops it. */
AWAITS MUST_CHECK bool guest_ask(const Guest *guest, const char *command, Json *args, Json **ret_answer,
                                 Error **err);

/* ---- files ---- */

typedef int64_t GuestFile;

/* @mode: as of fopen(). */
AWAITS MUST_CHECK bool guest_file_open(const Guest *guest, const char *path, const char *mode,
                                       GuestFile *ret_file, Error **err);
AWAITS MUST_CHECK bool guest_file_close(const Guest *guest, GuestFile file, Error **err);
/* The next bytes, at most GUEST_CHUNK_BYTES; owned. None: the end, for now. */
AWAITS MUST_CHECK bool guest_file_read(const Guest *guest, GuestFile file, char **ret_data, size_t *ret_len,
                                       Error **err);
AWAITS MUST_CHECK bool guest_file_write(const Guest *guest, GuestFile file, const char *data, size_t len,
                                        Error **err);

/* ---- programs ---- */

typedef struct GuestExit {
    int code;        /* of the program; 128 + the signal that ended it */
    char *out, *err; /* what it printed, if that was asked for; owned */
    size_t out_len, err_len;
    bool out_cut, err_cut; /* the agent dropped some */
} GuestExit;
void guest_exit_clear(GuestExit *ended);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuestExit, guest_exit_clear)

/* Starts a program. @argv: path and arguments, ends with NULL. @input: for its standard input; NULL: none.
 * @capture: the agent keeps what it prints, 16 MiB at most. */
AWAITS MUST_CHECK bool guest_start(const Guest *guest, const char *const *argv, const char *input,
                                   size_t input_len, bool capture, int64_t *ret_pid, Error **err);
/* Whether it has ended; then *ret_ended, owned, and the agent forgets it. */
AWAITS MUST_CHECK bool guest_has_ended(const Guest *guest, int64_t pid, bool *ret_has, GuestExit *ret_ended,
                                       Error **err);
/* Both, for short programs. ERROR_TIMEOUT: it still runs. */
AWAITS MUST_CHECK bool guest_run(const Guest *guest, const char *const *argv, uint64_t timeout_ms,
                                 GuestExit *ret_ended, Error **err);
/* How long to wait before asking again, longer each time: *delay_ms begins with 0. */
AWAITS MUST_CHECK bool guest_back_off(unsigned *delay_ms, Error **err);
