/* Ctrl-C and SIGTERM, while a command does something that has to be taken back: they cancel its fiber, whose
 * waits then fail with ERROR_CANCELLED. In the shell Ctrl-C does that by itself. */
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
void interrupt_end(Interrupt *interrupt);
