/* Completion of a command line: what the word under the cursor may become. Used by the shell and by the
 * completion scripts of bash and zsh. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

typedef struct Completions {
    GPtrArray *words; /* of char *, each begins with the last word that was given */
    GPtrArray *docs;  /* of char *, parallel; "" if there is nothing to say */
    bool files;       /* names of files fit as well */
} Completions;

/* @words: all words up to the cursor without the program's name; the last one is being typed (it may be "").
 * With
 * @globals the words may begin with options of the program, which then select the daemon. Names of domains
 * and the like are asked from the daemon; if it cannot be reached there are none. */
AWAITS void cli_complete(Cli *cli, char *const *words, unsigned n_words, bool globals,
                         Completions *ret_found);
void completions_clear(Completions *found);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Completions, completions_clear)

/* The words of an unfinished line (quotes may be open); the last one is "" after a blank. Only the last
 * command of several counts. Owned array of char *. */
GPtrArray *completion_split(const char *line);
