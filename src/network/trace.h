/* Where the packets of a machine's interface go: each step of their way, and why it ends. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "core/object.h"

typedef struct TraceStep {
    char *interface;   /* vnet0, or the MAC of one that has no name; NULL: of all */
    const char *what;  /* "tap", "lease", ...: stable, for scripts */
    const char *state; /* "ok", "warn", "fail" */
    char *text;
    char *hint; /* NULL: nothing to be done */
} TraceStep;

GPtrArray *trace_new(void); /* of TraceStep */
/* @hint NULL: none; both texts are owned from now on */
void trace_add(GPtrArray *steps, const char *interface, const char *what, const char *state, char *text,
               char *hint);
/* Of the interface @iface of a running machine. */
AWAITS MUST_CHECK bool network_trace(Host *host, const InterfaceDef *iface, GPtrArray *steps, Error **err);
/* What rule sets of others do with the guests of each active network. */
AWAITS MUST_CHECK bool network_trace_others(Host *host, GPtrArray *steps, Error **err);
