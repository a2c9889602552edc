/* Questions about QEMU's QMP schema. See qemu_caps_has_schema() for their notation.
 *
 * The schema itself is hundreds of kilobytes and of use only while a QEMU is probed: every question that
 * Lodge asks stands in one table here, is answered then, and the answers are kept. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/* NULL-terminated. */
const char *const *qemu_schema_queries(void);
bool qemu_schema_is_query(const char *query);

/* @schema: the reply of query-qmp-schema. */
typedef struct QemuSchema QemuSchema;
QemuSchema *qemu_schema_new(const Json *schema); /* borrows it */
void qemu_schema_free(QemuSchema *schema);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuSchema, qemu_schema_free)
bool qemu_schema_has(const QemuSchema *schema, const char *query);
