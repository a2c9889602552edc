/* The command `lodge` as a child of the daemon: what only it can do (backups, clones, templates), for those
 * who ask by the clock or by the web. It connects to this daemon, as root. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "core/host.h"

/* Runs `lodge WORD...`, to its end. @words: ends with NULL; values that come from elsewhere stand behind "--"
 * or as "--option=value". @input: for its standard input; NULL: none. *ret_json (NULL: not wanted): what it
 * prints with --output json, a new reference; NULL if that was nothing.
 *
 * A fiber that is cancelled asks it to take back what it did (as Ctrl-C does), and waits for that for a
 * while. One that stands still for minutes is ended.
 *
 * ERROR_NOT_SUPPORTED  there is no such program
 * ERROR_TIMEOUT        it stood still
 * else                 what it says: the code, the message and the hint are the command's */
AWAITS MUST_CHECK bool client_program_run(const Host *host, const char *const *words, const char *input,
                                          Json **ret_json, Error **err);
