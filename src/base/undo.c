/* Taking back the steps of an operation that failed half way. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/undo.h"

#include "base/fiber.h"
#include "base/fiber_private.h"

/* For each step. The deadline of the operation does not count: it may be what made it fail. */
#define UNDO_STEP_MS 60000

typedef struct UndoStep {
    void (*func)(void *arg);
    void *arg;
} UndoStep;

void undo_push(Undo *undo, void (*func)(void *arg), void *arg)
{
    if (!undo->steps)
        undo->steps = g_array_new(false, false, sizeof(UndoStep));
    UndoStep step = { .func = func, .arg = arg };
    g_array_append_val(undo->steps, step);
}

void undo_keep(Undo *undo)
{
    g_clear_pointer(&undo->steps, g_array_unref);
}

void undo_clear(Undo *undo)
{
    if (!undo->steps)
        return;
    g_autoptr(GArray) steps = g_steal_pointer(&undo->steps);
    fiber_shield_begin();
    for (guint i = steps->len; i > 0; i--) {
        const UndoStep *step = &g_array_index(steps, UndoStep, i - 1);
        uint64_t deadline = fiber_deadline_begin_fresh(UNDO_STEP_MS);
        step->func(step->arg);
        fiber_deadline_end(deadline);
    }
    fiber_shield_end();
}
