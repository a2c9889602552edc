/* Sets of small numbers: CPUs, NUMA nodes. Text form "0-3,8,^2" as in every cpuset attribute of the XML. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

#define CPUSET_MAX 16384 /* highest number + 1 that a text may name */

typedef struct CpuSet CpuSet; /* immutable once shared; NULL means "not given" everywhere */

CpuSet *cpuset_new(void);
CpuSet *cpuset_copy(const CpuSet *set);
void cpuset_free(CpuSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CpuSet, cpuset_free)

/* ERROR_INVALID_ARGUMENT naming @text: syntax, number too large, empty result. */
MUST_CHECK bool cpuset_parse(const char *text, CpuSet **ret_set, Error **err);
void cpuset_format(const CpuSet *set, GString *out); /* "0-3,8" */

void cpuset_add(CpuSet *set, unsigned number);
void cpuset_remove(CpuSet *set, unsigned number);
/* Questions take NULL as the empty set. */
bool cpuset_has(const CpuSet *set, unsigned number);
unsigned cpuset_count(const CpuSet *set);
int cpuset_next(const CpuSet *set, int after);       /* -1 when there is none; start with after = -1 */
bool cpuset_equal(const CpuSet *a, const CpuSet *b); /* both may be NULL */
