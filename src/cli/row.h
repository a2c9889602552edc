/* Commands that are one call of the protocol: their row says which procedure, which option fills which member
 * of its arguments, and what is printed. Nothing else needs to be written for them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* A procedure's arguments and answer; {0} is empty. Clear with row_call_clear(). */
typedef struct RowCall {
    uint32_t program;
    int32_t proc;
    const WireProc *info; /* NULL: no procedure, only an object */
    void *args;
    void *ret;
    const CliClass *class; /* of the object that the command is about; NULL: none (yet) */
    const void *object;    /* its handle, inside of args, ret or found */
    void *found;           /* a handle that was looked up although no member takes it */
    const CliClass *found_class;
} RowCall;

/* Fills the arguments of @proc from the options that name its members, and the handles of objects from a
 * look-up. */
AWAITS MUST_CHECK bool row_prepare(Cli *cli, const CliArgs *args, int32_t proc, RowCall *ret_call,
                                   Error **err);
AWAITS MUST_CHECK bool row_call(Cli *cli, RowCall *call, Error **err);
void row_call_clear(RowCall *call);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RowCall, row_call_clear)

/* Members of arguments and answers by name; asking for one that is not there is a bug (assert). */
void row_set_string(RowCall *call, const char *member, const char *value);
void row_set_strings(RowCall *call, const char *member, const GPtrArray *values);
void row_set_number(RowCall *call, const char *member, uint64_t value);
uint64_t row_number(const RowCall *call, const char *member); /* of the answer */
const char *row_string(const RowCall *call, const char *member);
char *row_optional(const RowCall *call, const char *member); /* owned; NULL: it was left out */

/* Asks for the number of parameters, and then for them. */
AWAITS MUST_CHECK bool row_call_counted(Cli *cli, RowCall *call, Error **err);
/* The same as row_call(), with the job's progress on stderr (cmd_save.c). */
AWAITS MUST_CHECK bool row_call_with_progress(Cli *cli, const CliArgs *args, RowCall *call, Error **err);

/* The typed parameters of the answer; borrowed. */
const WireTypedParam *row_params(const RowCall *call, unsigned *ret_n);
/* Those of the arguments; take them back (NULL, 0) before the call is cleared. */
void row_borrow_params(RowCall *call, WireTypedParam *params, unsigned n);

/* A text of the row with its places filled in; owned. */
char *row_text(const char *format, const CliArgs *args, const RowCall *call);

/* Documents made of options: <name>text</name> for an option that is given; ... */
void row_add_element(GString *xml, const char *element, const CliArgs *args, const char *option);
/* ... --print-xml prints the document; else it is what the row's procedure takes as @member. */
AWAITS MUST_CHECK bool row_use_document(Cli *cli, const CliArgs *args, const char *member, const GString *xml,
                                        Error **err);

/* Runs a row; row_edit() one with an editor (.store). */
AWAITS MUST_CHECK bool row_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS MUST_CHECK bool row_edit(Cli *cli, const CliArgs *args, Error **err);
