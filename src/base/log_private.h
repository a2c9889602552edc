/* Log fields that a fiber carries along. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

typedef struct LogContext {
    char request_id[24];
    char vm_uuid[40];
} LogContext;

/* Those of what runs on this thread: of the fiber, or of the thread outside any. */
LogContext *log_context(void);

/* Makes @context that of this thread until the next call; NULL: the thread's own. Not copied. */
void log_context_use(LogContext *context);
