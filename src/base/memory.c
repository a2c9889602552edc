/* Settings of malloc. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/memory.h"

#include <malloc.h>

#define KEEP_BYTES (32 << 20)

static unsigned n_keep;

static void memory_give_back(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

void memory_setup(void)
{
    /* The core runs in one thread and workers hold little: arenas per thread would only keep freed memory,
     * and large documents go back to the kernel at once instead of raising the thresholds. */
    (void)mallopt(M_ARENA_MAX, 2);
    memory_give_back();
}

void memory_keep_begin(void)
{
    if (n_keep++)
        return;
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
}

void memory_keep_end(void)
{
    if (--n_keep)
        return;
    memory_give_back();
    (void)malloc_trim(0);
}
