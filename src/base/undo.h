/* The inverse of each step with effects outside the process, to run last to first when a later step fails.
 *
 * g_auto(Undo) undo = {0};   declared last, so that it runs before what it uses is freed */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct Undo {
    GArray *steps; /* private */
} Undo;

/* @func(@arg) runs if undo_keep() is not called before the scope ends. It runs shielded from cancellation,
 * may await, and reports its own failures to the log. @arg is borrowed. */
void undo_push(Undo *undo, void (*func)(void *arg), void *arg);
void undo_keep(Undo *undo);  /* success: nothing to take back */
void undo_clear(Undo *undo); /* runs what is left, last first */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Undo, undo_clear)
