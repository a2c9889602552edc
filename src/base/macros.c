/* Closing descriptors at the end of a scope without disturbing errno. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macros.h"

#include <errno.h>
#include <unistd.h>

void fd_cleanup(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    (void)close(*fd); /* on Linux the descriptor is gone even when close() fails */
    *fd = -1;
    errno = saved;
}

int fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
