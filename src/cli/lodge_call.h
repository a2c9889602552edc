/* Calls of Lodge's own program. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

/* A server that does not have the program or the procedure is named as such: ERROR_NOT_SUPPORTED. */
AWAITS MUST_CHECK bool lodge_call(Cli *cli, int32_t proc, const void *args, void *ret, uint64_t timeout_ms,
                                  Error **err);
/* By wire_call_settled(). */
AWAITS MUST_CHECK bool lodge_call_settled(Cli *cli, int32_t proc, const void *args, void *ret, Error **err);
/* What a page could ask. @body: a reference, taken; NULL: none. *ret_answer: a new reference; NULL: there is
 * none. */
AWAITS MUST_CHECK bool lodge_web_call(Cli *cli, const char *method, const char *target, Json *body,
                                      Json **ret_answer, Error **err);
