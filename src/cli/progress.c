/* A line on the terminal that shows how far a long operation is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/progress.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "cli/output.h"

#define DRAW_MS 200
#define BAR_CELLS 24

void progress_begin(CliProgress *progress, const Cli *cli, const char *label, uint64_t total, bool in_bytes)
{
    *progress = (CliProgress){ .label = label, .total = total, .in_bytes = in_bytes };
    progress->is_shown = isatty(STDERR_FILENO) && !cli->quiet && !cli->json;
    progress->begun_ms = loop_now_ms();
}

char *progress_text(const CliProgress *progress, uint64_t done, uint64_t elapsed_ms)
{
    GString *text = g_string_new(progress->label);
    const uint64_t rate = elapsed_ms ? (uint64_t)((double)done * 1000 / (double)elapsed_ms) : 0;

    if (progress->total) {
        const double share = MIN((double)done / (double)progress->total, 1.0);
        const int cells = (int)(share * BAR_CELLS);
        g_string_append_printf(text, " %3d %% [", (int)(share * 100));
        for (int i = 0; i < BAR_CELLS; i++)
            g_string_append_c(text, i < cells ? '=' : i == cells ? '>' : ' ');
        g_string_append_c(text, ']');
    }
    if (progress->in_bytes) {
        g_autofree char *size = short_size(done), *speed = short_size(rate);
        g_string_append_printf(text, " %s, %s/s", size, speed);
    }
    if (progress->total > done && rate > 0) {
        const uint64_t left_s = (progress->total - done) / rate;
        g_string_append_printf(text, ", %" PRIu64 ":%02u left", left_s / 60, (unsigned)(left_s % 60));
    }
    return g_string_free(text, FALSE);
}

void progress_update(CliProgress *progress, uint64_t done)
{
    const uint64_t now = loop_now_ms();

    if (!progress->is_shown || now - progress->drawn_ms < DRAW_MS)
        return;
    g_autofree char *text = progress_text(progress, done, now - progress->begun_ms);
    progress->drawn_ms = now;
    progress->is_drawn = true;
    fprintf(stderr, "\r%s\033[K", text);
    (void)fflush(stderr);
}

void progress_end(CliProgress *progress)
{
    if (progress->is_drawn)
        fputs("\r\033[K", stderr);
    progress->is_drawn = false;
}
