/* Codes by the clock (RFC 6238): six digits for each 30 seconds, by HMAC-SHA-1, as phones make them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#define TOTP_KEY_BYTES 20
#define TOTP_STEP_S 30

/* The code of step number @step (seconds of the epoch by 30). */
void totp_code(const uint8_t key[TOTP_KEY_BYTES], uint64_t step, char ret_code[7]);
/* The step that @code is of, if that is now or a neighbour, and later than @after; 0: it is wrong. */
uint64_t totp_check(const uint8_t key[TOTP_KEY_BYTES], const char *code, int64_t now_s, uint64_t after);
/* The key as people type it (base32, RFC 4648, without padding); owned. */
char *totp_secret(const uint8_t key[TOTP_KEY_BYTES]);
