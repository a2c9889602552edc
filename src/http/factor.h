/* Second factors of those who log in: a key for each user, which a phone has, too. Kept by http/session.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"

typedef enum HttpFactorState {
    HTTP_FACTOR_NONE,
    HTTP_FACTOR_PENDING, /* it was told, and waits for a first code */
    HTTP_FACTOR_ENABLED,
} HttpFactorState;
typedef enum HttpFactorChange {
    HTTP_FACTOR_BEGIN,   /* a new key, which counts when it is confirmed */
    HTTP_FACTOR_CONFIRM, /* by a first code */
    HTTP_FACTOR_USE,     /* a code, which is good once */
    HTTP_FACTOR_REMOVE,  /* by a code, if it counts */
    HTTP_FACTOR_DROP,    /* by an administrator, without */
} HttpFactorChange;

typedef struct Factors Factors;

Factors *factors_new(void);
void factors_free(Factors *factors);
/* All of them; with their keys: for a file that nobody reads. New reference. */
Json *factors_format(const Factors *factors);
/* Replaces all. What makes no sense is left out. */
void factors_read(Factors *factors, const Json *list);
HttpFactorState factors_state(const Factors *factors, const char *user);
/* @code: NULL: none. *ret_secret: owned; of BEGIN.
 *
 * ERROR_OPERATION_FAILED  there is one that counts already, or none
 * ERROR_INVALID_ARGUMENT  the code is wrong, or was used before */
MUST_CHECK bool factors_change(Factors *factors, HttpFactorChange change, const char *user, const char *code,
                               char **ret_secret, Error **err);
