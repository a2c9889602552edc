/* What QEMU prints, in log_qemu/NAME.log: bounded in size and in speed, whatever a guest makes its QEMU say.
 *
 * QEMU's stdout and stderr are a pipe with a name below run/. QEMU holds both of its ends and never waits in
 * it: what does not fit is lost, also while no daemon reads. A daemon that was restarted opens it again. The
 * file is kept to 2 MiB and three older ones, NAME.log.0 to .2, as virtlogd does. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "core/host.h"

typedef struct VmLog VmLog;

char *vm_log_path(const Host *host, const char *name);
char *vm_log_pipe_path(const Host *host, const char *name);

/* For a QEMU that is about to start. Writes @header. *ret_fd: for QEMU's stdout and stderr, owned.
 * ERROR_SYSTEM: the log cannot be written. */
AWAITS MUST_CHECK bool vm_log_open(Host *host, const char *name, const char *header, VmLog **ret_log,
                                   int *ret_fd, Error **err);
/* Another descriptor for the output of what belongs to the machine; -1: it has no log that is open. Owned. */
int vm_log_open_writer(const Host *host, const char *name);
/* A line of our own. */
void vm_log_add(const Host *host, const char *name, const char *line);
/* For a QEMU of an earlier daemon. If it has no pipe of ours (libvirtd's), only vm_log_end() does something.
 */
VmLog *vm_log_reopen(Host *host, const char *name);
/* The last that QEMU printed, at most 64 KiB, without the newline at its end. Caller owns. */
char *vm_log_get_tail(VmLog *log);
/* QEMU is gone: writes the rest of its words and @text. Failures are logged. */
AWAITS void vm_log_end(VmLog *log, const char *text);
/* Does not remove the pipe: its name goes with the status file. NULL is fine. */
void vm_log_free(VmLog *log);
