/* Printing: messages, single values, records (label and value), tables; each as text or as JSON. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

/* "Domain 'x' started": silent with --quiet. JSON: {"message": ...}. */
PRINTF(2, 3) void cli_message(Cli *cli, const char *format, ...);
/* One value on a line of its own. JSON: {KEY: "..."}. */
void cli_print_value(Cli *cli, const char *key, const char *text);
/* A longer text (XML), with a newline at its end if it has none. JSON: {KEY: "..."}. */
void cli_print_text(Cli *cli, const char *key, const char *text);
/* Takes over @value. Text mode: nothing. */
void cli_print_json(Cli *cli, Json *value);

/* A list of labels and values, in order. */
typedef struct CliRecord CliRecord;
CliRecord *record_new(unsigned label_width);
/* @label NULL: only in JSON. @key NULL: only as text. @value (taken over, may be NULL) is what JSON shows;
 * NULL: the text as a string. */
PRINTF(5, 6)
void record_add(CliRecord *record, const char *label, const char *key, Json *value, const char *format, ...);
/* Prints and frees. cli_record_json() gives the object instead, and frees. */
void cli_print_record(Cli *cli, CliRecord *record);
Json *record_take_json(CliRecord *record);
void record_free(CliRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliRecord, record_free)

/* A table. Rows are filled cell by cell. */
typedef struct CliColumn {
    const char *label; /* NULL: only in JSON */
    const char *key;
} CliColumn;
typedef struct CliTable CliTable;
CliTable *table_new(const CliColumn *columns, unsigned n_columns);
void table_row(CliTable *table); /* begins a row */
/* Takes over @value; NULL: the text as a string. */
PRINTF(3, 4) void table_cell(CliTable *table, Json *value, const char *format, ...);
/* Text that is not there: "-", and null in JSON. */
void table_cell_text(CliTable *table, const char *text_or_null);
unsigned table_length(const CliTable *table);
/* Prints and frees. JSON: an array of objects. */
void cli_print_table(Cli *cli, CliTable *table);
/* The text of it, for tests and for more than one table on a page; owned. */
char *table_format(const CliTable *table, bool header, bool color);
Json *table_json(const CliTable *table);
void table_free(CliTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliTable, table_free)

/* Columns that a text takes on a terminal. */
unsigned text_width(const char *text);
/* @text without characters that a terminal would act on; owned. */
char *text_printable(const char *text);

/* "64.000 MiB", as the --human options show it; owned. */
char *human_size(uint64_t bytes);

/* The value of a parameter with its own type. */
Json *param_json(const WireTypedParam *param);
