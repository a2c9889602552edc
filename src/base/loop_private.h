/* What the modules of base tell each other about the loop; nobody else includes this. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Makes the loop call fiber_run_ready() and then what was deferred, in this turn or the next, without
 * sleeping before. */
void loop_request_dispatch(void);

/* Calls @func from loop_shutdown(), after the fibers are gone and while the event loop still exists. Last
 * added is called first. Forgotten afterwards: modules register again at their next first use. */
void loop_on_shutdown(void (*func)(void));

/* true while loop_run() or loop_run_until() runs: then only fibers may wait. */
bool loop_is_running(void);
