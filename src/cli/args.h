/* The options and words of one command line, checked against the command's row.
 *
 * Options may stand anywhere, as --name, --name=VALUE or --name VALUE; words without a name go to the options
 * that take a value, in the order of the row; "--" ends the options. -o/--output, -q/--quiet and -h/--help
 * are understood by every command. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "cli/command.h"

/* ERROR_INVALID_ARGUMENT with a hint. @words are what follows the command's name; borrowed until
 * cli_args_free. */
MUST_CHECK bool cli_args_parse(const CliCommand *command, char *const *words, unsigned n_words,
                               CliArgs **ret_args, Error **err);
void cli_args_free(CliArgs *args);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliArgs, cli_args_free)

const CliCommand *cli_args_command(const CliArgs *args);
bool cli_args_wants_help(const CliArgs *args);
bool cli_args_wants_quiet(const CliArgs *args);
/* What every command understands; NULL if not given. */
const char *cli_args_output(const CliArgs *args);
const char *cli_args_columns(const CliArgs *args);
bool cli_args_no_header(const CliArgs *args);

/* Asking for an option that the row does not have is a bug (assert). */
bool args_has(const CliArgs *args, const char *name);
const char *args_get(const CliArgs *args, const char *name); /* borrowed; NULL if not given */
/* The words of a CLI_MANY option, NULL-terminated; never NULL. */
char *const *args_get_many(const CliArgs *args, const char *name);
/* The values of a CLI_REPEAT option in order, NULL-terminated; owned, never NULL. */
char **args_get_list(const CliArgs *args, const char *name);
/* The value of a CLI_LINES option, or a list, in pieces; owned (g_strfreev), NULL if not given. @separators:
 * characters,
 * "\n" between values of one that was given several times. */
char **args_split(const CliArgs *args, const char *name, const char *separators);
/* false with @err for a value that is no number or out of range; if the option is absent: true, output
 * untouched.
 */
MUST_CHECK bool args_get_int(const CliArgs *args, const char *name, int64_t min, int64_t max,
                             int64_t *ret_value, Error **err);
/* Bytes. */
MUST_CHECK bool args_get_size(const CliArgs *args, const char *name, uint64_t *ret_bytes, Error **err);

/* The flags of all options that are given (CliOption.flag). */
unsigned args_flags(const CliArgs *args);
/* The place of the option's value among its words; 0 if it is not given. */
unsigned args_get_word(const CliArgs *args, const char *name);
/* Whether an option that is not required is given. */
bool args_has_any(const CliArgs *args);

/* How often the command runs: once for each word of its CLI_EACH option, else once. The @index-th becomes
 * what args_get() says of that option. */
unsigned args_each(CliArgs *args, unsigned index);

/* Splits a line as a shell does: blanks separate, '...' and "..." and \ quote, ';' and newlines separate
 * commands,
 * '#' at the start of a word begins a comment. Each result is an array of words (GPtrArray of char *). */
MUST_CHECK bool words_split(const char *line, GPtrArray **ret_commands, Error **err);
/* A word in quotes if it needs them, so that words_split() and a shell give it back; owned. */
char *words_quote(const char *word);
