/* What the files of the node module share: kernel files below a root that tests can change, and CPU lists. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "host/node.h"

/* Text of ROOT + formatted path, trailing newline removed; NULL if absent. Caller owns. */
PRINTF(1, 2) char *node_read(const char *format, ...);
/* A decimal number; false leaves *ret_value alone. */
PRINTF(2, 3) bool node_read_uint(uint64_t *ret_value, const char *format, ...);
/* ROOT + @path; caller owns. */
char *node_path(const char *path);

/* "0-2,5" to ascending numbers below @limit (hostile or broken text ends the list). Caller owns. */
GArray *node_parse_list(const char *text, unsigned limit);

/* Highest CPU number that is looked at, and highest cell. */
#define NODE_MAX_CPUS 8192
#define NODE_MAX_CELLS 1024

/* MemTotal and MemFree of a cell in KiB; of the whole machine for -1 or without NUMA. */
bool node_read_cell_memory(int cell, uint64_t *ret_total_kib, uint64_t *ret_free_kib);
