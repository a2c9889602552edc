/* When freed memory goes back to the kernel. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's way: it runs for long and is mostly idle, so at once. */
void memory_setup(void);

/* Between the two large pieces come and go quickly, as in a stream: they are kept, because the kernel clears
 * what it gives anew, which costs more than they do. May be nested. */
void memory_keep_begin(void);
void memory_keep_end(void);
