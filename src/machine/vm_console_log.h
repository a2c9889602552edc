/* What guests printed on their serial consoles lately, for whoever opens one later.
 *
 * QEMU copies it into a file in memory, which it alone keeps: so it needs no daemon and outlives every one.
 * The file is sealed at a size that no guest can change; the daemon moves the last of it to its front from
 * time to time. While no daemon does, what comes when it is full is lost, not QEMU's time. Loop thread only;
 * nothing here waits. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm_private.h"

#define CONSOLE_LOG_KEPT_BYTES ((size_t)262144)

/* For a QEMU that is about to start: *ret_fd owned: what it is to copy the words of @alias to. false: there
 * is no log.
 */
bool vm_console_log_open(const VmRun *run, const char *alias, int *ret_fd);
/* QEMU has opened them: they have their size from now on. */
void vm_console_logs_seal(const VmRun *run);
/* Those of a QEMU that an earlier daemon started. */
void vm_console_logs_find(const VmRun *run);
/* The run ends. */
void vm_console_logs_forget(const VmRun *run);
/* The last of them, up to CONSOLE_LOG_KEPT_BYTES; NULL: nothing. New reference. */
GBytes *vm_console_log_read(const VmRun *run, const char *alias);
