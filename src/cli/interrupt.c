/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/interrupt.h"

#include "base/loop.h"

static const int signals[] = { SIGINT, SIGTERM };

static int interrupt_on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    Interrupt *interrupt = arg;

    interrupt->is_set = true;
    fiber_cancel(interrupt->fiber);
    return 0;
}

void interrupt_begin(Interrupt *interrupt, const Cli *cli)
{
    sigset_t set;

    *interrupt = (Interrupt){ .fiber = fiber_current() };
    sigemptyset(&set);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, &interrupt->before);
    for (size_t i = 0; i < G_N_ELEMENTS(signals) && !cli->interactive; i++)
        (void)sd_event_add_signal(loop_event(), &interrupt->sources[i], signals[i], interrupt_on_signal,
                                  interrupt);
}

void interrupt_end(Interrupt *interrupt)
{
    static const struct timespec now = { 0 };
    sigset_t set;

    if (!interrupt->fiber)
        return;
    sigemptyset(&set);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        if (interrupt->sources[i])
            sigaddset(&set, signals[i]);
    while (sigtimedwait(&set, NULL, &now) > 0)
        ;
    for (size_t i = 0; i < G_N_ELEMENTS(interrupt->sources); i++)
        sd_event_source_unref(interrupt->sources[i]);
    sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
}
