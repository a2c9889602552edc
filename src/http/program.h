/* Routes that the command `lodge` carries out, as a child (core/client_program.h): its words are made from
 * what the request says. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "http/request.h"

/* A member of a request's body and the option that says the same: "--OPTION" for true, "--OPTION=VALUE" for a
 * text or a number, one for each text of a list. */
typedef struct HttpWord {
    const char *member, *option; /* NULL ends a list */
} HttpWord;

typedef struct HttpProgram {
    const char *command;
    const HttpWord *options;  /* NULL: none */
    const char *const *words; /* what is no option; ends with NULL */
    const char *input;        /* NULL: none */
} HttpProgram;

/* *ret_json: as client_program_run(). Errors, too. */
AWAITS MUST_CHECK bool http_program_run(const HttpRequest *req, const HttpProgram *program, Json **ret_json,
                                        Error **err);
