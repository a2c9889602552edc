/* Sizes, rates and times as people and XML write them. Inside, memory and disks are bytes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Whole numbers only, decimal unless noted; leading '+', blanks, overflow and trailing text are refused
 * (ERROR_INVALID_ARGUMENT naming @text). Outputs stay untouched on failure. */
MUST_CHECK bool parse_uint(const char *text, uint64_t *ret_value, Error **err);
MUST_CHECK bool parse_int(const char *text, int64_t *ret_value, Error **err);
MUST_CHECK bool parse_hex(const char *text, uint64_t *ret_value, Error **err);      /* with or without 0x */
MUST_CHECK bool parse_uint_any(const char *text, uint64_t *ret_value, Error **err); /* decimal or 0x */

/* Unit names of the domain XML: b, bytes, KB, k, KiB, MB, M, MiB, GB, G, GiB, TB, T, TiB, PB, P, PiB, EB, E,
 * EiB (letter case as libvirt documents it: case-insensitive). NULL or "" selects @default_unit_bytes. */
MUST_CHECK bool size_scale(uint64_t number, const char *unit, uint64_t default_unit_bytes,
                           uint64_t *ret_bytes, Error **err);
/* "4GiB", "512", "10M" */
MUST_CHECK bool size_parse(const char *text, uint64_t default_unit_bytes, uint64_t *ret_bytes, Error **err);
/* "1.50 GiB"; caller owns */
char *size_format(uint64_t bytes);
/* "3m 20s", "12 ms"; caller owns */
char *duration_format(uint64_t ms);
