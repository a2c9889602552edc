/* Annotations that the compiler checks and readers rely on. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The call may suspend the fiber: other fibers run meanwhile, so check the world again afterwards. */
#define AWAITS

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(text_index, first_index) __attribute__((__format__(__printf__, text_index, first_index)))

/* `if (!x) return` for pointers that a caller handed over: closes with fd_close() at the end of the scope. */
#define AUTO_FD __attribute__((cleanup(fd_cleanup))) int

void fd_cleanup(int *fd); /* closes *fd if >= 0, keeps errno, sets it to -1 */
int fd_steal(int *fd);    /* returns *fd and leaves -1 */
