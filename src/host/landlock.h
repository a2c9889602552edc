/* Rule sets of landlock(7): what a process may never do to files again, whoever it is and whatever their
 * owners allow. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

/* Has the kernel got it, and is it on? */
bool landlock_is_there(void);

/* A rule set under which nothing is made, removed or renamed but below @folders (NULL-terminated; those that
 * are not there are left out), no process outside is traced and, where the kernel can (Linux 6.12), signalled
 * or reached by an abstract socket. Reading and writing of files that are there stays as it is.
 *
 * Opens each folder for a moment, so none may lie on storage that could hang.
 *
 * *ret_fd: owned; -1 where there is no Landlock. ERROR_SYSTEM */
MUST_CHECK bool landlock_make(const char *const *folders, int *ret_fd, Error **err);
