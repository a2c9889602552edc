/* Ctrl-C and SIGTERM, while a command does something that has to be taken back: they cancel its fiber, whose
 * waits then fail with ERROR_CANCELLED. In the shell Ctrl-C does that by itself.
 *
 * Declared before all that takes back when it goes out of scope: it ends last. One that comes when the work
 * is done is too late and changes nothing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>
#include <systemd/sd-event.h>

#include "cli/cli.h"

typedef struct Interrupt {
    Fiber *fiber; /* borrowed */
    bool is_set;  /* it was pressed */
    sd_event_source *sources[2];
    sigset_t before;
} Interrupt;

void interrupt_begin(Interrupt *interrupt, const Cli *cli);
/* Of one that has not begun: nothing. */
void interrupt_end(Interrupt *interrupt);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Interrupt, interrupt_end)
