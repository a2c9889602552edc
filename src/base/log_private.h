/* Log fields that a fiber carries along. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

typedef struct LogContext {
    char request_id[24];
    char vm_uuid[40];
} LogContext;
