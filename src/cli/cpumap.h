/* Sets of processors as the protocol carries them: one bit each, lowest bit of the first byte first. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* "0-3,^2,7" or "r" (all). *ret_map is owned and has (n_cpus + 7) / 8 bytes. ERROR_INVALID_ARGUMENT. */
MUST_CHECK bool cpumap_parse(const char *text, unsigned n_cpus, uint8_t **ret_map, Error **err);
bool cpumap_has(const uint8_t *map, size_t len, unsigned cpu);
char *cpumap_format(const uint8_t *map, size_t len, unsigned n_cpus);  /* "0-1,3"; owned */
char *cpumap_picture(const uint8_t *map, size_t len, unsigned n_cpus); /* "yy-y"; owned */
