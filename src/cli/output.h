/* Printing: messages, single values, records (label and value), tables; each as text or as JSON. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

/* "Domain 'x' started": silent with --quiet. JSON: {"message": ...}. */
PRINTF(2, 3) void cli_message(Cli *cli, const char *format, ...);
/* A number on a line of its own, or the @text (NULL: its digits) that people read. JSON: {KEY: number}. */
void cli_print_number(Cli *cli, const char *key, int64_t number, const char *text);
/* One value on a line of its own, or a longer text (XML); a newline at its end is added. JSON: {KEY: "..."}.
 */
void cli_print_text(Cli *cli, const char *key, const char *text);
/* A line, or a part of one, of what people read. JSON: nothing. */
PRINTF(2, 3) void cli_say(Cli *cli, const char *format, ...);
/* The word of a number out of a list that may be shorter than what a newer server knows. */
#define NAME_OF(list, number, otherwise)                                                                     \
    ((number) >= 0 && (size_t)(number) < G_N_ELEMENTS(list) && (list)[number] ? (list)[number] : (otherwise))
/* Prints a document, as JSON or YAML. Takes over @value. Text mode: nothing. */
void cli_print_json(Cli *cli, Json *value);

/* A list of labels and values, in order. */
typedef struct CliRecord CliRecord;
CliRecord *record_new(unsigned label_width);
/* @label NULL: only in JSON. @key NULL: only as text. @value (taken over, may be NULL) is what JSON shows;
 * NULL: the text as a string. */
PRINTF(5, 6)
void record_add(CliRecord *record, const char *label, const char *key, Json *value, const char *format, ...);
/* Prints and frees. */
void cli_print_record(Cli *cli, CliRecord *record);
void record_free(CliRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliRecord, record_free)

/* A table. Rows are filled cell by cell. @n_columns 0: all up to the empty one. */
typedef struct CliTable CliTable;
CliTable *table_new(const CliColumn *columns, unsigned n_columns);
void table_row(CliTable *table); /* begins a row */
/* Takes over @value; NULL: the text as a string. */
PRINTF(3, 4) void table_cell(CliTable *table, Json *value, const char *format, ...);
/* Text that is not there: "-", and null in JSON. */
void table_cell_text(CliTable *table, const char *text_or_null);
unsigned table_length(const CliTable *table);
/* Prints and frees. JSON: an array of objects. On a terminal it fits the width: cells are wrapped between
 * words. false: --columns names one that the table does not have. */
MUST_CHECK bool cli_print_table(Cli *cli, CliTable *table, Error **err);
/* The text of it; owned. @width: columns of the terminal; 0: as wide as it gets. */
char *table_format(const CliTable *table, bool header, bool color, unsigned width);
/* The same as comma-separated values (RFC 4180). */
char *table_csv(const CliTable *table, bool header);
/* YAML 1.2 of a JSON value; owned. */
char *yaml_format(const Json *value);
Json *table_json(const CliTable *table);
void table_free(CliTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliTable, table_free)

/* Columns that a text takes on a terminal. */
unsigned text_width(const char *text);
/* @text without characters that a terminal would act on; owned. */
char *text_printable(const char *text);
char *text_printable_lines(const char *text); /* of several lines */

/* Words of @text in lines of at most @width columns (0: 78); the first begins at @column, the others at
 * @indent. */
void cli_print_wrapped(FILE *out, const char *text, unsigned indent, unsigned column, unsigned width);

/* "64.000 MiB", as the --human options show it; owned. */
char *human_size(uint64_t bytes);

/* "1.00 GiB", as lists show it; owned. */
char *short_size(uint64_t bytes);

/* The value of a parameter with its own type. */
Json *param_json(const WireTypedParam *param);
