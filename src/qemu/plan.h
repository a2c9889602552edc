/* What QEMU needs for a machine, or for one device of it: an ordered list of steps, each an object as QAPI
 * has it. A cold start prints them as arguments; hot plug executes them over QMP; unplug walks them
 * backwards. So a device is described once.
 *
 * Descriptors are names in a plan ("net0-tap0"): a number exists only where a plan meets a process. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "base/macros.h"
#include "base/undo.h"
#include "qemu/qmp.h"

typedef enum PlanKind {
    PLAN_ARGUMENT, /* an option that exists at a cold start only */
    PLAN_OBJECT,
    PLAN_CHARDEV,
    PLAN_BLOCKDEV,
    PLAN_NETDEV,
    PLAN_FDSET,
    PLAN_DEVICE,
    PLAN_WATCHDOG, /* what QEMU does when one fires: lasts */
    PLAN_KIND_COUNT
} PlanKind;

typedef struct PlanStep {
    PlanKind kind;
    Json *object;        /* NULL: PLAN_ARGUMENT */
    char *option, *text; /* "-device" and its value, after plan_print(); text NULL for a flag */
    char *source;        /* XPath of the element that wants it; NULL: Lodge itself, then ... */
    const char *note;    /* ... why; a constant */
    GArray *descriptors; /* private: the strings inside @object that stand for descriptors; NULL: none */
    unsigned number;     /* PLAN_FDSET: its number */
    const struct PlanStep *first;    /* PLAN_FDSET: whose set it adds to; NULL: one of its own */
    const struct PlanTarget *target; /* where it was executed: for undo */
} PlanStep;

typedef struct Plan Plan;
Plan *plan_new(void);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)
const GPtrArray *plan_steps(const Plan *plan); /* of PlanStep, borrowed */

/* ---- making one ---- */

/* Where in the document the next steps come from. */
PRINTF(2, 3) void plan_at(Plan *plan, const char *xpath, ...);
/* No element: Lodge needs it; @note (a constant) says why. */
void plan_own(Plan *plan, const char *note);
void plan_flag(Plan *plan, const char *option);
PRINTF(3, 4) void plan_text(Plan *plan, const char *option, const char *format, ...);
void plan_add(Plan *plan, PlanKind kind, Json *object /* stolen */);
/* A string for an object that is added next: @names of descriptors, joined by ':'. */
Json *plan_descriptors(Plan *plan, const char *names);
/* Adds a descriptor set with the one of @name in it. The string is the path by which QEMU opens it. */
Json *plan_descriptor_set(Plan *plan, const char *name);
/* The same with those of several names (NULL-terminated) in one set. */
Json *plan_descriptor_set_of(Plan *plan, const char *const *names);

/* ---- descriptors by name ---- */

typedef GHashTable PlanFds; /* name -> number; owns the descriptors */
PlanFds *plan_fds_new(void);
void plan_fds_free(PlanFds *fds); /* closes what is in it; NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanFds, plan_fds_free)
void plan_fds_add(PlanFds *fds, const char *name, int fd /* owned */);
int plan_fds_get(const PlanFds *fds, const char *name); /* borrowed; -1: none. @fds may be NULL */

void plan_fds_append(const PlanFds *fds, GArray *list /* of int */); /* all of them, borrowed */

/* ---- a cold start ---- */

/* Writes the text of each step. ERROR_INTERNAL: @fds lacks a descriptor. */
MUST_CHECK bool plan_print(Plan *plan, const PlanFds *fds, Error **err);
/* A value inside a comma-separated option: commas doubled. Caller owns. */
char *option_escape(const char *value);
/* ",key=value" with that. */
void append_option(GString *out, const char *key, const char *value);

/* Writes into the object what its descriptors are for now: paths of sets; numbers, or names if @fds is NULL.
 * @ret_names (may be NULL): the names, to be passed to QEMU first. Caller frees with g_strfreev(). */
MUST_CHECK bool plan_step_resolve(const PlanStep *step, const PlanFds *fds, char ***ret_names, Error **err);

/* ---- a machine that runs ---- */

typedef struct PlanTarget {
    Qmp *qmp;
    const PlanFds *fds;
    /* Waits until the guest has let go of device @alias: DEVICE_DELETED came, even before the call.
     * ERROR_TIMEOUT: it did not. */
    AWAITS bool (*wait)(const char *alias, uint64_t timeout_ms, void *arg, Error **err);
    uint64_t timeout_ms;
    void *arg;
} PlanTarget;

/* Executes the steps in their order. What was done is in @undo, which must end before @plan and @target do.
 *
 * ERROR_CONFIG_UNSUPPORTED   a step exists at a cold start only; nothing was done
 * otherwise                  as qmp_exec(): QEMU's own words */
AWAITS MUST_CHECK bool plan_execute(Plan *plan, const PlanTarget *target, Undo *undo, Error **err);

/* Takes everything away, last step first, up to the first that fails. What is gone already is no error, so it
 * may be called again: after ERROR_TIMEOUT, when the guest has let go of its device at last. */
AWAITS MUST_CHECK bool plan_reverse(const Plan *plan, const PlanTarget *target, Error **err);
