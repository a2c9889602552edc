/* Names of keys, for send-key. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* @codeset: VIR_KEYCODE_SET_...; names are known for Linux. Numbers may be decimal or 0x. */
bool key_parse(unsigned codeset, const char *text, uint32_t *ret_code);
