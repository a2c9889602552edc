/* A line on the terminal that shows how far a long operation is: share, bytes, rate and time left. Nothing
 * where no person watches (standard error is no terminal, --quiet, JSON). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

typedef struct CliProgress {
    const char *label; /* borrowed */
    uint64_t total;    /* what all of it is; 0: unknown */
    bool in_bytes;     /* else parts of @total, without a rate */
    bool is_shown;
    bool is_drawn;
    uint64_t begun_ms, drawn_ms;
} CliProgress;

void progress_begin(CliProgress *progress, const Cli *cli, const char *label, uint64_t total, bool in_bytes);
void progress_update(CliProgress *progress, uint64_t done);
/* Takes the line away. */
void progress_end(CliProgress *progress);
/* What the line says; owned. For tests. */
char *progress_text(const CliProgress *progress, uint64_t done, uint64_t elapsed_ms);
